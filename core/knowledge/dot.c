/* Drawing by graphviz: the program dot, and the pictures that it made last. */
#include <pthread.h>
#include <sys/mman.h>

#include "knowledge_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { SVG_MAX = 8 * 1024 * 1024, DOT_MS = 20000, KEPT = 64 }; /* one, and one of each role */

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
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t drawn = PTHREAD_COND_INITIALIZER;
static struct picture {
    struct buf of, svg;
    bool drawing; /* by somebody, without the lock: of and svg stay */
} kept[KEPT];
static size_t next;

static struct picture *find(const struct buf *dot)
{
    for (size_t i = 0; i < KEPT; i++)
        if (kept[i].of.len && str_eq(buf_str(&kept[i].of), buf_str(dot)))
            return &kept[i];
    return NULL;
}

/* The one that was made first, for another. NULL: all are being drawn, or there is no memory. */
static struct picture *begin(const struct buf *dot)
{
    struct picture *p = &kept[next++ % KEPT];

    if (p->drawing)
        return NULL;
    buf_reset(&p->svg);
    buf_reset(&p->of);
    buf_adds(&p->of, buf_str(dot));
    p->drawing = buf_ok(&p->of);
    if (!p->drawing)
        buf_reset(&p->of);
    return p->drawing ? p : NULL;
}

static void end(struct picture *p, int r, const struct buf *svg)
{
    p->drawing = false;
    if (r == 0)
        buf_add(&p->svg, buf_str(svg), svg->len);
    if (r < 0 || !buf_ok(&p->svg))
        buf_reset(&p->of);
    pthread_cond_broadcast(&drawn);
}

int dot_draw(const struct buf *dot, struct buf *ret)
{
    struct picture *p;
    int r = 0;

    pthread_mutex_lock(&lock);
    while ((p = find(dot)) && p->drawing)
        pthread_cond_wait(&drawn, &lock);
    if (p) {
        buf_add(ret, buf_str(&p->svg), p->svg.len);
    } else {
        _buf_ struct buf svg = BUF_INIT;
        p = begin(dot);
        pthread_mutex_unlock(&lock);
        r = draw(dot, &svg);
        if (r == 0)
            buf_add(ret, buf_str(&svg), svg.len);
        pthread_mutex_lock(&lock);
        if (p)
            end(p, r, &svg);
    }
    pthread_mutex_unlock(&lock);
    return r == 0 && !buf_ok(ret) ? -ENOMEM : r;
}
