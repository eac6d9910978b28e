/* qemu's monitor: a JSON object a line, one command at a time. What it says of itself is skipped. */
#include <poll.h>
#include <sys/socket.h>

#include "core/machine/qemu.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { ANSWER_S = 30, MIGRATION_S = 300, LINE_MAX_BYTES = 1 << 20, POLL_MS = 2 };

static int gone(struct err *err)
{
    return err_set(err, -ECONNRESET, "qemu has ended");
}

static int receive_more(struct qmp *q, int64_t until, struct err *err)
{
    struct pollfd p = {.fd = q->fd, .events = POLLIN};
    int64_t left = until - mono_ns();

    if (left <= 0)
        return err_set(err, -ETIMEDOUT, "qemu's monitor does not answer");
    if (poll(&p, 1, (int)(left / 1000000) + 1) <= 0)
        return 0;
    char *to = q->in.len < LINE_MAX_BYTES ? buf_reserve(&q->in, 4096) : NULL;
    ssize_t n = to ? recv(q->fd, to, 4096, MSG_DONTWAIT) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return gone(err);
    q->in.len += (size_t)n;
    return 0;
}

/* The next object that it says. */
static int next(struct qmp *q, int64_t until, json_t **ret, struct err *err)
{
    for (;;) {
        char *end = q->in.len ? memchr(q->in.ptr, '\n', q->in.len) : NULL;
        if (!end) {
            int r = receive_more(q, until, err);
            if (r < 0)
                return r;
            continue;
        }
        *ret = json_loadb(q->in.ptr, (size_t)(end - q->in.ptr), 0, NULL);
        buf_drop(&q->in, (size_t)(end - q->in.ptr) + 1);
        return *ret ? 0 : err_set(err, -EPROTO, "qemu's monitor says what is no JSON");
    }
}

static int answer(struct qmp *q, const char *command, json_t **ret, struct err *err)
{
    int64_t until = mono_ns() + ANSWER_S * 1000000000LL;

    for (;;) {
        _json_ json_t *said = NULL;
        int r = mono_ns() < until ? next(q, until, &said, err)
                                  : err_set(err, -ETIMEDOUT, "qemu's monitor does not answer");
        if (r < 0)
            return r;
        json_t *value = json_object_get(said, "return"), *error = json_object_get(said, "error");
        const char *words = json_string_value(json_object_get(error, "desc"));
        if (error)
            return err_set(err, -EREMOTEIO, "qemu: %s: %.400s", command, words ? words : "failed");
        if (!value)
            continue;
        if (ret)
            *ret = json_incref(value);
        return 0;
    }
}

static int send_text(struct qmp *q, const char *text, size_t len, int fd, struct err *err)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)text, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    /* a few bytes into an empty buffer: all of it, or the peer is gone */
    return sendmsg(q->fd, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : gone(err);
}

static int call(struct qmp *q, const char *command, json_t *arguments_take, int fd, json_t **ret,
                struct err *err)
{
    _json_ json_t *request = json_pack("{s:s}", "execute", command);

    if (arguments_take)
        json_object_set_new(request, "arguments", arguments_take);
    _free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return err_errno(err, -ENOMEM, "qemu");
    int r = send_text(q, text, strlen(text), fd, err);
    return r == 0 ? answer(q, command, ret, err) : r;
}

int qmp_call(struct qmp *q, const char *command, json_t *arguments_take, json_t **ret, struct err *err)
{
    return call(q, command, arguments_take, -1, ret, err);
}

int qmp_pass(struct qmp *q, const char *name, int fd, struct err *err)
{
    return call(q, "getfd", json_pack("{s:s}", "fdname", name), fd, NULL, err);
}

int qmp_open(struct qmp *q, int fd_take, struct err *err)
{
    _json_ json_t *greeting = NULL;

    q->fd = fd_take;
    int r = next(q, mono_ns() + ANSWER_S * 1000000000LL, &greeting, err);
    if (r == 0 && !json_object_get(greeting, "QMP"))
        r = err_set(err, -EPROTO, "qemu's monitor does not greet");
    return r == 0 ? qmp_call(q, "qmp_capabilities", NULL, NULL, err) : r;
}

int qmp_migrated(struct qmp *q, struct err *err)
{
    int64_t until = mono_ns() + MIGRATION_S * 1000000000LL;

    for (;;) {
        _json_ json_t *said = NULL;
        int r = mono_ns() < until ? qmp_call(q, "query-migrate", NULL, &said, err)
                                  : err_set(err, -ETIMEDOUT, "qemu does not come to an end with a state");
        if (r < 0)
            return r;
        const char *status = json_string_value(json_object_get(said, "status"));
        if (status && str_eq(status, "completed"))
            return 0;
        if (status && (str_eq(status, "failed") || str_eq(status, "cancelled"))) {
            const char *words = json_string_value(json_object_get(said, "error-desc"));
            return err_set(err, -EIO, "qemu cannot move the machine's state: %.400s", words ? words : status);
        }
        usleep(POLL_MS * 1000);
    }
}

void qmp_release(struct qmp *q)
{
    cleanup_close(&q->fd);
    buf_release(&q->in);
}
