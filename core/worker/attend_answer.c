/* Answers what a worker's job asks, from the outside of the job that it is of: checkouts, actions, artifacts,
 * caches. What comes of a worker is what anybody may have written. */
#include "worker.h"

#include <fcntl.h>

#include "runfs/cache.h"
#include "runfs/proc.h"
#include "runfs/room.h"
#include "runfs/str.h"

enum { FILES_MAX = 32, KEYS_MAX = CACHE_KEYS_MAX + 1 };
#define FILE_MAX ((12LL << 30)) /* more than any artifact or cache may have */

struct upload_file {
    struct upload_file *next;
    json_int_t id;
    struct scratch tar;
    int64_t size;
    struct err refused; /* why it is not taken: what still comes of it is dropped */
};

/* ---------------------------------------------------------------------------------------- files that come
 */

static void file_free(struct upload_file *f)
{
    if (f)
        scratch_release(&f->tar);
    free(f);
}

void attend_release_files(struct attending *at)
{
    while (at->files) {
        struct upload_file *f = at->files;
        at->files = f->next;
        file_free(f);
    }
}

/* The one that the piece is of; a new one, for what it says. */
static struct upload_file *file_of(struct attending *at, const json_t *line)
{
    const struct job_outside *outside = at->what->spec->outside;
    const char *what = json_string_value(json_object_get(line, "for"));
    json_int_t id = json_integer_value(json_object_get(line, "id"));
    struct upload_file *f = at->files;
    size_t n = 0;

    for (; f && f->id != id; f = f->next)
        n++;
    if (f || n == FILES_MAX || !(f = calloc(1, sizeof(*f))))
        return f;
    f->id = id;
    f->tar.fd = -1;
    f->next = at->files;
    at->files = f;
    (void)outside->scratch(outside->data, what && str_eq(what, "artifact_put") ? ROOM_ARTIFACTS : ROOM_CACHES,
                           &f->tar, &f->refused);
    return f;
}

int attend_data(struct attending *at, const json_t *line, struct err *err)
{
    const json_t *coded = json_object_get(line, "base64");
    struct upload_file *f = file_of(at, line);

    if (!f || !json_is_string(coded))
        return err_set(err, -EPROTO, "the worker told what no worker tells: data");
    if (f->refused.code)
        return 0;
    f->size += (int64_t)json_string_length(coded);
    if (f->size / 4 * 3 > FILE_MAX)
        err_set(&f->refused, -EFBIG, "there are more than %lld GB of files", FILE_MAX >> 30);
    else
        (void)room_hold(&f->tar.room, f->size / 4 * 3, &f->refused);
    int r = f->refused.code ? 0 : wire_take_data(line, f->tar.fd);
    if (r == -EPROTO)
        return err_set(err, -EPROTO, "the worker told what no worker tells: data");
    if (r < 0)
        err_errno(&f->refused, r, "what came cannot be kept");
    return 0;
}

/* What came along with a question; NULL: nothing did. */
static struct upload_file *take_file(struct attending *at, json_int_t id)
{
    for (struct upload_file **p = &at->files, *f; (f = *p); p = &f->next)
        if (f->id == id) {
            *p = f->next;
            return f;
        }
    return NULL;
}

/* ------------------------------------------------------------------------------------------ the questions */

/* A question being answered: its texts are C strings as long as it is. */
struct question {
    const json_t *asked;
    const struct job_outside *outside;
    struct upload_file *file; /* that came along; NULL: none */
    json_t *answer;           /* object */
    json_t *listed;           /* object: artifacts that were told of, by their numbers */
    int answer_file;
    struct buf texts[8];
    size_t n_texts;
};

/* "" where it is absent or no text. */
static const char *text(struct question *q, const json_t *value)
{
    if (q->n_texts == ARRAY_LEN(q->texts))
        return "";
    struct buf *b = &q->texts[q->n_texts++];
    if (wire_add_bytes(b, value) < 0)
        buf_reset(b);
    return buf_str(b);
}

static const char *asked_text(struct question *q, const char *key)
{
    return text(q, json_object_get(q->asked, key));
}

static bool asked_flag(const struct question *q, const char *key)
{
    return json_is_true(json_object_get(q->asked, key));
}

static int64_t asked_number(const struct question *q, const char *key)
{
    return json_integer_value(json_object_get(q->asked, key));
}

static void answer_text(struct question *q, const char *key, const char *value)
{
    json_object_set_new(q->answer, key, wire_text(value));
}

static int answer_action(struct question *q, struct err *err)
{
    char sha[41] = "";
    int r = q->outside->action(q->outside->data, asked_text(q, "repository"), asked_text(q, "ref"), sha,
                               &q->answer_file, err);

    answer_text(q, "sha", sha);
    return r;
}

static int answer_mirrored(struct question *q, struct err *err)
{
    (void)err;
    bool is = q->outside->mirrored(q->outside->data, asked_text(q, "repository"));
    json_object_set_new(q->answer, "mirrored", json_boolean(is));
    return 0;
}

static int answer_checkout(struct question *q, struct err *err)
{
    int64_t depth = asked_number(q, "depth");
    struct checkout what = {.repository = asked_text(q, "repository"),
                            .ref = asked_text(q, "ref"),
                            .depth = depth > 0 && depth <= INT32_MAX ? (int)depth : 0,
                            .tags = asked_flag(q, "tags"),
                            .submodules = asked_flag(q, "submodules"),
                            .nested = asked_flag(q, "nested"),
                            .filter = asked_text(q, "filter"),
                            .sparse = asked_text(q, "sparse"),
                            .cone = asked_flag(q, "cone"),
                            .token = asked_text(q, "token")};
    struct checked_out done = {.tar_fd = -1};
    int r = q->outside->checkout(q->outside->data, &what, &done, err);

    if (r < 0)
        return r;
    answer_text(q, "ref", done.ref);
    answer_text(q, "sha", done.sha);
    answer_text(q, "words", done.words);
    q->answer_file = TAKE_FD(done.tar_fd);
    checked_out_release(&done);
    return 0;
}

/* Whether a file came along that was taken; it is at its start then. */
static int check_file(struct question *q, struct err *err)
{
    if (!q->file)
        return err_set(err, -EPROTO, "no file came along with it");
    if (q->file->refused.code)
        return err_set(err, q->file->refused.code, "%s", q->file->refused.msg);
    return lseek(q->file->tar.fd, 0, SEEK_SET) < 0 ? err_errno(err, -errno, "scratch file") : 0;
}

static int answer_artifact_put(struct question *q, struct err *err)
{
    int64_t days = asked_number(q, "retention_days");
    int r = check_file(q, err);

    if (r < 0)
        return r;
    struct upload what = {.name = asked_text(q, "name"),
                          .retention_days = days > 0 && days <= 100000 ? (int)days : 0,
                          .overwrite = asked_flag(q, "overwrite"),
                          .raw = asked_flag(q, "raw"),
                          .room = &q->file->tar.room};
    struct uploaded done = {0};
    r = q->outside->artifact_put(q->outside->data, &what, q->file->tar.fd, &done, err);
    json_object_set_new(q->answer, "id", json_integer(done.id));
    json_object_set_new(q->answer, "size", json_integer(done.size));
    answer_text(q, "digest", done.digest);
    return r;
}

/* The number of an artifact as a key of those that were told of. */
struct artifact_key {
    char text[24];
};

static struct artifact_key artifact_key(int64_t id)
{
    struct artifact_key key;

    snprintf(key.text, sizeof(key.text), "%lld", (long long)id);
    return key;
}

static int answer_artifact_list(struct question *q, struct err *err)
{
    json_t *list = NULL, *one;
    size_t i;
    int r = q->outside->artifact_list(q->outside->data, asked_number(q, "run"), &list, err);

    if (r < 0)
        return r;
    json_array_foreach(list, i, one)
    {
        struct artifact_key key = artifact_key(json_integer_value(json_object_get(one, "id")));
        json_object_set_new(q->listed, key.text, json_true());
    }
    json_object_set_new(q->answer, "artifacts", list);
    return 0;
}

/* Their numbers are not of one run: a job has those that it was told of, which are its own run's, or its
 * repository's. */
static int answer_artifact_get(struct question *q, struct err *err)
{
    int64_t id = asked_number(q, "artifact");

    return json_object_get(q->listed, artifact_key(id).text)
               ? q->outside->artifact_get(q->outside->data, id, &q->answer_file, err)
               : err_set(err, -ENOENT, "there is no such artifact");
}

static int answer_artifact_delete(struct question *q, struct err *err)
{
    return q->outside->artifact_delete(q->outside->data, asked_number(q, "artifact"), err);
}

static int answer_cache_get(struct question *q, struct err *err)
{
    const json_t *asked = json_object_get(q->asked, "keys");
    _free_ char *key = NULL;
    const char *version = asked_text(q, "version");
    struct buf texts[KEYS_MAX] = {0};
    const char *keys[KEYS_MAX];
    size_t n = json_array_size(asked);

    if (n == 0 || n > KEYS_MAX)
        return err_set(err, -EINVAL, "a cache is looked for by 1 to %d keys", KEYS_MAX);
    for (size_t i = 0; i < n; i++) {
        (void)wire_add_bytes(&texts[i], json_array_get(asked, i));
        keys[i] = buf_str(&texts[i]);
    }
    int r = q->outside->cache_get(q->outside->data, keys, n, version, &key, &q->answer_file, err);
    if (r == 0 && key)
        answer_text(q, "key", key);
    for (size_t i = 0; i < n; i++)
        buf_release(&texts[i]);
    return r;
}

static int answer_cache_put(struct question *q, struct err *err)
{
    int r = check_file(q, err);

    return r == 0 ? q->outside->cache_put(q->outside->data, asked_text(q, "key"), asked_text(q, "version"),
                                          q->file->tar.fd, err)
                  : r;
}

static const struct {
    const char *what;
    int (*answer)(struct question *q, struct err *err);
} answers[] = {
    {"action", answer_action},
    {"mirrored", answer_mirrored},
    {"checkout", answer_checkout},
    {"artifact_put", answer_artifact_put},
    {"artifact_list", answer_artifact_list},
    {"artifact_get", answer_artifact_get},
    {"artifact_delete", answer_artifact_delete},
    {"cache_get", answer_cache_get},
    {"cache_put", answer_cache_put},
};

static int answer(struct question *q, struct err *err)
{
    const char *what = json_string_value(json_object_get(q->asked, "what"));

    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (what && str_eq(answers[i].what, what))
            return answers[i].answer(q, err);
    return err_set(err, -ENOTSUP, "this runfs (%s) does not know the question", RUNFS_VERSION);
}

/* Until it is cancelled, if it was not before: what comes behind a cancel is wanted, until it is killed. */
struct wish {
    const struct job_spec *spec;
    bool before;
};

static bool unwanted(void *data)
{
    const struct wish *w = data;

    return (w->spec->killed && atomic_load(w->spec->killed)) ||
           (!w->before && atomic_load(w->spec->cancelled));
}

static void add_error(const struct attending *at, json_t *to, int r, const struct err *err)
{
    _buf_ struct buf masked = BUF_INIT;

    mask_apply(at->what->mask, err->msg, strlen(err->msg), &masked);
    json_object_set_new(to, "error", json_integer(r));
    json_object_set_new(to, "message", wire_bytes(buf_str(&masked), masked.len));
}

int attend_ask(struct attending *at, const json_t *line, struct err *err)
{
    json_int_t id = json_integer_value(json_object_get(line, "id"));
    const struct job_spec *spec = at->what->spec;
    struct question q = {.asked = line,
                         .outside = spec->outside,
                         .file = take_file(at, id),
                         .answer = json_object(),
                         .listed = at->listed,
                         .answer_file = -1};
    struct wish wish = {.spec = spec, .before = atomic_load(spec->cancelled)};
    struct err why = {0};

    proc_until(unwanted, &wish);
    int r = answer(&q, &why);
    proc_until(NULL, NULL);
    if (r == 0 && q.answer_file >= 0) {
        (void)lseek(q.answer_file, 0, SEEK_SET); /* a pipe has no start to go back to */
        r = wire_write_file(&at->wire, id, NULL, q.answer_file);
        if (r < 0)
            err_errno(&why, r, "it cannot be sent");
    }
    json_object_set_new(q.answer, "type", json_string("answer"));
    json_object_set_new(q.answer, "id", json_integer(id));
    if (r < 0)
        add_error(at, q.answer, r, &why);
    r = wire_write(&at->wire, q.answer);
    for (size_t i = 0; i < q.n_texts; i++)
        buf_release(&q.texts[i]);
    file_free(q.file);
    cleanup_close(&q.answer_file);
    return r < 0 ? err_errno(err, r, "the worker cannot be answered") : 0;
}
