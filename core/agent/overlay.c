/*
 * Mounting one overlay over any number of lower directories. The kernel's mount API takes them one by one;
 * older kernels (before 6.8) take a single string of options, which ends at a page. Those before 6.5 say only
 * at the end that they do not know an option, whichever it was.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

void overlay_add(struct overlay *o, const char *fmt, ...)
{
    va_list ap;

    if (o->n == OVERLAY_LOWERS_MAX) {
        o->failed = -E2BIG;
        return;
    }
    size_t at = o->names.len;
    va_start(ap, fmt);
    buf_addv(&o->names, fmt, ap);
    va_end(ap);
    buf_addc(&o->names, '\0');
    if (!buf_ok(&o->names))
        o->failed = -ENOMEM;
    else
        o->lower[o->n++] = at;
}

void overlay_release(struct overlay *o)
{
    buf_release(&o->names);
}

static int set(int fs, const char *key, const char *value)
{
    unsigned how = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

    return fsconfig(fs, how, key, value, 0) < 0 ? -errno : 0;
}

/* -EINVAL: perhaps not by this kernel, in this way. */
static int make_by_parts(const struct overlay *o, bool is_volatile)
{
    _close_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    int r = fs < 0 ? -EINVAL : 0;

    for (size_t i = 0; r == 0 && i < o->n; i++)
        r = set(fs, "lowerdir+", o->names.ptr + o->lower[i]);
    if (r == 0)
        r = o->redirects ? set(fs, "redirect_dir", "on") : set(fs, "userxattr", NULL);
    if (r == 0 && is_volatile)
        r = set(fs, "volatile", NULL);
    if (r == 0 && o->upper)
        r = set(fs, "upperdir", o->upper);
    if (r == 0 && o->upper)
        r = set(fs, "workdir", o->work);
    if (r == 0)
        r = set(fs, "source", "runfs");
    if (r == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        r = -errno;
    int fd = r == 0 ? fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID) : r;
    return r == 0 && fd < 0 ? -errno : fd;
}

static int mount_by_string(const struct overlay *o, const char *at, bool is_volatile)
{
    _buf_ struct buf options = BUF_INIT;

    buf_addf(&options, "%s%s", o->redirects ? "redirect_dir=on" : "userxattr",
             is_volatile ? ",volatile" : "");
    if (o->upper)
        buf_addf(&options, ",upperdir=%s,workdir=%s", o->upper, o->work);
    buf_adds(&options, ",lowerdir=");
    for (size_t i = 0; i < o->n; i++)
        buf_addf(&options, "%s%s", i ? ":" : "", o->names.ptr + o->lower[i]);
    if (!buf_ok(&options) || options.len >= 4096)
        return buf_ok(&options) ? -E2BIG : -ENOMEM;
    return mount("runfs", at, "overlay", MS_NODEV | MS_NOSUID, options.ptr) < 0 ? -errno : 0;
}

/* The mount as a descriptor, which stands nowhere yet. */
static int make_by_string(const struct overlay *o, const char *at, bool is_volatile)
{
    int r = mount_by_string(o, at, is_volatile);
    int fd = r < 0 ? -1 : open_tree(AT_FDCWD, at, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (r == 0 && fd < 0)
        r = -errno;
    if (r == 0 && umount2(at, MNT_DETACH) < 0) {
        r = -errno;
        close(fd);
    }
    return r < 0 ? r : fd;
}

int overlay_make(const struct overlay *o, const char *at)
{
    int r = o->failed;

    /* Without `volatile` an unmount writes back all that a job left, for nothing. */
    for (int is_volatile = o->upper != NULL; o->failed == 0 && is_volatile >= 0; is_volatile--) {
        r = o->n > 1 ? make_by_parts(o, is_volatile) : -EINVAL;
        if (r == -EINVAL)
            r = make_by_string(o, at, is_volatile);
        if (r != -EINVAL) /* a kernel that does not know it says so before it looks at anything else */
            break;
    }
    return r;
}

int overlay_mount(const struct overlay *o, const char *at)
{
    _close_ int fd = overlay_make(o, at);

    return fd < 0 ? fd : move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}
