/* GitHub's REST API: artifacts. GitHub documentation, "REST API endpoints for GitHub Actions artifacts". */
#include <fcntl.h>

#include "api_internal.h"
#include "runfs/artifact.h"
#include "runfs/io.h"

static json_t *artifact_json(struct http_request *r, const struct artifact_row *a, bool expired)
{
    struct server *s = http_data(r);
    const struct run_row *run = store_get_run(s->store, a->run_id);
    long long id = (long long)a->id;
    json_t *json =
        json_pack("{s:I, s:o, s:s, s:I, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)a->id,
                  "node_id", api_node_id("Artifact", a->id), "name", a->name, "size_in_bytes",
                  (json_int_t)a->zip_size, "expired", expired, "digest", a->digest, "url",
                  api_url(r, "/actions/artifacts/%lld", id), "archive_download_url",
                  api_url(r, "/actions/artifacts/%lld/zip", id), "created_at", api_time(a->created_at),
                  "updated_at", api_time(a->created_at), "expires_at", api_time(a->expires_at));

    if (json && run)
        json_object_set_new(json, "workflow_run",
                            json_pack("{s:I, s:o, s:s}", "id", (json_int_t)run->id, "head_branch",
                                      api_head_branch(run), "head_sha", run_head_sha(run)));
    run_row_unref(run);
    return json;
}

/* One that has expired, where it is told. */
struct past {
    struct http_request *r;
    int64_t run_id;
    json_t *json; /* owned */
};

static void tell_past(void *data, const struct artifact_row *a)
{
    struct past *p = data;

    p->run_id = a->run_id;
    p->json = artifact_json(p->r, a, true);
}

/* NULL: there is no such one. */
static json_t *artifact_of(struct http_request *r, int64_t id)
{
    struct server *s = http_data(r);
    const struct artifact_row *a = store_get_artifact(s->store, id);
    struct past past = {.r = r};

    if (!a) {
        (void)artifact_expired(s->store, id, tell_past, &past);
        return past.json;
    }
    json_t *json = artifact_json(r, a, false);
    artifact_row_unref(a);
    return json;
}

/* A page of those that q means. */
static void list_artifacts(struct http_request *r, struct artifact_query *q)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    _json_ json_t *list = json_array();
    int64_t ids[100];

    q->name = query_text(r, "name");
    q->skip = (page.page - 1) * page.per_page;
    int64_t total = artifact_count(s->store, q);
    ssize_t n = artifact_query(s->store, q, ids, (size_t)page.per_page);
    for (ssize_t i = 0; i < n; i++) {
        json_t *json = artifact_of(r, ids[i]);
        if (json)
            json_array_append_new(list, json);
    }
    api_link(r, page, total);
    http_reply_json(r, 200, json_pack("{s:I, s:O}", "total_count", (json_int_t)total, "artifacts", list));
}

void api_run_artifacts(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        list_artifacts(r, &(struct artifact_query){.repo_id = -1, .run_id = run->id});
    run_row_unref(run);
}

void api_list_artifacts(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        list_artifacts(r, &(struct artifact_query){.repo_id = repo.repo_id});
}

/* A nameless file of the state directory. */
static int scratch(struct server *s)
{
    int fd = open(store_dir(s->store), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : fd;
}

struct packing {
    struct store *store;
    int64_t id;
};

static int write_artifact(void *data, int fd)
{
    struct packing *p = data;

    return artifact_write_zip(p->store, p->id, fd, NULL);
}

/* What one was that has expired is told, and that there is nothing to download. */
static void reply_expired(struct http_request *r, struct past *past)
{
    struct server *s = http_data(r);
    int64_t id = json_integer_value(json_object_get(past->json, "id"));
    struct err err = {0};

    if (str_eq(http_method(r), "DELETE") && artifact_delete(s->store, id, &err) < 0)
        api_fail_err(r, &err, 0);
    else if (str_eq(http_method(r), "DELETE"))
        api_no_content(r);
    else if (str_ends(http_path(r), "/zip"))
        api_fail(r, 410, "Artifact has expired");
    else
        http_reply_json(r, 200, json_incref(past->json));
}

/* The one that :id names. NULL: a reply was made. */
static const struct artifact_row *named_artifact(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *text = http_param(r, "id");
    struct repository repo = {0};
    bool any = !http_param(r, "owner"); /* the page's own routes name no repository */
    struct past past = {.r = r};
    uint64_t id = 0;

    if (!any && !api_repository(r, &repo))
        return NULL;
    bool is = parse_u64(text, &id) == 0 && id <= INT64_MAX;
    const struct artifact_row *a = is ? store_get_artifact(s->store, (int64_t)id) : NULL;
    if (a && (any || api_run_is_of(s, a->run_id, repo.repo_id)))
        return a;
    if (is && !a)
        (void)artifact_expired(s->store, (int64_t)id, tell_past, &past);
    if (past.json && (any || api_run_is_of(s, past.run_id, repo.repo_id)))
        reply_expired(r, &past);
    else
        api_not_found(r);
    json_decref(past.json);
    artifact_row_unref(a);
    return NULL;
}

void api_get_artifact(struct http_request *r)
{
    const struct artifact_row *a = named_artifact(r);

    if (a)
        http_reply_json(r, 200, artifact_json(r, a, false));
    artifact_row_unref(a);
}

void api_delete_artifact(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct artifact_row *a = named_artifact(r);
    struct err err = {0};

    if (a && artifact_delete(s->store, a->id, &err) < 0)
        api_fail_err(r, &err, 0);
    else if (a)
        api_no_content(r);
    artifact_row_unref(a);
}

void api_artifact_zip(struct http_request *r)
{
    const struct artifact_row *a = named_artifact(r);

    if (a)
        api_lead_on(r, "/downloads/artifacts/%lld/zip", (long long)a->id);
    artifact_row_unref(a);
}

/* One that is kept as it is has no zip, whose size would be known: it is packed first. */
void artifact_zip(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct artifact_row *a = named_artifact(r);
    struct packing *p = a ? malloc(sizeof(*p)) : NULL;

    if (!a)
        return;
    if (!p) {
        api_fail(r, 500, "no memory");
    } else {
        *p = (struct packing){s->store, a->id};
        if (!a->raw) {
            http_reply_stream(r, a->zip_size, "application/zip", write_artifact, p, free);
        } else {
            _close_ int fd = scratch(s);
            if (fd >= 0 && write_artifact(p, fd) == 0)
                http_reply_file(r, TAKE_FD(fd), "application/zip");
            else
                api_fail(r, 500, "the artifact cannot be packed");
            free(p);
        }
    }
    artifact_row_unref(a);
}
