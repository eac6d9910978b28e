/* Artifacts that steps declare in GITHUB_ARTIFACTS, with their digests (GitHub's runner, the file command
 * `artifacts`): files of the machine, and images that went to a registry. */
#include "subjects.h"

#include <ctype.h>

#include "runfs/str.h"

enum { SUBJECTS_MAX = 500 };

/* What a line declares. */
struct entry {
    size_t line;
    const char *text;   /* borrowed; of a file its path as it was declared */
    size_t len;         /* of an image: its reference */
    const char *digest; /* of an image, "ALGORITHM:HEX", borrowed; NULL: a file */
    char problem[160];  /* why it declares nothing; "" */
};

static bool starts_nocase(const char *s, size_t len, const char *prefix)
{
    return len >= strlen(prefix) && strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static bool has_scheme(const char *s, size_t len)
{
    size_t n = 0;

    while (n < len && (isalnum((unsigned char)s[n]) || (n && memchr("+-.", s[n], 3))))
        n++;
    return n && isalpha((unsigned char)s[0]) && len - n >= 3 && memcmp(s + n, "://", 3) == 0;
}

/* "REFERENCE@sha256:HEX" in its parts; ret_wanted is how many digits such a digest has. */
static bool split_image(const char *s, size_t len, size_t *ret_len, const char **ret_digest,
                        size_t *ret_wanted)
{
    static const struct {
        const char *name;
        size_t digits;
    } kinds[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};
    const char *at = memrchr(s, '@', len);

    for (size_t i = 0; at && at > s && i < ARRAY_LEN(kinds); i++) {
        const char *hex = at + 1 + strlen(kinds[i].name), *end = s + len;
        if (hex >= end || memcmp(at + 1, kinds[i].name, strlen(kinds[i].name)) != 0)
            continue;
        while (hex < end && isxdigit((unsigned char)*hex))
            hex++;
        if (hex < end)
            return false;
        *ret_len = (size_t)(at - s);
        *ret_digest = at + 1;
        *ret_wanted = kinds[i].digits;
        return true;
    }
    return false;
}

static void parse_image(struct entry *e, const char *s, size_t len)
{
    size_t wanted, digits;

    if (!split_image(s, len, &e->len, &e->digest, &wanted)) {
        snprintf(e->problem, sizeof(e->problem),
                 "oci:// entries must include an @sha{256,384,512}:<hex> digest");
        return;
    }
    e->text = s;
    digits = (size_t)(s + len - e->digest) - strlen("sha256:");
    if (digits != wanted)
        snprintf(e->problem, sizeof(e->problem), "digest '%.6s' must be %zu hex characters, got %zu",
                 e->digest, wanted, digits);
}

static void parse_entry(struct entry *e, const char *s, size_t len)
{
    static const char file[] = "file://", oci[] = "oci://";
    size_t image, wanted;
    const char *digest;

    e->text = s;
    e->len = len;
    if (memchr(s, '=', len)) {
        snprintf(e->problem, sizeof(e->problem), "entries containing '=' are reserved and not permitted");
    } else if (starts_nocase(s, len, file)) {
        e->text += strlen(file);
        e->len -= strlen(file);
        if (e->len == 0)
            snprintf(e->problem, sizeof(e->problem), "file:// entries must include a path");
    } else if (starts_nocase(s, len, oci)) {
        parse_image(e, s + strlen(oci), len - strlen(oci));
    } else if (has_scheme(s, len)) {
        snprintf(e->problem, sizeof(e->problem), "unsupported URI scheme");
    } else if (split_image(s, len, &image, &digest, &wanted) &&
               (size_t)(s + len - digest) - strlen("sha256:") == wanted) {
        parse_image(e, s, len);
    }
}

/* The entries of a file; owned by free(). Neither blank lines nor comments count. */
static struct entry *parse_all(const char *text, size_t len, size_t *ret_n)
{
    const char *end = text + len;
    size_t lines = 1, line = 0, n = 0;

    for (const char *s = text; s < end; s++)
        lines += *s == '\n';
    struct entry *entries = calloc(lines, sizeof(*entries));
    for (const char *s = text; entries && s < end;) {
        const char *newline = memchr(s, '\n', (size_t)(end - s)), *stop = newline ? newline : end;
        line++;
        while (s < stop && isspace((unsigned char)*s))
            s++;
        while (stop > s && isspace((unsigned char)stop[-1]))
            stop--;
        if (s < stop && *s != '#') {
            entries[n].line = line;
            parse_entry(&entries[n++], s, (size_t)(stop - s));
        }
        s = newline ? newline + 1 : end;
    }
    *ret_n = n;
    return entries;
}

/* Asks the machine what the files are: a line for each, "f HEX", "d" for a directory, "n" for nothing. */
static int look_at_files(struct running_job *j, const struct entry *entries, size_t n, struct buf *ret,
                         struct err *err)
{
    static char script[] =
        "exec xargs -0 -n 1 sh -c 'if [ -d \"$1\" ]; then echo d; elif [ -f \"$1\" ]; then "
        "h=$(sha256sum < \"$1\") && echo \"f ${h%% *}\" || echo n; else echo n; fi' sh < \"$1\"";
    const char *workspace = machine_paths(j->machine)->workspace;
    _buf_ struct buf names = BUF_INIT, list = BUF_INIT, errors = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        if (entries[i].digest || *entries[i].problem)
            continue;
        if (*entries[i].text != '/')
            buf_addf(&names, "%s/", workspace);
        buf_add(&names, entries[i].text, entries[i].len);
        buf_addc(&names, '\0');
    }
    buf_addf(&list, "%s/artifacts", machine_paths(j->machine)->files);
    if (names.len == 0 || !buf_ok(&names) || !buf_ok(&list))
        return names.len == 0 && buf_ok(&names) ? 0 : err_errno(err, -ENOMEM, "artifacts");
    struct machine_file file = {
        .path = buf_str(&list), .mode = 0600, .data = buf_str(&names), .len = names.len};
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, (char[]){"sh"}, list.ptr, NULL};
    int r = tool_run(j, &(struct tool){.argv = argv, .file = &file, .out = ret, .errors = &errors}, err);
    return r > 0 ? err_set(err, -EIO, "the artifacts cannot be read: %.200s", buf_str(&errors)) : r;
}

/* The name and the digest of an entry. seen: its file's line. -EINVAL: err says why it is none. */
static int subject_of(struct running_job *j, const struct entry *e, const char *seen, struct buf *name,
                      struct buf *digest, struct err *err)
{
    const char *slash = memrchr(e->text, '/', e->len), *base = slash ? slash + 1 : e->text;
    int len = (int)(e->len > 1000 ? 1000 : e->len);

    if (*e->problem)
        return err_set(err, -EINVAL, "%s", e->problem);
    if (e->digest) {
        buf_add(name, e->text, e->len);
        for (const char *c = e->digest;
             isxdigit((unsigned char)*c) || *c == ':' || isalpha((unsigned char)*c); c++)
            buf_addc(digest, (char)tolower((unsigned char)*c));
        return 0;
    }
    if (*seen == 'd')
        return err_set(err, -EINVAL, "'%.*s' is a directory, not a regular file", len, e->text);
    if (*seen != 'f' && *e->text == '/')
        return err_set(err, -EINVAL, "file '%.*s' does not exist", len, e->text);
    if (*seen != 'f')
        return err_set(err, -EINVAL,
                       "file '%.*s' does not exist (relative paths are resolved against the workspace root "
                       "'%s')",
                       len, e->text, machine_paths(j->machine)->workspace);
    buf_add(name, base, (size_t)(e->text + e->len - base));
    buf_addf(digest, "sha256:%.64s", seen + 2);
    return 0;
}

/* Among those of the job; 1 when it is new. */
static int keep(json_t *subjects, const char *name, const char *digest, bool image, struct err *err)
{
    const char *before = json_string_value(json_object_get(json_object_get(subjects, name), "digest"));

    if (before && str_eq(before, digest))
        return 0;
    if (before)
        return err_set(err, -EINVAL,
                       "Conflicting digest for artifact '%s': previously declared as '%s', now declared as "
                       "'%s'.",
                       name, before, digest);
    if (json_object_size(subjects) >= SUBJECTS_MAX)
        return err_set(err, -EINVAL, "The job has exceeded the maximum of %d declared artifacts.",
                       SUBJECTS_MAX);
    json_t *subject =
        json_pack("{s:s, s:s, s:s}", "name", name, "digest", digest, "kind", image ? "oci" : "file");
    return json_object_set_new(subjects, name, subject) < 0 ? err_errno(err, -ENOMEM, "artifacts") : 1;
}

static int take_entry(struct running_job *j, const struct entry *e, const char *seen, bool keeps,
                      struct err *err)
{
    _buf_ struct buf name = BUF_INIT, digest = BUF_INIT;
    struct err why = {0};
    int r = subject_of(j, e, seen, &name, &digest, &why);

    if (r == 0 && !utf8_valid(buf_str(&name), name.len))
        r = err_set(&why, -EINVAL, "its name is not UTF-8");
    if (r == 0 && keeps)
        r = keep(j->whole->subjects, buf_str(&name), buf_str(&digest), e->digest != NULL, &why);
    return r < 0 ? err_set(err, r, "Invalid $GITHUB_ARTIFACTS entry on line %zu: %s", e->line, why.msg) : r;
}

/* Once to see whether all are well, and once to keep them. Returns how many were new. */
static int take_entries(struct running_job *j, const struct entry *entries, size_t n, const char *seen,
                        bool keeps, struct err *err)
{
    int added = 0;

    for (size_t i = 0; i < n; i++) {
        bool file = !entries[i].digest && !*entries[i].problem;
        int r = take_entry(j, &entries[i], file ? seen : "", keeps, err);
        if (r < 0)
            return r;
        added += r;
        seen += file ? strcspn(seen, "\n") : 0;
        seen += file && *seen;
    }
    return added;
}

int subjects_take(struct running_step *s, const char *text, size_t len, struct err *err)
{
    struct running_job *j = s->job;
    _buf_ struct buf seen = BUF_INIT;
    size_t n = 0;
    _free_ struct entry *entries = parse_all(text, len, &n);

    if (n == 0)
        return entries ? 0 : err_errno(err, -ENOMEM, "artifacts");
    if (!j->whole->subjects)
        j->whole->subjects = json_object();
    int r = look_at_files(j, entries, n, &seen, err);
    if (r == 0)
        r = take_entries(j, entries, n, buf_str(&seen), false, err);
    if (r == 0)
        r = take_entries(j, entries, n, buf_str(&seen), true, err);
    if (r > 0)
        output_runner_line(&s->output, "Captured %d artifact subject(s) from this step (job total: %zu).", r,
                           json_object_size(j->whole->subjects));
    return r < 0 ? r : 0;
}

char *subjects_list(const struct running_job *j)
{
    _json_ json_t *list = json_array(), *sorted = NULL;
    json_t *subjects = j->whole->subjects, *subject;
    const char *name;

    if (subjects) { /* by name: jansson sorts the keys that it prints */
        _free_ char *text = json_dumps(subjects, JSON_SORT_KEYS);
        sorted = text ? json_loads(text, 0, NULL) : NULL;
    }
    json_object_foreach(sorted, name, subject) json_array_append(list, json_object_get(subjects, name));
    _json_ json_t *whole = json_pack("{s:i, s:O}", "version", 1, "subjects", list);
    return whole ? json_dumps(whole, JSON_COMPACT) : NULL;
}
