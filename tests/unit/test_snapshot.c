/*
 * Snapshots and rollbacks: real sandboxes on a real store. The rest of a machine's life is in
 * test_machine_life.c.
 * waits: for the disk and for what ends in machines
 */
#include "sandbox_store.h"

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
        char output[16];
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
    wait_for_layers(3); /* those of others go behind the scenes */
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
        cmocka_unit_test(power_cut),
    };
    char title[64];

    snprintf(title, sizeof(title), "snapshots as uid %d", geteuid());
    return _cmocka_run_group_tests(title, tests, ARRAY_LEN(tests), setup, teardown);
}

int main(void)
{
    return run_for_each_user(run_all);
}
