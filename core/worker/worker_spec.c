/*
 * A job's spec as a line of JSON: made by an engine, and taken by a worker as what anybody may have written.
 * The workflow travels as its text and is parsed and checked anew; all else that a job knows is JSON already.
 */
#include "worker.h"

#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/worker.h"

enum { NAME_MAX_LEN = 255, TEXT_MAX = 4 * 1024 * 1024 };

json_t *worker_spec_make(const struct job_spec *spec, const char *text, size_t len, int silence_s)
{
    return json_pack("{s:s, s:i, s:{s:o, s:o, s:s}, s:s, s:O, s:O?, s:b, s:b, s:i}", "type", "job", "version",
                     WIRE_VERSION, "workflow", "file", wire_text(spec->workflow->file), "text",
                     wire_bytes(text, len), "folder", forge_folder(spec->workflow->forge), "job",
                     spec->job->id, "contexts", spec->contexts, "env", spec->env, "debug", spec->debug,
                     "attached", true, "silence_s", silence_s);
}

void worker_spec_release(struct worker_spec *s)
{
    workflow_free(s->workflow);
    json_decref(s->line);
    free(s->file);
    *s = (struct worker_spec){0};
}

/* One part of "owner/name": what GitHub lets a repository be called, and a directory of the machine. */
static bool is_name(const char *s, size_t len)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

    return len > 0 && len <= 100 && strspn(s, allowed) >= len && !(len == 1 && *s == '.') &&
           !(len == 2 && s[0] == '.' && s[1] == '.');
}

static int take_repository(struct worker_spec *s, struct err *err)
{
    const json_t *github = json_object_get(s->contexts, "github");
    const char *repository = json_string_value(json_object_get(github, "repository"));
    const char *slash = repository ? strchr(repository, '/') : NULL;

    if (!slash || !is_name(repository, (size_t)(slash - repository)) ||
        !is_name(slash + 1, strlen(slash + 1)))
        return err_set(err, -EINVAL, "contexts.github.repository is not of the form OWNER/NAME");
    return 0;
}

static int check_strings(const json_t *object, const char *what, struct err *err)
{
    const char *key;
    json_t *value;

    if (object && !json_is_object(object))
        return err_set(err, -EINVAL, "%s is not an object of strings", what);
    json_object_foreach((json_t *)(uintptr_t)object, key, value) if (!json_is_string(value)) return err_set(
        err, -EINVAL, "%s is not an object of strings", what);
    return 0;
}

static int take_contexts(struct worker_spec *s, struct err *err)
{
    static const char *const objects[] = {"github", "needs", "job", "inputs", "strategy", "matrix"};
    int r = 0;

    s->contexts = json_object_get(s->line, "contexts");
    if (!json_is_object(s->contexts))
        return err_set(err, -EINVAL, "contexts is not an object");
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        const json_t *value = json_object_get(s->contexts, objects[i]);
        if (value && !json_is_object(value) && !json_is_null(value))
            return err_set(err, -EINVAL, "contexts.%s is not an object", objects[i]);
    }
    if (json_object_get(s->contexts, "secrets"))
        r = check_strings(json_object_get(s->contexts, "secrets"), "contexts.secrets", err);
    if (r == 0)
        r = check_strings(json_object_get(s->contexts, "vars"), "contexts.vars", err);
    return r == 0 ? take_repository(s, err) : r;
}

/* By the folder that it came from; without one it is GitHub's. */
static enum forge forge_of(const json_t *folder)
{
    const char *said = json_string_value(folder);

    for (enum forge f = FORGE_GITHUB; said && f < FORGES; f++)
        if (str_eq(said, forge_folder(f)))
            return f;
    return FORGE_GITHUB;
}

static int take_workflow(struct worker_spec *s, struct err *err)
{
    const json_t *workflow = json_object_get(s->line, "workflow");
    const char *id = json_string_value(json_object_get(s->line, "job"));
    _buf_ struct buf file = BUF_INIT, text = BUF_INIT;
    const struct workflow_opts opts = {.forge = forge_of(json_object_get(workflow, "folder"))};
    _lint_ struct lint lint = {0};

    if (wire_add_bytes(&file, json_object_get(workflow, "file")) < 0 || !file.len ||
        file.len > 16 * NAME_MAX_LEN || memchr(file.ptr, '\0', file.len))
        return err_set(err, -EINVAL, "workflow.file is not a name");
    if (wire_add_bytes(&text, json_object_get(workflow, "text")) < 0 || text.len > TEXT_MAX)
        return err_set(err, -EINVAL, "workflow.text is not a text");
    s->file = buf_steal(&file);
    if (!s->file)
        return err_errno(err, -ENOMEM, "workflow");
    int r = workflow_parse(s->file, buf_str(&text), text.len, &opts, &s->workflow, &lint);
    if (r < 0)
        return lint.n ? err_set(err, -EINVAL, "%s", lint.errors[0].msg) : err_errno(err, r, "workflow");
    s->job = id ? workflow_job(s->workflow, id) : NULL;
    if (!s->job || s->job->uses)
        return err_set(err, -EINVAL, "the workflow has no job '%.100s' with steps", id ? id : "");
    return 0;
}

static int take_flags(struct worker_spec *s, struct err *err)
{
    const json_t *silence = json_object_get(s->line, "silence_s");
    json_int_t seconds = silence ? json_integer_value(silence) : WORKER_SILENCE_S;

    if (seconds < 1 || seconds > 3600)
        return err_set(err, -EINVAL, "silence_s is a whole number from 1 to 3600");
    s->silence_s = (int)seconds;
    s->debug = json_is_true(json_object_get(s->line, "debug"));
    s->attached = json_is_true(json_object_get(s->line, "attached"));
    s->env = json_object_get(s->line, "env");
    if (json_is_null(s->env))
        s->env = NULL;
    return check_strings(s->env, "env", err);
}

int worker_spec_take(json_t *line, struct worker_spec *ret, struct err *err)
{
    struct worker_spec s = {.line = line};
    const char *type = json_string_value(json_object_get(line, "type"));
    json_int_t version = json_integer_value(json_object_get(line, "version"));
    int r = 0;

    if (!type || !str_eq(type, "job"))
        r = err_set(err, -EINVAL, "it is not the spec of a job: its type is not `job`");
    else if (version != WIRE_VERSION)
        r = err_set(err, -EINVAL, "it is of version %lld, and this runfs (%s) takes version %d",
                    (long long)version, RUNFS_VERSION, WIRE_VERSION);
    if (r == 0)
        r = take_flags(&s, err);
    if (r == 0)
        r = take_contexts(&s, err);
    if (r == 0)
        r = take_workflow(&s, err);
    if (r < 0) {
        worker_spec_release(&s);
        return r;
    }
    *ret = s;
    return 0;
}
