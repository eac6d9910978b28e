/* Finding the action that a step uses: part of runfs, a tree fetched at a ref, the repository's own or a path
 * of the workspace; and its manifest. */
#include "job_internal.h"
#include "runfs/str.h"

enum { MANIFEST_MAX = 1024 * 1024, NEST_MAX = 9 /* GitHub's runner: composites ten deep */, USES_MAX = 2000 };

bool use_is_local(const struct use *u)
{
    return str_starts(u->def->uses, "./") || str_starts(u->def->uses, ".\\");
}

bool use_is_docker(const struct use *u)
{
    return str_starts(u->def->uses, "docker://") || (u->action && u->action->using == ACTION_DOCKER);
}

static int nesting(const struct use *u)
{
    int n = 0;

    for (u = u->outer; u; u = u->outer)
        n++;
    return n;
}

/* Gitea's and Forgejo's workflows may name an action by its address (Gitea documentation, "Absolute action
 * URLs"). GitHub's are the same ones without it. */
static int strip_address(const struct use *u, const char **uses, struct err *err)
{
    static const char github[] = "https://github.com/";

    if (str_starts(*uses, github))
        *uses += strlen(github);
    else if (u->job->spec->workflow->forge == FORGE_GITHUB && strstr(*uses, "://"))
        return err_set(
            err, -EINVAL,
            "'%s': an action is named {org}/{repo}[/path]@ref, and config/actions_mirror (or `runfs "
            "run --actions-mirror`) says where it comes from",
            *uses);
    return 0;
}

/* owner/name[/path]@ref in its parts; ret_path may be empty. */
static int split_uses(struct use *u, struct buf *ret_path, struct err *err)
{
    const char *from = u->def->uses;
    int r = strip_address(u, &from, err);

    if (r < 0)
        return r;
    const char *uses = forge_behind_host(from);
    const char *at = strrchr(uses, '@'), *slash = strchr(uses, '/');
    const char *end = at ? at : uses + strlen(uses);
    const char *path = slash ? memchr(slash + 1, '/', (size_t)(end - slash - 1)) : NULL;

    if (!at || !at[1] || !slash || slash > at || slash == uses || slash + 1 == (path ? path : at))
        return err_set(err, -EINVAL,
                       "Expected format {org}/{repo}[/path]@ref. Actual '%s'. Please check that the action "
                       "reference is correct.",
                       uses);
    free(u->repository);
    free(u->from);
    free(u->ref);
    u->repository = strndup(uses, (size_t)((path ? path : at) - uses));
    u->from = strndup(from, (size_t)((path ? path : at) - from));
    u->ref = strdup(at + 1);
    if (path)
        buf_add(ret_path, path + 1, (size_t)(at - path - 1));
    while (ret_path->len && ret_path->ptr[ret_path->len - 1] == '/')
        ret_path->ptr[--ret_path->len] = '\0';
    return u->repository && u->from && u->ref && buf_ok(ret_path) ? 0 : err_errno(err, -ENOMEM, "%s", uses);
}

/* Whether some use of this job has brought that repository at that ref into the machine. */
static bool is_fetched(const struct use *u)
{
    for (const struct use *o = u->job->uses; o; o = o->next)
        if (o != u && o->dir && o->from && str_eq(o->from, u->from) && str_eq(o->ref, u->ref))
            return true;
    return false;
}

static int fetch(struct use *u, const char *dir, struct step_output *log, struct err *err)
{
    const struct job_outside *outside = u->job->spec->outside;
    _close_ int tar_fd = -1;
    char sha[41] = "";

    if (is_fetched(u))
        return 0;
    if (!outside || !outside->action)
        return err_set(err, -ENOTSUP, "%s: actions of other repositories cannot be fetched here",
                       u->def->uses);
    int r = outside->action(outside->data, u->from, u->ref, sha, &tar_fd, err);
    if (r == 0)
        r = job_put_tree(u->job, dir, tar_fd, err);
    if (r == 0)
        output_runner_line(log, "Download action repository '%s@%s' (SHA:%s)", u->from, u->ref, sha);
    return r;
}

/* Toolchains can be downloaded by those who have the real action at hand. */
static bool is_replaced(const struct use *u)
{
    const struct job_outside *outside = u->job->spec->outside;

    return u->builtin->replaceable && outside && outside->mirrored &&
           outside->mirrored(outside->data, u->builtin->repository);
}

/* Where actions stand in the machine: beside the temporary directory, as on GitHub. */
static void actions_dir(const struct use *u, struct buf *ret)
{
    const char *temp = machine_paths(u->job->machine)->temp, *slash = strrchr(temp, '/');

    buf_addf(ret, "%.*s/_actions", (int)(slash ? slash - temp : 0), temp);
}

/* Where it stands there: _actions/NAME/REF, or _actions/HOST/NAME/REF. */
static void repository_dir(const struct use *u, struct buf *ret)
{
    const char *host = strstr(u->from, "://");

    actions_dir(u, ret);
    buf_addc(ret, '/');
    for (const char *p = host ? host + 3 : u->from; *p; p++)
        buf_addc(ret, *p == ':' ? '_' : *p);
    buf_addf(ret, "/%s", u->ref);
}

/* `$/path`: an action of the repository that the file with the step comes from, checked out or not. */
static bool use_is_own(const struct use *u)
{
    return str_starts(u->def->uses, "$/");
}

static int own_tree(struct use *u, const char *dir, struct err *err)
{
    const struct job_outside *outside = u->job->spec->outside;
    struct checked_out tree = {.tar_fd = -1};
    int r = 0;

    for (const struct use *o = u->job->uses; o; o = o->next)
        if (o != u && o->dir && use_is_own(o) && !o->repository)
            return 0;
    if (!outside || !outside->checkout)
        return err_set(err, -ENOTSUP, "%s: the repository cannot be had here", u->def->uses);
    r = outside->checkout(
        outside->data,
        &(struct checkout){.repository = "", .ref = "", .depth = 1, .filter = "", .sparse = "", .token = ""},
        &tree, err);
    if (r == 0)
        r = job_put_tree(u->job, dir, tree.tar_fd, err);
    checked_out_release(&tree);
    return r;
}

/* Where the file with the step comes from, when that is not the run's own repository. */
static bool comes_from(const struct use *u, const char **ret_repository, const char **ret_ref)
{
    const struct job_spec *spec = u->job->spec;
    json_t *job = json_object_get(spec->contexts, "job");
    const char *own =
        json_string_value(json_object_get(json_object_get(spec->contexts, "github"), "repository"));

    if (u->outer && u->outer->from) {
        *ret_repository = u->outer->from;
        *ret_ref = u->outer->ref;
        return true;
    }
    *ret_repository = json_string_value(json_object_get(job, "workflow_repository"));
    *ret_ref = json_string_value(json_object_get(job, "workflow_sha"));
    return !u->outer && own && !str_empty(*ret_repository) && !str_empty(*ret_ref) &&
           !str_eq_ascii_nocase(own, *ret_repository);
}

static int own_dir(struct use *u, struct step_output *log, struct err *err)
{
    const char *repository, *ref;
    _buf_ struct buf root = BUF_INIT;
    int r;

    if (comes_from(u, &repository, &ref)) {
        u->repository = strdup(forge_behind_host(repository));
        u->from = strdup(repository);
        u->ref = strdup(ref);
        if (!u->repository || !u->from || !u->ref)
            return err_errno(err, -ENOMEM, "%s", u->def->uses);
        repository_dir(u, &root);
        r = fetch(u, buf_str(&root), log, err);
    } else {
        actions_dir(u, &root);
        buf_adds(&root, "/_own");
        r = own_tree(u, buf_str(&root), err);
    }
    if (r < 0)
        return r;
    buf_addf(&root, "/%s", u->def->uses + 2);
    u->dir = buf_steal(&root);
    return u->dir ? 0 : err_errno(err, -ENOMEM, "%s", u->def->uses);
}

static int remote_dir(struct use *u, struct step_output *log, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, root = BUF_INIT;
    int r = split_uses(u, &path, err);

    if (r < 0)
        return r;
    u->builtin = builtin_action_find(u->repository, buf_str(&path));
    if (u->builtin && !is_replaced(u))
        return 0;
    u->builtin = NULL;
    repository_dir(u, &root);
    r = fetch(u, buf_str(&root), log, err);
    if (r < 0)
        return r;
    if (path.len)
        buf_addf(&root, "/%s", buf_str(&path));
    u->dir = buf_steal(&root);
    return u->dir ? 0 : err_errno(err, -ENOMEM, "%s", u->def->uses);
}

static int local_dir(struct use *u, struct err *err)
{
    const char *path = u->def->uses + 2;
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/%s", machine_paths(u->job->machine)->workspace, path);
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/')
        dir.ptr[--dir.len] = '\0';
    u->dir = buf_steal(&dir);
    return u->dir ? 0 : err_errno(err, -ENOMEM, "%s", u->def->uses);
}

static const char *const manifests[] = {"action.yml", "action.yaml", "Dockerfile"};
enum { MANIFESTS = 3, MANIFEST_DOCKERFILE = 2 };

/* Finds its manifest in the machine, wherever that came from. */
static int find_manifest(struct use *u, struct buf *ret, size_t *ret_which, struct err *err)
{
    struct buf paths[MANIFESTS] = {0};
    const char *list[MANIFESTS];

    for (size_t i = 0; i < MANIFESTS; i++) {
        buf_addf(&paths[i], "%s/%s", u->dir, manifests[i]);
        list[i] = buf_str(&paths[i]);
    }
    int r = machine_read_first(u->job, list, MANIFESTS, MANIFEST_MAX, ret, ret_which, err);
    for (size_t i = 0; i < MANIFESTS; i++)
        buf_release(&paths[i]);
    if (r == -ENOENT)
        return err_set(
            err, r,
            "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '%s'. Did you forget to run "
            "actions/checkout before running your local action?",
            u->dir);
    return r;
}

static int read_manifest(struct use *u, struct err *err)
{
    _buf_ struct buf text = BUF_INIT, file = BUF_INIT;
    _lint_ struct lint lint = {0};
    size_t which = 0;
    int r = find_manifest(u, &text, &which, err);

    if (r < 0)
        return r;
    if (which == MANIFEST_DOCKERFILE) { /* no more than that */
        buf_reset(&text);
        buf_adds(&text, "name: Dockerfile\nruns: {using: docker, image: Dockerfile}\n");
    }
    buf_addf(&file, "%s/%s", u->def->uses, manifests[which]);
    r = action_parse(buf_str(&file), buf_str(&text), text.len, u->job->spec->workflow->forge, &u->action,
                     &lint);
    if (r < 0)
        return lint.n ? err_set(err, r, "%s", lint.errors[0].msg) : err_errno(err, r, "%s", buf_str(&file));
    return 0;
}

int use_load(struct use *u, bool remote_only, struct step_output *log, struct err *err)
{
    int r = 0;

    if (u->action || u->builtin || use_is_docker(u) || (remote_only && use_is_local(u)))
        return 0;
    if (u->job->n_uses > USES_MAX)
        return err_set(err, -E2BIG,
                       "The actions of this job use more than %d actions: does one of them use itself?",
                       USES_MAX);
    if (nesting(u) > NEST_MAX)
        return err_set(err, -ELOOP, "Composite action depth exceeded max depth %d", NEST_MAX);
    if (!u->dir)
        r = use_is_local(u) ? local_dir(u, err)
            : use_is_own(u) ? own_dir(u, log, err)
                            : remote_dir(u, log, err);
    return r == 0 && !u->builtin ? read_manifest(u, err) : r;
}

static int setup_step(struct running_job *j, struct use *outer, const struct workflow_step *def,
                      struct step_output *log, struct err *err)
{
    struct use *u;
    int r;

    if (def->kind != STEP_USES)
        return 0;
    u = use_get(j, outer, def);
    r = u ? use_load(u, true, log, err) : err_errno(err, -ENOMEM, "%s", def->uses);
    for (size_t i = 0; r == 0 && u->action && i < u->action->n_steps; i++)
        r = setup_step(j, u, &u->action->steps[i], log, err);
    return r;
}

int setup_actions(struct running_job *j, struct use *outer, const struct workflow_step *steps, size_t n,
                  struct step_output *log, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = setup_step(j, outer, &steps[i], log, err);
    return r;
}
