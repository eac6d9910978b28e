/*
 * JSON Web Tokens (RFC 7519), signed with HS256, that this process has made for those who have to show them
 * to it. What is signed in another way, or not at all, is none of them.
 */
#ifndef RUNFS_NET_JWT_H
#define RUNFS_NET_JWT_H

#include "runfs/buf.h"
#include "runfs/late_jwt.h"

/* Signs what it was given, and appends the token. Takes jwt (NULL: -ENOMEM). 0 or -ENOMEM. */
int jwt_sign(jwt_t *jwt_take, const unsigned char *key, size_t key_len, struct buf *ret);

/* The token of an `Authorization: Bearer TOKEN` (NULL: there was none) that key has signed. NULL: none, else
 * to be freed with jwt_free. Whether its time has come, and gone, is the caller's to look at. */
jwt_t *jwt_of_bearer(const char *authorization, const unsigned char *key, size_t key_len);

#endif
