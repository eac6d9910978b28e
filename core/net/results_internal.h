/*
 * The inside of the services for actions: open jobs with their uploads, tokens and signed addresses. Private
 * to core/net.
 */
#ifndef RUNFS_RESULTS_INTERNAL_H
#define RUNFS_RESULTS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "runfs/artifact.h"
#include "runfs/blob.h"
#include "runfs/cache.h"
#include "runfs/http.h"
#include "runfs/results.h"

enum { RESULTS_KEY_BYTES = 32, UPLOADS_MAX = 512 /* of a job at once; GitHub: artifacts of a job */ };

#define CACHE_UPLOAD_MAX (64LL << 30) /* what may be kept is decided at the end, by config/cache_size_mib */

/* An artifact or a cache that a job is sending. */
struct upload {
    atomic_int refs;
    int64_t id;
    struct upload *next; /* in its job's list */
    bool is_cache;
    char *name, *version;    /* owned: of the artifact; key and version of the cache */
    bool raw;                /* an artifact that is one file and no zip */
    int retention_days;      /* 0: as set */
    pthread_mutex_t lock;    /* over what follows: blocks come on several connections */
    struct blob *blob;       /* owned */
    struct room room;        /* what it holds of the disk */
    struct cache_save *save; /* owned; of a cache, until it is committed */
    int fd;                  /* owned: an artifact's content; -1 of a cache, whose save has it */
    int64_t size;            /* -1: not put together yet */
    int parts;               /* that are being written to its content in place */
    bool finished;           /* it has become an artifact or a cache, or is about to */
};

/* A job whose token is good. */
struct results_job {
    atomic_int refs;
    struct results_job *next;
    int64_t run_id, job_id;
    int attempt;
    int64_t expires;                  /* wall-clock seconds */
    char *repository, *refs_owned[3]; /* owned */
    struct cache_scope scope;         /* borrows from them */
    bool no_cache_reads, no_cache_writes;
    struct upload *uploads; /* owned references; under the lock of results */
    size_t n_uploads;
};

struct results {
    struct store *store;
    struct job_services services;
    unsigned char key[RESULTS_KEY_BYTES]; /* of this process; signs tokens and addresses */
    pthread_mutex_t lock;                 /* over jobs, their uploads, the server's start */
    struct http_server *server;           /* owned; NULL until it is needed */
    struct results_job *jobs;             /* owned references */
    int64_t next_upload;
};

/* ------------------------------------------------------------------------------------- results.c: jobs */

struct results_job *results_job_ref(struct results *r, int64_t job_id); /* NULL: no such job is open */
void results_job_unref(struct results_job *job);
void cleanup_results_job(struct results_job **job);
#define _results_job_ _cleanup_(cleanup_results_job)

/* ---------------------------------------------------------------------------------- results_upload.c */

struct upload_spec {
    const char *name, *version; /* version NULL: an artifact */
    bool raw;
    int retention_days;
};
/* Adds it to the job, with one reference for the caller. -EEXIST, -EINVAL, -E2BIG, ... */
int upload_new(struct results *r, struct results_job *job, const struct upload_spec *spec,
               struct upload **ret, struct err *err);
struct upload *upload_by_id(struct results *r, struct results_job *job, int64_t id);
/* version NULL: an artifact; the newest of that name. */
struct upload *upload_by_name(struct results *r, struct results_job *job, const char *name,
                              const char *version);
void upload_unref(struct upload *u);
void cleanup_upload(struct upload **u);
#define _upload_ _cleanup_(cleanup_upload)
void uploads_free(struct upload *list);
int upload_target(const struct upload *u); /* borrowed descriptor of its whole content */
/* Becomes what it is: checks that it is whole, `size` bytes (-1: unknown), of that digest (NULL: unknown).
 * Once only. */
int upload_finish(struct results *r, struct results_job *job, struct upload *u, int64_t size,
                  const char *digest, int64_t *ret_id, struct err *err);

/* ------------------------------------------------------------------------------------ results_token.c */

/* Appends a JWT. */
int token_make(const struct results *r, const struct results_job *job, struct buf *ret);
/* The open job that the request's token is of: a reference, or NULL. */
struct results_job *token_job(struct results *r, const char *authorization);
/* Appends an absolute address that may be used (`verb`: 'r' or 'w') until `expires` (wall-clock seconds). */
void address_sign(const struct results *r, const struct results_job *job, char verb, const char *path,
                  int64_t expires, struct buf *ret);
/* The open job for which the request's address was signed; NULL: it was not, or its time is over. */
struct results_job *address_job(struct results *r, struct http_request *req, char verb);
enum { ADDRESS_SECONDS = 3600 };
int64_t wall_seconds(void);

/* ------------------------------------------------------------------------- what is asked (one file each) */

/* Twirp's error answers (its specification: code, HTTP status), by the errno. */
void twirp_fail(struct http_request *req, int code, const char *msg);
/* The body as an object and the job of the token; otherwise it has answered, and returns NULL. */
struct results_job *twirp_begin(struct http_request *req, json_t **ret_body);
/* A member by its name in the proto ("name_filter") or in JSON ("nameFilter"); NULL: none or null. */
json_t *twirp_member(json_t *body, const char *name);
const char *twirp_text(json_t *body, const char *name); /* "" without */
int64_t twirp_i64(json_t *body, const char *name, int64_t none);
json_t *twirp_id(int64_t id); /* 64-bit integers are strings in JSON */

http_fn artifact_create, artifact_finalize, artifact_list_all, artifact_signed_url, artifact_remove;
http_fn cache_create, cache_finalize, cache_url;
http_fn v1_find, v1_list, v1_reserve, v1_patch_begin, v1_patched, v1_commit;
http_fn blob_put_begin, blob_put, blob_get_artifact, blob_get_cache;

#endif
