/*
 * What a backend is: how machines of one kind are made, and what is different about them. All else is common
 * (life.c, machines.c). To add one: its machine_ops in a file of its own, and a place in machine_backends.
 *
 * A backend's part is to give a machine an agent_client whose socket an agent is at the other end of, however
 * far away. Where the way there is more than a socket (an SSH channel, a virtual machine's monitor), what it
 * needs is m->own, made by acquire and released by end.
 */
#ifndef RUNFS_MACHINE_BACKEND_H
#define RUNFS_MACHINE_BACKEND_H

#include "runfs/machine.h"

struct machine_ops {
    const char *name;
    bool isolates;  /* its steps cannot reach this host's files and processes */
    bool elsewhere; /* its processes are not of this host's kernel: no control groups, pidfds, networks of it
                     */
    bool remote; /* of another host: whether it works may change at any time, so acquire says what does not */
    bool layered;     /* its machines stand on m->chain, so they can have snapshots */
    bool one_kill;    /* its process is process 1 in it: with that the kernel ends all others */
    bool own_network; /* never the host's: one behind its address where that works, else none */
    bool one_command; /* at a time: it has no lanes */
    bool images;      /* a label may name one, as `NAME:IMAGE` */
    bool jobs; /* it has no machines but takes whole jobs: core/run has what it does. The rest of a label's
                * line is its own, and stands in `image` */

    /*
     * Fills paths, client and, if it has use for it, own. m->dir is a name only: what a backend wants there
     * it makes, and it is removed behind when the machine is gone. On failure the caller removes it, closes
     * the client, and calls end if own is set.
     */
    int (*acquire)(struct machines *ms, const struct machine_spec *spec, struct machine *m, struct err *err);
    /* Makes one that waits in the pool do what a first job begins with, so that this finds it done. NULL:
     * that is no faster a second time. */
    int (*rehearse)(struct machine *m, struct err *err);
    /* Ends what own stands for and frees it. The client is closed by then. May be NULL. */
    void (*end)(struct machine *m);
    /*
     * Snapshots that the backend takes itself, not as layers, of a machine in which nothing runs. What is
     * written to ret_handle is kept with the snapshot and given to rollback, which is of the same machine. A
     * machine that is lost on the way is said by -ECONNRESET. Both or neither.
     */
    int (*snapshot)(struct machine *m, const char *name, struct buf *ret_handle, struct err *err);
    int (*rollback)(struct machine *m, const char *handle, struct err *err);
    /* Nothing in it gets the processor, or does again. NULL: its processes are frozen, if they are here. */
    int (*pause)(struct machine *m, bool pause, struct err *err);
    /* What the process that is the machine, of a backend that is elsewhere, may use here at most, as control
     * groups have it; m->limits.procs is for it to enter. NULL: there is no such process. */
    void (*around)(const struct machine_limits *want, uint64_t ret[]);
    /* Checks what a label says of it beyond the syntax: image, network, limits. May be NULL. */
    int (*check_label)(const struct machine_label *l, struct err *err);
    /* Whether it works here, in less than a second, with words on what is missing. NULL: a machine is made
     * and a command run in it. */
    int (*probe)(struct machines *ms, struct err *err);
    /* After a machine of it worked (why is NULL) or failed: words for a person. */
    void (*explain)(const struct machines *ms, const struct err *why, char *words, size_t size);
};
extern const struct machine_ops machine_sandbox, machine_bubblewrap, machine_qemu, machine_firecracker,
    machine_fcctl, machine_ssh, machine_worker, machine_slurm, machine_host;

/* All of them, best first; NULL at the end. */
enum { BACKENDS_MAX = 12 };
extern const struct machine_ops *const machine_backends[];

#endif
