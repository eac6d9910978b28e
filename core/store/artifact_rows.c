/* Rows of artifacts: found, deleted, expired. Of those that have expired it is known what they were as long
 * as their run is. */
#include <stddef.h>

#include "artifact_internal.h"
#include "row_table.h"
#include "runfs/artifact.h"
#include "runfs/str.h"

#define ARTIFACT_COLUMNS(FIRST, X)                                                                           \
    FIRST(artifact_row, I64, run_id)                                                                         \
    X(artifact_row, INT, attempt)                                                                            \
    X(artifact_row, TEXT, name)                                                                              \
    X(artifact_row, I64, size)                                                                               \
    X(artifact_row, I64, files)                                                                              \
    X(artifact_row, BOOL, raw)                                                                               \
    X(artifact_row, TEXT, digest)                                                                            \
    X(artifact_row, I64, zip_size)                                                                           \
    X(artifact_row, I64, created_at)                                                                         \
    X(artifact_row, I64, expires_at)                                                                         \
    X(artifact_row, I64, disk)

const struct row_table artifact_table = {
    ROW_READ("artifacts", artifact_row, ARTIFACT_COLUMNS),
    ROW_WRITE("artifacts", ARTIFACT_COLUMNS),
    .change = CHANGE_ARTIFACT,
    .slot = 7,
    .run_offset = offsetof(struct artifact_row, run_id),
};

ROW_READER(artifact)

/* --------------------------------------------------------------------------------------------- finding */

/* The newest attempt's of each name: attempts count up, and so do ids. */
int64_t artifact_find(struct store *st, int64_t run_id, const char *name)
{
    return read_int(st,
                    "SELECT id FROM artifacts WHERE run_id = ?1 AND name = ?2 ORDER BY attempt DESC LIMIT 1",
                    (const int64_t[]){run_id}, 1, name, 0);
}

#define NEWEST                                                                                               \
    "NOT EXISTS (SELECT 1 FROM artifacts AS b WHERE b.run_id = a.run_id AND b.name = a.name "                \
    "AND b.attempt > a.attempt)"
/* Those that have expired, too: of them it is known what they were. */
#define EACH                                                                                                 \
    "(SELECT id, run_id, attempt, name FROM artifacts UNION ALL "                                            \
    "SELECT id, run_id, attempt, name FROM expired_artifacts) AS a "
#define NEWEST_OF_EACH                                                                                       \
    NEWEST " AND NOT EXISTS (SELECT 1 FROM expired_artifacts AS b WHERE b.run_id = a.run_id "                \
           "AND b.name = a.name AND b.attempt > a.attempt)"
#define OF_RUN " FROM " EACH "WHERE a.run_id = ?1 AND (?3 = '' OR a.name = ?3) AND " NEWEST_OF_EACH
#define OF_REPO                                                                                              \
    " FROM " EACH "LEFT JOIN runs AS r ON r.id = a.run_id "                                                  \
    "LEFT JOIN workflows AS w ON w.id = r.workflow_id "                                                      \
    "WHERE coalesce(w.repo_id, 0) = ?1 AND (?3 = '' OR a.name = ?3) AND " NEWEST_OF_EACH

ssize_t artifact_list(struct store *st, int64_t run_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st,
                    "SELECT id FROM artifacts AS a WHERE run_id = ?1 AND id > ?2 AND " NEWEST " ORDER BY id",
                    (const int64_t[]){run_id, after}, 2, NULL, ids, max);
}

ssize_t artifact_query(struct store *st, const struct artifact_query *q, int64_t *ids, size_t max)
{
    return list_ids(st,
                    q->run_id ? "SELECT a.id" OF_RUN " ORDER BY a.id LIMIT -1 OFFSET ?2"
                              : "SELECT a.id" OF_REPO " ORDER BY a.id DESC LIMIT -1 OFFSET ?2",
                    (const int64_t[]){q->run_id ? q->run_id : q->repo_id, q->skip}, 2, q->name, ids, max);
}

int64_t artifact_count(struct store *st, const struct artifact_query *q)
{
    return read_int(st, q->run_id ? "SELECT count(*)" OF_RUN : "SELECT count(*)" OF_REPO,
                    (const int64_t[]){q->run_id ? q->run_id : q->repo_id, 0}, 2, q->name, 0);
}

int artifact_expired(struct store *st, int64_t id, expired_artifact_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, "SELECT run_id, attempt, name, digest, zip_size, created_at,"
                                             " expires_at FROM expired_artifacts WHERE id = ?1")
                           : NULL;
    int r = stmt ? -ENOENT : -ENOMEM;

    if (stmt)
        sqlite3_bind_int64(stmt, 1, id);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        r = 0;
        fn(data, &(struct artifact_row){.id = id,
                                        .run_id = sqlite3_column_int64(stmt, 0),
                                        .attempt = sqlite3_column_int(stmt, 1),
                                        .name = (const char *)sqlite3_column_text(stmt, 2),
                                        .digest = (const char *)sqlite3_column_text(stmt, 3),
                                        .zip_size = sqlite3_column_int64(stmt, 4),
                                        .created_at = sqlite3_column_int64(stmt, 5),
                                        .expires_at = sqlite3_column_int64(stmt, 6)});
    }
    store_reader_done(st, c, stmt);
    return r;
}

/* ------------------------------------------------------------------------------------------------ deleting
 */

/* Before that, what `first` says (NULL: nothing) is done with its row. */
static int delete_one(struct store *st, int64_t id, const char *first, struct err *err)
{
    const struct artifact_row *row = store_get_artifact(st, id);

    if (!row)
        return err_set(err, -ENOENT, "there is no artifact %lld", (long long)id);
    int64_t run_id = row->run_id;
    artifact_row_unref(row);
    store_begin(st);
    if (first)
        write_ints(st, first, &id, 1, err);
    write_ints(st, "DELETE FROM artifacts WHERE id = ?1", &id, 1, err);
    store_changed(st, (struct change){.kind = CHANGE_ARTIFACT, .id = id, .run_id = run_id, .deleted = true});
    int r = store_commit(st, err);
    if (r == 0)
        artifact_remove_files(st, run_id, id);
    return r;
}

static void take_nothing(void *data, const struct artifact_row *row)
{
    (void)data;
    (void)row;
}

int artifact_delete(struct store *st, int64_t id, struct err *err)
{
    if (artifact_expired(st, id, take_nothing, NULL) < 0)
        return delete_one(st, id, NULL, err);
    store_begin(st);
    write_ints(st, "DELETE FROM expired_artifacts WHERE id = ?1", &id, 1, err);
    return store_commit(st, err);
}

int artifact_expire(struct store *st, int64_t now, struct err *err)
{
    static const char keep[] =
        "INSERT INTO expired_artifacts (id, run_id, attempt, name, digest, zip_size, created_at, expires_at)"
        " SELECT id, run_id, attempt, name, digest, zip_size, created_at, expires_at FROM artifacts"
        " WHERE id = ?1";
    int64_t ids[64];
    int deleted = 0;
    ssize_t n;

    while ((n = list_ids(st, "SELECT id FROM artifacts WHERE expires_at <= ?1 ORDER BY id",
                         (const int64_t[]){now}, 1, NULL, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            int r = delete_one(st, ids[i], keep, err);
            if (r < 0 && r != -ENOENT)
                return r;
            deleted += r == 0;
        }
    return n < 0 ? (int)n : deleted;
}
