/* Action manifests: what they say, and what the runner says of those that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/action.h"
#include "runfs/str.h"

/* errors: one a line without the "a/action.yml", NULL for a file that is accepted */
struct row {
    const char *file, *errors;
};

#define COMPOSITE "runs:\n  using: composite\n  steps:\n"

static struct action *parse(const char *text)
{
    _lint_ struct lint lint = {0};
    struct action *a = NULL;

    if (action_parse("a/action.yml", text, strlen(text), FORGE_GITHUB, &a, &lint) < 0)
        fail_msg("%s\n  gives  %s", text, lint.n ? lint.errors[0].msg : "no words");
    return a;
}

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _lint_ struct lint lint = {0};
        _buf_ struct buf got = BUF_INIT;
        struct action *a = NULL;
        int r = action_parse("a/action.yml", rows[i].file, strlen(rows[i].file), FORGE_GITHUB, &a, &lint);
        for (size_t k = 0; k < lint.n; k++)
            buf_addf(&got, "%s%s", k ? "\n" : "", lint.errors[k].msg + strlen("a/action.yml"));
        if (r != (rows[i].errors ? -EINVAL : 0) ||
            !str_eq(buf_str(&got), rows[i].errors ? rows[i].errors : ""))
            fail_msg("%s\n  gives  %s\n  not    %s", rows[i].file, buf_str(&got), rows[i].errors);
        action_free(a);
    }
}

static void check_condition(const struct expr *e, const char *text)
{
    assert_non_null(e);
    assert_string_equal(expr_text(e), text);
}

static void test_node(void **state)
{
    struct action *a = parse("name: Greet\n"
                             "description: Says hello\n"
                             "author: someone\n"
                             "branding: {icon: smile, color: green}\n"
                             "inputs:\n"
                             "  Who-To-Greet:\n"
                             "    description: the name\n"
                             "    required: true\n"
                             "    default: ${{ github.actor }}\n"
                             "  times: {default: 3}\n"
                             "  quiet: {required: 'true', deprecationMessage: use times, type: boolean}\n"
                             "outputs:\n"
                             "  text: {description: what was said}\n"
                             "runs:\n"
                             "  using: Node20\n"
                             "  pre: pre.js\n"
                             "  pre-if: runner.os == 'Linux'\n"
                             "  main: dist/index.js\n"
                             "  post: post.js\n");

    (void)state;
    assert_string_equal(a->name, "Greet");
    assert_string_equal(a->description, "Says hello");
    assert_int_equal(a->using, ACTION_NODE);
    assert_string_equal(a->using_text, "Node20");
    assert_string_equal(a->main, "dist/index.js");
    assert_string_equal(a->pre, "pre.js");
    assert_string_equal(a->post, "post.js");
    check_condition(a->pre_if, "runner.os == 'Linux'");
    check_condition(a->post_if, "always()");
    assert_int_equal(a->n_inputs, 3);
    const struct action_input *who = action_input(a, "WHO-to-greet");
    assert_non_null(who);
    assert_true(who->required);
    assert_string_equal(who->name, "Who-To-Greet");
    assert_string_equal(who->description, "the name");
    assert_int_equal(who->fallback->kind, TOKEN_EXPRESSION);
    assert_string_equal(action_input(a, "times")->fallback->str, "3");
    assert_string_equal(action_input(a, "times")->description, "");
    assert_true(action_input(a, "quiet")->required);
    assert_string_equal(action_input(a, "quiet")->deprecation, "use times");
    assert_null(action_input(a, "quiet")->fallback);
    assert_null(action_input(a, "who"));
    assert_int_equal(a->n_outputs, 1);
    assert_string_equal(a->outputs[0].description, "what was said");
    assert_null(a->outputs[0].value);
    action_free(a);
}

static void test_composite(void **state)
{
    struct action *a = parse("inputs: {who: {}}\n"
                             "outputs:\n"
                             "  text: {value: '${{ steps.say.outputs.text }}'}\n" COMPOSITE
                             "    - run: echo ${{ inputs.who }}\n"
                             "      shell: ${{ inputs.shell }}\n"
                             "      if: inputs.who != ''\n"
                             "    - id: say\n"
                             "      run: echo\n"
                             "      shell: bash\n"
                             "      if: ${{ failure() }}\n"
                             "      continue-on-error: true\n"
                             "    - uses: ./other\n"
                             "      with: {a: '${{ env.A }}'}\n"
                             "    - uses: actions/cache@v4\n");

    (void)state;
    assert_int_equal(a->using, ACTION_COMPOSITE);
    assert_int_equal(a->n_steps, 4);
    assert_string_equal(a->steps[0].id, "__run");
    check_condition(a->steps[0].condition, "success() && (inputs.who != '')");
    assert_int_equal(a->steps[0].shell->kind, TOKEN_EXPRESSION);
    assert_string_equal(a->steps[1].id, "say");
    check_condition(a->steps[1].condition, "failure()");
    assert_int_equal(a->steps[1].continue_on_error->kind, TOKEN_BOOLEAN);
    assert_string_equal(a->steps[2].id, "__self");
    check_condition(a->steps[2].condition, "success()");
    assert_string_equal(a->steps[3].id, "__actions_cache");
    assert_int_equal(a->outputs[0].value->kind, TOKEN_EXPRESSION);
    action_free(a);
}

static void test_docker(void **state)
{
    struct action *a = parse("runs:\n"
                             "  using: docker\n"
                             "  image: docker://alpine:3\n"
                             "  entrypoint: /run\n"
                             "  pre-entrypoint: /pre\n"
                             "  post-entrypoint: /post\n"
                             "  post-if: success()\n"
                             "  args: [-x, '${{ inputs.a }}']\n"
                             "  env: {A: '${{ inputs.a }}'}\n");

    (void)state;
    assert_int_equal(a->using, ACTION_DOCKER);
    assert_string_equal(a->image, "docker://alpine:3");
    assert_string_equal(a->entrypoint, "/run");
    assert_string_equal(a->pre_entrypoint, "/pre");
    assert_string_equal(a->post_entrypoint, "/post");
    check_condition(a->post_if, "success()");
    assert_int_equal(a->args->seq.n, 2);
    assert_true(token_has_expr(a->env));
    action_free(a);
}

static void test_unknown_keys(void **state)
{
    static const struct row rows[] = {
        {"runs: {using: node20, main: a}\nx: [1, {y: 2}]\ninputs: {a: {type: number, options: [1]}}", NULL},
        {"runs: {using: node20, main: a, x: 1}", " (Line: 1, Col: 32): Unexpected value 'x'"},
        {"runs: {using: node20, main: a}\noutputs: {a: {x: 1}}", " (Line: 2, Col: 15): Unexpected value 'x'"},
        {"runs: {using: node20, main: a, image: b}", " (Line: 1, Col: 32): Unexpected value 'image'"},
        {COMPOSITE "    - {run: a, shell: sh, timeout-minutes: 1}", " (Line: 4, Col: 27): Unexpected value "
                                                                    "'timeout-minutes'"},
        {"runs: {using: node20, main: a}\ninputs: {a: {}, A: {}}",
         " (Line: 2, Col: 17): 'A' is already defined"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void test_runs(void **state)
{
    static const struct row rows[] = {
        {"name: a", " (Line: 1, Col: 1): Top level 'runs:' section is required for a/action.yml"},
        {"", ": The file is empty"},
        {"runs: {using: node20, pre: a, pre-if: always()}",
         " (Line: 1, Col: 7): You are using a JavaScript Action but there is not an entry JavaScript file "
         "provided in a/action.yml."},
        {"runs: {using: docker, entrypoint: a}", " (Line: 1, Col: 7): You are using a Container Action but "
                                                 "an image is not provided in a/action.yml."},
        {"runs: {using: composite, image: a}",
         " (Line: 1, Col: 7): You are using a composite action but there are no steps provided in "
         "a/action.yml."},
        {"runs: {using: composite}",
         " (Line: 1, Col: 7): There's not enough info to determine what you meant. Add one of these "
         "properties: args, entrypoint, env, image, main, post, post-entrypoint, pre, pre-entrypoint, steps"},
        {"runs: {using: node99, main: a}", " (Line: 1, Col: 15): 'using: node99' is not supported, use "
                                           "'docker', 'node12', 'node16', 'node20' or "
                                           "'node24' instead."},
        {"runs: {main: a}",
         " (Line: 1, Col: 7): Missing 'using' value. 'using' requires 'composite', 'docker', 'node12', "
         "'node16', 'node20' or 'node24'."},
        {"runs: {plugin: a}",
         " (Line: 1, Col: 7): Missing 'using' value. 'using' requires 'composite', 'docker', 'node12', "
         "'node16', 'node20' or 'node24'."},
        {"runs: {using: node20, main: a, post-if: '1 +'}",
         " (Line: 1, Col: 41): Unexpected symbol: '+'. Located at position 3 within expression: 1 +"},
        {"runs: {using: node20, main: a, post-if: '${{ always() }}'}",
         " (Line: 1, Col: 41): Unrecognized function: 'always'. Located at position 1 within expression: "
         "always()"},
        {COMPOSITE "    - run: a", " (Line: 4, Col: 7): Required property is missing: shell"},
        {COMPOSITE "    - shell: sh", " (Line: 4, Col: 7): Required property is missing: run"},
        {COMPOSITE "    - uses: checkout",
         " (Line: 4, Col: 13): Expected format {org}/{repo}[/path]@ref. Actual "
         "'checkout'"},
        {COMPOSITE "    - {id: a b, run: a, shell: sh}",
         " (Line: 4, Col: 12): The identifier 'a b' is invalid. IDs may only contain alphanumeric "
         "characters, "
         "'_', and '-'. IDs must start with a letter or '_' and and must be less than 100 characters."},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

/* An action does not see the secrets, variables and needs of who calls it; its inputs only in its steps. */
static void test_contexts(void **state)
{
#define UNKNOWN(name)                                                                                        \
    "Unrecognized named-value: '" name "'. Located at position 1 within expression: " name ".x"
    static const struct row rows[] = {
        {COMPOSITE "    - {run: '${{ secrets.x }}', shell: sh}", " (Line: 4, Col: 13): " UNKNOWN("secrets")},
        {COMPOSITE "    - {run: '${{ vars.x }}', shell: sh}", " (Line: 4, Col: 13): " UNKNOWN("vars")},
        {COMPOSITE "    - {run: '${{ needs.x }}', shell: sh}", " (Line: 4, Col: 13): " UNKNOWN("needs")},
        {COMPOSITE "    - {run: \"${{ hashFiles('a') }}\", shell: sh}", NULL},
        {COMPOSITE "    - {run: a, shell: sh, if: cancelled() || secrets.x}",
         " (Line: 4, Col: 31): Unrecognized named-value: 'secrets'. Located at position 16 within "
         "expression: "
         "cancelled() || secrets.x"},
        {"inputs: {a: {default: '${{ inputs.x }}'}}\nruns: {using: node20, main: a}",
         " (Line: 1, Col: 23): " UNKNOWN("inputs")},
        {"runs: {using: docker, image: a, args: ['${{ github.x }}']}",
         " (Line: 1, Col: 40): " UNKNOWN("github")},
        {"description: ${{ github.x }}\nruns: {using: node20, main: a}",
         " (Line: 1, Col: 14): " UNKNOWN("github")},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node),   cmocka_unit_test(test_composite),
        cmocka_unit_test(test_docker), cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_runs),   cmocka_unit_test(test_contexts),
    };

    return cmocka_run_group_tests_name("action manifests", tests, NULL, NULL);
}
