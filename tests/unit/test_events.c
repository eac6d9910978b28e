/* Event filters: a row is `on`, an event, and the sentence that says whether it starts the workflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/plan.h"

struct row {
    const char *on;                    /* YAML, in flow style */
    const char *event, *ref, *payload; /* payload: JSON with ' for " */
    const char *paths[4];              /* NULL first: not known; "" first: none changed */
    bool match;
    const char *why;
};

static struct workflow *parse(const char *on)
{
    _buf_ struct buf text = BUF_INIT;
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    buf_addf(&text, "on: %s\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n", on);
    if (workflow_parse("ci.yml", buf_str(&text), text.len, NULL, &w, &lint) < 0)
        fail_msg("%s: %s", on, lint.n ? lint.errors[0].msg : "?");
    return w;
}

static void check(const struct row *row)
{
    static const char *const nothing[] = {NULL};
    _buf_ struct buf why = BUF_INIT, json = BUF_INIT;
    struct workflow *w = parse(row->on);

    for (const char *p = row->payload ? row->payload : "{}"; *p; p++)
        buf_addc(&json, *p == '\'' ? '"' : *p);
    _json_ json_t *payload = json_loads(buf_str(&json), 0, NULL);
    assert_non_null(payload);
    struct event e = {.name = row->event, .ref = row->ref ? row->ref : "", .payload = payload};
    if (row->paths[0])
        e.changed_paths = *row->paths[0] ? row->paths : nothing;
    bool match = event_matches(w, &e, &why);
    workflow_free(w);
    assert_string_equal(buf_str(&why), row->why);
    assert_int_equal(match, row->match);
}

static void check_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&rows[i]);
}

static void push(void **state)
{
    static const struct row rows[] = {
        {"push", "push", "refs/heads/main", NULL, {0}, true, "push: branch main"},
        {"push", "push", "refs/tags/v1", NULL, {0}, true, "push: tag v1"},
        {"push", "pull_request", "", NULL, {0}, false, "pull_request: not among the events of `on`: push"},
        {"{push: {paths: [a], paths-ignore: [b]}}",
         "push",
         "refs/heads/main",
         NULL,
         {"a"},
         false,
         "push: you may only define one of `paths` and `paths-ignore` for a single event"},
        {"{push: {branches: [main]}}",
         "push",
         "refs/heads/main",
         NULL,
         {0},
         true,
         "push: branch main matches branches: main"},
        {"{push: {branches: [main, 'release/**']}}",
         "push",
         "refs/heads/dev",
         NULL,
         {0},
         false,
         "push: branch dev matches none of branches: main, 'release/**'"},
        {"{push: {branches: [main, '!main']}}",
         "push",
         "refs/heads/main",
         NULL,
         {0},
         false,
         "push: branch main matches none of branches: main, '!main'"},
        {"{push: {branches-ignore: ['wip/*']}}",
         "push",
         "refs/heads/wip/x",
         NULL,
         {0},
         false,
         "push: branch wip/x matches branches-ignore: 'wip/*'"},
        {"{push: {branches-ignore: ['wip/*']}}",
         "push",
         "refs/heads/main",
         NULL,
         {0},
         true,
         "push: branch main matches none of branches-ignore: 'wip/*'"},
        /* a filter for one kind of ref shuts the other out, unless that has a filter too */
        {"{push: {branches: [main]}}",
         "push",
         "refs/tags/v1",
         NULL,
         {0},
         false,
         "push: tag v1, and `on.push` filters only branches"},
        {"{push: {tags: ['v*']}}",
         "push",
         "refs/heads/main",
         NULL,
         {0},
         false,
         "push: branch main, and `on.push` filters only tags"},
        {"{push: {tags: ['v*'], branches: [main]}}",
         "push",
         "refs/tags/v1",
         NULL,
         {0},
         true,
         "push: tag v1 matches tags: 'v*'"},
        {"{push: {tags-ignore: ['v*']}}",
         "push",
         "refs/tags/v1",
         NULL,
         {0},
         false,
         "push: tag v1 matches tags-ignore: 'v*'"},
        {"push",
         "push",
         "refs/heads/main",
         "{'head_commit': {'message': 'fix [skip ci]'}}",
         {0},
         false,
         "push: the commit's message says [skip ci]"},
    };

    (void)state;
    check_all(rows, ARRAY_LEN(rows));
}

static void paths(void **state)
{
    static const struct row rows[] = {
        {"{push: {paths: ['src/**']}}",
         "push",
         "refs/heads/main",
         NULL,
         {"README.md", "src/a.c"},
         true,
         "push: branch main, and path src/a.c matches paths: 'src/**'"},
        {"{push: {paths: ['src/**']}}",
         "push",
         "refs/heads/main",
         NULL,
         {"README.md"},
         false,
         "push: branch main, but no changed path matches paths: 'src/**'"},
        {"{push: {paths: ['src/**', '!src/docs/**']}}",
         "push",
         "refs/heads/main",
         NULL,
         {"src/docs/x"},
         false,
         "push: branch main, but no changed path matches paths: 'src/**', '!src/docs/**'"},
        {"{push: {paths: ['src/**']}}",
         "push",
         "refs/heads/main",
         NULL,
         {0},
         true,
         "push: branch main, and the changed paths are not known, so paths lets it pass"},
        {"{push: {paths: ['src/**']}}", "push", "refs/tags/v1", NULL, {"x"}, true, "push: tag v1"},
        {"{push: {paths-ignore: [docs]}}",
         "push",
         "refs/heads/main",
         NULL,
         {"docs", "a.c"},
         true,
         "push: branch main, and path a.c is not among paths-ignore: docs"},
        {"{push: {paths-ignore: [docs]}}",
         "push",
         "refs/heads/main",
         NULL,
         {"docs"},
         false,
         "push: branch main, but every changed path matches paths-ignore: docs"},
        {"{push: {paths-ignore: [docs]}}",
         "push",
         "refs/heads/main",
         NULL,
         {""},
         true,
         "push: branch main, and no path changed that could match paths-ignore: docs"},
        {"{push: {branches: [main], paths: ['*.c']}}",
         "push",
         "refs/heads/main",
         NULL,
         {"a.h"},
         false,
         "push: branch main matches branches: main, but no changed path matches paths: '*.c'"},
        {"{push: {branches: [main], paths: ['*.c']}}",
         "push",
         "refs/heads/dev",
         NULL,
         {"a.c"},
         false,
         "push: branch dev matches none of branches: main"},
    };

    (void)state;
    check_all(rows, ARRAY_LEN(rows));
}

static void pull_request(void **state)
{
    static const struct row rows[] = {
        {"pull_request",
         "pull_request",
         "",
         "{'action': 'opened', 'pull_request': {'base': {'ref': 'main'}}}",
         {0},
         true,
         "pull_request: type opened is among the default types: opened, synchronize, reopened, and base "
         "branch main"},
        {"pull_request",
         "pull_request",
         "",
         "{'action': 'labeled'}",
         {0},
         false,
         "pull_request: type labeled is not among the default types: opened, synchronize, reopened"},
        {"{pull_request: {types: [labeled]}}",
         "pull_request",
         "",
         "{'action': 'labeled'}",
         {0},
         true,
         "pull_request: type labeled is among types: labeled, and no base branch is given"},
        {"{pull_request: {branches: [main]}}",
         "pull_request",
         "",
         "{'pull_request': {'base': {'ref': 'dev'}}}",
         {0},
         false,
         "pull_request: base branch dev matches none of branches: main"},
        {"{pull_request_target: {branches: [main], paths: ['*.c']}}",
         "pull_request_target",
         "",
         "{'pull_request': {'base': {'ref': 'main'}}}",
         {"x.c"},
         true,
         "pull_request_target: base branch main matches branches: main, and path x.c matches paths: '*.c'"},
        {"{merge_group: {branches: [main]}}",
         "merge_group",
         "",
         "{'action': 'checks_requested', 'merge_group': {'base_ref': 'refs/heads/main'}}",
         {0},
         true,
         "merge_group: type checks_requested, and base branch main matches branches: main"},
    };

    (void)state;
    check_all(rows, ARRAY_LEN(rows));
}

static void skip_words(void **state)
{
    static const struct row rows[] = {
        {"push",
         "push",
         "refs/heads/main",
         "{'head_commit': {'message': 'a\\n\\n\\nskip-checks: true\\n'}}",
         {0},
         false,
         "push: the commit's message says skip-checks: true"},
        {"push",
         "push",
         "refs/heads/main",
         "{'head_commit': {'message': 'a\\n\\n\\nOther: x\\nskip-checks:true'}}",
         {0},
         false,
         "push: the commit's message says skip-checks: true"},
        {"push",
         "push",
         "refs/heads/main",
         "{'head_commit': {'message': 'a\\n\\nskip-checks: true\\nOther: x'}}",
         {0},
         true,
         "push: branch main"},
        {"push",
         "push",
         "refs/heads/main",
         "{'head_commit': {'message': 'skip-checks: true'}}",
         {0},
         true,
         "push: branch main"},
        {"pull_request",
         "pull_request",
         "",
         "{'action': 'opened', 'head_commit': {'message': '[skip ci]'}}",
         {0},
         true,
         "pull_request: type opened is among the default types: opened, synchronize, reopened, and no base "
         "branch is "
         "given"},
    };
    struct workflow *w = parse("[pull_request, pull_request_target]");
    struct event e = {.name = "pull_request", .ref = "", .head_message = "fix [no ci]"};
    _buf_ struct buf why = BUF_INIT;

    (void)state;
    check_all(rows, ARRAY_LEN(rows));
    assert_false(event_matches(w, &e, &why));
    assert_string_equal(buf_str(&why), "pull_request: the commit's message says [no ci]");
    e.name = "pull_request_target"; /* which does not look at it */
    assert_true(event_matches(w, &e, &why));
    workflow_free(w);
}

/* Every event has a name, and types that the schema knows; what GitHub never sends is not among them. */
static void names(void **state)
{
    size_t n = 0;

    (void)state;
    for (const char *name; (name = event_name(n)); n++) {
        assert_int_equal(event_index(name), n);
        _buf_ struct buf on = BUF_INIT;
        for (const char *const *type = event_types(name); type && *type; type++) {
            buf_reset(&on);
            buf_addf(&on, "{%s: {types: [%s]}}", name, *type);
            workflow_free(parse(buf_str(&on)));
        }
    }
    assert_int_equal(n, 35);
    assert_int_equal(event_index("workflow_call"), -1);
    assert_int_equal(event_index("pull_request_comment"), -1);
    assert_int_equal(event_index("pushed"), -1);
    assert_null(event_types("push"));
    assert_null(event_types("repository_dispatch"));
    assert_string_equal(event_types("pull_request_target")[2], "reopened");
    assert_string_equal(event_types("check_suite")[0], "completed");
}

struct place {
    const char *event, *payload; /* ' for " */
    const char *ref, *sha, *head_ref, *base_ref;
};

static void origins(void **state)
{
    static const struct place places[] = {
        {"push", "{'ref': 'refs/heads/dev', 'after': 'aa'}", "refs/heads/dev", "aa", "", ""},
        {"push", "{'ref': 'refs/tags/v1', 'after': 'aa'}", "refs/tags/v1", "aa", "", ""},
        {"push", "{'ref': 'refs/heads/dev', 'deleted': true, 'after': '00'}", "refs/heads/main", "", "", ""},
        {"push", "{}", "refs/heads/main", "", "", ""},
        {"pull_request",
         "{'number': 7, 'pull_request': {'merge_commit_sha': 'mm', 'head': {'ref': 'f', 'sha': 'hh'},"
         " 'base': {'ref': 'dev'}}}",
         "refs/pull/7/merge", "mm", "f", "dev"},
        {"pull_request", "{'pull_request': {'number': 7, 'head': {'ref': 'f', 'sha': 'hh'}}}",
         "refs/pull/7/merge", "hh", "f", ""},
        {"pull_request",
         "{'action': 'closed', 'pull_request': {'number': 7, 'merged': true, 'merge_commit_sha': 'mm',"
         " 'head': {'ref': 'f'}, 'base': {'ref': 'dev'}}}",
         "refs/heads/dev", "mm", "f", "dev"},
        {"pull_request", "{'action': 'closed', 'pull_request': {'number': 7, 'merged': false}}",
         "refs/pull/7/merge", "", "", ""},
        {"pull_request_target",
         "{'pull_request': {'number': 7, 'head': {'ref': 'f', 'sha': 'hh'}, 'base': {'ref': 'dev'}}}",
         "refs/heads/main", "", "f", "dev"},
        {"pull_request_review", "{'pull_request': {'number': 7, 'head': {'ref': 'f', 'sha': 'hh'}}}",
         "refs/pull/7/merge", "hh", "", ""},
        {"release", "{'release': {'tag_name': 'v2'}}", "refs/tags/v2", "", "", ""},
        {"create", "{'ref': 'v2', 'ref_type': 'tag'}", "refs/tags/v2", "", "", ""},
        {"create", "{'ref': 'a/b', 'ref_type': 'branch'}", "refs/heads/a/b", "", "", ""},
        {"delete", "{'ref': 'a/b', 'ref_type': 'branch'}", "refs/heads/main", "", "", ""},
        {"deployment", "{'deployment': {'ref': 'dev', 'sha': 'dd'}}", "refs/heads/dev", "dd", "", ""},
        {"deployment_status", "{'deployment': {'ref': 'dd', 'sha': 'dd'}}", "", "dd", "", ""},
        {"merge_group",
         "{'merge_group': {'head_ref': 'refs/heads/gh-readonly-queue/main/pr-1', 'head_sha': 'gg'}}",
         "refs/heads/gh-readonly-queue/main/pr-1", "gg", "", ""},
        {"registry_package",
         "{'registry_package': {'package_version': {'target_oid': 'pp', 'release': {'tag_name': 'v1'}}}}",
         "refs/tags/v1", "pp", "", ""},
        {"workflow_dispatch", "{'ref': 'refs/tags/v1'}", "refs/tags/v1", "", "", ""},
        {"workflow_dispatch", "{'ref': 'dev'}", "refs/heads/dev", "", "", ""},
        {"schedule", "{'schedule': '* * * * *', 'repository': {'default_branch': 'trunk'}}",
         "refs/heads/trunk", "", "", ""},
        {"workflow_run", "{'workflow_run': {'head_branch': 'dev', 'head_sha': 'ww'}}", "refs/heads/main", "",
         "", ""},
        {"issues", "{'issue': {}, 'ref': 'refs/heads/dev'}", "refs/heads/main", "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        _buf_ struct buf text = BUF_INIT;
        _arena_ struct arena a = {0};
        struct event_origin o;
        for (const char *p = places[i].payload; *p; p++)
            buf_addc(&text, *p == '\'' ? '"' : *p);
        _json_ json_t *payload = json_loads(buf_str(&text), 0, NULL);
        assert_non_null(payload);
        assert_int_equal(event_origin(places[i].event, payload, "main", &a, &o), 0);
        assert_string_equal(o.ref, places[i].ref);
        assert_string_equal(o.sha, places[i].sha);
        assert_string_equal(o.head_ref, places[i].head_ref);
        assert_string_equal(o.base_ref, places[i].base_ref);
    }
}

static void forks(void **state)
{
    static const struct {
        const char *event, *payload;
        bool fork;
    } rows[] = {
        {"pull_request",
         "{'pull_request': {'head': {'repo': {'full_name': 'm/r'}}, 'base': {'repo': {'full_name': 'o/r'}}}}",
         true},
        {"pull_request_review_comment",
         "{'pull_request': {'head': {'repo': {'full_name': 'm/r'}}}, 'repository': {'full_name': 'o/r'}}",
         true},
        {"pull_request", "{'pull_request': {'head': {'repo': null}}}", true},
        {"pull_request",
         "{'pull_request': {'head': {'repo': {'full_name': 'O/r'}}}, 'repository': {'full_name': 'o/r'}}",
         false},
        {"pull_request_target", "{'pull_request': {'head': {'repo': {'full_name': 'm/r'}}}}", false},
        {"push", "{'pull_request': {'head': {'repo': {'full_name': 'm/r'}}}}", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _buf_ struct buf text = BUF_INIT;
        for (const char *p = rows[i].payload; *p; p++)
            buf_addc(&text, *p == '\'' ? '"' : *p);
        _json_ json_t *payload = json_loads(buf_str(&text), 0, NULL);
        assert_non_null(payload);
        assert_int_equal(event_is_of_fork(rows[i].event, payload), rows[i].fork);
    }
}

static void others(void **state)
{
    static const struct row rows[] = {
        {"check_suite",
         "check_suite",
         "",
         "{'action': 'requested'}",
         {0},
         false,
         "check_suite: type requested is not among the types that start workflows: completed"},
        {"check_run",
         "check_run",
         "",
         "{'action': 'created', 'check_run': {'check_suite': {'app': {'slug': "
         "'github-actions'}}}}",
         {0},
         false,
         "check_run: the check suite was created by GitHub Actions"},
        {"release",
         "release",
         "",
         "{'action': 'created', 'release': {'draft': true}}",
         {0},
         false,
         "release: the release is a draft, and type created of a draft starts nothing"},
        {"release",
         "release",
         "",
         "{'action': 'published', 'release': {'draft': true}}",
         {0},
         true,
         "release: type published"},
        {"deployment_status",
         "deployment_status",
         "",
         "{'deployment_status': {'state': 'inactive'}}",
         {0},
         false,
         "deployment_status: state inactive starts nothing"},
        {"{image_version: {names: [My*], versions: [1.*, 2.*]}}",
         "image_version",
         "",
         "{'action': 'ready', 'image_version': {'name': 'MyNew', 'version': '2.0'}}",
         {0},
         true,
         "image_version: type ready, and MyNew is among names, and 2.0 is among versions"},
        {"{image_version: {names: [My*], versions: [1.*, 2.*]}}",
         "image_version",
         "",
         "{'image_version': {'name': 'MyNew', 'version': '3.0'}}",
         {0},
         false,
         "image_version: MyNew is among names, and 3.0 is not among versions"},
        {"{workflow_run: {workflows: [ci.yml]}}",
         "workflow_run",
         "",
         "{'workflow_run': {'name': '.github/workflows/ci.yml', 'path': '.github/workflows/ci.yml'}}",
         {0},
         true,
         "workflow_run: workflow .github/workflows/ci.yml is among workflows: ci.yml"},
        {"push",
         "push",
         "refs/heads/main",
         "{'ref': 'refs/heads/gone', 'deleted': true}",
         {0},
         true,
         "push: branch gone"},
        {"{issues: {types: [opened, edited]}}",
         "issues",
         "",
         "{'action': 'edited'}",
         {0},
         true,
         "issues: type edited is among types: opened, edited"},
        {"{issues: {types: [opened]}}",
         "issues",
         "",
         "{'action': 'closed'}",
         {0},
         false,
         "issues: type closed is not among types: opened"},
        {"issues", "issues", "", "{'action': 'closed'}", {0}, true, "issues: type closed"},
        {"{repository_dispatch: {types: [go]}}",
         "repository_dispatch",
         "",
         "{'action': 'stop'}",
         {0},
         false,
         "repository_dispatch: type stop is not among types: go"},
        {"workflow_dispatch",
         "workflow_dispatch",
         "",
         NULL,
         {0},
         true,
         "workflow_dispatch: the workflow runs on it"},
        {"{schedule: [{cron: '0 1 * * *'}]}",
         "schedule",
         "",
         "{'schedule': '0 1 * * *'}",
         {0},
         true,
         "schedule: '0 1 * * *' is among its crons"},
        {"{schedule: [{cron: '0 1 * * *'}]}",
         "schedule",
         "",
         "{'schedule': '5 1 * * *'}",
         {0},
         false,
         "schedule: '5 1 * * *' is not among its crons"},
        {"{workflow_run: {workflows: [Build], types: [completed], branches: [main]}}",
         "workflow_run",
         "",
         "{'action': 'completed', 'workflow_run': {'name': 'Build', 'head_branch': 'main'}}",
         {0},
         true,
         "workflow_run: workflow Build is among workflows: Build, and type completed is among types: "
         "completed, and "
         "branch main matches branches: main"},
        {"{workflow_run: {workflows: [Build]}}",
         "workflow_run",
         "",
         "{'workflow_run': {'name': 'Lint'}}",
         {0},
         false,
         "workflow_run: workflow Lint is not among workflows: Build"},
    };

    (void)state;
    check_all(rows, ARRAY_LEN(rows));
}

static void changed_paths(void **state)
{
    _json_ json_t *payload = json_pack("{s:[{s:[s], s:[s, i], s:[]}, {s:[s]}]}", "commits", "added", "a",
                                       "modified", "b", 1, "removed", "removed", "c");
    _json_ json_t *none = json_object();
    _arena_ struct arena a = {0};

    (void)state;
    const char *const *paths = event_changed_paths(payload, &a);
    assert_non_null(paths);
    assert_string_equal(paths[0], "a");
    assert_string_equal(paths[1], "b");
    assert_string_equal(paths[2], "c");
    assert_null(paths[3]);
    assert_null(event_changed_paths(none, &a));
    assert_null(event_changed_paths(NULL, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push),   cmocka_unit_test(paths),         cmocka_unit_test(pull_request),
        cmocka_unit_test(others), cmocka_unit_test(changed_paths), cmocka_unit_test(skip_words),
        cmocka_unit_test(names),  cmocka_unit_test(origins),       cmocka_unit_test(forks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
