/* Machines, snapshots, layers and commands as rows. */
#include "runfs/machine_rows.h"

#include <stddef.h>

#include "store_internal.h"

static const struct column machine_columns[] = {
    {"id", COLUMN_I64, offsetof(struct machine_row, id)},
    {"run_id", COLUMN_I64, offsetof(struct machine_row, run_id)},
    {"job_id", COLUMN_I64, offsetof(struct machine_row, job_id)},
    {"title", COLUMN_TEXT, offsetof(struct machine_row, title)},
    {"label", COLUMN_TEXT, offsetof(struct machine_row, label)},
    {"backend", COLUMN_TEXT, offsetof(struct machine_row, backend)},
    {"image", COLUMN_TEXT, offsetof(struct machine_row, image)},
    {"workspace", COLUMN_TEXT, offsetof(struct machine_row, workspace)},
    {"state", COLUMN_TEXT, offsetof(struct machine_row, state)},
    {"why", COLUMN_TEXT, offsetof(struct machine_row, why)},
    {"lives", COLUMN_BOOL, offsetof(struct machine_row, lives)},
    {"kept", COLUMN_BOOL, offsetof(struct machine_row, kept)},
    {"layer", COLUMN_I64, offsetof(struct machine_row, layer)},
    {"boot_ns", COLUMN_I64, offsetof(struct machine_row, boot_ns)},
    {"created_at", COLUMN_I64, offsetof(struct machine_row, created_at)},
    {"changed_at", COLUMN_I64, offsetof(struct machine_row, changed_at)},
};

static const struct row_table machine_table = {
    .name = "machines",
    .columns = machine_columns,
    .n_columns = ARRAY_LEN(machine_columns),
    .size = sizeof(struct machine_row),
    .change = CHANGE_MACHINE,
    .slot = 0,
    .run_offset = offsetof(struct machine_row, run_id),
    .job_offset = offsetof(struct machine_row, job_id),
    .get_sql = "SELECT id, run_id, job_id, title, label, backend, image, workspace, state, "
               "why, lives, kept, layer, boot_ns, created_at, changed_at FROM machines WHERE "
               "id = ?1",
    .update_sql = "INSERT INTO machines (id, run_id, job_id, title, label, backend, image, "
                  "workspace, state, why, lives, kept, layer, boot_ns, created_at, changed_at) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "
                  "ON CONFLICT (id) DO UPDATE SET run_id = excluded.run_id, job_id = "
                  "excluded.job_id, title = excluded.title, label = excluded.label, backend = "
                  "excluded.backend, image = excluded.image, workspace = excluded.workspace, "
                  "state = excluded.state, why = excluded.why, lives = excluded.lives, kept = "
                  "excluded.kept, layer = excluded.layer, boot_ns = excluded.boot_ns, created_at "
                  "= excluded.created_at, changed_at = excluded.changed_at",
};

static const struct column snapshot_columns[] = {
    {"id", COLUMN_I64, offsetof(struct snapshot_row, id)},
    {"machine_id", COLUMN_I64, offsetof(struct snapshot_row, machine_id)},
    {"run_id", COLUMN_I64, offsetof(struct snapshot_row, run_id)},
    {"job_id", COLUMN_I64, offsetof(struct snapshot_row, job_id)},
    {"step_id", COLUMN_I64, offsetof(struct snapshot_row, step_id)},
    {"name", COLUMN_TEXT, offsetof(struct snapshot_row, name)},
    {"backend", COLUMN_TEXT, offsetof(struct snapshot_row, backend)},
    {"image", COLUMN_TEXT, offsetof(struct snapshot_row, image)},
    {"layer", COLUMN_I64, offsetof(struct snapshot_row, layer)},
    {"cost_ns", COLUMN_I64, offsetof(struct snapshot_row, cost_ns)},
    {"created_at", COLUMN_I64, offsetof(struct snapshot_row, created_at)},
    {"handle", COLUMN_TEXT, offsetof(struct snapshot_row, handle)},
};

static const struct row_table snapshot_table = {
    .name = "snapshots",
    .columns = snapshot_columns,
    .n_columns = ARRAY_LEN(snapshot_columns),
    .size = sizeof(struct snapshot_row),
    .change = CHANGE_SNAPSHOT,
    .slot = 1,
    .run_offset = offsetof(struct snapshot_row, run_id),
    .job_offset = offsetof(struct snapshot_row, job_id),
    .get_sql = "SELECT id, machine_id, run_id, job_id, step_id, name, backend, image, layer, "
               "cost_ns, created_at, handle FROM snapshots WHERE id = ?1",
    .insert_sql = "INSERT INTO snapshots (machine_id, run_id, job_id, step_id, name, backend, "
                  "image, layer, cost_ns, created_at, handle) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                  "?10, ?11, ?12)",
    .update_sql = "UPDATE snapshots SET machine_id = ?2, run_id = ?3, job_id = ?4, step_id = ?5, "
                  "name = ?6, backend = ?7, image = ?8, layer = ?9, cost_ns = ?10, created_at = "
                  "?11, handle = ?12 WHERE id = ?1",
};

static const struct column layer_columns[] = {
    {"id", COLUMN_I64, offsetof(struct layer_row, id)},
    {"parent", COLUMN_I64, offsetof(struct layer_row, parent)},
    {"durable", COLUMN_BOOL, offsetof(struct layer_row, durable)},
    {"boot", COLUMN_TEXT, offsetof(struct layer_row, boot)},
    {"created_at", COLUMN_I64, offsetof(struct layer_row, created_at)},
};

static const struct row_table layer_table = {
    .name = "layers",
    .columns = layer_columns,
    .n_columns = ARRAY_LEN(layer_columns),
    .size = sizeof(struct layer_row),
    .change = CHANGE_LAYER,
    .slot = 2,
    .get_sql = "SELECT id, parent, durable, boot, created_at FROM layers WHERE id = ?1",
    .update_sql = "INSERT INTO layers (id, parent, durable, boot, created_at) VALUES (?1, ?2, ?3, ?4, ?5) "
                  "ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, durable = excluded.durable, "
                  "boot = excluded.boot, created_at = excluded.created_at",
};

static const struct column command_columns[] = {
    {"id", COLUMN_I64, offsetof(struct command_row, id)},
    {"machine_id", COLUMN_I64, offsetof(struct command_row, machine_id)},
    {"number", COLUMN_INT, offsetof(struct command_row, number)},
    {"command", COLUMN_TEXT, offsetof(struct command_row, command)},
    {"exit_code", COLUMN_INT, offsetof(struct command_row, exit_code)},
    {"duration_ns", COLUMN_I64, offsetof(struct command_row, duration_ns)},
    {"started_at", COLUMN_I64, offsetof(struct command_row, started_at)},
    {"changed_at", COLUMN_I64, offsetof(struct command_row, changed_at)},
};

static const struct row_table command_table = {
    .name = "commands",
    .columns = command_columns,
    .n_columns = ARRAY_LEN(command_columns),
    .size = sizeof(struct command_row),
    .change = CHANGE_COMMAND,
    .slot = 6,
    .get_sql = "SELECT id, machine_id, number, command, exit_code, duration_ns, started_at, "
               "changed_at FROM commands WHERE id = ?1",
    .insert_sql = "INSERT INTO commands (machine_id, number, command, exit_code, duration_ns, "
                  "started_at, changed_at) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    .update_sql = "UPDATE commands SET machine_id = ?2, number = ?3, command = ?4, exit_code = "
                  "?5, duration_ns = ?6, started_at = ?7, changed_at = ?8 WHERE id = ?1",
};

#define ROW_FUNCTIONS(x)                                                                                     \
    const struct x##_row *store_get_##x(struct store *st, int64_t id)                                        \
    {                                                                                                        \
        return row_get(st, &x##_table, id);                                                                  \
    }                                                                                                        \
    void x##_row_unref(const struct x##_row *r)                                                              \
    {                                                                                                        \
        row_unref(r);                                                                                        \
    }                                                                                                        \
    int store_put_##x(struct store *st, struct x##_row *row, struct err *err)                                \
    {                                                                                                        \
        return row_put(st, &x##_table, row, err);                                                            \
    }

ROW_FUNCTIONS(machine)
ROW_FUNCTIONS(snapshot)
ROW_FUNCTIONS(layer)
ROW_FUNCTIONS(command)

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
