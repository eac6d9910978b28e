/* Workflows: each table is a chapter of what a file may say; a row is a file and what comes of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/str.h"
#include "runfs/workflow.h"

/* errors: one a line without the "w.yml", NULL for a file that is accepted */
struct row {
    const char *file, *errors;
};

#define ON "on: push\n"
#define INPUTS_25                                                                                            \
    "a: , b: , c: , d: , e: , f: , g: , h: , i: , j: , k: , l: , m: , n: , o: , p: , q: , r: , s: , t: , "   \
    "u: , "                                                                                                  \
    "v: , w: , x: , y: "
#define JOB "jobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n"
#define STEPS ON "jobs:\n  a:\n    runs-on: x\n    steps:\n"

static const char reusable[] = "on:\n"
                               "  workflow_call:\n"
                               "    inputs:\n"
                               "      Name: {type: string, required: true}\n"
                               "      flag: {type: boolean}\n"
                               "    secrets:\n"
                               "      token: {required: true}\n"
                               "permissions: {contents: write}\n"
                               "jobs: {b: {runs-on: x, steps: [{run: echo}]}}\n";

/* The files that calls find: a good one, one in error, one that calls itself, one that is no reusable one. */
static int find(void *data, const char *uses, struct buf *ret, struct err *err)
{
    (void)data;
    if (strstr(uses, "good.yml"))
        buf_adds(ret, reusable);
    else if (strstr(uses, "bad.yml"))
        buf_adds(ret, "on: workflow_call\njobs: {b: {runs_on: x}}\n");
    else if (strstr(uses, "loop.yml"))
        buf_adds(ret, "on: workflow_call\njobs: {b: {uses: ./.github/workflows/loop.yml}}\n");
    else if (strstr(uses, "push.yml"))
        buf_adds(ret, ON JOB);
    else if (strstr(uses, "far/away"))
        return -EOPNOTSUPP;
    else
        return err_set(err, -ENOENT, "there is no %s", uses);
    return 0;
}

static const struct workflow_opts all = {.find = find};

static struct workflow *parse_with(const char *text, const struct workflow_opts *opts)
{
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_parse("w.yml", text, strlen(text), opts, &w, &lint) < 0)
        fail_msg("%s\n  gives  %s", text, lint.n ? lint.errors[0].msg : "no words");
    return w;
}

static struct workflow *parse(const char *text)
{
    return parse_with(text, NULL);
}

static void check(const struct row *row, const struct workflow_opts *opts)
{
    _lint_ struct lint lint = {0};
    _buf_ struct buf got = BUF_INIT;
    struct workflow *w = NULL;

    int r = workflow_parse("w.yml", row->file, strlen(row->file), opts, &w, &lint);
    for (size_t i = 0; i < lint.n; i++) {
        const char *msg = lint.errors[i].msg;
        buf_addf(&got, "%s%s", i ? "\n" : "", str_starts(msg, "w.yml") ? msg + strlen("w.yml") : msg);
    }
    workflow_free(w);
    if ((r == 0) != (row->errors == NULL) || (row->errors && !str_eq(buf_str(&got), row->errors)))
        fail_msg("%s\n  gives\n%s\n  wanted\n%s", row->file, buf_str(&got),
                 row->errors ? row->errors : "no error");
}

static void check_all(const struct row *rows, const struct workflow_opts *opts)
{
    for (; rows->file; rows++)
        check(rows, opts);
}

static void test_yaml(void **state)
{
    static const struct row rows[] = {
        {ON JOB, NULL},
        {"\xEF\xBB\xBF" ON JOB, NULL}, /* a byte order mark is no text */
        {"", ": The file is empty"},
        {"# nothing\n", ": The file is empty"},
        {ON "\xFF", " (Line: 2, Col: 1): The file must be UTF-8, and the byte here is not"},
        /* its words are read in terminals */
        {ON "\"x\\e[31m\\n\\u009by\": z\n" JOB, " (Line: 2, Col: 1): Unexpected value 'x?[31m\n??y'"},
        {ON "name: \"\\0\"\n" JOB, " (Line: 2, Col: 7): The file must not hold NUL characters"},
        {ON JOB "---\n" ON,
         " (Line: 7, Col: 1): The file must hold one document, and a second one starts here"},
        {"on: [push\njobs: x", " (Line: 2, Col: 5): You have an error in your yaml syntax on line 2: while "
                               "parsing a flow sequence, did "
                               "not find expected ',' or ']'"},
        {"on: pusch\njobs:\n  a:\n    runs-on: [x\n    steps: y\n", /* what is no YAML says nothing else */
         " (Line: 5, Col: 10): You have an error in your yaml syntax on line 5: while parsing a flow "
         "sequence, did "
         "not find expected ',' or ']'"},
        /* what is YAML and refused is told after what is wrong before it */
        {ON "foo: bar\njobs:\n  a:\n    runs-on: x\n    if: !cancelled()\n    name: [b]\n",
         " (Line: 2, Col: 1): Unexpected value 'foo'\n: Unexpected tag '!cancelled()'"},
        {ON "env: {A: b, *c : d}\n", ": Unknown anchor 'c'"},
        {ON "env: {A: b, ? [c, *d] : e}\n",
         " (Line: 2, Col: 15): Expected a scalar value\n: Unknown anchor 'd'"},
        {"on: *x\n", ": Unknown anchor 'x'"},
        {"on: !x push\n", ": Unexpected tag '!x'"},
        {ON "env: !!set {}\n", ": Unexpected tag 'tag:yaml.org,2002:set'"},
        {ON "name: !!float abc\n" JOB,
         ": The value 'abc' on line 2 and column 7 is invalid for the type 'tag:yaml.org,2002:float'"},
        {ON "name: !!int '1'\n" JOB,
         ": The scalar style 'SingleQuoted' on line 2 and column 7 is not valid with the "
         "tag 'tag:yaml.org,2002:int'"},
        {ON "env: {A: 0x1FFFFFFFF}\n" JOB,
         ": The value '0x1FFFFFFFF' on line 2 and column 10 is invalid for the type 'tag:yaml.org,2002:int'"},
        {ON "env: &e {A: *e}\n" JOB, " (Line: 2, Col: 6): A mapping was not expected\n"
                                     ": Maximum object depth exceeded"},
        {ON "jobs:\n  a: &a {runs-on: x, steps: [{run: b}]}\n  b: *a\n", NULL},
        {0}};

    (void)state;
    check_all(rows, NULL);
}

static void test_limits(void **state)
{
    _buf_ struct buf bomb = BUF_INIT, deep = BUF_INIT, large = BUF_INIT;
    const struct workflow_opts small = {.max_file_size = strlen(ON JOB)},
                               smaller = {.max_file_size = small.max_file_size - 1};
    /* 24 bytes a token, 26 and two a character more for a string, and the file's name */
    const size_t size = (26 + 2 * 5) + 5 * 24 + (50 + 4) + (50 + 8) + (50 + 8) + (50 + 2) + (50 + 14) +
                        (50 + 2) + (50 + 10) + (50 + 6) + (50 + 8);
    const struct workflow_opts fits = {.max_result_size = size}, too_small = {.max_result_size = size - 1};

    (void)state;
    check(&(struct row){ON JOB, NULL}, &small);
    check(&(struct row){ON JOB, ": The maximum file size of 63 characters has been exceeded"}, &smaller);
    buf_adds(&bomb, ON "env: {A: &a [x,x,x,x,x,x,x,x,x,x]");
    for (char c = 'b'; c < 'k'; c++)
        buf_addf(&bomb, ", %c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]", c, c, c - 1, c - 1, c - 1,
                 c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    buf_adds(&bomb, "}\n");
    _lint_ struct lint lint = {0}, lint2 = {0}, lint3 = {0};
    struct workflow *w = NULL;
    assert_int_equal(workflow_parse("w.yml", buf_str(&bomb), bomb.len, NULL, &w, &lint), -EINVAL);
    assert_string_equal(lint.errors[lint.n - 1].msg, "w.yml: Maximum YAML nodes exceeded");
    for (int i = 0; i < 100000; i++)
        buf_adds(&deep, "[");
    assert_int_equal(workflow_parse("w.yml", buf_str(&deep), deep.len, NULL, &w, &lint2), -EINVAL);
    assert_int_equal(lint2.n, 2);
    assert_string_equal(lint2.errors[0].msg, "w.yml (Line: 1, Col: 1): A sequence was not expected");
    assert_string_equal(lint2.errors[1].msg, "w.yml: Maximum object depth exceeded");
    assert_non_null(buf_reserve(&large, 50 << 20));
    memset(large.ptr, '#', 50 << 20);
    assert_int_equal(workflow_parse("w.yml", large.ptr, 50 << 20, NULL, &w, &lint3), -EFBIG);
    check(&(struct row){ON JOB, NULL}, &fits);
    check(&(struct row){ON JOB, ": Maximum object size exceeded"}, &too_small);
}

static void test_schema(void **state)
{
    static const struct row rows[] = {
        {"{}", " (Line: 1, Col: 1): Required property is missing: on\n"
               " (Line: 1, Col: 1): Required property is missing: jobs"},
        {"hello", " (Line: 1, Col: 1): Unexpected value 'hello'"},
        {"[a]", " (Line: 1, Col: 1): A sequence was not expected"},
        {"on: pusch\n" JOB, " (Line: 1, Col: 5): Unexpected value 'pusch'"},
        {"on: [push, pull_request, repository_dispatch]\n" JOB, NULL},
        {"on: {push: {branch: x}}\n" JOB, " (Line: 1, Col: 13): Unexpected value 'branch'"},
        {"on: {issues: {types: [opened, eaten]}}\n" JOB, " (Line: 1, Col: 31): Unexpected value 'eaten'"},
        {"on: []\n" JOB, " (Line: 1, Col: 5): No event triggers defined in `on`"},
        {ON "Name: x\n" JOB, " (Line: 2, Col: 1): Unexpected value 'Name'"}, /* keys are exact... */
        {ON "name: x\nNAME: y\n" JOB, " (Line: 3, Col: 1): 'NAME' is already defined"}, /* ...but for twins */
        {ON "env:\n  A: {b: c}\n" JOB, " (Line: 3, Col: 6): A mapping was not expected"},
        {ON "env:\n  A:\n  B: 1.50\n  C: yes\n" JOB, NULL}, /* null and numbers are texts here */
        {ON "? [a]\n: b\n" JOB, " (Line: 2, Col: 3): Expected a scalar value"},
        {ON "concurrency: {cancel-in-progress: true}\n" JOB,
         " (Line: 2, Col: 14): Required property is missing: group"},
        {ON "permissions: {contents: execute}\n" JOB, " (Line: 2, Col: 25): Unexpected value 'execute'"},
        {ON "jobs: {a: {}}\n",
         " (Line: 2, Col: 11): There's not enough info to determine what you meant. Add one of "
         "these properties: cancel-timeout-minutes, container, continue-on-error, defaults, env, "
         "environment, outputs, runs-on, secrets, services, snapshot, steps, timeout-minutes, uses, with"},
        {ON "jobs: {a: {runs-on: x, uses: y}}\n", " (Line: 2, Col: 24): Unexpected value 'uses'"},
        {ON "jobs: {a: {runs-on: x}}\n",
         ": No steps defined in `steps` and no workflow called in `uses` for the following jobs: a"},
        {STEPS "      - uses: a/b@v1\n        run: c\n", " (Line: 7, Col: 9): Unexpected value 'run'"},
        {STEPS "      - wait: [a]\n", " (Line: 6, Col: 16): Step references unknown step ID 'a'"},
        /* a key that is an expression may be any key; one that is in error is not */
        {ON "jobs: {a: {strategy: {}, '${{ github.ref }}': x}}\n",
         " (Line: 2, Col: 26): Unrecognized named-value: 'github'. Located at position 1 within expression: "
         "github.ref\n"
         " (Line: 2, Col: 26): Unexpected value '${{ github.ref }}'\n"
         " (Line: 2, Col: 11): There's not enough info to determine what you meant. Add one of "
         "these properties: cancel-timeout-minutes, container, continue-on-error, defaults, env, "
         "environment, outputs, runs-on, secrets, services, snapshot, steps, timeout-minutes, uses, with"},
        {"on: {workflow_call: {inputs: {a: {'${{ 1 }}': b}}}}\n" JOB,
         " (Line: 1, Col: 35): A template expression is not allowed in this context"},
        {"on: {workflow_call: {inputs: {a: {'${{ x }}': b}}}}\n" JOB,
         " (Line: 1, Col: 35): Unrecognized named-value: 'x'. Located at position 1 within expression: x\n"
         " (Line: 1, Col: 35): Unexpected value '${{ x }}'\n"
         " (Line: 1, Col: 34): Required property is missing: type"},
        {STEPS "      - run: a\n        timeout-minutes: soon\n",
         " (Line: 7, Col: 26): Unexpected value 'soon'"},
        {0}};

    (void)state;
    check_all(rows, NULL);
}

#define INLINE                                                                                               \
    "The directive 'insert' is not allowed in this context. Directives are not supported for expressions "   \
    "that are "                                                                                              \
    "embedded within a string. Directives are only supported when the entire value is an expression."

static void test_expressions(void **state)
{
    static const struct row rows[] = {
        {STEPS "      - run: ${{ github.ref }} ${{ secrets.A }} ${{ hashFiles('a') }}\n", NULL},
        {STEPS "      - run: ${{ githob.ref }} ${{ 1 + }}\n",
         " (Line: 6, Col: 14): Unrecognized named-value: 'githob'. Located at position 1 within expression: "
         "githob.ref\n"
         " (Line: 6, Col: 14): Unexpected symbol: '+'. Located at position 3 within expression: 1 +"},
        {STEPS "      - run: ${{ success() }}\n", " (Line: 6, Col: 14): Unrecognized function: 'success'. "
                                                  "Located at position 1 within expression: success()"},
        {STEPS "      - run: ${{ }}\n", " (Line: 6, Col: 14): An expression was expected"},
        {STEPS "      - run: a ${{ b\n",
         " (Line: 6, Col: 14): The expression is not closed. An unescaped ${{ sequence "
         "was found, but the closing }} sequence was not found."},
        {STEPS "      - run: ${{ '}}' }}\n", NULL}, /* not closed inside of quotes */
        {ON "name: ${{ 1 }}\n" JOB,
         " (Line: 2, Col: 7): A template expression is not allowed in this context"},
        {ON "name: ${{ 'plain text' }}\n" JOB, NULL},
        {ON "run-name: ${{ env.A }}\n" JOB, " (Line: 2, Col: 11): Unrecognized named-value: 'env'. Located "
                                            "at position 1 within expression: env.A"},
        {ON "env: {'${{ insert }}': '${{ github.event }}'}\n" JOB, NULL},
        {ON "env: {'${{ insert }}': [a]}\n" JOB, " (Line: 2, Col: 24): A sequence was not expected"},
        {ON "env: {A: 'b ${{ insert }}'}\n" JOB, " (Line: 2, Col: 10): " INLINE},
        {ON "env: {A: '${{ insert }}'}\n" JOB, " (Line: 2, Col: 10): Unexpected value '${{ insert }}'"},
        {ON "env: {A: '${{ insert b c }}'}\n" JOB,
         " (Line: 2, Col: 10): Exactly 0 parameter(s) were expected following the directive 'insert'. Actual "
         "parameter "
         "count: 2"},
        {STEPS "      - run: a\n        if: foo.bar\n",
         " (Line: 7, Col: 13): Unrecognized named-value: 'foo'. Located at position 1 within expression: "
         "foo.bar"},
        {STEPS "      - run: a\n        if: success('b')\n",
         " (Line: 7, Col: 13): Too many parameters supplied: 'success'. Located at position 1 within "
         "expression: "
         "success('b')"},
        {0}};

    (void)state;
    check_all(rows, NULL);
}

#define MATRIX(text) ON "jobs: {a: {runs-on: x, strategy: {matrix: " text "}, steps: [{run: a}]}}\n"

static void test_conversion(void **state)
{
    static const struct row rows[] = {
        {ON "jobs: {}\n",
         " (Line: 2, Col: 7): The workflow must contain at least one job with no dependencies."},
        {ON "jobs:\n  a: {runs-on: x, needs: B, steps: [{run: c}]}\n  b: {runs-on: x, steps: [{run: c}]}\n",
         NULL},
        {STEPS "      - {id: A, run: b}\n      - {id: a, run: b}\n",
         " (Line: 7, Col: 14): The identifier 'a' may not be used more than once within the same scope."},
        {STEPS "      - uses: checkout\n",
         " (Line: 6, Col: 15): Expected format {org}/{repo}[/path]@ref. Actual 'checkout'"},
        {STEPS "      - uses: $/here@v1\n",
         " (Line: 6, Col: 15): Expected format {org}/{repo}[/path]@ref. Actual '$/here@v1'"},
        {STEPS "      - uses: $/\n",
         " (Line: 6, Col: 15): Expected format {org}/{repo}[/path]@ref. Actual '$/'"},
        {STEPS "      - uses: $/here\n", NULL},
        {STEPS "      - uses: ./here\n      - uses: docker://alpine\n      - uses: a/b/c@d\n", NULL},
        {"on: {schedule: [{cron: '0 0 * * *'}, {cron: '*/15 1-5 1,15 jan-MAR Mon', timezone: UTC}]}\n" JOB,
         NULL},
        {"on: {schedule: [{cron: '0 24 * * *'}]}\n" JOB,
         " (Line: 1, Col: 24): Invalid cron expression. Expected format: '* * * * *' (minute hour day month "
         "weekday)"},
        {"on: {schedule: [{cron: '0 0 * *'}]}\n" JOB,
         " (Line: 1, Col: 24): Invalid cron expression. Expected format: '* * * * *' (minute hour day month "
         "weekday)"},
        {"on: {workflow_dispatch: {description: a, inputs: {b: {deprecationMessage: c}}}}\n" JOB,
         " (Line: 1, Col: 26): Unexpected value 'description'\n"
         " (Line: 1, Col: 55): Unexpected value 'deprecationMessage'"},
        {"on: {workflow_dispatch: {inputs: }}\n" JOB, NULL},
        {"on: {workflow_dispatch: {inputs: {" INPUTS_25 "}}}\n" JOB, NULL},
        {"on: {workflow_dispatch: {inputs: {" INPUTS_25 ", z: }}}\n" JOB,
         " (Line: 1, Col: 34): you may only define up to 25 `inputs` for a `workflow_dispatch` event"},
        {"on: {workflow_call: {secrets: {token: , github_token: {required: true}}}}\n" JOB,
         " (Line: 1, Col: 41): secret name `github_token` within `workflow_call` can not be used since it "
         "would collide with system reserved name"},
        {"on: {workflow_dispatch: {inputs: {a: {type: choice}, b: }}}\n" JOB,
         " (Line: 1, Col: 38): Missing 'options' for choice input"},
        {ON "jobs: {a: {runs-on: x, container: 'docker://', steps: [{run: a}]}}\n",
         " (Line: 2, Col: 35): Container image cannot be empty"},
        {ON "jobs: {a: {runs-on: {group: a/b}, steps: [{run: a}]}}\n",
         " (Line: 2, Col: 29): Invalid runs-on group name 'a/b'. Please use 'organization/' or 'enterprise/' "
         "prefix to "
         "target a single runner group."},
        {"on: {workflow_dispatch: {inputs: {a: {type: boolean, default: 'true'}, b: {type: boolean, default: "
         "no}}}}\n" JOB,
         " (Line: 1, Col: 100): Unexpected type 'StringToken' encountered while reading 'input default'. The "
         "type "
         "'BooleanToken' was expected."},
        {MATRIX("{os: [a], exclude: [{OS: b}], include: [{c: d}]}"), NULL},
        {MATRIX("{os: [a], exclude: [{c: b}, {}], include: [{}]}"),
         " (Line: 2, Col: 86): Matrix include mapping does not contain any values\n"
         " (Line: 2, Col: 64): Matrix exclude key 'c' does not match any key within the matrix\n"
         " (Line: 2, Col: 71): Matrix exclude filter must not be empty"},
        {MATRIX("{os: '${{ github.x }}', exclude: [{c: b}]}"), NULL}, /* known later */
        {MATRIX("{include: []}"), " (Line: 2, Col: 43): Matrix must define at least one vector"},
        {ON "jobs: {a: {runs-on: x, strategy: {matrix: {os: []}}, steps: [{run: a}]}}\n",
         " (Line: 2, Col: 48): Matrix vector 'os' does not contain any values"},
        {0}};
    static const struct row background[] = {
        {STEPS "      - {id: a, run: b, background: true}\n      - wait: a\n      - wait-all:\n", NULL},
        {STEPS "      - wait: [b, __c]\n      - {id: d, run: b}\n      - {id: e, cancel: e}\n",
         " (Line: 6, Col: 16): Step references unknown step ID 'b'\n"
         " (Line: 6, Col: 19): The identifier '__c' is invalid. IDs starting with '__' are reserved.\n"
         " (Line: 8, Col: 25): Step 'e' cannot reference itself"},
        {STEPS "      - parallel: [{run: a}, {uses: ./b}]\n      - {id: c, run: d}\n", NULL},
        {STEPS "      - parallel: [{run: a, background: true}, {wait-all: }, {parallel: [{run: b}]}]\n",
         " (Line: 6, Col: 9): 'background' is not allowed inside a parallel block. Steps in a parallel block "
         "are "
         "automatically run as background steps.\n"
         " (Line: 6, Col: 9): 'wait-all' is not allowed inside a parallel block.\n"
         " (Line: 6, Col: 9): Nested 'parallel' blocks are not allowed."},
        {0}};

    (void)state;
    check_all(rows, NULL);
    check_all(background, &all);
}

#define SELF(file, rest) ON "jobs: {a: {uses: $/.github/workflows/" file ".yml" rest "}}\n"
#define CALL(file, rest) ON "jobs: {a: {uses: ./.github/workflows/" file ".yml" rest "}}\n"
#define GIVEN ", with: {name: x}, secrets: inherit"

static void test_calls(void **state)
{
    static const struct row rows[] = {
        {CALL("good", GIVEN), NULL},
        {SELF("good", GIVEN), NULL}, /* the same repository */
        {CALL("good", ""), " (Line: 2, Col: 18): Input Name is required, but not provided while calling.\n"
                           " (Line: 2, Col: 18): Secret token is required, but not provided while calling."},
        {CALL("good", ", with: {name: x, flag: maybe, other: 1}, secrets: {TOKEN: y, z: z}"),
         " (Line: 2, Col: 70): Unexpected value 'maybe'\n"
         " (Line: 2, Col: 84): Invalid input, other is not defined in the referenced workflow.\n"
         " (Line: 2, Col: 111): Invalid secret, z is not defined in the referenced workflow."},
        {CALL("good", GIVEN ", permissions: read-all"),
         " (Line: 2, Col: 8): Error calling workflow './.github/workflows/good.yml'. The workflow is "
         "requesting "
         "'contents: write', but is only allowed 'contents: read'."},
        {CALL("none", ""), " (Line: 2, Col: 18): Unable to find reusable workflow"},
        {CALL("push", ""),
         "In w.yml (Line: 2, Col: 18): Error from called workflow .github/workflows/push.yml "
         "(Line: 1, Col: 5): workflow_call key is not defined in the referenced workflow."},
        {CALL("loop", ""),
         "In w.yml (Line: 2, Col: 18): Error from called workflow .github/workflows/loop.yml "
         "(Line: 2, Col: 18): Loops in the workflow tree are not permitted."},
        {ON "jobs: {a: {uses: far/away/.github/workflows/x.yml@v1}}\n", NULL}, /* not followed */
        {ON "jobs: {a: {uses: far/away}}\n",
         " (Line: 2, Col: 18): invalid value workflow reference: no version specified"},
        {0}};

    (void)state;
    check_all(rows, &all);
    struct workflow *w = parse_with(CALL("good", GIVEN), &all);
    assert_string_equal(w->jobs[0].called->jobs[0].id, "b");
    assert_true(w->jobs[0].secrets_inherit);
    workflow_free(w);
}

static void test_steps(void **state)
{
    static const struct {
        const char *step, *id, *condition;
    } rows[] = {
        {"{run: a}", "__run", "success()"},
        {"{run: a, if: ''}", "__run", "success()"},
        {"{run: a, if: ' true '}", "__run", "success() && (true)"},
        {"{run: a, if: \"${{ github.ref == 'x' }}\"}", "__run", "success() && (github.ref == 'x')"},
        {"{run: a, if: \"github.ref == 'always()'\"}", "__run", "success() && (github.ref == 'always()')"},
        {"{run: a, if: '!CANCELLED()'}", "__run", "!CANCELLED()"},
        {"{run: a, if: 'x ${{ github.ref }}'}", "__run", "success() && (format('x {0}', github.ref))"},
        {"{run: a, id: b}", "b", "success()"},
        {"{uses: actions/checkout@v4}", "__actions_checkout", "success()"},
        {"{uses: a/b/c/d@v4}", "__a_b", "success()"},
        {"{uses: ./x}", "__self", "success()"},
        {"{uses: $/x}", "__self", "success()"},
        {"{uses: 'docker://a/b:1.2'}", "__a_b_1_2", "success()"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _buf_ struct buf text = BUF_INIT;
        buf_addf(&text, STEPS "      - %s\n", rows[i].step);
        struct workflow *w = parse(buf_str(&text));
        assert_string_equal(w->jobs[0].steps[0].id, rows[i].id);
        assert_string_equal(expr_text(w->jobs[0].steps[0].condition), rows[i].condition);
        workflow_free(w);
    }
    struct workflow *w = parse(STEPS "      - run: a\n      - {run: b, id: run_2}\n      - run: c\n");
    assert_string_equal(w->jobs[0].steps[2].id, "__run_2");
    workflow_free(w);
}

static void test_structs(void **state)
{
    struct workflow *w =
        parse("name: N\n"
              "on:\n"
              "  push: {branches: main, tags-ignore: [v1, v2]}\n"
              "  schedule: [{cron: 1 2 3 4 5}]\n"
              "  workflow_dispatch: {inputs: {a: {default: 1}, b: {type: choice, options: [x, y]}}}\n"
              "jobs:\n"
              "  one: {runs-on: x, steps: [{run: a}]}\n"
              "  two: {runs-on: '${{ matrix.os }}', needs: [ONE], strategy: {matrix: {os: [l]}},\n"
              "        steps: [{run: '${{ needs.one.result }}'}]}\n");
    const struct workflow_event *push = workflow_event(w, "push"),
                                *dispatch = workflow_event(w, "workflow_dispatch");
    const struct workflow_job *two = workflow_job(w, "two");

    (void)state;
    assert_string_equal(w->name, "N");
    assert_string_equal(push->branches[0], "main");
    assert_string_equal(push->tags_ignore[1], "v2");
    assert_null(push->paths);
    assert_string_equal(workflow_event(w, "schedule")->crons[0], "1 2 3 4 5");
    assert_int_equal(dispatch->n_inputs, 2);
    assert_true(dispatch->inputs[0].fallback->number == 1);
    assert_string_equal(dispatch->inputs[1].options[1], "y");
    assert_null(workflow_event(w, "issues"));
    assert_string_equal(two->needs[0], "one"); /* as the job spells it */
    assert_true(token_has_expr(two->runs_on));
    assert_true(token_uses_context(two->runs_on, "MATRIX"));
    assert_false(token_uses_context(two->runs_on, "needs"));
    assert_true(token_uses_context(two->steps[0].run, "needs"));
    workflow_free(w);
}

/* What the workflow's env becomes, as JSON, or ! and the error. */
static void test_evaluation(void **state)
{
    static const struct {
        const char *env, *result;
    } rows[] = {
        {"{A: 1, b: 'x-${{ github.n }}'}", "{\"A\": \"1\", \"b\": \"x-1.5\"}"},
        {"{'${{ github.s }}': y}", "{\"text\": \"y\"}"},
        {"{A: 1, '${{ insert }}': '${{ github.o }}'}", "{\"A\": \"1\", \"k\": \"v\"}"},
        {"{K: 1, '${{ insert }}': '${{ github.o }}'}", "!w.yml (Line: 2, Col: 30): 'k' is already defined"},
        {"{'${{ insert }}': '${{ github.s }}'}", "!w.yml (Line: 2, Col: 24): Expected a mapping"},
        {"{A: '${{ fromJSON(github.s) }}'}", "!w.yml (Line: 2, Col: 10): "},
    };
    _json_ json_t *contexts =
        json_loads("{\"github\":{\"n\":1.5,\"s\":\"text\",\"o\":{\"k\":\"v\"},\"l\":[1,2]}}", 0, NULL);
    const struct expr_env env = {.contexts = contexts};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _buf_ struct buf text = BUF_INIT;
        struct err err = {0};
        _json_ json_t *got = NULL;
        buf_addf(&text, ON "env: %s\n" JOB, rows[i].env);
        struct workflow *w = parse(buf_str(&text));
        int r = token_eval(w->env, w->file, &env, &got, &err);
        workflow_free(w);
        _free_ char *json = got ? json_dumps(got, JSON_SORT_KEYS) : NULL;
        assert_int_equal(r, rows[i].result[0] == '!' ? -EINVAL : 0);
        if (r < 0)
            assert_true(str_starts(err.msg, rows[i].result + 1));
        else
            assert_string_equal(json, rows[i].result);
    }
}

static void test_scalars(void **state)
{
    struct workflow *w = parse(ON "jobs:\n"
                                  "  a:\n"
                                  "    runs-on: [a, '${{ github.l }}', b]\n"
                                  "    timeout-minutes: ${{ github.n }}\n"
                                  "    continue-on-error: ${{ github.s }}\n"
                                  "    name: n-${{ github.n }}\n"
                                  "    steps: [{run: a}]\n");
    _json_ json_t *contexts = json_loads("{\"github\":{\"n\":7,\"s\":\"yes\",\"l\":[\"x\",\"y\"]}}", 0, NULL);
    const struct expr_env env = {.contexts = contexts};
    const struct workflow_job *job = &w->jobs[0];
    _free_ char *name = NULL, *none = NULL;
    _json_ json_t *labels = NULL, *want = json_pack("[s,s,s,s]", "a", "x", "y", "b");
    struct err err = {0};
    double minutes;
    bool yes;

    (void)state;
    assert_int_equal(token_eval(job->runs_on, "w.yml", &env, &labels, &err), 0);
    assert_true(json_equal(labels, want)); /* an array among items gives its items */
    assert_int_equal(token_eval_number(job->timeout_minutes, "w.yml", &env, 360, &minutes, &err), 0);
    assert_true(minutes == 7);
    assert_int_equal(token_eval_number(NULL, "w.yml", &env, 360, &minutes, &err), 0);
    assert_true(minutes == 360);
    assert_int_equal(token_eval_string(job->name, "w.yml", &env, &name, &err), 0);
    assert_string_equal(name, "n-7");
    assert_int_equal(token_eval_string(NULL, "w.yml", &env, &none, &err), 0);
    assert_string_equal(none, "");
    assert_int_equal(token_eval_boolean(job->continue_on_error, "w.yml", &env, false, &yes, &err), -EINVAL);
    assert_string_equal(err.msg, "w.yml (Line: 6, Col: 24): Unexpected value 'yes'");
    workflow_free(w);
}

static void test_plain_scalars(void **state)
{
    static const struct {
        const char *text;
        enum token_kind kind;
        double number;
    } rows[] = {
        {"null", TOKEN_NULL, 0},
        {"~", TOKEN_NULL, 0},
        {"", TOKEN_NULL, 0},
        {"nUll", TOKEN_STRING, 0},
        {"TRUE", TOKEN_BOOLEAN, 0},
        {"yes", TOKEN_STRING, 0},
        {"on", TOKEN_STRING, 0},
        {"'true'", TOKEN_STRING, 0},
        {"12", TOKEN_NUMBER, 12},
        {"+12", TOKEN_NUMBER, 12},
        {"-0x1", TOKEN_STRING, 0},
        {"0x1F", TOKEN_NUMBER, 31},
        {"0o17", TOKEN_NUMBER, 15},
        {"017", TOKEN_NUMBER, 17},
        {"0b1", TOKEN_STRING, 0},
        {"1_000", TOKEN_STRING, 0},
        {"1.5e3", TOKEN_NUMBER, 1500},
        {".5", TOKEN_NUMBER, 0.5},
        {"5.", TOKEN_NUMBER, 5},
        {".", TOKEN_STRING, 0},
        {"1e", TOKEN_STRING, 0},
        {"-.inf", TOKEN_NUMBER, -INFINITY},
        {"1e999", TOKEN_NUMBER, INFINITY},
        {"2026-01-01", TOKEN_STRING, 0},
        {"!!str 12", TOKEN_STRING, 0},
        {"!!float 12", TOKEN_NUMBER, 12},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _buf_ struct buf text = BUF_INIT;
        buf_addf(&text,
                 ON "jobs:\n  a:\n    runs-on: x\n    strategy:\n      matrix:\n        v:\n        - %s\n"
                    "    steps: [{run: a}]\n",
                 rows[i].text);
        struct workflow *w = parse(buf_str(&text));
        const struct token *t = token_get(token_get(w->jobs[0].strategy, "matrix"), "v")->seq.items[0];
        if (t->kind != rows[i].kind || (t->kind == TOKEN_NUMBER && t->number != rows[i].number))
            fail_msg("%s is of kind %d", rows[i].text, t->kind);
        workflow_free(w);
    }
}

/* A local call in a workflow of another repository means that repository, at that ref. */
static int find_remote(void *data, const char *uses, struct buf *ret, struct err *err)
{
    struct buf *asked = data;

    (void)err;
    buf_addf(asked, "%s\n", uses);
    if (str_ends(uses, "deep.yml@v1"))
        buf_adds(ret, "on: workflow_call\njobs: {c: {runs-on: x, steps: [{run: echo}]}}\n");
    else
        buf_adds(ret, "on: workflow_call\njobs: {b: {uses: ./.github/workflows/deep.yml}}\n");
    return 0;
}

static void test_remote_calls(void **state)
{
    static const char source[] = ON "jobs: {a: {uses: o/r/.github/workflows/x.yml@v1}}\n";
    _buf_ struct buf asked = BUF_INIT;
    struct workflow_opts opts = {.find = find_remote, .data = &asked};
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    (void)state;
    assert_int_equal(workflow_parse("ci.yml", source, strlen(source), &opts, &w, &lint), 0);
    assert_string_equal(buf_str(&asked),
                        "o/r/.github/workflows/x.yml@v1\no/r/.github/workflows/deep.yml@v1\n");
    assert_string_equal(w->jobs[0].called->jobs[0].called->jobs[0].id, "c");
    workflow_free(w);
}

/* What only Gitea and Forgejo take, as each of them, as GitHub, and as a file of nobody's folder. */
static void test_forges(void **state)
{
    enum { NOBODYS = -1 };
    static const struct {
        const char *file;
        int as; /* whose a file of nobody's folder is then; NOBODYS: not even theirs */
    } files[] = {
        {STEPS "      - run: echo ${{ gitea.ref }}\n", FORGE_GITEA},
        {STEPS "      - run: echo ${{ Forgejo.ref }} ${{ forgejo.event.x }}\n", FORGE_FORGEJO},
        {STEPS "      - if: forge.ref\n        run: echo\n", FORGE_FORGEJO},
        {ON "enable-email-notifications: true # forgejo\n" JOB, FORGE_FORGEJO},
        {ON "jobs: {a: {uses: ./.gitea/workflows/good.yml}}\n", FORGE_GITEA},
        {ON "jobs: {a: {runs-on: x, uses: https://h/o/r/.forgejo/workflows/x.yml@v1}}\n", FORGE_FORGEJO},
        {"on: {schedule: [{cron: '@daily'}]}\nenv: {A: gitea}\n" JOB, FORGE_GITEA},
        {STEPS "      - run: echo ${{ gitea_.ref }} ${{ gitea.ref }}\n", NOBODYS},
        {ON "jobs: {a: {uses: ./.forgejo/elsewhere/x.yml}}\n", NOBODYS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        for (enum forge f = FORGE_GITHUB; f <= FORGE_UNKNOWN; f++) {
            const struct workflow_opts opts = {.forge = f};
            _lint_ struct lint lint = {0};
            struct workflow *w = NULL;
            bool good = f != FORGE_GITHUB && files[i].as != NOBODYS;
            int r = workflow_parse("w.yml", files[i].file, strlen(files[i].file), &opts, &w, &lint);
            if ((r == 0) != good || (w && (int)w->forge != (f == FORGE_UNKNOWN ? files[i].as : (int)f)) ||
                (lint.n == 0) != good)
                fail_msg("%s  as %d: %d %s", files[i].file, (int)f, r, lint.n ? lint.errors[0].msg : "");
            workflow_free(w);
        }
}

static void test_permissions(void **state)
{
    static const struct {
        const char *yaml, *want;
    } rows[] = {
        {"{}", "metadata: read\n"},
        {"{contents: write, issues: none, id-token: write}",
         "contents: write\nid-token: write\nmetadata: read\n"},
        {"read-all",
         "actions: read\nartifact-metadata: read\nattestations: read\nchecks: read\ncontents: read\n"
         "deployments: read\ndiscussions: read\nissues: read\npackages: read\npages: read\n"
         "pull-requests: read\nrepository-projects: read\nstatuses: read\nsecurity-events: read\n"
         "id-token: read\nmodels: read\nmetadata: read\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _buf_ struct buf text = BUF_INIT, got = BUF_INIT;
        buf_addf(&text, ON "permissions: %s\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n", rows[i].yaml);
        struct workflow *w = parse(buf_str(&text));
        permissions_text(w->permissions, &got);
        assert_string_equal(buf_str(&got), rows[i].want);
        workflow_free(w);
    }
}

/* Each value is within its own limit, all together are not. */
static void test_values_are_bounded(void **state)
{
    _json_ json_t *contexts = json_object(), *got = NULL;
    const struct expr_env env = {.contexts = contexts};
    _buf_ struct buf value = BUF_INIT, text = BUF_INIT;
    struct err err = {0};

    (void)state;
    buf_adds(&value, "'xxxx'");
    for (int i = 0; i < 6; i++) {
        _buf_ struct buf inner = value;
        value = BUF_INIT;
        buf_addf(&value, "format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', %s)", buf_str(&inner));
    }
    buf_addf(&text, ON "env:\n  A: ${{ %s }}\n  B: ${{ %s }}\n  C: ${{ %s }}\n" JOB, buf_str(&value),
             buf_str(&value), buf_str(&value));
    struct workflow *w = parse(buf_str(&text));
    assert_int_equal(token_eval(w->env, w->file, &env, &got, &err), -EINVAL);
    assert_string_equal(err.msg, "w.yml (Line: 5, Col: 6): Maximum object size exceeded");
    workflow_free(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml),        cmocka_unit_test(test_plain_scalars),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_schema),
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_calls),       cmocka_unit_test(test_steps),
        cmocka_unit_test(test_structs),     cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_scalars),     cmocka_unit_test(test_remote_calls),
        cmocka_unit_test(test_permissions), cmocka_unit_test(test_values_are_bounded),
        cmocka_unit_test(test_forges),
    };

    return cmocka_run_group_tests_name("workflows", tests, NULL, NULL);
}
