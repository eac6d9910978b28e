/* Expectations beside what then comes, over synthetic histories: better than the base rate, and intervals
 * that hold what they promise. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/knowledge.h"
#include "runfs/str.h"

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return ((double)(seed >> 11) + 0.5) / (double)(1ULL << 53);
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static void push(struct outcome *history, size_t *n, struct outcome newest)
{
    if (*n == OUTCOMES_MAX)
        --*n;
    memmove(history + 1, history, *n * sizeof(*history));
    history[0] = newest;
    ++*n;
}

/* 40 workflows, each good or bad in its own way, some of which break in the middle and are mended later. */
static void success_is_told_better_than_by_the_base_rate(void **state)
{
    double brier = 0, base_brier = 0, told = 0, came = 0;
    size_t all = 0, good = 0;

    (void)state;
    seed = 7;
    for (int w = 0; w < 40; w++) {
        struct outcome history[OUTCOMES_MAX];
        double p = w % 4 == 0 ? 0.3 : w % 4 == 1 ? 0.7 : 0.97;
        size_t n = 0;
        for (int i = 0; i < 150; i++) {
            double now = w % 5 == 4 && i > 60 && i < 90 ? 0.05 : p;
            bool success = uniform() < now;
            double base = (double)(good + 1) / (double)(all + 2), guess = predict_success(history, n, base);
            assert_true(guess > 0 && guess < 1);
            brier += (guess - success) * (guess - success);
            base_brier += (base - success) * (base - success);
            told += guess;
            came += success;
            all++;
            good += success;
            push(history, &n, (struct outcome){success, 0});
        }
    }
    print_message("Brier score %.4f, of the base rate %.4f; told %.3f, came %.3f\n", brier / (double)all,
                  base_brier / (double)all, told / (double)all, came / (double)all);
    assert_true(brier < 0.75 * base_brier);
    assert_true(fabs(told - came) / (double)all < 0.02); /* calibrated as a whole */
}

/* Nine of ten durations lie within, however many are known, for two shapes of them. */
static void intervals_hold_what_they_promise(void **state)
{
    static const size_t known[] = {3, 6, 12, 25, 39, 60, 150};

    (void)state;
    seed = 11;
    for (size_t k = 0; k < ARRAY_LEN(known); k++)
        for (int shape = 0; shape < 2; shape++) {
            int within = 0, rounds = 2000;
            for (int r = 0; r < rounds; r++) {
                struct outcome history[OUTCOMES_MAX];
                struct expected e;
                for (size_t i = 0; i <= known[k]; i++)
                    history[i] = (struct outcome){
                        true, (int64_t)(shape ? 4000 + 400 * normal() : exp(8 + 0.4 * normal()))};
                assert_true(predict_duration(history + 1, known[k], &e));
                assert_true(e.low <= e.middle && e.middle <= e.high);
                within += (double)history[0].ms >= e.low && (double)history[0].ms <= e.high;
            }
            double coverage = (double)within / rounds;
            print_message("%3zu known, %s: %.3f within\n", known[k], shape ? "normal" : "lognormal",
                          coverage);
            assert_true(coverage > 0.86 && coverage < 0.95);
        }
}

static void little_is_known(void **state)
{
    struct outcome one = {true, 600}, bad = {false, 5};
    struct expected e;

    (void)state;
    assert_false(predict_duration(NULL, 0, &e));
    assert_false(predict_duration(&bad, 1, &e));
    assert_true(predict_duration(&one, 1, &e));
    assert_true(e.low > 190 && e.low < 210 && e.high > 1750 && e.high < 1850 && e.n == 1);
    assert_true(fabs(predict_success(NULL, 0, 0.8) - 0.8) < 1e-9);
    assert_true(predict_success(&bad, 1, 0.8) < 0.8);
}

static void odd_ones_stand_out(void **state)
{
    struct outcome history[30];
    _buf_ struct buf why = BUF_INIT;
    int alarms = 0;

    (void)state;
    seed = 3;
    for (int i = 0; i < 30; i++)
        history[i] = (struct outcome){true, (int64_t)(10000 + 300 * normal())};
    assert_false(outcome_is_odd(&(struct outcome){true, 10700}, history, 30, &why));
    assert_true(outcome_is_odd(&(struct outcome){true, 25000}, history, 30, &why));
    assert_non_null(strstr(buf_str(&why), "it took 25000 ms"));
    buf_reset(&why);
    assert_true(outcome_is_odd(&(struct outcome){false, 9000}, history, 30, &why));
    assert_string_equal(buf_str(&why), "it failed, which 0 of the 30 runs before it did\n");
    assert_false(outcome_is_odd(&(struct outcome){true, 25000}, history, 9, &why)); /* too few to tell */
    for (int i = 0; i < 1000; i++)
        alarms +=
            outcome_is_odd(&(struct outcome){true, (int64_t)(10000 + 300 * normal())}, history, 30, &why);
    assert_true(alarms < 5);
    for (int i = 0; i < 30; i++) /* fails every second time: neither is odd */
        history[i].success = i % 2;
    assert_false(outcome_is_odd(&(struct outcome){false, 9000}, history, 30, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_told_better_than_by_the_base_rate),
        cmocka_unit_test(intervals_hold_what_they_promise),
        cmocka_unit_test(little_is_known),
        cmocka_unit_test(odd_ones_stand_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
