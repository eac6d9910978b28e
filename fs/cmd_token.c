/* runfs token: tokens for the HTTP server. They are files of the mount, tokens/NAME, which hold their hash;
 * the token itself is printed once, and kept nowhere. */
#include <fcntl.h>
#include <getopt.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/server.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs token create [--scope read|run|admin] [--name NAME] [DIRECTORY]\n"
    "       runfs token list [DIRECTORY]\n"
    "       runfs token revoke NAME [DIRECTORY]\n"
    "\n"
    "Tokens for the HTTP server of the runner that is mounted at DIRECTORY (default: the only one).\n"
    "create prints the token, once: only its hash is kept, in DIRECTORY/tokens/NAME.\n"
    "\n"
    "      --scope SCOPE  read: look; run: also start, cancel and run again (the default); admin: "
    "everything\n"
    "      --name NAME    what it is listed as (default: the scope and the time)\n"
    "\n"
    "exit status: 0 done, 1 refused, 2 usage\n";

static int create(const char *directory, const char *scope, const char *name)
{
    _buf_ struct buf path = BUF_INIT, token = BUF_INIT, text = BUF_INIT;

    if (name_check(name) < 0) {
        fprintf(stderr, "runfs token: '%s' cannot be a name\n", name);
        return 1;
    }
    buf_addf(&path, "%s/tokens/%s", directory, name);
    buf_addf(&text, "%s ", scope);
    int r = token_generate(&token);
    token_hash(buf_str(&token), &text);
    buf_addc(&text, '\n');
    _close_ int fd = r < 0 || !buf_ok(&path) || !buf_ok(&text)
                         ? -1
                         : open(buf_str(&path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write_all(fd, buf_str(&text), text.len) < 0 || close(TAKE_FD(fd)) < 0) {
        fprintf(stderr, "runfs token: %s: %s\n", buf_str(&path), strerrordesc_np(r < 0 ? -r : errno));
        return 1;
    }
    puts(buf_str(&token));
    return 0;
}

static int list(const char *directory)
{
    _buf_ struct buf path = BUF_INIT;
    struct dirent *entry;

    buf_addf(&path, "%s/tokens", directory);
    _closedir_ DIR *dir = opendir(buf_str(&path));
    if (!dir) {
        fprintf(stderr, "runfs token: %s: %s\n", buf_str(&path), strerrordesc_np(errno));
        return 1;
    }
    while ((entry = readdir(dir))) {
        _buf_ struct buf file = BUF_INIT, text = BUF_INIT;
        buf_addf(&file, "%s/%s", buf_str(&path), entry->d_name);
        if (*entry->d_name != '.' && read_file(buf_str(&file), 4096, &text, NULL) == 0)
            printf("%s\t%.*s\n", entry->d_name, (int)strcspn(buf_str(&text), " \n"), buf_str(&text));
    }
    return 0;
}

static int revoke_token(const char *directory, const char *name)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/tokens/%s", directory, name);
    if (name_check(name) == 0 && unlink(buf_str(&path)) == 0)
        return 0;
    fprintf(stderr, "runfs token: there is no token '%s' in %s/tokens\n", name, directory);
    return 1;
}

int cmd_token(int argc, char **argv)
{
    static const struct option longs[] = {{"scope", required_argument, NULL, 's'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    const char *scope = "run", *name = NULL;
    char own_name[64];
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == 's')
            scope = optarg;
        else if (c == 'n')
            name = optarg;
        else
            return c == 'h' ? (fputs(help, stdout), 0) : usage_wrong(help, NULL);
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    if (str_eq(verb, "revoke") && !name && optind < argc)
        name = argv[optind++];
    bool known = str_eq(verb, "create") || str_eq(verb, "list") || (str_eq(verb, "revoke") && name);
    if (!known || argc - optind > 1)
        return usage_wrong(help, "say create, list or revoke NAME, and where the runner is mounted");
    if (!str_eq(scope, "read") && !str_eq(scope, "run") && !str_eq(scope, "admin"))
        return usage_wrong(help, "--scope is read, run or admin");
    _free_ char *directory = mount_directory("token", optind < argc ? argv[optind] : NULL);
    if (!directory)
        return 1;
    snprintf(own_name, sizeof(own_name), "%s-%lld", scope, (long long)(now_ns() / 1000000));
    return str_eq(verb, "create")   ? create(directory, scope, name ? name : own_name)
           : str_eq(verb, "revoke") ? revoke_token(directory, name)
                                    : list(directory);
}
