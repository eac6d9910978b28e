/*
 * Pausing: nothing in a machine gets the processor. By a cgroup of the freezer (version 1, or 2 where a group
 * of one's own can be made), else by SIGSTOP to each of its processes. Groups are made when they are needed
 * and gone again when it is resumed.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum freezer_kind { FREEZER_V1, FREEZER_V2, FREEZER_SIGNALS };

struct freezer {
    enum freezer_kind kind;
    char *home, *group; /* owned: the cgroup that its processes came from; theirs while paused */
    bool own;           /* they are in it anyway, for its limits */
    pid_t *pids;        /* owned: found and stopped */
    size_t n, cap;
};

static const char *const words[] = {"cgroup freezer (version 1)", "cgroup freezer (version 2)", "SIGSTOP"};

/* ---------------------------------------------------------------------------------------------- who runs */

static bool has_pid(const struct freezer *f, pid_t pid)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->pids[i] == pid)
            return true;
    return false;
}

static int add_pid(struct freezer *f, pid_t pid)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 64;
        pid_t *more = reallocarray(f->pids, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        f->pids = more;
        f->cap = cap;
    }
    f->pids[f->n++] = pid;
    return 0;
}

/* One process's state letter and start time; false: it is gone. */
static bool read_stat(pid_t pid, char *ret_state, unsigned long long *ret_start)
{
    _buf_ struct buf text = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (read_file(path, 4096, &text, NULL) < 0)
        return false;
    const char *end = strrchr(buf_str(&text), ')');
    return end &&
           sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  ret_state, ret_start) == 2;
}

typedef int pid_fn(struct freezer *f, pid_t pid);

static int each_child(struct freezer *f, pid_t parent, pid_fn *fn)
{
    char path[64];
    int r = 0, pid;

    snprintf(path, sizeof(path), "/proc/%d/task", parent);
    _closedir_ DIR *tasks = opendir(path);
    struct dirent *e;
    while (r == 0 && tasks && (e = readdir(tasks))) {
        char children[128];
        if (e->d_name[0] == '.')
            continue;
        snprintf(children, sizeof(children), "/proc/%d/task/%.20s/children", parent, e->d_name);
        _fclose_ FILE *file = fopen(children, "re");
        while (r == 0 && file && fscanf(file, "%d", &pid) == 1)
            r = fn(f, pid);
    }
    return r;
}

/* ------------------------------------------------------------------------------------------------ groups */

static int put(const char *dir, const char *file, const char *text)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, file);
    _close_ int fd = buf_ok(&path) ? open(path.ptr, O_WRONLY | O_CLOEXEC) : -1;
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int put_pid(const char *dir, pid_t pid)
{
    char text[24];

    snprintf(text, sizeof(text), "%d", pid);
    return put(dir, "cgroup.procs", text);
}

static bool says(const char *dir, const char *file, const char *what)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, file);
    return buf_ok(&path) && read_file(path.ptr, 4096, &text, NULL) == 0 && strstr(buf_str(&text), what);
}

/* This process's own group in a hierarchy: "freezer", or "" for version 2. Owned by the caller; NULL: none.
 */
static char *own_group(const char *controller)
{
    _buf_ struct buf groups = BUF_INIT, path = BUF_INIT;
    static const char *const mounts[][2] = {
        {"freezer", "/sys/fs/cgroup/freezer"}, {"", "/sys/fs/cgroup/unified"}, {"", "/sys/fs/cgroup"}};
    char key[32];

    snprintf(key, sizeof(key), ":%s:/", controller);
    if (read_file("/proc/self/cgroup", 64 * 1024, &groups, NULL) < 0)
        return NULL;
    const char *found = strstr(buf_str(&groups), key);
    if (!found)
        return NULL;
    found += strlen(key) - 1;
    for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
        if (!str_eq(mounts[i][0], controller))
            continue;
        buf_reset(&path);
        buf_addf(&path, "%s%.*s", mounts[i][1], (int)strcspn(found, "\n"), found);
        if (buf_ok(&path) && path.ptr[path.len - 1] == '/')
            path.ptr[--path.len] = '\0';
        buf_adds(&path, "/cgroup.procs");
        if (buf_ok(&path) && access(path.ptr, W_OK) == 0) {
            path.ptr[path.len - strlen("/cgroup.procs")] = '\0';
            return strdup(path.ptr);
        }
    }
    return NULL;
}

static int set_frozen(const struct freezer *f, bool frozen)
{
    return f->kind == FREEZER_V1 ? put(f->group, "freezer.state", frozen ? "FROZEN" : "THAWED")
                                 : put(f->group, "cgroup.freeze", frozen ? "1" : "0");
}

static bool is_frozen(const struct freezer *f)
{
    return f->kind == FREEZER_V1 ? says(f->group, "freezer.state", "FROZEN")
                                 : says(f->group, "cgroup.events", "frozen 1");
}

/* The group of version 2 that the machine's limits are in: it must stay there. */
static char *limiting_group(const struct machine *m)
{
    const struct groups *g = &m->ms->groups;
    _buf_ struct buf path = BUF_INIT;

    for (int i = 0; i < CONTROLLERS; i++)
        if (m->limits.group.controls[i] && g->of[i] >= 0 && g->version[i]) {
            buf_addf(&path, "%s/%s", g->dirs[g->of[i]], m->id);
            return buf_steal(&path);
        }
    return NULL;
}

/* Makes a frozen group; what is put into it stops there. */
static int open_group(struct freezer *f, const struct machine *m, enum freezer_kind kind)
{
    _buf_ struct buf group = BUF_INIT;

    free(f->home);
    free(f->group);
    f->kind = kind;
    f->group = kind == FREEZER_V2 ? limiting_group(m) : NULL;
    f->own = f->group != NULL;
    if (f->own) {
        f->home = NULL;
        return set_frozen(f, true);
    }
    f->home = own_group(kind == FREEZER_V1 ? "freezer" : "");
    if (!f->home)
        return -ENOENT;
    buf_addf(&group, "%s/runfs-%d-%s", f->home, getpid(), m->id);
    f->group = buf_steal(&group);
    if (!f->group)
        return -ENOMEM;
    int r = mkdir(f->group, 0755) < 0 && errno != EEXIST ? -errno : set_frozen(f, true);
    if (r < 0)
        (void)rmdir(f->group);
    return r;
}

/* ---------------------------------------------------------------------------------------------- freezing */

/* Stops a process that was not met before. */
static int freeze_one(struct freezer *f, pid_t pid)
{
    unsigned long long start;
    char state = 0;

    if (has_pid(f, pid))
        return 0;
    if (!read_stat(pid, &state, &start) || state == 'Z' || state == 'X')
        return 0;
    if (f->own)
        return add_pid(f, pid);
    if (f->kind != FREEZER_SIGNALS) {
        int r = put_pid(f->group, pid);
        return r == 0 ? add_pid(f, pid) : r == -ESRCH ? 0 : r;
    }
    if (state == 'T') /* stopped by its own shell: that stays so */
        return 0;
    return kill(pid, SIGSTOP) == 0 ? add_pid(f, pid) : errno == ESRCH ? 0 : -errno;
}

static int freeze_tree(struct freezer *f, pid_t pid);

static int freeze_below(struct freezer *f, pid_t pid)
{
    int r = freeze_one(f, pid);

    return r == 0 ? freeze_tree(f, pid) : r;
}

static int freeze_tree(struct freezer *f, pid_t pid)
{
    return each_child(f, pid, freeze_below);
}

/* What forks while it is being stopped is found in the next round. */
static int freeze_all(struct freezer *f, pid_t root)
{
    size_t before;
    int r;

    do {
        before = f->n;
        r = freeze_below(f, root);
    } while (r == 0 && f->n > before);
    for (int tries = 0; r == 0 && f->kind != FREEZER_SIGNALS && !is_frozen(f); tries++) {
        if (tries == 100)
            return -EBUSY;
        usleep(2000);
    }
    return r;
}

/* Those that it was made for go home, and what they have forked since; what is dying takes a while. */
static void empty_group(const struct freezer *f)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/cgroup.procs", f->group);
    for (int tries = 0; tries < 100 && buf_ok(&path); tries++) {
        _fclose_ FILE *procs = fopen(path.ptr, "re");
        int pid;
        while (procs && fscanf(procs, "%d", &pid) == 1)
            (void)put_pid(f->home, pid);
        if (rmdir(f->group) == 0 || errno != EBUSY)
            return;
        usleep(1000);
    }
    log_warning("machine", "%s: cannot be removed yet", f->group);
}

static void thaw_all(struct freezer *f)
{
    for (size_t i = 0; i < f->n && f->kind == FREEZER_SIGNALS; i++)
        (void)kill(f->pids[i], SIGCONT);
    if (f->kind != FREEZER_SIGNALS && f->group) {
        (void)set_frozen(f, false);
        if (!f->own)
            empty_group(f);
    }
    f->n = 0;
}

static void freezer_free(struct freezer *f)
{
    if (!f)
        return;
    free(f->home);
    free(f->group);
    free(f->pids);
    free(f);
}

/* ------------------------------------------------------------------------------- for who comes after a crash
 */

/* Stopped processes do not notice that their daemon is gone. Their agent's pid, start and group are noted. */
static void note_frozen(const struct machine *m, const struct freezer *f, pid_t root)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;
    unsigned long long start = 0;
    char state;

    buf_addf(&path, "%s/frozen", m->dir);
    if (!read_stat(root, &state, &start))
        return;
    buf_addf(&text, "%d %llu %s\n", root, start, f->group ? f->group : "");
    if (buf_ok(&path) && buf_ok(&text))
        (void)write_file_atomic(path.ptr, text.ptr, text.len, 0600, NULL);
}

static void forget_frozen(const struct machine *m)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/frozen", m->dir ? m->dir : "");
    if (m->dir && buf_ok(&path))
        (void)unlink(path.ptr);
}

void frozen_end(const char *dir)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;
    unsigned long long noted, start;
    char group[1024] = "", state;
    int root;

    buf_addf(&path, "%s/frozen", dir);
    if (!buf_ok(&path) || read_file(path.ptr, 4096, &text, NULL) < 0 ||
        sscanf(buf_str(&text), "%d %llu %1023s", &root, &noted, group) < 2)
        return;
    if (read_stat(root, &state, &start) && start == noted)
        (void)kill(root, SIGKILL);
    if (str_starts(group, "/sys/fs/cgroup/")) {
        (void)put(group, "freezer.state", "THAWED");
        (void)put(group, "cgroup.freeze", "0");
        for (int tries = 0; tries < 200 && rmdir(group) < 0 && errno == EBUSY; tries++)
            usleep(5000);
    }
}

/* ------------------------------------------------------------------------------------------ from outside */

static int pause_by(struct machine *m, struct freezer *f, pid_t root)
{
    static const enum freezer_kind kinds[] = {FREEZER_V1, FREEZER_V2, FREEZER_SIGNALS};
    int r = -ENOTSUP;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i] == FREEZER_SIGNALS)
            f->kind = FREEZER_SIGNALS;
        else if (open_group(f, m, kinds[i]) < 0)
            continue;
        r = freeze_all(f, root);
        if (r == 0)
            break;
        thaw_all(f);
    }
    return r;
}

static int pause_machine(struct machine *m, struct err *err)
{
    if (m->ops->pause)
        return m->ops->pause(m, true, err);
    if (m->ops->elsewhere)
        return err_set(err, -ENOTSUP, "a machine of backend %s cannot be paused", m->ops->name);
    pthread_mutex_lock(&m->client.lock);
    pid_t root = pidfd_pid(m->client.pidfd);
    pthread_mutex_unlock(&m->client.lock);
    struct freezer *f = root ? calloc(1, sizeof(*f)) : NULL;
    if (!f)
        return root ? err_errno(err, -ENOMEM, "machine")
                    : err_set(err, -ESRCH, "the machine's agent has ended");
    int r = pause_by(m, f, root);
    if (r < 0) {
        freezer_free(f);
        return err_errno(err, r, "cannot stop the machine's processes");
    }
    note_frozen(m, f, root);
    m->freezer = f;
    return 0;
}

int machines_pause(struct machines *ms, int64_t id, struct err *err)
{
    struct machine *m = machines_find(ms, id);
    int r = m ? 0 : err_set(err, -ENOENT, "there is no machine %lld that runs", (long long)id);

    if (r < 0)
        return r;
    pthread_mutex_lock(&m->state_lock);
    if (m->paused)
        r = err_set(err, -EINVAL, "it is paused already");
    else if (m->state == MACHINE_INITIALIZING || m->state == MACHINE_TERMINATING)
        r = err_set(err, -EBUSY, "it is %s", machine_state_name(m->state));
    else
        r = pause_machine(m, err);
    if (r == 0) {
        m->paused = true;
        machine_tell(m, m->freezer ? words[m->freezer->kind] : "as a whole");
    }
    pthread_mutex_unlock(&m->state_lock);
    machine_unref(m);
    return r;
}

static void thaw(struct machine *m)
{
    if (m->freezer) {
        thaw_all(m->freezer);
        freezer_free(TAKE(m->freezer));
        forget_frozen(m);
    } else {
        (void)m->ops->pause(m, false, NULL); /* one that fails is gone, and its connection says so */
    }
    m->paused = false;
}

int machines_resume(struct machines *ms, int64_t id, struct err *err)
{
    struct machine *m = machines_find(ms, id);
    int r = m ? 0 : err_set(err, -ENOENT, "there is no machine %lld that runs", (long long)id);

    if (r < 0)
        return r;
    pthread_mutex_lock(&m->state_lock);
    if (!m->paused) {
        r = err_set(err, -EINVAL, "it is not paused");
    } else {
        thaw(m);
        machine_tell(m, "resumed");
    }
    pthread_mutex_unlock(&m->state_lock);
    machine_unref(m);
    return r;
}

void machine_thaw(struct machine *m)
{
    pthread_mutex_lock(&m->state_lock);
    if (m->paused)
        thaw(m);
    pthread_mutex_unlock(&m->state_lock);
}

int machines_stop(struct machines *ms, int64_t id, struct err *err)
{
    struct machine *m = machines_find(ms, id);

    if (!m)
        return err_set(err, -ENOENT, "there is no machine %lld that runs", (long long)id);
    pthread_mutex_lock(&m->client.lock);
    if (m->client.pidfd >= 0)
        pidfd_kill(m->client.pidfd);
    else if (m->client.fd >= 0)
        (void)shutdown(m->client.fd, SHUT_RDWR);
    pthread_mutex_unlock(&m->client.lock);
    machine_thaw(m);
    machine_become(m, MACHINE_FAILED, "it was stopped");
    machine_unref(m);
    return 0;
}

int machines_root(struct machines *ms, int64_t id, int *ret_fd, struct err *err)
{
    struct machine *m = machines_find(ms, id);

    if (!m)
        return err_set(err, -ENOENT, "there is no machine %lld that runs", (long long)id);
    pthread_mutex_lock(&m->client.lock);
    bool none = m->client.root < 0;
    int fd = none ? -1 : fcntl(m->client.root, F_DUPFD_CLOEXEC, 0);
    int r = none ? -ENOTSUP : fd < 0 ? -errno : 0;
    pthread_mutex_unlock(&m->client.lock);
    machine_unref(m);
    if (r == -ENOTSUP)
        return err_set(err, r, "it has no root directory of its own that could be looked into");
    if (r == 0)
        *ret_fd = fd;
    return r < 0 ? err_errno(err, r, "cannot open the machine's root") : 0;
}

int machines_limits(struct machines *ms, int64_t id, struct buf *ret)
{
    struct machine *m = machines_find(ms, id);

    if (!m)
        return -ENOENT;
    pthread_mutex_lock(&m->state_lock);
    buf_adds(ret, machine_limits(m));
    pthread_mutex_unlock(&m->state_lock);
    machine_unref(m);
    return 0;
}
