/*
 * What looking at each single directory and file costs: usage: bench_look SLOWEST PID DIRECTORY...
 * Lists every directory below (its names, and then what each of them is, too) and reads every file, by
 * itself. Prints how long they took, and how much of the processor, here and of the daemon (PID), whatever
 * else the machine does; and those that took most of that: the first time, and the best of five more. What
 * waits or is written to is left out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "runfs/io.h"
#include "runfs/str.h"

struct looked {
    char *path; /* owned */
    enum way { READ, LIST, LIST_ALL } way;
    struct cost {
        double ms, processor; /* milliseconds */
    } first, again;           /* again: the best of some */
};

static struct looked *all; /* owned */
static size_t n_all, cap;
static clockid_t daemon_clock;

static bool list(const char *path, bool each)
{
    DIR *dir = opendir(path);
    const struct dirent *e;
    struct stat st;

    if (!dir)
        return false;
    while ((e = readdir(dir)))
        if (each)
            (void)fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW);
    closedir(dir);
    return true;
}

static bool read_whole(const char *path)
{
    static char room[65536];
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0)
        n = read(fd, room, sizeof(room));
    return n == 0;
}

static double processor_ms(void)
{
    struct timespec daemon, own;

    if (clock_gettime(daemon_clock, &daemon) < 0 || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own) < 0)
        exit(1);
    return (double)(daemon.tv_sec + own.tv_sec) * 1e3 + (double)(daemon.tv_nsec + own.tv_nsec) / 1e6;
}

static struct cost cost_of(const char *path, enum way way, bool *ret_good)
{
    double processor = processor_ms();
    int64_t start = mono_ns();

    *ret_good = way == READ ? read_whole(path) : list(path, way == LIST_ALL);
    return (struct cost){(double)(mono_ns() - start) / 1e6, processor_ms() - processor};
}

static void look(const char *path, enum way way)
{
    bool good;
    struct cost cost = cost_of(path, way, &good);

    if (!good)
        return;
    if (n_all == cap) {
        cap = cap ? cap * 2 : 1024;
        all = reallocarray(all, cap, sizeof(*all));
        if (!all)
            exit(1);
    }
    all[n_all++] = (struct looked){strdup(path), way, cost, cost};
}

static bool waits(const char *name)
{
    return str_eq(name, "wait") || str_eq(name, "ctl") || str_eq(name, "exec");
}

static void walk(const char *path)
{
    look(path, LIST);
    look(path, LIST_ALL);
    DIR *dir = opendir(path);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        struct stat st;
        _buf_ struct buf below = BUF_INIT;
        buf_addf(&below, "%s/%s", path, e->d_name);
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || lstat(buf_str(&below), &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            walk(buf_str(&below));
        } else if (S_ISREG(st.st_mode) && !waits(e->d_name)) {
            look(buf_str(&below), READ);
        }
    }
    if (dir)
        closedir(dir);
}

static int by_ms(const void *a, const void *b)
{
    const struct looked *x = a, *y = b;

    return (x->first.ms < y->first.ms) - (x->first.ms > y->first.ms);
}

static int by_processor(const void *a, const void *b)
{
    const struct looked *x = a, *y = b;

    return (x->first.processor < y->first.processor) - (x->first.processor > y->first.processor);
}

static const struct cost *part_of(double part) /* of all, the longest first */
{
    return &all[(size_t)((double)(n_all - 1) * (1 - part))].first;
}

static void look_again(struct looked *l)
{
    bool good;

    for (int k = 0; k < 5; k++) {
        struct cost cost = cost_of(l->path, l->way, &good);
        if (k == 0 || cost.ms < l->again.ms)
            l->again.ms = cost.ms;
        if (k == 0 || cost.processor < l->again.processor)
            l->again.processor = cost.processor;
    }
}

int main(int argc, char **argv)
{
    size_t shown = argc > 3 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    static const char *const ways[] = {"cat", "ls", "ls -l"};

    if (!shown || clock_getcpuclockid((pid_t)strtol(argv[2], NULL, 10), &daemon_clock) != 0) {
        fprintf(stderr, "usage: bench_look SLOWEST PID DIRECTORY...\n");
        return 2;
    }
    for (int i = 3; i < argc; i++)
        walk(argv[i]);
    if (!n_all)
        return 1;
    qsort(all, n_all, sizeof(*all), by_ms);
    printf("%zu directories and files: median %.2f, 99 of 100 within %.2f ms, all within %.2f\n", n_all,
           part_of(0.5)->ms, part_of(0.99)->ms, part_of(1)->ms);
    qsort(all, n_all, sizeof(*all), by_processor);
    printf("of the processor: median %.2f, 99 of 100 within %.2f ms, all within %.2f\n",
           part_of(0.5)->processor, part_of(0.99)->processor, part_of(1)->processor);
    for (size_t i = 0; i < n_all && i < shown; i++) {
        struct looked *l = &all[i];
        look_again(l);
        printf("%s %s: %.2f ms of the processor in %.2f, then %.2f in %.2f\n", ways[l->way], l->path,
               l->first.processor, l->first.ms, l->again.processor, l->again.ms);
    }
    for (size_t i = 0; i < n_all; i++)
        free(all[i].path);
    free(all);
    return 0;
}
