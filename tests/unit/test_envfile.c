/* Environment files: what they set, and GitHub's words for what is no such file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../core/job/envfile.h"
#include "runfs/str.h"

/* set: the object, with ' for "; error: what is said behind it. */
struct row {
    const char *text, *set, *error;
};

static void check(const struct row *row)
{
    _json_ json_t *into = json_object();
    struct err err = {0};

    int r = envfile_parse(row->text, strlen(row->text), into, &err);
    assert_string_equal(err.msg, row->error ? row->error : "");
    assert_int_equal(r, row->error ? -EINVAL : 0);
    _free_ char *got = json_dumps(into, JSON_COMPACT);
    assert_non_null(got);
    for (char *p = got; *p; p++)
        if (*p == '"')
            *p = '\'';
    assert_string_equal(got, row->set);
}

static void pairs(void **state)
{
    static const struct row rows[] = {
        {"", "{}", NULL},
        {"a=1\nb=2\n", "{'a':'1','b':'2'}", NULL},
        {"a=1", "{'a':'1'}", NULL},
        {"a=\n", "{'a':''}", NULL},
        {"a=b=c\n", "{'a':'b=c'}", NULL},
        {"a=x<<y\n", "{'a':'x<<y'}", NULL},
        {" a = 1 \n", "{' a ':' 1 '}", NULL},
        {"\n\na=1\n\n", "{'a':'1'}", NULL},
        {"a=1\nb=2\na=3\n", "{'a':'3','b':'2'}", NULL},
        {"\xef\xbb\xbf"
         "a=1\n",
         "{'a':'1'}", NULL},
        {"a=1\r\n", "{'a':'1\\r'}", NULL}, /* on Linux, to GitHub's runner too */
        {"a=\xff!\n", "{'a':'\xef\xbf\xbd!'}", NULL},
        {"=1\n", "{}", "Invalid format '=1'. Name must not be empty"},
        {"a=1\nnonsense\nb=2\n", "{'a':'1'}", "Invalid format 'nonsense'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void blocks(void **state)
{
    static const struct row rows[] = {
        {"a<<EOF\none\ntwo\nEOF\n", "{'a':'one\\ntwo'}", NULL},
        {"a<<EOF\none\nEOF", "{'a':'one'}", NULL},
        {"a<<EOF\nEOF\n", "{'a':''}", NULL},
        {"a<<EOF\n\nEOF\n", "{'a':''}", NULL},
        {"a<<EOF\n\n\nEOF\nb=1\n", "{'a':'\\n','b':'1'}", NULL},
        {"a<<EOF\n EOF\nEOF \nEOF\n", "{'a':' EOF\\nEOF '}", NULL},
        {"a<<E=F\nx=y\nE=F\n", "{'a':'x=y'}", NULL},
        {"a<<EOF\r\none\r\nEOF\r\n", "{'a':'one\\r'}", NULL},
        {"a<<EOF\n", "{}", "Invalid value. Matching delimiter not found 'EOF'"},
        {"a<<EOF\none\n", "{}", "Invalid value. Matching delimiter not found 'EOF'"},
        {"a<<EOF\none", "{}", "Invalid value. EOF marker missing new line."},
        {"<<EOF\nEOF\n", "{}",
         "Invalid format '<<EOF'. Name must not be empty and delimiter must not be empty"},
        {"a<<\n", "{}", "Invalid format 'a<<'. Name must not be empty and delimiter must not be empty"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void long_lines_are_cut_in_errors(void **state)
{
    _json_ json_t *into = json_object();
    char text[5000];
    struct err err = {0};

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(envfile_parse(text, sizeof(text), into, &err), -EINVAL);
    assert_true(str_starts(err.msg, "Invalid format 'xxx") && str_ends(err.msg, "x'"));
}

static void what_a_step_may_not_set(void **state)
{
    _json_ json_t *into = json_object();
    _buf_ struct buf complaints = BUF_INIT;
    const char text[] = "node_options=--x\nA=1\nGITHUB_TOKEN=t\n";

    (void)state;
    assert_int_equal(envfile_parse(text, strlen(text), into, NULL), 0);
    envfile_check_env(into, &complaints);
    assert_string_equal(buf_str(&complaints),
                        "Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.\n");
    assert_int_equal(json_object_size(into), 2);
}

static void paths(void **state)
{
    static const char text[] = "\xef\xbb\xbf/a\n\r\n/b\r\n/a\r/c";
    _json_ json_t *into = json_array();

    (void)state;
    assert_int_equal(pathfile_parse(text, strlen(text), into, NULL), 0);
    _free_ char *got = json_dumps(into, JSON_COMPACT);
    assert_string_equal(got, "[\"/b\",\"/a\",\"/c\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pairs), cmocka_unit_test(blocks),
                                       cmocka_unit_test(long_lines_are_cut_in_errors),
                                       cmocka_unit_test(what_a_step_may_not_set), cmocka_unit_test(paths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
