/* Between the files of the qemu backend. */
#ifndef RUNFS_QEMU_H
#define RUNFS_QEMU_H

#include "core/machine/machine_internal.h"

/* qmp.c: qemu's monitor, https://www.qemu.org/docs/master/interop/qmp-spec.html; on a socket of its own. */
struct qmp {
    int fd; /* -1: none */
    struct buf in;
};
int qmp_open(struct qmp *q, int fd_take, struct err *err); /* greets */
/* Calls and waits for the answer, for 30 s at most. ret may be NULL. -ECONNRESET when qemu is gone. */
int qmp_call(struct qmp *q, const char *command, json_t *arguments_take, json_t **ret, struct err *err);
int qmp_pass(struct qmp *q, const char *name, int fd, struct err *err); /* getfd: as fd:NAME from then on */
void qmp_release(struct qmp *q);
/* Until no migration runs any more, in or out; for five minutes at most. */
int qmp_migrated(struct qmp *q, struct err *err);

/* What a virtual machine is made of, which a snapshot of it can be loaded into only if it is the same. */
struct qemu_shape {
    char *image;           /* owned: the directory, links resolved */
    uint64_t memory, disk; /* bytes */
    unsigned cpus;
    bool network; /* it has a card */
    bool kvm;
};

/* Descriptors that it works on: borrowed, -1 for none. */
struct qemu_parts {
    int memory;               /* a file of the shape's size; none: fresh memory */
    bool memory_shared;       /* what it writes there is written to the file */
    int disk;                 /* its scratch disk */
    int console;              /* what its serial line prints goes there */
    int kernel, initrd;       /* to boot; none: a state comes in */
    const struct fds *groups; /* cgroup.procs files that it enters; NULL: none */
    bool linked; /* its card is: to an empty network of the process's own, which its pid leads to */
};

struct qemu {
    int tether; /* it ends when this is closed; -1: it does not run */
    pid_t pid;  /* of the tether */
    struct qmp qmp;
};
/* qemu_process.c: starts it; *ret_agent: the other end of the port "agent", to be closed. */
int qemu_start(struct machines *ms, const char *dir, const struct qemu_shape *shape,
               const struct qemu_parts *parts, struct qemu *q, int *ret_agent, struct err *err);
void qemu_stop(struct qemu *q); /* waits for its end */
int qemu_works(struct err *err);

/* Saves what runs, but for memory that is a shared file, to fd, and leaves it stopped; and the way back:
 * loads it into one that was started without a kernel, which is let go then. */
int qemu_save(struct qemu *q, int fd, struct err *err);
int qemu_load(struct qemu *q, int fd, struct err *err);
int qemu_go(struct qemu *q, struct err *err);

/* qemu.c: tells its agent the time, its name (NULL: the usual one), random numbers, limits (NULL: the usual
 * ones, which others may take the place of), and WAKE_* beside what those mean. */
int qemu_wake(struct agent_client *c, const char *name, const struct limits *l, unsigned how,
              struct err *err);
/* The port "agent" becomes the client's, which has no descriptors yet. */
int qemu_speak(struct agent_client *c, int *agent, struct err *err);
/* What the first job of a machine that waits for one runs into has been translated then: directories that are
 * made, and a program that runs. */
int qemu_rehearse(struct agent_client *c, struct err *err);

/*
 * qemu_template.c: a machine that was booted once and stopped when its agent was there. Machines of its shape
 * begin as copies: the memory by copy on write, the disk as a sparse file. Made at the first use, kept in
 * memory as long as ms. Descriptors are borrowed.
 */
struct qemu_template {
    struct qemu_template *next; /* set under both locks, templates_lock and ahead_lock */
    struct qemu_shape shape;
    int memory, state, disk;
    int64_t boot_ns;          /* until a first command had ended */
    struct qemu_ahead *ahead; /* owned; those that wait. This and what follows: under ahead_lock */
    unsigned n_ahead, n_most; /* how many there are, and are to be at most */
    bool wants, making;
    bool taken;                 /* a machine of it was asked for */
    bool awaited;               /* the one that is being made */
    int64_t wanted_at, used_at; /* mono_ns() */
};
/* shape->kvm is filled in: whether KVM works is found out by booting. */
int qemu_template_get(struct machines *ms, const struct machine_spec *spec, struct qemu_shape *shape,
                      struct qemu_template **ret, struct err *err);
void qemu_templates_free(struct machines *ms);

/* qemu.c: what a copy writes to, in a directory of its own: a copy of the template's disk, and an empty file.
 * -1 where there is none yet. */
struct qemu_files {
    int disk, console;
};
int qemu_files_make(const char *dir, const struct qemu_template *t, struct qemu_files *ret, struct err *err);
int qemu_reopen(int fd, struct err *err); /* to be read from its start, whoever else reads it */

/* qemu_ahead.c: a copy that has been started, and as a rule has run, until nothing was left to be done for a
 * machine whose job is not known. All is owned. */
struct qemu_ahead {
    struct qemu_ahead *next;
    char *dir;
    struct qemu_files files;
    struct qemu qemu;
    pid_t pid;                  /* of qemu itself; 0: not known */
    int agent;                  /* until `client` has it */
    bool runs;                  /* else it is to be let go */
    struct agent_client client; /* without descriptors as long as nobody has spoken to it */
};
/* *ret: one that waits, or is about to; NULL: none. grouped: it is to enter control groups. -ECANCELED. */
int qemu_ahead_take(struct machines *ms, struct qemu_template *t, const struct machine_spec *spec,
                    bool grouped, struct qemu_ahead **ret, struct err *err);
/* Has it enter control groups: their cgroup.procs files. */
int qemu_ahead_enter(const struct qemu_ahead *a, const struct fds *groups, struct err *err);
void qemu_ahead_release(struct machines *ms, struct qemu_ahead *a);
void qemu_ahead_end(struct machines *ms, struct qemu_template *t); /* all that wait */
/* Has one made, so many nanoseconds from now at the earliest. */
void qemu_ahead_want(struct machines *ms, struct qemu_template *t, int64_t in_ns);
/* The keeper's: makes those that are wanted, ends those that nobody has used for a while. When it is to come
 * again at the latest (mono_ns()); 0: nothing is to come. */
int64_t qemu_ahead_fill(struct machines *ms);

/* sparse.c: makes `to` (empty, of this process) what `from` is, holes left out. 0 or -errno. */
int sparse_copy(int from, int to);

#endif
