/* Room for what jobs send: what is under way is counted in memory, what is kept by its rows. */
#include "runfs/room.h"

#include "runfs/artifact.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "store_internal.h"

enum { STEP = 256 << 10 }; /* held ahead where there is plenty, so that few entries ask */

static const struct {
    const char *setting;
    uint64_t mib;           /* where it is not set */
    const char *kept;       /* the bytes of what counts against it for good */
    const char *all, *more; /* in words */
} kinds[ROOM_KINDS] = {
    [ROOM_ARTIFACTS] = {"artifact_size_mib", 51200, "SELECT coalesce(sum(disk), 0) FROM artifacts",
                        "all artifacts", "with this one they would have more"},
    [ROOM_CACHES] = {"cache_size_mib", 10240, "SELECT 0", "all caches",
                     "those that are being saved would have more"},
};

static int64_t limit_mib(struct store *st, enum room_of of)
{
    _buf_ struct buf value = BUF_INIT;
    uint64_t mib;

    if (store_setting(st, SETTING_CONFIG, kinds[of].setting, &value) < 0 ||
        parse_u64(buf_str(&value), &mib) < 0 || mib > INT64_MAX >> 20)
        mib = kinds[of].mib;
    return (int64_t)mib;
}

static int64_t *under_way(const struct room *r)
{
    return &r->store->rooms.under_way[r->of];
}

/* With the lock held: what is under way becomes a row before it is released, so it is never missed. */
static bool fits(const struct room *r, int64_t more)
{
    int64_t kept = read_int(r->store, kinds[r->of].kept, NULL, 0, NULL, 0);

    return more <= (limit_mib(r->store, r->of) << 20) - kept - *under_way(r);
}

static bool try_hold(struct room *r, int64_t bytes)
{
    const int64_t wanted[] = {bytes <= INT64_MAX - STEP ? bytes + STEP : bytes, bytes};
    bool held;

    pthread_mutex_lock(&r->store->rooms.lock);
    held = r->held >= bytes;
    for (size_t i = 0; !held && i < ARRAY_LEN(wanted); i++) {
        held = fits(r, wanted[i] - r->held);
        if (held) {
            *under_way(r) += wanted[i] - r->held;
            r->held = wanted[i];
        }
    }
    pthread_mutex_unlock(&r->store->rooms.lock);
    return held;
}

static int full(const struct room *r, struct err *err)
{
    return err_set(err, -EDQUOT, "%s together may have %lld MiB, and %s: config/%s says how many",
                   kinds[r->of].all, (long long)limit_mib(r->store, r->of), kinds[r->of].more,
                   kinds[r->of].setting);
}

int room_hold(struct room *r, int64_t bytes, struct err *err)
{
    if (!r->store || try_hold(r, bytes))
        return 0;
    bool again = r->of == ROOM_ARTIFACTS && artifact_expire(r->store, now_ns(), NULL) > 0;
    return again && try_hold(r, bytes) ? 0 : full(r, err);
}

int room_look(struct store *st, enum room_of of, struct err *err)
{
    _room_ struct room probe = room_make(st, of);

    return room_hold(&probe, 1, err);
}

void room_release(struct room *r)
{
    if (!r->store)
        return;
    pthread_mutex_lock(&r->store->rooms.lock);
    *under_way(r) -= r->held;
    r->held = 0;
    pthread_mutex_unlock(&r->store->rooms.lock);
}
