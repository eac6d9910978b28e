/* runfs image: what virtual machines boot from. */
#include <getopt.h>
#include <signal.h>

#include "fs.h"
#include "runfs/image.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs image build NAME [--packages A,B] [--from TARBALL] [--kernel FILE.deb]\n"
    "                         [--suite SUITE] [--mirror URL] [--state DIRECTORY]\n"
    "       runfs image list [--state DIRECTORY]\n"
    "       runfs image rm NAME [--state DIRECTORY]\n"
    "\n"
    "Images for virtual machines. A label uses one as `qemu:NAME`; `qemu` alone means the one named "
    "default.\n"
    "build makes one of Debian packages (mmdebstrap), or of a tar archive of a root file system, with the\n"
    "kernel of Debian's linux-image-cloud-amd64. It takes a minute or so. Who is not root needs ids of his "
    "own\n"
    "in /etc/subuid and /etc/subgid, and the package uidmap.\n"
    "\n"
    "      --packages A,B  packages beyond bash, ca-certificates, git, iproute2, procps, python3-minimal\n"
    "      --from TARBALL  what becomes the root, as it is\n"
    "      --kernel FILE   a package with the kernel (default: fetched by apt-get)\n"
    "      --suite SUITE   Debian's release (default: bookworm)\n"
    "      --mirror URL    where packages come from (default: as apt of this host is set up)\n"
    "      --state DIR     the state directory (default: $XDG_STATE_HOME/runfs)\n"
    "\n"
    "exit status: 0 done, 1 refused or failed, 2 usage\n";

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static bool is_interrupted(void *data)
{
    (void)data;
    return interrupted;
}

/* What it started ends, and what it made so far is removed. */
static int build(const char *state, const struct image_build *b, struct err *err)
{
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &action, NULL);
    proc_until(is_interrupted, NULL);
    int r = image_build(state, b, err);
    proc_until(NULL, NULL);
    return r;
}

static void say(const char *what)
{
    fprintf(stderr, "runfs image: %s\n", what);
}

static int fail(const struct err *err)
{
    fprintf(stderr, "runfs image: %s\n", err->msg);
    return 1;
}

static int list(const char *state)
{
    _strv_ char **names = NULL;
    struct err err = {0};

    if (image_names(state, &names, &err) < 0)
        return fail(&err);
    for (char **name = names; *name; name++) {
        _json_ json_t *image = NULL;
        if (image_describe(state, *name, &image, &err) < 0) {
            printf("%-20s %s\n", *name, err.msg);
            continue;
        }
        printf("%-20s %6lld MiB  %-24s %-10s %s\n", *name,
               (long long)json_integer_value(json_object_get(image, "size")) / 1048576,
               json_string_value(json_object_get(image, "created")),
               json_string_value(json_object_get(image, "root")),
               json_string_value(json_object_get(image, "kernel")));
    }
    return 0;
}

int cmd_image(int argc, char **argv)
{
    static const struct option options[] = {
        {"packages", required_argument, NULL, 'p'}, {"from", required_argument, NULL, 'f'},
        {"kernel", required_argument, NULL, 'k'},   {"suite", required_argument, NULL, 's'},
        {"mirror", required_argument, NULL, 'm'},   {"state", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},           {0}};
    struct image_build b = {.say = say};
    const char *state_opt = NULL;
    struct err err = {0};

    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            b.packages = optarg;
            break;
        case 'f':
            b.from = optarg;
            break;
        case 'k':
            b.kernel = optarg;
            break;
        case 's':
            b.suite = optarg;
            break;
        case 'm':
            b.mirror = optarg;
            break;
        case 'd':
            state_opt = optarg;
            break;
        default:
            return c == 'h' ? (fputs(help, stdout), 0) : usage_wrong(help, NULL);
        }
    }
    const char *verb = optind < argc ? argv[optind] : "";
    int names = argc - optind - 1;
    if (!(str_eq(verb, "list") && names == 0) &&
        !((str_eq(verb, "build") || str_eq(verb, "rm")) && names == 1))
        return usage_wrong(help, "say build NAME, list or rm NAME");
    _free_ char *state = state_directory(state_opt);
    if (!state)
        return 1;
    if (str_eq(verb, "list"))
        return list(state);
    b.name = argv[optind + 1];
    int r = str_eq(verb, "build") ? build(state, &b, &err) : image_remove(state, b.name, &err);
    return r < 0 ? fail(&err) : 0;
}
