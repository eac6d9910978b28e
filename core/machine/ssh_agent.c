/*
 * The agent on a host, .cache/runfs/agent-HASH below the user's home: put there once for each version of it,
 * and started in a channel of its own. All that has to be there before is a shell, with cat, chmod, mkdir,
 * mv, rm and wc.
 */
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include "core/machine/ssh.h"
#include "runfs/io.h"
#include "runfs/str.h"

#define AT ".cache/runfs/"

enum {
    ANSWER_MS = 15000, /* until the agent greets, or has said why not */
    PUT_MS = 120000,   /* until it is there */
};
enum { AGENT_MAX = 64 * 1024 * 1024, GREETING_MAX = 64 * 1024, WORDS_MAX = 4096, WINDOW = 2 * 1024 * 1024 };

/* --------------------------------------------------------------------------------------------- a command */

static int run(struct ssh_session *s, const char *command, LIBSSH2_CHANNEL **ret, struct err *err)
{
    static const char session[] = "session", exec[] = "exec";
    LIBSSH2_CHANNEL *c =
        ssh_await_pointer(s, libssh2_channel_open_ex(s->session, session, sizeof(session) - 1, WINDOW,
                                                     LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0));

    if (!c)
        return ssh_failed(s, "cannot open a channel", err);
    *ret = c;
    return ssh_await(s, libssh2_channel_process_startup(c, exec, sizeof(exec) - 1, command,
                                                        (unsigned)strlen(command))) == 0
               ? 0
               : ssh_failed(s, "cannot run a command", err);
}

/* What it says on its standard error, until its end. */
static void read_errors(struct ssh_session *s, LIBSSH2_CHANNEL *c, struct buf *ret)
{
    int64_t until = ssh_after_ms(ANSWER_MS);
    char bytes[WORDS_MAX];
    ssize_t n;

    while (ret->len < WORDS_MAX && ssh_in_time(s, until) &&
           (n = ssh_await(s, libssh2_channel_read_ex(c, SSH_EXTENDED_DATA_STDERR, bytes, sizeof(bytes)))) > 0)
        buf_add(ret, bytes, (size_t)n);
}

/* The last line of what was said, for a person. */
static void last_line(struct buf *text, char *ret, size_t size)
{
    while (text->len && (unsigned char)text->ptr[text->len - 1] <= ' ')
        text->len--;
    size_t from = text->len;
    while (from && text->ptr[from - 1] != '\n')
        from--;
    size_t len = text->len - from < size ? text->len - from : size - 1;
    snprintf(ret, size, "%.*s", (int)len, text->len ? text->ptr + from : "");
    ssh_clean_words(ret);
}

/* Its end, and what it left to say, as an error. */
static int ended(struct ssh_session *s, LIBSSH2_CHANNEL *c, struct buf *out, const char *what,
                 struct err *err)
{
    _buf_ struct buf errors = BUF_INIT;
    char words[200], more[200];

    read_errors(s, c, &errors);
    last_line(&errors, words, sizeof(words));
    last_line(out, more, sizeof(more));
    (void)ssh_await(s, libssh2_channel_close(c));
    int status = libssh2_channel_get_exit_status(c);
    return err_set(err, -EREMOTEIO, "ssh %s: %s: %s (status %d)", s->where, what,
                   *words  ? words
                   : *more ? more
                           : "nothing was said",
                   status);
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

/* All that it says, of which the end is kept: a shell may say much before a command begins. */
static int read_to_end(struct ssh_session *s, LIBSSH2_CHANNEL *c, struct buf *ret, struct err *err)
{
    int64_t until = ssh_after_ms(ANSWER_MS);
    char bytes[WORDS_MAX];
    ssize_t n = 1;

    while (n > 0) {
        n = ssh_in_time(s, until) ? ssh_await(s, libssh2_channel_read_ex(c, 0, bytes, sizeof(bytes))) : -1;
        if (n > 0)
            buf_add(ret, bytes, (size_t)n);
        if (ret->len > WORDS_MAX)
            buf_drop(ret, ret->len - WORDS_MAX);
    }
    return n < 0 ? ssh_failed(s, "cannot put the agent there", err) : 0;
}

static int put_through(struct ssh_session *s, LIBSSH2_CHANNEL *c, const struct buf *bytes, struct err *err)
{
    _buf_ struct buf out = BUF_INIT;
    int r = write_out(s, c, bytes, err);

    if (r < 0)
        return r;
    (void)ssh_in_time(s, ssh_after_ms(ANSWER_MS));
    if (ssh_await(s, libssh2_channel_send_eof(c)) != 0)
        return ssh_failed(s, "cannot put the agent there", err);
    r = read_to_end(s, c, &out, err);
    if (r < 0)
        return r;
    if (ssh_await(s, libssh2_channel_close(c)) != 0 || ssh_await(s, libssh2_channel_wait_closed(c)) != 0)
        return ssh_failed(s, "cannot put the agent there", err);
    return libssh2_channel_get_exit_status(c) == 0
               ? 0
               : ended(s, c, &out, "the agent cannot be put into ~/" AT, err);
}

/* Whole or not at all, also when two do it at once; a part does not stay. */
static int put_agent(struct ssh_session *s, const struct buf *bytes, const char *name, struct err *err)
{
    _buf_ struct buf command = BUF_INIT;
    LIBSSH2_CHANNEL *c = NULL;

    buf_addf(&command,
             "sh -c 'umask 077; mkdir -p " AT " && cd " AT " && p=.%s.$$ && trap \"rm -f $p\" EXIT && "
             "trap \"exit 1\" HUP INT PIPE TERM && cat >$p && test $(wc -c <$p) -eq %zu && chmod 700 $p && "
             "mv -f $p %s'",
             name, bytes->len, name);
    (void)ssh_in_time(s, ssh_after_ms(ANSWER_MS));
    int r = buf_ok(&command) ? run(s, command.ptr, &c, err) : err_errno(err, -ENOMEM, "ssh");
    if (r == 0)
        r = put_through(s, c, bytes, err);
    if (c)
        (void)ssh_await(s, libssh2_channel_free(c));
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
            return ended(s, a->channel, &a->said, "its agent cannot be started", err);
        buf_add(&a->said, bytes, (size_t)n);
        if (!buf_ok(&a->said) || a->said.len > GREETING_MAX)
            return err_set(err, -EPROTO, "ssh %s: its shell says too much before a command begins", s->where);
    }
    int r = take_greeting(s, line, len, a, err);
    buf_drop(&a->said, (size_t)(line + len + 1 - a->said.ptr));
    return r;
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

static int try_start(struct ssh_session *s, const char *command, struct ssh_agent *a, struct err *err)
{
    buf_reset(&a->said);
    (void)ssh_in_time(s, ssh_after_ms(ANSWER_MS));
    int r = run(s, command, &a->channel, err);

    if (r == 0)
        r = await_greeting(s, a, err);
    if (r < 0 && a->channel) {
        (void)ssh_await(s, libssh2_channel_free(a->channel));
        a->channel = NULL;
    }
    return r;
}

int ssh_agent_start(struct ssh_session *s, const char *agent, const char *id, const struct machine_limits *l,
                    struct ssh_agent *ret, struct err *err)
{
    _buf_ struct buf bytes = BUF_INIT, command = BUF_INIT;
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char hex[2 * sizeof(hash) + 1], name[sizeof(hex) + 8];
    int r = read_file(agent, AGENT_MAX, &bytes, err);

    if (r < 0)
        return r;
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)bytes.ptr, bytes.len, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    snprintf(name, sizeof(name), "agent-%s", hex);
    buf_addf(&command, "exec " AT "%s remote %s", name, id);
    add_limits(&command, l);
    if (!buf_ok(&command))
        return err_errno(err, -ENOMEM, "ssh");
    r = try_start(s, command.ptr, ret, err);
    if (r != -EREMOTEIO)
        return r;
    r = put_agent(s, &bytes, name, err);
    return r == 0 ? try_start(s, command.ptr, ret, err) : r;
}
