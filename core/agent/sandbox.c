/*
 * The sandbox's file systems. The spawner prepares a small private world once (a root of a few mounts: the
 * host's root, /dev, /proc, /sys, the scratch directory); each machine starts with a copy of it, puts an
 * overlay on top, moves in and drops the rest. All mounts live in private mount namespaces, so the kernel
 * removes them with the last process.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

/* Runs a child that only holds a new user namespace open, and maps it. */
static int make_ids(int *ret, struct err *err)
{
    char path[64], map[64];
    int hold[2];

    if (pipe2(hold, O_CLOEXEC) < 0)
        return err_errno(err, -errno, "cannot make a pipe");
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        char c;
        close(hold[1]);
        _exit(read(hold[0], &c, 1) < 0);
    }
    close(hold[0]);
    int r = pid < 0 ? -errno : 0;
    int n = snprintf(map, sizeof(map), "0 %d %d\n", SANDBOX_ID_FIRST, SANDBOX_ID_COUNT);
    for (int i = 0; r == 0 && i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%d/%s", pid, i ? "gid_map" : "uid_map");
        _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, map, (size_t)n) != n)
            r = -errno;
    }
    snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    int fd = r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (r == 0 && fd < 0)
        r = -errno;
    close(hold[1]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (r < 0)
        return err_errno(err, r, "cannot make a user namespace with a range of ids");
    *ret = fd;
    return 0;
}

/* A detached copy of the mount at path, without what is mounted below it, changed by the given attributes. */
static int clone_mount(const char *path, uint64_t set, int ids, struct err *err)
{
    struct mount_attr attr = {.attr_set = set, .userns_fd = (uint64_t)(ids >= 0 ? ids : 0)};
    _close_ int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd < 0)
        return err_errno(err, -errno, "cannot copy the mount at %s", path);
    if (ids >= 0)
        attr.attr_set |= MOUNT_ATTR_IDMAP;
    if (attr.attr_set && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_errno(err, -errno,
                         ids >= 0 ? "the file system at %s cannot be mounted with mapped ids"
                                  : "cannot change the mount at %s",
                         path);
    return TAKE_FD(fd);
}

static int attach_mount(int fd, const char *at, struct err *err)
{
    if (mkdir(at, 0755) < 0 && errno != EEXIST)
        return err_errno(err, -errno, "cannot make %s", at);
    if (move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(err, -errno, "cannot mount %s", at);
    return 0;
}

int make_device_links(int dir_fd, struct err *err)
{
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}};

    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i][0], dir_fd, links[i][1]) < 0)
            return err_errno(err, -errno, "cannot make device %s", links[i][1]);
    if (mkdirat(dir_fd, "pts", 0755) < 0 || mkdirat(dir_fd, "shm", 0755) < 0)
        return err_errno(err, -errno, "cannot make directories for devices");
    return 0;
}

static int make_devices(const char *dir, struct err *err)
{
    static const struct {
        const char *name;
        unsigned major, minor;
    } devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                   {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};

    if ((mkdir(dir, 0755) < 0 && errno != EEXIST) ||
        mount("dev", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") < 0)
        return err_errno(err, -errno, "cannot mount a file system for devices");
    _close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(devices); i++)
        if (mknodat(fd, devices[i].name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) < 0 ||
            fchmodat(fd, devices[i].name, 0666, 0) < 0 ||
            fchownat(fd, devices[i].name, SANDBOX_ID_FIRST, SANDBOX_ID_FIRST, 0) < 0)
            return err_errno(err, -errno, "cannot make device %s", devices[i].name);
    int r = make_device_links(fd, err);
    if (r < 0)
        return r;
    if (mount_setattr(AT_FDCWD, dir, 0, &read_only, sizeof(read_only)) < 0)
        return err_errno(err, -errno, "cannot make devices read-only");
    return 0;
}

/* The host's top-level directories one by one, for hosts that have some of them on file systems of their own.
 */
static int attach_tops(const struct sandbox *s, struct err *err)
{
    char from[64], to[64], target[256];
    struct stat st;

    if (mkdir("host", 0755) < 0)
        return err_errno(err, -errno, "cannot make directories for the spawner");
    for (const char *const *top = sandbox_tops; *top; top++) {
        snprintf(from, sizeof(from), "/%s", *top);
        snprintf(to, sizeof(to), "host/%s", *top);
        if (lstat(from, &st) < 0)
            continue;
        ssize_t n = readlink(from, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        if (S_ISLNK(st.st_mode) && symlink(target, to) < 0)
            return err_errno(err, -errno, "cannot make %s", to);
        if (!S_ISDIR(st.st_mode))
            continue;
        _close_ int fd = clone_mount(from, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, s->ids, err);
        int r = fd < 0 ? fd : attach_mount(fd, to, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int enter_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return -errno;
    return 0;
}

static int prepare_ranged(struct sandbox *s, const char *scratch, struct err *err)
{
    struct {
        const char *from, *to;
        uint64_t set;
        bool mapped;
        int fd;
    } mounts[] = {{"/", "lower", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, true, -1},
                  {scratch, "scratch", MOUNT_ATTR_NODEV, false, -1},
                  {"/sys", "sys", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, -1},
                  {"/proc", "proc", 0, false, -1}};
    int r = make_ids(&s->ids, err);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(mounts); i++) {
        mounts[i].fd = clone_mount(mounts[i].from, mounts[i].set, mounts[i].mapped ? s->ids : -1, err);
        r = mounts[i].fd < 0 ? mounts[i].fd : 0;
    }
    if (r == 0 && (mount("runfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") < 0 ||
                   chdir(scratch) < 0))
        r = err_errno(err, -errno, "cannot mount a root for the spawner");
    for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
        if (r == 0)
            r = attach_mount(mounts[i].fd, mounts[i].to, err);
        if (mounts[i].fd >= 0)
            close(mounts[i].fd);
    }
    if (r == 0 && s->split)
        r = attach_tops(s, err);
    if (r == 0)
        r = hide_in_sys(err);
    if (r == 0)
        r = make_devices("dev", err);
    if (r == 0 && (mkdir("new", 0755) < 0 || mkdir("images", 0755) < 0 || mkdir("masks", 0755) < 0 ||
                   mkdir("bases", 0755) < 0))
        r = err_errno(err, -errno, "cannot make directories for the spawner");
    if (r == 0 && (r = enter_root()) < 0)
        r = err_errno(err, r, "cannot enter the spawner's root");
    return r;
}

int sandbox_prepare(struct sandbox *s, const char *scratch, struct err *err)
{
    struct stat root, own;

    *s = (struct sandbox){.ranged = geteuid() == 0, .ids = -1};
    s->same_files = stat("/", &root) == 0 && stat(scratch, &own) == 0 && root.st_dev == own.st_dev;
    _free_ char *real = realpath(scratch, NULL);
    snprintf(s->scratch_top, sizeof(s->scratch_top), "%.*s", real ? (int)strcspn(real + 1, "/") : 0,
             real ? real + 1 : "");
    s->split = !s->ranged || sandbox_tops_split();
    s->host_mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (s->host_mounts < 0)
        return err_errno(err, -errno, "cannot open /proc/self/ns/mnt");
    for (int namespaces = 0; namespaces < 2; namespaces++) {
        int r = filter_make(namespaces, &s->filters[namespaces], err);
        if (r < 0)
            return r;
    }
    if (!s->ranged)
        return prepare_single(scratch, err);
    if (unshare(CLONE_NEWNS) < 0)
        return err_errno(err, -errno, "cannot make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_errno(err, -errno, "cannot make mounts private");
    return prepare_ranged(s, scratch, err);
}

int sandbox_image(struct sandbox *s, const char *path, struct err *err)
{
    char at[64];

    if (!s->ranged) /* the host's root is at hand */
        return 0;
    for (unsigned i = 0; i < s->images; i++)
        if (strcmp(s->image_paths[i], path) == 0)
            return (int)i;
    if (s->images == ARRAY_LEN(s->image_paths))
        return err_set(err, -ENOSPC, "too many images (%u) in use", s->images);
    _close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(s->host_mounts, CLONE_NEWNS) < 0)
        return err_errno(err, -errno, "cannot look at the host's mounts");
    int fd = clone_mount(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, s->ids, err);
    if (setns(own, CLONE_NEWNS) < 0)
        _exit(70); /* a spawner in the wrong place must not go on */
    if (fd < 0)
        return fd;
    snprintf(at, sizeof(at), "/images/%u", s->images);
    int r = attach_mount(fd, at, err);
    close(fd);
    char *copy = strdup(path);
    if (r < 0 || !copy) {
        free(copy);
        return r < 0 ? r : err_errno(err, -ENOMEM, "image %s", path);
    }
    s->image_paths[s->images] = copy;
    return (int)s->images++;
}

static void base_path(const struct spawn_request *r, char *to, size_t size)
{
    snprintf(to, size, "/bases/%s", r->mask[0] ? r->mask : "none");
}

int sandbox_base(const struct sandbox *s, const struct spawn_request *r, struct err *err)
{
    _overlay_ struct overlay o = {0};
    char at[128];

    if (!r->layers[0] || !s->same_files || s->split || r->image[0])
        return 0;
    base_path(r, at, sizeof(at));
    if (mkdir(at, 0755) < 0)
        return errno == EEXIST ? 0 : err_errno(err, -errno, "cannot make %s", at);
    if (r->mask[0])
        overlay_add(&o, "/masks/%s", r->mask);
    else
        overlay_add(&o, "/new"); /* empty: it takes two */
    overlay_add(&o, "/lower");
    int e = overlay_mount(&o, at);
    if (e < 0)
        (void)rmdir(at);
    return e < 0 ? err_errno(err, e, "cannot mount the host's root for snapshots") : 0;
}

static int mask_path(const char *name, char *ret, size_t size, struct err *err)
{
    if (!*name || strchr(name, '/') || snprintf(ret, size, "/masks/%s", name) >= (int)size)
        return err_set(err, -EINVAL, "not a name for a mask: %s", name);
    return 0;
}

int sandbox_mask(const char *name, const char *forget, struct err *err)
{
    char at[128];

    /* An overlay has its layers' file systems for itself: only new ones cannot be made over it any more. */
    if (*forget && mask_path(forget, at, sizeof(at), err) == 0 && umount2(at, MNT_DETACH) == 0)
        (void)rmdir(at);
    if (mask_path(name, at, sizeof(at), err) < 0)
        return -EINVAL;
    if (mkdir(at, 0755) < 0 || mount("mask", at, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m") < 0)
        return err_errno(err, -errno, "cannot mount a file system for the layer that hides the host's files");
    int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_errno(err, -errno, "cannot open %s", at) : fd;
}

static int set_option(int fs, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0);
}

int sandbox_disk(uint64_t size, struct err *err)
{
    _close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    uint64_t names = size / 2048 + 1024; /* they take the kernel's memory too */
    int fd = -1;

    if (fs >= 0 && set_option(fs, "size", size) == 0 && set_option(fs, "nr_inodes", names) == 0 &&
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "711", 0) == 0 &&
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    return fd < 0 ? err_errno(err, -errno, "cannot make a file system of the disk's size") : fd;
}

int sandbox_attach_disk(const char *scratch, int fd, struct err *err)
{
    char at[128];

    if (strchr(scratch, '/') || snprintf(at, sizeof(at), "/scratch/%s", scratch) >= (int)sizeof(at))
        return err_set(err, -EINVAL, "not a name for a machine: %s", scratch);
    if (move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(err, -errno, "cannot mount the machine's disk");
    return 0;
}

static int make_overlay(const struct spawn_request *r, const char *lower, struct err *err)
{
    _overlay_ struct overlay o = {.redirects = r->redirects};
    char upper[256], work[256];

    if (snprintf(upper, sizeof(upper), "/scratch/%s/upper", r->scratch) >= (int)sizeof(upper))
        return err_set(err, -ENAMETOOLONG, "the machine's name is too long");
    snprintf(work, sizeof(work), "/scratch/%s/work", r->scratch);
    o.upper = upper;
    o.work = work;
    for (const char **layer = r->layers; *layer; layer++)
        overlay_add(&o, "/scratch/layers/%s/upper", *layer);
    if (lower[0] && r->mask[0] && strncmp(lower, "/bases/", 7) != 0)
        overlay_add(&o, "/masks/%s", r->mask);
    for (const char **below = r->below; *below; below++)
        overlay_add(&o, "%s/%s", lower, *below);
    if (lower[0] && !r->below[0])
        overlay_add(&o, "%s", lower);
    int fd = overlay_make(&o, "/new");
    return fd < 0 ? err_errno(err, fd, "cannot mount an overlay of %zu layers", o.n) : fd;
}

int mount_overlay(const struct spawn_request *r, const char *lower, struct err *err)
{
    _close_ int fd = make_overlay(r, lower, err);

    if (fd >= 0 && move_mount(fd, "", AT_FDCWD, "/new", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(err, -errno, "cannot mount the machine's root");
    return fd < 0 ? fd : 0;
}

int hide_in_sys(struct err *err)
{
    static const char *const dirs[] = {"sys/fs/cgroup",      "sys/fs/bpf",       "sys/fs/pstore",
                                       "sys/firmware",       "sys/kernel/debug", "sys/kernel/tracing",
                                       "sys/kernel/security"};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (mount("hidden", dirs[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "mode=555,size=4k") < 0 &&
            errno != ENOENT && errno != ENOTDIR)
            return err_errno(err, -errno, "cannot hide /%s", dirs[i]);
    return 0;
}

/* Files that tell or change what is the whole host's. Those below /proc/sys belong to the real root, which
 * nobody in here is, or to the machine's own namespaces: they need no mount over them. */
static int hide_in_proc(struct err *err)
{
    static const char *const files[] = {"kcore",       "keys",       "key-users",   "kmsg",
                                        "sched_debug", "timer_list", "timer_stats", "latency_stats"},
                             *const dirs[] = {"acpi", "scsi"};
    char at[64];

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(at, sizeof(at), "proc/%s", files[i]);
        if (mount("dev/null", at, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return err_errno(err, -errno, "cannot hide /%s", at);
    }
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        snprintf(at, sizeof(at), "proc/%s", dirs[i]);
        if (mount("dev/pts", at, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return err_errno(err, -errno, "cannot hide /%s", at);
    }
    return 0;
}

static int mount_kernel(const struct spawn_request *r, struct err *err)
{
    const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    char shm[64] = "mode=1777";

    if (r->shm)
        snprintf(shm, sizeof(shm), "mode=1777,size=%llu", (unsigned long long)r->shm);
    if (mount("proc", "proc", "proc", plain, NULL) < 0)
        return err_errno(err, -errno, "cannot mount /proc");
    if (mount("/sys", "sys", NULL, MS_BIND | MS_REC, NULL) < 0)
        return err_errno(err, -errno, "cannot mount /sys");
    if (mount("/dev", "dev", NULL, MS_BIND | MS_REC, NULL) < 0)
        return err_errno(err, -errno, "cannot mount /dev");
    if (!r->namespaces && hide_in_proc(err) < 0) /* a proc with mounts in it could not be mounted again */
        return err->code;
    if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620") < 0)
        return err_errno(err, -errno, "cannot mount /dev/pts");
    if (mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, shm) < 0)
        return err_errno(err, -errno, "cannot mount /dev/shm");
    return 0;
}

int raise_loopback(struct err *err)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    _close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        return err_errno(err, -errno, "cannot raise the loopback interface");
    return 0;
}

static int find_lower(const struct sandbox *s, const struct spawn_request *r, int image, char *ret,
                      size_t size, struct err *err)
{
    if (strpbrk(r->image, ":,\\"))
        return err_set(err, -EINVAL, "an image's path may not have ':', ',' or a backslash: %s", r->image);
    for (const char **below = r->below; *below; below++)
        if (!**below || strpbrk(*below, "/.:,\\"))
            return err_set(err, -EINVAL, "not the name of a layer: %s", *below);
    if (!s->ranged)
        snprintf(ret, size, "/host%s", r->image);
    else if (image >= 0)
        snprintf(ret, size, "/images/%d", image);
    else if (r->layers[0] && s->same_files)
        base_path(r, ret, size);
    else
        snprintf(ret, size, "/lower");
    return 0;
}

static int mount_root(const struct sandbox *s, const struct spawn_request *r, int image, struct err *err)
{
    char lower[2048];

    if (r->redirects) /* it came with the process */
        return 0;
    if (s->split && !r->image[0])
        return mount_single(s, r, err);
    int e = find_lower(s, r, image, lower, sizeof(lower), err);
    return e < 0 ? e : mount_overlay(r, lower, err);
}

/* What is written through the overlay is written by who mounted it: not beyond quotas, not into the blocks
 * that a file system keeps for root. */
static int set_resource(bool on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    uint32_t bit = CAP_TO_MASK(CAP_SYS_RESOURCE);

    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    data[0].effective = on ? data[0].effective | (data[0].permitted & bit) : data[0].effective & ~bit;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int sandbox_root(const struct sandbox *s, const struct spawn_request *r, int image, int *ret, struct err *err)
{
    char lower[2048];

    *ret = -1;
    if (!r->redirects)
        return 0;
    if (!s->ranged || (s->split && !r->image[0]) || r->disk)
        return err_set(err, -EOPNOTSUPP, "directories of this machine cannot be followed");
    int e = find_lower(s, r, image, lower, sizeof(lower), err);
    if (e < 0)
        return e;
    if (set_resource(false) < 0)
        return err_errno(err, -errno, "cannot drop a capability");
    int fd = make_overlay(r, lower, err);
    if (set_resource(true) < 0)
        _exit(70); /* machines' limits need it */
    *ret = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

/* The files through which steps speak to the runner, few and small, are in memory: a disk's inodes cost more
 * than all else that a short job does. */
static int mount_runner_files(const struct spawn_request *r, struct err *err)
{
    if (!r->files[0])
        return 0;
    if (r->files[0] != '/' ||
        mount("runner", r->files + 1, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=256m") < 0)
        return err_errno(err, r->files[0] == '/' ? -errno : -EINVAL, "cannot mount %s", r->files);
    return 0;
}

int sandbox_enter(const struct sandbox *s, const struct spawn_request *r, int image,
                  const struct shared *shared, struct err *err)
{
    if ((s->ranged && setgroups(0, NULL) < 0) || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return err_errno(err, -errno, "cannot become the machine's root");
    if (sethostname(r->hostname, strlen(r->hostname)) < 0)
        return err_errno(err, -errno, "cannot set the host name %s", r->hostname);
    int e = r->no_network ? raise_loopback(err) : 0;
    umask(0);
    if (e == 0)
        e = mount_root(s, r, image, err);
    if (e == 0 && chdir("/new") < 0)
        e = err_errno(err, -errno, "cannot enter the machine's root");
    if (e == 0)
        e = mount_kernel(r, err);
    if (e == 0)
        e = sandbox_attach_shared(shared, r->shared, err);
    if (e == 0)
        e = mount_runner_files(r, err);
    if (e == 0 && (e = enter_root()) < 0)
        e = err_errno(err, e, "cannot enter the machine's root");
    umask(022);
    if (e == 0 && r->user[0])
        e = user_become(r->user, r->own, err);
    if (e == 0 && unshare(CLONE_NEWCGROUP) < 0) /* from the groups that it is in by now */
        e = err_errno(err, -errno, "cannot make a control group namespace");
    if (e == 0)
        e = harden_process(&s->filters[r->namespaces], r, err);
    return e;
}
