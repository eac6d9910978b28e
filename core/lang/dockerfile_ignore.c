/* What a .dockerignore leaves out. */
#include <fnmatch.h>

#include "runfs/buf.h"
#include "runfs/dockerfile.h"
#include "runfs/str.h"

/* Of a pattern or a path, its first name; *ret_rest: what follows, NULL at the end. */
static size_t first_name(const char *s, const char **ret_rest)
{
    size_t n = strcspn(s, "/");

    *ret_rest = s[n] ? s + n + 1 : NULL;
    return n;
}

static bool name_matches(const char *pattern, size_t n, const char *name, size_t len)
{
    _free_ char *p = strndup(pattern, n), *s = strndup(name, len);

    return p && s && fnmatch(p, s, 0) == 0;
}

/* Whether the pattern is the path, or a directory that it is in: a ** is any number of names. */
static bool matches(const char *pattern, const char *path)
{
    const char *pattern_rest, *path_rest;
    size_t n = first_name(pattern, &pattern_rest);

    if (n == 2 && strncmp(pattern, "**", 2) == 0) {
        if (!pattern_rest)
            return true;
        for (; path; (void)first_name(path, &path_rest), path = path_rest)
            if (matches(pattern_rest, path))
                return true;
        return false;
    }
    size_t len = first_name(path, &path_rest);
    if (!name_matches(pattern, n, path, len))
        return false;
    return !pattern_rest || (path_rest && matches(pattern_rest, path_rest));
}

/* "./a//b/" and "/a/b" are "a/b". */
static void normalise(const char *line, size_t len, struct buf *ret)
{
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && line[i + n] != '/')
            n++;
        if (n && !(n == 1 && line[i] == '.')) {
            if (ret->len)
                buf_addc(ret, '/');
            buf_add(ret, line + i, n);
        }
        i += n + 1;
    }
}

bool dockerfile_ignores(const char *text, const char *path)
{
    bool ignored = false;

    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n"), begin = strspn(line, " \t");
        const char *next = line + len + (line[len] == '\n');
        while (len > begin && strchr(" \t\r", line[len - 1]))
            len--;
        bool comment = *line == '#', back = begin < len && line[begin] == '!';
        begin += back;
        _buf_ struct buf pattern = BUF_INIT;
        if (!comment && begin < len)
            normalise(line + begin, len - begin, &pattern);
        if (pattern.len && buf_ok(&pattern) && ignored == back && matches(pattern.ptr, path))
            ignored = !back;
        line = next;
    }
    return ignored;
}
