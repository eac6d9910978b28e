/* What is written into the tree: workflows, inputs, verbs, settings; and what is removed from it. */
#include <stdarg.h>

#include "fs.h"
#include "runfs/artifact.h"
#include "runfs/cache.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"
#include "runfs/vms.h"

/* ---------------------------------------------------------------------------------------------- replies */

void fs_reply(struct fs *fs, struct node n, const char *fmt, ...)
{
    size_t slot = (size_t)(node_ino(n) % REPLIES);
    va_list ap;

    pthread_mutex_lock(&fs->lock);
    fs->replies[slot].row = n.row;
    fs->replies[slot].id = n.id;
    va_start(ap, fmt);
    vsnprintf(fs->replies[slot].text, sizeof(fs->replies[slot].text), fmt, ap);
    va_end(ap);
    pthread_mutex_unlock(&fs->lock);
}

int fs_last_reply(struct fs *fs, struct node n, struct buf *ret)
{
    size_t slot = (size_t)(node_ino(n) % REPLIES);

    pthread_mutex_lock(&fs->lock);
    if (fs->replies[slot].row == n.row && fs->replies[slot].id == n.id && fs->replies[slot].text[0])
        buf_addf(ret, "%s\n", fs->replies[slot].text);
    pthread_mutex_unlock(&fs->lock);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ verbs */

static int verb_cancel_run(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    (void)rest;
    return engine_cancel_run(fs->engine, id, err);
}

/* `rerun --debug`, as gh has it. */
static int take_debug(const char *rest, bool *ret, struct err *err)
{
    *ret = str_eq(rest, "--debug");
    return *ret || !*rest ? 0 : err_set(err, -EINVAL, "it takes --debug or nothing, not '%s'", rest);
}

static int verb_rerun(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    bool debug;
    int r = take_debug(rest, &debug, err);

    return r < 0 ? r : engine_rerun(fs->engine, id, false, debug, NULL, err);
}

static int verb_rerun_failed(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    bool debug;
    int r = take_debug(rest, &debug, err);

    return r < 0 ? r : engine_rerun(fs->engine, id, true, debug, NULL, err);
}

static int verb_delete_logs(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    (void)rest;
    return engine_delete_logs(fs->engine, id, err);
}

static int verb_cancel_job(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    (void)rest;
    return engine_cancel_job(fs->engine, id, err);
}

static int verb_rerun_job(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    bool debug;
    int r = take_debug(rest, &debug, err);

    return r < 0 ? r : engine_rerun_job(fs->engine, id, debug, NULL, err);
}

static int verb_hold(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    (void)rest;
    return engine_hold(fs->engine, id, err);
}

static int verb_release(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    (void)rest;
    return engine_release_held(fs->engine, id, err);
}

static int64_t job_of_step(struct fs *fs, int64_t id)
{
    const struct step_row *row = store_get_step(fs->store, id);
    int64_t job = row ? row->job_id : 0;

    step_row_unref(row);
    return job;
}

static int verb_hold_step(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    return verb_hold(fs, job_of_step(fs, id), rest, err);
}

static int verb_release_step(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    return verb_release(fs, job_of_step(fs, id), rest, err);
}

const struct verb run_verbs[] = {
    {"cancel", verb_cancel_run, "end it as a person would"},
    {"rerun", verb_rerun, "run all of it again, as a new attempt; --debug: with debug logging"},
    {"rerun-failed", verb_rerun_failed, "run again what did not succeed"},
    {"delete-logs", verb_delete_logs, "of all its attempts; the run stays"},
    {0},
};

const struct verb job_verbs[] = {
    {"cancel", verb_cancel_job, "end this job"},
    {"rerun", verb_rerun_job, "run it and what depends on it again"},
    {"hold", verb_hold, "keep its machine when it ends, for `runfs sh`"},
    {"release", verb_release, "let the machine go"},
    {0},
};

static int verb_resume(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    (void)rest;
    return engine_resume(fs->engine, id, err);
}

const struct verb step_verbs[] = {
    {"resume", verb_resume, "run the job again from here, with the files and outputs of the steps before"},
    {"hold", verb_hold_step, "keep the machine when the job ends, for `runfs sh`"},
    {"release", verb_release_step, "let the machine go"},
    {0},
};

static int run_verb(struct fs *fs, struct node n, const char *line, size_t len)
{
    const struct verb *verbs = tree[n.row].verbs;
    _buf_ struct buf word = BUF_INIT, known = BUF_INIT;
    struct err err = {0};

    while (len && strchr(" \t\r", line[len - 1]))
        len--;
    while (len && strchr(" \t", *line)) {
        line++;
        len--;
    }
    buf_add(&word, line, len);
    char *rest = buf_ok(&word) && word.len ? strpbrk(word.ptr, " \t") : NULL;
    if (rest)
        *rest++ = '\0';
    if (!*verbs->name) { /* whatever is written; it replies itself unless it fails */
        _buf_ struct buf whole = BUF_INIT;
        buf_add(&whole, line, len);
        int r = buf_ok(&whole) ? verbs->run(fs, n.id, buf_str(&whole), &err) : -ENOMEM;
        if (r < 0)
            fs_reply(fs, n, "%s", err.msg);
        return r;
    }
    for (const struct verb *v = verbs; v->name; v++) {
        if (str_eq(v->name, buf_str(&word))) {
            int r = v->run(fs, n.id, rest ? rest : "", &err);
            fs_reply(fs, n, "%s: %s", v->name, r < 0 ? err.msg : "ok");
            return r;
        }
        buf_addf(&known, "%s%s", known.len ? ", " : "", v->name);
    }
    fs_reply(fs, n, "there is no verb '%s' here: %s", buf_str(&word), buf_str(&known));
    return -EINVAL;
}

/* Every non-empty line is a verb; the first that fails ends it. */
static int write_ctl(struct fs *fs, struct node n, const char *text, size_t len)
{
    while (len) {
        const char *newline = memchr(text, '\n', len);
        size_t line = newline ? (size_t)(newline - text) : len;
        int r = line ? run_verb(fs, n, text, line) : 0;
        if (r < 0)
            return r;
        line += newline != NULL;
        text += line;
        len -= line;
    }
    return 0;
}

/* --------------------------------------------------------------------------------------------- settings */

void put_reason(struct fs *fs, const char *dir, const char *name, const char *reason)
{
    _buf_ struct buf key = BUF_INIT, text = BUF_INIT;

    buf_addf(&key, "%s-%s", dir, name);
    for (char *p = key.ptr; p && *p; p++)
        if (*p == '/')
            *p = '-';
    if (reason)
        buf_addf(&text, "%s/%s: %s\n", dir, name, reason);
    if (buf_ok(&key) && buf_ok(&text) && name_check(buf_str(&key)) == 0)
        (void)store_put_error(fs->store, buf_str(&key), reason ? buf_str(&text) : NULL, NULL);
}

static int set_setting(struct fs *fs, enum setting_kind kind, const char *name, const char *value)
{
    static const char *const dirs[] = {"config", "secrets", "vars", "tokens"};
    struct err err = {0};
    int r = engine_set(fs->engine, kind, name, value, &err);

    if (str_starts(name, "roles/"))
        put_reason(fs, "roles", name + strlen("roles/"), r < 0 ? err.msg : NULL);
    else
        put_reason(fs, dirs[kind], name, r < 0 ? err.msg : NULL);
    return r;
}

int setting_of(int row, const char *name, enum setting_kind *ret_kind, struct buf *ret_key)
{
    const struct name_class *class = tree[row].class;
    const char *family = class && class->family ? class->family : "";
    /* vms/NAME.label is the setting vms/NAME */
    bool label = class == &class_vm_labels && str_ends(name, ".label");

    if (tree[row].owner == OWN_CONFIG)
        *ret_kind = SETTING_CONFIG;
    else if (tree[row].owner == OWN_SECRET)
        *ret_kind = SETTING_SECRET;
    else if (tree[row].owner == OWN_VAR)
        *ret_kind = SETTING_VAR;
    else if (tree[row].owner == OWN_TOKEN)
        *ret_kind = SETTING_TOKEN;
    else
        return -EPERM;
    buf_addf(ret_key, "%s%.*s", family, (int)(strlen(name) - (label ? strlen(".label") : 0)), name);
    return buf_ok(ret_key) ? 0 : -ENOMEM;
}

static int write_setting(struct fs *fs, struct node n, const char *name, const char *text, size_t len)
{
    _buf_ struct buf value = BUF_INIT, key = BUF_INIT;
    enum setting_kind kind;

    if (memchr(text, '\0', len))
        return -EINVAL;
    if (len && text[len - 1] == '\n')
        len--;
    buf_add(&value, text, len);
    int r = setting_of(n.row, name, &kind, &key);
    if (r < 0 || !buf_ok(&value))
        return r < 0 ? r : -ENOMEM;
    return set_setting(fs, kind, buf_str(&key), buf_str(&value));
}

/* --------------------------------------------------------------------------------------------- machines */

/* Where the reason of a refusal about a machine can be read. */
static void vm_reply(struct fs *fs, int64_t id, const char *what, const struct err *err)
{
    fs_reply(fs, (struct node){tree_find("vms/NAME/ctl"), id}, "%s: %s", what, err->code ? err->msg : "ok");
}

static int write_exec(struct fs *fs, struct node n, const char *text, size_t len)
{
    struct err err = {0};
    int r = vms_exec(fs->vms, n.id, text, len, &err);

    vm_reply(fs, n.id, "exec", &err);
    return r;
}

int node_check(struct fs *fs, struct node n, const char *part, size_t len)
{
    struct err err = {0};
    int r = tree[n.row].kind == ROW_EXEC ? vms_can_exec(fs->vms, n.id, part, len, &err) : 0;

    if (r < 0)
        vm_reply(fs, n.id, "exec", &err);
    return r;
}

int node_mkdir(struct fs *fs, struct node dir, const char *name)
{
    struct err err = {0};
    int r;

    if (dir.row == tree_find("vms")) {
        r = vms_make(fs->vms, name, &err);
        put_reason(fs, "vms", name, r < 0 ? err.msg : NULL);
    } else if (dir.row == tree_find("vms/NAME/snapshots")) {
        r = vms_snapshot(fs->vms, dir.id, name, &err);
        vm_reply(fs, dir.id, "snapshot", &err);
    } else {
        r = -EPERM;
    }
    return r;
}

static int remove_vm_node(struct fs *fs, struct node n, const char *name)
{
    struct err err = {0};
    int r;

    if (tree[n.row].class == &class_vms) {
        r = vms_remove(fs->vms, n.id, &err);
        vm_reply(fs, n.id, "rmdir", &err);
        if (r < 0)
            put_reason(fs, "vms", name, err.msg);
        return r;
    }
    const struct snapshot_row *row = store_get_snapshot(fs->store, n.id);
    int64_t machine = row ? row->machine_id : 0;
    snapshot_row_unref(row);
    r = machines_drop_snapshot(fs->machines, n.id, &err);
    vm_reply(fs, machine, "rmdir", &err);
    return r;
}

/* -------------------------------------------------------------------------------------------- the whole */

int node_drop_page(struct fs *fs, const char *name, const char *text, size_t len)
{
    struct err err = {0};
    int64_t run = 0;
    int r = engine_drop_page(fs->engine, name, text, len, &run, &err);

    if (r < 0)
        log_info("drop", "%s: refused: %s", name, err.msg);
    return r;
}

int node_write(struct fs *fs, struct node n, const char *name, const char *text, size_t len)
{
    struct err err = {0};
    int64_t run = 0;
    int r;

    switch (tree[n.row].kind) {
    case ROW_CTL:
        return write_ctl(fs, n, text, len);
    case ROW_DROP:
        if (!is_workflow_name(name)) {
            r = draft_put(fs, n.id, text, len);
            return r == 0 && is_page_name(name) ? node_drop_page(fs, name, text, len) : r;
        }
        r = engine_drop(fs->engine, name, text, len, &run, &err);
        if (r < 0)
            log_info("drop", "%s: refused: %s", name, err.msg);
        return r;
    case ROW_DISPATCH:
        r = engine_dispatch(fs->engine, n.id, NULL, NULL, text, len, &run, &err);
        put_reason(fs, "dispatch", name, r < 0 ? err.msg : NULL);
        return r;
    case ROW_EVENT:
        return engine_deliver(fs->engine, name, text, len, NULL, NULL);
    case ROW_EXEC:
        return write_exec(fs, n, text, len);
    case ROW_SETTING:
    case ROW_SECRET:
        return write_setting(fs, n, name, text, len);
    default:
        return -EACCES;
    }
}

int node_resize(struct fs *fs, struct node n, off_t size)
{
    _buf_ struct buf name = BUF_INIT, text = BUF_INIT;
    enum row_kind kind = tree[n.row].kind;
    int r = 0;

    if (kind != ROW_DROP && kind != ROW_SETTING && kind != ROW_SECRET)
        return 0;
    if (size < 0 || size > DRAFT_SIZE_MAX)
        return -EFBIG;
    if (kind == ROW_SECRET && size > 0) /* what would be left of it cannot be seen */
        return -EACCES;
    if (kind != ROW_SECRET)
        r = node_text(fs, n, &text);
    if (r == 0)
        r = tree[n.row].class->name(fs, n.id, &name);
    if (r < 0 || (kind != ROW_SECRET && (size_t)size == text.len))
        return r;
    while (text.len < (size_t)size && buf_ok(&text))
        buf_addc(&text, '\0');
    return buf_ok(&text) && buf_ok(&name) ? node_write(fs, n, buf_str(&name), buf_str(&text), (size_t)size)
                                          : -ENOMEM;
}

int node_write_start(struct fs *fs, struct node n, const char *name, const char *text, size_t len)
{
    return tree[n.row].kind == ROW_EVENT ? engine_deliver_start(fs->engine, name, text, len, NULL) : 0;
}

static int remove_node(struct fs *fs, struct node n, const char *name, bool is_dir)
{
    const struct row *row = &tree[n.row];
    _buf_ struct buf key = BUF_INIT;
    enum setting_kind kind;
    struct err err = {0};

    if (row->class == &class_runs)
        return is_dir ? engine_delete_run(fs->engine, n.id, &err) : -EISDIR;
    if (row->class == &class_artifacts)
        return is_dir ? artifact_delete(fs->store, n.id, &err) : -EISDIR;
    if (row->kind == ROW_TREE)
        return -EROFS;
    if (row->kind == ROW_ROOTFS)
        return -EROFS;
    if (is_dir && (row->class == &class_vms || row->class == &class_snapshots))
        return remove_vm_node(fs, n, name);
    if (is_dir)
        return row->kind == ROW_DIR ? -EPERM : -ENOTDIR;
    if (row->class == &class_caches)
        return cache_delete(fs->store, n.id, &err);
    if (row->class == &class_drafts) {
        draft_drop(fs, n.id);
        return 0;
    }
    if (row->class == &class_workflows && row->kind == ROW_DROP)
        return engine_unregister(fs->engine, n.id, &err);
    if (row->class == &class_repos && row->kind == ROW_LINK)
        return engine_unlink_repo(fs->engine, n.id, &err);
    if (row->class == &class_errors)
        return store_put_error(fs->store, name, NULL, &err);
    if (row->kind != ROW_SETTING && row->kind != ROW_SECRET)
        return -EPERM;
    int r = setting_of(n.row, name, &kind, &key);
    return r < 0 ? r : set_setting(fs, kind, buf_str(&key), NULL);
}

int node_remove(struct fs *fs, struct node dir, const char *name, bool is_dir)
{
    struct node n;
    int r = tree[dir.row].kind == ROW_ROOTFS ? -EROFS : node_lookup(fs, dir, name, &n);

    return r < 0 ? r : remove_node(fs, n, name, is_dir);
}
