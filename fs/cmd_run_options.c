/* What `runfs run` is told on its command line. */
#include <getopt.h>

#include "cmd_run_options.h"
#include "env_file.h"
#include "fs.h"
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/str.h"

const char run_help[] =
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

enum { PAYLOAD_MAX = 32 * 1024 * 1024 };

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

static int read_payload(struct run_options *o)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};
    int r = o->payload ? read_file(o->payload, PAYLOAD_MAX, &text, &err) : 0;

    if (r == 0)
        r = event_parse(o->payload, buf_str(&text), text.len, &o->request.payload, &err);
    if (r < 0)
        fprintf(stderr, "runfs run: %s\n", err.msg);
    return r;
}

static int take_text(void *at, const char *value)
{
    *(const char **)at = value;
    return 0;
}

static int take_flag(void *at, const char *value)
{
    (void)value;
    *(bool *)at = true;
    return 0;
}

static int take_pair(void *at, const char *value)
{
    return add_pair(at, value, '=', false);
}

static int take_pair_or_name(void *at, const char *value)
{
    return add_pair(at, value, '=', true);
}

static int take_combination(void *at, const char *value)
{
    return add_pair(at, value, ':', false);
}

static int take_file(void *at, const char *value)
{
    return add_file(at, value);
}

static int take_label(void *at, const char *value)
{
    return add_label(at, value);
}

/* What is no directory is an address. */
static int take_mirror(void *at, const char *value)
{
    char **mirror = at;

    free(*mirror);
    *mirror = realpath(value, NULL);
    return *mirror || (*mirror = strdup(value)) ? 0 : -1;
}

static const struct {
    const char *name;
    int (*take)(void *at, const char *value); /* <0: wrong, which was said */
    size_t at;                                /* of what it sets, in struct run_options */
} taken[] = {
    {"event", take_text, offsetof(struct run_options, request.event)},
    {"payload", take_text, offsetof(struct run_options, payload)},
    {"input", take_pair, offsetof(struct run_options, request.inputs)},
    {"input-file", take_file, offsetof(struct run_options, request.inputs)},
    {"secret", take_pair_or_name, offsetof(struct run_options, request.secrets)},
    {"secret-file", take_file, offsetof(struct run_options, request.secrets)},
    {"var", take_pair, offsetof(struct run_options, request.vars)},
    {"var-file", take_file, offsetof(struct run_options, request.vars)},
    {"env", take_pair_or_name, offsetof(struct run_options, request.env)},
    {"env-file", take_file, offsetof(struct run_options, request.env)},
    {"job", take_text, offsetof(struct run_options, request.job)},
    {"matrix", take_combination, offsetof(struct run_options, request.matrix)},
    {"label", take_label, offsetof(struct run_options, request.labels)},
    {"actions-mirror", take_mirror, offsetof(struct run_options, mirror)},
    {"registry", take_text, offsetof(struct run_options, registry)},
    {"workspace", take_text, offsetof(struct run_options, request.workspace)},
    {"repository", take_text, offsetof(struct run_options, request.repository)},
    {"actor", take_text, offsetof(struct run_options, request.actor)},
    {"ref", take_text, offsetof(struct run_options, request.ref)},
    {"state", take_text, offsetof(struct run_options, state)},
    {"json", take_flag, offsetof(struct run_options, json)},
};

enum { FIRST_LONG = 256 }; /* behind every character */

static void long_options(struct option ret[ARRAY_LEN(taken) + 2])
{
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        ret[i] = (struct option){.name = taken[i].name,
                                 .has_arg = taken[i].take == take_flag ? no_argument : required_argument,
                                 .val = FIRST_LONG + (int)i};
    ret[ARRAY_LEN(taken)] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
    ret[ARRAY_LEN(taken) + 1] = (struct option){0};
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

int run_options_parse(int argc, char **argv, struct run_options *o)
{
    struct option longs[ARRAY_LEN(taken) + 2];
    int c;

    long_options(longs);
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == 'h')
            return 1;
        if (c < FIRST_LONG)
            return usage_wrong(run_help, cure_of(optopt));
        if (taken[c - FIRST_LONG].take((char *)o + taken[c - FIRST_LONG].at, optarg) < 0)
            return usage_wrong(run_help, NULL);
    }
    if (argc - optind > 1)
        return usage_wrong(run_help, "it takes one FILE or DIRECTORY");
    o->name = argv[optind];
    return read_payload(o) < 0 ? 2 : 0;
}

void run_options_release(struct run_options *o)
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
