/*
 * `runfs-agent remote ID [LIMIT=NUMBER...]`: an agent at the end of an SSH channel, as `exec` starts it
 * there.
 *
 * What comes on standard input are parts (u32 length, bytes) of what the agent is told; a part without bytes
 * says that the other side is still there. What the agent says goes to standard output as it is, behind a
 * line `runfs-agent VERSION DIRECTORY`, for which a shell's own words before it can be told apart from it.
 *
 * The machine's directory is machines/ID beside this program. It is locked for as long as the machine lives:
 * one that nobody holds was left by a host that went down, or by a SIGKILL, and the next machine that ends
 * removes it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    EXIT_CANNOT = 73,
    END_S = 10,      /* for the agent to end: it kills what it runs, and waits for that */
    AGENT_DAYS = 30, /* after which one of another version goes: who needs it puts it here again */
    PART_DAYS = 1,   /* and what was not put here to its end */
};

struct remote {
    char dir[PATH_MAX];  /* the machine's */
    char *base;          /* inside it: where its name begins */
    int machines, lock;  /* descriptors of the directory of all, and of this one's */
    int socket;          /* to the agent */
    pid_t agent, copier; /* the latter brings what it says to standard output */
};

static int cannot(const char *what, int error)
{
    fprintf(stderr, "runfs-agent: cannot make a machine here: %s: %s\n", what, strerrordesc_np(error));
    return -1;
}

/* ------------------------------------------------------------------------------------- the machine's place
 */

static bool good_id(const char *id)
{
    return *id && strlen(id) < 128 && *id != '-' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(id);
}

static void set_name(struct remote *r, const char *id)
{
    snprintf(r->base, sizeof(r->dir) - (size_t)(r->base - r->dir), "%s", id);
}

static int find_machines(struct remote *r)
{
    enum { NAME_ROOM = 256 };
    ssize_t n = readlink("/proc/self/exe", r->dir, sizeof(r->dir) - NAME_ROOM);

    if (n < 0 || n >= (ssize_t)sizeof(r->dir) - NAME_ROOM)
        return cannot("/proc/self/exe", n < 0 ? errno : ENAMETOOLONG);
    r->dir[n] = '\0';
    r->base = strrchr(r->dir, '/') + 1;
    set_name(r, "machines/");
    r->base += strlen(r->base);
    return 0;
}

static int open_machines(struct remote *r, const char *id)
{
    set_name(r, "");
    int made = make_dirs(r->dir, 0700);
    r->machines = made < 0 ? made : open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->machines < 0)
        return cannot(r->dir, made < 0 ? -made : errno);
    set_name(r, id);
    return 0;
}

/* Under the lock of all, so that nobody takes it for one that was left between the two. */
static int make_dir(struct remote *r)
{
    if (flock(r->machines, LOCK_EX) < 0 || mkdir(r->dir, 0700) < 0)
        return cannot(r->dir, errno);
    r->lock = open(r->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r->lock < 0 || flock(r->lock, LOCK_EX | LOCK_NB) < 0)
        return cannot(r->dir, errno);
    return flock(r->machines, LOCK_UN) < 0 ? cannot(r->dir, errno) : 0;
}

/* Takes hold of one that belongs to nobody: a descriptor that is locked, or -1. */
static int hold_stale(int machines, const char *name)
{
    _close_ int fd = -1;

    if (!good_id(name) || flock(machines, LOCK_EX) < 0)
        return -1;
    fd = openat(machines, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool free_ = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    (void)flock(machines, LOCK_UN);
    return free_ ? TAKE_FD(fd) : -1;
}

static void remove_stale(struct remote *r)
{
    int again = openat(r->machines, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _closedir_ DIR *all = again < 0 ? NULL : fdopendir(again);

    for (struct dirent *e; all && (e = readdir(all));) {
        _close_ int held = hold_stale(r->machines, e->d_name);
        if (held < 0)
            continue;
        set_name(r, e->d_name);
        (void)remove_tree(r->dir);
    }
}

/* ------------------------------------------------------------------------------------------- its processes
 */

static int take_limit(const char *word, struct spawn_request *q)
{
    const char *value = strchr(word, '=');
    uint64_t n;

    if (!value || parse_u64(value + 1, &n) < 0)
        return -EINVAL;
    if (str_starts(word, "files="))
        q->open_files = (uint32_t)n;
    else if (str_starts(word, "pids="))
        q->processes = (uint32_t)n;
    else if (str_starts(word, "memory="))
        q->data = n;
    else
        return -EINVAL;
    return 0;
}

static void serve(int socket, const struct spawn_request *q)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd < 3; fd++)
        if (nothing < 0 || dup2(nothing, fd) < 0)
            _exit(EXIT_CANNOT);
    if (dup2(socket, 3) < 0 || setsid() < 0)
        _exit(EXIT_CANNOT);
    harden_limits(q, false);
    _exit(agent_serve(3, false));
}

/* What the agent says, to its end. Nothing else has standard output then. */
static void copy_out(int socket)
{
    static char bytes[REMOTE_PART_MAX];
    ssize_t n;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((n = read(socket, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && write_all(1, bytes, (size_t)n) < 0)
            break;
    _exit(0);
}

static int start(struct remote *r, const struct spawn_request *q)
{
    const struct timeval patience = {.tv_sec =
                                         REMOTE_SILENCE_MS / 1000}; /* with an agent that takes nothing */
    int pair[2];

    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return cannot("a socket", errno);
    r->socket = pair[0];
    (void)setsockopt(r->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    r->agent = fork();
    if (r->agent == 0) {
        close(pair[0]);
        serve(pair[1], q);
    }
    close(pair[1]);
    r->copier = r->agent < 0 ? -1 : fork();
    if (r->copier == 0)
        copy_out(pair[0]);
    return r->copier < 0 ? cannot("a process", errno) : 0;
}

/* ------------------------------------------------------------------------------------- what it is told
 */

/* Until there is something: false at its end, when the agent has ended, and after a silence that no daemon
 * keeps. */
static bool wait_for_input(const struct remote *r)
{
    struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = r->socket}};
    int n;

    while ((n = poll(p, 2, REMOTE_SILENCE_MS)) < 0 && errno == EINTR)
        ;
    return n > 0 && !p[1].revents;
}

static bool read_part(const struct remote *r, void *to, size_t len)
{
    for (char *at = to; len;) {
        ssize_t n = wait_for_input(r) ? read(0, at, len) : 0;
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static void pass_on(const struct remote *r)
{
    static uint8_t bytes[REMOTE_PART_MAX];
    uint8_t header[4];

    while (read_part(r, header, sizeof(header))) {
        struct wire w = wire_of(header, sizeof(header));
        size_t len = wire_u32(&w);
        if (len > sizeof(bytes) || !read_part(r, bytes, len) || write_all(r->socket, bytes, len) < 0)
            return;
    }
}

static bool reap(pid_t pid, int seconds)
{
    int64_t until = mono_ns() + seconds * 1000000000LL;
    pid_t r;

    while ((r = waitpid(pid, NULL, WNOHANG)) == 0 && mono_ns() < until)
        usleep(1000);
    return r != 0;
}

/* One that was stopped by what it ran, or that hangs, does not keep its machine here. */
static void end_agent(struct remote *r)
{
    if (r->agent <= 0 || reap(r->agent, END_S))
        return;
    (void)kill(r->agent, SIGKILL);
    (void)reap(r->agent, END_S);
}

/* Agents of former versions, and parts of some, beside this one. */
static void remove_old_agents(const struct remote *r)
{
    int here = openat(r->machines, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _closedir_ DIR *all = here < 0 ? NULL : fdopendir(here);
    struct stat own, st;

    if (!all || stat("/proc/self/exe", &own) < 0)
        return;
    for (struct dirent *e; (e = readdir(all));) {
        bool part = str_starts(e->d_name, ".agent-");
        time_t old = time(NULL) - (time_t)(part ? PART_DAYS : AGENT_DAYS) * 24 * 3600;
        if ((part || str_starts(e->d_name, "agent-")) &&
            fstatat(dirfd(all), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_ino != own.st_ino && st.st_mtime < old)
            (void)unlinkat(dirfd(all), e->d_name, 0);
    }
}

/* All that it started is dead before standard output is closed: who waits for that knows. */
static void end(struct remote *r)
{
    (void)shutdown(r->socket, SHUT_RDWR);
    end_agent(r);
    tree_end();
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        if (nothing < 0 || dup2(nothing, fd) < 0)
            close(fd);
    (void)remove_tree(r->dir);
    cleanup_close(&r->lock);
    remove_stale(r);
    remove_old_agents(r);
}

int remote_main(int argc, char **argv)
{
    static struct remote r = {.machines = -1, .lock = -1, .socket = -1};
    struct spawn_request q = {0};
    char hello[PATH_MAX + 64];

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* the end of input says the same, and what is left is removed */
    for (int i = 1; i < argc; i++)
        if (take_limit(argv[i], &q) < 0)
            return cannot(argv[i], EINVAL), EXIT_CANNOT;
    if (!good_id(argv[0]))
        return cannot(argv[0], EINVAL), EXIT_CANNOT;
    if (find_machines(&r) < 0 || open_machines(&r, argv[0]) < 0 || make_dir(&r) < 0)
        return EXIT_CANNOT;
    int n = snprintf(hello, sizeof(hello), "\n" REMOTE_HELLO "%d %s\n", AGENT_VERSION, r.dir);
    if (write_all(1, hello, (size_t)n) == 0 && start(&r, &q) == 0)
        pass_on(&r);
    end(&r);
    return 0;
}
