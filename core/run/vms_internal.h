/* Between vms.c, which has the machines, and vms_commands.c, which runs commands in them. */
#ifndef RUNFS_RUN_VMS_INTERNAL_H
#define RUNFS_RUN_VMS_INTERNAL_H

#include <pthread.h>

#include "runfs/machine_rows.h"
#include "runfs/vms.h"

/* The lock of vms guards the list and busy and going; the machine is whose thread made it busy. */
struct vm {
    struct vm *next;
    int64_t id;
    struct machine *machine; /* owned; NULL: stopped */
    bool busy;               /* a thread works with it */
    bool going;              /* it is being removed: nobody may begin */
};

struct vms {
    struct store *store;
    struct machines *machines;
    pthread_mutex_t lock;
    pthread_cond_t idle; /* a vm is no longer busy */
    struct vm *first;
};

/* Takes it for this thread, until vm_give_back(). -EBUSY, -ENOENT, or -EPERM: it is not one by hand. */
int vm_take(struct vms *v, int64_t id, struct vm **ret, struct err *err);
void vm_give_back(struct vms *v, struct vm *vm);
/* Boots it, if it was stopped or its agent has ended. Of one that was taken. */
int vm_wake(struct vms *v, struct vm *vm, struct err *err);

/* Where what a command (from 1 on) prints is kept; stream: 1 stdout, 2 stderr. number 0: the directory of all
 * that the machine's print. Appended. */
void vm_output_path(struct vms *v, int64_t id, int number, int stream, struct buf *ret);

#endif
