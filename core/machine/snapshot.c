/*
 * Snapshots and rollbacks: both start a machine again, the one over what it wrote, frozen, the other over
 * what a snapshot has.
 */
#include <fcntl.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

bool machine_can_snapshot(const struct machine *m, struct err *err)
{
    if (!m->ops->layered && !m->ops->snapshot)
        err_set(err, -ENOTSUP,
                "a machine of backend %s has no snapshots: what its commands write is not kept apart (the "
                "backend sandbox has them)",
                m->ops->name);
    else if (!m->ms->store)
        err_set(err, -ENOTSUP, "there are no snapshots here, as nothing is recorded");
    else if (m->spec.limits.disk && m->ops->layered)
        err_set(err, -ENOTSUP,
                "a machine whose label bounds its disk has no snapshots: what it writes is in memory, and "
                "gone with "
                "it");
    else
        return true;
    return false;
}

bool machines_rename(struct machines *ms)
{
    return atomic_load(&ms->redirects);
}

bool machine_uses_memory(struct machine *m)
{
    pthread_mutex_lock(&m->client.lock);
    int fd = m->client.root < 0
                 ? -1
                 : openat(m->client.root, "dev/shm", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    pthread_mutex_unlock(&m->client.lock);
    _closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    bool found = false;

    while (dir && !found && (e = readdir(dir)))
        found = !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
    return found;
}

int64_t machine_snapshot_cost(const struct machine *m)
{
    return m->cost_ns;
}

/* Between two commands only. */
static int check_idle(struct machine *m, const char *what, struct err *err)
{
    pthread_mutex_lock(&m->client.lock);
    bool running = m->client.running;
    pthread_mutex_unlock(&m->client.lock);
    if (running)
        return err_set(err, -EBUSY, "%s is made between two commands, and one runs now", what);
    if (machine_state(m) == MACHINE_PAUSED)
        return err_set(err, -EBUSY, "the machine is paused: resume it before %s is made", what);
    return 0;
}

/* Whether the layers have the shape that this machine's have. */
static int check_shape(const struct machine *m, const struct snapshot_row *row, struct err *err)
{
    const char *image = m->spec.image ? m->spec.image : "";
    _buf_ struct buf mark = BUF_INIT;

    if (!str_eq(row->backend, m->ops->name) || !str_eq(row->image, image))
        return err_set(err, -EINVAL, "the snapshot was taken on %s%s%s, and this machine is of %s%s%s",
                       row->backend, *row->image ? ":" : "", row->image, m->ops->name, *image ? ":" : "",
                       image);
    if (!row->layer)
        return 0;
    layer_path(m->ms, row->layer, &mark);
    buf_adds(&mark, "/split");
    if (!buf_ok(&mark))
        return err_errno(err, -ENOMEM, "snapshot");
    if ((access(mark.ptr, F_OK) == 0) != layers_split(m->ms, m->spec.image))
        return err_set(err, -EINVAL,
                       "the snapshot was taken while this host had its directories on other file systems");
    return 0;
}

/* What stands on a snapshot; its layers are pinned by the machine from then on. */
int snapshot_chain(struct machine *m, int64_t snapshot, struct err *err)
{
    struct machines *ms = m->ms;
    struct chain chain = {0};

    if (!machine_can_snapshot(m, err))
        return -ENOTSUP;
    if (m->ops->snapshot)
        return err_set(err, -ENOTSUP, "a snapshot of a machine of %s is gone with that machine",
                       m->ops->name);
    pthread_mutex_lock(&ms->living_lock);
    const struct snapshot_row *row = store_get_snapshot(ms->store, snapshot);
    int r = row ? check_shape(m, row, err)
                : err_set(err, -ENOENT, "there is no snapshot %lld", (long long)snapshot);
    if (r == 0)
        r = layers_chain(ms, row->layer, &chain, err);
    if (r == 0) {
        chain_release(&m->chain);
        m->chain = chain;
        m->parent = row->layer;
    }
    snapshot_row_unref(row);
    pthread_mutex_unlock(&ms->living_lock);
    return r;
}

/* --------------------------------------------------------------------------------------- starting again */

#define EXCHANGE(field)                                                                                      \
    do {                                                                                                     \
        __typeof__(m->field) exchange_ = m->field;                                                           \
        m->field = fresh->field;                                                                             \
        fresh->field = exchange_;                                                                            \
    } while (0)

/* m goes on as the start of `fresh`, which is left with m's former one. Others may look at m meanwhile. */
static void take_start(struct machine *m, struct machine *fresh, struct chain *chain)
{
    char id[sizeof(m->id)];

    machine_lanes_end(m);
    agent_client_swap(&m->client, &fresh->client);
    m->client.limits = &m->limits;
    m->starts = fresh->starts;
    m->mask = fresh->mask;
    pthread_mutex_lock(&m->state_lock);
    EXCHANGE(limits);
    EXCHANGE(nat);
    EXCHANGE(net_fd);
    EXCHANGE(reach);
    EXCHANGE(limits_text);
    pthread_mutex_unlock(&m->state_lock);
    pthread_mutex_lock(&m->ms->living_lock);
    EXCHANGE(dir);
    memcpy(id, m->id, sizeof(id));
    memcpy(m->id, fresh->id, sizeof(id));
    memcpy(fresh->id, id, sizeof(id));
    chain_release(&m->chain);
    m->chain = *chain;
    *chain = (struct chain){0};
    pthread_mutex_unlock(&m->ms->living_lock);
}

/*
 * A fresh machine in the place of the one whose agent has ended. It stands on `chain`, which then is m's;
 * what the former start wrote and was not frozen is given up.
 */
static int start_again(struct machine *m, struct chain *chain, struct err *err)
{
    struct machine fresh;

    machine_init(&fresh, m->ms, m->ops);
    fresh.row = m->row;
    fresh.starts = m->starts + 1;
    fresh.chain = *chain;
    int r = machine_set_dir(&fresh, err);
    if (r == 0)
        r = machine_start(&fresh, &m->spec, err);
    if (r == 0)
        take_start(m, &fresh, chain);
    fresh.lent = atomic_load(&m->lent);
    machine_free_paths(&fresh);
    agent_client_close(&fresh.client);
    machine_end_start(&fresh);
    machine_bury(&fresh, machine_remains(&fresh));
    agent_client_release(&fresh.client);
    pthread_mutex_destroy(&fresh.state_lock);
    return r;
}

/* The machine could not be started again: all that was in it is gone but for its snapshots. */
static int lose(struct machine *m, struct err *err)
{
    struct err why = err ? *err : (struct err){0};

    agent_client_break(&m->client);
    machine_become(m, MACHINE_FAILED, why.msg);
    return err_set(err, -ECONNRESET, "the machine could not be started again: %.800s", why.msg);
}

/* ------------------------------------------------------------------------------------------- snapshots */

/* The chain of a layer that is not recorded yet. */
static int chain_above(struct machine *m, int64_t layer, struct chain *ret, struct err *err)
{
    struct chain below = {0};

    pthread_mutex_lock(&m->ms->living_lock);
    int r = layers_chain(m->ms, m->parent, &below, err);
    if (r == 0 && !(ret->ids = calloc((below.n / 16 + 2) * 16, sizeof(*ret->ids))))
        r = err_errno(err, -ENOMEM, "snapshot");
    if (r == 0) {
        ret->ids[0] = layer;
        memcpy(ret->ids + 1, below.ids ? below.ids : ret->ids, below.n * sizeof(*ret->ids));
        ret->n = below.n + 1;
    }
    pthread_mutex_unlock(&m->ms->living_lock);
    chain_release(&below);
    return r;
}

/* The layer and the snapshot become known together, and the machine's next layer will stand on it. */
static int record(struct machine *m, int64_t layer, struct snapshot_row *row, struct err *err)
{
    struct machines *ms = m->ms;

    pthread_mutex_lock(&ms->living_lock);
    store_begin(ms->store);
    (void)layers_record(ms, layer, m->parent, err);
    (void)store_put_snapshot(ms->store, row, err);
    int r = store_commit(ms->store, err);
    if (r < 0) /* the machine stands on it all the same */
        (void)layers_record(ms, layer, m->parent, NULL);
    m->parent = layer;
    pthread_mutex_unlock(&ms->living_lock);
    return r;
}

static int check_snapshot(struct machine *m, const char *name, struct err *err)
{
    if (!machine_can_snapshot(m, err))
        return -ENOTSUP;
    if (*name && store_find_snapshot(m->ms->store, m->row, name))
        return err_set(err, -EEXIST, "there is a snapshot '%s' already", name);
    int r = check_idle(m, "a snapshot", err);
    return r == 0 ? agent_client_alone(&m->client, err) : r;
}

/* A chain that grew faster than it was squashed. */
static int shorten(struct machine *m, struct err *err)
{
    return m->chain.n < LAYERS_MAX ? 0 : layers_squash(m->ms, m->parent, err);
}

static struct snapshot_row row_of(struct machine *m, const struct snapshot_spec *spec)
{
    return (struct snapshot_row){.machine_id = m->row,
                                 .run_id = m->spec.run_id,
                                 .job_id = m->spec.job_id,
                                 .step_id = spec->step_id,
                                 .name = spec->name ? spec->name : "",
                                 .backend = m->ops->name,
                                 .image = m->spec.image ? m->spec.image : "",
                                 .cost_ns = m->cost_ns,
                                 .created_at = now_ns()};
}

/* One that its backend takes. */
static int own_snapshot(struct machine *m, const struct snapshot_spec *spec, int64_t *ret_snapshot,
                        struct err *err)
{
    _buf_ struct buf handle = BUF_INIT;
    int64_t begin = mono_ns();
    int r = m->ops->snapshot(m, spec->name ? spec->name : "", &handle, err);

    if (r == -ECONNRESET)
        return lose(m, err);
    m->cost_ns = mono_ns() - begin;
    struct snapshot_row row = row_of(m, spec);
    row.handle = buf_str(&handle);
    if (r == 0)
        r = buf_ok(&handle) ? store_put_snapshot(m->ms->store, &row, err)
                            : err_errno(err, -ENOMEM, "snapshot");
    if (r == 0)
        *ret_snapshot = row.id;
    return r;
}

static int own_rollback(struct machine *m, int64_t snapshot, struct err *err)
{
    const struct snapshot_row *row = store_get_snapshot(m->ms->store, snapshot);
    int64_t begin = mono_ns();
    int r = !row ? err_set(err, -ENOENT, "there is no snapshot %lld", (long long)snapshot)
            : row->machine_id != m->row || !row->handle || !*row->handle
                ? err_set(err, -EINVAL, "the snapshot was taken of another machine")
                : m->ops->rollback(m, row->handle, err);

    snapshot_row_unref(row);
    if (r == 0)
        r = agent_client_make_dirs(&m->client, m->paths.workspace, err);
    if (r == -ECONNRESET)
        return lose(m, err);
    if (r == 0) {
        m->cost_ns = mono_ns() - begin;
        machine_become(m, MACHINE_ROLLED_BACK, "");
    }
    return r;
}

int machine_snapshot(struct machine *m, const struct snapshot_spec *spec, int64_t *ret_snapshot,
                     struct err *err)
{
    struct chain chain = {0};
    int64_t begin = mono_ns(), layer = 0;
    int r = check_snapshot(m, spec->name ? spec->name : "", err);

    if (r == 0 && m->ops->snapshot)
        return own_snapshot(m, spec, ret_snapshot, err);
    if (r == 0)
        r = shorten(m, err);
    if (r < 0)
        return r;
    agent_client_end(&m->client);
    r = layers_freeze(m->ms, m->dir, layers_split(m->ms, m->spec.image), &layer, err);
    if (r == 0)
        r = chain_above(m, layer, &chain, err);
    if (r == 0)
        r = start_again(m, &chain, err);
    chain_release(&chain);
    if (r < 0)
        return lose(m, err);
    m->cost_ns = mono_ns() - begin;
    struct snapshot_row row = row_of(m, spec);
    row.layer = layer;
    r = record(m, layer, &row, err);
    machine_changed(m);
    if (m->chain.n > LAYERS_SQUASH && m->chain.n % 8 == LAYERS_SQUASH % 8)
        keeper_squash(m->ms->keeper, layer);
    if (r == 0)
        *ret_snapshot = row.id;
    return r;
}

int machine_rollback(struct machine *m, int64_t snapshot, struct err *err)
{
    int64_t begin = mono_ns();
    struct machine wanted = {.ms = m->ms, .ops = m->ops, .spec = m->spec};
    int r = machine_can_snapshot(m, err) ? check_idle(m, "a rollback", err) : -ENOTSUP;

    if (r == 0 && m->ops->rollback)
        return own_rollback(m, snapshot, err);
    if (r < 0)
        return r;
    /* Both chains are pinned from here on: the new one by `wanted`, which is listed for as long. */
    pthread_mutex_lock(&m->ms->living_lock);
    wanted.next = m->ms->living;
    m->ms->living = &wanted;
    pthread_mutex_unlock(&m->ms->living_lock);
    r = snapshot_chain(&wanted, snapshot, err);
    if (r == 0) {
        agent_client_end(&m->client);
        r = start_again(m, &wanted.chain, err);
        if (r == 0)
            r = agent_client_make_dirs(&m->client, m->paths.workspace, err);
        r = r < 0 ? lose(m, err) : 0;
    }
    pthread_mutex_lock(&m->ms->living_lock);
    m->parent = r == 0 ? wanted.parent : m->parent;
    pthread_mutex_unlock(&m->ms->living_lock);
    machine_delist(&wanted);
    chain_release(&wanted.chain);
    if (r == 0) {
        m->cost_ns = mono_ns() - begin;
        machine_become(m, MACHINE_ROLLED_BACK, "");
        keeper_collect(m->ms->keeper); /* what it stood on */
    }
    return r;
}

int machines_drop_snapshot(struct machines *ms, int64_t snapshot, struct err *err)
{
    const struct snapshot_row *row = ms->store ? store_get_snapshot(ms->store, snapshot) : NULL;

    snapshot_row_unref(row);
    if (!row)
        return err_set(err, -ENOENT, "there is no snapshot %lld", (long long)snapshot);
    int r = store_delete_snapshot(ms->store, snapshot, err);
    if (r == 0)
        keeper_collect(ms->keeper);
    return r;
}
