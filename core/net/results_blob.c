/*
 * Content: the part of Azure's Put Block, Put Block List, Put Blob and Get Blob that its client library uses,
 * on signed addresses. https://learn.microsoft.com/rest/api/storageservices/put-block
 */
#include "results_internal.h"
#include "runfs/str.h"

/* message: plain ASCII, as all of ours are; NULL: none */
static void fail_words(struct http_request *req, unsigned status, const char *code, const char *message)
{
    _buf_ struct buf xml = BUF_INIT;

    http_add_header(req, "x-ms-error-code", code);
    buf_addf(&xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code>", code);
    if (message)
        buf_addf(&xml, "<Message>%s</Message>", message);
    buf_adds(&xml, "</Error>");
    http_reply(req, status, "application/xml", buf_str(&xml), xml.len);
}

static void fail(struct http_request *req, unsigned status, const char *code)
{
    fail_words(req, status, code, NULL);
}

/* words: where there is more to say than the code does. */
static void fail_errno(struct http_request *req, int code, const char *words)
{
    if (code == -EDQUOT)
        fail_words(req, 507, "InsufficientStorage", words);
    else if (code == -EFBIG)
        fail(req, 413, "RequestBodyTooLarge");
    else if (code == -E2BIG)
        fail(req, 409, "BlockCountExceedsLimit");
    else if (code == -EINVAL)
        fail(req, 400, "InvalidBlockId");
    else if (code == -ENOENT)
        fail(req, 400, "InvalidBlockList");
    else if (code == -ENOSPC)
        fail(req, 507, "InsufficientStorage");
    else
        fail(req, 500, "InternalError");
}

static void created(struct http_request *req)
{
    http_add_header(req, "ETag", "\"0x1\"");
    http_add_header(req, "x-ms-request-server-encrypted", "false");
    http_reply(req, 201, "application/xml", "", 0);
}

/* ------------------------------------------------------------------------------------------------- putting
 */

/* What a PUT is about, from its header to its end. */
struct put {
    struct upload *upload; /* owned reference */
    int block;             /* its number; -1: a list of blocks */
    bool whole;            /* the block is all */
};

/* No id in base64 has a blank. */
static const char whole_id[] = " whole";

static void put_free(void *data)
{
    struct put *put = data;

    upload_unref(put->upload);
    free(put);
}

static struct upload *find_upload(struct http_request *req)
{
    _results_job_ struct results_job *job = address_job(http_data(req), req, 'w');
    struct upload *u = NULL;
    uint64_t id;

    if (job && parse_u64(http_param(req, "id"), &id) == 0 && id <= INT64_MAX)
        u = upload_by_id(http_data(req), job, (int64_t)id);
    if (!job)
        fail(req, 403, "AuthenticationFailed");
    else if (!u)
        fail(req, 404, "BlobNotFound");
    return u;
}

static void begin_block(struct http_request *req, struct put *put, const char *id)
{
    int64_t len = http_length(req), at;
    struct err err = {0};
    int fd;

    if (len < 0) {
        fail(req, 411, "MissingContentLengthHeader");
        return;
    }
    put->block = blob_block_begin(put->upload->blob, id, len, &fd, &at, &err);
    if (put->block < 0)
        fail_errno(req, put->block, err.msg);
    else
        http_body_to_file(req, fd, at, len);
}

void blob_put_begin(struct http_request *req)
{
    const char *comp = http_query(req, "comp"), *id = http_query(req, "blockid"),
               *type = http_header(req, "x-ms-blob-type");
    struct upload *u = find_upload(req);
    struct put *put = u ? calloc(1, sizeof(*put)) : NULL;

    if (!put) {
        if (u)
            fail_errno(req, -ENOMEM, NULL);
        upload_unref(u);
        return;
    }
    put->upload = u;
    put->block = -1;
    put->whole = !comp;
    http_keep(req, put, put_free);
    if (!comp && (!type || str_eq(type, "BlockBlob")))
        begin_block(req, put, whole_id);
    else if (comp && str_eq(comp, "block"))
        begin_block(req, put, id ? id : "");
    else if (!comp || !str_eq(comp, "blocklist"))
        fail(req, 400, "UnsupportedQueryParameter");
}

static void assemble(struct http_request *req, struct upload *u, const char *const *ids, size_t n)
{
    struct err err = {0};
    int code = -ENOENT;
    int64_t size;

    pthread_mutex_lock(&u->lock);
    if (!u->finished)
        code = blob_assemble(u->blob, ids, n, upload_target(u), &size, &err);
    if (code == 0)
        u->size = size;
    pthread_mutex_unlock(&u->lock);
    if (code < 0)
        fail_errno(req, code, err.msg);
    else
        created(req);
}

/*
 * The ids of <BlockList><Latest>ID</Latest>...</BlockList>, in place. Ids are base64, so there is nothing in
 * them that XML would escape, and a list that has anything else is refused. Returns how many, or -EINVAL.
 */
static ssize_t parse_list(char *xml, const char **ids, size_t max)
{
    static const char *const kinds[] = {"Latest>", "Uncommitted>", "Committed>"};
    char *at = strstr(xml, "<BlockList");
    size_t n = 0;

    at = at ? strchr(at, '>') : NULL;
    while (at && (at = strchr(at, '<'))) {
        size_t kind = 0;
        at++;
        while (kind < ARRAY_LEN(kinds) && !str_starts(at, kinds[kind]))
            kind++;
        if (kind == ARRAY_LEN(kinds))
            break;
        char *id = at + strlen(kinds[kind]);
        size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_");
        if (n == max || !str_starts(id + len, "</") || !str_starts(id + len + 2, kinds[kind]))
            return -EINVAL;
        at = id + len + 2 + strlen(kinds[kind]);
        id[len] = '\0';
        ids[n++] = id;
    }
    return at && str_starts(at, "/BlockList") ? (ssize_t)n : -EINVAL;
}

static void put_list(struct http_request *req, struct upload *u)
{
    const struct buf *body = http_body(req);
    _free_ const char **ids = calloc(BLOB_BLOCKS_MAX, sizeof(*ids));
    _free_ char *xml = strndup(buf_str(body), body->len);
    ssize_t n = ids && xml ? parse_list(xml, ids, BLOB_BLOCKS_MAX) : -ENOMEM;

    if (n < 0)
        fail(req, n == -ENOMEM ? 500 : 400, n == -ENOMEM ? "InternalError" : "InvalidXmlDocument");
    else
        assemble(req, u, ids, (size_t)n);
}

void blob_put(struct http_request *req)
{
    const struct put *put = http_kept(req);

    if (put->block < 0) {
        put_list(req, put->upload);
        return;
    }
    blob_block_done(put->upload->blob, put->block);
    if (put->whole)
        assemble(req, put->upload, (const char *const[]){whole_id}, 1);
    else
        created(req);
}

/* ------------------------------------------------------------------------------------------------- getting
 */

/* The same content has the same tag, so a download that is in parts stays of one thing. */
static void add_properties(struct http_request *req, const char *tag)
{
    _buf_ struct buf quoted = BUF_INIT;

    buf_addf(&quoted, "\"%s\"", tag);
    http_add_header(req, "ETag", buf_str(&quoted));
    http_add_header(req, "x-ms-blob-type", "BlockBlob");
}

/* RFC 6266 and 8187. */
static void add_file_name(struct http_request *req, const char *name, const char *suffix)
{
    _buf_ struct buf value = BUF_INIT;

    buf_adds(&value, "attachment; filename*=UTF-8''");
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
            strchr("-._~", *p))
            buf_addc(&value, (char)*p);
        else
            buf_addf(&value, "%%%02X", *p);
    buf_adds(&value, suffix);
    http_add_header(req, "Content-Disposition", buf_str(&value));
}

struct download {
    struct store *store;
    int64_t id;
};

static int write_zip(void *data, int fd)
{
    const struct download *d = data;

    return artifact_write_zip(d->store, d->id, fd, NULL);
}

static void reply_zip(struct http_request *req, struct results *r, const struct artifact_row *row)
{
    struct download *d = calloc(1, sizeof(*d));

    if (!d) {
        fail_errno(req, -ENOMEM, NULL);
        return;
    }
    *d = (struct download){r->store, row->id};
    http_reply_stream(req, row->zip_size, "application/zip", write_zip, d, free);
}

static void reply_raw(struct http_request *req, struct results *r, const struct artifact_row *row)
{
    struct artifact_tree *tree = NULL;
    int fd = artifact_tree_open(r->store, row->id, &tree);

    if (fd == 0)
        fd = artifact_tree_file(tree, 1);
    artifact_tree_unref(tree);
    if (fd < 0)
        fail(req, 404, "BlobNotFound");
    else
        http_reply_file(req, fd, "application/octet-stream");
}

void blob_get_artifact(struct http_request *req)
{
    struct results *r = http_data(req);
    _results_job_ struct results_job *job = address_job(r, req, 'r');
    _free_ char *id = strdup(http_param(req, "file"));
    const struct artifact_row *row = NULL;
    uint64_t number;

    if (id && str_ends(id, ".zip"))
        id[strlen(id) - 4] = '\0';
    if (job && id && parse_u64(id, &number) == 0 && number <= INT64_MAX)
        row = store_get_artifact(r->store, (int64_t)number);
    if (!job) {
        fail(req, 403, "AuthenticationFailed");
    } else if (!row || row->run_id != job->run_id) {
        fail(req, 404, "BlobNotFound");
    } else {
        add_properties(req, row->digest);
        add_file_name(req, row->name, row->raw ? "" : ".zip");
        (row->raw ? reply_raw : reply_zip)(req, r, row);
    }
    artifact_row_unref(row);
}

void blob_get_cache(struct http_request *req)
{
    struct results *r = http_data(req);
    _results_job_ struct results_job *job = address_job(r, req, 'r');
    const char *id = http_param(req, "id");
    uint64_t number;
    int fd = -ENOENT;

    if (job && parse_u64(id, &number) == 0 && number <= INT64_MAX)
        fd = cache_open(r->store, (int64_t)number);
    if (!job) {
        fail(req, 403, "AuthenticationFailed");
    } else if (fd < 0) {
        fail(req, 404, "BlobNotFound");
    } else {
        add_properties(req, id);
        http_reply_file(req, fd, "application/octet-stream");
    }
}
