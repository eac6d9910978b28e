/* A job's thread: a machine for its label, the job on it, and a sink that writes what happens to the store.
 */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------ the store's sink
 */

struct store_sink {
    struct run_job *job;
    struct step_row *steps; /* owned; one for each step of the job */
    char **labels;          /* owned: "job / step" for the log's headers */
    struct mask *mask;
    size_t n;
    /* The last step's end is written with the job's, in one commit: they are less than a millisecond apart.
     */
    bool deferred;
    char *last_texts[5];  /* owned: script, env, cwd, why, summary */
    json_t *last_outputs; /* owned */
};

static void sink_put(struct store_sink *s, size_t i)
{
    struct err err = {0};

    s->steps[i].changed_at = now_ns();
    if (store_put_step(s->job->run->e->store, &s->steps[i], &err) < 0)
        log_error("run", "%lld: step %zu of %s: %s", (long long)s->job->run->row.id, i + 1, s->job->row.key,
                  err.msg);
}

static void sink_name(struct store_sink *s, size_t i, const char *name)
{
    _buf_ struct buf slug = BUF_INIT, label = BUF_INIT;

    /* the directory keeps the name that it had first: paths that someone holds stay true */
    buf_add_slug(&slug, name, 60);
    buf_addf(&label, "%s / %s", s->job->row.name, name);
    free((void *)(uintptr_t)s->steps[i].name);
    free(s->labels[i]);
    s->steps[i].name = strdup(name);
    if (!s->steps[i].slug)
        s->steps[i].slug = buf_steal(&slug);
    s->labels[i] = buf_steal(&label);
}

static void sink_started(void *data, size_t i, const char *name)
{
    struct store_sink *s = data;

    if (i >= s->n)
        return;
    sink_name(s, i, name);
    s->steps[i].status = "in_progress";
    s->steps[i].started_at = now_ns();
    sink_put(s, i);
}

static int sink_output(void *data, size_t i, int stream, const char *bytes, size_t len)
{
    struct store_sink *s = data;
    const struct run *run = s->job->run;
    int64_t step_id = i < s->n ? s->steps[i].id : 0;
    const char *label = i < s->n && s->labels[i] ? s->labels[i] : s->job->row.name;

    return log_append(run->log, run->row.attempt, s->job->row.id, step_id, (enum log_stream)stream, label,
                      bytes, len, NULL);
}

static void sink_annotation(void *data, size_t i, const struct job_annotation *a)
{
    struct store_sink *s = data;
    struct annotation_row row = {.run_id = s->job->run->row.id,
                                 .job_id = s->job->row.id,
                                 .step_id = i < s->n ? s->steps[i].id : 0,
                                 .attempt = s->job->run->row.attempt,
                                 .level = a->level,
                                 .title = a->title,
                                 .file = a->file,
                                 .message = a->message,
                                 .line = a->line,
                                 .col = a->col};

    (void)store_put_annotation(s->job->run->e->store, &row, NULL);
}

static void put_outputs(struct store *st, struct mask *mask, int64_t job_id, int64_t step_id, json_t *outputs)
{
    const char *key;
    json_t *value;

    json_object_foreach(outputs, key, value)
    {
        _buf_ struct buf masked = BUF_INIT;
        mask_apply(mask, json_string_value(value), json_string_length(value), &masked);
        if (name_check(key) == 0)
            (void)store_put_output(st, job_id, step_id, key, buf_str(&masked), NULL);
    }
}

static void put_completed(struct store_sink *s, size_t i, const char *const texts[5], json_t *outputs)
{
    struct run_job *job = s->job;
    struct step_row *row = &s->steps[i];
    struct log_sizes sizes = {0};

    if (row->started_at)
        sizes = log_step_sizes(job->run->e->store, job->run->row.id, row->id);
    row->log_size = sizes.log;
    row->stdout_size = sizes.out;
    row->stderr_size = sizes.err;
    row->script = texts[0];
    row->env = texts[1];
    row->cwd = texts[2];
    row->why = texts[3];
    row->summary = texts[4];
    store_begin(job->run->e->store);
    put_outputs(job->run->e->store, s->mask, job->row.id, row->id, outputs);
    sink_put(s, i);
    (void)store_commit(job->run->e->store, NULL);
    row->script = row->env = row->cwd = row->why = row->summary = "";
}

static void sink_completed(void *data, size_t i, const struct step_result *r)
{
    const char *const texts[5] = {r->script, r->env, r->cwd, r->why, r->summary};
    struct store_sink *s = data;

    if (i >= s->n)
        return;
    struct step_row *row = &s->steps[i];
    if (!row->name || !str_eq(row->name, r->name))
        sink_name(s, i, r->name);
    row->status = "completed";
    row->outcome = r->outcome;
    row->conclusion = r->conclusion;
    row->exit_code = r->exit_code;
    row->completed_at = now_ns();
    if (i + 1 < s->n) {
        put_completed(s, i, texts, r->outputs);
        return;
    }
    s->deferred = true;
    for (size_t k = 0; k < ARRAY_LEN(texts); k++)
        s->last_texts[k] = strdup(texts[k]);
    s->last_outputs = json_incref(r->outputs);
}

/* Writes what was deferred. */
static void sink_finish(struct store_sink *s)
{
    const char *texts[5];

    if (!s->deferred)
        return;
    for (size_t k = 0; k < ARRAY_LEN(texts); k++)
        texts[k] = s->last_texts[k] ? s->last_texts[k] : "";
    put_completed(s, s->n - 1, texts, s->last_outputs);
    s->deferred = false;
}

/* What a step is called before it runs: as far as its name can be told from what is known now. */
static void first_name(const struct store_sink *s, const struct workflow_step *def, json_t *contexts,
                       struct buf *ret)
{
    const struct token *t = def ? (def->name ? def->name : def->run) : NULL;
    struct expr_env env = {.contexts = contexts};
    _free_ char *text = NULL;
    _buf_ struct buf name = BUF_INIT;

    if (t && token_eval_string(t, s->job->run->workflow->file, &env, &text, NULL) == 0 && *text) {
        const char *line = text + strspn(text, " \t\r\n");
        buf_addf(&name, "%s%.*s", def->name ? "" : "Run ", (int)strcspn(line, "\r\n"), line);
    } else if (def && def->uses) {
        buf_addf(&name, "Run %s", def->uses);
    } else {
        buf_adds(&name, def ? def->id : "Set up job");
    }
    mask_apply(s->mask, buf_str(&name), name.len, ret);
}

/* Rows for all steps, so that what will run is seen before it does. */
static int sink_open(struct store_sink *s, struct run_job *job, json_t *contexts, struct mask *mask)
{
    /* a job without steps of its own still has one place to say why it failed */
    s->n = job->def->n_steps ? job->def->n_steps : 1;
    s->job = job;
    s->mask = mask;
    s->steps = calloc(s->n, sizeof(*s->steps));
    s->labels = calloc(s->n, sizeof(*s->labels));
    if (!s->steps || !s->labels)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        const struct workflow_step *def = i < job->def->n_steps ? &job->def->steps[i] : NULL;
        _buf_ struct buf name = BUF_INIT;
        s->steps[i] = (struct step_row){.job_id = job->row.id,
                                        .run_id = job->run->row.id,
                                        .number = (int)i + 1,
                                        .status = "queued",
                                        .exit_code = -1,
                                        .log_size = -1,
                                        .stdout_size = -1,
                                        .stderr_size = -1};
        first_name(s, def, contexts, &name);
        sink_name(s, i, buf_str(&name));
        sink_put(s, i);
    }
    return 0;
}

static void sink_close(struct store_sink *s)
{
    for (size_t i = 0; i < s->n && s->steps; i++) {
        free((void *)(uintptr_t)s->steps[i].name);
        free((void *)(uintptr_t)s->steps[i].slug);
        free(s->labels[i]);
    }
    for (size_t k = 0; k < ARRAY_LEN(s->last_texts); k++)
        free(s->last_texts[k]);
    json_decref(s->last_outputs);
    free(s->steps);
    free(s->labels);
}

/* -------------------------------------------------------------------------------------------- its machine */

/* What a label means: `--label`, then config/labels, then those of the former kind that stand for all. */
static bool label_backend(struct run_job *job, const char *label, struct buf *ret)
{
    json_t *own = json_object_get(job->run->request, "labels");
    const char *s = json_string_value(json_object_get(own, label));
    _buf_ struct buf key = BUF_INIT;

    if (!s)
        s = json_string_value(json_object_get(own, "*"));
    if (s) {
        buf_adds(ret, s);
        return true;
    }
    buf_addf(&key, "labels/%s", label);
    return store_setting(job->run->e->store, SETTING_CONFIG, buf_str(&key), ret) == 0 ||
           store_setting(job->run->e->store, SETTING_CONFIG, "labels/*", ret) == 0;
}

static json_t *labels_of(json_t *runs_on)
{
    json_t *labels = json_is_object(runs_on) ? json_object_get(runs_on, "labels") : runs_on;

    if (json_is_array(labels))
        return json_incref(labels);
    json_t *list = json_array();
    if (json_is_string(labels))
        json_array_append(list, labels);
    return list;
}

/*
 * The backend for `runs-on`. All labels must mean something: those that every machine here has (linux, x64)
 * do by themselves; the first that is mapped, and is not just self-hosted, decides.
 */
static int choose_backend(struct run_job *job, json_t *runs_on, struct buf *ret, struct err *err)
{
    static const char *const implied[] = {"linux", "x64", "arm64"};
    _json_ json_t *labels = labels_of(runs_on);
    json_t *label;
    size_t i;

    json_array_foreach(labels, i, label)
    {
        const char *name = json_string_value(label);
        _buf_ struct buf backend = BUF_INIT;
        bool everyone = false;
        for (size_t k = 0; name && k < ARRAY_LEN(implied); k++)
            everyone |= str_eq_ascii_nocase(implied[k], name);
        bool mapped = name && label_backend(job, name, &backend);
        if (!mapped && !everyone)
            return err_set(err, -EINVAL,
                           "No machine has the label '%s'. Map it with `echo sandbox > config/labels/%s` in "
                           "the mount, or "
                           "run with `--label %s=sandbox`",
                           name ? name : "?", name ? name : "?", name ? name : "?");
        if (mapped && (ret->len == 0 || !str_eq(name, "self-hosted"))) {
            buf_reset(ret);
            buf_adds(ret, buf_str(&backend));
        }
    }
    if (ret->len == 0)
        return err_set(err, -EINVAL, "`runs-on` names no label that is mapped in config/labels");
    return 0;
}

/* The run's arena is shared by its jobs' threads. */
static const char *keep_for_run(struct run *run, const char *text)
{
    pthread_mutex_lock(&run->e->lock);
    const char *copy = text ? arena_strdup(&run->arena, text) : NULL;
    pthread_mutex_unlock(&run->e->lock);
    return copy ? copy : "";
}

static int job_machine(struct run_job *job, json_t *contexts, struct machine **ret, struct err *err)
{
    struct expr_env env = {.contexts = contexts};
    _json_ json_t *runs_on = NULL;
    _buf_ struct buf backend = BUF_INIT, workspace = BUF_INIT;
    _free_ char *text = NULL;
    const char *repository = job->run->row.repository, *slash = strchr(repository, '/');
    const char *name = slash ? slash + 1 : repository;

    if (job->def->uses)
        return err_set(err, -ENOTSUP,
                       "calls of reusable workflows (`uses: %s`) cannot be run in this version of runfs",
                       job->def->uses);
    if (job->def->container || job->def->services)
        return err_set(err, -ENOTSUP,
                       "`%s:` cannot be run in this version of runfs: there are no container machines yet",
                       job->def->container ? "container" : "services");
    int r = token_eval(job->def->runs_on, job->run->workflow->file, &env, &runs_on, err);
    if (r < 0)
        return r;
    text = json_dumps(runs_on, JSON_COMPACT | JSON_ENCODE_ANY);
    job->row.runs_on = keep_for_run(job->run, text);
    r = choose_backend(job, runs_on, &backend, err);
    if (r < 0)
        return r;
    char *image = strchr(backend.ptr, ':');
    if (image)
        *image++ = '\0';
    buf_addf(&workspace, "/home/runner/work/%s/%s", name, name);
    struct machine_spec spec = {.backend = backend.ptr,
                                .image = image,
                                .name = "runner",
                                .workspace = buf_str(&workspace),
                                .network = MACHINE_NET_HOST};
    return machine_acquire(job->run->e->machines, &spec, ret, err);
}

/* ------------------------------------------------------------------------------------------------- its run
 */

static void add_secrets(struct mask *mask, json_t *secrets)
{
    const char *key;
    json_t *value;

    json_object_foreach(secrets, key, value)(void) mask_add(mask, json_string_value(value));
}

static json_t *worker_contexts(const struct run_job *job)
{
    json_t *contexts = json_copy(job->run->contexts);

    json_object_set_new(contexts, "needs", job_needs_context(job));
    json_object_set(contexts, "matrix", job->matrix ? job->matrix : json_null());
    if (job->group)
        json_object_set_new(contexts, "strategy",
                            json_pack("{s:b, s:I, s:I, s:I}", "fail-fast", job->group->fail_fast, "job-index",
                                      (json_int_t)job->index, "job-total", (json_int_t)job->group->total,
                                      "max-parallel",
                                      (json_int_t)(job->group->max_parallel ? (size_t)job->group->max_parallel
                                                                            : job->group->total)));
    return contexts;
}

static void say_refused(struct store_sink *sink, const char *msg)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "##[error]%s\n", msg);
    sink_started(sink, 0, "Set up job");
    (void)sink_output(sink, 0, LOG_RUNNER, buf_str(&line), line.len);
    sink_annotation(sink, 0,
                    &(struct job_annotation){.level = "error", .title = "", .file = "", .message = msg});
    sink_completed(sink, 0,
                   &(struct step_result){.name = "Set up job",
                                         .outcome = "failure",
                                         .conclusion = "failure",
                                         .exit_code = -1,
                                         .script = "",
                                         .env = "",
                                         .cwd = "",
                                         .why = "",
                                         .summary = ""});
}

/* Makes the machine known to those who cancel; one that was cancelled before is interrupted when its first
 * step starts. */
static void set_machine(struct run_job *job, struct machine *machine)
{
    pthread_mutex_lock(&job->run->e->lock);
    job->machine = machine;
    pthread_mutex_unlock(&job->run->e->lock);
}

static void run_on_machine(struct run_job *job, json_t *contexts, struct store_sink *store_sink,
                           struct job_result *result)
{
    struct job_sink sink = {.data = store_sink,
                            .step_started = sink_started,
                            .output = sink_output,
                            .annotation = sink_annotation,
                            .step_completed = sink_completed};
    struct job_spec spec = {.workflow = job->run->workflow,
                            .job = job->def,
                            .contexts = contexts,
                            .env = json_object_get(job->run->request, "env"),
                            .runner_name = job->run->e->runner_name,
                            .cancelled = &job->cancelled};
    struct machine *machine = NULL;
    struct err err = {0};

    if (job_machine(job, contexts, &machine, &err) < 0) {
        say_refused(store_sink, err.msg);
        *result = (struct job_result){.status = JOB_FAILURE, .exit_code = 1};
        return;
    }
    job->row.backend = keep_for_run(job->run, machine_backend(machine));
    set_machine(job, machine);
    job_run(&spec, machine, store_sink->mask, &sink, result);
    set_machine(job, NULL);
    machine_release(machine);
}

static void start_rows(struct run_job *job, struct store_sink *sink, json_t *contexts, struct mask *mask)
{
    struct run *run = job->run;
    struct store *st = run->e->store;

    store_begin(st);
    job->row.status = "in_progress";
    job->row.started_at = job->row.changed_at = now_ns();
    (void)store_put_job(st, &job->row, NULL);
    if (!str_eq(run->row.status, "in_progress")) {
        run->row.status = "in_progress";
        run->row.started_at = run->row.changed_at = job->row.started_at;
        (void)store_put_run(st, &run->row, NULL);
    }
    (void)sink_open(sink, job, contexts, mask);
    (void)store_commit(st, NULL);
}

/* With the lock held on entry and exit. */
static void work(struct run_job *job)
{
    struct run *run = job->run;
    struct engine *e = run->e;
    _json_ json_t *contexts = worker_contexts(job);
    struct mask *mask = mask_new();
    struct store_sink sink = {0};
    struct job_result result = {0};

    if (mask) {
        add_secrets(mask, json_object_get(contexts, "secrets"));
        start_rows(job, &sink, contexts, mask);
    }
    pthread_mutex_unlock(&e->lock);
    if (mask && sink.labels) {
        run_on_machine(job, contexts, &sink, &result);
    } else {
        result = (struct job_result){.status = JOB_FAILURE, .exit_code = 1};
    }
    job->row.log_size = log_size(
        e->store, &(struct log_select){.run_id = run->row.id, .job_id = job->row.id, .streams = LOG_OF_STEP});
    pthread_mutex_lock(&e->lock);
    store_begin(e->store);
    sink_finish(&sink);
    if (mask)
        put_outputs(e->store, mask, job->row.id, 0, result.outputs);
    job->outputs = TAKE(result.outputs);
    job_finish(job, result.status, result.exit_code);
    run_advance(run); /* may free the run and the job */
    (void)store_commit(e->store, NULL);
    sink_close(&sink);
    mask_free(mask);
}

void *engine_worker(void *engine)
{
    struct engine *e = engine;

    pthread_mutex_lock(&e->lock);
    for (;;) {
        struct run_job *job = e->stopping ? NULL : schedule_next(e);
        if (job)
            work(job);
        else if (e->stopping)
            break;
        else
            pthread_cond_wait(&e->work, &e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}
