/* runfs doctor: what works on this machine, found out by doing it, and what to install. */
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs doctor\n"
    "\n"
    "Says what works here, why not, and what to install.\n"
    "\n"
    "exit status: 0 workflows can be mounted and run isolated, 1 something of that is missing, 2 usage\n";

static void say(bool good, const char *what, const char *words)
{
    printf("%-4s %-12s %s\n", good ? "ok" : "no", what, words);
}

static bool check_device(void)
{
    _close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    bool good = fd >= 0;

    say(good, "mount",
        good ? "/dev/fuse can be opened"
        : errno == ENOENT
            ? "/dev/fuse is missing: `modprobe fuse`, or pass the device to the container"
            : "/dev/fuse may not be opened by this user: `chmod 666 /dev/fuse`, or run as root");
    if (good && getuid() != 0 && !proc_in_path("fusermount3")) {
        say(false, "fusermount3", "is missing, and needed by an ordinary user: apt-get install fuse3");
        good = false;
    }
    return good;
}

/* Where runs are kept, or could be: it is made by who needs it. */
static bool check_state(void)
{
    _buf_ struct buf words = BUF_INIT;
    _free_ char *state = state_directory(NULL), *at = state ? strdup(state) : NULL;

    while (at && access(at, F_OK) < 0 && errno == ENOENT && strrchr(at, '/') > at)
        *strrchr(at, '/') = '\0';
    bool good = at && access(at, W_OK | X_OK) == 0;
    buf_adds(&words, state ? state : "");
    if (!good)
        buf_addf(&words, ": %s: %s: name another with --state, or by XDG_STATE_HOME", at ? at : "",
                 strerrordesc_np(errno));
    say(good, "state", buf_str(&words));
    return good;
}

/* Programs that workflows or parts of runfs use. */
static const struct {
    const char *program, *words, *install;
    bool needed;
} programs[] = {
    {"bash", "the default shell of steps", "apt-get install bash", true},
    {"git", "actions/checkout, actions of other repositories", "apt-get install git", false},
    {"node", "actions in JavaScript", "apt-get install nodejs", false},
    {"python3", "`shell: python`", "apt-get install python3", false},
    {"slirp4netns", "labels with network=nat", "apt-get install slirp4netns", false},
    {"nft", "labels with network=nat", "apt-get install nftables", false},
    {"skopeo", "images for `container:` and Docker actions", "apt-get install skopeo", false},
    {"bwrap", "the second choice where the sandbox does not work", "apt-get install bubblewrap", false},
};

static bool check_programs(void)
{
    bool good = true;

    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        bool there = proc_in_path(programs[i].program);
        _buf_ struct buf words = BUF_INIT;
        buf_addf(&words, "%s%s%s", programs[i].words,
                 there ? "" : ": missing: ", there ? "" : programs[i].install);
        say(there, programs[i].program, buf_str(&words));
        good &= there || !programs[i].needed;
    }
    return good;
}

/* The backends, tried in a state directory of their own. */
static bool check_machines(void)
{
    struct machine_probe limits[MACHINE_LIMIT_PROBES], services;
    const struct machine_probe *probes;
    struct machines *machines;
    struct err err = {0};
    _free_ char *dir = temporary_directory("doctor", &err);
    bool isolated = false;

    if (!dir || chmod(dir, 0711) < 0 ||
        machines_new(&(struct machines_opts){.state_dir = dir}, &machines, &err) < 0) {
        say(false, "machines", err.msg[0] ? err.msg : strerrordesc_np(errno));
        if (dir)
            (void)remove_tree(dir);
        return false;
    }
    size_t n = machines_probe(machines, &probes);
    for (size_t i = 0; i < n; i++) {
        say(probes[i].works, probes[i].backend, probes[i].words);
        isolated |= probes[i].works && !str_eq(probes[i].backend, "host");
    }
    machines_probe_services(machines, &services);
    say(services.works, services.backend, services.words);
    printf("\njobs run in: %s\n\nwhat labels can limit (memory=2G and the like; see README.md):\n",
           machines_default_backend(machines));
    machines_probe_limits(machines, limits);
    for (size_t i = 0; i < MACHINE_LIMIT_PROBES; i++)
        say(limits[i].works, limits[i].backend, limits[i].words);
    machines_free(machines);
    (void)remove_tree(dir);
    return isolated;
}

int cmd_doctor(int argc, char **argv)
{
    struct utsname u;
    int r = only_operands(argc, argv, help);

    if (r >= 0 || optind < argc)
        return r >= 0 ? r : usage_wrong(help, "it takes no arguments");
    if (uname(&u) == 0)
        printf("runfs %s on %s %s, user %u\n\n", RUNFS_VERSION, u.sysname, u.release, (unsigned)getuid());
    bool mount = check_device(), state = check_state(), tools = check_programs();
    return check_machines() && mount && state && tools ? 0 : 1;
}
