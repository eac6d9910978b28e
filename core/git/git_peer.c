/* Whether git on the host may ask where a repository sends it: not the host itself, nor what answers to it
 * alone (the metadata services of clouds). Machines whose network is filtered cannot ask those either. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>

#include "git.h"
#include "runfs/late_curl.h"
#include "runfs/str.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool is_within(uint32_t address, uint32_t network, unsigned bits)
{
    return (address ^ network) >> (32 - bits) == 0;
}

static bool is_forbidden_4(uint32_t a)
{
    return is_within(a, 0x00000000, 8) || is_within(a, 0x7f000000, 8) || is_within(a, 0xa9fe0000, 16) ||
           a == 0x646464c8 /* 100.100.100.200: Alibaba's */ || a == 0xa83f8110 /* 168.63.129.16: Azure's */ ||
           a == 0xc00000c0 /* 192.0.0.192: Oracle's */ || is_within(a, 0xe0000000, 3);
}

static bool is_forbidden(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_forbidden_4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a))
        return is_forbidden_4(ntohl(a->s6_addr32[3]));
    static const unsigned char aws[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
    return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
           IN6_IS_ADDR_MULTICAST(a) || memcmp(a, aws, sizeof(aws)) == 0;
}

static bool has_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!str_empty(getenv(names[i])))
            return true;
    return false;
}

/* All its addresses are looked at, and git is told to use those and no others. */
static int check_host(const char *host, const char *port, struct buf *ret_pin, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[INET6_ADDRSTRLEN];
    int r = 0;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return has_proxy() ? 0 : err_set(err, -EHOSTUNREACH, "the host %s is not known", host);
    buf_addf(ret_pin, "http.curloptResolve=%s:%s:", host, port);
    for (const struct addrinfo *i = found; i && r == 0; i = i->ai_next) {
        bool v6 = i->ai_family == AF_INET6;
        if (is_forbidden(i->ai_addr))
            r = err_set(err, -EPERM, "%s is this host, or what answers to it alone, which is not asked",
                        host);
        else if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
            buf_addf(ret_pin, "%s%s%s%s", i == found ? "" : ",", v6 ? "[" : "", text, v6 ? "]" : "");
    }
    freeaddrinfo(found);
    return r;
}

/* As git sees it, which gives it to libcurl too. */
static char *part(CURLU *url, CURLUPart what)
{
    char *own = NULL, *copy;

    if (curl_url_get(url, what, &own, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return NULL;
    copy = strdup(own);
    curl_free(own);
    return copy;
}

int git_check_peer(const char *url, struct buf *ret_pin, struct err *err)
{
    (void)pthread_once(&curl_once, start_curl);
    CURLU *parsed = curl_url();
    bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK;
    _free_ char *scheme = good ? part(parsed, CURLUPART_SCHEME) : NULL,
                *port = good ? part(parsed, CURLUPART_PORT) : NULL,
                *host = good ? part(parsed, CURLUPART_HOST) : NULL;

    if (parsed)
        curl_url_cleanup(parsed);
    if (!scheme || !host || !port || (!str_eq(scheme, "https") && !str_eq(scheme, "http")))
        return err_set(err, -EPERM, "'%s' is no address that begins with https:// or http://", url);
    if (*host != '[')
        return check_host(host, port, ret_pin, err);
    host[strlen(host) - 1] = '\0';
    int r = check_host(host + 1, port, ret_pin, err);
    buf_reset(ret_pin); /* a number is pinned as it is */
    return r;
}
