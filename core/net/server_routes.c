/* Everything that can be asked of the daemon by HTTP: one row a route. */
#include "server_internal.h"

enum { BODY_MAX = 128 * 1024, HOOK_MAX = 25 * 1024 * 1024 /* as GitHub's */ };

#define P "/repos/:owner/:repo"
#define A P "/actions"
#define E P "/environments/:environment"
#define N "/repositories/:repository/environments/:environment"
#define GET(pattern, fn, help)                                                                               \
    {                                                                                                        \
        "GET", (pattern), 0, NULL, (fn), (help), SCOPE_READ                                                  \
    }
#define ASK(method, pattern, fn, scope, help)                                                                \
    {                                                                                                        \
        (method), (pattern), BODY_MAX, NULL, (fn), (help), (scope)                                           \
    }

/* clang-format off */
const struct http_route server_routes[] = {
{"POST", "/webhook", HOOK_MAX, webhook_begin, webhook_take, "an event, as GitHub, Gitea and Forgejo send it", SCOPE_SIGNED},
GET("/health",                                          health,             "whether it works"),
GET("/metrics",                                         metrics,            "counts, durations and queues for Prometheus"),
GET("/documents/search",                                search_by_query,    "what a role finds: query, role, limit, skip"),
ASK("POST",   "/documents/search",                      search_by_body,     SCOPE_READ,  "the same, asked in JSON"),
GET("/config",                                          api_config,         "the roles, and which is selected"),
GET("/runs/:id/timeline.svg",                           run_timeline,       "a run's jobs and steps over time"),
GET("/runs/:id/graph.svg",                              run_graph,          "its jobs and what needs what"),
ASK("GET",    "/",                                      page,               SCOPE_OPEN,  "the live page; to a program: who answers, and the token's scopes as GitHub names them"),
ASK("GET",    "/runs/:run",                             page_of,            SCOPE_OPEN,  "leads a browser to the run's page"),
ASK("GET",    "/:owner/:repo/actions/runs/:run",        page_of,            SCOPE_OPEN,  "the same: html_url of a run"),
ASK("GET",    "/:owner/:repo/actions/runs/:run/job/:job", page_of,          SCOPE_OPEN,  "html_url of a job"),
ASK("GET",    "/:owner/:repo/actions/workflows/:workflow", page_of,         SCOPE_OPEN,  "html_url of a workflow"),
GET("/live",                                            live_changes,       "what changes, as server-sent events: all runs, or run=N and its job=N's log"),
GET("/live/runs",                                       live_list_runs,     "older runs: before, status, workflow"),
GET("/live/runs/:id",                                   live_more_of_run,   "a run's summaries, and its former attempts"),
GET("/live/workflows",                                  live_list_workflows, "all workflows, with their inputs"),
GET("/live/knowledge",                                  live_knowledge,     "what runs taught, and the roles that may search"),
GET("/live/graph",                                      live_graph,         "which command follows which: all, or around one"),
GET("/live/commands",                                   live_command_named, "one of its commands, by its `name` in knowledge/commands"),
GET("/live/commands/:id",                               live_command,       "one of its commands"),
ASK("POST",   "/runs/:id/cancel",                       api_cancel,         SCOPE_RUN,   "end a run"),
ASK("POST",   "/runs/:id/force-cancel",                 api_force_cancel,   SCOPE_RUN,   "end it at once"),
ASK("POST",   "/runs/:id/rerun",                        api_rerun,          SCOPE_RUN,   "run it again"),
ASK("POST",   "/runs/:id/rerun-failed-jobs",            api_rerun_failed,   SCOPE_RUN,   "run again what did not succeed"),
ASK("DELETE", "/runs/:id",                              api_delete_run,     SCOPE_ADMIN, "delete it"),
GET("/jobs/:id/logs",                                   api_job_logs,       "a job's log as text"),
ASK("POST",   "/jobs/:id/rerun",                        api_rerun_job,      SCOPE_RUN,   "run it and what depends on it again"),
GET("/artifacts/:id/zip",                               api_artifact_zip,   "an artifact as a zip"),
ASK("POST",   "/workflows/:id/dispatches",              api_dispatch,       SCOPE_RUN,   "start a workflow"),
ASK("PUT",    "/workflows/:id/enable",                  api_enable,         SCOPE_ADMIN, "let it be started again"),
ASK("PUT",    "/workflows/:id/disable",                 api_disable,        SCOPE_ADMIN, "let nothing start it"),
GET("/meta",                                            api_meta,           "the version of GitHub's API"),
GET("/rate_limit",                                      api_rate_limit,     "that there is none of GitHub's"),
GET("/user",                                            api_user,           "who asks"),
ASK("POST",   "/graphql",                               api_graphql,        SCOPE_READ,  "what gh asks that way"),
ASK("POST",   "/api/graphql",                           api_graphql,        SCOPE_READ,  "the same, where gh takes it for an enterprise's"),
GET(P,                                                  api_get_repository, "a linked repository, or runfs/workflows for those that were dropped"),
ASK("POST",   P "/dispatches",                          api_dispatch_event, SCOPE_RUN,   "deliver a repository_dispatch"),
GET(P "/contents/*path",                                api_contents,       "a workflow's file"),
GET(A "/workflows",                                     api_list_workflows, "its workflows"),
GET(A "/workflows/:id",                                 api_get_workflow,   "one, by number or file name"),
GET(A "/workflows/:id/runs",                            api_list_runs_of,   "its runs"),
ASK("POST",   A "/workflows/:id/dispatches",            api_dispatch,       SCOPE_RUN,   "start it"),
ASK("PUT",    A "/workflows/:id/enable",                api_enable,         SCOPE_ADMIN, "let it be started again"),
ASK("PUT",    A "/workflows/:id/disable",               api_disable,        SCOPE_ADMIN, "let nothing start it"),
GET(A "/runs",                                          api_list_runs,      "runs, newest first, by branch, event, actor, status, created, head_sha"),
GET(A "/runs/:id",                                      api_get_run,        "one run"),
GET(A "/runs/:id/attempts/:attempt",                    api_get_run,        "one attempt of it"),
GET(A "/runs/:id/jobs",                                 api_list_jobs,      "its jobs, with their steps"),
GET(A "/runs/:id/attempts/:attempt/jobs",               api_list_jobs,      "those of an attempt"),
GET(A "/runs/:id/logs",                                 api_run_logs,       "its logs: a zip of one file a step"),
GET(A "/runs/:id/attempts/:attempt/logs",               api_run_logs,       "those of an attempt"),
GET(A "/runs/:id/artifacts",                            api_run_artifacts,  "what it left behind"),
ASK("POST",   A "/runs/:id/cancel",                     api_cancel,         SCOPE_RUN,   "end it"),
ASK("POST",   A "/runs/:id/force-cancel",               api_force_cancel,   SCOPE_RUN,   "end it at once"),
GET(A "/runs/:id/timing",                               api_run_timing,     "how long it took"),
ASK("POST",   A "/runs/:id/rerun",                      api_rerun,          SCOPE_RUN,   "run it again"),
ASK("POST",   A "/runs/:id/rerun-failed-jobs",          api_rerun_failed,   SCOPE_RUN,   "run again what did not succeed"),
ASK("DELETE", A "/runs/:id",                            api_delete_run,     SCOPE_ADMIN, "delete it"),
GET(A "/jobs/:id",                                      api_get_job,        "one job"),
GET(A "/jobs/:id/logs",                                 api_job_logs,       "its log as text"),
ASK("POST",   A "/jobs/:id/rerun",                      api_rerun_job,      SCOPE_RUN,   "run it and what depends on it again"),
GET(P "/check-runs/:id/annotations",                    api_annotations,    "a job's annotations"),
GET(A "/artifacts",                                     api_list_artifacts, "the newest artifacts"),
GET(A "/artifacts/:id",                                 api_get_artifact,   "one"),
ASK("DELETE", A "/artifacts/:id",                       api_delete_artifact, SCOPE_ADMIN, "delete it"),
GET(A "/artifacts/:id/zip",                             api_artifact_zip,   "one as a zip"),
GET(A "/cache/usage",                                   api_cache_usage,    "how much its jobs keep for later runs"),
GET(A "/caches",                                        api_list_caches,    "what they keep, by key, ref, in the order of sort and direction"),
ASK("DELETE", A "/caches",                              api_delete_caches,  SCOPE_ADMIN, "delete those of a key"),
ASK("DELETE", A "/caches/:id",                          api_delete_cache,   SCOPE_ADMIN, "delete one"),
ASK("GET",    A "/secrets/public-key",                  api_public_key,     SCOPE_ADMIN, "what a secret is sealed for"),
ASK("GET",    A "/secrets",                             api_list_secrets,   SCOPE_ADMIN, "names of secrets"),
ASK("GET",    A "/secrets/:name",                       api_get_secret,     SCOPE_ADMIN, "when one was set"),
ASK("PUT",    A "/secrets/:name",                       api_put_secret,     SCOPE_ADMIN, "set one"),
ASK("DELETE", A "/secrets/:name",                       api_delete_secret,  SCOPE_ADMIN, "delete one"),
GET(A "/variables",                                     api_list_variables, "variables"),
GET(A "/variables/:name",                               api_get_variable,   "one"),
ASK("POST",   A "/variables",                           api_post_variable,  SCOPE_ADMIN, "make one"),
ASK("PATCH",  A "/variables/:name",                     api_patch_variable, SCOPE_ADMIN, "change one"),
ASK("DELETE", A "/variables/:name",                     api_delete_variable, SCOPE_ADMIN, "delete one"),
/* of an environment */
ASK("GET",    E "/secrets/public-key",                  api_public_key,     SCOPE_ADMIN, "what a secret is sealed for"),
ASK("GET",    E "/secrets",                             api_list_secrets,   SCOPE_ADMIN, "names of secrets"),
ASK("GET",    E "/secrets/:name",                       api_get_secret,     SCOPE_ADMIN, "when one was set"),
ASK("PUT",    E "/secrets/:name",                       api_put_secret,     SCOPE_ADMIN, "set one"),
ASK("DELETE", E "/secrets/:name",                       api_delete_secret,  SCOPE_ADMIN, "delete one"),
GET(E "/variables",                                     api_list_variables, "variables"),
GET(E "/variables/:name",                               api_get_variable,   "one"),
ASK("POST",   E "/variables",                           api_post_variable,  SCOPE_ADMIN, "make one"),
ASK("PATCH",  E "/variables/:name",                     api_patch_variable, SCOPE_ADMIN, "change one"),
ASK("DELETE", E "/variables/:name",                     api_delete_variable, SCOPE_ADMIN, "delete one"),
/* gh names the repository by its number here */
GET(N "/variables",                                     api_list_variables, "variables"),
GET(N "/variables/:name",                               api_get_variable,   "one"),
ASK("POST",   N "/variables",                           api_post_variable,  SCOPE_ADMIN, "make one"),
ASK("PATCH",  N "/variables/:name",                     api_patch_variable, SCOPE_ADMIN, "change one"),
ASK("DELETE", N "/variables/:name",                     api_delete_variable, SCOPE_ADMIN, "delete one"),
{0},
};
/* clang-format on */
