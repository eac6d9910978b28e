/* What runs taught, for the live page: lists, the graph of commands, and one command. */
#include "live_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/role_list.h"

enum { FAILURES_SHOWN = 200, TEXTS_SHOWN = 100, RUNS_SHOWN = 5 };

static json_int_t ms(int64_t wall_ns)
{
    return (json_int_t)(wall_ns / 1000000);
}

/* --------------------------------------------------------------------------------------------------- roles
 */

/* Names as a search is asked for them. */
static json_t *role_names(struct store *st)
{
    json_t *list = json_array();
    struct role_list roles = {0};

    (void)role_list_refresh(&roles, st);
    for (size_t i = 0; i < roles.n; i++)
        json_array_append_new(list, json_string(roles.roles[i].role->name));
    role_list_release(&roles);
    return list;
}

/* --------------------------------------------------------------------------------------------------- texts
 */

/* place: of a lesson, below knowledge/; "" */
static void add_text(json_t *list, const char *name, const struct buf *text, const char *place)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s}", "name", name, "text", buf_str(text), "place", place));
}

/* Those that knowledge/lessons shows. */
static json_t *lessons(struct store *st)
{
    int64_t ids[TEXTS_SHOWN];
    ssize_t n = lesson_list(st, 0, ids, TEXTS_SHOWN);
    json_t *list = json_array();

    for (ssize_t i = 0; i < n; i++) {
        const struct failure_row *f = store_get_failure(st, ids[i]);
        _buf_ struct buf text = BUF_INIT, place = BUF_INIT;
        if (f)
            buf_addf(&place, "lessons/%s.md", f->slug);
        if (f && lesson_text(st, ids[i], &text) == 0)
            add_text(list, f->line, &text, buf_str(&place));
        failure_row_unref(f);
    }
    return list;
}

static json_t *suggestions(struct store *st)
{
    int64_t ids[TEXTS_SHOWN];
    ssize_t n = suggestion_list(st, 0, ids, TEXTS_SHOWN);
    json_t *list = json_array();

    for (ssize_t i = 0; i < n; i++) {
        _buf_ struct buf name = BUF_INIT, text = BUF_INIT;
        if (suggestion_name(st, ids[i], &name) == 0 && suggestion_text(st, ids[i], &text) == 0)
            add_text(list, buf_str(&name), &text, "");
    }
    return list;
}

static json_t *anomalies(struct store *st)
{
    int64_t ids[TEXTS_SHOWN];
    ssize_t n = store_list_anomalies(st, 0, ids, TEXTS_SHOWN);
    json_t *list = json_array();

    for (ssize_t i = 0; i < n; i++) {
        _buf_ struct buf why = BUF_INIT;
        if (store_anomaly(st, ids[i], &why) == 0)
            json_array_append_new(list,
                                  json_pack("{s:I, s:s}", "run", (json_int_t)ids[i], "why", buf_str(&why)));
    }
    return list;
}

static json_t *run_numbers(const int64_t *ids, ssize_t n)
{
    json_t *list = json_array();

    for (ssize_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static json_t *failures(struct store *st)
{
    int64_t ids[FAILURES_SHOWN], runs[RUNS_SHOWN];
    ssize_t n = store_list_failures(st, 0, ids, FAILURES_SHOWN);
    json_t *list = json_array();

    for (ssize_t i = 0; i < n; i++) {
        const struct failure_row *f = store_get_failure(st, ids[i]);
        if (f)
            json_array_append_new(
                list, json_pack("{s:I, s:s+, s:s, s:I, s:I, s:I, s:o}", "id", (json_int_t)f->id, "place",
                                "failures/", f->slug, "line", f->line, "count", (json_int_t)f->count, "last",
                                ms(f->last_seen), "fixed", (json_int_t)f->fixed_run_id, "runs",
                                run_numbers(runs, store_list_failure_links(st, FAILURE_RUNS, f->id, 0, runs,
                                                                           RUNS_SHOWN))));
        failure_row_unref(f);
    }
    return list;
}

void live_knowledge(struct http_request *r)
{
    struct server *s = http_data(r);
    struct knowledge_stats stats = {0};
    _buf_ struct buf selected = BUF_INIT;

    (void)store_knowledge_stats(s->store, &stats);
    (void)store_setting(s->store, SETTING_CONFIG, "roles/selected", &selected);
    http_reply_json(r, 200,
                    json_pack("{s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:s, s:o, s:o, s:o, s:o}", "stats",
                              "commands", (json_int_t)stats.commands, "runs", (json_int_t)stats.runs,
                              "successes", (json_int_t)stats.successes, "failures",
                              (json_int_t)stats.failures, "edges", (json_int_t)stats.edges, "roles",
                              role_names(s->store), "selected", buf_str(&selected), "lessons",
                              lessons(s->store), "suggestions", suggestions(s->store), "anomalies",
                              anomalies(s->store), "failures", failures(s->store)));
}

/* --------------------------------------------------------------------------------------------------- graph
 */

/* What follows what: all of it, or around a command. */
void live_graph(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *text = http_query(r, "around");
    _buf_ struct buf json = BUF_INIT;
    uint64_t around = 0;

    if (text && (parse_u64(text, &around) < 0 || around > INT64_MAX))
        api_fail(r, 422, "around is to be a command's number");
    else if (knowledge_graph_json(s->store, (int64_t)around, &json) < 0)
        api_fail(r, 500, "the graph cannot be read");
    else
        http_reply(r, 200, "application/json", buf_str(&json), json.len);
}

static int add_variant(void *data, const struct command_variant *v)
{
    json_t *list = data;

    if (json_array_size(list) < RUNS_SHOWN)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "text", v->text, "runs", (json_int_t)v->runs,
                                              "failures", (json_int_t)v->failures));
    return 0;
}

static void reply_command(struct http_request *r, int64_t id)
{
    struct server *s = http_data(r);
    int64_t runs[64];
    const struct known_command_row *c = id > 0 ? store_get_known_command(s->store, id) : NULL;

    if (!c) {
        api_not_found(r);
        return;
    }
    json_t *variants = json_array();
    ssize_t n = store_list_command_runs(s->store, c->id, 0, runs, ARRAY_LEN(runs));
    (void)store_each_variant(s->store, c->id, add_variant, variants);
    http_reply_json(r, 200,
                    json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "id", (json_int_t)c->id,
                              "name", c->name, "runs", (json_int_t)c->runs, "successes",
                              (json_int_t)c->successes, "failures", (json_int_t)c->failures, "p50",
                              (json_int_t)store_command_percentile(s->store, c->id, 50), "p95",
                              (json_int_t)store_command_percentile(s->store, c->id, 95), "last",
                              ms(c->last_run_at), "variants", variants, "in", run_numbers(runs, n)));
    known_command_row_unref(c);
}

void live_command(struct http_request *r)
{
    uint64_t id = 0;

    reply_command(r, parse_u64(http_param(r, "id"), &id) == 0 && id <= INT64_MAX ? (int64_t)id : 0);
}

void live_command_named(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *name = http_query(r, "name");

    reply_command(r, name ? store_find_known_command(s->store, name) : 0);
}
