/*
 * The reporter: says what is in the outbox (runfs/words.h). Commit statuses, check runs and comments go to
 * the REST API that config/github/api_url names, with secrets/GITHUB_TOKEN, and nowhere that a payload names.
 *
 * It works on threads of its own and asks nothing of the engine, so whatever a peer does, no run is later or
 * another for it. A call that came to nothing is made again, later each time; limits that the peer tells are
 * kept; where it is not known whether something came there, it is looked for before it is said again.
 */
#ifndef RUNFS_REPORTER_H
#define RUNFS_REPORTER_H

#include "runfs/store.h"

struct reporter;

/* Borrows the store. */
int reporter_new(struct store *st, struct reporter **ret, struct err *err);
/* Gives up what it is in the middle of; the outbox knows. NULL allowed. */
void reporter_free(struct reporter *p);
/* Appends a line if there is anything to say: "word back: 3 waiting, not before TIME: REASON". Any thread. */
void reporter_status(struct reporter *p, struct buf *ret);

#endif
