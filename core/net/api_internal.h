/* GitHub's REST API over the store and the engine: what its handlers share. Private to core/net. */
#ifndef RUNFS_API_INTERNAL_H
#define RUNFS_API_INTERNAL_H

#include "runfs/str.h"
#include "server_internal.h"

/* ------------------------------------------------------------------------------------------------ replies */

/* {"message", "documentation_url", "status"}, as GitHub says what is wrong. */
void api_fail(struct http_request *r, unsigned status, const char *message);
/* By the errno: 404, 409 for what the state does not allow (status_busy, 0: 422), 422 for what is wrong. */
void api_fail_err(struct http_request *r, const struct err *err, unsigned status_busy);
void api_no_content(struct http_request *r);
void api_not_found(struct http_request *r);

/* Where the caller finds this API: "http://HOST", with "/api/v3" below the prefix; https where the caller
 * speaks TLS, or believes so (gh, by a unix socket); appended. */
void api_base(struct http_request *r, struct buf *ret);
/* "BASE/repos/OWNER/REPO" and the rest; a new string value. */
json_t *api_url(struct http_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for people: "http://HOST", one that a browser finds, where there is one; and with "/OWNER/REPO"
 * and the rest, which page_of leads to the page from. */
void api_web_base(struct http_request *r, struct buf *ret);
json_t *api_web_url(struct http_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Where a file is, as GitHub's contents and as a page, at a commit or a branch ("" of the first: as it is).
 */
json_t *api_contents_url(struct http_request *r, const char *path, const char *ref);
json_t *api_web_file(struct http_request *r, const char *ref, const char *path);
json_t *api_time(int64_t wall_ns); /* "2026-01-31T11:00:00Z"; null for 0 */

/* The body as a JSON object (empty: an empty one). NULL: a reply was made. */
json_t *api_body(struct http_request *r);
/* A text of the body, "" without. */
const char *api_text(const json_t *body, const char *key);

/* Replies 302, to an address of that path that is good for a minute without a token. (api_download.c) */
void api_lead_on(struct http_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The address itself; appended. */
void api_download_address(struct http_request *r, const char *path, struct buf *ret);

/* Whether Accept has one of GitHub's own media types with that word: "application/vnd.github.raw+json" has
 * raw. */
bool api_wants(struct http_request *r, const char *word);

/* Whether the caller asks for that version of the API, or a later one. (api_version.c) */
#define API_VERSION_2026 "2026-03-10" /* a dispatch answers with its run; GET /rate_limit has no `rate` */
bool api_version_is_since(struct http_request *r, const char *version);

/* ------------------------------------------------------------------------------------------------- paging */

struct api_page {
    int64_t per_page, page; /* page from 1 */
};
/* fallback: per_page where the caller says none. */
struct api_page api_page(struct http_request *r, int64_t fallback);
/* Adds the Link header, when there are other pages: next and last, prev and first. */
void api_link(struct http_request *r, struct api_page page, int64_t total);

/* The same where nobody knows how many there are: without last. */
void api_link_more(struct http_request *r, struct api_page page, bool more);

/* ------------------------------------------------------------------------------------------------ objects */

/* What :owner/:repo names. False: a reply was made. */
bool api_repository(struct http_request *r, struct repository *ret);
/* The row that :id names, of that repository, or of any where the route has no :owner; a reference, or NULL:
 * a reply was made. */
const struct workflow_row *api_workflow(struct http_request *r, struct repository *ret);
const struct run_row *api_run(struct http_request *r);
const struct job_row *api_job(struct http_request *r);
/* "ci.yml", "REPO:ci.yml": how config/disabled names it. */
void api_workflow_label(struct server *s, const struct workflow_row *w, struct buf *ret);

bool api_run_is_of(struct server *s, int64_t run_id, int64_t repo_id);

/* Where git finds what :owner/:repo names, appended; "" for the dropped ones. False: a reply was made. */
bool api_git(struct http_request *r, struct repository *ret_repo, struct buf *ret_path);
/* The commit that it means, a branch, a tag or an id, as git names it; "": the default branch's. Appended.
 * False: there is none. */
bool api_resolve(struct http_request *r, const struct repository *repo, const char *ref, struct buf *ret);
/* As lists of commits have it. (api_commits.c) */
struct commit;
json_t *api_utc(const char *date); /* of git's "2026-01-31T12:00:00+01:00" */
json_t *api_commit_json(struct http_request *r, const struct commit *c);
/* A page of the files, or of the commits, in which head (a ref or an id) is before base, as a reply. */
void api_reply_between(struct http_request *r, const char *base, const char *head, bool files);
json_t *api_commit_of(struct http_request *r, const struct repository *repo, const char *ref); /* or NULL */

/* A person or an organisation, as far as its name says. */
json_t *api_user_json(struct http_request *r, const char *login);
/* The repository that the path names, without what only git knows; the same value each time. */
json_t *api_repository_json(struct http_request *r);
/* With all that is told of one that is asked for alone; id 0: of one that is not linked. */
json_t *api_whole_repository(struct http_request *r, const char *full_name, int64_t id);
/* A page of the linked repositories (of owner; NULL: of all) and that of the dropped ones, as a reply. */
void api_list_repositories_of(struct http_request *r, const char *owner);
/* "https://HOST/REST" for what is the same everywhere: relative to the API, or to the pages. */
json_t *api_link_to(struct http_request *r, bool page, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "who@runfs.invalid": nobody's address is known. */
json_t *api_email(const char *login);
int64_t api_name_id(const char *name);              /* a number that stays the same for each name */
json_t *api_node_id(const char *type, int64_t id);  /* as GitHub's GraphQL would call it: opaque to clients */
json_t *api_branch(const char *ref);                /* "main" of refs/heads/main; tags and others alike */
json_t *api_head_branch(const struct run_row *run); /* likewise; of a pull request that of its head */
/* interrupted is runfs's own; GitHub calls it a failure. null for "". */
json_t *api_conclusion(const char *conclusion);
json_t *api_head_commit(const struct run_row *run);
/* The pull request that the run is of, in a list; [] for others. (api_pulls.c) */
json_t *api_pulls_json(struct http_request *r, const struct run_row *run);
/* Pull requests as events told them, each as it was told last. (api_pulls.c) */
json_t *api_heard_pulls(struct http_request *r, int64_t repo_id);
json_t *api_run_json(struct http_request *r, const struct run_row *run, int attempt);
json_t *api_job_json(struct http_request *r, const struct job_row *job);

/* The steps of a job in their order, numbered from 1 as GitHub does. */
typedef int api_step_fn(void *data, int number, const struct step_row *step);
int api_each_step(struct store *st, const struct job_row *job, api_step_fn *fn, void *data);
typedef int api_job_fn(void *data, const struct job_row *job);
int api_each_job(struct store *st, int64_t run_id, int attempt, api_job_fn *fn, void *data);

/* As http_query, "" where there is none. (api.c) */
const char *query_text(struct http_request *r, const char *name);

#endif
