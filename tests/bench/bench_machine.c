/* How long machines take, each figure beside its yardstick. Usage: bench_machine [AGENT] [BACKEND] */
#include <pthread.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"
#include "runfs/str.h"

static struct machines *all;
static const char *backend = "sandbox";

static struct machine *acquire(void)
{
    const struct machine_spec spec = {
        .backend = backend, .name = "bench", .workspace = "/home/runner/work/repo/repo"};

    return new_machine(all, &spec);
}

static void run(struct machine *m, const char *const *argv, uint64_t *bytes)
{
    bench_run(m, argv, "/", bytes);
}

static void spawn(const char *const *argv)
{
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, (char *const *)bench_env) != 0 ||
        waitpid(pid, &status, 0) < 0 || status)
        die(argv[0], NULL);
}

enum { ROUNDS = 200 };

static void bench_spawn(const char *what, const char *const *argv)
{
    int64_t ns[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = mono_ns();
        spawn(argv);
        ns[i] = mono_ns() - start;
    }
    report(what, ns, ROUNDS);
}

static void bench_machine(void)
{
    static const char *const true_argv[] = {"/bin/true", NULL}, *const bash_argv[] = {"bash", "-c", ":",
                                                                                      NULL};
    int64_t get[ROUNDS], job[ROUNDS], release[ROUNDS], step[ROUNDS], shell[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = mono_ns();
        struct machine *m = acquire();
        int64_t got = mono_ns();
        run(m, bash_argv, NULL);
        int64_t ran = mono_ns();
        machine_release(m);
        int64_t end = mono_ns();
        get[i] = got - start;
        release[i] = end - ran;
        job[i] = end - start;
        usleep(5000);
    }
    struct machine *m = acquire();
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = mono_ns();
        run(m, true_argv, NULL);
        step[i] = mono_ns() - start;
        start = mono_ns();
        run(m, bash_argv, NULL);
        shell[i] = mono_ns() - start;
    }
    machine_release(m);
    report("acquire", get, ROUNDS);
    report("release", release, ROUNDS);
    report("acquire, bash -c :, release", job, ROUNDS);
    report("exec /bin/true in a machine", step, ROUNDS);
    report("exec bash -c : in a machine", shell, ROUNDS);
}

/* What a label's words cost. A network behind the host's address may not be possible here. */
static void bench_label(const char *words)
{
    _machine_label_ struct machine_label label = {0};
    struct err err = {0};
    char what[128];
    int64_t ns[50];

    if (machine_label_parse(words, &label, &err) < 0)
        die(words, &err);
    const struct machine_spec spec = {.backend = label.backend,
                                      .name = "bench",
                                      .workspace = "/home/runner/work/repo/repo",
                                      .network = label.network,
                                      .limits = label.limits};
    snprintf(what, sizeof(what), "acquire, %s", strchr(words, ' ') + 1);
    for (size_t i = 0; i < ARRAY_LEN(ns); i++) {
        struct machine *m;
        int64_t start = mono_ns();
        if (machine_acquire(all, &spec, &m, &err) < 0) {
            printf("%-52s %s\n", what, err.msg);
            return;
        }
        ns[i] = mono_ns() - start;
        machine_release(m);
        usleep(5000);
    }
    report(what, ns, ARRAY_LEN(ns));
}

static void *jobs(void *data)
{
    static const char *const argv[] = {"bash", "-c", ":", NULL};

    for (int i = 0; i < *(int *)data; i++) {
        struct machine *m = acquire();
        run(m, argv, NULL);
        machine_release(m);
    }
    return NULL;
}

static void bench_throughput(int n_threads)
{
    pthread_t threads[8];
    int each = 250;
    int64_t start = mono_ns();

    for (int i = 0; i < n_threads; i++)
        pthread_create(&threads[i], NULL, jobs, &each);
    for (int i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    printf("acquire, bash -c :, release; %d thread(s)      %7.0f /s\n", n_threads,
           each * n_threads / ((double)(mono_ns() - start) / 1e9));
}

static void bench_output(void)
{
    static const char *const argv[] = {"bash", "-c", "head -c 1G /dev/zero", NULL};
    struct machine *m = acquire();
    uint64_t bytes = 0;
    int64_t start = mono_ns();

    run(m, argv, &bytes);
    printf("output of a step (1 GiB)                     %7.0f MB/s\n",
           (double)bytes / 1e6 / ((double)(mono_ns() - start) / 1e9));
    machine_release(m);
}

int main(int argc, char **argv)
{
    static const char *const true_argv[] = {"/bin/true", NULL},
                             *const bash_argv[] = {"bash", "-c", ":", NULL},
                             *const bwrap_argv[] = {"bwrap",         "--ro-bind", "/",     "/",
                                                    "--unshare-pid", "--proc",    "/proc", "--dev",
                                                    "/dev",          "/bin/true", NULL};
    char dir[] = "/var/tmp/runfs-bench-XXXXXX";
    struct err err = {0};

    if (argc > 2)
        backend = argv[2];
    if (!mkdtemp(dir) || chmod(dir, 0711) < 0)
        return 1;
    int64_t start = mono_ns();
    if (machines_new(&(struct machines_opts){.state_dir = dir, .agent = argc > 1 ? argv[1] : NULL}, &all,
                     &err) < 0)
        die("machines", &err);
    printf("%-52s        %7.3f ms\n", "machines_new, with its probe", (double)(mono_ns() - start) / 1e6);
    printf("-- yardsticks\n");
    bench_spawn("posix_spawn /bin/true", true_argv);
    bench_spawn("posix_spawn bash -c :", bash_argv);
    bench_spawn("bwrap /bin/true", bwrap_argv);
    printf("-- %s\n", backend);
    bench_machine();
    if (str_eq(backend, "sandbox")) {
        bench_label("sandbox network=none");
        bench_label("sandbox network=nat");
        bench_label("sandbox disk=64M");
        bench_label("sandbox memory=1G pids=500 cpu=2");
    }
    bench_throughput(1);
    bench_throughput(2);
    bench_output();
    machines_free(all);
    remove_tree(dir);
    return 0;
}
