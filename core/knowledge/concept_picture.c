/* The concepts of a role as a picture: which stand together in how many documents. */
#include <jansson.h>

#include "knowledge_internal.h"
#include "runfs/concepts.h"
#include "runfs/str.h"

enum { STRONGEST = 4 }; /* edges of a node that are drawn, and those for which it is one of the strongest */

struct drawn {
    int64_t id;
    char name[96];
    size_t documents, n_edges;
    struct concept_edge edges[CONCEPT_EDGES_MAX];
};

struct drawing {
    struct drawn nodes[GRAPH_NODES_MAX];
    size_t n;
};

static void take(void *data, const struct concept_view *c)
{
    struct drawing *d = data;
    struct drawn *node = &d->nodes[d->n++];

    node->id = c->id;
    node->documents = c->n_documents;
    snprintf(node->name, sizeof(node->name), "%s", c->name);
    node->name[utf8_valid_prefix(node->name, strlen(node->name))] = '\0';
    node->n_edges = c->n_edges;
    if (c->n_edges)
        memcpy(node->edges, c->edges, c->n_edges * sizeof(c->edges[0]));
}

static ssize_t index_of(const struct drawing *d, int64_t id)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->nodes[i].id == id)
            return (ssize_t)i;
    return -1;
}

/* Whether one is among those that the other stands with most, of those that are drawn. */
static bool is_strong(const struct drawing *d, size_t from, int64_t to)
{
    size_t n = 0;

    for (size_t i = 0; i < d->nodes[from].n_edges && n < STRONGEST; i++) {
        if (d->nodes[from].edges[i].id == to)
            return true;
        n += index_of(d, d->nodes[from].edges[i].id) >= 0;
    }
    return false;
}

static void add_nodes(const struct drawing *d, struct buf *ret)
{
    for (size_t i = 0; i < d->n; i++) {
        _buf_ struct buf label = BUF_INIT;
        double share = (double)d->nodes[i].documents / (double)d->nodes[0].documents;
        buf_addf(&label, "%s", d->nodes[i].name);
        buf_addf(ret, "  n%zu [label=", i);
        dot_string(ret, buf_str(&label));
        ret->ptr[--ret->len] = '\0'; /* the end of the string, behind which its second line comes */
        buf_addf(ret, "\\n%zu\", fontsize=%.0f, penwidth=%.1f];\n", d->nodes[i].documents, 10 + 6 * share,
                 1 + 1.5 * share);
    }
}

static bool has_edge(const struct drawn *from, int64_t to)
{
    for (size_t i = 0; i < from->n_edges; i++)
        if (from->edges[i].id == to)
            return true;
    return false;
}

/* Each that is drawn, once for each two, though both may know of it. */
typedef void edge_fn(const struct drawing *d, size_t from, size_t to, size_t documents, void *data);
static void each_edge(const struct drawing *d, edge_fn *fn, void *data)
{
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < d->nodes[i].n_edges; k++) {
            const struct concept_edge *e = &d->nodes[i].edges[k];
            ssize_t to = index_of(d, e->id);
            if (to < 0 || (to < (ssize_t)i && has_edge(&d->nodes[to], d->nodes[i].id)) ||
                !(is_strong(d, i, e->id) || is_strong(d, (size_t)to, d->nodes[i].id)))
                continue;
            fn(d, i, (size_t)to, e->documents, data);
        }
}

static void add_edge(const struct drawing *d, size_t from, size_t to, size_t documents, void *data)
{
    buf_addf(data, "  n%zu -- n%zu [label=\"%zu\", penwidth=%.1f];\n", from, to, documents,
             0.8 + 3 * (double)documents / (double)d->nodes[0].documents);
}

int concepts_dot(struct searcher *s, const char *role, struct buf *ret)
{
    _free_ struct drawing *d = calloc(1, sizeof(*d));
    int r = d ? concept_each(s, role, GRAPH_NODES_MAX, take, d) : -ENOMEM;

    if (r < 0 || d->n == 0)
        return r < 0 ? r : -ENOENT;
    buf_adds(ret, "graph concepts {\n  layout=neato; overlap=false; splines=true; outputorder=edgesfirst;"
                  " bgcolor=\"transparent\"; sep=\"+12\"; start=1;\n"
                  "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#0969da\","
                  " fontname=\"sans-serif\", margin=\"0.12,0.06\"];\n"
                  "  edge [fontname=\"sans-serif\", fontsize=9, fontcolor=\"#656d76\", color=\"#8c959f\","
                  " len=1.6];\n");
    if (!buf_ok(ret))
        return -ENOMEM;
    add_nodes(d, ret);
    each_edge(d, add_edge, ret);
    buf_adds(ret, "}\n");
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static void pack_edge(const struct drawing *d, size_t from, size_t to, size_t documents, void *edges)
{
    json_array_append_new(edges, json_pack("{s:s, s:s, s:I}", "from", d->nodes[from].name, "to",
                                           d->nodes[to].name, "documents", (json_int_t)documents));
}

int concepts_json(struct searcher *s, const char *role, struct buf *ret)
{
    _free_ struct drawing *d = calloc(1, sizeof(*d));
    _json_ json_t *nodes = json_array(), *edges = json_array();
    int r = d ? concept_each(s, role, GRAPH_NODES_MAX, take, d) : -ENOMEM;

    if (r < 0 || d->n == 0)
        return r < 0 ? r : -ENOENT;
    for (size_t i = 0; i < d->n; i++)
        json_array_append_new(nodes, json_pack("{s:s, s:I}", "name", d->nodes[i].name, "documents",
                                               (json_int_t)d->nodes[i].documents));
    each_edge(d, pack_edge, edges);
    _json_ json_t *all = json_pack("{s:O, s:O}", "nodes", nodes, "edges", edges);
    _free_ char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    if (text)
        buf_addf(ret, "%s\n", text);
    return text && buf_ok(ret) ? 0 : -ENOMEM;
}

int concepts_svg(struct searcher *s, const char *role, struct buf *ret)
{
    _buf_ struct buf dot = BUF_INIT;
    int r = dot_is_there() ? concepts_dot(s, role, &dot) : -ENOENT;

    return r < 0 ? r : dot_draw(&dot, ret);
}
