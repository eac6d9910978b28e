/* What the files of the root, of workflows and of settings show. */
#include "fs.h"
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/reporter.h"
#include "runfs/server.h"
#include "runfs/str.h"

static void add_settings(struct buf *ret)
{
    buf_adds(ret, "\nconfig/KEY, and what it is at first:\n");
    for (const struct config_key *k = config_keys; k->name; k++) {
        if (!k->help)
            continue;
        buf_addf(ret, "  %-19s%s", k->name, k->help);
        if (!str_empty(k->fallback))
            buf_addf(ret, " (%s)", k->fallback);
        buf_addc(ret, '\n');
    }
}

int show_readme(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    (void)id;
    for (size_t i = 0; i < tree_rows; i++) {
        const struct row *row = &tree[i];
        if (row->copied)
            continue;
        size_t start = ret->len;
        buf_addf(ret, "%*s%s%s", row->depth * 2, "", row->name, row->kind == ROW_DIR && i > 0 ? "/" : "");
        size_t width = ret->len - start;
        buf_addf(ret, "%*s%s\n", width < 34 ? (int)(34 - width) : 1, "", row->help);
    }
    add_settings(ret);
    buf_adds(ret,
             "\nconfig/labels/LABEL: worker:COMMAND, slurm[:PARTITION]; or sandbox, sandbox:/another/root, "
             "sandbox:IMAGE of containers, bubblewrap, qemu:IMAGE, firecracker:/DIRECTORY, fcctl, "
             "fcctl:TYPE, ssh:HOST or host, then any of\n");
    for (const struct machine_label_key *k = machine_label_keys; k->name; k++)
        buf_addf(ret, "  %s=%*s%s: %s\n", k->name, (int)(12 - strlen(k->name)), "", k->values, k->help);
    return 0;
}

static void add_schedule(void *data, const struct schedule_status *s)
{
    struct buf *ret = data;

    buf_addf(ret, "schedule %s: '%s' %s: ", s->workflow, s->cron, *s->zone ? s->zone : "UTC");
    if (s->next)
        buf_add_time(ret, s->next);
    else
        buf_addf(ret, "never%s%s", *s->why ? ": " : "", s->why);
    buf_addc(ret, '\n');
}

static void add_repositories(struct fs *fs, struct buf *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_repos(fs->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct repo_row *row = store_get_repo(fs->store, ids[i]);
            if (row)
                buf_addf(ret, "repository %s: %s\n", row->name, row->full_name);
            repo_row_unref(row);
        }
        after = ids[n - 1];
    }
}

int show_status(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct machine_probe *probes;
    size_t n = machines_probe(fs->machines, &probes);
    struct engine_status s;

    (void)id;
    engine_status(fs->engine, &s);
    buf_addf(ret, "version: %s\npid: %d\nstarted_at: ", RUNFS_VERSION, getpid());
    buf_add_time(ret, fs->started_at);
    buf_addf(ret,
             "\nstate: %s\nslots: %d\nbusy: %d\nqueued_jobs: %d\nactive_runs: %d\npending: %d\nruns: %lld\n",
             store_dir(fs->store), s.slots, s.busy, s.queued_jobs, s.active_runs, s.pending,
             (long long)store_count_runs(fs->store, NULL, NULL));
    store_tell_waiting(fs->store, ret);
    for (size_t i = 0; i < n; i++)
        buf_addf(ret, "backend %s: %s: %s\n", probes[i].backend, probes[i].works ? "works" : "does not work",
                 probes[i].words);
    add_repositories(fs, ret);
    if (fs->server)
        server_status(fs->server, ret);
    if (fs->reporter)
        reporter_status(fs->reporter, ret);
    engine_each_schedule(fs->engine, add_schedule, ret);
    return 0;
}

int show_metrics(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)id;
    engine_metrics(fs->engine, ret);
    return 0;
}

int show_workflow_source(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct workflow_row *row = store_get_workflow(fs->store, id);
    int r = row && !row->removed ? 0 : -ENOENT;

    if (r == 0)
        buf_add(ret, row->source, row->source_len);
    workflow_row_unref(row);
    return r;
}

int show_dispatch(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct workflow_row *row = store_get_workflow(fs->store, id);
    int r = row && !row->removed ? 0 : -ENOENT;

    if (r == 0 && row->last_run)
        buf_addf(ret, "%lld\n", (long long)row->last_run);
    workflow_row_unref(row);
    return r;
}

int show_error(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct error_row *row = store_get_error(fs->store, id);

    if (!row)
        return -ENOENT;
    buf_adds(ret, row->text);
    error_row_unref(row);
    return 0;
}

int show_event(struct fs *fs, int64_t id, struct buf *ret)
{
    const char *name = event_name((size_t)id - 1);
    const struct delivery_row *row =
        name ? store_get_delivery(fs->store, store_find_delivery(fs->store, name)) : NULL;

    if (row)
        buf_adds(ret, row->text);
    delivery_row_unref(row);
    return name ? 0 : -ENOENT;
}

int link_repo(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct repo_row *row = store_get_repo(fs->store, id);

    if (!row)
        return -ENOENT;
    engine_repo_target(fs->engine, row, ret);
    repo_row_unref(row);
    return 0;
}

/* From runs/{active,failed}/N and runs/by-workflow/W/N; the latter is one deeper, which node_text adds. */
int link_run_of(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    buf_addf(ret, "../../%lld", (long long)id);
    return 0;
}

int link_run(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    buf_addf(ret, "../%lld", (long long)id);
    return 0;
}

static int show_setting(struct fs *fs, enum setting_kind kind, int64_t id, struct buf *ret)
{
    const struct setting_row *row = store_get_setting(fs->store, kind, id);

    if (!row)
        return -ENOENT;
    buf_addf(ret, "%s\n", row->value);
    setting_row_unref(row);
    return 0;
}

int show_config(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_setting(fs, SETTING_CONFIG, id, ret);
}

int show_token(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_setting(fs, SETTING_TOKEN, id, ret);
}

int show_var(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_setting(fs, SETTING_VAR, id, ret);
}
