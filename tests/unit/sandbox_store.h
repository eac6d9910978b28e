/*
 * What tests of sandboxes on a store have in common: `store` and `all` are open while a test runs, and
 * scripts run in sandboxes of `plain`. As root all tests run a second time as an ordinary user.
 */
#ifndef RUNFS_SANDBOX_STORE_H
#define RUNFS_SANDBOX_STORE_H

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

static char state_dir[512], agent_path[4096];
static struct store *store;
static struct machines *all;

static const char *const plain_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                                        "HOME=/home/runner", NULL};
static const struct machine_spec plain = {
    .backend = "sandbox", .name = "test", .workspace = "/home/runner/work/repo/repo"};

static inline struct machine *acquire(const struct machine_spec *spec)
{
    struct machine *m = NULL;
    struct err err = {0};

    if (machine_acquire(all, spec, &m, &err) < 0)
        fail_msg("%s", err.msg);
    return m;
}

static inline int collect(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    (void)stream;
    buf_add(data, bytes, len);
    return 0;
}

static inline int run(struct machine *m, const char *script, struct buf *ret_output)
{
    const char *argv[] = {"bash", "-c", script, NULL};
    struct machine_exec x = {.argv = argv,
                             .env = plain_env,
                             .cwd = machine_paths(m)->workspace,
                             .output = collect,
                             .data = ret_output};
    struct machine_result r = {0};
    struct err err = {0};

    if (machine_exec(m, &x, &r, &err) < 0)
        fail_msg("%s: %s", script, err.msg);
    if (r.start_error)
        fail_msg("%s: %s", script, r.start_error);
    machine_result_release(&r);
    return r.exit_code;
}

static inline void expect(struct machine *m, const char *script, const char *output)
{
    _buf_ struct buf got = BUF_INIT;
    int code = run(m, script, &got);

    assert_string_equal(buf_str(&got), output);
    if (code)
        fail_msg("%s: exit code %d", script, code);
}

static inline int64_t snapshot(struct machine *m, const char *name)
{
    struct err err = {0};
    int64_t id = 0;

    if (machine_snapshot(m, &(struct snapshot_spec){.name = name}, &id, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    assert_true(id > 0);
    return id;
}

static inline void rollback(struct machine *m, int64_t id)
{
    struct err err = {0};

    if (machine_rollback(m, id, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline unsigned count_layers(void)
{
    char path[600];
    unsigned n = 0;

    snprintf(path, sizeof(path), "%s/machines/layers", state_dir);
    _closedir_ DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && (e = readdir(dir)))
        n += e->d_name[0] != '.';
    return n;
}

static inline void wait_for_layers(unsigned n)
{
    for (int i = 0; i < 2000 && count_layers() != n; i++)
        usleep(5000);
    assert_int_equal(count_layers(), n);
}

static inline void open_all(void)
{
    struct err err = {0};

    if (store_open(state_dir, &store, &err) < 0)
        fail_msg("%s", err.msg);
    const struct machines_opts opts = {.state_dir = state_dir, .agent = agent_path, .store = store};
    if (machines_new(&opts, &all, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void close_all(void)
{
    machines_free(all);
    store_close(store);
}

static inline int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    if (tmp && access(tmp, W_OK | X_OK) < 0) /* the ordinary user has none of its own */
        tmp = NULL;
    snprintf(state_dir, sizeof(state_dir), "%s/runfs-test-XXXXXX", tmp ? tmp : "/var/tmp");
    if (!mkdtemp(state_dir) || chmod(state_dir, 0711) < 0)
        return -1;
    open_all();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    close_all();
    return remove_tree(state_dir);
}

static inline int run_as_user(int (*run_all)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setresgid(64999, 64999, 64999) < 0 ||
            setresuid(64999, 64999, 64999) < 0)
            _exit(99);
        int failed = run_all();
        fflush(NULL);
        _exit(failed != 0);
    }
    return pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0;
}

/* What main() is: run_all() as an ordinary user, then as root, as far as this is root. RUNFS_TEST_USER: root
 * or user; RUNFS_TEST_FILTER: a pattern for names. */
static inline int run_for_each_user(int (*run_all)(void))
{
    const char *given = getenv("RUNFS_AGENT"), *who = getenv("RUNFS_TEST_USER");
    char self[4000] = "";
    int failed = 0;

    signal(SIGPIPE, SIG_IGN);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    *strrchr(self, '/') = '\0';
    snprintf(agent_path, sizeof(agent_path), "%s%s", given ? given : self, given ? "" : "/../runfs-agent");
    if (getenv("RUNFS_TEST_FILTER"))
        cmocka_set_test_filter(getenv("RUNFS_TEST_FILTER"));
    fflush(NULL);
    if (geteuid() == 0 && !(who && str_eq(who, "root")))
        failed = run_as_user(run_all);
    if (geteuid() != 0 || !(who && str_eq(who, "user")))
        failed += run_all();
    return failed != 0;
}

#endif
