/* runfs worker: one job for a runner elsewhere; its spec comes on standard input, its events go to standard
 * output. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/oci.h"
#include "runfs/str.h"
#include "runfs/worker.h"

static const char help[] =
    "usage: runfs worker [--machine LABEL] [--state DIR]\n"
    "\n"
    "Runs one job for a runner elsewhere, in a machine of this host. The job's spec is a line of JSON on\n"
    "standard input; what happens goes to standard output, a line of JSON for each event; what the job needs "
    "from\n"
    "outside (checkouts, actions, artifacts, caches) it asks for in the same way. A label that is\n"
    "`worker:ssh HOST runfs worker` starts it (docs/worker.md).\n"
    "\n"
    "      --machine LABEL   what the job gets, as in config/labels: 'sandbox memory=2G network=none' "
    "(default: sandbox)\n"
    "      --state DIR       where machines have their files meanwhile, and images of containers stay "
    "(default: $XDG_STATE_HOME/runfs/worker)\n"
    "      --registry HOST:PORT  a registry of images that a job may name though it is on this host; several "
    "by "
    "blanks\n"
    "      --container-pull WHEN  whether a registry is asked about an image that is here: always, or "
    "missing: it "
    "is not (default: always)\n"
    "      --container-size-mib N  what all images of containers may take together (default: 51200)\n"
    "\n"
    "SIGINT, SIGTERM and SIGHUP cancel the job as a person would; SIGINT after that kills it. Where the spec "
    "says that who\n"
    "started it stays, its end, or a minute without a word of it, ends the job, and nothing of it is left.\n"
    "exit status: 0 the job succeeded, else its first failing step's exit code; 130 it was cancelled, 65 the "
    "spec\n"
    "is in error or no such machine is to be had, 2 usage, 1 who started it is gone, or anything else\n";

enum { EXIT_TROUBLE = 1, IMAGES_MIB = 51200 };

struct options {
    const char *machine, *state, *registries;
    const char *pull, *size; /* as they were said; NULL: as usual */
    bool settled;
    uint64_t size_mib;
};

static int interrupts = -1;

/* A person insists with Ctrl-C. What else says that it is to end may say so several times and mean it once:
 * Slurm does, and ssh when its connection breaks. */
static void on_interrupt(int signal)
{
    static atomic_flag asked = ATOMIC_FLAG_INIT; /* signals come to several threads at once */
    int saved = errno;
    uint64_t one = 1;

    bool again = atomic_flag_test_and_set(&asked);
    if (signal == SIGINT || !again)
        (void)!write(interrupts, &one, sizeof(one));
    errno = saved;
}

/* What is said of containers. The first that is wrong is said. */
static int check(struct options *o, struct err *err)
{
    if (o->size && (parse_u64(o->size, &o->size_mib) < 0 || !o->size_mib || o->size_mib > 1 << 30))
        return err_set(err, -EINVAL, "--container-size-mib is a whole number from 1 to %d", 1 << 30);
    if (o->pull && !str_eq(o->pull, "always") && !str_eq(o->pull, "missing"))
        return err_set(err, -EINVAL, "--container-pull is always or missing");
    o->settled = o->pull && str_eq(o->pull, "missing");
    if (o->registries && oci_registries_check(o->registries, err) < 0)
        return err_set(err, -EINVAL, "--registry is HOST or HOST:PORT, or several, as in localhost:5000");
    return 0;
}

/* 0: go on; 1: help was asked for; 2: wrong usage, which was said. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"machine", required_argument, NULL, 'm'},
                                          {"state", required_argument, NULL, 's'},
                                          {"registry", required_argument, NULL, 'r'},
                                          {"container-pull", required_argument, NULL, 'p'},
                                          {"container-size-mib", required_argument, NULL, 'z'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct err err = {0};
    int c;

    *o = (struct options){.machine = "sandbox", .size_mib = IMAGES_MIB};
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == 'h')
            return 1;
        if (c == '?' || c == ':')
            return usage_wrong(help, NULL);
        *(c == 'm'   ? &o->machine
          : c == 's' ? &o->state
          : c == 'r' ? &o->registries
          : c == 'p' ? &o->pull
                     : &o->size) = optarg;
    }
    if (optind < argc)
        return usage_wrong(help, "it takes no arguments");
    return check(o, &err) < 0 ? usage_wrong(help, err.msg) : 0;
}

/* ------------------------------------------------------------------------------- a directory for this worker
 */

/* What workers that were killed left behind: those whose lock nobody holds. With the lock of base held. */
static void sweep(const char *base)
{
    DIR *dir = opendir(base);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        _buf_ struct buf path = BUF_INIT, lock = BUF_INIT;
        if (!str_starts(e->d_name, "job-"))
            continue;
        buf_addf(&path, "%s/%s", base, e->d_name);
        buf_addf(&lock, "%s/lock", buf_str(&path));
        _close_ int fd = open(buf_str(&lock), O_RDONLY | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)remove_tree(buf_str(&path));
    }
    if (dir)
        closedir(dir);
}

/* A new one, and the descriptor by which it is held. Others may pass through it, as a machine's root user is
 * one of them. */
static int make_place(const char *base, struct buf *ret, int *ret_lock, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/lock", base);
    _close_ int all = open(buf_str(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (all < 0 || flock(all, LOCK_EX) < 0)
        return err_errno(err, -errno, "%s", buf_str(&path));
    sweep(base);
    buf_addf(ret, "%s/job-%d-XXXXXX", base, (int)getpid());
    if (!buf_ok(ret) || !mkdtemp(ret->ptr) || chmod(ret->ptr, 0711) < 0)
        return err_errno(err, buf_ok(ret) ? -errno : -ENOMEM, "no directory can be made in %s", base);
    buf_reset(&path);
    buf_addf(&path, "%s/lock", ret->ptr);
    _close_ int fd = open(buf_str(&path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_errno(err, -errno, "%s", buf_str(&path));
    *ret_lock = TAKE_FD(fd);
    return 0;
}

/* -------------------------------------------------------------------------------------------------- the job
 */

static int serve(const struct machine_label *label, const struct options *o, const char *base,
                 const char *dir, int out, struct err *err)
{
    const char *hidden[] = {base, NULL};
    struct worker_opts opts = {.label = label,
                               .dir = dir,
                               .images = base,
                               .registries = o->registries,
                               .settled = o->settled,
                               .images_most = (int64_t)o->size_mib << 20,
                               .in = STDIN_FILENO,
                               .out = out,
                               .interrupts = interrupts};
    const struct machines_opts machines = {.state_dir = dir, .images = base, .hidden = hidden};
    int r = machines_new(&machines, &opts.machines, err);

    if (r < 0)
        return EXIT_TROUBLE;
    r = worker_serve(&opts, err);
    machines_free(opts.machines);
    return r;
}

static int run(const struct machine_label *label, const struct options *o, struct err *err)
{
    _free_ char *state = o->state ? NULL : state_directory(NULL);
    _buf_ struct buf wanted = BUF_INIT, dir = BUF_INIT;
    _close_ int lock = -1, out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

    /* whatever else this process or a program of it prints is none of the job's events */
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        err_errno(err, -errno, "standard output");
        return EXIT_TROUBLE;
    }
    if (o->state)
        buf_adds(&wanted, o->state);
    else
        buf_addf(&wanted, "%s/worker", state ? state : "");
    int code = EXIT_TROUBLE, r = make_dirs(buf_str(&wanted), 0711);
    _free_ char *base = r == 0 ? realpath(buf_str(&wanted), NULL) : NULL;
    if (!base)
        err_errno(err, r < 0 ? r : -errno, "%s", buf_str(&wanted));
    else if (make_place(base, &dir, &lock, err) == 0)
        code = serve(label, o, base, buf_str(&dir), out, err);
    if (dir.len)
        (void)remove_tree(buf_str(&dir));
    return code;
}

int cmd_worker(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    _machine_label_ struct machine_label label = {0};
    struct options o;
    struct err err = {0};
    int r = parse(argc, argv, &o);

    if (r)
        return r == 1 ? (fputs(help, stdout), 0) : r;
    if (machine_label_parse(o.machine, &label, &err) < 0) {
        fprintf(stderr, "runfs worker: --machine: %s\n", err.msg);
        return 2;
    }
    interrupts = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    r = run(&label, &o, &err);
    if (err.code)
        fprintf(stderr, "runfs worker: %s\n", err.msg);
    return r;
}
