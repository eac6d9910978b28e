/* `run:` steps: the script, its shell, its directory. */
#include "job_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* step, then job defaults, then workflow defaults; a composite's steps have their own only. */
static int step_setting(struct running_step *s, const struct token *own, const char *key, char **ret,
                        struct err *err)
{
    const struct job_spec *spec = s->job->spec;
    const struct token *t = own;

    if (!t && !s->scope->use)
        t = token_get(spec->job->defaults_run, key);
    if (!t && !s->scope->use)
        t = token_get(spec->workflow->defaults_run, key);
    return step_eval_string(s, t, ret, err);
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
static void show_command(struct running_step *s, char *const *argv)
{
    const char *line = s->script + strspn(s->script, " \t\r\n");
    _buf_ struct buf text = BUF_INIT;

    buf_addf(&text, "Run %.*s\n%s%s", (int)strcspn(line, "\r\n"), line, s->script,
             str_ends(s->script, "\n") ? "" : "\n");
    buf_adds(&text, "shell:");
    for (; *argv; argv++)
        buf_addf(&text, " %s", *argv);
    step_show(s, buf_str(&text));
}

static int run_in_shell(struct running_step *s, const struct shell *shell, bool shown,
                        struct machine_result *result, struct err *err)
{
    const char *files = machine_paths(s->job->machine)->files;
    _buf_ struct buf path = BUF_INIT, script = BUF_INIT;

    buf_addf(&path, "%s/step-%u%s", files, s->number, shell->extension);
    shell_script(shell, s->script, &script);
    struct machine_file file = {
        .path = buf_str(&path), .mode = 0755, .data = buf_str(&script), .len = script.len};
    char **argv = buf_ok(&path) && buf_ok(&script) ? shell_command(shell, buf_str(&path)) : NULL;
    struct process p = {.argv = argv, .cwd = s->cwd, .file = &file};
    if (!argv)
        return err_errno(err, -ENOMEM, "cannot start");
    if (!shown)
        show_command(s, shell->argv);
    int r = process_run(s, &p, result, err);
    strv_free(argv);
    return r;
}

/* Where a shell is called by a name that this machine has not: sh for bash, python3 for python. */
static int run_somehow(struct running_step *s, const char *wanted, struct machine_result *result,
                       struct err *err)
{
    static const char *const second_choice[][2] = {{"", "sh -e {0}"}, {"python", "python3 {0}"}};
    _shell_ struct shell shell = {0};
    if (!*wanted && s->job->spec->container) /* GitHub documentation, "jobs.<job_id>.container" */
        wanted = "sh";
    int r = shell_parse(wanted, &shell, err);

    if (r == 0)
        r = run_in_shell(s, &shell, false, result, err);
    for (size_t i = 0;
         r == 0 && result->start_error && result->exit_code == 127 && i < ARRAY_LEN(second_choice); i++) {
        _shell_ struct shell second = {0};
        if (!str_eq(wanted, second_choice[i][0]) || shell_parse(second_choice[i][1], &second, err) < 0)
            continue;
        machine_result_release(result);
        *result = (struct machine_result){0};
        r = run_in_shell(s, &second, true, result, err);
    }
    return r;
}

void script_run(struct running_step *s)
{
    struct machine_result result = {0};
    struct err err = {0};

    int r = step_eval_string(s, s->def->run, &s->script, &err);
    if (r == 0)
        r = step_setting(s, s->def->shell, "shell", &s->shell, &err);
    if (r == 0)
        r = step_directory(s, &err);
    if (r == 0)
        r = run_somehow(s, s->shell, &result, &err);
    if (r < 0) {
        step_fail(s, err.msg[0] ? err.msg : "The step could not be run");
        s->exit_code = -1;
    } else {
        process_judge(s, &result, true);
    }
    machine_result_release(&result);
}
