/* The daemon's own log, and its end in a file that does not grow for ever. */
#include "runfs/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "runfs/buf.h"
#include "runfs/io.h"

static atomic_int log_fd = 2;
static atomic_int log_level = LOG_LEVEL_INFO;

/* Where lines go when that is a file of ours. */
static struct {
    pthread_mutex_t lock; /* guards path and max; held while the file is exchanged */
    char *path, *former;  /* owned; NULL: none is open */
    off_t max;
} file = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int log_open(const char *path, uint64_t max, struct err *err)
{
    _buf_ struct buf former = BUF_INIT;
    int fd = open_file(path);

    if (fd < 0)
        return err_errno(err, -errno, "cannot open %s", path);
    buf_addf(&former, "%s.1", path);
    pthread_mutex_lock(&file.lock);
    file.path = strdup(path);
    file.former = buf_steal(&former);
    file.max = (off_t)max;
    bool ok = file.path && file.former;
    pthread_mutex_unlock(&file.lock);
    if (!ok) {
        close(fd);
        return err_errno(err, -ENOMEM, "log");
    }
    atomic_store(&log_fd, fd);
    return 0;
}

void log_close(void)
{
    pthread_mutex_lock(&file.lock);
    int fd = file.path ? atomic_exchange(&log_fd, 2) : -1;
    free(TAKE(file.path));
    free(TAKE(file.former));
    pthread_mutex_unlock(&file.lock);
    if (fd >= 0)
        close(fd);
}

/* A full file becomes PATH.1. The descriptor keeps its number, as other threads may be writing to it. */
static void exchange_when_full(void)
{
    int fd = atomic_load(&log_fd);
    struct stat st;

    if (fd == 2 || pthread_mutex_trylock(&file.lock) != 0)
        return;
    if (file.path && fstat(fd, &st) == 0 && st.st_size >= file.max && rename(file.path, file.former) == 0) {
        _close_ int fresh = open_file(file.path);
        if (fresh < 0) /* the old one goes on growing: better than lines lost */
            (void)!rename(file.former, file.path);
        else
            (void)dup3(fresh, fd, O_CLOEXEC);
    }
    pthread_mutex_unlock(&file.lock);
}

void log_threshold(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

void log_line(enum log_level level, const char *module, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    _buf_ struct buf line = BUF_INIT;
    int saved = errno;
    va_list ap;

    if ((int)level > atomic_load(&log_level))
        return;
    buf_add_time(&line, now_ns());
    buf_addf(&line, " %s %s ", names[level], module);
    size_t from = line.len;
    va_start(ap, fmt);
    buf_addv(&line, fmt, ap);
    va_end(ap);
    for (size_t i = from; i < line.len; i++)
        if ((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t')
            line.ptr[i] = ' ';
    buf_addc(&line, '\n');
    (void)write_all(atomic_load(&log_fd), buf_str(&line), line.len);
    exchange_when_full();
    errno = saved;
}
