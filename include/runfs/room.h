/*
 * Room on the disk for what jobs send. Artifacts have so much together, with those under way
 * (config/artifact_size_mib); caches under way have as much as all caches may have (config/cache_size_mib),
 * since what is kept of them gives way. An upload holds what it has grown to until it has become a row or is
 * given up, and counts once, however often its bytes lie on the disk meanwhile.
 *
 * Any thread.
 */
#ifndef RUNFS_ROOM_H
#define RUNFS_ROOM_H

#include <stdint.h>

#include "runfs/err.h"

struct store;

enum room_of { ROOM_ARTIFACTS, ROOM_CACHES, ROOM_KINDS };

struct room {
    struct store *store; /* borrowed */
    enum room_of of;
    int64_t held; /* bytes */
};

static inline struct room room_make(struct store *st, enum room_of of)
{
    return (struct room){.store = st, .of = of};
}

/* So that it holds `bytes` at least. -EDQUOT: there is no more, with a sentence that names the setting; then
 * it holds what it held. Artifacts whose time is over make room. One of no
 * store (of a job that runs for another host) is never full. */
int room_hold(struct room *r, int64_t bytes, struct err *err);
/* 0, or -EDQUOT where there is none at all. */
int room_look(struct store *st, enum room_of of, struct err *err);
/* Gives all back; it may be used again. One that was never made has nothing. */
void room_release(struct room *r);
#define _room_ _cleanup_(room_release)

#endif
