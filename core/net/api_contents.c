/*
 * GitHub's REST API: a repository's files. What is asked for without a commit in the folder of the workflows
 * is as it was registered, and all that the dropped ones have; everything else is git's. GitHub
 * documentation, "REST API endpoints for repository contents".
 */
#include "api_internal.h"
#include "runfs/browse.h"
#include "runfs/forge.h"
#include "runfs/late_crypto.h"

enum {
    INLINE_MAX = 1024 * 1024,   /* as on GitHub: of a larger file JSON has no content */
    RAW_MAX = 32 * 1024 * 1024, /* of one that is sent as it is */
};

/* One as the API tells it. */
struct content {
    const char *type, *path, *sha, *ref; /* ref: "" where it is not git that has it */
    const char *source;                  /* path of its download; NULL: none */
    int64_t size;
};

static json_t *content_json(struct http_request *r, const struct content *c)
{
    const char *slash = strrchr(c->path, '/');
    bool is_dir = str_eq(c->type, "dir");
    _buf_ struct buf source = BUF_INIT;
    json_t *self = api_contents_url(r, c->path, c->ref),
           *git = api_url(r, "/git/%s/%s", is_dir ? "trees" : "blobs", c->sha),
           *html = api_web_file(r, *c->ref ? c->ref : "HEAD", c->path);

    if (c->source)
        api_download_address(r, c->source, &source);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:I, s:O, s:O, s:O, s:o, s:{s:o, s:o, s:o}}", "type",
                             c->type, "name", slash ? slash + 1 : c->path, "path", c->path, "sha", c->sha,
                             "size", (json_int_t)c->size, "url", self, "git_url", git, "html_url", html,
                             "download_url", c->source ? json_string(buf_str(&source)) : json_null(),
                             "_links", "self", self, "git", git, "html", html);
    if (str_eq(c->type, "submodule"))
        json_object_set_new(json, "submodule_git_url", json_string("https://runfs.invalid/"));
    return json;
}

static void set_content(json_t *json, const char *bytes, size_t len)
{
    _buf_ struct buf content = BUF_INIT;

    buf_add_base64(&content, bytes, len);
    json_object_set_new(json, "encoding", json_string("base64"));
    json_object_set_new(json, "content", json_string(buf_str(&content)));
}

static void reply_raw(struct http_request *r, const char *bytes, size_t len)
{
    bool text = len == 0 || (utf8_valid(bytes, len) && !memchr(bytes, '\0', len));

    http_reply(r, 200, text ? "text/plain; charset=utf-8" : "application/octet-stream", bytes, len);
}

/* ----------------------------------------------------------------------------------- registered workflows */

/* As git names a file's content. */
static void add_blob_id(const struct workflow_row *w, struct buf *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _buf_ struct buf head = BUF_INIT;
    unsigned len = 0;

    buf_addf(&head, "blob %zu", w->source_len);
    if (ctx && buf_ok(&head) && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
        EVP_DigestUpdate(ctx, head.ptr, head.len + 1) == 1 &&
        EVP_DigestUpdate(ctx, w->source, w->source_len) == 1)
        (void)EVP_DigestFinal_ex(ctx, digest, &len);
    EVP_MD_CTX_free(ctx);
    for (unsigned i = 0; i < len; i++)
        buf_addf(ret, "%02x", digest[i]);
}

static json_t *workflow_json(struct http_request *r, const struct workflow_row *w)
{
    _buf_ struct buf source = BUF_INIT, file = BUF_INIT, sha = BUF_INIT;

    buf_addf(&file, "%s/%s", forge_folder((enum forge)w->forge), w->name);
    buf_addf(&source, "/downloads/workflows/%lld/source", (long long)w->id);
    add_blob_id(w, &sha);
    return content_json(r, &(struct content){.type = "file",
                                             .path = buf_str(&file),
                                             .sha = buf_str(&sha),
                                             .ref = "",
                                             .source = buf_str(&source),
                                             .size = (int64_t)w->source_len});
}

/* False: a linked repository has none of that forge, so that git knows what is there. */
static bool list_workflows(struct http_request *r, int64_t repo_id, enum forge forge)
{
    struct server *s = http_data(r);
    json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_workflows(s->store, repo_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct workflow_row *w = store_get_workflow(s->store, ids[i]);
            if (w && !w->removed && w->forge == (int)forge)
                json_array_append_new(list, workflow_json(r, w));
            workflow_row_unref(w);
        }
        after = ids[n - 1];
    }
    if (repo_id && json_array_size(list) == 0) {
        json_decref(list);
        return false;
    }
    http_reply_json(r, 200, list);
    return true;
}

static void reply_workflow(struct http_request *r, const struct workflow_row *w)
{
    if (api_wants(r, "raw")) {
        reply_raw(r, w->source, w->source_len);
        return;
    }
    json_t *json = workflow_json(r, w);
    set_content(json, w->source, w->source_len);
    http_reply_json(r, 200, json);
}

void workflow_source(struct http_request *r)
{
    struct repository repo;
    const struct workflow_row *w = api_workflow(r, &repo);

    if (w)
        reply_raw(r, w->source, w->source_len);
    workflow_row_unref(w);
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

/* Whether a registered workflow was meant, or their folder: then a reply was made. */
static bool reply_registered(struct http_request *r, int64_t repo_id, const char *path)
{
    struct server *s = http_data(r);
    const char *name;
    enum forge folder = folder_of(path), forge = forge_of_path(path, &name);

    if (folder != FORGE_UNKNOWN)
        return list_workflows(r, repo_id, folder);
    int64_t id = forge != FORGE_UNKNOWN ? store_find_workflow(s->store, repo_id, name, false) : 0;
    const struct workflow_row *w = id > 0 ? store_get_workflow(s->store, id) : NULL;
    bool found = w && w->forge == (int)forge;
    if (found)
        reply_workflow(r, w);
    workflow_row_unref(w);
    return found;
}

/* --------------------------------------------------------------------------------------------------- git's
 */

/* A folder or a file of git's at a commit. */
struct looking {
    struct repository repo;
    struct buf path, id, ref; /* owned: of the repository, the commit, and what that was asked for by */
    const char *file;
};

static const char *type_of(const struct browse_entry *e)
{
    return str_eq(e->type, "tree")     ? "dir"
           : str_eq(e->type, "commit") ? "submodule"
           : str_eq(e->mode, "120000") ? "symlink"
                                       : "file";
}

static json_t *entry_json(struct http_request *r, const struct looking *l, const struct browse_entry *e,
                          const char *path)
{
    bool is_file = str_eq(e->type, "blob");
    _buf_ struct buf source = BUF_INIT;

    buf_addf(&source, "/downloads/%s/%s/blobs/%s", http_param(r, "owner"), http_param(r, "repo"), e->id);
    return content_json(r, &(struct content){.type = type_of(e),
                                             .path = path,
                                             .sha = e->id,
                                             .ref = buf_str(&l->ref),
                                             .source = is_file ? buf_str(&source) : NULL,
                                             .size = is_file ? e->size : 0});
}

static void reply_folder(struct http_request *r, const struct looking *l, const struct browse_entry *e)
{
    struct browse_entry *list = NULL;
    json_t *json = json_array();
    _arena_ struct arena a = {0};
    bool more = false;
    size_t n = 0;

    (void)browse_tree(buf_str(&l->path), e->id, false, &a, &list, &n, &more);
    for (size_t i = 0; i < n && i < 1000; i++) { /* as many as on GitHub */
        const char *path = *l->file ? arena_printf(&a, "%s/%s", l->file, list[i].path) : list[i].path;
        if (path)
            json_array_append_new(json, entry_json(r, l, &list[i], path));
    }
    if (!api_wants(r, "object")) {
        http_reply_json(r, 200, json);
        return;
    }
    json_t *folder = entry_json(r, l, e, l->file);
    json_object_set_new(folder, "entries", json);
    http_reply_json(r, 200, folder);
}

static void reply_blob(struct http_request *r, const struct looking *l, const struct browse_entry *e)
{
    bool raw = api_wants(r, "raw"), link = str_eq(type_of(e), "symlink");
    _buf_ struct buf bytes = BUF_INIT;
    int code = browse_blob(buf_str(&l->path), e->id, raw ? RAW_MAX : INLINE_MAX, &bytes);

    if (code == -EFBIG && raw) {
        api_fail(r, 403, "This API returns blobs up to 32 MB in size.");
        return;
    }
    if (code < 0 && code != -EFBIG) {
        api_not_found(r);
        return;
    }
    if (raw) {
        reply_raw(r, buf_str(&bytes), bytes.len);
        return;
    }
    json_t *json = entry_json(r, l, e, l->file);
    if (link && utf8_valid(buf_str(&bytes), bytes.len))
        json_object_set_new(json, "target", json_string(buf_str(&bytes)));
    else
        set_content(json, buf_str(&bytes), bytes.len);
    if (code == -EFBIG)
        json_object_set_new(json, "encoding", json_string("none"));
    http_reply_json(r, 200, json);
}

/* The commit that the query's ref means, else the default branch. False: there is none. */
static bool find_commit(struct http_request *r, struct looking *l)
{
    struct server *s = http_data(r);

    buf_adds(&l->ref, query_text(r, "ref"));
    if (!l->ref.len)
        engine_default_branch(s->engine, &l->repo, &l->ref);
    return api_resolve(r, &l->repo, buf_str(&l->ref), &l->id);
}

static void fail_without_commit(struct http_request *r)
{
    const char *ref = query_text(r, "ref");
    _buf_ struct buf words = BUF_INIT;

    if (*ref)
        buf_addf(&words, "No commit found for the ref %s", ref);
    else
        buf_adds(&words, "This repository is empty.");
    api_fail(r, 404, buf_str(&words));
}

static void looking_release(struct looking *l)
{
    buf_release(&l->path);
    buf_release(&l->id);
    buf_release(&l->ref);
}

static void reply_entry(struct http_request *r, const struct looking *l)
{
    _arena_ struct arena a = {0};
    struct browse_entry e;

    if (browse_find(buf_str(&l->path), buf_str(&l->id), l->file, &a, &e) < 0)
        api_not_found(r);
    else if (str_eq(e.type, "tree"))
        reply_folder(r, l, &e);
    else if (str_eq(e.type, "blob"))
        reply_blob(r, l, &e);
    else
        http_reply_json(r, 200, entry_json(r, l, &e, l->file));
}

void api_contents(struct http_request *r)
{
    struct looking l = {.path = BUF_INIT, .id = BUF_INIT, .ref = BUF_INIT};
    const char *path = http_param(r, "path") ? http_param(r, "path") : "";
    _free_ char *file =
        strndup(path, path[0] && path[strlen(path) - 1] == '/' ? strlen(path) - 1 : strlen(path));

    l.file = file ? file : "";
    if (!api_git(r, &l.repo, &l.path))
        return;
    bool done = !*query_text(r, "ref") && reply_registered(r, l.repo.repo_id, path);
    if (!done && find_commit(r, &l))
        reply_entry(r, &l);
    else if (!done)
        fail_without_commit(r);
    looking_release(&l);
}

/* The README of the folder, or of where GitHub looks for one else. */
static const char *find_readme(const struct looking *l, const char *folder, struct arena *a)
{
    struct browse_entry dir, *list = NULL;
    bool more = false;
    size_t n = 0, found = SIZE_MAX;

    if (browse_find(buf_str(&l->path), buf_str(&l->id), folder, a, &dir) < 0 || !str_eq(dir.type, "tree") ||
        browse_tree(buf_str(&l->path), dir.id, false, a, &list, &n, &more) < 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        bool is = str_eq(list[i].type, "blob") && strncasecmp(list[i].path, "readme", 6) == 0 &&
                  (!list[i].path[6] || list[i].path[6] == '.');
        if (is && (found == SIZE_MAX || strcasecmp(list[i].path, "readme.md") == 0))
            found = i;
    }
    if (found == SIZE_MAX)
        return NULL;
    return *folder ? arena_printf(a, "%s/%s", folder, list[found].path) : list[found].path;
}

void api_readme(struct http_request *r)
{
    static const char *const folders[] = {".github", "", "docs"};
    struct looking l = {.path = BUF_INIT, .id = BUF_INIT, .ref = BUF_INIT};
    const char *folder = http_param(r, "path"), *file = NULL;
    _arena_ struct arena a = {0};

    if (!api_git(r, &l.repo, &l.path))
        return;
    if (find_commit(r, &l)) {
        file = folder ? find_readme(&l, folder, &a) : NULL;
        for (size_t i = 0; !folder && !file && i < ARRAY_LEN(folders); i++)
            file = find_readme(&l, folders[i], &a);
    }
    l.file = file;
    if (file)
        reply_entry(r, &l);
    else
        api_not_found(r);
    looking_release(&l);
}

/* ------------------------------------------------------------------------------------------ trees and blobs
 */

static json_t *tree_entry_json(struct http_request *r, const struct browse_entry *e)
{
    const char *kind = str_eq(e->type, "tree") ? "trees" : str_eq(e->type, "blob") ? "blobs" : "commits";
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:o}", "path", e->path, "mode", e->mode, "type", e->type,
                             "sha", e->id, "url", api_url(r, "/git/%s/%s", kind, e->id));

    if (e->size >= 0)
        json_object_set_new(json, "size", json_integer(e->size));
    return json;
}

/* The id of a tree, or what stands for a commit, whose tree is meant. */
void api_get_tree(struct http_request *r)
{
    const char *sha = http_param(r, "sha");
    _buf_ struct buf path = BUF_INIT, id = BUF_INIT;
    struct browse_entry *list = NULL;
    _arena_ struct arena a = {0};
    struct repository repo;
    bool more = false;
    size_t n = 0;

    if (!api_git(r, &repo, &path))
        return;
    if (!api_resolve(r, &repo, sha, &id))
        buf_adds(&id, sha);
    if (browse_tree(buf_str(&path), buf_str(&id), *query_text(r, "recursive"), &a, &list, &n, &more) < 0) {
        api_not_found(r);
        return;
    }
    json_t *json = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(json, tree_entry_json(r, &list[i]));
    http_reply_json(r, 200,
                    json_pack("{s:s, s:o, s:b, s:o}", "sha", buf_str(&id), "url",
                              api_url(r, "/git/trees/%s", buf_str(&id)), "truncated", more, "tree", json));
}

/* False: a reply was made. */
static bool read_blob(struct http_request *r, struct buf *ret)
{
    _buf_ struct buf path = BUF_INIT;
    struct repository repo;

    if (!api_git(r, &repo, &path))
        return false;
    int code = browse_blob(buf_str(&path), http_param(r, "sha"), RAW_MAX, ret);
    if (code == -EFBIG)
        api_fail(r, 403, "This API returns blobs up to 32 MB in size.");
    else if (code < 0)
        api_not_found(r);
    return code == 0;
}

void api_get_blob(struct http_request *r)
{
    const char *sha = http_param(r, "sha");
    _buf_ struct buf bytes = BUF_INIT;

    if (!read_blob(r, &bytes))
        return;
    if (api_wants(r, "raw")) {
        reply_raw(r, buf_str(&bytes), bytes.len);
        return;
    }
    json_t *json =
        json_pack("{s:s, s:o, s:I, s:o}", "sha", sha, "node_id", api_node_id("Blob", api_name_id(sha)),
                  "size", (json_int_t)bytes.len, "url", api_url(r, "/git/blobs/%s", sha));
    set_content(json, buf_str(&bytes), bytes.len);
    http_reply_json(r, 200, json);
}

/* What download_url leads to. */
void blob_source(struct http_request *r)
{
    _buf_ struct buf bytes = BUF_INIT;

    if (read_blob(r, &bytes))
        reply_raw(r, buf_str(&bytes), bytes.len);
}
