/*
 * Events are delivered: to the workflows of the linked repository that the payload names (to those of all,
 * when it names none), and to every dropped workflow, which belongs to no repository and so hears everything.
 * A dropped one that hears of a linked repository runs on that.
 */
#include "deliver.h"

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/mirror.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { PAYLOAD_MAX = 25 * 1024 * 1024 /* as GitHub's */ };

/* What the workflows of one repository, or the dropped ones, have in common. */
struct target {
    struct engine *e;
    const struct delivery *d;
    const struct repo_row *repo; /* where runs stand; NULL: nowhere */
    const char *prefix;          /* before their names in the report: "REPO/" */
    const char *refusal;         /* why none of them starts; NULL */
    struct prepared_event prepared;
    bool ready; /* prepared is filled, and good for all of them */
    struct buf *report;
    int started;
};

/* -------------------------------------------------------------------------------------------- one workflow
 */

/* workflow_dispatch may name the workflow, as a file or as GitHub does, by its path. */
static bool is_asked(const struct delivery *d, const char *file)
{
    const char *said = json_text_at(d->payload, "workflow"), *slash = strrchr(said, '/');

    return !str_eq(d->event, "workflow_dispatch") || !*said || str_eq(slash ? slash + 1 : said, file);
}

/* The event is the same for all workflows of a repository, but for what names the workflow or its inputs. */
static const struct prepared_event *prepared_for(struct target *t, const struct run_source *source,
                                                 struct prepared_event *room, struct err *err)
{
    bool shared = t->repo && !source->inputs && !str_eq(source->event, "schedule") &&
                  !str_eq(source->event, "workflow_dispatch");

    if (!shared)
        return source_prepare(t->e, source, room, err) < 0 ? NULL : room;
    if (!t->ready && source_prepare(t->e, source, &t->prepared, err) < 0)
        return NULL;
    t->ready = true;
    return &t->prepared;
}

static int start(struct target *t, struct run_source *source, struct workflow **w, struct buf *why,
                 int64_t *ret_run, struct err *err)
{
    const struct workflow_event *on = workflow_event(*w, source->event);
    _prepared_event_ struct prepared_event room = {0};
    _json_ json_t *inputs = NULL;

    if (!on) { /* whatever it is about: git need not be asked */
        (void)event_matches(*w, &(const struct event){.name = source->event}, why);
        return 0;
    }
    if (str_eq(source->event, "workflow_dispatch")) {
        int r = inputs_check(on, json_object_get(source->payload, "inputs"), &inputs, err);
        if (r < 0)
            return r;
        source->inputs = inputs;
    }
    source->prepared = prepared_for(t, source, &room, err);
    if (!source->prepared)
        return err->code ? err->code : err_errno(err, -ENOMEM, "%s", source->event);
    if (!event_matches(*w, &source->prepared->event, why))
        return 0;
    return run_submit(t->e, source, TAKE(*w), ret_run, err);
}

static void deliver_to_workflow(struct target *t, const struct workflow_row *row)
{
    _buf_ struct buf label = BUF_INIT, why = BUF_INIT;
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;
    struct err err = {0};
    int64_t run = 0;

    struct run_source source;
    source_registered(row, t->repo, &label, &source);
    source.event = t->d->event;
    source.payload = t->d->payload;
    source.hook_id = t->d->hook_id;
    int r = -EPERM;
    if (t->d->hook_id && (run = store_find_hook_run(t->e->store, t->d->hook_id, row->id))) {
        buf_adds(&why, "it was started before runfs ended");
        goto report;
    }
    if (config_disabled(t->e->store, source.workflow_name)) {
        if (t->d->listeners)
            return;
        err_set(&err, r, "it is disabled, by config/disabled/%s", source.workflow_name);
        goto report;
    }
    if (config_proposed(t->e->store, source.workflow_name)) {
        if (t->d->listeners)
            return;
        err_set(&err, r, "a model proposed it, and nobody has started it yet: `echo run` to dispatch/%s",
                source.workflow_name);
        goto report;
    }
    r = workflow_parse(row->name, row->source, row->source_len,
                       &(const struct workflow_opts){.forge = source.forge}, &w, &lint);
    if (r < 0)
        err_set(&err, r, "%s", lint.n ? lint.errors[0].msg : "the workflow cannot be read");
    else if (t->d->listeners && !workflow_event(w, t->d->event))
        goto out;
    else if (t->refusal)
        err_set(&err, -EINVAL, "%s", t->refusal);
    else if (!is_asked(t->d, row->name))
        err_set(&err, -EINVAL, "%s is asked for", json_text_at(t->d->payload, "workflow"));
    else
        start(t, &source, &w, &why, &run, &err);
report:
    buf_addf(t->report, "%s%s: ", t->prefix, row->name);
    if (run)
        buf_addf(t->report, "run %lld: %s\n", (long long)run, buf_str(&why));
    else
        buf_addf(t->report, "not started: %s\n", err.code ? err.msg : buf_str(&why));
    if (run && t->d->runs)
        buf_addf(t->d->runs, "%s%lld", t->d->runs->len ? " " : "", (long long)run);
    t->started += run != 0;
out:
    workflow_free(w);
}

static void deliver_to_target(struct target *t, int64_t repo_id)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_workflows(t->e->store, repo_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct workflow_row *row = store_get_workflow(t->e->store, ids[i]);
            if (row && !row->removed && (!t->d->to_workflow || t->d->to_workflow == row->id))
                deliver_to_workflow(t, row);
            workflow_row_unref(row);
        }
        after = ids[n - 1];
    }
    prepared_event_release(&t->prepared);
}

/* ------------------------------------------------------------------------------------------- repositories */

/* Whether the payload is of that repository; else why the workflows of it do not hear of it. */
static bool is_of(struct engine *e, const struct delivery *d, const struct repo_row *repo, struct buf *why)
{
    const char *said = json_text_at(json_object_get(d->payload, "repository"), "full_name");

    if (!*said || repository_is(e, repo, said))
        return true;
    buf_addf(why, "the payload is of %s, and this is %s", said, repo->full_name);
    return false;
}

typedef int repo_fn(void *data, const struct repo_row *repo); /* not 0 ends it */

static int each_repo(struct store *st, repo_fn *fn, void *data)
{
    int64_t ids[64], after = 0;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = store_list_repos(st, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            const struct repo_row *row = store_get_repo(st, ids[i]);
            r = row ? fn(data, row) : 0;
            repo_row_unref(row);
        }
        after = ids[n - 1];
    }
    return r;
}

/* Where a dropped workflow runs: on the repository that the payload names; without a payload, on the only
 * one. */
struct finding {
    struct engine *e;
    const struct delivery *d;
    int64_t id;
    int n;
};

static int find_repo(void *data, const struct repo_row *repo)
{
    struct finding *f = data;
    _buf_ struct buf ignored = BUF_INIT;
    bool named = *json_text_at(json_object_get(f->d->payload, "repository"), "full_name");

    if (named ? is_of(f->e, f->d, repo, &ignored) : !f->d->payload) {
        f->id = repo->id;
        f->n++;
    }
    return 0;
}

static void deliver_to_dropped(struct engine *e, const struct delivery *d, struct buf *report, int *started)
{
    struct finding f = {.e = e, .d = d};
    struct target t = {.e = e, .d = d, .prefix = "", .report = report};

    if (d->to_repo == DELIVER_TO_ALL)
        (void)each_repo(e->store, find_repo, &f);
    t.repo = f.n == 1 ? store_get_repo(e->store, f.id) : NULL;
    deliver_to_target(&t, 0);
    repo_row_unref(t.repo);
    *started += t.started;
}

struct spreading {
    struct engine *e;
    const struct delivery *d;
    struct buf *report;
    int started;
};

/* Then a mirror may lack what it is about. */
static bool comes_from_outside(struct engine *e, const struct delivery *d, const struct repo_row *repo)
{
    _buf_ struct buf address = BUF_INIT;

    return d->to_repo == DELIVER_TO_ALL && d->payload && !d->listeners &&
           mirror_address(e->store, repo->path, &address) == 0;
}

/* With what it shows for this event, which is nobody else's meanwhile. */
static void deliver_held(struct target *t, bool fetched)
{
    _close_ int held = -1;
    bool elsewhere = false;
    struct err err = {0};
    int r = mirror_hold(t->e->store, t->repo->path, &held, &err);

    if (r == 0 && fetched) {
        proc_until(engine_ending, t->e);
        r = mirror_show(t->repo, t->d->event, t->d->payload, &elsewhere, &err);
        proc_until(NULL, NULL);
    }
    if (r == 0)
        repo_register(t->e, t->repo);
    else
        t->refusal = err.msg;
    deliver_to_target(t, t->repo->id);
    if (elsewhere) {
        proc_until(engine_ending, t->e);
        mirror_settle(t->repo);
        proc_until(NULL, NULL);
        repo_register(t->e, t->repo);
    }
}

/* What takes long when there is much is no reason to stay. */
static void tidy(struct engine *e, const struct repo_row *repo)
{
    proc_until(engine_ending, e);
    mirror_tidy(repo);
    proc_until(NULL, NULL);
}

static int deliver_to_repo(void *data, const struct repo_row *repo)
{
    struct spreading *s = data;
    _buf_ struct buf prefix = BUF_INIT, why = BUF_INIT;
    struct target t = {.e = s->e, .d = s->d, .repo = repo, .report = s->report};
    struct err err = {0};
    bool fetched = false;

    if (s->d->to_repo != DELIVER_TO_ALL && s->d->to_repo != repo->id)
        return 0;
    if (s->d->to_repo == DELIVER_TO_ALL && !is_of(s->e, s->d, repo, &why))
        t.refusal = buf_str(&why);
    else if (comes_from_outside(s->e, s->d, repo)) {
        proc_until(engine_ending, s->e);
        fetched = mirror_fetch(s->e->store, repo, s->d->payload, &err) == 0;
        proc_until(NULL, NULL);
        t.refusal = fetched ? NULL : err.msg;
    }
    buf_addf(&prefix, "%s/", repo->name);
    t.prefix = buf_str(&prefix);
    deliver_held(&t, fetched);
    if (fetched)
        tidy(s->e, repo);
    s->started += t.started;
    return 0;
}

int deliver(struct engine *e, const struct delivery *d, struct buf *report)
{
    struct spreading s = {.e = e, .d = d, .report = report};

    if (d->to_repo <= 0)
        deliver_to_dropped(e, d, report, &s.started);
    if (d->to_repo != 0)
        (void)each_repo(e->store, deliver_to_repo, &s);
    return s.started;
}

/* ------------------------------------------------------------------------------------------------
 * events/NAME */

static int refuse(struct engine *e, const char *key, const struct err *why)
{
    _buf_ struct buf line = BUF_INIT;
    struct err ignored;

    buf_addf(&line, "%s\n", why->msg);
    (void)store_put_error(e->store, key, buf_str(&line), &ignored);
    log_info("events", "%s", why->msg);
    return why->code;
}

/* What an event needs of a payload beyond being JSON. */
static int check_payload(const char *event, json_t *payload, struct err *err)
{
    _prepared_event_ struct prepared_event prepared = {0};
    struct event_request req = {.name = event, .payload = payload};

    if (!payload && str_eq(event, "repository_dispatch"))
        return err_set(err, -EINVAL,
                       "it needs an event_type: {\"event_type\": \"deploy\", \"client_payload\": {}}");
    return event_prepare(&req, &prepared, err);
}

int engine_deliver(struct engine *e, const char *event, const char *text, size_t len,
                   struct delivery_result *ret, struct err *err)
{
    char what[64], key[64];
    _json_ json_t *payload = NULL;
    _buf_ struct buf report = BUF_INIT;
    struct err own = {0};
    int r;

    err = err ? err : &own;
    if (event_index(event) < 0)
        return err_set(err, -ENOENT, "there is no event '%s'", event);
    snprintf(what, sizeof(what), "events/%s", event);
    snprintf(key, sizeof(key), "events-%s", event);
    r = len > PAYLOAD_MAX ? err_set(err, -EFBIG, "%s: the payload is larger than %d bytes", what, PAYLOAD_MAX)
                          : event_parse(what, text, len, &payload, err);
    if (r == 0 && (r = check_payload(event, payload, err)) < 0)
        err_prefix(err, "%s", what);
    if (r < 0)
        return refuse(e, key, err);
    (void)store_put_error(e->store, key, NULL, NULL);
    deliver(e,
            &(struct delivery){.event = event,
                               .payload = payload,
                               .to_repo = DELIVER_TO_ALL,
                               .runs = ret ? &ret->runs : NULL,
                               .hook_id = ret ? ret->hook_id : 0},
            &report);
    if (report.len == 0)
        buf_adds(&report,
                 "no workflow is registered: drop one into workflows/, or link a repository in repos/\n");
    if (ret) {
        buf_add(&ret->report, buf_str(&report), report.len);
        ret->cut_off = engine_ending(e);
    }
    return buf_ok(&report) ? store_put_delivery(e->store, event, buf_str(&report), err)
                           : err_errno(err, -ENOMEM, "%s", what);
}

int engine_deliver_start(struct engine *e, const char *event, const char *text, size_t len, struct err *err)
{
    char what[64], key[64];
    struct err own = {0};

    err = err ? err : &own;
    snprintf(what, sizeof(what), "events/%s", event);
    snprintf(key, sizeof(key), "events-%s", event);
    return event_parse_start(what, text, len, err) < 0 ? refuse(e, key, err) : 0;
}
