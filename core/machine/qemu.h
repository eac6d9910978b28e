/* Between the files of the qemu backend. */
#ifndef RUNFS_QEMU_H
#define RUNFS_QEMU_H

#include "core/machine/machine_internal.h"

#define QEMU_PROGRAM "qemu-system-x86_64"

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
    unsigned long tsc_khz;    /* to boot: what tsc_khz_since() says */
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
/* What it is started with for a template, or for a copy of one, but for what differs from start to start.
 * Appended. */
int qemu_arguments(const struct qemu_shape *shape, bool boots, struct buf *ret);

/* tsc.c: the frequency of the processor's time stamps, measured from tsc_begin() on, over 20 ms at least. */
struct tsc {
    int64_t ns;
    uint64_t ticks;
};
void tsc_begin(struct tsc *t);
unsigned long tsc_khz_since(const struct tsc *t);
enum { TSC_PART = 2000 }; /* so exact: a kernel that was told another one has a clock that is wrong */
bool tsc_same(unsigned long a, unsigned long b);

/* qemu_identity.c: what has to be the same for a state to be loaded, and a name for that. `kvm` of the shape
 * counts, and what is in the initramfs. -ENOTSUP with words: nothing is to be kept of it. */
enum { QEMU_KEY = 20 };
int qemu_identity(const struct qemu_shape *shape, int initrd, json_t **ret, struct err *err);
int qemu_identity_key(const json_t *identity, char ret[QEMU_KEY]);

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
 * begin as copies: the memory by copy on write, the disk as a sparse file. Made at the first use, or read
 * from where a former process has kept it; in memory as long as ms. Descriptors are borrowed.
 */
struct qemu_template {
    struct qemu_template *next; /* set under both locks, templates_lock and ahead_lock */
    struct qemu_shape shape;
    int memory, state, disk;
    int64_t boot_ns;          /* until a first command had ended */
    int64_t load_ns;          /* until all was read that was kept; 0: it was booted */
    unsigned long tsc_khz;    /* what its kernel was told */
    json_t *identity;         /* owned; NULL: it is not to be kept */
    char key[QEMU_KEY];       /* of that */
    pthread_t writer;         /* if `writes` */
    bool writes;              /* it was begun to be kept. Under ahead_lock */
    _Atomic int64_t kept_at;  /* since when it is, now_ns(); 0: not yet */
    _Atomic int64_t until;    /* when its writer gives up, mono_ns(); 0: never */
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
/* A machine of it is there: it is kept for other processes, behind the scenes, once. */
void qemu_template_keep(struct machines *ms, struct qemu_template *t);
/* What is being written is written first, as far as that is quick. */
void qemu_templates_free(struct machines *ms);
int qemu_memory_make(const char *name, uint64_t size, struct err *err); /* a file in memory */
int qemu_template_seal(const struct qemu_template *t, struct err *err); /* nobody writes to those any more */

/*
 * qemu_kept.c: templates on disk, beside their image: IMAGE/templates/KEY/ holds memory, state and disk, as
 * sparse files, and template.json: the identity, and size and sum of each. Only this user's (0700 and 0600),
 * who trusts what he wrote. There are no secrets in them: they are of before any job is known, and random
 * numbers, time and name are given to each copy when it wakes. What stands there under its key is whole: it
 * was synced before it got that name. An image has QEMU_KEPT of them at most; those go that were not loaded
 * for longest.
 */
enum { QEMU_KEPT = 4 };
/* Fills in memory, state, disk and the times of t, which has shape, identity and key: in memory, sealed, and
 * on an unlinked file in dir. -ENOENT: there is none, or of another frequency than measured since tsc; other
 * errors have words that name the file, and what is broken has been removed. */
int qemu_kept_load(struct qemu_template *t, const char *dir, const struct tsc *tsc, struct err *err);
/* -ENOSPC if a part in 20 of the file system would not be left free. */
int qemu_kept_save(struct qemu_template *t, struct err *err);
void qemu_kept_remove(const struct qemu_template *t);
/* Those of an image (a directory, links resolved), the last used first. shape.image: NULL. */
struct qemu_kept {
    char key[QEMU_KEY];
    struct qemu_shape shape;
    int64_t boot_ns, kept_at;
};
size_t qemu_kept_list(const char *image, struct qemu_kept ret[QEMU_KEPT]);

/* summed.c: copies a file that is mostly holes, which `to` (empty) has then too. -EFBIG: more than `most`
 * bytes of it are not zero. to_disk: it goes there bit by bit; -ENOSPC before what the file system keeps
 * for others is taken, -ECANCELED: proc_unwanted(). */
struct summed {
    int64_t size, bytes; /* of those pages that are not zero */
    uint64_t sum;
};
int summed_copy(int from, int to, bool to_disk, int64_t most, struct summed *ret);

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
/* Has one started and its agent woken, which shows whether the template's state is good for anything. */
int qemu_ahead_try(struct machines *ms, struct qemu_template *t, struct err *err);
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
