/*
 * Snapshots, rollbacks, kept and warm machines, pauses: real sandboxes on a real store. As root the whole
 * program runs a second time as an ordinary user.
 */
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

static struct machine *acquire(const struct machine_spec *spec)
{
    struct machine *m = NULL;
    struct err err = {0};

    if (machine_acquire(all, spec, &m, &err) < 0)
        fail_msg("%s", err.msg);
    return m;
}

static int collect(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    (void)stream;
    buf_add(data, bytes, len);
    return 0;
}

static int run(struct machine *m, const char *script, struct buf *ret_output)
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

static void expect(struct machine *m, const char *script, const char *output)
{
    _buf_ struct buf got = BUF_INIT;
    int code = run(m, script, &got);

    assert_string_equal(buf_str(&got), output);
    if (code)
        fail_msg("%s: exit code %d", script, code);
}

static int64_t snapshot(struct machine *m, const char *name)
{
    struct err err = {0};
    int64_t id = 0;

    if (machine_snapshot(m, &(struct snapshot_spec){.name = name}, &id, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    assert_true(id > 0);
    return id;
}

static void rollback(struct machine *m, int64_t id)
{
    struct err err = {0};

    if (machine_rollback(m, id, &err) < 0)
        fail_msg("%s", err.msg);
}

static unsigned count_layers(void)
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

static void wait_for_layers(unsigned n)
{
    for (int i = 0; i < 2000 && count_layers() != n; i++)
        usleep(5000);
    assert_int_equal(count_layers(), n);
}

/* ------------------------------------------------------------------------------------------------ files */

static void files_come_back(void **state)
{
    struct machine *m = acquire(&plain);

    (void)state;
    expect(m,
           "mkdir -p dir/sub && echo one > dir/sub/f && echo t > /tmp/t && echo h > ~/h && ln -s f dir/sub/l",
           "");
    int64_t first = snapshot(m, "first");
    expect(m, "cat dir/sub/f /tmp/t ~/h dir/sub/l; pwd", "one\nt\nh\none\n/home/runner/work/repo/repo\n");
    expect(m, "rm -r dir /tmp/t && mkdir dir && echo two > dir/new && echo changed > ~/h", "");
    int64_t second = snapshot(m, "second");
    expect(m, "ls dir; ls /tmp; cat ~/h; touch -d @0 dir/new; rm -r dir", "new\nchanged\n");
    rollback(m, second);
    assert_int_equal(machine_state(m), MACHINE_ROLLED_BACK);
    expect(m, "cat dir/new ~/h; ls dir", "two\nchanged\nnew\n");
    assert_int_equal(machine_state(m), MACHINE_ACTIVE);
    rollback(m, first);
    expect(m, "cat dir/sub/f /tmp/t ~/h; ls dir", "one\nt\nh\nsub\n");
    rollback(m, second); /* and forward again */
    expect(m, "cat dir/new; ls /tmp", "two\n");
    assert_true(machine_snapshot_cost(m) > 0);
    machine_release(m);
    wait_for_layers(0);
}

/* What is below the host's directories is covered too. */
static void system_comes_back(void **state)
{
    struct machine *m = acquire(&plain);

    (void)state;
    expect(m, "echo tool > /usr/local/bin/tool && echo conf > /etc/made", "");
    int64_t id = snapshot(m, "tool");
    expect(m, "cat /usr/local/bin/tool /etc/made; rm /usr/local/bin/tool; echo more > /usr/local/bin/more",
           "tool\nconf\n");
    (void)snapshot(m, "without");
    expect(m, "ls /usr/local/bin/tool 2>/dev/null || cat /usr/local/bin/more", "more\n");
    rollback(m, id);
    expect(m,
           "cat /usr/local/bin/tool; ls /usr/local/bin/more 2>/dev/null || echo gone; cat /etc/hostname "
           ">/dev/null",
           "tool\ngone\n");
    assert_int_equal(access("/usr/local/bin/tool", F_OK), -1);
    machine_release(m);
}

/* Owners, modes, attributes, hard links, odd names. */
static void everything_is_kept(void **state)
{
    const char *make =
        "umask 022; mkdir d closed && echo x > d/f && ln d/f d/g && chmod 750 d && chmod 4711 d/f && "
        "mkfifo pipe && touch $'new\\nline' && touch closed/in && chmod 0 closed && touch -d @1000 d/old";
    const char *look =
        "stat -c '%n %a %s' d d/f; [ d/f -ef d/g ] && echo linked; stat -c %Y d/old; [ -p pipe ] && echo "
        "pipe; ls | wc -l; stat -c %a closed; chmod 700 closed; ls closed";
    const char *same = "d 750 4096\nd/f 4711 2\nlinked\n1000\npipe\n5\n0\nin\n";
    struct machine *m = acquire(&plain);

    (void)state;
    expect(m, make, "");
    int64_t id = snapshot(m, "all");
    expect(m, look, same);
    rollback(m, id);
    expect(m, look, same);
    machine_release(m);
}

#define RENAME(from, to)                                                                                     \
    "perl -e 'rename(\"" from "\", \"" to "\") or print $!{EXDEV} ? \"EXDEV\\n\" : \"$!\\n\"'; "

/* A directory of a frozen layer, and one of the host, is renamed as any other; ordinary users have to copy.
 */
static void directories_are_renamed(void **state)
{
    struct machine *m = acquire(&plain);
    int64_t id[3];

    (void)state;
    expect(m, "mkdir -p dir/sub other && echo one > dir/sub/f", "");
    id[0] = snapshot(m, "one");
    assert_int_equal(m->redirects, geteuid() == 0 && !all->split);
    assert_int_equal(machines_rename(all), m->redirects);
    if (!m->redirects) {
        expect(m, RENAME("dir", "moved") "mv dir moved; cat moved/sub/f", "EXDEV\none\n");
        machine_release(m);
        return;
    }
    expect(m, RENAME("dir", "moved") "echo two >> moved/sub/f; mkdir dir; touch dir/new", "");
    id[1] = snapshot(m, "two");
    expect(m,
           RENAME("moved/sub", "other/deeper")
               RENAME("other", "third") "find . -type f | sort; cat third/deeper/f",
           "./dir/new\n./third/deeper/f\none\ntwo\n");
    id[2] = snapshot(m, "three");
    expect(m, "rm -r third; ls", "dir\nmoved\n");
    rollback(m, id[2]);
    expect(m, "find . | sort; cat third/deeper/f",
           ".\n./dir\n./dir/new\n./moved\n./third\n./third/deeper\n./third/deeper/f\none\ntwo\n");
    const struct snapshot_row *row = store_get_snapshot(store, id[2]);
    assert_int_equal(layers_squash(all, row->layer, NULL), -EXDEV);
    snapshot_row_unref(row);
    rollback(m, id[1]);
    expect(m, "find . -type f | sort; cat moved/sub/f; ls other", "./dir/new\n./moved/sub/f\none\ntwo\n");
    rollback(m, id[0]);
    expect(m, "find . | sort; cat dir/sub/f", ".\n./dir\n./dir/sub\n./dir/sub/f\n./other\none\n");
    expect(m,
           RENAME("/usr/share/doc",
                  "/usr/share/moved") "[ ! -e /usr/share/doc ] && [ -e /usr/share/moved/bash ] && echo there",
           "there\n");
    assert_int_equal(access("/usr/share/doc", F_OK), 0);
    machine_release(m);
}

/* Layers from where no redirects were are stood on as they were written. */
static void layers_without_redirects(void **state)
{
    int64_t id[2];

    (void)state;
    atomic_store(&all->no_redirects, true);
    struct machine *m = acquire(&plain);
    atomic_store(&all->no_redirects, false);
    assert_false(m->redirects);
    expect(m, "mkdir dir && touch dir/old", "");
    id[0] = snapshot(m, "one");
    expect(m, "rm -r dir && mkdir dir && touch dir/new", "");
    id[1] = snapshot(m, "two");
    expect(m, RENAME("dir", "moved") "ls dir", "EXDEV\nnew\n");
    assert_false(m->redirects);
    rollback(m, id[0]);
    expect(m, "ls dir", "old\n");
    const struct snapshot_row *row = store_get_snapshot(store, id[1]);
    assert_int_equal(layers_squash(all, row->layer, NULL), 0);
    snapshot_row_unref(row);
    rollback(m, id[1]);
    expect(m, "ls dir", "new\n");
    machine_release(m);
}

/* Where a renamed directory is looked for is told by attributes that nobody in a machine can set, nor can its
 * root mount anything otherwise than it is. */
static void redirects_are_not_forged(void **state)
{
    struct machine *m = acquire(&plain);

    (void)state;
    expect(m, "mkdir -p dir/sub && touch dir/sub/f", "");
    (void)snapshot(m, "one");
    expect(m,
           "python3 -c '\n"
           "import os\n"
           "for name in \"trusted.overlay.redirect\", \"trusted.overlay.opaque\", "
           "\"trusted.overlay.overlay.redirect\":\n"
           "    try: os.setxattr(\"dir\", name, b\"/etc\"); print(name)\n"
           "    except OSError: pass\n"
           "for name in \"user.overlay.redirect\", \"user.overlay.opaque\":\n"
           "    try: os.setxattr(\"dir\", name, b\"/etc\" if name[-1] == \"t\" else b\"y\")\n"
           "    except OSError: pass\n'\n"
           "mount -o remount,bind,dev,suid / 2>/dev/null && echo remounted\n"
           "mknod disk b 8 0 2>/dev/null && echo disk\n:",
           "");
    int64_t id = snapshot(m, "two");
    const struct snapshot_row *row = store_get_snapshot(store, id);
    assert_int_equal(layers_squash(all, row->layer, NULL), 0);
    snapshot_row_unref(row);
    rollback(m, id);
    expect(m, "find . | sort", ".\n./dir\n./dir/sub\n./dir/sub/f\n");
    machine_release(m);
}

static void refused_while_something_runs(void **state)
{
    struct machine *m = acquire(&plain);
    struct err err = {0};
    int64_t id = 0;

    (void)state;
    expect(m, "echo kept > f; sleep 1000 >/dev/null 2>&1 & until grep -q sleep /proc/$!/comm; do :; done",
           "");
    assert_int_equal(machine_snapshot(m, &(struct snapshot_spec){.name = "no"}, &id, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "sleep ("));
    assert_non_null(strstr(err.msg, "runs in it"));
    expect(m, "cat f; pkill -c sleep", "kept\n1\n");
    id = snapshot(m, "yes");
    expect(m, "sleep 1000 >/dev/null 2>&1 & echo late > f", "");
    rollback(m, id); /* ends what runs */
    expect(m, "cat f; pgrep -c sleep || :", "kept\n0\n");
    assert_int_equal(machine_snapshot(m, &(struct snapshot_spec){.name = "yes"}, &id, &err), -EEXIST);
    machine_release(m);
}

static void hosts_have_none(void **state)
{
    struct machine_spec spec = plain;
    struct err err = {0};
    int64_t id = 0;

    (void)state;
    spec.backend = "host";
    struct machine *m = acquire(&spec);
    assert_int_equal(machine_snapshot(m, &(struct snapshot_spec){0}, &id, &err), -ENOTSUP);
    assert_non_null(strstr(err.msg, "backend host has no snapshots"));
    assert_int_equal(machine_rollback(m, 1, &err), -ENOTSUP);
    machine_release(m);
}

static void wrong_snapshots(void **state)
{
    struct machine *m = acquire(&plain);
    struct machine_spec spec = plain;
    struct err err = {0};

    (void)state;
    expect(m, "echo here > f", "");
    assert_int_equal(machine_rollback(m, 12345, &err), -ENOENT);
    expect(m, "cat f", "here\n");
    assert_int_equal(machines_drop_snapshot(all, 12345, &err), -ENOENT);
    spec.snapshot = 12345;
    struct machine *none = NULL;
    assert_int_equal(machine_acquire(all, &spec, &none, &err), -ENOENT);
    machine_release(m);
}

/* --------------------------------------------------------------------------------------- forks and chains */

static void forks(void **state)
{
    struct machine *m = acquire(&plain), *fork[3];
    struct machine_spec spec = plain;

    (void)state;
    expect(m, "echo common > ~/f", "");
    spec.snapshot = snapshot(m, "");
    spec.workspace = "/home/runner/work/other/other";
    for (int i = 0; i < 3; i++)
        fork[i] = acquire(&spec);
    for (int i = 0; i < 3; i++) {
        char script[64], output[64];
        snprintf(script, sizeof(script), "pwd; cat ~/f; echo %d > ~/f", i);
        snprintf(output, sizeof(output), "%s\ncommon\n", spec.workspace);
        expect(fork[i], script, output);
    }
    for (int i = 0; i < 3; i++) {
        char output[8];
        snprintf(output, sizeof(output), "%d\n", i);
        expect(fork[i], "cat ~/f", output);
    }
    /* what they stand on stays, though its snapshot is gone */
    assert_int_equal(machines_drop_snapshot(all, spec.snapshot, NULL), 0);
    layers_collect(all);
    assert_int_equal(count_layers(), 1);
    expect(fork[0], "cat /home/runner/work/repo/repo/none 2>/dev/null; ls /home/runner/work",
           "_temp\nother\nrepo\n");
    machine_release(m);
    for (int i = 0; i < 3; i++)
        machine_release(fork[i]);
    wait_for_layers(0);
}

/* The layers of a squashed chain show what the chain showed, byte for byte and attribute for attribute. */
static void squashed(void **state)
{
    static const char *const look = "cd /home/runner && find . -name _runner_file_commands -prune -o -printf "
                                    "'%p %y %m %s %l %T@\\n' | sort | "
                                    "sha256sum; find . -type f | sort | xargs cat | "
                                    "sha256sum; ls /usr/local/bin | sha256sum";
    struct machine *m = acquire(&plain);
    _buf_ struct buf before = BUF_INIT, after = BUF_INIT;
    int64_t last = 0, middle = 0;

    (void)state;
    for (int i = 0; i < LAYERS_SQUASH + 4; i++) {
        char script[512];
        snprintf(script, sizeof(script),
                 "mkdir -p a/b d%d && echo %d > a/b/f%d && echo %d >> log && rm -rf d%d && rm -f a/b/f%d && "
                 "[ %d != 7 ] || { rm -r a && mkdir a && chmod 711 a; }; touch /usr/local/bin/x%d; rm -f "
                 "/usr/local/bin/x%d; rm -f /usr/local/bin/nothing; ln -sfn f%d link",
                 i, i, i, i, i - 3, i - 5, i, i, i - 1, i);
        expect(m, script, "");
        last = snapshot(m, "");
        if (i == 20)
            middle = last;
    }
    assert_int_equal(run(m, look, &before), 0);
    for (int i = 0; i < 2000; i++) { /* behind */
        const struct snapshot_row *row = store_get_snapshot(store, last);
        const struct layer_row *layer = row ? store_get_layer(store, row->layer) : NULL;
        bool done = layer && layer->parent < LAYERS_SQUASH;
        layer_row_unref(layer);
        snapshot_row_unref(row);
        if (done)
            break;
        usleep(5000);
    }
    const struct snapshot_row *row = store_get_snapshot(store, last);
    assert_int_equal(layers_squash(all, row->layer, NULL), 0);
    snapshot_row_unref(row);
    rollback(m, last);
    assert_int_equal(m->chain.n, 1);
    assert_int_equal(run(m, look, &after), 0);
    assert_string_equal(buf_str(&after), buf_str(&before));
    expect(m, "tail -n 1 log; cat link 2>/dev/null; ls a/b | wc -l", "53\n5\n");
    rollback(m, middle);
    expect(m, "tail -n 1 log; ls a/b | wc -l", "20\n5\n");
    machine_release(m);
}

static void dropped(void **state)
{
    struct machine_spec spec = plain;
    int64_t id[3];

    (void)state;
    spec.run_id = 6;
    struct machine *m = acquire(&spec);
    for (int i = 0; i < 3; i++) {
        char script[32];
        snprintf(script, sizeof(script), "echo %d > f", i);
        expect(m, script, "");
        id[i] = snapshot(m, i == 1 ? "one" : "");
    }
    assert_int_equal(count_layers(), 3);
    assert_int_equal(store_find_snapshot(store, machine_id(m), "one"), id[1]);
    rollback(m, id[1]);
    assert_int_equal(machines_drop_snapshot(all, id[2], NULL), 0);
    wait_for_layers(2); /* the top one is needed by nobody */
    assert_int_equal(machines_drop_snapshot(all, id[1], NULL), 0);
    layers_collect(all);
    assert_int_equal(count_layers(), 2); /* the machine stands on it */
    expect(m, "cat f", "1\n");
    rollback(m, id[0]);
    wait_for_layers(1);
    machine_release(m);
    layers_collect(all);
    assert_int_equal(count_layers(), 1); /* a run's stays as long as nobody drops it */
    assert_int_equal(machines_drop_snapshot(all, id[0], NULL), 0);
    wait_for_layers(0);
}

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
            char name[16];
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

/* ------------------------------------------------------------------------------- over ends and crashes */

static void open_all(void)
{
    struct err err = {0};

    if (store_open(state_dir, &store, &err) < 0)
        fail_msg("%s", err.msg);
    const struct machines_opts opts = {.state_dir = state_dir, .agent = agent_path, .store = store};
    if (machines_new(&opts, &all, &err) < 0)
        fail_msg("%s", err.msg);
}

static void close_all(void)
{
    machines_free(all);
    store_close(store);
}

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
    kill(getpid(), SIGKILL);
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

/* Layers that were not on disk when the power went take their snapshots along, and nothing else. */
static void power_cut(void **state)
{
    struct machine *m = acquire(&plain);

    (void)state;
    expect(m, "echo a > f", "");
    int64_t first = snapshot(m, "first");
    layers_sync(all);
    expect(m, "echo b > f", "");
    int64_t second = snapshot(m, "second");
    struct machine_spec spec = plain;
    spec.keep = true;
    spec.title = "keeper";
    struct machine *kept = acquire(&spec);
    machine_keep(m, true);
    machine_release(m);
    snprintf(all->boot, sizeof(all->boot), "another");
    const struct snapshot_row *row = store_get_snapshot(store, second);
    struct layer_row layer = {.id = row->layer, .boot = "another", .created_at = 1};
    const struct layer_row *old = store_get_layer(store, row->layer);
    layer.parent = old->parent;
    assert_int_equal(store_put_layer(store, &layer, NULL), 0);
    layer_row_unref(old);
    snapshot_row_unref(row);
    machine_keep(kept, false);
    machine_release(kept);
    close_all(); /* syncs, so that has to be undone */
    struct err err = {0};
    assert_int_equal(store_open(state_dir, &store, &err), 0);
    assert_int_equal(store_put_layer(store, &layer, NULL), 0);
    store_close(store);
    open_all();
    const struct snapshot_row *gone = store_get_snapshot(store, second);
    assert_null(gone);
    const struct snapshot_row *there = store_get_snapshot(store, first);
    assert_non_null(there);
    snapshot_row_unref(there);
    assert_int_equal(machines_drop_snapshot(all, first, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------------ */

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    close_all();
    return remove_tree(state_dir);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_back),
        cmocka_unit_test(system_comes_back),
        cmocka_unit_test(everything_is_kept),
        cmocka_unit_test(directories_are_renamed),
        cmocka_unit_test(redirects_are_not_forged),
        cmocka_unit_test(layers_without_redirects),
        cmocka_unit_test(refused_while_something_runs),
        cmocka_unit_test(hosts_have_none),
        cmocka_unit_test(wrong_snapshots),
        cmocka_unit_test(forks),
        cmocka_unit_test(squashed),
        cmocka_unit_test(dropped),
        cmocka_unit_test(transitions),
        cmocka_unit_test(pauses),
        cmocka_unit_test(stopped),
        cmocka_unit_test(warm),
        cmocka_unit_test(survives_the_end),
        cmocka_unit_test(survives_a_crash),
        cmocka_unit_test(power_cut),
    };
    char title[64];

    snprintf(title, sizeof(title), "snapshots as uid %d", geteuid());
    return _cmocka_run_group_tests(title, tests, ARRAY_LEN(tests), setup, teardown);
}

static int run_as_user(void)
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

int main(void)
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
        failed = run_as_user();
    if (geteuid() != 0 || !(who && str_eq(who, "user")))
        failed += run_all();
    return failed != 0;
}
