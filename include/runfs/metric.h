/*
 * Numbers that count up while the process lives, for who watches it over time (Prometheus' text format,
 * https://prometheus.io/docs/instrumenting/exposition_formats). Any thread; adding costs an atomic increment.
 */
#ifndef RUNFS_METRIC_H
#define RUNFS_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "runfs/buf.h"

enum { METRIC_BUCKETS = 16, METRIC_VALUES = 8 };

/* How long something took. */
struct histogram {
    const char *name, *help;             /* runfs_..._seconds */
    const double bounds[METRIC_BUCKETS]; /* seconds, ascending; 0 ends them */
    atomic_ullong counts[METRIC_BUCKETS + 1], sum_ns;
    const char *label,
        *value; /* what tells it from others of its name, of which the first has help; or NULL */
};
void metric_time(struct histogram *h, int64_t ns);
void metric_histogram_write(const struct histogram *h, struct buf *ret);

/* How often something happened, by what it was. */
struct counter {
    const char *name, *help, *label;
    const char *const values[METRIC_VALUES]; /* NULL ends them; what is none of them counts as the last */
    atomic_ullong counts[METRIC_VALUES];
};
void metric_count(struct counter *c, const char *value);
void metric_counter_write(const struct counter *c, struct buf *ret);

/* A value as it is now: the first line of its family has help and type. */
void metric_gauge_head(struct buf *ret, const char *name, const char *help);
/* label NULL: none. The value is escaped. */
void metric_gauge_write(struct buf *ret, const char *name, const char *label, const char *value, double n);

#endif
