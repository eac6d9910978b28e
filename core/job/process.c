/* A program of a step: how it is run, and what its end means for the step. */
#include <poll.h>
#include <signal.h>

#include "background.h"
#include "process.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* What a shell in the machine needs to be like this step. Takes env. */
static void keep_shell(struct running_step *s, char **env, const char *cwd)
{
    struct job_shells *shells = &s->job->whole->shells;
    size_t i = s->output.step, n = s->job->spec->job->n_steps;

    if (!shells->steps && n) {
        shells->steps = calloc(n, sizeof(*shells->steps));
        shells->n = shells->steps ? n : 0;
    }
    if (i >= shells->n || s->stage != STAGE_MAIN) {
        strv_free(env);
        return;
    }
    strv_free(shells->steps[i].env);
    free(shells->steps[i].cwd);
    shells->steps[i] = (struct step_shell){.env = env, .cwd = strdup(cwd)};
}

/* ------------------------------------------------------------------------------------------ in the machine
 */

struct in_turn {
    struct running_job *job;
    machine_output_fn *output;
    void *data;
};

static int output_in_turn(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct in_turn *t = data;

    job_enter(t->job);
    int r = t->output(t->data, stream, bytes, len);
    job_leave(t->job);
    return r;
}

int job_exec(struct running_job *j, struct machine_exec *x, struct machine_result *ret, struct err *err)
{
    struct in_turn t = {j, x->output, x->data};

    if (j->background && x->output) {
        x->output = output_in_turn;
        x->data = &t;
    }
    job_leave(j);
    int r = machine_exec(j->machine, x, ret, err);
    job_enter(j);
    x->output = t.output;
    x->data = t.data;
    return r;
}

int job_put_tree(struct running_job *j, const char *dir, int tar_fd, struct err *err)
{
    job_leave(j);
    int r = machine_put_tree(j->machine, dir, tar_fd, err);
    job_enter(j);
    return r;
}

/* -------------------------------------------------------------------------------------------- the process */

int process_run(struct running_step *s, const struct process *p, struct machine_result *ret, struct err *err)
{
    struct running_job *j = s->job;
    struct process_files files = {0};
    int r = process_files_prepare(s, p, &files);
    char **env = r == 0 ? job_environment(s, p->env, buf_str(&files.dir)) : NULL;

    if (!env) {
        process_files_release(&files);
        return err_errno(err, -ENOMEM, "cannot start");
    }
    struct machine_exec x = {.argv = (const char *const *)p->argv,
                             .env = (const char *const *)env,
                             .cwd = p->cwd ? p->cwd : machine_paths(j->machine)->workspace,
                             .put = files.put,
                             .n_put = files.n_put,
                             .get = files.get,
                             .n_get = FILES,
                             .output = output_chunk,
                             .data = &s->output,
                             .deadline_mono_ns = step_deadline(s),
                             /* what runs after a cancel that was noticed runs because it is wanted */
                             .cancelled = j->ending ? NULL : j->spec->cancelled};
    r = job_exec(j, &x, ret, err);
    keep_shell(s, env, x.cwd);
    output_finish(&s->output);
    if (r == 0) {
        j->whole->event_written = true;
        process_files_take(s, &files, p->state);
    }
    process_files_release(&files);
    return r;
}

/* "1h30m0s", as GitHub gives it. */
static void add_duration(double minutes, struct buf *ret)
{
    int64_t whole = (int64_t)minutes;

    if (whole >= 60)
        buf_addf(ret, "%lldh", (long long)(whole / 60));
    if (whole > 0)
        buf_addf(ret, "%lldm", (long long)(whole % 60));
    buf_addf(ret, "%gs", (minutes - (double)whole) * 60);
}

void step_timed_out(struct running_step *s)
{
    struct running_job *j = s->job;
    _buf_ struct buf msg = BUF_INIT, minutes = BUF_INIT;
    int64_t now = mono_ns();
    bool own = s->deadline && now >= s->deadline, around = s->scope->deadline && now >= s->scope->deadline;
    bool whole_job = !own && !around;

    if (around && !own) { /* the step around it says why */
        s->outcome = JOB_FAILURE;
        return;
    }

    if (whole_job) {
        struct expr_env env = {.contexts = j->scope.contexts};
        double limit = 360;
        (void)token_eval_number(j->spec->job->timeout_minutes, j->scope.file, &env, 360, &limit, NULL);
        buf_adds(&msg, "The job has exceeded the maximum execution time of ");
        add_duration(limit, &msg);
    } else {
        number_to_string(s->timeout_minutes, &minutes);
        buf_addf(&msg, "The action '%s' has timed out after %s minutes.", s->name, buf_str(&minutes));
    }
    step_fail(s, buf_str(&msg));
    if (!whole_job)
        return;
    j->timed_out = true;
    s->outcome = JOB_CANCELLED;
}

/* A batch system ends a job by a signal to each of its processes, in any order: the step's may be gone before
 * this one has heard of it. */
static bool ended_with_job(const struct running_job *j, const struct machine_result *result)
{
    int signal = result->exit_code - 128;
    int64_t until = mono_ns() + j->spec->settle_ms * 1000000LL;

    if (j->ending || !j->spec->settle_ms || (signal != SIGTERM && signal != SIGINT && signal != SIGHUP))
        return false;
    while (!atomic_load(j->spec->cancelled) && mono_ns() < until)
        (void)poll(NULL, 0, 5);
    return atomic_load(j->spec->cancelled);
}

void process_judge(struct running_step *s, const struct machine_result *result, bool say)
{
    _buf_ struct buf msg = BUF_INIT;

    s->exit_code = result->exit_code;
    if (result->limit[0]) {
        buf_addf(&msg, "The step %s.", result->limit);
        step_fail(s, buf_str(&msg));
    } else if (result->timed_out) {
        step_timed_out(s);
    } else if (result->cancelled || ended_with_job(s->job, result)) {
        s->outcome = JOB_CANCELLED;
        if (background_was_cancelled(s->job)) /* which is no mistake */
            output_runner_line(&s->output, "A later step cancelled this one.");
        else
            output_error(&s->output, "The operation was canceled.");
    } else if (result->start_error) {
        buf_addf(&msg, "%s%s", result->start_error,
                 result->exit_code == 127
                     ? ". Install it in a step before, or where the machine boots from, or "
                       "map the label to an image that has it (config/labels)"
                     : "");
        step_fail(s, buf_str(&msg));
    } else if (result->exit_code != 0) {
        buf_addf(&msg, "Process completed with exit code %d.", result->exit_code);
        if (say)
            step_fail(s, buf_str(&msg));
        s->outcome = JOB_FAILURE;
    }
}
