/* runfs gh-setup: what makes GitHub's own command line, gh, speak to a runner that is mounted here. */
#include <getopt.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs gh-setup [DIRECTORY]\n"
    "\n"
    "Prints the settings with which gh speaks to the runner that is mounted at DIRECTORY (default: the only\n"
    "one): by the unix socket that config/listen names, else by TCP on this host, for which it makes a "
    "token.\n"
    "Use it in a shell of its own: eval \"$(runfs gh-setup)\"\n"
    "\n"
    "exit status: 0 printed, 1 nothing listens, 2 usage\n";

/* What a line of `status` says it listens on, and nothing is in the way; false: no such line any more. */
static bool next_listener(const char **status, struct buf *ret)
{
    const char *line;

    while ((line = strstr(*status, "\nlisten: "))) {
        const char *value = line + strlen("\nlisten: ");
        size_t len = strcspn(value, "\n");
        *status = value;
        buf_reset(ret);
        buf_add(ret, value, len);
        if (buf_ok(ret) && !strstr(buf_str(ret), ": "))
            return true;
    }
    return false;
}

/* gh keeps the socket's path in its configuration, where it would be used for github.com too: so a
 * configuration of its own. */
static void add_unix(struct buf *b, const char *path)
{
    buf_adds(b, "export GH_CONFIG_DIR=\"${XDG_CONFIG_HOME:-$HOME/.config}/gh-runfs\"\n"
                "gh config set http_unix_socket ");
    buf_add_shell_word(b, path);
    buf_adds(b, "\nexport GH_HOST=runfs.internal GH_ENTERPRISE_TOKEN=by-the-socket\n"
                "export GH_REPO=runfs.internal/" REPOSITORY_DROPPED
                "  # or runfs.internal/OWNER/NAME, a linked repository\n");
}

static void add_tcp(struct buf *b, const char *address, const char *directory)
{
    buf_addf(b, "export GH_HOST=github.localhost HTTP_PROXY=http://%s\n", address);
    buf_adds(b, "export GH_TOKEN=\"$(runfs token create --scope admin ");
    buf_add_shell_word(b, directory);
    buf_adds(b, ")\"\nexport GH_REPO=github.localhost/" REPOSITORY_DROPPED
                "  # or github.localhost/OWNER/NAME, a linked repository\n");
}

int cmd_gh_setup(int argc, char **argv)
{
    _buf_ struct buf path = BUF_INIT, status = BUF_INIT, at = BUF_INIT, tcp = BUF_INIT, lines = BUF_INIT;
    bool found = false;
    int r = only_operands(argc, argv, help);

    if (r >= 0 || optind < argc - 1)
        return r >= 0 ? r : usage_wrong(help, "it takes one DIRECTORY at most");
    _free_ char *directory = mount_directory("gh-setup", optind < argc ? argv[optind] : NULL);
    if (!directory)
        return 1;
    buf_addf(&path, "%s/status", directory);
    if (read_file(buf_str(&path), 1 << 20, &status, NULL) < 0) {
        fprintf(stderr, "runfs gh-setup: no runner is mounted at %s\n", directory);
        return 1;
    }
    for (const char *text = buf_str(&status); !found && next_listener(&text, &at);) {
        found = *buf_str(&at) == '/';
        if (found)
            add_unix(&lines, buf_str(&at));
        else if (!tcp.len)
            buf_adds(&tcp, buf_str(&at));
    }
    if (!found && tcp.len)
        add_tcp(&lines, buf_str(&tcp), directory);
    if (!buf_ok(&lines) || !buf_ok(&at) || !buf_ok(&tcp)) {
        fprintf(stderr, "runfs gh-setup: %s\n", strerrordesc_np(ENOMEM));
        return 1;
    }
    if (found || tcp.len) {
        fputs(buf_str(&lines), stdout);
        return 0;
    }
    fprintf(
        stderr,
        "runfs gh-setup: nothing listens: write a port, or the path of a unix socket, to %s/config/listen\n",
        directory);
    return 1;
}
