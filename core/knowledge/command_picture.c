/*
 * A command and its neighbours as SVG: what it followed on its left, what followed it on its right. Drawn
 * here, since there may be thousands of commands, and whoever lists one of them asks for the picture's size.
 */
#include "knowledge_internal.h"
#include "runfs/str.h"

enum {
    SHOWN_MAX = 16, /* on each side */
    BOX_WIDTH = 190,
    BOX_HEIGHT = 40,
    GAP = 12,      /* between boxes */
    BETWEEN = 120, /* between columns */
    MARGIN = 10,
    LABEL_MAX = 27 /* characters of a name */
};

struct side {
    struct {
        const struct known_command *command;
        struct command_pair pair;
    } shown[SHOWN_MAX];
    size_t n;
};

struct picture {
    struct known_command nodes[GRAPH_NODES_MAX];
    struct command_pair edges[GRAPH_NODES_MAX * 4];
    size_t n_nodes, n_edges;
    struct side previous, next;
    int64_t most;
};

static void add_text(struct buf *b, const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            buf_addc(b, ' ');
        else
            buf_add_xml(b, text, 1);
}

static const struct known_command *node_of(const struct picture *p, int64_t id)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        if (p->nodes[i].id == id)
            return &p->nodes[i];
    return NULL;
}

/* The most frequent first. */
static void add_neighbour(struct picture *p, struct side *side, int64_t id, const struct command_pair *e)
{
    const struct known_command *command = node_of(p, id);
    int64_t n = pair_times(e);
    size_t at = side->n;

    while (at > 0 && pair_times(&side->shown[at - 1].pair) < n)
        at--;
    if (!command || at == SHOWN_MAX)
        return;
    size_t keep = side->n < SHOWN_MAX ? side->n : SHOWN_MAX - 1;
    memmove(&side->shown[at + 1], &side->shown[at], (keep - at) * sizeof(side->shown[0]));
    side->shown[at].command = command;
    side->shown[at].pair = *e;
    side->n = keep + 1;
    if (n > p->most)
        p->most = n;
}

static int height_of(size_t n)
{
    return n ? (int)n * (BOX_HEIGHT + GAP) - GAP : 0;
}

static void draw_box(struct buf *b, const struct known_command *c, int x, int y)
{
    _buf_ struct buf name = BUF_INIT;

    buf_adds(&name, c->name);
    if (name.len > LABEL_MAX) {
        name.len = utf8_valid_prefix(buf_str(&name), LABEL_MAX - 2);
        name.ptr[name.len] = '\0';
        buf_adds(&name, "\xe2\x80\xa6");
    }
    buf_addf(b, "<g><title>");
    add_text(b, c->name);
    buf_addf(b,
             "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"#ffffff\" "
             "stroke=\"%s\" stroke-width=\"1.6\"/><text x=\"%d\" y=\"%d\">",
             x, y, BOX_WIDTH, BOX_HEIGHT, graph_colour(c->successes, c->failures), x + BOX_WIDTH / 2, y + 17);
    add_text(b, buf_str(&name));
    buf_addf(b, "</text><text class=\"s\" x=\"%d\" y=\"%d\">%lld run%s", x + BOX_WIDTH / 2, y + 31,
             (long long)c->runs, c->runs == 1 ? "" : "s");
    if (c->failures)
        buf_addf(b, ", %lld failed", (long long)c->failures);
    buf_adds(b, "</text></g>\n");
}

/* From the right side of one box to the left side of another; its number stands at the neighbour's end. */
static void draw_edge(const struct picture *p, struct buf *b, int from_y, int to_x, int to_y, int label_y,
                      bool before, const struct command_pair *pair)
{
    int from_x = to_x - BETWEEN, n_x = before ? from_x + 16 : to_x - 22;
    const char *colour = graph_colour(pair->successes, pair->failures);

    buf_addf(b,
             "<path d=\"M%d %d C%d %d %d %d %d %d\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\"/>"
             "<path d=\"M%d %d l-7 -4 v8 z\" fill=\"%s\"/><text class=\"s\" x=\"%d\" y=\"%d\">%lld</text>\n",
             from_x, from_y, from_x + BETWEEN / 2, from_y, to_x - BETWEEN / 2, to_y, to_x - 5, to_y, colour,
             1 + 3.0 * (double)pair_times(pair) / (double)p->most, to_x, to_y, colour, n_x, label_y,
             (long long)pair_times(pair));
}

static void draw_side(const struct picture *p, struct buf *b, const struct side *side, bool before, int x,
                      int middle)
{
    int y = middle - height_of(side->n) / 2, centre = MARGIN + (p->previous.n ? BOX_WIDTH + BETWEEN : 0);

    for (size_t i = 0; i < side->n; i++, y += BOX_HEIGHT + GAP) {
        int at = y + BOX_HEIGHT / 2;
        int label = at > middle ? at + 13 : at - 6; /* beside the line, which bends to the middle */
        draw_edge(p, b, before ? at : middle, before ? centre : x, before ? middle : at, label, before,
                  &side->shown[i].pair);
        draw_box(b, side->shown[i].command, x, y);
    }
}

static void draw(const struct picture *p, struct buf *b)
{
    int rows = height_of(p->previous.n > p->next.n ? p->previous.n : p->next.n);
    int height = (rows > BOX_HEIGHT ? rows : BOX_HEIGHT) + 2 * MARGIN, middle = height / 2;
    int left = p->previous.n ? BOX_WIDTH + BETWEEN : 0, right = p->next.n ? BOX_WIDTH + BETWEEN : 0;
    int width = left + BOX_WIDTH + right + 2 * MARGIN;

    buf_addf(b,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
             "<style>text { font: 11px sans-serif; text-anchor: middle; fill: #1f2328 } .s { font-size: 9px;"
             " fill: #656d76 }</style>\n",
             width, height, width, height);
    draw_side(p, b, &p->previous, true, MARGIN, middle);
    draw_side(p, b, &p->next, false, MARGIN + left + BOX_WIDTH + BETWEEN, middle);
    draw_box(b, &p->nodes[0], MARGIN + left, middle - BOX_HEIGHT / 2);
    buf_adds(b, "</svg>\n");
}

int command_picture(struct store *st, int64_t id, struct buf *ret)
{
    _free_ struct picture *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->most = 1;
    p->n_nodes = store_graph_nodes(st, id, p->nodes, GRAPH_NODES_MAX);
    p->n_edges = store_graph_edges(st, p->nodes, p->n_nodes, p->edges, ARRAY_LEN(p->edges));
    if (p->n_nodes == 0 || p->nodes[0].id != id)
        return -ENOENT;
    for (size_t i = 0; i < p->n_edges; i++) {
        if (p->edges[i].to == id)
            add_neighbour(p, &p->previous, p->edges[i].from, &p->edges[i]);
        if (p->edges[i].from == id)
            add_neighbour(p, &p->next, p->edges[i].to, &p->edges[i]);
    }
    draw(p, ret);
    return buf_ok(ret) ? 0 : -ENOMEM;
}
