/* What a run tells other workflows: that it was asked for, began, and ended. */
#include "workflow_run.h"

#include "runfs/io.h"
#include "runfs/str.h"

const char *const run_action_names[3] = {"requested", "in_progress", "completed"};

static json_t *event_of(struct store *st, int64_t run_id)
{
    _buf_ struct buf text = BUF_INIT;

    return store_run_text(st, run_id, RUN_EVENT, &text) == 0 ? json_loadb(buf_str(&text), text.len, 0, NULL)
                                                             : NULL;
}

int workflow_run_level(struct store *st, const struct run_row *row)
{
    const char *event = row->event;
    const struct run_row *owned = NULL;
    int64_t id = row->id;
    int level = 0;

    while (level <= WORKFLOW_RUN_LEVELS && str_eq(event, "workflow_run")) {
        _json_ json_t *payload = event_of(st, id);
        id = json_integer_value(json_object_get(json_object_get(payload, "workflow_run"), "id"));
        level++;
        run_row_unref(owned);
        owned = id > 0 ? store_get_run(st, id) : NULL;
        event = owned ? owned->event : "";
    }
    run_row_unref(owned);
    return level;
}

/* ----------------------------------------------------------------------------------------------- payloads */

static void set_text(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

static void set_time(json_t *object, const char *key, int64_t ns)
{
    _buf_ struct buf text = BUF_INIT;

    buf_add_time(&text, ns);
    json_object_set_new(object, key, ns ? json_string(buf_str(&text)) : json_null());
}

/* The branch whose commit it is: of a pull request its head's. */
static void set_branch(json_t *run, const struct run_row *row, const json_t *event)
{
    const json_t *head = json_object_get(json_object_get(event, "pull_request"), "head");
    const char *slash = str_starts(row->ref, "refs/") ? strchr(row->ref + 5, '/') : NULL;
    const char *branch = json_string_value(json_object_get(head, "ref"));
    const char *sha = json_string_value(json_object_get(head, "sha"));
    bool pull = str_starts(row->event, "pull_request") && branch;

    set_text(run, "head_branch", pull ? branch : slash ? slash + 1 : row->ref);
    set_text(run, "head_sha", pull && sha ? sha : row->sha);
}

static json_t *user(const char *login)
{
    return json_pack("{s:s, s:s}", "login", login, "type", "User");
}

/* Conclusions that only runfs has are told as the nearest that GitHub has. */
static json_t *conclusion_of(const struct run_row *row)
{
    return json_string(str_eq(row->conclusion, "interrupted") ? "failure" : row->conclusion);
}

static json_t *run_json(struct store *st, const struct run_row *row, const char *file, const char *action)
{
    _json_ json_t *event = event_of(st, row->id);
    json_t *run = json_object(), *head = json_object_get(event, "head_commit");
    bool completed = str_eq(action, "completed");
    _buf_ struct buf path = BUF_INIT, url = BUF_INIT;

    buf_addf(&path, "%s/%s", forge_folder((enum forge)row->forge), file);
    buf_addf(&url, "https://github.com/%s/actions/runs/%lld", row->repository, (long long)row->id);
    json_object_set_new(run, "id", json_integer(row->id));
    set_text(run, "name", str_eq(row->name, file) ? buf_str(&path) : row->name);
    set_text(run, "path", buf_str(&path));
    set_branch(run, row, event);
    set_text(run, "display_title", row->title);
    json_object_set_new(run, "run_number", json_integer(row->id));
    json_object_set_new(run, "run_attempt", json_integer(row->attempt));
    set_text(run, "event", row->event);
    set_text(run, "status", str_eq(action, "requested") ? "queued" : action);
    json_object_set_new(run, "conclusion", completed ? conclusion_of(row) : json_null());
    json_object_set_new(run, "workflow_id", json_integer(row->workflow_id));
    set_text(run, "html_url", buf_str(&url));
    set_time(run, "created_at", row->created_at);
    set_time(run, "run_started_at", row->started_at ? row->started_at : row->created_at);
    set_time(run, "updated_at", row->changed_at);
    json_object_set_new(run, "actor", user(row->actor));
    json_object_set_new(run, "triggering_actor", user(run_trigger(row)));
    json_object_set_new(run, "pull_requests", json_array());
    json_object_set(run, "head_commit", head ? head : json_null());
    json_object_set_new(run, "repository", json_pack("{s:s}", "full_name", row->repository));
    json_object_set_new(run, "head_repository", json_pack("{s:s}", "full_name", row->repository));
    return run;
}

json_t *workflow_run_payload(struct store *st, const struct run_row *row, const char *action)
{
    const char *colon = strchr(row->workflow_name, ':'), *file = colon ? colon + 1 : row->workflow_name;
    json_t *payload = json_object(), *run = run_json(st, row, file, action);

    set_text(payload, "action", action);
    json_object_set_new(payload, "workflow",
                        json_pack("{s:I, s:O*, s:O*, s:s}", "id", (json_int_t)row->workflow_id, "name",
                                  json_object_get(run, "name"), "path", json_object_get(run, "path"), "state",
                                  "active"));
    json_object_set_new(payload, "workflow_run", run);
    json_object_set_new(payload, "repository", json_pack("{s:s}", "full_name", row->repository));
    json_object_set_new(payload, "sender", user(row->actor));
    return payload;
}

/* --------------------------------------------------------------------------------------------- told before
 */

static unsigned come_to(const struct run_row *row)
{
    unsigned actions = row->attempt == 1 ? RUN_REQUESTED : 0;

    if (!str_eq(row->status, "queued"))
        actions |= RUN_IN_PROGRESS;
    if (str_eq(row->status, "completed"))
        actions |= RUN_COMPLETED;
    return actions;
}

/* What the others were told already of a run that is seen for the first time. */
static unsigned presumed(const struct run_row *row, bool created, int64_t since)
{
    if (created)
        return 0;
    if (row->completed_at && row->completed_at <= since)
        return RUN_REQUESTED | RUN_IN_PROGRESS | RUN_COMPLETED;
    return row->started_at && row->started_at <= since ? RUN_REQUESTED | RUN_IN_PROGRESS : RUN_REQUESTED;
}

unsigned told_news(struct told *t, const struct run_row *row, bool created, int64_t since)
{
    size_t room = t->n < WORKFLOW_RUNS_TOLD ? t->n : WORKFLOW_RUNS_TOLD, at = 0;

    while (at < room && t->runs[at].run_id != row->id)
        at++;
    if (at == room) {
        at = t->n++ % WORKFLOW_RUNS_TOLD;
        t->runs[at].run_id = row->id;
        t->runs[at].attempt = row->attempt;
        t->runs[at].actions = presumed(row, created, since);
    }
    if (t->runs[at].attempt != row->attempt) {
        t->runs[at].attempt = row->attempt;
        t->runs[at].actions = RUN_REQUESTED;
    }
    unsigned news = come_to(row) & ~t->runs[at].actions;
    t->runs[at].actions |= news;
    return news;
}
