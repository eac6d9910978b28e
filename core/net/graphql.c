/* Answering GraphQL: each field by the object that it is of. */
#include "graphql.h"

#include <string.h>

#include "runfs/buf.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    FIELDS_MAX = 50000, /* that are answered: a fragment may name another often; */
    RESOLVED_MAX = 500, /* and those of them for which a program may have to be asked */
};

/* ----------------------------------------------------------------------------------------------- answering
 */

struct answering {
    struct graphql *g;
    const json_t *fragments;
    int depth, fields, resolved;
    bool invalid; /* errors are all that is answered */
};

static const struct graphql_type *find_type(const struct graphql *g, const char *name)
{
    for (const struct graphql_type *t = g->types; t->name; t++)
        if (str_eq(t->name, name))
            return t;
    return NULL;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return true;
    return false;
}

void graphql_say(struct graphql *g, const char *type, const char *message)
{
    json_t *error = json_pack("{s:s}", "message", message);

    if (type)
        json_object_set_new(error, "type", json_string(type));
    json_array_append_new(g->errors, error);
}

static void say_invalid(struct answering *x, const char *code, const char *message)
{
    json_array_append_new(x->g->errors,
                          json_pack("{s:s, s:{s:s}}", "message", message, "extensions", "code", code));
    x->invalid = true;
}

static void say_unknown(struct answering *x, const char *field, const char *type)
{
    _buf_ struct buf words = BUF_INIT;

    buf_addf(&words, "Field '%s' doesn't exist on type '%s'", field, type);
    say_invalid(x, "undefinedField", buf_str(&words));
}

/* What there is, for clients that ask before they ask. */
static json_t *describe(const struct graphql *g, const char *name)
{
    const struct graphql_type *t = find_type(g, name);
    json_t *fields = json_array();

    for (const char *at = t ? t->fields : ""; *at;) {
        size_t len = strcspn(at, " ");
        json_array_append_new(fields, json_pack("{s:s, s:s%}", "__typename", "__Field", "name", at, len));
        at += len;
        at += strspn(at, " ");
    }
    if (t)
        return json_pack("{s:s, s:s, s:s, s:o}", "__typename", "__Type", "kind", "OBJECT", "name", name,
                         "fields", fields);
    json_decref(fields);
    return json_null();
}

static void add_selection(struct answering *x, const json_t *object, const json_t *selection, json_t *ret);

static json_t *complete(struct answering *x, json_t *value_take, const json_t *field)
{
    _json_ json_t *value = value_take;
    const json_t *of = json_object_get(field, "of");
    json_t *ret, *one;
    size_t i;

    if (json_is_array(value)) {
        ret = json_array();
        json_array_foreach(value, i, one) json_array_append_new(ret, complete(x, json_incref(one), field));
        return ret;
    }
    if (!json_is_object(value))
        return json_incref(value);
    if (!of) {
        say_invalid(x, "selectionMismatch",
                    "Field must have selections: objects are asked for by their fields");
        return json_null();
    }
    ret = json_object();
    add_selection(x, value, of, ret);
    return ret;
}

static void add_field(struct answering *x, const json_t *object, const json_t *field, json_t *ret)
{
    const char *type = json_string_value(json_object_get(object, "__typename")),
               *name = json_string_value(json_object_get(field, "name")),
               *alias = json_string_value(json_object_get(field, "alias"));
    const json_t *args = json_object_get(field, "args");
    const char *asked = json_string_value(json_object_get(args, "name"));
    json_t *value;

    type = type ? type : "";
    if (++x->fields > FIELDS_MAX || x->resolved > RESOLVED_MAX) {
        if (!x->invalid)
            say_invalid(x, "tooComplex", "The query asks for too much at once");
        return;
    }
    const struct graphql_type *t = find_type(x->g, type);
    bool known =
        str_eq(name, "__typename") || (t ? has_word(t->fields, name) : json_object_get(object, name) != NULL);
    if (str_eq(name, "__type") && t == x->g->types)
        value = describe(x->g, asked ? asked : "");
    else if (!known) {
        say_unknown(x, name, type);
        return;
    } else {
        value = t ? x->g->resolve(x->g->data, object, name, args) : NULL;
        x->resolved += value != NULL;
        if (!value)
            value = json_incref(json_object_get(object, name));
    }
    value = complete(x, value ? value : json_null(), field);
    json_t *there = json_object_get(ret, alias);
    if (json_is_object(there) && json_is_object(value)) { /* asked for twice: both of what was asked for */
        json_object_update(there, value);
        json_decref(value);
    } else {
        json_object_set_new(ret, alias, value);
    }
}

/* Whether "... on" that type means such an object. */
static bool is_of(const struct graphql *g, const json_t *object, const char *type)
{
    const char *const *i = g->interfaces;

    while (*i && !str_eq(*i, type))
        i++;
    return !*type || *i || str_eq(json_string_value(json_object_get(object, "__typename")), type);
}

static void add_selection(struct answering *x, const json_t *object, const json_t *selection, json_t *ret)
{
    json_t *one;
    size_t i;

    if (++x->depth > GRAPHQL_DEPTH_MAX && !x->invalid)
        say_invalid(x, "tooDeep", "The query is too deep");
    json_array_foreach(selection, i, one)
    {
        const char *spread = json_string_value(json_object_get(one, "spread"));
        const json_t *fragment = spread ? json_object_get(x->fragments, spread) : one;
        const char *on = json_string_value(json_object_get(fragment, "on"));
        if (x->invalid)
            break;
        if (spread && !fragment)
            say_invalid(x, "useAndDefineFragment", "A fragment is used that is not defined");
        else if (!on)
            add_field(x, object, one, ret);
        else if (is_of(x->g, object, on))
            add_selection(x, object, json_object_get(fragment, "of"), ret);
    }
    x->depth--;
}

json_t *graphql_answer(struct graphql *g, const char *query, const json_t *variables, const char *operation)
{
    _json_ json_t *given = variables ? json_copy((json_t *)variables) : json_object();
    _json_ json_t *fragments = json_object(), *operations = json_object(), *errors = json_array(),
                  *begin = json_pack("{s:s}", "__typename", g->types[0].name), *data = json_object();
    struct answering x = {.g = g, .fragments = fragments};

    g->errors = errors;
    bool good = graphql_read(query, given, fragments, operations);
    const json_t *selection = operation && *operation ? json_object_get(operations, operation)
                                                      : json_object_iter_value(json_object_iter(operations));
    if (!good || !selection)
        say_invalid(&x, "parseError", "That is no query that can be read here: there are no mutations");
    else
        add_selection(&x, begin, selection, data);
    json_t *ret = json_object();
    if (!x.invalid)
        json_object_set(ret, "data", data);
    if (json_array_size(errors))
        json_object_set(ret, "errors", errors);
    g->errors = NULL;
    return ret;
}

/* --------------------------------------------------------------------------------------------- connections
 */

/* A cursor is the place behind it, as text. */
static size_t place_of(const json_t *args, const char *name, size_t otherwise)
{
    const char *text = json_string_value(json_object_get(args, name));
    uint64_t place = 0;

    return text && parse_u64(text, &place) == 0 && place < SIZE_MAX ? (size_t)place : otherwise;
}

static size_t count_of(const json_t *args, const char *name)
{
    const json_t *n = json_object_get(args, name);

    return json_is_integer(n) && json_integer_value(n) >= 0 ? (size_t)json_integer_value(n) : SIZE_MAX;
}

json_t *graphql_connection(const char *type, const json_t *list, const json_t *args)
{
    size_t size = json_array_size(list), from = place_of(args, "after", 0),
           to = place_of(args, "before", size + 1) - 1, first = count_of(args, "first"),
           last = count_of(args, "last");
    json_t *nodes = json_array(), *edges = json_array();
    _buf_ struct buf name = BUF_INIT, edge = BUF_INIT, start = BUF_INIT, end = BUF_INIT;

    to = to > size ? size : to;
    from = from > to ? to : from;
    if (to - from > first)
        to = from + first;
    if (to - from > last)
        from = to - last;
    buf_addf(&name, "%sConnection", type);
    buf_addf(&edge, "%sEdge", type);
    buf_addf(&start, "%zu", from + 1);
    buf_addf(&end, "%zu", to);
    for (size_t i = from; i < to; i++) {
        json_t *node = json_array_get(list, i);
        json_array_append(nodes, node);
        json_array_append_new(edges, json_pack("{s:s, s:o, s:O}", "__typename", buf_str(&edge), "cursor",
                                               json_sprintf("%zu", i + 1), "node", node));
    }
    return json_pack("{s:s, s:I, s:o, s:o, s:{s:s, s:b, s:b, s:o, s:o}}", "__typename", buf_str(&name),
                     "totalCount", (json_int_t)size, "nodes", nodes, "edges", edges, "pageInfo", "__typename",
                     "PageInfo", "hasNextPage", to<size, "hasPreviousPage", from> 0, "startCursor",
                     to > from ? json_string(buf_str(&start)) : json_null(), "endCursor",
                     to > from ? json_string(buf_str(&end)) : json_null());
}
