/* Filter patterns: each table is a part of GitHub's cheat sheet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/io.h"
#include "runfs/plan.h"

struct row {
    const char *pattern, *text;
    bool match;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (glob_match(rows[i].pattern, rows[i].text) != rows[i].match)
            fail_msg("'%s' and '%s': expected %s", rows[i].pattern, rows[i].text,
                     rows[i].match ? "a match" : "none");
}

static void branches_and_tags(void **state)
{
    static const struct row rows[] = {
        {"feature/*", "feature/my-branch", true},
        {"feature/*", "feature/a/b", false},
        {"feature/**", "feature/beta-a/my-branch", true},
        {"feature/**", "feature/", true},
        {"feature/**", "feature", false},
        {"main", "main", true},
        {"main", "Main", false},
        {"main", "main2", false},
        {"*", "main", true},
        {"*", "all/the/branches", false},
        {"**", "all/the/branches", true},
        {"*feature", "mona-feature", true},
        {"v2*", "v2.0", true},
        {"v2*", "v2", true},
        {"v2*", "v1", false},
        {"v[12].[0-9]+.[0-9]+", "v1.10.1", true},
        {"v[12].[0-9]+.[0-9]+", "v2.0.0", true},
        {"v[12].[0-9]+.[0-9]+", "v3.0.0", false},
        {"v[12].[0-9]+.[0-9]+", "v1..1", false},
        {"", "", true},
        {"", "x", false},
    };

    (void)state;
    check(rows, sizeof(rows) / sizeof(*rows));
}

static void paths(void **state)
{
    static const struct row rows[] = {
        {"*.jsx?", "page.js", true},
        {"*.jsx?", "page.jsx", true},
        {"*.jsx?", "page.jsxx", false},
        {"**.js", "src/js/app.js", true},
        {"*.js", "js/index.js", false},
        {"docs/*", "docs/README.md", true},
        {"docs/*", "docs/mona/octocat.txt", false},
        {"docs/**/*.md", "docs/README.md", true},
        {"docs/**/*.md", "docs/a/markdown/file.md", true},
        {"docs/**/*.md", "docsx/README.md", false},
        {"**/docs/**", "docs/hello.md", true},
        {"**/docs/**", "space/docs/plan/space.doc", true},
        {"**/docs/**", "mydocs/hello.md", false},
        {"**/README.md", "README.md", true},
        {"**/README.md", "js/README.md", true},
        {"**/README.md", "XREADME.md", false},
        {"**/*src/**", "a/src/app.js", true},
        {"**/*src/**", "my-src/code/js/app.js", true},
        {"**/*-post.md", "path/their-post.md", true},
        {"**/migrate-*.sql", "db/sept/migrate-v1.sql", true},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a**/b", "ab", false},
        {"a**/b", "axx/y/b", true},
    };

    (void)state;
    check(rows, sizeof(rows) / sizeof(*rows));
}

static void repetition(void **state)
{
    static const struct row rows[] = {
        {"Octoc?t", "Octoct", true}, /* zero or one of the character before, not "any character" */
        {"Octoc?t", "Octot", true},  {"Octoc?t", "Octocat", false},
        {"a+", "aaa", true},         {"a+", "", false},
        {"a?+", "", true},           {"a?+", "aaa", true},
        {"[ab]+c", "ababc", true},   {"[ab]?c", "c", true},
        {"?x", "?x", true},                              /* nothing stands before: the character itself */
        {"+x", "+x", true},          {"é?t", "t", true}, /* a character may have many bytes */
        {"é?t", "ét", true},         {"é+", "ééé", true},
        {"*?", "abc", true},         {"*+", "abc", true},
    };

    (void)state;
    check(rows, sizeof(rows) / sizeof(*rows));
}

static void brackets_and_escapes(void **state)
{
    static const struct row rows[] = {
        {"[CB]at", "Cat", true},    {"[CB]at", "Rat", false}, {"[1-2]00", "200", true},
        {"[0-9a-z]", "q", true},    {"[0-9a-z]", "Q", false}, {"[a-]", "-", true},
        {"[^a]", "^", true},        {"[^a]", "b", false},     {"[\\]]", "]", true},
        {"a\\*b", "a*b", true},     {"a\\*b", "axb", false},  {"1\\.0\\+x", "1.0+x", true},
        {"\\!main", "!main", true}, {"a!b", "a!b", true},     {"a.c", "abc", false},
        {"(a|b)", "(a|b)", true},   {"a{2}", "aa", false},    {"[é-ü]", "ö", true},
        {"[", "[", false},          {"[]", "", false},        {"[]a]", "a", false},
        {"x\\", "x\\", false},      {"[a", "a", false},       {"\xff", "\xff", true},
        {"\xff", "\xfe", false},
    };

    (void)state;
    check(rows, sizeof(rows) / sizeof(*rows));
}

static void lists(void **state)
{
    static const char *const releases[] = {"releases/**", "!releases/**-alpha", NULL};
    static const char *const again[] = {"**", "!docs/**", "docs/keep.md", NULL};
    static const char *const negative[] = {"!docs/**", NULL};
    static const char *const none[] = {NULL};

    (void)state;
    assert_true(glob_list_match(releases, "releases/10"));
    assert_false(glob_list_match(releases, "releases/10-alpha"));
    assert_string_equal(glob_list_find(releases, "releases/10-alpha"), "!releases/**-alpha");
    assert_false(glob_list_match(again, "docs/x.md"));
    assert_true(glob_list_match(again, "docs/keep.md"));
    assert_true(glob_list_match(again, "src/x.c"));
    assert_false(glob_list_match(negative, "src/x.c")); /* nothing was let in */
    assert_false(glob_list_match(none, "x"));
    assert_null(glob_list_find(none, "x"));
}

static void hostile_patterns_are_quick(void **state)
{
    char pattern[4097], text[8193];

    (void)state;
    for (size_t i = 0; i < 4096; i++)
        pattern[i] = "*a**a+?"[i % 7];
    pattern[4095] = 'c';
    pattern[4096] = '\0';
    memset(text, 'a', 8192);
    text[8191] = 'b';
    text[8192] = '\0';
    int64_t from = mono_ns();
    assert_false(glob_match(pattern, text));
    assert_true(mono_ns() - from < 60000000000LL); /* not for ever, also under valgrind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_and_tags),
        cmocka_unit_test(paths),
        cmocka_unit_test(repetition),
        cmocka_unit_test(brackets_and_escapes),
        cmocka_unit_test(lists),
        cmocka_unit_test(hostile_patterns_are_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
