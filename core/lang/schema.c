/*
 * THE schema of workflow files, one definition a name, from the leaves to the root. The facts are GitHub's.
 * It is longer than other files because it is one table.
 */
#include "schema_table.h"

/* Where expressions are evaluated, by what they may use. */
#define AT_WORKFLOW (CTX_GITHUB | CTX_INPUTS | CTX_VARS)
#define AT_JOB (AT_WORKFLOW | CTX_NEEDS)
#define AT_MATRIX (AT_JOB | CTX_STRATEGY | CTX_MATRIX)
#define AT_RUNNER (AT_MATRIX | CTX_STEPS | CTX_JOB | CTX_RUNNER | CTX_ENV)
#define AT_STEP (AT_RUNNER | CTX_SECRETS | FN_HASH_FILES)

/* What is used everywhere. */
DEFINE(null, NOTHING);
DEFINE(boolean, BOOLEAN);
DEFINE(number, NUMBER);
DEFINE(string, STRING);
DEFINE(non_empty, STRING, .non_empty = true);
DEFINE(sequence, SEQUENCE(schema_any));
DEFINE(mapping, MAP_OF(string, schema_any));
const struct schema schema_any = {ONE_OF(&null, &boolean, &number, &string, &sequence, &mapping)};

DEFINE(strings, SEQUENCE(string));
DEFINE(non_empties, SEQUENCE(non_empty));
DEFINE(one_or_more, ONE_OF(&non_empty, &non_empties));
DEFINE(scalar_at_matrix, ONE_OF(&string, &boolean, &number), CONTEXT(AT_MATRIX));
DEFINE(scalar_with_secrets, ONE_OF(&string, &boolean, &number), CONTEXT(AT_MATRIX | CTX_SECRETS));
DEFINE(string_at_matrix, STRING, CONTEXT(AT_MATRIX));
DEFINE(number_at_matrix, NUMBER, CONTEXT(AT_MATRIX));
DEFINE(boolean_at_matrix, BOOLEAN, CONTEXT(AT_MATRIX));
DEFINE(string_at_runner, STRING, CONTEXT(AT_RUNNER | CTX_SECRETS));
DEFINE(string_at_runner_no_secrets, STRING, CONTEXT(AT_RUNNER));
DEFINE(string_at_step, STRING, CONTEXT(AT_STEP));
DEFINE(number_at_step, NUMBER, CONTEXT(AT_STEP));
DEFINE(boolean_at_step, BOOLEAN, CONTEXT(AT_STEP));
DEFINE(map_at_step, MAP_OF(non_empty, string), CONTEXT(AT_STEP));

const struct schema schema_input_string = {STRING};
const struct schema schema_input_boolean = {BOOLEAN};
const struct schema schema_input_number = {NUMBER};

/* An event whose only filter is its activity types. */
#define EVENT_WITH(name, filters, ...)                                                                       \
    DEFINE(name##_type, VALUES(__VA_ARGS__));                                                                \
    DEFINE(name##_types, SEQUENCE(name##_type));                                                             \
    DEFINE(name##_activity, ONE_OF(&name##_type, &name##_types));                                            \
    DEFINE(name##_mapping, filters(name##_activity));                                                        \
    DEFINE(name, ONE_OF(&null, &name##_mapping))
#define TYPES(activity) MAPPING({"types", &activity})
#define EVENT(name, ...) EVENT_WITH(name, TYPES, __VA_ARGS__)

#define BRANCHES                                                                                             \
    {"branches", &one_or_more},                                                                              \
    {                                                                                                        \
        "branches-ignore", &one_or_more                                                                      \
    }
#define TAGS                                                                                                 \
    {"tags", &one_or_more},                                                                                  \
    {                                                                                                        \
        "tags-ignore", &one_or_more                                                                          \
    }
#define PATHS                                                                                                \
    {"paths", &one_or_more},                                                                                 \
    {                                                                                                        \
        "paths-ignore", &one_or_more                                                                         \
    }
#define TYPES_BRANCHES(activity) MAPPING({"types", &activity}, BRANCHES)
#define TYPES_BRANCHES_PATHS(activity) MAPPING({"types", &activity}, BRANCHES, PATHS)
#define TYPES_IMAGES(activity)                                                                               \
    MAPPING({"types", &activity}, {"names", &one_or_more}, {"versions", &one_or_more})
#define TYPES_WORKFLOWS(activity) MAPPING({"types", &activity}, {"workflows", &one_or_more}, BRANCHES)

EVENT(branch_protection_rule, "created", "edited", "deleted");
EVENT(check_run, "completed", "created", "rerequested", "requested_action");
EVENT(check_suite, "completed");
EVENT(discussion, "created", "edited", "deleted", "transferred", "pinned", "unpinned", "labeled", "unlabeled",
      "locked", "unlocked", "category_changed", "answered", "unanswered");
EVENT(discussion_comment, "created", "edited", "deleted");
EVENT_WITH(image_version, TYPES_IMAGES, "created", "ready", "deleted");
EVENT(issue_comment, "created", "edited", "deleted");
EVENT(issues, "opened", "edited", "deleted", "transferred", "pinned", "unpinned", "closed", "reopened",
      "assigned", "unassigned", "labeled", "unlabeled", "locked", "unlocked", "milestoned", "demilestoned",
      "field_added", "field_removed", "typed", "untyped");
EVENT(label, "created", "edited", "deleted");
EVENT_WITH(merge_group, TYPES_BRANCHES, "checks_requested");
EVENT(milestone, "created", "closed", "opened", "edited", "deleted");
EVENT(project, "created", "closed", "reopened", "edited", "deleted");
EVENT(project_card, "created", "moved", "converted", "edited", "deleted");
EVENT(project_column, "created", "updated", "moved", "deleted");
EVENT_WITH(pull_request, TYPES_BRANCHES_PATHS, "assigned", "unassigned", "labeled", "unlabeled", "opened",
           "edited", "closed", "reopened", "synchronize", "converted_to_draft", "locked", "unlocked",
           "enqueued", "dequeued", "milestoned", "demilestoned", "ready_for_review", "review_requested",
           "review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "stacked");
EVENT(pull_request_review, "submitted", "edited", "dismissed");
EVENT(pull_request_review_comment, "created", "edited", "deleted");
EVENT(registry_package, "published", "updated");
EVENT(release, "published", "unpublished", "created", "edited", "deleted", "prereleased", "released");
EVENT(watch, "started");
EVENT_WITH(workflow_run, TYPES_WORKFLOWS, "requested", "completed", "in_progress");

DEFINE(push_mapping, MAPPING(BRANCHES, TAGS, PATHS));
DEFINE(push, ONE_OF(&null, &push_mapping));
DEFINE(repository_dispatch_mapping, MAPPING({"types", &non_empties}));
DEFINE(repository_dispatch, ONE_OF(&null, &repository_dispatch_mapping));
DEFINE(cron, MAPPING({"cron", &non_empty, .required = true}, {"timezone", &non_empty}));
DEFINE(schedule, SEQUENCE(cron));

/* workflow_call: what a reusable workflow takes and gives. */
DEFINE(call_input_type, VALUES("string", "boolean", "number"));
DEFINE(call_input_default, ONE_OF(&string, &boolean, &number), CONTEXT(AT_WORKFLOW));
DEFINE(call_input, MAPPING({"description", &string}, {"type", &call_input_type, .required = true},
                           {"required", &boolean}, {"default", &call_input_default}));
DEFINE(call_inputs, MAP_OF(non_empty, call_input));
DEFINE(call_secret_mapping, MAPPING({"description", &string}, {"required", &boolean}));
DEFINE(call_secret, ONE_OF(&null, &call_secret_mapping));
DEFINE(call_secrets, MAP_OF(non_empty, call_secret));
DEFINE(call_output_value, STRING, CONTEXT(AT_WORKFLOW | CTX_JOBS));
DEFINE(call_output, MAPPING({"description", &string}, {"value", &call_output_value, .required = true}));
DEFINE(call_outputs, MAP_OF(non_empty, call_output));
DEFINE(workflow_call_mapping,
       MAPPING({"inputs", &call_inputs}, {"secrets", &call_secrets}, {"outputs", &call_outputs}));
DEFINE(workflow_call, ONE_OF(&null, &workflow_call_mapping));

/* workflow_dispatch: inputs that say nothing, and no inputs at all, are taken too. */
DEFINE(dispatch_input_type, VALUES("string", "boolean", "number", "environment", "choice"));
DEFINE(dispatch_input_default, ONE_OF(&string, &boolean, &number));
DEFINE(dispatch_input_mapping,
       MAPPING({"description", &string}, {"type", &dispatch_input_type}, {"required", &boolean},
               {"default", &dispatch_input_default}, {"options", &strings}));
DEFINE(dispatch_input, ONE_OF(&null, &dispatch_input_mapping));
DEFINE(dispatch_inputs_mapping, MAP_OF(non_empty, dispatch_input));
DEFINE(dispatch_inputs, ONE_OF(&null, &dispatch_inputs_mapping));
DEFINE(workflow_dispatch_mapping, MAPPING({"inputs", &dispatch_inputs}));
DEFINE(workflow_dispatch, ONE_OF(&null, &workflow_dispatch_mapping));

/* Every event: its name, and what may follow it in a mapping. */
#define EVENTS(EACH)                                                                                         \
    EACH("branch_protection_rule", branch_protection_rule)                                                   \
    EACH("check_run", check_run)                                                                             \
    EACH("check_suite", check_suite)                                                                         \
    EACH("create", null)                                                                                     \
    EACH("delete", null)                                                                                     \
    EACH("deployment", null)                                                                                 \
    EACH("deployment_status", null)                                                                          \
    EACH("discussion", discussion)                                                                           \
    EACH("discussion_comment", discussion_comment)                                                           \
    EACH("fork", null)                                                                                       \
    EACH("gollum", null)                                                                                     \
    EACH("image_version", image_version)                                                                     \
    EACH("issue_comment", issue_comment)                                                                     \
    EACH("issues", issues)                                                                                   \
    EACH("label", label)                                                                                     \
    EACH("merge_group", merge_group)                                                                         \
    EACH("milestone", milestone)                                                                             \
    EACH("page_build", null)                                                                                 \
    EACH("project", project)                                                                                 \
    EACH("project_card", project_card)                                                                       \
    EACH("project_column", project_column)                                                                   \
    EACH("public", null)                                                                                     \
    EACH("pull_request", pull_request)                                                                       \
    EACH("pull_request_comment", issue_comment)                                                              \
    EACH("pull_request_review", pull_request_review)                                                         \
    EACH("pull_request_review_comment", pull_request_review_comment)                                         \
    EACH("pull_request_target", pull_request)                                                                \
    EACH("push", push)                                                                                       \
    EACH("registry_package", registry_package)                                                               \
    EACH("release", release)                                                                                 \
    EACH("repository_dispatch", repository_dispatch)                                                         \
    EACH("schedule", schedule)                                                                               \
    EACH("status", null)                                                                                     \
    EACH("watch", watch)                                                                                     \
    EACH("workflow_call", workflow_call)                                                                     \
    EACH("workflow_dispatch", workflow_dispatch)                                                             \
    EACH("workflow_run", workflow_run)
#define EVENT_NAME(name, type) name,
#define EVENT_PROPERTY(name, type) {name, &type},

DEFINE(on_name, .kind = SCHEMA_STRING, .values = (const char *const[]){EVENTS(EVENT_NAME) NULL});
DEFINE(on_names, SEQUENCE(on_name));
const struct schema schema_on = {.kind = SCHEMA_MAPPING,
                                 .properties = (const struct schema_property[]){EVENTS(EVENT_PROPERTY){0}}};
DEFINE(on, ONE_OF(&on_name, &on_names, &schema_on));

/* What a workflow and its jobs have in common. */
DEFINE(run_name, STRING, CONTEXT(AT_WORKFLOW));
DEFINE(workflow_env, MAP_OF(non_empty, string), CONTEXT(AT_WORKFLOW | CTX_SECRETS));
DEFINE(defaults_run, MAPPING({"shell", &non_empty}, {"working-directory", &non_empty}));
DEFINE(workflow_defaults, MAPPING({"run", &defaults_run}));

DEFINE(level, VALUES("read", "write", "none"));
DEFINE(level_read, VALUES("read", "none"));
DEFINE(level_write, VALUES("write", "none"));
DEFINE(permission_map,
       MAPPING({"actions", &level}, {"artifact-metadata", &level}, {"attestations", &level},
               {"checks", &level}, {"code-quality", &level}, {"contents", &level},
               {"copilot-requests", &level_write}, {"deployments", &level}, {"discussions", &level},
               {"drives", &level}, {"id-token", &level_write}, {"issues", &level}, {"models", &level_read},
               {"packages", &level}, {"pages", &level}, {"pull-requests", &level},
               {"repository-projects", &level}, {"security-events", &level}, {"statuses", &level},
               {"vulnerability-alerts", &level_read}));
DEFINE(permission_all, VALUES("read-all", "write-all"));
DEFINE(permissions, ONE_OF(&permission_map, &permission_all));

DEFINE(cache_mode, VALUES("read", "write", "write-only", "none"));

DEFINE(concurrency_queue, VALUES("single", "max"));
DEFINE(concurrency_mapping, MAPPING({"group", &non_empty, .required = true}, {"cancel-in-progress", &boolean},
                                    {"queue", &concurrency_queue}));
DEFINE(workflow_concurrency, ONE_OF(&string, &concurrency_mapping), CONTEXT(AT_WORKFLOW));
DEFINE(job_concurrency, ONE_OF(&non_empty, &concurrency_mapping), CONTEXT(AT_MATRIX));

/* Steps. */
DEFINE(step_name, STRING, CONTEXT(AT_STEP));
const struct schema schema_step_if = {STRING, CONTEXT(AT_RUNNER | FN_STEP_STATUS | FN_HASH_FILES)};
DEFINE(wait_target, ONE_OF(&non_empty, &non_empties));
DEFINE(wait_all, ONE_OF(&null, &boolean));

#define STEP_COMMON                                                                                          \
    {"name", &step_name}, {"id", &non_empty},                                                                \
    {                                                                                                        \
        "continue-on-error", &boolean_at_step                                                                \
    }
#define STEP_ACTION                                                                                          \
    STEP_COMMON, {"if", &schema_step_if}, {"timeout-minutes", &number_at_step}, {"env", &map_at_step},       \
    {                                                                                                        \
        "background", &boolean, .background = true                                                           \
    }
DEFINE(run_step, MAPPING(STEP_ACTION, {"run", &string_at_step, .required = true},
                         {"working-directory", &string_at_step}, {"shell", &non_empty}));
DEFINE(uses_step, MAPPING(STEP_ACTION, {"uses", &non_empty, .required = true}, {"with", &map_at_step}));
DEFINE(wait_step,
       MAPPING(STEP_COMMON, {"wait", &wait_target, .required = true, .background = true, .unlisted = true}));
DEFINE(wait_all_step,
       MAPPING(STEP_COMMON, {"wait-all", &wait_all, .required = true, .background = true, .unlisted = true}));
DEFINE(cancel_step,
       MAPPING(STEP_COMMON, {"cancel", &non_empty, .required = true, .background = true, .unlisted = true}));
static const struct schema step;
DEFINE(steps, SEQUENCE(step));
DEFINE(parallel_step, MAPPING({"parallel", &steps, .required = true, .background = true}));
DEFINE(step, ONE_OF(&run_step, &uses_step, &wait_step, &wait_all_step, &cancel_step, &parallel_step));

/* Containers. */
DEFINE(credentials, MAPPING({"username", &non_empty}, {"password", &non_empty}),
       CONTEXT(AT_WORKFLOW | CTX_SECRETS | CTX_ENV));
DEFINE(container_env, MAP_OF(non_empty, string_at_runner));
#define CONTAINER                                                                                            \
    {"image", &non_empty}, {"options", &string}, {"env", &container_env}, {"ports", &non_empties},           \
        {"volumes", &non_empties},                                                                           \
    {                                                                                                        \
        "credentials", &credentials                                                                          \
    }
DEFINE(container_mapping, MAPPING(CONTAINER));
DEFINE(container, ONE_OF(&string, &container_mapping), CONTEXT(AT_MATRIX));
DEFINE(service_mapping, MAPPING(CONTAINER, {"entrypoint", &string}, {"command", &string}));
DEFINE(service, ONE_OF(&non_empty, &service_mapping), CONTEXT(AT_MATRIX));
DEFINE(services, MAP_OF(non_empty, service), CONTEXT(AT_MATRIX));

/* Jobs. */
const struct schema schema_job_if = {STRING, CONTEXT(AT_JOB | FN_JOB_STATUS)};
DEFINE(needs, ONE_OF(&non_empties, &non_empty));
DEFINE(filter, MAP_OF(non_empty, schema_any));
DEFINE(filters, SEQUENCE(filter));
DEFINE(matrix, MAPPING({"include", &filters}, {"exclude", &filters}), ANY_OTHER(non_empty, sequence));
DEFINE(strategy, MAPPING({"fail-fast", &boolean}, {"max-parallel", &number}, {"matrix", &matrix}),
       CONTEXT(AT_JOB));
DEFINE(runs_on_mapping, MAPPING({"group", &non_empty}, {"labels", &one_or_more}));
DEFINE(runs_on, ONE_OF(&non_empty, &non_empties, &runs_on_mapping), CONTEXT(AT_MATRIX));
DEFINE(job_env, MAP_OF(non_empty, string), CONTEXT(AT_MATRIX | CTX_SECRETS));
DEFINE(environment_mapping, MAPPING({"name", &string_at_matrix, .required = true},
                                    {"url", &string_at_runner_no_secrets}, {"deployment", &boolean}));
DEFINE(environment, ONE_OF(&string, &environment_mapping), CONTEXT(AT_MATRIX));
DEFINE(job_defaults_run, MAPPING({"shell", &non_empty}, {"working-directory", &non_empty}),
       CONTEXT(AT_MATRIX | CTX_ENV));
DEFINE(job_defaults, MAPPING({"run", &job_defaults_run}));
DEFINE(outputs, MAP_OF(non_empty, string_at_runner));
DEFINE(snapshot_if, STRING, CONTEXT(AT_MATRIX));
DEFINE(snapshot_mapping,
       MAPPING({"image-name", &non_empty, .required = true}, {"if", &snapshot_if}, {"version", &non_empty}));
DEFINE(snapshot, ONE_OF(&non_empty, &snapshot_mapping));

DEFINE(steps_job,
       MAPPING({"needs", &needs}, {"if", &schema_job_if}, {"strategy", &strategy},
               {"name", &string_at_matrix}, {"runs-on", &runs_on, .required = true},
               {"timeout-minutes", &number_at_matrix}, {"cancel-timeout-minutes", &number_at_matrix},
               {"continue-on-error", &boolean_at_matrix}, {"container", &container}, {"services", &services},
               {"env", &job_env}, {"environment", &environment}, {"permissions", &permissions},
               {"concurrency", &job_concurrency}, {"outputs", &outputs}, {"defaults", &job_defaults},
               {"steps", &steps}, {"snapshot", &snapshot}, {"cache-mode", &cache_mode}));

/* A job that calls a reusable workflow. */
DEFINE(call_with, MAP_OF(non_empty, scalar_at_matrix));
DEFINE(secrets_mapping, MAP_OF(non_empty, scalar_with_secrets));
DEFINE(secrets_inherit, VALUES("inherit"));
DEFINE(secrets, ONE_OF(&secrets_mapping, &secrets_inherit));
DEFINE(calling_job,
       MAPPING({"name", &string_at_matrix}, {"runs-on", &runs_on, .unlisted = true, .forge = true},
               {"uses", &non_empty, .required = true}, {"with", &call_with}, {"secrets", &secrets},
               {"needs", &needs}, {"if", &schema_job_if}, {"permissions", &permissions},
               {"concurrency", &job_concurrency}, {"strategy", &strategy}, {"cache-mode", &cache_mode}));
DEFINE(job, ONE_OF(&steps_job, &calling_job));
DEFINE(jobs, MAP_OF(non_empty, job));

/* The whole file. */
const struct schema schema_workflow = {
    MAPPING({"on", &on, .required = true}, {"name", &string}, {"description", &string},
            {"run-name", &run_name}, {"defaults", &workflow_defaults}, {"env", &workflow_env},
            {"permissions", &permissions}, {"concurrency", &workflow_concurrency},
            {"cache-mode", &cache_mode}, {"jobs", &jobs, .required = true},
            {"enable-email-notifications", &boolean, .forge = true}),
};
