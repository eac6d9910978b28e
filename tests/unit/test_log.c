/* The daemon's log: where its lines go, and that its file does not grow for ever. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static char dir[] = "/tmp/runfs-test-log-XXXXXX";
static char path[64], former[64];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(former, sizeof(former), "%s/log.1", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return remove_tree(dir);
}

static size_t lines_of(const char *file)
{
    _buf_ struct buf text = BUF_INIT;
    size_t n = 0;

    if (read_file(file, 1 << 24, &text, NULL) < 0)
        return 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '\n';
    assert_true(text.len == 0 || text.ptr[text.len - 1] == '\n'); /* no line is cut */
    return n;
}

static void line_is_one_line(void **state)
{
    _buf_ struct buf text = BUF_INIT;

    (void)state;
    assert_int_equal(log_open(path, 1 << 20, NULL), 0);
    log_warning("test", "%d: first\nsecond", 7);
    log_close();
    assert_true(read_file(path, 4096, &text, NULL) >= 0);
    assert_non_null(strstr(buf_str(&text), " warning test 7: first second\n"));
    assert_int_equal(lines_of(path), 1);
}

static void *write_lines(void *data)
{
    for (int i = 0; i < 200; i++)
        log_info("test", "%s %d: %0100d", (const char *)data, i, 0);
    return NULL;
}

/* Four threads write more than fits: what is full is log.1, and no line of the two is cut. How much they
 * write while one of them exchanges the files is theirs. */
static void full_file_becomes_the_former(void **state)
{
    pthread_t threads[4];
    struct stat st;

    (void)state;
    assert_int_equal(log_open(path, 40000, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)"thread"), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    log_close();
    assert_int_equal(stat(former, &st), 0);
    assert_true(st.st_size >= 40000);
    assert_true(lines_of(former) > 200);
    assert_int_equal(stat(path, &st), 0);
    assert_true(lines_of(former) + lines_of(path) <= 4 * 200 + 1); /* with that of the test before */
}

static void what_cannot_be_opened_changes_nothing(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(log_open("/nowhere/log", 1, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "/nowhere/log"));
    log_threshold(LOG_LEVEL_INFO);
    log_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_one_line),
        cmocka_unit_test(full_file_becomes_the_former),
        cmocka_unit_test(what_cannot_be_opened_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
