/* Running git, and asking repositories what a ref means. */
#include "git.h"

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { GIT_TIMEOUT_MS = 10 * 60 * 1000, GIT_OUTPUT_MAX = 64 * 1024 * 1024, GIT_ARGS = 64 };

/* What git complained about last: the reason, behind its hints and progress. */
static void last_line(const struct buf *errors, struct buf *ret)
{
    const char *text = buf_str(errors), *found = "git failed";

    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\r\n");
        if (len && (str_starts(line, "fatal:") || str_starts(line, "error:") || line[0] != ' '))
            found = line;
        line += len;
        line += strspn(line, "\r\n");
    }
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\r\n");
        if (str_starts(line, "fatal:"))
            found = line;
        line += len;
        line += strspn(line, "\r\n");
    }
    buf_add(ret, found, strcspn(found, "\r\n"));
}

struct limits {
    int timeout_ms;
    int64_t file_max; /* 0: none */
};

static int run(const char *dir, const char *const more[], struct limits limits, const char *const args[],
               bool own, struct buf *out, struct err *err)
{
    char units[24];
    const char *set[16] = {"GIT_TERMINAL_PROMPT=0", "GIT_TEMPLATE_DIR=", "LC_ALL=C.UTF-8",
                           "GIT_LFS_SKIP_SMUDGE=1"};
    const char *argv[GIT_ARGS + 24] = {"sh",
                                       "-c",
                                       "ulimit -f \"$0\" && exec \"$@\"",
                                       units,
                                       "git",
                                       "-c",
                                       "core.hooksPath=/dev/null",
                                       "-c",
                                       "core.fsmonitor=false",
                                       "-c",
                                       "gc.auto=0",
                                       "-c",
                                       "maintenance.auto=false"};
    const char **command = limits.file_max ? argv : argv + 4;
    _proc_result_ struct proc_result result = {0};
    size_t n = 0;

    snprintf(units, sizeof(units), "%lld", (long long)(limits.file_max / FILE_LIMIT_UNIT));

    for (size_t i = 0; more && more[i] && i < 10; i++)
        set[4 + i] = more[i];
    while (argv[n])
        n++;
    if (own) {
        argv[n++] = "-c";
        argv[n++] = "safe.directory=*";
    }
    while (*args && n < ARRAY_LEN(argv) - 1)
        argv[n++] = *args++;
    int r = proc_run_set(command, set, dir, GIT_OUTPUT_MAX, limits.timeout_ms, &result, err);
    if (r == -ENOENT && !proc_in_path("git"))
        return err_set(err, r, "git is not installed");
    if (r < 0)
        return r;
    if (result.exit_code != 0) {
        _buf_ struct buf why = BUF_INIT;
        last_line(&result.err, &why);
        return err_set(err, -EIO, "%s", buf_str(&why));
    }
    if (out)
        buf_add(out, buf_str(&result.out), result.out.len);
    return 0;
}

int git_run(const char *dir, const char *const args[], struct buf *out, struct err *err)
{
    return run(dir, NULL, (struct limits){GIT_TIMEOUT_MS, 0}, args, true, out, err);
}

int git_run_checked(const char *dir, const char *const args[], struct buf *out, struct err *err)
{
    return run(dir, NULL, (struct limits){GIT_TIMEOUT_MS, 0}, args, false, out, err);
}

int git_run_set(const char *dir, const char *const set[], int timeout_ms, const char *const args[],
                struct buf *out, struct err *err)
{
    return run(dir, set, (struct limits){timeout_ms, 0}, args, true, out, err);
}

int git_run_limited(const char *dir, const char *const set[], int timeout_ms, int64_t file_max,
                    const char *const args[], struct err *err)
{
    return run(dir, set, (struct limits){timeout_ms, file_max}, args, true, NULL, err);
}

int git_read(const char *dir, const char *const args[], struct buf *out, struct err *err)
{
    /* of the first, git takes "" for none; the second older ones do not know */
    return git_run_set(dir, GIT("GIT_ALLOW_PROTOCOL=", "GIT_NO_LAZY_FETCH=1"), GIT_TIMEOUT_MS, args, out,
                       err);
}

int git_set_filters(const char *git_dir, bool on, struct err *err)
{
    static const char none[] = "* -filter\n";
    _buf_ struct buf dir = BUF_INIT, file = BUF_INIT;

    buf_addf(&dir, "%s/info", git_dir);
    buf_addf(&file, "%s/attributes", buf_str(&dir));
    if (on)
        return unlink(buf_str(&file)) < 0 ? err_errno(err, -errno, "%s", buf_str(&file)) : 0;
    int r = make_dirs(buf_str(&dir), 0755);
    return r < 0 ? err_errno(err, r, "%s", buf_str(&dir))
                 : write_file_atomic(buf_str(&file), none, strlen(none), 0644, err);
}

/* The commit on the line of that ref in ls-remote's answer. */
static bool answer_has(const char *answer, const char *ref, char ret_sha[41])
{
    for (const char *line = answer; *line;
         line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
        size_t len = strcspn(line, "\n");
        if (len > 41 && line[40] == '\t' && strlen(ref) == len - 41 &&
            strncmp(line + 41, ref, len - 41) == 0) {
            memcpy(ret_sha, line, 40);
            ret_sha[40] = '\0';
            return true;
        }
    }
    return false;
}

static int resolve_head(const char *url, const char *const set[], struct buf *ret_ref, char ret_sha[41],
                        struct err *err)
{
    _buf_ struct buf answer = BUF_INIT;
    int r = git_run_set(NULL, set, GIT_TIMEOUT_MS,
                        GIT("ls-remote", "--symref", GIT_UPLOAD_PACK, "--", url, "HEAD"), &answer, err);

    if (r < 0)
        return r;
    if (str_starts(buf_str(&answer), "ref: "))
        buf_add(ret_ref, buf_str(&answer) + 5, strcspn(buf_str(&answer) + 5, "\t\n"));
    return answer_has(buf_str(&answer), "HEAD", ret_sha) ? 0
                                                         : err_set(err, -ENOENT, "%s has no commits", url);
}

int git_resolve(const char *url, const char *ref, struct buf *ret_ref, char ret_sha[41], struct err *err)
{
    return git_resolve_set(url, NULL, ref, ret_ref, ret_sha, err);
}

int git_resolve_set(const char *url, const char *const set[], const char *ref, struct buf *ret_ref,
                    char ret_sha[41], struct err *err)
{
    static const char *const kinds[] = {"refs/tags/", "refs/heads/"};
    _buf_ struct buf answer = BUF_INIT;
    struct buf full[3] = {0};

    if (!*ref)
        return resolve_head(url, set, ret_ref, ret_sha, err);
    if (git_is_sha(ref)) {
        memcpy(ret_sha, ref, 41);
        return 0;
    }
    bool whole = str_starts(ref, "refs/");
    for (size_t i = 0; i < 2; i++)
        buf_addf(&full[i], "%s%s", whole ? "" : kinds[i], ref);
    buf_addf(&full[2], "%s^{}", buf_str(&full[0])); /* what an annotated tag stands for */
    int r = git_run_set(
        NULL, set, GIT_TIMEOUT_MS,
        GIT("ls-remote", GIT_UPLOAD_PACK, "--", url, buf_str(&full[0]), buf_str(&full[1]), buf_str(&full[2])),
        &answer, err);
    bool found = false;
    for (size_t k = 0; r == 0 && !found && k < 3; k++) {
        static const size_t order[] = {2, 0, 1};
        found = answer_has(buf_str(&answer), buf_str(&full[order[k]]), ret_sha);
        if (found)
            buf_adds(ret_ref, buf_str(&full[order[k] == 2 ? 0 : order[k]]));
    }
    if (r == 0 && !found)
        r = err_set(err, -ENOENT, "%s has no branch or tag '%s'", url, ref);
    for (size_t i = 0; i < 3; i++)
        buf_release(&full[i]);
    return r;
}
