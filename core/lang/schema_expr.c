/* Scalars with `${{ }}` in them: found, parsed for the place they stand at, and put together. */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

static const struct {
    unsigned bit;
    const char *name;
} contexts[] = {
    {CTX_GITHUB, "github"},     {CTX_INPUTS, "inputs"}, {CTX_VARS, "vars"},       {CTX_NEEDS, "needs"},
    {CTX_STRATEGY, "strategy"}, {CTX_MATRIX, "matrix"}, {CTX_SECRETS, "secrets"}, {CTX_STEPS, "steps"},
    {CTX_JOB, "job"},           {CTX_RUNNER, "runner"}, {CTX_ENV, "env"},         {CTX_JOBS, "jobs"},
};

static const struct {
    unsigned bit;
    struct expr_function function;
} functions[] = {
    {FN_JOB_STATUS | FN_STEP_STATUS, {"always", 0, 0}},
    {FN_JOB_STATUS | FN_STEP_STATUS, {"cancelled", 0, 0}},
    {FN_JOB_STATUS, {"failure", 0, INT_MAX}},
    {FN_JOB_STATUS, {"success", 0, INT_MAX}},
    {FN_STEP_STATUS, {"failure", 0, 0}},
    {FN_STEP_STATUS, {"success", 0, 0}},
    {FN_HASH_FILES, {"hashFiles", 1, 255}},
};

void exprs_free(struct expr_owner *list)
{
    for (; list; list = list->next)
        expr_free(list->expr);
}

static int own_expr(struct parse *p, struct expr *e)
{
    struct expr_owner *owner = arena_new(p->arena, struct expr_owner);

    if (!owner) {
        expr_free(e);
        return -ENOMEM;
    }
    *owner = (struct expr_owner){e, *p->exprs};
    *p->exprs = owner;
    return 0;
}

static int parse_at(struct parse *p, const char *text, size_t len, unsigned context, struct expr **ret,
                    struct expr_err *err)
{
    const char *names[ARRAY_LEN(contexts) + 1];
    struct expr_function calls[ARRAY_LEN(functions) + 1];
    size_t n = 0, n_calls = 0;

    for (size_t i = 0; i < ARRAY_LEN(contexts); i++)
        if (context & contexts[i].bit)
            names[n++] = contexts[i].name;
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (context & functions[i].bit)
            calls[n_calls++] = functions[i].function;
    names[n] = NULL;
    calls[n_calls] = (struct expr_function){0};
    const struct expr_scope scope = {names, calls, p->run->opts->forge != FORGE_GITHUB};
    return expr_parse(text, len, &scope, ret, err);
}

int parse_expression(struct parse *p, const char *text, size_t len, unsigned context, const struct expr **ret,
                     struct expr_err *err)
{
    struct expr *e;
    int r = parse_at(p, text, len, context, &e, err);

    if (r == 0)
        r = own_expr(p, e);
    if (r == 0)
        *ret = e;
    return r;
}

static struct token *expression_token(struct parse *p, const struct token *at, struct expr *e)
{
    struct token *t = own_expr(p, e) == 0 ? arena_new(p->arena, struct token) : NULL;

    if (!t)
        return NULL;
    const char *text = expr_text(e);
    *t = (struct token){TOKEN_EXPRESSION, at->line, at->col, .expr = e, .str = text, .len = strlen(text)};
    return t;
}

static void trim(const char **s, size_t *len)
{
    while (*len > 0 && isspace((unsigned char)**s))
        ++*s, --*len;
    while (*len > 0 && isspace((unsigned char)(*s)[*len - 1]))
        --*len;
}

/* Whether an expression is the directive `insert`; with parameters it is an error: -EINVAL. */
static int match_insert(struct parse *p, const struct token *at, const char *s, size_t len)
{
    static const char insert[] = "insert";
    size_t n = strlen(insert);
    bool quoted = false, in_word = false;
    int words = 0, parens = 0;

    if (len < n || memcmp(s, insert, n) != 0 || (len > n && !isspace((unsigned char)s[n])))
        return 0;
    for (size_t i = n; i < len; i++) {
        bool space = isspace((unsigned char)s[i]) && !quoted && parens == 0;
        quoted ^= s[i] == '\'';
        parens += quoted ? 0 : (s[i] == '(') - (s[i] == ')');
        words += !space && !in_word;
        in_word = !space;
    }
    if (words == 0)
        return 1;
    parse_error(p, at,
                "Exactly 0 parameter(s) were expected following the directive 'insert'. Actual parameter "
                "count: %d",
                words);
    return -EINVAL;
}

/* `'text'` alone is a way to write what would be an expression: appends its text if it is that. */
static bool add_quoted(const char *s, size_t len, struct buf *ret)
{
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\'')
            quoted = !quoted;
        else if (!quoted)
            return false;
        if (s[i] != '\'' || (quoted && i > 0))
            buf_addc(ret, s[i]);
    }
    return true;
}

/* Literal text inside of format('...'): quotes and braces are doubled. */
static void add_literal(struct buf *format, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("'{}", s[i]))
            buf_addc(format, s[i]);
        buf_addc(format, s[i]);
    }
}

/* What has been read of a scalar. */
struct pieces {
    struct buf format, args; /* of the format() that it becomes */
    int n;                   /* expressions */
    bool bad;                /* one had an error */
    const char *only;        /* the last expression, trimmed */
    size_t only_len;
    struct expr *whole; /* owned: the expression that is the whole scalar */
};

/* 0, or -EINVAL when the scalar stays as it was, or -ENOMEM. */
static int add_expression(struct parse *p, const struct token *raw, unsigned context, struct pieces *to,
                          const char *s, size_t len, bool whole)
{
    _expr_err_ struct expr_err err = {0};
    struct expr *e;

    trim(&s, &len);
    to->only = s;
    to->only_len = len;
    if (len == 0) {
        parse_error(p, raw, "An expression was expected");
        to->bad = true;
        return 0;
    }
    int insert = match_insert(p, raw, s, len);
    if (insert == 1 && !whole) {
        parse_error(p, raw,
                    "The directive 'insert' is not allowed in this context. Directives are not supported for "
                    "expressions that are embedded within a string. Directives are only supported when the "
                    "entire value is an expression.");
        return -EINVAL;
    }
    to->bad = to->bad || insert < 0;
    if (insert != 0)
        return 0;
    int r = parse_at(p, s, len, context, &e, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        parse_error(p, raw, "%s", err.msg);
        to->bad = true;
        return 0;
    }
    to->n++;
    if (whole) {
        to->whole = e;
        return 0;
    }
    expr_free(e);
    buf_addf(&to->format, "{%d}", to->n - 1);
    buf_adds(&to->args, ", ");
    buf_add(&to->args, s, len);
    return 0;
}

/* The offset behind the "}}" that closes what starts behind "${{" at s, or 0. */
static size_t closing(const char *s, size_t len)
{
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\'')
            quoted = !quoted;
        else if (!quoted && s[i] == '}' && i > 0 && s[i - 1] == '}')
            return i + 1;
    }
    return 0;
}

static int read_pieces(struct parse *p, const struct token *raw, unsigned context, struct pieces *to)
{
    const char *s = raw->str, *end = raw->str + raw->len;

    while (s < end) {
        const char *open = memmem(s, (size_t)(end - s), "${{", 3);
        add_literal(&to->format, s, (size_t)((open ? open : end) - s));
        if (!open)
            return 0;
        const char *text = open + 3;
        size_t n = closing(text, (size_t)(end - text));
        if (n == 0) {
            parse_error(p, raw,
                        "The expression is not closed. An unescaped ${{ sequence was found, but the closing "
                        "}} sequence was not found.");
            return -EINVAL;
        }
        s = text + n;
        int r = add_expression(p, raw, context, to, text, n - 2, open == raw->str && s == end);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A scalar that is one expression and nothing else. */
static int whole_scalar(struct parse *p, const struct token *raw, struct pieces *from, struct token **ret)
{
    _buf_ struct buf text = BUF_INIT;
    struct token *t;

    if (from->n == 0) { /* no expression, no error: the directive */
        t = arena_new(p->arena, struct token);
        if (t)
            *t = (struct token){TOKEN_INSERT, raw->line, raw->col, .str = raw->str, .len = raw->len};
    } else if (add_quoted(from->only, from->only_len, &text)) {
        t = token_string(p->arena, raw, buf_str(&text), text.len);
    } else {
        t = expression_token(p, raw, TAKE(from->whole));
    }
    if (!t || text.failed)
        return -ENOMEM;
    *ret = t;
    return 0;
}

static int mixed_scalar(struct parse *p, const struct token *raw, unsigned context, const struct pieces *from,
                        struct token **ret)
{
    _expr_err_ struct expr_err err = {0};
    _buf_ struct buf text = BUF_INIT;
    struct expr *e;

    buf_adds(&text, "format('");
    buf_add(&text, buf_str(&from->format), from->format.len);
    buf_addc(&text, '\'');
    buf_add(&text, buf_str(&from->args), from->args.len);
    buf_addc(&text, ')');
    if (!buf_ok(&text))
        return -ENOMEM;
    int r = parse_at(p, buf_str(&text), text.len, context, &e, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        parse_error(p, raw, "%s", err.msg);
        return -EINVAL;
    }
    struct token *t = expression_token(p, raw, e);
    if (!t)
        return -ENOMEM;
    *ret = t;
    return 0;
}

static bool holds_expression(const struct token *raw)
{
    if (raw->kind != TOKEN_STRING)
        return false;
    for (const char *s = raw->str; (s = strchr(s, '$')); s++)
        if (s[1] == '{' && s[2] == '{')
            return true;
    return false;
}

int schema_parse_scalar(struct parse *p, const struct token *raw, unsigned context, struct token **ret)
{
    struct pieces pieces = {0};
    struct token *t = NULL;

    if (holds_expression(raw)) {
        bool whole = str_starts(raw->str, "${{") && closing(raw->str + 3, raw->len - 3) + 3 == raw->len;
        int r = read_pieces(p, raw, context, &pieces);
        if (r == 0 && !(buf_ok(&pieces.format) && buf_ok(&pieces.args)))
            r = -ENOMEM;
        if (r == 0 && !pieces.bad)
            r = whole ? whole_scalar(p, raw, &pieces, &t) : mixed_scalar(p, raw, context, &pieces, &t);
        expr_free(pieces.whole);
        buf_release(&pieces.format);
        buf_release(&pieces.args);
        if (r == -ENOMEM)
            return r;
    }
    if (!t) { /* what is in error goes on as the text that it is */
        t = arena_new(p->arena, struct token);
        if (!t)
            return -ENOMEM;
        *t = *raw;
    }
    *ret = t;
    return 0;
}
