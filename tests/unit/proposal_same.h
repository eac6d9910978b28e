/* Whether a workflow says what the proposal said that it was made of: for the unit test and the fuzzer. */
#ifndef RUNFS_PROPOSAL_SAME_H
#define RUNFS_PROPOSAL_SAME_H

#include <jansson.h>
#include <math.h>

#include "runfs/str.h"
#include "runfs/workflow.h"

static inline bool same_text(const struct token *t, const json_t *text)
{
    return t && t->kind == TOKEN_STRING && t->len == json_string_length(text) &&
           memcmp(t->str, json_string_value(text), t->len) == 0;
}

static inline bool is_given(const json_t *value)
{
    return value && !json_is_null(value);
}

/* NULL: it is the same; else what is not. */
static inline const char *same_environment(const struct token *env, json_t *want)
{
    const char *key;
    json_t *value;

    if ((env ? env->map.n : 0) != json_object_size(want))
        return "the number of variables";
    json_object_foreach(want, key, value) if (!same_text(token_get(env, key), value)) return "a variable";
    return NULL;
}

static inline const char *same_commands(const struct workflow_step *steps, const json_t *want)
{
    const json_t *one;
    size_t i;

    json_array_foreach(want, i, one) if (!same_text(steps[i].run, one)) return "a command";
    return NULL;
}

static inline const char *same_step(const struct workflow_step *step, const json_t *want)
{
    const json_t *name = json_object_get(want, "name"), *dir = json_object_get(want, "working_dir"),
                 *timeout = json_object_get(want, "timeout_seconds"),
                 *command = json_object_get(want, "command");

    if (!same_text(step->run, command))
        return "a step's command";
    if (!same_text(step->name, is_given(name) ? name : command))
        return "a step's name";
    if (is_given(dir) ? !same_text(step->working_directory, dir) : step->working_directory != NULL)
        return "a step's directory";
    if (json_is_true(json_object_get(want, "continue_on_error")) != (step->continue_on_error != NULL))
        return "whether it goes on";
    if (is_given(timeout) ? !step->timeout_minutes || llround(step->timeout_minutes->number * 60e3) !=
                                                          1000 * json_integer_value(timeout)
                          : step->timeout_minutes != NULL)
        return "a step's timeout";
    return NULL;
}

static inline bool same_paths(const struct workflow_step *step, const json_t *want)
{
    _buf_ struct buf lines = BUF_INIT;
    const json_t *path;
    size_t i;

    json_array_foreach(want, i, path) buf_addf(&lines, "%s\n", json_string_value(path));
    const struct token *t = token_get(step->with, "path");
    return t && t->kind == TOKEN_STRING && str_eq(t->str, buf_str(&lines));
}

static inline const char *same_proposal(const struct workflow *w, const json_t *p)
{
    const json_t *setup = json_object_get(p, "setup_commands"), *steps = json_object_get(p, "steps"),
                 *cleanup = json_object_get(p, "cleanup_commands"),
                 *paths = json_object_get(p, "cache_paths"), *step;
    const struct workflow_step *at = w->jobs[0].steps;
    size_t cached = json_array_size(paths) > 0,
           n = cached + json_array_size(setup) + json_array_size(steps) + json_array_size(cleanup), i;
    const char *other = same_environment(w->env, json_object_get(p, "environment"));

    if (!str_eq(w->name, json_string_value(json_object_get(p, "name"))))
        return "its name";
    if (w->n_jobs != 1 || w->jobs[0].n_steps != n)
        return "the number of steps";
    if (cached && !same_paths(at, paths))
        return "the cached paths";
    at += cached;
    other = other ? other : same_commands(at, setup);
    at += json_array_size(setup);
    json_array_foreach(steps, i, step) if (!other) other = same_step(at++, step);
    return other ? other : same_commands(at, cleanup);
}

#endif
