/* What is to start a proposed workflow, as a model says it. Private to core/lang. */
#ifndef RUNFS_PROPOSAL_TRIGGER_H
#define RUNFS_PROPOSAL_TRIGGER_H

#include "runfs/buf.h"
#include "runfs/err.h"

/*
 * Appends `on:`. Events are push, pull_request, workflow_dispatch (which is always among them) and
 * `schedule: CRON`, the last of its line; between them are commas, and lines end at ';' and '|' too. text may
 * be NULL. *ret_known: it was nothing else; otherwise only workflow_dispatch starts it. -EINVAL: a schedule
 * that there is not, or that never comes.
 */
int proposal_on(const char *text, struct buf *ret, bool *ret_known, struct err *err);

#endif
