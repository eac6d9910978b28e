/*
 * Lanes of a machine: several commands at the same time, each by an agent of its own, over the one stream
 * that leads there. A thread, the pump, stands between that stream and the sockets of the agents' clients: it
 * takes frames apart and puts them together, and waits for nobody.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    STEP = 64 * 1024,
    HIGH = 512 * 1024, /* of what somebody has not taken yet: then no more is read for them */
    HELLO_MS = 20000,
    MAIN = LANES_MAX, /* the stream of the machine's first agent stands behind those of the lanes */
};

/* One client's socket, our end. */
struct stream {
    int fd;         /* -1: none */
    bool opening;   /* its agent is to be told to begin */
    bool ending;    /* the client hung up; the number is taken until its agent has ended */
    struct buf out; /* for the client, from out_at on */
    size_t out_at;
};

struct lanes {
    pthread_mutex_t lock; /* guards streams and list; the pump holds it but while it waits */
    struct stream streams[LANES_MAX + 1];
    struct machine_lane *list;
    struct limits limits; /* what a lane's begin with */
    int agent;            /* owned: the stream to the machine's agent */
    struct buf in, out;   /* from it, to it; from *_at on */
    size_t in_at, out_at;
    int wake; /* eventfd: a lane is new, or all is to end */
    atomic_bool ending;
    pthread_t thread;
};

struct machine_lane {
    struct machine *m;
    struct machine_lane *next;
    struct agent_client client;
    struct limits limits; /* the machine's, whose descriptors it borrows; what it counts is its own */
    atomic_bool *cancelled;
};

/* Through which lane this thread speaks to its machine. */
static _Thread_local struct machine_lane *lane_used;

struct agent_client *machine_client(struct machine *m)
{
    return lane_used && lane_used->m == m ? &lane_used->client : &m->client;
}

void machine_lane_use(struct machine_lane *lane)
{
    lane_used = lane;
}

/* ------------------------------------------------------------------------------------------------- the pump
 */

/* Sends what fits now; false: nobody takes it any more. */
static bool flow(int fd, struct buf *b, size_t *at)
{
    while (*at < b->len) {
        ssize_t n = send(fd, b->ptr + *at, b->len - *at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        *at += (size_t)n;
    }
    buf_reset(b);
    *at = 0;
    return true;
}

static void lane_frame(struct buf *b, enum frame_type type, unsigned number)
{
    size_t begin = frame_begin(b, type);

    wire_add_u32(b, number);
    frame_end(b, begin);
}

static void stream_close(struct stream *s)
{
    cleanup_close(&s->fd);
    buf_release(&s->out);
    s->out_at = 0;
}

/* What a client says goes to the machine: as it is, or as a lane's. */
static bool take_from_client(struct lanes *l, unsigned i)
{
    struct stream *s = &l->streams[i];
    char *to = buf_reserve(&l->out, FRAME_HEADER + 4 + STEP);
    size_t head = i == MAIN ? 0 : FRAME_HEADER + 4;

    if (!to)
        return false;
    ssize_t n = recv(s->fd, to + head, STEP, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0 && i == MAIN) /* the machine is given up */
        return false;
    if (n <= 0) {
        lane_frame(&l->out, FRAME_LANE, i);
        s->ending = true;
        stream_close(s);
        return true;
    }
    if (i != MAIN) {
        frame_header((uint8_t *)to, FRAME_LANE, 4 + (size_t)n);
        wire_put_u32((uint8_t *)to + FRAME_HEADER, i);
    }
    l->out.len += head + (size_t)n;
    return true;
}

/* A frame of the machine's agent. false: it makes no sense. */
static bool give_to_client(struct lanes *l, const struct frame *f)
{
    struct wire w = wire_of(f->payload, f->len);
    struct stream *s = &l->streams[MAIN];

    if (f->type != FRAME_LANE) {
        buf_add(&s->out, f->payload - FRAME_HEADER, FRAME_HEADER + f->len);
        return buf_ok(&s->out);
    }
    uint32_t number = wire_u32(&w);
    if (w.bad || number >= LANES_MAX)
        return false;
    s = &l->streams[number];
    if (w.left == 0) { /* what waits for the client still goes there, as far as it takes it now */
        if (s->fd >= 0)
            (void)flow(s->fd, &s->out, &s->out_at);
        stream_close(s);
        s->ending = false;
        return true;
    }
    if (s->fd >= 0)
        buf_add(&s->out, w.at, w.left);
    return buf_ok(&s->out);
}

static bool take_from_agent(struct lanes *l)
{
    struct frame f;
    size_t need;
    ssize_t n;

    buf_drop(&l->in, l->in_at);
    l->in_at = 0;
    char *to = buf_reserve(&l->in, STEP);
    n = to ? recv(l->agent, to, STEP, MSG_DONTWAIT) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    l->in.len += (size_t)n;
    while ((n = frame_find(l->in.ptr + l->in_at, l->in.len - l->in_at, FRAME_TO_DAEMON_MAX, &f, &need)) > 0) {
        l->in_at += (size_t)n;
        if (!give_to_client(l, &f))
            return false;
    }
    return n == 0;
}

/* Tells the agent of lanes that are new. */
static void begin_lanes(struct lanes *l)
{
    uint64_t count;

    (void)!read(l->wake, &count, sizeof(count));
    for (unsigned i = 0; i < LANES_MAX; i++)
        if (l->streams[i].opening) {
            l->streams[i].opening = false;
            lane_frame(&l->out, FRAME_LANE_OPEN, i);
        }
}

enum { AGENT = LANES_MAX + 1, WAKE, POLLED };

static void pump_poll(const struct lanes *l, struct pollfd p[POLLED])
{
    bool room = l->out.len - l->out_at < HIGH, full = false;

    for (unsigned i = 0; i <= LANES_MAX; i++) {
        const struct stream *s = &l->streams[i];
        bool unsent = s->out_at < s->out.len;
        full |= s->out.len - s->out_at > HIGH;
        p[i] = (struct pollfd){.fd = room || unsent ? s->fd : -1,
                               .events = (short)((room ? POLLIN : 0) | (unsent ? POLLOUT : 0))};
    }
    p[AGENT] = (struct pollfd){
        .fd = l->agent, .events = (short)((full ? 0 : POLLIN) | (l->out_at < l->out.len ? POLLOUT : 0))};
    p[WAKE] = (struct pollfd){.fd = l->wake, .events = POLLIN};
}

/* Moves what can be moved. false: it is over. */
static bool pump_move(struct lanes *l, const struct pollfd p[POLLED])
{
    if (atomic_load(&l->ending))
        return false;
    if (p[WAKE].revents)
        begin_lanes(l);
    if (p[AGENT].revents & ~POLLOUT && !take_from_agent(l))
        return false;
    for (unsigned i = 0; i <= LANES_MAX; i++) {
        struct stream *s = &l->streams[i];
        if (s->fd >= 0 && s->fd == p[i].fd && p[i].revents & ~POLLOUT && !take_from_client(l, i))
            return false;
        if (s->fd >= 0 && !flow(s->fd, &s->out, &s->out_at))
            buf_reset(&s->out); /* its end is seen by reading */
    }
    return flow(l->agent, &l->out, &l->out_at) && buf_ok(&l->out);
}

static void *pump_run(void *data)
{
    struct lanes *l = data;
    struct pollfd p[POLLED];
    bool goes_on = true;

    pthread_mutex_lock(&l->lock);
    while (goes_on) {
        pump_poll(l, p);
        pthread_mutex_unlock(&l->lock);
        int n = poll(p, POLLED, -1);
        pthread_mutex_lock(&l->lock);
        goes_on = n < 0 ? errno == EINTR : pump_move(l, p);
    }
    /* whoever still listens sees the end, behind what came before it */
    for (unsigned i = 0; i <= LANES_MAX; i++) {
        if (l->streams[i].fd >= 0)
            (void)flow(l->streams[i].fd, &l->streams[i].out, &l->streams[i].out_at);
        stream_close(&l->streams[i]);
        l->streams[i].ending = true; /* no lane begins any more */
    }
    cleanup_close(&l->agent);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ----------------------------------------------------------------------------------------------- beginning
 */

static void lanes_free(struct lanes *l)
{
    for (unsigned i = 0; i <= LANES_MAX; i++)
        stream_close(&l->streams[i]);
    cleanup_close(&l->agent);
    cleanup_close(&l->wake);
    buf_release(&l->in);
    buf_release(&l->out);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static int stream_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ? -errno : 0;
}

int machine_lanes_begin(struct machine *m, struct err *err)
{
    struct lanes *l;
    int pair[2];

    if (m->lanes)
        return 0;
    if (m->ops->one_command)
        return err_set(err, -ENOTSUP, "a machine of %s runs one command at a time", m->ops->name);
    l = calloc(1, sizeof(*l));
    if (!l)
        return err_errno(err, -ENOMEM, "lanes");
    pthread_mutex_init(&l->lock, NULL);
    l->limits = m->limits;
    l->limits.procs = (struct fds){0};
    l->agent = -1;
    for (unsigned i = 0; i <= LANES_MAX; i++)
        l->streams[i].fd = -1;
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = l->wake < 0 ? -errno : stream_pair(pair);
    if (r < 0) {
        lanes_free(l);
        return err_errno(err, r, "cannot make the lanes of a machine");
    }
    pthread_mutex_lock(&m->client.lock);
    l->streams[MAIN].fd = pair[0];
    l->agent = m->client.fd;
    m->client.fd = pair[1];
    r = -pthread_create(&l->thread, NULL, pump_run, l);
    if (r < 0) {
        m->client.fd = TAKE_FD(l->agent);
        close(pair[1]);
    } else {
        m->lanes = l;
    }
    pthread_mutex_unlock(&m->client.lock);
    if (r == 0)
        return 0;
    lanes_free(l);
    return err_errno(err, r, "cannot make the lanes of a machine");
}

void machine_lanes_end(struct machine *m)
{
    pthread_mutex_lock(&m->client.lock);
    struct lanes *l = TAKE(m->lanes);
    pthread_mutex_unlock(&m->client.lock);

    if (!l)
        return;
    atomic_store(&l->ending, true);
    (void)write_all(l->wake, &(uint64_t){1}, sizeof(uint64_t));
    pthread_join(l->thread, NULL);
    lanes_free(l);
}

/* -------------------------------------------------------------------------------------------------- a lane
 */

/* Has a lane begun; the client's end of its socket, or -errno. */
static int stream_open(struct lanes *l)
{
    int pair[2], r = stream_pair(pair);
    struct stream *s = NULL;

    if (r < 0)
        return r;
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < LANES_MAX && !s; i++)
        if (l->streams[i].fd < 0 && !l->streams[i].ending)
            s = &l->streams[i];
    if (s) {
        s->fd = pair[0];
        s->opening = true;
    }
    pthread_mutex_unlock(&l->lock);
    if (s) {
        (void)write_all(l->wake, &(uint64_t){1}, sizeof(uint64_t));
        return pair[1];
    }
    close(pair[0]);
    close(pair[1]);
    return -EBUSY;
}

int machine_lane_open(struct machine *m, atomic_bool *cancelled, struct machine_lane **ret, struct err *err)
{
    struct machine_lane *lane = calloc(1, sizeof(*lane));

    if (!lane)
        return err_errno(err, -ENOMEM, "lane");
    lane->m = m;
    lane->cancelled = cancelled;
    lane->limits = m->lanes->limits;
    agent_client_init(&lane->client);
    int fd = stream_open(m->lanes);
    int r = fd < 0 ? err_errno(err, fd, "cannot open a lane of the machine")
                   : agent_client_open(&lane->client, fd, -1, err);
    if (r == 0)
        r = agent_client_hello(&lane->client, HELLO_MS, err);
    if (r < 0) {
        agent_client_release(&lane->client);
        free(lane);
        return r;
    }
    lane->client.limits = &lane->limits;
    pthread_mutex_lock(&m->lanes->lock);
    lane->next = m->lanes->list;
    m->lanes->list = lane;
    pthread_mutex_unlock(&m->lanes->lock);
    *ret = lane;
    return 0;
}

bool machine_lane_alone(struct machine_lane *lane)
{
    return agent_client_alone(&lane->client, NULL) == 0;
}

void machine_lane_interrupt(struct machine_lane *lane)
{
    atomic_store(lane->cancelled, true);
    agent_client_want(&lane->client, WANT_INTERRUPT);
}

void machine_lanes_want(struct machine *m, unsigned what)
{
    pthread_mutex_lock(&m->client.lock);
    struct lanes *l = m->lanes;
    if (l)
        pthread_mutex_lock(&l->lock);
    for (struct machine_lane *lane = l ? l->list : NULL; lane; lane = lane->next) {
        atomic_store(lane->cancelled, true);
        agent_client_want(&lane->client, what);
    }
    if (l)
        pthread_mutex_unlock(&l->lock);
    pthread_mutex_unlock(&m->client.lock);
}

static void lane_unlist(struct lanes *l, const struct machine_lane *lane)
{
    pthread_mutex_lock(&l->lock);
    for (struct machine_lane **at = &l->list; *at; at = &(*at)->next)
        if (*at == lane) {
            *at = lane->next;
            break;
        }
    pthread_mutex_unlock(&l->lock);
}

void machine_lane_close(struct machine_lane *lane)
{
    if (!lane)
        return;
    struct lanes *l = lane->m->lanes;
    if (l) /* else the machine was started again meanwhile, without it */
        lane_unlist(l, lane);
    agent_client_close(&lane->client);
    agent_client_release(&lane->client);
    free(lane);
}
