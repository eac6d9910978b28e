/* Characters that nobody sees, by GLib's tables of Unicode. */
#include "runfs/unseen.h"

#include <glib.h>

#include "runfs/cleanup.h"

/* Unicode's Default_Ignorable_Code_Point, as far as g_unichar_type() does not tell; and a blank of Braille.
 */
static const struct {
    gunichar first, last;
} ignored[] = {
    {0x034f, 0x034f}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
    {0x2065, 0x2065}, {0x2800, 0x2800}, {0x3164, 0x3164}, {0xfdd0, 0xfdef},
    {0xfe00, 0xfe0f}, {0xffa0, 0xffa0}, {0xfff0, 0xfff8}, {0xe0000, 0xe0fff},
};

static bool is_emoji(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);

    return c >= 0x80 && (type == G_UNICODE_OTHER_SYMBOL || type == G_UNICODE_MATH_SYMBOL);
}

static bool is_unseen(gunichar c, gunichar before, char after)
{
    if (c < 0x7f)
        return c < ' ' && c != '\t' && c != '\n' && !(c == '\r' && after == '\n');
    if (c == 0xfe0f && is_emoji(before))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        if (c >= ignored[i].first && c <= ignored[i].last)
            return true;
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
        return true;
    default:
        return (c & 0xfffe) == 0xfffe;
    }
}

bool unseen_find(const char *text, size_t len, struct unseen *ret)
{
    const char *end = text + len, *next;
    int line = 1, col = 1;
    gunichar before = 0;

    for (const char *at = text; at < end; at = next) {
        gunichar c = g_utf8_get_char(at);
        next = g_utf8_next_char(at);
        if (is_unseen(c, before, next < end ? *next : '\0')) {
            *ret = (struct unseen){c, (size_t)(at - text), (size_t)(next - at), line, col};
            return true;
        }
        line += c == '\n';
        col = c == '\n' ? 1 : col + 1;
        before = c;
    }
    return false;
}

void unseen_replace(char *text)
{
    struct unseen u;

    for (size_t len = strlen(text); unseen_find(text, len, &u); text += u.at + u.len, len -= u.at + u.len)
        memset(text + u.at, '?', u.len);
}
