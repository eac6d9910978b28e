/* What the files of core/knowledge share. */
#ifndef RUNFS_KNOWLEDGE_INTERNAL_H
#define RUNFS_KNOWLEDGE_INTERNAL_H

#include "runfs/knowledge.h"

/* Records how a step failed, or that what had failed in its place does no more and what is different. Within
 * the group of the step's end, behind its commands; command, name: the last of them, 0 and "" without. */
int learn_outcome(struct store *st, const struct learn_step *step, const struct command_place *place,
                  int64_t command, const char *name, struct err *err);
/* Whether such a line of an error is that command's, by how its program speaks. (blame.c) */
bool blame_is_of(const char *line, const char *command);

/* ------------------------------------------------------------------------------------------ graph.c, dot.c
 */

enum { GRAPH_NODES_MAX = 60 };                    /* that can be looked at */
int64_t pair_times(const struct command_pair *p); /* how often: what became of it is not always known */
const char *graph_colour(int64_t successes, int64_t failures); /* from red to green; grey: not known */
void dot_string(struct buf *b, const char *text);              /* quoted */
bool dot_is_there(void);
int dot_draw(const struct buf *dot,
             struct buf *ret); /* appends SVG; -errno. One text is drawn by one at a time */

/* Appends what a step printed, its end where that is long. (failure.c) */
void step_output(struct store *st, int64_t run_id, int64_t step_id, struct buf *ret);
/* Appends a text as a block of code of Markdown. (lessons.c) */
void add_block(struct buf *b, const char *text);

/* The lines that a suggestion begins with. ms: what it is expected to save; negative: it is failures that it
 * saves. (suggestions.c) */
void suggestion_head(struct buf *b, const char *type, double sure, double ms);
double suggestion_confidence(int64_t n); /* the more often it was seen, the surer */

/* Suggestions about the work of a workflow; place: which jobs or steps of it, below 2^22. -ENOENT: there is
 * no evidence for it. (suggest_beside.c, suggest_skip.c) */
int parallel_text(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret);
int parallel_name(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret);
/* Two steps, one behind the other. */
int beside_text(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret);
int beside_name(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret);
int skip_text(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret);
int skip_name(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret);
/* Those of the workflows that ran last. */
enum work_kind { WORK_PARALLEL, WORK_BESIDE, WORK_SKIP };
typedef void work_offer_fn(void *data, enum work_kind kind, int64_t workflow_id, int64_t place);
void work_offer(struct store *st, work_offer_fn *fn, void *data);

#endif
