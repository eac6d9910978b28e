/* One step: its `if`, its process, and what the process left in the files through which it speaks. */
#include <math.h>

#include "envfile.h"
#include "job_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    ENV_FILE_MAX = 4 * 1024 * 1024,
    OUTPUT_FILE_MAX = 1024 * 1024, /* GitHub: outputs of a job at most 1 MB */
    SUMMARY_MAX = 1024 * 1024,     /* GitHub documentation, "Adding a job summary": 1 MiB a step */
};

/* The files of a step, in the order in which they are put and got. */
enum {
    FILE_ENV,
    FILE_OUTPUT,
    FILE_PATH,
    FILE_STATE,
    FILE_SUMMARY,
    FILES,
    FILE_SCRIPT = FILES,
    FILE_EVENT,
    PUTS
};

struct running_step {
    struct running_job *job;
    size_t index;
    const struct workflow_step *def;
    struct step_output output;
    char *name;         /* owned, masked */
    json_t *env;        /* owned: the step's own */
    json_t *outputs;    /* owned */
    char *script, *cwd; /* owned */
    struct buf why, env_shown, summary;
    bool continue_on_error;
    double timeout_minutes; /* 0: none */
    int exit_code;
    enum job_status outcome;
};

static const char *step_file(const struct running_step *s)
{
    return s->job->spec->workflow->file;
}

static void step_release(struct running_step *s)
{
    output_release(&s->output);
    free(s->name);
    free(s->script);
    free(s->cwd);
    json_decref(s->env);
    json_decref(s->outputs);
    buf_release(&s->why);
    buf_release(&s->env_shown);
    buf_release(&s->summary);
}

static void step_fail(struct running_step *s, const char *msg)
{
    output_error(&s->output, msg);
    s->outcome = JOB_FAILURE;
}

/* ------------------------------------------------------------------------------------ before the process */

/* Evaluates the `if` and keeps its explanation. */
static int step_wanted(struct running_step *s, bool *ret)
{
    struct expr_env env = job_expr_env(s->job);
    _expr_err_ struct expr_err err = {0};
    _value_ struct value value = {0};
    _buf_ struct buf lines = BUF_INIT;

    int r = expr_explain(s->def->condition, &env, &value, &lines, &err);
    if (r < 0) {
        buf_addf(&s->why, "if: %s\n%s\n", expr_text(s->def->condition),
                 err.msg ? err.msg : "cannot be evaluated");
        step_fail(s, err.msg ? err.msg : "The `if` cannot be evaluated");
        return r;
    }
    *ret = value_truthy(&value);
    buf_addf(&s->why, "if: %s\n", expr_text(s->def->condition));
    mask_apply(s->job->mask, buf_str(&lines), lines.len, &s->why);
    buf_addf(&s->why, "%s\n", *ret ? "runs" : "skipped");
    return 0;
}

/* The name that GitHub shows where none is given: what it runs or uses. */
static char *step_default_name(const struct running_step *s, const struct expr_env *env)
{
    _free_ char *run = NULL;
    _buf_ struct buf name = BUF_INIT;

    if (s->def->kind == STEP_USES) {
        buf_addf(&name, "Run %s", s->def->uses);
    } else if (s->def->run && token_eval_string(s->def->run, step_file(s), env, &run, NULL) == 0) {
        const char *line = run + strspn(run, " \t\r\n");
        buf_addf(&name, "Run %.*s", (int)strcspn(line, "\r\n"), line);
    } else {
        buf_adds(&name, s->def->run ? "Run" : s->def->id);
    }
    return buf_steal(&name);
}

static void step_set_name(struct running_step *s)
{
    struct expr_env env = job_expr_env(s->job);
    _free_ char *name = NULL;
    _buf_ struct buf masked = BUF_INIT;

    if (!s->def->name || token_eval_string(s->def->name, step_file(s), &env, &name, NULL) < 0 || !*name) {
        free(name);
        name = step_default_name(s, &env);
    }
    if (name)
        mask_apply(s->job->mask, name, strlen(name), &masked);
    s->name = buf_steal(&masked);
}

/* Evaluates env, then what else the step says, against contexts that include it. */
static int step_evaluate(struct running_step *s, struct err *err)
{
    struct running_job *j = s->job;
    struct expr_env env = job_expr_env(j);
    const char *key;
    json_t *value;

    s->env = json_object();
    if (s->def->env) {
        _json_ json_t *own = NULL;
        int r = token_eval(s->def->env, step_file(s), &env, &own, err);
        json_object_foreach(own, key, value)
        {
            _value_ struct value v = value_from_json(value);
            _buf_ struct buf text = BUF_INIT;
            value_to_string(&v, &text);
            json_object_set_new(s->env, key, json_stringn(buf_str(&text), text.len));
        }
        if (r < 0)
            return r;
    }
    if (job_set_env_context(j, s->env) < 0)
        return err_errno(err, -ENOMEM, "env");
    int r =
        token_eval_boolean(s->def->continue_on_error, step_file(s), &env, false, &s->continue_on_error, err);
    if (r == 0)
        r = token_eval_number(s->def->timeout_minutes, step_file(s), &env, 0, &s->timeout_minutes, err);
    return r;
}

/* step, then job defaults, then workflow defaults. */
static int step_setting(struct running_step *s, const struct token *own, const char *key, char **ret,
                        struct err *err)
{
    struct expr_env env = job_expr_env(s->job);
    const struct token *t = own;

    if (!t)
        t = token_get(s->job->spec->job->defaults_run, key);
    if (!t)
        t = token_get(s->job->spec->workflow->defaults_run, key);
    return token_eval_string(t, step_file(s), &env, ret, err);
}

static int step_directory(struct running_step *s, struct err *err)
{
    const char *workspace = machine_paths(s->job->machine)->workspace;
    _free_ char *wanted = NULL;
    _buf_ struct buf dir = BUF_INIT;
    int r = step_setting(s, s->def->working_directory, "working-directory", &wanted, err);

    if (r < 0)
        return r;
    if (*wanted == '/')
        buf_adds(&dir, wanted);
    else if (*wanted)
        buf_addf(&dir, "%s/%s", workspace, wanted);
    else
        buf_adds(&dir, workspace);
    s->cwd = buf_steal(&dir);
    return s->cwd ? 0 : err_errno(err, -ENOMEM, "working directory");
}

/* What a person sees first in the log of a step: the script, the shell and its own env. */
static void step_show_command(struct running_step *s, char *const *argv)
{
    const char *line = s->script + strspn(s->script, " \t\r\n");
    _buf_ struct buf text = BUF_INIT;
    const char *key;
    json_t *value, *env = json_object_get(s->job->contexts, "env");

    buf_addf(&text, "##[group]Run %.*s\n%s%s", (int)strcspn(line, "\r\n"), line, s->script,
             str_ends(s->script, "\n") ? "" : "\n");
    buf_adds(&text, "shell:");
    for (; *argv; argv++)
        buf_addf(&text, " %s", *argv);
    if (json_object_size(env))
        buf_adds(&text, "\nenv:");
    json_object_foreach(env, key, value)
    {
        buf_addf(&text, "\n  %s: %s", key, json_string_value(value));
        buf_addf(&s->env_shown, "%s=%s\n", key, json_string_value(value));
    }
    output_runner_line(&s->output, "%s\n##[endgroup]", buf_str(&text));
}

/* ------------------------------------------------------------------------------------------- the process */

struct step_files {
    struct buf dir, paths[PUTS], script;
    char *event; /* owned by malloc (jansson) */
    struct machine_file put[PUTS], get[FILES];
    size_t n_put;
};

static void files_release(struct step_files *f)
{
    buf_release(&f->dir);
    buf_release(&f->script);
    for (size_t i = 0; i < PUTS; i++)
        buf_release(&f->paths[i]);
    for (size_t i = 0; i < FILES; i++)
        buf_release(&f->get[i].got);
    free(f->event);
}

static int files_prepare(struct running_step *s, const struct shell *shell, struct step_files *f)
{
    static const struct {
        const char *name;
        size_t max;
    } names[FILES] = {[FILE_ENV] = {"set_env", ENV_FILE_MAX},
                      [FILE_OUTPUT] = {"set_output", OUTPUT_FILE_MAX},
                      [FILE_PATH] = {"add_path", ENV_FILE_MAX},
                      [FILE_STATE] = {"save_state", ENV_FILE_MAX},
                      [FILE_SUMMARY] = {"step_summary", SUMMARY_MAX}};
    const char *temp = machine_paths(s->job->machine)->temp;

    buf_addf(&f->dir, "%s/_runner_file_commands/%zu", temp, s->index + 1);
    for (size_t i = 0; i < FILES; i++) {
        buf_addf(&f->paths[i], "%s/%s", buf_str(&f->dir), names[i].name);
        f->put[i] = (struct machine_file){.path = buf_str(&f->paths[i]), .mode = 0666, .data = ""};
        f->get[i] = (struct machine_file){.path = buf_str(&f->paths[i]), .max = names[i].max};
    }
    buf_addf(&f->paths[FILE_SCRIPT], "%s/step-%zu%s", temp, s->index + 1, shell->extension);
    buf_addf(&f->script, "%s%s%s", shell->before, s->script, shell->after);
    f->put[FILE_SCRIPT] = (struct machine_file){.path = buf_str(&f->paths[FILE_SCRIPT]),
                                                .mode = 0755,
                                                .data = buf_str(&f->script),
                                                .len = f->script.len};
    f->n_put = FILE_EVENT;
    if (!s->job->event_written) {
        json_t *event = json_object_get(json_object_get(s->job->contexts, "github"), "event");
        f->event = json_dumps(event, JSON_INDENT(2) | JSON_ENCODE_ANY);
        buf_addf(&f->paths[FILE_EVENT], "%s/_github_workflow/event.json", temp);
        f->put[FILE_EVENT] = (struct machine_file){.path = buf_str(&f->paths[FILE_EVENT]),
                                                   .mode = 0644,
                                                   .data = f->event ? f->event : "{}",
                                                   .len = f->event ? strlen(f->event) : 2};
        f->n_put = PUTS;
    }
    for (size_t i = 0; i < PUTS; i++)
        if (!buf_ok(&f->paths[i]))
            return -ENOMEM;
    return buf_ok(&f->script) && buf_ok(&f->dir) ? 0 : -ENOMEM;
}

static int64_t step_deadline(const struct running_step *s)
{
    int64_t job = s->job->deadline, own = 0;

    if (s->timeout_minutes > 0 && s->timeout_minutes < 1e6)
        own = mono_ns() + (int64_t)(s->timeout_minutes * 60e9);
    return own && (!job || own < job) ? own : job;
}

static int step_exec(struct running_step *s, const struct shell *shell, struct step_files *f,
                     struct machine_result *result, struct err *err)
{
    char **argv = shell_command(shell, buf_str(&f->paths[FILE_SCRIPT]));
    char **env = job_environment(s->job, s->index, s->env, buf_str(&f->dir));
    struct machine_exec x = {.argv = (const char *const *)argv,
                             .env = (const char *const *)env,
                             .cwd = s->cwd,
                             .put = f->put,
                             .n_put = f->n_put,
                             .get = f->get,
                             .n_get = FILES,
                             .output = output_chunk,
                             .data = &s->output,
                             .deadline_mono_ns = step_deadline(s)};
    int r = argv && env ? machine_exec(s->job->machine, &x, result, err)
                        : err_errno(err, -ENOMEM, "cannot start");

    strv_free(argv);
    strv_free(env);
    if (r == 0)
        s->job->event_written = true;
    return r;
}

/* Where a shell is called by a name that this machine has not: sh for bash, python3 for python. */
static int step_exec_somehow(struct running_step *s, const char *wanted, struct step_files *f,
                             struct machine_result *result, struct err *err)
{
    static const char *const second_choice[][2] = {{"", "sh"}, {"python", "python3 {0}"}};
    _shell_ struct shell shell = {0};
    int r = shell_parse(wanted, &shell, err);

    if (r == 0)
        r = files_prepare(s, &shell, f);
    if (r < 0)
        return r;
    step_show_command(s, shell.argv);
    r = step_exec(s, &shell, f, result, err);
    for (size_t i = 0;
         r == 0 && result->start_error && result->exit_code == 127 && i < ARRAY_LEN(second_choice); i++) {
        _shell_ struct shell second = {0};
        if (!str_eq(wanted, second_choice[i][0]) || shell_parse(second_choice[i][1], &second, err) < 0)
            continue;
        machine_result_release(result);
        *result = (struct machine_result){0};
        r = step_exec(s, &second, f, result, err);
    }
    return r;
}

/* --------------------------------------------------------------------------------------- after the process
 */

static const char *file_text(const struct machine_file *f)
{
    return buf_str(&f->got);
}

/* GITHUB_ENV may not change what the runner itself sets, nor what would change every JavaScript action. */
static int take_env(struct running_step *s, const struct machine_file *f, struct err *err)
{
    _json_ json_t *pairs = json_object();
    const char *key;
    json_t *value;
    int r = envfile_parse(file_text(f), f->got.len, pairs, err);

    json_object_foreach(pairs, key, value)
    {
        if (str_eq_ascii_nocase(key, "NODE_OPTIONS"))
            return err_set(err, -EINVAL, "Can't store %s output parameter using '$GITHUB_ENV' command.", key);
        if (!str_starts(key, "GITHUB_") && !str_starts(key, "RUNNER_"))
            json_object_set(s->job->set_env, key, value);
    }
    return r;
}

static void take_summary(struct running_step *s, const struct machine_file *f)
{
    if (f->error == -EFBIG) {
        output_error(&s->output,
                     "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k");
        return;
    }
    size_t good = utf8_valid_prefix(file_text(f), f->got.len);
    mask_apply(s->job->mask, file_text(f), good, &s->summary);
}

static void take_files(struct running_step *s, struct step_files *f)
{
    static const char *const what[FILES] = {"env", "output", "path", "state", "summary"};
    struct err err = {0};
    int r;

    for (size_t i = 0; i < FILES; i++) {
        struct machine_file *file = &f->get[i];
        r = 0;
        if (file->error == -EFBIG && i != FILE_SUMMARY)
            r = err_set(&err, -EFBIG, "the %s file is larger than %zu bytes", what[i], file->max);
        else if (i == FILE_SUMMARY)
            take_summary(s, file);
        else if (i == FILE_ENV)
            r = take_env(s, file, &err);
        else if (i == FILE_OUTPUT)
            r = envfile_parse(file_text(file), file->got.len, s->outputs, &err);
        else if (i == FILE_PATH)
            r = pathfile_parse(file_text(file), file->got.len, s->job->set_path, &err);
        if (r < 0) {
            _buf_ struct buf msg = BUF_INIT;
            buf_addf(&msg, "Unable to process file command '%s' successfully.", what[i]);
            output_error(&s->output, buf_str(&msg));
            step_fail(s, err.msg);
        }
    }
}

/* Which outcome a process that ended stands for, and the line that says so. */
static void step_judge(struct running_step *s, const struct machine_result *result)
{
    _buf_ struct buf msg = BUF_INIT;
    struct running_job *j = s->job;

    s->exit_code = result->exit_code;
    if (result->timed_out) {
        bool whole_job = j->deadline && mono_ns() >= j->deadline;
        if (whole_job) {
            j->timed_out = true;
            buf_adds(&msg, "The job has exceeded the maximum execution time");
            _free_ char *minutes = NULL;
            if (token_eval_string(j->spec->job->timeout_minutes, step_file(s),
                                  &(struct expr_env){.contexts = j->contexts}, &minutes, NULL) == 0)
                buf_addf(&msg, " of %s minutes.", *minutes ? minutes : "360");
        } else {
            _buf_ struct buf minutes = BUF_INIT;
            number_to_string(s->timeout_minutes, &minutes);
            buf_addf(&msg, "The action '%s' has timed out after %s minutes.", s->name, buf_str(&minutes));
        }
        step_fail(s, buf_str(&msg));
        if (whole_job)
            s->outcome = JOB_CANCELLED;
    } else if (result->cancelled) {
        s->outcome = JOB_CANCELLED;
        output_error(&s->output, "The operation was canceled.");
    } else if (result->start_error) {
        step_fail(s, result->start_error);
    } else if (result->exit_code != 0) {
        buf_addf(&msg, "Process completed with exit code %d.", result->exit_code);
        step_fail(s, buf_str(&msg));
    }
}

static void step_process(struct running_step *s)
{
    struct expr_env env = job_expr_env(s->job);
    struct machine_result result = {0};
    struct step_files files = {0};
    _free_ char *shell = NULL;
    struct err err = {0};

    int r = token_eval_string(s->def->run, step_file(s), &env, &s->script, &err);
    if (r == 0)
        r = step_setting(s, s->def->shell, "shell", &shell, &err);
    if (r == 0)
        r = step_directory(s, &err);
    if (r == 0)
        r = step_exec_somehow(s, shell, &files, &result, &err);
    output_finish(&s->output);
    if (r < 0) {
        step_fail(s, err.msg[0] ? err.msg : "The step could not be run");
        s->exit_code = -1;
    } else {
        step_judge(s, &result);
        take_files(s, &files);
    }
    if (s->output.failed < 0)
        step_fail(s, "The log could not be written");
    machine_result_release(&result);
    files_release(&files);
}

/* ---------------------------------------------------------------------------------------------- the whole */

static void step_work(struct running_step *s)
{
    struct err err = {0};

    if (step_evaluate(s, &err) < 0) {
        step_fail(s, err.msg);
        return;
    }
    if (s->def->kind == STEP_RUN) {
        step_process(s);
        return;
    }
    _buf_ struct buf msg = BUF_INIT;
    buf_addf(&msg, "`%s` cannot be run: this version of runfs runs `run:` steps only",
             s->def->uses ? s->def->uses : s->def->id);
    step_fail(s, buf_str(&msg));
}

/* Tells the sink, and the steps and jobs that come after. */
static void step_report(struct running_step *s, bool skipped)
{
    struct running_job *j = s->job;
    enum job_status conclusion = s->outcome == JOB_FAILURE && s->continue_on_error ? JOB_SUCCESS : s->outcome;
    _buf_ struct buf script = BUF_INIT, env = BUF_INIT;

    if (!skipped && conclusion == JOB_FAILURE && j->status == JOB_SUCCESS) {
        j->status = JOB_FAILURE;
        j->exit_code = s->exit_code > 0 ? s->exit_code : 1;
    }
    if (conclusion == JOB_CANCELLED && j->status != JOB_FAILURE)
        j->status = JOB_CANCELLED;
    if (s->def->has_id)
        json_object_set_new(j->steps, s->def->id,
                            json_pack("{s:O, s:s, s:s}", "outputs", s->outputs, "outcome",
                                      job_status_name(s->outcome), "conclusion",
                                      job_status_name(conclusion)));
    json_object_set_new(j->contexts, "job", json_pack("{s:s}", "status", job_status_name(j->status)));
    if (s->script)
        mask_apply(j->mask, s->script, strlen(s->script), &script);
    mask_apply(j->mask, buf_str(&s->env_shown), s->env_shown.len, &env);
    j->sink->step_completed(j->sink->data, s->index,
                            &(struct step_result){.name = s->name ? s->name : s->def->id,
                                                  .outcome = job_status_name(s->outcome),
                                                  .conclusion = job_status_name(conclusion),
                                                  .exit_code = skipped ? -1 : s->exit_code,
                                                  .script = buf_str(&script),
                                                  .env = buf_str(&env),
                                                  .cwd = s->cwd ? s->cwd : "",
                                                  .why = buf_str(&s->why),
                                                  .summary = buf_str(&s->summary),
                                                  .outputs = s->outputs});
}

void step_run(struct running_job *j, size_t i)
{
    struct running_step s = {.job = j, .index = i, .def = &j->spec->job->steps[i], .exit_code = -1};
    bool wanted = false;

    s.output = (struct step_output){.job = j, .step = i};
    s.outputs = s.output.outputs = json_object();
    if (j->status == JOB_SUCCESS &&
        (atomic_load(j->spec->cancelled) || (j->deadline && mono_ns() >= j->deadline)))
        j->status = JOB_CANCELLED;
    (void)job_set_env_context(j, NULL);
    int r = step_wanted(&s, &wanted);
    step_set_name(&s);
    if (r == 0 && wanted) {
        j->sink->step_started(j->sink->data, i, s.name ? s.name : s.def->id);
        step_work(&s);
    } else if (r == 0) {
        s.outcome = JOB_SKIPPED;
    }
    step_report(&s, r == 0 && !wanted);
    step_release(&s);
}
