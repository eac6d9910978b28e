/* YAML: a tree of tokens becomes libyaml's events, and these text. */
#include "yaml_write.h"

#include <string.h>
#include <yaml.h> /* libyaml */

#include "runfs/str.h"
#include "yaml.h"
#include "yaml_scalar.h"

struct writer {
    yaml_emitter_t emitter;
    struct buf *to;
    size_t max;
    int error;
};

static int on_text(void *data, unsigned char *text, size_t len)
{
    struct writer *w = data;

    buf_add(w->to, text, len);
    if (!buf_ok(w->to))
        w->error = -ENOMEM;
    else if (w->to->len > w->max)
        w->error = -EFBIG;
    return !w->error;
}

static bool emit(struct writer *w, yaml_event_t *event, int made)
{
    if (!w->error && (!made || !yaml_emitter_emit(&w->emitter, event)))
        w->error = w->error ? w->error : -ENOMEM;
    return !w->error;
}

/* A string that, written plainly, would be read as something else. */
static bool looks_like_other(const char *text)
{
    struct token t = {.str = text, .len = strlen(text)};

    return yaml_match_null(&t) || yaml_match_boolean(&t) || yaml_match_integer(&t) || yaml_match_float(&t);
}

static bool write_scalar(struct writer *w, const struct token *t)
{
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    yaml_event_t event;

    if (t->kind == TOKEN_STRING && memchr(t->str, '\n', t->len))
        style = YAML_LITERAL_SCALAR_STYLE;
    else if (t->kind == TOKEN_STRING && looks_like_other(t->str))
        style = YAML_SINGLE_QUOTED_SCALAR_STYLE;
    return emit(w, &event,
                yaml_scalar_event_initialize(&event, NULL, NULL, (const unsigned char *)t->str, (int)t->len,
                                             1, t->kind == TOKEN_STRING, style));
}

static bool write_token(struct writer *w, const struct token *t, int depth)
{
    yaml_event_t event;

    if (depth > YAML_MAX_DEPTH + 8) {
        w->error = -EFBIG;
        return false;
    }
    if (t->kind == TOKEN_SEQUENCE) {
        emit(w, &event,
             yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
        for (size_t i = 0; i < t->seq.n && !w->error; i++)
            write_token(w, t->seq.items[i], depth + 1);
        return emit(w, &event, yaml_sequence_end_event_initialize(&event));
    }
    if (t->kind != TOKEN_MAPPING)
        return write_scalar(w, t);
    emit(w, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (size_t i = 0; i < t->map.n && !w->error; i++) {
        write_token(w, t->map.pairs[i].key, depth + 1);
        write_token(w, t->map.pairs[i].value, depth + 1);
    }
    return emit(w, &event, yaml_mapping_end_event_initialize(&event));
}

int yaml_write(const struct token *t, size_t max, struct buf *ret)
{
    struct writer w = {.to = ret, .max = max};
    yaml_event_t event;

    if (!yaml_emitter_initialize(&w.emitter))
        return -ENOMEM;
    yaml_emitter_set_output(&w.emitter, on_text, &w);
    yaml_emitter_set_unicode(&w.emitter, 1);
    yaml_emitter_set_width(&w.emitter, -1);
    emit(&w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    write_token(&w, t, 0);
    emit(&w, &event, yaml_document_end_event_initialize(&event, 1));
    emit(&w, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&w.emitter);
    return w.error;
}
