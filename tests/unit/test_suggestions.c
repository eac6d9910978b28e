/* Suggestions about jobs and steps: made where all the evidence is there, and not where any of it is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"

static char dir[64];
static struct store *st;

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/runfs-test-suggestions-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(dir, &st, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(st);
    return remove_tree(dir);
}

static int64_t put_workflow(const char *source)
{
    struct workflow_row row = {
        .name = "ci.yml", .title = "ci", .source = source, .source_len = strlen(source), .changed_at = 1};

    assert_int_equal(store_put_workflow(st, &row, NULL), 0);
    return row.id;
}

/* Seconds in which a job ran, and what became of it. */
struct history {
    int64_t workflow;
    int runs;
    const char *backend, *command_a, *command_b, *conclusion_a; /* the last one's, of a run's first attempt */
    int64_t ms_b;
};

static int64_t put_job(int64_t run, int attempt, const char *key, const char *conclusion, int64_t from,
                       int64_t ms, const char *backend)
{
    struct job_row job = {.run_id = run,
                          .attempt = attempt,
                          .key = key,
                          .job_id = key,
                          .name = key,
                          .status = "completed",
                          .conclusion = conclusion,
                          .backend = backend,
                          .started_at = from,
                          .completed_at = from + ms * 1000000};

    assert_int_equal(store_put_job(st, &job, NULL), 0);
    return job.id;
}

static void put_command(int64_t run, int64_t job, const char *name)
{
    struct command_place place = {.run_id = run, .job_id = job, .step_id = job, .at = 1};
    struct command_use use = {.name = name, .text = name, .outcome = COMMAND_SUCCEEDED, .duration_ms = -1};
    int64_t previous = 0;

    assert_int_equal(store_record_commands(st, &place, &use, 1, &previous, NULL), 0);
}

static int64_t put_run(int64_t workflow, int attempt, const char *sha)
{
    struct run_row run = {.workflow_id = workflow,
                          .attempt = attempt,
                          .status = "completed",
                          .conclusion = "success",
                          .workflow_name = "ci.yml",
                          .sha = sha,
                          .created_at = 1};

    assert_int_equal(store_put_run(st, &run, NULL), 0);
    return run.id;
}

static void put_history(const struct history *h)
{
    for (int i = 0; i < h->runs; i++) {
        bool again = i == h->runs - 1 && !str_eq(h->conclusion_a, "success");
        int64_t run = put_run(h->workflow, again ? 2 : 1, "x");
        if (again)
            put_job(run, 1, "lint", h->conclusion_a, 1, 3000, h->backend);
        put_command(run, put_job(run, again ? 2 : 1, "lint", "success", 1, 3000, h->backend), h->command_a);
        put_command(run, put_job(run, again ? 2 : 1, "test", "success", 1, h->ms_b, h->backend),
                    h->command_b);
    }
}

/* All names, with blanks between. */
static void suggests(const char *expected)
{
    _buf_ struct buf names = BUF_INIT;
    int64_t ids[64];
    ssize_t n = suggestion_list(st, 0, ids, 64);

    for (ssize_t i = 0; i < n; i++) {
        buf_adds(&names, i ? " " : "");
        assert_int_equal(suggestion_name(st, ids[i], &names), 0);
    }
    assert_string_equal(buf_str(&names), expected);
}

#define WORKFLOW(lint, test)                                                                                 \
    "on: push\njobs:\n  lint:\n    runs-on: x\n    steps: [{run: a}]\n" lint                                 \
    "  test:\n    runs-on: x\n    needs: lint\n" test

static const char good[] = WORKFLOW("", "    steps: [{run: b}]\n");

static struct history usual(void)
{
    return (struct history){.runs = 5,
                            .backend = "sandbox",
                            .command_a = "ruff",
                            .command_b = "pytest",
                            .conclusion_a = "success",
                            .ms_b = 2000};
}

static void a_job_that_waits_for_nothing(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    struct history h = usual();
    int64_t id;

    (void)state;
    h.workflow = put_workflow(good);
    put_history(&h);
    suggests("parallelise-ci.yml-lint-test.md");
    assert_int_equal(suggestion_list(st, 0, &id, 1), 1);
    assert_int_equal(suggestion_text(st, id, &text), 0);
    assert_non_null(strstr(buf_str(&text), "# Run `test` beside `lint`"));
    assert_non_null(strstr(buf_str(&text), "expected gain: 2.0 s a run\n"));
    assert_non_null(strstr(buf_str(&text), "In the last 5 runs of both"));
    assert_true(suggestion_concerns(st, id, 1));
    assert_int_equal(suggestion_list(st, id, &id, 1), 0);
}

static void one_that_may_wait_for_something(void **state)
{
    static const char *const sources[] = {
        WORKFLOW("    outputs: {x: 1}\n", "    steps: [{run: 'echo ${{ needs.lint.outputs.x }}'}]\n"),
        WORKFLOW("", "    if: always()\n    steps: [{run: b}]\n"),
        WORKFLOW("", "    environment: production\n    steps: [{run: b}]\n"),
        WORKFLOW("", "    concurrency: one\n    steps: [{run: b}]\n"),
        WORKFLOW("", "    steps: [{uses: actions/download-artifact@v4}]\n"),
        WORKFLOW("", "    strategy: {matrix: {v: [1]}}\n    steps: [{run: b}]\n"),
        WORKFLOW("  more:\n    runs-on: x\n    steps: [{run: c}]\n", "    steps: [{run: b}]\n"), /* not it */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct history h = usual();
        h.workflow = put_workflow(sources[i]);
        put_history(&h);
        suggests(i < ARRAY_LEN(sources) - 1 ? "" : "parallelise-ci.yml-lint-test.md");
        teardown(NULL);
        setup(NULL);
    }
}

static void evidence_that_is_missing(void **state)
{
    struct history all[7];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = usual();
    all[0].runs = 4;
    all[1].backend = "host";            /* where one may find what the other left */
    all[2].conclusion_a = "failure";    /* it kept the other from running */
    all[3].ms_b = 900;                  /* it is not worth it */
    all[4].command_b = "cargo publish"; /* what is done then is done */
    all[5].command_a = "docker build";  /* there is something behind it that both may use */
    all[6].command_b = "someone/action";
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i].workflow = put_workflow(good);
        put_history(&all[i]);
        suggests("");
        teardown(NULL);
        setup(NULL);
    }
}

/* ------------------------------------------------------------------------------------------------- to skip
 */

struct use {
    const char *script, *output, *outcome, *printed;
    int64_t ms;
    int commits; /* how many there are */
};

static void put_step(int64_t workflow, int i, const struct use *u)
{
    char sha[16];
    struct log_writer *log;

    snprintf(sha, sizeof(sha), "%d", i % u->commits);
    int64_t run = put_run(workflow, 1, sha), job = put_job(run, 1, "v", "success", 1, u->ms, "sandbox");
    struct step_row step = {.job_id = job,
                            .run_id = run,
                            .number = 1,
                            .slug = "v",
                            .name = "v",
                            .status = "completed",
                            .outcome = u->outcome,
                            .conclusion = u->outcome,
                            .script = u->script,
                            .started_at = 1,
                            .completed_at = 1 + u->ms * 1000000,
                            .stdout_size = (int64_t)strlen(u->printed)};

    assert_int_equal(store_put_step(st, &step, NULL), 0);
    if (u->output)
        assert_int_equal(store_put_output(st, job, step.id, "version", u->output, NULL), 0);
    assert_int_equal(log_writer_open(st, run, &log, NULL), 0);
    assert_int_equal(
        log_append(log, 1, job, step.id, LOG_STDOUT, "v / v", u->printed, strlen(u->printed), NULL), 0);
    log_writer_close(log);
}

static const char versions[] = "on: push\njobs: {v: {runs-on: x, steps: [{id: tell, run: a}]}}\n";
static const struct use same = {"a", "1.2", "success", "it is 1.2\n", 1500, 4};

static void a_step_that_never_comes_to_anything_else(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    int64_t id, workflow = put_workflow(versions);

    (void)state;
    for (int i = 0; i < 9; i++)
        put_step(workflow, i, &same);
    suggests("");
    put_step(workflow, 9, &same);
    suggests("skip-ci.yml-v-tell.md");
    assert_int_equal(suggestion_list(st, 0, &id, 1), 1);
    assert_int_equal(suggestion_text(st, id, &text), 0);
    assert_non_null(strstr(buf_str(&text), "expected gain: 1.5 s a run\n"));
    assert_non_null(strstr(buf_str(&text), "In the last 10 runs, of 4 commits, step 1 succeeded"));
    assert_non_null(strstr(buf_str(&text), "    version=1.2\n"));
}

static void one_that_might(void **state)
{
    static const struct use last[] = {
        {"b", "1.2", "success", "it is 1.2\n", 1500, 4}, {"a", "1.3", "success", "it is 1.2\n", 1500, 4},
        {"a", "1.2", "failure", "it is 1.2\n", 1500, 4}, {"a", "1.2", "success", "it is 1.3\n", 1500, 4},
        {"a", NULL, "success", "it is 1.2\n", 1500, 4},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        int64_t workflow = put_workflow(versions);
        for (int k = 0; k < 9; k++)
            put_step(workflow, k, &same);
        put_step(workflow, 9, &last[i]);
        suggests("");
        teardown(NULL);
        setup(NULL);
    }
    static const struct use others[] = {{"a", NULL, "success", "ok\n", 1500, 4}, /* a test, say */
                                        {"a", "1.2", "success", "it is 1.2\n", 900, 4},
                                        {"a", "1.2", "success", "it is 1.2\n", 1500, 2}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        int64_t workflow = put_workflow(versions);
        for (int k = 0; k < 10; k++)
            put_step(workflow, k, &others[i]);
        suggests("");
        teardown(NULL);
        setup(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_that_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_may_wait_for_something, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_that_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_step_that_never_comes_to_anything_else, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_might, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
