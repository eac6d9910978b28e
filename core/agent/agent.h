/*
 * Inside runfs-agent: one program, single-threaded, static. As a spawner it makes machines; in a machine it
 * is process 1 (or a subreaper where there are no namespaces) and runs commands. See proto.h for what it
 * speaks.
 */
#ifndef RUNFS_AGENT_AGENT_H
#define RUNFS_AGENT_AGENT_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/agent/proto.h"
#include "runfs/buf.h"
#include "runfs/err.h"

struct agent;

/* Serves the control socket until its end; then everything in the machine is killed. Returns an exit code. */
/* `rooted`: what it sees as `/` is its machine's own. */
int agent_serve(int control, bool rooted);
int agent_serve_port(int port); /* the same on a virtual machine's port: not before nonsense comes from it */
int agent_serve_lane(int control, const struct agent *of); /* the same, as a child of that agent */
int agent_serve_sandboxed(int control); /* the same, hardened first: in somebody else's sandbox */

enum { STAGE_KILLED = 3 };

/* One command that runs or ran. */
struct command {
    bool active; /* from EXEC to the report */
    bool exited; /* its main process ended, with `status` */
    pid_t pid;
    int status;
    int output[2]; /* stdout, stderr; -1 at their end. With a terminal the first is its master */
    bool terminal;
    struct buf typed;       /* what its terminal has not taken yet */
    int64_t started, ended; /* monotonic ns */
    int64_t deadline;       /* 0: none */
    int stage;          /* 0, then the number of signals sent to end it: SIGINT, SIGTERM, SIGKILL to all */
    int64_t next_stage; /* when the next one is due */
    bool timed_out, cancelled;
    enum limit_kind limit; /* it was killed for that one */
    int64_t next_look;     /* when limits are looked at next */
    struct exec_request request;
    void *payload; /* owned: what request points into */
};

/* What a virtual machine's kernel told of its commands, and had told when this one began. */
struct guest_watch {
    int memory, pids, root; /* two files of counters, and the root directory; -1: not watched */
    uint64_t killed, refused;
    bool full; /* the disk was, at some time since */
};

/* Another agent, a child of this one, for commands at the same time. */
struct agent_lane {
    int fd; /* our end of its socket; -1: there is none */
    pid_t pid;
    struct buf out; /* what it has not taken yet, from out_at on */
    size_t out_at;
};

struct agent {
    int control, signals; /* the socket; a signalfd for SIGCHLD */
    bool port;            /* control is a port of a virtual machine, whose other end may go and come back */
    struct buf in, out;
    size_t in_at, out_at; /* consumed from `in`, sent from `out` */
    struct command command;
    int drains[16]; /* outputs of ended commands that something in the background still writes to */
    struct agent_lane lanes[LANES_MAX];
    int put_fd; /* the file that FRAME_PUT_DATA goes to, or -1 */
    char put_error[512];
    uint64_t max_processes;   /* RLIMIT_NPROC, where it counts what is in this machine; else 0 */
    bool alone;               /* it has no children, when it last waited for one */
    struct guest_watch watch; /* in a virtual machine only */
    bool ended;               /* the control socket is at its end or broken */
};

/* serve.c: sends what is in out, waiting for the peer. For phases in which nothing else can happen. */
void agent_flush(struct agent *a);
void agent_state(struct agent *a, int error, const char *words);
void agent_fill(struct agent *a); /* blocks for more input; sets ended */

/* exec.c: starts and ends commands. */
void command_start(struct agent *a, const void *payload, size_t len);
void command_reap(void *agent); /* struct agent */
void command_pump(struct agent *a, int stream);
void command_interrupt(struct agent *a);
void command_kill_all(struct agent *a);
/* Does what is due now; returns ms until something else is, -1 for never. */
int command_tick(struct agent *a);

/* spawn.c: 0 or -errno, with words when there is more to say. */
struct spawn_command {
    const char **argv, **env;
    const char *cwd;
    int in, out, err; /* in: -1 for /dev/null */
    bool terminal;    /* all three are one, which controls the new session */
};
int spawn_command(const struct spawn_command *c, pid_t *ret, const char **ret_stage);

/*
 * user.c: whose the machine's commands are. An image says it, by name or number; what that means stands in
 * files of the machine, which anybody may have written.
 */
struct user {
    bool set; /* else they are root's, with the agent's own groups */
    uid_t uid;
    gid_t gid, groups[64];
    size_t n_groups;
};
extern struct user agent_user;
/* In the machine's root: finds "NAME|UID[:GROUP|GID]", and makes these paths (NULL-terminated) that user's.
 */
int user_become(const char *user, const char *const *own, struct err *err);

/* lanes.c: the frames of lanes, and what poll(2) is told and tells of them: p has LANES_MAX places. room:
 * there is some for what they say. */
struct pollfd;
void lane_open(struct agent *a, const void *payload, size_t len);
void lane_data(struct agent *a, const void *payload, size_t len);
void lanes_poll(const struct agent *a, bool room, struct pollfd *p);
void lanes_pump(struct agent *a, const struct pollfd *p);
bool lanes_any(const struct agent *a);
bool lane_spared(void *agent, pid_t pid); /* it is the agent of a lane: a tree_spared_fn */

/* terminal.c: a new terminal's master (or -errno) and slave; typing into the command's, and its size. */
int terminal_open(uint32_t rows, uint32_t columns, int *ret_slave);
void terminal_pump(struct agent *a);
void terminal_input(struct agent *a, const void *payload, size_t len);
void terminal_resize(struct agent *a, const void *payload, size_t len);

/* tree.c */
void tree_signal(pid_t root, int signal); /* root, its session, and all that descend from it */
/* SIGKILL to each child that is not spared. */
typedef bool tree_spared_fn(void *data, pid_t pid);
void tree_kill_children(tree_spared_fn *spared, void *data);
/* SIGKILL to everything below this process but the children that are spared and what is below those, and
 * again to what was forked meanwhile, for a second at most. reap() is called between, so that the dead do not
 * pile up. As process 1 that spares none: all at once, without waiting. spared may be NULL. */
typedef void tree_reap_fn(void *data);
void tree_kill_all(tree_reap_fn *reap, tree_spared_fn *spared, void *data);
/* Nothing is below this process but those, not even a zombie. */
bool tree_over(tree_spared_fn *spared, void *data);
void tree_end(void);     /* kills and reaps everything, as far as 5 s suffice */
size_t tree_count(void); /* all processes that are seen from here */

/* Whether nothing lives below this process; names of what does. */
bool tree_alone(char *words, size_t size);

/* files.c */
void file_put_begin(struct agent *a, const void *payload, size_t len);
void file_put_data(struct agent *a, const void *payload, size_t len);
void file_put_end(struct agent *a);
void dirs_make(struct agent *a, const void *payload, size_t len);
void file_get(struct agent *a, uint32_t index, const char *path, uint64_t max);
void tree_put(struct agent *a, const void *payload, size_t len);

/* spawner.c: the process that makes machines. */
int spawner_main(int argc, char **argv);
int tether_main(int argc, char **argv);
int vsock_main(unsigned port);
int remote_main(int argc, char **argv);
int peers_main(int argc, char **argv);

/* guest.c: as a virtual machine's process 1, from its initramfs. */
int guest_main(void);
/* FRAME_WAKE: the clock, the host name, what random numbers come from, and limits. 0 or -errno. */
int guest_wake(const void *payload, size_t len);

/* guest_limits.c: runs agent() where a control group bounds it and all commands, out of their reach, until it
 * returns or is killed. -errno: there is no such place. */
int guest_keep(void (*agent)(void));
/* In the agent: limits (0: as it is), as WAKE_* say, and before a command is executed in a child; then a look
 * at what the group told since the command began. */
int guest_limit(uint32_t pids, uint32_t files, unsigned how);
void guest_begin_child(void);
void guest_watch_open(struct guest_watch *w);
bool guest_watched(const struct guest_watch *w);
void guest_watch_begin(struct guest_watch *w);
enum limit_kind guest_watch_look(struct guest_watch *w);

/* filter.c: the system call filter. */
struct filter {
    struct sock_filter *code; /* owned */
    unsigned short n;
};
int filter_make(bool namespaces, struct filter *ret, struct err *err);
int filter_load(const struct filter *f);

/* sandbox.c: the spawner's private world, and the way into a machine. */
enum { SANDBOX_ID_FIRST = 200000, SANDBOX_ID_COUNT = 65536 };
struct sandbox {
    bool ranged;          /* real root: a range of high ids and an idmapped lower; else one id */
    bool split;           /* an overlay for each top-level directory */
    bool same_files;      /* frozen layers lie in the host's root file system: see sandbox_base() */
    char scratch_top[64]; /* the top-level directory that they lie in */
    int host_mounts;      /* the mount namespace it came from */
    int ids;              /* a user namespace with the range, for idmapped mounts */
    unsigned images;      /* how many image directories are attached */
    char *image_paths[32];
    struct filter filters[2]; /* without and with namespaces for commands */
};
/* Leaves the host's mounts for a few of its own. Returns 0 or -errno with words. */
int sandbox_prepare(struct sandbox *s, const char *scratch, struct err *err);
/* Makes sure that an image is attached; its number, or -errno. Not needed without ranged ids. */
int sandbox_image(struct sandbox *s, const char *path, struct err *err);
/*
 * The kernel refuses an overlay of which one lower directory lies in another, as frozen layers lie in the
 * host's root. Through an overlay of its own, read-only, the root is another file system. Makes sure that it
 * is there for r's mask; only for machines on layers.
 */
int sandbox_base(const struct sandbox *s, const struct spawn_request *r, struct err *err);
/* Mounts an empty file system for a mask; its root as a descriptor, or -errno. `forget` ("": none) is a mask
 * that goes with the machines that stand on it. */
int sandbox_mask(const char *name, const char *forget, struct err *err);
/* A file system that is mounted nowhere yet, and its place in a new machine: over its scratch directory. */
int sandbox_disk(uint64_t size, struct err *err);
int sandbox_attach_disk(const char *scratch, int fd, struct err *err);
/*
 * An overlay follows renamed directories by attributes that the host's root alone may set, so it has to be
 * made by that: this makes the root of r's machine, which wants redirects, before its process; -1: it makes
 * its own. Nobody in the machine can forge these attributes.
 */
int sandbox_root(const struct sandbox *s, const struct spawn_request *r, int image, int *ret,
                 struct err *err);
/*
 * Directories of another machine, of whose mount namespace mounts is a descriptor, for the next one: pairs as
 * in spawn_request. What the other one has made of its paths leads nowhere but through its own mounts.
 */
enum { SHARED_MAX = 16 };
struct shared {
    int fds[SHARED_MAX]; /* owned: mounts that stand nowhere yet */
    size_t n;
};
int sandbox_share(int mounts, const char *const *pairs, struct shared *ret, struct err *err);
void shared_release(struct shared *s);
/* In the new machine's root, which is `.`, and has these places. */
int sandbox_attach_shared(const struct shared *s, const char *const *pairs, struct err *err);

/*
 * bridge.c: a job's network. What another namespace has to be entered for is done by a child process, which
 * answers once (apart_answer(), whatever came of it) and ends, or, where ret_pid is given and all went well,
 * goes on until it returns. ret, ret_words: what it answers; may be NULL.
 */
typedef int apart_fn(void *data, int answer);
int apart(apart_fn *run, void *data, struct fds *ret, struct buf *ret_words, pid_t *ret_pid, struct err *err);
int apart_answer(int fd, int r, const char *words, const struct fds *with);
int bridge_new(struct err *err); /* its namespace, or -errno */
/* A process that is alone in its namespace gets a card there, with that address of the job's network. */
int bridge_join(int network, pid_t pid, uint32_t address, struct err *err);
/* forward.c: starts the process that forwards ports, as r says; ret_ports: where it listens, "PORT PORT ...".
 */
int forward_start(const struct sandbox *s, const struct spawn_request *r, const struct fds *fds, pid_t *ret,
                  struct buf *ret_ports, struct err *err);
int raise_loopback(struct err *err); /* of this process's network */

/* In the new process: builds the root file system and enters it. */
int sandbox_enter(const struct sandbox *s, const struct spawn_request *r, int image,
                  const struct shared *shared, struct err *err);

/* overlay.c: one overlay; `upper` and `work` are borrowed, NULL: read-only. */
enum { OVERLAY_LOWERS_MAX = 480 }; /* the kernel's limit is 500 */
struct overlay {
    struct buf names; /* of the lower directories, each with a NUL; `lower` says where they begin */
    size_t lower[OVERLAY_LOWERS_MAX], n;
    const char *upper, *work;
    bool redirects; /* renamed directories are followed; for the host's root only */
    int failed;
};
#define _overlay_ _cleanup_(overlay_release)
/* Adds a lower directory below those that are there already. */
void overlay_add(struct overlay *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A descriptor of the mount, which stands nowhere yet, or -errno; `at`: where it may stand meanwhile. */
int overlay_make(const struct overlay *o, const char *at);
int overlay_mount(const struct overlay *o, const char *at); /* 0 or -errno */
void overlay_release(struct overlay *o);

/* sandbox_user.c: the same for who is not root: one id, one overlay for each top-level directory. */
int prepare_single(const char *scratch, struct err *err);
int mount_single(const struct sandbox *s, const struct spawn_request *r, struct err *err);
/* sandbox.c, for both. */
int make_device_links(int dir_fd, struct err *err);
int hide_in_sys(struct err *err); /* in ./sys: what is the host's alone */
int enter_root(void);             /* makes `.` the root and forgets the old one */
/* Over the whole of /new. `lower`: what is below the mask; "" for nothing but layers. */
int mount_overlay(const struct spawn_request *r, const char *lower, struct err *err);

/* harden.c: what a machine's processes lose for good. Process 1 too: nothing in a machine is above the rest,
 * and who has to change its mounts comes from outside. */
int harden_process(const struct filter *filter, const struct spawn_request *q, struct err *err);
/* While the process still is of the host's user. `counted`: the agent is process 1 and counts processes too.
 */
void harden_limits(const struct spawn_request *r, bool counted);
/* The limit that is counted against, from the kernel's, which lies a little above it. */
uint64_t processes_without_room(uint64_t with_room);

#endif
