/* What a step's output comes to: masked text for the sink, annotations, and what the runner says itself. */
#include <stdarg.h>

#include "output.h"
#include "runfs/log_stream.h"
#include "runfs/str.h"

enum { ANNOTATIONS_MAX = 2 * 1024 * 1024 }; /* of a step, with what each costs */

void output_put(struct step_output *o, int stream, const char *bytes, size_t len)
{
    const struct job_sink *sink = o->job->sink;

    if (len == 0 || o->failed)
        return;
    o->failed = sink->output(sink->data, o->step, stream, bytes, len);
    o->within_line = bytes[len - 1] != '\n';
}

/* What nobody has time to look for secrets in is not shown. */
void output_end_if_exhausted(struct step_output *o)
{
    static const char words[] =
        "##[error]Looking for secrets in its output takes too long: the step is ended.\n";
    const struct job_sink *sink = o->job->sink;

    if (o->failed || !mask_exhausted(o->job->mask))
        return;
    if (o->within_line)
        output_put(o, LOG_RUNNER, "\n", 1);
    output_put(o, LOG_RUNNER, words, strlen(words));
    sink->annotation(sink->data, o->step,
                     &(struct job_annotation){.level = "error",
                                              .title = "",
                                              .file = "",
                                              .message = "Looking for secrets in its output takes too long: "
                                                         "the step is ended."});
    o->failed = -E2BIG;
}

void output_emit(struct step_output *o, int stream, const char *bytes, size_t len)
{
    _buf_ struct buf masked = BUF_INIT;

    if (len == 0 || o->failed)
        return;
    if (!mask_matches(o->job->mask, bytes, len)) {
        output_put(o, stream, bytes, len);
        return;
    }
    mask_apply(o->job->mask, bytes, len, &masked);
    output_put(o, stream, buf_str(&masked), masked.len);
    if (!buf_ok(&masked))
        o->failed = -ENOMEM;
    output_end_if_exhausted(o);
}

void output_runner_line(struct step_output *o, const char *fmt, ...)
{
    _buf_ struct buf line = BUF_INIT;
    va_list ap;

    if (o->within_line)
        buf_addc(&line, '\n');
    va_start(ap, fmt);
    buf_addv(&line, fmt, ap);
    va_end(ap);
    buf_addc(&line, '\n');
    output_emit(o, LOG_RUNNER, buf_str(&line), line.len);
}

void output_annotation(struct step_output *o, const struct job_annotation *a)
{
    const struct job_sink *sink = o->job->sink;
    size_t cost = OUTPUT_EACH + strlen(a->message) + strlen(a->title) + strlen(a->file);
    bool first = o->annotated <= ANNOTATIONS_MAX;

    o->annotated += first ? cost : 0;
    if (o->annotated <= ANNOTATIONS_MAX)
        sink->annotation(sink->data, o->step, a);
    else if (first)
        output_runner_line(o, "##[warning]There are too many annotations: no more are kept of this step.");
}

static int number_property(const struct command *c, const char *key)
{
    uint64_t n;

    return c && parse_u64(command_property(c, key), &n) == 0 && n <= INT32_MAX ? (int)n : 0;
}

/* Where an annotation begins; what does not fit together is left out, as GitHub's runner does. */
static void place_of(const struct command *c, int *line, int *col)
{
    int end_line = number_property(c, "endLine"), end_col = number_property(c, "endColumn");

    *line = number_property(c, "line");
    *col = number_property(c, "col");
    *line = *line ? *line : end_line;
    *col = *col ? *col : end_col;
    if (!*line || (end_line && end_line != *line) || (end_col && end_col < *col))
        *col = 0;
    if (end_line && end_line < *line)
        *line = 0;
}

void output_shown_file(struct step_output *o, const char *file, struct buf *ret)
{
    const char *workspace = machine_paths(o->job->machine)->workspace;
    size_t n = strlen(workspace);

    if (strncmp(file, workspace, n) == 0 && file[n] == '/')
        file += n + 1;
    mask_apply(o->job->mask, file, strlen(file), ret);
}

void output_annotate(struct step_output *o, const char *level, const struct command *c, const char *message)
{
    _buf_ struct buf masked = BUF_INIT, title = BUF_INIT, file = BUF_INIT;
    int line = 0, col = 0;

    mask_apply(o->job->mask, message, strlen(message), &masked);
    if (c) {
        const char *t = command_property(c, "title");
        mask_apply(o->job->mask, t, strlen(t), &title);
        output_shown_file(o, command_property(c, "file"), &file);
        place_of(c, &line, &col);
    }
    output_annotation(o, &(struct job_annotation){.level = level,
                                                  .title = buf_str(&title),
                                                  .file = buf_str(&file),
                                                  .message = buf_str(&masked),
                                                  .line = line,
                                                  .col = col});
}

void output_error(struct step_output *o, const char *msg)
{
    output_runner_line(o, "##[error]%s", msg);
    output_annotate(o, "error", NULL, msg);
}

void output_warning(struct step_output *o, const char *msg)
{
    output_runner_line(o, "##[warning]%s", msg);
    output_annotate(o, "warning", NULL, msg);
}
