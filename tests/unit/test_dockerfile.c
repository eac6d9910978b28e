/* Dockerfiles: instructions over several lines, words with variables and quotes, and GitHub's users'
 * mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/buf.h"
#include "runfs/dockerfile.h"
#include "runfs/str.h"

static void compare(const struct dockerfile *d, const char *expected)
{
    _buf_ struct buf got = BUF_INIT;

    for (size_t i = 0; i < d->n; i++) {
        const struct dockerfile_instruction *in = &d->list[i];
        _free_ char *options = json_dumps(in->options, JSON_COMPACT | JSON_SORT_KEYS);
        _free_ char *documents = json_dumps(in->documents, JSON_COMPACT);
        buf_addf(&got, "%u %s|%s", in->line, in->name, in->text);
        buf_addf(&got, "%s%s%s%s\n", json_object_size(in->options) ? "|" : "",
                 json_object_size(in->options) ? options : "", json_array_size(in->documents) ? "|" : "",
                 json_array_size(in->documents) ? documents : "");
    }
    assert_string_equal(buf_str(&got), expected);
}

static void instructions(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"FROM debian:12\nRUN true\n", "1 FROM|debian:12\n2 RUN|true\n"},
        {"\xef\xbb\xbf# a comment\n\nfrom a AS b\r\n  run x  \r\n", "3 FROM|a AS b\n4 RUN|x\n"},
        {"FROM a\nRUN one && \\\n  # why\n\n  two \\  \n  three\n", "1 FROM|a\n2 RUN|one &&   two   three\n"},
        {"# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN x \\\nRUN y `\n z",
         "3 FROM|a\n4 RUN|x \\\n5 RUN|y  z\n"},
        {"ARG V=12\nFROM a:$V\nCOPY --from=b --chown=1:2 x y\n",
         "1 ARG|V=12\n2 FROM|a:$V\n3 COPY|x y|{\"chown\":\"1:2\",\"from\":\"b\"}\n"},
        {"FROM a\nRUN <<EOF\nset -e\necho x\nEOF\nCMD x",
         "1 FROM|a\n2 RUN|<<EOF|[[\"EOF\",\"set -e\\necho x\\n\"]]\n6 CMD|x\n"},
        {"FROM a\nCOPY <<-'A' <<B /to/\n\tone\n\tA\ntwo\nB\n",
         "1 FROM|a\n2 COPY|<<-'A' <<B /to/|[[\"A\",\"one\\n\"],[\"B\",\"two\\n\"]]\n"},
        {"FROM a\nRUN echo $((1<<2)) a<<b\n", "1 FROM|a\n2 RUN|echo $((1<<2)) a<<b\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _dockerfile_ struct dockerfile d = {0};
        struct err err = {0};
        if (dockerfile_parse("Dockerfile", rows[i].text, &d, &err) < 0)
            fail_msg("%s", err.msg);
        compare(&d, rows[i].expected);
    }
}

static void mistakes(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "Dockerfile:1: no FROM says what it begins with"},
        {"RUN x\nFROM a\n", "Dockerfile:1: nothing but ARG may stand before FROM: RUN"},
        {"FROM a\n\nRNU x\n", "Dockerfile:3: there is no such instruction: RNU"},
        {"FROM a\nRUN\n", "Dockerfile:2: nothing follows: RUN"},
        {"FROM a\nRUN <<EOF\nx\n", "Dockerfile:2: a here-document is not ended: EOF"},
        {"FROM a\nR\xff x\n", "Dockerfile:2: there is no such instruction: ?"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _dockerfile_ struct dockerfile d = {0};
        struct err err = {0};
        assert_int_equal(dockerfile_parse("Dockerfile", rows[i].text, &d, &err), -EINVAL);
        assert_string_equal(err.msg, rows[i].words);
        assert_null(d.list);
    }
}

static void words(void **state)
{
    static const struct {
        const char *text, *expected; /* each word in <> ; NULL: it is in error */
    } rows[] = {
        {"a b\tc", "<a><b><c>"},
        {"", ""},
        {"'a b' \"c d\" e\\ f ''", "<a b><c d><e f><>"},
        {"$A ${A}x $NONE- \\$A '$A' \"$A\"", "<va lue><va luex><-><$A><$A><va lue>"},
        {"${NONE:-else} ${E:-else} ${E-else} ${A:+yes} ${E:+yes} ${E+yes} ${NONE+yes}x",
         "<else><else><><yes><><yes><x>"},
        {"${NONE:-${A}} ${NONE:-\"q r\"}", "<va lue><q r>"},
        {"A=$A B='1 2'", "<A=va lue><B=1 2>"},
        {"\"a\\\"b\" $ 5$", "<a\"b><$><5$>"},
        {"'a", NULL},
        {"${A", NULL},
        {"${A?x}", NULL},
        {"${}", NULL},
    };
    const struct dockerfile d = {.escape = '\\'};
    _json_ json_t *variables = json_pack("{s:s, s:s}", "A", "va lue", "E", "");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        _strv_ char **list = dockerfile_words(&d, rows[i].text, variables, &err);
        _buf_ struct buf got = BUF_INIT;
        for (char **word = list; word && *word; word++)
            buf_addf(&got, "<%s>", *word);
        if (rows[i].expected)
            assert_string_equal(buf_str(&got), rows[i].expected);
        else
            assert_true(!list && err.code == -EINVAL);
    }
    struct err err = {0};
    _buf_ struct buf deep = BUF_INIT;
    for (int i = 0; i < 100000; i++)
        buf_adds(&deep, "${N:-");
    for (int i = 0; i < 100000; i++)
        buf_adds(&deep, "}");
    assert_null(dockerfile_word(&d, buf_str(&deep), variables, NULL));
    _free_ char *one = dockerfile_word(&d, "/a b/$A", variables, &err);
    assert_string_equal(one, "/a b/va lue");
}

static void ignored(void **state)
{
    static const struct {
        const char *text, *path;
        bool ignored;
    } rows[] = {
        {"", "a", false},
        {"# a\n\na\n", "a", true},
        {"a", "a/b/c", true},
        {"a", "b/a", false},
        {"/a/", "a", true},
        {" ./a//b \r\n", "a/b/c", true},
        {"*.md", "x.md", true},
        {"*.md", "d/x.md", false},
        {"**/*.md", "x.md", true},
        {"**/*.md", "d/e/x.md", true},
        {"d/**", "d/e/f", true},
        {"d/**/f", "d/f", true},
        {"d/**/f", "d/g/h/f/i", true},
        {"*/temp?", "a/tempx", true},
        {"*/temp?", "a/b/tempx", false},
        {"*", ".hidden", true},
        {"*\n!entry.sh", "entry.sh", false},
        {"*\n!entry.sh", "other.sh", true},
        {"*\n!src\nsrc/*.o", "src/x.c", false},
        {"*\n!src\nsrc/*.o", "src/x.o", true},
        {"[ab]", "a", true},
        {"#a\n \n!\n/\n.", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (dockerfile_ignores(rows[i].text, rows[i].path) != rows[i].ignored)
            fail_msg("%s: %s", rows[i].text, rows[i].path);
}

static void lists(void **state)
{
    (void)state;
    _json_ json_t *list = dockerfile_list("[\"/bin/x\", \"a b\"]");
    assert_int_equal(json_array_size(list), 2);
    assert_null(dockerfile_list("echo [1]"));
    assert_null(dockerfile_list("[ -e x ] && y"));
    assert_null(dockerfile_list("[1]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(instructions), cmocka_unit_test(mistakes),
                                       cmocka_unit_test(words), cmocka_unit_test(ignored),
                                       cmocka_unit_test(lists)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
