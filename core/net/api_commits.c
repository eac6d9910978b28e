/* GitHub's REST API: commits of linked repositories, and what differs between two. GitHub documentation,
 * "REST API endpoints for commits", "List repository tags". */
#include <time.h>

#include "api_internal.h"
#include "runfs/browse.h"
#include "runfs/worktree.h"

enum { FILES_MAX = 300, PULL_FILES_MAX = 3000 /* as on GitHub */ };

/* In UTC, as GitHub has it, of "2026-01-31T12:00:00+01:00": some clients read nothing else. */
json_t *api_utc(const char *date)
{
    int hours = 0, minutes = 0;
    struct tm tm = {0};
    const char *zone = strptime(date, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!zone || (*zone && *zone != 'Z' && sscanf(zone + 1, "%2d:%2d", &hours, &minutes) != 2))
        return json_string(date);
    int ahead = (*zone == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return api_time(((int64_t)timegm(&tm) - ahead) * 1000000000LL);
}

static json_t *signature(const char *name, const char *email, const char *date)
{
    return json_pack("{s:s, s:s, s:o}", "name", name, "email", email, "date", api_utc(date));
}

static json_t *parents_json(struct http_request *r, const char *parents)
{
    json_t *list = json_array();

    for (const char *at = parents; *at;) {
        int len = (int)strcspn(at, " ");
        json_array_append_new(list, json_pack("{s:s%, s:o, s:o}", "sha", at, (size_t)len, "url",
                                              api_url(r, "/commits/%.*s", len, at), "html_url",
                                              api_web_url(r, "/commit/%.*s", len, at)));
        at += len;
        at += *at == ' ';
    }
    return list;
}

/* What git itself knows of it. */
static json_t *git_json(struct http_request *r, const struct commit *c)
{
    return json_pack("{s:o, s:o, s:s, s:{s:s, s:o}, s:o, s:{s:b, s:s, s:n, s:n, s:n}}", "author",
                     signature(c->author, c->author_email, c->author_date), "committer",
                     signature(c->committer, c->committer_email, c->committer_date), "message", c->message,
                     "tree", "sha", c->tree, "url", api_url(r, "/git/trees/%s", c->tree), "url",
                     api_url(r, "/git/commits/%s", c->id), "verification", "verified", 0, "reason",
                     "unsigned", "signature", "payload", "verified_at");
}

json_t *api_commit_json(struct http_request *r, const struct commit *c)
{
    json_t *git = git_json(r, c);

    json_object_set_new(git, "comment_count", json_integer(0));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:n, s:n, s:o}", "sha", c->id, "node_id",
                     api_node_id("Commit", api_name_id(c->id)), "commit", git, "url",
                     api_url(r, "/commits/%s", c->id), "html_url", api_web_url(r, "/commit/%s", c->id),
                     "comments_url", api_url(r, "/commits/%s/comments", c->id), "author", "committer",
                     "parents", parents_json(r, c->parents));
}

json_t *api_commit_of(struct http_request *r, const struct repository *repo, const char *ref)
{
    struct server *s = http_data(r);
    _buf_ struct buf path = BUF_INIT, id = BUF_INIT;
    _arena_ struct arena a = {0};
    struct commit c;

    if (engine_repository_path(s->engine, repo, &path) < 0 || !api_resolve(r, repo, ref, &id) ||
        worktree_commit(buf_str(&path), buf_str(&id), &a, &c) < 0 || !*c.id)
        return NULL;
    return api_commit_json(r, &c);
}

/* ----------------------------------------------------------------------------------------------- changes */

static json_t *change_json(struct http_request *r, const struct browse_change *c, const char *sha)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "sha", c->id, "filename", c->path, "status",
        c->status, "additions", (json_int_t)c->additions, "deletions", (json_int_t)c->deletions, "changes",
        (json_int_t)(c->additions + c->deletions), "blob_url", api_web_file(r, sha, c->path), "raw_url",
        api_contents_url(r, c->path, sha), "contents_url", api_contents_url(r, c->path, sha));

    if (c->former)
        json_object_set_new(json, "previous_filename", json_string(c->former));
    return json;
}

static json_t *changes_json(struct http_request *r, const char *path, const char *from, const char *to,
                            size_t max, json_int_t ret_lines[2])
{
    struct browse_change *list;
    json_t *json = json_array();
    _arena_ struct arena a = {0};
    size_t n = 0;

    ret_lines[0] = ret_lines[1] = 0;
    (void)browse_changes(path, from, to, max, &a, &list, &n);
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(json, change_json(r, &list[i], to));
        ret_lines[0] += list[i].additions;
        ret_lines[1] += list[i].deletions;
    }
    return json;
}

static void reply_diff(struct http_request *r, const char *path, const char *from, const char *to)
{
    _buf_ struct buf text = BUF_INIT;

    if (browse_diff(path, from, to, &text) == 0)
        http_reply(r, 200, "application/vnd.github.diff; charset=utf-8", buf_str(&text), text.len);
    else
        api_not_found(r);
}

/* ---------------------------------------------------------------------------------------------- one commit
 */

static void reply_commit(struct http_request *r, const char *path, const struct commit *c)
{
    json_t *json = api_commit_json(r, c);
    json_int_t lines[2];

    json_object_set_new(json, "files", changes_json(r, path, c->parent, c->id, FILES_MAX, lines));
    json_object_set_new(json, "stats",
                        json_pack("{s:I, s:I, s:I}", "additions", lines[0], "deletions", lines[1], "total",
                                  lines[0] + lines[1]));
    http_reply_json(r, 200, json);
}

/* The one that is named so, of the repository at *ret_path: without an id, where there is none. False: a
 * reply was made. */
static bool find_commit(struct http_request *r, const char *name, struct buf *ret_path, struct arena *a,
                        struct commit *ret)
{
    _buf_ struct buf id = BUF_INIT;
    struct repository repo;

    *ret = (struct commit){.id = ""};
    if (!api_git(r, &repo, ret_path))
        return false;
    if (api_resolve(r, &repo, name, &id))
        (void)worktree_commit(buf_str(ret_path), buf_str(&id), a, ret);
    return true;
}

/* As JSON, as a diff, or its name alone to who asks for that. */
void api_get_commit(struct http_request *r)
{
    _buf_ struct buf path = BUF_INIT;
    _arena_ struct arena a = {0};
    struct commit c;

    if (!find_commit(r, http_param(r, "ref"), &path, &a, &c))
        return;
    if (!*c.id)
        api_fail(r, 422, "No commit found for SHA");
    else if (api_wants(r, "sha"))
        http_reply(r, 200, "application/vnd.github.sha; charset=utf-8", c.id, strlen(c.id));
    else if (api_wants(r, "diff"))
        reply_diff(r, buf_str(&path), c.parent, c.id);
    else
        reply_commit(r, buf_str(&path), &c);
}

void api_get_git_commit(struct http_request *r)
{
    _buf_ struct buf path = BUF_INIT;
    _arena_ struct arena a = {0};
    struct commit c;

    if (!find_commit(r, http_param(r, "sha"), &path, &a, &c))
        return;
    if (!*c.id) {
        api_not_found(r);
        return;
    }
    json_t *json = git_json(r, &c);
    json_object_set_new(json, "sha", json_string(c.id));
    json_object_set_new(json, "node_id", api_node_id("Commit", api_name_id(c.id)));
    json_object_set_new(json, "parents", parents_json(r, c.parents));
    json_object_set_new(json, "html_url", api_web_url(r, "/commit/%s", c.id));
    http_reply_json(r, 200, json);
}

/* ------------------------------------------------------------------------------------------------- lists */

/* Nobody counts them all for a page: that there is one more says that there is another page. */
void api_list_commits(struct http_request *r)
{
    struct api_page page = api_page(r, 30);
    _buf_ struct buf path = BUF_INIT, id = BUF_INIT;
    _arena_ struct arena a = {0};
    struct repository repo;
    struct commit *list = NULL;
    struct log_query q = {.file = http_query(r, "path"),
                          .author = http_query(r, "author"),
                          .since = http_query(r, "since"),
                          .until = http_query(r, "until"),
                          .skip = (size_t)((page.page - 1) * page.per_page),
                          .max = (size_t)page.per_page + 1};
    const char *ref = query_text(r, "sha");
    size_t n = 0, max = (size_t)page.per_page;

    if (!api_git(r, &repo, &path))
        return;
    if (!api_resolve(r, &repo, ref, &id)) {
        api_fail(r, *ref ? 404 : 409, *ref ? "Not Found" : "Git Repository is empty.");
        return;
    }
    q.rev = buf_str(&id);
    if (q.file && !*q.file)
        q.file = NULL;
    (void)worktree_log(buf_str(&path), &q, &a, &list, &n);
    json_t *json = json_array();
    for (size_t i = 0; i < n && i < max; i++)
        json_array_append_new(json, api_commit_json(r, &list[i]));
    api_link_more(r, page, n > max);
    http_reply_json(r, 200, json);
}

static json_t *tag_json(struct http_request *r, const char *name, const char *sha)
{
    return json_pack("{s:s, s:{s:s, s:o}, s:o, s:o, s:o}", "name", name, "commit", "sha", sha, "url",
                     api_url(r, "/commits/%s", sha), "zipball_url", api_url(r, "/zipball/refs/tags/%s", name),
                     "tarball_url", api_url(r, "/tarball/refs/tags/%s", name), "node_id",
                     api_node_id("Ref", api_name_id(name)));
}

void api_list_tags(struct http_request *r)
{
    struct api_page page = api_page(r, 30);
    int64_t from = (page.page - 1) * page.per_page, at = 0;
    _buf_ struct buf path = BUF_INIT;
    _arena_ struct arena a = {0};
    struct repository repo;

    if (!api_git(r, &repo, &path))
        return;
    json_t *list = json_array();
    const char *const *tags = browse_tags(buf_str(&path), &a);
    for (; tags && tags[at]; at++) {
        const char *space = strchr(tags[at], ' '),
                   *sha = arena_strndup(&a, tags[at], (size_t)(space - tags[at]));
        if (sha && at >= from && at < from + page.per_page)
            json_array_append_new(list, tag_json(r, space + 1, sha));
    }
    api_link(r, page, at);
    http_reply_json(r, 200, list);
}

void api_no_comments(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200, json_array());
}

struct at_head {
    struct http_request *r;
    json_t *list;    /* owned */
    const char *sha; /* that they are to be at */
};

static int add_at_head(void *data, const char *name, const char *sha)
{
    struct at_head *x = data;

    if (str_eq(sha, x->sha) && utf8_valid(name, strlen(name)))
        json_array_append_new(x->list,
                              json_pack("{s:s, s:{s:s, s:o}, s:b}", "name", name, "commit", "sha", sha, "url",
                                        api_url(x->r, "/commits/%s", sha), "protected", 0));
    return 0;
}

void api_branches_at(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf id = BUF_INIT;
    struct at_head x = {.r = r};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    if (!api_resolve(r, &repo, http_param(r, "ref"), &id)) {
        api_fail(r, 422, "No commit found for SHA");
        return;
    }
    x.sha = buf_str(&id);
    x.list = json_array();
    (void)engine_each_branch(s->engine, &repo, add_at_head, &x);
    http_reply_json(r, 200, x.list);
}

/* ----------------------------------------------------------------------------------------------- compare */

struct comparison {
    struct repository repo;
    struct buf path, base, head; /* owned */
    const char *fork;            /* where they left each other: the arena's */
    int64_t behind, ahead;
};

/* The commits, in the order in which they were made: a page of them. */
static json_t *commits_between(struct http_request *r, const struct comparison *c, struct api_page page)
{
    int64_t from = (page.page - 1) * page.per_page, to = from + page.per_page;
    struct log_query q = {.rev = buf_str(&c->head), .without = buf_str(&c->base)};
    json_t *json = json_array();
    _arena_ struct arena a = {0};
    struct commit *list = NULL;
    size_t n = 0;

    if (to > c->ahead)
        to = c->ahead;
    if (from < to) {
        q.skip = (size_t)(c->ahead - to); /* git begins with the newest */
        q.max = (size_t)(to - from);
        (void)worktree_log(buf_str(&c->path), &q, &a, &list, &n);
    }
    while (n > 0)
        json_array_append_new(json, api_commit_json(r, &list[--n]));
    return json;
}

static void reply_comparison(struct http_request *r, const struct comparison *c)
{
    static const char *const status[2][2] = {{"identical", "ahead"}, {"behind", "diverged"}};
    struct api_page page = api_page(r, 100);
    const char *what = http_param(r, "basehead");
    json_int_t lines[2];

    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "status",
        status[c->behind > 0][c->ahead > 0], "ahead_by", (json_int_t)c->ahead, "behind_by",
        (json_int_t)c->behind, "total_commits", (json_int_t)c->ahead, "base_commit",
        api_commit_of(r, &c->repo, buf_str(&c->base)), "merge_base_commit",
        api_commit_of(r, &c->repo, c->fork), "commits", commits_between(r, c, page), "url",
        api_url(r, "/compare/%s", what), "html_url", api_web_url(r, "/compare/%s", what), "permalink_url",
        api_web_url(r, "/compare/%s...%s", buf_str(&c->base), buf_str(&c->head)), "diff_url",
        api_web_url(r, "/compare/%s.diff", what), "patch_url", api_web_url(r, "/compare/%s.patch", what));
    json_object_set_new(json, "files",
                        page.page == 1
                            ? changes_json(r, buf_str(&c->path), c->fork, buf_str(&c->head), FILES_MAX, lines)
                            : json_array());
    api_link(r, page, c->ahead);
    http_reply_json(r, 200, json);
}

/* What is between the two. False: nothing is known of that; a reply was made. */
static bool compare(struct http_request *r, const char *base, const char *head, struct comparison *c,
                    struct arena *a)
{
    if (*base && *head && api_resolve(r, &c->repo, base, &c->base) &&
        api_resolve(r, &c->repo, head, &c->head))
        c->fork = worktree_fork_point(buf_str(&c->path), buf_str(&c->base), buf_str(&c->head), a);
    if (*c->fork &&
        browse_distance(buf_str(&c->path), buf_str(&c->base), buf_str(&c->head), &c->behind, &c->ahead))
        return true;
    api_not_found(r);
    return false;
}

static void comparison_release(struct comparison *c)
{
    buf_release(&c->path);
    buf_release(&c->base);
    buf_release(&c->head);
}

/* "BASE...HEAD"; two dots mean the same here. */
void api_compare(struct http_request *r)
{
    const char *what = http_param(r, "basehead"), *dots = strstr(what, "..");
    struct comparison c = {.path = BUF_INIT, .base = BUF_INIT, .head = BUF_INIT, .fork = ""};
    _arena_ struct arena a = {0};

    if (!api_git(r, &c.repo, &c.path))
        return;
    const char *base = dots ? arena_strndup(&a, what, (size_t)(dots - what)) : NULL;
    bool known = compare(r, base ? base : "", dots ? dots + (dots[2] == '.' ? 3 : 2) : "", &c, &a);
    if (known && api_wants(r, "diff"))
        reply_diff(r, buf_str(&c.path), c.fork, buf_str(&c.head));
    else if (known)
        reply_comparison(r, &c);
    comparison_release(&c);
}

/* A page of a list. */
static void reply_page(struct http_request *r, json_t *all_take)
{
    struct api_page page = api_page(r, 30);
    size_t from = (size_t)((page.page - 1) * page.per_page), size = json_array_size(all_take);
    json_t *list = json_array();

    for (size_t i = from; i < size && i < from + (size_t)page.per_page; i++)
        json_array_append(list, json_array_get(all_take, i));
    json_decref(all_take);
    api_link(r, page, (int64_t)size);
    http_reply_json(r, 200, list);
}

void api_reply_between(struct http_request *r, const char *base, const char *head, bool files)
{
    struct comparison c = {.path = BUF_INIT, .base = BUF_INIT, .head = BUF_INIT, .fork = ""};
    _arena_ struct arena a = {0};
    json_int_t lines[2];

    if (!api_git(r, &c.repo, &c.path))
        return;
    bool known = compare(r, base, head, &c, &a);
    if (known && files) {
        reply_page(r, changes_json(r, buf_str(&c.path), c.fork, buf_str(&c.head), PULL_FILES_MAX, lines));
    } else if (known) {
        struct api_page page = api_page(r, 30);
        api_link(r, page, c.ahead);
        http_reply_json(r, 200, commits_between(r, &c, page));
    }
    comparison_release(&c);
}
