/*
 * The session: mounting, serving, unmounting, and telling the kernel what it must forget when a finished run
 * changes after all.
 */
#include "session.h"

#include <fcntl.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "runfs/str.h"
#include "runfs/vms.h"

struct stale {
    uint64_t parent, ino; /* parent 0: an inode's data; else an entry */
    char *name;           /* owned */
    struct stale *next;
};

/* ------------------------------------------------------------------------- what the kernel must forget */

static void tell_stale(struct mounted *m, uint64_t parent, uint64_t ino, const char *name)
{
    struct stale *s = calloc(1, sizeof(*s));

    if (s)
        *s = (struct stale){parent, ino, name ? strdup(name) : NULL, NULL};
    if (!s || (name && !s->name)) {
        free(s);
        return;
    }
    pthread_mutex_lock(&m->lock);
    const struct stale *last = m->stale ? m->last_stale : NULL;
    bool known = last && !name && last->parent == parent && last->ino == ino; /* runs/, many times */
    if (!known) {
        if (last)
            m->last_stale->next = s;
        else
            m->stale = s;
        m->last_stale = s;
        m->n_stale++;
        pthread_cond_signal(&m->told);
    }
    pthread_mutex_unlock(&m->lock);
    if (known)
        free(s);
}

static void *teller(void *data)
{
    struct mounted *m = data;

    pthread_mutex_lock(&m->lock);
    while (!m->ending || m->stale) {
        struct stale *s = m->stale;
        if (!s) {
            pthread_cond_wait(&m->told, &m->lock);
            continue;
        }
        m->stale = s->next;
        bool ending = m->ending;
        pthread_mutex_unlock(&m->lock);
        if (!ending && s->name)
            fuse_lowlevel_notify_inval_entry(m->session, s->parent, s->name, strlen(s->name));
        else if (!ending)
            fuse_lowlevel_notify_inval_inode(m->session, s->ino, 0, 0);
        free(s->name);
        free(s);
        pthread_mutex_lock(&m->lock);
        m->n_told++;
        pthread_cond_broadcast(&m->settled);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

void session_settle(struct mounted *m)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    pthread_mutex_lock(&m->lock);
    uint64_t until = m->n_stale;
    while (m->has_teller && m->n_told < until && pthread_cond_timedwait(&m->settled, &m->lock, &end) == 0)
        ;
    pthread_mutex_unlock(&m->lock);
}

/* A run that was finished, and so cached, is run again: all its files, and the jobs of the attempt before. */
static void run_restarted(struct mounted *m, const struct run_row *run)
{
    uint64_t jobs = node_ino((struct node){tree_find("runs/N/jobs"), run->id});
    int64_t ids[64], after = 0;
    ssize_t n;

    for (int row = 0; row < (int)tree_rows; row++)
        if (tree[row].owner == OWN_RUN && tree[row].depth >= 2)
            tell_stale(m, 0, node_ino((struct node){row, run->id}), NULL);
    while ((n = store_list_jobs(m->fs->store, run->id, run->attempt - 1, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct job_row *job = store_get_job(m->fs->store, ids[i]);
            if (job)
                tell_stale(m, jobs, 0, job->key);
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
}

static void tell_logs(struct mounted *m, enum owner owner, int64_t id)
{
    for (int row = 0; row < (int)tree_rows; row++)
        if (tree[row].owner == owner && tree[row].kind == ROW_LOG)
            tell_stale(m, 0, node_ino((struct node){row, id}), NULL);
}

static void tell_steps(struct mounted *m, int64_t job_id)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_steps(m->fs->store, job_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            tell_logs(m, OWN_STEP, ids[i]);
        after = ids[n - 1];
    }
}

static void tell_jobs(struct mounted *m, int64_t run_id, int attempt)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_jobs(m->fs->store, run_id, attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            tell_logs(m, OWN_JOB, ids[i]);
            tell_steps(m, ids[i]);
        }
        after = ids[n - 1];
    }
}

/* The logs of a finished run, which were cached, are those of nothing now: its own, its jobs' and their
 * steps', of each attempt. */
static void run_emptied(struct mounted *m, const struct run_row *run)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    tell_logs(m, OWN_RUN, run->id);
    for (int attempt = 1; attempt <= run->attempt; attempt++)
        tell_jobs(m, run->id, attempt);
    while ((n = store_list_attempts(m->fs->store, run->id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            tell_logs(m, OWN_ATTEMPT, ids[i]);
        after = ids[n - 1];
    }
}

static void on_changed(void *data, const struct change *changes, size_t n)
{
    struct mounted *m = data;

    park_wake(m->park, changes, n);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].kind == CHANGE_ARTIFACT) {
            tell_stale(m, 0, node_ino((struct node){tree_find("runs/N/artifacts"), changes[i].run_id}), NULL);
            contents_forget(m->fs, changes[i].id);
        }
        if (changes[i].kind != CHANGE_RUN)
            continue;
        if (changes[i].created || changes[i].deleted)
            tell_stale(m, 0, node_ino((struct node){tree_find("runs"), 0}), NULL);
        if (changes[i].created)
            continue;
        char name[32];
        snprintf(name, sizeof(name), "%lld", (long long)changes[i].id);
        if (changes[i].deleted) {
            tell_stale(m, node_ino((struct node){tree_find("runs"), 0}), 0, name);
            continue;
        }
        const struct run_row *run =
            changes[i].again || changes[i].emptied ? store_get_run(m->fs->store, changes[i].id) : NULL;
        if (run && changes[i].again)
            run_restarted(m, run);
        if (run && changes[i].emptied)
            run_emptied(m, run);
        run_row_unref(run);
    }
}

/* --------------------------------------------------------------------------------------------- session */

static int start_session(struct mounted *m, const struct mount_opts *opts, struct err *err)
{
    _buf_ struct buf options = BUF_INIT;
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

    buf_adds(&options, "fsname=runfs,subtype=runfs,default_permissions");
    if (*opts->options)
        buf_addf(&options, ",%s", opts->options);
    if (!buf_ok(&options) || fuse_opt_add_arg(&args, "runfs") < 0 || fuse_opt_add_arg(&args, "-o") < 0 ||
        fuse_opt_add_arg(&args, buf_str(&options)) < 0) {
        fuse_opt_free_args(&args);
        return err_errno(err, -ENOMEM, "cannot mount");
    }
    m->session = fuse_session_new(&args, &mount_operations, sizeof(mount_operations), m);
    fuse_opt_free_args(&args);
    if (!m->session)
        return err_set(err, -EINVAL, "cannot mount with the options '%s'", opts->options);
    if (fuse_set_signal_handlers(m->session) == 0)
        m->signals = true;
    if (fuse_session_mount(m->session, opts->mount_point) < 0)
        return err_set(err, -EIO, "cannot mount at %s: see the message above, and `runfs doctor`",
                       opts->mount_point);
    m->attached = true;
    return 0;
}

int mounted_new(const struct mount_opts *opts, struct mounted **ret, struct err *err)
{
    struct mounted *m = calloc(1, sizeof(*m));

    if (!m)
        return err_errno(err, -ENOMEM, "cannot mount");
    m->fs = opts->fs;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->told, NULL);
    pthread_cond_init(&m->settled, NULL);
    m->park = park_new(opts->fs);
    int r = m->park ? start_session(m, opts, err) : err_errno(err, -ENOMEM, "cannot mount");
    if (r == 0 && store_subscribe(opts->fs->store, on_changed, m) < 0)
        r = err_set(err, -ENOSPC, "cannot mount: too many subscribers of the store");
    if (r == 0)
        m->has_teller = pthread_create(&m->teller, NULL, teller, m) == 0;
    if (r < 0) {
        mounted_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

/* ------------------------------------------------------------------------------------- noticing the unmount
 */

static bool is_mounted(const char *directory)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent entry;
    char room[8192];
    bool found = !mounts; /* when it cannot be told it counts as mounted */

    while (mounts && !found && getmntent_r(mounts, &entry, room, sizeof(room)))
        found = str_eq(entry.mnt_dir, directory);
    if (mounts)
        endmntent(mounts);
    return found;
}

/* Ends the loop of the serving thread, however often a signal comes just before it waits. */
static void end_serving(struct mounted *m)
{
    struct pollfd p = {.fd = m->watch_end, .events = POLLIN};

    fuse_session_exit(m->session);
    do
        pthread_kill(m->server, SIGTERM);
    while (poll(&p, 1, 20) == 0);
}

/*
 * Once it is unmounted here it is at its end, even when a copy of the mount lives on in another mount
 * namespace (of a program that made one with `unshare -m` meanwhile), for which the kernel would keep the
 * connection.
 */
static void *watch_mount(void *data)
{
    struct mounted *m = data;
    _close_ int mounts = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
    struct pollfd p[2] = {{.fd = mounts, .events = POLLPRI}, {.fd = m->watch_end, .events = POLLIN}};

    while (mounts >= 0) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[1].revents)
            return NULL;
        if (p[0].revents && !is_mounted(m->fs->mount_point)) {
            end_serving(m);
            return NULL;
        }
    }
    return NULL;
}

int mounted_serve(struct mounted *m)
{
    uint64_t one = 1;
    struct fuse_loop_config *config = fuse_loop_cfg_create();

    if (!config)
        return -ENOMEM;
    fuse_loop_cfg_set_clone_fd(config, 1);
    fuse_loop_cfg_set_max_threads(config, 8);
    m->server = pthread_self();
    m->watch_end = eventfd(0, EFD_CLOEXEC);
    bool watched = m->watch_end >= 0 && m->signals && pthread_create(&m->watcher, NULL, watch_mount, m) == 0;
    int r = fuse_session_loop_mt(m->session, config);
    fuse_loop_cfg_destroy(config);
    if (watched) {
        (void)!write(m->watch_end, &one, sizeof(one));
        pthread_join(m->watcher, NULL);
    }
    cleanup_close(&m->watch_end);
    park_end(m->park);
    return r < 0 ? r : 0;
}

bool mounted_ending(const struct mounted *m)
{
    return fuse_session_exited(m->session) != 0;
}

void mounted_free(struct mounted *m)
{
    if (!m)
        return;
    /* the engine outlives the mount, and what its jobs still write would be told to it */
    store_unsubscribe(m->fs->store, on_changed, m);
    pthread_mutex_lock(&m->lock);
    m->ending = true;
    pthread_cond_signal(&m->told);
    pthread_mutex_unlock(&m->lock);
    if (m->has_teller)
        pthread_join(m->teller, NULL);
    if (m->park)
        park_end(m->park);
    vms_interrupt(m->fs->vms);
    pthread_mutex_lock(&m->lock);
    while (m->pending)
        pthread_cond_wait(&m->told, &m->lock);
    pthread_mutex_unlock(&m->lock);
    if (m->attached)
        fuse_session_unmount(m->session);
    if (m->signals)
        fuse_remove_signal_handlers(m->session);
    if (m->session)
        fuse_session_destroy(m->session);
    handles_free(m);
    park_free(m->park);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->told);
    pthread_cond_destroy(&m->settled);
    free(m);
}
