/*
 * Lessons: a failure that came often enough, told in words, with its evidence. They are made when they are
 * read, from what was counted as it came; so they are never out of date.
 */
#include "knowledge_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/str.h"

enum { RUNS_SHOWN = 5 };

/* How far to trust what a lesson recommends, 0 to 1: runs of the workflow that succeeded since it was mended,
 * beside those that failed so again. */
static double lesson_confidence(int64_t good, int64_t bad)
{
    return (double)(good + 1) / (double)(good + bad + 2); /* Laplace: nothing known is one half */
}

static int64_t number_setting(struct store *st, const char *key, int64_t fallback)
{
    _buf_ struct buf text = BUF_INIT;
    uint64_t n;

    return store_setting(st, SETTING_CONFIG, key, &text) == 0 && parse_u64(buf_str(&text), &n) == 0 &&
                   n < INT32_MAX
               ? (int64_t)n
               : fallback;
}

static int64_t threshold(struct store *st)
{
    return number_setting(st, "lesson_threshold", 3);
}

/* One that was not met for as long as runs are kept is retired. */
static int64_t oldest(struct store *st)
{
    return now_ns() - number_setting(st, "retention_days", 90) * 86400 * 1000000000LL;
}

bool lesson_is_there(struct store *st, int64_t failure_id)
{
    const struct failure_row *f = failure_id > 0 ? store_get_failure(st, failure_id) : NULL;
    bool earned = f && f->count >= threshold(st) && f->last_seen >= oldest(st);

    failure_row_unref(f);
    return earned;
}

ssize_t lesson_list(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return store_list_lessons(st, threshold(st), oldest(st), after, ids, max);
}

void add_block(struct buf *b, const char *text)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        buf_addf(b, "    %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

/* A word or more within a line, between more backticks than stand together in it. */
static void add_code(struct buf *b, const char *text)
{
    size_t len = strcspn(text, "\n"), run = 0, longest = 0;

    for (size_t i = 0; i < len; i++) {
        run = text[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (size_t i = 0; i <= longest; i++)
        buf_addc(b, '`');
    buf_addf(b, longest ? " %.*s " : "%.*s", (int)len, text);
    for (size_t i = 0; i <= longest; i++)
        buf_addc(b, '`');
}

static int add_site(void *data, const struct failure_site *site)
{
    struct buf *b = data;

    buf_adds(b, "- ");
    add_code(b, site->workflow);
    buf_adds(b, ", job ");
    add_code(b, site->job);
    buf_addf(b, ", step %d ", site->number);
    add_code(b, site->step);
    buf_addf(b, ": %lld time%s, last in [run %lld](../../runs/%lld)\n", (long long)site->count,
             site->count == 1 ? "" : "s", (long long)site->last_run, (long long)site->last_run);
    return 0;
}

static void add_commands(struct store *st, const struct failure_row *f, struct buf *b)
{
    int64_t ids[RUNS_SHOWN];
    ssize_t n = store_list_failure_links(st, FAILURE_COMMANDS, f->id, 0, ids, ARRAY_LEN(ids));

    for (ssize_t i = 0; i < n; i++) {
        const struct known_command_row *c = store_get_known_command(st, ids[i]);
        if (c) {
            buf_adds(b, "- in ");
            add_code(b, c->name);
            buf_addf(b, ", which fails %lld of %lld times ([its page](../commands/%s))\n",
                     (long long)c->failures, (long long)(c->successes + c->failures), c->slug);
        }
        known_command_row_unref(c);
    }
}

static void recommend(struct store *st, const struct failure_row *f, struct buf *b)
{
    const struct run_row *run = f->fixed_run_id ? store_get_run(st, f->fixed_run_id) : NULL;
    bool known = *f->fix && !str_eq(f->fix, FIX_UNKNOWN);
    int64_t good, bad;

    buf_adds(b, "\n## What to do\n\n");
    if (!f->fixed_run_id) {
        buf_adds(b, "It has not been mended yet: no run succeeded where it had failed.\n");
        return;
    }
    store_since_fix(st, f, &good, &bad);
    if (known) {
        buf_adds(b, "It went away when this was different");
    } else {
        buf_adds(b,
                 "Nothing that is known was different when it went away: it comes and goes by itself, or "
                 "by what lies outside of the workflow. Run it again, and let the step try more than once");
    }
    if (run)
        buf_addf(b, " ([run %lld](../../runs/%lld))", (long long)run->id, (long long)run->id);
    buf_adds(b, known ? ":\n\n" : ".\n");
    if (known)
        add_block(b, f->fix);
    buf_addf(b, "\nconfidence: %.2f (since then %lld run%s succeeded, and it %s)\n",
             lesson_confidence(good, bad), (long long)good, good == 1 ? "" : "s",
             bad ? "came again" : "did not come again");
    run_row_unref(run);
}

static void add_evidence(struct store *st, const struct failure_row *f, struct buf *b)
{
    int64_t ids[64], newest[RUNS_SHOWN] = {0}, after = 0;
    ssize_t n;
    size_t all = 0;

    while ((n = store_list_failure_links(st, FAILURE_RUNS, f->id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            newest[all++ % RUNS_SHOWN] = ids[i];
        after = ids[n - 1];
    }
    buf_addf(b, "\n## Evidence\n\n- [the failure](../failures/%s), met %lld times from ", f->slug,
             (long long)f->count);
    buf_add_time(b, f->first_seen);
    buf_adds(b, " to ");
    buf_add_time(b, f->last_seen);
    buf_adds(b, "\n- the newest runs that it hit:");
    for (size_t i = 0; i < RUNS_SHOWN && i < all; i++) {
        int64_t run = newest[(all - 1 - i) % RUNS_SHOWN];
        buf_addf(b, " [%lld](../../runs/%lld)", (long long)run, (long long)run);
    }
    buf_adds(b, all ? "\n" : " none is kept\n");
}

int lesson_text(struct store *st, int64_t failure_id, struct buf *ret)
{
    const struct failure_row *f = store_get_failure(st, failure_id);

    if (!f)
        return -ENOENT;
    buf_adds(ret, "# ");
    add_code(ret, f->signature);
    buf_addf(ret, "\n\n## What happens\n\n%lld steps failed with it. As it was printed last:\n\n",
             (long long)f->count);
    add_block(ret, f->line);
    buf_adds(ret, "\n## Where\n\n");
    int r = store_each_failure_site(st, f->id, add_site, ret);
    add_commands(st, f, ret);
    recommend(st, f, ret);
    add_evidence(st, f, ret);
    failure_row_unref(f);
    return r < 0 ? r : buf_ok(ret) ? 0 : -ENOMEM;
}
