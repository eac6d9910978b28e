/* `runfs lint`: checks workflow files as GitHub would, and says what is wrong in its words. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "fs.h"
#include "runfs/action.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/workflow.h"
#include "workflow_files.h"

enum { MAX_THREADS = 16, FILES_PER_THREAD = 8 };

/* Far above what a workflow may have, so that a large file gets GitHub's words and not those of the reader.
 */
static const size_t file_max = 256 * 1024 * 1024;

static const char usage[] =
    "usage: runfs lint [--json] [FILE|DIRECTORY]...\n"
    "\n"
    "Checks workflow files, and prints each error as a line `FILE (Line: L, Col: C): message`, worded as\n"
    "GitHub words it. Local reusable workflows are looked up in the repository that FILE belongs to and\n"
    "checked with it; those of other repositories are not followed. FILE may be -, for standard input. Of a\n"
    "DIRECTORY it checks the .github/workflows (or .forgejo/workflows, or .gitea/workflows), or else its "
    "own\n"
    "files; without either, those of the repository around the current directory. What lies in the folders "
    "of\n"
    "Forgejo and Gitea is checked with their words, too. A FILE action.yml is checked as an action.\n"
    "Warnings, of what is no error but keeps a workflow from running on GitHub, go to standard error.\n"
    "\n"
    "  -j, --json   one JSON array of {\"file\", \"line\", \"col\", \"message\"} instead\n"
    "  -h, --help   this text\n"
    "\n"
    "exit status: 0 no errors, 1 errors, 2 usage or a file that cannot be read.\n";

/* A file, and what came of it. */
struct checked {
    char *file; /* borrowed */
    struct lint lint, warnings;
    char *unreadable; /* owned: why; NULL: it was read */
    int r;            /* 0, -EINVAL or -EFBIG with complaints, -ENOMEM */
};

/* The files are independent, so that every processor can check some; the output is in their order. */
struct lint_run {
    bool json;
    struct workflow_files names; /* owned */
    struct checked *files;       /* owned */
    size_t n;
    atomic_size_t next; /* the first that nobody has taken yet */
};

/* The directory that holds the .github (.gitea, .forgejo) above the file, or else the file's own: appended
 * with a slash. */
static void add_root(const char *path, struct buf *ret)
{
    _free_ char *real = realpath(path, NULL);
    const char *end = real ? strrchr(real, '/') : NULL;
    size_t above;

    if (str_eq(path, ".")) /* standard input belongs to the current directory */
        end = real ? real + strlen(real) : NULL;
    if (real && forge_around(real, &above) != FORGE_UNKNOWN)
        end = real + above;
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

static int read_input(const char *file, struct buf *ret, struct err *err)
{
    if (!str_eq(file, "-"))
        return read_file(file, file_max, ret, err);
    int r = read_fd(STDIN_FILENO, file_max, ret);
    return r < 0 ? err_errno(err, r, "standard input") : 0;
}

/* By its name, as GitHub finds it; but a workflow may have any. */
static bool is_action(const char *file)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;

    return (str_eq(name, "action.yml") || str_eq(name, "action.yaml")) &&
           workflow_forge(file) == FORGE_UNKNOWN;
}

/* Whose an action is, by where it lies: outside of .github, .gitea and .forgejo anybody's. */
static enum forge action_forge(const char *file)
{
    _free_ char *real = realpath(file, NULL);
    size_t above;

    return real ? forge_around(real, &above) : FORGE_UNKNOWN;
}

static void check_text(struct checked *c, const struct buf *text)
{
    struct workflow_opts opts = {.find = local_workflow_find,
                                 .data = str_eq(c->file, "-") ? (char[]){"."} : c->file,
                                 .forge = workflow_forge(c->file)};
    struct workflow *w = NULL;
    struct action *a = NULL;

    if (is_action(c->file))
        c->r = action_parse(c->file, buf_str(text), text->len, action_forge(c->file), &a, &c->lint);
    else
        c->r = workflow_parse(c->file, buf_str(text), text->len, &opts, &w, &c->lint);
    if (w)
        c->r = workflow_warnings(w, &c->warnings);
    workflow_free(w);
    action_free(a);
}

static void check_file(struct checked *c)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};

    c->r = read_input(c->file, &text, &err);
    if (c->r == 0) {
        check_text(c, &text);
    } else if (c->r != -ENOMEM) {
        _buf_ struct buf why = BUF_INIT;
        buf_adds(&why, err.msg);
        workflow_files_hint(c->file, &why);
        c->unreadable = buf_ok(&why) ? strdup(buf_str(&why)) : NULL;
        c->r = c->unreadable ? 0 : -ENOMEM;
    }
}

static void *check_files(void *data)
{
    struct lint_run *run = data;
    size_t i;

    while ((i = atomic_fetch_add(&run->next, 1)) < run->n)
        check_file(&run->files[i]);
    return NULL;
}

/* A thread that cannot be had leaves its files to the others. */
static void check_all(struct lint_run *run)
{
    pthread_t threads[MAX_THREADS - 1];
    size_t cpus = (size_t)get_nprocs(), wanted = run->n / FILES_PER_THREAD, n = 0;

    wanted = wanted > cpus ? cpus : wanted;
    while (n + 1 < wanted && n < ARRAY_LEN(threads) &&
           pthread_create(&threads[n], NULL, check_files, run) == 0)
        n++;
    check_files(run);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

static int add_json(json_t *list, const struct checked *c)
{
    for (size_t i = 0; i < c->lint.n; i++) {
        const struct lint_error *e = &c->lint.errors[i];
        json_t *error = json_pack("{s:s, s:i, s:i, s:s}", "file", c->file, "line", e->line, "col", e->col,
                                  "message", e->msg);
        if (!error || json_array_append_new(list, error) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int print_json(const json_t *errors)
{
    if (json_dumpf(errors, stdout, JSON_INDENT(1)) < 0)
        return -EIO;
    putchar('\n');
    return 0;
}

/* Prints what was found; *ret_code is that of the program. */
static int report(const struct lint_run *run, int *ret_code)
{
    _json_ json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < run->n; i++) {
        const struct checked *c = &run->files[i];
        if (c->r == -ENOMEM)
            return -ENOMEM;
        if (c->unreadable) {
            fprintf(stderr, "runfs lint: %s\n", c->unreadable);
            *ret_code = 2;
        } else if (c->r < 0 && *ret_code == 0) {
            *ret_code = 1;
        }
        for (size_t k = 0; k < c->warnings.n; k++)
            fprintf(stderr, "runfs lint: warning: %s\n", c->warnings.errors[k].msg);
        if (run->json)
            r = add_json(list, c);
        else
            for (size_t k = 0; k < c->lint.n; k++)
                puts(c->lint.errors[k].msg);
    }
    return r == 0 && run->json ? print_json(list) : r;
}

static void run_release(struct lint_run *run)
{
    for (size_t i = 0; run->files && i < run->n; i++) {
        lint_release(&run->files[i].lint);
        lint_release(&run->files[i].warnings);
        free(run->files[i].unreadable);
    }
    free(run->files);
    workflow_files_release(&run->names);
}

int cmd_lint(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    _cleanup_(run_release) struct lint_run run = {0};
    struct err err = {0};
    int code = 0, r;

    for (int c; (c = getopt_long(argc, argv, "jh", longs, NULL)) != -1;) {
        if (c == 'h')
            return fputs(usage, stdout), 0;
        if (c != 'j')
            return usage_wrong(usage, NULL);
        run.json = true;
    }
    do
        r = workflow_files_add(&run.names, optind < argc ? argv[optind] : NULL, &err);
    while (r >= 0 && ++optind < argc);
    if (r < 0)
        return usage_wrong(usage, err.msg);
    run.files = calloc(run.names.n, sizeof(*run.files));
    run.n = run.files ? run.names.n : 0;
    for (size_t i = 0; i < run.n; i++)
        run.files[i].file = run.names.paths[i];
    check_all(&run);
    r = run.files ? report(&run, &code) : -ENOMEM;
    if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = -errno;
    if (r < 0) {
        fprintf(stderr, "runfs lint: %s\n", strerrordesc_np(-r));
        return 2;
    }
    return code;
}
