/*
 * Versions and ranges of them, as setup actions take them: those of npm's semver ("20", "20.x", ">=18 <21",
 * "^18.0.1 || ~20.1", "1.2 - 1.4"), and what Python adds ("==3.11.*", "~=3.8", commas). Private to core/job.
 */
#ifndef RUNFS_JOB_VERSION_RANGE_H
#define RUNFS_JOB_VERSION_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct version {
    uint32_t part[3]; /* major, minor, patch */
    int n;            /* how many of them were given; the others are 0 */
    char pre[32];     /* of a pre-release, "rc.1"; "" without */
};

/* The first version in a text: "v20.1.0", "go version go1.22rc1 linux/amd64". Returns where it ends, NULL
 * where there is none. */
const char *version_find(const char *text, struct version *ret);

/* 1 when the version is in the range, 0 when it is not, -EINVAL when that is no range. "" and "*" have all.
 */
int version_in_range(const struct version *v, const char *range);

#endif
