/* What machines keep from a job: the host's files, calls and network, and more than its limits allow. */
#include <signal.h>

#include "machine_parts.h"

static void isolation(void **state)
{
    struct machine *m = acquire();
    _buf_ struct buf script = BUF_INIT;

    (void)state;
    if (str_eq(backend, "host")) {
        machine_release(m);
        skip();
    }
    buf_addf(&script, "for p in %s %s %s; do [ -e $p/secret ] || [ -e $p/machines ] && echo sees $p; done; ",
             state_dir, hidden_dir, agent_path);
    buf_adds(&script, "ls -A /root /mnt /media; ls /home; ls -A /tmp | wc -l; ");
    buf_adds(&script, "set -- /proc/[0-9]*; echo $#");
    expect(m, script.ptr, "/media:\n\n/mnt:\n\n/root:\nrunner\n0\n2\n", 0);
    expect(m, "touch /usr/bin/runfs-test-made 2>/dev/null; touch /etc/runfs-test-made 2>/dev/null; true", "",
           0);
    assert_int_equal(access("/usr/bin/runfs-test-made", F_OK), -1);
    assert_int_equal(access("/etc/runfs-test-made", F_OK), -1);
    expect(m, "echo 1 >/proc/sys/kernel/panic", "", 1);
    expect(m, "echo b >/proc/sysrq-trigger", "", 1);
    expect(m, "echo x >/sys/kernel/profiling", "", 1);
    expect(m, "mount -t tmpfs none /mnt 2>/dev/null", "", 32);
    expect(m, "umount -l /sys 2>/dev/null", "", 32);
    expect(m, "id -u; hostname; grep NoNewPrivs /proc/self/status", "0\ntest\nNoNewPrivs:\t1\n", 0);
    expect(m, "cat /etc/shadow 2>/dev/null | cut -d: -f2 | grep -v '^[*!]*$'", "", 1);
    expect(m,
           "cat /etc/resolv.conf >/dev/null; echo x >/dev/null; head -c 3 /dev/zero | wc -c; [ -c /dev/tty ]",
           "3\n", 0);
    expect(m, "tr '\\0' ' ' </proc/1/cmdline | grep machines", "", 1);
    machine_release(m);
}

/* The filter knows the calls by all numbers that they have: a bad argument would be EFAULT (14). */
static void denied_calls(void **state)
{
    struct machine *m = acquire();

    (void)state;
    if (!str_eq(backend, "sandbox")) {
        machine_release(m);
        skip();
    }
    expect(
        m,
        "cat >/tmp/t.c <<'E' && gcc -o /tmp/t /tmp/t.c && for how in native i386 x32; do /tmp/t $how; done\n"
        "#include <errno.h>\n#include <signal.h>\n#include <stdio.h>\n#include <sys/syscall.h>\n#include "
        "<unistd.h>\n"
        /* how a kernel without 32-bit calls answers */
        "static void none(int s) { (void)s; puts(\"-1\"); fflush(stdout); _exit(0); }\n"
        "int main(int argc, char **argv) {\n"
        "  long r = -1;\n"
        "  signal(SIGSEGV, none);\n"
        "  if (argv[1][0] == 'n') r = syscall(SYS_add_key, 1, 1, 1, 1, 1) < 0 ? -errno : 0;\n"
        "#ifdef __x86_64__\n"
        "  if (argv[1][0] == 'x') r = syscall(0x40000000 | SYS_add_key, 1, 1, 1, 1, 1) < 0 ? -errno : 0;\n"
        "  if (argv[1][0] == 'i')\n"
        "    __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(286L), \"b\"(1L), \"c\"(1L), \"d\"(1L)\n"
        "                     : \"memory\", \"r8\", \"r9\", \"r10\", \"r11\");\n"
        "#endif\n"
        "  printf(\"%ld\\n\", r);\n"
        "}\nE\n",
        "-1\n-1\n-1\n", 0);
    machine_release(m);
}

static void root_installs(void **state)
{
    struct machine *m = acquire();

    (void)state;
    if (!str_eq(backend, "sandbox") || geteuid() != 0) {
        machine_release(m);
        skip();
    }
    expect(
        m,
        "cp /bin/true /usr/local/bin/tool && tool && rm /usr/bin/env && ! [ -e /usr/bin/env ] && chown 33:33 "
        "/usr/local/bin/tool && stat -c %u /usr/local/bin/tool",
        "33\n", 0);
    assert_int_equal(access("/usr/bin/env", F_OK), 0);
    assert_int_equal(access("/usr/local/bin/tool", F_OK), -1);
    machine_release(m);
}

static void no_network(void **state)
{
    const struct machine_spec spec = {.backend = backend,
                                      .name = "net",
                                      .workspace = "/home/runner/work/repo/repo",
                                      .network = MACHINE_NET_NONE};
    struct machine *m = NULL;
    struct err err = {0};

    (void)state;
    int r = machine_acquire(all, &spec, &m, &err);
    if (str_eq(backend, "host")) {
        assert_int_equal(r, -ENOTSUP);
        return;
    }
    assert_int_equal(r, 0);
    expect(m, "tail -n +3 /proc/net/dev | grep -cv ' lo:'", "0\n", 1);
    machine_release(m);
}

/* What is in force is told; what a backend cannot do is refused, or told not to be. */
static void limits_are_told(void **state)
{
    const struct machine_spec spec = {
        .backend = backend,
        .name = "limited",
        .workspace = "/home/runner/work/repo/repo",
        .limits = {.memory = 64 << 20, .disk = 8 << 20, .files = 77, .output = 1000}};
    struct machine *m = NULL;
    struct err err = {0};
    _shell_ struct shell s = {0};

    (void)state;
    if (machine_acquire(all, &spec, &m, &err) < 0)
        fail_msg("%s", err.msg);
    const char *text = machine_limits(m);
    for (const char *const *part =
             (const char *const[]){"memory 64M: ", "disk 8M: ", "files 77: RLIMIT_NOFILE",
                                   "output 1000: counted", "network ", NULL};
         *part; part++)
        if (!strstr(text, *part))
            fail_msg("'%s' is not in\n%s", *part, text);
    bool in_memory = !strstr(text, "disk 8M: not in force (before Linux 6.6"); /* as far as this kernel can */
    assert_int_equal(strstr(text, "disk 8M: not in force") != NULL,
                     !str_eq(backend, "sandbox") || !in_memory);
    assert_int_equal(strstr(text, "pids 4096") != NULL, !str_eq(backend, "host"));
    expect(m, "ulimit -n", "77\n", 0);
    shell_run(m, &s, "yes");
    assert_int_equal(s.ret, 0);
    assert_string_equal(s.r.limit, "wrote too much output (limit 1000)");
    assert_false(s.r.cancelled);
    expect(m, "echo still here", "still here\n", 0);
    machine_release(m);
}

static void hides_later(void **state)
{
    struct machine *m;

    (void)state;
    if (str_eq(backend, "host"))
        skip();
    assert_int_equal(machines_hide(all, "/usr/share/doc"), 0);
    m = acquire();
    expect(m, "ls -A /usr/share/doc | wc -l", "0\n", 0);
    machine_release(m);
}

static int run_backend(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isolation),  cmocka_unit_test(denied_calls),    cmocka_unit_test(root_installs),
        cmocka_unit_test(no_network), cmocka_unit_test(limits_are_told), cmocka_unit_test(hides_later),
    };
    char title[64];

    backend = name;
    snprintf(title, sizeof(title), "bounds of machines, %s as uid %d", name, geteuid());
    return _cmocka_run_group_tests(title, tests, ARRAY_LEN(tests), setup, teardown);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    return !find_agent() || run_parts(run_backend, NULL) != 0;
}
