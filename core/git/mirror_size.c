/* How large mirrors may grow, and what fetches leave that were cut off. */
#include "mirror_size.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "git.h"
#include "runfs/io.h"
#include "runfs/str.h"

static int64_t limit_of(struct store *st)
{
    _buf_ struct buf value = BUF_INIT;
    uint64_t mib = 10240;

    (void)store_setting(st, SETTING_CONFIG, "mirror_size_mib", &value);
    if (value.len)
        (void)parse_u64(buf_str(&value), &mib);
    return (int64_t)mib * 1024 * 1024;
}

static int full(struct store *st, struct err *err)
{
    return err_set(err, -EFBIG,
                   "a mirror may have %lld MiB, and there is more: config/mirror_size_mib says how many",
                   (long long)(limit_of(st) / 1024 / 1024));
}

typedef void file_fn(void *data, int dir, const char *name, const struct stat *st);

/* The files of objects/ and of the directories in it. */
static void each_file(int at, const char *name, int depth, file_fn *fn, void *data)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *d;
    struct stat st;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((d = readdir(dir)))
        if (*d->d_name == '.' || fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        else if (S_ISREG(st.st_mode))
            fn(data, fd, d->d_name, &st);
        else if (S_ISDIR(st.st_mode) && depth > 0)
            each_file(fd, d->d_name, depth - 1, fn, data);
    closedir(dir);
}

static void each_object_file(const char *path, file_fn *fn, void *data)
{
    _buf_ struct buf objects = BUF_INIT;

    buf_addf(&objects, "%s/objects", path);
    if (buf_ok(&objects))
        each_file(AT_FDCWD, buf_str(&objects), 1, fn, data);
}

static void add_size(void *data, int dir, const char *name, const struct stat *st)
{
    (void)dir;
    (void)name;
    *(int64_t *)data += st->st_size;
}

int mirror_room(struct store *st, const char *path, int64_t *ret, struct err *err)
{
    int64_t used = 0;

    each_object_file(path, add_size, &used);
    *ret = limit_of(st) - used;
    return *ret >= FILE_LIMIT_UNIT ? 0 : full(st, err);
}

struct cleaning {
    int64_t largest;
};

/* As git names what is being written. */
static void remove_half_written(void *data, int dir, const char *name, const struct stat *st)
{
    struct cleaning *c = data;

    if (!str_starts(name, "tmp_"))
        return;
    if (st->st_size > c->largest)
        c->largest = st->st_size;
    (void)unlinkat(dir, name, 0);
}

int mirror_clean(struct store *st, const char *path, int64_t room, struct err *err)
{
    struct cleaning c = {0};

    each_object_file(path, remove_half_written, &c);
    return c.largest > 0 && c.largest >= room / FILE_LIMIT_UNIT * FILE_LIMIT_UNIT ? full(st, err) : 0;
}
