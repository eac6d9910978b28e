/* A command on a host, in a channel of its own: what it says, and how it ends, as words. */
#include <poll.h>

#include "core/machine/ssh.h"
#include "runfs/str.h"

enum {
    ANSWER_MS = 15000,
    OPEN_TRIES = 6, /* of a channel: the one before may not be closed yet, where a host allows one only */
    OPEN_MS = 50,
};
enum { WORDS_MAX = 4096, WINDOW = 2 * 1024 * 1024 };
enum { CANNOT_EXECUTE = 126 }; /* POSIX, Shell Command Language, 2.8.2 */

static LIBSSH2_CHANNEL *open_channel(struct ssh_session *s)
{
    static const char session[] = "session";
    LIBSSH2_CHANNEL *c = NULL;

    for (int i = 0; !c && i < OPEN_TRIES; i++) {
        if (i > 0)
            (void)poll(NULL, 0, OPEN_MS);
        c = ssh_await_pointer(s, libssh2_channel_open_ex(s->session, session, sizeof(session) - 1, WINDOW,
                                                         LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0));
        if (!c && libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_CHANNEL_FAILURE)
            break;
    }
    return c;
}

int ssh_run(struct ssh_session *s, const char *command, LIBSSH2_CHANNEL **ret, struct err *err)
{
    static const char exec[] = "exec";

    (void)ssh_in_time(s, ssh_after_ms(ANSWER_MS));
    LIBSSH2_CHANNEL *c = open_channel(s);
    if (!c)
        return libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_CHANNEL_FAILURE
                   ? ssh_failed(s, "cannot open a channel", err)
                   : err_set(err, -EACCES,
                             "ssh %s: it lets the user in, but runs no command (MaxSessions 0 in its "
                             "sshd_config, or a key that is for forwarding only?)",
                             s->where);
    *ret = c;
    return ssh_await(s, libssh2_channel_process_startup(c, exec, sizeof(exec) - 1, command,
                                                        (unsigned)strlen(command))) == 0
               ? 0
               : ssh_failed(s, "it refuses to run a command", err);
}

void ssh_run_free(struct ssh_session *s, LIBSSH2_CHANNEL *c)
{
    if (c && ssh_in_time(s, ssh_after_ms(ANSWER_MS)))
        (void)ssh_await(s, libssh2_channel_free(c));
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

int ssh_run_output(struct ssh_session *s, LIBSSH2_CHANNEL *c, const char *what, struct buf *ret,
                   struct err *err)
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
    return n < 0 ? ssh_failed(s, what, err) : 0;
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

int ssh_run_ended(struct ssh_session *s, LIBSSH2_CHANNEL *c, struct buf *out, const char *what,
                  struct err *err)
{
    _buf_ struct buf errors = BUF_INIT;
    char words[200], more[200];

    read_errors(s, c, &errors);
    last_line(&errors, words, sizeof(words));
    last_line(out, more, sizeof(more));
    (void)ssh_await(s, libssh2_channel_close(c));
    int status = libssh2_channel_get_exit_status(c);
    return err_set(err, -EREMOTEIO, "ssh %s: %s: %s (status %d%s)", s->where, what,
                   *words  ? words
                   : *more ? more
                           : "nothing was said",
                   status,
                   status == CANNOT_EXECUTE ? ": its file system may be mounted noexec; `directory /PATH` in "
                                              "config/hosts/NAME puts it elsewhere"
                                            : "");
}
