/* The container images that there are: what they are called, what they are made of, and how they go. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/image/oci.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { RECORD_MAX = 8 << 20, NAME_CHARS_MAX = 250, LOCK_LOOK_US = 100000 };

void oci_hex(const unsigned char digest[32], char ret[OCI_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < OCI_HEX / 2; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[OCI_HEX] = '\0';
}

bool oci_is_hex(const char *s)
{
    return strlen(s) == OCI_HEX && strspn(s, "0123456789abcdef") == OCI_HEX;
}

/* -------------------------------------------------------------------------------------------------- names */

/* The part before the first '/' is a registry if it could be no part of a path: Docker's rule. */
static bool has_registry(const char *name)
{
    size_t n = strcspn(name, "/");

    return name[n] && (memchr(name, '.', n) || memchr(name, ':', n) || strncmp(name, "localhost/", 10) == 0);
}

/* Of what a name may be made: the registry's own answer is the better judge of the rest. */
static bool is_reference(const char *name)
{
    static const char small[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t n = strlen(name);
    const char *at = strchr(name, '@');

    if (n == 0 || n > NAME_CHARS_MAX ||
        !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[", *name))
        return false;
    if (at && (!str_starts(at, "@sha256:") || !oci_is_hex(at + strlen("@sha256:"))))
        return false;
    for (const char *p = name; p != at && *p; p++)
        if (!strchr(small, *p) && !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ._-:/[]", *p))
            return false;
    return !strstr(name, "//") && !strstr(name, "..") && !str_ends(name, "/") && !str_ends(name, ":");
}

int oci_reference(const char *name, struct buf *ret, struct err *err)
{
    if (!is_reference(name))
        return err_set(err, -EINVAL,
                       "'%.200s' cannot be the name of an image, which is as in debian:12, "
                       "registry.example.org:5000/team/tool:1.2 or debian@sha256:DIGEST",
                       utf8_valid(name, strlen(name)) ? name : "?");
    const char *path = has_registry(name) ? strchr(name, '/') + 1 : name;
    if (path == name)
        buf_addf(ret, "docker.io/%s", strchr(name, '/') ? "" : "library/");
    buf_adds(ret, name);
    if (!strchr(path, ':') && !strchr(path, '@'))
        buf_adds(ret, ":latest");
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "image");
}

void oci_name_file(const char *name, struct buf *ret)
{
    for (; *name; name++)
        buf_addc(ret, *name == '/' ? '+' : *name);
}

int oci_read_json(const char *path, json_t **ret, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    int r = read_file(path, RECORD_MAX, &text, err);

    if (r < 0)
        return r;
    *ret = json_loadb(buf_str(&text), text.len, 0, NULL);
    if (json_is_object(*ret))
        return 0;
    json_decref(TAKE(*ret));
    return err_set(err, -EINVAL, "%s is broken: pull the image again", path);
}

/* names/NAME of a name that is given as people give it. */
int oci_read_name(const char *state_dir, const char *name, json_t **ret, struct err *err)
{
    _buf_ struct buf full = BUF_INIT, path = BUF_INIT;
    int r = oci_reference(name, &full, err);

    if (r < 0)
        return r;
    buf_addf(&path, "%s/containers/names/", state_dir);
    oci_name_file(buf_str(&full), &path);
    if (!buf_ok(&path))
        return err_errno(err, -ENOMEM, "image");
    r = oci_read_json(path.ptr, ret, err);
    return r == -ENOENT
               ? err_set(err, r, "there is no image '%s': `runfs image pull %s` fetches it", name, name)
               : r;
}

bool oci_is_local(const char *state_dir, const char *name)
{
    _json_ json_t *entry = NULL;

    return oci_read_name(state_dir, name, &entry, NULL) == 0 &&
           !str_starts(json_string_value(json_object_get(entry, "source"))
                           ? json_string_value(json_object_get(entry, "source"))
                           : "",
                       "docker://");
}

/* ------------------------------------------------------------------------------------------------- images */

void oci_release(struct oci_image *image)
{
    json_decref(image->record);
    if (image->record)
        cleanup_close(&image->lock);
    *image = (struct oci_image){.lock = -1};
}

void oci_used(const struct oci_image *image)
{
    (void)futimens(image->lock, NULL);
}

static int take_record(const char *id, json_t *record_take, int *lock, struct oci_image *ret, struct err *err)
{
    _json_ json_t *record = record_take;
    json_t *layers = json_object_get(record, "layers"), *layer;
    bool good = json_array_size(layers) <= OCI_LAYERS_MAX;
    size_t i;

    json_array_foreach(layers, i, layer) good =
        good && json_is_string(layer) && oci_is_hex(json_string_value(layer));
    if (!good || !json_is_object(json_object_get(record, "config")))
        return err_set(err, -EINVAL, "the image sha256:%s is broken: pull it again", id);
    *ret = (struct oci_image){.lock = TAKE_FD(*lock)};
    snprintf(ret->id, sizeof(ret->id), "%s", id);
    ret->config = json_object_get(record, "config");
    ret->record = TAKE(record);
    return 0;
}

static int open_id(const char *state_dir, const char *id, struct oci_image *ret, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    json_t *record = NULL;
    struct stat st;

    if (!oci_is_hex(id))
        return err_set(err, -EINVAL, "'sha256:%.100s' is not the id of an image", id);
    buf_addf(&path, "%s/containers/images/%s.json", state_dir, id);
    _close_ int lock = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_CLOEXEC) : -1;
    if (lock < 0 || flock(lock, LOCK_SH) < 0 || fstat(lock, &st) < 0 || st.st_nlink == 0)
        return err_set(err, -ENOENT, "the image sha256:%s is not here any more: pull it again", id);
    int r = oci_read_json(path.ptr, &record, err);
    return r < 0 ? r : take_record(id, record, &lock, ret, err);
}

int oci_open(const char *state_dir, const char *name, struct oci_image *ret, struct err *err)
{
    _json_ json_t *entry = NULL;

    if (str_starts(name, "sha256:"))
        return open_id(state_dir, name + strlen("sha256:"), ret, err);
    int r = oci_read_name(state_dir, name, &entry, err);
    if (r < 0)
        return r;
    const char *id = json_string_value(json_object_get(entry, "id"));
    return open_id(state_dir, id ? id : "", ret, err);
}

/* ---------------------------------------------------------------------------------------- what there is */

int oci_names(const char *state_dir, char ***ret, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    char **names = calloc(1, sizeof(*names));
    size_t n = 0;
    int r = names ? 0 : -ENOMEM;

    buf_addf(&path, "%s/containers/names", state_dir);
    _closedir_ DIR *d = opendir(buf_str(&path));
    for (struct dirent *e; r == 0 && d && (e = readdir(d));) {
        if (*e->d_name == '.' || strstr(e->d_name, ".tmp-"))
            continue;
        char *name = strdup(e->d_name);
        for (char *p = name; p && (p = strchr(p, '+'));)
            *p = '/';
        r = strv_add(&names, &n, name);
    }
    if (r == 0) {
        strv_sort(names, n);
        *ret = names;
        return 0;
    }
    strv_free(names);
    return err_errno(err, r, "images");
}

int oci_describe(const char *state_dir, const char *name, json_t **ret, struct err *err)
{
    _oci_image_ struct oci_image image = {.lock = -1};
    _json_ json_t *entry = NULL;
    int r = oci_read_name(state_dir, name, &entry, err);

    if (r == 0)
        r = oci_open(state_dir, name, &image, err);
    if (r == 0 && json_object_update_missing(entry, image.record) < 0)
        r = err_errno(err, -ENOMEM, "image");
    if (r == 0)
        *ret = TAKE(entry);
    return r;
}

/* ------------------------------------------------------------------------------------------- how they go */

int oci_lock(const char *state_dir, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/containers", state_dir);
    _close_ int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return err_errno(err, -errno, "cannot open %s", buf_str(&path));
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, -errno, "cannot lock %s", path.ptr);
        if (proc_unwanted())
            return err_set(err, -ECANCELED, "The operation was canceled.");
        usleep(LOCK_LOOK_US);
    }
    return TAKE_FD(fd);
}

/* Ids that have names, as keys of an object. NULL: it cannot be told. */
static json_t *named_ids(const char *state_dir)
{
    _strv_ char **names = NULL;
    _json_ json_t *ids = json_object();

    if (!ids || oci_names(state_dir, &names, NULL) < 0)
        return NULL;
    for (char **name = names; *name; name++) {
        _json_ json_t *entry = NULL;
        int r = oci_read_name(state_dir, *name, &entry, NULL);
        const char *id = json_string_value(json_object_get(entry, "id"));
        if ((r < 0 && r != -EINVAL && r != -ENOENT) || (id && json_object_set_new(ids, id, json_true()) < 0))
            return NULL;
    }
    return TAKE(ids);
}

/* Whether it is in the way of nobody: then its record is gone. */
static bool drop_record(const char *path)
{
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && unlink(path) == 0;
}

/* Drops records that nothing leads to; layers of those that stay, as keys. NULL: it cannot be told. */
static json_t *needed_layers(const char *state_dir, const json_t *named)
{
    _buf_ struct buf dir = BUF_INIT;
    _json_ json_t *layers = json_object();

    buf_addf(&dir, "%s/containers/images", state_dir);
    _closedir_ DIR *d = opendir(buf_str(&dir));
    if (!layers || !d)
        return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        _buf_ struct buf path = BUF_INIT;
        _json_ json_t *record = NULL;
        char id[OCI_HEX + 1];
        json_t *layer;
        size_t i;
        snprintf(id, sizeof(id), "%.*s", OCI_HEX, e->d_name);
        if (!oci_is_hex(id) || !str_eq(e->d_name + OCI_HEX, ".json"))
            continue;
        buf_addf(&path, "%s/%s", dir.ptr, e->d_name);
        if (!buf_ok(&path) || (!json_object_get(named, id) && drop_record(path.ptr)))
            continue;
        if (oci_read_json(path.ptr, &record, NULL) < 0)
            return NULL;
        json_array_foreach(json_object_get(record, "layers"), i, layer)
            json_object_set_new(layers, json_string_value(layer), json_true());
    }
    return TAKE(layers);
}

static void remove_abandoned(const char *state_dir)
{
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/containers", state_dir);
    _closedir_ DIR *d = opendir(buf_str(&dir));
    for (struct dirent *e; d && (e = readdir(d));) {
        _buf_ struct buf path = BUF_INIT;
        if (!str_starts(e->d_name, OCI_PULLING))
            continue;
        buf_addf(&path, "%s/%s", dir.ptr, e->d_name);
        _close_ int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && buf_ok(&path))
            (void)remove_tree(path.ptr);
    }
}

void oci_collect(const char *state_dir)
{
    remove_abandoned(state_dir);
    _json_ json_t *named = named_ids(state_dir);
    _json_ json_t *needed = named ? needed_layers(state_dir, named) : NULL;
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/containers/layers", state_dir);
    _closedir_ DIR *d = needed ? opendir(buf_str(&dir)) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        _buf_ struct buf path = BUF_INIT, note = BUF_INIT;
        buf_addf(&path, "%s/%s", dir.ptr, e->d_name);
        buf_addf(&note, "%s/containers/sizes/%s", state_dir, e->d_name);
        if (!oci_is_hex(e->d_name) || json_object_get(needed, e->d_name) || !buf_ok(&path) || !buf_ok(&note))
            continue;
        (void)remove_tree(path.ptr);
        (void)unlink(note.ptr);
    }
}

int oci_remove(const char *state_dir, const char *name, struct err *err)
{
    _oci_image_ struct oci_image image = {.lock = -1};
    _buf_ struct buf full = BUF_INIT, path = BUF_INIT;
    _json_ json_t *entry = NULL;
    int r = oci_read_name(state_dir, name, &entry, err);

    if (r < 0)
        return r;
    _close_ int lock = oci_lock(state_dir, err);
    if (lock < 0)
        return lock;
    if (oci_open(state_dir, name, &image, NULL) == 0 && flock(image.lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -EBUSY, "a machine runs from the image '%s'", name);
    oci_release(&image);
    (void)oci_reference(name, &full, NULL);
    buf_addf(&path, "%s/containers/names/", state_dir);
    oci_name_file(buf_str(&full), &path);
    if (!buf_ok(&path) || unlink(path.ptr) < 0)
        return err_errno(err, -errno, "cannot remove the image '%s'", name);
    oci_collect(state_dir);
    return 0;
}
