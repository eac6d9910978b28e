/* A connection to a host: found, known, logged in to. */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>

#include "core/machine/ssh.h"
#include "runfs/str.h"

enum {
    WAIT_MS = 15000,     /* for the connection, and for each answer until it is logged in */
    SILENCE_MS = 15000,  /* what is sent is acknowledged before that, or the connection is lost */
    LOOK_S = 5,          /* after so long without traffic it is looked whether the host is still there */
    KEY_TEXT_MAX = 4096, /* of a host's key */
};

static void start_library(void)
{
    (void)libssh2_init(0);
}

int ssh_failed(struct ssh_session *s, const char *what, struct err *err)
{
    char *words = NULL;
    int code = libssh2_session_last_error(s->session, &words, NULL, 0);
    size_t len = words ? utf8_valid_prefix(words, strlen(words)) : 0;

    return err_set(err, code == LIBSSH2_ERROR_TIMEOUT ? -ETIMEDOUT : -ECONNABORTED, "ssh %s: %s: %.*s",
                   s->where, what, (int)(len < 200 ? len : 200), len ? words : "the connection was closed");
}

/* ---------------------------------------------------------------------------------------------- the way
 * there */

static void set_options(int fd)
{
    const int on = 1, look = LOOK_S, looks = 2, silence = SILENCE_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof(silence));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &look, sizeof(look));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &look, sizeof(look));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &looks, sizeof(looks));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* A connected socket, or -errno. */
static int connect_to(const struct addrinfo *a)
{
    _close_ int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0, n;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return -errno;
    set_options(fd);
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -errno;
    while ((n = poll(&p, 1, WAIT_MS)) < 0 && errno == EINTR)
        ;
    if (n <= 0)
        return n < 0 ? -errno : -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
        return error ? -error : -errno;
    return TAKE_FD(fd);
}

static int find_and_connect(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    char port[8];
    int fd = -EHOSTUNREACH;

    snprintf(port, sizeof(port), "%u", h->port);
    int r = getaddrinfo(h->name, port, &hints, &all);
    if (r != 0)
        return err_set(err, -EHOSTUNREACH, "ssh %s: %s", s->where, gai_strerror(r));
    for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
        fd = connect_to(a);
    freeaddrinfo(all);
    if (fd < 0)
        return err_errno(err, fd, "ssh %s: cannot connect", s->where);
    s->socket = fd;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- its key
 */

/* Kinds of the known keys, as the host is to show one of these. */
static int prefer_known(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    _buf_ struct buf kinds = BUF_INIT;

    for (char **k = h->keys; *k; k++)
        buf_addf(&kinds, "%s%.*s", kinds.len ? "," : "", (int)strcspn(*k, " "), *k);
    if (!kinds.len)
        return 0;
    if (!buf_ok(&kinds))
        return err_errno(err, -ENOMEM, "ssh");
    return libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY, kinds.ptr) == 0
               ? 0
               : ssh_failed(s, "none of the kinds of its known keys can be used", err);
}

/* "TYPE BASE64", appended. */
static int shown_key(struct ssh_session *s, struct buf *ret, struct err *err)
{
    size_t len = 0;
    int type;
    const unsigned char *key = (const unsigned char *)libssh2_session_hostkey(s->session, &len, &type);
    char text[KEY_TEXT_MAX];
    size_t kind = key && len > 4 ? ((size_t)key[2] << 8) + key[3] : 0;

    if (!kind || kind > len - 4 || kind > 64 ||
        sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL) > sizeof(text))
        return err_set(err, -EPROTO, "ssh %s: it shows no key that could be one", s->where);
    sodium_bin2base64(text, sizeof(text), key, len, sodium_base64_VARIANT_ORIGINAL);
    buf_addf(ret, "%.*s %s", (int)kind, (const char *)key + 4, text);
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "ssh");
}

/* Without what may stand behind it. */
static bool same_key(const char *known, const char *shown)
{
    size_t len = strlen(shown);

    return strncmp(known, shown, len) == 0 && (known[len] == '\0' || known[len] == ' ');
}

int ssh_check_host(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    _buf_ struct buf shown = BUF_INIT, print = BUF_INIT;
    int r = shown_key(s, &shown, err);

    if (r < 0)
        return r;
    for (char **k = h->keys; *k; k++)
        if (same_key(*k, shown.ptr))
            return 0;
    (void)ssh_fingerprint(shown.ptr, &print);
    if (!*h->keys)
        return err_set(err, -EACCES,
                       "ssh %s: no key of it is known, so it could be anybody; it shows %s: `runfs host add` "
                       "writes it down once you have compared it",
                       s->where, buf_str(&print));
    return err_set(err, -EACCES,
                   "ssh %s: it shows the key %s, which is none that it is known by: another host answers "
                   "there, or it was installed anew (then `runfs host add`)",
                   s->where, buf_str(&print));
}

int ssh_host_key(const struct ssh_host *h, struct buf *ret, struct err *err)
{
    struct ssh_session s = SSH_SESSION_INIT;
    int r = ssh_connect(h, &s, err);

    if (r == 0)
        r = shown_key(&s, ret, err);
    ssh_close(&s);
    return r;
}

/* --------------------------------------------------------------------------------------------- the session
 */

int ssh_connect(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_library);
    snprintf(s->where, sizeof(s->where), strchr(h->name, ':') ? "%.60s@[%.200s]:%u" : "%.60s@%.200s:%u",
             h->user, h->name, h->port);
    int r = find_and_connect(h, s, err);
    if (r < 0)
        return r;
    s->session = libssh2_session_init_ex(NULL, NULL, NULL, NULL);
    if (!s->session)
        return err_errno(err, -ENOMEM, "ssh");
    libssh2_session_set_blocking(s->session, 1);
    libssh2_session_set_timeout(s->session, WAIT_MS);
    r = prefer_known(h, s, err);
    if (r == 0 && libssh2_session_handshake(s->session, s->socket) != 0)
        r = ssh_failed(s, "cannot agree with it", err);
    return r;
}

int ssh_login(const struct ssh_host *h, struct ssh_session *s, const char *private_key, struct err *err)
{
    unsigned user = (unsigned)strlen(h->user);
    const char *methods = libssh2_userauth_list(s->session, h->user, user);

    if (methods && !strstr(methods, "publickey"))
        return err_set(err, -EACCES, "ssh %s: it takes no keys, but %.100s", s->where, methods);
    if (libssh2_userauth_publickey_frommemory(s->session, h->user, user, NULL, 0, private_key,
                                              strlen(private_key), NULL) == 0)
        return 0;
    char what[200];
    snprintf(what, sizeof(what),
             "it does not let the key of config/identities/%.60s in (is its public half in "
             "~/.ssh/authorized_keys there?)",
             h->identity);
    int r = ssh_failed(s, what, err);
    return r == -ECONNABORTED ? -EACCES : r;
}

void ssh_close(struct ssh_session *s)
{
    if (s->session) {
        /* a word that nobody waits for; then whatever is still to be sent fails at once, and is freed */
        libssh2_session_set_blocking(s->session, 0);
        (void)libssh2_session_disconnect_ex(s->session, SSH_DISCONNECT_BY_APPLICATION, "done", "");
        (void)shutdown(s->socket, SHUT_RDWR);
        libssh2_session_set_blocking(s->session, 1);
        (void)libssh2_session_free(s->session);
        s->session = NULL;
    }
    cleanup_close(&s->socket);
}
