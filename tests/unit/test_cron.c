/* Schedules: when a pattern fires next, in UTC and in zones whose clock jumps, and what a jumping wall clock
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "runfs/cron.h"
#include "runfs/str.h"

/* "2026-01-31 12:00" in UTC, as seconds. */
static int64_t at(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);

    assert_non_null(end);
    if (*end == ':')
        tm.tm_sec = (int)strtol(end + 1, NULL, 10);
    return timegm(&tm);
}

static const char *shown(int64_t t, char to[32])
{
    struct tm tm;
    time_t seconds = t;

    gmtime_r(&seconds, &tm);
    strftime(to, 32, "%Y-%m-%d %H:%M", &tm);
    return t ? to : "never";
}

struct row {
    const char *cron, *zone, *after; /* UTC */
    const char *fires[6];            /* UTC, one after the other; "never" ends it */
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *row = &rows[i];
        struct cron c;
        struct cron_zone *z = NULL;
        int64_t t = at(row->after);
        if (cron_parse(row->cron, &c) < 0 || cron_zone_new(row->zone, &z) < 0)
            fail_msg("%s (%s) is refused", row->cron, row->zone);
        for (const char *const *want = row->fires; *want; want++) {
            char got[32];
            t = cron_next(&c, z, t);
            if (!str_eq(shown(t, got), *want))
                fail_msg("'%s' %s after %s, firing %d: %s instead of %s", row->cron, row->zone, row->after,
                         (int)(want - row->fires), shown(t, got), *want);
        }
        cron_zone_free(z);
    }
}

static void fields(void **state)
{
    static const struct row rows[] = {
        {"* * * * *", "", "2026-01-31 12:00", {"2026-01-31 12:01", "2026-01-31 12:02"}},
        {"* * * * *", "", "2026-01-31 12:00:59", {"2026-01-31 12:01"}},
        {"*/15 * * * *", "", "2026-12-31 23:45", {"2027-01-01 00:00", "2027-01-01 00:15"}},
        {"20/15 * * * *",
         "",
         "2026-01-01 00:00",
         {"2026-01-01 00:20", "2026-01-01 00:35", "2026-01-01 00:50", "2026-01-01 01:20"}},
        {"5,10-12 4 * * *",
         "",
         "2026-01-01 00:00",
         {"2026-01-01 04:05", "2026-01-01 04:10", "2026-01-01 04:11", "2026-01-01 04:12",
          "2026-01-02 04:05"}},
        {"10-30/10 0 1 1 *",
         "",
         "2026-01-01 00:10",
         {"2026-01-01 00:20", "2026-01-01 00:30", "2027-01-01 00:10"}},
        {"0 0 1 JAN,jul *", "", "2026-01-01 00:00", {"2026-07-01 00:00", "2027-01-01 00:00"}},
        {"30 5 * * MON-FRI", "", "2026-01-02 05:30" /* a Friday */, {"2026-01-05 05:30", "2026-01-06 05:30"}},
        {"0 0 * * 0", "", "2026-01-01 00:00", {"2026-01-04 00:00", "2026-01-11 00:00"}},
        {"0 0 * * SAT,sun",
         "",
         "2026-01-01 00:00",
         {"2026-01-03 00:00", "2026-01-04 00:00", "2026-01-10 00:00"}},
        {"0 0 31 * *", "", "2026-01-31 00:00", {"2026-03-31 00:00", "2026-05-31 00:00"}},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

/* The 13th, and every Friday; but with a star in one of them, only where both agree. */
static void days(void **state)
{
    static const struct row rows[] = {
        {"0 0 13 * 5",
         "",
         "2026-01-01 00:00",
         {"2026-01-02 00:00", "2026-01-09 00:00", "2026-01-13 00:00", "2026-01-16 00:00"}},
        {"0 0 1-7 * MON",
         "",
         "2026-01-28 00:00",
         {"2026-02-01 00:00", "2026-02-02 00:00", "2026-02-03 00:00"}},
        {"0 0 13 * *", "", "2026-01-01 00:00", {"2026-01-13 00:00", "2026-02-13 00:00"}},
        {"0 0 * * 5", "", "2026-01-01 00:00", {"2026-01-02 00:00", "2026-01-09 00:00"}},
        {"0 0 */2 * 1", "", "2026-01-01 00:00", {"2026-01-05 00:00", "2026-01-19 00:00", "2026-02-09 00:00"}},
        {"0 0 13 * */5",
         "",
         "2026-01-01 00:00",
         {"2026-02-13 00:00", "2026-03-13 00:00", "2026-09-13 00:00"}},
        {"0 12 29 2 *", "", "2026-01-01 00:00", {"2028-02-29 12:00", "2032-02-29 12:00"}},
        {"0 12 29 2 *", "", "2096-03-01 00:00", {"2104-02-29 12:00"}}, /* 2100 has none */
        {"0 0 29 2 */6",
         "",
         "2026-01-01 00:00",
         {"2032-02-29 00:00", "2048-02-29 00:00", "2060-02-29 00:00"}},
        {"0 0 30 2 *", "", "2026-01-01 00:00", {"never"}},
        {"0 0 31 4,6,9,11 *", "", "2026-01-01 00:00", {"never"}},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void zones(void **state)
{
    static const struct row rows[] = {
        {"30 5 * * *", "Asia/Kolkata", "2026-01-01 00:00", {"2026-01-02 00:00", "2026-01-03 00:00"}},
        {"0 9 * * 1", "Pacific/Auckland", "2026-01-01 00:00", {"2026-01-04 20:00", "2026-01-11 20:00"}},
        {"0 9 1 * *", "Asia/Singapore", "2026-01-31 23:00", {"2026-02-01 01:00", "2026-03-01 01:00"}},
        /* America/New_York springs from 02:00 to 03:00 at 07:00 UTC on 8 March 2026 */
        {"30 2 * * *",
         "America/New_York",
         "2026-03-07 00:00",
         {"2026-03-07 07:30", "2026-03-08 07:00", "2026-03-09 06:30"}},
        {"*/30 2 * * *", "America/New_York", "2026-03-07 08:00", {"2026-03-08 07:00", "2026-03-09 06:00"}},
        {"0,30 2,3 * * *",
         "America/New_York",
         "2026-03-08 00:00",
         {"2026-03-08 07:00", "2026-03-08 07:30", "2026-03-09 06:00"}},
        {"*/30 * * * *",
         "America/New_York",
         "2026-03-08 06:00",
         {"2026-03-08 06:30", "2026-03-08 07:00", "2026-03-08 07:30", "2026-03-08 08:00"}},
        /* and falls back from 02:00 to 01:00 at 06:00 UTC on 1 November: a time of day once, an interval
           twice */
        {"30 1 * * *", "America/New_York", "2026-10-31 06:00", {"2026-11-01 05:30", "2026-11-02 06:30"}},
        {"*/30 * * * *",
         "America/New_York",
         "2026-11-01 04:30",
         {"2026-11-01 05:00", "2026-11-01 05:30", "2026-11-01 06:00", "2026-11-01 06:30",
          "2026-11-01 07:00"}},
        {"0 2 * * *", "America/New_York", "2026-10-31 07:00", {"2026-11-01 07:00", "2026-11-02 07:00"}},
        {"30 2 29 3 *", "Europe/Berlin", "2026-03-01 00:00", {"2026-03-29 01:00", "2027-03-29 00:30"}},
        /* a winter that is "daylight saving" of less than nothing, and half an hour of it */
        {"30 1 25 10 *", "Europe/Dublin", "2026-10-01 00:00", {"2026-10-25 00:30", "2027-10-25 00:30"}},
        {"15 2 * * *", "Australia/Lord_Howe", "2026-10-02 20:00", {"2026-10-03 15:30", "2026-10-04 15:15"}},
        /* Samoa left out 30 December 2011, Cairo springs at midnight */
        {"0 12 * * *",
         "Pacific/Apia",
         "2011-12-29 12:00",
         {"2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"}},
        {"0 0 * * *", "Africa/Cairo", "2025-04-23 23:00", {"2025-04-24 22:00", "2025-04-25 21:00"}},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void refused(void **state)
{
    static const char *const crons[] = {"",          "* * * *",     "* * * * * *", "60 * * * *", "* 24 * * *",
                                        "* * 0 * *", "* * 32 * *",  "* * * 0 *",   "* * * 13 *", "* * * * 7",
                                        "@daily",    "*/0 * * * *", "5-1 * * * *", "a * * * *",  "1, * * * *",
                                        "* * * * -", "-1 * * * *",  "* * * foo *", "1/a * * * *"};
    static const char *const zone_names[] = {"Mars/Base", "../../etc/passwd", "/etc/localtime",
                                             "+02:00",    "CET-1CEST,M3,",    "Europe/",
                                             "-",         "Europe/Berlin "};
    struct cron c;
    struct cron_zone *z = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(crons); i++)
        if (cron_parse(crons[i], &c) != -EINVAL)
            fail_msg("'%s' is accepted", crons[i]);
    for (size_t i = 0; i < ARRAY_LEN(zone_names); i++)
        if (cron_zone_new(zone_names[i], &z) != -ENOENT)
            fail_msg("'%s' is accepted", zone_names[i]);
}

/* Against looking at every minute: random patterns, random beginnings. */
static void brute_force(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int i = 0; i < 400; i++) {
        char text[64];
        struct cron c;
        int64_t t = at("2026-01-01 00:00") + rand_r(&seed) % (400 * 86400), want = 0;
        snprintf(text, sizeof(text), "%d-%d/%d */%d %d-%d %d-12 %s", rand_r(&seed) % 30,
                 30 + rand_r(&seed) % 30, 1 + rand_r(&seed) % 29, 1 + rand_r(&seed) % 20,
                 1 + rand_r(&seed) % 15, 15 + rand_r(&seed) % 17, 1 + rand_r(&seed) % 12,
                 rand_r(&seed) % 2 ? "*" : "1,3");
        assert_int_equal(cron_parse(text, &c), 0);
        for (int64_t m = t / 60 * 60 + 60; !want && m < t + 500 * 86400LL; m += 60) {
            time_t seconds = m;
            struct tm tm;
            gmtime_r(&seconds, &tm);
            bool day = c.days >> tm.tm_mday & 1, weekday = c.weekdays >> tm.tm_wday & 1;
            if ((c.minutes >> tm.tm_min & 1) && (c.hours >> tm.tm_hour & 1) &&
                (c.months >> (tm.tm_mon + 1) & 1) && (c.any_weekday ? day : day || weekday))
                want = m;
        }
        char a[32], b[32];
        if (cron_next(&c, NULL, t) != want)
            fail_msg("'%s': %s instead of %s", text, shown(cron_next(&c, NULL, t), a), shown(want, b));
    }
}

/* Ticks at a time; says whether it fired ('F'), missed ('M'), both ('B') or neither ('-'). */
static char tick(struct cron_clock *clock, const struct cron *c, int64_t now)
{
    bool missed, fired = cron_clock_tick(clock, c, NULL, now, &missed);

    return fired ? (missed ? 'B' : 'F') : missed ? 'M' : '-';
}

static void jumps(void **state)
{
    struct cron_clock clock = {0};
    int64_t noon = at("2026-05-05 12:00");
    struct cron hourly, minutely;

    (void)state;
    assert_int_equal(cron_parse("0 * * * *", &hourly), 0);
    assert_int_equal(cron_parse("* * * * *", &minutely), 0);

    /* what came before the start is not caught up, nor is the very moment of it */
    assert_int_equal(tick(&clock, &hourly, noon), '-');
    assert_int_equal(clock.due, noon + 3600);
    assert_int_equal(tick(&clock, &hourly, noon + 3599), '-');
    assert_int_equal(tick(&clock, &hourly, noon + 3600), 'F');
    assert_int_equal(tick(&clock, &hourly, noon + 3600), '-');
    assert_int_equal(clock.due, noon + 7200);

    /* forward over a firing by less than five minutes: late; by more: missed */
    assert_int_equal(tick(&clock, &hourly, noon + 7200 + CRON_LATE), 'F');
    assert_int_equal(tick(&clock, &hourly, noon + 10800 + CRON_LATE + 1), 'M');
    assert_int_equal(clock.due, noon + 14400);
    /* over many firings: only the first that is not late by much */
    clock = (struct cron_clock){0};
    assert_int_equal(tick(&clock, &minutely, noon), '-');
    assert_int_equal(tick(&clock, &minutely, noon + 7200), 'B');
    assert_int_equal(clock.due, noon + 7260);

    /* back by an hour: nothing twice, then as ever; back by a day: a correction */
    clock = (struct cron_clock){.due = noon + 3600, .fired = noon};
    assert_int_equal(tick(&clock, &hourly, noon - 3600), '-');
    assert_int_equal(clock.due, noon + 3600);
    assert_int_equal(tick(&clock, &hourly, noon), '-');
    assert_int_equal(tick(&clock, &hourly, noon + 3601), 'F');
    assert_int_equal(tick(&clock, &hourly, noon - 86400), '-');
    assert_int_equal(clock.due, noon - 86400 + 3600);
    assert_int_equal(tick(&clock, &hourly, noon - 86400 + 3600), 'F');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),  cmocka_unit_test(days),        cmocka_unit_test(zones),
        cmocka_unit_test(refused), cmocka_unit_test(brute_force), cmocka_unit_test(jumps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
