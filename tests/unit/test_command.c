/* Workflow commands: what is one, what it says, and when commands are stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../core/job/command.h"
#include "runfs/str.h"

/* command: "name|key=value|...|message", NULL: plain output. */
struct row {
    const char *line, *command;
};

static void check(const struct row *row)
{
    _command_ struct command c = {0};
    _buf_ struct buf got = BUF_INIT;
    _command_state_ struct command_state obeyed = {0};
    bool is = command_next(&obeyed, row->line, strlen(row->line), &c, NULL) == COMMAND_DO;

    if (is) {
        buf_addf(&got, "%s|", c.name);
        for (size_t i = 0; i < c.n; i++)
            buf_addf(&got, "%s=%s|", c.properties[i].key, c.properties[i].value);
        buf_adds(&got, c.message);
    }
    if (is != (row->command != NULL))
        fail_msg("'%s' is %sa command", row->line, is ? "" : "not ");
    assert_string_equal(buf_str(&got), row->command ? row->command : "");
}

static void new_notation(void **state)
{
    static const struct row rows[] = {
        {"::debug::hello", "debug|hello"},
        {"::error file=a.c,line=3,col=5::no", "error|file=a.c|line=3|col=5|no"},
        {"::DEBUG::x", "debug|x"},
        {" \t::debug::x", "debug|x"},
        {"::endgroup::", "endgroup|"},
        {"x ::debug::y", NULL},
        {"::debug", NULL},
        {"::debug:x", NULL},
        {":: debug::x", NULL}, /* there is no name */
        {"::unknown::x", NULL},
        {"::::x", NULL},
        {"::", NULL},
        {"", NULL},
        {"::debug::a%25b%0Ac%0Dd%3Ae", "debug|a%b\nc\rd%3Ae"},
        {"::error title=a%3Ab%2Cc%25%0A::m", "error|title=a:b,c%\n|m"},
        {"::debug::%250A %0a", "debug|%0A %0a"}, /* each code once; only in upper case */
        {"::error   file=a , line=2::m", "error|file=a | line=2|m"},
        {"::error file=,=b,line,,col==4::m", "error|col=4|m"},
        {"::error file=a,FILE=b::m", "error|file=b|m"},
        {"::error file=a=b::m", "error|file=a=b|m"},
        {"::set-output name=x::a::b", "set-output|name=x|a::b"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void old_notation(void **state)
{
    static const struct row rows[] = {
        {"##[debug]hello", "debug|hello"},
        {"text ##[error]no", "error|no"},
        {"##[error file=a;line=3;]a%5Db%3Bc", "error|file=a|line=3|a]b;c"},
        {"##[error title=a%3Bb,c]m%3A", "error|title=a;b,c|m%3A"},
        {"##[unknown]x", NULL},
        {"##[debug", NULL},
        {"#[debug]x", NULL},
        {"::unknown:: ##[debug]x", "debug|x"}, /* what the new notation does not know the old one may */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void properties(void **state)
{
    _command_state_ struct command_state obeyed = {0};
    _command_ struct command c = {0};
    _buf_ struct buf line = BUF_INIT;

    (void)state;
    buf_adds(&line, "::error file=a");
    for (int i = 0; i < 100; i++)
        buf_addf(&line, ",k%d=v", i);
    buf_adds(&line, ",file=b::m");
    assert_int_equal(command_next(&obeyed, line.ptr, line.len, &c, NULL), COMMAND_DO);
    assert_int_equal(c.n, COMMAND_PROPERTIES);
    assert_string_equal(command_property(&c, "FILE"), "b");
    assert_string_equal(command_property(&c, "line"), "");
}

static void stopped(void **state)
{
    static const struct {
        const char *line;
        int kind;
    } lines[] = {
        {"::debug::on", COMMAND_DO},
        {"plain", COMMAND_NONE},
        {"::unknown::x", COMMAND_NONE}, /* a name that nobody knows is output */
        {"##[unknown]x", COMMAND_NONE},
        {"::stop-commands::Pause-1", COMMAND_SHOW},
        {"::debug::off", COMMAND_NONE},
        {"##[error]off", COMMAND_NONE},
        {"::stop-commands::other", COMMAND_NONE},
        {"::other::", COMMAND_NONE},
        {"::pause-1::", COMMAND_SHOW},
        {"::pause-1::", COMMAND_NONE},
        {"::debug::on", COMMAND_DO},
        {"::stop-commands::", -EINVAL},
        {"::stop-commands::Debug", -EINVAL},
        {"::stop-commands::pause-logging", -EINVAL},
        {"::debug::still on", COMMAND_DO},
    };
    _command_state_ struct command_state s = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        _command_ struct command c = {0};
        struct err err = {0};
        assert_int_equal(command_next(&s, lines[i].line, strlen(lines[i].line), &c, &err), lines[i].kind);
        assert_int_equal(c.name != NULL, lines[i].kind == COMMAND_DO);
        if (lines[i].kind == -EINVAL)
            assert_true(str_starts(err.msg, "You cannot use a endToken that is an empty string, "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(new_notation), cmocka_unit_test(old_notation),
                                       cmocka_unit_test(properties), cmocka_unit_test(stopped)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
