/*
 * Machines: where jobs run. One vtable, many backends (sandbox, bubblewrap, host; later virtual machines and
 * remote hosts); each is, to its user, a byte stream to an agent that executes commands and moves files.
 *
 * Paths inside a machine are the same for every backend: its workspace, temp and home are told by
 * machine_paths(). A machine belongs to one thread at a time, except machine_signal() and machine_kill(),
 * which any thread may call.
 */
#ifndef RUNFS_MACHINE_H
#define RUNFS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct machines; /* all backends of this process, with what was found out about them at start */
struct machine;

struct machines_opts {
    const char *state_dir; /* absolute; scratch space goes to STATE/machines/; whatever is left there is
                              removed at start */
    const char *agent; /* path of runfs-agent; NULL: beside the running program, then its libexec directory */
    const char *const *
        hidden; /* NULL-terminated host paths that no machine may see (state directory, mount); may be NULL */
};

/*
 * Probes what works here by doing it once (not by looking at versions). Never fails for a backend that does
 * not work: that is what machines_probe tells. Fails only without memory, state directory or agent.
 */
int machines_new(const struct machines_opts *opts, struct machines **ret, struct err *err);
void machines_free(
    struct machines *ms); /* every machine must have been released; ends the helper processes */

/* One line of what `runfs doctor` prints. */
struct machine_probe {
    const char *backend; /* "sandbox", "bubblewrap", "host" */
    bool works;
    char words[512]; /* why not and what to do about it; or what it uses ("user namespace, overlay over /") */
};
size_t machines_probe(const struct machines *ms,
                      const struct machine_probe **ret); /* borrowed array, best first */

/* The best backend that works and isolates ("sandbox", "bubblewrap"), else "host". Borrowed. */
const char *machines_default_backend(const struct machines *ms);

/* Hides one more host path from machines made from now on (the mount point is known only after start). */
int machines_hide(struct machines *ms, const char *path);

enum machine_network { MACHINE_NET_HOST, MACHINE_NET_NONE };

struct machine_spec {
    const char
        *backend;      /* "sandbox" (falls back to what works and says so in `note`), "bubblewrap", "host" */
    const char *image; /* directory used as root file system; NULL: the host's own root */
    const char *name;  /* for logs and hostnames, [a-z0-9-]+ */
    const char *workspace; /* path inside: "/home/runner/work/REPO/REPO"; created empty */
    enum machine_network network;
};

/* Where things are inside. All absolute; valid until release. */
struct machine_paths {
    const char *workspace; /* GITHUB_WORKSPACE */
    const char *temp;      /* RUNNER_TEMP */
    const char *files;     /* below it, for the runner's own small files: in memory where a machine can */
    const char *tool_cache;
    const char *home;
};

int machine_acquire(struct machines *ms, const struct machine_spec *spec, struct machine **ret,
                    struct err *err);

/* Kills whatever still runs in it, removes all it wrote, forgets it. Takes NULL. Removal may go on behind. */
void machine_release(struct machine *m);

const struct machine_paths *machine_paths(const struct machine *m);
const char *machine_backend(const struct machine *m); /* the one that it really is */
const char *machine_note(const struct machine *m); /* "" or a sentence on a fallback that a log should show */

/* A file to write before a command starts (parents are made), or to read after it ended. */
struct machine_file {
    const char *path; /* absolute, inside */
    unsigned mode;    /* put only */
    const void *data; /* put: borrowed. get: NULL */
    size_t len;
    size_t max;     /* get: refuse more than this many bytes */
    struct buf got; /* get: filled when the command ended; the caller releases it */
    int error;      /* get: 0, -ENOENT, -EFBIG, ... */
};

enum machine_stream { MACHINE_STDOUT = 1, MACHINE_STDERR = 2 };

/* Called on the thread in machine_exec for each chunk as it comes. Return <0 to kill the command and give up.
 */
typedef int machine_output_fn(void *data, enum machine_stream stream, const char *bytes, size_t len);

struct machine_exec {
    const char *const *argv; /* argv[0] is looked up in the PATH of env unless it has a slash */
    const char *const *env;  /* NULL-terminated "NAME=value"; the whole environment, nothing is inherited */
    const char *cwd;         /* absolute, inside; must exist, else the command fails to start */
    struct machine_file *put;
    size_t n_put;
    struct machine_file *get;
    size_t n_get;
    machine_output_fn *output;
    void *data;
    int64_t deadline_mono_ns; /* 0: none. Then: interrupted, terminated, killed as machine_interrupt() does */
};

struct machine_result {
    int exit_code;     /* 0-255, 128+signal when a signal ended it, 127 not found, 126 not executable */
    int signal;        /* 0 or the signal that ended it */
    bool timed_out;    /* the deadline ended it */
    bool cancelled;    /* machine_interrupt() or machine_kill() ended it */
    char *start_error; /* owned: why it never started ("cannot start foo: No such file or directory"), NULL
                          otherwise */
    int64_t duration_ns;
};
void machine_result_release(struct machine_result *r);

/*
 * Runs one command to its end: puts files, starts it in a process group of its own, streams its output,
 * waits, reaps what it left behind that holds its output open no longer than 10 s after its end, gets files.
 * Returns 0 when the command ran or could not start (start_error); -errno when the machine itself failed
 * (-ECONNRESET: it is gone).
 */
int machine_exec(struct machine *m, struct machine_exec *x, struct machine_result *ret, struct err *err);

/*
 * Asks the running command to end, as GitHub's runner does on cancel: SIGINT to its tree, after 7.5 s
 * SIGTERM, after 2.5 s more SIGKILL to everything in the machine but the agent. Returns at once; any thread.
 * Without a running command the next one is not affected.
 */
void machine_interrupt(struct machine *m);
/* SIGKILL to everything in it but the agent, now. Any thread. */
void machine_kill(struct machine *m);

/* Copies a tree in or out as a tar stream read from / written to fd (dir: absolute, inside; put makes it). */
int machine_put_tree(struct machine *m, const char *dir, int tar_fd, struct err *err);
int machine_get_tree(struct machine *m, const char *dir, int tar_fd, struct err *err);

#endif
