/* A job from its first step to its last. */
#include "background.h"

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/services.h"
#include "runfs/str.h"

const char *job_status_name(enum job_status s)
{
    static const char *const names[] = {"success", "failure", "cancelled", "skipped"};

    return names[s];
}

void job_shells_release(struct job_shells *s)
{
    for (size_t i = 0; i < s->n; i++) {
        strv_free(s->steps[i].env);
        free(s->steps[i].cwd);
    }
    free(s->steps);
    *s = (struct job_shells){0};
}

void job_result_release(struct job_result *r)
{
    json_decref(TAKE(r->outputs));
    free(TAKE(r->environment_url));
    job_shells_release(&r->shells);
}

/* The row of what the runner itself does around the steps; made when there is something to tell. */
static size_t runner_row(struct running_job *j, enum step_place place, const char *name)
{
    size_t row = j->sink->step_added(j->sink->data, place, name);

    j->sink->step_started(j->sink->data, row, name);
    return row;
}

static void runner_row_end(struct running_job *j, size_t row, const char *name, enum job_status status)
{
    const char *words = job_status_name(status);

    j->sink->step_completed(j->sink->data, row,
                            &(struct step_result){.name = name,
                                                  .outcome = words,
                                                  .conclusion = words,
                                                  .exit_code = -1,
                                                  .script = "",
                                                  .env = "",
                                                  .cwd = "",
                                                  .why = "",
                                                  .shell = "",
                                                  .summary = ""});
    if (status == JOB_SUCCESS)
        return;
    j->scope.status = status;
    j->scope.exit_code = 1;
}

static enum job_status status_of(int r)
{
    return r == -ECANCELED ? JOB_CANCELLED : r < 0 ? JOB_FAILURE : JOB_SUCCESS;
}

static bool uses_actions(const struct workflow_job *job)
{
    for (size_t i = 0; i < job->n_steps; i++)
        if (job->steps[i].kind == STEP_USES)
            return true;
    return false;
}

/* Takes up what the job knew behind the steps that are not run again. */
static int job_go_on(struct running_job *j, struct err *err)
{
    json_t *state = j->spec->resume->state, *post;
    size_t i;
    int r = 0;

    json_object_update(j->set_env, json_object_get(state, "env"));
    json_array_extend(j->set_path, json_object_get(state, "path"));
    json_object_update(j->scope.steps, json_object_get(state, "steps"));
    json_array_foreach(json_object_get(state, "posts"), i, post) if (r == 0)
    {
        size_t step = (size_t)json_integer_value(json_object_get(post, "step"));
        r = step < j->spec->job->n_steps
                ? use_restore(j, &j->spec->job->steps[step], post, err)
                : err_set(err, -EINVAL, "the state of the job is of another workflow");
    }
    return r;
}

static void each_line(const struct buf *lines, void (*show)(struct step_output *o, const char *line),
                      struct step_output *o)
{
    _free_ char *copy = strdup(buf_str(lines));
    char *rest = NULL;

    for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        show(o, line);
}

static void show_line(struct step_output *o, const char *line)
{
    output_runner_line(o, "%s", line);
}

void container_show(const struct container *c, struct step_output *o)
{
    each_line(&c->said, show_line, o);
    each_line(&c->warnings, output_warning, o);
}

/* Contexts, environment, and the actions that the steps name. A failure is told, and ends the job. */
static int job_set_up(struct running_job *j)
{
    struct step_output log = {.job = j};
    struct err err = {0};
    const char *note = machine_note(j->machine);
    int r = job_prepare(j, &err);

    if (r == 0 && !note[0] && !uses_actions(j->spec->job) && !j->spec->resume && !j->spec->container)
        return 0;
    log.step = runner_row(j, STEP_SETUP, "Set up job");
    if (j->spec->container)
        container_show(j->spec->container, &log);
    if (note[0])
        output_warning(&log, note);
    if (r == 0)
        r = setup_actions(j, NULL, j->spec->job->steps, j->spec->job->n_steps, &log, &err);
    if (r == 0 && j->spec->resume)
        r = job_go_on(j, &err);
    if (r < 0)
        output_error(&log, err.msg);
    output_release(&log);
    runner_row_end(j, log.step, "Set up job", status_of(r));
    return r;
}

/* As on GitHub, a failure lets those steps run that ask for one. */
static void begin_services(struct running_job *j)
{
    static const char name[] = "Initialize containers";
    struct step_output log = {.job = j};
    struct err err = {0};

    if (!j->spec->services)
        return;
    log.step = runner_row(j, STEP_SETUP, name);
    int r = services_begin(j->spec->services, j, &log, &err);
    proc_until(job_unwanted, j); /* fetching images has its own */
    if (r < 0)
        output_error(&log, err.msg);
    output_release(&log);
    runner_row_end(j, log.step, name, status_of(r));
}

static void end_services(struct running_job *j)
{
    static const char name[] = "Stop containers";
    struct step_output log = {.job = j};

    if (!j->spec->services)
        return;
    log.step = runner_row(j, STEP_POST, name);
    services_end(j->spec->services, &log);
    output_release(&log);
    runner_row_end(j, log.step, name, JOB_SUCCESS);
}

/* `pre` of the job's actions, in the order of the steps. */
static void run_pres(struct running_job *j)
{
    for (size_t i = j->spec->resume ? j->spec->resume->first : 0; i < j->spec->job->n_steps; i++)
        use_run_pres(j, NULL, &j->spec->job->steps[i]);
}

/* Posts, the last first. All get their rows before the first one runs. */
static void run_posts(struct running_job *j)
{
    for (struct use *u = j->posts; u; u = u->next_post) {
        _buf_ struct buf name = BUF_INIT;
        buf_addf(&name, "Post %s", u->name ? u->name : u->def->uses);
        u->row = j->sink->step_added(j->sink->data, STEP_POST, buf_str(&name));
    }
    for (struct use *u = j->posts; u; u = u->next_post)
        step_run_stage(u, STAGE_POST, u->row);
}

enum {
    JOB_OUTPUTS_MAX = 1024 * 1024 /* GitHub documentation, "Passing information between jobs": 1 MB a job */
};

/* jobs.<id>.outputs, once all steps have ended. A secret never leaves a job this way. */
static json_t *job_outputs(struct running_job *j)
{
    const struct token *outputs = j->spec->job->outputs;
    struct running_step after = {.job = j, .scope = &j->scope};
    struct expr_env env = step_expr_env(&after);
    struct step_output o = {.job = j, .step = j->spec->job->n_steps ? j->spec->job->n_steps - 1 : 0};
    json_t *result = json_object();
    size_t total = 0;

    for (size_t i = 0; result && outputs && outputs->kind == TOKEN_MAPPING && i < outputs->map.n; i++) {
        const char *name = outputs->map.pairs[i].key->str;
        _free_ char *value = NULL;
        struct err err = {0};
        if (token_eval_string(outputs->map.pairs[i].value, j->scope.file, &env, &value, &err) < 0) {
            output_error(&o, err.msg);
            j->scope.status = j->scope.status == JOB_SUCCESS ? JOB_FAILURE : j->scope.status;
        } else if (mask_matches(j->mask, value, strlen(value))) {
            output_runner_line(&o, "##[warning]Skip output '%s' since it may contain secret.", name);
        } else if ((total += strlen(name) + strlen(value)) > JOB_OUTPUTS_MAX) {
            output_error(&o, "The outputs of a job have at most 1 MB: those that came first are kept.");
            j->scope.status = j->scope.status == JOB_SUCCESS ? JOB_FAILURE : j->scope.status;
            break;
        } else if (*value) {
            json_object_set_new(result, name, json_string(value));
        }
    }
    output_release(&o);
    return result;
}

/* environment.url, once all steps have ended. A secret in it is masked, as everywhere that it is shown. */
static char *environment_url(struct running_job *j)
{
    const struct token *url = token_get(j->spec->job->environment, "url");
    struct running_step after = {.job = j, .scope = &j->scope};
    struct expr_env env = step_expr_env(&after);
    struct step_output o = {.job = j, .step = j->spec->job->n_steps ? j->spec->job->n_steps - 1 : 0};
    _buf_ struct buf masked = BUF_INIT;
    _free_ char *text = NULL;
    struct err err = {0};

    if (!url)
        return NULL;
    if (token_eval_string(url, j->scope.file, &env, &text, &err) < 0) {
        output_error(&o, err.msg);
        j->scope.status = j->scope.status == JOB_SUCCESS ? JOB_FAILURE : j->scope.status;
    } else {
        mask_apply(j->mask, text, strlen(text), &masked);
    }
    output_release(&o);
    return masked.len ? buf_steal(&masked) : NULL;
}

static size_t index_of(const struct running_job *j, const struct use *u)
{
    return (size_t)(u->def - j->spec->job->steps);
}

/* What a later attempt needs to go on from here: see use_restore() and job_go_on(). */
static json_t *job_state(const struct running_job *j)
{
    json_t *posts = json_array();

    for (const struct use *u = j->posts; posts && u; u = u->next_post)
        if (!u->outer) /* the last registered first; what composites registered does not run again */
            json_array_insert_new(posts, 0,
                                  json_pack("{s:I, s:s*, s:O?, s:O?, s:O?}", "step",
                                            (json_int_t)index_of(j, u), "name", u->name, "inputs", u->inputs,
                                            "env", u->env, "state", u->state));
    return json_pack("{s:O, s:O, s:O, s:s, s:i, s:o}", "env", j->set_env, "path", j->set_path, "steps",
                     j->scope.steps, "status", job_status_name(j->scope.status), "exit_code",
                     j->scope.exit_code, "posts", posts);
}

/* Behind each step of its own the machine may be kept as it is, or put back. */
static void step_ended(struct running_job *j, size_t i, enum job_status before, int64_t took)
{
    const struct job_outside *outside = j->spec->outside;
    _json_ json_t *state = NULL;
    struct err err = {0};

    if (!outside || background_pending(j) || j->spec->services) /* theirs is not to be had back */
        return;
    if (j->scope.status == JOB_FAILURE && before == JOB_SUCCESS && outside->step_failed) {
        struct step_output log = {.job = j, .step = SIZE_MAX}; /* the step's own log is complete */
        int r = outside->step_failed(outside->data, &err);
        if (r != 0)
            j->event_written = false;
        if (r > 0)
            output_runner_line(&log, "The machine is as it was before this step (config/auto_rollback)");
        else if (r < 0)
            output_warning(&log, err.msg);
        output_release(&log);
    } else if (j->scope.status == JOB_SUCCESS && i + 1 < j->spec->job->n_steps && outside->step_passed) {
        state = job_state(j);
        if (state && outside->step_passed(outside->data, i, took, state))
            j->event_written = false; /* the machine was started again: what it had in memory is gone */
    }
}

static void run_steps(struct running_job *j)
{
    for (size_t i = j->spec->resume ? j->spec->resume->first : 0; i < j->spec->job->n_steps; i++) {
        const struct workflow_step *def = &j->spec->job->steps[i];
        enum job_status before = j->scope.status;
        int64_t start = mono_ns();
        if (def->background && j->background) {
            background_start(j, i);
            continue;
        }
        step_run(&j->scope, i, def);
        step_ended(j, i, before, mono_ns() - start);
    }
}

bool job_unwanted(void *data)
{
    const struct running_job *j = data;

    return (!j->ending && atomic_load(j->spec->cancelled)) || (j->until && mono_ns() >= j->until);
}

void job_run(const struct job_spec *spec, struct machine *machine, struct mask *mask,
             const struct job_sink *sink, struct job_result *ret)
{
    struct running_job j = {.whole = &j, .spec = spec, .machine = machine, .mask = mask, .sink = sink};
    struct scope *scope = &j.scope;

    proc_until(job_unwanted, &j);
    int r = job_set_up(&j);
    if (r == 0)
        begin_services(&j);
    if (r == 0 && background_begin(&j) < 0) {
        scope->status = JOB_FAILURE;
    } else if (r == 0) {
        run_pres(&j);
        run_steps(&j);
        background_finish(&j);
        run_posts(&j);
    }
    background_release(&j);
    if (r == 0)
        end_services(&j);
    proc_until(NULL, NULL);
    if (atomic_load(spec->cancelled) && scope->status == JOB_SUCCESS)
        scope->status = JOB_CANCELLED;
    ret->outputs = scope->contexts ? job_outputs(&j) : json_object();
    ret->environment_url = scope->contexts ? environment_url(&j) : NULL;
    ret->shells = j.shells;
    j.shells = (struct job_shells){0};
    ret->status = scope->status;
    ret->exit_code = scope->status == JOB_SUCCESS ? 0 : scope->exit_code ? scope->exit_code : 1;
    job_release(&j);
}
