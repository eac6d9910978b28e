/* Directories that the commands work on: the state, temporary ones, and where runners are mounted. */
#include <mntent.h>
#include <pwd.h>
#include <sys/statfs.h>

#include "fs.h"
#include "runfs/str.h"

/* HOME, which services of the system are started without, or else what the system has as this user's. */
static const char *home_directory(void)
{
    const char *home = getenv("HOME");
    const struct passwd *user = str_empty(home) ? getpwuid(geteuid()) : NULL;

    return user ? user->pw_dir : home ? home : "";
}

char *state_directory(const char *opt)
{
    const char *base = getenv("XDG_STATE_HOME");
    _buf_ struct buf path = BUF_INIT;

    if (opt)
        buf_adds(&path, opt);
    else if (base && *base == '/') /* the XDG Base Directory Specification: "consider the path invalid" */
        buf_addf(&path, "%s/runfs", base);
    else
        buf_addf(&path, "%s/.local/state/runfs", home_directory());
    return buf_steal(&path);
}

char *temporary_directory(const char *what, struct err *err)
{
    const char *place = getenv("TMPDIR");
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/runfs-%s-XXXXXX", str_empty(place) ? "/tmp" : place, what);
    if (!buf_ok(&path) || !mkdtemp(path.ptr)) {
        err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "no temporary directory in %s (TMPDIR)",
                  str_empty(place) ? "/tmp" : place);
        return NULL;
    }
    return buf_steal(&path);
}

/* How many runners are mounted, at path if there is one; the last of them in *ret. */
static int find_mounts(const char *path, char **ret)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    _free_ char *real = path ? realpath(path, NULL) : NULL;
    struct mntent entry;
    char room[8192];
    int n = 0;

    while (mounts && getmntent_r(mounts, &entry, room, sizeof(room)))
        if (str_eq(entry.mnt_type, "fuse.runfs") && (!path || (real && str_eq(entry.mnt_dir, real)))) {
            free(*ret);
            *ret = strdup(entry.mnt_dir);
            n++;
        }
    if (mounts)
        endmntent(mounts);
    return n;
}

bool is_mount(const char *path)
{
    _free_ char *found = NULL;

    return find_mounts(path, &found) > 0;
}

/*
 * A mount whose daemon died answers ENOTCONN to everything that the kernel does not answer itself: stat() of
 * its root may still come from the kernel's cache, statfs() never does. To what waits while it dies the
 * kernel answers ECONNABORTED.
 */
bool is_dead_mount(const char *path)
{
    struct statfs st;

    return statfs(path, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

char *mount_directory(const char *command, const char *opt)
{
    char *found = NULL;
    int n = find_mounts(opt, &found);

    if ((n == 1 || (n && opt)) && found && is_dead_mount(found)) {
        fprintf(stderr, "runfs %s: the daemon of %s has died: `runfs mount %s` starts it again\n", command,
                found, found);
        free(found);
        return NULL;
    }
    if (n == 1 || (n && opt))
        return found;
    free(found);
    if (opt) {
        fprintf(stderr, "runfs %s: no runner is mounted at %s\n", command, opt);
        return NULL;
    }
    fprintf(stderr, "runfs %s: %s: say which DIRECTORY\n", command,
            n ? "several runners are mounted" : "no runner is mounted");
    return NULL;
}
