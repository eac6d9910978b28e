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
#include "runfs/proc.h"

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
    (void)send(s->fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* so that it does not take us for killed */
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
    const char *argv[5 + GROUP_DIRS] = {"runfs-agent", "spawner", s->mode, s->scratch};
    const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t fa;

    for (size_t i = 0; i < GROUP_DIRS && s->groups && s->groups[i]; i++)
        argv[4 + i] = s->groups[i];
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&fa, 0, 1);
    posix_spawn_file_actions_adddup2(&fa, 0, 2);
    posix_spawn_file_actions_adddup2(&fa, socket_fd, 3);
    posix_spawn_file_actions_addclosefrom_np(&fa, 4);
    int r = proc_spawn(&s->pid, s->program, &fa, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    return r;
}

/* One answer and the descriptors with it. */
static int spawner_answer(struct spawner *s, struct fds *ret, struct buf *ret_words, struct err *err)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    struct spawn_reply reply;
    char data[4096];
    int n;

    while ((n = poll(&p, 1, ANSWER_MS)) < 0 && errno == EINTR)
        ;
    if (n <= 0)
        return err_set(err, -ETIMEDOUT, "the process that makes machines does not answer");
    ssize_t len = fds_receive(s->fd, data, sizeof(data), ret);
    if (len <= 0 || spawn_reply_decode(data, (size_t)len, &reply) < 0)
        return err_set(err, -ECONNRESET, "the process that makes machines ended");
    if (reply.error)
        return err_set(err, reply.error, "%s", reply.words);
    if (ret_words)
        buf_adds(ret_words, reply.words);
    return 0;
}

static int spawner_start(struct spawner *s, struct err *err)
{
    _cleanup_(fds_release) struct fds none = {0};
    int pair[2];

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
    r = spawner_answer(s, &none, NULL, err);
    if (r < 0)
        spawner_stop(s);
    return r;
}

static int spawner_ask(struct spawner *s, const struct buf *b, const struct fds *fds, struct fds *ret,
                       struct buf *ret_words, struct err *err)
{
    int r = spawner_start(s, err);

    if (r < 0)
        return r;
    r = fds_send(s->fd, b, fds);
    if (r < 0)
        err_set(err, -ECONNRESET, "the process that makes machines ended");
    else
        r = spawner_answer(s, ret, ret_words, err);
    return r == -EPIPE ? -ECONNRESET : r;
}

/* Asks, and once more when the spawner had died. */
static int spawner_call(struct spawner *s, const struct spawn_request *request, const struct fds *fds,
                        struct fds *ret, struct buf *ret_words, struct err *err)
{
    _buf_ struct buf b = BUF_INIT;

    spawn_request_encode(&b, request);
    if (!buf_ok(&b) || b.len > SPAWN_MAX)
        return err_errno(err, buf_ok(&b) ? -E2BIG : -ENOMEM, "cannot ask for a machine");
    pthread_mutex_lock(&s->lock);
    int r = spawner_ask(s, &b, fds, ret, ret_words, err);
    if (r == -ECONNRESET || r == -ETIMEDOUT) {
        log_warning("machine", "spawner %s: started again: %s", s->mode, err ? err->msg : "it ended");
        spawner_stop(s);
        fds_release(ret);
        r = spawner_ask(s, &b, fds, ret, ret_words, err);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

int spawner_mount(struct spawner *s, const struct spawn_request *request, struct err *err)
{
    _cleanup_(fds_release) struct fds none = {0}, got = {0};
    int r = spawner_call(s, request, &none, &got, NULL, err);

    if (r == 0 && !got.n)
        r = err_set(err, -EPROTO, "no file system came with the answer");
    return r < 0 ? r : TAKE_FD(got.list[0]);
}

static int make_pair(int pair[2], struct err *err)
{
    int size = 1024 * 1024;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, -errno, "cannot make a socket");
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return 0;
}

/* Asks for what is spoken with over a stream: it has one end of it, before the descriptors of with. *ret_end:
 * the other one. */
static int call_with_stream(struct spawner *s, const struct spawn_request *request, const struct fds *with,
                            struct fds *ret, struct buf *ret_words, int *ret_end, struct err *err)
{
    struct fds send = {.n = 1};
    int pair[2];
    int r = make_pair(pair, err);

    if (r < 0)
        return r;
    send.list[0] = pair[1];
    for (size_t i = 0; i < with->n && send.n < SPAWN_FDS; i++)
        send.list[send.n++] = with->list[i];
    r = spawner_call(s, request, &send, ret, ret_words, err);
    close(pair[1]);
    if (r < 0)
        close(pair[0]);
    else
        *ret_end = pair[0];
    return r;
}

int spawner_forward(struct spawner *s, enum spawn_what what, const char **forwards, const struct fds *with,
                    int *ret_control, int *ret_pidfd, struct buf *ret_ports, struct err *err)
{
    const struct spawn_request request = {.what = what, .forwards = forwards};
    _cleanup_(fds_release) struct fds got = {0};
    int r = call_with_stream(s, &request, with, &got, ret_ports, ret_control, err);

    if (r == 0)
        *ret_pidfd = got.n ? TAKE_FD(got.list[0]) : -1;
    return r;
}

int spawner_request(struct spawner *s, const struct spawn_request *request, const struct fds *with,
                    struct fds *ret_namespaces, struct agent_client *ret, struct err *err)
{
    _cleanup_(fds_release) struct fds got = {0};
    _close_ int end = -1;
    size_t namespaces = request->filtered ? 2 : request->network ? 1 : 0;
    int r = call_with_stream(s, request, with, &got, NULL, &end, err);

    if (r == 0 && got.n != 1 + namespaces + (size_t)request->mounts)
        r = err_set(err, -EPROTO, "the process that makes machines answered something else");
    if (r < 0)
        return r;
    for (size_t i = 1; i <= namespaces; i++)
        fds_add(ret_namespaces, TAKE_FD(got.list[i]));
    if (request->mounts)
        ret->mounts = TAKE_FD(got.list[got.n - 1]);
    r = agent_client_open(ret, TAKE_FD(end), TAKE_FD(got.list[0]), err);
    return r < 0 ? r : agent_client_hello(ret, HELLO_MS, err);
}
