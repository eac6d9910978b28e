/* Parsing of workflow commands. */
#include "command.h"

#include "runfs/str.h"

struct escape {
    const char *code;
    char character;
};

/* A message knows the first three, a property all five. */
static const struct escape escapes[] = {
    {"%0D", '\r'}, {"%0A", '\n'}, {"%25", '%'}, {"%3A", ':'}, {"%2C", ','}};
static const struct escape old_escapes[] = {
    {"%0D", '\r'}, {"%0A", '\n'}, {"%25", '%'}, {"%3B", ';'}, {"%5D", ']'}};

static const char *const known[] = {
    "add-mask", "add-matcher",    "add-path",   "debug",   "echo",       "endgroup",      "error",  "group",
    "notice",   "remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"};

static bool is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(known[i], name))
            return true;
    return false;
}

static char *unescape(const char *s, size_t len, const struct escape *codes, size_t n_codes)
{
    _buf_ struct buf out = BUF_INIT;

    for (size_t i = 0; i < len;) {
        size_t k = 0;
        while (k < n_codes && (len - i < 3 || memcmp(s + i, codes[k].code, 3) != 0))
            k++;
        if (k < n_codes) {
            buf_addc(&out, codes[k].character);
            i += 3;
        } else {
            buf_addc(&out, s[i++]);
        }
    }
    return buf_steal(&out);
}

void command_release(struct command *c)
{
    free(c->name);
    free(c->message);
    for (size_t i = 0; i < c->n; i++) {
        free(c->properties[i].key);
        free(c->properties[i].value);
    }
    *c = (struct command){0};
}

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **s, size_t *len)
{
    for (; *len && blank(**s); --*len)
        ++*s;
    while (*len && blank((*s)[*len - 1]))
        --*len;
}

static bool set_property(struct command *c, char *key_take, char *value_take)
{
    _free_ char *key = key_take, *value = value_take;
    size_t i = 0;

    if (!key || !value)
        return false;
    while (i < c->n && !str_eq_ascii_nocase(c->properties[i].key, key))
        i++;
    if (i == COMMAND_PROPERTIES)
        return true;
    if (i < c->n) {
        free(c->properties[i].value);
    } else {
        c->properties[i].key = TAKE(key);
        c->n++;
    }
    c->properties[i].value = TAKE(value);
    return true;
}

/* key=value; equals signs in a row count as one, and either side being empty makes it none, as on GitHub. */
static bool parse_property(const char *s, size_t len, const struct escape *codes, struct command *c)
{
    const char *end = s + len, *equals, *value;

    while (s < end && *s == '=')
        s++;
    equals = memchr(s, '=', (size_t)(end - s));
    for (value = equals; value && value < end && *value == '=';)
        value++;
    if (!equals || value == end)
        return true;
    return set_property(c, strndup(s, (size_t)(equals - s)),
                        unescape(value, (size_t)(end - value), codes, 5));
}

static bool parse_properties(const char *s, size_t len, char separator, const struct escape *codes,
                             struct command *c)
{
    bool ok = true;

    while (ok && len > 0) {
        const char *end = memchr(s, separator, len);
        size_t part = end ? (size_t)(end - s) : len;
        ok = parse_property(s, part, codes, c);
        s += part + (end ? 1 : 0);
        len -= part + (end ? 1 : 0);
    }
    return ok;
}

/* The name, lower case; NULL when it is neither a command's nor the token that resumes them (may be NULL). */
static char *parse_name(const char *head, size_t len, const char *token)
{
    _free_ char *name = len == 0 || memchr(head, '\0', len) ? NULL : strndup(head, len);

    for (char *p = name; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return name && (is_known(name) || (token && str_eq_ascii_nocase(token, name))) ? TAKE(name) : NULL;
}

/* The command of which head is the part before the message, in one of the two notations. */
static bool parse_parts(const char *head, const char *head_end, const char *message, const char *end,
                        bool old, const char *token, struct command *ret)
{
    const struct escape *codes = old ? old_escapes : escapes;
    const char *space = memchr(head, ' ', (size_t)(head_end - head));
    _command_ struct command c = {.name =
                                      parse_name(head, (size_t)((space ? space : head_end) - head), token)};

    if (!c.name)
        return false;
    if (space) {
        const char *s = space + 1;
        size_t len = (size_t)(head_end - s);
        if (!old)
            trim(&s, &len);
        if (!parse_properties(s, len, old ? ';' : ',', codes, &c))
            return false;
    }
    c.message = unescape(message, (size_t)(end - message), codes, old ? 5 : 3);
    if (!c.message)
        return false;
    *ret = c;
    c = (struct command){0};
    return true;
}

static bool parse_new(const char *line, const char *end, const char *token, struct command *ret)
{
    while (line < end && blank(*line))
        line++;
    if (end - line < 4 || memcmp(line, "::", 2) != 0)
        return false;
    const char *head = line + 2, *close = memmem(head, (size_t)(end - head), "::", 2);
    return close && parse_parts(head, close, close + 2, end, false, token, ret);
}

static bool parse_old(const char *line, const char *end, const char *token, struct command *ret)
{
    const char *start = memmem(line, (size_t)(end - line), "##[", 3);
    const char *close = start ? memchr(start, ']', (size_t)(end - start)) : NULL;

    return close && parse_parts(start + 3, close, close + 1, end, true, token, ret);
}

static bool parse(const char *line, size_t len, const char *token, struct command *ret)
{
    return parse_new(line, line + len, token, ret) || parse_old(line, line + len, token, ret);
}

const char *command_property(const struct command *c, const char *key)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq_ascii_nocase(c->properties[i].key, key))
            return c->properties[i].value;
    return "";
}

/* ----------------------------------------------------------------------------------------- stop-commands */

void command_state_release(struct command_state *s)
{
    free(s->token);
    s->token = NULL;
}

static int stop(struct command_state *s, const char *token, struct err *err)
{
    bool bad = str_empty(token) || str_eq_ascii_nocase(token, "pause-logging");

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        bad = bad || str_eq_ascii_nocase(token, known[i]);
    if (bad)
        return err_set(err, -EINVAL,
                       "You cannot use a endToken that is an empty string, the string 'pause-logging', or "
                       "another workflow "
                       "command. For more information see: "
                       "https://docs.github.com/actions/learn-github-actions/"
                       "workflow-commands-for-github-actions#example-stopping-and-starting-workflow-commands "
                       "or opt into "
                       "insecure command execution by setting the "
                       "`ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS` environment "
                       "variable to `true`.");
    s->token = strdup(token);
    return s->token ? COMMAND_SHOW : err_errno(err, -ENOMEM, "stop-commands");
}

int command_next(struct command_state *s, const char *line, size_t len, struct command *ret, struct err *err)
{
    _command_ struct command c = {0};

    if (!parse(line, len, s->token, &c))
        return COMMAND_NONE;
    if (s->token && !str_eq_ascii_nocase(s->token, c.name))
        return COMMAND_NONE;
    if (s->token) {
        command_state_release(s);
        return COMMAND_SHOW;
    }
    if (str_eq(c.name, "stop-commands"))
        return stop(s, c.message, err);
    *ret = c;
    c = (struct command){0};
    return COMMAND_DO;
}
