/*
 * The output of a step. Whole blocks of lines go through as they are unless a command may stand in them; then
 * each line is looked at. What leaves here is masked.
 */
#include "output.h"
#include "runfs/str.h"

enum {
    PENDING_MAX = 64 * 1024,
    COMMAND_MAX = 2 * 1024 * 1024, /* a line that may be a command: GitHub lets an output have 1 MB */
    UNMATCHED_MAX = 1024 * 1024,
};

void output_release(struct step_output *o)
{
    for (size_t i = 0; i < ARRAY_LEN(o->pending); i++) {
        buf_release(&o->pending[i]);
        mask_stream_release(&o->endless[i]);
    }
    command_state_release(&o->commands);
    json_decref(o->matcher_changes);
    buf_release(&o->unmatched);
}

static bool may_hold_command(const char *s, size_t len)
{
    return memmem(s, len, "::", 2) || memmem(s, len, "##[", 3);
}

static void say_dropped(struct step_output *o)
{
    _buf_ struct buf owners = BUF_INIT, msg = BUF_INIT;

    if (!matchers_dropped(o->job->whole->matchers, &owners))
        return;
    buf_addf(&msg, "Removing issue matcher '%.300s': it took too long.", buf_str(&owners));
    output_warning(o, buf_str(&msg));
}

static bool find_problem(struct step_output *o, const char *line, size_t len, struct problem *ret)
{
    struct matchers *ms = o->job->whole->matchers;
    _buf_ struct buf masked = BUF_INIT, file = BUF_INIT;

    bool found = matchers_any(ms) && matchers_match(ms, line, len, ret);
    if (ms)
        say_dropped(o);
    if (!found)
        return false;
    mask_apply(o->job->mask, buf_str(&ret->message), ret->message.len, &masked);
    output_shown_file(o, buf_str(&ret->file), &file);
    output_annotation(o, &(struct job_annotation){.level = ret->level,
                                                  .title = "",
                                                  .file = buf_str(&file),
                                                  .message = buf_str(&masked),
                                                  .line = ret->line,
                                                  .col = ret->col});
    return true;
}

/* A line that a problem matcher knows is shown as what it is. */
static bool run_matchers(struct step_output *o, int stream, const char *line, size_t len)
{
    _problem_ struct problem p = {0};
    _buf_ struct buf shown = BUF_INIT;

    if (o->matcher_changes && o->unmatched.len + len < UNMATCHED_MAX) {
        buf_add(&o->unmatched, line, len);
        buf_addc(&o->unmatched, '\n');
        return false;
    }
    if (!find_problem(o, line, len, &p))
        return false;
    buf_addf(&shown, "##[%s]", p.level);
    buf_add(&shown, p.plain.ptr, p.plain.len);
    buf_addc(&shown, '\n');
    output_emit(o, stream, buf_str(&shown), shown.len);
    return true;
}

void output_rematch(struct step_output *o, size_t at)
{
    size_t end = at < o->unmatched.len ? at : o->unmatched.len;

    while (o->rematched < end) {
        _problem_ struct problem p = {0};
        const char *line = buf_str(&o->unmatched) + o->rematched;
        size_t len = strcspn(line, "\n");
        (void)find_problem(o, line, len, &p);
        o->rematched += len + 1;
    }
}

/* Whole lines. */
static void take_lines(struct step_output *o, int stream, const char *s, size_t len)
{
    const char *plain = s, *end = s + len;

    if (!may_hold_command(s, len) && !matchers_any(o->job->whole->matchers) && !o->matcher_changes) {
        output_emit(o, stream, s, len);
        return;
    }
    while (s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        const char *stop = newline ? newline : end;
        size_t line = (size_t)(stop - s);
        const char *next = newline ? newline + 1 : end;
        if (line && s[line - 1] == '\r')
            line--;
        bool command = may_hold_command(s, line);
        if (command || matchers_any(o->job->whole->matchers) || o->matcher_changes) {
            output_emit(o, stream, plain, (size_t)(s - plain));
            bool taken = (command && output_command(o, stream, s, line)) || run_matchers(o, stream, s, line);
            plain = taken ? next : s;
        }
        s = next;
    }
    output_emit(o, stream, plain, (size_t)(end - plain));
}

/* How long a line may become before it is shown without its end. */
static size_t longest(const struct buf *begun)
{
    const char *s = buf_str(begun) + strspn(buf_str(begun), " \t");

    return strncmp(s, "::", 2) == 0 || strncmp(s, "##[", 3) == 0 ? COMMAND_MAX : PENDING_MAX;
}

/*
 * A line that is longer than that is shown as it comes, but for what may be the beginning of a secret.
 * Neither commands nor problems are looked for in parts of it: whoever can say where it is cut could begin
 * one there.
 */
static void take_endless(struct step_output *o, int stream, const char *bytes, size_t len, bool ends)
{
    struct mask_stream *s = &o->endless[stream];
    _buf_ struct buf sure = BUF_INIT;

    if (!s->mask)
        *s = MASK_STREAM(o->job->mask);
    mask_stream_feed(s, bytes, len, &sure);
    if (ends) {
        mask_stream_flush(s, &sure);
        mask_stream_release(s);
        *s = (struct mask_stream){0};
    }
    output_put(o, stream, buf_str(&sure), sure.len);
    if (!buf_ok(&sure))
        o->failed = -ENOMEM;
    output_end_if_exhausted(o);
}

/* The end of the line that the chunk before it left without one, as far as it is there: how much that is. */
static size_t take_rest(struct step_output *o, int stream, const char *bytes, size_t len)
{
    struct buf *pending = &o->pending[stream];
    const char *newline = memchr(bytes, '\n', len);
    size_t rest = newline ? (size_t)(newline - bytes) + 1 : len;

    if (o->endless[stream].mask) {
        take_endless(o, stream, bytes, rest, newline != NULL);
        return rest;
    }
    if (!newline || pending->len == 0)
        return 0;
    buf_add(pending, bytes, rest);
    take_lines(o, stream, buf_str(pending), pending->len);
    buf_reset(pending);
    return rest;
}

int output_chunk(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct step_output *o = data;
    struct buf *pending = &o->pending[stream];
    size_t rest = take_rest(o, (int)stream, bytes, len);

    bytes += rest;
    len -= rest;
    const char *last = memrchr(bytes, '\n', len);
    size_t whole = last ? (size_t)(last - bytes) + 1 : 0;
    if (whole)
        take_lines(o, (int)stream, bytes, whole);
    buf_add(pending, bytes + whole, len - whole);
    if (!buf_ok(pending))
        return -ENOMEM;
    if (pending->len > longest(pending)) {
        take_endless(o, (int)stream, pending->ptr, pending->len, false);
        buf_reset(pending);
    }
    return o->failed;
}

void output_finish(struct step_output *o)
{
    for (int stream = MACHINE_STDOUT; stream <= MACHINE_STDERR; stream++) {
        struct buf *pending = &o->pending[stream];
        if (o->endless[stream].mask)
            take_endless(o, stream, "", 0, true);
        else if (pending->len)
            take_lines(o, stream, buf_str(pending), pending->len);
        buf_reset(pending);
    }
}
