/* The built-in functions. Each evaluates its own arguments, and leaves those alone that cannot matter. */
#include "expr_internal.h"

static const struct node *arg_node(const struct node *call, size_t i)
{
    const struct node *arg = call->args;

    while (arg && i--)
        arg = arg->next;
    return arg;
}

static int arg_value(struct eval *ev, const struct node *call, size_t i, int level, struct val *ret)
{
    return eval_node(ev, arg_node(call, i), level + 1, ret);
}

static void give_boolean(struct val *ret, bool b)
{
    *ret = (struct val){.kind = VALUE_BOOLEAN, .boolean = b};
}

typedef int text_test(struct slice text, struct slice part, bool *ret);

static int test_starts(struct slice text, struct slice part, bool *ret)
{
    *ret = fold_starts(text, part);
    return 0;
}

static int test_ends(struct slice text, struct slice part, bool *ret)
{
    *ret = fold_ends(text, part);
    return 0;
}

/* startsWith, endsWith, and contains of a primitive: collections have no text to look at. */
static int test_text(struct eval *ev, const struct node *call, int level, const struct val *left,
                     text_test *test, struct val *ret)
{
    char left_room[NUMBER_TEXT_MAX], right_room[NUMBER_TEXT_MAX];
    struct val right;
    bool holds = false;

    if (val_primitive(left)) {
        int r = arg_value(ev, call, 1, level, &right);
        if (r == 0 && val_primitive(&right))
            r = test(val_text(left, left_room), val_text(&right, right_room), &holds);
        if (r < 0)
            return r;
    }
    give_boolean(ret, holds);
    return 0;
}

static int fn_starts_with(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    struct val left;
    int r = arg_value(ev, call, 0, level, &left);

    return r < 0 ? r : test_text(ev, call, level, &left, test_starts, ret);
}

static int fn_ends_with(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    struct val left;
    int r = arg_value(ev, call, 0, level, &left);

    return r < 0 ? r : test_text(ev, call, level, &left, test_ends, ret);
}

static int array_contains(struct eval *ev, const struct node *call, int level, json_t *array, struct val *ret)
{
    struct val wanted;
    json_t *item;
    size_t i;

    give_boolean(ret, false);
    if (json_array_size(array) == 0)
        return 0;
    int r = arg_value(ev, call, 1, level, &wanted);
    if (r < 0)
        return r;
    json_array_foreach(array, i, item)
    {
        struct val v = val_from_json(item);
        if (val_order(&wanted, &v) == ORDER_EQUAL) {
            ret->boolean = true;
            break;
        }
    }
    return 0;
}

static int fn_contains(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    struct val left;
    int r = arg_value(ev, call, 0, level, &left);

    if (r < 0)
        return r;
    if (left.kind == VALUE_ARRAY)
        return array_contains(ev, call, level, left.json, ret);
    return test_text(ev, call, level, &left, fold_contains, ret);
}

int piece_add(struct counter *c, struct buf *out, struct slice piece)
{
    if (!counter_add(c, text_bytes(piece)))
        return -E2BIG;
    buf_add(out, piece.s, piece.len);
    return 0;
}

/* The separator is asked for only when there is something to separate. `room` outlives *ret. */
static int join_separator(struct eval *ev, const struct node *call, int level, size_t items,
                          char room[NUMBER_TEXT_MAX], struct slice *ret)
{
    struct val v;

    if (items > 1 && call->n_args > 1) {
        int r = arg_value(ev, call, 1, level, &v);
        if (r < 0)
            return r;
        if (val_primitive(&v)) {
            *ret = val_text(&v, room);
            return 0;
        }
    }
    *ret = SLICE(",");
    return 0;
}

static int join_array(struct eval *ev, const struct node *call, int level, json_t *array, struct buf *out)
{
    struct counter c = {.max = ev->max_memory};
    char room[NUMBER_TEXT_MAX], item_room[NUMBER_TEXT_MAX];
    struct slice separator;
    size_t items = json_array_size(array);
    int r = join_separator(ev, call, level, items, room, &separator);

    for (size_t i = 0; i < items && r == 0; i++) {
        struct val v = val_from_json(json_array_get(array, i));
        if (i)
            r = piece_add(&c, out, separator);
        if (r == 0)
            r = piece_add(&c, out, val_text(&v, item_room));
    }
    return r;
}

static int fn_join(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    _buf_ struct buf out = BUF_INIT;
    char room[NUMBER_TEXT_MAX];
    struct val items;
    int r = arg_value(ev, call, 0, level, &items);

    if (r == 0 && items.kind == VALUE_ARRAY) {
        r = join_array(ev, call, level, items.json, &out);
    } else if (r == 0 && val_primitive(&items)) {
        struct slice text = val_text(&items, room);
        buf_add(&out, text.s, text.len);
    }
    return r < 0 ? r : eval_keep_text(ev, &out, ret);
}

static int fn_to_json(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    _buf_ struct buf out = BUF_INIT;
    struct counter c = {.max = ev->max_memory};
    struct val v;
    int r = arg_value(ev, call, 0, level, &v);

    if (r == 0)
        r = val_to_json_text(&v, &c, &out);
    return r < 0 ? r : eval_keep_text(ev, &out, ret);
}

static int fail_json(struct eval *ev, const struct node *call, const json_error_t *error)
{
    _buf_ struct buf words = BUF_INIT, fixed = BUF_INIT;

    if (error)
        buf_addf(&words, "Error parsing fromJson: line %d, column %d: %s", error->line, error->column,
                 error->text);
    else
        buf_adds(&words, "Error parsing fromJson: empty input");
    utf8_repair((struct slice){buf_str(&words), words.len}, &fixed); /* jansson may quote half a character */
    return buf_ok(&words) && buf_ok(&fixed) ? eval_fail(ev, call, buf_str(&fixed)) : -ENOMEM;
}

static bool is_blank(struct slice text)
{
    while (text.len) {
        size_t n = space_length(text.s, text.s + text.len);
        if (!n)
            return false;
        text = (struct slice){text.s + n, text.len - n};
    }
    return true;
}

/* Keys that differ by nothing but case: the entry stays where the first is and is called as that is, and the
 * last one's value counts. `first` has the first keys by their folded text. */
static int merge_key(json_t *object, json_t *first, const char *key, json_t *value)
{
    _buf_ struct buf folded = BUF_INIT;

    fold_append(&folded, (struct slice){key, strlen(key)});
    if (!buf_ok(&folded))
        return -ENOMEM;
    const char *before = json_string_value(json_object_get(first, buf_str(&folded)));
    if (!before)
        return json_object_set_new(first, buf_str(&folded), json_string(key)) < 0 ? -ENOMEM : 0;
    if (json_object_set(object, before, value) < 0)
        return -ENOMEM;
    json_object_del(object, key);
    return 0;
}

/* Two keys that are one have a letter between them that is no small one. */
static bool may_be_folded(const char *key)
{
    for (; *key; key++)
        if ((unsigned char)*key >= 0x80 || (*key >= 'A' && *key <= 'Z'))
            return true;
    return false;
}

static int merge_keys(json_t *json)
{
    _json_ json_t *first = NULL;
    bool folded = false;
    const char *key;
    json_t *value;
    void *next;
    size_t i;

    json_array_foreach(json, i, value) if (merge_keys(value) < 0) return -ENOMEM;
    json_object_foreach(json, key, value)
    {
        if (merge_keys(value) < 0)
            return -ENOMEM;
        folded |= may_be_folded(key);
    }
    if (!folded || json_object_size(json) < 2)
        return 0;
    if (!(first = json_object()))
        return -ENOMEM;
    json_object_foreach_safe(json, next, key,
                             value) if (merge_key(json, first, key, value) < 0) return -ENOMEM;
    return 0;
}

/* JSON as RFC 8259 has it, any value at the top; of keys that are equal but for case the last one counts. All
 * numbers are doubles. */
static int fn_from_json(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    char room[NUMBER_TEXT_MAX];
    struct val v;
    json_error_t error;
    int r = arg_value(ev, call, 0, level, &v);

    if (r < 0)
        return r;
    struct slice text = val_text(&v, room);
    if (is_blank(text))
        return fail_json(ev, call, NULL);
    json_t *json =
        json_loadb(text.s, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    if (!json && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (!json)
        return fail_json(ev, call, &error);
    if (merge_keys(json) < 0) {
        json_decref(json);
        return -ENOMEM;
    }
    r = eval_keep_json(ev, json, 8 * text.len, ret); /* what a tree takes beside its text, about */
    if (r == 0)
        ret->foreign = true;
    return r;
}

static int fn_case(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    for (const struct node *arg = call->args; arg; arg = arg->next->next) {
        int r = eval_node(ev, arg, level + 1, ret);
        if (r < 0)
            return r;
        ret->foreign = false;
        if (!arg->next)
            return 0; /* the default */
        if (ret->kind != VALUE_BOOLEAN)
            return eval_fail(ev, call, "case predicate must evaluate to a boolean value");
        if (ret->boolean) {
            r = eval_node(ev, arg->next, level + 1, ret);
            ret->foreign = false;
            return r;
        }
    }
    return -EINVAL; /* the parser lets only odd numbers of arguments pass */
}

static const struct builtin builtins[] = {
    {"contains", 2, 2, false, fn_contains},  {"startsWith", 2, 2, false, fn_starts_with},
    {"endsWith", 2, 2, false, fn_ends_with}, {"format", 1, EXPR_MAX_ARGS, false, fn_format},
    {"join", 1, 2, false, fn_join},          {"toJSON", 1, 1, false, fn_to_json},
    {"fromJSON", 1, 1, false, fn_from_json}, {"case", 3, EXPR_MAX_ARGS, true, fn_case},
};

const struct builtin *builtin_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
        if (fold_equal((struct slice){builtins[i].name, strlen(builtins[i].name)}, name))
            return &builtins[i];
    return NULL;
}
