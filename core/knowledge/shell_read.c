/* Shell grammar (POSIX.1-2017, XCU 2.10, and what bash adds): a script to the simple commands in it, in the
 * order in which they would run. Nothing is executed or expanded. */
#include "runfs/str.h"
#include "shell_internal.h"

static void read_command(struct shell_reader *r);

static bool is_word(const struct shell_token *t, const char *word)
{
    return t->kind == SHELL_WORD && t->plain && str_eq(t->word, word);
}

static bool is_op(const struct shell_token *t, const char *op)
{
    return t->kind == SHELL_OPERATOR && str_eq(t->op, op);
}

static bool is_one_of(const struct shell_token *t, const char *const *list)
{
    for (; *list; list++)
        if (is_word(t, *list) || is_op(t, *list))
            return true;
    return false;
}

static bool take(struct shell_reader *r, const char *what)
{
    const struct shell_token *t = shell_peek(r);

    if (!is_word(t, what) && !is_op(t, what))
        return false;
    (void)shell_next(r);
    return true;
}

static void expect(struct shell_reader *r, const char *what)
{
    if (!take(r, what))
        shell_wrong(r, "a compound command is never closed");
}

static void skip_newlines(struct shell_reader *r)
{
    while (shell_peek(r)->kind == SHELL_NEWLINE)
        (void)shell_next(r);
}

/* The commands behind `from` (NULL: all): their failing does not end the script. */
static void guard_from(struct shell_reader *r, const struct shell_node *from)
{
    for (struct shell_node *n = from ? from->next : r->out->first; n; n = n->next)
        n->command.guarded = true;
}

/* ------------------------------------------------------------------------------------- simple commands */

static bool is_redirection(const struct shell_token *t)
{
    return t->kind == SHELL_OPERATOR && (strchr("<>", t->op[0]) || str_starts(t->op, "&>")) && t->op[0];
}

static bool is_heredoc(const struct shell_token *t)
{
    return is_op(t, "<<") || is_op(t, "<<-");
}

/* The operator and its target; a here-document's was read with it. */
static void skip_redirection(struct shell_reader *r)
{
    struct shell_token t = shell_next(r);

    if (!is_heredoc(&t) && shell_peek(r)->kind == SHELL_WORD)
        (void)shell_next(r);
}

static bool is_assignment(const char *word)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

    if (n == 0 || (*word >= '0' && *word <= '9'))
        return false;
    if (word[n] == '[')
        n += strcspn(word + n, "]") + 1 <= strlen(word + n) ? strcspn(word + n, "]") + 1 : 0;
    return word[n] == '=' || (word[n] == '+' && word[n + 1] == '=');
}

/* The number before a redirection (2>file) is no argument. */
static bool is_descriptor(const struct shell_reader *r, const struct shell_token *t)
{
    return t->plain && *t->word && strspn(t->word, "0123456789") == strlen(t->word) && r->at < r->end &&
           (*r->at == '<' || *r->at == '>');
}

/* Those of a compound command. */
static void skip_redirections(struct shell_reader *r)
{
    for (;;) {
        const struct shell_token *t = shell_peek(r);
        if (is_redirection(t))
            skip_redirection(r);
        else if (t->kind == SHELL_WORD && is_descriptor(r, t))
            (void)shell_next(r);
        else
            return;
    }
}

static void emit(struct shell_reader *r, const char *const *words, size_t n)
{
    struct shell_node *node = arena_new(r->arena, struct shell_node);
    const char **copy = arena_array(r->arena, const char *, n + 1);

    if (!node || !copy) {
        shell_wrong(r, "there is not enough memory");
        return;
    }
    memcpy(copy, words, n * sizeof(*words));
    node->command = (struct shell_command){.words = copy, .n_words = n, .guarded = r->guarded > 0};
    if (r->out->last)
        r->out->last->next = node;
    else
        r->out->first = node;
    r->out->last = node;
}

static void read_function(struct shell_reader *r, const char *name)
{
    struct shell_function *f = arena_new(r->arena, struct shell_function);
    struct shell_list *out = r->out;

    if (!f) {
        shell_wrong(r, "there is not enough memory");
        return;
    }
    f->name = name;
    r->out = &f->body;
    skip_newlines(r);
    read_command(r);
    r->out = out;
    f->next = r->functions;
    r->functions = f;
}

static void read_simple(struct shell_reader *r)
{
    const char *words[SHELL_WORDS_MAX];
    size_t n = 0;
    bool assigned = false;

    for (;;) {
        const struct shell_token *t = shell_peek(r);
        if (is_redirection(t)) {
            skip_redirection(r);
        } else if (t->kind == SHELL_WORD) {
            struct shell_token word = shell_next(r);
            if (is_descriptor(r, &word))
                continue;
            if (n == 0 && is_assignment(word.word))
                assigned = true;
            else if (n < ARRAY_LEN(words))
                words[n++] = word.word;
        } else if (n == 1 && !assigned && is_op(t, "(")) {
            (void)shell_next(r);
            expect(r, ")");
            read_function(r, words[0]);
            return;
        } else {
            break;
        }
    }
    if (n && !r->wrong)
        emit(r, words, n);
}

/* ------------------------------------------------------------------------------------ compound commands */

#define LIST(r, ...) shell_read_list((r), (const char *const[]){__VA_ARGS__, NULL})

static void read_condition(struct shell_reader *r, const char *end)
{
    r->guarded++;
    LIST(r, end);
    r->guarded--;
    expect(r, end);
}

static void read_if(struct shell_reader *r)
{
    do {
        read_condition(r, "then");
        LIST(r, "elif", "else", "fi");
    } while (take(r, "elif"));
    if (take(r, "else"))
        LIST(r, "fi");
    expect(r, "fi");
}

static void read_while(struct shell_reader *r)
{
    read_condition(r, "do");
    LIST(r, "done");
    expect(r, "done");
}

static void read_for(struct shell_reader *r)
{
    if (is_op(shell_peek(r), "(")) {
        (void)shell_next(r);
        shell_skip_parentheses(r);
    } else {
        (void)shell_next(r);
        skip_newlines(r);
        if (take(r, "in"))
            while (shell_peek(r)->kind == SHELL_WORD)
                (void)shell_next(r);
    }
    (void)take(r, ";");
    skip_newlines(r);
    bool braces = take(r, "{");
    if (!braces)
        expect(r, "do");
    LIST(r, braces ? "}" : "done");
    expect(r, braces ? "}" : "done");
}

static void read_case(struct shell_reader *r)
{
    (void)shell_next(r);
    skip_newlines(r);
    expect(r, "in");
    for (skip_newlines(r); !r->wrong && !take(r, "esac"); skip_newlines(r)) {
        (void)take(r, "(");
        while (shell_peek(r)->kind == SHELL_WORD || is_op(shell_peek(r), "|"))
            (void)shell_next(r);
        expect(r, ")");
        LIST(r, ";;", ";&", ";;&", "esac");
        if (!take(r, ";;") && !take(r, ";&"))
            (void)take(r, ";;&");
    }
}

/* [[ ... ]]: a test, whose operators are not the shell's. */
static void read_test(struct shell_reader *r)
{
    for (;;) {
        struct shell_token t = shell_next(r);
        if (t.kind == SHELL_END)
            shell_wrong(r, "a [[ is never closed");
        if (t.kind == SHELL_END || is_word(&t, "]]"))
            return;
    }
}

static void read_subshell(struct shell_reader *r)
{
    if (r->at < r->end && *r->at == '(') { /* ((...)): arithmetic */
        r->at++;
        shell_skip_parentheses(r);
        expect(r, ")");
        return;
    }
    LIST(r, ")");
    expect(r, ")");
}

static void read_group(struct shell_reader *r)
{
    LIST(r, "}");
    expect(r, "}");
}

static void read_named_function(struct shell_reader *r)
{
    struct shell_token name = shell_next(r);

    if (name.kind != SHELL_WORD) {
        shell_wrong(r, "a function has no name");
        return;
    }
    if (take(r, "("))
        expect(r, ")");
    read_function(r, name.word);
}

static void read_negated(struct shell_reader *r)
{
    r->guarded++;
    read_command(r);
    r->guarded--;
}

static void read_timed(struct shell_reader *r)
{
    (void)take(r, "-p");
    read_command(r);
}

static const struct {
    const char *word;
    void (*read)(struct shell_reader *r);
} compounds[] = {
    {"if", read_if},      {"while", read_while}, {"until", read_while},
    {"for", read_for},    {"select", read_for},  {"case", read_case},
    {"[[", read_test},    {"{", read_group},     {"function", read_named_function},
    {"!", read_negated},  {"time", read_timed},  {"coproc", read_command},
    {"(", read_subshell},
};

static void read_compound_or_simple(struct shell_reader *r)
{
    for (size_t i = 0; i < ARRAY_LEN(compounds); i++) {
        if (!take(r, compounds[i].word))
            continue;
        compounds[i].read(r);
        skip_redirections(r);
        return;
    }
    read_simple(r);
}

static void read_command(struct shell_reader *r)
{
    if (++r->depth > SHELL_DEPTH_MAX)
        shell_wrong(r, "it is nested too deep");
    else
        read_compound_or_simple(r);
    r->depth--;
}

/* ------------------------------------------------------------------------------------------------ lists */

/* a | b, and what an || or & behind it means for it. */
static void read_pipeline(struct shell_reader *r)
{
    const struct shell_node *from = r->out->last;

    read_command(r);
    while (take(r, "|") || take(r, "|&")) {
        guard_from(r, from);
        skip_newlines(r);
        read_command(r);
    }
    if (is_op(shell_peek(r), "||") || is_op(shell_peek(r), "&"))
        guard_from(r, from);
}

void shell_read_list(struct shell_reader *r, const char *const *stops)
{
    for (;;) {
        const struct shell_token *t = shell_peek(r);
        const char *from = t->from;
        if (t->kind == SHELL_END || is_one_of(t, stops))
            return;
        if (t->kind == SHELL_NEWLINE || is_op(t, ";") || is_op(t, "&") || is_op(t, "&&") || is_op(t, "||")) {
            (void)shell_next(r);
            continue;
        }
        read_pipeline(r);
        if (shell_peek(r)->from == from && !r->wrong) {
            shell_wrong(r, "there is an operator or a reserved word where a command should be");
            return;
        }
    }
}

/* -------------------------------------------------------------------------------------------- functions */

static struct shell_function *find_function(const struct shell_reader *r, const char *name)
{
    for (struct shell_function *f = r->functions; f; f = f->next)
        if (str_eq(f->name, name))
            return f;
    return NULL;
}

/* `"$@"` as a command is what the function was called with. */
static struct shell_command with_arguments(struct shell_command c, const struct shell_command *call)
{
    if (call && call->n_words > 1 && (str_eq(c.words[0], "$@") || str_eq(c.words[0], "$*"))) {
        c.words = call->words + 1;
        c.n_words = call->n_words - 1;
    }
    return c;
}

/* A call of a function stands for the commands in it. */
static void expand(struct shell_reader *r, const struct shell_list *list, const struct shell_command *call,
                   bool guarded, int depth, struct shell_script *s)
{
    for (const struct shell_node *n = list->first; n && s->n < SHELL_COMMANDS_MAX; n = n->next) {
        struct shell_command c = with_arguments(n->command, call);
        struct shell_function *f = find_function(r, c.words[0]);
        if (f && f->open)
            continue;
        if (f && depth < SHELL_DEPTH_MAX && r->calls < SHELL_COMMANDS_MAX) {
            r->calls++;
            f->open = true;
            expand(r, &f->body, &c, guarded || c.guarded, depth + 1, s);
            f->open = false;
        }
        if (f)
            continue;
        s->commands[s->n] = c;
        s->commands[s->n++].guarded |= guarded;
    }
}

int shell_read(const char *text, size_t len, struct shell_script *ret, struct err *err)
{
    static const char *const stops[] = {NULL};
    struct shell_list list = {0};
    struct shell_reader r = {.at = text, .end = text + len, .arena = &ret->arena, .out = &list};
    int line = 1;

    shell_read_list(&r, stops);
    ret->commands = arena_array(&ret->arena, struct shell_command, SHELL_COMMANDS_MAX);
    if (!ret->commands)
        return err_errno(err, -ENOMEM, "the script");
    expand(&r, &list, NULL, false, 0, ret);
    if (!r.wrong)
        return 0;
    for (const char *p = text; p < r.wrong_at && p < text + len; p++)
        line += *p == '\n';
    return err_set(err, -EINVAL, "line %d: %s", line, r.wrong);
}

void shell_script_release(struct shell_script *s)
{
    arena_release(&s->arena);
    *s = (struct shell_script){0};
}
