/* Caches: GitHub's order of lookups, entries that never change, eviction, crashes; and uploads in blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runfs/blob.h"
#include "runfs/cache.h"
#include "runfs/io.h"
#include "runfs/store.h"
#include "runfs/str.h"

static char dir[] = "/tmp/runfs-test-cache-XXXXXX";
static struct store *st;

static const struct cache_scope on_main = {"o/r", {"refs/heads/main"}};
static const struct cache_scope on_topic = {"o/r", {"refs/heads/topic", "refs/heads/main"}};
static const struct cache_scope elsewhere = {"o/other", {"refs/heads/main"}};

static int setup(void **state)
{
    struct err err = {0};

    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(dir, &st, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(st);
    return remove_tree(dir);
}

static int try_save(const struct cache_scope *scope, const char *key, const char *text, int64_t *ret_id,
                    struct err *err)
{
    struct cache_save *s;
    int r = cache_save_begin(st, scope, key, "v", &s, err);

    if (r < 0)
        return r;
    assert_int_equal(write_all(cache_save_fd(s), text, strlen(text)), 0);
    return cache_save_commit(s, ret_id, err);
}

static int64_t save(const struct cache_scope *scope, const char *key, const char *text)
{
    struct err err = {0};
    int64_t id = 0;

    if (try_save(scope, key, text, &id, &err) < 0)
        fail_msg("%s", err.msg);
    return id;
}

/* keys: separated by blanks */
static int64_t lookup_version(const struct cache_scope *scope, const char *keys, const char *version)
{
    const char *list[CACHE_KEYS_MAX + 2];
    _free_ char *copy = strdup(keys);
    char *rest = NULL;
    size_t n = 0;

    for (char *key = strtok_r(copy, " ", &rest); key; key = strtok_r(NULL, " ", &rest))
        list[n++] = key;
    return cache_lookup(st, scope, list, n, version, NULL);
}

static int64_t lookup(const struct cache_scope *scope, const char *keys)
{
    return lookup_version(scope, keys, "v");
}

static void lookups_go_in_github_s_order(void **state)
{
    int64_t old = save(&on_main, "npm-linux-aaa", "1"), newer = save(&on_main, "npm-linux-bbb", "2"),
            exact = save(&on_main, "npm-linux", "3"), mac = save(&on_main, "npm-mac-ccc", "4");

    (void)state;
    assert_int_equal(lookup(&on_main, "npm-linux-aaa"), old);
    assert_int_equal(lookup(&on_main, "npm-linux"), exact);  /* exactly before by prefix */
    assert_int_equal(lookup(&on_main, "npm-linux-"), newer); /* the key is a prefix too; the newest */
    assert_int_equal(lookup(&on_main, "absent npm-linux-a npm-"), old); /* in the order of the keys */
    assert_int_equal(lookup(&on_main, "absent npm-"), mac);
    assert_int_equal(lookup(&on_main, "NPM-Linux-AAA"), old);
    assert_int_equal(lookup(&on_main, "absent"), 0);
    assert_int_equal(lookup(&on_main, "npm_linux-"), 0); /* no pattern */
    assert_int_equal(lookup(&on_main, "%"), 0);
    assert_int_equal(lookup_version(&on_main, "npm-linux-aaa", "w"), 0);
    assert_int_equal(lookup(&elsewhere, "npm-linux-aaa"), 0);
    /* one's own branch first, whatever the other has */
    int64_t topic = save(&on_topic, "npm-linux-old", "5");
    assert_int_equal(lookup(&on_topic, "npm-linux-aaa npm-linux-"), topic);
    assert_int_equal(lookup(&on_topic, "npm-mac-ccc"), mac);
    assert_int_equal(lookup(&on_main, "npm-linux-old"), 0);
}

static void keys_follow_the_rules(void **state)
{
    struct err err = {0};
    char key[600];

    (void)state;
    memset(key, 'k', sizeof(key));
    key[513] = '\0';
    assert_int_equal(try_save(&on_main, key, "", NULL, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "cannot be larger than 512 characters."));
    key[512] = '\0';
    assert_int_equal(try_save(&on_main, key, "", NULL, &err), 0);
    assert_int_equal(try_save(&on_main, "a,b", "", NULL, &err), -EINVAL);
    assert_string_equal(err.msg, "Key Validation Error: a,b cannot contain commas.");
    assert_int_equal(try_save(&on_main, "", "", NULL, &err), -EINVAL);
    assert_int_equal(lookup(&on_main, "1 2 3 4 5 6 7 8 9 10 11"), -EINVAL);
    assert_int_equal(lookup(&on_main, "1 2 3 4 5 6 7 8 9 10"), 0);
}

static void what_is_saved_never_changes(void **state)
{
    int64_t id = save(&on_main, "k", "first");
    struct cache_save *one, *two;
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};

    (void)state;
    assert_int_equal(try_save(&on_main, "K", "second", NULL, &err), -EEXIST);
    assert_string_equal(err.msg, "cache entry with the same key, version, and scope already exists");
    assert_int_equal(cache_save_begin(st, &on_main, "new", "v", &one, &err), 0);
    assert_int_equal(cache_save_begin(st, &on_main, "new", "v", &two, &err), -EEXIST); /* it is reserved */
    assert_int_equal(cache_save_begin(st, &on_topic, "new", "v", &two, &err), 0);
    assert_int_equal(lookup(&on_main, "new"), 0); /* not there before it is whole */
    cache_save_abandon(one);
    cache_save_abandon(two);
    assert_int_equal(try_save(&on_main, "new", "", NULL, &err), 0);
    _close_ int fd = cache_open(st, id);
    assert_int_equal(read_fd(fd, 100, &text), 0);
    assert_string_equal(buf_str(&text), "first");
}

static size_t files(const char *name)
{
    _buf_ struct buf path = BUF_INIT;
    struct dirent *e;
    size_t n = 0;

    buf_addf(&path, "%s/%s", dir, name);
    _closedir_ DIR *d = opendir(buf_str(&path));
    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    return n;
}

static void what_was_not_used_for_longest_goes(void **state)
{
    char *big = calloc(1, 400 * 1024 + 1);
    struct err err = {0};

    (void)state;
    memset(big, 'x', 400 * 1024);
    assert_int_equal(store_put_setting(st, SETTING_CONFIG, "cache_size_mib", "1", NULL), 0);
    int64_t a = save(&on_main, "a", big), b = save(&on_main, "b", big);
    assert_int_equal(lookup(&on_main, "a"), a); /* so b is the one that was not used */
    _close_ int fd = cache_open(st, b);
    int64_t c = save(&on_main, "c", big);
    assert_int_equal(lookup(&on_main, "b"), 0);
    assert_int_equal(lookup(&on_main, "a"), a);
    assert_int_equal(lookup(&on_main, "c"), c);
    assert_int_equal(files("caches"), 2);
    assert_int_equal(read(fd, big, 10), 10); /* who has it open reads on */
    /* what could never fit evicts nothing */
    struct cache_save *s;
    assert_int_equal(cache_save_begin(st, &on_main, "huge", "v", &s, &err), 0);
    assert_int_equal(ftruncate(cache_save_fd(s), (1 << 20) + 1), 0);
    assert_int_equal(cache_save_commit(s, NULL, &err), -EFBIG);
    assert_non_null(strstr(err.msg, "config/cache_size_mib"));
    assert_int_equal(files("caches"), 2);
    assert_int_equal(cache_delete(st, a, &err), 0);
    assert_int_equal(cache_delete(st, a, &err), -ENOENT);
    assert_int_equal(cache_open(st, a), -ENOENT);
    assert_int_equal(files("caches"), 1);
    free(big);
}

/* A repository that fills the place loses its own first, and cannot fill it with what it never sent. */
static void the_others_keep_theirs(void **state)
{
    char *big = calloc(1, 300 * 1024 + 1);
    struct cache_save *s;
    struct err err = {0};

    (void)state;
    memset(big, 'x', 300 * 1024);
    assert_int_equal(store_put_setting(st, SETTING_CONFIG, "cache_size_mib", "1", NULL), 0);
    int64_t other = save(&elsewhere, "k", big);
    (void)save(&on_main, "a", big);
    (void)save(&on_main, "b", big);
    int64_t c = save(&on_main, "c", big);
    assert_int_equal(lookup(&elsewhere, "k"), other);
    assert_int_equal(lookup(&on_main, "a"), 0);
    assert_int_equal(lookup(&on_main, "c"), c);
    assert_int_equal(cache_save_begin(st, &on_main, "gap", "v", &s, &err), 0);
    assert_int_equal(pwrite(cache_save_fd(s), "x", 1, (1 << 20) - 1), 1);
    assert_int_equal(cache_save_commit(s, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "gaps"));
    assert_int_equal(lookup(&elsewhere, "k"), other);
    free(big);
}

/* A process that saves one after the other is killed at any moment. */
static void nothing_half_saved_survives_a_kill(void **state)
{
    int64_t ids[2000];
    ssize_t n = 0;

    (void)state;
    store_close(st);
    for (int round = 0; round < 12 || (n == 0 && round < 200); round++) {
        int begun[2];
        char byte;
        assert_int_equal(pipe(begun), 0);
        pid_t pid = fork();
        if (pid == 0) {
            if (store_open(dir, &st, NULL) < 0 || write(begun[1], "", 1) != 1)
                _exit(2);
            for (int i = 0; i < 1000; i++) {
                char key[32];
                snprintf(key, sizeof(key), "k-%d-%d", round, i);
                (void)try_save(&on_main, key, "content", NULL, NULL);
            }
            _exit(0);
        }
        assert_int_equal(read(begun[0], &byte, 1), 1);
        close(begun[0]);
        close(begun[1]);
        (void)usleep((unsigned)round * 1700); /* at any moment from here on */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(store_open(dir, &st, NULL), 0);
        n = cache_list(st, 0, ids, ARRAY_LEN(ids));
        for (ssize_t i = 0; i < n; i++) {
            _buf_ struct buf text = BUF_INIT;
            _close_ int fd = cache_open(st, ids[i]);
            assert_int_equal(read_fd(fd, 100, &text), 0);
            assert_string_equal(buf_str(&text), "content");
        }
        assert_int_equal(files("caches"), n);
        store_close(st);
    }
    assert_true(n > 0);
    assert_int_equal(store_open(dir, &st, NULL), 0);
}

static int block(struct blob *b, const char *id, const char *text, bool whole)
{
    int64_t off;
    int fd, number = blob_block_begin(b, id, (int64_t)strlen(text), &fd, &off, NULL);

    if (number < 0)
        return number;
    assert_int_equal(pwrite_all(fd, text, strlen(text), off), 0);
    if (whole)
        blob_block_done(b, number);
    return 0;
}

static void blocks_are_put_together_as_listed(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    struct room room = room_make(st, ROOM_CACHES);
    struct err err = {0};
    struct blob *b;
    int64_t size;

    (void)state;
    _close_ int target = blob_temporary(st, &err);
    assert_int_equal(files("uploads"), 0); /* no name */
    assert_int_equal(blob_new(st, 30, &room, &b, &err), 0);
    assert_int_equal(block(b, "Mg==", "world", true), 0);
    assert_int_equal(block(b, "MQ==", "hell", true), 0);
    assert_int_equal(block(b, "MQ==", "hello ", true), 0); /* sent again */
    assert_int_equal(block(b, "Mw==", "torn", false), 0);
    assert_int_equal(blob_assemble(b, (const char *const[]){"Mw=="}, 1, target, &size, &err), -ENOENT);
    assert_int_equal(blob_assemble(b, (const char *const[]){"MQ==", "Mg=="}, 2, target, &size, &err), 0);
    assert_int_equal(size, 11);
    lseek(target, 0, SEEK_SET);
    assert_int_equal(read_fd(target, 100, &text), 0);
    assert_string_equal(buf_str(&text), "hello world");
    assert_int_equal(block(b, "NA==", "far too much", true), -EFBIG);
    assert_int_equal(block(b, "", "x", true), -EINVAL);
    blob_free(b);
    room_release(&room);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lookups_go_in_github_s_order),
        TEST(keys_follow_the_rules),
        TEST(what_is_saved_never_changes),
        TEST(what_was_not_used_for_longest_goes),
        TEST(the_others_keep_theirs),
        TEST(nothing_half_saved_survives_a_kill),
        TEST(blocks_are_put_together_as_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
