/* The initramfs of a virtual machine: this program's own agent, so that the two are of one version, and the
 * modules of the image's kernel. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/image/image.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/late_archive.h"

enum { FILE_MAX = 64 << 20 };

static int add(struct archive *a, const char *name, mode_t mode, const struct buf *data, struct err *err)
{
    struct archive_entry *e = archive_entry_new();

    if (!e)
        return err_errno(err, -ENOMEM, "initramfs");
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, mode);
    archive_entry_set_size(e, data ? (int64_t)data->len : 0);
    bool good = archive_write_header(a, e) == ARCHIVE_OK &&
                (!data || archive_write_data(a, data->ptr, data->len) == (la_ssize_t)data->len);
    archive_entry_free(e);
    return good ? 0 : err_set(err, -EIO, "cannot write an initramfs: %s", archive_error_string(a));
}

static int add_file(struct archive *a, const char *path, const char *name, mode_t mode, struct err *err)
{
    _buf_ struct buf data = BUF_INIT;
    int r = read_file(path, FILE_MAX, &data, err);

    return r < 0 ? r : add(a, name, S_IFREG | mode, &data, err);
}

static int add_modules(struct archive *a, const char *image, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT;
    struct dirent **names = NULL;
    int r = 0;

    buf_addf(&dir, "%s/modules", image);
    int n = buf_ok(&dir) ? scandir(dir.ptr, &names, NULL, alphasort) : -1;
    if (n < 0)
        r = err_errno(err, -errno, "%s has no modules", image);
    for (int i = 0; i < n; i++) {
        _buf_ struct buf path = BUF_INIT, name = BUF_INIT;
        buf_addf(&path, "%s/%s", dir.ptr, names[i]->d_name);
        buf_addf(&name, "modules/%s", names[i]->d_name);
        if (r == 0 && names[i]->d_name[0] != '.')
            r = buf_ok(&path) && buf_ok(&name) ? add_file(a, path.ptr, name.ptr, 0644, err)
                                               : err_errno(err, -ENOMEM, "initramfs");
        free(names[i]);
    }
    free(names);
    return r;
}

int initrd_make(const char *agent, const char *image, struct err *err)
{
    static const char *const dirs[] = {"dev", "sys", "proc", "lower", "scratch", "new", "modules"};
    _close_ int fd = memfd_create("initrd", MFD_CLOEXEC);
    struct archive *a = fd < 0 ? NULL : archive_write_new();
    int r = a ? 0 : err_errno(err, fd < 0 ? -errno : -ENOMEM, "initramfs");

    if (r == 0 &&
        (archive_write_set_format_cpio_newc(a) != ARCHIVE_OK || archive_write_open_fd(a, fd) != ARCHIVE_OK))
        r = err_set(err, -EIO, "cannot write an initramfs: %s", archive_error_string(a));
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
        r = add(a, dirs[i], S_IFDIR | 0755, NULL, err);
    if (r == 0)
        r = add_file(a, agent, "init", 0755, err);
    if (r == 0)
        r = add_modules(a, image, err);
    if (a && archive_write_close(a) != ARCHIVE_OK && r == 0)
        r = err_set(err, -EIO, "cannot write an initramfs: %s", archive_error_string(a));
    if (a)
        archive_write_free(a);
    return r < 0 ? r : TAKE_FD(fd);
}
