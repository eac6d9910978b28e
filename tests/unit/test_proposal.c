/* What a model proposes: the workflow says the same, whatever stands in it, or nothing comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proposal_same.h"
#include "runfs/proposal.h"

static const struct proposal_origin origin = {.file = "x.txt", .by = "me"};

/* A text in every place where one can stand. */
static json_t *everywhere(const char *text)
{
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:[s], s:[{s:s, s:s, s:s, s:i}, {s:n, s:s}], s:[s], s:[s]}",
                     "name", text, "environment", "TEXT", text, "true", text, "null", text, "setup_commands",
                     text, "steps", "name", text, "command", text, "working_dir", text, "timeout_seconds",
                     100, "name", "command", text, "cleanup_commands", text, "cache_paths", text);
}

static struct workflow *parse(const struct buf *yaml)
{
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_parse("x.yml", buf_str(yaml), yaml->len, NULL, &w, &lint) < 0)
        fail_msg("%s\n%s", lint.n ? lint.errors[0].msg : "?", buf_str(yaml));
    return w;
}

static void texts_come_back_as_they_were(void **state)
{
    static const char *const texts[] = {
        "make",
        "make\nmake test",
        "make\n",
        "make\n\n\n",
        "\n",
        "\n\n",
        "\n\nmake\n",
        "  make\nmake",
        "\tmake",
        " ",
        "   \n  x\n ",
        "make \n  \n",
        "x\n\t\n\ty\n \n",
        "if a; then\n    b\nfi",
        "---\nx\n...\n",
        "%YAML 1.2\n---",
        "@x",
        "# none\nx #y\n",
        "&a *a !t |\n>\n? : - x",
        "a: b\n- c\n{d: e}\n[f]",
        "one\r\ntwo\r\n",
        "3",
        "0x1f",
        "0o17",
        "1e3",
        "-.inf",
        ".nan",
        "true",
        "no",
        "~",
        "null",
        "",
        "'\"\\",
        "\\u202e \\n \\x",
        "$"
        "{ {x}} $"
        "{x} {{y}} }}",
        "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \xe2\x9a\x99\xef\xb8\x8f",
        "\xc3\xbc\n  \xf0\x9f\x98\x80\n\n",
        "2026-11-27",
        "<<",
        "a,b",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _json_ json_t *proposal = everywhere(*texts[i] ? texts[i] : "x");
        _buf_ struct buf yaml = BUF_INIT;
        struct err err = {0};
        if (!*texts[i]) /* only of a variable */
            json_object_set_new(json_object_get(proposal, "environment"), "EMPTY", json_string(""));
        if (proposal_to_workflow(&origin, proposal, &yaml, &err) < 0)
            fail_msg("%zu: %s", i, err.msg);
        struct workflow *w = parse(&yaml);
        const char *other = same_proposal(w, proposal);
        if (other)
            fail_msg("%zu: %s\n%s", i, other, buf_str(&yaml));
        workflow_free(w);
    }
}

static void what_starts_it_is_what_was_said(void **state)
{
    static const struct {
        const char *trigger, *events; /* but for workflow_dispatch, which is always there */
    } said[] = {
        {"push", "push "},
        {"push, pull_request", "push pull_request "},
        {"pull_request|push|push", "push pull_request "},
        {"workflow_dispatch", ""},
        {"schedule: 0,30 3 * * 1-5", "schedule 0,30 3 * * 1-5 "},
        {" push ,schedule('5 4 1 jan sun')\n\n schedule 0 0 * * * ;pull_request",
         "push pull_request schedule 5 4 1 jan sun|0 0 * * * "},
        {"every push to main", ""},
        {"push: main", ""},
        {"schedules", ""},
        {"push\n  pull_request:\n    types: [x]", ""},
        {";|,\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        _json_ json_t *proposal = everywhere("x");
        _buf_ struct buf yaml = BUF_INIT, events = BUF_INIT;
        struct err err = {0};
        json_object_set_new(proposal, "trigger", json_string(said[i].trigger));
        if (proposal_to_workflow(&origin, proposal, &yaml, &err) < 0)
            fail_msg("%s: %s", said[i].trigger, err.msg);
        struct workflow *w = parse(&yaml);
        for (size_t k = 1; k < w->n_events; k++) {
            buf_addf(&events, "%s ", w->events[k].name);
            for (size_t c = 0; w->events[k].crons && w->events[k].crons[c]; c++)
                buf_addf(&events, "%s%s", c ? "|" : "", w->events[k].crons[c]);
            buf_adds(&events, w->events[k].crons ? " " : "");
        }
        assert_string_equal(w->events[0].name, "workflow_dispatch");
        assert_string_equal(buf_str(&events), said[i].events);
        workflow_free(w);
    }
}

static void scripts_can_be_read(void **state)
{
    _json_ json_t *proposal = everywhere("f() {\n\n  echo \xc3\xbc \xe2\x9a\x99\xef\xb8\x8f\n}");
    _buf_ struct buf yaml = BUF_INIT;
    struct err err = {0};

    (void)state;
    assert_int_equal(proposal_to_workflow(&origin, proposal, &yaml, &err), 0);
    assert_non_null(strstr(buf_str(&yaml), "        run: |-\n          f() {\n\n            echo \xc3\xbc "
                                           "\xe2\x9a\x99\xef\xb8\x8f\n          }\n"));
}

/* ------------------------------------------------------------------------------------------- what nobody
 * sees */

static void refused(const json_t *proposal, const char *words)
{
    _buf_ struct buf yaml = BUF_INIT;
    struct err err = {0};

    if (proposal_to_workflow(&origin, proposal, &yaml, &err) != -EINVAL)
        fail_msg("it was taken, but not because: %s", words);
    if (!strstr(err.msg, words))
        fail_msg("'%s' has no '%s'", err.msg, words);
    assert_int_equal(yaml.len, 0);
}

static void unseen_characters_are_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } hidden[] = {
        {"a\xe2\x80\xae"
         "b",
         "U+202E, line 1, column 2"}, /* right to left */
        {"a\n\xc3\xbc\xe2\x81\xa6", "U+2066, line 2, column 2"},
        {"\xe2\x80\x8f", "U+200F"},
        {"\xd8\x9c", "U+061C"},
        {"a\xe2\x80\x8b", "U+200B"}, /* of zero width */
        {"a\xe2\x80\x8d", "U+200D"},
        {"\xef\xbb\xbfx", "U+FEFF"},
        {"\xe2\x81\xa0", "U+2060"},
        {"x\xc2\xad", "U+00AD"}, /* where a word may be broken */
        {"\x1b[2J", "U+001B"},
        {"a\rb", "U+000D"},
        {"a\r", "U+000D"},
        {"\x7f", "U+007F"},
        {"\xc2\x85", "U+0085"},
        {"\xc2\x9b"
         "2J",
         "U+009B"},
        {"\xe2\x80\xa8", "U+2028"},
        {"\xe2\x80\xa9", "U+2029"},
        {"\xf3\xa0\x81\xa1", "U+E0061"}, /* a tag */
        {"\xf3\xa0\x84\x80", "U+E0100"}, /* a selector */
        {"a\xef\xb8\x8f", "U+FE0F"},
        {"\xe2\x9a\x99\xef\xb8\x8f\xef\xb8\x8f", "U+FE0F"},
        {"\xe2\x9a\x99\xef\xb8\x80", "U+FE00"},
        {"\xe3\x85\xa4", "U+3164"}, /* a filler */
        {"\xe2\xa0\x80", "U+2800"}, /* a blank of Braille */
        {"\xee\x80\x80", "U+E000"}, /* private */
        {"\xef\xbf\xbf", "U+FFFF"},
        {"\xef\xb7\x90", "U+FDD0"},
        {"\xf0\x9f\xbf\xbe", "U+1FFFE"},
    };
    static const char *const places[] = {"name", "environment", "setup_commands", "cleanup_commands",
                                         "cache_paths"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        for (size_t k = 0; k < 8; k++) {
            _json_ json_t *bad = everywhere(hidden[i].text), *good = everywhere("x");
            static const char *const in_step[] = {"name", "command", "working_dir"};
            json_t *to = json_array_get(json_object_get(good, "steps"), 0),
                   *from = json_array_get(json_object_get(bad, "steps"), 0);
            if (k < 5)
                json_object_set(good, places[k], json_object_get(bad, places[k]));
            else
                json_object_set(to, in_step[k - 5], json_object_get(from, in_step[k - 5]));
            refused(good, hidden[i].words);
        }
}

static void what_is_no_proposal_is_refused(void **state)
{
    _json_ json_t *twins = json_pack("{s:s, s:{s:s, s:s}, s:[{s:s}]}", "name", "x", "environment", "PATHS",
                                     "a", "Paths", "b", "steps", "command", "x");
    _json_ json_t *nul = json_pack("{s:s%, s:[{s:s}]}", "name", "a\0b", 3, "steps", "command", "x");
    _json_ json_t *field =
        json_pack("{s:s, s:[{s:s}]}", "na\x1bme\xe2\x80\xae", "x", "steps", "command", "x");
    _json_ json_t *expression = everywhere("a $"
                                           "{{ x");

    static const char *const triggers[][2] = {
        {"schedule: 60 * * * *", "a schedule that is none: '60 * * * *'"},
        {"push; schedule", "a schedule that is none: ''"},
        {"schedule: @daily", "a schedule that is none"},
        {"schedule: 0 0 31 2 *", "a schedule that never comes"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        _json_ json_t *bad = everywhere("x");
        json_object_set_new(bad, "trigger", json_string(triggers[i][0]));
        refused(bad, triggers[i][1]);
    }
    refused(twins, "two names that differ by case only");
    refused(nul, "U+0000");
    refused(field, "an unknown field \"na\\u001Bme\\u202e\"");
    refused(expression, "an expression");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_back_as_they_were),
        cmocka_unit_test(what_starts_it_is_what_was_said),
        cmocka_unit_test(scripts_can_be_read),
        cmocka_unit_test(unseen_characters_are_refused),
        cmocka_unit_test(what_is_no_proposal_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
