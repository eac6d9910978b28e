/*
 * Machines: where jobs run. One vtable, many backends (sandbox, bubblewrap, virtual machines, other hosts,
 * this one); each is, to its user, a byte stream to an agent that executes commands and moves files.
 *
 * Paths inside a machine are the same for every backend: its workspace, temp and home are told by
 * machine_paths(). A machine belongs to one thread at a time; what any thread may call says so. From outside
 * it is known by its id, under which its row and all it went through stand in the store (see
 * runfs/machine_rows.h), and the functions machines_*() that take an id may be called by any thread.
 */
#ifndef RUNFS_MACHINE_H
#define RUNFS_MACHINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct store;
struct machines; /* all backends of this process, with what was found out about them at start */
struct machine;

struct machines_opts {
    const char *state_dir; /* absolute; scratch space goes to STATE/machines/; what is left there and is
                              neither kept nor of a snapshot is removed at start */
    struct store *store; /* borrowed; where machines, what they went through and snapshots are recorded; NULL:
                            only in memory, and nothing outlives machines_free() */
    const char *images;  /* what STATE/containers is in (runfs/oci.h); NULL: state_dir */
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
    const char *backend; /* or what else it is about: "sandbox", "host", "services", "memory" */
    bool works;
    char words[512]; /* why not and what to do about it; or what it uses ("user namespace, overlay over /") */
};
size_t machines_probe(const struct machines *ms,
                      const struct machine_probe **ret); /* borrowed array, best first */

/* The same for the network of a job with services: makes one, and a machine on it. */
void machines_probe_services(struct machines *ms, struct machine_probe *ret);

/* The same for what limits and separates sandboxes: memory, pids, cpu, disk, nat, sockets. Fills ret, whose
 * words and names are valid as long as ms. */
enum { MACHINE_LIMIT_PROBES = 6 };
void machines_probe_limits(const struct machines *ms, struct machine_probe ret[MACHINE_LIMIT_PROBES]);

const char *machines_agent(const struct machines *ms); /* path of runfs-agent; borrowed */

/* The best backend that works and isolates ("sandbox", "bubblewrap"), else "host". Borrowed. */
const char *machines_default_backend(const struct machines *ms);

/* Hides one more host path from machines made from now on (the mount point is known only after start). */
int machines_hide(struct machines *ms, const char *path);

/*
 * DEFAULT is the host's network where the kernel keeps its abstract sockets away from a machine (Landlock's
 * scopes, Linux 6.12), else NAT where that works, else the host's with a note that says so.
 */
enum machine_network { MACHINE_NET_DEFAULT, MACHINE_NET_HOST, MACHINE_NET_NONE, MACHINE_NET_NAT };

/* What a machine may use at most. 0: the default, see machine_limits_default. */
struct machine_limits {
    uint64_t memory; /* bytes of all its processes; default: no limit */
    uint64_t disk;   /* bytes that it writes; default: no limit */
    uint64_t output; /* bytes of one command's output */
    uint32_t pids;   /* processes and threads */
    uint32_t files;  /* descriptors of a process */
    uint32_t cpu;    /* thousandths of a processor; default: no limit */
};
extern const struct machine_limits machine_limits_default;

/* What a label means: `BACKEND[:IMAGE] [KEY=VALUE ...]`, or `worker:COMMAND` or
 * `slurm[:PARTITION] [OPTION ...]` (docs/worker.md). */
struct machine_label {
    char *text; /* owned: what the strings point into */
    const char *backend;
    const char *image; /* NULL: none */
    bool jobs; /* it is no machine: whole jobs are given away, and `image` says how, as the backend has it */
    enum machine_network network;
    bool namespaces; /* steps may make namespaces and mounts of their own */
    struct machine_limits limits;
};
/* -EINVAL with words that say what is allowed. An image must be there. */
int machine_label_parse(const char *text, struct machine_label *ret, struct err *err);
void machine_label_release(struct machine_label *l);
#define _machine_label_ _cleanup_(machine_label_release)

/* The keys that a label knows, for what explains them; ends with a NULL name. */
struct machine_label_key {
    const char *name, *values, *help;
    int (*parse)(const char *value, struct machine_label *l);
};
extern const struct machine_label_key machine_label_keys[];

struct machine_net; /* see below: a network that several machines are on */

struct machine_spec {
    const char
        *backend;      /* "sandbox" (falls back to what works and says so in `note`), "bubblewrap", "host" */
    const char *image; /* directory used as root file system; the name of an image of containers, or
                          `sha256:` and its id (runfs/oci.h); NULL: the host's own root */
    const char *over;  /* of an image of containers: a layer that goes over it (oci_tools()); NULL: none */
    bool for_image;    /* of an image: what it writes is to become a layer of one (machine_write_layer()) */
    const char *user;  /* of an image: whose its commands are, "NAME|UID[:GROUP|GID]"; NULL or "": root's */
    const char *name;  /* for logs and hostnames, [a-z0-9-]+ */
    const char *workspace; /* path inside: "/home/runner/work/REPO/REPO", of a container "/__w/REPO/REPO", of
                              an action's "/github/workspace"; created empty */
    enum machine_network network;
    bool namespaces; /* as in machine_label */
    struct machine_limits limits;
    const char *title;      /* its name in vms/; NULL: `name` */
    const char *label;      /* what it was asked for by ("ubuntu-latest"); finds warm ones. NULL: none */
    int64_t run_id, job_id; /* whose it is; 0: nobody's */
    int64_t snapshot; /* what its files begin with: a snapshot's id; 0: as the image has them. -ENOENT: there
                         is no such snapshot; -EINVAL: it was taken on another backend or image */
    bool keep;        /* it outlives this process: see machine_keep() */
    int64_t revive;   /* the id of a kept machine that does not run; 0: a new one. Backend and image are to be
                         as they were; `snapshot` is of no account */
    /*
     * Another machine, a sandbox, of which this one has directories: pairs of one of its own and where it is
     * here, NULL-terminated. For the time that it is made only.
     */
    struct machine *beside;
    const char *const *shared;
    /*
     * A network that it is on, besides what `network` says; for the time that it is made only. Then DEFAULT
     * is NAT, or where that does not work the host's, of which it cannot be on another; an image is never on
     * the host's. net_name: which of its names leads here; NULL: none does.
     */
    struct machine_net *net;
    const char *net_name;
    const atomic_bool *cancelled; /* NULL, or what becomes true when nobody waits for it any more: what is
                                     waited for on other hosts ends soon then, by -ECANCELED */
};

/* Where things are inside. All absolute; valid until release. */
struct machine_paths {
    const char *workspace; /* GITHUB_WORKSPACE */
    const char *temp;      /* RUNNER_TEMP */
    const char *files;     /* below it, for the runner's own small files: in memory where a machine can */
    const char *tool_cache;
    const char *home;
};

/* A machine of that spec (borrowed), booted or taken from the pool; the caller's, by machine_release(), and
 * one thread's at a time. May take as long as its backend takes to boot one. With words: -EINVAL (what the
 * spec says), -ENOTSUP (not on this host), -ECANCELED (spec->cancelled), -errno. */
int machine_acquire(struct machines *ms, const struct machine_spec *spec, struct machine **ret,
                    struct err *err);

/* Kills whatever still runs in it, removes all it wrote that no snapshot has, forgets it. Takes NULL. Removal
 * may go on behind. */
void machine_release(struct machine *m);

int64_t machine_id(const struct machine *m); /* its row */
const struct machine_paths *machine_paths(const struct machine *m);
const char *machine_backend(const struct machine *m);      /* the one that it really is */
const char *machine_network_name(const struct machine *m); /* "host", "none" or "nat" */
const char *machine_note(const struct machine *m); /* "" or a sentence on a fallback that a log should show */
/* Writes to spec the network and the limits that it has. */
void machine_bounds(const struct machine *m, struct machine_spec *spec);
/* What it may use and what enforces that, one `KEY VALUE: how` a line; valid until release. */
const char *machine_limits(const struct machine *m);

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

/*
 * A terminal for an interactive command: what it shows comes as MACHINE_STDOUT. input is a stream socket of
 * frames as terminal_frame_* make them: what is typed, and new sizes. At its end the command hears SIGHUP.
 */
struct machine_terminal {
    unsigned rows, columns;
    int input; /* borrowed */
};
/* Append a frame. */
void terminal_frame_input(struct buf *b, const void *typed, size_t len);
void terminal_frame_window(struct buf *b, unsigned rows, unsigned columns);

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
    const struct machine_terminal *terminal; /* NULL: no input, and pipes for the output */
    int64_t deadline_mono_ns; /* 0: none. Then: interrupted, terminated, killed as machine_interrupt() does */
    const atomic_bool *cancelled; /* NULL, or what is set before machine_interrupt(): where it came between
                                     the decision to run the command and its start, it is interrupted too */
};

/*
 * Commands at the same time: a lane is a further agent in the machine, for whoever runs one beside another.
 * machine_lanes_begin() makes lanes possible; by the thread that the machine belongs to, between two
 * commands. -ENOTSUP: its backend runs one command at a time. From then on any thread may open a lane, up to
 * ten or so; what a thread asks of the machine by machine_exec() and machine_put_tree()
 * goes through the lane that it uses. While lanes are open there are no snapshots of the machine (-EBUSY).
 */
struct machine_lane;
int machine_lanes_begin(struct machine *m, struct err *err);
/* cancelled: borrowed; set before a command of the lane is interrupted, also by machine_interrupt() and
 * machine_kill(), which are for all lanes. */
int machine_lane_open(struct machine *m, atomic_bool *cancelled, struct machine_lane **ret, struct err *err);
void machine_lane_use(struct machine_lane *lane);       /* for this thread; NULL: none */
void machine_lane_interrupt(struct machine_lane *lane); /* as machine_interrupt(), for it alone. Any thread */
bool machine_lane_alone(struct machine_lane *lane);     /* nothing that was started in it runs */
/* Kills what still runs in it. No thread uses it any more. Before the machine is released. Takes NULL. */
void machine_lane_close(struct machine_lane *lane);

struct machine_result {
    int exit_code;     /* 0-255, 128+signal when a signal ended it, 127 not found, 126 not executable */
    int signal;        /* 0 or the signal that ended it */
    bool timed_out;    /* the deadline ended it */
    bool cancelled;    /* machine_interrupt() or machine_kill() ended it */
    char *start_error; /* owned: why it never started ("cannot start foo: No such file or directory"), NULL
                          otherwise */
    int64_t duration_ns;
    char limit[96]; /* "", or which limit ended it: "ran out of memory (limit 2G)" */
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
 * Without a running command the next one is not affected, unless it says so by `cancelled`.
 */
void machine_interrupt(struct machine *m);
/* SIGKILL to everything in it but the agent, now. Any thread. */
void machine_kill(struct machine *m);

/* mkdir -p, as root. Between commands. */
int machine_make_dirs(struct machine *m, const char *path, struct err *err);

/* Unpacks a tar stream that is read from tar_fd to its end, into dir there (absolute; made with its parents).
 * The machine has to have a tar program; what that refuses is -EIO, in its words. */
int machine_put_tree(struct machine *m, const char *dir, int tar_fd, struct err *err);

/*
 * What it has written, as a layer over its image (OCI image specification, "Image Layer Filesystem
 * Changeset"): a tar, to fd. Without what the runner itself puts into machines, and what is mounted in them.
 * Of a machine that was made for_image; whatever runs in it is killed.
 */
int machine_write_layer(struct machine *m, int fd, struct err *err);

/* ------------------------------------------------------------------------------------- a network of machines
 */

/*
 * The network of a job and its services: it leads nowhere but from machine to machine. Those of images find
 * the others by name (/etc/hosts), so all names are given before the first of them is made; a machine of the
 * host's files has ports of theirs on its localhost. Machines on it are released before it. -ENOTSUP with
 * words: not on this host.
 */
int machine_net_new(struct machines *ms, struct machine_net **ret, struct err *err);
void machine_net_free(struct machine_net *n); /* takes NULL */
/* [A-Za-z0-9._-]+. -EEXIST, -E2BIG, -EINVAL. */
int machine_net_name(struct machine_net *n, const char *name, struct err *err);
/* One more for who has a name already. */
int machine_net_alias(struct machine_net *n, const char *alias, const char *name, struct err *err);

/* A port of a name's, and the one of localhost that leads to it; 0: any, and which it became. */
struct machine_port {
    const char *name;
    uint16_t target, port;
};
/* Maps all, once: on the localhost of a machine that was made with this net in its spec, or of the host if
 * that is where the machine is. -EADDRINUSE and others, with the port in words. */
int machine_net_map(struct machine_net *n, const struct machine *from, struct machine_port *ports,
                    size_t count, struct err *err);

/*
 * What runs in a machine whose network is its own finds a port of this host's 127.0.0.1 by the same one of
 * its localhost, one at a time, as long as this start of it lasts. Nothing where the network is the host's.
 * -ENOTSUP: none but a sandbox can. The thread that runs its commands.
 */
int machine_reach(struct machine *m, uint16_t port, struct err *err);

/* ------------------------------------------------------------------------------------------ what it is doing
 */

/* A machine's states (terraphim's SessionState). Each change is recorded with its time, in order. */
enum machine_state {
    MACHINE_INITIALIZING, /* it is being made */
    MACHINE_ACTIVE,       /* it waits for a command */
    MACHINE_EXECUTING,    /* a command runs in it */
    MACHINE_PAUSED,       /* nothing in it gets the processor */
    MACHINE_COMPLETED,    /* what it was for is done */
    MACHINE_FAILED,       /* what it was for failed, or it is gone */
    MACHINE_ROLLED_BACK,  /* its files are those of a snapshot again, and nothing ran since */
    MACHINE_TERMINATING,  /* it is being released */
    MACHINE_STATES
};
const char *machine_state_name(enum machine_state state);  /* "rolled_back" */
enum machine_state machine_state(const struct machine *m); /* any thread */

/* What it was for has ended: completed or failed, with why ("" for nothing to say). Before machine_release().
 */
void machine_conclude(struct machine *m, bool success, const char *why);

/*
 * Recording goes on behind; this waits until all that happened so far is in the store. Any thread.
 */
void machines_flush(struct machines *ms);

/* ------------------------------------------------------------------------------------------------ snapshots
 */

/*
 * A snapshot has all files of a machine's own: its workspace, /tmp, homes, what was changed below /usr.
 * Memory and processes are not in it.
 *
 * Taken and restored between two commands by starting the machine again: what it wrote so far is frozen as a
 * layer and a fresh machine of the same name, id and paths stands on it. So its processes are gone
 * afterwards, and what is mounted in memory (/dev/shm) is empty. A layer is kept on disk as long as a
 * snapshot, another layer or a living machine needs it; long chains are squashed behind the scenes.
 *
 * Directories of a layer can be renamed like others where the host's root mounts the overlay (redirect_dir).
 * The kernel refuses that to overlays of ordinary users: on top of a layer, rename(2) of a directory that
 * lies in it then fails with EXDEV, as between file systems (mv(1) then copies).
 */
struct snapshot_spec {
    const char *name; /* unique in its machine; NULL or "": none */
    int64_t step_id;  /* 0: none */
};

/*
 * -EBUSY: a command runs, the machine is paused, or processes that earlier commands left still live in it
 * (err names some); nothing has changed then. -EEXIST: the name is taken. -ENOTSUP: its backend cannot (err
 * says which and why). -ECONNRESET: the machine could not be started again: it is gone.
 */
int machine_snapshot(struct machine *m, const struct snapshot_spec *spec, int64_t *ret_snapshot,
                     struct err *err);

/*
 * The files of a snapshot, taken from this machine or from another of the same backend and image, become the
 * machine's. Whatever runs in it is killed; what it wrote since is removed. The workspace that
 * machine_paths() tells is made if the snapshot does not have it. -ENOENT, -EINVAL, -ENOTSUP, -ECONNRESET as
 * above; -EBUSY while a command runs.
 */
int machine_rollback(struct machine *m, int64_t snapshot, struct err *err);

/* Forgets a snapshot; what only it needed is removed behind. Any thread. -ENOENT */
int machines_drop_snapshot(struct machines *ms, int64_t snapshot, struct err *err);

/* Whether machines of it can have snapshots; words for why not. */
bool machine_can_snapshot(const struct machine *m, struct err *err);

/* Whether sandboxes here rename directories of frozen layers: then a snapshot is not noticed by what runs on.
 */
bool machines_rename(struct machines *ms);

/* Whether files lie in its /dev/shm, which a snapshot would lose. */
bool machine_uses_memory(struct machine *m);

/* What the last snapshot or rollback of it cost, ns; 0: none yet. */
int64_t machine_snapshot_cost(const struct machine *m);

/*
 * Kept machines outlive this process, also one that is killed. machine_release() of one ends it, and what it
 * wrote stays, as it does when the process dies; machine_acquire() with spec.revive boots it again over that,
 * with its id and snapshots. (After a power cut only what was on disk by then: its snapshots.) To be rid of
 * one: machine_keep(m, false) before its release, or machines_forget() while nothing of it runs. Machines
 * that are not kept and were left by a process that died are released at the next start.
 */
void machine_keep(struct machine *m, bool keep);
int machines_forget(struct machines *ms, int64_t id, struct err *err); /* -ENOENT; -EBUSY: it runs */

/* ------------------------------------------------------------------------------------- from outside, by id
 */

/* Nothing in it gets the processor until it is resumed; a running command's deadline goes on. The cgroup
 * freezer, or SIGSTOP to all its processes. -ENOENT; -EINVAL with words when it is (not) paused already. */
int machines_pause(struct machines *ms, int64_t id, struct err *err);
int machines_resume(struct machines *ms, int64_t id, struct err *err);
/* Kills everything in it, its agent too: whatever uses it finds it gone (-ECONNRESET). */
int machines_stop(struct machines *ms, int64_t id, struct err *err);
/* A descriptor (O_PATH) of its root directory as seen inside. Never follow names from it but with
 * openat2(RESOLVE_IN_ROOT). -ENOTSUP: it has no root of its own. */
int machines_root(struct machines *ms, int64_t id, int *ret_fd, struct err *err);
/* Virtual machines that were booted of an image (a directory, links resolved) and are kept for others to
 * begin as copies of them: a line each. Appended. */
void machines_templates(struct machines *ms, const char *image, struct buf *ret);
/* What bounds it, a line each ("memory_mib 512 cgroup v1"). Appended. */
int machines_limits(struct machines *ms, int64_t id, struct buf *ret);

/* ----------------------------------------------------------------------------------------------------- pool
 */

/*
 * Keeps n warm machines for a label: what machine_acquire() with that label then finds booted needs only its
 * workspace made. spec: backend, image, network and name; the rest is of no account. n 0: none. Machines that
 * are warm and no longer fit are released. Any thread; they are made behind.
 */
int machines_pool(struct machines *ms, const char *label, const struct machine_spec *spec, unsigned n,
                  struct err *err);
unsigned machines_warm(struct machines *ms, const char *label); /* how many there are now */

#endif
