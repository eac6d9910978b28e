/* Lines are terms up to an empty one, the rest is a text: no crash, and in ASCII each term is found where a
 * plain search finds it. */
#include <stdint.h>

#include "runfs/automaton.h"
#include "runfs/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TERMS = 32 };

static void count(void *data, uint32_t value)
{
    ((unsigned *)data)[value]++;
}

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

/* Lower case, one blank where there are several; whether all of it is ASCII. */
static bool normal(const char *text, size_t len, struct buf *ret)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c & 0x80)
            return false;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 'a' - 'A');
        if (c >= '\t' && c <= '\r')
            c = ' ';
        if (c != ' ' || !ret->len || ret->ptr[ret->len - 1] != ' ')
            buf_addc(ret, c);
    }
    return true;
}

static unsigned plain(const char *term, size_t len, const struct buf *text)
{
    unsigned found = 0;

    for (; len && *term == ' '; term++)
        len--;
    while (len && term[len - 1] == ' ')
        len--;
    for (size_t i = 0; len && i + len <= text->len; i++)
        found += memcmp(text->ptr + i, term, len) == 0 &&
                 !(i && is_word(text->ptr[i - 1]) && is_word(text->ptr[i])) &&
                 !(i + len < text->len && is_word(text->ptr[i + len - 1]) && is_word(text->ptr[i + len]));
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _buf_ struct buf copy = BUF_INIT, text = BUF_INIT;
    struct automaton_term terms[TERMS];
    unsigned found[TERMS] = {0};
    _automaton_ struct automaton *a = NULL;
    uint32_t n = 0;

    buf_add(&copy, data, size < 4096 ? size : 4096);
    if (!copy.len)
        return 0;
    char *p = copy.ptr, *end = copy.ptr + copy.len;
    while (n < TERMS && p < end && *p != '\n') {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        if (newline)
            *newline = '\0';
        terms[n] = (struct automaton_term){p, n};
        n++;
        p = newline ? newline + 1 : end;
    }
    if (automaton_new(terms, n, &a) < 0 || automaton_match(a, p, (size_t)(end - p), count, found) < 0)
        abort();
    if (!normal(p, (size_t)(end - p), &text))
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        _buf_ struct buf term = BUF_INIT;
        if (strlen(terms[i].text) <= AUTOMATON_TERM_MAX &&
            normal(terms[i].text, strlen(terms[i].text), &term) &&
            found[i] != plain(buf_str(&term), term.len, &text))
            abort();
    }
    return 0;
}
