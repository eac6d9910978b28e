/*
 * Submodules of a work tree that the host makes. What a repository says of them is hostile: a URL that is a
 * path would bring any repository of the host into the job. So paths are followed only to what the linked
 * checkout has of a submodule itself, which also needs no network, and within the directory of mirrors.
 */
#include "checkout_internal.h"

#include "git.h"
#include "runfs/str.h"

enum { NEST_MAX = 20, FILTERS_MAX = 18 };

struct submodule {
    const struct checkout *what;
    const char *dir;         /* of the work tree that it is in */
    char *name, *path, *url; /* owned; url: as git resolved it */
};

static void submodule_release(struct submodule *m)
{
    free(m->name);
    free(m->path);
    free(m->url);
}

/* Its name is also that of a directory. */
static bool name_is_safe(const char *name)
{
    return *name && *name != '/' && !str_starts(name, "../") && !strstr(name, "/../") &&
           !str_ends(name, "/..") && !str_eq(name, "..");
}

static int set_url(const struct submodule *m, const char *url, struct err *err)
{
    _buf_ struct buf key = BUF_INIT;

    buf_addf(&key, "submodule.%s.url", m->name);
    return git_run(m->dir, GIT("config", buf_str(&key), url), NULL, err);
}

static size_t add_words(const char *args[], size_t n, const char *const words[])
{
    while (*words)
        args[n++] = *words++;
    return n;
}

/* Settings that take away what the user's own have for attributes (see git_set_filters()), which is told only
 * by name here: a submodule is cloned and checked out in one go. `-c` before each. */
static int no_filters(char *list[FILTERS_MAX], size_t *n, struct err *err)
{
    _buf_ struct buf names = BUF_INIT;
    char *save = NULL;

    /* without any, git says nothing and fails */
    (void)git_run(NULL,
                  GIT("config", "--name-only", "--get-regexp", "^filter\\..*\\.(smudge|process|required)$"),
                  &names, NULL);
    for (char *key = names.len ? strtok_r(names.ptr, "\n", &save) : NULL; key;
         key = strtok_r(NULL, "\n", &save)) {
        _buf_ struct buf setting = BUF_INIT;
        buf_addf(&setting, "%s=%s", key, str_ends(key, ".required") ? "false" : "");
        if (*n == FILTERS_MAX)
            return err_set(err, -E2BIG, "git is configured with more than %d settings of filters",
                           FILTERS_MAX);
        if (!(list[*n] = buf_steal(&setting)))
            return err_errno(err, -ENOMEM, "submodules");
        ++*n;
    }
    return 0;
}

static int update_with(const struct submodule *m, bool from_paths, char *const filters[], size_t n_filters,
                       struct err *err)
{
    _buf_ struct buf depth = BUF_INIT, pin = BUF_INIT;
    static const char *const paths[] = {"-c", "protocol.file.allow=always", NULL},
                             *const web[] = {"-c", "protocol.https.allow=always", "-c",
                                             "protocol.http.allow=always", NULL};
    const char *args[24 + 2 * FILTERS_MAX] = {"-c", "protocol.allow=never", "-c",
                                              "http.followRedirects=false"};
    size_t n = 4;
    int r = from_paths ? 0 : git_check_peer(m->url, &pin, err);

    if (r < 0)
        return r;
    n = add_words(args, n, from_paths ? paths : web);
    if (pin.len)
        n = add_words(args, n, GIT("-c", buf_str(&pin)));
    for (size_t i = 0; i < n_filters; i++)
        n = add_words(args, n, GIT("-c", filters[i]));
    n = add_words(args, n, GIT("submodule", "-q", "update", "--init", "--force"));
    buf_addf(&depth, "--depth=%d", m->what->depth);
    if (m->what->depth > 0)
        args[n++] = buf_str(&depth);
    args[n++] = "--";
    args[n++] = m->path;
    args[n] = NULL;
    return git_run(m->dir, args, NULL, err);
}

static int update(const struct submodule *m, bool from_paths, struct err *err)
{
    char *filters[FILTERS_MAX] = {0};
    size_t n = 0;
    int r = no_filters(filters, &n, err);

    if (r == 0)
        r = update_with(m, from_paths, filters, n, err);
    for (size_t i = 0; i < n; i++)
        free(filters[i]);
    return r;
}

/* From the repository that the linked checkout has of it; afterwards nothing in the tree tells where that is.
 */
static int take_from(const struct submodule *m, const char *repository, struct err *err)
{
    _buf_ struct buf git_dir = BUF_INIT;
    int r = set_url(m, repository, err);

    buf_addf(&git_dir, "%s/.git/modules/%s", m->dir, m->name);
    if (r == 0)
        r = update(m, true, err);
    if (r == 0)
        r = git_run(buf_str(&git_dir), GIT("remote", "set-url", "origin", m->url), NULL, err);
    int back = set_url(m, m->url, r == 0 ? err : NULL);
    return r < 0 ? r : back;
}

/* Whether it is a repository beside the one that it is a submodule of, in a directory of mirrors. */
static bool in_mirror(const struct submodule *m, const char *mirror)
{
    size_t n = mirror ? strlen(mirror) : 0;

    return n && strncmp(m->url, mirror, n) == 0 && m->url[n] == '/' && !strstr(m->url, "/../") &&
           !str_ends(m->url, "/..");
}

static int take(const struct submodule *m, const char *source, const char *mirror, struct err *err)
{
    struct err why = {0};

    if (*source && checkout_is_git(source) && take_from(m, source, NULL) == 0)
        return 0;
    int r = update(m, in_mirror(m, mirror), &why);
    if (r < 0 && (*m->url == '/' || str_starts(m->url, "file:")))
        return err_set(
            err, r,
            "the submodule '%s' is at a path of this host (%s), which is not followed: run `git submodule "
            "update --init` in the linked checkout, and it is taken from there",
            m->name, m->url);
    return r < 0 ? err_set(err, r, "submodule '%s': %s", m->name, why.msg) : 0;
}

static int take_all(const struct checkout *what, const char *dir, const char *source, const char *mirror,
                    int level, struct err *err);

/* One entry "submodule.NAME.path" with its value. */
static int take_entry(const struct checkout *what, const char *dir, const char *entry, const char *source,
                      const char *mirror, int level, struct err *err)
{
    const char *value = strchr(entry, '\n'), *name = entry + strlen("submodule.");
    _cleanup_(submodule_release) struct submodule m = {.what = what, .dir = dir};
    _buf_ struct buf url = BUF_INIT, key = BUF_INIT, own = BUF_INIT, below = BUF_INIT;

    if (!value || value - name <= (ptrdiff_t)strlen(".path"))
        return 0;
    m.name = strndup(name, (size_t)(value - name) - strlen(".path"));
    m.path = strdup(value + 1);
    if (!m.name || !m.path)
        return err_errno(err, -ENOMEM, "submodules");
    buf_addf(&key, "submodule.%s.url", m.name);
    if (git_run(dir, GIT("config", "-z", "--get", buf_str(&key)), &url, NULL) < 0)
        return 0; /* git did not take it for one: it is not active, or no submodule is there */
    m.url = strdup(buf_str(&url));
    if (!m.url)
        return err_errno(err, -ENOMEM, "submodules");
    if (source && name_is_safe(m.name))
        buf_addf(&own, "%s/modules/%s", source, m.name);
    int r = take(&m, buf_str(&own), mirror, err);
    buf_addf(&below, "%s/%s", dir, m.path);
    return r == 0 && what->nested
               ? take_all(what, buf_str(&below), own.len ? buf_str(&own) : NULL, mirror, level + 1, err)
               : r;
}

static int take_all(const struct checkout *what, const char *dir, const char *source, const char *mirror,
                    int level, struct err *err)
{
    _buf_ struct buf list = BUF_INIT;
    int r;

    if (level > NEST_MAX)
        return err_set(err, -ELOOP, "submodules are nested more than %d deep", NEST_MAX);
    /* no such file is no submodules */
    if (git_run(dir,
                GIT("config", "-z", "--blob", "HEAD:.gitmodules", "--get-regexp", "^submodule\\..*\\.path$"),
                &list, NULL) < 0)
        return 0;
    r = git_run(dir, GIT("submodule", "-q", "init"), NULL, err);
    for (const char *entry = buf_str(&list); r == 0 && entry < buf_str(&list) + list.len;
         entry += strlen(entry) + 1)
        r = take_entry(what, dir, entry, source, mirror, level, err);
    return r;
}

int checkout_submodules(const struct checkout *what, const char *dir, const char *checkout,
                        const char *mirror, struct err *err)
{
    _buf_ struct buf git_dir = BUF_INIT;

    if (checkout && git_run_checked(checkout, GIT("rev-parse", "--path-format=absolute", "--git-common-dir"),
                                    &git_dir, NULL) == 0)
        git_dir.ptr[strcspn(git_dir.ptr, "\n")] = '\0';
    return take_all(what, dir, *buf_str(&git_dir) ? buf_str(&git_dir) : NULL, mirror, 0, err);
}
