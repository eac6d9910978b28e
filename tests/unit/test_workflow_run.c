/* What of a run is told to those that wait for it, once each; and remotes of checkouts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/run/workflow_run.h"
#include "runfs/str.h"
#include "runfs/worktree.h"

enum { ALL = RUN_REQUESTED | RUN_IN_PROGRESS | RUN_COMPLETED };

static struct run_row row(int64_t id, int attempt, const char *status, int64_t started, int64_t completed)
{
    return (struct run_row){
        .id = id, .attempt = attempt, .status = status, .started_at = started, .completed_at = completed};
}

static void once(void **state)
{
    struct told *t = calloc(1, sizeof(*t));
    struct run_row r = row(1, 1, "queued", 0, 0);

    (void)state;
    assert_non_null(t);
    assert_int_equal(told_news(t, &r, true, 100), RUN_REQUESTED);
    assert_int_equal(told_news(t, &r, false, 100), 0);
    r = row(1, 1, "in_progress", 110, 0);
    assert_int_equal(told_news(t, &r, false, 100), RUN_IN_PROGRESS);
    r = row(1, 1, "completed", 110, 120);
    assert_int_equal(told_news(t, &r, false, 100), RUN_COMPLETED);
    assert_int_equal(told_news(t, &r, false, 100), 0);
    /* again: not requested, but the rest */
    r = row(1, 2, "queued", 0, 0);
    assert_int_equal(told_news(t, &r, false, 100), 0);
    r = row(1, 2, "completed", 130, 140);
    assert_int_equal(told_news(t, &r, false, 100), RUN_IN_PROGRESS | RUN_COMPLETED);
    /* one that is over before anybody looks */
    r = row(2, 1, "completed", 130, 140);
    assert_int_equal(told_news(t, &r, true, 100), ALL);
    /* from before: what is over is old news, what ends now is not */
    r = row(3, 1, "completed", 80, 90);
    assert_int_equal(told_news(t, &r, false, 100), 0);
    r = row(4, 1, "in_progress", 80, 0);
    assert_int_equal(told_news(t, &r, false, 100), 0);
    r = row(4, 1, "completed", 80, 150);
    assert_int_equal(told_news(t, &r, false, 100), RUN_COMPLETED);
    r = row(5, 1, "in_progress", 120, 0);
    assert_int_equal(told_news(t, &r, false, 100), RUN_IN_PROGRESS);
    free(t);
}

/* The memory is bounded: the oldest are forgotten, and then their age says that they were told. */
static void bounded(void **state)
{
    struct told *t = calloc(1, sizeof(*t));

    (void)state;
    assert_non_null(t);
    for (int64_t id = 1; id <= 3 * WORKFLOW_RUNS_TOLD; id++) {
        struct run_row r = row(id, 1, "completed", 110, 120);
        assert_int_equal(told_news(t, &r, true, 100), ALL);
        assert_int_equal(told_news(t, &r, false, 100), 0);
    }
    free(t);
}

static void remotes(void **state)
{
    static const struct {
        const char *url, *full_name, *server;
    } rows[] = {
        {"https://github.com/octo/spoon.git", "octo/spoon", "https://github.com"},
        {"https://github.com/octo/spoon", "octo/spoon", "https://github.com"},
        {"https://user:pass@github.com/octo/spoon.git/", "octo/spoon", "https://github.com"},
        {"git@github.com:octo/spoon.git", "octo/spoon", "https://github.com"},
        {"ssh://git@ghe.example.com:2222/octo/spoon.git", "octo/spoon", "https://ghe.example.com"},
        {"git://example.com/group/sub/name.git", "sub/name", "https://example.com"},
        {"/srv/git/spoon.git", NULL, NULL},
        {"../spoon", NULL, NULL},
        {"file:///srv/git/spoon.git", NULL, NULL},
        {"https://github.com/spoon", NULL, NULL},
        {"https://github.com//", NULL, NULL},
        {"", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ struct arena a = {0};
        const char *full_name = NULL, *server = NULL;
        bool named = remote_parse(rows[i].url, &a, &full_name, &server);
        if (named != (rows[i].full_name != NULL))
            fail_msg("%s: %s", rows[i].url, full_name ? full_name : "no name");
        if (named) {
            assert_string_equal(full_name, rows[i].full_name);
            assert_string_equal(server, rows[i].server);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once),
        cmocka_unit_test(bounded),
        cmocka_unit_test(remotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
