/* runfs host: hosts that machines are made on by SSH. They are files of the mount, config/hosts/NAME. */
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>

#include "fs.h"
#include "known_hosts.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/ssh.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs host add NAME USER@HOST[:PORT] [OPTION...] [DIRECTORY]\n"
    "       runfs host list [DIRECTORY]\n"
    "       runfs host rm NAME [DIRECTORY]\n"
    "\n"
    "Hosts for the runner that is mounted at DIRECTORY (default: the only one). A\n"
    "label uses one as `ssh:NAME`. add asks the host for its key, shows that key's\n"
    "fingerprint, and writes both to config/hosts/NAME when you say that it is right,\n"
    "or known_hosts does. It logs in with the key in config/identities/default, which\n"
    "is made when it is not there: then its public half is printed, for\n"
    "~/.ssh/authorized_keys on the host.\n"
    "\n"
    "      --jump HOST           by way of a host that was added before: the new one is\n"
    "                            not asked for its key, which known_hosts has to have,\n"
    "                            or --hostkey says\n"
    "      --hostkey KEY         its key, as /etc/ssh/ssh_host_ed25519_key.pub has it\n"
    "                            there\n"
    "      --key FILE            log in with this private key, kept in\n"
    "                            config/identities/NAME, and with the certificate in\n"
    "                            FILE-cert.pub, if there is one\n"
    "      --agent[=SOCKET]      log in with the keys of the ssh-agent there (the\n"
    "                            daemon's SSH_AUTH_SOCK)\n"
    "      --accept FINGERPRINT  what `ssh-keygen -lf` says there of\n"
    "                            /etc/ssh/ssh_host_ed25519_key.pub, instead of being\n"
    "                            asked\n"
    "\n"
    "exit status: 0 done, 1 refused or failed, 2 usage\n";

enum { KEY_MAX = 64 * 1024, KEYGEN_MS = 10000 };

struct options {
    const char *key, *accept, *jump, *hostkey, *agent;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "runfs host: %s%s%s\n", what, *what ? ": " : "", why);
    return -1;
}

/* What the mount says when it refuses a file stands in errors/. */
static int write_setting(const char *directory, const char *family, const char *name, const struct buf *text)
{
    _buf_ struct buf path = BUF_INIT, error = BUF_INIT, why = BUF_INIT;

    buf_addf(&path, "%s/config/%s/%s", directory, family, name);
    buf_addf(&error, "%s/errors/config-%s-%s", directory, family, name);
    if (!buf_ok(&path) || !buf_ok(&error) || !buf_ok(text))
        return fail(name, strerrordesc_np(ENOMEM));
    _close_ int fd = open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && write_all(fd, text->ptr, text->len) == 0 && close(TAKE_FD(fd)) == 0)
        return 0;
    int saved = errno;
    if (read_file(error.ptr, 4096, &why, NULL) == 0 && why.len)
        return fail("", buf_str(&why));
    return fail(path.ptr, strerrordesc_np(saved));
}

static bool exists(const char *directory, const char *family, const char *name)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/config/%s/%s", directory, family, name);
    return buf_ok(&path) && access(path.ptr, F_OK) == 0;
}

/* --------------------------------------------------------------------------------------------- its key */

static bool ask(const struct ssh_host *h, const char *print)
{
    char answer[16] = "";

    fprintf(stderr, "The key of %s is\n  %s\nIs that what `ssh-keygen -lf` says there? (yes/no) ", h->name,
            print);
    return isatty(0) && fgets(answer, sizeof(answer), stdin) && str_starts(answer, "yes");
}

static void add_keys(const char *keys, struct buf *ret)
{
    while (*keys) {
        size_t len = strcspn(keys, "\n");
        buf_addf(ret, "hostkey %.*s\n", (int)len, keys);
        keys += len + (keys[len] == '\n');
    }
}

/* A host that is behind another is asked by nobody before it is logged in to. */
static int find_key(const struct ssh_host *h, const struct options *o, struct buf *ret)
{
    _known_keys_ struct known_keys known = {0};

    known_keys_find(h, &known);
    if (!o->hostkey && !known.known.len)
        return fail(h->name, "it is behind another host, and known_hosts has no key of it: --hostkey \"$(cat "
                             "ssh_host_ed25519_key.pub)\" says it");
    add_keys(o->hostkey ? o->hostkey : known.known.ptr, ret);
    return 0;
}

static int accept_key(const struct ssh_host *h, const struct options *o, struct buf *ret)
{
    _known_keys_ struct known_keys known = {0};
    _buf_ struct buf key = BUF_INIT, print = BUF_INIT;
    struct err err = {0};

    if (h->jump || o->hostkey)
        return find_key(h, o, ret);
    if (ssh_host_key(h, &key, &err) < 0)
        return fail("", err.msg);
    if (ssh_fingerprint(buf_str(&key), &print) < 0)
        return fail(h->name, "it shows a key that is none, or too large");
    add_keys(buf_str(&key), ret);
    known_keys_find(h, &known);
    if (known_keys_have(&known.revoked, buf_str(&key)))
        return fail(h->name, "it shows a key that known_hosts calls revoked");
    if (o->accept ? str_eq(o->accept, print.ptr)
                  : known_keys_have(&known.known, buf_str(&key)) || ask(h, print.ptr))
        return 0;
    if (o->accept)
        return fail(h->name, "it shows another key than that:"), fail("", print.ptr);
    return fail(h->name, isatty(0) ? "its key was not accepted"
                                   : "there is no terminal to ask at: --accept FINGERPRINT says it");
}

/* ----------------------------------------------------------------------------------------------- our own key
 */

static int make_in(const char *dir, struct buf *ret_private, struct buf *ret_public)
{
    _buf_ struct buf file = BUF_INIT, public_file = BUF_INIT;
    _proc_result_ struct proc_result result = {0};
    struct err err = {0};

    buf_addf(&file, "%s/key", dir);
    buf_addf(&public_file, "%s/key.pub", dir);
    const char *const argv[] = {"ssh-keygen", "-q",    "-t", "ed25519", "-N", "",
                                "-C",         "runfs", "-f", file.ptr,  NULL};
    if (!buf_ok(&file) || !buf_ok(&public_file))
        return fail("", strerrordesc_np(ENOMEM));
    if (proc_run(argv, NULL, 4096, KEYGEN_MS, &result, &err) < 0)
        return fail("a key cannot be made (is openssh-client installed? --key FILE takes one that exists)",
                    err.msg);
    if (result.exit_code != 0)
        return fail("ssh-keygen", buf_str(&result.err));
    return read_file(file.ptr, KEY_MAX, ret_private, &err) < 0 ||
                   read_file(public_file.ptr, KEY_MAX, ret_public, &err) < 0
               ? fail("", err.msg)
               : 0;
}

static int make_identity(struct buf *ret_private, struct buf *ret_public)
{
    struct err err = {0};
    _free_ char *dir = temporary_directory("host", &err);

    if (!dir)
        return fail("", err.msg);
    int r = make_in(dir, ret_private, ret_public);
    (void)remove_tree(dir);
    return r;
}

static void keep(char **from, char **to)
{
    if (!*from)
        return;
    free(*to);
    *to = TAKE(*from);
}

static int replace(const char *by, char **to)
{
    free(*to);
    *to = strdup(by);
    return *to ? 0 : -ENOMEM;
}

/* A host that is added anew goes on to be reached and logged in to as before. */
static int keep_rest(const char *directory, const char *name, const struct options *o, struct ssh_host *h)
{
    _ssh_host_ struct ssh_host old = {0};
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;

    buf_addf(&path, "%s/config/hosts/%s", directory, name);
    if (buf_ok(&path) && read_file(path.ptr, KEY_MAX, &text, NULL) == 0)
        (void)ssh_host_parse(buf_str(&text), &old, NULL);
    keep(&old.identity, &h->identity);
    if (!o->key)
        keep(&old.agent, &h->agent);
    keep(&old.directory, &h->directory);
    keep(&old.jump, &h->jump);
    return (o->jump && replace(o->jump, &h->jump) < 0) || (o->agent && replace(o->agent, &h->agent) < 0)
               ? fail(name, strerrordesc_np(ENOMEM))
               : 0;
}

/* What stands beside the private key that it was given. */
static int give_certificate(const char *directory, const char *name, const char *key)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT, beside = BUF_INIT;

    buf_addf(&path, "%s-cert.pub", key);
    buf_addf(&beside, "%s-cert.pub", name);
    if (!buf_ok(&path) || !buf_ok(&beside))
        return fail(name, strerrordesc_np(ENOMEM));
    if (access(path.ptr, F_OK) < 0)
        return 0;
    return read_file(path.ptr, KEY_MAX, &text, NULL) < 0
               ? fail(path.ptr, strerrordesc_np(errno))
               : write_setting(directory, "identities", beside.ptr, &text);
}

/* The identity that a host is told to have, with its private half where it is to be. */
static int give_identity(const char *directory, const char *name, const struct options *o, struct ssh_host *h)
{
    _buf_ struct buf key = BUF_INIT, public_half = BUF_INIT;
    struct err err = {0};
    int r = 0;

    if (h->agent)
        return 0;
    if (o->key) {
        free(h->identity);
        h->identity = strdup(name);
        if (!h->identity || read_file(o->key, KEY_MAX, &key, &err) < 0)
            return fail(o->key, h->identity ? err.msg : strerrordesc_np(ENOMEM));
    } else if (!exists(directory, "identities", h->identity)) {
        r = make_identity(&key, &public_half);
    } else {
        return 0;
    }
    if (r == 0)
        r = write_setting(directory, "identities", h->identity, &key);
    if (r == 0 && o->key)
        r = give_certificate(directory, h->identity, o->key);
    if (key.len)
        explicit_bzero(key.ptr, key.len);
    if (r == 0 && public_half.len)
        printf("a key was made; let it in by this line in ~/.ssh/authorized_keys of %s on %s:\n%s", h->user,
               h->name, buf_str(&public_half));
    return r;
}

/* ---------------------------------------------------------------------------------------------- the commands
 */

static int add(const char *directory, const char *name, const char *address, const struct options *o)
{
    _ssh_host_ struct ssh_host h = {0};
    _buf_ struct buf key = BUF_INIT, text = BUF_INIT;
    struct err err = {0};

    if (name_check(name) < 0)
        return fail(name, "it cannot be a name");
    if (ssh_address_parse(address, &h, &err) < 0)
        return fail("", err.msg);
    if (keep_rest(directory, name, o, &h) < 0 || accept_key(&h, o, &key) < 0 ||
        give_identity(directory, name, o, &h) < 0)
        return -1;
    buf_addf(&text, "%s\n%s", address, buf_str(&key));
    if (h.agent)
        buf_addf(&text, "agent%s%s\n", *h.agent ? " " : "", h.agent);
    else
        buf_addf(&text, "identity %s\n", h.identity);
    if (h.jump)
        buf_addf(&text, "jump %s\n", h.jump);
    if (h.directory)
        buf_addf(&text, "directory %s\n", h.directory);
    if (write_setting(directory, "hosts", name, &text) < 0)
        return -1;
    printf("config/hosts/%s is written: `echo ssh:%s >%s/config/labels/LABEL` uses it\n", name, name,
           directory);
    return 0;
}

static void list_one(const char *name, const char *text)
{
    _ssh_host_ struct ssh_host h = {0};
    _buf_ struct buf key = BUF_INIT;
    struct err err = {0};
    int r = ssh_host_parse(text, &h, &err);

    if (r == 0)
        r = h.jump ? err_set(&err, -ENOTSUP, "is behind %s, and not asked from here", h.jump)
                   : ssh_host_key(&h, &key, &err);
    bool known = false;
    for (char **k = r == 0 ? h.keys : NULL; k && *k; k++)
        known |= str_starts(*k, buf_str(&key));
    printf("%-20s %.*s\t%s\n", name, (int)strcspn(text, "\n"), text,
           r < 0   ? err.msg
           : known ? "answers"
                   : "shows another key than the one it is known by");
}

static int list(const char *directory)
{
    _buf_ struct buf path = BUF_INIT;
    struct dirent *e;

    buf_addf(&path, "%s/config/hosts", directory);
    _closedir_ DIR *dir = buf_ok(&path) ? opendir(path.ptr) : NULL;
    if (!dir)
        return fail(buf_str(&path), strerrordesc_np(errno));
    while ((e = readdir(dir))) {
        _buf_ struct buf file = BUF_INIT, text = BUF_INIT;
        buf_addf(&file, "%s/%s", path.ptr, e->d_name);
        if (*e->d_name != '.' && read_file(buf_str(&file), KEY_MAX, &text, NULL) == 0)
            list_one(e->d_name, buf_str(&text));
    }
    return 0;
}

static int forget(const char *directory, const char *name)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/config/hosts/%s", directory, name);
    if (name_check(name) < 0 || !buf_ok(&path) || unlink(path.ptr) < 0)
        return fail(name, "there is no such host");
    return 0;
}

int cmd_host(int argc, char **argv)
{
    static const struct option longs[] = {{"key", required_argument, NULL, 'k'},
                                          {"accept", required_argument, NULL, 'a'},
                                          {"jump", required_argument, NULL, 'j'},
                                          {"hostkey", required_argument, NULL, 'H'},
                                          {"agent", optional_argument, NULL, 'A'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct options o = {0};
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == 'k')
            o.key = optarg;
        else if (c == 'a')
            o.accept = optarg;
        else if (c == 'j')
            o.jump = optarg;
        else if (c == 'H')
            o.hostkey = optarg;
        else if (c == 'A')
            o.agent = optarg ? optarg : "";
        else
            return c == 'h' ? (fputs(help, stdout), 0) : usage_wrong(help, NULL);
    }
    if (o.key && o.agent)
        return usage_wrong(help, "--key and --agent are two ways to log in: say one");
    const char *verb = optind < argc ? argv[optind] : "";
    int words = str_eq(verb, "add") ? 3 : str_eq(verb, "rm") ? 2 : str_eq(verb, "list") ? 1 : argc;
    if (argc - optind < words || argc - optind > words + 1)
        return usage_wrong(help, words == argc ? "say add, list or rm" : "that is too little, or too much");
    char **args = argv + optind;
    _free_ char *directory = mount_directory("host", args[words]);
    if (!directory)
        return 1;
    int r = words == 3   ? add(directory, args[1], args[2], &o)
            : words == 2 ? forget(directory, args[1])
                         : list(directory);
    return r < 0 ? 1 : 0;
}
