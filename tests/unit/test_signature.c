/* Which line says what went wrong, and what of it stays the same from run to run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/knowledge.h"
#include "runfs/str.h"
#include "text_rows.h"

static void line_of(const char *text, struct buf *ret)
{
    failure_line(text, strlen(text), ret);
}

static void the_cause_is_found_among_what_follows_from_it(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"all is well\n", "all is well"},
        {"cc -c a.c\na.c: In function 'main':\na.c:3:5: error: expected ';'\nmake: *** [Makefile:2: a.o] "
         "Error 1\n",
         "a.c:3:5: error: expected ';'"},
        {"   Compiling x\nerror[E0308]: mismatched types\n --> src/main.rs:2:18\nerror: could not compile "
         "`x`\n",
         "error[E0308]: mismatched types"},
        {"npm ERR! code E404\nnpm ERR! 404 Not Found - GET https://registry\nnpm ERR! A complete log\n",
         "npm ERR! 404 Not Found - GET https://registry"},
        {"Traceback (most recent call last):\n  File \"a.py\", line 1\nModuleNotFoundError: No module named "
         "'x'\n",
         "ModuleNotFoundError: No module named 'x'"},
        {"=== RUN TestA\n--- FAIL: TestA (0.00s)\n    a_test.go:5: no\nFAIL\n", "--- FAIL: TestA (0.00s)"},
        {"Reading lists\nE: Unable to locate package nope\n", "E: Unable to locate package nope"},
        {"fatal: not a git repository\n", "fatal: not a git repository"},
        {"/home/r/step-1.sh: line 2: nope: command not found\n",
         "/home/r/step-1.sh: line 2: nope: command not found"},
        {"step.sh: 1: nope: not found\n", "step.sh: 1: nope: not found"},
        {"cat: nope: No such file or directory\n", "cat: nope: No such file or directory"},
        {"ok 1 - a\nnot ok 2 - b\nok 3\n", "not ok 2 - b"},
        {"0 errors so far\nmake: *** [x] Error 2\n", "make: *** [x] Error 2"},
        {"starting\nthe upload failed\nbye\n", "the upload failed"},
        {"AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:\n\n1 !== 2\n\nNode.js "
         "v20.1\n",
         "AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:"},
        {">       assert 1 == 2\nE       assert 1 == 2\nFAILED test_a.py::test_a - assert 1 == 2\n1 failed\n",
         "FAILED test_a.py::test_a - assert 1 == 2"},
        {"FAIL src/a.test.js\n  \u25cf adds 1 + 2\n\nTest Suites: 1 failed\n", "  \u25cf adds 1 + 2"},
        {"F.\n\nFailures:\n\n  1) Calculator adds\n     Failure/Error: expect(2).to eq(3)\n",
         "  1) Calculator adds"},
        {"There was 1 failure:\n\n1) CalcTest::testAdd\nFailed asserting\n", "1) CalcTest::testAdd"},
        {"/usr/bin/ld: cannot find -lfoo\ncollect2: error: ld returned 1 exit status\n",
         "/usr/bin/ld: cannot find -lfoo"},
        {"Diff in /home/u/src/main.rs at line 1:\n-fn main(){}\n+fn main() {}\n",
         "Diff in /home/u/src/main.rs at line 1:"},
        {"What to do:\n  1) Read\nfatal: bad\n", "fatal: bad"},
        {"\033[31mfatal: \033[0mbad\033[0m   \n", "fatal: bad"},
    };

    (void)state;
    CHECK(rows, line_of);
}

static void what_varies_is_left_out(void **state)
{
    static const struct row rows[] = {
        {"src/main.c:12:5: error: x", "main.c:N:N: error: x"},
        {"/home/runner/work/a/b/src/main.c:7:1: error: x", "main.c:N:N: error: x"},
        {"./src/main.c:7:1: error: x", "main.c:N:N: error: x"},
        {"../../src/main.c:7:1: error: x", "main.c:N:N: error: x"},
        {"error[E0308]: mismatched types", "error[E0308]: mismatched types"},
        {"2024-05-01T10:11:12.123Z failed", "TIME failed"},
        {"10:11:12 failed after 1.5s", "TIME failed after Ns"},
        {"cannot checkout 3f2a9bc81d", "cannot checkout HASH"},
        {"commit 1938a9a0c5f0b1c2d3e4f5a6b7c8d9e0f1a2b3c4 is bad", "commit HASH is bad"},
        {"at 0x7ffd01", "at HASH"},
        {"id 123e4567-e89b-12d3-a456-426614174000", "id HASH"},
        {"cat: /tmp/tmp.Xy12z/file: No such file or directory", "cat: PATH: No such file or directory"},
        {"--- FAIL: TestA (0.02s)", "--- FAIL: TestA (Ns)"},
        {"exit code 137", "exit code N"},
        {"GET https://one.example/x/3: Not found", "GET https://one.example/x/N: Not found"},
        {"the facade decided", "the facade decided"},
    };

    (void)state;
    CHECK(rows, failure_normalise);
}

/* Long, without line ends, no UTF-8: whatever a program prints. */
static void hostile_output_has_a_line_too(void **state)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    _buf_ struct buf line = BUF_INIT, signature = BUF_INIT;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)("/a1\xff b0\x1b[:\""[i * 2654435761u % 11]);
    text[SIZE] = '\0';
    failure_line(text, SIZE, &line);
    failure_normalise(buf_str(&line), &signature);
    assert_true(utf8_valid(buf_str(&line), line.len));
    assert_true(utf8_valid(buf_str(&signature), signature.len));
    assert_true(signature.len <= SIGNATURE_MAX);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cause_is_found_among_what_follows_from_it),
        cmocka_unit_test(what_varies_is_left_out),
        cmocka_unit_test(hostile_output_has_a_line_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
