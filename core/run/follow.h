/*
 * Following the workflow files of linked repositories: inotify on .github/workflows, .gitea/workflows and
 * .forgejo/workflows, and on what leads there. One thread. What inotify does not tell of (a network's file
 * system, more watches than the kernel gives), is noticed when somebody looks. Private to core/run.
 */
#ifndef RUNFS_RUN_FOLLOW_H
#define RUNFS_RUN_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

struct follow;

struct follow *follow_new(void); /* NULL: not here */
void follow_free(struct follow *f);
int follow_fd(const struct follow *f); /* readable when something changed */
/* (Re)places the watches of a checkout; harmless when they are there. */
void follow_repo(struct follow *f, int64_t repo_id, const char *path);
void follow_forget(struct follow *f, int64_t repo_id);
/* Takes what came: the ids of repositories whose workflows may have changed, each once. Returns how many. */
int follow_read(struct follow *f, int64_t *ids, int max);

#endif
