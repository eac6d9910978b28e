/*
 * The evaluator. It recurses no deeper than the parser let the tree be. What it makes on the way it keeps to
 * the end, bounded by GitHub's memory rule for what is alive and by a multiple of it for all that ever was.
 */
#include "expr_internal.h"

enum { OBJECT_BYTES = 24, POINTER_BYTES = 8, PRODUCED_FACTOR = 16 };
static const size_t default_memory = 10 * 1024 * 1024;

struct keep {
    struct keep *next;
    char *text;   /* owned */
    json_t *json; /* owned reference */
};

int eval_fail(struct eval *ev, const struct node *node, const char *what)
{
    return expr_fail(ev->err, EXPR_EVALUATION, ev->expr->text, what, NULL, node->at);
}

static int eval_no_memory(struct eval *ev, const struct node *node, int code)
{
    if (code == -E2BIG)
        return eval_fail(ev, node, "The maximum allowed memory size was exceeded");
    if (code == -ELOOP)
        return eval_fail(ev, node, "The value is nested too deeply");
    return code;
}

static int keep(struct eval *ev, char *text, json_t *json, size_t bytes)
{
    struct keep *k = malloc(sizeof(*k));

    ev->produced += bytes;
    if (!k || ev->produced / PRODUCED_FACTOR > ev->max_memory) {
        free(text);
        json_decref(json);
        free(k);
        return k ? -E2BIG : -ENOMEM;
    }
    *k = (struct keep){.next = ev->kept, .text = text, .json = json};
    ev->kept = k;
    return 0;
}

int eval_keep_text(struct eval *ev, struct buf *text, struct val *ret)
{
    size_t len = text->len;
    char *s = buf_steal(text);
    int r = s ? keep(ev, s, NULL, len) : -ENOMEM;

    if (r == 0)
        *ret = (struct val){.kind = VALUE_STRING, .text = {s, len}};
    return r;
}

int eval_keep_json(struct eval *ev, json_t *json, size_t bytes, struct val *ret)
{
    int r = json ? keep(ev, NULL, json, bytes) : -ENOMEM;

    if (r == 0)
        *ret = val_from_json(json);
    return r;
}

void eval_end(struct eval *ev)
{
    while (ev->kept) {
        struct keep *k = ev->kept;
        ev->kept = k->next;
        free(k->text);
        json_decref(k->json);
        free(k);
    }
}

/* GitHub's rule: a part's result replaces what its own parts took, unless it may refer to them (trim). */
static int account(struct eval *ev, int level, size_t bytes, bool trim)
{
    if (trim)
        for (; ev->deepest > level; ev->deepest--)
            ev->used -= ev->used_at[ev->deepest];
    while (ev->deepest < level)
        ev->used_at[++ev->deepest] = 0;
    ev->used_at[level] += bytes;
    ev->used += bytes;
    return ev->used > ev->max_memory ? -E2BIG : 0;
}

static int account_val(struct eval *ev, int level, const struct val *v)
{
    size_t bytes = v->kind == VALUE_STRING ? text_bytes(v->text) : OBJECT_BYTES;

    if (v->foreign && val_primitive(v))
        return account(ev, level, OBJECT_BYTES + bytes, false);
    return account(ev, level, bytes, val_primitive(v));
}

static void eval_named(struct eval *ev, const struct node *node, struct val *ret)
{
    json_t *contexts = ev->env ? ev->env->contexts : NULL;

    *ret = val_from_json(json_object_get_nocase(contexts, node->named.name.s, node->named.name.len));
    ret->foreign = true;
}

static int eval_logical(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    bool stop_at = node->kind == NODE_OR;

    for (const struct node *arg = node->args; arg; arg = arg->next) {
        int r = eval_node(ev, arg, level + 1, ret);
        if (r < 0)
            return r;
        if (val_truthy(ret) == stop_at)
            break;
    }
    ret->foreign = false;
    return 0;
}

static bool order_holds(enum node_kind kind, enum order order)
{
    switch (kind) {
    case NODE_LESS:
        return order == ORDER_LESS;
    case NODE_LESS_EQUAL:
        return order == ORDER_LESS || order == ORDER_EQUAL;
    case NODE_GREATER:
        return order == ORDER_GREATER;
    case NODE_GREATER_EQUAL:
        return order == ORDER_GREATER || order == ORDER_EQUAL;
    case NODE_EQUAL:
        return order == ORDER_EQUAL;
    default:
        return order != ORDER_EQUAL;
    }
}

static int eval_compare(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    struct val left, right;
    int r = eval_node(ev, node->args, level + 1, &left);

    if (r == 0)
        r = eval_node(ev, node->args->next, level + 1, &right);
    if (r == 0)
        *ret =
            (struct val){.kind = VALUE_BOOLEAN, .boolean = order_holds(node->kind, val_order(&left, &right))};
    return r;
}

static int eval_not(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    int r = eval_node(ev, node->args, level + 1, ret);

    if (r == 0)
        *ret = (struct val){.kind = VALUE_BOOLEAN, .boolean = !val_truthy(ret)};
    return r;
}

/* One element by index or key; NULL when there is none. */
static json_t *element(json_t *collection, const struct val *index)
{
    char room[NUMBER_TEXT_MAX];

    if (json_is_array(collection)) {
        double n = val_to_number(index);
        return n >= 0 && n < 2147483648.0 ? json_array_get(collection, (size_t)n) : NULL;
    }
    if (!json_is_object(collection) || !val_primitive(index))
        return NULL;
    struct slice key = val_text(index, room);
    return json_object_get_nocase(collection, key.s, key.len);
}

static int add_all(json_t *to, json_t *collection)
{
    const char *key;
    size_t i;
    json_t *item;
    int r = 0;

    if (json_is_array(collection))
        json_array_foreach(collection, i, item) r |= json_array_append(to, item);
    else
        json_object_foreach(collection, key, item) r |= json_array_append(to, item);
    return r;
}

/* index: NULL for a wildcard. What is no collection, or has no such element, adds nothing. */
static int add_elements(json_t *to, json_t *from, const struct val *index)
{
    if (!index)
        return add_all(to, from);
    json_t *item = element(from, index);
    return item ? json_array_append(to, item) : 0;
}

/* The array that a wildcard makes, and what further indexing makes of it. */
static int eval_filter(struct eval *ev, const struct val *from, const struct val *index, int level,
                       struct val *ret)
{
    _json_ json_t *array = json_array();
    json_t *item;
    size_t i;
    int r = array ? 0 : -1;

    if (r == 0 && from->filtered)
        json_array_foreach(from->json, i, item) r |= add_elements(array, item, index);
    else if (r == 0 && !val_primitive(from))
        r = add_elements(array, from->json, index);
    if (r < 0)
        return -ENOMEM;
    size_t bytes = json_array_size(array) * POINTER_BYTES;
    r = account(ev, level, bytes, false);
    if (r == 0)
        r = eval_keep_json(ev, TAKE(array), bytes, ret);
    if (r == 0)
        ret->filtered = true;
    return r;
}

/* The element of what the node indexes: the environment's names may be told apart by case. */
static json_t *indexed(const struct eval *ev, const struct node *node, const struct val *left,
                       const struct val *index)
{
    const struct node *of = node->args;
    char room[NUMBER_TEXT_MAX];

    if (!ev->env || !ev->env->exact_env || of->kind != NODE_NAMED ||
        !fold_equal(of->named.name, SLICE("env")) || !json_is_object(left->json) || !val_primitive(index))
        return element(left->json, index);
    struct slice key = val_text(index, room);
    return json_object_getn(left->json, key.s, key.len);
}

static int eval_index(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    struct val left, index;
    bool wildcard = node->args->next->kind == NODE_WILDCARD;
    int r = eval_node(ev, node->args, level + 1, &left);

    if (r < 0)
        return r;
    *ret = (struct val){.kind = VALUE_NULL};
    if (val_primitive(&left) && !wildcard)
        return 0;
    if (!wildcard) {
        r = eval_node(ev, node->args->next, level + 1, &index);
        if (r < 0)
            return r;
    }
    if (wildcard || left.filtered)
        return eval_filter(ev, &left, wildcard ? NULL : &index, level, ret);
    *ret = val_from_json(indexed(ev, node, &left, &index));
    ret->foreign = true;
    return 0;
}

static int call_out(struct eval *ev, const struct node *node, const struct value *args, struct val *ret)
{
    struct err err = {0};
    struct value value = {.kind = VALUE_NULL};
    const struct expr_env *env = ev->env;

    if (!env || !env->call)
        return eval_fail(ev, node, "The function cannot be called here");
    int r = env->call(env->data, node->call.name, args, node->n_args, &value, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return eval_fail(ev, node, err.msg[0] ? err.msg : "The function failed");
    struct val v = val_from_value(&value);
    if (v.kind == VALUE_STRING || !val_primitive(&v)) {
        bool filtered = v.filtered;
        r = eval_keep_json(ev, value.json, v.kind == VALUE_STRING ? v.text.len : 0, &v);
        v.filtered = filtered;
    }
    if (r == 0)
        *ret = v;
    return r;
}

static int eval_scope_call(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    _free_ struct value *args = calloc(node->n_args + 1, sizeof(*args));
    size_t n = 0;
    int r = args ? 0 : -ENOMEM;

    for (const struct node *arg = node->args; arg && r == 0; arg = arg->next) {
        struct val v;
        r = eval_node(ev, arg, level + 1, &v);
        if (r == 0)
            r = val_to_value(&v, &args[n]);
        n += r == 0;
    }
    if (r == 0)
        r = call_out(ev, node, args, ret);
    while (n > 0)
        value_release(&args[--n]);
    return r;
}

static int eval_kind(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    switch (node->kind) {
    case NODE_LITERAL:
        *ret = node->literal;
        return 0;
    case NODE_NAMED:
        eval_named(ev, node, ret);
        return 0;
    case NODE_INDEX:
        return eval_index(ev, node, level, ret);
    case NODE_CALL:
        if (node->call.builtin)
            return node->call.builtin->fn(ev, node, level, ret);
        return eval_scope_call(ev, node, level, ret);
    case NODE_NOT:
        return eval_not(ev, node, level, ret);
    case NODE_AND:
    case NODE_OR:
        return eval_logical(ev, node, level, ret);
    default:
        return eval_compare(ev, node, level, ret);
    }
}

int eval_node(struct eval *ev, const struct node *node, int level, struct val *ret)
{
    struct val v;
    int r = eval_kind(ev, node, level, &v);

    if (r == 0)
        r = account_val(ev, level, &v);
    if (r < 0)
        return eval_no_memory(ev, node, r);
    if (ev->seen) {
        ev->seen[node->id] = v;
        ev->was_seen[node->id] = true;
    }
    *ret = v;
    return 0;
}

void eval_begin(struct eval *ev, const struct expr *e, const struct expr_env *env, struct expr_err *err)
{
    size_t max = env ? env->max_memory : 0;

    memset(ev, 0, offsetof(struct eval, used_at)); /* used_at is written before it is read, up to deepest */
    ev->expr = e;
    ev->env = env;
    ev->err = err;
    ev->deepest = -1;
    ev->max_memory = max ? max : default_memory;
}

int eval_root(struct eval *ev, struct val *ret)
{
    *ret = (struct val){.kind = VALUE_NULL};
    return ev->expr->root ? eval_node(ev, ev->expr->root, 0, ret) : 0;
}

int expr_eval(const struct expr *e, const struct expr_env *env, struct value *ret, struct expr_err *err)
{
    struct eval ev;
    struct val v;

    eval_begin(&ev, e, env, err);
    int r = eval_root(&ev, &v);
    if (r == 0)
        r = val_to_value(&v, ret);
    eval_end(&ev);
    return r;
}

int expr_explain(const struct expr *e, const struct expr_env *env, struct value *ret, struct buf *lines,
                 struct expr_err *err)
{
    struct eval ev;
    struct val v;
    _free_ struct val *seen = calloc(e->n_nodes + 1, sizeof(*seen));
    _free_ bool *was_seen = calloc(e->n_nodes + 1, sizeof(*was_seen));

    if (!seen || !was_seen)
        return -ENOMEM;
    eval_begin(&ev, e, env, err);
    ev.seen = seen;
    ev.was_seen = was_seen;
    int r = eval_root(&ev, &v);
    if (e->root)
        explain_node(&ev, e->root, lines);
    if (r == 0)
        r = val_to_value(&v, ret);
    eval_end(&ev);
    return r;
}
