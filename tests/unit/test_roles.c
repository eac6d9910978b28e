/* Role files: what is taken, and how what is wrong is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/io.h"
#include "runfs/roles.h"
#include "runfs/str.h"

static void read_whole_configuration(void **state)
{
    _buf_ struct buf text = BUF_INIT;
    _role_file_ struct role_file file = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(read_file("examples/roles/devops_cicd_config.json", 65536, &text, &err), 0);
    if (role_file_read("f", buf_str(&text), text.len, &file, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(file.n, 2);
    assert_string_equal(file.selected, "DevOps Engineer");
    assert_string_equal(file.roles[0].name, "DevOps Engineer");
    assert_string_equal(file.roles[0].haystacks[0].location, ".github/workflows");
    assert_string_equal(file.roles[0].haystacks[0].patterns[1], "*.yaml");
    assert_int_equal(file.roles[1].relevance, RELEVANCE_GRAPH);
    assert_string_equal(file.roles[1].kg, "examples/roles/concepts");
}

static void read_one_role(void **state)
{
    static const char text[] =
        "{\"name\": \"A\", \"relevance_function\": \"terraphim-graph\", \"kg\": {\"automata_path\": null,"
        " \"knowledge_graph_local\": {\"input_type\": \"markdown\", \"path\": \"kg\"}}, \"haystacks\":"
        " [{\"location\": \"/x\"}], \"llm_system_prompt\": \"Be brief.\"}";
    _role_file_ struct role_file file = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(role_file_read("f", text, strlen(text), &file, &err), 0);
    assert_int_equal(file.n, 1);
    assert_null(file.selected);
    assert_string_equal(file.roles[0].shortname, "A");
    assert_string_equal(file.roles[0].kg, "kg");
    assert_string_equal(file.roles[0].system_prompt, "Be brief.");
    assert_int_equal(file.roles[0].haystacks[0].n_patterns, 0);
}

static void say_what_is_wrong(void **state)
{
#define ROLE(fields) "{\"name\": \"A\", \"relevance_function\": \"bm25\", " fields "}"
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "f (Line: 1, Col: "},
        {"{\"name\": 1, \"name\": 2}", "duplicate"},
        {"[]", "f: this is to be an object: a role"},
        {"{}", "f: name: this is missing"},
        {"{\"name\": 5}", "f: name: this is to be a text"},
        {"{\"name\": \"\"}", "f: name: this is empty"},
        {"{\"name\": \"selected\"}", "cannot be called so"},
        {"{\"name\": \"A\"}", "f: relevance_function: this is missing"},
        {"{\"roles\": {}}", "there are to be 1 to 60"},
        {"{\"roles\": {\"x\": {}}}", "f: roles.x.name: this is missing"},
        {"{\"roles\": {\"x\": " ROLE("\"haystacks\": []") ", \"y\": " ROLE("\"haystacks\": []") "}}",
         "two roles have the same name"},
        {"{\"selected_role\": \"B\", \"roles\": {\"x\": " ROLE("\"haystacks\": []") "}}",
         "f: selected_role: none of the roles is called so"},
        {"{\"default_role\": \"B\", \"roles\": {\"x\": " ROLE("\"haystacks\": []") "}}",
         "f: default_role: none of the roles is called so"},
        {ROLE("\"theme\": 1"), "f: theme: this is to be a text"},
        {ROLE("\"haystacks\": {}"), "f: haystacks: this is to be a list"},
        {ROLE("\"haystacks\": [1]"), "f: haystacks[0]: this is to be an object"},
        {ROLE("\"haystacks\": [{\"location\": \"x\"}, {\"location\": \"y\", \"service\": \"Atomic\"}]"),
         "f: haystacks[1].service: only files"},
        {ROLE("\"haystacks\": [{\"location\": \"x\", \"file_patterns\": [\"*****\"]}]"), "four stars"},
        {ROLE("\"kg\": {\"automata_path\": \"x\"}, \"haystacks\": []"), "kg.automata_path: a compiled"},
        {ROLE("\"haystacks\": [], \"extra\": 1"), "f: extra: this is to be an object"},
        {"{\"name\": \"A\", \"relevance_function\": \"terraphim-graph\", \"haystacks\": []}",
         "give kg.knowledge_graph_local.path"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _role_file_ struct role_file file = {0};
        struct err err = {0};
        int r = role_file_read("f", cases[i].text, strlen(cases[i].text), &file, &err);
        if (r != -EINVAL || !strstr(err.msg, cases[i].message))
            fail_msg("%s: %d: %s", cases[i].text, r, err.msg);
    }
}

/* What has a bracket in a string is whole; what ends in a string, a list or an object is not. */
static void know_what_is_cut(void **state)
{
    static const char text[] = "{\"a\": [\"[ \\\" {\", null], \"b\": {\"c\": \"}]\\\\\"}}";

    (void)state;
    assert_false(role_file_is_cut(text, strlen(text)));
    for (size_t len = 1; len < strlen(text); len++)
        assert_true(role_file_is_cut(text, len));
    assert_false(role_file_is_cut("", 0));
    assert_false(role_file_is_cut("a name", 6));
    assert_false(role_file_is_cut("]{", 2));
}

static void read_concepts(void **state)
{
    static const char text[] = "text\n\n# Virtual Machine\n\n```\nsynonyms:: not, these\n```\n"
                               "- synonyms:: VM, [[micro VM]],, VM , \nother:: [[x]]\n";
    static const char *const expected[] = {"a machine", "VM", "micro VM", "Virtual Machine"};
    _concept_page_ struct concept_page page = {0}, none = {0};

    (void)state;
    assert_int_equal(concept_read("a_machine.md", text, strlen(text), &page), 0);
    assert_string_equal(page.name, "Virtual Machine");
    assert_int_equal(page.n_synonyms, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(page.synonyms[i], expected[i]);
    assert_int_equal(concept_read("b.md", "# Only a page\n", 14, &none), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_whole_configuration),
        cmocka_unit_test(read_one_role),
        cmocka_unit_test(say_what_is_wrong),
        cmocka_unit_test(know_what_is_cut),
        cmocka_unit_test(read_concepts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
