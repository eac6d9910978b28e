/* What is hidden from machines as time goes on: later machines do not see it, earlier ones work on, and the
 * layers that hid less do not pile up. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static char state_dir[] = "/tmp/runfs-test-hidden-XXXXXX", agent_path[4096], open_dir[64], log_dir[64];
static struct machines *all;

static const char deep[] = "/deep/a/b/c/d/e/f/g";

static int put_deep(const char *name, mode_t mode)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s%s", open_dir, deep);
    int r = make_dirs(buf_str(&path), 0755);
    buf_addf(&path, "/%s", name);
    return r < 0 ? r : write_file_atomic(buf_str(&path), "", 0, mode, NULL);
}

static bool exists(struct machine *m, const char *path)
{
    const char *const argv[] = {"test", "-e", path, NULL}, *const env[] = {"PATH=/usr/bin:/bin", NULL};
    struct machine_exec x = {.argv = argv, .env = env, .cwd = "/"};
    struct machine_result result = {0};
    struct err err = {0};

    if (machine_exec(m, &x, &result, &err) < 0)
        fail_msg("%s", err.msg);
    assert_null(result.start_error);
    machine_result_release(&result);
    return result.exit_code == 0;
}

/* Whether it can see the directory with that number. */
static bool sees(struct machine *m, int n)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%d/secret", open_dir, n);
    return exists(m, path);
}

static struct machine *acquire(void)
{
    const struct machine_spec spec = {.backend = "sandbox",
                                      .name = "test",
                                      .workspace = "/home/runner/work/a/a",
                                      .network = MACHINE_NET_HOST};
    struct machine *m = NULL;
    struct err err = {0};

    if (machine_acquire(all, &spec, &m, &err) < 0)
        fail_msg("%s", err.msg);
    return m;
}

static unsigned mounted_masks(void)
{
    _buf_ struct buf text = BUF_INIT;
    char path[64];
    unsigned n = 0;

    snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)all->sandboxes.pid);
    assert_true(read_file(path, 1 << 20, &text, NULL) >= 0);
    for (const char *at = buf_str(&text); (at = strstr(at, "tmpfs mask")); at++)
        n++;
    return n;
}

static void need_masks(void)
{
    const struct machine_probe *probe;

    (void)machines_probe(all, &probe);
    if (!probe->works || all->no_masks)
        skip();
}

/* However deep it lies. */
static void what_others_cannot_read(void **state)
{
    (void)state;
    need_masks();
    struct machine *m = acquire();
    const char *const names[] = {"public", "private"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s%s/%s", open_dir, deep, names[i]);
        assert_int_equal(exists(m, buf_str(&path)), i == 0);
    }
    machine_release(m);
}

/* What comes to the host later, and keeps its programs' data. */
static void what_comes_later(void **state)
{
    (void)state;
    need_masks();
    machine_release(acquire());
    unsigned before = all->mask;
    assert_int_equal(put_deep("later", 0600), 0);
    all->searched.look_at = 0; /* a second and more later */
    struct machine *m = acquire();
    _buf_ struct buf path = BUF_INIT;
    buf_addf(&path, "%s%s/later", open_dir, deep);
    assert_false(exists(m, buf_str(&path)));
    machine_release(m);
    assert_int_not_equal(before, all->mask);
    before = all->mask;
    all->searched.look_at = 0;
    machine_release(acquire());
    assert_int_equal(before, all->mask); /* nothing came */
}

/* Logs are not shown, but programs find the directories that they write them to. */
static void what_programs_write_to(void **state)
{
    (void)state;
    need_masks();
    struct machine *m = acquire();
    assert_true(exists(m, log_dir));
    _buf_ struct buf path = BUF_INIT;
    buf_addf(&path, "%s/public", log_dir);
    assert_false(exists(m, buf_str(&path)));
    machine_release(m);
}

static void hide(int n)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%d", open_dir, n);
    assert_int_equal(machines_hide(all, path), 0);
}

static void what_is_hidden_later(void **state)
{
    enum { TIMES = 12 };
    (void)state;
    need_masks();
    struct machine *first = acquire();
    assert_true(sees(first, 0));
    for (int i = 0; i < TIMES; i++) {
        hide(i);
        struct machine *m = acquire();
        assert_false(sees(m, i));
        assert_false(sees(m, 0));
        assert_true(sees(m, i + 1));
        machine_release(m);
    }
    assert_true(sees(first, 0));
    assert_true(mounted_masks() > 0 && mounted_masks() <= 4);
    machine_release(first);
}

static int setup(void **state)
{
    const struct machines_opts opts = {.state_dir = state_dir, .agent = agent_path};
    struct err err = {0};

    (void)state;
    snprintf(open_dir, sizeof(open_dir), "/usr/local/lib/runfs-test-%d", (int)getpid());
    for (int i = 0; i < 13; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%d/secret", open_dir, i);
        if (make_dirs(path, 0755) < 0)
            return -1;
    }
    snprintf(log_dir, sizeof(log_dir), "/var/log/runfs-test-%d", (int)getpid());
    char log[128];
    snprintf(log, sizeof(log), "%s/public", log_dir);
    if (make_dirs(log_dir, 0755) < 0 || write_file_atomic(log, "", 0, 0644, NULL) < 0)
        return -1;
    if (put_deep("public", 0644) < 0 || put_deep("private", 0600) < 0)
        return -1;
    return mkdtemp(state_dir) && machines_new(&opts, &all, &err) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    machines_free(all);
    (void)remove_tree(open_dir);
    (void)remove_tree(log_dir);
    return remove_tree(state_dir);
}

int main(void)
{
    const char *given = getenv("RUNFS_AGENT");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_cannot_read), cmocka_unit_test(what_comes_later),
        cmocka_unit_test(what_programs_write_to), cmocka_unit_test(what_is_hidden_later)};
    char self[4000] = "";

    signal(SIGPIPE, SIG_IGN);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    *strrchr(self, '/') = '\0';
    snprintf(agent_path, sizeof(agent_path), "%s", given ? given : "");
    if (!given)
        snprintf(agent_path, sizeof(agent_path), "%s/../runfs-agent", self);
    if (geteuid() != 0) { /* there is no place on the host that machines see and this user can write to */
        printf("needs root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
