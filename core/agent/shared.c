/*
 * Directories that a machine has of another one: copies of the other's mounts, which a process that may enter
 * both takes from the one and puts into the other before its first command.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

void shared_release(struct shared *s)
{
    for (size_t i = 0; i < s->n; i++)
        close(s->fds[i]);
    s->n = 0;
}

/* As seen from in there. Its commands could have made a link of it: a copy of /proc, say, without what hides
 * some of it. */
static int take_mount(const char *path, struct shared *ret, struct err *err)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

    if (ret->n == SHARED_MAX)
        return err_errno(err, -E2BIG, "cannot share %s of the other machine", path);
    _close_ int dir = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    if (dir < 0 && (errno == ELOOP || errno == ENOTDIR))
        return err_set(err, -errno, "cannot share %s of the other machine: it is no directory, or a link",
                       path);
    int fd = dir < 0 ? -1 : open_tree(dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0)
        return err_errno(err, -errno, "cannot share %s of the other machine", path);
    ret->fds[ret->n++] = fd;
    return 0;
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
