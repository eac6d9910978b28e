/*
 * Control groups: a directory of ours below this process's own group, a group in it for each machine. Version
 * 1 has a hierarchy for each controller, version 2 one for all; which is there is found by doing it.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/cgroup.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { V1, V2 };

static const struct {
    const char *name;
    const char *limit[2], *more[2]; /* what is written to set the limit; `more` may be missing */
    const char *events[2], *event;  /* a counter of what was refused or killed */
} controllers[CONTROLLERS] = {
    [GROUP_MEMORY] = {"memory",
                      {"memory.limit_in_bytes", "memory.max"},
                      {"memory.memsw.limit_in_bytes", "memory.swap.max"},
                      {"memory.oom_control", "memory.events"},
                      "oom_kill "},
    [GROUP_PIDS] = {"pids", {"pids.max", "pids.max"}, {NULL, NULL}, {"pids.events", "pids.events"}, "max "},
    [GROUP_CPU] = {"cpu", {"cpu.cfs_quota_us", "cpu.max"}, {NULL, NULL}, {NULL, NULL}, NULL},
};

static int write_at(int dir, const char *file, const char *text)
{
    _close_ int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_in(const char *dir, const char *file, const char *text)
{
    _close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : write_at(fd, file, text);
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line != '\0');
}

/* Whether a list of words, separated by any of `separators`, has that one. */
static bool has_word(const char *list, const char *word, const char *separators)
{
    size_t len = strlen(word);

    for (const char *p = list; *p;) {
        size_t n = strcspn(p, separators);
        if (n == len && strncmp(p, word, n) == 0)
            return true;
        p += n + (p[n] != '\0');
    }
    return false;
}

/* -------------------------------------------------------------------------------------- finding our place */

/* This process's path for a controller ("" for version 2), from text like /proc/self/cgroup. */
static char *own_path(const char *text, const char *controller)
{
    for (const char *line = text; *line; line = next_line(line)) {
        char list[256], path[2048];
        if (sscanf(line, "%*u:%255[^:\n]:%2047[^\n]", list, path) == 2) {
            if (*controller && has_word(list, controller, ","))
                return strdup(path);
        } else if (!*controller && sscanf(line, "0::%2047[^\n]", path) == 1) {
            return strdup(path);
        }
    }
    return NULL;
}

/* Where the hierarchy that has the path is mounted, and there the path: from text like /proc/self/mountinfo.
 */
static char *mounted_path(const char *text, const char *controller, const char *path)
{
    for (const char *line = text; *line; line = next_line(line)) {
        char root[1024], at[1024], type[64], options[512];
        _buf_ struct buf found = BUF_INIT;
        const char *dash = strstr(line, " - ");
        if (sscanf(line, "%*s %*s %*s %1023s %1023s", root, at) != 2 || !dash ||
            sscanf(dash, " - %63s %*s %511s", type, options) != 2)
            continue;
        if (*controller ? !str_eq(type, "cgroup") || !has_word(options, controller, ",")
                        : !str_eq(type, "cgroup2"))
            continue;
        size_t skip = str_eq(root, "/") ? 0 : strlen(root);
        if (strncmp(path, root, skip) != 0 || (skip && path[skip] && path[skip] != '/'))
            continue;
        buf_addf(&found, "%s%s", at, path + skip);
        while (found.len && found.ptr[found.len - 1] == '/')
            found.ptr[--found.len] = '\0';
        return buf_steal(&found);
    }
    return NULL;
}

static char *own_dir(const struct groups *g, const char *controller)
{
    _buf_ struct buf cgroup = BUF_INIT, mounts = BUF_INIT;

    if (read_file(g->cgroup_file, 64 * 1024, &cgroup, NULL) < 0 ||
        read_file(g->mounts_file, 1024 * 1024, &mounts, NULL) < 0)
        return NULL;
    _free_ char *path = own_path(buf_str(&cgroup), controller);
    return path ? mounted_path(buf_str(&mounts), controller, path) : NULL;
}

static void groups_clear(int at, const char *name);

/* Groups that a process of the same scratch directory left when it was killed. */
static void remove_stale(const char *own, const char *family)
{
    _closedir_ DIR *dir = opendir(own);
    struct dirent *e;

    while (dir && (e = readdir(dir)))
        if (str_starts(e->d_name, family))
            groups_clear(dirfd(dir), e->d_name);
}

/* Removes a directory of groups and the groups in it, as far as they are empty. */
static void groups_clear(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    while (dir && (e = readdir(dir)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
    (void)unlinkat(at, name, AT_REMOVEDIR);
}

/* Makes our directory in `own`; its index, or -1 with the reason kept. */
static int add_dir(struct groups *g, const char *own)
{
    _buf_ struct buf path = BUF_INIT;
    char family[48];
    size_t n = 0;

    buf_addf(&path, "%s/%s%d", own, g->family, getpid());
    char *dir = buf_steal(&path);
    while (dir && g->dirs[n] && !str_eq(g->dirs[n], dir))
        n++;
    if (dir && g->dirs[n]) {
        free(dir);
        return (int)n;
    }
    snprintf(family, sizeof(family), "%s", g->family);
    remove_stale(own, family);
    if (!dir || n == GROUP_DIRS || (mkdir(dir, 0755) < 0 && errno != EEXIST)) {
        snprintf(g->why, sizeof(g->why), "no group can be made in %.100s: %s", own, strerrordesc_np(errno));
        free(dir);
        return -1;
    }
    g->dirs[n] = dir;
    return (int)n;
}

/* -------------------------------------------------------------------------------------------- version 2 */

static bool offers(const char *dir, const char *controller)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;

    buf_addf(&path, "%s/cgroup.controllers", dir);
    return read_file(buf_str(&path), 4096, &text, NULL) == 0 && has_word(buf_str(&text), controller, " \n");
}

/* This process, or the one that started it and waits until it serves. */
static bool is_runfs(pid_t pid)
{
    struct stat own, its;
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    return pid == getpid() || (pid == getppid() && stat("/proc/self/exe", &own) == 0 &&
                               stat(path, &its) == 0 && own.st_dev == its.st_dev && own.st_ino == its.st_ino);
}

static int move_all(const char *procs, const char *leaf)
{
    int r = 0;

    for (const char *line = procs; r == 0 && *line; line = next_line(line)) {
        char pid[24];
        snprintf(pid, sizeof(pid), "%d", (int)strtol(line, NULL, 10));
        r = write_in(leaf, "cgroup.procs", pid);
    }
    return r;
}

/* A group with processes in it cannot give controllers to those below it. If we are all that is in it, we
 * move to one below. */
static int make_room(const char *own, const char *family)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT, leaf = BUF_INIT;

    buf_addf(&path, "%s/cgroup.procs", own);
    int r = read_file(buf_str(&path), 64 * 1024, &text, NULL);
    if (r < 0)
        return r;
    for (const char *line = buf_str(&text); *line; line = next_line(line))
        if (!is_runfs((pid_t)strtol(line, NULL, 10)))
            return -EBUSY;
    buf_addf(&leaf, "%s/%sself", own, family);
    if (mkdir(buf_str(&leaf), 0755) < 0 && errno != EEXIST)
        return -errno;
    return move_all(buf_str(&text), buf_str(&leaf));
}

static void find_v2(struct groups *g)
{
    _free_ char *own = own_dir(g, "");
    int at = own ? add_dir(g, own) : -1;
    bool moved = false;

    for (size_t i = 0; at >= 0 && i < CONTROLLERS; i++) {
        char enable[32];
        if (g->of[i] >= 0)
            continue;
        snprintf(enable, sizeof(enable), "+%s", controllers[i].name);
        if (!offers(g->dirs[at], controllers[i].name) && offers(own, controllers[i].name)) {
            int r = write_in(own, "cgroup.subtree_control", enable);
            if (r == -EBUSY && !moved && (moved = make_room(own, g->family) == 0))
                (void)write_in(own, "cgroup.subtree_control", enable);
        }
        if (offers(g->dirs[at], controllers[i].name) &&
            write_in(g->dirs[at], "cgroup.subtree_control", enable) == 0) {
            g->of[i] = at;
            g->version[i] = V2;
        }
    }
    for (size_t i = 0; at >= 0 && i < CONTROLLERS && !g->why[0]; i++)
        if (g->of[i] < 0)
            snprintf(g->why, sizeof(g->why), "the controller %s is not delegated to %.100s",
                     controllers[i].name, own);
    size_t len = strlen(g->why);
    if (len && own)
        snprintf(g->why + len, sizeof(g->why) - len,
                 "; `systemd-run %s--scope -p Delegate=yes runfs mount ...` starts runfs where it is",
                 geteuid() == 0 ? "" : "--user ");
}

/* ------------------------------------------------------------------------------------------------- all */

static void find_v1(struct groups *g, size_t i)
{
    _free_ char *own = own_dir(g, controllers[i].name);
    char file[64];

    if (!own)
        return;
    int at = add_dir(g, own);
    if (at < 0)
        return;
    snprintf(file, sizeof(file), "%s", controllers[i].limit[V1]);
    _close_ int dir = open(g->dirs[at], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0 && faccessat(dir, file, W_OK, 0) == 0)
        g->of[i] = at;
}

void groups_init(struct groups *g, const char *scratch)
{
    struct stat st = {0};

    *g = (struct groups){
        .of = {-1, -1, -1}, .cgroup_file = "/proc/self/cgroup", .mounts_file = "/proc/self/mountinfo"};
    (void)stat(scratch, &st);
    snprintf(g->family, sizeof(g->family), "runfs-%llx-%llx-", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    groups_find(g);
}

void groups_find(struct groups *g)
{
    bool all = true;

    for (size_t i = 0; i < CONTROLLERS; i++) {
        find_v1(g, i);
        all &= g->of[i] >= 0;
    }
    if (!all)
        find_v2(g);
    if (!all && !g->why[0])
        snprintf(g->why, sizeof(g->why), "no control groups are mounted");
}

void groups_release(struct groups *g)
{
    for (size_t i = 0; i < GROUP_DIRS; i++) {
        if (g->dirs[i])
            groups_clear(AT_FDCWD, g->dirs[i]);
        free(g->dirs[i]);
        g->dirs[i] = NULL;
    }
}

int groups_remove(const struct groups *g, const char *name)
{
    int r = 0;

    for (size_t i = 0; i < GROUP_DIRS && g->dirs[i]; i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", g->dirs[i], name);
        if (rmdir(buf_str(&path)) < 0 && errno != ENOENT)
            r = -errno;
    }
    return r;
}

/* --------------------------------------------------------------------------------------- a machine's own */

static void value_text(size_t controller, int version, uint64_t value, char ret[48])
{
    if (controller == GROUP_CPU) /* thousandths, of a period of 100 ms in microseconds */
        snprintf(ret, 48, "%llu%s", (unsigned long long)value * 100, version == V2 ? " 100000" : "");
    else
        snprintf(ret, 48, "%llu", (unsigned long long)value);
}

/* How often the limit was hit since it was made: 0 or -ENODATA. */
static int group_count(const struct machine_group *g, enum controller i, uint64_t *ret)
{
    char text[1024];
    ssize_t n = g->events[i] < 0 ? -1 : pread(g->events[i], text, sizeof(text) - 1, 0);

    if (n <= 0)
        return -ENODATA;
    text[n] = '\0';
    for (const char *line = text; *line; line = next_line(line))
        if (str_starts(line, controllers[i].event)) {
            *ret = strtoull(line + strlen(controllers[i].event), NULL, 10);
            return 0;
        }
    return -ENODATA;
}

static int set_limit(struct machine_group *g, size_t i, int dir, uint64_t value)
{
    int version = g->groups->version[i];
    const char *more = controllers[i].more[version], *events = controllers[i].events[version];
    char text[48];

    value_text(i, version, value, text);
    int r = write_at(dir, controllers[i].limit[version], text);
    if (r < 0)
        return r;
    if (more) /* swap: where the kernel counts it */
        (void)write_at(dir, more, version == V2 ? "0" : text);
    if (events)
        g->events[i] = openat(dir, events, O_RDONLY | O_CLOEXEC);
    (void)group_count(g, (enum controller)i, &g->seen[i]);
    return 0;
}

int group_make(struct groups *groups, const char *name, const uint64_t values[CONTROLLERS],
               struct machine_group *ret, struct fds *procs, struct err *err)
{
    bool made[GROUP_DIRS] = {false};

    *ret = (struct machine_group){.groups = groups, .events = {-1, -1, -1}};
    for (size_t i = 0; i < CONTROLLERS; i++) {
        _buf_ struct buf path = BUF_INIT;
        int at = groups->of[i];
        if (at < 0 || !values[i])
            continue;
        buf_addf(&path, "%s/%s", groups->dirs[at], name);
        ret->made = true;
        if (!made[at] && mkdir(buf_str(&path), 0755) < 0 && errno != EEXIST)
            return err_errno(err, -errno, "cannot make the control group %s", buf_str(&path));
        _close_ int dir = open(buf_str(&path), O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = dir < 0 ? -errno : set_limit(ret, i, dir, values[i]);
        if (r < 0)
            return err_errno(err, r, "cannot limit %s in the control group %s", controllers[i].name,
                             buf_str(&path));
        ret->controls[i] = true;
        int enter = made[at] ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (!made[at] && enter < 0)
            return err_errno(err, -errno, "cannot open the control group %s", buf_str(&path));
        fds_add(procs, enter);
        made[at] = true;
    }
    return 0;
}

bool group_hit(struct machine_group *g, enum controller i)
{
    uint64_t now;

    if (group_count(g, i, &now) < 0 || now == g->seen[i])
        return false;
    g->seen[i] = now;
    return true;
}

void group_close(struct machine_group *g)
{
    for (size_t i = 0; i < CONTROLLERS; i++)
        if (g->groups)
            cleanup_close(&g->events[i]);
}
