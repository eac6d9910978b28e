/* What is to be expected of something by its history. */
#include <math.h>

#include "runfs/knowledge.h"
#include "runfs/str.h"

/* How much less each outcome counts than the one after it, and how many outcomes what is usual elsewhere
 * counts as. */
static const double fading = 0.95, prior = 2;
/* From so many durations on they speak for themselves; of fewer the logarithms are taken for normally
 * distributed. */
enum { EMPIRICAL = 40 };

double predict_success(const struct outcome *newest_first, size_t n, double usual)
{
    double good = prior * usual, all = prior, weight = 1;

    for (size_t i = 0; i < n; i++, weight *= fading) {
        good += newest_first[i].success ? weight : 0;
        all += weight;
    }
    return good / all;
}

/* Student's t, 95 % on one side, by degrees of freedom; between two, that of fewer. */
static double student(size_t freedom)
{
    static const struct {
        size_t freedom;
        double t;
    } table[] = {{1, 6.314},  {2, 2.920},  {3, 2.353},  {4, 2.132},  {5, 2.015},  {6, 1.943},
                 {7, 1.895},  {8, 1.860},  {9, 1.833},  {10, 1.812}, {12, 1.782}, {15, 1.753},
                 {20, 1.725}, {30, 1.697}, {60, 1.671}, {120, 1.658}};
    double t = table[0].t;

    for (size_t i = 0; i < ARRAY_LEN(table) && table[i].freedom <= freedom; i++)
        t = table[i].t;
    return t;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void by_logarithms(const double *ms, size_t n, struct expected *ret)
{
    double mean = 0, square = 0;

    for (size_t i = 0; i < n; i++)
        mean += log(ms[i]) / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (log(ms[i]) - mean) * (log(ms[i]) - mean);
    /* one or two durations say little of how they spread: from a third to three times of them */
    double reach = n < 3 ? log(3) + sqrt(square / 2)
                         : student(n - 1) * sqrt(square / (double)(n - 1)) * sqrt(1 + 1 / (double)n);
    *ret = (struct expected){exp(mean - reach), exp(mean), exp(mean + reach), n};
}

static void by_order(const double *sorted, size_t n, struct expected *ret)
{
    size_t low = (size_t)(0.05 * (double)(n + 1));

    *ret = (struct expected){sorted[low ? low - 1 : 0], sorted[n / 2], sorted[low ? n - low : n - 1], n};
}

bool predict_duration(const struct outcome *outcomes, size_t n, struct expected *ret)
{
    double ms[OUTCOMES_MAX];
    size_t known = 0;

    for (size_t i = 0; i < n && known < OUTCOMES_MAX; i++)
        if (outcomes[i].success && outcomes[i].ms >= 0)
            ms[known++] = outcomes[i].ms < 1 ? 1 : (double)outcomes[i].ms;
    if (known == 0)
        return false;
    qsort(ms, known, sizeof(*ms), by_size);
    (known < EMPIRICAL ? by_logarithms : by_order)(ms, known, ret);
    return true;
}

/* ------------------------------------------------------------------------------------- what departs from it
 */

/* Fewer say nothing. */
enum { HISTORY_MIN = 10 };

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), by_size);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static bool odd_duration(const struct outcome *it, const struct outcome *before, size_t n, struct buf *ret)
{
    double ms[OUTCOMES_MAX], away[OUTCOMES_MAX];
    size_t known = 0;

    for (size_t i = 0; i < n && known < OUTCOMES_MAX; i++)
        if (before[i].success)
            ms[known++] = (double)before[i].ms;
    if (!it->success || known < HISTORY_MIN)
        return false;
    double usual = median(ms, known), distance = fabs((double)it->ms - usual);
    for (size_t i = 0; i < known; i++)
        away[i] = fabs(ms[i] - usual);
    /* 1.4826: of a normal distribution that is the standard deviation. Never less than a twentieth of what is
     * usual, or everything would be odd beside durations that are all alike. */
    double spread = fmax(1.4826 * median(away, known), usual / 20);
    if (distance < 5 * spread || distance < 100)
        return false;
    buf_addf(
        ret,
        "it took %lld ms, and usually takes %.0f (the median of %zu runs; %.1f times their spread away)\n",
        (long long)it->ms, usual, known, distance / spread);
    return true;
}

static bool odd_outcome(const struct outcome *it, const struct outcome *before, size_t n, struct buf *ret)
{
    size_t good = 0;

    for (size_t i = 0; i < n; i++)
        good += before[i].success;
    if (n < HISTORY_MIN || it->success == (good * 2 > n) || (good * 20 > n && good * 20 < n * 19))
        return false;
    buf_addf(ret, "it %s, which %zu of the %zu runs before it did\n", it->success ? "succeeded" : "failed",
             it->success ? good : n - good, n);
    return true;
}

bool outcome_is_odd(const struct outcome *it, const struct outcome *before, size_t n, struct buf *ret)
{
    bool odd = odd_outcome(it, before, n, ret);

    return odd_duration(it, before, n, ret) || odd;
}
