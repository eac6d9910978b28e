/* The daemon's end of an agent's socket: whole frames, both ways, and the agent's beginning and end. */
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

#define SECOND 1000000000LL

enum { RECEIVE_STEP = 128 * 1024, SEND_STEP = 1024 * 1024 };
static const int64_t tree_grace = 5 * SECOND;

void agent_client_init(struct agent_client *c)
{
    *c = (struct agent_client){.fd = -1, .wake = -1, .pidfd = -1, .passed = -1, .root = -1, .mounts = -1};
    pthread_mutex_init(&c->lock, NULL);
}

int agent_client_open(struct agent_client *c, int fd_take, int pidfd_take, struct err *err)
{
    c->fd = fd_take;
    c->pidfd = pidfd_take;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->wake < 0 ? err_errno(err, -errno, "cannot make an eventfd") : 0;
}

void agent_client_release(struct agent_client *c)
{
    cleanup_close(&c->fd);
    cleanup_close(&c->wake);
    cleanup_close(&c->pidfd);
    cleanup_close(&c->passed);
    cleanup_close(&c->root);
    cleanup_close(&c->mounts);
    buf_release(&c->in);
    pthread_mutex_destroy(&c->lock);
}

/* Nothing that this agent says is heard any more. */
int client_break(struct agent_client *c, struct err *err, const char *why)
{
    if (!c->broken && c->pidfd >= 0)
        pidfd_kill(c->pidfd);
    c->broken = true;
    return err_set(err, -ECONNRESET, "the machine is gone: %s", why);
}

void agent_client_tell_end(struct agent_client *c, const char *why)
{
    if (atomic_load(&c->told))
        return;
    snprintf(c->ended, sizeof(c->ended), "%s", why);
    atomic_store(&c->told, true);
}

const char *client_ended(struct agent_client *c)
{
    return atomic_load(&c->told) ? c->ended : "its agent ended (killed, or out of memory?)";
}

/* Sends what fits; 0, or -errno. */
static int client_send_some(struct agent_client *c, const char **data, size_t *len)
{
    while (*len) {
        ssize_t n = send(c->fd, *data, *len < SEND_STEP ? *len : SEND_STEP, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        *data += n;
        *len -= (size_t)n;
    }
    return 0;
}

/*
 * Whether other threads want an end of what goes on. Trees have no commands that could be signalled: after an
 * interrupt they have some seconds more, since a tar that hangs is the machine's own and may be anybody's.
 */
bool client_unwanted(struct agent_client *c)
{
    unsigned wants = atomic_load(&c->wants);

    if (!(wants & WANT_KILL) && c->in_tree && wants & WANT_INTERRUPT) {
        if (!c->tree_until)
            c->tree_until = mono_ns() + tree_grace;
        return mono_ns() >= c->tree_until;
    }
    return wants & WANT_KILL;
}

/* Sends all. A machine_kill() meanwhile or a minute without progress ends it. */
int client_send(struct agent_client *c, const void *data, size_t len, struct err *err)
{
    const char *p = data;

    while (len) {
        if (client_send_some(c, &p, &len) < 0)
            return client_break(c, err, client_ended(c));
        if (!len)
            break;
        struct pollfd fds[2] = {{.fd = c->fd, .events = POLLOUT}, {.fd = c->wake, .events = POLLIN}};
        int n = poll(fds, 2, 60000);
        if (n == 0)
            return client_break(c, err, "its agent takes no more data");
        if (n > 0 && fds[1].revents && client_unwanted(c))
            return client_break(c, err, "it was killed");
        if (n > 0 && fds[1].revents && !fds[0].revents)
            usleep(1000); /* an interrupt waits for its turn */
    }
    return 0;
}

/* Bytes, and perhaps a descriptor: the last one is kept, more than one at once the kernel drops. */
static ssize_t receive_with_fd(struct agent_client *c, char *to)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {to, RECEIVE_STEP};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    for (struct cmsghdr *m = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL; m; m = CMSG_NXTHDR(&msg, m))
        if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_RIGHTS &&
            m->cmsg_len == CMSG_LEN(sizeof(int))) {
            cleanup_close(&c->passed);
            memcpy(&c->passed, CMSG_DATA(m), sizeof(int));
        }
    return n;
}

/* Receives once; 1: got something, 0: nothing there. */
int client_receive(struct agent_client *c, struct err *err)
{
    if (c->in_at == c->in.len) {
        buf_reset(&c->in);
        c->in_at = 0;
    } else if (c->in_at >= RECEIVE_STEP / 2) {
        buf_drop(&c->in, c->in_at);
        c->in_at = 0;
    }
    char *to = buf_reserve(&c->in, RECEIVE_STEP);
    if (!to)
        return client_break(c, err, "there is no memory for what it says");
    ssize_t n = receive_with_fd(c, to);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return client_break(c, err, client_ended(c));
    c->in.len += (size_t)n;
    return 1;
}

/* The next frame that is here: 1, 0 for none yet, or -ECONNRESET for nonsense. */
int client_frame(struct agent_client *c, struct frame *ret, struct err *err)
{
    size_t need;
    ssize_t n = frame_find(c->in.ptr ? c->in.ptr + c->in_at : "", c->in.len - c->in_at, FRAME_TO_DAEMON_MAX,
                           ret, &need);

    if (n < 0)
        return client_break(c, err, "its agent broke the protocol");
    c->in_at += (size_t)n;
    return n > 0;
}

/* A directory that names can be looked up from, of a file system that holds files: else it is not kept. */
static void take_root(struct agent_client *c)
{
    static const long others[] = {PROC_SUPER_MAGIC,    SYSFS_MAGIC,        CGROUP_SUPER_MAGIC,
                                  CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, FUSE_SUPER_MAGIC,
                                  NSFS_MAGIC};
    _close_ int fd = TAKE_FD(c->passed);
    struct statfs fs;
    struct stat st;

    if (fd < 0 || !(fcntl(fd, F_GETFL) & O_PATH) || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) ||
        fstatfs(fd, &fs) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if ((long)fs.f_type == others[i])
            return;
    c->root = TAKE_FD(fd);
}

int client_await(struct agent_client *c, int timeout_ms, struct frame *ret, struct err *err)
{
    int64_t until = mono_ns() + timeout_ms * 1000000LL;
    int r;

    while ((r = client_frame(c, ret, err)) == 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int64_t left = until - mono_ns();
        if (left <= 0 || poll(&p, 1, (int)(left / 1000000) + 1) == 0)
            return client_break(c, err, "its agent did not answer in time");
        if ((r = client_receive(c, err)) < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

int agent_client_hello(struct agent_client *c, int timeout_ms, struct err *err)
{
    struct frame f;
    int r = client_await(c, timeout_ms, &f, err);

    if (r < 0)
        return r;
    struct wire w = wire_of(f.payload, f.len);
    int32_t value = (int32_t)wire_u32(&w);
    if (f.type == FRAME_HELLO && wire_ok(&w) && value == AGENT_VERSION) {
        take_root(c);
        return 0;
    }
    const char *words = wire_str(&w);
    if (f.type == FRAME_FAILED && wire_ok(&w) && value < 0 && value > -4096)
        return err_set(err, value, "%.*s", (int)utf8_valid_prefix(words, strlen(words)), words);
    return client_break(c, err, "its agent is of another version or broke the protocol");
}

/*
 * An agent that has closed its end of the socket is past the point where it could write to any file. Its
 * mounts may take much longer to go, and nobody has to wait for that.
 */
void agent_client_end(struct agent_client *c)
{
    int64_t until = mono_ns() + 5 * SECOND;
    char rest[4096];

    pthread_mutex_lock(&c->lock);
    if (c->pidfd >= 0)
        pidfd_kill(c->pidfd);
    pthread_mutex_unlock(&c->lock);
    while (mono_ns() < until) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t n = recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
    }
}

bool agent_client_lives(struct agent_client *c)
{
    pthread_mutex_lock(&c->lock);
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    bool lives = c->fd >= 0 && !c->broken && poll(&p, 1, 0) == 0;
    pthread_mutex_unlock(&c->lock);
    return lives;
}

void agent_client_break(struct agent_client *c)
{
    (void)client_break(c, NULL, "");
}

void agent_client_close(struct agent_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->broken = true;
    cleanup_close(&c->fd);
    pthread_mutex_unlock(&c->lock);
}

#define SWAP(field)                                                                                          \
    do {                                                                                                     \
        __typeof__(c->field) swap_ = c->field;                                                               \
        c->field = other->field;                                                                             \
        other->field = swap_;                                                                                \
    } while (0)

void agent_client_swap(struct agent_client *c, struct agent_client *other)
{
    pthread_mutex_lock(&c->lock);
    SWAP(fd);
    SWAP(wake);
    SWAP(pidfd);
    SWAP(passed);
    SWAP(root);
    SWAP(mounts);
    SWAP(in);
    SWAP(in_at);
    bool broken = c->broken;
    c->broken = (bool)other->broken;
    other->broken = broken;
    pthread_mutex_unlock(&c->lock);
}
