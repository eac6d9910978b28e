/* BM25 as FTS5 computes it, over lengths that are kept in memory, and a heap of what was found. */
#include "ranker.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/cleanup.h"

enum { PHRASES_MAX = 512 };

static const double k1 = 1.2, b = 0.75; /* as usual, and as FTS5 has them */

struct scored {
    int64_t id;
    double rank;
};

struct ranker {
    uint32_t *lengths; /* owned: words of a text and its title, by id; 0: not known */
    size_t n_lengths;
    struct scored *heap; /* owned */
    size_t n, cap;
    bool begun; /* of the query: what follows is known */
    double title_weight, mean;
    double weights[PHRASES_MAX]; /* inverse document frequencies */
    int n_phrases;
};

static bool grow(void **array, size_t *cap, size_t need, size_t size)
{
    if (need < *cap)
        return true;
    size_t more = need + need / 2 + 256;
    void *new = reallocarray(*array, more, size);
    if (!new)
        return false;
    memset((char *)new + *cap *size, 0, (more - *cap) * size);
    *array = new;
    *cap = more;
    return true;
}

/* --------------------------------------------------------------------------------------------------- a text
 */

static int count_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *data)
{
    (void)api, (void)fts;
    ++*(sqlite3_int64 *)data;
    return SQLITE_OK;
}

static int begin(struct ranker *r, const Fts5ExtensionApi *api, Fts5Context *fts)
{
    sqlite3_int64 rows = 0, words = 0;
    int rc = api->xRowCount(fts, &rows);

    if (rc == SQLITE_OK)
        rc = api->xColumnTotalSize(fts, -1, &words);
    r->mean = rows ? (double)words / (double)rows : 1;
    r->n_phrases = api->xPhraseCount(fts);
    if (r->n_phrases > PHRASES_MAX)
        r->n_phrases = PHRASES_MAX;
    for (int i = 0; rc == SQLITE_OK && i < r->n_phrases; i++) {
        sqlite3_int64 hits = 0;
        rc = api->xQueryPhrase(fts, i, &hits, count_row);
        double weight = log(((double)(rows - hits) + 0.5) / ((double)hits + 0.5));
        r->weights[i] = weight > 1e-6 ? weight : 1e-6;
    }
    r->begun = rc == SQLITE_OK;
    return rc;
}

static int length_of(struct ranker *r, const Fts5ExtensionApi *api, Fts5Context *fts, double *ret)
{
    size_t id = (size_t)api->xRowid(fts);
    int words = 0, rc = SQLITE_OK;

    if (!grow((void **)&r->lengths, &r->n_lengths, id, sizeof(*r->lengths)))
        return SQLITE_NOMEM;
    if (!r->lengths[id] && (rc = api->xColumnSize(fts, -1, &words)) == SQLITE_OK)
        r->lengths[id] = (uint32_t)words;
    *ret = r->lengths[id];
    return rc;
}

/* How often a phrase is there; in the title it counts for more. */
static int frequency(const struct ranker *r, const Fts5ExtensionApi *api, Fts5Context *fts, int phrase,
                     double *ret)
{
    Fts5PhraseIter iter;
    int column, offset, rc = api->xPhraseFirst(fts, phrase, &iter, &column, &offset);

    for (*ret = 0; rc == SQLITE_OK && column >= 0; api->xPhraseNext(fts, &iter, &column, &offset))
        *ret += column == 0 ? r->title_weight : 1;
    return rc;
}

static void score(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context, int n,
                  sqlite3_value **values)
{
    struct ranker *r = api->xUserData(fts);
    double length = 0, rank = 0, often;
    int rc = r->begun ? SQLITE_OK : begin(r, api, fts);

    (void)n, (void)values;
    if (rc == SQLITE_OK)
        rc = length_of(r, api, fts, &length);
    for (int i = 0; rc == SQLITE_OK && i < r->n_phrases; i++) {
        rc = frequency(r, api, fts, i, &often);
        if (often > 0)
            rank += r->weights[i] * often * (k1 + 1) / (often + k1 * (1 - b + b * length / r->mean));
    }
    if (rc == SQLITE_OK)
        sqlite3_result_double(context, rank);
    else
        sqlite3_result_error_code(context, rc);
}

/* ----------------------------------------------------------------------------------------------- the ranker
 */

static fts5_api *get_api(sqlite3 *db)
{
    fts5_api *api = NULL;
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &stmt, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(stmt, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(stmt);
    }
    sqlite3_finalize(stmt);
    return api;
}

int ranker_new(sqlite3 *db, struct ranker **ret)
{
    fts5_api *api = get_api(db);
    struct ranker *r = api ? calloc(1, sizeof(*r)) : NULL;

    if (!r)
        return api ? -ENOMEM : -ENOTSUP;
    if (api->xCreateFunction(api, "score", r, score, NULL) != SQLITE_OK) {
        free(r);
        return -ENOMEM;
    }
    *ret = r;
    return 0;
}

void ranker_free(struct ranker *r)
{
    if (!r)
        return;
    free(r->lengths);
    free(r->heap);
    free(r);
}

void ranker_forget(struct ranker *r, int64_t id)
{
    if (id >= 0 && (size_t)id < r->n_lengths)
        r->lengths[id] = 0;
}

/* ------------------------------------------------------------------------------------------------- the heap
 */

static bool is_better(const struct scored *x, const struct scored *y)
{
    return x->rank != y->rank ? x->rank > y->rank : x->id > y->id; /* what came last */
}

static void sink(struct ranker *r, size_t at)
{
    for (size_t child; (child = at * 2 + 1) < r->n; at = child) {
        if (child + 1 < r->n && is_better(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (!is_better(&r->heap[child], &r->heap[at]))
            return;
        struct scored other = r->heap[at];
        r->heap[at] = r->heap[child];
        r->heap[child] = other;
    }
}

int ranker_take(struct ranker *r, sqlite3_stmt *stmt, double title_weight)
{
    int rc;

    r->n = 0;
    r->begun = false;
    r->title_weight = title_weight;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (!grow((void **)&r->heap, &r->cap, r->n, sizeof(*r->heap)))
            return SQLITE_NOMEM;
        r->heap[r->n++] = (struct scored){sqlite3_column_int64(stmt, 0), sqlite3_column_double(stmt, 1)};
    }
    for (size_t i = r->n / 2; i-- > 0;)
        sink(r, i);
    return rc;
}

bool ranker_next(struct ranker *r, int64_t *ret_id, double *ret_rank)
{
    if (r->n == 0)
        return false;
    *ret_id = r->heap[0].id;
    *ret_rank = r->heap[0].rank;
    r->heap[0] = r->heap[--r->n];
    sink(r, 0);
    return true;
}
