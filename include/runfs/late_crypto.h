/* libcrypto, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_CRYPTO_H
#define RUNFS_LATE_CRYPTO_H

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "runfs/late.h"

/* clang-format off */
#define LATE_CRYPTO(X) \
    X(CRYPTO_memcmp) X(EVP_Digest) X(EVP_DigestFinal_ex) X(EVP_DigestInit_ex) X(EVP_DigestUpdate) \
    X(EVP_EncodeBlock) X(EVP_MD_CTX_free) X(EVP_MD_CTX_new) X(EVP_sha1) X(EVP_sha256) X(HMAC) X(RAND_bytes) \
    X(SHA256)
/* clang-format on */

struct late_crypto {
    LATE_CRYPTO(LATE_FIELD)
};
const struct late_crypto *late_crypto(void);

#define CRYPTO_memcmp (late_crypto()->CRYPTO_memcmp)
#define EVP_Digest (late_crypto()->EVP_Digest)
#define EVP_DigestFinal_ex (late_crypto()->EVP_DigestFinal_ex)
#define EVP_DigestInit_ex (late_crypto()->EVP_DigestInit_ex)
#define EVP_DigestUpdate (late_crypto()->EVP_DigestUpdate)
#define EVP_EncodeBlock (late_crypto()->EVP_EncodeBlock)
#define EVP_MD_CTX_free (late_crypto()->EVP_MD_CTX_free)
#define EVP_MD_CTX_new (late_crypto()->EVP_MD_CTX_new)
#define EVP_sha1 (late_crypto()->EVP_sha1)
#define EVP_sha256 (late_crypto()->EVP_sha256)
#define HMAC (late_crypto()->HMAC)
#define RAND_bytes (late_crypto()->RAND_bytes)
#define SHA256 (late_crypto()->SHA256)

#endif
