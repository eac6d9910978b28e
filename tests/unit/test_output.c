/* Output on its way to the log, in whatever chunks it comes: lines, the commands in them, and secrets across
 * cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../core/job/job_internal.h"
#include "runfs/mask.h"
#include "runfs/str.h"

enum { LONG = 70 * 1024 }; /* longer than a line that is waited for */

static int hear(void *data, size_t step, int stream, const char *bytes, size_t len)
{
    (void)step;
    assert_int_not_equal(len, 0);
    if (stream == MACHINE_STDOUT)
        buf_add(data, bytes, len);
    return 0;
}

static void hear_annotation(void *data, size_t step, const struct job_annotation *a)
{
    (void)data, (void)step, (void)a;
}

/* A step of a job with these secrets (NULL-terminated). */
struct step {
    struct buf log;
    struct job_sink sink;
    struct running_job job;
    struct step_output output;
};

static void begin(struct step *s, const char *const *secrets)
{
    *s = (struct step){.sink = {.data = &s->log, .output = hear, .annotation = hear_annotation}};
    s->job = (struct running_job){.whole = &s->job, .sink = &s->sink, .mask = mask_new()};
    s->output = (struct step_output){.job = &s->job};
    assert_non_null(s->job.mask);
    for (; *secrets; secrets++)
        assert_int_equal(mask_add(s->job.mask, *secrets), 0);
}

static void say(struct step *s, const char *text, size_t len)
{
    assert_int_equal(output_chunk(&s->output, MACHINE_STDOUT, text, len), 0);
}

/* Ends the step; what it showed behind `skip` bytes is the text. */
static void showed(struct step *s, size_t skip, const char *text)
{
    output_finish(&s->output);
    assert_true(s->log.len >= skip);
    assert_string_equal(buf_str(&s->log) + skip, text);
    output_release(&s->output);
    mask_free(s->job.mask);
    buf_release(&s->log);
}

static void many(char c, size_t n, struct buf *ret)
{
    memset(buf_reserve(ret, n), c, n);
    ret->len += n;
}

static void lines_may_come_in_any_pieces(void **state)
{
    static const char text[] = "one\n::group::two\nthree s3cret\n::add-mask::four\n\nfour";
    static const char *const secrets[] = {"s3cret", NULL};

    (void)state;
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct step s;
        size_t len = sizeof(text) - 1;
        begin(&s, secrets);
        for (size_t at = 0; at < len; at += piece)
            say(&s, text + at, len - at < piece ? len - at : piece);
        showed(&s, 0, "one\n##[group]two\nthree ***\n\n***");
    }
}

/* The end of each is the beginning of one, too: what may begin there must not tear it off. */
static void secrets_of_endless_lines(void **state)
{
    static const char *const secrets[] = {"abcab", "b-other", NULL};
    static const struct {
        const char *first, *second, *shown;
    } rows[] = {
        {"abcab", " and more\n", "*** and more\n"},
        {"abc", "ab and more\n", "*** and more\n"},
        {"abcab", "-other and more\n", "*** and more\n"},
        {"abcab", "cab and more\n", "*** and more\n"},
        {"abca", "x and more\nabcab\n", "abcax and more\n***\n"},
        {"abcab", "", "***"},
        {"abca", "", "abca"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct step s;
        _buf_ struct buf line = BUF_INIT;
        begin(&s, secrets);
        many('.', LONG, &line);
        buf_adds(&line, rows[i].first);
        say(&s, line.ptr, line.len);
        if (rows[i].second[0])
            say(&s, rows[i].second, strlen(rows[i].second));
        showed(&s, LONG, rows[i].shown);
    }
}

/* The log does not wait for the end of it, and what is held back does not grow with it. */
static void endless_lines_are_shown_as_they_come(void **state)
{
    static const char *const secrets[] = {"aa", NULL};
    _buf_ struct buf line = BUF_INIT;
    struct step s;

    (void)state;
    begin(&s, secrets);
    many('.', LONG, &line);
    say(&s, line.ptr, line.len);
    assert_int_equal(s.log.len, LONG);
    memset(line.ptr, 'a', LONG);
    for (int i = 0; i < 100; i++)
        say(&s, line.ptr, line.len);
    assert_in_range(s.output.endless[MACHINE_STDOUT].held.len, 0, 2);
    say(&s, "b\n", 2);
    showed(&s, LONG, "***b\n");
}

/* Where a line is cut is nobody's business: what stands behind the cut is no line of its own. */
static void nothing_is_a_command_within_a_line(void **state)
{
    static const char *const secrets[] = {NULL};
    _buf_ struct buf line = BUF_INIT;
    struct step s;

    (void)state;
    begin(&s, secrets);
    many('.', LONG, &line);
    say(&s, line.ptr, line.len);
    say(&s, "::group::smuggled\n::group::meant\n", 33);
    showed(&s, LONG, "::group::smuggled\n##[group]meant\n");
}

static void commands_may_be_long(void **state)
{
    static const char *const secrets[] = {NULL};
    _buf_ struct buf line = BUF_INIT;
    _json_ json_t *outputs = json_object();
    struct step s;

    (void)state;
    begin(&s, secrets);
    s.output.outputs = outputs;
    buf_adds(&line, "::set-output name=o::");
    many('v', 1000000, &line);
    for (size_t at = 0; at < line.len; at += 65536)
        say(&s, line.ptr + at, line.len - at < 65536 ? line.len - at : 65536);
    say(&s, "\n", 1);
    assert_int_equal(json_string_length(json_object_get(outputs, "o")), 1000000);
    showed(&s, s.log.len, ""); /* but for what it says of the command */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_may_come_in_any_pieces),
        cmocka_unit_test(secrets_of_endless_lines),
        cmocka_unit_test(endless_lines_are_shown_as_they_come),
        cmocka_unit_test(nothing_is_a_command_within_a_line),
        cmocka_unit_test(commands_may_be_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
