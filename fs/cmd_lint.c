/* `runfs lint`: checks workflow files as GitHub would, and says what is wrong in its words. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fs.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

/* Far above what a workflow may have, so that a large file gets GitHub's words and not those of the reader.
 */
static const size_t file_max = 256 * 1024 * 1024;

static const char usage[] =
    "usage: runfs lint [--json] FILE...\n"
    "\n"
    "Checks workflow files, and prints each error as a line `FILE (Line: L, Col: C): message`, worded as\n"
    "GitHub words it. Local reusable workflows are looked up in the repository that FILE belongs to and\n"
    "checked with it; those of other repositories are not followed. FILE may be -, for standard input.\n"
    "\n"
    "  -j, --json   one JSON array of {\"file\", \"line\", \"col\", \"message\"} instead\n"
    "  -h, --help   this text\n"
    "\n"
    "Exit code: 0 no errors, 1 errors, 2 wrong usage or a file that cannot be read.\n";

struct lint_run {
    bool json;
    json_t *errors; /* owned; with --json only */
    int code;
};

/* The directory that holds the .github above the file, or else the file's own: appended with a slash. */
static void add_root(const char *path, struct buf *ret)
{
    _free_ char *real = realpath(path, NULL);
    const char *at = real ? strstr(real, "/.github/") : NULL, *end = real ? strrchr(real, '/') : NULL;

    for (const char *next = at; next; next = strstr(next + 1, "/.github/"))
        at = next;
    if (str_eq(path, ".")) /* standard input belongs to the current directory */
        end = real ? real + strlen(real) : NULL;
    end = at ? at : end;
    if (end)
        buf_add(ret, real, (size_t)(end - real));
    else
        buf_adds(ret, ".");
    buf_addc(ret, '/');
}

int local_workflow_find(void *data, const char *uses, struct buf *ret, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    if (!str_starts(uses, "./"))
        return -EOPNOTSUPP;
    if (strstr(uses, "/../") || str_ends(uses, "/.."))
        return err_set(err, -EINVAL, "%s leads out of the repository", uses);
    add_root(data, &path);
    buf_adds(&path, uses + 2);
    return buf_ok(&path) ? read_file(buf_str(&path), file_max, ret, err) : -ENOMEM;
}

static int report(struct lint_run *run, const char *file, const struct lint *lint)
{
    for (size_t i = 0; i < lint->n; i++) {
        const struct lint_error *e = &lint->errors[i];
        if (!run->json) {
            puts(e->msg);
            continue;
        }
        json_t *error = json_pack("{s:s, s:i, s:i, s:s}", "file", file, "line", e->line, "col", e->col,
                                  "message", e->msg);
        if (!error || json_array_append_new(run->errors, error) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_input(const char *file, struct buf *ret, struct err *err)
{
    if (!str_eq(file, "-"))
        return read_file(file, file_max, ret, err);
    int r = read_fd(STDIN_FILENO, file_max, ret);
    return r < 0 ? err_errno(err, r, "standard input") : 0;
}

static int lint_file(struct lint_run *run, char *file)
{
    struct workflow_opts opts = {.find = local_workflow_find,
                                 .data = str_eq(file, "-") ? (char[]){"."} : file};
    _lint_ struct lint lint = {0};
    _buf_ struct buf text = BUF_INIT;
    struct workflow *w = NULL;
    struct err err = {0};

    int r = read_input(file, &text, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        fprintf(stderr, "runfs lint: %s\n", err.msg);
        run->code = 2;
        return 0;
    }
    r = workflow_parse(file, buf_str(&text), text.len, &opts, &w, &lint);
    workflow_free(w);
    if (r == -ENOMEM)
        return r;
    if (r < 0 && run->code == 0)
        run->code = 1;
    return report(run, file, &lint);
}

/* Options may stand anywhere, before "--". Moves the files to the front: their number, or -EINVAL. */
static int parse_args(int argc, char **argv, struct lint_run *run, bool *ret_help)
{
    bool options = true;
    int n = 0;

    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        if (!options || arg[0] != '-' || str_eq(arg, "-"))
            argv[n++] = arg;
        else if (str_eq(arg, "--"))
            options = false;
        else if (str_eq(arg, "-j") || str_eq(arg, "--json"))
            run->json = true;
        else if (str_eq(arg, "-h") || str_eq(arg, "--help"))
            *ret_help = true;
        else
            return -EINVAL;
    }
    return n > 0 || *ret_help ? n : -EINVAL;
}

static int print_json(const json_t *errors)
{
    if (json_dumpf(errors, stdout, JSON_INDENT(1)) < 0)
        return -EIO;
    putchar('\n');
    return 0;
}

int cmd_lint(int argc, char **argv)
{
    struct lint_run run = {0};
    bool help = false;
    int n = parse_args(argc, argv, &run, &help), r = 0;

    if (n < 0)
        return fputs(usage, stderr), 2;
    if (help)
        return fputs(usage, stdout), 0;
    _json_ json_t *errors = run.errors = json_array();
    for (int i = 0; r == 0 && i < n; i++)
        r = errors ? lint_file(&run, argv[i]) : -ENOMEM;
    if (r == 0 && run.json)
        r = print_json(errors);
    if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = -errno;
    if (r < 0) {
        fprintf(stderr, "runfs lint: %s\n", strerrordesc_np(-r));
        return 2;
    }
    return run.code;
}
