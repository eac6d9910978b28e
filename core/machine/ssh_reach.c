/*
 * The way to a host: its name and a connection to one of its addresses, in 15 s together. The system's
 * resolver (which knows more than DNS, so that no other takes its place) cannot be told to stop: it is asked
 * on a thread of its own, and whoever no longer waits leaves that its answer.
 */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/machine/ssh.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    WAIT_MS = 15000,    /* for the name and the connection */
    SILENCE_MS = 15000, /* what is sent is acknowledged before that, or the connection is lost */
    LOOK_S = 5,         /* after so long without traffic it is looked whether the host is still there */
    ASKED_MAX = 64,     /* names at once: a resolver that hangs does not have more threads than that */
};

/* ------------------------------------------------------------------------------------------------ its name
 */

/* A name that is asked for. Both who asks and the thread hold it. */
struct question {
    atomic_int holders;
    int answered; /* eventfd */
    char name[256], port[8];
    int result; /* of getaddrinfo(3) */
    struct addrinfo *addresses;
};

static atomic_int asked; /* threads that wait for the resolver */

static void question_leave(struct question *q)
{
    if (atomic_fetch_sub(&q->holders, 1) > 1)
        return;
    if (q->addresses)
        freeaddrinfo(q->addresses);
    cleanup_close(&q->answered);
    free(q);
}

static struct question *question_new(const struct ssh_host *h)
{
    struct question *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->holders = 1;
    q->answered = eventfd(0, EFD_CLOEXEC);
    snprintf(q->name, sizeof(q->name), "%s", h->name);
    snprintf(q->port, sizeof(q->port), "%u", h->port);
    if (q->answered >= 0)
        return q;
    question_leave(q);
    return NULL;
}

static void *ask(void *data)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const uint64_t one = 1;
    struct question *q = data;

    q->result = getaddrinfo(q->name, q->port, &hints, &q->addresses);
    (void)!write(q->answered, &one, sizeof(one));
    atomic_fetch_sub(&asked, 1);
    question_leave(q);
    return NULL;
}

static int ask_aside(struct question *q)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (atomic_fetch_add(&asked, 1) >= ASKED_MAX) {
        atomic_fetch_sub(&asked, 1);
        return -EBUSY;
    }
    atomic_fetch_add(&q->holders, 1);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attr, ask, q);
    (void)pthread_attr_destroy(&attr);
    if (r == 0)
        return 0;
    atomic_fetch_sub(&asked, 1);
    atomic_fetch_sub(&q->holders, 1);
    return -r;
}

static int resolve_aside(struct ssh_session *s, struct question *q, struct err *err)
{
    int n = 0, r = ask_aside(q);
    uint64_t count;

    if (r < 0)
        return r == -EBUSY ? err_set(err, r, "ssh %s: %d other names are asked for, and no answer comes",
                                     s->where, ASKED_MAX)
                           : err_errno(err, r, "ssh %s: cannot start a thread", s->where);
    while (n == 0 && ssh_in_time(s, s->until))
        n = ssh_wait_slice(s, q->answered, POLLIN);
    if (n <= 0)
        return s->cancelled && atomic_load(s->cancelled)
                   ? err_set(err, -ECANCELED, "ssh %s: while its name was asked for, the job was cancelled",
                             s->where)
                   : err_set(err, -ETIMEDOUT, "ssh %s: its name was asked for, and no answer came in %d s",
                             s->where, WAIT_MS / 1000);
    (void)!read(q->answered, &count, sizeof(count));
    return q->result == 0 ? 0 : err_set(err, -EHOSTUNREACH, "ssh %s: %s", s->where, gai_strerror(q->result));
}

/* An address is one already, and nobody is asked. */
static int resolve(struct ssh_session *s, struct question *q, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

    return getaddrinfo(q->name, q->port, &hints, &q->addresses) == 0 ? 0 : resolve_aside(s, q, err);
}

/* ----------------------------------------------------------------------------------------------- a
 * connection
 */

static void set_options(int fd)
{
    const int on = 1, look = LOOK_S, looks = 2, silence = SILENCE_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof(silence));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &look, sizeof(look));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &look, sizeof(look));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &looks, sizeof(looks));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* A connected socket, or -errno. */
static int connect_to(struct ssh_session *s, const struct addrinfo *a)
{
    _close_ int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    int error = 0, n = 0;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return -errno;
    set_options(fd);
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -errno;
    while (n == 0 && ssh_in_time(s, s->until))
        n = ssh_wait_slice(s, fd, POLLOUT);
    if (n <= 0)
        return n < 0 ? -errno : s->cancelled && atomic_load(s->cancelled) ? -ECANCELED : -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
        return error ? -error : -errno;
    return TAKE_FD(fd);
}

/* One after the other: an address that says nothing leaves the others their share of the time. */
static int connect_to_any(struct ssh_session *s, const struct addrinfo *all)
{
    int64_t end = s->until;
    int fd = -EHOSTUNREACH, n = 0;

    for (const struct addrinfo *a = all; a; a = a->ai_next)
        n++;
    for (const struct addrinfo *a = all; a && fd < 0 && fd != -ECANCELED; a = a->ai_next, n--) {
        (void)ssh_in_time(s, mono_ns() + (end - mono_ns()) / n);
        fd = connect_to(s, a);
    }
    return fd;
}

int ssh_reach(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    struct question *q = question_new(h);

    if (!q)
        return err_errno(err, -ENOMEM, "ssh");
    (void)ssh_in_time(s, ssh_after_ms(WAIT_MS));
    int r = resolve(s, q, err);
    if (r == 0 && (r = connect_to_any(s, q->addresses)) < 0)
        err_errno(err, r, "ssh %s: cannot connect", s->where);
    else if (r >= 0)
        s->socket = r;
    question_leave(q);
    return r < 0 ? r : 0;
}
