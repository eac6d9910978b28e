/* Talks to one agent: sends a command and its files, takes what comes back, believes none of it. */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

#define SECOND 1000000000LL

enum { SEND_STEP = 1024 * 1024, TYPED_STEP = 64 * 1024, LIMITS_MS = 100 };
/* When an agent that was asked to end a command has not done so: it is stuck or hostile, and is killed. */
static const int64_t kill_grace = 5 * SECOND, interrupt_grace = 20 * SECOND;

/* One command's state on this side. */
struct exchange {
    struct agent_client *c;
    struct machine_exec *x;
    struct machine_result *result;
    struct err *err;
    int64_t sent;          /* when */
    int64_t give_up;       /* when a stuck agent is killed; 0: not asked to end anything yet */
    int64_t look;          /* when the limits are looked at next */
    unsigned told;         /* WANT_* that were sent */
    enum limit_kind limit; /* which one it hit, so that it is killed */
    bool reported;         /* FRAME_EXIT came */
    size_t n_got;
    int abandoned;    /* what output() returned when it gave up */
    struct buf typed; /* from the terminal's other end: frames, the last one perhaps not whole */
    bool typing_ended;
};

static int client_put(struct agent_client *c, struct buf *b, const struct machine_file *f, struct err *err)
{
    const char *data = f->data;
    size_t begin = frame_begin(b, FRAME_PUT), left = f->len;

    wire_add_str(b, f->path);
    wire_add_u32(b, f->mode);
    frame_end(b, begin);
    while (left) {
        size_t n = left < FRAME_DATA_MAX ? left : FRAME_DATA_MAX;
        frame_add(b, FRAME_PUT_DATA, data, n);
        data += n;
        left -= n;
        if (b->len < SEND_STEP)
            continue;
        int r = buf_ok(b) ? client_send(c, b->ptr, b->len, err) : err_errno(err, -ENOMEM, "%s", f->path);
        if (r < 0)
            return r;
        buf_reset(b);
    }
    return 0;
}

static int client_request(struct exchange *e)
{
    struct machine_exec *x = e->x;
    _buf_ struct buf b = BUF_INIT;
    _free_ const char **paths = calloc(x->n_get + 1, sizeof(*paths));
    _free_ uint64_t *max = calloc(x->n_get + 1, sizeof(*max));
    int r = paths && max ? 0 : err_errno(e->err, -ENOMEM, "command");

    for (size_t i = 0; r == 0 && i < x->n_put; i++)
        r = client_put(e->c, &b, &x->put[i], e->err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < x->n_get; i++) {
        paths[i] = x->get[i].path;
        max[i] = x->get[i].max;
    }
    struct exec_request request = {.cwd = x->cwd,
                                   .argv = (const char **)x->argv,
                                   .env = (const char **)x->env,
                                   .get = paths,
                                   .get_max = max,
                                   .n_get = (uint32_t)x->n_get};
    if (x->deadline_mono_ns) {
        int64_t left = (x->deadline_mono_ns - mono_ns()) / 1000000;
        request.deadline_ms = left > 0 ? (uint64_t)left : 1;
    }
    if (x->terminal) {
        request.rows = x->terminal->rows ? x->terminal->rows : 24;
        request.columns = x->terminal->columns ? x->terminal->columns : 80;
    }
    size_t begin = b.len;
    exec_request_encode(&b, &request);
    if (!buf_ok(&b))
        return err_errno(e->err, -ENOMEM, "command");
    if (b.len - begin > FRAME_TO_AGENT_MAX)
        return err_set(e->err, -E2BIG, "arguments and environment take %zu bytes, more than %d",
                       b.len - begin, FRAME_TO_AGENT_MAX);
    return client_send(e->c, b.ptr, b.len, e->err);
}

static void exchange_give_up_at(struct exchange *e, int64_t when)
{
    if (!e->give_up || when < e->give_up)
        e->give_up = when;
}

/* Passes on what other threads asked for. */
static int exchange_wants(struct exchange *e)
{
    unsigned wants = atomic_load(&e->c->wants) & ~e->told;
    uint8_t header[FRAME_HEADER];
    uint64_t count;

    (void)!read(e->c->wake, &count, sizeof(count));
    e->told |= wants;
    if (wants & WANT_KILL) {
        frame_header(header, FRAME_KILL, 0);
        exchange_give_up_at(e, mono_ns() + kill_grace);
    } else if (wants & WANT_INTERRUPT) {
        frame_header(header, FRAME_INTERRUPT, 0);
        exchange_give_up_at(e, mono_ns() + interrupt_grace);
    } else {
        return 0;
    }
    return client_send(e->c, header, sizeof(header), e->err);
}

/* The command has used more than it may: it ends here. */
static int exchange_limit(struct exchange *e, enum limit_kind limit)
{
    if (e->limit || !limit)
        return 0;
    e->limit = limit;
    atomic_fetch_or(&e->c->wants, WANT_KILL);
    return exchange_wants(e);
}

static int exchange_output(struct exchange *e, const struct frame *f)
{
    enum machine_stream stream = f->type == FRAME_STDOUT ? MACHINE_STDOUT : MACHINE_STDERR;

    if (e->limit == LIMIT_OUTPUT)
        return 0;
    if (e->c->limits && limits_count_output(e->c->limits, f->len))
        return exchange_limit(e, LIMIT_OUTPUT);
    if (!e->x->output || e->abandoned)
        return 0;
    int r = e->x->output(e->x->data, stream, (const char *)f->payload, f->len);
    if (r >= 0)
        return 0;
    e->abandoned = r;
    atomic_fetch_or(&e->c->wants, WANT_KILL);
    return exchange_wants(e);
}

/* Whether a limit is why it ended. A full disk only tells its writers, so it counts when they failed. */
static void exchange_judge(struct exchange *e)
{
    struct limits *l = e->c->limits;
    enum limit_kind limit = e->limit;

    if (l && !limit)
        limit = limits_check(l);
    if (l && !limit && l->disk_full)
        limit = LIMIT_DISK;
    if (!limit || (!e->limit && e->result->exit_code == 0))
        return;
    if (e->limit)
        e->result->cancelled = false;
    limit_words(l, limit, e->result->limit, sizeof(e->result->limit));
}

static int exchange_report(struct exchange *e, const struct frame *f)
{
    struct machine_result *ret = e->result;
    struct exec_report report;
    int64_t elapsed = mono_ns() - e->sent;

    if (exec_report_decode(f->payload, f->len, &report) < 0)
        return -EPROTO;
    *ret = (struct machine_result){.exit_code = (int)report.exit_code,
                                   .signal = (int)report.signal,
                                   .timed_out = report.timed_out,
                                   .cancelled = report.cancelled,
                                   .duration_ns = elapsed};
    if (report.duration_ns < (uint64_t)elapsed)
        ret->duration_ns = (int64_t)report.duration_ns;
    if (report.start_error[0]) {
        size_t len = utf8_valid_prefix(report.start_error, strlen(report.start_error));
        ret->start_error = strndup(report.start_error, len);
        if (!ret->start_error)
            return -ENOMEM;
    }
    e->reported = true;
    if (report.limit == LIMIT_DISK && e->c->limits)
        e->c->limits->disk_full = true;
    else if (!e->limit && e->c->limits)
        e->limit = report.limit;
    exchange_judge(e);
    return 0;
}

static int exchange_got(struct exchange *e, const struct frame *f)
{
    struct machine_file *file = e->reported && e->n_got < e->x->n_get ? &e->x->get[e->n_got] : NULL;

    if (!file)
        return -EPROTO;
    if (f->type == FRAME_GOT_DATA) {
        if (f->len > file->max - file->got.len) {
            file->error = -EFBIG;
            return 0;
        }
        buf_add(&file->got, f->payload, f->len);
        return 0;
    }
    struct wire w = wire_of(f->payload, f->len);
    uint32_t index = wire_u32(&w);
    int32_t error = (int32_t)wire_u32(&w);
    if (!wire_ok(&w) || index != e->n_got || error > 0 || error < -4095)
        return -EPROTO;
    if (error)
        file->error = error;
    if (!buf_ok(&file->got))
        file->error = -ENOMEM;
    if (file->error)
        buf_release(&file->got);
    e->n_got++;
    return 0;
}

static int exchange_frame(struct exchange *e, const struct frame *f)
{
    switch (f->type) {
    case FRAME_STDOUT:
    case FRAME_STDERR:
        return e->reported ? -EPROTO : exchange_output(e, f);
    case FRAME_EXIT:
        return e->reported ? -EPROTO : exchange_report(e, f);
    case FRAME_GOT_DATA:
    case FRAME_GOT_END:
        return exchange_got(e, f);
    default:
        return -EPROTO;
    }
}

static int exchange_frames(struct exchange *e)
{
    struct frame f;
    int r;

    while ((r = client_frame(e->c, &f, e->err)) > 0) {
        r = exchange_frame(e, &f);
        if (r == -EPROTO)
            return client_break(e->c, e->err, "its agent broke the protocol");
        if (r < 0)
            return r == -ENOMEM ? client_break(e->c, e->err, "there is no memory for what it says") : r;
    }
    return r;
}

static int exchange_timeout(const struct exchange *e, int64_t left)
{
    int64_t ms = e->give_up ? left / 1000000 + 1 : -1;
    bool watch = e->c->limits && !e->limit;

    return (int)(watch && (ms < 0 || ms > LIMITS_MS) ? LIMITS_MS : ms);
}

/* How many bytes of whole frames that a terminal sends stand at the start; -EPROTO for any other. */
static ssize_t typed_frames(const struct buf *typed)
{
    size_t whole = 0, need;
    struct frame f;
    ssize_t n;

    while ((n = frame_find(typed->ptr + whole, typed->len - whole, TYPED_STEP, &f, &need)) > 0) {
        if (f.type != FRAME_WINDOW && (f.type != FRAME_INPUT || f.len == 0))
            return -EPROTO;
        whole += (size_t)n;
    }
    return n < 0 ? n : (ssize_t)whole;
}

/* Passes on what was typed. Its end, or nonsense, hangs up. */
static int exchange_typed(struct exchange *e)
{
    char *to = buf_reserve(&e->typed, TYPED_STEP);
    ssize_t n = to ? recv(e->x->terminal->input, to, TYPED_STEP, MSG_DONTWAIT) : 0;
    uint8_t header[FRAME_HEADER];

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    e->typed.len += n > 0 ? (size_t)n : 0;
    ssize_t whole = n > 0 ? typed_frames(&e->typed) : -ENODATA;
    if (whole >= 0) {
        int r = e->reported ? 0 : client_send(e->c, e->typed.ptr, (size_t)whole, e->err);
        buf_drop(&e->typed, (size_t)whole);
        return r;
    }
    e->typing_ended = true;
    frame_header(header, FRAME_INPUT, 0);
    return e->reported ? 0 : client_send(e->c, header, sizeof(header), e->err);
}

void terminal_frame_input(struct buf *b, const void *typed, size_t len)
{
    if (len)
        frame_add(b, FRAME_INPUT, typed, len);
}

void terminal_frame_window(struct buf *b, unsigned rows, unsigned columns)
{
    size_t begin = frame_begin(b, FRAME_WINDOW);

    wire_add_u32(b, rows);
    wire_add_u32(b, columns);
    frame_end(b, begin);
}

static int exchange_wait(struct exchange *e)
{
    bool typing = e->x->terminal && !e->typing_ended;
    struct pollfd p[3] = {{.fd = e->c->fd, .events = POLLIN},
                          {.fd = e->c->wake, .events = POLLIN},
                          {.fd = typing ? e->x->terminal->input : -1, .events = POLLIN}};
    int64_t left = e->give_up ? e->give_up - mono_ns() : 0;

    if (e->give_up && left <= 0)
        return client_break(e->c, e->err, "its agent did not end the command");
    int n = poll(p, 3, exchange_timeout(e, left));
    if (n < 0 && errno != EINTR)
        return client_break(e->c, e->err, "poll failed");
    if (e->c->limits && mono_ns() >= e->look) {
        e->look = mono_ns() + LIMITS_MS * 1000000LL;
        int r = exchange_limit(e, limits_check(e->c->limits));
        if (r < 0)
            return r;
    }
    if (n > 0 && p[1].revents) {
        int r = exchange_wants(e);
        if (r < 0)
            return r;
    }
    if (n > 0 && p[2].revents) {
        int r = exchange_typed(e);
        if (r < 0)
            return r;
    }
    return n > 0 && p[0].revents ? client_receive(e->c, e->err) : 0;
}

static int exchange_run(struct exchange *e)
{
    if (e->c->limits)
        limits_begin(e->c->limits);
    int r = client_request(e);

    e->sent = mono_ns();
    e->look = e->sent + LIMITS_MS * 1000000LL;
    if (e->x->deadline_mono_ns)
        exchange_give_up_at(e, e->x->deadline_mono_ns + interrupt_grace);
    if (r >= 0 && atomic_load(&e->c->wants))
        r = exchange_wants(e);
    while (r >= 0 && (!e->reported || e->n_got < e->x->n_get)) {
        r = exchange_frames(e);
        if (r >= 0 && (!e->reported || e->n_got < e->x->n_get))
            r = exchange_wait(e);
    }
    return r < 0 ? r : 0;
}

int agent_client_exec(struct agent_client *c, struct machine_exec *x, struct machine_result *ret,
                      struct err *err)
{
    struct machine_result result = {0};
    struct exchange e = {.c = c, .x = x, .result = &result, .err = err};

    for (size_t i = 0; i < x->n_get; i++) {
        x->get[i].got = BUF_INIT;
        x->get[i].error = 0;
    }
    if (c->broken)
        return client_break(c, err, client_ended(c));
    pthread_mutex_lock(&c->lock);
    /* whoever interrupts sets the flag and then takes this lock: one of the two sees the other */
    atomic_store(&c->wants, x->cancelled && atomic_load(x->cancelled) ? WANT_INTERRUPT : 0);
    c->running = true;
    pthread_mutex_unlock(&c->lock);
    int r = exchange_run(&e);
    buf_release(&e.typed);
    pthread_mutex_lock(&c->lock);
    c->running = false;
    pthread_mutex_unlock(&c->lock);
    if (r == 0 && e.abandoned)
        r = err_set(err, e.abandoned, "the command was killed because its output could not be kept");
    if (r < 0) {
        for (size_t i = 0; i < x->n_get; i++)
            buf_release(&x->get[i].got);
        machine_result_release(&result);
        return r;
    }
    *ret = result;
    return 0;
}

void agent_client_want(struct agent_client *c, unsigned what)
{
    uint8_t header[FRAME_HEADER];
    uint64_t one = 1;

    pthread_mutex_lock(&c->lock);
    if (c->running) {
        atomic_fetch_or(&c->wants, what);
        (void)!write(c->wake, &one, sizeof(one));
    } else if (what == WANT_KILL && !c->broken) {
        frame_header(header, FRAME_KILL, 0);
        (void)send(c->fd, header, sizeof(header), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    pthread_mutex_unlock(&c->lock);
}
