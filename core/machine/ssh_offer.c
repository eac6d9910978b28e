/*
 * Why nothing was agreed on with a host: its side of the negotiation (RFC 4253, 7.1) comes in clear, and is
 * read here once it has failed, for words that name what is missing. libssh2 says only that it failed.
 */
#include "core/machine/ssh.h"
#include "runfs/str.h"

enum { KEXINIT = 20, COOKIE = 16 };

struct text {
    const char *at;
    size_t len;
};

/* Lists in the order that they come in. */
enum { KEX, HOST_KEY, CIPHER_THERE, CIPHER_BACK, LISTS };
struct offer {
    struct text lists[LISTS];
};

static size_t number(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;

    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Behind the line that names its version, and those that may stand before that. */
static const char *find_packet(const struct buf *heard)
{
    const char *at = buf_str(heard), *end = at + heard->len;

    while (at < end) {
        bool version = end - at > 4 && memcmp(at, "SSH-", 4) == 0;
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line)
            return NULL;
        at = line + 1;
        if (version)
            return at;
    }
    return NULL;
}

static bool read_offer(const struct buf *heard, struct offer *ret)
{
    const char *at = find_packet(heard), *end = buf_str(heard) + heard->len;

    if (!at || end - at < 6 + COOKIE || at[5] != KEXINIT)
        return false;
    at += 6 + COOKIE;
    for (int i = 0; i < LISTS; i++) {
        if (end - at < 4 || number(at) > (size_t)(end - at - 4))
            return false;
        ret->lists[i] = (struct text){at + 4, number(at)};
        at += 4 + number(at);
    }
    return true;
}

/* One of a list of names with commas between them; false: there is no more. */
static bool next_name(struct text *list, struct text *ret)
{
    const char *comma = list->len ? memchr(list->at, ',', list->len) : NULL;
    size_t len = comma ? (size_t)(comma - list->at) : list->len;

    *ret = (struct text){list->at, len};
    list->at += len + (comma ? 1 : 0);
    list->len -= len + (comma ? 1 : 0);
    return len || comma;
}

static bool has_name(struct text list, const char *name)
{
    struct text t;

    while (next_name(&list, &t))
        if (t.len == strlen(name) && memcmp(t.at, name, t.len) == 0)
            return true;
    return false;
}

/* Whether libssh2 can do any of the list; of host keys, whether it is also one that is asked for. */
static bool any_common(struct ssh_session *s, int method, struct text list, const char *asked)
{
    const struct text wanted = {asked, asked ? strlen(asked) : 0};
    const char **all = NULL;
    int n = libssh2_session_supported_algs(s->session, method, &all);
    bool found = n <= 0;

    for (int i = 0; i < n; i++)
        found |= has_name(list, all[i]) && (!asked || has_name(wanted, all[i]));
    if (all)
        libssh2_free(s->session, all);
    return found;
}

static void quote(struct text list, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s", (int)(list.len < size ? list.len : size - 1), list.at);
    ssh_clean_words(ret);
}

static bool all_are(struct text list, const char *part)
{
    bool any = list.len > 0;
    struct text t;

    while (any && next_name(&list, &t))
        any = memmem(t.at, t.len, part, strlen(part));
    return any;
}

/* The host's own keys are of kinds that are not asked for, or that libssh2 cannot check. */
static void explain_keys(const struct ssh_host *h, struct text list, char *ret, size_t size)
{
    char kinds[200];

    quote(list, kinds, sizeof(kinds));
    if (all_are(list, "-cert-"))
        snprintf(ret, size,
                 "it shows certificates only (%s), and runfs knows hosts by their keys: let it show a plain "
                 "one too (HostKeyAlgorithms in its sshd_config)",
                 kinds);
    else if (all_are(list, "rsa"))
        snprintf(ret, size,
                 "its only key is an RSA key (%s), which libssh2 %s can check only in a way that OpenSSH has "
                 "given up: give it one that is ed25519 or ecdsa (`ssh-keygen -A` makes them there)",
                 kinds, libssh2_version(0));
    else if (*h->keys)
        snprintf(ret, size,
                 "it shows no key of the kinds that it is known by, but %s: another host answers there, or "
                 "its keys were changed (then `runfs host add`)",
                 kinds);
    else
        snprintf(ret, size, "it shows keys of kinds that libssh2 %s does not know: %s", libssh2_version(0),
                 kinds);
}

bool ssh_explain_offer(const struct ssh_host *h, struct ssh_session *s, const char *asked, char *ret,
                       size_t size)
{
    static const struct {
        int method;
        const char *what;
    } of[LISTS] = {{LIBSSH2_METHOD_KEX, "key exchanges"},
                   {LIBSSH2_METHOD_HOSTKEY, "keys"},
                   {LIBSSH2_METHOD_CRYPT_CS, "ciphers"},
                   {LIBSSH2_METHOD_CRYPT_SC, "ciphers"}};
    struct offer o;
    char names[200];

    if (!read_offer(&s->heard, &o))
        return false;
    for (int i = 0; i < LISTS; i++) {
        if (any_common(s, of[i].method, o.lists[i], i == HOST_KEY ? asked : NULL))
            continue;
        quote(o.lists[i], names, sizeof(names));
        if (i == HOST_KEY)
            explain_keys(h, o.lists[i], ret, size);
        else
            snprintf(ret, size, "it takes no %s but %s, none of which libssh2 %s knows", of[i].what, names,
                     libssh2_version(0));
        return true;
    }
    return false;
}
