/*
 * The stream of what changes, as server-sent events: GET /live. It is woken as poll(2) on the mount is: a
 * commit puts what concerns a stream into its queue and writes to its eventfd, and the thread of its
 * connection reads rows and logs as every reader does. Between two looks the thread sleeps in poll(2), on the
 * eventfd and on the socket, so that a peer that hangs up ends it at once, and one that is silently gone at
 * the next heartbeats.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "live_internal.h"
#include "runfs/io.h"

enum {
    QUEUE = 128, /* changes that wait for a stream; beyond, it is told everything anew */
    HEARTBEAT_MS = 10000,
    PACE_MS = 50, /* between two answers: what came meanwhile goes together */
    RUNS_SHOWN = 100,
    UNACKNOWLEDGED_MS = 60000,
};

struct live_stream {
    struct live_stream *next; /* in the list */
    struct server *server;
    int socket;        /* borrowed */
    int wake;          /* owned: an eventfd */
    atomic_bool awake; /* it was written to */
    int64_t caller;    /* the row of its token; 0: none is needed */
    char who[256], scope[8];
    int64_t run_id, job_id;   /* 0: all runs; no log */
    bool machines, workflows; /* whether it is told of them */
    char status[24];          /* of runs that it lists; "": all */
    struct change queue[QUEUE];
    size_t n_queued;
    bool missed, begun,
        log_pending; /* the queue overflowed; it was told what is; there is more log at once */
    struct live_log log;
    size_t n_annotations;
    int64_t spoke_at; /* monotonic */
};

static void live_event(struct buf *ret, const char *name, json_t *data_take)
{
    _json_ json_t *data = data_take;
    _free_ char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;

    if (!text)
        ret->failed = true;
    buf_addf(ret, "event: %s\ndata: %s\n\n", name, text ? text : "null");
}

/* ------------------------------------------------------------------------------------------------- waking */

/* Not who looks at something else. */
static bool lists_runs(const struct live_stream *s)
{
    return !s->run_id && !s->machines && !s->workflows;
}

static bool concerns(const struct live_stream *s, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_RUN:
        return s->run_id ? s->run_id == c->id : lists_runs(s);
    case CHANGE_JOB:
    case CHANGE_ARTIFACT:
        return s->run_id && s->run_id == c->run_id;
    case CHANGE_STEP:
        return s->run_id && s->run_id == c->run_id && c->job_id;
    case CHANGE_LOG:
        return s->job_id && s->run_id == c->run_id;
    case CHANGE_MACHINE:
        return s->machines;
    case CHANGE_WORKFLOW:
        return s->workflows;
    case CHANGE_TOKEN:
        return s->caller == c->id;
    default:
        return false;
    }
}

/* A step is told with its job, and all machines together. */
static void enqueue(struct live_stream *s, struct change c)
{
    if (c.kind == CHANGE_STEP)
        c = (struct change){.kind = CHANGE_JOB, .id = c.job_id, .run_id = c.run_id};
    if (c.kind == CHANGE_MACHINE || c.kind == CHANGE_WORKFLOW || c.kind == CHANGE_ARTIFACT)
        c = (struct change){.kind = c.kind};
    for (size_t i = 0; i < s->n_queued; i++)
        if (s->queue[i].kind == c.kind && s->queue[i].id == c.id) {
            s->queue[i].deleted |= c.deleted;
            return;
        }
    if (s->n_queued < QUEUE)
        s->queue[s->n_queued++] = c;
    else
        s->missed = true;
}

static void rouse(struct live_stream *s)
{
    if (!atomic_exchange(&s->awake, true))
        (void)write_all(s->wake, &(uint64_t){1}, sizeof(uint64_t));
}

void live_changed(struct live *live, const struct change *changes, size_t n)
{
    pthread_mutex_lock(&live->lock);
    for (struct live_stream *s = live->streams; s; s = s->next) {
        bool any = false;
        for (size_t i = 0; i < n; i++)
            if (concerns(s, &changes[i])) {
                if (changes[i].kind != CHANGE_LOG)
                    enqueue(s, changes[i]);
                any = true;
            }
        if (any)
            rouse(s);
    }
    pthread_mutex_unlock(&live->lock);
}

void live_end(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->ended = true;
    for (struct live_stream *s = live->streams; s; s = s->next)
        rouse(s);
    pthread_mutex_unlock(&live->lock);
}

/* 1: roused; 0: the time is up; -EPIPE: who listened is gone. */
static int await(struct live_stream *s, int64_t ms, bool rousable)
{
    struct pollfd p[] = {{.fd = s->socket, .events = POLLRDHUP}, {.fd = s->wake, .events = POLLIN}};
    uint64_t count;

    int n = poll(p, rousable ? 2 : 1, ms > 0 ? (int)ms : 0);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    if (p[0].revents)
        return -EPIPE;
    if (!rousable || !p[1].revents)
        return 0;
    (void)read_exact(s->wake, &count, sizeof(count));
    /* behind the read, and before the queue is looked at: who comes now writes again */
    atomic_store(&s->awake, false);
    return 1;
}

/* ------------------------------------------------------------------------------------------------ telling */

static void tell_annotations(struct live_stream *s, const struct run_row *run, struct buf *ret)
{
    json_t *list = live_annotations(s->server->store, run);
    size_t n = json_array_size(list);

    if (n == s->n_annotations && s->begun) {
        json_decref(list);
        return;
    }
    s->n_annotations = n;
    live_event(ret, "annotations", list);
}

static int add_job(void *data, const struct job_row *job)
{
    struct live_stream *s = ((void **)data)[0];

    live_event(((void **)data)[1], "job", live_job(s->server->store, job));
    return 0;
}

/* The job whose log is asked for, if it is one of a former attempt. */
static void tell_former(struct live_stream *s, const struct run_row *run, struct buf *ret)
{
    const struct job_row *job = s->job_id ? store_get_job(s->server->store, s->job_id) : NULL;

    if (job && job->run_id == run->id && job->attempt != run->attempt)
        live_event(ret, "job", live_job(s->server->store, job));
    job_row_unref(job);
}

/* Everything, as it is. */
static void tell_all(struct live_stream *s, struct buf *ret)
{
    struct store *st = s->server->store;
    const struct run_row *run = s->run_id ? store_get_run(st, s->run_id) : NULL;

    live_event(ret, "hello",
               json_pack("{s:s, s:s, s:s, s:I}", "version", RUNFS_VERSION, "who", s->who, "scope", s->scope,
                         "now", (json_int_t)(now_ns() / 1000000)));
    if (run) {
        live_event(ret, "run", live_run(run));
        (void)api_each_job(st, run->id, run->attempt, add_job, (void *[]){s, ret});
        tell_former(s, run, ret);
        tell_annotations(s, run, ret);
        live_event(ret, "artifacts", live_artifacts(st, run->id));
    } else if (s->run_id) {
        live_event(ret, "gone", json_pack("{s:I}", "id", (json_int_t)s->run_id));
    } else if (lists_runs(s)) {
        live_event(ret, "runs", live_runs(st, s->status, 0, 0, RUNS_SHOWN));
    }
    if (s->machines)
        live_event(ret, "machines", live_machines(st));
    if (s->workflows)
        live_event(ret, "workflows", json_object());
    live_event(ret, "ready", json_object());
    run_row_unref(run);
}

static void tell_run(struct live_stream *s, int64_t id, struct buf *ret)
{
    const struct run_row *run = store_get_run(s->server->store, id);

    if (run)
        live_event(ret, "run", live_run(run));
    else
        live_event(ret, "gone", json_pack("{s:I}", "id", (json_int_t)id));
    if (run && s->run_id)
        tell_annotations(s, run, ret);
    run_row_unref(run);
}

static void tell_job(struct live_stream *s, int64_t id, struct buf *ret)
{
    struct store *st = s->server->store;
    const struct job_row *job = store_get_job(st, id);
    const struct run_row *run = job ? store_get_run(st, job->run_id) : NULL;

    if (run && job->attempt == run->attempt) {
        live_event(ret, "job", live_job(st, job));
        tell_annotations(s, run, ret);
    }
    job_row_unref(job);
    run_row_unref(run);
}

static void tell_change(struct live_stream *s, const struct change *c, struct buf *ret)
{
    if (c->kind == CHANGE_RUN)
        tell_run(s, c->id, ret);
    else if (c->kind == CHANGE_JOB)
        tell_job(s, c->id, ret);
    else if (c->kind == CHANGE_ARTIFACT)
        live_event(ret, "artifacts", live_artifacts(s->server->store, s->run_id));
    else if (c->kind == CHANGE_MACHINE)
        live_event(ret, "machines", live_machines(s->server->store));
    else if (c->kind == CHANGE_WORKFLOW)
        live_event(ret, "workflows", json_object());
}

/* A token that was revoked opens nothing any more. */
static bool still_may(struct live_stream *s)
{
    const struct setting_row *row =
        s->caller ? store_get_setting(s->server->store, SETTING_TOKEN, s->caller) : NULL;
    bool may = !s->caller || row;

    setting_row_unref(row);
    return may;
}

/* Appends what is new. -EPIPE: it is to end. */
static int tell(struct live_stream *s, struct buf *ret)
{
    struct live *live = &s->server->live;
    struct change changes[QUEUE];

    pthread_mutex_lock(&live->lock);
    size_t n = s->n_queued;
    bool anew = s->missed || !s->begun, ended = live->ended;
    memcpy(changes, s->queue, n * sizeof(*changes));
    s->n_queued = 0;
    s->missed = false;
    pthread_mutex_unlock(&live->lock);
    if (ended || !still_may(s))
        return -EPIPE;
    if (anew)
        tell_all(s, ret);
    s->begun = true;
    for (size_t i = 0; i < n && !anew; i++)
        tell_change(s, &changes[i], ret);
    int code = s->job_id ? live_log_more(&s->log, ret) : 0;
    s->log_pending = code > 0;
    return code < 0 ? code : 0;
}

static int more(void *data, struct buf *ret)
{
    struct live_stream *s = data;
    int64_t since = (mono_ns() - s->spoke_at) / 1000000, until;
    int code = 0;

    if (s->begun && !s->log_pending && since < PACE_MS)
        code = await(s, PACE_MS - since, false);
    else if (s->begun)
        code = await(s, 0, false);
    if (code == 0)
        code = tell(s, ret);
    while (code >= 0 && ret->len == 0) {
        until = s->spoke_at / 1000000 + HEARTBEAT_MS - mono_ns() / 1000000;
        code = await(s, until, true);
        if (code == 1)
            code = tell(s, ret);
        else if (code == 0 && until <= 0)
            buf_adds(ret, ":\n\n");
    }
    s->spoke_at = mono_ns();
    return code;
}

/* -------------------------------------------------------------------------------------------------- life */

static void stream_free(void *data)
{
    struct live_stream *s = data;
    struct live *live = &s->server->live;

    pthread_mutex_lock(&live->lock);
    for (struct live_stream **at = &live->streams; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            live->n--;
            break;
        }
    pthread_mutex_unlock(&live->lock);
    live_log_release(&s->log);
    if (s->wake >= 0)
        close(s->wake);
    free(s);
}

/* 0, -EBUSY: there are as many as there may be, -errno. */
static int stream_begin(struct live_stream *s)
{
    struct live *live = &s->server->live;
    int code = 0;

    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake < 0)
        return -errno;
    pthread_mutex_lock(&live->lock);
    if (live->n >= LIVE_STREAMS_MAX) {
        code = -EBUSY;
    } else {
        s->next = live->streams;
        live->streams = s;
        live->n++;
    }
    pthread_mutex_unlock(&live->lock);
    return code;
}

/* The number that a parameter says; 0 without, -1: it is none. */
static int64_t number(struct http_request *r, const char *name)
{
    const char *text = http_query(r, name);
    uint64_t n = 0;

    if (text && (parse_u64(text, &n) < 0 || n > INT64_MAX))
        return -1;
    return (int64_t)n;
}

static struct live_stream *stream_new(struct http_request *r)
{
    struct live_stream *s = calloc(1, sizeof(*s));
    const char *status = http_query(r, "status"), *from = http_query(r, "from");
    _buf_ struct buf who = BUF_INIT;

    if (!s)
        return NULL;
    access_who(r, &who);
    s->server = http_data(r);
    s->wake = -1;
    s->socket = http_socket(r);
    s->caller = http_caller(r);
    s->run_id = number(r, "run");
    s->job_id = number(r, "job");
    s->machines = http_query(r, "machines");
    s->workflows = http_query(r, "workflows");
    snprintf(s->status, sizeof(s->status), "%s", status ? status : "");
    snprintf(s->who, sizeof(s->who), "%s", utf8_valid(buf_str(&who), who.len) ? buf_str(&who) : "?");
    snprintf(s->scope, sizeof(s->scope), "%s", access_scope(r));
    s->log = (struct live_log){s->server->store, s->run_id, s->job_id, from ? strdup(from) : NULL, NULL, 0};
    return s;
}

void live_changes(struct http_request *r)
{
    struct live_stream *s = stream_new(r);
    unsigned patience = UNACKNOWLEDGED_MS;

    int code = !s ? -ENOMEM : s->run_id < 0 || s->job_id < 0 ? -EINVAL : stream_begin(s);
    if (code == 0) {
        (void)setsockopt(s->socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
        http_add_header(r, "Cache-Control", "no-store");
        http_reply_endless(r, "text/event-stream", more, s, stream_free);
        return;
    }
    if (s)
        stream_free(s);
    if (code == -EBUSY)
        http_add_header(r, "Retry-After", "5");
    if (code == -EINVAL)
        api_fail(r, 422, "run and job are to be whole numbers");
    else
        api_fail(r, 503, code == -EBUSY ? "as many pages are open as there may be" : "no memory");
}
