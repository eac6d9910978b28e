/* A job's thread: a machine for its label, the job on it, and a sink that writes what happens to the store.
 */
#include "containers.h"
#include "elsewhere.h"
#include "local.h"
#include "resume.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "sink.h"

enum { TRY_NS = 200000000 };

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
    struct store *st = job->run->e->store;
    bool usual = job->run->row.forge != FORGE_GITHUB && str_eq(label, "docker");
    buf_addf(&key, "labels/%s", label);
    return store_setting(st, SETTING_CONFIG, buf_str(&key), ret) == 0 ||
           store_setting(st, SETTING_CONFIG, "labels/*", ret) == 0 ||
           /* what most workflows of Forgejo's say, as GitHub's say ubuntu-latest */
           (usual && store_setting(st, SETTING_CONFIG, "labels/ubuntu-latest", ret) == 0);
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
static int choose_backend(struct run_job *job, json_t *runs_on, struct buf *ret, struct buf *ret_label,
                          struct err *err)
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
            buf_reset(ret_label);
            buf_adds(ret_label, name);
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

/* Where this job goes on, if its run was made to go on with it. */
static const struct resume *job_resumes(const struct run_job *job)
{
    const struct resume *r = job->run->resume;

    return r && str_eq(r->key, job->row.key) ? r : NULL;
}

/* What its `runs-on` means: the label that decides, and what that is mapped to. */
static int job_label(struct run_job *job, json_t *contexts, struct machine_label *ret, struct buf *ret_name,
                     struct err *err)
{
    struct expr_env env = {.contexts = contexts};
    _json_ json_t *runs_on = NULL;
    _buf_ struct buf backend = BUF_INIT;
    _free_ char *text = NULL;

    if (job->def->snapshot)
        return err_set(err, -ENOTSUP,
                       "`snapshot:` cannot be run in this version of runfs: there are no images of machines "
                       "to make yet");
    int r = token_eval(job->def->runs_on, job->scope->workflow->file, &env, &runs_on, err);
    if (r < 0)
        return r;
    text = json_dumps(runs_on, JSON_COMPACT | JSON_ENCODE_ANY);
    job->row.runs_on = keep_for_run(job->run, text);
    r = choose_backend(job, runs_on, &backend, ret_name, err);
    if (r == 0)
        r = machine_label_parse(buf_str(&backend), ret, err);
    return r;
}

static int job_machine(struct run_job *job, const struct job_spec *spec, const struct machine_label *label,
                       const char *name_of_label, struct job_containers *containers, struct machine **ret,
                       struct err *err)
{
    struct machine_spec base = {.name = "runner",
                                .title = spec->site->title,
                                .label = name_of_label,
                                .run_id = job->run->row.id,
                                .job_id = job->row.id};
    if (job_resumes(job))
        base.snapshot = job_resumes(job)->snapshot;
    return job_machine_open(spec->site, spec, label, &base, containers, ret, err);
}

/* ------------------------------------------------------------------------------------------------- its run
 */

static void add_secrets(struct mask *mask, json_t *secrets)
{
    const char *key;
    json_t *value;

    json_object_foreach(secrets, key, value)(void) mask_add(mask, json_string_value(value));
}

/* Makes the machine known to those who cancel; one that was cancelled before is interrupted when its first
 * step starts. */
static void set_machine(struct run_job *job, struct machine *machine)
{
    pthread_mutex_lock(&job->run->e->lock);
    job->machine = machine;
    pthread_mutex_unlock(&job->run->e->lock);
}

/* It has none: a label or a machine. */
static void refuse(struct store_sink *sink, int r, const char *why, struct job_result *ret)
{
    bool cancelled = r == -ECANCELED;

    sink_refuse(sink, why, cancelled ? "cancelled" : "failure");
    *ret = (struct job_result){.status = cancelled ? JOB_CANCELLED : JOB_FAILURE, .exit_code = 1};
}

static void run_here(struct run_job *job, struct job_spec *spec, const struct machine_label *label,
                     const char *name_of_label, struct local_outside *local, struct job_result *result)
{
    struct job_sink sink = sink_events(local->sink);
    struct machine *machine = NULL;
    struct job_containers with = {0};
    struct containers containers;
    struct err err = {0};

    containers_open(&containers, job, local->mask);
    spec->site = &containers.site;
    int r = job_machine(job, spec, label, name_of_label, &with, &machine, &err);
    spec->container = with.own;
    spec->services = with.services;
    if (r < 0) {
        job_containers_release(&with);
        machine_release(machine);
        containers_release(&containers);
        refuse(local->sink, r, err.msg, result);
        return;
    }
    job->row.backend = keep_for_run(job->run, machine_backend(machine));
    set_machine(job, machine);
    job_run(spec, machine, local->mask, &sink, result);
    job_containers_release(&with);
    containers_release(&containers);
    set_machine(job, NULL);
    if (result->status == JOB_SUCCESS && local->last_snapshot)
        snapshots_of_success(job->run->e, job->row.id);
    if (hold_wanted(job, result->status) && hold_machine(job, machine, &result->shells))
        return;
    machine_conclude(machine, result->status == JOB_SUCCESS, "");
    machine_release(machine);
}

static void run_job(struct run_job *job, json_t *contexts, struct store_sink *store_sink,
                    struct job_result *result)
{
    struct local_outside local = {.job = job, .sink = store_sink, .mask = store_sink->mask};
    struct job_outside outside = local_outside_functions(&local);
    struct job_spec spec = {.workflow = job->scope->workflow,
                            .job = job->def,
                            .contexts = contexts,
                            .env = json_object_get(job->run->request, "env"),
                            .runner_name = job->run->e->runner_name,
                            .debug = job->run->debug,
                            .outside = &outside,
                            .cancelled = &job->cancelled,
                            .killed = &job->killed};
    const struct resume *from = job_resumes(job);
    struct job_resume resume = {0};
    _machine_label_ struct machine_label label = {0};
    _buf_ struct buf name_of_label = BUF_INIT;
    struct err err = {0};

    json_object_set_new(contexts, "job", job_context(job));
    if (from) {
        resume = (struct job_resume){.first = from->first, .state = from->state};
        local.last_snapshot = from->snapshot;
        spec.resume = &resume;
    }
    int r = job_label(job, contexts, &label, &name_of_label, &err);
    if (r < 0)
        refuse(store_sink, r, err.msg, result);
    else if (label.jobs)
        elsewhere_run(job, &spec, &label, store_sink, result);
    else
        run_here(job, &spec, &label, buf_str(&name_of_label), &local, result);
    local_outside_release(&local);
}

static void start_rows(struct run_job *job, struct store_sink *sink, json_t *contexts, struct mask *mask)
{
    job_begins(job);
    (void)sink_open(sink, job, contexts, mask);
    if (job_resumes(job))
        sink_keep(sink, job_resumes(job)->from_job, job_resumes(job)->first);
}

/* With the lock held on entry and exit, and a group of the store's open: the end of one job and the beginning
 * of the next are written together. */
static void work(struct run_job *job)
{
    struct run *run = job->run;
    struct engine *e = run->e;
    _json_ json_t *contexts = job_contexts(job), *own = settings_of_runner(e->store);
    struct mask *mask = mask_new();
    struct store_sink sink = {0};
    struct job_result result = {0};

    if (!str_empty(job->row.environment) && !run->of_fork)
        settings_of_environment(e->store, job->row.environment, contexts);
    if (mask) {
        add_secrets(mask, json_object_get(contexts, "secrets"));
        add_secrets(mask, own);
        start_rows(job, &sink, contexts, mask);
    }
    (void)store_commit(e->store, NULL);
    pthread_mutex_unlock(&e->lock);
    if (mask && sink.steps) {
        run_job(job, contexts, &sink, &result);
    } else {
        result = (struct job_result){.status = JOB_FAILURE, .exit_code = 1};
    }
    job->row.log_size = log_size(
        e->store, &(struct log_select){.run_id = run->row.id, .job_id = job->row.id, .streams = LOG_OF_STEP});
    pthread_mutex_lock(&e->lock);
    store_begin_lasting(e->store);
    sink_finish(&sink);
    if (mask)
        sink_job_outputs(&sink, result.outputs);
    job->outputs = TAKE(result.outputs);
    if (result.environment_url)
        job->row.environment_url = run_keep(run, result.environment_url);
    job_result_release(&result);
    job_finish(job, result.status, result.exit_code);
    run_advance(run); /* may free the run and the job */
    sink_close(&sink);
    job_result_release(&result);
    mask_free(mask);
}

/* What waits for the database: somebody tries, without the lock, and not at once again. */
static void try_again(struct engine *e)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TRY_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&e->work, &e->lock, &until);
    pthread_mutex_unlock(&e->lock);
    store_try_again(e->store);
    pthread_mutex_lock(&e->lock);
}

void *engine_worker(void *engine)
{
    struct engine *e = engine;
    bool writing = false; /* a group of the store's is open: see work() */

    pthread_mutex_lock(&e->lock);
    for (;;) {
        struct run_job *job = e->stopping ? NULL : job_next(e);
        if (job && !writing)
            store_begin_lasting(e->store);
        if (!job && writing)
            (void)store_commit(e->store, NULL);
        writing = job;
        if (job)
            work(job);
        else if (e->stopping)
            break;
        else if (store_waits(e->store))
            try_again(e);
        else
            pthread_cond_wait(&e->work, &e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}
