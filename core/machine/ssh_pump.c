/*
 * Bytes between a channel and a socket, on a thread: libssh2 wants one thread a session, and the agent's
 * client a socket. What goes to an agent is in parts (proto.h), with an empty one now and then, by which
 * either side learns of a connection that is cut. The socket may also be another session's, whose host is
 * behind this one: its bytes pass as they are, and as nothing tells it of a host that is cut off, it asks
 * that host now and then.
 */
#include <poll.h>
#include <sys/socket.h>

#include "core/machine/ssh.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    BYTES = 32 * 1024,
    PART = 32700 - 4, /* libssh2 sends 32700 bytes in a packet, and would send the rest in one of its own */
    SIGN_MS = 5000,
    SILENCE_MS = 15000, /* after a question: then there is nobody any more */
    END_MS = 2000,
    TURN_BYTES = 256 * 1024, /* of what the host sends, before anybody else has a turn: it may never stop */
};

/* What is on its way in one direction. */
struct flow {
    char bytes[BYTES + 4];
    size_t len, at;
};

struct ssh_pump {
    struct ssh_session *s; /* borrowed; this thread's while it runs */
    LIBSSH2_CHANNEL *channel;
    /* Borrowed, and told why the connection has ended. NULL: it is another session's. */
    struct agent_client *client;
    char why[400];    /* what that is told */
    bool closed;      /* by what is behind the host: before that */
    atomic_bool lost; /* it can be read */
    int fd;           /* our end of its socket */
    pthread_t thread;
    struct flow in, out;
    /* A packet that was sent in part only is to be finished before anything else is done: by whom. */
    enum { NOBODY, READER, WRITER } owed;
    int64_t signed_at; /* when something was last put on its way there */
    int64_t asked_at;  /* when the host was asked whether it is there */
    bool hung_up;      /* the client has closed its end */
    bool over;
};

/* The connection is lost, or the agent has ended. */
static void give_up(struct ssh_pump *p, const char *why)
{
    const char *behind = p->s->through ? ssh_pump_lost(p->s->through) : NULL;
    char *words = NULL;
    struct err err = {0};

    if (!why) {
        (void)libssh2_session_last_error(p->s->session, &words, NULL, 0);
        (void)err_set(&err, -ECONNRESET, "the connection to %s is lost: %.200s", p->s->where,
                      behind                                     ? behind
                      : words && *words && !ssh_wants_more(p->s) ? words
                                                                 : "it was closed");
        why = err.msg;
    }
    if (p->client && !p->hung_up)
        agent_client_tell_end(p->client, why);
    if (!p->client && !p->over) {
        snprintf(p->why, sizeof(p->why), "%.*s", (int)sizeof(p->why) - 1, why);
        atomic_store(&p->lost, true);
    }
    p->over = true;
}

static void begin_turn(struct ssh_pump *p)
{
    p->s->budget = TURN_BYTES;
}

static bool owes(struct ssh_pump *p, int who)
{
    bool outbound = libssh2_session_block_directions(p->s->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND;

    p->owed = outbound ? who : NOBODY;
    return outbound;
}

/* From the host, as far as there is room; true: there was something. */
static bool read_channel(struct ssh_pump *p)
{
    if (p->in.at < p->in.len || p->owed == WRITER)
        return false;
    begin_turn(p);
    ssize_t n = libssh2_channel_read_ex(p->channel, 0, p->in.bytes, BYTES);
    p->owed = NOBODY;
    p->in.at = 0;
    p->in.len = n > 0 ? (size_t)n : 0;
    if (n == LIBSSH2_ERROR_EAGAIN)
        return owes(p, READER) && false;
    if (n < 0)
        give_up(p, NULL);
    if (n != 0 || !libssh2_channel_eof(p->channel))
        return n > 0;
    p->closed = true;
    give_up(p, p->client ? "its agent ended, or was killed" : "it was closed there");
    return false;
}

static bool write_client(struct ssh_pump *p)
{
    if (p->in.at == p->in.len)
        return false;
    ssize_t n = send(p->fd, p->in.bytes + p->in.at, p->in.len - p->in.at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        p->hung_up = true;
        p->in.at = p->in.len;
    }
    p->in.at += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* What is behind the room for a header is to be sent. */
static void put_part(struct ssh_pump *p, size_t len)
{
    const uint32_t n = (uint32_t)len;
    const uint8_t header[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};

    memcpy(p->out.bytes, header, sizeof(header));
    p->out.at = p->client ? 0 : sizeof(header);
    p->out.len = sizeof(header) + len;
    p->signed_at = mono_ns();
}

static bool read_client(struct ssh_pump *p)
{
    if (p->out.at < p->out.len || p->hung_up)
        return false;
    ssize_t n = recv(p->fd, p->out.bytes + 4, PART, MSG_DONTWAIT);
    if (n > 0)
        put_part(p, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        p->hung_up = true;
    else if (p->client && mono_ns() - p->signed_at >= SIGN_MS * 1000000LL)
        put_part(p, 0);
    return n > 0;
}

static bool write_channel(struct ssh_pump *p)
{
    if (p->out.at == p->out.len || p->owed == READER)
        return false;
    begin_turn(p);
    ssize_t n = libssh2_channel_write_ex(p->channel, 0, p->out.bytes + p->out.at, p->out.len - p->out.at);
    p->owed = NOBODY;
    if (n == LIBSSH2_ERROR_EAGAIN)
        return owes(p, WRITER) && false;
    if (n < 0)
        give_up(p, NULL);
    p->out.at += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Sleeps until one of the two has something or takes something. */
static void wait_for_more(struct ssh_pump *p, int timeout_ms)
{
    int directions = libssh2_session_block_directions(p->s->session);
    bool client_out = p->in.at < p->in.len, channel_out = p->out.at < p->out.len;
    bool client_in = !channel_out && !p->hung_up;
    /* While what the host said waits for the client nothing more is read, but as a part of writing. */
    short host = (short)((client_out && !channel_out ? 0 : POLLIN) |
                         (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLOUT : 0));
    short client = (short)((client_in ? POLLIN : 0) | (client_out ? POLLOUT : 0));
    struct pollfd fds[2] = {{.fd = host ? p->s->socket : -1, .events = host},
                            {.fd = client ? p->fd : -1, .events = client}};

    (void)poll(fds, 2, timeout_ms);
}

/* Of a host that is behind another: a TCP connection would know by itself. What is asked is not sent in part,
 * as the socket takes it whole. */
static void look_for_host(struct ssh_pump *p)
{
    const int64_t now = mono_ns();
    struct pollfd out = {.fd = p->s->socket, .events = POLLOUT};
    int next;

    if (!p->s->through || p->over || p->in.at < p->in.len)
        return;
    if (p->asked_at > p->s->received_at && now - p->asked_at >= SILENCE_MS * 1000000LL) {
        char why[400];
        snprintf(why, sizeof(why), "the connection to %s is lost: nothing is heard of it any more",
                 p->s->where);
        give_up(p, why);
    } else if (now - p->s->received_at >= SIGN_MS * 1000000LL && p->asked_at <= p->s->received_at &&
               p->owed == NOBODY && p->out.at == p->out.len && poll(&out, 1, 0) == 1 &&
               out.revents & POLLOUT) {
        if (libssh2_keepalive_send(p->s->session, &next) == 0)
            p->asked_at = now;
    }
}

/* The host hears the end of what it is told; at the end of what it says, nothing of it runs any more. */
static void say_end(struct ssh_pump *p)
{
    int64_t until = mono_ns() + END_MS * 1000000LL;
    bool told = false;

    while (!p->over && mono_ns() < until) {
        p->in.at = p->in.len; /* for nobody */
        bool moved = write_channel(p);
        begin_turn(p);
        if (!told && p->out.at == p->out.len && p->owed != READER)
            told = libssh2_channel_send_eof(p->channel) != LIBSSH2_ERROR_EAGAIN;
        if (!read_channel(p) && !moved && !p->over)
            wait_for_more(p, 50);
    }
}

static void *pump(void *data)
{
    struct ssh_pump *p = data;

    while (!p->over && !p->hung_up) {
        bool moved = write_client(p);
        moved |= read_channel(p);
        moved |= read_client(p);
        moved |= write_channel(p);
        if (!moved)
            look_for_host(p);
        if (!moved && !p->over && !p->hung_up)
            wait_for_more(p, SIGN_MS);
    }
    if (p->hung_up)
        say_end(p);
    while (p->in.at < p->in.len && write_all(p->fd, p->in.bytes + p->in.at, p->in.len - p->in.at) == 0)
        p->in.at = p->in.len;
    (void)shutdown(p->fd, SHUT_RDWR);
    return NULL;
}

static int cannot_pass(struct ssh_session *s, const struct ssh_host *to, struct err *err)
{
    char what[400];

    snprintf(what, sizeof(what),
             "it does not connect to %.200s:%u (AllowTcpForwarding in its sshd_config, or nobody there)",
             to->name, to->port);
    return ssh_failed(s, what, err);
}

/* fd_take: our end of the socket. */
static int begin(struct ssh_pump *p, int fd_take, struct err *err)
{
    struct ssh_session *s = p->s;

    p->fd = fd_take;
    p->signed_at = s->received_at = mono_ns();
    s->until = 0;
    s->cancelled = NULL;
    s->counted = true;
    libssh2_keepalive_config(s->session, 1, 1);
    (void)libssh2_channel_handle_extended_data2(p->channel, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
    int r = -pthread_create(&p->thread, NULL, pump, p);
    return r < 0 ? err_errno(err, r, "cannot start a thread") : 0;
}

int ssh_pump_start(struct ssh_session *s, struct ssh_agent *a, struct agent_client *c, struct ssh_pump **ret,
                   struct err *err)
{
    struct ssh_pump *p = a->said.len <= BYTES ? calloc(1, sizeof(*p)) : NULL;
    int pair[2];

    if (!p)
        return err_errno(err, -ENOMEM, "ssh");
    *p = (struct ssh_pump){.s = s, .channel = a->channel, .client = c};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        free(p);
        return err_errno(err, -errno, "cannot make a socket");
    }
    p->in.len = a->said.len;
    memcpy(p->in.bytes, buf_str(&a->said), a->said.len);
    int r = agent_client_open(c, pair[0], -1, err);
    if (r == 0)
        r = begin(p, pair[1], err);
    if (r < 0) {
        close(pair[1]);
        free(p);
        return r;
    }
    *ret = p;
    return 0;
}

int ssh_pump_through(struct ssh_session *s, const struct ssh_host *to, struct ssh_session *behind,
                     struct ssh_pump **ret, struct err *err)
{
    struct ssh_pump *p;
    int pair[2];

    (void)ssh_in_time(s, ssh_after_ms(SILENCE_MS));
    LIBSSH2_CHANNEL *c =
        ssh_await_pointer(s, libssh2_channel_direct_tcpip_ex(s->session, to->name, to->port, "127.0.0.1", 0));
    if (!c)
        return cannot_pass(s, to, err);
    p = calloc(1, sizeof(*p));
    if (!p)
        return err_errno(err, -ENOMEM, "ssh");
    *p = (struct ssh_pump){.s = s, .channel = c};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        free(p);
        return err_errno(err, -errno, "cannot make a socket");
    }
    int r = begin(p, pair[1], err);
    if (r < 0) {
        close(pair[0]);
        close(pair[1]);
        free(p);
        return r;
    }
    behind->socket = pair[0];
    behind->through = p;
    *ret = p;
    return 0;
}

const char *ssh_pump_lost(struct ssh_pump *p)
{
    return atomic_load(&p->lost) ? p->why : NULL;
}

bool ssh_pump_closed(struct ssh_pump *p)
{
    return atomic_load(&p->lost) && p->closed;
}

void ssh_pump_end(struct ssh_pump *p)
{
    pthread_join(p->thread, NULL);
    p->s->counted = false;
    close(p->fd);
    free(p);
}
