/*
 * The parser: two stacks and no recursion, so no text can exhaust the C stack. Both stacks are lists through
 * node.next: a node waits among the operators until its operands are there and moves to the operands then.
 */
#include "expr_internal.h"
#include "runfs/forge.h"

struct parser {
    struct expr *expr;
    const struct parse_scope *scope;
    struct expr_err *err;
    struct lexer lexer;
    struct token token;    /* the one to look at */
    struct token last;     /* the one before it */
    struct node *operands; /* stacks, newest first */
    struct node *operators;
};

static int fail_token(struct parser *p, enum expr_phase phase, const char *what, const struct token *t)
{
    struct slice text = p->expr->text, token = {text.s + t->start, t->end - t->start};

    return expr_fail(p->err, phase, text, what, &token, t->start);
}

/* An error of the parser counts only if the whole text has symbols of the language: those come first. */
static int fail_parsing(struct parser *p, const char *what, struct token at)
{
    while (p->token.kind != TOKEN_END && p->token.kind != TOKEN_BAD) {
        int r = lexer_next(&p->lexer, &p->token);
        if (r < 0)
            return r;
    }
    if (p->token.kind == TOKEN_BAD)
        return fail_token(p, EXPR_LEXING, "Unexpected symbol", &p->token);
    return fail_token(p, EXPR_PARSING, what, &at);
}

static int fail_unexpected(struct parser *p)
{
    if (p->token.kind == TOKEN_END)
        return fail_parsing(p, "Unexpected end of expression", p->last);
    return fail_parsing(p, "Unexpected symbol", p->token);
}

static int advance(struct parser *p)
{
    p->last = p->token;
    return lexer_next(&p->lexer, &p->token);
}

static struct node *node_new(struct parser *p, enum node_kind kind)
{
    struct node *node = expr_alloc(p->expr, sizeof(struct node));

    if (!node)
        return NULL;
    node->kind = kind;
    node->depth = 1;
    node->at = node->start = p->token.start;
    node->end = p->token.end;
    node->id = p->expr->n_nodes++;
    return node;
}

/* Gives operators that bind at least as tightly their operands. */
static void reduce(struct parser *p, int least)
{
    while (p->operators && node_precedence(p->operators) >= least) {
        struct node *op = node_pop(&p->operators);
        struct node *right = node_pop(&p->operands);
        if (op->kind != NODE_NOT)
            node_add_arg(op, node_pop(&p->operands));
        node_add_arg(op, right);
        node_push(&p->operands, op);
    }
}

static const struct expr_function *find_function(const struct parser *p, struct slice name)
{
    const struct expr_function *f = p->scope->scope ? p->scope->scope->functions : NULL;

    while (f && f->name && !fold_equal((struct slice){f->name, strlen(f->name)}, name))
        f++;
    return f && f->name ? f : NULL;
}

static bool is_named_value(const struct parser *p, struct slice name)
{
    const char *const *known = p->scope->scope ? p->scope->scope->named_values : NULL;

    if (p->scope->contexts_only)
        return json_object_get_nocase(p->scope->contexts, name.s, name.len) != NULL;
    if (!known)
        return true;
    while (*known && !fold_equal((struct slice){*known, strlen(*known)}, name))
        known++;
    return *known != NULL;
}

/* The context that Gitea and Forgejo mean by a name of theirs; an empty one for no such name. */
static struct slice other_name(const struct parser *p, struct slice name)
{
    bool wanted = p->scope->contexts_only || (p->scope->scope && p->scope->scope->forges);

    if (!wanted || !forge_is_context(name.s, name.len) || !is_named_value(p, SLICE("github")))
        return (struct slice){0};
    p->expr->renamed = true;
    return SLICE("github");
}

static int parse_call(struct parser *p)
{
    struct node *call = node_new(p, NODE_CALL);
    struct slice name = {p->expr->text.s + p->token.start, p->token.end - p->token.start};

    if (!call)
        return -ENOMEM;
    const struct builtin *b = builtin_find(name);
    if (b) {
        call->call.builtin = b;
        call->call.name = b->name;
        call->call.min_args = b->min_args;
        call->call.max_args = b->max_args;
    } else {
        const struct expr_function *f = find_function(p, name);
        if (!f)
            return fail_parsing(p, "Unrecognized function", p->token);
        size_t size = strlen(f->name) + 1;
        char *copy = expr_alloc(p->expr, size);
        if (!copy)
            return -ENOMEM;
        call->call.name = memcpy(copy, f->name, size);
        call->call.min_args = f->min_args;
        call->call.max_args = f->max_args;
    }
    node_push(&p->operators, call);
    return advance(p); /* to the "(" that made it a function */
}

static int parse_named(struct parser *p)
{
    struct slice name = {p->expr->text.s + p->token.start, p->token.end - p->token.start};

    if (!is_named_value(p, name))
        name = other_name(p, name);
    if (!name.len)
        return fail_parsing(p, "Unrecognized named-value", p->token);
    struct node *node = node_new(p, NODE_NAMED);
    if (!node)
        return -ENOMEM;
    node->named.name = name;
    node->named.next = p->expr->named;
    p->expr->named = node;
    node_push(&p->operands, node);
    return 0;
}

static int push_literal(struct parser *p, struct val v)
{
    struct node *node = node_new(p, NODE_LITERAL);

    if (!node)
        return -ENOMEM;
    node->literal = v;
    node_push(&p->operands, node);
    return 0;
}

static int push_operator(struct parser *p, enum node_kind kind)
{
    struct node *node = node_new(p, kind);

    if (!node)
        return -ENOMEM;
    node_push(&p->operators, node);
    return 0;
}

static bool call_is_empty(const struct parser *p)
{
    return p->token.kind == TOKEN_CLOSE && p->last.kind == TOKEN_OPEN && p->operators &&
           p->operators->kind == NODE_CALL;
}

static int check_args(struct parser *p, const struct node *call)
{
    const char *what = NULL;

    if ((int)call->n_args < call->call.min_args)
        what = "Too few parameters supplied";
    else if ((int)call->n_args > call->call.max_args)
        what = "Too many parameters supplied";
    else if (call->call.builtin && call->call.builtin->odd && call->n_args % 2 == 0)
        what = "Even number of parameters supplied, requires an odd number of parameters";
    if (!what)
        return 0;
    struct token name = {.start = call->at, .end = call->at + (uint32_t)strlen(call->call.name)};
    return fail_parsing(p, what, name);
}

/* ")": the end of a call or of a group, whichever is open. */
static int parse_close(struct parser *p, bool with_operand)
{
    reduce(p, 1);
    struct node *open = p->operators;
    if (!open || (open->kind != NODE_CALL && open->kind != NODE_GROUP))
        return fail_unexpected(p);
    node_pop(&p->operators);
    if (open->kind == NODE_GROUP) {
        p->operands->start = open->start;
        p->operands->end = p->token.end;
        return 0;
    }
    if (with_operand)
        node_add_arg(open, node_pop(&p->operands));
    open->end = p->token.end;
    node_push(&p->operands, open);
    return check_args(p, open);
}

/* Where an operand is due. *ret_have: whether it is complete. */
static int parse_operand(struct parser *p, bool *ret_have)
{
    *ret_have = false;
    switch (p->token.kind) {
    case TOKEN_LITERAL:
        *ret_have = true;
        return push_literal(p, p->token.literal);
    case TOKEN_NAME:
        *ret_have = true;
        return parse_named(p);
    case TOKEN_FUNCTION:
        return parse_call(p);
    case TOKEN_OPEN:
        return push_operator(p, NODE_GROUP);
    case TOKEN_NOT:
        return push_operator(p, NODE_NOT);
    case TOKEN_CLOSE:
        if (!call_is_empty(p))
            return fail_unexpected(p);
        *ret_have = true;
        return parse_close(p, false);
    default:
        return fail_unexpected(p);
    }
}

/* Whether the operand just read can be indexed: no literal can. */
static bool indexable(const struct parser *p)
{
    return p->last.kind == TOKEN_NAME || p->last.kind == TOKEN_PROPERTY || p->last.kind == TOKEN_WILDCARD ||
           p->last.kind == TOKEN_CLOSE || p->last.kind == TOKEN_CLOSE_INDEX;
}

static struct node *index_new(struct parser *p)
{
    struct node *index = node_new(p, NODE_INDEX);

    if (index)
        node_add_arg(index, node_pop(&p->operands));
    return index;
}

static int parse_dot(struct parser *p)
{
    if (!indexable(p))
        return fail_unexpected(p);
    struct node *index = index_new(p);
    int r = index ? advance(p) : -ENOMEM;
    if (r < 0)
        return r;
    if (p->token.kind != TOKEN_PROPERTY && p->token.kind != TOKEN_WILDCARD)
        return fail_unexpected(p);
    struct node *key = node_new(p, p->token.kind == TOKEN_WILDCARD ? NODE_WILDCARD : NODE_LITERAL);
    if (!key)
        return -ENOMEM;
    if (key->kind == NODE_LITERAL)
        key->literal =
            (struct val){.kind = VALUE_STRING, .text = {p->expr->text.s + key->start, key->end - key->start}};
    node_add_arg(index, key);
    node_push(&p->operands, index);
    return 0;
}

static int close_index(struct parser *p)
{
    struct node *index = node_pop(&p->operators);

    node_add_arg(index, node_pop(&p->operands));
    index->end = p->token.end;
    node_push(&p->operands, index);
    return 0;
}

/* "[": a wildcard and its "]" are dealt with here. *ret_have: whether the index is complete. */
static int parse_open_index(struct parser *p, bool *ret_have)
{
    if (!indexable(p))
        return fail_unexpected(p);
    struct node *index = index_new(p);
    if (!index)
        return -ENOMEM;
    node_push(&p->operators, index);
    *ret_have = false;
    struct lexer ahead = p->lexer;
    struct token next;
    int r = lexer_next(&ahead, &next);
    if (r < 0 || next.kind != TOKEN_WILDCARD)
        return r;
    r = advance(p);
    struct node *star = r < 0 ? NULL : node_new(p, NODE_WILDCARD);
    if (!star)
        return r < 0 ? r : -ENOMEM;
    node_push(&p->operands, star);
    r = advance(p);
    if (r < 0)
        return r;
    if (p->token.kind != TOKEN_CLOSE_INDEX)
        return fail_unexpected(p);
    *ret_have = true;
    return close_index(p);
}

static int parse_binary(struct parser *p)
{
    struct node *op = node_new(p, p->token.binary);

    if (!op)
        return -ENOMEM;
    reduce(p, node_precedence(op));
    node_push(&p->operators, op);
    return 0;
}

/* Behind an operand. *ret_have: whether the next place is again one behind an operand. */
static int parse_behind(struct parser *p, bool *ret_have)
{
    *ret_have = true;
    switch (p->token.kind) {
    case TOKEN_BINARY:
        *ret_have = false;
        return parse_binary(p);
    case TOKEN_DOT:
        return parse_dot(p);
    case TOKEN_OPEN_INDEX:
        return parse_open_index(p, ret_have);
    case TOKEN_CLOSE_INDEX:
        reduce(p, 1);
        if (!p->operators || p->operators->kind != NODE_INDEX)
            return fail_unexpected(p);
        return close_index(p);
    case TOKEN_CLOSE:
        return parse_close(p, true);
    case TOKEN_COMMA:
        reduce(p, 1);
        if (!p->operators || p->operators->kind != NODE_CALL)
            return fail_unexpected(p);
        node_add_arg(p->operators, node_pop(&p->operands));
        *ret_have = false;
        return 0;
    default:
        return fail_unexpected(p);
    }
}

static int finish(struct parser *p)
{
    reduce(p, 1);
    if (p->operators)
        return fail_unexpected(p);
    p->expr->root = node_pop(&p->operands);
    if (p->expr->root->depth > EXPR_MAX_DEPTH)
        return expr_fail(p->err, EXPR_PARSING, p->expr->text, "Exceeded max expression depth 50", NULL, 0);
    return 0;
}

int expr_parse_tree(struct expr *e, const struct parse_scope *scope, struct expr_err *err)
{
    struct parser p = {.expr = e, .scope = scope, .err = err, .lexer = {.text = e->text, .expr = e}};
    bool have = false;
    int r = lexer_next(&p.lexer, &p.token);

    if (r < 0 || p.token.kind == TOKEN_END)
        return r;
    while (r == 0 && (p.token.kind != TOKEN_END || !have)) {
        r = have ? parse_behind(&p, &have) : parse_operand(&p, &have);
        if (r == 0)
            r = advance(&p);
    }
    return r < 0 ? r : finish(&p);
}
