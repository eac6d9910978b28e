/*
 * Action manifests: action.yml, checked as GitHub's runner checks it, as plain structs.
 * Everything in an action is owned by it (one arena), immutable after action_parse, and shared freely.
 */
#ifndef RUNFS_ACTION_H
#define RUNFS_ACTION_H

#include "runfs/workflow.h"

enum action_using { ACTION_NODE, ACTION_COMPOSITE, ACTION_DOCKER };

struct action_input {
    const char *name, *description, *deprecation; /* "" where absent */
    bool required;                                /* the runner does not enforce it; kept for messages */
    const struct token *fallback; /* `default`; may hold expressions (github, runner, ...); NULL: absent */
};

struct action_output {
    const char *name, *description;
    const struct token *value; /* of a composite: an expression over its steps; NULL otherwise */
};

struct action {
    struct arena *arena; /* owned: everything below */
    const char *file;    /* the name used in messages: "./x/action.yml", "o/r@v1/action.yml" */
    const char *name, *description;
    struct action_input *inputs;
    size_t n_inputs;
    struct action_output *outputs;
    size_t n_outputs;
    enum action_using using;
    const char *using_text; /* as written: "node20", "composite", "docker" */
    /* ACTION_NODE: paths below the action's directory; NULL where absent */
    const char *main, *pre, *post;
    const struct expr *pre_if, *post_if; /* complete; `always()` where absent */
    /* ACTION_DOCKER */
    const char *image; /* "Dockerfile" or "docker://..." */
    const char *pre_entrypoint, *entrypoint, *post_entrypoint;
    const struct token *args, *env;
    /* ACTION_COMPOSITE: as a job's steps, with the contexts that a composite has; `shell` is required of
     * `run` */
    struct workflow_step *steps;
    size_t n_steps;
};

/*
 * Parses and checks a manifest. Returns 0; -EINVAL with at least one complaint in `lint`, in the runner's
 * words; -EFBIG likewise; -ENOMEM. Keys that the schema does not know are ignored where the runner ignores
 * them. forge: of the workflow that uses it (runfs/forge.h).
 */
int action_parse(const char *file, const char *text, size_t len, enum forge forge, struct action **ret,
                 struct lint *lint);
void action_free(struct action *a);

const struct action_input *action_input(const struct action *a, const char *name); /* any case; NULL: none */

#endif
