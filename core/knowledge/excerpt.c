/* The part of a text that says most of what was asked for. */
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
static bool is_word(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The next word of a text from *at on: its length, 0 at the end. */
static size_t next_word(const char *text, size_t len, size_t *at)
{
    size_t end;

    while (*at < len && !is_word((unsigned char)text[*at]))
        ++*at;
    for (end = *at; end < len && is_word((unsigned char)text[end]);)
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
    size_t word, asked; /* the how-manieth of the text; which of those asked for */
};

static size_t find_places(const struct excerpt_words *w, const char *text, size_t len,
                          struct place_in_text *ret)
{
    size_t places = 0, at = 0, n, word = 0;

    for (; places < PLACES_MAX && (n = next_word(text, len, &at)) > 0; at += n, word++)
        for (size_t i = 0; i < w->n; i++)
            if (w->words[i].len == n && strncasecmp(w->words[i].text, text + at, n) == 0) {
                ret[places++] = (struct place_in_text){word, i};
                break;
            }
    return places;
}

/* The first word of the window that has most of them. */
static size_t best_window(const struct place_in_text *places, size_t n)
{
    size_t best = 0, most = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t seen = 0;
        for (size_t k = i; k < n && places[k].word < places[i].word + WINDOW - BEFORE; k++)
            seen |= 1ULL << places[k].asked;
        if ((size_t)__builtin_popcountll(seen) > most) {
            most = (size_t)__builtin_popcountll(seen);
            best = places[i].word;
        }
    }
    return best > BEFORE ? best - BEFORE : 0;
}

void excerpt_add(const struct excerpt_words *w, const char *text, struct buf *ret)
{
    struct place_in_text places[PLACES_MAX];
    size_t len = strlen(text), at = 0, n, from, to, word = 0;

    if (len > LOOKED_AT)
        len = utf8_valid_prefix(text, LOOKED_AT);
    size_t start = best_window(places, find_places(w, text, len, places));
    for (; word < start && (n = next_word(text, len, &at)) > 0; at += n)
        word++;
    if (start)
        (void)next_word(text, len, &at);
    from = to = at;
    for (word = 0; word < WINDOW && (n = next_word(text, len, &at)) > 0; word++)
        to = at += n;
    buf_adds(ret, start ? "..." : "");
    buf_add(ret, text + from, to - from);
    buf_adds(ret, next_word(text, len, &at) ? "..." : "");
}
