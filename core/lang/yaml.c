/*
 * YAML to a tree, from libyaml's events, without recursion on what a file contains: the stack of open
 * collections is an array of bounded depth.
 */
#include "yaml.h"

#include <math.h>
#include <yaml.h>

#include "runfs/str.h"

struct open_node {
    struct yaml_node *node;
    struct yaml_node **items; /* owned by malloc until the node is closed */
    size_t n, cap;
    const char *anchor;
};

struct anchor {
    const char *name;
    struct yaml_node *node;
    struct anchor *next;
};

struct reader {
    struct arena *arena;
    struct yaml_error *error;
    struct open_node stack[YAML_DEPTH_MAX];
    size_t depth, nodes;
    struct anchor *anchors; /* newest first */
    struct yaml_node *root;
};

static int yaml_fail(struct reader *r, yaml_mark_t mark, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int yaml_fail(struct reader *r, yaml_mark_t mark, const char *fmt, ...)
{
    va_list ap;

    r->error->line = (int)mark.line + 1;
    r->error->col = (int)mark.column + 1;
    va_start(ap, fmt);
    vsnprintf(r->error->msg, sizeof(r->error->msg), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* --------------------------------------------------------------------------------------------- scalars */

static bool one_of(const char *s, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && memcmp(s, *words, len) == 0)
            return true;
    return false;
}

static size_t digits(const char *s, size_t len, const char *set)
{
    size_t n = 0;

    while (n < len && s[n] && strchr(set, s[n]))
        n++;
    return n;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *s, size_t len)
{
    size_t at = len && (*s == '-' || *s == '+') ? 1 : 0;
    size_t whole = digits(s + at, len - at, "0123456789"), fraction = 0;

    at += whole;
    if (at < len && s[at] == '.') {
        fraction = digits(s + at + 1, len - at - 1, "0123456789");
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (at < len && (s[at] == 'e' || s[at] == 'E')) {
        at++;
        if (at < len && (s[at] == '-' || s[at] == '+'))
            at++;
        size_t exponent = digits(s + at, len - at, "0123456789");
        if (!exponent)
            return false;
        at += exponent;
    }
    return at == len;
}

static bool parse_number(const char *s, size_t len, double *ret)
{
    static const char *const inf[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL};
    static const char *const minus_inf[] = {"-.inf", "-.Inf", "-.INF", NULL};
    static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};

    if (len == 0)
        return false;
    if (len > 2 && s[0] == '0' && s[1] == 'x' && digits(s + 2, len - 2, "0123456789abcdefABCDEF") == len - 2)
        *ret = (double)strtoull(s + 2, NULL, 16);
    else if (len > 2 && s[0] == '0' && s[1] == 'o' && digits(s + 2, len - 2, "01234567") == len - 2)
        *ret = (double)strtoull(s + 2, NULL, 8);
    else if (is_float(s, len))
        *ret = strtod(s, NULL);
    else if (one_of(s, len, inf))
        *ret = INFINITY;
    else if (one_of(s, len, minus_inf))
        *ret = -INFINITY;
    else if (one_of(s, len, nan_words))
        *ret = NAN;
    else
        return false;
    return true;
}

/* What a plain scalar without a tag is (YAML 1.2.2, section 10.3.2), or one with a core tag must be. */
static bool resolve(struct yaml_node *node, enum yaml_kind wanted, bool any)
{
    static const char *const nulls[] = {"", "null", "Null", "NULL", "~", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};

    if ((any || wanted == YAML_NULL) && one_of(node->str, node->len, nulls)) {
        node->kind = YAML_NULL;
    } else if ((any || wanted == YAML_BOOLEAN) &&
               (one_of(node->str, node->len, trues) || one_of(node->str, node->len, falses))) {
        node->kind = YAML_BOOLEAN;
        node->boolean = node->str[0] == 't' || node->str[0] == 'T';
    } else if ((any || wanted == YAML_NUMBER) && parse_number(node->str, node->len, &node->number)) {
        node->kind = YAML_NUMBER;
    } else {
        node->kind = YAML_STRING;
    }
    return any || node->kind == wanted;
}

static int resolve_tagged(struct reader *r, const yaml_event_t *e, struct yaml_node *node, const char *tag)
{
    static const struct {
        const char *tag;
        enum yaml_kind kind;
    } tags[] = {{YAML_NULL_TAG, YAML_NULL},
                {YAML_BOOL_TAG, YAML_BOOLEAN},
                {YAML_INT_TAG, YAML_NUMBER},
                {YAML_FLOAT_TAG, YAML_NUMBER},
                {YAML_STR_TAG, YAML_STRING}};

    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (!str_eq(tag, tags[i].tag))
            continue;
        if (tags[i].kind == YAML_STRING) {
            node->kind = YAML_STRING;
            return 0;
        }
        if (resolve(node, tags[i].kind, false))
            return 0;
        return yaml_fail(r, e->start_mark,
                         "The value '%.60s' on line %d and column %d is invalid for the type '%.60s'",
                         node->str, node->line, node->col, tag);
    }
    return yaml_fail(r, e->start_mark, "Unexpected tag '%.100s'", tag);
}

/* ------------------------------------------------------------------------------------------------ tree */

static int add_child(struct reader *r, struct yaml_node *node)
{
    if (r->depth == 0) {
        r->root = node;
        return 0;
    }
    struct open_node *top = &r->stack[r->depth - 1];
    if (top->n == top->cap) {
        size_t cap = top->cap ? top->cap * 2 : 8;
        struct yaml_node **more = reallocarray(top->items, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        top->items = more;
        top->cap = cap;
    }
    top->items[top->n++] = node;
    return 0;
}

static struct yaml_node *new_node(struct reader *r, const yaml_event_t *e, enum yaml_kind kind)
{
    struct yaml_node *node = arena_new(r->arena, struct yaml_node);

    if (node)
        *node = (struct yaml_node){.kind = kind,
                                   .line = (int)e->start_mark.line + 1,
                                   .col = (int)e->start_mark.column + 1,
                                   .str = ""};
    r->nodes++;
    return node;
}

static int define_anchor(struct reader *r, const yaml_char_t *name, struct yaml_node *node)
{
    struct anchor *a;

    if (!name)
        return 0;
    a = arena_new(r->arena, struct anchor);
    if (!a)
        return -ENOMEM;
    *a = (struct anchor){arena_strdup(r->arena, (const char *)name), node, r->anchors};
    r->anchors = a;
    return a->name ? 0 : -ENOMEM;
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
    struct yaml_node *node = new_node(r, e, YAML_STRING);
    const char *tag = (const char *)e->data.scalar.tag;
    int code = 0;

    if (!node)
        return -ENOMEM;
    node->str = arena_strndup(r->arena, (const char *)e->data.scalar.value, e->data.scalar.length);
    node->len = e->data.scalar.length;
    if (!node->str)
        return -ENOMEM;
    if (tag && !str_eq(tag, "!"))
        code = resolve_tagged(r, e, node, tag);
    else if (!tag && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        resolve(node, YAML_NULL, true);
    if (code == 0)
        code = define_anchor(r, e->data.scalar.anchor, node);
    return code < 0 ? code : add_child(r, node);
}

static int on_open(struct reader *r, const yaml_event_t *e, enum yaml_kind kind, const yaml_char_t *anchor,
                   const yaml_char_t *tag)
{
    struct yaml_node *node = new_node(r, e, kind);

    if (!node)
        return -ENOMEM;
    if (tag && !str_eq((const char *)tag, "!") &&
        !str_eq((const char *)tag, kind == YAML_SEQUENCE ? YAML_SEQ_TAG : YAML_MAP_TAG))
        return yaml_fail(r, e->start_mark, "Unexpected tag '%.100s'", (const char *)tag);
    if (r->depth == YAML_DEPTH_MAX)
        return yaml_fail(r, e->start_mark, "Maximum object depth of %d exceeded", YAML_DEPTH_MAX);
    int code = add_child(r, node);
    if (code < 0)
        return code;
    r->stack[r->depth++] = (struct open_node){
        .node = node, .anchor = anchor ? arena_strdup(r->arena, (const char *)anchor) : NULL};
    return anchor && !r->stack[r->depth - 1].anchor ? -ENOMEM : 0;
}

static int on_close(struct reader *r)
{
    struct open_node *top = &r->stack[r->depth - 1];
    struct yaml_node *node = top->node;

    node->items = arena_array(r->arena, struct yaml_node *, top->n ? top->n : 1);
    if (!node->items)
        return -ENOMEM;
    memcpy(node->items, top->items, top->n * sizeof(*node->items));
    node->n = node->kind == YAML_MAPPING ? top->n / 2 : top->n;
    free(top->items);
    top->items = NULL;
    r->depth--;
    return define_anchor(r, (const yaml_char_t *)top->anchor, node);
}

/* How many nodes an alias stands for, as far as a limit: so that ten aliases of ten aliases cannot explode.
 */
static size_t count_nodes(const struct yaml_node *node, size_t limit)
{
    size_t children = node->kind == YAML_MAPPING    ? node->n * 2
                      : node->kind == YAML_SEQUENCE ? node->n
                                                    : 0,
           n = 1;

    for (size_t i = 0; i < children && n < limit; i++)
        n += count_nodes(node->items[i], limit - n);
    return n;
}

static int on_alias(struct reader *r, const yaml_event_t *e)
{
    for (struct anchor *a = r->anchors; a; a = a->next) {
        if (!str_eq(a->name, (const char *)e->data.alias.anchor))
            continue;
        r->nodes += count_nodes(a->node, YAML_NODES_MAX + 1);
        return add_child(r, a->node);
    }
    return yaml_fail(r, e->start_mark, "Undefined alias '%.100s'", (const char *)e->data.alias.anchor);
}

static int on_event(struct reader *r, const yaml_event_t *e)
{
    if (r->nodes > YAML_NODES_MAX)
        return yaml_fail(r, e->start_mark, "Maximum number of YAML nodes (%d) exceeded", YAML_NODES_MAX);
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(r, e, YAML_SEQUENCE, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_open(r, e, YAML_MAPPING, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(r);
    case YAML_ALIAS_EVENT:
        return on_alias(r, e);
    case YAML_DOCUMENT_START_EVENT:
        return r->root ? yaml_fail(r, e->start_mark, "Expected the end of the file, found a second document")
                       : 0;
    default:
        return 0;
    }
}

static int on_parser_error(struct reader *r, const yaml_parser_t *p)
{
    yaml_mark_t mark = p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (p->error == YAML_READER_ERROR)
        return yaml_fail(r, mark, "Cannot read the file as YAML: %s",
                         p->problem ? p->problem : "invalid bytes");
    if (!p->context)
        return yaml_fail(r, mark, "%s", p->problem ? p->problem : "Invalid YAML");
    return yaml_fail(r, mark, "W%s, %s", p->context + 1, p->problem); /* "while ..." begins the sentence */
}

int yaml_parse(const char *text, size_t len, struct arena *a, struct yaml_node **ret,
               struct yaml_error *ret_error)
{
    struct reader *r = calloc(1, sizeof(*r));
    yaml_parser_t parser;
    int code = 0;

    *ret_error = (struct yaml_error){0};
    if (!r || !yaml_parser_initialize(&parser)) {
        free(r);
        return -ENOMEM;
    }
    r->arena = a;
    r->error = ret_error;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    for (bool end = false; code == 0 && !end;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            code = on_parser_error(r, &parser);
            break;
        }
        code = on_event(r, &e);
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    for (size_t i = 0; i < r->depth; i++)
        free(r->stack[i].items);
    if (code == 0)
        *ret = r->root;
    free(r);
    return code;
}
