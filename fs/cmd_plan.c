/* `runfs plan`: what an event would run of a workflow, or why nothing would run. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>

#include "fs.h"
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/markdown.h"
#include "runfs/plan.h"
#include "runfs/str.h"
#include "workflow_files.h"

static const size_t file_max = 32 * 1024 * 1024;

static const char usage[] =
    "usage: runfs plan [FILE|DIRECTORY] [--event NAME] [--payload FILE] [--json]\n"
    "\n"
    "Says what of a workflow an event would run: the event and why it matches or not, then the jobs by stage "
    "with\n"
    "what they need, where they run, their matrix, and the jobs of local workflows that they call. What "
    "only\n"
    "a run can know is shown as its expression. Of a DIRECTORY it takes the workflows in its\n"
    ".github/workflows (.forgejo/workflows, .gitea/workflows), or else its own; without either, those of\n"
    "the repository around the current directory.\n"
    "\n"
    "  -e, --event NAME      the event (default: push, workflow_dispatch, or the first of `on`)\n"
    "  -p, --payload FILE    the event's JSON, as a webhook carries it (default: that of the last commit of "
    "the\n"
    "                        checkout which FILE is in; without a checkout, path filters match)\n"
    "  -j, --json            the plan as JSON; an array of them where no FILE is named\n"
    "  -h, --help            this text\n"
    "\n"
    "exit status: 0 something would run, 1 nothing would, 2 usage or a file in error.\n";

struct plan_args {
    const char *name, *event, *payload; /* name: NULL for the repository around */
    bool json, help, several;
    json_t *plans; /* borrowed: of a directory's workflows, for json; else NULL */
};

/* 0, or 2: wrong usage, which was said. */
static int parse_args(int argc, char **argv, struct plan_args *ret)
{
    static const struct option options[] = {{"event", required_argument, NULL, 'e'},
                                            {"payload", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int c;

    optind = 0;
    while ((c = getopt_long(argc, argv, "e:p:jh", options, NULL)) != -1) {
        if (c == 'e')
            ret->event = optarg;
        else if (c == 'p')
            ret->payload = optarg;
        else if (c == 'j')
            ret->json = true;
        else if (c == 'h')
            ret->help = true;
        else
            return usage_wrong(usage, NULL);
    }
    if (!ret->help && argc - optind > 1)
        return usage_wrong(usage, "it takes one FILE or DIRECTORY");
    ret->name = argv[optind];
    return 0;
}

/* ---------------------------------------------------------------------------------------------- the event */

/* *ret stays NULL when none is given. */
static int read_payload(const char *path, json_t **ret)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};
    int r = path ? read_file(path, file_max, &text, &err) : 0;

    if (r == 0)
        r = event_parse(path, buf_str(&text), text.len, ret, &err);
    if (r < 0)
        fprintf(stderr, "runfs plan: %s\n", err.msg);
    return r;
}

/* The checkout that the file is of: its directory, where git looks upwards. Owned by the caller; "" for none.
 */
static char *checkout_of(const char *file)
{
    _free_ char *real = realpath(file, NULL);

    return strdup(real ? dirname(real) : "");
}

static json_t *github_context(const struct workflow *w, const struct prepared_event *p, json_t *inputs)
{
    const char *ref = p->ref, *type = str_starts(ref, "refs/tags/") ? "tag" : "branch";
    const char *slash = str_starts(ref, "refs/") ? strchr(ref + 5, '/') : NULL;
    _arena_ struct arena arena = {0};
    struct event_origin o = {.head_ref = "", .base_ref = ""};

    (void)event_origin(p->event.name, p->payload, "main", &arena, &o);
    return json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O}, s:O, s:{}}", "github",
                     "event_name", p->event.name, "ref", ref, "ref_name", slash ? slash + 1 : ref, "ref_type",
                     type, "sha", p->sha, "head_ref", o.head_ref, "base_ref", o.base_ref, "actor", p->actor,
                     "repository", p->repository, "workflow", *w->name ? w->name : w->file, "event",
                     p->payload, "inputs", inputs, "vars");
}

/* --------------------------------------------------------------------------------------------- the table */

static void add_value(struct buf *b, const json_t *value)
{
    json_t *item;
    size_t i;

    if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            buf_adds(b, i ? ", " : "");
            add_value(b, item);
        }
    } else if (json_is_string(value)) {
        buf_adds(b, json_string_value(value));
    } else if (value && !json_is_null(value)) {
        _free_ char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        buf_adds(b, text);
    }
}

enum { COLUMNS = 6 };

/* One job's cells; owned by the caller. prefix: of the jobs that call its workflow, "call / ". */
static void job_cells(const json_t *job, const char *prefix, struct buf cells[COLUMNS])
{
    static const char *const keys[COLUMNS] = {"stage", "id", "needs", "runs_on", NULL, "if"};
    const char *uses = json_string_value(json_object_get(job, "uses"));

    buf_adds(&cells[1], prefix);
    for (size_t i = 0; i < COLUMNS; i++)
        if (keys[i])
            add_value(&cells[i], json_object_get(job, keys[i]));
        else
            buf_addf(&cells[i], "%zu", json_array_size(json_object_get(job, "steps")));
    if (uses) {
        buf_adds(&cells[3], uses);
        buf_reset(&cells[4]);
    }
    for (size_t i = 0; i < COLUMNS; i++)
        if (cells[i].len == 0)
            buf_addc(&cells[i], '-');
}

static void cells_release(struct buf cells[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        buf_release(&cells[i]);
}

static void print_matrix(const json_t *job)
{
    const json_t *names = json_object_get(job, "matrix_names"), *why = json_object_get(job, "matrix_why");
    json_t *name;
    size_t i;

    if (json_is_string(why))
        printf("       matrix %s\n", json_string_value(why));
    json_array_foreach(names, i, name)
        printf("       %s %s\n", i ? "      " : "matrix", json_string_value(name));
}

/* Each job with those that it calls behind it. */
typedef void job_fn(const json_t *job, struct buf cells[COLUMNS], size_t widths[COLUMNS]);

static void each_job(const json_t *jobs, const char *prefix, size_t widths[COLUMNS], job_fn *fn)
{
    json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        struct buf cells[COLUMNS] = {0};
        _buf_ struct buf inner = BUF_INIT;
        job_cells(job, prefix, cells);
        fn(job, cells, widths);
        cells_release(cells);
        buf_addf(&inner, "%s%s / ", prefix, json_string_value(json_object_get(job, "id")));
        each_job(json_object_get(json_object_get(job, "called"), "jobs"), buf_str(&inner), widths, fn);
    }
}

static void measure_job(const json_t *job, struct buf cells[COLUMNS], size_t widths[COLUMNS])
{
    (void)job;
    for (size_t k = 0; k < COLUMNS; k++)
        if (cells[k].len > widths[k])
            widths[k] = cells[k].len;
}

static void print_job(const json_t *job, struct buf cells[COLUMNS], size_t widths[COLUMNS])
{
    for (size_t k = 0; k + 1 < COLUMNS; k++)
        printf("%-*s  ", (int)widths[k], buf_str(&cells[k]));
    printf("%s\n", buf_str(&cells[COLUMNS - 1]));
    print_matrix(job);
}

static void print_jobs(const json_t *jobs)
{
    static const char *const titles[COLUMNS] = {"STAGE", "JOB", "NEEDS", "RUNS-ON", "STEPS", "IF"};
    size_t widths[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++)
        widths[i] = strlen(titles[i]);
    each_job(jobs, "", widths, measure_job);
    for (size_t i = 0; i + 1 < COLUMNS; i++)
        printf("%-*s  ", (int)widths[i], titles[i]);
    printf("%s\n", titles[COLUMNS - 1]);
    each_job(jobs, "", widths, print_job);
}

/* several: which file it is has to be said, where that is not the name already. */
static void print_plan(const json_t *plan, bool several)
{
    bool triggered = json_is_true(json_object_get(plan, "triggered"));
    bool called = str_eq(json_text_at(plan, "event"), "workflow_call");

    if (several && !str_eq(json_text_at(plan, "file"), json_text_at(plan, "workflow")))
        printf("%s: ", json_text_at(plan, "file"));
    printf("%s %s\n%s\n", json_text_at(plan, "workflow"),
           !triggered ? "would not run"
           : called   ? "would run where another workflow calls it"
                      : "would run",
           json_string_value(json_object_get(plan, "why")));
    if (!triggered)
        return;
    putchar('\n');
    print_jobs(json_object_get(plan, "jobs"));
}

/* ----------------------------------------------------------------------------------------------- the verb */

static int print_json(const json_t *json)
{
    int r = json_dumpf(json, stdout, JSON_INDENT(2));

    putchar('\n');
    return r < 0 ? -EIO : 0;
}

static const char *default_event(const struct workflow *w)
{
    static const char *const preferred[] = {"push", "workflow_dispatch"};

    for (size_t i = 0; i < ARRAY_LEN(preferred); i++)
        if (workflow_event(w, preferred[i]))
            return preferred[i];
    return w->n_events ? w->events[0].name : "push";
}

/* 0: something would run; 1: nothing would; 2: a failure, which was said. */
static int show(const struct plan_args *args, const char *file, const struct workflow *w,
                const struct prepared_event *p, json_t *inputs)
{
    _json_ json_t *contexts = github_context(w, p, inputs);
    _json_ json_t *json = contexts ? plan_to_json(w, &p->event, contexts) : NULL;
    int r = 0;

    if (!json || json_object_set_new(json, "file", json_string(file)) < 0 ||
        (args->plans && json_array_append(args->plans, json) < 0)) {
        fprintf(stderr, "runfs plan: %s\n", strerrordesc_np(ENOMEM));
        return 2;
    }
    if (!args->json)
        print_plan(json, args->several);
    else if (!args->plans)
        r = print_json(json);
    return r < 0 ? 2 : json_is_true(json_object_get(json, "triggered")) && w->n_jobs ? 0 : 1;
}

static int plan(const struct plan_args *args, const char *file, const struct workflow *w)
{
    const char *name = args->event ? args->event : default_event(w), *slash = strrchr(file, '/');
    _free_ char *checkout = checkout_of(file);
    _prepared_event_ struct prepared_event prepared = {0};
    _json_ json_t *payload = NULL, *inputs = NULL;
    struct err err = {0};

    if (!checkout || read_payload(args->payload, &payload) < 0)
        return 2;
    const struct workflow_event *on = workflow_event(w, name);
    const json_t *given = json_object_get(payload, "inputs");
    int r = on && on->n_inputs && given ? inputs_check(on, given, &inputs, &err) : 0;
    struct event_request req = {.name = name,
                                .payload = payload,
                                .checkout = checkout,
                                .workflow = slash ? slash + 1 : file,
                                .forge = w->forge,
                                .title = "",
                                .inputs = inputs};
    if (r == 0)
        r = event_prepare(&req, &prepared, &err);
    if (r < 0) {
        fprintf(stderr, "runfs plan: %s\n", err.msg);
        return 2;
    }
    if (!inputs)
        inputs = json_object();
    return show(args, file, w, &prepared, inputs);
}

static int plan_file(const struct plan_args *args, const char *file)
{
    _buf_ struct buf text = BUF_INIT, hint = BUF_INIT;
    _lint_ struct lint lint = {0};
    struct workflow_opts opts = {
        .find = local_workflow_find, .data = (void *)(uintptr_t)file, .forge = workflow_forge(file)};
    struct workflow *w = NULL;
    struct err err = {0};

    if (workflow_read_file(file, file_max, &text, &err) < 0) {
        workflow_files_hint(file, &hint);
        fprintf(stderr, "runfs plan: %s%s\n", err.msg, buf_str(&hint));
        return 2;
    }
    int r = workflow_parse(file, buf_str(&text), text.len, &opts, &w, &lint);
    for (size_t i = 0; i < lint.n; i++)
        printf("%s\n", lint.errors[i].msg);
    if (r < 0) {
        if (lint.n == 0)
            fprintf(stderr, "runfs plan: %s: %s\n", file, strerrordesc_np(-r));
        return 2;
    }
    r = plan(args, file, w);
    workflow_free(w);
    return r;
}

/* The exit code: 2 if that of one is, else 0 if something would run. */
static int plan_all(const struct plan_args *args, const struct workflow_files *files)
{
    bool any = false, bad = false;

    for (size_t i = 0; i < files->n; i++) {
        if (!args->json && i > 0)
            putchar('\n');
        int code = plan_file(args, files->paths[i]);
        any |= code == 0;
        bad |= code == 2;
    }
    if (args->plans)
        bad |= print_json(args->plans) < 0;
    return bad ? 2 : any ? 0 : 1;
}

int cmd_plan(int argc, char **argv)
{
    _workflow_files_ struct workflow_files files = {0};
    struct plan_args args = {0};
    struct err err = {0};

    if (parse_args(argc, argv, &args) != 0)
        return 2;
    if (args.help)
        return fputs(usage, stdout), 0;
    if (workflow_files_add(&files, args.name, &err) < 0)
        return usage_wrong(usage, err.msg);
    _json_ json_t *plans = args.json && files.of_directory ? json_array() : NULL;
    args.plans = plans;
    args.several = files.n > 1;
    return plan_all(&args, &files);
}
