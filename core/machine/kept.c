/* Machines that outlive the process: what they wrote is frozen when they end, or when the next process finds
 * it. */
#include <sys/stat.h>
#include <time.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

/* A layer on top of m's last one, which from its first moment on is pinned by m. */
static int stand_on(struct machine *m, int64_t layer, struct err *err)
{
    pthread_mutex_lock(&m->ms->living_lock);
    int r = layers_record(m->ms, layer, m->parent, err);
    if (r == 0)
        m->parent = layer;
    pthread_mutex_unlock(&m->ms->living_lock);
    return r;
}

void kept_suspend(struct machine *m)
{
    struct err err = {0};
    int64_t layer;

    if (!m->ops || !m->ops->layered || !m->ms->store || !m->dir || m->client.fd < 0)
        return;
    agent_client_end(&m->client);
    int r = layers_freeze(m->ms, m->dir, layers_split(m->ms, m->spec.image), &layer, &err);
    if (r == 0)
        r = stand_on(m, layer, &err);
    if (r < 0)
        log_warning("machine", "%s: what it wrote is lost: %s", m->spec.title, err.msg);
}

int kept_chain(struct machine *m, struct err *err)
{
    struct machines *ms = m->ms;
    struct chain chain = {0};
    int r = 0;

    pthread_mutex_lock(&ms->living_lock);
    const struct machine_row *row = store_get_machine(ms->store, m->row);
    if (!row || !row->kept || row->lives)
        r = err_set(err, -ENOENT, "there is no kept machine %lld that could be revived", (long long)m->row);
    else if (!str_eq(row->backend, m->ops->name) || !str_eq(row->image, m->spec.image ? m->spec.image : ""))
        r = err_set(err, -EINVAL, "the machine was of %s%s%s", row->backend, *row->image ? ":" : "",
                    row->image);
    else
        r = layers_chain(ms, row->layer, &chain, err);
    if (r == 0) {
        m->chain = chain;
        m->parent = row->layer;
        m->created_at = row->created_at;
    }
    machine_row_unref(row);
    pthread_mutex_unlock(&ms->living_lock);
    return r;
}

int machines_forget(struct machines *ms, int64_t id, struct err *err)
{
    struct machine *m = machines_find(ms, id);
    const struct machine_row *row = ms->store ? store_get_machine(ms->store, id) : NULL;
    int r = 0;

    if (m)
        r = err_set(err, -EBUSY, "the machine runs");
    else if (!row || !row->kept)
        r = err_set(err, -ENOENT, "there is no kept machine %lld", (long long)id);
    else
        r = store_delete_machine(ms->store, id, err);
    machine_row_unref(row);
    machine_unref(m);
    if (r == 0)
        keeper_collect(ms->keeper);
    return r;
}

/* ---------------------------------------------------------------------------------------------- at start */

/* The directory of a machine's last start: "mROW-START-PARENT". */
static bool last_start(const struct machines *ms, int64_t row, struct buf *ret, int64_t *ret_parent)
{
    _closedir_ DIR *dir = opendir(ms->scratch);
    struct dirent *e;
    long long best = -1;

    while (dir && (e = readdir(dir))) {
        long long number, start, parent;
        int end = 0;
        if (sscanf(e->d_name, "m%lld-%lld-%lld%n", &number, &start, &parent, &end) != 3 || e->d_name[end] ||
            number != row || start <= best)
            continue;
        best = start;
        *ret_parent = parent;
        buf_reset(ret);
        buf_addf(ret, "%s/%s", ms->scratch, e->d_name);
    }
    return best >= 0 && buf_ok(ret);
}

/* The host's boot, as wall-clock time. What was written before it and not synced may not be whole. */
static int64_t booted_at(void)
{
    struct timespec up;

    clock_gettime(CLOCK_BOOTTIME, &up);
    return now_ns() - (up.tv_sec * 1000000000LL + up.tv_nsec);
}

static int keep_files(struct machines *ms, struct machine_row *row, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT;
    int64_t parent = 0, layer = 0;

    if (row->created_at < booted_at() || !last_start(ms, row->id, &dir, &parent)) {
        log_warning("machine", "%s: begins anew from its last snapshot", row->title);
        return 0;
    }
    int r = layers_freeze(ms, dir.ptr, layers_split(ms, row->image), &layer, err);
    if (r == 0)
        r = layers_record(ms, layer, parent, err);
    if (r == 0)
        row->layer = layer;
    return r;
}

static int settle(struct machines *ms, int64_t id, struct err *err)
{
    const struct machine_row *old = store_get_machine(ms->store, id);
    struct err why = {0};
    int r = 0;

    if (old && old->lives) {
        struct machine_row row = *old;
        row.lives = false;
        row.state = "failed";
        row.why =
            row.kept ? "the process that ran it ended; its files are kept" : "the process that ran it ended";
        row.changed_at = now_ns();
        if (row.kept && keep_files(ms, &row, &why) < 0)
            log_warning("machine", "%s: what it wrote is lost: %s", row.title, why.msg);
        store_begin(ms->store);
        (void)store_put_transition(ms->store, id, row.state, row.why, row.changed_at, err);
        (void)store_put_machine(ms->store, &row, err);
        if (!row.kept && !row.job_id && !row.run_id)
            (void)store_delete_machine(ms->store, id, err);
        r = store_commit(ms->store, err);
    }
    machine_row_unref(old);
    return r;
}

int kept_freeze(struct machines *ms, struct err *err)
{
    int64_t ids[64], after = 0;
    int r = 0;
    ssize_t n;

    while (r == 0 && ms->store && (n = store_list_machines(ms->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++)
            r = settle(ms, ids[i], err);
        after = ids[n - 1];
    }
    return r;
}
