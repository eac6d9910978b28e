/* Templates of virtual machines on disk: what is kept is taken as it was, and nothing that is less. No
 * machine runs here: their memory is a file with some pages in it. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { MIB = 1 << 20, PAGE = 4096 };

static char top[300], image[400], bin[400];
static struct tsc tsc;

static const char *below(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *below(const char *format, ...)
{
    static char paths[4][900];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    int n = snprintf(path, sizeof(paths[0]), "%s/", image);
    va_list ap;

    va_start(ap, format);
    vsnprintf(path + n, sizeof(paths[0]) - (size_t)n, format, ap);
    va_end(ap);
    return path;
}

static void put(const char *path, const char *text, mode_t mode)
{
    assert_int_equal(write_file_atomic(path, text, strlen(text), mode, NULL), 0);
}

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char path[900];

    (void)state;
    snprintf(top, sizeof(top), "%s/runfs-test-template-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(top))
        return -1;
    snprintf(image, sizeof(image), "%s/sha256-0123", top);
    snprintf(bin, sizeof(bin), "%s/bin", top);
    mkdir(image, 0755);
    mkdir(bin, 0755);
    put(below("rootfs.ext4"), "root", 0644);
    put(below("kernel"), "kernel", 0644);
    snprintf(path, sizeof(path), "%s/" QEMU_PROGRAM, bin);
    put(path, "\177ELF qemu", 0755);
    setenv("PATH", bin, 1);
    tsc_begin(&tsc);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return remove_tree(top);
}

/* ----------------------------------------------------------------------------------------------- templates
 */

static int memory_file(const char *text)
{
    int fd = qemu_memory_make("initrd", 0, NULL);

    assert_int_equal(write_all(fd, text, strlen(text)), 0);
    return fd;
}

static void identify(struct qemu_template *t, const char *initrd)
{
    _close_ int fd = memory_file(initrd);

    json_decref(t->identity);
    t->identity = NULL;
    assert_int_equal(qemu_identity(&t->shape, fd, &t->identity, NULL), 0);
    assert_int_equal(qemu_identity_key(t->identity, t->key), 0);
}

/* Nothing is in it yet. */
static struct qemu_template shaped(unsigned cpus)
{
    struct qemu_template t = {.shape = {.image = image, .memory = 8 * MIB, .disk = 4 * MIB, .cpus = cpus},
                              .memory = -1,
                              .state = -1,
                              .disk = -1};

    identify(&t, "agent");
    return t;
}

static void release(struct qemu_template *t)
{
    cleanup_close(&t->memory);
    cleanup_close(&t->state);
    cleanup_close(&t->disk);
    json_decref(t->identity);
}
#define _template_ _cleanup_(release)

/* As one that was just booted. */
static struct qemu_template booted(unsigned cpus)
{
    struct qemu_template t = shaped(cpus);
    char page[PAGE];

    memset(page, 'm', sizeof(page));
    t.memory = qemu_memory_make("memory", t.shape.memory, NULL);
    t.state = qemu_memory_make("state", 0, NULL);
    t.disk = qemu_memory_make("disk", t.shape.disk, NULL);
    assert_int_equal(pwrite_all(t.memory, page, PAGE, 3 * PAGE), 0);
    assert_int_equal(pwrite_all(t.memory, page, PAGE, 5 * MIB), 0);
    assert_int_equal(write_all(t.state, "a state that is no whole page", 29), 0);
    assert_int_equal(pwrite_all(t.disk, "superblock", 10, 1024), 0);
    t.boot_ns = 2500000000;
    t.tsc_khz = tsc_khz_since(&tsc);
    return t;
}

static void keep(unsigned cpus)
{
    _template_ struct qemu_template t = booted(cpus);
    struct err err = {0};

    if (qemu_kept_save(&t, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(t.kept_at > 0);
}

static int load(struct qemu_template *t, struct err *err)
{
    *t = shaped(1);
    return qemu_kept_load(t, top, &tsc, err);
}

/* What is there is taken: 0; or why not. Nothing of what is broken is left. */
static int try_load(struct err *err)
{
    _template_ struct qemu_template t = {.memory = -1};

    return load(&t, err);
}

static const char *key_of(unsigned cpus)
{
    static char key[QEMU_KEY];
    _template_ struct qemu_template t = shaped(cpus);

    memcpy(key, t.key, sizeof(key));
    return key;
}

static bool is_there(unsigned cpus)
{
    return access(below("templates/%s", key_of(cpus)), F_OK) == 0;
}

/* ---------------------------------------------------------------------------------------------- the tests */

static void same_file(int a, int b)
{
    char x[PAGE], y[PAGE];
    struct stat st, other;

    assert_int_equal(fstat(a, &st), 0);
    assert_int_equal(fstat(b, &other), 0);
    assert_int_equal(st.st_size, other.st_size);
    for (off_t at = 0; at < st.st_size; at += PAGE) {
        ssize_t n = pread(a, x, PAGE, at);
        assert_int_equal(pread(b, y, PAGE, at), n);
        assert_memory_equal(x, y, (size_t)n);
    }
}

static void what_was_kept_is_taken(void **state)
{
    _template_ struct qemu_template was = booted(1), t = {.memory = -1};
    struct qemu_kept kept[QEMU_KEPT];
    struct err err = {0};
    struct stat st;

    (void)state;
    assert_int_equal(load(&t, &err), -ENOENT);
    release(&t);
    assert_int_equal(qemu_kept_save(&was, &err), 0);
    if (load(&t, &err) < 0)
        fail_msg("%s", err.msg);
    same_file(was.memory, t.memory);
    same_file(was.state, t.state);
    same_file(was.disk, t.disk);
    assert_int_equal(fstat(t.memory, &st), 0);
    assert_int_equal(st.st_blocks * 512, 2 * PAGE);
    assert_int_equal(t.boot_ns, was.boot_ns);
    assert_int_equal(t.tsc_khz, was.tsc_khz);
    assert_int_equal(t.kept_at, was.kept_at);
    assert_int_equal(pwrite(t.memory, "x", 1, 0), -1); /* sealed */
    assert_int_equal(qemu_kept_list(image, kept), 1);
    assert_int_equal(kept[0].shape.memory, 8 * MIB);
    assert_int_equal(kept[0].kept_at, was.kept_at);
    assert_string_equal(kept[0].key, was.key);
}

static void of_anything_else_it_is_not_taken(void **state)
{
    char path[900];
    _template_ struct qemu_template other = shaped(1), more = shaped(2);
    struct err err = {0};

    (void)state;
    keep(1);
    identify(&other, "another agent");
    assert_int_equal(qemu_kept_load(&other, top, &tsc, &err), -ENOENT);
    assert_int_equal(qemu_kept_load(&more, top, &tsc, &err), -ENOENT);
    other.shape.kvm = true;
    identify(&other, "agent");
    assert_non_null(json_object_get(other.identity, "host"));

    keep(2);
    assert_int_equal(remove_tree(below("templates/%s", key_of(1))), 0);
    assert_int_equal(rename(below("templates/%s", more.key), below("templates/%s", key_of(1))), 0);
    assert_int_equal(try_load(&err), -EINVAL); /* what it is called does not make it that */
    keep(1);
    put(below("rootfs.ext4"), "another root", 0644);
    assert_int_equal(try_load(&err), -ENOENT);
    keep(1);
    assert_int_equal(try_load(&err), 0);
    snprintf(path, sizeof(path), "%s/" QEMU_PROGRAM, bin);
    put(path, "\177ELF qemu of tomorrow", 0755);
    assert_int_equal(try_load(&err), -ENOENT);
}

static void a_script_may_start_any_qemu(void **state)
{
    _template_ struct qemu_template t = shaped(1);
    _json_ json_t *identity = NULL;
    _close_ int initrd = memory_file("agent");
    char path[900];

    (void)state;
    snprintf(path, sizeof(path), "%s/" QEMU_PROGRAM, bin);
    put(path, "#!/bin/sh\n", 0755);
    assert_int_equal(qemu_identity(&t.shape, initrd, &identity, NULL), -ENOTSUP);
}

static void another_frequency_is_another_processor(void **state)
{
    _template_ struct qemu_template t = booted(1);
    struct err err = {0};

    (void)state;
    t.tsc_khz += t.tsc_khz / 1000;
    assert_int_equal(qemu_kept_save(&t, &err), 0);
    assert_int_equal(try_load(&err), -ENOENT);
    keep(1); /* in its place */
    assert_int_equal(try_load(&err), 0);
    assert_true(tsc_same(2000000, 2000999));
    assert_false(tsc_same(2000000, 2001100));
}

/* Each is done to what was kept. */
static void cut(const char *path)
{
    assert_int_equal(truncate(path, 4000), 0);
}

static void change(const char *path)
{
    _close_ int fd = open(path, O_WRONLY);

    assert_int_equal(pwrite_all(fd, "M", 1, 3 * PAGE + 7), 0);
}

static void add(const char *path)
{
    _close_ int fd = open(path, O_WRONLY);

    assert_int_equal(pwrite_all(fd, "more", 4, 2 * MIB), 0);
}

static void link_away(const char *path)
{
    char elsewhere[900];

    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
}

static void pipe_up(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void open_up(const char *path)
{
    assert_int_equal(chmod(path, 0660), 0);
}

static void give_away(const char *path)
{
    assert_int_equal(geteuid() == 0 ? chown(path, 65534, 65534) : chmod(path, 0666), 0);
}

static void scribble(const char *path)
{
    put(path, "{\"of\": {}, \"memory\": 7}", 0600);
}

static void lose(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void what_is_broken_is_named_and_removed(void **state)
{
    static const struct {
        const char *name;
        void (*harm)(const char *path);
    } harms[] = {{"memory", cut},
                 {"memory", change},
                 {"memory", add},
                 {"memory", link_away},
                 {"memory", pipe_up},
                 {"memory", open_up},
                 {"memory", give_away},
                 {"memory", lose},
                 {"state", cut},
                 {"disk", cut},
                 {"disk", add},
                 {"template.json", cut},
                 {"template.json", lose},
                 {"template.json", scribble},
                 {"template.json", give_away}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(harms); i++) {
        struct err err = {0};
        char path[900], place[900];
        keep(1);
        snprintf(path, sizeof(path), "%s", below("templates/%s/%s", key_of(1), harms[i].name));
        snprintf(place, sizeof(place), "%s/%s", key_of(1), harms[i].name);
        harms[i].harm(path);
        int r = try_load(&err);
        if (r == 0 || r == -ENOENT || !strstr(err.msg, place))
            fail_msg("%zu, %s: %d, %s", i, harms[i].name, r, err.msg);
        if (is_there(1))
            fail_msg("%zu, %s: it is still there", i, harms[i].name);
    }
}

static void a_directory_that_leads_away_is_not_entered(void **state)
{
    struct err err = {0};
    char elsewhere[900];

    (void)state;
    keep(1);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
    assert_int_equal(rename(below("templates"), elsewhere), 0);
    assert_int_equal(symlink(elsewhere, below("templates")), 0);
    assert_int_equal(try_load(&err), -ENOTDIR);
    assert_non_null(strstr(err.msg, "sha256-0123/templates"));
    assert_int_equal(unlink(below("templates")), 0);
    assert_int_equal(rename(elsewhere, below("templates")), 0);
    assert_int_equal(try_load(&err), 0);
}

static void what_a_killed_one_was_writing_goes(void **state)
{
    struct err err = {0};

    (void)state;
    keep(1);
    assert_int_equal(rename(below("templates/%s", key_of(1)), below("templates/.writing")), 0);
    assert_int_equal(try_load(&err), -ENOENT);
    assert_int_equal(access(below("templates/.writing"), F_OK), -1);
    assert_int_equal(mkdir(below("templates/.writing"), 0700), 0);
    keep(1);
    assert_int_equal(try_load(&err), 0);

    /* of one that is still at it */
    _close_ int place = open(below("templates"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(place, LOCK_EX), 0);
    assert_int_equal(mkdir(below("templates/.writing"), 0700), 0);
    assert_int_equal(try_load(&err), 0);
    assert_int_equal(access(below("templates/.writing"), F_OK), 0);
}

static void those_go_that_were_not_loaded_for_longest(void **state)
{
    struct qemu_kept kept[QEMU_KEPT];
    struct err err = {0};

    (void)state;
    for (unsigned i = 1; i <= QEMU_KEPT; i++) {
        const struct timespec long_ago[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
        keep(i);
        assert_int_equal(utimensat(AT_FDCWD, below("templates/%s/template.json", key_of(i)), long_ago, 0), 0);
    }
    assert_int_equal(try_load(&err), 0); /* the first */
    keep(QEMU_KEPT + 1);
    assert_true(is_there(1));
    assert_false(is_there(2));
    assert_true(is_there(3));
    assert_true(is_there(QEMU_KEPT + 1));
    assert_int_equal(qemu_kept_list(image, kept), QEMU_KEPT);
    assert_int_equal(kept[0].shape.cpus + kept[1].shape.cpus,
                     QEMU_KEPT + 1 + 1); /* in the same tick perhaps */
    assert_int_equal(kept[2].shape.cpus, QEMU_KEPT);
}

static void a_disk_that_is_full_keeps_nothing(void **state)
{
    _template_ struct qemu_template t = booted(1);
    struct err err = {0};

    (void)state;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip(); /* not root's */
    assert_int_equal(mkdir(below("templates"), 0700), 0);
    assert_int_equal(mount("none", below("templates"), "tmpfs", 0, "size=16k,mode=700"), 0);
    assert_int_equal(qemu_kept_save(&t, &err), -ENOSPC);
    assert_non_null(strstr(err.msg, "sha256-0123/templates"));
    assert_int_equal(t.kept_at, 0);
    assert_int_equal(rmdir(below("templates/.writing")), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mount("none", below("templates"), "tmpfs", MS_REMOUNT, "size=200k,mode=700"), 0);
    assert_int_equal(qemu_kept_save(&t, &err), 0);
    assert_int_equal(try_load(&err), 0);
    assert_int_equal(umount(below("templates")), 0);
}

static bool always(void *data)
{
    (void)data;
    return true;
}

static void who_ends_keeps_no_half(void **state)
{
    _template_ struct qemu_template t = booted(1);
    struct err err = {0};

    (void)state;
    proc_until(always, NULL);
    assert_int_equal(qemu_kept_save(&t, &err), -ECANCELED);
    proc_until(NULL, NULL);
    assert_false(is_there(1));
    assert_int_equal(rmdir(below("templates")), 0);
}

static void time_stamps_are_measured_alike(void **state)
{
    unsigned long first = tsc_khz_since(&tsc);

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct tsc t;
        tsc_begin(&t);
        unsigned long khz = tsc_khz_since(&t);
        if (!tsc_same(first, khz))
            fail_msg("%lu kHz, and then %lu", first, khz);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_kept_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(of_anything_else_it_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_script_may_start_any_qemu, setup, teardown),
        cmocka_unit_test_setup_teardown(another_frequency_is_another_processor, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_broken_is_named_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_that_leads_away_is_not_entered, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_killed_one_was_writing_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(those_go_that_were_not_loaded_for_longest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_is_full_keeps_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(who_ends_keeps_no_half, setup, teardown),
        cmocka_unit_test_setup_teardown(time_stamps_are_measured_alike, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
