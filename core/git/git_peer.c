/* Whether git on the host may ask where a repository sends it: not the host itself, nor what answers to it
 * alone (the metadata services of clouds). Machines whose network is filtered cannot ask those either. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>

#include "git.h"
#include "runfs/late_curl.h"
#include "runfs/peer.h"
#include "runfs/str.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
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
        if (peer_is_own(i->ai_addr))
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
