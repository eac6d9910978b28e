/* Child programs of the daemon itself. */
#include "runfs/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runfs/io.h"

void proc_result_release(struct proc_result *r)
{
    buf_release(&r->out);
    buf_release(&r->err);
}

static bool sets(const char *const set[], const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;

    for (; *set; set++)
        if (strncmp(*set, entry, name) == 0)
            return true;
    return false;
}

/* This process's environment with `set` in it; to be freed, the strings are borrowed. NULL: no memory. */
static const char **environment(const char *const set[])
{
    size_t n = 0, more = 0, at = 0;

    while (environ[n])
        n++;
    while (set[more])
        more++;
    const char **env = malloc((n + more + 1) * sizeof(*env));
    for (size_t i = 0; env && i < n; i++)
        if (!sets(set, environ[i]))
            env[at++] = environ[i];
    for (size_t i = 0; env && i <= more; i++)
        env[at++] = set[i];
    return env;
}

int proc_spawn(pid_t *ret, const char *program, const posix_spawn_file_actions_t *fa,
               const char *const argv[], const char *const env[])
{
    posix_spawnattr_t attr;
    sigset_t none, all;

    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    int r = posix_spawnp(ret, program, fa, &attr, (char *const *)argv, (char *const *)env);
    posix_spawnattr_destroy(&attr);
    return -r;
}

static int start(const char *const argv[], const char *const set[], const char *cwd, int out, int err_fd,
                 pid_t *ret)
{
    _free_ const char **env = environment(set);
    posix_spawn_file_actions_t fa;

    if (!env)
        return -ENOMEM;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, out, 1);
    posix_spawn_file_actions_adddup2(&fa, err_fd, 2);
    if (cwd)
        posix_spawn_file_actions_addchdir_np(&fa, cwd);
    int r = proc_spawn(ret, argv[0], &fa, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    return r;
}

/* Reads what a stream has now; closes it at its end. Bytes beyond max are read and dropped. */
static void proc_drain(struct pollfd *p, struct buf *to, size_t max)
{
    char chunk[16384];
    ssize_t n = read(p->fd, chunk, sizeof(chunk));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        close(p->fd);
        p->fd = -1;
        return;
    }
    size_t room = to->len < max ? max - to->len : 0;
    buf_add(to, chunk, (size_t)n < room ? (size_t)n : room);
}

static _Thread_local struct {
    proc_unwanted_fn *fn;
    void *data;
} until, also;

enum { LOOK_MS = 100 };

void proc_until(proc_unwanted_fn *fn, void *data)
{
    until.fn = fn;
    until.data = data;
}

void proc_until_also(proc_unwanted_fn *fn, void *data)
{
    also.fn = fn;
    also.data = data;
}

bool proc_unwanted(void)
{
    return (until.fn && until.fn(until.data)) || (also.fn && also.fn(also.data));
}

int proc_run(const char *const argv[], const char *cwd, size_t max_output, int timeout_ms,
             struct proc_result *ret, struct err *err)
{
    static const char *const none[] = {NULL};

    return proc_run_set(argv, none, cwd, max_output, timeout_ms, ret, err);
}

int proc_run_set(const char *const argv[], const char *const set[], const char *cwd, size_t max_output,
                 int timeout_ms, struct proc_result *ret, struct err *err)
{
    int64_t deadline = timeout_ms ? mono_ns() + timeout_ms * 1000000LL : 0;
    bool timed_out = false, unwanted = proc_unwanted();
    int out[2], errs[2], status;
    pid_t pid;

    *ret = (struct proc_result){0};
    if (unwanted)
        return err_set(err, -ECANCELED, "The operation was canceled.");
    if (pipe2(out, O_CLOEXEC) < 0)
        return err_errno(err, -errno, "cannot start %s", argv[0]);
    if (pipe2(errs, O_CLOEXEC) < 0) {
        int r = -errno;
        close(out[0]);
        close(out[1]);
        return err_errno(err, r, "cannot start %s", argv[0]);
    }
    int r = start(argv, set, cwd, out[1], errs[1], &pid);
    close(out[1]);
    close(errs[1]);
    if (r < 0) {
        close(out[0]);
        close(errs[0]);
        return err_errno(err, r, "cannot start %s", argv[0]);
    }
    struct pollfd p[2] = {{.fd = out[0], .events = POLLIN}, {.fd = errs[0], .events = POLLIN}};
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        int wait_ms = deadline ? (int)((deadline - mono_ns()) / 1000000LL) : -1;
        timed_out = deadline && wait_ms <= 0;
        unwanted = proc_unwanted();
        if (timed_out || unwanted) {
            kill(-pid, SIGKILL);
            break;
        }
        if ((until.fn || also.fn) && (wait_ms < 0 || wait_ms > LOOK_MS))
            wait_ms = LOOK_MS;
        if (poll(p, 2, wait_ms) <= 0)
            continue;
        if (p[0].revents)
            proc_drain(&p[0], &ret->out, max_output);
        if (p[1].revents)
            proc_drain(&p[1], &ret->err, max_output);
    }
    for (int i = 0; i < 2; i++)
        if (p[i].fd >= 0)
            close(p[i].fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (unwanted)
        return err_set(err, -ECANCELED, "The operation was canceled.");
    if (timed_out)
        return err_set(err, -ETIMEDOUT, "%s did not end within %d ms and was killed", argv[0], timeout_ms);
    ret->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return buf_ok(&ret->out) && buf_ok(&ret->err) ? 0 : err_errno(err, -ENOMEM, "output of %s", argv[0]);
}

int proc_find(const char *program, struct buf *ret)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        const char *end = strchrnul(path, ':');
        _buf_ struct buf file = BUF_INIT;
        struct stat st;
        buf_addf(&file, "%.*s/%s", (int)(end - path), path, program);
        if (buf_ok(&file) && stat(file.ptr, &st) == 0 && S_ISREG(st.st_mode) && access(file.ptr, X_OK) == 0) {
            buf_adds(ret, file.ptr);
            return buf_ok(ret) ? 0 : -ENOMEM;
        }
        path = *end ? end + 1 : end;
    }
    return -ENOENT;
}

bool proc_in_path(const char *program)
{
    _buf_ struct buf path = BUF_INIT;

    return proc_find(program, &path) == 0;
}

pid_t pidfd_pid(int pidfd)
{
    _buf_ struct buf text = BUF_INIT;
    char path[64];
    int pid = 0;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    if (pidfd < 0 || read_file(path, 4096, &text, NULL) < 0)
        return 0;
    const char *line = strstr(buf_str(&text), "\nPid:");
    return line && sscanf(line, "\nPid: %d", &pid) == 1 && pid > 0 ? pid : 0;
}

void pidfd_kill(int pidfd)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0 || errno != ENOSYS)
        return;
    pid_t pid = pidfd_pid(pidfd); /* valgrind, and filters of system calls, know it only by its number */
    if (pid)
        kill(pid, SIGKILL);
}
