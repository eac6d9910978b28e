/*
 * A network of a machine's own behind the host's address: slirp4netns gives its namespace an interface, and
 * nftables in that namespace keep it from the addresses that the host has by then, and from what clouds tell
 * about a host.
 * Neither is the machine's root to change: it has no CAP_NET_ADMIN there.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { READY_MS = 10000, FILTER_MS = 20000 };
/* Where the programs find what they work on. */
enum { AT_NET = 5, AT_USER = 6, AT_READY = 7, AT_EXIT = 8 };

/* What slirp4netns is in its network (the resolver apart), link-local addresses with the metadata services of
 * most clouds, and those that are elsewhere: Alibaba's, Azure's, Oracle's. */
static const char forbidden[] = "10.0.2.0/24, 169.254.0.0/16, 100.100.100.200, 168.63.129.16, 192.0.0.192";

int nat_works(struct err *err)
{
    static const struct {
        const char *program, *package;
    } needed[] = {{"slirp4netns", "slirp4netns"}, {"nft", "nftables"}, {"nsenter", "util-linux"}};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!proc_in_path(needed[i].program))
            return err_set(err, -ENOENT,
                           "network=nat needs %s, which is not installed (Debian: apt-get install %s)",
                           needed[i].program, needed[i].package);
    if (access("/dev/net/tun", F_OK) < 0)
        return err_set(err, -ENOENT, "network=nat needs /dev/net/tun, which is missing: `modprobe tun`");
    if (access("/dev/net/tun", R_OK | W_OK) < 0)
        return err_set(
            err, -EACCES,
            "network=nat needs /dev/net/tun, which this user may not open: `chmod 666 /dev/net/tun`");
    return 0;
}

/* All but 127/8, which slirp4netns does not lead to the host (--disable-host-loopback); others of its lo are
 * as reachable as those of its cards. */
static int add_host_addresses(struct buf *b)
{
    struct ifaddrs *all;

    if (getifaddrs(&all) < 0)
        return -errno;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        char text[INET_ADDRSTRLEN];
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)i->ifa_addr;
        if (!in || in->sin_family != AF_INET || ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
            continue;
        buf_addf(b, ", %s", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
    }
    freeifaddrs(all);
    return 0;
}

/* There is no IPv6 behind the interface. A refusal is told at once, so that nothing waits for an answer. */
static int rules(struct buf *b, bool resets)
{
    buf_adds(b, "add table inet runfs; "
                "add chain inet runfs through { type filter hook forward priority 0; policy drop; }; "
                "add chain inet runfs out { type filter hook output priority 0; policy accept; }; "
                "add rule inet runfs out oifname lo accept; "
                "add rule inet runfs out meta nfproto ipv6 drop; "
                "add rule inet runfs out ip daddr 10.0.2.3 meta l4proto { tcp, udp } th dport 53 accept; ");
    buf_addf(b, "add set inet runfs host { type ipv4_addr; flags interval; auto-merge; elements = { %s",
             forbidden);
    int r = add_host_addresses(b);
    buf_adds(b, " }; }; ");
    if (resets)
        buf_adds(b, "add rule inet runfs out ip daddr @host meta l4proto tcp reject with tcp reset; ");
    buf_adds(b, "add rule inet runfs out ip daddr @host reject with icmp type admin-prohibited");
    return r < 0 ? r : buf_ok(b) ? 0 : -ENOMEM;
}

/* Starts a program that finds the namespaces, and the ends of two pipes, at the numbers above. */
static int start(const char *const argv[], const int fds[4], pid_t *ret)
{
    posix_spawn_file_actions_t fa;
    int high[4], r = 0;

    for (int i = 0; i < 4; i++) { /* out of the way of the numbers that they get */
        high[i] = fds[i] >= 0 ? fcntl(fds[i], F_DUPFD_CLOEXEC, 16) : -1;
        if (fds[i] >= 0 && high[i] < 0)
            r = -errno;
    }
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&fa, 0, 1);
    posix_spawn_file_actions_adddup2(&fa, 0, 2);
    for (int i = 0; i < 4; i++)
        if (high[i] >= 0)
            posix_spawn_file_actions_adddup2(&fa, high[i], AT_NET + i);
    posix_spawn_file_actions_addclosefrom_np(&fa, AT_EXIT + 1);
    if (r == 0)
        r = proc_spawn(ret, argv[0], &fa, argv, (const char *const *)environ);
    posix_spawn_file_actions_destroy(&fa);
    for (int i = 0; i < 4; i++)
        cleanup_close(&high[i]);
    return r;
}

/* A command as whoever may change the network: the real root, else the root of its user namespace. */
static const char *const *inside(const char **to, const char *const *command, size_t n)
{
    static const char *const enter[] = {"nsenter", "--user=/proc/self/fd/6", "--preserve-credentials"};
    size_t skip = geteuid() == 0 ? 0 : ARRAY_LEN(enter);

    memcpy(to, enter, skip * sizeof(*to));
    memcpy(to + skip, command, n * sizeof(*to));
    return to;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int filter(const int namespaces[2], bool resets, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    const int fds[4] = {namespaces[0], namespaces[1], -1, -1};
    pid_t pid;
    int r = rules(&text, resets);
    const char *const command[] = {"nsenter", "--net=/proc/self/fd/5", "nft", buf_str(&text)};
    const char *argv[8] = {NULL};

    if (r == 0)
        r = start(inside(argv, command, ARRAY_LEN(command)), fds, &pid);
    if (r < 0)
        return err_errno(err, r, "cannot filter the machine's network");
    int code = wait_for(pid);
    return code ? err_set(err, -EIO,
                          "cannot filter the machine's network: nft ended with %d (does this kernel have "
                          "nf_tables "
                          "with inet tables and reject?)",
                          code)
                : 0;
}

static int wait_ready(int fd, struct err *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    int n;

    while ((n = poll(&p, 1, READY_MS)) < 0 && errno == EINTR)
        ;
    if (n > 0 && read(fd, &c, 1) == 1)
        return 0;
    return err_set(err, -EIO, "cannot attach a network: slirp4netns %s",
                   n == 0 ? "does not answer" : "ended");
}

static int start_slirp(struct nat *n, const int namespaces[2], int *ret_ready, struct err *err)
{
    const char *argv[16] = {NULL};
    static const char *const command[] = {"slirp4netns",
                                          "--configure",
                                          "--mtu=65520",
                                          "--disable-host-loopback",
                                          "--enable-sandbox",
                                          "--enable-seccomp",
                                          "--netns-type=path",
                                          "--ready-fd=7",
                                          "--exit-fd=8",
                                          "/proc/self/fd/5",
                                          "tap0"};
    int ready[2] = {-1, -1}, ending[2] = {-1, -1};
    int r = pipe2(ready, O_CLOEXEC) < 0 || pipe2(ending, O_CLOEXEC) < 0 ? -errno : 0;
    const int fds[4] = {namespaces[0], namespaces[1], ready[1], ending[0]};

    if (r == 0)
        r = start(inside(argv, command, ARRAY_LEN(command)), fds, &n->pid);
    cleanup_close(&ready[1]);
    cleanup_close(&ending[0]);
    *ret_ready = ready[0];
    n->exit_fd = ending[1];
    return r < 0 ? err_errno(err, r, "cannot start slirp4netns") : 0;
}

/* Both at once: nothing of the machine runs before the two are there. */
int nat_start(struct nat *n, const int namespaces[2], bool resets, struct err *err)
{
    _close_ int ready = -1;
    int r = start_slirp(n, namespaces, &ready, err);

    if (r == 0)
        r = filter(namespaces, resets, err);
    return r == 0 ? wait_ready(ready, err) : r;
}

void nat_stop(struct nat *n)
{
    cleanup_close(&n->exit_fd);
    if (n->pid <= 0)
        return;
    for (int ms = 0; ms < 500; ms++) { /* it ends by itself, and at once */
        if (waitpid(n->pid, NULL, WNOHANG) != 0) {
            n->pid = 0;
            return;
        }
        usleep(1000);
    }
    kill(n->pid, SIGKILL);
    (void)wait_for(n->pid);
    n->pid = 0;
}
