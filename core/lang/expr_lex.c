/* The tokens of an expression. Which symbols a place allows is the parser's business, but for the dot. */
#include "expr_internal.h"

/* What ends a word: symbols and white space, but for that beyond ASCII. */
static const bool boundary[256] = {
    ['('] = true, [')'] = true,  ['['] = true,  [']'] = true,  [','] = true,  ['.'] = true,
    ['!'] = true, ['<'] = true,  ['>'] = true,  ['='] = true,  ['&'] = true,  ['|'] = true,
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\v'] = true, ['\f'] = true, ['\r'] = true,
};

static bool is_boundary(const struct lexer *lx, size_t at)
{
    unsigned char c = (unsigned char)lx->text.s[at];

    return boundary[c] || (c >= 0x80 && space_length(lx->text.s + at, lx->text.s + lx->text.len) > 0);
}

static size_t skip_space(const struct lexer *lx, size_t at)
{
    while (at < lx->text.len) {
        unsigned char c = (unsigned char)lx->text.s[at];
        size_t n = c > ' ' && c < 0x80 ? 0 : space_length(lx->text.s + at, lx->text.s + lx->text.len);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

/* The end of the word that starts at `at`: its first character is part of it whatever it is. */
static size_t word_end(const struct lexer *lx, size_t at, bool with_dots)
{
    do
        at++;
    while (at < lx->text.len && ((with_dots && lx->text.s[at] == '.') || !is_boundary(lx, at)));
    return at;
}

static struct slice token_text(const struct lexer *lx, const struct token *t)
{
    return (struct slice){lx->text.s + t->start, t->end - t->start};
}

static void literal(struct token *t, struct val v)
{
    t->kind = TOKEN_LITERAL;
    t->literal = v;
}

static void lex_number(struct lexer *lx, struct token *t)
{
    t->end = (uint32_t)word_end(lx, t->start, true);
    double n = number_parse(token_text(lx, t));
    if (isnan(n))
        t->kind = TOKEN_BAD;
    else
        literal(t, (struct val){.kind = VALUE_NUMBER, .number = n});
}

static bool is_name(struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.s[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
            return false;
    }
    return true;
}

static bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

static bool lex_constant(struct slice word, struct token *t)
{
    if (slice_eq(word, SLICE("true")) || slice_eq(word, SLICE("false")))
        literal(t, (struct val){.kind = VALUE_BOOLEAN, .boolean = word.s[0] == 't'});
    else if (slice_eq(word, SLICE("null")))
        literal(t, (struct val){.kind = VALUE_NULL});
    else if (slice_eq(word, SLICE("NaN")))
        literal(t, (struct val){.kind = VALUE_NUMBER, .number = NAN});
    else if (slice_eq(word, SLICE("Infinity")))
        literal(t, (struct val){.kind = VALUE_NUMBER, .number = INFINITY});
    else
        return false;
    return true;
}

static void lex_word(struct lexer *lx, struct token *t)
{
    t->end = (uint32_t)word_end(lx, t->start, false);
    struct slice word = token_text(lx, t);
    if (!is_name(word)) {
        t->kind = TOKEN_BAD;
    } else if (lx->last == TOKEN_DOT) {
        t->kind = TOKEN_PROPERTY;
    } else if (!lex_constant(word, t)) {
        size_t next = skip_space(lx, t->end);
        t->kind = next < lx->text.len && lx->text.s[next] == '(' ? TOKEN_FUNCTION : TOKEN_NAME;
    }
}

/* Two quotes stand for one. The text is borrowed unless it has such a pair. */
static int lex_string(struct lexer *lx, struct token *t)
{
    const char *s = lx->text.s;
    size_t at = t->start + 1, len = lx->text.len, pairs = 0;

    for (; at < len; at++) {
        if (s[at] != '\'')
            continue;
        if (at + 1 >= len || s[at + 1] != '\'')
            break;
        pairs++;
        at++;
    }
    t->end = (uint32_t)(at < len ? at + 1 : len);
    if (at >= len) {
        t->kind = TOKEN_BAD;
        return 0;
    }
    struct slice value = {s + t->start + 1, at - t->start - 1};
    if (pairs) {
        char *to = expr_alloc(lx->expr, value.len - pairs + 1);
        if (!to)
            return -ENOMEM;
        size_t n = 0;
        for (size_t i = 0; i < value.len; i++) {
            to[n++] = value.s[i];
            i += value.s[i] == '\'';
        }
        value = (struct slice){to, n};
    }
    literal(t, (struct val){.kind = VALUE_STRING, .text = value});
    return 0;
}

static void binary(struct token *t, enum node_kind kind, unsigned length)
{
    t->kind = TOKEN_BINARY;
    t->binary = kind;
    t->end = t->start + length;
}

static void lex_operator(struct lexer *lx, struct token *t)
{
    char c = lx->text.s[t->start];
    char next = t->start + 1 < lx->text.len ? lx->text.s[t->start + 1] : '\0';

    if (c == '!' && next == '=') {
        binary(t, NODE_NOT_EQUAL, 2);
    } else if (c == '!') {
        t->kind = TOKEN_NOT;
    } else if (c == '<') {
        binary(t, next == '=' ? NODE_LESS_EQUAL : NODE_LESS, next == '=' ? 2 : 1);
    } else if (c == '>') {
        binary(t, next == '=' ? NODE_GREATER_EQUAL : NODE_GREATER, next == '=' ? 2 : 1);
    } else if (c == next) {
        binary(t, c == '=' ? NODE_EQUAL : c == '&' ? NODE_AND : NODE_OR, 2);
    } else {
        t->kind = TOKEN_BAD;
        t->end = (uint32_t)word_end(lx, t->start, false);
    }
}

/* A dot starts a number where an operand is due: ".5". */
static bool dot_is_number(enum token_kind last)
{
    return last == TOKEN_END || last == TOKEN_COMMA || last == TOKEN_OPEN || last == TOKEN_OPEN_INDEX ||
           last == TOKEN_NOT || last == TOKEN_BINARY;
}

static int lex_token(struct lexer *lx, struct token *t)
{
    char c = lx->text.s[t->start];

    switch (c) {
    case '(':
        t->kind = TOKEN_OPEN;
        return 0;
    case ')':
        t->kind = TOKEN_CLOSE;
        return 0;
    case '[':
        t->kind = TOKEN_OPEN_INDEX;
        return 0;
    case ']':
        t->kind = TOKEN_CLOSE_INDEX;
        return 0;
    case ',':
        t->kind = TOKEN_COMMA;
        return 0;
    case '*':
        t->kind = TOKEN_WILDCARD;
        return 0;
    case '\'':
        return lex_string(lx, t);
    case '!':
    case '<':
    case '>':
    case '=':
    case '&':
    case '|':
        lex_operator(lx, t);
        return 0;
    case '.':
        t->kind = TOKEN_DOT;
        if (dot_is_number(lx->last))
            lex_number(lx, t);
        return 0;
    default:
        if (c == '-' || c == '+' || (c >= '0' && c <= '9'))
            lex_number(lx, t);
        else
            lex_word(lx, t);
        return 0;
    }
}

int lexer_next(struct lexer *lx, struct token *ret)
{
    size_t start = skip_space(lx, lx->at);
    struct token t = {.kind = TOKEN_END, .start = (uint32_t)start, .end = (uint32_t)start};

    if (start < lx->text.len) {
        t.end++;
        int r = lex_token(lx, &t);
        if (r < 0)
            return r;
    }
    lx->at = t.end;
    lx->last = t.kind;
    *ret = t;
    return 0;
}

ssize_t expr_find_end(const char *text, size_t len)
{
    bool quoted = false;

    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] == '\'')
            quoted = !quoted;
        else if (!quoted && text[i] == '}' && text[i + 1] == '}')
            return (ssize_t)i;
    }
    return -1;
}
