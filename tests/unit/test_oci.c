/* What keeps images of containers, and what lets them go: names, users, and a bound for all of them. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "runfs/io.h"
#include "runfs/oci.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { MIB = 1 << 20 };

/* Images a, b and c, of a file of 1 MiB each; state is made anew for each test. */
static char place[] = "/tmp/test-oci-XXXXXX";
static char state_dir[64], agent[PATH_MAX];

static void run(const char *const argv[])
{
    _proc_result_ struct proc_result out = {0};

    assert_int_equal(proc_run(argv, NULL, 4096, 60000, &out, NULL), 0);
    if (out.exit_code)
        fail_msg("%s: %s", argv[0], buf_str(&out.err));
}

static void make_image(const char *name)
{
    char root[80], file[96], tar[80], layout[80];
    _free_ char *bytes = malloc(MIB);

    assert_non_null(bytes);
    memset(bytes, *name, MIB);
    snprintf(root, sizeof(root), "%s/root-%s", place, name);
    snprintf(file, sizeof(file), "%s/file", root);
    snprintf(tar, sizeof(tar), "%s/%s.tar", place, name);
    snprintf(layout, sizeof(layout), "%s/%s", place, name);
    assert_int_equal(make_dirs(root, 0755), 0);
    assert_int_equal(write_file_atomic(file, bytes, MIB, 0644, NULL), 0);
    run((const char *const[]){"tar", "-C", root, "-cf", tar, ".", NULL});
    run((const char *const[]){"/usr/bin/python3", "tests/image.py", layout, tar, NULL});
}

static int set_up(void **state)
{
    static const char *const names[] = {"a", "b", "c"};

    (void)state;
    ssize_t n = readlink("/proc/self/exe", agent, sizeof(agent) - 32);
    assert_true(n > 0);
    agent[n] = '\0';
    for (size_t i = 0; i < 2; i++) /* BUILD/unit/test_oci */
        *strrchr(agent, '/') = '\0';
    snprintf(agent + strlen(agent), 32, "/runfs-agent");
    assert_non_null(mkdtemp(place));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        make_image(names[i]);
    return 0;
}

static int begin(void **state)
{
    static int n;

    (void)state;
    snprintf(state_dir, sizeof(state_dir), "%s/state-%d", place, ++n);
    return make_dirs(state_dir, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    return remove_tree(place);
}

/* As a job does, or as somebody by hand. */
static struct oci_image pull(const char *what, const char *name, bool job)
{
    struct oci_image image = {.lock = -1};
    char source[80];
    struct err err = {0};

    snprintf(source, sizeof(source), "oci:%s/%s:it", place, what);
    const struct oci_pull p = {.source = source, .name = name, .agent = job ? agent : NULL};
    if (oci_pull(state_dir, &p, &image, &err) < 0)
        fail_msg("%s", err.msg);
    return image;
}

static void used_at(const struct oci_image *image, time_t when)
{
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};

    assert_int_equal(futimens(image->lock, times), 0);
}

static bool is_there(const char *name)
{
    _oci_image_ struct oci_image image = {.lock = -1};

    return oci_open(state_dir, name, &image, NULL) == 0;
}

static void an_image_stays_from_its_pull_on(void **state)
{
    _oci_image_ struct oci_image image = pull("a", "tool", true), other = {.lock = -1};
    char id[OCI_HEX + 8];

    (void)state;
    snprintf(id, sizeof(id), "sha256:%s", image.id);
    other = pull("b", "tool", true); /* before a machine of the first has begun */
    assert_string_not_equal(image.id, other.id);
    assert_true(is_there(id));
    oci_release(&image);
    oci_release(&other);
    other = pull("b", "tool", true);
    assert_false(is_there(id));
}

static void the_one_that_was_not_used_for_longest_goes(void **state)
{
    _oci_image_ struct oci_image a = pull("a", "first", true), b = pull("b", "second", true),
                                 c = pull("c", "third", true);

    (void)state;
    used_at(&a, 3000);
    used_at(&b, 1000);
    used_at(&c, 2000);
    oci_release(&a);
    oci_release(&b);
    oci_release(&c);
    assert_int_equal(oci_trim(state_dir, 4 * MIB, NULL), 0);
    assert_true(is_there("second"));
    assert_int_equal(oci_trim(state_dir, 5 * MIB / 2, NULL), 0);
    assert_false(is_there("second"));
    assert_true(is_there("first") && is_there("third"));
    assert_int_equal(oci_trim(state_dir, 1, NULL), 0);
    assert_false(is_there("first") || is_there("third"));
}

static void what_is_used_or_was_pulled_by_hand_stays(void **state)
{
    _oci_image_ struct oci_image a = pull("a", "used", true), b = pull("b", "by-hand", false),
                                 c = pull("c", "by-job", true);

    (void)state;
    used_at(&a, 1000);
    used_at(&b, 1001);
    oci_release(&b);
    b = pull("b", "by-hand", true); /* a job wants it, too */
    oci_release(&b);
    oci_release(&c);
    assert_int_equal(oci_trim(state_dir, 1, NULL), 0);
    assert_true(is_there("used") && is_there("by-hand"));
    assert_false(is_there("by-job"));
}

static void an_image_without_room_is_refused(void **state)
{
    _oci_image_ struct oci_image a = pull("a", "first", true), b = pull("b", "second", true),
                                 none = {.lock = -1};
    char source[80];
    struct err err = {0};

    (void)state;
    (void)b; /* held, that is all */
    snprintf(source, sizeof(source), "oci:%s/c:it", place);
    const struct oci_pull p = {.source = source, .name = "third", .agent = agent, .most = 5 * MIB / 2};
    assert_int_equal(oci_pull(state_dir, &p, &none, &err), -ENOSPC);
    assert_non_null(strstr(err.msg, "config/container_size_mib"));
    assert_false(is_there("third"));
    assert_true(is_there("first") && is_there("second"));
    oci_release(&a);
    assert_int_equal(oci_pull(state_dir, &p, &none, &err), 0);
    assert_true(is_there("third") && is_there("second"));
    assert_false(is_there("first"));
}

static void tools_go_that_no_machine_has(void **state)
{
    static const char *const dirs[] = {"containers/layers/tools-old", "containers/layers/tools-held"};
    _free_ char *bytes = calloc(1, MIB);
    char path[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        snprintf(path, sizeof(path), "%s/%s", state_dir, dirs[i]);
        assert_int_equal(make_dirs(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/%s/file", state_dir, dirs[i]);
        assert_int_equal(write_file_atomic(path, bytes, MIB, 0644, NULL), 0);
    }
    _close_ int held = oci_hold_tools(state_dir, "tools-held", NULL);
    assert_true(held >= 0);
    assert_int_equal(oci_trim(state_dir, MIB / 2, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        snprintf(path, sizeof(path), "%s/%s", state_dir, dirs[i]);
        assert_int_equal(access(path, F_OK), i == 1 ? 0 : -1);
    }
    assert_int_equal(oci_hold_tools(state_dir, "tools-old", NULL), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_image_stays_from_its_pull_on, begin),
        cmocka_unit_test_setup(the_one_that_was_not_used_for_longest_goes, begin),
        cmocka_unit_test_setup(what_is_used_or_was_pulled_by_hand_stays, begin),
        cmocka_unit_test_setup(an_image_without_room_is_refused, begin),
        cmocka_unit_test_setup(tools_go_that_no_machine_has, begin),
    };

    if (!proc_in_path("skopeo")) {
        puts("skopeo is not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
