/* Asking git for what a repository holds: tags, folders, files, differences. */
#include "runfs/browse.h"

#include <inttypes.h>
#include <string.h>

#include "git.h"
#include "runfs/str.h"

static const char empty_tree[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

static bool ask(const char *path, const char *const args[], struct buf *ret)
{
    return *path && git_read(path, args, ret, NULL) == 0 && buf_ok(ret);
}

/* What is asked for by a client must not be taken for an option, nor for a range. */
static bool is_id(const char *s)
{
    size_t len = strspn(s, "0123456789abcdef");

    return (len == 40 || len == 64) && !s[len];
}

/* The text up to `end`, and *at behind that; NULL: it does not come. */
static char *take_text(const char **at, const char *limit, char end, struct arena *a)
{
    const char *stop = *at < limit ? memchr(*at, end, (size_t)(limit - *at)) : NULL;
    char *text = stop ? arena_strndup(a, *at, (size_t)(stop - *at)) : NULL;

    if (stop)
        *at = stop + 1;
    return text;
}

/* --------------------------------------------------------------------------------------------------- tags */

const char *const *browse_tags(const char *path, struct arena *a)
{
    _buf_ struct buf out = BUF_INIT;
    size_t n = 0, max = 1;

    if (!ask(path,
             GIT("for-each-ref", "--sort=-version:refname",
                 "--format=%(objecttype)%(*objecttype) %(objectname) %(*objectname) %(refname:strip=2)",
                 "refs/tags"),
             &out))
        return NULL;
    for (const char *p = buf_str(&out); (p = strchr(p, '\n')); p++)
        max++;
    const char **lines = arena_array(a, const char *, max);
    for (const char *p = buf_str(&out), *end = p + out.len; lines && p < end;) {
        const char *type = take_text(&p, end, ' ', a), *id = take_text(&p, end, ' ', a),
                   *behind = take_text(&p, end, ' ', a), *name = take_text(&p, end, '\n', a);
        if (!name)
            return NULL;
        if (!str_ends(type, "commit") || !utf8_valid(name, strlen(name)))
            continue;
        if (!(lines[n++] = arena_printf(a, "%s %s", *behind ? behind : id, name)))
            return NULL;
    }
    return lines;
}

/* -------------------------------------------------------------------------------------------------- trees */

const char *browse_type(const char *path, const char *id, struct arena *a)
{
    _buf_ struct buf out = BUF_INIT;
    const char *at = NULL, *type = NULL;

    if (is_id(id) && ask(path, GIT("cat-file", "-t", id), &out)) {
        at = buf_str(&out);
        type = take_text(&at, at + out.len, '\n', a);
    }
    return type ? type : "";
}

/* "MODE TYPE ID SIZE\tPATH". -ENOENT: it was cut off. */
static int take_entry(const char **at, const char *limit, struct arena *a, struct browse_entry *ret)
{
    struct browse_entry e = {.mode = take_text(at, limit, ' ', a), .type = take_text(at, limit, ' ', a)};

    e.id = take_text(at, limit, ' ', a);
    const char *size = take_text(at, limit, '\t', a);
    e.path = take_text(at, limit, '\0', a);
    if (!e.path || !size)
        return -ENOENT;
    size += strspn(size, " ");
    e.size = *size == '-' ? -1 : strtoimax(size, NULL, 10);
    *ret = e;
    return 0;
}

static int take_entries(const struct buf *out, size_t max, struct arena *a, struct browse_entry **ret,
                        size_t *ret_n)
{
    const char *at = buf_str(out), *limit = at + out->len;
    size_t n = 0, all = 0;

    for (const char *p = at; p < limit && all <= max && (p = memchr(p, '\0', (size_t)(limit - p))); p++)
        all++;
    struct browse_entry *list = arena_array(a, struct browse_entry, all + 1);
    if (!list)
        return -ENOMEM;
    while (n < all && take_entry(&at, limit, a, &list[n]) == 0)
        n += utf8_valid(list[n].path, strlen(list[n].path));
    *ret = list;
    *ret_n = n;
    return 0;
}

int browse_tree(const char *path, const char *id, bool deep, struct arena *a, struct browse_entry **ret,
                size_t *ret_n, bool *ret_more)
{
    _buf_ struct buf out = BUF_INIT;

    if (!is_id(id) || !ask(path, GIT("ls-tree", "-z", "-l", "--full-tree", deep ? "-rt" : "-t", id), &out))
        return -ENOENT;
    int r = take_entries(&out, BROWSE_ENTRIES_MAX, a, ret, ret_n);
    *ret_more = r == 0 && *ret_n > BROWSE_ENTRIES_MAX;
    if (*ret_more)
        *ret_n = BROWSE_ENTRIES_MAX;
    return r;
}

int browse_find(const char *path, const char *commit, const char *file, struct arena *a,
                struct browse_entry *ret)
{
    struct browse_entry *list = NULL;
    _buf_ struct buf out = BUF_INIT;
    size_t n = 0;

    if (!is_id(commit))
        return -ENOENT;
    if (!*file) {
        *ret = (struct browse_entry){.mode = "040000", .type = "tree", .id = commit, .path = "", .size = -1};
        return 0;
    }
    if (!ask(path, GIT("ls-tree", "-z", "-l", "--full-tree", commit, "--", file), &out))
        return -ENOENT;
    int r = take_entries(&out, 1, a, &list, &n);
    if (r < 0 || n == 0 || !str_eq(list[0].path, file)) /* "a/" has what is below a */
        return r < 0 ? r : -ENOENT;
    *ret = list[0];
    return 0;
}

int browse_blob(const char *path, const char *id, int64_t max, struct buf *ret)
{
    _buf_ struct buf size = BUF_INIT;

    if (!is_id(id) || !ask(path, GIT("cat-file", "-s", id), &size))
        return -ENOENT;
    if (strtoimax(buf_str(&size), NULL, 10) > max)
        return -EFBIG;
    return ask(path, GIT("cat-file", "blob", id), ret) ? 0 : -ENOENT;
}

/* -------------------------------------------------------------------------------------------- differences */

bool browse_distance(const char *path, const char *one, const char *other, int64_t *ret_one,
                     int64_t *ret_other)
{
    _arena_ struct arena a = {0};
    _buf_ struct buf out = BUF_INIT;
    const char *range = arena_printf(&a, "%s...%s", one, other);

    return range && is_id(one) && is_id(other) &&
           ask(path, GIT("rev-list", "--left-right", "--count", range, "--"), &out) &&
           sscanf(buf_str(&out), "%" SCNd64 "\t%" SCNd64, ret_one, ret_other) == 2;
}

static const char *status_of(char letter)
{
    static const struct {
        char letter;
        const char *word;
    } all[] = {{'A', "added"}, {'D', "removed"}, {'R', "renamed"}, {'C', "copied"}, {'T', "changed"}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].letter == letter)
            return all[i].word;
    return "modified";
}

/* ":MODE MODE ID ID STATUS\0PATH\0", with another path behind that of what has a new name. */
static int take_change(const char **at, const char *limit, struct arena *a, struct browse_change *ret)
{
    const char *modes = take_text(at, limit, ' ', a), *mode = take_text(at, limit, ' ', a),
               *before = take_text(at, limit, ' ', a), *after = take_text(at, limit, ' ', a),
               *letter = take_text(at, limit, '\0', a), *file = take_text(at, limit, '\0', a);

    if (!modes || !mode || !before || !after || !letter || !file)
        return -ENOENT;
    bool moved = *letter == 'R' || *letter == 'C';
    *ret = (struct browse_change){.id = *letter == 'D' ? before : after,
                                  .path = moved ? take_text(at, limit, '\0', a) : file,
                                  .former = moved ? file : NULL,
                                  .status = status_of(*letter)};
    return ret->path ? 0 : -ENOENT;
}

/* "ADDED\tDELETED\tPATH\0", "-" for what has no lines; of what has a new name "\t\0FORMER\0PATH\0". */
static void take_count(const char **at, const char *limit, struct arena *a, struct browse_change *c)
{
    const char *added = take_text(at, limit, '\t', a), *deleted = take_text(at, limit, '\t', a),
               *file = take_text(at, limit, '\0', a);

    if (file && !*file) {
        (void)take_text(at, limit, '\0', a);
        file = take_text(at, limit, '\0', a);
    }
    if (!added || !deleted || !file)
        return;
    c->additions = strtoimax(added, NULL, 10);
    c->deletions = strtoimax(deleted, NULL, 10);
}

/* First all of what changed, then the lines of each, in the same order. */
int browse_changes(const char *path, const char *from, const char *to, size_t max, struct arena *a,
                   struct browse_change **ret, size_t *ret_n)
{
    _buf_ struct buf out = BUF_INIT;
    size_t n = 0, all = 0, kept = 0;

    from = *from ? from : empty_tree;
    if (!is_id(from) || !is_id(to) ||
        !ask(path,
             GIT("diff", "--raw", "--numstat", "-z", "--no-abbrev", "-M", "--no-color", "--no-ext-diff",
                 "--no-textconv", "--ignore-submodules=none", from, to, "--"),
             &out))
        return -ENOENT;
    const char *at = buf_str(&out), *limit = at + out.len;
    for (const char *p = at; p < limit && (p = memchr(p, '\0', (size_t)(limit - p))); p++)
        all++;
    struct browse_change *list = arena_array(a, struct browse_change, all + 1);
    if (!list)
        return -ENOMEM;
    while (at < limit && *at == ':' && n < all && take_change(&at, limit, a, &list[n]) == 0)
        n++;
    for (size_t i = 0; i < n; i++)
        take_count(&at, limit, a, &list[i]);
    for (size_t i = 0; i < n && kept < max; i++)
        if (utf8_valid(list[i].path, strlen(list[i].path)) &&
            (!list[i].former || utf8_valid(list[i].former, strlen(list[i].former))))
            list[kept++] = list[i];
    *ret = list;
    *ret_n = kept;
    return 0;
}

int browse_diff(const char *path, const char *from, const char *to, struct buf *ret)
{
    from = *from ? from : empty_tree;
    return is_id(from) && is_id(to) &&
                   ask(path,
                       GIT("diff", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv", from, to,
                           "--"),
                       ret)
               ? 0
               : -ENOENT;
}
