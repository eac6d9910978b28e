/*
 * Reading a YAML tree by the schema. The rules (which of several definitions remains as keys are seen, what
 * is converted to what, which complaint comes first) are those of GitHub's template reader.
 */
#include "schema_read.h"

#include <stdarg.h>

#include "runfs/str.h"

enum { ALTERNATIVES_MAX = 16, LINT_MAX = 100, TREE_DEPTH_MAX = 200 };

/* A definition in its place: what expressions may use adds up from the root. */
struct place {
    const struct definition *def;
    uint32_t uses;
};

static struct token *read_value(struct schema_reader *r, const struct yaml_node *node, struct place place);

void lint_add(struct lint *l, const char *file, int line, int col, const char *fmt, ...)
{
    _buf_ struct buf msg = BUF_INIT;
    va_list ap;

    if (l->n >= LINT_MAX)
        return;
    buf_adds(&msg, file);
    if (line > 0)
        buf_addf(&msg, " (Line: %d, Col: %d)", line, col);
    buf_adds(&msg, ": ");
    va_start(ap, fmt);
    buf_addv(&msg, fmt, ap);
    va_end(ap);
    struct lint_error *more = reallocarray(l->errors, l->n + 1, sizeof(*more));
    char *text = buf_steal(&msg);
    if (more)
        l->errors = more;
    if (!more || !text) {
        free(text);
        return;
    }
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    l->errors[l->n++] = (struct lint_error){line, col, text};
}

void lint_release(struct lint *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->errors[i].msg);
    free(l->errors);
    *l = (struct lint){0};
}

#define complain(r, at, ...) lint_add((r)->lint, (r)->file, (at)->line, (at)->col, __VA_ARGS__)

static struct place place_of(struct place above, const char *name)
{
    const struct definition *def = schema_find(name);

    return (struct place){def, above.uses | def->uses};
}

uint32_t schema_uses(const char *definition)
{
    return schema_find(definition)->uses;
}

/* The definitions of that sort that `def` is, or may be as a one-of. */
static size_t alternatives(const struct definition *def, bool (*wanted)(enum definition_kind),
                           const struct definition *ret[], size_t n)
{
    if (def->kind == DEF_ONE_OF)
        for (const char *const *name = def->values; *name; name++)
            n = alternatives(schema_find(*name), wanted, ret, n);
    else if (wanted(def->kind) && n < ALTERNATIVES_MAX)
        ret[n++] = def;
    return n;
}

static bool is_mapping(enum definition_kind kind)
{
    return kind == DEF_MAPPING;
}

static bool is_sequence(enum definition_kind kind)
{
    return kind == DEF_SEQUENCE;
}

/* -------------------------------------------------------------------------------------------- scalars */

static struct token *new_token(struct schema_reader *r, enum token_kind kind, int line, int col,
                               const char *str, size_t len)
{
    struct token *t = arena_new(r->arena, struct token);

    if (!t) {
        r->no_memory = true;
        return NULL;
    }
    t->kind = kind;
    t->line = line;
    t->col = col;
    t->str = str;
    t->len = len;
    return t;
}

struct expr *schema_expr(struct schema_reader *r, const char *text, size_t len, uint32_t uses, int line,
                         int col)
{
    struct expr_function functions[SCHEMA_FUNCTIONS_MAX + 1];
    const char *names[SCHEMA_NAMES_MAX];
    _expr_err_ struct expr_err err = {0};
    struct expr_scope scope;
    struct expr *e = NULL;

    schema_scope(uses, &scope, names, functions);
    int code = expr_parse(text, len, &scope, &e, &err);
    if (code == -ENOMEM)
        r->no_memory = true;
    if (code < 0) {
        lint_add(r->lint, r->file, line, col, "%s", err.msg ? err.msg : "The expression cannot be read");
        return NULL;
    }
    struct expr_list *owned = arena_new(r->arena, struct expr_list);
    if (!owned) {
        expr_free(e);
        r->no_memory = true;
        return NULL;
    }
    *owned = (struct expr_list){e, r->exprs};
    r->exprs = owned;
    return e;
}

static void trim_blank(const char **s, size_t *len)
{
    while (*len && strchr(" \t\r\n", **s)) {
        ++*s;
        --*len;
    }
    while (*len && strchr(" \t\r\n", (*s)[*len - 1]))
        --*len;
}

/* Text in a format string: braces and quotes doubled. */
static void add_format_text(struct buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '{' || s[i] == '}' || s[i] == '\'')
            buf_addc(b, s[i]);
        buf_addc(b, s[i]);
    }
}

/* What stands between `${{` and `}}`: checked alone, so that its complaint names itself. */
static bool read_segment(struct schema_reader *r, const struct yaml_node *node, const char *text, size_t len,
                         uint32_t uses, struct expr **ret)
{
    if (len == 0) {
        complain(r, node, "An expression was expected");
        return false;
    }
    *ret = schema_expr(r, text, len, uses, node->line, node->col);
    return *ret != NULL;
}

static bool is_insert(const char *s, size_t len)
{
    return len == 6 && memcmp(s, "insert", 6) == 0;
}

static struct token *expression_token(struct schema_reader *r, const struct yaml_node *node, struct expr *e)
{
    const char *text = expr_text(e);
    struct token *t = new_token(r, TOKEN_EXPRESSION, node->line, node->col, text, strlen(text));

    if (t)
        t->expr = e;
    return t;
}

/*
 * A text with expressions in it. NULL: it has none, or one is in error (then it goes on as plain text, as on
 * GitHub).
 */
static struct token *read_expressions(struct schema_reader *r, const struct yaml_node *node, uint32_t uses)
{
    const char *s = node->str, *end = node->str + node->len, *start;
    _buf_ struct buf format = BUF_INIT, args = BUF_INIT;
    struct expr *single = NULL;
    size_t n = 0;
    bool bad = false, text = false;

    while ((start = memmem(s, (size_t)(end - s), "${{", 3))) {
        const char *body = start + 3;
        ssize_t stop = expr_find_end(body, (size_t)(end - body));
        if (stop < 0) {
            complain(r, node,
                     "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} "
                     "sequence was not found.");
            return NULL;
        }
        const char *inner = body, *after = body + stop + 2;
        size_t inner_len = (size_t)stop;
        trim_blank(&inner, &inner_len);
        if (is_insert(inner, inner_len)) {
            if (start == node->str && after == end)
                return new_token(r, TOKEN_INSERT, node->line, node->col, node->str, node->len);
            complain(
                r, node,
                "The directive 'insert' is not allowed in this context. Directives are not supported for "
                "expressions that are embedded within a string. Directives are only supported when the "
                "entire value is an expression.");
            return NULL;
        }
        if (!read_segment(r, node, inner, inner_len, uses, &single))
            bad = true;
        text |= start > s;
        add_format_text(&format, s, (size_t)(start - s));
        buf_addf(&format, "{%zu}", n++);
        buf_addf(&args, ", %.*s", (int)inner_len, inner);
        s = after;
    }
    if (n == 0 || bad)
        return NULL;
    if (n == 1 && !text && s == end)
        return expression_token(r, node, single);
    _buf_ struct buf whole = BUF_INIT;
    add_format_text(&format, s, (size_t)(end - s));
    buf_addf(&whole, "format('%s'%s)", buf_str(&format), buf_str(&args));
    if (!buf_ok(&whole) || !buf_ok(&format) || !buf_ok(&args)) {
        r->no_memory = true;
        return NULL;
    }
    struct expr *e = schema_expr(r, whole.ptr, whole.len, uses, node->line, node->col);
    return e ? expression_token(r, node, e) : NULL;
}

static struct token *literal_token(struct schema_reader *r, const struct yaml_node *node)
{
    static const enum token_kind kinds[] = {[YAML_NULL] = TOKEN_NULL,
                                            [YAML_BOOLEAN] = TOKEN_BOOLEAN,
                                            [YAML_NUMBER] = TOKEN_NUMBER,
                                            [YAML_STRING] = TOKEN_STRING};
    struct token *t = new_token(r, kinds[node->kind], node->line, node->col, node->str, node->len);

    if (t && node->kind == YAML_BOOLEAN)
        t->boolean = node->boolean;
    if (t && node->kind == YAML_NUMBER)
        t->number = node->number;
    return t;
}

static struct token *parse_scalar(struct schema_reader *r, const struct yaml_node *node, uint32_t uses)
{
    struct token *t = NULL;

    if (node->kind == YAML_STRING && memmem(node->str, node->len, "${{", 3))
        t = read_expressions(r, node, uses);
    return t ? t : literal_token(r, node);
}

/* A literal as the string that GitHub makes of it. */
static bool to_string(struct schema_reader *r, struct token *t)
{
    _buf_ struct buf text = BUF_INIT;

    switch (t->kind) {
    case TOKEN_BOOLEAN:
        buf_adds(&text, t->boolean ? "true" : "false");
        break;
    case TOKEN_NUMBER:
        number_to_string(t->number, &text);
        break;
    default:
        break;
    }
    const char *copy = arena_strndup(r->arena, buf_str(&text), text.len);
    if (!copy || !buf_ok(&text)) {
        r->no_memory = true;
        return false;
    }
    t->kind = TOKEN_STRING;
    t->str = copy;
    t->len = text.len;
    return true;
}

static bool listed(const char *const *values, const struct token *t)
{
    for (; *values; values++)
        if (strlen(*values) == t->len && memcmp(*values, t->str, t->len) == 0)
            return true;
    return false;
}

static bool matches(const struct definition *def, const struct token *t)
{
    if (def->kind == DEF_ONE_OF) {
        for (const char *const *name = def->values; *name; name++)
            if (matches(schema_find(*name), t))
                return true;
        return false;
    }
    switch (t->kind) {
    case TOKEN_NULL:
        return def->kind == DEF_NULL;
    case TOKEN_BOOLEAN:
        return def->kind == DEF_BOOLEAN;
    case TOKEN_NUMBER:
        return def->kind == DEF_NUMBER;
    case TOKEN_STRING:
        if (def->kind == DEF_STRING)
            return !def->non_empty || t->len > 0;
        return (def->kind == DEF_CONSTANT || def->kind == DEF_VALUES) && listed(def->values, t);
    default:
        return false;
    }
}

/* Checks a scalar against its place, converting a literal to a string where only that fits. */
static void validate(struct schema_reader *r, struct token *t, struct place place)
{
    if (t->kind == TOKEN_EXPRESSION || t->kind == TOKEN_INSERT) {
        if (!place.uses)
            complain(r, t, "A template expression is not allowed in this context");
        return;
    }
    if (matches(place.def, t))
        return;
    if (t->kind != TOKEN_STRING) {
        struct token as_string = *t;
        if (!to_string(r, &as_string))
            return;
        if (matches(place.def, &as_string)) {
            *t = as_string;
            return;
        }
        complain(r, t, "Unexpected value '%s'", as_string.str);
        return;
    }
    complain(r, t, "Unexpected value '%s'", t->str);
}

/* ---------------------------------------------------------------------------------------- collections */

static struct token *read_sequence(struct schema_reader *r, const struct yaml_node *node, struct place place)
{
    const struct definition *defs[ALTERNATIVES_MAX];
    size_t n = alternatives(place.def, is_sequence, defs, 0);
    struct token *t = new_token(r, TOKEN_SEQUENCE, node->line, node->col, "", 0);

    if (!t)
        return NULL;
    if (n == 0) {
        complain(r, node, "A sequence was not expected");
        return t;
    }
    struct place item = place_of(place, defs[0]->item);
    t->seq.items = arena_array(r->arena, struct token *, node->n ? node->n : 1);
    if (!t->seq.items)
        return NULL;
    for (size_t i = 0; i < node->n; i++) {
        t->seq.items[i] = read_value(r, node->items[i], item);
        if (!t->seq.items[i])
            return NULL;
        t->seq.n++;
    }
    return t;
}

static const struct property *find_property(const struct definition *def, const char *name)
{
    for (const struct property *p = def->properties; p && p->name; p++)
        if (str_eq(p->name, name))
            return p;
    return NULL;
}

/* The property of that name, and only the definitions that have it remain. */
static const struct property *match_and_filter(const struct definition *defs[], size_t *n, const char *name)
{
    const struct property *found = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        const struct property *p = find_property(defs[i], name);
        found = p ? p : found;
    }
    if (!found)
        return NULL;
    for (size_t i = 0; i < *n; i++)
        if (find_property(defs[i], name))
            defs[kept++] = defs[i];
    *n = kept;
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* More than one definition is left: name the properties that would tell them apart. */
static void complain_ambiguous(struct schema_reader *r, const struct yaml_node *node,
                               const struct definition *defs[], size_t n)
{
    const char *names[64];
    size_t count = 0;
    _buf_ struct buf list = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        for (const struct property *p = defs[i]->properties; p && p->name; p++) {
            size_t hits = 0;
            for (size_t k = 0; k < n; k++)
                hits += find_property(defs[k], p->name) != NULL;
            if (hits == 1 && count < ARRAY_LEN(names))
                names[count++] = p->name;
        }
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", names[i]);
    complain(r, node, "There's not enough info to determine what you meant. Add one of these properties: %s",
             buf_str(&list));
}

/* Keys seen so far in a mapping; compared without regard to case, as GitHub does. */
struct seen {
    const struct token **keys;
    size_t n;
};

static bool seen_before(const struct seen *seen, const struct token *key)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->keys[i]->len == key->len && str_eq_ascii_nocase(seen->keys[i]->str, key->str))
            return true;
    return false;
}

static bool has_key(const struct seen *seen, const char *name)
{
    for (size_t i = 0; i < seen->n; i++)
        if (str_eq_ascii_nocase(seen->keys[i]->str, name))
            return true;
    return false;
}

static struct token *read_key(struct schema_reader *r, const struct yaml_node *node, struct place place)
{
    struct token *key = parse_scalar(r, node, place.uses);

    if (key && key->kind != TOKEN_STRING && key->kind != TOKEN_EXPRESSION && key->kind != TOKEN_INSERT &&
        !to_string(r, key))
        return NULL;
    return key;
}

/* Where the value of a key belongs; false: a complaint was made and the value is passed over. */
static bool find_value_place(struct schema_reader *r, struct token *key, struct place place,
                             const struct definition *defs[], size_t *n, const struct definition *loose,
                             struct place *ret)
{
    if (key->kind != TOKEN_STRING) {
        if (!place.uses) {
            complain(r, key, "A template expression is not allowed in this context");
            return false;
        }
        bool all_loose = loose && !loose->properties;
        *ret = place_of(place, all_loose ? loose->loose_value : "any");
        return true;
    }
    const struct property *p = match_and_filter(defs, n, key->str);
    if (p) {
        *ret = place_of(place, p->type);
        return true;
    }
    if (loose) {
        validate(r, key, (struct place){schema_find(loose->loose_key), 0});
        *ret = place_of(place, loose->loose_value);
        return true;
    }
    complain(r, key, "Unexpected value '%s'", key->str);
    return false;
}

/* Steps that run beside others are a preview on GitHub: without it their definitions are not there. */
static size_t drop_background(const struct schema_reader *r, const struct definition *defs[], size_t n)
{
    static const char *const names[] = {"wait-step", "wait-all-step", "cancel-step"};
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        bool drop = false;
        for (size_t k = 0; k < ARRAY_LEN(names) && !r->background_steps; k++)
            drop |= str_eq(defs[i]->name, names[k]);
        if (!drop)
            defs[kept++] = defs[i];
    }
    return kept;
}

static struct token *read_mapping(struct schema_reader *r, const struct yaml_node *node, struct place place)
{
    const struct definition *defs[ALTERNATIVES_MAX];
    size_t n = drop_background(r, defs, alternatives(place.def, is_mapping, defs, 0));
    struct token *t = new_token(r, TOKEN_MAPPING, node->line, node->col, "", 0);
    bool expression_key = false;

    if (!t)
        return NULL;
    if (n == 0) {
        complain(r, node, "A mapping was not expected");
        return t;
    }
    const struct definition *loose = defs[0]->loose_key ? defs[0] : NULL;
    t->map.pairs = arena_array(r->arena, struct token_pair, node->n ? node->n : 1);
    struct seen seen = {arena_array(r->arena, const struct token *, node->n ? node->n : 1), 0};
    if (!t->map.pairs || !seen.keys)
        return NULL;
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *key_node = node->items[2 * i], *value_node = node->items[2 * i + 1];
        struct place value_place;
        if (key_node->kind > YAML_STRING) {
            complain(r, key_node, "Expected a scalar as the key of a mapping");
            continue;
        }
        struct token *key = read_key(r, key_node, place);
        if (!key)
            return NULL;
        expression_key |= key->kind != TOKEN_STRING;
        if (key->kind == TOKEN_STRING) {
            if (seen_before(&seen, key)) {
                complain(r, key, "'%s' is already defined", key->str);
                continue;
            }
            seen.keys[seen.n++] = key;
        }
        if (!find_value_place(r, key, place, defs, &n, loose, &value_place))
            continue;
        struct token *value = read_value(r, value_node, value_place);
        if (!value)
            return NULL;
        t->map.pairs[t->map.n++] = (struct token_pair){key, value};
    }
    if (n > 1)
        complain_ambiguous(r, node, defs, n);
    else if (!expression_key)
        for (const struct property *p = defs[0]->properties; p && p->name; p++)
            if (p->required && !has_key(&seen, p->name))
                complain(r, node, "Required property is missing: %s", p->name);
    return t;
}

static struct token *read_value(struct schema_reader *r, const struct yaml_node *node, struct place place)
{
    struct token *t;

    if (r->depth == TREE_DEPTH_MAX) {
        complain(r, node, "Maximum object depth of %d exceeded", TREE_DEPTH_MAX);
        return new_token(r, TOKEN_NULL, node->line, node->col, "", 0);
    }
    r->depth++;
    switch (node->kind) {
    case YAML_SEQUENCE:
        t = read_sequence(r, node, place);
        break;
    case YAML_MAPPING:
        t = read_mapping(r, node, place);
        break;
    default:
        t = parse_scalar(r, node, place.uses);
        if (t)
            validate(r, t, place);
    }
    r->depth--;
    return t;
}

struct token *schema_read(struct schema_reader *r, const struct yaml_node *node, const char *definition)
{
    struct token *t = read_value(r, node, place_of((struct place){0}, definition));

    return r->no_memory ? NULL : t;
}
