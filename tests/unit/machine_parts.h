/*
 * What tests of machines have in common: machines of the backend whose group runs, scripts in them, and each
 * group as root and as an ordinary user. State is the process's own; a part is a process.
 */
#ifndef RUNFS_MACHINE_PARTS_H
#define RUNFS_MACHINE_PARTS_H

#include <fcntl.h>
#include <grp.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static char state_dir[512], agent_path[4096], hidden_dir[600];
static struct machines *all;
static const char *backend; /* of the group that runs */

static const char *const plain_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                                        "HOME=/home/runner", NULL};

static inline struct machine *acquire_as(const char *name)
{
    const struct machine_spec spec = {
        .backend = backend, .name = name, .workspace = "/home/runner/work/repo/repo"};
    struct machine *m = NULL;
    struct err err = {0};

    if (machine_acquire(all, &spec, &m, &err) < 0)
        fail_msg("%s: %s", backend, err.msg);
    assert_string_equal(machine_backend(m), backend);
    return m;
}

static inline struct machine *acquire(void)
{
    return acquire_as("test");
}

struct capture {
    struct buf out, err;
    sem_t *said; /* NULL, or posted whenever there is output */
};

static inline int keep(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct capture *c = data;

    buf_add(stream == MACHINE_STDOUT ? &c->out : &c->err, bytes, len);
    if (c->said)
        sem_post(c->said);
    return 0;
}

struct shell {
    struct capture c;
    struct machine_result r;
    struct machine_exec x;
    struct err err;
    int ret;
};

static inline void shell_release(struct shell *s)
{
    buf_release(&s->c.out);
    buf_release(&s->c.err);
    machine_result_release(&s->r);
}

/* Runs a script; x may be filled before. s is released by the caller (_shell_). */
static inline void shell_run(struct machine *m, struct shell *s, const char *script)
{
    const char *argv[] = {"bash", "-c", script, NULL};

    if (!s->x.argv)
        s->x.argv = argv;
    if (!s->x.env)
        s->x.env = plain_env;
    if (!s->x.cwd)
        s->x.cwd = machine_paths(m)->workspace;
    s->x.output = keep;
    s->x.data = &s->c;
    s->ret = machine_exec(m, &s->x, &s->r, &s->err);
    s->x.argv = NULL;
}

#define _shell_ _cleanup_(shell_release)

static inline void expect(struct machine *m, const char *script, const char *output, int code)
{
    _shell_ struct shell s = {0};

    shell_run(m, &s, script);
    assert_int_equal(s.ret, 0);
    if (s.r.start_error)
        fail_msg("%s: %s", script, s.r.start_error);
    if (output)
        assert_string_equal(buf_str(&s.c.out), output);
    if (s.r.exit_code != code)
        fail_msg("%s: exit code %d instead of %d: %s", script, s.r.exit_code, code, buf_str(&s.c.err));
}

static inline int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct err err = {0};

    if (tmp && access(tmp, W_OK | X_OK) < 0) /* the ordinary user has none of its own */
        tmp = NULL;

    (void)state;
    snprintf(state_dir, sizeof(state_dir), "%s/runfs-test-XXXXXX", tmp ? tmp : "/var/tmp");
    if (!mkdtemp(state_dir) || chmod(state_dir, 0711) < 0)
        return -1;
    snprintf(hidden_dir, sizeof(hidden_dir), "%s/hidden", state_dir);
    mkdir(hidden_dir, 0755);
    const char *const hidden[] = {hidden_dir, NULL};
    const struct machines_opts opts = {.state_dir = state_dir, .agent = agent_path, .hidden = hidden};
    if (machines_new(&opts, &all, &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

static inline int teardown(void **state)
{
    char scratch[600];

    (void)state;
    machines_free(all);
    snprintf(scratch, sizeof(scratch), "%s/machines", state_dir);
    int left = rmdir(scratch); /* every machine's directory is gone */
    remove_tree(state_dir);
    if (left < 0)
        print_error("%s was not empty\n", scratch);
    return left;
}

/* Sets agent_path: the agent beside the program, or RUNFS_AGENT. */
static inline bool find_agent(void)
{
    const char *given = getenv("RUNFS_AGENT");
    char self[4000] = "";

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return false;
    *strrchr(self, '/') = '\0';
    snprintf(agent_path, sizeof(agent_path), "%s", given ? given : "");
    if (!given)
        snprintf(agent_path, sizeof(agent_path), "%s/../runfs-agent", self);
    return true;
}

static inline bool backend_works(const char *name)
{
    const struct machine_probe *p;
    bool works = false;

    if (setup(NULL) < 0)
        return true; /* and the tests say why it does not */
    size_t n = machines_probe(all, &p);
    for (size_t i = 0; i < n; i++)
        works |= str_eq(p[i].backend, name) && p[i].works;
    teardown(NULL);
    return works;
}

/*
 * What root can do and what anyone can do are different worlds: both are tested. Each part is a process of
 * its own, so that they wait for their timers at the same time.
 */
struct part {
    int (*run)(const char *name);
    const char *name; /* of a backend, left out where that does not work; NULL: it needs none */
    bool as_user;
    pid_t pid;
    FILE *output; /* owned */
};

static inline int part_main(const struct part *p)
{
    if (dup2(fileno(p->output), 1) < 0 || dup2(1, 2) < 0)
        return 99;
    if (p->as_user && geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(64999, 64999, 64999) < 0 || setresuid(64999, 64999, 64999) < 0))
        return 99;
    int failed = p->name && !backend_works(p->name) ? 0 : p->run(p->name);
    fflush(NULL);
    return failed != 0;
}

static inline int part_start(struct part *p)
{
    fflush(NULL);
    p->output = tmpfile();
    p->pid = p->output ? fork() : -1;
    if (p->pid == 0)
        _exit(part_main(p));
    return p->pid < 0;
}

static inline int part_finish(struct part *p)
{
    char line[1024];
    int status;

    if (p->pid <= 0 || waitpid(p->pid, &status, 0) < 0)
        return 1;
    rewind(p->output);
    while (fgets(line, sizeof(line), p->output))
        fputs(line, stdout);
    fclose(p->output);
    if (WIFSIGNALED(status))
        printf("killed by signal %d\n", WTERMSIG(status));
    return status != 0;
}

/*
 * Runs a group of tests with each backend that works here, and one that needs none (NULL: there is none), as
 * root and as an ordinary user; returns how many parts failed. RUNFS_TEST_USER: root or user;
 * RUNFS_TEST_BACKEND: one of them; RUNFS_TEST_FILTER: a pattern for names.
 */
static inline int run_parts(int (*run_backend)(const char *name), int (*run_common)(const char *name))
{
    static const char *const backends[] = {"sandbox", "bubblewrap", "host"};
    const char *who = getenv("RUNFS_TEST_USER"), *which = getenv("RUNFS_TEST_BACKEND");
    struct part parts[2 * (ARRAY_LEN(backends) + 1)] = {0};
    size_t n = 0;
    int failed = 0;

    if (getenv("RUNFS_TEST_FILTER"))
        cmocka_set_test_filter(getenv("RUNFS_TEST_FILTER"));
    for (int user = geteuid() != 0; user < 2; user++) {
        if (who && !str_eq(who, user ? "user" : "root"))
            continue;
        if (run_common)
            parts[n++] = (struct part){.run = run_common, .as_user = user};
        for (size_t i = 0; i < ARRAY_LEN(backends); i++)
            if (!which || str_eq(which, backends[i]))
                parts[n++] = (struct part){.run = run_backend, .name = backends[i], .as_user = user};
    }
    for (size_t i = 0; i < n; i++)
        failed += part_start(&parts[i]);
    for (size_t i = 0; i < n; i++)
        failed += part_finish(&parts[i]);
    return failed;
}

#endif
