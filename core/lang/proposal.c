/* What a language model proposes, as a workflow. */
#include "runfs/proposal.h"

#include "core/lang/proposal_trigger.h"
#include "core/lang/workflow_text.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

enum {
    NAME_MAX_BYTES = 200,
    COMMAND_MAX = 16 * 1024,
    COMMANDS_MAX = 100,
    ENVIRONMENT_MAX = 100,
    DAY_S = 86400
};

#define PROPOSED_BY "# proposed by "
#define AFTER_RUN " after run "

struct proposal {
    const json_t *json;
    struct buf *out;
    struct err *err;
};

json_t *proposal_schema(void)
{
    static const char text[] =
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\",\"steps\"],"
        "\"properties\":{"
        "\"name\":{\"type\":\"string\"},"
        "\"trigger\":{\"type\":\"string\",\"description\":\"one or several, with commas between, of push, "
        "pull_request, workflow_dispatch, and at the end schedule: CRON with its five fields, in UTC\"},"
        "\"environment\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
        "\"setup_commands\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
        "\"steps\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\","
        "\"additionalProperties\":false,"
        "\"required\":[\"name\",\"command\"],\"properties\":{\"name\":{\"type\":\"string\"},"
        "\"command\":{\"type\":\"string\"},\"working_dir\":{\"type\":\"string\"},"
        "\"continue_on_error\":{\"type\":\"boolean\"},\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":"
        "1}}}},"
        "\"cleanup_commands\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
        "\"cache_paths\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";

    return json_loads(text, 0, NULL);
}

/* ---------------------------------------------------------------------------------------- what it may say */

static int refuse(struct proposal *p, const char *where, const char *why)
{
    return err_set(p->err, -EINVAL, "the model's answer: %.100s %s", where, why);
}

static int check_text(struct proposal *p, const char *where, const json_t *value, size_t max)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    struct unseen u;

    if (!text)
        return refuse(p, where, "is no text");
    if (len == 0 || len > max)
        return refuse(p, where, len ? "is too long" : "is empty");
    if (strstr(text, "${{"))
        return refuse(p, where, "has an expression (${{), which proposals may not");
    if (unseen_find(text, len, &u)) /* who approves it approves what he reads */
        return err_set(
            p->err, -EINVAL,
            "the model's answer: %.100s has a character that nobody sees (U+%04X, line %d, column %d)", where,
            u.code, u.line, u.col);
    return 0;
}

static bool is_there(const json_t *value)
{
    return value && !json_is_null(value);
}

/* Other fields would be lost, and with them what somebody has read there. */
static int check_fields(struct proposal *p, const char *where, const json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        (void)value;
        while (known[i] && !str_eq(known[i], key))
            i++;
        if (!known[i]) {
            _buf_ struct buf name = BUF_INIT;
            (void)workflow_text_quoted(&name, key, utf8_valid_prefix(key, strnlen(key, 60)));
            return err_set(p->err, -EINVAL, "the model's answer: %s has an unknown field %s", where,
                           buf_str(&name));
        }
    }
    return 0;
}

/* An array of at most so many texts, or nothing. */
static int check_texts(struct proposal *p, const char *key, size_t max)
{
    const json_t *list = json_object_get(p->json, key), *one;
    size_t i;
    int r = !is_there(list) || json_is_array(list) ? 0 : refuse(p, key, "is no array");

    if (r == 0 && json_array_size(list) > COMMANDS_MAX)
        r = refuse(p, key, "has too many entries");
    json_array_foreach(list, i, one) if (r == 0) r = check_text(p, key, one, max);
    return r;
}

/* In YAML as GitHub reads it, keys differ by more than case. */
static bool is_twin(json_t *all, const char *key)
{
    const char *other;
    json_t *value;

    json_object_foreach(all, other, value) if (other != key && str_eq_ascii_nocase(other, key)) return true;
    return false;
}

static int check_environment(struct proposal *p)
{
    json_t *all = json_object_get(p->json, "environment"), *value;
    const char *key;
    int r = !is_there(all) || json_is_object(all) ? 0 : refuse(p, "environment", "is no object");

    if (r == 0 && json_object_size(all) > ENVIRONMENT_MAX)
        r = refuse(p, "environment", "has too many entries");
    json_object_foreach(all, key, value)
    {
        size_t good = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
        if (r == 0 && (!*key || key[good] || (*key >= '0' && *key <= '9') || strlen(key) > NAME_MAX_BYTES))
            r = refuse(p, "environment", "has a name that no variable can have");
        if (r == 0 && is_twin(all, key))
            r = refuse(p, "environment", "has two names that differ by case only");
        if (r == 0 && !(json_is_string(value) && json_string_length(value) == 0))
            r = check_text(p, key, value, COMMAND_MAX);
    }
    return r;
}

static int check_step(struct proposal *p, const json_t *step)
{
    static const char *const known[] = {
        "name", "command", "working_dir", "continue_on_error", "timeout_seconds", NULL};
    const json_t *dir = json_object_get(step, "working_dir"),
                 *goes_on = json_object_get(step, "continue_on_error"),
                 *timeout = json_object_get(step, "timeout_seconds"), *name = json_object_get(step, "name");
    int r =
        json_is_object(step) ? check_fields(p, "a step", step, known) : refuse(p, "a step", "is no object");

    if (r == 0)
        r = check_text(p, "a step's command", json_object_get(step, "command"), COMMAND_MAX);
    if (r == 0 && is_there(name))
        r = check_text(p, "a step's name", name, NAME_MAX_BYTES);
    if (r == 0 && is_there(dir))
        r = check_text(p, "a step's working_dir", dir, NAME_MAX_BYTES);
    if (r == 0 && is_there(goes_on) && !json_is_boolean(goes_on))
        r = refuse(p, "a step's continue_on_error", "is neither true nor false");
    if (r == 0 && is_there(timeout) &&
        (!json_is_integer(timeout) || json_integer_value(timeout) < 1 ||
         json_integer_value(timeout) > 7 * DAY_S))
        r = refuse(p, "a step's timeout_seconds", "is no number of seconds");
    return r;
}

static int check(struct proposal *p)
{
    static const char *const known[] = {"name",  "trigger",          "environment", "setup_commands",
                                        "steps", "cleanup_commands", "cache_paths", NULL};
    const json_t *steps = json_object_get(p->json, "steps"), *step;
    size_t i;
    int r = json_is_object(p->json) ? check_fields(p, "it", p->json, known) : refuse(p, "it", "is no object");

    if (r == 0)
        r = check_text(p, "name", json_object_get(p->json, "name"), NAME_MAX_BYTES);
    if (r == 0 && is_there(json_object_get(p->json, "trigger")))
        r = check_text(p, "trigger", json_object_get(p->json, "trigger"), NAME_MAX_BYTES);
    if (r == 0)
        r = check_environment(p);
    if (r == 0)
        r = check_texts(p, "setup_commands", COMMAND_MAX);
    if (r == 0)
        r = check_texts(p, "cleanup_commands", COMMAND_MAX);
    if (r == 0)
        r = check_texts(p, "cache_paths", NAME_MAX_BYTES);
    if (r == 0 && (!json_is_array(steps) || json_array_size(steps) == 0))
        r = refuse(p, "steps", "is no array with at least one step");
    if (r == 0 && json_array_size(steps) > COMMANDS_MAX)
        r = refuse(p, "steps", "has too many entries");
    json_array_foreach(steps, i, step) if (r == 0) r = check_step(p, step);
    return r;
}

/* ------------------------------------------------------------------------------------------- what it becomes
 */

static int add_value(struct proposal *p, const char *before, const json_t *text)
{
    buf_adds(p->out, before);
    int r = workflow_text_quoted(p->out, json_string_value(text), json_string_length(text));
    buf_addc(p->out, '\n');
    return r;
}

static int add_run(struct proposal *p, const json_t *text)
{
    return workflow_text_script(p->out, json_string_value(text), json_string_length(text));
}

static int add_environment(struct proposal *p)
{
    json_t *all = json_object_get(p->json, "environment"), *value;
    const char *key;
    int r = 0;

    buf_adds(p->out, json_object_size(all) ? "env:\n" : "");
    json_object_foreach(all, key, value) if (r == 0)
    {
        buf_addf(p->out, "  \"%s\": ", key); /* some names would be read as values */
        r = add_value(p, "", value);
    }
    return r;
}

/* Restored before the first step, saved after the last. */
static int add_cache(struct proposal *p)
{
    const json_t *paths = json_object_get(p->json, "cache_paths"), *path;
    const char *name = json_string_value(json_object_get(p->json, "name"));
    _buf_ struct buf lines = BUF_INIT, key = BUF_INIT;
    size_t i;
    int r = 0;

    if (!json_array_size(paths))
        return 0;
    for (const char *c = name; *c; c++)
        buf_addc(&key, *c == ',' || *c == '\n' || *c == '\r' ? '-' : *c); /* no key has these */
    buf_adds(p->out, "      - uses: actions/cache@v4\n        with:\n          key: ");
    r = workflow_text_quoted(p->out, buf_str(&key), key.len);
    json_array_foreach(paths, i, path) buf_addf(&lines, "%s\n", json_string_value(path));
    buf_adds(p->out, "\n          path: ");
    if (r == 0)
        r = workflow_text_quoted(p->out, buf_str(&lines), lines.len);
    buf_addc(p->out, '\n');
    return r;
}

static int add_commands(struct proposal *p, const char *key, const char *begin)
{
    const json_t *list = json_object_get(p->json, key), *one;
    size_t i;
    int r = 0;

    json_array_foreach(list, i, one) if (r == 0)
    {
        buf_adds(p->out, begin);
        r = add_run(p, one);
    }
    return r;
}

static int add_step(struct proposal *p, const json_t *step)
{
    const json_t *name = json_object_get(step, "name"), *dir = json_object_get(step, "working_dir"),
                 *timeout = json_object_get(step, "timeout_seconds"),
                 *command = json_object_get(step, "command");
    int r = add_value(p, "      - name: ", is_there(name) ? name : command);

    if (r == 0 && is_there(dir))
        r = add_value(p, "        working-directory: ", dir);
    if (json_is_true(json_object_get(step, "continue_on_error")))
        buf_adds(p->out, "        continue-on-error: true\n");
    if (is_there(timeout))
        buf_addf(p->out, "        timeout-minutes: %.10g\n", (double)json_integer_value(timeout) / 60);
    return r == 0 ? add_run(p, command) : r;
}

static int add_steps(struct proposal *p)
{
    const json_t *steps = json_object_get(p->json, "steps"), *step;
    size_t i;
    int r = add_cache(p);

    if (r == 0)
        r = add_commands(p, "setup_commands", "      - name: Set up\n");
    json_array_foreach(steps, i, step) if (r == 0) r = add_step(p, step);
    return r == 0 ? add_commands(p, "cleanup_commands", "      - name: Clean up\n        if: always()\n") : r;
}

/* In a comment, so of one line. */
static void add_comment(struct buf *b, const char *text)
{
    for (; *text; text++)
        buf_addc(b, (unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f ? *text : '?');
}

static void add_header(const struct proposal_origin *origin, struct buf *b)
{
    buf_addf(b, MADE_FROM "%s\n" PROPOSED_BY, origin->file);
    add_comment(b, origin->by);
    if (origin->failed_run)
        buf_addf(b, AFTER_RUN "%lld failed", (long long)origin->failed_run);
    buf_adds(b, ": read it, then start it by `echo run` to its file in dispatch/\n");
}

bool proposal_is_first(const char *workflow, struct buf *ret_file)
{
    const char *file = workflow + strlen(MADE_FROM), *by;
    size_t len;

    if (!str_starts(workflow, MADE_FROM))
        return false;
    len = strcspn(file, "\n");
    by = file[len] ? file + len + 1 : "";
    if (!str_starts(by, PROPOSED_BY) || memmem(by, strcspn(by, "\n"), AFTER_RUN, strlen(AFTER_RUN)))
        return false;
    buf_add(ret_file, file, len);
    return true;
}

int proposal_to_workflow(const struct proposal_origin *origin, const json_t *proposal, struct buf *ret,
                         struct err *err)
{
    struct proposal p = {.json = proposal, .out = ret, .err = err};
    const char *trigger = json_string_value(json_object_get(proposal, "trigger"));
    _buf_ struct buf on = BUF_INIT;
    bool known = true;
    int r = check(&p);

    if (r == 0)
        r = proposal_on(trigger, &on, &known, err);
    if (r < 0)
        return r;
    add_header(origin, ret);
    if (!known) {
        buf_adds(ret, "# meant to be started by: ");
        add_comment(ret, trigger);
        buf_addc(ret, '\n');
    }
    r = add_value(&p, "name: ", json_object_get(proposal, "name"));
    buf_add(ret, buf_str(&on), on.len);
    if (r == 0)
        r = add_environment(&p);
    buf_adds(ret, "jobs:\n  run:\n    runs-on: ubuntu-latest\n    steps:\n");
    if (r == 0)
        r = add_steps(&p);
    if (r == 0 && (!buf_ok(ret) || !buf_ok(&on)))
        r = err_errno(err, -ENOMEM, "%s", origin->file);
    return r;
}
