/* Which suggestions there are about the jobs and steps of workflows, and what they read of those. */
#include "suggest_work.h"

enum { RECENT_WORKFLOWS = 32 };

int64_t place_of(size_t job, size_t other)
{
    return (int64_t)(job << PLACE_BITS | other);
}

size_t first_of(int64_t place)
{
    return (size_t)place >> PLACE_BITS;
}

size_t second_of(int64_t place)
{
    return (size_t)place & ((1 << PLACE_BITS) - 1);
}

void work_release(struct work *w)
{
    workflow_row_unref(w->row);
    workflow_free(w->workflow);
}

int work_read(struct store *st, int64_t workflow_id, struct work *ret)
{
    struct workflow_opts opts = {0};
    _lint_ struct lint lint = {0};

    *ret = (struct work){.row = store_get_workflow(st, workflow_id)};
    if (!ret->row || ret->row->removed)
        return -ENOENT;
    opts.forge = (enum forge)ret->row->forge;
    if (workflow_parse(ret->row->name, ret->row->source, ret->row->source_len, &opts, &ret->workflow, &lint) <
        0)
        return -ENOENT;
    return ret->workflow->n_jobs < 1 << PLACE_BITS ? 0 : -ENOENT;
}

const struct token *work_job(const struct work *w, const struct workflow_job *job)
{
    return token_get(token_get(w->workflow->root, "jobs"), job->id);
}

bool work_says(const struct token *t, const char *word)
{
    bool found = t && t->str && strstr(t->str, word);

    for (size_t i = 0; t && t->kind == TOKEN_SEQUENCE && !found && i < t->seq.n; i++)
        found = work_says(t->seq.items[i], word);
    for (size_t i = 0; t && t->kind == TOKEN_MAPPING && !found && i < t->map.n; i++)
        found = work_says(t->map.pairs[i].value, word);
    return found;
}

static int compare_ms(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int64_t work_median(int64_t *ms, size_t n)
{
    qsort(ms, n, sizeof(*ms), compare_ms);
    return ms[n / 2];
}

void work_add_place(struct store *st, const struct work *w, struct buf *ret)
{
    const struct repo_row *repo = w->row->repo_id ? store_get_repo(st, w->row->repo_id) : NULL;

    buf_addf(ret, "workflow: ../../workflows/%s%s%s\n", repo ? repo->name : "", repo ? "/" : "",
             w->row->name);
    repo_row_unref(repo);
}

void work_offer(struct store *st, work_offer_fn *fn, void *data)
{
    int64_t ids[RECENT_WORKFLOWS];
    size_t n = store_recent_workflows(st, ids, RECENT_WORKFLOWS);

    for (size_t i = 0; i < n; i++) {
        _cleanup_(work_release) struct work w = {0};
        if (work_read(st, ids[i], &w) < 0)
            continue;
        offer_parallel(st, &w, fn, data);
        offer_beside(st, &w, fn, data);
        offer_skip(st, &w, fn, data);
    }
}
