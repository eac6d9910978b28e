/* Pieces of a workflow's text: scripts as blocks where they can be read, all other text quoted. */
#include "core/lang/workflow_text.h"

#include <jansson.h>

#include "runfs/str.h"
#include "runfs/unseen.h"

/* A JSON string is a YAML string, but for what ends lines there, or may not stand in it. */
int workflow_text_quoted(struct buf *b, const char *text, size_t len)
{
    _json_ json_t *string = json_stringn(text, len);
    _free_ char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    struct unseen u;

    if (!quoted)
        return -EINVAL;
    const char *at = quoted, *end = quoted + strlen(quoted);
    while (unseen_find(at, (size_t)(end - at), &u)) {
        buf_add(b, at, u.at);
        buf_addf(b, u.code > 0xffff ? "\\U%08x" : "\\u%04x", u.code);
        at += u.at + u.len;
    }
    buf_adds(b, at);
    return 0;
}

/* Whether the text can stand in a block as it is; else it is quoted. */
static bool is_plain(const char *text, size_t len)
{
    struct unseen u;
    size_t blank = 0;

    while (blank < len && text[blank] == '\n')
        blank++;
    return blank < len && !memchr(text, '\r', len) && !unseen_find(text, len, &u);
}

/* How a block is indented, where its first line does not show it, and what becomes of the ends of lines
 * behind it: https://yaml.org/spec/1.2.2/#81-block-scalar-styles */
static void add_header(struct buf *b, const char *text, size_t len)
{
    bool ends = text[len - 1] == '\n', ends_twice = ends && text[len - 2] == '\n';

    buf_addf(b, "        run: |%s%s\n", *text == ' ' || *text == '\t' || *text == '\n' ? "2" : "",
             !ends        ? "-"
             : ends_twice ? "+"
                          : "");
}

int workflow_text_script(struct buf *b, const char *text, size_t len)
{
    int r = 0;

    if (!utf8_valid(text, len))
        return -EINVAL;
    if (!is_plain(text, len)) {
        buf_adds(b, "        run: ");
        r = workflow_text_quoted(b, text, len);
        buf_addc(b, '\n');
        return r;
    }
    add_header(b, text, len);
    for (const char *line = text, *end; line < text + len; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text + len - line));
        end = end ? end : text + len;
        buf_adds(b, end == line ? "" : "          ");
        buf_add(b, line, (size_t)(end - line));
        buf_addc(b, '\n');
    }
    return r;
}
