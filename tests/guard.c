/*
 * Runs one test under a time limit and leaves nothing of it behind. Usage: guard SECONDS PROGRAM
 * [ARGUMENT...]
 *
 * Whatever the program starts stays in this process's tree, daemons too (it is their reaper), so that what
 * still runs once the program has ended is known without guessing by name: it is told, killed, and is a
 * failure. Exit code: the program's; 124 after the time limit, 125 when something was left running. The
 * processor time of all of them, in seconds, goes to the file that GUARD_TIME names.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_TIME = 124, EXIT_LEFT = 125, PROCESSES = 4096, GRACE_MS = 15000, SETTLE_MS = 5000, LOOK_MS = 20 };

static bool asked; /* to end */
static sigset_t heard;

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Until a child has ended, somebody asks this process to end, or so much time has gone by. */
static void await(long long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    int sig = ms > 0 ? sigtimedwait(&heard, NULL, &t) : 0;

    asked = asked || sig == SIGINT || sig == SIGTERM;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    int parent = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *end = strrchr(text, ')');
    char state;
    if (!end || sscanf(end + 1, " %c %d", &state, &parent) != 2 || state == 'Z')
        return 0;
    return parent;
}

/* Every living process below this one. */
static size_t descendants(pid_t *found, size_t max)
{
    static pid_t pids[PROCESSES], parents[PROCESSES];
    size_t n = 0, got = 0;
    DIR *dir = opendir("/proc");

    for (struct dirent *e; dir && (e = readdir(dir)) && n < PROCESSES;) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid > 0 && (parents[n] = parent_of(pid)) > 0)
            pids[n++] = pid;
    }
    if (dir)
        closedir(dir);
    for (size_t done = 0, from = 0; got < max; done = from) {
        from = got;
        for (size_t i = 0; i < n && got < max; i++) {
            bool child = done == 0 && from == 0 && parents[i] == getpid();
            for (size_t k = done; k < from && !child; k++)
                child = parents[i] == found[k];
            if (child)
                found[got++] = pids[i];
        }
        if (got == from)
            break;
    }
    return got;
}

static void tell(pid_t pid)
{
    char path[64], text[256];

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    fprintf(stderr, "guard: left running: %d %.*s\n", (int)pid, (int)(n > 0 ? n : 0), text);
}

static void reap(pid_t main_pid, int *status, bool *ended)
{
    int s;
    pid_t pid;

    while ((pid = waitpid(-1, &s, WNOHANG)) > 0)
        if (pid == main_pid) {
            *status = s;
            *ended = true;
        }
}

/* Gives what is left a moment to end by itself, then kills it. Whether anything had to be killed. */
static bool clear(bool quiet)
{
    static pid_t left[PROCESSES];
    long long until = now_ms() + (quiet ? 0 : SETTLE_MS);
    int status;
    bool ended, killed = false;
    size_t n;

    while ((n = descendants(left, PROCESSES)) > 0) {
        if (now_ms() >= until) {
            for (size_t i = 0; i < n; i++) {
                if (!killed && !quiet)
                    tell(left[i]);
                kill(left[i], SIGKILL);
            }
            killed = true;
        }
        await(LOOK_MS);
        reap(0, &status, &ended);
    }
    return killed;
}

static void write_time(const char *path)
{
    struct rusage used;
    FILE *file = path ? fopen(path, "we") : NULL;

    if (!file)
        return;
    getrusage(RUSAGE_CHILDREN, &used);
    fprintf(file, "%.2f\n",
            (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    fclose(file);
}

int main(int argc, char **argv)
{
    const char *time_to = getenv("GUARD_TIME");
    int status = 0;
    bool ended = false, late = false;

    if (argc < 3) {
        fprintf(stderr, "usage: guard SECONDS PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    long long deadline = now_ms() + strtol(argv[1], NULL, 10) * 1000;
    sigset_t before;
    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    sigaddset(&heard, SIGINT);
    sigaddset(&heard, SIGTERM);
    signal(SIGCHLD, SIG_DFL); /* what is ignored is not heard */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_BLOCK, &heard, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = fork();
    if (pid == 0) {
        unsetenv("GUARD_TIME");
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[2], argv + 2);
        fprintf(stderr, "guard: cannot run %s: %m\n", argv[2]);
        _exit(127);
    }
    setpgid(pid, pid);
    while (pid > 0 && !ended) {
        reap(pid, &status, &ended);
        if (!ended && !late && (asked || now_ms() > deadline)) {
            late = true;
            fprintf(stderr, "guard: %s after %s s\n", asked ? "asked to end" : "still running", argv[1]);
            kill(-pid, SIGTERM);
            deadline = now_ms() + GRACE_MS;
        }
        if (!ended && late && now_ms() > deadline) {
            kill(-pid, SIGKILL);
            deadline = now_ms() + SETTLE_MS;
        }
        if (!ended)
            await(deadline - now_ms() + 1);
    }
    bool left = clear(late);
    write_time(time_to);
    if (late)
        return EXIT_TIME;
    if (left)
        return EXIT_LEFT;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
