/* Concepts as pages of Markdown: what they are called. */
#include "runfs/automaton.h"
#include "runfs/roles.h"
#include "runfs/str.h"

struct page {
    struct concept_page *ret;
    const char **synonyms;
    bool failed, is_concept, fenced;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
    while (*len && is_blank(**text)) {
        ++*text;
        --*len;
    }
    while (*len && is_blank((*text)[*len - 1]))
        --*len;
}

/* "[[a]]" is a. */
static void unlink_text(const char **text, size_t *len)
{
    trim(text, len);
    if (*len >= 4 && memcmp(*text, "[[", 2) == 0 && memcmp(*text + *len - 2, "]]", 2) == 0) {
        *text += 2;
        *len -= 4;
        trim(text, len);
    }
}

static const char *keep(struct page *p, const char *text, size_t len)
{
    char *copy = arena_strndup(&p->ret->arena, text, len);

    p->failed |= !copy;
    return copy;
}

static void add_synonym(struct page *p, const char *text, size_t len)
{
    unlink_text(&text, &len);
    if (len == 0 || len > AUTOMATON_TERM_MAX || p->ret->n_synonyms == CONCEPT_SYNONYMS_MAX)
        return;
    const char *copy = keep(p, text, len);
    for (size_t i = 0; copy && i < p->ret->n_synonyms; i++)
        if (str_eq(p->synonyms[i], copy))
            return;
    if (copy)
        p->synonyms[p->ret->n_synonyms++] = copy;
}

static void add_synonyms(struct page *p, const char *text, size_t len)
{
    for (const char *end = text + len; text <= end;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        add_synonym(p, text, (size_t)((comma ? comma : end) - text));
        text = (comma ? comma : end) + 1;
    }
}

/* Words of a file's name: '-' and '_' stand for blanks. */
static const char *words(struct page *p, const char *text, size_t len)
{
    char *copy = arena_strndup(&p->ret->arena, text, len);

    p->failed |= !copy;
    for (char *c = copy; c && *c; c++)
        if (*c == '-' || *c == '_')
            *c = ' ';
    return copy;
}

/* "key:: values", as outliners write properties. */
static void read_property(struct page *p, const char *line, size_t len)
{
    const char *colons = memmem(line, len, "::", 2);
    size_t key = colons ? (size_t)(colons - line) : 0;

    for (size_t i = 0; i < key; i++)
        if (is_blank(line[i]) || line[i] == ':')
            return;
    if (key == strlen("synonyms") && strncasecmp(line, "synonyms", key) == 0) {
        p->is_concept = true;
        add_synonyms(p, colons + 2, len - key - 2);
    }
}

static void read_line(struct page *p, const char *line, size_t len)
{
    trim(&line, &len);
    if (len >= 3 && (memcmp(line, "```", 3) == 0 || memcmp(line, "~~~", 3) == 0)) {
        p->fenced = !p->fenced;
        return;
    }
    if (p->fenced || len == 0)
        return;
    if (line[0] == '#' && !p->ret->name) {
        while (len && *line == '#') {
            line++;
            len--;
        }
        trim(&line, &len);
        if (len)
            p->ret->name =
                keep(p, line, len < AUTOMATON_TERM_MAX ? len : utf8_valid_prefix(line, AUTOMATON_TERM_MAX));
        return;
    }
    if (len > 2 && (line[0] == '-' || line[0] == '*') && is_blank(line[1])) {
        line++;
        len--;
        trim(&line, &len);
    }
    read_property(p, line, len);
}

int concept_read(const char *file, const char *text, size_t len, struct concept_page *ret)
{
    struct page p = {.ret = ret};
    size_t stem = strlen(file) - (str_ends(file, ".md") ? strlen(".md") : 0);

    if (!utf8_valid(text, len) || memchr(text, '\0', len))
        return -ENOENT;
    p.synonyms = arena_array(&ret->arena, const char *, CONCEPT_SYNONYMS_MAX);
    const char *plain = words(&p, file, stem);
    if (!p.synonyms || !plain)
        return -ENOMEM;
    add_synonym(&p, plain, strlen(plain));
    for (const char *end = text + len, *next; text < end; text = next + 1) {
        next = memchr(text, '\n', (size_t)(end - text));
        next = next ? next : end;
        read_line(&p, text, (size_t)(next - text));
    }
    if (!ret->name)
        ret->name = plain;
    add_synonym(&p, ret->name, strlen(ret->name));
    ret->synonyms = p.synonyms;
    return p.failed ? -ENOMEM : p.is_concept ? 0 : -ENOENT;
}

void concept_page_release(struct concept_page *c)
{
    arena_release(&c->arena);
    *c = (struct concept_page){0};
}
