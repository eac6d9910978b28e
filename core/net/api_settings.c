/*
 * GitHub's REST API: secrets and variables. The value of a secret comes in a sealed box (libsodium) for a key
 * that lives as long as the server; secrets themselves are never given out.
 */
#include <sodium.h>

#include "api_internal.h"

enum { SECRET_MAX = 64 * 1024 };

int api_make_keys(struct server *s)
{
    if (sodium_init() < 0 || crypto_box_keypair(s->box_public, s->box_secret) != 0)
        return -EIO;
    randombytes_buf(&s->box_id, sizeof(s->box_id));
    randombytes_buf(s->download_key, sizeof(s->download_key));
    s->box_id >>= 2; /* a number that JSON clients hold */
    return 0;
}

static void key_id(const struct server *s, char ret[24])
{
    snprintf(ret, 24, "%llu", (unsigned long long)s->box_id);
}

/* With what the names of the environment begin that the path names, or nothing. False: a reply was made. */
static bool place(struct http_request *r, struct buf *ret)
{
    const char *environment = http_param(r, "environment");
    struct repository repo;

    /* gh asks for variables of an environment by the number of the repository, which are those of all */
    if (http_param(r, "owner") && !api_repository(r, &repo))
        return false;
    if (environment)
        environment_prefix(environment, ret);
    return true;
}

/* The whole name of what the path names. */
static bool key_of(struct http_request *r, const char *name, struct buf *ret)
{
    if (!place(r, ret))
        return false;
    if (strchr(name, '/')) {
        api_fail(r, 422, "a name has letters, digits and underscores only");
        return false;
    }
    buf_adds(ret, name);
    return true;
}

void api_public_key(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf key = BUF_INIT, prefix = BUF_INIT;
    char id[24];

    if (!place(r, &prefix))
        return;
    key_id(s, id);
    buf_add_base64(&key, s->box_public, sizeof(s->box_public));
    http_reply_json(r, 200, json_pack("{s:s, s:s}", "key_id", id, "key", buf_str(&key)));
}

/* ------------------------------------------------------------------------------------------------- listing
 */

static json_t *setting_json(enum setting_kind kind, const char *name, const struct setting_row *row)
{
    json_t *json = json_pack("{s:s, s:o, s:o}", "name", name, "created_at", api_time(row->changed_at),
                             "updated_at", api_time(row->changed_at));

    if (kind == SETTING_VAR)
        json_object_set_new(json, "value", json_string(row->value));
    return json;
}

static void list(struct http_request *r, enum setting_kind kind, const char *key)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    int64_t ids[64], after = 0, at = 0, from = (page.page - 1) * page.per_page;
    _json_ json_t *rows = json_array();
    _buf_ struct buf prefix = BUF_INIT;
    ssize_t n;

    if (!place(r, &prefix))
        return;
    while ((n = store_list_settings(s->store, kind, buf_str(&prefix), after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++, at++) {
            const struct setting_row *row =
                at >= from && at < from + page.per_page ? store_get_setting(s->store, kind, ids[i]) : NULL;
            if (row)
                json_array_append_new(rows, setting_json(kind, row->name + prefix.len, row));
            setting_row_unref(row);
            after = ids[i];
        }
    api_link(r, page, at);
    http_reply_json(r, 200, json_pack("{s:I, s:O}", "total_count", (json_int_t)at, key, rows));
}

void api_list_secrets(struct http_request *r)
{
    list(r, SETTING_SECRET, "secrets");
}

static void get(struct http_request *r, enum setting_kind kind)
{
    struct server *s = http_data(r);
    _buf_ struct buf key = BUF_INIT, prefix = BUF_INIT;

    if (!place(r, &prefix) || !key_of(r, http_param(r, "name"), &key))
        return;
    int64_t id = store_find_setting(s->store, kind, buf_str(&key));
    const struct setting_row *row = id > 0 ? store_get_setting(s->store, kind, id) : NULL;
    if (row)
        http_reply_json(r, 200, setting_json(kind, row->name + prefix.len, row));
    else
        api_not_found(r);
    setting_row_unref(row);
}

void api_get_secret(struct http_request *r)
{
    get(r, SETTING_SECRET);
}

void api_list_variables(struct http_request *r)
{
    list(r, SETTING_VAR, "variables");
}

/* ------------------------------------------------------------------------------------------------- setting
 */

static int open_box(const struct server *s, const char *text, struct buf *ret)
{
    unsigned char box[SECRET_MAX + crypto_box_SEALBYTES];
    size_t len;

    if (sodium_base642bin(box, sizeof(box), text, strlen(text), "\r\n", &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len < crypto_box_SEALBYTES)
        return -EINVAL;
    char *plain = buf_reserve(ret, len - crypto_box_SEALBYTES + 1);
    if (!plain)
        return -ENOMEM;
    if (crypto_box_seal_open((unsigned char *)plain, box, len, s->box_public, s->box_secret) != 0)
        return -EINVAL;
    ret->len += len - crypto_box_SEALBYTES;
    ret->ptr[ret->len] = '\0';
    return memchr(ret->ptr, '\0', ret->len) ? -EINVAL : 0;
}

static void set(struct http_request *r, enum setting_kind kind, const char *name, const char *value,
                unsigned status)
{
    struct server *s = http_data(r);
    struct err err = {0};
    int code = engine_set(s->engine, kind, name, value, &err);

    if (code < 0 && !err.code)
        err.code = code;
    if (code < 0)
        api_fail_err(r, &err, 0);
    else if (status == 204)
        api_no_content(r);
    else
        http_reply_json(r, status, json_object());
}

void api_put_secret(struct http_request *r)
{
    struct server *s = http_data(r);
    _json_ json_t *body = api_body(r);
    _buf_ struct buf value = BUF_INIT, key = BUF_INIT;
    char id[24];

    if (!body || !key_of(r, http_param(r, "name"), &key))
        return;
    key_id(s, id);
    if (!str_eq(api_text(body, "key_id"), id))
        api_fail(r, 422, "the key is another one by now: get the public key again");
    else if (open_box(s, api_text(body, "encrypted_value"), &value) < 0)
        api_fail(r, 422, "encrypted_value is no sealed box for the public key");
    else
        set(r, SETTING_SECRET, buf_str(&key), buf_str(&value),
            store_find_setting(s->store, SETTING_SECRET, buf_str(&key)) > 0 ? 204 : 201);
    if (value.ptr)
        explicit_bzero(value.ptr, value.len);
}

static void delete_setting(struct http_request *r, enum setting_kind kind)
{
    _buf_ struct buf key = BUF_INIT;

    if (key_of(r, http_param(r, "name"), &key))
        set(r, kind, buf_str(&key), NULL, 204);
}

void api_delete_secret(struct http_request *r)
{
    delete_setting(r, SETTING_SECRET);
}

void api_delete_variable(struct http_request *r)
{
    delete_setting(r, SETTING_VAR);
}

void api_get_variable(struct http_request *r)
{
    get(r, SETTING_VAR);
}

/* POST makes one and PATCH changes it; neither does the other's work. */
static void write_variable(struct http_request *r, const char *name, const json_t *body, bool make)
{
    struct server *s = http_data(r);
    _buf_ struct buf key = BUF_INIT;

    if (!key_of(r, name, &key))
        return;
    bool there = store_find_setting(s->store, SETTING_VAR, buf_str(&key)) > 0;
    if (!json_is_string(json_object_get(body, "value")))
        api_fail(r, 422, "value is missing");
    else if (make && there)
        api_fail(r, 409, "Already exists - Variable already exists");
    else if (!make && !there)
        api_not_found(r);
    else
        set(r, SETTING_VAR, buf_str(&key), api_text(body, "value"), make ? 201 : 204);
}

void api_post_variable(struct http_request *r)
{
    _json_ json_t *body = api_body(r);

    if (body)
        write_variable(r, api_text(body, "name"), body, true);
}

void api_patch_variable(struct http_request *r)
{
    _json_ json_t *body = api_body(r);

    if (body)
        write_variable(r, http_param(r, "name"), body, false);
}
