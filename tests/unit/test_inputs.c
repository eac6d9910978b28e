/* Inputs: what is given, what comes of it, and GitHub's words for what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/plan.h"

static const char dispatch[] = "on:\n"
                               "  workflow_dispatch:\n"
                               "    inputs:\n"
                               "      name: {required: true}\n"
                               "      debug: {type: boolean}\n"
                               "      count: {type: number, default: 3}\n"
                               "      level: {type: choice, options: [low, high], default: low}\n"
                               "      where: {type: environment}\n"
                               "jobs: {a: {runs-on: x, steps: [{run: echo}]}}\n";

/* JSON with ' for "; result: the inputs, or ! and the error. */
struct row {
    const char *given, *result;
};

static struct workflow *parse(const char *text)
{
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_parse("ci.yml", text, strlen(text), NULL, &w, &lint) < 0)
        fail_msg("%s", lint.n ? lint.errors[0].msg : "?");
    return w;
}

static void swap(char *s, char from, char to)
{
    for (; *s; s++)
        if (*s == from)
            *s = to;
}

static void check(const struct workflow_event *e, const struct row *row, json_t *contexts)
{
    _free_ char *text = strdup(row->given), *got = NULL;
    _json_ json_t *inputs = NULL;
    struct err err = {0};

    assert_non_null(text);
    swap(text, '\'', '"');
    _json_ json_t *given = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(given);
    if (inputs_check_with(e, given, contexts, &inputs, &err) < 0) {
        assert_string_equal(err.msg, row->result + 1);
        return;
    }
    got = json_dumps(inputs, JSON_COMPACT);
    assert_non_null(got);
    swap(got, '"', '\'');
    assert_string_equal(got, row->result);
}

static void dispatched(void **state)
{
    static const struct row rows[] = {
        {"{'name': 'x'}", "{'name':'x','debug':false,'count':3,'level':'low','where':''}"},
        {"{'NAME': 'x', 'debug': 'true', 'count': '7', 'level': 'high', 'where': 'prod'}",
         "{'name':'x','debug':true,'count':7,'level':'high','where':'prod'}"},
        {"{'name': 1, 'debug': true, 'count': 1.5}",
         "{'name':'1','debug':true,'count':1.5,'level':'low','where':''}"},
        {"{'name': 'x', 'count': '0x10', 'debug': null}",
         "{'name':'x','debug':false,'count':16,'level':'low','where':''}"},
        {"{}", "!Required input 'name' not provided"},
        {"null", "!Required input 'name' not provided"},
        {"{'name': null}", "!Required input 'name' not provided"},
        {"{'name': 'x', 'nmae': 1, 'z': 2}", "!Unexpected inputs provided: [\"nmae\", \"z\"]"},
        {"{'name': 'x', 'debug': 'yes'}",
         "!Provided value 'yes' for input 'debug' not in the list of allowed values"},
        {"{'name': 'x', 'debug': ''}",
         "!Provided value '' for input 'debug' not in the list of allowed values"},
        {"{'name': 'x', 'level': 'Low'}",
         "!Provided value 'Low' for input 'level' not in the list of allowed values"},
        {"{'name': 'x', 'count': 'many'}", "!Provided value 'many' for input 'count' is not a number"},
        {"{'name': 'x', 'count': ''}", "!Provided value '' for input 'count' is not a number"},
        {"{'name': ['x']}", "!Provided value for input 'name' is not a string, a number or a boolean"},
        {"[1]", "!Inputs must be an object of names and values"},
    };
    struct workflow *w = parse(dispatch);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(workflow_event(w, "workflow_dispatch"), &rows[i], NULL);
    workflow_free(w);
}

static void called(void **state)
{
    static const char text[] = "on:\n"
                               "  workflow_call:\n"
                               "    inputs:\n"
                               "      ref: {type: string, default: '${{ github.ref_name }}'}\n"
                               "      n: {type: number}\n"
                               "jobs: {a: {runs-on: x, steps: [{run: echo}]}}\n";
    static const struct row rows[] = {
        {"{}", "{'ref':'main','n':0}"},
        {"{'ref': 'dev', 'n': 2}", "{'ref':'dev','n':2}"},
    };
    _json_ json_t *contexts = json_pack("{s:{s:s}}", "github", "ref_name", "main");
    struct workflow *w = parse(text);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(workflow_event(w, "workflow_call"), &rows[i], contexts);
    workflow_free(w);
}

static void limits(void **state)
{
    struct workflow_input many[26] = {0};
    struct workflow_event e = {.name = "workflow_dispatch", .inputs = many, .n_inputs = 25};
    _free_ char *large = malloc(65537);
    _json_ json_t *out = NULL, *more = NULL;
    static char names[26][4];
    struct err err = {0};

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i < 26; i++) {
        names[i][0] = (char)('a' + i);
        many[i].name = names[i];
    }
    memset(large, 'x', 65536);
    large[65534] = '\0';
    _json_ json_t *given = json_pack("{s:s}", "a", large);
    assert_int_equal(inputs_check(&e, given, &out, &err), 0);
    large[65534] = 'x';
    large[65535] = '\0';
    more = json_pack("{s:s}", "a", large);
    assert_int_equal(inputs_check(&e, more, &out, &err), -EINVAL);
    assert_string_equal(err.msg, "inputs are too large.");
    e.n_inputs = 26;
    assert_int_equal(inputs_check(&e, NULL, &out, &err), -EINVAL);
    assert_string_equal(err.msg, "you may only define up to 25 `inputs` for a `workflow_dispatch` event");
}

static int find_called(void *data, const char *uses, struct buf *ret, struct err *err)
{
    (void)data, (void)uses, (void)err;
    buf_adds(ret, "on:\n"
                  "  workflow_call:\n"
                  "    inputs:\n"
                  "      s: {type: string, default: 'from ${{ github.actor }}'}\n"
                  "      b: {type: boolean}\n"
                  "      n: {type: number, default: 7}\n"
                  "jobs: {a: {runs-on: x, steps: [{run: echo}]}}\n");
    return 0;
}

/* What `with` gives must be of the input's type; nothing is converted, but to a string. */
static void given_by_a_call(void **state)
{
    static const struct {
        const char *with, *want;
    } rows[] = {
        {"", "{\"s\": \"from me\", \"b\": false, \"n\": 7}"},
        {"s: '${{ fromJSON(''[1]'')[0] }}'", "{\"s\": \"1\", \"b\": false, \"n\": 7}"},
        {"B: '${{ github.actor == ''me'' }}', n: 2.5", "{\"s\": \"from me\", \"b\": true, \"n\": 2.5}"},
        {"b: '${{ github.actor }}'", "ci.yml (Line: 2, Col: 63): Unexpected value 'me'"},
        {"n: '${{ github.actor }}'", "ci.yml (Line: 2, Col: 63): Unexpected value 'me'"},
        {"s: '${{ fromJSON(''[1]'') }}'", "ci.yml (Line: 2, Col: 63): A sequence was not expected"},
    };
    _json_ json_t *contexts = json_pack("{s:{s:s}}", "github", "actor", "me");
    struct workflow_opts opts = {.find = find_called};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _json_ json_t *inputs = NULL;
        _buf_ struct buf text = BUF_INIT;
        _lint_ struct lint lint = {0};
        struct workflow *w = NULL;
        struct err err = {0};
        buf_addf(&text, "on: push\njobs: {call: {uses: ./.github/workflows/called.yml, with: {%s}}}\n",
                 rows[i].with);
        if (workflow_parse("ci.yml", buf_str(&text), text.len, &opts, &w, &lint) < 0)
            fail_msg("%s", lint.n ? lint.errors[0].msg : "?");
        int r = inputs_of_call(&w->jobs[0], "ci.yml", contexts, &inputs, &err);
        _free_ char *got = r == 0 ? json_dumps(inputs, 0) : strdup(err.msg);
        assert_string_equal(got, rows[i].want);
        workflow_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dispatched), cmocka_unit_test(called),
                                       cmocka_unit_test(limits), cmocka_unit_test(given_by_a_call)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
