/* GitHub's own test data for its workflow parser, where it is beside the project: every case, skipped
 * nowhere. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json_same.h"
#include "runfs/io.h"
#include "runfs/plan.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

enum { MAX_PARTS = 64 };

/* A file is parts between lines of three dashes: options, the workflow, (name, text) of others, the result.
 */
struct parts {
    char *text; /* owned */
    struct {
        const char *s;
        size_t len;
    } of[MAX_PARTS];
    size_t n;
};

struct tally {
    int cases, failed;
};

static void add_part(struct parts *p, const char *s, const char *end)
{
    assert_true(p->n < MAX_PARTS);
    p->of[p->n].s = s;
    p->of[p->n++].len = (size_t)(end - s);
}

static void split(char *text, struct parts *p)
{
    char *start = text;

    p->text = text;
    for (char *at = text; (at = strstr(at, "\n---\n"));) {
        add_part(p, start, at);
        start = at += strlen("\n---\n");
    }
    add_part(p, start, start + strlen(start));
}

static int find(void *data, const char *uses, struct buf *ret, struct err *err)
{
    const struct parts *p = data;

    for (size_t i = 2; i + 2 < p->n; i += 2) {
        if (p->of[i].len != strlen(uses) || strncmp(p->of[i].s, uses, p->of[i].len) != 0)
            continue;
        buf_add(ret, p->of[i + 1].s, p->of[i + 1].len);
        return 0;
    }
    return err_set(err, -ENOENT, "no %s", uses);
}

static size_t option(const struct parts *p, const char *name)
{
    const char *at = memmem(p->of[0].s, p->of[0].len, name, strlen(name));

    return at ? strtoul(at + strlen(name) + 1, NULL, 10) : 0;
}

static bool has_option(const struct parts *p, const char *text)
{
    return memmem(p->of[0].s, p->of[0].len, text, strlen(text)) != NULL;
}

static json_t *result(const struct workflow *w, const struct lint *lint)
{
    if (w)
        return workflow_to_json(w);
    json_t *errors = json_array();
    for (size_t i = 0; i < lint->n; i++)
        json_array_append_new(errors, json_pack("{s:s}", "Message", lint->errors[i].msg));
    return json_pack("{s:o}", "errors", errors);
}

/* What is accepted, is accepted with everything written out, too. */
static bool expands(const struct workflow *w, const struct parts *p, const char *name)
{
    struct workflow_opts opts = {.find = find, .data = (void *)(uintptr_t)p};
    _lint_ struct lint lint = {0};
    _buf_ struct buf text = BUF_INIT;
    struct workflow *again = NULL;

    if (workflow_expand(w, p->of[1].s, p->of[1].len, NULL, &text) < 0)
        return false;
    int r = workflow_parse(name, buf_str(&text), text.len, &opts, &again, &lint);
    if (r < 0)
        print_error("%s, expanded, is refused: %s\n%s\n", name, lint.n ? lint.errors[0].msg : "?",
                    buf_str(&text));
    workflow_free(again);
    return r == 0;
}

static void run_case(const char *file, struct parts *p, struct tally *tally)
{
    struct workflow_opts opts = {.find = find,
                                 .data = p,
                                 .max_file_size = option(p, "max-file-size"),
                                 .max_result_size = option(p, "max-result-size"),
                                 .no_background_steps = !has_option(p, "allowBackgroundSteps: true")};
    _lint_ struct lint lint = {0};
    _buf_ struct buf name = BUF_INIT;
    struct workflow *w = NULL;

    buf_addf(&name, ".github/workflows/%s", file);
    workflow_parse(buf_str(&name), p->of[1].s, p->of[1].len, &opts, &w, &lint);
    _json_ json_t *got = result(w, &lint);
    tally->failed += w && !expands(w, p, buf_str(&name));
    workflow_free(w);
    _json_ json_t *want = json_loadb(p->of[p->n - 1].s, p->of[p->n - 1].len, 0, NULL);
    assert_non_null(want);
    if (!json_object_get(want, "events")) /* only some implementations tell them */
        json_object_del(got, "events");
    tally->cases++;
    if (same(want, got))
        return;
    tally->failed++;
    _free_ char *text = json_dumps(got, JSON_INDENT(1));
    print_error("%s gives\n%s\n", file, text);
}

static void run_file(const char *path, struct tally *tally)
{
    _buf_ struct buf text = BUF_INIT;
    struct parts parts = {0};

    assert_int_equal(read_file(path, 1 << 24, &text, NULL), 0);
    split(buf_steal(&text), &parts);
    run_case(strrchr(path, '/') + 1, &parts, tally);
    free(parts.text);
}

static void test_conformance(void **state)
{
    const char *shared = getenv("RUNFS_SHARED");
    _buf_ struct buf pattern = BUF_INIT;
    struct tally tally = {0};
    glob_t found;

    (void)state;
    buf_addf(&pattern, "%s/conformance/reader/*.yml", shared ? shared : "../shared");
    if (glob(buf_str(&pattern), 0, NULL, &found) != 0) {
        print_message("no test data at %s: skipped\n", buf_str(&pattern));
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        run_file(found.gl_pathv[i], &tally);
    globfree(&found);
    print_message("%d cases: %d failed\n", tally.cases, tally.failed);
    assert_int_equal(tally.failed, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_conformance)};

    return cmocka_run_group_tests_name("conformance of the workflow reader", tests, NULL, NULL);
}
