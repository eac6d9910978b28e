/* Tokens of jobs (JWT, by libjwt) and addresses that are signed, for a while, for one purpose. */
#include <time.h>

#include "jwt.h"
#include "results_internal.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

int64_t wall_seconds(void)
{
    return (int64_t)time(NULL);
}

/* -------------------------------------------------------------------------------------------------- tokens
 */

/* As GitHub's: clients read the run and the job from `scp`, and some the scopes of caches from `ac`. */
static int add_claims(jwt_t *jwt, const struct results_job *job)
{
    _json_ json_t *scopes = json_array();
    _buf_ struct buf scp = BUF_INIT;
    int64_t now = wall_seconds();

    buf_addf(&scp, "Actions.Results:%lld:%lld", (long long)job->run_id, (long long)job->job_id);
    for (size_t i = 0; i < CACHE_SCOPES_MAX && job->scope.refs[i]; i++)
        json_array_append_new(scopes, json_pack("{s:s, s:i}", "Scope", job->scope.refs[i], "Permission",
                                                i == 0 ? 3 : 1)); /* read 1, write 2 */
    _free_ char *ac = json_dumps(scopes, JSON_COMPACT);
    if (!buf_ok(&scp) || !ac)
        return ENOMEM;
    const struct {
        const char *name, *value;
    } texts[] = {{"scp", buf_str(&scp)}, {"ac", ac}, {"iss", "runfs"}};
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"job", job->job_id}, {"iat", now}, {"nbf", now - 60}, {"exp", job->expires}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
        r = jwt_add_grant(jwt, texts[i].name, texts[i].value);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(numbers); i++)
        r = jwt_add_grant_int(jwt, numbers[i].name, (long)numbers[i].value);
    return r;
}

int token_make(const struct results *r, const struct results_job *job, struct buf *ret)
{
    jwt_t *jwt = NULL;

    if (jwt_new(&jwt) != 0)
        return -ENOMEM;
    if (add_claims(jwt, job) != 0) {
        jwt_free(jwt);
        return -ENOMEM;
    }
    return jwt_sign(jwt, r->key, sizeof(r->key), ret);
}

struct results_job *token_job(struct results *r, const char *authorization)
{
    jwt_t *jwt = jwt_of_bearer(authorization, r->key, sizeof(r->key));
    struct results_job *job = NULL;

    if (jwt && jwt_get_grant_int(jwt, "exp") > wall_seconds())
        job = results_job_ref(r, jwt_get_grant_int(jwt, "job"));
    jwt_free(jwt);
    return job;
}

/* ----------------------------------------------------------------------------------------------- addresses
 */

static void sign(const struct results *r, char verb, const char *path, int64_t job_id, int64_t expires,
                 char ret[65])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    _buf_ struct buf text = BUF_INIT;
    unsigned len = 0;

    buf_addf(&text, "%c\n%s\n%lld\n%lld", verb, path, (long long)job_id, (long long)expires);
    if (!buf_ok(&text) || !HMAC(EVP_sha256(), r->key, sizeof(r->key), (const unsigned char *)buf_str(&text),
                                text.len, mac, &len))
        len = 0;
    ret[0] = '\0'; /* which no signature is */
    for (unsigned i = 0; i < len && i < 32; i++)
        snprintf(ret + 2 * i, 3, "%02x", mac[i]);
}

void address_sign(const struct results *r, const struct results_job *job, char verb, const char *path,
                  int64_t expires, struct buf *ret)
{
    char signature[65];

    sign(r, verb, path, job->job_id, expires, signature);
    buf_addf(ret, "http://127.0.0.1:%u%s?sp=%c&job=%lld&se=%lld&sig=%s", http_port(r->server), path, verb,
             (long long)job->job_id, (long long)expires, signature);
}

struct results_job *address_job(struct results *r, struct http_request *req, char verb)
{
    const char *job = http_query(req, "job"), *expires = http_query(req, "se"),
               *given = http_query(req, "sig");
    uint64_t job_id, end;
    char signature[65];

    if (!job || !expires || !given || parse_u64(job, &job_id) < 0 || parse_u64(expires, &end) < 0 ||
        job_id > INT64_MAX || end > INT64_MAX)
        return NULL;
    sign(r, verb, http_path(req), (int64_t)job_id, (int64_t)end, signature);
    if (strlen(given) != 64 || strlen(signature) != 64 || CRYPTO_memcmp(given, signature, 64) != 0 ||
        (int64_t)end <= wall_seconds())
        return NULL;
    return results_job_ref(r, (int64_t)job_id);
}
