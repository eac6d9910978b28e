/* Walking the tree: names to objects, objects to attributes, directories to lists. All from the table. */
#include <limits.h>
#include <sys/stat.h>

#include "fs.h"
#include "runfs/artifact.h"
#include "runfs/cache.h"
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/knowledge_rows.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"
#include "runfs/vms.h"

/* An inode is the id and the row; the root is FUSE's 1. 11 bits of row leave 52 of id. */
enum { ROW_BITS = 9 };

uint64_t node_ino(struct node n)
{
    return n.row == ROW_ROOT ? 1 : ((uint64_t)n.id << ROW_BITS | (uint64_t)n.row) + 1;
}

struct node node_of(uint64_t ino)
{
    return ino == 1
               ? (struct node){ROW_ROOT, 0}
               : (struct node){(int)((ino - 1) & ((1 << ROW_BITS) - 1)), (int64_t)((ino - 1) >> ROW_BITS)};
}

/* ----------------------------------------------------------------------------------------------- owners */

bool owner_completed(struct fs *fs, enum owner owner, int64_t id)
{
    bool completed = owner == OWN_ATTEMPT;

    if (owner == OWN_RUN) {
        const struct run_row *row = store_get_run(fs->store, id);
        completed = row && str_eq(row->status, "completed");
        run_row_unref(row);
    } else if (owner == OWN_JOB) {
        const struct job_row *row = store_get_job(fs->store, id);
        completed = row && str_eq(row->status, "completed");
        job_row_unref(row);
    } else if (owner == OWN_STEP) {
        const struct step_row *row = store_get_step(fs->store, id);
        completed = row && str_eq(row->status, "completed");
        step_row_unref(row);
    }
    return completed;
}

#define OWNER_TIME(kind, get, field)                                                                         \
    {                                                                                                        \
        const struct kind##_row *row = get;                                                                  \
        if (!row)                                                                                            \
            return -ENOENT;                                                                                  \
        *ret = row->field;                                                                                   \
        kind##_row_unref(row);                                                                               \
        return 0;                                                                                            \
    }

/* When it was last delivered. */
static int event_time(struct fs *fs, int64_t id, int64_t *ret)
{
    const char *name = event_name((size_t)id - 1);
    const struct delivery_row *row =
        name ? store_get_delivery(fs->store, store_find_delivery(fs->store, name)) : NULL;

    *ret = row ? row->changed_at : fs->started_at;
    delivery_row_unref(row);
    return name ? 0 : -ENOENT;
}

/* When an object last changed. -ENOENT: it is gone. */
static int owner_time(struct fs *fs, enum owner owner, int64_t id, int64_t *ret)
{
    if (id == 0)
        owner = OWN_NONE;
    switch (owner) {
    case OWN_NONE:
        *ret = fs->started_at;
        return 0;
    case OWN_WORKFLOW:
        OWNER_TIME(workflow, store_get_workflow(fs->store, id), changed_at)
    case OWN_REPO:
        OWNER_TIME(repo, store_get_repo(fs->store, id), changed_at)
    case OWN_ERROR:
        OWNER_TIME(error, store_get_error(fs->store, id), changed_at)
    case OWN_EVENT:
        return event_time(fs, id, ret);
    case OWN_HOOK:
        OWNER_TIME(hook, store_get_hook(fs->store, id), changed_at)
    case OWN_RUN:
        OWNER_TIME(run, store_get_run(fs->store, id), changed_at)
    case OWN_ATTEMPT:
        OWNER_TIME(attempt, store_get_attempt(fs->store, id), completed_at)
    case OWN_JOB:
        OWNER_TIME(job, store_get_job(fs->store, id), changed_at)
    case OWN_STEP:
        OWNER_TIME(step, store_get_step(fs->store, id), changed_at)
    case OWN_OUTPUT:
        OWNER_TIME(output, store_get_output(fs->store, id), changed_at)
    case OWN_CONFIG:
        OWNER_TIME(setting, store_get_setting(fs->store, SETTING_CONFIG, id), changed_at)
    case OWN_SECRET:
        OWNER_TIME(setting, store_get_setting(fs->store, SETTING_SECRET, id), changed_at)
    case OWN_VAR:
        OWNER_TIME(setting, store_get_setting(fs->store, SETTING_VAR, id), changed_at)
    case OWN_TOKEN:
        OWNER_TIME(setting, store_get_setting(fs->store, SETTING_TOKEN, id), changed_at)
    case OWN_ARTIFACT:
        OWNER_TIME(artifact, store_get_artifact(fs->store, id), created_at)
    case OWN_CACHE:
        OWNER_TIME(cache, store_get_cache(fs->store, id), created_at)
    case OWN_MACHINE:
        OWNER_TIME(machine, store_get_machine(fs->store, id), changed_at)
    case OWN_COMMAND:
        OWNER_TIME(command, store_get_command(fs->store, id), changed_at)
    case OWN_SNAPSHOT:
        OWNER_TIME(snapshot, store_get_snapshot(fs->store, id), created_at)
    case OWN_FAILURE:
        OWNER_TIME(failure, store_get_failure(fs->store, id), changed_at)
    case OWN_KNOWN_COMMAND:
        OWNER_TIME(known_command, store_get_known_command(fs->store, id), changed_at)
    }
    return -ENOENT;
}

/* runs/ changes when a run comes, what is derived from runs when the newest one changes. */
static int64_t listing_time(struct fs *fs, const struct row *row)
{
    const struct run_row *run = NULL;
    int64_t t = fs->started_at;

    if (row->owner == OWN_RUN || row->owner == OWN_KNOWN_COMMAND || row->owner == OWN_FAILURE)
        run = store_get_run(fs->store, store_latest_run(fs->store));
    int64_t changed = !run ? 0 : row == &tree[tree_find("runs")] ? run->created_at : run->changed_at;
    if (changed > t)
        t = changed;
    run_row_unref(run);
    return t;
}

int64_t node_run(struct fs *fs, struct node n)
{
    int64_t run_id = 0;

    if (n.id == 0)
        return 0;
    if (tree[n.row].owner == OWN_RUN)
        return n.id;
    if (tree[n.row].owner == OWN_ATTEMPT) {
        const struct attempt_row *row = store_get_attempt(fs->store, n.id);
        run_id = row ? row->run_id : 0;
        attempt_row_unref(row);
    } else if (tree[n.row].owner == OWN_JOB) {
        const struct job_row *row = store_get_job(fs->store, n.id);
        run_id = row ? row->run_id : 0;
        job_row_unref(row);
    } else if (tree[n.row].owner == OWN_STEP) {
        const struct step_row *row = store_get_step(fs->store, n.id);
        run_id = row ? row->run_id : 0;
        step_row_unref(row);
    }
    return run_id;
}

bool node_final(struct fs *fs, struct node n)
{
    const struct row *row = &tree[n.row];

    if (row->kind == ROW_TREE || row->class == &class_artifacts)
        return true;
    if (row->kind == ROW_CTL || n.id == 0 || row->show == link_job_vm || row->show == link_step_snapshot)
        return false;
    if (row->show == show_run_artifacts) /* they are deleted, and expire */
        return false;
    if (row->show == link_run_workflow) /* comes and goes with the workflow */
        return false;
    return (row->owner == OWN_RUN || row->owner == OWN_ATTEMPT || row->owner == OWN_JOB ||
            row->owner == OWN_STEP) &&
                   owner_completed(fs, row->owner, n.id) && !row->class
               ? true
               : row->class && row->kind == ROW_DIR && owner_completed(fs, row->owner, n.id);
}

/* ------------------------------------------------------------------------------------------------- text */

int node_log(struct fs *fs, struct node n, struct log_select *ret)
{
    const struct row *row = &tree[n.row];
    int r = -ENOENT;

    *ret = (struct log_select){.streams = row->streams};
    if (row->owner == OWN_RUN) {
        const struct run_row *run = store_get_run(fs->store, n.id);
        if (run) {
            ret->run_id = n.id;
            ret->attempt = run->attempt;
            r = 0;
        }
        run_row_unref(run);
    } else if (row->owner == OWN_ATTEMPT) {
        const struct attempt_row *attempt = store_get_attempt(fs->store, n.id);
        if (attempt) {
            ret->run_id = attempt->run_id;
            ret->attempt = attempt->attempt;
            r = 0;
        }
        attempt_row_unref(attempt);
    } else if (row->owner == OWN_JOB) {
        const struct job_row *job = store_get_job(fs->store, n.id);
        if (job) {
            ret->run_id = job->run_id;
            ret->job_id = job->log_job_id ? job->log_job_id : job->id;
            r = 0;
        }
        job_row_unref(job);
    } else if (row->owner == OWN_STEP) {
        const struct step_row *step = store_get_step(fs->store, n.id);
        if (step) {
            ret->run_id = step->run_id;
            ret->step_id = n.id;
            r = 0;
        }
        step_row_unref(step);
    }
    return r;
}

/* Sizes of finished logs are in their rows; of live ones they are counted. */
static int64_t log_row_size(struct fs *fs, struct node n)
{
    const struct row *row = &tree[n.row];
    struct log_select select;
    int64_t size = -1;

    if (row->owner == OWN_STEP) {
        const struct step_row *step = store_get_step(fs->store, n.id);
        if (step)
            size = row->streams == LOG_STDOUT   ? step->stdout_size
                   : row->streams == LOG_STDERR ? step->stderr_size
                                                : step->log_size;
        step_row_unref(step);
    } else if (row->owner == OWN_JOB) {
        const struct job_row *job = store_get_job(fs->store, n.id);
        size = job ? job->log_size : -1;
        job_row_unref(job);
    } else if (row->owner == OWN_ATTEMPT) {
        const struct attempt_row *attempt = store_get_attempt(fs->store, n.id);
        size = attempt ? attempt->log_size : -1;
        attempt_row_unref(attempt);
    } else if (row->owner == OWN_RUN) {
        const struct run_row *run = store_get_run(fs->store, n.id);
        size = run ? run->log_size : -1;
        run_row_unref(run);
    }
    if (size < 0 && node_log(fs, n, &select) == 0)
        size = log_size(fs->store, &select);
    return size < 0 ? 0 : size;
}

/* A link is written for where its row stands first: from further down, what leads out has as much further to
 * go. */
static int link_text(struct fs *fs, const struct row *row, int64_t id, struct buf *ret)
{
    _buf_ struct buf target = BUF_INIT;
    int r = row->show(fs, id, &target), ups = 0;

    if (r < 0)
        return r;
    for (const char *p = buf_str(&target); str_starts(p, "../"); p += 3)
        ups++;
    for (int i = 0; i < row->deeper && ups > row->depth - row->deeper - 1 - row->top; i++)
        buf_adds(ret, "../");
    buf_adds(ret, buf_str(&target));
    return buf_ok(&target) && buf_ok(ret) ? 0 : -ENOMEM;
}

int node_text(struct fs *fs, struct node n, struct buf *ret)
{
    const struct row *row = &tree[n.row];
    int r;

    switch (row->kind) {
    case ROW_CTL:
        return fs_last_reply(fs, n, ret);
    case ROW_WAIT:
        return owner_completed(fs, row->owner, n.id) ? row->show(fs, n.id, ret) : -EAGAIN;
    case ROW_LINK:
        return link_text(fs, row, n.id, ret);
    case ROW_DROP:
        if (!row->show)
            return draft_get(fs, n.id, ret);
        break;
    case ROW_ROOTFS:
        return rootfs_link(fs, n, ret);
    case ROW_TREE:
        return contents_link(fs, n, ret);
    default:
        break;
    }
    r = row->show ? row->show(fs, n.id, ret) : -EACCES;
    return r == 0 && !buf_ok(ret) ? -ENOMEM : r;
}

/* ------------------------------------------------------------------------------------------- attributes */

static mode_t row_mode(const struct row *row)
{
    switch (row->kind) {
    case ROW_DIR:
        return S_IFDIR | (row->writable ? 0755 : 0555);
    case ROW_LINK:
        return S_IFLNK | 0777;
    case ROW_CTL:
    case ROW_DROP:
    case ROW_SETTING:
    case ROW_DISPATCH:
    case ROW_EXEC:
    case ROW_EVENT:
        return S_IFREG | 0644;
    case ROW_SECRET:
        return S_IFREG | 0200;
    default:
        return S_IFREG | 0444;
    }
}

static void set_times(struct stat *st, int64_t ns)
{
    st->st_mtim = (struct timespec){ns / 1000000000, ns % 1000000000};
    st->st_ctim = st->st_atim = st->st_mtim;
}

enum { KEEP_SECONDS = 3600, NEXT_LOOK_MS = 500 };

/*
 * Directories that every path leads through: were they asked for each time, nothing below them would be fast.
 * They are always there, and have the time of the start; runs/ has not, but the kernel is told when it
 * changes.
 */
static bool kept_directory(struct node n)
{
    const struct row *row = &tree[n.row];
    bool of_start = row->owner != OWN_RUN && row->owner != OWN_KNOWN_COMMAND && row->owner != OWN_FAILURE;

    return n.row == ROW_ROOT || n.row == tree_find("runs") ||
           (row->kind == ROW_DIR && !row->class && n.id == 0 && of_start);
}

/*
 * There may be thousands of commands, and whoever lists them asks then for each, by a path that leads through
 * these: what was told stands for that long. They do not go away, and have no sizes that grow.
 */
static bool is_looked_at_next(struct node n)
{
    const struct row *row = &tree[n.row];

    return (row->kind == ROW_DIR && (row->owner == OWN_KNOWN_COMMAND || row->owner == OWN_FAILURE)) ||
           (row->kind == ROW_LINK && row->class && row->owner == OWN_KNOWN_COMMAND);
}

/* The times of such a directory are those of the start, as long as it is there. */
bool node_is_timeless(struct node n)
{
    return tree[n.row].kind == ROW_DIR && tree[n.row].owner == OWN_NONE;
}

static double kept_seconds(struct fs *fs, struct node n)
{
    if (kept_directory(n) || node_is_timeless(n) || node_final(fs, n))
        return KEEP_SECONDS;
    return is_looked_at_next(n) ? NEXT_LOOK_MS / 1000.0 : 0;
}

int node_stat(struct fs *fs, struct node n, struct stat *st, double *seconds)
{
    const struct row *row = &tree[n.row];
    _buf_ struct buf text = BUF_INIT;
    int64_t changed;
    int r = 0;

    /* one link of a directory: how many directories it has is not told (with two, fts(3) sees none in it) */
    *st = (struct stat){
        .st_mode = row_mode(row), .st_nlink = 1, .st_uid = fs->uid, .st_gid = fs->gid, .st_blksize = 4096};
    *seconds = 0;
    if (row->class == &class_drafts)
        return draft_stat(fs, n.id, st);
    if (row->kind == ROW_ROOTFS)
        return rootfs_stat(fs, n, st);
    if (contents_row(n.row) >= 0) {
        *seconds = KEEP_SECONDS;
        return contents_stat(fs, n, st);
    }
    if (n.id >= NODE_UNBORN) {
        set_times(st, now_ns());
        return 0;
    }
    if (owner_time(fs, row->owner, n.id, &changed) < 0)
        return -ENOENT;
    set_times(st, n.id ? changed : listing_time(fs, row));
    if (row->kind == ROW_LOG && row->owner == OWN_NONE) {
        struct stat log;
        if (stat(fs->log_path, &log) == 0) {
            st->st_size = log.st_size;
            st->st_mtim = st->st_ctim = log.st_mtim;
        }
    } else if (row->kind == ROW_BLOB) {
        const struct cache_row *cache = store_get_cache(fs->store, n.id);
        st->st_size = cache ? cache->size : 0;
        if (cache)
            st->st_atim = (struct timespec){cache->used_at / 1000000000LL, cache->used_at % 1000000000LL};
        cache_row_unref(cache);
    } else if (row->kind == ROW_LOG) {
        st->st_size = log_row_size(fs, n);
    } else if (row->kind == ROW_OUTPUT) {
        _close_ int fd = vms_output(fs->vms, n.id, (int)row->streams);
        struct stat file;
        st->st_size = fd >= 0 && fstat(fd, &file) == 0 ? file.st_size : 0;
    } else if (row->kind != ROW_DIR && row->kind != ROW_SECRET && !(row->later && row->later(fs, n.id))) {
        r = node_text(fs, n, &text);
        st->st_size = (off_t)text.len;
        r = r == -EAGAIN ? 0 : r;
    }
    st->st_blocks = (st->st_size + 511) / 512;
    if (r == 0)
        *seconds = kept_seconds(fs, n);
    return r;
}

/* ----------------------------------------------------------------------------------------- lookup, list */

static int lookup_child(struct fs *fs, struct node dir, int child, const char *name, struct node *ret)
{
    const struct row *row = &tree[child];
    int64_t id = dir.id;

    if (!row->class && !str_eq(row->name, name))
        return -ENOENT;
    if (row->class)
        id = row->class->find(fs, dir.id, name);
    if (row->class && id <= 0)
        return -ENOENT;
    *ret = (struct node){child, id};
    return 0;
}

int node_lookup(struct fs *fs, struct node dir, const char *name, struct node *ret)
{
    if (tree[dir.row].kind == ROW_ROOTFS)
        return rootfs_lookup(fs, dir, name, ret);
    if (contents_row(dir.row) >= 0)
        return contents_lookup(fs, dir, name, ret);
    for (int child = tree_child(dir.row, -1); child >= 0; child = tree_child(dir.row, child))
        if (lookup_child(fs, dir, child, name, ret) == 0)
            return 0;
    int64_t draft = holds_settings(dir.row) ? draft_find(fs, dir.row, name) : 0;
    *ret = (struct node){tree_find("workflows/SCRATCH"), draft};
    return draft ? 0 : strlen(name) > NAME_MAX ? -ENAMETOOLONG : -ENOENT;
}

/* A cookie is (child row, last id given): it stays true while entries come and go. */
static uint64_t cookie_of(int child, int64_t id)
{
    return (uint64_t)id << ROW_BITS | (uint64_t)child;
}

/* Whether a name that is always found is listed now: `wait` only once it no longer blocks, so that grep -r
 * never hangs. *ret_known: whether *ret was filled for that. */
static bool listed(struct fs *fs, struct node n, struct node_stat *ret, bool *ret_known)
{
    *ret_known = false;
    if (tree[n.row].kind == ROW_WAIT)
        return owner_completed(fs, tree[n.row].owner, n.id);
    if (tree[n.row].kind ==
        ROW_ROOTFS) /* a whole system, which nobody wants in a copy of runs/ or a grep -r */
        return false;
    if (tree[n.row].kind == ROW_DIR || tree[n.row].kind == ROW_LOG || tree[n.row].kind == ROW_CTL ||
        tree[n.row].kind == ROW_BLOB || tree[n.row].kind == ROW_OUTPUT || tree[n.row].kind == ROW_EXEC)
        return true;
    if (tree[n.row].there)
        return tree[n.row].there(fs, n.id);
    *ret_known = node_stat(fs, n, &ret->st, &ret->seconds) == 0;
    return *ret_known;
}

/* 1: each() has enough. */
static int list_class(struct fs *fs, struct node dir, int child, int64_t after, list_fn *each, void *data)
{
    const struct name_class *class = tree[child].class;
    int64_t ids[64];
    ssize_t n;

    while ((n = class->next(fs, dir.id, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            _buf_ struct buf name = BUF_INIT;
            after = ids[i];
            if (class->name(fs, ids[i], &name) == 0 && name.len &&
                !each(data, buf_str(&name), (struct node){child, ids[i]}, cookie_of(child, ids[i]), NULL))
                return 1;
        }
    return n < 0 ? (int)n : 0;
}

struct content_listing {
    list_fn *each;
    void *data;
};

static bool list_content(void *data, const char *name, struct node n, uint32_t entry)
{
    const struct content_listing *l = data;

    return l->each(l->data, name, n, cookie_of(n.row, entry), NULL);
}

/* An editor's files beside settings, behind all others. */
static int list_drafts(struct fs *fs, struct node dir, int row, int64_t after, list_fn *each, void *data)
{
    int64_t ids[DRAFTS_MAX];
    size_t n = holds_settings(dir.row) ? draft_next(fs, dir.row, after, ids, ARRAY_LEN(ids)) : 0;

    for (size_t i = 0; i < n; i++) {
        _buf_ struct buf name = BUF_INIT;
        if (draft_name(fs, ids[i], &name) == 0 && buf_ok(&name) &&
            !each(data, buf_str(&name), (struct node){row, ids[i]}, cookie_of(row, ids[i]), NULL))
            break;
    }
    return 0;
}

int node_list(struct fs *fs, struct node dir, uint64_t cookie, list_fn *each, void *data)
{
    if (contents_row(dir.row) >= 0)
        return contents_list(fs, dir, (uint32_t)(cookie >> ROW_BITS), list_content,
                             &(struct content_listing){each, data});
    int from = (int)(cookie & ((1 << ROW_BITS) - 1));
    int64_t after = (int64_t)(cookie >> ROW_BITS);
    int scratch = tree_find("workflows/SCRATCH");

    if (cookie && from == scratch && dir.row != tree_find("workflows"))
        return list_drafts(fs, dir, scratch, after, each, data);
    for (int child = cookie ? from : tree_child(dir.row, -1); child >= 0;
         child = tree_child(dir.row, child)) {
        struct node n = {child, dir.id};
        struct node_stat st;
        bool known;
        if (tree[child].class) {
            int r = list_class(fs, dir, child, child == from ? after : 0, each, data);
            if (r != 0)
                return r < 0 ? r : 0;
        } else if (!(cookie && child == from)) {
            if (listed(fs, n, &st, &known) &&
                !each(data, tree[child].name, n, cookie_of(child, 0), known ? &st : NULL))
                return 0;
        }
    }
    return list_drafts(fs, dir, scratch, 0, each, data);
}
