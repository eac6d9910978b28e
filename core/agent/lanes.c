/*
 * Lanes: more commands at the same time. Each lane is an agent of its own, a child of the first, which serves
 * its end of a socket pair as that serves the control socket, and ends all it started when the pair is
 * closed. The first passes their bytes on, in frames.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

enum { LANE_HIGH = 1024 * 1024 }; /* of what a lane has not taken yet: then nothing else is done first */

static void lane_close(struct agent_lane *l)
{
    cleanup_close(&l->fd);
    buf_release(&l->out);
    l->out_at = 0;
}

/* Says that the lane has ended; its number is free again. */
static void lane_end(struct agent *a, unsigned number)
{
    size_t begin = frame_begin(&a->out, FRAME_LANE);

    wire_add_u32(&a->out, number);
    frame_end(&a->out, begin);
    lane_close(&a->lanes[number]);
    a->lanes[number].pid = 0;
}

static void lane_serve(struct agent *a, int fd)
{
    close(a->control);
    close(a->signals);
    cleanup_close(&a->put_fd);
    for (int i = 0; i < 2; i++)
        cleanup_close(&a->command.output[i]);
    for (size_t i = 0; i < ARRAY_LEN(a->drains); i++)
        cleanup_close(&a->drains[i]);
    for (size_t i = 0; i < ARRAY_LEN(a->lanes); i++)
        lane_close(&a->lanes[i]);
    buf_release(&a->in);
    buf_release(&a->out);
    _exit(agent_serve_lane(fd, a));
}

void lane_open(struct agent *a, const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    uint32_t number = wire_u32(&w);
    int pair[2];

    if (!wire_ok(&w) || number >= LANES_MAX || a->lanes[number].fd >= 0) {
        a->ended = true;
        return;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        lane_end(a, number);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        lane_serve(a, pair[1]);
    }
    close(pair[1]);
    a->lanes[number].fd = pair[0];
    a->lanes[number].pid = pid;
    if (pid < 0)
        lane_end(a, number);
}

/* Passes on what fits now. */
static void lane_send(struct agent_lane *l)
{
    while (l->out_at < l->out.len) {
        ssize_t n = send(l->fd, l->out.ptr + l->out_at, l->out.len - l->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) /* its end is read, too */
            break;
        l->out_at += (size_t)n;
    }
    buf_reset(&l->out);
    l->out_at = 0;
}

static void lane_receive(struct agent *a, unsigned number)
{
    enum { FIELD = 4, BYTES_MAX = FRAME_TO_DAEMON_MAX - FIELD };
    struct agent_lane *l = &a->lanes[number];
    char *to = buf_reserve(&a->out, FRAME_HEADER + FRAME_TO_DAEMON_MAX);

    if (!to)
        return;
    ssize_t n = recv(l->fd, to + FRAME_HEADER + FIELD, BYTES_MAX, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lane_end(a, number);
        return;
    }
    frame_header((uint8_t *)to, FRAME_LANE, FIELD + (size_t)n);
    wire_put_u32((uint8_t *)to + FRAME_HEADER, number);
    a->out.len += FRAME_HEADER + FIELD + (size_t)n;
}

void lane_data(struct agent *a, const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    uint32_t number = wire_u32(&w);

    if (w.bad || number >= LANES_MAX) {
        a->ended = true;
        return;
    }
    struct agent_lane *l = &a->lanes[number];
    if (l->fd < 0) /* it ended, and the daemon does not know yet */
        return;
    if (w.left == 0) { /* its agent ends, and says so by closing its end */
        (void)shutdown(l->fd, SHUT_WR);
        return;
    }
    buf_add(&l->out, w.at, w.left);
    lane_send(l);
    while (l->fd >= 0 && l->out.len - l->out_at > LANE_HIGH && !a->ended) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN | POLLOUT};
        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            a->ended = true;
        if (p.revents & POLLIN) /* it may be waiting for that, and take nothing meanwhile */
            lane_receive(a, number);
        if (l->fd >= 0)
            lane_send(l);
    }
}

void lanes_poll(const struct agent *a, bool room, struct pollfd *p)
{
    for (size_t i = 0; i < LANES_MAX; i++) {
        const struct agent_lane *l = &a->lanes[i];
        bool unsent = l->out_at < l->out.len;
        p[i] = (struct pollfd){.fd = room || unsent ? l->fd : -1,
                               .events = (short)((room ? POLLIN : 0) | (unsent ? POLLOUT : 0))};
    }
}

void lanes_pump(struct agent *a, const struct pollfd *p)
{
    for (unsigned i = 0; i < LANES_MAX; i++) {
        struct agent_lane *l = &a->lanes[i];
        if (l->fd >= 0 && p[i].revents & POLLOUT)
            lane_send(l);
        if (l->fd >= 0 && p[i].revents & ~POLLOUT)
            lane_receive(a, i);
    }
}

bool lane_spared(void *agent, pid_t pid)
{
    const struct agent *a = agent;

    for (size_t i = 0; i < LANES_MAX; i++)
        if (a->lanes[i].pid > 0 && a->lanes[i].pid == pid)
            return true;
    return false;
}

bool lanes_any(const struct agent *a)
{
    for (size_t i = 0; i < LANES_MAX; i++)
        if (a->lanes[i].pid > 0)
            return true;
    return false;
}
