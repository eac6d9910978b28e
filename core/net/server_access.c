/* Who may ask for what: tokens and their scopes, budgets of addresses, and the log of requests. */
#include <sodium.h>

#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "server_internal.h"

static const char *const scope_words[] = {[SCOPE_ADMIN] = "admin",
                                          [SCOPE_RUN] = "run",
                                          [SCOPE_READ] = "read",
                                          [SCOPE_SIGNED] = "none",
                                          [SCOPE_OPEN] = "none"};

/* ------------------------------------------------------------------------------------------------ tokens */

static void add_hex(struct buf *ret, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(ret, "%02x", bytes[i]);
}

void token_hash(const char *token, struct buf *ret)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)token, strlen(token), digest);
    buf_adds(ret, "sha256:");
    add_hex(ret, digest, sizeof(digest));
}

int token_generate(struct buf *ret)
{
    unsigned char bytes[32];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return -EIO;
    buf_adds(ret, "rfs_");
    add_hex(ret, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    return buf_ok(ret) ? 0 : -ENOMEM;
}

/* "Authorization: token T" as gh has it, or Bearer. */
static const char *given_token(struct http_request *r)
{
    const char *header = http_header(r, "Authorization");
    size_t word = header ? strcspn(header, " ") : 0;

    if (!header || !header[word] ||
        !((word == 5 && strncasecmp(header, "token", word) == 0) ||
          (word == 6 && strncasecmp(header, "bearer", word) == 0)))
        return NULL;
    return header + word + strspn(header + word, " ");
}

static enum scope scope_of(const struct setting_row *token)
{
    return str_starts(token->value, "admin ") ? SCOPE_ADMIN
           : str_starts(token->value, "run ") ? SCOPE_RUN
                                              : SCOPE_READ;
}

/* The row of a token, 0 for none; every row is looked at, whichever it is. */
static int64_t find_token(struct store *st, const char *token, enum scope *ret_scope)
{
    _buf_ struct buf hash = BUF_INIT;
    int64_t ids[64], after = 0, found = 0;
    ssize_t n;

    token_hash(token, &hash);
    while (buf_ok(&hash) && (n = store_list_settings(st, SETTING_TOKEN, "", after, ids, 64)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct setting_row *row = store_get_setting(st, SETTING_TOKEN, ids[i]);
            const char *stored = row ? strchr(row->value, ' ') : NULL;
            if (stored && strlen(stored + 1) == hash.len &&
                CRYPTO_memcmp(stored + 1, hash.ptr, hash.len) == 0) {
                found = ids[i];
                *ret_scope = scope_of(row);
            }
            setting_row_unref(row);
        }
        after = ids[n - 1];
    }
    return found;
}

/* ----------------------------------------------------------------------------------------------- budgets */

static size_t peer_slot(const char *address)
{
    return str_hash(address) % PEERS;
}

/* Whether the address may ask once more: `rate` requests a second, and a second's worth at once. Two that
 * share a slot take it from each other, with an empty purse. */
static bool within_budget(struct server *s, const char *address)
{
    _buf_ struct buf value = BUF_INIT;
    int64_t now = mono_ns();
    uint64_t rate = 100;

    if (store_setting(s->store, SETTING_CONFIG, "rate_limit", &value) == 0)
        (void)parse_u64(buf_str(&value), &rate);
    pthread_mutex_lock(&s->peers_lock);
    struct peer_budget *p = &s->peers[peer_slot(address)];
    if (!str_eq(p->address, address)) {
        p->left = *p->address && now - p->at < 1000000000 ? 1 : (double)rate;
        snprintf(p->address, sizeof(p->address), "%s", address);
    } else {
        p->left += (double)(now - p->at) / 1e9 * (double)rate;
    }
    p->at = now;
    if (p->left > (double)rate)
        p->left = (double)rate;
    bool within = p->left >= 1;
    if (within)
        p->left -= 1;
    pthread_mutex_unlock(&s->peers_lock);
    return within;
}

/* ----------------------------------------------------------------------------------------------- verdict */

bool access_ask(struct http_request *r, enum scope need)
{
    struct server *s = http_data(r);
    enum scope has = SCOPE_READ;
    char words[128];

    if (http_peer(r).is_unix)
        return true;
    const char *token = given_token(r);
    int64_t id = token ? find_token(s->store, token, &has) : 0;
    if (id == 0) {
        http_add_header(r, "WWW-Authenticate", "Bearer realm=\"runfs\"");
        http_fail(r, 401, http_header(r, "Authorization") ? "Bad credentials" : "Requires authentication");
        return false;
    }
    http_set_caller(r, id);
    if (has <= need)
        return true;
    snprintf(words, sizeof(words), "this needs a token of scope %s, and it has %s", scope_words[need],
             scope_words[has]);
    http_fail(r, 403, words);
    return false;
}

/* ------------------------------------------------------------------------------------------- other sites */

/* "https://HOST:PORT" is of the host that the request names, or that it named to a proxy before this server.
 */
static bool is_own_origin(struct http_request *r, const char *origin)
{
    const char *host = strstr(origin, "://"), *asked = http_header(r, "Host"),
               *through = http_header(r, "X-Forwarded-Host");

    return host &&
           ((asked && strcasecmp(host + 3, asked) == 0) || (through && strcasecmp(host + 3, through) == 0));
}

/* Whether a browser says that another site's page asks: of those only links are followed. Nothing rests on
 * it, since no browser adds a token by itself; but what is never right is not looked at further. */
static bool is_of_another_site(struct http_request *r)
{
    const char *site = http_header(r, "Sec-Fetch-Site"), *mode = http_header(r, "Sec-Fetch-Mode"),
               *to = http_header(r, "Sec-Fetch-Dest"), *origin = http_header(r, "Origin");
    bool looks = str_eq(http_method(r), "GET") || str_eq(http_method(r), "HEAD");

    if (site && (str_eq(site, "same-origin") || str_eq(site, "none")))
        return false;
    if (site)
        return !looks || !mode || !str_eq(mode, "navigate") || !to || !str_eq(to, "document");
    return origin && !is_own_origin(r, origin);
}

/* What GitHub says with every answer, and its clients look at: one who would wait for a limit of requests
 * goes on, since there is none of that kind. GitHub documentation, "Rate limits for the REST API". */
static void add_githubs(struct http_request *r)
{
    unsigned char id[12];
    char hex[2 * sizeof(id) + 1], text[32];

    randombytes_buf(id, sizeof(id));
    http_add_header(r, "X-GitHub-Request-Id", sodium_bin2hex(hex, sizeof(hex), id, sizeof(id)));
    http_add_header(r, "X-GitHub-Media-Type", "github.v3; format=json");
    snprintf(text, sizeof(text), "%d", RATE_LIMIT);
    http_add_header(r, "X-RateLimit-Limit", text);
    http_add_header(r, "X-RateLimit-Remaining", text);
    http_add_header(r, "X-RateLimit-Used", "0");
    snprintf(text, sizeof(text), "%lld", (long long)(now_ns() / 1000000000 + 3600));
    http_add_header(r, "X-RateLimit-Reset", text);
    http_add_header(r, "X-RateLimit-Resource", "core");
}

/* False: a reply was made. */
static bool let_in(struct http_request *r, enum scope need)
{
    struct http_peer peer = http_peer(r);

    if (peer.is_unix)
        return true;
    if (!within_budget(http_data(r), peer.text)) {
        http_add_header(r, "Retry-After", "1");
        http_fail(r, 429, "too many requests: config/rate_limit says how many a second are answered");
        return false;
    }
    if (is_of_another_site(r)) {
        http_fail(r, 403, "pages of other sites are not let in");
        return false;
    }
    return need == SCOPE_SIGNED || need == SCOPE_OPEN || access_ask(r, need);
}

static void look_at(void *data, const char *name, const char *value)
{
    *(bool *)data &= utf8_valid(name, strlen(name)) && utf8_valid(value, strlen(value));
}

/* What is not could be told in no answer. False: a reply was made. */
static bool is_text(struct http_request *r)
{
    bool is = true;

    http_each_query(r, look_at, &is);
    if (!is)
        http_fail(r, 400, "the query is not UTF-8");
    return is;
}

void access_admit(struct http_request *r)
{
    const struct http_route *route = http_route(r);
    enum scope need = route ? (enum scope)route->scope : SCOPE_READ;

    http_add_header(r, "X-Content-Type-Options", "nosniff");
    if (need != SCOPE_OPEN)
        add_githubs(r);
    if (let_in(r, need) && is_text(r) && need != SCOPE_OPEN && need != SCOPE_SIGNED)
        api_admit_version(r);
}

const char *access_scope(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct setting_row *row =
        http_caller(r) ? store_get_setting(s->store, SETTING_TOKEN, http_caller(r)) : NULL;
    enum scope has = row ? scope_of(row) : http_peer(r).is_unix ? SCOPE_ADMIN : SCOPE_READ;

    setting_row_unref(row);
    return scope_words[has];
}

void access_who(struct http_request *r, struct buf *ret)
{
    struct server *s = http_data(r);
    const struct setting_row *row =
        http_caller(r) ? store_get_setting(s->store, SETTING_TOKEN, http_caller(r)) : NULL;

    buf_adds(ret, row ? row->name : http_peer(r).is_unix ? "unix" : "-");
    setting_row_unref(row);
}

void access_login(struct http_request *r, struct buf *ret)
{
    struct server *s = http_data(r);

    if (http_caller(r))
        access_who(r, ret);
    else
        buf_adds(ret, engine_actor(s->engine));
}

/* What a peer sends reaches the log as printable ASCII of bounded length only. */
static void add_clean(struct buf *b, const char *text)
{
    for (size_t i = 0; text[i] && i < 256; i++)
        buf_addc(b, text[i] > ' ' && text[i] < 0x7f ? text[i] : '?');
}

void access_log(struct http_request *r)
{
    _buf_ struct buf line = BUF_INIT, who = BUF_INIT;

    access_who(r, &who);
    buf_addf(&line, "%s ", http_peer(r).text);
    add_clean(&line, buf_str(&who));
    buf_addc(&line, ' ');
    add_clean(&line, http_method(r));
    buf_addc(&line, ' ');
    add_clean(&line, http_path(r));
    log_info("http", "%s: %u in %lld us", buf_str(&line), http_status(r), (long long)(http_age_ns(r) / 1000));
}
