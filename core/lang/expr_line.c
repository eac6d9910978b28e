/* Expressions in, lines of JSON out: what `runfs eval` prints. */
#include "expr_internal.h"

/* Plain evaluation gets what GitHub's evaluator allows by itself; workflows get more (expr.h). */
static const size_t eval_memory = 1024 * 1024;

static void add_string(struct buf *out, const char *s)
{
    struct value v = value_string(s, strlen(s));

    value_write_json(&v, out);
    value_release(&v);
}

static void add_error(struct buf *out, const char *kind, const char *message)
{
    buf_addf(out, "{\"error\":{\"kind\":\"%s\",\"message\":", kind);
    add_string(out, message);
    buf_adds(out, "}}\n");
}

/* The keys of an object as a NULL-terminated array (borrowed names; the array is the caller's). */
static const char **context_names(json_t *contexts)
{
    const char **names = calloc(json_object_size(contexts) + 1, sizeof(*names));
    const char *key;
    json_t *value;
    size_t n = 0;

    if (names)
        json_object_foreach(contexts, key, value) names[n++] = key;
    return names;
}

static int evaluate(const char *text, size_t len, json_t *contexts, struct value *ret, struct expr_err *err)
{
    _free_ const char **names = context_names(contexts);
    struct expr_scope scope = {.named_values = names};
    struct expr_env env = {.contexts = contexts, .max_memory = eval_memory};
    struct expr *expr;

    if (!names)
        return -ENOMEM;
    int r = expr_parse(text, len, &scope, &expr, err);
    if (r < 0)
        return r;
    r = expr_eval(expr, &env, ret, err);
    expr_free(expr);
    return r;
}

int expr_eval_line(const char *text, size_t len, json_t *contexts, struct buf *out)
{
    _value_ struct value value = {.kind = VALUE_NULL};
    _expr_err_ struct expr_err err = {0};
    int r = evaluate(text, len, contexts, &value, &err);

    if (r == -EINVAL) {
        add_error(out, expr_phase_name(err.phase), err.msg);
        return r;
    }
    if (r < 0)
        return r;
    size_t start = out->len;
    buf_addf(out, "{\"kind\":\"%s\",\"value\":", value_kind_name(value.kind));
    r = value_write_json(&value, out);
    if (r == -ELOOP) {
        out->len = start;
        add_error(out, "evaluation", "The value is nested too deeply");
        return -EINVAL;
    }
    buf_adds(out, "}\n");
    return buf_ok(out) ? 0 : -ENOMEM;
}

int expr_eval_request(const char *line, size_t len, struct buf *out)
{
    json_error_t error;
    _json_ json_t *input = json_loadb(line, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    json_t *expr = json_object_get(input, "expr"), *contexts = json_object_get(input, "contexts");

    if (!input && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (!input) {
        add_error(out, "input", error.text);
        return 0;
    }
    if (!json_is_string(expr) || (contexts && !json_is_object(contexts) && !json_is_null(contexts))) {
        add_error(out, "input", "expected {\"expr\": STRING, \"contexts\": OBJECT}");
        return 0;
    }
    int r = expr_eval_line(json_string_value(expr), json_string_length(expr), contexts, out);
    return r == -ENOMEM ? r : 0;
}
