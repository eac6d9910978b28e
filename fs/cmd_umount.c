/* runfs umount: unmounts, and waits for the daemon, so that what comes next finds its state free. */
#include <getopt.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs umount DIRECTORY\n"
    "\n"
    "Unmounts a runner; running jobs are cancelled. Returns when its daemon has ended.\n"
    "\n"
    "exit status: 0 unmounted, 1 it could not be, 2 usage\n";

enum { END_MS = 30000, LOOK_MS = 200, BUSY_MS = 1000, AGAIN_MS = 20 };

/* A descriptor that becomes readable when the daemon of that mount ends; -1 when it cannot be told. */
static int daemon_pidfd(const char *directory)
{
    _buf_ struct buf path = BUF_INIT, status = BUF_INIT;

    buf_addf(&path, "%s/status", directory);
    if (read_file(buf_str(&path), 65536, &status, NULL) < 0)
        return -1;
    const char *line = strstr(buf_str(&status), "\npid: ");
    long pid = line ? strtol(line + 6, NULL, 10) : 0;
    return pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
}

/* Returns 0 or an errno; what fusermount3 said is in `said`. Only root may call umount(2); others have
 * fusermount3 for it. */
static int unmount_once(const char *directory, struct buf *said)
{
    const char *const argv[] = {"env", "LC_ALL=C", "fusermount3", "-u", directory, NULL};
    _proc_result_ struct proc_result out = {0};
    struct err err = {0};

    if (umount2(directory, UMOUNT_NOFOLLOW) == 0)
        return 0;
    int saved = errno;
    if (saved != EPERM || proc_run(argv, NULL, 4096, 10000, &out, &err) < 0)
        return saved;
    if (out.exit_code == 0)
        return 0;
    buf_reset(said);
    buf_adds(said, buf_str(&out.err));
    return strstr(buf_str(said), strerrordesc_np(EBUSY)) ? EBUSY : saved;
}

/* Whoever looks at every mount (df, fuser) has this one in use for a moment: that is waited for. */
static int unmount(const char *directory)
{
    _buf_ struct buf said = BUF_INIT;
    int64_t end = mono_ns() + BUSY_MS * 1000000LL;
    int r;

    while ((r = unmount_once(directory, &said)) == EBUSY && mono_ns() < end)
        poll(NULL, 0, AGAIN_MS);
    if (r == 0)
        return 0;
    if (r == EBUSY)
        fprintf(stderr,
                "runfs umount: %s is in use: a shell or a program has its directory or a file there "
                "(`fuser -vm %s` says which)\n",
                directory, directory);
    else if (said.len)
        fprintf(stderr, "runfs umount: %s", buf_str(&said));
    else
        fprintf(stderr, "runfs umount: %s: %s\n", directory,
                r == EINVAL ? "nothing is mounted there" : strerrordesc_np(r));
    return -1;
}

/* It has ended but for a thread that a file system does not answer: nothing can end that. */
static bool is_dead(pid_t pid)
{
    _buf_ struct buf path = BUF_INIT, stat = BUF_INIT;

    buf_addf(&path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || read_file(buf_str(&path), 4096, &stat, NULL) < 0)
        return false;
    const char *state = strrchr(buf_str(&stat), ')');
    return state && state[1] && state[2] == 'Z';
}

static bool wait_for_end(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t end = mono_ns() + END_MS * 1000000LL;

    while (pidfd >= 0 && poll(&p, 1, LOOK_MS) == 0 && !is_dead(pidfd_pid(pidfd)))
        if (mono_ns() > end)
            return false;
    return true;
}

int cmd_umount(int argc, char **argv)
{
    int r = only_operands(argc, argv, help);

    if (r >= 0 || optind != argc - 1)
        return r >= 0 ? r : usage_wrong(help, "say which DIRECTORY");
    const char *directory = argv[optind];
    _close_ int pidfd = daemon_pidfd(directory);
    if (unmount(directory) < 0)
        return 1;
    if (!wait_for_end(pidfd)) {
        fprintf(stderr, "runfs umount: %s is unmounted, but its daemon has not ended yet\n", directory);
        return 1;
    }
    return 0;
}
