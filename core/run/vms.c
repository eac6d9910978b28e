/* Machines by hand: who has one, one command at a time in each, and what it printed. */
#include "runfs/vms.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

struct vm {
    struct vm *next;
    int64_t id;
    struct machine *machine; /* owned; NULL: stopped */
    bool busy;               /* a thread works with it */
    bool going;              /* it is being removed: nobody may begin */
};

struct vms {
    struct store *store;
    struct machines *machines;
    pthread_mutex_t lock;
    pthread_cond_t idle; /* a vm is no longer busy */
    struct vm *first;
};

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

/* Takes it for this thread. */
static int take(struct vms *v, int64_t id, struct vm **ret, struct err *err)
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

static void give_back(struct vms *v, struct vm *vm)
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

/* A machine that was stopped, or whose agent has ended, is there again. */
static int wake(struct vms *v, struct vm *vm, struct err *err)
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
            if (wake(v, v->first, &err) < 0)
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

static void output_path(struct vms *v, int64_t id, int number, int stream, struct buf *ret)
{
    buf_addf(ret, "%s/vms/%lld", store_dir(v->store), (long long)id);
    if (number)
        buf_addf(ret, "/%d.%s", number, stream == 1 ? "stdout" : "stderr");
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
    output_path(v, id, 0, 0, &path);
    return buf_ok(&path) ? remove_tree(path.ptr) : -ENOMEM;
}

/* -------------------------------------------------------------------------------------------- commands */

struct output {
    struct vms *v;
    int fds[2];
    bool begun; /* that it runs can be read */
};

static int on_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct output *o = data;

    if (!o->begun)
        machines_flush(o->v->machines); /* whoever reads what it says finds that it runs */
    o->begun = true;
    return write_all(o->fds[stream == MACHINE_STDOUT ? 0 : 1], bytes, len);
}

static int open_output(struct vms *v, int64_t id, int number, struct output *o)
{
    _buf_ struct buf dir = BUF_INIT;

    o->v = v;
    output_path(v, id, 0, 0, &dir);
    int r = buf_ok(&dir) ? make_dirs(dir.ptr, 0700) : -ENOMEM;
    for (int i = 0; r == 0 && i < 2; i++) {
        _buf_ struct buf path = BUF_INIT;
        output_path(v, id, number, i + 1, &path);
        o->fds[i] =
            buf_ok(&path)
                ? open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)
                : -1;
        r = o->fds[i] < 0 ? -errno : 0;
    }
    return r;
}

static int run_script(struct vm *vm, const char *text, size_t len, struct output *o, struct command_row *row,
                      struct err *err)
{
    const struct machine_paths *paths = machine_paths(vm->machine);
    _buf_ struct buf script = BUF_INIT, home = BUF_INIT;
    struct machine_result result = {0};

    buf_addf(&script, "%s/command-%d", paths->temp, row->number);
    buf_addf(&home, "HOME=%s", paths->home);
    if (!buf_ok(&script) || !buf_ok(&home))
        return err_errno(err, -ENOMEM, "command");
    const char *const argv[] = {"bash", script.ptr, NULL};
    const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", home.ptr,
                               "LANG=C.UTF-8", "TERM=dumb", NULL};
    struct machine_file put = {.path = script.ptr, .mode = 0700, .data = text, .len = len};
    struct machine_exec x = {.argv = argv,
                             .env = env,
                             .cwd = paths->workspace,
                             .put = &put,
                             .n_put = 1,
                             .output = on_output,
                             .data = o};
    int r = machine_exec(vm->machine, &x, &result, err);
    if (r < 0)
        return r;
    row->exit_code = result.exit_code;
    row->duration_ns = result.duration_ns;
    const char *why = result.start_error ? result.start_error : result.limit[0] ? result.limit : NULL;
    if (why)
        (void)dprintf(o->fds[1], "%s\n", why);
    machine_result_release(&result);
    return 0;
}

static int run_command(struct vms *v, struct vm *vm, const char *text, size_t len, struct err *err)
{
    struct output o = {.fds = {-1, -1}};
    _buf_ struct buf copy = BUF_INIT;
    int64_t last = store_last_command(v->store, vm->id);
    const struct command_row *before = last ? store_get_command(v->store, last) : NULL;
    struct command_row row = {.machine_id = vm->id,
                              .number = before ? before->number + 1 : 1,
                              .exit_code = -1,
                              .started_at = now_ns(),
                              .changed_at = now_ns()};

    command_row_unref(before);
    buf_add(&copy, text, len);
    row.command = buf_str(&copy);
    int r = open_output(v, vm->id, row.number, &o);
    if (r < 0)
        err_errno(err, r, "cannot keep what it prints");
    else if ((r = store_put_command(v->store, &row, err)) == 0)
        r = run_script(vm, text, len, &o, &row, err);
    if (row.id) {
        if (r < 0) { /* it never ended of itself */
            row.exit_code = 137;
            row.duration_ns = now_ns() - row.started_at;
        }
        row.changed_at = now_ns();
        (void)store_put_command(v->store, &row, NULL);
    }
    cleanup_close(&o.fds[0]);
    cleanup_close(&o.fds[1]);
    return r;
}

static int check_text(const char *part, size_t len, struct err *err)
{
    return memchr(part, '\0', len) ? err_set(err, -EINVAL, "a command is UTF-8 text without NULs") : 0;
}

int vms_can_exec(struct vms *v, int64_t id, const char *part, size_t len, struct err *err)
{
    struct vm *vm = NULL;
    int r = check_text(part, len, err);

    if (r == 0)
        r = take(v, id, &vm, err);
    if (r < 0)
        return r;
    if (vm->machine && machine_state(vm->machine) == MACHINE_PAUSED)
        r = err_set(err, -EBUSY, "it is paused: resume it first");
    give_back(v, vm);
    return r;
}

int vms_exec(struct vms *v, int64_t id, const char *text, size_t len, struct err *err)
{
    struct vm *vm = NULL;

    int r = check_text(text, len, err);
    if (r < 0)
        return r;
    if (!utf8_valid(text, len))
        return err_set(err, -EINVAL, "a command is UTF-8 text without NULs");
    if (strspn(text, " \t\n") == len)
        return err_set(err, -EINVAL, "there is no command in it");
    r = take(v, id, &vm, err);
    if (r < 0)
        return r;
    r = wake(v, vm, err);
    if (r == 0 && machine_state(vm->machine) == MACHINE_PAUSED)
        r = err_set(err, -EBUSY, "it is paused: resume it first");
    if (r == 0)
        r = run_command(v, vm, text, len, err);
    machines_flush(v->machines);
    give_back(v, vm);
    return r;
}

int vms_output(struct vms *v, int64_t command_id, int stream)
{
    const struct command_row *row = store_get_command(v->store, command_id);
    _buf_ struct buf path = BUF_INIT;

    if (!row)
        return -ENOENT;
    output_path(v, row->machine_id, row->number, stream, &path);
    command_row_unref(row);
    int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    return fd < 0 ? -errno : fd;
}

/* ------------------------------------------------------------------------------------------- snapshots */

int vms_snapshot(struct vms *v, int64_t id, const char *name, struct err *err)
{
    struct vm *vm = NULL;
    int64_t snapshot;
    int r = name_check(name) < 0 ? err_set(err, -EINVAL, "'%.100s' cannot be a snapshot's name", name)
                                 : take(v, id, &vm, err);

    if (r < 0)
        return r;
    r = wake(v, vm, err);
    if (r == 0)
        r = machine_snapshot(vm->machine, &(struct snapshot_spec){.name = name}, &snapshot, err);
    machines_flush(v->machines);
    give_back(v, vm);
    return r;
}

int vms_rollback(struct vms *v, int64_t id, const char *name, struct err *err)
{
    struct vm *vm = NULL;
    int64_t snapshot = store_find_snapshot(v->store, id, name);
    int r = *name && snapshot
                ? take(v, id, &vm, err)
                : err_set(err, *name ? -ENOENT : -EINVAL,
                          *name ? "there is no snapshot '%s'" : "rollback needs a snapshot's name%s", name);

    if (r < 0)
        return r;
    r = wake(v, vm, err);
    if (r == 0)
        r = machine_rollback(vm->machine, snapshot, err);
    machines_flush(v->machines);
    give_back(v, vm);
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
    int r = take(v, id, &vm, err);
    if (r < 0)
        return r;
    if (!vm->machine) {
        r = err_set(err, -EINVAL, "it is stopped already");
    } else {
        machine_conclude(vm->machine, true, "stopped");
        machine_release(TAKE(vm->machine));
        machines_flush(v->machines);
    }
    give_back(v, vm);
    return r;
}
