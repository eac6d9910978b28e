/* fcctl-web's API: machines made, shown, removed, and their snapshots. */
#include <sys/random.h>
#include <time.h>

#include "fcctl_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------------- which */

static struct fvm *find(struct fcctl *f, const char *id)
{
    struct fvm *vm = f->first;

    while (vm && (vm->going || !str_eq(vm->id, id)))
        vm = vm->next;
    return vm;
}

static void refuse_unknown(struct http_request *r, const char *id)
{
    fcctl_refuse(r, 404, "there is no machine '%.100s'", id);
}

void fcctl_wait_a_little(struct fcctl *f)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&f->changed, &f->lock, &until);
}

struct fvm *fcctl_take(struct http_request *r, const char *id)
{
    struct fcctl *f = http_data(r);
    struct fvm *vm;

    pthread_mutex_lock(&f->lock);
    while ((vm = find(f, id)) && (vm->busy || vm->status == VM_CREATING) && !f->ending && !http_gone(r))
        fcctl_wait_a_little(f);
    struct fvm seen = vm ? *vm : (struct fvm){0};
    bool free_now = vm && !vm->busy && vm->status == VM_RUNNING && !f->ending;
    if (free_now)
        vm->busy = true;
    pthread_mutex_unlock(&f->lock);
    if (free_now)
        return vm;
    if (!vm)
        refuse_unknown(r, id);
    else if (seen.status == VM_FAILED)
        fcctl_refuse(r, 409, "the machine failed: %s", seen.why.msg);
    else
        fcctl_refuse(r, 503, "the server is ending");
    return NULL;
}

void fcctl_give_back(struct fcctl *f, struct fvm *vm)
{
    pthread_mutex_lock(&f->lock);
    vm->busy = false;
    if (vm->status == VM_RUNNING && machine_state(vm->machine) == MACHINE_FAILED) {
        vm->status = VM_FAILED;
        err_set(&vm->why, -ECONNRESET, "it is gone");
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* ------------------------------------------------------------------------------------------------ making */

struct making {
    struct fcctl *f;
    struct fvm *vm;
};

static int make(struct fcctl *f, const char *id, struct machine **ret, struct err *err)
{
    _machine_label_ struct machine_label label = {0};
    struct machine_spec spec;
    int r = label_spec(f->store, f->label, &label, &spec, err);

    if (r < 0)
        return r;
    spec.name = id;
    spec.label = f->label;
    spec.workspace = "/home/runner/work/runner/runner";
    return machine_acquire(f->machines, &spec, ret, err);
}

/* On a thread of its own: whoever asked polls. */
static void *make_thread(void *data)
{
    struct making m = *(struct making *)data;
    struct machine *machine = NULL;
    struct err err = {0};

    free(data);
    int r = make(m.f, m.vm->id, &machine, &err);
    pthread_mutex_lock(&m.f->lock);
    m.vm->machine = machine;
    m.vm->why = err;
    m.vm->status = r < 0 ? VM_FAILED : VM_RUNNING;
    m.f->makers--;
    pthread_cond_broadcast(&m.f->changed);
    pthread_mutex_unlock(&m.f->lock);
    return NULL;
}

static int start_making(struct fcctl *f, struct fvm *vm)
{
    struct making *m = malloc(sizeof(*m));
    pthread_attr_t attr;
    pthread_t thread;

    if (!m)
        return -ENOMEM;
    *m = (struct making){f, vm};
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = -pthread_create(&thread, &attr, make_thread, m);
    pthread_attr_destroy(&attr);
    if (r < 0)
        free(m);
    return r;
}

static json_t *describe(const struct fvm *vm)
{
    static const char *const names[] = {
        [VM_CREATING] = "creating", [VM_RUNNING] = "running", [VM_FAILED] = "failed"};
    _buf_ struct buf created = BUF_INIT;

    buf_add_time(&created, vm->created_at);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", vm->id, "name", vm->name, "vm_type", vm->type,
                          "status", names[vm->status], "created_at", buf_str(&created));
    if (o && vm->status == VM_FAILED)
        json_object_set_new(o, "error", json_string(vm->why.msg));
    return o;
}

/* Nobody finds a machine of somebody else by counting, nor one of a server that is no more. */
static bool make_id(char ret[ID_SIZE])
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return false;
    snprintf(ret, ID_SIZE, "vm-%016llx", (unsigned long long)random);
    return true;
}

void fcctl_create(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    _json_ json_t *body = fcctl_body(r);
    const char *type = body ? fcctl_text(r, body, "vm_type", 63, "default") : NULL;
    const char *name = type ? fcctl_text(r, body, "name", 63, "") : NULL;
    struct fvm *vm = name ? calloc(1, sizeof(*vm)) : NULL;

    if (!vm || !make_id(vm->id)) {
        free(vm);
        return; /* answered, or there is no memory: the server says so */
    }
    snprintf(vm->type, sizeof(vm->type), "%s", type);
    snprintf(vm->name, sizeof(vm->name), "%s", *name ? name : vm->id);
    vm->created_at = now_ns();
    json_t *reply = describe(vm);
    pthread_mutex_lock(&f->lock);
    bool room = f->n < f->max_machines && !f->ending;
    int code = room ? start_making(f, vm) : -EAGAIN;
    if (code == 0) {
        vm->next = f->first;
        f->first = vm;
        f->n++;
        f->makers++;
    }
    pthread_mutex_unlock(&f->lock);
    if (code == 0) {
        http_reply_json(r, 201, reply);
        return;
    }
    json_decref(reply);
    free(vm);
    fcctl_refuse(r, room ? 500 : 503,
                 room ? "no thread can be started"
                      : "there are as many machines as this server may have (%u): delete one",
                 f->max_machines);
}

void fcctl_list(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    json_t *all = json_array();

    pthread_mutex_lock(&f->lock);
    for (struct fvm *vm = f->first; vm; vm = vm->next)
        if (!vm->going)
            json_array_append_new(all, describe(vm));
    pthread_mutex_unlock(&f->lock);
    http_reply_json(r, 200, json_pack("{s:o}", "vms", all));
}

void fcctl_show(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    const char *id = http_param(r, "id");

    pthread_mutex_lock(&f->lock);
    struct fvm *vm = find(f, id);
    json_t *o = vm ? describe(vm) : NULL;
    pthread_mutex_unlock(&f->lock);
    if (vm)
        http_reply_json(r, 200, o);
    else
        refuse_unknown(r, id);
}

/* ---------------------------------------------------------------------------------------------- removing */

static void unlink_vm(struct fcctl *f, struct fvm *vm)
{
    struct fvm **at = &f->first;

    while (*at != vm)
        at = &(*at)->next;
    *at = vm->next;
    f->n--;
}

void fcctl_delete(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    const char *id = http_param(r, "id");

    pthread_mutex_lock(&f->lock);
    struct fvm *vm = find(f, id);
    if (vm) {
        vm->going = true; /* nobody finds it from here on */
        while (vm->busy || vm->status == VM_CREATING) {
            if (vm->busy)
                machine_kill(vm->machine);
            fcctl_wait_a_little(f);
        }
        unlink_vm(f, vm);
    }
    pthread_mutex_unlock(&f->lock);
    if (!vm) {
        refuse_unknown(r, id);
        return;
    }
    machine_release(vm->machine);
    free(vm);
    http_reply_json(r, 200, json_pack("{s:s, s:s}", "id", id, "status", "deleted"));
}

void fcctl_release_all(struct fcctl *f)
{
    while (f->first) {
        struct fvm *vm = f->first;
        unlink_vm(f, vm);
        machine_release(vm->machine);
        free(vm);
    }
}

/* --------------------------------------------------------------------------------------------- snapshots */

static void refuse_err(struct http_request *r, const struct err *err)
{
    unsigned status = err->code == -ENOENT                                                   ? 404
                      : err->code == -EBUSY || err->code == -EEXIST || err->code == -ENOTSUP ? 409
                      : err->code == -EINVAL                                                 ? 400
                                                                                             : 500;

    fcctl_refuse(r, status, "%s", err->msg);
}

void fcctl_snapshot(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    _json_ json_t *body = fcctl_body(r);
    const char *name = body ? fcctl_text(r, body, "name", 255, "") : NULL;
    struct fvm *vm = name ? fcctl_take(r, http_param(r, "id")) : NULL;
    struct err err = {0};
    int64_t snapshot = 0;
    char id[32];

    if (!vm)
        return;
    int code = vm->snapshots < SNAPSHOTS_MAX
                   ? machine_snapshot(vm->machine, &(struct snapshot_spec){.name = name}, &snapshot, &err)
                   : err_set(&err, -EBUSY, "a machine has at most %d snapshots", SNAPSHOTS_MAX);
    if (code == 0)
        vm->snapshots++;
    snprintf(id, sizeof(id), "snap-%lld", (long long)snapshot);
    if (code == 0)
        http_reply_json(r, 201,
                        json_pack("{s:s, s:s, s:s}", "snapshot_id", id, "vm_id", vm->id, "name", name));
    else
        refuse_err(r, &err);
    fcctl_give_back(f, vm);
}

/* Only snapshots of that machine. */
static int64_t snapshot_of(struct fcctl *f, const struct fvm *vm, const char *id)
{
    uint64_t n = 0;
    const struct snapshot_row *row = str_starts(id, "snap-") && parse_u64(id + 5, &n) == 0 && n <= INT64_MAX
                                         ? store_get_snapshot(f->store, (int64_t)n)
                                         : NULL;
    bool its = row && row->machine_id == machine_id(vm->machine);

    snapshot_row_unref(row);
    return its ? (int64_t)n : 0;
}

void fcctl_rollback(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    const char *id = http_param(r, "snapshot");
    struct fvm *vm = fcctl_take(r, http_param(r, "id"));
    struct err err = {0};

    if (!vm)
        return;
    int64_t snapshot = snapshot_of(f, vm, id);
    if (!snapshot)
        fcctl_refuse(r, 404, "the machine has no snapshot '%.100s'", id);
    else if (machine_rollback(vm->machine, snapshot, &err) < 0)
        refuse_err(r, &err);
    else
        http_reply_json(
            r, 200, json_pack("{s:s, s:s, s:s}", "vm_id", vm->id, "snapshot_id", id, "status", "running"));
    fcctl_give_back(f, vm);
}
