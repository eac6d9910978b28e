/*
 * Planning: what of a workflow an event would run, before anything runs. Pure functions over workflows and
 * JSON.
 */
#ifndef RUNFS_PLAN_H
#define RUNFS_PLAN_H

#include "runfs/workflow.h"

/* What happened: the input of filters and of the github context. Strings borrowed; "" where they do not
 * apply. */
struct event {
    const char *name;                 /* "push", "workflow_dispatch", ... */
    const char *ref;                  /* "refs/heads/main" */
    const json_t *payload;            /* the webhook's JSON object; may be NULL */
    const char *const *changed_paths; /* NULL-terminated; NULL: unknown, then path filters match */
};

/*
 * Whether `on` lets this event start the workflow; appends one sentence to `why` either way
 * ("push: branch main matches branches: main", "push: branch dev matches none of branches: main, v1").
 */
bool event_matches(const struct workflow *w, const struct event *e, struct buf *why);

/* GitHub's filter patterns: *, **, ?, +, [], !. Last match wins over a list. Patterns NULL-terminated. */
bool glob_match(const char *pattern, const char *text);
bool glob_list_match(const char *const *patterns, const char *text);

/*
 * Checks given inputs (strings, or JSON of the right type) against a trigger's declarations and fills in
 * defaults. ret: object name -> string, boolean or number. Unknown names, wrong types, missing required ones,
 * a choice that is no option: -EINVAL with a sentence as GitHub's API words it.
 */
int inputs_check(const struct workflow_event *e, const json_t *given, json_t **ret, struct err *err);

/* The matrix as GitHub expands it: product in key order, exclude, then include. At most 256 combinations. */
struct strategy {
    json_t
        *combinations; /* owned array of objects; empty object for a job without a matrix: one combination */
    bool fail_fast;    /* default true */
    int max_parallel;  /* 0: no limit */
};
void strategy_release(struct strategy *s);

/* From the evaluated `strategy` mapping (JSON null: none). An empty matrix vector is an error, in GitHub's
 * words. */
int strategy_expand(const json_t *evaluated, struct strategy *ret, struct err *err);

/* "build (ubuntu, 18)": the display name of a combination whose job has no name of its own. Scalars in order;
 * appends. */
void matrix_suffix(const json_t *combination, struct buf *ret);

/* The job ids in an order in which every job stands behind its needs (file order among equals). n =
 * w->n_jobs, owned. */
int plan_order(const struct workflow *w, size_t **ret);

/*
 * The plan as JSON, for `runfs plan --json` and plan.json: {workflow, event, triggered, why, jobs: [{id,
 * name, needs, if, runs_on, stage, matrix: [{...}] or null, matrix_why, steps: [{number, id, name, if,
 * kind}]}]}. contexts: what is known now (github, inputs, vars); what depends on more is given as its
 * expression.
 */
json_t *plan_to_json(const struct workflow *w, const struct event *e, json_t *contexts);

#endif
