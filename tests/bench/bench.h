/* What the benches of machines share. Whatever goes wrong ends the program with a line that says so. */
#ifndef RUNFS_BENCH_H
#define RUNFS_BENCH_H

#include <stdio.h>
#include <stdlib.h>

#include "runfs/io.h"
#include "runfs/machine.h"

static const char *const bench_env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};

static inline void die(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err ? err->msg : "failed");
    exit(1);
}

static inline struct machine *new_machine(struct machines *all, const struct machine_spec *spec)
{
    struct machine *m;
    struct err err = {0};

    if (machine_acquire(all, spec, &m, &err) < 0)
        die("acquire", &err);
    return m;
}

static inline int bench_count(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    (void)stream;
    (void)bytes;
    *(uint64_t *)data += len;
    return 0;
}

/* Runs a command that has to succeed; bytes: what it prints is added up there, NULL: not. */
static inline void bench_run(struct machine *m, const char *const *argv, const char *cwd, uint64_t *bytes)
{
    struct machine_exec x = {
        .argv = argv, .env = bench_env, .cwd = cwd, .output = bytes ? bench_count : NULL, .data = bytes};
    struct machine_result r = {0};
    struct err err = {0};

    if (machine_exec(m, &x, &r, &err) < 0)
        die("exec", &err);
    if (r.exit_code)
        die(argv[0], &(struct err){.msg = "exit code is not 0"});
    machine_result_release(&r);
}

static inline int bench_compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The median and the 95th of 100, in nanoseconds; sorts them. */
static inline void report(const char *what, int64_t *ns, size_t n)
{
    qsort(ns, n, sizeof(*ns), bench_compare);
    printf("%-52s median %8.3f ms   p95 %8.3f ms\n", what, (double)ns[n / 2] / 1e6,
           (double)ns[n * 95 / 100] / 1e6);
}

#endif
