/*
 * The mask layer. Overlay reads it like any layer: an opaque directory hides what is below it, a whiteout (a
 * character device 0:0) hides one name. Made once, on disk, and shared by all machines that follow.
 *
 * What is shown of the host is its system, not its data: the directories of sandbox_tops, and of these what
 * mask_search() leaves.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/machine/machine_internal.h"
#include "core/machine/mask.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* Empty in every machine, whatever the host has there. */
static const struct {
    const char *path;
    unsigned mode;
} fresh[] = {{"home", 0755},      {"root", 0700}, {"tmp", 01777},  {"run", 0755},
             {"run/lock", 01777}, {"mnt", 0755},  {"media", 0755}, {"srv", 0755},
             {"boot", 0755},      {"proc", 0755}, {"sys", 0755},   {"dev", 0755}};

uid_t machine_root_id(void)
{
    return geteuid() == 0 ? 200000 : geteuid();
}

static uid_t shifted(uid_t id)
{
    return machine_root_id() + (id < 65536 ? id : 65534);
}

static int make_owned_dir(int at, const char *path, unsigned mode)
{
    if (mkdirat(at, path, mode) < 0)
        return errno == EEXIST ? 0 : -errno;
    if (geteuid() == 0 && fchownat(at, path, machine_root_id(), machine_root_id(), AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return fchmodat(at, path, mode, 0) < 0 ? -errno : 0;
}

static int whiteout(int at, const char *path)
{
    return mknodat(at, path, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_opaque(int at, const char *path)
{
    _close_ int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
        return -errno;
    /* overlays with redirects read this one; where it cannot be set, there are none */
    return fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0 && errno != EPERM && errno != EOPNOTSUPP
               ? -errno
               : 0;
}

int mask_mirror(int at, const char *path)
{
    _buf_ struct buf host = BUF_INIT;
    struct stat st;

    if (mkdirat(at, path, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    buf_addf(&host, "/%s", path);
    if (!buf_ok(&host))
        return -ENOMEM;
    if (lstat(host.ptr, &st) < 0)
        st = (struct stat){.st_mode = S_IFDIR | 0755};
    if (geteuid() == 0 && fchownat(at, path, shifted(st.st_uid), shifted(st.st_gid), 0) < 0)
        return -errno;
    return fchmodat(at, path, (st.st_mode & 07777) | 0700, 0) < 0 ? -errno : 0;
}

static int mirror_parents(int at, const char *path)
{
    _free_ char *copy = strdup(path);
    int r = copy ? 0 : -ENOMEM;

    for (char *p = copy; r == 0 && (p = strchr(p, '/')); p++) {
        *p = '\0';
        r = mask_mirror(at, copy);
        *p = '/';
    }
    return r;
}

static bool shown_top(const char *path)
{
    size_t len = strcspn(path, "/");

    for (const char *const *top = sandbox_tops; *top; top++)
        if (strlen(*top) == len && strncmp(*top, path, len) == 0)
            return true;
    return false;
}

/* Hides an absolute host path, if machines would see it at all. */
static int hide_path(int at, const char *path)
{
    _free_ char *real = realpath(path, NULL);
    const char *below = (real ? real : path) + 1;
    struct stat st;

    if (!shown_top(below) || !strchr(below, '/'))
        return 0;
    int r = mirror_parents(at, below);
    if (r == 0 && fstatat(at, below, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISDIR(st.st_mode) ? make_opaque(at, below) : 0;
    if (r == 0)
        r = whiteout(at, below);
    return r == -ENOTDIR ? 0 : r; /* something above it is hidden already */
}

int mask_hide(int at, const char *path, bool is_dir)
{
    int r = mirror_parents(at, path);

    if (r == 0 && !is_dir)
        r = whiteout(at, path);
    if (r == 0 && is_dir && (r = mask_mirror(at, path)) == 0)
        r = make_opaque(at, path);
    return r == -ENOTDIR ? 0 : r; /* it was a file a moment ago, and is hidden as one */
}

static int put_text(int at, const char *path, const struct buf *text, unsigned mode)
{
    int r = buf_ok(text) ? mirror_parents(at, path) : -ENOMEM;

    if (r < 0)
        return r;
    (void)unlinkat(at, path, 0); /* a whiteout, perhaps */
    _close_ int fd = openat(at, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0 || fchmod(fd, mode) < 0 ||
        (geteuid() == 0 && fchown(fd, machine_root_id(), machine_root_id()) < 0))
        return -errno;
    return write_all(fd, buf_str(text), text->len);
}

/* The host's users with no passwords, so that programs that add users find their file. */
static int put_shadow(int at, const char *from, const char *to, const char *rest)
{
    _buf_ struct buf in = BUF_INIT, out = BUF_INIT;

    if (read_file(from, 1024 * 1024, &in, NULL) < 0)
        return 0;
    for (const char *line = in.ptr; *line;) {
        size_t len = strcspn(line, "\n");
        buf_addf(&out, "%.*s%s\n", (int)strcspn(line, ":\n"), line, rest);
        line += len + (line[len] == '\n');
    }
    return put_text(at, to, &out, 0640);
}

const char usual_hostname[] = "runner";

int mask_hosts(int at, const char *hostname, const char *more)
{
    _buf_ struct buf b = BUF_INIT;

    buf_adds(&b, more);
    buf_addf(&b, "127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n", hostname);
    if (buf_ok(&b))
        (void)read_file("/etc/hosts", 1024 * 1024, &b, NULL);
    return put_text(at, "etc/hosts", &b, 0644);
}

static int put_files(int at)
{
    _buf_ struct buf resolv = BUF_INIT, sudoers = BUF_INIT;
    int r = 0;

    /* It is often a link into /run, which machines do not see. */
    if (read_file("/etc/resolv.conf", 64 * 1024, &resolv, NULL) == 0)
        r = put_text(at, "etc/resolv.conf", &resolv, 0644);
    if (r == 0)
        r = put_shadow(at, "/etc/passwd", "etc/shadow", ":*:19000:0:99999:7:::");
    if (r == 0)
        r = put_shadow(at, "/etc/group", "etc/gshadow", ":*::");
    buf_adds(&sudoers, "root ALL=(ALL:ALL) NOPASSWD: ALL\n");
    if (r == 0 && access("/etc/sudoers", F_OK) == 0)
        r = put_text(at, "etc/sudoers", &sudoers, 0440);
    return r;
}

static int hide_top(int at)
{
    _closedir_ DIR *dir = opendir("/");
    struct dirent *e;
    struct stat st;
    int r = 0;

    while (r == 0 && dir && (e = readdir(dir)))
        if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") && !shown_top(e->d_name) &&
            fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            r = whiteout(at, e->d_name);
    return r;
}

static int make_fresh(int at, bool image)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(fresh); i++) {
        if (image && fresh[i].mode == 0700) /* its own root's home stays */
            continue;
        r = make_owned_dir(at, fresh[i].path, fresh[i].mode);
        if (r == 0 && !image)
            r = make_opaque(at, fresh[i].path);
    }
    if (r == 0)
        r = make_owned_dir(at, "opt", 0755);
    if (r == 0)
        r = make_owned_dir(at, "opt/hostedtoolcache", 0777);
    if (r == 0)
        r = make_owned_dir(at, "var", 0755);
    return r == 0 ? make_owned_dir(at, "var/tmp", 01777) : r;
}

int mask_dirs(struct machines *ms, int dir_fd)
{
    uid_t id = machine_root_id();
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(fresh); i++)
        r = scratch_dir(ms, dir_fd, fresh[i].path, fresh[i].mode, id);
    if (r == 0)
        r = scratch_dirs(ms, dir_fd, "opt", id);
    return r;
}

/* Directories in which a machine of an ordinary user may add files, as root of a single id cannot otherwise.
 */
static int open_for_user(int at)
{
    static const char *const dirs[] = {
        "usr/local/bin", "usr/local/lib", "usr/local/share", "usr/local/include",
        "var/lib",       "var/cache",     "var/log",         "etc"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++) {
        _buf_ struct buf host = BUF_INIT;
        buf_addf(&host, "/%s", dirs[i]);
        if (!buf_ok(&host) || access(host.ptr, R_OK | X_OK) < 0)
            continue;
        r = mirror_parents(at, dirs[i]);
        if (r == 0)
            r = mask_mirror(at, dirs[i]);
    }
    return r;
}

static int mask_build(struct machines *ms, int at, bool image, const char *hostname)
{
    int r = make_fresh(at, image);

    if (image)
        return r == 0 ? mask_hosts(at, hostname, "") : r;
    if (r < 0)
        return r;
    r = make_opaque(at, "var/tmp");
    if (r == 0)
        r = hide_top(at);
    if (r == 0 && geteuid() != 0)
        r = open_for_user(at);
    for (char **p = ms->hidden; r == 0 && p && *p; p++)
        r = hide_path(at, *p);
    if (r == 0)
        r = mask_search(at, ms->hidden, &ms->searched);
    if (r == 0)
        r = put_files(at);
    return r == 0 ? mask_hosts(at, hostname, "") : r;
}

/* Times of what the mask has copies of; true when they are those of the last time. */
static bool times_same(struct machines *ms)
{
    static const char *const paths[ARRAY_LEN(ms->copied)] = {"/etc/resolv.conf", "/etc/hosts"};
    bool same = true;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct stat st;
        if (stat(paths[i], &st) < 0 || memcmp(&st.st_mtim, &ms->copied[i], sizeof(st.st_mtim)) == 0)
            continue;
        ms->copied[i] = st.st_mtim;
        same = false;
    }
    return same;
}

/* With the lock held. */
static void look_again(struct machines *ms)
{
    if (!times_same(ms))
        ms->mask_stale = true;
    if (ms->mask && !ms->mask_stale && mono_ns() >= ms->searched.look_at)
        ms->mask_stale = !mask_search_same(&ms->searched);
}

bool mask_is_current(struct machines *ms, const struct machine *m)
{
    bool image = m->spec.image != NULL;

    pthread_mutex_lock(&ms->lock);
    look_again(ms);
    bool current = !m->ops->layered || ms->no_masks ||
                   (m->mask == (image ? ms->image_mask : ms->mask) && (image || !ms->mask_stale));
    pthread_mutex_unlock(&ms->lock);
    return current;
}

int mask_fill(struct machines *ms, int dir_fd, bool image, const char *hostname)
{
    pthread_mutex_lock(&ms->lock);
    int r = mask_build(ms, dir_fd, image, hostname);
    pthread_mutex_unlock(&ms->lock);
    return r;
}

/* The mask that was in use is a former one from now on; the name of one that has been that for long, or "".
 */
static void mask_retire(struct machines *ms, unsigned was, char *ret_name, size_t size)
{
    const size_t last = ARRAY_LEN(ms->former) - 1;
    unsigned forget = was ? ms->former[last] : 0;

    ret_name[0] = '\0';
    if (forget)
        snprintf(ret_name, size, "%u", forget);
    if (was) {
        memmove(ms->former + 1, ms->former, last * sizeof(*ms->former));
        ms->former[0] = was;
    }
}

static int mask_make(struct machines *ms, bool image, unsigned was, const char *name, struct err *err)
{
    char forget[16];

    mask_retire(ms, was, forget, sizeof(forget));
    const struct spawn_request request = {.what = SPAWN_MASK, .mask = name, .forget = forget};
    _close_ int at = spawner_mount(&ms->sandboxes, &request, err);

    if (at < 0)
        return at;
    if (geteuid() == 0 && fchown(at, machine_root_id(), machine_root_id()) < 0)
        return err_errno(err, -errno, "cannot make the layer that hides the host's files");
    /* Before Linux 6.6 a tmpfs had no user attributes. */
    if (fsetxattr(at, "user.overlay.opaque", "n", 1, 0) < 0) {
        ms->no_masks = errno == EOPNOTSUPP;
        return ms->no_masks ? 0 : err_errno(err, -errno, "cannot make the layer that hides the host's files");
    }
    (void)fremovexattr(at, "user.overlay.opaque");
    if (fsetxattr(at, "trusted.overlay.opaque", "n", 1, 0) < 0 ||
        fremovexattr(at, "trusted.overlay.opaque") < 0)
        atomic_store(&ms->no_redirects, true); /* it would hide nothing from an overlay with redirects */
    int r = mask_build(ms, at, image, usual_hostname);
    return r < 0 ? err_errno(err, r, "cannot make the layer that hides the host's files") : 0;
}

int mask_ensure(struct machines *ms, bool image, char *ret_name, size_t size, struct err *err)
{
    unsigned *number = image ? &ms->image_mask : &ms->mask;
    int r = 0;

    pthread_mutex_lock(&ms->lock);
    if (ms->mask_start != atomic_load(&ms->sandboxes.starts)) { /* a new spawner has none yet */
        ms->mask = ms->image_mask = 0;
        memset(ms->former, 0, sizeof(ms->former));
        ms->mask_start = atomic_load(&ms->sandboxes.starts);
    }
    look_again(ms);
    if (!ms->no_masks && (!*number || (!image && ms->mask_stale))) {
        snprintf(ret_name, size, "%u", ++ms->masks);
        r = mask_make(ms, image, *number, ret_name, err);
        *number = r == 0 ? ms->masks : 0;
        ms->mask_start = atomic_load(&ms->sandboxes.starts);
        if (!image)
            ms->mask_stale = false;
    }
    ret_name[0] = '\0';
    if (r == 0 && !ms->no_masks)
        snprintf(ret_name, size, "%u", *number);
    pthread_mutex_unlock(&ms->lock);
    return r;
}
