/* Machines, snapshots, layers and commands as rows. */
#include "runfs/machine_rows.h"

#include <stddef.h>

#include "row_table.h"

#define MACHINE_REST(FIRST, X)                                                                               \
    FIRST(machine_row, TEXT, title)                                                                          \
    X(machine_row, TEXT, label)                                                                              \
    X(machine_row, TEXT, backend)                                                                            \
    X(machine_row, TEXT, image)                                                                              \
    X(machine_row, TEXT, workspace)                                                                          \
    X(machine_row, TEXT, state)                                                                              \
    X(machine_row, TEXT, why)                                                                                \
    X(machine_row, BOOL, lives)                                                                              \
    X(machine_row, BOOL, kept)                                                                               \
    X(machine_row, I64, layer)                                                                               \
    X(machine_row, I64, boot_ns)                                                                             \
    X(machine_row, I64, created_at)                                                                          \
    X(machine_row, I64, changed_at)
#define MACHINE_COLUMNS(FIRST, X)                                                                            \
    FIRST(machine_row, I64, run_id) X(machine_row, I64, job_id) MACHINE_REST(X, X)

static const struct row_table machine_table = {
    ROW_READ("machines", machine_row, MACHINE_COLUMNS),
    ROW_UPSERT("machines", MACHINE_COLUMNS),
    ROW_SAME("machines", "run_id = ?2 AND job_id = ?3", 4, MACHINE_REST),
    .change = CHANGE_MACHINE,
    .run_offset = offsetof(struct machine_row, run_id),
    .job_offset = offsetof(struct machine_row, job_id),
};

#define SNAPSHOT_COLUMNS(FIRST, X)                                                                           \
    FIRST(snapshot_row, I64, machine_id)                                                                     \
    X(snapshot_row, I64, run_id)                                                                             \
    X(snapshot_row, I64, job_id)                                                                             \
    X(snapshot_row, I64, step_id)                                                                            \
    X(snapshot_row, TEXT, name)                                                                              \
    X(snapshot_row, TEXT, backend)                                                                           \
    X(snapshot_row, TEXT, image)                                                                             \
    X(snapshot_row, I64, layer)                                                                              \
    X(snapshot_row, I64, cost_ns)                                                                            \
    X(snapshot_row, I64, created_at)                                                                         \
    X(snapshot_row, TEXT, handle)

static const struct row_table snapshot_table = {
    ROW_READ("snapshots", snapshot_row, SNAPSHOT_COLUMNS),
    ROW_WRITE("snapshots", SNAPSHOT_COLUMNS),
    .change = CHANGE_SNAPSHOT,
    .slot = 1,
    .run_offset = offsetof(struct snapshot_row, run_id),
    .job_offset = offsetof(struct snapshot_row, job_id),
};

#define LAYER_COLUMNS(FIRST, X)                                                                              \
    FIRST(layer_row, I64, parent)                                                                            \
    X(layer_row, BOOL, durable)                                                                              \
    X(layer_row, TEXT, boot)                                                                                 \
    X(layer_row, I64, created_at)

static const struct row_table layer_table = {
    ROW_READ("layers", layer_row, LAYER_COLUMNS),
    ROW_UPSERT("layers", LAYER_COLUMNS),
    .change = CHANGE_LAYER,
    .slot = 2,
};

#define COMMAND_COLUMNS(FIRST, X)                                                                            \
    FIRST(command_row, I64, machine_id)                                                                      \
    X(command_row, INT, number)                                                                              \
    X(command_row, TEXT, command)                                                                            \
    X(command_row, INT, exit_code)                                                                           \
    X(command_row, I64, duration_ns)                                                                         \
    X(command_row, I64, started_at)                                                                          \
    X(command_row, I64, changed_at)

static const struct row_table command_table = {
    ROW_READ("commands", command_row, COMMAND_COLUMNS),
    ROW_WRITE("commands", COMMAND_COLUMNS),
    .change = CHANGE_COMMAND,
    .slot = 6,
};

ROW_READER(machine)
ROW_WRITER(machine)
ROW_READER(snapshot)
ROW_WRITER(snapshot)
ROW_READER(layer)
ROW_WRITER(layer)
ROW_READER(command)
ROW_WRITER(command)

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

/* --------------------------------------------------------------------------------------------- finding */

int64_t store_find_machine(struct store *st, const char *title)
{
    return read_int(st,
                    "SELECT id FROM machines WHERE title = ?1 AND (lives OR kept) ORDER BY id DESC LIMIT 1",
                    NULL, 0, title, 0);
}

int64_t store_find_job_machine(struct store *st, int64_t job_id)
{
    return read_int(st, "SELECT id FROM machines WHERE job_id = ?1 ORDER BY id DESC LIMIT 1", INTS(job_id),
                    NULL, 0);
}

int64_t store_find_snapshot(struct store *st, int64_t machine_id, const char *name)
{
    return read_int(st, "SELECT id FROM snapshots WHERE machine_id = ?1 AND name = ?2", INTS(machine_id),
                    name, 0);
}

int64_t store_find_step_snapshot(struct store *st, int64_t step_id)
{
    return read_int(st, "SELECT id FROM snapshots WHERE step_id = ?1 ORDER BY id DESC LIMIT 1", INTS(step_id),
                    NULL, 0);
}

int64_t store_find_command(struct store *st, int64_t machine_id, int number)
{
    return read_int(st, "SELECT id FROM commands WHERE machine_id = ?1 AND number = ?2",
                    INTS(machine_id, number), NULL, 0);
}

int64_t store_last_command(struct store *st, int64_t machine_id)
{
    return read_int(st, "SELECT id FROM commands WHERE machine_id = ?1 ORDER BY number DESC LIMIT 1",
                    INTS(machine_id), NULL, 0);
}

ssize_t store_list_machines(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM machines WHERE (lives OR kept) AND id > ?1 ORDER BY id", INTS(after),
                    NULL, ids, max);
}

ssize_t store_list_snapshots(struct store *st, int64_t machine_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st,
                    "SELECT id FROM snapshots WHERE machine_id = ?1 AND id > ?2 AND name <> '' ORDER BY id",
                    INTS(machine_id, after), NULL, ids, max);
}

ssize_t store_list_step_snapshots(struct store *st, int64_t job_id, int64_t before, int64_t after,
                                  int64_t *ids, size_t max)
{
    return list_ids(
        st,
        "SELECT id FROM snapshots WHERE step_id <> 0 AND (?1 = 0 OR job_id = ?1) AND created_at < ?2"
        " AND id > ?3 ORDER BY id",
        INTS(job_id, before, after), NULL, ids, max);
}

ssize_t store_list_commands(struct store *st, int64_t machine_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM commands WHERE machine_id = ?1 AND id > ?2 ORDER BY id",
                    INTS(machine_id, after), NULL, ids, max);
}

int64_t store_next_id(struct store *st, enum numbered what)
{
    return read_int(st, "SELECT seq FROM sqlite_sequence WHERE name = ?1", NULL, 0,
                    what == NUMBERED_MACHINES ? "machines" : "layers", 0) +
           1;
}

/* ----------------------------------------------------------------------------------------- transitions */

int store_put_transition(struct store *st, int64_t machine_id, const char *state, const char *why, int64_t at,
                         struct err *err)
{
    store_begin(st);
    WRITE(st, err, "INSERT INTO transitions (machine_id, state, why, at) VALUES (?1, ?2, ?3, ?4)",
          P_INT(machine_id), P_TEXT(state), P_TEXT(why), P_INT(at));
    return store_commit(st, err);
}

int store_each_transition(struct store *st, int64_t machine_id, transition_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        c ? conn_prepare(c, "SELECT state, why, at FROM transitions WHERE machine_id = ?1 ORDER BY id")
          : NULL;
    int r = stmt ? 0 : -ENOMEM;

    if (stmt)
        sqlite3_bind_int64(stmt, 1, machine_id);
    while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, (const char *)sqlite3_column_text(stmt, 0), (const char *)sqlite3_column_text(stmt, 1),
               sqlite3_column_int64(stmt, 2));
    store_reader_done(st, c, stmt);
    return r;
}

/* ---------------------------------------------------------------------------------------------- layers */

ssize_t store_list_unused_layers(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(
        st,
        "WITH RECURSIVE used (id) AS (SELECT layer FROM snapshots UNION SELECT layer FROM machines "
        "WHERE kept UNION SELECT layers.parent FROM layers JOIN used ON layers.id = used.id) "
        "SELECT id FROM layers WHERE id > ?1 AND id NOT IN (SELECT id FROM used) ORDER BY id",
        INTS(after), NULL, ids, max);
}

ssize_t store_list_layers(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM layers WHERE id > ?1 ORDER BY id", INTS(after), NULL, ids, max);
}

/* -------------------------------------------------------------------------------------------- writing */

int store_delete_machine(struct store *st, int64_t id, struct err *err)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    store_begin(st);
    while ((n = store_list_commands(st, id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            store_changed(st, (struct change){.kind = CHANGE_COMMAND, .id = ids[i], .deleted = true});
        after = ids[n - 1];
    }
    after = 0;
    while ((n = store_list_snapshots(st, id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            store_changed(st, (struct change){.kind = CHANGE_SNAPSHOT, .id = ids[i], .deleted = true});
        after = ids[n - 1];
    }
    WRITE(st, err, "DELETE FROM commands WHERE machine_id = ?1", P_INT(id));
    WRITE(st, err, "DELETE FROM transitions WHERE machine_id = ?1", P_INT(id));
    WRITE(st, err, "DELETE FROM snapshots WHERE machine_id = ?1 AND step_id = 0", P_INT(id));
    WRITE(st, err, "DELETE FROM machines WHERE id = ?1", P_INT(id));
    store_changed(st, (struct change){.kind = CHANGE_MACHINE, .id = id, .deleted = true});
    return store_commit(st, err);
}

int store_delete_snapshot(struct store *st, int64_t id, struct err *err)
{
    store_begin(st);
    WRITE(st, err, "DELETE FROM snapshots WHERE id = ?1", P_INT(id));
    store_changed(st, (struct change){.kind = CHANGE_SNAPSHOT, .id = id, .deleted = true});
    return store_commit(st, err);
}

int store_delete_layer(struct store *st, int64_t id, struct err *err)
{
    store_begin(st);
    WRITE(st, err, "DELETE FROM layers WHERE id = ?1", P_INT(id));
    store_changed(st, (struct change){.kind = CHANGE_LAYER, .id = id, .deleted = true});
    return store_commit(st, err);
}

/* Notes a change of each row that a query of ids finds. */
static void tell_each(struct store *st, const char *sql, int64_t param, enum change_kind kind)
{
    sqlite3_stmt *stmt = conn_prepare(&st->writer, sql);

    if (!stmt)
        return;
    sqlite3_bind_int64(stmt, 1, param);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        store_changed(st, (struct change){.kind = kind, .id = sqlite3_column_int64(stmt, 0)});
    sqlite3_reset(stmt);
}

int store_replace_layer(struct store *st, int64_t old, int64_t new, struct err *err)
{
    store_begin(st);
    tell_each(st, "SELECT id FROM snapshots WHERE layer = ?1", old, CHANGE_SNAPSHOT);
    tell_each(st, "SELECT id FROM layers WHERE parent = ?1", old, CHANGE_LAYER);
    tell_each(st, "SELECT id FROM machines WHERE layer = ?1", old, CHANGE_MACHINE);
    WRITE(st, err, "UPDATE snapshots SET layer = ?2 WHERE layer = ?1", P_INT(old), P_INT(new));
    WRITE(st, err, "UPDATE layers SET parent = ?2 WHERE parent = ?1", P_INT(old), P_INT(new));
    WRITE(st, err, "UPDATE machines SET layer = ?2 WHERE layer = ?1", P_INT(old), P_INT(new));
    return store_commit(st, err);
}

#define ABOVE                                                                                                \
    "WITH RECURSIVE above (id) AS (SELECT ?1 UNION SELECT layers.id FROM layers JOIN above ON "              \
    "layers.parent = above.id) "
#define IN_ABOVE " IN (SELECT id FROM above)"

int store_drop_layer(struct store *st, int64_t id, struct err *err)
{
    store_begin(st);
    tell_each(st, ABOVE "SELECT id FROM snapshots WHERE layer" IN_ABOVE, id, CHANGE_SNAPSHOT);
    tell_each(st, ABOVE "SELECT id FROM machines WHERE layer" IN_ABOVE, id, CHANGE_MACHINE);
    tell_each(st, ABOVE "SELECT id FROM above", id, CHANGE_LAYER);
    WRITE(st, err, ABOVE "DELETE FROM snapshots WHERE layer" IN_ABOVE, P_INT(id));
    WRITE(st, err, ABOVE "UPDATE machines SET layer = 0 WHERE layer" IN_ABOVE, P_INT(id));
    WRITE(st, err, ABOVE "DELETE FROM layers WHERE id" IN_ABOVE, P_INT(id));
    return store_commit(st, err);
}

int store_layers_durable(struct store *st, int64_t last, struct err *err)
{
    store_begin(st);
    tell_each(st, "SELECT id FROM layers WHERE durable = 0 AND id <= ?1", last, CHANGE_LAYER);
    WRITE(st, err, "UPDATE layers SET durable = 1 WHERE durable = 0 AND id <= ?1", P_INT(last));
    return store_commit(st, err);
}

int64_t store_count_volatile_layers(struct store *st)
{
    return read_int(st, "SELECT count(*) FROM layers WHERE durable = 0", NULL, 0, NULL, 0);
}
