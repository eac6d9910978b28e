/* Drawing by graphviz: the program dot, and the pictures that it made last. */
#include <pthread.h>
#include <sys/mman.h>

#include "knowledge_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { SVG_MAX = 8 * 1024 * 1024, DOT_MS = 20000, KEPT = 8 };

bool dot_is_there(void)
{
    return proc_in_path("dot");
}

/* It reads from a file in memory. */
static int draw(const struct buf *dot, struct buf *ret)
{
    _close_ int fd = memfd_create("graph.dot", MFD_CLOEXEC);
    _proc_result_ struct proc_result result = {0};
    char path[64];
    int r = fd < 0 ? -errno : write_all(fd, buf_str(dot), dot->len);

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    if (r == 0)
        r = proc_run((const char *const[]){"dot", "-Tsvg", path, NULL}, "/", SVG_MAX, DOT_MS, &result, NULL);
    if (r == 0 && (result.exit_code != 0 || result.out.len >= SVG_MAX))
        r = -EIO;
    if (r == 0)
        buf_add(ret, buf_str(&result.out), result.out.len);
    return r;
}

/* Whoever lists a directory asks for the sizes of its pictures: they are drawn again only when something has
 * changed. */
int dot_draw(const struct buf *dot, struct buf *ret)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        struct buf of, drawn;
    } kept[KEPT];
    static size_t next;
    size_t i = 0;
    int r = 0;

    pthread_mutex_lock(&lock);
    while (i < KEPT && !(kept[i].drawn.len && str_eq(buf_str(&kept[i].of), buf_str(dot))))
        i++;
    if (i == KEPT) {
        i = next++ % KEPT;
        buf_reset(&kept[i].of);
        buf_reset(&kept[i].drawn);
        r = draw(dot, &kept[i].drawn);
        buf_adds(&kept[i].of, buf_str(dot));
    }
    if (r == 0)
        buf_add(ret, buf_str(&kept[i].drawn), kept[i].drawn.len);
    pthread_mutex_unlock(&lock);
    return r == 0 && !buf_ok(ret) ? -ENOMEM : r;
}
