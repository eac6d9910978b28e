/* runfs image: what virtual machines boot from, and what containers are made of. */
#include <getopt.h>
#include <signal.h>

#include "fs.h"
#include "runfs/image.h"
#include "runfs/io.h"
#include "runfs/oci.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs image build NAME [--packages A,B] [--from TARBALL] [--kernel FILE.deb]\n"
    "                         [--suite SUITE] [--mirror URL] [--state DIRECTORY]\n"
    "       runfs image pull IMAGE [NAME] [--user USER] [--state DIRECTORY]\n"
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
    "pull fetches an image for `container:`, `services:` and Docker actions (by skopeo) and keeps it "
    "unpacked: "
    "debian:12,\n"
    "registry.example.org/team/tool:1, and with a NAME also oci:DIRECTORY[:TAG] and docker-archive:FILE, "
    "which is\n"
    "what `docker save` writes. Jobs fetch what they need by themselves.\n"
    "\n"
    "      --user USER     who the registry knows; the password is read from the standard input\n"
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
static void until_interrupted(void)
{
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &action, NULL);
    proc_until(is_interrupted, NULL);
}

static int build(const char *state, const struct image_build *b, struct err *err)
{
    until_interrupted();
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

/* One line, and no echo of it: it is not for other users' eyes, as an argument would be. */
static int read_password(struct buf *ret, struct err *err)
{
    int r = read_fd(STDIN_FILENO, 64 * 1024, ret);

    if (r < 0)
        return err_errno(err, r, "cannot read the password");
    size_t n = strcspn(buf_str(ret), "\r\n");
    if (ret->ptr)
        ret->ptr[ret->len = n] = '\0';
    return n ? 0 : err_set(err, -EINVAL, "there is no password on the standard input");
}

static void say_pull(void *data, const char *what)
{
    (void)data;
    say(what);
}

static int pull(const char *state, struct oci_pull *p, struct err *err)
{
    _buf_ struct buf password = BUF_INIT;
    _oci_image_ struct oci_image image = {.lock = -1};

    int r = p->user ? read_password(&password, err) : 0;
    if (r < 0)
        return r;
    p->password = p->user ? buf_str(&password) : NULL;
    until_interrupted();
    r = oci_pull(state, p, &image, err);
    proc_until(NULL, NULL);
    if (r == 0)
        printf("sha256:%s\n", image.id);
    return r;
}

static int list_containers(const char *state)
{
    _strv_ char **names = NULL;
    struct err err = {0};

    if (oci_names(state, &names, &err) < 0)
        return fail(&err);
    for (char **name = names; *name; name++) {
        _json_ json_t *image = NULL;
        const char *id;
        if (oci_describe(state, *name, &image, &err) < 0) {
            printf("%-20s %s\n", *name, err.msg);
            continue;
        }
        id = json_string_value(json_object_get(image, "id"));
        printf("%-20s %6lld MiB  %-24.24s container  sha256:%.12s\n", *name,
               (long long)json_integer_value(json_object_get(image, "size")) / 1048576,
               json_string_value(json_object_get(image, "pulled")), id ? id : "");
    }
    return 0;
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
    return list_containers(state);
}

static bool is_container(const char *state, const char *name)
{
    _json_ json_t *entry = NULL;

    return oci_describe(state, name, &entry, NULL) == 0;
}

/* VM images and those of containers have different names, but for short ones. */
static int remove_image(const char *state, const char *name, struct err *err)
{
    _json_ json_t *vm = NULL;

    if (image_name_check(name, NULL) == 0 && image_describe(state, name, &vm, NULL) == 0)
        return image_remove(state, name, err);
    return is_container(state, name) || image_name_check(name, NULL) < 0 ? oci_remove(state, name, err)
                                                                         : image_remove(state, name, err);
}

int cmd_image(int argc, char **argv)
{
    static const struct option options[] = {{"packages", required_argument, NULL, 'p'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"kernel", required_argument, NULL, 'k'},
                                            {"suite", required_argument, NULL, 's'},
                                            {"mirror", required_argument, NULL, 'm'},
                                            {"state", required_argument, NULL, 'd'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct oci_pull p = {.say = say_pull};
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
        case 'u':
            p.user = optarg;
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
    if (!(str_eq(verb, "list") && names == 0) && !(str_eq(verb, "pull") && (names == 1 || names == 2)) &&
        !((str_eq(verb, "build") || str_eq(verb, "rm")) && names == 1))
        return usage_wrong(help, "say build NAME, pull IMAGE [NAME], list or rm NAME");
    _free_ char *state = state_directory(state_opt);
    if (!state)
        return 1;
    if (str_eq(verb, "list"))
        return list(state);
    b.name = p.source = argv[optind + 1];
    p.name = names == 2 ? argv[optind + 2] : NULL;
    int r = str_eq(verb, "build")  ? build(state, &b, &err)
            : str_eq(verb, "pull") ? pull(state, &p, &err)
                                   : remove_image(state, b.name, &err);
    return r < 0 ? fail(&err) : 0;
}
