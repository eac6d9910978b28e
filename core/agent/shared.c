/*
 * Directories that a machine has of another one: copies of the other's mounts, which a process that may enter
 * both takes from the one and puts into the other before its first command.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

void shared_release(struct shared *s)
{
    for (size_t i = 0; i < s->n; i++)
        close(s->fds[i]);
    s->n = 0;
}

/* As seen from in there. */
static int take_mount(const char *path, struct shared *ret, struct err *err)
{
    int fd = ret->n < SHARED_MAX ? open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) : -1;
    struct stat st;

    if (fd < 0)
        return err_errno(err, ret->n < SHARED_MAX ? -errno : -E2BIG, "cannot share %s of the other machine",
                         path);
    ret->fds[ret->n++] = fd;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)
               ? 0
               : err_set(err, -ENOTDIR, "%s of the other machine is no directory", path);
}

int sandbox_share(int mounts, const char *const *pairs, struct shared *ret, struct err *err)
{
    int r = 0;

    if (!pairs[0])
        return 0;
    _close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0 || mounts < 0 || setns(mounts, CLONE_NEWNS) < 0)
        return err_errno(err, mounts < 0 ? -EBADF : -errno, "cannot look at the other machine's mounts");
    for (; r == 0 && pairs[0] && pairs[1]; pairs += 2)
        r = take_mount(pairs[0], ret, err);
    if (setns(own, CLONE_NEWNS) < 0)
        _exit(70); /* a spawner in the wrong place must not go on */
    return r;
}

int sandbox_attach_shared(const struct shared *s, const char *const *pairs, struct err *err)
{
    for (size_t i = 0; i < s->n; i++, pairs += 2)
        if (pairs[1][0] != '/' ||
            move_mount(s->fds[i], "", AT_FDCWD, pairs[1] + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return err_errno(err, -errno, "cannot mount %s", pairs[1]);
    return 0;
}
