/*
 * Suggestions: what could go better, each from what was counted, with its numbers. They are made when they
 * are read; one whose evidence is gone is gone.
 */
#include "knowledge_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/str.h"

/* Ids say what a suggestion is about: its kind, and two commands (the second may be none), or a workflow and
 * a place in it. */
enum { KIND_BITS = 46, COMMAND_BITS = 23, EVIDENCE_MIN = 5 };
enum kind { KIND_CACHE = 1, KIND_ALTERNATIVE, KIND_AVOID, KIND_PARALLEL, KIND_SKIP, KIND_BESIDE };

static const double slow_ms = 2000, faster = 1.5, surer = 0.15;

static int64_t id_of(enum kind kind, int64_t a, int64_t b)
{
    return (int64_t)kind << KIND_BITS | a << COMMAND_BITS | b;
}

/* What fetches or builds what is the same the next time. */
static const char *const installers[] = {
    "npm ci",         "npm install",      "yarn install",    "pnpm install", "pip install",
    "pip3 install",   "poetry install",   "cargo build",     "cargo fetch",  "go mod download",
    "bundle install", "composer install", "apt-get install", "mvn package"};

/* Two ways to the same end. */
static const char *const alternatives[][2] = {
    {"npm install", "npm ci"},
    {"npm install", "pnpm install"},
    {"npm ci", "pnpm install"},
    {"npm install", "yarn install"},
    {"yarn install", "pnpm install"},
    {"pip install", "uv pip"},
    {"pip3 install", "pip install"},
    {"make", "ninja"},
    {"cargo test", "cargo nextest"},
    {"docker build", "docker buildx"},
    {"wget", "curl"},
    {"apt-get install", "apt install"},
};

static double share(int64_t part, int64_t rest)
{
    return part + rest ? (double)part / (double)(part + rest) : 0;
}

double suggestion_confidence(int64_t n)
{
    return (double)n / (double)(n + 3);
}

void suggestion_head(struct buf *b, const char *type, double sure, double ms)
{
    buf_addf(b, "type: %s\nconfidence: %.2f\nexpected gain: ", type, sure);
    if (ms >= 0)
        buf_addf(b, "%.1f s a run\n", ms / 1000);
    else
        buf_adds(b, "fewer failures\n");
}

/* ---------------------------------------------------------------------------------------------- to cache */

static bool cache_fits(struct store *st, const struct known_command_row *c, int64_t *ret_p50)
{
    *ret_p50 = store_command_percentile(st, c->id, 50);
    return c->timed >= EVIDENCE_MIN && *ret_p50 >= slow_ms && store_uncached_workflows(st, c->id) > 0;
}

static int cache_text(struct store *st, const struct known_command_row *c, struct buf *b)
{
    int64_t p50;

    if (!cache_fits(st, c, &p50))
        return -ENOENT;
    buf_addf(b, "# Cache what `%s` makes\n\n", c->name);
    suggestion_head(b, "cache", suggestion_confidence(c->timed), (double)p50);
    buf_addf(b,
             "command: ../commands/%s\n\nIt ran %lld times and usually takes %.1f s. %lld workflow%s with it "
             "%s no "
             "`actions/cache`: a step of that before it, with the lock file in its `key`, would bring what "
             "it made last.\n",
             c->slug, (long long)c->runs, (double)p50 / 1000, (long long)store_uncached_workflows(st, c->id),
             store_uncached_workflows(st, c->id) == 1 ? "" : "s",
             store_uncached_workflows(st, c->id) == 1 ? "has" : "have");
    return 0;
}

/* ---------------------------------------------------------------------------------------------- to replace
 */

/* How much better b is than a: success, and the time it usually takes. */
struct comparison {
    double rate_a, rate_b;
    int64_t ms_a, ms_b; /* -1: not known */
};

static bool is_better(struct store *st, const struct known_command_row *a, const struct known_command_row *b,
                      struct comparison *ret)
{
    *ret =
        (struct comparison){share(a->successes, a->failures), share(b->successes, b->failures),
                            store_command_percentile(st, a->id, 50), store_command_percentile(st, b->id, 50)};
    bool enough = a->successes + a->failures >= EVIDENCE_MIN && b->successes + b->failures >= EVIDENCE_MIN;
    bool quicker =
        ret->ms_a >= slow_ms / 4 && ret->ms_b >= 0 && (double)ret->ms_a >= faster * (double)ret->ms_b;

    return enough && ((ret->rate_b >= ret->rate_a + surer && !(ret->ms_b > ret->ms_a * 2)) ||
                      (quicker && ret->rate_b >= ret->rate_a - 0.02));
}

static void add_side(struct buf *b, const struct known_command_row *c, double rate, int64_t ms)
{
    buf_addf(b, "- `%s` succeeded %lld of %lld times (%.0f %%)", c->name, (long long)c->successes,
             (long long)(c->successes + c->failures), rate * 100);
    if (ms >= 0)
        buf_addf(b, " and usually takes %.1f s", (double)ms / 1000);
    buf_addf(b, ": ../commands/%s\n", c->slug);
}

static int alternative_text(struct store *st, const struct known_command_row *a,
                            const struct known_command_row *b, struct buf *ret)
{
    struct comparison c;

    if (!is_better(st, a, b, &c))
        return -ENOENT;
    double gain = c.ms_a >= 0 && c.ms_b >= 0 && c.ms_a > c.ms_b ? (double)(c.ms_a - c.ms_b) : -1;
    int64_t n = a->successes + a->failures < b->successes + b->failures ? a->successes + a->failures
                                                                        : b->successes + b->failures;
    buf_addf(ret, "# Use `%s` instead of `%s`\n\n", b->name, a->name);
    suggestion_head(ret, "use another", suggestion_confidence(n), gain);
    buf_adds(ret, "\n");
    add_side(ret, a, c.rate_a, c.ms_a);
    add_side(ret, b, c.rate_b, c.ms_b);
    return 0;
}

/* ----------------------------------------------------------------------------------------------- to avoid */

/* b fails more often behind a than elsewhere. */
static bool is_pattern(const struct known_command_row *b, const struct command_pair *p)
{
    int64_t bad = b->failures - p->failures, good = b->successes - p->successes;

    return p->failures >= 3 && p->successes + p->failures >= EVIDENCE_MIN &&
           share(p->failures, p->successes) >= 0.5 &&
           share(bad, good) <= share(p->failures, p->successes) / 2 && good + bad > 0;
}

static int avoid_text(struct store *st, const struct known_command_row *a, const struct known_command_row *b,
                      struct buf *ret)
{
    struct command_pair p = {.from = a->id, .to = b->id};

    if (!store_get_pair(st, &p) || !is_pattern(b, &p))
        return -ENOENT;
    int64_t bad = b->failures - p.failures, good = b->successes - p.successes;
    buf_addf(ret, "# Do not run `%s` right after `%s`\n\n", b->name, a->name);
    suggestion_head(ret, "avoid", suggestion_confidence(p.failures), -1);
    buf_addf(ret,
             "command: ../commands/%s\n\nRight after `%s` it failed %lld of %lld times (%.0f %%), elsewhere "
             "%lld of %lld "
             "(%.0f %%).\n",
             b->slug, a->name, (long long)p.failures, (long long)(p.successes + p.failures),
             share(p.failures, p.successes) * 100, (long long)bad, (long long)(good + bad),
             share(bad, good) * 100);
    return 0;
}

/* --------------------------------------------------------------------------------------------- all of them
 */

/* What an id says. */
struct subject {
    enum kind kind;
    int64_t a, b;
    const struct known_command_row *one, *two; /* owned; NULL where it is not about commands */
};

static void subject_release(struct subject *s)
{
    known_command_row_unref(s->one);
    known_command_row_unref(s->two);
}

/* Whether it is about a workflow, not about commands. */
static bool is_work(enum kind kind)
{
    return kind == KIND_PARALLEL || kind == KIND_SKIP || kind == KIND_BESIDE;
}

static void subject_read(struct store *st, int64_t id, struct subject *ret)
{
    const int64_t mask = (1LL << COMMAND_BITS) - 1;

    *ret = (struct subject){(enum kind)(id >> KIND_BITS), id >> COMMAND_BITS & mask, id & mask, NULL, NULL};
    if (is_work(ret->kind))
        return;
    ret->one = store_get_known_command(st, ret->a);
    ret->two = ret->b ? store_get_known_command(st, ret->b) : NULL;
}

int suggestion_text(struct store *st, int64_t id, struct buf *ret)
{
    _cleanup_(subject_release) struct subject s = {0};
    int r = -ENOENT;

    subject_read(st, id, &s);
    switch (s.kind) {
    case KIND_CACHE:
        r = s.one ? cache_text(st, s.one, ret) : r;
        break;
    case KIND_ALTERNATIVE:
        r = s.one && s.two ? alternative_text(st, s.one, s.two, ret) : r;
        break;
    case KIND_AVOID:
        r = s.one && s.two ? avoid_text(st, s.one, s.two, ret) : r;
        break;
    case KIND_PARALLEL:
        return parallel_text(st, s.a, s.b, ret);
    case KIND_SKIP:
        return skip_text(st, s.a, s.b, ret);
    case KIND_BESIDE:
        return beside_text(st, s.a, s.b, ret);
    }
    return r < 0 ? r : buf_ok(ret) ? 0 : -ENOMEM;
}

/* Whether a run is one of a workflow. */
static bool is_run_of(struct store *st, int64_t run_id, int64_t workflow_id)
{
    const struct run_row *run = store_get_run(st, run_id);
    bool is = run && run->workflow_id == workflow_id;

    run_row_unref(run);
    return is;
}

bool suggestion_concerns(struct store *st, int64_t id, int64_t run_id)
{
    _cleanup_(subject_release) struct subject s = {0};

    subject_read(st, id, &s);
    if (is_work(s.kind))
        return is_run_of(st, run_id, s.a);
    return store_run_used(st, run_id, s.a) && (s.kind != KIND_AVOID || store_run_used(st, run_id, s.b));
}

int suggestion_name(struct store *st, int64_t id, struct buf *ret)
{
    _cleanup_(subject_release) struct subject s = {0};

    subject_read(st, id, &s);
    const char *one = s.one ? s.one->slug : "", *two = s.two ? s.two->slug : "";
    switch (s.kind) {
    case KIND_CACHE:
        buf_addf(ret, "cache-%s.md", one);
        break;
    case KIND_ALTERNATIVE:
        buf_addf(ret, "use-%s-for-%s.md", two, one);
        break;
    case KIND_AVOID:
        buf_addf(ret, "avoid-%s-after-%s.md", two, one);
        break;
    case KIND_PARALLEL:
        return parallel_name(st, s.a, s.b, ret);
    case KIND_SKIP:
        return skip_name(st, s.a, s.b, ret);
    case KIND_BESIDE:
        return beside_name(st, s.a, s.b, ret);
    }
    return s.one ? 0 : -ENOENT;
}

struct listing {
    struct store *st;
    int64_t *ids, after;
    size_t n, max;
};

/* In ascending order of ids they are not found: each is put in its place. */
static void put(struct listing *l, int64_t id)
{
    size_t at = l->n;

    if (id <= l->after)
        return;
    while (at > 0 && l->ids[at - 1] > id)
        at--;
    if (at == l->max || (at > 0 && l->ids[at - 1] == id))
        return;
    size_t keep = l->n < l->max ? l->n : l->max - 1;
    memmove(l->ids + at + 1, l->ids + at, (keep - at) * sizeof(*l->ids));
    l->ids[at] = id;
    l->n = keep + 1;
}

static void offer(struct listing *l, int64_t id)
{
    _buf_ struct buf text = BUF_INIT;

    if (id > l->after && suggestion_text(l->st, id, &text) == 0)
        put(l, id);
}

static void put_work(void *data, enum work_kind kind, int64_t workflow_id, int64_t place)
{
    static const enum kind kinds[] = {
        [WORK_PARALLEL] = KIND_PARALLEL, [WORK_BESIDE] = KIND_BESIDE, [WORK_SKIP] = KIND_SKIP};

    if (workflow_id < 1LL << COMMAND_BITS)
        put(data, id_of(kinds[kind], workflow_id, place));
}

static int offer_pair(void *data, const struct command_pair *p)
{
    offer(data, id_of(KIND_AVOID, p->from, p->to));
    return 0;
}

ssize_t suggestion_list(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    struct listing l = {.st = st, .ids = ids, .after = after, .max = max};

    for (size_t i = 0; max && i < ARRAY_LEN(installers); i++) {
        int64_t id = store_find_command_name(st, installers[i]);
        if (id > 0)
            offer(&l, id_of(KIND_CACHE, id, 0));
    }
    for (size_t i = 0; max && i < ARRAY_LEN(alternatives); i++) {
        int64_t a = store_find_command_name(st, alternatives[i][0]),
                b = store_find_command_name(st, alternatives[i][1]);
        if (a > 0 && b > 0) {
            offer(&l, id_of(KIND_ALTERNATIVE, a, b));
            offer(&l, id_of(KIND_ALTERNATIVE, b, a));
        }
    }
    if (max)
        (void)store_each_bad_pair(st, offer_pair, &l);
    if (max)
        work_offer(st, put_work, &l);
    return (ssize_t)l.n;
}
