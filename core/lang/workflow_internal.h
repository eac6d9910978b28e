/* From tokens to structs. Private to core/lang. */
#ifndef RUNFS_LANG_WORKFLOW_INTERNAL_H
#define RUNFS_LANG_WORKFLOW_INTERNAL_H

#include "schema_read.h"

/* What the converters share: the workflow being built, and where complaints go. */
struct convert {
    struct schema_reader *r;
    struct workflow *w;
    const struct workflow_opts *opts; /* never NULL */
    int depth;                        /* of calls of reusable workflows */
};

#define convert_complain(c, at, ...) lint_add((c)->r->lint, (c)->r->file, (at)->line, (at)->col, __VA_ARGS__)

enum { ID_LENGTH_MAX = 100, CALL_DEPTH_MAX = 10 };

/* Each returns 0 or -ENOMEM; complaints go to lint. */
int convert_events(struct convert *c, const struct token *on);
int convert_jobs(struct convert *c, const struct token *jobs);
int convert_steps(struct convert *c, const struct token *steps, struct workflow_job *job);

/* The whole condition that an `if` stands for. t NULL: none was given. */
int convert_condition(struct convert *c, const struct token *t, const char *definition,
                      const struct expr **ret);

/* Why an id cannot be one, in GitHub's words; NULL: it can. */
const char *id_complaint(struct arena *a, const char *id);

/* A NULL-terminated list of the strings in a scalar or a sequence; NULL for t NULL or without memory. */
const char *const *string_list(struct arena *a, const struct token *t, size_t *ret_n);

int workflow_parse_at(const char *file, const char *text, size_t len, const struct workflow_opts *opts,
                      int depth, struct workflow **ret, struct lint *lint);

#endif
