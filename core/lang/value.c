/* Values: coercion, comparison and lookup by GitHub's rules, and the way between the two representations. */
#include "expr_internal.h"

#include "runfs/str.h"

void value_release(struct value *v)
{
    if (v->kind == VALUE_STRING || v->kind == VALUE_ARRAY || v->kind == VALUE_OBJECT)
        json_decref(v->json);
    *v = (struct value){.kind = VALUE_NULL};
}

struct val val_from_json(json_t *json)
{
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_OBJECT:
        return (struct val){.kind = VALUE_OBJECT, .json = json};
    case JSON_ARRAY:
        return (struct val){.kind = VALUE_ARRAY, .json = json};
    case JSON_STRING:
        return (struct val){.kind = VALUE_STRING,
                            .text = {json_string_value(json), json_string_length(json)}};
    case JSON_INTEGER:
    case JSON_REAL:
        return (struct val){.kind = VALUE_NUMBER, .number = json_number_value(json)};
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct val){.kind = VALUE_BOOLEAN, .boolean = json_is_true(json)};
    case JSON_NULL:
        break;
    }
    return (struct val){.kind = VALUE_NULL};
}

struct val val_from_value(const struct value *v)
{
    struct val val = {.kind = v->kind};

    if (v->kind == VALUE_BOOLEAN)
        val.boolean = v->boolean;
    else if (v->kind == VALUE_NUMBER)
        val.number = v->number;
    else if (v->kind != VALUE_NULL)
        val = val_from_json(v->json);
    val.filtered = v->filtered;
    return val;
}

int val_to_value(const struct val *v, struct value *ret)
{
    struct value value = {.kind = v->kind, .filtered = v->filtered};

    if (v->kind == VALUE_BOOLEAN)
        value.boolean = v->boolean;
    else if (v->kind == VALUE_NUMBER)
        value.number = v->number;
    else if (v->kind == VALUE_STRING)
        value.json = json_stringn_nocheck(v->text.s, v->text.len);
    else if (v->kind != VALUE_NULL)
        value.json = json_incref(v->json);
    if (v->kind == VALUE_STRING && !value.json)
        return -ENOMEM;
    *ret = value;
    return 0;
}

struct value value_from_json(json_t *json)
{
    struct val v = val_from_json(json);

    if (v.kind == VALUE_STRING)
        return (struct value){.kind = VALUE_STRING, .json = json_incref(json)};
    struct value value = {.kind = VALUE_NULL};
    val_to_value(&v, &value);
    return value;
}

void utf8_repair(struct slice text, struct buf *ret)
{
    while (text.len) {
        size_t good = utf8_valid_prefix(text.s, text.len);
        buf_add(ret, text.s, good);
        if (good == text.len)
            return;
        buf_adds(ret, "\xef\xbf\xbd");
        text = (struct slice){text.s + good + 1, text.len - good - 1};
    }
}

struct value value_string(const char *s, size_t len)
{
    _buf_ struct buf fixed = BUF_INIT;
    struct val v = {.kind = VALUE_STRING, .text = {s, len}};
    struct value value = {.kind = VALUE_NULL};

    if (!utf8_valid(s, len)) {
        utf8_repair(v.text, &fixed);
        if (!buf_ok(&fixed))
            return value;
        v.text = (struct slice){buf_str(&fixed), fixed.len};
    }
    val_to_value(&v, &value);
    return value;
}

struct value value_boolean(bool b)
{
    return (struct value){.kind = VALUE_BOOLEAN, .boolean = b};
}

struct value value_number(double n)
{
    return (struct value){.kind = VALUE_NUMBER, .number = n};
}

static json_t *number_json(double n)
{
    char text[NUMBER_TEXT_MAX];

    if (!isfinite(n))
        return json_stringn(text, number_format(n, text));
    if (fabs(n) < 1e15 && n == (double)(int64_t)n && !(n == 0 && signbit(n)))
        return json_integer((json_int_t)n);
    return json_real(n);
}

json_t *value_to_json(const struct value *v)
{
    switch (v->kind) {
    case VALUE_BOOLEAN:
        return json_boolean(v->boolean);
    case VALUE_NUMBER:
        return number_json(v->number);
    case VALUE_STRING:
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        return json_incref(v->json);
    case VALUE_NULL:
        break;
    }
    return json_null();
}

bool val_truthy(const struct val *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        return false;
    case VALUE_BOOLEAN:
        return v->boolean;
    case VALUE_NUMBER:
        return v->number != 0 && !isnan(v->number);
    case VALUE_STRING:
        return v->text.len > 0;
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        break;
    }
    return true;
}

double val_to_number(const struct val *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        return 0;
    case VALUE_BOOLEAN:
        return v->boolean;
    case VALUE_NUMBER:
        return v->number;
    case VALUE_STRING:
        return number_parse(v->text);
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        break;
    }
    return NAN;
}

struct slice val_text(const struct val *v, char room[NUMBER_TEXT_MAX])
{
    switch (v->kind) {
    case VALUE_NULL:
        break;
    case VALUE_BOOLEAN:
        return v->boolean ? SLICE("true") : SLICE("false");
    case VALUE_NUMBER:
        return (struct slice){room, number_format(v->number, room)};
    case VALUE_STRING:
        return v->text;
    case VALUE_ARRAY:
        return SLICE("Array");
    case VALUE_OBJECT:
        return SLICE("Object");
    }
    return SLICE("");
}

static enum order order_numbers(double a, double b)
{
    return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : a == b ? ORDER_EQUAL : ORDER_NONE;
}

static enum order order_same_kind(const struct val *a, const struct val *b)
{
    int order;

    switch (a->kind) {
    case VALUE_NULL:
        break;
    case VALUE_BOOLEAN:
        return order_numbers(a->boolean, b->boolean);
    case VALUE_NUMBER:
        return order_numbers(a->number, b->number);
    case VALUE_STRING:
        order = fold_compare(a->text, b->text);
        return order < 0 ? ORDER_LESS : order > 0 ? ORDER_GREATER : ORDER_EQUAL;
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        return a->json == b->json ? ORDER_EQUAL : ORDER_NONE;
    }
    return ORDER_EQUAL;
}

/* Different kinds meet as numbers; what is no primitive is NaN then, which compares with nothing. */
enum order val_order(const struct val *a, const struct val *b)
{
    if (a->kind == b->kind)
        return order_same_kind(a, b);
    return order_numbers(val_to_number(a), val_to_number(b));
}

bool value_truthy(const struct value *v)
{
    struct val val = val_from_value(v);

    return val_truthy(&val);
}

double value_to_number(const struct value *v)
{
    struct val val = val_from_value(v);

    return val_to_number(&val);
}

void value_to_string(const struct value *v, struct buf *ret)
{
    char room[NUMBER_TEXT_MAX];
    struct val val = val_from_value(v);
    struct slice text = val_text(&val, room);

    buf_add(ret, text.s, text.len);
}

bool value_equal(const struct value *a, const struct value *b)
{
    struct val x = val_from_value(a), y = val_from_value(b);

    return val_order(&x, &y) == ORDER_EQUAL;
}

int value_write_json(const struct value *v, struct buf *ret)
{
    struct val val = val_from_value(v);

    return val_to_json_line(&val, ret);
}

const char *value_kind_name(enum value_kind kind)
{
    static const char *const names[] = {
        [VALUE_NULL] = "Null",     [VALUE_BOOLEAN] = "Boolean", [VALUE_NUMBER] = "Number",
        [VALUE_STRING] = "String", [VALUE_ARRAY] = "Array",     [VALUE_OBJECT] = "Object",
    };

    return names[kind];
}

json_t *json_object_get_nocase(const json_t *object, const char *key, size_t len)
{
    json_t *exact = json_object_getn(object, key, len);
    const char *name;
    size_t name_len;
    json_t *value;

    if (exact)
        return exact;
    json_object_keylen_foreach((json_t *)(uintptr_t)object, name, name_len, value)
    {
        if (fold_equal((struct slice){name, name_len}, (struct slice){key, len}))
            return value;
    }
    return NULL;
}
