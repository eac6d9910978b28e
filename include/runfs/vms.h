/*
 * Machines by hand: made by a person, kept until removed, also over the end of the process. Each runs one
 * command at a time; what it prints stands in files of the state directory (STATE/vms/ID/N.stdout, .stderr),
 * readable while it grows. Any thread.
 */
#ifndef RUNFS_VMS_H
#define RUNFS_VMS_H

#include "runfs/machine.h"
#include "runfs/store.h"

struct vms;

/* Boots the kept ones again. */
int vms_new(struct store *st, struct machines *ms, struct vms **ret, struct err *err);
/* Ends them; their files stay. Commands that run are killed; nobody may be in a function here. */
void vms_free(struct vms *v);
void vms_interrupt(struct vms *v); /* kills what runs in them. NULL: nothing */

/*
 * Boots one. Its label is what config says of vms/NAME: the name of a label, or what a label may mean
 * ("sandbox memory=1G"); without, that of ubuntu-latest. -EEXIST, -EINVAL with words.
 */
int vms_make(struct vms *v, const char *name, struct err *err);
int vms_remove(struct vms *v, int64_t id, struct err *err); /* kills what runs; everything of it goes */

/*
 * Runs a script with bash, in the workspace, to its end; a machine that was stopped is booted first. Returns
 * 0 however the command ended. -EINVAL: NULs; -EBUSY: one runs, or it is paused; -EPERM: the machine is a
 * job's.
 */
int vms_exec(struct vms *v, int64_t id, const char *text, size_t len, struct err *err);
/* Whether vms_exec() would begin now: shells see what a write says, and not what a close does. */
int vms_can_exec(struct vms *v, int64_t id, const char *part, size_t len, struct err *err);
/* What a command printed: a descriptor, or -ENOENT. stream: 1 or 2. */
int vms_output(struct vms *v, int64_t command_id, int stream);

/* As machine_snapshot() and machine_rollback(), of one that is booted first if it was stopped. -EINVAL: the
 * name; -ENOENT; -EPERM: it is a job's. */
int vms_snapshot(struct vms *v, int64_t id, const char *name, struct err *err);
int vms_rollback(struct vms *v, int64_t id, const char *name, struct err *err);
int vms_stop(struct vms *v, int64_t id, struct err *err); /* its files stay; a job's machine is killed */

/* config/vms/NAME: what a machine that is made under that name will be. */
int vms_check_label(struct store *st, const char *value, struct err *err);
/* The spec of a label's name or of what a label may mean; strings belong to ret_label. */
int label_spec(struct store *st, const char *label, struct machine_label *ret_label, struct machine_spec *ret,
               struct err *err);

#endif
