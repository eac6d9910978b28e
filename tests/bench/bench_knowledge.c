/*
 * What recording a step's commands costs as they become a million, and what reading them costs then.
 * usage: bench_knowledge STATE [COMMANDS]
 */
#include <sqlite3.h>

#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/str.h"

enum { TOOLS = 500, STEPS_IN_JOB = 5 };

/* A step of three commands out of TOOLS, each with its own arguments. */
static void one_step(struct store *st, struct learn_job *job, int64_t n)
{
    char script[256];
    struct err err = {0};

    snprintf(script, sizeof(script), "set -e\nmake target-%d\n%s tool-%d --release\n%s task-%d -- -v\n",
             (int)(n * 7919 % TOOLS), n % 2 ? "cargo" : "mkdir", (int)(n * 104729 % TOOLS),
             n % 2 ? "npm run" : "echo", (int)(n % TOOLS));
    struct learn_step step = {.run_id = 1 + n / 10,
                              .job_id = 1 + n / STEPS_IN_JOB,
                              .step_id = 1 + n,
                              .workflow_id = 1 + n % 7,
                              .job_key = "build",
                              .number = 1 + (int)(n % STEPS_IN_JOB),
                              .failure = "src/main.c:12:5: error: expected ';' before 'return'",
                              .outcome = n % 11 ? "success" : "failure",
                              .exit_code = n % 11 ? 0 : 2,
                              .started_at = 1000000000LL * n + 1,
                              .completed_at = 1000000000LL * n + 1 + 1000000LL * (n % 3000),
                              .script = script,
                              .shell = "",
                              .env = "",
                              .uses = ""};
    if (n % STEPS_IN_JOB == 0)
        *job = (struct learn_job){0};
    if (learn_step(st, job, &step, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
}

/* Microseconds each command: as they passed, and of the processor, which other work on the machine does not
 * change. */
struct figure {
    double wall, cpu;
};

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* In groups of one step, as a job's thread writes them; what the commit of the step itself costs is not
 * learning's, so many share one. */
static struct figure record(struct store *st, int64_t from, int64_t steps)
{
    struct learn_job job = {0};
    int64_t start = mono_ns();
    double cpu = cpu_us(), commands = (double)steps * 3;

    for (int64_t n = from; n < from + steps;) {
        store_begin(st);
        for (int k = 0; k < 100 && n < from + steps; k++)
            one_step(st, &job, n++);
        if (store_commit(st, NULL) < 0)
            exit(1);
    }
    return (struct figure){(double)(mono_ns() - start) / 1e3 / commands, (cpu_us() - cpu) / commands};
}

/* The yardstick: one plain row each into a table with a key, by SQLite itself. */
static double plain(const char *state, int64_t rows)
{
    _buf_ struct buf path = BUF_INIT;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    buf_addf(&path, "%s/plain.db", state);
    if (sqlite3_open(buf_str(&path), &db) ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE t (a, b, c, d);"
                     "CREATE INDEX i ON t (a, b)",
                     NULL, NULL, NULL) ||
        sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?1, ?2, ?3, ?4)", -1, &stmt, NULL))
        exit(1);
    int64_t start = mono_ns();
    for (int64_t i = 0; i < rows; i++) {
        if (i % 300 == 0)
            sqlite3_exec(db, i ? "COMMIT; BEGIN" : "BEGIN", NULL, NULL, NULL);
        sqlite3_bind_int64(stmt, 1, i % TOOLS);
        for (int k = 2; k <= 4; k++)
            sqlite3_bind_int64(stmt, k, i);
        sqlite3_step(stmt);
        sqlite3_reset(stmt);
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    double us = (double)(mono_ns() - start) / 1e3 / (double)rows;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return us;
}

static double read_commands(const char *script)
{
    int64_t start = mono_ns();
    int rounds = 2000;

    for (int i = 0; i < rounds; i++) {
        _shell_script_ struct shell_script s = {0};
        if (shell_read(script, strlen(script), &s, NULL) < 0 || s.n == 0)
            exit(1);
    }
    return (double)(mono_ns() - start) / 1e3 / rounds;
}

int main(int argc, char **argv)
{
    int64_t commands = argc > 2 ? strtoll(argv[2], NULL, 10) : 1000000, steps = commands / 3;
    struct err err = {0};
    struct store *st;

    if (argc < 2 || steps < 100 || store_open(argv[1], &st, &err) < 0) {
        fprintf(stderr, "usage: bench_knowledge STATE [COMMANDS] %s\n", err.msg);
        return 2;
    }
    struct figure first = record(st, 0, steps / 10);
    struct figure middle = record(st, steps / 10, steps - steps / 10 * 2);
    struct figure last = record(st, steps - steps / 10, steps / 10);
    printf("recording %lld commands, microseconds each (of them the processor's): first tenth %.1f (%.1f), "
           "then %.1f "
           "(%.1f), last tenth %.1f (%.1f)\n",
           (long long)commands, first.wall, first.cpu, middle.wall, middle.cpu, last.wall, last.cpu);
    printf("yardstick, a plain indexed row each: %.1f\n", plain(argv[1], commands / 10));
    printf("reading a script of 4 lines: %.1f microseconds\n",
           read_commands("set -e\nmake target\ncargo tool --release\nnpm run task -- -v\n"));
    store_close(st);
    return 0;
}
