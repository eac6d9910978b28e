/* How long machines take that are not of this host's kernel. Usage: bench_elsewhere AGENT STATE LABEL ROUNDS
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"
#include "core/machine/machine_internal.h"
#include "runfs/store.h"
#include "runfs/str.h"

enum { ROUNDS_MAX = 200, TREE_MB = 100 };

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

static void bench_life(size_t rounds)
{
    static const char *const argv[] = {"true", NULL};
    int64_t get[ROUNDS_MAX], first[ROUNDS_MAX], release[ROUNDS_MAX];

    for (size_t i = 0; i < rounds; i++) {
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
    bench_life(rounds);
    struct machine *m = acquire();
    bench_round_trip(m);
    bench_steps(m);
    buf_addf(&tar, "%s/../tree.tar", argv[2]);
    bench_trees(m, buf_str(&tar));
    machine_release(m);
    machine_label_release(&label);
    machines_free(all);
    store_close(store);
    return 0;
}
