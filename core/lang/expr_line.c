/*
 * Expressions in, lines of JSON out: what `runfs eval` prints. Requests of the usual form are read without
 * building a tree of them; whatever is not of that form jansson reads, and words the error.
 */
#include <ctype.h>

#include "expr_internal.h"

#include "runfs/str.h"

/* Plain evaluation gets what GitHub's evaluator allows by itself; workflows get more (expr.h). */
static const size_t eval_memory = 1024 * 1024;

static int add_error(struct buf *out, const char *kind, struct slice message)
{
    buf_adds(out, "{\"error\":{\"kind\":\"");
    buf_adds(out, kind);
    buf_adds(out, "\",\"message\":");
    json_quote(message, out);
    buf_adds(out, "}}\n");
    return buf_ok(out) ? -EINVAL : -ENOMEM;
}

static void add_text(struct buf *out, struct slice text)
{
    buf_add(out, text.s, text.len);
}

static int add_value(struct buf *out, const struct val *v)
{
    size_t start = out->len;

    add_text(out, SLICE("{\"kind\":\""));
    buf_adds(out, value_kind_name(v->kind));
    add_text(out, SLICE("\",\"value\":"));
    int r = val_to_json_line(v, out);
    if (r == -ELOOP) {
        out->len = start;
        return add_error(out, "evaluation", SLICE("The value is nested too deeply"));
    }
    add_text(out, SLICE("}\n"));
    return buf_ok(out) ? r : -ENOMEM;
}

static int evaluate(const struct expr *e, json_t *contexts, struct buf *out, struct expr_err *err)
{
    struct expr_env env = {.contexts = contexts, .max_memory = eval_memory};
    struct eval ev;
    struct val v;

    eval_begin(&ev, e, &env, err);
    int r = eval_root(&ev, &v);
    if (r == 0)
        r = add_value(out, &v);
    eval_end(&ev);
    return r;
}

static int parse_and_evaluate(struct expr_cache *cache, struct slice text, json_t *contexts, struct buf *out,
                              struct expr_err *err)
{
    struct parse_scope scope = {.contexts_only = true, .contexts = contexts};
    const struct expr *kept = expr_cache_find(cache, text, contexts);
    struct expr *e;

    if (kept)
        return evaluate(kept, contexts, out, err);
    int r = expr_parse_in(text.s, text.len, &scope, &e, err);
    if (r < 0)
        return r;
    r = evaluate(e, contexts, out, err);
    expr_cache_keep(cache, e);
    return r;
}

static int eval_line(struct expr_cache *cache, struct slice text, json_t *contexts, struct buf *out)
{
    _expr_err_ struct expr_err err = {0};
    int r = parse_and_evaluate(cache, text, contexts, out, &err);

    if (r == -EINVAL && err.msg)
        r = add_error(out, expr_phase_name(err.phase), (struct slice){err.msg, strlen(err.msg)});
    return r;
}

int expr_eval_line(const char *text, size_t len, json_t *contexts, struct buf *out)
{
    return eval_line(NULL, (struct slice){text, len}, contexts, out);
}

static int eval_slow(struct expr_cache *cache, const char *request, size_t len, struct buf *out)
{
    json_error_t error;
    _buf_ struct buf words = BUF_INIT;
    _json_ json_t *input = json_loadb(request, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    json_t *expr = json_object_get(input, "expr"), *contexts = json_object_get(input, "contexts");

    if (!input && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (!input) {
        utf8_repair((struct slice){error.text, strlen(error.text)}, &words);
        return add_error(out, "input", (struct slice){buf_str(&words), words.len});
    }
    if (!json_is_string(expr) || (contexts && !json_is_object(contexts) && !json_is_null(contexts)))
        return add_error(out, "input", SLICE("expected {\"expr\": STRING, \"contexts\": OBJECT}"));
    struct slice text = {json_string_value(expr), json_string_length(expr)};
    return eval_line(cache, text, contexts, out);
}

/* A request taken apart. Only what has passed for valid JSON, or is given to jansson, is in it. */
struct request {
    struct slice expr, contexts; /* the expression is inside the text, or unescaped in `unescaped` */
    struct buf unescaped;
};

struct cursor {
    const char *at, *end;
};

static void skip_blank(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n'))
        c->at++;
}

static bool skip_char(struct cursor *c, char wanted)
{
    skip_blank(c);
    if (c->at >= c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* A string as it stands between its quotes. */
static bool read_raw(struct cursor *c, struct slice *ret, bool *ret_escapes)
{
    if (!skip_char(c, '"'))
        return false;
    const char *start = c->at, *at = start, *end = c->end;
    *ret_escapes = false;
    while (at < end && *at != '"' && (unsigned char)*at >= ' ') {
        if (*at == '\\') {
            *ret_escapes = true;
            if (++at == end)
                return false;
        }
        at++;
    }
    if (at >= end || *at != '"')
        return false;
    *ret = (struct slice){start, (size_t)(at - start)};
    c->at = at + 1;
    return true;
}

/* Four hexadecimal digits, -1 where they are not there. */
static int hex4(const char *s, const char *end)
{
    int n = 0;

    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char)s[i]))
            return -1;
        n = n << 4 | (s[i] <= '9' ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
    }
    return n;
}

/* \uXXXX, or two of them that are one character: appends it and gives what is behind it. NULL for what is
 * wrong, or NUL: jansson has the words for that. */
static const char *unescape_unicode(const char *s, const char *end, struct buf *to)
{
    int c = hex4(s + 2, end);

    s += 6;
    if (c <= 0 || (c >= 0xdc00 && c < 0xe000))
        return NULL;
    if (c < 0x80) {
        buf_addc(to, (char)c);
        return s;
    }
    if (c >= 0xd800 && c < 0xdc00) {
        int low = end - s > 2 && s[0] == '\\' && s[1] == 'u' ? hex4(s + 2, end) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        s += 6;
    }
    utf8_put(to, (uint32_t)c);
    return s;
}

static bool unescape(struct slice raw, struct buf *to)
{
    static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *at = raw.s, *end = raw.s + raw.len;

    for (const char *slash; (slash = memchr(at, '\\', (size_t)(end - at)));) {
        buf_add(to, at, (size_t)(slash - at));
        const char *known = memchr(from, slash[1], sizeof(from) - 1);
        if (known)
            buf_addc(to, meant[known - from]);
        at = known ? slash + 2 : slash[1] == 'u' ? unescape_unicode(slash, end, to) : NULL;
        if (!at)
            return false;
    }
    buf_add(to, at, (size_t)(end - at));
    return buf_ok(to);
}

static bool read_expr(struct cursor *c, struct request *rq)
{
    bool escapes;

    if (!read_raw(c, &rq->expr, &escapes))
        return false;
    size_t ascii = ascii_prefix(rq->expr);
    if (!utf8_valid(rq->expr.s + ascii, rq->expr.len - ascii))
        return false;
    if (!escapes)
        return true;
    if (!unescape(rq->expr, &rq->unescaped))
        return false;
    rq->expr = (struct slice){buf_str(&rq->unescaped), rq->unescaped.len};
    return true;
}

/* To the brace that closes the object; what is in between jansson reads later. */
static bool read_object(struct cursor *c, struct slice *ret)
{
    size_t depth = 0;
    struct slice text;
    bool escapes;

    skip_blank(c);
    const char *start = c->at;
    if (c->at >= c->end || *c->at != '{')
        return false;
    while (c->at < c->end) {
        if (*c->at == '"') {
            if (!read_raw(c, &text, &escapes))
                return false;
            continue;
        }
        depth += *c->at == '{';
        depth -= *c->at == '}';
        c->at++;
        if (depth == 0) {
            *ret = (struct slice){start, (size_t)(c->at - start)};
            return true;
        }
    }
    return false;
}

static bool is_key(struct slice raw, const char *name)
{
    return raw.len == strlen(name) && memcmp(raw.s, name, raw.len) == 0;
}

/* {"expr": STRING[, "contexts": OBJECT]} in either order and each once; false for anything else. */
static bool take_apart(struct cursor c, struct request *rq)
{
    struct slice key;
    bool escapes;

    if (!skip_char(&c, '{'))
        return false;
    do {
        if (!read_raw(&c, &key, &escapes) || !skip_char(&c, ':'))
            return false;
        if (is_key(key, "expr") && !rq->expr.s) {
            if (!read_expr(&c, rq))
                return false;
        } else if (!is_key(key, "contexts") || rq->contexts.s || !read_object(&c, &rq->contexts)) {
            return false;
        }
    } while (skip_char(&c, ','));
    if (!skip_char(&c, '}') || !rq->expr.s)
        return false;
    skip_blank(&c);
    return c.at == c.end;
}

int expr_eval_request(struct expr_cache *cache, const char *request, size_t len, struct buf *out)
{
    struct request rq = {0};
    _json_ json_t *contexts = NULL;
    bool fast = take_apart((struct cursor){request, request + len}, &rq);

    if (fast && rq.contexts.len > 2) {
        contexts = expr_cache_contexts(cache, rq.contexts);
        fast = contexts != NULL;
    }
    int r = fast ? eval_line(cache, rq.expr, contexts, out) : eval_slow(cache, request, len, out);
    buf_release(&rq.unescaped);
    return r == -EINVAL ? 0 : r;
}
