/* What cannot be written to the database now, and is as soon as it can be. */
#include "own_store.h"

#include <sqlite3.h>

#include "runfs/str.h"

/* Another process's. */
static sqlite3 *lock_database(void)
{
    _buf_ struct buf path = BUF_INIT;
    sqlite3 *db = NULL;

    buf_addf(&path, "%s/runfs.db", dir);
    assert_int_equal(sqlite3_open(buf_str(&path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static struct job_row a_job(int64_t run, const char *key, const char *status)
{
    return (struct job_row){.run_id = run, .attempt = 1, .key = key, .job_id = key, .status = status};
}

static void assert_job(int64_t id, const char *key, const char *status)
{
    const struct job_row *job = store_get_job(st, id);

    assert_non_null(job);
    assert_string_equal(job->key, key);
    assert_string_equal(job->status, status);
    job_row_unref(job);
}

static void what_has_happened_waits_for_the_database(void **state)
{
    struct job_row a, b;
    struct heard heard = {0};
    struct err err = {0};

    (void)state;
    a = a_job(put_run("queued"), "a", "queued");
    b = a_job(a.run_id, "b", "queued");
    assert_int_equal(store_subscribe(st, hear, &heard), 0);
    sqlite3 *other = lock_database();
    store_begin_lasting(st);
    assert_int_equal(store_put_job(st, &a, &err), 0);
    assert_int_equal(store_commit(st, &err), 0);
    a.status = "completed";
    store_begin_lasting(st);
    assert_int_equal(store_put_job(st, &a, &err), 0);
    assert_int_equal(store_put_job(st, &b, &err), 0);
    assert_int_equal(store_put_output(st, b.id, 0, "it", "is there", &err), 0);
    assert_int_equal(store_commit(st, &err), 0);
    assert_true(store_waits(st));
    assert_int_equal(heard.calls, 0); /* nobody has seen it */
    assert_int_not_equal(a.id, b.id);
    sqlite3_close(other);
    store_try_again(st);
    while (store_waits(st)) /* it had been tried just now */
        store_try_again(st);
    assert_int_equal(heard.calls, 1);
    assert_job(a.id, "a", "completed");
    assert_job(b.id, "b", "queued");
    assert_true(store_find_output(st, b.id, 0, "it") > 0);
    store_unsubscribe(st, hear, &heard);
    reopen();
    struct job_row c = a_job(a.run_id, "c", "queued");
    assert_int_equal(store_put_job(st, &c, &err), 0);
    assert_true(c.id > b.id);
}

/* Who may be refused is, and what waited goes before who comes next. */
static void what_waits_goes_first(void **state)
{
    struct job_row a = a_job(put_run("queued"), "a", "queued");
    struct err err = {0};

    (void)state;
    sqlite3 *other = lock_database();
    store_begin_lasting(st);
    assert_int_equal(store_put_job(st, &a, NULL), 0);
    assert_int_equal(store_commit(st, NULL), 0);
    struct run_row run = a_run("queued");
    assert_int_equal(store_put_run(st, &run, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "locked"));
    assert_null(store_get_job(st, a.id));
    sqlite3_close(other);
    assert_int_equal(store_delete_run(st, a.run_id, NULL), 0);
    assert_false(store_waits(st));
    assert_null(store_get_job(st, a.id)); /* with its run */
    assert_int_equal(store_list_jobs(st, a.run_id, 1, 0, (int64_t[1]){0}, 1), 0);
}

static void what_is_refused_for_itself_takes_nothing_along(void **state)
{
    struct job_row a = a_job(put_run("queued"), "a", "queued"), twin = a;
    struct err err = {0};

    (void)state;
    store_begin_lasting(st);
    assert_int_equal(store_put_job(st, &a, &err), 0);
    assert_int_equal(store_put_job(st, &twin, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "UNIQUE"));
    assert_int_equal(twin.id, 0);
    assert_int_equal(store_put_output(st, a.id, 0, "it", "is there", NULL), 0);
    assert_int_equal(store_commit(st, NULL), 0);
    assert_job(a.id, "a", "queued");
    assert_true(store_find_output(st, a.id, 0, "it") > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_has_happened_waits_for_the_database),
        TEST(what_waits_goes_first),
        TEST(what_is_refused_for_itself_takes_nothing_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
