/* The images that there are: their names, and the contents that these lead to. */
#include "core/image/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"

static bool is_name(const char *name)
{
    return *name && strlen(name) < 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == strlen(name) && *name != '.' &&
           *name != '-' && !str_starts(name, "sha256-");
}

int image_name_check(const char *name, struct err *err)
{
    return is_name(name)
               ? 0
               : err_set(err, -EINVAL,
                         "'%s' cannot be the name of an image: it is of a-z, 0-9, '.', '-' and '_'", name);
}

int images_lock(const char *images, struct err *err)
{
    _close_ int fd = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, -errno, "cannot open %s", images);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -EBUSY, "another image is being made or removed: try again when that is done");
    return TAKE_FD(fd);
}

/* Whether a name leads to that content. */
static bool is_named(const char *images, const char *content)
{
    _closedir_ DIR *d = opendir(images);

    for (struct dirent *e; d && (e = readdir(d));) {
        char target[128] = "";
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        if (n > 0 && str_eq(target, content))
            return true;
    }
    return !d; /* what cannot be told is kept */
}

void images_collect(const char *images)
{
    _closedir_ DIR *d = opendir(images);

    for (struct dirent *e; d && (e = readdir(d));) {
        _buf_ struct buf path = BUF_INIT;
        bool left = str_eq(e->d_name, IMAGE_BUILDING) || str_eq(e->d_name, IMAGE_LINKING) ||
                    (str_starts(e->d_name, "sha256-") && !is_named(images, e->d_name));
        buf_addf(&path, "%s/%s", images, e->d_name);
        if (left && buf_ok(&path))
            (void)remove_tree(path.ptr);
    }
}

/* ------------------------------------------------------------------------------------------ what there is */

int image_describe(const char *state_dir, const char *name, json_t **ret, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT, rootfs = BUF_INIT;
    char target[128] = "";
    struct stat st = {0};
    int r = image_name_check(name, err);

    buf_addf(&path, "%s/images/%s", state_dir, name);
    ssize_t n = r < 0 || !buf_ok(&path) ? -1 : readlink(path.ptr, target, sizeof(target) - 1);
    if (r == 0 && n < 0)
        r = err_set(err, -ENOENT, "there is no image '%s': `runfs image build %s` makes one", name, name);
    buf_addf(&rootfs, "%s/rootfs.ext4", buf_str(&path));
    buf_adds(&path, "/image.json");
    if (r == 0)
        r = read_file(buf_str(&path), 65536, &text, err);
    json_t *json = r == 0 ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
    if (r == 0 && !json_is_object(json)) {
        json_decref(json);
        return err_set(err, -EINVAL, "%s is broken: build the image again", path.ptr);
    }
    if (r < 0)
        return r;
    if (stat(buf_str(&rootfs), &st) == 0)
        json_object_set_new(json, "size", json_integer((json_int_t)st.st_blocks * 512));
    json_object_set_new(json, "digest", json_string(target));
    *ret = json;
    return 0;
}

int image_names(const char *state_dir, char ***ret, struct err *err)
{
    _buf_ struct buf images = BUF_INIT;
    char **names = calloc(1, sizeof(*names));
    size_t n = 0;
    int r = names ? 0 : -ENOMEM;

    buf_addf(&images, "%s/images", state_dir);
    _closedir_ DIR *d = opendir(buf_str(&images));
    for (struct dirent *e; r == 0 && d && (e = readdir(d));) {
        if (e->d_type != DT_LNK || !is_name(e->d_name))
            continue;
        r = strv_add(&names, &n, strdup(e->d_name));
    }
    if (r == 0) {
        strv_sort(names, n);
        *ret = names;
        return 0;
    }
    strv_free(names);
    return err_errno(err, r, "images");
}

int image_remove(const char *state_dir, const char *name, struct err *err)
{
    _buf_ struct buf images = BUF_INIT, path = BUF_INIT;
    int r = image_name_check(name, err);

    buf_addf(&images, "%s/images", state_dir);
    buf_addf(&path, "%s/%s", buf_str(&images), name);
    if (r < 0 || !buf_ok(&images) || !buf_ok(&path))
        return r < 0 ? r : err_errno(err, -ENOMEM, "image");
    if (access(path.ptr, F_OK) < 0 && readlink(path.ptr, (char[1]){0}, 1) < 0)
        return err_set(err, -ENOENT, "there is no image '%s'", name);
    _close_ int lock = images_lock(images.ptr, err);
    if (lock < 0)
        return lock;
    if (unlink(path.ptr) < 0)
        return err_errno(err, -errno, "cannot remove %s", path.ptr);
    images_collect(images.ptr);
    return 0;
}
