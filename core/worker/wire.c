/* Lines of JSON between an engine and a worker: reading, writing, bytes of any kind, files in pieces. */
#include "wire.h"

#include <poll.h>

#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/worker.h"

enum {
    READ_SIZE = 64 * 1024,
    WRITE_SIZE = 4096, /* what a pipe that is ready takes without blocking (pipe(7), PIPE_BUF) */
    LOOK_MS = 200
};

void wire_init(struct wire *w, int in, int out)
{
    *w = (struct wire){.in = in, .out = out, .silence_ns = WORKER_SILENCE_S * 1000000000LL};
    pthread_mutex_init(&w->writing, NULL);
    atomic_store(&w->heard, mono_ns());
}

void wire_release(struct wire *w)
{
    pthread_mutex_destroy(&w->writing);
    buf_release(&w->lines);
}

/* ------------------------------------------------------------------------------------------------ reading */

ssize_t wire_fill(struct wire *w)
{
    if (w->at) {
        buf_drop(&w->lines, w->at);
        w->looked -= w->at;
        w->at = 0;
    }
    char *to = buf_reserve(&w->lines, READ_SIZE);
    if (!to)
        return -ENOMEM;
    ssize_t n = read(w->in, to, READ_SIZE);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno;
    if (n > 0)
        atomic_store(&w->heard, mono_ns());
    w->lines.len += (size_t)n;
    to[n] = '\0';
    return n;
}

/* Two bytes of a line may be one value, which takes twenty times as much in memory. */
static bool has_more(const char *line, size_t len, size_t values)
{
    bool text = false;
    size_t n = 0;

    for (size_t i = 0; i < len && n <= values; i++) {
        if (text && line[i] == '\\')
            i++;
        else if (line[i] == '"')
            text = !text;
        else
            n += !text && (line[i] == ',' || line[i] == '[' || line[i] == '{');
    }
    return n > values;
}

int wire_next(struct wire *w, json_t **ret, struct buf *ret_text)
{
    char *start = w->lines.ptr ? w->lines.ptr + w->at : NULL;
    char *end = start && w->lines.len > w->looked
                    ? memchr(w->lines.ptr + w->looked, '\n', w->lines.len - w->looked)
                    : NULL;

    w->looked = w->lines.len;
    if (!end)
        return w->lines.len - w->at > WIRE_LINE_MAX ? -EMSGSIZE : 0;
    size_t len = (size_t)(end - start);
    w->at += len + 1;
    w->looked = w->at;
    if (len > WIRE_LINE_MAX || (w->most && has_more(start, len, w->most)))
        return -EMSGSIZE;
    json_t *line = json_loadb(start, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(line)) {
        *ret = line;
        return 1;
    }
    json_decref(line);
    if (ret_text)
        buf_add(ret_text, start, len < 200 ? utf8_valid_prefix(start, len) : utf8_valid_prefix(start, 200));
    return -EPROTO;
}

void wire_vain(struct wire *w, int64_t since)
{
    atomic_store(&w->vain, since);
}

bool wire_silent(struct wire *w)
{
    if (atomic_load(&w->vain) - atomic_load(&w->heard) < w->silence_ns)
        return false;
    atomic_store(&w->lost, true);
    return true;
}

bool wire_quiet(const struct wire *w)
{
    return mono_ns() - atomic_load(&w->heard) > w->silence_ns / 2;
}

void wire_heard(struct wire *w)
{
    atomic_store(&w->heard, mono_ns());
}

/* ------------------------------------------------------------------------------------------------ writing */

static bool given_up(struct wire *w, int64_t progress)
{
    if (atomic_load(&w->lost))
        return true;
    return w->listens ? wire_silent(w) : mono_ns() - progress >= w->silence_ns;
}

/* With the lock held. Never blocks for longer than the other may be silent. */
static int write_bytes(struct wire *w, const char *bytes, size_t len)
{
    struct pollfd p = {.fd = w->out, .events = POLLOUT};
    int64_t progress = mono_ns();

    while (len > 0) {
        if (given_up(w, progress))
            return -EPIPE;
        if (poll(&p, 1, LOOK_MS) <= 0)
            continue;
        ssize_t n = write(w->out, bytes, len < WRITE_SIZE ? len : WRITE_SIZE);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            atomic_store(&w->gone, true);
            return -EPIPE;
        }
        progress = mono_ns();
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int wire_write(struct wire *w, json_t *line)
{
    _free_ char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;

    json_decref(line);
    if (!text)
        return -ENOMEM;
    size_t len = strlen(text);
    text[len++] = '\n'; /* in the place of its end */
    pthread_mutex_lock(&w->writing);
    int r = write_bytes(w, text, len);
    if (r < 0) /* a part of a line may be written, so none can follow */
        atomic_store(&w->lost, true);
    pthread_mutex_unlock(&w->writing);
    return r;
}

/* ---------------------------------------------------------------------------------------- bytes and files */

static json_t *base64_string(const void *bytes, size_t len)
{
    _buf_ struct buf text = BUF_INIT;

    buf_add_base64(&text, bytes, len);
    return buf_ok(&text) ? json_stringn_nocheck(buf_str(&text), text.len) : NULL;
}

json_t *wire_bytes(const void *bytes, size_t len)
{
    if (utf8_valid(bytes, len))
        return json_stringn_nocheck(bytes, len);
    json_t *text = base64_string(bytes, len);
    return text ? json_pack("{s:o}", "base64", text) : NULL;
}

json_t *wire_text(const char *text)
{
    return wire_bytes(text ? text : "", text ? strlen(text) : 0);
}

int wire_add_bytes(struct buf *b, const json_t *value)
{
    const json_t *coded = json_object_get(value, "base64");

    if (!value)
        return 0;
    if (json_is_string(coded))
        return buf_add_unbase64(b, json_string_value(coded), json_string_length(coded));
    if (!json_is_string(value))
        return -EPROTO;
    buf_add(b, json_string_value(value), json_string_length(value));
    return buf_ok(b) ? 0 : -ENOMEM;
}

int wire_write_file(struct wire *w, int64_t id, const char *what, int fd)
{
    _free_ char *piece = malloc(WIRE_PIECE);
    int r = piece ? 0 : -ENOMEM;

    while (r == 0) {
        ssize_t n = read(fd, piece, WIRE_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        r = wire_write(w, json_pack("{s:s, s:I, s:s*, s:o}", "type", "data", "id", (json_int_t)id, "for",
                                    what, "base64", base64_string(piece, (size_t)n)));
    }
    return r;
}

int wire_take_data(const json_t *line, int fd)
{
    const json_t *coded = json_object_get(line, "base64");
    _buf_ struct buf bytes = BUF_INIT;
    int r = json_is_string(coded)
                ? buf_add_unbase64(&bytes, json_string_value(coded), json_string_length(coded))
                : -EPROTO;

    return r == 0 ? write_all(fd, buf_str(&bytes), bytes.len) : r;
}
