/* What the files below knowledge/ show. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/knowledge_rows.h"

static void number_line(struct buf *b, int64_t n)
{
    if (n >= 0)
        buf_addf(b, "%lld\n", (long long)n);
}

static double rate(int64_t part, int64_t rest)
{
    return part + rest ? (double)part / (double)(part + rest) : 0;
}

static void rate_line(struct buf *b, int64_t successes, int64_t failures)
{
    if (successes + failures)
        buf_addf(b, "%.3f\n", rate(successes, failures));
}

#define SHOW_COMMAND(field, what)                                                                            \
    int show_command_##field(struct fs *fs, int64_t id, struct buf *ret)                                     \
    {                                                                                                        \
        const struct known_command_row *c = store_get_known_command(fs->store, id);                          \
        if (!c)                                                                                              \
            return -ENOENT;                                                                                  \
        what;                                                                                                \
        known_command_row_unref(c);                                                                          \
        return 0;                                                                                            \
    }

SHOW_COMMAND(name, buf_addf(ret, "%s\n", c->name))
SHOW_COMMAND(runs, number_line(ret, c->runs))
SHOW_COMMAND(successes, number_line(ret, c->successes))
SHOW_COMMAND(failures, number_line(ret, c->failures))
SHOW_COMMAND(rate, rate_line(ret, c->successes, c->failures))
SHOW_COMMAND(mean, number_line(ret, c->timed ? c->total_ms / c->timed : -1))
SHOW_COMMAND(p50, number_line(ret, store_command_percentile(fs->store, id, 50)))
SHOW_COMMAND(p95, number_line(ret, store_command_percentile(fs->store, id, 95)))
SHOW_COMMAND(last, {
    buf_add_time(ret, c->last_run_at);
    buf_addc(ret, '\n');
})

/* Directories that hold links to commands: how far below knowledge/commands they are. */
int link_near_command(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../");
    return class_known_commands.name(fs, id, ret);
}

int link_command_run(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    buf_addf(ret, "../../../../runs/%lld", (long long)id);
    return 0;
}

int link_command_workflow(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../../../runs/by-workflow/");
    return class_run_workflows.name(fs, id, ret);
}

int link_step_command(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct step_row *step = store_get_step(fs->store, id);
    int64_t command = step ? store_command_of_step(fs->store, step->run_id, id) : 0;

    step_row_unref(step);
    if (command <= 0)
        return -ENOENT;
    buf_adds(ret, "../../../../../../knowledge/commands/");
    return class_known_commands.name(fs, command, ret);
}

struct edges {
    struct buf *ret; /* borrowed */
    int64_t total;
};

static int count_edge(void *data, const struct command_edge *e)
{
    ((struct edges *)data)->total += e->successes + e->failures + e->unknown;
    return 0;
}

static int add_edge(void *data, const struct command_edge *e)
{
    struct edges *edges = data;
    int64_t n = e->successes + e->failures + e->unknown;

    buf_addf(edges->ret, "%lld %.3f %lld %lld %s\n", (long long)n, rate(n, edges->total - n),
             (long long)e->successes, (long long)e->failures, e->slug);
    return 0;
}

int show_command_edges(struct fs *fs, int64_t id, struct buf *ret)
{
    struct edges edges = {.ret = ret};
    int r = store_each_edge(fs->store, id, count_edge, &edges);

    return r < 0 ? r : store_each_edge(fs->store, id, add_edge, &edges);
}

static int add_variant(void *data, const struct command_variant *v)
{
    buf_addf(data, "%lld %lld %lld %s\n", (long long)v->runs, (long long)v->successes, (long long)v->failures,
             v->text);
    return 0;
}

int show_command_variants(struct fs *fs, int64_t id, struct buf *ret)
{
    return store_each_variant(fs->store, id, add_variant, ret);
}

int show_knowledge_stats(struct fs *fs, int64_t id, struct buf *ret)
{
    struct knowledge_stats s = {0};
    int r = store_knowledge_stats(fs->store, &s);

    (void)id;
    if (r < 0)
        return r;
    buf_addf(
        ret,
        "commands: %lld\nruns: %lld\nsuccesses: %lld\nfailures: %lld\nedges: %lld\nunique patterns: %lld\n",
        (long long)s.commands, (long long)s.runs, (long long)s.successes, (long long)s.failures,
        (long long)s.edges, (long long)s.patterns);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- failures */

#define SHOW_FAILURE(field, what)                                                                            \
    int show_failure_##field(struct fs *fs, int64_t id, struct buf *ret)                                     \
    {                                                                                                        \
        const struct failure_row *f = store_get_failure(fs->store, id);                                      \
        if (!f)                                                                                              \
            return -ENOENT;                                                                                  \
        what;                                                                                                \
        failure_row_unref(f);                                                                                \
        return ret->len || ret->failed ? 0 : -ENOENT;                                                        \
    }

SHOW_FAILURE(signature, buf_addf(ret, "%s\n", f->signature))
SHOW_FAILURE(line, buf_addf(ret, "%s\n", f->line))
SHOW_FAILURE(count, number_line(ret, f->count))
SHOW_FAILURE(first, time_line(ret, f->first_seen))
SHOW_FAILURE(last, time_line(ret, f->last_seen))
SHOW_FAILURE(fix, buf_adds(ret, f->fix))

int link_failure_fixed(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct failure_row *f = store_get_failure(fs->store, id);
    const struct run_row *run = f && f->fixed_run_id ? store_get_run(fs->store, f->fixed_run_id) : NULL;

    if (run)
        buf_addf(ret, "../../../runs/%lld", (long long)run->id);
    run_row_unref(run);
    failure_row_unref(f);
    return run ? 0 : -ENOENT;
}

/* From a command's failures/. */
int link_near_failure(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../../failures/");
    return class_failures.name(fs, id, ret);
}

int link_failure_command(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../../commands/");
    return class_known_commands.name(fs, id, ret);
}

int link_failure_run(struct fs *fs, int64_t id, struct buf *ret)
{
    return link_command_run(fs, id, ret);
}

int link_step_failure(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct step_row *step = store_get_step(fs->store, id);
    int64_t failure = step ? store_failure_of_step(fs->store, step->run_id, id) : 0;

    step_row_unref(step);
    if (failure <= 0)
        return -ENOENT;
    buf_adds(ret, "../../../../../../knowledge/failures/");
    return class_failures.name(fs, failure, ret);
}

struct flakes {
    struct fs *fs;
    struct buf *ret;
};

static int add_flake(void *data, const struct flake *f)
{
    struct flakes *flakes = data;
    const struct failure_row *failure = store_get_failure(flakes->fs->store, f->failure_id);

    buf_addf(flakes->ret, "%lld %lld %s\n", (long long)f->failed_run_id, (long long)f->run_id,
             failure ? failure->slug : "-");
    failure_row_unref(failure);
    return 0;
}

int show_command_flaky(struct fs *fs, int64_t id, struct buf *ret)
{
    size_t before = ret->len;
    int r = store_each_flake(fs->store, id, add_flake, &(struct flakes){fs, ret});

    return r < 0 ? r : ret->len > before ? 0 : -ENOENT;
}

int link_flaky_command(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../commands/");
    return class_known_commands.name(fs, id, ret);
}
