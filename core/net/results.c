/* The services for actions: the server's life, the jobs that may use it, and the table of what can be asked.
 */
#include "runfs/results.h"
#include "runfs/late_crypto.h"

#include "results_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum {
    CALL_MAX = 64 * 1024,
    BLOCK_LIST_MAX = 8 * 1024 * 1024,
    CONNECTIONS_MAX = 512,
    CROWDED = 384, /* of them: from then on a job that has most gives way to the others */
};

#define ARTIFACT "/twirp/github.actions.results.api.v1.ArtifactService/"
#define CACHE "/twirp/github.actions.results.api.v1.CacheService/"
#define V1 "/_apis/artifactcache/"

/* clang-format off */
static const struct http_route results_routes[] = {
{"POST",  ARTIFACT "CreateArtifact",        CALL_MAX, NULL, artifact_create,     "start an artifact: where to upload it"},
{"POST",  ARTIFACT "FinalizeArtifact",      CALL_MAX, NULL, artifact_finalize,   "the upload is whole: make it an artifact"},
{"POST",  ARTIFACT "ListArtifacts",         CALL_MAX, NULL, artifact_list_all,   "the artifacts of the run"},
{"POST",  ARTIFACT "GetSignedArtifactURL",  CALL_MAX, NULL, artifact_signed_url, "where to download one"},
{"POST",  ARTIFACT "DeleteArtifact",        CALL_MAX, NULL, artifact_remove,     "delete one"},
{"POST",  CACHE "CreateCacheEntry",         CALL_MAX, NULL, cache_create,        "reserve a key: where to upload"},
{"POST",  CACHE "FinalizeCacheEntryUpload", CALL_MAX, NULL, cache_finalize,      "the upload is whole: keep it"},
{"POST",  CACHE "GetCacheEntryDownloadURL", CALL_MAX, NULL, cache_url,           "look keys up"},
{"GET",   V1 "cache",                       0,        NULL, v1_find,             "look keys up (version 1)"},
{"GET",   V1 "caches",                      0,        NULL, v1_list,             "entries whose keys begin so"},
{"POST",  V1 "caches",                      CALL_MAX, NULL, v1_reserve,          "reserve a key"},
{"PATCH", V1 "caches/:id",                  0, v1_patch_begin, v1_patched,       "a part of its content"},
{"POST",  V1 "caches/:id",                  CALL_MAX, NULL, v1_commit,           "the content is whole: keep it"},
{"PUT",   "/runfs/uploads/:id",             BLOCK_LIST_MAX, blob_put_begin, blob_put, "a block, a list of blocks, or all"},
{"GET",   "/runfs/artifacts/:file",         0,        NULL, blob_get_artifact,   "an artifact as a zip, or as it is"},
{"GET",   "/runfs/caches/:id",              0,        NULL, blob_get_cache,      "a cache's content"},
{0},
};
/* clang-format on */

/* -------------------------------------------------------------------------------------------------- jobs */

static void job_free(struct results_job *job)
{
    uploads_free(job->uploads);
    for (size_t i = 0; i < ARRAY_LEN(job->refs_owned); i++)
        free(job->refs_owned[i]);
    free(job->repository);
    free(job);
}

void results_job_unref(struct results_job *job)
{
    if (job && atomic_fetch_sub(&job->refs, 1) == 1)
        job_free(job);
}

void cleanup_results_job(struct results_job **job)
{
    results_job_unref(*job);
}

struct results_job *results_job_ref(struct results *r, int64_t job_id)
{
    struct results_job *job;

    pthread_mutex_lock(&r->lock);
    for (job = r->jobs; job && job->job_id != job_id; job = job->next)
        ;
    if (job)
        atomic_fetch_add(&job->refs, 1);
    pthread_mutex_unlock(&r->lock);
    return job;
}

/* Where its caches are looked for: its own ref, the base of its pull request, the default branch; each once.
 */
static bool set_scope(struct results_job *job, const struct service_job *from)
{
    const char *const refs[] = {from->ref, from->base_ref, from->default_branch};
    size_t n = 0;

    job->repository = strdup(from->repository ? from->repository : "");
    job->scope.repository = job->repository;
    for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
        bool known = str_empty(refs[i]) && i > 0;
        for (size_t k = 0; k < n && !known; k++)
            known = str_eq(job->refs_owned[k], refs[i]);
        if (known)
            continue;
        job->refs_owned[n] = strdup(refs[i] ? refs[i] : "");
        if (!job->refs_owned[n])
            return false;
        job->scope.refs[n] = job->refs_owned[n];
        n++;
    }
    return job->repository;
}

static struct results_job *job_new(const struct service_job *from)
{
    struct results_job *job = calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    atomic_init(&job->refs, 1);
    job->run_id = from->run_id;
    job->job_id = from->job_id;
    job->attempt = from->attempt;
    job->expires = wall_seconds() + from->lifetime_s;
    job->no_cache_reads = from->no_cache_reads;
    job->no_cache_writes = from->no_cache_writes;
    if (set_scope(job, from))
        return job;
    job_free(job);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ server */

/* Whose request it is, for its share of the connections. What it may do, its handler asks. */
static void admit(struct http_request *req)
{
    struct results *r = http_data(req);
    const char *authorization = http_header(req, "Authorization");
    _results_job_ struct results_job *job =
        authorization ? token_job(r, authorization)
                      : address_job(r, req, str_eq(http_method(req), "PUT") ? 'w' : 'r');

    http_set_caller(req, job ? job->job_id : 0);
}

/* With the lock held. */
static int start(struct results *r, struct err *err)
{
    struct http_opts opts = {.address = "127.0.0.1",
                             .routes = results_routes,
                             .data = r,
                             .admit = admit,
                             .max_connections = CONNECTIONS_MAX,
                             .crowded = CROWDED};

    if (r->server)
        return 0;
    int code = http_start(&opts, &r->server, err);
    if (code == 0)
        log_info("results", "artifact and cache services listen on 127.0.0.1:%u", http_port(r->server));
    return code;
}

int results_new(struct store *st, struct results **ret, struct err *err)
{
    struct results *r = calloc(1, sizeof(*r));

    if (!r || RAND_bytes(r->key, sizeof(r->key)) != 1) {
        free(r);
        return err_errno(err, -ENOMEM, "cannot start the services for actions");
    }
    r->store = st;
    r->next_upload = 1;
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return 0;
}

void results_free(struct results *r)
{
    if (!r)
        return;
    http_stop(r->server);
    while (r->jobs)
        results_job_close(r, r->jobs->job_id);
    pthread_mutex_destroy(&r->lock);
    explicit_bzero(r->key, sizeof(r->key));
    free(r);
}

/* ------------------------------------------------------------------------------------------ open and close
 */

static json_t *environment(const struct results *r, const struct results_job *job)
{
    _buf_ struct buf base = BUF_INIT, token = BUF_INIT;

    buf_addf(&base, "http://127.0.0.1:%u/", http_port(r->server));
    if (token_make(r, job, &token) < 0 || !buf_ok(&base) || !buf_ok(&token))
        return NULL;
    /* the slash at the end matters: version 1 of the cache client appends to it */
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "ACTIONS_RESULTS_URL", buf_str(&base),
                     "ACTIONS_RUNTIME_URL", buf_str(&base), "ACTIONS_CACHE_URL", buf_str(&base),
                     "ACTIONS_CACHE_SERVICE_V2", "True", "ACTIONS_RUNTIME_TOKEN", buf_str(&token));
}

int results_job_open(struct results *r, const struct service_job *from, json_t **ret_env, struct err *err)
{
    struct results_job *job = job_new(from);
    json_t *env = NULL;

    pthread_mutex_lock(&r->lock);
    int code = job ? start(r, err) : -ENOMEM;
    if (code == 0) {
        env = environment(r, job);
        code = env ? 0 : -ENOMEM;
    }
    if (code == 0) {
        job->next = r->jobs;
        r->jobs = job;
    }
    pthread_mutex_unlock(&r->lock);
    if (code == 0) {
        *ret_env = env;
        return 0;
    }
    results_job_unref(job);
    return err && err->code ? err->code : err_errno(err, code, "cannot open the services for actions");
}

void results_job_close(struct results *r, int64_t job_id)
{
    struct results_job *job = NULL, **at;

    pthread_mutex_lock(&r->lock);
    for (at = &r->jobs; *at && (*at)->job_id != job_id; at = &(*at)->next)
        ;
    if (*at) {
        job = *at;
        *at = job->next;
    }
    pthread_mutex_unlock(&r->lock);
    results_job_unref(job);
}

static int open_job(void *data, const struct service_job *job, json_t **ret_env, struct err *err)
{
    return results_job_open(data, job, ret_env, err);
}

static void close_job(void *data, int64_t job_id)
{
    results_job_close(data, job_id);
}

const struct job_services *results_services(struct results *r)
{
    r->services = (struct job_services){.data = r, .open = open_job, .close = close_job};
    return &r->services;
}
