/* Asking git about a checkout. */
#include "runfs/worktree.h"

#include <ctype.h>
#include <string.h>

#include "git.h"
#include "runfs/buf.h"
#include "runfs/str.h"

bool git_is_sha(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

static const char empty_tree[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/* Whether git answered; its output then, whole. */
static bool ask(const char *path, const char *const args[], struct buf *ret)
{
    return *path && git_read(path, args, ret, NULL) == 0 && buf_ok(ret);
}

/* The first line of what git answers, "" when it does not. */
static const char *ask_line(const char *path, const char *const args[], struct arena *a)
{
    _buf_ struct buf out = BUF_INIT;

    if (!ask(path, args, &out))
        return "";
    const char *line = arena_strndup(a, buf_str(&out), strcspn(buf_str(&out), "\n"));
    return line ? line : "";
}
#define LINE_OF(path, a, ...) ask_line(path, GIT(__VA_ARGS__), a)

static bool is_id(const char *s)
{
    size_t len = strspn(s, "0123456789abcdef");

    return (len == 40 || len == 64) && !s[len];
}

/* What comes from a payload must not be taken for an option, nor for more than a name. */
static bool is_rev(const char *s)
{
    for (const char *p = s; *p; p++)
        if (iscntrl((unsigned char)*p) || strchr(" ~^:?*[\\", *p))
            return false;
    return *s && *s != '-' && !strstr(s, "..") && !strstr(s, "@{");
}

const char *worktree_resolve(const char *path, const char *rev, struct arena *a)
{
    const char *branch = str_starts(rev, "refs/heads/") ? rev + strlen("refs/heads/") : NULL;
    const char *of_origin = branch ? arena_printf(a, "refs/remotes/origin/%s^{commit}", branch) : NULL;
    const char *commit = is_rev(rev) ? arena_printf(a, "%s^{commit}", rev) : NULL;
    const char *id = commit ? LINE_OF(path, a, "rev-parse", "-q", "--verify", commit) : "";

    return *id || !commit || !of_origin ? id : LINE_OF(path, a, "rev-parse", "-q", "--verify", of_origin);
}

/* "COMMIT NAME" of "COMMIT refs/heads/NAME"; NULL: it is no branch. */
static const char *branch_line(const char *line, size_t len, struct arena *a)
{
    static const char *const kinds[] = {" refs/heads/", " refs/remotes/origin/"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *at = memmem(line, len, kinds[i], strlen(kinds[i]));
        const char *name = at ? at + strlen(kinds[i]) : NULL;
        if (name)
            return arena_printf(a, "%.*s %.*s", (int)(at - line), line, (int)(line + len - name), name);
    }
    return NULL;
}

static bool is_among(const char *const *lines, size_t n, const char *line)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(strchr(lines[i], ' '), strchr(line, ' ')))
            return true;
    return str_eq(strchr(line, ' '), " HEAD");
}

const char *const *worktree_branches(const char *path, struct arena *a)
{
    _buf_ struct buf out = BUF_INIT;
    size_t n = 0, max = 1;

    if (!ask(path,
             GIT("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes/origin"),
             &out))
        return NULL;
    for (const char *p = buf_str(&out); (p = strchr(p, '\n')); p++)
        max++;
    const char **lines = arena_alloc(a, max * sizeof(*lines));
    for (const char *p = buf_str(&out), *end; lines && *p && (end = strchr(p, '\n')); p = end + 1) {
        const char *line = branch_line(p, (size_t)(end - p), a);
        if (line && !is_among(lines, n, line))
            lines[n++] = line;
    }
    if (lines)
        lines[n] = NULL;
    return lines;
}

const char *worktree_nearest_tag(const char *path, struct arena *a)
{
    return LINE_OF(path, a, "describe", "--tags", "--abbrev=0");
}

const char *worktree_fork_point(const char *path, const char *one, const char *other, struct arena *a)
{
    return is_id(one) && is_id(other) ? LINE_OF(path, a, "merge-base", one, other) : "";
}

/* ----------------------------------------------------------------------------------------------- commits */

/* Each field with a NUL behind it: what is between is none. */
static const char format[] = "--format=%H%x00%P%x00%T%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00";

/* Reads one from *at on, and what is behind it. 0; -ENOENT: it was cut off; -ENOMEM. */
static int take_commit(const char **at, const char *end, struct arena *a, struct commit *ret)
{
    struct commit c = {.id = ""};
    const char **fields[] = {
        &c.id,        &c.parents,         &c.tree,           &c.author, &c.author_email, &c.author_date,
        &c.committer, &c.committer_email, &c.committer_date, &c.message};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        size_t len = strnlen(*at, (size_t)(end - *at)), kept = len;
        if (*at + len == end)
            return -ENOENT;
        while (kept && (*at)[kept - 1] == '\n') /* of the message */
            kept--;
        *fields[i] = utf8_valid(*at, len) ? arena_strndup(a, *at, kept) : "";
        if (!*fields[i])
            return -ENOMEM;
        *at += len + 1;
    }
    *at += *at < end && **at == '\n';
    c.parent = arena_strndup(a, c.parents, strcspn(c.parents, " ")); /* of a merge, the first */
    *ret = c;
    return c.parent ? 0 : -ENOMEM;
}

/* One that says nothing where git takes any: "--all-match" of a log without patterns. */
static const char *option(struct arena *a, const char *name, const char *value)
{
    return value ? arena_printf(a, "--%s=%s", name, value) : "--all-match";
}

int worktree_log(const char *path, const struct log_query *q, struct arena *a, struct commit **ret,
                 size_t *ret_n)
{
    struct commit *list = arena_array(a, struct commit, q->max + 1);
    const char *skip = arena_printf(a, "--skip=%zu", q->skip), *max = arena_printf(a, "-%zu", q->max),
               *since = option(a, "since", q->since), *until = option(a, "until", q->until),
               *author = option(a, "author", q->author), *without = q->without ? q->without : "";
    _buf_ struct buf out = BUF_INIT;
    size_t n = 0;
    int r = 0;

    if (!list || !skip || !max || !since || !until || !author || !(without = arena_printf(a, "^%s", without)))
        return -ENOMEM;
    if (!is_rev(q->rev) || (q->without && !is_id(q->without)) ||
        !ask(path,
             GIT("--literal-pathspecs", "log", max, skip, "--no-show-signature", "--encoding=UTF-8",
                 "--fixed-strings", "--regexp-ignore-case", since, until, author, format, q->rev,
                 q->without ? without : q->rev, "--", q->file),
             &out))
        return -ENOENT;
    const char *at = buf_str(&out), *end = at + out.len;
    while (r == 0 && n < q->max && at < end)
        if ((r = take_commit(&at, end, a, &list[n])) == 0)
            n++;
    if (r == -ENOMEM)
        return r;
    *ret = list;
    *ret_n = n;
    return 0;
}

int worktree_commit(const char *path, const char *rev, struct arena *a, struct commit *ret)
{
    struct commit *list;
    size_t n = 0;
    int r = worktree_log(path, &(struct log_query){.rev = rev, .max = 1}, a, &list, &n);

    *ret = n ? *list : (struct commit){"", "", "", "", "", "", "", "", "", "", ""};
    return r == -ENOENT ? 0 : r;
}

const char *const *worktree_changed_paths(const char *path, const char *from, const char *to, bool since_fork,
                                          struct arena *a)
{
    const char **paths = arena_array(a, const char *, WORKTREE_PATHS_MAX + 1);
    _buf_ struct buf out = BUF_INIT;
    size_t n = 0;

    from = *from ? from : empty_tree;
    if (!paths || !is_id(from) || !is_id(to))
        return NULL;
    const char *range = arena_printf(a, "%s%s%s", from, since_fork ? "..." : "..", to);
    if (!range ||
        !ask(path, GIT("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", range, "--"), &out))
        return NULL;
    for (const char *p = buf_str(&out); p < buf_str(&out) + out.len && n < WORKTREE_PATHS_MAX;
         p += strlen(p) + 1)
        if (!(paths[n++] = arena_strdup(a, p)))
            return NULL;
    return paths;
}

/* ----------------------------------------------------------------------------------------------- remotes */

bool remote_parse(const char *url, struct arena *a, const char **ret_full_name, const char **ret_server)
{
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url, *at = strchr(host, '@');
    size_t to_path = strcspn(host, scheme ? "/" : ":/"); /* git@host:owner/name has no scheme */

    if (at && at < host + to_path) {
        to_path -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    const char *path = host + to_path;
    if ((!scheme && *path != ':') || to_path == 0 || str_starts(url, "file:"))
        return false;
    path += strspn(path, ":/");
    size_t len = strlen(path), name_len = strcspn(host, ":/");
    while (len && path[len - 1] == '/')
        len--;
    if (len > 4 && strncmp(path + len - 4, ".git", 4) == 0)
        len -= 4;
    const char *name = memrchr(path, '/', len);
    if (!name || name == path || name + 1 == path + len)
        return false;
    const char *owner = memrchr(path, '/', (size_t)(name - path));
    owner = owner ? owner + 1 : path;
    const char *full = arena_strndup(a, owner, (size_t)(path + len - owner));
    const char *server = arena_printf(a, "https://%.*s", (int)name_len, host);
    if (!full || !server)
        return false;
    *ret_full_name = full;
    *ret_server = server;
    return true;
}

static const char *behind(const char *s, const char *prefix)
{
    return str_starts(s, prefix) ? s + strlen(prefix) : "";
}

/* The refs that tell the default branch, a line each: its name, a blank, what it points to if it is a
 * symbolic one, a blank, and * for what is checked out. False: it is no checkout. */
static bool read_refs(const char *path, struct buf *ret)
{
    return ask(path,
               GIT("for-each-ref", "--format=%(refname) %(symref) %(HEAD)", "refs/remotes/origin/HEAD",
                   "refs/heads/main", "refs/heads/master"),
               ret);
}

static const char *const usual[] = {"refs/heads/main", "refs/heads/master"};

static const char *checked_out(const char *path, const char *refs, struct arena *a)
{
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        const char *line = arena_printf(a, "%s  *", usual[i]);
        if (line && strstr(refs, line))
            return usual[i];
    }
    return LINE_OF(path, a, "symbolic-ref", "-q", "HEAD");
}

static const char *default_branch(const char *ref, const char *refs, struct arena *a)
{
    static const char of_origin[] = "refs/remotes/origin/HEAD refs/remotes/origin/";
    const char *found = strstr(refs, of_origin);

    if (found) {
        const char *name = found + strlen(of_origin);
        return arena_strndup(a, name, strcspn(name, " "));
    }
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        const char *line = arena_printf(a, "%s ", usual[i]);
        if (line && strstr(refs, line))
            return behind(usual[i], "refs/heads/");
    }
    const char *name = behind(ref, "refs/heads/");
    return *name ? name : "main";
}

void worktree_read_remote(const char *path, struct arena *a, struct worktree *ret)
{
    *ret = (struct worktree){.path = path,
                             .remote = "",
                             .full_name = "",
                             .server = "https://github.com",
                             .ref = "",
                             .default_branch = "main"};
    ret->remote = LINE_OF(path, a, "config", "--get", "remote.origin.url");
    (void)remote_parse(ret->remote, a, &ret->full_name, &ret->server);
}

/* The branch first, then its commit, so that they fit though another is checked out meanwhile. */
int worktree_read(const char *path, struct arena *a, struct worktree *ret)
{
    _buf_ struct buf refs = BUF_INIT;
    struct worktree c;

    worktree_read_remote(path, a, &c);
    c.head = (struct commit){"", "", "", "", "", "", "", "", "", "", ""};
    if (read_refs(path, &refs)) {
        c.ref = checked_out(path, buf_str(&refs), a);
        int r = worktree_commit(path, *c.ref ? c.ref : "HEAD", a, &c.head);
        if (r < 0)
            return r;
        if (*c.ref || *c.head.id)
            c.default_branch = default_branch(c.ref, buf_str(&refs), a);
    }
    if (!c.default_branch)
        return -ENOMEM;
    *ret = c;
    return 0;
}
