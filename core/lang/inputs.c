/* The inputs of workflow_dispatch and workflow_call: given values against what the workflow declares. */
#include "runfs/plan.h"

#include <math.h>

#include "runfs/str.h"

enum { INPUTS_MAX = 25, INPUTS_CHARS_MAX = 65535 };

static const struct workflow_input *find_input(const struct workflow_event *e, const char *name)
{
    for (size_t i = 0; i < e->n_inputs; i++)
        if (str_eq_ascii_nocase(e->inputs[i].name, name))
            return &e->inputs[i];
    return NULL;
}

/* GitHub names all of them in one sentence, as a JSON array. */
static int check_names(const struct workflow_event *e, const json_t *given, struct err *err)
{
    _json_ json_t *unknown = json_array();
    const char *name;
    json_t *value;

    if (!unknown)
        return err_errno(err, -ENOMEM, "inputs");
    json_object_foreach((json_t *)given, name,
                        value) if (!find_input(e, name) && json_array_append_new(unknown, json_string(name)) <
                                                               0) return err_errno(err, -ENOMEM, "inputs");
    if (json_array_size(unknown) == 0)
        return 0;
    _free_ char *list = json_dumps(unknown, 0);
    return list ? err_set(err, -EINVAL, "Unexpected inputs provided: %s", list)
                : err_errno(err, -ENOMEM, "inputs");
}

static int check_limits(const struct workflow_event *e, const json_t *given, struct err *err)
{
    const char *name;
    size_t chars = 0;
    json_t *value;

    if (str_eq(e->name, "workflow_dispatch") && e->n_inputs > INPUTS_MAX)
        return err_set(err, -EINVAL, "you may only define up to %d `inputs` for a `workflow_dispatch` event",
                       INPUTS_MAX);
    json_object_foreach((json_t *)given, name, value) chars += strlen(name) + json_string_length(value);
    if (str_eq(e->name, "workflow_dispatch") && chars > INPUTS_CHARS_MAX)
        return err_set(err, -EINVAL, "inputs are too large.");
    return 0;
}

/* ------------------------------------------------------------------------------- one value, by its type */

static json_t *as_boolean(const char *text, const struct workflow_input *in)
{
    (void)in;
    if (str_eq_ascii_nocase(text, "true"))
        return json_true();
    return str_eq_ascii_nocase(text, "false") ? json_false() : NULL;
}

static json_t *as_number(const char *text, const struct workflow_input *in)
{
    _value_ struct value v = value_string(text, strlen(text));
    double n = value_to_number(&v);

    (void)in;
    /* The coercion takes blank text for 0, which nobody means who leaves a field empty. */
    if (!text[strspn(text, " \t\r\n")] || isnan(n) || isinf(n))
        return NULL;
    bool whole = n > -9e15 && n < 9e15 && n == (double)(json_int_t)n;
    return whole ? json_integer((json_int_t)n) : json_real(n);
}

static json_t *as_choice(const char *text, const struct workflow_input *in)
{
    for (const char *const *p = in->options; p && *p; p++)
        if (str_eq(*p, text))
            return json_string(text);
    return NULL;
}

static json_t *as_string(const char *text, const struct workflow_input *in)
{
    (void)in;
    return json_string(text);
}

static const struct {
    json_t *(*convert)(const char *text, const struct workflow_input *in); /* NULL: no such value */
    const char *complaint;
    const char *absent; /* the value without a default */
} types[] = {
    [INPUT_STRING] = {as_string, "is not a string", ""},
    [INPUT_BOOLEAN] = {as_boolean, "not in the list of allowed values", "false"},
    [INPUT_NUMBER] = {as_number, "is not a number", "0"},
    [INPUT_CHOICE] = {as_choice, "not in the list of allowed values", NULL},
    [INPUT_ENVIRONMENT] = {as_string, "is not a string", ""},
};

static int convert(const struct workflow_input *in, const json_t *given, json_t **ret, struct err *err)
{
    _value_ struct value v = value_from_json((json_t *)given);
    _buf_ struct buf text = BUF_INIT;

    if (v.kind == VALUE_ARRAY || v.kind == VALUE_OBJECT)
        return err_set(err, -EINVAL, "Provided value for input '%s' is not a string, a number or a boolean",
                       in->name);
    value_to_string(&v, &text);
    if (!buf_ok(&text))
        return err_errno(err, -ENOMEM, "input %s", in->name);
    json_t *value = types[in->type].convert(buf_str(&text), in);
    if (!value)
        return err_set(err, -EINVAL, "Provided value '%s' for input '%s' %s", buf_str(&text), in->name,
                       types[in->type].complaint);
    *ret = value;
    return 0;
}

/* ------------------------------------------------------------------------------------------- defaults */

static int fallback_value(const struct workflow_input *in, json_t *contexts, json_t **ret, struct err *err)
{
    struct expr_env env = {.contexts = contexts};
    _json_ json_t *value = NULL;

    if (in->fallback) {
        int r = token_eval(in->fallback, in->name, &env, &value, err);
        return r < 0 ? r : convert(in, value, ret, err);
    }
    const char *absent = types[in->type].absent;
    if (!absent) {
        *ret = json_string("");
        return *ret ? 0 : err_errno(err, -ENOMEM, "input %s", in->name);
    }
    value = json_string(absent);
    return value ? convert(in, value, ret, err) : err_errno(err, -ENOMEM, "input %s", in->name);
}

static int one_input(const struct workflow_input *in, const json_t *given, json_t *contexts, json_t **ret,
                     struct err *err)
{
    const json_t *value = json_object_get_nocase(given, in->name, strlen(in->name));

    if (value && !json_is_null(value))
        return convert(in, value, ret, err);
    if (in->required && !in->fallback)
        return err_set(err, -EINVAL, "Required input '%s' not provided", in->name);
    return fallback_value(in, contexts, ret, err);
}

int inputs_check_with(const struct workflow_event *e, const json_t *given, json_t *contexts, json_t **ret,
                      struct err *err)
{
    _json_ json_t *inputs = json_object(), *none = json_object();
    int r;

    if (!inputs || !none)
        return err_errno(err, -ENOMEM, "inputs");
    if (!given || json_is_null(given))
        given = none;
    if (!json_is_object(given))
        return err_set(err, -EINVAL, "Inputs must be an object of names and values");
    if ((r = check_limits(e, given, err)) < 0 || (r = check_names(e, given, err)) < 0)
        return r;
    for (size_t i = 0; i < e->n_inputs; i++) {
        json_t *value;
        if ((r = one_input(&e->inputs[i], given, contexts, &value, err)) < 0)
            return r;
        if (json_object_set_new(inputs, e->inputs[i].name, value) < 0)
            return err_errno(err, -ENOMEM, "input %s", e->inputs[i].name);
    }
    *ret = TAKE(inputs);
    return 0;
}

int inputs_check(const struct workflow_event *e, const json_t *given, json_t **ret, struct err *err)
{
    return inputs_check_with(e, given, NULL, ret, err);
}

/* ------------------------------------------------------------------------------------------------- calls */

static const struct token *given_input(const struct token *with, const char *name)
{
    for (size_t i = 0; with && with->kind == TOKEN_MAPPING && i < with->map.n; i++)
        if (with->map.pairs[i].key->kind == TOKEN_STRING &&
            str_eq_ascii_nocase(with->map.pairs[i].key->str, name))
            return with->map.pairs[i].value;
    return NULL;
}

static json_t *number_json(double n)
{
    return n > -9e15 && n < 9e15 && n == (double)(json_int_t)n ? json_integer((json_int_t)n) : json_real(n);
}

/* A value has to be of its input's type; nothing is converted but to a string. */
static int typed_value(const struct workflow_input *in, const struct token *t, const char *file,
                       const struct expr_env *env, json_t **ret, struct err *err)
{
    _free_ char *text = NULL;
    json_t *value = NULL;
    bool boolean = false;
    double number = 0;
    int r;

    if (in->type == INPUT_BOOLEAN) {
        r = token_eval_boolean(t, file, env, false, &boolean, err);
        value = r == 0 ? json_boolean(boolean) : NULL;
    } else if (in->type == INPUT_NUMBER) {
        r = token_eval_number(t, file, env, 0, &number, err);
        value = r == 0 ? number_json(number) : NULL;
    } else {
        r = token_eval_string(t, file, env, &text, err);
        value = r == 0 ? json_string(text) : NULL;
    }
    if (value)
        *ret = value;
    return r == 0 && !value ? err_errno(err, -ENOMEM, "input %s", in->name) : r;
}

int inputs_of_call(const struct workflow_job *job, const char *file, json_t *contexts, json_t **ret,
                   struct err *err)
{
    const struct workflow *called = job->called;
    const struct workflow_event *event = workflow_event(called, "workflow_call");
    struct expr_env env = {.contexts = contexts};
    _json_ json_t *inputs = json_object();

    for (size_t i = 0; event && i < event->n_inputs; i++) {
        const struct workflow_input *in = &event->inputs[i];
        const struct token *given = given_input(job->with, in->name);
        json_t *value = NULL;
        int r = typed_value(in, given ? given : in->fallback, given ? file : called->file, &env, &value, err);
        if (r < 0)
            return r;
        if (json_object_set_new(inputs, in->name, value) < 0)
            return err_errno(err, -ENOMEM, "input %s", in->name);
    }
    *ret = TAKE(inputs);
    return *ret ? 0 : err_errno(err, -ENOMEM, "inputs");
}
