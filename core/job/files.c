/*
 * Files in a machine by patterns, as the toolkit of GitHub's actions finds them (packages/glob), and
 * hashFiles() on top of it. The walk is find(1)'s, in the machine; what matches is decided here.
 */
#include <fnmatch.h>

#include "job_internal.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

enum { PATTERNS_MAX = 1024, SEGMENTS_MAX = 128 };

struct pattern {
    char *text;           /* owned: absolute, no `!`, cut into segments by NULs */
    const char **segment; /* owned array */
    size_t n;
    size_t literal; /* how many leading segments have no glob characters: the search path */
    bool negate, dirs_only;
};

struct patterns {
    struct pattern *list; /* owned */
    size_t n;
};

static void patterns_release(struct patterns *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->list[i].text);
        free(p->list[i].segment);
    }
    free(p->list);
}

/* Cuts an absolute path into segments; `.` goes, `..` takes one away. */
static int cut(struct pattern *p, struct err *err)
{
    bool globbed = false;

    p->segment = calloc(SEGMENTS_MAX, sizeof(*p->segment));
    if (!p->segment)
        return -ENOMEM;
    for (char *at = p->text; *at;) {
        at += strspn(at, "/");
        size_t len = strcspn(at, "/");
        bool last = at[len] == '\0';
        if (last && len == 0)
            break;
        at[len] = '\0';
        if (str_eq(at, "..")) {
            p->n -= p->n > 0;
            p->literal = p->literal > p->n ? p->n : p->literal;
        } else if (!str_eq(at, ".")) {
            if (p->n == SEGMENTS_MAX)
                return err_set(err, -ENAMETOOLONG, "a pattern has more than %d parts", SEGMENTS_MAX);
            p->segment[p->n++] = at;
            globbed |= strpbrk(at, "*?[") != NULL;
            p->literal = globbed ? p->literal : p->n;
        }
        if (last)
            break;
        at += len + 1;
        p->dirs_only = *at == '\0';
    }
    return 0;
}

static int add_pattern(struct patterns *all, const char *line, size_t len, const char *root, const char *home,
                       struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    struct pattern p = {0};

    while (len && (line[0] == ' ' || line[0] == '\t' || line[0] == '\r'))
        line++, len--;
    while (len && strchr(" \t\r", line[len - 1]))
        len--;
    if (len == 0 || line[0] == '#')
        return 0;
    for (; len && *line == '!'; line++, len--)
        p.negate = !p.negate;
    while (len && (line[0] == ' ' || line[0] == '\t'))
        line++, len--;
    if (len == 0)
        return 0;
    if (*line == '~' && (len == 1 || line[1] == '/'))
        buf_addf(&text, "%s%.*s", home, (int)len - 1, line + 1);
    else
        buf_addf(&text, "%s%s%.*s", *line == '/' ? "" : root, *line == '/' ? "" : "/", (int)len, line);
    if (all->n >= PATTERNS_MAX)
        return err_set(err, -E2BIG, "there are more than %d patterns", PATTERNS_MAX);
    struct pattern *more = reallocarray(all->list, all->n + 1, sizeof(*more));
    if (!more)
        return err_errno(err, -ENOMEM, "patterns");
    all->list = more;
    p.text = buf_steal(&text);
    int r = p.text ? cut(&p, err) : -ENOMEM;
    all->list[all->n++] = p;
    return r == -ENOMEM ? err_errno(err, r, "patterns") : r;
}

static int parse_patterns(struct running_job *j, const char *text, struct patterns *ret, struct err *err)
{
    const struct machine_paths *paths = machine_paths(j->machine);
    int r = 0;

    for (const char *line = text; r == 0 && *line;) {
        size_t len = strcspn(line, "\n");
        r = add_pattern(ret, line, len, paths->workspace, paths->home, err);
        line += len + (line[len] == '\n');
    }
    return r;
}

/* ----------------------------------------------------------------------------------------------- matching */

/*
 * Segments of a pattern against those of a path. descend: a match of a directory takes all below it along.
 * When something does not match, the last `**` takes one segment more: an earlier one never has to, so this
 * takes no longer than pattern times path.
 */
static bool match_segments(const struct pattern *p, const char *const *path, size_t n, bool descend)
{
    size_t i = 0, k = 0, star = SIZE_MAX, taken = 0;

    for (;;) {
        if (i < p->n && str_eq(p->segment[i], "**")) {
            star = i++;
            taken = k;
        } else if (i == p->n && (k == n || descend)) {
            return true;
        } else if (i < p->n && k < n && fnmatch(p->segment[i], path[k], 0) == 0) {
            i++;
            k++;
        } else if (star != SIZE_MAX && taken < n) {
            i = star + 1;
            k = ++taken;
        } else {
            return false;
        }
    }
}

static size_t split_path(char *path, const char **segments)
{
    size_t n = 0;

    for (char *save = NULL, *s = strtok_r(path, "/", &save); s && n < SEGMENTS_MAX;
         s = strtok_r(NULL, "/", &save))
        segments[n++] = s;
    return n;
}

/* In the order of the patterns, each takes in or out. A negative one takes a directory's content out too. */
static bool matches(const struct patterns *all, const char *path, bool is_dir, unsigned flags)
{
    _free_ char *copy = strdup(path);
    const char *segments[SEGMENTS_MAX];
    size_t n = copy ? split_path(copy, segments) : 0;
    bool in = false;

    for (size_t i = 0; copy && i < all->n; i++) {
        const struct pattern *p = &all->list[i];
        bool descend = !(flags & FILES_NO_DESCENDANTS);
        bool hit = match_segments(p, segments, n, descend);
        if (hit && p->dirs_only && !is_dir && !descend)
            hit = false;
        if (hit)
            in = !p->negate;
    }
    return in;
}

/* ---------------------------------------------------------------------------------------------- the search
 */

static void search_path(const struct pattern *p, struct buf *ret)
{
    for (size_t i = 0; i < p->literal; i++)
        buf_addf(ret, "/%s", p->segment[i]);
    if (!ret->len)
        buf_adds(ret, "/");
}

static bool below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return str_eq(dir, "/") || (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

/* The search paths of the positive patterns, without those that lie in another. NULL-terminated. */
static char **search_paths(const struct patterns *all)
{
    char **paths = calloc(all->n + 1, sizeof(*paths));
    size_t n = 0;

    for (size_t i = 0; paths && i < all->n; i++) {
        _buf_ struct buf path = BUF_INIT;
        bool covered = false;
        if (all->list[i].negate)
            continue;
        search_path(&all->list[i], &path);
        for (size_t k = 0; k < n; k++)
            covered |= below(buf_str(&path), paths[k]);
        if (covered)
            continue;
        size_t kept = 0;
        for (size_t k = 0; k < n; k++) {
            if (below(paths[k], buf_str(&path)))
                free(paths[k]);
            else
                paths[kept++] = paths[k];
        }
        n = kept;
        paths[n++] = buf_steal(&path);
        paths[n] = NULL;
    }
    return paths;
}

/* Names in the order of a walk that takes each directory's entries by their bytes. */
static int by_walk(const void *a, const void *b)
{
    const unsigned char *x = (const unsigned char *)((const struct listed_file *)a)->path;
    const unsigned char *y = (const unsigned char *)((const struct listed_file *)b)->path;

    while (*x && *x == *y)
        x++, y++;
    int cx = *x == '/' ? 0 : *x, cy = *y == '/' ? 0 : *y;
    return *x == '\0' || *y == '\0' ? (*x != '\0') - (*y != '\0') : cx - cy;
}

static bool is_hidden(const char *path, const char *root)
{
    const char *rest = path + strlen(root);

    return strncmp(rest, ".", 1) == 0 || strstr(rest, "/.");
}

/* "TYPE SIZE PATH" */
static bool parse_entry(const char *entry, int64_t *ret_size, const char **ret_path)
{
    char *after;

    if (!entry[0] || entry[1] != ' ' || entry[2] < '0' || entry[2] > '9')
        return false;
    *ret_size = strtoll(entry + 2, &after, 10);
    *ret_path = after + 1;
    return after[0] == ' ' && after[1] == '/';
}

static int take_listing(const struct buf *listing, const struct patterns *all, unsigned flags,
                        struct file_list *ret, struct err *err)
{
    const char *at = buf_str(listing), *end = at + listing->len;

    while (at < end) {
        const char *entry = at, *path;
        int64_t size;
        at += strlen(at) + 1;
        /* the machine's find may be anybody's: nothing it says is taken on trust */
        if (!parse_entry(entry, &size, &path) || !below(path, ret->root))
            continue;
        char type = entry[0];
        if (!matches(all, path, type == 'd', flags) ||
            ((flags & FILES_NO_HIDDEN) && is_hidden(path, ret->root)))
            continue;
        if ((ret->n & (ret->n + 1)) == 0) {
            struct listed_file *more = reallocarray(ret->files, (ret->n + 1) * 2, sizeof(*more));
            if (!more)
                return err_errno(err, -ENOMEM, "files");
            ret->files = more;
        }
        ret->files[ret->n] = (struct listed_file){.path = strdup(path), .type = type, .size = size};
        if (!ret->files[ret->n++].path)
            return err_errno(err, -ENOMEM, "files");
    }
    return 0;
}

/* The deepest directory that holds all search paths; of a single file, the one it is in. */
static char *common_root(char *const *paths, const struct buf *listing)
{
    _free_ char *root = strdup(paths[0] ? paths[0] : "/");

    for (size_t i = 1; root && paths[i]; i++)
        while (!below(paths[i], root)) {
            char *slash = strrchr(root, '/');
            slash[slash == root] = '\0';
        }
    if (root && paths[0] && !paths[1] && listing->len && buf_str(listing)[0] != 'd') {
        char *slash = strrchr(root, '/');
        slash[slash == root] = '\0';
    }
    return TAKE(root);
}

static int list(struct running_job *j, char *const *paths, bool follow, struct buf *ret, struct err *err)
{
    static char find[] = "find", option_l[] = "-L", option_p[] = "-P", ignore[] = "-ignore_readdir_race",
                print[] = "-printf", format[] = "%y %s %p\\0";
    char *argv[PATTERNS_MAX + 8] = {find, follow ? option_l : option_p};
    size_t n = 2;

    while (*paths)
        argv[n++] = *paths++;
    argv[n++] = ignore;
    argv[n++] = print;
    argv[n++] = format;
    int r = tool_run(j, &(struct tool){.argv = argv, .cwd = "/", .out = ret}, err);
    return r > 0 ? 0 : r; /* a path that is not there is no error: it matches nothing */
}

int files_find(struct running_job *j, const char *patterns, unsigned flags, struct file_list *ret,
               struct err *err)
{
    struct patterns all = {0};
    _buf_ struct buf listing = BUF_INIT;
    char **paths = NULL;
    int r = parse_patterns(j, patterns, &all, err);

    *ret = (struct file_list){0};
    if (r == 0) {
        paths = search_paths(&all);
        r = paths ? 0 : err_errno(err, -ENOMEM, "files");
    }
    if (r == 0 && paths[0])
        r = list(j, paths, flags & FILES_FOLLOW, &listing, err);
    if (r == 0) {
        ret->root = common_root(paths, &listing);
        r = ret->root ? take_listing(&listing, &all, flags, ret, err) : err_errno(err, -ENOMEM, "files");
    }
    if (r == 0 && ret->n)
        qsort(ret->files, ret->n, sizeof(*ret->files), by_walk);
    strv_free(paths);
    patterns_release(&all);
    if (r < 0)
        file_list_release(ret);
    return r;
}

void file_list_release(struct file_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->files[i].path);
    free(l->files);
    free(l->root);
    *l = (struct file_list){0};
}

/* ----------------------------------------------------------------------------------------------- hashFiles
 */

static int from_hex(const char *hex, unsigned char *ret)
{
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return -EIO;
        ret[i] = (unsigned char)byte;
    }
    return 0;
}

/* The digest of the files' digests, as GitHub's runner makes it. */
static int digest_of_digests(const char *sums, size_t len, struct value *ret, struct err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char one[32], all[EVP_MAX_MD_SIZE];
    char hex[2 * 32 + 1];
    int r = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ? 0 : -ENOMEM;

    for (const char *at = sums; r == 0 && at < sums + len; at += strlen(at) + 1) {
        r = strlen(at) > 66 ? from_hex(at, one) : -EIO;
        if (r == 0 && !EVP_DigestUpdate(ctx, one, sizeof(one)))
            r = -EIO;
    }
    if (r == 0 && !EVP_DigestFinal_ex(ctx, all, NULL))
        r = -EIO;
    EVP_MD_CTX_free(ctx);
    if (r < 0)
        return err_errno(err, r, "hashFiles");
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", all[i]);
    *ret = value_string(hex, 64);
    return 0;
}

static int hash_list(struct running_job *j, const struct buf *paths, struct value *ret, struct err *err)
{
    _buf_ struct buf name = BUF_INIT, sums = BUF_INIT, errors = BUF_INIT;

    buf_addf(&name, "%s/hash-files", machine_paths(j->machine)->files);
    if (!buf_ok(&name))
        return err_errno(err, -ENOMEM, "hashFiles");
    struct machine_file file = {
        .path = buf_str(&name), .mode = 0600, .data = buf_str(paths), .len = paths->len};
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exec xargs -0 sha256sum -z -- < \"$1\""},
                          (char[]){"sh"}, name.ptr,       NULL};
    int r = tool_run(j, &(struct tool){.argv = argv, .file = &file, .out = &sums, .errors = &errors}, err);
    if (r > 0)
        return err_set(err, -EIO, "hashFiles: %.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors));
    return r < 0 ? r : digest_of_digests(buf_str(&sums), sums.len, ret, err);
}

int hash_files(struct running_step *s, const struct value *args, size_t n, struct value *ret, struct err *err)
{
    const char *workspace = machine_paths(s->job->machine)->workspace;
    _buf_ struct buf patterns = BUF_INIT, paths = BUF_INIT;
    struct file_list list;
    unsigned flags = 0;

    for (size_t i = 0; i < n; i++) {
        size_t start = patterns.len;
        value_to_string(&args[i], &patterns);
        if (i == 0 && n > 1 && str_eq(buf_str(&patterns), "--follow-symbolic-links")) {
            flags |= FILES_FOLLOW;
            patterns.len = start;
            continue;
        }
        buf_addc(&patterns, '\n');
    }
    int r = files_find(s->job, buf_str(&patterns), flags, &list, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < list.n; i++)
        if (list.files[i].type == 'f' && below(list.files[i].path, workspace))
            buf_add(&paths, list.files[i].path, strlen(list.files[i].path) + 1);
    file_list_release(&list);
    if (paths.len == 0) {
        *ret = value_string("", 0);
        return 0;
    }
    return hash_list(s->job, &paths, ret, err);
}
