/*
 * Rows: which column is which field, once; select, insert and update follow from that.
 */
#include "store_internal.h"

#include <stddef.h>

#define I64(row, field)                                                                                      \
    {                                                                                                        \
#field, COLUMN_I64, offsetof(struct row, field)                                                      \
    }
#define INT(row, field)                                                                                      \
    {                                                                                                        \
#field, COLUMN_INT, offsetof(struct row, field)                                                      \
    }
#define BOOL(row, field)                                                                                     \
    {                                                                                                        \
#field, COLUMN_BOOL, offsetof(struct row, field)                                                     \
    }
#define TEXT(row, field)                                                                                     \
    {                                                                                                        \
#field, COLUMN_TEXT, offsetof(struct row, field)                                                     \
    }
#define LENGTH(row, field)                                                                                   \
    {                                                                                                        \
        NULL, COLUMN_LENGTH, offsetof(struct row, field)                                                     \
    }

static const struct column workflow_columns[] = {
    I64(workflow_row, id),       I64(workflow_row, repo_id),    TEXT(workflow_row, name),
    TEXT(workflow_row, title),   TEXT(workflow_row, source),    LENGTH(workflow_row, source_len),
    BOOL(workflow_row, removed), I64(workflow_row, changed_at), I64(workflow_row, last_run),
};

static const struct column repo_columns[] = {
    I64(repo_row, id),         TEXT(repo_row, name),      TEXT(repo_row, path),
    I64(repo_row, changed_at), TEXT(repo_row, full_name),
};

static const struct column error_columns[] = {
    I64(error_row, id),
    TEXT(error_row, name),
    TEXT(error_row, text),
    I64(error_row, changed_at),
};

static const struct column delivery_columns[] = {
    I64(delivery_row, id),
    TEXT(delivery_row, name),
    TEXT(delivery_row, text),
    I64(delivery_row, changed_at),
};

static const struct column run_columns[] = {
    I64(run_row, id),
    I64(run_row, workflow_id),
    INT(run_row, attempt),
    TEXT(run_row, status),
    TEXT(run_row, conclusion),
    INT(run_row, exit_code),
    TEXT(run_row, workflow_name),
    TEXT(run_row, name),
    TEXT(run_row, title),
    TEXT(run_row, event),
    TEXT(run_row, ref),
    TEXT(run_row, sha),
    TEXT(run_row, actor),
    TEXT(run_row, repository),
    I64(run_row, repo_id),
    TEXT(run_row, concurrency),
    TEXT(run_row, why),
    I64(run_row, created_at),
    I64(run_row, started_at),
    I64(run_row, completed_at),
    I64(run_row, changed_at),
    I64(run_row, log_size),
};

static const struct column job_columns[] = {
    I64(job_row, id),           I64(job_row, run_id),       INT(job_row, attempt),
    TEXT(job_row, key),         TEXT(job_row, job_id),      TEXT(job_row, name),
    TEXT(job_row, caller),      TEXT(job_row, uses),        TEXT(job_row, status),
    TEXT(job_row, conclusion),  INT(job_row, exit_code),    TEXT(job_row, matrix),
    TEXT(job_row, needs),       TEXT(job_row, runs_on),     TEXT(job_row, backend),
    TEXT(job_row, why),         TEXT(job_row, environment), TEXT(job_row, environment_url),
    TEXT(job_row, permissions), TEXT(job_row, concurrency), I64(job_row, log_job_id),
    I64(job_row, created_at),   I64(job_row, started_at),   I64(job_row, completed_at),
    I64(job_row, changed_at),   I64(job_row, log_size),
};

static const struct column step_columns[] = {
    I64(step_row, id),         I64(step_row, job_id),       I64(step_row, run_id),
    INT(step_row, number),     TEXT(step_row, slug),        TEXT(step_row, name),
    TEXT(step_row, status),    TEXT(step_row, outcome),     TEXT(step_row, conclusion),
    INT(step_row, exit_code),  TEXT(step_row, script),      TEXT(step_row, env),
    TEXT(step_row, cwd),       TEXT(step_row, why),         TEXT(step_row, summary),
    I64(step_row, started_at), I64(step_row, completed_at), I64(step_row, changed_at),
    I64(step_row, log_size),   I64(step_row, stdout_size),  I64(step_row, stderr_size),
};

static const struct column output_columns[] = {
    I64(output_row, id),    I64(output_row, job_id), I64(output_row, step_id),
    TEXT(output_row, name), TEXT(output_row, value), I64(output_row, changed_at),
};

static const struct column setting_columns[] = {
    I64(setting_row, id),
    TEXT(setting_row, name),
    TEXT(setting_row, value),
    I64(setting_row, changed_at),
};

/*
 * The three statements of a table. They are spelled out, not built at start, so that a search for a column
 * finds them; parameter N is column N of the array above, without lengths.
 */

const struct row_table workflow_table = {
    .name = "workflows",
    .columns = workflow_columns,
    .n_columns = ARRAY_LEN(workflow_columns),
    .size = sizeof(struct workflow_row),
    .change = CHANGE_WORKFLOW,
    .slot = 0,
    .run_offset = 0,
    .job_offset = 0,
    .get_sql = "SELECT id, repo_id, name, title, source, removed, changed_at, last_run FROM workflows "
               "WHERE id = ?1",
    .insert_sql = "INSERT INTO workflows (repo_id, name, title, source, removed, changed_at, last_run) "
                  "VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    .update_sql = "UPDATE workflows SET repo_id = ?2, name = ?3, title = ?4, source = ?5, removed = ?6, "
                  "changed_at = ?7, last_run = ?8 WHERE id = ?1",
};

const struct row_table repo_table = {
    .name = "repos",
    .columns = repo_columns,
    .n_columns = ARRAY_LEN(repo_columns),
    .size = sizeof(struct repo_row),
    .change = CHANGE_REPO,
    .slot = 1,
    .run_offset = 0,
    .job_offset = 0,
    .get_sql = "SELECT id, name, path, changed_at, full_name FROM repos WHERE id = ?1",
    .insert_sql = "INSERT INTO repos (name, path, changed_at, full_name) VALUES (?2, ?3, ?4, ?5)",
    .update_sql = "UPDATE repos SET name = ?2, path = ?3, changed_at = ?4, full_name = ?5 WHERE id = ?1",
};

const struct row_table error_table = {
    .name = "errors",
    .columns = error_columns,
    .n_columns = ARRAY_LEN(error_columns),
    .size = sizeof(struct error_row),
    .change = CHANGE_DROP,
    .slot = 2,
    .run_offset = 0,
    .job_offset = 0,
    .get_sql = "SELECT id, name, text, changed_at FROM errors WHERE id = ?1",
    .insert_sql = "INSERT INTO errors (name, text, changed_at) VALUES (?2, ?3, ?4)",
    .update_sql = "UPDATE errors SET name = ?2, text = ?3, changed_at = ?4 WHERE id = ?1",
};

const struct row_table delivery_table = {
    .name = "deliveries",
    .columns = delivery_columns,
    .n_columns = ARRAY_LEN(delivery_columns),
    .size = sizeof(struct delivery_row),
    .change = CHANGE_DELIVERY,
    .slot = 2,
    .run_offset = 0,
    .job_offset = 0,
    .get_sql = "SELECT id, name, text, changed_at FROM deliveries WHERE id = ?1",
    .insert_sql = "INSERT INTO deliveries (name, text, changed_at) VALUES (?2, ?3, ?4)",
    .update_sql = "UPDATE deliveries SET name = ?2, text = ?3, changed_at = ?4 WHERE id = ?1",
};

const struct row_table run_table = {
    .name = "runs",
    .columns = run_columns,
    .n_columns = ARRAY_LEN(run_columns),
    .size = sizeof(struct run_row),
    .change = CHANGE_RUN,
    .slot = 3,
    .run_offset = 0,
    .job_offset = 0,
    .get_sql = "SELECT id, workflow_id, attempt, status, conclusion, exit_code, workflow_name, name, "
               "title, event, ref, sha, actor, repository, repo_id, concurrency, why, created_at, "
               "started_at, completed_at, changed_at, log_size FROM runs WHERE id = ?1",
    .insert_sql = "INSERT INTO runs (workflow_id, attempt, status, conclusion, exit_code, "
                  "workflow_name, name, title, event, ref, sha, actor, repository, repo_id, "
                  "concurrency, why, created_at, started_at, completed_at, changed_at, log_size) VALUES "
                  "(?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
                  "?20, ?21, ?22)",
    .update_sql = "UPDATE runs SET workflow_id = ?2, attempt = ?3, status = ?4, conclusion = ?5, "
                  "exit_code = ?6, workflow_name = ?7, name = ?8, title = ?9, event = ?10, ref = ?11, "
                  "sha = ?12, actor = ?13, repository = ?14, repo_id = ?15, concurrency = ?16, why = "
                  "?17, created_at = ?18, started_at = ?19, completed_at = ?20, changed_at = ?21, "
                  "log_size = ?22 WHERE id = ?1",
};

const struct row_table job_table = {
    .name = "jobs",
    .columns = job_columns,
    .n_columns = ARRAY_LEN(job_columns),
    .size = sizeof(struct job_row),
    .change = CHANGE_JOB,
    .slot = 4,
    .run_offset = offsetof(struct job_row, run_id),
    .job_offset = 0,
    .get_sql = "SELECT id, run_id, attempt, key, job_id, name, caller, uses, status, conclusion, "
               "exit_code, matrix, needs, runs_on, backend, why, environment, environment_url, "
               "permissions, concurrency, log_job_id, created_at, started_at, completed_at, "
               "changed_at, log_size FROM jobs WHERE id = ?1",
    .insert_sql = "INSERT INTO jobs (run_id, attempt, key, job_id, name, caller, uses, status, "
                  "conclusion, exit_code, matrix, needs, runs_on, backend, why, environment, "
                  "environment_url, permissions, concurrency, log_job_id, created_at, started_at, "
                  "completed_at, changed_at, log_size) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
                  "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
    .update_sql = "UPDATE jobs SET run_id = ?2, attempt = ?3, key = ?4, job_id = ?5, name = ?6, caller "
                  "= ?7, uses = ?8, status = ?9, conclusion = ?10, exit_code = ?11, matrix = ?12, needs "
                  "= ?13, runs_on = ?14, backend = ?15, why = ?16, environment = ?17, environment_url = "
                  "?18, permissions = ?19, concurrency = ?20, log_job_id = ?21, created_at = ?22, "
                  "started_at = ?23, completed_at = ?24, changed_at = ?25, log_size = ?26 WHERE id = ?1",
};

const struct row_table step_table = {
    .name = "steps",
    .columns = step_columns,
    .n_columns = ARRAY_LEN(step_columns),
    .size = sizeof(struct step_row),
    .change = CHANGE_STEP,
    .slot = 5,
    .run_offset = offsetof(struct step_row, run_id),
    .job_offset = offsetof(struct step_row, job_id),
    .get_sql = "SELECT id, job_id, run_id, number, slug, name, status, outcome, conclusion, exit_code, "
               "script, env, cwd, why, summary, started_at, completed_at, changed_at, log_size, "
               "stdout_size, stderr_size FROM steps WHERE id = ?1",
    .insert_sql = "INSERT INTO steps (job_id, run_id, number, slug, name, status, outcome, conclusion, "
                  "exit_code, script, env, cwd, why, summary, started_at, completed_at, changed_at, "
                  "log_size, stdout_size, stderr_size) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
                  "?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    .update_sql = "UPDATE steps SET job_id = ?2, run_id = ?3, number = ?4, slug = ?5, name = ?6, status = "
                  "?7, outcome = ?8, conclusion = ?9, exit_code = ?10, script = ?11, env = ?12, cwd = ?13, "
                  "why = ?14, summary = ?15, started_at = ?16, completed_at = ?17, changed_at = ?18, "
                  "log_size = ?19, stdout_size = ?20, stderr_size = ?21 WHERE id = ?1",
};

const struct row_table output_table = {
    .name = "outputs",
    .columns = output_columns,
    .n_columns = ARRAY_LEN(output_columns),
    .size = sizeof(struct output_row),
    .change = CHANGE_OUTPUT,
    .slot = 6,
    .run_offset = 0,
    .job_offset = offsetof(struct output_row, job_id),
    .get_sql = "SELECT id, job_id, step_id, name, value, changed_at FROM outputs WHERE id = ?1",
    .insert_sql = "INSERT INTO outputs (job_id, step_id, name, value, changed_at) VALUES (?2, ?3, ?4, ?5, "
                  "?6)",
    .update_sql = "UPDATE outputs SET job_id = ?2, step_id = ?3, name = ?4, value = ?5, changed_at = ?6 "
                  "WHERE id = ?1",
};

const struct row_table setting_tables[4] = {
    [SETTING_CONFIG] =
        {
            .name = "config",
            .columns = setting_columns,
            .n_columns = ARRAY_LEN(setting_columns),
            .size = sizeof(struct setting_row),
            .change = CHANGE_CONFIG,
            .slot = 7,
            .run_offset = 0,
            .job_offset = 0,
            .get_sql = "SELECT id, name, value, changed_at FROM config WHERE id = ?1",
            .insert_sql = "INSERT INTO config (name, value, changed_at) VALUES (?2, ?3, ?4)",
            .update_sql = "UPDATE config SET name = ?2, value = ?3, changed_at = ?4 WHERE id = ?1",
        },
    [SETTING_SECRET] =
        {
            .name = "secrets",
            .columns = setting_columns,
            .n_columns = ARRAY_LEN(setting_columns),
            .size = sizeof(struct setting_row),
            .change = CHANGE_SECRET,
            .slot = 7,
            .run_offset = 0,
            .job_offset = 0,
            .get_sql = "SELECT id, name, value, changed_at FROM secrets WHERE id = ?1",
            .insert_sql = "INSERT INTO secrets (name, value, changed_at) VALUES (?2, ?3, ?4)",
            .update_sql = "UPDATE secrets SET name = ?2, value = ?3, changed_at = ?4 WHERE id = ?1",
        },
    [SETTING_VAR] =
        {
            .name = "vars",
            .columns = setting_columns,
            .n_columns = ARRAY_LEN(setting_columns),
            .size = sizeof(struct setting_row),
            .change = CHANGE_VAR,
            .slot = 7,
            .run_offset = 0,
            .job_offset = 0,
            .get_sql = "SELECT id, name, value, changed_at FROM vars WHERE id = ?1",
            .insert_sql = "INSERT INTO vars (name, value, changed_at) VALUES (?2, ?3, ?4)",
            .update_sql = "UPDATE vars SET name = ?2, value = ?3, changed_at = ?4 WHERE id = ?1",
        },
    [SETTING_TOKEN] =
        {
            .name = "tokens",
            .columns = setting_columns,
            .n_columns = ARRAY_LEN(setting_columns),
            .size = sizeof(struct setting_row),
            .change = CHANGE_TOKEN,
            .slot = 7,
            .run_offset = 0,
            .job_offset = 0,
            .get_sql = "SELECT id, name, value, changed_at FROM tokens WHERE id = ?1",
            .insert_sql = "INSERT INTO tokens (name, value, changed_at) VALUES (?2, ?3, ?4)",
            .update_sql = "UPDATE tokens SET name = ?2, value = ?3, changed_at = ?4 WHERE id = ?1",
        },
};

static int64_t field_i64(const void *row, size_t offset)
{
    return *(const int64_t *)((const char *)row + offset);
}

/* ---------------------------------------------------------------------------------------------- reading */

static size_t texts_size(const struct row_table *t, sqlite3_stmt *stmt)
{
    size_t size = 0;

    for (size_t i = 0, at = 0; i < t->n_columns; i++)
        if (t->columns[i].type != COLUMN_LENGTH) {
            if (t->columns[i].type == COLUMN_TEXT)
                size += (size_t)sqlite3_column_bytes(stmt, (int)at) + 1;
            at++;
        }
    return size;
}

struct row_head *row_read(const struct row_table *t, sqlite3_stmt *stmt)
{
    struct row_head *head = calloc(1, sizeof(*head) + t->size + texts_size(t, stmt));
    size_t length = 0;
    int at = 0;

    if (!head)
        return NULL;
    char *text = head->row + t->size;
    atomic_init(&head->refs, 1);
    head->table = t;
    head->id = sqlite3_column_int64(stmt, 0);
    for (size_t i = 0; i < t->n_columns; i++) {
        char *field = head->row + t->columns[i].offset;
        switch (t->columns[i].type) {
        case COLUMN_I64:
            *(int64_t *)field = sqlite3_column_int64(stmt, at++);
            break;
        case COLUMN_INT:
            *(int *)field = sqlite3_column_int(stmt, at++);
            break;
        case COLUMN_BOOL:
            *(bool *)field = sqlite3_column_int(stmt, at++) != 0;
            break;
        case COLUMN_TEXT:
            length = (size_t)sqlite3_column_bytes(stmt, at);
            if (length)
                memcpy(text, sqlite3_column_text(stmt, at), length);
            at++;
            *(const char **)field = text;
            text += length + 1;
            break;
        case COLUMN_LENGTH:
            *(size_t *)field = length;
            break;
        }
    }
    return head;
}

static struct row_head *row_query(struct store *st, const struct row_table *t, int64_t id)
{
    struct conn *c = store_reader(st);
    struct row_head *head = NULL;

    if (!c)
        return NULL;
    sqlite3_stmt *stmt = conn_prepare(c, t->get_sql);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, id);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            head = row_read(t, stmt);
    }
    store_reader_done(st, c, stmt);
    return head;
}

const void *row_get(struct store *st, const struct row_table *t, int64_t id)
{
    uint64_t generation;
    struct row_head *head = cache_get(&st->cache, t, id, &generation);

    if (!head) {
        head = row_query(st, t, id);
        if (head)
            cache_put(&st->cache, head, generation);
    }
    return head ? head->row : NULL;
}

static void cache_row(struct store *st, const struct row_table *t, sqlite3_stmt *get, int64_t id,
                      const uint64_t generations[CACHE_SHARDS])
{
    uint64_t ignored;
    struct row_head *head = cache_get(&st->cache, t, id, &ignored);

    if (!head) {
        sqlite3_bind_int64(get, 1, id);
        head = sqlite3_step(get) == SQLITE_ROW ? row_read(t, get) : NULL;
        if (head)
            cache_put(&st->cache, head, cache_generation_of(generations, id));
        sqlite3_reset(get);
    }
    if (head)
        row_unref(head->row);
}

ssize_t row_list(struct store *st, const struct row_table *t, const char *sql, const int64_t *ints, size_t n,
                 int64_t *ids, size_t max)
{
    uint64_t generations[CACHE_SHARDS];
    struct conn *c = store_reader(st);
    size_t got = 0;

    cache_generations(&st->cache, generations);
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL, *get = c ? conn_prepare(c, t->get_sql) : NULL;
    for (size_t i = 0; stmt && i < n; i++)
        sqlite3_bind_int64(stmt, (int)i + 1, ints[i]);
    while (stmt && got < max && sqlite3_step(stmt) == SQLITE_ROW) {
        ids[got++] = sqlite3_column_int64(stmt, 0);
        if (get) /* within the reading of the list, which need not begin again for each */
            cache_row(st, t, get, ids[got - 1], generations);
    }
    store_reader_done(st, c, stmt);
    return stmt ? (ssize_t)got : -ENOMEM;
}

void row_unref(const void *row)
{
    if (!row)
        return;
    struct row_head *head = (struct row_head *)((uintptr_t)row - offsetof(struct row_head, row));
    if (atomic_fetch_sub_explicit(&head->refs, 1, memory_order_acq_rel) == 1)
        free(head);
}

/* ---------------------------------------------------------------------------------------------- writing */

static void bind_columns(const struct row_table *t, sqlite3_stmt *stmt, const void *row, int64_t id)
{
    int at = 1;

    if (id)
        sqlite3_bind_int64(stmt, at, id);
    for (size_t i = 1; i < t->n_columns; i++) {
        const char *field = (const char *)row + t->columns[i].offset;
        switch (t->columns[i].type) {
        case COLUMN_I64:
            sqlite3_bind_int64(stmt, ++at, *(const int64_t *)field);
            break;
        case COLUMN_INT:
            sqlite3_bind_int(stmt, ++at, *(const int *)field);
            break;
        case COLUMN_BOOL:
            sqlite3_bind_int(stmt, ++at, *(const bool *)field);
            break;
        case COLUMN_TEXT:
            sqlite3_bind_text(stmt, ++at, *(const char *const *)field ? *(const char *const *)field : "", -1,
                              SQLITE_STATIC);
            break;
        case COLUMN_LENGTH:
            break;
        }
    }
}

int row_put(struct store *st, const struct row_table *t, void *row, struct err *err)
{
    int64_t *id = row;
    bool created = *id == 0;

    store_begin(st);
    sqlite3_stmt *stmt =
        st->failed ? NULL : conn_prepare(&st->writer, created ? t->insert_sql : t->update_sql);
    if (stmt) {
        bind_columns(t, stmt, row, *id);
        int rc = sqlite3_step(stmt);
        if (rc != SQLITE_DONE)
            store_spoil(st, store_sql_error(&st->writer, rc, "cannot write to the database", err));
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    } else {
        store_spoil(st, -ENOMEM);
    }
    int64_t new_id = created ? sqlite3_last_insert_rowid(st->writer.db) : *id;
    if (!st->failed)
        store_changed(st, (struct change){.kind = t->change,
                                          .id = new_id,
                                          .run_id = t->run_offset ? field_i64(row, t->run_offset) : 0,
                                          .job_id = t->job_offset ? field_i64(row, t->job_offset) : 0,
                                          .created = created});
    int r = store_commit(st, err);
    if (r == 0)
        *id = new_id;
    return r;
}

/* ------------------------------------------------------------------------------------- the typed functions
 */

#define ROW_FUNCTIONS(x)                                                                                     \
    const struct x##_row *store_get_##x(struct store *st, int64_t id)                                        \
    {                                                                                                        \
        return row_get(st, &x##_table, id);                                                                  \
    }                                                                                                        \
    void x##_row_unref(const struct x##_row *r)                                                              \
    {                                                                                                        \
        row_unref(r);                                                                                        \
    }

ROW_FUNCTIONS(workflow)
ROW_FUNCTIONS(repo)
ROW_FUNCTIONS(error)
ROW_FUNCTIONS(delivery)
ROW_FUNCTIONS(run)
ROW_FUNCTIONS(job)
ROW_FUNCTIONS(step)
ROW_FUNCTIONS(output)

#define ROW_WRITER(x)                                                                                        \
    int store_put_##x(struct store *st, struct x##_row *row, struct err *err)                                \
    {                                                                                                        \
        return row_put(st, &x##_table, row, err);                                                            \
    }

ROW_WRITER(workflow)
ROW_WRITER(repo)
ROW_WRITER(job)
ROW_WRITER(step)

int store_put_run(struct store *st, struct run_row *row, struct err *err)
{
    store_begin(st);
    bool ends = strcmp(row->status, "completed") == 0 &&
                (!row->id || write_values(st, "SELECT status <> 'completed' FROM runs WHERE id = ?1", 0, "i",
                                          row->id) == 1);
    int64_t id = row->id;
    if (row_put(st, &run_table, row, err) == 0 && ends)
        (void)store_watch_run(st, row->id, err);
    int r = store_commit(st, err);
    if (r < 0)
        row->id = id;
    return r;
}

const struct setting_row *store_get_setting(struct store *st, enum setting_kind kind, int64_t id)
{
    return row_get(st, &setting_tables[kind], id);
}

void setting_row_unref(const struct setting_row *r)
{
    row_unref(r);
}
