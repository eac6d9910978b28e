/*
 * The agent on a host, .cache/runfs/agent-HASH below the user's home or where config/hosts/ says: put there
 * once for each version of it, and started in a channel of its own. All that has to be there before is a
 * shell, with cat, chmod, mkdir, mv, rm, uname and wc. A host is asked what it is only where the agent could
 * not be started: then it is told from one that runs no commands, or none for this processor.
 */
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "core/machine/ssh.h"
#include "runfs/io.h"
#include "runfs/str.h"

#define IS "runfs-host " /* what a host's answer begins with */

enum {
    ANSWER_MS = 15000, /* until the agent greets, or has said why not */
    PUT_MS = 120000,   /* until it is there */
};
enum { AGENT_MAX = 64 * 1024 * 1024, GREETING_MAX = 64 * 1024, HASH_MAX = 2 * crypto_generichash_BYTES_MIN };

/* One that is started there, or put there first. */
struct program {
    const struct ssh_host *host;
    struct buf bytes;
    char name[HASH_MAX + 16];
    struct buf command; /* that starts it */
};

static void program_release(struct program *p)
{
    buf_release(&p->bytes);
    buf_release(&p->command);
}

static const char *directory_of(const struct ssh_host *h)
{
    return h->directory ? h->directory : ".cache/runfs";
}

static void add_limits(struct buf *b, const struct machine_limits *l)
{
    if (l->files)
        buf_addf(b, " files=%u", l->files);
    if (l->pids)
        buf_addf(b, " pids=%u", l->pids);
    if (l->memory)
        buf_addf(b, " memory=%llu", (unsigned long long)l->memory);
}

/* A directory that was made by somebody else may hold a program of that name that is no agent. */
static void add_command(struct program *p, const char *id, const struct machine_limits *l)
{
    const char *dir = directory_of(p->host);

    if (p->host->directory)
        buf_addf(&p->command, "sh -c 'test -O %s && exec %s/%s remote %s", dir, dir, p->name, id);
    else
        buf_addf(&p->command, "exec %s/%s remote %s", dir, p->name, id);
    add_limits(&p->command, l);
    buf_adds(&p->command, p->host->directory ? "'" : "");
}

static int program_read(const struct ssh_host *h, const char *file, const char *id,
                        const struct machine_limits *l, struct program *ret, struct err *err)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char hex[HASH_MAX + 1];

    program_release(ret);
    *ret = (struct program){.host = h};
    int r = read_file(file, AGENT_MAX, &ret->bytes, err);
    if (r < 0)
        return r;
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)ret->bytes.ptr, ret->bytes.len, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    snprintf(ret->name, sizeof(ret->name), "agent-%s", hex);
    add_command(ret, id, l);
    return buf_ok(&ret->command) ? 0 : err_errno(err, -ENOMEM, "ssh");
}

/* -------------------------------------------------------------------------------------- what the host is */

/* "Linux PROCESSOR", behind what its shell may have said. */
static int take_answer(struct ssh_session *s, LIBSSH2_CHANNEL *c, char *ret, size_t size, struct err *err)
{
    _buf_ struct buf out = BUF_INIT;
    int r = ssh_run_output(s, c, "it does not say what it is", &out, err);

    if (r < 0)
        return r;
    buf_addc(&out, '\n');
    const char *at = buf_ok(&out) ? memmem(out.ptr, out.len, "\n" IS, strlen("\n" IS)) : NULL;
    if (!at)
        return ssh_run_ended(s, c, &out,
                             "it does not run what it is told (a forced command, a restricted shell, or an "
                             "account without one?)",
                             err);
    at += strlen("\n" IS);
    snprintf(ret, size, "%.*s", (int)strcspn(at, "\n"), at);
    ssh_clean_words(ret);
    return 0;
}

static int ask_what_it_is(struct ssh_session *s, char *ret, size_t size, struct err *err)
{
    LIBSSH2_CHANNEL *c = NULL;
    int r = ssh_run(s, "sh -c 'echo; echo " IS "`uname -s` `uname -m`'", &c, err);

    if (r == 0)
        r = take_answer(s, c, ret, size, err);
    ssh_run_free(s, c);
    return r;
}

/* The file of the agent for that host: this host's own, or one that was built for the other beside it. */
static int find_file(struct ssh_session *s, const char *own, struct buf *ret, struct err *err)
{
    struct utsname here;
    char is[80];
    int r = ask_what_it_is(s, is, sizeof(is), err);

    if (r < 0)
        return r;
    const char *processor = str_starts(is, "Linux ") ? is + strlen("Linux ") : "";
    if (name_check(processor) < 0)
        return err_set(err, -ENOTSUP, "ssh %s: it is no Linux: `uname` there says %s", s->where, is);
    (void)uname(&here);
    buf_adds(ret, own);
    if (str_eq(processor, here.machine))
        return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "ssh");
    buf_addf(ret, "-%s", processor);
    if (!buf_ok(ret) || access(ret->ptr, R_OK) < 0)
        return err_set(
            err, -ENOTSUP,
            "ssh %s: its processor is another (%s there, %s here), and there is no agent for that: "
            "one that is built for it belongs into %s",
            s->where, processor, here.machine, buf_str(ret));
    return 0;
}

/* ------------------------------------------------------------------------------------------- putting it
 * there
 */

static int write_out(struct ssh_session *s, LIBSSH2_CHANNEL *c, const struct buf *bytes, struct err *err)
{
    int64_t until = ssh_after_ms(PUT_MS);

    for (size_t at = 0; at < bytes->len;) {
        if (!ssh_in_time(s, until))
            return err_set(err, -ETIMEDOUT, "ssh %s: the agent cannot be put there in %d s", s->where,
                           PUT_MS / 1000);
        ssize_t n = ssh_await(s, libssh2_channel_write_ex(c, 0, bytes->ptr + at, bytes->len - at));
        if (n < 0)
            return ssh_failed(s, "cannot put the agent there", err);
        at += (size_t)n;
    }
    return 0;
}

static int put_through(struct ssh_session *s, LIBSSH2_CHANNEL *c, const struct program *p, struct err *err)
{
    _buf_ struct buf out = BUF_INIT;
    char what[SSH_DIRECTORY_MAX + 64];
    int r = write_out(s, c, &p->bytes, err);

    snprintf(what, sizeof(what), "the agent cannot be put into %s%s/", p->host->directory ? "" : "~/",
             directory_of(p->host));

    if (r < 0)
        return r;
    (void)ssh_in_time(s, ssh_after_ms(ANSWER_MS));
    if (ssh_await(s, libssh2_channel_send_eof(c)) != 0)
        return ssh_failed(s, "cannot put the agent there", err);
    r = ssh_run_output(s, c, "cannot put the agent there", &out, err);
    if (r < 0)
        return r;
    if (ssh_await(s, libssh2_channel_close(c)) != 0 || ssh_await(s, libssh2_channel_wait_closed(c)) != 0)
        return ssh_failed(s, "cannot put the agent there", err);
    return libssh2_channel_get_exit_status(c) == 0 ? 0 : ssh_run_ended(s, c, &out, what, err);
}

/* Whole or not at all, also when two do it at once; a part does not stay. */
static int put_agent(struct ssh_session *s, const struct program *p, struct err *err)
{
    const char *dir = directory_of(p->host);
    _buf_ struct buf command = BUF_INIT;
    LIBSSH2_CHANNEL *c = NULL;

    buf_addf(&command,
             "sh -c 'umask 077; mkdir -p %s && cd %s || exit; test -O . || "
             "{ echo it belongs to another user >&2; exit 1; }; p=.%s.$$ && trap \"rm -f $p\" EXIT && "
             "trap \"exit 1\" HUP INT PIPE TERM && cat >$p && test $(wc -c <$p) -eq %zu && chmod 700 $p && "
             "mv -f $p %s'",
             dir, dir, p->name, p->bytes.len, p->name);
    int r = buf_ok(&command) ? ssh_run(s, command.ptr, &c, err) : err_errno(err, -ENOMEM, "ssh");
    if (r == 0)
        r = put_through(s, c, p, err);
    ssh_run_free(s, c);
    return r;
}

/* ----------------------------------------------------------------------------------------------- starting it
 */

/* Where its greeting begins, behind what a shell may have said, and where it ends; NULL: it is not all here.
 */
static const char *find_greeting(const struct buf *said, size_t *ret_len)
{
    const char *at =
        said->len ? memmem(said->ptr, said->len, "\n" REMOTE_HELLO, strlen("\n" REMOTE_HELLO)) : NULL;
    const char *end = at ? memchr(at + 1, '\n', said->len - (size_t)(at + 1 - said->ptr)) : NULL;

    *ret_len = end ? (size_t)(end - at - 1) : 0;
    return end ? at + 1 : NULL;
}

/* "runfs-agent VERSION DIRECTORY" */
static int take_greeting(struct ssh_session *s, const char *line, size_t len, struct ssh_agent *a,
                         struct err *err)
{
    char text[sizeof(a->dir) + 64];
    char *dir = NULL;

    snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), line);
    long version = strtol(text + strlen(REMOTE_HELLO), &dir, 10);
    bool good = version == AGENT_VERSION && len < sizeof(text) && *dir == ' ' && dir[1] == '/' &&
                strlen(dir + 1) < sizeof(a->dir) && utf8_valid(dir + 1, strlen(dir + 1));
    for (const char *p = text; *p && good; p++)
        good = (unsigned char)*p >= ' ' && *p != 127;
    if (!good)
        return err_set(err, -EPROTO, "ssh %s: its agent is of another version or broke the protocol",
                       s->where);
    snprintf(a->dir, sizeof(a->dir), "%s", dir + 1);
    return 0;
}

static int await_greeting(struct ssh_session *s, struct ssh_agent *a, struct err *err)
{
    int64_t until = ssh_after_ms(ANSWER_MS);
    const char *line;
    size_t len;

    while (!(line = find_greeting(&a->said, &len))) {
        char bytes[4096];
        ssize_t n = ssh_in_time(s, until)
                        ? ssh_await(s, libssh2_channel_read_ex(a->channel, 0, bytes, sizeof(bytes)))
                        : -1;
        if (n < 0)
            return ssh_failed(s, "its agent does not answer", err);
        if (n == 0)
            return ssh_run_ended(s, a->channel, &a->said, "its agent cannot be started", err);
        buf_add(&a->said, bytes, (size_t)n);
        if (!buf_ok(&a->said) || a->said.len > GREETING_MAX)
            return err_set(err, -EPROTO, "ssh %s: its shell says too much before a command begins", s->where);
    }
    int r = take_greeting(s, line, len, a, err);
    buf_drop(&a->said, (size_t)(line + len + 1 - a->said.ptr));
    return r;
}

static int try_start(struct ssh_session *s, const struct program *p, struct ssh_agent *a, struct err *err)
{
    buf_reset(&a->said);
    int r = ssh_run(s, p->command.ptr, &a->channel, err);
    if (r == 0)
        r = await_greeting(s, a, err);
    if (r < 0) {
        ssh_run_free(s, a->channel);
        a->channel = NULL;
    }
    return r;
}

/* After it could not be started: it is not there yet, or the host is none for it. */
static int put_and_start(struct ssh_session *s, const char *own, const char *id,
                         const struct machine_limits *l, struct program *p, struct ssh_agent *ret,
                         struct err *err)
{
    _buf_ struct buf file = BUF_INIT;
    int r = find_file(s, own, &file, err);

    if (r == 0 && !str_eq(file.ptr, own)) {
        r = program_read(p->host, file.ptr, id, l, p, err);
        if (r == 0 && (r = try_start(s, p, ret, err)) != -EREMOTEIO)
            return r;
        r = 0;
    }
    if (r == 0)
        r = put_agent(s, p, err);
    return r == 0 ? try_start(s, p, ret, err) : r;
}

int ssh_agent_start(struct ssh_session *s, const struct ssh_host *h, const char *agent, const char *id,
                    const struct machine_limits *l, struct ssh_agent *ret, struct err *err)
{
    _cleanup_(program_release) struct program p = {0};
    int r = program_read(h, agent, id, l, &p, err);

    if (r == 0)
        r = try_start(s, &p, ret, err);
    return r == -EREMOTEIO ? put_and_start(s, agent, id, l, &p, ret, err) : r;
}
