/* runfs fcctl-serve: fcctl-web's API over machines of our own, until it is told to end. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "fs.h"
#include "runfs/fcctl.h"
#include "runfs/io.h"
#include "runfs/machine.h"
#include "runfs/run.h"
#include "runfs/str.h"

static const char help[] =
    "usage: runfs fcctl-serve [--listen [ADDRESS:]PORT] [--label LABEL] [--key FILE] [--machines N]\n"
    "       runfs fcctl-serve --token [--seconds N] [--key FILE]\n"
    "\n"
    "Offers the HTTP API of fcctl-web over machines of runfs, until SIGTERM or SIGINT. What is asked of it\n"
    "carries a token (JWT, HS256); --token prints one.\n"
    "\n"
    "      --listen WHERE   [ADDRESS:]PORT, or the path of a unix socket (default: 127.0.0.1:8080)\n"
    "      --label LABEL    what its machines are: what a label of config/labels may mean (default: "
    "sandbox)\n"
    "      --key FILE       what tokens are signed with; made if it is not there (default:\n"
    "                       $XDG_STATE_HOME/runfs/fcctl.key)\n"
    "      --machines N     how many there may be at once, 1 to 256 (default: 16)\n"
    "      --token          print a token and end\n"
    "      --seconds N      for how long it is valid (default: 86400)\n"
    "\n"
    "exit status: 0 ended as it was told to, 1 it could not serve, 2 usage\n";

struct options {
    const char *listen, *label, *key;
    uint64_t machines, seconds;
    bool token;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    enum { LISTEN = 256, LABEL, KEY, MACHINES, TOKEN, SECONDS };
    static const struct option longs[] = {{"listen", required_argument, NULL, LISTEN},
                                          {"label", required_argument, NULL, LABEL},
                                          {"key", required_argument, NULL, KEY},
                                          {"machines", required_argument, NULL, MACHINES},
                                          {"token", no_argument, NULL, TOKEN},
                                          {"seconds", required_argument, NULL, SECONDS},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    bool good = true;
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == LISTEN)
            o->listen = optarg;
        else if (c == LABEL)
            o->label = optarg;
        else if (c == KEY)
            o->key = optarg;
        else if (c == TOKEN)
            o->token = true;
        else if (c == MACHINES)
            good &= parse_u64(optarg, &o->machines) == 0 && o->machines >= 1 && o->machines <= 256;
        else if (c == SECONDS)
            good &= parse_u64(optarg, &o->seconds) == 0 && o->seconds >= 1 && o->seconds <= 1LL << 32;
        else
            return c == 'h' ? (fputs(help, stdout), 0) : usage_wrong(help, NULL);
    }
    if (good && optind == argc)
        return -1;
    usage_wrong(help,
                good ? "it takes no arguments but options" : "--machines is 1 to 256, --seconds at least 1");
    return 2;
}

/* ------------------------------------------------------------------------------------------------- the key
 */

static int make_key(const char *path, struct err *err)
{
    unsigned char random[32];
    char text[2 * sizeof(random) + 2];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return err_errno(err, -EIO, "no random bytes for %s", path);
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(text + 2 * i, 4, "%02x\n", random[i]);
    _close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : write_all(fd, text, sizeof(text) - 1);
    return r < 0 && r != -EEXIST ? err_errno(err, r, "cannot make the key %s", path) : 0;
}

static int check_key(const char *path, const struct buf *key, struct err *err)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.st_mode & 077)
        return err_set(err, -EPERM, "%s can be read by others: chmod 600 %s", path, path);
    return key->len < FCCTL_KEY_MIN
               ? err_set(err, -EINVAL, "%s: a key has at least %d characters", path, FCCTL_KEY_MIN)
               : 0;
}

/* The file's text without the end of its line. */
static int read_key(const char *given, struct buf *ret, struct err *err)
{
    _free_ char *state = given ? NULL : state_directory(NULL);
    _buf_ struct buf path = BUF_INIT;

    if (given)
        buf_adds(&path, given);
    else
        buf_addf(&path, "%s/fcctl.key", state ? state : ".");
    if (!buf_ok(&path) || (!given && (!state || make_dirs(state, 0700) < 0)))
        return err_set(err, -ENOENT, "there is no place for a key: say --key FILE");
    int r = access(path.ptr, F_OK) == 0 ? 0 : make_key(path.ptr, err);
    if (r == 0)
        r = read_file(path.ptr, FCCTL_KEY_MAX, ret, err);
    while (r == 0 && ret->len && ret->ptr[ret->len - 1] == '\n')
        ret->ptr[--ret->len] = '\0';
    return r == 0 ? check_key(path.ptr, ret, err) : r;
}

/* --------------------------------------------------------------------------------------------- the server */

struct serving {
    char *dir; /* owned; NULL: there is none yet */
    struct store *store;
    struct machines *machines;
    struct fcctl *fcctl;
};

static int start(struct serving *s, const struct options *o, const struct buf *key, struct err *err)
{
    const char *text = o->listen;
    struct listen_at at;
    int r = config_listen_next(&text, &at, err);

    if (r <= 0)
        return r < 0 ? r : err_set(err, -EINVAL, "--listen is [ADDRESS:]PORT or the path of a unix socket");
    if (!(s->dir = temporary_directory("fcctl", err)))
        return err->code;
    if (chmod(s->dir, 0711) < 0)
        return err_errno(err, -errno, "%s", s->dir);
    r = store_open(s->dir, &s->store, err);
    if (r == 0)
        r = machines_new(&(struct machines_opts){.state_dir = store_dir(s->store), .store = s->store},
                         &s->machines, err);
    if (r < 0)
        return r;
    r = fcctl_start(&(struct fcctl_opts){.address = at.address,
                                         .port = at.port,
                                         .store = s->store,
                                         .machines = s->machines,
                                         .label = o->label,
                                         .key = key->ptr,
                                         .key_len = key->len,
                                         .max_machines = (unsigned)o->machines},
                    &s->fcctl, err);
    if (r == 0 && *at.address == '/')
        printf("listening on %s\n", at.address);
    else if (r == 0)
        printf("listening on http://%s%s%s:%u\n", strchr(at.address, ':') ? "[" : "", at.address,
               strchr(at.address, ':') ? "]" : "", fcctl_port(s->fcctl));
    fflush(stdout);
    return r;
}

static void end(struct serving *s)
{
    fcctl_stop(s->fcctl);
    machines_free(s->machines);
    store_close(s->store);
    if (s->dir)
        (void)remove_tree(s->dir);
    free(s->dir);
}

static int serve(const struct options *o, const struct buf *key, struct err *err)
{
    struct serving s = {0};
    sigset_t set;
    int signal_number;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before there are threads, which have it from this one */
    int r = start(&s, o, key, err);
    if (r == 0)
        (void)sigwait(&set, &signal_number);
    end(&s);
    return r;
}

int cmd_fcctl_serve(int argc, char **argv)
{
    struct options o = {.listen = "127.0.0.1:8080", .label = "sandbox", .machines = 16, .seconds = 86400};
    _buf_ struct buf key = BUF_INIT, token = BUF_INIT;
    struct err err = {0};
    int r = parse_options(argc, argv, &o);

    if (r >= 0)
        return r;
    r = read_key(o.key, &key, &err);
    if (r == 0 && !o.token)
        r = serve(&o, &key, &err);
    else if (r == 0 && (r = fcctl_token(key.ptr, key.len, (int64_t)o.seconds, &token)) < 0)
        err_errno(&err, r, "cannot make a token");
    else if (r == 0)
        puts(buf_str(&token));
    if (r < 0)
        fprintf(stderr, "runfs fcctl-serve: %s\n", err.msg);
    return r < 0 ? 1 : 0;
}
