/*
 * GitHub's filter patterns, as a set of states that advances over the text character by character: time grows
 * with pattern times text, whatever the pattern is.
 */
#include "runfs/plan.h"

#include "runfs/str.h"

enum item_kind { ITEM_CHAR, ITEM_ANY, ITEM_NOT_SLASH, ITEM_CLASS };

/* One place in the pattern: what it accepts, whether it may accept again, and how far one may step over it.
 */
struct item {
    enum item_kind kind;
    bool loop;
    unsigned skip;         /* this many items, this one counted, may be left out; 0: none */
    uint32_t c;            /* ITEM_CHAR */
    const char *from, *to; /* ITEM_CLASS: the text between the brackets */
};

struct glob {
    struct item *items;
    size_t n;
};

/* The character at *p, which moves on; a byte that is no UTF-8 stands for itself, beyond Unicode. */
static uint32_t next_char(const char **p, const char *end)
{
    const unsigned char *s = (const unsigned char *)*p;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (len > (size_t)(end - *p) || (len > 1 && !utf8_valid(*p, len)))
        return *p += 1, 0x110000u + s[0];
    *p += len;
    switch (len) {
    case 1:
        return s[0];
    case 2:
        return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    case 3:
        return (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    default:
        return (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
    }
}

static uint32_t class_char(const char **p, const char *to)
{
    if (**p == '\\' && *p + 1 < to)
        *p += 1;
    return next_char(p, to);
}

static bool class_has(const struct item *item, uint32_t c)
{
    for (const char *p = item->from; p < item->to;) {
        uint32_t low = class_char(&p, item->to), high = low;
        if (p + 1 < item->to && *p == '-') {
            p++;
            high = class_char(&p, item->to);
        }
        if (c >= low && c <= high)
            return true;
    }
    return false;
}

static bool item_accepts(const struct item *item, uint32_t c)
{
    switch (item->kind) {
    case ITEM_CHAR:
        return c == item->c;
    case ITEM_NOT_SLASH:
        return c != '/';
    case ITEM_CLASS:
        return class_has(item, c);
    default:
        return true;
    }
}

static void glob_star(struct glob *g, enum item_kind kind)
{
    g->items[g->n++] = (struct item){.kind = kind, .loop = true, .skip = 1};
}

/* `**` before a slash, where a path's part begins: any number of whole directories, none too. */
static void glob_directories(struct glob *g)
{
    g->items[g->n++] = (struct item){.kind = ITEM_ANY, .skip = 3};
    glob_star(g, ITEM_ANY);
    g->items[g->n++] = (struct item){.kind = ITEM_CHAR, .c = '/'};
}

/* `?` and `+` change what stands before them; at the start of a pattern they are ordinary characters. */
static void glob_repeat(struct glob *g, char op)
{
    struct item *last = g->n ? &g->items[g->n - 1] : NULL;

    if (!last) {
        g->items[g->n++] = (struct item){.kind = ITEM_CHAR, .c = (unsigned char)op};
    } else if (op == '?') {
        last->skip = 1;
    } else {
        last->loop = true;
    }
}

static const char *glob_class(struct glob *g, const char *p)
{
    const char *from = p;

    while (*p && *p != ']')
        p += *p == '\\' && p[1] ? 2 : 1;
    if (!*p || p == from)
        return NULL;
    g->items[g->n++] = (struct item){.kind = ITEM_CLASS, .from = from, .to = p};
    return p + 1;
}

/* Returns false for a pattern that is none: a bracket that is empty or not closed, a backslash at the end. */
static bool glob_compile(const char *pattern, struct glob *g)
{
    const char *start = pattern, *end = pattern + strlen(pattern);

    for (const char *p = pattern; p && p < end;) {
        if (p[0] == '*' && p[1] == '*' && p[2] == '/' && (p == start || p[-1] == '/')) {
            glob_directories(g);
            p += 3;
        } else if (p[0] == '*' && p[1] == '*') {
            glob_star(g, ITEM_ANY);
            p += 2;
        } else if (*p == '*') {
            glob_star(g, ITEM_NOT_SLASH);
            p++;
        } else if (*p == '?' || *p == '+') {
            glob_repeat(g, *p++);
        } else if (*p == '[') {
            p = glob_class(g, p + 1);
            if (!p)
                return false;
        } else {
            if (*p == '\\' && !*++p)
                return false;
            g->items[g->n] = (struct item){.kind = ITEM_CHAR};
            g->items[g->n++].c = next_char(&p, end);
        }
    }
    return true;
}

/* Whoever stands at an item that may be left out stands behind it too. */
static void glob_close(const struct glob *g, unsigned char *at)
{
    for (size_t i = 0; i < g->n; i++)
        if (at[i] && g->items[i].skip)
            at[i + g->items[i].skip] = 1;
}

static bool glob_run(const struct glob *g, const char *text, unsigned char *at, unsigned char *next)
{
    const char *end = text + strlen(text);

    memset(at, 0, g->n + 1);
    at[0] = 1;
    glob_close(g, at);
    for (const char *p = text; p < end;) {
        uint32_t c = next_char(&p, end);
        bool alive = false;
        memset(next, 0, g->n + 1);
        for (size_t i = 0; i < g->n; i++) {
            if (!at[i] || !item_accepts(&g->items[i], c))
                continue;
            /* An item that repeats is stepped over only once it has accepted something. */
            next[i + 1] = 1;
            next[i] |= g->items[i].loop;
            alive = true;
        }
        if (!alive)
            return false;
        glob_close(g, next);
        unsigned char *swap = at;
        at = next;
        next = swap;
    }
    return at[g->n];
}

bool glob_match(const char *pattern, const char *text)
{
    size_t room = 3 * strlen(pattern) + 1;
    _free_ struct item *items = calloc(room, sizeof(*items));
    _free_ unsigned char *states = calloc(room, 2);
    struct glob g = {.items = items};

    if (!items || !states || !glob_compile(pattern, &g))
        return false;
    return glob_run(&g, text, states, states + room);
}

const char *glob_list_find(const char *const *patterns, const char *text)
{
    const char *found = NULL;

    for (; *patterns; patterns++)
        if (glob_match(*patterns + (**patterns == '!'), text))
            found = *patterns;
    return found;
}

bool glob_list_match(const char *const *patterns, const char *text)
{
    const char *found = glob_list_find(patterns, text);

    return found && *found != '!';
}
