/* Shells: a row is a `shell`, what the machine has, and the command line that comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../core/job/shell.h"
#include "runfs/str.h"

static const char invalid[] =
    "!Invalid shell option. Shell must be a valid built-in (bash, sh, cmd, powershell, pwsh) "
    "or a format string containing '{0}'";

struct row {
    const char *shell, *has; /* has: programs with blanks between, NULL: every one */
    bool container;
    const char *command; /* arguments with | between, or ! and the error */
    const char *extension;
};

static bool has(void *data, const char *program)
{
    _buf_ struct buf all = BUF_INIT, one = BUF_INIT;

    buf_addf(&all, " %s ", (const char *)data);
    buf_addf(&one, " %s ", program);
    return strstr(buf_str(&all), buf_str(&one)) != NULL;
}

static void check(const struct row *row)
{
    _shell_ struct shell s = {0};
    _buf_ struct buf got = BUF_INIT;
    struct err err = {0};

    if (shell_parse_for(row->shell, row->container, row->has ? has : NULL, (void *)row->has, &s, &err) < 0) {
        buf_addf(&got, "!%s", err.msg);
    } else {
        char **argv = shell_command(&s, "/tmp/s p.sh");
        assert_non_null(argv);
        for (size_t i = 0; argv[i]; i++)
            buf_addf(&got, "%s%s", i ? "|" : "", argv[i]);
        strv_free(argv);
        assert_string_equal(s.extension, row->extension);
    }
    assert_string_equal(buf_str(&got), row->command);
}

static void command_lines(void **state)
{
    static const struct row rows[] = {
        {NULL, NULL, false, "bash|-e|/tmp/s p.sh", ".sh"},
        {"", "bash sh", false, "bash|-e|/tmp/s p.sh", ".sh"},
        {NULL, "sh", false, "sh|-e|/tmp/s p.sh", ".sh"},
        {NULL, "bash sh", true, "sh|-e|/tmp/s p.sh", ".sh"},
        {"bash", NULL, false, "bash|--noprofile|--norc|-e|-o|pipefail|/tmp/s p.sh", ".sh"},
        {"sh", NULL, false, "sh|-e|/tmp/s p.sh", ".sh"},
        {"python", "python python3", false, "python|/tmp/s p.sh", ".py"},
        {"python", "python3", false, "python3|/tmp/s p.sh", ".py"},
        {"python", "sh", false, "!python: command not found", NULL},
        {"pwsh", NULL, false, "pwsh|-command|. '/tmp/s p.sh'", ".ps1"},
        {"bash {0}", NULL, false, "bash|/tmp/s p.sh", ".sh"},
        {"bash -x {0}", "bash", false, "bash|-x|/tmp/s p.sh", ".sh"},
        {"bash ", NULL, false, "bash|--noprofile|--norc|-e|-o|pipefail|/tmp/s p.sh", ".sh"},
        {"perl  {0}  a", NULL, false, "perl|/tmp/s p.sh|a", ""},
        {"perl", NULL, false, invalid, NULL},
        {"bash -x", NULL, false, invalid, NULL},
        {" bash", NULL, false, invalid, NULL},
        {"perl {0}", "bash", false, "!perl: command not found", NULL},
        {"x \"a b\" c\"d e\"f {0}", NULL, false, "x|a b|cd ef|/tmp/s p.sh", ""},
        {"x \"a\"\"b\" \"\" 'a b' {0}", NULL, false, "x|a\"b||'a|b'|/tmp/s p.sh", ""},
        {"x \\\"a\\\\ \\\\\"b c\" {0}", NULL, false, "x|\"a\\\\|\\b c|/tmp/s p.sh", ""},
        {"x a={0}:{0}", NULL, false, "x|a=/tmp/s p.sh:/tmp/s p.sh", ""},
        {"awk '{{print}}' {0}", NULL, false, "awk|'{print}'|/tmp/s p.sh", ""},
        {"awk '{print}' {0}", NULL, false, "!Input string was not in a correct format.", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static void scripts(void **state)
{
    _shell_ struct shell plain = {0}, power = {0};
    _buf_ struct buf text = BUF_INIT, wrapped = BUF_INIT;

    (void)state;
    assert_int_equal(shell_parse("bash", &plain, NULL), 0);
    shell_script(&plain, "echo\r\n", &text);
    assert_string_equal(buf_str(&text), "echo\r\n");
    assert_int_equal(shell_parse("pwsh", &power, NULL), 0);
    shell_script(&power, "ls", &wrapped);
    assert_string_equal(buf_str(&wrapped),
                        "$ErrorActionPreference = 'stop'\nls\n"
                        "if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(command_lines), cmocka_unit_test(scripts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
