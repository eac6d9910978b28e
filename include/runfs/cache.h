/*
 * Caches: what jobs keep for later runs. An entry is one file (as actions write it: an archive), under a key
 * and a version (a hash of paths and compression, chosen by who saves), in the scope of a repository and a
 * ref. Once saved it never changes.
 *
 * Saving reserves the key, takes the bytes, and commits: a row exists only for whole content, and what a
 * crash left is removed when the store is opened. Reservations live in memory. When the sum of all entries
 * exceeds config/cache_size_mib (default 10240), those that were not used for longest are evicted.
 *
 * Lookups follow GitHub's documentation ("Dependency caching reference", cache key matching): in the first
 * scope the key exactly, then as a prefix, then each restore key in its order (exactly, then as a prefix; of
 * several the newest), then the same in the next scope. Keys compare without regard to the case of ASCII
 * letters.
 *
 * Every function may be called from any thread; a struct cache_save belongs to one thread at a time.
 */
#ifndef RUNFS_CACHE_H
#define RUNFS_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runfs/err.h"

struct store;

struct cache_row {
    int64_t id;
    const char *repository; /* "owner/name" */
    const char *ref;        /* "refs/heads/main": the scope that it was saved in */
    const char *key, *version;
    int64_t size;
    int64_t created_at, used_at; /* wall-clock nanoseconds */
};

/* What GitHub's service says to who may not save. */
#define CACHE_WRITE_DENIED "cache write denied: token has no writable scopes"

enum { CACHE_KEY_MAX = 512, CACHE_KEYS_MAX = 10, CACHE_SCOPES_MAX = 4 };

/* Where a job looks, in order, and in refs[0] saves. Borrowed. */
struct cache_scope {
    const char *repository;
    const char *refs[CACHE_SCOPES_MAX]; /* ends with a NULL or at its end; the job's own ref, the base of its
                                           pull request, the default branch */
};

/* keys[0] is the key, the others are restore keys. The entry's id, having noted its use; 0: a miss; -EINVAL:
 * keys that break the rules; -errno. */
int64_t cache_lookup(struct store *st, const struct cache_scope *scope, const char *const *keys, size_t n,
                     const char *version, struct err *err);
/* The content, for reading; the caller closes it. It stays readable when the entry is evicted. -errno */
int cache_open(struct store *st, int64_t id);

struct cache_save;
/* -EEXIST: an entry with that key and version is in the scope, or is being saved; -EINVAL. */
int cache_save_begin(struct store *st, const struct cache_scope *scope, const char *key, const char *version,
                     struct cache_save **ret, struct err *err);
/* Where the bytes go, at any offset; borrowed. */
int cache_save_fd(const struct cache_save *s);
/* Makes it an entry and evicts what must go. Takes s, whatever comes of it. -EFBIG: larger than all caches
 * may be. */
int cache_save_commit(struct cache_save *s, int64_t *ret_id, struct err *err);
void cache_save_abandon(struct cache_save *s); /* takes s; NULL allowed */

const struct cache_row *store_get_cache(struct store *st, int64_t id);
void cache_row_unref(const struct cache_row *r);
ssize_t cache_list(struct store *st, int64_t after, int64_t *ids, size_t max); /* ids ascending */
int64_t cache_find_key(struct store *st,
                       const char *key); /* the oldest with that key, of any scope; 0: none */
int cache_delete(struct store *st, int64_t id, struct err *err); /* -ENOENT */
/* Evicts down to config/cache_size_mib, for when that was changed. Returns how many, or -errno. */
int cache_evict(struct store *st, struct err *err);

#endif
