/* GitHub's GraphQL API, as far as runs, jobs and git tell: what gh asks that way, and programs that want to
 * know what came of a commit or a pull request. GitHub documentation, "GraphQL API", "Objects". */
#include "api_graphql.h"
#include "runfs/browse.h"

static const struct graphql_type types[] = {
    {"Query", "__type viewer repository repositoryOwner node rateLimit"},
    {"User", "id login name databaseId url avatarUrl repositories"},
    {"RateLimit", "limit cost remaining used resetAt"},
    {"Repository",
     "id databaseId name nameWithOwner owner description url isPrivate isFork isArchived visibility parent "
     "viewerPermission hasIssuesEnabled hasWikiEnabled hasProjectsEnabled mergeCommitAllowed "
     "rebaseMergeAllowed squashMergeAllowed createdAt updatedAt pushedAt defaultBranchRef ref refs object "
     "pullRequest pullRequests"},
    {"Ref", "id name prefix target branchProtectionRule"},
    {"Commit", "id oid abbreviatedOid message messageHeadline messageBody authoredDate committedDate url "
               "author committer parents tree history statusCheckRollup associatedPullRequests"},
    {"Tree", "id oid"},
    {"GitActor", "name email date user"},
    {"StatusCheckRollup", "state contexts"},
    {"CheckRun", "id databaseId name status conclusion startedAt completedAt detailsUrl url permalink "
                 "isRequired checkSuite"},
    {"CheckSuite", "id databaseId status conclusion workflowRun app"},
    {"WorkflowRun", "id databaseId runNumber event url workflow createdAt"},
    {"Workflow", "id databaseId name"},
    {"App", "id databaseId slug name"},
    {"PullRequest", "id fullDatabaseId number title body state url isDraft merged mergeable headRefName "
                    "headRefOid baseRefName baseRefOid isCrossRepository headRepository "
                    "headRepositoryOwner author createdAt updatedAt closedAt mergedAt commits "
                    "mergeStateStatus reviewDecision "
                    "autoMergeRequest maintainerCanModify baseRef"},
    {"PullRequestCommit", "id commit"},
    {NULL, NULL},
};

static const char *const interfaces[] = {
    "Node", "Actor", "RepositoryOwner", "GitObject", "UniformResourceLocatable", NULL};

/* Of which repository an object is. */
struct repository gql_repository_of(const json_t *object)
{
    return (struct repository){json_integer_value(json_object_get(object, " repository"))};
}

const char *gql_name_of(const json_t *object)
{
    return api_text(object, " name");
}

/* Takes an object of that; what begins with a blank nobody can ask for. */
json_t *gql_of_same(json_t *json_take, const json_t *object)
{
    json_object_set(json_take, " repository", json_object_get(object, " repository"));
    json_object_set(json_take, " name", json_object_get(object, " name"));
    return json_take;
}

json_t *gql_upper(const char *text)
{
    _buf_ struct buf b = BUF_INIT;

    for (; *text; text++)
        buf_addc(&b, *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text);
    return json_string(buf_str(&b));
}

json_t *gql_user(struct asking *q, const char *login)
{
    return json_pack("{s:s, s:o, s:s, s:s, s:I, s:o, s:o}", "__typename", "User", "id",
                     api_node_id("User", api_name_id(login)), "login", login, "name", login, "databaseId",
                     (json_int_t)api_name_id(login), "url", api_link_to(q->r, true, "/%s", login),
                     "avatarUrl", api_link_to(q->r, true, "/%s.png", login));
}

/* ------------------------------------------------------------------------------------------- repositories */

static json_t *repository(struct asking *q, const char *owner, const char *name)
{
    struct server *s = http_data(q->r);
    _buf_ struct buf full = BUF_INIT, words = BUF_INIT;
    struct repository repo;
    bool admin = str_eq(access_scope(q->r), "admin"), run = str_eq(access_scope(q->r), "run");

    buf_addf(&full, "%s/%s", owner, name);
    if (engine_find_repository(s->engine, buf_str(&full), &repo) < 0) {
        buf_addf(&words, "Could not resolve to a Repository with the name '%s'.", buf_str(&full));
        graphql_say(&q->g, "NOT_FOUND", buf_str(&words));
        return json_null();
    }
    json_t *json = json_pack(
        "{s:s, s:I, s:s, s:o, s:I, s:s, s:s, s:o, s:n, s:o, s:b, s:b, s:b, s:s, s:n, s:s, s:b, s:b, s:b, "
        "s:b, s:b, s:b}",
        "__typename", "Repository", " repository", (json_int_t)repo.repo_id, " name", buf_str(&full), "id",
        api_node_id("Repository", repo.repo_id), "databaseId", (json_int_t)repo.repo_id, "name", name,
        "nameWithOwner", buf_str(&full), "owner", gql_user(q, owner), "description", "url",
        api_link_to(q->r, true, "/%s", buf_str(&full)), "isPrivate", 1, "isFork", 0, "isArchived", 0,
        "visibility", "PRIVATE", "parent", "viewerPermission",
        admin ? "ADMIN"
        : run ? "WRITE"
              : "READ",
        "hasIssuesEnabled", 0, "hasWikiEnabled", 0, "hasProjectsEnabled", 0, "mergeCommitAllowed", 1,
        "rebaseMergeAllowed", 1, "squashMergeAllowed", 1);
    const struct repo_row *row = repo.repo_id ? store_get_repo(s->store, repo.repo_id) : NULL;
    json_t *changed = api_time(row ? row->changed_at : 1000000000LL);
    json_object_set(json, "createdAt", changed);
    json_object_set(json, "updatedAt", changed);
    json_object_set(json, "pushedAt", changed);
    json_decref(changed);
    repo_row_unref(row);
    return json;
}

/* By "o/r". */
static json_t *repository_called(struct asking *q, const char *full_name)
{
    const char *slash = strchr(full_name, '/');
    _buf_ struct buf owner = BUF_INIT;

    if (!slash)
        return json_null();
    buf_add(&owner, full_name, (size_t)(slash - full_name));
    return repository(q, buf_str(&owner), slash + 1);
}

/* Those whose names begin so, as GET /users/LOGIN/repos lists them; of who asks, all. */
static json_t *repositories(struct asking *q, const char *owner, const json_t *args)
{
    struct server *s = http_data(q->r);
    _json_ json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    if (!owner || str_eq_ascii_nocase(owner, "runfs"))
        json_array_append_new(list, repository_called(q, REPOSITORY_DROPPED));
    while ((n = store_list_repos(s->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            _buf_ struct buf full = BUF_INIT;
            size_t len = owner ? strlen(owner) : 0;
            if (engine_repository_name(s->engine, ids[i], &full) == 0 &&
                (!owner || (strncasecmp(buf_str(&full), owner, len) == 0 && buf_str(&full)[len] == '/')))
                json_array_append_new(list, repository_called(q, buf_str(&full)));
        }
        after = ids[n - 1];
    }
    return graphql_connection("Repository", list, args);
}

static json_t *ref(const json_t *of, const char *prefix, const char *name, const char *sha)
{
    return gql_of_same(json_pack("{s:s, s:o, s:s, s:s, s:s}", "__typename", "Ref", "id",
                                 api_node_id("Ref", api_name_id(name)), "name", name, "prefix", prefix,
                                 " sha", sha),
                       of);
}

static json_t *find_ref(struct asking *q, const json_t *of, const char *name)
{
    static const char *const prefixes[] = {"refs/heads/", "refs/tags/"};
    struct server *s = http_data(q->r);
    struct repository repo = gql_repository_of(of);
    bool whole = str_starts(name, "refs/");

    for (size_t i = 0; *name && i < ARRAY_LEN(prefixes); i++) {
        _buf_ struct buf full = BUF_INIT, sha = BUF_INIT;
        buf_addf(&full, "%s%s", whole ? "" : prefixes[i], name);
        if (str_starts(buf_str(&full), prefixes[i]) &&
            engine_resolve_ref(s->engine, &repo, buf_str(&full), &sha) == 0)
            return ref(of, prefixes[i], buf_str(&full) + strlen(prefixes[i]), buf_str(&sha));
    }
    return json_null();
}

struct ref_list {
    const json_t *of;
    json_t *list; /* owned */
};

static int add_branch(void *data, const char *name, const char *sha)
{
    struct ref_list *l = data;

    if (utf8_valid(name, strlen(name)))
        json_array_append_new(l->list, ref(l->of, "refs/heads/", name, sha));
    return 0;
}

static json_t *refs(struct asking *q, const json_t *of, const json_t *args)
{
    struct server *s = http_data(q->r);
    struct repository repo = gql_repository_of(of);
    struct ref_list l = {of, json_array()};
    _buf_ struct buf path = BUF_INIT;
    _arena_ struct arena a = {0};
    const char *const *tags = NULL;

    if (str_starts("refs/heads/", api_text(args, "refPrefix")))
        (void)engine_each_branch(s->engine, &repo, add_branch, &l);
    else if (str_starts("refs/tags/", api_text(args, "refPrefix")) &&
             engine_repository_path(s->engine, &repo, &path) == 0)
        tags = browse_tags(buf_str(&path), &a);
    for (; tags && *tags; tags++) {
        const char *space = strchr(*tags, ' '), *sha = arena_strndup(&a, *tags, (size_t)(space - *tags));
        if (sha)
            json_array_append_new(l.list, ref(of, "refs/tags/", space + 1, sha));
    }
    json_t *ret = graphql_connection("Ref", l.list, args);
    json_decref(l.list);
    return ret;
}

/* ------------------------------------------------------------------------------------------------ fields */

static json_t *viewer(struct asking *q)
{
    _buf_ struct buf who = BUF_INIT;

    access_login(q->r, &who);
    json_t *json = gql_user(q, buf_str(&who));
    json_object_set_new(json, " viewer", json_true());
    return json;
}

static json_t *default_branch(struct asking *q, const json_t *of)
{
    struct server *s = http_data(q->r);
    struct repository repo = gql_repository_of(of);
    _buf_ struct buf branch = BUF_INIT;

    engine_default_branch(s->engine, &repo, &branch);
    json_t *found = find_ref(q, of, buf_str(&branch));
    return json_is_null(found) ? ref(of, "refs/heads/", buf_str(&branch), "") : found;
}

static json_t *of_repository(struct asking *q, const json_t *of, const char *field, const json_t *args)
{
    return str_eq(field, "defaultBranchRef") ? default_branch(q, of)
           : str_eq(field, "ref")            ? find_ref(q, of, api_text(args, "qualifiedName"))
           : str_eq(field, "refs")           ? refs(q, of, args)
           : str_eq(field, "object")         ? gql_object(q, of, args)
           : str_eq(field, "pullRequests")   ? gql_pull_requests(q, of, args)
           : str_eq(field, "pullRequest")
               ? gql_find_pull(q, of, json_integer_value(json_object_get(args, "number")))
               : NULL;
}

/* Of what has an id, pull requests are asked for by it. */
static json_t *node(struct asking *q, const char *id)
{
    struct server *s = http_data(q->r);
    _buf_ struct buf full = BUF_INIT, words = BUF_INIT;
    long long repo = -1, number = 0;
    int end = 0;

    if (sscanf(id, "PR_%lld_%lld%n", &repo, &number, &end) == 2 && !id[end]) {
        if (repo == 0)
            buf_adds(&full, REPOSITORY_DROPPED);
        else
            (void)engine_repository_name(s->engine, repo, &full);
    }
    if (full.len) {
        _json_ json_t *of = repository_called(q, buf_str(&full));
        return json_is_object(of) ? gql_find_pull(q, of, number) : json_null();
    }
    buf_addf(&words, "Could not resolve to a node with the global id of '%s'", id);
    graphql_say(&q->g, "NOT_FOUND", buf_str(&words));
    return json_null();
}

static json_t *of_query(struct asking *q, const char *field, const json_t *args)
{
    if (str_eq(field, "viewer"))
        return viewer(q);
    if (str_eq(field, "repositoryOwner"))
        return gql_user(q, api_text(args, "login"));
    if (str_eq(field, "node"))
        return node(q, api_text(args, "id"));
    if (str_eq(field, "repository"))
        return repository(q, api_text(args, "owner"), api_text(args, "name"));
    if (str_eq(field, "rateLimit"))
        return json_pack("{s:s, s:i, s:i, s:i, s:i, s:o}", "__typename", "RateLimit", "limit", RATE_LIMIT,
                         "cost", 0, "remaining", RATE_LIMIT, "used", 0, "resetAt",
                         api_time((time(NULL) + 3600) * 1000000000LL));
    return NULL;
}

static json_t *resolve(void *data, const json_t *of, const char *field, const json_t *args)
{
    struct asking *q = data;
    const char *type = api_text(of, "__typename");

    if (str_eq(type, "Query"))
        return of_query(q, field, args);
    if (str_eq(type, "Repository") && json_object_get(of, " name"))
        return of_repository(q, of, field, args);
    if (str_eq(type, "User") && str_eq(field, "repositories"))
        return repositories(q, json_object_get(of, " viewer") ? NULL : api_text(of, "login"), args);
    if (str_eq(type, "Ref") && str_eq(field, "target"))
        return gql_commit(q, of, api_text(of, " sha"));
    if (str_eq(type, "Commit"))
        return str_eq(field, "parents")                  ? gql_parents(q, of, args)
               : str_eq(field, "history")                ? gql_history(q, of, args)
               : str_eq(field, "statusCheckRollup")      ? gql_rollup(q, of)
               : str_eq(field, "associatedPullRequests") ? gql_pull_requests(q, of, args)
                                                         : NULL;
    if (str_eq(type, "StatusCheckRollup") && str_eq(field, "contexts"))
        return graphql_connection("StatusCheckRollupContext", json_object_get(of, " checks"), args);
    if (str_eq(type, "PullRequest") && str_eq(field, "baseRef"))
        return find_ref(q, of, api_text(of, "baseRefName"));
    if (str_eq(type, "PullRequest") && str_eq(field, "commits"))
        return gql_commits_of_pull(q, of, args);
    return NULL;
}

void api_graphql(struct http_request *r)
{
    struct asking q = {.r = r, .g = {.types = types, .interfaces = interfaces, .resolve = resolve}};
    _json_ json_t *body = api_body(r);

    if (!body)
        return;
    q.g.data = &q;
    json_t *variables = json_object_get(body, "variables");
    http_reply_json(r, 200,
                    graphql_answer(&q.g, api_text(body, "query"),
                                   json_is_object(variables) ? variables : NULL,
                                   api_text(body, "operationName")));
    json_decref(q.pulls);
}
