/*
 * The sandbox for an ordinary user, who has one id to map and cannot put an overlay over `/` (other mounts
 * below it are locked): a root of plain directories, and an overlay for each of the host's top-level
 * directories. What belongs to others there cannot be changed, but files can be added where the mask has
 * directories.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

static int write_text(const char *path, const char *text)
{
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int own_namespaces(struct err *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char map[64];

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return err_errno(err, -errno, "cannot make a user namespace");
    int r = write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1\n", uid);
    if (r == 0)
        r = write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1\n", gid);
    if (r == 0)
        r = write_text("/proc/self/gid_map", map);
    if (r < 0)
        return err_errno(err, r, "cannot map this user in a user namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_errno(err, -errno, "cannot make mounts private");
    return 0;
}

static int bind_device(int dir, const char *name)
{
    char from[64], to[64];

    _close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    snprintf(from, sizeof(from), "/dev/%s", name);
    snprintf(to, sizeof(to), "dev/%s", name);
    return fd < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int bind_devices(struct err *err)
{
    static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};

    if (mkdir("dev", 0755) < 0 ||
        mount("dev", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") < 0)
        return err_errno(err, -errno, "cannot mount a file system for devices");
    _close_ int dir = open("dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int r = bind_device(dir, names[i]);
        if (r < 0)
            return err_errno(err, r, "cannot mount device %s", names[i]);
    }
    int r = make_device_links(dir, err);
    if (r < 0)
        return r;
    if (mount_setattr(AT_FDCWD, "dev", 0, &read_only, sizeof(read_only)) < 0)
        return err_errno(err, -errno, "cannot make devices read-only");
    return 0;
}

static int attach(const char *from, const char *to, bool deep, bool read_only, struct err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    unsigned recursive = deep ? AT_RECURSIVE : 0;
    _close_ int fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);

    if (fd < 0)
        return err_errno(err, -errno, "cannot copy the mount at %s", from);
    if (read_only && mount_setattr(fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0)
        return err_errno(err, -errno, "cannot make %s read-only", from);
    if (mkdir(to, 0755) < 0 && errno != EEXIST)
        return err_errno(err, -errno, "cannot make %s", to);
    if (move_mount(fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(err, -errno, "cannot mount %s", to);
    return 0;
}

int prepare_single(const char *scratch, struct err *err)
{
    static const char *const dirs[] = {"new", "masks", "bases", "images", "scratch", "host", "proc"};
    int r = own_namespaces(err);
    _close_ int scratch_fd = r < 0 ? -1 : open_tree(AT_FDCWD, scratch, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    /* both before /tmp is something else, which images may lie in */
    _close_ int host_fd =
        scratch_fd < 0 ? -1 : open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (r < 0)
        return r;
    if (host_fd < 0)
        return err_errno(err, -errno, "cannot copy the mount at %s", scratch_fd < 0 ? scratch : "/");
    if (mount("runfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") < 0 || chdir("/tmp") < 0)
        r = err_errno(err, -errno, "cannot mount a root for the spawner");
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
        if (mkdir(dirs[i], 0755) < 0)
            r = err_errno(err, -errno, "cannot make %s", dirs[i]);
    if (r == 0 && move_mount(scratch_fd, "", AT_FDCWD, "scratch", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        r = err_errno(err, -errno, "cannot mount %s", scratch);
    if (r == 0)
        r = attach("/sys", "sys", true, true, err);
    if (r == 0)
        r = hide_in_sys(err);
    if (r == 0)
        r = attach("/proc", "proc", true, false, err);
    if (r == 0)
        r = bind_devices(err);
    if (r == 0 && move_mount(host_fd, "", AT_FDCWD, "host", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        r = err_errno(err, -errno, "cannot mount the host's root");
    if (r == 0 && (r = enter_root()) < 0)
        r = err_errno(err, r, "cannot enter the spawner's root");
    return r;
}

/* Where a layer has what was written below a top-level directory: the first one, which has no overlay over
 * its root, in its own tree. */
static void add_layers(struct overlay *o, const struct spawn_request *r, const char *top)
{
    char path[512];
    struct stat st;

    for (const char **layer = r->layers; *layer; layer++) {
        snprintf(path, sizeof(path), "/scratch/layers/%s/%s/%s", *layer, layer[1] ? "tops" : "upper", top);
        if (stat(path, &st) == 0)
            overlay_add(o, "%s", path);
    }
}

/* The host's directory as another file system (see sandbox_base()): the one that layers lie in. */
static int mount_base(const char *mask, const char *host, const char *base)
{
    _overlay_ struct overlay o = {0};

    overlay_add(&o, "%s", mask);
    overlay_add(&o, "%s", host);
    return mkdir(base, 0755) < 0 ? -errno : overlay_mount(&o, base);
}

static int overlay_top(const struct sandbox *s, const struct spawn_request *r, const char *top,
                       struct err *err)
{
    _overlay_ struct overlay o = {0};
    char upper[512], work[512], mask[256], host[64], base[64];
    struct stat st;

    snprintf(upper, sizeof(upper), "/scratch/%s/%s/%s", r->scratch, r->layers[0] ? "tops" : "upper", top);
    snprintf(work, sizeof(work), "/scratch/%s/%s/%s", r->scratch, r->layers[0] ? "tops-work" : "work", top);
    snprintf(mask, sizeof(mask), "/masks/%s/%s", r->mask, top);
    snprintf(host, sizeof(host), "/host/%s", top);
    if ((mkdir(upper, 0755) < 0 && errno != EEXIST) || mkdir(work, 0700) < 0)
        return err_errno(err, -errno, "cannot make directories for /%s", top);
    o.upper = upper;
    o.work = work;
    add_layers(&o, r, top);
    bool masked = r->mask[0] && stat(mask, &st) == 0;
    snprintf(base, sizeof(base), "/bases/%s", top);
    if (o.n && strcmp(s->scratch_top, top) == 0 &&
        mount_base(masked ? mask : "/images" /* empty: it takes two */, host, base) == 0) {
        overlay_add(&o, "%s", base);
    } else {
        if (masked)
            overlay_add(&o, "%s", mask);
        overlay_add(&o, "%s", host);
    }
    if (overlay_mount(&o, top) == 0)
        return 0;
    return attach(host, top, true, true, err); /* readable is better than nothing */
}

/* The root itself: on layers an overlay of what they have outside the top-level directories. */
static int mount_top(const struct spawn_request *r, struct err *err)
{
    char upper[512];

    snprintf(upper, sizeof(upper), "/scratch/%s/upper", r->scratch);
    if (r->layers[0])
        return mount_overlay(r, "", err);
    if (mount(upper, "/new", NULL, MS_BIND, NULL) < 0)
        return err_errno(err, -errno, "cannot mount the machine's root");
    return 0;
}

int mount_single(const struct sandbox *s, const struct spawn_request *r, struct err *err)
{
    char host[64], target[256];
    struct stat st;
    int e = mount_top(r, err);

    if (e == 0 && chdir("/new") < 0)
        e = err_errno(err, -errno, "cannot enter the machine's root");
    for (const char *const *top = sandbox_tops; e == 0 && *top; top++) {
        snprintf(host, sizeof(host), "/host/%s", *top);
        if (lstat(host, &st) < 0)
            continue;
        if (S_ISLNK(st.st_mode)) {
            ssize_t n = readlink(host, target, sizeof(target) - 1);
            target[n > 0 ? n : 0] = '\0';
            if (n <= 0 || (symlink(target, *top) < 0 && errno != EEXIST))
                e = err_errno(err, -errno, "cannot make /%s", *top);
        } else if (S_ISDIR(st.st_mode)) {
            e = mkdir(*top, 0755) < 0 && errno != EEXIST ? err_errno(err, -errno, "cannot make /%s", *top)
                                                         : overlay_top(s, r, *top, err);
        }
    }
    return e;
}
