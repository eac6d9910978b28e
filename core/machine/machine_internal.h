/* Between the files of core/machine: what a machine is made of, and what a backend must do. */
#ifndef RUNFS_MACHINE_INTERNAL_H
#define RUNFS_MACHINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/agent/proto.h"
#include "core/machine/cgroup.h"
#include "core/machine/mask.h"
#include "runfs/machine.h"

struct machine_ops;

/* label.c: "2G" and bytes. */
int size_parse(const char *value, uint64_t *ret);
void size_format(uint64_t bytes, char ret[24]);

/* limits.c: the limits of one machine. */
struct limits {
    struct machine_limits want; /* with defaults */
    bool pids_asked;            /* that one is not a default */
    bool files_asked;           /* nor is that one */
    bool within;                /* a kernel of the machine's own enforces them; the group is around that */
    struct machine_group group;
    struct fds procs;   /* owned: cgroup.procs files, until the machine has started */
    int disk;           /* root of a file system of the disk's size; -1: there is none */
    char disk_why[160]; /* why not */
    uint64_t written;   /* output of the command that runs */
    bool disk_full;     /* at some time while it ran */
};
void limits_init(struct limits *l);
void limits_release(struct limits *l);
/* Makes the control groups; what they cannot enforce goes into the request as far as resource limits can. */
int limits_prepare(struct limits *l, struct groups *groups, const char *name,
                   const struct machine_limits *want, const struct machine_ops *ops, struct err *err);
void limits_request(const struct limits *l, struct spawn_request *r);
void limits_say(const struct limits *l, struct buf *ret); /* for machine_limits() */
/* Before a command, and now and then while it runs: which limit was hit that ends it. */
void limits_begin(struct limits *l);
enum limit_kind limits_check(struct limits *l);
enum limit_kind limits_count_output(struct limits *l, size_t len);
void limit_words(const struct limits *l, enum limit_kind kind, char *ret, size_t size);

/* nat.c: a network of its own behind the host's address, by slirp4netns. */
struct nat {
    pid_t pid;   /* of slirp4netns; 0: none */
    int exit_fd; /* it ends when this is closed */
};
/* Filters and attaches it, and waits for both: nothing of a job may run in it before. namespaces: of network
 * and users. resets: TCP is refused by a reset, which also goes through a network behind that one. */
int nat_start(struct nat *n, const int namespaces[2], bool resets, struct err *err);
void nat_stop(struct nat *n); /* and waits for its end */
/* 0, or -errno with words on what is missing. */
int nat_works(struct err *err);

/* job_network.c: what a machine's request has of the network that it is on. The address is its name's, or
 * one that nobody has; 0: there is none left. */
uint32_t machine_net_address(struct machine_net *n, const char *name);
int machine_net_fd(const struct machine_net *n);
void machine_net_hosts(struct machine_net *n, struct buf *ret); /* lines for /etc/hosts */

/* The daemon's end of an agent's control socket. Every byte that comes out of it is taken for hostile. */
struct agent_client {
    int fd;        /* non-blocking stream socket */
    int wake;      /* eventfd: another thread has set `wants` */
    int pidfd;     /* the agent, or what stands in for it; -1 when it is elsewhere */
    int passed;    /* the last descriptor that it sent, until somebody wants it; -1 */
    int root;      /* the machine's root directory; -1: none. Guarded by lock */
    int mounts;    /* its mount namespace; -1: none. Guarded by lock */
    struct buf in; /* received, from in_at on not yet looked at */
    size_t in_at;
    pthread_mutex_t lock; /* guards running, and writes to fd while nothing runs */
    bool running;         /* a command is being executed, or a tree moved */
    bool in_tree;         /* the latter */
    int64_t tree_until;   /* when one that was interrupted is given up; 0: it was not */
    atomic_uint wants;    /* what other threads ask for: WANT_* */
    atomic_bool broken;   /* the machine is gone or lied; nothing more is sent */
    char ended[200];      /* why its socket is at its end, once `told`; else it is guessed */
    atomic_bool told;
    struct limits *limits; /* borrowed; looked at while a command runs. NULL: none */
};
enum { WANT_INTERRUPT = 1, WANT_KILL = 2 };

void agent_client_init(struct agent_client *c); /* no descriptors yet */
/* Makes the eventfd and takes over both descriptors. */
int agent_client_open(struct agent_client *c, int fd_take, int pidfd_take, struct err *err);
void agent_client_release(struct agent_client *c); /* closes; the agent then ends its machine */
int agent_client_hello(struct agent_client *c, int timeout_ms, struct err *err);
int agent_client_exec(struct agent_client *c, struct machine_exec *x, struct machine_result *ret,
                      struct err *err);
void agent_client_want(struct agent_client *c, unsigned what);
int agent_client_put_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err);
/* -EBUSY with words when anything but the agent lives in its machine. */
int agent_client_alone(struct agent_client *c, struct err *err);
int agent_client_make_dirs(struct agent_client *c, const char *path, struct err *err);
/* Kills the agent and waits until it can write nothing more. */
void agent_client_end(struct agent_client *c);
void agent_client_break(struct agent_client *c); /* it is given up */
/* Who carries its bytes says why there will be no more, before it closes its end, or beforehand what its end
 * will mean. Once; any thread. */
void agent_client_tell_end(struct agent_client *c, const char *why);
void agent_client_close(struct agent_client *c); /* ends the machine; others may still hold c */
/* Whether it is still there, as far as its socket tells. */
bool agent_client_lives(struct agent_client *c);
/* Exchanges what they talk to; c's lock stays, so other threads may ask for things of c meanwhile. */
void agent_client_swap(struct agent_client *c, struct agent_client *other);

/* agent_wire.c, for what speaks to an agent: 0 (or 1: there was something) or -ECONNRESET, after which it is
 * given up. */
int client_break(struct agent_client *c, struct err *err, const char *why);
const char *client_ended(struct agent_client *c); /* why, when its socket is at its end */
int client_send(struct agent_client *c, const void *data, size_t len, struct err *err);
int client_receive(struct agent_client *c, struct err *err);
int client_frame(struct agent_client *c, struct frame *ret, struct err *err);
/* The next frame, within that time. */
int client_await(struct agent_client *c, int timeout_ms, struct frame *ret, struct err *err);
/* Whether another thread wants an end of what goes on. */
bool client_unwanted(struct agent_client *c);

/* lanes.c: the client through which this thread speaks to the machine: its own, or a lane's. */
struct lanes;
struct agent_client *machine_client(struct machine *m);
void machine_lanes_want(struct machine *m, unsigned what); /* of the commands in all its lanes. Any thread */
void machine_lanes_end(struct machine *m);                 /* its agent's client is closed, or has ended */

/* A helper process that makes machines (see core/agent/spawner.c). Any thread. */
struct spawner {
    pthread_mutex_t lock;
    const char *mode;          /* "sandbox" or "plain" */
    const char *program;       /* borrowed */
    const char *scratch;       /* borrowed */
    const char *const *groups; /* borrowed, NULL-terminated: directories in which it removes the groups of
                                  dead machines when this process has died */
    int fd;                    /* -1 until it is needed */
    pid_t pid;
    atomic_uint starts; /* how often it was started */
};
void spawner_init(struct spawner *s, const char *mode, const char *program, const char *scratch);
/* Has a machine made and its agent greeted; starts the spawner, again if it has died. with: borrowed; what
 * goes with it after the control socket: its disk if it has one, then cgroup.procs files that its process
 * enters first. ret_namespaces: of network and users, when `filtered`; else NULL. */
int spawner_request(struct spawner *s, const struct spawn_request *r, const struct fds *with,
                    struct fds *ret_namespaces, struct agent_client *ret, struct err *err);
/* Has ports forwarded, SPAWN_FORWARD or SPAWN_REACH: with has the networks. ret_ports: appended. Its process
 * ends with *ret_control; *ret_pidfd tells when. */
int spawner_forward(struct spawner *s, enum spawn_what what, const char **forwards, const struct fds *with,
                    int *ret_control, int *ret_pidfd, struct buf *ret_ports, struct err *err);
/* Has a file system for a mask or a disk, or a network, made; its root, to be closed, or -errno. */
int spawner_mount(struct spawner *s, const struct spawn_request *r, struct err *err);
void spawner_release(struct spawner *s);

/* Removes scratch directories on threads of its own, after their machines have died. A machine's process
 * ends when its control socket does, and all in it before it; one that does not is killed. */
struct cleaner;
int cleaner_new(struct machines *ms, struct cleaner **ret);
/* What is left of a machine. */
struct remains {
    int pidfd, root; /* owned: its process and what keeps its file systems mounted; -1: none */
    char *path;      /* owned; NULL: none */
    bool lent;       /* its directories are for no other machine */
    char group[32];  /* control groups of that name; "": there are none */
};
/* Beyond a bound it is done at once, so that removal cannot fall behind. */
void cleaner_add(struct cleaner *c, struct remains what_take);
void cleaner_free(struct cleaner *c); /* after all is removed */

/* Empty directories that wait to be used again, all of the machines' root and 0755. Any thread. */
struct spares {
    pthread_mutex_t lock;
    int fd;       /* the directory that holds them */
    int flags;    /* what a new one has, as are */
    int64_t size; /* its size */
    uid_t owner;
    unsigned serial, n;
    unsigned numbers[2048]; /* what they are called */
    unsigned frames[32], n_frames;
};
int spares_open(struct spares *s, const char *scratch);
/* Removes one of those beyond what is kept; false: there are none. Each overlay leaves more directories than
 * the next one needs, and those of a crowd of jobs are removed when there is nothing else to do. */
bool spares_trim(struct spares *s);
void spares_release(struct spares *s, const char *scratch);
/* Makes a directory below scratch, or uses a spare one, with mode and (as root) owner; fine when it exists.
 */
int scratch_dir(struct machines *ms, int at, const char *path, unsigned mode, uid_t owner);
int scratch_dirs(struct machines *ms, int at, const char *path, uid_t owner); /* with parents */
/* Makes the directories of a sandbox that are always the same, work/ and upper/ with some in it, all at once.
 * False: nothing was made, as there is no frame of them. */
bool scratch_frame(struct machines *ms, const char *path);
/* remove_tree() that keeps the directories as spares. Its machine must be dead. */
int scratch_remove(struct machines *ms, const char *path);

#include "core/machine/backend.h"

enum { LANDLOCK_SCOPES = 6 /* its first version that has them */ };
struct backend {
    const struct machine_ops *ops;
    bool probed;
};

struct machines {
    char *agent, *scratch;     /* owned: the agent's path; STATE/machines */
    char *images;              /* owned: what `containers` is in, images of containers */
    pthread_mutex_t lock;      /* guards hidden, masks, searched, probes */
    char **hidden;             /* owned, NULL-terminated */
    unsigned masks;            /* how many masks were made */
    unsigned former[3];        /* those before the one in use, which a machine may be about to start over */
    unsigned mask, image_mask; /* those in use; 0: to be made */
    unsigned mask_start;       /* by which start of the spawner: they go with it */
    bool mask_stale;           /* something was hidden since */
    struct mask_searched searched; /* for the mask in use */
    bool split;                    /* sandboxes have no overlay over the whole root */
    atomic_bool redirects; /* sandboxes have been made whose directories can be renamed, of whatever layer */
    atomic_bool no_redirects;      /* masks would hide nothing from them */
    atomic_bool redirects_refused; /* by the kernel */
    bool no_masks;                 /* this kernel's tmpfs cannot hold one: each machine's own layer has to */
    struct timespec copied[2];     /* times of the host's files as the mask has them */
    struct backend backends[BACKENDS_MAX]; /* as many as machine_backends has */
    struct machine_probe probes[BACKENDS_MAX];
    struct spawner sandboxes, processes;
    struct groups groups;
    int landlock;      /* the kernel's version of it */
    atomic_bool lends; /* there have been machines that were lent: see struct machine */
    struct cleaner *cleaner;
    struct spares spares;
    atomic_uint serial;
    struct store *store;         /* borrowed; NULL: nothing is recorded */
    pthread_mutex_t living_lock; /* guards living, next_id, next_layer, and each machine's chain and parent */
    struct machine *living;
    int64_t next_id, next_layer;
    char boot[40]; /* of this host */
    struct recorder *recorder;
    struct keeper *keeper;
    struct pool *pool;
    pthread_mutex_t templates_lock; /* guards the two; held while one is made */
    struct qemu_template *templates;
    pthread_mutex_t ahead_lock; /* what templates have ahead; not for long */
    pthread_cond_t ahead_made;
    bool kvm_hangs; /* found out by trying */
};

/* Layers, newest first: what a machine's root is made of above the image and the mask. */
struct chain {
    int64_t *ids; /* owned */
    size_t n;
};

struct machine {
    struct machines *ms;
    const struct machine_ops *ops;
    void *own; /* the backend's, from acquire to end */
    struct agent_client client;
    struct lanes *lanes;   /* NULL until they are wanted. Guarded by the client's lock */
    atomic_uint executing; /* commands that run in it */
    int image_lock;        /* keeps the image of a container from being removed; -1 */
    int over_lock;         /* and what lies over it */
    char id[32];           /* of this start: the name of its scratch directory */
    char *dir;             /* owned: STATE/machines/ID, NULL until made */
    struct chain chain;    /* what this start stands on: kept as long as it lives */
    unsigned starts;
    unsigned mask;  /* which; 0: none */
    bool redirects; /* its directories can be renamed, of whatever layer they are */
    struct machine_paths paths;
    char *path_strings[5]; /* owned: what paths points to */
    char note[256];
    struct limits limits;
    struct nat nat;
    int net_fd; /* its network's namespace, if that is its own and ports may be mapped there; -1 */
    struct reach {
        int control; /* what leads a port of the host in there ends with this; -1: nothing does */
        uint16_t port;
    } reach;
    enum machine_network network; /* the one that it has */
    char *limits_text;            /* owned */

    atomic_int refs;          /* of those who look at it from outside, and of what waits to be recorded */
    struct machine *next;     /* in ms->living */
    struct record *unwritten; /* the last that waits; under the recorder's lock */
    struct machine_spec spec; /* strings owned */
    struct machine_spec warm_spec; /* what it was while it waited in the pool; strings owned */
    int64_t row;                   /* its id in the store */
    _Atomic int64_t parent; /* the layer that the next one stands on: the chain's first, or its equal */
    int64_t boot_ns, created_at, cost_ns;
    pthread_mutex_t state_lock; /* guards state, paused, freezer */
    enum machine_state state;
    bool paused, lives, kept;
    bool shares; /* it has directories of another one */
    /* Who is in another machine may hold its directories open when it has ended: through a socket in what
     * they share, or, without Landlock's scopes, an abstract one on the host's network, one is given away. */
    atomic_bool lent;
    struct freezer *freezer;
};

/* backends.c */
/* The backend by that name, or what stands in for it. */
int choose_backend(struct machines *ms, const char *name, struct machine *m, struct err *err);
const struct machine_ops *backend_find(const char *name, size_t len); /* NULL: there is none */
void backend_names(struct buf *ret, const char *last);                /* "sandbox, bubblewrap LAST host" */

/* life.c */
void machine_init(struct machine *m, struct machines *ms, const struct machine_ops *ops);
int machine_start(struct machine *m, const struct machine_spec *spec, struct err *err);
void machine_end_start(struct machine *m);
/* What is left of this start, for the cleaner: its process at once, the rest when all of it has ended. */
struct remains machine_remains(struct machine *m);
/* Whether a machine on the host's network can give a descriptor to another one there. */
bool machines_leak(const struct machines *ms);
void machine_bury(struct machine *m, struct remains what_take);
int machine_set_paths(struct machine *m, const char *prefix, const char *workspace, struct err *err);
void machine_free_paths(struct machine *m);
/* Nothing is started yet. The backend is to be chosen. */
int machine_new(struct machines *ms, const struct machine_spec *spec, struct machine **ret, struct err *err);
/* machine_acquire() without a look at the pool. */
int machine_make(struct machines *ms, const struct machine_spec *spec, struct machine **ret, struct err *err);
/* Names this start and its directory. */
int machine_set_dir(struct machine *m, struct err *err);

/* spec.c */
#define ACTION_WORK "/github/workspace"
#define CONTAINER_WORK "/__w/" /* workspaces below it are a container's: see machine_set_paths() */
bool spec_cancelled(const struct machine_spec *spec,
                    struct err *err); /* true: -ECANCELED is written to err */
int spec_check(const struct machine_spec *spec, struct err *err);
int spec_copy(const struct machine_spec *spec, struct machine_spec *ret);
void spec_release(struct machine_spec *spec);

/* recorder.c: every change of a machine is recorded with its time, behind the back of who makes it, so that
 * nobody waits for the database. */
int recorder_new(struct machines *ms, struct recorder **ret);
void recorder_free(struct recorder *r); /* after all is recorded */
/* What m is now, and, if it is another state, why. With state_lock held: so records are in the order of what
 * happened. */
void recorder_note(struct machine *m, bool transition, const char *why);

/* living.c: the machines that there are, and what becomes of them. */
struct machine *machine_ref(struct machine *m); /* machine_unref() takes it back */
/* Gives it an id and a title that no other has, and lists it. */
int machine_enlist(struct machine *m, struct err *err);
void machine_delist(struct machine *m);
void machine_become(struct machine *m, enum machine_state state, const char *why);
/* Records the state as it is, with a word on why; with state_lock held. */
void machine_tell(struct machine *m, const char *why);
/* A machine of the pool is from now on what spec says; takes it. Once. */
void machine_adopt_spec(struct machine *m, struct machine_spec *spec_take);
/* Has the row written again: something but the state has changed. */
void machine_changed(struct machine *m);
void machine_unref(struct machine *m);
/* Notices machines whose agents have ended, and removes directories that belong to none. */
void machines_reap(struct machines *ms);
/* A reference, or NULL. */
struct machine *machines_find(struct machines *ms, int64_t row);

/*
 * layers.c: STATE/machines/layers/ID/ holds upper/, and where each top-level directory has an overlay of its
 * own (`split`, an empty file, says so) tops/. The lowest layer of a chain has all of it in upper/.
 */
int layers_open(struct machines *ms, struct err *err); /* makes the directory, removes what no row knows */
void layers_close(struct machines *ms);
/* The chain of layer (0: none). With living_lock held. */
int layers_chain(struct machines *ms, int64_t layer, struct chain *ret, struct err *err);
void chain_release(struct chain *c);
/* Makes what the dead machine wrote a layer; its id. Without its row yet. */
int layers_freeze(struct machines *ms, const char *dir, bool split, int64_t *ret, struct err *err);
int layers_record(struct machines *ms, int64_t id, int64_t parent, struct err *err);
/* Removes layers that nobody needs. */
void layers_collect(struct machines *ms);
void layers_sync(struct machines *ms); /* has them on disk for good */
bool layers_split(const struct machines *ms, const char *image);
/* Whether what lies in upper was written through an overlay with redirects: it is read through such ones
 * only, as what it hides and what was renamed stands in other attributes. */
bool layer_redirects(int upper);
bool layer_set_redirects(int upper); /* false: not here */
void layer_path(const struct machines *ms, int64_t id, struct buf *ret);

/* squash.c: makes one layer of the chain that ends in `layer`, and puts it in its place. -EXDEV: directories
 * were renamed from layer to layer, which only the kernel follows. */
int layers_squash(struct machines *ms, int64_t layer, struct err *err);
enum { LAYERS_SQUASH = 50, LAYERS_MAX = 400 };

/* keeper.c: what has to be done behind the scenes, on a thread: collecting, squashing, the pool, each minute
 * what became stale. */
int keeper_new(struct machines *ms, struct keeper **ret);
void keeper_squash(struct keeper *k, int64_t layer);
void keeper_collect(struct keeper *k);
void keeper_fill(struct keeper *k); /* the pool, and what is started ahead */
bool keeper_ending(struct keeper *k);
void keeper_end(struct keeper *k); /* its thread; what it is told from then on is of no account */
void keeper_free(struct keeper *k);

/* kept.c: at start, what kept machines of a former process wrote becomes layers, and others are noted as
 * gone.
 */
int kept_freeze(struct machines *ms, struct err *err);
void kept_suspend(struct machine *m);               /* ends it; what it wrote becomes a layer */
int kept_chain(struct machine *m, struct err *err); /* what a machine that is revived stands on */

/* snapshot.c: resolves spec->snapshot and pins its layers. */
int snapshot_chain(struct machine *m, int64_t snapshot, struct err *err);

/* pause.c */
void machine_thaw(struct machine *m); /* so that it can die */
/* A machine that a former process left frozen in this scratch directory is killed. */
void frozen_end(const char *dir);

/* pool.c */
enum { POOL_MAX = 64 };
int pool_new(struct machines *ms, struct pool **ret);
void pool_free(struct pool *p);
/* A warm machine that fits, made ready for spec; NULL: none. */
struct machine *pool_take(struct pool *p, const struct machine_spec *spec);
void pool_fill(struct pool *p); /* makes what is missing, releases what is stale */

/*
 * mask_layer.c: the layer between the host's root (or an image) and a machine's own. It hides what is the
 * host's: homes, run-time files, data, whatever a stranger on the host could not read; what comes to be such
 * later is hidden from machines that are made a second after, or later where it takes long to look. Writes
 * the layer's name, "" when there can be none: then mask_fill() is for the machine's own layer.
 */
int mask_ensure(struct machines *ms, bool image, char *ret_name, size_t size, struct err *err);
/* Whether the mask that a machine was booted with is the one that it would be booted with now. */
bool mask_is_current(struct machines *ms, const struct machine *m);
int mask_fill(struct machines *ms, int dir_fd, bool image, const char *hostname);
/* /etc/hosts for a machine of that name, which begins with more lines; a mask has it for usual_hostname. */
int mask_hosts(int dir_fd, const char *hostname, const char *more);
extern const char usual_hostname[];
/* Only its empty directories, for a root that is no overlay. */
int mask_dirs(struct machines *ms, int dir_fd);
/* The id on disk of a machine's root: high for the real root, else one's own. */
uid_t machine_root_id(void);

/* probe.c: tries a backend once and remembers. */
const struct machine_probe *probe_backend(struct machines *ms, size_t i);
/* Fills p, with the beginning of the words if they are too long. */
void probe_set(struct machine_probe *p, const char *name, bool works, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
