/*
 * Shells: from a step's `shell` to the command line that runs its script (GitHub documentation,
 * "jobs.<id>.steps[*].shell").
 */
#ifndef RUNFS_JOB_SHELL_H
#define RUNFS_JOB_SHELL_H

#include "runfs/buf.h"
#include "runfs/err.h"

struct shell {
    char **argv;                /* owned, NULL-terminated; "{0}" stands where the script's path goes */
    const char *extension;      /* of the script file: ".sh", ".py", ".ps1", ".cmd", "" */
    const char *before, *after; /* text around the script; "" mostly */
};
void shell_release(struct shell *s);
#define _shell_ _cleanup_(shell_release)

/* Whether the machine has that program. */
typedef bool shell_has_fn(void *data, const char *program);

/*
 * shell NULL or "": none was given, which is `bash -e {0}`, or `sh -e {0}` without bash or in a container. A
 * name alone gets GitHub's arguments; a name with others has to have {0} among them, which is split as GitHub
 * splits it: at blanks outside of double quotes, {{ and }} being braces. -EINVAL with GitHub's sentence for a
 * template without {0}, -ENOENT for a program that is not there. has NULL: every program is there. Where
 * there is no python but python3, `python` runs that.
 */
int shell_parse_for(const char *shell, bool container, shell_has_fn *has, void *data, struct shell *ret,
                    struct err *err);

/* The same on a machine that has everything, outside of a container. */
int shell_parse(const char *shell, struct shell *ret, struct err *err);

/* argv with the script's path in place; free each string and the array (strv_free). NULL: no memory. */
char **shell_command(const struct shell *s, const char *script);

/* Appends the script file's content: `run` with what the shell wants around it. */
void shell_script(const struct shell *s, const char *run, struct buf *ret);

#endif
