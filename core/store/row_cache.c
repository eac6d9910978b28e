/*
 * The row cache: a slot for each hash of an id, holding the last row that was asked for. Bounded by
 * construction. Rows of different tables with the same id share a slot's shard, so that a change drops by id
 * alone.
 */
#include "store_internal.h"

void cache_init(struct cache *c)
{
    for (size_t i = 0; i < CACHE_SHARDS; i++)
        pthread_mutex_init(&c->shards[i].lock, NULL);
}

void cache_release(struct cache *c)
{
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        if (c->slots[i])
            row_unref(c->slots[i]->row);
    for (size_t i = 0; i < CACHE_SHARDS; i++)
        pthread_mutex_destroy(&c->shards[i].lock);
}

enum { TABLES_PER_ID = 8 };

/* Each id has a group of slots, one for each kind of row (several may share). */
static size_t slot_group(int64_t id)
{
    return (size_t)((uint64_t)id % (CACHE_SLOTS / TABLES_PER_ID)) * TABLES_PER_ID;
}

static size_t slot_of(const struct row_table *t, int64_t id)
{
    return slot_group(id) + t->slot;
}

static size_t shard_of(int64_t id)
{
    return slot_group(id) / TABLES_PER_ID % CACHE_SHARDS;
}

struct row_head *cache_get(struct cache *c, const struct row_table *t, int64_t id, uint64_t *ret_generation)
{
    size_t shard = shard_of(id);

    pthread_mutex_lock(&c->shards[shard].lock);
    struct row_head *row = c->slots[slot_of(t, id)];
    if (row && row->table == t && row->id == id)
        atomic_fetch_add_explicit(&row->refs, 1, memory_order_relaxed);
    else
        row = NULL;
    *ret_generation = c->shards[shard].generation;
    pthread_mutex_unlock(&c->shards[shard].lock);
    return row;
}

void cache_generations(struct cache *c, uint64_t ret[CACHE_SHARDS])
{
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        ret[i] = c->shards[i].generation;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
}

uint64_t cache_generation_of(const uint64_t all[CACHE_SHARDS], int64_t id)
{
    return all[shard_of(id)];
}

void cache_put(struct cache *c, struct row_head *row, uint64_t generation)
{
    size_t shard = shard_of(row->id), slot = slot_of(row->table, row->id);
    struct row_head *old = NULL;

    pthread_mutex_lock(&c->shards[shard].lock);
    if (c->shards[shard].generation == generation) {
        atomic_fetch_add_explicit(&row->refs, 1, memory_order_relaxed);
        old = c->slots[slot];
        c->slots[slot] = row;
    }
    pthread_mutex_unlock(&c->shards[shard].lock);
    if (old)
        row_unref(old->row);
}

void cache_drop(struct cache *c, int64_t id)
{
    size_t shard = shard_of(id), group = slot_group(id);
    struct row_head *old[TABLES_PER_ID];

    pthread_mutex_lock(&c->shards[shard].lock);
    c->shards[shard].generation++;
    for (size_t i = 0; i < TABLES_PER_ID; i++) {
        old[i] = c->slots[group + i];
        c->slots[group + i] = NULL;
    }
    pthread_mutex_unlock(&c->shards[shard].lock);
    for (size_t i = 0; i < TABLES_PER_ID; i++)
        if (old[i])
            row_unref(old[i]->row);
}
