/* One step: its `if`, its name and settings, its work, and what is told of it afterwards. */
#include "background.h"
#include "runfs/io.h"
#include "runfs/str.h"

static void step_release(struct running_step *s)
{
    output_release(&s->output);
    free(s->name);
    free(s->script);
    free(s->shell);
    free(s->cwd);
    json_decref(s->env);
    json_decref(s->outputs);
    buf_release(&s->why);
    buf_release(&s->env_shown);
    buf_release(&s->summary);
}

void step_show(struct running_step *s, const char *text)
{
    _buf_ struct buf lines = BUF_INIT;
    json_t *value, *env = json_object_get(s->scope->contexts, "env");
    const char *key;

    buf_addf(&lines, "##[group]%s%s", text, json_object_size(env) ? "\nenv:" : "");
    json_object_foreach(env, key, value)
    {
        buf_addf(&lines, "\n  %s: %s", key, json_string_value(value));
        buf_addf(&s->env_shown, "%s=%s\n", key, json_string_value(value));
    }
    output_runner_line(&s->output, "%s\n##[endgroup]", buf_str(&lines));
}

void step_fail(struct running_step *s, const char *msg)
{
    output_error(&s->output, msg);
    s->outcome = JOB_FAILURE;
}

void step_fail_why(struct running_step *s, const struct err *err)
{
    int64_t deadline = step_deadline(s);
    bool cancelled = atomic_load(s->job->spec->cancelled);

    if (err->code == -ECANCELED && !cancelled && deadline && mono_ns() >= deadline) {
        step_timed_out(s);
        return;
    }
    step_fail(s, err->msg[0] ? err->msg : "out of memory");
    if (cancelled) /* which is why it could not go on */
        s->outcome = JOB_CANCELLED;
}

struct expr_env step_expr_env(struct running_step *s)
{
    return (struct expr_env){.contexts = s->scope->contexts, .call = job_call, .data = s, .exact_env = true};
}

int step_eval_string(struct running_step *s, const struct token *t, char **ret, struct err *err)
{
    struct expr_env env = step_expr_env(s);

    return token_eval_string(t, s->scope->file, &env, ret, err);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a && (!b || a < b) ? a : b;
}

int64_t step_own_deadline(const struct running_step *s)
{
    return earlier(s->deadline, s->scope->deadline);
}

int64_t step_deadline(const struct running_step *s)
{
    return earlier(step_own_deadline(s), s->job->deadline);
}

/* ------------------------------------------------------------------------------------------ before its work
 */

/* Evaluates the `if` and keeps its explanation. */
static int step_wanted(struct running_step *s, const struct expr *condition, bool *ret)
{
    struct expr_env env = step_expr_env(s);
    _expr_err_ struct expr_err err = {0};
    _value_ struct value value = {0};
    _buf_ struct buf lines = BUF_INIT;

    if (s->job->spec->killed && atomic_load(s->job->spec->killed)) {
        buf_adds(&s->why, "the run was killed\n");
        *ret = false;
        return 0;
    }
    if (workflow_step_title(s->def)) {
        buf_adds(&s->why, "a step that waits or cancels always runs\n");
        *ret = true;
        return 0;
    }
    int r = expr_explain(condition, &env, &value, &lines, &err);
    if (r < 0) {
        buf_addf(&s->why, "if: %s\n%s\n", expr_text(condition), err.msg ? err.msg : "cannot be evaluated");
        step_fail(s, err.msg ? err.msg : "The `if` cannot be evaluated");
        return r;
    }
    *ret = value_truthy(&value);
    buf_addf(&s->why, "if: %s\n", expr_text(condition));
    mask_apply(s->job->mask, buf_str(&lines), lines.len, &s->why);
    buf_addf(&s->why, "%s\n", *ret ? "runs" : "skipped");
    return 0;
}

/* The name that GitHub shows where none is given: what it runs or uses. */
static char *step_default_name(struct running_step *s)
{
    _free_ char *run = NULL;
    _buf_ struct buf name = BUF_INIT;

    if (workflow_step_title(s->def)) {
        buf_adds(&name, workflow_step_title(s->def));
    } else if (s->def->kind == STEP_USES) {
        buf_addf(&name, "Run %s", s->def->uses);
    } else if (s->def->run && step_eval_string(s, s->def->run, &run, NULL) == 0) {
        const char *line = run + strspn(run, " \t\r\n");
        buf_addf(&name, "Run %.*s", (int)strcspn(line, "\r\n"), line);
    } else {
        buf_adds(&name, s->def->run ? "Run" : s->def->id);
    }
    return buf_steal(&name);
}

static void step_set_name(struct running_step *s)
{
    _free_ char *name = NULL;
    _buf_ struct buf masked = BUF_INIT;

    if (!s->def->name || step_eval_string(s, s->def->name, &name, NULL) < 0 || !*name) {
        free(name);
        name = step_default_name(s);
    }
    if (name)
        mask_apply(s->job->mask, name, strlen(name), &masked);
    s->name = buf_steal(&masked);
}

char *step_title(struct running_job *j, const struct workflow_step *def)
{
    struct running_step s = {.job = j, .scope = &j->scope, .def = def};

    step_set_name(&s);
    return s.name;
}

/* Evaluates env, then what else the step says, against contexts that include it. */
static int step_evaluate(struct running_step *s, struct err *err)
{
    struct expr_env env = step_expr_env(s);
    const char *file = s->scope->file;

    int r = env_add(s->def->env, file, &env, s->env, err);
    if (r == 0 && scope_set_env(s->scope, s->env) < 0)
        r = err_errno(err, -ENOMEM, "env");
    if (r == 0)
        r = token_eval_boolean(s->def->continue_on_error, file, &env, false, &s->continue_on_error, err);
    if (r == 0)
        r = token_eval_number(s->def->timeout_minutes, file, &env, 0, &s->timeout_minutes, err);
    s->output.unsecure = allows_unsecure(s);
    s->output.echo = s->job->debug;
    if (r == 0 && s->timeout_minutes > 0 && s->timeout_minutes < 1e6)
        s->deadline = mono_ns() + (int64_t)(s->timeout_minutes * 60e9);
    return r;
}

/* ---------------------------------------------------------------------------------------------- its work */

static void step_do(struct running_step *s)
{
    if (s->job->refused)
        step_fail(s, s->job->refused);
    else if (s->def->kind == STEP_RUN)
        script_run(s);
    else if (s->def->kind == STEP_USES)
        use_run(s);
    else
        background_control(s);
}

static void step_work(struct running_step *s)
{
    int64_t around = s->job->until;
    struct err err = {0};

    if (step_evaluate(s, &err) < 0) {
        step_fail(s, err.msg);
    } else {
        s->job->until = step_deadline(s);
        step_do(s);
        s->job->until = around;
    }
    output_finish(&s->output);
    if (s->output.errored)
        s->outcome = s->outcome == JOB_SUCCESS ? JOB_FAILURE : s->outcome;
    if (s->output.failed < 0 && s->outcome == JOB_SUCCESS)
        step_fail(s, "The log could not be written");
}

/* ----------------------------------------------------------------------------------------------- its end */

static enum job_status step_conclusion(const struct running_step *s)
{
    return s->outcome == JOB_FAILURE && s->continue_on_error ? JOB_SUCCESS : s->outcome;
}

/* What the steps that come after it in its list see. */
static void step_settle(struct running_step *s, bool skipped)
{
    struct scope *scope = s->stage == STAGE_MAIN ? s->scope : &s->job->scope;
    enum job_status conclusion = step_conclusion(s);

    scope->concluded = conclusion;
    if (!skipped && conclusion == JOB_FAILURE && scope->status == JOB_SUCCESS) {
        scope->status = JOB_FAILURE;
        scope->exit_code = s->exit_code > 0 ? s->exit_code : 1;
    }
    if (conclusion == JOB_CANCELLED && scope->status != JOB_FAILURE)
        scope->status = JOB_CANCELLED;
    if (s->stage == STAGE_MAIN && s->def->has_id)
        json_object_set_new(scope->steps, s->def->id,
                            json_pack("{s:O, s:s, s:s}", "outputs", s->outputs, "outcome",
                                      job_status_name(s->outcome), "conclusion",
                                      job_status_name(conclusion)));
    if (scope->use)
        return;
    scope_tell_status(scope);
}

/* A step of a composite has no row: what it leaves goes to the step that uses the composite. */
static void step_report(struct running_step *s, bool skipped)
{
    struct running_job *j = s->job;
    _buf_ struct buf script = BUF_INIT, env = BUF_INIT, cwd = BUF_INIT;

    step_settle(s, skipped);
    if (s->scope->use && s->stage == STAGE_MAIN) {
        buf_add(&s->scope->summary, buf_str(&s->summary), s->summary.len);
        s->scope->failed = s->output.failed < 0 ? s->output.failed : s->scope->failed;
        return;
    }
    if (s->script)
        mask_apply(j->mask, s->script, strlen(s->script), &script);
    if (s->cwd)
        mask_apply(j->mask, s->cwd, strlen(s->cwd), &cwd);
    mask_apply(j->mask, buf_str(&s->env_shown), s->env_shown.len, &env);
    j->sink->step_completed(j->sink->data, s->output.step,
                            &(struct step_result){.name = s->name ? s->name : s->def->id,
                                                  .outcome = job_status_name(s->outcome),
                                                  .conclusion = job_status_name(step_conclusion(s)),
                                                  .exit_code = skipped ? -1 : s->exit_code,
                                                  .script = buf_str(&script),
                                                  .env = buf_str(&env),
                                                  .cwd = buf_str(&cwd),
                                                  .why = buf_str(&s->why),
                                                  .summary = buf_str(&s->summary),
                                                  .shell = s->shell ? s->shell : "",
                                                  .outputs = s->outputs});
}

static void step_started(struct running_step *s)
{
    const struct job_sink *sink = s->job->sink;

    if (!s->scope->use || s->stage != STAGE_MAIN)
        sink->step_started(sink->data, s->output.step, s->name ? s->name : s->def->id);
}

/* -------------------------------------------------------------------------------------------- the whole */

/* Whoever cancelled the job, or its time, ends what would go on by itself. */
static void notice_cancel(struct running_job *j)
{
    bool late = j->deadline && mono_ns() >= j->deadline;

    if (late || atomic_load(j->spec->cancelled))
        job_set_cancel_deadline(j);
    j->until = j->deadline;
    if (j->scope.status == JOB_SUCCESS && (late || atomic_load(j->spec->cancelled)))
        j->scope.status = JOB_CANCELLED;
}

void step_run(struct scope *scope, size_t row, const struct workflow_step *def)
{
    struct running_step s = {
        .job = scope->job, .scope = scope, .stage = STAGE_MAIN, .def = def, .exit_code = -1};
    bool wanted = false;

    s.output = (struct step_output){.job = s.job, .step = row};
    s.outputs = s.output.outputs = json_object();
    s.env = json_deep_copy(scope->overrides);
    notice_cancel(s.job);
    (void)scope_set_env(scope, s.env);
    (void)step_set_github(&s);
    int r = step_wanted(&s, def->condition, &wanted);
    step_set_name(&s);
    if (r == 0 && wanted) {
        step_started(&s);
        step_work(&s);
    } else if (r == 0) {
        s.outcome = background_was_cancelled(s.job) ? JOB_CANCELLED : JOB_SKIPPED;
    }
    step_report(&s, r == 0 && !wanted);
    step_release(&s);
}

void step_run_stage(struct use *u, enum stage stage, size_t row)
{
    struct running_job *j = u->job;
    struct scope saved = {
        .job = j, .use = u->outer, .row = row, .file = j->scope.file, .contexts = u->contexts};
    struct running_step s = {
        .job = j, .scope = u->outer ? &saved : &j->scope, .stage = stage, .def = u->def, .exit_code = -1};
    _buf_ struct buf name = BUF_INIT;
    bool wanted = false;

    s.output = (struct step_output){.job = j, .step = row, .state = u->state};
    s.outputs = s.output.outputs = json_object();
    s.env = u->env ? json_incref(u->env) : json_object();
    saved.overrides = u->overrides;
    buf_addf(&name, "%s %s", stage == STAGE_PRE ? "Pre" : "Post", u->name ? u->name : u->def->uses);
    s.name = buf_steal(&name);
    notice_cancel(j);
    (void)scope_set_env(s.scope, s.env);
    (void)step_set_github(&s);
    int r = step_wanted(&s, use_stage_if(u, stage), &wanted);
    if (r == 0 && wanted) {
        step_started(&s);
        use_stage(&s, u);
        output_finish(&s.output);
    } else if (r == 0) {
        s.outcome = JOB_SKIPPED;
    }
    step_report(&s, r == 0 && !wanted);
    step_release(&s);
}
