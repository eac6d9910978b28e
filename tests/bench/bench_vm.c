/* How long virtual machines by qemu take until a first command has ended in them, and the memory that they
 * have. Usage: bench_vm AGENT STATE LABEL ROUNDS */
#include <dirent.h>
#include <pthread.h>

#include "bench.h"
#include "core/machine/qemu.h"
#include "runfs/store.h"
#include "runfs/str.h"

enum { ROUNDS_MAX = 200, FEW = 8, CROWD = 24, LOOK_MS = 5, WAIT_MS = 60000, REST_MS = 500 };

static struct machines *all;
static struct machine_label label;

static struct machine_spec spec_of(const char *name)
{
    return (struct machine_spec){.backend = label.backend,
                                 .image = label.image,
                                 .name = "runner",
                                 .workspace = "/home/runner/work/repo/repo",
                                 .network = label.network,
                                 .limits = label.limits,
                                 .label = name};
}

static void first_command(struct machine *m)
{
    static const char *const argv[] = {"true", NULL};

    bench_run(m, argv, "/", NULL);
}

/* ------------------------------------------------------------------------------------- what each begins with
 */

static void wait_until(bool (*is_so)(void), const char *what)
{
    for (int ms = 0; !is_so(); ms += LOOK_MS) {
        if (ms > WAIT_MS)
            die(what, NULL);
        usleep(LOOK_MS * 1000);
    }
}

/* The only template is that of the label. */
static bool one_is_ahead(void)
{
    pthread_mutex_lock(&all->ahead_lock);
    bool is = all->templates->n_ahead >= all->templates->n_most && !all->templates->making;
    pthread_mutex_unlock(&all->ahead_lock);
    return is;
}

static bool one_is_warm(void)
{
    return machines_warm(all, "warm") > 0;
}

/* Nothing is left to do behind the scenes. */
static void rest(void)
{
    wait_until(one_is_ahead, "nothing is started ahead");
    usleep(REST_MS * 1000);
}

static void wait_warm(void)
{
    wait_until(one_is_warm, "nothing becomes warm");
    rest();
}

/* What is ahead is thrown away. */
static void waste(void)
{
    rest();
    pthread_mutex_lock(&all->ahead_lock);
    all->templates->wants = all->templates->taken = false; /* as if nobody had ever asked */
    qemu_ahead_end(all, all->templates);
    pthread_mutex_unlock(&all->ahead_lock);
}

static void at_once(void)
{
}

static void bench_life(const char *what, const char *name, void (*before)(void), size_t rounds)
{
    int64_t get[ROUNDS_MAX], first[ROUNDS_MAX], release[ROUNDS_MAX];
    const struct machine_spec spec = spec_of(name);

    printf("-- %s\n", what);
    for (size_t i = 0; i < rounds; i++) {
        before();
        int64_t start = mono_ns();
        struct machine *m = new_machine(all, &spec);
        get[i] = mono_ns() - start;
        first_command(m);
        first[i] = mono_ns() - start;
        start = mono_ns();
        machine_release(m);
        release[i] = mono_ns() - start;
    }
    report("acquire", get, rounds);
    report("acquire, and a first command has ended", first, rounds);
    report("release", release, rounds);
}

static void bench_warm(size_t rounds)
{
    const struct machine_spec spec = spec_of("warm");
    struct err err = {0};

    if (machines_pool(all, "warm", &spec, 1, &err) < 0)
        die("pool", &err);
    bench_life("a warm one of the label", "warm", wait_warm, rounds);
    (void)machines_pool(all, "warm", &spec, 0, &err);
}

/* --------------------------------------------------------------------------------------- many, and their
 * memory
 */

static long parent_of(long pid)
{
    _buf_ struct buf text = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    const char *after = read_file(path, 4096, &text, NULL) == 0 ? strrchr(buf_str(&text), ')') : NULL;
    return after ? strtol(after + 4, NULL, 10) : 0;
}

/* What this process's qemus have, less what they share: kB each. */
static size_t memory(int64_t kb[], size_t max)
{
    _closedir_ DIR *proc = opendir("/proc");
    size_t n = 0;

    for (struct dirent *e; proc && (e = readdir(proc)) && n < max;) {
        _buf_ struct buf text = BUF_INIT;
        char path[300];
        long pid = strtol(e->d_name, NULL, 10);
        if (pid <= 0 || parent_of(parent_of(pid)) != getpid())
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pid);
        const char *pss = read_file(path, 4096, &text, NULL) == 0 ? strstr(buf_str(&text), "\nPss:") : NULL;
        if (pss)
            kb[n++] = strtoll(pss + 5, NULL, 10);
    }
    return n;
}

static void *live(void *data)
{
    struct machine **m = data;
    const struct machine_spec spec = spec_of(NULL);

    *m = new_machine(all, &spec);
    first_command(*m);
    return NULL;
}

/* n at once. */
static void bench_crowd(size_t n)
{
    pthread_t threads[CROWD];
    struct machine *m[CROWD];
    int64_t kb[2 * CROWD], sum = 0;
    char what[64];

    rest();
    int64_t start = mono_ns();
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, live, &m[i]) != 0)
            die("thread", NULL);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    int64_t took = mono_ns() - start;
    size_t qemus = memory(kb, ARRAY_LEN(kb));
    qsort(kb, qemus, sizeof(*kb), bench_compare);
    for (size_t i = 0; i < qemus; i++)
        sum += kb[i];
    snprintf(what, sizeof(what), "%zu at once: a first command has ended in each", n);
    printf("%-52s        %8.0f ms\n", what, (double)took / 1e6);
    if (qemus)
        printf("%-52s median %8.1f MB   most %7.1f MB   sum %.0f MB\n", "memory of each (Pss)",
               (double)kb[qemus / 2] / 1024, (double)kb[qemus - 1] / 1024, (double)sum / 1024);
    for (size_t i = 0; i < n; i++)
        machine_release(m[i]);
}

/* ------------------------------------------------------------------------------------ process after process
 */

static void begin(const struct machines_opts *opts)
{
    struct err err = {0};

    if (machines_new(opts, &all, &err) < 0)
        die(opts->state_dir, &err);
}

/* The first machine of each, of the template that the first process has kept. */
static void bench_first(const struct machines_opts *opts, size_t rounds)
{
    int64_t get[ROUNDS_MAX], first[ROUNDS_MAX], load[ROUNDS_MAX];
    const struct machine_spec spec = spec_of(NULL);

    printf("-- the first of the next process\n");
    for (size_t i = 0; i < rounds; i++) {
        begin(opts);
        int64_t start = mono_ns();
        struct machine *m = new_machine(all, &spec);
        get[i] = mono_ns() - start;
        first_command(m);
        first[i] = mono_ns() - start;
        load[i] = all->templates->load_ns;
        if (!load[i])
            die("it was booted", NULL);
        machine_release(m);
        machines_free(all);
    }
    report("of it, what was kept is read", load, rounds);
    report("acquire", get, rounds);
    report("acquire, and a first command has ended", first, rounds);
}

int main(int argc, char **argv)
{
    struct machines_opts opts = {0};
    struct store *store;
    struct err err = {0};
    uint64_t rounds;

    if (argc != 5 || parse_u64(argv[4], &rounds) < 0 || rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    if (store_open(argv[2], &store, &err) < 0)
        die(argv[2], &err);
    opts = (struct machines_opts){.state_dir = argv[2], .agent = argv[1], .store = store};
    if (machine_label_parse(argv[3], &label, &err) < 0)
        die(argv[3], &err);
    begin(&opts);
    bench_life("the first, for which all is made", NULL, at_once, 1);
    printf("%-52s        %8.0f ms\n", "of it, its boot: a first command has ended",
           (double)all->templates->boot_ns / 1e6);
    bench_life("restored, nothing was started ahead", NULL, waste, rounds);
    bench_life("one now and then", NULL, rest, rounds);
    bench_life("one after the other", NULL, at_once, rounds);
    bench_warm(rounds);
    printf("-- many\n");
    bench_crowd(FEW);
    bench_crowd(CROWD);
    machines_free(all);
    bench_first(&opts, rounds);
    machine_label_release(&label);
    store_close(store);
    return 0;
}
