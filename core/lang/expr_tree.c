/* Nodes: how they are stacked while parsing and put together. */
#include "expr_internal.h"

void node_push(struct node **stack, struct node *node)
{
    node->next = *stack;
    *stack = node;
}

struct node *node_pop(struct node **stack)
{
    struct node *node = *stack;

    *stack = node->next;
    node->next = NULL;
    return node;
}

static void raise_depth(struct node *node, unsigned depth)
{
    if (depth > node->depth)
        node->depth = depth > UINT16_MAX ? UINT16_MAX : (uint16_t)depth;
}

void node_add_arg(struct node *parent, struct node *child)
{
    bool flatten = (parent->kind == NODE_AND || parent->kind == NODE_OR) && child->kind == parent->kind;
    struct node *first = flatten ? child->args : child, *last = flatten ? child->last : child;

    raise_depth(parent, child->depth + !flatten);
    parent->n_args += flatten ? child->n_args : 1;
    if (parent->last)
        parent->last->next = first;
    else
        parent->args = first;
    parent->last = last;
    if (child->start < parent->start)
        parent->start = child->start;
    if (child->end > parent->end)
        parent->end = child->end;
}

int node_precedence(const struct node *op)
{
    switch (op->kind) {
    case NODE_NOT:
        return 16;
    case NODE_LESS:
    case NODE_LESS_EQUAL:
    case NODE_GREATER:
    case NODE_GREATER_EQUAL:
        return 11;
    case NODE_EQUAL:
    case NODE_NOT_EQUAL:
        return 10;
    case NODE_AND:
        return 6;
    case NODE_OR:
        return 5;
    default: /* what is open stays */
        return 0;
    }
}

bool node_calls(const struct node *node, struct slice name)
{
    if (node->kind == NODE_CALL && fold_equal((struct slice){node->call.name, strlen(node->call.name)}, name))
        return true;
    for (const struct node *arg = node->args; arg; arg = arg->next)
        if (node_calls(arg, name))
            return true;
    return false;
}
