/* Plans: the order of jobs, and what is known of them before anything runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/plan.h"
#include "runfs/str.h"

static const char text[] = "name: CI\n"
                           "on: push\n"
                           "jobs:\n"
                           "  ship:\n"
                           "    needs: [test, lint]\n"
                           "    if: github.ref == 'refs/heads/main'\n"
                           "    runs-on: ubuntu-latest\n"
                           "    steps: [{uses: actions/checkout@v4}, {run: \"\\n  make ship\\nmore\"}]\n"
                           "  lint:\n"
                           "    runs-on: [self-hosted, '${{ github.ref_name }}']\n"
                           "    steps: [{name: 'Lint ${{ github.ref_name }}', run: make lint, id: l}]\n"
                           "  test:\n"
                           "    name: Test ${{ matrix.os }}\n"
                           "    needs: lint\n"
                           "    strategy: {matrix: {os: [a, b], v: [1]}}\n"
                           "    runs-on: ${{ matrix.os }}\n"
                           "    steps: [{run: make test}]\n"
                           "  more:\n"
                           "    needs: lint\n"
                           "    strategy: {matrix: '${{ fromJSON(needs.lint.outputs.m) }}'}\n"
                           "    runs-on: x\n"
                           "    steps: [{run: echo}]\n"
                           "  other:\n"
                           "    strategy: {matrix: {v: [1, 2]}}\n"
                           "    runs-on: x\n"
                           "    steps: [{run: echo}]\n";

static struct workflow *parse(const char *source)
{
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_parse("ci.yml", source, strlen(source), NULL, &w, &lint) < 0)
        fail_msg("%s", lint.n ? lint.errors[0].msg : "?");
    return w;
}

static void jobs_stand_behind_their_needs(void **state)
{
    static const char *const want[] = {"lint", "other", "test", "more", "ship"};
    struct workflow *w = parse(text);
    struct event e = {.name = "push", .ref = "refs/heads/main"};
    _json_ json_t *contexts = json_object();
    _json_ json_t *plan = plan_to_json(w, &e, contexts);
    json_t *jobs = json_object_get(plan, "jobs");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(jobs, i), "id")), want[i]);
    workflow_free(w);
}

/* The parser refuses both; a workflow made by hand must not hang the planner. */
static void circles_and_strangers_are_no_plan(void **state)
{
    const char *const a[] = {"b"}, *const b[] = {"a"}, *const c[] = {"nobody"};
    struct workflow_job jobs[] = {{.id = "a", .needs = a, .n_needs = 1},
                                  {.id = "b", .needs = b, .n_needs = 1}};
    struct workflow w = {.file = "w.yml", .name = "w", .jobs = jobs, .n_jobs = 2};
    struct event e = {.name = "push", .ref = "refs/heads/main"};

    (void)state;
    assert_null(plan_to_json(&w, &e, NULL));
    jobs[0].needs = c;
    assert_null(plan_to_json(&w, &e, NULL));
    w.n_jobs = 0;
    _json_ json_t *plan = plan_to_json(&w, &e, NULL);
    assert_int_equal(json_array_size(json_object_get(plan, "jobs")), 0);
}

static void check_job(const json_t *plan, size_t index, const char *want)
{
    _free_ char *got = json_dumps(json_array_get(json_object_get(plan, "jobs"), index), JSON_COMPACT);

    assert_non_null(got);
    for (char *p = got; *p; p++)
        if (*p == '"')
            *p = '`';
    assert_string_equal(got, want);
}

static void as_json(void **state)
{
    struct workflow *w = parse(text);
    struct event e = {.name = "push", .ref = "refs/heads/main"};
    _json_ json_t *contexts =
        json_pack("{s:{s:s, s:s}}", "github", "ref_name", "main", "ref", "refs/heads/main");
    _json_ json_t *plan = plan_to_json(w, &e, contexts);

    (void)state;
    assert_non_null(plan);
    assert_string_equal(json_string_value(json_object_get(plan, "workflow")), "CI");
    assert_string_equal(json_string_value(json_object_get(plan, "why")), "push: branch main");
    assert_true(json_is_true(json_object_get(plan, "triggered")));
    check_job(
        plan, 0,
        "{`id`:`lint`,`name`:`lint`,`needs`:[],`if`:`success()`,`runs_on`:[`self-hosted`,`main`],`stage`:1,"
        "`uses`:null,`called`:null,`matrix`:null,`matrix_names`:null,`matrix_why`:null,`steps`:[{`number`:1,`"
        "id`:`l`,`name`"
        ":"
        "`Lint main`,`if`:`success()`,`kind`:`run`}]}");
    check_job(plan, 1,
              "{`id`:`other`,`name`:`other`,`needs`:[],`if`:`success()`,`runs_on`:`x`,`stage`:1,`uses`:null,`"
              "called`:null,`"
              "matrix`:"
              "[{`v`:1},{`v`:2}],`matrix_names`:[`other (1)`,`other "
              "(2)`],`matrix_why`:null,`steps`:[{`number`:1,`id`:"
              "`__run`,`name`:`Run echo`,`if`:`success()`,`kind`:`run`}]}");
    check_job(
        plan, 2,
        "{`id`:`test`,`name`:`${{ format('Test {0}', matrix.os) "
        "}}`,`needs`:[`lint`],`if`:`success()`,`runs_on`:"
        "`${{ matrix.os "
        "}}`,`stage`:2,`uses`:null,`called`:null,`matrix`:[{`os`:`a`,`v`:1},{`os`:`b`,`v`:1}],`matrix_names`:"
        "["
        "`Test a`,`Test b`],`matrix_why`:null,`steps`:[{`number`:1,`id`:`__run`,`name`:`Run make test`,`if`:"
        "`success()`,`kind`:`run`}]}");
    check_job(
        plan, 3,
        "{`id`:`more`,`name`:`more`,`needs`:[`lint`],`if`:`success()`,`runs_on`:`x`,`stage`:2,`uses`:null,`"
        "called`:null,"
        "`matrix`:null,`matrix_names`:null,`matrix_why`:`waits for needs: ${{ fromJSON(needs.lint.outputs.m) "
        "}}`,"
        "`steps`:[{`number`:1,`id`:`__run`,`name`:`Run echo`,`if`:`success()`,`kind`:`run`}]}");
    check_job(
        plan, 4,
        "{`id`:`ship`,`name`:`ship`,`needs`:[`test`,`lint`],`if`:`success() && (github.ref == "
        "'refs/heads/"
        "main')`,`runs_on`:`ubuntu-latest`,`stage`:3,`uses`:null,`called`:null,`matrix`:null,`matrix_names`:"
        "null,"
        "`matrix_why`:null,`steps`:[{`number`:1,`id`:`__actions_checkout`,`name`:`Run "
        "actions/checkout@v4`,`if`:"
        "`success()`,`kind`:`uses`},{`number`:2,`id`:`__run`,`name`:`Run make ship`,`if`:`success()`,`kind`:"
        "`run`}]}");
    workflow_free(w);
}

static void says_what_is_wrong_with_a_matrix(void **state)
{
    struct workflow *w =
        parse("on: push\njobs:\n  a:\n    strategy: {matrix: {v: '${{ fromJSON(vars.LIST) }}'}}\n"
              "    runs-on: x\n    steps: [{run: echo}]\n");
    struct event e = {.name = "issues", .ref = ""};
    _json_ json_t *contexts = json_pack("{s:{s:s}}", "vars", "LIST", "[]");
    _json_ json_t *plan = plan_to_json(w, &e, contexts);
    const json_t *job = json_array_get(json_object_get(plan, "jobs"), 0);

    (void)state;
    assert_false(json_is_true(json_object_get(plan, "triggered")));
    assert_string_equal(json_string_value(json_object_get(job, "matrix_why")),
                        "Matrix vector 'v' does not contain any values");
    workflow_free(w);
}

static int find_called(void *data, const char *uses, struct buf *ret, struct err *err)
{
    (void)data, (void)err;
    buf_adds(ret, str_eq(uses, "./.github/workflows/x.yml")
                      ? "on: {workflow_call: {inputs: {who: {type: string, required: true}}}}\n"
                        "jobs:\n"
                        "  a: {name: 'for ${{ inputs.who }}', runs-on: x, steps: [{run: echo}]}\n"
                        "  b: {needs: a, strategy: {matrix: {v: [1]}}, runs-on: x, steps: [{run: echo}]}\n"
                      : "");
    return ret->len ? 0 : -ENOENT;
}

/* What a called workflow is given is known, or waits for a need. */
static void called_workflows(void **state)
{
    static const char source[] =
        "on: push\n"
        "jobs:\n"
        "  one: {uses: ./.github/workflows/x.yml, with: {who: '${{ github.ref_name }}'}}\n"
        "  two: {needs: one, uses: ./.github/workflows/x.yml, with: {who: '${{ needs.one.result }}'}}\n";
    static const char *const names[] = {"for main", "${{ format('for {0}', inputs.who) }}"};
    struct workflow_opts opts = {.find = find_called};
    struct event e = {.name = "push", .ref = "refs/heads/main"};
    _json_ json_t *contexts = json_pack("{s:{s:s}, s:{}}", "github", "ref_name", "main", "inputs");
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    (void)state;
    assert_int_equal(workflow_parse("ci.yml", source, strlen(source), &opts, &w, &lint), 0);
    _json_ json_t *plan = plan_to_json(w, &e, contexts);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *called = json_object_get(json_array_get(json_object_get(plan, "jobs"), i), "called");
        json_t *jobs = json_object_get(called, "jobs"), *b = json_array_get(jobs, 1);
        assert_string_equal(json_string_value(json_object_get(called, "workflow")),
                            ".github/workflows/x.yml");
        assert_string_equal(json_string_value(json_object_get(json_array_get(jobs, 0), "name")), names[i]);
        assert_int_equal(json_integer_value(json_object_get(b, "stage")), 2);
        assert_string_equal(json_string_value(json_array_get(json_object_get(b, "matrix_names"), 0)),
                            "b (1)");
    }
    workflow_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_stand_behind_their_needs),
        cmocka_unit_test(circles_and_strangers_are_no_plan),
        cmocka_unit_test(as_json),
        cmocka_unit_test(called_workflows),
        cmocka_unit_test(says_what_is_wrong_with_a_matrix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
