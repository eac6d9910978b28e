/* The daemon's own log. */
#include "runfs/log.h"

#include <stdarg.h>
#include <stdatomic.h>

#include "runfs/buf.h"
#include "runfs/io.h"

static atomic_int log_fd = 2;
static atomic_int log_level = LOG_LEVEL_INFO;

void log_to(int fd)
{
    atomic_store(&log_fd, fd);
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
    errno = saved;
}
