/* runfs: the table of subcommands. */
#include <getopt.h>
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
    int r = only_operands(argc, argv, help);

    if (r >= 0 || optind < argc)
        return r >= 0 ? r : usage_wrong(help, "it takes no arguments");
    puts("runfs " RUNFS_VERSION);
    return 0;
}

const struct subcommand subcommands[] = {
    {"mount", cmd_mount, "mount the runner at a directory"},
    {"umount", cmd_umount, "unmount it and wait until its daemon has ended"},
    {"token", cmd_token, "make, list and revoke tokens for the HTTP server"},
    {"fcctl-serve", cmd_fcctl_serve, "offer fcctl-web's API over machines of runfs"},
    {"gh-setup", cmd_gh_setup, "print what makes gh speak to a mounted runner"},
    {"run", cmd_run, "run one workflow, with a live log and its exit code"},
    {"worker", cmd_worker, "run one job for a runner elsewhere"},
    {"host", cmd_host, "add, list and remove hosts that machines are made on by SSH"},
    {"image", cmd_image, "make, fetch, list and remove images for machines"},
    {"sh", cmd_sh, "a shell in a machine that is held after its job"},
    {"lint", cmd_lint, "check workflows, in GitHub's words"},
    {"plan", cmd_plan, "say what a workflow would run, or why nothing"},
    {"eval", cmd_eval, "evaluate an expression"},
    {"doctor", cmd_doctor, "say what works here and what to install"},
    {"version", cmd_version, "print the version"},
    {"complete", cmd_complete, NULL},
    {0},
};

static void usage(FILE *to)
{
    fputs("usage: runfs SUBCOMMAND [ARGUMENT...]\n\n", to);
    for (const struct subcommand *c = subcommands; c->help; c++)
        fprintf(to, "  %-11s %s\n", c->name, c->help);
    fputs("\n`runfs help SUBCOMMAND` says more, `runfs help tree` what is mounted. Start with: runfs mount "
          "~/ci\n",
          to);
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

/* One that begins with the word, or is nearly it; NULL: none. */
static const char *subcommand_meant(const char *word)
{
    const char *meant = NULL;
    size_t best = SIZE_MAX, d;

    for (const struct subcommand *c = subcommands; c->help; c++) {
        bool begins = *word && str_starts(c->name, word);
        if ((d = begins ? 0 : word_distance(word, c->name, strlen(c->name))) < best) {
            best = d;
            meant = c->name;
        }
    }
    return meant;
}

static int no_subcommand(const char *name)
{
    const char *meant = subcommand_meant(name);

    if (!*name) {
        usage(stderr);
        return 2;
    }
    fprintf(stderr, "runfs: there is no %s '%s'%s%s%s\n`runfs -h` lists what there is.\n",
            *name == '-' ? "option" : "subcommand", name, meant ? ": did you mean '" : "", meant ? meant : "",
            meant ? "'?" : "");
    return 2;
}

/* What README in the mount says, without a mount. */
static int print_tree(void)
{
    _buf_ struct buf text = BUF_INIT;

    if (show_readme(NULL, 0, &text) < 0 || !buf_ok(&text))
        return 1;
    fputs(buf_str(&text), stdout);
    return 0;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    static char help[] = "--help", full[64];
    static char *about[] = {NULL, NULL, help, NULL};

    if (str_eq(name, "--version") || str_eq(name, "-V"))
        name = "version";
    if (str_eq(name, "help") && argc == 3 && str_eq(argv[2], "tree"))
        return print_tree();
    if (str_eq(name, "help") && argc == 3 && *argv[2] != '-') { /* runfs help X is runfs X --help */
        name = argv[2];
        argv = about;
        argc = 3;
    } else if (str_eq(name, "-h") || str_eq(name, "--help") || str_eq(name, "help")) {
        usage(stdout);
        return 0;
    }
    for (const struct subcommand *c = subcommands; c->name; c++)
        if (str_eq(c->name, name)) {
            snprintf(full, sizeof(full), "runfs %s", name); /* getopt's errors begin so */
            argv[1] = full;
            usage_began(argc - 1, argv + 1);
            return c->run(argc - 1, argv + 1);
        }
    return no_subcommand(name);
}

int main(int argc, char **argv)
{
    streams_open();
    signal(SIGPIPE, SIG_IGN);
    forget_repository();
    look_in_sbin();
    return streams_close(run(argc, argv));
}
