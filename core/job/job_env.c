/* What a job's expressions and processes see: contexts and environments, layer by layer. */
#include "job_internal.h"
#include "process.h"

#include <math.h>
#include <sys/utsname.h>

#include "runfs/io.h"
#include "runfs/str.h"

static const char runner_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *context_str(const struct running_job *j, const char *context, const char *key)
{
    const char *s = json_string_value(json_object_get(json_object_get(j->scope.contexts, context), key));

    return s ? s : "";
}

/* RUNNER_ARCH as GitHub names it. */
static const char *runner_arch(void)
{
    struct utsname u;

    if (uname(&u) < 0)
        return "X64";
    return str_eq(u.machine, "aarch64") ? "ARM64" : str_starts(u.machine, "arm") ? "ARM" : "X64";
}

/* A rerun may ask for it. Else a secret or a variable of that name says whether a step's `::debug::` lines
 * are shown (GitHub documentation, "Enabling debug logging"). */
static bool wants_debug(const struct job_spec *spec)
{
    static const char *const places[] = {"secrets", "vars"};

    if (spec->debug)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        json_t *place = json_object_get(spec->contexts, places[i]);
        const char *text = json_string_value(json_object_get(place, "ACTIONS_STEP_DEBUG"));
        if (text && str_eq_ascii_nocase(text, "true"))
            return true;
    }
    return false;
}

/* The directory that the workspace is in: of all that this repository's jobs have in the machine. */
static void add_runner_workspace(const struct running_job *j, struct buf *ret)
{
    const char *workspace = machine_paths(j->machine)->workspace, *slash = strrchr(workspace, '/');

    buf_add(ret, workspace, slash ? (size_t)(slash - workspace) : 0);
}

static json_t *runner_context(const struct running_job *j)
{
    const struct machine_paths *paths = machine_paths(j->machine);
    json_t *debug = j->debug ? json_string("1") : NULL;
    _buf_ struct buf workspace = BUF_INIT;

    add_runner_workspace(j, &workspace);

    return json_pack("{s:s, s:s, s:s, s:o*, s:s, s:s, s:s, s:s}", "os", "Linux", "arch", runner_arch(),
                     "name", j->spec->runner_name, "debug", debug, "environment", "self-hosted", "temp",
                     paths->temp, "tool_cache", paths->tool_cache, "workspace", buf_str(&workspace));
}

/* "Decided by the job's status, but inside of a composite by the action's own": GitHub's runner, status
 * functions. */
int job_call(void *data, const char *function, const struct value *args, size_t n, struct value *ret,
             struct err *err)
{
    const struct running_step *s = data;
    const struct running_job *j = s->job;
    enum job_status status = s->stage == STAGE_MAIN ? s->scope->status : j->scope.status;
    bool cancelled = j->scope.status == JOB_CANCELLED || atomic_load(j->spec->cancelled);

    if (str_eq_ascii_nocase(function, "always"))
        *ret = value_boolean(true);
    else if (str_eq_ascii_nocase(function, "cancelled"))
        *ret = value_boolean(cancelled);
    else if (str_eq_ascii_nocase(function, "success"))
        *ret = value_boolean(status == JOB_SUCCESS && !cancelled);
    else if (str_eq_ascii_nocase(function, "failure"))
        *ret = value_boolean(status == JOB_FAILURE && !cancelled);
    else if (str_eq_ascii_nocase(function, "hashfiles"))
        return hash_files(data, args, n, ret, err);
    else
        return err_set(err, -EINVAL, "%s() is not available here", function);
    return 0;
}

int env_add(const struct token *t, const char *file, const struct expr_env *env, json_t *into,
            struct err *err)
{
    _json_ json_t *layer = NULL;
    const char *key;
    json_t *value;

    if (!t)
        return 0;
    int r = token_eval(t, file, env, &layer, err);
    json_object_foreach(layer, key, value)
    {
        _value_ struct value v = value_from_json(value);
        _buf_ struct buf text = BUF_INIT;
        value_to_string(&v, &text);
        if (json_object_set_new(into, key, json_stringn(buf_str(&text), text.len)) < 0)
            return err_errno(err, -ENOMEM, "env");
    }
    return r;
}

int scope_set_env(struct scope *scope, json_t *user)
{
    json_t *all = json_copy(scope->job->base_env);

    if (!all || json_object_update(all, scope->job->set_env) < 0 ||
        (user && json_object_update(all, user) < 0)) {
        json_decref(all);
        return -ENOMEM;
    }
    return json_object_set_new(scope->contexts, "env", all) < 0 ? -ENOMEM : 0;
}

static int set_deadline(struct running_job *j, const struct expr_env *env, struct err *err)
{
    double minutes;
    int r = token_eval_number(j->spec->job->timeout_minutes, j->scope.file, env, 360, &minutes, err);

    if (r < 0)
        return r;
    if (!(minutes > 0) || minutes > 1e6)
        return err_set(err, -EINVAL, "The value of timeout-minutes must be greater than 0");
    j->deadline = j->until = mono_ns() + (int64_t)(minutes * 60e9);
    return 0;
}

void job_set_cancel_deadline(struct running_job *j)
{
    struct expr_env env = {.contexts = j->scope.contexts};
    double minutes;

    if (j->ending)
        return;
    j->ending = true;
    if (token_eval_number(j->spec->job->cancel_timeout_minutes, j->scope.file, &env, 5, &minutes, NULL) < 0 ||
        !(minutes > 0) || minutes > 1e6)
        minutes = 5;
    j->deadline = mono_ns() + (int64_t)(minutes * 60e9);
}

/* The job context is shared by who saw it before: it is made anew. */
static int tell_job_status(struct scope *scope)
{
    json_t *known = json_object_get(scope->contexts, "job");
    json_t *job = known ? json_copy(known) : json_object();

    if (job)
        json_object_set_new(job, "status", json_string(job_status_name(scope->status)));
    return json_object_set_new(scope->contexts, "job", job);
}

/* The contexts of the job's own steps: the spec's, and those that only a machine can tell. */
static int set_contexts(struct running_job *j)
{
    struct scope *scope = &j->scope;
    _buf_ struct buf event = BUF_INIT;
    json_t *github;

    job_event_path(j, &event);
    scope->contexts =
        json_copy(j->spec->contexts); /* shallow: what is below stays shared and is never changed */
    scope->steps = json_object();
    scope->overrides = json_object();
    github = json_copy(json_object_get(scope->contexts, "github"));
    if (!scope->contexts || !scope->overrides || !github ||
        json_object_set_new(scope->contexts, "steps", scope->steps) < 0 ||
        json_object_set_new(scope->contexts, "runner", runner_context(j)) < 0 ||
        json_object_set_new(github, "workspace", json_string(machine_paths(j->machine)->workspace)) < 0 ||
        json_object_set_new(github, "job", json_string(j->spec->job->id)) < 0 ||
        json_object_set_new(github, "event_path", json_string(buf_str(&event))) < 0 ||
        forge_add_github_token(j->spec->workflow->forge, json_object_get(scope->contexts, "secrets"),
                               github) < 0 ||
        json_object_set_new(scope->contexts, "github", github) < 0 || tell_job_status(scope) < 0)
        return -ENOMEM;
    return 0;
}

int job_prepare(struct running_job *j, struct err *err)
{
    struct running_step before = {.job = j, .scope = &j->scope};
    struct expr_env env;
    int r;

    j->debug = wants_debug(j->spec);
    j->scope.job = j;
    j->scope.file = j->spec->workflow->file;
    j->base_env = json_object();
    j->set_env = json_object();
    j->set_path = json_array();
    if (!j->base_env || !j->set_env || !j->set_path || set_contexts(j) < 0)
        return err_errno(err, -ENOMEM, "cannot start the job");
    env = step_expr_env(&before);
    if (j->spec->env)
        json_object_update(j->base_env, j->spec->env);
    json_object_set(j->scope.contexts, "env", j->base_env);
    r = env_add(j->spec->workflow->env, j->scope.file, &env, j->base_env, err);
    if (r == 0)
        r = env_add(j->spec->job->env, j->scope.file, &env, j->base_env, err);
    if (r == 0 && scope_set_env(&j->scope, NULL) < 0)
        r = err_errno(err, -ENOMEM, "cannot start the job");
    return r < 0 ? r : set_deadline(j, &env, err);
}

void scope_tell_status(struct scope *scope)
{
    (void)tell_job_status(scope);
}

void scope_release(struct scope *scope)
{
    json_decref(scope->contexts);
    json_decref(scope->overrides);
    json_decref(scope->process_env);
    buf_release(&scope->summary);
}

void job_release(struct running_job *j)
{
    uses_free(j);
    matchers_free(j->matchers);
    json_decref(j->subjects);
    job_shells_release(&j->shells);
    scope_release(&j->scope);
    json_decref(j->base_env);
    json_decref(j->set_env);
    json_decref(j->set_path);
}

/* ------------------------------------------------------------------------- the environment of a process */

static void set_str(json_t *env, const char *name, const char *value)
{
    json_object_set_new(env, name, json_string(value));
}

bool allows_unsecure(const struct running_step *s)
{
    json_t *env = json_object_get(s->scope->contexts, "env");
    const char *text = json_string_value(json_object_get(env, "ACTIONS_ALLOW_UNSECURE_COMMANDS"));

    return text && str_eq_ascii_nocase(text, "true");
}

/* GITHUB_* that are values of the github context under another name. */
static const char *const github_variables[][2] = {
    {"GITHUB_ACTOR", "actor"},
    {"GITHUB_ACTOR_ID", "actor_id"},
    {"GITHUB_API_URL", "api_url"},
    {"GITHUB_BASE_REF", "base_ref"},
    {"GITHUB_EVENT_NAME", "event_name"},
    {"GITHUB_GRAPHQL_URL", "graphql_url"},
    {"GITHUB_HEAD_REF", "head_ref"},
    {"GITHUB_JOB", "job"},
    {"GITHUB_REF", "ref"},
    {"GITHUB_REF_NAME", "ref_name"},
    {"GITHUB_REF_PROTECTED", "ref_protected"},
    {"GITHUB_REF_TYPE", "ref_type"},
    {"GITHUB_REPOSITORY", "repository"},
    {"GITHUB_REPOSITORY_ID", "repository_id"},
    {"GITHUB_REPOSITORY_OWNER", "repository_owner"},
    {"GITHUB_REPOSITORY_OWNER_ID", "repository_owner_id"},
    {"GITHUB_RETENTION_DAYS", "retention_days"},
    {"GITHUB_RUN_ATTEMPT", "run_attempt"},
    {"GITHUB_RUN_ID", "run_id"},
    {"GITHUB_RUN_NUMBER", "run_number"},
    {"GITHUB_SERVER_URL", "server_url"},
    {"GITHUB_SHA", "sha"},
    {"GITHUB_TRIGGERING_ACTOR", "triggering_actor"},
    {"GITHUB_WORKFLOW", "workflow"},
    {"GITHUB_WORKFLOW_REF", "workflow_ref"},
    {"GITHUB_WORKFLOW_SHA", "workflow_sha"},
    {"GITHUB_WORKSPACE", "workspace"},
};

static void set_github_variables(const struct running_step *s, json_t *env)
{
    json_t *github = json_object_get(s->scope->contexts, "github");

    for (size_t i = 0; i < ARRAY_LEN(github_variables); i++) {
        _value_ struct value v = value_from_json(json_object_get(github, github_variables[i][1]));
        _buf_ struct buf text = BUF_INIT;
        value_to_string(&v, &text);
        set_str(env, github_variables[i][0], buf_str(&text));
    }
    if (!json_object_get(env, "CI")) /* the only one of them that a workflow may set */
        set_str(env, "CI", "true");
    set_str(env, "GITHUB_ACTIONS", "true");
    set_str(env, "GITHUB_ACTION", s->def->id);
}

static void set_runner_variables(struct running_job *j, json_t *env)
{
    const struct machine_paths *paths = machine_paths(j->machine);
    _buf_ struct buf workspace = BUF_INIT, event = BUF_INIT;

    add_runner_workspace(j, &workspace);
    job_event_path(j, &event);
    set_str(env, "RUNNER_OS", context_str(j, "runner", "os"));
    set_str(env, "RUNNER_ARCH", context_str(j, "runner", "arch"));
    set_str(env, "RUNNER_NAME", context_str(j, "runner", "name"));
    set_str(env, "RUNNER_ENVIRONMENT", context_str(j, "runner", "environment"));
    if (j->debug)
        set_str(env, "RUNNER_DEBUG", "1");
    set_str(env, "RUNNER_TEMP", paths->temp);
    set_str(env, "RUNNER_TOOL_CACHE", paths->tool_cache);
    set_str(env, "RUNNER_WORKSPACE", buf_str(&workspace));
    set_str(env, "GITHUB_EVENT_PATH", buf_str(&event));
}

void job_event_path(const struct running_job *j, struct buf *ret)
{
    buf_addf(ret, "%s/event.json",
             j->spec->container ? "/github/workflow" : machine_paths(j->machine)->files);
}

/* The environment files of a step, by the variable that names each, and its name in the github context. */
static const struct {
    const char *variable, *file, *name;
} step_file_names[] = {{"GITHUB_ARTIFACTS", "artifacts", NULL},
                       {"GITHUB_ARTIFACTS_LIST", "artifacts_list", NULL},
                       {"GITHUB_ENV", "set_env", "env"},
                       {"GITHUB_OUTPUT", "set_output", "output"},
                       {"GITHUB_PATH", "add_path", "path"},
                       {"GITHUB_STATE", "save_state", "state"},
                       {"GITHUB_STEP_SUMMARY", "step_summary", "step_summary"}};

static void set_file_variables(json_t *env, const char *dir)
{
    for (size_t i = 0; i < ARRAY_LEN(step_file_names); i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", dir, step_file_names[i].file);
        set_str(env, step_file_names[i].variable, buf_str(&path));
    }
}

/* A copy: other scopes, and steps in the background, may have the same object. */
int step_set_github(struct running_step *s)
{
    json_t *contexts = s->scope->contexts;
    json_t *github = json_copy(json_object_get(contexts, "github"));
    _buf_ struct buf dir = BUF_INIT;

    s->number = ++s->job->whole->numbered;
    if (!github || json_object_set_new(github, "action", json_string(s->def->id)) < 0) {
        json_decref(github);
        return -ENOMEM;
    }
    step_files(s, &dir);
    for (size_t i = 0; i < ARRAY_LEN(step_file_names); i++)
        if (step_file_names[i].name)
            json_object_set_new(github, step_file_names[i].name,
                                json_sprintf("%s/%s", buf_str(&dir), step_file_names[i].file));
    return json_object_set_new(contexts, "github", github) < 0 ? -ENOMEM : 0;
}

bool job_is_roots(const struct running_job *j)
{
    const char *backend = machine_backend(j->machine);

    return !str_eq(backend, "host") && !str_eq(backend, "ssh");
}

static void set_path(struct running_job *j, json_t *env)
{
    const char *user = json_string_value(json_object_get(env, "PATH"));
    const char *inherited = str_eq(machine_backend(j->machine), "host") ? getenv("PATH") : NULL;
    _buf_ struct buf path = BUF_INIT;

    for (size_t i = json_array_size(j->set_path); i-- > 0;)
        buf_addf(&path, "%s:", json_string_value(json_array_get(j->set_path, i)));
    if (!user && job_is_roots(j))
        buf_addf(&path, "%s/bin:", machine_paths(j->machine)->files);
    buf_adds(&path, user ? user : inherited ? inherited : runner_path);
    set_str(env, "PATH", buf_str(&path));
}

static char **environment_list(json_t *env)
{
    char **list = calloc(json_object_size(env) + 1, sizeof(*list));
    const char *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach(env, key, value)
    {
        _buf_ struct buf line = BUF_INIT;
        const char *text = json_string_value(value);
        if (!list || strchr(key, '=') || !*key)
            continue;
        buf_addf(&line, "%s=%s", key, text ? text : "");
        list[n] = buf_steal(&line);
        if (!list[n++]) {
            strv_free(list);
            return NULL;
        }
    }
    return list;
}

char **job_environment(struct running_step *s, json_t *extra, const char *files_dir)
{
    struct running_job *j = s->job;
    _json_ json_t *env = json_object();

    if (!env)
        return NULL;
    if (j->spec->container) { /* GitHub: what the image says, but for its HOME */
        json_object_update(env, j->spec->container->env);
    } else {
        set_str(env, "USER", "runner");
        set_str(env, "LANG", "C.UTF-8");
        set_str(env, "SHELL", "/bin/bash"); /* bash without it reads the users to find its own out */
    }
    set_str(env, "HOME", machine_paths(j->machine)->home);
    json_object_update(env, j->base_env);
    json_object_update(env, j->set_env);
    json_object_update(env, s->env);
    set_github_variables(s, env);
    set_runner_variables(j, env);
    set_file_variables(env, files_dir);
    if (s->scope->process_env)
        json_object_update(env, s->scope->process_env);
    if (extra)
        json_object_update(env, extra);
    if (forge_add_variables(j->spec->workflow->forge, env) < 0)
        return NULL;
    set_path(j, env);
    return environment_list(env);
}
