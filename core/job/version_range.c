/* Versions and ranges of them. The rules are those of npm's semver (README, "Ranges") and of PEP 440. */
#include "version_range.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "runfs/str.h"

enum { PART_MAX = 1000000000 };

static const char *read_part(const char *at, uint32_t *ret)
{
    uint32_t n = 0;

    if (!isdigit((unsigned char)*at))
        return NULL;
    for (; isdigit((unsigned char)*at); at++)
        n = n < PART_MAX / 10 ? n * 10 + (uint32_t)(*at - '0') : PART_MAX;
    *ret = n;
    return at;
}

static bool is_wildcard(const char *at)
{
    return (*at == 'x' || *at == 'X' || *at == '*') && !isalnum((unsigned char)at[1]);
}

/* What follows the numbers: "-rc.1", or as Go and Python write it, "rc1"; "+build" is passed over. */
static const char *read_suffix(const char *at, struct version *v)
{
    size_t n = 0;
    bool dash = *at == '-';

    if (dash ? isalnum((unsigned char)at[1]) : isalpha((unsigned char)*at))
        for (at += dash; isalnum((unsigned char)*at) || *at == '.' || *at == '-'; at++)
            if (n + 1 < sizeof(v->pre))
                v->pre[n++] = *at;
    v->pre[n] = '\0';
    if (*at == '+')
        for (at++; isalnum((unsigned char)*at) || *at == '.' || *at == '-';)
            at++;
    return at;
}

/* A version whose last parts may be missing or `x`. */
static const char *read_partial(const char *at, struct version *ret)
{
    struct version v = {0};
    bool wild = false;

    at += *at == 'v' || *at == 'V';
    for (int i = 0; i < 3; i++) {
        const char *part = i ? at + 1 : at, *after;
        if (i && *at != '.')
            break;
        if (is_wildcard(part)) {
            wild = true;
            at = part + 1;
            continue;
        }
        after = read_part(part, &v.part[i]);
        if (!after)
            return NULL;
        at = after;
        v.n += !wild;
    }
    while (*at == '.' && isdigit((unsigned char)at[1])) /* Java's fourth part */
        for (at++; isdigit((unsigned char)*at);)
            at++;
    for (int i = v.n; i < 3; i++)
        v.part[i] = 0;
    at = read_suffix(at, &v);
    *ret = v;
    return at;
}

const char *version_find(const char *text, struct version *ret)
{
    const char *at = text + strcspn(text, "0123456789");

    return *at ? read_partial(at, ret) : NULL;
}

/* -------------------------------------------------------------------------------------------- comparisons */

/* Dot-separated identifiers, numbers by value and before words. */
static int compare_pre(const char *a, const char *b)
{
    while (*a && *b) {
        size_t la = strcspn(a, "."), lb = strcspn(b, ".");
        bool na = strspn(a, "0123456789") == la, nb = strspn(b, "0123456789") == lb;
        size_t min = la < lb ? la : lb;
        int order = na != nb ? (na ? -1 : 1) : na && la != lb ? (la < lb ? -1 : 1) : strncmp(a, b, min);
        if (order == 0 && la != lb)
            order = la < lb ? -1 : 1;
        if (order)
            return order;
        a += la + (a[la] == '.');
        b += lb + (b[lb] == '.');
    }
    return (*a != '\0') - (*b != '\0');
}

static int compare_parts(const struct version *a, const struct version *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    return 0;
}

static int compare(const struct version *a, const struct version *b)
{
    int order = compare_parts(a, b, 3);

    if (order || (!*a->pre && !*b->pre))
        return order;
    return !*a->pre ? 1 : !*b->pre ? -1 : compare_pre(a->pre, b->pre);
}

/* At least `low`, and with the same first n parts. */
static bool within(const struct version *v, const struct version *low, int n)
{
    return compare(v, low) >= 0 && compare_parts(v, low, n) == 0;
}

/* How far `^` goes: to the first part that is not 0. */
static int caret_parts(const struct version *v)
{
    for (int i = 0; i < v->n; i++)
        if (v->part[i])
            return i + 1;
    return v->n;
}

enum operator{
    OP_SAME,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_CARET,
    OP_TILDE,
    OP_COMPATIBLE,
    OP_NOT
};

static bool holds(const struct version *v, enum operator op, const struct version *than)
{
    int n = than->n;

    switch (op) {
    case OP_SAME:
        return n == 3 ? compare(v, than) == 0 : compare_parts(v, than, n) == 0;
    case OP_NOT:
        return n == 3 ? compare(v, than) != 0 : compare_parts(v, than, n) != 0;
    case OP_GREATER:
        return n == 3 ? compare(v, than) > 0 : compare_parts(v, than, n) > 0;
    case OP_GREATER_EQUAL:
        return compare(v, than) >= 0;
    case OP_LESS:
        return compare(v, than) < 0;
    case OP_LESS_EQUAL:
        return n == 3 ? compare(v, than) <= 0 : compare_parts(v, than, n) <= 0;
    case OP_CARET:
        return within(v, than, caret_parts(than));
    case OP_TILDE:
        return within(v, than, n < 2 ? n : 2);
    case OP_COMPATIBLE:
        return within(v, than, n > 1 ? n - 1 : n);
    }
    return false;
}

static const char *read_operator(const char *at, enum operator* ret)
{
    static const struct {
        const char *text;
        enum operator op;
    } operators[] = {{">=", OP_GREATER_EQUAL}, {"<=", OP_LESS_EQUAL}, {"==", OP_SAME},   {"!=", OP_NOT},
                     {"~>", OP_TILDE},         {"~=", OP_COMPATIBLE}, {">", OP_GREATER}, {"<", OP_LESS},
                     {"=", OP_SAME},           {"^", OP_CARET},       {"~", OP_TILDE}};

    *ret = OP_SAME;
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (str_starts(at, operators[i].text)) {
            *ret = operators[i].op;
            at += strlen(operators[i].text);
            break;
        }
    return at + strspn(at, " \t");
}

/* "1.2 - 1.4": both ends are in. Returns where it ends, NULL when it is no such thing. */
static const char *read_hyphen(const char *at, struct version *low, struct version *high)
{
    at = read_partial(at, low);
    if (!at || !isblank((unsigned char)*at))
        return NULL;
    at += strspn(at, " \t");
    if (*at != '-' || !isblank((unsigned char)at[1]))
        return NULL;
    at++;
    return read_partial(at + strspn(at, " \t"), high);
}

static bool at_end(const char *at)
{
    return *at == '\0' || str_starts(at, "||");
}

/* A pre-release counts only where one of the same version was named. */
static bool names_pre(const struct version *v, const struct version *than)
{
    return *than->pre && compare_parts(v, than, 3) == 0;
}

/* Comparators that must all hold. Returns where they end, NULL when that is no range. */
static const char *read_all(const struct version *v, const char *at, bool *ret)
{
    bool all = true, pre = !*v->pre;

    for (at += strspn(at, " \t,"); !at_end(at); at += strspn(at, " \t,")) {
        struct version than, high;
        enum operator op;
        const char *after = read_hyphen(at, &than, &high);
        if (after) {
            all &= holds(v, OP_GREATER_EQUAL, &than) && holds(v, OP_LESS_EQUAL, &high);
            pre |= names_pre(v, &than) || names_pre(v, &high);
        } else {
            after = read_partial(read_operator(at, &op), &than);
            if (!after)
                return NULL;
            all &= holds(v, op, &than);
            pre |= names_pre(v, &than);
        }
        if (!at_end(after) && !strchr(" \t,", *after))
            return NULL;
        at = after;
    }
    *ret = all && pre;
    return at;
}

int version_in_range(const struct version *v, const char *range)
{
    bool in = false;

    for (const char *at = range;;) {
        bool all;
        at = read_all(v, at, &all);
        if (!at)
            return -EINVAL;
        in |= all;
        if (!*at)
            return in;
        at += 2;
    }
}
