/*
 * Runs as SVG: to look at in a browser, a file manager or a README. Each appends a whole document to ret,
 * from what the store has at the moment; any thread. The documents hold no scripts and refer to nothing;
 * texts are escaped. Colours follow the viewer's dark or light setting.
 */
#ifndef RUNFS_PICTURE_H
#define RUNFS_PICTURE_H

#include "runfs/buf.h"
#include "runfs/store.h"

/* Jobs and their steps over time; the chain of jobs that the run's duration is due to is marked. -ENOENT */
int picture_timeline(struct store *st, int64_t run_id, struct buf *ret);

/* Jobs and what needs what, with results; combinations of a matrix share a box. -ENOENT */
int picture_graph(struct store *st, int64_t run_id, struct buf *ret);

/* A workflow's badge: its name, and whether the run passed; NULL: there was none. -ENOMEM */
int picture_badge(const char *name, const struct run_row *run, struct buf *ret);

#endif
