/* Workflows come in: dropped, dispatched, linked with their repository, or given to `runfs run`. */
#include <fcntl.h>
#include <sys/stat.h>

#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/markdown.h"
#include "runfs/str.h"
#include "runfs/worktree.h"

enum { WORKFLOW_MAX = 1024 * 1024 };

static bool workflow_name(const char *name)
{
    return name_check(name) == 0 && name[0] != '.' && (str_ends(name, ".yml") || str_ends(name, ".yaml"));
}

static void lint_text(const struct lint *lint, struct buf *ret)
{
    for (size_t i = 0; i < lint->n; i++)
        buf_addf(ret, "%s\n", lint->errors[i].msg);
}

/* Parses; a complaint becomes err's sentence (the first one) and, whole, text. */
static int check(const char *name, const char *text, size_t len, enum forge forge, struct workflow **ret,
                 struct buf *ret_text, struct err *err)
{
    const struct workflow_opts opts = {.forge = forge};
    _lint_ struct lint lint = {0};
    int r = workflow_parse(name, text, len, &opts, ret, &lint);

    if (r == 0)
        return 0;
    lint_text(&lint, ret_text);
    if (lint.n)
        return err_set(err, r, "%s", lint.errors[0].msg);
    return err_errno(err, r, "%s", name);
}

static int refuse(struct engine *e, const char *name, int code, const struct buf *text, struct err *err)
{
    _buf_ struct buf line = BUF_INIT;
    struct err ignored;

    if (text->len)
        buf_adds(&line, buf_str(text));
    else if (err && str_starts(err->msg, name)) /* with its place */
        buf_addf(&line, "%s\n", err->msg);
    else
        buf_addf(&line, "%s: %s\n", name, err ? err->msg : "refused");
    (void)store_put_error(e->store, name, buf_str(&line), &ignored);
    return code;
}

/* The default inputs of an event, if it has all it requires. */
static bool default_inputs(const struct workflow *w, const char *event, json_t **ret)
{
    const struct workflow_event *e = workflow_event(w, event);

    *ret = NULL;
    return !e || !str_eq(event, "workflow_dispatch") || inputs_check(e, NULL, ret, NULL) == 0;
}

/* Registers it and starts its run. Takes w. */
static int drop_checked(struct engine *e, const char *name, const char *text, size_t len, struct workflow *w,
                        int64_t *ret_run, struct err *err)
{
    int64_t id = store_find_workflow(e->store, 0, name, true);
    const struct workflow_row *old = id ? store_get_workflow(e->store, id) : NULL;
    struct workflow_row row = {.id = id,
                               .name = name,
                               .title = *w->name ? w->name : name,
                               .source = text,
                               .changed_at = now_ns(),
                               .last_run = old ? old->last_run : 0,
                               .forge = (int)w->forge};
    struct run_source source = {.file = name,
                                .workflow_name = name,
                                .text = text,
                                .len = len,
                                .forge = w->forge,
                                .event = default_event(w),
                                .drop = &row};
    _json_ json_t *inputs = NULL;
    int64_t run = 0;
    int r;

    workflow_row_unref(old);
    if (source.event && default_inputs(w, source.event, &inputs)) {
        source.inputs = inputs;
        r = run_submit(e, &source, w, &run, err);
    } else {
        store_begin(e->store);
        (void)store_put_workflow(e->store, &row, err);
        (void)store_put_error(e->store, name, NULL, err);
        (void)config_set_proposed(e->store, name, false, err);
        r = store_commit(e->store, err);
        workflow_free(w); /* the row's title was in it */
    }
    if (r == 0)
        *ret_run = run;
    return r;
}

int engine_drop(struct engine *e, const char *name, const char *text, size_t len, int64_t *ret_run,
                struct err *err)
{
    _buf_ struct buf complaints = BUF_INIT;
    struct workflow *w = NULL;
    struct err own = {0};

    if (!err)
        err = &own;
    if (!workflow_name(name))
        return err_set(err, -EINVAL, "'%s' cannot be a workflow: its name must end in .yml or .yaml", name);
    if (len > WORKFLOW_MAX)
        return refuse(e, name, err_set(err, -EFBIG, "the file is larger than %d bytes", WORKFLOW_MAX),
                      &complaints, err);
    _free_ char *copy = strndup(text, len); /* with an end */
    int r = copy ? check(name, text, len, FORGE_UNKNOWN, &w, &complaints, err)
                 : err_errno(err, -ENOMEM, "%s", name);
    if (r == 0)
        r = drop_checked(e, name, copy, len, w, ret_run, err);
    return r < 0 ? refuse(e, name, r, &complaints, err) : 0;
}

int workflow_of_page(const char *page, struct buf *ret)
{
    const char *end = strrchr(page, '.');

    if (name_check(page) < 0 || !end || end == page)
        return -EINVAL;
    buf_addf(ret, "%.*s.yml", (int)(end - page), page);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

/* -EEXIST: that one was not made from it. */
static int name_made(struct engine *e, const char *page, struct buf *ret, struct err *err)
{
    int r = workflow_of_page(page, ret);

    if (r < 0)
        return err_errno(err, r, "%s", page);
    int64_t id = store_find_workflow(e->store, 0, ret->ptr, false);
    const struct workflow_row *old = id ? store_get_workflow(e->store, id) : NULL;
    bool taken = old && !markdown_made(old->source, page);

    workflow_row_unref(old);
    return taken ? err_set(err, -EEXIST,
                           "workflows/%s is there already, and was not made from it: give it another name",
                           ret->ptr)
                 : 0;
}

/* Registers it, to be started by hand. */
static int register_proposal(struct engine *e, const char *name, const struct buf *yaml, struct err *err)
{
    _buf_ struct buf complaints = BUF_INIT;
    struct workflow *w = NULL;
    int64_t id = store_find_workflow(e->store, 0, name, true);
    const struct workflow_row *old = id ? store_get_workflow(e->store, id) : NULL;
    int r = check(name, buf_str(yaml), yaml->len, FORGE_UNKNOWN, &w, &complaints, err);

    if (r == 0) {
        struct workflow_row row = {.id = id,
                                   .name = name,
                                   .title = *w->name ? w->name : name,
                                   .source = buf_str(yaml),
                                   .changed_at = now_ns(),
                                   .last_run = old ? old->last_run : 0,
                                   .forge = (int)w->forge};
        store_begin(e->store);
        r = store_put_workflow(e->store, &row, err);
        if (r == 0)
            r = config_set_proposed(e->store, name, true, err);
        int c = store_commit(e->store, err);
        r = r < 0 ? r : c;
    }
    workflow_row_unref(old);
    workflow_free(w);
    return r < 0 ? r : 0;
}

int engine_take_proposal(struct engine *e, const char *page, const struct buf *yaml, bool run,
                         struct err *err)
{
    _buf_ struct buf name = BUF_INIT;
    int64_t id = 0;
    int r = name_made(e, page, &name, err);

    if (r == 0)
        r = run ? engine_drop(e, name.ptr, buf_str(yaml), yaml->len, &id, err)
                : register_proposal(e, name.ptr, yaml, err);
    return r == 0 ? store_put_error(e->store, page, NULL, err) : r;
}

static bool is_blank(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && strchr(" \t\r\n", text[i]))
        i++;
    return i == len;
}

/* A page without scripts is for a model, where one is set. */
static int drop_page(struct engine *e, const char *page, const char *text, size_t len, int64_t *ret_run,
                     bool *ret_asked, struct err *err)
{
    _buf_ struct buf yaml = BUF_INIT, name = BUF_INIT;
    int r = name_made(e, page, &name, err);

    if (r < 0)
        return r;
    r = str_ends(page, ".md") ? markdown_to_workflow(page, text, len, &yaml, err) : -ENODATA;
    if (r == -ENODATA && !is_blank(text, len) && llm_is_set(e)) {
        *ret_asked = true;
        return llm_ask(e, page, text, len, err);
    }
    return r == 0          ? engine_drop(e, name.ptr, buf_str(&yaml), yaml.len, ret_run, err)
           : r == -ENODATA ? -EINVAL
                           : r;
}

int engine_drop_page(struct engine *e, const char *page, const char *text, size_t len, int64_t *ret_run,
                     struct err *err)
{
    _buf_ struct buf none = BUF_INIT;
    struct err own = {0};
    bool asked = false;

    if (!err)
        err = &own;
    if (!str_ends(page, ".md") && (is_blank(text, len) || !llm_is_set(e))) /* any text, or none yet */
        return 0;
    int r = drop_page(e, page, text, len, ret_run, &asked, err);
    if (r < 0)
        return refuse(e, page, r, &none, err);
    if (!asked)
        (void)store_put_error(e->store, page, NULL, NULL);
    return 0;
}

int engine_unregister(struct engine *e, int64_t workflow_id, struct err *err)
{
    const struct workflow_row *old = store_get_workflow(e->store, workflow_id);

    if (!old)
        return err_set(err, -ENOENT, "there is no such workflow");
    struct workflow_row row = *old;
    row.removed = true;
    row.changed_at = now_ns();
    store_begin(e->store);
    int r = store_put_workflow(e->store, &row, err);
    if (r == 0)
        r = store_put_error(e->store, row.name, NULL, err);
    if (r == 0 && !row.repo_id)
        r = config_set_proposed(e->store, row.name, false, err);
    int c = store_commit(e->store, err);
    workflow_row_unref(old);
    return r < 0 ? r : c;
}

/* --------------------------------------------------------------------------------------------- dispatching
 */

/* key=value lines, or one JSON object. */
static int parse_inputs(const char *text, size_t len, json_t **ret, struct err *err)
{
    const char *start = text + strspn(text, " \t\r\n");
    json_error_t at;

    /* `run` alone, as what is to be done: it has no inputs */
    if (str_starts(start, "run") && start + 3 + strspn(start + 3, " \t\r\n") == text + len)
        start = text + len;
    if (*start == '{') {
        *ret = json_loadb(start, len - (size_t)(start - text), JSON_REJECT_DUPLICATES, &at);
        return *ret ? 0
                    : err_set(err, -EINVAL, "the inputs are not JSON (Line: %d, Col: %d): %s", at.line,
                              at.column, at.text);
    }
    _json_ json_t *object = json_object();
    for (const char *line = start; object && *line;) {
        size_t n = strcspn(line, "\r\n");
        const char *equals = memchr(line, '=', n);
        if (n && (!equals || equals == line))
            return err_set(err, -EINVAL, "'%.*s' is not of the form key=value", (int)n, line);
        if (n && json_object_setn_new(object, line, (size_t)(equals - line),
                                      json_stringn(equals + 1, n - (size_t)(equals - line) - 1)) < 0)
            return err_set(err, -EINVAL, "the inputs are not UTF-8 text");
        line += n;
        line += strspn(line, "\r\n");
    }
    *ret = TAKE(object);
    return *ret ? 0 : err_errno(err, -ENOMEM, "inputs");
}

void source_registered(const struct workflow_row *row, const struct repo_row *repo, struct buf *label,
                       struct run_source *ret)
{
    if (row->repo_id && repo)
        buf_addf(label, "%s:", repo->name);
    buf_adds(label, row->name);
    *ret = (struct run_source){.file = row->name,
                               .workflow_name = buf_str(label),
                               .text = row->source,
                               .len = row->source_len,
                               .forge = (enum forge)row->forge,
                               .workflow_id = row->id,
                               .repo_id = repo ? repo->id : 0,
                               .repo_path = repo ? repo->path : "",
                               .repository = repo ? repo->full_name : NULL};
}

/* A branch or a tag: nothing stands on a commit alone. */
static int check_ref(const struct repo_row *repo, const char *ref, struct err *err)
{
    static const char *const kinds[] = {"refs/heads/", "refs/tags/"};
    _arena_ struct arena a = {0};

    if (!ref)
        return 0;
    bool whole = str_starts(ref, kinds[0]) || str_starts(ref, kinds[1]);
    for (size_t i = 0; repo && i < ARRAY_LEN(kinds); i++) {
        const char *full = arena_printf(&a, "%s%s", whole ? "" : kinds[i], ref);
        if (full && *worktree_resolve(repo->path, full, &a))
            return 0;
    }
    return err_set(err, -EINVAL, "No ref found for: %s", ref);
}

static int dispatch(struct engine *e, const struct workflow_row *row, const char *ref, const char *actor,
                    const char *text, size_t len, int64_t *ret_run, struct err *err)
{
    const struct repo_row *repo = row->repo_id ? store_get_repo(e->store, row->repo_id) : NULL;
    _json_ json_t *given = NULL, *inputs = NULL;
    _buf_ struct buf label = BUF_INIT, complaints = BUF_INIT;
    struct workflow *w = NULL;

    struct run_source source;
    source_registered(row, repo, &label, &source);
    source.event = "workflow_dispatch";
    source.ref = ref;
    source.actor = actor;
    int r = config_disabled(e->store, source.workflow_name)
                ? err_set(err, -EPERM, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
                : check_ref(repo, ref, err);
    if (r == 0)
        r = check(row->name, row->source, row->source_len, source.forge, &w, &complaints, err);
    const struct workflow_event *event = r == 0 ? workflow_event(w, "workflow_dispatch") : NULL;
    if (r == 0 && !event)
        r = err_set(err, -EINVAL, "Workflow does not have 'workflow_dispatch' trigger: add it to `on` in %s",
                    row->name);
    if (r == 0)
        r = parse_inputs(text, len, &given, err);
    if (r == 0)
        r = inputs_check(event, given, &inputs, err);
    source.inputs = inputs;
    if (r == 0)
        r = run_submit(e, &source, TAKE(w), ret_run, err);
    if (r == 0) /* whoever starts it has read it */
        (void)config_set_proposed(e->store, source.workflow_name, false, NULL);
    workflow_free(w);
    repo_row_unref(repo);
    return r;
}

int engine_dispatch(struct engine *e, int64_t workflow_id, const char *ref, const char *actor,
                    const char *text, size_t len, int64_t *ret_run, struct err *err)
{
    const struct workflow_row *row = store_get_workflow(e->store, workflow_id);
    _free_ char *copy = strndup(text, len);
    int r = !row || row->removed           ? err_set(err, -ENOENT, "there is no such workflow")
            : !copy || strlen(copy) != len ? err_set(err, -EINVAL, "the inputs hold a NUL byte")
                                           : dispatch(e, row, ref, actor, copy, len, ret_run, err);

    workflow_row_unref(row);
    return r;
}

/* --------------------------------------------------------------------------------------------- runfs run */

static int say_events(const struct workflow *w, const char *file, const char *event, struct err *err)
{
    _buf_ struct buf names = BUF_INIT;

    for (size_t i = 0; i < w->n_events; i++)
        buf_addf(&names, "%s%s", i ? ", " : "", w->events[i].name);
    return err_set(err, -EINVAL, "%s has no `on: %s`, but %s", file, event, buf_str(&names));
}

int engine_submit(struct engine *e, const struct run_request *req, int64_t *ret_run, struct err *err)
{
    const char *slash = strrchr(req->file, '/'), *name = slash ? slash + 1 : req->file;
    _buf_ struct buf complaints = BUF_INIT;
    _json_ json_t *inputs = NULL, *request = json_object();
    struct workflow *w = NULL;

    int r = check(req->file, req->text, req->len, req->forge, &w, &complaints, err);
    if (r < 0)
        return r;
    struct run_source source = {.file = name,
                                .workflow_name = name,
                                .text = req->text,
                                .len = req->len,
                                .forge = w->forge,
                                .repo_path = req->workspace ? req->workspace : "",
                                .event = req->event ? req->event : default_event(w),
                                .payload = req->payload,
                                .request = request,
                                .secrets = req->secrets,
                                .vars = req->vars,
                                .repository = req->repository,
                                .actor = req->actor,
                                .ref = req->ref};
    const struct workflow_event *event = source.event ? workflow_event(w, source.event) : NULL;
    if (!source.event)
        r = err_set(err, -EINVAL, "%s is only called by other workflows: nothing starts it", req->file);
    else if (!event)
        r = say_events(w, req->file, source.event, err);
    else if (event->n_inputs || json_object_size(req->inputs))
        r = inputs_check(event, req->inputs, &inputs, err);
    source.inputs = inputs;
    if (req->labels)
        json_object_set(request, "labels", req->labels);
    if (req->env)
        json_object_set(request, "env", req->env);
    if (req->job)
        json_object_set_new(request, "job", json_string(req->job));
    if (req->matrix)
        json_object_set(request, "matrix", req->matrix);
    if (req->workspace)
        json_object_set_new(request, "workspace", json_string(req->workspace));
    if (req->workspace && !req->ref)
        json_object_set_new(request, "uncommitted", json_true());
    if (r == 0)
        r = run_submit(e, &source, TAKE(w), ret_run, err);
    workflow_free(w);
    return r;
}
