/* From the text of a Dockerfile to its instructions, and from their arguments to words. */
#include "runfs/dockerfile.h"

#include <ctype.h>

#include "runfs/buf.h"
#include "runfs/str.h"

static const char *const known[] = {"ADD",    "ARG",   "CMD",         "COPY",  "ENTRYPOINT", "ENV",
                                    "EXPOSE", "FROM",  "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
                                    "RUN",    "SHELL", "STOPSIGNAL",  "USER",  "VOLUME",     "WORKDIR"};

enum { DEPTH_MAX = 50 };

/* Where it is read. */
struct reader {
    const char *file, *at;
    unsigned line; /* of what comes next */
    struct dockerfile *d;
    struct err *err;
};

static int refuse(const struct reader *r, unsigned line, const char *what, const char *name)
{
    bool good = utf8_valid(name, strlen(name));

    return err_set(r->err, -EINVAL, "%s:%u: %s%s%.100s", r->file, line, what, *name ? ": " : "",
                   good ? name : "?");
}

static int no_memory(const struct reader *r)
{
    return err_errno(r->err, -ENOMEM, "%s", r->file);
}

/* ------------------------------------------------------------------------------------------------- lines */

/* The next line without its end. False: there is none. */
static bool next_line(struct reader *r, const char **ret, size_t *ret_len)
{
    if (!*r->at)
        return false;
    size_t n = strcspn(r->at, "\n");
    *ret = r->at;
    *ret_len = n && r->at[n - 1] == '\r' ? n - 1 : n;
    r->at += n + (r->at[n] == '\n');
    r->line++;
    return true;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* A line ends with the escape character, behind which may be blanks: the next one goes on with it. */
static bool continues(char escape, const char *line, size_t *len)
{
    size_t n = *len;

    while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    if (!n || line[n - 1] != escape || (n > 1 && line[n - 2] == escape))
        return false;
    *len = n - 1;
    return true;
}

/* Comments and empty lines may stand between the lines of an instruction. */
static bool is_comment(const char *line, size_t len)
{
    const char *text = skip_blanks(line);

    return text >= line + len || *text == '#';
}

/* One instruction, as one line. */
static void join_lines(struct reader *r, const char *line, size_t len, struct buf *ret)
{
    bool more = continues(r->d->escape, line, &len);

    buf_add(ret, line, len);
    while (more && next_line(r, &line, &len)) {
        if (is_comment(line, len))
            continue;
        more = continues(r->d->escape, line, &len);
        buf_add(ret, line, len);
    }
}

/* `# escape=` and the like, which stand before all else. */
static void read_directives(struct reader *r)
{
    for (;;) {
        const char *line = skip_blanks(r->at);
        size_t n;
        if (*line != '#')
            return;
        const char *name = skip_blanks(line + 1), *equals = name + strspn(name, "abcdefghijklmnopqrstuvwxyz");
        const char *value = skip_blanks(equals);
        if (equals == name || *value != '=')
            return;
        value = skip_blanks(value + 1);
        if (strncmp(name, "escape", 6) == 0 && (*value == '`' || *value == '\\'))
            r->d->escape = *value;
        (void)next_line(r, &line, &n);
    }
}

/* ----------------------------------------------------------------------------------------- instructions */

static bool is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(known[i], name))
            return true;
    return false;
}

/* `--name=value` in front of the arguments. */
static int take_options(struct reader *r, struct dockerfile_instruction *in, char **text)
{
    while (str_starts(*text, "--")) {
        size_t n = strcspn(*text, " \t");
        char *equals = memchr(*text, '=', n);
        _free_ char *name = strndup(*text + 2, (equals ? (size_t)(equals - *text) : n) - 2);
        _free_ char *value = equals ? strndup(equals + 1, n - (size_t)(equals + 1 - *text)) : strdup("");
        if (!name || !value)
            return no_memory(r);
        if (json_object_set_new(in->options, name, json_string(value)) < 0)
            return refuse(r, in->line, "an option is not UTF-8", "");
        *text = (char *)(uintptr_t)skip_blanks(*text + n);
    }
    return 0;
}

/* One that is begun by <<NAME, <<-NAME or with NAME in quotes. */
static int read_document(struct reader *r, struct dockerfile_instruction *in, const char *name, bool tabs)
{
    _buf_ struct buf body = BUF_INIT;
    const char *line;
    size_t len;

    while (next_line(r, &line, &len)) {
        while (tabs && len && *line == '\t') {
            line++;
            len--;
        }
        if (len == strlen(name) && strncmp(line, name, len) == 0) {
            if (json_array_append_new(in->documents, json_pack("[s, s%]", name, buf_str(&body), body.len)) <
                0)
                return refuse(r, in->line, "a here-document is not UTF-8", name);
            return 0;
        }
        buf_add(&body, line, len);
        buf_addc(&body, '\n');
    }
    return refuse(r, in->line, "a here-document is not ended", name);
}

static int read_documents(struct reader *r, struct dockerfile_instruction *in)
{
    if (!str_eq(in->name, "RUN") && !str_eq(in->name, "COPY") && !str_eq(in->name, "ADD"))
        return 0;
    for (const char *p = in->text; (p = strstr(p, "<<"));) {
        bool tabs = p[2] == '-', first = p == in->text || p[-1] == ' ' || p[-1] == '\t' || isdigit(p[-1]);
        p += 2 + tabs;
        char quote = *p == '"' || *p == '\'' ? *p++ : '\0';
        size_t n = 0;
        while (isalnum((unsigned char)p[n]) || p[n] == '_')
            n++;
        if (!first || !n || isdigit((unsigned char)*p) || (quote && p[n] != quote))
            continue;
        _free_ char *name = strndup(p, n);
        int e = name ? read_document(r, in, name, tabs) : no_memory(r);
        if (e < 0)
            return e;
        p += n;
    }
    return 0;
}

static void instruction_release(struct dockerfile_instruction *in)
{
    free(in->name);
    free(in->text);
    json_decref(in->options);
    json_decref(in->documents);
}

static int fill_instruction(struct reader *r, struct dockerfile_instruction *in, char *text)
{
    size_t n = strcspn(text, " \t");
    char *rest = (char *)(uintptr_t)skip_blanks(text + n), *end = rest + strlen(rest);

    while (end > rest && isspace((unsigned char)end[-1]))
        *--end = '\0';
    in->name = strndup(text, n);
    in->options = json_object();
    in->documents = json_array();
    if (!in->name || !in->options || !in->documents)
        return no_memory(r);
    for (char *p = in->name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    if (!is_known(in->name))
        return refuse(r, in->line, "there is no such instruction", in->name);
    int e = take_options(r, in, &rest);
    in->text = e == 0 ? strdup(rest) : NULL;
    if (e == 0 && !in->text)
        return no_memory(r);
    if (e == 0 && !*in->text)
        return refuse(r, in->line, "nothing follows", in->name);
    return e < 0 ? e : read_documents(r, in);
}

static int read_instruction(struct reader *r, const char *line, size_t len)
{
    struct dockerfile *d = r->d;
    struct dockerfile_instruction in = {.line = r->line};
    _buf_ struct buf joined = BUF_INIT;
    struct dockerfile_instruction *more = reallocarray(d->list, d->n + 1, sizeof(*more));

    if (!more)
        return no_memory(r);
    d->list = more;
    join_lines(r, line, len, &joined);
    if (!buf_ok(&joined))
        return no_memory(r);
    int e = fill_instruction(r, &in, joined.ptr);
    if (e == 0 && !str_eq(in.name, "FROM") && !str_eq(in.name, "ARG") && d->n == 0)
        e = refuse(r, in.line, "nothing but ARG may stand before FROM", in.name);
    if (e < 0)
        instruction_release(&in);
    else
        d->list[d->n++] = in;
    return e;
}

static bool has_from(const struct dockerfile *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (str_eq(d->list[i].name, "FROM"))
            return true;
    return false;
}

int dockerfile_parse(const char *file, const char *text, struct dockerfile *ret, struct err *err)
{
    struct reader r = {.file = file, .at = text, .d = ret, .err = err};
    const char *line;
    size_t len;
    int e = 0;

    *ret = (struct dockerfile){.escape = '\\'};
    if (str_starts(r.at, "\xef\xbb\xbf"))
        r.at += 3;
    read_directives(&r);
    while (e == 0 && next_line(&r, &line, &len)) {
        const char *begin = line + strspn(line, " \t");
        if (!is_comment(line, len))
            e = read_instruction(&r, begin, len - (size_t)(begin - line));
    }
    if (e == 0 && !has_from(ret))
        e = refuse(&r, r.line ? r.line : 1, "no FROM says what it begins with", "");
    if (e < 0)
        dockerfile_release(ret);
    return e;
}

void dockerfile_release(struct dockerfile *d)
{
    for (size_t i = 0; i < d->n; i++)
        instruction_release(&d->list[i]);
    free(d->list);
    *d = (struct dockerfile){0};
}

/* ------------------------------------------------------------------------------------------------- words */

struct words {
    const struct dockerfile *d;
    const json_t *variables;
    struct buf word;
    bool any;       /* the word is there, if only as an empty pair of quotes */
    unsigned depth; /* of words in braces */
    struct err *err;
};

static const char *value_of(const struct words *w, const char *name, size_t len)
{
    return json_string_value(json_object_getn(w->variables, name, len));
}

static size_t name_length(const char *s)
{
    size_t n = 0;

    if (!isdigit((unsigned char)*s))
        while (isalnum((unsigned char)s[n]) || s[n] == '_')
            n++;
    return n;
}

/* Where the brace closes that has been opened before s. NULL: nowhere. */
static const char *closing(const struct words *w, const char *s)
{
    for (unsigned depth = 1; *s; s++) {
        if (*s == w->d->escape && s[1])
            s++;
        else if (*s == '{' && s[-1] == '$')
            depth++;
        else if (*s == '}' && --depth == 0)
            return s;
    }
    return NULL;
}

static int add_word_of(struct words *w, const char *text, size_t len);

/* ${NAME...}: p stands behind the brace. */
static const char *add_braced(struct words *w, const char *p)
{
    size_t n = name_length(p);
    const char *end = closing(w, p), *value = value_of(w, p, n), *rest = p + n;

    if (!end || !n) {
        err_set(w->err, -EINVAL, "a ${ is not closed, or has no name");
        return NULL;
    }
    bool colon = *rest == ':';
    char kind = rest[colon];
    bool there = value && (!colon || *value);
    if (rest == end) {
        buf_adds(&w->word, value);
    } else if (kind == '-' || kind == '+') {
        const char *word = rest + colon + 1;
        if (kind == '-' && there)
            buf_adds(&w->word, value);
        else if ((kind == '-') != there && add_word_of(w, word, (size_t)(end - word)) < 0)
            return NULL;
    } else {
        err_set(w->err, -EINVAL,
                "of ${NAME...} only ${NAME:-word}, ${NAME-word}, ${NAME:+word} and ${NAME+word} "
                "are understood");
        return NULL;
    }
    return end + 1;
}

/* p stands at the dollar. Behind what it has become. */
static const char *add_variable(struct words *w, const char *p)
{
    size_t n = name_length(p + 1);

    if (p[1] == '{')
        return add_braced(w, p + 2);
    if (!n) {
        buf_addc(&w->word, '$');
        return p + 1;
    }
    buf_adds(&w->word, value_of(w, p + 1, n));
    return p + 1 + n;
}

/* p stands at the quote. */
static const char *add_quoted(struct words *w, const char *p)
{
    char quote = *p++;

    w->any = true;
    while (p && *p && *p != quote) {
        if (quote == '"' && *p == w->d->escape && (p[1] == '"' || p[1] == '$' || p[1] == w->d->escape)) {
            buf_addc(&w->word, p[1]);
            p += 2;
        } else if (quote == '"' && *p == '$') {
            p = add_variable(w, p);
        } else {
            buf_addc(&w->word, *p++);
        }
    }
    if (p && !*p)
        err_set(w->err, -EINVAL, "a quote is not closed");
    return p && *p ? p + 1 : NULL;
}

static const char *add_piece(struct words *w, const char *p)
{
    if (*p == '\'' || *p == '"')
        return add_quoted(w, p);
    w->any = true;
    if (*p == '$')
        return add_variable(w, p);
    if (*p == w->d->escape && p[1])
        p++;
    buf_addc(&w->word, *p);
    return p + 1;
}

static int add_word_of(struct words *w, const char *text, size_t len)
{
    _free_ char *copy = strndup(text, len);
    const char *p = copy;

    if (!copy)
        return err_errno(w->err, -ENOMEM, "Dockerfile");
    if (w->depth == DEPTH_MAX)
        return err_set(w->err, -EINVAL, "a ${ has more than %d others in it", DEPTH_MAX);
    w->depth++;
    while (p && *p)
        p = add_piece(w, p);
    w->depth--;
    return p ? 0 : -EINVAL;
}

char *dockerfile_word(const struct dockerfile *d, const char *text, const json_t *variables, struct err *err)
{
    struct words w = {.d = d, .variables = variables, .err = err};

    if (add_word_of(&w, text, strlen(text)) < 0) {
        buf_release(&w.word);
        return NULL;
    }
    return w.word.len ? buf_steal(&w.word) : strdup("");
}

static int end_word(struct words *w, char ***list, size_t *n)
{
    char **more = reallocarray(*list, *n + 2, sizeof(*more));

    if (!more || !buf_ok(&w->word))
        return err_errno(w->err, -ENOMEM, "Dockerfile");
    *list = more;
    more[*n] = w->word.len ? buf_steal(&w->word) : strdup("");
    more[*n + 1] = NULL;
    buf_reset(&w->word);
    w->any = false;
    return more[*n] ? (++*n, 0) : err_errno(w->err, -ENOMEM, "Dockerfile");
}

char **dockerfile_words(const struct dockerfile *d, const char *text, const json_t *variables,
                        struct err *err)
{
    struct words w = {.d = d, .variables = variables, .err = err};
    char **list = calloc(1, sizeof(*list));
    const char *p = text;
    size_t n = 0;
    int r = list ? 0 : err_errno(err, -ENOMEM, "Dockerfile");

    while (r == 0 && p && *p) {
        bool blank = isspace((unsigned char)*p);
        if (!blank)
            p = add_piece(&w, p);
        else
            p++;
        if (p && w.any && (blank || !*p))
            r = end_word(&w, &list, &n);
    }
    buf_release(&w.word);
    if (r == 0 && p)
        return list;
    strv_free(list);
    return NULL;
}

json_t *dockerfile_list(const char *text)
{
    json_t *list = *text == '[' ? json_loads(text, 0, NULL) : NULL, *word;
    bool good = json_is_array(list);
    size_t i;

    json_array_foreach(list, i, word) good = good && json_is_string(word);
    if (good)
        return list;
    json_decref(list);
    return NULL;
}
