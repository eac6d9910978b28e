/*
 * Numbers as GitHub reads and prints them: text to number by JavaScript's rules as far as the runner follows
 * them, number to text as .NET's G15 in the invariant culture. The process never calls setlocale(), so strtod
 * and printf speak the C locale.
 */
#include "expr_internal.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice trim(struct slice t)
{
    size_t n;

    while (t.len && (n = space_length(t.s, t.s + t.len)) > 0)
        t = (struct slice){t.s + n, t.len - n};
    while (t.len) {
        size_t at = t.len - 1;
        while (at > 0 && ((unsigned char)t.s[at] & 0xc0) == 0x80)
            at--;
        n = space_length(t.s + at, t.s + t.len);
        if (n == 0 || at + n != t.len)
            break;
        t.len = at;
    }
    return t;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before the exponent. */
static bool is_decimal(struct slice t, bool *ret_plain)
{
    size_t i = 0, digits = 0;

    if (i < t.len && (t.s[i] == '-' || t.s[i] == '+'))
        i++;
    for (; i < t.len && is_digit(t.s[i]); i++)
        digits++;
    *ret_plain = i == t.len && digits > 0 && digits <= 15;
    if (i < t.len && t.s[i] == '.')
        for (i++; i < t.len && is_digit(t.s[i]); i++)
            digits++;
    if (digits == 0)
        return false;
    if (i < t.len && (t.s[i] == 'e' || t.s[i] == 'E')) {
        i++;
        if (i < t.len && (t.s[i] == '-' || t.s[i] == '+'))
            i++;
        if (i == t.len)
            return false;
        while (i < t.len && is_digit(t.s[i]))
            i++;
    }
    return i == t.len;
}

static double parse_plain(struct slice t)
{
    bool negative = t.s[0] == '-';
    int64_t n = 0;

    for (size_t i = negative || t.s[0] == '+'; i < t.len; i++)
        n = n * 10 + (t.s[i] - '0');
    return negative ? -(double)n : (double)n;
}

static double parse_decimal(struct slice t)
{
    char small[64];

    if (t.len < sizeof(small)) {
        memcpy(small, t.s, t.len);
        small[t.len] = '\0';
        return strtod(small, NULL);
    }
    _free_ char *copy = strndup(t.s, t.len);
    return copy ? strtod(copy, NULL) : NAN;
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* 0x and 0o: thirty-two bits, the highest of which is the sign, as the runner reads them. */
static double parse_radix(struct slice digits, unsigned radix)
{
    uint64_t n = 0;

    if (digits.len == 0)
        return NAN;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned d = (unsigned)digit_value(digits.s[i]);
        if (d >= radix || n > UINT32_MAX)
            return NAN;
        n = n * radix + d;
    }
    return n > UINT32_MAX ? NAN : (double)(int32_t)(uint32_t)n;
}

static double parse_word(struct slice t)
{
    bool negative = t.s[0] == '-';

    if (negative || t.s[0] == '+')
        t = (struct slice){t.s + 1, t.len - 1};
    if (!fold_equal(t, SLICE("Infinity")))
        return NAN;
    return negative ? -INFINITY : INFINITY;
}

double number_parse(struct slice text)
{
    struct slice t = trim(text);
    bool plain;

    if (t.len == 0)
        return 0;
    if (is_decimal(t, &plain))
        return plain ? parse_plain(t) : parse_decimal(t);
    if (t.len > 2 && t.s[0] == '0' && t.s[1] == 'x')
        return parse_radix((struct slice){t.s + 2, t.len - 2}, 16);
    if (t.len > 2 && t.s[0] == '0' && t.s[1] == 'o')
        return parse_radix((struct slice){t.s + 2, t.len - 2}, 8);
    return parse_word(t);
}

static size_t format_integer(int64_t n, char *to)
{
    char digits[24];
    size_t count = 0, len = 0;
    uint64_t left = n < 0 ? (uint64_t)-n : (uint64_t)n;

    do {
        digits[count++] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (n < 0)
        to[len++] = '-';
    while (count)
        to[len++] = digits[--count];
    return len;
}

static size_t format_special(double n, char *to)
{
    const char *word = isnan(n) ? "NaN" : n < 0 ? "-Infinity" : "Infinity";
    size_t len = strlen(word);

    memcpy(to, word, len);
    return len;
}

/* C's %G and .NET's G agree on digits, on when an exponent is used, and on how it looks ("1E+15", "1E-05").
 */
size_t number_format(double n, char to[NUMBER_TEXT_MAX])
{
    if (!isfinite(n))
        return format_special(n, to);
    if (fabs(n) < 1e15 && n == (double)(int64_t)n)
        return format_integer((int64_t)n, to);
    return (size_t)snprintf(to, NUMBER_TEXT_MAX, "%.15G", n);
}

void number_to_string(double n, struct buf *ret)
{
    char text[NUMBER_TEXT_MAX];

    buf_add(ret, text, number_format(n, text));
}

void number_to_json(double n, struct buf *ret)
{
    char text[NUMBER_TEXT_MAX];

    if (!isfinite(n)) {
        buf_addc(ret, '"');
        buf_add(ret, text, format_special(n, text));
        buf_addc(ret, '"');
    } else if (n == 0 && signbit(n)) {
        buf_adds(ret, "-0.0");
    } else if (fabs(n) < 1e15 && n == (double)(int64_t)n) {
        buf_add(ret, text, format_integer((int64_t)n, text));
    } else {
        size_t len = 0;
        for (int digits = 15; digits <= 17; digits++) {
            len = (size_t)snprintf(text, sizeof(text), "%.*g", digits, n);
            if (strtod(text, NULL) == n)
                break;
        }
        buf_add(ret, text, len);
    }
}
