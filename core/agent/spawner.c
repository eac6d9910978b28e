/*
 * The spawner: a small single-threaded process that makes machines for the daemon, which has many threads and
 * must not fork. It takes requests on descriptor 3 (a seqpacket socket) until that is at its end. Machines
 * live on without it; each dies with its own control socket.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { REQUESTS = 3, AGENTS_MAX = 4096 };

struct spawner {
    struct sandbox sandbox;
    bool sandboxed; /* makes sandboxes; else plain agents and programs such as bwrap */
    int signals;
    pid_t agents[AGENTS_MAX]; /* plain agents that live: any other child is an orphan of a dead one */
    size_t n_agents;
};

/* Goes on in a sealed copy of its program: a machine that sees it through /proc/1/exe cannot change it. */
static void run_sealed(int argc, char **argv)
{
    _close_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    _close_ int to = memfd_create("runfs-agent", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    const char *args[8] = {"runfs-agent", "spawner"};
    char *sealed_env[] = {(char *)"RUNFS_AGENT_SEALED=1", NULL};
    int n = 2;

    if (getenv("RUNFS_AGENT_SEALED") || from < 0 || to < 0)
        return;
    for (int i = 0; i < argc && n < 7; i++)
        args[n++] = argv[i];
    struct buf image = BUF_INIT;
    if (read_fd(from, 64 * 1024 * 1024, &image) < 0 || write_all(to, image.ptr, image.len) < 0 ||
        fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        buf_release(&image);
        return;
    }
    fexecve(to, (char *const *)args, sealed_env);
    buf_release(&image);
}

static int send_reply(const struct spawn_reply *reply, int pidfd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    _buf_ struct buf b = BUF_INIT;

    spawn_reply_encode(&b, reply);
    if (!buf_ok(&b))
        return -ENOMEM;
    struct iovec iov = {b.ptr, b.len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (pidfd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &pidfd, sizeof(int));
    }
    return sendmsg(REQUESTS, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Receives a datagram and the one descriptor with it (-1: none). Returns its length, 0 at the end, -errno. */
static ssize_t receive_request(char *to, size_t size, int *ret_fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {to, size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(REQUESTS, &msg, MSG_CMSG_CLOEXEC);

    *ret_fd = -1;
    if (n < 0)
        return errno == EINTR ? -EINTR : -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    return n;
}

static void tell_failure(int control, const struct err *err)
{
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, FRAME_FAILED);

    wire_add_u32(&b, (uint32_t)err->code);
    wire_add_str(&b, err->msg);
    frame_end(&b, begin);
    if (buf_ok(&b))
        (void)send(control, b.ptr, b.len, MSG_NOSIGNAL);
}

/* Descriptors 0-2 are /dev/null, 3 the control socket, and there are no others. */
static void keep_only(int control)
{
    int saved = fcntl(control, F_DUPFD_CLOEXEC, 16);

    if (saved < 0 || dup2(saved, 3) < 0)
        _exit(71);
    close_range(4, ~0U, 0);
    (void)fcntl(3, F_SETFD, FD_CLOEXEC);
}

static void in_sandbox(const struct spawner *sp, const struct spawn_request *r, int image, int control,
                       int go) __attribute__((noreturn));
static void in_sandbox(const struct spawner *sp, const struct spawn_request *r, int image, int control,
                       int go)
{
    struct err err = {0};
    char c;

    if (read(go, &c, 1) != 1) /* the spawner maps the ids first */
        _exit(72);
    keep_only(control);
    if (sandbox_enter(&sp->sandbox, r, image, &err) < 0) {
        tell_failure(3, &err);
        _exit(73);
    }
    harden_limits();
    _exit(agent_serve(3));
}

static int write_map(pid_t pid, const char *file, const char *text)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int map_ids(const struct spawner *sp, pid_t pid, struct err *err)
{
    char map[64] = "0 0 1\n";

    if (sp->sandbox.ranged)
        snprintf(map, sizeof(map), "0 %d %d\n", SANDBOX_ID_FIRST, SANDBOX_ID_COUNT);
    int r = write_map(pid, "uid_map", map);
    if (r == 0)
        r = write_map(pid, "gid_map", map);
    return r < 0 ? err_errno(err, r, "cannot map the machine's users") : 0;
}

static int spawn_sandbox(struct spawner *sp, const struct spawn_request *r, int control, pid_t *ret,
                         int *ret_fd, struct err *err)
{
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                                       CLONE_NEWUTS | CLONE_PIDFD | (r->no_network ? CLONE_NEWNET : 0),
                              .exit_signal = SIGCHLD};
    int image = r->image[0] ? sandbox_image(&sp->sandbox, r->image, err) : -1;
    int pidfd = -1, go[2];

    if (r->image[0] && image < 0)
        return image;
    if (pipe2(go, O_CLOEXEC) < 0)
        return err_errno(err, -errno, "cannot make a pipe");
    args.pidfd = (uint64_t)(uintptr_t)&pidfd;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        close(go[1]);
        in_sandbox(sp, r, image, control, go[0]);
    }
    int e = pid < 0 ? err_errno(err, -errno, "cannot make namespaces") : map_ids(sp, pid, err);
    close(go[0]);
    if (e == 0 && write(go[1], "", 1) != 1)
        e = err_errno(err, -errno, "cannot start the machine");
    close(go[1]);
    if (e < 0) {
        cleanup_close(&pidfd);
        return e;
    }
    *ret = pid;
    *ret_fd = pidfd;
    return 0;
}

static void in_plain(const struct spawn_request *r, int control) __attribute__((noreturn));
static void in_plain(const struct spawn_request *r, int control)
{
    struct err err = {0};
    sigset_t none;

    keep_only(control);
    setsid();
    harden_limits();
    if (!r->argv[0])
        _exit(agent_serve(3));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)fcntl(3, F_SETFD, 0);
    if (r->uid && (setgroups(0, NULL) < 0 || setresgid(r->uid, r->uid, r->uid) < 0 ||
                   setresuid(r->uid, r->uid, r->uid) < 0))
        err_errno(&err, -errno, "cannot become user %u", r->uid);
    else
        execvp(r->argv[0], (char *const *)r->argv);
    if (!err.code)
        err_errno(&err, -errno, "cannot start %s", r->argv[0]);
    tell_failure(3, &err);
    _exit(127);
}

static int spawn_plain(struct spawner *sp, const struct spawn_request *r, int control, pid_t *ret,
                       int *ret_fd, struct err *err)
{
    struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
    int pidfd = -1;

    if (sp->n_agents == AGENTS_MAX)
        return err_set(err, -EAGAIN, "too many machines (%d)", AGENTS_MAX);
    args.pidfd = (uint64_t)(uintptr_t)&pidfd;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        in_plain(r, control);
    if (pid < 0)
        return err_errno(err, -errno, "cannot start a process");
    sp->agents[sp->n_agents++] = pid;
    *ret = pid;
    *ret_fd = pidfd;
    return 0;
}

/* Returns false when the daemon is gone. */
static bool spawner_request(struct spawner *sp)
{
    static char request[SPAWN_MAX];
    _close_ int control = -1, pidfd = -1;
    struct spawn_request r;
    struct err err = {0};
    pid_t pid = 0;
    ssize_t n = receive_request(request, sizeof(request), &control);

    if (n == -EINTR)
        return true;
    if (n <= 0)
        return false;
    int e = spawn_request_decode(request, (size_t)n, &r);
    if (e < 0)
        return false;
    if (control < 0)
        e = err_set(&err, -EBADF, "no control socket came with the request");
    else if (sp->sandboxed && !r.scratch[0])
        e = (pidfd = sandbox_mask(r.mask, &err)) < 0 ? pidfd : 0;
    else if (sp->sandboxed)
        e = spawn_sandbox(sp, &r, control, &pid, &pidfd, &err);
    else
        e = spawn_plain(sp, &r, control, &pid, &pidfd, &err);
    spawn_request_release(&r);
    return send_reply(&(struct spawn_reply){.error = e, .pid = (uint32_t)pid, .words = err.msg}, pidfd) == 0;
}

static bool spawner_knows(void *spawner, pid_t pid)
{
    const struct spawner *sp = spawner;

    for (size_t i = 0; i < sp->n_agents; i++)
        if (sp->agents[i] == pid)
            return true;
    return false;
}

static void spawner_forget(struct spawner *sp, pid_t pid)
{
    for (size_t i = 0; i < sp->n_agents; i++)
        if (sp->agents[i] == pid)
            sp->agents[i--] = sp->agents[--sp->n_agents];
}

static bool has_orphans(const struct spawner *sp)
{
    _fclose_ FILE *f = fopen("/proc/thread-self/children", "re");
    int pid;

    while (f && fscanf(f, "%d", &pid) == 1)
        if (!spawner_knows((void *)(uintptr_t)sp, pid))
            return true;
    return false;
}

/* A plain agent that was killed leaves its commands to us, their subreaper: they go after it. Returns whether
 * some are left: what is asked of us meanwhile must not wait for them. */
static bool spawner_reap(struct spawner *sp)
{
    int64_t until = mono_ns() + 100000000LL;
    char info[1024];
    bool orphans;
    pid_t pid;

    while (read(sp->signals, info, sizeof(info)) > 0)
        ;
    do {
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            spawner_forget(sp, pid);
        orphans = !sp->sandboxed && has_orphans(sp);
        if (orphans)
            tree_kill_children(spawner_knows, sp);
    } while (orphans && mono_ns() < until);
    return orphans;
}

static int spawner_init(struct spawner *sp, const char *scratch, struct err *err)
{
    sigset_t set;

    prctl(PR_SET_NAME, "runfs-spawner");
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGINT, SIG_IGN); /* a terminal's ^C is for runfs, which ends us by closing the socket */
    signal(SIGQUIT, SIG_IGN);
    (void)fcntl(REQUESTS, F_SETFD, FD_CLOEXEC);
    sp->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (sp->signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return err_errno(err, -errno, "cannot look after child processes");
    return sp->sandboxed ? sandbox_prepare(&sp->sandbox, scratch, err) : 0;
}

int spawner_main(int argc, char **argv)
{
    static struct spawner sp;
    struct err err = {0};

    run_sealed(argc, argv);
    sp.sandboxed = str_eq(argv[0], "sandbox") && argc == 2;
    int r = spawner_init(&sp, argv[argc - 1], &err);
    for (int i = 0; i < argc; i++) /* machines see it as the command line of their process 1 */
        memset(argv[i], 0, strlen(argv[i]));
    if (send_reply(&(struct spawn_reply){.error = r, .words = err.msg}, -1) < 0 || r < 0)
        return 1;
    for (bool orphans = false;;) {
        struct pollfd p[2] = {{.fd = REQUESTS, .events = POLLIN}, {.fd = sp.signals, .events = POLLIN}};
        if (poll(p, 2, orphans ? 20 : -1) < 0)
            continue;
        if (orphans || p[1].revents)
            orphans = spawner_reap(&sp);
        if (p[0].revents && !spawner_request(&sp))
            return 0;
    }
}
