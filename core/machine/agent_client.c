/* Talks to one agent: sends a command and its files, takes what comes back, believes none of it. */
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

#define SECOND 1000000000LL

enum { RECEIVE_STEP = 128 * 1024, SEND_STEP = 1024 * 1024, TYPED_STEP = 64 * 1024 };
/* When an agent that was asked to end a command has not done so: it is stuck or hostile, and is killed. */
static const int64_t kill_grace = 5 * SECOND, interrupt_grace = 20 * SECOND, tree_grace = 5 * SECOND,
                     tree_silence = 300 * SECOND;

void agent_client_init(struct agent_client *c)
{
    *c = (struct agent_client){.fd = -1, .wake = -1, .pidfd = -1};
    pthread_mutex_init(&c->lock, NULL);
}

int agent_client_open(struct agent_client *c, int fd_take, int pidfd_take, struct err *err)
{
    c->fd = fd_take;
    c->pidfd = pidfd_take;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->wake < 0 ? err_errno(err, -errno, "cannot make an eventfd") : 0;
}

void agent_client_release(struct agent_client *c)
{
    cleanup_close(&c->fd);
    cleanup_close(&c->wake);
    cleanup_close(&c->pidfd);
    buf_release(&c->in);
    pthread_mutex_destroy(&c->lock);
}

/* Nothing that this agent says is heard any more. */
static int client_break(struct agent_client *c, struct err *err, const char *why)
{
    if (!c->broken && c->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
    c->broken = true;
    return err_set(err, -ECONNRESET, "the machine is gone: %s", why);
}

static const char *const ended_words = "its agent ended (killed, or out of memory?)";

/* One command's state on this side. */
struct exchange {
    struct agent_client *c;
    struct machine_exec *x;
    struct machine_result *result;
    struct err *err;
    int64_t sent;    /* when */
    int64_t give_up; /* when a stuck agent is killed; 0: not asked to end anything yet */
    unsigned told;   /* WANT_* that were sent */
    bool reported;   /* FRAME_EXIT came */
    size_t n_got;
    int abandoned;    /* what output() returned when it gave up */
    struct buf typed; /* from the terminal's other end: frames, the last one perhaps not whole */
    bool typing_ended;
};

/* Sends what fits; 0, or -errno. */
static int client_send_some(struct agent_client *c, const char **data, size_t *len)
{
    while (*len) {
        ssize_t n = send(c->fd, *data, *len < SEND_STEP ? *len : SEND_STEP, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        *data += n;
        *len -= (size_t)n;
    }
    return 0;
}

/*
 * Whether other threads want an end of what goes on. Trees have no commands that could be signalled: after an
 * interrupt they have some seconds more, since a tar that hangs is the machine's own and may be anybody's.
 */
static bool client_unwanted(struct agent_client *c)
{
    unsigned wants = atomic_load(&c->wants);

    if (!(wants & WANT_KILL) && c->in_tree && wants & WANT_INTERRUPT) {
        if (!c->tree_until)
            c->tree_until = mono_ns() + tree_grace;
        return mono_ns() >= c->tree_until;
    }
    return wants & WANT_KILL;
}

/* Sends all. A machine_kill() meanwhile or a minute without progress ends it. */
static int client_send(struct agent_client *c, const void *data, size_t len, struct err *err)
{
    const char *p = data;

    while (len) {
        if (client_send_some(c, &p, &len) < 0)
            return client_break(c, err, ended_words);
        if (!len)
            break;
        struct pollfd fds[2] = {{.fd = c->fd, .events = POLLOUT}, {.fd = c->wake, .events = POLLIN}};
        int n = poll(fds, 2, 60000);
        if (n == 0)
            return client_break(c, err, "its agent takes no more data");
        if (n > 0 && fds[1].revents && client_unwanted(c))
            return client_break(c, err, "it was killed");
        if (n > 0 && fds[1].revents && !fds[0].revents)
            usleep(1000); /* an interrupt waits for its turn */
    }
    return 0;
}

/* Receives once; 1: got something, 0: nothing there. */
static int client_receive(struct agent_client *c, struct err *err)
{
    if (c->in_at == c->in.len) {
        buf_reset(&c->in);
        c->in_at = 0;
    } else if (c->in_at >= RECEIVE_STEP / 2) {
        buf_drop(&c->in, c->in_at);
        c->in_at = 0;
    }
    char *to = buf_reserve(&c->in, RECEIVE_STEP);
    if (!to)
        return client_break(c, err, "there is no memory for what it says");
    ssize_t n = recv(c->fd, to, RECEIVE_STEP, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return client_break(c, err, ended_words);
    c->in.len += (size_t)n;
    return 1;
}

/* The next frame that is here: 1, 0 for none yet, or -ECONNRESET for nonsense. */
static int client_frame(struct agent_client *c, struct frame *ret, struct err *err)
{
    size_t need;
    ssize_t n = frame_find(c->in.ptr ? c->in.ptr + c->in_at : "", c->in.len - c->in_at, FRAME_TO_DAEMON_MAX,
                           ret, &need);

    if (n < 0)
        return client_break(c, err, "its agent broke the protocol");
    c->in_at += (size_t)n;
    return n > 0;
}

int agent_client_hello(struct agent_client *c, int timeout_ms, struct err *err)
{
    int64_t until = mono_ns() + timeout_ms * 1000000LL;
    struct frame f;
    int r;

    while ((r = client_frame(c, &f, err)) == 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int64_t left = until - mono_ns();
        if (left <= 0 || poll(&p, 1, (int)(left / 1000000) + 1) == 0)
            return client_break(c, err, "its agent did not answer in time");
        if ((r = client_receive(c, err)) < 0)
            return r;
    }
    if (r < 0)
        return r;
    struct wire w = wire_of(f.payload, f.len);
    int32_t value = (int32_t)wire_u32(&w);
    if (f.type == FRAME_HELLO && wire_ok(&w) && value == AGENT_VERSION)
        return 0;
    const char *words = wire_str(&w);
    if (f.type == FRAME_FAILED && wire_ok(&w) && value < 0 && value > -4096)
        return err_set(err, value, "%.*s", (int)utf8_valid_prefix(words, strlen(words)), words);
    return client_break(c, err, "its agent is of another version or broke the protocol");
}

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

static int exchange_output(struct exchange *e, const struct frame *f)
{
    enum machine_stream stream = f->type == FRAME_STDOUT ? MACHINE_STDOUT : MACHINE_STDERR;

    if (!e->x->output || e->abandoned)
        return 0;
    int r = e->x->output(e->x->data, stream, (const char *)f->payload, f->len);
    if (r >= 0)
        return 0;
    e->abandoned = r;
    atomic_fetch_or(&e->c->wants, WANT_KILL);
    return exchange_wants(e);
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
    int n = poll(p, 3, e->give_up ? (int)(left / 1000000) + 1 : -1);
    if (n < 0 && errno != EINTR)
        return client_break(e->c, e->err, "poll failed");
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
    int r = client_request(e);

    e->sent = mono_ns();
    if (e->x->deadline_mono_ns)
        exchange_give_up_at(e, e->x->deadline_mono_ns + interrupt_grace);
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
        return client_break(c, err, ended_words);
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->wants, 0);
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

/* 0 once there is more to look at. */
static int tree_wait(struct agent_client *c, struct err *err)
{
    int64_t until = mono_ns() + tree_silence;

    for (;;) {
        struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->wake, .events = POLLIN}};
        if (poll(p, 2, 1000) < 0 && errno != EINTR)
            return client_break(c, err, "poll failed");
        if (p[0].revents) {
            int r = client_receive(c, err);
            return r < 0 ? r : 0;
        }
        if (client_unwanted(c))
            return client_break(c, err, "it was cancelled while it packed or unpacked files");
        if (mono_ns() >= until)
            return client_break(c, err, "its tar program hangs");
        if (p[1].revents)
            usleep(10000); /* an interrupt waits for its turn */
    }
}

/* From here on other threads can end it. */
static void tree_enter(struct agent_client *c, bool enter)
{
    pthread_mutex_lock(&c->lock);
    if (enter)
        atomic_store(&c->wants, 0);
    c->running = c->in_tree = enter;
    c->tree_until = 0;
    pthread_mutex_unlock(&c->lock);
}

/* Waits for the agent's answer to a tree; data on the way goes to to_fd. */
static int tree_answer(struct agent_client *c, int to_fd, struct err *err)
{
    int write_error = 0;
    struct frame f;

    for (;;) {
        int r = client_frame(c, &f, err);
        if (r < 0)
            return r;
        if (r == 0) {
            if ((r = tree_wait(c, err)) < 0)
                return r;
            continue;
        }
        if (f.type == FRAME_TREE_DATA && to_fd >= 0) {
            if (!write_error)
                write_error = write_all(to_fd, f.payload, f.len);
            continue;
        }
        struct wire w = wire_of(f.payload, f.len);
        int32_t error = (int32_t)wire_u32(&w);
        const char *words = wire_str(&w);
        if (f.type != FRAME_TREE_END || !wire_ok(&w) || error > 0 || error < -4095)
            return client_break(c, err, "its agent broke the protocol");
        if (write_error)
            return err_errno(err, write_error, "cannot write the tar stream");
        return error ? err_set(err, error, "%.*s", (int)utf8_valid_prefix(words, strlen(words)), words) : 0;
    }
}

static int tree_begin(struct agent_client *c, enum frame_type type, const char *dir, struct err *err)
{
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, type);

    if (c->broken)
        return client_break(c, err, ended_words);
    wire_add_str(&b, dir);
    frame_end(&b, begin);
    return buf_ok(&b) ? client_send(c, b.ptr, b.len, err) : err_errno(err, -ENOMEM, "%s", dir);
}

static int put_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err)
{
    _free_ char *chunk = malloc(FRAME_HEADER + FRAME_DATA_MAX);
    int r = chunk ? tree_begin(c, FRAME_PUT_TREE, dir, err) : err_errno(err, -ENOMEM, "%s", dir);
    int read_error = 0;

    while (r == 0) {
        ssize_t n = read(tar_fd, chunk + FRAME_HEADER, FRAME_DATA_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        read_error = n < 0 ? -errno : 0;
        size_t len = n > 0 ? (size_t)n : 0;
        frame_header((uint8_t *)chunk, len ? FRAME_TREE_DATA : FRAME_TREE_END, len);
        r = client_send(c, chunk, FRAME_HEADER + len, err);
        if (!len)
            break;
    }
    if (r == 0)
        r = tree_answer(c, -1, err);
    return r == 0 && read_error ? err_errno(err, read_error, "cannot read the tar stream") : r;
}

int agent_client_put_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err)
{
    tree_enter(c, true);
    int r = put_tree(c, dir, tar_fd, err);
    tree_enter(c, false);
    return r;
}

int agent_client_get_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err)
{
    tree_enter(c, true);
    int r = tree_begin(c, FRAME_GET_TREE, dir, err);
    if (r == 0)
        r = tree_answer(c, tar_fd, err);
    tree_enter(c, false);
    return r;
}
