/* All machines of this process: what is common to every backend. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static int find_agent(const char *given, char **ret, struct err *err)
{
    char self[4096];
    _buf_ struct buf b = BUF_INIT;

    if (given) {
        buf_adds(&b, given);
    } else {
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[n > 0 ? n : 0] = '\0';
        char *slash = strrchr(self, '/');
        buf_addf(&b, "%.*s/runfs-agent", slash ? (int)(slash - self) : 0, self);
        if (buf_ok(&b) && access(b.ptr, X_OK) < 0) {
            buf_reset(&b);
            buf_adds(&b, RUNFS_LIBEXEC "/runfs-agent");
        }
    }
    char *path = buf_steal(&b);
    if (!path)
        return err_errno(err, -ENOMEM, "machines");
    if (access(path, X_OK) < 0) {
        int r = err_errno(err, -errno, "cannot find the agent that runs commands in machines: %s", path);
        free(path);
        return r;
    }
    *ret = path;
    return 0;
}

/* Makes STATE/machines and empties it. 0711: a machine's mapped root passes through, and lists nothing. */
static int prepare_scratch(const char *state_dir, char **ret, struct err *err)
{
    _buf_ struct buf b = BUF_INIT;

    buf_addf(&b, "%s/machines", state_dir);
    _free_ char *path = buf_steal(&b);
    if (!path)
        return err_errno(err, -ENOMEM, "machines");
    int r = make_dirs(path, 0711);
    if (r == 0 && chmod(path, 0711) < 0)
        r = -errno;
    if (r < 0)
        return err_errno(err, r, "cannot make %s", path);
    dir_set_apart(path);
    _closedir_ DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
            continue;
        _buf_ struct buf left = BUF_INIT;
        buf_addf(&left, "%s/%s", path, e->d_name);
        r = buf_ok(&left) ? remove_tree(left.ptr) : -ENOMEM;
        if (r < 0)
            log_warning("machine", "%s: left by an earlier run, cannot remove: %s", buf_str(&left),
                        strerrordesc_np(-r));
    }
    *ret = TAKE(path);
    return 0;
}

static int hide_initial(struct machines *ms, const struct machines_opts *opts)
{
    int r = machines_hide(ms, opts->state_dir);

    for (const char *const *p = opts->hidden; r == 0 && p && *p; p++)
        r = machines_hide(ms, *p);
    return r;
}

int machines_new(const struct machines_opts *opts, struct machines **ret, struct err *err)
{
    static const struct machine_ops *const all[BACKENDS] = {&machine_sandbox, &machine_bubblewrap,
                                                            &machine_host};
    struct machines *ms = calloc(1, sizeof(*ms));

    if (!ms)
        return err_errno(err, -ENOMEM, "machines");
    pthread_mutex_init(&ms->lock, NULL);
    ms->spares.fd = -1;
    spawner_init(&ms->sandboxes, "sandbox", NULL, NULL);
    spawner_init(&ms->processes, "plain", NULL, NULL);
    for (size_t i = 0; i < BACKENDS; i++)
        ms->backends[i].ops = all[i];
    int r = find_agent(opts->agent, &ms->agent, err);
    if (r == 0)
        r = prepare_scratch(opts->state_dir, &ms->scratch, err);
    if (r == 0 && (r = spares_open(&ms->spares, ms->scratch)) < 0)
        err_errno(err, r, "cannot make a directory in %s", ms->scratch);
    if (r == 0 && (r = hide_initial(ms, opts)) < 0)
        err_errno(err, r, "machines");
    if (r == 0 && (r = cleaner_new(ms, &ms->cleaner)) < 0)
        err_errno(err, r, "cannot start a thread");
    if (r < 0) {
        machines_free(ms);
        return r;
    }
    ms->split = geteuid() != 0 || sandbox_tops_split();
    ms->sandboxes.program = ms->processes.program = ms->agent;
    ms->sandboxes.scratch = ms->processes.scratch = ms->scratch;
    (void)probe_backend(ms, 0);
    *ret = ms;
    return 0;
}

void machines_free(struct machines *ms)
{
    if (!ms)
        return;
    cleaner_free(ms->cleaner);
    if (ms->scratch)
        spares_release(&ms->spares, ms->scratch);
    spawner_release(&ms->sandboxes);
    spawner_release(&ms->processes);
    for (char **p = ms->hidden; p && *p; p++)
        free(*p);
    free(ms->hidden);
    free(ms->agent);
    free(ms->scratch);
    pthread_mutex_destroy(&ms->lock);
    free(ms);
}

int machines_hide(struct machines *ms, const char *path)
{
    size_t n = 0;

    pthread_mutex_lock(&ms->lock);
    while (ms->hidden && ms->hidden[n])
        n++;
    char **list = realloc(ms->hidden, (n + 2) * sizeof(*list));
    char *copy = list ? strdup(path) : NULL;
    if (list) {
        ms->hidden = list;
        list[n] = copy;
        list[n + (copy != NULL)] = NULL;
    }
    ms->mask_stale = true;
    pthread_mutex_unlock(&ms->lock);
    return copy ? 0 : -ENOMEM;
}

size_t machines_probe(const struct machines *ms, const struct machine_probe **ret)
{
    for (size_t i = 0; i < BACKENDS; i++)
        (void)probe_backend((struct machines *)ms, i); /* remembered under the lock; const to its user */
    *ret = ms->probes;
    return BACKENDS;
}

const char *machines_default_backend(const struct machines *ms)
{
    for (size_t i = 0; i < BACKENDS; i++)
        if (ms->backends[i].ops->isolates && probe_backend((struct machines *)ms, i)->works)
            return ms->backends[i].ops->name;
    return machine_host.name;
}

/* A sandbox that does not work here falls back to what isolates too, never silently to the host. */
static int choose_backend(struct machines *ms, const char *name, struct machine *m, struct err *err)
{
    for (size_t i = 0; i < BACKENDS; i++) {
        if (!str_eq(ms->backends[i].ops->name, name))
            continue;
        const struct machine_probe *p = i + 1 < BACKENDS ? probe_backend(ms, i) : NULL;
        m->ops = ms->backends[i].ops;
        if (!p || p->works)
            return 0;
        if (m->ops != &machine_sandbox)
            return err_set(err, -ENOTSUP, "the backend %s does not work here: %s", name, p->words);
        const char *other = machines_default_backend(ms);
        m->ops = str_eq(other, machine_bubblewrap.name) ? &machine_bubblewrap : &machine_host;
        snprintf(m->note, sizeof(m->note),
                 "The backend sandbox does not work here, so this machine is of backend %s. "
                 "Why: %.150s",
                 m->ops->name, p->words);
        m->note[utf8_valid_prefix(m->note, strlen(m->note))] = '\0';
        return 0;
    }
    return err_set(err, -EINVAL, "there is no backend '%s' (there are sandbox, bubblewrap and host)", name);
}

static int check_spec(const struct machine_spec *spec, struct err *err)
{
    const char *work = spec->workspace ? spec->workspace : "";

    if (!spec->backend || !spec->name || !*spec->name || strlen(spec->name) > 63 ||
        strspn(spec->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(spec->name))
        return err_set(err, -EINVAL, "a machine needs a backend and a name of a-z, 0-9 and '-'");
    if (!str_starts(work, "/home/runner/work/") || strlen(work) > 1024 || strstr(work, "/../") ||
        strstr(work, "//") || strstr(work, "/./") || str_ends(work, "/..") || str_ends(work, "/"))
        return err_set(err, -EINVAL, "a workspace must be below /home/runner/work: '%s'", work);
    return 0;
}

int machine_set_paths(struct machine *m, const char *prefix, const char *workspace, struct err *err)
{
    const char *const inside[] = {workspace, "/home/runner/work/_temp",
                                  "/home/runner/work/_temp/_runner_file_commands", "/opt/hostedtoolcache",
                                  "/home/runner"};
    char **s = m->path_strings;

    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        _buf_ struct buf b = BUF_INIT;
        buf_addf(&b, "%s%s", prefix, inside[i]);
        s[i] = buf_steal(&b);
        if (!s[i])
            return err_errno(err, -ENOMEM, "machine %s", m->id);
    }
    m->paths = (struct machine_paths){
        .workspace = s[0], .temp = s[1], .files = s[2], .tool_cache = s[3], .home = s[4]};
    return 0;
}

int machine_acquire(struct machines *ms, const struct machine_spec *spec, struct machine **ret,
                    struct err *err)
{
    struct machine *m = calloc(1, sizeof(*m));
    _buf_ struct buf dir = BUF_INIT;

    if (!m)
        return err_errno(err, -ENOMEM, "machine");
    m->ms = ms;
    agent_client_init(&m->client);
    snprintf(m->id, sizeof(m->id), "m%u", atomic_fetch_add(&ms->serial, 1) + 1);
    buf_addf(&dir, "%s/%s", ms->scratch, m->id);
    m->dir = buf_steal(&dir);
    int r = m->dir ? check_spec(spec, err) : err_errno(err, -ENOMEM, "machine");
    if (r == 0)
        r = choose_backend(ms, spec->backend, m, err);
    if (r == 0)
        r = m->ops->acquire(ms, spec, m, err);
    if (r < 0) {
        machine_release(m);
        return r;
    }
    *ret = m;
    return 0;
}

void machine_release(struct machine *m)
{
    if (!m)
        return;
    int pidfd = TAKE_FD(m->client.pidfd);
    /* A sandbox dies with its process 1. Other agents kill what they started when their socket is at its end.
     */
    if (pidfd >= 0 && m->ops && m->ops->one_kill)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    agent_client_release(&m->client);
    cleaner_add(m->ms->cleaner, pidfd, TAKE(m->dir));
    for (size_t i = 0; i < ARRAY_LEN(m->path_strings); i++)
        free(m->path_strings[i]);
    free(m);
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
    return agent_client_exec(&m->client, x, ret, err);
}

void machine_interrupt(struct machine *m)
{
    agent_client_want(&m->client, WANT_INTERRUPT);
}

void machine_kill(struct machine *m)
{
    agent_client_want(&m->client, WANT_KILL);
}

int machine_put_tree(struct machine *m, const char *dir, int tar_fd, struct err *err)
{
    return agent_client_put_tree(&m->client, dir, tar_fd, err);
}

int machine_get_tree(struct machine *m, const char *dir, int tar_fd, struct err *err)
{
    return agent_client_get_tree(&m->client, dir, tar_fd, err);
}
