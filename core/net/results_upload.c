/* Uploads of a job: reserved, filled by blocks or parts, and then made an artifact or a cache. */
#include <sys/stat.h>

#include "results_internal.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

static void upload_free(struct upload *u)
{
    blob_free(u->blob);
    cache_save_abandon(u->save);
    room_release(&u->room);
    if (u->fd >= 0)
        close(u->fd);
    free(u->name);
    free(u->version);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

void upload_unref(struct upload *u)
{
    if (u && atomic_fetch_sub(&u->refs, 1) == 1)
        upload_free(u);
}

void cleanup_upload(struct upload **u)
{
    upload_unref(*u);
}

void uploads_free(struct upload *list)
{
    while (list) {
        struct upload *next = list->next;
        upload_unref(list);
        list = next;
    }
}

int upload_target(const struct upload *u)
{
    return u->is_cache ? cache_save_fd(u->save) : u->fd;
}

static int open_target(struct results *r, struct results_job *job, struct upload *u, struct err *err)
{
    u->room = room_make(r->store, u->is_cache ? ROOM_CACHES : ROOM_ARTIFACTS);
    int code = room_look(r->store, u->room.of, err);
    if (code == 0)
        code = blob_new(r->store, u->is_cache ? CACHE_UPLOAD_MAX : 2 * ARTIFACT_SIZE_MAX, &u->room, &u->blob,
                        err);

    if (code < 0)
        return code;
    if (u->is_cache)
        return cache_save_begin(r->store, &job->scope, u->name, u->version, &u->save, err);
    u->fd = blob_temporary(r->store, err);
    return u->fd < 0 ? u->fd : 0;
}

static struct upload *make(const struct upload_spec *spec)
{
    struct upload *u = calloc(1, sizeof(*u));

    if (!u)
        return NULL;
    atomic_init(&u->refs, 1);
    pthread_mutex_init(&u->lock, NULL);
    u->fd = -1;
    u->size = -1;
    u->is_cache = spec->version != NULL;
    u->raw = spec->raw;
    u->retention_days = spec->retention_days;
    u->name = strdup(spec->name);
    u->version = strdup(spec->version ? spec->version : "");
    if (u->name && u->version)
        return u;
    upload_free(u);
    return NULL;
}

static int link_upload(struct results *r, struct results_job *job, struct upload *u)
{
    int code = 0;

    pthread_mutex_lock(&r->lock);
    if (job->n_uploads >= UPLOADS_MAX) {
        code = -E2BIG;
    } else {
        u->id = r->next_upload++;
        u->next = job->uploads;
        job->uploads = u;
        job->n_uploads++;
        atomic_fetch_add(&u->refs, 1);
    }
    pthread_mutex_unlock(&r->lock);
    return code;
}

int upload_new(struct results *r, struct results_job *job, const struct upload_spec *spec,
               struct upload **ret, struct err *err)
{
    struct upload *u = make(spec);

    if (!u)
        return err_errno(err, -ENOMEM, "cannot start an upload");
    int code = open_target(r, job, u, err);
    if (code == 0 && (code = link_upload(r, job, u)) < 0)
        err_set(err, code, "a job has at most %d uploads under way", UPLOADS_MAX);
    if (code < 0) {
        upload_unref(u);
        return code;
    }
    *ret = u;
    return 0;
}

struct upload *upload_by_id(struct results *r, struct results_job *job, int64_t id)
{
    struct upload *u;

    pthread_mutex_lock(&r->lock);
    for (u = job->uploads; u && u->id != id; u = u->next)
        ;
    if (u)
        atomic_fetch_add(&u->refs, 1);
    pthread_mutex_unlock(&r->lock);
    return u;
}

struct upload *upload_by_name(struct results *r, struct results_job *job, const char *name,
                              const char *version)
{
    struct upload *u;

    pthread_mutex_lock(&r->lock);
    for (u = job->uploads; u && (u->is_cache != (version != NULL) || !str_eq(u->name, name) ||
                                 (version && !str_eq(u->version, version)));
         u = u->next)
        ;
    if (u)
        atomic_fetch_add(&u->refs, 1);
    pthread_mutex_unlock(&r->lock);
    return u;
}

/* Takes it out of the job's list. */
static void upload_drop(struct results *r, struct results_job *job, struct upload *u)
{
    struct upload **at;

    pthread_mutex_lock(&r->lock);
    for (at = &job->uploads; *at && *at != u; at = &(*at)->next)
        ;
    bool listed = *at != NULL;
    if (listed) {
        *at = u->next;
        job->n_uploads--;
    }
    pthread_mutex_unlock(&r->lock);
    if (listed)
        upload_unref(u);
}

/* ---------------------------------------------------------------------------------------------- finishing */

static int check_digest(int fd, const char *expected, struct err *err)
{
    _free_ unsigned char *chunk = malloc(256 * 1024);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char bytes[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 8] = "sha256:";
    ssize_t n = -1;
    unsigned len = 0;
    off_t at = 0;

    if (chunk && digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
        while ((n = pread(fd, chunk, 256 * 1024, at)) > 0) {
            EVP_DigestUpdate(digest, chunk, (size_t)n);
            at += n;
        }
    if (n == 0)
        EVP_DigestFinal_ex(digest, bytes, &len);
    EVP_MD_CTX_free(digest);
    for (unsigned i = 0; i < len; i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", bytes[i]);
    if (n < 0)
        return err_set(err, -EIO, "the upload cannot be read");
    return str_eq_ascii_nocase(text, expected)
               ? 0
               : err_set(err, -EINVAL, "the upload has the digest %s and not %.100s", text, expected);
}

static int put_artifact(struct results *r, const struct results_job *job, struct upload *u, int64_t *ret_id,
                        struct err *err)
{
    struct artifact_spec spec = {.run_id = job->run_id,
                                 .attempt = job->attempt,
                                 .name = u->name,
                                 .retention_days = u->retention_days,
                                 .room = &u->room};

    if (lseek(u->fd, 0, SEEK_SET) < 0)
        return err_errno(err, -errno, "the upload cannot be read");
    return u->raw ? artifact_put_file(r->store, &spec, u->name, u->fd, ret_id, err)
                  : artifact_put_zip(r->store, &spec, u->fd, ret_id, err);
}

/* With the upload's lock held. */
static int finish(struct results *r, const struct results_job *job, struct upload *u, int64_t size,
                  const char *digest, int64_t *ret_id, struct err *err)
{
    struct stat st;

    if (u->finished)
        return err_set(err, -ENOENT, "the upload is already complete");
    if (u->parts)
        return err_set(err, -EINVAL, "a part of the upload is still on its way");
    if (u->size < 0 || fstat(upload_target(u), &st) < 0)
        return err_set(err, -EINVAL, "nothing was uploaded");
    if (size >= 0 && st.st_size != size)
        return err_set(err, -EINVAL, "the upload has %lld bytes and not %lld", (long long)st.st_size,
                       (long long)size);
    int code = digest && str_starts(digest, "sha256:") ? check_digest(upload_target(u), digest, err) : 0;
    if (code < 0)
        return code;
    if (!u->is_cache) {
        code = put_artifact(r, job, u, ret_id, err);
        u->finished = code == 0;
        return code;
    }
    u->finished = true;
    return cache_save_commit(TAKE(u->save), ret_id, err);
}

int upload_finish(struct results *r, struct results_job *job, struct upload *u, int64_t size,
                  const char *digest, int64_t *ret_id, struct err *err)
{
    pthread_mutex_lock(&u->lock);
    int code = finish(r, job, u, size, digest, ret_id, err);
    bool finished = u->finished;
    if (finished)
        room_release(&u->room); /* the row counts from now on */
    pthread_mutex_unlock(&u->lock);
    if (finished)
        upload_drop(r, job, u);
    return code;
}
