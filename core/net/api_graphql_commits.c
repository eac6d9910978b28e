/* GitHub's GraphQL API: commits, as git has them. */
#include "api_graphql.h"
#include "runfs/worktree.h"

enum { HISTORY_MAX = 100 };

static json_t *actor(const char *name, const char *email, const char *date)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:n}", "__typename", "GitActor", "name", name, "email", email,
                     "date", api_utc(date), "user");
}

static json_t *commit_object(struct asking *q, const json_t *of, const struct commit *c)
{
    size_t line = strcspn(c->message, "\n");
    const char *body = c->message + line + strspn(c->message + line, "\n");

    return gql_of_same(
        json_pack("{s:s, s:o, s:s, s:s%, s:s, s:s%, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:{s:s, s:o, s:s}}",
                  "__typename", "Commit", "id", api_node_id("Commit", api_name_id(c->id)), "oid", c->id,
                  "abbreviatedOid", c->id, (size_t)7, "message", c->message, "messageHeadline", c->message,
                  line, "messageBody", body, "authoredDate", api_utc(c->author_date), "committedDate",
                  api_utc(c->committer_date), "url",
                  api_link_to(q->r, true, "/%s/commit/%s", gql_name_of(of), c->id), "author",
                  actor(c->author, c->author_email, c->author_date), "committer",
                  actor(c->committer, c->committer_email, c->committer_date), " parents", c->parents, "tree",
                  "__typename", "Tree", "id", api_node_id("Tree", api_name_id(c->tree)), "oid", c->tree),
        of);
}

json_t *gql_commit(struct asking *q, const json_t *of, const char *sha)
{
    struct server *s = http_data(q->r);
    struct repository repo = gql_repository_of(of);
    _buf_ struct buf path = BUF_INIT;
    _arena_ struct arena a = {0};
    struct commit c;

    if (!*sha || engine_repository_path(s->engine, &repo, &path) < 0 ||
        worktree_commit(buf_str(&path), sha, &a, &c) < 0 || !*c.id)
        return json_null();
    return commit_object(q, of, &c);
}

json_t *gql_parents(struct asking *q, const json_t *of, const json_t *args)
{
    _json_ json_t *list = json_array();

    for (const char *at = api_text(of, " parents"); *at; at += strspn(at, " ")) {
        _buf_ struct buf sha = BUF_INIT;
        buf_add(&sha, at, strcspn(at, " "));
        at += sha.len;
        json_array_append_new(list, gql_commit(q, of, buf_str(&sha)));
    }
    return graphql_connection("Commit", list, args);
}

json_t *gql_object(struct asking *q, const json_t *of, const json_t *args)
{
    struct server *s = http_data(q->r);
    struct repository repo = gql_repository_of(of);
    const char *what = *api_text(args, "oid") ? api_text(args, "oid") : api_text(args, "expression");
    _buf_ struct buf sha = BUF_INIT;

    (void)engine_resolve_ref(s->engine, &repo, what, &sha);
    return gql_commit(q, of, buf_str(&sha));
}

static const char *text_or_null(const json_t *args, const char *key)
{
    const char *text = api_text(args, key);

    return *text ? text : NULL;
}

/* What it has behind it, itself first: how many that are nobody counts. A cursor is how many were before. */
json_t *gql_history(struct asking *q, const json_t *of, const json_t *args)
{
    struct server *s = http_data(q->r);
    struct repository repo = gql_repository_of(of);
    json_int_t first = json_integer_value(json_object_get(args, "first"));
    size_t max = first > 0 && first < HISTORY_MAX ? (size_t)first : HISTORY_MAX, n = 0;
    uint64_t skip = 0;
    _buf_ struct buf path = BUF_INIT, end = BUF_INIT;
    _arena_ struct arena a = {0};
    struct commit *list = NULL;

    (void)parse_u64(api_text(args, "after"), &skip);
    struct log_query query = {.rev = api_text(of, "oid"),
                              .file = text_or_null(args, "path"),
                              .since = text_or_null(args, "since"),
                              .until = text_or_null(args, "until"),
                              .skip = skip < INT32_MAX ? (size_t)skip : INT32_MAX,
                              .max = max + 1};
    if (engine_repository_path(s->engine, &repo, &path) == 0)
        (void)worktree_log(buf_str(&path), &query, &a, &list, &n);
    json_t *nodes = json_array(), *edges = json_array();
    for (size_t i = 0; i < n && i < max; i++) {
        json_t *node = commit_object(q, of, &list[i]);
        json_array_append_new(edges, json_pack("{s:s, s:o, s:O}", "__typename", "CommitEdge", "cursor",
                                               json_sprintf("%zu", query.skip + i + 1), "node", node));
        json_array_append_new(nodes, node);
    }
    buf_addf(&end, "%zu", query.skip + json_array_size(nodes));
    return json_pack("{s:s, s:o, s:o, s:{s:s, s:b, s:b, s:s}}", "__typename", "CommitHistoryConnection",
                     "nodes", nodes, "edges", edges, "pageInfo", "__typename", "PageInfo", "hasNextPage",
                     n > max, "hasPreviousPage", query.skip > 0, "endCursor", buf_str(&end));
}
