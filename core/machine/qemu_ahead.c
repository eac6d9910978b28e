/*
 * A virtual machine that was started ahead, for the next who wants one of a template. Its making has steps:
 * qemu has its devices and has loaded the state; the agent has woken; what a first command runs into has run
 * once, which is most of what a copy takes where its code is translated; and it stands still. Who comes
 * meanwhile gets it after the step that is under way. It costs the memory of a machine that does nothing. One
 * a template, as long as that is used, or as many as were missed at once, as far as there is memory.
 */
#include <fcntl.h>
#include <poll.h>

#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/log.h"

#define SECOND 1000000000LL
#define USED_NS (600 * SECOND) /* so long after its last use */
#define LOOK_NS (SECOND / 20)  /* so often who waits for one looks whether he still does */

enum { MOST = 4, SPARE_PART = 4 }; /* that part of the host's memory is left alone by all but the first */

void qemu_ahead_release(struct machines *ms, struct qemu_ahead *a)
{
    if (!a)
        return;
    qemu_stop(&a->qemu);
    agent_client_release(&a->client);
    cleanup_close(&a->agent);
    cleanup_close(&a->files.disk);
    cleanup_close(&a->files.console);
    if (a->dir)
        (void)scratch_remove(ms, a->dir);
    free(a->dir);
    free(a);
}

/* It is the only child of its tether, which leaves it unreaped as long as that runs. */
static pid_t own_pid(const struct qemu *q)
{
    _buf_ struct buf children = BUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)q->pid, (int)q->pid);
    return read_file(path, 256, &children, NULL) < 0 ? 0 : (pid_t)strtol(buf_str(&children), NULL, 10);
}

static int start(struct machines *ms, const struct qemu_template *t, struct qemu_ahead *a, struct err *err)
{
    struct qemu_parts parts = {.memory = t->memory, .kernel = -1, .initrd = -1, .linked = t->shape.network};
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/a%u", ms->scratch, atomic_fetch_add(&ms->serial, 1) + 1);
    if (!buf_ok(&dir))
        return err_errno(err, -ENOMEM, "qemu");
    int r = scratch_dir(ms, AT_FDCWD, dir.ptr, 0711, geteuid());
    if (r < 0)
        return err_errno(err, r, "cannot make %s", dir.ptr);
    a->dir = buf_steal(&dir);
    r = qemu_files_make(a->dir, t, &a->files, err);
    _close_ int state = r == 0 ? qemu_reopen(t->state, err) : -1;
    if (state < 0)
        return err->code;
    parts.disk = a->files.disk;
    parts.console = a->files.console;
    r = qemu_start(ms, a->dir, &t->shape, &parts, &a->qemu, &a->agent, err);
    if (r == 0)
        r = qemu_load(&a->qemu, state, err);
    a->pid = r == 0 ? own_pid(&a->qemu) : 0;
    return r;
}

/* Somebody waits for it as it is, or nobody ever will. */
static bool enough(struct machines *ms, const struct qemu_template *t)
{
    pthread_mutex_lock(&ms->ahead_lock);
    bool awaited = t->awaited;
    pthread_mutex_unlock(&ms->ahead_lock);
    return awaited || keeper_ending(ms->keeper);
}

static int awaken(struct qemu_ahead *a, unsigned how, struct err *err)
{
    int r = qemu_speak(&a->client, &a->agent, err);

    if (r == 0)
        r = qemu_go(&a->qemu, err);
    a->runs = r == 0;
    return r == 0 ? qemu_wake(&a->client, NULL, NULL, how, err) : r;
}

/* As far as time is left. */
static int rehearse(struct machines *ms, const struct qemu_template *t, struct qemu_ahead *a, struct err *err)
{
    if (enough(ms, t))
        return 0;
    int r = awaken(a, WAKE_REHEARSE, err);
    if (r < 0 || enough(ms, t))
        return r;
    r = qemu_rehearse(&a->client, err);
    if (r < 0 || enough(ms, t))
        return r;
    r = qmp_call(&a->qemu.qmp, "stop", NULL, NULL, err);
    a->runs = r < 0;
    return r;
}

/* NULL: not, and why. */
static struct qemu_ahead *begin(struct machines *ms, const struct qemu_template *t, struct err *err)
{
    struct qemu_ahead *a = calloc(1, sizeof(*a));

    if (!a) {
        err_errno(err, -ENOMEM, "qemu");
        return NULL;
    }
    *a = (struct qemu_ahead){.qemu = {.tether = -1, .qmp.fd = -1}, .agent = -1, .files = {-1, -1}};
    agent_client_init(&a->client);
    if (start(ms, t, a, err) == 0)
        return a;
    qemu_ahead_release(ms, a);
    return NULL;
}

static struct qemu_ahead *make(struct machines *ms, const struct qemu_template *t)
{
    struct err err = {0};
    struct qemu_ahead *a = begin(ms, t, &err);

    if (a && rehearse(ms, t, a, &err) == 0)
        return a;
    log_warning("machine", "no virtual machine was started ahead: %s", err.msg);
    qemu_ahead_release(ms, a);
    return NULL;
}

/* Whether there is memory for one more beside those that wait. */
static bool has_room(void)
{
    _buf_ struct buf text = BUF_INIT;
    unsigned long long total, available;

    if (read_file("/proc/meminfo", 4096, &text, NULL) < 0)
        return false;
    const char *a = strstr(buf_str(&text), "MemTotal:"), *b = strstr(buf_str(&text), "MemAvailable:");
    return a && b && sscanf(a, "MemTotal: %llu", &total) == 1 &&
           sscanf(b, "MemAvailable: %llu", &available) == 1 && available > total / SPARE_PART;
}

static bool has_enough(const struct qemu_template *t)
{
    return t->n_ahead >= t->n_most || (t->n_ahead && !has_room());
}

/* With the lock held. */
static struct qemu_ahead *pop(struct qemu_template *t)
{
    struct qemu_ahead *a = t->ahead;

    if (a) {
        t->ahead = a->next;
        t->n_ahead--;
    }
    return a;
}

/* With the lock held. */
static void push(struct qemu_template *t, struct qemu_ahead *a)
{
    a->next = t->ahead;
    t->ahead = a;
    t->n_ahead++;
}

/* Of those that are wanted and not there, one whose time has come; else *ret_at: when one's does, 0 if there
 * is none. With the lock held. */
static struct qemu_template *next_wanting(struct machines *ms, int64_t *ret_at)
{
    int64_t now = mono_ns();

    *ret_at = 0;
    for (struct qemu_template *t = ms->templates; t; t = t->next) {
        if (!t->wants || has_enough(t))
            continue;
        if (t->wanted_at <= now)
            return t;
        if (!*ret_at || t->wanted_at < *ret_at)
            *ret_at = t->wanted_at;
    }
    return NULL;
}

static struct qemu_ahead *take_unused(struct machines *ms)
{
    struct qemu_ahead *a = NULL;

    pthread_mutex_lock(&ms->ahead_lock);
    for (struct qemu_template *t = ms->templates; t && !a; t = t->next)
        if (mono_ns() - t->used_at > USED_NS) {
            t->n_most = 1;
            a = pop(t);
        }
    pthread_mutex_unlock(&ms->ahead_lock);
    return a;
}

int64_t qemu_ahead_fill(struct machines *ms)
{
    struct qemu_template *t;
    struct qemu_ahead *unused;
    int64_t at;

    while ((unused = take_unused(ms)))
        qemu_ahead_release(ms, unused);
    pthread_mutex_lock(&ms->ahead_lock);
    while ((t = next_wanting(ms, &at))) {
        t->wants = false;
        t->making = true;
        pthread_mutex_unlock(&ms->ahead_lock);
        struct qemu_ahead *a = make(ms, t);
        pthread_mutex_lock(&ms->ahead_lock);
        t->making = false;
        if (a) {
            push(t, a);
            t->wants = t->n_ahead < t->n_most;
        }
        pthread_cond_broadcast(&ms->ahead_made);
    }
    pthread_mutex_unlock(&ms->ahead_lock);
    return at;
}

int qemu_ahead_try(struct machines *ms, struct qemu_template *t, struct err *err)
{
    struct qemu_ahead *a = begin(ms, t, err);

    if (!a || awaken(a, 0, err) < 0) {
        qemu_ahead_release(ms, a);
        return err->code;
    }
    pthread_mutex_lock(&ms->ahead_lock);
    t->used_at = mono_ns();
    push(t, a);
    pthread_mutex_unlock(&ms->ahead_lock);
    return 0;
}

static bool lives(const struct qemu_ahead *a)
{
    struct pollfd p = {.fd = a->qemu.tether, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

/* Who does not wait alone starts one of his own meanwhile. With the lock held. */
static int await(struct machines *ms, struct qemu_template *t, const struct machine_spec *spec,
                 struct err *err)
{
    int r = 0;

    if (t->awaited || t->ahead)
        return 0;
    t->awaited = true;
    while (r == 0 && t->making && !t->ahead) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / SECOND;
        until.tv_nsec %= SECOND;
        (void)pthread_cond_timedwait(&ms->ahead_made, &ms->ahead_lock, &until);
        if (spec_cancelled(spec, err))
            r = -ECANCELED;
    }
    t->awaited = false;
    return r;
}

/* Who asks for one when another was just asked for, and finds none, would have needed one more. */
static void miss(struct qemu_template *t)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (t->taken && t->n_most < MOST && (long)t->n_most < cpus)
        t->n_most++;
}

int qemu_ahead_take(struct machines *ms, struct qemu_template *t, const struct machine_spec *spec,
                    bool grouped, struct qemu_ahead **ret, struct err *err)
{
    struct qemu_ahead *a = NULL, *bad = NULL;

    pthread_mutex_lock(&ms->ahead_lock);
    t->used_at = mono_ns();
    int r = await(ms, t, spec, err);
    while (r == 0 && (a = pop(t)) && (!lives(a) || (a->pid <= 0 && grouped))) {
        a->next = bad;
        bad = a;
    }
    if (r == 0 && !a && !bad)
        miss(t);
    t->taken = true;
    t->wants = false; /* the next one when this one's machine is there */
    pthread_mutex_unlock(&ms->ahead_lock);
    while (bad) {
        struct qemu_ahead *next = bad->next;
        qemu_ahead_release(ms, bad);
        bad = next;
    }
    if (r == 0)
        *ret = a;
    return r;
}

void qemu_ahead_end(struct machines *ms, struct qemu_template *t)
{
    struct qemu_ahead *a;

    while ((a = pop(t)))
        qemu_ahead_release(ms, a);
}

void qemu_ahead_want(struct machines *ms, struct qemu_template *t, int64_t in_ns)
{
    pthread_mutex_lock(&ms->ahead_lock);
    t->used_at = mono_ns();
    t->wanted_at = t->used_at + in_ns;
    t->wants = true;
    pthread_mutex_unlock(&ms->ahead_lock);
    keeper_fill(ms->keeper);
}

int qemu_ahead_enter(const struct qemu_ahead *a, const struct fds *groups, struct err *err)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%d", (int)a->pid);

    for (size_t i = 0; i < groups->n; i++)
        if (write(groups->list[i], text, (size_t)len) != len)
            return err_errno(err, -errno, "the machine's control group");
    return 0;
}
