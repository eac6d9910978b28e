/* Lines with the times they came, out of chunks that begin and end anywhere in a line. */
#include "log_lines.h"

#include <string.h>
#include <time.h>

#include "runfs/buf.h"

enum { BATCH = 64 * 1024 };

struct lines {
    struct buf out; /* owned; handed on when it has a batch */
    size_t line;    /* bytes of the present line, without its time */
    size_t longest;
    bool begun;     /* the present line has its time */
    int64_t second; /* that `clock` shows */
    char clock[32]; /* "2026-01-31T12:00:00" */
    log_put_fn *put;
    void *data; /* borrowed */
};

static void add_time(struct lines *l, int64_t time_ns)
{
    time_t second = (time_t)(time_ns / 1000000000LL);
    struct tm tm;

    if (second != l->second && gmtime_r(&second, &tm)) {
        strftime(l->clock, sizeof(l->clock), "%Y-%m-%dT%H:%M:%S", &tm);
        l->second = second;
    }
    buf_addf(&l->out, "%s.%07dZ ", l->clock, (int)(time_ns % 1000000000LL / 100));
    l->begun = true;
}

/* How much of the bytes, none of which ends a line, this line still takes: no character is torn. */
static size_t room(const struct lines *l, const char *bytes, size_t len)
{
    if (!l->longest || l->line + len <= l->longest)
        return len;
    size_t n = l->line < l->longest ? l->longest - l->line : 0;
    while (n < len && ((unsigned char)bytes[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static int add_piece(void *data, int64_t time_ns, const char *bytes, size_t len)
{
    struct lines *l = data;

    while (len) {
        const char *end = memchr(bytes, '\n', len);
        size_t text = end ? (size_t)(end - bytes) : len, n = room(l, bytes, text);
        bool ends = n < text || end;

        if (!l->begun)
            add_time(l, time_ns);
        buf_add(&l->out, bytes, n);
        l->line += n;
        if (ends) {
            buf_addc(&l->out, '\n');
            l->begun = false;
            l->line = 0;
        }
        n += ends && n == text;
        bytes += n;
        len -= n;
        if (!buf_ok(&l->out))
            return -ENOMEM;
        if (l->out.len >= BATCH) {
            int r = l->put(l->data, l->out.ptr, l->out.len);
            buf_reset(&l->out);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int log_lines(struct log_view *view, size_t longest, log_put_fn *put, void *data)
{
    struct lines l = {.out = BUF_INIT, .longest = longest, .second = -1, .put = put, .data = data};
    int r = log_view_each(view, add_piece, &l);

    if (r == 0 && l.out.len)
        r = put(data, l.out.ptr, l.out.len);
    buf_release(&l.out);
    return r;
}
