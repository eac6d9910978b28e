/* Version ranges: each row is a range, a version, and whether that is in it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/job/version_range.h"
#include "runfs/str.h"

static const struct row {
    const char *range, *version;
    int in;
} rows[] = {
    {"", "v20.20.2", 1},
    {"*", "20.20.2", 1},
    {"x", "20.20.2", 1},
    {"20", "20.20.2", 1},
    {"20", "18.0.0", 0},
    {"2", "20.20.2", 0},
    {"20.x", "20.20.2", 1},
    {"20.X.x", "20.20.2", 1},
    {"20.20", "20.20.2", 1},
    {"20.2", "20.20.2", 0},
    {"20.20.2", "20.20.2", 1},
    {"v20.20.2", "20.20.2", 1},
    {"=20.20.2", "20.20.2", 1},
    {"20.20.1", "20.20.2", 0},
    {">=18", "20.20.2", 1},
    {">= 18", "20.20.2", 1},
    {">=21", "20.20.2", 0},
    {">20", "20.20.2", 0},
    {">20", "21.0.0", 1},
    {">20.20.1", "20.20.2", 1},
    {"<20", "20.0.0", 0},
    {"<20", "19.9.9", 1},
    {"<=20", "20.20.2", 1},
    {"<=20.20.1", "20.20.2", 0},
    {">=18 <21", "20.20.2", 1},
    {">=18 <20", "20.20.2", 0},
    {"^18.1 || ^20.1", "20.20.2", 1},
    {"^18.1||^20.1", "18.0.9", 0},
    {"^0.2.3", "0.2.9", 1},
    {"^0.2.3", "0.3.0", 0},
    {"^0.0.3", "0.0.4", 0},
    {"~20.20.1", "20.20.2", 1},
    {"~20.20.3", "20.20.2", 0},
    {"~20", "20.20.2", 1},
    {"~>20.1", "20.2.0", 0},
    {"18 - 20", "20.20.2", 1},
    {"18.1 - 20.19", "20.20.2", 0},
    {"==3.11.*", "Python 3.11.7", 1},
    {"!=3.11.*", "Python 3.11.7", 0},
    {">=3.8,<4", "Python 3.11.7", 1},
    {"~=3.8", "Python 3.11.7", 1},
    {"~=3.11.8", "Python 3.11.7", 0},
    {"~=3.8.1", "Python 3.11.7", 0},
    {"1.22", "go version go1.22rc1 linux/amd64", 0},
    {">=1.22.0-rc.1", "1.22.0-rc.2", 1},
    {">=1.22.0-rc.3", "1.22.0-rc.2", 0},
    {">=1.22.0-alpha", "1.22.0", 1},
    {">=1.21.0-alpha", "1.22.0-rc.2", 0},
    {"17", "openjdk version \"17.0.12.1\" 2024-07-16", 1},
    {"1.21", "go version go1.21.5 linux/amd64", 1},
    {"21.0.2+13", "21.0.2+12", 1},
    {"4294967296000", "20.0.0", 0},
    {"lts", "20.0.0", -EINVAL},
    {">=", "20.0.0", -EINVAL},
    {"20.", "20.0.0", -EINVAL},
    {"20 ||", "18.0.0", 1},
    {"20; rm", "20.0.0", -EINVAL},
    {"|| |", "20.0.0", -EINVAL},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct version v;
        assert_non_null(version_find(rows[i].version, &v));
        int in = version_in_range(&v, rows[i].range);
        if (in != rows[i].in)
            fail_msg("'%s' in '%s': %d instead of %d", rows[i].version, rows[i].range, in, rows[i].in);
    }
}

static void test_no_version(void **state)
{
    struct version v;

    (void)state;
    assert_null(version_find("", &v));
    assert_null(version_find("command not found", &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_no_version)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
