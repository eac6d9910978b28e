/* Files of KEY=VALUE lines. */
#include "env_file.h"

#include <string.h>

#include "runfs/buf.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { FILE_MAX = 1024 * 1024 };

static const char blanks[] = " \t\r";

/* What is left of a file; it ends with NUL and has no other. */
struct lines {
    const char *at;
    int line; /* of `at`, from 1 on */
};

static void skip_blanks(struct lines *l)
{
    l->at += strspn(l->at, blanks);
}

static void skip_line(struct lines *l)
{
    l->at += strcspn(l->at, "\n");
    if (*l->at) {
        l->at++;
        l->line++;
    }
}

static char unescaped(char c)
{
    static const char from[] = "nrt\"$\\", meant[] = "\n\r\t\"$\\";
    const char *known = c ? strchr(from, c) : NULL;

    return known ? meant[known - from] : '\0';
}

/* Behind the quote that `l` is at, to the one that closes it. false: none does. */
static bool read_quoted(struct lines *l, struct buf *ret)
{
    char quote = *l->at++;

    for (; *l->at && *l->at != quote; l->at++) {
        char meant = quote == '"' && *l->at == '\\' ? unescaped(l->at[1]) : '\0';
        l->line += *l->at == '\n';
        l->at += meant != '\0';
        buf_addc(ret, meant ? meant : *l->at);
    }
    return *l->at && *l->at++ == quote;
}

static void read_plain(struct lines *l, struct buf *ret)
{
    size_t len = strcspn(l->at, "\n");

    buf_add(ret, l->at, len);
    while (ret->len && strchr(blanks, ret->ptr[ret->len - 1]))
        ret->ptr[--ret->len] = '\0';
    l->at += len;
}

/* Whether nothing but a comment stands between here and the end of the line. */
static bool is_over(struct lines *l)
{
    skip_blanks(l);
    return strchr("\n#", *l->at) != NULL;
}

static int read_value(struct lines *l, struct buf *ret)
{
    struct lines start = *l;

    if (*l->at != '"' && *l->at != '\'') {
        read_plain(l, ret);
        return buf_ok(ret) ? 0 : -ENOMEM;
    }
    if (!read_quoted(l, ret))
        return -EINVAL;
    if (!is_over(l)) { /* 'a' and b: not a value between quotes */
        *l = start;
        buf_reset(ret);
        read_plain(l, ret);
    }
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static int read_line(struct lines *l, const char *path, json_t *object, struct err *err)
{
    static const char before[] = "export ";
    _buf_ struct buf value = BUF_INIT;
    int line = l->line;

    if (str_starts(l->at, before))
        l->at += strlen(before);
    skip_blanks(l);
    const char *key = l->at, *equals = key + strcspn(key, "=\n");
    size_t len = (size_t)(equals - key);
    while (len && strchr(blanks, key[len - 1]))
        len--;
    if (*equals != '=' || len == 0)
        return err_set(err, -EINVAL, "%s: line %d is not of the form KEY=VALUE", path, line);
    l->at = equals + 1;
    skip_blanks(l);
    int r = read_value(l, &value);
    if (r == -EINVAL)
        return err_set(err, r, "%s: line %d: nothing closes the quote before the value", path, line);
    if (r == 0 && json_object_setn_new(object, key, len, json_stringn(buf_str(&value), value.len)) < 0)
        return err_set(err, -EINVAL, "%s: line %d is not UTF-8", path, line);
    return r < 0 ? err_errno(err, r, "%s", path) : 0;
}

int env_file_read(const char *path, json_t **object, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    int r = read_file(path, FILE_MAX, &text, err);

    if (r == 0 && !*object && !(*object = json_object()))
        r = err_errno(err, -ENOMEM, "%s", path);
    if (r == 0 && memchr(buf_str(&text), '\0', text.len))
        r = err_set(err, -EINVAL, "%s is not text", path);
    for (struct lines l = {buf_str(&text), 1}; r == 0 && *l.at; skip_line(&l)) {
        skip_blanks(&l);
        if (*l.at && *l.at != '\n' && *l.at != '#')
            r = read_line(&l, path, *object, err);
    }
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    return r;
}
