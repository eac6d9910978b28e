/* Looking into tokens, and evaluating them. */
#include "runfs/token.h"

#include <math.h>

#include "runfs/str.h"

struct token *token_get(const struct token *t, const char *key)
{
    if (!t || t->kind != TOKEN_MAPPING)
        return NULL;
    for (size_t i = 0; i < t->map.n; i++)
        if (t->map.pairs[i].key->kind == TOKEN_STRING && str_eq(t->map.pairs[i].key->str, key))
            return t->map.pairs[i].value;
    return NULL;
}

typedef bool token_test(const struct token *t, const char *word);

static bool token_any(const struct token *t, token_test *test, const char *word)
{
    if (!t)
        return false;
    if (t->kind == TOKEN_SEQUENCE)
        for (size_t i = 0; i < t->seq.n; i++)
            if (token_any(t->seq.items[i], test, word))
                return true;
    if (t->kind == TOKEN_MAPPING)
        for (size_t i = 0; i < t->map.n; i++)
            if (token_any(t->map.pairs[i].key, test, word) || token_any(t->map.pairs[i].value, test, word))
                return true;
    return test(t, word);
}

static bool is_expression(const struct token *t, const char *word)
{
    (void)word;
    return t->kind == TOKEN_EXPRESSION || t->kind == TOKEN_INSERT;
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The word stands in the expression's text, outside of strings and not as a property. */
static bool mentions(const struct token *t, const char *word)
{
    size_t len = strlen(word);
    bool quoted = false;

    if (t->kind != TOKEN_EXPRESSION)
        return false;
    for (const char *p = t->str; *p; p++) {
        if (*p == '\'')
            quoted = !quoted;
        if (!quoted && strncasecmp(p, word, len) == 0 && !word_char(p[len]) &&
            (p == t->str || (!word_char(p[-1]) && p[-1] != '.')))
            return true;
    }
    return false;
}

bool token_has_expr(const struct token *t)
{
    return token_any(t, is_expression, NULL);
}

bool token_uses_context(const struct token *t, const char *context)
{
    return token_any(t, mentions, context);
}

/* ------------------------------------------------------------------------------------------ evaluating */

static int place_error(struct err *err, const struct token *t, const char *file, const char *msg)
{
    return err_set(err, -EINVAL, "%s (Line: %d, Col: %d): %s", file, t->line, t->col, msg);
}

static int no_memory(struct err *err)
{
    return err_errno(err, -ENOMEM, "cannot evaluate");
}

static int eval_value(const struct token *t, const char *file, const struct expr_env *env, struct value *ret,
                      struct err *err)
{
    _expr_err_ struct expr_err why = {0};
    int r = expr_eval(t->expr, env, ret, &why);

    if (r == -ENOMEM)
        return no_memory(err);
    return r < 0 ? place_error(err, t, file, why.msg ? why.msg : "The expression cannot be evaluated") : 0;
}

static json_t *number_json(double n)
{
    _buf_ struct buf text = BUF_INIT;

    if (isfinite(n))
        return n == floor(n) && fabs(n) < 9007199254740992.0 ? json_integer((json_int_t)n) : json_real(n);
    number_to_string(n, &text);
    return json_string(buf_str(&text));
}

static int eval_scalar(const struct token *t, const char *file, const struct expr_env *env, json_t **ret,
                       struct err *err)
{
    _value_ struct value value = {0};
    json_t *json = NULL;
    int r = 0;

    switch (t->kind) {
    case TOKEN_NULL:
        json = json_null();
        break;
    case TOKEN_BOOLEAN:
        json = json_boolean(t->boolean);
        break;
    case TOKEN_NUMBER:
        json = number_json(t->number);
        break;
    case TOKEN_EXPRESSION:
        r = eval_value(t, file, env, &value, err);
        if (r < 0)
            return r;
        json = value.kind == VALUE_NUMBER ? number_json(value.number) : value_to_json(&value);
        break;
    default:
        json = json_stringn(t->str, t->len);
    }
    if (!json)
        return no_memory(err);
    *ret = json;
    return 0;
}

static int eval_sequence(const struct token *t, const char *file, const struct expr_env *env, json_t **ret,
                         struct err *err)
{
    _json_ json_t *array = json_array();

    for (size_t i = 0; array && i < t->seq.n; i++) {
        const struct token *item = t->seq.items[i];
        _json_ json_t *value = NULL;
        int r = token_eval(item, file, env, &value, err);
        if (r < 0)
            return r;
        /* an expression that yields a list stands for its items */
        bool splice = item->kind == TOKEN_EXPRESSION && json_is_array(value);
        if ((splice ? json_array_extend(array, value) : json_array_append(array, value)) < 0)
            return no_memory(err);
    }
    if (!array)
        return no_memory(err);
    *ret = TAKE(array);
    return 0;
}

/* `${{ insert }}: ${{ object }}`: its pairs, those that are there already left alone. */
static int insert_pairs(json_t *object, const struct token *value_token, json_t *value, const char *file,
                        struct err *err)
{
    if (json_is_null(value))
        return 0;
    if (!json_is_object(value))
        return place_error(err, value_token, file, "Expected a mapping");
    return json_object_update_missing(object, value) < 0 ? no_memory(err) : 0;
}

static int eval_pair(json_t *object, const struct token_pair *pair, const char *file,
                     const struct expr_env *env, struct err *err)
{
    _json_ json_t *value = NULL;
    _free_ char *key = NULL;
    int r = token_eval(pair->value, file, env, &value, err);

    if (r == 0 && pair->key->kind == TOKEN_INSERT)
        return insert_pairs(object, pair->value, value, file, err);
    if (r == 0)
        r = token_eval_string(pair->key, file, env, &key, err);
    if (r < 0)
        return r;
    if (json_object_get_nocase(object, key, strlen(key)) && pair->key->kind == TOKEN_EXPRESSION) {
        _buf_ struct buf msg = BUF_INIT;
        buf_addf(&msg, "'%s' is already defined", key);
        return place_error(err, pair->key, file, buf_str(&msg));
    }
    return json_object_set(object, key, value) < 0 ? no_memory(err) : 0;
}

int token_eval(const struct token *t, const char *file, const struct expr_env *env, json_t **ret,
               struct err *err)
{
    _json_ json_t *object = NULL;

    if (!t) {
        *ret = json_null();
        return 0;
    }
    if (t->kind == TOKEN_SEQUENCE)
        return eval_sequence(t, file, env, ret, err);
    if (t->kind != TOKEN_MAPPING)
        return eval_scalar(t, file, env, ret, err);
    object = json_object();
    for (size_t i = 0; object && i < t->map.n; i++) {
        int r = eval_pair(object, &t->map.pairs[i], file, env, err);
        if (r < 0)
            return r;
    }
    if (!object)
        return no_memory(err);
    *ret = TAKE(object);
    return 0;
}

int token_eval_string(const struct token *t, const char *file, const struct expr_env *env, char **ret,
                      struct err *err)
{
    _value_ struct value value = {0};
    _buf_ struct buf text = BUF_INIT;
    int r = 0;

    if (!t) {
        /* nothing is the empty string */
    } else if (t->kind == TOKEN_STRING) {
        buf_add(&text, t->str, t->len);
    } else if (t->kind == TOKEN_EXPRESSION) {
        r = eval_value(t, file, env, &value, err);
        if (r == 0 && value.kind >= VALUE_ARRAY)
            r = place_error(err, t, file,
                            value.kind == VALUE_ARRAY ? "A sequence was not expected"
                                                      : "A mapping was not expected");
        if (r == 0)
            value_to_string(&value, &text);
    } else if (t->kind == TOKEN_BOOLEAN) {
        buf_adds(&text, t->boolean ? "true" : "false");
    } else if (t->kind == TOKEN_NUMBER) {
        number_to_string(t->number, &text);
    } else if (t->kind != TOKEN_NULL) {
        r = place_error(err, t, file, "A scalar was expected");
    }
    if (r < 0)
        return r;
    char *s = buf_steal(&text);
    if (!s)
        return no_memory(err);
    *ret = s;
    return 0;
}

int token_eval_boolean(const struct token *t, const char *file, const struct expr_env *env, bool fallback,
                       bool *ret, struct err *err)
{
    _value_ struct value value = {0};
    _buf_ struct buf msg = BUF_INIT, text = BUF_INIT;

    if (!t || t->kind == TOKEN_NULL) {
        *ret = fallback;
        return 0;
    }
    if (t->kind == TOKEN_BOOLEAN) {
        *ret = t->boolean;
        return 0;
    }
    if (t->kind != TOKEN_EXPRESSION)
        return place_error(err, t, file, "Unexpected value");
    int r = eval_value(t, file, env, &value, err);
    if (r < 0)
        return r;
    if (value.kind == VALUE_BOOLEAN) {
        *ret = value.boolean;
        return 0;
    }
    value_to_string(&value, &text);
    buf_addf(&msg, "Unexpected value '%s'", buf_str(&text));
    return place_error(err, t, file, buf_str(&msg));
}

int token_eval_number(const struct token *t, const char *file, const struct expr_env *env, double fallback,
                      double *ret, struct err *err)
{
    _value_ struct value value = {0};
    _buf_ struct buf msg = BUF_INIT, text = BUF_INIT;

    if (!t || t->kind == TOKEN_NULL) {
        *ret = fallback;
        return 0;
    }
    if (t->kind == TOKEN_NUMBER) {
        *ret = t->number;
        return 0;
    }
    if (t->kind != TOKEN_EXPRESSION)
        return place_error(err, t, file, "Unexpected value");
    int r = eval_value(t, file, env, &value, err);
    if (r < 0)
        return r;
    double n = value_to_number(&value);
    if (value.kind < VALUE_ARRAY && !isnan(n)) {
        *ret = n;
        return 0;
    }
    value_to_string(&value, &text);
    buf_addf(&msg, "Unexpected value '%s'", buf_str(&text));
    return place_error(err, t, file, buf_str(&msg));
}
