/* A connection to a host: found, known, logged in to. */
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>

#include "core/machine/ssh.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

enum {
    WAIT_MS = 15000,        /* for an agreement on ciphers */
    KEY_TEXT_MAX = 4096,    /* of a host's key */
    SLICE_MS = 200,         /* between two looks whether somebody still waits */
    STRANGER_MAX = 1 << 20, /* bytes before a host has shown its key, which takes a few thousand */
    HEARD_MAX = 8 << 10,    /* of them are looked at when it went wrong */
};

/* An RSA key by the three ways that it signs in (RFC 8332). The libssh2 of Debian 12 knows the last one only,
 * which OpenSSH refuses since 8.8. */
static const char rsa_kinds[] = "rsa-sha2-512,rsa-sha2-256,ssh-rsa";
static const char usual_kinds[] = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";

static void start_library(void)
{
    (void)libssh2_init(0);
}

void ssh_clean_words(char *words)
{
    words[utf8_valid_prefix(words, strlen(words))] = '\0';
    for (char *p = words; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = '?';
    unseen_replace(words);
}

static bool too_late(const struct ssh_session *s)
{
    return s->until && mono_ns() >= s->until;
}

static bool cancelled(const struct ssh_session *s)
{
    return s->cancelled && atomic_load(s->cancelled);
}

int ssh_failed(struct ssh_session *s, const char *what, struct err *err)
{
    char *said = NULL, words[200];
    int code = libssh2_session_last_error(s->session, &said, NULL, 0);

    if (cancelled(s))
        return err_set(err, -ECANCELED, "ssh %s: %s: the job was cancelled", s->where, what);
    if (code == LIBSSH2_ERROR_TIMEOUT || too_late(s))
        return err_set(err, -ETIMEDOUT, "ssh %s: %s: it took too long", s->where, what);
    if (s->stranger && s->unasked >= STRANGER_MAX)
        return err_set(err, -ECONNABORTED, "ssh %s: %s: it sends and sends, but shows no key", s->where,
                       what);
    /* what it would have waited for last is no reason */
    const char *behind = s->through ? ssh_pump_lost(s->through) : NULL;
    if (behind)
        return err_set(err, -ECONNABORTED, "ssh %s: %s: %s", s->where, what, behind);
    snprintf(words, sizeof(words), "%s",
             said && *said && code != LIBSSH2_ERROR_EAGAIN ? said : "the connection was closed");
    ssh_clean_words(words);
    return err_set(err, -ECONNABORTED, "ssh %s: %s: %s", s->where, what,
                   code == LIBSSH2_ERROR_ALLOC ? "it sends more than can be kept" : words);
}

bool ssh_in_time(struct ssh_session *s, int64_t until)
{
    s->until = until;
    return !too_late(s) && !cancelled(s);
}

int64_t ssh_after_ms(int ms)
{
    return mono_ns() + ms * 1000000LL;
}

int ssh_wait_slice(const struct ssh_session *s, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = (s->until - mono_ns()) / 1000000 + 1;
    int n = poll(&p, 1, left > SLICE_MS ? SLICE_MS : left > 0 ? (int)left : 0);

    return n < 0 && errno == EINTR ? 0 : n;
}

bool ssh_wait(struct ssh_session *s)
{
    int directions = libssh2_session_block_directions(s->session);
    short events = (short)((directions & LIBSSH2_SESSION_BLOCK_INBOUND ? POLLIN : 0) |
                           (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLOUT : 0));

    return ssh_wait_slice(s, s->socket, events) >= 0 && !too_late(s) && !cancelled(s);
}

bool ssh_wants_more(struct ssh_session *s)
{
    return libssh2_session_last_error(s->session, NULL, NULL, 0) == LIBSSH2_ERROR_EAGAIN;
}

/* ------------------------------------------------------------------------------ what a host may make us take
 */

/* What libssh2 takes for an error is a negative number. */
static LIBSSH2_RECV_FUNC(receive)
{
    struct ssh_session *s = *abstract;
    ssize_t n;

    if (too_late(s))
        return -ETIMEDOUT;
    if (cancelled(s))
        return -ECANCELED;
    if (s->stranger && s->unasked >= STRANGER_MAX)
        return -EMSGSIZE;
    if (s->counted && !s->budget)
        return -EAGAIN;
    while ((n = recv(socket, buffer, length, flags)) < 0 && errno == EINTR)
        ;
    if (n > 0 && s->stranger) {
        s->unasked += (size_t)n;
        buf_add(&s->heard, buffer,
                (size_t)n < HEARD_MAX - s->heard.len ? (size_t)n : HEARD_MAX - s->heard.len);
    }
    if (n > 0)
        s->received_at = mono_ns();
    if (n > 0 && s->counted)
        s->budget -= s->budget < (size_t)n ? s->budget : (size_t)n;
    return n < 0 ? -errno : n;
}

static void set_receive(struct ssh_session *s)
{
    const union {
        LIBSSH2_RECV_FUNC((*function));
        void *pointer; /* as libssh2 wants them of all kinds */
    } callback = {.function = receive};

    (void)libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_RECV, callback.pointer);
}

/* ------------------------------------------------------------------------------------------------- its key
 */

static bool can_check(const char *const *all, int n, const char *kind, size_t len)
{
    for (int i = 0; i < n; i++)
        if (strlen(all[i]) == len && memcmp(all[i], kind, len) == 0)
            return true;
    return false;
}

/* Those of the kinds, with commas between them, that libssh2 knows: it leaves out others itself, but by
 * copying what overlaps. */
static void add_kinds(const char *kinds, const char *const *all, int n, struct buf *ret)
{
    while (*kinds) {
        size_t len = strcspn(kinds, ", ");
        if (can_check(all, n, kinds, len)) {
            buf_adds(ret, ret->len ? "," : "");
            buf_add(ret, kinds, len);
        }
        kinds += len;
        if (*kinds != ',')
            break;
        kinds++;
    }
}

/* Kinds of the known keys, as the host is to show one of these; else as ssh(1) prefers them, so that it is
 * the key whose fingerprint a person is told to compare. */
static int prefer_known(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    const char **all = NULL;
    int n = libssh2_session_supported_algs(s->session, LIBSSH2_METHOD_HOSTKEY, &all);

    for (char **k = h->keys; *k; k++)
        add_kinds(str_starts(*k, "ssh-rsa ") ? rsa_kinds : *k, all, n, &s->kinds);
    if (!*h->keys) {
        add_kinds(usual_kinds, all, n, &s->kinds);
        add_kinds(rsa_kinds, all, n, &s->kinds);
    }
    if (all)
        libssh2_free(s->session, all);
    if (!buf_ok(&s->kinds))
        return err_errno(err, -ENOMEM, "ssh");
    if (!s->kinds.len)
        return err_set(err, -ENOTSUP, "ssh %s: libssh2 %s can check none of the keys that it is known by",
                       s->where, libssh2_version(0));
    return libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY, s->kinds.ptr) == 0
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

/* What it said instead of a version is for a person (RFC 4253, 4.2). */
static int hung_up(struct ssh_session *s, struct err *err)
{
    char said[100];

    snprintf(said, sizeof(said), "%.*s", (int)strcspn(buf_str(&s->heard), "\r\n"), buf_str(&s->heard));
    ssh_clean_words(said);
    return err_set(err, -ECONNRESET, "ssh %s: it closed the connection before it had shown a key%s%s",
                   s->where, *said ? ", and said: " : " (MaxStartups in its sshd_config?)", said);
}

static int not_agreed(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    static const char what[] = "cannot agree with it";
    int code = libssh2_session_last_errno(s->session);
    char why[600];

    if (code != LIBSSH2_ERROR_EAGAIN && !too_late(s) &&
        ssh_explain_offer(h, s, buf_str(&s->kinds), why, sizeof(why)))
        return err_set(err, -ENOTSUP, "ssh %s: %s: %s", s->where, what, why);
    if ((code == LIBSSH2_ERROR_SOCKET_DISCONNECT || code == LIBSSH2_ERROR_SOCKET_RECV) && !too_late(s) &&
        !cancelled(s) && !(s->through && ssh_pump_lost(s->through) && !ssh_pump_closed(s->through)))
        return hung_up(s, err);
    if (too_late(s) && !s->unasked)
        return err_set(err, -ETIMEDOUT, "ssh %s: %s: it takes connections, but says nothing on them",
                       s->where, what);
    return ssh_failed(s, what, err);
}

int ssh_connect(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_library);
    snprintf(s->where, sizeof(s->where), strchr(h->name, ':') ? "%.60s@[%.200s]:%u" : "%.60s@%.200s:%u",
             h->user, h->name, h->port);
    int r = s->socket < 0 ? ssh_reach(h, s, err) : 0;
    if (r < 0)
        return r;
    s->session = libssh2_session_init_ex(ssh_allocate, ssh_release, ssh_reallocate, s);
    if (!s->session)
        return err_errno(err, -ENOMEM, "ssh");
    set_receive(s);
    libssh2_session_set_blocking(s->session, 0);
    (void)ssh_in_time(s, ssh_after_ms(WAIT_MS));
    s->stranger = true;
    r = prefer_known(h, s, err);
    if (r == 0 && ssh_await(s, libssh2_session_handshake(s->session, s->socket)) != 0)
        r = not_agreed(h, s, err);
    s->stranger = r < 0;
    buf_release(&s->heard);
    buf_release(&s->kinds);
    return r;
}

void ssh_close(struct ssh_session *s)
{
    if (s->session) {
        /* a word that nobody waits for; then whatever is still to be sent fails at once, and is freed */
        (void)libssh2_session_disconnect_ex(s->session, SSH_DISCONNECT_BY_APPLICATION, "done", "");
        (void)shutdown(s->socket, SHUT_RDWR);
        s->until = 1;
        libssh2_session_set_blocking(s->session, 1);
        (void)libssh2_session_free(s->session);
        s->session = NULL;
    }
    ssh_forget(s);
    cleanup_close(&s->socket);
    buf_release(&s->heard);
    buf_release(&s->kinds);
}
