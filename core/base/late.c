/* Loads libraries when they are first used. The names that they are loaded by come from the Makefile, which
 * asks the libraries that it compiles against. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "runfs/late_archive.h"
#include "runfs/late_cmark.h"
#include "runfs/late_crypto.h"
#include "runfs/late_curl.h"
#include "runfs/late_jwt.h"
#include "runfs/late_microhttpd.h"
#include "runfs/late_ssh2.h"
#include "runfs/str.h"

/* slots: as many pointers to functions as there are names. */
static void load(const char *library, const char *const *names, size_t n, void **slots)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    for (size_t i = 0; i < n; i++)
        if (!handle || !(slots[i] = dlsym(handle, names[i]))) {
            fprintf(stderr, "runfs: a library that it needs cannot be loaded: %s\n", dlerror());
            _exit(70);
        }
}

#define NAME(name) #name,
#define LATE(library, list, soname)                                                                          \
    static struct late_##library library;                                                                    \
    static pthread_once_t library##_once = PTHREAD_ONCE_INIT;                                                \
    static void load_##library(void)                                                                         \
    {                                                                                                        \
        static const char *const names[] = {list(NAME)};                                                     \
        _Static_assert(sizeof(library) == sizeof(void *) * ARRAY_LEN(names), "a pointer for each name");     \
        load(soname, names, ARRAY_LEN(names), (void **)&library);                                            \
    }                                                                                                        \
    const struct late_##library *late_##library(void)                                                        \
    {                                                                                                        \
        pthread_once(&library##_once, load_##library);                                                       \
        return &library;                                                                                     \
    }

LATE(archive, LATE_ARCHIVE, LATE_ARCHIVE_SO)
LATE(cmark, LATE_CMARK, LATE_CMARK_SO)
LATE(crypto, LATE_CRYPTO, LATE_CRYPTO_SO)
LATE(curl, LATE_CURL, LATE_CURL_SO)
LATE(jwt, LATE_JWT, LATE_JWT_SO)
LATE(microhttpd, LATE_MICROHTTPD, LATE_MICROHTTPD_SO)
LATE(ssh2, LATE_SSH2, LATE_SSH2_SO)
