/* What a job asks of the world outside its machine, where it runs for this process's engine. */
#include "local.h"
#include "containers.h"

#include <fcntl.h>

#include "engine_internal.h"
#include "resume.h"
#include "runfs/artifact.h"
#include "runfs/cache.h"
#include "runfs/checkout.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/remotes.h"
#include "runfs/str.h"
#include "sink.h"

static const struct run *run_of(const struct local_outside *l)
{
    return l->job->run;
}

static struct store *store_of(const struct local_outside *l)
{
    return l->job->run->e->store;
}

/* --------------------------------------------------------------------------------------------------- files
 */

static void scratch_path(const struct local_outside *l, struct buf *ret)
{
    buf_addf(ret, "%s/scratch", store_dir(store_of(l)));
}

static int scratch_file(const struct local_outside *l, int *ret_fd, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT;

    scratch_path(l, &dir);
    int r = make_dirs(buf_str(&dir), 0700);
    *ret_fd = r == 0 ? open(buf_str(&dir), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
    return *ret_fd < 0 ? err_errno(err, r < 0 ? r : -errno, "%s", buf_str(&dir)) : 0;
}

static int scratch(void *data, enum room_of of, struct scratch *ret, struct err *err)
{
    int fd, r = scratch_file(data, &fd, err);

    if (r == 0)
        *ret = (struct scratch){.fd = fd, .room = room_make(store_of(data), of)};
    return r;
}

/* ------------------------------------------------------------------------------------------- repositories */

static int action(void *data, const char *repository, const char *ref, char ret_sha[41], int *ret_tar_fd,
                  struct err *err)
{
    struct remotes *rs = run_of(data)->e->remotes;
    int r = remote_resolve(rs, repository, ref, ret_sha, err);

    return r == 0 ? remote_tar(rs, repository, ret_sha, ret_tar_fd, err) : r;
}

/* The path of the repository that is linked, if it is the only one; "" otherwise. */
static void only_linked(struct store *st, struct buf *ret)
{
    int64_t ids[2];
    const struct repo_row *repo = store_list_repos(st, 0, ids, 2) == 1 ? store_get_repo(st, ids[0]) : NULL;

    if (repo)
        buf_adds(ret, repo->path);
    repo_row_unref(repo);
}

static bool mirrored(void *data, const char *repository)
{
    return remote_mirrored(run_of(data)->e->remotes, repository);
}

static int checkout(void *data, const struct checkout *what, struct checked_out *ret, struct err *err)
{
    const struct run *run = run_of(data);
    bool own = !*what->repository || str_eq_ascii_nocase(what->repository, run->row.repository);
    _buf_ struct buf scratch_dir = BUF_INIT, url = BUF_INIT, linked = BUF_INIT;
    struct checkout_source from = {.repository = own ? run->row.repository : what->repository,
                                   .ref = own ? run->row.ref : "",
                                   .sha = own ? run->row.sha : "",
                                   .server_url = "https://github.com"};
    int r = 0;

    scratch_path(data, &scratch_dir);
    from.scratch = buf_str(&scratch_dir);
    if (own && !str_empty(run->repo_path)) {
        from.path = run->repo_path;
        from.uncommitted = run->uncommitted && !*what->ref;
    } else if (own && str_starts(run->row.repository, "local/")) {
        only_linked(run->e->store,
                    &linked); /* a file that was dropped belongs to none: there is no doubt which */
        from.path = buf_str(&linked);
        from.ref = from.sha = "";
        if (!linked.len)
            r = err_set(
                err, -ENOENT,
                "There is no repository to check out: this workflow belongs to none, and not exactly one "
                "is linked. Link one (`ln -s /path/to/checkout repos/NAME`), or give `runfs run "
                "--workspace DIR`");
    } else {
        r = remote_url(run->e->remotes, from.repository, &url, err);
        from.url = buf_str(&url);
    }
    return r == 0 ? checkout_make(&from, what, ret, err) : r;
}

/* ----------------------------------------------------------------------------------------------- artifacts
 */

static int artifact_put(void *data, const struct upload *what, int tar_fd, struct uploaded *ret,
                        struct err *err)
{
    const struct run *run = run_of(data);
    struct artifact_spec spec = {.run_id = run->row.id,
                                 .attempt = run->row.attempt,
                                 .name = what->name,
                                 .retention_days = what->retention_days,
                                 .overwrite = what->overwrite,
                                 .raw = what->raw,
                                 .room = what->room};
    int r = artifact_put_tar(run->e->store, &spec, tar_fd, &ret->id, err);

    if (r == -EEXIST)
        return err_set(
            err, r,
            "Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: an "
            "artifact with this name already exists on the workflow run");
    if (r < 0)
        return r;
    const struct artifact_row *row = store_get_artifact(run->e->store, ret->id);
    if (row) {
        ret->size = row->size;
        snprintf(ret->digest, sizeof(ret->digest), "%s", row->digest);
    }
    artifact_row_unref(row);
    return 0;
}

/* A repository's artifacts are for its own runs. */
static bool is_of_repository(const struct local_outside *l, int64_t run_id)
{
    const struct run_row *row = store_get_run(store_of(l), run_id);
    bool is = row && str_eq_ascii_nocase(row->repository, run_of(l)->row.repository);

    run_row_unref(row);
    return is;
}

static int artifact_ids(void *data, int64_t run_id, json_t **ret, struct err *err)
{
    struct store *st = store_of(data);
    _json_ json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    if (run_id && !is_of_repository(data, run_id))
        return err_set(err, -ENOENT, "there is no run %lld of %s", (long long)run_id,
                       run_of(data)->row.repository);
    run_id = run_id ? run_id : run_of(data)->row.id;
    while (list && (n = artifact_list(st, run_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct artifact_row *row = store_get_artifact(st, ids[i]);
            if (row)
                json_array_append_new(list, json_pack("{s:I, s:s, s:I}", "id", (json_int_t)row->id, "name",
                                                      row->name, "size", (json_int_t)row->size));
            artifact_row_unref(row);
        }
        after = ids[n - 1];
    }
    *ret = TAKE(list);
    return *ret ? 0 : err_errno(err, -ENOMEM, "artifacts");
}

static int artifact_get(void *data, int64_t id, int *ret_tar_fd, struct err *err)
{
    _close_ int fd = -1;
    int r = scratch_file(data, &fd, err);

    if (r == 0)
        r = artifact_write_tar(store_of(data), id, fd, err);
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = err_errno(err, -errno, "artifact");
    if (r == 0)
        *ret_tar_fd = TAKE_FD(fd);
    return r;
}

static int delete_artifact(void *data, int64_t id, struct err *err)
{
    const struct artifact_row *row = store_get_artifact(store_of(data), id);
    bool own = row && row->run_id == run_of(data)->row.id;

    artifact_row_unref(row);
    return own ? artifact_delete(store_of(data), id, err)
               : err_set(err, -ENOENT, "there is no artifact %lld of this run", (long long)id);
}

/* -------------------------------------------------------------------------------------------------- caches
 */

/* The job's own ref, the base of its pull request, the default branch: what GitHub lets a job see. */
static void cache_scope_of(const struct run *run, struct buf texts[2], struct cache_scope *ret)
{
    json_t *github = json_object_get(run->contexts, "github");
    json_t *event = json_object_get(github, "event");
    const char *base = json_string_value(json_object_get(github, "base_ref"));
    const char *main_branch =
        json_string_value(json_object_get(json_object_get(event, "repository"), "default_branch"));
    size_t n = 0;

    *ret = (struct cache_scope){.repository = run->row.repository};
    ret->refs[n++] = run->row.ref;
    if (!str_empty(base)) {
        buf_addf(&texts[0], "refs/heads/%s", base);
        ret->refs[n++] = buf_str(&texts[0]);
    }
    buf_addf(&texts[1], "refs/heads/%s", str_empty(main_branch) ? "main" : main_branch);
    if (!str_eq(buf_str(&texts[1]), run->row.ref))
        ret->refs[n++] = buf_str(&texts[1]);
}

/* What the job says of its own, or whatever is around it; else what its event lets it do: one that people
 * without a say in the repository can cause only reads what runs on the default branch will take (GitHub
 * documentation, "Cache access for low-trust workflow triggers"). */
static const char *cache_mode_of(const struct run_job *job)
{
    static const char *const trusted[] = {"push",   "workflow_dispatch", "repository_dispatch", "schedule",
                                          "delete", "registry_package",  "page_build"};
    const struct run *run = job->run;
    struct buf texts[2] = {0};
    struct cache_scope scope;

    for (; job; job = job->scope->caller) {
        if (*job->def->cache_mode)
            return job->def->cache_mode;
        if (*job->scope->workflow->cache_mode)
            return job->scope->workflow->cache_mode;
    }
    for (size_t i = 0; i < ARRAY_LEN(trusted); i++)
        if (str_eq(run->row.event, trusted[i]))
            return "write";
    cache_scope_of(run, texts, &scope);
    bool shared = str_eq(run->row.ref, buf_str(&texts[1]));
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return shared ? "read" : "write";
}

static const char *own_cache_mode(void *data)
{
    const struct local_outside *l = data;

    return cache_mode_of(l->job);
}

static int cache_get(void *data, const char *const *keys, size_t n, const char *version, char **ret_key,
                     int *ret_fd, struct err *err)
{
    struct buf texts[2] = {0};
    struct cache_scope scope;
    int64_t id;

    *ret_key = NULL;
    if (!cache_mode_reads(own_cache_mode(data)))
        return 0;
    cache_scope_of(run_of(data), texts, &scope);
    id = cache_lookup(store_of(data), &scope, keys, n, version, err);
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    if (id <= 0)
        return (int)id;
    const struct cache_row *row = store_get_cache(store_of(data), id);
    char *key = row ? strdup(row->key) : NULL;
    cache_row_unref(row);
    *ret_fd = key ? cache_open(store_of(data), id) : -1;
    if (*ret_fd < 0) { /* evicted meanwhile: a miss */
        free(key);
        return 0;
    }
    *ret_key = key;
    return 0;
}

static int copy_all(int from, int to)
{
    off_t at = 0;

    for (;;) {
        ssize_t n = copy_file_range(from, &at, to, NULL, 1 << 30, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
    }
}

static int cache_put(void *data, const char *key, const char *version, int fd, struct err *err)
{
    struct buf texts[2] = {0};
    struct cache_scope scope;
    struct cache_save *save = NULL;
    int64_t id;

    if (!cache_mode_writes(own_cache_mode(data)))
        return err_set(err, -EACCES, CACHE_WRITE_DENIED);
    cache_scope_of(run_of(data), texts, &scope);
    int r = cache_save_begin(store_of(data), &scope, key, version, &save, err);
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    if (r < 0)
        return r;
    r = copy_all(fd, cache_save_fd(save));
    if (r < 0) {
        cache_save_abandon(save);
        return err_errno(err, r, "the cache cannot be saved");
    }
    return cache_save_commit(save, &id, err);
}

/* ------------------------------------------------------------------------------------------------ services
 */

/* They are the runner's own: what the job's network is does not matter. */
static void reach_services(struct local_outside *l)
{
    const char *url = json_string_value(json_object_get(l->services_env, "ACTIONS_RESULTS_URL"));
    struct err err = {0};
    uint16_t port;

    if (url && sscanf(url, "http://127.0.0.1:%hu/", &port) == 1 &&
        machine_reach(l->job->machine, port, &err) < 0 && err.code != -ENOTSUP)
        log_warning("run", "%lld: job %s: artifact and cache services: %s", (long long)run_of(l)->row.id,
                    l->job->row.key, err.msg);
}

/* Opened for the first action that may speak to them; most jobs have none. */
static int services(void *data, json_t **ret_env, struct err *err)
{
    struct local_outside *l = data;
    const struct job_services *s = run_of(l)->e->services;
    json_t *github = json_object_get(run_of(l)->contexts, "github");
    const char *base = json_string_value(json_object_get(github, "base_ref"));
    _buf_ struct buf base_ref = BUF_INIT;
    int r = 0;

    if (!l->services_env && s) {
        if (!str_empty(base))
            buf_addf(&base_ref, "refs/heads/%s", base);
        struct service_job job = {.run_id = run_of(l)->row.id,
                                  .job_id = l->job->row.id,
                                  .attempt = run_of(l)->row.attempt,
                                  .repository = run_of(l)->row.repository,
                                  .ref = run_of(l)->row.ref,
                                  .base_ref = buf_str(&base_ref),
                                  .default_branch = "refs/heads/main",
                                  .no_cache_reads = !cache_mode_reads(cache_mode_of(l->job)),
                                  .no_cache_writes = !cache_mode_writes(cache_mode_of(l->job)),
                                  .lifetime_s = 6 * 3600};
        r = s->open(s->data, &job, &l->services_env, err);
    }
    if (r == 0 && l->services_env)
        (void)mask_add(l->mask, json_string_value(json_object_get(l->services_env, "ACTIONS_RUNTIME_TOKEN")));
    if (l->services_env)
        reach_services(l);
    *ret_env = l->services_env;
    return r;
}

/* ----------------------------------------------------------------------------------------------- snapshots
 */

static bool step_passed(void *data, size_t step, int64_t took_ns, json_t *state)
{
    struct local_outside *l = data;
    int64_t id = step < l->sink->n
                     ? step_snapshot(l->job->machine, store_of(l), &l->sink->steps[step].row, took_ns, state)
                     : 0;

    l->last_snapshot = id ? id : l->last_snapshot;
    return id != 0;
}

static int step_failed(void *data, struct err *err)
{
    struct local_outside *l = data;
    _buf_ struct buf text = BUF_INIT;

    if (!l->last_snapshot || store_setting(store_of(l), SETTING_CONFIG, "auto_rollback", &text) < 0 ||
        !str_eq(buf_str(&text), "on"))
        return 0;
    int r = machine_rollback(l->job->machine, l->last_snapshot, err);
    return r < 0 ? r : 1;
}

struct job_outside local_outside_functions(struct local_outside *l)
{
    return (struct job_outside){.data = l,
                                .action = action,
                                .mirrored = mirrored,
                                .checkout = checkout,
                                .artifact_put = artifact_put,
                                .artifact_list = artifact_ids,
                                .artifact_get = artifact_get,
                                .artifact_delete = delete_artifact,
                                .cache_get = cache_get,
                                .cache_put = cache_put,
                                .step_passed = step_passed,
                                .step_failed = step_failed,
                                .scratch = scratch,
                                .services = services};
}

void local_outside_release(struct local_outside *l)
{
    const struct job_services *s = run_of(l)->e->services;

    if (l->services_env && s)
        s->close(s->data, l->job->row.id);
    json_decref(l->services_env);
}
