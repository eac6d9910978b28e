/* A worker's sink: each event of its job is a line. What is secret is masked here, before it travels. */
#include "worker.h"

#include "runfs/io.h"

static json_t *event(const char *type, json_int_t step)
{
    return json_pack("{s:s, s:I, s:I}", "type", type, "time", (json_int_t)now_ns(), "step", step);
}

/* Steps count from 0, in the order in which they were made known; -1 is none. */
static json_int_t number(const struct worker *w, size_t step)
{
    return step < w->n_steps ? (json_int_t)step : -1;
}

static size_t step_added(void *data, enum step_place place, const char *name)
{
    static const char *const places[] = {"setup", "pre", "post"};
    struct worker *w = data;
    json_t *line = event("step_added", (json_int_t)w->n_steps);

    json_object_set_new(line, "place", json_string(places[place]));
    json_object_set_new(line, "name", wire_text(name));
    (void)wire_write(&w->wire, line);
    return w->n_steps++;
}

static void step_started(void *data, size_t step, const char *name)
{
    struct worker *w = data;
    json_t *line = event("step_started", number(w, step));

    json_object_set_new(line, "name", wire_text(name));
    (void)wire_write(&w->wire, line);
}

static int output(void *data, size_t step, int stream, const char *bytes, size_t len)
{
    static const char *const streams[] = {"runner", "stdout", "stderr"};
    struct worker *w = data;
    int r = atomic_load(&w->unkept);

    while (r == 0 && len > 0) {
        size_t n = len < WIRE_PIECE ? len : WIRE_PIECE;
        json_t *line = event("output", number(w, step));
        json_object_set_new(line, "stream", json_string(streams[stream == 1 || stream == 2 ? stream : 0]));
        json_object_set_new(line, "text", wire_bytes(bytes, n));
        r = wire_write(&w->wire, line);
        bytes += n;
        len -= n;
    }
    return r;
}

static void annotation(void *data, size_t step, const struct job_annotation *a)
{
    struct worker *w = data;
    json_t *line = event("annotation", number(w, step));

    json_object_set_new(line, "level", wire_text(a->level));
    json_object_set_new(line, "title", wire_text(a->title));
    json_object_set_new(line, "file", wire_text(a->file));
    json_object_set_new(line, "line", json_integer(a->line));
    json_object_set_new(line, "col", json_integer(a->col));
    json_object_set_new(line, "message", wire_text(a->message));
    (void)wire_write(&w->wire, line);
}

/* What a job found to be secret only this side knows. */
static json_t *masked(struct worker *w, json_t *outputs)
{
    json_t *result = json_object(), *value;
    const char *key;

    json_object_foreach(outputs, key, value)
    {
        _buf_ struct buf text = BUF_INIT;
        mask_apply(w->mask, json_string_value(value), json_string_length(value), &text);
        json_object_set_new(result, key, wire_bytes(buf_str(&text), text.len));
    }
    return result;
}

static void step_completed(void *data, size_t step, const struct step_result *r)
{
    struct worker *w = data;
    json_t *line = event("step_completed", number(w, step));

    json_object_set_new(line, "name", wire_text(r->name));
    json_object_set_new(line, "outcome", wire_text(r->outcome));
    json_object_set_new(line, "conclusion", wire_text(r->conclusion));
    json_object_set_new(line, "exit_code", json_integer(r->exit_code));
    json_object_set_new(line, "script", wire_text(r->script));
    json_object_set_new(line, "shell", wire_text(r->shell));
    json_object_set_new(line, "env", wire_text(r->env));
    json_object_set_new(line, "cwd", wire_text(r->cwd));
    json_object_set_new(line, "why", wire_text(r->why));
    json_object_set_new(line, "summary", wire_text(r->summary));
    json_object_set_new(line, "outputs", masked(w, r->outputs));
    (void)wire_write(&w->wire, line);
}

struct job_sink worker_events(struct worker *w)
{
    return (struct job_sink){.data = w,
                             .step_added = step_added,
                             .step_started = step_started,
                             .output = output,
                             .annotation = annotation,
                             .step_completed = step_completed};
}

int worker_tell_end(struct worker *w, const struct job_result *result)
{
    return wire_write(&w->wire,
                      json_pack("{s:s, s:I, s:s, s:i, s:O*, s:o*}", "type", "job_completed", "time",
                                (json_int_t)now_ns(), "conclusion", job_status_name(result->status),
                                "exit_code", result->exit_code, "outputs", result->outputs, "environment_url",
                                result->environment_url ? wire_text(result->environment_url) : NULL));
}
