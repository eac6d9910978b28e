/*
 * Scratch directories on disk. Making and removing directories is what a short job costs most on some file
 * systems (ext4 without a journal does not reuse an inode for a minute and searches past them), so an emptied
 * directory is kept as a spare, stripped of all that a job may have left on it, and moved to where the next
 * one is needed. What every sandbox begins with is kept as it stands, emptied likewise: a frame.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { SPARES_KEPT = 256 /* while nothing runs */, SPARE_MODE = 0755, FRAME_WHOLE = -1 };

int spares_open(struct spares *s, const char *scratch)
{
    _buf_ struct buf b = BUF_INIT;
    struct stat st;
    int r;

    pthread_mutex_init(&s->lock, NULL);
    buf_addf(&b, "%s/spare", scratch);
    if (!buf_ok(&b))
        return -ENOMEM;
    r = make_dirs(b.ptr, 0700);
    s->fd = r < 0 ? -1 : open(b.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) < 0)
        return r < 0 ? r : -errno;
    s->size = st.st_size;
    s->owner = geteuid() == 0 ? machine_root_id() : geteuid();
    if (ioctl(s->fd, FS_IOC_GETFLAGS, &s->flags) < 0)
        s->flags = 0;
    /* ext4 then spreads what is made here over its groups of inodes: in one group, those that were removed
     * soon are all there is, and searched past */
    int spread = s->flags | FS_TOPDIR_FL;
    (void)ioctl(s->fd, FS_IOC_SETFLAGS, &spread);
    return 0;
}

void spares_release(struct spares *s, const char *scratch)
{
    _buf_ struct buf b = BUF_INIT;

    if (s->fd < 0)
        return;
    cleanup_close(&s->fd);
    buf_addf(&b, "%s/spare", scratch);
    if (buf_ok(&b))
        (void)remove_tree(b.ptr);
    pthread_mutex_destroy(&s->lock);
}

static const char *spare_name(unsigned number, char room[32])
{
    snprintf(room, 32, "%u", number);
    return room;
}

static unsigned new_number(struct spares *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned number = ++s->serial;
    pthread_mutex_unlock(&s->lock);
    return number;
}

/* Makes it one that may be taken; beyond their bound it is removed. */
static void spares_add(struct spares *s, unsigned number)
{
    char name[32];

    pthread_mutex_lock(&s->lock);
    bool kept = s->n < ARRAY_LEN(s->numbers);
    if (kept)
        s->numbers[s->n++] = number;
    pthread_mutex_unlock(&s->lock);
    if (!kept)
        (void)unlinkat(s->fd, spare_name(number, name), AT_REMOVEDIR);
}

/* Whether it has the flags of a new one, or these, which it gets where the file system knows them. */
static bool set_flags(const struct spares *s, int fd, int want)
{
    int flags;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || flags == want)
        return true;
    if (flags != s->flags)
        return false;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &want);
    return true;
}

/* Whether nothing of its last user is left on it: attributes, flags, a size that it grew to, owner, mode. */
static bool strip(const struct spares *s, int fd, uid_t owner, unsigned mode, int more_flags)
{
    char names[1024];
    struct stat st;
    ssize_t n = flistxattr(fd, names, sizeof(names));

    if ((n < 0 && errno != ENOTSUP) || fstat(fd, &st) < 0 || st.st_size > s->size ||
        !set_flags(s, fd, s->flags | more_flags))
        return false;
    for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
        if ((!str_starts(p, "user.") && !str_starts(p, "trusted.")) || fremovexattr(fd, p) < 0)
            return false;
    if ((st.st_uid != owner || st.st_gid != owner) && geteuid() == 0 && fchown(fd, owner, owner) < 0)
        return false;
    return (st.st_mode & 07777) == mode || fchmod(fd, mode) == 0;
}

bool spares_trim(struct spares *s)
{
    char name[32];

    pthread_mutex_lock(&s->lock);
    unsigned number = s->fd >= 0 && s->n > SPARES_KEPT ? s->numbers[--s->n] : 0;
    pthread_mutex_unlock(&s->lock);
    return number && unlinkat(s->fd, spare_name(number, name), AT_REMOVEDIR) == 0;
}

/* Moves an empty directory to the spares; false when it has to be removed. */
static bool spares_give(void *spares, int at, const char *name, int fd)
{
    struct spares *s = spares;
    char spare[32];

    pthread_mutex_lock(&s->lock);
    bool room = s->n < ARRAY_LEN(s->numbers);
    pthread_mutex_unlock(&s->lock);
    if (!room || !strip(s, fd, s->owner, SPARE_MODE, 0))
        return false;
    unsigned number = new_number(s);
    if (renameat(at, name, s->fd, spare_name(number, spare)) < 0)
        return false;
    spares_add(s, number);
    return true;
}

/* A new one among them; 0: there is none to be had. */
static unsigned spares_make(struct spares *s)
{
    unsigned number = new_number(s);
    char name[32];

    if (mkdirat(s->fd, spare_name(number, name), 0700) < 0)
        return 0;
    if ((geteuid() != 0 || fchownat(s->fd, name, s->owner, s->owner, AT_SYMLINK_NOFOLLOW) == 0) &&
        fchmodat(s->fd, name, SPARE_MODE, 0) == 0)
        return number;
    (void)unlinkat(s->fd, name, AT_REMOVEDIR);
    return 0;
}

/* Moves a spare to where a directory is wanted. -EEXIST: there is something. */
static int spares_take(struct spares *s, int at, const char *path)
{
    char spare[32];

    pthread_mutex_lock(&s->lock);
    unsigned number = s->n ? s->numbers[--s->n] : 0;
    pthread_mutex_unlock(&s->lock);
    if (!number && !(number = spares_make(s)))
        return -ENOENT;
    if (renameat2(s->fd, spare_name(number, spare), at, path, RENAME_NOREPLACE) == 0)
        return 0;
    int r = -errno;
    spares_add(s, number);
    return r;
}

/* One that is no spare, where these cannot be had or moved to. */
static int make_here(int at, const char *path)
{
    return mkdirat(at, path, 0700) < 0 ? -errno : 0;
}

int scratch_dir(struct machines *ms, int at, const char *path, unsigned mode, uid_t owner)
{
    struct spares *s = &ms->spares;
    int r = s->fd < 0 ? -ENOENT : spares_take(s, at, path);
    bool owned = r == 0 && owner == s->owner, moded = r == 0 && mode == SPARE_MODE;

    if (r < 0 && r != -EEXIST)
        r = make_here(at, path);
    if (r < 0)
        return r == -EEXIST ? 0 : r;
    if (!owned && geteuid() == 0 && fchownat(at, path, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return moded || fchmodat(at, path, mode, 0) == 0 ? 0 : -errno;
}

int scratch_dirs(struct machines *ms, int at, const char *path, uid_t owner)
{
    const char *slash = strrchr(path, '/');
    int r = scratch_dir(ms, at, path, 0755, owner);

    if (r != -ENOENT || !slash)
        return r;
    _free_ char *parent = strndup(path, (size_t)(slash - path));
    r = parent ? scratch_dirs(ms, at, parent, owner) : -ENOMEM;
    return r == 0 ? scratch_dir(ms, at, path, 0755, owner) : r;
}

/* ------------------------------------------------------------------------------------------------ frames */

/* The parts of a frame; each is opened in the one at `up`. */
static const struct {
    int up;
    const char *name;
    unsigned mode;
    const char *const *parts; /* what stays in it */
    int flags;                /* more than others have */
} frame[] = {{FRAME_WHOLE, NULL, 0711, (const char *const[]){"work", "upper", NULL}},
             /* what the kernel makes in it and removes with each mount is spread too */
             {0, "work", 0700, NULL, FS_TOPDIR_FL},
             {0, "upper", 0755, (const char *const[]){"etc", "home", NULL}},
             {2, "etc", 0755, NULL},
             {2, "home", 0755, (const char *const[]){"runner", NULL}},
             {4, "runner", 0755, (const char *const[]){"work", NULL}},
             {5, "work", 0755, (const char *const[]){"_temp", NULL}},
             {6, "_temp", 0755, (const char *const[]){"_runner_file_commands", NULL}},
             {7, "_runner_file_commands", 0755, NULL}};

static const char *frame_name(unsigned number, char room[32])
{
    snprintf(room, 32, "frame-%u", number);
    return room;
}

/* Empties and strips what is at path to a frame. False: it is none, or something of it cannot be kept. */
static bool frame_clean(struct spares *s, const char *path)
{
    int fds[ARRAY_LEN(frame)];
    size_t n = 0;
    bool clean = true;

    for (; clean && n < ARRAY_LEN(frame); n++) {
        bool whole = frame[n].up == FRAME_WHOLE;
        fds[n] = openat(whole ? AT_FDCWD : fds[frame[n].up], whole ? path : frame[n].name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        clean = fds[n] >= 0 && remove_within(fds[n], frame[n].parts, spares_give, s) == 0 &&
                strip(s, fds[n], whole ? geteuid() : s->owner, frame[n].mode, frame[n].flags);
    }
    for (size_t i = 0; i < n; i++)
        cleanup_close(&fds[i]);
    return clean;
}

static bool frame_give(struct spares *s, const char *path)
{
    char name[32];

    pthread_mutex_lock(&s->lock);
    bool room = s->fd >= 0 && s->n_frames < ARRAY_LEN(s->frames);
    pthread_mutex_unlock(&s->lock);
    if (!room || !frame_clean(s, path))
        return false;
    unsigned number = new_number(s);
    if (renameat(AT_FDCWD, path, s->fd, frame_name(number, name)) < 0)
        return false;
    pthread_mutex_lock(&s->lock);
    bool kept = s->n_frames < ARRAY_LEN(s->frames);
    if (kept)
        s->frames[s->n_frames++] = number;
    pthread_mutex_unlock(&s->lock);
    return kept || renameat(s->fd, name, AT_FDCWD, path) < 0;
}

bool scratch_frame(struct machines *ms, const char *path)
{
    struct spares *s = &ms->spares;
    char name[32];

    pthread_mutex_lock(&s->lock);
    unsigned number = s->n_frames ? s->frames[--s->n_frames] : 0;
    pthread_mutex_unlock(&s->lock);
    return number && renameat2(s->fd, frame_name(number, name), AT_FDCWD, path, RENAME_NOREPLACE) == 0;
}

int scratch_remove(struct machines *ms, const char *path)
{
    return frame_give(&ms->spares, path) ? 0 : remove_tree_keeping(path, spares_give, &ms->spares);
}
