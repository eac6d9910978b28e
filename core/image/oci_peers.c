/* Whom skopeo may ask on behalf of a workflow: see runfs/peer.h. Which image that names is one thing, where
 * its registry leads on to (for layers, to log in) another, so that its process is watched by the agent. */
#include <netdb.h>

#include "core/image/oci.h"
#include "runfs/str.h"

enum { ADDRESSES_MAX = 64 };

int oci_registries_check(const char *text, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_ \t\n";

    return strlen(text) < 1000 && strspn(text, allowed) == strlen(text)
               ? 0
               : err_set(err, -EINVAL,
                         "it is none, HOST or HOST:PORT, or several, as in localhost:5000, not '%.200s'",
                         text);
}

struct peers {
    char **words; /* owned */
    size_t n, room;
    bool failed; /* there is no memory */
};

static void add(struct peers *p, const char *word)
{
    char *copy = p->n < p->room ? strdup(word) : NULL;

    p->words[p->n] = copy;
    p->n += copy != NULL;
    p->failed |= !copy;
}

/* All its addresses as they are now. An unknown name allows nothing. */
static void add_host(struct peers *p, const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[NI_MAXHOST], number[NI_MAXSERV];

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return;
    for (const struct addrinfo *i = found; i && p->n + 3 < p->room; i = i->ai_next)
        if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof(text), number, sizeof(number),
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
            add(p, text);
            add(p, number);
        }
    freeaddrinfo(found);
}

/* HOST[:PORT] or [ADDRESS][:PORT]; without a port those of http and https. */
static void add_named(struct peers *p, const char *text, size_t len, const char *const usual[])
{
    _free_ char *copy = strndup(text, len);
    char *end = copy, *host = copy;

    if (copy && *copy == '[') {
        host = copy + 1;
        end = strchrnul(host, ']');
        end += *end ? 1 : 0;
        host[strcspn(host, "]")] = '\0';
    } else if (copy) {
        end = strchrnul(copy, ':');
    }
    const char *port = end && *end == ':' ? end + 1 : NULL;
    if (port)
        *end = '\0';
    for (size_t i = 0; copy && (port ? i == 0 : usual[i] != NULL); i++)
        add_host(p, host, port ? port : usual[i]);
}

/* Proxies that the owner of this process has set ask in its stead: they may be here. */
static void add_proxies(struct peers *p)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"},
                             *const usual[] = {"80", "443", "1080", NULL};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *at = getenv(names[i]), *host = at ? strstr(at, "://") : NULL;
        if (str_empty(at))
            continue;
        host = host ? host + 3 : at;
        size_t len = strcspn(host, "/?#");
        const char *user = memrchr(host, '@', len);
        if (user) {
            len -= (size_t)(user + 1 - host);
            host = user + 1;
        }
        add_named(p, host, len, usual);
    }
}

int oci_peers(const struct oci_pull *pull, char ***ret, struct err *err)
{
    static const char *const usual[] = {"443", "80", NULL};
    const size_t room = 2 * ADDRESSES_MAX + 4;
    struct peers p = {.words = calloc(room + 1, sizeof(*p.words)), .room = room};

    if (!p.words)
        return err_errno(err, -ENOMEM, "cannot fetch the image");
    if (pull->agent) {
        add(&p, pull->agent);
        add(&p, "peers");
        const char *at = pull->registries ? pull->registries : "";
        for (at += strspn(at, " \t\n"); *at; at += strspn(at, " \t\n")) {
            size_t len = strcspn(at, " \t\n");
            add_named(&p, at, len, usual);
            at += len;
        }
        add_proxies(&p);
        add(&p, "--");
    }
    if (p.failed) {
        strv_free(p.words);
        return err_errno(err, -ENOMEM, "cannot fetch the image");
    }
    *ret = p.words;
    return 0;
}
