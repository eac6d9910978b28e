/* Expectations of workflows and of commands, in words, and runs that departed from them. */
#include <math.h>

#include "knowledge_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/str.h"

void learn_run(struct store *st, const struct run_row *run)
{
    struct outcome before[50], it = {.success = str_eq(run->conclusion, "success"),
                                     .ms = (run->completed_at - run->started_at) / 1000000};
    _buf_ struct buf why = BUF_INIT;

    if (!run->workflow_id || (!it.success && !str_eq(run->conclusion, "failure")))
        return;
    size_t n = store_run_history(st, run->workflow_id, run->id, before, ARRAY_LEN(before));
    bool odd = outcome_is_odd(&it, before, n, &why) && buf_ok(&why);
    if (odd || run->attempt > 1) /* what the attempt before was is no more */
        (void)store_put_anomaly(st, run->id, odd ? buf_str(&why) : NULL, NULL);
}

/* How often commands succeed, all in all: what one is taken for of which little is known. */
static double usual_rate(struct store *st)
{
    struct knowledge_stats s = {0};

    (void)store_knowledge_stats(st, &s);
    return (double)(s.successes + 1) / (double)(s.successes + s.failures + 2);
}

static void write_duration(const struct expected *e, struct buf *ret)
{
    buf_addf(ret, "duration: %.0f ms\nninety percent: %.0f to %.0f ms (of %zu)\n", e->middle, e->low, e->high,
             e->n);
}

/* ------------------------------------------------------------------------------------------- a workflow */

/* "ci.yml", "REPO/ci.yml" as in workflows/ and dispatch/, "REPO:ci.yml" as in by-workflow/, or what its
 * `name:` says. */
static int64_t find_workflow(struct store *st, const char *name)
{
    size_t repo_len = strcspn(name, "/:");
    const char *file = name[repo_len] ? name + repo_len + 1 : name;
    _free_ char *repo = name[repo_len] ? strndup(name, repo_len) : NULL;
    int64_t repo_id = repo ? store_find_repo(st, repo) : 0;
    int64_t id = repo && repo_id <= 0 ? 0 : store_find_workflow(st, repo_id, file, true);

    return id > 0 ? id : store_find_workflow_title(st, name);
}

static void predict_workflow(struct store *st, int64_t id, struct buf *ret)
{
    struct outcome outcomes[OUTCOMES_MAX];
    size_t n = store_run_history(st, id, INT64_MAX, outcomes, OUTCOMES_MAX);
    struct expected e;

    buf_addf(ret, "success: %.2f (of %zu run%s)\n", predict_success(outcomes, n, usual_rate(st)), n,
             n == 1 ? "" : "s");
    if (predict_duration(outcomes, n, &e))
        write_duration(&e, ret);
}

/* -------------------------------------------------------------------------------------------- commands */

/* What comes of commands one after the other. */
struct chain {
    struct store *st;
    double success, middle, square; /* ms, and of the distances between the middle and the 95th of 100 */
    size_t n, known, timed;
    struct buf unknown;
};

static void add_command(struct chain *c, const char *name, double usual)
{
    int64_t id = store_find_command_name(c->st, name);
    const struct known_command_row *row = id > 0 ? store_get_known_command(c->st, id) : NULL;

    c->n++;
    if (!row) {
        buf_addf(&c->unknown, "%s%s", c->unknown.len ? ", " : "", name);
        c->success *= usual;
        return;
    }
    c->known++;
    c->success *= ((double)row->successes + 2 * usual) / ((double)(row->successes + row->failures) + 2);
    int64_t p50 = store_command_percentile(c->st, id, 50), p95 = store_command_percentile(c->st, id, 95);
    if (p50 >= 0) {
        c->timed++;
        c->middle += (double)p50;
        c->square += (double)(p95 - p50) * (double)(p95 - p50);
    }
    known_command_row_unref(row);
}

static int read_commands(struct chain *c, const char *line, struct err *err)
{
    _shell_script_ struct shell_script script = {0};
    double usual = usual_rate(c->st);
    int r = shell_read(line, strlen(line), &script, err);

    for (size_t i = 0; r == 0 && i < script.n; i++) {
        _buf_ struct buf name = BUF_INIT;
        if (command_normalise(&script.commands[i], &name) != COMMAND_SETTING)
            add_command(c, buf_str(&name), usual);
    }
    return r;
}

static int predict_commands(struct store *st, const char *line, struct buf *ret, struct err *err)
{
    struct chain c = {.st = st, .success = 1};
    int r = read_commands(&c, line, err);

    if (r == 0 && c.known == 0)
        r = err_set(err, -ENOENT, "nothing is known of '%s': neither a workflow nor a command that ran",
                    line);
    if (r == 0) {
        buf_addf(ret, "success: %.2f (of %zu command%s)\n", c.success, c.n, c.n == 1 ? "" : "s");
        if (c.timed)
            buf_addf(ret, "duration: %.0f ms\nninety-five percent: at most %.0f ms (%zu of them are timed)\n",
                     c.middle, c.middle + sqrt(c.square), c.timed);
        if (c.unknown.len)
            buf_addf(ret, "unknown: %s\n", buf_str(&c.unknown));
    }
    buf_release(&c.unknown);
    return r;
}

int predict_text(struct store *st, const char *what, struct buf *ret, struct err *err)
{
    int64_t workflow = find_workflow(st, what);

    if (workflow > 0) {
        predict_workflow(st, workflow, ret);
        return 0;
    }
    return predict_commands(st, what, ret, err);
}
