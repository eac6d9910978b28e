/* Whose workflows a checkout's are: which of the folders there are counts. */
#include <dirent.h>
#include <fcntl.h>

#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/worktree.h"

DIR *open_forge_folder(const char *path, enum forge f)
{
    _close_ int top = open(*path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = top < 0 ? -1 : open_beneath(top, forge_folder(f), O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d && fd >= 0)
        close(fd);
    return d;
}

/* An empty directory is none to git, and so to Forgejo, which asks git. */
static bool holds_any(const char *path, enum forge f)
{
    _closedir_ DIR *d = open_forge_folder(path, f);
    const struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
            return true;
    return false;
}

static bool is_githubs(const char *path)
{
    _arena_ struct arena a = {0};
    struct worktree git;

    worktree_read_remote(*path ? path : ".", &a, &git);
    return *git.full_name && (str_eq(git.server, "https://github.com") || str_ends(git.server, ".ghe.com"));
}

enum forge checkout_forge(const char *path)
{
    static const enum forge order[] = {FORGE_FORGEJO, FORGE_GITEA, FORGE_GITHUB};

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!holds_any(path, order[i]))
            continue;
        bool both = order[i] != FORGE_GITHUB && holds_any(path, FORGE_GITHUB);
        return both && is_githubs(path) ? FORGE_GITHUB : order[i];
    }
    return FORGE_GITHUB;
}
