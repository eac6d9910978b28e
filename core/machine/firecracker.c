/*
 * Firecracker: a virtual machine of KVM, driven by its API on a unix socket. `firecracker:/DIRECTORY`, which
 * holds `kernel` (an ELF), `rootfs.ext4`, and perhaps `initrd`; what boots there has to have the agent listen
 * on a vsock port. It runs below `runfs-agent tether`, so that it ends when this process does.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/machine/firecracker.h"
#include "runfs/http_client.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum {
    AGENT_PORT = 1024, /* vsock: where the agent listens in a machine */
    GUEST_CID = 3,
    ANSWER_MS = 30000,
    ANSWER_MAX = 64 * 1024,
    API_S = 20,  /* until the API answers, also where the host is busy */
    BOOT_S = 60, /* until the agent does */
    MEMORY_MIB = 512,
    CPUS = 2,
};

/* A machine's own. */
struct fc {
    int root;     /* where it has its files: sockets, console, snapshots */
    int tether;   /* it ends when this is closed; -1: it does not run */
    pid_t pid;    /* of the tether */
    char *jailed; /* owned: the program, for the jailer; NULL: there is no jailer */
    char console[4096];
    unsigned taken; /* snapshots */
    unsigned base;  /* the one that what has changed in the memory is counted from; 0: none */
};

/* ------------------------------------------------------------------------------------------------ the API */

static int refused(const char *method, const char *path, const struct http_answer *a, struct err *err)
{
    _json_ json_t *body = json_loadb(buf_str(&a->body), a->body.len, 0, NULL);
    const char *words = json_string_value(json_object_get(body, "fault_message"));
    size_t len = words ? utf8_valid_prefix(words, strcspn(words, "\r\n")) : 0;

    return err_set(err, a->status == 400 ? -EINVAL : -EREMOTEIO, "firecracker: %s %s: %d%s%.*s", method, path,
                   a->status, len ? ": " : "", (int)(len < 600 ? len : utf8_valid_prefix(words, 600)),
                   words ? words : "");
}

static int api(const struct fc *f, const char *method, const char *path, json_t *body_take, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    _json_ json_t *body = body_take;
    _free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    _http_answer_ struct http_answer answer = {0};
    char url[128], socket_path[64];

    if (!text && !str_eq(method, "GET"))
        return err_errno(err, -ENOMEM, "firecracker");
    snprintf(url, sizeof(url), "http://localhost%s", path);
    snprintf(socket_path, sizeof(socket_path), "/proc/self/fd/%d/api.sock", f->root);
    int r = http_call(&(struct http_call){.method = method,
                                          .url = url,
                                          .socket_path = socket_path,
                                          .headers = headers,
                                          .body = text,
                                          .len = text ? strlen(text) : 0,
                                          .max = ANSWER_MAX,
                                          .timeout_ms = ANSWER_MS},
                      &answer, err);
    if (r < 0)
        return r;
    return answer.status >= 200 && answer.status <= 299 ? 0 : refused(method, path, &answer, err);
}

static int set_state(const struct fc *f, const char *state, struct err *err)
{
    return api(f, "PATCH", "/vm", json_pack("{s:s}", "state", state), err);
}

/* ---------------------------------------------------------------------------------------- the agent inside
 */

/* A socket of ours that the path of one below root leads to, however long that is. */
static int connect_below(int root, const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", root, name);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* `CONNECT PORT`, answered by `OK PORT`; byte by byte, as what follows is the agent's. -EAGAIN: nobody
 * listens there yet. */
static int connect_vsock(int root)
{
    static const struct timeval patience = {.tv_sec = 5};
    _close_ int fd = connect_below(root, "v.sock");
    char line[32];
    size_t n = 0;

    if (fd < 0)
        return fd == -ENOENT || fd == -ECONNREFUSED ? -EAGAIN : fd;
    int len = snprintf(line, sizeof(line), "CONNECT %d\n", AGENT_PORT);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        write_all(fd, line, (size_t)len) < 0)
        return -EAGAIN;
    while (n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1)
        if (line[n++] == '\n')
            break;
    line[n] = '\0';
    if (n == 0)
        return -EAGAIN;
    return str_starts(line, "OK ") && line[n - 1] == '\n' ? TAKE_FD(fd) : -EPROTO;
}

static bool has_ended(struct fc *f)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)f->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* The last line of what it printed: why it ended. */
static int say_ended(const struct fc *f, struct err *err)
{
    _close_ int fd = open(f->console, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _buf_ struct buf text = BUF_INIT;

    if (fd < 0 || read_fd(fd, 1 << 20, &text) < 0)
        buf_reset(&text);
    while (text.len && text.ptr[text.len - 1] == '\n')
        text.ptr[--text.len] = '\0';
    const char *last = strrchr(buf_str(&text), '\n');
    last = last ? last + 1 : buf_str(&text);
    return err_set(err, -ECONNRESET, "firecracker ended%s%.*s", *last ? ": " : "",
                   (int)utf8_valid_prefix(last, strnlen(last, 500)), last);
}

static int reach_agent(struct fc *f, struct agent_client *c, struct err *err)
{
    int64_t until = mono_ns() + BOOT_S * 1000000000LL;
    int fd;

    while ((fd = connect_vsock(f->root)) == -EAGAIN) {
        if (has_ended(f))
            return say_ended(f, err);
        if (mono_ns() > until)
            return err_set(err, -ETIMEDOUT, "nothing listens on vsock port %d of the machine after %d s",
                           AGENT_PORT, BOOT_S);
        usleep(5000);
    }
    if (fd < 0)
        return err_errno(err, fd, "cannot reach the machine's agent");
    int r = fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (r < 0) {
        close(fd);
        return err_errno(err, r, "agent");
    }
    r = agent_client_open(c, fd, -1, err);
    return r == 0 ? agent_client_hello(c, BOOT_S * 1000, err) : r;
}

/* The old connection has gone; what others ask for meanwhile is asked of m's client all the same. */
static int reach_again(struct machine *m, struct err *err)
{
    struct agent_client fresh;

    agent_client_init(&fresh);
    int r = reach_agent(m->own, &fresh, err);
    if (r == 0)
        agent_client_swap(&m->client, &fresh);
    agent_client_close(&fresh);
    agent_client_release(&fresh);
    return r < 0 ? -ECONNRESET : 0;
}

/* ------------------------------------------------------------------------------------------------ the jail
 */

/* Where firecracker is, links resolved: the jailer names a directory after the last part. */
static char *find_program(void)
{
    const char *path = getenv("PATH");

    for (size_t len; path && *path; path += len + (path[len] == ':')) {
        _buf_ struct buf b = BUF_INIT;
        len = strcspn(path, ":");
        buf_addf(&b, "%.*s/firecracker", (int)len, path);
        if (buf_ok(&b) && access(b.ptr, X_OK) == 0)
            return realpath(b.ptr, NULL);
    }
    return NULL;
}

static int copy_file(const char *from, int at, const char *name)
{
    _close_ int in = open(from, O_RDONLY | O_CLOEXEC);
    _close_ int out = in < 0 ? -1 : openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    ssize_t n = 1;

    while (out >= 0 && n > 0)
        n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
    return out < 0 || n < 0 ? -errno : 0;
}

/* The image's files, in the jail. A link where that can be: they are only read. */
static int fill_jail(const struct fc *f, const char *image, struct err *err)
{
    static const char *const names[] = {"kernel", "rootfs.ext4", "initrd"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _buf_ struct buf from = BUF_INIT;
        buf_addf(&from, "%s/%s", image, names[i]);
        if (!buf_ok(&from))
            return err_errno(err, -ENOMEM, "firecracker");
        if (access(from.ptr, F_OK) < 0 ||
            linkat(AT_FDCWD, from.ptr, f->root, names[i], AT_SYMLINK_FOLLOW) == 0)
            continue;
        int r = copy_file(from.ptr, f->root, names[i]);
        if (r < 0)
            return err_errno(err, r, "cannot bring %s into the machine's jail", from.ptr);
    }
    return 0;
}

/* Makes and opens the directory where it works: the machine's, or a jail below that. */
static int make_root(struct machine *m, const struct machine_spec *spec, struct err *err)
{
    struct fc *f = m->own;
    _buf_ struct buf path = BUF_INIT;
    uid_t user = machine_root_id();

    f->jailed = geteuid() == 0 && proc_in_path("jailer") ? find_program() : NULL;
    buf_adds(&path, m->dir);
    if (f->jailed)
        buf_addf(&path, "/%s/%s/root", strrchr(f->jailed, '/') + 1, m->id);
    int r = buf_ok(&path) ? make_dirs(path.ptr, 0755) : -ENOMEM;
    if (r == 0) {
        f->root = open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = f->root < 0 || (f->jailed && fchown(f->root, user, user) < 0) ? -errno : 0;
    }
    if (r < 0)
        return err_errno(err, r, "cannot make %s", buf_str(&path));
    return f->jailed ? fill_jail(f, spec->image, err) : 0;
}

/* ---------------------------------------------------------------------------------------------- the process
 */

static int spawn(struct machine *m, int socket_fd, const char *console, struct err *err)
{
    struct fc *f = m->own;
    char user[24];
    const char *plain[] = {"runfs-agent", "tether", m->dir, "firecracker", "--api-sock",
                           "api.sock",    "--id",   m->id,  NULL};
    const char *jailed[] = {"runfs-agent",       "tether",  m->dir,  "jailer",     "--id",     m->id,
                            "--exec-file",       f->jailed, "--uid", user,         "--gid",    user,
                            "--chroot-base-dir", m->dir,    "--",    "--api-sock", "api.sock", NULL};
    const char **argv = f->jailed ? jailed : plain;
    posix_spawn_file_actions_t fa;

    snprintf(user, sizeof(user), "%u", (unsigned)machine_root_id());
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&fa, 1, console, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&fa, 1, 2);
    posix_spawn_file_actions_adddup2(&fa, socket_fd, 3);
    posix_spawn_file_actions_addclosefrom_np(&fa, 4);
    int r = proc_spawn(&f->pid, m->ms->agent, &fa, argv, (const char *const *)environ);
    posix_spawn_file_actions_destroy(&fa);
    return r < 0 ? err_errno(err, r, "cannot start firecracker") : 0;
}

static void stop(struct fc *f)
{
    if (f->tether < 0)
        return;
    cleanup_close(&f->tether);
    (void)waitpid(f->pid, NULL, 0);
    (void)unlinkat(f->root, "api.sock", 0);
    (void)unlinkat(f->root, "v.sock", 0); /* it binds that anew */
}

/* Until its API can be connected to. */
static int start(struct machine *m, struct err *err)
{
    struct fc *f = m->own;
    int64_t until = mono_ns() + API_S * 1000000000LL;
    int pair[2], fd;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, -errno, "firecracker");
    int r = spawn(m, pair[1], f->console, err);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    f->tether = pair[0];
    while ((fd = connect_below(f->root, "api.sock")) < 0) {
        if (has_ended(f))
            return say_ended(f, err);
        if (mono_ns() > until)
            return err_set(err, -ETIMEDOUT, "firecracker's API does not answer after %d s", API_S);
        usleep(1000);
    }
    close(fd);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- booting
 */

static int configure(struct fc *f, const struct machine_spec *spec, struct err *err)
{
    static const char args[] = "console=ttyS0 reboot=k panic=1 pci=off quiet root=/dev/vda ro";
    const struct machine_limits *l = &spec->limits;
    _buf_ struct buf kernel = BUF_INIT, initrd = BUF_INIT, rootfs = BUF_INIT;
    int64_t mib = l->memory ? (int64_t)(l->memory >> 20) : MEMORY_MIB,
            cpus = l->cpu ? (l->cpu + 999) / 1000 : CPUS;

    const char *image = f->jailed ? "" : spec->image,
               *slash = f->jailed ? "" : "/"; /* it works in its jail */
    buf_addf(&kernel, "%s%skernel", image, slash);
    buf_addf(&initrd, "%s%sinitrd", image, slash);
    buf_addf(&rootfs, "%s%srootfs.ext4", image, slash);
    if (!buf_ok(&kernel) || !buf_ok(&initrd) || !buf_ok(&rootfs))
        return err_errno(err, -ENOMEM, "firecracker");
    json_t *boot = json_pack("{s:s, s:s}", "kernel_image_path", kernel.ptr, "boot_args", args);
    if (boot && faccessat(f->root, initrd.ptr, F_OK, 0) == 0)
        json_object_set_new(boot, "initrd_path", json_string(initrd.ptr));
    int r = api(f, "PUT", "/machine-config",
                json_pack("{s:I, s:I, s:b}", "vcpu_count", (json_int_t)cpus, "mem_size_mib", (json_int_t)mib,
                          "track_dirty_pages", 1),
                err);
    if (r == 0)
        r = api(f, "PUT", "/boot-source", TAKE(boot), err);
    json_decref(boot);
    if (r == 0)
        r = api(f, "PUT", "/drives/rootfs",
                json_pack("{s:s, s:s, s:b, s:b}", "drive_id", "rootfs", "path_on_host", rootfs.ptr,
                          "is_root_device", 1, "is_read_only", 1),
                err);
    if (r == 0)
        r = api(f, "PUT", "/entropy", json_object(), err);
    if (r == 0)
        r = api(f, "PUT", "/vsock", json_pack("{s:i, s:s}", "guest_cid", GUEST_CID, "uds_path", "v.sock"),
                err);
    return r == 0 ? api(f, "PUT", "/actions", json_pack("{s:s}", "action_type", "InstanceStart"), err) : r;
}

static int firecracker_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                               struct err *err)
{
    int r = spec->image
                ? machine_set_paths(m, "", spec->workspace, err)
                : err_set(err, -EINVAL, "the backend firecracker needs an image: firecracker:/DIRECTORY");

    if (r == 0 && (r = scratch_dir(ms, AT_FDCWD, m->dir, 0700, geteuid())) < 0)
        err_errno(err, r, "cannot make %s", m->dir);
    struct fc *f = r == 0 ? calloc(1, sizeof(*f)) : NULL;
    if (r < 0)
        return r;
    if (!f)
        return err_errno(err, -ENOMEM, "firecracker");
    m->own = f;
    f->tether = -1;
    f->root = -1;
    snprintf(f->console, sizeof(f->console), "%.4000s/console", m->dir);
    r = make_root(m, spec, err);
    if (r == 0)
        r = start(m, err);
    if (r == 0)
        r = configure(f, spec, err);
    if (r == 0)
        r = reach_agent(f, &m->client, err);
    return r == 0 ? agent_client_make_dirs(&m->client, spec->workspace, err) : r;
}

static void firecracker_end(struct machine *m)
{
    struct fc *f = m->own;

    stop(f);
    cleanup_close(&f->root);
    free(f->jailed);
    free(f);
}

/* ------------------------------------------------------------------------------------ pause, and snapshots
 */

static int firecracker_pause(struct machine *m, bool pause, struct err *err)
{
    return set_state(m->own, pause ? "Paused" : "Resumed", err);
}

/* The memory as a whole, or what has changed in it since the last one, laid over that. */
static int keep_memory(struct fc *f, unsigned base, unsigned n, struct err *err)
{
    char below[32], changed[32], memory[32];

    snprintf(below, sizeof(below), "%u.memory", base);
    snprintf(changed, sizeof(changed), "%u.changed", n);
    snprintf(memory, sizeof(memory), "%u.memory", n);
    int r = base ? memory_lay_over(f->root, below, changed, memory) : 0;
    if (base)
        (void)unlinkat(f->root, changed, 0);
    return r < 0 ? err_errno(err, r, "cannot keep the machine's memory") : 0;
}

static int firecracker_snapshot(struct machine *m, const char *name, struct buf *ret_handle, struct err *err)
{
    struct fc *f = m->own;
    unsigned base = f->base, n = ++f->taken;
    char state[32], memory[32];

    (void)name; /* its row has that */
    snprintf(state, sizeof(state), "%u.state", n);
    snprintf(memory, sizeof(memory), base ? "%u.changed" : "%u.memory", n);
    int r = set_state(f, "Paused", err);
    if (r < 0)
        return r;
    f->base = 0; /* what has changed is counted from here, if all goes well */
    r = api(f, "PUT", "/snapshot/create",
            json_pack("{s:s, s:s, s:s}", "snapshot_type", base ? "Diff" : "Full", "snapshot_path", state,
                      "mem_file_path", memory),
            err);
    struct err why = {0};
    if (set_state(f, "Resumed", &why) < 0)
        return err_set(err, -ECONNRESET, "%s", why.msg);
    int again = reach_again(m, r < 0 ? &why : err); /* connections do not outlive a snapshot */
    if (again == 0 && r == 0)
        r = keep_memory(f, base, n, err);
    if (r < 0 || again < 0)
        return again < 0 ? again : r;
    f->base = n;
    buf_addf(ret_handle, "%u", n);
    return 0;
}

static int firecracker_rollback(struct machine *m, const char *handle, struct err *err)
{
    struct fc *f = m->own;
    char state[48], memory[48];

    snprintf(state, sizeof(state), "%.20s.state", handle);
    snprintf(memory, sizeof(memory), "%.20s.memory", handle);
    if (faccessat(f->root, state, R_OK, 0) < 0 || faccessat(f->root, memory, R_OK, 0) < 0)
        return err_set(err, -ENOENT, "the snapshot's files are gone");
    stop(f); /* a snapshot is loaded into a fresh process only */
    int r = start(m, err);
    if (r == 0)
        r = api(f, "PUT", "/snapshot/load",
                json_pack("{s:s, s:{s:s, s:s}, s:b, s:b}", "snapshot_path", state, "mem_backend",
                          "backend_type", "File", "backend_path", memory, "track_dirty_pages", 1, "resume_vm",
                          1),
                err);
    f->base = (unsigned)strtoul(handle, NULL, 10);
    return r < 0 ? -ECONNRESET : reach_again(m, err);
}

/* ----------------------------------------------------------------------------------------------- the kind */

static int firecracker_check_label(const struct machine_label *l, struct err *err)
{
    _buf_ struct buf kernel = BUF_INIT, rootfs = BUF_INIT;

    buf_addf(&kernel, "%s/kernel", l->image ? l->image : "");
    buf_addf(&rootfs, "%s/rootfs.ext4", l->image ? l->image : "");
    if (!l->image || *l->image != '/' || access(buf_str(&kernel), R_OK) < 0 ||
        access(buf_str(&rootfs), R_OK) < 0)
        return err_set(err, -EINVAL,
                       "firecracker boots from a directory that holds `kernel` and `rootfs.ext4`, as in "
                       "firecracker:/srv/vm, not from '%s'",
                       l->image ? l->image : "");
    if (l->network == MACHINE_NET_HOST || l->network == MACHINE_NET_NAT)
        return err_set(err, -EINVAL, "the backend firecracker has no such network: it takes network=none");
    if (l->limits.disk || l->limits.pids || l->limits.files || l->limits.cpu > 32000)
        return err_set(err, -EINVAL, "the backend firecracker takes memory=, cpu= up to 32, and output=");
    return 0;
}

static int firecracker_probe(struct machines *ms, struct err *err)
{
    (void)ms;
    if (!proc_in_path("firecracker"))
        return err_set(err, -ENOENT, "the program firecracker is not in PATH: put its released binary there");
    _close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, -errno,
                         errno == ENOENT ? "/dev/kvm is missing: this host has no KVM"
                                         : "/dev/kvm may not be opened by this user");
    int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    return version == KVM_API_VERSION ? 0 : err_set(err, -ENOTSUP, "/dev/kvm has version %d", version);
}

static void firecracker_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s",
             why ? why->msg : "virtual machines of KVM; a label's image is what they boot");
}

const struct machine_ops machine_firecracker = {.name = "firecracker",
                                                .isolates = true,
                                                .elsewhere = true,
                                                .images = true,
                                                .acquire = firecracker_acquire,
                                                .end = firecracker_end,
                                                .pause = firecracker_pause,
                                                .snapshot = firecracker_snapshot,
                                                .rollback = firecracker_rollback,
                                                .check_label = firecracker_check_label,
                                                .probe = firecracker_probe,
                                                .explain = firecracker_explain};
