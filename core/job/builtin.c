/* Actions that are part of runfs, so that nothing needs the network: which there are, and their inputs. */
#include "builtin.h"

#include "runfs/str.h"

/* What may be on its way to an artifact or a cache: a hole of terabytes in a file costs its owner nothing.
 * GitHub's limit of a repository's caches. */
#define TAR_MAX (10LL << 30)

static const struct builtin_action builtins[] = {
    {"actions/checkout", "", checkout_main, NULL, NULL},
    {"actions/cache", "", cache_main, cache_post, "success()"},
    {"actions/cache", "restore", cache_restore_main, NULL, NULL},
    {"actions/cache", "save", cache_save_main, NULL, NULL},
    {"actions/upload-artifact", "", upload_main, NULL, NULL},
    {"actions/upload-artifact", "merge", upload_merge_main, NULL, NULL},
    {"actions/download-artifact", "", download_main, NULL, NULL},
    {"actions/setup-node", "", setup_main, setup_post, "success()", .replaceable = true},
    {"actions/setup-python", "", setup_main, setup_post, "success()", .replaceable = true},
    {"actions/setup-go", "", setup_main, setup_post, "success()", .replaceable = true},
    {"actions/setup-java", "", setup_main, setup_post, "success()", .replaceable = true},
};

const struct builtin_action *builtin_action_find(const char *repository, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
        if (str_eq_ascii_nocase(builtins[i].repository, repository) && str_eq(builtins[i].path, path))
            return &builtins[i];
    return NULL;
}

/* Around an input they do not count, as for GitHub's actions (toolkit, getInput): a path of several lines
 * ends with one. */
static const char blanks[] = " \t\r\n";

const char *builtin_input(const struct use *u, const char *name)
{
    json_t *value = json_object_get_nocase(u->inputs, name, strlen(name));
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) : 0, kept = len;

    while (kept > 0 && strchr(blanks, text[kept - 1]))
        kept--;
    if (kept < len && json_string_setn(value, text, kept) == 0)
        text = json_string_value(value);
    return text ? text + strspn(text, blanks) : "";
}

bool builtin_flag(const struct use *u, const char *name, bool fallback)
{
    const char *text = builtin_input(u, name);

    return *text ? str_eq_ascii_nocase(text, "true") : fallback;
}

int64_t builtin_number(const struct use *u, const char *name, int64_t fallback)
{
    uint64_t n;

    return parse_u64(builtin_input(u, name), &n) == 0 && n <= INT32_MAX ? (int64_t)n : fallback;
}

void builtin_output(struct running_step *s, const char *name, const char *value)
{
    json_object_set_new(s->outputs, name, json_string(value));
}

void builtin_fail(struct running_step *s, const struct err *err)
{
    s->exit_code = 1;
    step_fail_why(s, err);
}

int builtin_scratch(struct running_step *s, enum room_of of, struct scratch *ret, struct err *err)
{
    const struct job_outside *outside = s->job->spec->outside;

    return outside && outside->scratch ? outside->scratch(outside->data, of, ret, err)
                                       : err_set(err, -ENOTSUP, "this machine's host keeps no files");
}

/* An absolute path in the machine for one that is relative to the workspace. */
void builtin_path(const struct running_step *s, const char *path, struct buf *ret)
{
    const struct machine_paths *paths = machine_paths(s->job->machine);

    if (*path == '/')
        buf_adds(ret, path);
    else if (*path == '~' && (path[1] == '/' || !path[1]))
        buf_addf(ret, "%s%s", paths->home, path + 1);
    else if (!*path || str_eq(path, "."))
        buf_adds(ret, paths->workspace);
    else
        buf_addf(ret, "%s/%s", paths->workspace, str_starts(path, "./") ? path + 2 : path);
    while (ret->len > 1 && ret->ptr[ret->len - 1] == '/')
        ret->ptr[--ret->len] = '\0';
}

int builtin_make_dir(struct running_step *s, const char *dir, struct err *err)
{
    _free_ char *path = strdup(dir);
    char *const argv[] = {(char[]){"mkdir"}, (char[]){"-p"}, (char[]){"--"}, path, NULL};
    _buf_ struct buf errors = BUF_INIT;
    int r = path ? tool_run(s->job, &(struct tool){.argv = argv, .errors = &errors}, err)
                 : err_errno(err, -ENOMEM, "%s", dir);

    return r > 0 ? err_set(err, -EIO, "%.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors)) : r;
}

int builtin_tar(struct running_step *s, const char *dir, const struct buf *names, bool follow,
                struct scratch *to, struct err *err)
{
    _buf_ struct buf list = BUF_INIT, errors = BUF_INIT;
    _free_ char *at = strdup(dir);

    buf_addf(&list, "%s/files", machine_paths(s->job->machine)->files);
    struct machine_file file = {
        .path = buf_str(&list), .mode = 0600, .data = buf_str(names), .len = names->len};
    char *const argv[] = {(char[]){"tar"},
                          (char[]){"-C"},
                          at,
                          (char[]){"-P"},
                          (char[]){"--format=pax"},
                          (char[]){"--no-recursion"},
                          (char[]){"--ignore-failed-read"},
                          (char[]){"--null"},
                          (char[]){"--verbatim-files-from"},
                          (char[]){"-T"},
                          list.ptr,
                          (char[]){"-cf"},
                          (char[]){"-"},
                          follow ? (char[]){"-h"} : NULL,
                          NULL};
    int r = at && buf_ok(&list) ? tool_run(s->job,
                                           &(struct tool){.argv = argv,
                                                          .file = &file,
                                                          .out_fd = to->fd,
                                                          .out_max = TAR_MAX,
                                                          .room = &to->room,
                                                          .errors = &errors},
                                           err)
                                : err_errno(err, -ENOMEM, "tar");
    if (r == -EFBIG)
        return err_set(err, r, "there are more than %lld GiB of files", TAR_MAX >> 30);
    if (r > 1) /* 1: a file changed while it was read */
        return err_set(err, -EIO, "tar: %.*s", (int)strcspn(buf_str(&errors), "\n"), buf_str(&errors));
    if (r >= 0 && lseek(to->fd, 0, SEEK_SET) < 0)
        return err_errno(err, -errno, "scratch file");
    return r < 0 ? r : 0;
}
