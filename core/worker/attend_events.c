/* What a worker tells of its job's steps, checked as what anybody may have written, and handed to the job's
 * own sink. */
#include "runfs/str.h"
#include "worker.h"

enum { ADDED_MAX = 10000 }; /* a job's own steps, and a `pre` and a `post` for each, are less */

int attend_wrong(const char *what, struct err *err)
{
    return err_set(err, -EPROTO, "the worker told what no worker tells: %s", what);
}

/* *ret_told: NULL for none of them. */
static int step_of(const struct attending *at, const json_t *line, size_t *ret, struct told_step **ret_told)
{
    json_int_t n = json_integer_value(json_object_get(line, "step"));

    if (!json_is_integer(json_object_get(line, "step")) || n < -1 || (n >= 0 && (size_t)n >= at->n_steps))
        return -EPROTO;
    *ret_told = n < 0 ? NULL : &at->steps[n];
    *ret = n < 0 ? SIZE_MAX : at->steps[n].number;
    return 0;
}

int attend_add_step(struct attending *at, size_t number)
{
    struct told_step *more = reallocarray(at->steps, at->n_steps + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    at->steps = more;
    at->steps[at->n_steps++] = (struct told_step){.number = number};
    return 0;
}

static const char *word_of(const json_t *line, const char *key, const char *const words[], size_t n)
{
    const char *word = json_string_value(json_object_get(line, key));

    for (size_t i = 0; word && i < n; i++)
        if (str_eq(words[i], word))
            return words[i];
    return NULL;
}

int attend_added(struct attending *at, const json_t *line, struct err *err)
{
    static const char *const places[] = {"setup", "pre", "post"};
    const char *place = word_of(line, "place", places, ARRAY_LEN(places));
    json_int_t n = json_integer_value(json_object_get(line, "step"));
    _buf_ struct buf name = BUF_INIT;

    if (!place || n != (json_int_t)at->n_steps || at->n_steps - at->n_own == ADDED_MAX ||
        wire_add_bytes(&name, json_object_get(line, "name")) < 0)
        return attend_wrong("step_added", err);
    size_t number = at->what->sink->step_added(at->what->sink->data,
                                               place == places[0]   ? STEP_SETUP
                                               : place == places[1] ? STEP_PRE
                                                                    : STEP_POST,
                                               buf_str(&name));
    return attend_add_step(at, number) < 0 ? err_errno(err, -ENOMEM, "a step") : 0;
}

int attend_started(struct attending *at, const json_t *line, struct err *err)
{
    _buf_ struct buf name = BUF_INIT;
    struct told_step *told;
    size_t step;

    if (step_of(at, line, &step, &told) < 0 || !told || told->started || told->completed ||
        wire_add_bytes(&name, json_object_get(line, "name")) < 0)
        return attend_wrong("step_started", err);
    told->started = true;
    at->what->sink->step_started(at->what->sink->data, step, buf_str(&name));
    return 0;
}

int attend_output(struct attending *at, const json_t *line, struct err *err)
{
    static const char *const streams[] = {"stdout", "stderr", "runner"};
    static const int numbers[] = {1, 2, 4}; /* enum log_stream */
    const char *stream = word_of(line, "stream", streams, ARRAY_LEN(streams));
    _buf_ struct buf text = BUF_INIT;
    struct told_step *told;
    size_t step, i = 0;

    if (!stream || step_of(at, line, &step, &told) < 0 ||
        wire_add_bytes(&text, json_object_get(line, "text")) < 0)
        return attend_wrong("output", err);
    while (streams[i] != stream)
        i++;
    int r = at->what->sink->output(at->what->sink->data, step, numbers[i], buf_str(&text), text.len);
    if (r == 0 || at->unkept)
        return 0;
    at->unkept = true;
    r = wire_write(&at->wire, json_pack("{s:s, s:i}", "type", "unkept", "errno", -r));
    return r < 0 ? err_errno(err, r, "the worker cannot be told") : 0;
}

static int number_of(const json_t *line, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(line, key));

    return n >= -1 && n <= INT32_MAX ? (int)n : 0;
}

int attend_annotation(struct attending *at, const json_t *line, struct err *err)
{
    static const char *const levels[] = {"error", "warning", "notice", "debug"};
    static const char *const keys[] = {"title", "file", "message"};
    struct buf texts[ARRAY_LEN(keys)] = {0};
    const char *level = word_of(line, "level", levels, ARRAY_LEN(levels));
    struct told_step *told;
    size_t step;
    int r = level ? step_of(at, line, &step, &told) : -EPROTO;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++)
        r = wire_add_bytes(&texts[i], json_object_get(line, keys[i]));
    if (r == 0)
        at->what->sink->annotation(at->what->sink->data, step,
                                   &(struct job_annotation){.level = level,
                                                            .title = buf_str(&texts[0]),
                                                            .file = buf_str(&texts[1]),
                                                            .message = buf_str(&texts[2]),
                                                            .line = number_of(line, "line"),
                                                            .col = number_of(line, "col")});
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        buf_release(&texts[i]);
    return r < 0 ? attend_wrong("annotation", err) : 0;
}

/* Strings of text only. New; NULL: it is no object of them. */
static json_t *strings_of(const json_t *value)
{
    _json_ json_t *result = json_object();
    const char *key;
    json_t *one;

    if (value && !json_is_object(value))
        return NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, one)
    {
        _buf_ struct buf text = BUF_INIT;
        if (wire_add_bytes(&text, one) < 0)
            return NULL;
        if (utf8_valid(buf_str(&text), text.len))
            json_object_set_new(result, key, json_stringn_nocheck(buf_str(&text), text.len));
    }
    return json_incref(result);
}

static const char *const conclusions[] = {"success", "failure", "cancelled", "skipped"};

int attend_completed(struct attending *at, const json_t *line, struct err *err)
{
    static const char *const keys[] = {"name", "script", "shell", "env", "cwd", "why", "summary"};
    struct buf t[ARRAY_LEN(keys)] = {0};
    _json_ json_t *outputs = strings_of(json_object_get(line, "outputs"));
    const char *outcome = word_of(line, "outcome", conclusions, ARRAY_LEN(conclusions));
    const char *conclusion = word_of(line, "conclusion", conclusions, ARRAY_LEN(conclusions));
    struct told_step *told = NULL;
    size_t step;
    int r = outputs && outcome && conclusion ? step_of(at, line, &step, &told) : -EPROTO;

    if (r == 0 && (!told || told->completed)) /* a step has one end */
        r = -EPROTO;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++)
        r = wire_add_bytes(&t[i], json_object_get(line, keys[i]));
    if (r == 0)
        told->completed = true;
    if (r == 0)
        at->what->sink->step_completed(at->what->sink->data, step,
                                       &(struct step_result){.name = buf_str(&t[0]),
                                                             .outcome = outcome,
                                                             .conclusion = conclusion,
                                                             .exit_code = number_of(line, "exit_code"),
                                                             .script = buf_str(&t[1]),
                                                             .shell = buf_str(&t[2]),
                                                             .env = buf_str(&t[3]),
                                                             .cwd = buf_str(&t[4]),
                                                             .why = buf_str(&t[5]),
                                                             .summary = buf_str(&t[6]),
                                                             .outputs = outputs});
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        buf_release(&t[i]);
    return r < 0 ? attend_wrong("step_completed", err) : 0;
}

int attend_end(struct attending *at, const json_t *line, struct err *err)
{
    const char *conclusion = word_of(line, "conclusion", conclusions, ARRAY_LEN(conclusions));
    _json_ json_t *outputs = strings_of(json_object_get(line, "outputs"));
    _buf_ struct buf url = BUF_INIT;
    enum job_status status = JOB_SUCCESS;

    if (!conclusion || !outputs || wire_add_bytes(&url, json_object_get(line, "environment_url")) < 0)
        return attend_wrong("job_completed", err);
    while (conclusions[status] != conclusion)
        status++;
    int code = number_of(line, "exit_code") & 0xff;
    *at->result = (struct job_result){.status = status,
                                      .exit_code = status == JOB_SUCCESS ? 0
                                                   : code                ? code
                                                                         : 1,
                                      .outputs = TAKE(outputs),
                                      .environment_url = url.len ? buf_steal(&url) : NULL};
    at->done = true;
    return 0;
}
