/*
 * GitHub's REST API: pull requests, as events told them last. With a run is the one that it is of; of one
 * from a fork GitHub tells nothing there, since its branch is another repository's. GitHub documentation,
 * "REST API endpoints for pull requests", "for workflow runs".
 */
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

/* The newest that was heard of each, newest first: as far as the newest 200 runs of either event tell. */
json_t *api_heard_pulls(struct http_request *r, int64_t repo_id)
{
    static const char *const events[] = {"pull_request", "pull_request_target"};
    struct server *s = http_data(r);
    _json_ json_t *seen = json_object();
    json_t *list = json_array();
    int64_t ids[200];

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

/* ------------------------------------------------------------------------------------------ by themselves */

static const char *state_of(const json_t *pull)
{
    return str_eq(api_text(pull, "state"), "closed") ? "closed" : "open";
}

/* What an event that is thin left out. */
static json_t *text_or(const json_t *pull, const char *key, json_t *other_take)
{
    const char *text = api_text(pull, key);

    if (!*text)
        return other_take;
    json_decref(other_take);
    return json_string(text);
}

static json_t *login_or_null(struct http_request *r, const json_t *user)
{
    const char *login = api_text(user, "login");

    return *login ? api_user_json(r, login) : json_null();
}

/* head or base: its branch, and of which repository. */
static json_t *whole_end(struct http_request *r, const struct repository *repo, const json_t *end)
{
    const char *full = api_text(json_object_get(end, "repo"), "full_name"), *ref = api_text(end, "ref");
    _buf_ struct buf own = BUF_INIT, owner = BUF_INIT, label = BUF_INIT;

    buf_addf(&own, "%s/%s", http_param(r, "owner"), http_param(r, "repo"));
    bool is_own = !*full || str_eq_ascii_nocase(full, buf_str(&own));
    full = *full ? full : buf_str(&own);
    buf_add(&owner, full, strcspn(full, "/"));
    buf_addf(&label, "%s:%s", buf_str(&owner), ref);
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "label", buf_str(&label), "ref", ref, "sha",
                     api_text(end, "sha"), "user", api_user_json(r, buf_str(&owner)), "repo",
                     api_whole_repository(r, full, is_own ? repo->repo_id : 0));
}

static json_t *links_json(const json_t *json)
{
    static const char *const links[][2] = {{"self", "url"},
                                           {"html", "html_url"},
                                           {"issue", "issue_url"},
                                           {"comments", "comments_url"},
                                           {"commits", "commits_url"},
                                           {"statuses", "statuses_url"},
                                           {"review_comments", "review_comments_url"},
                                           {"review_comment", "review_comment_url"}};
    json_t *ret = json_object();

    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        json_object_set_new(ret, links[i][0], json_pack("{s:O}", "href", json_object_get(json, links[i][1])));
    return ret;
}

static void set_addresses(struct http_request *r, json_t *json, const json_t *pull)
{
    long long n = (long long)json_integer_value(json_object_get(pull, "number"));
    json_t *page = text_or(pull, "html_url", api_web_url(r, "/pull/%lld", n));
    const char *at = json_string_value(page);

    json_object_set_new(json, "url", api_url(r, "/pulls/%lld", n));
    json_object_set_new(json, "diff_url", json_sprintf("%s.diff", at));
    json_object_set_new(json, "patch_url", json_sprintf("%s.patch", at));
    json_object_set_new(json, "html_url", page);
    json_object_set_new(json, "issue_url", api_url(r, "/issues/%lld", n));
    json_object_set_new(json, "comments_url", api_url(r, "/issues/%lld/comments", n));
    json_object_set_new(json, "commits_url", api_url(r, "/pulls/%lld/commits", n));
    json_object_set_new(json, "review_comments_url", api_url(r, "/pulls/%lld/comments", n));
    json_object_set_new(json, "review_comment_url", api_url(r, "/pulls/comments{/number}"));
    json_object_set_new(json, "statuses_url",
                        api_url(r, "/statuses/%s", api_text(json_object_get(pull, "head"), "sha")));
    json_object_set_new(json, "_links", links_json(json));
}

/* As lists of them have it. */
static json_t *pull_json(struct http_request *r, const struct repository *repo, const json_t *pull)
{
    json_int_t number = json_integer_value(json_object_get(pull, "number")),
               id = json_integer_value(json_object_get(pull, "id"));
    json_t *json = json_pack(
        "{s:I, s:I, s:o, s:s, s:b, s:b, s:s, s:o, s:o, s:[], s:[], s:n, s:n, s:s, s:n, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o}",
        "id", id ? id : number, "number", number, "node_id", api_node_id("PullRequest", id ? id : number),
        "state", state_of(pull), "locked", 0, "draft", json_is_true(json_object_get(pull, "draft")), "title",
        api_text(pull, "title"), "body", text_or(pull, "body", json_null()), "user",
        login_or_null(r, json_object_get(pull, "user")), "labels", "assignees", "assignee", "milestone",
        "author_association", "NONE", "auto_merge", "created_at",
        text_or(pull, "created_at", api_time(1000000000LL)), "updated_at",
        text_or(pull, "updated_at", api_time(1000000000LL)), "closed_at",
        text_or(pull, "closed_at", json_null()), "merged_at", text_or(pull, "merged_at", json_null()),
        "merge_commit_sha", text_or(pull, "merge_commit_sha", json_null()), "head",
        whole_end(r, repo, json_object_get(pull, "head")), "base",
        whole_end(r, repo, json_object_get(pull, "base")));

    set_addresses(r, json, pull);
    return json;
}

static bool is_wanted(struct http_request *r, const json_t *json, const char *sha)
{
    const char *state = query_text(r, "state"), *head = query_text(r, "head"), *base = query_text(r, "base");
    const json_t *from = json_object_get(json, "head");

    if (sha)
        return str_eq(api_text(from, "sha"), sha);
    return (str_eq(state, "all") || str_eq(api_text(json, "state"), *state ? state : "open")) &&
           (!*head || str_eq(head, api_text(from, "label")) || str_eq(head, api_text(from, "ref"))) &&
           (!*base || str_eq(base, api_text(json_object_get(json, "base"), "ref")));
}

/* Those that the query means, or that want to merge that commit. */
static void list_pulls(struct http_request *r, const struct repository *repo, const char *sha)
{
    struct api_page page = api_page(r, 30);
    int64_t at = 0, from = (page.page - 1) * page.per_page;
    _json_ json_t *heard = api_heard_pulls(r, repo->repo_id);
    json_t *list = json_array(), *pull;
    size_t i;

    json_array_foreach(heard, i, pull)
    {
        json_t *json = pull_json(r, repo, pull);
        if (is_wanted(r, json, sha)) {
            if (at >= from && at < from + page.per_page)
                json_array_append(list, json);
            at++;
        }
        json_decref(json);
    }
    api_link(r, page, at);
    http_reply_json(r, 200, list);
}

void api_list_pulls(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        list_pulls(r, &repo, NULL);
}

void api_pulls_of_commit(struct http_request *r)
{
    _buf_ struct buf sha = BUF_INIT;
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    if (!api_resolve(r, &repo, http_param(r, "ref"), &sha)) /* of a fork: not here */
        buf_adds(&sha, http_param(r, "ref"));
    list_pulls(r, &repo, buf_str(&sha));
}

/* With what only one that is asked for alone has. */
static json_t *whole_pull(struct http_request *r, const struct repository *repo, const json_t *pull)
{
    static const char *const counts[] = {"additions", "deletions", "changed_files",
                                         "commits",   "comments",  "review_comments"};
    json_t *json = pull_json(r, repo, pull);

    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        json_object_set_new(json, counts[i],
                            json_integer(json_integer_value(json_object_get(pull, counts[i]))));
    json_object_set_new(json, "mergeable", json_null());
    json_object_set_new(json, "mergeable_state", json_string("unknown"));
    json_object_set_new(json, "maintainer_can_modify", json_false());
    json_object_set_new(json, "merged_by", login_or_null(r, json_object_get(pull, "merged_by")));
    json_object_set_new(
        json, "merged",
        json_boolean(json_is_true(json_object_get(pull, "merged")) || *api_text(pull, "merged_at")));
    return json;
}

/* The one that :number names, as it was heard of: a reference. NULL: a reply was made. */
static json_t *find_pull(struct http_request *r, struct repository *ret_repo)
{
    json_t *pull, *found = NULL;
    uint64_t number = 0;
    size_t i;

    if (!api_repository(r, ret_repo))
        return NULL;
    (void)parse_u64(http_param(r, "number"), &number);
    _json_ json_t *heard = api_heard_pulls(r, ret_repo->repo_id);
    json_array_foreach(heard, i, pull) if ((uint64_t)json_integer_value(json_object_get(pull, "number")) ==
                                           number) found = pull;
    if (!found)
        api_not_found(r);
    return json_incref(found);
}

void api_get_pull(struct http_request *r)
{
    struct repository repo;
    _json_ json_t *pull = find_pull(r, &repo);

    if (pull)
        http_reply_json(r, 200, whole_pull(r, &repo, pull));
}

static void reply_part(struct http_request *r, bool files)
{
    struct repository repo;
    _json_ json_t *pull = find_pull(r, &repo);

    if (pull)
        api_reply_between(r, api_text(json_object_get(pull, "base"), "sha"),
                          api_text(json_object_get(pull, "head"), "sha"), files);
}

/* As far as git has its commits. */
void api_pull_files(struct http_request *r)
{
    reply_part(r, true);
}

void api_pull_commits(struct http_request *r)
{
    reply_part(r, false);
}
