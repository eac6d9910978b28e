/* actions/cache, with restore and save alone: their inputs, outputs and words, over the host's caches. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "background.h"
#include "builtin.h"
#include "runfs/cache.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

/* What an entry is an archive of: the paths as they were given. */
static void cache_version(const char *paths, char ret[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    _buf_ struct buf text = BUF_INIT;

    for (const char *line = paths; *line;) {
        size_t len = strcspn(line, "\r\n");
        if (len)
            buf_addf(&text, "%.*s|", (int)len, line);
        line += len;
        line += strspn(line, "\r\n");
    }
    buf_adds(&text, "tar");
    EVP_Digest(buf_str(&text), text.len, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < 32; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* One more than there may be, so that too many are told and not cut off. */
enum { KEYS_MAX = CACHE_KEYS_MAX + 1 };

/* The key, then the restore keys, a line each. The list points into `text`, which is changed. */
static size_t cache_keys(const char *key, char *text, const char *ret[KEYS_MAX])
{
    size_t n = 0;

    ret[n++] = key;
    for (char *line = text; *line && n < KEYS_MAX;) {
        size_t len = strcspn(line, "\r\n");
        char *next = line + len + strspn(line + len, "\r\n");
        line[len] = '\0';
        line += strspn(line, " \t");
        for (len = strlen(line); len && strchr(" \t", line[len - 1]); len--)
            line[len - 1] = '\0';
        if (len)
            ret[n++] = line;
        line = next;
    }
    return n;
}

/* ------------------------------------------------------------------------------------------------ restoring
 */

/* Unpacks an archive that lies in the host's file, in the machine's workspace. */
static int unpack(struct running_step *s, int fd, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, errors = BUF_INIT;
    struct stat st;
    void *bytes = MAP_FAILED;

    if (fstat(fd, &st) == 0 && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_errno(err, -errno, "the cache cannot be read");
    buf_addf(&path, "%s/cache-%u.tar", machine_paths(s->job->machine)->temp, ++s->job->whole->numbered);
    struct machine_file file = {
        .path = buf_str(&path), .mode = 0600, .data = bytes, .len = (size_t)st.st_size};
    char *const argv[] = {(char[]){"sh"},
                          (char[]){"-c"},
                          (char[]){"tar -P -xf \"$1\"; s=$?; rm -f -- \"$1\"; exit $s"},
                          (char[]){"sh"},
                          path.ptr ? path.ptr : (char[]){""},
                          NULL};
    int r = tool_run(s->job, &(struct tool){.argv = argv, .file = &file, .errors = &errors}, err);
    munmap(bytes, (size_t)st.st_size);
    return r > 0 ? err_set(err, -EIO, "tar: %.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors))
                 : r;
}

static void say_miss(struct running_step *s, const char *const *keys, size_t n, bool fail)
{
    _buf_ struct buf list = BUF_INIT, msg = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", keys[i]);
    if (!fail) {
        output_runner_line(&s->output, "Cache not found for input keys: %s", buf_str(&list));
        return;
    }
    buf_addf(&msg, "Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: %s",
             keys[0]);
    step_fail(s, buf_str(&msg));
    s->exit_code = 1;
}

static int restore(struct running_step *s, struct use *u, const char *key, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;
    _free_ char *restore_keys = strdup(builtin_input(u, "restore-keys")), *matched = NULL;
    const char *keys[KEYS_MAX];
    char version[65];
    _close_ int fd = -1;

    if (!restore_keys || !outside || !outside->cache_get)
        return err_set(err, -ENOTSUP, "caches cannot be had here");
    size_t n = cache_keys(key, restore_keys, keys);
    cache_version(builtin_input(u, "path"), version);
    builtin_output(s, "cache-primary-key", key);
    int r = outside->cache_get(outside->data, keys, n, version, &matched, &fd, err);
    if (r < 0)
        return r;
    if (!matched) {
        say_miss(s, keys, n, builtin_flag(u, "fail-on-cache-miss", false));
        return 0;
    }
    bool exact = str_eq_ascii_nocase(matched, key);
    json_object_set_new(u->state, "CACHE_RESULT", json_string(matched));
    builtin_output(s, "cache-matched-key", matched);
    builtin_output(s, "cache-hit", exact ? "true" : "false");
    if (builtin_flag(u, "lookup-only", false)) {
        output_runner_line(&s->output, "Cache found and can be restored from key: %s", matched);
        return 0;
    }
    r = unpack(s, fd, err);
    if (r == 0)
        output_runner_line(&s->output, "Cache restored from key: %s", matched);
    return r;
}

/* NULL: it is missing, or the path, and the step has failed. */
static const char *key_of(struct running_step *s, struct use *u)
{
    const char *key = builtin_input(u, "key");
    struct err err = {0};

    if (*key && *builtin_input(u, "path"))
        return key;
    err_set(&err, -EINVAL, "Input required and not supplied: %s", *key ? "path" : "key");
    builtin_fail(s, &err);
    return NULL;
}

/* A cache that cannot be restored is a miss with a warning; a key that is missing is an error. */
static void restore_stage(struct running_step *s, struct use *u)
{
    const char *key = key_of(s, u);
    struct err err = {0};

    if (!key)
        return;
    json_object_set_new(u->state, "CACHE_KEY", json_string(key));
    int r = restore(s, u, key, &err);
    if (r == -EINVAL)
        builtin_fail(s, &err);
    else if (r < 0)
        output_warning(&s->output, err.msg);
}

/* --------------------------------------------------------------------------------------------------- saving
 */

/* Paths that match, relative to the workspace, those outside of it with `..`, as the archive names them. */
static void cache_names(struct running_step *s, const struct file_list *list, struct buf *names)
{
    const char *workspace = machine_paths(s->job->machine)->workspace;

    for (size_t i = 0; i < list->n; i++) {
        const char *path = list->files[i].path;
        size_t common = 0, at = 0;
        while (path[at] && path[at] == workspace[at]) {
            at++;
            if ((path[at] == '/' || !path[at]) && (workspace[at] == '/' || !workspace[at]))
                common = at;
        }
        for (const char *up = workspace + common; (up = strchr(up, '/')); up++)
            buf_adds(names, "../");
        path += common + (path[common] == '/');
        buf_add(names, *path ? path : ".", strlen(*path ? path : ".") + 1);
    }
}

static int save(struct running_step *s, const struct use *u, const char *key, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;
    struct file_list list = {0};
    _buf_ struct buf names = BUF_INIT;
    char version[65];
    _scratch_ struct scratch tar = {.fd = -1};

    if (!outside || !outside->cache_put)
        return err_set(err, -ENOTSUP, "caches cannot be kept here");
    cache_version(builtin_input(u, "path"), version);
    int r = files_find(s->job, builtin_input(u, "path"), 0, &list, err);
    if (r == 0 && list.n == 0)
        r = err_set(
            err, -ENOENT,
            "Path Validation Error: Path(s) specified in the action for caching do(es) not exist, hence "
            "no cache is being saved.");
    if (r == 0) {
        cache_names(s, &list, &names);
        r = builtin_scratch(s, ROOM_CACHES, &tar, err);
    }
    if (r == 0)
        r = builtin_tar(s, machine_paths(s->job->machine)->workspace, &names, false, &tar, err);
    if (r == 0) {
        job_leave(s->job);
        r = outside->cache_put(outside->data, key, version, tar.fd, err);
        job_enter(s->job);
    }
    file_list_release(&list);
    if (r == -EACCES) { /* @actions/cache gives this warning of its own */
        _buf_ struct buf msg = BUF_INIT;
        buf_addf(&msg, "Cache reservation failed: %s", err->msg);
        output_warning(&s->output, buf_str(&msg));
        err_set(err, r, "Cache save failed.");
    }
    if (r == -EEXIST)
        err_set(
            err, r,
            "Failed to save: Unable to reserve cache with key %s, another job may be creating this cache.",
            key);
    return r;
}

/* Saving never fails a job. */
static void save_stage(struct running_step *s, struct use *u, const char *key)
{
    const char *restored = json_string_value(json_object_get(u->state, "CACHE_RESULT"));
    struct err err = {0};

    if (!*key) {
        output_warning(&s->output, "Key is not specified.");
    } else if (restored && str_eq_ascii_nocase(restored, key)) {
        output_runner_line(&s->output, "Cache hit occurred on the primary key %s, not saving cache.", key);
    } else if (save(s, u, key, &err) < 0) {
        output_warning(&s->output, err.msg);
    } else {
        output_runner_line(&s->output, "Cache saved with key: %s", key);
    }
}

/* ------------------------------------------------------------------------------------------------ the
 * actions */

void cache_main(struct running_step *s, struct use *u)
{
    restore_stage(s, u);
}

void cache_restore_main(struct running_step *s, struct use *u)
{
    restore_stage(s, u);
}

void cache_post(struct running_step *s, struct use *u)
{
    const char *key = json_string_value(json_object_get(u->state, "CACHE_KEY"));

    save_stage(s, u, key ? key : "");
}

void cache_save_main(struct running_step *s, struct use *u)
{
    const char *key = key_of(s, u);

    if (key)
        save_stage(s, u, key);
}
