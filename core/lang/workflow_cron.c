/* Whether GitHub takes a schedule's pattern: five fields of numbers, names, ranges, lists and steps. */
#include <ctype.h>
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

struct field {
    int min, max;
    const char *names; /* three letters each, the first one is min; NULL: none */
};

static const struct field fields[] = {
    {0, 59, NULL},
    {0, 23, NULL},
    {1, 31, NULL},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {0, 6, "sunmontuewedthufrisat"},
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

static bool range_valid(const struct field *f, const char *s, size_t len)
{
    const char *dash = memchr(s, '-', len);

    if (len == 1 && *s == '*')
        return true;
    if (!dash)
        return value_of(f, s, len) >= 0;
    int from = value_of(f, s, (size_t)(dash - s));
    int to = value_of(f, dash + 1, len - (size_t)(dash + 1 - s));
    return from >= 0 && to >= from;
}

static bool item_valid(const struct field *f, const char *s, size_t len)
{
    const char *slash = memchr(s, '/', len);

    if (!slash)
        return range_valid(f, s, len);
    size_t before = (size_t)(slash - s);
    return range_valid(f, s, before) && isdigit((unsigned char)slash[1]) &&
           value_of(f, slash + 1, len - before - 1) > 0;
}

static bool field_valid(const struct field *f, const char *s, size_t len)
{
    for (const char *end = s + len;;) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        if (!item_valid(f, s, (size_t)((comma ? comma : end) - s)))
            return false;
        if (!comma)
            return true;
        s = comma + 1;
    }
}

bool cron_valid(const char *cron)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        size_t len = strcspn(cron, " ");
        if (!field_valid(&fields[i], cron, len))
            return false;
        cron += len;
        bool last = i == ARRAY_LEN(fields) - 1;
        if (last != (*cron == '\0'))
            return false;
        cron += strspn(cron, " ");
    }
    return true;
}
