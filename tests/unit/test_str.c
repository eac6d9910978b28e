/* Small texts: what is escaped in XML and for a shell, and the hash that numbers are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/err.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static void a_text_stands_for_itself_in_xml(void **state)
{
    static const char text[] = "a<b> & \"c\" 'd' \xc3\xa9\n";
    _buf_ struct buf b = BUF_INIT;

    (void)state;
    buf_add_xml(&b, text, strlen(text));
    assert_string_equal(buf_str(&b), "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos; \xc3\xa9\n");
    buf_reset(&b);
    buf_add_xml(&b, "&amp;", 5); /* is text too */
    assert_string_equal(buf_str(&b), "&amp;amp;");
    buf_reset(&b);
    buf_add_xml(&b, "<>", 1); /* no further than it is told */
    assert_string_equal(buf_str(&b), "&lt;");
}

/* The values of its authors' test suite. */
static void the_hash_is_fnv_1a(void **state)
{
    (void)state;
    assert_int_equal(str_hash(""), 0xcbf29ce484222325u);
    assert_int_equal(str_hash("a"), 0xaf63dc4c8601ec8cu);
    assert_int_equal(str_hash("foobar"), 0x85944171f73967e8u);
    assert_int_equal(str_hash_on(str_hash("foo"), "bar"), str_hash("foobar"));
}

/* Asked of the shells themselves. */
static void a_word_stands_for_itself_in_a_shell(void **state)
{
    static const char *const shells[] = {"/bin/sh", "bash"};
    char bytes[256] = "";
    const char *const words[] = {"",         "'",       "it's two''", "$HOME `id` \"$(id)\" !1 \\",
                                 "$'\\101'", "-n \n\n", bytes};

    (void)state;
    for (int i = 1; i < 256; i++)
        bytes[i - 1] = (char)i; /* much of it is no UTF-8 */
    for (size_t i = 0; i < ARRAY_LEN(shells) * ARRAY_LEN(words); i++) {
        const char *shell = shells[i % ARRAY_LEN(shells)], *word = words[i / ARRAY_LEN(shells)];
        _buf_ struct buf script = BUF_INIT;
        _proc_result_ struct proc_result result = {0};
        buf_adds(&script, "printf '%s|' a");
        buf_add_shell_word(&script, word);
        buf_adds(&script, "b next");
        const char *const argv[] = {shell, "-c", buf_str(&script), NULL};
        assert_int_equal(proc_run(argv, NULL, 4096, 60000, &result, NULL), 0);
        assert_int_equal(result.out.len, strlen(word) + strlen("ab|next|"));
        assert_memory_equal(buf_str(&result.out) + 1, word, strlen(word));
        assert_string_equal(buf_str(&result.out) + 1 + strlen(word), "b|next|");
    }
}

static void a_list_of_strings_grows_and_is_sorted(void **state)
{
    _strv_ char **list = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(strv_add(&list, &n, strdup("b")), 0);
    assert_int_equal(strv_add(&list, &n, strdup("\xc3\xa9")), 0);
    assert_int_equal(strv_add(&list, &n, strdup("B")), 0);
    assert_int_equal(strv_add(&list, &n, NULL), -ENOMEM); /* of a strdup() that failed */
    assert_int_equal(n, 3);
    assert_null(list[3]);
    strv_sort(list, n);
    assert_string_equal(list[0], "B");
    assert_string_equal(list[1], "b");
    assert_string_equal(list[2], "\xc3\xa9");
}

/* Words of strangers go to terminals with it. */
static void an_error_steers_no_terminal(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(err_set(&err, -EINVAL, "a\033[31m\177\302\23331m\r\n\302\240\303\244 \xff"), -EINVAL);
    assert_string_equal(err.msg, "a [31m   31m  \302\240\303\244 ");
    err_prefix(&err, "\302\205");
    assert_string_equal(err.msg, "  : a [31m   31m  \302\240\303\244 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_stands_for_itself_in_xml),
        cmocka_unit_test(a_word_stands_for_itself_in_a_shell),
        cmocka_unit_test(the_hash_is_fnv_1a),
        cmocka_unit_test(a_list_of_strings_grows_and_is_sorted),
        cmocka_unit_test(an_error_steers_no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
