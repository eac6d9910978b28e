/*
 * Machines: real spawners, real agents, each backend that works here, as root and as an ordinary user. What
 * they keep from a job is in test_machine_bounds.c.
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "machine_parts.h"
#include "runfs/proc.h"

static void exit_codes(void **state)
{
    struct machine *m = acquire();

    (void)state;
    expect(m, "true", "", 0);
    expect(m, "false", "", 1);
    expect(m, "exit 42", "", 42);
    expect(m, "exit 255", "", 255);
    _shell_ struct shell s = {0};
    shell_run(m, &s, "kill -TERM $$");
    assert_int_equal(s.r.exit_code, 143);
    assert_int_equal(s.r.signal, SIGTERM);
    assert_false(s.r.cancelled);
    machine_release(m);
}

static void refused(struct machine *m, const char *const *argv, const char *cwd, int code, const char *words)
{
    struct machine_exec x = {.argv = argv, .env = plain_env, .cwd = cwd};
    struct machine_result r = {0};
    struct err err = {0};

    assert_int_equal(machine_exec(m, &x, &r, &err), 0);
    assert_non_null(r.start_error);
    assert_string_equal(r.start_error, words);
    assert_int_equal(r.exit_code, code);
    machine_result_release(&r);
}

static void start_errors(void **state)
{
    static const char *const absent[] = {"no-such-program", NULL}, *const path[] = {"/no/such", NULL},
                             *const closed[] = {"/etc", NULL}, *const ok[] = {"true", NULL},
                             *const empty[] = {"", NULL};
    struct machine *m = acquire();

    (void)state;
    refused(m, absent, "/", 127, "cannot start no-such-program: No such file or directory");
    refused(m, path, "/", 127, "cannot start /no/such: No such file or directory");
    refused(m, empty, "/", 127, "cannot start : No such file or directory");
    refused(m, closed, "/", 126, "cannot start /etc: Permission denied");
    refused(m, ok, "/not/there", 126, "cannot enter /not/there: No such file or directory");
    expect(m, "echo fine", "fine\n", 0);
    machine_release(m);
}

static void environment(void **state)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "A=1 2", "EMPTY=", "LINES=a\nb", NULL};
    static const char *const argv[] = {"env", "-0", NULL};
    struct machine *m = acquire();
    _shell_ struct shell s = {.x = {.env = env, .argv = argv}};

    (void)state;
    shell_run(m, &s, NULL);
    const char want[] = "PATH=/usr/bin:/bin\0A=1 2\0EMPTY=\0LINES=a\nb";
    assert_int_equal(s.c.out.len, sizeof(want));
    assert_memory_equal(s.c.out.ptr, want, sizeof(want));
    _shell_ struct shell t = {0};
    shell_run(m, &t, "pwd; ls -A; ulimit -n >/dev/null; ls /proc/self/fd | wc -w; readlink /proc/self/fd/0");
    _buf_ struct buf where = BUF_INIT;
    buf_addf(&where, "%s\n4\n/dev/null\n", machine_paths(m)->workspace);
    assert_string_equal(buf_str(&t.c.out), where.ptr);
    machine_release(m);
}

static void paths_are_there(void **state)
{
    struct machine *m = acquire();
    const struct machine_paths *p = machine_paths(m);
    _buf_ struct buf script = BUF_INIT;

    (void)state;
    buf_addf(&script,
             "set -e; for d in %s %s %s %s /tmp /var/tmp; do [ -d $d ]; t=$(mktemp $d/XXXXXX); rm $t; done",
             p->workspace, p->temp, p->tool_cache, p->home);
    expect(m, script.ptr, "", 0);
    assert_true(str_ends(p->workspace, "/work/repo/repo"));
    machine_release(m);
}

static void files(void **state)
{
    struct machine *m = acquire();
    size_t big_len = 3 * 1024 * 1024 + 17;
    _free_ char *big = malloc(big_len);
    char script[256], big_path[512], out_path[512], large_path[512], fifo_path[512];

    (void)state;
    for (size_t i = 0; i < big_len; i++)
        big[i] = (char)(i * 31 + i / 4096);
    const char *temp = machine_paths(m)->temp;
    snprintf(script, sizeof(script), "%s/deep/er/script", temp);
    snprintf(big_path, sizeof(big_path), "%s/big", temp);
    snprintf(out_path, sizeof(out_path), "%s/out", temp);
    snprintf(large_path, sizeof(large_path), "%s/large", temp);
    snprintf(fifo_path, sizeof(fifo_path), "%s/fifo", temp);
    const char text[] =
        "#!/bin/sh\ncd \"$1\"; cat big >out; head -c 5000 big >large; mkfifo fifo; stat -c %a \"$0\"\n";
    struct machine_file put[] = {{.path = script, .mode = 0755, .data = text, .len = sizeof(text) - 1},
                                 {.path = big_path, .mode = 0600, .data = big, .len = big_len}};
    struct machine_file get[] = {{.path = out_path, .max = big_len},
                                 {.path = large_path, .max = 4999},
                                 {.path = "/no/file", .max = 10},
                                 {.path = fifo_path, .max = 10},
                                 {.path = script, .max = 1000}};
    const char *const argv[] = {script, temp, NULL};
    _shell_ struct shell s = {.x = {.argv = argv, .put = put, .n_put = 2, .get = get, .n_get = 5}};
    shell_run(m, &s, NULL);
    assert_int_equal(s.ret, 0);
    assert_string_equal(buf_str(&s.c.out), "755\n");
    assert_int_equal(get[0].error, 0);
    assert_int_equal(get[0].got.len, big_len);
    assert_memory_equal(get[0].got.ptr, big, big_len);
    assert_int_equal(get[1].error, -EFBIG);
    assert_int_equal(get[2].error, -ENOENT);
    assert_int_equal(get[3].error, -EINVAL);
    assert_int_equal(get[4].error, 0);
    assert_string_equal(buf_str(&get[4].got), text);
    for (int i = 0; i < 5; i++)
        buf_release(&get[i].got);
    struct machine_file bad = {.path = "/proc/none/x", .mode = 0644, .data = "x", .len = 1};
    const char *const run[] = {"true", NULL};
    _shell_ struct shell t = {.x = {.argv = run, .put = &bad, .n_put = 1}};
    shell_run(m, &t, NULL);
    assert_int_equal(t.ret, 0);
    assert_non_null(t.r.start_error);
    assert_true(str_starts(t.r.start_error, "cannot write /proc/none/x: "));
    expect(m, "true", "", 0);
    machine_release(m);
}

struct count {
    uint64_t total;
    bool wrong;
};

/* The stream is the numbers from 0 on, eight bytes each. */
static int count_bytes(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct count *c = data;

    if (stream != MACHINE_STDOUT)
        c->wrong = true;
    for (size_t i = 0; i < len; i++, c->total++)
        if (bytes[i] != "0123456789abcdef"[(c->total ^ c->total >> 16) & 15])
            c->wrong = true;
    return 0;
}

static void big_output(void **state)
{
    enum { SIZE = 100 * 1024 * 1024 };
    struct machine *m = acquire();
    struct count c = {0};
    _free_ char *source = malloc(1024 * 1024);
    char path[512];

    (void)state;
    for (size_t i = 0; i < 1024 * 1024; i++)
        source[i] = "0123456789abcdef"[(i ^ i >> 16) & 15];
    snprintf(path, sizeof(path), "%s/source", machine_paths(m)->workspace);
    struct machine_file put = {.path = path, .mode = 0644, .data = source, .len = 1024 * 1024};
    const char *const argv[] = {"bash", "-c", "for i in {1..100}; do cat source; done", NULL};
    struct machine_exec x = {.argv = argv,
                             .env = plain_env,
                             .cwd = machine_paths(m)->workspace,
                             .put = &put,
                             .n_put = 1,
                             .output = count_bytes,
                             .data = &c};
    struct machine_result r;
    struct err err = {0};
    assert_int_equal(machine_exec(m, &x, &r, &err), 0);
    assert_int_equal(c.total, SIZE);
    assert_false(c.wrong);
    machine_release(m);
}

static void streams(void **state)
{
    struct machine *m = acquire();
    _shell_ struct shell s = {0};

    (void)state;
    shell_run(m, &s, "echo out; echo err >&2; echo out2");
    assert_string_equal(buf_str(&s.c.out), "out\nout2\n");
    assert_string_equal(buf_str(&s.c.err), "err\n");
    machine_release(m);
}

static void background(void **state)
{
    struct machine *m = acquire();
    int64_t start = mono_ns();

    (void)state;
    expect(m, "sleep 300 >/dev/null 2>&1 & echo $! >pid", "", 0);
    assert_true(mono_ns() - start < 7000000000LL);
    expect(m, "kill -0 $(cat pid)", "", 0); /* lives on to later steps */
    machine_release(m);
}

/* What another thread does to a machine as soon as the script in it has said something. */
struct deed {
    sem_t said;
    void (*act)(struct machine *m);
    struct machine *machine;
};

static void *act_when_said(void *data)
{
    struct deed *d = data;

    while (sem_wait(&d->said) < 0)
        ;
    d->act(d->machine);
    return NULL;
}

static void shell_run_until_said(struct machine *m, struct shell *s, const char *script,
                                 void (*act)(struct machine *))
{
    struct deed d = {.act = act, .machine = m};
    pthread_t thread;

    assert_int_equal(sem_init(&d.said, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, act_when_said, &d), 0);
    s->c.said = &d.said;
    shell_run(m, s, script);
    sem_post(&d.said); /* a script that failed at once said nothing */
    pthread_join(thread, NULL);
    s->c.said = NULL;
    sem_destroy(&d.said);
}

static void interrupted(void **state)
{
    struct machine *m = acquire();

    (void)state;
    machine_interrupt(m); /* nothing runs: of no effect */
    expect(m, "sleep 0.05; echo on", "on\n", 0);
    _shell_ struct shell s = {0};
    shell_run_until_said(m, &s, "echo begun; sleep 100", machine_interrupt);
    assert_int_equal(s.ret, 0);
    assert_int_equal(s.r.exit_code, 130); /* at SIGINT, not at SIGTERM */
    assert_true(s.r.cancelled);

    /* interrupted after it was decided to run the command and before it was there: of effect */
    atomic_bool cancelled = true;
    const char *argv[] = {"sleep", "100", NULL};
    struct machine_result r = {0};
    machine_interrupt(m);
    assert_int_equal(machine_exec(m,
                                  &(struct machine_exec){.argv = argv,
                                                         .env = plain_env,
                                                         .cwd = machine_paths(m)->workspace,
                                                         .cancelled = &cancelled},
                                  &r, NULL),
                     0);
    assert_int_equal(r.exit_code, 130);
    assert_true(r.cancelled);
    expect(m, "echo on", "on\n", 0);
    machine_release(m);
}

/* Ignores SIGINT, ends at SIGTERM: it takes eight seconds, so it goes on while the other tests run. */
static struct {
    pthread_t thread;
    struct machine *machine;
    struct shell shell;
    sem_t ready;
    int64_t took;
    bool joined;
} stubborn;

static void *run_stubborn(void *data)
{
    int64_t start = mono_ns();

    (void)data;
    stubborn.shell.c.said = &stubborn.ready;
    shell_run(stubborn.machine, &stubborn.shell,
              "trap '' INT; trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    stubborn.took = mono_ns() - start;
    sem_post(&stubborn.ready); /* whatever became of it */
    return NULL;
}

static void escalated(void **state)
{
    (void)state;
    pthread_join(stubborn.thread, NULL);
    stubborn.joined = true;
    assert_int_equal(stubborn.shell.r.exit_code, 3);
    assert_string_equal(buf_str(&stubborn.shell.c.out), "ready\nterm\n");
    assert_true(stubborn.took > 7400000000LL);
}

static void deadline(void **state)
{
    struct machine *m = acquire();
    _shell_ struct shell s = {.x = {.deadline_mono_ns = mono_ns() + 200000000LL}};

    (void)state;
    shell_run(m, &s, "sleep 100");
    assert_true(s.r.timed_out);
    assert_false(s.r.cancelled);
    assert_int_equal(s.r.exit_code, 130);
    _shell_ struct shell t = {.x = {.deadline_mono_ns = mono_ns() + 60000000000LL}};
    shell_run(m, &t, "true");
    assert_false(t.r.timed_out);
    machine_release(m);
}

/* What a person types when the screen shows something. */
struct dialogue {
    struct capture c; /* first: keep() takes it */
    int fd;
    size_t at;
};
static const char *const lines[][2] = {
    {"$", "stty size; [ -t 0 ] && [ -t 1 ] && echo is''aterminal\n"},
    {"isaterminal", "bash -c 'echo sleep\"\"ing; exec sleep 100'\n"},
    {"sleeping", "\003"},
    {"^C", "echo af''ter $?; exit 5\n"},
};

static int answer(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct dialogue *d = data;
    _buf_ struct buf typed = BUF_INIT;
    int r = keep(&d->c, stream, bytes, len);

    if (d->at == ARRAY_LEN(lines) || !strstr(buf_str(&d->c.out), lines[d->at][0]))
        return r;
    terminal_frame_input(&typed, lines[d->at][1], strlen(lines[d->at][1]));
    d->at++;
    return send(d->fd, typed.ptr, typed.len, 0) < 0 ? -errno : r;
}

/* A shell in a terminal: it has a size, echoes, obeys control characters, and hangs up with its other end. */
static void terminal(void **state)
{
    static const char *const shell[] = {"bash", "--norc", "--noprofile", NULL}, *const sleeps[] = {
                                                                                    "sleep", "1000", NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", "PS1=$", "TERM=dumb", NULL};
    struct machine *m = acquire();
    struct dialogue d = {0};
    struct machine_result result = {0};
    _buf_ struct buf typed = BUF_INIT;
    struct err err;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct machine_terminal t = {.rows = 30, .columns = 100, .input = pair[0]};
    struct machine_exec x = {
        .argv = shell, .env = env, .cwd = "/", .output = answer, .data = &d, .terminal = &t};
    d.fd = pair[1];
    terminal_frame_window(&typed, 40, 120);
    assert_int_equal(send(pair[1], typed.ptr, typed.len, 0), (ssize_t)typed.len);
    assert_int_equal(machine_exec(m, &x, &result, &err), 0);
    assert_int_equal(result.exit_code, 5);
    assert_non_null(strstr(buf_str(&d.c.out), "40 120"));
    if (!strstr(buf_str(&d.c.out), "after 130"))
        fail_msg("%s", buf_str(&d.c.out));
    close(pair[1]);
    x.argv = sleeps;
    assert_int_equal(machine_exec(m, &x, &result, &err), 0);
    assert_int_equal(result.signal, SIGHUP);
    close(pair[0]);
    expect(m, "echo piped; tty", "piped\nnot a tty\n", 1);
    machine_result_release(&result);
    buf_release(&d.c.out);
    buf_release(&d.c.err);
    machine_release(m);
}

/* How many processes have this text in their command line. */
static int processes_with(const char *text)
{
    _closedir_ DIR *dir = opendir("/proc");
    struct dirent *e;
    int n = 0;

    while ((e = readdir(dir))) {
        _buf_ struct buf line = BUF_INIT;
        char path[300];
        snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
        if (read_file(path, 65536, &line, NULL) == 0 && memmem(line.ptr, line.len, text, strlen(text)))
            n++;
    }
    return n;
}

static void killed_tree(void **state)
{
    struct machine *m = acquire();
    _shell_ struct shell s = {0};
    char mark[64], script[300];

    (void)state;
    snprintf(mark, sizeof(mark), "3598.%d%d", getpid(), backend[0]);
    snprintf(script, sizeof(script),
             "trap '' INT TERM; f() { for i in 1 2 3 4 5 6; do setsid sleep %s & done; }; f; "
             "(f; (f; sleep 1000) & ) & next() { [ $1 = 0 ] || next $(($1 - 1)) & }; next 20000; next 20000; "
             "echo begun; wait; sleep 1000",
             mark);
    shell_run_until_said(m, &s, script, machine_kill);
    assert_int_equal(processes_with(mark), 0);
    assert_int_equal(s.ret, 0);
    assert_int_equal(s.r.signal, SIGKILL);
    assert_true(s.r.cancelled);
    if (!str_eq(backend, "host"))
        expect(m, "set -- /proc/[0-9]*; echo $#", "2\n", 0); /* agent, bash */
    machine_release(m);
}

/* What was killed takes its time to die, and need not hold the output open meanwhile. */
static void killed_crowd(void **state)
{
    struct machine *m = acquire();
    _shell_ struct shell s = {0};

    (void)state;
    shell_run_until_said(m, &s,
                         "x=$(head -c 4000000 /dev/zero | tr '\\0' x); for i in {1..100}; do "
                         "(sleep 1000; : $x) >/dev/null 2>&1 & done; echo begun; wait",
                         machine_kill);
    assert_int_equal(s.r.signal, SIGKILL);
    if (!str_eq(backend, "host"))
        expect(m, "set -- /proc/[0-9]*; echo $#", "2\n", 0); /* agent, bash */
    machine_release(m);
}

static pid_t agent_pid(struct machine *m)
{
    _buf_ struct buf info = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", m->client.pidfd);
    assert_int_equal(read_file(path, 4096, &info, NULL), 0);
    return (pid_t)strtol(strstr(info.ptr, "Pid:") + 4, NULL, 10);
}

static void kill_agent(struct machine *m)
{
    kill(agent_pid(m), SIGKILL);
}

static void agent_killed(void **state)
{
    struct machine *m = acquire();
    _shell_ struct shell s = {0}, t = {0};
    char mark[64], script[200];

    (void)state;
    snprintf(mark, sizeof(mark), "3597.%d%d", getpid(), backend[0]);
    snprintf(script, sizeof(script),
             "next() { [ $1 = 0 ] || next $(($1 - 1)) & }; next 20000; next 20000; echo begun; sleep %s",
             mark);
    shell_run_until_said(m, &s, script, kill_agent);
    assert_int_equal(s.ret, -ECONNRESET);
    assert_true(str_starts(s.err.msg, "the machine is gone"));
    shell_run(m, &t, "true");
    assert_int_equal(t.ret, -ECONNRESET);
    machine_interrupt(m);
    machine_kill(m);
    machine_release(m);
    /* what it ran forks and ends all the time, and goes after it all the same; who reads /proc meanwhile can
     * miss a process whose number is behind him */
    for (int i = 0, none = 0; i < 3000 && none < 20; i++) {
        none = processes_with(mark) ? 0 : none + 1;
        usleep(10000);
    }
    assert_int_equal(processes_with(mark), 0);
}

/* The program that is killed: it owns a machine in which a script runs. Its own process, as this one has
 * threads. */
static int owner(const char *own_state, const char *script)
{
    const struct machines_opts opts = {.state_dir = own_state, .agent = agent_path};
    const struct machine_spec spec = {
        .backend = backend, .name = "owner", .workspace = "/home/runner/work/r/r"};
    const char *argv[] = {"bash", "-c", script, NULL};
    struct machine_exec x = {.argv = argv, .env = plain_env, .cwd = "/"};
    struct machine_result r;
    struct machines *ms;
    struct machine *m;

    if (machines_new(&opts, &ms, NULL) < 0 || machine_acquire(ms, &spec, &m, NULL) < 0)
        return 1;
    return machine_exec(m, &x, &r, NULL) < 0;
}

static void owner_killed(void **state)
{
    char mark[64], script[200], own_state[700];
    pid_t pid;

    (void)state;
    snprintf(mark, sizeof(mark), "3599.%d%d", getpid(), backend[0]);
    snprintf(script, sizeof(script), "setsid sleep %s & sleep %s", mark, mark);
    snprintf(own_state, sizeof(own_state), "%s/other", state_dir);
    const char *const argv[] = {"test_machine", "owner", backend, own_state, script, NULL};
    setenv("RUNFS_AGENT", agent_path, 1);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char *const *)argv, environ), 0);
    for (int i = 0; i < 1000 && processes_with(mark) < 3; i++) /* the owner and two sleeps, at least */
        usleep(10000);
    assert_true(processes_with(mark) >= 3);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 3000 && processes_with(mark) > 0; i++)
        usleep(10000);
    assert_int_equal(processes_with(mark), 0);
}

static void *many(void *data)
{
    struct machine *m[5];

    (void)data;
    for (int i = 0; i < 5; i++)
        m[i] = acquire();
    for (int i = 0; i < 5; i++)
        expect(m[i], "echo hi >f; cat f", "hi\n", 0);
    for (int i = 0; i < 5; i++)
        machine_release(m[i]);
    return NULL;
}

static void many_at_once(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, many, NULL);
    for (int i = 0; i < 300; i++) /* as the keeper looks at them meanwhile */
        machines_reap(all);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void spawner_dies(void **state)
{
    struct spawner *s = str_eq(backend, "sandbox") ? &all->sandboxes : &all->processes;
    struct machine *m = acquire();

    (void)state;
    kill(s->pid, SIGKILL);
    if (str_eq(backend, "sandbox")) /* bwrap's dies with its parent */
        expect(m, "echo still here", "still here\n", 0);
    struct machine *n = acquire();
    expect(n, "echo fine", "fine\n", 0);
    machine_release(m);
    machine_release(n);
}

static int tar_of(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    _proc_result_ struct proc_result r = {0};
    int fd = memfd_create("tar", MFD_CLOEXEC);

    assert_int_equal(proc_run(argv, NULL, 1 << 20, 20000, &r, NULL), 0);
    assert_int_equal(r.exit_code, 0);
    assert_int_equal(write_all(fd, r.out.ptr, r.out.len), 0);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void trees(void **state)
{
    struct machine *m = acquire();
    _close_ int fd =
        tar_of("t=$(mktemp -d) && cd $t && mkdir -p a/b && echo one >a/b/one && ln -s b/one a/link && "
               "chmod 750 a/b && head -c 300000 /dev/zero >zeros && tar -cf - . && rm -r $t");
    _close_ int broken = tar_of("echo none");
    struct err err = {0};
    char to[512];

    (void)state;
    snprintf(to, sizeof(to), "%s/new/tree", machine_paths(m)->workspace);
    if (machine_put_tree(m, to, fd, &err) < 0)
        fail_msg("%s", err.msg);
    expect(m, "cd new/tree && cat a/link && readlink a/link && stat -c %a a/b && stat -c %s zeros && ls",
           "one\nb/one\n750\n300000\na\nzeros\n", 0);
    assert_int_equal(machine_put_tree(m, to, broken, &err), -EIO);
    assert_non_null(strstr(err.msg, "tar: "));
    expect(m, "echo on", "on\n", 0);
    machine_release(m);
}

/* What a step may leave behind: teardown finds out whether it is all removed. */
static void leftovers(void **state)
{
    struct machine *m = acquire();
    _buf_ struct buf script = BUF_INIT;

    (void)state;
    buf_addf(&script,
             "d=$(printf 'd/%%.0s' {1..600}) && mkdir -p $d && touch ${d}deep; cd %s && mkdir closed && "
             "touch closed/f && chmod 0 closed && mkfifo pipe && ln -s / link && ln -s no dangling",
             machine_paths(m)->home);
    expect(m, script.ptr, "", 0);
    machine_release(m);
    m = acquire(); /* on directories that were used before */
    buf_reset(&script);
    buf_addf(&script, "ls -A; ls -A %s; [ -d %s ] && stat -c %%a .", machine_paths(m)->home,
             machine_paths(m)->temp);
    expect(m, script.ptr, "work\n755\n", 0);
    machine_release(m);
}

/* A client against a peer that says anything at all. */
static void garbage(void **state)
{
    unsigned seed = 12345;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        static const uint8_t types[] = {0, 1, 64, 65, 66, 67, 68, 69, 70, 8, 9, 255};
        struct agent_client c;
        _buf_ struct buf b = BUF_INIT;
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        agent_client_init(&c);
        assert_int_equal(agent_client_open(&c, pair[0], -1, NULL), 0);
        for (int i = rand_r(&seed) % 6; i >= 0; i--) {
            uint8_t payload[64];
            size_t len = (size_t)rand_r(&seed) % sizeof(payload);
            for (size_t k = 0; k < len; k++)
                payload[k] = (uint8_t)(rand_r(&seed) % 3 ? 0 : rand_r(&seed));
            frame_add(&b, types[(size_t)rand_r(&seed) % sizeof(types)], payload, len);
        }
        if (rand_r(&seed) % 2 && b.len)
            b.ptr[(size_t)rand_r(&seed) % b.len] = (char)rand_r(&seed);
        (void)!write(pair[1], b.ptr, b.len);
        shutdown(pair[1], SHUT_WR);
        struct machine_file get = {.path = "/x", .max = 20};
        const char *const argv[] = {"x", NULL};
        struct machine_exec x = {.argv = argv, .env = argv, .cwd = "/", .get = &get, .n_get = 1};
        struct machine_result r = {0};
        struct err err = {0};
        int ret = round % 2 ? agent_client_exec(&c, &x, &r, &err) : agent_client_hello(&c, 1000, &err);
        assert_true(ret <= 0);
        machine_result_release(&r);
        buf_release(&get.got);
        agent_client_release(&c);
        close(pair[1]);
    }
}

static void probes(void **state)
{
    const struct machine_probe *p;
    size_t n = machines_probe(all, &p);
    bool host = false;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        print_message("%s: %s: %s\n", p[i].backend, p[i].works ? "works" : "does not work", p[i].words);
        assert_true(*p[i].words);
        host |= str_eq(p[i].backend, "host") && p[i].works;
    }
    assert_true(host); /* what needs nothing always works */
}

static void wrong_specs(void **state)
{
    const struct machine_spec bad[] = {
        {.backend = "none", .name = "a", .workspace = "/home/runner/work/a/a"},
        {.backend = "host", .name = "A b", .workspace = "/home/runner/work/a/a"},
        {.backend = "host", .name = "a", .workspace = "/etc"},
        {.backend = "host", .name = "a", .workspace = "/home/runner/work/../../x"},
    };
    struct machine *m;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(machine_acquire(all, &bad[i], &m, &err), -EINVAL);
}

static int setup_backend(void **state)
{
    const struct machine_spec spec = {
        .backend = backend, .name = "stubborn", .workspace = "/home/runner/work/repo/repo"};
    int r = setup(state);

    memset(&stubborn, 0, sizeof(stubborn));
    if (r < 0 || sem_init(&stubborn.ready, 0, 0) < 0 ||
        machine_acquire(all, &spec, &stubborn.machine, NULL) < 0 ||
        pthread_create(&stubborn.thread, NULL, run_stubborn, NULL) != 0)
        return -1;
    while (sem_wait(&stubborn.ready) < 0)
        ;
    machine_interrupt(stubborn.machine);
    return 0;
}

static int teardown_backend(void **state)
{
    if (!stubborn.joined) { /* RUNFS_TEST_FILTER left it out */
        machine_kill(stubborn.machine);
        pthread_join(stubborn.thread, NULL);
    }
    shell_release(&stubborn.shell);
    machine_release(stubborn.machine);
    return teardown(state);
}

static int run_backend(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes),      cmocka_unit_test(start_errors), cmocka_unit_test(environment),
        cmocka_unit_test(paths_are_there), cmocka_unit_test(files),        cmocka_unit_test(big_output),
        cmocka_unit_test(streams),         cmocka_unit_test(background),   cmocka_unit_test(interrupted),
        cmocka_unit_test(deadline),        cmocka_unit_test(terminal),     cmocka_unit_test(killed_tree),
        cmocka_unit_test(killed_crowd),    cmocka_unit_test(agent_killed), cmocka_unit_test(owner_killed),
        cmocka_unit_test(many_at_once),    cmocka_unit_test(escalated),    cmocka_unit_test(spawner_dies),
        cmocka_unit_test(trees),           cmocka_unit_test(leftovers),
    };
    char title[64];

    backend = name;
    snprintf(title, sizeof(title), "machine, %s as uid %d", name, geteuid());
    return _cmocka_run_group_tests(title, tests, ARRAY_LEN(tests), setup_backend, teardown_backend);
}

static int run_common(const char *name)
{
    const struct CMUnitTest common[] = {cmocka_unit_test(probes), cmocka_unit_test(wrong_specs),
                                        cmocka_unit_test(garbage)};

    (void)name;
    return _cmocka_run_group_tests("machine", common, ARRAY_LEN(common), setup, teardown);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (!find_agent())
        return 1;
    if (argc == 5 && str_eq(argv[1], "owner")) {
        backend = argv[2];
        return owner(argv[3], argv[4]);
    }
    return run_parts(run_backend, run_common) != 0;
}
