/*
 * GitHub's services for artifacts and caches without an engine, for the scenarios that speak to them:
 * `results STATE` obeys lines on its standard input and answers each with one line: `run` (its number), `open
 * RUN JOB REF BASE SECONDS [CACHE-MODE]` (the job's environment, JSON; BASE may be -; of modes it knows
 * `write-only`), `close JOB`, `put RUN NAME TAR` (an artifact's number), `memory` (peak of its own, KiB).
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "runfs/artifact.h"
#include "runfs/io.h"
#include "runfs/results.h"
#include "runfs/str.h"

static int64_t make_run(struct store *st)
{
    struct run_row row = {.attempt = 1,
                          .status = "completed",
                          .conclusion = "success",
                          .exit_code = 0,
                          .log_size = -1,
                          .created_at = now_ns(),
                          .completed_at = now_ns(),
                          .changed_at = now_ns()};

    return store_put_run(st, &row, NULL) == 0 ? row.id : -1;
}

static void open_job(struct results *r, const char *line)
{
    char ref[256], base[256], mode[16] = "";
    long long run, job, seconds;
    struct err err = {0};
    json_t *env = NULL;

    if (sscanf(line, "open %lld %lld %255s %255s %lld %15s", &run, &job, ref, base, &seconds, mode) < 5) {
        puts("usage");
        return;
    }
    struct service_job spec = {.run_id = run,
                               .job_id = job,
                               .attempt = 1,
                               .repository = "o/r",
                               .ref = ref,
                               .base_ref = str_eq(base, "-") ? "" : base,
                               .default_branch = "refs/heads/main",
                               .no_cache_reads = str_eq(mode, "write-only"),
                               .lifetime_s = seconds};
    if (results_job_open(r, &spec, &env, &err) < 0)
        printf("error: %s\n", err.msg);
    else
        json_dumpf(env, stdout, JSON_COMPACT);
    puts("");
    json_decref(env);
}

static void put_artifact(struct store *st, const char *line)
{
    char name[256], path[512];
    struct err err = {0};
    long long run;
    int64_t id;

    if (sscanf(line, "put %lld %255s %511s", &run, name, path) != 3) {
        puts("usage");
        return;
    }
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct artifact_spec spec = {.run_id = run, .attempt = 1, .name = name};
    if (artifact_put_tar(st, &spec, fd, &id, &err) < 0)
        printf("error: %s\n", err.msg);
    else
        printf("%lld\n", (long long)id);
}

int main(int argc, char **argv)
{
    struct results *r = NULL;
    struct store *st = NULL;
    struct err err = {0};
    char line[1024];
    long long job;

    signal(SIGPIPE, SIG_IGN);
    if (argc != 2 || store_open(argv[1], &st, &err) < 0 || results_new(st, &r, &err) < 0) {
        fprintf(stderr, "results: %s\n", argc == 2 ? err.msg : "usage: results STATE");
        return 1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        struct rusage usage;
        if (str_eq(line, "run\n")) {
            printf("%lld\n", (long long)make_run(st));
        } else if (str_starts(line, "open ")) {
            open_job(r, line);
        } else if (sscanf(line, "close %lld", &job) == 1) {
            results_job_close(r, job);
            puts("closed");
        } else if (str_starts(line, "put ")) {
            put_artifact(st, line);
        } else if (str_eq(line, "memory\n") && getrusage(RUSAGE_SELF, &usage) == 0) {
            printf("%ld\n", usage.ru_maxrss);
        } else {
            puts("what?");
        }
        fflush(stdout);
    }
    results_free(r);
    store_close(st);
    return 0;
}
