/* When a schedule fires: days that match, the times of such a day, and what a zone's clock makes of them. */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <time.h>

#include "runfs/cron.h"
#include "runfs/str.h"

enum { DAY_SECONDS = 86400, DAYS_MAX = 366 * 41 /* 29 February on a given weekday comes within 40 years */ };

struct cron_zone {
    GTimeZone *zone; /* NULL: UTC */
};

int cron_zone_new(const char *name, struct cron_zone **ret)
{
    bool utc = !*name || str_eq_ascii_nocase(name, "UTC");
    struct cron_zone *z;

    /* GLib also takes offsets, paths and POSIX rules; a name of the database is none of these. */
    if (!utc && (name[0] == '/' || name[0] == ':' || strstr(name, "..") || strpbrk(name, ", ") ||
                 !((name[0] >= 'A' && name[0] <= 'Z') || (name[0] >= 'a' && name[0] <= 'z'))))
        return -ENOENT;
    z = calloc(1, sizeof(*z));
    if (!z)
        return -ENOMEM;
    z->zone = utc ? NULL : g_time_zone_new_identifier(name);
    if (!utc && !z->zone) {
        free(z);
        return -ENOENT;
    }
    *ret = z;
    return 0;
}

void cron_zone_free(struct cron_zone *z)
{
    if (z && z->zone)
        g_time_zone_unref(z->zone);
    free(z);
}

static int64_t offset_at(const struct cron_zone *z, int64_t utc)
{
    return z && z->zone ? g_time_zone_get_offset(
                              z->zone, g_time_zone_find_interval(z->zone, G_TIME_TYPE_UNIVERSAL, utc))
                        : 0;
}

/* UTC of a local time; what the clock skips becomes the first time after the gap. */
static int64_t to_utc(const struct cron_zone *z, GTimeType type, int64_t local)
{
    gint64 adjusted = local;

    if (!z || !z->zone)
        return local;
    int interval = g_time_zone_adjust_time(z->zone, type, &adjusted);
    return adjusted - g_time_zone_get_offset(z->zone, interval);
}

static bool day_matches(const struct cron *c, int64_t day)
{
    time_t t = day * DAY_SECONDS;
    struct tm tm;

    gmtime_r(&t, &tm);
    bool in_days = c->days >> tm.tm_mday & 1, in_weekdays = c->weekdays >> tm.tm_wday & 1;
    bool both = c->any_day || c->any_weekday;
    return (c->months >> (tm.tm_mon + 1) & 1) && (both ? in_days && in_weekdays : in_days || in_weekdays);
}

static void earlier(int64_t *best, int64_t candidate, int64_t after)
{
    if (candidate > after && (*best == 0 || candidate < *best))
        *best = candidate;
}

/* The first firing of a local day that is later than `after`; 0: none. */
static int64_t next_in_day(const struct cron *c, const struct cron_zone *z, int64_t day, int64_t after)
{
    int64_t best = 0;

    for (int minute = 0; minute < 24 * 60; minute++) {
        if (!(c->hours >> minute / 60 & 1) || !(c->minutes >> minute % 60 & 1))
            continue;
        int64_t local = day * DAY_SECONDS + minute * 60;
        int64_t one = to_utc(z, G_TIME_TYPE_STANDARD, local), two = to_utc(z, G_TIME_TYPE_DAYLIGHT, local);
        earlier(&best, one < two ? one : two, after);
        if (c->interval)
            earlier(&best, one < two ? two : one, after);
    }
    return best;
}

int64_t cron_next(const struct cron *c, const struct cron_zone *z, int64_t after)
{
    int64_t local = after + offset_at(z, after), best = 0;
    int64_t today = local / DAY_SECONDS - (local % DAY_SECONDS < 0), last = today + DAYS_MAX;

    /* from yesterday, and one day longer than needed: around a change of the clock days overlap */
    for (int64_t day = today - 1; day <= last; day++) {
        int64_t found = day_matches(c, day) ? next_in_day(c, z, day, after) : 0;
        if (found && best == 0)
            last = day + 1;
        earlier(&best, found, after);
    }
    return best;
}

bool cron_clock_tick(struct cron_clock *clock, const struct cron *c, const struct cron_zone *z, int64_t now,
                     bool *ret_missed)
{
    *ret_missed = false;
    if (clock->due && now >= clock->due) {
        int64_t due = clock->due;
        *ret_missed = now - due > CRON_LATE;
        if (*ret_missed)
            due = cron_next(c, z, now - CRON_LATE - 1);
        bool fires = due && due <= now;
        clock->fired = fires ? due : clock->due;
        clock->due = cron_next(c, z, now);
        return fires;
    }
    /* Not due: unless the clock went back by much, what fired already is not due again. */
    bool back = clock->fired > now && clock->fired - now < CRON_BACK;
    clock->due = cron_next(c, z, back ? clock->fired : now);
    return false;
}
