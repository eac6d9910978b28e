/*
 * git, as the daemon calls it: never a prompt, no hooks, no templates. Private to core/git.
 */
#ifndef RUNFS_GIT_GIT_H
#define RUNFS_GIT_GIT_H

#include "runfs/buf.h"
#include "runfs/err.h"
#include "runfs/worktree.h"

/*
 * Runs git with these arguments (NULL-terminated) in dir (NULL: anywhere); what it prints is appended to out
 * (NULL: dropped). Returns 0 when it exits with 0; -EIO with the last line of its complaints otherwise;
 * -ENOENT without git, -ETIMEDOUT after ten minutes.
 */
int git_run(const char *dir, const char *const args[], struct buf *out, struct err *err);
/*
 * The same in a work tree that is not runfs's own: git refuses one whose owner is somebody else, since its
 * configuration names programs to run.
 */
int git_run_checked(const char *dir, const char *const args[], struct buf *out, struct err *err);
/* The same as git_run, with `set`, NULL-terminated "NAME=value", in its environment, and a limit of its own.
 */
int git_run_set(const char *dir, const char *const set[], int timeout_ms, const char *const args[],
                struct buf *out, struct err *err);
/* The same, and no file that it writes becomes larger than file_max (in whole units), or git ends with a half
 * written one. */
enum { FILE_LIMIT_UNIT = 512 };
int git_run_limited(const char *dir, const char *const set[], int timeout_ms, int64_t file_max,
                    const char *const args[], struct err *err);
/*
 * The same in a repository that may be somebody else's, of which only what is there is read: what it lacks is
 * not fetched, since its configuration names from where, and by which program.
 */
int git_read(const char *dir, const char *const args[], struct buf *out, struct err *err);
#define GIT(...) ((const char *const[]){__VA_ARGS__, NULL})

/* For fetch and ls-remote: what lets any commit of a local repository be asked for. */
#define GIT_UPLOAD_PACK                                                                                      \
    "--upload-pack=git -c safe.directory=* -c uploadpack.allowAnySHA1InWant=true upload-pack"

/*
 * The programs that the user's own configuration has for attributes (filter.NAME.smudge) are not for what a
 * commit of others names: off, no path of that repository has a filter.
 */
int git_set_filters(const char *git_dir, bool on, struct err *err);

/*
 * Whether an address that a repository names (of a submodule) may be asked by the host: https or http, not
 * the host itself, no link-local address and no metadata service of a cloud. ret_pin: the setting that makes
 * git use the addresses that were looked at ("http.curloptResolve=..."), or nothing. -EPERM, -EHOSTUNREACH.
 */
int git_check_peer(const char *url, struct buf *ret_pin, struct err *err);

/*
 * What a ref of a repository (path or URL) means: a branch, a tag, a full ref or a commit; "": its default
 * branch. Tags win over branches, as GitHub resolves the refs of actions. ret_ref: the full ref, "" for a
 * commit alone. -ENOENT: no such ref; -EIO: the repository cannot be read.
 */
int git_resolve(const char *url, const char *ref, struct buf *ret_ref, char ret_sha[41], struct err *err);
/* The same, with `set` as in git_run_set(); NULL: nothing. */
int git_resolve_set(const char *url, const char *const set[], const char *ref, struct buf *ret_ref,
                    char ret_sha[41], struct err *err);

#endif
