/* What webhooks delivered: names and texts of events/deliveries/. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/words.h"

#define SHOW_HOOK(name, field)                                                                               \
    int show_hook_##name(struct fs *fs, int64_t id, struct buf *ret)                                         \
    {                                                                                                        \
        const struct hook_row *row = store_get_hook(fs->store, id);                                          \
        if (!row)                                                                                            \
            return -ENOENT;                                                                                  \
        buf_adds(ret, row->field);                                                                           \
        if (*row->field && !str_ends(row->field, "\n"))                                                      \
            buf_addc(ret, '\n');                                                                             \
        hook_row_unref(row);                                                                                 \
        return 0;                                                                                            \
    }

SHOW_HOOK(delivery, delivery)
SHOW_HOOK(event, event)
SHOW_HOOK(state, state)
SHOW_HOOK(headers, headers)
SHOW_HOOK(verdict, verdict)

int show_hook_payload(struct fs *fs, int64_t id, struct buf *ret)
{
    return store_hook_payload(fs->store, id, ret);
}

static void add_word(const struct word_row *row, struct buf *ret)
{
    buf_addf(ret, "run %lld: %s: ", (long long)row->run_id, row->kind);
    if (row->settled && !*row->problem)
        buf_addf(ret, "said: %s", row->said);
    else if (row->settled)
        buf_addf(ret, "not said: %s", row->problem);
    else
        buf_addf(ret, "to be said: %s%s%s", row->wanted, *row->problem ? ": " : "", row->problem);
    if (!row->settled && row->next_at && row->next_at != WORD_PARKED) {
        buf_adds(ret, ": again at ");
        buf_add_time(ret, row->next_at);
    }
    buf_addc(ret, '\n');
}

int show_hook_words(struct fs *fs, int64_t id, struct buf *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_hook_words(fs->store, id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct word_row *row = store_get_word(fs->store, ids[i]);
            if (row)
                add_word(row, ret);
            word_row_unref(row);
        }
        after = ids[n - 1];
    }
    return n < 0 ? (int)n : after ? 0 : -ENOENT;
}

static int64_t find_hook(struct fs *fs, int64_t up, const char *name)
{
    const struct hook_row *row = NULL;
    uint64_t id;

    (void)up;
    if (*name != '0' && parse_u64(name, &id) == 0 && id <= INT64_MAX)
        row = store_get_hook(fs->store, (int64_t)id);
    hook_row_unref(row);
    return row ? (int64_t)id : 0;
}

static ssize_t next_hook(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_hooks(fs->store, after, ids, max);
}

const struct name_class class_hooks = {find_hook, next_hook, name_number};

/* Runs that are still there, ascending as they were started. */
static ssize_t next_hook_run(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    const struct hook_row *row = store_get_hook(fs->store, up);
    size_t n = 0;

    for (char *at = row ? (char *)(uintptr_t)row->runs : NULL, *end; at && *at && n < max; at = end) {
        int64_t id = strtoll(at, &end, 10);
        if (end == at)
            break;
        const struct run_row *run = id > after ? store_get_run(fs->store, id) : NULL;
        if (run)
            ids[n++] = id;
        run_row_unref(run);
    }
    hook_row_unref(row);
    return (ssize_t)n;
}

static int64_t find_hook_run(struct fs *fs, int64_t up, const char *name)
{
    uint64_t id;
    int64_t found;

    if (*name == '0' || parse_u64(name, &id) < 0 || id > INT64_MAX)
        return 0;
    return next_hook_run(fs, up, (int64_t)id - 1, &found, 1) == 1 && found == (int64_t)id ? found : 0;
}

const struct name_class class_hook_runs = {find_hook_run, next_hook_run, name_number};

/* From events/deliveries/N/runs/. */
int link_hook_run(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    buf_addf(ret, "../../../../runs/%lld", (long long)id);
    return 0;
}
