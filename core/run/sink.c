/* The sink of a job whose events go to the store: rows for its steps, its log, annotations and outputs. */
#include "sink.h"

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static const char *step_label(const struct store_sink *s, size_t i)
{
    return i < s->n && s->steps[i].label ? s->steps[i].label : s->job->row.name;
}

static void sink_put(struct store_sink *s, size_t i)
{
    struct step_row *row = &s->steps[i].row;
    struct err err = {0};

    row->changed_at = now_ns();
    store_begin_lasting(s->job->run->e->store);
    int r = store_put_step(s->job->run->e->store, row, &err);
    int c = store_commit(s->job->run->e->store, &err);
    if (r < 0 || c < 0)
        log_error("run", "%lld: step %d of %s: %s", (long long)s->job->run->row.id, row->number,
                  s->job->row.key, err.msg);
}

static bool slug_taken(const struct store_sink *s, int number, const char *slug)
{
    for (size_t i = 0; i < s->n; i++)
        if ((s->steps[i].row.number == number || (s->steps[i].row.number <= 0 && number <= 0)) &&
            s->steps[i].row.slug && str_eq(s->steps[i].row.slug, slug))
            return true;
    return false;
}

/* Steps that have their number in common differ in their slugs. */
static void unique_slug(const struct store_sink *s, int number, struct buf *slug)
{
    size_t stem = slug->len;

    for (int k = 2; buf_ok(slug) && slug_taken(s, number, buf_str(slug)); k++) {
        slug->len = stem;
        buf_addf(slug, "-%d", k);
    }
}

static void sink_name(struct store_sink *s, size_t i, const char *whole)
{
    struct sink_step *step = &s->steps[i];
    _buf_ struct buf slug = BUF_INIT, label = BUF_INIT;
    _free_ char *name = strndup(whole, name_kept(whole));

    if (!name)
        return;

    /* the directory keeps the name that it had first: paths that someone holds stay true */
    buf_add_slug(&slug, name, 60);
    buf_addf(&label, "%s / %s", s->job->row.name, name);
    free((void *)(uintptr_t)step->row.name);
    free(step->label);
    step->row.name = TAKE(name);
    if (!step->row.slug) {
        unique_slug(s, step->row.number, &slug);
        step->row.slug = buf_steal(&slug);
    }
    step->label = buf_steal(&label);
}

static int grow(struct store_sink *s, size_t n)
{
    struct sink_step *more = reallocarray(s->steps, n, sizeof(*more));

    if (!more)
        return -ENOMEM;
    memset(more + s->n, 0, (n - s->n) * sizeof(*more));
    s->steps = more;
    s->n = n;
    return 0;
}

static struct step_row new_row(const struct store_sink *s, int number)
{
    return (struct step_row){.job_id = s->job->row.id,
                             .run_id = s->job->run->row.id,
                             .number = number,
                             .status = "queued",
                             .exit_code = -1,
                             .log_size = -1,
                             .stdout_size = -1,
                             .stderr_size = -1};
}

/* ------------------------------------------------------------------------------------------------ events */

static void put_outputs(struct store_sink *s, int64_t step_id, json_t *outputs)
{
    struct store *st = s->job->run->e->store;
    const char *key;
    json_t *value;

    json_object_foreach(outputs, key, value)
    {
        _buf_ struct buf masked = BUF_INIT;
        mask_apply(s->mask, json_string_value(value), json_string_length(value), &masked);
        if (name_check(key) == 0)
            (void)store_put_output(st, s->job->row.id, step_id, key, buf_str(&masked), NULL);
    }
}

/* What the step teaches is written with its end: whoever sees the one sees the other. */
static void sink_learn(struct store_sink *s, size_t i, const char *shell, const char *failure)
{
    const struct run_job *job = s->job;
    const struct step_row *row = &s->steps[i].row;
    const struct workflow_step *def = i < job->def->n_steps ? &job->def->steps[i] : NULL;
    struct learn_step step = {.run_id = row->run_id,
                              .job_id = row->job_id,
                              .step_id = row->id,
                              .workflow_id = job->run->row.workflow_id,
                              .job_key = job->row.key,
                              .number = row->number,
                              .failure = failure,
                              .outcome = row->outcome,
                              .exit_code = row->exit_code,
                              .started_at = row->started_at,
                              .completed_at = row->completed_at,
                              .script = row->script,
                              .shell = shell,
                              .env = row->env,
                              .uses = def && def->uses ? def->uses : ""};
    struct err err = {0};

    if (learn_step(job->run->e->store, &s->learnt, &step, &err) < 0)
        log_error("run", "%lld: what step %d of %s teaches: %s", (long long)row->run_id, row->number,
                  job->row.key, err.msg);
}

static void put_completed(struct store_sink *s, size_t i, const char *const texts[SINK_TEXTS],
                          json_t *outputs)
{
    struct run_job *job = s->job;
    struct step_row *row = &s->steps[i].row;
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
    store_begin_lasting(job->run->e->store);
    put_outputs(s, row->id, outputs);
    sink_put(s, i);
    sink_learn(s, i, texts[5], texts[6]);
    (void)store_commit(job->run->e->store, NULL);
    row->script = row->env = row->cwd = row->why = row->summary = "";
}

/* Writes what was deferred. */
static void put_last(struct store_sink *s)
{
    const char *texts[SINK_TEXTS];

    if (!s->deferred)
        return;
    for (size_t k = 0; k < ARRAY_LEN(texts); k++)
        texts[k] = s->last_texts[k] ? s->last_texts[k] : "";
    put_completed(s, s->n - 1, texts, s->last_outputs);
    for (size_t k = 0; k < ARRAY_LEN(texts); k++)
        free(TAKE(s->last_texts[k]));
    json_decref(TAKE(s->last_outputs));
    s->deferred = false;
}

static int added_number(struct store_sink *s, enum step_place place)
{
    int own = s->job->def->n_steps ? (int)s->job->def->n_steps : 1;

    return place == STEP_POST ? own + ++s->posts : -s->befores++;
}

/* What comes before the job's first step has the numbers 0, -1, -2 and so on, what comes behind its last goes
 * on counting. */
static size_t step_added(void *data, enum step_place place, const char *name)
{
    struct store_sink *s = data;
    size_t i = s->n;

    put_last(s);
    if (grow(s, s->n + 1) < 0)
        return s->n; /* a place that does not exist: what it says goes to the job's log */
    s->steps[i].row = new_row(s, added_number(s, place));
    sink_name(s, i, name);
    sink_put(s, i);
    return i;
}

static void step_started(void *data, size_t i, const char *name)
{
    struct store_sink *s = data;

    if (i >= s->n)
        return;
    sink_name(s, i, name);
    s->steps[i].row.status = "in_progress";
    s->steps[i].row.started_at = now_ns();
    sink_put(s, i);
}

static int step_output(void *data, size_t i, int stream, const char *bytes, size_t len)
{
    struct store_sink *s = data;
    const struct run *run = s->job->run;
    int64_t step_id = i < s->n ? s->steps[i].row.id : 0;

    return log_append(run->log, run->row.attempt, s->job->row.id, step_id, (enum log_stream)stream,
                      step_label(s, i), bytes, len, NULL);
}

static void step_annotation(void *data, size_t i, const struct job_annotation *a)
{
    struct store_sink *s = data;
    struct annotation_row row = {.run_id = s->job->run->row.id,
                                 .job_id = s->job->row.id,
                                 .step_id = i < s->n ? s->steps[i].row.id : 0,
                                 .attempt = s->job->run->row.attempt,
                                 .level = a->level,
                                 .title = a->title,
                                 .file = a->file,
                                 .message = a->message,
                                 .line = a->line,
                                 .col = a->col};

    store_begin_lasting(s->job->run->e->store);
    (void)store_put_annotation(s->job->run->e->store, &row, NULL);
    (void)store_commit(s->job->run->e->store, NULL);
}

static void step_completed(void *data, size_t i, const struct step_result *r)
{
    struct store_sink *s = data;
    _buf_ struct buf failure = BUF_INIT;

    if (i >= s->n)
        return;
    struct step_row *row = &s->steps[i].row;
    if (!row->name || !str_eq(row->name, r->name))
        sink_name(s, i, r->name);
    row->status = "completed";
    row->outcome = r->outcome;
    row->conclusion = r->conclusion;
    row->exit_code = r->exit_code;
    row->completed_at = now_ns();
    if (str_eq(r->outcome, "failure"))
        learn_failure_line(s->job->run->e->store, row->run_id, row->id, r->exit_code, &failure);
    const char *const texts[SINK_TEXTS] = {r->script,  r->env,   r->cwd,           r->why,
                                           r->summary, r->shell, buf_str(&failure)};
    if (i + 1 < s->n) {
        put_completed(s, i, texts, r->outputs);
        return;
    }
    s->deferred = true;
    for (size_t k = 0; k < ARRAY_LEN(texts); k++)
        s->last_texts[k] = strdup(texts[k]);
    s->last_outputs = json_incref(r->outputs);
}

struct job_sink sink_events(struct store_sink *s)
{
    return (struct job_sink){.data = s,
                             .step_added = step_added,
                             .step_started = step_started,
                             .output = step_output,
                             .annotation = step_annotation,
                             .step_completed = step_completed};
}

/* --------------------------------------------------------------------------------------- opening, closing */

/* What a step is called before it runs: as far as its name can be told from what is known now. */
static void first_name(const struct store_sink *s, const struct workflow_step *def, json_t *contexts,
                       struct buf *ret)
{
    const struct token *t = def ? (def->name ? def->name : def->run) : NULL;
    struct expr_env env = {.contexts = contexts};
    _free_ char *text = NULL;
    _buf_ struct buf name = BUF_INIT;

    if (t && token_eval_string(t, s->job->scope->workflow->file, &env, &text, NULL) == 0 && *text) {
        const char *line = text + strspn(text, " \t\r\n");
        buf_addf(&name, "%s%.*s", def->name ? "" : "Run ", (int)strcspn(line, "\r\n"), line);
    } else if (def && workflow_step_title(def)) {
        buf_adds(&name, workflow_step_title(def));
    } else if (def && def->uses) {
        buf_addf(&name, "Run %s", def->uses);
    } else {
        buf_adds(&name, def ? def->id : "Set up job");
    }
    mask_apply(s->mask, buf_str(&name), name.len, ret);
}

int sink_open(struct store_sink *s, struct run_job *job, json_t *contexts, struct mask *mask)
{
    /* a job without steps of its own still has one place to say why it failed */
    size_t n = job->def->n_steps ? job->def->n_steps : 1;

    s->job = job;
    s->mask = mask;
    if (grow(s, n) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        _buf_ struct buf name = BUF_INIT;
        s->steps[i].row = new_row(s, (int)i + 1);
        first_name(s, i < job->def->n_steps ? &job->def->steps[i] : NULL, contexts, &name);
        sink_name(s, i, buf_str(&name));
        sink_put(s, i);
    }
    return 0;
}

static void keep_outputs(struct store_sink *s, const struct step_row *old, int64_t step_id)
{
    struct store *st = s->job->run->e->store;
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_outputs(st, old->job_id, old->id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct output_row *row = store_get_output(st, ids[i]);
            if (row)
                (void)store_put_output(st, s->job->row.id, step_id, row->name, row->value, NULL);
            output_row_unref(row);
        }
        after = ids[n - 1];
    }
}

/* Its log stays where it is, in the attempt that ran it; this one has a line that says so. */
static void keep_step(struct store_sink *s, size_t i, const struct step_row *old)
{
    struct step_row *row = &s->steps[i].row;
    _buf_ struct buf line = BUF_INIT;

    sink_name(s, i, old->name);
    buf_addf(&line, "Kept from the attempt before: %s, %s\n", old->name, old->conclusion);
    (void)step_output(s, i, LOG_RUNNER, buf_str(&line), line.len);
    row->status = "completed";
    row->outcome = old->outcome;
    row->conclusion = old->conclusion;
    row->exit_code = old->exit_code;
    row->script = old->script;
    row->env = old->env;
    row->cwd = old->cwd;
    row->why = old->why;
    row->summary = old->summary;
    row->started_at = old->started_at;
    row->completed_at = old->completed_at;
    row->log_size = (int64_t)line.len;
    row->stdout_size = row->stderr_size = 0;
    sink_put(s, i);
    keep_outputs(s, old, row->id);
    row->script = row->env = row->cwd = row->why = row->summary = "";
    row->outcome = row->conclusion = "success";
}

void sink_keep(struct store_sink *s, int64_t from_job, size_t n)
{
    struct store *st = s->job->run->e->store;

    for (size_t i = 0; i < n && i < s->n; i++) {
        int64_t id = 0;
        const struct step_row *old =
            store_find_steps(st, from_job, (int)i + 1, &id, 1) == 1 ? store_get_step(st, id) : NULL;
        if (old)
            keep_step(s, i, old);
        step_row_unref(old);
    }
}

void sink_close(struct store_sink *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free((void *)(uintptr_t)s->steps[i].row.name);
        free((void *)(uintptr_t)s->steps[i].row.slug);
        free(s->steps[i].label);
    }
    for (size_t k = 0; k < ARRAY_LEN(s->last_texts); k++)
        free(s->last_texts[k]);
    json_decref(s->last_outputs);
    free(s->steps);
}

static void end_with(struct store_sink *s, size_t i, const char *name, const char *result)
{
    step_completed(s, i,
                   &(struct step_result){.name = name,
                                         .outcome = result,
                                         .conclusion = result,
                                         .exit_code = -1,
                                         .script = "",
                                         .env = "",
                                         .cwd = "",
                                         .why = "",
                                         .summary = "",
                                         .shell = ""});
}

/* The step says why it ends. */
static void fail_with(struct store_sink *s, size_t i, const char *msg)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "##[error]%s\n", msg);
    (void)step_output(s, i, LOG_RUNNER, buf_str(&line), line.len);
    step_annotation(s, i,
                    &(struct job_annotation){.level = "error", .title = "", .file = "", .message = msg});
}

/* Where a job says why it has no steps that ran: its set-up may be there, and not have begun. */
static size_t setting_up(struct store_sink *s)
{
    size_t own = s->job->def->n_steps;

    for (size_t i = own; own && i < s->n; i++)
        if (s->steps[i].row.number <= 0 && str_eq(s->steps[i].row.status, "queued"))
            return i;
    return own ? step_added(s, STEP_SETUP, "Set up job") : 0;
}

void sink_refuse(struct store_sink *s, const char *msg, const char *result)
{
    size_t i = setting_up(s);

    step_started(s, i, "Set up job");
    fail_with(s, i, msg);
    end_with(s, i, "Set up job", result);
}

void sink_break(struct store_sink *s, const char *msg, const char *result)
{
    size_t running = SIZE_MAX, n = s->n;
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        any |= !str_eq(s->steps[i].row.status, "queued");
        if (str_eq(s->steps[i].row.status, "in_progress"))
            running = i;
    }
    if (!any) {
        sink_refuse(s, msg, result);
        return;
    }
    fail_with(s, running, msg);
    if (running < n)
        end_with(s, running, s->steps[running].row.name, result);
}

void sink_finish(struct store_sink *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct step_row *row = &s->steps[i].row;
        if (!str_eq(row->status, "completed"))
            end_with(s, i, row->name ? row->name : "", row->started_at ? "cancelled" : "skipped");
    }
    put_last(s);
}

void sink_job_outputs(struct store_sink *s, json_t *outputs)
{
    put_outputs(s, 0, outputs);
}
