/*
 * The network of a job: a bridge in a namespace of its own, which leads nowhere else, and from there a cable
 * (veth) into each machine that is on it. By rtnetlink(7); what enters another namespace is a child process,
 * as the way back is closed to who is root in a user namespace only.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

static const char bridge_name[] = "bridge", card_name[] = "eth0";

/* ------------------------------------------------------------------------------------------- child processes
 */

int apart_answer(int fd, int r, const char *words, const struct fds *with)
{
    _buf_ struct buf b = BUF_INIT;

    spawn_reply_encode(&b, &(struct spawn_reply){.error = r, .words = words});
    return fds_send(fd, &b, with);
}

static int take_answer(int fd, struct fds *ret, struct buf *ret_words, struct err *err)
{
    struct spawn_reply reply;
    char data[4096];
    ssize_t n = fds_receive(fd, data, sizeof(data), ret);

    if (n <= 0 || spawn_reply_decode(data, (size_t)n, &reply) < 0)
        return err_set(err, -ECONNRESET, "the process that looks after a job's network ended");
    if (reply.error)
        return err_set(err, reply.error, "%s", reply.words);
    if (ret_words)
        buf_adds(ret_words, reply.words);
    return 0;
}

int apart(apart_fn *run, void *data, struct fds *ret, struct buf *ret_words, pid_t *ret_pid, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, -errno, "cannot make a socket");
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        _exit(run(data, pair[1]));
    }
    close(pair[1]);
    int r =
        pid < 0 ? err_errno(err, -errno, "cannot make a process") : take_answer(pair[0], ret, ret_words, err);
    close(pair[0]);
    if (pid > 0 && (r < 0 || !ret_pid))
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    else if (pid > 0)
        *ret_pid = pid;
    return r;
}

/* --------------------------------------------------------------------------------------------- rtnetlink */

/* One request; what is added aligns itself. */
struct request {
    struct nlmsghdr header;
    char rest[508];
};

static void *add(struct request *q, const void *data, size_t len)
{
    size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

    if (at + NLMSG_ALIGN(len) > sizeof(*q))
        _exit(75); /* none of ours is that long */
    void *to = (char *)q + at;
    memcpy(to, data, len);
    q->header.nlmsg_len = (uint32_t)(at + NLMSG_ALIGN(len));
    return to;
}

static void add_attr(struct request *q, unsigned short type, const void *data, size_t len)
{
    struct rtattr a = {.rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type};

    add(q, &a, sizeof(a));
    if (len)
        add(q, data, len);
}

static struct rtattr *begin_nest(struct request *q, unsigned short type)
{
    struct rtattr a = {.rta_type = type};

    return add(q, &a, sizeof(a));
}

static void end_nest(struct request *q, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)((char *)q + q->header.nlmsg_len - (char *)nest);
}

static void begin(struct request *q, unsigned short type, unsigned short flags)
{
    *q = (struct request){.header = {.nlmsg_len = NLMSG_HDRLEN,
                                     .nlmsg_type = type,
                                     .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags)}};
}

static void begin_link(struct request *q, unsigned short flags, int index, unsigned up)
{
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = up, .ifi_change = up};

    begin(q, RTM_NEWLINK, flags);
    add(q, &link, sizeof(link));
}

/* In the namespace that this process is in. */
static int ask(const struct request *q)
{
    _close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    union {
        struct nlmsghdr header;
        char bytes[8192];
    } answer;
    const struct nlmsgerr *error = NLMSG_DATA(&answer.header);

    if (fd < 0 || send(fd, q, q->header.nlmsg_len, 0) < 0)
        return -errno;
    ssize_t n = recv(fd, &answer, sizeof(answer), 0);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(*error)) || answer.header.nlmsg_type != NLMSG_ERROR)
        return n < 0 ? -errno : -EPROTO;
    return error->error;
}

static int raise_link(int index, int master)
{
    struct request q;

    begin_link(&q, 0, index, IFF_UP);
    if (master)
        add_attr(&q, IFLA_MASTER, &master, sizeof(master));
    return ask(&q);
}

static int add_address(int index, uint32_t address)
{
    struct request q;
    struct ifaddrmsg m = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = (unsigned)index};
    struct in_addr in = {htonl(address)};

    begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    add(&q, &m, sizeof(m));
    add_attr(&q, IFA_LOCAL, &in, sizeof(in));
    add_attr(&q, IFA_ADDRESS, &in, sizeof(in));
    return ask(&q);
}

/* -------------------------------------------------------------------------------------------- the bridge */

static int make_bridge(void)
{
    struct request q;

    begin_link(&q, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
    add_attr(&q, IFLA_IFNAME, bridge_name, sizeof(bridge_name));
    struct rtattr *info = begin_nest(&q, IFLA_LINKINFO);
    add_attr(&q, IFLA_INFO_KIND, "bridge", sizeof("bridge") - 1);
    end_nest(&q, info);
    int r = ask(&q), index = r == 0 ? (int)if_nametoindex(bridge_name) : 0;
    if (r == 0)
        r = raise_link(index, 0);
    return r == 0 ? add_address(index, JOB_NETWORK + JOB_NETWORK_OWN) : r;
}

static int begin_bridge(void *data, int answer)
{
    struct fds made = {0};
    struct err err = {0};
    int r = 0;

    (void)data;
    if (unshare(CLONE_NEWNET) < 0)
        r = err_errno(&err, -errno, "cannot make a network for the job");
    if (r == 0 && (r = make_bridge()) < 0)
        err_errno(&err, r,
                  r == -EOPNOTSUPP
                      ? "services need a bridge, which this kernel does not have: `modprobe bridge`"
                      : "cannot make a bridge for the job's network");
    if (r == 0)
        r = raise_loopback(&err);
    if (r == 0)
        fds_add(&made, open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (r == 0 && !made.n)
        r = err_errno(&err, -errno, "cannot open the job's network");
    return apart_answer(answer, r, err.msg, &made) < 0;
}

int bridge_new(struct err *err)
{
    _cleanup_(fds_release) struct fds got = {0};
    int r = apart(begin_bridge, NULL, &got, NULL, NULL, err);

    return r < 0 ? r : got.n ? TAKE_FD(got.list[0]) : err_set(err, -EPROTO, "the job's network did not come");
}

/* -------------------------------------------------------------------------------------------- its cables */

struct cable {
    int network, machine; /* namespaces */
    uint32_t address;
};

/* Both ends at once, each where it belongs; called after the address. */
static int lay(const struct cable *c, const char *far_end)
{
    struct request q;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};

    begin_link(&q, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
    add_attr(&q, IFLA_IFNAME, card_name, sizeof(card_name));
    struct rtattr *info = begin_nest(&q, IFLA_LINKINFO);
    add_attr(&q, IFLA_INFO_KIND, "veth", sizeof("veth") - 1);
    struct rtattr *data = begin_nest(&q, IFLA_INFO_DATA);
    struct rtattr *peer = begin_nest(&q, VETH_INFO_PEER);
    add(&q, &link, sizeof(link));
    add_attr(&q, IFLA_IFNAME, far_end, strlen(far_end) + 1);
    add_attr(&q, IFLA_NET_NS_FD, &c->network, sizeof(c->network));
    end_nest(&q, peer);
    end_nest(&q, data);
    end_nest(&q, info);
    return ask(&q);
}

/* As in Docker's containers, any user's server may have any port: all of them are the machine's. */
static void open_ports(void)
{
    _close_ int fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "0", 1);
}

static int join(const struct cable *c, struct err *err)
{
    char far_end[IFNAMSIZ];
    int r = setns(c->machine, CLONE_NEWNET) < 0 ? -errno : 0;

    snprintf(far_end, sizeof(far_end), "m%u", c->address & 255U);
    if (r == 0)
        r = lay(c, far_end);
    if (r == -EOPNOTSUPP)
        return err_errno(err, r, "services need veth, which this kernel does not have: `modprobe veth`");
    int index = r == 0 ? (int)if_nametoindex(card_name) : 0;
    if (r == 0)
        r = add_address(index, c->address);
    if (r == 0)
        r = raise_link(index, 0);
    if (r == 0) /* this process is in there */
        open_ports();
    if (r == 0 && setns(c->network, CLONE_NEWNET) < 0)
        r = -errno;
    if (r == 0)
        r = raise_link((int)if_nametoindex(far_end), (int)if_nametoindex(bridge_name));
    return r < 0 ? err_errno(err, r, "cannot join the machine to the job's network") : 0;
}

static int begin_join(void *data, int answer)
{
    struct err err = {0};
    int r = join(data, &err);

    return apart_answer(answer, r, err.msg, &(struct fds){0}) < 0;
}

int bridge_join(int network, pid_t pid, uint32_t address, struct err *err)
{
    _cleanup_(fds_release) struct fds none = {0};
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    _close_ int machine = open(path, O_RDONLY | O_CLOEXEC);
    if (machine < 0)
        return err_errno(err, -errno, "cannot open the machine's network");
    struct cable c = {.network = network, .machine = machine, .address = address};
    return apart(begin_join, &c, &none, NULL, NULL, err);
}
