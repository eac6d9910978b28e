/* Checks a tree against the schema, as GitHub's template reader does, and gives the tokens it means. */
#include <string.h>
#include <strings.h>

#include "runfs/str.h"
#include "workflow_internal.h"
#include "yaml.h"

enum { MAX_CHOICES = 8, FEW_KEYS = 16 };

/* The mappings that a place may hold, while its keys tell which of them it is. */
struct choices {
    const struct schema *of[MAX_CHOICES];
    size_t n;
};

static int read_value(struct parse *p, const struct token *raw, const struct schema *schema, unsigned context,
                      struct token **ret);

static int refuse_file(struct parse *p, const char *why)
{
    parse_error_at(p, 0, 0, why);
    return -EINVAL;
}

/* GitHub's measure of what a file becomes, so that it refuses what GitHub refuses. */
static int count(struct parse *p, const struct token *t)
{
    size_t bytes = 24;

    if (t->kind == TOKEN_STRING || t->kind == TOKEN_EXPRESSION) {
        bytes += 26;
        for (size_t i = 0; i < t->len; i++) {
            unsigned char c = (unsigned char)t->str[i];
            bytes += (c & 0xC0) == 0x80 ? 0 : c >= 0xF0 ? 4 : 2;
        }
    }
    p->run->bytes += bytes;
    return p->run->bytes > p->run->max_bytes ? refuse_file(p, "Maximum object size exceeded") : 0;
}

/* Aliases let a small file have many nodes, or endlessly many: every visit counts. */
static int visit(struct parse *p, const struct token *raw)
{
    bool collection = raw->kind == TOKEN_SEQUENCE || raw->kind == TOKEN_MAPPING;

    if (raw == p->broken) {
        p->met_broken = true;
        return -EINVAL;
    }
    p->nodes += collection ? 2 : 1;
    if (p->nodes > WORKFLOW_MAX_NODES)
        return refuse_file(p, "Maximum YAML nodes exceeded");
    if (collection && p->level >= YAML_MAX_DEPTH)
        return refuse_file(p, "Maximum object depth exceeded");
    return 0;
}

static int skip_value(struct parse *p, const struct token *raw)
{
    int r = visit(p, raw);

    p->level++;
    if (raw->kind == TOKEN_SEQUENCE)
        for (size_t i = 0; r == 0 && i < raw->seq.n; i++)
            r = skip_value(p, raw->seq.items[i]);
    if (raw->kind == TOKEN_MAPPING)
        for (size_t i = 0; r == 0 && i < raw->map.n; i++) {
            r = skip_value(p, raw->map.pairs[i].key);
            if (r == 0)
                r = skip_value(p, raw->map.pairs[i].value);
        }
    p->level--;
    return r;
}

bool schema_accepts(const struct schema *schema, const struct token *t)
{
    switch (schema->kind) {
    case SCHEMA_NULL:
        return t->kind == TOKEN_NULL;
    case SCHEMA_BOOLEAN:
        return t->kind == TOKEN_BOOLEAN;
    case SCHEMA_NUMBER:
        return t->kind == TOKEN_NUMBER;
    case SCHEMA_STRING:
        if (t->kind != TOKEN_STRING || (schema->non_empty && t->len == 0))
            return false;
        for (const char *const *v = schema->values; v && *v; v++)
            if (str_eq(*v, t->str))
                return true;
        return !schema->values;
    case SCHEMA_ONE_OF:
        for (const struct schema *const *s = schema->one_of; *s; s++)
            if (schema_accepts(*s, t))
                return true;
        return false;
    default:
        return false;
    }
}

/* A literal that is not accepted as it is may be as text: `env: {A: 1}`. */
static int validate(struct parse *p, const struct schema *schema, unsigned context, struct token **t)
{
    if ((*t)->kind == TOKEN_EXPRESSION) {
        if (context == 0)
            parse_error(p, *t, "A template expression is not allowed in this context");
        return 0;
    }
    if (schema_accepts(schema, *t))
        return 0;
    const char *text = token_text(p->arena, *t);
    struct token *string = text ? token_string(p->arena, *t, text, strlen(text)) : NULL;
    if (!string)
        return -ENOMEM;
    if ((*t)->kind != TOKEN_INSERT && schema_accepts(schema, string))
        *t = string;
    else
        parse_error(p, *t, "Unexpected value '%s'", text);
    return 0;
}

static int read_scalar(struct parse *p, const struct token *raw, const struct schema *schema,
                       unsigned context, struct token **ret)
{
    struct token *t;
    int r = schema_parse_scalar(p, raw, context, &t);

    if (r == 0)
        r = validate(p, schema, context, &t);
    if (r == 0)
        r = count(p, t);
    if (r == 0)
        *ret = t;
    return r;
}

/* The definitions of a kind: the one itself, or those that a one-of lists. */
static void choose(const struct schema *schema, enum schema_kind kind, struct choices *ret)
{
    ret->n = 0;
    if (schema->kind == kind)
        ret->of[ret->n++] = schema;
    for (const struct schema *const *s = schema->one_of; s && *s; s++)
        if ((*s)->kind == kind && ret->n < MAX_CHOICES)
            ret->of[ret->n++] = *s;
}

static int read_sequence(struct parse *p, const struct token *raw, const struct schema *schema,
                         unsigned context, struct token *to)
{
    struct choices sequences;

    choose(schema, SCHEMA_SEQUENCE, &sequences);
    if (sequences.n == 0) {
        parse_error(p, raw, "A sequence was not expected");
        return skip_value(p, raw);
    }
    const struct schema *item = sequences.of[0]->item;
    to->seq.items = arena_array(p->arena, struct token *, raw->seq.n);
    if (!to->seq.items)
        return -ENOMEM;
    int r = 0;
    for (size_t i = 0; r == 0 && i < raw->seq.n; i++) {
        r = read_value(p, raw->seq.items[i], item, context, &to->seq.items[i]);
        to->seq.n = i + (r == 0);
    }
    return r;
}

/* One key of a mapping, while it is looked for twins. */
struct twin {
    const char *text;
    size_t i;
};

static int compare_twins(const void *a, const void *b)
{
    const struct twin *x = a, *y = b;
    int order = strcasecmp(x->text, y->text);

    return order ? order : (x->i > y->i) - (x->i < y->i);
}

static void mark_twins(struct twin *keys, size_t n, bool *twin)
{
    if (n > FEW_KEYS) {
        qsort(keys, n, sizeof(*keys), compare_twins);
        for (size_t k = 1; k < n; k++)
            twin[keys[k].i] = strcasecmp(keys[k - 1].text, keys[k].text) == 0;
        return;
    }
    for (size_t k = 1; k < n; k++)
        for (size_t before = 0; before < k && !twin[keys[k].i]; before++)
            twin[keys[k].i] = ((keys[before].text[0] ^ keys[k].text[0]) & ~0x20) == 0 &&
                              strcasecmp(keys[before].text, keys[k].text) == 0;
}

/* Which keys repeat an earlier one; by sorting where there are many: a hostile file must not make it slow.
 * twin has a zeroed flag for each key. */
static int find_twins(struct parse *p, const struct token *raw, bool *twin)
{
    struct twin few[FEW_KEYS];
    _free_ struct twin *many = raw->map.n > FEW_KEYS ? calloc(raw->map.n, sizeof(*many)) : NULL;
    struct twin *keys = raw->map.n > FEW_KEYS ? many : few;
    size_t n = 0;

    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < raw->map.n; i++) {
        const struct token *key = raw->map.pairs[i].key;
        if (key->kind == TOKEN_SEQUENCE || key->kind == TOKEN_MAPPING ||
            (key->str && strstr(key->str, "${{")))
            continue;
        const char *text = token_text(p->arena, key);
        if (!text)
            return -ENOMEM;
        if (*text)
            keys[n++] = (struct twin){text, i};
    }
    mark_twins(keys, n, twin);
    return 0;
}

/* Whether there is such a property for whom the file is. */
static bool is_known(const struct parse *p, const struct schema_property *q)
{
    return !q->forge || p->run->opts->forge != FORGE_GITHUB;
}

static const struct schema_property *find_property(const struct parse *p, const struct schema *schema,
                                                   const char *name)
{
    for (const struct schema_property *q = schema->properties; q && q->name; q++)
        if (q->name[0] == name[0] && str_eq(q->name, name))
            return is_known(p, q) ? q : NULL;
    return NULL;
}

/* The property of that name; definitions that have none are out of the question from now on. */
static const struct schema_property *match_property(const struct parse *p, struct choices *choices,
                                                    const char *name)
{
    const struct schema_property *found = NULL;
    struct choices left = {.n = 0};

    for (size_t i = 0; i < choices->n; i++) {
        const struct schema_property *q = find_property(p, choices->of[i], name);
        if (!q)
            continue;
        found = q;
        left.of[left.n++] = choices->of[i];
    }
    if (found)
        *choices = left;
    return found;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void error_undecided(struct parse *p, const struct token *at, const struct choices *choices)
{
    const char *names[128];
    size_t n = 0;
    _buf_ struct buf list = BUF_INIT;

    for (size_t i = 0; i < choices->n; i++)
        for (const struct schema_property *q = choices->of[i]->properties; q && q->name; q++) {
            size_t times = 0;
            for (size_t k = 0; k < choices->n; k++)
                times += find_property(p, choices->of[k], q->name) != NULL;
            if (times == 1 && !q->unlisted && n < ARRAY_LEN(names))
                names[n++] = q->name;
        }
    qsort(names, n, sizeof(names[0]), compare_names);
    for (size_t i = 0; i < n; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", names[i]);
    parse_error(p, at, "There's not enough info to determine what you meant. Add one of these properties: %s",
                buf_str(&list));
}

static void check_required(struct parse *p, const struct token *raw, const struct schema *schema)
{
    for (const struct schema_property *q = schema->properties; q && q->name; q++) {
        bool found = !q->required;
        for (size_t i = 0; !found && i < raw->map.n; i++)
            found = raw->map.pairs[i].key->str && strcasecmp(raw->map.pairs[i].key->str, q->name) == 0;
        if (!found)
            parse_error(p, raw, "Required property is missing: %s", q->name);
    }
}

/* A key: *ret_skip when the pair is not to be read. */
static int read_key(struct parse *p, const struct token *raw, unsigned context, struct token **ret,
                    bool *ret_skip)
{
    struct token *key;
    int r = visit(p, raw);

    *ret_skip = raw->kind == TOKEN_SEQUENCE || raw->kind == TOKEN_MAPPING;
    if (r < 0)
        return r;
    if (*ret_skip) {
        parse_error(p, raw, "Expected a scalar value");
        return skip_value(p, raw);
    }
    r = schema_parse_scalar(p, raw, context, &key);
    if (r < 0)
        return r;
    bool expression = key->kind == TOKEN_EXPRESSION || key->kind == TOKEN_INSERT;
    if (expression && context == 0) {
        parse_error(p, key, "A template expression is not allowed in this context");
        *ret_skip = true;
    }
    if (!expression && key->kind != TOKEN_STRING) {
        const char *text = token_text(p->arena, key);
        key = text ? token_string(p->arena, key, text, strlen(text)) : NULL;
        if (!key)
            return -ENOMEM;
    }
    *ret = key;
    return 0;
}

/* What a key's value must be, or NULL after saying that the key is not expected. */
static const struct schema *schema_of_key(struct parse *p, struct choices *choices, struct token *key,
                                          int *ret_error)
{
    const struct schema *first = choices->of[0];
    bool expression = key->kind == TOKEN_EXPRESSION || key->kind == TOKEN_INSERT;

    *ret_error = 0;
    if (expression) /* a mapping that has only keys of the file's own choice knows what they hold */
        return first->properties || choices->n > 1 ? &schema_any : first->value;
    const struct schema_property *q = match_property(p, choices, key->str);
    if (q && (!q->background || !p->run->opts->no_background_steps))
        return q->type;
    if (!q && first->key) {
        *ret_error = validate(p, first->key, 0, &key);
        return first->value;
    }
    parse_error(p, key, "Unexpected value '%s'", key->str);
    return NULL;
}

/* *expression becomes true when the key is one: then nobody knows which properties the mapping will have. */
static int read_pair(struct parse *p, const struct token_pair *raw, struct choices *choices, unsigned context,
                     bool twin, struct token *to, bool *expression)
{
    struct token *key = NULL, *value = NULL;
    bool skip;
    int r = read_key(p, raw->key, context, &key, &skip);

    if (r < 0)
        return r;
    *expression |= key && (key->kind == TOKEN_EXPRESSION || key->kind == TOKEN_INSERT);
    if (skip)
        return skip_value(p, raw->value);
    if (twin) {
        parse_error(p, key, "'%s' is already defined", key->str);
        return skip_value(p, raw->value);
    }
    const struct schema *schema = schema_of_key(p, choices, key, &r);
    if (r < 0)
        return r;
    if (!schema)
        return skip_value(p, raw->value);
    r = count(p, key);
    if (r == 0)
        r = read_value(p, raw->value, schema, context, &value);
    if (r == 0)
        to->map.pairs[to->map.n++] = (struct token_pair){key, value};
    return r;
}

static int read_mapping(struct parse *p, const struct token *raw, const struct schema *schema,
                        unsigned context, struct token *to)
{
    struct choices choices;
    bool few[FEW_KEYS] = {0};
    _free_ bool *many = raw->map.n > FEW_KEYS ? calloc(raw->map.n, sizeof(bool)) : NULL;
    bool *twins = raw->map.n > FEW_KEYS ? many : few;
    bool expression_key = false;

    choose(schema, SCHEMA_MAPPING, &choices);
    if (choices.n == 0) {
        parse_error(p, raw, "A mapping was not expected");
        return skip_value(p, raw);
    }
    to->map.pairs = arena_array(p->arena, struct token_pair, raw->map.n);
    int r = to->map.pairs && twins ? find_twins(p, raw, twins) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < raw->map.n; i++)
        r = read_pair(p, &raw->map.pairs[i], &choices, context, twins[i], to, &expression_key);
    if (r < 0)
        return r;
    if (choices.n > 1)
        error_undecided(p, raw, &choices);
    else if (!expression_key)
        check_required(p, raw, choices.of[0]);
    return 0;
}

static int read_value(struct parse *p, const struct token *raw, const struct schema *schema, unsigned context,
                      struct token **ret)
{
    int r = visit(p, raw);

    context |= schema->context;
    if (r < 0)
        return r;
    if (raw->kind != TOKEN_SEQUENCE && raw->kind != TOKEN_MAPPING)
        return read_scalar(p, raw, schema, context, ret);
    struct token *t = arena_new(p->arena, struct token);
    if (!t)
        return -ENOMEM;
    *t = (struct token){raw->kind, raw->line, raw->col};
    r = count(p, t);
    p->level++;
    if (r == 0)
        r = (raw->kind == TOKEN_SEQUENCE ? read_sequence : read_mapping)(p, raw, schema, context, t);
    p->level--;
    if (r == 0)
        *ret = t;
    return r;
}

int schema_read(struct parse *p, const struct token *raw, const struct schema *schema, struct token **ret)
{
    p->nodes = 2; /* GitHub counts the starts of the stream and of the document */
    p->level = 0;
    return read_value(p, raw, schema, 0, ret);
}
