/* Values as JSON text: as toJSON() prints them, and on one line for machines. */
#include "expr_internal.h"

/* As deep as jansson reads; trees built otherwise must not overflow the stack either. */
enum { NESTING_MAX = 2048 };

struct writer {
    struct buf *out;
    struct counter *counter; /* borrowed; NULL: compact JSON, nothing is counted */
    int depth;
};

bool counter_add(struct counter *c, size_t bytes)
{
    if (bytes > c->max || c->bytes > c->max - bytes)
        return false;
    c->bytes += bytes;
    return true;
}

size_t text_bytes(struct slice text)
{
    return 26 + 2 * utf16_length(text);
}

static const char *escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* Newtonsoft escapes the three line ends beyond ASCII too. Returns bytes used up at s, 0 when it is none. */
static size_t escape_line_end(const char *s, size_t left, struct buf *out)
{
    if (left >= 2 && memcmp(s, "\xc2\x85", 2) == 0) {
        buf_adds(out, "\\u0085");
        return 2;
    }
    if (left >= 3 && (memcmp(s, "\xe2\x80\xa8", 3) == 0 || memcmp(s, "\xe2\x80\xa9", 3) == 0)) {
        buf_adds(out, s[2] == '\xa8' ? "\\u2028" : "\\u2029");
        return 3;
    }
    return 0;
}

static bool plain(unsigned char c)
{
    return c >= ' ' && c != '"' && c != '\\' && c != 0xc2 && c != 0xe2;
}

void json_quote(struct slice text, struct buf *ret)
{
    size_t from = 0, at = 0;

    buf_addc(ret, '"');
    for (;;) {
        while (at < text.len && plain((unsigned char)text.s[at]))
            at++;
        buf_add(ret, text.s + from, at - from);
        if (at == text.len)
            break;
        unsigned char c = (unsigned char)text.s[at];
        size_t used = c < 0x80 ? 1 : escape_line_end(text.s + at, text.len - at, ret);
        if (c < 0x80 && escape(c))
            buf_adds(ret, escape(c));
        else if (c < 0x80)
            buf_addf(ret, "\\u%04x", c);
        from = at + used;
        at = used ? from : at + 1;
    }
    buf_addc(ret, '"');
}

/* Counts what was written since `start`, as one of GitHub's pieces. */
static int count(const struct writer *w, size_t start)
{
    if (!w->counter)
        return 0;
    if (!buf_ok(w->out))
        return -ENOMEM;
    struct slice piece = {buf_str(w->out) + start, w->out->len - start};
    return counter_add(w->counter, text_bytes(piece)) ? 0 : -E2BIG;
}

static void line_break(const struct writer *w, int depth)
{
    if (!w->counter)
        return;
    size_t spaces = 2 * (size_t)depth;
    char *to = buf_reserve(w->out, spaces + 1);
    if (!to)
        return;
    to[0] = '\n';
    memset(to + 1, ' ', spaces);
    w->out->len += spaces + 1;
    w->out->ptr[w->out->len] = '\0';
}

static void write_scalar(const struct writer *w, const struct val *v)
{
    char room[NUMBER_TEXT_MAX];

    if (v->kind == VALUE_NULL) {
        buf_adds(w->out, "null");
    } else if (v->kind == VALUE_STRING) {
        json_quote(v->text, w->out);
    } else if (v->kind == VALUE_NUMBER && !w->counter) {
        number_to_json(v->number, w->out);
    } else {
        struct slice text = val_text(v, room);
        buf_add(w->out, text.s, text.len);
    }
}

static int write_val(struct writer *w, const struct val *v, size_t start);

static int write_array(struct writer *w, json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct val item = val_from_json(json_array_get(array, i));
        size_t start = w->out->len;
        if (i)
            buf_addc(w->out, ',');
        line_break(w, w->depth);
        int r = write_val(w, &item, start);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_object(struct writer *w, json_t *object)
{
    bool first = true;
    const char *key;
    size_t len;
    json_t *json;

    json_object_keylen_foreach(object, key, len, json)
    {
        struct val item = val_from_json(json);
        size_t start = w->out->len;
        if (!first)
            buf_addc(w->out, ',');
        first = false;
        line_break(w, w->depth);
        json_quote((struct slice){key, len}, w->out);
        int r = count(w, start);
        if (r < 0)
            return r;
        start = w->out->len;
        buf_adds(w->out, w->counter ? ": " : ":");
        r = write_val(w, &item, start);
        if (r < 0)
            return r;
    }
    return 0;
}

/* start: where the piece that this value ends began (its separator and indentation). */
static int write_val(struct writer *w, const struct val *v, size_t start)
{
    bool array = v->kind == VALUE_ARRAY;

    if (val_primitive(v)) {
        write_scalar(w, v);
        return count(w, start);
    }
    if (array ? json_array_size(v->json) == 0 : json_object_size(v->json) == 0) {
        buf_adds(w->out, array ? "[]" : "{}");
        return count(w, start);
    }
    if (w->depth >= NESTING_MAX)
        return -ELOOP;
    buf_addc(w->out, array ? '[' : '{');
    int r = count(w, start);
    if (r < 0)
        return r;
    w->depth++;
    r = array ? write_array(w, v->json) : write_object(w, v->json);
    w->depth--;
    if (r < 0)
        return r;
    start = w->out->len;
    line_break(w, w->depth);
    buf_addc(w->out, array ? ']' : '}');
    return count(w, start);
}

int val_to_json_text(const struct val *v, struct counter *c, struct buf *ret)
{
    struct writer w = {.out = ret, .counter = c};

    return write_val(&w, v, ret->len);
}

int val_to_json_line(const struct val *v, struct buf *ret)
{
    struct writer w = {.out = ret};

    return write_val(&w, v, ret->len);
}
