/*
 * What commands may use of a virtual machine, by its own kernel: a control group that they and the agent are
 * in bounds processes and tells what was killed for want of memory; resource limits bound files. It is for
 * those who err: root in the machine can change all of it, and has no more than the machine.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/runfs"

static int write_text(const char *path, const char *text)
{
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int guest_group_enter(void)
{
    int r = write_text(GROUPS "/cgroup.subtree_control", "+memory +pids");

    if (r == 0 && mkdir(GROUP, 0755) < 0 && errno != EEXIST)
        r = -errno;
    return r == 0 ? write_text(GROUP "/cgroup.procs", "0") : r;
}

int guest_limit(uint32_t pids, uint32_t files)
{
    static uint32_t set_pids, set_files; /* a copy begins with those of what it was copied from */
    struct rlimit limit = {.rlim_cur = files, .rlim_max = files};
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)pids + 1); /* the agent too */
    int r = pids && pids != set_pids ? write_text(GROUP "/pids.max", text) : 0;
    if (r == 0 && files && files != set_files && setrlimit(RLIMIT_NOFILE, &limit) < 0)
        r = -errno;
    set_pids = pids;
    set_files = files;
    return r;
}

/* How often what the line begins with has happened. */
static uint64_t count(int fd, const char *event)
{
    char text[512];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *at = strstr(text, event);
    return at ? strtoull(at + strlen(event), NULL, 10) : 0;
}

void guest_watch_open(struct guest_watch *w)
{
    w->memory = open(GROUP "/memory.events", O_RDONLY | O_CLOEXEC);
    w->pids = open(GROUP "/pids.events", O_RDONLY | O_CLOEXEC);
    w->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool guest_watched(const struct guest_watch *w)
{
    return w->root >= 0;
}

void guest_watch_begin(struct guest_watch *w)
{
    w->killed = count(w->memory, "oom_kill ");
    w->refused = count(w->pids, "max ");
    w->full = false;
}

enum limit_kind guest_watch_look(struct guest_watch *w)
{
    w->full = w->full || file_system_full(w->root);
    if (count(w->memory, "oom_kill ") != w->killed)
        return LIMIT_MEMORY;
    return count(w->pids, "max ") != w->refused ? LIMIT_PIDS : LIMIT_NONE;
}
