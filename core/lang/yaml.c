/* YAML: libyaml's events become a tree of tokens. Nothing recurses here, so depth costs no stack. */
#include "yaml.h"

#include <string.h>
#include <yaml.h> /* libyaml */

#include "runfs/str.h"
#include "yaml_scalar.h"

struct frame {
    struct token *token;
    size_t first; /* its first child among the pending ones */
};

struct builder {
    struct arena *arena;
    struct yaml_error *error;
    struct token *root;
    json_t *anchors;        /* name -> index into anchored */
    struct token **nodes;   /* pending: children whose parent is not complete */
    struct token **targets; /* what anchors name */
    size_t n_nodes, cap_nodes, n_targets, cap_targets;
    struct frame frames[YAML_MAX_DEPTH];
    int depth;
};

static void builder_release(struct builder *b)
{
    json_decref(b->anchors);
    free(b->nodes);
    free(b->targets);
}

static int fail_at(struct yaml_error *error, int line, int col, const char *sentence)
{
    error->line = line;
    error->col = col;
    return err_set(&error->err, -EINVAL, "%s", sentence);
}

static int push(struct token ***list, size_t *n, size_t *cap, struct token *t)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 256;
        struct token **grown = reallocarray(*list, more, sizeof(struct token *));
        if (!grown)
            return -ENOMEM;
        *list = grown;
        *cap = more;
    }
    (*list)[(*n)++] = t;
    return 0;
}

/* Puts a complete or a starting node where it belongs: under the open collection, or at the root. */
static int place(struct builder *b, struct token *t)
{
    if (b->depth > 0)
        return push(&b->nodes, &b->n_nodes, &b->cap_nodes, t);
    b->root = t;
    return 0;
}

static int remember_anchor(struct builder *b, const yaml_char_t *anchor, struct token *t)
{
    if (!anchor)
        return 0;
    int r = push(&b->targets, &b->n_targets, &b->cap_targets, t);
    if (r < 0)
        return r;
    json_t *index = json_integer((json_int_t)b->n_targets - 1);
    return json_object_set_new(b->anchors, (const char *)anchor, index) < 0 ? -ENOMEM : 0;
}

static struct token *new_token(struct builder *b, enum token_kind kind, const yaml_mark_t *at)
{
    struct token *t = arena_new(b->arena, struct token);

    if (t)
        *t = (struct token){.kind = kind, .line = (int)at->line + 1, .col = (int)at->column + 1};
    return t;
}

static int open_collection(struct builder *b, const yaml_event_t *e, enum token_kind kind,
                           const yaml_char_t *anchor, const yaml_char_t *tag)
{
    const char *plain = kind == TOKEN_MAPPING ? YAML_MAP_TAG : YAML_SEQ_TAG;

    if (tag && !str_eq((const char *)tag, plain))
        return err_set(&b->error->err, -EINVAL, "Unexpected tag '%s'", (const char *)tag);
    if (b->depth == YAML_MAX_DEPTH)
        return err_set(&b->error->err, -EINVAL, "Maximum object depth exceeded");
    struct token *t = new_token(b, kind, &e->start_mark);
    if (!t)
        return -ENOMEM;
    int r = place(b, t);
    if (r == 0)
        r = remember_anchor(b, anchor, t);
    b->frames[b->depth++] = (struct frame){t, b->n_nodes};
    return r;
}

static int close_collection(struct builder *b)
{
    struct frame *frame = &b->frames[--b->depth];
    struct token *t = frame->token;
    size_t n = b->n_nodes - frame->first;

    b->n_nodes = frame->first;
    if (n == 0) /* nodes may be NULL yet */
        return 0;
    struct token **children = b->nodes + frame->first;
    if (t->kind == TOKEN_SEQUENCE) {
        t->seq.items = arena_array(b->arena, struct token *, n);
        if (!t->seq.items)
            return -ENOMEM;
        memcpy(t->seq.items, children, n * sizeof(struct token *));
        t->seq.n = n;
        return 0;
    }
    t->map.pairs = arena_array(b->arena, struct token_pair, n / 2);
    if (!t->map.pairs)
        return -ENOMEM;
    t->map.n = n / 2;
    for (size_t i = 0; i < t->map.n; i++)
        t->map.pairs[i] = (struct token_pair){children[2 * i], children[2 * i + 1]};
    return 0;
}

static int invalid_value(struct builder *b, const struct token *t, const char *tag)
{
    return err_set(&b->error->err, -EINVAL,
                   "The value '%s' on line %d and column %d is invalid for the type '%s'", t->str, t->line,
                   t->col, tag);
}

typedef int match_fn(struct token *t);

static int resolve_tagged(struct builder *b, struct token *t, const char *tag, yaml_scalar_style_t style)
{
    static const char *const styles[] = {
        [YAML_SINGLE_QUOTED_SCALAR_STYLE] = "SingleQuoted",
        [YAML_DOUBLE_QUOTED_SCALAR_STYLE] = "DoubleQuoted",
        [YAML_LITERAL_SCALAR_STYLE] = "Literal",
        [YAML_FOLDED_SCALAR_STYLE] = "Folded",
    };
    static const struct {
        const char *tag;
        match_fn *match;
    } tags[] = {
        {YAML_BOOL_TAG, yaml_match_boolean},
        {YAML_FLOAT_TAG, yaml_match_float},
        {YAML_INT_TAG, yaml_match_integer},
        {YAML_NULL_TAG, yaml_match_null},
    };

    if (str_eq(tag, YAML_STR_TAG))
        return 0;
    if (style != YAML_PLAIN_SCALAR_STYLE)
        return err_set(&b->error->err, -EINVAL,
                       "The scalar style '%s' on line %d and column %d is not valid with the tag '%s'",
                       styles[style], t->line, t->col, tag);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (str_eq(tag, tags[i].tag))
            return tags[i].match(t) == 1 ? 0 : invalid_value(b, t, tag);
    return err_set(&b->error->err, -EINVAL, "Unexpected tag '%s'", tag);
}

static int resolve(struct builder *b, struct token *t, const yaml_event_t *e)
{
    static const char starts[] = "~nNtTfF.+-0123456789"; /* of all that is no string */
    const char *tag = (const char *)e->data.scalar.tag;

    if (tag)
        return resolve_tagged(b, t, tag, e->data.scalar.style);
    if (e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || !memchr(starts, t->str[0], sizeof(starts)))
        return 0;
    if (yaml_match_null(t) || yaml_match_boolean(t))
        return 0;
    int r = yaml_match_integer(t);
    if (r < 0)
        return invalid_value(b, t, YAML_INT_TAG);
    if (r == 0)
        yaml_match_float(t);
    return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *e)
{
    struct token *t = new_token(b, TOKEN_STRING, &e->start_mark);

    if (!t)
        return -ENOMEM;
    t->len = e->data.scalar.length;
    t->str = arena_strndup(b->arena, (const char *)e->data.scalar.value, t->len);
    if (!t->str)
        return -ENOMEM;
    if (memchr(t->str, '\0', t->len))
        return fail_at(b->error, t->line, t->col, "The file must not hold NUL characters");
    int r = resolve(b, t, e);
    if (r == 0)
        r = place(b, t);
    return r < 0 ? r : remember_anchor(b, e->data.scalar.anchor, t);
}

static int add_alias(struct builder *b, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    const json_t *index = json_object_get(b->anchors, name);

    if (!index)
        return err_set(&b->error->err, -EINVAL, "Unknown anchor '%s'", name);
    return place(b, b->targets[json_integer_value(index)]);
}

static int take_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return add_scalar(b, e);
    case YAML_ALIAS_EVENT:
        return add_alias(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(b, e, TOKEN_SEQUENCE, e->data.sequence_start.anchor,
                               e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_collection(b, e, TOKEN_MAPPING, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(b);
    case YAML_DOCUMENT_START_EVENT:
        return b->root ? fail_at(b->error, (int)e->start_mark.line + 1, (int)e->start_mark.column + 1,
                                 "The file must hold one document, and a second one starts here")
                       : 0;
    default:
        return 0;
    }
}

static void place_of(const char *text, size_t offset, int *line, int *col)
{
    *line = *col = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n')
            ++*line, *col = 1;
        else if (((unsigned char)text[i] & 0xC0) != 0x80)
            ++*col;
    }
}

/* What libyaml complains of. */
static int syntax_error(const yaml_parser_t *parser, const char *text, size_t len, struct yaml_error *error)
{
    const char *problem = parser->problem ? parser->problem : "could not read it";

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        size_t at = parser->problem_offset < len ? parser->problem_offset : len;
        place_of(text, at, &error->line, &error->col);
    } else {
        error->line = (int)parser->problem_mark.line + 1;
        error->col = (int)parser->problem_mark.column + 1;
    }
    /* GitHub's page for a workflow that is no YAML says the first half */
    err_set(&error->err, -EINVAL, "You have an error in your yaml syntax on line %d: %s%s%s", error->line,
            parser->context ? parser->context : "", parser->context ? ", " : "", problem);
    return -EINVAL;
}

static int check_text(const char *text, size_t len, struct yaml_error *error)
{
    size_t valid = utf8_valid_prefix(text, len);
    const char *nul = memchr(text, '\0', len);
    size_t bad = nul && (size_t)(nul - text) < valid ? (size_t)(nul - text) : valid;

    if (bad == len)
        return 0;
    place_of(text, bad, &error->line, &error->col);
    return err_set(&error->err, -EINVAL,
                   bad < valid ? "The file must not hold NUL characters"
                               : "The file must be UTF-8, and the byte here is not");
}

/* Ends the tree where the text broke off: the collections that are open get one last token. */
static int break_off(struct builder *b, struct token **ret_broken)
{
    struct token *broken = arena_new(b->arena, struct token);
    int r = broken ? 0 : -ENOMEM;

    if (r == 0)
        *broken = (struct token){.kind = TOKEN_STRING, .str = ""};
    if (r == 0 && b->depth > 0)
        r = place(b, broken);
    while (r == 0 && b->depth > 0) {
        const struct frame *frame = &b->frames[b->depth - 1];
        if (frame->token->kind == TOKEN_MAPPING && (b->n_nodes - frame->first) % 2 != 0)
            r = place(b, broken);
        if (r == 0)
            r = close_collection(b);
    }
    *ret_broken = broken;
    return r;
}

static int build(struct builder *b, yaml_parser_t *parser, const char *text, size_t len)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            b->root = NULL; /* what was read before may not mean what it seems to */
            return syntax_error(parser, text, len, b->error);
        }
        int r = take_event(b, &event);
        bool end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (r < 0 || end)
            return r;
    }
}

int yaml_read(struct arena *arena, const char *text, size_t len, struct yaml_tree *ret,
              struct yaml_error *error)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* a byte order mark */
    struct builder b = {.arena = arena, .error = error};
    yaml_parser_t parser;

    *ret = (struct yaml_tree){0};
    *error = (struct yaml_error){0};
    int r = check_text(text, len, error);
    if (r < 0)
        return r;
    if (len >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    b.anchors = json_object();
    r = b.anchors ? build(&b, &parser, text, len) : -ENOMEM;
    yaml_parser_delete(&parser);
    if (r == -EINVAL && b.root && break_off(&b, &ret->broken) < 0)
        r = -ENOMEM;
    if (r == 0 && !b.root)
        r = err_set(&error->err, -EINVAL, "The file is empty");
    ret->root = b.root;
    builder_release(&b);
    return r;
}
