/* Tokens: by libjwt. */
#include "jwt.h"

#include <strings.h>

#include "runfs/str.h"

enum { TOKEN_MAX = 16384 };

int jwt_sign(jwt_t *jwt_take, const unsigned char *key, size_t key_len, struct buf *ret)
{
    if (!jwt_take)
        return -ENOMEM;
    char *token =
        jwt_set_alg(jwt_take, JWT_ALG_HS256, key, (int)key_len) == 0 ? jwt_encode_str(jwt_take) : NULL;
    if (token)
        buf_adds(ret, token);
    bool made = token;
    free(token);
    jwt_free(jwt_take);
    return made && buf_ok(ret) ? 0 : -ENOMEM;
}

jwt_t *jwt_of_bearer(const char *authorization, const unsigned char *key, size_t key_len)
{
    jwt_t *jwt = NULL;

    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    const char *token = authorization + 7 + strspn(authorization + 7, " ");
    if (strlen(token) >= TOKEN_MAX || jwt_decode(&jwt, token, key, (int)key_len) != 0 || !jwt)
        return NULL;
    if (jwt_get_alg(jwt) != JWT_ALG_HS256) {
        jwt_free(jwt);
        return NULL;
    }
    return jwt;
}
