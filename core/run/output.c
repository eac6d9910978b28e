/*
 * The output of a step. Whole blocks of lines go through as they are unless a command may stand in them; then
 * each line is looked at. What leaves here is masked.
 */
#include <stdarg.h>

#include "command.h"
#include "envfile.h"
#include "job_internal.h"
#include "runfs/store.h"
#include "runfs/str.h"

enum {
    PENDING_MAX = 64 * 1024,
    UNMATCHED_MAX = 1024 * 1024,
    /* of a step; each that it says costs EACH besides its text */
    EACH = 1024,
    ANNOTATIONS_MAX = 2 * 1024 * 1024,
    OUTPUTS_MAX = 8 * 1024 * 1024,
};

void output_release(struct step_output *o)
{
    for (size_t i = 0; i < ARRAY_LEN(o->pending); i++)
        buf_release(&o->pending[i]);
    command_state_release(&o->commands);
    json_decref(o->matcher_files);
    buf_release(&o->unmatched);
}

/* To the sink, masked. */
static void emit(struct step_output *o, int stream, const char *bytes, size_t len)
{
    const struct job_sink *sink = o->job->sink;
    _buf_ struct buf masked = BUF_INIT;

    if (len == 0 || o->failed)
        return;
    if (mask_matches(o->job->mask, bytes, len)) {
        mask_apply(o->job->mask, bytes, len, &masked);
        bytes = buf_str(&masked);
        len = masked.len;
    }
    o->failed = sink->output(sink->data, o->step, stream, bytes, len);
    o->within_line = bytes[len - 1] != '\n';
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
    emit(o, LOG_RUNNER, buf_str(&line), line.len);
}

/* To the sink, as many as a reader could read. */
static void put_annotation(struct step_output *o, const struct job_annotation *a)
{
    const struct job_sink *sink = o->job->sink;
    size_t cost = EACH + strlen(a->message) + strlen(a->title) + strlen(a->file);
    bool first = o->annotated <= ANNOTATIONS_MAX;

    o->annotated += first ? cost : 0;
    if (o->annotated <= ANNOTATIONS_MAX)
        sink->annotation(sink->data, o->step, a);
    else if (first)
        output_runner_line(o, "##[warning]There are too many annotations: no more are kept of this step.");
}

static void annotate(struct step_output *o, const char *level, const struct command *c, const char *message)
{
    _buf_ struct buf masked = BUF_INIT, title = BUF_INIT, file = BUF_INIT;
    uint64_t line = 0, col = 0;

    mask_apply(o->job->mask, message, strlen(message), &masked);
    if (c) {
        const char *t = command_property(c, "title"), *f = command_property(c, "file");
        mask_apply(o->job->mask, t, strlen(t), &title);
        mask_apply(o->job->mask, f, strlen(f), &file);
        if (parse_u64(command_property(c, "line"), &line) < 0 || line > INT32_MAX)
            line = 0;
        if (parse_u64(command_property(c, "col"), &col) < 0 || col > INT32_MAX)
            col = 0;
    }
    put_annotation(o, &(struct job_annotation){.level = level,
                                               .title = buf_str(&title),
                                               .file = buf_str(&file),
                                               .message = buf_str(&masked),
                                               .line = (int)line,
                                               .col = (int)col});
}

void output_error(struct step_output *o, const char *msg)
{
    output_runner_line(o, "##[error]%s", msg);
    annotate(o, "error", NULL, msg);
}

void output_warning(struct step_output *o, const char *msg)
{
    output_runner_line(o, "##[warning]%s", msg);
    annotate(o, "warning", NULL, msg);
}

/* ---------------------------------------------------------------------------------------------- commands */

typedef void command_fn(struct step_output *o, const struct command *c, int stream);

static void show(struct step_output *o, int stream, const char *prefix, const char *message)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s\n", prefix, message);
    emit(o, stream, buf_str(&line), line.len);
}

static void on_add_mask(struct step_output *o, const struct command *c, int stream)
{
    if (!*c->message) {
        show(o, stream, "##[warning]", "Can't add secret mask for empty string in ##[add-mask] command.");
        return;
    }
    if (mask_add_said(o->job->mask, c->message) < 0) { /* what follows may have it: nothing more is shown */
        output_error(o, "There are too many masks: the step is ended, since no more could be hidden.");
        o->failed = -E2BIG;
        return;
    }
    show(o, stream, "::add-mask::", "***");
}

static void on_issue(struct step_output *o, const struct command *c, int stream)
{
    _buf_ struct buf prefix = BUF_INIT;

    buf_addf(&prefix, "##[%s]", c->name);
    show(o, stream, buf_str(&prefix), c->message);
    annotate(o, c->name, c, c->message);
}

static void on_group(struct step_output *o, const struct command *c, int stream)
{
    show(o, stream, str_eq(c->name, "group") ? "##[group]" : "##[endgroup]", c->message);
}

static void on_debug(struct step_output *o, const struct command *c, int stream)
{
    if (o->job->debug)
        show(o, stream, "##[debug]", c->message);
}

static void on_echo(struct step_output *o, const struct command *c, int stream)
{
    (void)stream;
    o->echo = str_eq_ascii_nocase(c->message, "on");
}

/* Into an object of the step's, as much as there is room for. */
static void keep_said(struct step_output *o, json_t *into, const char *name, const char *value)
{
    bool first = o->said <= OUTPUTS_MAX;

    o->said += first ? EACH / 2 + strlen(name) + strlen(value) : 0;
    if (o->said <= OUTPUTS_MAX) {
        json_object_set_new(into, name, json_string(value));
    } else if (first) {
        o->errored = true;
        output_error(o, "There are too many outputs: no more are kept of this step.");
    }
}

static void on_set_output(struct step_output *o, const struct command *c, int stream)
{
    const char *name = command_property(c, "name");

    if (o->echo)
        show(o, stream, "##[command]set-output ", name);
    if (*name && o->outputs && utf8_valid(c->message, strlen(c->message)))
        keep_said(o, o->outputs, name, c->message);
    show(o, stream, "##[warning]",
         "The `set-output` command is deprecated and will be disabled soon. Please upgrade to using "
         "Environment Files.");
}

static void on_save_state(struct step_output *o, const struct command *c, int stream)
{
    const char *name = command_property(c, "name");

    if (*name && o->state && utf8_valid(c->message, strlen(c->message)))
        keep_said(o, o->state, name, c->message);
    show(o, stream, "##[warning]",
         "The `save-state` command is deprecated and will be disabled soon. Please upgrade to using "
         "Environment Files.");
}

/* `set-env` and `add-path`: off as on GitHub, unless the step's environment opts in. */
static void on_unsecure(struct step_output *o, const struct command *c, int stream)
{
    const char *name = command_property(c, "name");
    _buf_ struct buf msg = BUF_INIT;

    (void)stream;
    if (o->unsecure && str_eq(c->name, "set-env")) {
        if (*name && !str_eq_ascii_nocase(name, "NODE_OPTIONS"))
            json_object_set_new(o->job->set_env, name, json_string(c->message));
        return;
    }
    if (o->unsecure) {
        (void)pathfile_parse(c->message, strlen(c->message), o->job->set_path, NULL);
        return;
    }
    o->errored = true;
    buf_addf(&msg,
             "The `%s` command is disabled. Please upgrade to using Environment Files or opt into unsecure "
             "command "
             "execution by setting the `ACTIONS_ALLOW_UNSECURE_COMMANDS` environment variable to `true`.",
             c->name);
    output_error(o, buf_str(&msg));
}

/* The file is in the machine, which is busy: it is read when the process has ended, and the lines up to there
 * are looked at then. */
static void on_add_matcher(struct step_output *o, const struct command *c, int stream)
{
    (void)stream;
    if (!o->matcher_files)
        o->matcher_files = json_array();
    json_array_append_new(o->matcher_files, json_string(c->message));
}

static void on_remove_matcher(struct step_output *o, const struct command *c, int stream)
{
    (void)stream;
    if (o->job->whole->matchers)
        matchers_remove(o->job->whole->matchers, command_property(c, "owner"));
}

/* Every command that GitHub's runner knows. */
static const struct {
    const char *name;
    command_fn *run;
} commands[] = {
    {"add-mask", on_add_mask},
    {"error", on_issue},
    {"warning", on_issue},
    {"notice", on_issue},
    {"group", on_group},
    {"endgroup", on_group},
    {"debug", on_debug},
    {"echo", on_echo},
    {"set-output", on_set_output},
    {"save-state", on_save_state},
    {"add-matcher", on_add_matcher},
    {"set-env", on_unsecure},
    {"remove-matcher", on_remove_matcher},
    {"add-path", on_unsecure},
};

/* One line, without its newline. True: it was a command and has been dealt with. */
static bool run_command(struct step_output *o, int stream, const char *line, size_t len)
{
    _command_ struct command c = {0};
    struct err err = {0};

    if (o->failed)
        return false;
    int kind = command_next(&o->commands, line, len, &c, &err);

    if (kind < 0) {
        output_error(o, err.msg);
        o->errored = true;
        return true;
    }
    for (size_t i = 0; kind == COMMAND_DO && i < ARRAY_LEN(commands); i++)
        if (str_eq(commands[i].name, c.name)) {
            commands[i].run(o, &c, stream);
            return true;
        }
    return false;
}

static bool may_hold_command(const char *s, size_t len)
{
    return memmem(s, len, "::", 2) || memmem(s, len, "##[", 3);
}

/* A path in the workspace is shown from there on. */
static void show_file(struct step_output *o, const char *file, struct buf *ret)
{
    const char *workspace = machine_paths(o->job->machine)->workspace;
    size_t n = strlen(workspace);

    if (strncmp(file, workspace, n) == 0 && file[n] == '/')
        file += n + 1;
    mask_apply(o->job->mask, file, strlen(file), ret);
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
    show_file(o, buf_str(&ret->file), &file);
    put_annotation(o, &(struct job_annotation){.level = ret->level,
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

    if (o->matcher_files && o->unmatched.len + len < UNMATCHED_MAX) {
        buf_add(&o->unmatched, line, len);
        buf_addc(&o->unmatched, '\n');
    }
    if (!find_problem(o, line, len, &p))
        return false;
    buf_addf(&shown, "##[%s]", p.level);
    buf_add(&shown, line, len);
    buf_addc(&shown, '\n');
    emit(o, stream, buf_str(&shown), shown.len);
    return true;
}

void output_rematch(struct step_output *o)
{
    const char *end = buf_str(&o->unmatched) + o->unmatched.len;

    for (const char *line = buf_str(&o->unmatched); line < end;) {
        _problem_ struct problem p = {0};
        size_t len = strcspn(line, "\n");
        (void)find_problem(o, line, len, &p);
        line += len + 1;
    }
    buf_reset(&o->unmatched);
}

/* Whole lines. */
static void take_lines(struct step_output *o, int stream, const char *s, size_t len)
{
    const char *plain = s, *end = s + len;

    if (!may_hold_command(s, len) && !matchers_any(o->job->whole->matchers) && !o->matcher_files) {
        emit(o, stream, s, len);
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
        if (command || matchers_any(o->job->whole->matchers) || o->matcher_files) {
            emit(o, stream, plain, (size_t)(s - plain));
            bool taken = (command && run_command(o, stream, s, line)) || run_matchers(o, stream, s, line);
            plain = taken ? next : s;
        }
        s = next;
    }
    emit(o, stream, plain, (size_t)(end - plain));
}

int output_chunk(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct step_output *o = data;
    struct buf *pending = &o->pending[stream];
    const char *last = memrchr(bytes, '\n', len);

    if (last) {
        size_t whole = (size_t)(last - bytes) + 1;
        if (pending->len) {
            const char *first = memchr(bytes, '\n', len);
            size_t head = (size_t)(first - bytes) + 1;
            buf_add(pending, bytes, head);
            take_lines(o, (int)stream, buf_str(pending), pending->len);
            buf_reset(pending);
            bytes += head;
            len -= head;
            whole -= head;
        }
        if (whole)
            take_lines(o, (int)stream, bytes, whole);
        bytes += whole;
        len -= whole;
    }
    buf_add(pending, bytes, len);
    if (pending->len >
        PENDING_MAX) { /* a line without an end: all of it but what may be the beginning of a secret */
        size_t held = mask_holdback(o->job->mask, buf_str(pending), pending->len);
        emit(o, (int)stream, buf_str(pending), pending->len - held);
        buf_drop(pending, pending->len - held);
    }
    return buf_ok(pending) ? o->failed : -ENOMEM;
}

void output_finish(struct step_output *o)
{
    for (int stream = MACHINE_STDOUT; stream <= MACHINE_STDERR; stream++) {
        struct buf *pending = &o->pending[stream];
        if (pending->len == 0)
            continue;
        take_lines(o, stream, buf_str(pending), pending->len);
        buf_reset(pending);
    }
}
