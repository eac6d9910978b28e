/* Workflow commands in a step's output, obeyed: GitHub documentation, "Workflow commands". */
#include "envfile.h"
#include "output.h"
#include "runfs/str.h"

enum { OUTPUTS_MAX = 8 * 1024 * 1024 }; /* of a step, with what each costs */

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
    output_emit(o, stream, buf_str(&line), line.len);
}

static int on_add_mask(struct step_output *o, const struct heard *h, struct err *err)
{
    (void)err;
    if (!h->c->message[strspn(h->c->message, blanks)]) {
        show(o, h->stream, "##[warning]", "Can't add secret mask for empty string in ##[add-mask] command.");
        return 0;
    }
    if (mask_add_said(o->job->mask, h->c->message) < 0) {
        /* what follows may have it: nothing more is shown */
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
    output_annotate(o, h->c->name, h->c, h->c->message);
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

    o->said += first ? OUTPUT_EACH / 2 + strlen(name) + strlen(value) : 0;
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

bool output_command(struct step_output *o, int stream, const char *line, size_t len)
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
