/* Between the files of core/machine: what a machine is made of, and what a backend must do. */
#ifndef RUNFS_MACHINE_INTERNAL_H
#define RUNFS_MACHINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/agent/proto.h"
#include "runfs/machine.h"

/* The daemon's end of an agent's control socket. Every byte that comes out of it is taken for hostile. */
struct agent_client {
    int fd;        /* non-blocking stream socket */
    int wake;      /* eventfd: another thread has set `wants` */
    int pidfd;     /* the agent, or what stands in for it; -1 when it is elsewhere */
    struct buf in; /* received, from in_at on not yet looked at */
    size_t in_at;
    pthread_mutex_t lock; /* guards running, and writes to fd while nothing runs */
    bool running;         /* a command is being executed, or a tree moved */
    bool in_tree;         /* the latter */
    int64_t tree_until;   /* when one that was interrupted is given up; 0: it was not */
    atomic_uint wants;    /* what other threads ask for: WANT_* */
    atomic_bool broken;   /* the machine is gone or lied; nothing more is sent */
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
int agent_client_get_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err);

/* A helper process that makes machines (see core/agent/spawner.c). Any thread. */
struct spawner {
    pthread_mutex_t lock;
    const char *mode;    /* "sandbox" or "plain" */
    const char *program; /* borrowed */
    const char *scratch; /* borrowed */
    int fd;              /* -1 until it is needed */
    pid_t pid;
    atomic_uint starts; /* how often it was started */
};
void spawner_init(struct spawner *s, const char *mode, const char *program, const char *scratch);
/* Has a machine made and its agent greeted; starts the spawner, again if it has died. */
int spawner_request(struct spawner *s, const struct spawn_request *r, struct agent_client *ret,
                    struct err *err);
/* Has a file system for a mask made; its root, to be closed, or -errno. */
int spawner_mask(struct spawner *s, const char *name, struct err *err);
void spawner_release(struct spawner *s);

/* Removes scratch directories on a thread of its own, after their machines have died. A machine's process
 * ends when its control socket does, and all in it before it; one that does not is killed. */
struct cleaner;
int cleaner_new(struct machines *ms, struct cleaner **ret);
/* Takes pidfd and path. Beyond a bound it is done at once, so that removal cannot fall behind. */
void cleaner_add(struct cleaner *c, int pidfd_take, char *path_take);
void cleaner_free(struct cleaner *c); /* after all is removed */

/* Empty directories that wait to be used again. Any thread. */
struct spares {
    pthread_mutex_t lock;
    int fd;       /* the directory that holds them */
    int flags;    /* what a new one has, as are */
    int64_t size; /* its size */
    unsigned serial, n;
    unsigned names[512];
};
int spares_open(struct spares *s, const char *scratch);
void spares_release(struct spares *s, const char *scratch);
/* Makes a directory below scratch, or uses a spare one, with mode and (as root) owner; fine when it exists.
 */
int scratch_dir(struct machines *ms, int at, const char *path, unsigned mode, uid_t owner);
int scratch_dirs(struct machines *ms, int at, const char *path, uid_t owner); /* with parents */
/* remove_tree() that keeps the directories as spares. Its machine must be dead. */
int scratch_remove(struct machines *ms, const char *path);

struct machine_ops {
    const char *name;
    bool isolates;
    bool one_kill; /* its process is process 1 in it: with that the kernel ends all others */
    /* Fills paths, dir, client. On failure the caller removes `dir` and closes the client. */
    int (*acquire)(struct machines *ms, const struct machine_spec *spec, struct machine *m, struct err *err);
    /* After a machine of it worked or failed with why: words for a person. */
    void (*explain)(const struct machines *ms, const struct err *why, char *words, size_t size);
};
extern const struct machine_ops machine_sandbox, machine_bubblewrap, machine_host;

enum { BACKENDS = 3 };
struct backend {
    const struct machine_ops *ops;
    bool probed;
};

struct machines {
    char *agent, *scratch;     /* owned: the agent's path; STATE/machines */
    pthread_mutex_t lock;      /* guards hidden, mask, probes */
    char **hidden;             /* owned, NULL-terminated */
    unsigned masks;            /* how many masks were made */
    unsigned mask, image_mask; /* those in use; 0: to be made */
    unsigned mask_start;       /* by which start of the spawner: they go with it */
    bool mask_stale;           /* something was hidden since */
    bool split;                /* sandboxes have no overlay over the whole root */
    bool no_masks;             /* this kernel's tmpfs cannot hold one: each machine's own layer has to */
    struct timespec copied[2]; /* times of the host's files as the mask has them */
    struct backend backends[BACKENDS];
    struct machine_probe probes[BACKENDS];
    struct spawner sandboxes, processes;
    struct cleaner *cleaner;
    struct spares spares;
    atomic_uint serial;
    atomic_uint living;
};

struct machine {
    struct machines *ms;
    const struct machine_ops *ops;
    struct agent_client client;
    char id[32];
    char *dir; /* owned: STATE/machines/ID, NULL until made */
    struct machine_paths paths;
    char *path_strings[5]; /* owned: what paths points to */
    char note[256];
};

/* machines.c */
int machine_set_paths(struct machine *m, const char *prefix, const char *workspace, struct err *err);

/*
 * mask.c: the layer between the host's root (or an image) and a machine's own. It hides what is the host's:
 * homes, run-time files, data, whatever a stranger on the host could not read. Writes the layer's name, ""
 * when there can be none: then mask_fill() is for the machine's own layer.
 */
int mask_ensure(struct machines *ms, bool image, char *ret_name, size_t size, struct err *err);
int mask_fill(struct machines *ms, int dir_fd, bool image, const char *hostname);
/* /etc/hosts for a machine of that name; a mask has it for usual_hostname. */
int mask_hosts(int dir_fd, const char *hostname);
extern const char usual_hostname[];
/* Only its empty directories, for a root that is no overlay. */
int mask_dirs(struct machines *ms, int dir_fd);
/* The id on disk of a machine's root: high for the real root, else one's own. */
uid_t machine_root_id(void);
int make_owned_dir(int at, const char *path, unsigned mode);

/* probe.c: tries a backend once and remembers. */
const struct machine_probe *probe_backend(struct machines *ms, size_t i);

#endif
