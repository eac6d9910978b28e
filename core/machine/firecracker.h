/* Between the files of the firecracker backend. */
#ifndef RUNFS_FIRECRACKER_H
#define RUNFS_FIRECRACKER_H

#include "core/machine/machine_internal.h"

/* Makes `name`, of what `base` has, where `changed` (of the same size) has a hole, and else of that. All in
 * dir. 0 or -errno. */
int memory_lay_over(int dir, const char *base, const char *changed, const char *name);

#endif
