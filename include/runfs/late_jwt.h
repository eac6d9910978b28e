/* libjwt, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_JWT_H
#define RUNFS_LATE_JWT_H

#include <jwt.h>

#include "runfs/late.h"

/* clang-format off */
#define LATE_JWT(X) \
    X(jwt_add_grant) X(jwt_add_grant_int) X(jwt_decode) X(jwt_encode_str) X(jwt_free) X(jwt_get_alg) \
    X(jwt_get_grant_int) X(jwt_new) X(jwt_set_alg)
/* clang-format on */

struct late_jwt {
    LATE_JWT(LATE_FIELD)
};
const struct late_jwt *late_jwt(void);

#define jwt_add_grant (late_jwt()->jwt_add_grant)
#define jwt_add_grant_int (late_jwt()->jwt_add_grant_int)
#define jwt_decode (late_jwt()->jwt_decode)
#define jwt_encode_str (late_jwt()->jwt_encode_str)
#define jwt_free (late_jwt()->jwt_free)
#define jwt_get_alg (late_jwt()->jwt_get_alg)
#define jwt_get_grant_int (late_jwt()->jwt_get_grant_int)
#define jwt_new (late_jwt()->jwt_new)
#define jwt_set_alg (late_jwt()->jwt_set_alg)

#endif
