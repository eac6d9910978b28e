/* Linked repositories: their workflows are registered under repos/NAME, read-only, and follow the checkout.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "deliver.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/mirror.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static int refresh_file(struct engine *e, const struct repo_row *repo, enum forge forge, const char *name,
                        struct err *err)
{
    int64_t id = store_find_workflow(e->store, repo->id, name, true);
    const struct workflow_row *old = id ? store_get_workflow(e->store, id) : NULL;
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT, error_name = BUF_INIT, complaints = BUF_INIT;
    const struct workflow_opts opts = {.forge = forge};
    struct workflow *w = NULL;
    _lint_ struct lint lint = {0};
    int r;

    buf_addf(&path, "%s/%s", forge_folder(forge), name);
    buf_addf(&error_name, "%s:%s", repo->name, name);
    r = read_file_beneath(repo->path, buf_str(&path), WORKFLOW_MAX, &text, err);
    if (r == -EXDEV && old && !old->removed)
        (void)engine_unregister(e, id, NULL);
    if (r == 0 && memchr(buf_str(&text), '\0', text.len))
        r = err_set(err, -EINVAL, "%s is not text", name);
    bool same = r == 0 && old && !old->removed && old->forge == (int)forge && old->source_len == text.len &&
                memcmp(old->source, buf_str(&text), text.len) == 0;
    if (r == 0 && !same) {
        (void)workflow_parse(name, buf_str(&text), text.len, &opts, &w, &lint);
        for (size_t i = 0; i < lint.n; i++)
            buf_addf(&complaints, "%s\n", lint.errors[i].msg);
        (void)store_put_error(e->store, buf_str(&error_name), w ? NULL : buf_str(&complaints), NULL);
        struct workflow_row row = {.id = id,
                                   .repo_id = repo->id,
                                   .name = name,
                                   .title = w && *w->name ? w->name : name,
                                   .source = buf_str(&text),
                                   .changed_at = now_ns(),
                                   .last_run = old ? old->last_run : 0,
                                   .forge = (int)forge};
        r = store_put_workflow(e->store, &row, err);
    }
    workflow_free(w);
    workflow_row_unref(old);
    return r;
}

/* Workflows whose file is gone are unregistered. folder -1: all are gone. */
static void refresh_removed(struct engine *e, const struct repo_row *repo, int folder)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_workflows(e->store, repo->id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct workflow_row *row = store_get_workflow(e->store, ids[i]);
            if (row && (folder < 0 || faccessat(folder, row->name, F_OK, 0) < 0))
                (void)engine_unregister(e, ids[i], NULL);
            workflow_row_unref(row);
        }
        after = ids[n - 1];
    }
}

void repo_register(struct engine *e, const struct repo_row *repo)
{
    enum forge forge = checkout_forge(repo->path);
    _closedir_ DIR *d = open_forge_folder(repo->path, forge);
    struct dirent *entry;
    int count = 0;

    while (d && (entry = readdir(d)) && count < WORKFLOWS_MAX) {
        struct err file_err = {0};
        bool wanted = entry->d_name[0] != '.' && name_check(entry->d_name) == 0 &&
                      (str_ends(entry->d_name, ".yml") || str_ends(entry->d_name, ".yaml"));
        if (!wanted)
            continue;
        count++;
        if (refresh_file(e, repo, forge, entry->d_name, &file_err) < 0)
            log_warning("run", "repository %s: %s", repo->name, file_err.msg);
    }
    refresh_removed(e, repo, d ? dirfd(d) : -1);
}

int engine_refresh_repo(struct engine *e, int64_t repo_id, struct err *err)
{
    const struct repo_row *repo = store_get_repo(e->store, repo_id);

    if (!repo)
        return err_set(err, -ENOENT, "there is no such repository");
    if (!mirror_is(e->store, repo->path)) /* that is registered by who changes it */
        repo_register(e, repo);
    repo_row_unref(repo);
    return 0;
}

static void settle(struct engine *e, const struct repo_row *repo)
{
    _close_ int held = -1;
    struct err err = {0};

    if (mirror_hold(e->store, repo->path, &held, &err) < 0) {
        log_warning("run", "repository %s: %s", repo->name, err.msg);
        return;
    }
    mirror_settle(repo);
    repo_register(e, repo);
}

void repos_settle(struct engine *e)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    repositories_name(e);
    while ((n = store_list_repos(e->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct repo_row *row = store_get_repo(e->store, ids[i]);
            if (row && mirror_is(e->store, row->path))
                settle(e, row);
            repo_row_unref(row);
        }
        after = ids[n - 1];
    }
}

/* full_name NULL: by its origin, as that is now. */
static int put_link(struct engine *e, struct repo_row *row, struct err *err)
{
    _buf_ struct buf full_name = BUF_INIT;
    int r = row->full_name ? 0 : repository_name(e, row->name, row->path, &full_name, err);

    if (!row->full_name)
        row->full_name = buf_str(&full_name);
    r = r == 0 ? store_put_repo(e->store, row, err) : r;
    row->full_name = NULL; /* is not kept here */
    return r;
}

static int link_address(struct engine *e, const char *name, const char *address, struct err *err)
{
    struct repo_row row = {.name = name, .changed_at = now_ns()};
    _buf_ struct buf path = BUF_INIT;

    if (store_find_repo(e->store, name))
        return err_set(err, -EEXIST, "there is a repository '%s' already", name);
    proc_until(engine_ending, e);
    int r = mirror_make(e->store, name, address, &path, err);
    proc_until(NULL, NULL);
    if (r < 0)
        return r;
    row.path = buf_str(&path);
    r = put_link(e, &row, err);
    if (r == 0)
        settle(e, &row);
    else
        mirror_remove(e->store, row.path);
    return r;
}

static int check_name(const char *name, struct err *err)
{
    if (name_check(name) < 0 || name[0] == '.' || strchr(name, ':'))
        return err_set(err, -EINVAL, "'%s' cannot be the name of a repository", name);
    return 0;
}

int engine_link_repo(struct engine *e, const char *name, const char *path, struct err *err)
{
    struct repo_row row = {.name = name, .path = path, .changed_at = now_ns()};
    struct stat st;

    if (check_name(name, err) < 0)
        return -EINVAL;
    if (mirror_is_address(path))
        return link_address(e, name, path, err);
    if (path[0] != '/' || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "'%s' is neither the absolute path of a directory nor an address",
                       path);
    if (store_find_repo(e->store, name))
        return err_set(err, -EEXIST, "there is a repository '%s' already", name);
    int r = put_link(e, &row, err);
    return r < 0 ? r : engine_refresh_repo(e, row.id, err);
}

void engine_repo_target(struct engine *e, const struct repo_row *repo, struct buf *ret)
{
    if (mirror_address(e->store, repo->path, ret) < 0)
        buf_adds(ret, repo->path);
}

int engine_unlink_repo(struct engine *e, int64_t repo_id, struct err *err)
{
    const struct repo_row *repo = store_get_repo(e->store, repo_id);
    int r = store_delete_repo(e->store, repo_id, err);

    if (r == 0 && repo)
        mirror_remove(e->store, repo->path);
    repo_row_unref(repo);
    return r;
}

int engine_move_repo(struct engine *e, int64_t repo_id, const char *name, struct err *err)
{
    const struct repo_row *repo = store_get_repo(e->store, repo_id);
    int64_t other = store_find_repo(e->store, name);
    int r = repo ? check_name(name, err) : err_set(err, -ENOENT, "there is no such repository");

    if (r == 0 && mirror_is(e->store, repo->path))
        r = err_set(err, -EPERM, "a mirror keeps its name: rm repos/%s, and link its address anew",
                    repo->name);
    if (r == 0) {
        struct repo_row row = {.name = name, .path = repo->path, .changed_at = now_ns()};
        if (other && other != repo_id)
            r = engine_unlink_repo(e, other, err);
        if (r == 0)
            r = engine_unlink_repo(e, repo_id, err);
        row.full_name = repository_is_local(repo) ? NULL : repo->full_name;
        if (r == 0)
            r = put_link(e, &row, err);
        if (r == 0)
            r = engine_refresh_repo(e, row.id, err);
    }
    repo_row_unref(repo);
    return r;
}
