/* Cache service, version 2 (twirp) and version 1 (REST): what @actions/cache calls. */
#include "results_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static void address_of_cache(const struct results *r, const struct results_job *job, int64_t id,
                             struct buf *ret)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "/runfs/caches/%lld", (long long)id);
    address_sign(r, job, 'r', buf_str(&path), wall_seconds() + ADDRESS_SECONDS, ret);
}

static int reserve(struct results *r, struct results_job *job, const char *key, const char *version,
                   struct upload **ret, struct err *err)
{
    struct upload_spec spec = {.name = key, .version = version};

    if (job->no_cache_writes)
        return err_set(err, -EACCES, CACHE_WRITE_DENIED);
    if (!*version || strlen(version) > 512)
        return err_set(err, -EINVAL, "a version has 1 to 512 bytes");
    return upload_new(r, job, &spec, ret, err);
}

/* cache_lookup; for who may not read them there are none. */
static int64_t lookup(struct results *r, const struct results_job *job, const char *const *keys, size_t n,
                      const char *version, struct err *err)
{
    return job->no_cache_reads ? 0 : cache_lookup(r->store, &job->scope, keys, n, version, err);
}

/* --------------------------------------------------------------------------------------------- version 2 */

void cache_create(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    _buf_ struct buf path = BUF_INIT, address = BUF_INIT;
    _upload_ struct upload *u = NULL;
    struct err err = {0};

    if (!job)
        return;
    int code = reserve(r, job, twirp_text(body, "key"), twirp_text(body, "version"), &u, &err);
    if (code == -EACCES) { /* the client shows this message */
        http_reply_json(req, 200, json_pack("{s:b, s:s}", "ok", false, "message", err.msg));
        return;
    }
    if (code < 0) {
        twirp_fail(req, code, err.msg);
        return;
    }
    buf_addf(&path, "/runfs/uploads/%lld", (long long)u->id);
    address_sign(r, job, 'w', buf_str(&path), job->expires, &address);
    http_reply_json(req, 200, json_pack("{s:b, s:s}", "ok", true, "signed_upload_url", buf_str(&address)));
}

void cache_finalize(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    _upload_ struct upload *u =
        job ? upload_by_name(r, job, twirp_text(body, "key"), twirp_text(body, "version")) : NULL;
    struct err err = {0};
    int64_t id;

    if (!job)
        return;
    int code = u ? upload_finish(r, job, u, twirp_i64(body, "size_bytes", -1), NULL, &id, &err)
                 : err_set(&err, -ENOENT, "there is no upload of that key and version");
    if (code == 0)
        http_reply_json(req, 200, json_pack("{s:b, s:o}", "ok", true, "entry_id", twirp_id(id)));
    else if (code == -EFBIG) /* the client shows this message */
        http_reply_json(req, 200, json_pack("{s:b, s:s}", "ok", false, "message", err.msg));
    else
        twirp_fail(req, code, err.msg);
}

/* The key and the restore keys of a call; how many. */
static size_t keys_of(json_t *body, const char *keys[CACHE_KEYS_MAX + 1])
{
    json_t *more = twirp_member(body, "restore_keys"), *key;
    size_t n = 1, i;

    keys[0] = twirp_text(body, "key");
    json_array_foreach(more, i, key) if (n <= CACHE_KEYS_MAX) keys[n++] =
        json_is_string(key) ? json_string_value(key) : "";
    return n;
}

void cache_url(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    const char *keys[CACHE_KEYS_MAX + 1];
    _buf_ struct buf address = BUF_INIT;
    struct err err = {0};

    if (!job)
        return;
    int64_t id = lookup(r, job, keys, keys_of(body, keys), twirp_text(body, "version"), &err);
    const struct cache_row *row = id > 0 ? store_get_cache(r->store, id) : NULL;
    if (id < 0) {
        twirp_fail(req, (int)id, err.msg);
    } else if (!row) {
        http_reply_json(req, 200, json_pack("{s:b}", "ok", false));
    } else {
        address_of_cache(r, job, id, &address);
        http_reply_json(req, 200,
                        json_pack("{s:b, s:s, s:s}", "ok", true, "signed_download_url", buf_str(&address),
                                  "matched_key", row->key));
    }
    cache_row_unref(row);
}

/* --------------------------------------------------------------------------------------------- version 1 */

static void v1_fail(struct http_request *req, int code, const char *msg)
{
    unsigned status = code == -EEXIST                                       ? 409
                      : code == -ENOENT                                     ? 404
                      : code == -EKEYREJECTED                               ? 401
                      : code == -EACCES                                     ? 403
                      : code == -EDQUOT                                     ? 507
                      : code == -EINVAL || code == -EFBIG || code == -E2BIG ? 400
                                                                            : 500;

    http_reply_json(req, status, json_pack("{s:s}", "message", msg));
}

static struct results_job *v1_job(struct http_request *req)
{
    struct results_job *job = token_job(http_data(req), http_header(req, "Authorization"));

    if (!job)
        v1_fail(req, -EKEYREJECTED, "the token is not valid, or its job has ended");
    return job;
}

static json_t *describe(const struct cache_row *row)
{
    _buf_ struct buf created = BUF_INIT;

    buf_add_time(&created, row->created_at);
    return json_pack("{s:s, s:s, s:s, s:s}", "scope", row->ref, "cacheKey", row->key, "cacheVersion",
                     row->version, "creationTime", buf_str(&created));
}

void v1_find(struct http_request *req)
{
    struct results *r = http_data(req);
    _results_job_ struct results_job *job = v1_job(req);
    const char *text = http_query(req, "keys"), *version = http_query(req, "version");
    _free_ char *copy = strdup(text ? text : "");
    _buf_ struct buf address = BUF_INIT;
    const char *keys[CACHE_KEYS_MAX + 1];
    struct err err = {0};
    char *rest = NULL;
    size_t n = 0;

    if (!job || !copy)
        return;
    for (char *key = strtok_r(copy, ",", &rest); key && n < ARRAY_LEN(keys); key = strtok_r(NULL, ",", &rest))
        keys[n++] = key;
    int64_t id = lookup(r, job, keys, n, version ? version : "", &err);
    const struct cache_row *row = id > 0 ? store_get_cache(r->store, id) : NULL;
    if (id < 0) {
        v1_fail(req, (int)id, err.msg);
    } else if (!row) {
        http_reply(req, 204, "application/json", "", 0);
    } else {
        json_t *found = describe(row);
        address_of_cache(r, job, id, &address);
        json_object_set_new(found, "archiveLocation", json_string(buf_str(&address)));
        http_reply_json(req, 200, found);
    }
    cache_row_unref(row);
}

static bool in_scope(const struct results_job *job, const struct cache_row *row)
{
    for (size_t i = 0; i < CACHE_SCOPES_MAX && job->scope.refs[i]; i++)
        if (str_eq(job->scope.refs[i], row->ref))
            return str_eq(job->scope.repository, row->repository);
    return false;
}

void v1_list(struct http_request *req)
{
    struct results *r = http_data(req);
    _results_job_ struct results_job *job = v1_job(req);
    const char *key = http_query(req, "key");
    _json_ json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    if (!job)
        return;
    while ((n = cache_list(r->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct cache_row *row = store_get_cache(r->store, ids[i]);
            if (row && !job->no_cache_reads && in_scope(job, row) &&
                (!key || strncasecmp(row->key, key, strlen(key)) == 0))
                json_array_append_new(list, describe(row));
            cache_row_unref(row);
        }
        after = ids[n - 1];
    }
    http_reply_json(
        req, 200,
        json_pack("{s:I, s:O}", "totalCount", (json_int_t)json_array_size(list), "artifactCaches", list));
}

static json_t *v1_body(struct http_request *req)
{
    const struct buf *text = http_body(req);
    json_t *body = json_loadb(buf_str(text), text->len, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(body))
        return body;
    json_decref(body);
    v1_fail(req, -EINVAL, "the body is no JSON object");
    return NULL;
}

void v1_reserve(struct http_request *req)
{
    struct results *r = http_data(req);
    _results_job_ struct results_job *job = v1_job(req);
    _json_ json_t *body = job ? v1_body(req) : NULL;
    _upload_ struct upload *u = NULL;
    struct err err = {0};

    if (!body)
        return;
    int code = reserve(r, job, twirp_text(body, "key"), twirp_text(body, "version"), &u, &err);
    if (code < 0) {
        v1_fail(req, code, err.msg);
        return;
    }
    pthread_mutex_lock(&u->lock);
    u->size = 0; /* parts go to their places at once: it is always together */
    pthread_mutex_unlock(&u->lock);
    http_reply_json(req, 201, json_pack("{s:I}", "cacheId", (json_int_t)u->id));
}

/* The upload that :id names; otherwise it has answered. */
static struct upload *v1_upload(struct http_request *req, struct results_job *job)
{
    uint64_t id;
    struct upload *u = parse_u64(http_param(req, "id"), &id) == 0 && id <= INT64_MAX
                           ? upload_by_id(http_data(req), job, (int64_t)id)
                           : NULL;

    if (u && u->is_cache)
        return u;
    upload_unref(u);
    v1_fail(req, -ENOENT, "there is no such reservation");
    return NULL;
}

/* A part that is being written. While there is one, the content is not committed. */
struct part {
    struct upload *upload; /* owned reference */
    bool writing;
};

static void part_end(struct part *part)
{
    pthread_mutex_lock(&part->upload->lock);
    if (part->writing)
        part->upload->parts--;
    part->writing = false;
    pthread_mutex_unlock(&part->upload->lock);
}

static void part_free(void *data)
{
    struct part *part = data;

    part_end(part);
    upload_unref(part->upload);
    free(part);
}

/* "bytes 0-199/" and anything: the part's place. */
static bool content_range(const char *text, int64_t *ret_from, int64_t *ret_len)
{
    unsigned long long from, to;
    int end = 0;

    if (!text || sscanf(text, "bytes %llu-%llu/%n", &from, &to, &end) != 2 || !end || from > to ||
        to >= CACHE_UPLOAD_MAX)
        return false;
    *ret_from = (int64_t)from;
    *ret_len = (int64_t)(to - from + 1);
    return true;
}

void v1_patch_begin(struct http_request *req)
{
    _results_job_ struct results_job *job = v1_job(req);
    struct upload *u = job ? v1_upload(req, job) : NULL;
    struct part *part = u ? calloc(1, sizeof(*part)) : NULL;
    struct err err = {0};
    int64_t from, len;

    if (!part) {
        if (u)
            v1_fail(req, -ENOMEM, "no memory");
        upload_unref(u);
        return;
    }
    part->upload = u;
    http_keep(req, part, part_free);
    pthread_mutex_lock(&u->lock);
    if (u->finished) {
        v1_fail(req, -ENOENT, "there is no such reservation");
    } else if (!content_range(http_header(req, "Content-Range"), &from, &len)) {
        v1_fail(req, -EINVAL, "a part needs a Content-Range, which ends within the first 64 GiB");
    } else if (room_hold(&u->room, from + len, &err) < 0) {
        v1_fail(req, -EDQUOT, err.msg);
    } else {
        http_body_to_file(req, cache_save_fd(u->save), from, len);
        u->parts++;
        part->writing = true;
    }
    pthread_mutex_unlock(&u->lock);
}

void v1_patched(struct http_request *req)
{
    part_end(http_kept(req));
    http_reply(req, 204, "application/json", "", 0);
}

void v1_commit(struct http_request *req)
{
    struct results *r = http_data(req);
    _results_job_ struct results_job *job = v1_job(req);
    _json_ json_t *body = job ? v1_body(req) : NULL;
    _upload_ struct upload *u = body ? v1_upload(req, job) : NULL;
    struct err err = {0};
    int64_t id;

    if (!u)
        return;
    int code = upload_finish(r, job, u, twirp_i64(body, "size", -1), NULL, &id, &err);
    if (code < 0)
        v1_fail(req, code, err.msg);
    else
        http_reply(req, 204, "application/json", "", 0);
}
