/* Commands in machines by hand: one at a time in each, and what it printed, which is kept in files below the
 * state directory. */
#include "vms_internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"

void vm_output_path(struct vms *v, int64_t id, int number, int stream, struct buf *ret)
{
    buf_addf(ret, "%s/vms/%lld", store_dir(v->store), (long long)id);
    if (number)
        buf_addf(ret, "/%d.%s", number, stream == 1 ? "stdout" : "stderr");
}

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
    vm_output_path(v, id, 0, 0, &dir);
    int r = buf_ok(&dir) ? make_dirs(dir.ptr, 0700) : -ENOMEM;
    for (int i = 0; r == 0 && i < 2; i++) {
        _buf_ struct buf path = BUF_INIT;
        vm_output_path(v, id, number, i + 1, &path);
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
        r = vm_take(v, id, &vm, err);
    if (r < 0)
        return r;
    if (vm->machine && machine_state(vm->machine) == MACHINE_PAUSED)
        r = err_set(err, -EBUSY, "it is paused: resume it first");
    vm_give_back(v, vm);
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
    r = vm_take(v, id, &vm, err);
    if (r < 0)
        return r;
    r = vm_wake(v, vm, err);
    if (r == 0 && machine_state(vm->machine) == MACHINE_PAUSED)
        r = err_set(err, -EBUSY, "it is paused: resume it first");
    if (r == 0)
        r = run_command(v, vm, text, len, err);
    machines_flush(v->machines);
    vm_give_back(v, vm);
    return r;
}

int vms_output(struct vms *v, int64_t command_id, int stream)
{
    const struct command_row *row = store_get_command(v->store, command_id);
    _buf_ struct buf path = BUF_INIT;

    if (!row)
        return -ENOENT;
    vm_output_path(v, row->machine_id, row->number, stream, &path);
    command_row_unref(row);
    int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    return fd < 0 ? -errno : fd;
}
