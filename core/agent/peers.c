/*
 * `runfs-agent peers [ADDRESS PORT]... -- PROGRAM ARGUMENT...`: a program of the host that a workflow tells
 * whom to ask (a registry, and whom that leads on to) connects to nothing that peer_is_own() but these. The
 * kernel asks this process about each connect(2) of it, so that neither names, nor redirections, nor what
 * somebody says of where to log in, lead around it. The program itself is no enemy. Helpers that know
 * passwords ask whom they have to.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"
#include "runfs/peer.h"
#include "runfs/str.h"

enum { FAILED = 126 };

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

struct watch {
    char **allowed; /* ADDRESS PORT, in pairs */
    size_t n;
    char refused[INET6_ADDRSTRLEN + 16]; /* the last one; "" */
};

static bool is_allowed(const struct watch *w, const char *text, unsigned port)
{
    uint64_t n;

    for (size_t i = 0; i + 1 < w->n; i += 2)
        if (str_eq(w->allowed[i], text) && parse_u64(w->allowed[i + 1], &n) == 0 && n == port)
            return true;
    return false;
}

static bool may_ask(struct watch *w, const union address *a)
{
    char text[INET6_ADDRSTRLEN] = "?";
    bool six = a->any.sa_family == AF_INET6;
    unsigned port = ntohs(six ? a->six.sin6_port : a->four.sin_port);

    if (!peer_is_own(&a->any))
        return true;
    inet_ntop(a->any.sa_family, six ? (const void *)&a->six.sin6_addr : &a->four.sin_addr, text,
              sizeof(text));
    if (is_allowed(w, text, port))
        return true;
    snprintf(w->refused, sizeof(w->refused), six ? "[%s]:%u" : "%s:%u", text, port);
    return false;
}

/* Of the process of a thread. 0: it is gone. */
static pid_t process_of(pid_t thread)
{
    _buf_ struct buf text = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", thread);
    const char *at = read_file(path, 64 * 1024, &text, NULL) == 0 ? strstr(buf_str(&text), "\nTgid:") : NULL;
    return at ? (pid_t)strtol(at + 6, NULL, 10) : 0;
}

static bool is_helper(pid_t thread)
{
    _buf_ struct buf name = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/comm", thread);
    return read_file(path, 64, &name, NULL) == 0 && str_starts(buf_str(&name), "docker-credenti");
}

/* Who is asked for addresses is told by the host's resolv.conf(5), and may be on it. */
static bool is_stream(pid_t thread, int socket_fd)
{
    _close_ int pidfd = pidfd_open(process_of(thread), 0);
    _close_ int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, socket_fd, 0);
    int type = SOCK_STREAM;
    socklen_t len = sizeof(type);

    return fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type == SOCK_STREAM;
}

static bool may_connect(struct watch *w, const struct seccomp_notif *q)
{
    union address a = {0};
    size_t said = q->data.args[2] < sizeof(a) ? (size_t)q->data.args[2] : sizeof(a);
    struct iovec to = {&a, said}, from = {(void *)(uintptr_t)q->data.args[1], said};
    pid_t thread = (pid_t)q->pid;

    ssize_t n = process_vm_readv(thread, &to, 1, &from, 1, 0);
    if (n < (ssize_t)sizeof(sa_family_t))
        return false;
    if (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6)
        return true;
    return !is_stream(thread, (int)q->data.args[0]) || is_helper(thread) || may_ask(w, &a);
}

/* Each with room of its own, which has to be empty, and which the kernel says how large it is. False: it
 * cannot be gone on with. */
static bool answer(struct watch *w, int fd)
{
    struct seccomp_notif_resp *a = NULL;
    struct seccomp_notif *q = NULL;
    int r = seccomp_notify_alloc(&q, &a) == 0 ? seccomp_notify_receive(fd, q) : -ENOMEM;

    if (r == 0) {
        a->id = q->id;
        if (may_connect(w, q))
            a->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        else
            a->error = -EPERM;
        (void)seccomp_notify_respond(fd, a); /* it may have been killed meanwhile */
    }
    bool goes_on = r == 0 || errno == ENOENT || errno == EINTR; /* before it was heard */
    seccomp_notify_free(q, a);
    return goes_on;
}

static void watch(struct watch *w, int fd, int pidfd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};

    while (!p[1].revents && p[0].fd >= 0)
        if (poll(p, 2, -1) > 0 && p[0].revents && (!(p[0].revents & POLLIN) || !answer(w, fd)))
            p[0].fd = -1;
}

/* The filter's other end, which a process gets from the kernel when it loads it. */
static int load_filter(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW) : -ENOMEM;

    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(connect), 0);
    if (r == 0)
        r = seccomp_load(ctx);
    int fd = r == 0 ? seccomp_notify_fd(ctx) : r;
    seccomp_release(ctx);
    return fd;
}

static void become(int answer_to, char **argv, pid_t parent) __attribute__((noreturn));
static void become(int answer_to, char **argv, pid_t parent)
{
    _cleanup_(fds_release) struct fds with = {0};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = getppid() == parent ? load_filter() : -ESRCH;
    if (fd < 0)
        fprintf(stderr, "msg=\"cannot be told whom %s asks: %s\"\n", argv[0], strerrordesc_np(-fd));
    fds_add(&with, fd);
    if (fd < 0 || apart_answer(answer_to, 0, "", &with) < 0)
        _exit(FAILED);
    fds_release(&with);
    close(answer_to);
    execvp(argv[0], argv);
    fprintf(stderr, "msg=\"cannot start %s: %s\"\n", argv[0], strerrordesc_np(errno));
    _exit(FAILED + (errno == ENOENT));
}

static int attend(struct watch *w, pid_t pid, int from)
{
    _cleanup_(fds_release) struct fds got = {0};
    _close_ int pidfd = pidfd_open(pid, 0);
    char text[256];
    int status;

    if (pidfd >= 0 && fds_receive(from, text, sizeof(text), &got) > 0 && got.n == 1)
        watch(w, got.list[0], pidfd);
    fds_release(&got); /* what still asks is refused */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return FAILED;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code && *w->refused)
        fprintf(stderr,
                "msg=\"%s is this host, or what answers to it alone, which is asked for no workflow unless "
                "config/local_registries, or --registry of a worker, names it\"\n",
                w->refused);
    return code;
}

int peers_main(int argc, char **argv)
{
    struct watch w = {.allowed = argv};
    pid_t self = getpid();
    int pair[2];

    while (w.n < (size_t)argc && !str_eq(argv[w.n], "--"))
        w.n++;
    if (w.n % 2 || w.n + 1 >= (size_t)argc || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return FAILED;
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become(pair[1], argv + w.n + 1, self);
    }
    close(pair[1]);
    int code = pid < 0 ? FAILED : attend(&w, pid, pair[0]);
    close(pair[0]);
    return code;
}
