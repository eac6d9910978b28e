/*
 * Ports of services, on the loopback addresses of who uses them: a process that listens there, and connects
 * from the job's network. It has its listeners from one namespace and makes its connections in another; from
 * the first on it has no privileges, and nothing but sockets.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { PORTS_MAX = 64, CONNECTIONS_MAX = 1024, EVENTS = 64 };
/*
 * No memory of this process is its job's, so there is a bound: a connection takes ten times what its buffers
 * have, in its two sockets (of which the kernel doubles each) and here. The more there are, the less a new
 * one has; 1024 of them come to 160 MB.
 */
enum { WAITING = 128, BUFFER_MOST = 128 * 1024, BUFFER_LEAST = 4096, ROOM = 32 << 20, BUFFERS = 10 };

/* What flows one way: out of one end's socket, into the other's. */
struct flow {
    char *bytes; /* owned: what the other end has not taken; NULL: nothing */
    size_t from, to;
    bool ended, shut; /* no more comes; that was passed on */
};

struct end {
    int fd;
    uint32_t wants; /* what epoll was told of it; 0: it does not know it */
};

struct connection {
    struct end ends[2]; /* the one who asked, and the service */
    struct flow flows[2];
    bool connecting;
    size_t buffer;           /* how much it has of each */
    struct connection *next; /* among the dead ones */
    bool dead;
};

struct listener {
    int fd;
    struct sockaddr_in to;
};

struct forwarder {
    int epoll, control;
    struct listener listeners[2 * PORTS_MAX];
    size_t n, open, most;    /* of connections: how many are, and may be */
    struct connection *dead; /* freed once no event of theirs can be at hand */
    char through[BUFFER_MOST];
};

/* ---------------------------------------------------------------------------------------------- connections
 */

static void connection_end(struct forwarder *f, struct connection *c)
{
    if (c->dead)
        return;
    for (size_t i = 0; i < 2; i++) {
        cleanup_close(&c->ends[i].fd);
        free(TAKE(c->flows[i].bytes));
    }
    c->dead = true;
    c->next = f->dead;
    f->dead = c;
    f->open--;
}

static void free_dead(struct forwarder *f)
{
    for (struct connection *c; (c = f->dead);) {
        f->dead = c->next;
        free(c);
    }
}

/* The lowest bit of what epoll gives back says which end it is: connections are aligned. */
static int want(struct forwarder *f, struct connection *c, size_t i, uint32_t wants)
{
    struct end *e = &c->ends[i];
    struct epoll_event event = {.events = wants, .data.u64 = (uint64_t)(uintptr_t)c | i};
    int how = !e->wants ? EPOLL_CTL_ADD : !wants ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

    if (wants == e->wants)
        return 0;
    e->wants = wants;
    return epoll_ctl(f->epoll, how, e->fd, &event);
}

/* As much as it takes now. False: it is broken. */
static bool give(int fd, const char *bytes, size_t len, size_t *ret_given)
{
    ssize_t n = 0;

    for (*ret_given = 0; *ret_given < len; *ret_given += (size_t)n) {
        n = send(fd, bytes + *ret_given, len - *ret_given, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
    }
    return true;
}

static bool keep(struct flow *w, const char *bytes, size_t len)
{
    w->bytes = malloc(len);
    if (!w->bytes)
        return false;
    memcpy(w->bytes, bytes, len);
    w->from = 0;
    w->to = len;
    return true;
}

/* Flow i goes from end i to the other one. False: it is broken. */
static bool pass(struct forwarder *f, struct connection *c, size_t i)
{
    struct flow *w = &c->flows[i];
    size_t given;

    if (!w->ended && !w->bytes) {
        ssize_t n = recv(c->ends[i].fd, f->through, c->buffer, 0);
        w->ended = n == 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n > 0 && !give(c->ends[!i].fd, f->through, (size_t)n, &given))
            return false;
        if (n > 0 && given < (size_t)n && !keep(w, f->through + given, (size_t)n - given))
            return false;
    } else if (w->bytes) {
        if (!give(c->ends[!i].fd, w->bytes + w->from, w->to - w->from, &given))
            return false;
        w->from += given;
        if (w->from == w->to)
            free(TAKE(w->bytes));
    }
    if (w->bytes)
        return true;
    if (w->ended && !w->shut) {
        w->shut = true;
        (void)shutdown(c->ends[!i].fd, SHUT_WR);
    }
    return true;
}

static bool tell_wants(struct forwarder *f, struct connection *c)
{
    for (size_t i = 0; i < 2; i++) {
        const struct flow *out = &c->flows[i], *in = &c->flows[!i];
        uint32_t wants = c->connecting
                             ? (i == 1 ? EPOLLOUT : 0)
                             : (!out->ended && !out->bytes ? EPOLLIN : 0U) | (in->bytes ? EPOLLOUT : 0U);
        if (want(f, c, i, wants) < 0)
            return false;
    }
    return true;
}

static bool is_connected(struct connection *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    c->connecting = false;
    return getsockopt(c->ends[1].fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static void connection_move(struct forwarder *f, struct connection *c)
{
    bool goes_on = !c->dead && (!c->connecting || is_connected(c)) && pass(f, c, 0) && pass(f, c, 1);

    if (c->dead)
        return;
    if (!goes_on) { /* who asked shall see that it was no orderly end */
        struct linger now = {.l_onoff = 1};
        (void)setsockopt(c->ends[0].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    if (!goes_on || (c->flows[0].shut && c->flows[1].shut) || !tell_wants(f, c))
        connection_end(f, c);
}

static void bound(int fd, size_t buffer)
{
    int size = (int)buffer;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static size_t buffer_now(const struct forwarder *f)
{
    size_t share = ROOM / BUFFERS / (f->open + 1);

    return share > BUFFER_MOST ? BUFFER_MOST : share < BUFFER_LEAST ? BUFFER_LEAST : share;
}

static void accept_one(struct forwarder *f, const struct listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *c = fd >= 0 && f->open < f->most ? calloc(1, sizeof(*c)) : NULL;

    if (!c) {
        cleanup_close(&fd);
        return;
    }
    c->buffer = buffer_now(f);
    f->open++;
    c->ends[0].fd = fd;
    c->ends[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->connecting = true;
    for (size_t i = 0; i < 2; i++)
        bound(c->ends[i].fd, c->buffer);
    int r = c->ends[1].fd < 0
                ? -1
                : connect(c->ends[1].fd, (const struct sockaddr *)(const void *)&l->to, sizeof(l->to));
    if ((r < 0 && errno != EINPROGRESS) || !tell_wants(f, c))
        connection_end(f, c);
}

/* Until the control socket is at its end. */
static void forward(struct forwarder *f)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(f->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            uint64_t tag = events[i].data.u64;
            if (tag == 0)
                return;
            if (tag <= 2 * PORTS_MAX)
                accept_one(f, &f->listeners[tag - 1]);
            else
                connection_move(f, (struct connection *)(uintptr_t)(tag & ~1ULL));
        }
        if (n < 0 && errno != EINTR)
            return;
        free_dead(f);
    }
}

/* --------------------------------------------------------------------------------------------- listening */

static int listen_at(int family, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } at = {0};
    socklen_t len = family == AF_INET ? sizeof(at.four) : sizeof(at.six);
    _close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (family == AF_INET)
        at.four = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    else
        at.six = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bound(fd, BUFFER_LEAST); /* and so are those that come of it, until they are accepted */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, &at.any, len) < 0 || listen(fd, WAITING) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in at = {0};
    socklen_t len = sizeof(at);

    return getsockname(fd, (struct sockaddr *)(void *)&at, &len) == 0 ? ntohs(at.sin_port) : 0;
}

static int add_listener(struct forwarder *f, int fd, const struct sockaddr_in *to)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = f->n + 1};

    f->listeners[f->n++] = (struct listener){.fd = fd, .to = *to};
    return epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* "PORT ADDRESS PORT": where it listens (0: anywhere), and what it leads to. */
static int read_forward(const char *text, unsigned *ret_port, struct sockaddr_in *ret_to, struct err *err)
{
    unsigned target;
    char address[INET_ADDRSTRLEN];

    *ret_to = (struct sockaddr_in){.sin_family = AF_INET};
    if (sscanf(text, "%u %15s %u", ret_port, address, &target) != 3 || *ret_port > 65535 || !target ||
        target > 65535 || inet_pton(AF_INET, address, &ret_to->sin_addr) != 1)
        return err_set(err, -EINVAL, "cannot map a port: %s", text);
    ret_to->sin_port = htons((uint16_t)target);
    return 0;
}

/* By the other family, too, where that is to be had. The port is written. */
static int open_port(struct forwarder *f, const char *text, struct buf *ret, struct err *err)
{
    struct sockaddr_in to;
    unsigned port;

    if (f->n + 2 > ARRAY_LEN(f->listeners))
        return err_set(err, -E2BIG, "too many ports are mapped");
    if (read_forward(text, &port, &to, err) < 0)
        return -EINVAL;
    int fd = listen_at(AF_INET, (uint16_t)port);
    if (fd < 0)
        return err_errno(err, fd, "cannot listen on port %u of localhost", port);
    port = port_of(fd);
    buf_addf(ret, "%u ", port);
    int r = add_listener(f, fd, &to), six = listen_at(AF_INET6, (uint16_t)port);
    if (r == 0 && six >= 0)
        r = add_listener(f, six, &to);
    return r < 0 ? err_errno(err, r, "cannot listen on port %u of localhost", port) : 0;
}

/* ----------------------------------------------------------------------------------------------- its process
 */

static int drop_all(const struct sandbox *s, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    uid_t id = SANDBOX_ID_FIRST + SANDBOX_ID_COUNT - 1;

    _close_ int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) /* as the job that it works for */
        (void)!write(score, "500", 3);
    if (s->ranged && (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0))
        return err_errno(err, -errno, "cannot give up root");
    if (syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_errno(err, -errno, "cannot drop capabilities");
    int r = filter_load(&s->filters[0]);
    return r < 0 ? err_errno(err, r, "cannot set the system call filter") : 0;
}

struct forwarding {
    const struct sandbox *sandbox;
    const struct spawn_request *r;
    const struct fds
        *fds; /* the control socket, the job's network, then perhaps the one whose loopback it is */
};

/* Each takes two descriptors, and one that is refused needs one for a moment. */
static size_t connections_most(void)
{
    struct rlimit files;
    const size_t rest = 2 * PORTS_MAX + 64;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 64;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    size_t room = files.rlim_cur > rest ? (files.rlim_cur - rest) / 2 : 1;
    return room < CONNECTIONS_MAX ? room : CONNECTIONS_MAX;
}

/* In another network than the one that this process stays in. */
static int listen_there(void *data, int answer)
{
    const struct forwarding *w = data;
    _cleanup_(fds_release) struct fds made = {0};
    struct sockaddr_in to;
    struct err err = {0};
    unsigned port = 0;
    int r = w->r->forwards[0] ? read_forward(w->r->forwards[0], &port, &to, &err)
                              : err_set(&err, -EINVAL, "no port came with the request");

    if (r == 0 && setns(w->fds->list[1], CLONE_NEWNET) < 0)
        r = err_errno(&err, -errno, "cannot enter the machine's network");
    int fd = r == 0 ? listen_at(AF_INET, (uint16_t)port) : -1;
    if (r == 0 && fd < 0)
        r = err_errno(&err, fd, "cannot listen on port %u of localhost", port);
    fds_add(&made, fd);
    fds_add(&made, r == 0 ? listen_at(AF_INET6, (uint16_t)port) : -1);
    return apart_answer(answer, r, err.msg, &made) < 0;
}

/* Who is root in a user namespace only could not come back: a child listens, and gives its sockets. */
static int reach_begin(struct forwarding *w, struct forwarder *f, struct err *err)
{
    _cleanup_(fds_release) struct fds got = {0};
    struct sockaddr_in to;
    unsigned port;
    int r = apart(listen_there, w, &got, NULL, NULL, err);

    if (r == 0)
        r = read_forward(w->r->forwards[0], &port, &to, err);
    for (size_t i = 0; r == 0 && i < got.n; i++)
        if ((r = add_listener(f, TAKE_FD(got.list[i]), &to)) < 0)
            err_errno(err, r, "cannot wait for connections");
    return r;
}

static int forward_begin(struct forwarding *w, struct forwarder *f, struct buf *ret, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = 0};
    int r = 0;

    f->control = w->fds->list[0];
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->most = connections_most();
    if (f->epoll < 0 || epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->control, &event) < 0)
        return err_errno(err, -errno, "cannot wait for connections");
    if (w->r->what == SPAWN_REACH) {
        r = reach_begin(w, f, err);
        return r < 0 ? r : drop_all(w->sandbox, err);
    }
    if (w->fds->n > 2 && setns(w->fds->list[2], CLONE_NEWNET) < 0)
        return err_errno(err, -errno, "cannot enter the machine's network");
    for (const char **port = w->r->forwards; r == 0 && *port; port++)
        r = open_port(f, *port, ret, err);
    if (r == 0 && setns(w->fds->list[1], CLONE_NEWNET) < 0)
        r = err_errno(err, -errno, "cannot enter the job's network");
    return r < 0 ? r : drop_all(w->sandbox, err);
}

/* The first that it needs from that number on; -1: there is none. */
static int next_own(const struct forwarder *f, int from)
{
    int next = f->epoll >= from ? f->epoll : -1;

    if (f->control >= from && (next < 0 || f->control < next))
        next = f->control;
    for (size_t i = 0; i < f->n; i++)
        if (f->listeners[i].fd >= from && (next < 0 || f->listeners[i].fd < next))
            next = f->listeners[i].fd;
    return next;
}

/* No other descriptors: the spawner's own, and what came with other requests, are none of its business. */
static void keep_sockets(const struct forwarder *f)
{
    int from = 0, own;

    for (; (own = next_own(f, from)) >= 0; from = own + 1)
        if (own > from)
            close_range((unsigned)from, (unsigned)own - 1, 0);
    close_range((unsigned)from, ~0U, 0);
}

static int begin_forward(void *data, int answer)
{
    static struct forwarder f;
    struct forwarding *w = data;
    _buf_ struct buf ports = BUF_INIT;
    struct err err = {0};
    int r = forward_begin(w, &f, &ports, &err);

    if (apart_answer(answer, r, r < 0 ? err.msg : buf_str(&ports), &(struct fds){0}) < 0 || r < 0)
        return 1;
    keep_sockets(&f);
    forward(&f);
    return 0;
}

int forward_start(const struct sandbox *s, const struct spawn_request *r, const struct fds *fds, pid_t *ret,
                  struct buf *ret_ports, struct err *err)
{
    _cleanup_(fds_release) struct fds none = {0};
    struct forwarding w = {.sandbox = s, .r = r, .fds = fds};

    if (fds->n < 2)
        return err_set(err, -EBADF, "no network came with the request");
    return apart(begin_forward, &w, &none, ret_ports, ret, err);
}
