/* The store: rows that are seen once committed, groups, changes, logs and their views, recovery. */
#include "own_store.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runfs/str.h"

static void a_row_comes_back_as_it_was_put(void **state)
{
    struct run_row run = a_run("queued");

    (void)state;
    run.title = "größer 'quoted'";
    assert_int_equal(store_put_run(st, &run, NULL), 0);
    const struct run_row *got = store_get_run(st, run.id);
    assert_string_equal(got->title, "größer 'quoted'");
    assert_string_equal(got->workflow_name, "ci.yml");
    assert_string_equal(got->ref, ""); /* NULL is stored as nothing */
    assert_int_equal(got->exit_code, -1);
    run.status = "completed";
    assert_int_equal(store_put_run(st, &run, NULL), 0);
    assert_string_equal(got->status, "queued"); /* a snapshot never changes */
    run_row_unref(got);
    got = store_get_run(st, run.id);
    assert_string_equal(got->status, "completed");
    run_row_unref(got);
    assert_null(store_get_run(st, 999));
}

static void an_id_is_never_given_twice(void **state)
{
    int64_t first = put_run("completed");

    (void)state;
    assert_int_equal(store_delete_run(st, first, NULL), 0);
    assert_null(store_get_run(st, first));
    assert_int_not_equal(put_run("completed"), first);
}

static void a_rolled_back_group_leaves_nothing(void **state)
{
    int64_t before = store_count_runs(st, NULL, NULL);

    (void)state;
    store_begin(st);
    put_run("queued");
    store_begin(st);
    put_run("queued");
    assert_int_equal(store_commit(st, NULL), 0);
    assert_int_equal(store_count_runs(st, NULL, NULL), before); /* not yet */
    store_rollback(st);
    assert_int_equal(store_count_runs(st, NULL, NULL), before);
    put_run("queued");
    assert_int_equal(store_count_runs(st, NULL, NULL), before + 1);
}

static void subscribers_hear_after_the_commit(void **state)
{
    struct heard heard = {0};

    (void)state;
    assert_int_equal(store_subscribe(st, hear, &heard), 0);
    store_begin(st);
    put_run("queued");
    assert_int_equal(heard.n, 0);
    assert_int_equal(store_commit(st, NULL), 0);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.last.kind, CHANGE_RUN);
    assert_true(heard.last.created);
    assert_true(heard.visible);
}

struct along {
    const char *name; /* of the setting that waits; NULL: nothing does */
    int written, result;
    size_t heard; /* by a subscriber, before it was told */
    struct heard *subscriber;
};

static void *write_along(void *data)
{
    struct along *a = data;

    if (a->name)
        (void)store_put_setting(st, SETTING_CONFIG, a->name, "along", NULL);
    return TAKE(a->name) ? a : NULL;
}

static void written_along(void *data, void *what, int result)
{
    struct along *a = data;

    assert_ptr_equal(what, a);
    a->written++;
    a->result = result;
    a->heard = a->subscriber->n;
}

static int64_t put_lasting_run(const char *status)
{
    store_begin_lasting(st);
    int64_t id = put_run(status);
    assert_int_equal(store_commit(st, NULL), 0);
    return id;
}

static void what_goes_along_shares_a_commit(void **state)
{
    struct heard heard = {0};
    struct along a = {.name = "slots", .subscriber = &heard};

    (void)state;
    assert_int_equal(store_subscribe(st, hear, &heard), 0);
    store_accompany(st, &(struct store_companion){write_along, written_along, &a});
    store_begin(st);
    put_run("queued");
    store_rollback(st);
    put_run("queued");
    assert_non_null(a.name); /* what may be undone takes nothing along */
    heard.calls = 0;
    put_lasting_run("queued");
    assert_int_equal(heard.calls, 1);
    assert_true(store_find_setting(st, SETTING_CONFIG, "slots") > 0);
    assert_int_equal(a.written, 1);
    assert_int_equal(a.result, 0);
    assert_int_equal(a.heard, heard.n); /* the run, and the setting */
    put_lasting_run("queued");
    assert_int_equal(a.written, 1); /* nothing was there to go along */
    a.name = "repo";
    store_accompany(st, NULL);
    put_lasting_run("queued");
    assert_non_null(a.name);
    store_unsubscribe(st, hear, &heard);
}

static void lists_resume_behind_an_id(void **state)
{
    int64_t ids[3], all[8];

    (void)state;
    for (int i = 0; i < 5; i++)
        put_run(i % 2 ? "completed" : "in_progress");
    assert_int_equal(store_list_runs(st, RUNS_ALL, 0, ids, 3), 3);
    assert_int_equal(store_list_runs(st, RUNS_ALL, ids[2], all, 8), 2);
    assert_int_equal(store_list_runs(st, RUNS_ACTIVE, 0, all, 8), 3);
    assert_int_equal(store_latest_run(st), ids[2] + 2);
}

static void settings_are_named(void **state)
{
    _buf_ struct buf value = BUF_INIT;
    int64_t ids[4];

    (void)state;
    assert_int_equal(store_put_setting(st, SETTING_CONFIG, "labels/a", "sandbox", NULL), 0);
    assert_int_equal(store_put_setting(st, SETTING_CONFIG, "labels/a", "host", NULL), 0);
    assert_int_equal(store_put_setting(st, SETTING_CONFIG, "slots", "2", NULL), 0);
    assert_int_equal(store_list_settings(st, SETTING_CONFIG, "labels/", 0, ids, 4), 1);
    assert_int_equal(store_setting(st, SETTING_CONFIG, "labels/a", &value), 0);
    assert_string_equal(value.ptr, "host");
    assert_int_equal(store_setting(st, SETTING_SECRET, "labels/a", &value), -ENOENT);
    assert_int_equal(store_delete_setting(st, SETTING_CONFIG, "labels/a", NULL), 0);
    assert_int_equal(store_find_setting(st, SETTING_CONFIG, "labels/a"), 0);
}

static void a_second_process_is_told_who_has_the_store(void **state)
{
    struct store *second = NULL;
    struct err err = {0};
    char pid[32];

    (void)state;
    assert_int_equal(store_open(dir, &second, &err), -EBUSY);
    snprintf(pid, sizeof(pid), "%d", getpid());
    assert_non_null(strstr(err.msg, pid));
}

/* --------------------------------------------------------------------------------------------------- logs */

static char *read_view(const struct log_select *select)
{
    struct log_view *v;
    static char text[4096];

    assert_int_equal(log_view_open(st, select, &v, NULL), 0);
    ssize_t n = log_view_read(v, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    assert_int_equal(n, log_view_size(v));
    assert_int_equal(n, log_size(st, select));
    text[n] = '\0';
    log_view_close(v);
    return text;
}

static void views_show_a_job_a_step_a_stream(void **state)
{
    int64_t run = put_run("in_progress");
    struct log_writer *w;

    (void)state;
    assert_int_equal(log_writer_open(st, run, &w, NULL), 0);
    log_append(w, 1, 10, 100, LOG_STDOUT, "a / one", "out1\n", 5, NULL);
    log_append(w, 1, 10, 100, LOG_STDERR, "a / one", "err1\n", 5, NULL);
    log_append(w, 1, 11, 110, LOG_STDOUT, "b / one", "other\n", 6, NULL);
    log_append(w, 1, 10, 101, LOG_STDOUT, "a / two", "out2", 4, NULL);
    log_append(w, 2, 12, 120, LOG_STDOUT, "a / one", "again\n", 6, NULL);
    log_writer_close(w);
    struct log_select s = {.run_id = run, .attempt = 1, .streams = LOG_OF_RUN};
    assert_string_equal(read_view(&s), "==> a / one <==\nout1\nerr1\n\n==> b / one <==\nother\n\n"
                                       "==> a / two <==\nout2");
    s = (struct log_select){.run_id = run, .job_id = 10, .streams = LOG_OF_STEP};
    assert_string_equal(read_view(&s), "out1\nerr1\nout2");
    s.step_id = 100;
    s.streams = LOG_STDERR;
    assert_string_equal(read_view(&s), "err1\n");
    s = (struct log_select){.run_id = run + 1, .streams = LOG_OF_RUN};
    assert_string_equal(read_view(&s), "");
}

static void a_view_follows_what_is_appended(void **state)
{
    int64_t run = put_run("in_progress");
    struct log_select s = {.run_id = run, .job_id = 1, .streams = LOG_OF_STEP};
    struct log_writer *w;
    struct log_view *v;
    char byte;

    (void)state;
    assert_int_equal(log_view_open(st, &s, &v, NULL), 0);
    assert_int_equal(log_view_read(v, &byte, 1, 0), 0);
    assert_int_equal(log_writer_open(st, run, &w, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        log_append(w, 1, 1, 1, LOG_STDOUT, "a", "x", 1, NULL);
        log_append(w, 1, 2, 2, LOG_STDOUT, "b", "y", 1, NULL);
        assert_int_equal(log_view_read(v, &byte, 1, i), 1);
        assert_int_equal(byte, 'x');
        if (i % 50 == 25) { /* a writer goes on where the last one ended: at the head, behind it */
            log_writer_close(w);
            assert_int_equal(log_writer_open(st, run, &w, NULL), 0);
        }
    }
    assert_int_equal(log_view_size(v), 1000);
    assert_int_equal(log_size(st, &s), 1000);
    assert_int_equal(log_step_sizes(st, run, 2).out, 1000);
    log_view_close(v);
    log_writer_close(w);
}

static void what_ran_is_interrupted_and_what_waited_stays(void **state)
{
    int64_t running = put_run("in_progress"), queued = put_run("queued");
    struct job_row job = {.run_id = running, .attempt = 1, .key = "a", .status = "in_progress"};
    struct log_writer *w;

    (void)state;
    assert_int_equal(store_put_job(st, &job, NULL), 0);
    struct step_row step = {.run_id = running, .job_id = job.id, .number = 1, .status = "in_progress"};
    assert_int_equal(store_put_step(st, &step, NULL), 0);
    assert_int_equal(log_writer_open(st, running, &w, NULL), 0);
    log_append(w, 1, job.id, step.id, LOG_STDOUT, "a / b", "so far\n", 7, NULL);
    log_writer_close(w);
    reopen();
    assert_int_equal(store_recover(st, NULL), 1);
    assert_int_equal(store_recover(st, NULL), 0);
    const struct run_row *run = store_get_run(st, running);
    assert_string_equal(run->conclusion, "interrupted");
    run_row_unref(run);
    const struct step_row *got = store_get_step(st, step.id);
    assert_string_equal(got->conclusion, "interrupted");
    assert_int_equal(got->stdout_size, 7);
    step_row_unref(got);
    run = store_get_run(st, queued);
    assert_string_equal(run->status, "queued");
    run_row_unref(run);
}

/* What indices are of is written only when it changed, and then all of the row is. */
static void what_a_row_is_found_by_may_change(void **state)
{
    int64_t run = put_run("queued");
    struct job_row job = {.run_id = run, .attempt = 1, .key = "build", .status = "queued"};

    (void)state;
    assert_int_equal(store_put_job(st, &job, NULL), 0);
    job.status = "in_progress";
    assert_int_equal(store_put_job(st, &job, NULL), 0);
    assert_int_equal(store_find_job(st, run, 1, "build"), job.id);
    job.key = "build-linux";
    job.status = "completed";
    assert_int_equal(store_put_job(st, &job, NULL), 0);
    assert_int_equal(store_find_job(st, run, 1, "build"), 0);
    assert_int_equal(store_find_job(st, run, 1, "build-linux"), job.id);
    const struct job_row *got = store_get_job(st, job.id);
    assert_string_equal(got->key, "build-linux");
    assert_string_equal(got->status, "completed");
    job_row_unref(got);
}

/* Writes for ever and reports what was committed. */
static void __attribute__((noreturn)) write_until_killed(int report)
{
    struct log_writer *w = NULL;

    for (int64_t n = 1;; n++) {
        struct run_row run = a_run("in_progress");
        if (store_put_run(st, &run, NULL) < 0 || log_writer_open(st, run.id, &w, NULL) < 0 ||
            log_append(w, 1, 1, 1, LOG_STDOUT, "a", "line\n", 5, NULL) < 0 ||
            write_all(report, &run.id, sizeof(run.id)) < 0)
            _exit(1);
        log_writer_close(w);
    }
}

static void nothing_reported_is_lost_by_kill_9(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        int64_t id = 0, last = 0;
        int report[2];
        store_close(st);
        assert_int_equal(pipe(report), 0);
        pid_t child = fork();
        if (child == 0) {
            struct err err;
            close(report[0]);
            if (store_open(dir, &st, &err) < 0)
                _exit(2);
            write_until_killed(report[1]);
        }
        close(report[1]);
        assert_int_equal(read_exact(report[0], &id, sizeof(id)), 0);
        usleep((useconds_t)(rand() % 8000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        for (last = id; read_exact(report[0], &id, sizeof(id)) == 0; last = id)
            ;
        close(report[0]);
        assert_int_equal(store_open(dir, &st, NULL), 0);
        const struct run_row *run = store_get_run(st, last);
        assert_non_null(run);
        run_row_unref(run);
        assert_int_equal(log_size(st, &(struct log_select){.run_id = last, .streams = LOG_STDOUT}), 5);
        assert_true(store_recover(st, NULL) > 0);
    }
}

/* Readers beside a writer never see half a group. */
static atomic_bool stop_reading;

static void *read_pairs(void *arg)
{
    int64_t *bad = arg;

    while (!stop_reading) {
        const struct run_row *a = store_get_run(st, 1);
        if (a && a->started_at != a->completed_at)
            ++*bad;
        run_row_unref(a);
    }
    return NULL;
}

static void readers_beside_a_writer(void **state)
{
    pthread_t threads[3];
    int64_t bad[3] = {0};
    struct run_row run = a_run("queued");

    (void)state;
    stop_reading = false;
    assert_int_equal(store_put_run(st, &run, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, read_pairs, &bad[i]);
    for (int i = 1; i < 500; i++) {
        run.started_at = run.completed_at = i;
        assert_int_equal(store_put_run(st, &run, NULL), 0);
        const struct run_row *mine = store_get_run(st, run.id);
        assert_int_equal(mine->started_at, i); /* one's own commit is seen at once */
        run_row_unref(mine);
    }
    stop_reading = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(bad[i], 0);
    }
}

/* More than the log of writes holds before it goes into the database, and more than it is let grow to. */
static void writes_go_home_while_others_come(void **state)
{
    static char payload[256 * 1024];
    struct stat log;
    char path[128], name[32];

    (void)state;
    memset(payload, 'x', sizeof(payload));
    for (int i = 0; i < 1000; i++) {
        struct hook_row row = {.event = "push",
                               .state = "pending",
                               .headers = "",
                               .verdict = "",
                               .runs = "",
                               .delivery = name,
                               .digest = name,
                               .changed_at = 1};
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(store_add_hook(st, &row, payload, sizeof(payload), false, NULL), 0);
    }
    snprintf(path, sizeof(path), "%s/runfs.db-wal", dir);
    assert_int_equal(stat(path, &log), 0);
    assert_true(log.st_size < 200 * 1024 * 1024); /* of 260 MB */
    reopen();
    _buf_ struct buf last = BUF_INIT;
    assert_int_equal(store_hook_payload(st, 1000, &last), 0);
    assert_int_equal(last.len, sizeof(payload));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_row_comes_back_as_it_was_put),
        TEST(an_id_is_never_given_twice),
        TEST(a_rolled_back_group_leaves_nothing),
        TEST(subscribers_hear_after_the_commit),
        TEST(what_goes_along_shares_a_commit),
        TEST(lists_resume_behind_an_id),
        TEST(settings_are_named),
        TEST(a_second_process_is_told_who_has_the_store),
        TEST(views_show_a_job_a_step_a_stream),
        TEST(a_view_follows_what_is_appended),
        TEST(what_ran_is_interrupted_and_what_waited_stays),
        TEST(what_a_row_is_found_by_may_change),
        TEST(nothing_reported_is_lost_by_kill_9),
        TEST(readers_beside_a_writer),
        TEST(writes_go_home_while_others_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
