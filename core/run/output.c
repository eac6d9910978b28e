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
    COMMAND_MAX = 2 * 1024 * 1024, /* a line that may be a command: GitHub lets an output have 1 MB */
    UNMATCHED_MAX = 1024 * 1024,
    /* of a step; each that it says costs EACH besides its text */
    EACH = 1024,
    ANNOTATIONS_MAX = 2 * 1024 * 1024,
    OUTPUTS_MAX = 8 * 1024 * 1024,
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

/* To the sink, as it is. */
static void put(struct step_output *o, int stream, const char *bytes, size_t len)
{
    const struct job_sink *sink = o->job->sink;

    if (len == 0 || o->failed)
        return;
    o->failed = sink->output(sink->data, o->step, stream, bytes, len);
    o->within_line = bytes[len - 1] != '\n';
}

/* What nobody has time to look for secrets in is not shown. */
static void end_if_exhausted(struct step_output *o)
{
    static const char words[] =
        "##[error]Looking for secrets in its output takes too long: the step is ended.\n";
    const struct job_sink *sink = o->job->sink;

    if (o->failed || !mask_exhausted(o->job->mask))
        return;
    if (o->within_line)
        put(o, LOG_RUNNER, "\n", 1);
    put(o, LOG_RUNNER, words, strlen(words));
    sink->annotation(sink->data, o->step,
                     &(struct job_annotation){.level = "error",
                                              .title = "",
                                              .file = "",
                                              .message = "Looking for secrets in its output takes too long: "
                                                         "the step is ended."});
    o->failed = -E2BIG;
}

/* To the sink, masked. */
static void emit(struct step_output *o, int stream, const char *bytes, size_t len)
{
    _buf_ struct buf masked = BUF_INIT;

    if (len == 0 || o->failed)
        return;
    if (!mask_matches(o->job->mask, bytes, len)) {
        put(o, stream, bytes, len);
        return;
    }
    mask_apply(o->job->mask, bytes, len, &masked);
    put(o, stream, buf_str(&masked), masked.len);
    if (!buf_ok(&masked))
        o->failed = -ENOMEM;
    end_if_exhausted(o);
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

/* A path in the workspace is shown from there on. */
static void show_file(struct step_output *o, const char *file, struct buf *ret)
{
    const char *workspace = machine_paths(o->job->machine)->workspace;
    size_t n = strlen(workspace);

    if (strncmp(file, workspace, n) == 0 && file[n] == '/')
        file += n + 1;
    mask_apply(o->job->mask, file, strlen(file), ret);
}

static void annotate(struct step_output *o, const char *level, const struct command *c, const char *message)
{
    _buf_ struct buf masked = BUF_INIT, title = BUF_INIT, file = BUF_INIT;
    int line = 0, col = 0;

    mask_apply(o->job->mask, message, strlen(message), &masked);
    if (c) {
        const char *t = command_property(c, "title");
        mask_apply(o->job->mask, t, strlen(t), &title);
        show_file(o, command_property(c, "file"), &file);
        place_of(c, &line, &col);
    }
    put_annotation(o, &(struct job_annotation){.level = level,
                                               .title = buf_str(&title),
                                               .file = buf_str(&file),
                                               .message = buf_str(&masked),
                                               .line = line,
                                               .col = col});
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

void output_command_error(struct step_output *o, const char *line, const char *why)
{
    _buf_ struct buf msg = BUF_INIT;

    buf_addf(&msg, "Unable to process command '%.2000s' successfully.", line);
    output_error(o, buf_str(&msg));
    output_error(o, why);
    o->errored = true;
}

static const char blanks[] = " \t\n\v\f\r";

/* A command as it came. */
struct heard {
    const struct command *c;
    const char *line;
    int stream;
};

/* What is returned below 0, with a reason, has failed the step; the errors are the caller's to show. */
typedef int command_fn(struct step_output *o, const struct heard *h, struct err *err);

static void show(struct step_output *o, int stream, const char *prefix, const char *message)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s\n", prefix, message);
    emit(o, stream, buf_str(&line), line.len);
}

static int on_add_mask(struct step_output *o, const struct heard *h, struct err *err)
{
    (void)err;
    if (!h->c->message[strspn(h->c->message, blanks)]) {
        show(o, h->stream, "##[warning]", "Can't add secret mask for empty string in ##[add-mask] command.");
        return 0;
    }
    if (mask_add_said(o->job->mask, h->c->message) <
        0) { /* what follows may have it: nothing more is shown */
        output_error(o, "There are too many masks: the step is ended, since no more could be hidden.");
        o->failed = -E2BIG;
        return 0;
    }
    if (o->echo)
        show(o, h->stream, "::add-mask::", "***");
    return 0;
}

static int on_issue(struct step_output *o, const struct heard *h, struct err *err)
{
    _buf_ struct buf prefix = BUF_INIT;

    (void)err;
    buf_addf(&prefix, "##[%s]", h->c->name);
    show(o, h->stream, buf_str(&prefix), h->c->message);
    annotate(o, h->c->name, h->c, h->c->message);
    return 0;
}

static int on_group(struct step_output *o, const struct heard *h, struct err *err)
{
    bool opens = str_eq(h->c->name, "group");

    (void)err;
    show(o, h->stream, opens ? "##[group]" : "##[endgroup]", opens ? h->c->message : "");
    return 0;
}

static int on_debug(struct step_output *o, const struct heard *h, struct err *err)
{
    (void)err;
    if (o->job->debug)
        show(o, h->stream, "##[debug]", h->c->message);
    return 0;
}

static int on_echo(struct step_output *o, const struct heard *h, struct err *err)
{
    const char *word = h->c->message + strspn(h->c->message, blanks);
    size_t len = strcspn(word, blanks);
    bool last = !word[len + strspn(word + len, blanks)];
    bool on = last && len == 2 && strncasecmp(word, "on", 2) == 0,
         off = last && len == 3 && strncasecmp(word, "off", 3) == 0;

    if (!on && !off)
        return err_set(
            err, -EINVAL,
            "Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '%s'.",
            h->c->message);
    o->echo = on;
    return 0;
}

/* The name without which some commands say nothing. */
static int name_of(const struct heard *h, const char **ret, struct err *err)
{
    *ret = command_property(h->c, "name");
    return **ret ? 0
                 : err_set(err, -EINVAL, "Required field 'name' is missing in ##[%s] command.", h->c->name);
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

/* `set-output` and `save-state`. */
static int on_set(struct step_output *o, const struct heard *h, struct err *err)
{
    json_t *into = str_eq(h->c->name, "set-output") ? o->outputs : o->state;
    _buf_ struct buf old = BUF_INIT;
    const char *name;

    buf_addf(&old,
             "The `%s` command is deprecated and will be disabled soon. Please upgrade to using Environment "
             "Files.",
             h->c->name);
    show(o, h->stream, "##[warning]", buf_str(&old));
    int r = name_of(h, &name, err);
    if (r == 0 && into && utf8_valid(h->c->message, strlen(h->c->message)))
        keep_said(o, into, name, h->c->message);
    return r;
}

static int set_env(struct step_output *o, const struct heard *h, struct err *err)
{
    const char *name;
    int r = name_of(h, &name, err);

    if (r == 0 && str_eq_ascii_nocase(name, "NODE_OPTIONS"))
        output_error(o, "Can't update NODE_OPTIONS environment variable using ::set-env:: command.");
    else if (r == 0)
        json_object_set_new(o->job->set_env, name, json_string(h->c->message));
    return r;
}

/* `set-env` and `add-path`: off as on GitHub, unless the step's environment opts in. */
static int on_unsecure(struct step_output *o, const struct heard *h, struct err *err)
{
    if (!o->unsecure)
        return err_set(err, -EPERM,
                       "The `%s` command is disabled. Please upgrade to using Environment Files or opt into "
                       "unsecure command execution by setting the `ACTIONS_ALLOW_UNSECURE_COMMANDS` "
                       "environment variable to `true`.",
                       h->c->name);
    if (str_eq(h->c->name, "set-env"))
        return set_env(o, h, err);
    if (!*h->c->message)
        return err_set(err, -EINVAL, "Value cannot be null. (Parameter 'path')");
    return pathfile_parse(h->c->message, strlen(h->c->message), o->job->set_path, err);
}

/* The file is in the machine, which is busy: it is read when the process has ended, and the lines from here
 * on are looked at then. */
static void change_matchers(struct step_output *o, const struct heard *h, const char *how, const char *what)
{
    if (!o->matcher_changes)
        o->matcher_changes = json_array();
    json_array_append_new(o->matcher_changes, json_pack("{s:s, s:I, s:s}", "line", h->line, "at",
                                                        (json_int_t)o->unmatched.len, how, what));
}

static int on_add_matcher(struct step_output *o, const struct heard *h, struct err *err)
{
    (void)err;
    if (*h->c->message)
        change_matchers(o, h, "add", h->c->message);
    else
        output_warning(o, "File path must be specified.");
    return 0;
}

static int on_remove_matcher(struct step_output *o, const struct heard *h, struct err *err)
{
    const char *owner = command_property(h->c, "owner"), *file = h->c->message;

    (void)err;
    if (*owner && *file)
        output_warning(o, "Either specify an owner name or a file path in ##[remove-matcher] command. Both "
                          "values cannot be set.");
    else if (!*owner && !*file)
        output_warning(
            o, "Either an owner name or a file path must be specified in ##[remove-matcher] command.");
    else if (*file || o->matcher_changes)
        change_matchers(o, h, *file ? "remove" : "owner", *file ? file : owner);
    else if (o->job->whole->matchers)
        matchers_remove(o->job->whole->matchers, owner);
    return 0;
}

/* Every command that GitHub's runner knows; some say too much to be shown while echo is on. */
static const struct {
    const char *name;
    command_fn *run;
    bool hidden;
} commands[] = {
    {"add-mask", on_add_mask, true},
    {"error", on_issue, true},
    {"warning", on_issue, true},
    {"notice", on_issue, true},
    {"group", on_group, false},
    {"endgroup", on_group, false},
    {"debug", on_debug, true},
    {"echo", on_echo, false},
    {"set-output", on_set, false},
    {"save-state", on_set, false},
    {"add-matcher", on_add_matcher, false},
    {"set-env", on_unsecure, false},
    {"remove-matcher", on_remove_matcher, false},
    {"add-path", on_unsecure, false},
};

static void obey(struct step_output *o, size_t which, const struct heard *h)
{
    bool hidden = commands[which].hidden;
    struct err err = {0};

    if (o->echo && !hidden)
        show(o, h->stream, "", h->line);
    if (commands[which].run(o, h, &err) < 0)
        output_command_error(o, hidden ? h->c->name : h->line, err.msg);
}

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
    for (size_t i = 0; kind == COMMAND_DO && i < ARRAY_LEN(commands); i++) {
        if (!str_eq(commands[i].name, c.name))
            continue;
        _free_ char *whole = strndup(line, len);
        obey(o, i, &(struct heard){&c, whole ? whole : c.name, stream});
        return true;
    }
    return false;
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
    emit(o, stream, buf_str(&shown), shown.len);
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
        if (command || matchers_any(o->job->whole->matchers) || o->matcher_changes) {
            emit(o, stream, plain, (size_t)(s - plain));
            bool taken = (command && run_command(o, stream, s, line)) || run_matchers(o, stream, s, line);
            plain = taken ? next : s;
        }
        s = next;
    }
    emit(o, stream, plain, (size_t)(end - plain));
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
    put(o, stream, buf_str(&sure), sure.len);
    if (!buf_ok(&sure))
        o->failed = -ENOMEM;
    end_if_exhausted(o);
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
