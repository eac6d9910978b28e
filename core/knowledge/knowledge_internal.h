/* What the files of core/knowledge share. */
#ifndef RUNFS_KNOWLEDGE_INTERNAL_H
#define RUNFS_KNOWLEDGE_INTERNAL_H

#include "runfs/knowledge.h"

/* Records how a step failed, or that what had failed in its place does no more and what is different. Within
 * the group of the step's end, behind its commands; command: the last of them, 0 without. */
int learn_outcome(struct store *st, const struct learn_step *step, const struct command_place *place,
                  int64_t command, struct err *err);

#endif
