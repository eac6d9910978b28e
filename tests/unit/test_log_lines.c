/* Logs as GitHub gives them away: each line has the time it began, whatever chunks it came in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/net/log_lines.h"
#include "runfs/buf.h"
#include "runfs/io.h"
#include "runfs/str.h"

static char dir[] = "/tmp/runfs-test-lines-XXXXXX";
static struct store *st;

static int setup(void **state)
{
    struct err err = {0};

    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(dir, &st, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(st);
    return remove_tree(dir);
}

static int keep(void *data, const char *bytes, size_t len)
{
    buf_add(data, bytes, len);
    return 0;
}

static int refuse(void *data, const char *bytes, size_t len)
{
    (void)bytes;
    *(int *)data += 1;
    return len ? -EPIPE : 0;
}

/* What was appended, as lines; each time, which must look like one, is a "T ". */
static void lines_are(struct log_writer *w, int64_t run, size_t longest, const char *expected)
{
    struct log_select select = {.run_id = run, .job_id = 1, .streams = LOG_OF_STEP};
    _buf_ struct buf raw = BUF_INIT, plain = BUF_INIT;
    struct log_view *view;

    log_writer_close(w);
    assert_int_equal(log_view_open(st, &select, &view, NULL), 0);
    assert_int_equal(log_lines(view, longest, keep, &raw), 0);
    log_view_close(view);
    for (const char *line = buf_str(&raw); *line;) {
        const char *end = strchrnul(line, '\n');
        char time[30];
        int year, n = 0;
        snprintf(time, sizeof(time), "%.29s", line); /* sscanf(3) measures all that it is given */
        assert_int_equal(sscanf(time, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*7dZ%n", &year, &n), 1);
        assert_int_equal(n, 28);
        assert_in_range(year, 2020, 2200);
        assert_int_equal(line[n], ' ');
        buf_adds(&plain, "T");
        buf_add(&plain, line + n, (size_t)(end - line - n) + (*end == '\n'));
        line = *end ? end + 1 : end;
    }
    assert_string_equal(buf_str(&plain), expected);
}

static struct log_writer *begin(int64_t run)
{
    struct log_writer *w;

    assert_int_equal(log_writer_open(st, run, &w, NULL), 0);
    return w;
}

static void say(struct log_writer *w, int64_t job, enum log_stream stream, const char *text)
{
    assert_int_equal(log_append(w, 1, job, job, stream, "a", text, strlen(text), NULL), 0);
}

static void a_line_has_one_time(void **state)
{
    struct log_writer *w = begin(1);

    (void)state;
    say(w, 1, LOG_STDOUT, "one\ntw");
    say(w, 1, LOG_STDERR, "o\n");
    say(w, 2, LOG_STDOUT, "another job's\n");
    say(w, 1, LOG_STDOUT, "\n\nno end");
    lines_are(w, 1, 0, "T one\nT two\nT \nT \nT no end");
    lines_are(NULL, 2, 0, ""); /* a run that never logged */
}

static void long_lines_are_broken_between_characters(void **state)
{
    struct log_writer *w = begin(3);

    (void)state;
    say(w, 1, LOG_STDOUT, "12345678\n1234");
    say(w, 1, LOG_STDOUT,
        "56789\n1234567\xc3\xa4"
        "90\n12345678");
    lines_are(w, 3, 8, "T 12345678\nT 12345678\nT 9\nT 1234567\xc3\xa4\nT 90\nT 12345678");
}

static void megabytes_come_in_order(void **state)
{
    _buf_ struct buf expected = BUF_INIT;
    struct log_writer *w = begin(4);

    (void)state;
    for (int i = 0; i < 400; i++) {
        _buf_ struct buf text = BUF_INIT;
        for (int j = 0; j < 300; j++)
            buf_addf(&text, "%d %d\n", i, j), buf_addf(&expected, "T %d %d\n", i, j);
        say(w, 1, LOG_STDOUT, buf_str(&text));
    }
    lines_are(w, 4, 0, buf_str(&expected));
}

static void who_goes_away_ends_it(void **state)
{
    struct log_select select = {.run_id = 4, .job_id = 1, .streams = LOG_OF_STEP};
    struct log_view *view;
    int calls = 0;

    (void)state;
    assert_int_equal(log_view_open(st, &select, &view, NULL), 0);
    assert_int_equal(log_lines(view, 0, refuse, &calls), -EPIPE);
    assert_int_equal(calls, 1);
    log_view_close(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_one_time),
        cmocka_unit_test(long_lines_are_broken_between_characters),
        cmocka_unit_test(megabytes_come_in_order),
        cmocka_unit_test(who_goes_away_ends_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
