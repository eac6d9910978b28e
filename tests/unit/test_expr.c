/* Expressions: each table is a chapter of the language; a row is an expression and the line `runfs eval`
 * prints. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/cleanup.h"
#include "runfs/expr.h"
#include "runfs/str.h"

struct row {
    const char *expr, *result; /* result: the value as JSON, or ! and a part of the error */
};

static const char contexts_json[] =
    "{\"github\":{\"event\":{\"labels\":[{\"name\":\"bug\",\"tags\":[1,2]},{\"name\":\"wip\",\"tags\":[3]},{"
    "\"x\":0}]},"
    "\"ref\":\"refs/heads/"
    "main\",\"empty\":\"\"},\"nothing\":null,\"list\":[10,20,30],\"Env\":{\"A-b_1\":\"x\",\"k\":\"low\","
    "\"K\":\"high\"}}";

static void check(const struct row *row)
{
    _json_ json_t *contexts = json_loads(contexts_json, 0, NULL);
    _buf_ struct buf out = BUF_INIT;
    const char *got;

    assert_non_null(contexts);
    int r = expr_eval_line(row->expr, strlen(row->expr), contexts, &out);
    assert_int_equal(r, row->result[0] == '!' ? -EINVAL : 0);
    if (row->result[0] == '!') {
        got = strstr(buf_str(&out), row->result + 1);
    } else {
        _buf_ struct buf want = BUF_INIT;
        buf_addf(&want, ",\"value\":%s}\n", row->result);
        got = strstr(buf_str(&out), buf_str(&want));
    }
    if (!got)
        fail_msg("%s\n  gives  %s  wanted %s", row->expr, buf_str(&out), row->result);
}

static void check_all(const struct row *rows)
{
    for (; rows->expr; rows++)
        check(rows);
}

static void test_precedence(void **state)
{
    static const struct row rows[] = {{"!false && false", "false"},
                                      {"!(false && false)", "true"},
                                      {"1 == 2 < 1", "false"}, /* 1 == (2 < 1) is 1 == 0 */
                                      {"true || false && false", "true"},
                                      {"(true || false) && false", "false"},
                                      {"1 < 2 == true", "true"},
                                      {"!!'x' == true", "true"},
                                      {"1 == !false", "true"},
                                      {"github.ref != 'x' && 'a' || 'b'", "\"a\""},
                                      {"false && 'a' || 'b'", "\"b\""},
                                      {"'' || 0 || null", "null"}, /* the last one, whatever it is */
                                      {"list[1] > list[0]", "true"},
                                      {"list[0 || 2]", "30"},
                                      {"!nothing.at.all", "true"},
                                      {0}};

    (void)state;
    check_all(rows);
}

static void test_coercion(void **state)
{
    static const struct row rows[] = {
        {"'0x1F' == 31", "true"},
        {"'0o17' == 15", "true"},
        {"'0b11' == 3", "false"},
        {"'0X1F' == 31", "false"},
        {"0x7fffffff", "2147483647"},
        {"0xffffffff", "-1"}, /* thirty-two bits with a sign */
        {"0x100000000", "!Unexpected symbol: '0x100000000'"},
        {"'1e3' == 1000", "true"},
        {"' \t\n12 ' == 12", "true"},
        {"'\u00a0\u20037\u3000' == 7", "true"},
        {"'+5' == 5", "true"},
        {"'5.' == 5", "true"},
        {"'.5' == 0.5", "true"},
        {"'.' == 0", "false"},
        {"'1e' == 1", "false"},
        {"'1 2' == 12", "false"},
        {"'infinity' == Infinity", "true"},
        {"'+Infinity' == Infinity", "true"},
        {"1e999", "\"Infinity\""},
        {"-1e999 == -Infinity", "true"},
        {"NaN", "\"NaN\""},
        {"null == false", "true"},
        {"null >= null", "true"},
        {"null > null", "false"},
        {"'a' == 'A'", "true"},
        {"'\u00e9' == '\u00c9'", "true"},
        {"'\u00df' == 'SS'", "false"},
        {"'\u017f' == 's'", "false"}, /* ß, long s: one to one, not into ASCII */
        {"'\u212a' == 'k'", "false"},
        {"'\U00010428' == '\U00010400'", "true"},
        {"'\uffe0' > '\U00010000'", "true"}, /* as UTF-16 sorts */
        {"'_' > 'a'", "true"},
        {"'10' < '9'", "true"},
        {"10 < '9'", "false"},
        {"list == list", "true"},
        {"list >= list", "true"},
        {"list > list", "false"},
        {"list == fromJSON('[10,20,30]')", "false"},
        {"list == 10", "false"},
        {"list == 'Array'", "false"},
        {0}};

    (void)state;
    check_all(rows);
}

static void test_numbers_as_text(void **state)
{
    static const struct row rows[] = {
        {"format('{0}', 1e15)", "\"1E+15\""},
        {"format('{0}', 999999999999999)", "\"999999999999999\""},
        {"format('{0}', 123456789012345.6)", "\"123456789012346\""},
        {"format('{0}', 0.1)", "\"0.1\""},
        {"format('{0}', 0.0001)", "\"0.0001\""},
        {"format('{0}', 0.00001)", "\"1E-05\""},
        {"format('{0}', 1.5e-300)", "\"1.5E-300\""},
        {"format('{0}', 0.1234567890123456789)", "\"0.123456789012346\""},
        {"format('{0}', -0)", "\"0\""},
        {"format('{0}', -1.25)", "\"-1.25\""},
        {"1.2345678901234567", "1.2345678901234567"}, /* as JSON nothing is lost */
        {0}};

    (void)state;
    check_all(rows);
}

static void test_indexing(void **state)
{
    static const struct row rows[] = {
        {"GITHUB.Ref", "\"refs/heads/main\""},
        {"env.a-B_1", "\"x\""},
        {"env.k", "\"low\""}, /* the exact name wins */
        {"env.K", "\"high\""},
        {"github . ref", "\"refs/heads/main\""},
        {"github['REF']", "\"refs/heads/main\""},
        {"list[-1]", "null"},
        {"list[1.9]", "20"},
        {"list['2']", "30"},
        {"list.length", "null"},
        {"list[99999999999]", "null"},
        {"nothing.x.y.z", "null"},
        {"github.ref.x", "null"},
        {"github.event.labels.*.name", "[\"bug\",\"wip\"]"},
        {"github.event.labels.*.tags", "[[1,2],[3]]"},
        {"github.event.labels.*.tags[0]", "[1,3]"}, /* an index maps over what a wildcard made */
        {"github.event.labels.*.tags.*", "[1,2,3]"},
        {"(github.event.labels.*)[0]", "[]"},
        {"github.event.labels[*].name", "[\"bug\",\"wip\"]"},
        {"github.event.labels.*.no", "[]"},
        {"nothing.*", "[]"},
        {"github.ref.*.x", "[]"},
        {"join(env.*, '+')", "\"x+low+high\""},
        {0}};

    (void)state;
    check_all(rows);
}

static void test_functions(void **state)
{
    static const struct row rows[] = {
        {"contains('Hello', 'LL')", "true"},
        {"contains('stra\u00dfe', 'A\u00dfE')", "true"},
        {"contains('a stra\u00dfe that is so long that it is searched in another way, as a folded copy', "
         "'A\u00dfE T')",
         "true"},
        {"contains('aab', 'ab')", "true"},
        {"contains('aab', 'aabb')", "false"},
        {"contains(list, '20')", "true"},
        {"contains(list, list)", "false"},
        {"contains(github, 'ref')", "false"},
        {"contains('Array', list)", "false"},
        {"contains(github.event.labels.*.name, 'BUG')", "true"},
        {"endsWith('\u00c4\u00d6\u00dc', '\u00f6\u00fc')", "true"},
        {"endsWith('a', 'aa')", "false"},
        {"startsWith('', '')", "true"},
        {"join('a')", "\"a\""},
        {"join(list)", "\"10,20,30\""},
        {"join(list, '')", "\"102030\""},
        {"join(list, list)", "\"10,20,30\""},
        {"join(github)", "\"\""},
        {"join(fromJSON('[true,null,1e15,[],{}]'), ';')", "\"true;;1E+15;Array;Object\""},
        {"case(false, 1, true, 2, 3)", "2"},
        {"case(false, 1, 3)", "3"},
        {"case(true, 1, fromJSON('no'))", "1"},
        {"case('true', 1, 2)", "!case predicate must evaluate to a boolean value"},
        {"case(true, 1)", "!Too few parameters supplied: 'case'"},
        {"case(true, 1, true, 2)", "!Even number of parameters supplied"},
        {"ToJson(list)", "\"[\\n  10,\\n  20,\\n  30\\n]\""},
        {"toJSON('a\"\\')", "\"\\\"a\\\\\\\"\\\\\\\\\\\"\""},
        {"toJSON(fromJSON('{\"a\":{},\"b\":[]}'))", "\"{\\n  \\\"a\\\": {},\\n  \\\"b\\\": []\\n}\""},
        {"toJSON('\u2028\u00e9')", "\"\\\"\\\\u2028\u00e9\\\"\""},
        {"toJSON(fromJSON('\"\\u0001\\u007f\"'))", "\"\\\"\\\\u0001\x7f\\\"\""},
        {"toJSON(NaN)", "\"NaN\""},
        {"fromJSON(' 1 ')", "1"},
        {"fromJSON('{\"a\":1,\"a\":2}')", "{\"a\":2}"},
        {"fromJSON('{\"a\":1,\"b\":2,\"A\":3}')", "{\"a\":3,\"b\":2}"}, /* keys have no case */
        {"fromJSON('[{\"Ü\":{\"x\":1,\"X\":2},\"ü\":{\"y\":1,\"Y\":2}}]')[0]", "{\"Ü\":{\"y\":2}}"},
        {"fromJSON('12345678901234567890') > 1e19", "true"},
        {"fromJSON('')", "!Error parsing fromJson: empty input"},
        {"fromJSON('[1,]')", "!Error parsing fromJson: "},
        {"fromJSON('1 2')", "!Error parsing fromJson: "},
        {"nope(1)", "!Unrecognized function: 'nope'. Located at position 1"},
        {"contains('a')", "!Too few parameters supplied: 'contains'. Located at position 1"},
        {"1 == join(1,2,3)", "!Too many parameters supplied: 'join'. Located at position 6"},
        {0}};

    (void)state;
    check_all(rows);
}

static void test_format_strings(void **state)
{
    static const struct row rows[] = {
        {"format('{0}-{1}-{0}', 'a', true)", "\"a-true-a\""},
        {"format('{{{0}}}', 'a')", "\"{a}\""},
        {"format('{0:}', 'a')", "\"a\""},
        {"format('{000}', 'a')", "\"a\""},
        {"format('{0:x}', 1)", "!The format specifiers 'x' are not valid for objects of type 'Number'"},
        {"format('{ 0}', 1)", "!The following format string is invalid: { 0}"},
        {"format('{256}', 1)", "!The following format string is invalid: {256}"},
        {"format('{-1}', 1)", "!The following format string is invalid"},
        {"format('{1}', fromJSON('no'))", "!references more arguments than were supplied: {1}"},
        {"format('x', fromJSON('no'))", "\"x\""}, /* what is not asked for is not evaluated */
        {0}};

    (void)state;
    check_all(rows);
}

static void test_mistakes(void **state)
{
    static const struct row rows[] = {
        {"'a'.b", "!Unexpected symbol: '.'. Located at position 4 within expression: 'a'.b"},
        {"'a'[0]", "!Unexpected symbol: '['"},
        {"github.*.(x)", "!Unexpected symbol: '('"},
        {"github.ref()", "!Unexpected symbol: '('"},
        {"github[*.x]", "!Unexpected symbol: '.'"},
        {"github[", "!Unexpected end of expression: '['. Located at position 7"},
        {"github.", "!Unexpected end of expression: '.'. Located at position 7"},
        {"(1", "!Unexpected end of expression: '1'"},
        {"join(1,)", "!Unexpected symbol: ')'. Located at position 8"},
        {"join(,1)", "!Unexpected symbol: ','"},
        {"(1,2)", "!Unexpected symbol: ','"},
        {"list[1)", "!Unexpected symbol: ')'"},
        {"join(1]", "!Unexpected symbol: ']'"},
        {"()", "!Unexpected symbol: ')'"},
        {"1 * 2", "!Unexpected symbol: '*'"},
        {"1 !", "!Unexpected symbol: '!'"},
        {"1 2 @", "!\"lexing\",\"message\":\"Unexpected symbol: '@'"}, /* symbols come before grammar */
        {"\"a\"", "!Unexpected symbol: '\\\"a\\\"'"},
        {"1 -1", "!Unexpected symbol: '-1'"},
        {"a-b", "!Unrecognized named-value: 'a-b'"},
        {"'\U0001f60a\u00e9' == nope", "!Located at position 10"}, /* UTF-16 units */
        {"\u00a0\u2003nope", "!Located at position 3"},
        {"'it''s' ''", "!Unexpected symbol: ''''. Located at position 9"},
        {0}};

    (void)state;
    check_all(rows);
}

static void check_repeated(const char *before, const char *part, int n, const char *middle, const char *after,
                           const char *result)
{
    _buf_ struct buf text = BUF_INIT;

    buf_adds(&text, before);
    for (int i = 0; i < n; i++)
        buf_adds(&text, part);
    buf_adds(&text, middle);
    for (int i = 0; i < n; i++)
        buf_adds(&text, after);
    check(&(struct row){buf_str(&text), result});
}

static void test_limits(void **state)
{
    (void)state;
    check_repeated("", "!", 49, "1", "", "false");
    check_repeated("", "!", 50, "1", "", "!Exceeded max expression depth 50");
    check_repeated("", "(", 10000, "1", ")", "1"); /* parentheses make no depth */
    check_repeated("", "(", 20000, "", "", "!Unexpected end of expression");
    check_repeated("", "toJSON(", 2999, "1", "", "!Unexpected end of expression");
    check_repeated("nothing", "[0]", 5000, "", "", "!Exceeded max expression depth 50");
    check_repeated("1", "&&(1", 50, "", ")", "1"); /* flat, whatever the parentheses */
    check_repeated("1", " || 1", 4000, "", "", "1");
    check_repeated("1", " == 1", 49, "", "", "true");
    check_repeated("1", " == 1", 50, "", "", "!Exceeded max expression depth 50");
    check_repeated("", " ", 21000, "", "", "null");
    check_repeated("", " ", 21001, "", "", "!Exceeded max expression length 21000");
    check_repeated("'", "\u20ac", 20998, "' == ''", "", "!Exceeded max expression length 21000");
    check_repeated("contains('", "\u20ac", 20900, "', 'x')", "", "false");
    check_repeated("format(''", ",1", 254, ")", "", "\"\"");
    check_repeated("format(''", ",1", 255, ")", "", "!Too many parameters supplied");
    check_repeated("fromJSON('", "[", 20000, "')", "", "!Error parsing fromJson");
    check_repeated("format('", "{", 20001, "')", "", "!The following format string is invalid");
}

/* A part's text replaces that of its own parts; what is alive at once counts. */
static void test_memory(void **state)
{
    _buf_ struct buf text = BUF_INIT;

    (void)state;
    buf_adds(&text, "format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', ");
    for (int i = 0; i < 4; i++)
        buf_adds(&text, "format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', ");
    buf_adds(&text, "'abcdefghij')))))");
    check(&(struct row){buf_str(&text), "!The maximum allowed memory size was exceeded"});
    buf_reset(&text);
    buf_adds(&text, "true");
    for (int i = 0; i < 200; i++) /* each is dropped before the next */
        buf_adds(&text, " && contains(format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', toJSON(github)), 'bug')");
    check(&(struct row){buf_str(&text), "true"});
}

/* The functions of a place in a workflow are callbacks. */
static int call(void *data, const char *function, const struct value *args, size_t n, struct value *ret,
                struct err *err)
{
    int *calls = data;

    ++*calls;
    if (str_eq(function, "hashFiles")) {
        *ret = value_string("abc", 3);
        return 0;
    }
    if (n > 0)
        return err_set(err, -EINVAL, "no job of the name '%s'", json_string_value(args[0].json));
    *ret = value_boolean(true);
    return 0;
}

static int eval_in_scope(const char *text, struct value *ret, struct expr_err *err, bool *ret_status)
{
    static const struct expr_function functions[] = {{"hashFiles", 1, 255}, {"success", 0, 255}, {0}};
    const struct expr_scope scope = {.functions = functions};
    int calls = 0;
    struct expr_env env = {.call = call, .data = &calls};
    struct expr *e;
    int r = expr_parse(text, strlen(text), &scope, &e, err);

    if (r < 0)
        return r;
    *ret_status = expr_calls_status(e);
    r = expr_eval(e, &env, ret, err);
    expr_free(e);
    return r;
}

static void test_scope(void **state)
{
    _value_ struct value v = {0};
    _expr_err_ struct expr_err err = {0};
    bool status;

    (void)state;
    assert_int_equal(eval_in_scope("format('{0}!', HASHFILES('*', anything))", &v, &err, &status), 0);
    assert_string_equal(json_string_value(v.json), "abc!");
    assert_false(status);
    value_release(&v);
    assert_int_equal(eval_in_scope("1 == (2 && SUCCESS())", &v, &err, &status), 0);
    assert_true(status);
    assert_true(value_truthy(&v));
    assert_int_equal(eval_in_scope("success('build')", &v, &err, &status), -EINVAL);
    assert_int_equal(err.phase, EXPR_EVALUATION);
    assert_string_equal(
        err.msg, "no job of the name 'build'. Located at position 1 within expression: success('build')");
    assert_int_equal(eval_in_scope("hashFiles()", &v, &err, &status), -EINVAL);
    assert_int_equal(err.phase, EXPR_PARSING);
}

/* Where steps run, the environment's names are told apart by case; other objects' names never are. */
static void test_environment(void **state)
{
    static const struct {
        const char *expr;
        bool exact, found;
    } rows[] = {{"env.k == 'low'", true, true},       {"ENV['k'] == 'low'", true, true},
                {"env.a-B_1", false, true},           {"env.a-B_1", true, false},
                {"github.REF", true, true},           {"fromJSON(toJSON(env)).a-B_1", true, true},
                {"join(env.*, '') != ''", true, true}};
    _json_ json_t *contexts = json_loads(contexts_json, 0, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct expr_env env = {.contexts = contexts, .exact_env = rows[i].exact};
        _value_ struct value v = {0};
        _expr_err_ struct expr_err err = {0};
        struct expr *e;
        assert_int_equal(expr_parse(rows[i].expr, strlen(rows[i].expr), NULL, &e, &err), 0);
        assert_int_equal(expr_eval(e, &env, &v, &err), 0);
        expr_free(e);
        if (value_truthy(&v) != rows[i].found)
            fail_msg("%s, exact: %d", rows[i].expr, rows[i].exact);
    }
}

static void test_explain(void **state)
{
    static const char text[] = "github.ref == 'x' && (list[0] || 2) || startsWith(github.ref, 'refs/')";
    _json_ json_t *contexts = json_loads(contexts_json, 0, NULL);
    struct expr_env env = {.contexts = contexts};
    _value_ struct value v = {0};
    _expr_err_ struct expr_err err = {0};
    _buf_ struct buf lines = BUF_INIT;
    struct expr *e;

    (void)state;
    assert_int_equal(expr_parse(text, strlen(text), NULL, &e, &err), 0);
    assert_string_equal(expr_text(e), text);
    assert_int_equal(expr_explain(e, &env, &v, &lines, &err), 0);
    expr_free(e);
    assert_true(v.boolean);
    assert_string_equal(
        buf_str(&lines),
        "github.ref == 'x' && (list[0] || 2) || startsWith(github.ref, 'refs/') => true\n"
        "  github.ref == 'x' && (list[0] || 2) => false\n"
        "    github.ref == 'x' => false\n"
        "      github.ref => 'refs/heads/main'\n"
        "        github => {\"event\":{\"labels\":[{\"name\":\"bug\",\"tags\":[1,2]},{\"name\":"
        "\"wip\",\"tags\":[3]},{\"x\":0}]},\"ref\":\"refs/heads/main\",\"empty\":\"\"}\n"
        "    (list[0] || 2) (not evaluated)\n"
        "  startsWith(github.ref, 'refs/') => true\n"
        "    github.ref => 'refs/heads/main'\n"
        "      github => {\"event\":{\"labels\":[{\"name\":\"bug\",\"tags\":[1,2]},{\"name\":"
        "\"wip\",\"tags\":[3]},{\"x\":0}]},\"ref\":\"refs/heads/main\",\"empty\":\"\"}\n");
}

static void test_find_end(void **state)
{
    static const struct {
        const char *text;
        int end;
    } rows[] = {{" a }} b", 3}, {"'}}' }}", 5}, {"'it''s }}' }}", 11}, {"", -1}, {"a } }", -1}, {"'}}", -1},
                {"}}", 0},      {"a}}}", 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(expr_find_end(rows[i].text, strlen(rows[i].text)), rows[i].end);
}

/* Values stand by themselves too. */
static void test_values(void **state)
{
    _value_ struct value bad = value_string("a\xff"
                                            "b",
                                            3);
    struct value nan = value_number(NAN);
    _json_ json_t *nan_json = value_to_json(&nan);
    _buf_ struct buf text = BUF_INIT;

    (void)state;
    assert_string_equal(json_string_value(bad.json), "a\xef\xbf\xbd"
                                                     "b");
    assert_string_equal(json_string_value(nan_json), "NaN");
    assert_false(value_equal(&nan, &nan));
    assert_false(value_truthy(&nan));
    number_to_string(1e21, &text);
    value_to_string(&bad, &text);
    assert_string_equal(buf_str(&text), "1E+21a\xef\xbf\xbd"
                                        "b");
    assert_string_equal(value_kind_name(bad.kind), "String");
}

/* What is remembered of a request must not leak into the next one. */
static void test_cache(void **state)
{
    static const struct row rows[] = {{"{\"expr\":\"a.b\",\"contexts\":{\"a\":{\"b\":1}}}", "\"value\":1}"},
                                      {"{\"expr\":\"a.b\",\"contexts\":{\"a\":{\"b\":2}}}", "\"value\":2}"},
                                      {"{\"expr\":\"a.b\"}", "Unrecognized named-value: 'a'"},
                                      {"{\"expr\":\"a.b\",\"contexts\":{\"A\":null}}", "\"value\":null}"},
                                      {"{\"expr\":\"a.*\",\"contexts\":{\"a\":{\"b\":2}}}", "\"value\":[2]}"},
                                      {0}};
    struct expr_cache *cache = expr_cache_new();

    (void)state;
    assert_non_null(cache);
    for (int round = 0; round < 3; round++) {
        for (const struct row *row = rows; row->expr; row++) {
            _buf_ struct buf out = BUF_INIT;
            assert_int_equal(expr_eval_request(cache, row->expr, strlen(row->expr), &out), 0);
            assert_non_null(strstr(buf_str(&out), row->result));
        }
    }
    expr_cache_free(cache);
}

static void test_requests(void **state)
{
    static const struct row rows[] = {
        {"{\"expr\":\"1 < 2\"}", "{\"kind\":\"Boolean\",\"value\":true}\n"},
        {"{\"expr\":\"a.b\",\"contexts\":{\"a\":{\"b\":\"c\"}}}", "{\"kind\":\"String\",\"value\":\"c\"}\n"},
        {" { \"contexts\" : {\"a\":null} , \"expr\" : \"a\" , \"options\":{} } ",
         "{\"kind\":\"Null\",\"value\":null}\n"},
        {"{\"expr\":\"\\u0027\\ud83d\\ude0a\\n\\u0027\",\"contexts\":null}",
         "{\"kind\":\"String\",\"value\":\"\U0001f60a\\n\"}\n"},
        {"{\"expr\":\"'a\\\"\\\\'\"}", "{\"kind\":\"String\",\"value\":\"a\\\"\\\\\"}\n"},
        {"{\"expr\":\"'\\u00e9\\u0041\\ud83d\\ude0a\\u2028'\"}",
         "{\"kind\":\"String\",\"value\":\"\u00e9A\U0001f60a\\u2028\"}\n"},
        {"{\"expr\":\"'\\u00'\"}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"'\\ud83d'\"}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"'\\ude0a'\"}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"'\\ud83d\\u0041'\"}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"'\\x'\"}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"1\",\"expr\":\"2\"}", "{\"kind\":\"Number\",\"value\":2}\n"},
        {"{\"expr\":\"1\t\"}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"1\",\"contexts\":{\"a\":}}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"1\",\"contexts\":{}}", "{\"kind\":\"Number\",\"value\":1}\n"},
        {"{\"expr\":1}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"1\",\"contexts\":[]}", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"1\"} x", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"1}", "{\"error\":{\"kind\":\"input\""},
        {"[]", "{\"error\":{\"kind\":\"input\""},
        {"", "{\"error\":{\"kind\":\"input\""},
        {"{\"expr\":\"\xff\"}", "{\"error\":{\"kind\":\"input\""},
        {0}};

    (void)state;
    for (const struct row *row = rows; row->expr; row++) {
        _buf_ struct buf out = BUF_INIT;
        assert_int_equal(expr_eval_request(NULL, row->expr, strlen(row->expr), &out), 0);
        if (!str_starts(buf_str(&out), row->result))
            fail_msg("%s\n  gives  %s  wanted %s", row->expr, buf_str(&out), row->result);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),      cmocka_unit_test(test_coercion),
        cmocka_unit_test(test_numbers_as_text), cmocka_unit_test(test_indexing),
        cmocka_unit_test(test_functions),       cmocka_unit_test(test_format_strings),
        cmocka_unit_test(test_mistakes),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_memory),          cmocka_unit_test(test_scope),
        cmocka_unit_test(test_explain),         cmocka_unit_test(test_environment),
        cmocka_unit_test(test_find_end),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_cache),
    };

    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
