/* What could be left out: a step that comes to the same each time. */
#include "suggest_work.h"

enum { USES_MIN = 10, COMMITS_MIN = 3, OUTPUT_COMPARED = 64 * 1024 };

/* What a step came to each time. */
struct same {
    struct store *st;
    char *script, *outputs;  /* owned */
    char *commits[USES_MIN]; /* owned; different ones */
    size_t n_commits, n;
    int64_t ms[USES_MIN], output_size, newest_run, newest_step, oldest_run, oldest_step;
    bool differs;
};

static void same_release(struct same *s)
{
    free(s->script);
    free(s->outputs);
    for (size_t i = 0; i < s->n_commits; i++)
        free(s->commits[i]);
}

static int note_commit(struct same *s, const char *sha)
{
    for (size_t i = 0; i < s->n_commits; i++)
        if (str_eq(s->commits[i], sha))
            return 0;
    s->commits[s->n_commits] = strdup(sha);
    return s->commits[s->n_commits] ? (s->n_commits++, 0) : -ENOMEM;
}

static int note_use(void *data, const struct step_use *u)
{
    struct same *s = data;

    if (s->n == 0) {
        s->script = strdup(u->script);
        s->outputs = strdup(u->outputs);
        s->output_size = u->output_size;
        s->newest_run = u->run_id;
        s->newest_step = u->step_id;
        if (!s->script || !s->outputs)
            return -ENOMEM;
    }
    s->differs |= !u->success || !*u->outputs || !str_eq(u->outputs, s->outputs) ||
                  !str_eq(u->script, s->script) || u->output_size != s->output_size;
    s->oldest_run = u->run_id;
    s->oldest_step = u->step_id;
    s->ms[s->n++] = u->ms;
    return s->differs ? 1 : note_commit(s, u->sha);
}

/* The sizes are the same: whether the newest and the oldest printed the same, too. */
static bool printed_the_same(struct store *st, const struct same *s)
{
    _buf_ struct buf one = BUF_INIT, other = BUF_INIT;

    if (s->output_size < 0 || s->output_size > OUTPUT_COMPARED)
        return false;
    step_output(st, s->newest_run, s->newest_step, &one);
    step_output(st, s->oldest_run, s->oldest_step, &other);
    return buf_ok(&one) && buf_ok(&other) && (int64_t)one.len == s->output_size && one.len == other.len &&
           memcmp(buf_str(&one), buf_str(&other), one.len) == 0;
}

static bool is_same(struct store *st, int64_t workflow_id, const char *job, size_t number, struct same *ret)
{
    *ret = (struct same){.st = st};
    return store_each_step_use(st, workflow_id, job, (int)number, USES_MIN, note_use, ret) == 0 &&
           !ret->differs && ret->n == USES_MIN && ret->n_commits >= COMMITS_MIN &&
           work_median(ret->ms, ret->n) >= WORTH_MS && printed_the_same(st, ret);
}

/* Only one whose outputs are what it is for: it can be asked for them. */
static bool may_be_skipped(const struct workflow_job *job, size_t number)
{
    return number >= 1 && number <= job->n_steps && job->steps[number - 1].kind == STEP_RUN &&
           job->steps[number - 1].has_id && !job->uses;
}

int skip_text(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret)
{
    _cleanup_(work_release) struct work w = {0};
    _cleanup_(same_release) struct same same = {0};
    size_t i = first_of(place), number = second_of(place);

    if (work_read(st, workflow_id, &w) < 0 || i >= w.workflow->n_jobs)
        return -ENOENT;
    const struct workflow_job *job = &w.workflow->jobs[i];
    if (!may_be_skipped(job, number) || !is_same(st, workflow_id, job->id, number, &same))
        return -ENOENT;
    const char *id = job->steps[number - 1].id;
    int64_t ms = work_median(same.ms, same.n);
    buf_addf(ret, "# Skip `%s` of `%s`, which never comes to anything else\n\n", id, job->id);
    suggestion_head(ret, "skip", suggestion_confidence((int64_t)same.n_commits), (double)ms);
    work_add_place(st, &w, ret);
    buf_addf(
        ret,
        "\nIn the last %zu runs, of %zu commits, step %zu succeeded with the same script, printed the same "
        "and set the same outputs; it usually takes %.1f s. From ../../runs/%lld to ../../runs/%lld:\n\n",
        same.n, same.n_commits, number, (double)ms / 1000, (long long)same.oldest_run,
        (long long)same.newest_run);
    add_block(ret, same.outputs);
    buf_adds(ret, "\nIf it leaves nothing else behind that the job uses, write these values down where they "
                  "are used, or let an `if:` run it only when what it is made of changed.\n");
    return buf_ok(ret) ? 0 : -ENOMEM;
}

void offer_skip(struct store *st, const struct work *w, work_offer_fn *fn, void *data)
{
    for (size_t i = 0; i < w->workflow->n_jobs; i++)
        for (size_t n = 1; n <= w->workflow->jobs[i].n_steps && n < 1 << PLACE_BITS; n++) {
            _cleanup_(same_release) struct same same = {0};
            if (may_be_skipped(&w->workflow->jobs[i], n) &&
                is_same(st, w->row->id, w->workflow->jobs[i].id, n, &same))
                fn(data, WORK_SKIP, w->row->id, place_of(i, n));
        }
}

int skip_name(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret)
{
    _cleanup_(work_release) struct work w = {0};
    size_t i = first_of(place), number = second_of(place);

    if (work_read(st, workflow_id, &w) < 0 || i >= w.workflow->n_jobs ||
        !may_be_skipped(&w.workflow->jobs[i], number))
        return -ENOENT;
    buf_adds(ret, "skip-");
    buf_add_slug(ret, w.row->name, 60);
    buf_addf(ret, "-%s-%s.md", w.workflow->jobs[i].id, w.workflow->jobs[i].steps[number - 1].id);
    return 0;
}
