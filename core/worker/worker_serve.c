/* A worker's life: it takes the spec of a job, runs that in a machine of this host, and hears meanwhile that
 * the job is to end, what its questions are answered, and that who started it is still there. */
#include "runfs/worker.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "worker.h"

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------- that the job is to
 * end
 */

static void end_machine(struct machine *m, bool kill)
{
    if (m && kill)
        machine_kill(m);
    else if (m)
        machine_interrupt(m);
}

static void end_job(struct worker *w, bool kill)
{
    atomic_store(&w->cancelled, true);
    if (kill)
        atomic_store(&w->killed, true);
    pthread_mutex_lock(&w->lock);
    end_machine(w->machine, kill);
    for (size_t i = 0; i < ARRAY_LEN(w->beside); i++)
        end_machine(w->beside[i], kill);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* Nobody sees any more what it does: it ends at once. */
static void lose(struct worker *w, const char *why)
{
    atomic_store(&w->wire.lost, true);
    if (!atomic_exchange(&w->alone, true))
        log_error("worker", "%s: the job is ended", why);
    end_job(w, true);
}

static void stop_hearing(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->deaf = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* -------------------------------------------------------------------------------------------- what it hears
 */

static void hear(struct worker *w, json_t *line)
{
    const char *type = json_string_value(json_object_get(line, "type"));

    type = type ? type : "";
    if (str_eq(type, "cancel") || str_eq(type, "kill"))
        end_job(w, str_eq(type, "kill"));
    else if (str_eq(type, "unkept"))
        atomic_store(&w->unkept, -(int)(json_integer_value(json_object_get(line, "errno")) & 0xfff));
    pthread_mutex_lock(&w->lock);
    if (str_eq(type, "answer"))
        worker_answered(w, TAKE(line));
    else if (str_eq(type, "data"))
        worker_data(w, line);
    pthread_mutex_unlock(&w->lock);
    json_decref(line); /* of any other type: "alive", or of a version to come */
}

/* Whether more may come. */
static bool hear_some(struct worker *w)
{
    ssize_t n = wire_fill(&w->wire);
    json_t *line;
    int r;

    if (n == -EAGAIN)
        return true;
    if (n <= 0) {
        if (w->spec.attached)
            lose(w, "who started this worker is gone");
        return false;
    }
    while ((r = wire_next(&w->wire, &line, NULL)) > 0)
        hear(w, line);
    if (r < 0)
        lose(w, "what came cannot be understood");
    return r == 0;
}

static void heed_signals(struct worker *w)
{
    uint64_t n = 0;

    if (read(w->interrupts, &n, sizeof(n)) == (ssize_t)sizeof(n) && n > 0) {
        w->wishes += (unsigned)(n < 2 ? n : 2);
        end_job(w, w->wishes > 1);
    }
}

static void *hearing(void *worker)
{
    struct worker *w = worker;
    struct pollfd p[] = {{.fd = w->ended, .events = POLLIN},
                         {.fd = w->interrupts, .events = POLLIN},
                         {.fd = w->wire.in, .events = POLLIN}};

    for (;;) {
        int64_t since = mono_ns();
        (void)poll(p, ARRAY_LEN(p), 500);
        if (p[0].revents)
            return NULL;
        if (p[2].fd < 0 || !p[2].revents)
            wire_vain(&w->wire, since);
        if (p[1].revents)
            heed_signals(w);
        if (p[2].fd >= 0 && p[2].revents && !hear_some(w)) {
            p[2].fd = -1;
            stop_hearing(w);
        }
        if (w->spec.attached && p[2].fd >= 0 && wire_silent(&w->wire)) {
            lose(w, "nothing was heard of who started this worker for too long");
            p[2].fd = -1;
            stop_hearing(w);
        }
    }
}

/* Tells that it is alive, and notices that nobody reads any more. */
static void *living(void *worker)
{
    struct worker *w = worker;
    struct pollfd p[] = {{.fd = w->ended, .events = POLLIN}, {.fd = w->wire.out}};
    int every_ms = (int)(w->wire.silence_ns / 4000000);

    for (;;) {
        int n = poll(p, ARRAY_LEN(p), every_ms);
        if (p[0].revents)
            return NULL;
        if (n > 0 && p[1].revents & (POLLERR | POLLHUP | POLLNVAL)) {
            atomic_store(&w->wire.gone, true);
            lose(w, "nobody reads what this worker says");
            return NULL;
        }
        if (n == 0 && w->spec.attached)
            (void)wire_write(&w->wire, json_pack("{s:s}", "type", "alive"));
    }
}

/* ------------------------------------------------------------------------------------------- taking the spec
 */

static int tell_hello(struct worker *w)
{
    char host[64] = "";

    if (gethostname(host, sizeof(host) - 1) < 0)
        snprintf(host, sizeof(host), "?");
    return wire_write(&w->wire, json_pack("{s:s, s:i, s:s, s:o, s:i, s:b}", "type", "hello", "version",
                                          WIRE_VERSION, "runfs", RUNFS_VERSION, "host", wire_text(host),
                                          "pid", (int)getpid(), "containers", true));
}

static void tell_refused(struct worker *w, int code, const char *why)
{
    (void)wire_write(
        &w->wire, json_pack("{s:s, s:i, s:o}", "type", "refused", "error", code, "message", wire_text(why)));
}

/* The first line. -ENODATA: there is none. */
static int read_spec(struct worker *w, json_t **ret, struct err *err)
{
    struct pollfd p[] = {{.fd = w->wire.in, .events = POLLIN}, {.fd = w->interrupts, .events = POLLIN}};
    _buf_ struct buf begins = BUF_INIT;
    int r;

    while ((r = wire_next(&w->wire, ret, &begins)) == 0) {
        if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
            return err_errno(err, -errno, "standard input");
        if (p[1].revents)
            return err_set(err, -ECANCELED, "it was asked to end before it was given a job");
        ssize_t n = p[0].revents ? wire_fill(&w->wire) : -EAGAIN;
        if (n == 0)
            return err_set(err, -ENODATA, "standard input has no job: one line of JSON is its spec");
        if (n < 0 && n != -EAGAIN)
            return err_errno(err, (int)n, "standard input");
    }
    if (r == -EMSGSIZE)
        return err_set(err, r, "the spec of the job has more than %d MB", WIRE_LINE_MAX >> 20);
    if (r < 0)
        return err_set(err, r, "standard input is not the spec of a job but begins with: %s",
                       buf_str(&begins));
    return 0;
}

static int take_spec(struct worker *w, struct err *err)
{
    json_t *line = NULL, *value;
    const char *key;
    int r = read_spec(w, &line, err);

    if (r == 0)
        r = worker_spec_take(line, &w->spec, err);
    if (r < 0)
        return r;
    w->n_steps = w->spec.job->n_steps ? w->spec.job->n_steps : 1;
    w->wire.silence_ns = w->spec.silence_s * 1000000000LL;
    w->wire.listens = w->spec.attached;
    w->mask = mask_new();
    if (!w->mask)
        return err_errno(err, -ENOMEM, "cannot start the job");
    json_object_foreach(json_object_get(w->spec.contexts, "secrets"), key, value) r =
        r < 0 ? r : mask_add(w->mask, json_string_value(value));
    return r < 0 ? err_errno(err, r, "cannot start the job") : 0;
}

/* ------------------------------------------------------------------------------------------- running the job
 */

enum { SETTLE_MS = 300 };

static void set_machine(struct worker *w, struct machine *m)
{
    pthread_mutex_lock(&w->lock);
    w->machine = m;
    pthread_mutex_unlock(&w->lock);
}

static int exit_code(const struct worker *w, const struct job_result *result)
{
    if (atomic_load(&w->wire.lost))
        return 1;
    return result->status == JOB_CANCELLED ? WORKER_CANCELLED : result->exit_code;
}

/* What is told of it leaves this host, also on standard error: the name of an image may be a secret. */
static void refuse(struct worker *w, int r, struct err *err)
{
    _buf_ struct buf masked = BUF_INIT;

    mask_apply(w->mask, err->msg, strlen(err->msg), &masked);
    err_set(err, r, "%s", buf_str(&masked));
    tell_refused(w, r, err->msg);
}

/* Runs it in its machine, to its end. */
static void run_in(struct worker *w, const struct job_spec *spec, struct machine *machine,
                   struct job_result *ret)
{
    struct job_sink sink = worker_events(w);

    set_machine(w, machine);
    job_run(spec, machine, w->mask, &sink, ret);
    set_machine(w, NULL);
}

static int run(struct worker *w, const struct worker_opts *opts, struct err *err)
{
    struct container_site site = worker_containers(w);
    struct job_outside outside = worker_outside(w);
    struct job_containers with = {0};
    struct job_result result = {0};
    struct machine *machine = NULL;
    char host[64] = "runfs";

    (void)gethostname(host, sizeof(host) - 1);
    struct job_spec spec = {.workflow = w->spec.workflow,
                            .job = w->spec.job,
                            .contexts = w->spec.contexts,
                            .env = w->spec.env,
                            .runner_name = host,
                            .site = &site,
                            .debug = w->spec.debug,
                            .outside = &outside,
                            .cancelled = &w->cancelled,
                            .killed = &w->killed,
                            .settle_ms = SETTLE_MS};
    int r = job_machine_open(&site, &spec, opts->label, &(struct machine_spec){.name = "runner"}, &with,
                             &machine, err);
    spec.container = with.own;
    spec.services = with.services;
    if (r == 0)
        run_in(w, &spec, machine, &result);
    job_containers_release(&with);
    if (r == 0)
        machine_conclude(machine, result.status == JOB_SUCCESS, "");
    machine_release(machine);
    if (r < 0) {
        refuse(w, r, err);
        return r == -ECANCELED ? WORKER_CANCELLED : WORKER_REFUSED;
    }
    (void)worker_tell_end(w, &result);
    r = exit_code(w, &result);
    if (atomic_load(&w->wire.lost))
        err_set(err, -EPIPE, "who started this worker is gone");
    job_result_release(&result);
    return r;
}

static int start_threads(struct worker *w, struct err *err)
{
    w->ended = eventfd(0, EFD_CLOEXEC);
    if (w->ended < 0)
        return err_errno(err, -errno, "cannot start the job");
    w->has_hearing = pthread_create(&w->hearing, NULL, hearing, w) == 0;
    w->has_living = w->has_hearing && pthread_create(&w->living, NULL, living, w) == 0;
    return w->has_living ? 0 : err_errno(err, -EAGAIN, "cannot start the job");
}

static void end_threads(struct worker *w)
{
    uint64_t one = 1;

    if (w->ended >= 0)
        (void)!write(w->ended, &one, sizeof(one));
    if (w->has_hearing)
        pthread_join(w->hearing, NULL);
    if (w->has_living)
        pthread_join(w->living, NULL);
    cleanup_close(&w->ended);
}

static void worker_init(struct worker *w, const struct worker_opts *opts)
{
    pthread_condattr_t monotonic;

    *w = (struct worker){.opts = opts, .dir = opts->dir, .interrupts = opts->interrupts, .ended = -1};
    wire_init(&w->wire, opts->in, opts->out);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void worker_release(struct worker *w)
{
    worker_spec_release(&w->spec);
    mask_free(w->mask);
    wire_release(&w->wire);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
}

int worker_serve(const struct worker_opts *opts, struct err *err)
{
    struct worker w;
    int code = 1;

    worker_init(&w, opts);
    int r = tell_hello(&w);
    if (r < 0)
        err_errno(err, r, "standard output");
    if (r == 0 && (r = take_spec(&w, err)) < 0) {
        tell_refused(&w, r, err->msg);
        code = r == -ECANCELED ? WORKER_CANCELLED : WORKER_REFUSED;
    }
    if (r == 0 && (r = start_threads(&w, err)) < 0)
        tell_refused(&w, r, err->msg);
    if (r == 0)
        code = run(&w, opts, err);
    end_threads(&w);
    worker_release(&w);
    return code;
}
