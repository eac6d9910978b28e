/* How an evaluation came to its value, told part by part. */
#include "expr_internal.h"

#include "runfs/str.h"

enum { SHOWN_MAX = 120 }; /* bytes of a value or a part that a line shows */

/* Appends text on one line, cut off between two characters. */
static void add_cut(struct buf *lines, struct slice text)
{
    size_t len = text.len > SHOWN_MAX ? utf8_valid_prefix(text.s, SHOWN_MAX) : text.len;
    size_t start = lines->len;

    buf_add(lines, text.s, len);
    for (size_t i = start; i < lines->len; i++)
        if ((unsigned char)lines->ptr[i] < ' ')
            lines->ptr[i] = ' ';
    if (len < text.len)
        buf_adds(lines, "...");
}

static void add_quoted(struct buf *lines, struct slice text)
{
    _buf_ struct buf doubled = BUF_INIT;

    for (size_t i = 0; i < text.len && doubled.len <= SHOWN_MAX; i++) {
        if (text.s[i] == '\'')
            buf_addc(&doubled, '\'');
        buf_addc(&doubled, text.s[i]);
    }
    bool whole = doubled.len <= SHOWN_MAX;
    buf_addc(lines, '\'');
    add_cut(lines, (struct slice){buf_str(&doubled), doubled.len});
    if (whole)
        buf_addc(lines, '\'');
}

static void add_value(struct buf *lines, const struct val *v)
{
    char room[NUMBER_TEXT_MAX];

    if (v->kind == VALUE_STRING) {
        add_quoted(lines, v->text);
    } else if (v->kind == VALUE_NULL) {
        buf_adds(lines, "null");
    } else if (val_primitive(v)) {
        struct slice text = val_text(v, room);
        buf_add(lines, text.s, text.len);
    } else {
        _buf_ struct buf json = BUF_INIT;
        val_to_json_line(v, &json);
        add_cut(lines, (struct slice){buf_str(&json), json.len});
    }
}

static void add_line(const struct eval *ev, const struct node *node, int depth, struct buf *lines)
{
    buf_addf(lines, "%*s", 2 * depth, "");
    add_cut(lines, (struct slice){ev->expr->text.s + node->start, node->end - node->start});
    if (ev->was_seen[node->id]) {
        buf_adds(lines, " => ");
        add_value(lines, &ev->seen[node->id]);
    } else {
        buf_adds(lines, " (not evaluated)");
    }
    buf_addc(lines, '\n');
}

/* A literal says what it is, and of what was left out the first line says enough. */
static void explain(const struct eval *ev, const struct node *node, int depth, struct buf *lines)
{
    if (node->kind == NODE_LITERAL || node->kind == NODE_WILDCARD)
        return;
    add_line(ev, node, depth, lines);
    bool any = ev->was_seen[node->id];
    for (const struct node *arg = node->args; arg; arg = arg->next)
        any |= ev->was_seen[arg->id];
    for (const struct node *arg = any ? node->args : NULL; arg; arg = arg->next)
        explain(ev, arg, depth + 1, lines);
}

void explain_node(const struct eval *ev, const struct node *node, struct buf *lines)
{
    if (node->kind == NODE_LITERAL)
        add_line(ev, node, 0, lines);
    else
        explain(ev, node, 0, lines);
}
