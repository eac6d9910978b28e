/* Composite actions: their steps run in a scope of their own, within the step that uses them. */
#include "job_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static json_t *composite_github(const struct scope *outer, const struct use *u)
{
    json_t *github = json_copy(json_object_get(outer->contexts, "github"));

    if (!github || json_object_set_new(github, "action_path", json_string(u->dir)) < 0 ||
        json_object_set_new(github, "action_repository", json_string(u->repository ? u->repository : "")) <
            0 ||
        json_object_set_new(github, "action_ref", json_string(u->ref ? u->ref : "")) < 0 ||
        json_object_set_new(github, "action_status", json_string("success")) < 0) {
        json_decref(github);
        return NULL;
    }
    return github;
}

static int scope_init(struct scope *scope, struct running_step *s, struct use *u)
{
    json_t *github = composite_github(s->scope, u);

    *scope = (struct scope){.job = s->job,
                            .use = u,
                            .row = s->output.step,
                            .file = u->action->file,
                            .deadline = step_own_deadline(s),
                            .contexts = json_copy(s->scope->contexts),
                            .steps = json_object(),
                            .overrides = json_incref(s->env),
                            .process_env =
                                json_pack("{s:s, s:s, s:s}", "GITHUB_ACTION_PATH", u->dir,
                                          "GITHUB_ACTION_REPOSITORY", u->repository ? u->repository : "",
                                          "GITHUB_ACTION_REF", u->ref ? u->ref : "")};
    if (!scope->contexts || !scope->process_env || !github ||
        json_object_set_new(scope->contexts, "github", github) < 0 ||
        json_object_set_new(scope->contexts, "steps", scope->steps) < 0 ||
        json_object_set(scope->contexts, "inputs", u->inputs) < 0)
        return -ENOMEM;
    return 0;
}

/* github.action_status, which the next steps see. */
static void tell_status(struct scope *scope)
{
    json_object_set_new(json_object_get(scope->contexts, "github"), "action_status",
                        json_string(job_status_name(scope->status)));
}

/* Outputs are evaluated whatever became of the steps. */
static int composite_outputs(struct running_step *s, struct scope *scope, const struct action *a,
                             struct err *err)
{
    struct running_step after = {.job = s->job, .scope = scope, .stage = STAGE_MAIN};
    struct expr_env env = step_expr_env(&after);
    size_t total = 0;

    for (size_t i = 0; i < a->n_outputs; i++) {
        _free_ char *value = NULL;
        int r = token_eval_string(a->outputs[i].value, a->file, &env, &value, err);
        if (r < 0)
            return r;
        total += strlen(value);
        if (total > TOKEN_VALUES_MAX)
            return err_set(err, -E2BIG, "The outputs of an action have at most %d bytes", TOKEN_VALUES_MAX);
        json_object_set_new(s->outputs, a->outputs[i].name, json_string(value));
    }
    return 0;
}

void composite_run(struct running_step *s, struct use *u)
{
    struct scope scope;
    struct err err = {0};
    int r = scope_init(&scope, s, u);

    for (size_t i = 0; r == 0 && i < u->action->n_steps; i++) {
        step_run(&scope, scope.row, &u->action->steps[i]);
        tell_status(&scope);
    }
    if (r == 0)
        r = composite_outputs(s, &scope, u->action, &err);
    else
        err_errno(&err, r, "%s", u->def->uses);
    s->outcome = scope.status;
    s->exit_code = scope.status == JOB_SUCCESS ? 0 : scope.exit_code;
    if (scope.status != JOB_SUCCESS && s->deadline && mono_ns() >= s->deadline)
        step_timed_out(s);
    if (r < 0)
        step_fail(s, err.msg);
    if (scope.failed < 0)
        s->output.failed = scope.failed;
    buf_add(&s->summary, buf_str(&scope.summary), scope.summary.len);
    scope_release(&scope);
}
