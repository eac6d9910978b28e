/* runfs mount: the daemon. It goes to the background only once the mount works, and says why when it does
 * not. */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/proc.h"
#include "runfs/reporter.h"
#include "runfs/results.h"
#include "runfs/search.h"
#include "runfs/server.h"
#include "runfs/str.h"
#include "runfs/vms.h"
#include "shell.h"

static const char help[] =
    "usage: runfs mount [-f] [--state DIR] [--repo DIR]... [-o OPT] DIRECTORY\n"
    "\n"
    "Mounts the runner at DIRECTORY (made if missing) and goes to the background.\n"
    "Copy a workflow to DIRECTORY/workflows/ and it runs; DIRECTORY/README says the rest.\n"
    "\n"
    "  -f, --foreground   stay in the foreground; Ctrl-C unmounts\n"
    "      --state DIR    where runs are kept (default: $XDG_STATE_HOME/runfs)\n"
    "      --repo DIR     link a repository, as `ln -s DIR DIRECTORY/repos/` does\n"
    "  -o OPT             a mount option, such as allow_other\n"
    "\n"
    "exit status: 0 mounted, 1 it could not be mounted, 2 usage\n";

enum { REPOS_MAX = 32 };

struct options {
    bool foreground;
    const char *state, *mount_options, *directory;
    const char *repos[REPOS_MAX];
    size_t n_repos;
};

/* Everything the daemon owns, in the order in which it is made. */
struct daemon {
    struct store *store;
    struct machines *machines;
    struct results *results;
    struct engine *engine;
    struct server *server;
    struct reporter *reporter;
    struct mounted *mounted;
    struct shells *shells;
    struct fs fs;
    pthread_mutex_t end;     /* guards the rest */
    struct mounted *serving; /* borrowed; NULL: not yet, or no more */
    bool ended;
};

/* Unmounted, told to end, or not started after all. */
static bool is_ending(void *data)
{
    struct daemon *d = data;

    pthread_mutex_lock(&d->end);
    bool ending = d->ended || (d->serving && mounted_ending(d->serving));
    pthread_mutex_unlock(&d->end);
    return ending;
}

static void set_serving(struct daemon *d, struct mounted *m)
{
    pthread_mutex_lock(&d->end);
    d->serving = m;
    d->ended = !m;
    pthread_mutex_unlock(&d->end);
}

/* 0: go on; 1: help was asked for; 2: wrong usage, which was said. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"foreground", no_argument, NULL, 'f'},
                                          {"state", required_argument, NULL, 's'},
                                          {"repo", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    *o = (struct options){.mount_options = ""};
    while ((c = getopt_long(argc, argv, "fho:", longs, NULL)) != -1) {
        if (c == 'f')
            o->foreground = true;
        else if (c == 's')
            o->state = optarg;
        else if (c == 'o')
            o->mount_options = optarg;
        else if (c == 'r' && o->n_repos < REPOS_MAX)
            o->repos[o->n_repos++] = optarg;
        else if (c == 'h')
            return 1;
        else
            return usage_wrong(help, c == 'r' ? "there are too many --repo" : NULL);
    }
    if (optind != argc - 1)
        return usage_wrong(help, optind < argc ? "it takes one DIRECTORY" : "say at which DIRECTORY");
    o->directory = argv[optind];
    return 0;
}

/* Dead mounts are taken away first, all of them where several lie on top of each other. */
static void clear_dead_mounts(const char *path)
{
    const char *const argv[] = {"fusermount3", "-u", "-z", path, NULL};

    for (int tries = 0; tries < 64 && is_dead_mount(path); tries++) {
        _proc_result_ struct proc_result out = {0};
        if (umount2(path, MNT_DETACH) < 0)
            (void)proc_run(argv, NULL, 4096, 5000, &out, NULL);
    }
}

static bool is_empty(const char *path)
{
    _closedir_ DIR *d = opendir(path);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
            return false;
    return true;
}

/* The kernel would mount on a file, too, and over a runner that is mounted there. */
static int check_place(const char *path, struct err *err)
{
    struct stat st;
    int r = make_dirs(path, 0755);

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "cannot mount at %s: it is a file; name a directory", path);
    if (r < 0)
        return err_errno(err, r, "cannot mount at %s", path);
    if (is_mount(path))
        return err_set(err, -EBUSY, "a runner is mounted at %s already: `runfs umount %s` first", path, path);
    if (!is_empty(path))
        fprintf(stderr, "runfs mount: %s has files: they are hidden until `runfs umount %s`\n", path, path);
    return 0;
}

static int check_fuse(struct err *err)
{
    if (access("/dev/fuse", F_OK) < 0)
        return err_set(err, -ENODEV,
                       "/dev/fuse is missing: load the kernel module (`modprobe fuse`), or in a container "
                       "pass --device /dev/fuse; `runfs run FILE` works without it");
    if (access("/dev/fuse", R_OK | W_OK) < 0)
        return err_set(err, -EACCES,
                       "/dev/fuse may not be opened by this user: `chmod 666 /dev/fuse`, or run as root");
    return 0;
}

enum { LOG_MAX = 16 << 20 };

static int open_log(struct daemon *d, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/log", store_dir(d->store));
    d->fs.log_path = buf_steal(&path);
    if (!d->fs.log_path)
        return err_errno(err, -ENOMEM, "log");
    return log_open(d->fs.log_path, LOG_MAX, err);
}

static int link_repos(struct daemon *d, const struct options *o, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < o->n_repos; i++) {
        char path[PATH_MAX];
        if (!realpath(o->repos[i], path))
            return err_errno(err, -errno, "cannot link %s", o->repos[i]);
        const char *slash = strrchr(path, '/');
        if (!store_find_repo(d->store, slash + 1))
            r = engine_link_repo(d->engine, slash + 1, path, err);
    }
    return r;
}

static int start_engine(struct daemon *d, const struct options *o, const char *state, struct err *err)
{
    const char *hidden[] = {d->fs.mount_point, NULL};
    struct machines_opts machines = {.state_dir = NULL, .hidden = hidden};
    int r = store_open(state, &d->store, err);

    if (r == 0)
        r = open_log(d, err);
    if (r == 0) {
        int interrupted = store_recover(d->store, err);
        if (interrupted > 0)
            log_warning("mount", "%d runs were interrupted when runfs last ended", interrupted);
        r = interrupted < 0 ? interrupted : 0;
    }
    machines.state_dir = r == 0 ? store_dir(d->store) : NULL;
    machines.store = d->store;
    if (r == 0)
        r = machines_new(&machines, &d->machines, err);
    if (r == 0)
        r = results_new(d->store, &d->results, err);
    if (r == 0)
        r = engine_new(&(struct engine_opts){.store = d->store,
                                             .machines = d->machines,
                                             .services = results_services(d->results),
                                             .triggers = true,
                                             .ending = is_ending,
                                             .data = d,
                                             .defaults = true},
                       &d->engine, err);
    if (r == 0)
        r = vms_new(d->store, d->machines, &d->fs.vms, err);
    if (r == 0 && (r = rootfs_new(&d->fs.rootfs)) < 0)
        err_errno(err, r, "cannot mount");
    return r < 0 ? r : link_repos(d, o, err);
}

static int daemon_start(struct daemon *d, const struct options *o, struct err *err)
{
    _free_ char *state = state_directory(o->state);
    char path[PATH_MAX];

    clear_dead_mounts(o->directory);
    int r = check_fuse(err);
    if (r < 0)
        return r;
    r = check_place(o->directory, err);
    if (r < 0)
        return r;
    if (!realpath(o->directory, path) || !state)
        return err_errno(err, -errno, "cannot mount at %s", o->directory);
    d->fs.mount_point = strdup(path);
    d->fs.uid = getuid();
    d->fs.gid = getgid();
    d->fs.started_at = now_ns();
    pthread_mutex_init(&d->fs.lock, NULL);
    r = start_engine(d, o, state, err);
    if (r < 0)
        return r;
    d->fs.store = d->store;
    d->fs.engine = d->engine;
    d->fs.machines = d->machines;
    r = searcher_new(d->store, &d->fs.searcher, err);
    if (r == 0)
        r = searcher_index(d->fs.searcher, err);
    if (r == 0)
        r = server_new(d->store, d->engine, d->fs.searcher, &d->server, err);
    if (r < 0)
        return r;
    d->fs.server = d->server;
    r = reporter_new(d->store, &d->reporter, err);
    if (r < 0)
        return r;
    d->fs.reporter = d->reporter;
    r = shells_new(&d->fs, &d->shells, err);
    if (r < 0)
        return r;
    return mounted_new(&(struct mount_opts){&d->fs, d->fs.mount_point, o->mount_options}, &d->mounted, err);
}

/* r: what it ends with. */
static void daemon_stop(struct daemon *d, int r)
{
    set_serving(d, NULL);
    mounted_free(d->mounted);
    shells_free(d->shells);
    server_free(d->server);
    reporter_free(d->reporter);
    bool searched = searcher_free(d->fs.searcher);
    vms_free(d->fs.vms);
    rootfs_free(d->fs.rootfs);
    engine_free(d->engine);
    results_free(d->results);
    contents_release(&d->fs);
    queries_release(&d->fs);
    role_list_release(&d->fs.roles);
    if (d->machines)
        machines_free(d->machines);
    if (searched)
        store_close(d->store);
    else
        store_leave(d->store);
    drafts_release(&d->fs);
    log_close();
    free(d->fs.mount_point);
    free(d->fs.log_path);
    if (!searched)
        _exit(r < 0); /* nothing that is done at exit is done beside a thread that may go on */
}

/* Tells whoever started it: nothing means that the mount works. */
static void tell_parent(int fd, const char *msg)
{
    if (fd >= 0) {
        (void)write_all(fd, msg, strlen(msg));
        close(fd);
    } else if (*msg) {
        fprintf(stderr, "runfs mount: %s\n", msg);
    }
}

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR);

    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

static int serve(const struct options *o, int tell_fd)
{
    struct daemon d = {.end = PTHREAD_MUTEX_INITIALIZER};
    struct err err = {0};
    int r = daemon_start(&d, o, &err);

    if (r < 0) {
        tell_parent(tell_fd, err.msg[0] ? err.msg : "cannot mount");
        daemon_stop(&d, r);
        return 1;
    }
    (void)!chdir("/");
    log_info("mount", "mounted at %s", d.fs.mount_point);
    if (tell_fd >= 0) {
        leave_terminal();
        tell_parent(tell_fd, "");
    } else {
        fprintf(stderr, "runfs: mounted at %s; Ctrl-C unmounts\n", d.fs.mount_point);
    }
    set_serving(&d, d.mounted);
    r = mounted_serve(d.mounted);
    log_info("mount", "unmounting %s", d.fs.mount_point);
    daemon_stop(&d, r);
    return r < 0;
}

/* Jobs' uploads and everybody's connections are descriptors of this one process. What a shell leaves a
 * program at first is a caution for those that use select(2). */
static void take_descriptors(void)
{
    enum { ENOUGH = 65536 };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= ENOUGH)
        return;
    files.rlim_cur = files.rlim_max < ENOUGH ? files.rlim_max : ENOUGH;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

/* The child serves; this one waits until it says that the mount works. */
static int serve_behind(const struct options *o)
{
    _buf_ struct buf msg = BUF_INIT;
    int fds[2], status;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        perror("runfs mount");
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        setsid();
        exit(serve(o, fds[1]));
    }
    close(fds[1]);
    if (pid < 0) {
        perror("runfs mount");
        close(fds[0]);
        return 1;
    }
    (void)read_fd(fds[0], 65536, &msg);
    close(fds[0]);
    if (msg.len) {
        fprintf(stderr, "runfs mount: %s\n", msg.ptr);
        waitpid(pid, &status, 0);
        return 1;
    }
    if (waitpid(pid, &status, WNOHANG) == pid) {
        fprintf(stderr, "runfs mount: the daemon ended unexpectedly; its log is in the state directory\n");
        return 1;
    }
    return 0;
}

int cmd_mount(int argc, char **argv)
{
    struct options o;
    int r = parse(argc, argv, &o);

    if (r == 1)
        return fputs(help, stdout), 0;
    if (r != 0)
        return r;
    take_descriptors();
    return o.foreground ? serve(&o, -1) : serve_behind(&o);
}
