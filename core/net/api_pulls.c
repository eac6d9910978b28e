/* GitHub's REST API: the pull request that a run is of, as its event told it. Of one from a fork GitHub tells
 * nothing here, since its branch is another repository's. GitHub documentation, "REST API endpoints for
 * workflow runs". */
#include "api_internal.h"

/* A branch of the repository, with the commit it was at. NULL: the event says no such thing. */
static json_t *end_json(struct http_request *r, const json_t *end)
{
    const json_t *repo = json_object_get(end, "repo");
    const char *ref = api_text(end, "ref"), *sha = api_text(end, "sha"), *name = api_text(repo, "name");

    if (!*ref || !*sha || !*name)
        return NULL;
    return json_pack("{s:s, s:s, s:{s:I, s:o, s:s}}", "ref", ref, "sha", sha, "repo", "id",
                     json_integer_value(json_object_get(repo, "id")), "url", api_url(r, "%s", ""), "name",
                     name);
}

static bool of_one_repository(const json_t *head, const json_t *base)
{
    const json_t *from = json_object_get(head, "repo"), *to = json_object_get(base, "repo");

    return *api_text(from, "full_name") && str_eq(api_text(from, "full_name"), api_text(to, "full_name"));
}

static void add_heard(struct server *s, int64_t run_id, json_t *seen, json_t *list)
{
    _buf_ struct buf text = BUF_INIT;
    char number[24];

    if (store_run_text(s->store, run_id, RUN_EVENT, &text) < 0)
        return;
    _json_ json_t *event = json_loadb(buf_str(&text), text.len, 0, NULL);
    json_t *pull = json_object_get(event, "pull_request");
    json_int_t n = json_integer_value(json_object_get(pull, "number"));
    snprintf(number, sizeof(number), "%lld", (long long)n);
    if (n <= 0 || json_object_get(seen, number))
        return;
    json_object_set_new(seen, number, json_true());
    json_array_append(list, pull);
}

/* The newest that was heard of each, newest first: as far as 500 runs of them tell. */
json_t *api_heard_pulls(struct http_request *r, int64_t repo_id)
{
    static const char *const events[] = {"pull_request", "pull_request_target"};
    struct server *s = http_data(r);
    _json_ json_t *seen = json_object();
    json_t *list = json_array();
    int64_t ids[500];

    for (size_t e = 0; e < ARRAY_LEN(events); e++) {
        struct run_query q = {.repo_id = repo_id,
                              .branch = "",
                              .event = events[e],
                              .actor = "",
                              .status = "",
                              .sha = "",
                              .created_to = INT64_MAX};
        ssize_t n = store_query_runs(s->store, &q, ids, ARRAY_LEN(ids));
        for (ssize_t i = 0; i < n; i++)
            add_heard(s, ids[i], seen, list);
    }
    return list;
}

json_t *api_pulls_json(struct http_request *r, const struct run_row *run)
{
    struct server *s = http_data(r);
    _buf_ struct buf text = BUF_INIT;
    json_t *list = json_array();

    if (!str_starts(run->event, "pull_request") || str_eq(query_text(r, "exclude_pull_requests"), "true") ||
        store_run_text(s->store, run->id, RUN_EVENT, &text) < 0)
        return list;
    _json_ json_t *event = json_loadb(buf_str(&text), text.len, 0, NULL);
    const json_t *pull = json_object_get(event, "pull_request"), *head = json_object_get(pull, "head"),
                 *base = json_object_get(pull, "base");
    json_int_t number = json_integer_value(json_object_get(pull, "number"));
    if (number <= 0 || !of_one_repository(head, base))
        return list;
    json_t *from = end_json(r, head), *to = end_json(r, base);
    if (from && to)
        json_array_append_new(list, json_pack("{s:I, s:I, s:o, s:O, s:O}", "id",
                                              json_integer_value(json_object_get(pull, "id")), "number",
                                              number, "url", api_url(r, "/pulls/%lld", (long long)number),
                                              "head", from, "base", to));
    json_decref(from);
    json_decref(to);
    return list;
}
