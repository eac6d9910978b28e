/* A Dockerfile, carried out: stage after stage, each in machines of what it has come to so far. */
#include "dockerfile_build.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { LOOK_US = 50000 };
#define NAME_BEGINS "runfs.local/dockerfile:"

int build_no_memory(const struct build *b)
{
    return err_errno(b->err, -ENOMEM, "%s", b->of->file);
}

int build_refuse(struct build *b, const struct dockerfile_instruction *in, const char *fmt, ...)
{
    _buf_ struct buf words = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&words, fmt, ap);
    va_end(ap);
    return err_set(b->err, -EINVAL, "%s:%u: %.*s", b->of->file, in->line,
                   (int)utf8_valid_prefix(buf_str(&words), words.len), buf_str(&words));
}

int build_say(struct build *b, const char *fmt, ...)
{
    _buf_ struct buf line = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&line, fmt, ap);
    va_end(ap);
    buf_addc(&line, '\n');
    return b->of->output(b->of->data, buf_str(&line), line.len);
}

int build_scratch(struct build *b)
{
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/containers", b->place.dir);
    int fd = buf_ok(&dir) ? open(dir.ptr, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
    return fd < 0 ? err_errno(b->err, -errno, "cannot make a file in %s", buf_str(&dir)) : fd;
}

/* ---------------------------------------------------------------------------------------------- machines */

void build_release_machine(struct build *b, struct machine *m)
{
    if (!m)
        return;
    container_end_action(b->site, m);
}

static int acquire(struct build *b, const char *image, const char *user, bool for_image, struct machine **ret)
{
    _buf_ struct buf title = BUF_INIT;

    buf_addf(&title, "%s-build", b->site->title);
    struct machine_spec spec = {.backend = "sandbox",
                                .image = image,
                                .over = b->tools,
                                .for_image = for_image,
                                .user = user,
                                .name = "build",
                                .workspace = "/github/workspace",
                                .title = buf_str(&title),
                                .run_id = b->site->run_id,
                                .job_id = b->site->job_id,
                                .cancelled = b->site->cancelled};
    machine_bounds(b->of->beside, &spec);
    int r = machine_acquire(b->site->machines, &spec, ret, b->err);
    if (r == 0 && !b->site->enlist(b->site->data, *ret)) {
        machine_release(TAKE(*ret));
        r = err_set(b->err, -EAGAIN, "too many machines of one job at once");
    }
    return r;
}

int build_open_image(struct build *b, const char *image, struct machine **ret)
{
    return acquire(b, image, "", false, ret);
}

struct output {
    struct build *b;
    int out_fd;
};

static int take_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    const struct output *o = data;

    if (o->out_fd > 0 && stream == MACHINE_STDOUT)
        return file_system_full(o->out_fd) ? -ENOSPC : write_all(o->out_fd, bytes, len);
    return o->b->of->output(o->b->of->data, bytes, len);
}

int build_run(struct build *b, struct machine *m, const struct build_command *c)
{
    struct output output = {.b = b, .out_fd = c->out_fd};
    struct machine_exec x = {.argv = c->argv,
                             .env = c->env,
                             .cwd = c->cwd,
                             .put = c->put,
                             .n_put = c->put != NULL,
                             .output = take_output,
                             .data = &output,
                             .deadline_mono_ns = b->of->deadline_mono_ns,
                             .cancelled = b->site->cancelled};
    struct machine_result result = {0};
    int r = machine_exec(m, &x, &result, b->err);

    if (r == 0 && result.start_error)
        r = err_set(b->err, -ENOENT, "%s", result.start_error);
    else if (r == 0 && result.timed_out)
        r = err_set(b->err, -ETIMEDOUT, "%s: its time is over", b->of->file);
    else if (r == 0 && result.cancelled)
        r = err_set(b->err, -ECANCELED, "The operation was canceled.");
    else if (r == 0 && *result.limit)
        r = err_set(b->err, -EIO, "%s", result.limit);
    else if (r == 0)
        r = result.exit_code;
    machine_result_release(&result);
    return r;
}

/* ------------------------------------------------------------------------------------------------ layers */

static json_t *config_of(const struct build *b)
{
    return json_pack("{s:o, s:O*, s:O*, s:s*, s:s*}", "Env", build_variables(b->env, NULL), "Entrypoint",
                     b->entrypoint, "Cmd", b->command, "User", b->user, "WorkingDir", b->directory);
}

/* What an image without layers begins with: a tar of nothing. */
static int write_nothing(struct build *b, int fd)
{
    static const char ends[1024];
    int r = write_all(fd, ends, sizeof(ends));

    return r < 0 ? err_errno(b->err, r, "%s", b->of->file) : 0;
}

static bool is_unwanted(void *build)
{
    const struct build *b = build;

    return atomic_load(b->site->cancelled);
}

/* What the machine has written, and what was said of the image, become one of that name. */
static int keep(struct build *b, const char *name)
{
    struct oci_image made = {.lock = -1};
    bool layer = b->machine || !b->image.record;
    _close_ int fd = layer ? build_scratch(b) : -1;
    _json_ json_t *config = config_of(b);
    int r = layer && fd < 0 ? fd : config ? 0 : build_no_memory(b);

    if (r == 0 && layer)
        r = b->machine ? machine_write_layer(b->machine, fd, b->err) : write_nothing(b, fd);
    build_release_machine(b, TAKE(b->machine));
    free(TAKE(b->machine_user));
    b->context = false;
    if (r < 0)
        return r;
    const struct oci_addition a = {.base = b->image.record ? &b->image : NULL,
                                   .layer_fd = fd,
                                   .config = config,
                                   .name = name,
                                   .source = b->of->name,
                                   .most = b->place.most};
    proc_until(is_unwanted, b);
    r = oci_add(b->place.dir, &a, &made, b->err);
    proc_until(NULL, NULL);
    if (r < 0)
        return r;
    oci_release(&b->image);
    b->image = made;
    return 0;
}

/* What a stage has come to before it is whole has a name of its own, which goes with the build. */
static void passing_name(const struct build *b, size_t stage, struct buf *ret)
{
    buf_addf(ret, NAME_BEGINS "%.32s-%zu", b->key, stage);
}

int build_machine(struct build *b, const char *user)
{
    _buf_ struct buf name = BUF_INIT, image = BUF_INIT;
    bool other = b->machine && !str_eq(b->machine_user, user);
    int r = 0;

    passing_name(b, b->stage, &name);
    if (!buf_ok(&name))
        return build_no_memory(b);
    if (other || !b->image.record)
        r = keep(b, name.ptr);
    if (r < 0 || b->machine)
        return r;
    buf_addf(&image, "sha256:%s", b->image.id);
    b->machine_user = strdup(user);
    if (!buf_ok(&image) || !b->machine_user)
        return build_no_memory(b);
    return acquire(b, image.ptr, user, true, &b->machine);
}

/* ------------------------------------------------------------------------------------------------ stages */

static void forget_stage(struct build *b)
{
    build_release_machine(b, TAKE(b->machine));
    free(TAKE(b->machine_user));
    oci_release(&b->image);
    json_decref(TAKE(b->env));
    json_decref(TAKE(b->args));
    json_decref(TAKE(b->shell));
    json_decref(TAKE(b->entrypoint));
    json_decref(TAKE(b->command));
    free(TAKE(b->user));
    free(TAKE(b->directory));
    b->own_command = b->context = false;
}

static char *copy_or_null(const char *s)
{
    return s ? strdup(s) : NULL;
}

/* What it begins with says something of itself. */
static int begin_stage(struct build *b, size_t i)
{
    struct dockerfile_stage *s = &b->stages[i];
    _container_ struct container *earlier = NULL;
    const struct container *c = s->base;
    int r = 0;

    forget_stage(b);
    b->stage = i;
    if (s->earlier >= 0)
        r = container_of_image(&b->place, b->stages[s->earlier].image, &earlier, b->err);
    c = earlier ? earlier : c;
    if (r == 0 && c)
        r = oci_open(b->place.dir, c->image, &b->image, b->err);
    if (r < 0)
        return r;
    b->env = c ? json_copy(c->env) : json_object();
    b->args = json_object();
    b->entrypoint = c ? json_incref(c->entrypoint) : NULL;
    b->command = c ? json_incref(c->command) : NULL;
    b->user = c ? copy_or_null(c->user) : NULL;
    b->directory = c ? copy_or_null(c->directory) : NULL;
    return b->env && b->args ? 0 : build_no_memory(b);
}

static int build_stage(struct build *b, size_t i)
{
    struct dockerfile_stage *s = &b->stages[i];
    _buf_ struct buf name = BUF_INIT;
    int r = begin_stage(b, i);

    for (size_t k = s->begin; r == 0 && k < s->end; k++)
        r = build_instruction(b, &b->d.list[k]);
    if (i + 1 == b->n_stages)
        buf_addf(&name, NAME_BEGINS "%.32s", b->key);
    else
        passing_name(b, i, &name);
    if (r == 0)
        r = buf_ok(&name) ? keep(b, name.ptr) : build_no_memory(b);
    if (r == 0)
        s->image = buf_steal(&name);
    return r;
}

/* What is left of the stages is of no use to anybody. */
static void drop_passing(const struct build *b)
{
    for (size_t i = 0; i < b->n_stages; i++) {
        _buf_ struct buf name = BUF_INIT;
        passing_name(b, i, &name);
        if (buf_ok(&name))
            (void)oci_remove(b->place.dir, name.ptr, NULL);
    }
}

/* --------------------------------------------------------------------------------------------- the whole */

static void build_release(struct build *b)
{
    forget_stage(b);
    for (size_t i = 0; i < b->n_stages; i++) {
        free(b->stages[i].name);
        free(b->stages[i].image);
        container_free(b->stages[i].base);
    }
    free(b->stages);
    free(b->tools);
    cleanup_close(&b->tools_lock);
    json_decref(b->globals);
    dockerfile_release(&b->d);
}

static int build_all(struct build *b)
{
    bool node;
    int r = oci_tools(b->place.dir, &b->tools, &node, &b->tools_lock, b->err);

    for (size_t i = 0; r == 0 && i < b->n_stages; i++)
        if (b->stages[i].needed)
            r = build_stage(b, i);
    forget_stage(b);
    drop_passing(b);
    return r;
}

/* One builds it at a time, so that jobs of one matrix do not take its stages away from each other; the others
 * find it built. A lock, with its file, that goes with whoever has it; `path` is to be removed before that.
 */
static int lock_key(struct build *b, struct buf *path)
{
    struct stat st;

    buf_addf(path, "%s/containers/.building-%.32s", b->place.dir, b->key);
    if (!buf_ok(path))
        return build_no_memory(b);
    for (;; usleep(LOOK_US)) {
        _close_ int fd = open(path->ptr, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_errno(b->err, -errno, "cannot make %s", path->ptr);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
            return TAKE_FD(fd);
        if (is_unwanted(b))
            return err_set(b->err, -ECANCELED, "The operation was canceled.");
        if (b->of->deadline_mono_ns && mono_ns() >= b->of->deadline_mono_ns)
            return err_set(b->err, -ETIMEDOUT, "%s: its time is over", b->of->file);
    }
}

static int build_once(struct build *b, const char *name)
{
    _oci_image_ struct oci_image made = {.lock = -1};
    _buf_ struct buf path = BUF_INIT;
    _close_ int lock = lock_key(b, &path);

    if (lock < 0)
        return lock;
    int r = oci_open(b->place.dir, name, &made, NULL) < 0
                ? build_all(b)
                : build_say(b, "%s has been built of the same before", b->of->file);
    (void)unlink(path.ptr);
    return r;
}

static int build(struct build *b, char **ret_image)
{
    _buf_ struct buf name = BUF_INIT;
    int r = dockerfile_parse(b->of->file, b->of->text, &b->d, b->err);

    b->globals = json_object();
    if (r == 0)
        r = build_find_stages(b);
    if (r == 0)
        r = build_find_key(b);
    buf_addf(&name, NAME_BEGINS "%.32s", b->key);
    if (r == 0)
        r = buf_ok(&name) ? build_once(b, name.ptr) : build_no_memory(b);
    if (r == 0)
        *ret_image = buf_steal(&name);
    return r;
}

int dockerfile_build(const struct container_site *site, const struct image_build *of, char **ret_image,
                     struct err *err)
{
    struct err own = {0};
    struct build b = {.of = of,
                      .site = site,
                      .place = site->place(site->data),
                      .image.lock = -1,
                      .tools_lock = -1,
                      .err = err ? err : &own};

    if (!str_eq(machine_backend(of->beside), "sandbox"))
        return err_set(b.err, -ENOTSUP,
                       "a Docker action needs a job that runs in a sandbox, and this one's runs in %s",
                       machine_backend(of->beside));
    int r = build(&b, ret_image);
    build_release(&b);
    return r;
}
