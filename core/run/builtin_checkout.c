/* actions/checkout: the host makes the work tree, with its .git; it goes into the machine as one stream. */
#include "background.h"
#include "builtin.h"
#include "runfs/str.h"

void checked_out_release(struct checked_out *c)
{
    if (c->tar_fd >= 0)
        close(c->tar_fd);
    free(c->ref);
    free(c->sha);
    free(c->words);
    *c = (struct checked_out){.tar_fd = -1};
}

/* Where it goes: the workspace, or a directory below it. */
static int checkout_dir(const struct running_step *s, const char *path, struct buf *ret, struct err *err)
{
    const char *workspace = machine_paths(s->job->machine)->workspace;
    _free_ char *copy = strdup(path);
    bool outside = *path == '/' && !(str_starts(path, workspace) && strchr("/", path[strlen(workspace)]));

    for (char *save = NULL, *part = copy ? strtok_r(copy, "/", &save) : NULL; part;
         part = strtok_r(NULL, "/", &save))
        outside |= str_eq(part, "..");
    builtin_path(s, path, ret);
    if (outside || !copy)
        return err_set(err, -EINVAL, "Repository path '%s' is not under '%s'", path, workspace);
    return 0;
}

/*
 * A work tree that is no repository is emptied, one that is loses what is not its own; with `clean: false` a
 * repository keeps what is there. Never through a link that leads out of the workspace: an earlier step may
 * have made one.
 */
static int make_room(struct running_step *s, const char *dir, bool clean, struct err *err)
{
    static char script[] = "mkdir -p -- \"$1\" && cd -- \"$1\" && w=$(cd -- \"$3\" && pwd -P) || exit; "
                           "case $(pwd -P)/ in \"$w\"/*) ;; "
                           "*) echo \"Repository path '$1' is not under '$3'\" >&2; exit 1 ;; esac; "
                           "{ [ \"$2\" = keep ] && [ -e .git ]; } || find . -mindepth 1 -delete";
    _buf_ struct buf errors = BUF_INIT;
    char *const argv[] = {(char[]){"sh"},
                          (char[]){"-c"},
                          script,
                          (char[]){"sh"},
                          (char *)(uintptr_t)dir,
                          clean ? (char[]){"clean"} : (char[]){"keep"},
                          (char *)(uintptr_t)machine_paths(s->job->machine)->workspace,
                          NULL};
    int r = tool_run(s->job, &(struct tool){.argv = argv, .cwd = "/", .errors = &errors}, err);

    return r > 0 ? err_set(err, -EIO, "%.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors)) : r;
}

/* Times and inodes differ from those that the index was written with: git looks once, not at each command. */
static void refresh_index(struct running_step *s, const char *dir)
{
    char *const argv[] = {(char[]){"git"}, (char[]){"update-index"}, (char[]){"-q"}, (char[]){"--refresh"},
                          NULL};

    (void)tool_run(s->job, &(struct tool){.argv = argv, .cwd = dir}, NULL);
}

static int checkout(struct running_step *s, const struct use *u, const char *dir, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;
    struct checked_out done = {.tar_fd = -1};
    const char *submodules = builtin_input(u, "submodules");
    struct checkout what = {.repository = builtin_input(u, "repository"),
                            .ref = builtin_input(u, "ref"),
                            .depth = (int)builtin_number(u, "fetch-depth", 1),
                            .tags = builtin_flag(u, "fetch-tags", false),
                            .submodules = str_eq_ascii_nocase(submodules, "true") ||
                                          str_eq_ascii_nocase(submodules, "recursive"),
                            .nested = str_eq_ascii_nocase(submodules, "recursive"),
                            .filter = builtin_input(u, "filter"),
                            .sparse = builtin_input(u, "sparse-checkout"),
                            .cone = builtin_flag(u, "sparse-checkout-cone-mode", true),
                            .token = builtin_input(u, "token")};

    if (!outside || !outside->checkout)
        return err_set(err, -ENOTSUP, "repositories cannot be checked out here");
    job_leave(s->job);
    int r = outside->checkout(outside->data, &what, &done, err);
    job_enter(s->job);
    if (r == 0 && done.words && *done.words)
        output_runner_line(&s->output, "%.*s", (int)(strlen(done.words) - str_ends(done.words, "\n")),
                           done.words);
    if (r == 0)
        r = make_room(s, dir, builtin_flag(u, "clean", true), err);
    if (r == 0)
        r = job_put_tree(s->job, dir, done.tar_fd, err);
    if (r == 0) {
        refresh_index(s, dir);
        builtin_output(s, "ref", done.ref);
        builtin_output(s, "commit", done.sha);
    }
    checked_out_release(&done);
    return r;
}

void checkout_main(struct running_step *s, struct use *u)
{
    _buf_ struct buf dir = BUF_INIT;
    struct err err = {0};
    int r = checkout_dir(s, builtin_input(u, "path"), &dir, &err);

    if (r == 0)
        r = checkout(s, u, buf_str(&dir), &err);
    if (r < 0)
        builtin_fail(s, &err);
}
