/* The daemon's side of its spawners: starts them, has them make machines, notices when they die. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"

enum { ANSWER_MS = 20000, HELLO_MS = 20000 };

void spawner_init(struct spawner *s, const char *mode, const char *program, const char *scratch)
{
    *s = (struct spawner){.mode = mode, .program = program, .scratch = scratch, .fd = -1};
    pthread_mutex_init(&s->lock, NULL);
}

static void spawner_stop(struct spawner *s)
{
    if (s->fd < 0)
        return;
    cleanup_close(&s->fd); /* it ends at the end of its socket; its machines do not need it */
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void spawner_release(struct spawner *s)
{
    spawner_stop(s);
    pthread_mutex_destroy(&s->lock);
}

/* The spawner inherits its socket as descriptor 3 and nothing else. */
static int spawner_exec(struct spawner *s, int socket_fd)
{
    const char *argv[] = {"runfs-agent", "spawner", s->mode, s->scratch, NULL};
    char *env[] = {(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, all;

    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&fa, 0, 1);
    posix_spawn_file_actions_adddup2(&fa, 0, 2);
    posix_spawn_file_actions_adddup2(&fa, socket_fd, 3);
    posix_spawn_file_actions_addclosefrom_np(&fa, 4);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    int r = posix_spawn(&s->pid, s->program, &fa, &attr, (char *const *)argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&fa);
    return -r;
}

/* One answer and the descriptor with it, which is -1 when there is none. */
static int spawner_answer(struct spawner *s, int *ret_fd, struct err *err)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char data[4096];
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    struct spawn_reply reply;
    ssize_t n;

    *ret_fd = -1;
    while ((n = poll(&p, 1, ANSWER_MS)) < 0 && errno == EINTR)
        ;
    if (n <= 0)
        return err_set(err, -ETIMEDOUT, "the process that makes machines does not answer");
    while ((n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL; c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    if (n <= 0 || spawn_reply_decode(data, (size_t)n, &reply) < 0) {
        cleanup_close(ret_fd);
        return err_set(err, -ECONNRESET, "the process that makes machines ended");
    }
    return reply.error ? err_set(err, reply.error, "%s", reply.words) : 0;
}

static int spawner_start(struct spawner *s, struct err *err)
{
    int pair[2], none;

    if (s->fd >= 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, -errno, "cannot make a socket");
    int r = spawner_exec(s, pair[1]);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return err_errno(err, r, "cannot start %s", s->program);
    }
    s->fd = pair[0];
    atomic_fetch_add(&s->starts, 1);
    r = spawner_answer(s, &none, err);
    if (r < 0)
        spawner_stop(s);
    return r;
}

static int spawner_send(struct spawner *s, const struct buf *b, int control)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } space = {0};
    struct iovec iov = {b->ptr, b->len};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    ssize_t n;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &control, sizeof(int));
    while ((n = sendmsg(s->fd, &msg, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n < 0 ? -errno : 0;
}

static int spawner_ask(struct spawner *s, const struct buf *b, int control, int *ret_pidfd, struct err *err)
{
    int r = spawner_start(s, err);

    if (r < 0)
        return r;
    r = spawner_send(s, b, control);
    if (r < 0)
        err_set(err, -ECONNRESET, "the process that makes machines ended");
    else
        r = spawner_answer(s, ret_pidfd, err);
    return r == -EPIPE ? -ECONNRESET : r;
}

/* Asks, and once more when the spawner had died. */
static int spawner_call(struct spawner *s, const struct spawn_request *request, int control, int *ret_fd,
                        struct err *err)
{
    _buf_ struct buf b = BUF_INIT;

    spawn_request_encode(&b, request);
    if (!buf_ok(&b) || b.len > SPAWN_MAX)
        return err_errno(err, buf_ok(&b) ? -E2BIG : -ENOMEM, "cannot ask for a machine");
    pthread_mutex_lock(&s->lock);
    int r = spawner_ask(s, &b, control, ret_fd, err);
    if (r == -ECONNRESET || r == -ETIMEDOUT) {
        log_warning("machine", "spawner %s: started again: %s", s->mode, err ? err->msg : "it ended");
        spawner_stop(s);
        r = spawner_ask(s, &b, control, ret_fd, err);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

int spawner_mask(struct spawner *s, const char *name, struct err *err)
{
    static const char *const none[] = {NULL};
    struct spawn_request request = {.mask = name, .argv = (const char **)none};
    _close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC); /* every request comes with a descriptor */
    int fd = -1;

    if (null < 0)
        return err_errno(err, -errno, "cannot open /dev/null");
    int r = spawner_call(s, &request, null, &fd, err);
    return r < 0 ? r : fd < 0 ? err_set(err, -EPROTO, "no file system came with the answer") : fd;
}

int spawner_request(struct spawner *s, const struct spawn_request *request, struct agent_client *ret,
                    struct err *err)
{
    int pair[2], pidfd = -1, size = 1024 * 1024;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, -errno, "cannot make a socket");
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    int r = spawner_call(s, request, pair[1], &pidfd, err);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    r = agent_client_open(ret, pair[0], pidfd, err);
    return r < 0 ? r : agent_client_hello(ret, HELLO_MS, err);
}
