/* A workflow's badge: its name, and in a word what came of it. Letters have no widths here, so each text is
 * made as wide as it is supposed to be. */
#include "picture.h"
#include "runfs/str.h"

enum { HEIGHT = 20, LETTER = 7, PAD = 8, LETTERS_MAX = 64 };

static size_t letters(const char *text)
{
    size_t n = 0;

    for (; *text && n < LETTERS_MAX; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void add_part(struct buf *b, size_t from, size_t width, const char *colour, const char *text)
{
    buf_addf(b,
             "<rect x=\"%zu\" width=\"%zu\" height=\"%d\" fill=\"%s\"/>"
             "<text x=\"%zu\" y=\"14\" textLength=\"%zu\">",
             from, width, HEIGHT, colour, from + PAD, width - (size_t)2 * PAD);
    svg_clipped(b, text, LETTERS_MAX);
    buf_adds(b, "</text>");
}

int picture_badge(const char *name, const struct run_row *run, struct buf *ret)
{
    const char *word = run ? run->conclusion : "no status", *colour = "#6e7781";
    size_t left = letters(name) * LETTER + (size_t)2 * PAD;

    if (run && str_eq(word, "success")) {
        word = "passing";
        colour = "#1a7f37";
    } else if (run && (str_eq(word, "failure") || str_eq(word, "interrupted") || str_eq(word, "timed_out"))) {
        word = "failing";
        colour = "#cf222e";
    }
    size_t right = letters(word) * LETTER + (size_t)2 * PAD;
    buf_addf(
        ret,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%d\" role=\"img\" fill=\"#fff\" "
        "font-family=\"sans-serif\" font-size=\"11\"><title>",
        left + right, HEIGHT);
    svg_clipped(ret, name, LETTERS_MAX);
    buf_addf(ret, " - %s</title>", word);
    add_part(ret, 0, left, "#24292f", name);
    add_part(ret, left, right, colour, word);
    buf_adds(ret, "</svg>\n");
    return buf_ok(ret) ? 0 : -ENOMEM;
}
