/*
 * POST /webhook, as GitHub, Gitea, Forgejo and Gogs send events: checked, kept, answered. A delivery is known
 * by the sender's name of it, so that one that is sent again runs nothing, and two events of which the same
 * is told are two; by its payload where it has no name, comes as another event, or config/webhook_known_by
 * says so. GitHub documentation, "Validating webhook deliveries"; Gitea documentation, "Webhooks".
 */

#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "server_internal.h"

enum { HEX_LEN = 64, DELIVERY_MAX = 128, HEADERS_KEPT_MAX = 16384 };

static void answer(struct http_request *r, unsigned status, const char *message)
{
    http_reply_json(r, status, json_pack("{s:s}", "message", message));
}

static const char *first_header(struct http_request *r, const char *const *names)
{
    const char *value = NULL;

    while (*names && !(value = http_header(r, *names)))
        names++;
    return value;
}

static const char *event_of(struct http_request *r)
{
    return first_header(
        r, (const char *const[]){"X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gogs-Event", NULL});
}

/* The hexadecimal HMAC-SHA256; NULL: none. */
static const char *signature_of(struct http_request *r)
{
    const char *value =
        first_header(r, (const char *const[]){"X-Hub-Signature-256", "X-Gitea-Signature",
                                              "X-Forgejo-Signature", "X-Gogs-Signature", NULL});

    return value && str_starts(value, "sha256=") ? value + 7 : value;
}

/* Before the body is read: what cannot be accepted costs nothing. */
void webhook_begin(struct http_request *r)
{
    struct server *s = http_data(r);

    if (!signature_of(r))
        answer(r, 401, "the delivery is not signed: X-Hub-Signature-256 is missing");
    else if (!store_find_setting(s->store, SETTING_CONFIG, "webhook/secret"))
        answer(r, 403, "no secret is set: write it to config/webhook/secret");
    else if (str_empty(event_of(r)))
        answer(r, 400, "X-GitHub-Event is missing");
}

/* -------------------------------------------------------------------------------------------- signature */

static void add_hex(struct buf *ret, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        buf_addc(ret, digits[bytes[i] >> 4]);
        buf_addc(ret, digits[bytes[i] & 15]);
    }
}

static bool signed_with(const char *secret, size_t secret_len, const struct buf *body, const char *given)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    _buf_ struct buf hex = BUF_INIT;
    unsigned len = 0;

    if (!HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)buf_str(body), body->len, mac,
              &len))
        return false;
    add_hex(&hex, mac, len);
    return buf_ok(&hex) && hex.len == HEX_LEN && strlen(given) == HEX_LEN &&
           CRYPTO_memcmp(hex.ptr, given, HEX_LEN) == 0;
}

/* By any of the secrets: while one is changed there are two. */
static bool is_signed(struct server *s, struct http_request *r)
{
    _buf_ struct buf secrets = BUF_INIT;
    bool good = false;

    (void)store_setting(s->store, SETTING_CONFIG, "webhook/secret", &secrets);
    for (const char *at = buf_str(&secrets); *at;) {
        size_t len = strcspn(at, "\n");
        good |= len > 0 && signed_with(at, len, http_body(r), signature_of(r));
        at += len + (at[len] == '\n');
    }
    if (secrets.ptr)
        explicit_bzero(secrets.ptr, secrets.len);
    return good;
}

/* ---------------------------------------------------------------------------------------------- payload */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One field of a form (application/x-www-form-urlencoded). */
static int form_field(const char *form, size_t len, const char *name, struct buf *ret)
{
    const char *end = form + len, *next;
    size_t n = strlen(name);

    for (const char *at = form; at < end; at = next + 1) {
        next = memchr(at, '&', (size_t)(end - at));
        next = next ? next : end;
        if ((size_t)(next - at) <= n || memcmp(at, name, n) != 0 || at[n] != '=')
            continue;
        for (const char *p = at + n + 1; p < next; p++)
            if (*p == '%' && p + 2 < next && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
                buf_addc(ret, (char)(hex_digit(p[1]) << 4 | hex_digit(p[2])));
                p += 2;
            } else {
                buf_addc(ret, *p == '+' ? ' ' : *p);
            }
        return buf_ok(ret) ? 0 : -ENOMEM;
    }
    return -ENOENT;
}

/* The type is not signed: JSON is not read as a form, in a text of which there may be anything. */
static bool is_object(const struct buf *body)
{
    const char *at = buf_str(body);

    return at[strspn(at, " \t\r\n")] == '{';
}

/* ret_repository: that it is of, "" for none. */
static int read_payload(struct http_request *r, struct buf *ret, char **ret_repository, struct err *err)
{
    const struct buf *body = http_body(r);
    const char *type = http_header(r, "Content-Type");
    _json_ json_t *payload = NULL;

    if (type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0 && !is_object(body)) {
        if (form_field(buf_str(body), body->len, "payload", ret) < 0)
            return err_set(err, -EINVAL, "the form has no field payload");
    } else {
        buf_add(ret, buf_str(body), body->len);
    }
    if (!buf_ok(ret))
        return err_errno(err, -ENOMEM, "webhook");
    int code = event_parse("webhook", buf_str(ret), ret->len, &payload, err);
    if (code == 0 && !payload)
        code = err_set(err, -EINVAL, "the payload is empty");
    if (code < 0)
        return code;
    *ret_repository = strdup(json_text_at(json_object_get(payload, "repository"), "full_name"));
    return *ret_repository ? 0 : err_errno(err, -ENOMEM, "webhook");
}

/* The event's name is not signed: under another one the payload is still the same delivery. */
static int digest_of(const struct buf *payload, struct buf *ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(ctx, buf_str(payload), payload->len) == 1 &&
                EVP_DigestFinal_ex(ctx, digest, &len) == 1;

    EVP_MD_CTX_free(ctx);
    if (good)
        add_hex(ret, digest, len);
    return good && buf_ok(ret) ? 0 : -ENOMEM;
}

/* ---------------------------------------------------------------------------------------------- keeping */

static void keep_header(void *data, const char *name, const char *value)
{
    struct buf *b = data;

    if (b->len < HEADERS_KEPT_MAX && strcasecmp(name, "Authorization") != 0 &&
        strcasecmp(name, "Cookie") != 0 && strcasecmp(name, "Proxy-Authorization") != 0 &&
        utf8_valid(value, strlen(value)))
        buf_addf(b, "%s: %s\n", name, value);
}

bool webhook_revive(struct server *s, int64_t id)
{
    const struct hook_row *old = store_get_hook(s->store, id);
    bool revived = false;

    if (old && str_eq(old->state, "interrupted")) {
        struct hook_row row = *old;
        row.state = "pending";
        row.changed_at = now_ns();
        revived = store_put_hook(s->store, &row, NULL) == 0;
    }
    hook_row_unref(old);
    if (!revived)
        return false;
    pthread_mutex_lock(&s->lock);
    s->delivered = s->look_again = true;
    pthread_cond_signal(&s->brought);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool by_payload(struct server *s)
{
    _buf_ struct buf said = BUF_INIT;

    (void)store_setting(s->store, SETTING_CONFIG, "webhook_known_by", &said);
    return str_eq(buf_str(&said), "payload");
}

static void keep(struct server *s, struct http_request *r, const char *event, const struct buf *payload,
                 const char *repository)
{
    const char *sender =
        first_header(r, (const char *const[]){"X-GitHub-Delivery", "X-Gitea-Delivery", "X-Forgejo-Delivery",
                                              "X-Gogs-Delivery", NULL});
    _buf_ struct buf headers = BUF_INIT, digest = BUF_INIT;
    bool ping = str_eq(event, "ping");
    struct err err = {0};

    http_each_header(r, keep_header, &headers);
    int code = digest_of(payload, &digest);
    struct hook_row row = {.delivery = str_empty(sender) || strlen(sender) > DELIVERY_MAX ||
                                               !utf8_valid(sender, strlen(sender))
                                           ? buf_str(&digest)
                                           : sender,
                           .digest = buf_str(&digest),
                           .event = event,
                           .state = ping ? "done" : "pending",
                           .headers = buf_str(&headers),
                           .verdict = ping ? "pong" : "",
                           .runs = "",
                           .changed_at = now_ns()};
    if (code == 0) {
        webhook_name(s, buf_str(&digest), repository);
        code = store_add_hook(s->store, &row, buf_str(payload), payload->len, by_payload(s), &err);
        if (code < 0 || ping)
            free(webhook_take_name(s, buf_str(&digest)));
    }
    if (code == 0 || (code == -EEXIST && webhook_revive(s, row.id)))
        http_reply_json(
            r, ping ? 200 : 202,
            json_pack("{s:s, s:I}", "message", ping ? "pong" : "accepted", "delivery", (json_int_t)row.id));
    else if (code == -EEXIST)
        http_reply_json(r, 200,
                        json_pack("{s:s, s:I}", "message", "delivered before: nothing was done", "delivery",
                                  (json_int_t)row.id));
    else
        answer(r, code == -ENOSPC ? 507 : 500, err.code ? err.msg : "no memory");
}

void webhook_take(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *event = event_of(r);
    _buf_ struct buf payload = BUF_INIT;
    _free_ char *repository = NULL;
    struct err err = {0};

    if (!is_signed(s, r)) {
        answer(r, 403, "the signature is not that of the payload");
        return;
    }
    if (strlen(event) > 64 || event[strspn(event, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        answer(r, 400, "X-GitHub-Event is no event's name");
    else if (read_payload(r, &payload, &repository, &err) < 0)
        answer(r, 400, err.msg);
    else
        keep(s, r, event, &payload, repository);
}
