/* Reading GraphQL. */
#include <string.h>

#include "graphql.h"
#include "runfs/buf.h"
#include "runfs/cleanup.h"
#include "runfs/str.h"

struct reader {
    const char *at;
    json_t *variables, *fragments, *operations; /* borrowed: by name */
    int depth;
    bool bad;
};

static void skip(struct reader *p)
{
    for (;;) {
        p->at += strspn(p->at, " \t\r\n,");
        if (str_starts(p->at, "\xef\xbb\xbf"))
            p->at += 3;
        else if (*p->at == '#')
            p->at += strcspn(p->at, "\n");
        else
            return;
    }
}

static bool take(struct reader *p, const char *mark)
{
    skip(p);
    if (!str_starts(p->at, mark))
        return false;
    p->at += strlen(mark);
    return true;
}

static void need(struct reader *p, const char *mark)
{
    p->bad |= !take(p, mark);
}

static bool name_char(char c, bool first)
{
    return c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z') || (!first && c >= '0' && c <= '9');
}

/* Appends it; "" where there is none. */
static const char *read_name(struct reader *p, struct buf *ret)
{
    skip(p);
    while (name_char(*p->at, ret->len == 0))
        buf_addc(ret, *p->at++);
    return buf_str(ret);
}

static json_t *read_value(struct reader *p);

/* JSON's strings have the same escapes. A block string is as it stands there. */
static json_t *read_string(struct reader *p)
{
    const char *end, *from = p->at;

    if (str_starts(from, "\"\"\"")) {
        end = strstr(from + 3, "\"\"\"");
        p->bad |= !end;
        if (!end)
            return NULL;
        p->at = end + 3;
        return json_stringn(from + 3, (size_t)(end - from - 3));
    }
    for (end = from + 1; *end && *end != '"' && *end != '\n'; end++)
        end += *end == '\\' && end[1];
    json_t *value = *end == '"' ? json_loadb(from, (size_t)(end + 1 - from), JSON_DECODE_ANY, NULL) : NULL;
    p->at = *end == '"' ? end + 1 : end;
    p->bad |= !value;
    return value;
}

static json_t *read_list(struct reader *p)
{
    json_t *list = json_array();

    while (!p->bad && !take(p, "]"))
        json_array_append_new(list, read_value(p));
    return list;
}

static json_t *read_object(struct reader *p, const char *end)
{
    json_t *object = json_object();

    while (!p->bad && !take(p, end)) {
        _buf_ struct buf name = BUF_INIT;
        p->bad |= !*read_name(p, &name);
        need(p, ":");
        json_object_set_new(object, buf_str(&name), read_value(p));
    }
    return object;
}

static json_t *read_number(struct reader *p)
{
    size_t len = strspn(p->at, "+-.0123456789eE");
    json_t *value = json_loadb(p->at, len, JSON_DECODE_ANY, NULL);

    p->at += len;
    p->bad |= !value;
    return value;
}

static json_t *read_word(struct reader *p)
{
    _buf_ struct buf word = BUF_INIT;

    read_name(p, &word);
    if (str_eq(buf_str(&word), "true") || str_eq(buf_str(&word), "false"))
        return json_boolean(str_eq(buf_str(&word), "true"));
    if (str_eq(buf_str(&word), "null"))
        return json_null();
    p->bad |= !word.len;
    return json_string(buf_str(&word)); /* of an enumeration */
}

static json_t *read_value(struct reader *p)
{
    _buf_ struct buf name = BUF_INIT;
    json_t *value = NULL;

    if (++p->depth > GRAPHQL_DEPTH_MAX)
        p->bad = true;
    else if (take(p, "$"))
        value = json_incref(json_object_get(p->variables, read_name(p, &name)));
    else if (take(p, "["))
        value = read_list(p);
    else if (take(p, "{"))
        value = read_object(p, "}");
    else if (*p->at == '"')
        value = read_string(p);
    else if (*p->at && strchr("-0123456789", *p->at))
        value = read_number(p);
    else
        value = read_word(p);
    p->depth--;
    return value ? value : json_null();
}

/* @include and @skip; false: what they stand behind is left out. Others mean nothing here. */
static bool read_directives(struct reader *p)
{
    bool wanted = true;

    while (!p->bad && take(p, "@")) {
        _buf_ struct buf name = BUF_INIT;
        read_name(p, &name);
        _json_ json_t *args = take(p, "(") ? read_object(p, ")") : NULL;
        bool is = json_is_true(json_object_get(args, "if"));
        if (str_eq(buf_str(&name), "include"))
            wanted &= is;
        if (str_eq(buf_str(&name), "skip"))
            wanted &= !is;
    }
    return wanted;
}

static json_t *read_selection(struct reader *p);

/* Behind "...". */
static json_t *read_fragment(struct reader *p, bool *ret_wanted)
{
    _buf_ struct buf name = BUF_INIT, on = BUF_INIT;

    skip(p);
    if (name_char(*p->at, true))
        read_name(p, &name);
    if (name.len && !str_eq(buf_str(&name), "on")) {
        *ret_wanted = read_directives(p);
        return json_pack("{s:s}", "spread", buf_str(&name));
    }
    if (name.len)
        read_name(p, &on);
    *ret_wanted = read_directives(p);
    return json_pack("{s:s, s:o}", "on", buf_str(&on), "of", read_selection(p));
}

static json_t *read_field(struct reader *p, bool *ret_wanted)
{
    _buf_ struct buf name = BUF_INIT, alias = BUF_INIT;

    p->bad |= !*read_name(p, &alias);
    if (take(p, ":"))
        p->bad |= !*read_name(p, &name);
    else
        buf_adds(&name, buf_str(&alias));
    json_t *field = json_pack("{s:s, s:s, s:o}", "alias", buf_str(&alias), "name", buf_str(&name), "args",
                              take(p, "(") ? read_object(p, ")") : json_object());
    *ret_wanted = read_directives(p);
    skip(p);
    if (*p->at == '{')
        json_object_set_new(field, "of", read_selection(p));
    return field;
}

static json_t *read_selection(struct reader *p)
{
    json_t *list = json_array();

    need(p, "{");
    if (++p->depth > GRAPHQL_DEPTH_MAX)
        p->bad = true;
    while (!p->bad && !take(p, "}")) {
        bool wanted = true;
        json_t *one = take(p, "...") ? read_fragment(p, &wanted) : read_field(p, &wanted);
        if (wanted)
            json_array_append_new(list, one);
        else
            json_decref(one);
    }
    p->depth--;
    return list;
}

/* "($name: [Type!] = default, ...)": only what nobody said is taken from it. */
static void read_variables(struct reader *p)
{
    while (!p->bad && !take(p, ")")) {
        _buf_ struct buf name = BUF_INIT, type = BUF_INIT;
        need(p, "$");
        read_name(p, &name);
        need(p, ":");
        while (take(p, "["))
            ;
        p->bad |= !*read_name(p, &type);
        while (take(p, "]") || take(p, "!"))
            ;
        json_t *value = take(p, "=") ? read_value(p) : NULL;
        if (value && !json_object_get(p->variables, buf_str(&name)))
            json_object_set(p->variables, buf_str(&name), value);
        json_decref(value);
    }
}

static void read_definition(struct reader *p)
{
    _buf_ struct buf kind = BUF_INIT, name = BUF_INIT, on = BUF_INIT;

    if (*p->at != '{')
        read_name(p, &kind);
    if (str_eq(buf_str(&kind), "fragment")) {
        read_name(p, &name);
        read_name(p, &on);
        p->bad |= !str_eq(buf_str(&on), "on");
        buf_reset(&on);
        read_name(p, &on);
        (void)read_directives(p);
        json_object_set_new(p->fragments, buf_str(&name),
                            json_pack("{s:s, s:o}", "on", buf_str(&on), "of", read_selection(p)));
        return;
    }
    p->bad |= kind.len && !str_eq(buf_str(&kind), "query");
    if (kind.len)
        read_name(p, &name);
    if (take(p, "("))
        read_variables(p);
    (void)read_directives(p);
    json_object_set_new(p->operations, buf_str(&name), read_selection(p));
}

/* Twice: a fragment may stand before the variables that it has. */
bool graphql_read(const char *query, json_t *variables, json_t *fragments, json_t *operations)
{
    struct reader p = {.variables = variables, .fragments = fragments, .operations = operations};

    for (int i = 0; i < 2 && !p.bad; i++) {
        json_object_clear(fragments);
        json_object_clear(operations);
        p.at = query;
        for (skip(&p); *p.at && !p.bad; skip(&p))
            read_definition(&p);
    }
    return !p.bad && json_object_size(operations) > 0;
}
