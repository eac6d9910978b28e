/* Templates of virtual machines on disk, for the processes that come after this one. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

#define PLACE "templates"
/* What is being written, and what that takes the place of; under the lock, they were left by one that was
 * killed. */
#define WRITING ".writing"
#define FORMER ".former"
#define DESCRIPTION "template.json"

enum { DESCRIPTION_MAX = 1 << 18, STATE_MAX = 1 << 28, SPARE_PART = 20, ENTRIES_MAX = 64 };
enum { LOCK_TRIES = 100, LOCK_MS = 50 };

enum part { MEMORY, STATE, DISK, PARTS };
static const char *const names[PARTS] = {"memory", "state", "disk"};

static int *part_of(struct qemu_template *t, enum part i)
{
    return i == MEMORY ? &t->memory : i == STATE ? &t->state : &t->disk;
}

/* ---------------------------------------------------------------------------------------------- the places
 */

static int path_of(const char *image, const char *name, struct buf *ret, struct err *err)
{
    buf_addf(ret, "%s/" PLACE "%s%s", image, *name ? "/" : "", name);
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "template");
}

/* What others could have written is not read. -ENOENT: there is none. dir: where `at` is. */
static int open_own(int at, const char *dir, const char *name, mode_t type, struct err *err)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    _close_ int fd = openat(at, name, type == S_IFDIR ? flags | O_DIRECTORY : flags);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, -errno, "cannot open %s/%s", dir, name);
    if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, -EPERM, "%s/%s is no %s of this user's alone", dir, name,
                       type == S_IFDIR ? "directory" : "file");
    return TAKE_FD(fd);
}

static int open_place(const char *image, struct err *err)
{
    _close_ int dir = open(image, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return dir < 0 ? err_errno(err, -errno, "cannot open %s", image)
                   : open_own(dir, image, PLACE, S_IFDIR, err);
}

static int make_place(const char *image, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    int r = path_of(image, "", &path, err);

    if (r == 0 && mkdir(path.ptr, 0700) < 0 && errno != EEXIST)
        r = err_errno(err, -errno, "cannot make %s", path.ptr);
    return r == 0 ? open_place(image, err) : r;
}

/* One writes at a time. */
static int lock(int place, int tries)
{
    while (flock(place, LOCK_EX | LOCK_NB) < 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || --tries <= 0 || proc_unwanted())
            return -errno;
        usleep(LOCK_MS * 1000);
    }
    return 0;
}

static void remove_at(const char *image, const char *name)
{
    _buf_ struct buf path = BUF_INIT;

    if (path_of(image, name, &path, NULL) == 0)
        (void)remove_tree(path.ptr);
}

/* Under the lock. */
static void sweep(const char *image)
{
    remove_at(image, WRITING);
    remove_at(image, FORMER);
}

void qemu_kept_remove(const struct qemu_template *t)
{
    remove_at(t->shape.image, t->key);
}

/* -------------------------------------------------------------------------------------------- descriptions
 */

struct description {
    json_t *json; /* owned */
    json_t *of;   /* its identity */
    struct summed parts[PARTS];
    unsigned long tsc_khz;
    int64_t boot_ns, kept_at;
};

static void description_release(struct description *d)
{
    json_decref(d->json);
}

static int add_part(json_t *to, const char *name, const struct summed *s)
{
    char sum[20];

    snprintf(sum, sizeof(sum), "%016llx", (unsigned long long)s->sum);
    return json_object_set_new(
        to, name,
        json_pack("{s:I, s:I, s:s}", "size", (json_int_t)s->size, "bytes", (json_int_t)s->bytes, "sum", sum));
}

static bool take_part(const json_t *from, const char *name, struct summed *ret)
{
    json_int_t size = -1, bytes = -1;
    const char *sum = NULL;
    char *end = NULL;

    if (json_unpack(json_object_get(from, name), "{s:I, s:I, s:s}", "size", &size, "bytes", &bytes, "sum",
                    &sum) < 0 ||
        size < 0 || bytes < 0)
        return false;
    *ret = (struct summed){.size = size, .bytes = bytes, .sum = strtoull(sum, &end, 16)};
    return *sum && !*end;
}

static bool take_all(struct description *d)
{
    json_int_t khz = -1, boot_ns = -1, kept_at = -1;
    bool good = json_unpack(d->json, "{s:o, s:I, s:I, s:I}", "of", &d->of, "tsc_khz", &khz, "boot_ns",
                            &boot_ns, "kept_at", &kept_at) == 0 &&
                json_is_object(d->of) && khz >= 0 && boot_ns >= 0 && kept_at > 0;

    for (size_t i = 0; good && i < PARTS; i++)
        good = take_part(d->json, names[i], &d->parts[i]);
    d->tsc_khz = (unsigned long)khz;
    d->boot_ns = boot_ns;
    d->kept_at = kept_at;
    return good;
}

static int description_read(int at, const char *dir, struct description *ret, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    _close_ int fd = open_own(at, dir, DESCRIPTION, S_IFREG, err);
    int r = fd < 0 ? fd : read_fd(fd, DESCRIPTION_MAX, &text);

    if (fd < 0)
        return r;
    if (r < 0)
        return err_errno(err, r, "cannot read %s/" DESCRIPTION, dir);
    *ret = (struct description){.json = json_loadb(buf_str(&text), text.len, 0, NULL)};
    return ret->json && take_all(ret)
               ? 0
               : err_set(err, -EINVAL, "%s/" DESCRIPTION " does not describe a template", dir);
}

static int description_write(int at, const struct qemu_template *t, const struct summed parts[PARTS],
                             int64_t now)
{
    _json_ json_t *json =
        json_pack("{s:O, s:I, s:I, s:I}", "of", t->identity, "tsc_khz", (json_int_t)t->tsc_khz, "boot_ns",
                  (json_int_t)t->boot_ns, "kept_at", (json_int_t)now);
    int r = json ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < PARTS; i++)
        if (add_part(json, names[i], &parts[i]) < 0)
            r = -ENOMEM;
    _free_ char *text = r == 0 ? json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    if (!text)
        return -ENOMEM;
    _close_ int fd = openat(at, DESCRIPTION, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
    return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* ------------------------------------------------------------------------------------------------- loading
 */

static int load_part(struct qemu_template *t, enum part i, int at, const char *dir, const struct summed *want,
                     struct err *err)
{
    struct summed got = {0};
    struct stat st;
    int to = *part_of(t, i);
    _close_ int fd = open_own(at, dir, names[i], S_IFREG, err);

    if (fd == -ENOENT)
        return err_set(err, -EINVAL, "%s/%s is missing", dir, names[i]);
    if (fd < 0)
        return fd;
    int r = fstat(fd, &st) < 0         ? -errno
            : st.st_size != want->size ? -EINVAL
                                       : summed_copy(fd, to, false, want->bytes, &got);
    if (r < 0 && r != -EINVAL && r != -EFBIG && r != -ENODATA)
        return err_errno(err, r, "cannot read %s/%s", dir, names[i]);
    return r == 0 && got.bytes == want->bytes && got.sum == want->sum
               ? 0
               : err_set(err, -EINVAL, "%s/%s is not what was kept", dir, names[i]);
}

static int make_room(struct qemu_template *t, const char *scratch, struct err *err)
{
    t->memory = qemu_memory_make("memory", t->shape.memory, err);
    if (t->memory >= 0)
        t->state = qemu_memory_make("state", 0, err);
    if (t->state >= 0 && (t->disk = open(scratch, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)) < 0)
        err_errno(err, -errno, "cannot make a scratch disk");
    return t->memory < 0 || t->state < 0 || t->disk < 0 ? err->code : 0;
}

static bool fits(const struct qemu_template *t, const struct description *d)
{
    return json_equal(d->of, t->identity) && (uint64_t)d->parts[MEMORY].size == t->shape.memory &&
           (uint64_t)d->parts[DISK].size == t->shape.disk && d->parts[STATE].size <= STATE_MAX;
}

/* A copy of all in memory that nobody changes while machines begin with it. */
static int load(struct qemu_template *t, int at, const char *dir, const char *scratch, const struct tsc *tsc,
                struct err *err)
{
    _cleanup_(description_release) struct description d = {0};
    int r = description_read(at, dir, &d, err);

    if (r == -ENOENT)
        return err_set(err, -EINVAL, "%s/" DESCRIPTION " is missing", dir);
    if (r == 0 && !fits(t, &d))
        r = err_set(err, -EINVAL, "%s/" DESCRIPTION " is of another template", dir);
    if (r == 0)
        r = make_room(t, scratch, err);
    for (size_t i = 0; r == 0 && i < PARTS; i++)
        r = load_part(t, i, at, dir, &d.parts[i], err);
    if (r < 0)
        return r;
    t->tsc_khz = tsc_khz_since(tsc);
    if (!tsc_same(t->tsc_khz, d.tsc_khz))
        return -ENOENT;
    t->tsc_khz = d.tsc_khz;
    t->boot_ns = d.boot_ns;
    t->kept_at = d.kept_at;
    (void)utimensat(at, DESCRIPTION, NULL, AT_SYMLINK_NOFOLLOW);
    return 0;
}

/* It will be no better the next time. */
static bool is_bad(int r)
{
    return r == -EINVAL || r == -EPERM || r == -ELOOP || r == -ENOTDIR || r == -EIO;
}

int qemu_kept_load(struct qemu_template *t, const char *scratch, const struct tsc *tsc, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    _close_ int place = open_place(t->shape.image, err);
    int r = place < 0 ? place : path_of(t->shape.image, t->key, &path, err);

    if (r < 0)
        return r;
    if (lock(place, 1) == 0) {
        sweep(t->shape.image);
        (void)flock(place, LOCK_UN);
    }
    _close_ int at = open_own(place, path.ptr, t->key, S_IFDIR, err);
    r = at < 0 ? at : load(t, at, path.ptr, scratch, tsc, err);
    if (r == 0)
        r = qemu_template_seal(t, err);
    else if (is_bad(r))
        qemu_kept_remove(t);
    return r;
}

/* -------------------------------------------------------------------------------------------- which to keep
 */

struct entry {
    char key[QEMU_KEY];
    int64_t used; /* 0: it is none */
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->used < y->used) - (x->used > y->used);
}

/* The last used first. */
static size_t list(int place, struct entry ret[ENTRIES_MAX])
{
    int again = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
    size_t n = 0;

    if (!d)
        cleanup_close(&again);
    for (struct dirent *e; d && n < ENTRIES_MAX && (e = readdir(d));) {
        char name[QEMU_KEY + 32];
        struct stat st;
        if (strlen(e->d_name) != 16 || strspn(e->d_name, "0123456789abcdef") != 16)
            continue;
        snprintf(ret[n].key, sizeof(ret[n].key), "%.16s", e->d_name);
        snprintf(name, sizeof(name), "%s/" DESCRIPTION, ret[n].key);
        bool there = fstatat(place, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        ret[n++].used = there ? timespec_ns(st.st_mtim) : 0;
    }
    qsort(ret, n, sizeof(*ret), compare);
    return n;
}

static void trim(int place, const char *image)
{
    struct entry entries[ENTRIES_MAX];
    size_t n = list(place, entries);

    for (size_t i = QEMU_KEPT; i < n; i++)
        remove_at(image, entries[i].key);
}

static bool take_shape(const json_t *of, struct qemu_shape *ret)
{
    json_int_t memory = 0, disk = 0, cpus = 0;
    int network = 0, kvm = 0;

    if (json_unpack((json_t *)(uintptr_t)of, "{s:I, s:I, s:I, s:b, s:b}", "memory", &memory, "disk", &disk,
                    "cpus", &cpus, "network", &network, "kvm", &kvm) < 0)
        return false;
    *ret = (struct qemu_shape){.memory = (uint64_t)memory,
                               .disk = (uint64_t)disk,
                               .cpus = (unsigned)cpus,
                               .network = network,
                               .kvm = kvm};
    return true;
}

size_t qemu_kept_list(const char *image, struct qemu_kept ret[QEMU_KEPT])
{
    struct entry entries[ENTRIES_MAX];
    _close_ int place = open_place(image, NULL);
    size_t got = 0, n = place < 0 ? 0 : list(place, entries);

    for (size_t i = 0; i < n && got < QEMU_KEPT; i++) {
        _cleanup_(description_release) struct description d = {0};
        _close_ int at = open_own(place, image, entries[i].key, S_IFDIR, NULL);
        if (at < 0 || description_read(at, image, &d, NULL) < 0 || !take_shape(d.of, &ret[got].shape))
            continue;
        memcpy(ret[got].key, entries[i].key, QEMU_KEY);
        ret[got].boot_ns = d.boot_ns;
        ret[got++].kept_at = d.kept_at;
    }
    return got;
}

/* ------------------------------------------------------------------------------------------------- keeping
 */

static int check_room(int place, struct qemu_template *t)
{
    struct statfs fs;
    uint64_t need = 0;

    for (size_t i = 0; i < PARTS; i++) {
        struct stat st;
        if (fstat(*part_of(t, i), &st) < 0)
            return -errno;
        need += (uint64_t)st.st_blocks * 512;
    }
    if (fstatfs(place, &fs) < 0)
        return -errno;
    uint64_t left = fs.f_bavail * (uint64_t)fs.f_bsize,
             spare = fs.f_blocks * (uint64_t)fs.f_bsize / SPARE_PART;
    return left < spare || left - spare < need ? -ENOSPC : 0;
}

static int save_part(struct qemu_template *t, enum part i, int at, struct summed *ret)
{
    _close_ int fd = openat(at, names[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : summed_copy(*part_of(t, i), fd, true, INT64_MAX, ret);

    return r == 0 && fdatasync(fd) < 0 ? -errno : r;
}

static int save(struct qemu_template *t, int place, int64_t now)
{
    struct summed parts[PARTS];

    if (mkdirat(place, WRITING, 0700) < 0)
        return -errno;
    _close_ int at = openat(place, WRITING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = at < 0 ? -errno : 0;
    for (size_t i = 0; r == 0 && i < PARTS; i++)
        r = save_part(t, i, at, &parts[i]);
    if (r == 0)
        r = description_write(at, t, parts, now);
    return r == 0 && fsync(at) < 0 ? -errno : r;
}

/* Under its key from now on, in the place of what had that: of another frequency, or broken. */
static int publish(const struct qemu_template *t, int place)
{
    if (renameat(place, t->key, place, FORMER) < 0 && errno != ENOENT)
        return -errno;
    return renameat(place, WRITING, place, t->key) < 0 || fsync(place) < 0 ? -errno : 0;
}

int qemu_kept_save(struct qemu_template *t, struct err *err)
{
    _close_ int place = make_place(t->shape.image, err);
    int64_t now = now_ns();

    if (place < 0)
        return place;
    int r = lock(place, LOCK_TRIES);
    if (r < 0)
        return err_errno(err, r, "%s/" PLACE, t->shape.image);
    sweep(t->shape.image);
    r = check_room(place, t);
    if (r == 0)
        r = save(t, place, now);
    if (r == 0)
        r = publish(t, place);
    if (r == 0) {
        trim(place, t->shape.image);
        t->kept_at = now;
    }
    sweep(t->shape.image);
    return r < 0 ? err_errno(err, r, "%s/" PLACE, t->shape.image) : 0;
}
