/* The index of documents, and hearing what changed below a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "core/knowledge/search_internal.h"
#include "runfs/documents.h"
#include "runfs/io.h"
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"
#include "runfs/watch.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/runfs-test-search-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return remove_tree(dir);
}

static const char *in_dir(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write_all(fd, text, strlen(text)), 0);
    close(fd);
}

/* ----------------------------------------------------------------------------------------------- documents
 */

static bool all(void *data, const char *path)
{
    (void)data;
    return !str_eq(path, "/unwanted");
}

static int note(void *data, const struct document_found *f)
{
    buf_addf(data, "%s ", f->path);
    return 0;
}

static void finds(struct documents *d, const char *match, const char *expected)
{
    _buf_ struct buf found = BUF_INIT;
    struct err err = {0};

    if (documents_find(d, &(struct documents_query){match, 2, all, note, &found}, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(buf_str(&found), expected);
}

static void put(struct documents *d, const char *path, const char *title, const char *body)
{
    struct err err = {0};

    if (documents_put(d, &(struct document){path, title, body, 1, (int64_t)strlen(body)}, &err) < 0)
        fail_msg("%s", err.msg);
}

static void find_what_was_put(void **state)
{
    struct documents *d = NULL;

    (void)state;
    assert_int_equal(documents_open(dir, false, &d, NULL), 0);
    put(d, "/a", "A", "the kettle");
    put(d, "/unwanted", "U", "the kettle");
    put(d, "/b", "kettle", "the teapot");
    finds(d, "\"kettle\"", "/b /a ");
    finds(d, "\"teapot\"", "/b ");
    put(d, "/b", "B", "the urn");
    finds(d, "\"teapot\"", "");
    finds(d, "\"urn\"", "/b ");
    assert_int_equal(documents_begin(d, NULL), 0);
    assert_int_equal(documents_drop(d, "/a", NULL), 0);
    assert_int_equal(documents_drop(d, "/nothing", NULL), 0);
    documents_rollback(d);
    finds(d, "\"kettle\"", "/a ");
    assert_int_equal(documents_drop(d, "/a", NULL), 0);
    finds(d, "\"kettle\"", "");
    documents_close(d);
    assert_int_equal(documents_open(dir, false, &d, NULL), 0);
    finds(d, "\"urn\"", "/b ");
    documents_close(d);
    assert_int_equal(documents_open(dir, true, &d, NULL), 0);
    finds(d, "\"urn\"", "");
    documents_close(d);
}

struct ranks {
    int64_t ids[64];
    double ranks[64];
    size_t n;
};

static int note_rank(void *data, const struct document_found *f)
{
    struct ranks *r = data;

    r->ids[r->n] = f->id;
    r->ranks[r->n++] = f->rank;
    return 0;
}

static int put_letters(struct documents *d, int i)
{
    _buf_ struct buf path = BUF_INIT, body = BUF_INIT;

    buf_addf(&path, "/%d", i);
    for (int k = 0; k < i % 13 + 1; k++)
        buf_adds(&body, k * i % 3 == 0 ? "kettle " : k * i % 5 == 0 ? "tea pot " : "cup ");
    put(d, buf_str(&path), i % 7 == 0 ? "tea kettle" : "cup", buf_str(&body));
    return 0;
}

/* FTS5's own function says the same of each. */
static void rank_as_fts5_does(void **state)
{
    static const char *const queries[] = {"kettle", "\"kettle\" \"cup\"",
                                          "(\"tea\") OR \"tea pot\" OR \"cup\""};
    struct documents *d = NULL;

    (void)state;
    for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
        struct ranks got = {0};
        sqlite3 *db = NULL;
        sqlite3_stmt *stmt = NULL;
        size_t n = 0;
        assert_int_equal(documents_open(dir, false, &d, NULL), 0);
        for (int i = 0; i < 40; i++)
            put_letters(d, i);
        assert_int_equal(
            documents_find(d, &(struct documents_query){queries[q], 3, all, note_rank, &got}, NULL), 0);
        put(d, "/1", "kettle", "kettle cup tea pot kettle kettle cup"); /* a length that changed */
        got.n = 0;
        assert_int_equal(
            documents_find(d, &(struct documents_query){queries[q], 3, all, note_rank, &got}, NULL), 0);
        documents_close(d);
        assert_int_equal(sqlite3_open(in_dir("search.db"), &db), SQLITE_OK);
        assert_int_equal(
            sqlite3_prepare_v2(db,
                               "SELECT rowid, -bm25(texts, 3.0, 1.0) FROM texts WHERE texts MATCH ?1"
                               " ORDER BY 2 DESC, 1 DESC",
                               -1, &stmt, NULL),
            SQLITE_OK);
        sqlite3_bind_text(stmt, 1, queries[q], -1, SQLITE_STATIC);
        for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
            assert_int_equal(got.ids[n], sqlite3_column_int64(stmt, 0));
            assert_true(fabs(got.ranks[n] - sqlite3_column_double(stmt, 1)) < 1e-9);
        }
        assert_true(n > 10);
        assert_int_equal(got.n, n);
        sqlite3_finalize(stmt);
        sqlite3_close(db);
    }
}

/* Damage, or another boot that nobody closed it before: it is made anew. */
static void mistrust_what_is_there(void **state)
{
    static const char *const spoils[] = {"UPDATE state SET boot = 'another'", "PRAGMA user_version = 99",
                                         "DROP TABLE state", NULL};
    struct documents *d = NULL;

    (void)state;
    for (size_t i = 0; i <= ARRAY_LEN(spoils); i++) {
        assert_int_equal(documents_open(dir, true, &d, NULL), 0);
        put(d, "/a", "A", "the kettle");
        documents_close(d);
        if (i < ARRAY_LEN(spoils) && spoils[i]) {
            sqlite3 *db = NULL;
            assert_int_equal(sqlite3_open(in_dir("search.db"), &db), SQLITE_OK);
            assert_int_equal(sqlite3_exec(db, spoils[i], NULL, NULL, NULL), SQLITE_OK);
            sqlite3_close(db);
        } else if (i < ARRAY_LEN(spoils)) {
            write_file("search.db", "this is no database, though it is long enough to be looked at as one");
        }
        assert_int_equal(documents_open(dir, false, &d, NULL), 0);
        finds(d, "\"kettle\"", i < ARRAY_LEN(spoils) ? "" : "/a ");
        documents_close(d);
    }
}

/* ------------------------------------------------------------------------------------------------ excerpts
 */

static void shows(const char *query, const char *text, const char *expected)
{
    struct excerpt_words words = {0};
    _buf_ struct buf excerpt = BUF_INIT;

    excerpt_words(&words, query);
    excerpt_add(&words, text, &excerpt);
    assert_string_equal(buf_str(&excerpt), expected);
}

static void show_what_was_asked_for(void **state)
{
    static const char numbers[] =
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 "
        "31 32 33 34 35 kettle, 37 38 39 (Self-hosted) kettle 43 44 45 46 47 48 49 50 51 "
        "52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70.\n";

    (void)state;
    shows("nothing", "", "");
    shows("nothing", "a few\nwords.", "a few\nwords");
    shows("few", "# a FEW words", "# a FEW words");
    shows("nothing", numbers,
          "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32...");
    shows("kettle", numbers,
          "...30 31 32 33 34 35 kettle, 37 38 39 (Self-hosted) kettle 43 44 45 46 47 48 49 50 51 52 53 54 55 "
          "56 57 "
          "58 59 60 61...");
    shows("self-hosted 64", numbers,
          "...34 35 kettle, 37 38 39 (Self-hosted) kettle 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 "
          "60 "
          "61 62 63 64 65...");
    shows("SEVEN", "one two three four five six Seven", "one two three four five six Seven");
    shows("seven", "no, one -\n- two three four five six seven", "...one -\n- two three four five six seven");
    shows("70", numbers, "...64 65 66 67 68 69 70");
    shows("\xc3\xa9t\xc3\xa9", "un \xc3\xa9t\xc3\xa9", "un \xc3\xa9t\xc3\xa9");
}

/* -------------------------------------------------------------------------------------------------- watch */

static int note_path(void *data, const char *path)
{
    buf_addf(data, "%s ", path + strlen(dir) + 1);
    return 0;
}

static void hears(struct watch *w, int result, const char *expected)
{
    _buf_ struct buf heard = BUF_INIT;

    assert_int_equal(watch_look(w, note_path, &heard), result);
    assert_string_equal(buf_str(&heard), expected);
}

static void walk(struct watch *w)
{
    watch_begin(w);
    watch_directory(w, dir);
    watch_directory(w, in_dir("sub"));
    watch_end(w);
}

static void hear_what_changed(void **state)
{
    struct watch *w = watch_new(dir);

    (void)state;
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    hears(w, 1, "");
    walk(w);
    hears(w, 0, "");
    write_file("sub/a", "x");
    hears(w, 0, "sub/a ");
    hears(w, 0, "");
    write_file("sub/a", "yy");
    write_file("sub/a", "zz");
    hears(w, 0, "sub/a ");
    assert_int_equal(unlink(in_dir("sub/a")), 0);
    hears(w, 0, "sub/a ");
    assert_int_equal(mkdir(in_dir(".git"), 0700), 0);
    hears(w, 0, "");
    assert_int_equal(rename(in_dir("sub"), in_dir("sub2")), 0);
    hears(w, 1, "");
    hears(w, 1, "");
    assert_int_equal(rename(in_dir("sub2"), in_dir("sub")), 0);
    walk(w);
    hears(w, 0, "");
    assert_int_equal(mkdir(in_dir("sub/new"), 0700), 0);
    hears(w, 1, "");
    walk(w);
    assert_int_equal(rmdir(in_dir("sub/new")), 0);
    hears(w, 1, "");
    walk(w);
    watch_forget(w);
    hears(w, 1, "");
    watch_free(w);
}

/* More than is worth to be remembered, more directories than may be watched, more watches than may be. */
static void give_up_at_limits(void **state)
{
    struct watch *w = watch_new(dir), *many[WATCH_INSTANCES_MAX];
    char name[32];

    (void)state;
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    walk(w);
    for (int i = 0; i <= WATCH_NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "sub/%d", i);
        write_file(name, "");
    }
    hears(w, 1, "");
    for (int i = 0; i < WATCH_INSTANCES_MAX; i++) {
        many[i] = watch_new(dir);
        walk(many[i]);
    }
    walk(w);
    hears(w, 1, "");
    for (int i = 0; i < WATCH_INSTANCES_MAX; i++)
        watch_free(many[i]);
    walk(w);
    hears(w, 0, "");
    watch_begin(w);
    watch_directory(w, in_dir("gone"));
    watch_end(w);
    hears(w, 1, "");
    watch_free(w);
}

/* A directory that is met by two names is heard by none. */
static void be_wary_of_second_names(void **state)
{
    struct watch *w = watch_new(dir);

    (void)state;
    watch_begin(w);
    watch_directory(w, dir);
    watch_directory(w, in_dir("."));
    watch_end(w);
    hears(w, 1, "");
    watch_free(w);
}

/* What was a directory when it was walked may be a link when its files are read. */
static void read_through_no_link(void **state)
{
    _free_ char *real = realpath(dir, NULL);
    _buf_ struct buf text = BUF_INIT, path = BUF_INIT;
    struct stat file;

    (void)state;
    assert_int_equal(mkdir(in_dir("there"), 0700), 0);
    assert_int_equal(symlink("there", in_dir("link")), 0);
    write_file("there/page", "a page");
    buf_addf(&path, "%s/there/page", real);
    assert_int_equal(haystack_text(buf_str(&path), 100, &text, &file), 0);
    assert_string_equal(buf_str(&text), "a page");
    buf_reset(&path);
    buf_addf(&path, "%s/link/page", real);
    assert_int_equal(haystack_text(buf_str(&path), 100, &text, &file), -ENOENT);
    assert_string_equal(buf_str(&text), "a page");
}

/* ------------------------------------------------------------------------------------------ rows of the
 * store
 */

static int64_t put_run(struct store *st, const char *title)
{
    struct run_row row = {
        .attempt = 1, .status = "completed", .conclusion = "success", .title = title, .log_size = -1};

    assert_int_equal(store_put_run(st, &row, NULL), 0);
    return row.id;
}

static void run_command(struct store *st, int64_t run, const char *text)
{
    const struct command_place place = {.run_id = run, .job_id = 1, .step_id = 1, .at = 1};
    const struct command_use use = {.name = "kettle", .text = text, .exit_code = -1, .duration_ms = -1};
    int64_t previous = 0;

    assert_int_equal(store_record_commands(st, &place, &use, 1, &previous, NULL), 0);
}

/* as_of: that of the search before; 1 where nothing changed since. */
static void finds_rows(struct searcher *s, const char *query, uint64_t *as_of, int result,
                       const char *expected)
{
    _search_hits_ struct search_hits hits = {.as_of = *as_of};
    _buf_ struct buf found = BUF_INIT;
    struct err err = {0};
    int r = search_documents(s, NULL, query, &hits, &err);

    if (r < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(r, result);
    for (size_t i = 0; i < hits.n; i++)
        buf_addf(&found, "%s ", hits.hits[i].path);
    assert_string_equal(buf_str(&found), expected);
    *as_of = hits.as_of;
}

static int put_page(struct documents *d, int n, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, body = BUF_INIT;

    buf_addf(&path, "/page/%d", n);
    for (int i = 0; i < 300; i++)
        buf_addf(&body, "word%d ", (n * 7919 + i * 104729) % 100003);
    buf_adds(&body, "kettle");
    return documents_put(d, &(struct document){buf_str(&path), "a page", buf_str(&body), n, n}, err);
}

/* What was committed before is there, of the rest nothing; and the next start puts that. */
static void stop_within_a_commit(void **state)
{
    struct documents *d = NULL;
    atomic_bool stop = false;
    struct err err = {0};
    int64_t at, size;
    int r = 0;

    (void)state;
    assert_int_equal(documents_open(dir, false, &d, &err), 0);
    documents_until(d, &stop);
    assert_int_equal(put_page(d, 0, &err), 0);
    assert_int_equal(documents_begin(d, &err), 0);
    for (int n = 1; n <= 1000; n++)
        assert_int_equal(put_page(d, n, &err), 0);
    atomic_store(&stop, true);
    for (int n = 1001; r == 0 && n <= 2000; n++) /* one alone may be too short for a look */
        r = put_page(d, n, &err);
    if (r == 0)
        r = documents_commit(d, &err);
    assert_int_equal(r, -ECANCELED);
    documents_rollback(d);
    documents_close(d);

    assert_int_equal(documents_open(dir, false, &d, &err), 0);
    finds(d, "kettle", "/page/0 ");
    assert_int_equal(documents_stamp(d, "/page/1", &at, &size, &err), 0);
    assert_int_equal(put_page(d, 1, &err), 0);
    finds(d, "kettle", "/page/1 /page/0 ");
    documents_close(d);
}

static void find_rows_of_the_store(void **state)
{
    struct store *st = NULL;
    struct searcher *s = NULL;
    uint64_t as_of = 0;

    (void)state;
    assert_int_equal(store_open(dir, &st, NULL), 0);
    assert_int_equal(searcher_new(st, &s, NULL), 0);
    int64_t first = put_run(st, "teatime"), second = put_run(st, "teatime");
    finds_rows(s, "teatime", &as_of, 0, "runs/2 runs/1 ");
    finds_rows(s, "teatime", &as_of, 1, "");
    run_command(st, first, "kettle --boil");
    finds_rows(s, "boil", &as_of, 0, "knowledge/commands/kettle ");
    run_command(st, second, "kettle --boil"); /* as it was written before: nothing to index */
    finds_rows(s, "boil", &as_of, 1, "");
    run_command(st, second, "kettle --rinse");
    finds_rows(s, "rinse", &as_of, 0, "knowledge/commands/kettle ");
    assert_int_equal(store_delete_run(st, first, NULL), 0);
    finds_rows(s, "teatime", &as_of, 0, "runs/2 ");
    for (int i = 0; i < 300; i++) /* more than are remembered */
        put_run(st, i == 299 ? "supper" : "dinner");
    assert_int_equal(store_delete_run(st, second, NULL), 0);
    finds_rows(s, "supper", &as_of, 0, "runs/302 ");
    finds_rows(s, "teatime", &(uint64_t){0}, 0, "");
    finds_rows(s, "dinner", &(uint64_t){0}, 0,
               "runs/301 runs/300 runs/299 runs/298 runs/297 runs/296 runs/295 runs/294 runs/293 runs/292 ");
    searcher_free(s);
    store_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(find_what_was_put, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rank_as_fts5_does, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(mistrust_what_is_there, make_dir, remove_dir),
        cmocka_unit_test(show_what_was_asked_for),
        cmocka_unit_test_setup_teardown(find_rows_of_the_store, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(stop_within_a_commit, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(hear_what_changed, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(give_up_at_limits, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(be_wary_of_second_names, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(read_through_no_link, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
