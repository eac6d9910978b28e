/* What the pictures of a run share. Private to core/run. */
#ifndef RUNFS_RUN_PICTURE_H
#define RUNFS_RUN_PICTURE_H

#include <jansson.h>

#include "runfs/picture.h"

/* A job as pictures have it. */
struct pictured {
    const struct job_row *row; /* owned reference */
    json_t *needs;             /* owned array of job ids */
    int64_t from, to;          /* when it ran; 0, 0: it did not. to is now while it runs */
    bool carried;              /* it ran in an attempt before, and this one has it from there */
    bool critical;             /* the run would have ended earlier without it, or with one more slot */
};
struct pictured_run {
    const struct run_row *row; /* owned reference */
    struct pictured *jobs;     /* owned */
    size_t n, cap;
    int64_t now;
};
/* -ENOENT, -ENOMEM. The jobs of the newest attempt, in order. */
int pictured_run_read(struct store *st, int64_t run_id, struct pictured_run *ret);
void pictured_run_release(struct pictured_run *p);
/* Whether they are combinations of one matrix. */
bool pictured_same(const struct pictured *a, const struct pictured *b);
/* Whether job waits for other: by `needs`, or because other calls its workflow. */
bool pictured_needs(const struct pictured *job, const struct pictured *other);

/* The beginning: size, title for those who cannot see it, styles. Its end is "</svg>\n". */
void svg_begin(struct buf *b, double width, double height, const char *title);
void svg_text(struct buf *b, const char *text); /* escaped; control characters become blanks */
void svg_clipped(struct buf *b, const char *text,
                 size_t most); /* at most so many characters, with an ellipsis */
/* The style class of what came of a job or step: "success", "failure", ... */
const char *svg_class(const char *status, const char *conclusion);
void svg_duration(struct buf *b, int64_t ns); /* "340 ms", "12.3 s", "4 m 05 s", "2 h 03 m" */

#endif
