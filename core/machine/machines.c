/* All machines of this process: what is common to every backend. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/machine/machine_internal.h"
#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* Where the agent lies, seen from the directory that runfs is in: as built, and as installed under any
 * PREFIX. */
static const char *const agent_places[] = {"runfs-agent", "../libexec/runfs/runfs-agent"};

static int find_agent(const char *given, char **ret, struct err *err)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; i < (given ? 1 : ARRAY_LEN(agent_places)); i++) {
        _buf_ struct buf b = BUF_INIT;
        if (given)
            buf_adds(&b, given);
        else
            buf_addf(&b, "%.*s/%s", slash ? (int)(slash - self) : 0, self, agent_places[i]);
        if (!buf_ok(&b))
            return err_errno(err, -ENOMEM, "machines");
        if (access(b.ptr, X_OK) == 0) {
            *ret = buf_steal(&b);
            return 0;
        }
    }
    return err_set(
        err, -ENOENT,
        "the agent that runs commands in machines, %s, is missing: `make` puts it beside runfs, `make "
        "install` into libexec",
        given ? given : "runfs-agent");
}

/* Makes STATE/machines. Who passes through is this user and a machine's mapped root, so that nobody else on
 * the host can execute what a job left there with a set-user-id bit. */
static int prepare_scratch(const char *state_dir, char **ret, struct err *err)
{
    _buf_ struct buf b = BUF_INIT;

    buf_addf(&b, "%s/machines", state_dir);
    _free_ char *path = buf_steal(&b);
    if (!path)
        return err_errno(err, -ENOMEM, "machines");
    bool root = geteuid() == 0;
    int r = make_dirs(path, 0711);
    if (r == 0 && ((root && chown(path, 0, machine_root_id()) < 0) || chmod(path, root ? 0710 : 0700) < 0))
        r = -errno;
    if (r < 0)
        return err_errno(err, r, "cannot make %s", path);
    dir_set_apart(path);
    *ret = TAKE(path);
    return 0;
}

static int empty_scratch(struct machines *ms)
{
    _closedir_ DIR *dir = opendir(ms->scratch);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || str_eq(e->d_name, "layers"))
            continue;
        _buf_ struct buf left = BUF_INIT;
        buf_addf(&left, "%s/%s", ms->scratch, e->d_name);
        if (buf_ok(&left))
            frozen_end(left.ptr);
        int r = buf_ok(&left) ? remove_tree(left.ptr) : -ENOMEM;
        if (r < 0)
            log_warning("machine", "%s: left by an earlier run, cannot remove: %s", buf_str(&left),
                        strerrordesc_np(-r));
    }
    return dir ? 0 : -errno;
}

static int hide_initial(struct machines *ms, const struct machines_opts *opts)
{
    int r = machines_hide(ms, opts->state_dir);

    for (const char *const *p = opts->hidden; r == 0 && p && *p; p++)
        r = machines_hide(ms, *p);
    return r;
}

static int start_threads(struct machines *ms)
{
    int r = cleaner_new(ms, &ms->cleaner);

    if (r == 0 && ms->store)
        r = recorder_new(ms, &ms->recorder);
    if (r == 0)
        r = pool_new(ms, &ms->pool);
    return r == 0 ? keeper_new(ms, &ms->keeper) : r;
}

static void init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int machines_new(const struct machines_opts *opts, struct machines **ret, struct err *err)
{
    struct machines *ms = calloc(1, sizeof(*ms));

    if (!ms)
        return err_errno(err, -ENOMEM, "machines");
    pthread_mutex_init(&ms->lock, NULL);
    ms->spares.fd = -1;
    spawner_init(&ms->sandboxes, "sandbox", NULL, NULL);
    spawner_init(&ms->processes, "plain", NULL, NULL);
    for (size_t i = 0; machine_backends[i]; i++)
        ms->backends[i].ops = machine_backends[i];
    ms->store = opts->store;
    pthread_mutex_init(&ms->living_lock, NULL);
    pthread_mutex_init(&ms->templates_lock, NULL);
    pthread_mutex_init(&ms->ahead_lock, NULL);
    init_monotonic(&ms->ahead_made);
    int r = find_agent(opts->agent, &ms->agent, err);
    if (r == 0)
        r = prepare_scratch(opts->state_dir, &ms->scratch, err);
    if (r == 0 && !(ms->images = strdup(opts->images ? opts->images : opts->state_dir)))
        r = err_errno(err, -ENOMEM, "machines");
    if (r == 0)
        r = layers_open(ms, err);
    ms->split = geteuid() != 0 || sandbox_tops_split();
    if (r == 0)
        r = kept_freeze(ms, err);
    if (r == 0 && (r = empty_scratch(ms)) < 0)
        err_errno(err, r, "cannot read %s", ms->scratch);
    if (r == 0 && (r = spares_open(&ms->spares, ms->scratch)) < 0)
        err_errno(err, r, "cannot make a directory in %s", ms->scratch);
    if (r == 0 && (r = hide_initial(ms, opts)) < 0)
        err_errno(err, r, "machines");
    if (r == 0)
        groups_init(&ms->groups, ms->scratch);
    ms->landlock = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (r == 0 && (r = start_threads(ms)) < 0)
        err_errno(err, r, "cannot start a thread");
    if (r < 0) {
        machines_free(ms);
        return r;
    }
    ms->sandboxes.program = ms->processes.program = ms->agent;
    ms->sandboxes.scratch = ms->processes.scratch = ms->scratch;
    ms->sandboxes.groups = ms->processes.groups = (const char *const *)ms->groups.dirs;
    (void)probe_backend(ms, 0);
    keeper_collect(ms->keeper);
    *ret = ms;
    return 0;
}

void machines_free(struct machines *ms)
{
    if (!ms)
        return;
    keeper_end(ms->keeper);
    pool_free(ms->pool);
    recorder_free(ms->recorder);
    if (ms->keeper) {
        layers_collect(ms);
        layers_sync(ms);
    }
    keeper_free(ms->keeper);
    cleaner_free(ms->cleaner);
    layers_close(ms);
    qemu_templates_free(ms);
    if (ms->scratch)
        spares_release(&ms->spares, ms->scratch);
    spawner_release(&ms->sandboxes);
    spawner_release(&ms->processes);
    groups_release(&ms->groups);
    for (char **p = ms->hidden; p && *p; p++)
        free(*p);
    free(ms->hidden);
    buf_release(&ms->searched.dirs);
    free(ms->agent);
    free(ms->scratch);
    free(ms->images);
    pthread_mutex_destroy(&ms->lock);
    pthread_mutex_destroy(&ms->templates_lock);
    pthread_mutex_destroy(&ms->ahead_lock);
    pthread_cond_destroy(&ms->ahead_made);
    pthread_mutex_destroy(&ms->living_lock);
    free(ms);
}

int machines_hide(struct machines *ms, const char *path)
{
    size_t n = 0;

    pthread_mutex_lock(&ms->lock);
    while (ms->hidden && ms->hidden[n])
        n++;
    int r = strv_add(&ms->hidden, &n, strdup(path));
    ms->mask_stale = true;
    pthread_mutex_unlock(&ms->lock);
    return r;
}

int64_t machine_id(const struct machine *m)
{
    return m->row;
}

const char *machine_limits(const struct machine *m)
{
    return m->limits_text ? m->limits_text : "";
}

const struct machine_paths *machine_paths(const struct machine *m)
{
    return &m->paths;
}

const char *machine_backend(const struct machine *m)
{
    return m->ops->name;
}

const char *machine_note(const struct machine *m)
{
    return m->note;
}

void machine_result_release(struct machine_result *r)
{
    free(r->start_error);
    r->start_error = NULL;
}

int machine_exec(struct machine *m, struct machine_exec *x, struct machine_result *ret, struct err *err)
{
    if (machine_state(m) == MACHINE_PAUSED)
        return err_set(err, -EBUSY, "the machine is paused: resume it first");
    atomic_fetch_add(&m->executing, 1);
    machine_become(m, MACHINE_EXECUTING, x->argv[0]);
    int r = agent_client_exec(machine_client(m), x, ret, err);
    bool last = atomic_fetch_sub(&m->executing, 1) == 1,
         gone = r == -ECONNRESET && !agent_client_lives(&m->client);
    if (gone || last)
        machine_become(m, gone ? MACHINE_FAILED : MACHINE_ACTIVE, gone && err ? err->msg : "");
    return r;
}

void machine_interrupt(struct machine *m)
{
    machine_lanes_want(m, WANT_INTERRUPT);
    agent_client_want(&m->client, WANT_INTERRUPT);
}

void machine_kill(struct machine *m)
{
    machine_lanes_want(m, WANT_KILL);
    agent_client_want(&m->client, WANT_KILL);
}

int machine_put_tree(struct machine *m, const char *dir, int tar_fd, struct err *err)
{
    return agent_client_put_tree(machine_client(m), dir, tar_fd, err);
}
