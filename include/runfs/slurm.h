/*
 * Labels of backend slurm: `slurm[:PARTITION] [--OPTION[=VALUE]...] [KEY=VALUE...]`. Options are srun's own.
 * Keys are those of a machine, for the worker there (memory= and cpu= are asked of Slurm too), and
 * runfs=PATH, state=DIR, registry=HOST[:PORT], container_pull=WHEN, container_size_mib=N.
 */
#ifndef RUNFS_SLURM_H
#define RUNFS_SLURM_H

#include "runfs/buf.h"
#include "runfs/err.h"

struct slurm_label {
    struct buf options; /* what srun is to be given, quoted for a shell, a blank before each */
    struct buf worker;  /* and what it is to run: `runfs worker ...`, likewise */
};
/* text: what stands behind `slurm`. -EINVAL with words. */
int slurm_label_parse(const char *text, struct slurm_label *ret, struct err *err);
void slurm_label_release(struct slurm_label *l);

/* Whether Slurm's commands are here. -ENOENT with words. */
int slurm_has_client(struct err *err);

#endif
