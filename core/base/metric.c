/* Counters and histograms, and their text. */
#include "runfs/metric.h"

#include "runfs/str.h"

void metric_time(struct histogram *h, int64_t ns)
{
    size_t i = 0;

    if (ns < 0)
        ns = 0;
    while (i < METRIC_BUCKETS && h->bounds[i] > 0 && (double)ns > h->bounds[i] * 1e9)
        i++;
    if (i < METRIC_BUCKETS && h->bounds[i] <= 0)
        i = METRIC_BUCKETS;
    atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, (unsigned long long)ns, memory_order_relaxed);
}

static void head(struct buf *ret, const char *name, const char *help, const char *type)
{
    buf_addf(ret, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_histogram_write(const struct histogram *h, struct buf *ret)
{
    _buf_ struct buf own = BUF_INIT; /* its own label */
    unsigned long long total = 0;

    if (h->help)
        head(ret, h->name, h->help, "histogram");
    if (h->label)
        buf_addf(&own, "%s=\"%s\"", h->label, h->value);
    const char *label = buf_str(&own), *comma = h->label ? "," : "", *open = h->label ? "{" : "",
               *close = h->label ? "}" : "";
    for (size_t i = 0; i < METRIC_BUCKETS && h->bounds[i] > 0; i++) {
        total += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        buf_addf(ret, "%s_bucket{%s%sle=\"%g\"} %llu\n", h->name, label, comma, h->bounds[i], total);
    }
    total += atomic_load_explicit(&h->counts[METRIC_BUCKETS], memory_order_relaxed);
    buf_addf(ret, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", h->name, label, comma, total);
    /* with all digits: a text that grows is never cut short for who asked for its size before */
    buf_addf(ret, "%s_sum%s%s%s %.9f\n%s_count%s%s%s %llu\n", h->name, open, label, close,
             (double)atomic_load_explicit(&h->sum_ns, memory_order_relaxed) / 1e9, h->name, open, label,
             close, total);
}

void metric_count(struct counter *c, const char *value)
{
    size_t i = 0;

    while (i + 1 < METRIC_VALUES && c->values[i + 1] && !str_eq(c->values[i], value))
        i++;
    atomic_fetch_add_explicit(&c->counts[i], 1, memory_order_relaxed);
}

void metric_counter_write(const struct counter *c, struct buf *ret)
{
    head(ret, c->name, c->help, "counter");
    for (size_t i = 0; i < METRIC_VALUES && c->values[i]; i++)
        buf_addf(ret, "%s{%s=\"%s\"} %llu\n", c->name, c->label, c->values[i],
                 atomic_load_explicit(&c->counts[i], memory_order_relaxed));
}

void metric_gauge_head(struct buf *ret, const char *name, const char *help)
{
    head(ret, name, help, "gauge");
}

void metric_gauge_write(struct buf *ret, const char *name, const char *label, const char *value, double n)
{
    buf_adds(ret, name);
    if (label)
        buf_addf(ret, "{%s=\"", label);
    for (; label && *value; value++) {
        if (*value == '\n')
            buf_adds(ret, "\\n");
        else if (*value == '"' || *value == '\\')
            buf_addf(ret, "\\%c", *value);
        else
            buf_addc(ret, *value);
    }
    buf_addf(ret, "%s %.15g\n", label ? "\"}" : "", n);
}
