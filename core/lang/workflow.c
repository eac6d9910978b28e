/* From a file's text to a workflow: limits, YAML, schema, conversion, and the workflows that it calls. */
#include "runfs/workflow.h"

#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"
#include "yaml.h"

void workflow_free(struct workflow *w)
{
    struct workflow_doc *doc = (struct workflow_doc *)w;

    if (!doc)
        return;
    for (size_t i = 0; i < w->n_jobs; i++)
        workflow_free(w->jobs[i].called);
    exprs_free(doc->exprs);
    arena_release(&doc->arena);
    free(doc);
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

/* Size in characters as GitHub counts them; a text that is surely too long is not looked at. */
static size_t characters(const char *text, size_t len, size_t max)
{
    size_t n = 0;

    if (len <= max || len / 4 > max)
        return len;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        n += (c & 0xC0) == 0x80 ? 0 : c >= 0xF0 ? 2 : 1;
    }
    return n;
}

static int check_size(struct parse *p, const char *text, size_t len)
{
    size_t max = p->run->opts->max_file_size ? p->run->opts->max_file_size : WORKFLOW_MAX_FILE;

    if (characters(text, len, max) <= max)
        return 0;
    parse_error(p, NULL, "The maximum file size of %zu characters has been exceeded", max);
    return -EFBIG;
}

/* GitHub keeps the name of each file that it reads, and counts that. */
static void count_name(struct parse *p)
{
    p->run->bytes += 26 + 2 * strlen(p->file);
}

int parse_file(struct parse *p, const char *text, size_t len, const struct schema *schema,
               const struct token **ret)
{
    struct yaml_error error;
    struct yaml_tree raw;
    struct token *root = NULL;
    size_t before = parse_errors(p);

    int r = check_size(p, text, len);
    if (r < 0)
        return r;
    int yaml = yaml_read(p->arena, text, len, &raw, &error);
    if (yaml == -ENOMEM)
        return yaml;
    p->broken = raw.broken;
    count_name(p);
    r = raw.root ? schema_read(p, raw.root, schema, &root) : 0;
    if (yaml < 0 &&
        (r == 0 || p->met_broken)) { /* after what is wrong before that place, as GitHub tells it */
        parse_error_at(p, error.line, error.col, error.err.msg);
        r = -EINVAL;
    }
    if (r == 0 && parse_errors(p) > before)
        r = -EINVAL;
    if (r == 0)
        *ret = root;
    return p->no_memory ? -ENOMEM : r;
}

static int parse_first(struct parse *p, const char *text, size_t len)
{
    const struct token *root;
    int r = parse_file(p, text, len, &schema_workflow, &root);

    if (r == 0)
        r = convert_root(p, root);
    if (r == 0)
        r = load_calls(p, &(struct granted){p->doc->workflow.permissions, p->doc->workflow.cache_mode});
    if (r == 0 && parse_errors(p) > 0)
        r = -EINVAL;
    return p->no_memory ? -ENOMEM : r;
}

static int parse_as(const char *file, const char *text, size_t len, const struct workflow_opts *opts,
                    struct workflow **ret, struct lint *lint)
{
    struct lint found = {0};
    struct parse_run run = {.opts = opts, .lint = &found};
    struct workflow_doc *doc = calloc(1, sizeof(*doc));

    if (!doc)
        return -ENOMEM;
    doc->workflow.forge = opts->forge;
    run.max_bytes = run.opts->max_result_size ? run.opts->max_result_size : WORKFLOW_MAX_RESULT;
    doc->workflow.arena = &doc->arena;
    doc->workflow.file = arena_strdup(&doc->arena, file);
    struct parse p = {
        .run = &run, .doc = doc, .arena = &doc->arena, .exprs = &doc->exprs, .file = doc->workflow.file};
    int r = p.file ? parse_first(&p, text, len) : -ENOMEM;
    if (r == 0) {
        *ret = &doc->workflow;
        return 0;
    }
    workflow_free(&doc->workflow);
    if (r == -ENOMEM)
        lint_release(&found);
    else
        *lint = found;
    return r;
}

/* A file of nobody's folder is taken as whoever takes it; what nobody takes is refused in GitHub's words. */
static int parse_unknown(const char *file, const char *text, size_t len, struct workflow_opts opts,
                         struct workflow **ret, struct lint *lint)
{
    struct lint other = {0};

    opts.forge = FORGE_GITHUB;
    int r = parse_as(file, text, len, &opts, ret, lint);
    opts.forge = forge_of_text(text, len);
    if (r != -EINVAL || opts.forge == FORGE_GITHUB)
        return r;
    int as_other = parse_as(file, text, len, &opts, ret, &other);
    lint_release(&other);
    if (as_other == -EINVAL || as_other == -EFBIG)
        return r;
    lint_release(lint);
    return as_other;
}

int workflow_parse(const char *file, const char *text, size_t len, const struct workflow_opts *opts,
                   struct workflow **ret, struct lint *lint)
{
    static const struct workflow_opts none = {0};

    if (opts && opts->forge == FORGE_UNKNOWN)
        return parse_unknown(file, text, len, *opts, ret, lint);
    return parse_as(file, text, len, opts ? opts : &none, ret, lint);
}
