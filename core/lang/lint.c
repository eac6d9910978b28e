/* Complaints: gathered in GitHub's order, worded with file and place. */
#include <stdarg.h>

#include "runfs/str.h"
#include "runfs/unseen.h"
#include "workflow_internal.h"

enum { MESSAGE_MAX = 500 }; /* characters; GitHub cuts longer ones */

void lint_release(struct lint *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->errors[i].msg);
    free(l->errors);
    *l = (struct lint){0};
}

const char *lint_message(const struct lint_error *e)
{
    char place[64];

    snprintf(place, sizeof(place), " (Line: %d, Col: %d): ", e->line, e->col);
    const char *at = strstr(e->msg, place);
    return at ? at + strlen(place) : e->msg;
}

/* Cuts after 500 characters, as GitHub does, never inside of one. */
static void cut(struct buf *msg)
{
    size_t chars = 0;

    for (size_t i = 0; i < msg->len; i++) {
        unsigned char c = (unsigned char)msg->ptr[i];
        if ((c & 0xC0) == 0x80)
            continue;
        if (chars == MESSAGE_MAX) {
            msg->len = i;
            msg->ptr[i] = '\0';
            buf_adds(msg, "[...]");
            return;
        }
        chars += c >= 0xF0 ? 2 : 1;
    }
}

/* Files are others' work, and their words are read in terminals. Lines stay: GitHub's messages have them,
 * too. */
static void clean(char *msg)
{
    if (utf8_valid(msg, strlen(msg)))
        unseen_replace(msg);
}

/* Takes msg. The list grows when its length is a power of two, so no capacity is kept. */
int lint_add(struct lint *l, int line, int col, char *msg)
{
    if (l->n >= WORKFLOW_MAX_ERRORS) {
        free(msg);
        return 0;
    }
    if ((l->n & (l->n - 1)) == 0) {
        size_t cap = l->n ? l->n * 2 : 1;
        struct lint_error *grown = reallocarray(l->errors, cap, sizeof(*grown));
        if (!grown) {
            free(msg);
            return -ENOMEM;
        }
        l->errors = grown;
    }
    clean(msg);
    l->errors[l->n++] = (struct lint_error){line, col, msg};
    return 0;
}

void parse_error_at(struct parse *p, int line, int col, const char *text)
{
    _buf_ struct buf msg = BUF_INIT;

    buf_adds(&msg, p->file);
    if (line > 0)
        buf_addf(&msg, " (Line: %d, Col: %d)", line, col);
    buf_addf(&msg, ": %s", text);
    if (buf_ok(&msg))
        cut(&msg);
    char *owned = buf_steal(&msg);
    if (!owned || lint_add(p->run->lint, line, col, owned) < 0)
        p->no_memory = true;
}

void parse_error(struct parse *p, const struct token *at, const char *fmt, ...)
{
    _buf_ struct buf text = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&text, fmt, ap);
    va_end(ap);
    if (!buf_ok(&text))
        p->no_memory = true;
    parse_error_at(p, at ? at->line : 0, at ? at->col : 0, buf_str(&text));
}

int lint_prefix(struct lint *lint, size_t first, const char *file, int line, int col)
{
    for (size_t i = first; i < lint->n; i++) {
        struct lint_error *e = &lint->errors[i];
        _buf_ struct buf msg = BUF_INIT;
        if (str_starts(e->msg, file))
            continue;
        buf_addf(&msg, "In %s (Line: %d, Col: %d): Error from called workflow %s", file, line, col, e->msg);
        char *owned = buf_steal(&msg);
        if (!owned)
            return -ENOMEM;
        free(e->msg);
        *e = (struct lint_error){line, col, owned};
    }
    return 0;
}
