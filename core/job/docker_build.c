/* What the job knows of an action's Dockerfile: its text, the files beside it, and how the build goes. */
#include "background.h"
#include "builtin.h"
#include "docker.h"
#include "dockerfile_build.h"
#include "output.h"
#include "runfs/dockerfile.h"
#include "runfs/log_stream.h"
#include "runfs/str.h"

enum { CONTEXT_MAX = 1 << 30, LINE_MAX_SHOWN = 65536 };

/* What a build says. Nothing of it is obeyed; a secret may be in two chunks, but not in two lines. */
struct build_log {
    struct step_output *to;
    struct buf line; /* owned: what has no end yet */
};

static void show_lines(struct build_log *log, bool all)
{
    size_t n = all ? log->line.len : 0;

    for (size_t i = log->line.len; !n && i > 0; i--)
        n = log->line.ptr[i - 1] == '\n' ? i : 0;
    if (!n && log->line.len > LINE_MAX_SHOWN)
        n = log->line.len;
    if (n)
        output_emit(log->to, LOG_RUNNER, log->line.ptr, n);
    buf_drop(&log->line, n);
}

static int show_build(void *data, const char *bytes, size_t len)
{
    struct build_log *log = data;

    job_enter(log->to->job);
    buf_add(&log->line, bytes, len);
    if (buf_ok(&log->line))
        show_lines(log, false);
    int r = buf_ok(&log->line) ? log->to->failed : -ENOMEM;
    job_leave(log->to->job);
    return r;
}

/* What a .dockerignore leaves of a directory: names for tar, each with a NUL, in an order that is always the
 * same. */
static int list_files(struct running_step *s, const char *dir, const char *ignore, struct buf *ret,
                      struct err *err)
{
    char *const argv[] = {
        (char[]){"find"},   (char[]){"."},      (char[]){"-mindepth"}, (char[]){"1"},       (char[]){"-path"},
        (char[]){"./.git"}, (char[]){"-prune"}, (char[]){"-o"},        (char[]){"-print0"}, NULL};
    _buf_ struct buf found = BUF_INIT, errors = BUF_INIT;
    _strv_ char **names = NULL;
    size_t n = 0;
    int r = tool_run(s->job, &(struct tool){.argv = argv, .cwd = dir, .out = &found, .errors = &errors}, err);

    if (r > 0)
        return err_set(err, -EIO, "find: %.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors));
    for (size_t i = 0; r == 0 && i < found.len; i += strlen(found.ptr + i) + 1) {
        const char *name = found.ptr + i + strlen("./");
        if (!dockerfile_ignores(ignore, name))
            r = strv_add(&names, &n, strdup(found.ptr + i));
    }
    if (r == 0 && names)
        strv_sort(names, n);
    for (size_t i = 0; r == 0 && i < n; i++)
        buf_add(ret, names[i], strlen(names[i]) + 1);
    return r == 0 && buf_ok(ret) ? 0 : r < 0 && err->code ? r : err_errno(err, -ENOMEM, "%s", dir);
}

/* -ENOENT: there is none. */
static int read_ignore(struct running_step *s, const char *dir, const char *dockerfile, struct buf *ret,
                       struct err *err)
{
    _buf_ struct buf own = BUF_INIT, usual = BUF_INIT;
    size_t which;

    buf_addf(&own, "%s/%s.dockerignore", dir, dockerfile);
    buf_addf(&usual, "%s/.dockerignore", dir);
    const char *const paths[] = {buf_str(&own), buf_str(&usual)};
    return machine_read_first(s->job, paths, 2, DOCKERFILE_MAX, ret, &which, err);
}

/* names: those of files, as tar takes them; NULL: all of the directory, but what is git's. */
static int tar_files(struct running_step *s, const char *dir, const struct buf *names, struct scratch *ret,
                     struct err *err)
{
    _free_ char *at = strdup(dir);
    _buf_ struct buf errors = BUF_INIT, list = BUF_INIT;

    buf_addf(&list, "%s/files", machine_paths(s->job->machine)->files);
    if (!at || !buf_ok(&list))
        return err_errno(err, -ENOMEM, "%s", dir);
    char *argv[20] = {(char[]){"tar"},
                      (char[]){"-C"},
                      at,
                      (char[]){"--format=pax"},
                      (char[]){"--pax-option=delete=atime,delete=ctime"},
                      (char[]){"--sort=name"},
                      (char[]){"--mtime=@0"},
                      (char[]){"--owner=0"},
                      (char[]){"--group=0"},
                      (char[]){"--numeric-owner"},
                      (char[]){"--exclude=./.git"},
                      (char[]){"-cf"},
                      (char[]){"-"}};
    char *const all[] = {(char[]){"."}, NULL};
    char *const listed[] = {(char[]){"--no-recursion"}, (char[]){"--null"}, (char[]){"-T"}, list.ptr, NULL};
    struct machine_file file = {.path = list.ptr, .mode = 0600};
    size_t n = 0;
    while (argv[n])
        n++;
    memcpy(argv + n, names ? listed : all, names ? sizeof(listed) : sizeof(all));
    if (names) {
        file.data = buf_str(names);
        file.len = names->len;
    }
    int r = tool_run(s->job,
                     &(struct tool){.argv = argv,
                                    .file = names ? &file : NULL,
                                    .out_fd = ret->fd,
                                    .out_max = CONTEXT_MAX,
                                    .room = &ret->room,
                                    .errors = &errors},
                     err);
    if (r == -EFBIG)
        return err_set(err, r, "%s has more than %d MiB beside its Dockerfile", dir, CONTEXT_MAX >> 20);
    return r > 0 ? err_set(err, -EIO, "tar: %.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors))
                 : r;
}

/* The directory that its Dockerfile is in, as a tar that is the same for the same files. */
static int read_context(struct running_step *s, const char *dir, const char *dockerfile, struct scratch *ret,
                        struct err *err)
{
    _buf_ struct buf ignore = BUF_INIT, names = BUF_INIT;
    int r = read_ignore(s, dir, dockerfile, &ignore, err);
    bool all = r == -ENOENT;

    if (r == 0)
        r = list_files(s, dir, buf_str(&ignore), &names, err);
    if (r == 0 || all)
        r = builtin_scratch(s, ROOM_ARTIFACTS, ret, err);
    return r == 0 ? tar_files(s, dir, all ? NULL : &names, ret, err) : r;
}

int docker_build(struct running_step *s, struct use *u, struct err *err)
{
    const struct container_site *site = s->job->spec->site;
    _buf_ struct buf file = BUF_INIT, text = BUF_INIT;
    _scratch_ struct scratch context = {.fd = -1};
    struct build_log log = {.to = &s->output};
    size_t which;

    buf_addf(&file, "%s/%s", u->dir, u->action->image);
    const char *const paths[] = {buf_str(&file)};
    int r = machine_read_first(s->job, paths, 1, DOCKERFILE_MAX, &text, &which, err);
    if (r == -ENOENT)
        err_set(err, r, "there is no %s, of which the Docker action %s is to be built", buf_str(&file),
                u->def->uses);
    if (r < 0)
        return r;
    char *slash = strrchr(file.ptr, '/');
    *slash = '\0';
    r = read_context(s, file.ptr, slash + 1, &context, err);
    *slash = '/';
    if (r < 0)
        return r;
    output_runner_line(&s->output, "##[group]Building the image of %s", u->def->uses);
    const struct image_build build = {.name = u->def->uses,
                                      .file = u->action->image,
                                      .text = buf_str(&text),
                                      .context_fd = context.fd,
                                      .beside = s->job->machine,
                                      .deadline_mono_ns = step_deadline(s),
                                      .output = show_build,
                                      .data = &log};
    job_leave(s->job);
    r = dockerfile_build(site, &build, &u->image, err);
    job_enter(s->job);
    if (log.line.len)
        show_lines(&log, true);
    buf_release(&log.line);
    output_runner_line(&s->output, "##[endgroup]");
    return r;
}
