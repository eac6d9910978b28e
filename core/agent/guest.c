/*
 * Process 1 of a virtual machine, started from its initramfs: loads the modules that lie there, makes the
 * root (the image, read-only, below an overlay on the scratch disk), and keeps the process that serves the
 * port named "agent" (guest_limits.c). The kernel ends with it, so whatever fails here is said on the console
 * and ends the machine.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/agent/agent.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { DEVICE_MS = 10000, NAME_MAX_LEN = 256 };

static int say(const char *what, int error)
{
    errno = error;
    dprintf(2, "runfs-agent: %s: %m\n", what);
    return -1;
}

static int mount_at(const char *what, const char *at, const char *type, unsigned long flags, const char *data)
{
    (void)mkdir(at, 0755);
    return mount(what, at, type, flags, data) < 0 ? say(at, errno) : 0;
}

/* Their names begin with numbers: what needs another comes after it. */
static int load_modules(void)
{
    struct dirent **names = NULL;
    int n = scandir("/modules", &names, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        char path[NAME_MAX_LEN + 32];
        snprintf(path, sizeof(path), "/modules/%.*s", NAME_MAX_LEN, names[i]->d_name);
        _close_ int fd = names[i]->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
            (void)say(path, errno);
        free(names[i]);
    }
    free(names);
    return 0;
}

/* Whether a file of a line is there and has that line. */
static bool says(const char *path, const char *line)
{
    _buf_ struct buf text = BUF_INIT;

    if (read_file(path, 8192, &text, NULL) < 0 || !text.len)
        return false;
    text.ptr[strcspn(text.ptr, "\n")] = '\0';
    return str_eq(text.ptr, line);
}

/* Disks are known by their serial numbers: which of them the kernel finds first may change. */
static int mount_disk(const char *serial, const char *at, unsigned long flags, const char *data)
{
    for (int ms = 0; ms < DEVICE_MS; ms++) {
        for (char letter = 'a'; letter <= 'd'; letter++) {
            char path[32], device[16];
            snprintf(path, sizeof(path), "/sys/block/vd%c/serial", letter);
            snprintf(device, sizeof(device), "/dev/vd%c", letter);
            if (says(path, serial))
                return mount_at(device, at, "ext4", flags, data);
        }
        usleep(1000);
    }
    return say(at, ENODEV);
}

static int make_root(void)
{
    /* without work in the background that each copy of this machine would go on with */
    if (mount_disk("root", "/lower", MS_RDONLY, NULL) < 0 ||
        mount_disk("scratch", "/scratch", MS_NODEV | MS_NOATIME, "noinit_itable,noauto_da_alloc") < 0)
        return -1;
    (void)mkdir("/scratch/upper", 0755);
    (void)mkdir("/scratch/work", 0700);
    return mount_at("root", "/new", "overlay", 0,
                    "lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work");
}

static void make_links(void)
{
    static const char *const links[][2] = {{"/proc/self/fd", "/new/dev/fd"},
                                           {"/proc/self/fd/0", "/new/dev/stdin"},
                                           {"/proc/self/fd/1", "/new/dev/stdout"},
                                           {"/proc/self/fd/2", "/new/dev/stderr"}};

    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        (void)!symlink(links[i][0], links[i][1]);
}

static int fill_root(void)
{
    static const struct {
        const char *what, *at, *type;
        unsigned long flags;
        const char *data;
    } mounts[] = {
        {"dev", "/new/dev", "devtmpfs", MS_NOSUID, NULL},
        {"pts", "/new/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666"},
        {"shm", "/new/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, NULL},
        {"sys", "/new/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"run", "/new/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"},
    };

    for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
        if (mount_at(mounts[i].what, mounts[i].at, mounts[i].type, mounts[i].flags, mounts[i].data) < 0)
            return -1;
    make_links();
    (void)mkdir("/new/proc", 0755);
    if (mkdir("/new/tmp", 01777) < 0 && errno != EEXIST)
        return say("/tmp", errno);
    return 0;
}

/* The initramfs is the kernel's own root, which cannot be pivoted away. */
static int enter(void)
{
    if (chdir("/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return say("the root", errno);
    return 0;
}

static void write_line(const char *path, const char *line)
{
    _close_ int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    struct stat st;

    /* over what is there: to empty a file first is much more work for the kernel */
    if (fd >= 0 && write_all(fd, line, strlen(line)) == 0 && fstat(fd, &st) == 0 &&
        (size_t)st.st_size > strlen(line))
        (void)!ftruncate(fd, (off_t)strlen(line));
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    _close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        (void)say("lo", errno);
}

static int set_address(int fd, unsigned long request, const char *address)
{
    struct ifreq r = {.ifr_name = "eth0"};
    struct sockaddr_in in = {.sin_family = AF_INET};

    (void)inet_pton(AF_INET, address, &in.sin_addr);
    memcpy(&r.ifr_addr, &in, sizeof(in));
    return ioctl(fd, request, &r);
}

static int set_gateway(int fd, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET}, by = to;
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

    (void)inet_pton(AF_INET, address, &by.sin_addr);
    memcpy(&route.rt_dst, &to, sizeof(to));
    memcpy(&route.rt_genmask, &to, sizeof(to));
    memcpy(&route.rt_gateway, &by, sizeof(by));
    return ioctl(fd, SIOCADDRT, &route);
}

/* What qemu offers behind it is always the same; the resolver is slirp4netns's, behind that. */
static void network_up(void)
{
    struct ifreq up = {.ifr_name = "eth0", .ifr_flags = IFF_UP | IFF_RUNNING};
    _close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    write_line("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");  /* nobody is behind it */
    if (fd < 0 || set_address(fd, SIOCSIFADDR, GUEST_ADDRESS) < 0) /* there is none */
        return;
    if (set_address(fd, SIOCSIFNETMASK, "255.255.255.0") < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0 ||
        set_gateway(fd, GUEST_GATEWAY) < 0)
        (void)say("eth0", errno);
    (void)unlink("/etc/resolv.conf");
    write_line("/etc/resolv.conf", "nameserver 10.0.2.3\n");
}

static int open_port(const char *name)
{
    for (int ms = 0; ms < DEVICE_MS; ms++) {
        _closedir_ DIR *ports = opendir("/sys/class/virtio-ports");
        for (struct dirent *e; ports && (e = readdir(ports));) {
            char path[NAME_MAX_LEN + 64];
            snprintf(path, sizeof(path), "/sys/class/virtio-ports/%.*s/name", NAME_MAX_LEN, e->d_name);
            if (!says(path, name))
                continue;
            snprintf(path, sizeof(path), "/dev/%.*s", NAME_MAX_LEN, e->d_name);
            return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
        usleep(1000);
    }
    errno = ENODEV;
    return -1;
}

/*
 * A process that waits in the template and in each copy runs a program as soon as that wakes: while the agent
 * makes the machine ready on one processor, on another the kernel's and the program's code that each command
 * needs is translated, or at least read into caches.
 */
static int rehearsal = -1;

static void rehearse(int until)
{
    static const char *const argv[] = {"true", NULL}, *const env[] = {NULL};
    char c;

    while (read(until, &c, 1) < 0 && errno == EINTR)
        ;
    guest_begin_child();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            _exit(127);
    execve("/usr/bin/true", (char *const *)argv, (char *const *)env);
    _exit(127);
}

static void prepare_rehearsal(void)
{
    int ends[2];

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        rehearse(ends[0]);
    }
    close(ends[0]);
    rehearsal = ends[1]; /* without a child it is closed for nobody */
}

static void serve_inside(void)
{
    prepare_rehearsal();
    loopback_up();
    network_up();
    int port = open_port("agent");
    if (port < 0)
        (void)say("port agent", errno);
    else
        (void)agent_serve_port(port);
}

int guest_main(void)
{
    umask(022);
    if (mount_at("dev", "/dev", "devtmpfs", 0, NULL) == 0 && mount_at("sys", "/sys", "sysfs", 0, NULL) == 0 &&
        load_modules() == 0 && make_root() == 0 && fill_root() == 0 && enter() == 0) {
        int r = guest_keep(serve_inside);
        if (r < 0)
            (void)say("control groups", -r);
    }
    sync();
    (void)reboot(RB_AUTOBOOT); /* which whoever started it has told it not to do */
    return 1;
}

/* ---------------------------------------------------------------------------------------- waking elsewhere
 */

static int take_seed(const uint64_t seed[WAKE_SEED])
{
    /* struct rand_pool_info, whose last member has no size */
    struct {
        int entropy_count, buf_size;
        uint64_t bytes[WAKE_SEED];
    } pool = {.entropy_count = WAKE_SEED * 64, .buf_size = WAKE_SEED * 8};
    _close_ int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

    memcpy(pool.bytes, seed, sizeof(pool.bytes));
    return fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0 ? -errno : 0;
}

/* Most have the name that they were copied with. */
static int take_name(const char *name)
{
    char now[HOST_NAME_MAX + 1] = "", hosts[NAME_MAX_LEN + 64];

    if (gethostname(now, sizeof(now)) == 0 && str_eq(now, name))
        return 0;
    if (sethostname(name, strlen(name)) < 0)
        return -1;
    snprintf(hosts, sizeof(hosts), "127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n", name);
    write_line("/etc/hosts", hosts);
    snprintf(hosts, sizeof(hosts), "%s\n", name);
    write_line("/etc/hostname", hosts);
    return 0;
}

/* What a job's workspace takes, which is to be translated by then; nothing of it is left. */
static void rehearse_directories(void)
{
    static const char *const dirs[] = {"/home/runner/work/_temp/a/b", "/home/runner/work/_temp/a"};

    (void)make_dirs(dirs[0], 0755);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        (void)rmdir(dirs[i]);
}

int guest_wake(const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    uint64_t now = wire_u64(&w), seed[WAKE_SEED];
    const char *name = wire_str(&w);
    struct timespec t = {.tv_sec = (time_t)(now / 1000000000), .tv_nsec = (long)(now % 1000000000)};

    for (size_t i = 0; i < WAKE_SEED; i++)
        seed[i] = wire_u64(&w);
    uint32_t pids = wire_u32(&w), files = wire_u32(&w), how = wire_u32(&w);
    if (!wire_ok(&w) || strlen(name) > HOST_NAME_MAX)
        return -EPROTO;
    if (how & (WAKE_FINAL | WAKE_REHEARSE))
        cleanup_close(&rehearsal);
    if (clock_settime(CLOCK_REALTIME, &t) < 0 || take_name(name) < 0)
        return -errno;
    int r = guest_limit(pids, files, how);
    if (r == 0)
        r = take_seed(seed);
    if (r == 0 && (how & WAKE_REHEARSE))
        rehearse_directories();
    return r;
}
