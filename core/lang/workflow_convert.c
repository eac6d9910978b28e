/* The top of a workflow, its jobs and what they need. */
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

/* How a job waits for others while it is found out which jobs can start. */
struct waiting {
    size_t *needs; /* indices of jobs; SIZE_MAX: there is no such job */
    bool *met;
    size_t left;
};

static const struct token *needs_item(const struct token *needs, size_t i)
{
    return needs->kind == TOKEN_SEQUENCE ? needs->seq.items[i] : needs;
}

static size_t needs_count(const struct token *needs)
{
    return !needs ? 0 : needs->kind == TOKEN_SEQUENCE ? needs->seq.n : 1;
}

static int index_jobs(const struct workflow *w, json_t *index)
{
    _buf_ struct buf key = BUF_INIT;

    for (size_t i = 0; i < w->n_jobs; i++)
        if (name_lower(w->jobs[i].id, &key) < 0 ||
            json_object_set_new(index, buf_str(&key), json_integer((json_int_t)i)) < 0)
            return -ENOMEM;
    return 0;
}

/* Resolves what job i needs. Unknown jobs stay unmet for ever. */
static int resolve_needs(struct parse *p, size_t i, const struct token *needs, json_t *index,
                         struct waiting *to)
{
    struct workflow *w = &p->doc->workflow;
    size_t n = needs_count(needs);
    const char **ids = arena_array(p->arena, const char *, n + 1);
    _buf_ struct buf key = BUF_INIT;

    to->needs = arena_array(p->arena, size_t, n + 1);
    to->met = arena_array(p->arena, bool, n + 1);
    if (!ids || !to->needs || !to->met)
        return -ENOMEM;
    for (size_t k = 0; k < n; k++) {
        const struct token *t = needs_item(needs, k);
        if (name_lower(t->str, &key) < 0)
            return -ENOMEM;
        json_t *at = json_object_get(index, buf_str(&key));
        to->needs[k] = at ? (size_t)json_integer_value(at) : SIZE_MAX;
        ids[k] = at ? w->jobs[to->needs[k]].id : t->str;
    }
    to->left = n;
    w->jobs[i].needs = ids;
    w->jobs[i].n_needs = n;
    return 0;
}

/* Lists who needs whom, so that each edge is looked at once. */
struct edges {
    size_t *first, *next, *job, *slot; /* first[need] -> edge, next[edge] */
    size_t n;
};

static int make_edges(struct parse *p, const struct waiting *jobs, size_t n_jobs, struct edges *e)
{
    size_t total = 0;

    for (size_t i = 0; i < n_jobs; i++)
        total += jobs[i].left;
    e->first = arena_array(p->arena, size_t, n_jobs + 1);
    e->next = arena_array(p->arena, size_t, total + 1);
    e->job = arena_array(p->arena, size_t, total + 1);
    e->slot = arena_array(p->arena, size_t, total + 1);
    if (!e->first || !e->next || !e->job || !e->slot)
        return -ENOMEM;
    for (size_t i = 0; i < n_jobs; i++)
        for (size_t k = 0; k < jobs[i].left; k++) {
            size_t need = jobs[i].needs[k];
            if (need == SIZE_MAX)
                continue;
            size_t edge = ++e->n; /* 0 ends a list */
            e->job[edge] = i;
            e->slot[edge] = k;
            e->next[edge] = e->first[need];
            e->first[need] = edge;
        }
    return 0;
}

/* Starts what can start until nothing more can. */
static int run_graph(struct parse *p, struct waiting *jobs, size_t n, size_t *ret_first)
{
    struct edges edges = {0};
    size_t *ready = arena_array(p->arena, size_t, n + 1), head = 0, tail = 0;

    if (!ready || make_edges(p, jobs, n, &edges) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (jobs[i].left == 0)
            ready[tail++] = i;
    *ret_first = tail;
    while (head < tail)
        for (size_t e = edges.first[ready[head++]]; e; e = edges.next[e]) {
            struct waiting *job = &jobs[edges.job[e]];
            job->met[edges.slot[e]] = true;
            if (--job->left == 0)
                ready[tail++] = edges.job[e];
        }
    return 0;
}

static int check_needs(struct parse *p, const struct token *map)
{
    struct workflow *w = &p->doc->workflow;
    struct waiting *jobs = arena_array(p->arena, struct waiting, w->n_jobs + 1);
    _json_ json_t *index = json_object();
    size_t first = 0;

    int r = jobs && index ? index_jobs(w, index) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < w->n_jobs; i++)
        r = resolve_needs(p, i, token_get(map->map.pairs[i].value, "needs"), index, &jobs[i]);
    if (r == 0)
        r = run_graph(p, jobs, w->n_jobs, &first);
    if (r < 0)
        return r;
    if (first == 0)
        parse_error(p, map, "The workflow must contain at least one job with no dependencies.");
    for (size_t i = 0; first > 0 && i < w->n_jobs; i++)
        for (size_t k = 0; jobs[i].left > 0 && k < w->jobs[i].n_needs; k++) {
            const struct token *need = needs_item(token_get(map->map.pairs[i].value, "needs"), k);
            if (jobs[i].met[k])
                continue;
            if (jobs[i].needs[k] == SIZE_MAX)
                parse_error(p, need, "Job '%s' depends on unknown job '%s'.", w->jobs[i].id, need->str);
            else
                parse_error(p, need,
                            "Job '%s' depends on job '%s' which creates a cycle in the dependency graph.",
                            w->jobs[i].id, need->str);
        }
    return 0;
}

static int convert_jobs(struct parse *p, const struct token *map)
{
    struct workflow *w = &p->doc->workflow;

    w->jobs = arena_array(p->arena, struct workflow_job, map->map.n + 1);
    if (!w->jobs)
        return -ENOMEM;
    for (size_t i = 0; i < map->map.n; i++) {
        int r = convert_job(p, map->map.pairs[i].key, map->map.pairs[i].value, &w->jobs[i]);
        if (r < 0)
            return r;
        w->n_jobs = i + 1;
    }
    return check_needs(p, map);
}

/* What the schema cannot say: something must start the workflow, and each job must do something. */
static void check_complete(struct parse *p, const struct token *root)
{
    const struct workflow *w = &p->doc->workflow;
    _buf_ struct buf idle = BUF_INIT;

    if (w->n_events == 0)
        parse_error(p, token_get(root, "on"), "No event triggers defined in `on`");
    for (size_t i = 0; i < w->n_jobs; i++)
        if (!w->jobs[i].uses && w->jobs[i].n_steps == 0)
            buf_addf(&idle, "%s%s", idle.len ? ", " : "", w->jobs[i].id);
    if (idle.len > 0)
        parse_error(p, NULL,
                    "No steps defined in `steps` and no workflow called in `uses` for the following jobs: %s",
                    buf_str(&idle));
}

int convert_root(struct parse *p, const struct token *root)
{
    struct workflow *w = &p->doc->workflow;
    size_t before = parse_errors(p);
    int r = 0;

    w->root = root;
    w->name = text_or_empty(token_get(root, "name"));
    w->run_name = token_get(root, "run-name");
    w->env = token_get(root, "env");
    w->defaults_run = token_get(token_get(root, "defaults"), "run");
    w->concurrency = token_get(root, "concurrency");
    w->permissions = token_get(root, "permissions");
    w->cache_mode = text_or_empty(token_get(root, "cache-mode"));
    for (size_t i = 0; r == 0 && i < root->map.n; i++) {
        const struct token_pair *pair = &root->map.pairs[i];
        if (token_is(pair->key, "on"))
            r = convert_on(p, pair->value);
        else if (token_is(pair->key, "jobs"))
            r = convert_jobs(p, pair->value);
        else if (token_is(pair->key, "concurrency"))
            check_concurrency(p, pair->value);
    }
    if (r == 0 && parse_errors(p) == before)
        check_complete(p, root);
    return r;
}
