/* The network of a job and its services, as machine.h has it: the namespace with its bridge, which lasts as
 * long as a descriptor of it is open; who has which name and address; and the process that maps ports. */
#include <arpa/inet.h>
#include <poll.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { NAMES_MAX = 64, FORWARDER_MS = 5000 };

struct machine_net {
    struct spawner *spawner; /* borrowed */
    int fd;                  /* its namespace */
    pthread_mutex_t lock;    /* guards names and next */
    struct name {
        char *text; /* owned */
        uint32_t address;
    } names[NAMES_MAX];
    size_t n;
    uint32_t next;          /* the last part of the next address */
    int control, forwarder; /* the socket with which the forwarder ends, and its pidfd; -1: there is none */
};

int machine_net_new(struct machines *ms, struct machine_net **ret, struct err *err)
{
    const struct spawn_request request = {.what = SPAWN_NETWORK};
    struct machine_net *n = calloc(1, sizeof(*n));

    if (!n)
        return err_errno(err, -ENOMEM, "network");
    n->spawner = &ms->sandboxes;
    n->next = JOB_NETWORK_FIRST;
    n->control = n->forwarder = -1;
    pthread_mutex_init(&n->lock, NULL);
    n->fd = spawner_mount(n->spawner, &request, err);
    if (n->fd < 0) {
        int r = n->fd;
        machine_net_free(n);
        return r;
    }
    *ret = n;
    return 0;
}

void machine_net_free(struct machine_net *n)
{
    if (!n)
        return;
    cleanup_close(&n->control);
    if (n->forwarder >= 0) { /* so that its ports are free for the next job */
        if (poll(&(struct pollfd){.fd = n->forwarder, .events = POLLIN}, 1, FORWARDER_MS) == 0)
            pidfd_kill(n->forwarder);
        cleanup_close(&n->forwarder);
    }
    cleanup_close(&n->fd);
    for (size_t i = 0; i < n->n; i++)
        free(n->names[i].text);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

/* With the lock held. */
static const struct name *find_name(const struct machine_net *n, const char *text)
{
    for (size_t i = 0; i < n->n; i++)
        if (str_eq_ascii_nocase(n->names[i].text, text))
            return &n->names[i];
    return NULL;
}

static uint32_t next_address(struct machine_net *n)
{
    return n->next > JOB_NETWORK_LAST ? 0 : JOB_NETWORK + n->next++;
}

static int add_name(struct machine_net *n, const char *text, uint32_t address, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (!*text || strlen(text) > 63 || strspn(text, allowed) != strlen(text) || *text == '-' || *text == '.')
        return err_set(err, -EINVAL, "'%.100s' cannot be a name in a network: a-z, 0-9, '.', '_' and '-'",
                       text);
    if (find_name(n, text) || str_eq_ascii_nocase(text, "localhost"))
        return err_set(err, -EEXIST, "the name '%s' is taken", text);
    char *copy = n->n < NAMES_MAX && address ? strdup(text) : NULL;
    if (!copy)
        return err_set(err, n->n < NAMES_MAX && address ? -ENOMEM : -E2BIG, "too many names in a network");
    n->names[n->n++] = (struct name){copy, address};
    return 0;
}

int machine_net_name(struct machine_net *n, const char *name, struct err *err)
{
    pthread_mutex_lock(&n->lock);
    int r = add_name(n, name, next_address(n), err);
    pthread_mutex_unlock(&n->lock);
    return r;
}

int machine_net_alias(struct machine_net *n, const char *alias, const char *name, struct err *err)
{
    pthread_mutex_lock(&n->lock);
    const struct name *known = find_name(n, name);
    int r =
        known ? add_name(n, alias, known->address, err) : err_set(err, -ENOENT, "nobody is called %s", name);
    pthread_mutex_unlock(&n->lock);
    return r;
}

uint32_t machine_net_address(struct machine_net *n, const char *name)
{
    pthread_mutex_lock(&n->lock);
    const struct name *known = name ? find_name(n, name) : NULL;
    uint32_t address = known ? known->address : name ? 0 : next_address(n);
    pthread_mutex_unlock(&n->lock);
    return address;
}

int machine_net_fd(const struct machine_net *n)
{
    return n->fd;
}

static void add_address(struct buf *b, uint32_t address)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(address)};

    buf_adds(b, inet_ntop(AF_INET, &in, text, sizeof(text)));
}

void machine_net_hosts(struct machine_net *n, struct buf *ret)
{
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->n; i++) {
        add_address(ret, n->names[i].address);
        buf_addf(ret, " %s\n", n->names[i].text);
    }
    pthread_mutex_unlock(&n->lock);
}

/* ----------------------------------------------------------------------------------------------------- ports
 */

static char **forwards_of(struct machine_net *n, const struct machine_port *ports, size_t count)
{
    char **list = calloc(count + 1, sizeof(*list));

    for (size_t i = 0; list && i < count; i++) {
        _buf_ struct buf b = BUF_INIT;
        buf_addf(&b, "%u ", ports[i].port);
        add_address(&b, machine_net_address(n, ports[i].name));
        buf_addf(&b, " %u", ports[i].target);
        list[i] = buf_steal(&b);
        if (!list[i]) {
            strv_free(list);
            return NULL;
        }
    }
    return list;
}

static int take_ports(const struct buf *text, struct machine_port *ports, size_t count, struct err *err)
{
    const char *at = buf_str(text);

    for (size_t i = 0; i < count; i++) {
        char *end;
        unsigned long port = strtoul(at, &end, 10);
        if (end == at || !port || port > UINT16_MAX)
            return err_set(err, -EPROTO, "what maps the ports of services answered something else");
        ports[i].port = (uint16_t)port;
        at = end;
    }
    return 0;
}

/* On the host's network a job that is kept apart has no right to ports that are kept for the host's own
 * services, whoever runs the daemon; what maps ports for it would have. */
static int check_ports(const struct machine *from, const struct machine_port *ports, size_t count,
                       struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    unsigned long first = 1024;

    if (from->network != MACHINE_NET_HOST || !from->ops->isolates)
        return 0;
    if (read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", 64, &text, NULL) == 0)
        first = strtoul(buf_str(&text), NULL, 10);
    for (size_t i = 0; i < count; i++)
        if (ports[i].port && ports[i].port < first)
            return err_set(err, -EACCES,
                           "services.%s.ports: port %u of the host's network is not for jobs to take: they "
                           "have those from %lu on (as in '8080:%u'; without network=host in its label, a "
                           "job has all ports of a network of its own)",
                           ports[i].name, ports[i].port, first, ports[i].target);
    return 0;
}

int machine_net_map(struct machine_net *n, const struct machine *from, struct machine_port *ports,
                    size_t count, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    struct fds with = {.list = {n->fd}, .n = 1};

    if (count == 0)
        return 0;
    if (check_ports(from, ports, count, err) < 0)
        return err->code;
    if (from->network != MACHINE_NET_HOST && from->net_fd < 0)
        return err_set(err, -ENOTSUP, "ports cannot be mapped into a machine of %s with a network of its own",
                       from->ops->name);
    if (from->network != MACHINE_NET_HOST)
        with.list[with.n++] = from->net_fd;
    _strv_ char **forwards = forwards_of(n, ports, count);
    if (!forwards)
        return err_errno(err, -ENOMEM, "network");
    int r = spawner_forward(n->spawner, SPAWN_FORWARD, (const char **)(uintptr_t)forwards, &with, &n->control,
                            &n->forwarder, &text, err);
    return r < 0 ? r : take_ports(&text, ports, count, err);
}
