/* Between the files of the SSH backend. */
#ifndef RUNFS_SSH_BACKEND_H
#define RUNFS_SSH_BACKEND_H

#include "core/machine/machine_internal.h"
#include "runfs/late_ssh2.h"
#include "runfs/ssh.h"

/*
 * A connection. One thread at a time.
 *
 * A host is nobody's friend before its key is checked, and may be anything after: what libssh2 holds for it
 * is bounded (it keeps packets that nobody asked for), and so is what one call of it takes, in time while it
 * blocks and in bytes while it does not.
 */
struct ssh_session {
    char where[320]; /* "user@host:port", for errors */
    int socket;      /* -1: there is none */
    LIBSSH2_SESSION *session;
    size_t memory;            /* bytes that libssh2 holds */
    struct ssh_chunk *chunks; /* in these */
    int64_t until;            /* of mono_ns(): nothing is received later; 0: always */
    size_t budget;            /* bytes that are still received, where that is counted */
    bool counted;
    int64_t received_at; /* when something came, of mono_ns() */
    struct ssh_pump
        *through;     /* borrowed: the way to it, where that is another host; NULL: there is a socket */
    bool stranger;    /* it has shown no key yet */
    size_t unasked;   /* bytes that came from it while it was one */
    struct buf heard; /* the first of them */
    struct buf kinds; /* of keys that it was asked for, with commas between them */
    const atomic_bool *cancelled; /* NULL, or what ends its calls by -ECANCELED */
};
#define SSH_SESSION_INIT                                                                                     \
    {                                                                                                        \
        .socket = -1                                                                                         \
    }

/* ssh_reach.c: within 15 s, whatever addresses the name has, and however long it takes to be found. */
int ssh_reach(const struct ssh_host *h, struct ssh_session *s, struct err *err);
/* Connects, where there is no socket yet, and agrees on a cipher; with known keys, on one of their kinds.
 * Within 15 s for the connection and 15 s more. -ECONNRESET: it was closed before there was a key, as hosts
 * do that have too many at once. On failure too it is to be closed. */
int ssh_connect(const struct ssh_host *h, struct ssh_session *s, struct err *err);
/* Whether it is the host that it should be: -EACCES with words. */
int ssh_check_host(const struct ssh_host *h, struct ssh_session *s, struct err *err);
/* ssh_login.c: within 15 s: -EACCES where it does not let the user in. By the private key, with its
 * certificate if it is not NULL; NULL: by an ssh-agent's, as the host's file says. */
int ssh_login(const struct ssh_host *h, struct ssh_session *s, const char *private_key,
              const char *certificate, struct err *err);
void ssh_close(struct ssh_session *s);
/* What libssh2 says of its last call, as an error; -ETIMEDOUT after `until`, -ECANCELED. */
int ssh_failed(struct ssh_session *s, const char *what, struct err *err);
/* Until when calls are awaited: several of them together. False: that is over. */
bool ssh_in_time(struct ssh_session *s, int64_t until);
int64_t ssh_after_ms(int ms);
/* Waits for no longer than a slice, and not past the time: n of poll(2), 0 where it is to be looked again. */
int ssh_wait_slice(const struct ssh_session *s, int fd, short events);
/* Sleeps until the call that wanted it may go on. False: it is too late, or cancelled. */
bool ssh_wait(struct ssh_session *s);
/* The value of a call that is made again until it is done, or fails; of one that yields a pointer. */
#define ssh_await(s, call)                                                                                   \
    __extension__({                                                                                          \
        __typeof__(call) r_;                                                                                 \
        while ((r_ = (call)) == LIBSSH2_ERROR_EAGAIN && ssh_wait(s))                                         \
            ;                                                                                                \
        r_;                                                                                                  \
    })
#define ssh_await_pointer(s, call)                                                                           \
    __extension__({                                                                                          \
        __typeof__(call) r_;                                                                                 \
        while (!(r_ = (call)) && ssh_wants_more(s) && ssh_wait(s))                                           \
            ;                                                                                                \
        r_;                                                                                                  \
    })
bool ssh_wants_more(struct ssh_session *s); /* the last call was not done */
/* ssh_memory.c: what libssh2 allocates by; and the end of what it has forgotten. */
LIBSSH2_ALLOC_FUNC(ssh_allocate);
LIBSSH2_REALLOC_FUNC(ssh_reallocate);
LIBSSH2_FREE_FUNC(ssh_release);
void ssh_forget(struct ssh_session *s);
/* ssh_offer.c: after a handshake that failed, what the host would have needed to be agreed with; false: it
 * was something else. `asked` are the kinds of keys that it was asked for. */
bool ssh_explain_offer(const struct ssh_host *h, struct ssh_session *s, const char *asked, char *ret,
                       size_t size);
/* The first libssh2 that signs with RSA keys as RFC 8332 wants it. */
#define LIBSSH2_SIGNS_SHA2 0x010b00
/* ssh_identity.c: "ssh-rsa", or whatever the private key is; "" where that cannot be told. */
enum { SSH_KIND_MAX = 64 };
void ssh_identity_kind(const char *private_key, char ret[SSH_KIND_MAX]);
/* "ssh-ed25519-cert-v01@openssh.com", ...: what a certificate of such a key begins with. */
#define SSH_CERTIFICATE "-cert-v01@openssh.com"
/* A string of RFC 4251, and *at behind it; NULL: it is not all here. */
const unsigned char *ssh_take_string(const unsigned char **at, const unsigned char *end, size_t *ret_len);

/* ssh_keyring.c: the keys of an ssh-agent, one after the other, as long as s is not too late. */
struct ssh_keyring {
    int fd;
    const struct ssh_session *s; /* borrowed */
    struct buf said;
    size_t at;
    const unsigned char *key; /* in what it said: the one that ssh_keyring_next() came to */
    size_t len;
};
/* path "": SSH_AUTH_SOCK's. On failure too it is to be closed. */
int ssh_keyring_open(const struct ssh_session *s, const char *path, struct ssh_keyring *ret, struct err *err);
bool ssh_keyring_next(struct ssh_keyring *k); /* false: there are no more */
void ssh_keyring_kind(const struct ssh_keyring *k, char ret[SSH_KIND_MAX]);
LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(ssh_keyring_sign); /* *abstract: the keyring */
void ssh_keyring_close(struct ssh_keyring *k);
/* A host's words, for a person: what is no UTF-8 is cut, what a terminal would obey is a '?'. */
void ssh_clean_words(char *words);

/* ssh_command.c: begins a command, in a channel that is the caller's also when this fails. */
int ssh_run(struct ssh_session *s, const char *command, LIBSSH2_CHANNEL **ret, struct err *err);
/* All that it says on its standard output, of which the end is kept: a shell may say much before a command
 * begins. `what` stands in errors. */
int ssh_run_output(struct ssh_session *s, LIBSSH2_CHANNEL *c, const char *what, struct buf *ret,
                   struct err *err);
/* -EREMOTEIO: how it ended, with what it said last. */
int ssh_run_ended(struct ssh_session *s, LIBSSH2_CHANNEL *c, struct buf *out, const char *what,
                  struct err *err);
void ssh_run_free(struct ssh_session *s, LIBSSH2_CHANNEL *c); /* NULL is fine */

/* ssh_agent.c: starts the agent there, in a machine of that id, putting it there first where it is not yet:
 * the file `agent`, or `agent`-PROCESSOR where that is another than this host's. Its directory, which the
 * host tells, and what came behind that. */
struct ssh_agent {
    LIBSSH2_CHANNEL *channel;
    char dir[512];
    struct buf said;
};
int ssh_agent_start(struct ssh_session *s, const struct ssh_host *h, const char *agent, const char *id,
                    const struct machine_limits *l, struct ssh_agent *ret, struct err *err);

/* ssh_pump.c: a thread that carries bytes between the channel and a socket, whose other end is c's. */
struct ssh_pump;
int ssh_pump_start(struct ssh_session *s, struct ssh_agent *a, struct agent_client *c, struct ssh_pump **ret,
                   struct err *err);
/* The same between a connection to the host `to`, which the host of s makes, and the socket of a session with
 * that. */
int ssh_pump_through(struct ssh_session *s, const struct ssh_host *to, struct ssh_session *behind,
                     struct ssh_pump **ret, struct err *err);
/* Why a pump to another host has ended; NULL: it has not. */
const char *ssh_pump_lost(struct ssh_pump *p);
bool ssh_pump_closed(struct ssh_pump *p); /* because the host that it leads to has closed the connection */
/* After its socket's other end is closed: waits, for 2 s at most, until nothing of it runs there any more. */
void ssh_pump_end(struct ssh_pump *p);

#endif
