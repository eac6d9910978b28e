/* How long machines take that are not of this host's kernel. Usage: bench_elsewhere AGENT STATE LABEL ROUNDS
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"
#include "core/machine/machine_internal.h"
#include "runfs/store.h"
#include "runfs/str.h"

enum { ROUNDS_MAX = 200, TREE_MB = 100, CROWD = 8, REST_MS = 1000 };

static struct machines *all;
static struct machine_label label;

static struct machine *acquire(void)
{
    const struct machine_spec spec = {.backend = label.backend,
                                      .image = label.image,
                                      .name = "runner",
                                      .workspace = "/home/runner/work/repo/repo",
                                      .network = label.network,
                                      .limits = label.limits};

    return new_machine(all, &spec);
}

/* rest: so long between one and the next, in which what is started ahead is. */
static void bench_life(size_t rounds, int rest_ms)
{
    static const char *const argv[] = {"true", NULL};
    int64_t get[ROUNDS_MAX], first[ROUNDS_MAX], release[ROUNDS_MAX];

    printf("-- %s\n", rest_ms ? "one now and then" : "one after the other");
    for (size_t i = 0; i < rounds; i++) {
        usleep((useconds_t)rest_ms * 1000);
        int64_t start = mono_ns();
        struct machine *m = acquire();
        get[i] = mono_ns() - start;
        bench_run(m, argv, "/", NULL);
        first[i] = mono_ns() - start;
        start = mono_ns();
        machine_release(m);
        release[i] = mono_ns() - start;
    }
    report("acquire", get, rounds);
    report("acquire, and a first command has ended", first, rounds);
    report("release", release, rounds);
}

/* A request that starts nothing: to the agent and back. */
static void bench_round_trip(struct machine *m)
{
    int64_t ns[ROUNDS_MAX];

    for (size_t i = 0; i < ARRAY_LEN(ns); i++) {
        struct err err = {0};
        int64_t start = mono_ns();
        if (agent_client_make_dirs(&m->client, "/", &err) < 0)
            die("round trip", &err);
        ns[i] = mono_ns() - start;
    }
    report("round trip: a directory that is there", ns, ARRAY_LEN(ns));
}

static void bench_steps(struct machine *m)
{
    static const char *const true_argv[] = {"true", NULL}, *const bash_argv[] = {"bash", "-c", ":", NULL},
                             *const none[] = {"/none", NULL};
    static const struct {
        const char *what;
        const char *const *argv;
    } commands[] = {
        {"a command that does not start", none}, {"exec true", true_argv}, {"exec bash -c :", bash_argv}};
    int64_t ns[ROUNDS_MAX];

    for (size_t c = 0; c < ARRAY_LEN(commands); c++) {
        for (size_t i = 0; i < ARRAY_LEN(ns); i++) {
            struct machine_exec x = {.argv = commands[c].argv, .env = bench_env, .cwd = "/"};
            struct machine_result r = {0};
            int64_t start = mono_ns();
            if (machine_exec(m, &x, &r, NULL) < 0)
                die(commands[c].what, NULL);
            ns[i] = mono_ns() - start;
            machine_result_release(&r);
        }
        report(commands[c].what, ns, ARRAY_LEN(ns));
    }
}

static void tree_rate(const char *what, int64_t start)
{
    printf("%-52s        %8.0f MB/s\n", what, TREE_MB / ((double)(mono_ns() - start) / 1e9));
}

static void bench_trees(struct machine *m, const char *tar)
{
    _close_ int in = open(tar, O_RDONLY | O_CLOEXEC);
    struct err err = {0};
    int64_t start = mono_ns();

    if (in < 0 || machine_put_tree(m, "/tmp/tree", in, &err) < 0)
        die(tar, &err);
    tree_rate("a tree of one file of 100 MB, there", start);
}

/* What the processes of virtual machines have, less what they share: kB each. */
static void bench_memory(void)
{
    struct machine *m[CROWD];
    int64_t kb[4096];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(m); i++)
        m[i] = acquire();
    _closedir_ DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc)) && n < ARRAY_LEN(kb);) {
        _buf_ struct buf name = BUF_INIT, text = BUF_INIT;
        char path[300];
        snprintf(path, sizeof(path), "/proc/%.200s/comm", e->d_name);
        if (e->d_name[0] < '0' || e->d_name[0] > '9' || read_file(path, 64, &name, NULL) < 0 ||
            !str_starts(buf_str(&name), "qemu-system"))
            continue;
        snprintf(path, sizeof(path), "/proc/%.200s/smaps_rollup", e->d_name);
        const char *pss = read_file(path, 4096, &text, NULL) == 0 ? strstr(buf_str(&text), "\nPss:") : NULL;
        if (pss)
            kb[n++] = strtoll(pss + 5, NULL, 10);
    }
    qsort(kb, n, sizeof(*kb), bench_compare);
    if (n)
        printf("%-52s median %8.1f MB   most %7.1f MB\n", "memory of each of 8 (Pss)",
               (double)kb[n / 2] / 1024, (double)kb[n - 1] / 1024);
    for (size_t i = 0; i < ARRAY_LEN(m); i++)
        machine_release(m[i]);
}

int main(int argc, char **argv)
{
    struct store *store;
    struct err err = {0};
    uint64_t rounds;
    _buf_ struct buf tar = BUF_INIT;

    if (argc != 5 || parse_u64(argv[4], &rounds) < 0 || rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    if (store_open(argv[2], &store, &err) < 0)
        die(argv[2], &err);
    if (machines_new(&(struct machines_opts){.state_dir = argv[2], .agent = argv[1], .store = store}, &all,
                     &err) < 0 ||
        machine_label_parse(argv[3], &label, &err) < 0)
        die(argv[3], &err);
    int64_t start = mono_ns();
    machine_release(acquire());
    printf("%-52s        %8.0f ms\n", "the first (what is made once is made now)",
           (double)(mono_ns() - start) / 1e6);
    if (str_eq(label.backend, "qemu"))
        bench_life(rounds, REST_MS);
    bench_life(rounds, 0);
    struct machine *m = acquire();
    bench_round_trip(m);
    bench_steps(m);
    buf_addf(&tar, "%s/../tree.tar", argv[2]);
    bench_trees(m, buf_str(&tar));
    machine_release(m);
    if (str_eq(label.backend, "qemu"))
        bench_memory();
    machine_label_release(&label);
    machines_free(all);
    store_close(store);
    return 0;
}
