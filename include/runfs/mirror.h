/*
 * Repositories that are linked by their address: a bare mirror each, STATE/mirrors/NAME.git, with branches
 * and tags; what events of it name beyond them (pull requests) is fetched when it is named. Beside the
 * objects stand the workflows of one commit, as files, so that to everybody else it is a linked repository
 * like any other.
 *
 * The address is that of the link, never one of a payload. git follows no redirection, and is given the
 * token of `secrets/REPO_TOKEN_NAME` (NAME in capitals, with _ for what is neither letter nor digit) where
 * there is one, for that host only. No job gets at it: secrets of such names are not in the context
 * `secrets`.
 */
#ifndef RUNFS_MIRROR_H
#define RUNFS_MIRROR_H

#include <jansson.h>
#include <stdbool.h>

#include "runfs/err.h"
#include "runfs/store.h"

#define MIRROR_TOKEN "REPO_TOKEN_"

/* What is taken of a linked repository: how many workflows, of how many bytes. */
enum { WORKFLOWS_MAX = 1000, WORKFLOW_MAX = 1024 * 1024 };

/* Whether a link's target is an address: https://, http://, ssh:// or file://. */
bool mirror_is_address(const char *target);
/* Makes the mirror of a repository of that name and fetches. Appends its path. Nothing is left of one that
 * cannot be had. */
int mirror_make(struct store *st, const char *name, const char *address, struct buf *ret_path,
                struct err *err);
/* The address of the repository at that path; -ENOENT: it is no mirror. Appended. */
int mirror_address(const struct store *st, const char *path, struct buf *ret);
bool mirror_is(const struct store *st, const char *path);
/* Fetches what an event of it needs, one at a time, and once for all that wait for it. Blocks, but ends as
 * proc_until() says; tries three times what fails at once. */
int mirror_fetch(struct store *st, const struct repo_row *repo, const json_t *payload, struct err *err);
/*
 * Who changes what a mirror shows, registers that or delivers by it holds it meanwhile, so that no other
 * event is matched by the workflows of a pushed commit. *ret: a descriptor to be closed; -1 for what is no
 * mirror. Blocks, but never for a fetch of it. To be taken before the engine's lock and the writer's.
 */
int mirror_hold(const struct store *st, const char *path, int *ret, struct err *err);
/* Shows the workflows of the commit that was pushed; those of the default branch for every other event, since
 * anybody may open a pull request. Held. *ret_elsewhere: it shows another commit than the default branch's,
 * and is to be settled. */
int mirror_show(const struct repo_row *repo, const char *event, const json_t *payload, bool *ret_elsewhere,
                struct err *err);
/* Shows those of a commit, of the mirror at that path. Held, or known to nobody yet. */
int mirror_show_commit(const char *path, const char *commit, struct err *err);
/* Shows those of the default branch again. Held. */
void mirror_settle(const struct repo_row *repo);
/* Packs what many fetches brought, when git finds it time. */
void mirror_tidy(const struct repo_row *repo);
void mirror_remove(const struct store *st, const char *path);

#endif
