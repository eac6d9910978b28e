/* Masking: which forms of a secret are masked, how matches merge, and that no cut of a stream lets one
 * through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/io.h"
#include "runfs/mask.h"
#include "runfs/str.h"

static const struct row {
    const char *secret, *text, *masked;
} rows[] = {
    /* the value, wherever it stands */
    {"hunter2", "pass hunter2!", "pass ***!"},
    {"hunter2", "hunter2", "***"},
    {"hunter2", "hunter hunter", "hunter hunter"},
    {"hunter2", "Hunter2", "Hunter2"},
    {"", "text", "text"},
    {"x", "axbxx", "a***b***"},
    /* matches that overlap or touch are one */
    {"aba", "xababay", "x***y"},
    {"abab", "abababab.", "***."},
    {"aa", "aaaaa", "***"},
    /* each line of a value, and the value with its newlines */
    {"first line\nsecond line", "a first line b", "a *** b"},
    {"first line\r\nsecond line\n", "second line", "***"},
    {"k1\n\nk2", "k2", "***"},
    /* escapes */
    {"a\"b\\c\nd", "\"a\\\"b\\\\c\\nd\"", "\"***\""},
    {"it's", "it''s", "***"},
    {"say \"hi\"", "say \\\"hi\\\"", "***"},
    {"p&s=<w>'\"", "p&amp;s=&lt;w&gt;&apos;&quot;", "***"},
    {"p@ss w/rd", "?q=p%40ss%20w%2Frd&", "?q=***&"},
    {"p\xc3\xa4ss", "p%C3%A4ss", "***"},
    {"\"quoted value\"", "quoted value", "***"},
    {"\"short\"", "short", "short"},
    {"secretpart1&secretpart2&secretpart3", "secretpart1&secretpart2& then secretpart3", "*** then ***"},
    {"secretpart1&+secretpart2", "secretpart1&+ then ecretpart2", "*** then ***"},
    {"ab&cd", "ab& cd", "ab& cd"},
    /* base64: alone, and behind one or two bytes of something else, in both alphabets */
    {"topsecret123", "dG9wc2VjcmV0MTIz", "***"},
    {"topsecret123", "YTp0b3BzZWNyZXQxMjM=", "YTp***="},  /* "a:" before it */
    {"topsecret123", "OnRvcHNlY3JldDEyMw==", "On***=="},  /* ":" before it */
    {"topsecret123", "OnRvcHNlY3JldDEyMzo=", "On***zo="}, /* and ":" behind */
    {">>>\?\?\?>>>\?\?\?", "Pj4-Pz8_Pj4-Pz8_", "***"},
};

static void forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mask *m = mask_new();
        _buf_ struct buf out = BUF_INIT;
        assert_non_null(m);
        assert_int_equal(mask_add(m, rows[i].secret), 0);
        mask_apply(m, rows[i].text, strlen(rows[i].text), &out);
        assert_string_equal(buf_str(&out), rows[i].masked);
        assert_int_equal(mask_matches(m, rows[i].text, strlen(rows[i].text)),
                         !str_eq(rows[i].text, rows[i].masked));
        mask_free(m);
    }
}

/* Every text above, in pieces of every length. */
static void streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = 1; piece < 24; piece++) {
            struct mask *m = mask_new();
            _mask_stream_ struct mask_stream s = MASK_STREAM(m);
            _buf_ struct buf out = BUF_INIT;
            size_t len = strlen(rows[i].text);
            assert_int_equal(mask_add(m, rows[i].secret), 0);
            for (size_t at = 0; at < len; at += piece)
                mask_stream_feed(&s, rows[i].text + at, len - at < piece ? len - at : piece, &out);
            mask_stream_flush(&s, &out);
            assert_string_equal(buf_str(&out), rows[i].masked);
            mask_free(m);
        }
}

static void holds_no_more_than_it_must(void **state)
{
    struct mask *m = mask_new();
    _mask_stream_ struct mask_stream s = MASK_STREAM(m);
    _buf_ struct buf out = BUF_INIT;

    (void)state;
    mask_stream_feed(&s, "before any secret", 17, &out);
    assert_string_equal(buf_str(&out), "before any secret");
    assert_int_equal(mask_add(m, "hunter2"), 0);
    assert_int_equal(mask_add(m, "hunter2 and more"), 0);
    assert_int_equal(mask_add(m, "hunter2"), 0);
    buf_reset(&out);
    mask_stream_feed(&s, "the hunt", 8, &out);
    assert_string_equal(buf_str(&out), "the ");
    mask_stream_feed(&s, "er2 an", 6, &out); /* the short one is sure, the long one not yet */
    assert_string_equal(buf_str(&out), "the ***");
    mask_stream_feed(&s, "yway", 4, &out);
    assert_string_equal(buf_str(&out), "the *** anyway");
    mask_stream_feed(&s, " hun", 4, &out);
    mask_stream_flush(&s, &out);
    assert_string_equal(buf_str(&out), "the *** anyway hun");
    mask_free(m);
}

static void bytes_of_any_kind(void **state)
{
    struct mask *m = mask_new();
    _buf_ struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(mask_add(m, "\xff\xfe!"), 0);
    mask_apply(m, "a\0b\xff\xfe!\0", 7, &out);
    assert_int_equal(out.len, 7);
    assert_memory_equal(out.ptr, "a\0b***\0", 7);
    buf_reset(&out);
    mask_apply(m, "", 0, &out);
    assert_int_equal(out.len, 0);
    mask_free(m);
}

static void a_job_cannot_say_endlessly_many(void **state)
{
    struct mask *m = mask_new();
    int r = 0, n = 0;
    char text[32];

    (void)state;
    assert_non_null(m);
    for (; r == 0 && n < MASK_FORMS_MAX; n++) {
        snprintf(text, sizeof(text), "%02x%x-secret-value", n % 256, n / 256);
        r = mask_add_said(m, text);
    }
    assert_int_equal(r, -E2BIG);
    assert_int_equal(mask_add(m, "but what is set is added"), 0);
    assert_true(mask_matches(m, "but what is set is added", 24));
    mask_free(m);
}

/* Whoever says a secret and then a text that is nothing but beginnings of it does not get a processor for it.
 */
/* The same said again is no more. */
static void what_is_known_is_not_kept_again(void **state)
{
    struct mask *m = mask_new();
    _buf_ struct buf out = BUF_INIT;
    char text[32];

    (void)state;
    assert_non_null(m);
    for (int i = 0; i < MASK_FORMS_MAX + 1000; i++) {
        snprintf(text, sizeof(text), "secret value %d", i % 100);
        assert_int_equal(mask_add_said(m, text), 0);
    }
    mask_apply(m, "secret value 99 and secret value 100", 36, &out);
    assert_string_equal(buf_str(&out), "*** and ***0");
    mask_free(m);
}

static void no_text_is_looked_at_without_end(void **state)
{
    enum { SECRET = 1000000, TEXT = 3 * SECRET };
    struct mask *m = mask_new();
    _mask_stream_ struct mask_stream s = MASK_STREAM(m);
    _free_ char *text = malloc(TEXT + 1);
    _buf_ struct buf out = BUF_INIT;

    (void)state;
    assert_true(m && text);
    memset(text, 'a', TEXT);
    text[SECRET] = '\0';
    assert_int_equal(mask_add_said(m, text), 0);
    assert_int_equal(mask_add_said(m, "hunter2"), 0);
    mask_apply(m, "a hunter2", 9, &out);
    assert_string_equal(buf_str(&out), "a ***");
    assert_false(mask_exhausted(m));
    buf_reset(&out);
    text[SECRET] = 'a';
    for (size_t at = 0; at < TEXT && !mask_exhausted(m); at += TEXT / 30)
        mask_stream_feed(&s, text + at, TEXT / 30, &out);
    assert_true(mask_exhausted(m));
    mask_apply(m, "hunter2", 7, &out);
    assert_true(mask_matches(m, "what is no secret", 17));
    mask_apply(m, "what is no secret", 17, &out);
    assert_true(strspn(buf_str(&out), "*") == out.len);
    mask_free(m);
}

/* Their forms are many, and all are kept. */
static void a_job_says_no_more_than_can_be_kept(void **state)
{
    enum { SECRET = 1000000 };
    struct mask *m = mask_new();
    _free_ char *text = calloc(1, SECRET + 1);
    int r = 0, n = 0;

    (void)state;
    assert_true(m && text);
    for (; r == 0 && n < 100; n++) {
        for (size_t i = 0; i < SECRET; i++)
            text[i] = (char)('a' + (i * 7919 + (size_t)n * i * i) % 26);
        r = mask_add_said(m, text);
    }
    assert_int_equal(r, -E2BIG);
    assert_in_range(n, 3, 20);
    assert_int_equal(mask_add(m, "hunter2"), 0); /* what the daemon knows of itself always has room */
    assert_true(mask_matches(m, "hunter2", 7));
    mask_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(streams),
        cmocka_unit_test(holds_no_more_than_it_must),
        cmocka_unit_test(bytes_of_any_kind),
        cmocka_unit_test(a_job_cannot_say_endlessly_many),
        cmocka_unit_test(a_job_says_no_more_than_can_be_kept),
        cmocka_unit_test(what_is_known_is_not_kept_again),
        cmocka_unit_test(no_text_is_looked_at_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
