/* GitHub's REST API: of a repository's files, the workflows: they are what there is. GitHub documentation,
 * "REST API endpoints for repository contents". */
#include "api_internal.h"
#include "runfs/forge.h"
#include "runfs/late_crypto.h"

/* As git names a file's content. */
static json_t *blob_id(const struct workflow_row *w)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _buf_ struct buf head = BUF_INIT, hex = BUF_INIT;
    unsigned len = 0;

    buf_addf(&head, "blob %zu", w->source_len);
    if (ctx && buf_ok(&head) && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
        EVP_DigestUpdate(ctx, head.ptr, head.len + 1) == 1 &&
        EVP_DigestUpdate(ctx, w->source, w->source_len) == 1)
        (void)EVP_DigestFinal_ex(ctx, digest, &len);
    EVP_MD_CTX_free(ctx);
    for (unsigned i = 0; i < len; i++)
        buf_addf(&hex, "%02x", digest[i]);
    return json_string(buf_str(&hex));
}

static json_t *file_json(struct http_request *r, const struct workflow_row *w)
{
    _buf_ struct buf source = BUF_INIT, path = BUF_INIT, file = BUF_INIT;
    buf_addf(&file, "%s/%s", forge_folder((enum forge)w->forge), w->name);
    json_t *sha = blob_id(w), *self = api_url(r, "/contents/%s", buf_str(&file)),
           *git = api_url(r, "/git/blobs/%s", json_string_value(sha)),
           *html = api_web_url(r, "/blob/HEAD/%s", buf_str(&file));

    buf_addf(&path, "/downloads/workflows/%lld/source", (long long)w->id);
    api_download_address(r, buf_str(&path), &source);
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:O, s:O, s:O, s:s, s:{s:o, s:o, s:o}}", "type", "file",
                     "name", w->name, "path", buf_str(&file), "sha", sha, "size", (json_int_t)w->source_len,
                     "url", self, "git_url", git, "html_url", html, "download_url", buf_str(&source),
                     "_links", "self", self, "git", git, "html", html);
}

static void list_files(struct http_request *r, int64_t repo_id, enum forge forge)
{
    struct server *s = http_data(r);
    json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_workflows(s->store, repo_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct workflow_row *w = store_get_workflow(s->store, ids[i]);
            if (w && !w->removed && w->forge == (int)forge)
                json_array_append_new(list, file_json(r, w));
            workflow_row_unref(w);
        }
        after = ids[n - 1];
    }
    http_reply_json(r, 200, list);
}

static void reply_source(struct http_request *r, const struct workflow_row *w)
{
    http_reply(r, 200, "text/plain; charset=utf-8", w->source, w->source_len);
}

static void reply_file(struct http_request *r, const struct workflow_row *w)
{
    _buf_ struct buf content = BUF_INIT;

    if (api_wants(r, "raw")) {
        reply_source(r, w);
        return;
    }
    json_t *json = file_json(r, w);
    buf_add_base64(&content, w->source, w->source_len);
    json_object_set_new(json, "encoding", json_string("base64"));
    json_object_set_new(json, "content", json_string(buf_str(&content)));
    http_reply_json(r, 200, json);
}

/* Whose folder that is, with or without a slash behind it; FORGE_UNKNOWN: nobody's. */
static enum forge folder_of(const char *path)
{
    enum forge f = FORGE_GITHUB;

    for (; f < FORGES; f++) {
        size_t n = strlen(forge_folder(f));
        if (str_starts(path, forge_folder(f)) && (str_eq(path + n, "") || str_eq(path + n, "/")))
            break;
    }
    return f;
}

void api_contents(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *path = http_param(r, "path"), *name;
    enum forge folder = folder_of(path), forge = forge_of_path(path, &name);
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    if (folder != FORGE_UNKNOWN) {
        list_files(r, repo.repo_id, folder);
        return;
    }
    int64_t id = forge != FORGE_UNKNOWN ? store_find_workflow(s->store, repo.repo_id, name, false) : 0;
    const struct workflow_row *w = id > 0 ? store_get_workflow(s->store, id) : NULL;
    if (w && w->forge == (int)forge)
        reply_file(r, w);
    else
        api_not_found(r);
    workflow_row_unref(w);
}

void workflow_source(struct http_request *r)
{
    struct repository repo;
    const struct workflow_row *w = api_workflow(r, &repo);

    if (w)
        reply_source(r, w);
    workflow_row_unref(w);
}
