/* Terms are found as whole words, whatever their case; and on random texts just where a plain search finds
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/automaton.h"
#include "runfs/buf.h"
#include "runfs/str.h"

enum { VALUES = 64 };

static void count(void *data, uint32_t value)
{
    ((unsigned *)data)[value]++;
}

/* How often each of the terms (value: its index) is found. */
static void find(const char *const terms[], size_t n, const char *text, size_t len, unsigned *ret)
{
    struct automaton_term list[VALUES];
    _automaton_ struct automaton *a = NULL;

    for (size_t i = 0; i < n; i++)
        list[i] = (struct automaton_term){terms[i], (uint32_t)i};
    memset(ret, 0, sizeof(*ret) * VALUES);
    assert_int_equal(automaton_new(list, n, &a), 0);
    assert_int_equal(automaton_match(a, text, len, count, ret), 0);
}

#define CASE(text, ...) check((const char *const[]){__VA_ARGS__, NULL}, (text))
/* Terms and how often: "term", "2", ... */
static void check(const char *const pairs[], const char *text)
{
    const char *terms[VALUES] = {0};
    unsigned found[VALUES];
    size_t n = 0;

    while (pairs[n * 2]) {
        terms[n] = pairs[n * 2];
        n++;
    }
    find(terms, n, text, strlen(text), found);
    for (size_t i = 0; i < n; i++) {
        char words[16];
        snprintf(words, sizeof(words), "%u", found[i]);
        if (!str_eq(words, pairs[i * 2 + 1]))
            fail_msg("'%s' was found %s times in '%s'", terms[i], words, text);
    }
}

static void whole_words(void **state)
{
    (void)state;
    CASE("a runner, runners; the Runner runs (runner)", "runner", "3", "run", "0");
    CASE("self-hosted runners and self-hosted-ones", "self-hosted", "2", "hosted", "2");
    CASE("x.net .NET .netx", ".net", "2");
    CASE("c++ C++17 c+", "c++", "2");
    CASE("CI/CD ci/cd-pipeline aci/cd", "ci/cd", "2");
    CASE("snake_case case", "case", "1", "snake", "0");
    CASE("", "a", "0");
    CASE("a", "a", "1", "", "0", "  ", "0");
}

static void blanks(void **state)
{
    (void)state;
    CASE("a Virtual \n\t Machine, virtual machines, virtual\r\nmachine", "virtual machine", "2", "machine",
         "2");
    CASE("virtual machine", "  virtual   machine ", "1");
    CASE("virtualmachine", "virtual machine", "0");
    CASE("git hub git hub actions", "git hub actions", "1", "git hub", "2", "hub git", "1");
}

static void terms_in_terms(void **state)
{
    (void)state;
    CASE("a b c d", "a b c d", "1", "b c", "1", "c", "1", "d", "1", "c d e", "0");
    CASE("a b a b a b a", "a b a", "3", "b a b", "2");
    CASE("she shells", "he", "0", "she", "1", "shells", "1");
    CASE("one", "one", "1", "ONE", "1");
}

static void beyond_ascii(void **state)
{
    (void)state;
    CASE("Größe GRÖSSE größe", "größe", "2");
    CASE("ΣΊΣΥΦΟΣ σίσυφος", "Σίσυφος", "2");
    CASE("\xe2\x80\x9cpipeline\xe2\x80\x9d \xe2\x80\x94pipeline", "pipeline", "2");
    CASE("virtual\xc2\xa0machine", "virtual machine", "1");
    CASE("pipeline\xff pipeline\xc3", "pipeline", "2");
    CASE("caf\xc3\xa9 cafe", "cafe", "1", "café", "1");
}

static void no_terms(void **state)
{
    _automaton_ struct automaton *a = NULL;
    unsigned found[VALUES] = {0};

    (void)state;
    assert_int_equal(automaton_new(NULL, 0, &a), 0);
    assert_int_equal(automaton_match(a, "text \0 with nul", 15, count, found), 0);
    automaton_free(NULL);
}

/* ------------------------------------------------------------------------------------- as a plain search */

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One term in a text of ASCII with single blanks. */
static unsigned plain(const char *term, const char *text)
{
    size_t len = strlen(term), n = strlen(text);
    unsigned found = 0;

    for (size_t i = 0; len && i + len <= n; i++)
        found += strncasecmp(text + i, term, len) == 0 && !(i && is_word(text[i - 1]) && is_word(text[i])) &&
                 !(i + len < n && is_word(text[i + len - 1]) && is_word(text[i + len]));
    return found;
}

static uint32_t seed = 1;
static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static void random_text(size_t max, char *ret)
{
    static const char letters[] = "aabbAB- +";
    size_t len = rnd((uint32_t)max), to = 0;

    for (size_t i = 0; i < len; i++) {
        char c = letters[rnd(sizeof(letters) - 1)];
        if (c != ' ' || (to && ret[to - 1] != ' '))
            ret[to++] = c;
    }
    while (to && ret[to - 1] == ' ')
        to--;
    ret[to] = '\0';
}

static void as_a_plain_search(void **state)
{
    char texts[VALUES][16], text[300];
    const char *terms[VALUES];
    unsigned found[VALUES], all = 0;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t n = 1 + rnd(VALUES - 1);
        for (size_t i = 0; i < n; i++) {
            random_text(7, texts[i]);
            terms[i] = texts[i];
        }
        random_text(sizeof(text), text);
        find(terms, n, text, strlen(text), found);
        for (size_t i = 0; i < n; i++) {
            if (found[i] != plain(terms[i], text))
                fail_msg("round %d: '%s' was found %u times instead of %u in '%s'", round, terms[i], found[i],
                         plain(terms[i], text), text);
            all += found[i];
        }
    }
    assert_true(all > 10000);
}

/* What would be quadratic for a search that begins again at each word. */
static void long_dead_ends(void **state)
{
    enum { WORDS = 90 };
    _buf_ struct buf term = BUF_INIT, text = BUF_INIT;
    unsigned found[VALUES];

    (void)state;
    for (int i = 0; i < WORDS; i++)
        buf_adds(&term, "a ");
    buf_adds(&term, "b");
    for (int i = 0; i < 500000; i++)
        buf_adds(&text, "a ");
    buf_adds(&text, "b");
    find((const char *const[]){buf_str(&term), "a b"}, 2, text.ptr, text.len, found);
    assert_int_equal(found[0], 1);
    assert_int_equal(found[1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_words),    cmocka_unit_test(blanks),   cmocka_unit_test(terms_in_terms),
        cmocka_unit_test(beyond_ascii),   cmocka_unit_test(no_terms), cmocka_unit_test(as_a_plain_search),
        cmocka_unit_test(long_dead_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
