/* `uses:` steps: the inputs of an action, and pre, main and post of one in JavaScript. use_find.c has found
 * it.
 */
#include <ctype.h>

#include "job_internal.h"
#include "runfs/oci.h"
#include "runfs/str.h"

struct use *use_get(struct running_job *from, struct use *outer, const struct workflow_step *def)
{
    struct running_job *j = from->whole;

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
        free(u->image);
        free(u->repository);
        free(u->from);
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
    size_t total = 0;

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
        total += strlen(value);
        if (total > TOKEN_VALUES_MAX)
            return err_set(err, -E2BIG, "The inputs of an action have at most %d bytes", TOKEN_VALUES_MAX);
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

static bool use_has_stage(const struct use *u, enum stage stage)
{
    if (u->builtin)
        return stage == STAGE_MAIN || (stage == STAGE_POST && u->builtin->post);
    if (u->action && u->action->using == ACTION_DOCKER)
        return stage == STAGE_PRE    ? u->action->pre_entrypoint && !use_is_local(u)
               : stage == STAGE_POST ? u->action->post_entrypoint != NULL
                                     : true;
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
    const struct container *container = s->job->spec->container;
    char *const argv[] = {container && container->node ? (char[]){OCI_TOOLS "/node"} : (char[]){"node"},
                          path.ptr, NULL};
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

static void run_docker(struct running_step *s, struct use *u)
{
    _json_ json_t *env = action_environment(s, u);

    docker_run(s, u, env);
}

void use_stage(struct running_step *s, struct use *u)
{
    struct err err = {0};

    s->output.state = u->state;
    s->output.unsecure = allows_unsecure(s);
    s->output.echo = s->job->debug;
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
    else if (use_is_docker(u))
        run_docker(s, u);
    else if (u->action->using == ACTION_COMPOSITE)
        composite_run(s, u);
    else
        run_node(s, u);
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
    if (r == 0 && u->action && (u->action->pre || u->action->pre_entrypoint) && use_is_local(u)) {
        _buf_ struct buf msg = BUF_INIT;
        buf_addf(&msg, "`pre` execution is not supported for local action from '%s'", u->def->uses);
        output_warning(&s->output, buf_str(&msg));
    }
    if (r < 0)
        step_fail_why(s, &err);
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
