/*
 * Ranking what a full-text query matches, by BM25. FTS5's own way looks up the length of each text that is
 * found, and sorts them all with the places of their words; here lengths are kept, and only the best are put
 * in order. Private to core/store. One thread at a time.
 */
#ifndef RUNFS_RANKER_H
#define RUNFS_RANKER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct ranker;

/* Registers the function that queries call: score(TABLE). Of two columns, the first is a title. */
int ranker_new(sqlite3 *db, struct ranker **ret); /* 0 or -errno */
void ranker_free(struct ranker *r);               /* NULL allowed; after the database was closed */
void ranker_forget(struct ranker *r, int64_t id); /* how long that text is */

/* Takes all rows of a statement "SELECT rowid, score(t) FROM t WHERE t MATCH ..." that is bound. Returns
 * SQLITE_DONE, or what went wrong. */
int ranker_take(struct ranker *r, sqlite3_stmt *stmt, double title_weight);
/* The best that was not given yet; false: that was all. */
bool ranker_next(struct ranker *r, int64_t *ret_id, double *ret_rank);

#endif
