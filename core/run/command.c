/* Parsing of workflow commands. */
#include "command.h"

#include "runfs/str.h"

struct escape {
    const char *code;
    char character;
};

static const struct escape escapes[] = {
    {"%0D", '\r'}, {"%0A", '\n'}, {"%3A", ':'}, {"%2C", ','}, {"%25", '%'}};
static const struct escape old_escapes[] = {
    {"%3B", ';'}, {"%0D", '\r'}, {"%0A", '\n'}, {"%5D", ']'}, {"%25", '%'}};

/* n_escapes: a message knows fewer codes than a property. */
static char *unescape(const char *s, size_t len, const struct escape *codes, size_t n_codes)
{
    _buf_ struct buf out = BUF_INIT;

    for (size_t i = 0; i < len;) {
        size_t k = 0;
        while (k < n_codes && (len - i < 3 || strncasecmp(s + i, codes[k].code, 3) != 0))
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

static void trim(const char **s, size_t *len)
{
    while (*len && (**s == ' ' || **s == '\t')) {
        ++*s;
        --*len;
    }
    while (*len && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\t'))
        --*len;
}

static void parse_properties(const char *s, size_t len, char separator, const struct escape *codes,
                             struct command *c)
{
    while (len > 0 && c->n < COMMAND_PROPERTIES) {
        const char *end = memchr(s, separator, len);
        size_t part = end ? (size_t)(end - s) : len;
        const char *equals = memchr(s, '=', part);
        if (equals && equals > s && equals + 1 < s + part) {
            const char *key = s;
            size_t key_len = (size_t)(equals - s);
            trim(&key, &key_len);
            c->properties[c->n].key = strndup(key, key_len);
            c->properties[c->n].value = unescape(equals + 1, (size_t)(s + part - equals - 1), codes, 5);
            if (c->properties[c->n].key && c->properties[c->n].value)
                c->n++;
        }
        s += part + (end ? 1 : 0);
        len -= part + (end ? 1 : 0);
    }
}

static bool parse_head(const char *head, size_t len, char separator, const struct escape *codes,
                       struct command *ret)
{
    const char *space = memchr(head, ' ', len);
    size_t name = space ? (size_t)(space - head) : len;

    if (name == 0)
        return false;
    ret->name = strndup(head, name);
    for (char *p = ret->name; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    if (space)
        parse_properties(space + 1, len - name - 1, separator, codes, ret);
    return ret->name != NULL;
}

bool command_parse(const char *line, size_t len, struct command *ret)
{
    const char *end = line + len, *start, *close;
    struct command c = {0};
    bool ok = false;

    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    len = (size_t)(end - line);
    if (len >= 2 && memcmp(line, "::", 2) == 0) {
        close = memmem(line + 2, len - 2, "::", 2);
        if (close && parse_head(line + 2, (size_t)(close - line - 2), ',', escapes, &c)) {
            /* in a message only these three are escaped */
            static const struct escape message_codes[] = {{"%0D", '\r'}, {"%0A", '\n'}, {"%25", '%'}};
            c.message = unescape(close + 2, (size_t)(end - close - 2), message_codes, 3);
            ok = c.message != NULL;
        }
    } else if ((start = memmem(line, len, "##[", 3))) {
        close = memchr(start, ']', (size_t)(end - start));
        if (close && parse_head(start + 3, (size_t)(close - start - 3), ';', old_escapes, &c)) {
            c.message = unescape(close + 1, (size_t)(end - close - 1), old_escapes, 5);
            ok = c.message != NULL;
        }
    }
    if (ok)
        *ret = c;
    else
        command_release(&c);
    return ok;
}

const char *command_property(const struct command *c, const char *key)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq_ascii_nocase(c->properties[i].key, key))
            return c->properties[i].value;
    return "";
}
