/*
 * How fast files can be looked at: usage: bench_walk DIRECTORY stat|read PASSES
 * Walks every regular file below DIRECTORY: prints operations a second of each pass.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"

static char **paths;
static size_t n_paths;

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    char **more = reallocarray(paths, n_paths + 1, sizeof(*more));
    if (!more)
        return -1;
    paths = more;
    paths[n_paths] = strdup(path);
    return paths[n_paths++] ? 0 : -1;
}

static bool look(const char *path, bool read_it)
{
    static char room[65536];
    struct stat st;

    if (!read_it)
        return lstat(path, &st) == 0;
    int fd = open(path, O_RDONLY);
    bool good = fd >= 0 && read(fd, room, sizeof(room)) >= 0;
    if (fd >= 0)
        close(fd);
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    bool read_it = str_eq(argv[2], "read");
    int passes = (int)strtol(argv[3], NULL, 10);
    if (nftw(argv[1], collect, 32, FTW_PHYS) < 0 || n_paths == 0) {
        perror(argv[1]);
        return 1;
    }
    /* the walk itself filled the kernel's caches: start cold */
    int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
    if (drop >= 0 && write(drop, "2", 1) < 0)
        fprintf(stderr, "caches are warm: %s\n", strerrordesc_np(errno));
    printf("%6zu files", n_paths);
    for (int pass = 0; pass < passes; pass++) {
        size_t good = 0;
        int64_t start = mono_ns();
        for (size_t i = 0; i < n_paths; i++)
            good += look(paths[i], read_it);
        printf("  %s %10.0f/s", pass ? "again" : "cold", (double)good / ((double)(mono_ns() - start) / 1e9));
    }
    putchar('\n');
    for (size_t i = 0; i < n_paths; i++)
        free(paths[i]);
    free(paths);
    return 0;
}
