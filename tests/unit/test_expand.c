/* Workflows written out: what is added, what stays, and that the result means the same to the parser. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/lang/yaml.h"
#include "core/lang/yaml_write.h"
#include "runfs/io.h"
#include "runfs/plan.h"
#include "runfs/str.h"

/* Expands; the result must be accepted as the text was, and expand to itself. */
static void expand(const char *file, const char *text, const json_t *matrices, struct buf *ret)
{
    _lint_ struct lint lint = {0}, again = {0};
    _buf_ struct buf second = BUF_INIT;
    static const struct workflow_opts opts = {0};
    struct workflow *w = NULL, *w2 = NULL;

    if (workflow_parse(file, text, strlen(text), &opts, &w, &lint) < 0)
        fail_msg("%s", lint.n ? lint.errors[0].msg : file);
    assert_int_equal(workflow_expand(w, text, strlen(text), matrices, ret), 0);
    workflow_free(w);
    if (workflow_parse(file, buf_str(ret), ret->len, &opts, &w2, &again) < 0)
        fail_msg("%s, expanded: %s\n%s", file, again.n ? again.errors[0].msg : "?", buf_str(ret));
    assert_int_equal(workflow_expand(w2, buf_str(ret), ret->len, matrices, &second), 0);
    workflow_free(w2);
    assert_string_equal(buf_str(&second), buf_str(ret));
}

static const char source[] = "on: {push: }\n"
                             "permissions: read-all\n"
                             "defaults: {run: {shell: sh, working-directory: src}}\n"
                             "env: &env {A: '1', B: \"no\"}\n"
                             "jobs:\n"
                             "  build:\n"
                             "    needs: first\n"
                             "    if: github.ref == 'refs/heads/main'\n"
                             "    strategy: {max-parallel: 2, matrix: {os: [a, b]}}\n"
                             "    runs-on: x-${{ matrix.os }}\n"
                             "    permissions: {contents: write}\n"
                             "    defaults: {run: {shell: bash}}\n"
                             "    steps:\n"
                             "      - uses: actions/checkout@v4\n"
                             "        env: *env\n"
                             "      - {run: \"make\\nmake test\\n\", if: '!cancelled()', env: *env}\n"
                             "  first:\n"
                             "    timeout-minutes: 5\n"
                             "    runs-on: x\n"
                             "    steps: [{run: echo, working-directory: /, shell: python}]\n";

static const char expanded[] = "on:\n"
                               "  push:\n"
                               "permissions: read-all\n"
                               "defaults:\n"
                               "  run:\n"
                               "    shell: sh\n"
                               "    working-directory: src\n"
                               "env:\n"
                               "  A: '1'\n"
                               "  B: no\n"
                               "jobs:\n"
                               "  build:\n"
                               "    needs:\n"
                               "    - first\n"
                               "    if: success() && (github.ref == 'refs/heads/main')\n"
                               "    strategy:\n"
                               "      max-parallel: 2\n"
                               "      fail-fast: true\n"
                               "      matrix:\n"
                               "        include:\n"
                               "        - os: a\n"
                               "        - os: b\n"
                               "          v: 1.5\n"
                               "    runs-on: x-${{ matrix.os }}\n"
                               "    permissions:\n"
                               "      contents: write\n"
                               "    defaults:\n"
                               "      run:\n"
                               "        shell: bash\n"
                               "    timeout-minutes: 360\n"
                               "    cancel-timeout-minutes: 5\n"
                               "    continue-on-error: false\n"
                               "    steps:\n"
                               "    - uses: actions/checkout@v4\n"
                               "      env:\n"
                               "        A: '1'\n"
                               "        B: no\n"
                               "      if: success()\n"
                               "      continue-on-error: false\n"
                               "    - run: |\n"
                               "        make\n"
                               "        make test\n"
                               "      if: '!cancelled()'\n"
                               "      env:\n"
                               "        A: '1'\n"
                               "        B: no\n"
                               "      shell: bash\n"
                               "      working-directory: src\n"
                               "      continue-on-error: false\n"
                               "  first:\n"
                               "    timeout-minutes: 5\n"
                               "    runs-on: x\n"
                               "    if: success()\n"
                               "    permissions: read-all\n"
                               "    cancel-timeout-minutes: 5\n"
                               "    continue-on-error: false\n"
                               "    steps:\n"
                               "    - run: echo\n"
                               "      working-directory: /\n"
                               "      shell: python\n"
                               "      if: success()\n"
                               "      continue-on-error: false\n";

static void written_out(void **state)
{
    _json_ json_t *matrices = json_pack("{s:[{s:s}, {s:s, s:f}]}", "build", "os", "a", "os", "b", "v", 1.5);
    _buf_ struct buf text = BUF_INIT;

    (void)state;
    expand("ci.yml", source, matrices, &text);
    assert_string_equal(buf_str(&text), expanded);
}

/* A shell that nobody names is not `bash`; a matrix that is not known yet stays; calls take no timeouts. */
static void left_as_it_is(void **state)
{
    static const char some[] = "on: push\n"
                               "jobs:\n"
                               "  a:\n"
                               "    runs-on: x\n"
                               "    outputs: {m: '[1]'}\n"
                               "    steps: [{run: echo}]\n"
                               "  b:\n"
                               "    needs: a\n"
                               "    runs-on: x\n"
                               "    strategy: {matrix: {v: '${{ fromJSON(needs.a.outputs.m) }}'}}\n"
                               "    steps: [{run: 'echo ${{ secrets.TOKEN }} ${{ matrix.v }}'}]\n"
                               "  c:\n"
                               "    needs: a\n"
                               "    runs-on: x\n"
                               "    strategy: ${{ fromJSON(needs.a.outputs.m) }}\n"
                               "    steps: [{run: echo}]\n"
                               "  d: {uses: o/r/.github/workflows/x.yml@v1}\n";
    _json_ json_t *none = json_object(), *some_json = json_pack("{s:[{s:i}]}", "c", "v", 1);
    _buf_ struct buf text = BUF_INIT;

    (void)state;
    expand("ci.yml", some, none, &text);
    assert_non_null(strstr(buf_str(&text), "shell: bash -e {0}\n"));
    assert_non_null(strstr(buf_str(&text), "        v: ${{ fromJSON(needs.a.outputs.m) }}\n"));
    assert_non_null(strstr(buf_str(&text), "run: echo ${{ secrets.TOKEN }} ${{ matrix.v }}\n"));
    assert_non_null(strstr(buf_str(&text), "    strategy: ${{ fromJSON(needs.a.outputs.m) }}\n"));
    assert_non_null(
        strstr(buf_str(&text), "  d:\n    uses: o/r/.github/workflows/x.yml@v1\n    if: success()\n"));
    buf_reset(&text);
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;
    assert_int_equal(workflow_parse("ci.yml", some, strlen(some), NULL, &w, &lint), 0);
    assert_int_equal(workflow_expand(w, some, strlen(some), some_json, &text), 0);
    workflow_free(w);
    assert_non_null(
        strstr(buf_str(&text), "    strategy:\n      matrix:\n        include:\n        - v: 1\n"));
}

static void examples(void **state)
{
    _json_ json_t *none = json_object();
    glob_t found;

    (void)state;
    if (glob("examples/workflows/*.yml", 0, NULL, &found) != 0)
        skip();
    for (size_t i = 0; i < found.gl_pathc; i++) {
        _buf_ struct buf text = BUF_INIT, out = BUF_INIT;
        assert_int_equal(read_file(found.gl_pathv[i], 1 << 20, &text, NULL), 0);
        expand(found.gl_pathv[i], buf_str(&text), none, &out);
    }
    globfree(&found);
}

/* Any text comes back as the text it was. */
static void round_trip(void **state)
{
    static const char *const pieces[] = {"a", " ", "\n", "  ",   "\t", "#",    ": ", "- ", "'", "\"",
                                         "{", "[", "!",  "&x",   "*x", "%",    "@",  "|",  ">", "\\",
                                         "é", "1", "0x", "true", "~",  "\r\n", "€",  "😀",  ",", "?"};
    unsigned seed = 3;

    (void)state;
    for (int i = 0; i < 4000; i++) {
        _arena_ struct arena a = {0};
        _buf_ struct buf text = BUF_INIT, yaml = BUF_INIT;
        struct token value = {.kind = TOKEN_STRING}, key = {.kind = TOKEN_STRING, .str = "k", .len = 1},
                     *back;
        struct yaml_tree tree = {0};
        struct token_pair pair = {&key, &value};
        struct token map = {.kind = TOKEN_MAPPING, .map = {&pair, 1}};
        struct yaml_error error = {0};
        for (int n = rand_r(&seed) % 9; n >= 0; n--)
            buf_adds(&text, pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
        value.str = buf_str(&text);
        value.len = text.len;
        assert_int_equal(yaml_write(&map, 1 << 20, &yaml), 0);
        if (yaml_read(&a, buf_str(&yaml), yaml.len, &tree, &error) < 0)
            fail_msg("%s\n%s", error.err.msg, buf_str(&yaml));
        back = token_get(tree.root, "k");
        assert_non_null(back);
        if (back->kind != TOKEN_STRING || !str_eq(back->str, buf_str(&text)))
            fail_msg("'%s' became (%d) '%s' by\n%s", buf_str(&text), back->kind, back->str, buf_str(&yaml));
    }
}

static void bounded(void **state)
{
    struct token text = {.kind = TOKEN_STRING, .str = "0123456789", .len = 10}, *items[10], lists[6];
    _buf_ struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        items[i] = &text;
    struct token *nested[6][10];
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        for (size_t i = 0; i < 10; i++)
            nested[k][i] = k ? &lists[k - 1] : items[i];
        lists[k] = (struct token){.kind = TOKEN_SEQUENCE, .seq = {nested[k], 10}};
    }
    assert_int_equal(yaml_write(&lists[5], 1 << 20, &out), -EFBIG);
    assert_true(out.len < 2 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_out), cmocka_unit_test(left_as_it_is), cmocka_unit_test(examples),
        cmocka_unit_test(round_trip),  cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
