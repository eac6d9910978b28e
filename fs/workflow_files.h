/*
 * Which workflow files a person means who names a file, a directory, or nothing: a directory's are those in
 * its .github/workflows (.gitea/workflows, .forgejo/workflows: runfs/run.h), or else its own; nothing means
 * the repository around the current directory. For `runfs run`, `plan` and `lint`.
 */
#ifndef RUNFS_FS_WORKFLOW_FILES_H
#define RUNFS_FS_WORKFLOW_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "runfs/cleanup.h"
#include "runfs/err.h"
#include "runfs/forge.h"

struct workflow_files {
    char **paths; /* owned, and each of them: to be opened as they are; in the order of their names */
    size_t n;
    bool of_directory; /* no file was named */
};
void workflow_files_release(struct workflow_files *files);
#define _workflow_files_ _cleanup_(workflow_files_release)

/*
 * Adds what `name` means, NULL for the repository around. A file need not be there: whoever opens it says so.
 * -ENOENT: no workflow is there; -ENOMEM; another -errno of a directory that cannot be read.
 */
int workflow_files_add(struct workflow_files *files, const char *name, struct err *err);

/* Whose workflow a file is, by the folder that it lies in; FORGE_UNKNOWN: nobody's. */
enum forge workflow_forge(const char *file);

/* The directory that FILE's folder of workflows is in, or the git work tree around it. ret: PATH_MAX bytes.
 */
bool workflow_repository(const char *file, char *ret);

/* Appends what may have been meant by a file that is not there: " (...)", a workflow of the repository around
 * that has this name, or an event; nothing when there is no such thing. */
struct buf;
void workflow_files_hint(const char *name, struct buf *ret);

#endif
