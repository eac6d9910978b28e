/*
 * Repositories of others: actions and reusable workflows, by "owner/name" and ref. They come from the place
 * that config/actions_mirror names (a directory of repositories, or what stands before owner/name in a URL);
 * one that is named "https://HOST/owner/name" from there (from HOST/owner/name, or owner/name, of a
 * directory). They are kept as bare repositories below STATE/actions/, and are found by commit from then on.
 * Any thread.
 */
#ifndef RUNFS_REMOTES_H
#define RUNFS_REMOTES_H

#include "runfs/store.h"

struct remotes;

/* mirror: borrowed, wins over the setting; NULL: that is asked each time. */
int remotes_new(struct store *st, const char *mirror, struct remotes **ret, struct err *err);
void remotes_free(struct remotes *rs);

/* Where git finds it, appended. -ENOENT: the mirror directory has no such repository; -EINVAL: no such name.
 */
int remote_url(struct remotes *rs, const char *repository, struct buf *ret, struct err *err);

/* Whether a mirror is set, and has that repository. */
bool remote_mirrored(struct remotes *rs, const char *repository);

/*
 * Finds and fetches the commit that the ref means. A full commit that was fetched before needs no connection;
 * when there is none, a branch or tag keeps the meaning that it had last. Errors in the words of GitHub's
 * runner.
 */
int remote_resolve(struct remotes *rs, const char *repository, const char *ref, char ret_sha[41],
                   struct err *err);
/* Its tree as a tar stream; the descriptor is given away. After remote_resolve(). */
int remote_tar(struct remotes *rs, const char *repository, const char *sha, int *ret_fd, struct err *err);
/* One file of it. -ENOENT. After remote_resolve(). */
int remote_file(struct remotes *rs, const char *repository, const char *sha, const char *path,
                struct buf *ret, struct err *err);

#endif
