/* Deliveries in the store: each is kept once, however many bring it. */
#include "own_store.h"

#include <pthread.h>
#include <sqlite3.h>

#include "runfs/str.h"

/* Deliveries that come while somebody else writes are added together: each once, whoever brings it how often.
 */
enum { BRINGERS = 16 };

struct bringer {
    pthread_t thread;
    int n, result;
    int64_t id;
};

static void *bring(void *arg)
{
    struct bringer *b = arg;
    char delivery[32], digest[32];
    struct hook_row row = {.event = "push",
                           .state = "pending",
                           .headers = "",
                           .verdict = "",
                           .runs = "",
                           .delivery = delivery,
                           .digest = digest,
                           .changed_at = 1};

    /* four of each; two of them know it by its name only, two by its content only */
    snprintf(delivery, sizeof(delivery), "name-%d", b->n % 4 < 2 ? b->n / 4 + 100 : b->n);
    snprintf(digest, sizeof(digest), "content-%d", b->n % 4 < 2 ? b->n : b->n / 4 + 100);
    b->result = store_add_hook(st, &row, "{}", 2, b->n % 4 >= 2, NULL);
    b->id = row.id;
    return NULL;
}

static void deliveries_at_once_are_kept_once(void **state)
{
    struct bringer all[BRINGERS] = {0};
    int64_t ids[BRINGERS];
    int added = 0;

    (void)state;
    store_begin(st);
    for (int i = 0; i < BRINGERS; i++) {
        all[i].n = i;
        assert_int_equal(pthread_create(&all[i].thread, NULL, bring, &all[i]), 0);
    }
    usleep(50000); /* they come together, if they are quick; what comes of it is the same */
    assert_int_equal(store_commit(st, NULL), 0);
    for (int i = 0; i < BRINGERS; i++)
        pthread_join(all[i].thread, NULL);
    for (int i = 0; i < BRINGERS; i++) {
        const struct hook_row *row = store_get_hook(st, all[i].id);
        assert_non_null(row);
        hook_row_unref(row);
        assert_true(all[i].result == 0 || all[i].result == -EEXIST);
        added += all[i].result == 0;
        assert_int_equal(all[i].id, all[i ^ 1].id);
    }
    assert_int_equal(added, BRINGERS / 2);
    assert_int_equal(store_list_hooks(st, 0, ids, BRINGERS), BRINGERS / 2);
}

static int added(const char *delivery, const char *digest, const char *event, int64_t *ret_id)
{
    struct hook_row row = {.event = event,
                           .state = "done",
                           .headers = "",
                           .verdict = "",
                           .runs = "",
                           .delivery = delivery,
                           .digest = digest,
                           .changed_at = 1};
    int r = store_add_hook(st, &row, "{}", 2, false, NULL);

    *ret_id = row.id;
    return r;
}

static void deliveries_are_known_by_their_names(void **state)
{
    int64_t one, two, id;

    (void)state;
    assert_int_equal(added("a", "same", "push", &one), 0);
    assert_int_equal(added("b", "same", "push", &two), 0);
    assert_int_not_equal(one, two);
    assert_int_equal(added("a", "other", "push", &id), -EEXIST);
    assert_int_equal(id, one);
    assert_int_equal(added("c", "same", "release", &id), -EEXIST); /* as another event */
    assert_int_equal(id, two);
    assert_int_equal(added("same", "same", "push", &id), -EEXIST); /* without a name */
    assert_int_equal(id, two);
    assert_int_equal(added("nameless", "nameless", "push", &one), 0);
    assert_int_equal(added("nameless", "nameless", "push", &id), -EEXIST);
    assert_int_equal(id, one);
}

/* Version 18 knew each by its payload; 6 of 7 deliveries were deleted there. */
static void deliveries_of_an_older_store_stay(void **state)
{
    static const char *const as_it_was =
        "DROP TABLE expired_artifacts; ALTER TABLE artifacts DROP COLUMN disk;"
        "DROP INDEX repos_called; ALTER TABLE repos DROP COLUMN full_name;"
        "ALTER TABLE runs DROP COLUMN head_branch; ALTER TABLE runs DROP COLUMN head_sha;"
        "ALTER TABLE runs DROP COLUMN forge; ALTER TABLE workflows DROP COLUMN forge;"
        "ALTER TABLE runs DROP COLUMN triggering_actor;"
        "ALTER TABLE runs DROP COLUMN logs_gone; ALTER TABLE attempts DROP COLUMN triggering_actor;"
        "DROP TABLE hooks;"
        "CREATE TABLE hooks (id INTEGER PRIMARY KEY AUTOINCREMENT, delivery TEXT NOT NULL UNIQUE,"
        "  digest TEXT NOT NULL UNIQUE, event TEXT NOT NULL, state TEXT NOT NULL, headers TEXT NOT NULL,"
        "  verdict TEXT NOT NULL, runs TEXT NOT NULL, changed_at INTEGER NOT NULL);"
        "CREATE INDEX hooks_pending ON hooks (id) WHERE state IN ('pending', 'running', 'resumed');"
        "CREATE INDEX hooks_old ON hooks (changed_at);"
        "CREATE TRIGGER hook_runs_gone AFTER DELETE ON hooks BEGIN"
        " DELETE FROM hook_runs WHERE hook_id = OLD.id; END;"
        "INSERT INTO hooks VALUES (5, 'a', 'same', 'push', 'pending', 'H: v', 'said', '1 2', 77);"
        "INSERT INTO hook_runs VALUES (5, 1, 9);"
        "UPDATE sqlite_sequence SET seq = 7 WHERE name = 'hooks';"
        "PRAGMA user_version = 18;";
    char path[128];
    sqlite3 *db;
    int64_t id, ids[4];

    (void)state;
    store_close(st);
    snprintf(path, sizeof(path), "%s/runfs.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, as_it_was, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(dir, &st, NULL), 0);
    const struct hook_row *row = store_get_hook(st, 5);
    assert_string_equal(row->delivery, "a");
    assert_string_equal(row->headers, "H: v");
    assert_string_equal(row->runs, "1 2");
    assert_int_equal(row->changed_at, 77);
    hook_row_unref(row);
    assert_int_equal(store_list_waiting_hooks(st, 0, ids, 4), 1);
    assert_int_equal(store_find_hook_run(st, 5, 1), 9);
    assert_int_equal(added("b", "same", "push", &id), 0);
    assert_int_equal(id, 8);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(deliveries_at_once_are_kept_once),
        TEST(deliveries_are_known_by_their_names),
        TEST(deliveries_of_an_older_store_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
