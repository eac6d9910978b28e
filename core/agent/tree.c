/* Finding and signalling the processes that descend from one, by a walk over /proc. */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

struct process {
    pid_t pid, parent, session;
    bool in_tree;
};

struct processes {
    struct process *list; /* owned */
    size_t n, cap;
};

static bool read_process(pid_t pid, struct process *ret)
{
    char path[64], text[512];
    int parent, group, session;
    char state;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *end = strrchr(text, ')'); /* the name may hold anything, also ')' */
    if (!end || sscanf(end + 1, " %c %d %d %d", &state, &parent, &group, &session) != 4)
        return false;
    if (state == 'Z' || state == 'X') /* dead, and without children */
        return false;
    *ret = (struct process){.pid = pid, .parent = parent, .session = session};
    return true;
}

static bool processes_add(struct processes *all, const struct process *p)
{
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 256;
        struct process *list = realloc(all->list, cap * sizeof(*list));
        if (!list)
            return false;
        all->list = list;
        all->cap = cap;
    }
    all->list[all->n++] = *p;
    return true;
}

static int processes_read(struct processes *all)
{
    _closedir_ DIR *dir = opendir("/proc");
    struct dirent *e;

    if (!dir)
        return -errno;
    while ((e = readdir(dir))) {
        struct process p;
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (read_process((pid_t)strtol(e->d_name, NULL, 10), &p) && !processes_add(all, &p))
            return -ENOMEM;
    }
    return all->n ? 0 : -ENOENT;
}

static struct process *processes_find(const struct processes *all, pid_t pid)
{
    size_t low = 0, high = all->n; /* /proc lists in the order of pids */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all->list[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all->n && all->list[low].pid == pid ? &all->list[low] : NULL;
}

/* Marks root, its session, and what descends from them. */
static void processes_mark(struct processes *all, pid_t root)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < all->n; i++) {
            struct process *p = &all->list[i];
            if (p->in_tree)
                continue;
            struct process *parent = processes_find(all, p->parent);
            if ((parent && parent->in_tree) || p->pid == root || p->session == root)
                p->in_tree = changed = true;
        }
    }
}

void tree_signal(pid_t root, int signal)
{
    struct processes all = {0};

    if (processes_read(&all) == 0) {
        processes_mark(&all, root);
        for (size_t i = 0; i < all.n; i++)
            if (all.list[i].in_tree && all.list[i].pid != getpid())
                kill(all.list[i].pid, signal);
    } else {
        kill(-root, signal);
    }
    free(all.list);
}

static bool tree_empty(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void name_process(pid_t pid, char *words, size_t size)
{
    _buf_ struct buf name = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_fd(fd, 64, &name) < 0)
        return;
    size_t len = strcspn(buf_str(&name), "\n"), at = strlen(words);
    snprintf(words + at, size - at, "%s%.*s (%d)", at ? ", " : "", (int)len, buf_str(&name), pid);
}

bool tree_alone(char *words, size_t size)
{
    struct processes all = {0};
    unsigned n = 0;

    words[0] = '\0';
    if (tree_empty())
        return true;
    if (processes_read(&all) == 0)
        processes_mark(&all, getpid());
    for (size_t i = 0; i < all.n; i++)
        if (all.list[i].in_tree && all.list[i].pid != getpid() && n++ < 8)
            name_process(all.list[i].pid, words, size);
    free(all.list);
    if (n == 0) { /* zombies, whose turn to be reaped comes */
        return true;
    }
    size_t at = strlen(words);
    snprintf(words + at, size - at, "%s still %s", n > 8 ? ", ..." : "", n == 1 ? "runs in it" : "run in it");
    return false;
}

size_t tree_count(void)
{
    _closedir_ DIR *dir = opendir("/proc");
    struct dirent *e;
    size_t n = 0;

    while (dir && (e = readdir(dir)))
        n += isdigit((unsigned char)e->d_name[0]) != 0;
    return n;
}

/* A child that was killed leaves its own to us, their subreaper: they are the next. */
void tree_kill_children(tree_spared_fn *spared, void *data)
{
    _fclose_ FILE *f = fopen("/proc/thread-self/children", "re");
    int pid;

    while (f && fscanf(f, "%d", &pid) == 1)
        if (!spared || !spared(data, pid))
            kill(pid, SIGKILL);
}

bool tree_over(tree_spared_fn *spared, void *data)
{
    _fclose_ FILE *f = spared ? fopen("/proc/thread-self/children", "re") : NULL;
    int pid;

    if (!f)
        return tree_empty();
    while (fscanf(f, "%d", &pid) == 1)
        if (!spared(data, pid))
            return false;
    return true;
}

void tree_kill_all(tree_reap_fn *reap, tree_spared_fn *spared, void *data)
{
    int64_t until = mono_ns() + 1000000000LL;

    if (getpid() == 1 && !spared) { /* the kernel does it for the whole pid namespace at once */
        kill(-1, SIGKILL);
        return;
    }
    /* Without a pause: what forks and ends all the time is caught only between the two. */
    for (reap(data); !tree_over(spared, data) && mono_ns() < until; reap(data))
        tree_kill_children(spared, data);
}

static void reap_all(void *data)
{
    (void)data;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

void tree_end(void)
{
    int64_t until = mono_ns() + 5000000000LL;

    do
        tree_kill_all(reap_all, NULL, NULL);
    while (getpid() != 1 && !tree_empty() &&
           mono_ns() < until); /* a process 1 ends after all others anyway */
}
