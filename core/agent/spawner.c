/*
 * The spawner: a small single-threaded process that makes machines for the daemon, which has many threads and
 * must not fork. It takes requests on descriptor 3 (a seqpacket socket) until that is at its end. Machines
 * live on without it; each dies with its own control socket.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { REQUESTS = 3, AGENTS_MAX = 4096, GROUPS_MAX = 3 };

struct spawner {
    struct sandbox sandbox;
    bool sandboxed; /* makes sandboxes; else plain agents and programs such as bwrap */
    int signals;
    pid_t agents[AGENTS_MAX]; /* plain agents that live: any other child is an orphan of a dead one */
    size_t n_agents;
    bool orphaned;          /* the daemon went without a word */
    int groups[GROUPS_MAX]; /* the daemon's directories of control groups */
    char group_names[GROUPS_MAX][64];
    size_t n_groups;
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

static int send_reply(const struct spawn_reply *reply, const struct fds *fds)
{
    _buf_ struct buf b = BUF_INIT;

    spawn_reply_encode(&b, reply);
    return fds_send(REQUESTS, &b, fds);
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

/* root: a mount, or -1. The first descriptor is the control socket, then perhaps another machine's mounts,
 * a network, and a disk; the others are cgroup.procs files. */
static void take_descriptors(const struct spawn_request *r, int root, const struct fds *fds)
{
    struct err err = {0};
    size_t i = 1 + (r->shared[0] != NULL) + (r->address != 0);
    int e = 0;

    if (r->disk)
        e = i < fds->n ? sandbox_attach_disk(r->scratch, fds->list[i++], &err)
                       : err_set(&err, -EBADF, "no disk came with the request");
    if (e == 0 && root >= 0 && move_mount(root, "", AT_FDCWD, "/new", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        e = err_errno(&err, -errno, "cannot mount the machine's root");
    for (; e == 0 && i < fds->n; i++)
        if (write(fds->list[i], "0", 1) != 1)
            e = err_errno(&err, -errno, "cannot enter a control group");
    if (e < 0) {
        tell_failure(fds->list[0], &err);
        _exit(74);
    }
}

static void in_sandbox(const struct spawner *sp, const struct spawn_request *r, int image, int root,
                       const struct shared *shared, const struct fds *fds, int go) __attribute__((noreturn));
static void in_sandbox(const struct spawner *sp, const struct spawn_request *r, int image, int root,
                       const struct shared *shared, const struct fds *fds, int go)
{
    struct err err = {0};
    char c;

    if (read(go, &c, 1) != 1) /* the spawner maps the ids first */
        _exit(72);
    take_descriptors(r, root, fds);
    harden_limits(r, true);
    if (sandbox_enter(&sp->sandbox, r, image, shared, &err) < 0) {
        tell_failure(fds->list[0], &err);
        _exit(73);
    }
    keep_only(fds->list[0]);
    _exit(agent_serve(3, true));
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

/* For who attaches something to the machine's network, or shares its directories. */
static int open_namespaces(const struct spawn_request *r, pid_t pid, struct fds *ret, struct err *err)
{
    const char *const names[] = {r->filtered || r->network ? "net" : NULL, r->filtered ? "user" : NULL,
                                 r->mounts ? "mnt" : NULL};
    char path[64];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!names[i])
            continue;
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return err_errno(err, -errno, "cannot open the machine's namespaces");
        fds_add(ret, fd);
    }
    return 0;
}

static int join_network(const struct spawn_request *r, const struct fds *fds, pid_t pid, struct err *err)
{
    size_t i = 1 + (r->shared[0] != NULL);

    if (i >= fds->n || !r->no_network)
        return err_set(err, -EBADF, "no network came with the request");
    return bridge_join(fds->list[i], pid, r->address, err);
}

static int spawn_sandbox(struct spawner *sp, const struct spawn_request *r, const struct fds *fds, pid_t *ret,
                         struct fds *ret_fds, struct err *err)
{
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                                       CLONE_NEWUTS | CLONE_PIDFD | (r->no_network ? CLONE_NEWNET : 0),
                              .exit_signal = SIGCHLD};
    int image = r->image[0] ? sandbox_image(&sp->sandbox, r->image, err) : -1;
    int pidfd = -1, go[2];

    if (r->image[0] && image < 0)
        return image;
    int base = sandbox_base(&sp->sandbox, r, err);
    if (base < 0)
        return base;
    _close_ int root = -1;
    int made = sandbox_root(&sp->sandbox, r, image, &root, err);
    if (made < 0)
        return made;
    _cleanup_(shared_release) struct shared shared = {0};
    if (sandbox_share(fds->n > 1 ? fds->list[1] : -1, r->shared, &shared, err) < 0)
        return err->code;
    if (pipe2(go, O_CLOEXEC) < 0)
        return err_errno(err, -errno, "cannot make a pipe");
    args.pidfd = (uint64_t)(uintptr_t)&pidfd;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        close(go[1]);
        in_sandbox(sp, r, image, root, &shared, fds, go[0]);
    }
    fds_add(ret_fds, pidfd);
    int e = pid < 0 ? err_errno(err, -errno, "cannot make namespaces") : map_ids(sp, pid, err);
    close(go[0]);
    if (e == 0 && r->address)
        e = join_network(r, fds, pid, err);
    if (e == 0)
        e = open_namespaces(r, pid, ret_fds, err);
    if (e == 0 && write(go[1], "", 1) != 1)
        e = err_errno(err, -errno, "cannot start the machine");
    close(go[1]);
    if (e == 0)
        *ret = pid;
    return e;
}

static void in_plain(const struct spawn_request *r, const struct fds *fds) __attribute__((noreturn));
static void in_plain(const struct spawn_request *r, const struct fds *fds)
{
    struct err err = {0};
    sigset_t none;

    take_descriptors(r, -1, fds);
    keep_only(fds->list[0]);
    setsid();
    harden_limits(r, r->argv[0] != NULL);
    if (!r->argv[0])
        _exit(agent_serve(3, false));
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

static int spawn_plain(struct spawner *sp, const struct spawn_request *r, const struct fds *fds, pid_t *ret,
                       struct fds *ret_fds, struct err *err)
{
    struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
    int pidfd = -1;

    if (sp->n_agents == AGENTS_MAX)
        return err_set(err, -EAGAIN, "too many machines (%d)", AGENTS_MAX);
    args.pidfd = (uint64_t)(uintptr_t)&pidfd;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        in_plain(r, fds);
    if (pid < 0)
        return err_errno(err, -errno, "cannot start a process");
    sp->agents[sp->n_agents++] = pid;
    *ret = pid;
    fds_add(ret_fds, pidfd);
    return 0;
}

static int start_forward(struct spawner *sp, const struct spawn_request *r, const struct fds *fds, pid_t *ret,
                         struct fds *ret_fds, struct buf *ret_words, struct err *err)
{
    int e = forward_start(&sp->sandbox, r, fds, ret, ret_words, err);

    if (e == 0)
        fds_add(ret_fds, (int)syscall(SYS_pidfd_open, *ret, 0));
    return e;
}

static int spawner_do(struct spawner *sp, const struct spawn_request *r, const struct fds *fds, pid_t *ret,
                      struct fds *ret_fds, struct buf *ret_words, struct err *err)
{
    if (r->what == SPAWN_MACHINE && !fds->n)
        return err_set(err, -EBADF, "no control socket came with the request");
    if (!sp->sandboxed)
        return spawn_plain(sp, r, fds, ret, ret_fds, err);
    if (r->what == SPAWN_MACHINE)
        return spawn_sandbox(sp, r, fds, ret, ret_fds, err);
    if (r->what == SPAWN_FORWARD || r->what == SPAWN_REACH)
        return start_forward(sp, r, fds, ret, ret_fds, ret_words, err);
    int fd = r->what == SPAWN_MASK      ? sandbox_mask(r->mask, r->forget, err)
             : r->what == SPAWN_NETWORK ? bridge_new(err)
                                        : sandbox_disk(r->disk, err);
    fds_add(ret_fds, fd);
    return fd < 0 ? fd : 0;
}

/* Returns false when the daemon is gone. */
static bool spawner_request(struct spawner *sp)
{
    static char request[SPAWN_MAX];
    _cleanup_(fds_release) struct fds fds = {0}, ret_fds = {0};
    struct spawn_request r;
    _buf_ struct buf words = BUF_INIT;
    struct err err = {0};
    pid_t pid = 0;
    ssize_t n = fds_receive(REQUESTS, request, sizeof(request), &fds);

    sp->orphaned = n <= 0;
    if (n <= 0)
        return false;
    int e = spawn_request_decode(request, (size_t)n, &r);
    if (e < 0) /* what is no request is its farewell */
        return false;
    e = spawner_do(sp, &r, &fds, &pid, &ret_fds, &words, &err);
    spawn_request_release(&r);
    if (e < 0)
        fds_release(&ret_fds);
    return send_reply(&(struct spawn_reply){.error = e,
                                            .pid = (uint32_t)pid,
                                            .words = e < 0 ? err.msg : buf_str(&words)},
                      &ret_fds) == 0;
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

/* Removes the groups in a directory that are empty; false while there are others. */
static bool groups_empty(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    bool empty = true;

    while (dir && (e = readdir(dir)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.' && unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0)
            empty = false;
    return empty;
}

/* The daemon was killed. Its machines are on their way out, as their sockets have ended; what is left of them
 * then is empty groups. */
static void remove_groups(const struct spawner *sp)
{
    bool empty = false;

    for (int tries = 0; !empty && tries < 1000; tries++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        empty = true;
        for (size_t i = 0; i < sp->n_groups; i++)
            empty &= groups_empty(sp->groups[i]);
        if (!empty)
            usleep(10000);
    }
    for (size_t i = 0; i < sp->n_groups; i++) {
        _close_ int parent = openat(sp->groups[i], "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)unlinkat(parent, sp->group_names[i], AT_REMOVEDIR);
    }
}

static void open_groups(struct spawner *sp, char **paths, int n)
{
    for (int i = 0; i < n && sp->n_groups < GROUPS_MAX; i++) {
        int fd = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *slash = strrchr(paths[i], '/');
        if (fd < 0)
            continue;
        snprintf(sp->group_names[sp->n_groups], sizeof(sp->group_names[0]), "%s", slash ? slash + 1 : "");
        sp->groups[sp->n_groups++] = fd;
    }
}

int spawner_main(int argc, char **argv)
{
    static struct spawner sp;
    struct err err = {0};

    run_sealed(argc, argv);
    sp.sandboxed = str_eq(argv[0], "sandbox") && argc > 1;
    open_groups(&sp, argv + 2, argc - 2);
    int r = spawner_init(&sp, argc > 1 ? argv[1] : "", &err);
    malloc_trim(0); /* else each machine joins what is free by now, and copies every page of it for that */
    for (int i = 0; i < argc; i++) /* machines see it as the command line of their process 1 */
        memset(argv[i], 0, strlen(argv[i]));
    if (send_reply(&(struct spawn_reply){.error = r, .words = err.msg}, &(struct fds){0}) < 0 || r < 0)
        return 1;
    for (bool orphans = false;;) {
        struct pollfd p[2] = {{.fd = REQUESTS, .events = POLLIN}, {.fd = sp.signals, .events = POLLIN}};
        if (poll(p, 2, orphans ? 20 : -1) < 0)
            continue;
        if (orphans || p[1].revents)
            orphans = spawner_reap(&sp);
        if (p[0].revents && !spawner_request(&sp)) {
            if (sp.orphaned)
                remove_groups(&sp);
            return 0;
        }
    }
}
