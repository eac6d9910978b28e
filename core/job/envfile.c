/* Parsing of environment files. */
#include "envfile.h"

#include "runfs/buf.h"
#include "runfs/str.h"

struct lines {
    const char *at, *end;
};

/* The next line without its newline. */
static bool next_line(struct lines *l, const char **ret, size_t *ret_len)
{
    if (l->at >= l->end)
        return false;
    const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
    *ret = l->at;
    *ret_len = (size_t)((newline ? newline : l->end) - l->at);
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
    _json_ json_t *key = repaired(name, name_len);
    json_t *text = repaired(value, len);

    if (!key) {
        json_decref(text);
        return -ENOMEM;
    }
    return json_object_setn_new(into, json_string_value(key), json_string_length(key), text) < 0 ? -ENOMEM
                                                                                                 : 0;
}

/* The sentence with the line in quotes, which may be anything: as much of it as there is room for. */
static int bad_line(const char *line, size_t len, const char *rest, struct err *err)
{
    return err_set(err, -EINVAL, "Invalid format '%.*s'%s", len > 500 ? 500 : (int)len, line, rest);
}

/* The lines between the opening one and the delimiter are the value, without the last newline. */
static int parse_block(struct lines *l, const char *line, size_t len, const char *mark, json_t *into,
                       struct err *err)
{
    const char *delimiter = mark + 2, *start = l->at, *end = l->at, *body;
    size_t delimiter_len = len - (size_t)(delimiter - line), body_len;

    if (mark == line || delimiter_len == 0)
        return bad_line(line, len, ". Name must not be empty and delimiter must not be empty", err);
    for (;;) {
        if (!next_line(l, &body, &body_len))
            return err_set(err, -EINVAL, "Invalid value. Matching delimiter not found '%.*s'",
                           delimiter_len > 500 ? 500 : (int)delimiter_len, delimiter);
        if (body_len == delimiter_len && memcmp(body, delimiter, body_len) == 0)
            break;
        end = body + body_len;
        if (end == l->end)
            return err_set(err, -EINVAL, "Invalid value. EOF marker missing new line.");
    }
    return set_pair(into, line, (size_t)(mark - line), start, (size_t)(end - start));
}

static int parse_line(struct lines *l, const char *line, size_t len, json_t *into, struct err *err)
{
    const char *equals = memchr(line, '=', len), *block = memmem(line, len, "<<", 2);

    if (equals && (!block || equals < block)) {
        if (equals == line)
            return bad_line(line, len, ". Name must not be empty", err);
        return set_pair(into, line, (size_t)(equals - line), equals + 1, len - (size_t)(equals - line) - 1);
    }
    return block ? parse_block(l, line, len, block, into, err) : bad_line(line, len, "", err);
}

int envfile_parse(const char *text, size_t len, json_t *into, struct err *err)
{
    struct lines l = lines_of(text, len);
    const char *line;
    size_t n;

    while (next_line(&l, &line, &n)) {
        int r = n ? parse_line(&l, line, n, into, err) : 0;
        if (r < 0)
            return r == -ENOMEM ? err_errno(err, r, "environment file") : r;
    }
    return 0;
}

void envfile_check_env(json_t *pairs, struct buf *complaints)
{
    static const char *const blocked[] = {"NODE_OPTIONS"};
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(pairs, next, name, value) for (size_t i = 0; i < ARRAY_LEN(blocked); i++)
    {
        if (!str_eq_ascii_nocase(name, blocked[i]))
            continue;
        buf_addf(complaints, "Can't store %s output parameter using '$GITHUB_ENV' command.\n", blocked[i]);
        json_object_del(pairs, name);
        break;
    }
}

/* A path that comes again goes to the end: objects keep the order in which their keys came. */
static int path_add(json_t *into, const char *line, size_t len)
{
    json_t *path = repaired(line, len);

    if (!path)
        return -ENOMEM;
    (void)json_object_deln(into, json_string_value(path), json_string_length(path));
    return json_object_setn_new(into, json_string_value(path), json_string_length(path), path) < 0 ? -ENOMEM
                                                                                                   : 0;
}

/* Here a carriage return ends a line too. */
int pathfile_parse(const char *text, size_t len, json_t *into, struct err *err)
{
    struct lines l = lines_of(text, len);
    _json_ json_t *all = json_object();
    json_t *path;
    const char *key;
    size_t i;
    int r = all ? 0 : -ENOMEM;

    json_array_foreach(into, i, path) if (r == 0) r =
        path_add(all, json_string_value(path), json_string_length(path));
    while (r == 0 && l.at < l.end) {
        const char *line = l.at;
        while (l.at < l.end && *l.at != '\n' && *l.at != '\r')
            l.at++;
        if (l.at > line)
            r = path_add(all, line, (size_t)(l.at - line));
        l.at++;
    }
    if (r == 0)
        json_array_clear(into);
    json_object_foreach(all, key, path) if (r == 0) r = json_array_append(into, path);
    return r < 0 ? err_errno(err, -ENOMEM, "path file") : 0;
}
