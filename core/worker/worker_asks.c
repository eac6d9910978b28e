/* What a worker's job asks of the world outside its machine: each question is a line, with a number, that who
 * started the worker answers. Files go and come as `data` lines of that number. */
#include <fcntl.h>

#include "worker.h"

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { LOOK_MS = 100 };

struct ask {
    struct ask *next;
    int64_t id;
    json_t *answer; /* owned; NULL: none yet */
    int fd;         /* owned: the file of the answer; -1: it has none */
    int error;      /* of that */
};

static int scratch_file(const struct worker *w, int *ret_fd, struct err *err)
{
    *ret_fd = open(w->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return *ret_fd < 0 ? err_errno(err, -errno, "%s", w->dir) : 0;
}

/* Whether there is room to keep it is decided where it is kept. */
static int scratch(void *data, enum room_of of, struct scratch *ret, struct err *err)
{
    int fd, r = scratch_file(data, &fd, err);

    if (r == 0)
        *ret = (struct scratch){.fd = fd, .room = room_make(NULL, of)};
    return r;
}

static struct ask *ask_find(const struct worker *w, const json_t *line)
{
    json_int_t id = json_integer_value(json_object_get(line, "id"));
    struct ask *a = w->asks;

    while (a && a->id != id)
        a = a->next;
    return a;
}

void worker_answered(struct worker *w, json_t *line)
{
    struct ask *a = ask_find(w, line);

    if (a && !a->answer)
        a->answer = line; /* another thread has it from now on */
    else
        json_decref(line);
    pthread_cond_broadcast(&w->changed);
}

void worker_data(struct worker *w, const json_t *line)
{
    struct ask *a = ask_find(w, line);

    if (!a || a->error) /* nobody waits for it any more */
        return;
    if (a->fd < 0)
        a->error = scratch_file(w, &a->fd, NULL);
    if (!a->error)
        a->error = wire_take_data(line, a->fd);
}

/* Waits for the answer, as long as somebody wants it. With the lock held. */
static int ask_wait(struct worker *w, const struct ask *a, struct err *err)
{
    while (!a->answer) {
        struct timespec until;
        if (w->deaf || atomic_load(&w->wire.lost))
            return err_set(err, -ECONNRESET, "who started this worker does not answer any more");
        if (atomic_load(&w->killed) || proc_unwanted())
            return err_set(err, -ECANCELED, "The operation was canceled.");
        clock_gettime(CLOCK_MONOTONIC, &until);
        until = timespec_of(timespec_ns(until) + LOOK_MS * 1000000LL);
        pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    return 0;
}

static void ask_register(struct worker *w, struct ask *a)
{
    pthread_mutex_lock(&w->lock);
    a->id = ++w->last_ask;
    a->next = w->asks;
    w->asks = a;
    pthread_mutex_unlock(&w->lock);
}

static int ask_end(struct worker *w, struct ask *a, struct err *err)
{
    struct ask **at = &w->asks;

    pthread_mutex_lock(&w->lock);
    int r = ask_wait(w, a, err);
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    pthread_mutex_unlock(&w->lock);
    return r;
}

/* An answer says `error`, a negative errno, and why; or what it is. */
static int answer_error(const json_t *answer, struct err *err)
{
    json_int_t code = json_integer_value(json_object_get(answer, "error"));
    _buf_ struct buf words = BUF_INIT;

    if (!json_object_get(answer, "error"))
        return 0;
    (void)wire_add_bytes(&words, json_object_get(answer, "message"));
    return err_set(err, code < 0 && code > -4096 ? (int)code : -EIO, "%s",
                   words.len ? buf_str(&words) : "it was refused");
}

/*
 * Asks, with a file to go along unless it is -1. Takes question. *ret is the answer; *ret_fd (NULL: none is
 * wanted) its file, from its start, which may be empty.
 */
static int ask(struct worker *w, json_t *question, int file, json_t **ret, int *ret_fd, struct err *err)
{
    struct ask a = {.fd = -1};

    ask_register(w, &a);
    json_object_set_new(question, "type", json_string("ask"));
    json_object_set_new(question, "id", json_integer(a.id));
    int r = file < 0
                ? 0 /* before it: it is whole then */
                : wire_write_file(&w->wire, a.id, json_string_value(json_object_get(question, "what")), file);
    if (r == 0)
        r = wire_write(&w->wire, question);
    else
        json_decref(question);
    if (r < 0)
        err_errno(err, r, "cannot ask who started this worker");
    int waited = ask_end(w, &a, r == 0 ? err : NULL);
    _json_ json_t *answer = a.answer;
    _close_ int fd = a.fd;
    if (r == 0)
        r = waited;
    if (r == 0)
        r = answer_error(answer, err);
    if (r == 0 && a.error)
        r = err_errno(err, a.error, "what was answered cannot be kept");
    if (r == 0 && ret_fd && fd < 0)
        r = scratch_file(w, &fd, err);
    if (r == 0 && ret_fd && lseek(fd, 0, SEEK_SET) < 0)
        r = err_errno(err, -errno, "%s", w->dir);
    if (r < 0)
        return r;
    if (ret_fd)
        *ret_fd = TAKE_FD(fd);
    *ret = json_incref(answer);
    return 0;
}

static char *text_of(const json_t *answer, const char *key)
{
    _buf_ struct buf text = BUF_INIT;

    if (wire_add_bytes(&text, json_object_get(answer, key)) < 0)
        return NULL;
    return buf_steal(&text);
}

static int wrong_answer(struct err *err)
{
    return err_set(err, -EPROTO, "who started this worker answered what cannot be understood");
}

/* ------------------------------------------------------------------------------------------ the questions */

static bool is_sha(const char *s)
{
    return s && strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

static int action(void *data, const char *repository, const char *ref, char ret_sha[41], int *ret_tar_fd,
                  struct err *err)
{
    _json_ json_t *answer = NULL;
    _close_ int fd = -1;
    int r = ask(data,
                json_pack("{s:s, s:o, s:o}", "what", "action", "repository", wire_text(repository), "ref",
                          wire_text(ref)),
                -1, &answer, &fd, err);
    const char *sha = json_string_value(json_object_get(answer, "sha"));

    if (r == 0 && !is_sha(sha))
        r = wrong_answer(err);
    if (r < 0)
        return r;
    snprintf(ret_sha, 41, "%s", sha);
    *ret_tar_fd = TAKE_FD(fd);
    return 0;
}

static bool mirrored(void *data, const char *repository)
{
    _json_ json_t *answer = NULL;
    int r = ask(data, json_pack("{s:s, s:o}", "what", "mirrored", "repository", wire_text(repository)), -1,
                &answer, NULL, NULL);

    return r == 0 && json_is_true(json_object_get(answer, "mirrored"));
}

static int checkout(void *data, const struct checkout *c, struct checked_out *ret, struct err *err)
{
    _json_ json_t *answer = NULL;
    json_t *question =
        json_pack("{s:s, s:o, s:o, s:i, s:b, s:b, s:b, s:o, s:o, s:b, s:o}", "what", "checkout", "repository",
                  wire_text(c->repository), "ref", wire_text(c->ref), "depth", c->depth, "tags", c->tags,
                  "submodules", c->submodules, "nested", c->nested, "filter", wire_text(c->filter), "sparse",
                  wire_text(c->sparse), "cone", c->cone, "token", wire_text(c->token));
    struct checked_out done = {.tar_fd = -1};
    int r = ask(data, question, -1, &answer, &done.tar_fd, err);

    if (r == 0) {
        done.ref = text_of(answer, "ref");
        done.sha = text_of(answer, "sha");
        done.words = text_of(answer, "words");
        if (!done.ref || !done.sha || !done.words)
            r = wrong_answer(err);
    }
    if (r < 0) {
        checked_out_release(&done);
        return r;
    }
    *ret = done;
    return 0;
}

static int artifact_put(void *data, const struct upload *what, int tar_fd, struct uploaded *ret,
                        struct err *err)
{
    _json_ json_t *answer = NULL;
    json_t *question =
        json_pack("{s:s, s:o, s:i, s:b, s:b}", "what", "artifact_put", "name", wire_text(what->name),
                  "retention_days", what->retention_days, "overwrite", what->overwrite, "raw", what->raw);
    int r = lseek(tar_fd, 0, SEEK_SET) < 0 ? -errno : 0;
    if (r < 0) {
        json_decref(question);
        return err_errno(err, r, "the artifact cannot be sent");
    }
    r = ask(data, question, tar_fd, &answer, NULL, err);
    const char *digest = json_string_value(json_object_get(answer, "digest"));

    if (r < 0)
        return r;
    ret->id = json_integer_value(json_object_get(answer, "id"));
    ret->size = json_integer_value(json_object_get(answer, "size"));
    snprintf(ret->digest, sizeof(ret->digest), "%s", digest ? digest : "");
    return 0;
}

static int artifact_list(void *data, int64_t run_id, json_t **ret, struct err *err)
{
    _json_ json_t *answer = NULL;
    int r = ask(data, json_pack("{s:s, s:I}", "what", "artifact_list", "run", (json_int_t)run_id), -1,
                &answer, NULL, err);
    json_t *list = json_object_get(answer, "artifacts"), *one;
    size_t i;

    if (r < 0)
        return r;
    json_array_foreach(list, i,
                       one) if (!json_string_value(json_object_get(one, "name")) ||
                                !json_is_integer(json_object_get(one, "id"))) return wrong_answer(err);
    if (!json_is_array(list))
        return wrong_answer(err);
    *ret = json_incref(list);
    return 0;
}

static int artifact_get(void *data, int64_t id, int *ret_tar_fd, struct err *err)
{
    _json_ json_t *answer = NULL;

    return ask(data, json_pack("{s:s, s:I}", "what", "artifact_get", "artifact", (json_int_t)id), -1, &answer,
               ret_tar_fd, err);
}

static int artifact_delete(void *data, int64_t id, struct err *err)
{
    _json_ json_t *answer = NULL;

    return ask(data, json_pack("{s:s, s:I}", "what", "artifact_delete", "artifact", (json_int_t)id), -1,
               &answer, NULL, err);
}

static int cache_get(void *data, const char *const *keys, size_t n, const char *version, char **ret_key,
                     int *ret_fd, struct err *err)
{
    _json_ json_t *answer = NULL;
    _close_ int fd = -1;
    json_t *list = json_array();

    *ret_key = NULL;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, wire_text(keys[i]));
    int r = ask(
        data, json_pack("{s:s, s:o, s:o}", "what", "cache_get", "keys", list, "version", wire_text(version)),
        -1, &answer, &fd, err);
    if (r < 0 || !json_object_get(answer, "key"))
        return r;
    *ret_key = text_of(answer, "key");
    if (!*ret_key)
        return wrong_answer(err);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int cache_put(void *data, const char *key, const char *version, int fd, struct err *err)
{
    _json_ json_t *answer = NULL;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(err, -errno, "the cache cannot be saved");
    return ask(data,
               json_pack("{s:s, s:o, s:o}", "what", "cache_put", "key", wire_text(key), "version",
                         wire_text(version)),
               fd, &answer, NULL, err);
}

struct job_outside worker_outside(struct worker *w)
{
    return (struct job_outside){.data = w,
                                .action = action,
                                .mirrored = mirrored,
                                .checkout = checkout,
                                .artifact_put = artifact_put,
                                .artifact_list = artifact_list,
                                .artifact_get = artifact_get,
                                .artifact_delete = artifact_delete,
                                .cache_get = cache_get,
                                .cache_put = cache_put,
                                .scratch = scratch};
}
