/*
 * How fast a tree of files answers: stat, or open-read-close, over a list of paths, several passes.
 * usage: bench_tree DIRECTORY LIST stat|read PASSES; prints operations a second, one number for each pass.
 * The first pass over a fresh mount is the cold one.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_file_once(const char *path)
{
    static char chunk[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        die(path);
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        ;
    if (n < 0)
        die(path);
    close(fd);
}

static double pass(char **paths, size_t n, bool reads)
{
    int64_t start = mono_ns();

    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (reads)
            read_file_once(paths[i]);
        else if (lstat(paths[i], &st) < 0)
            die(paths[i]);
    }
    return (double)n / ((double)(mono_ns() - start) / 1e9);
}

int main(int argc, char **argv)
{
    _buf_ struct buf list = BUF_INIT;
    struct err err = {0};
    size_t n = 0, cap = 0;
    char **paths = NULL;

    if (argc != 5)
        return 2;
    if (read_file(argv[2], (size_t)64 << 20, &list, &err) < 0 || chdir(argv[1]) < 0)
        die(argv[2]);
    for (char *line = list.ptr, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (n == cap) {
            cap = cap ? cap * 2 : 1024;
            paths = reallocarray(paths, cap, sizeof(*paths));
            if (!paths)
                die("memory");
        }
        paths[n++] = line;
    }
    for (long i = strtol(argv[4], NULL, 10); i > 0; i--)
        printf("%.0f%c", pass(paths, n, str_eq(argv[3], "read")), i > 1 ? ' ' : '\n');
    free(paths);
    return 0;
}
