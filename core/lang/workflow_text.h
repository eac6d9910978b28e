/* Pieces of a workflow's text, for what writes workflows of something else. The parser reads back from them
 * what was given, byte for byte. */
#ifndef RUNFS_WORKFLOW_TEXT_H
#define RUNFS_WORKFLOW_TEXT_H

#include "runfs/buf.h"

/* Its first line: by it markdown_made() knows whose it is. */
#define MADE_FROM "# made from "

/* As a quoted string of one line, with what nobody would see as escapes. -EINVAL: it is no UTF-8. */
int workflow_text_quoted(struct buf *b, const char *text, size_t len);
/* A step's `run:`, to be read and edited where it can. */
int workflow_text_script(struct buf *b, const char *text, size_t len);

#endif
