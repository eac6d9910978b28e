/*
 * The automaton that finds terms. A state is a prefix of terms; its children are neighbours in memory, so
 * that a state needs one byte to find its only child, or a bitmap where it has several. Since terms are found
 * as whole words, a way out of a dead end leads only to prefixes that begin where a word may: most lead to
 * the root, where everything up to the next beginning of a word is passed over.
 */
#include "runfs/automaton.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "runfs/buf.h"

enum { NO_CHILD = UINT32_MAX, SEVERAL = 256 };

struct state {
    uint32_t child; /* the first */
    uint32_t edge;  /* the byte of the only child; SEVERAL + index of a branch; NO_CHILD */
    uint32_t fail;  /* the longest other prefix that what was read ends with; 0: the root */
    uint32_t out;   /* the first of what ends here; 0: nothing */
};

/* The bytes of several children, and how many there are before each word of bits. */
struct branch {
    uint64_t bits[4];
    uint8_t before[4];
};

struct out {
    uint32_t value, next;
};

struct automaton {
    struct state *states;    /* owned */
    struct branch *branches; /* owned */
    struct out *outs;        /* owned; 0 is nothing */
    size_t n_states, n_branches, n_outs;
    uint32_t first[256]; /* the root's children, by the byte as it stands in a text; 0: none */
    uint8_t fold[256];
    bool word[256];
};

/* --------------------------------------------------------------------------------------------- the texts */

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(unsigned char c)
{
    return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool is_ascii(const char *text, size_t len)
{
    uint64_t all = 0, word;

    for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        all |= word;
    }
    for (; len; len--)
        all |= (unsigned char)*text++;
    return !(all & 0x8080808080808080u);
}

/* Appends one character beyond ASCII: a letter in its folded case, what separates words as one byte. */
static void add_folded(struct buf *b, gunichar c)
{
    char bytes[6];

    if (g_unichar_isspace(c))
        buf_addc(b, ' ');
    else if (g_unichar_isalnum(c) || g_unichar_ismark(c))
        buf_add(b, bytes, (size_t)g_unichar_to_utf8(g_unichar_tolower(g_unichar_toupper(c)), bytes));
    else
        buf_addc(b, '\x1f');
}

/* ASCII stays as it is: its case is seen through by a table. What is no UTF-8 separates words. */
static void fold_text(const char *text, size_t len, struct buf *ret)
{
    for (const char *end = text + len; text < end;) {
        size_t ascii = 0;
        while (ascii < (size_t)(end - text) && !(text[ascii] & 0x80))
            ascii++;
        buf_add(ret, text, ascii);
        text += ascii;
        if (text == end)
            break;
        gunichar c = g_utf8_get_char_validated(text, end - text);
        bool valid = c != (gunichar)-1 && c != (gunichar)-2;
        add_folded(ret, valid ? c : 0xfffd);
        text += valid ? g_utf8_skip[(unsigned char)*text] : 1;
    }
}

static unsigned char fold_byte(unsigned char c)
{
    return is_blank(c) ? ' ' : c >= 'A' && c <= 'Z' ? (unsigned char)(c + 'a' - 'A') : c;
}

/* Folded, without blanks around it, with one blank where there were more; owned by the caller. */
static char *normal_term(const char *text)
{
    _buf_ struct buf folded = BUF_INIT;
    size_t to = 0;

    fold_text(text, strlen(text), &folded);
    for (size_t from = 0; from < folded.len; from++) {
        unsigned char c = fold_byte((unsigned char)folded.ptr[from]);
        if (c != ' ' || (to > 0 && folded.ptr[to - 1] != ' '))
            folded.ptr[to++] = (char)c;
    }
    if (to > 0 && folded.ptr[to - 1] == ' ')
        to--;
    return buf_ok(&folded) ? strndup(buf_str(&folded), to) : NULL;
}

/* ---------------------------------------------------------------------------------------------- building */

struct term {
    char *text; /* owned */
    size_t len;
    uint32_t value;
};

/* A state while it is made: the terms that begin with it, and the byte that leads to it. */
struct range {
    uint32_t from, to, depth;
    unsigned char byte;
};

struct builder {
    struct term *terms; /* owned, sorted */
    size_t n;
    struct range *ranges; /* owned, one a state */
    size_t cap_states, cap_branches;
};

static void builder_release(struct builder *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->terms[i].text);
    free(b->terms);
    free(b->ranges);
}

static int by_text(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : x->value < y->value ? -1 : x->value > y->value;
}

static int take_terms(struct builder *b, const struct automaton_term *terms, size_t n)
{
    b->terms = calloc(n ? n : 1, sizeof(*b->terms));
    if (!b->terms)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        char *text = strlen(terms[i].text) <= AUTOMATON_TERM_MAX ? normal_term(terms[i].text) : strdup("");
        if (!text)
            return -ENOMEM;
        if (*text)
            b->terms[b->n++] = (struct term){text, strlen(text), terms[i].value};
        else
            free(text);
    }
    qsort(b->terms, b->n, sizeof(*b->terms), by_text);
    return 0;
}

static int grow(void **array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 64;
    void *new = reallocarray(*array, more, size);
    if (!new)
        return -ENOMEM;
    *array = new;
    *cap = more;
    return 0;
}

static int add_state(struct automaton *a, struct builder *b, struct range range)
{
    size_t cap = b->cap_states;

    if (grow((void **)&a->states, &cap, a->n_states + 1, sizeof(*a->states)) < 0 ||
        grow((void **)&b->ranges, &b->cap_states, a->n_states + 1, sizeof(*b->ranges)) < 0)
        return -ENOMEM;
    b->ranges[a->n_states] = range;
    a->states[a->n_states++] = (struct state){.edge = NO_CHILD};
    return 0;
}

/* The children of a state, one for each byte that its terms go on with. */
static int add_siblings(struct automaton *a, struct builder *b, uint32_t s)
{
    struct range r = b->ranges[s];
    uint32_t first = (uint32_t)a->n_states;
    uint64_t bits[4] = {0};

    while (r.from < r.to && b->terms[r.from].len == r.depth)
        r.from++;
    for (uint32_t i = r.from, next; i < r.to; i = next) {
        unsigned char byte = (unsigned char)b->terms[i].text[r.depth];
        for (next = i + 1; next < r.to && (unsigned char)b->terms[next].text[r.depth] == byte;)
            next++;
        if (add_state(a, b, (struct range){i, next, r.depth + 1, byte}) < 0)
            return -ENOMEM;
        bits[byte / 64] |= 1ULL << byte % 64;
    }
    size_t n = a->n_states - first;
    if (n == 0)
        return 0;
    a->states[s].child = first;
    a->states[s].edge = b->ranges[first].byte;
    if (n == 1)
        return 0;
    if (grow((void **)&a->branches, &b->cap_branches, a->n_branches + 1, sizeof(*a->branches)) < 0)
        return -ENOMEM;
    struct branch *branch = &a->branches[a->n_branches];
    a->states[s].edge = SEVERAL + (uint32_t)a->n_branches++;
    for (unsigned i = 0, before = 0; i < 4; before += (unsigned)__builtin_popcountll(bits[i]), i++) {
        branch->bits[i] = bits[i];
        branch->before[i] = (uint8_t)before;
    }
    return 0;
}

static uint32_t count_children(const struct automaton *a, uint32_t s)
{
    if (a->states[s].edge == NO_CHILD)
        return 0;
    if (a->states[s].edge < SEVERAL)
        return 1;
    const struct branch *b = &a->branches[a->states[s].edge - SEVERAL];
    return b->before[3] + (uint32_t)__builtin_popcountll(b->bits[3]);
}

/*
 * All states below one. Each group of siblings stands right behind the group that it goes on from, so that
 * the end of a term, which nothing else begins with, is read from one or two lines of the processor's cache.
 */
static int add_below(struct automaton *a, struct builder *b, uint32_t s)
{
    int r = add_siblings(a, b, s);

    for (uint32_t i = 0, n = r == 0 ? count_children(a, s) : 0; r == 0 && i < n; i++)
        r = add_below(a, b, a->states[s].child + i);
    return r;
}

/* The child by that byte; 0: there is none. */
__attribute__((always_inline)) static inline uint32_t child_of(const struct automaton *a, uint32_t s,
                                                               unsigned char byte)
{
    const struct state *state = &a->states[s];

    if (state->edge < SEVERAL)
        return state->edge == byte ? state->child : 0;
    if (state->edge == NO_CHILD)
        return 0;
    const struct branch *b = &a->branches[state->edge - SEVERAL];
    uint64_t bits = b->bits[byte / 64], bit = 1ULL << byte % 64;
    return bits & bit ? state->child + b->before[byte / 64] + (uint32_t)__builtin_popcountll(bits & (bit - 1))
                      : 0;
}

/* The state in which `byte` is read after the dead end s; it begins a word anew unless `inside` of one. */
__attribute__((always_inline)) static inline uint32_t fall(const struct automaton *a, uint32_t s,
                                                           unsigned char byte, bool inside)
{
    while (s) {
        s = a->states[s].fail;
        uint32_t next = s ? child_of(a, s, byte) : 0;
        if (next)
            return next;
    }
    return inside ? 0 : a->first[byte];
}

static void link_children(struct automaton *a, const struct builder *b, uint32_t s)
{
    for (uint32_t i = 0, n = count_children(a, s); i < n; i++) {
        uint32_t c = a->states[s].child + i;
        bool inside = is_word(b->ranges[s].byte) && is_word(b->ranges[c].byte);
        a->states[c].fail = fall(a, s, b->ranges[c].byte, inside);
    }
}

/* All states, by their depth: those that a dead end leads to are whole before it. Owned by the caller. */
static uint32_t *by_depth(const struct automaton *a, const struct builder *b)
{
    uint32_t *order = calloc(a->n_states, sizeof(*order)), deepest = 0;

    for (size_t s = 0; s < a->n_states; s++)
        deepest = b->ranges[s].depth > deepest ? b->ranges[s].depth : deepest;
    _free_ uint32_t *at = calloc(deepest + 2, sizeof(*at));
    if (!order || !at) {
        free(order);
        return NULL;
    }
    for (size_t s = 0; s < a->n_states; s++)
        at[b->ranges[s].depth + 1]++;
    for (uint32_t d = 0; d < deepest; d++)
        at[d + 1] += at[d];
    for (size_t s = 0; s < a->n_states; s++)
        order[at[b->ranges[s].depth]++] = (uint32_t)s;
    return order;
}

static int add_outs(struct automaton *a, const struct builder *b, const uint32_t *order)
{
    a->outs = calloc(b->n + 1, sizeof(*a->outs));
    a->n_outs = 1;
    if (!a->outs)
        return -ENOMEM;
    for (size_t n = 1; n < a->n_states; n++) {
        uint32_t s = order[n];
        const struct range *r = &b->ranges[s];
        a->states[s].out = a->states[a->states[s].fail].out;
        for (uint32_t i = r->from; i < r->to && b->terms[i].len == r->depth; i++) {
            if (i > r->from && b->terms[i].value == b->terms[i - 1].value)
                continue; /* the same term for the same thing twice */
            a->outs[a->n_outs] = (struct out){b->terms[i].value, a->states[s].out};
            a->states[s].out = (uint32_t)a->n_outs++;
        }
    }
    return 0;
}

static void make_tables(struct automaton *a)
{
    for (unsigned c = 0; c < 256; c++) {
        a->word[c] = is_word((unsigned char)c);
        a->fold[c] = fold_byte((unsigned char)c);
        a->first[c] = child_of(a, 0, a->fold[c]);
    }
}

static int build(struct automaton *a, struct builder *b)
{
    int r = add_state(a, b, (struct range){.to = (uint32_t)b->n});

    if (r == 0)
        r = add_below(a, b, 0);
    _free_ uint32_t *order = r == 0 ? by_depth(a, b) : NULL;
    if (!order)
        return r < 0 ? r : -ENOMEM;
    make_tables(a);
    for (size_t n = 1; n < a->n_states; n++)
        link_children(a, b, order[n]);
    return add_outs(a, b, order);
}

int automaton_new(const struct automaton_term *terms, size_t n, struct automaton **ret)
{
    _cleanup_(builder_release) struct builder b = {0};
    _automaton_ struct automaton *a = calloc(1, sizeof(*a));

    if (n > AUTOMATON_TERMS_MAX)
        return -E2BIG;
    int r = a ? take_terms(&b, terms, n) : -ENOMEM;
    if (r == 0)
        r = build(a, &b);
    if (r < 0)
        return r;
    struct state *fitting = realloc(a->states, a->n_states * sizeof(*a->states));
    if (fitting)
        a->states = fitting;
    *ret = TAKE(a);
    return 0;
}

void automaton_free(struct automaton *a)
{
    if (!a)
        return;
    free(a->states);
    free(a->branches);
    free(a->outs);
    free(a);
}

size_t automaton_states(const struct automaton *a)
{
    return a->n_states;
}

/* ---------------------------------------------------------------------------------------------- matching */

static void report(const struct automaton *a, uint32_t out, automaton_fn *fn, void *data)
{
    for (; out; out = a->outs[out].next)
        fn(data, a->outs[out].value);
}

__attribute__((always_inline)) static inline void
match_folded(const struct automaton *a, const unsigned char *text, size_t len, automaton_fn *fn, void *data)
{
    uint32_t s = 0;
    bool inside = false, blank = false; /* what the byte before was */

    for (size_t i = 0; i < len;) {
        if (!s) {
            for (; i < len && !(a->first[text[i]] && !(inside && a->word[text[i]])); i++)
                inside = a->word[text[i]];
            if (i == len)
                break;
            s = a->first[text[i]];
            blank = false;
        } else {
            unsigned char byte = a->fold[text[i]];
            if (byte == ' ' && blank) {
                i++;
                continue;
            }
            uint32_t next = child_of(a, s, byte);
            s = next ? next : fall(a, s, byte, inside && a->word[byte]);
            blank = byte == ' ';
        }
        inside = a->word[text[i++]];
        if (a->states[s].out && !(inside && i < len && a->word[text[i]]))
            report(a, a->states[s].out, fn, data);
    }
}

static void match_anywhere(const struct automaton *a, const unsigned char *text, size_t len, automaton_fn *fn,
                           void *data)
{
    match_folded(a, text, len, fn, data);
}

/* Counting bits is one instruction on every processor of the last fifteen years, and a call where a compiler
 * may not count on it. */
#ifdef __x86_64__
__attribute__((target("popcnt"))) static void
match_counting(const struct automaton *a, const unsigned char *text, size_t len, automaton_fn *fn, void *data)
{
    match_folded(a, text, len, fn, data);
}

static bool counts_bits(void)
{
    return __builtin_cpu_supports("popcnt");
}
#else
#define match_counting match_anywhere
static bool counts_bits(void)
{
    return false;
}
#endif

int automaton_match(const struct automaton *a, const char *text, size_t len, automaton_fn *fn, void *data)
{
    _buf_ struct buf folded = BUF_INIT;

    if (!is_ascii(text, len)) {
        fold_text(text, len, &folded);
        if (!buf_ok(&folded))
            return -ENOMEM;
        text = buf_str(&folded);
        len = folded.len;
    }
    (counts_bits() ? match_counting : match_anywhere)(a, (const unsigned char *)text, len, fn, data);
    return 0;
}
