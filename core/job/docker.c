/*
 * Docker actions: a program of an image, in a machine of that image which has the workspace and the like of
 * the job's, at the paths that GitHub documents ("Dockerfile support for GitHub Actions").
 */
#include "docker.h"
#include "background.h"
#include "runfs/container_site.h"
#include "runfs/str.h"

/* --------------------------------------------------------------------------------------------- what it runs
 */

struct command_line {
    char **words; /* owned */
    size_t n;
};

static void command_line_release(struct command_line *l)
{
    strv_free(l->words);
}

static int add_word(struct command_line *l, const char *word)
{
    return strv_add(&l->words, &l->n, strdup(word ? word : ""));
}

static int add_list(struct command_line *l, const json_t *list)
{
    json_t *word;
    size_t i;
    int r = 0;

    json_array_foreach(list, i, word) if (r == 0) r = add_word(l, json_string_value(word));
    return r;
}

static const char *with(const struct use *u, const char *key)
{
    const char *text = json_string_value(json_object_get_nocase(u->inputs, key, strlen(key)));

    return text ? text : "";
}

/* What expressions in its manifest see. */
static json_t *contexts_of(const struct running_step *s, const struct use *u)
{
    json_t *all = json_copy(s->scope->contexts);

    if (all && u->inputs && json_object_set(all, "inputs", u->inputs) < 0)
        json_decref(TAKE(all));
    return all;
}

/* `with.args` as a line, else the manifest's as a list. *ret_given: there are some. */
static int add_arguments(struct running_step *s, const struct use *u, struct command_line *l, bool *ret_given,
                         struct err *err)
{
    const struct token *own = u->action ? u->action->args : NULL;
    _json_ json_t *contexts = contexts_of(s, u), *list = NULL;
    struct expr_env env = step_expr_env(s);
    int r = 0;

    *ret_given = *with(u, "args") || own;
    if (*with(u, "args")) {
        _strv_ char **words = container_words(with(u, "args"));
        if (!words)
            return err_set(err, -EINVAL, "args: a quote is not closed: %.200s", with(u, "args"));
        for (char **word = words; r == 0 && *word; word++)
            r = add_word(l, *word);
    } else if (own) {
        env.contexts = contexts;
        r = token_eval(own, u->action->file, &env, &list, err);
        if (r == 0)
            r = add_list(l, list);
    }
    return r == -ENOMEM ? err_errno(err, r, "%s", u->def->uses) : r;
}

/* As Docker puts it together: who names another entry point does without the image's command. */
static int command_of(struct running_step *s, const struct use *u, const struct container *c,
                      struct command_line *l, struct err *err)
{
    const struct action *a = u->action;
    const char *entry = s->stage == STAGE_PRE    ? a->pre_entrypoint
                        : s->stage == STAGE_POST ? a->post_entrypoint
                        : *with(u, "entrypoint") ? with(u, "entrypoint")
                        : a                      ? a->entrypoint
                                                 : NULL;
    bool given = false;
    int r = entry ? add_word(l, entry) : add_list(l, c->entrypoint);

    if (r == 0)
        r = add_arguments(s, u, l, &given, err);
    if (r == 0 && !given && !entry)
        r = add_list(l, c->command);
    if (r == 0 && l->n == 0)
        return err_set(err, -EINVAL, "%s: the image says no command, and neither does the action",
                       u->def->uses);
    return r == -ENOMEM ? err_errno(err, r, "%s", u->def->uses) : r;
}

/* The manifest's env stands below the step's. */
static int add_environment(struct running_step *s, const struct use *u, json_t *into, struct err *err)
{
    _json_ json_t *contexts = contexts_of(s, u), *own = json_object();
    const json_t *known = json_object_get(s->scope->contexts, "env");
    struct expr_env env = step_expr_env(s);
    const char *key;
    json_t *value;

    if (!contexts || !own)
        return err_errno(err, -ENOMEM, "%s", u->def->uses);
    env.contexts = contexts;
    int r = env_add(u->action ? u->action->env : NULL, u->action ? u->action->file : "", &env, own, err);
    json_object_foreach(own, key, value) if (!json_object_get(known, key)) json_object_set(into, key, value);
    json_object_set_new(into, "GITHUB_WORKSPACE", json_string("/github/workspace"));
    return r;
}

/* ------------------------------------------------------------------------------------------- where it runs
 * it */

/* Pairs of what the job's machine has and where that is in the action's. */
struct places {
    struct buf home, workflow; /* owned */
    const char *pairs[9];
};

static void places_release(struct places *p)
{
    buf_release(&p->home);
    buf_release(&p->workflow);
}

static int find_places(struct running_job *j, struct places *p, struct err *err)
{
    const struct machine_paths *paths = machine_paths(j->machine);
    bool container = j->spec->container != NULL;

    buf_addf(&p->home, "%s%s", container ? paths->home : paths->temp, container ? "" : "/_github_home");
    buf_addf(&p->workflow, "%s%s", container ? "/github" : paths->temp,
             container ? "/workflow" : "/_github_workflow");
    if (!buf_ok(&p->home) || !buf_ok(&p->workflow))
        return err_errno(err, -ENOMEM, "container");
    const char *const pairs[] = {paths->workspace,      "/github/workspace", paths->temp,
                                 "/github/runner_temp", p->home.ptr,         "/github/home",
                                 p->workflow.ptr,       "/github/workflow",  NULL};
    memcpy(p->pairs, pairs, sizeof(pairs));
    int r = machine_make_dirs(j->machine, p->home.ptr, err);
    return r == 0 ? machine_make_dirs(j->machine, p->workflow.ptr, err) : r;
}

/* The step's process, with the other machine in the place of the job's. */
static int run_there(struct running_step *s, struct machine *m, const struct container *c,
                     const struct process *p, struct machine_result *ret, struct err *err)
{
    struct running_job *j = s->job;
    const struct job_spec *own_spec = j->spec;
    struct machine *own_machine = j->machine;
    struct job_spec spec = *own_spec;
    bool written = j->whole->event_written;

    spec.container = c;
    j->spec = &spec;
    j->machine = m;
    j->whole->event_written = false; /* in this one */
    int r = process_run(s, p, ret, err);
    j->whole->event_written = written;
    j->machine = own_machine;
    j->spec = own_spec;
    return r;
}

static int open_machine(struct running_step *s, struct use *u, struct container **ret_container,
                        struct machine **ret, struct err *err)
{
    const struct job_spec *spec = s->job->spec;
    const char *image = u->action ? u->action->image : u->def->uses;
    _cleanup_(places_release) struct places places = {0};

    if (!spec->site)
        return err_set(err, -ENOTSUP,
                       "%s: a Docker action is a container, and there is nowhere to make one here",
                       u->def->uses);
    int r = str_starts(image, "docker://") || u->image ? 0 : docker_build(s, u, err);
    if (r == 0)
        r = find_places(s->job, &places, err);
    if (r < 0)
        return r;
    image = u->image ? u->image : image;
    job_leave(s->job);
    r = container_of_action(spec->site, image, s->job->machine, places.pairs, spec->services, ret_container,
                            ret, err);
    job_enter(s->job);
    return r;
}

void docker_run(struct running_step *s, struct use *u, json_t *env)
{
    _cleanup_(command_line_release) struct command_line line = {0};
    _container_ struct container *c = NULL;
    struct machine_result result = {0};
    struct machine *m = NULL;
    struct err err = {0};

    int r = env ? open_machine(s, u, &c, &m, &err) : err_errno(&err, -ENOMEM, "%s", u->def->uses);
    if (r == 0) {
        container_show(c, &s->output);
        r = command_of(s, u, c, &line, &err);
    }
    if (r == 0)
        r = add_environment(s, u, env, &err);
    if (r == 0)
        r = run_there(s, m, c, &(struct process){.argv = line.words, .env = env, .state = u->state}, &result,
                      &err);
    if (m)
        container_end_action(s->job->spec->site, m);
    if (r < 0)
        step_fail_why(s, &err);
    else
        process_judge(s, &result, true);
    machine_result_release(&result);
}
