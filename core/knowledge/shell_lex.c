/* Shell tokens (POSIX.1-2017, XCU 2.3, and what bash adds): words with their quotes and expansions,
 * operators, here-documents. Commands within substitutions are read as they are met. */
#include "runfs/str.h"
#include "shell_internal.h"

void shell_wrong(struct shell_reader *r, const char *why)
{
    if (r->wrong)
        return;
    r->wrong = why;
    r->wrong_at = r->at;
}

static bool more(const struct shell_reader *r)
{
    return !r->wrong && r->at < r->end;
}

static bool looking_at(const struct shell_reader *r, const char *text)
{
    size_t len = strlen(text);

    return !r->wrong && (size_t)(r->end - r->at) >= len && memcmp(r->at, text, len) == 0;
}

/* Up to and with the closing character, without looking inside. */
static void skip_single(struct shell_reader *r, struct buf *word, bool escapes)
{
    for (r->at++; more(r) && *r->at != '\''; r->at++) {
        if (escapes && *r->at == '\\' && r->at + 1 < r->end)
            r->at++;
        buf_addc(word, *r->at);
    }
    if (!more(r))
        shell_wrong(r, "a ' is never closed");
    else
        r->at++;
}

static void read_dollar(struct shell_reader *r, struct buf *word);
static void read_backquote(struct shell_reader *r, struct buf *word);

static void read_double(struct shell_reader *r, struct buf *word)
{
    r->at++;
    while (more(r) && *r->at != '"') {
        if (*r->at == '$') {
            read_dollar(r, word);
        } else if (*r->at == '`') {
            read_backquote(r, word);
        } else {
            if (*r->at == '\\' && r->at + 1 < r->end && strchr("$`\"\\\n", r->at[1]) && r->at[1])
                r->at++;
            buf_addc(word, *r->at++);
        }
    }
    if (!more(r))
        shell_wrong(r, "a \" is never closed");
    else
        r->at++;
}

/* One piece of a text in which quotes and expansions count and nothing else does. */
static void read_piece(struct shell_reader *r, struct buf *word)
{
    if (*r->at == '\'') {
        skip_single(r, word, false);
    } else if (*r->at == '"') {
        read_double(r, word);
    } else if (*r->at == '$') {
        read_dollar(r, word);
    } else if (*r->at == '`') {
        read_backquote(r, word);
    } else {
        if (*r->at == '\\' && r->at + 1 < r->end)
            r->at++;
        buf_addc(word, *r->at++);
    }
}

void shell_skip_parentheses(struct shell_reader *r)
{
    _buf_ struct buf ignored = BUF_INIT;
    int depth = 1;

    while (more(r) && depth > 0) {
        depth += *r->at == '(' ? 1 : *r->at == ')' ? -1 : 0;
        read_piece(r, &ignored);
    }
    if (depth > 0)
        shell_wrong(r, "a ( is never closed");
}

static void skip_braces(struct shell_reader *r)
{
    _buf_ struct buf ignored = BUF_INIT;

    while (more(r) && *r->at != '}')
        read_piece(r, &ignored);
    if (!more(r))
        shell_wrong(r, "a ${ is never closed");
    else
        r->at++;
}

/* Whether what begins behind `$(` or `(` with another ( is arithmetic: closed by two at once. */
static bool is_arithmetic(const struct shell_reader *r)
{
    int depth = 0;

    for (const char *p = r->at; p < r->end; p++) {
        if (*p == '(')
            depth++;
        else if (*p == ')' && --depth == 0)
            return p + 1 < r->end && p[1] == ')';
    }
    return false;
}

/* A substitution: the cursor is behind its opening parenthesis. */
static void read_substitution(struct shell_reader *r)
{
    static const char *const stops[] = {")", NULL};
    struct shell_token saved = r->token;
    bool ahead = r->ahead;

    r->ahead = false;
    r->guarded++;
    shell_read_list(r, stops);
    if (shell_next(r).op[0] != ')')
        shell_wrong(r, "a ( is never closed");
    r->guarded--;
    r->token = saved;
    r->ahead = ahead;
}

static void read_dollar(struct shell_reader *r, struct buf *word)
{
    const char *from = r->at++;

    if (++r->depth > SHELL_DEPTH_MAX)
        shell_wrong(r, "it is nested too deep");
    if (looking_at(r, "(")) {
        r->at++;
        if (looking_at(r, "(") && is_arithmetic(r))
            shell_skip_parentheses(r);
        else
            read_substitution(r);
    } else if (looking_at(r, "{")) {
        r->at++;
        skip_braces(r);
    }
    r->depth--;
    buf_add(word, from, (size_t)(r->at - from));
}

/* `...`: its text has a level of backslashes of its own, so it is read from a copy. */
static void read_backquote(struct shell_reader *r, struct buf *word)
{
    static const char *const stops[] = {NULL};
    const char *from = r->at++;
    _buf_ struct buf text = BUF_INIT;

    while (more(r) && *r->at != '`') {
        if (*r->at == '\\' && r->at + 1 < r->end && (r->at[1] == '`' || r->at[1] == '\\' || r->at[1] == '$'))
            r->at++;
        buf_addc(&text, *r->at++);
    }
    if (!more(r)) {
        shell_wrong(r, "a ` is never closed");
        return;
    }
    r->at++;
    buf_add(word, from, (size_t)(r->at - from));
    struct shell_reader inner = *r;
    inner.at = arena_strndup(r->arena, buf_str(&text), text.len);
    inner.end = inner.at ? inner.at + text.len : NULL;
    inner.ahead = false;
    inner.n_heredocs = 0;
    inner.guarded++;
    if (!inner.at || ++inner.depth > SHELL_DEPTH_MAX) {
        shell_wrong(r, "it is nested too deep");
        return;
    }
    shell_read_list(&inner, stops);
    r->functions = inner.functions;
    if (inner.wrong)
        shell_wrong(r, inner.wrong);
}

/* ------------------------------------------------------------------------------------------------- words */

/* `a=(1 2)`: the list belongs to the word. */
static bool opens_array(const struct shell_reader *r, const struct buf *word)
{
    return *r->at == '(' && word->len > 1 && word->ptr[word->len - 1] == '=';
}

static bool opens_pattern(const struct shell_reader *r)
{
    return strchr("?*+@!", *r->at) && *r->at && r->at + 1 < r->end && r->at[1] == '(';
}

static bool opens_process(const struct shell_reader *r)
{
    return looking_at(r, "<(") || looking_at(r, ">(");
}

static void read_word(struct shell_reader *r, struct shell_token *t)
{
    _buf_ struct buf word = BUF_INIT;

    t->plain = true;
    while (more(r)) {
        if (opens_array(r, &word) || opens_pattern(r)) {
            const char *from = r->at;
            r->at += opens_pattern(r) ? 2 : 1;
            shell_skip_parentheses(r);
            buf_add(&word, from, (size_t)(r->at - from));
        } else if (opens_process(r)) {
            const char *from = r->at;
            r->at += 2;
            read_substitution(r);
            buf_add(&word, from, (size_t)(r->at - from));
        } else if (strchr(" \t\n;&|()<>", *r->at) && *r->at) {
            break;
        } else if (*r->at == '\\' && r->at + 1 < r->end && r->at[1] == '\n') {
            r->at += 2;
        } else if (looking_at(r, "$'")) {
            t->plain = false;
            r->at++;
            skip_single(r, &word, true);
        } else {
            t->plain &= !strchr("'\"\\`$", *r->at) || !*r->at;
            if (*r->at)
                read_piece(r, &word);
            else
                r->at++; /* a shell drops NULs as well */
        }
    }
    t->kind = SHELL_WORD;
    t->word = arena_strndup(r->arena, buf_str(&word), word.len);
    if (!t->word || !buf_ok(&word))
        shell_wrong(r, "there is not enough memory");
}

/* ---------------------------------------------------------------------------------------- here-documents */

static bool ends_heredoc(const char *line, size_t len, const char *delimiter, bool tabs)
{
    while (tabs && len && *line == '\t') {
        line++;
        len--;
    }
    return strlen(delimiter) == len && memcmp(line, delimiter, len) == 0;
}

/* The bodies of those that the line before has announced. */
static void skip_heredocs(struct shell_reader *r)
{
    for (size_t i = 0; i < r->n_heredocs; i++)
        while (r->at < r->end) {
            const char *eol = memchr(r->at, '\n', (size_t)(r->end - r->at));
            const char *line = r->at;
            size_t len = (size_t)((eol ? eol : r->end) - line);
            r->at = eol ? eol + 1 : r->end;
            if (ends_heredoc(line, len, r->heredocs[i].delimiter, r->heredocs[i].tabs))
                break;
        }
    r->n_heredocs = 0;
}

/* Behind << or <<-. */
static void announce_heredoc(struct shell_reader *r, bool tabs)
{
    struct shell_token word = {0};

    while (more(r) && (*r->at == ' ' || *r->at == '\t'))
        r->at++;
    read_word(r, &word);
    if (r->n_heredocs == SHELL_HEREDOCS_MAX)
        shell_wrong(r, "it has too many here-documents on one line");
    if (r->wrong)
        return;
    r->heredocs[r->n_heredocs].delimiter = word.word;
    r->heredocs[r->n_heredocs++].tabs = tabs;
}

/* -------------------------------------------------------------------------------------------- the tokens */

static void skip_blanks(struct shell_reader *r)
{
    for (;;) {
        while (more(r) && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
            r->at++;
        if (looking_at(r, "\\\n"))
            r->at += 2;
        else if (more(r) && *r->at == '#')
            while (more(r) && *r->at != '\n')
                r->at++;
        else
            break;
    }
}

static bool read_operator(struct shell_reader *r, struct shell_token *t)
{
    static const char *const operators[] = {"<<<", "<<-", ";;&", "&>>", "&&", "||", ";;", ";&",
                                            "|&",  "<<",  ">>",  "<&",  ">&", "<>", ">|", "&>",
                                            ";",   "&",   "|",   "(",   ")",  "<",  ">"};

    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (!looking_at(r, operators[i]))
            continue;
        t->kind = SHELL_OPERATOR;
        memcpy(t->op, operators[i], strlen(operators[i]) + 1);
        r->at += strlen(operators[i]);
        if (str_eq(t->op, "<<") || str_eq(t->op, "<<-"))
            announce_heredoc(r, t->op[2] == '-');
        return true;
    }
    return false;
}

static void read_token(struct shell_reader *r)
{
    struct shell_token t = {.kind = SHELL_END};

    skip_blanks(r);
    t.from = r->at;
    if (!more(r)) {
        t.kind = SHELL_END;
    } else if (*r->at == '\n') {
        t.kind = SHELL_NEWLINE;
        r->at++;
        skip_heredocs(r);
    } else if (opens_process(r) || !read_operator(r, &t)) {
        read_word(r, &t);
    }
    if (r->wrong)
        t = (struct shell_token){.kind = SHELL_END, .from = r->at};
    r->token = t;
    r->ahead = true;
}

const struct shell_token *shell_peek(struct shell_reader *r)
{
    if (r->wrong)
        r->token = (struct shell_token){.kind = SHELL_END, .from = r->at};
    else if (!r->ahead)
        read_token(r);
    return &r->token;
}

struct shell_token shell_next(struct shell_reader *r)
{
    struct shell_token t = *shell_peek(r);

    r->ahead = false;
    return t;
}
