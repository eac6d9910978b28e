/*
 * Shells: from a step's `shell` to the command line that runs its script (GitHub documentation,
 * "jobs.<id>.steps[*].shell").
 */
#ifndef RUNFS_RUN_SHELL_H
#define RUNFS_RUN_SHELL_H

#include "runfs/buf.h"
#include "runfs/err.h"

struct shell {
    char **argv;                /* owned, NULL-terminated; "{0}" stands where the script's path goes */
    const char *extension;      /* of the script file: ".sh", ".py", ".ps1", "" */
    const char *before, *after; /* text around the script; "" mostly */
};
void shell_release(struct shell *s);
#define _shell_ _cleanup_(shell_release)

/* shell NULL or "": none was given. -EINVAL with GitHub's sentence for a template without {0}. */
int shell_parse(const char *shell, struct shell *ret, struct err *err);

/* argv with the script's path in place; free each string and the array (strv_free). NULL: no memory. */
char **shell_command(const struct shell *s, const char *script);
void strv_free(char **v);

#endif
