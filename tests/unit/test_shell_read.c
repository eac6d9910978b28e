/* Scripts to commands, and commands to nodes: each table says what a script runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/knowledge.h"
#include "runfs/str.h"
#include "text_rows.h"

/* "a b; c?": the commands as text, ? behind those whose failing does not end the script. */
static void flatten(const char *text, struct buf *ret)
{
    _shell_script_ struct shell_script s = {0};
    struct err err = {0};

    int r = shell_read(text, strlen(text), &s, &err);
    for (size_t i = 0; i < s.n; i++) {
        buf_adds(ret, i ? "; " : "");
        command_text(&s.commands[i], ret);
        buf_adds(ret, s.commands[i].guarded ? "?" : "");
    }
    if (r < 0)
        buf_addf(ret, "!%s", err.msg);
}

static void lists_and_pipelines(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"\n\n  # a comment\n", ""},
        {"make all", "make all"},
        {"make -j2 && make test", "make -j2; make test"},
        {"a; b & c", "a; b?; c"},
        {"a | b |& c", "a?; b?; c"},
        {"a || b", "a?; b"},
        {"a |\n b", "a?; b"},
        {"a \\\n  b", "a b"},
        {"! a", "a?"},
        {"a # b; c", "a"},
        {"a#b", "a#b"},
    };

    (void)state;
    CHECK(rows, flatten);
}

static void words(void **state)
{
    static const struct row rows[] = {
        {"echo 'a b' \"c; d\" e\\ f", "echo a b c; d e f"},
        {"echo $'it\\'s'", "echo it's"},
        {"A=1 B='x y' make", "make"},
        {"A=1", ""},
        {"A+=2 a[0]=3", ""},
        {"a=(one two) make", "make"},
        {"make CC=gcc", "make CC=gcc"},
        {"echo \"${a:-\"x}\"}\" b", "echo ${a:-\"x}\"} b"},
        {"echo $((1 + (2)))", "echo $((1 + (2)))"},
        {"echo @(a|b)", "echo @(a|b)"},
        {"echo hi >out 2>&1 <in", "echo hi"},
        {"echo 2 >out", "echo 2"},
        {">out", ""},
        {"echo \"a\\\"b\"", "echo a\"b"},
    };

    (void)state;
    CHECK(rows, flatten);
}

static void substitutions_come_first(void **state)
{
    static const struct row rows[] = {
        {"V=$(git describe)", "git describe?"},
        {"echo \"v $(git describe | tr a b)\"", "git describe?; tr a b?; echo v $(git describe | tr a b)"},
        {"echo `date +%s`", "date +%s?; echo `date +%s`"},
        {"diff <(sort a) <(sort b)", "sort a?; sort b?; diff <(sort a) <(sort b)"},
        {"echo $( (a) )", "a?; echo $( (a) )"},
        {"echo $((a); b)", "a?; b?; echo $((a); b)"},
        {"echo '$(not)'", "echo $(not)"},
    };

    (void)state;
    CHECK(rows, flatten);
}

static void compounds(void **state)
{
    static const struct row rows[] = {
        {"if a; then b; elif c; then d; else e; fi", "a?; b; c?; d; e"},
        {"while read x; do a \"$x\"; done <file", "read x?; a $x"},
        {"for f in *.c; do cc \"$f\"; done", "cc $f"},
        {"for f\ndo a; done", "a"},
        {"for ((i = 0; i < 3; i++)); do a; done", "a"},
        {"case $1 in a|b) x;; (c) y ;& *) z;; esac; w", "x; y; z; w"},
        {"case x in esac", ""},
        {"{ a; b; } 2>&1 | tee log", "a?; b?; tee log"},
        {"(cd x && make)", "cd x; make"},
        {"((i++)); a", "a"},
        {"[[ $a == b && ( -n $c || $d =~ ^(x|y)$ ) ]] && e", "e"},
        {"time -p make", "make"},
        {"echo if then fi", "echo if then fi"},
        {"'if' a", "if a"},
    };

    (void)state;
    CHECK(rows, flatten);
}

static void functions_stand_where_they_are_called(void **state)
{
    static const struct row rows[] = {
        {"f() { a; b; }\nc; f x; d", "c; a; b; d"},
        {"function f { a; }; f || true", "a?; true"},
        {"function f() (a); f; f", "a; a"},
        {"f() { g; }; g() { a; }; f", "a"},
        {"f() { a; f; }; f", "a"},
        {"retry() { \"$@\" || \"$@\"; }; retry make x", "make x?; make x"},
        {"never() { a; }; b", "b"},
    };

    (void)state;
    CHECK(rows, flatten);
}

static void here_documents_are_no_commands(void **state)
{
    static const struct row rows[] = {
        {"cat <<EOF\nmake\nEOF\nb", "cat; b"},    {"cat <<-'E F' >x; b\n\tmake\n\tE F\nc", "cat; b; c"},
        {"cat <<A <<B\n1\nA\n2\nB\nc", "cat; c"}, {"cat <<<\"a b\"; c", "cat; c"},
        {"cat <<EOF | sh\nx\nEOF\n", "cat?; sh"}, {"cat <<EOF\nnever closed", "cat"},
    };

    (void)state;
    CHECK(rows, flatten);
}

static void what_is_no_script_is_told_with_its_line(void **state)
{
    static const struct row rows[] = {
        {"a\nb 'c", "a!line 2: a ' is never closed"},
        {"if a; then", "a?!line 1: a compound command is never closed"},
        {"a; )", "a!line 1: there is an operator or a reserved word where a command should be"},
        {"echo $(a", "a?!line 1: a ( is never closed"},
        {"echo ${a", "!line 1: a ${ is never closed"},
    };

    (void)state;
    CHECK(rows, flatten);
}

/* ------------------------------------------------------------------------------------------------- nodes */

static void node(const char *text, struct buf *ret)
{
    _shell_script_ struct shell_script s = {0};

    assert_int_equal(shell_read(text, strlen(text), &s, NULL), 0);
    assert_int_equal(s.n, 1);
    enum command_nature nature = command_normalise(&s.commands[0], ret);
    buf_adds(ret, nature == COMMAND_INSTANT ? " (instant)" : nature == COMMAND_SETTING ? "(setting)" : "");
}

static void nodes(void **state)
{
    static const struct row rows[] = {
        {"cargo +nightly --color always test --release -- --nocapture", "cargo test"},
        {"cargo t", "cargo test"},
        {"git -C dir -c a=b checkout -b x", "git checkout"},
        {"git submodule update --init", "git submodule update"},
        {"npm ci", "npm ci"},
        {"npm i left-pad", "npm install"},
        {"npm --prefix web run build -- --mode x", "npm run build"},
        {"yarn", "yarn"},
        {"pnpm -F app run test", "pnpm run test"},
        {"pip3 install -r requirements.txt", "pip install"},
        {"python3 -m pip install x", "pip install"},
        {"python -m pytest -q tests", "pytest"},
        {"python3 setup.py build", "python setup.py"},
        {"sudo -E apt-get -y install gcc", "apt-get install"},
        {"sudo -u ci env A=1 make -C src -j8 test", "make test"},
        {"make CC=clang", "make"},
        {"cmake -S . -B build", "cmake"},
        {"cmake --build build --target x", "cmake --build"},
        {"docker compose -f x.yml up -d", "docker compose x.yml"},
        {"docker run --rm image", "docker run"},
        {"go mod download", "go mod download"},
        {"timeout -k 5 30 pytest", "pytest"},
        {"xargs -n 1 rm -f", "rm (instant)"},
        {"npx --yes eslint .", "eslint"},
        {"bundle exec rspec", "rspec"},
        {"time make", "make"},
        {"nice -n 10 make", "make"},
        {"/usr/local/bin/tool --x", "tool"},
        {"./gradlew build", "gradlew build"},
        {"./scripts/ci.sh --fast", "scripts/ci.sh"},
        {"sudo", "sudo"},
        {"echo hi", "echo (instant)"},
        {"set -euo pipefail", "(setting)"},
        {"export A=1", "(setting)"},
        {"[ -f x ]", "(setting)"},
        {"\"$CC\" -o x", "$CC"},
    };

    (void)state;
    CHECK(rows, node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_pipelines),
        cmocka_unit_test(words),
        cmocka_unit_test(substitutions_come_first),
        cmocka_unit_test(compounds),
        cmocka_unit_test(functions_stand_where_they_are_called),
        cmocka_unit_test(here_documents_are_no_commands),
        cmocka_unit_test(what_is_no_script_is_told_with_its_line),
        cmocka_unit_test(nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
