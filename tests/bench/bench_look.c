/*
 * What looking at each single directory and file costs: usage: bench_look SLOWEST DIRECTORY...
 * Lists every directory below (its names, and then what each of them is, too) and reads every file, by
 * itself. Prints how long they took, and those that took longest: the first time, and the best of five more.
 * What waits or is written to is left out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"

struct looked {
    char *path; /* owned */
    enum way { READ, LIST, LIST_ALL } way;
    double first, again; /* milliseconds; again: the best of some */
};

static struct looked *all; /* owned */
static size_t n_all, cap;

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

static double ms_of(const char *path, enum way way, bool *ret_good)
{
    int64_t start = mono_ns();

    *ret_good = way == READ ? read_whole(path) : list(path, way == LIST_ALL);
    return (double)(mono_ns() - start) / 1e6;
}

static void look(const char *path, enum way way)
{
    bool good;
    double ms = ms_of(path, way, &good);

    if (!good)
        return;
    if (n_all == cap) {
        cap = cap ? cap * 2 : 1024;
        all = reallocarray(all, cap, sizeof(*all));
        if (!all)
            exit(1);
    }
    all[n_all++] = (struct looked){strdup(path), way, ms, ms};
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

static int by_first(const void *a, const void *b)
{
    const struct looked *x = a, *y = b;

    return (x->first < y->first) - (x->first > y->first);
}

static double part_of(double part) /* of all, the longest first */
{
    return n_all ? all[(size_t)((double)(n_all - 1) * (1 - part))].first : 0;
}

int main(int argc, char **argv)
{
    size_t shown = argc > 2 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    static const char *const ways[] = {"cat", "ls", "ls -l"};
    bool good;

    if (!shown) {
        fprintf(stderr, "usage: bench_look SLOWEST DIRECTORY...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        walk(argv[i]);
    qsort(all, n_all, sizeof(*all), by_first);
    printf("%zu directories and files: median %.2f, 99 of 100 within %.2f ms\n", n_all, part_of(0.5),
           part_of(0.99));
    for (size_t i = 0; i < n_all; i++) {
        for (int k = 0; i < shown && k < 5; k++) {
            double ms = ms_of(all[i].path, all[i].way, &good);
            all[i].again = k == 0 || ms < all[i].again ? ms : all[i].again;
        }
        if (i < shown)
            printf("%s %s: %.2f ms, then %.2f\n", ways[all[i].way], all[i].path, all[i].first, all[i].again);
        free(all[i].path);
    }
    free(all);
    return n_all ? 0 : 1;
}
