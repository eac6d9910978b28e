/*
 * A page of Markdown as a workflow of one job: each fenced block that is tagged sh, bash or python is a step,
 * named by the heading above it (a second one under the same heading by its first line); the first heading of
 * level 1 is the workflow's name. After the language a block may say `timeout=SECONDS`, `continue-on-error`
 * and `cwd=DIRECTORY`. Blocks with other tags and all other text are for people.
 */
#ifndef RUNFS_MARKDOWN_H
#define RUNFS_MARKDOWN_H

#include "runfs/buf.h"
#include "runfs/err.h"

/*
 * Appends the workflow, as text that the parser accepts. file: for messages, and in the comment that it
 * begins with. -EINVAL with "FILE (Line: L, Col: C): message"; -ENODATA with the same: there is no script in
 * it; -ENOMEM. Nothing in the page can become YAML of its own.
 */
int markdown_to_workflow(const char *file, const char *text, size_t len, struct buf *ret, struct err *err);

/* A workflow's file: as read_file(); a page (NAME.md) becomes the workflow that it makes. */
int workflow_read_file(const char *path, size_t max, struct buf *ret, struct err *err);

/* Whether a workflow's source says that it was made from that file. */
bool markdown_made(const char *source, const char *file);

#endif
