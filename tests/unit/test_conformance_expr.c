/* GitHub's own test data for expressions, where it is beside the project: every case, skipped nowhere. */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json_same.h"
#include "runfs/expr.h"

struct tally {
    int cases, failed;
    struct expr_cache *cache;
};

static bool agrees(json_t *test, json_t *line)
{
    json_t *want = json_object_get(test, "result"), *want_err = json_object_get(test, "err");
    json_t *error = json_object_get(line, "error");

    if (want)
        return same(want, line);
    if (!error || !json_equal(json_object_get(error, "kind"), json_object_get(want_err, "kind")))
        return false;
    return strstr(json_string_value(json_object_get(error, "message")),
                  json_string_value(json_object_get(want_err, "value"))) != NULL;
}

static void run_case(const char *file, const char *group, json_t *test, struct tally *tally)
{
    _json_ json_t *request = json_object();
    _buf_ struct buf out = BUF_INIT;

    json_object_set(request, "expr", json_object_get(test, "expr"));
    if (json_object_get(test, "contexts"))
        json_object_set(request, "contexts", json_object_get(test, "contexts"));
    _free_ char *text = json_dumps(request, 0);
    assert_non_null(text);
    assert_int_equal(expr_eval_request(tally->cache, text, strlen(text), &out), 0);
    _json_ json_t *line = json_loads(buf_str(&out), 0, NULL);
    assert_non_null(line);
    tally->cases++;
    if (agrees(test, line))
        return;
    tally->failed++;
    print_error("%s: %s: %.300s\n  gives %s", file, group, text, buf_str(&out));
}

static void run_file(const char *path, struct tally *tally)
{
    json_error_t error;
    _json_ json_t *groups = json_load_file(path, 0, &error);
    const char *name;
    json_t *group, *test;
    size_t i;

    if (!groups)
        fail_msg("%s: %s", path, error.text);
    json_object_foreach(groups, name, group) json_array_foreach(group, i, test)
        run_case(path, name, test, tally);
}

static void test_conformance(void **state)
{
    const char *shared = getenv("RUNFS_SHARED");
    _buf_ struct buf pattern = BUF_INIT;
    struct tally tally = {0};
    glob_t found;

    (void)state;
    buf_addf(&pattern, "%s/conformance/expressions/*.json", shared ? shared : "../shared");
    if (glob(buf_str(&pattern), 0, NULL, &found) != 0) {
        print_message("no test data at %s: skipped\n", buf_str(&pattern));
        skip();
    }
    tally.cache = expr_cache_new();
    for (size_t i = 0; i < 2 * found.gl_pathc; i++) /* the second time much is remembered */
        run_file(found.gl_pathv[i % found.gl_pathc], &tally);
    expr_cache_free(tally.cache);
    globfree(&found);
    print_message("%d cases, each twice: %d failed\n", tally.cases / 2, tally.failed);
    assert_int_equal(tally.failed, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_conformance)};

    return cmocka_run_group_tests_name("conformance of expressions", tests, NULL, NULL);
}
