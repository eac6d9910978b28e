/*
 * Calls of reusable workflows: their texts are found and kept with the run; when a calling job starts, the
 * jobs of its workflow become jobs of the run, in a scope of their own; when they are done, it has outputs.
 */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/mirror.h"
#include "runfs/remotes.h"
#include "runfs/str.h"

/* ---------------------------------------------------------------------------------------- finding them */

struct finder {
    struct engine *e;
    const char *repo_path; /* of the repository that the workflow belongs to; "" without */
    json_t *texts;         /* borrowed object: uses -> text */
    bool again;            /* what is not among the texts is not looked for */
    struct err err;        /* why the last one was not found */
};

/* A workflow of the same repository: a file in its checkout, or what was dropped under that name. */
static int find_local(const struct finder *f, const char *uses, struct buf *ret, struct err *err)
{
    const char *name = NULL;

    if (forge_of_path(uses + 2, &name) == FORGE_UNKNOWN || strchr(name, '/') || name_check(name) < 0)
        return err_set(err, -EINVAL, "%s is no file in .github/workflows", uses);
    if (*f->repo_path)
        return read_file_beneath(f->repo_path, uses + 2, WORKFLOW_MAX, ret, err);
    const struct workflow_row *row =
        store_get_workflow(f->e->store, store_find_workflow(f->e->store, 0, name, false));
    if (!row)
        return err_set(err, -ENOENT, "there is no workflows/%s", name);
    buf_add(ret, row->source, row->source_len);
    workflow_row_unref(row);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

/* "owner/name/.github/workflows/x.yml@ref". */
static int find_remote(const struct finder *f, const char *uses, struct buf *ret, struct err *err)
{
    const char *at = strrchr(uses, '@'), *slash = strchr(forge_behind_host(uses), '/');
    const char *path = slash ? strchr(slash + 1, '/') : NULL;
    char sha[41];

    if (!at || !path || path > at)
        return err_set(err, -EINVAL, "%s names no workflow of a repository", uses);
    _free_ char *repository = strndup(uses, (size_t)(path - uses));
    _free_ char *file = strndup(path + 1, (size_t)(at - path - 1));
    if (!repository || !file)
        return -ENOMEM;
    int r = remote_resolve(f->e->remotes, repository, at + 1, sha, err);
    return r == 0 ? remote_file(f->e->remotes, repository, sha, file, ret, err) : r;
}

/* What is no UTF-8 cannot be kept as JSON, and the parser refuses it anyway. */
static int keep_text(struct finder *f, const char *uses, const struct buf *text)
{
    if (!utf8_valid(buf_str(text), text->len))
        return 0;
    return json_object_set_new(f->texts, uses, json_stringn(buf_str(text), text->len)) < 0 ? -ENOMEM : 0;
}

/* workflow_find_fn. A run that is taken up again finds what it found the first time. */
static int find_called(void *data, const char *uses, struct buf *ret, struct err *err)
{
    struct finder *f = data;
    const json_t *known = json_object_get(f->texts, uses);

    if (known) {
        buf_add(ret, json_string_value(known), json_string_length(known));
        return buf_ok(ret) ? 0 : -ENOMEM;
    }
    if (f->again)
        return -EOPNOTSUPP;
    int r = str_starts(uses, "./") ? find_local(f, uses, ret, err) : find_remote(f, uses, ret, err);
    if (r < 0)
        f->err = *err;
    return r < 0 ? r : keep_text(f, uses, ret);
}

static bool calls_any(const struct workflow *w)
{
    for (size_t i = 0; i < w->n_jobs; i++)
        if (w->jobs[i].uses)
            return true;
    return false;
}

static json_t *texts_of(json_t *request)
{
    json_t *texts = json_object_get(request, "called");

    if (texts)
        return texts;
    json_object_set_new(request, "called", json_object());
    return json_object_get(request, "called");
}

int calls_follow(struct engine *e, const struct run_source *source, bool again, json_t *request,
                 const struct workflow *w, struct workflow **ret, struct err *err)
{
    *ret = NULL;
    if (!calls_any(w))
        return 0;
    struct finder finder = {.e = e,
                            .repo_path = source->repo_path ? source->repo_path : "",
                            .texts = texts_of(request),
                            .again = again};
    struct workflow_opts opts = {.find = find_called, .data = &finder, .forge = w->forge};
    struct workflow *followed = NULL;
    _lint_ struct lint lint = {0};

    if (!finder.texts)
        return err_errno(err, -ENOMEM, "cannot start a run");
    int r = workflow_parse(w->file, source->text, source->len, &opts, &followed, &lint);
    if (r < 0 && !lint.n)
        return err_errno(err, r, "%s", source->file);
    if (r < 0 && finder.err.msg[0])
        return err_set(err, r, "%s: %s", lint.errors[0].msg, finder.err.msg);
    if (r < 0)
        return err_set(err, r, "%s", lint.errors[0].msg);
    *ret = followed;
    return 0;
}

/* -------------------------------------------------------------------------------- what the called one sees
 */

/* All of the caller's, or those that it names, as far as they are not empty; its token in any case. */
static int call_secrets(const struct run_job *job, json_t *contexts, json_t **ret, struct err *err)
{
    static const char *const tokens[] = {"github_token", "GITHUB_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN"};
    size_t n_tokens = job->scope->workflow->forge == FORGE_GITHUB ? 2 : ARRAY_LEN(tokens);
    json_t *all = json_object_get(contexts, "secrets");
    const struct token *map = job->def->secrets;
    struct expr_env env = {.contexts = contexts};

    if (job->def->secrets_inherit) {
        *ret = json_incref(all);
        return 0;
    }
    _json_ json_t *secrets = json_object();
    for (size_t i = 0; i < n_tokens; i++)
        if (json_object_get(all, tokens[i]))
            json_object_set(secrets, tokens[i], json_object_get(all, tokens[i]));
    for (size_t i = 0; map && map->kind == TOKEN_MAPPING && i < map->map.n; i++) {
        const struct token *key = map->map.pairs[i].key;
        _free_ char *value = NULL;
        int r = token_eval_string(map->map.pairs[i].value, job->scope->workflow->file, &env, &value, err);
        if (r < 0)
            return r;
        if (*value && key->kind == TOKEN_STRING)
            json_object_set_new(secrets, key->str, json_string(value));
    }
    *ret = TAKE(secrets);
    return *ret ? 0 : err_errno(err, -ENOMEM, "secrets");
}

int call_start(struct run_job *job, struct err *err)
{
    _json_ json_t *contexts = job_contexts(job), *inputs = NULL, *secrets = NULL, *own = NULL;
    json_t *outer = job->scope->contexts;

    if (!job->def->called)
        return err_set(err, -ENOTSUP, "`uses: %s`: the workflow as it was then is not kept with this run",
                       job->def->uses);
    int r = inputs_of_call(job->def, job->scope->workflow->file, contexts, &inputs, err);
    if (r == 0)
        r = call_secrets(job, contexts, &secrets, err);
    if (r < 0)
        return r;
    own = json_pack("{s:O, s:O, s:O, s:O}", "github", json_object_get(outer, "github"), "inputs", inputs,
                    "vars", json_object_get(outer, "vars"), "secrets", secrets);
    job->called = own ? scope_new(job->run, job, job->def->called, own) : NULL;
    return job->called ? 0 : err_errno(err, -ENOMEM, "cannot call %s", job->def->uses);
}

/* ---------------------------------------------------------------------------------------------- its outputs
 */

static int store_outputs(struct run_job *job, struct err *err)
{
    const char *name;
    json_t *value;
    int r = 0;

    json_object_foreach(job->outputs, name, value) if (r == 0 && name_check(name) == 0) r =
        store_put_output(job->run->e->store, job->row.id, 0, name, json_string_value(value), err);
    return r;
}

int call_outputs(struct run_job *job, struct err *err)
{
    const struct run_scope *scope = job->called;
    const struct workflow_event *event = workflow_event(scope->workflow, "workflow_call");
    const struct token *outputs = event ? token_get(event->config, "outputs") : NULL;
    _json_ json_t *contexts = json_copy(scope->contexts), *result = json_object();
    struct expr_env env = {.contexts = contexts};

    json_object_set_new(contexts, "jobs", scope_jobs_context(scope));
    for (size_t i = 0; outputs && outputs->kind == TOKEN_MAPPING && i < outputs->map.n; i++) {
        _free_ char *value = NULL;
        int r = token_eval_string(token_get(outputs->map.pairs[i].value, "value"), scope->workflow->file,
                                  &env, &value, err);
        if (r < 0)
            return r;
        if (*value)
            json_object_set_new(result, outputs->map.pairs[i].key->str, json_string(value));
    }
    job->outputs = TAKE(result);
    return store_outputs(job, err);
}
