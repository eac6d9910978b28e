/* actions/upload-artifact and actions/download-artifact, with their inputs, outputs and words. */
#include "background.h"
#include "builtin.h"
#include "runfs/plan.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------------- upload */

/* Names below the list's root, each with a NUL; how many files that are. */
static size_t upload_names(const struct file_list *list, struct buf *names)
{
    size_t n = 0, root = strlen(list->root);

    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->files[i].path + root;
        if (list->files[i].type != 'f')
            continue;
        name += strspn(name, "/");
        buf_add(names, name, strlen(name) + 1);
        n++;
    }
    return n;
}

static void say_no_files(struct running_step *s, const struct use *u)
{
    const char *what = builtin_input(u, "if-no-files-found");
    _buf_ struct buf msg = BUF_INIT;

    buf_addf(&msg, "No files were found with the provided path: %s. No artifacts will be uploaded.",
             builtin_input(u, "path"));
    if (str_eq(what, "error"))
        step_fail(s, buf_str(&msg));
    else if (str_eq(what, "ignore"))
        output_runner_line(&s->output, "%s", buf_str(&msg));
    else
        output_warning(&s->output, buf_str(&msg));
}

static void say_uploaded(struct running_step *s, const char *name, const struct uploaded *done)
{
    json_t *github = json_object_get(s->scope->contexts, "github");
    _buf_ struct buf id = BUF_INIT, url = BUF_INIT;

    buf_addf(&id, "%lld", (long long)done->id);
    buf_addf(&url, "%s/%s/actions/runs/%s/artifacts/%lld",
             json_string_value(json_object_get(github, "server_url")),
             json_string_value(json_object_get(github, "repository")),
             json_string_value(json_object_get(github, "run_id")), (long long)done->id);
    output_runner_line(
        &s->output,
        "Artifact %s has been successfully uploaded! Final size is %lld bytes. Artifact ID is %lld", name,
        (long long)done->size, (long long)done->id);
    builtin_output(s, "artifact-id", buf_str(&id));
    builtin_output(s, "artifact-url", buf_str(&url));
    builtin_output(s, "artifact-digest",
                   str_starts(done->digest, "sha256:") ? done->digest + 7 : done->digest);
}

static int put_artifact(struct running_step *s, const struct use *u, const char *name, bool raw,
                        struct scratch *tar, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;
    struct upload what = {.name = name,
                          .retention_days = (int)builtin_number(u, "retention-days", 0),
                          .overwrite = builtin_flag(u, "overwrite", false),
                          .raw = raw,
                          .room = &tar->room};
    struct uploaded done = {0};

    if (!outside || !outside->artifact_put)
        return err_set(err, -ENOTSUP, "artifacts cannot be kept here");
    job_leave(s->job);
    int r = outside->artifact_put(outside->data, &what, tar->fd, &done, err);
    job_enter(s->job);
    if (r == 0)
        say_uploaded(s, name, &done);
    return r;
}

/* One file as it is: the artifact is called like the file, whatever its name should be. */
static int upload_raw(struct running_step *s, const struct use *u, const char *root, const char *path,
                      struct err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    _buf_ struct buf dir = BUF_INIT, names = BUF_INIT;
    _scratch_ struct scratch tar = {.fd = -1};

    buf_addf(&dir, "%s/%.*s", root, slash ? (int)(slash - path) : 0, path);
    buf_add(&names, name, strlen(name) + 1);
    int r = builtin_scratch(s, ROOM_ARTIFACTS, &tar, err);
    if (r == 0)
        r = builtin_tar(s, buf_str(&dir), &names, true, &tar, err);
    return r == 0 ? put_artifact(s, u, name, true, &tar, err) : r;
}

static int upload(struct running_step *s, const struct use *u, const struct file_list *list, struct err *err)
{
    const char *name = builtin_input(u, "name");
    bool raw = !builtin_flag(u, "archive", true);
    _buf_ struct buf names = BUF_INIT;
    _scratch_ struct scratch tar = {.fd = -1};
    size_t n = upload_names(list, &names);

    if (n == 0) {
        say_no_files(s, u);
        return 0;
    }
    if (raw && n > 1)
        return err_set(
            err, -EINVAL,
            "When 'archive' is set to false, only a single file can be uploaded. Found %zu files to "
            "upload.",
            n);
    output_runner_line(&s->output, "With the provided path, there will be %zu file%s uploaded", n,
                       n == 1 ? "" : "s");
    if (raw)
        return upload_raw(s, u, list->root, buf_str(&names), err);
    int r = builtin_scratch(s, ROOM_ARTIFACTS, &tar, err);
    if (r == 0)
        r = builtin_tar(s, list->root, &names, true, &tar, err);
    return r == 0 ? put_artifact(s, u, *name ? name : "artifact", false, &tar, err) : r;
}

void upload_main(struct running_step *s, struct use *u)
{
    static const char *const choices[] = {"", "warn", "error", "ignore"};
    const char *path = builtin_input(u, "path"), *missing = builtin_input(u, "if-no-files-found");
    unsigned flags = FILES_FOLLOW | (builtin_flag(u, "include-hidden-files", false) ? 0 : FILES_NO_HIDDEN);
    struct file_list list = {0};
    struct err err = {0};
    bool known = false;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(choices); i++)
        known |= str_eq(missing, choices[i]);
    if (!*path)
        r = err_set(&err, -EINVAL, "Input required and not supplied: path");
    else if (!known)
        r = err_set(
            &err, -EINVAL,
            "Unrecognized if-no-files-found input. Provided: %s. Available options: warn,error,ignore",
            missing);
    if (r == 0)
        r = files_find(s->job, path, flags, &list, &err);
    if (r == 0)
        r = upload(s, u, &list, &err);
    file_list_release(&list);
    if (r < 0)
        builtin_fail(s, &err);
}

/* ----------------------------------------------------------------------------------------------- download */

static int get_artifact(struct running_step *s, json_t *artifact, const char *dir, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;
    _close_ int tar_fd = -1;
    int r = builtin_make_dir(s, dir, err);

    if (r == 0)
        r = outside->artifact_get(outside->data, json_integer_value(json_object_get(artifact, "id")), &tar_fd,
                                  err);
    if (r == 0)
        r = job_put_tree(s->job, dir, tar_fd, err);
    if (r == 0)
        output_runner_line(&s->output, "Artifact %s downloaded to %s",
                           json_string_value(json_object_get(artifact, "name")), dir);
    return r;
}

static bool id_wanted(const char *ids, int64_t id)
{
    char *after;

    for (; *ids; ids = after + (*after != '\0')) {
        if (strtoll(ids, &after, 10) == id)
            return true;
        after += strcspn(after, ",\n ");
    }
    return false;
}

static bool artifact_wanted(const struct use *u, json_t *artifact)
{
    const char *name = builtin_input(u, "name"), *pattern = builtin_input(u, "pattern"),
               *ids = builtin_input(u, "artifact-ids"),
               *own = json_string_value(json_object_get(artifact, "name"));

    if (*ids)
        return id_wanted(ids, json_integer_value(json_object_get(artifact, "id")));
    if (*name)
        return str_eq(name, own);
    return !*pattern || glob_match(pattern, own);
}

static int list_artifacts(struct running_step *s, const struct use *u, json_t **ret, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;

    if (!outside || !outside->artifact_list || !outside->artifact_get)
        return err_set(err, -ENOTSUP, "artifacts cannot be had here");
    return outside->artifact_list(outside->data, builtin_number(u, "run-id", 0), ret, err);
}

/* Of several, each gets a directory of its own; since v5 a single one has none, however it was chosen. */
static bool has_directories(const struct use *u, json_t *all)
{
    const char *at = strrchr(u->def->uses, '@'), *ref = at ? at + 1 : "";
    bool old = ref[0] == 'v' && ref[1] >= '1' && ref[1] <= '4' && (!ref[2] || ref[2] == '.');
    json_t *artifact;
    size_t i, n = 0;

    json_array_foreach(all, i, artifact) n += artifact_wanted(u, artifact);
    return !builtin_flag(u, "merge-multiple", false) && (old || n > 1);
}

static int download(struct running_step *s, const struct use *u, const char *root, struct err *err)
{
    bool one = *builtin_input(u, "name") != '\0';
    _json_ json_t *all = NULL;
    json_t *artifact;
    size_t i, n = 0;
    int r = list_artifacts(s, u, &all, err);

    if (r < 0)
        return r;
    bool apart = !one && has_directories(u, all);
    json_array_foreach(all, i, artifact)
    {
        _buf_ struct buf dir = BUF_INIT;
        if (!artifact_wanted(u, artifact))
            continue;
        buf_adds(&dir, root);
        if (apart)
            buf_addf(&dir, "/%s", json_string_value(json_object_get(artifact, "name")));
        r = get_artifact(s, artifact, buf_str(&dir), err);
        if (r < 0)
            return r;
        n++;
    }
    if (one && n == 0)
        return err_set(
            err, -ENOENT,
            "Unable to download artifact(s): Artifact not found for name: %s. Please ensure that your "
            "artifact is not expired and the artifact was uploaded in this run",
            builtin_input(u, "name"));
    output_runner_line(&s->output, "Total of %zu artifact(s) downloaded", n);
    return 0;
}

void download_main(struct running_step *s, struct use *u)
{
    _buf_ struct buf root = BUF_INIT;
    struct err err = {0};

    builtin_path(s, builtin_input(u, "path"), &root);
    int r = download(s, u, buf_str(&root), &err);
    if (r == 0)
        r = builtin_make_dir(s, buf_str(&root), &err);
    if (r == 0)
        builtin_output(s, "download-path", buf_str(&root));
    else
        builtin_fail(s, &err);
}

/* -------------------------------------------------------------------------------------------------- merge */

static bool is_merged(const struct use *u, json_t *artifact)
{
    const char *pattern = builtin_input(u, "pattern");

    return glob_match(*pattern ? pattern : "*", json_string_value(json_object_get(artifact, "name")));
}

static int delete_merged(struct running_step *s, const struct use *u, json_t *all, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;
    json_t *artifact;
    size_t i;
    int r = 0;

    json_array_foreach(all, i, artifact)
    {
        if (r < 0 || !is_merged(u, artifact))
            continue;
        r = outside->artifact_delete(outside->data, json_integer_value(json_object_get(artifact, "id")), err);
        if (r == 0)
            output_runner_line(&s->output, "Artifact %s has been deleted",
                               json_string_value(json_object_get(artifact, "name")));
    }
    return r;
}

/* Puts several artifacts of the run together into a new one. */
static int merge(struct running_step *s, const struct use *u, const char *dir, struct err *err)
{
    const char *pattern = builtin_input(u, "pattern"), *name = builtin_input(u, "name");
    bool separate = builtin_flag(u, "separate-directories", false);
    _json_ json_t *all = NULL;
    struct file_list list = {0};
    _buf_ struct buf names = BUF_INIT, below = BUF_INIT;
    _scratch_ struct scratch tar = {.fd = -1};
    json_t *artifact;
    size_t i;
    int r = list_artifacts(s, u, &all, err);

    json_array_foreach(all, i, artifact)
    {
        const char *own = json_string_value(json_object_get(artifact, "name"));
        _buf_ struct buf to = BUF_INIT;
        if (r < 0 || !is_merged(u, artifact))
            continue;
        buf_addf(&to, "%s%s%s", dir, separate ? "/" : "", separate ? own : "");
        r = get_artifact(s, artifact, buf_str(&to), err);
    }
    buf_addf(&below, "%s/**", dir);
    if (r == 0)
        r = files_find(s->job, buf_str(&below), 0, &list, err);
    if (r == 0 && upload_names(&list, &names) == 0)
        r = err_set(err, -ENOENT, "No artifacts found matching pattern '%s'", *pattern ? pattern : "*");
    if (r == 0)
        r = builtin_scratch(s, ROOM_ARTIFACTS, &tar, err);
    if (r == 0)
        r = builtin_tar(s, dir, &names, true, &tar, err);
    if (r == 0)
        r = put_artifact(s, u, *name ? name : "merged-artifacts", false, &tar, err);
    if (r == 0 && builtin_flag(u, "delete-merged", false))
        r = delete_merged(s, u, all, err);
    file_list_release(&list);
    return r;
}

void upload_merge_main(struct running_step *s, struct use *u)
{
    _buf_ struct buf dir = BUF_INIT;
    struct err err = {0};

    buf_addf(&dir, "%s/merge-%u", machine_paths(s->job->machine)->temp, ++s->job->whole->numbered);
    int r = builtin_make_dir(s, buf_str(&dir), &err);
    if (r == 0)
        r = merge(s, u, buf_str(&dir), &err);
    if (r < 0)
        builtin_fail(s, &err);
}
