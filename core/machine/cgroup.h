/*
 * Control groups of machines. Whatever cannot be done here is not an error: of[] says which controllers work,
 * why[] what is missing. One thread makes and releases `struct groups`; any thread makes groups of machines.
 */
#ifndef RUNFS_MACHINE_CGROUP_H
#define RUNFS_MACHINE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agent/proto.h"
#include "runfs/err.h"

enum controller { GROUP_MEMORY, GROUP_PIDS, GROUP_CPU, CONTROLLERS };
enum { GROUP_DIRS = 3 };

struct groups {
    char family[48];            /* what names of our directories begin with: tells this state's from others */
    char *dirs[GROUP_DIRS + 1]; /* owned, NULL-terminated: where the groups of machines are */
    int of[CONTROLLERS];        /* index of its directory; -1: not available */
    int version[CONTROLLERS];   /* 0: version 1, 1: version 2 */
    char why[320];              /* what is missing, if something is */
    const char *cgroup_file, *mounts_file; /* borrowed: /proc/self/cgroup and mountinfo */
};
/* Finds out what works, and removes what a process of the same scratch directory left that was killed. */
void groups_init(struct groups *g, const char *scratch);
void groups_find(struct groups *g); /* its part that looks */
void groups_release(struct groups *g);
/* Removes a machine's groups: 0, or -EBUSY while something is in them. */
int groups_remove(const struct groups *g, const char *name);

struct machine_group {
    struct groups *groups; /* borrowed; NULL: none was made */
    bool made;             /* there may be a directory of that name */
    bool controls[CONTROLLERS];
    int events[CONTROLLERS];    /* files with counters */
    uint64_t seen[CONTROLLERS]; /* their last values */
};
/* values: 0 for no limit; cpu in thousandths. Appends cgroup.procs files to procs, for the process to enter.
 */
int group_make(struct groups *groups, const char *name, const uint64_t values[CONTROLLERS],
               struct machine_group *ret, struct fds *procs, struct err *err);
bool group_hit(struct machine_group *g, enum controller i); /* since the last time it was asked */
void group_close(struct machine_group *g);                  /* its descriptors */

#endif
