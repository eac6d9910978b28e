/* From a checked workflow to a run with its jobs, in the store and in the engine. */
#include "engine_internal.h"
#include "resume.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

void run_free(struct run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->n_jobs; i++) {
        json_decref(run->jobs[i]->matrix);
        json_decref(run->jobs[i]->outputs);
        free(run->jobs[i]);
    }
    free(run->jobs);
    while (run->scopes) {
        struct run_scope *next = run->scopes->next;
        json_decref(run->scopes->contexts);
        free(run->scopes);
        run->scopes = next;
    }
    group_setting_free(run->group);
    json_decref(run->carried);
    log_writer_close(run->log);
    workflow_free(run->workflow);
    json_decref(run->request);
    json_decref(run->extra_secrets);
    resume_free(run->resume);
    json_decref(run->contexts);
    arena_release(&run->arena);
    free(run);
}

const char *default_event(const struct workflow *w)
{
    static const char *const preferred[] = {"push", "workflow_dispatch"};

    for (size_t i = 0; i < ARRAY_LEN(preferred); i++)
        if (workflow_event(w, preferred[i]))
            return preferred[i];
    for (size_t i = 0; i < w->n_events; i++)
        if (!str_eq(w->events[i].name, "workflow_call"))
            return w->events[i].name;
    return NULL;
}

static const char *keep(struct run *run, const char *s)
{
    const char *copy = arena_strdup(&run->arena, s ? s : "");

    return copy ? copy : "";
}

size_t name_kept(const char *name)
{
    enum { MAX = 1000 };
    size_t len = strnlen(name, MAX + 1);

    return len > MAX ? utf8_valid_prefix(name, MAX) : len;
}

static const char *keep_name(struct run *run, const char *name)
{
    const char *copy = arena_strndup(&run->arena, name, name_kept(name));

    return copy ? copy : "";
}

/* What a pull request wants to merge. GitHub documentation, "REST API endpoints for workflow runs": a run's
 * head. */
static void fill_head(struct run *run, const char *event, const json_t *payload)
{
    const json_t *head = json_object_get(json_object_get(payload, "pull_request"), "head");
    const char *branch = json_string_value(json_object_get(head, "ref"));
    const char *sha = json_string_value(json_object_get(head, "sha"));

    if (!str_starts(event, "pull_request") || !branch || !sha)
        return;
    run->row.head_branch = keep(run, branch);
    run->row.head_sha = keep(run, sha);
}

static void fill_row(struct run *run, const struct run_source *source)
{
    const char *name = *run->workflow->name ? run->workflow->name : source->file;

    run->row = (struct run_row){.id = run->row.id,
                                .workflow_id = source->workflow_id,
                                .attempt = run->row.attempt ? run->row.attempt : 1,
                                .status = "queued",
                                .conclusion = "",
                                .exit_code = -1,
                                .workflow_name = keep(run, source->workflow_name),
                                .name = keep(run, name),
                                .title = keep(run, name),
                                .event = keep(run, source->event),
                                .ref = keep(run, source->prepared->ref),
                                .sha = keep(run, source->prepared->sha),
                                .actor = keep(run, source->prepared->actor),
                                .repository = keep(run, source->prepared->repository),
                                .repo_id = source->repo_id,
                                .forge = (int)run->workflow->forge,
                                .created_at = run->row.created_at ? run->row.created_at : now_ns(),
                                .log_size = -1};
    fill_head(run, source->event, source->prepared->payload);
    run->row.changed_at = now_ns();
    run->repo_path = keep(run, source->repo_path);
    run->uncommitted = json_is_true(json_object_get(run->request, "uncommitted"));
}

/* What is set, and over it what was given to this run; of a fork's only that. */
static json_t *settings_for(const struct run *run, enum setting_kind kind, json_t *given)
{
    if (!run->of_fork)
        return settings_object(run->e->store, kind, given);
    return given ? json_incref(given) : json_object();
}

/* github needs the run's number, run-name needs github. */
static int fill_contexts(struct run *run, const struct run_source *source, json_t *payload, struct err *err)
{
    json_t *inputs = source->inputs ? json_incref(source->inputs) : json_object();
    enum forge forge = run->workflow->forge;
    json_t *github, *secrets;
    _free_ char *title = NULL;

    run->of_fork = event_is_of_fork(run->row.event, payload);
    github = github_context(run, source, payload);
    secrets = settings_for(run, SETTING_SECRET, source->secrets);
    if (forge_add_token_names(forge, &secrets) < 0 ||
        forge_add_server(forge, run->e->store, run->repo_path, github) < 0) {
        json_decref(inputs);
        json_decref(github);
        json_decref(secrets);
        return err_errno(err, -ENOMEM, "cannot start a run");
    }
    run->contexts = json_pack("{s:o, s:o, s:o, s:o}", "github", github, "inputs", inputs, "vars",
                              settings_for(run, SETTING_VAR, source->vars), "secrets", secrets);
    if (!run->contexts)
        return err_errno(err, -ENOMEM, "cannot start a run");
    struct expr_env env = {.contexts = run->contexts};
    if (run->workflow->run_name) {
        int r = token_eval_string(run->workflow->run_name, run->workflow->file, &env, &title, err);
        if (r < 0)
            return r;
        if (*title)
            run->row.title = keep_name(run, title);
    }
    return group_setting_evaluate(run->workflow->concurrency, run->workflow->file, &env, &run->group, err);
}

static int put_json(struct store *st, int64_t id, enum run_text which, const json_t *json, struct err *err)
{
    _free_ char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    _buf_ struct buf line = BUF_INIT;

    if (!text)
        return err_errno(err, -ENOMEM, "cannot start a run");
    buf_addf(&line, "%s\n", text);
    return store_put_run_text(st, id, which, buf_str(&line), line.len, err);
}

static json_t *plan_of(const struct run *run, const struct event *event)
{
    _json_ json_t *contexts = json_copy(run->contexts);

    json_object_del(contexts, "secrets");
    json_t *plan = plan_to_json(run->workflow, event, contexts);
    return plan ? plan : json_object();
}

int run_put_edited(struct run *run, const struct buf *source, struct err *err)
{
    const json_t *github = json_object_get(run->contexts, "github");
    const struct event event = {
        .name = run->row.event, .ref = run->row.ref, .payload = json_object_get(github, "event")};
    _json_ json_t *plan = plan_of(run, &event);
    int r = store_put_run_text(run->e->store, run->row.id, RUN_SOURCE, buf_str(source), source->len, err);

    return r == 0 ? put_json(run->e->store, run->row.id, RUN_PLAN, plan, err) : r;
}

static int put_texts(struct run *run, const struct run_source *source, json_t *payload, struct err *err)
{
    struct store *st = run->e->store;
    _json_ json_t *plan = plan_of(run, &source->prepared->event), *empty = json_object();
    int r = store_put_run_text(st, run->row.id, RUN_SOURCE, source->text, source->len, err);

    if (r == 0)
        r = put_json(st, run->row.id, RUN_EVENT, payload, err);
    if (r == 0)
        r = put_json(st, run->row.id, RUN_INPUTS, source->inputs ? source->inputs : empty, err);
    if (r == 0)
        r = put_json(st, run->row.id, RUN_PLAN, plan, err);
    if (r == 0 && json_object_size(run->request))
        r = put_json(st, run->row.id, RUN_REQUEST, run->request, err);
    return r;
}

/* A dropped file is registered in the same group as its run: both are there, or neither. */
static int register_drop(struct run *run, const struct run_source *source, struct err *err)
{
    struct store *st = run->e->store;
    int r = store_put_workflow(st, source->drop, err);

    if (r == 0)
        r = store_put_error(st, source->drop->name, NULL, err);
    if (r == 0)
        r = config_set_proposed(st, source->drop->name, false, err);
    run->row.workflow_id = source->drop->id;
    return r;
}

static int put_last_run(struct run *run, const struct run_source *source, struct err *err)
{
    const struct workflow_row *old =
        source->drop ? NULL : store_get_workflow(run->e->store, run->row.workflow_id);
    struct workflow_row row;
    int r = 0;

    if (source->drop || old) {
        row = source->drop ? *source->drop : *old;
        row.last_run = run->row.id;
        r = store_put_workflow(run->e->store, &row, err);
    }
    workflow_row_unref(old);
    return r;
}

/* What is no error, but not what its author wants. */
static int put_warnings(const struct run *run, struct err *err)
{
    _lint_ struct lint found = {0};
    int r = workflow_warnings(run->workflow, &found);

    if (r < 0)
        return err_errno(err, r, "%s", run->row.workflow_name);
    for (size_t i = 0; r == 0 && i < found.n; i++) {
        const struct lint_error *e = &found.errors[i];
        const struct annotation_row row = {.run_id = run->row.id,
                                           .attempt = run->row.attempt,
                                           .level = "warning",
                                           .title = "",
                                           .file = run->workflow->file,
                                           .message = lint_message(e),
                                           .line = e->line,
                                           .col = e->col};
        r = store_put_annotation(run->e->store, &row, err);
    }
    return r;
}

/* All rows of a new run, within the open group. */
static int put_new_run(struct run *run, const struct run_source *source, struct err *err)
{
    struct store *st = run->e->store;
    json_t *payload = source->prepared->payload;

    int r = source->drop ? register_drop(run, source, err) : 0;
    if (r == 0)
        r = store_put_run(st, &run->row, err);
    if (r == 0)
        r = fill_contexts(run, source, payload, err);
    if (r == 0 && run->workflow->run_name)
        r = store_put_run(st, &run->row, err);
    if (r == 0)
        r = put_texts(run, source, payload, err);
    if (r == 0)
        r = put_warnings(run, err);
    if (r == 0)
        r = run_add_jobs(run, err);
    if (r == 0 && source->hook_id)
        r = store_put_hook_run(st, source->hook_id, run->row.workflow_id, run->row.id, err);
    if (r == 0 && source->hook_id)
        r = run_put_words(run, source->hook_id, payload, err);
    if (r == 0 && run->row.workflow_id)
        r = put_last_run(run, source, err);
    return r == 0 ? log_writer_open(st, run->row.id, &run->log, err) : r;
}

/* Whether a run may cancel what others do, or make them wait. */
static bool has_groups(const struct workflow *w)
{
    if (w->concurrency)
        return true;
    for (size_t i = 0; i < w->n_jobs; i++)
        if (w->jobs[i].concurrency || (w->jobs[i].called && has_groups(w->jobs[i].called)))
            return true;
    return false;
}

/*
 * One group from the rows to the first decision: what can start at once is decided before the commit, and a
 * worker sees it only when the lock is free. What is decided about other runs, too, comes behind it: the
 * database may refuse this one, and these would have been cancelled for nothing. With the engine's lock held.
 */
static int put_and_activate(struct run *run, const struct run_source *source, int64_t *ret_run,
                            struct err *err)
{
    struct engine *e = run->e;
    struct err commit_err = {0};
    int r;

    store_begin(e->store);
    r = put_new_run(run, source, err);
    if (r < 0) {
        store_rollback(e->store);
        run_free(run);
        return r;
    }
    int64_t id = run->row.id;
    bool alone = !has_groups(run->workflow);
    if (alone)
        run_activate(e, run);
    r = store_commit(e->store, &commit_err);
    if (r == 0 && !alone)
        run_activate(e, run);
    if (r < 0) {
        if (!alone)
            run_free(run);
        else if ((run = run_find(e, id)))
            run_abandon(run);
        if (err)
            *err = commit_err;
        return r;
    }
    *ret_run = id;
    return 0;
}

/* source is prepared. */
static int submit_prepared(struct engine *e, const struct run_source *source, struct workflow *w,
                           int64_t *ret_run, struct err *err)
{
    struct run *run = calloc(1, sizeof(*run));
    struct workflow *followed = NULL;

    if (!run) {
        workflow_free(w);
        return err_errno(err, -ENOMEM, "cannot start a run");
    }
    run->e = e;
    run->workflow = w;
    run->request = source->request ? json_incref(source->request) : json_object();
    run->extra_secrets = json_incref(source->secrets);
    int r = calls_follow(e, source, false, run->request, w, &followed, err);
    if (r < 0) {
        run_free(run);
        return r;
    }
    if (followed)
        run->workflow = followed;
    fill_row(run, source);
    pthread_mutex_lock(&e->lock);
    r = put_and_activate(run, source, ret_run, err);
    pthread_mutex_unlock(&e->lock);
    if (followed)
        workflow_free(w); /* the source may have names from it */
    return r;
}

int run_submit(struct engine *e, const struct run_source *source, struct workflow *w, int64_t *ret_run,
               struct err *err)
{
    _prepared_event_ struct prepared_event prepared = {0};
    struct run_source full = *source;

    if (!full.prepared) {
        int r = source_prepare(e, source, &prepared, err);
        if (r < 0) {
            workflow_free(w);
            return r;
        }
        full.prepared = &prepared;
    }
    return submit_prepared(e, &full, w, ret_run, err);
}

/* ------------------------------------------------------------------------------------------- taken up again
 */

static json_t *load_text(struct store *st, int64_t id, enum run_text which)
{
    _buf_ struct buf text = BUF_INIT;

    return store_run_text(st, id, which, &text) == 0
               ? json_loadb(buf_str(&text), text.len, JSON_DECODE_ANY, NULL)
               : NULL;
}

/* Where the repository is by now: linked ones may have moved; `runfs run` says it in the request. */
static void restore_repo(struct run *run)
{
    const struct repo_row *repo = run->row.repo_id ? store_get_repo(run->e->store, run->row.repo_id) : NULL;
    const char *workspace = json_string_value(json_object_get(run->request, "workspace"));

    run->repo_path = keep(run, repo ? repo->path : workspace);
    run->uncommitted = json_is_true(json_object_get(run->request, "uncommitted"));
    repo_row_unref(repo);
}

/* As one that is yet to run; its strings outlive the cached row. */
static void restore_row(struct run *run, const struct run_row *row)
{
    run->row = *row;
    run->row.status = "queued";
    run->row.conclusion = "";
    run->row.exit_code = -1;
    run->row.started_at = run->row.completed_at = 0;
    run->row.log_size = -1;
    const char **texts[] = {&run->row.workflow_name, &run->row.name,
                            &run->row.title,         &run->row.event,
                            &run->row.ref,           &run->row.sha,
                            &run->row.actor,         &run->row.repository,
                            &run->row.concurrency,   &run->row.triggering_actor,
                            &run->row.head_branch,   &run->row.head_sha};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = keep(run, *texts[i]);
    run->row.why = "";
}

int run_restore(struct engine *e, const struct run_row *row, const struct buf *edited, struct run **ret,
                struct err *err)
{
    _json_ json_t *payload = load_text(e->store, row->id, RUN_EVENT),
                  *inputs = load_text(e->store, row->id, RUN_INPUTS);
    struct run *run = calloc(1, sizeof(*run));
    struct workflow *followed = NULL;
    _buf_ struct buf source = BUF_INIT;
    _lint_ struct lint lint = {0};

    if (!run)
        return err_errno(err, -ENOMEM, "cannot start a run");
    run->e = e;
    restore_row(run, row);
    run->request = load_text(e->store, row->id, RUN_REQUEST);
    if (!run->request)
        run->request = json_object();
    restore_repo(run);
    int r = 0;
    if (edited)
        buf_add(&source, buf_str(edited), edited->len);
    else
        r = store_run_text(e->store, row->id, RUN_SOURCE, &source);
    const char *colon = strchr(row->workflow_name, ':'), *file = colon ? colon + 1 : row->workflow_name;
    if (r == 0)
        r = workflow_parse(file, buf_str(&source), source.len,
                           &(const struct workflow_opts){.forge = (enum forge)row->forge}, &run->workflow,
                           &lint);
    struct run_source from = {.file = file,
                              .text = buf_str(&source),
                              .len = source.len,
                              .forge = (enum forge)row->forge,
                              .event = row->event,
                              .inputs = inputs};
    if (r == 0)
        r = calls_follow(e, &from, true, run->request, run->workflow, &followed, err);
    if (followed) {
        workflow_free(run->workflow);
        run->workflow = followed;
    }
    if (r == 0)
        r = fill_contexts(run, &from, payload, err);
    if (r == 0)
        r = log_writer_open(e->store, row->id, &run->log, err);
    if (r < 0) {
        run_free(run);
        return err && err->code
                   ? r
                   : err_set(err, r, "the workflow of run %lld cannot be read", (long long)row->id);
    }
    *ret = run;
    return 0;
}
