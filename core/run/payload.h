/* Payloads as GitHub sends them, made from a checkout or from next to nothing. Private to core/run. */
#ifndef RUNFS_RUN_PAYLOAD_H
#define RUNFS_RUN_PAYLOAD_H

#include "runfs/event.h"
#include "runfs/worktree.h"

struct run_row;

/* What a payload is made of. Strings borrowed. */
struct payload_facts {
    const struct event_request *req;
    const struct worktree *git;
    const char *repository; /* "owner/name" */
    const char *actor;
    const char *ref;      /* complete: of the push, or to dispatch on */
    struct commit commit; /* of that ref; id is zeros where there is none */
    struct arena *arena;
};

/* The made payload of an event, all that workflows usually read. NULL: no memory. */
json_t *payload_make(const char *event, const struct payload_facts *f);

/* Adds to a given payload what it lacks, objects within objects too; never `action`, which a sender chooses.
 */
int payload_complete(json_t *given, json_t *made);

#endif
