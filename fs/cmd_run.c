/* runfs run: one workflow without a mount, through the same engine and store, with a live log. */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>

#include "cmd_run_choose.h"
#include "cmd_run_show.h"
#include "env_file.h"
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/markdown.h"
#include "runfs/plan.h"
#include "runfs/results.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

static const char help[] =
    "usage: runfs run [FILE|DIRECTORY] [OPTION...]\n"
    "\n"
    "Runs a workflow and shows its log as it comes. A FILE runs whatever its filters say; of a DIRECTORY "
    "(its\n"
    ".github/workflows, .forgejo/workflows or .gitea/workflows, or its own files) those run that the event\n"
    "starts, at once as far as config/slots lets them; their logs are shown one after the other. Without "
    "either it is the repository around the\n"
    "current directory.\n"
    "\n"
    "      --event NAME          the event that starts it (default: push; of a FILE without that "
    "workflow_dispatch, or its first)\n"
    "      --payload FILE        the event's payload, JSON\n"
    "      --input K=V           a workflow_dispatch input; --input-file FILE for many\n"
    "      --secret K=V          a secret; --secret K takes it from the environment\n"
    "      --secret-file FILE    secrets, K=V lines; values between quotes may go on over lines\n"
    "      --var K=V             a variable (vars context); --var-file FILE for many\n"
    "      --env K=V             a variable of the environment, below the workflow's own; --env-file FILE "
    "for many\n"
    "      --job ID              only this job and those that it needs\n"
    "      --matrix K:V          only combinations with this value\n"
    "      --label LABEL=BACKEND what a label means: sandbox, bubblewrap, qemu, firecracker, fcctl, ssh, "
    "worker, slurm, host; "
    "'*=sandbox' maps "
    "all;\n"
    "                            limits follow: '*=sandbox network=none memory=2G pids=500' (README: "
    "labels)\n"
    "      --actions-mirror DIR  where actions of other repositories come from: a directory with "
    "OWNER/NAME.git\n"
    "                            or checkouts OWNER/NAME, or a URL (default: config/actions_mirror, "
    "https://github.com)\n"
    "      --registry HOST:PORT  a registry of images that the workflow may name though it is on this host "
    "(default:\n"
    "                            config/local_registries)\n"
    "      --workspace DIR       the repository that the workflow belongs to (default: the one that FILE is "
    "in)\n"
    "      --repository O/R, --actor NAME, --ref REF   what the github context says\n"
    "      --state DIR           where the run is kept (default: $XDG_STATE_HOME/runfs; a temporary place "
    "in TMPDIR while that is in use)\n"
    "      --json                one JSON line for each thing that happens, instead of the log\n"
    "\n"
    "Ctrl-C cancels all that runs as a person would; a second one kills it.\n"
    "exit status: that of the run (of several, the first that is not 0): 0 success, else the first failing\n"
    "step's exit code; 130 cancelled, 65 the workflow is in error, 2 usage, 1 anything else\n";

enum { EXIT_WORKFLOW = 65, TEXT_MAX = 1024 * 1024 };

static atomic_int interrupts; /* signals come to several threads at once */

/* A person insists with Ctrl-C; what sends SIGTERM may send it several times and mean it once. */
static void on_interrupt(int signal)
{
    int none = 0;

    if (signal == SIGINT)
        interrupts++;
    else
        (void)atomic_compare_exchange_strong(&interrupts, &none, 1);
}

struct options {
    const char *name, *state, *payload; /* name: what was given as FILE or DIRECTORY; NULL: nothing */
    bool json;
    struct run_request request;
    struct workflow_files files;
    char *mirror; /* owned */
    const char *registry;
    char workspace[PATH_MAX];
};

/* ----------------------------------------------------------------------------------------------- options */

static int add_pair(json_t **object, const char *pair, char separator, bool from_env)
{
    const char *at = strchr(pair, separator);
    const char *value = at ? at + 1 : from_env ? getenv(pair) : NULL;
    size_t len = at ? (size_t)(at - pair) : strlen(pair);

    if (!*object)
        *object = json_object();
    if (from_env && !at && len && !value) {
        fprintf(stderr, "runfs run: %s is not set in the environment: set it, or give %s=VALUE\n", pair,
                pair);
        return -1;
    }
    if (!value || len == 0 || json_object_setn_new(*object, pair, len, json_string(value)) < 0) {
        fprintf(stderr, "runfs run: '%s' is not of the form KEY%cVALUE\n", pair, separator);
        return -1;
    }
    return 0;
}

static int add_label(json_t **object, const char *pair)
{
    _machine_label_ struct machine_label label = {0};
    const char *at = strchr(pair, '=');
    struct err err = {0};

    if (at && machine_label_parse(at + 1, &label, &err) < 0) {
        fprintf(stderr, "runfs run: --label %s: %s\n", pair, err.msg);
        return -1;
    }
    return add_pair(object, pair, '=', false);
}

static int add_file(json_t **object, const char *path)
{
    struct err err = {0};

    if (env_file_read(path, object, &err) == 0)
        return 0;
    fprintf(stderr, "runfs run: %s\n", err.msg);
    return -1;
}

static int read_payload(struct options *o)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};
    int r = o->payload ? read_file(o->payload, 32 * TEXT_MAX, &text, &err) : 0;

    if (r == 0)
        r = event_parse(o->payload, buf_str(&text), text.len, &o->request.payload, &err);
    if (r < 0)
        fprintf(stderr, "runfs run: %s\n", err.msg);
    return r;
}

enum {
    OPT_EVENT = 256,
    OPT_PAYLOAD,
    OPT_INPUT,
    OPT_INPUT_FILE,
    OPT_SECRET,
    OPT_SECRET_FILE,
    OPT_VAR,
    OPT_VAR_FILE,
    OPT_ENV,
    OPT_ENV_FILE,
    OPT_JOB,
    OPT_MATRIX,
    OPT_LABEL,
    OPT_MIRROR,
    OPT_REGISTRY,
    OPT_WORKSPACE,
    OPT_REPOSITORY,
    OPT_ACTOR,
    OPT_REF,
    OPT_STATE,
    OPT_JSON
};

static const struct option longs[] = {{"event", required_argument, NULL, OPT_EVENT},
                                      {"payload", required_argument, NULL, OPT_PAYLOAD},
                                      {"input", required_argument, NULL, OPT_INPUT},
                                      {"input-file", required_argument, NULL, OPT_INPUT_FILE},
                                      {"secret", required_argument, NULL, OPT_SECRET},
                                      {"secret-file", required_argument, NULL, OPT_SECRET_FILE},
                                      {"var", required_argument, NULL, OPT_VAR},
                                      {"var-file", required_argument, NULL, OPT_VAR_FILE},
                                      {"env", required_argument, NULL, OPT_ENV},
                                      {"env-file", required_argument, NULL, OPT_ENV_FILE},
                                      {"job", required_argument, NULL, OPT_JOB},
                                      {"matrix", required_argument, NULL, OPT_MATRIX},
                                      {"label", required_argument, NULL, OPT_LABEL},
                                      {"actions-mirror", required_argument, NULL, OPT_MIRROR},
                                      {"registry", required_argument, NULL, OPT_REGISTRY},
                                      {"workspace", required_argument, NULL, OPT_WORKSPACE},
                                      {"repository", required_argument, NULL, OPT_REPOSITORY},
                                      {"actor", required_argument, NULL, OPT_ACTOR},
                                      {"ref", required_argument, NULL, OPT_REF},
                                      {"state", required_argument, NULL, OPT_STATE},
                                      {"json", no_argument, NULL, OPT_JSON},
                                      {"help", no_argument, NULL, 'h'},
                                      {0}};

static int take_option(struct options *o, int c)
{
    struct run_request *r = &o->request;

    switch (c) {
    case OPT_EVENT:
        r->event = optarg;
        return 0;
    case OPT_PAYLOAD:
        o->payload = optarg;
        return 0;
    case OPT_INPUT:
        return add_pair(&r->inputs, optarg, '=', false);
    case OPT_INPUT_FILE:
        return add_file(&r->inputs, optarg);
    case OPT_SECRET:
        return add_pair(&r->secrets, optarg, '=', true);
    case OPT_SECRET_FILE:
        return add_file(&r->secrets, optarg);
    case OPT_VAR:
        return add_pair(&r->vars, optarg, '=', false);
    case OPT_VAR_FILE:
        return add_file(&r->vars, optarg);
    case OPT_ENV:
        return add_pair(&r->env, optarg, '=', true);
    case OPT_ENV_FILE:
        return add_file(&r->env, optarg);
    case OPT_JOB:
        r->job = optarg;
        return 0;
    case OPT_MATRIX:
        return add_pair(&r->matrix, optarg, ':', false);
    case OPT_LABEL:
        return add_label(&r->labels, optarg);
    case OPT_MIRROR:
        free(o->mirror);
        o->mirror = realpath(optarg, NULL);
        return o->mirror || (o->mirror = strdup(optarg)) ? 0 : -1;
    case OPT_REGISTRY:
        o->registry = optarg;
        return 0;
    case OPT_WORKSPACE:
        r->workspace = optarg;
        return 0;
    case OPT_REPOSITORY:
        r->repository = optarg;
        return 0;
    case OPT_ACTOR:
        r->actor = optarg;
        return 0;
    case OPT_REF:
        r->ref = optarg;
        return 0;
    case OPT_STATE:
        o->state = optarg;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    default:
        return -1;
    }
}

/* What those mean who have act's short options in their fingers (act's documentation, "Usage guide"). */
static const char *cure_of(int option)
{
    static const struct {
        char option;
        const char *cure;
    } cures[] = {{'j', "a job is named by --job ID"},
                 {'W', "the FILE or DIRECTORY stands by itself"},
                 {'C', "the DIRECTORY stands by itself"},
                 {'e', "a payload is named by --payload FILE"},
                 {'s', "a secret is given by --secret K=V"},
                 {'a', "who acts is named by --actor NAME"},
                 {'P', "what a label means is said by --label LABEL=BACKEND"},
                 {'l', "`runfs plan` says what there is, and what of it would run"},
                 {'n', "`runfs plan` says what would run"},
                 {'r', "machines end with `runfs run`; in the mount config/hold_on_failure keeps them"}};

    for (size_t i = 0; i < ARRAY_LEN(cures); i++)
        if (cures[i].option == option)
            return cures[i].cure;
    return NULL;
}

/* 0: go on; 1: help was asked for; 2: wrong usage, which was said. */
static int parse(int argc, char **argv, struct options *o)
{
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == 'h')
            return 1;
        if (take_option(o, c) < 0)
            return usage_wrong(help, c == '?' ? cure_of(optopt) : NULL);
    }
    if (argc - optind > 1)
        return usage_wrong(help, "it takes one FILE or DIRECTORY");
    o->name = argv[optind];
    return read_payload(o) < 0 ? 2 : 0;
}

static void options_release(struct options *o)
{
    json_decref(o->request.payload);
    json_decref(o->request.inputs);
    json_decref(o->request.secrets);
    json_decref(o->request.vars);
    json_decref(o->request.env);
    json_decref(o->request.labels);
    json_decref(o->request.matrix);
    workflow_files_release(&o->files);
    free(o->mirror);
}

/* -------------------------------------------------------------------------------------------- the session */

struct session {
    struct store *store;
    struct machines *machines;
    struct results *results;
    struct engine *engine;
    char *temporary;        /* owned: a state directory to remove; NULL: the usual one */
    struct submitted *runs; /* owned */
    size_t n;
    int cancelled; /* how many interrupts the runs were told of */
    struct showing show;
};

/* A file, and the run that it was started as. */
struct submitted {
    struct buf text;
    int64_t run_id; /* 0: refused, */
    int code;       /* with this exit code; else that of the run */
};

static int session_open(struct session *s, const struct options *o, struct err *err)
{
    _free_ char *state = state_directory(o->state);
    int r = state ? store_open(state, &s->store, err) : -ENOMEM;

    if (r == -EBUSY &&
        !o->state) { /* a daemon works there: this run is kept in a place of its own, and not for long */
        *err = (struct err){0};
        if (!(s->temporary = temporary_directory("run", err)))
            return err->code;
        r = store_open(s->temporary, &s->store, err);
    }
    if (r == 0) {
        r = store_recover(s->store, err);
        r = r < 0 ? r : 0;
    }
    if (r == 0)
        r = machines_new(&(struct machines_opts){.state_dir = store_dir(s->store), .store = s->store},
                         &s->machines, err);
    if (r == 0)
        r = results_new(s->store, &s->results, err);
    if (r == 0)
        r = engine_new(&(struct engine_opts){.store = s->store,
                                             .machines = s->machines,
                                             .services = results_services(s->results),
                                             .actions_mirror = o->mirror,
                                             .registries = o->registry,
                                             .defaults = true},
                       &s->engine, err);
    return r;
}

static void session_close(struct session *s)
{
    showing_release(&s->show);
    engine_free(s->engine);
    results_free(s->results);
    if (s->machines)
        machines_free(s->machines);
    store_close(s->store);
    if (s->temporary)
        (void)remove_tree(s->temporary);
    free(s->temporary);
    for (size_t i = 0; i < s->n; i++)
        buf_release(&s->runs[i].text);
    free(s->runs);
}

/* ------------------------------------------------------------------------------------------------- the run
 */

static bool is_completed(const struct session *s, int64_t run_id)
{
    const struct run_row *run = store_get_run(s->store, run_id);
    bool completed = !run || str_eq(run->status, "completed");

    run_row_unref(run);
    return completed;
}

/* Every interrupt asks all runs to end, the second one less politely. False: nobody waits any longer. */
static bool tell_interrupts(struct session *s)
{
    bool told = false;

    if (interrupts == s->cancelled)
        return true;
    s->cancelled = interrupts;
    for (size_t i = 0; s->cancelled <= 2 && i < s->n; i++)
        if (s->runs[i].run_id && !is_completed(s, s->runs[i].run_id))
            told |= engine_cancel_run(s->engine, s->runs[i].run_id, NULL) == 0;
    if (told && s->cancelled == 1)
        fprintf(stderr, "runfs run: cancelling; Ctrl-C again kills it\n");
    return s->cancelled <= 2;
}

/* Follows a run to its end; the last one until the engine, too, is done with all. */
static void follow(struct session *s, int64_t run_id, bool last)
{
    for (bool running = true; running;) {
        struct engine_status status;
        engine_status(s->engine, &status);
        running = last ? status.active_runs > 0 : !is_completed(s, run_id);
        show_now(&s->show);
        if (!running || !tell_interrupts(s))
            break;
        draw_status(&s->show);
        struct timespec nap = {0, s->show.terminal ? 50000000 : 10000000};
        nanosleep(&nap, NULL);
    }
    clear_status(&s->show);
}

/* An input that is required, or wrong: how one is given. */
static bool is_about_inputs(const struct options *o, const struct workflow *w)
{
    const char *event = o->request.event ? o->request.event : "workflow_dispatch";
    const struct workflow_event *on = workflow_event(w, event);
    _json_ json_t *inputs = NULL;

    return on && (on->n_inputs || json_object_size(o->request.inputs)) &&
           inputs_check(on, o->request.inputs, &inputs, NULL) < 0;
}

/* What a job calls, as the repository has it now. */
static int find_called(void *data, const char *uses, struct buf *ret, struct err *err)
{
    const struct run_request *r = data;
    _buf_ struct buf path = BUF_INIT;

    if (!r->workspace || !str_starts(uses, "./") || strstr(uses, "/../"))
        return -EOPNOTSUPP;
    buf_addf(&path, "%s/%s", r->workspace, uses + 2);
    return buf_ok(&path) ? read_file(buf_str(&path), TEXT_MAX + 1, ret, err) : -ENOMEM;
}

/* Every complaint about the workflow and those that it calls, as lint prints them. */
static int say_refused(const struct options *o, const struct err *err)
{
    const struct run_request *r = &o->request;
    struct workflow_opts opts = {.find = find_called, .data = (void *)(uintptr_t)r, .forge = r->forge};
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_parse(r->file, r->text, r->len, &opts, &w, &lint) < 0 && lint.n) {
        for (size_t i = 0; i < lint.n; i++)
            fprintf(stderr, "%s\n", lint.errors[i].msg);
        return EXIT_WORKFLOW;
    }
    if (w && is_about_inputs(o, w))
        fprintf(stderr, "runfs run: %s: %s (--input NAME=VALUE gives one)\n", r->file, err->msg);
    else
        fprintf(stderr, "runfs run: %s\n", err->msg);
    workflow_free(w);
    return 1;
}

/* The repository that the workflows belong to. 0, or -errno, which was said. */
static int find_workspace(struct options *o)
{
    if (o->request.workspace) {
        if (!realpath(o->request.workspace, o->workspace)) {
            int r = -errno;
            fprintf(stderr, "runfs run: %s: %s\n", o->request.workspace, strerrordesc_np(-r));
            return r;
        }
    } else if (!workflow_repository(o->files.paths[0], o->workspace)) {
        return 0;
    }
    o->request.workspace = o->workspace;
    return 0;
}

static void submit(struct session *s, struct options *o, const char *path, struct submitted *ret)
{
    _buf_ struct buf hint = BUF_INIT;
    struct err err = {0};

    if (workflow_read_file(path, TEXT_MAX + 1, &ret->text, &err) < 0) {
        workflow_files_hint(path, &hint);
        fprintf(stderr, "runfs run: %s%s\n", err.msg, buf_str(&hint));
        ret->code = 2;
        return;
    }
    o->request.file = path;
    o->request.forge = workflow_forge(path);
    o->request.text = buf_str(&ret->text);
    o->request.len = ret->text.len;
    if (engine_submit(s->engine, &o->request, &ret->run_id, &err) < 0)
        ret->code = say_refused(o, &err);
}

static void show(struct session *s, const struct options *o, struct submitted *run, bool last)
{
    struct err err = {0};

    s->show = (struct showing){.json = o->json};
    if (showing_begin(&s->show, s->store, run->run_id, &err) < 0) {
        fprintf(stderr, "runfs run: %s\n", err.msg);
        run->code = 1;
        return;
    }
    follow(s, run->run_id, last);
    run->code = conclude(&s->show);
    showing_release(&s->show);
}

/* They start together, as those of one event do, and are shown in their order. */
static int run_files(struct session *s, struct options *o)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    struct err err = {0};
    int code = 0;

    if (session_open(s, o, &err) < 0) {
        fprintf(stderr, "runfs run: %s\n", err.msg);
        return 1;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    s->runs = calloc(o->files.n, sizeof(*s->runs));
    if (!s->runs)
        return 1;
    for (; s->n < o->files.n && interrupts == 0; s->n++)
        submit(s, o, o->files.paths[s->n], &s->runs[s->n]);
    for (size_t i = 0; i < s->n && interrupts <= 2; i++) {
        if (s->runs[i].run_id)
            show(s, o, &s->runs[i], i + 1 == s->n);
        code = code ? code : s->runs[i].code;
    }
    return code;
}

/* 0, or the exit code of what was said. */
static int choose(struct options *o)
{
    struct err err = {0};

    if (workflow_files_add(&o->files, o->name, &err) < 0)
        return usage_wrong(help, err.msg);
    if (find_workspace(o) < 0)
        return 1;
    return o->files.of_directory && choose_started(&o->request, o->workspace, &o->files) < 0 ? 1 : 0;
}

int cmd_run(int argc, char **argv)
{
    struct options o = {0};
    struct session s = {0};
    int code = parse(argc, argv, &o);

    if (code == 1)
        fputs(help, stdout);
    log_threshold(LOG_LEVEL_WARNING);
    if (code != 0)
        code = code == 1 ? 0 : code;
    else if ((code = choose(&o)) == 0)
        code = run_files(&s, &o);
    session_close(&s);
    options_release(&o);
    return code;
}
