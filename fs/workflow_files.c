/* What `runfs run`, `plan` and `lint` take for workflows: files, those of a directory, of the repository
 * around. */
#include "workflow_files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"
#include "runfs/event.h"
#include "runfs/forge.h"
#include "runfs/run.h"
#include "runfs/str.h"

enum { LEVELS = 128 }; /* a current directory that lies deeper is in no repository */

void workflow_files_release(struct workflow_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        free(files->paths[i]);
    free(files->paths);
    *files = (struct workflow_files){0};
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int add_path(struct workflow_files *files, const char *path)
{
    char **grown = reallocarray(files->paths, files->n + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    files->paths = grown;
    if (!(grown[files->n] = strdup(path)))
        return -ENOMEM;
    files->n++;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_workflow(const struct dirent *entry)
{
    return is_workflow_name(entry->d_name);
}

/* Adds the workflows that lie in it: how many, or -errno. */
static int add_those_in(struct workflow_files *files, const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_workflow, by_name), r = 0;

    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s%s%s", directory, str_ends(directory, "/") ? "" : "/", entries[i]->d_name);
        if (r == 0)
            r = buf_ok(&path) ? add_path(files, buf_str(&path)) : -ENOMEM;
        free(entries[i]);
    }
    free(entries);
    return r < 0 ? r : n;
}

/* The folder of workflows in a directory ("": this one) that counts; appended. */
static bool folder_in(const char *directory, struct buf *ret)
{
    const char *slash = !*directory || str_ends(directory, "/") ? "" : "/";

    buf_addf(ret, "%s%s%s", directory, slash, forge_folder(checkout_forge(directory)));
    return buf_ok(ret) && is_directory(buf_str(ret));
}

/* The path from here of the folder of workflows that is the nearest upwards, up to the end of a repository.
 */
static bool find_folder_around(struct buf *ret)
{
    _buf_ struct buf up = BUF_INIT;

    for (int i = 0; i < LEVELS; i++) {
        _buf_ struct buf git = BUF_INIT;
        buf_reset(ret);
        buf_addf(&git, "%s.git", buf_str(&up));
        if (!buf_ok(&git))
            return false;
        if (folder_in(buf_str(&up), ret))
            return true;
        if (access(buf_str(&git), F_OK) == 0)
            return false;
        buf_adds(&up, "../");
    }
    return false;
}

static int add_directory(struct workflow_files *files, const char *name, struct err *err)
{
    _buf_ struct buf inner = BUF_INIT;
    const char *directory = folder_in(name, &inner) ? buf_str(&inner) : name;

    if (!buf_ok(&inner))
        return err_errno(err, -ENOMEM, "%s", name);
    int n = add_those_in(files, directory);
    if (n < 0)
        return err_errno(err, n, "%s", directory);
    if (n == 0)
        return err_set(err, -ENOENT, "no workflow (*.yml, *.yaml) is in %s%s%s", directory,
                       directory == name ? ", nor in its " : "",
                       directory == name ? forge_folder(FORGE_GITHUB) : "");
    return 0;
}

int workflow_files_add(struct workflow_files *files, const char *name, struct err *err)
{
    _buf_ struct buf around = BUF_INIT;

    if (!name) {
        if (!find_folder_around(&around))
            return err_set(err, -ENOENT, "there is no %s here or above: say which FILE",
                           forge_folder(FORGE_GITHUB));
        name = buf_str(&around);
    } else if (!is_directory(name)) {
        return add_path(files, name) < 0 ? err_errno(err, -ENOMEM, "%s", name) : 0;
    }
    files->of_directory = true;
    return add_directory(files, name, err);
}

enum forge workflow_forge(const char *file)
{
    char real[PATH_MAX];
    const char *rest;
    size_t above;

    if (str_eq(file, "-") || !realpath(file, real))
        return FORGE_UNKNOWN;
    enum forge f = forge_around(real, &above);
    if (f == FORGE_UNKNOWN || forge_of_path(real + above + 1, &rest) != f || strchr(rest, '/'))
        return FORGE_UNKNOWN;
    return f;
}

bool workflow_repository(const char *file, char *ret)
{
    struct stat st;
    size_t above;

    if (!realpath(file, ret))
        return false;
    if (workflow_forge(file) != FORGE_UNKNOWN && forge_around(ret, &above) != FORGE_UNKNOWN && above > 0) {
        ret[above] = '\0';
        return true;
    }
    *strrchr(ret, '/') = '\0';
    for (; *ret; *strrchr(ret, '/') = '\0') {
        _buf_ struct buf git = BUF_INIT;
        buf_addf(&git, "%s/.git", ret);
        if (stat(buf_str(&git), &st) == 0)
            return true;
    }
    return false;
}

void workflow_files_hint(const char *name, struct buf *ret)
{
    static const char *const endings[] = {"", ".yml", ".yaml"};
    _buf_ struct buf around = BUF_INIT;

    if (access(name, F_OK) == 0 || strchr(name, '/'))
        return;
    if (event_index(name) >= 0) {
        buf_addf(ret, " (an event is named by --event %s)", name);
        return;
    }
    if (!find_folder_around(&around))
        return;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s%s", buf_str(&around), name, endings[i]);
        if ((*endings[i] || is_workflow_name(name)) && access(buf_str(&path), F_OK) == 0) {
            buf_addf(ret, " (there is %s)", buf_str(&path));
            return;
        }
    }
}
