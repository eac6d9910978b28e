/*
 * Snapshots after steps, and jobs that go on from one: what a job knows between two of its steps, written
 * down beside the snapshot of its machine, and taken up again by a new attempt.
 */
#include "resume.h"

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

/* Snapshots that nobody notices (config/snapshots: auto): they cost under 5 % of the step, and nothing is
 * lost with the machine's memory. */
enum { AUTO_SHARE = 20, AUTO_GUESS_NS = 5000000 };

void resume_free(struct resume *r)
{
    if (!r)
        return;
    json_decref(r->state);
    buf_release(&r->edited);
    free(r->key);
    free(r);
}

static bool is_set(struct store *st, const char *key, const char *value)
{
    _buf_ struct buf text = BUF_INIT;

    return store_setting(st, SETTING_CONFIG, key, &text) == 0 && str_eq(buf_str(&text), value);
}

/* --------------------------------------------------------------------------------------------- taking them
 */

static bool wanted(struct machine *m, struct store *st, int64_t step_ns)
{
    int64_t cost = machine_snapshot_cost(m);

    if (is_set(st, "snapshots", "on"))
        return true;
    return is_set(st, "snapshots", "auto") && step_ns / AUTO_SHARE > (cost ? cost : AUTO_GUESS_NS) &&
           !machine_uses_memory(m);
}

int64_t step_snapshot(struct machine *m, struct store *st, const struct step_row *step, int64_t step_ns,
                      json_t *state)
{
    _free_ char *text = NULL;
    char name[256];
    struct err err = {0};
    int64_t id = 0;

    if (!wanted(m, st, step_ns) || !machine_can_snapshot(m, NULL))
        return 0;
    text = json_dumps(state, JSON_COMPACT);
    snprintf(name, sizeof(name), "after-%02d-%.200s", step->number > 0 ? step->number : 0, step->slug);
    int r = text ? machine_snapshot(m, &(struct snapshot_spec){.name = name, .step_id = step->id}, &id, &err)
                 : err_errno(&err, -ENOMEM, "snapshot");
    if (r == 0)
        r = store_put_step_state(st, step->run_id, step->id, text, &err);
    if (r < 0 && r != -EBUSY) /* something that a step left in the background lives on: no snapshot then */
        log_warning("run", "%lld: no snapshot after step %d: %s", (long long)step->run_id, step->number,
                    err.msg);
    return r < 0 ? 0 : id;
}

static void drop(struct engine *e, int64_t job_id, int64_t before)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_step_snapshots(e->store, job_id, before, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            (void)machines_drop_snapshot(e->machines, ids[i], NULL);
        after = ids[n - 1];
    }
}

void snapshots_of_success(struct engine *e, int64_t job_id)
{
    if (is_set(e->store, "snapshots", "auto"))
        drop(e, job_id, INT64_MAX);
}

void snapshots_expire(struct engine *e)
{
    if (e->machines)
        drop(e, 0, now_ns() - config_number(e->store, "snapshot_days", 7) * 86400 * 1000000000LL);
}

/* ------------------------------------------------------------------------------------------ taking them up
 */

static json_t *state_after(struct store *st, int64_t step_id)
{
    _buf_ struct buf text = BUF_INIT;

    return store_step_state(st, step_id, &text) == 0 ? json_loadb(buf_str(&text), text.len, 0, NULL) : NULL;
}

/* The step before, in its job; 0: there is none. */
static int64_t step_before(struct store *st, const struct step_row *step)
{
    int64_t id = 0;

    return step->number > 1 && store_find_steps(st, step->job_id, step->number - 1, &id, 1) == 1 ? id : 0;
}

int resume_find(struct store *st, const struct step_row *step, const char *key, struct resume **ret,
                struct err *err)
{
    int64_t before = step_before(st, step);
    struct resume *r = calloc(1, sizeof(*r));

    if (!r || !(r->key = strdup(key))) {
        resume_free(r);
        return err_errno(err, -ENOMEM, "resume");
    }
    r->first = (size_t)step->number - 1;
    r->from_job = step->job_id;
    r->snapshot = before ? store_find_step_snapshot(st, before) : 0;
    r->state = r->snapshot ? state_after(st, before) : NULL;
    if (step->number < 1 || !r->state) {
        resume_free(r);
        return err_set(
            err, -EINVAL,
            "there is no snapshot from before this step: `echo on > config/snapshots` takes one after every "
            "step but while others run in the background, and the machine must be able to (sandbox)");
    }
    *ret = r;
    return 0;
}
