/* What could go side by side: a job that waits for another for nothing, and two steps, one behind the other,
 * that have nothing to do with each other. */
#include "suggest_work.h"

enum { PAIRS_MAX = 50, PAIRS_MIN = 5 };

/* -------------------------------------------------------------------------------------------------- jobs */

/* Words in the names of what cannot be taken back, and should wait for what is checked before it. */
static const char *const outward[] = {
    "deploy", "publish", "release", "push", "notify",    "upload",  "submit",  "ssh",    "scp",
    "rsync",  "curl",    "kubectl", "helm", "terraform", "ansible", "aws",     "gcloud", "docker",
    "podman", "twine",   "gh",      "az",   "mail",      "sign",    "promote", "ship",   "prod"};

/* Actions that have no effect beyond their job. */
static const char *const inward[] = {"actions/checkout", "actions/setup-node", "actions/setup-python",
                                     "actions/setup-go", "actions/setup-java", "actions/upload-artifact",
                                     "actions/cache",    "actions/cache/save", "actions/cache/restore"};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Short words are looked for whole: "gh" is not in "right". */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strcasestr(at, word)); at++)
        if (len > 4 || ((at == text || !is_letter(at[-1])) && !is_letter(at[len])))
            return true;
    return false;
}

static bool reaches_out(const char *name)
{
    const char *slash = strchr(name, '/');

    for (size_t i = 0; slash && i < ARRAY_LEN(inward); i++)
        if (str_eq(name, inward[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(outward); i++)
        if (has_word(name, outward[i]))
            return true;
    return slash != NULL; /* an action that is not known */
}

struct commands {
    bool reaches_out, caches, any;
};

static int look_at_command(void *data, const char *name)
{
    struct commands *c = data;

    c->any = true;
    c->reaches_out |= reaches_out(name);
    c->caches |= str_starts(name, "actions/cache");
    return 0;
}

/* Whether it may run at any time: nothing of it says when, where or whether. */
static bool is_plain(const struct work *w, const struct workflow_job *job)
{
    return !job->uses && !job->environment && !job->concurrency && !job->strategy && !reaches_out(job->id) &&
           !token_get(work_job(w, job), "if");
}

/* Whether what is written lets b run beside a, for which alone it waits. */
static bool may_go_beside(const struct work *w, const struct workflow_job *a, const struct workflow_job *b)
{
    return b->n_needs == 1 && str_eq(b->needs[0], a->id) && is_plain(w, a) && is_plain(w, b) &&
           !work_says(work_job(w, b), "needs.") && !work_says(work_job(w, b), "needs[") &&
           !work_says(work_job(w, b), "download-artifact");
}

static bool share_nothing(struct store *st, int64_t workflow_id, const char *a, const char *b)
{
    struct commands in_a = {0}, in_b = {0};

    return store_each_job_command(st, workflow_id, a, look_at_command, &in_a) == 0 &&
           store_each_job_command(st, workflow_id, b, look_at_command, &in_b) == 0 && in_a.any && in_b.any &&
           !in_a.reaches_out && !in_b.reaches_out && !(in_a.caches && in_b.caches);
}

struct pair_times {
    size_t n;
    int64_t a, b; /* milliseconds, usually */
};

static bool time_pair(struct store *st, int64_t workflow_id, const char *a, const char *b,
                      struct pair_times *ret)
{
    struct job_pair pairs[PAIRS_MAX];
    int64_t ms_a[PAIRS_MAX], ms_b[PAIRS_MAX];
    size_t all = store_job_pairs(st, workflow_id, a, b, pairs, PAIRS_MAX), n = 0;

    for (size_t i = 0; i < all; i++) {
        if (!pairs[i].apart)
            return false;
        if (pairs[i].success_a && pairs[i].success_b) {
            ms_a[n] = pairs[i].ms_a;
            ms_b[n++] = pairs[i].ms_b;
        }
    }
    if (n < PAIRS_MIN || store_job_failures(st, workflow_id, a) > 0)
        return false;
    *ret = (struct pair_times){n, work_median(ms_a, n), work_median(ms_b, n)};
    return ret->a >= WORTH_MS && ret->b >= WORTH_MS;
}

int parallel_text(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret)
{
    _cleanup_(work_release) struct work w = {0};
    size_t i = first_of(place), k = second_of(place);
    struct pair_times t;

    if (work_read(st, workflow_id, &w) < 0 || i >= w.workflow->n_jobs || k >= w.workflow->n_jobs)
        return -ENOENT;
    const struct workflow_job *a = &w.workflow->jobs[i], *b = &w.workflow->jobs[k];
    if (!may_go_beside(&w, a, b) || !time_pair(st, workflow_id, a->id, b->id, &t) ||
        !share_nothing(st, workflow_id, a->id, b->id))
        return -ENOENT;
    buf_addf(ret, "# Run `%s` beside `%s`\n\n", b->id, a->id);
    suggestion_head(ret, "parallelise", suggestion_confidence((int64_t)t.n), (double)(t.a < t.b ? t.a : t.b));
    work_add_place(st, &w, ret);
    buf_addf(
        ret,
        "\n`%s` needs `%s`, and takes nothing of it: no output, no artifact, no cache, and each has a "
        "machine of its own. In the last %zu runs of both, `%s` always succeeded, so waiting for it kept "
        "nothing from happening.\n\n- `%s` usually takes %.1f s\n- `%s` usually takes %.1f s, and starts "
        "only then\n\nWithout `needs: %s` both start at once, where there is a slot for each.\n",
        b->id, a->id, t.n, a->id, a->id, (double)t.a / 1000, b->id, (double)t.b / 1000, a->id);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

void offer_parallel(struct store *st, const struct work *w, work_offer_fn *fn, void *data)
{
    struct pair_times t;

    for (size_t k = 0; k < w->workflow->n_jobs; k++)
        for (size_t i = 0; i < w->workflow->n_jobs; i++) {
            const struct workflow_job *a = &w->workflow->jobs[i], *b = &w->workflow->jobs[k];
            if (may_go_beside(w, a, b) && time_pair(st, w->row->id, a->id, b->id, &t) &&
                share_nothing(st, w->row->id, a->id, b->id))
                fn(data, WORK_PARALLEL, w->row->id, place_of(i, k));
        }
}

int parallel_name(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret)
{
    _cleanup_(work_release) struct work w = {0};
    size_t i = first_of(place), k = second_of(place);

    if (work_read(st, workflow_id, &w) < 0 || i >= w.workflow->n_jobs || k >= w.workflow->n_jobs)
        return -ENOENT;
    buf_adds(ret, "parallelise-");
    buf_add_slug(ret, w.row->name, 60);
    buf_addf(ret, "-%s-%s.md", w.workflow->jobs[i].id, w.workflow->jobs[k].id);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- steps */

/* What in a script reaches beyond its directory: what is the whole machine's, or every step's. */
static const char *const shared[] = {"..",   "~",   "HOME", "TMPDIR", "GITHUB_", "RUNNER_", "steps.",
                                     "sudo", "apt", "dpkg", "pip",    "pip3",    "gem"};

/* A directory below the workspace, which nothing leads out of. */
static const char *own_directory(const struct workflow_step *s)
{
    const char *dir = s->working_directory ? s->working_directory->str : NULL;

    if (dir && str_starts(dir, "./"))
        dir += 2;
    return str_empty(dir) || strchr("/~.$", *dir) || strstr(dir, "..") || strstr(dir, "${{") ? NULL : dir;
}

static bool is_within(const char *dir, const char *other)
{
    size_t len = strlen(other);

    while (len > 0 && other[len - 1] == '/')
        len--;
    return strncmp(dir, other, len) == 0 && (!dir[len] || dir[len] == '/');
}

/* Whether a script names nothing beyond its directory, as far as words tell. Paths that begin with a slash
 * are absolute; /dev/null is nobody's. */
static bool keeps_to_itself(const char *script)
{
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        if (is_letter(*shared[i]) ? has_word(script, shared[i]) : strstr(script, shared[i]) != NULL)
            return false;
    for (const char *at = script; (at = strchr(at, '/')); at++)
        if ((at == script || strchr(" \t\n=\"'`(<>:|;&", at[-1])) && !str_starts(at, "/dev/null"))
            return false;
    return true;
}

/* Whether it is a plain script in a directory of its own: no condition, nothing that is taken from it by
 * name. */
static bool is_apart(const struct work *w, const struct workflow_job *job, size_t number)
{
    const struct workflow_step *s = &job->steps[number - 1];
    const struct token *all = token_get(work_job(w, job), "steps");
    const char *script = s->run ? s->run->str : NULL;

    if (s->kind != STEP_RUN || !script || s->background || s->has_id || !own_directory(s) ||
        job->n_steps != job->n_written || !all || all->kind != TOKEN_SEQUENCE || number > all->seq.n ||
        token_get(all->seq.items[number - 1], "if") || s->continue_on_error || !keeps_to_itself(script))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(outward); i++)
        if (has_word(script, outward[i]))
            return false;
    return !work_says(s->env, "steps.");
}

struct step_times {
    int64_t ms[PAIRS_MAX];
    size_t n;
    char *script; /* owned: the newest */
};

static void step_times_release(struct step_times *t)
{
    free(t->script);
}

enum { ANOTHER_SCRIPT = 1, IT_FAILED };

static int note_time(void *data, const struct step_use *u)
{
    struct step_times *t = data;

    if (!t->script && !(t->script = strdup(u->script)))
        return -ENOMEM;
    if (!str_eq(t->script, u->script)) /* the workflow was another one */
        return ANOTHER_SCRIPT;
    t->ms[t->n++] = u->ms;
    return u->success ? 0 : IT_FAILED;
}

static bool time_step(struct store *st, int64_t workflow_id, const char *job, size_t number,
                      struct step_times *ret)
{
    int r = store_each_step_use(st, workflow_id, job, (int)number, PAIRS_MAX, note_time, ret);

    return (r == 0 || r == ANOTHER_SCRIPT) && ret->n >= PAIRS_MIN;
}

/* Step `number` and the one behind it. */
static bool time_steps(struct store *st, int64_t workflow_id, const char *job, size_t number,
                       struct pair_times *ret)
{
    _cleanup_(step_times_release) struct step_times a = {0}, b = {0};

    if (!time_step(st, workflow_id, job, number, &a) || !time_step(st, workflow_id, job, number + 1, &b))
        return false;
    *ret = (struct pair_times){a.n < b.n ? a.n : b.n, work_median(a.ms, a.n), work_median(b.ms, b.n)};
    return ret->a >= WORTH_MS && ret->b >= WORTH_MS;
}

static bool goes_beside(struct store *st, const struct work *w, const struct workflow_job *job, size_t number,
                        struct pair_times *ret)
{
    if (job->uses || number < 1 || number >= job->n_steps || !is_apart(w, job, number) ||
        !is_apart(w, job, number + 1))
        return false;
    const char *one = own_directory(&job->steps[number - 1]), *other = own_directory(&job->steps[number]);
    return !is_within(one, other) && !is_within(other, one) &&
           time_steps(st, w->row->id, job->id, number, ret);
}

int beside_text(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret)
{
    _cleanup_(work_release) struct work w = {0};
    size_t i = first_of(place), number = second_of(place);
    struct pair_times t;

    if (work_read(st, workflow_id, &w) < 0 || i >= w.workflow->n_jobs ||
        !goes_beside(st, &w, &w.workflow->jobs[i], number, &t))
        return -ENOENT;
    const struct workflow_job *job = &w.workflow->jobs[i];
    const char *one = own_directory(&job->steps[number - 1]), *other = own_directory(&job->steps[number]);
    buf_addf(ret, "# Run steps %zu and %zu of `%s` beside each other\n\n", number, number + 1, job->id);
    suggestion_head(ret, "parallelise", suggestion_confidence((int64_t)t.n), (double)(t.a < t.b ? t.a : t.b));
    work_add_place(st, &w, ret);
    buf_addf(ret,
             "\nStep %zu works in `%s` and step %zu in `%s`; neither names anything outside of its "
             "directory, sets "
             "anything for later steps, or has a condition. In the last %zu runs both always succeeded.\n\n"
             "- step %zu usually takes %.1f s\n- step %zu usually takes %.1f s, and starts only then\n\n"
             "If they write to nothing else that both use, put both into one `- parallel:` group.\n",
             number, one, number + 1, other, t.n, number, (double)t.a / 1000, number + 1, (double)t.b / 1000);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

void offer_beside(struct store *st, const struct work *w, work_offer_fn *fn, void *data)
{
    struct pair_times t;

    for (size_t i = 0; i < w->workflow->n_jobs; i++)
        for (size_t n = 1; n < w->workflow->jobs[i].n_steps && n < 1 << PLACE_BITS; n++)
            if (goes_beside(st, w, &w->workflow->jobs[i], n, &t))
                fn(data, WORK_BESIDE, w->row->id, place_of(i, n));
}

int beside_name(struct store *st, int64_t workflow_id, int64_t place, struct buf *ret)
{
    _cleanup_(work_release) struct work w = {0};
    size_t i = first_of(place), number = second_of(place);

    if (work_read(st, workflow_id, &w) < 0 || i >= w.workflow->n_jobs || number < 1 ||
        number >= w.workflow->jobs[i].n_steps)
        return -ENOENT;
    buf_adds(ret, "parallelise-");
    buf_add_slug(ret, w.row->name, 60);
    buf_addf(ret, "-%s-%zu-%zu.md", w.workflow->jobs[i].id, number, number + 1);
    return 0;
}
