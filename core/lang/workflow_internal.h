/*
 * What the files that make a workflow share: the state of a parse, its complaints, and the steps from text to
 * structs. All of them return 0, -EINVAL when what was complained of forbids going on, or -ENOMEM; complaints
 * that do not end the work are only recorded.
 */
#ifndef RUNFS_WORKFLOW_INTERNAL_H
#define RUNFS_WORKFLOW_INTERNAL_H

#include "runfs/arena.h"
#include "runfs/workflow.h"
#include "schema.h"

enum {
    WORKFLOW_MAX_FILE = 1024 * 1024,        /* characters */
    WORKFLOW_MAX_RESULT = 10 * 1024 * 1024, /* bytes, as GitHub counts tokens */
    WORKFLOW_MAX_NODES = 50000,
    WORKFLOW_MAX_ERRORS = 1000,
    WORKFLOW_MAX_CALL_DEPTH = 10,
    WORKFLOW_MAX_CALLS = 1000,
    WORKFLOW_MAX_ID = 100,
};

struct expr_owner {
    struct expr *expr; /* owned */
    struct expr_owner *next;
};

void exprs_free(struct expr_owner *list);

/* A workflow with what it owns; `workflow` is what the world sees. */
struct workflow_doc {
    struct workflow workflow;
    struct arena arena;
    struct expr_owner *exprs;
};

/* What a workflow and those that it calls have in common while they are parsed. */
struct parse_run {
    const struct workflow_opts *opts;
    struct lint *lint;
    size_t bytes, max_bytes;
    int calls;
};

struct parse {
    struct parse_run *run;
    const struct parse *caller; /* NULL: the first file */
    const char *uses;           /* how the caller names it; NULL: the first file */
    int depth;
    struct workflow_doc *doc; /* NULL: the file is an action */
    struct arena *arena;
    struct expr_owner **exprs; /* where parsed expressions go */
    const char *file;
    bool no_memory; /* a complaint could not be kept */
    int nodes, level;
    const struct token *broken; /* where the YAML ends in an error; NULL: nowhere */
    bool met_broken;            /* reading has come to it */
    struct {                    /* what most steps have instead of an `if`, so that it is parsed once */
        const struct schema *place;
        const struct expr *success;
    } fallback;
};

/* lint.c */
void parse_error(struct parse *p, const struct token *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void parse_error_at(struct parse *p, int line, int col, const char *text);
/* Takes msg, also where the list has as many as it may. 0 or -ENOMEM. */
int lint_add(struct lint *l, int line, int col, char *msg);
/* Puts the place of a call before complaints from `first` on that are not about `file`. 0 or -ENOMEM. */
int lint_prefix(struct lint *lint, size_t first, const char *file, int line, int col);
static inline size_t parse_errors(const struct parse *p)
{
    return p->run->lint->n;
}

/* schema_read.c: raw is what yaml.h gives; a token tree as the schema has it. */
int schema_read(struct parse *p, const struct token *raw, const struct schema *schema, struct token **ret);
bool schema_accepts(const struct schema *schema, const struct token *literal);

/* schema_expr.c: text with expressions in it becomes one expression, or stays a literal. */
int schema_parse_scalar(struct parse *p, const struct token *raw, unsigned context, struct token **ret);
/* Parses one expression and gives it to the workflow. -EINVAL fills err. */
int parse_expression(struct parse *p, const char *text, size_t len, unsigned context, const struct expr **ret,
                     struct expr_err *err);

/* token.c */
const char *token_text(struct arena *arena, const struct token *t); /* of a literal; NULL: no memory */
struct token *token_string(struct arena *arena, const struct token *at, const char *text, size_t len);
bool token_is(const struct token *t, const char *text); /* a string with that text */

/* workflow_id.c: ids that are taken, and new ones */
struct id_set {
    json_t *taken; /* owned: lower case -> as spelled */
    json_t *next;  /* owned: base -> the number from which on it may be free */
};
int name_lower(const char *name, struct buf *ret); /* replaces ret with name in ASCII lower case */
int id_set_add(struct id_set *set, const char *id, char **ret_problem); /* problem: owned words, or NULL */
int id_set_make(struct id_set *set, const char *base, char ret[WORKFLOW_MAX_ID + 1]); /* -EEXIST: no room */
bool id_set_has(const struct id_set *set, const char *id);                            /* spelled like that */
void id_set_release(struct id_set *set);

/* A list of steps while it is made: a job's, or a composite action's. */
struct step_list {
    const struct schema *condition; /* what `if` may use */
    struct workflow_step *steps;
    size_t n;
};

/* The conversions, a file each. */
int convert_root(struct parse *p, const struct token *root);
int convert_on(struct parse *p, const struct token *on);
int convert_job(struct parse *p, const struct token *key, const struct token *map, struct workflow_job *job);
int convert_steps(struct parse *p, const struct token *steps, struct step_list *to);
int convert_condition(struct parse *p, const struct token *t, const struct schema *schema,
                      const struct expr **ret);
void check_concurrency(struct parse *p, const struct token *t);
/* "" where there is no such key. */
static inline const char *text_or_empty(const struct token *t)
{
    return t ? t->str : "";
}

/* What a caller has, and what it calls may have at most. */
struct granted {
    const struct token *permissions; /* NULL: it does not say */
    const char *cache_mode;          /* "": likewise */
};
int load_calls(struct parse *p, const struct granted *granted);
/* From text to a tree that the schema accepts: limits, YAML, schema. */
int parse_file(struct parse *p, const char *text, size_t len, const struct schema *schema,
               const struct token **ret);
bool cron_valid(const char *cron);

/* workflow_permissions.c: complains when `wanted` asks for more than `allowed`. job NULL: the workflow does.
 */
void check_granted(struct parse *p, const struct token *caller_key, const char *uses, const char *job,
                   const struct granted *wanted, const struct granted *allowed);

#endif
