/* The life of a machine, on a real store: its states, pauses, warm ones, and what outlives runfs. */
#include <ctype.h>

#include "sandbox_store.h"

/* ------------------------------------------------------------------------------------- what was recorded */

static int add_state(void *data, const char *name, const char *why, int64_t at)
{
    (void)why;
    assert_true(at > 0);
    buf_addf(data, "%s ", name);
    return 0;
}

static void transitions(void **state)
{
    struct machine_spec spec = plain;
    _buf_ struct buf seen = BUF_INIT;
    struct err err = {0};

    (void)state;
    spec.run_id = 7;
    spec.job_id = 70;
    struct machine *m = acquire(&spec);
    int64_t id = machine_id(m);
    expect(m, "echo a > a", "");
    int64_t s = snapshot(m, "");
    rollback(m, s);
    assert_int_equal(machines_pause(all, id, &err), 0);
    assert_int_equal(machines_resume(all, id, &err), 0);
    machine_conclude(m, true, "done");
    machine_release(m);
    machines_flush(all);
    assert_int_equal(store_each_transition(store, id, add_state, &seen), 0);
    assert_string_equal(buf_str(&seen), "initializing active executing active rolled_back paused rolled_back "
                                        "completed terminating ");
    const struct machine_row *row = store_get_machine(store, id);
    assert_non_null(row);
    assert_false(row->lives);
    assert_int_equal(row->run_id, 7);
    assert_string_equal(row->title, "test");
    assert_int_equal(store_find_job_machine(store, 70), id);
    machine_row_unref(row);
    /* nobody's leave nothing */
    m = acquire(&plain);
    id = machine_id(m);
    machines_flush(all);
    assert_int_equal(store_find_machine(store, "test"), id);
    struct machine *twin = acquire(&plain);
    machines_flush(all);
    assert_int_equal(store_find_machine(store, "test-2"), machine_id(twin));
    machine_release(twin);
    machine_release(m);
    machines_flush(all);
    assert_int_equal(store_find_machine(store, "test"), 0);
    assert_null(store_get_machine(store, id));
    assert_int_equal(machines_drop_snapshot(all, s, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------ pauses */

static int64_t file_size(struct machine *m, const char *name)
{
    struct stat st;
    int root;

    assert_int_equal(machines_root(all, machine_id(m), &root, NULL), 0);
    int r = fstatat(root, name, &st, 0);
    close(root);
    return r < 0 ? -1 : st.st_size;
}

static void grow(struct machine *m, const char *name, bool expected)
{
    int64_t before = file_size(m, name), after = before;

    for (int i = 0; i < (expected ? 1000 : 40) && after == before; i++) {
        usleep(5000);
        after = file_size(m, name);
    }
    if (expected)
        assert_true(after > before);
    else
        assert_int_equal(after, before);
}

static void pauses(void **state)
{
    struct machine *m = acquire(&plain);
    struct err err = {0};
    int64_t id = machine_id(m), none = 0;

    (void)state;
    expect(m,
           "for i in 1 2 3; do (while :; do echo x >> /tmp/log$i; sleep 0.01; done) >/dev/null 2>&1 & done; "
           "setsid bash -c 'while :; do (sleep 0.01; echo y >> /tmp/log4); done' >/dev/null 2>&1 &",
           "");
    for (int round = 0; round < 2; round++) {
        grow(m, "tmp/log4", true);
        if (machines_pause(all, id, &err) < 0)
            fail_msg("%s", err.msg);
        assert_int_equal(machine_state(m), MACHINE_PAUSED);
        for (int i = 1; i <= 4; i++) {
            char name[24];
            snprintf(name, sizeof(name), "tmp/log%d", i);
            grow(m, name, false);
        }
        assert_int_equal(machines_pause(all, id, &err), -EINVAL);
        assert_int_equal(machine_snapshot(m, &(struct snapshot_spec){0}, &none, &err), -EBUSY);
        assert_non_null(strstr(err.msg, "paused"));
        const char *const argv[] = {"true", NULL};
        struct machine_exec x = {.argv = argv, .env = plain_env, .cwd = "/"};
        struct machine_result r = {0};
        assert_int_equal(machine_exec(m, &x, &r, &err), -EBUSY);
        assert_int_equal(machines_resume(all, id, &err), 0);
        assert_int_equal(machines_resume(all, id, &err), -EINVAL);
    }
    grow(m, "tmp/log1", true);
    assert_int_equal(machines_pause(all, id, &err), 0);
    machine_release(m); /* a paused one can die */
    assert_int_equal(machines_pause(all, id, &err), -ENOENT);
}

static void stopped(void **state)
{
    struct machine *m = acquire(&plain);
    const char *const argv[] = {"true", NULL};
    struct machine_exec x = {.argv = argv, .env = plain_env, .cwd = "/"};
    struct machine_result r = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(machines_stop(all, machine_id(m), &err), 0);
    assert_int_equal(machine_exec(m, &x, &r, &err), -ECONNRESET);
    assert_int_equal(machine_state(m), MACHINE_FAILED);
    machine_release(m);
}

/* -------------------------------------------------------------------------------------------------- pool */

static void wait_for_warm(const char *label, unsigned n)
{
    for (int i = 0; i < 2000 && machines_warm(all, label) != n; i++)
        usleep(5000);
    assert_int_equal(machines_warm(all, label), n);
}

static void warm(void **state)
{
    struct machine_spec spec = plain;
    struct err err = {0};
    char script[256];

    (void)state;
    spec.label = "ubuntu-latest";
    assert_int_equal(machines_pool(all, spec.label, &spec, 2, &err), 0);
    wait_for_warm(spec.label, 2);
    spec.workspace = "/home/runner/work/some/some";
    spec.title = "mine";
    struct machine *m = acquire(&spec);
    assert_true(m->created_at < now_ns());
    assert_string_equal(m->spec.title, "mine");
    assert_string_equal(machine_paths(m)->workspace, spec.workspace);
    snprintf(script, sizeof(script), "pwd; stat -c '%%a %%U' . %s; hostname; ls -A", machine_paths(m)->temp);
    expect(m, script, "/home/runner/work/some/some\n755 root\n755 root\ntest\n");
    wait_for_warm(spec.label, 2); /* made up for */
    /* those that no longer fit, or have died, are not given out */
    assert_int_equal(machines_hide(all, "/usr/include"), 0);
    struct machine *later = acquire(&spec);
    expect(later, "[ -e /usr/include ] || echo hidden", "hidden\n");
    assert_string_equal(later->spec.title, "mine-2");
    wait_for_warm(spec.label, 2);
    spec.label = "other";
    struct machine *cold = acquire(&spec);
    machine_release(cold);
    machine_release(later);
    machine_release(m);
    assert_int_equal(machines_pool(all, "ubuntu-latest", &plain, 0, &err), 0);
    assert_int_equal(machines_warm(all, "ubuntu-latest"), 0);
    assert_int_equal(machines_pool(all, "ubuntu-latest", &plain, 1000, &err), -ERANGE);
}

/* -------------------------------------------------------------------------------------- what is used again
 */

static unsigned count_directories(void)
{
    char path[600];
    unsigned n = 0;

    snprintf(path, sizeof(path), "%s/machines", state_dir);
    _closedir_ DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)))
        n += e->d_name[0] == 'm' && isdigit((unsigned char)e->d_name[1]);
    return n;
}

/* A machine's directories are those of one before, and look as new, even if that one put others in their
 * places.
 */
static void directories_are_as_new(void **state)
{
    static const char names[] = "/home /home/runner /home/runner/work /home/runner/work/repo "
                                "/home/runner/work/repo/repo /home/runner/work/_temp /etc";
    _buf_ struct buf look = BUF_INIT, spoil = BUF_INIT, first = BUF_INIT;

    (void)state;
    buf_addf(&look,
             "stat -c '%%n %%F %%a %%u %%g' %s; getfattr -d %s 2>&1 | grep user.; "
             "find / -xdev -name 'left-*'; :",
             names, names);
    buf_addf(&spoil,
             "for d in %s; do mkdir -p $d/left-1/left-2; echo >$d/left-3; done; chown 5:7 %s 2>/dev/null; "
             "chmod 3770 %s; setfattr -n user.mine -v 1 %s 2>/dev/null; :",
             names, names, names, names);
    for (int i = 0; i < 4; i++) {
        struct machine *m = acquire(&plain);
        if (i == 0)
            assert_int_equal(run(m, buf_str(&look), &first), 0);
        else
            expect(m, buf_str(&look), buf_str(&first));
        expect(m, buf_str(&spoil), "");
        if (i == 1)
            expect(m, "cd / && mv home/runner left-4 && ln -s /left-4 home/runner", "");
        if (i == 2)
            expect(m, "cd /home/runner && mkdir left-5 && mv work left-5 && echo >work", "");
        machine_release(m);
        for (int tries = 0; tries < 2000 && count_directories() > 0; tries++)
            usleep(5000);
        assert_int_equal(count_directories(), 0);
    }
}

static void end_and_clean(struct machine *m, unsigned left)
{
    machine_release(m);
    for (int tries = 0; tries < 2000 && count_directories() > left; tries++)
        usleep(5000);
    assert_int_equal(count_directories(), left);
}

static unsigned spare_directories(void)
{
    pthread_mutex_lock(&all->spares.lock);
    unsigned n = all->spares.n + all->spares.n_frames;
    pthread_mutex_unlock(&all->spares.lock);
    return n;
}

/* On the host's network a machine gives a descriptor of a directory of its own to another one, where Landlock
 * keeps no abstract socket away. */
static void directories_that_may_have_been_given_away_are_used_no_more(void **state)
{
    struct machine_spec spec = plain;
    int landlock = all->landlock;

    (void)state;
    spec.network = MACHINE_NET_HOST;
    unsigned before = spare_directories();
    struct machine *m = acquire(&spec), *alone;
    all->landlock = LANDLOCK_SCOPES - 1;
    spec.network = MACHINE_NET_NONE;
    alone = acquire(&spec);
    unsigned taken = spare_directories();
    end_and_clean(m, 1);
    assert_int_equal(spare_directories(), taken);
    end_and_clean(alone, 0);
    assert_true(spare_directories() > taken);
    all->landlock = LANDLOCK_SCOPES;
    spec.network = MACHINE_NET_HOST;
    end_and_clean(acquire(&spec), 0);
    assert_true(spare_directories() >= before);
    all->landlock = landlock;
}

static const char give[] =
    "python3 - <<'P'\n"
    "import array, os, socket\n"
    "os.makedirs('/home/runner/work/_temp/_runner_file_commands', exist_ok=True)\n"
    "s = socket.socket(socket.AF_UNIX)\n"
    "s.connect('/github/workspace/socket')\n"
    "fds = [os.open(d, os.O_RDONLY) for d in ('/', '/home/runner', '/etc')]\n"
    "s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))])\n"
    "P";
static const char take[] = "setsid python3 - >out 2>&1 <<'P' &\n"
                           "import array, os, socket\n"
                           "s = socket.socket(socket.AF_UNIX)\n"
                           "s.bind('socket')\n"
                           "s.listen(1)\n"
                           "open('ready', 'w')\n"
                           "c = s.accept()[0]\n"
                           "got = array.array('i')\n"
                           "got.frombytes(c.recvmsg(1, socket.CMSG_SPACE(12))[1][0][2])\n"
                           "open('got', 'w')\n"
                           "while not os.path.exists('go'): pass\n"
                           "for at, name in zip(got, ('home/runner/planted', 'planted', 'planted')):\n"
                           "    try:\n"
                           "        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at))\n"
                           "    except OSError as e:\n"
                           "        print(e)\n"
                           "open('gone', 'w')\n"
                           "P\n"
                           "until [ -e ready ]; do :; done";

/* An action's machine shares a directory with its job's, and through a socket in it gives away its own ones:
 * when it has ended, the next machine has none that the job could still write to. */
static void what_an_action_gives_its_job_is_no_later_machines(void **state)
{
    struct machine_spec spec = plain;
    const char *const shared[] = {plain.workspace, "/github/workspace", NULL};
    struct machine *job = acquire(&plain);

    (void)state;
    expect(job, take, "");
    spec.workspace = "/github/workspace";
    spec.beside = job;
    spec.shared = shared;
    struct machine *action = acquire(&spec);
    expect(action, give, "");
    expect(job, "until [ -e got ]; do :; done", "");
    end_and_clean(action, 1);
    struct machine *next[3] = {acquire(&plain), acquire(&plain), acquire(&plain)};
    expect(job, "echo > go; until [ -e gone ]; do :; done", "");
    for (size_t i = 0; i < ARRAY_LEN(next); i++)
        expect(next[i], "find / -xdev -name planted 2>/dev/null; :", "");
    for (size_t i = 0; i < ARRAY_LEN(next); i++)
        machine_release(next[i]);
    end_and_clean(job, 0);
}

/* ------------------------------------------------------------------------------- over ends and crashes */

static void survives_the_end(void **state)
{
    struct machine_spec spec = plain;
    struct machine *m = acquire(&plain);

    (void)state;
    expect(m, "echo old > f", "");
    int64_t id = snapshot(m, "s");
    machine_release(m);
    spec.keep = true;
    spec.title = "kept";
    struct machine *kept = acquire(&spec);
    expect(kept, "echo mine > ~/f; echo t > /usr/local/share/t", "");
    spec.revive = machine_id(kept);
    machine_release(kept);
    close_all();
    open_all();
    const struct snapshot_row *gone = store_get_snapshot(store, id);
    assert_null(gone); /* a snapshot of a machine that is nobody's went with it */
    machines_flush(all);
    assert_int_equal(store_find_machine(store, "kept"), spec.revive);
    kept = acquire(&spec);
    assert_int_equal(machine_id(kept), spec.revive);
    expect(kept, "cat ~/f /usr/local/share/t; pwd", "mine\nt\n/home/runner/work/repo/repo\n");
    struct machine *twice = NULL;
    struct err err = {0};
    assert_int_equal(machine_acquire(all, &spec, &twice, &err), -EBUSY);
    assert_int_equal(machines_forget(all, spec.revive, &err), -EBUSY);
    expect(kept, "cat ~/f", "mine\n");
    machine_keep(kept, false);
    machine_release(kept);
    machines_flush(all);
    wait_for_layers(0);
}

/* What a process that is killed leaves: a kept machine, one that is not, a paused one, a snapshot of a run.
 */
static void die(int tell)
{
    struct machine_spec spec = plain;
    int64_t ids[4];

    open_all();
    spec.run_id = spec.job_id = 1;
    struct machine *job = acquire(&spec);
    expect(job, "echo job > ~/job", "");
    ids[0] = snapshot(job, "");
    ids[1] = machine_id(job);
    struct machine *paused = acquire(&plain);
    expect(paused, "sleep 1000 >/dev/null 2>&1 &", "");
    assert_int_equal(machines_pause(all, machine_id(paused), NULL), 0);
    ids[2] = paused->client.pidfd >= 0;
    spec.keep = true;
    spec.title = "kept";
    spec.run_id = spec.job_id = 0;
    struct machine *kept = acquire(&spec);
    expect(kept, "echo one > ~/f", "");
    (void)snapshot(kept, "one");
    expect(kept, "echo two > ~/f", "");
    ids[3] = machine_id(kept);
    machines_flush(all);
    (void)!write(tell, ids, sizeof(ids));
    for (;;)
        pause();
}

static void survives_a_crash(void **state)
{
    struct machine_spec spec = plain;
    int64_t ids[4];
    int tell[2], status;

    (void)state;
    close_all();
    assert_int_equal(pipe(tell), 0);
    pid_t pid = fork();
    if (pid == 0)
        die(tell[1]);
    assert_int_equal(read(tell[0], ids, sizeof(ids)), sizeof(ids));
    kill(pid, SIGKILL);
    close(tell[0]);
    close(tell[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    open_all();
    const struct machine_row *row = store_get_machine(store, ids[1]);
    assert_non_null(row);
    assert_false(row->lives);
    assert_string_equal(row->state, "failed");
    machine_row_unref(row);
    spec.snapshot = ids[0];
    struct machine *again = acquire(&spec);
    expect(again, "cat ~/job", "job\n");
    machine_release(again);
    spec.snapshot = 0;
    spec.revive = ids[3];
    spec.title = "kept";
    spec.keep = true;
    struct machine *kept = acquire(&spec);
    expect(kept, "cat ~/f", "two\n");
    rollback(kept, store_find_snapshot(store, ids[3], "one"));
    expect(kept, "cat ~/f", "one\n");
    machine_keep(kept, false);
    machine_release(kept);
    assert_int_equal(machines_drop_snapshot(all, ids[0], NULL), 0);
    machines_flush(all);
    wait_for_layers(0);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transitions),
        cmocka_unit_test(pauses),
        cmocka_unit_test(stopped),
        cmocka_unit_test(warm),
        cmocka_unit_test(directories_are_as_new),
        cmocka_unit_test(directories_that_may_have_been_given_away_are_used_no_more),
        cmocka_unit_test(what_an_action_gives_its_job_is_no_later_machines),
        cmocka_unit_test(survives_the_end),
        cmocka_unit_test(survives_a_crash),
    };
    char title[64];

    snprintf(title, sizeof(title), "lives of machines as uid %d", geteuid());
    return _cmocka_run_group_tests(title, tests, ARRAY_LEN(tests), setup, teardown);
}

int main(void)
{
    return run_for_each_user(run_all);
}
