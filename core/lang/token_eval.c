/* Tokens to JSON: every expression evaluated where it stands. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "runfs/str.h"
#include "workflow_internal.h"

struct evaluation {
    const char *file;
    const struct expr_env *env;
    struct err *err;
    size_t *room; /* of what comes of it: bytes that are left; NULL: of one value, which has its own limit */
};

enum { NODE_COST = 32 };

static int fail(const struct evaluation *ev, const struct token *at, const char *what)
{
    return err_set(ev->err, -EINVAL, "%s (Line: %d, Col: %d): %s", ev->file, at->line, at->col, what);
}

static int fail_value(const struct evaluation *ev, const struct token *at, const char *value)
{
    return err_set(ev->err, -EINVAL, "%s (Line: %d, Col: %d): Unexpected value '%s'", ev->file, at->line,
                   at->col, value);
}

static int eval_expr(const struct evaluation *ev, const struct token *t, struct value *ret)
{
    _expr_err_ struct expr_err err = {0};
    int r = expr_eval(t->expr, ev->env, ret, &err);

    if (r < 0 && r != -ENOMEM)
        return fail(ev, t, err.msg ? err.msg : "The expression could not be evaluated");
    return r;
}

static json_t *number_json(double n)
{
    if (isfinite(n) && n == floor(n) && fabs(n) < 9e15)
        return json_integer((json_int_t)n);
    struct value v = value_number(n);
    return value_to_json(&v);
}

/* Of no more depth than values have. */
static size_t cost_of(const json_t *json)
{
    size_t cost = NODE_COST + json_string_length(json), i;
    const char *key;
    json_t *item;

    json_array_foreach(json, i, item) cost += cost_of(item);
    json_object_foreach((json_t *)(uintptr_t)json, key, item) cost += strlen(key) + cost_of(item);
    return cost;
}

/* GitHub, "TemplateMemory": what a template's expressions yield has a limit in sum, as each of them has. */
static int take_room(const struct evaluation *ev, const struct token *t, const json_t *json)
{
    size_t cost = ev->room ? cost_of(json) : 0;

    if (ev->room && cost > *ev->room)
        return fail(ev, t, "Maximum object size exceeded");
    if (ev->room)
        *ev->room -= cost;
    return 0;
}

static int eval_token(const struct evaluation *ev, const struct token *t, json_t **ret);

static int give(json_t *json, json_t **ret)
{
    if (!json)
        return -ENOMEM;
    *ret = json;
    return 0;
}

static int eval_expr_json(const struct evaluation *ev, const struct token *t, json_t **ret)
{
    _value_ struct value v = {0};
    _json_ json_t *json = NULL;
    int r = eval_expr(ev, t, &v);

    if (r == 0)
        r = give(v.kind == VALUE_NUMBER ? number_json(v.number) : value_to_json(&v), &json);
    if (r == 0)
        r = take_room(ev, t, json);
    if (r == 0)
        *ret = TAKE(json);
    return r;
}

/* An item that is an expression and yields an array gives its items. */
static int eval_sequence(const struct evaluation *ev, const struct token *t, json_t **ret)
{
    _json_ json_t *items = json_array();

    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < t->seq.n; i++) {
        _json_ json_t *item = NULL;
        int r = eval_token(ev, t->seq.items[i], &item);
        if (r < 0)
            return r;
        bool splice = t->seq.items[i]->kind == TOKEN_EXPRESSION && json_is_array(item);
        if ((splice ? json_array_extend(items, item) : json_array_append(items, item)) < 0)
            return -ENOMEM;
    }
    *ret = TAKE(items);
    return 0;
}

/* Keys differ by more than case; *names has those that are there already, in lower case. */
static int add_pair(const struct evaluation *ev, const struct token *at, const char *key, json_t *value,
                    json_t *to, json_t *names)
{
    _free_ char *lower = strdup(key);

    if (!lower)
        return -ENOMEM;
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (json_object_get(names, lower))
        return err_set(ev->err, -EINVAL, "%s (Line: %d, Col: %d): '%s' is already defined", ev->file,
                       at->line, at->col, key);
    if (json_object_set_new(names, lower, json_true()) < 0 || json_object_set(to, key, value) < 0)
        return -ENOMEM;
    return 0;
}

static int add_inserted(const struct evaluation *ev, const struct token *at, json_t *object, json_t *to,
                        json_t *names)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return fail(ev, at, "Expected a mapping");
    json_object_foreach(object, key, value)
    {
        int r = add_pair(ev, at, key, value, to, names);
        if (r < 0)
            return r;
    }
    return 0;
}

static int eval_key(const struct evaluation *ev, const struct token *t, char **ret)
{
    _value_ struct value v = {0};
    _buf_ struct buf text = BUF_INIT;

    if (t->kind != TOKEN_EXPRESSION) {
        buf_adds(&text, t->str);
    } else {
        int r = eval_expr(ev, t, &v);
        if (r < 0)
            return r;
        if (v.kind == VALUE_ARRAY || v.kind == VALUE_OBJECT)
            return fail(ev, t, "Expected a scalar value");
        value_to_string(&v, &text);
    }
    *ret = buf_steal(&text);
    return *ret ? 0 : -ENOMEM;
}

static int eval_mapping(const struct evaluation *ev, const struct token *t, json_t **ret)
{
    _json_ json_t *to = json_object(), *names = json_object();
    int r = to && names ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < t->map.n; i++) {
        const struct token *key = t->map.pairs[i].key;
        _json_ json_t *value = NULL;
        _free_ char *name = NULL;
        r = eval_token(ev, t->map.pairs[i].value, &value);
        if (r == 0 && key->kind != TOKEN_INSERT)
            r = eval_key(ev, key, &name);
        if (r == 0)
            r = name ? add_pair(ev, key, name, value, to, names)
                     : add_inserted(ev, t->map.pairs[i].value, value, to, names);
    }
    if (r == 0)
        *ret = TAKE(to);
    return r;
}

static int eval_token(const struct evaluation *ev, const struct token *t, json_t **ret)
{
    switch (t->kind) {
    case TOKEN_BOOLEAN:
        return give(json_boolean(t->boolean), ret);
    case TOKEN_NUMBER:
        return give(number_json(t->number), ret);
    case TOKEN_STRING:
        return give(json_stringn(t->str, t->len), ret);
    case TOKEN_SEQUENCE:
        return eval_sequence(ev, t, ret);
    case TOKEN_MAPPING:
        return eval_mapping(ev, t, ret);
    case TOKEN_EXPRESSION:
        return eval_expr_json(ev, t, ret);
    case TOKEN_INSERT:
        return fail_value(ev, t, "${{ insert }}");
    default:
        return give(json_null(), ret);
    }
}

int token_eval(const struct token *t, const char *file, const struct expr_env *env, json_t **ret,
               struct err *err)
{
    size_t room = TOKEN_VALUES_MAX;
    struct evaluation ev = {file, env, err, &room};

    return t ? eval_token(&ev, t, ret) : give(json_null(), ret);
}

/* The value of a token that must be a scalar. */
static int eval_scalar(const struct evaluation *ev, const struct token *t, struct value *ret)
{
    switch (t->kind) {
    case TOKEN_NULL:
        *ret = (struct value){.kind = VALUE_NULL};
        return 0;
    case TOKEN_BOOLEAN:
        *ret = value_boolean(t->boolean);
        return 0;
    case TOKEN_NUMBER:
        *ret = value_number(t->number);
        return 0;
    case TOKEN_STRING:
        *ret = value_string(t->str, t->len);
        return 0;
    case TOKEN_SEQUENCE:
        return fail(ev, t, "A sequence was not expected");
    case TOKEN_MAPPING:
        return fail(ev, t, "A mapping was not expected");
    case TOKEN_INSERT:
        return fail_value(ev, t, "${{ insert }}");
    case TOKEN_EXPRESSION:
        break;
    }
    _value_ struct value v = {0};
    int r = eval_expr(ev, t, &v);
    if (r < 0)
        return r;
    if (v.kind == VALUE_ARRAY || v.kind == VALUE_OBJECT)
        return fail(ev, t,
                    v.kind == VALUE_ARRAY ? "A sequence was not expected" : "A mapping was not expected");
    *ret = v;
    v = (struct value){0};
    return 0;
}

int token_eval_string(const struct token *t, const char *file, const struct expr_env *env, char **ret,
                      struct err *err)
{
    struct evaluation ev = {.file = file, .env = env, .err = err};
    _value_ struct value v = {0};
    _buf_ struct buf text = BUF_INIT;
    int r = t ? eval_scalar(&ev, t, &v) : 0;

    if (r < 0)
        return r;
    value_to_string(&v, &text);
    char *s = buf_steal(&text);
    if (!s)
        return -ENOMEM;
    *ret = s;
    return 0;
}

/* GitHub's complaint about a scalar of another kind than the place holds. */
static int wrong_kind(const struct evaluation *ev, const struct token *t, const struct value *v)
{
    _buf_ struct buf text = BUF_INIT;

    value_to_string(v, &text);
    return buf_ok(&text) ? fail_value(ev, t, buf_str(&text)) : -ENOMEM;
}

int token_eval_boolean(const struct token *t, const char *file, const struct expr_env *env, bool fallback,
                       bool *ret, struct err *err)
{
    struct evaluation ev = {.file = file, .env = env, .err = err};
    _value_ struct value v = value_boolean(fallback);
    int r = t ? eval_scalar(&ev, t, &v) : 0;

    if (r == 0 && v.kind != VALUE_BOOLEAN)
        r = wrong_kind(&ev, t, &v);
    if (r == 0)
        *ret = v.boolean;
    return r;
}

int token_eval_number(const struct token *t, const char *file, const struct expr_env *env, double fallback,
                      double *ret, struct err *err)
{
    struct evaluation ev = {.file = file, .env = env, .err = err};
    _value_ struct value v = value_number(fallback);
    int r = t ? eval_scalar(&ev, t, &v) : 0;

    if (r == 0 && v.kind != VALUE_NUMBER)
        r = wrong_kind(&ev, t, &v);
    if (r == 0)
        *ret = v.number;
    return r;
}
