/* How steps failed, and what was different when they succeeded again. */
#include "knowledge_internal.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

#define EXIT_CODE "exit code "
#define WORDLESS "failed without a word"

enum { OUTPUT_MAX = 256 * 1024 }; /* of a failed step's output is read: its end */

/* --------------------------------------------------------------------------------------------- its output */

static void read_end(struct store *st, const struct log_select *select, struct buf *ret)
{
    struct log_view *view = NULL;

    if (log_view_open(st, select, &view, NULL) < 0)
        return;
    int64_t size = log_view_size(view), at = size > OUTPUT_MAX ? size - OUTPUT_MAX : 0;
    char *to = size > at ? buf_reserve(ret, (size_t)(size - at)) : NULL;
    while (to && at < size) {
        ssize_t n = log_view_read(view, to, (size_t)(size - at), at);
        if (n <= 0)
            break;
        to += n;
        at += n;
        ret->len += (size_t)n;
    }
    if (ret->ptr)
        ret->ptr[ret->len] = '\0';
    log_view_close(view);
}

void step_output(struct store *st, int64_t run_id, int64_t step_id, struct buf *ret)
{
    read_end(st,
             &(struct log_select){.run_id = run_id, .step_id = step_id, .streams = LOG_STDOUT | LOG_STDERR},
             ret);
}

/* The runner's own reason, where the step itself said nothing: "##[error]The operation was canceled." */
static void runner_reason(const char *text, struct buf *ret)
{
    const char *at = strstr(text, "##[error]");

    if (!at)
        return;
    at += strlen("##[error]");
    if (!str_starts(at, "Process completed with exit code"))
        buf_add(ret, at, strcspn(at, "\r\n"));
}

void learn_failure_line(struct store *st, int64_t run_id, int64_t step_id, int exit_code, struct buf *ret)
{
    struct log_select select = {.run_id = run_id, .step_id = step_id, .streams = LOG_STDOUT | LOG_STDERR};
    _buf_ struct buf output = BUF_INIT, runner = BUF_INIT;

    read_end(st, &select, &output);
    failure_line(buf_str(&output), output.len, ret);
    if (ret->len && utf8_valid(ret->ptr, ret->len))
        unseen_replace(ret->ptr); /* it is shown in many places, and lessons are made of it */
    if (ret->len)
        return;
    select.streams = LOG_RUNNER;
    read_end(st, &select, &runner);
    runner_reason(buf_str(&runner), ret);
    if (!ret->len && exit_code >= 0)
        buf_addf(ret, EXIT_CODE "%d", exit_code);
    else if (!ret->len)
        buf_adds(ret, WORDLESS);
}

/* ------------------------------------------------------------------------------------ what was different */

/* Whether a line stands in a text. */
static bool has_line(const char *text, const char *line, size_t len)
{
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        if (n == len && memcmp(at, line, len) == 0)
            return true;
        at += n + (at[n] == '\n');
    }
    return false;
}

static void add_missing(const char *from, const char *in, char mark, struct buf *ret)
{
    for (const char *at = from; *at;) {
        size_t n = strcspn(at, "\n");
        if (n && !has_line(in, at, n))
            buf_addf(ret, "%c %.*s\n", mark, (int)(n < COMMAND_TEXT_MAX ? n : COMMAND_TEXT_MAX), at);
        at += n + (at[n] == '\n');
    }
}

static void compare_lines(const char *what, const char *before, const char *after, struct buf *ret)
{
    if (str_eq(before, after))
        return;
    buf_addf(ret, "%s:\n", what);
    add_missing(before, after, '-', ret);
    add_missing(after, before, '+', ret);
}

static void compare_runs(struct store *st, int64_t before_id, int64_t after_id, struct buf *ret)
{
    const struct run_row *before = store_get_run(st, before_id), *after = store_get_run(st, after_id);
    _buf_ struct buf old = BUF_INIT, new = BUF_INIT;

    (void)store_run_text(st, before_id, RUN_INPUTS, &old);
    (void)store_run_text(st, after_id, RUN_INPUTS, &new);
    compare_lines("inputs", buf_str(&old), buf_str(&new), ret);
    if (before && after && !str_eq(before->sha, after->sha))
        buf_addf(ret, "commit:\n- %s\n+ %s\n", before->sha, after->sha);
    run_row_unref(before);
    run_row_unref(after);
}

static void describe_fix(struct store *st, const struct learn_step *step, const struct open_failure *open,
                         struct buf *ret)
{
    const struct step_row *before = store_get_step(st, open->step_id);

    if (before) {
        compare_lines("script", before->script, step->script, ret);
        compare_lines("env", before->env, step->env, ret);
    }
    if (open->run_id != step->run_id)
        compare_runs(st, open->run_id, step->run_id, ret);
    if (!ret->len)
        buf_adds(ret, FIX_UNKNOWN);
    step_row_unref(before);
}

/* The command is that which failed: the one that succeeds now may be another of its step. */
static int learn_flake(struct store *st, const struct learn_step *step, const struct open_failure *open,
                       struct err *err)
{
    struct flake f = {.command_id = store_command_of_step(st, open->run_id, open->step_id),
                      .failed_run_id = open->run_id,
                      .run_id = step->run_id,
                      .failure_id = open->failure_id};

    return f.command_id ? store_record_flake(st, &f, err) : 0;
}

/* Of one that said nothing the command and its exit code are all that is known. */
static void silent_signature(const char *failure, const char *name, struct buf *ret)
{
    bool named = *name && !str_eq(name, "exit");

    if (str_starts(failure, EXIT_CODE) || str_eq(failure, WORDLESS))
        buf_addf(ret, "%s%s%s", named ? name : "", named ? ": " : "", failure);
}

int learn_outcome(struct store *st, const struct learn_step *step, const struct command_place *place,
                  int64_t command, const char *name, struct err *err)
{
    struct failure_place where = {
        .workflow_id = step->workflow_id, .job_key = step->job_key, .number = step->number};
    _buf_ struct buf text = BUF_INIT;
    struct open_failure open;

    if (str_eq(step->outcome, "failure")) {
        silent_signature(step->failure, name, &text);
        if (!text.len)
            failure_normalise(step->failure, &text);
        return store_record_failure(st, place, &where, buf_str(&text), step->failure, command, err);
    }
    if (!store_open_failure(st, &where, &open))
        return 0;
    describe_fix(st, step, &open, &text);
    int r = str_eq(buf_str(&text), FIX_UNKNOWN) ? learn_flake(st, step, &open, err) : 0;
    return r < 0 ? r : store_record_fix(st, &where, open.failure_id, step->run_id, buf_str(&text), err);
}
