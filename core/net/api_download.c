/*
 * GitHub's REST API: downloads. What is asked for logs or an artifact is led on to an address that is good
 * for a minute at least, without a token, as GitHub does it: clients rely on the 302, and some follow it
 * without their token. GitHub documentation, "Download workflow run logs", "Download an artifact".
 */
#include <sodium.h>
#include <stdarg.h>
#include <time.h>

#include "api_internal.h"

enum { GOOD_FOR_SECONDS = 60, SIGNATURE_LEN = 2 * crypto_auth_hmacsha256_BYTES };

static bool sign(const struct server *s, const char *path, int64_t until, char ret[SIGNATURE_LEN + 1])
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    _buf_ struct buf text = BUF_INIT;

    buf_addf(&text, "%s\n%lld", path, (long long)until);
    if (!buf_ok(&text))
        return false;
    crypto_auth_hmacsha256(mac, (const unsigned char *)buf_str(&text), text.len, s->download_key);
    sodium_bin2hex(ret, SIGNATURE_LEN + 1, mac, sizeof(mac));
    return true;
}

/* Up to the end of a minute, so that an answer with an address in it is the same until then, and so its ETag.
 */
static void add_signed(struct http_request *r, const char *path, struct buf *ret)
{
    int64_t until = ((int64_t)time(NULL) / GOOD_FOR_SECONDS + 2) * GOOD_FOR_SECONDS;
    char signature[SIGNATURE_LEN + 1] = "";

    (void)sign(http_data(r), path, until, signature);
    buf_addf(ret, "%s?se=%lld&sig=%s", path, (long long)until, signature);
}

void api_download_address(struct http_request *r, const char *path, struct buf *ret)
{
    api_base(r, ret);
    add_signed(r, path, ret);
}

void api_lead_on(struct http_request *r, const char *fmt, ...)
{
    _buf_ struct buf path = BUF_INIT, to = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&path, fmt, ap);
    va_end(ap);
    if (!http_peer(r).is_unix)
        api_base(r, &to);
    else if (http_prefixed(r)) /* who asks believes in TLS (gh), or knows better (curl): relative to both */
        buf_adds(&to, "/api/v3");
    add_signed(r, buf_str(&path), &to);
    if (!buf_ok(&path) || !buf_ok(&to)) {
        api_fail(r, 500, "no memory");
        return;
    }
    http_add_header(r, "Location", buf_str(&to));
    http_add_header(r, "Cache-Control", "no-store");
    http_reply(r, 302, "text/plain; charset=utf-8", "", 0);
}

/* Before anything is looked up: the address is one that this daemon made, and its time is not over. */
void download_begin(struct http_request *r)
{
    const char *until = http_query(r, "se"), *given = http_query(r, "sig");
    char signature[SIGNATURE_LEN + 1];
    uint64_t end;

    if (until && given && parse_u64(until, &end) == 0 && end <= INT64_MAX && (int64_t)end > time(NULL) &&
        strlen(given) == SIGNATURE_LEN && sign(http_data(r), http_path(r), (int64_t)end, signature) &&
        sodium_memcmp(given, signature, SIGNATURE_LEN) == 0)
        return;
    api_fail(r, 403, "the address of the download is not, or no more, good: ask for it again");
}
