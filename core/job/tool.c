/* Programs of the runner's own in a job's machine, whose output is not shown; and files that are put and read
 * by one that does nothing. */
#include "process.h"
#include "runfs/io.h"
#include "runfs/oci.h"

struct kept {
    struct buf *streams[3];
    int out_fd;
    int64_t out_max, written; /* of out_fd */
    struct room *room;        /* borrowed; NULL: none */
    struct err *err;          /* borrowed: why there was no room */
    size_t max;
};

static int keep_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct kept *k = data;
    struct buf *b = k->streams[stream];

    if (stream == MACHINE_STDOUT && k->out_fd > 0) {
        k->written += (int64_t)len;
        if (k->out_max && k->written > k->out_max)
            return -EFBIG;
        return k->room && room_hold(k->room, k->written, k->err) < 0 ? -EDQUOT
                                                                     : write_all(k->out_fd, bytes, len);
    }
    if (b && b->len + len > k->max)
        return -EFBIG;
    if (b)
        buf_add(b, bytes, len);
    return b && !buf_ok(b) ? -ENOMEM : 0;
}

static int run_quietly(struct running_job *j, struct machine_exec *x, struct err *err)
{
    static const char *const env[] = {"PATH=" OCI_TOOLS
                                      ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", NULL};
    struct machine_result result = {0};

    if (!x->env)
        x->env = env;
    x->deadline_mono_ns = j->until;
    int r = job_exec(j, x, &result, err);
    if (r == 0 && result.start_error)
        r = err_set(err, result.exit_code == 127 ? -ENOENT : -EIO, "%s", result.start_error);
    else if (r == 0 && (result.cancelled || result.timed_out))
        r = err_set(err, -ECANCELED, "The operation was canceled.");
    else if (r == 0)
        r = result.exit_code;
    machine_result_release(&result);
    return r;
}

int tool_run(struct running_job *j, const struct tool *t, struct err *err)
{
    struct err full = {0};
    struct kept kept = {.streams = {NULL, t->out, t->errors},
                        .out_fd = t->out_fd,
                        .out_max = t->out_max,
                        .room = t->room,
                        .err = &full,
                        .max = t->max ? t->max : 64u << 20};
    struct machine_exec x = {.argv = (const char *const *)t->argv,
                             .env = (const char *const *)t->env,
                             .cwd = t->cwd ? t->cwd : machine_paths(j->machine)->workspace,
                             .put = t->file,
                             .n_put = t->file != NULL,
                             .output = keep_output,
                             .data = &kept};

    int r = run_quietly(j, &x, err);
    return r == -EDQUOT ? err_set(err, r, "%s", full.msg) : r;
}

void job_put_event(struct running_job *j)
{
    static const char *const nothing[] = {"true", NULL};
    struct process_files files = {0};

    if (j->event_written)
        return;
    process_files_add_shared(j, &files);
    struct machine_exec x = {.argv = nothing, .cwd = "/", .put = files.put, .n_put = files.n_put};
    j->event_written = run_quietly(j, &x, NULL) == 0;
    process_files_release(&files);
}

int machine_read_first(struct running_job *j, const char *const *paths, size_t n, size_t max, struct buf *ret,
                       size_t *ret_which, struct err *err)
{
    static const char *const nothing[] = {"true", NULL};
    struct kept kept = {.max = 0};
    struct machine_file get[4] = {0};
    int r = 0;

    if (n > ARRAY_LEN(get))
        return -E2BIG;
    for (size_t i = 0; i < n; i++)
        get[i] = (struct machine_file){.path = paths[i], .max = max};
    struct machine_exec x = {
        .argv = nothing, .cwd = "/", .get = get, .n_get = n, .output = keep_output, .data = &kept};
    r = run_quietly(j, &x, err);
    size_t i = 0;
    while (r == 0 && i < n && (get[i].error == -ENOENT || get[i].error == -ENOTDIR))
        i++;
    if (r == 0 && i == n) {
        r = -ENOENT;
    } else if (r == 0 && get[i].error) {
        r = err_errno(err, get[i].error, "%s", paths[i]);
    } else if (r == 0) {
        buf_add(ret, buf_str(&get[i].got), get[i].got.len);
        *ret_which = i;
    }
    for (i = 0; i < n; i++)
        buf_release(&get[i].got);
    return r;
}
