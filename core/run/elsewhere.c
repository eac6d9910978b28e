/* Jobs that run on another host as a whole: which command takes one there, and what becomes of it here. */
#include "elsewhere.h"

#include <sys/eventfd.h>

#include "containers.h"
#include "runfs/attend.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "runfs/worker.h"
#include "slurm.h"

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

/* One that may be given to Slurm: the rest of what stands there. */
static enum attend_word look(void *slurm_job)
{
    return slurm_look(slurm_job);
}

static void begins(void *slurm_job)
{
    slurm_begins(slurm_job);
}

static int attend(struct run_job *job, const struct job_spec *spec, const char *command,
                  struct slurm_job *slurm, struct store_sink *sink, struct job_result *ret,
                  struct attended *known, struct err *err)
{
    struct elsewhere here = {.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    _buf_ struct buf source = BUF_INIT;
    struct job_sink events = sink_events(sink);
    int r = here.wake < 0 ? -errno : source_of(job, &source);

    if (r < 0) {
        cleanup_close(&here.wake);
        return err_errno(err, r, "the job cannot be given to a worker");
    }
    struct attend what = {.command = command,
                          .spec = spec,
                          .containers = containers_wanted(spec),
                          .text = buf_str(&source),
                          .len = source.len,
                          .mask = sink->mask,
                          .sink = &events,
                          .wake = here.wake,
                          .silence_s =
                              (int)config_number(job->run->e->store, "worker_silence", WORKER_SILENCE_S),
                          .look = slurm ? look : NULL,
                          .begins = slurm ? begins : NULL,
                          .data = slurm};
    set_elsewhere(job, &here);
    r = worker_attend(&what, ret, known, err);
    set_elsewhere(job, NULL);
    cleanup_close(&here.wake);
    return r;
}

/* ------------------------------------------------------------------------------------------------- Slurm */

/* Slurm's own sentence goes before what the command said. */
static int told_by_slurm(int r, const struct buf *sentence, struct err *err)
{
    struct err was = *err;

    return err_set(err, r, "%s%s%s", buf_str(sentence), *was.msg ? ". " : "", was.msg);
}

static void tell(struct store_sink *sink, const char *level, const struct buf *sentence)
{
    struct job_sink events = sink_events(sink);
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "##[%s]%s\n", level, buf_str(sentence));
    (void)events.output(events.data, SIZE_MAX, LOG_RUNNER, buf_str(&line), line.len);
    events.annotation(
        events.data, SIZE_MAX,
        &(struct job_annotation){.level = level, .title = "", .file = "", .message = buf_str(sentence)});
}

/* The worker has told how the job ended, but it was Slurm that ended it: a step that its signal killed may
 * have failed. */
static void ended_by_slurm(const struct slurm_job *slurm, const struct buf *sentence, struct store_sink *sink,
                           struct job_result *ret)
{
    tell(sink, "error", sentence);
    ret->status = str_eq(slurm->state, "CANCELLED") ? JOB_CANCELLED : JOB_FAILURE;
    ret->exit_code = ret->exit_code ? ret->exit_code : 1;
}

static void tell_again(const struct run_job *job, struct store_sink *sink, const struct err *why)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "The job is given to Slurm again: %s", why->msg);
    tell(sink, "warning", &line);
    log_warning("run", "%lld: job %s: given to Slurm again: %s", (long long)job->run->row.id, job->row.key,
                why->msg);
}

/* Once, from its way into the queue to its end there. ret_again: its node was lost before a worker there had
 * got the job. That no worker but the last one has it is what keeps a node that was cut off, and goes on,
 * from running it a second time; what one tells that has lost its command is heard by nobody. */
static int give_to_slurm(struct run_job *job, const struct job_spec *spec, const char *label, int try,
                         struct store_sink *sink, struct job_result *ret, struct attended *known,
                         bool *ret_again, struct err *err)
{
    _buf_ struct buf command = BUF_INIT, sentence = BUF_INIT;
    struct slurm_job slurm;

    slurm_job_init(&slurm, job, try);
    int r = slurm_command(&slurm, label, &command, err);
    if (r < 0)
        return r;
    r = attend(job, spec, buf_str(&command), &slurm, sink, ret, known, err);
    slurm_begins(&slurm); /* whatever came, it waits no longer */
    /* a step that Slurm's signal ended may even have succeeded; but then srun has said something */
    if (r == 0 && ret->status == JOB_SUCCESS && !known->said)
        return 0;
    if (atomic_load(&job->cancelled)) {
        if (r < 0)
            slurm_withdraw(&slurm);
        return r;
    }
    if (!slurm_ended(&slurm, &sentence))
        return r;
    if (r == 0) {
        ended_by_slurm(&slurm, &sentence, sink, ret);
        return 0;
    }
    *ret_again = !*known->host && slurm_lost_node(&slurm) && !atomic_load(&job->cancelled);
    return told_by_slurm(str_eq(slurm.state, "CANCELLED") ? -ECANCELED : r, &sentence, err);
}

enum { TRIES = 3 };

static int attend_slurm(struct run_job *job, const struct job_spec *spec, const char *label,
                        struct store_sink *sink, struct job_result *ret, struct attended *known,
                        struct err *err)
{
    for (int try = 1;; try++) {
        bool again = false;
        *err = (struct err){0};
        int r = give_to_slurm(job, spec, label, try, sink, ret, known, &again, err);
        if (!again || try == TRIES)
            return r;
        tell_again(job, sink, err);
    }
}

void elsewhere_run(struct run_job *job, const struct job_spec *spec, const struct machine_label *label,
                   struct store_sink *sink, struct job_result *ret)
{
    struct attended known = {0};
    struct err err = {0};

    job->row.backend = label->backend;
    int r = str_eq(label->backend, "slurm")
                ? attend_slurm(job, spec, label->image, sink, ret, &known, &err)
                : attend(job, spec, label->image + 1, NULL, sink, ret, &known, &err);
    if (r < 0) {
        bool cancelled = r == -ECANCELED;
        if (known.lost)
            log_warning("run", "%lld: job %s: %s", (long long)job->run->row.id, job->row.key, err.msg);
        sink_break(sink, err.msg, cancelled ? "cancelled" : "failure");
        *ret = (struct job_result){.status = cancelled ? JOB_CANCELLED : JOB_FAILURE, .exit_code = 1};
    }
    say_not_held(sink, job);
}
