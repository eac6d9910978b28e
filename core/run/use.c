/* `uses:` steps: which action a step means, where it is, its inputs, and pre, main and post of one in
 * JavaScript. */
#include <ctype.h>

#include "job_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { MANIFEST_MAX = 1024 * 1024, NEST_MAX = 9 /* GitHub's runner: composites ten deep */, USES_MAX = 2000 };

struct use *use_get(struct running_job *j, struct use *outer, const struct workflow_step *def)
{
    for (struct use *u = j->uses; u; u = u->next)
        if (u->outer == outer && u->def == def)
            return u;
    struct use *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->state = json_object();
    u->job = j;
    u->outer = outer;
    u->def = def;
    u->next = j->uses;
    j->uses = u;
    j->n_uses++;
    return u;
}

void uses_free(struct running_job *j)
{
    while (j->uses) {
        struct use *u = j->uses;
        j->uses = u->next;
        action_free(u->action);
        free(u->dir);
        free(u->repository);
        free(u->ref);
        free(u->name);
        json_decref(u->inputs);
        json_decref(u->env);
        json_decref(u->contexts);
        json_decref(u->overrides);
        json_decref(u->state);
        expr_free(u->post_if);
        free(u);
    }
    j->posts = NULL;
}

bool use_is_local(const struct use *u)
{
    return str_starts(u->def->uses, "./") || str_starts(u->def->uses, ".\\");
}

static bool use_is_docker(const struct use *u)
{
    return str_starts(u->def->uses, "docker://") || (u->action && u->action->using == ACTION_DOCKER);
}

static int nesting(const struct use *u)
{
    int n = 0;

    for (u = u->outer; u; u = u->outer)
        n++;
    return n;
}

/* --------------------------------------------------------------------------------------------- finding it */

/* owner/name[/path]@ref in its parts; ret_path may be empty. */
static int split_uses(struct use *u, struct buf *ret_path, struct err *err)
{
    const char *uses = u->def->uses, *at = strrchr(uses, '@'), *slash = strchr(uses, '/');
    const char *end = at ? at : uses + strlen(uses);
    const char *path = slash ? memchr(slash + 1, '/', (size_t)(end - slash - 1)) : NULL;

    if (!at || !at[1] || !slash || slash > at || slash == uses || slash + 1 == (path ? path : at))
        return err_set(err, -EINVAL,
                       "Expected format {org}/{repo}[/path]@ref. Actual '%s'. Please check that the action "
                       "reference is correct.",
                       uses);
    free(u->repository);
    free(u->ref);
    u->repository = strndup(uses, (size_t)((path ? path : at) - uses));
    u->ref = strdup(at + 1);
    if (path)
        buf_add(ret_path, path + 1, (size_t)(at - path - 1));
    while (ret_path->len && ret_path->ptr[ret_path->len - 1] == '/')
        ret_path->ptr[--ret_path->len] = '\0';
    return u->repository && u->ref && buf_ok(ret_path) ? 0 : err_errno(err, -ENOMEM, "%s", uses);
}

/* Whether some use of this job has brought that repository at that ref into the machine. */
static bool is_fetched(const struct use *u)
{
    for (const struct use *o = u->job->uses; o; o = o->next)
        if (o != u && o->dir && o->repository && str_eq(o->repository, u->repository) &&
            str_eq(o->ref, u->ref))
            return true;
    return false;
}

static int fetch(struct use *u, const char *dir, struct step_output *log, struct err *err)
{
    const struct job_outside *outside = u->job->spec->outside;
    _close_ int tar_fd = -1;
    char sha[41] = "";

    if (is_fetched(u))
        return 0;
    if (!outside || !outside->action)
        return err_set(err, -ENOTSUP, "%s: actions of other repositories cannot be fetched here",
                       u->def->uses);
    int r = outside->action(outside->data, u->repository, u->ref, sha, &tar_fd, err);
    if (r == 0)
        r = machine_put_tree(u->job->machine, dir, tar_fd, err);
    if (r == 0)
        output_runner_line(log, "Download action repository '%s@%s' (SHA:%s)", u->repository, u->ref, sha);
    return r;
}

/* Toolchains can be downloaded by those who have the real action at hand. */
static bool is_replaced(const struct use *u)
{
    const struct job_outside *outside = u->job->spec->outside;

    return u->builtin->replaceable && outside && outside->mirrored &&
           outside->mirrored(outside->data, u->builtin->repository);
}

/* Where actions stand in the machine: beside the temporary directory, as on GitHub. */
static void actions_dir(const struct use *u, struct buf *ret)
{
    const char *temp = machine_paths(u->job->machine)->temp, *slash = strrchr(temp, '/');

    buf_addf(ret, "%.*s/_actions", (int)(slash ? slash - temp : 0), temp);
}

/* `$/path`: an action of the repository that the file with the step comes from, checked out or not. */
static bool use_is_own(const struct use *u)
{
    return str_starts(u->def->uses, "$/");
}

static int own_tree(struct use *u, const char *dir, struct err *err)
{
    const struct job_outside *outside = u->job->spec->outside;
    struct checked_out tree = {.tar_fd = -1};
    int r = 0;

    for (const struct use *o = u->job->uses; o; o = o->next)
        if (o != u && o->dir && use_is_own(o) && !o->repository)
            return 0;
    if (!outside || !outside->checkout)
        return err_set(err, -ENOTSUP, "%s: the repository cannot be had here", u->def->uses);
    r = outside->checkout(
        outside->data,
        &(struct checkout){.repository = "", .ref = "", .depth = 1, .filter = "", .sparse = "", .token = ""},
        &tree, err);
    if (r == 0)
        r = machine_put_tree(u->job->machine, dir, tree.tar_fd, err);
    checked_out_release(&tree);
    return r;
}

static int own_dir(struct use *u, struct step_output *log, struct err *err)
{
    const struct use *from = u->outer;
    _buf_ struct buf root = BUF_INIT;
    int r;

    actions_dir(u, &root);
    if (from && from->repository) {
        u->repository = strdup(from->repository);
        u->ref = strdup(from->ref);
        if (!u->repository || !u->ref)
            return err_errno(err, -ENOMEM, "%s", u->def->uses);
        buf_addf(&root, "/%s/%s", u->repository, u->ref);
        r = fetch(u, buf_str(&root), log, err);
    } else {
        buf_adds(&root, "/_own");
        r = own_tree(u, buf_str(&root), err);
    }
    if (r < 0)
        return r;
    buf_addf(&root, "/%s", u->def->uses + 2);
    u->dir = buf_steal(&root);
    return u->dir ? 0 : err_errno(err, -ENOMEM, "%s", u->def->uses);
}

static int remote_dir(struct use *u, struct step_output *log, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, root = BUF_INIT;
    int r = split_uses(u, &path, err);

    if (r < 0)
        return r;
    u->builtin = builtin_action_find(u->repository, buf_str(&path));
    if (u->builtin && !is_replaced(u))
        return 0;
    u->builtin = NULL;
    actions_dir(u, &root);
    buf_addf(&root, "/%s/%s", u->repository, u->ref);
    r = fetch(u, buf_str(&root), log, err);
    if (r < 0)
        return r;
    if (path.len)
        buf_addf(&root, "/%s", buf_str(&path));
    u->dir = buf_steal(&root);
    return u->dir ? 0 : err_errno(err, -ENOMEM, "%s", u->def->uses);
}

static int local_dir(struct use *u, struct err *err)
{
    const char *path = u->def->uses + 2;
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/%s", machine_paths(u->job->machine)->workspace, path);
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/')
        dir.ptr[--dir.len] = '\0';
    u->dir = buf_steal(&dir);
    return u->dir ? 0 : err_errno(err, -ENOMEM, "%s", u->def->uses);
}

static const char *const manifests[] = {"action.yml", "action.yaml", "Dockerfile"};
enum { MANIFESTS = 3, MANIFEST_DOCKERFILE = 2 };

/* Finds its manifest in the machine, wherever that came from. */
static int find_manifest(struct use *u, struct buf *ret, size_t *ret_which, struct err *err)
{
    struct buf paths[MANIFESTS] = {0};
    const char *list[MANIFESTS];

    for (size_t i = 0; i < MANIFESTS; i++) {
        buf_addf(&paths[i], "%s/%s", u->dir, manifests[i]);
        list[i] = buf_str(&paths[i]);
    }
    int r = machine_read_first(u->job, list, MANIFESTS, MANIFEST_MAX, ret, ret_which, err);
    for (size_t i = 0; i < MANIFESTS; i++)
        buf_release(&paths[i]);
    if (r == -ENOENT)
        return err_set(
            err, r,
            "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '%s'. Did you forget to run "
            "actions/checkout before running your local action?",
            u->dir);
    return r;
}

static int read_manifest(struct use *u, struct err *err)
{
    _buf_ struct buf text = BUF_INIT, file = BUF_INIT;
    _lint_ struct lint lint = {0};
    size_t which = 0;
    int r = find_manifest(u, &text, &which, err);

    if (r < 0)
        return r;
    if (which == MANIFEST_DOCKERFILE)
        return err_set(err, -ENOTSUP,
                       "%s is a Docker action: it cannot be run, there are no container machines yet",
                       u->def->uses);
    buf_addf(&file, "%s/%s", u->def->uses, manifests[which]);
    r = action_parse(buf_str(&file), buf_str(&text), text.len, &u->action, &lint);
    if (r < 0)
        return lint.n ? err_set(err, r, "%s", lint.errors[0].msg) : err_errno(err, r, "%s", buf_str(&file));
    return 0;
}

int use_load(struct use *u, bool remote_only, struct step_output *log, struct err *err)
{
    int r = 0;

    if (u->action || u->builtin || use_is_docker(u) || (remote_only && use_is_local(u)))
        return 0;
    if (u->job->n_uses > USES_MAX)
        return err_set(err, -E2BIG,
                       "The actions of this job use more than %d actions: does one of them use itself?",
                       USES_MAX);
    if (nesting(u) > NEST_MAX)
        return err_set(err, -ELOOP, "Composite action depth exceeded max depth %d", NEST_MAX);
    if (!u->dir)
        r = use_is_local(u) ? local_dir(u, err)
            : use_is_own(u) ? own_dir(u, log, err)
                            : remote_dir(u, log, err);
    return r == 0 && !u->builtin ? read_manifest(u, err) : r;
}

static int setup_step(struct running_job *j, struct use *outer, const struct workflow_step *def,
                      struct step_output *log, struct err *err)
{
    struct use *u;
    int r;

    if (def->kind != STEP_USES)
        return 0;
    u = use_get(j, outer, def);
    r = u ? use_load(u, true, log, err) : err_errno(err, -ENOMEM, "%s", def->uses);
    for (size_t i = 0; r == 0 && u->action && i < u->action->n_steps; i++)
        r = setup_step(j, u, &u->action->steps[i], log, err);
    return r;
}

int setup_actions(struct running_job *j, struct use *outer, const struct workflow_step *steps, size_t n,
                  struct step_output *log, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = setup_step(j, outer, &steps[i], log, err);
    return r;
}

/* ------------------------------------------------------------------------------------------------- inputs */

static int given_inputs(struct running_step *s, struct use *u, struct err *err)
{
    struct expr_env env = step_expr_env(s);

    json_decref(u->inputs);
    u->inputs = json_object();
    return u->inputs ? env_add(s->def->with, s->scope->file, &env, u->inputs, err)
                     : err_errno(err, -ENOMEM, "inputs");
}

static void warn_unexpected(struct running_step *s, const struct use *u)
{
    _buf_ struct buf bad = BUF_INIT, msg = BUF_INIT;
    const char *name;
    json_t *value;

    json_object_foreach(u->inputs, name, value) if (!action_input(u->action, name))
        buf_addf(&bad, "%s'%s'", bad.len ? ", " : "", name);
    if (!bad.len)
        return;
    buf_addf(&msg, "Unexpected input(s) %s, valid inputs are [", buf_str(&bad));
    for (size_t i = 0; i < u->action->n_inputs; i++)
        buf_addf(&msg, "%s'%s'", i ? ", " : "", u->action->inputs[i].name);
    buf_adds(&msg, "]");
    output_warning(&s->output, buf_str(&msg));
}

/* What `with` does not give has its default; inputs that are given and deprecated get a warning. */
static int default_inputs(struct running_step *s, struct use *u, struct err *err)
{
    for (size_t i = 0; i < u->action->n_inputs; i++) {
        const struct action_input *input = &u->action->inputs[i];
        if (json_object_get_nocase(u->inputs, input->name, strlen(input->name))) {
            _buf_ struct buf msg = BUF_INIT;
            buf_addf(&msg, "Input '%s' has been deprecated with message: %s", input->name,
                     input->deprecation);
            if (*input->deprecation && s->stage == STAGE_MAIN)
                output_warning(&s->output, buf_str(&msg));
            continue;
        }
        _free_ char *value = NULL;
        struct expr_env env = step_expr_env(s);
        int r = token_eval_string(input->fallback, u->action->file, &env, &value, err);
        if (r < 0)
            return r;
        json_object_set_new(u->inputs, input->name, json_string(value));
    }
    return 0;
}

static int use_inputs(struct running_step *s, struct use *u, struct err *err)
{
    int r = given_inputs(s, u, err);

    if (r < 0 || !u->action)
        return r;
    if (s->stage == STAGE_MAIN)
        warn_unexpected(s, u);
    return default_inputs(s, u, err);
}

/* What it needs to reach services; without them an action finds out by itself what it cannot do. */
static json_t *services_environment(const struct running_step *s)
{
    const struct job_outside *outside = s->job->spec->outside;
    json_t *env = NULL;

    if (outside && outside->services && outside->services(outside->data, &env, NULL) == 0 && env)
        return json_copy(env);
    return json_object();
}

/* INPUT_NAME for each input, STATE_NAME for what an earlier stage kept, and where the action is from. */
static json_t *action_environment(const struct running_step *s, const struct use *u)
{
    json_t *env = services_environment(s);
    const char *key;
    json_t *value;

    json_object_foreach(u->inputs, key, value)
    {
        _buf_ struct buf name = BUF_INIT;
        buf_adds(&name, "INPUT_");
        for (const char *c = key; *c; c++)
            buf_addc(&name, (char)(*c == ' ' ? '_' : toupper((unsigned char)*c)));
        json_object_set(env, buf_str(&name), value);
    }
    json_object_foreach(u->state, key, value)
    {
        _buf_ struct buf name = BUF_INIT;
        buf_addf(&name, "STATE_%s", key);
        json_object_set(env, buf_str(&name), value);
    }
    json_object_set_new(env, "GITHUB_ACTION_REPOSITORY", json_string(u->repository ? u->repository : ""));
    json_object_set_new(env, "GITHUB_ACTION_REF", json_string(u->ref ? u->ref : ""));
    return env;
}

/* What a person sees first: the action, its inputs and the step's env. */
static void show_use(struct running_step *s, const struct use *u)
{
    _buf_ struct buf text = BUF_INIT, script = BUF_INIT;
    json_t *value;
    const char *key;

    buf_addf(&script, "uses: %s", u->def->uses);
    if (json_object_size(u->inputs))
        buf_adds(&script, "\nwith:");
    json_object_foreach(u->inputs, key, value) if (*json_string_value(value))
        buf_addf(&script, "\n  %s: %s", key, json_string_value(value));
    buf_addf(&text, "Run %s%s", u->def->uses, buf_str(&script) + strcspn(buf_str(&script), "\n"));
    step_show(s, buf_str(&text));
    buf_addc(&script, '\n');
    s->script = buf_steal(&script);
}

/* ------------------------------------------------------------------------------------------------- stages */

bool use_has_stage(const struct use *u, enum stage stage)
{
    if (u->builtin)
        return stage == STAGE_MAIN || (stage == STAGE_POST && u->builtin->post);
    if (!u->action || u->action->using != ACTION_NODE)
        return stage == STAGE_MAIN;
    return stage == STAGE_PRE    ? u->action->pre && !use_is_local(u)
           : stage == STAGE_POST ? u->action->post != NULL
                                 : true;
}

/* The `if` of a built-in action's post, parsed once for the use. */
static const struct expr *builtin_if(struct use *u)
{
    static const struct expr_function status[] = {{"always", 0, 0}, {"success", 0, 0}, {NULL, 0, 0}};
    static const struct expr_scope scope = {.functions = status};
    const char *text = u->builtin->post_if ? u->builtin->post_if : "always()";

    if (!u->post_if)
        (void)expr_parse(text, strlen(text), &scope, &u->post_if, NULL);
    return u->post_if;
}

const struct expr *use_stage_if(struct use *u, enum stage stage)
{
    return u->builtin ? builtin_if(u) : stage == STAGE_PRE ? u->action->pre_if : u->action->post_if;
}

static void replace(json_t **to, json_t *value_take)
{
    json_decref(*to);
    *to = value_take;
}

/* Its post will run, behind those that are registered later. */
static void register_post(struct running_step *s, struct use *u)
{
    struct running_job *j = u->job;

    if (!u->name && s->name)
        u->name = strdup(s->name);
    if (u->registered || !use_has_stage(u, STAGE_POST))
        return;
    replace(&u->env, json_incref(s->env));
    replace(&u->overrides, json_incref(s->scope->overrides));
    replace(&u->contexts, json_copy(s->scope->contexts)); /* one inside of a composite has those of its pre */
    u->next_post = j->posts;
    j->posts = u;
    u->registered = true;
}

int use_restore(struct running_job *j, const struct workflow_step *def, json_t *post, struct err *err)
{
    struct step_output log = {.job = j, .step = SIZE_MAX};
    struct use *u = def->kind == STEP_USES ? use_get(j, NULL, def) : NULL;
    int r = u ? use_load(u, false, &log, err)
              : err_set(err, -EINVAL, "the state of the job is of another workflow");

    output_release(&log);
    if (r < 0 || u->registered || !use_has_stage(u, STAGE_POST))
        return r;
    u->name = strdup(json_string_value(json_object_get(post, "name"))
                         ? json_string_value(json_object_get(post, "name"))
                         : def->uses);
    u->inputs = json_incref(json_object_get(post, "inputs"));
    u->env = json_incref(json_object_get(post, "env"));
    json_object_update(u->state, json_object_get(post, "state"));
    u->overrides = json_object();
    u->contexts = json_copy(j->scope.contexts);
    u->next_post = j->posts;
    j->posts = u;
    u->registered = true;
    return 0;
}

static void run_node(struct running_step *s, struct use *u)
{
    const struct action *a = u->action;
    const char *script = s->stage == STAGE_PRE ? a->pre : s->stage == STAGE_POST ? a->post : a->main;
    _json_ json_t *env = action_environment(s, u);
    _buf_ struct buf path = BUF_INIT;
    struct machine_result result = {0};
    struct err err = {0};

    buf_addf(&path, "%s/%s", u->dir, script);
    char *const argv[] = {(char[]){"node"}, path.ptr, NULL};
    int r =
        env && buf_ok(&path)
            ? process_run(s, &(struct process){.argv = argv, .env = env, .state = u->state}, &result, &err)
            : err_errno(&err, -ENOMEM, "%s", u->def->uses);
    if (r < 0) {
        step_fail(s, err.msg[0] ? err.msg : "The action could not be run");
    } else if (result.start_error && result.exit_code == 127) {
        _buf_ struct buf msg = BUF_INIT;
        buf_addf(
            &msg,
            "%s runs on `%s`, and this machine has no node in its PATH: install nodejs where it boots from",
            u->def->uses, a->using_text);
        step_fail(s, buf_str(&msg));
        s->exit_code = 127;
    } else {
        process_judge(s, &result, false);
    }
    machine_result_release(&result);
}

void use_stage(struct running_step *s, struct use *u)
{
    struct err err = {0};

    s->output.state = u->state;
    s->output.unsecure = allows_unsecure(s);
    if (!u->inputs && use_inputs(s, u, &err) < 0) {
        step_fail(s, err.msg);
        return;
    }
    register_post(s, u);
    if (s->stage == STAGE_MAIN)
        show_use(s, u);
    if (u->builtin && s->stage == STAGE_MAIN)
        u->builtin->main(s, u);
    else if (u->builtin)
        u->builtin->post(s, u);
    else if (u->action->using == ACTION_COMPOSITE)
        composite_run(s, u);
    else
        run_node(s, u);
}

static void use_refuse_docker(struct running_step *s, const struct use *u)
{
    _buf_ struct buf msg = BUF_INIT;

    buf_addf(&msg, "%s is a Docker action: it cannot be run, there are no container machines yet",
             u->def->uses);
    step_fail(s, buf_str(&msg));
}

void use_run(struct running_step *s)
{
    struct use *u = use_get(s->job, s->scope->use, s->def);
    struct err err = {0};

    if (!u) {
        step_fail(s, "out of memory");
        return;
    }
    /* a local action may be another one by now, and its inputs are those of this moment */
    json_decref(TAKE(u->inputs));
    int r = use_load(u, false, &s->output, &err);
    if (r == 0 && u->action && use_is_local(u))
        r = setup_actions(s->job, u, u->action->steps, u->action->n_steps, &s->output, &err);
    if (r == 0 && u->action && u->action->pre && use_is_local(u)) {
        _buf_ struct buf msg = BUF_INIT;
        buf_addf(&msg, "`pre` execution is not supported for local action from '%s'", u->def->uses);
        output_warning(&s->output, buf_str(&msg));
    }
    if (r < 0)
        step_fail_why(s, &err);
    else if (use_is_docker(u))
        use_refuse_docker(s, u);
    else
        use_stage(s, u);
}

/* ---------------------------------------------------------------------------------------------------- pre */

/* What a pre inside of a composite sees: the job's contexts, and the composite's inputs. */
static int set_pre_contexts(struct use *u)
{
    struct running_job *j = u->job;

    if (!u->outer || u->contexts)
        return 0;
    u->contexts = json_copy(u->outer->contexts ? u->outer->contexts : j->scope.contexts);
    if (!u->overrides)
        u->overrides = json_object();
    if (u->contexts && u->outer->inputs)
        json_object_set(u->contexts, "inputs", u->outer->inputs);
    return u->contexts && u->overrides ? 0 : -ENOMEM;
}

/* The inputs of a composite whose steps have a pre. */
static void pre_inputs(struct use *u)
{
    struct scope seen = {.job = u->job, .use = u->outer, .file = u->job->scope.file, .contexts = u->contexts};
    struct running_step s = {
        .job = u->job, .scope = u->outer ? &seen : &u->job->scope, .stage = STAGE_PRE, .def = u->def};

    (void)use_inputs(&s, u, NULL);
}

void use_run_pres(struct running_job *j, struct use *outer, const struct workflow_step *def)
{
    struct use *u = def->kind == STEP_USES ? use_get(j, outer, def) : NULL;

    if (!u || !u->action || set_pre_contexts(u) < 0)
        return;
    if (u->action->using == ACTION_COMPOSITE) {
        pre_inputs(u);
        for (size_t i = 0; i < u->action->n_steps; i++)
            use_run_pres(j, u, &u->action->steps[i]);
    } else if (use_has_stage(u, STAGE_PRE)) {
        _buf_ struct buf name = BUF_INIT;
        buf_addf(&name, "Pre Run %s", def->uses);
        step_run_stage(u, STAGE_PRE, j->sink->step_added(j->sink->data, STEP_PRE, buf_str(&name)));
    }
}
