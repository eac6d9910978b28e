/* The agent's loop: frames in, output and reports out, children reaped, timers kept. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

enum { OUT_HIGH = 64 * 1024, INPUT_STEP = 64 * 1024 };

static ssize_t control_write(const struct agent *a, const void *data, size_t len)
{
    return a->port ? write(a->control, data, len) : send(a->control, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A port whose other end is away has nothing to say; a socket has ended. */
static ssize_t control_read(const struct agent *a, void *to, size_t len)
{
    ssize_t n = a->port ? read(a->control, to, len) : recv(a->control, to, len, MSG_DONTWAIT);

    if (n != 0 || !a->port)
        return n;
    usleep(10000);
    errno = EAGAIN;
    return -1;
}

/* Sends what fits now. */
static void agent_send(struct agent *a)
{
    while (!a->ended && a->out_at < a->out.len) {
        ssize_t n = control_write(a, a->out.ptr + a->out_at, a->out.len - a->out_at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            a->ended = true;
        else
            a->out_at += (size_t)n;
    }
    if (a->out.failed) /* without memory for a report there is no honest way on */
        a->ended = true;
    buf_reset(&a->out);
    a->out_at = 0;
}

void agent_flush(struct agent *a)
{
    agent_send(a);
    while (!a->ended && a->out_at < a->out.len) {
        struct pollfd p = {.fd = a->control, .events = POLLOUT};
        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            a->ended = true;
        agent_send(a);
    }
}

/* Reads what is there; false when nothing was. */
static bool agent_receive(struct agent *a)
{
    if (a->in_at == a->in.len) {
        buf_reset(&a->in);
        a->in_at = 0;
    } else if (a->in_at > INPUT_STEP) {
        buf_drop(&a->in, a->in_at);
        a->in_at = 0;
    }
    char *to = buf_reserve(&a->in, INPUT_STEP);
    ssize_t n = to ? control_read(a, to, INPUT_STEP) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        a->ended = true;
        return false;
    }
    a->in.len += (size_t)n;
    return true;
}

void agent_fill(struct agent *a)
{
    struct pollfd p = {.fd = a->control, .events = POLLIN};

    if (poll(&p, 1, -1) < 0 && errno != EINTR)
        a->ended = true;
    else
        agent_receive(a);
}

static void agent_send_fd(struct agent *a, enum frame_type type, const void *payload, size_t len, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    uint8_t header[FRAME_HEADER];
    struct iovec iov[2] = {{header, sizeof(header)}, {(void *)payload, len}};
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    agent_flush(a);
    frame_header(header, type, len);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    if (sendmsg(a->control, &msg, MSG_NOSIGNAL) != (ssize_t)(sizeof(header) + len))
        a->ended = true; /* a few bytes into an empty buffer: the peer is gone */
}

void agent_state(struct agent *a, int error, const char *words)
{
    size_t begin = frame_begin(&a->out, FRAME_STATE);

    wire_add_u32(&a->out, (uint32_t)error);
    wire_add_str(&a->out, words);
    frame_end(&a->out, begin);
}

static void tell_alone(struct agent *a)
{
    char words[400] = "";
    bool alone = false;

    /* what was killed just now takes a moment to be gone */
    for (int tries = 0; !a->command.active && !alone && tries < 25; tries++) {
        if (tries)
            usleep(2000);
        command_reap(a);
        alone = tree_alone(words, sizeof(words));
    }
    if (!alone)
        agent_state(a, -EBUSY, a->command.active ? "a command runs in it" : words);
    else
        agent_state(a, 0, "");
}

static void say_hello(struct agent *a, bool rooted)
{
    _buf_ struct buf version = BUF_INIT;
    _close_ int root = rooted ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

    wire_add_u32(&version, AGENT_VERSION);
    if (root >= 0 && buf_ok(&version))
        agent_send_fd(a, FRAME_HELLO, version.ptr, version.len, root);
    else
        frame_add(&a->out, FRAME_HELLO, version.ptr, version.len);
}

static void agent_handle(struct agent *a, const struct frame *f)
{
    switch (f->type) {
    case FRAME_PUT:
        file_put_begin(a, f->payload, f->len);
        break;
    case FRAME_PUT_DATA:
        file_put_data(a, f->payload, f->len);
        break;
    case FRAME_EXEC:
        file_put_end(a);
        command_start(a, f->payload, f->len);
        break;
    case FRAME_INTERRUPT:
        command_interrupt(a);
        break;
    case FRAME_KILL:
        command_kill_all(a);
        break;
    case FRAME_INPUT:
        terminal_input(a, f->payload, f->len);
        break;
    case FRAME_WINDOW:
        terminal_resize(a, f->payload, f->len);
        break;
    case FRAME_PUT_TREE:
        tree_put(a, f->payload, f->len);
        break;
    case FRAME_ALONE:
        tell_alone(a);
        break;
    case FRAME_MAKE_DIRS:
        dirs_make(a, f->payload, f->len);
        break;
    case FRAME_LANE_OPEN:
        lane_open(a, f->payload, f->len);
        break;
    case FRAME_LANE:
        lane_data(a, f->payload, f->len);
        break;
    case FRAME_WAKE:
        a->ended = !a->port || guest_wake(f->payload, f->len) < 0;
        say_hello(a, false);
        break;
    default:
        a->ended = true; /* a daemon that this agent does not understand */
    }
}

static void agent_frames(struct agent *a)
{
    while (!a->ended) {
        struct frame f;
        size_t need;
        ssize_t n = frame_find(a->in.ptr + a->in_at, a->in.len - a->in_at, FRAME_TO_AGENT_MAX, &f, &need);
        if (n < 0)
            a->ended = true;
        if (n <= 0)
            return;
        a->in_at += (size_t)n;
        agent_handle(a, &f);
    }
}

static void agent_drain(int *fd)
{
    static char sink[64 * 1024];
    ssize_t n = read(*fd, sink, sizeof(sink));

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close(*fd);
        *fd = -1;
    }
}

static void agent_turn(struct agent *a, int timeout)
{
    enum {
        CONTROL,
        SIGNALS,
        OUT,
        ERR,
        DRAINS,
        LANES = DRAINS + ARRAY_LEN(a->drains),
        POLLED = LANES + LANES_MAX
    };
    struct pollfd p[POLLED];
    bool room = a->out.len - a->out_at < OUT_HIGH;
    bool unsent = a->out_at < a->out.len;

    p[CONTROL] = (struct pollfd){.fd = a->control, .events = POLLIN | (unsent ? POLLOUT : 0)};
    p[SIGNALS] = (struct pollfd){.fd = a->signals, .events = POLLIN};
    for (int i = 0; i < 2; i++)
        p[OUT + i] = (struct pollfd){.fd = room ? a->command.output[i] : -1,
                                     .events = POLLIN | (i == 0 && a->command.typed.len ? POLLOUT : 0)};
    bool lanes = lanes_any(a);
    for (size_t i = 0; i < ARRAY_LEN(a->drains); i++)
        p[DRAINS + i] = (struct pollfd){.fd = a->drains[i], .events = POLLIN};
    if (lanes)
        lanes_poll(a, room, p + LANES);
    if (poll(p, lanes ? POLLED : LANES, timeout) < 0)
        return;
    if (p[OUT].revents & POLLOUT)
        terminal_pump(a);
    for (int i = 0; i < 2; i++)
        if (p[OUT + i].revents & ~POLLOUT)
            command_pump(a, i);
    if (lanes)
        lanes_pump(a, p + LANES);
    for (size_t i = 0; i < ARRAY_LEN(a->drains); i++)
        if (p[DRAINS + i].revents)
            agent_drain(&a->drains[i]);
    if (p[SIGNALS].revents)
        command_reap(a);
    if (p[CONTROL].revents & (POLLIN | POLLHUP | POLLERR) && agent_receive(a))
        agent_frames(a);
}

static void agent_init(struct agent *a, int control)
{
    struct rlimit processes;
    sigset_t set;

    *a = (struct agent){
        .control = control, .put_fd = -1, .command.output = {-1, -1}, .alone = true, .watch = {-1, -1, -1}};
    for (size_t i = 0; i < ARRAY_LEN(a->drains); i++)
        a->drains[i] = -1;
    for (size_t i = 0; i < LANES_MAX; i++)
        a->lanes[i].fd = -1;
    if (getpid() == 1 && getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY)
        a->max_processes = processes_without_room(processes.rlim_cur);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (a->signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        a->ended = true;
}

static int serve(struct agent *a, bool rooted)
{
    say_hello(a, rooted);
    while (!a->ended) {
        int timeout = command_tick(a);
        agent_send(a);
        if (!a->ended)
            agent_turn(a, timeout);
    }
    tree_end();
    return 0;
}

static void agent_init_socket(struct agent *a, int control)
{
    int size = 1024 * 1024;

    agent_init(a, control);
    (void)fcntl(control, F_SETFD, FD_CLOEXEC); /* not for commands */
    (void)setsockopt(control, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int agent_serve(int control, bool rooted)
{
    static struct agent a;

    agent_init_socket(&a, control);
    return serve(&a, rooted);
}

int agent_serve_lane(int control, const struct agent *of)
{
    static struct agent a;
    uint64_t max_processes = of->max_processes;
    struct guest_watch watch = of->watch;

    agent_init_socket(&a, control);
    a.max_processes = max_processes; /* what the machine may use is for all that runs in it */
    a.watch = watch;
    return serve(&a, false);
}

int agent_serve_port(int port)
{
    static struct agent a;

    agent_init(&a, port);
    a.port = true;
    a.max_processes = 0; /* the kernel's own guess, not a limit of anybody's */
    guest_watch_open(&a.watch);
    return serve(&a, false);
}
