/* GitHub's GraphQL API: what came of a commit, and pull requests as their events told them. */
#include "api_graphql.h"

/* -------------------------------------------------------------------------------------------------- checks
 */

struct checks {
    struct asking *q;
    const json_t *of;
    const struct run_row *run;
    json_t *list; /* owned */
};

static json_t *conclusion(const char *text)
{
    return !*text ? json_null() : gql_upper(str_eq(text, "interrupted") ? "failure" : text);
}

static json_t *status(const char *text)
{
    return gql_upper(str_eq(text, "pending") ? "queued" : text);
}

static json_t *workflow_run(struct checks *c)
{
    const struct run_row *run = c->run;

    return json_pack(
        "{s:s, s:o, s:I, s:I, s:s, s:o, s:o, s:{s:s, s:o, s:I, s:s}}", "__typename", "WorkflowRun", "id",
        api_node_id("WorkflowRun", run->id), "databaseId", (json_int_t)run->id, "runNumber",
        (json_int_t)run->id, "event", run->event, "url",
        api_link_to(c->q->r, true, "/%s/actions/runs/%lld", gql_name_of(c->of), (long long)run->id),
        "createdAt", api_time(run->created_at), "workflow", "__typename", "Workflow", "id",
        api_node_id("Workflow", run->workflow_id), "databaseId", (json_int_t)run->workflow_id, "name",
        run->name);
}

static int add_check(void *data, const struct job_row *job)
{
    struct checks *c = data;
    json_t *url = api_link_to(c->q->r, true, "/%s/actions/runs/%lld/job/%lld", gql_name_of(c->of),
                              (long long)job->run_id, (long long)job->id);
    json_t *suite =
        json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:{s:s, s:o, s:I, s:s, s:s}}", "__typename", "CheckSuite",
                  "id", api_node_id("CheckSuite", job->run_id), "databaseId", (json_int_t)job->run_id,
                  "status", status(c->run->status), "conclusion", conclusion(c->run->conclusion),
                  "workflowRun", workflow_run(c), "app", "__typename", "App", "id", api_node_id("App", 1),
                  "databaseId", (json_int_t)1, "slug", "runfs", "name", "runfs");

    json_t *check =
        json_pack("{s:s, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:O, s:O, s:o, s:b, s:o}", "__typename",
                  "CheckRun", "id", api_node_id("CheckRun", job->id), "databaseId", (json_int_t)job->id,
                  "name", job->name, "status", status(job->status), "conclusion", conclusion(job->conclusion),
                  "startedAt", api_time(job->started_at ? job->started_at : job->created_at), "completedAt",
                  api_time(job->completed_at), "detailsUrl", url, "permalink", url, "url", url, "isRequired",
                  0, "checkSuite", suite);
    json_array_append_new(c->list, check);
    return 0;
}

/* The jobs of all runs of a commit, each run's newest attempt. */
static json_t *checks_of(struct asking *q, const json_t *of, const char *sha)
{
    struct server *s = http_data(q->r);
    struct checks c = {.q = q, .of = of, .list = json_array()};
    struct run_query query = {.repo_id = gql_repository_of(of).repo_id,
                              .branch = "",
                              .event = "",
                              .actor = "",
                              .status = "",
                              .sha = sha,
                              .created_to = INT64_MAX};
    int64_t ids[200];
    ssize_t n = *sha ? store_query_runs(s->store, &query, ids, ARRAY_LEN(ids)) : 0;

    for (ssize_t i = 0; i < n; i++) {
        c.run = store_get_run(s->store, ids[i]);
        if (c.run)
            (void)api_each_job(s->store, ids[i], c.run->attempt, add_check, &c);
        run_row_unref(c.run);
    }
    return c.list;
}

/* The worst of all. */
static const char *state_of(const json_t *checks)
{
    bool failed = false, pending = false;
    json_t *one;
    size_t i;

    json_array_foreach(checks, i, one)
    {
        const char *end = api_text(one, "conclusion");
        pending |= !*end;
        failed |= *end && !str_eq(end, "SUCCESS") && !str_eq(end, "SKIPPED") && !str_eq(end, "NEUTRAL");
    }
    return failed ? "FAILURE" : pending ? "PENDING" : "SUCCESS";
}

json_t *gql_rollup(struct asking *q, const json_t *of)
{
    json_t *list = checks_of(q, of, api_text(of, "oid"));

    if (json_array_size(list))
        return json_pack("{s:s, s:s, s:o}", "__typename", "StatusCheckRollup", "state", state_of(list),
                         " checks", list);
    json_decref(list);
    return json_null();
}

/* ------------------------------------------------------------------------------------------- pull requests
 */

/* "o" of "o/r". */
static json_t *owner_of(struct asking *q, const char *full_name)
{
    _buf_ struct buf owner = BUF_INIT;

    buf_add(&owner, full_name, strcspn(full_name, "/"));
    return *full_name ? gql_user(q, buf_str(&owner)) : json_null();
}

static json_t *told(const json_t *pull, const char *key)
{
    const char *text = api_text(pull, key);

    return *text ? json_string(text) : json_null();
}

/* As its events told it: of a thin one, what is not known is null. */
static json_t *pull_request(struct asking *q, const json_t *of, const json_t *pull)
{
    const json_t *head = json_object_get(pull, "head"), *base = json_object_get(pull, "base");
    const char *from = api_text(json_object_get(head, "repo"), "full_name"),
               *to = api_text(json_object_get(base, "repo"), "full_name"),
               *login = api_text(json_object_get(pull, "user"), "login");
    json_int_t number = json_integer_value(json_object_get(pull, "number"));
    bool merged = json_is_true(json_object_get(pull, "merged")) || *api_text(pull, "merged_at");
    bool open = !*api_text(pull, "state") || str_eq(api_text(pull, "state"), "open");
    json_t *json = json_pack(
        "{s:s, s:o, s:o, s:I, s:s, s:s, s:s, s:o, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}",
        "__typename", "PullRequest", "id",
        json_sprintf("PR_%lld_%lld", (long long)gql_repository_of(of).repo_id, (long long)number),
        "fullDatabaseId", json_sprintf("%lld", (long long)json_integer_value(json_object_get(pull, "id"))),
        "number", number, "title", api_text(pull, "title"), "body", api_text(pull, "body"), "state",
        merged ? "MERGED"
        : open ? "OPEN"
               : "CLOSED",
        "url",
        *api_text(pull, "html_url")
            ? told(pull, "html_url")
            : api_link_to(q->r, true, "/%s/pull/%lld", gql_name_of(of), (long long)number),
        "isDraft", json_is_true(json_object_get(pull, "draft")), "merged", merged, "mergeable", "UNKNOWN",
        "mergeStateStatus", "UNKNOWN", "headRefName", api_text(head, "ref"), "headRefOid",
        api_text(head, "sha"), "baseRefName", api_text(base, "ref"), "baseRefOid", api_text(base, "sha"),
        "isCrossRepository", !str_eq(from, to), "headRepositoryOwner", owner_of(q, from), "author",
        *login ? gql_user(q, login) : json_null());
    const char *name = strchr(from, '/');

    json_object_set_new(json, "headRepository",
                        name ? json_pack("{s:s, s:o, s:s, s:s, s:o}", "__typename", "Repository", "id",
                                         api_node_id("Repository", api_name_id(from)), "name", name + 1,
                                         "nameWithOwner", from, "owner", owner_of(q, from))
                             : json_null());
    json_object_set_new(json, "maintainerCanModify", json_false());
    json_object_set_new(json, "createdAt", told(pull, "created_at"));
    json_object_set_new(json, "updatedAt", told(pull, "updated_at"));
    json_object_set_new(json, "closedAt", told(pull, "closed_at"));
    json_object_set_new(json, "mergedAt", told(pull, "merged_at"));
    return gql_of_same(json, of);
}

static const json_t *heard(struct asking *q, const json_t *of)
{
    int64_t repo_id = gql_repository_of(of).repo_id;

    if (q->pulls && q->of != repo_id) {
        json_decref(q->pulls);
        q->pulls = NULL;
    }
    if (!q->pulls)
        q->pulls = api_heard_pulls(q->r, repo_id);
    q->of = repo_id;
    return q->pulls;
}

json_t *gql_find_pull(struct asking *q, const json_t *of, json_int_t number)
{
    const json_t *pulls = heard(q, of);
    _buf_ struct buf words = BUF_INIT;
    json_t *one;
    size_t i;

    json_array_foreach(pulls, i, one) if (json_integer_value(json_object_get(one, "number")) ==
                                          number) return pull_request(q, of, one);
    buf_addf(&words, "Could not resolve to a PullRequest with the number of %lld.", (long long)number);
    graphql_say(&q->g, "NOT_FOUND", buf_str(&words));
    return json_null();
}

/* states is a list, or one of them alone. */
static bool in_states(const json_t *states, const char *state)
{
    json_t *one;
    size_t i;

    if (json_is_string(states))
        return str_eq(json_string_value(states), state);
    json_array_foreach(states, i,
                       one) if (json_is_string(one) && str_eq(json_string_value(one), state)) return true;
    return !json_is_array(states);
}

/* Those of a commit (its "oid"), or of a repository. */
json_t *gql_pull_requests(struct asking *q, const json_t *of, const json_t *args)
{
    const char *head = api_text(args, "headRefName"), *base = api_text(args, "baseRefName"),
               *sha = api_text(of, "oid");
    const json_t *pulls = heard(q, of);
    _json_ json_t *list = json_array();
    json_t *one;
    size_t i;

    json_array_foreach(pulls, i, one)
    {
        json_t *pull = pull_request(q, of, one);
        if ((!*head || str_eq(head, api_text(pull, "headRefName"))) &&
            (!*base || str_eq(base, api_text(pull, "baseRefName"))) &&
            (!*sha || str_eq(sha, api_text(pull, "headRefOid"))) &&
            in_states(json_object_get(args, "states"), api_text(pull, "state")))
            json_array_append(list, pull);
        json_decref(pull);
    }
    return graphql_connection("PullRequest", list, args);
}

/* The last of them is all that is known: what it wants to merge. */
json_t *gql_commits_of_pull(struct asking *q, const json_t *of, const json_t *args)
{
    _json_ json_t *list = json_array();
    json_t *last = gql_commit(q, of, api_text(of, "headRefOid"));

    if (json_is_null(last)) /* of a fork, or gone */
        last = gql_of_same(json_pack("{s:s, s:s}", "__typename", "Commit", "oid", api_text(of, "headRefOid")),
                           of);
    json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "__typename", "PullRequestCommit", "id",
                                          api_node_id("PullRequestCommit", 1), "commit", last));
    return graphql_connection("PullRequestCommit", list, args);
}
