/* A schedule's pattern: five fields of numbers, names, ranges, lists and steps, as GitHub takes them. */
#include "runfs/cron.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

struct field {
    int min, max;
    const char *names; /* three letters each, the first one is min; NULL: none */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = {0, 59, NULL},
    [HOUR] = {0, 23, NULL},
    [DAY] = {1, 31, NULL},
    [MONTH] = {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    [WEEKDAY] = {0, 6, "sunmontuewedthufrisat"},
};

/* The number that a part of a field stands for, -1 for none. */
static int value_of(const struct field *f, const char *s, size_t len)
{
    int n = 0;

    for (const char *name = f->names; name && *name && len == 3; name += 3)
        if (strncasecmp(name, s, 3) == 0)
            return f->min + (int)(name - f->names) / 3;
    if (len == 0 || len > 4)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]))
            return -1;
        n = n * 10 + s[i] - '0';
    }
    return n >= f->min && n <= f->max ? n : -1;
}

/* `*`, a number or a range. *ret_single: one number, which only a step makes a range of. */
static bool parse_range(const struct field *f, const char *s, size_t len, int *from, int *to)
{
    const char *dash = memchr(s, '-', len);

    if (len == 1 && *s == '*') {
        *from = f->min;
        *to = f->max;
        return true;
    }
    *from = value_of(f, s, dash ? (size_t)(dash - s) : len);
    *to = dash ? value_of(f, dash + 1, len - (size_t)(dash + 1 - s)) : *from;
    return *from >= 0 && *to >= *from;
}

static bool parse_item(const struct field *f, const char *s, size_t len, uint64_t *ret)
{
    const char *slash = memchr(s, '/', len);
    size_t range = slash ? (size_t)(slash - s) : len;
    int from, to, step = 1;

    if (!parse_range(f, s, range, &from, &to))
        return false;
    if (slash) {
        step = isdigit((unsigned char)slash[1]) ? value_of(f, slash + 1, len - range - 1) : 0;
        if (step <= 0)
            return false;
        if (!memchr(s, '-', range)) /* "5/15": from 5 on */
            to = f->max;
    }
    for (int i = from; i <= to; i += step)
        *ret |= 1ULL << i;
    return true;
}

static bool parse_field(const struct field *f, const char *s, size_t len, uint64_t *ret)
{
    *ret = 0;
    for (const char *end = s + len;;) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        if (!parse_item(f, s, (size_t)((comma ? comma : end) - s), ret))
            return false;
        if (!comma)
            return true;
        s = comma + 1;
    }
}

int cron_parse(const char *text, struct cron *ret)
{
    uint64_t sets[FIELDS];
    bool star[FIELDS];

    for (size_t i = 0; i < FIELDS; i++) {
        size_t len = strcspn(text, " ");
        if (!parse_field(&fields[i], text, len, &sets[i]))
            return -EINVAL;
        star[i] = *text == '*';
        text += len;
        if ((i == FIELDS - 1) != (*text == '\0'))
            return -EINVAL;
        text += strspn(text, " ");
    }
    *ret = (struct cron){.minutes = sets[MINUTE],
                         .hours = (uint32_t)sets[HOUR],
                         .days = (uint32_t)sets[DAY],
                         .months = (uint32_t)sets[MONTH],
                         .weekdays = (uint32_t)sets[WEEKDAY],
                         .any_day = star[DAY],
                         .any_weekday = star[WEEKDAY],
                         .interval = star[MINUTE] || star[HOUR]};
    return 0;
}

bool cron_valid(const char *text)
{
    struct cron c;

    return cron_parse(text, &c) == 0;
}
