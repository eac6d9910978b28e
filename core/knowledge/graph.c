/*
 * The command graph as a picture and as data: what follows what, how often, and how it goes. Up to so many
 * commands all of it; beyond, those that run most and what they are linked with.
 */
#include <jansson.h>
#include <pthread.h>

#include "knowledge_internal.h"
#include "runfs/knowledge.h"
#include "runfs/str.h"

enum { NODES_MAX = GRAPH_NODES_MAX, EDGES_MAX = 240 };

struct graph {
    struct known_command *nodes; /* owned */
    struct command_pair *edges;  /* owned */
    size_t n_nodes, n_edges;
};

static void graph_release(struct graph *g)
{
    free(g->nodes);
    free(g->edges);
}

static int graph_query(struct store *st, int64_t around, struct graph *ret)
{
    *ret = (struct graph){.nodes = calloc(NODES_MAX, sizeof(*ret->nodes)),
                          .edges = calloc(EDGES_MAX, sizeof(*ret->edges))};
    if (!ret->nodes || !ret->edges)
        return -ENOMEM;
    ret->n_nodes = store_graph_nodes(st, around, ret->nodes, NODES_MAX);
    ret->n_edges = store_graph_edges(st, ret->nodes, ret->n_nodes, ret->edges, EDGES_MAX);
    return 0;
}

static int graph_copy(const struct graph *g, struct graph *ret)
{
    *ret = (struct graph){malloc(NODES_MAX * sizeof(*g->nodes)), malloc(EDGES_MAX * sizeof(*g->edges)),
                          g->n_nodes, g->n_edges};
    if (!ret->nodes || !ret->edges)
        return -ENOMEM;
    memcpy(ret->nodes, g->nodes, g->n_nodes * sizeof(*g->nodes));
    memcpy(ret->edges, g->edges, g->n_edges * sizeof(*g->edges));
    return 0;
}

/* Who lists knowledge/ asks for the sizes of all its pictures, several times: all are made of one reading. */
static int graph_read(struct store *st, int64_t around, struct graph *ret)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct graph last;
    static uint64_t last_as_of; /* 0: nothing was read */
    uint64_t as_of = store_as_of(st, CHANGE_KNOWN_COMMAND);
    int r = 0;

    if (around)
        return graph_query(st, around, ret);
    pthread_mutex_lock(&lock);
    if (as_of != last_as_of) {
        graph_release(&last);
        r = graph_query(st, 0, &last);
        last_as_of = r == 0 ? as_of : 0;
    }
    if (r == 0)
        r = graph_copy(&last, ret);
    pthread_mutex_unlock(&lock);
    return r;
}

/* ---------------------------------------------------------------------------------------------------- DOT */

void dot_string(struct buf *b, const char *text)
{
    buf_addc(b, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(b, '\\');
        buf_addc(b, (unsigned char)*text < ' ' ? ' ' : *text);
    }
    buf_addc(b, '"');
}

int64_t pair_times(const struct command_pair *p)
{
    return p->successes + p->failures + p->unknown;
}

const char *graph_colour(int64_t successes, int64_t failures)
{
    static const char *const steps[] = {"#cf222e", "#d4622b", "#bf8700", "#7d9c2f", "#2da44e"};
    double rate = successes + failures ? (double)successes / (double)(successes + failures) : -1;

    return rate < 0 ? "#8c959f"
                    : steps[rate >= 0.98  ? 4
                            : rate >= 0.9 ? 3
                            : rate >= 0.7 ? 2
                            : rate >= 0.4 ? 1
                                          : 0];
}

static void write_dot(const struct graph *g, struct buf *ret)
{
    int64_t most = 1;

    for (size_t i = 0; i < g->n_edges; i++)
        if (pair_times(&g->edges[i]) > most)
            most = pair_times(&g->edges[i]);
    buf_adds(ret, "digraph commands {\n  rankdir=LR; bgcolor=\"transparent\"; nodesep=0.25; ranksep=0.5;\n"
                  "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", "
                  "fontname=\"sans-serif\", fontsize=11,"
                  " penwidth=1.6, margin=\"0.12,0.06\"];\n"
                  "  edge [fontname=\"sans-serif\", fontsize=9, fontcolor=\"#656d76\", arrowsize=0.7];\n");
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct known_command *c = &g->nodes[i];
        _buf_ struct buf label = BUF_INIT;
        buf_addf(ret, "  n%lld [label=", (long long)c->id);
        dot_string(&label, c->name);
        if (label.len > 1)
            label.ptr[--label.len] = '\0';
        buf_addf(ret, "%s\\n%lld run%s", buf_str(&label), (long long)c->runs, c->runs == 1 ? "" : "s");
        if (c->failures)
            buf_addf(ret, ", %lld failed", (long long)c->failures);
        buf_addf(ret, "\", color=\"%s\"];\n", graph_colour(c->successes, c->failures));
    }
    for (size_t i = 0; i < g->n_edges; i++) {
        const struct command_pair *e = &g->edges[i];
        int64_t n = pair_times(e);
        buf_addf(ret, "  n%lld -> n%lld [label=\"%lld\", color=\"%s\", penwidth=%.1f];\n", (long long)e->from,
                 (long long)e->to, (long long)n, graph_colour(e->successes, e->failures),
                 1 + 3.0 * (double)n / (double)most);
    }
    buf_adds(ret, "}\n");
}

int knowledge_graph_dot(struct store *st, int64_t around, struct buf *ret)
{
    _cleanup_(graph_release) struct graph g = {0};
    int r = graph_read(st, around, &g);

    if (r < 0)
        return r;
    write_dot(&g, ret);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

int knowledge_graph_svg(struct store *st, struct buf *ret)
{
    _buf_ struct buf dot = BUF_INIT;
    int r = dot_is_there() ? knowledge_graph_dot(st, 0, &dot) : -ENOENT;

    return r < 0 ? r : dot_draw(&dot, ret);
}

/* --------------------------------------------------------------------------------------------------- JSON */

int knowledge_graph_json(struct store *st, int64_t around, struct buf *ret)
{
    _cleanup_(graph_release) struct graph g = {0};
    _json_ json_t *nodes = json_array(), *edges = json_array();
    int r = graph_read(st, around, &g);

    for (size_t i = 0; r == 0 && i < g.n_nodes; i++)
        json_array_append_new(nodes, json_pack("{s:I, s:s, s:s, s:I, s:I, s:I}", "id",
                                               (json_int_t)g.nodes[i].id, "name", g.nodes[i].name, "slug",
                                               g.nodes[i].slug, "runs", (json_int_t)g.nodes[i].runs,
                                               "successes", (json_int_t)g.nodes[i].successes, "failures",
                                               (json_int_t)g.nodes[i].failures));
    for (size_t i = 0; r == 0 && i < g.n_edges; i++)
        json_array_append_new(edges, json_pack("{s:I, s:I, s:I, s:I, s:I}", "from",
                                               (json_int_t)g.edges[i].from, "to", (json_int_t)g.edges[i].to,
                                               "successes", (json_int_t)g.edges[i].successes, "failures",
                                               (json_int_t)g.edges[i].failures, "unknown",
                                               (json_int_t)g.edges[i].unknown));
    _json_ json_t *all = r == 0 ? json_pack("{s:O, s:O}", "nodes", nodes, "edges", edges) : NULL;
    _free_ char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    if (r == 0 && !text)
        return -ENOMEM;
    if (r == 0)
        buf_addf(ret, "%s\n", text);
    return r;
}
