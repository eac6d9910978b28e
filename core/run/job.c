/* A job from its first step to its last. */
#include "job_internal.h"

#include "runfs/io.h"
#include "runfs/str.h"

const char *job_status_name(enum job_status s)
{
    static const char *const names[] = {"success", "failure", "cancelled", "skipped"};

    return names[s];
}

void job_result_release(struct job_result *r)
{
    json_decref(r->outputs);
    r->outputs = NULL;
}

/* Something stood in the way of the whole job: its setting up says what. */
static void job_fail(struct running_job *j, const char *msg)
{
    struct step_output o = {.job = j};

    o.step = j->sink->step_added(j->sink->data, STEP_SETUP, "Set up job");
    j->sink->step_started(j->sink->data, o.step, "Set up job");
    output_error(&o, msg);
    output_release(&o);
    j->sink->step_completed(j->sink->data, o.step,
                            &(struct step_result){.name = "Set up job",
                                                  .outcome = "failure",
                                                  .conclusion = "failure",
                                                  .exit_code = -1,
                                                  .script = "",
                                                  .env = "",
                                                  .cwd = "",
                                                  .why = "",
                                                  .summary = ""});
    j->status = JOB_FAILURE;
    j->exit_code = 1;
}

/* jobs.<id>.outputs, once all steps have ended. A secret never leaves a job this way. */
static json_t *job_outputs(struct running_job *j)
{
    const struct token *outputs = j->spec->job->outputs;
    struct expr_env env = job_expr_env(j);
    struct step_output o = {.job = j, .step = j->spec->job->n_steps ? j->spec->job->n_steps - 1 : 0};
    json_t *result = json_object();

    for (size_t i = 0; result && outputs && outputs->kind == TOKEN_MAPPING && i < outputs->map.n; i++) {
        const char *name = outputs->map.pairs[i].key->str;
        _free_ char *value = NULL;
        struct err err = {0};
        if (token_eval_string(outputs->map.pairs[i].value, j->spec->workflow->file, &env, &value, &err) < 0) {
            output_error(&o, err.msg);
            j->status = j->status == JOB_SUCCESS ? JOB_FAILURE : j->status;
        } else if (mask_matches(j->mask, value, strlen(value))) {
            output_runner_line(&o, "##[warning]Skip output '%s' since it may contain secret.", name);
        } else if (*value) {
            json_object_set_new(result, name, json_string(value));
        }
    }
    output_release(&o);
    return result;
}

void job_run(const struct job_spec *spec, struct machine *machine, struct mask *mask,
             const struct job_sink *sink, struct job_result *ret)
{
    struct running_job j = {.spec = spec, .machine = machine, .mask = mask, .sink = sink};
    struct err err = {0};

    if (job_prepare(&j, &err) < 0) {
        job_fail(&j, err.msg);
    } else {
        for (size_t i = 0; i < spec->job->n_steps; i++)
            step_run(&j, i);
    }
    if (atomic_load(spec->cancelled) && j.status == JOB_SUCCESS)
        j.status = JOB_CANCELLED;
    ret->outputs = j.contexts ? job_outputs(&j) : json_object();
    ret->status = j.status;
    ret->exit_code = j.status == JOB_SUCCESS ? 0 : j.exit_code ? j.exit_code : 1;
    job_release(&j);
}
