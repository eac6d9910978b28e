/* The inside of the HTTP server of the daemon. Private to core/net. */
#ifndef RUNFS_SERVER_INTERNAL_H
#define RUNFS_SERVER_INTERNAL_H

#include <pthread.h>

#include "runfs/http.h"
#include "runfs/server.h"

/* What a route asks of its caller. A route that says nothing asks for the most. */
enum scope {
    SCOPE_ADMIN = 0, /* settings, secrets, deletion, and all below */
    SCOPE_RUN,       /* start, cancel, run again, and reading */
    SCOPE_READ,
    SCOPE_SIGNED, /* nothing: the request proves itself */
    SCOPE_OPEN,   /* nothing: it is the same for everybody */
};

enum { PEERS = 1024, RATE_LIMIT = 15000 /* of requests an hour, as far as GitHub's clients are told */ };

/* How much an address has left of its requests. */
struct peer_budget {
    char address[48];
    int64_t at; /* monotonic: when `left` was true */
    double left;
};

struct listener {
    struct listen_at at;
    struct http_server *http; /* owned; NULL: it could not be */
    int64_t pair_at;          /* of TLS: when certificate or key was written last */
    char why[960];            /* then: the reason */
};

enum { LIVE_STREAMS_MAX = 64 };

/* Those who are told what changes while it does. */
struct live {
    pthread_mutex_t lock;        /* guards what follows */
    struct live_stream *streams; /* each owned by its request */
    size_t n;
    bool ended;
};

struct server {
    struct store *store;           /* borrowed */
    struct engine *engine;         /* borrowed */
    struct searcher *searcher;     /* borrowed */
    pthread_mutex_t lock;          /* guards what follows */
    pthread_cond_t woken, brought; /* the keeper; the deliverer */
    bool changed, delivered, ending, has_keeper, has_deliverer;
    bool look_again;     /* something waits that the deliverer has passed */
    pthread_t keeper;    /* opens and closes listeners */
    pthread_t deliverer; /* hands what webhooks brought to the engine */
    struct listener listeners[LISTEN_MAX];
    size_t n_listeners;
    unsigned char box_public[32], box_secret[32]; /* of the boxes that secrets come in */
    uint64_t box_id;
    unsigned char download_key[32]; /* signs addresses of downloads */
    pthread_mutex_t names_lock;     /* guards hook_names */
    struct hook_name *hook_names[64];
    pthread_mutex_t peers_lock;
    struct peer_budget peers[PEERS];
    struct live live;
};

extern const struct http_route server_routes[];

/* Appends where a browser on this host finds the server, "http://127.0.0.1:8080". False: nowhere, it listens
 * on unix sockets only. (server.c) */
bool server_browse(struct server *s, struct buf *ret);

/* ----------------------------------------------------------------------------------- access
 * (server_access.c)
 */

http_fn access_admit, access_log;
/* Whether the caller may. False: a reply was made. For routes that are open to some only in part. */
bool access_ask(struct http_request *r, enum scope need);
/* Refuses a request for a version of GitHub's API that there is none of, and says which one it gets.
 * (api_version.c) */
void api_admit_version(struct http_request *r);
/* "admin", "run" or "read": what the caller may do. */
const char *access_scope(struct http_request *r);
int api_make_keys(struct server *s);
http_fn api_rate_limit, api_dispatch_event, api_force_cancel, api_run_timing, api_get_artifact,
    api_delete_artifact, api_get_secret;
http_fn search_by_query, search_by_body, api_config;
http_fn page, page_of, live_changes, live_list_runs, live_more_of_run, live_list_workflows, live_knowledge,
    live_graph, live_command, live_command_named;
http_fn health, metrics, run_timeline, run_graph, workflow_badge;
http_fn api_list_commits, api_get_git_commit, api_list_tags, api_branches_at, api_compare, api_matching_refs,
    api_get_tree, api_get_blob, api_readme, blob_source;
http_fn api_list_hooks, api_get_hook, api_get_hook_config, api_list_deliveries, api_get_delivery,
    api_redeliver;
http_fn api_pull_files, api_pull_commits, api_get_repository_by_id, api_no_organizations;
http_fn api_list_pulls, api_get_pull, api_pulls_of_commit;
http_fn api_put_environment, api_delete_environment, api_branch_policies, api_protection_rules,
    api_list_deployments, api_get_deployment, api_list_deployment_statuses, api_get_deployment_status;
http_fn api_unprotected, api_zen, api_approve, api_review_deployments, api_no_comments, api_workflow_access,
    api_retention;
http_fn api_list_branches, api_get_branch, api_get_commit, api_get_ref, api_list_environments,
    api_get_environment, api_list_runners, api_get_runner, api_list_runner_labels, api_permissions,
    api_workflow_permissions, api_selected_actions, api_no_secrets, api_no_variables, api_no_downloads,
    api_workflow_timing;
http_fn api_get_user, api_get_organization, api_list_repositories;
http_fn api_combined_status, api_list_statuses, api_list_checks, api_list_checks_of_suite, api_get_check,
    api_list_suites, api_get_suite, api_versions, api_none;
http_fn api_root, api_meta, api_user, api_graphql, api_get_repository, api_contents;
http_fn api_list_workflows, api_get_workflow, api_dispatch, api_enable, api_disable;
http_fn api_list_runs, api_list_runs_of, api_get_run, api_list_jobs, api_get_job, api_annotations, api_cancel,
    api_rerun, api_rerun_failed, api_rerun_job, api_delete_run, api_delete_logs;
http_fn api_run_logs, api_job_logs, api_run_artifacts, api_list_artifacts, api_artifact_zip;
/* What those of GitHub's API lead on to, and the page's own routes. */
http_fn download_begin, run_logs, job_logs, artifact_zip, workflow_source;
http_fn api_list_caches, api_cache_usage, api_delete_cache, api_delete_caches;
http_fn api_public_key, api_list_secrets, api_put_secret, api_delete_secret, api_list_variables,
    api_get_variable, api_post_variable, api_patch_variable, api_delete_variable;
/* The name of the token that the request came with; "unix" by the socket. Appended. */
void access_who(struct http_request *r, struct buf *ret);
/* Who that is to GitHub's API, and the actor of what it starts: the token's name; by the socket, the daemon's
 * user. */
void access_login(struct http_request *r, struct buf *ret);

/* ----------------------------------------------------------------------------------------------- webhooks */

http_fn webhook_begin, webhook_take;
/* A delivery that was cut off by the daemon's end is delivered again. False: it was not cut off. */
bool webhook_revive(struct server *s, int64_t id);
/* The event, and the payload, as GitHub would have sent what Gitea or Forgejo sent. *ret_event is borrowed
 * from the row, or for ever. 0 or -ENOMEM. */
int webhook_as_github(const struct hook_row *row, const char **ret_event, struct buf *payload);
void *webhook_deliver_loop(void *server); /* until ending */
/* Of which repository the delivery with that digest is, for who queues it; without memory it is not known. */
void webhook_name(struct server *s, const char *digest, const char *repository);
char *webhook_take_name(struct server *s, const char *digest); /* to be freed; NULL: not known */
void webhook_free_names(struct server *s);

#endif
