/*
 * What a mask hides of the host's data, found by a search: as a sandbox's root reads what this process reads,
 * that is whatever others could not read on the host (shadow, private keys, databases, mail), and all files
 * where only the directories are of use to programs.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "core/machine/mask.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static const char *const tops[] = {"etc", "var", "opt", "usr/local"};

/* Machines have their directories only, for programs that write there. */
static const char *const data[] = {"var/backups", "var/crash", "var/log", "var/mail", "var/spool"};

/* Of a directory that is shown otherwise. */
static const char shown_otherwise[] = "var/tmp";

/* So many names are looked at in one of the host's directories, a few seconds' worth, and so deep: whatever
 * directory is beyond that is hidden as if others could not read it. And so many bytes of paths are kept. */
enum { LOOKED_AT_MAX = 2000000, DEPTH_MAX = 64, LENGTH_MAX = PATH_MAX / 2, KEPT_MAX = 4 * 1024 * 1024 };

#define SECOND 1000000000LL

struct search {
    int at;              /* the layer */
    char *const *hidden; /* borrowed: absolute, NULL-terminated */
    struct mask_searched *searched;
    unsigned looked_at, depth;
    bool cut, directories; /* only these are kept here */
};

/* --------------------------------------------------------------------------------- whether all is as it was
 */

static uint64_t state_of(uint64_t hash, const char *path, const struct statx *st)
{
    char text[128];

    snprintf(text, sizeof(text), "%x:%x %llx %llx.%x %llx.%x", st->stx_dev_major, st->stx_dev_minor,
             (unsigned long long)st->stx_ino, (unsigned long long)st->stx_mtime.tv_sec, st->stx_mtime.tv_nsec,
             (unsigned long long)st->stx_ctime.tv_sec, st->stx_ctime.tv_nsec);
    return str_hash_on(str_hash_on(hash, path), text);
}

static int look_up(int at, const char *path, struct statx *ret)
{
    const int flags =
        AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC | (*path ? 0 : AT_EMPTY_PATH);

    return statx(at, path, flags, STATX_BASIC_STATS, ret);
}

static bool is_top(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(tops); i++)
        if (str_eq(tops[i], path))
            return true;
    return false;
}

static void note_dir(struct mask_searched *searched, const char *path, int fd)
{
    struct statx st;

    if (searched->dirs.len >= KEPT_MAX || look_up(fd, "", &st) < 0)
        return;
    buf_add(&searched->dirs, path, strlen(path) + 1);
    searched->state = state_of(searched->state, path, &st);
}

/* Not before a second is over, nor before 199 times what the last look took. */
static void look_later(struct mask_searched *searched, int64_t since)
{
    int64_t now = mono_ns(), pause = (now - since) * 199;

    searched->look_at = now + (pause > SECOND ? pause : SECOND);
}

bool mask_search_same(struct mask_searched *searched)
{
    uint64_t hash = STR_HASH_START;
    int64_t since = mono_ns();

    for (size_t i = 0; buf_ok(&searched->dirs) && i < searched->dirs.len;
         i += strlen(searched->dirs.ptr + i) + 1) {
        const char *dir = searched->dirs.ptr + i;
        struct statx st;
        if (look_up(AT_FDCWD, dir, &st) < 0)
            return false;
        /* what stands in the list behind it may be on a server now that does not answer */
        if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT && !is_top(dir + 1))
            return false;
        hash = state_of(hash, dir, &st);
    }
    look_later(searched, since);
    return hash == searched->state;
}

/* ------------------------------------------------------------------------------------------------ the search
 */

enum entry_kind { ENTRY_PASSED, ENTRY_TO_HIDE, ENTRY_TO_SEARCH };

/* Machines see what lies below a mount, which is not what would be looked at here; and what is mounted may be
 * of a server that does not answer. */
static enum entry_kind look_at(DIR *dir, const struct dirent *e, bool *ret_is_dir)
{
    struct statx st;

    *ret_is_dir = e->d_type == DT_DIR;
    if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
        return ENTRY_PASSED;
    if (statx(dirfd(dir), e->d_name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
              STATX_TYPE | STATX_MODE, &st) < 0)
        return errno == ENOENT ? ENTRY_PASSED : ENTRY_TO_HIDE;
    if (S_ISLNK(st.stx_mode))
        return ENTRY_PASSED;
    *ret_is_dir = S_ISDIR(st.stx_mode);
    unsigned bits = *ret_is_dir ? 0005 : 0004;
    if ((st.stx_mode & bits) != bits || (*ret_is_dir && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)))
        return ENTRY_TO_HIDE;
    return *ret_is_dir ? ENTRY_TO_SEARCH : ENTRY_PASSED;
}

static bool is_hidden(const struct search *s, const char *path)
{
    if (str_eq(path, shown_otherwise))
        return true;
    for (char *const *p = s->hidden; p && *p; p++)
        if (str_eq(*p + 1, path))
            return true;
    return false;
}

static bool is_data(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(data); i++)
        if (str_eq(data[i], path))
            return true;
    return false;
}

static int search_dir(struct search *s, const char *path);

/* Where only directories are kept: all is hidden from its top on. */
static int keep_dir(struct search *s, const char *path, bool search)
{
    bool top = !s->directories;
    int r = top ? mask_hide(s->at, path, true) : mask_mirror(s->at, path);

    s->directories = true;
    if (r == 0 && search)
        r = search_dir(s, path);
    s->directories = !top;
    return r;
}

static int search_entry(struct search *s, DIR *dir, const struct dirent *e, const char *path)
{
    _buf_ struct buf name = BUF_INIT;
    bool is_dir;
    enum entry_kind kind = look_at(dir, e, &is_dir);

    s->cut = s->cut || ++s->looked_at > LOOKED_AT_MAX;
    if (kind == ENTRY_PASSED || (s->directories && !is_dir))
        return 0;
    buf_addf(&name, "%s/%s", path, e->d_name);
    if (!buf_ok(&name))
        return -ENOMEM;
    if (is_hidden(s, name.ptr))
        return 0;
    bool search = kind == ENTRY_TO_SEARCH && !s->cut;
    if (s->directories || (is_dir && is_data(name.ptr)))
        return keep_dir(s, name.ptr, search);
    return search ? search_dir(s, name.ptr) : mask_hide(s->at, name.ptr, is_dir);
}

/* What cannot be looked at is hidden whole; but for a top, where anything but a missing right is an error. */
static int not_searched(const struct search *s, const char *path, int error)
{
    if (s->depth || error == EACCES)
        return mask_hide(s->at, path, true);
    return error == ENOENT || error == ENOTDIR ? 0 : -error;
}

/* Hides what others cannot read in a host directory and below: files vanish, directories are empty. */
static int search_dir(struct search *s, const char *path)
{
    _buf_ struct buf name = BUF_INIT;
    bool whole = s->depth == DEPTH_MAX;
    int r = 0;

    buf_addf(&name, "/%s", path);
    if (!buf_ok(&name))
        return -ENOMEM;
    _closedir_ DIR *dir = whole || name.len >= LENGTH_MAX ? NULL : opendir(name.ptr);
    if (!dir)
        return not_searched(s, path, errno);
    if (!s->directories)
        note_dir(s->searched, name.ptr, dirfd(dir));
    s->depth++;
    for (struct dirent *e; r == 0 && !whole;) {
        errno = 0;
        if (!(e = readdir(dir)) && !errno)
            break;
        if (e)
            r = search_entry(s, dir, e, path);
        whole = !e || (s->cut && s->depth > 1);
    }
    s->depth--;
    if (r == 0 && whole)
        r = s->depth ? mask_hide(s->at, path, true) : -EIO;
    return r;
}

int mask_search(int at, char *const *hidden, struct mask_searched *ret)
{
    int64_t since = mono_ns();
    int r = 0;

    buf_reset(&ret->dirs);
    ret->state = STR_HASH_START;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(tops); i++) {
        struct search s = {.at = at, .hidden = hidden, .searched = ret};
        r = search_dir(&s, tops[i]);
        if (s.cut)
            log_warning("machine",
                        "/%s has more than %d files: some of its directories are empty in sandboxes", tops[i],
                        LOOKED_AT_MAX);
    }
    look_later(ret, since);
    return r;
}
