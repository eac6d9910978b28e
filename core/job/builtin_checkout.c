/* actions/checkout: the host makes the work tree, with its .git; it goes into the machine as one stream. */
#include "background.h"
#include "builtin.h"
#include "runfs/event.h"
#include "runfs/str.h"

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

/* The pull request that a privileged event is about. Borrowed. */
struct pull {
    json_t *head;        /* its repository; NULL: there is none, or it is gone */
    const char *shas[2]; /* what its code goes by; "" */
};

static bool find_pull(const char *event, json_t *payload, struct pull *ret)
{
    json_t *pull = json_object_get(payload, "pull_request"), *run = json_object_get(payload, "workflow_run");
    const char *of = json_text_at(run, "event");

    if (str_eq(event, "pull_request_target")) {
        json_t *head = json_object_get(pull, "head");
        *ret = (struct pull){json_object_get(head, "repo"),
                             {json_text_at(head, "sha"), json_text_at(pull, "merge_commit_sha")}};
        return true;
    }
    if (!str_eq(event, "workflow_run") || !str_starts(of, "pull_request"))
        return false;
    *ret = (struct pull){json_object_get(run, "head_repository"),
                         {json_text_at(json_object_get(run, "head_commit"), "id"),
                          str_eq(of, "pull_request_target") ? "" : json_text_at(run, "head_sha")}};
    return true;
}

static bool same_repository(const json_t *a, const json_t *b)
{
    const json_t *id = json_object_get(a, "id"), *other = json_object_get(b, "id");

    if (json_is_integer(id) && json_is_integer(other))
        return json_equal(id, other);
    return str_empty(json_text_at(a, "full_name")) || str_empty(json_text_at(b, "full_name")) ||
           str_eq_ascii_nocase(json_text_at(a, "full_name"), json_text_at(b, "full_name"));
}

/* refs/pull/NUMBER/head or /merge. */
static bool is_pull_ref(const char *ref)
{
    const char *number = str_starts(ref, "refs/pull/") ? ref + strlen("refs/pull/") : "";
    size_t n = strspn(number, "0123456789");

    return n && (str_eq(number + n, "/head") || str_eq(number + n, "/merge"));
}

/* actions/checkout since its version 7, and 2 to 6 since July 2026: what runs with the base repository's
 * secrets does not take a fork's code by accident. */
static int refuse_fork(const struct running_step *s, const struct use *u, struct err *err)
{
    json_t *github = json_object_get(s->scope->contexts, "github"),
           *payload = json_object_get(github, "event");
    const char *event = json_text_at(github, "event_name"), *own = json_text_at(github, "repository"),
               *repository = builtin_input(u, "repository"), *ref = builtin_input(u, "ref");
    struct pull pull;

    if (builtin_flag(u, "allow-unsafe-pr-checkout", false) || !find_pull(event, payload, &pull) ||
        !json_is_object(pull.head) || same_repository(pull.head, json_object_get(payload, "repository")))
        return 0;
    repository = *repository ? repository : own;
    ref = *ref || !str_eq_ascii_nocase(repository, own) ? ref : json_text_at(github, "sha");
    bool wanted = str_eq_ascii_nocase(repository, json_text_at(pull.head, "full_name")) || is_pull_ref(ref);
    for (size_t i = 0; i < ARRAY_LEN(pull.shas); i++)
        wanted |= *pull.shas[i] && str_eq_ascii_nocase(ref, pull.shas[i]);
    if (!wanted)
        return 0;
    return err_set(
        err, -EPERM,
        "Refusing to check out fork pull request code from a '%s' workflow: it has this repository's "
        "secrets, and what it ran of the fork would have them too. Where that is meant, say "
        "`allow-unsafe-pr-checkout: true` at this step.",
        event);
}

void checkout_main(struct running_step *s, struct use *u)
{
    _buf_ struct buf dir = BUF_INIT;
    struct err err = {0};
    int r = refuse_fork(s, u, &err);

    if (r == 0)
        r = checkout_dir(s, builtin_input(u, "path"), &dir, &err);
    if (r == 0)
        r = checkout(s, u, buf_str(&dir), &err);
    if (r < 0)
        builtin_fail(s, &err);
}
