/*
 * Commands that steps ran, as counts that are kept up as they come: recording touches a handful of rows of
 * tables that stop growing, and appends to command_uses, which has no index but its own order; so it costs
 * the same however much was recorded. Reading never walks what was recorded.
 */
#include <math.h>
#include <stddef.h>

#include "row_table.h"
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"

enum {
    VARIANTS_MAX = 100, /* of one command; texts that are different each time teach nothing */
    RUNS_KEPT = 64      /* of one command, the newest: command_runs is a ring for each */
};

#define KNOWN_COMMAND_COLUMNS(FIRST, X)                                                                      \
    FIRST(known_command_row, TEXT, name)                                                                     \
    X(known_command_row, TEXT, slug)                                                                         \
    X(known_command_row, I64, runs)                                                                          \
    X(known_command_row, I64, successes)                                                                     \
    X(known_command_row, I64, failures)                                                                      \
    X(known_command_row, I64, timed)                                                                         \
    X(known_command_row, I64, total_ms)                                                                      \
    X(known_command_row, I64, last_run_at)                                                                   \
    X(known_command_row, I64, changed_at)

const struct row_table known_command_table = {
    ROW_READ("known_commands", known_command_row, KNOWN_COMMAND_COLUMNS),
    .change = CHANGE_KNOWN_COMMAND,
    .slot = 1,
};

ROW_READER(known_command)

/* --------------------------------------------------------------------------------------------- recording */

enum { VALUES_MAX = 16 };

/* One statement of the open group, bound by a format: 'i' int64_t, 's' text. Returns the first column of the
 * first row, or `none`. */
int64_t write_values(struct store *st, const char *sql, int64_t none, const char *format, ...)
{
    sqlite3_stmt *stmt = st->failed ? NULL : conn_prepare(&st->writer, sql);
    struct param params[VALUES_MAX];
    size_t n = 0, before = st->group.bytes.len;
    int64_t value = none;
    va_list ap;

    if (!stmt) {
        store_spoil(st, -ENOMEM);
        return none;
    }
    va_start(ap, format);
    for (; format[n] && n < VALUES_MAX; n++)
        if (format[n] == 's') {
            const char *text = va_arg(ap, const char *);
            params[n] = P_TEXT(text);
            sqlite3_bind_text64(stmt, (int)n + 1, params[n].text, params[n].len, SQLITE_STATIC, SQLITE_UTF8);
        } else {
            params[n] = P_INT(va_arg(ap, int64_t));
            sqlite3_bind_int64(stmt, (int)n + 1, params[n].n);
        }
    va_end(ap);
    if (st->lasting && !sqlite3_stmt_readonly(stmt))
        later_note(&st->group, sql, params, n);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    else if (rc != SQLITE_DONE && store_refused(st, rc, NULL) < 0 && st->lasting && !st->failed)
        later_take_back(&st->group, before);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return value;
}

void write_unique_slug(struct store *st, const char *taken_sql, const char *text, struct buf *ret)
{
    _buf_ struct buf stem = BUF_INIT;

    /* no hidden names */
    buf_add_slug(&stem, text + strspn(text, ".-/ "), 60);
    buf_adds(ret, buf_str(&stem));
    for (int n = 2; buf_ok(ret) && write_values(st, taken_sql, 0, "s", buf_str(ret)); n++) {
        buf_reset(ret);
        buf_addf(ret, "%s-%d", buf_str(&stem), n);
    }
}

static int64_t command_id(struct store *st, const char *name, int64_t at)
{
    int64_t id = write_values(st, "SELECT id FROM known_commands WHERE name = ?1", 0, "s", name);
    _buf_ struct buf slug = BUF_INIT;

    if (id || st->failed)
        return id;
    write_unique_slug(st, "SELECT id FROM known_commands WHERE slug = ?1", name, &slug);
    write_values(
        st,
        "INSERT INTO known_commands (name, slug, runs, successes, failures, timed, total_ms, variants,"
        " in_runs, last_run_id, last_run_at, changed_at) VALUES (?1, ?2, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?3)",
        0, "ssi", name, buf_str(&slug), at);
    return st->failed ? 0 : sqlite3_last_insert_rowid(st->writer.db);
}

/* Buckets grow by 5%, so that the middle of one is at most 2.5% beside what fell into it. */
static const double bucket_growth = 1.05;

static int64_t bucket_of(int64_t ms)
{
    return ms < 1 ? 0 : 1 + (int64_t)(log((double)ms) / log(bucket_growth));
}

static int64_t bucket_ms(int64_t bucket)
{
    return bucket == 0 ? 0 : (int64_t)llround(pow(bucket_growth, (double)bucket - 0.5));
}

static void count_variant(struct store *st, int64_t id, const struct command_use *u, int64_t good,
                          int64_t bad)
{
    if (write_values(st,
                     "UPDATE command_variants SET runs = runs + 1, successes = successes + ?3, failures = "
                     "failures + ?4"
                     " WHERE command_id = ?1 AND text = ?2 RETURNING 1",
                     0, "isii", id, u->text, good, bad))
        return;
    if (write_values(
            st,
            "UPDATE known_commands SET variants = variants + 1 WHERE id = ?1 AND variants < ?2 RETURNING 1",
            0, "ii", id, (int64_t)VARIANTS_MAX))
        write_values(st,
                     "INSERT INTO command_variants (command_id, text, runs, successes, failures)"
                     " VALUES (?1, ?2, 1, ?3, ?4)",
                     0, "isii", id, u->text, good, bad);
}

static void count_edge(struct store *st, int64_t from, int64_t to, int64_t good, int64_t bad)
{
    write_values(
        st,
        "INSERT INTO command_edges (from_id, to_id, successes, failures, unknown) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (from_id, to_id) DO UPDATE SET successes = successes + ?3, failures = failures + ?4,"
        " unknown = unknown + ?5",
        0, "iiiii", from, to, good, bad, (int64_t)(!good && !bad));
}

static int64_t record(struct store *st, const struct command_place *p, const struct command_use *u,
                      int64_t position, int64_t previous)
{
    int64_t id = command_id(st, u->name, p->at), timed = u->duration_ms >= 0;
    int64_t good = u->outcome == COMMAND_SUCCEEDED, bad = u->outcome == COMMAND_FAILED;

    write_values(st,
                 "INSERT OR REPLACE INTO command_runs (command_id, slot, run_id)"
                 " SELECT id, in_runs % ?3, ?2 FROM known_commands WHERE id = ?1 AND last_run_id <> ?2",
                 0, "iii", id, p->run_id, (int64_t)RUNS_KEPT);
    write_values(
        st,
        "UPDATE known_commands SET runs = runs + 1, successes = successes + ?2, failures = failures + ?3,"
        " timed = timed + ?4, total_ms = total_ms + ?5, last_run_at = ?6, changed_at = ?6,"
        " in_runs = in_runs + (last_run_id <> ?7), last_run_id = ?7 WHERE id = ?1",
        0, "iiiiiii", id, good, bad, timed, timed ? u->duration_ms : 0, p->at, p->run_id);
    write_values(
        st,
        "INSERT OR REPLACE INTO command_uses (run_id, step_id, position, command_id, job_id, outcome,"
        " exit_code, duration_ms, main, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        0, "iiiiiiiiii", p->run_id, p->step_id, position, id, p->job_id, (int64_t)u->outcome,
        (int64_t)u->exit_code, u->duration_ms, (int64_t)u->main, p->at);
    count_variant(st, id, u, good, bad);
    if (timed)
        write_values(st,
                     "INSERT INTO command_durations (command_id, bucket, count) VALUES (?1, ?2, 1)"
                     " ON CONFLICT (command_id, bucket) DO UPDATE SET count = count + 1",
                     0, "ii", id, bucket_of(u->duration_ms));
    if (previous)
        count_edge(st, previous, id, good, bad);
    if (p->workflow_id)
        write_values(st, "INSERT OR IGNORE INTO command_workflows (command_id, workflow_id) VALUES (?1, ?2)",
                     0, "ii", id, p->workflow_id);
    store_changed(st, (struct change){.kind = CHANGE_KNOWN_COMMAND, .id = id});
    return id;
}

int store_record_commands(struct store *st, const struct command_place *place, const struct command_use *uses,
                          size_t n, int64_t *previous, struct err *err)
{
    int64_t last = *previous;

    store_begin(st);
    for (size_t i = 0; i < n && !st->failed; i++)
        last = record(st, place, &uses[i], (int64_t)i, last);
    int r = store_commit(st, err);
    if (r == 0)
        *previous = last;
    return r;
}

/* ----------------------------------------------------------------------------------------------- reading */

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

int64_t store_find_known_command(struct store *st, const char *slug)
{
    return read_int(st, "SELECT id FROM known_commands WHERE slug = ?1", NULL, 0, slug, 0);
}

int64_t store_find_command_name(struct store *st, const char *name)
{
    return read_int(st, "SELECT id FROM known_commands WHERE name = ?1", NULL, 0, name, 0);
}

ssize_t store_list_known_commands(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return row_list(st, &known_command_table, "SELECT id FROM known_commands WHERE id > ?1 ORDER BY id",
                    INTS(after), ids, max);
}

ssize_t store_list_neighbours(struct store *st, int64_t id, enum command_side side, int64_t after,
                              int64_t *ids, size_t max)
{
    static const char *const sql[] = {
        "SELECT to_id FROM command_edges WHERE from_id = ?1 AND to_id > ?2 ORDER BY to_id",
        "SELECT from_id FROM command_edges WHERE to_id = ?1 AND from_id > ?2 ORDER BY from_id"};

    return row_list(st, &known_command_table, sql[side], INTS(id, after), ids, max);
}

bool store_is_neighbour(struct store *st, int64_t id, enum command_side side, int64_t other)
{
    int64_t one;

    return store_list_neighbours(st, id, side, other - 1, &one, 1) == 1 && one == other;
}

ssize_t store_list_command_runs(struct store *st, int64_t id, int64_t after, int64_t *ids, size_t max)
{
    return row_list(st, &run_table,
                    "SELECT DISTINCT run_id FROM command_runs WHERE command_id = ?1 AND run_id > ?2"
                    " ORDER BY run_id",
                    INTS(id, after), ids, max);
}

bool store_command_ran_in(struct store *st, int64_t id, int64_t run_id)
{
    return read_int(st, "SELECT 1 FROM command_runs WHERE command_id = ?1 AND run_id = ?2", INTS(id, run_id),
                    NULL, 0) == 1;
}

int64_t store_command_of_step(struct store *st, int64_t run_id, int64_t step_id)
{
    return read_int(st,
                    "SELECT command_id FROM command_uses WHERE run_id = ?1 AND step_id = ?2"
                    " ORDER BY main DESC, position",
                    INTS(run_id, step_id), NULL, 0);
}

int64_t store_command_percentile(struct store *st, int64_t id, int percent)
{
    const struct known_command_row *row = store_get_known_command(st, id);
    int64_t timed = row ? row->timed : 0;

    known_command_row_unref(row);
    if (!timed)
        return -1;
    int64_t rank = (timed * percent + 99) / 100;
    int64_t bucket =
        read_int(st,
                 "SELECT bucket FROM (SELECT bucket, sum(count) OVER (ORDER BY bucket) AS below FROM"
                 " command_durations WHERE command_id = ?1) WHERE below >= ?2 ORDER BY bucket",
                 INTS(id, rank < 1 ? 1 : rank), NULL, -1);
    return bucket < 0 ? -1 : bucket_ms(bucket);
}

/* Calls fn with each row of a query about one command. */
static int each_row(struct store *st, const char *sql, int64_t id, int (*fn)(void *data, sqlite3_stmt *stmt),
                    void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;
    int r = stmt ? 0 : -ENOMEM;

    if (stmt && sqlite3_bind_parameter_count(stmt))
        sqlite3_bind_int64(stmt, 1, id);
    while (r == 0 && stmt && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, stmt);
    store_reader_done(st, c, stmt);
    return r;
}

static const char *text_of(sqlite3_stmt *stmt, int i)
{
    const unsigned char *s = sqlite3_column_text(stmt, i);

    return s ? (const char *)s : "";
}

struct edge_call {
    command_edge_fn *fn;
    void *data;
};

static int give_edge(void *data, sqlite3_stmt *stmt)
{
    const struct edge_call *call = data;

    return call->fn(call->data, &(struct command_edge){.slug = text_of(stmt, 0),
                                                       .successes = sqlite3_column_int64(stmt, 1),
                                                       .failures = sqlite3_column_int64(stmt, 2),
                                                       .unknown = sqlite3_column_int64(stmt, 3)});
}

int store_each_edge(struct store *st, int64_t id, command_edge_fn *fn, void *data)
{
    return each_row(
        st,
        "SELECT slug, e.successes, e.failures, unknown FROM command_edges e JOIN known_commands c ON"
        " c.id = to_id WHERE from_id = ?1 ORDER BY e.successes + e.failures + unknown DESC, slug",
        id, give_edge, &(struct edge_call){fn, data});
}

struct variant_call {
    command_variant_fn *fn;
    void *data;
};

static int give_variant(void *data, sqlite3_stmt *stmt)
{
    const struct variant_call *call = data;

    return call->fn(call->data, &(struct command_variant){.text = text_of(stmt, 0),
                                                          .runs = sqlite3_column_int64(stmt, 1),
                                                          .successes = sqlite3_column_int64(stmt, 2),
                                                          .failures = sqlite3_column_int64(stmt, 3)});
}

int store_each_variant(struct store *st, int64_t id, command_variant_fn *fn, void *data)
{
    return each_row(st,
                    "SELECT text, runs, successes, failures FROM command_variants WHERE command_id = ?1"
                    " ORDER BY runs DESC, text",
                    id, give_variant, &(struct variant_call){fn, data});
}

static int take_stats(void *data, sqlite3_stmt *stmt)
{
    *(struct knowledge_stats *)data = (struct knowledge_stats){.commands = sqlite3_column_int64(stmt, 0),
                                                               .runs = sqlite3_column_int64(stmt, 1),
                                                               .successes = sqlite3_column_int64(stmt, 2),
                                                               .failures = sqlite3_column_int64(stmt, 3),
                                                               .edges = sqlite3_column_int64(stmt, 4),
                                                               .patterns = sqlite3_column_int64(stmt, 5)};
    return 0;
}

int store_knowledge_stats(struct store *st, struct knowledge_stats *ret)
{
    return each_row(st,
                    "SELECT count(*), coalesce(sum(runs), 0), coalesce(sum(successes), 0),"
                    " coalesce(sum(failures), 0), (SELECT count(*) FROM command_edges),"
                    " (SELECT count(*) FROM failures) FROM known_commands",
                    0, take_stats, ret);
}
