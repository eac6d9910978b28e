/*
 * Planning: what of a workflow an event would run, before anything runs. Pure functions over workflows and
 * JSON.
 */
#ifndef RUNFS_PLAN_H
#define RUNFS_PLAN_H

#include "runfs/arena.h"
#include "runfs/event.h"
#include "runfs/workflow.h"

/*
 * GitHub's filter patterns. `*` matches any run of characters but `/`, `**` any run, `**` + `/` at the start
 * of a path's part any number of directories; `?` makes what stands before it optional and `+` lets it
 * repeat; [a-z] is one character of these; a backslash takes the next character as it is. The whole text has
 * to match. A pattern in error (an open bracket) matches nothing. Time: pattern times text at worst.
 */
bool glob_match(const char *pattern, const char *text);

/*
 * Over a list (NULL-terminated) the last pattern that matches wins; one that starts with `!` takes the text
 * out again, so a list of only such patterns matches nothing. _find gives the deciding pattern, with its `!`,
 * or NULL.
 */
bool glob_list_match(const char *const *patterns, const char *text);
const char *glob_list_find(const char *const *patterns, const char *text);

/*
 * Checks given inputs (strings, or JSON of the right type) against a trigger's declarations and fills in
 * defaults. ret: object name -> string, boolean or number. Unknown names, wrong types, missing required ones,
 * a choice that is no option: -EINVAL with a sentence as GitHub's API words it.
 */
int inputs_check(const struct workflow_event *e, const json_t *given, json_t **ret, struct err *err);

/* As inputs_check, with contexts (borrowed) for defaults that hold expressions, which workflow_call allows.
 */
int inputs_check_with(const struct workflow_event *e, const json_t *given, json_t *contexts, json_t **ret,
                      struct err *err);

/*
 * The inputs of the workflow that a job calls: what `with` gives, evaluated with contexts (borrowed), else
 * defaults. A value must be of its input's type: nothing is converted, but to a string. file: the caller's,
 * for messages.
 */
int inputs_of_call(const struct workflow_job *job, const char *file, json_t *contexts, json_t **ret,
                   struct err *err);

/* The matrix as GitHub expands it: product in key order, exclude, then include. At most 256 combinations. */
struct strategy {
    json_t *combinations; /* owned array of objects; one empty object for a job without a matrix */
    json_t *suffixes;     /* owned array of strings, one a combination: " (ubuntu, 18)" or "". What an include
                             added to a combination of the product is not in it */
    bool fail_fast;       /* default true */
    int max_parallel;     /* 0: no limit */
};
void strategy_release(struct strategy *s);

#define _strategy_ _cleanup_(strategy_release)

/* From the evaluated `strategy` mapping (JSON null: none). An empty matrix vector is an error, in GitHub's
 * words. A matrix whose every combination is excluded leaves one empty combination. */
int strategy_expand(const json_t *evaluated, struct strategy *ret, struct err *err);

/* Appends the id that GitHub's messages give a combination, from its suffix: "ubuntu_18", "_18_x". */
void matrix_id(const char *suffix, struct buf *ret);

/* Appends "build (ubuntu, 18)": the name of combination `index` of a job called `job`, at most 100
 * characters. */
void strategy_name(const struct strategy *s, size_t index, const char *job, struct buf *ret);

/*
 * The plan as JSON, for `runfs plan --json` and plan.json: {workflow, event, triggered, why, jobs: [{id,
 * name, needs, if, runs_on, stage, uses, called, matrix: [{...}] or null, matrix_names: ["..."] or null,
 * matrix_why, steps: [{number, id, name, if, kind}]}]}, jobs by stage, in the
 * order of the file within one; a stage (from 1) is one more than the latest of its needs'. called:
 * {workflow, jobs} of a workflow that a job calls, names without the caller's; null for none, or one that was
 * not followed. contexts: what is known now (github, inputs, vars), borrowed; what depends on more is given
 * as its expression, and matrix_why says what the matrix waits for, or what is wrong with it. NULL: no
 * memory, or needs that go in a circle.
 */
json_t *plan_to_json(const struct workflow *w, const struct event *e, json_t *contexts);

/*
 * Appends the workflow as YAML with nothing left to be known: anchors written out, and in each job and step
 * what holds where nothing is written (if, shell, working-directory, permissions, timeouts,
 * continue-on-error). text is what w was parsed from. matrices: object, job id -> array of its combinations,
 * for those that are known; a matrix then is the list of these. 0, -EINVAL for a text that is no mapping,
 * -EFBIG, -ENOMEM.
 */
int workflow_expand(const struct workflow *w, const char *text, size_t len, const json_t *matrices,
                    struct buf *ret);

#endif
