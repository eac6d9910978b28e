/*
 * The example workflows together use all that the schema of workflow files has: every key, every word where
 * only some are allowed, and every form that a value may take.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lang/workflow_internal.h"
#include "core/lang/yaml.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* What was found in the examples: `ADDRESS key`, `ADDRESS "word"`, or the shape of a one-of and a kind in it.
 */
static json_t *used;

static void mark(const void *schema, const char *what)
{
    _buf_ struct buf name = BUF_INIT;

    buf_addf(&name, "%p %s", schema, what);
    json_object_set_new(used, buf_str(&name), json_true());
}

static bool is_marked(const void *schema, const char *what)
{
    _buf_ struct buf name = BUF_INIT;

    buf_addf(&name, "%p %s", schema, what);
    return json_object_get(used, buf_str(&name));
}

/* Which kinds a one-of offers: the same in many places, of which one has to show each. */
static void shape_of(const struct schema *s, size_t which, struct buf *ret)
{
    static const char *const kinds[] = {"null",     "boolean", "number", "string",
                                        "sequence", "mapping", "one-of"};

    for (size_t i = 0; s->one_of[i]; i++)
        buf_addf(ret, "%s%s", i ? "|" : "", kinds[s->one_of[i]->kind]);
    buf_addf(ret, " as %s", kinds[s->one_of[which]->kind]);
}

/* ------------------------------------------------------------------------------------------- what is used */

static const struct schema_property *property(const struct schema *s, const char *name)
{
    for (const struct schema_property *q = s->properties; q && q->name; q++)
        if (str_eq(q->name, name))
            return q;
    return NULL;
}

static bool fits(const struct schema *s, const struct token *t, bool as_text)
{
    if (t->kind == TOKEN_SEQUENCE)
        return s->kind == SCHEMA_SEQUENCE;
    if (t->kind != TOKEN_MAPPING) {
        struct token text = {.kind = TOKEN_STRING, .str = t->str ? t->str : "", .len = t->len};
        return as_text ? t->kind != TOKEN_NULL && schema_accepts(s, &text) : schema_accepts(s, t);
    }
    if (s->kind != SCHEMA_MAPPING)
        return false;
    for (size_t i = 0; i < t->map.n; i++)
        if (!s->key && !property(s, t->map.pairs[i].key->str))
            return false;
    return true;
}

/* Which form of a one-of it is: as it stands, else as text. */
static size_t form_of(const struct schema *s, const struct token *t)
{
    size_t i = 0, k = 0;

    while (s->one_of[i] && !fits(s->one_of[i], t, false))
        i++;
    while (s->one_of[k] && !fits(s->one_of[k], t, true))
        k++;
    return s->one_of[i] ? i : k;
}

static void walk(const struct schema *s, const struct token *t)
{
    if (s == &schema_any)
        return;
    size_t form = s->one_of ? form_of(s, t) : 0;
    if (s->one_of && s->one_of[form]) {
        _buf_ struct buf shape = BUF_INIT;
        shape_of(s, form, &shape);
        mark(NULL, buf_str(&shape));
        walk(s->one_of[form], t);
        return;
    }
    if (s->values && t->kind == TOKEN_STRING)
        mark(s->values, t->str);
    for (size_t i = 0; t->kind == TOKEN_SEQUENCE && s->item && i < t->seq.n; i++)
        walk(s->item, t->seq.items[i]);
    for (size_t i = 0; t->kind == TOKEN_MAPPING && i < t->map.n; i++) {
        const char *key = t->map.pairs[i].key->str;
        const struct schema_property *q = property(s, key);
        mark(s, q ? key : "*");
        if (q || s->value)
            walk(q ? q->type : s->value, t->map.pairs[i].value);
    }
}

static void walk_file(const char *path)
{
    _buf_ struct buf text = BUF_INIT;
    struct arena arena = {0};
    struct yaml_error error = {0};
    struct yaml_tree tree = {0};
    struct err err = {0};

    if (read_file(path, 1 << 20, &text, &err) < 0)
        fail_msg("%s", err.msg);
    if (yaml_read(&arena, buf_str(&text), text.len, &tree, &error) < 0)
        fail_msg("%s: %s", path, error.err.msg);
    walk(&schema_workflow, tree.root);
    arena_release(&arena);
}

static size_t walk_directory(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    if (!d)
        fail_msg("%s cannot be opened: the tests run in the top directory", dir);
    while ((e = readdir(d))) {
        _buf_ struct buf path = BUF_INIT;
        if (!str_ends(e->d_name, ".yml"))
            continue;
        buf_addf(&path, "%s/%s", dir, e->d_name);
        walk_file(buf_str(&path));
        n++;
    }
    closedir(d);
    return n;
}

/* ------------------------------------------------------------------------------------------ what there is */

struct visited {
    const struct schema *list[1024];
    size_t n;
};

static void missing(const char *path, const char *what, struct buf *ret)
{
    buf_addf(ret, "\n  %s: %s", *path ? path : "/", what);
}

static void demand(const struct schema *s, const char *path, struct visited *seen, struct buf *ret);

static void demand_below(const struct schema *s, const char *path, const char *name, struct visited *seen,
                         struct buf *ret)
{
    _buf_ struct buf below = BUF_INIT;

    buf_addf(&below, "%s%s%s", path, *path ? "." : "", name);
    demand(s, buf_str(&below), seen, ret);
}

static void demand(const struct schema *s, const char *path, struct visited *seen, struct buf *ret)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->list[i] == s)
            return;
    if (s == &schema_any)
        return;
    assert_true(seen->n < ARRAY_LEN(seen->list));
    seen->list[seen->n++] = s;
    for (const char *const *v = s->values; v && *v; v++)
        if (!is_marked(s->values, *v))
            missing(path, *v, ret);
    for (size_t i = 0; s->one_of && s->one_of[i]; i++) {
        _buf_ struct buf shape = BUF_INIT;
        shape_of(s, i, &shape);
        if (!is_marked(NULL, buf_str(&shape)))
            missing(path, buf_str(&shape), ret);
        demand(s->one_of[i], path, seen, ret);
    }
    for (const struct schema_property *q = s->properties; q && q->name; q++) {
        if (q->forge) /* the examples are GitHub's workflows */
            continue;
        if (!is_marked(s, q->name))
            missing(path, q->name, ret);
        demand_below(q->type, path, q->name, seen, ret);
    }
    if (s->value && !is_marked(s, "*"))
        missing(path, "any key", ret);
    if (s->value)
        demand_below(s->value, path, "*", seen, ret);
    if (s->item)
        demand_below(s->item, path, "[]", seen, ret);
}

static void test_all_is_used(void **state)
{
    struct visited seen = {0};
    _buf_ struct buf bad = BUF_INIT;

    (void)state;
    used = json_object();
    size_t n = walk_directory("examples/workflows") + walk_directory("examples/project/.github/workflows");
    demand(&schema_workflow, "", &seen, &bad);
    json_decref(used);
    if (bad.len)
        fail_msg("no example uses%s", buf_str(&bad));
    assert_true(n >= 30);
    assert_true(seen.n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_is_used)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
