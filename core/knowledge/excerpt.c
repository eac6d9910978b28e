/* The part of a text that says most of what was asked for. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "runfs/str.h"
#include "search_internal.h"

enum {
    WINDOW = 32,            /* words that are shown */
    BEFORE = 6,             /* of them before the first that was asked for */
    PLACES_MAX = 256,       /* that are looked at */
    LOOKED_AT = 256 * 1024, /* bytes of a text */
};

/* As the index separates words, but for marks beyond ASCII, which stay in them here. */
static bool is_word(char c)
{
    static const bool of_words[256] = {
        ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, [0x80 ... 0xff] = true};

    return of_words[(unsigned char)c];
}

/* The next word of a text from *at on: its length, 0 at the end. */
static size_t next_word(const char *text, size_t len, size_t *at)
{
    size_t end;

    while (*at < len && !is_word(text[*at]))
        ++*at;
    for (end = *at; end < len && is_word(text[end]);)
        end++;
    return end - *at;
}

void excerpt_words(struct excerpt_words *w, const char *text)
{
    size_t len = strlen(text), at = 0, n;

    for (; w->n < ARRAY_LEN(w->words) && (n = next_word(text, len, &at)) > 0; at += n)
        w->words[w->n++] = (struct excerpt_word){text + at, n};
}

struct place_in_text {
    size_t at, word, asked; /* where; the how-manieth of the text; which of those asked for */
};

/* Most words of a text begin otherwise than all that are asked for, and are not compared. */
static void first_bytes(const struct excerpt_words *w, bool ret[256])
{
    for (size_t i = 0; i < w->n; i++) {
        ret[tolower((unsigned char)w->words[i].text[0])] = true;
        ret[toupper((unsigned char)w->words[i].text[0])] = true;
    }
}

static size_t find_places(const struct excerpt_words *w, const char *text, size_t len,
                          struct place_in_text *ret)
{
    size_t places = 0, at = 0, n, word = 0;
    bool begins[256] = {false};

    first_bytes(w, begins);
    for (; places < PLACES_MAX && (n = next_word(text, len, &at)) > 0; at += n, word++)
        for (size_t i = 0; begins[(unsigned char)text[at]] && i < w->n; i++)
            if (w->words[i].len == n && strncasecmp(w->words[i].text, text + at, n) == 0) {
                ret[places++] = (struct place_in_text){at, word, i};
                break;
            }
    return places;
}

/* The place behind which a window has most of them; NULL: there is none. */
static const struct place_in_text *best_window(const struct place_in_text *places, size_t n)
{
    const struct place_in_text *best = NULL;
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t seen = 0;
        for (size_t k = i; k < n && places[k].word < places[i].word + WINDOW - BEFORE; k++)
            seen |= 1ULL << places[k].asked;
        if ((size_t)__builtin_popcountll(seen) > most) {
            most = (size_t)__builtin_popcountll(seen);
            best = &places[i];
        }
    }
    return best;
}

/* Where the word begins that is so many words before the one that begins there. */
static size_t words_before(const char *text, size_t at, size_t words)
{
    for (; words > 0; words--) {
        while (at > 0 && !is_word(text[at - 1]))
            at--;
        while (at > 0 && is_word(text[at - 1]))
            at--;
    }
    return at;
}

void excerpt_add(const struct excerpt_words *w, const char *text, struct buf *ret)
{
    struct place_in_text places[PLACES_MAX];
    size_t len = strlen(text), at = 0, n, from, to;

    if (len > LOOKED_AT)
        len = utf8_valid_prefix(text, LOOKED_AT);
    const struct place_in_text *best = best_window(places, find_places(w, text, len, places));
    bool cut = best && best->word > BEFORE;
    from = to = at = cut ? words_before(text, best->at, BEFORE) : 0;
    for (size_t word = 0; word < WINDOW && (n = next_word(text, len, &at)) > 0; word++)
        to = at += n;
    buf_adds(ret, cut ? "..." : "");
    buf_add(ret, text + from, to - from);
    buf_adds(ret, next_word(text, len, &at) ? "..." : "");
}
