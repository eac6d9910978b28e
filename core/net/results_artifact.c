/* Artifact service, version 4: what @actions/artifact calls, with its messages' names. */
#include "results_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* Days until a time in RFC 3339, rounded up; 0: it cannot be read. */
static int days_until(const char *text)
{
    struct tm tm = {0};
    const char *rest = *text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

    if (!rest)
        return 0;
    int64_t seconds = (int64_t)timegm(&tm) - wall_seconds();
    return seconds <= 0 ? 1 : seconds / 86400 >= 36500 ? 36500 : (int)((seconds + 86399) / 86400);
}

static bool is_zip(const char *mime_type)
{
    return !*mime_type || str_eq_ascii_nocase(mime_type, "application/zip") ||
           str_eq_ascii_nocase(mime_type, "application/x-zip-compressed") ||
           str_eq_ascii_nocase(mime_type, "application/zip-compressed");
}

static void answer_upload(struct http_request *req, struct results *r, const struct results_job *job,
                          const struct upload *u)
{
    _buf_ struct buf path = BUF_INIT, address = BUF_INIT;

    buf_addf(&path, "/runfs/uploads/%lld", (long long)u->id);
    address_sign(r, job, 'w', buf_str(&path), job->expires, &address);
    http_reply_json(req, 200, json_pack("{s:b, s:s}", "ok", true, "signed_upload_url", buf_str(&address)));
}

/* In this attempt there is one of that name. */
static bool name_is_taken(struct results *r, const struct results_job *job, const char *name)
{
    const struct artifact_row *row = store_get_artifact(r->store, artifact_find(r->store, job->run_id, name));
    bool taken = row && row->attempt == job->attempt;

    artifact_row_unref(row);
    return taken;
}

void artifact_create(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    const char *name = twirp_text(body, "name");
    _upload_ struct upload *u = NULL;
    struct err err = {0};

    if (!job)
        return;
    int code = artifact_check_name(name, &err);
    if (code == 0 && name_is_taken(r, job, name))
        code = err_set(&err, -EEXIST, "an artifact with this name already exists on the workflow run");
    if (code == 0)
        code = upload_new(r, job,
                          &(struct upload_spec){.name = name,
                                                .raw = !is_zip(twirp_text(body, "mime_type")),
                                                .retention_days = days_until(twirp_text(body, "expires_at"))},
                          &u, &err);
    if (code < 0)
        twirp_fail(req, code, err.msg);
    else
        answer_upload(req, r, job, u);
}

void artifact_finalize(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    _upload_ struct upload *u = job ? upload_by_name(r, job, twirp_text(body, "name"), NULL) : NULL;
    const char *hash = twirp_text(body, "hash");
    struct err err = {0};
    int64_t id;

    if (!job)
        return;
    int code = u ? upload_finish(r, job, u, twirp_i64(body, "size", -1), *hash ? hash : NULL, &id, &err)
                 : err_set(&err, -ENOENT, "there is no upload of that name");
    if (code < 0)
        twirp_fail(req, code, err.msg);
    else
        http_reply_json(req, 200, json_pack("{s:b, s:o}", "ok", true, "artifact_id", twirp_id(id)));
}

static json_t *describe(const struct results_job *job, const struct artifact_row *row)
{
    _buf_ struct buf created = BUF_INIT;

    buf_add_time(&created, row->created_at);
    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:s, s:s}", "workflow_run_backend_id", twirp_id(row->run_id),
                     "workflow_job_run_backend_id", twirp_id(job->job_id), "database_id", twirp_id(row->id),
                     "name", row->name, "size", twirp_id(row->zip_size), "created_at", buf_str(&created),
                     "digest", row->digest);
}

static bool filtered_out(json_t *body, const struct artifact_row *row)
{
    json_t *name = twirp_member(body, "name_filter");

    return (name && !str_eq(twirp_text(body, "name_filter"), row->name)) ||
           twirp_i64(body, "id_filter", row->id) != row->id;
}

void artifact_list_all(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL, *list = json_array();
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    int64_t ids[64], after = 0;
    ssize_t n;

    if (!job)
        return;
    while ((n = artifact_list(r->store, job->run_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct artifact_row *row = store_get_artifact(r->store, ids[i]);
            if (row && !filtered_out(body, row))
                json_array_append_new(list, describe(job, row));
            artifact_row_unref(row);
        }
        after = ids[n - 1];
    }
    http_reply_json(req, 200, json_pack("{s:O}", "artifacts", list));
}

/* The run's artifact that a call names; otherwise it has answered. */
static int64_t find_named(struct http_request *req, struct results *r, const struct results_job *job,
                          json_t *body)
{
    int64_t id = artifact_find(r->store, job->run_id, twirp_text(body, "name"));

    if (id <= 0)
        twirp_fail(req, -ENOENT, "there is no artifact of that name on the workflow run");
    return id;
}

void artifact_signed_url(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    int64_t id = job ? find_named(req, r, job, body) : 0;
    const struct artifact_row *row = id > 0 ? store_get_artifact(r->store, id) : NULL;
    _buf_ struct buf path = BUF_INIT, address = BUF_INIT;

    if (!row)
        return;
    buf_addf(&path, "/runfs/artifacts/%lld%s", (long long)id, row->raw ? "" : ".zip");
    artifact_row_unref(row);
    address_sign(r, job, 'r', buf_str(&path), wall_seconds() + ADDRESS_SECONDS, &address);
    http_reply_json(req, 200, json_pack("{s:s}", "signed_url", buf_str(&address)));
}

void artifact_remove(struct http_request *req)
{
    struct results *r = http_data(req);
    _json_ json_t *body = NULL;
    _results_job_ struct results_job *job = twirp_begin(req, &body);
    int64_t id = job ? find_named(req, r, job, body) : 0;
    struct err err = {0};

    if (id <= 0)
        return;
    int code = artifact_delete(r->store, id, &err);
    if (code < 0)
        twirp_fail(req, code, err.msg);
    else
        http_reply_json(req, 200, json_pack("{s:b, s:o}", "ok", true, "artifact_id", twirp_id(id)));
}
