/* Small texts: what is escaped in XML, and the hash that numbers are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/err.h"
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
        cmocka_unit_test(the_hash_is_fnv_1a),
        cmocka_unit_test(an_error_steers_no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
