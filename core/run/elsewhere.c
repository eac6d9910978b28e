/* Jobs that run on another host as a whole: which command takes one there, and what becomes of it here. */
#include "elsewhere.h"

#include <sys/eventfd.h>

#include "runfs/attend.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "runfs/worker.h"

void elsewhere_wake(const struct elsewhere *e)
{
    uint64_t one = 1;

    (void)!write(e->wake, &one, sizeof(one));
}

/* The source of the workflow that the job is of: the run's, or that of one that it calls. */
static int source_of(const struct run_job *job, struct buf *ret)
{
    const struct run *run = job->run;
    const struct run_job *caller = job->scope->caller;
    const json_t *text;

    if (!caller)
        return store_run_text(run->e->store, run->row.id, RUN_SOURCE, ret);
    text = json_object_get(json_object_get(run->request, "called"), caller->def->uses);
    if (!text)
        return -ENOENT;
    buf_add(ret, json_string_value(text), json_string_length(text));
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static void set_elsewhere(struct run_job *job, struct elsewhere *e)
{
    pthread_mutex_lock(&job->run->e->lock);
    job->elsewhere = e;
    pthread_mutex_unlock(&job->run->e->lock);
}

/* Somebody asked for what such a job cannot have. */
static void say_not_held(struct store_sink *sink, const struct run_job *job)
{
    struct job_sink events = sink_events(sink);
    _buf_ struct buf msg = BUF_INIT;

    if (!atomic_load(&job->hold))
        return;
    buf_addf(&msg, "The machine is not held: the job ran on another host, by a %s", job->row.backend);
    events.annotation(
        events.data, SIZE_MAX,
        &(struct job_annotation){.level = "warning", .title = "", .file = "", .message = buf_str(&msg)});
}

static int attend(struct run_job *job, const struct job_spec *spec, const char *command,
                  struct store_sink *sink, struct job_result *ret, struct err *err)
{
    struct elsewhere here = {.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    _buf_ struct buf source = BUF_INIT;
    struct job_sink events = sink_events(sink);
    struct attended known = {0};
    int r = here.wake < 0 ? -errno : source_of(job, &source);

    if (r < 0) {
        cleanup_close(&here.wake);
        return err_errno(err, r, "the job cannot be given to a worker");
    }
    struct attend what = {.command = command,
                          .spec = spec,
                          .text = buf_str(&source),
                          .len = source.len,
                          .mask = sink->mask,
                          .sink = &events,
                          .wake = here.wake,
                          .silence_s =
                              (int)config_number(job->run->e->store, "worker_silence", WORKER_SILENCE_S)};
    set_elsewhere(job, &here);
    r = worker_attend(&what, ret, &known, err);
    set_elsewhere(job, NULL);
    cleanup_close(&here.wake);
    if (r < 0 && known.lost)
        log_warning("run", "%lld: job %s: %s", (long long)job->run->row.id, job->row.key, err->msg);
    return r;
}

void elsewhere_run(struct run_job *job, const struct job_spec *spec, const struct machine_label *label,
                   struct store_sink *sink, struct job_result *ret)
{
    struct err err = {0};

    job->row.backend = label->backend;
    int r = attend(job, spec, label->image + 1, sink, ret, &err);

    if (r < 0) {
        bool cancelled = r == -ECANCELED;
        sink_break(sink, err.msg, cancelled ? "cancelled" : "failure");
        *ret = (struct job_result){.status = cancelled ? JOB_CANCELLED : JOB_FAILURE, .exit_code = 1};
    }
    say_not_held(sink, job);
}
