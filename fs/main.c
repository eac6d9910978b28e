/* runfs: the table of subcommands, and what is said of one that is called wrongly. */
#include <signal.h>
#include <stdlib.h>

#include "fs.h"
#include "runfs/str.h"

static int cmd_version(int argc, char **argv)
{
    static const char help[] = "usage: runfs version\n"
                               "\n"
                               "Prints the version.\n"
                               "\n"
                               "exit status: 0 printed, 2 usage\n";

    if (argc > 1) {
        bool wanted = str_eq(argv[1], "-h") || str_eq(argv[1], "--help");
        return wanted ? (fputs(help, stdout), 0) : usage_wrong(help, "it takes no arguments");
    }
    puts("runfs " RUNFS_VERSION);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    {"mount", cmd_mount, "mount the runner at a directory"},
    {"umount", cmd_umount, "unmount it and wait until its daemon has ended"},
    {"token", cmd_token, "make, list and revoke tokens for the HTTP server"},
    {"fcctl-serve", cmd_fcctl_serve, "offer fcctl-web's API over machines of runfs"},
    {"gh-setup", cmd_gh_setup, "print what makes gh speak to a mounted runner"},
    {"run", cmd_run, "run one workflow, with a live log and its exit code"},
    {"host", cmd_host, "add, list and remove hosts that machines are made on by SSH"},
    {"image", cmd_image, "make, list and remove images for virtual machines"},
    {"sh", cmd_sh, "a shell in a machine that is held after its job"},
    {"lint", cmd_lint, "check workflows, in GitHub's words"},
    {"plan", cmd_plan, "say what a workflow would run, or why nothing"},
    {"eval", cmd_eval, "evaluate an expression"},
    {"doctor", cmd_doctor, "say what works here and what to install"},
    {"version", cmd_version, "print the version"},
};

static void usage(FILE *to)
{
    fputs("usage: runfs SUBCOMMAND [ARGUMENT...]\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        fprintf(to, "  %-11s %s\n", subcommands[i].name, subcommands[i].help);
    fputs("\n`runfs SUBCOMMAND -h` says more. Start with: runfs mount ~/ci\n", to);
}

int usage_wrong(const char *help, const char *what)
{
    const char *name = help + strlen("usage: ");
    int name_len = (int)(strlen("runfs ") + strcspn(name + strlen("runfs "), " \n"));
    const char *more = strstr(help, "\n\n");

    if (what)
        fprintf(stderr, "%.*s: %s\n", name_len, name, what);
    fprintf(stderr, "%.*s\n`%.*s -h` says more.\n", (int)(more - help), help, name_len, name);
    return 2;
}

/* What git sets for its hooks, where `runfs run` is at home: it speaks of the repository that the hook is of,
 * and every git that runfs starts would work on that one (git-rev-parse(1), --local-env-vars). */
static void forget_repository(void)
{
    static const char *const names[] = {"GIT_ALTERNATE_OBJECT_DIRECTORIES",
                                        "GIT_COMMON_DIR",
                                        "GIT_CONFIG",
                                        "GIT_CONFIG_COUNT",
                                        "GIT_CONFIG_PARAMETERS",
                                        "GIT_DIR",
                                        "GIT_GRAFT_FILE",
                                        "GIT_IMPLICIT_WORK_TREE",
                                        "GIT_INDEX_FILE",
                                        "GIT_NAMESPACE",
                                        "GIT_NO_REPLACE_OBJECTS",
                                        "GIT_OBJECT_DIRECTORY",
                                        "GIT_PREFIX",
                                        "GIT_REPLACE_REF_BASE",
                                        "GIT_SHALLOW_FILE",
                                        "GIT_WORK_TREE",
                                        "GIT_QUARANTINE_PATH"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
}

/* Debian's PATH of ordinary users is without these; nft, mke2fs and the like do there what runfs asks of
 * them. */
static void look_in_sbin(void)
{
    static const char sbin[] = ":/usr/sbin:/sbin";
    const char *path = getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin";
    _buf_ struct buf longer = BUF_INIT;

    buf_addf(&longer, "%s%s", path, sbin);
    if (!str_ends(path, sbin) && buf_ok(&longer))
        setenv("PATH", longer.ptr, 1);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    static char full[64];

    signal(SIGPIPE, SIG_IGN);
    forget_repository();
    look_in_sbin();
    if (str_eq(name, "-h") || str_eq(name, "--help") || str_eq(name, "help")) {
        usage(stdout);
        return 0;
    }
    if (str_eq(name, "--version") || str_eq(name, "-V"))
        name = "version";
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        if (str_eq(subcommands[i].name, name)) {
            snprintf(full, sizeof(full), "runfs %s", name); /* getopt's errors begin so */
            argv[1] = full;
            return subcommands[i].run(argc - 1, argv + 1);
        }
    if (*name)
        fprintf(stderr, "runfs: there is no subcommand '%s'\n\n", name);
    usage(stderr);
    return 2;
}
