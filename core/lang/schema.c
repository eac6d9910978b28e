/*
 * The schema, as a table. Read it from the root down: a row names a definition, says what it is, what expressions in it
 * may use, and which definitions stand below it.
 */
#include "schema.h"

#include <pthread.h>

#include "runfs/str.h"

/* What expressions may use: contexts, then functions. */
enum {
    NOTHING = 0,
    GITHUB = 1 << 0,
    INPUTS = 1 << 1,
    VARS = 1 << 2,
    NEEDS = 1 << 3,
    STRATEGY = 1 << 4,
    MATRIX = 1 << 5,
    SECRETS = 1 << 6,
    STEPS = 1 << 7,
    JOB = 1 << 8,
    RUNNER = 1 << 9,
    ENV = 1 << 10,
    JOBS = 1 << 11,
    ALWAYS = 1 << 12,
    CANCELLED = 1 << 13,
    SUCCESS = 1 << 14,    /* success() */
    FAILURE = 1 << 15,    /* failure() */
    SUCCESS_OF = 1 << 16, /* success('job', ...) */
    FAILURE_OF = 1 << 17,
    HASHFILES = 1 << 18,
    BASE_CTX = GITHUB | INPUTS | VARS,
    NEEDS_CTX = BASE_CTX | NEEDS,
    MATRIX_CTX = NEEDS_CTX | STRATEGY | MATRIX,
    RUNNER_CTX = MATRIX_CTX | SECRETS | STEPS | JOB | RUNNER | ENV,
    STEP_CTX = RUNNER_CTX | HASHFILES,
};

static const char *const context_names[] = {"github", "inputs", "vars", "needs", "strategy", "matrix",
                                            "secrets", "steps", "job", "runner", "env", "jobs"};

static const struct {
    uint32_t bit;
    struct expr_function function;
} function_names[] = {
    {ALWAYS, {"always", 0, 0}},       {CANCELLED, {"cancelled", 0, 0}},    {SUCCESS, {"success", 0, 0}},
    {FAILURE, {"failure", 0, 0}},     {SUCCESS_OF, {"success", 0, 255}},   {FAILURE_OF, {"failure", 0, 255}},
    {HASHFILES, {"hashFiles", 1, 255}},
};

#define REQUIRED true
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PROPERTIES(...) ((const struct property[]){__VA_ARGS__, {0}})

#define STRING(n, u) {.name = (n), .kind = DEF_STRING, .uses = (u)}
#define NON_EMPTY(n, u) {.name = (n), .kind = DEF_STRING, .uses = (u), .non_empty = true}
#define CONSTANT(n, v) {.name = (n), .kind = DEF_CONSTANT, .values = LIST(v)}
#define VALUES(n, ...) {.name = (n), .kind = DEF_VALUES, .values = LIST(__VA_ARGS__)}
#define BOOLEAN(n, u) {.name = (n), .kind = DEF_BOOLEAN, .uses = (u)}
#define NUMBER(n, u) {.name = (n), .kind = DEF_NUMBER, .uses = (u)}
#define NULL_ONLY(n) {.name = (n), .kind = DEF_NULL}
#define SEQUENCE(n, i) {.name = (n), .kind = DEF_SEQUENCE, .item = (i)}
#define ONE_OF(n, u, ...) {.name = (n), .kind = DEF_ONE_OF, .uses = (u), .values = LIST(__VA_ARGS__)}
#define MAPPING(n, u, ...) {.name = (n), .kind = DEF_MAPPING, .uses = (u), .properties = PROPERTIES(__VA_ARGS__)}
#define LOOSE(n, u, k, v) {.name = (n), .kind = DEF_MAPPING, .uses = (u), .loose_key = (k), .loose_value = (v)}
#define MAPPING_LOOSE(n, u, k, v, ...)                                                                                 \
    {.name = (n), .kind = DEF_MAPPING, .uses = (u), .loose_key = (k), .loose_value = (v),                              \
     .properties = PROPERTIES(__VA_ARGS__)}
/* `types:` of an event: one activity, or a list of them. */
#define ACTIVITY(n, ...)                                                                                               \
    ONE_OF(n "-activity", NOTHING, n "-activity-type", n "-activity-types"),                                           \
        SEQUENCE(n "-activity-types", n "-activity-type"), VALUES(n "-activity-type", __VA_ARGS__)

/* clang-format off */
static const struct definition definitions[] = {
    /* the built-in ones */
    STRING("string", NOTHING), BOOLEAN("boolean", NOTHING), NUMBER("number", NOTHING), NULL_ONLY("null"),
    SEQUENCE("sequence", "any"), LOOSE("mapping", NOTHING, "string", "any"),
    ONE_OF("any", NOTHING, "null", "boolean", "number", "string", "sequence", "mapping"),
    /* the names of events, where `on` is a string or a list */
    CONSTANT("branch-protection-rule-string", "branch_protection_rule"),
    CONSTANT("check-run-string", "check_run"),
    CONSTANT("check-suite-string", "check_suite"),
    CONSTANT("create-string", "create"),
    CONSTANT("delete-string", "delete"),
    CONSTANT("deployment-string", "deployment"),
    CONSTANT("deployment-status-string", "deployment_status"),
    CONSTANT("discussion-string", "discussion"),
    CONSTANT("discussion-comment-string", "discussion_comment"),
    CONSTANT("fork-string", "fork"),
    CONSTANT("gollum-string", "gollum"),
    CONSTANT("image-version-string", "image_version"),
    CONSTANT("issue-comment-string", "issue_comment"),
    CONSTANT("issues-string", "issues"),
    CONSTANT("label-string", "label"),
    CONSTANT("merge-group-string", "merge_group"),
    CONSTANT("milestone-string", "milestone"),
    CONSTANT("page-build-string", "page_build"),
    CONSTANT("project-string", "project"),
    CONSTANT("project-card-string", "project_card"),
    CONSTANT("project-column-string", "project_column"),
    CONSTANT("public-string", "public"),
    CONSTANT("pull-request-string", "pull_request"),
    CONSTANT("pull-request-comment-string", "pull_request_comment"),
    CONSTANT("pull-request-review-string", "pull_request_review"),
    CONSTANT("pull-request-review-comment-string", "pull_request_review_comment"),
    CONSTANT("pull-request-target-string", "pull_request_target"),
    CONSTANT("push-string", "push"),
    CONSTANT("registry-package-string", "registry_package"),
    CONSTANT("release-string", "release"),
    CONSTANT("repository-dispatch-string", "repository_dispatch"),
    CONSTANT("schedule-string", "schedule"),
    CONSTANT("status-string", "status"),
    CONSTANT("watch-string", "watch"),
    CONSTANT("workflow-call-string", "workflow_call"),
    CONSTANT("workflow-dispatch-string", "workflow_dispatch"),
    CONSTANT("workflow-run-string", "workflow_run"),
    /* their activity types: one, or a list */
    ACTIVITY("branch-protection-rule", "created", "edited", "deleted"),
    ACTIVITY("check-run", "completed", "created", "rerequested", "requested_action"),
    ACTIVITY("check-suite", "completed"),
    ACTIVITY("discussion", "created", "edited", "deleted", "transferred", "pinned", "unpinned", "labeled",
        "unlabeled", "locked", "unlocked", "category_changed", "answered", "unanswered"),
    ACTIVITY("discussion-comment", "created", "edited", "deleted"),
    ACTIVITY("image-version", "created", "ready", "deleted"),
    ACTIVITY("issue-comment", "created", "edited", "deleted"),
    ACTIVITY("issues", "opened", "edited", "deleted", "transferred", "pinned", "unpinned", "closed",
        "reopened", "assigned", "unassigned", "labeled", "unlabeled", "locked", "unlocked", "milestoned",
        "demilestoned", "field_added", "field_removed", "typed", "untyped"),
    ACTIVITY("label", "created", "edited", "deleted"),
    ACTIVITY("merge-group", "checks_requested"),
    ACTIVITY("milestone", "created", "closed", "opened", "edited", "deleted"),
    ACTIVITY("project", "created", "closed", "reopened", "edited", "deleted"),
    ACTIVITY("project-card", "created", "moved", "converted", "edited", "deleted"),
    ACTIVITY("project-column", "created", "updated", "moved", "deleted"),
    ACTIVITY("pull-request", "assigned", "unassigned", "labeled", "unlabeled", "opened", "edited",
        "closed", "reopened", "synchronize", "converted_to_draft", "locked", "unlocked", "enqueued",
        "dequeued", "milestoned", "demilestoned", "ready_for_review", "review_requested",
        "review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "stacked"),
    ACTIVITY("pull-request-review", "submitted", "edited", "dismissed"),
    ACTIVITY("pull-request-review-comment", "created", "edited", "deleted"),
    ACTIVITY("pull-request-target", "assigned", "unassigned", "labeled", "unlabeled", "opened", "edited",
        "closed", "reopened", "synchronize", "converted_to_draft", "locked", "unlocked", "enqueued",
        "dequeued", "milestoned", "demilestoned", "ready_for_review", "review_requested",
        "review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "stacked"),
    ACTIVITY("registry-package", "published", "updated"),
    ACTIVITY("release", "published", "unpublished", "created", "edited", "deleted", "prereleased",
        "released"),
    ACTIVITY("watch", "started"),
    ACTIVITY("workflow-run", "requested", "completed", "in_progress"),
    /* everything else, from the root down */
    MAPPING("workflow-root-strict", NOTHING, {"on", "on-strict", REQUIRED}, {"name", "workflow-name"}, {"description", "workflow-description"},
        {"run-name", "run-name"}, {"defaults", "workflow-defaults"}, {"env", "workflow-env"},
        {"permissions", "permissions"}, {"concurrency", "workflow-concurrency"},
        {"jobs", "jobs", REQUIRED}),
    ONE_OF("on-strict", NOTHING, "on-string-strict", "on-sequence-strict", "on-mapping-strict"),
    ONE_OF("on-string-strict", NOTHING, "branch-protection-rule-string", "check-run-string",
        "check-suite-string", "create-string", "delete-string", "deployment-string",
        "deployment-status-string", "discussion-string", "discussion-comment-string", "fork-string",
        "gollum-string", "image-version-string", "issue-comment-string", "issues-string", "label-string",
        "merge-group-string", "milestone-string", "page-build-string", "project-string",
        "project-card-string", "project-column-string", "public-string", "pull-request-string",
        "pull-request-comment-string", "pull-request-review-string", "pull-request-review-comment-string",
        "pull-request-target-string", "push-string", "registry-package-string", "release-string",
        "repository-dispatch-string", "schedule-string", "status-string", "watch-string",
        "workflow-call-string", "workflow-dispatch-string", "workflow-run-string"),
    SEQUENCE("on-sequence-strict", "on-string-strict"),
    MAPPING("on-mapping-strict", NOTHING, {"branch_protection_rule", "branch-protection-rule"},
        {"check_run", "check-run"}, {"check_suite", "check-suite"}, {"create", "create"},
        {"delete", "delete"}, {"deployment", "deployment"}, {"deployment_status", "deployment-status"},
        {"discussion", "discussion"}, {"discussion_comment", "discussion-comment"}, {"fork", "fork"},
        {"gollum", "gollum"}, {"image_version", "image-version"}, {"issue_comment", "issue-comment"},
        {"issues", "issues"}, {"label", "label"}, {"merge_group", "merge-group"},
        {"milestone", "milestone"}, {"page_build", "page-build"}, {"project", "project"},
        {"project_card", "project-card"}, {"project_column", "project-column"}, {"public", "public"},
        {"pull_request", "pull-request"}, {"pull_request_comment", "pull-request-comment"},
        {"pull_request_review", "pull-request-review"},
        {"pull_request_review_comment", "pull-request-review-comment"},
        {"pull_request_target", "pull-request-target"}, {"push", "push"},
        {"registry_package", "registry-package"}, {"release", "release"},
        {"repository_dispatch", "repository-dispatch"}, {"schedule", "schedule"}, {"status", "status"},
        {"watch", "watch"}, {"workflow_call", "workflow-call"}, {"workflow_dispatch", "workflow-dispatch"},
        {"workflow_run", "workflow-run"}),
    ONE_OF("branch-protection-rule", NOTHING, "null", "branch-protection-rule-mapping"),
    MAPPING("branch-protection-rule-mapping", NOTHING, {"types", "branch-protection-rule-activity"}),
    ONE_OF("check-run", NOTHING, "null", "check-run-mapping"),
    MAPPING("check-run-mapping", NOTHING, {"types", "check-run-activity"}),
    ONE_OF("check-suite", NOTHING, "null", "check-suite-mapping"),
    MAPPING("check-suite-mapping", NOTHING, {"types", "check-suite-activity"}),
    NULL_ONLY("create"),
    NULL_ONLY("delete"),
    NULL_ONLY("deployment"),
    NULL_ONLY("deployment-status"),
    ONE_OF("discussion", NOTHING, "null", "discussion-mapping"),
    MAPPING("discussion-mapping", NOTHING, {"types", "discussion-activity"}),
    ONE_OF("discussion-comment", NOTHING, "null", "discussion-comment-mapping"),
    MAPPING("discussion-comment-mapping", NOTHING, {"types", "discussion-comment-activity"}),
    NULL_ONLY("fork"),
    NULL_ONLY("gollum"),
    ONE_OF("image-version", NOTHING, "null", "image-version-mapping"),
    MAPPING("image-version-mapping", NOTHING, {"types", "image-version-activity"},
        {"names", "event-names"}, {"versions", "event-versions"}),
    ONE_OF("event-names", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    NON_EMPTY("non-empty-string", NOTHING),
    SEQUENCE("sequence-of-non-empty-string", "non-empty-string"),
    ONE_OF("event-versions", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("issue-comment", NOTHING, "null", "issue-comment-mapping"),
    MAPPING("issue-comment-mapping", NOTHING, {"types", "issue-comment-activity"}),
    ONE_OF("issues", NOTHING, "null", "issues-mapping"),
    MAPPING("issues-mapping", NOTHING, {"types", "issues-activity"}),
    ONE_OF("label", NOTHING, "null", "label-mapping"),
    MAPPING("label-mapping", NOTHING, {"types", "label-activity"}),
    ONE_OF("merge-group", NOTHING, "null", "merge-group-mapping"),
    MAPPING("merge-group-mapping", NOTHING, {"types", "merge-group-activity"},
        {"branches", "event-branches"}, {"branches-ignore", "event-branches-ignore"}),
    ONE_OF("event-branches", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("event-branches-ignore", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("milestone", NOTHING, "null", "milestone-mapping"),
    MAPPING("milestone-mapping", NOTHING, {"types", "milestone-activity"}),
    NULL_ONLY("page-build"),
    ONE_OF("project", NOTHING, "null", "project-mapping"),
    MAPPING("project-mapping", NOTHING, {"types", "project-activity"}),
    ONE_OF("project-card", NOTHING, "null", "project-card-mapping"),
    MAPPING("project-card-mapping", NOTHING, {"types", "project-card-activity"}),
    ONE_OF("project-column", NOTHING, "null", "project-column-mapping"),
    MAPPING("project-column-mapping", NOTHING, {"types", "project-column-activity"}),
    NULL_ONLY("public"),
    ONE_OF("pull-request", NOTHING, "null", "pull-request-mapping"),
    MAPPING("pull-request-mapping", NOTHING, {"types", "pull-request-activity"},
        {"branches", "event-branches"}, {"branches-ignore", "event-branches-ignore"},
        {"paths", "event-paths"}, {"paths-ignore", "event-paths-ignore"}),
    ONE_OF("event-paths", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("event-paths-ignore", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("pull-request-comment", NOTHING, "null", "issue-comment-mapping"),
    ONE_OF("pull-request-review", NOTHING, "null", "pull-request-review-mapping"),
    MAPPING("pull-request-review-mapping", NOTHING, {"types", "pull-request-review-activity"}),
    ONE_OF("pull-request-review-comment", NOTHING, "null", "pull-request-review-comment-mapping"),
    MAPPING("pull-request-review-comment-mapping", NOTHING,
        {"types", "pull-request-review-comment-activity"}),
    ONE_OF("pull-request-target", NOTHING, "null", "pull-request-target-mapping"),
    MAPPING("pull-request-target-mapping", NOTHING, {"types", "pull-request-target-activity"},
        {"branches", "event-branches"}, {"branches-ignore", "event-branches-ignore"},
        {"paths", "event-paths"}, {"paths-ignore", "event-paths-ignore"}),
    ONE_OF("push", NOTHING, "null", "push-mapping"),
    MAPPING("push-mapping", NOTHING, {"branches", "event-branches"},
        {"branches-ignore", "event-branches-ignore"}, {"tags", "event-tags"},
        {"tags-ignore", "event-tags-ignore"}, {"paths", "event-paths"},
        {"paths-ignore", "event-paths-ignore"}),
    ONE_OF("event-tags", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("event-tags-ignore", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    ONE_OF("registry-package", NOTHING, "null", "registry-package-mapping"),
    MAPPING("registry-package-mapping", NOTHING, {"types", "registry-package-activity"}),
    ONE_OF("release", NOTHING, "null", "release-mapping"),
    MAPPING("release-mapping", NOTHING, {"types", "release-activity"}),
    ONE_OF("repository-dispatch", NOTHING, "null", "repository-dispatch-mapping"),
    MAPPING("repository-dispatch-mapping", NOTHING, {"types", "sequence-of-non-empty-string"}),
    SEQUENCE("schedule", "cron-mapping"),
    MAPPING("cron-mapping", NOTHING, {"cron", "cron-pattern", REQUIRED}, {"timezone", "timezone-string"}),
    NON_EMPTY("cron-pattern", NOTHING),
    NON_EMPTY("timezone-string", NOTHING),
    NULL_ONLY("status"),
    ONE_OF("watch", NOTHING, "null", "watch-mapping"),
    MAPPING("watch-mapping", NOTHING, {"types", "watch-activity"}),
    ONE_OF("workflow-call", NOTHING, "null", "workflow-call-mapping"),
    MAPPING("workflow-call-mapping", NOTHING, {"inputs", "workflow-call-inputs"},
        {"secrets", "workflow-call-secrets"}, {"outputs", "workflow-call-outputs"}),
    LOOSE("workflow-call-inputs", NOTHING, "non-empty-string", "workflow-call-input-definition"),
    MAPPING("workflow-call-input-definition", NOTHING, {"description", "string"},
        {"type", "workflow-call-input-type", REQUIRED}, {"required", "boolean"},
        {"default", "workflow-call-input-default"}),
    ONE_OF("workflow-call-input-type", NOTHING, "input-type-string", "input-type-boolean",
        "input-type-number"),
    CONSTANT("input-type-string", "string"),
    CONSTANT("input-type-boolean", "boolean"),
    CONSTANT("input-type-number", "number"),
    ONE_OF("workflow-call-input-default", BASE_CTX, "string", "boolean", "number"),
    LOOSE("workflow-call-secrets", NOTHING, "workflow-call-secret-name", "workflow-call-secret-definition"),
    NON_EMPTY("workflow-call-secret-name", NOTHING),
    ONE_OF("workflow-call-secret-definition", NOTHING, "null", "workflow-call-secret-mapping-definition"),
    MAPPING("workflow-call-secret-mapping-definition", NOTHING, {"description", "string"},
        {"required", "boolean"}),
    LOOSE("workflow-call-outputs", NOTHING, "workflow-call-output-name", "workflow-call-output-definition"),
    NON_EMPTY("workflow-call-output-name", NOTHING),
    MAPPING("workflow-call-output-definition", NOTHING, {"description", "string"},
        {"value", "workflow-output-context", REQUIRED}),
    STRING("workflow-output-context", BASE_CTX | JOBS),
    ONE_OF("workflow-dispatch", NOTHING, "null", "workflow-dispatch-mapping"),
    MAPPING("workflow-dispatch-mapping", NOTHING, {"inputs", "workflow-dispatch-inputs"}),
    LOOSE("workflow-dispatch-inputs", NOTHING, "workflow-dispatch-input-name", "workflow-dispatch-input"),
    NON_EMPTY("workflow-dispatch-input-name", NOTHING),
    MAPPING("workflow-dispatch-input", NOTHING, {"description", "string"},
        {"type", "workflow-dispatch-input-type"}, {"required", "boolean"},
        {"default", "workflow-dispatch-input-default"}, {"options", "sequence-of-string"}),
    ONE_OF("workflow-dispatch-input-type", NOTHING, "input-type-string", "input-type-boolean",
        "input-type-number", "input-type-environment", "input-type-choice"),
    CONSTANT("input-type-environment", "environment"),
    CONSTANT("input-type-choice", "choice"),
    ONE_OF("workflow-dispatch-input-default", NOTHING, "string", "boolean", "number"),
    SEQUENCE("sequence-of-string", "string"),
    ONE_OF("workflow-run", NOTHING, "null", "workflow-run-mapping"),
    MAPPING("workflow-run-mapping", NOTHING, {"types", "workflow-run-activity"},
        {"workflows", "workflow-run-workflows"}, {"branches", "event-branches"},
        {"branches-ignore", "event-branches-ignore"}),
    ONE_OF("workflow-run-workflows", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    STRING("workflow-name", NOTHING),
    STRING("workflow-description", NOTHING),
    STRING("run-name", BASE_CTX),
    MAPPING("workflow-defaults", NOTHING, {"run", "workflow-defaults-run"}),
    MAPPING("workflow-defaults-run", NOTHING, {"shell", "shell"},
        {"working-directory", "working-directory"}),
    NON_EMPTY("shell", NOTHING),
    NON_EMPTY("working-directory", NOTHING),
    LOOSE("workflow-env", BASE_CTX | SECRETS, "non-empty-string", "string"),
    ONE_OF("permissions", NOTHING, "permissions-mapping", "permission-level-shorthand-read-all",
        "permission-level-shorthand-write-all"),
    MAPPING("permissions-mapping", NOTHING, {"actions", "permission-level-any"},
        {"artifact-metadata", "permission-level-any"}, {"attestations", "permission-level-any"},
        {"checks", "permission-level-any"}, {"code-quality", "permission-level-any"},
        {"contents", "permission-level-any"}, {"copilot-requests", "permission-level-write-or-no-access"},
        {"deployments", "permission-level-any"}, {"discussions", "permission-level-any"},
        {"drives", "permission-level-any"}, {"id-token", "permission-level-write-or-no-access"},
        {"issues", "permission-level-any"}, {"models", "permission-level-read-or-no-access"},
        {"packages", "permission-level-any"}, {"pages", "permission-level-any"},
        {"pull-requests", "permission-level-any"}, {"repository-projects", "permission-level-any"},
        {"security-events", "permission-level-any"}, {"statuses", "permission-level-any"},
        {"vulnerability-alerts", "permission-level-read-or-no-access"}),
    ONE_OF("permission-level-any", NOTHING, "permission-level-read", "permission-level-write",
        "permission-level-no-access"),
    CONSTANT("permission-level-read", "read"),
    CONSTANT("permission-level-write", "write"),
    CONSTANT("permission-level-no-access", "none"),
    ONE_OF("permission-level-write-or-no-access", NOTHING, "permission-level-write",
        "permission-level-no-access"),
    ONE_OF("permission-level-read-or-no-access", NOTHING, "permission-level-read",
        "permission-level-no-access"),
    CONSTANT("permission-level-shorthand-read-all", "read-all"),
    CONSTANT("permission-level-shorthand-write-all", "write-all"),
    ONE_OF("workflow-concurrency", BASE_CTX, "string", "concurrency-mapping"),
    MAPPING("concurrency-mapping", NOTHING, {"group", "non-empty-string", REQUIRED},
        {"cancel-in-progress", "boolean"}, {"queue", "concurrency-queue"}),
    VALUES("concurrency-queue", "single", "max"),
    LOOSE("jobs", NOTHING, "job-id", "job"),
    NON_EMPTY("job-id", NOTHING),
    ONE_OF("job", NOTHING, "job-factory", "workflow-job"),
    MAPPING("job-factory", NOTHING, {"needs", "needs"}, {"if", "job-if"}, {"strategy", "strategy"},
        {"name", "string-strategy-context"}, {"runs-on", "runs-on", REQUIRED},
        {"timeout-minutes", "number-strategy-context"},
        {"cancel-timeout-minutes", "number-strategy-context"},
        {"continue-on-error", "boolean-strategy-context"}, {"container", "container"},
        {"services", "services"}, {"env", "job-env"}, {"environment", "job-environment"},
        {"permissions", "permissions"}, {"concurrency", "job-concurrency"}, {"outputs", "job-outputs"},
        {"defaults", "job-defaults"}, {"steps", "steps"}, {"snapshot", "snapshot"}),
    ONE_OF("needs", NOTHING, "sequence-of-non-empty-string", "non-empty-string"),
    STRING("job-if", NEEDS_CTX | ALWAYS | FAILURE_OF | CANCELLED | SUCCESS_OF),
    MAPPING("strategy", NEEDS_CTX, {"fail-fast", "boolean"}, {"max-parallel", "number"},
        {"matrix", "matrix"}),
    MAPPING_LOOSE("matrix", NOTHING, "non-empty-string", "sequence", {"include", "matrix-filter"},
        {"exclude", "matrix-filter"}),
    SEQUENCE("matrix-filter", "matrix-filter-item"),
    LOOSE("matrix-filter-item", NOTHING, "non-empty-string", "any"),
    STRING("string-strategy-context", MATRIX_CTX),
    ONE_OF("runs-on", MATRIX_CTX, "non-empty-string", "sequence-of-non-empty-string", "runs-on-mapping"),
    MAPPING("runs-on-mapping", NOTHING, {"group", "non-empty-string"}, {"labels", "runs-on-labels"}),
    ONE_OF("runs-on-labels", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    NUMBER("number-strategy-context", MATRIX_CTX),
    BOOLEAN("boolean-strategy-context", MATRIX_CTX),
    ONE_OF("container", MATRIX_CTX, "string", "container-mapping"),
    MAPPING("container-mapping", NOTHING, {"image", "non-empty-string"}, {"options", "string"},
        {"env", "container-env"}, {"ports", "sequence-of-non-empty-string"},
        {"volumes", "sequence-of-non-empty-string"}, {"credentials", "container-registry-credentials"}),
    LOOSE("container-env", NOTHING, "non-empty-string", "string-runner-context"),
    STRING("string-runner-context", RUNNER_CTX),
    MAPPING("container-registry-credentials", BASE_CTX | SECRETS | ENV, {"username", "non-empty-string"},
        {"password", "non-empty-string"}),
    LOOSE("services", MATRIX_CTX, "non-empty-string", "services-container"),
    ONE_OF("services-container", MATRIX_CTX, "non-empty-string", "service-container-mapping"),
    MAPPING("service-container-mapping", NOTHING, {"image", "non-empty-string"}, {"options", "string"},
        {"env", "container-env"}, {"ports", "sequence-of-non-empty-string"},
        {"volumes", "sequence-of-non-empty-string"}, {"credentials", "container-registry-credentials"},
        {"entrypoint", "string"}, {"command", "string"}),
    LOOSE("job-env", MATRIX_CTX | SECRETS, "non-empty-string", "string"),
    ONE_OF("job-environment", MATRIX_CTX, "string", "job-environment-mapping"),
    MAPPING("job-environment-mapping", NOTHING, {"name", "job-environment-name", REQUIRED},
        {"url", "string-runner-context-no-secrets"}, {"deployment", "boolean"}),
    STRING("job-environment-name", MATRIX_CTX),
    STRING("string-runner-context-no-secrets", MATRIX_CTX | STEPS | JOB | RUNNER | ENV),
    ONE_OF("job-concurrency", MATRIX_CTX, "non-empty-string", "concurrency-mapping"),
    LOOSE("job-outputs", NOTHING, "non-empty-string", "string-runner-context"),
    MAPPING("job-defaults", NOTHING, {"run", "job-defaults-run"}),
    MAPPING("job-defaults-run", MATRIX_CTX | ENV, {"shell", "shell"},
        {"working-directory", "working-directory"}),
    SEQUENCE("steps", "steps-item"),
    ONE_OF("steps-item", NOTHING, "run-step", "regular-step", "wait-step", "wait-all-step", "cancel-step",
        "parallel-step"),
    MAPPING("run-step", NOTHING, {"name", "step-name"}, {"id", "step-id"}, {"if", "step-if"},
        {"timeout-minutes", "step-timeout-minutes"}, {"run", "string-steps-context", REQUIRED},
        {"continue-on-error", "step-continue-on-error"}, {"env", "step-env"},
        {"working-directory", "string-steps-context"}, {"shell", "shell"},
        {"background", "step-background"}),
    STRING("step-name", STEP_CTX),
    NON_EMPTY("step-id", NOTHING),
    STRING("step-if", MATRIX_CTX | STEPS | JOB | RUNNER | ENV | ALWAYS | FAILURE | CANCELLED | SUCCESS | HASHFILES),
    NUMBER("step-timeout-minutes", STEP_CTX),
    STRING("string-steps-context", STEP_CTX),
    BOOLEAN("step-continue-on-error", STEP_CTX),
    LOOSE("step-env", STEP_CTX, "non-empty-string", "string"),
    BOOLEAN("step-background", NOTHING),
    MAPPING("regular-step", NOTHING, {"name", "step-name"}, {"id", "step-id"}, {"if", "step-if"},
        {"continue-on-error", "step-continue-on-error"}, {"timeout-minutes", "step-timeout-minutes"},
        {"uses", "step-uses", REQUIRED}, {"with", "step-with"}, {"env", "step-env"},
        {"background", "step-background"}),
    NON_EMPTY("step-uses", NOTHING),
    LOOSE("step-with", STEP_CTX, "non-empty-string", "string"),
    MAPPING("wait-step", NOTHING, {"name", "step-name"}, {"id", "step-id"},
        {"continue-on-error", "step-continue-on-error"}, {"wait", "step-wait-target", REQUIRED}),
    ONE_OF("step-wait-target", NOTHING, "non-empty-string", "sequence-of-non-empty-string"),
    MAPPING("wait-all-step", NOTHING, {"name", "step-name"}, {"id", "step-id"},
        {"continue-on-error", "step-continue-on-error"}, {"wait-all", "step-wait-all-value", REQUIRED}),
    ONE_OF("step-wait-all-value", NOTHING, "null", "boolean"),
    MAPPING("cancel-step", NOTHING, {"name", "step-name"}, {"id", "step-id"},
        {"continue-on-error", "step-continue-on-error"}, {"cancel", "step-cancel-target", REQUIRED}),
    NON_EMPTY("step-cancel-target", NOTHING),
    MAPPING("parallel-step", NOTHING, {"parallel", "parallel-steps", REQUIRED}),
    SEQUENCE("parallel-steps", "steps-item"),
    ONE_OF("snapshot", NOTHING, "non-empty-string", "snapshot-mapping"),
    MAPPING("snapshot-mapping", NOTHING, {"image-name", "non-empty-string", REQUIRED},
        {"if", "snapshot-if"}, {"version", "non-empty-string"}),
    STRING("snapshot-if", MATRIX_CTX),
    MAPPING("workflow-job", NOTHING, {"name", "string-strategy-context"},
        {"uses", "non-empty-string", REQUIRED}, {"with", "workflow-job-with"},
        {"secrets", "workflow-job-secrets"}, {"needs", "needs"}, {"if", "job-if"},
        {"permissions", "permissions"}, {"concurrency", "job-concurrency"}, {"strategy", "strategy"}),
    LOOSE("workflow-job-with", NOTHING, "non-empty-string", "scalar-needs-context"),
    ONE_OF("scalar-needs-context", MATRIX_CTX, "string", "boolean", "number"),
    ONE_OF("workflow-job-secrets", NOTHING, "workflow-job-secrets-mapping", "workflow-job-secrets-inherit"),
    LOOSE("workflow-job-secrets-mapping", NOTHING, "non-empty-string", "scalar-needs-context-with-secrets"),
    ONE_OF("scalar-needs-context-with-secrets", MATRIX_CTX | SECRETS, "string", "boolean", "number"),
    CONSTANT("workflow-job-secrets-inherit", "inherit"),
};
/* clang-format on */

enum { INDEX_SIZE = 1024 };
static uint16_t name_index[INDEX_SIZE]; /* position + 1, open addressing */
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

_Static_assert(ARRAY_LEN(definitions) < INDEX_SIZE / 2, "the index stays sparse");

static uint32_t name_hash(const char *s)
{
    uint32_t h = 2166136261u;

    while (*s)
        h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

static void index_build(void)
{
    for (size_t i = 0; i < ARRAY_LEN(definitions); i++) {
        uint32_t at = name_hash(definitions[i].name) % INDEX_SIZE;
        while (name_index[at])
            at = (at + 1) % INDEX_SIZE;
        name_index[at] = (uint16_t)(i + 1);
    }
}

const struct definition *schema_find(const char *name)
{
    pthread_once(&index_once, index_build);
    for (uint32_t at = name_hash(name) % INDEX_SIZE; name_index[at]; at = (at + 1) % INDEX_SIZE)
        if (str_eq(definitions[name_index[at] - 1].name, name))
            return &definitions[name_index[at] - 1];
    return NULL;
}

void schema_scope(uint32_t uses, struct expr_scope *ret, const char *names[], struct expr_function functions[])
{
    size_t n = 0, f = 0;

    for (size_t i = 0; i < ARRAY_LEN(context_names); i++)
        if (uses & (1u << i))
            names[n++] = context_names[i];
    names[n] = NULL;
    for (size_t i = 0; i < ARRAY_LEN(function_names); i++)
        if (uses & function_names[i].bit)
            functions[f++] = function_names[i].function;
    functions[f] = (struct expr_function){0};
    *ret = (struct expr_scope){.named_values = names, .functions = functions};
}
