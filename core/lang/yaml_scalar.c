/* What a plain scalar is: null, a boolean, a number, or else a string. */
#include "yaml_scalar.h"

#include <errno.h>
#include <math.h>

#include "runfs/str.h"

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (str_eq(text, *list))
            return true;
    return false;
}
#define IS_ONE_OF(text, ...) is_one_of(text, (const char *const[]){__VA_ARGS__, NULL})

int yaml_match_null(struct token *t)
{
    if (!IS_ONE_OF(t->str, "", "null", "Null", "NULL", "~"))
        return 0;
    t->kind = TOKEN_NULL;
    return 1;
}

int yaml_match_boolean(struct token *t)
{
    bool yes = IS_ONE_OF(t->str, "true", "True", "TRUE");

    if (!yes && !IS_ONE_OF(t->str, "false", "False", "FALSE"))
        return 0;
    t->kind = TOKEN_BOOLEAN;
    t->boolean = yes;
    return 1;
}

static int set_number(struct token *t, double number)
{
    t->kind = TOKEN_NUMBER;
    t->number = number;
    return 1;
}

static const char *skip_sign(const char *s)
{
    return s + (*s == '-' || *s == '+');
}

static const char *skip_digits(const char *s)
{
    return s + strspn(s, "0123456789");
}

/* 0x and 0o: the 32 bits that GitHub has for them, which wrap into the sign. */
static int match_bits(struct token *t, const char *digits, int shift)
{
    uint64_t bits = 0;

    if (digits[0] == '\0' || digits[strspn(digits, shift == 4 ? "0123456789abcdefABCDEF" : "01234567")])
        return 0;
    for (const char *s = digits; *s; s++) {
        bits = bits << shift | (uint64_t)(*s <= '9' ? *s - '0' : (*s | 0x20) - 'a' + 10);
        if (bits > UINT32_MAX)
            return -ERANGE;
    }
    return set_number(t, (double)(int32_t)(uint32_t)bits);
}

int yaml_match_integer(struct token *t)
{
    const char *digits = skip_sign(t->str), *end = skip_digits(digits);

    if (end > digits && *end == '\0')
        return set_number(t, strtod(t->str, NULL));
    if (str_starts(t->str, "0x") || str_starts(t->str, "0o"))
        return match_bits(t, t->str + 2, t->str[1] == 'x' ? 4 : 3);
    return 0;
}

int yaml_match_float(struct token *t)
{
    const char *s = skip_sign(t->str);

    if (IS_ONE_OF(s, ".inf", ".Inf", ".INF"))
        return set_number(t, t->str[0] == '-' ? -INFINITY : INFINITY);
    if (IS_ONE_OF(t->str, ".nan", ".NaN", ".NAN"))
        return set_number(t, NAN);

    const char *end = skip_digits(s);
    bool some = end > s;
    if (*end == '.') {
        s = end + 1;
        end = skip_digits(s);
        some = some || end > s;
    }
    if (some && (*end == 'e' || *end == 'E')) {
        s = skip_sign(end + 1);
        end = skip_digits(s);
        some = end > s;
    }
    return some && *end == '\0' ? set_number(t, strtod(t->str, NULL)) : 0;
}
