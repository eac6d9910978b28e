/* Walking the tree without a mount: names to nodes, nodes to inodes, attributes and texts, directories to
 * lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include <limits.h>
#include <pwd.h>

#include "fs/fs.h"
#include "runfs/io.h"
#include "runfs/str.h"

static char dir[] = "/tmp/runfs-test-node-XXXXXX";
static struct fs fs;
static int64_t finished, live;

/* ------------------------------------------------------------------------------------- a store with two runs
 */

static int64_t put_run(const char *status)
{
    bool done = str_eq(status, "completed");
    struct workflow_row workflow = {
        .id = store_find_workflow(fs.store, 0, "ci.yml", true), .name = "ci.yml", .source = "on: push\n"};
    workflow.changed_at = 1000000000;
    assert_int_equal(store_put_workflow(fs.store, &workflow, NULL), 0);
    struct run_row run = {.workflow_id = workflow.id,
                          .attempt = 1,
                          .status = status,
                          .conclusion = done ? "failure" : "",
                          .exit_code = done ? 3 : -1,
                          .workflow_name = "ci.yml",
                          .name = "CI",
                          .event = "push",
                          .created_at = now_ns(),
                          .completed_at = done ? now_ns() : 0,
                          .changed_at = 2000000000,
                          .log_size = done ? 0 : -1};
    assert_int_equal(store_put_run(fs.store, &run, NULL), 0);
    assert_int_equal(store_put_run_text(fs.store, run.id, RUN_SOURCE, "on: push\n", 9, NULL), 0);
    return run.id;
}

static int64_t put_job(int64_t run_id, const char *key, const char *needs, const char *status)
{
    struct job_row job = {.run_id = run_id,
                          .attempt = 1,
                          .key = key,
                          .job_id = key,
                          .name = key,
                          .status = status,
                          .needs = needs,
                          .exit_code = -1,
                          .changed_at = 2000000000,
                          .log_size = -1};

    assert_int_equal(store_put_job(fs.store, &job, NULL), 0);
    return job.id;
}

static void put_jobs(int64_t run_id, const char *status)
{
    int64_t job_id = put_job(run_id, "build", "[]", status);

    put_job(run_id, "test-linux", "[\"build\"]", status);
    for (int i = 1; i <= 12; i++) {
        struct step_row step = {.job_id = job_id,
                                .run_id = run_id,
                                .number = i,
                                .slug = i == 2 ? "make" : "run-make",
                                .name = "make",
                                .status = status,
                                .script = "make\n",
                                .summary = "",
                                .exit_code = -1,
                                .changed_at = 2000000000,
                                .log_size = -1,
                                .stdout_size = -1,
                                .stderr_size = -1};
        assert_int_equal(store_put_step(fs.store, &step, NULL), 0);
        if (i == 1)
            assert_int_equal(store_put_output(fs.store, job_id, step.id, "version", "1.2", NULL), 0);
    }
    assert_int_equal(store_put_output(fs.store, job_id, 0, "version", "1.2", NULL), 0);
}

static int setup(void **state)
{
    struct machines_opts machines = {.state_dir = dir};
    char agent[4200] = "";
    struct err err = {0};

    (void)state;
    if (readlink("/proc/self/exe", agent, 4000) < 0)
        return -1;
    snprintf(strrchr(agent, '/'), 100, "/../runfs-agent");
    machines.agent = agent;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    if (!mkdtemp(dir) || store_open(dir, &fs.store, &err) < 0 ||
        machines_new(&machines, &fs.machines, &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    pthread_mutex_init(&fs.lock, NULL);
    fs.started_at = 3000000000;
    fs.log_path = strdup("/dev/null");
    fs.mount_point = strdup("/mnt");
    finished = put_run("completed");
    put_jobs(finished, "completed");
    assert_int_equal(store_put_error(fs.store, "bad.yml", "bad.yml (Line: 1, Col: 1): bad\n", &err), 0);
    /* a run that goes on, of a job that no worker has: the engine is made before it */
    const struct engine_opts opts = {
        .store = fs.store, .machines = fs.machines, .slots = 1, .defaults = true};
    assert_int_equal(engine_new(&opts, &fs.engine, &err), 0);
    live = put_run("in_progress");
    put_jobs(live, "in_progress");
    assert_int_equal(engine_set(fs.engine, SETTING_VAR, "PLACE", "here", &err), 0);
    assert_int_equal(engine_set(fs.engine, SETTING_SECRET, "TOKEN", "hidden", &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    drafts_release(&fs);
    engine_free(fs.engine);
    machines_free(fs.machines);
    role_list_release(&fs.roles);
    store_close(fs.store);
    free(fs.log_path);
    free(fs.mount_point);
    pthread_mutex_destroy(&fs.lock);
    fs = (struct fs){0};
    return remove_tree(dir);
}

/* ----------------------------------------------------------------------------------------------- a walk */

static struct node root_node(void)
{
    return (struct node){ROW_ROOT, 0};
}

/* The node of a path; a row of -1 where there is none. */
static struct node at(const char *path)
{
    _free_ char *copy = strdup(path);
    struct node n = root_node();
    char *rest = copy, *name;

    while ((name = strsep(&rest, "/")))
        if (node_lookup(&fs, n, name, &n) < 0)
            return (struct node){-1, 0};
    return n;
}

static struct node at_run(int64_t run, const char *rest)
{
    char path[256];

    snprintf(path, sizeof(path), "runs/%lld%s%s", (long long)run, *rest ? "/" : "", rest);
    return at(path);
}

struct found {
    char *names[400]; /* owned */
    struct node nodes[400];
    uint64_t cookies[400];
    size_t n, room; /* how many more it takes before it says that it is full */
};

static void found_release(struct found *f)
{
    while (f->n)
        free(f->names[--f->n]);
}

static bool take(void *data, const char *name, struct node n, uint64_t cookie, const struct node_stat *known)
{
    struct found *f = data;
    struct node_stat now;

    if (known) {
        assert_int_equal(node_stat(&fs, n, &now.st, &now.seconds), 0);
        assert_int_equal(known->st.st_mode, now.st.st_mode);
        assert_int_equal(known->st.st_size, now.st.st_size);
    }

    if (f->room == 0 || f->n == ARRAY_LEN(f->names))
        return false;
    f->room--;
    f->names[f->n] = strdup(name);
    f->nodes[f->n] = n;
    f->cookies[f->n++] = cookie;
    return true;
}

static void list(struct node n, struct found *ret)
{
    ret->room = SIZE_MAX;
    assert_int_equal(node_list(&fs, n, 0, take, ret), 0);
}

typedef void visit_fn(struct node n, const char *name, void *data);

static void walk(struct node n, visit_fn *visit, void *data)
{
    struct found *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    list(n, f);
    for (size_t i = 0; i < f->n; i++) {
        visit(f->nodes[i], f->names[i], data);
        if (tree[f->nodes[i].row].kind == ROW_DIR)
            walk(f->nodes[i], visit, data);
    }
    found_release(f);
    free(f);
}

/* ----------------------------------------------------------------------------------------------- the tests
 */

static void an_inode_is_its_node(void **state)
{
    static const int64_t ids[] = {1, 2, 255, 256, 257, 1LL << 31, 1LL << 40, NODE_UNBORN};

    (void)state;
    assert_int_equal(node_ino(root_node()), 1);
    assert_true(tree_rows <= 512); /* the bits that an inode has for the row */
    for (int row = 1; row < (int)tree_rows; row++)
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
            struct node n = node_of(node_ino((struct node){row, ids[i]}));
            assert_int_equal(n.row, row);
            assert_int_equal(n.id, ids[i]);
            assert_int_not_equal(node_ino((struct node){row, ids[i]}), 1);
        }
}

static void names_lead_to_nodes(void **state)
{
    (void)state;
    assert_int_equal(at_run(finished, "").id, finished);
    assert_int_equal(at_run(finished, "").row, tree_find("runs/N"));
    assert_int_equal(at_run(finished, "log").row, tree_find("runs/N/log"));
    assert_int_equal(at_run(finished, "jobs/build/steps/12-run-make/stdout").row,
                     tree_find("runs/N/jobs/JOB/steps/NN-SLUG/stdout"));
    assert_int_equal(at_run(finished, "jobs/test-linux/needs/build").id, at_run(finished, "jobs/build").id);
    assert_int_equal(at("runs/failed/1").id, finished);
    assert_int_equal(at("runs/active/2").id, live);
    assert_int_equal(at("workflows/ci.yml").row, tree_find("workflows/NAME.yml"));
}

static void other_names_lead_nowhere(void **state)
{
    static const char *const wrong[] = {"",
                                        "nothing",
                                        "runs/0",
                                        "runs/01",
                                        "runs/+1",
                                        "runs/ 1",
                                        "runs/1x",
                                        "runs/99",
                                        "runs/-1",
                                        "runs/NaN",
                                        "runs/N",
                                        "runs/9223372036854775807",
                                        "runs/active/1",
                                        "runs/failed/2",
                                        "runs/99999999999999999999999",
                                        "runs/1/jobs/",
                                        "runs/1/jobs/JOB",
                                        "runs/1/jobs/Build",
                                        "runs/1/jobs/build/steps/1-run-make", /* it is 01-run-make */
                                        "runs/1/jobs/build/steps/01-make",
                                        "runs/1/jobs/build/steps/001-run-make",
                                        "runs/1/jobs/build/steps/01",
                                        "runs/1/jobs/build/steps/-run-make",
                                        "runs/1/jobs/build/steps/99999999-run-make",
                                        "runs/1/jobs/build/needs/test-linux",
                                        "runs/by-workflow/other.yml",
                                        "runs/by-workflow/ci.yml/99",
                                        "workflows/ci.yml'; --",
                                        "config/labels/",
                                        "vars/place"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (at(wrong[i]).row >= 0)
            fail_msg("'%s' is there", wrong[i]);
}

static void check_listed(struct node n, const char *name, void *data)
{
    struct found *f;

    (void)name;
    (void)data;
    if (tree[n.row].kind != ROW_DIR)
        return;
    f = calloc(1, sizeof(*f));
    assert_non_null(f);
    list(n, f);
    for (size_t i = 0; i < f->n; i++) {
        struct node again;
        if (node_lookup(&fs, n, f->names[i], &again) < 0)
            fail_msg("%s is listed and not found", f->names[i]);
        assert_int_equal(node_ino(again), node_ino(f->nodes[i]));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f->names[k], f->names[i]);
    }
    found_release(f);
    free(f);
}

static void what_is_listed_is_found(void **state)
{
    (void)state;
    check_listed(root_node(), "/", NULL);
    walk(root_node(), check_listed, NULL);
}

static void check_size(struct node n, const char *name, void *data)
{
    _buf_ struct buf text = BUF_INIT;
    enum row_kind kind = tree[n.row].kind;
    double seconds;
    struct stat st;

    assert_int_equal(node_stat(&fs, n, &st, &seconds), 0);
    ++*(size_t *)data;
    assert_int_equal(kind == ROW_DIR, S_ISDIR(st.st_mode));
    assert_int_equal(kind == ROW_LINK, S_ISLNK(st.st_mode));
    if (kind == ROW_DIR || kind == ROW_LOG || kind == ROW_SECRET || str_eq(name, "duration_ms"))
        return;
    assert_int_equal(node_text(&fs, n, &text), 0);
    if ((off_t)text.len != st.st_size && !str_eq(name, "status"))
        fail_msg("%s has %zu bytes and says %lld", name, text.len, (long long)st.st_size);
}

static void sizes_are_those_of_the_texts(void **state)
{
    size_t seen = 0;

    (void)state;
    walk(root_node(), check_size, &seen);
    assert_true(seen > 150);
}

/* A reader that takes one entry a time sees what one sees that takes all at once. */
static void a_listing_goes_on_from_its_cookie(void **state)
{
    static const char *const paths[] = {"runs", "runs/1", "runs/1/jobs/build/steps", "config/labels"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct found *all = calloc(1, sizeof(*all)), *one = calloc(1, sizeof(*one));
        assert_true(all && one);
        list(at(paths[i]), all);
        for (size_t before = SIZE_MAX; one->n != before;) {
            before = one->n;
            one->room = 1;
            node_list(&fs, at(paths[i]), one->n ? one->cookies[one->n - 1] : 0, take, one);
        }
        assert_int_equal(one->n, all->n);
        for (size_t k = 0; k < all->n; k++)
            assert_string_equal(one->names[k], all->names[k]);
        found_release(all);
        found_release(one);
        free(all);
        free(one);
    }
}

/* Neither twice nor forgotten: what comes and goes behind or before the reader's place changes nothing else.
 */
static void a_listing_survives_what_comes_and_goes(void **state)
{
    struct found *f = calloc(1, sizeof(*f));
    int64_t extra[3];

    (void)state;
    assert_non_null(f);
    for (size_t i = 0; i < ARRAY_LEN(extra); i++)
        extra[i] = put_run("completed");
    f->room = 6; /* latest, active, failed, by-workflow, 1, 2 */
    node_list(&fs, at("runs"), 0, take, f);
    assert_string_equal(f->names[5], "2");
    assert_int_equal(store_delete_run(fs.store, extra[0], NULL), 0);
    assert_int_equal(store_delete_run(fs.store, extra[2], NULL), 0);
    int64_t later = put_run("completed");
    f->room = SIZE_MAX;
    node_list(&fs, at("runs"), f->cookies[5], take, f);
    assert_int_equal(f->n, 8);
    assert_int_equal(f->nodes[6].id, extra[1]);
    assert_int_equal(f->nodes[7].id, later);
    store_delete_run(fs.store, extra[1], NULL);
    store_delete_run(fs.store, later, NULL);
    found_release(f);
    free(f);
}

static double kept(struct node n)
{
    double seconds = -1;
    struct stat st;

    assert_int_equal(node_stat(&fs, n, &st, &seconds), 0);
    return seconds;
}

static void only_what_is_finished_is_kept(void **state)
{
    static const char *const files[] = {
        "exit_code", "log", "workflow.yml", "jobs", "jobs/build/log", "jobs/build/steps/01-run-make/stdout"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        assert_true(kept(at_run(finished, files[i])) > 60);
        assert_true(node_final(&fs, at_run(finished, files[i])));
        assert_true(kept(at_run(live, files[i])) == 0);
        assert_false(node_final(&fs, at_run(live, files[i])));
    }
    assert_true(kept(at_run(finished, "ctl")) == 0);
    assert_true(kept(at_run(finished, "workflow")) == 0); /* goes with the workflow */
    assert_true(kept(at("status")) == 0);
    assert_true(kept(at("runs/latest")) == 0);
    assert_true(kept(at("runs/active")) == 0);
}

static void wait_is_listed_once_it_does_not_block(void **state)
{
    struct found *f = calloc(1, sizeof(*f));
    _buf_ struct buf text = BUF_INIT;
    bool listed = false;

    (void)state;
    assert_non_null(f);
    list(at_run(live, ""), f);
    for (size_t i = 0; i < f->n; i++)
        listed |= str_eq(f->names[i], "wait");
    assert_false(listed);
    assert_int_equal(node_text(&fs, at_run(live, "wait"), &text), -EAGAIN); /* found all the same */
    assert_int_equal(node_text(&fs, at_run(finished, "wait"), &text), 0);
    assert_string_equal(buf_str(&text), "failure\n");
    found_release(f);
    free(f);
}

static void a_secret_is_never_read(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    double seconds;
    struct stat st;

    (void)state;
    assert_int_equal(node_text(&fs, at("secrets/TOKEN"), &text), -EACCES);
    assert_int_equal(text.len, 0);
    assert_int_equal(node_stat(&fs, at("secrets/TOKEN"), &st, &seconds), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(st.st_mode & 0777, 0200);
}

/* What someone still holds of a run that was deleted is gone, and nothing else is shown in its place. */
static void a_deleted_run_is_gone(void **state)
{
    int64_t id = put_run("completed");
    struct node held[] = {at_run(id, ""), at_run(id, "exit_code"), at_run(id, "log"), at_run(id, "jobs")};
    _buf_ struct buf text = BUF_INIT;
    double seconds;
    struct stat st;

    (void)state;
    assert_int_equal(node_remove(&fs, at("runs"), "2", true), -EBUSY); /* it is not completed */
    char name[32];
    snprintf(name, sizeof(name), "%lld", (long long)id);
    assert_int_equal(node_remove(&fs, at("runs"), name, true), 0);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        assert_int_equal(node_stat(&fs, held[i], &st, &seconds), -ENOENT);
    assert_int_equal(node_text(&fs, held[1], &text), -ENOENT);
    assert_int_equal(at_run(id, "").row, -1);
}

static void where_files_may_be_made(void **state)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "a\nb", "\x7f", "\xff"};

    (void)state;
    assert_int_equal(node_creatable(&fs, at("runs"), "x"), -EPERM);
    assert_int_equal(node_creatable(&fs, at("config"), "x"), -EPERM);
    assert_int_equal(node_creatable(&fs, root_node(), "x"), -EPERM);
    assert_int_equal(node_creatable(&fs, at("workflows"), "x"), tree_find("workflows/SCRATCH"));
    assert_int_equal(node_creatable(&fs, at("vars"), "X"), tree_find("vars/NAME"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(node_creatable(&fs, at("workflows"), bad[i]), -EINVAL);
}

static void drafts_are_few_and_named(void **state)
{
    int64_t ids[DRAFTS_MAX];
    struct err err;
    char name[32];

    (void)state;
    for (int i = 0; i < DRAFTS_MAX; i++) {
        snprintf(name, sizeof(name), "draft-%d", i);
        ids[i] = draft_make(&fs, tree_find("workflows"), name, &err);
        assert_true(ids[i] > 0);
    }
    assert_int_equal(draft_make(&fs, tree_find("workflows"), "one more", &err), -ENOSPC);
    assert_int_equal(at("workflows/draft-7").id, ids[7]);
    assert_int_equal(draft_put(&fs, ids[7], "text", 4), 0);
    assert_int_equal(draft_rename(&fs, ids[7], "draft-8"), 0); /* over another */
    assert_int_equal(at("workflows/draft-8").id, ids[7]);
    assert_int_equal(at("workflows/draft-7").row, -1);
    for (int i = 0; i < DRAFTS_MAX; i++)
        draft_drop(&fs, ids[i]);
    assert_int_equal(draft_put(&fs, ids[0], "text", 4), -ENOENT);
}

static enum setting_kind kind_of(int row)
{
    _buf_ struct buf key = BUF_INIT;
    enum setting_kind kind = (enum setting_kind) - 1;

    (void)setting_of(row, "x", &kind, &key);
    return kind;
}

/* What an editor makes beside a setting is scratch, and nothing else is. */
static void editors_names_beside_settings(void **state)
{
    static const char *const scratch[] = {".PLACE.swp", ".PLACE.k3UdbX", "PLACE~", "#PLACE#",
                                          "PLACE.bak",  "PLACE.tmp",     "4913",   "5036"};
    static const char *const ours[] = {"sedXy12Zw", "XXaB3dEf"};
    int draft = tree_find("workflows/SCRATCH");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scratch); i++) {
        assert_int_equal(node_creatable(&fs, at("vars"), scratch[i]), draft);
        assert_int_equal(node_creatable(&fs, at("config"), scratch[i]), draft);
        assert_int_equal(node_creatable(&fs, at("config/labels"), scratch[i]), draft);
        assert_int_equal(node_creatable(&fs, at("runs"), scratch[i]), -EPERM);
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) { /* a variable may be called so, a label is not */
        assert_int_equal(kind_of(node_creatable(&fs, at("vars"), ours[i])), SETTING_VAR);
        assert_int_equal(node_creatable(&fs, at("config"), ours[i]), draft);
        assert_int_equal(node_creatable(&fs, at("config/labels"), ours[i]), draft);
    }
    assert_int_equal(kind_of(node_creatable(&fs, at("vars"), "MY-PLACE")), SETTING_VAR); /* to be refused */
    assert_int_equal(kind_of(node_creatable(&fs, at("config/labels"), "sediments")), SETTING_CONFIG);
    assert_int_equal(kind_of(node_creatable(&fs, at("config/labels"), "4912")), SETTING_CONFIG);
    assert_int_equal(kind_of(node_creatable(&fs, at("config/labels"), "XXLARGER")), SETTING_CONFIG);
    assert_int_equal(node_creatable(&fs, at("config"), "sedabcdef"), draft); /* nothing else could be meant */
    assert_int_equal(node_creatable(&fs, at("config"), "slotz"), -EPERM);
}

/* Where runs are kept, whatever the environment says. */
static void state_is_below_the_users_home(void **state)
{
    const struct passwd *user = getpwuid(geteuid());
    static const struct {
        const char *xdg, *home, *opt, *want; /* want NULL: below what the system says */
    } cases[] = {{"/x", "/h", "opt", "opt"},
                 {"/x", "/h", NULL, "/x/runfs"},
                 {"x", "/h", NULL, "/h/.local/state/runfs"},
                 {NULL, "/h", NULL, "/h/.local/state/runfs"},
                 {NULL, "", NULL, NULL},
                 {NULL, NULL, NULL, NULL}};
    char of_system[PATH_MAX];

    (void)state;
    snprintf(of_system, sizeof(of_system), "%s/.local/state/runfs", user ? user->pw_dir : "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsetenv("XDG_STATE_HOME");
        unsetenv("HOME");
        if (cases[i].xdg)
            setenv("XDG_STATE_HOME", cases[i].xdg, 1);
        if (cases[i].home)
            setenv("HOME", cases[i].home, 1);
        _free_ char *got = state_directory(cases[i].opt);
        assert_string_equal(got, cases[i].want ? cases[i].want : of_system);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inode_is_its_node),
        cmocka_unit_test(names_lead_to_nodes),
        cmocka_unit_test(other_names_lead_nowhere),
        cmocka_unit_test(what_is_listed_is_found),
        cmocka_unit_test(sizes_are_those_of_the_texts),
        cmocka_unit_test(a_listing_goes_on_from_its_cookie),
        cmocka_unit_test(a_listing_survives_what_comes_and_goes),
        cmocka_unit_test(only_what_is_finished_is_kept),
        cmocka_unit_test(wait_is_listed_once_it_does_not_block),
        cmocka_unit_test(a_secret_is_never_read),
        cmocka_unit_test(a_deleted_run_is_gone),
        cmocka_unit_test(where_files_may_be_made),
        cmocka_unit_test(drafts_are_few_and_named),
        cmocka_unit_test(editors_names_beside_settings),
        cmocka_unit_test(state_is_below_the_users_home),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
