/* A workflow file: read as YAML, checked by the schema, turned into structs. */
#include "runfs/workflow.h"

#include "runfs/str.h"
#include "workflow_internal.h"

enum { FILE_SIZE_MAX = 1024 * 1024 };

void workflow_free(struct workflow *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_jobs; i++)
        workflow_free(w->jobs[i].called);
    for (struct expr_list *e = w->exprs; e; e = e->next)
        expr_free(e->expr);
    struct arena *arena = w->arena; /* w itself lives in it */
    arena_release(arena);
    free(arena);
}

const struct workflow_event *workflow_event(const struct workflow *w, const char *name)
{
    for (size_t i = 0; i < w->n_events; i++)
        if (str_eq(w->events[i].name, name))
            return &w->events[i];
    return NULL;
}

const struct workflow_job *workflow_job(const struct workflow *w, const char *id)
{
    for (size_t i = 0; i < w->n_jobs; i++)
        if (str_eq(w->jobs[i].id, id))
            return &w->jobs[i];
    return NULL;
}

/* What cannot even be YAML. */
static int check_bytes(const char *file, const char *text, size_t len, size_t max, struct lint *lint)
{
    size_t good = utf8_valid_prefix(text, len);
    const char *nul = memchr(text, '\0', len), *bad = good < len ? text + good : NULL;
    int line = 1;

    if (len > max) {
        lint_add(lint, file, 0, 0, "The file is larger than %zu bytes", max);
        return -EFBIG;
    }
    if (!nul && !bad)
        return 0;
    const char *at = nul && (!bad || nul < bad) ? nul : bad, *start = text;
    for (const char *p = text; p < at; p++)
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    lint_add(lint, file, line, (int)(at - start) + 1,
             at == nul ? "The file holds a NUL byte: it is not text" : "The file is not valid UTF-8");
    return -EINVAL;
}

static int convert_root(struct convert *c, const struct token *root)
{
    struct workflow *w = c->w;
    const struct token *name = token_get(root, "name"), *defaults = token_get(root, "defaults");

    w->root = root;
    w->name = name && name->kind == TOKEN_STRING ? name->str : "";
    w->run_name = token_get(root, "run-name");
    w->env = token_get(root, "env");
    w->defaults_run = token_get(defaults, "run");
    w->concurrency = token_get(root, "concurrency");
    w->permissions = token_get(root, "permissions");
    int r = convert_events(c, token_get(root, "on"));
    return r < 0 ? r : convert_jobs(c, token_get(root, "jobs"));
}

static int read_tree(struct schema_reader *r, const char *text, size_t len, struct token **ret)
{
    struct yaml_node *tree = NULL;
    struct yaml_error error;
    int code = yaml_parse(text, len, r->arena, &tree, &error);

    if (code == -EINVAL)
        lint_add(r->lint, r->file, error.line, error.col, "%s", error.msg);
    if (code < 0)
        return code;
    if (!tree || (tree->kind == YAML_NULL && tree->len == 0)) {
        lint_add(r->lint, r->file, 1, 1, "The file is empty: a workflow needs `on` and `jobs`");
        return -EINVAL;
    }
    *ret = schema_read(r, tree, "workflow-root-strict");
    if (!*ret)
        return -ENOMEM;
    return r->lint->n ? -EINVAL : 0;
}

int workflow_parse_at(const char *file, const char *text, size_t len, const struct workflow_opts *opts,
                      int depth, struct workflow **ret, struct lint *lint)
{
    static const struct workflow_opts defaults;
    struct arena *arena = calloc(1, sizeof(*arena));
    struct workflow *w = arena ? arena_new(arena, struct workflow) : NULL;
    struct token *root = NULL;

    if (!w) {
        free(arena);
        return -ENOMEM;
    }
    *w = (struct workflow){.arena = arena, .name = "", .file = arena_strdup(arena, file)};
    struct schema_reader r = {.arena = arena, .lint = lint, .file = w->file ? w->file : file};
    struct convert c = {.r = &r, .w = w, .opts = opts ? opts : &defaults, .depth = depth};
    r.background_steps = c.opts->background_steps;
    int code = w->file ? check_bytes(file, text, len,
                                     c.opts->max_file_size ? c.opts->max_file_size : FILE_SIZE_MAX, lint)
                       : -ENOMEM;
    if (code == 0)
        code = read_tree(&r, text, len, &root);
    if (code == 0)
        code = convert_root(&c, root);
    w->exprs = r.exprs;
    if (code == 0 && r.no_memory)
        code = -ENOMEM;
    if (code == 0 && lint->n)
        code = -EINVAL;
    if (code < 0) {
        workflow_free(w);
        return code;
    }
    *ret = w;
    return 0;
}

int workflow_parse(const char *file, const char *text, size_t len, const struct workflow_opts *opts,
                   struct workflow **ret, struct lint *lint)
{
    return workflow_parse_at(file, text, len, opts, 0, ret, lint);
}
