/* Parts of the command graph that fit on a page. */
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"
#include "store_internal.h"

static void copy_text(char *to, size_t size, const unsigned char *from)
{
    snprintf(to, size, "%s", from ? (const char *)from : "");
    to[utf8_valid_prefix(to, strlen(to))] = '\0';
}

size_t store_graph_nodes(struct store *st, int64_t around, struct known_command *ret, size_t max)
{
    /* Of more than there is room for: those that failed most, what they follow and what follows them most,
     * and then those that ran most. */
    static const char
        all[] =
            "WITH bad AS MATERIALIZED (SELECT id FROM known_commands WHERE ?1 = 0 AND failures > 0 ORDER BY"
            "  failures DESC, runs DESC, id LIMIT 20), near AS MATERIALIZED (SELECT id FROM ("
            "  SELECT from_id AS id, row_number() OVER (PARTITION BY to_id ORDER BY successes + failures +"
            "  unknown DESC) AS place FROM command_edges WHERE to_id IN bad AND from_id <> to_id UNION ALL"
            "  SELECT to_id, row_number() OVER (PARTITION BY from_id ORDER BY successes + failures +"
            "  unknown DESC) FROM command_edges WHERE from_id IN bad AND from_id <> to_id) WHERE place = 1)"
            " SELECT id, name, slug, runs, successes, failures FROM known_commands ORDER BY"
            " (id IN bad OR id IN near) DESC, runs DESC, id LIMIT ?2",
        near[] = "SELECT id, name, slug, runs, successes, failures FROM known_commands WHERE id = ?1 OR id IN"
                 " (SELECT to_id FROM command_edges WHERE from_id = ?1 UNION SELECT from_id FROM"
                 " command_edges WHERE to_id = ?1) ORDER BY id <> ?1, runs DESC LIMIT ?2";
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, around ? near : all) : NULL;
    size_t n = 0;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, around);
        sqlite3_bind_int64(stmt, 2, (int64_t)max);
    }
    while (stmt && n < max && sqlite3_step(stmt) == SQLITE_ROW) {
        struct known_command *k = &ret[n++];
        *k = (struct known_command){.id = sqlite3_column_int64(stmt, 0),
                                    .runs = sqlite3_column_int64(stmt, 3),
                                    .successes = sqlite3_column_int64(stmt, 4),
                                    .failures = sqlite3_column_int64(stmt, 5)};
        copy_text(k->name, sizeof(k->name), sqlite3_column_text(stmt, 1));
        copy_text(k->slug, sizeof(k->slug), sqlite3_column_text(stmt, 2));
    }
    store_reader_done(st, c, stmt);
    return n;
}

static bool is_node(const struct known_command *nodes, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (nodes[i].id == id)
            return true;
    return false;
}

size_t store_graph_edges(struct store *st, const struct known_command *nodes, size_t n_nodes,
                         struct command_pair *ret, size_t max)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(c, "SELECT to_id, successes, failures, unknown FROM command_edges WHERE"
                             " from_id = ?1 ORDER BY successes + failures + unknown DESC LIMIT 64");
    size_t n = 0;

    for (size_t i = 0; stmt && i < n_nodes; i++) {
        sqlite3_bind_int64(stmt, 1, nodes[i].id);
        while (n < max && sqlite3_step(stmt) == SQLITE_ROW) {
            int64_t to = sqlite3_column_int64(stmt, 0);
            if (is_node(nodes, n_nodes, to))
                ret[n++] =
                    (struct command_pair){nodes[i].id, to, sqlite3_column_int64(stmt, 1),
                                          sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3)};
        }
        sqlite3_reset(stmt);
    }
    store_reader_done(st, c, stmt);
    return n;
}
