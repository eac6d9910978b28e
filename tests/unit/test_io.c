/* Descriptors, whole files, and the removal of whatever a job may leave on a disk. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/io.h"
#include "runfs/str.h"

static char dir[] = "/tmp/runfs-test-io-XXXXXX";

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return remove_tree(dir);
}

static const char *below(const char *name)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(write_file_atomic(below(name), text, strlen(text), 0644, NULL), 0);
}

static void a_file_is_written_whole_or_not(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};
    struct stat st;

    (void)state;
    put("f", "old\n");
    put("f", "new\n");
    assert_int_equal(read_file(below("f"), 100, &text, &err), 0);
    assert_string_equal(buf_str(&text), "new\n");
    assert_int_equal(stat(below("f"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(write_file_atomic(below("none/f"), "x", 1, 0644, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "none/f"));
}

static void a_large_file_is_refused(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};

    (void)state;
    put("f", "12345");
    assert_int_equal(read_file(below("f"), 4, &text, &err), -EFBIG);
    assert_non_null(strstr(err.msg, "larger than 4 bytes"));
    assert_int_equal(read_file("/dev/zero", 100000, &text, &err), -EFBIG); /* has no size to look at */
    assert_int_equal(read_file(dir, 100, &text, &err), -EISDIR);
    assert_int_equal(read_file(below("none"), 100, &text, &err), -ENOENT);
}

static void *read_slowly(void *data)
{
    char chunk[1000];
    size_t total = 0;

    for (;;) {
        ssize_t n = read(*(int *)data, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        total += (size_t)n;
    }
    return (void *)total;
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* A pipe takes a part of what is written, and signals interrupt it: write_all goes on. */
static void all_is_written(void **state)
{
    enum { SIZE = 3000000 };
    const struct sigaction wake = {.sa_handler = on_alarm}; /* without SA_RESTART */
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {0};
    _free_ char *data = calloc(1, SIZE);
    pthread_t thread;
    void *total;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    sigaction(SIGALRM, &wake, NULL);
    pthread_create(&thread, NULL, read_slowly, &fds[0]);
    setitimer(ITIMER_REAL, &often, NULL);
    int r = write_all(fds[1], data, SIZE);
    setitimer(ITIMER_REAL, &never, NULL);
    close(fds[1]);
    pthread_join(thread, &total);
    close(fds[0]);
    assert_int_equal(r, 0);
    assert_int_equal((size_t)total, SIZE);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(write_all(fds[1], data, 1), -EPIPE);
    close(fds[1]);
}

static void make_deep(const char *path, int levels)
{
    int at = open(path, O_RDONLY | O_DIRECTORY);

    for (int i = 0; i < levels; i++) {
        assert_int_equal(mkdirat(at, "d", 0755), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
        close(at);
        at = next;
        assert_true(at >= 0);
    }
    close(openat(at, "file", O_WRONLY | O_CREAT, 0600));
    close(at);
}

/* With far fewer descriptors than the tree is deep. */
static void a_deep_tree_is_removed(void **state)
{
    struct rlimit few = {100, 100}, old;

    (void)state;
    assert_int_equal(mkdir(below("deep"), 0755), 0);
    make_deep(below("deep"), 3000);
    getrlimit(RLIMIT_NOFILE, &old);
    few.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &few);
    int r = remove_tree(below("deep"));
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(r, 0);
    assert_int_equal(access(below("deep"), F_OK), -1);
}

/* More names than are read at once, of files and of directories. */
static void a_wide_tree_is_removed(void **state)
{
    char name[64];

    (void)state;
    assert_int_equal(mkdir(below("wide"), 0755), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "wide/a-file-with-a-longer-name-%d", i);
        put(name, "x");
        snprintf(name, sizeof(name), "wide/d%d", i);
        assert_int_equal(mkdir(below(name), 0755), 0);
    }
    assert_int_equal(remove_tree(below("wide")), 0);
    assert_int_equal(access(below("wide"), F_OK), -1);
}

static void links_are_not_followed(void **state)
{
    (void)state;
    put("kept", "x");
    assert_int_equal(mkdir(below("tree"), 0755), 0);
    assert_int_equal(symlink(dir, below("tree/up")), 0);
    assert_int_equal(symlink("/no/such", below("tree/dangling")), 0);
    assert_int_equal(mkfifo(below("tree/fifo"), 0600), 0);
    assert_int_equal(mkdir(below("tree/closed"), 0700), 0);
    put("tree/closed/f", "x");
    assert_int_equal(chmod(below("tree/closed"), 0), 0);
    assert_int_equal(symlink("tree", below("link")), 0);
    assert_int_equal(remove_tree(below("link")), 0); /* the link itself */
    assert_int_equal(access(below("tree/fifo"), F_OK), 0);
    assert_int_equal(remove_tree(below("tree")), 0);
    assert_int_equal(access(below("tree"), F_OK), -1);
    assert_int_equal(access(below("kept"), F_OK), 0);
    assert_int_equal(remove_tree(below("tree")), 0); /* nothing is fine */
}

static void check_time(int64_t seconds, long part, int64_t ns)
{
    const struct timespec t = {seconds, part};

    assert_int_equal(timespec_ns(t), ns);
    if (ns != INT64_MAX && ns != INT64_MIN) {
        assert_int_equal(timespec_of(ns).tv_sec, seconds);
        assert_int_equal(timespec_of(ns).tv_nsec, part);
    }
}

/* A job's files have what times it likes. */
static void times_have_their_ends(void **state)
{
    (void)state;
    check_time(1600000000, 5, 1600000000000000005LL);
    check_time(-1, 500000000, -500000000LL);
    check_time(-313000000, 0, -313000000000000000LL);
    check_time(13569465600, 0, INT64_MAX); /* the year 2400 */
    check_time(INT64_MAX, 999999999, INT64_MAX);
    check_time(INT64_MIN, 0, INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_written_whole_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(all_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deep_tree_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wide_tree_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
        cmocka_unit_test(times_have_their_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
