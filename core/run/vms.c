/* Machines by hand: how they come and go, who works with one, and their snapshots. */
#include "vms_internal.h"

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* ---------------------------------------------------------------------------------------------- labels */

int label_spec(struct store *st, const char *label, struct machine_label *ret_label, struct machine_spec *ret,
               struct err *err)
{
    _buf_ struct buf key = BUF_INIT, meaning = BUF_INIT;

    buf_addf(&key, "labels/%s", label);
    if (!buf_ok(&key) || store_setting(st, SETTING_CONFIG, buf_str(&key), &meaning) < 0)
        buf_adds(&meaning, label);
    int r = machine_label_parse(buf_str(&meaning), ret_label, err);
    if (r == 0)
        *ret = (struct machine_spec){.backend = ret_label->backend,
                                     .image = ret_label->image,
                                     .network = ret_label->network,
                                     .namespaces = ret_label->namespaces,
                                     .limits = ret_label->limits};
    return r;
}

int vms_check_label(struct store *st, const char *value, struct err *err)
{
    _machine_label_ struct machine_label label = {0};
    struct machine_spec spec;

    return label_spec(st, value, &label, &spec, err);
}

static void label_of(struct store *st, const char *name, struct buf *ret)
{
    _buf_ struct buf key = BUF_INIT;

    buf_addf(&key, "vms/%s", name);
    if (store_setting(st, SETTING_CONFIG, buf_str(&key), ret) < 0)
        buf_adds(ret, store_find_setting(st, SETTING_CONFIG, "labels/ubuntu-latest") ? "ubuntu-latest"
                                                                                     : "sandbox");
}

/* -------------------------------------------------------------------------------------- who works with it */

static struct vm *find(struct vms *v, int64_t id)
{
    struct vm *vm = v->first;

    while (vm && vm->id != id)
        vm = vm->next;
    return vm;
}

/* Not one of ours: say whose. */
static int refuse(struct vms *v, int64_t id, struct err *err)
{
    const struct machine_row *row = store_get_machine(v->store, id);
    int64_t job = row ? row->job_id : 0;

    machine_row_unref(row);
    if (job)
        return err_set(err, -EPERM, "this machine is a job's, and its steps are what runs in it");
    return row ? err_set(err, -EPERM, "this machine waits for a job")
               : err_set(err, -ENOENT, "there is no machine %lld", (long long)id);
}

int vm_take(struct vms *v, int64_t id, struct vm **ret, struct err *err)
{
    int r = 0;

    pthread_mutex_lock(&v->lock);
    struct vm *vm = find(v, id);
    if (vm && !vm->going && !vm->busy) {
        vm->busy = true;
        *ret = vm;
    } else if (vm) {
        r = err_set(err, -EBUSY, vm->going ? "it is being removed" : "a command runs in it");
    }
    pthread_mutex_unlock(&v->lock);
    return vm ? r : refuse(v, id, err);
}

void vm_give_back(struct vms *v, struct vm *vm)
{
    pthread_mutex_lock(&v->lock);
    vm->busy = false;
    pthread_cond_broadcast(&v->idle);
    pthread_mutex_unlock(&v->lock);
}

/* -------------------------------------------------------------------------------------------- boot and end
 */

static int boot(struct vms *v, const char *name, int64_t revive, struct machine **ret, struct err *err)
{
    _machine_label_ struct machine_label label = {0};
    _buf_ struct buf wanted = BUF_INIT, host = BUF_INIT, workspace = BUF_INIT;
    struct machine_spec spec;

    const struct machine_row *row = revive ? store_get_machine(v->store, revive) : NULL;
    if (row)
        buf_adds(&wanted, row->label);
    else
        label_of(v->store, name, &wanted);
    machine_row_unref(row);
    int r = label_spec(v->store, buf_str(&wanted), &label, &spec, err);
    if (r < 0)
        return r;
    buf_add_slug(&host, name, 60);
    for (char *p = host.ptr; p && *p; p++)
        if (*p == '.' || *p == '_')
            *p = '-';
    buf_addf(&workspace, "/home/runner/work/%s/%s", buf_str(&host), buf_str(&host));
    spec.name = buf_str(&host);
    spec.title = name;
    spec.label = buf_str(&wanted);
    spec.workspace = buf_str(&workspace);
    spec.keep = true;
    spec.revive = revive;
    return buf_ok(&workspace) ? machine_acquire(v->machines, &spec, ret, err)
                              : err_errno(err, -ENOMEM, "machine");
}

static int add(struct vms *v, struct machine *machine_take, int64_t id, struct err *err)
{
    struct vm *vm = calloc(1, sizeof(*vm));

    if (!vm) {
        machine_release(machine_take);
        return err_errno(err, -ENOMEM, "machine");
    }
    *vm = (struct vm){.id = id, .machine = machine_take};
    pthread_mutex_lock(&v->lock);
    vm->next = v->first;
    v->first = vm;
    pthread_mutex_unlock(&v->lock);
    return 0;
}

int vm_wake(struct vms *v, struct vm *vm, struct err *err)
{
    if (vm->machine && machine_state(vm->machine) == MACHINE_FAILED) {
        machine_release(TAKE(vm->machine));
        machines_flush(v->machines);
    }
    if (vm->machine)
        return 0;
    const struct machine_row *row = store_get_machine(v->store, vm->id);
    _free_ char *name = row ? strdup(row->title) : NULL;
    machine_row_unref(row);
    int r = name ? boot(v, name, vm->id, &vm->machine, err) : err_set(err, -ENOENT, "the machine is gone");
    machines_flush(v->machines);
    return r;
}

static void revive_all(struct vms *v)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_machines(v->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct machine_row *row = store_get_machine(v->store, ids[i]);
            struct err err = {0};
            bool ours = row && row->kept && !row->lives && !row->job_id;
            machine_row_unref(row);
            if (!ours || add(v, NULL, ids[i], &err) < 0)
                continue;
            if (vm_wake(v, v->first, &err) < 0)
                log_warning("vms", "%lld: does not boot: %s", (long long)ids[i], err.msg);
        }
        after = ids[n - 1];
    }
}

int vms_new(struct store *st, struct machines *ms, struct vms **ret, struct err *err)
{
    struct vms *v = calloc(1, sizeof(*v));

    if (!v)
        return err_errno(err, -ENOMEM, "machines by hand");
    v->store = st;
    v->machines = ms;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->idle, NULL);
    revive_all(v);
    *ret = v;
    return 0;
}

/* What runs in it is killed, and whoever works with it is waited for. With the lock held. */
static void wait_idle(struct vms *v, struct vm *vm)
{
    vm->going = true;
    if (vm->busy && vm->machine) {
        (void)machines_resume(v->machines, vm->id, NULL);
        machine_kill(vm->machine);
    }
    while (vm->busy)
        pthread_cond_wait(&v->idle, &v->lock);
}

void vms_free(struct vms *v)
{
    if (!v)
        return;
    pthread_mutex_lock(&v->lock);
    while (v->first) {
        struct vm *vm = v->first;
        wait_idle(v, vm);
        v->first = vm->next;
        machine_release(vm->machine);
        free(vm);
    }
    pthread_mutex_unlock(&v->lock);
    pthread_mutex_destroy(&v->lock);
    pthread_cond_destroy(&v->idle);
    free(v);
}

void vms_interrupt(struct vms *v)
{
    if (!v)
        return;
    pthread_mutex_lock(&v->lock);
    for (struct vm *vm = v->first; vm; vm = vm->next)
        if (vm->busy && vm->machine) {
            (void)machines_resume(v->machines, vm->id, NULL);
            machine_kill(vm->machine);
        }
    pthread_mutex_unlock(&v->lock);
}

static int check_name(const char *name, struct err *err)
{
    if (name_check(name) < 0 || strlen(name) > 100)
        return err_set(err, -EINVAL, "'%.100s' cannot be a machine's name", name);
    if (str_eq(name, "images") || str_ends(name, ".label"))
        return err_set(err, -EINVAL, "'%s' has a meaning of its own in vms/", name);
    if (str_starts(name, "run-") || str_starts(name, "warm-"))
        return err_set(err, -EINVAL, "names that begin with run- or warm- are those of jobs' machines");
    return 0;
}

int vms_make(struct vms *v, const char *name, struct err *err)
{
    struct machine *machine = NULL;
    int r = check_name(name, err);

    if (r == 0 && store_find_machine(v->store, name))
        r = err_set(err, -EEXIST, "there is a machine '%s' already", name);
    if (r == 0)
        r = boot(v, name, 0, &machine, err);
    if (r == 0)
        r = add(v, machine, machine_id(machine), err);
    machines_flush(v->machines);
    return r;
}

int vms_remove(struct vms *v, int64_t id, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    pthread_mutex_lock(&v->lock);
    struct vm *vm = find(v, id);
    if (vm && !vm->going) {
        wait_idle(v, vm);
        for (struct vm **p = &v->first; *p; p = &(*p)->next)
            if (*p == vm) {
                *p = vm->next;
                break;
            }
    } else if (vm) {
        pthread_mutex_unlock(&v->lock);
        return err_set(err, -EBUSY, "it is being removed");
    }
    pthread_mutex_unlock(&v->lock);
    if (!vm)
        return refuse(v, id, err);
    struct machine *machine = vm->machine;
    free(vm);
    if (machine) {
        machine_keep(machine, false);
        machine_release(machine);
        machines_flush(v->machines);
    } else {
        (void)machines_forget(v->machines, id, NULL);
    }
    vm_output_path(v, id, 0, 0, &path);
    return buf_ok(&path) ? remove_tree(path.ptr) : -ENOMEM;
}

/* ------------------------------------------------------------------------------------------- snapshots */

int vms_snapshot(struct vms *v, int64_t id, const char *name, struct err *err)
{
    struct vm *vm = NULL;
    int64_t snapshot;
    int r = name_check(name) < 0 ? err_set(err, -EINVAL, "'%.100s' cannot be a snapshot's name", name)
                                 : vm_take(v, id, &vm, err);

    if (r < 0)
        return r;
    r = vm_wake(v, vm, err);
    if (r == 0)
        r = machine_snapshot(vm->machine, &(struct snapshot_spec){.name = name}, &snapshot, err);
    machines_flush(v->machines);
    vm_give_back(v, vm);
    return r;
}

int vms_rollback(struct vms *v, int64_t id, const char *name, struct err *err)
{
    struct vm *vm = NULL;
    int64_t snapshot = store_find_snapshot(v->store, id, name);
    int r = *name && snapshot
                ? vm_take(v, id, &vm, err)
                : err_set(err, *name ? -ENOENT : -EINVAL,
                          *name ? "there is no snapshot '%s'" : "rollback needs a snapshot's name%s", name);

    if (r < 0)
        return r;
    r = vm_wake(v, vm, err);
    if (r == 0)
        r = machine_rollback(vm->machine, snapshot, err);
    machines_flush(v->machines);
    vm_give_back(v, vm);
    return r;
}

int vms_stop(struct vms *v, int64_t id, struct err *err)
{
    struct vm *vm = NULL;

    pthread_mutex_lock(&v->lock);
    vm = find(v, id);
    bool ours = vm != NULL;
    if (vm && vm->busy && vm->machine) { /* its command ends, as if it were killed */
        (void)machines_resume(v->machines, id, NULL);
        machine_kill(vm->machine);
        while (vm->busy && find(v, id) == vm)
            pthread_cond_wait(&v->idle, &v->lock);
    }
    pthread_mutex_unlock(&v->lock);
    if (!ours)
        return machines_stop(v->machines, id, err);
    int r = vm_take(v, id, &vm, err);
    if (r < 0)
        return r;
    if (!vm->machine) {
        r = err_set(err, -EINVAL, "it is stopped already");
    } else {
        machine_conclude(vm->machine, true, "stopped");
        machine_release(TAKE(vm->machine));
        machines_flush(v->machines);
    }
    vm_give_back(v, vm);
    return r;
}
