/* Replies: text, JSON, files and what is written while it is sent, whole or in the range that was asked for.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/stat.h>

#include "http_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

void http_answer(struct http_request *r, unsigned status, struct MHD_Response *response)
{
    if (!response)
        return;
    if (r->response) { /* the first one counts */
        MHD_destroy_response(response);
        return;
    }
    for (size_t i = 0; i < r->n_headers; i++)
        (void)MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    r->response = response;
    r->status = status;
}

/* --------------------------------------------------------------------------------------------- validators */

/* RFC 9110, 13.1.2: a list of tags, or "*"; compared weakly, as GET and HEAD are. */
static bool names_tag(const char *list, const char *tag)
{
    size_t len = strlen(tag);

    while (*list) {
        list += strspn(list, " \t,");
        if (*list == '*')
            return true;
        if (str_starts(list, "W/"))
            list += 2;
        size_t n = *list == '"' ? strcspn(list + 1, "\"") + 2 : strcspn(list, ",");
        if (n == len && strncmp(list, tag, n) == 0)
            return true;
        list += strnlen(list, n);
    }
    return false;
}

/* Whether who asks has just this already: such a reply was made. */
static bool has_it(struct http_request *r, const char *text, size_t len)
{
    const char *known = http_header(r, "If-None-Match");
    unsigned char digest[16];
    char hex[2 * sizeof(digest) + 1], tag[sizeof(hex) + 2];

    crypto_generichash(digest, sizeof(digest), (const unsigned char *)text, len, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
    snprintf(tag, sizeof(tag), "\"%s\"", hex);
    http_add_header(r, "ETag", tag);
    if (!known || !names_tag(known, tag))
        return false;
    http_answer(r, 304, MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT));
    return true;
}

void http_reply(struct http_request *r, unsigned status, const char *type, const char *text, size_t len)
{
    bool looks = str_eq(r->method, "GET") || str_eq(r->method, "HEAD");

    if (status == 200 && looks && has_it(r, text, len))
        return;
    http_add_header(r, "Content-Type", type);
    http_answer(r, status,
                MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY));
}

void http_reply_json(struct http_request *r, unsigned status, json_t *body)
{
    _json_ json_t *own = body;
    _free_ char *text = own ? json_dumps(own, JSON_COMPACT) : NULL;

    if (text)
        http_reply(r, status, "application/json; charset=utf-8", text, strlen(text));
}

void http_fail(struct http_request *r, unsigned status, const char *message)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", status);
    http_reply_json(r, status,
                    json_pack("{s:s, s:s, s:s}", "message", message, "documentation_url",
                              "https://docs.github.com/rest", "status", text));
}

/* ------------------------------------------------------------------------------------------------ ranges */

struct range {
    int64_t from, len;
    bool part, unsatisfiable;
};

static bool parse_number(const char **at, int64_t *ret)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    long long n = strtoll(*at, &end, 10);
    *at = end;
    *ret = n;
    return errno == 0;
}

/* RFC 9110, section 14: one range; several, or what is no range, are answered with everything. */
static struct range parse_range(const char *text, int64_t size)
{
    struct range all = {0, size, false, false}, none = {0, 0, false, true};
    int64_t from, to;

    if (!text || !str_starts(text, "bytes="))
        return all;
    text += strlen("bytes=");
    if (*text == '-') {
        text++;
        if (!parse_number(&text, &to) || *text)
            return all;
        from = to < size ? size - to : 0;
        return to == 0 || size == 0 ? none : (struct range){from, size - from, true, false};
    }
    if (!parse_number(&text, &from) || *text++ != '-')
        return all;
    to = size - 1;
    if (*text && (!parse_number(&text, &to) || *text || to < from))
        return all;
    if (from >= size)
        return none;
    return (struct range){from, (to < size ? to + 1 : size) - from, true, false};
}

/* Which part is asked for; the headers that go with it. */
static struct range answer_range(struct http_request *r, int64_t size, const char *type)
{
    const char *azure = http_header(r, "x-ms-range");
    struct range range = parse_range(azure ? azure : http_header(r, "Range"), size);
    char text[96];

    http_add_header(r, "Accept-Ranges", "bytes");
    if (range.unsatisfiable) {
        snprintf(text, sizeof(text), "bytes */%lld", (long long)size);
        http_add_header(r, "Content-Range", text);
        http_reply(r, 416, "text/plain", "", 0);
        return range;
    }
    http_add_header(r, "Content-Type", type);
    if (range.part) {
        snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)range.from,
                 (long long)(range.from + range.len - 1), (long long)size);
        http_add_header(r, "Content-Range", text);
    }
    return range;
}

void http_reply_file(struct http_request *r, int fd_take, const char *type)
{
    _close_ int fd = fd_take;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return;
    struct range range = answer_range(r, st.st_size, type);
    if (range.unsatisfiable)
        return;
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64((uint64_t)range.len, fd, (uint64_t)range.from);
    if (response)
        (void)TAKE_FD(fd); /* it is closed with the response */
    http_answer(r, range.part ? 206 : 200, response);
}

/* ----------------------------------------------------------------------------------------------- streams */

/* What is written while it is sent: the writer fills a pipe that the connection's thread empties. */
struct stream {
    http_write_fn *write;
    void *data;
    void (*release)(void *data);
    int64_t skip;      /* bytes before the range */
    bool endless;      /* nobody knows how many come: the writer's result says whether these were all */
    atomic_int result; /* of the writer; set before it closes its end */
    int in, out; /* owned: the ends of the pipe; -1: not begun, and `out` is the writer's once it runs */
    pthread_t writer;
    bool running;
};

static void *write_stream(void *data)
{
    struct stream *s = data;

    /* where the size is known, an error ends the stream too early, which the reader sees */
    atomic_store(&s->result, s->write(s->data, s->out));
    close(s->out);
    return NULL;
}

static bool start_stream(struct stream *s)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    (void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    s->in = fds[0];
    s->out = fds[1];
    s->running = pthread_create(&s->writer, NULL, write_stream, s) == 0;
    if (!s->running)
        close(s->out);
    return s->running;
}

static ssize_t read_stream(void *data, uint64_t at, char *to, size_t max)
{
    struct stream *s = data;
    ssize_t n;

    (void)at;
    if (s->in < 0 && !start_stream(s))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    do {
        n = read(s->in, to, s->skip && s->skip < (int64_t)max ? (size_t)s->skip : max);
        if (n > 0 && s->skip > 0) {
            s->skip -= n;
            n = -1;
            errno = EINTR; /* once more */
        }
    } while (n < 0 && errno == EINTR);
    if (n == 0 && s->endless && atomic_load(&s->result) == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *data)
{
    struct stream *s = data;

    if (s->in >= 0)
        close(s->in); /* a writer that has more to say gets EPIPE */
    if (s->running)
        pthread_join(s->writer, NULL);
    if (s->release)
        s->release(s->data);
    free(s);
}

void http_reply_stream(struct http_request *r, int64_t size, const char *type, http_write_fn *write,
                       void *data, void (*release)(void *data))
{
    struct stream *s = calloc(1, sizeof(*s));
    struct range range = {0};

    if (size < 0)
        http_add_header(r, "Content-Type", type);
    else
        range = answer_range(r, size, type);
    if (s)
        *s = (struct stream){.write = write,
                             .data = data,
                             .release = release,
                             .skip = range.from,
                             .endless = size < 0,
                             .in = -1,
                             .out = -1};
    uint64_t len = size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)range.len;
    struct MHD_Response *response =
        s && !range.unsatisfiable
            ? MHD_create_response_from_callback(len, 128 * 1024, read_stream, s, free_stream)
            : NULL;
    if (!response && s)
        free_stream(s);
    else if (!response && release)
        release(data);
    http_answer(r, range.part ? 206 : 200, response);
}

/* ----------------------------------------------------------------------------------------------- endless */

/* What `more` gave and the connection has not taken yet. */
struct endless {
    http_more_fn *more;
    void *data;
    void (*release)(void *data);
    struct buf ready;
    size_t taken; /* of it */
};

static ssize_t read_endless(void *data, uint64_t at, char *to, size_t max)
{
    struct endless *e = data;

    (void)at;
    if (e->taken == e->ready.len) {
        buf_reset(&e->ready);
        e->taken = 0;
        int code = e->more(e->data, &e->ready);
        if (code < 0 || !buf_ok(&e->ready))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (e->ready.len == 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
    }
    size_t n = e->ready.len - e->taken < max ? e->ready.len - e->taken : max;
    memcpy(to, e->ready.ptr + e->taken, n);
    e->taken += n;
    return (ssize_t)n;
}

static void free_endless(void *data)
{
    struct endless *e = data;

    if (e->release)
        e->release(e->data);
    buf_release(&e->ready);
    free(e);
}

void http_reply_endless(struct http_request *r, const char *type, http_more_fn *more, void *data,
                        void (*release)(void *data))
{
    struct endless *e = calloc(1, sizeof(*e));
    struct MHD_Response *response = NULL;

    http_add_header(r, "Content-Type", type);
    if (e) {
        *e = (struct endless){.more = more, .data = data, .release = release};
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64 * 1024, read_endless, e, free_endless);
        if (!response)
            free_endless(e);
    } else if (release) {
        release(data);
    }
    http_answer(r, 200, response);
}
