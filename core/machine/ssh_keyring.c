/*
 * Keys of an ssh-agent(1), by the protocol that draft-miller-ssh-agent describes: it is asked which it has,
 * and to sign with one. It may be forwarded, or wait for a person: what it says is bounded, and so is how
 * long it is waited for, as with the host that the signature is for.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/machine/ssh.h"
#include "runfs/io.h"

enum { MESSAGE_MAX = 256 * 1024, READ_STEP = 4096 };
enum { REQUEST_IDENTITIES = 11, IDENTITIES_ANSWER = 12, SIGN_REQUEST = 13, SIGN_RESPONSE = 14 };

static int not_there(const struct ssh_session *s, const char *path, int error, struct err *err)
{
    return err_errno(err, error, "ssh %s: cannot reach the ssh-agent at %.200s", s->where, path);
}

static int reach(const struct ssh_session *s, const char *path, int *ret, struct err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (!*path)
        return err_set(
            err, -ENOENT,
            "ssh %s: the daemon has no SSH_AUTH_SOCK: `runfs mount` is to be started with it, or its "
            "line in config/hosts says where the socket of ssh-agent is: `agent /PATH`",
            s->where);
    if (strlen(path) >= sizeof(a.sun_path))
        return not_there(s, path, -ENAMETOOLONG, err);
    memcpy(a.sun_path, path, strlen(path));
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return not_there(s, path, -errno, err);
    *ret = TAKE_FD(fd);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- messages
 */

/* False: it is too late, or cancelled. */
static bool wait_for(const struct ssh_session *s, int fd, short events)
{
    return ssh_wait_slice(s, fd, events) >= 0 && (!s->until || mono_ns() < s->until) &&
           !(s->cancelled && atomic_load(s->cancelled));
}

static bool send_all(const struct ssh_session *s, int fd, const struct buf *b)
{
    size_t at = 0;

    while (at < b->len) {
        ssize_t n = send(fd, b->ptr + at, b->len - at, MSG_NOSIGNAL);
        if (n > 0)
            at += (size_t)n;
        else if ((n < 0 && errno != EAGAIN && errno != EINTR) || !wait_for(s, fd, POLLOUT))
            return false;
    }
    return true;
}

static bool receive(const struct ssh_session *s, int fd, size_t want, struct buf *ret)
{
    while (ret->len < want) {
        size_t step = want - ret->len < READ_STEP ? want - ret->len : READ_STEP;
        char *to = buf_reserve(ret, step);
        ssize_t n = to ? recv(fd, to, step, 0) : 0;
        if (n > 0)
            ret->len += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(s, fd, POLLIN))
            return false;
    }
    return true;
}

static uint32_t number_at(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void add_number(struct buf *b, size_t n)
{
    const unsigned char bytes[] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                   (unsigned char)(n >> 8), (unsigned char)n};

    buf_add(b, bytes, sizeof(bytes));
}

static void add_string(struct buf *b, const void *s, size_t len)
{
    add_number(b, len);
    buf_add(b, s, len);
}

const unsigned char *ssh_take_string(const unsigned char **at, const unsigned char *end, size_t *ret_len)
{
    if (end - *at < 4 || number_at(*at) > (size_t)(end - *at) - 4)
        return NULL;
    const unsigned char *s = *at + 4;
    *ret_len = number_at(*at);
    *at = s + *ret_len;
    return s;
}

/* Its answer, with its kind as the first byte; false: it is none of that kind, or none came. */
static bool ask(const struct ssh_session *s, int fd, const struct buf *request, unsigned char kind,
                struct buf *ret)
{
    _buf_ struct buf head = BUF_INIT;

    if (!buf_ok(request) || !send_all(s, fd, request) || !receive(s, fd, 4, &head))
        return false;
    size_t len = number_at((unsigned char *)head.ptr);
    return len > 0 && len <= MESSAGE_MAX && receive(s, fd, len, ret) && (unsigned char)ret->ptr[0] == kind;
}

/* ----------------------------------------------------------------------------------------------------- keys
 */

int ssh_keyring_open(const struct ssh_session *s, const char *path, struct ssh_keyring *ret, struct err *err)
{
    static const char request[] = {0, 0, 0, 1, REQUEST_IDENTITIES};
    const char *usual = getenv("SSH_AUTH_SOCK");
    _buf_ struct buf b = BUF_INIT;

    *ret = (struct ssh_keyring){.fd = -1, .s = s};
    path = *path ? path : usual ? usual : "";
    int r = reach(s, path, &ret->fd, err);
    if (r < 0)
        return r;
    buf_add(&b, request, sizeof(request));
    if (!ask(s, ret->fd, &b, IDENTITIES_ANSWER, &ret->said) || ret->said.len < 5)
        return err_set(err, -EPROTO, "ssh %s: the ssh-agent at %.200s does not say which keys it has",
                       s->where, path);
    ret->at = 5; /* behind the number of keys */
    return 0;
}

bool ssh_keyring_next(struct ssh_keyring *k)
{
    const unsigned char *begin = (unsigned char *)k->said.ptr, *end = begin + k->said.len,
                        *at = begin + k->at;
    size_t comment;

    k->key = ssh_take_string(&at, end, &k->len);
    if (!k->key || !ssh_take_string(&at, end, &comment))
        return false;
    k->at = (size_t)(at - begin);
    return true;
}

void ssh_keyring_kind(const struct ssh_keyring *k, char ret[SSH_KIND_MAX])
{
    const unsigned char *at = k->key;
    size_t len = 0;
    const unsigned char *kind = ssh_take_string(&at, k->key + k->len, &len);

    snprintf(ret, SSH_KIND_MAX, "%.*s", kind && len < SSH_KIND_MAX ? (int)len : 0,
             kind ? (const char *)kind : "");
    ssh_clean_words(ret);
}

/* "SIGN_RESPONSE, a string", in which the kind of the signature stands before itself. */
static const unsigned char *signature_in(const struct buf *answer, size_t *ret_len)
{
    const unsigned char *at = (unsigned char *)answer->ptr + 1, *end = at + answer->len - 1;
    size_t len;
    const unsigned char *blob = ssh_take_string(&at, end, &len);

    if (!blob)
        return NULL;
    end = blob + len;
    return ssh_take_string(&blob, end, &len) ? ssh_take_string(&blob, end, ret_len) : NULL;
}

LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(ssh_keyring_sign)
{
    const struct ssh_keyring *k = *abstract;
    _buf_ struct buf request = BUF_INIT, answer = BUF_INIT;
    void *memory_of = (void *)(uintptr_t)k->s;
    size_t len = 0;

    (void)session;
    add_number(&request, 1 + 4 + k->len + 4 + data_len + 4);
    buf_addc(&request, SIGN_REQUEST);
    add_string(&request, k->key, k->len);
    add_string(&request, data, data_len);
    add_number(&request, 0);
    const unsigned char *found =
        ask(k->s, k->fd, &request, SIGN_RESPONSE, &answer) ? signature_in(&answer, &len) : NULL;
    *sig = found && len ? ssh_allocate(len, &memory_of) : NULL;
    if (!*sig)
        return LIBSSH2_ERROR_AGENT_PROTOCOL;
    memcpy(*sig, found, len);
    *sig_len = len;
    return 0;
}

void ssh_keyring_close(struct ssh_keyring *k)
{
    cleanup_close(&k->fd);
    buf_release(&k->said);
}
