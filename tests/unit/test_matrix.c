/* The matrix: each row is a strategy and the combinations and names that come of it, or what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/plan.h"

/* strategy: JSON with ' for ". result: the combinations, one a line after the name's suffix; or ! and an
 * error. */
struct row {
    const char *strategy, *result;
};

static void quotes(const char *s, struct buf *ret)
{
    for (; *s; s++)
        buf_addc(ret, *s == '\'' ? '"' : *s);
}

static void show(const struct strategy *s, struct buf *ret)
{
    for (size_t i = 0; i < json_array_size(s->combinations); i++) {
        _free_ char *json = json_dumps(json_array_get(s->combinations, i), JSON_COMPACT);
        buf_addf(ret, "%s%s\n", json_string_value(json_array_get(s->suffixes, i)), json);
    }
    for (size_t i = 0; i < ret->len; i++)
        if (ret->ptr[i] == '"')
            ret->ptr[i] = '\'';
}

static void check(const struct row *row)
{
    _buf_ struct buf text = BUF_INIT, got = BUF_INIT;
    _strategy_ struct strategy s = {0};
    struct err err = {0};

    quotes(row->strategy, &text);
    _json_ json_t *json = json_loads(buf_str(&text), JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    if (strategy_expand(json, &s, &err) < 0)
        buf_addf(&got, "!%s", err.msg);
    else
        show(&s, &got);
    assert_string_equal(buf_str(&got), row->result);
}

static void products(void **state)
{
    static const struct row rows[] = {
        {"null", "{}\n"},
        {"{'fail-fast': false}", "{}\n"},
        {"{'matrix': {'os': ['a', 'b'], 'v': [1, 2]}}", " (a, 1){'os':'a','v':1}\n (a, 2){'os':'a','v':2}\n "
                                                        "(b, 1){'os':'b','v':1}\n (b, 2){'os':'b','v':2}\n"},
        {"{'matrix': {'n': [1.5, 1e21, true, null, '']}}",
         " (1.5){'n':1.5}\n (1E+21){'n':1e21}\n (true){'n':true}\n{'n':null}\n{'n':''}\n"},
        {"{'matrix': {'o': [{'name': 'x', 'l': [1, {'m': 'y'}]}]}}",
         " (x, 1, y){'o':{'name':'x','l':[1,{'m':'y'}]}}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void excludes(void **state)
{
    static const struct row rows[] = {
        {"{'matrix': {'os': ['a', 'b'], 'v': [1, 2], 'exclude': [{'os': 'a', 'v': 1}]}}",
         " (a, 2){'os':'a','v':2}\n (b, 1){'os':'b','v':1}\n (b, 2){'os':'b','v':2}\n"},
        /* a part of the keys is enough; values agree as == has it */
        {"{'matrix': {'os': ['a', 'b'], 'v': [1, 2], 'exclude': [{'OS': 'A'}, {'v': '2'}]}}",
         " (b, 1){'os':'b','v':1}\n"},
        /* so is a part of an object */
        {"{'matrix': {'o': [{'n': 1, 'm': 2}, {'n': 1, 'm': 3}], 'exclude': [{'o': {'m': 3}}]}}",
         " (1, 2){'o':{'n':1,'m':2}}\n"},
        /* nothing is left: one job without a matrix */
        {"{'matrix': {'os': ['a'], 'exclude': [{'os': 'a'}]}}", "{}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

/* GitHub's documentation, "Expanding or adding matrix configurations". */
static void includes(void **state)
{
    static const struct row rows[] = {
        {"{'matrix': {'fruit': ['apple', 'pear'], 'animal': ['cat', 'dog'], 'include': [{'color': 'green'}, "
         "{'color': 'pink', 'animal': 'cat'}, {'fruit': 'apple', 'shape': 'circle'}, {'fruit': 'banana'}, "
         "{'fruit': 'banana', 'animal': 'cat'}]}}",
         " (apple, cat){'fruit':'apple','animal':'cat','color':'pink','shape':'circle'}\n"
         " (apple, dog){'fruit':'apple','animal':'dog','color':'green','shape':'circle'}\n"
         " (pear, cat){'fruit':'pear','animal':'cat','color':'pink'}\n"
         " (pear, dog){'fruit':'pear','animal':'dog','color':'green'}\n"
         " (banana){'fruit':'banana'}\n"
         " (banana, cat){'fruit':'banana','animal':'cat'}\n"},
        {"{'matrix': {'include': [{'site': 'prod', 'dc': 1}, {'site': 'stage', 'dc': 2}]}}",
         " (prod, 1){'site':'prod','dc':1}\n (stage, 2){'site':'stage','dc':2}\n"},
        /* what was excluded is not there to be added to */
        {"{'matrix': {'os': ['a', 'b'], 'exclude': [{'os': 'a'}], 'include': [{'os': 'a', 'x': 1}]}}",
         " (b){'os':'b'}\n (a, 1){'os':'a','x':1}\n"},
        {"{'matrix': {'v': [4, 6], 'include': [{'v': '4', 'npm': 2}]}}",
         " (4){'v':4,'npm':2}\n (6){'v':6}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void errors(void **state)
{
    static const struct row rows[] = {
        {"{'matrix': {'os': []}}", "!Matrix vector 'os' does not contain any values"},
        {"{'matrix': {}}", "!Matrix must define at least one vector"},
        {"{'matrix': {'include': []}}", "!Matrix must define at least one vector"},
        {"{'matrix': {'os': ['a'], 'exclude': [{'o': 'a'}]}}",
         "!Matrix exclude key 'o' does not match any key within the matrix"},
        {"{'matrix': {'os': ['a'], 'exclude': [{}]}}", "!Matrix exclude filter must not be empty"},
        {"{'matrix': {'os': ['a'], 'include': [{}]}}", "!Matrix include mapping does not contain any values"},
        {"{'matrix': {'os': 'a'}}", "!A sequence was expected"},
        {"{'matrix': {'os': ['a'], 'include': 1}}", "!A sequence was expected"},
        {"{'matrix': {'os': ['a'], 'include': [1]}}", "!A mapping was expected"},
        {"{'matrix': [1]}", "!A mapping was expected"},
        {"[]", "!A mapping was expected"},
        {"{'max-parallel': 0}", "!max-parallel: a number greater than zero was expected"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static json_t *square(size_t n, size_t vectors)
{
    json_t *matrix = json_object();

    for (size_t v = 0; v < vectors; v++) {
        json_t *values = json_array();
        char key[32];
        snprintf(key, sizeof(key), "v%zu", v);
        for (size_t i = 0; i < n; i++)
            json_array_append_new(values, json_integer((json_int_t)i));
        json_object_set_new(matrix, key, values);
    }
    return json_pack("{s:o}", "matrix", matrix);
}

static void at_most_256(void **state)
{
    static const struct {
        size_t n, vectors;
        const char *error;
    } rows[] = {
        {16, 2, NULL},
        {17, 2, "Strategy produced 289 configurations which exceeds the maximum of 256 configurations"},
        {10, 60,
         "Strategy produced more than 1000000 configurations which exceeds the maximum of 256 "
         "configurations"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _json_ json_t *json = square(rows[i].n, rows[i].vectors);
        _strategy_ struct strategy s = {0};
        struct err err = {0};
        assert_int_equal(strategy_expand(json, &s, &err), rows[i].error ? -EINVAL : 0);
        assert_string_equal(err.msg, rows[i].error ? rows[i].error : "");
    }
}

static void settings_and_names(void **state)
{
    _json_ json_t *json =
        json_pack("{s:b, s:i, s:{s:[s]}}", "fail-fast", 0, "max-parallel", 2, "matrix", "os",
                  "a value of many letters, so that the name has to be cut off at the end of it: ééééééééé");
    _strategy_ struct strategy s = {0}, none = {0};
    _buf_ struct buf name = BUF_INIT, plain = BUF_INIT;

    (void)state;
    assert_int_equal(strategy_expand(json, &s, NULL), 0);
    assert_false(s.fail_fast);
    assert_int_equal(s.max_parallel, 2);
    strategy_name(&s, 0, "build and test", &name);
    assert_true(name.len > 100 && name.len < 110);
    assert_string_equal(name.ptr + name.len - 5, "é...");
    assert_int_equal(strategy_expand(NULL, &none, NULL), 0);
    assert_true(none.fail_fast);
    assert_int_equal(none.max_parallel, 0);
    strategy_name(&none, 0, "build", &plain);
    assert_string_equal(buf_str(&plain), "build");
}

/* As GitHub's messages about a combination name it. */
static void ids(void **state)
{
    static const char *const rows[][2] = {{" (22)", "_22"},
                                          {" (18.x)", "_18_x"},
                                          {" (ubuntu-latest, linux_build)", "ubuntu-latest_linux_build"},
                                          {"", ""},
                                          {" (ubuntu-latest, 3.1)", "ubuntu-latest_3_1"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _buf_ struct buf id = BUF_INIT;
        matrix_id(rows[i][0], &id);
        assert_string_equal(buf_str(&id), rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products), cmocka_unit_test(excludes),    cmocka_unit_test(includes),
        cmocka_unit_test(errors),   cmocka_unit_test(at_most_256), cmocka_unit_test(settings_and_names),
        cmocka_unit_test(ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
