/*
 * What machines cost that are snapshotted, warm, many or full of processes, each figure beside its yardstick.
 * Usage: bench_snapshot AGENT DIRECTORY [FILES]   (50000 files in the workspace)
 */
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

enum { ROUNDS = 30, IDLE = 200 };

static struct machines *all;
static struct machine_spec spec = {
    .backend = "sandbox", .name = "bench", .workspace = "/home/runner/work/repo/repo", .run_id = 1};

static struct machine *acquire(void)
{
    return new_machine(all, &spec);
}

static void run(struct machine *m, const char *script)
{
    const char *const argv[] = {"bash", "-c", script, NULL};

    bench_run(m, argv, machine_paths(m)->workspace, NULL);
}

/* A host program's time, the best of a few. */
static void yardstick(const char *what, const char *script, int rounds)
{
    const char *const argv[] = {"bash", "-c", script, NULL};
    int64_t ns[ROUNDS];
    int status;
    pid_t pid;

    for (int i = 0; i < rounds; i++) {
        int64_t start = mono_ns();
        if (posix_spawnp(&pid, "bash", NULL, NULL, (char *const *)argv, (char *const *)bench_env) != 0 ||
            waitpid(pid, &status, 0) < 0 || status)
            die(script, NULL);
        ns[i] = mono_ns() - start;
    }
    report(what, ns, (size_t)rounds);
}

static int64_t snapshot(struct machine *m)
{
    struct err err = {0};
    int64_t id;

    if (machine_snapshot(m, &(struct snapshot_spec){0}, &id, &err) < 0)
        die("snapshot", &err);
    return id;
}

static void bench_snapshots(const char *dir, int files)
{
    int64_t taken[ROUNDS], back[ROUNDS], first[ROUNDS], id = 0;
    struct machine *m = acquire();
    char script[512];
    struct err err = {0};

    snprintf(script, sizeof(script),
             "for d in $(seq %d); do mkdir d$d; (cd d$d; for f in $(seq 100); do echo $f > f$f; done); done",
             files / 100);
    run(m, script);
    for (int i = 0; i < ROUNDS; i++) {
        run(m, i % 2 ? "echo more > more; find . > /dev/null" : "echo more > d1/f1");
        int64_t start = mono_ns();
        id = snapshot(m);
        taken[i] = mono_ns() - start;
        start = mono_ns();
        run(m, ":");
        first[i] = mono_ns() - start;
    }
    for (int i = 0; i < ROUNDS; i++) {
        run(m, i % 2 ? "rm -rf d2; find . > /dev/null" : "echo other > d1/f1");
        int64_t start = mono_ns();
        if (machine_rollback(m, id, &err) < 0)
            die("rollback", &err);
        back[i] = mono_ns() - start;
    }
    snprintf(script, sizeof(script), "snapshot, workspace of %d files", files);
    report(script, taken, ROUNDS);
    report("rollback", back, ROUNDS);
    report("the first bash -c : after a snapshot", first, ROUNDS);
    int64_t start = mono_ns();
    run(m, "mkdir all && mv d[0-9]* all");
    first[0] = mono_ns() - start;
    report("mv of all its directories, which lie in a layer", first, 1);
    machine_release(m);
    snprintf(
        script, sizeof(script),
        "cd %s && mkdir -p tree && cd tree && for d in $(seq %d); do mkdir -p d$d; (cd d$d; for f in $(seq "
        "100); do echo $f > f$f; done); done",
        dir, files / 100);
    yardstick("(making the yardstick's tree)", script, 1);
    snprintf(script, sizeof(script), "cd %s && rm -rf copy && cp -a --reflink=auto tree copy", dir);
    yardstick("yardstick: cp -a --reflink=auto of as many", script, 1);
}

static void bench_acquire(void)
{
    int64_t cold[ROUNDS], warm[ROUNDS];
    struct err err = {0};

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = mono_ns();
        struct machine *m = acquire();
        cold[i] = mono_ns() - start;
        machine_release(m);
        usleep(10000);
    }
    spec.label = "warm";
    if (machines_pool(all, "warm", &spec, 4, &err) < 0)
        die("pool", &err);
    for (int i = 0; i < ROUNDS; i++) {
        while (machines_warm(all, "warm") < 4)
            usleep(2000);
        usleep(20000);
        int64_t start = mono_ns();
        struct machine *m = acquire();
        warm[i] = mono_ns() - start;
        machine_release(m);
    }
    (void)machines_pool(all, "warm", &spec, 0, &err);
    spec.label = NULL;
    report("acquire, cold", cold, ROUNDS);
    report("acquire, warm", warm, ROUNDS);
    yardstick("yardstick: bash -c : by posix_spawn", ":", ROUNDS);
    if (access("/usr/bin/bwrap", X_OK) == 0)
        yardstick("yardstick: bash -c 'bwrap ... true'",
                  "exec bwrap --unshare-user --unshare-pid --ro-bind / / --dev /dev --proc /proc true",
                  ROUNDS);
}

static void bench_crowd(void)
{
    int64_t ns[10];

    for (size_t i = 0; i < ARRAY_LEN(ns); i++) {
        struct machine *m = acquire();
        run(m, "for i in $(seq 300); do setsid sleep 1000 >/dev/null 2>&1 & done; "
               "until [ $(pgrep -c sleep) = 300 ]; do :; done");
        int64_t start = mono_ns();
        machine_kill(m);
        run(m, "while pgrep sleep >/dev/null; do :; done");
        ns[i] = mono_ns() - start;
        machine_release(m);
    }
    report("kill of 300 processes, to a bash that sees none", ns, ARRAY_LEN(ns));
}

static int64_t rss_kb(void)
{
    _buf_ struct buf b = BUF_INIT;
    long long kb = 0;

    if (read_file("/proc/self/status", 65536, &b, NULL) == 0)
        sscanf(strstr(buf_str(&b), "VmRSS:"), "VmRSS: %lld", &kb);
    return kb;
}

static void bench_idle(void)
{
    struct machine *m[IDLE];
    int64_t before = rss_kb();

    for (int i = 0; i < IDLE; i++)
        m[i] = acquire();
    for (int i = 0; i < IDLE; i++)
        run(m[i], ":");
    printf("%-52s %lld KB each\n", "memory of this process with 200 idle sandboxes",
           (long long)(rss_kb() - before) / IDLE);
    for (int i = 0; i < IDLE; i++)
        machine_release(m[i]);
}

int main(int argc, char **argv)
{
    struct store *store;
    struct err err = {0};
    char state[4096];

    if (argc < 3) {
        fprintf(stderr, "usage: bench_snapshot AGENT DIRECTORY [FILES]\n");
        return 2;
    }
    snprintf(state, sizeof(state), "%s/state", argv[2]);
    if (store_open(state, &store, &err) < 0 ||
        machines_new(&(struct machines_opts){.state_dir = state, .agent = argv[1], .store = store}, &all,
                     &err) < 0)
        die("start", &err);
    (void)chmod(state, 0711);
    bench_acquire();
    bench_snapshots(argv[2], argc > 3 ? (int)strtol(argv[3], NULL, 10) : 50000);
    bench_crowd();
    bench_idle();
    machines_free(all);
    store_close(store);
    return 0;
}
