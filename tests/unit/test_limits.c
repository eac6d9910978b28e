/* What labels mean, where control groups are found, and limits of real machines. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static char dir[512];

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},        {"1", 1},           {"4096", 4096},    {"1K", 1024},
                {"2M", 2 << 20}, {"3G", 3ULL << 30}, {"7T", 7ULL << 40}};
    static const char *const bad[] = {"",         "K",
                                      "-1",       "+1",
                                      "1k",       "1KB",
                                      "1.5G",     " 1",
                                      "1 ",       "9223372036854775808",
                                      "8388608T", "99999999999999999999999999"};
    uint64_t v;
    char text[24];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(size_parse(good[i].text, &v), 0);
        assert_int_equal(v, good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (size_parse(bad[i], &v) == 0)
            fail_msg("'%s' was taken", bad[i]);
    size_format(3ULL << 30, text);
    assert_string_equal(text, "3G");
    size_format(1536ULL << 20, text);
    assert_string_equal(text, "1536M");
    size_format(1000, text);
    assert_string_equal(text, "1000");
}

static void labels(void **state)
{
    struct machine_label l;
    struct err err = {0};

    (void)state;
    assert_int_equal(machine_label_parse("sandbox", &l, &err), 0);
    assert_string_equal(l.backend, "sandbox");
    assert_null(l.image);
    assert_int_equal(l.network, MACHINE_NET_DEFAULT);
    assert_int_equal(l.limits.memory, 0);
    machine_label_release(&l);
    const char *all = " sandbox:/usr \t network=nat memory=2G pids=500 cpu=1.5 disk=4G files=4096 output=1G "
                      "namespaces=yes\n";
    if (machine_label_parse(all, &l, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(l.image, "/usr");
    assert_int_equal(l.network, MACHINE_NET_NAT);
    assert_true(l.namespaces);
    assert_int_equal(l.limits.memory, 2ULL << 30);
    assert_int_equal(l.limits.disk, 4ULL << 30);
    assert_int_equal(l.limits.output, 1ULL << 30);
    assert_int_equal(l.limits.pids, 500);
    assert_int_equal(l.limits.files, 4096);
    assert_int_equal(l.limits.cpu, 1500);
    machine_label_release(&l);
}

static void wrong_labels(void **state)
{
    static const char *const bad[][2] = {
        {"", "not to ''"},
        {"spaceship", "not to 'spaceship'"},
        {"sandbox:../relative", "cannot be the name of an image"},
        {"sandbox:/nonexistent", "not a directory"},
        {"sandbox memory", "'memory' is none"},
        {"sandbox =2G", "'=2G' is none"},
        {"sandbox mem=2G", "'mem=2G' is none"},
        {"sandbox memory=", "memory is a size"},
        {"sandbox memory=15M", "memory is a size from 16M"},
        {"sandbox cpu=1.", "cpu is a number"},
        {"sandbox cpu=.5", "cpu is a number"},
        {"sandbox cpu=0", "cpu is a number"},
        {"sandbox cpu=1025", "cpu is a number"},
        {"sandbox cpu=1.2345", "cpu is a number"},
        {"sandbox pids=4194305", "pids is a number"},
        {"sandbox files=63", "files is a number"},
        {"sandbox namespaces=maybe", "namespaces is yes or no"},
        {"sandbox network=", "network is host, none or nat"},
        {"host:/usr", "without images"},
        {"host network=none", "takes network=host"},
        {"bubblewrap network=nat", "takes network=host or network=none"},
    };
    struct machine_label l;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (machine_label_parse(bad[i][0], &l, &err) != -EINVAL)
            fail_msg("'%s' was taken", bad[i][0]);
        if (!strstr(err.msg, bad[i][1]))
            fail_msg("'%s': %s", bad[i][0], err.msg);
    }
}

static void put(const char *name, const char *text)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write_all(fd, text, strlen(text)), 0);
    close(fd);
}

/* Where a process is told to be: by its group's path and the part of the hierarchy that is mounted. */
static void find_groups(struct groups *g, const char *cgroup, const char *mounts)
{
    static char paths[2][600];

    put("cgroup", cgroup);
    put("mountinfo", mounts);
    snprintf(paths[0], sizeof(paths[0]), "%s/cgroup", dir);
    snprintf(paths[1], sizeof(paths[1]), "%s/mountinfo", dir);
    *g = (struct groups){
        .of = {-1, -1, -1}, .cgroup_file = paths[0], .mounts_file = paths[1], .family = "runfs-test-"};
    groups_find(g);
}

static void places(void **state)
{
    struct groups g;
    char mounts[2048], path[600];
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/v1/inner", dir);
    assert_int_equal(make_dirs(path, 0755), 0);
    /* nothing mounted, nothing said */
    find_groups(&g, "", "");
    assert_int_equal(g.of[GROUP_MEMORY], -1);
    assert_string_equal(g.why, "no control groups are mounted");
    groups_release(&g);
    /* a bind of a part of the hierarchy, as in a container: the path below its root counts */
    snprintf(mounts, sizeof(mounts),
             "1 2 0:3 / /proc rw - proc proc rw\n30 25 0:26 /box %s/v1 rw,nosuid shared:9 - cgroup cgroup "
             "rw,cpu,memory\n",
             dir);
    find_groups(&g, "4:cpu,memory:/box/inner\n0::/\n", mounts);
    snprintf(path, sizeof(path), "%s/v1/inner/runfs-test-%d", dir, getpid());
    assert_string_equal(g.dirs[0], path); /* both controllers share it */
    assert_null(g.dirs[1]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(g.of[GROUP_MEMORY], -1); /* but it is a plain directory, which limits nothing */
    groups_release(&g);
    assert_int_equal(stat(path, &st), -1);
    /* what a killed process left is removed */
    snprintf(path, sizeof(path), "%s/v1/inner/runfs-test-1/m7", dir);
    assert_int_equal(make_dirs(path, 0755), 0);
    find_groups(&g, "4:cpu,memory:/box/inner\n", mounts);
    assert_int_equal(stat(path, &st), -1);
    groups_release(&g);
    /* outside of what is mounted */
    find_groups(&g, "4:cpu,memory:/boxes\n", mounts);
    assert_null(g.dirs[0]);
    groups_release(&g);
    /* version 2 that delegates nothing */
    snprintf(mounts, sizeof(mounts), "30 25 0:26 / %s/v1 rw - cgroup2 cgroup2 rw\n", dir);
    find_groups(&g, "0::/inner\n", mounts);
    assert_int_equal(g.of[GROUP_PIDS], -1);
    assert_non_null(strstr(g.why, "is not delegated to"));
    groups_release(&g);
}

static void in_group(void **state)
{
    const uint64_t values[CONTROLLERS] = {[GROUP_MEMORY] = 64 << 20, [GROUP_PIDS] = 5, [GROUP_CPU] = 500};
    struct machine_group group;
    struct fds procs = {0};
    struct groups g;
    struct err err = {0};
    const char *name = "m1";
    int status;

    (void)state;
    groups_init(&g, dir);
    if (g.of[GROUP_PIDS] < 0) {
        print_message("no control groups here: %s\n", g.why);
        groups_release(&g);
        skip();
    }
    if (group_make(&g, name, values, &group, &procs, &err) < 0)
        fail_msg("%s", err.msg);
    pid_t pid = fork();
    if (pid == 0) {
        int failed = setpgid(0, 0);
        for (size_t i = 0; i < procs.n; i++)
            failed |= write(procs.list[i], "0", 1) != 1;
        for (int i = 0; i < 8; i++) { /* five of nine processes at most */
            pid_t child = fork();
            if (child == 0)
                pause();
            failed |= child < 0 ? 2 : 0;
        }
        kill(0, SIGTERM); /* this group of processes, the children with it */
        _exit(failed);
    }
    fds_release(&procs);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(group_hit(&group, GROUP_PIDS));
    assert_false(group_hit(&group, GROUP_PIDS)); /* once */
    assert_false(group_hit(&group, GROUP_MEMORY));
    assert_int_equal(group_hit(&group, GROUP_CPU), false);
    group_close(&group);
    for (int i = 0; i < 500 && groups_remove(&g, name) < 0; i++)
        usleep(10000);
    assert_int_equal(groups_remove(&g, name), 0);
    groups_release(&g);
}

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(dir, sizeof(dir), "%s/runfs-limits-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return remove_tree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(labels),
                                       cmocka_unit_test(wrong_labels), cmocka_unit_test(places),
                                       cmocka_unit_test(in_group)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
