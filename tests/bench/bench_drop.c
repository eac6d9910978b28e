/*
 * From the close of a dropped one-step file to its readable exit_code, and many at once.
 * usage: bench_drop MOUNT latency N LABEL | bench_drop MOUNT queue N LABEL | bench_drop - spawn N
 */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "runfs/io.h"
#include "runfs/str.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void drop(const char *mount, int n, const char *label)
{
    char path[4096], text[512];

    snprintf(path, sizeof(path), "%s/workflows/bench-%d.yml", mount, n);
    int len = snprintf(text, sizeof(text),
                       "on: push\njobs:\n  a:\n    runs-on: %s\n    steps:\n      - run: 'true'\n", label);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, (size_t)len) != len || close(fd) < 0) {
        perror(path);
        exit(1);
    }
}

static void read_whole(const char *path, struct buf *ret)
{
    struct err err = {0};

    buf_reset(ret);
    if (read_file(path, 65536, ret, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
}

/* Blocks on `wait`, then reads the exit code, as a script would. */
static double one_latency(const char *mount, int n, const char *label)
{
    _buf_ struct buf text = BUF_INIT;
    char path[4096];

    drop(mount, n, label);
    int64_t closed = mono_ns();
    snprintf(path, sizeof(path), "%s/runs/latest/wait", mount);
    read_whole(path, &text);
    snprintf(path, sizeof(path), "%s/runs/latest/exit_code", mount);
    read_whole(path, &text);
    int64_t done = mono_ns();
    if (!str_eq(buf_str(&text), "0\n")) {
        fprintf(stderr, "the run failed: exit_code '%s'\n", buf_str(&text));
        exit(1);
    }
    return (double)(done - closed) / 1e6;
}

static double one_spawn(void)
{
    char *argv[] = {(char[]){"bash"}, (char[]){"-c"}, (char[]){":"}, NULL};
    int64_t start = mono_ns();
    pid_t pid;

    if (posix_spawnp(&pid, "bash", NULL, NULL, argv, environ) != 0)
        exit(1);
    waitpid(pid, NULL, 0);
    return (double)(mono_ns() - start) / 1e6;
}

static void report(double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof(*ms), by_value);
    printf("median %.2f ms  p95 %.2f ms\n", ms[n / 2], ms[n * 95 / 100]);
}

static void queue(const char *mount, int n, const char *label)
{
    _buf_ struct buf text = BUF_INIT;
    char path[4096];

    int64_t start = mono_ns();
    for (int i = 0; i < n; i++)
        drop(mount, i, label);
    int64_t dropped = mono_ns();
    snprintf(path, sizeof(path), "%s/runs/latest/wait", mount);
    read_whole(path, &text);
    snprintf(path, sizeof(path), "%s/status", mount);
    do
        read_whole(path, &text);
    while (!strstr(buf_str(&text), "active_runs: 0\n"));
    int64_t done = mono_ns();
    printf("%d runs: %.0f runs/s from the first drop, %.0f drops/s\n", n, n / ((double)(done - start) / 1e9),
           n / ((double)(dropped - start) / 1e9));
}

int main(int argc, char **argv)
{
    int n = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;

    if (n < 1 || n > 100000 || argc < 4)
        return 2;
    if (str_eq(argv[2], "queue")) {
        queue(argv[1], n, argv[4]);
        return 0;
    }
    double *ms = calloc((size_t)n, sizeof(*ms));
    for (int i = 0; ms && i < n; i++)
        ms[i] = str_eq(argv[2], "spawn") ? one_spawn() : one_latency(argv[1], i, argv[4]);
    if (ms)
        report(ms, n);
    free(ms);
    return 0;
}
