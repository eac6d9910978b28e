/* Parsing of environment files. */
#include "envfile.h"

#include "runfs/buf.h"
#include "runfs/str.h"

struct lines {
    const char *at, *end;
};

/* The next line without its newline (and without a carriage return before it). */
static bool next_line(struct lines *l, const char **ret, size_t *ret_len)
{
    if (l->at >= l->end)
        return false;
    const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
    const char *stop = newline ? newline : l->end;
    *ret = l->at;
    *ret_len = (size_t)(stop - l->at);
    if (*ret_len && newline && stop[-1] == '\r')
        --*ret_len;
    l->at = newline ? newline + 1 : l->end;
    return true;
}

static struct lines lines_of(const char *text, size_t len)
{
    size_t skip = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    return (struct lines){text + skip, text + len};
}

/* Bytes that are not UTF-8 cannot travel in a context: they become U+FFFD, as they do on GitHub. */
static json_t *repaired(const char *s, size_t len)
{
    _buf_ struct buf out = BUF_INIT;

    while (len) {
        size_t good = utf8_valid_prefix(s, len);
        buf_add(&out, s, good);
        s += good;
        len -= good;
        if (!len)
            break;
        buf_adds(&out, "\xef\xbf\xbd");
        s++;
        len--;
    }
    return buf_ok(&out) ? json_stringn(buf_str(&out), out.len) : NULL;
}

static int set_pair(json_t *into, const char *name, size_t name_len, const char *value, size_t len)
{
    json_t *text = repaired(value, len);

    return json_object_setn_new(into, name, name_len, text) < 0 ? -ENOMEM : 0;
}

static int parse_block(struct lines *l, const char *line, size_t len, const char *mark, json_t *into,
                       struct err *err)
{
    const char *delimiter = mark + 2, *body;
    size_t delimiter_len = len - (size_t)(delimiter - line), body_len;
    _buf_ struct buf value = BUF_INIT;
    bool first = true;

    if (mark == line || delimiter_len == 0)
        return err_set(err, -EINVAL,
                       "Invalid format '%.*s'. Name must not be empty and delimiter must not be empty",
                       (int)len, line);
    for (;;) {
        if (!next_line(l, &body, &body_len))
            return err_set(err, -EINVAL, "Invalid value. Matching delimiter not found '%.*s'",
                           (int)delimiter_len, delimiter);
        if (body_len == delimiter_len && memcmp(body, delimiter, body_len) == 0)
            break;
        if (!first)
            buf_addc(&value, '\n');
        buf_add(&value, body, body_len);
        first = false;
    }
    return buf_ok(&value) ? set_pair(into, line, (size_t)(mark - line), buf_str(&value), value.len) : -ENOMEM;
}

static int parse_line(struct lines *l, const char *line, size_t len, json_t *into, struct err *err)
{
    const char *equals = memchr(line, '=', len), *block = memmem(line, len, "<<", 2);

    if (!utf8_valid(line, len) && (block ? utf8_valid_prefix(line, len) < (size_t)(block - line) : true) &&
        !equals)
        return err_set(err, -EINVAL, "Invalid format: the name is not UTF-8");
    if (equals && (!block || equals < block)) {
        if (equals == line)
            return err_set(err, -EINVAL, "Invalid format '%.*s'. Name must not be empty", (int)len, line);
        return set_pair(into, line, (size_t)(equals - line), equals + 1, len - (size_t)(equals - line) - 1);
    }
    if (block)
        return parse_block(l, line, len, block, into, err);
    return err_set(err, -EINVAL, "Invalid format '%.*s'", (int)len, line);
}

int envfile_parse(const char *text, size_t len, json_t *into, struct err *err)
{
    struct lines l = lines_of(text, len);
    _json_ json_t *pairs = json_object();
    const char *line;
    size_t n;

    if (!pairs)
        return err_errno(err, -ENOMEM, "environment file");
    while (next_line(&l, &line, &n)) {
        int r = n ? parse_line(&l, line, n, pairs, err) : 0;
        if (r < 0)
            return r == -ENOMEM ? err_errno(err, r, "environment file") : r;
    }
    return json_object_update(into, pairs) < 0 ? err_errno(err, -ENOMEM, "environment file") : 0;
}

int pathfile_parse(const char *text, size_t len, json_t *into, struct err *err)
{
    struct lines l = lines_of(text, len);
    const char *line;
    size_t n;

    while (next_line(&l, &line, &n))
        if (n && json_array_append_new(into, repaired(line, n)) < 0)
            return err_errno(err, -ENOMEM, "path file");
    return 0;
}
