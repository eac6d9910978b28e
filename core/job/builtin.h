/* What the actions have in common that are part of runfs. Private to builtin*.c. */
#ifndef RUNFS_JOB_BUILTIN_H
#define RUNFS_JOB_BUILTIN_H

#include "job_internal.h"

/* One stage of one action: its outputs and outcome go into the step. */
typedef void builtin_fn(struct running_step *s, struct use *u);

builtin_fn checkout_main, cache_main, cache_post, cache_restore_main, cache_save_main, upload_main,
    upload_merge_main, download_main, setup_main, setup_post;

const char *builtin_input(const struct use *u,
                          const char *name); /* without leading blanks; "" where absent */
bool builtin_flag(const struct use *u, const char *name, bool fallback);
int64_t builtin_number(const struct use *u, const char *name, int64_t fallback);
void builtin_output(struct running_step *s, const char *name, const char *value);
void builtin_fail(struct running_step *s, const struct err *err);

/* An empty file of the host without a name, for an artifact or a cache. */
int builtin_scratch(struct running_step *s, enum room_of of, struct scratch *ret, struct err *err);
/* The absolute path in the machine of one given by the workflow, appended. */
void builtin_path(const struct running_step *s, const char *path, struct buf *ret);
int builtin_make_dir(struct running_step *s, const char *dir, struct err *err);
/* Writes a tar of those names (each with a NUL, relative to dir) to the file, which is at its start then.
 * follow: what symbolic links point to. -EDQUOT: there is no room for it. */
int builtin_tar(struct running_step *s, const char *dir, const struct buf *names, bool follow,
                struct scratch *file, struct err *err);

#endif
