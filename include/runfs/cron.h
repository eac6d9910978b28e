/*
 * Schedules: the five fields of `on.schedule.cron`, time zones, and when one fires next. Pure but for the
 * reading of the zone's file; any thread may call.
 */
#ifndef RUNFS_CRON_H
#define RUNFS_CRON_H

#include <stdbool.h>
#include <stdint.h>

/* The five fields as sets of bits; bit 0 stands for 0, also where a field begins at 1. */
struct cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday; /* the field begins with `*`: it does not restrict, the other one decides */
    bool interval;             /* minutes or hours begin with `*`: it means a distance, not a time of day */
};

/*
 * Fields are numbers, `*`, ranges a-b, lists and steps n; months and weekdays also by their first three
 * letters (English, any case). 0 is Sunday. Returns 0, or -EINVAL for what GitHub refuses; the GitHub-only
 * words @daily etc. are among that.
 */
int cron_parse(const char *text, struct cron *ret);

struct cron_zone;
/* A zone by its IANA name; "" and "UTC" are UTC. -ENOENT: there is no such zone. */
int cron_zone_new(const char *name, struct cron_zone **ret);
void cron_zone_free(struct cron_zone *z);

/*
 * The first firing later than `after` (both seconds since 1970, UTC); 0: it never fires (30 February).
 * Day of month and weekday are joined by OR where both restrict, by AND where one begins with `*`, as POSIX
 * and crontab(5) have it. A time that the clock skips in spring moves to the first one that exists (GitHub's
 * rule); one that it repeats in autumn fires at its first occurrence only, unless the pattern is an interval.
 */
int64_t cron_next(const struct cron *c, const struct cron_zone *z, int64_t after);

/*
 * One schedule against a wall clock that may jump. Zero-initialised; ticked whenever the clock is looked at.
 * Starting, or a jump forward over a firing, is no reason to catch up: only what is at most CRON_LATE seconds
 * late still fires. After a jump back of less than CRON_BACK seconds nothing fires twice; a longer one is a
 * correction, and the schedule goes on from there.
 */
enum { CRON_LATE = 300, CRON_BACK = 3 * 3600 };
struct cron_clock {
    int64_t due, fired; /* the next firing, 0: not known; the last one, 0: none */
};
/* Whether it fires now; due is the next one then. *ret_missed: a firing was passed over. */
bool cron_clock_tick(struct cron_clock *clock, const struct cron *c, const struct cron_zone *z, int64_t now,
                     bool *ret_missed);

#endif
