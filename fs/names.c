/*
 * Names that come and change: which files may be made where, which of them are only an editor's on its way to
 * another name, and what rename(2) means for workflows, settings and linked checkouts.
 */
#include <ctype.h>

#include "fs.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------ names of scratch */

/* What vim, emacs, rsync and `sed -i.bak` keep beside a file: no setting is called so. */
static bool is_beside(const char *name)
{
    static const char *const ends[] = {"~", ".bak", ".orig", ".tmp"};
    size_t len = strlen(name);

    if (name[0] == '.' || (name[0] == '#' && name[len - 1] == '#'))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (str_ends(name, ends[i]) && len > strlen(ends[i]))
            return true;
    return false;
}

/* Six characters of mkstemp(3); is_one: which of all of them would make a word of it. */
static bool is_random(const char *tail, int (*is_one)(int))
{
    size_t n = 0, ones = 0;

    for (; isalnum((unsigned char)tail[n]); n++)
        ones += is_one && is_one((unsigned char)tail[n]);
    return n == 6 && !tail[n] && ones < n;
}

/* The names that sed -i and perl -i write before they rename, and those (4913, 5036, ...) by which vim finds
 * out whether it may make files. words: sediments and XXPASSWD are names of their own. */
static bool is_on_the_way(const char *name, bool words)
{
    uint64_t number;

    return (str_starts(name, "sed") && is_random(name + 3, words ? islower : NULL)) ||
           (str_starts(name, "XX") && is_random(name + 2, words ? isupper : NULL)) ||
           (parse_u64(name, &number) == 0 && number >= 4913 && (number - 4913) % 123 == 0);
}

bool holds_settings(int row)
{
    for (int child = tree_child(row, -1); child >= 0; child = tree_child(row, child))
        if (tree[child].kind == ROW_SETTING || tree[child].kind == ROW_SECRET)
            return true;
    return false;
}

/* The row of settings of that name that can be made in a directory; -1: none. */
static int setting_row_of(int dir, const char *name)
{
    for (int child = tree_child(dir, -1); child >= 0; child = tree_child(dir, child)) {
        const struct row *row = &tree[child];
        if (row->class == &class_vm_labels && !(str_ends(name, ".label") && name[strlen(".label")]))
            continue;
        if (row->kind == ROW_SECRET || (row->kind == ROW_SETTING && row->class != &class_config))
            return child;
    }
    return -1;
}

int node_creatable(struct fs *fs, struct node dir, const char *name)
{
    int scratch = tree_find("workflows/SCRATCH"), r = name_check(name);
    _buf_ struct buf key = BUF_INIT;
    enum setting_kind kind;

    (void)fs;
    if (r < 0 || dir.row == tree_find("workflows"))
        return r < 0 ? r : scratch;
    if (!holds_settings(dir.row))
        return -EPERM;
    int row = setting_row_of(dir.row, name);
    /* a variable may well be called as if sed had made it */
    bool own = row >= 0 && setting_of(row, name, &kind, &key) == 0 && kind != SETTING_CONFIG &&
               engine_takes(kind, buf_str(&key));
    if (is_beside(name) || (!own && is_on_the_way(name, row >= 0)))
        return scratch;
    return row < 0 ? -EPERM : row; /* a name that is refused is refused where its reason can be told */
}

/* --------------------------------------------------------------------------------------------- renaming */

static bool is_draft(struct node n)
{
    return tree[n.row].class == &class_drafts;
}

static bool is_setting(struct node n)
{
    return tree[n.row].kind == ROW_SETTING || tree[n.row].kind == ROW_SECRET;
}

/* Over another draft of that name. */
static int put_draft(struct fs *fs, int dir, const char *name, const struct buf *text)
{
    int64_t id = draft_find(fs, dir, name);

    if (!id)
        id = draft_make(fs, dir, name, NULL);
    return id < 0 ? (int)id : draft_put(fs, id, buf_str(text), text->len);
}

static int rename_workflow(struct fs *fs, struct node from, const char *old, const char *new)
{
    _buf_ struct buf text = BUF_INIT;
    int r = node_text(fs, from, &text);

    if (r < 0)
        return r;
    if (is_draft(from) && !is_workflow_name(new)) {
        r = draft_rename(fs, from.id, new);
        return r == 0 && is_page_name(new) ? node_drop_page(fs, new, buf_str(&text), text.len) : r;
    }
    if (is_workflow_name(new))
        r = node_write(fs, (struct node){tree_find("workflows/NAME.yml"), 0}, new, buf_str(&text), text.len);
    else
        r = put_draft(fs, tree_find("workflows"), new, &text);
    if (r < 0)
        return r;
    if (is_draft(from))
        draft_drop(fs, from.id);
    else if (!str_eq(old, new))
        r = engine_unregister(fs->engine, from.id, NULL);
    return r;
}

/* As a reader sees it; of a secret, too, which no reader sees. */
static int setting_text(struct fs *fs, struct node n, const char *name, struct buf *ret)
{
    _buf_ struct buf key = BUF_INIT;
    enum setting_kind kind;

    if (tree[n.row].kind != ROW_SECRET)
        return node_text(fs, n, ret);
    int r = setting_of(n.row, name, &kind, &key);
    r = r < 0 ? r : store_setting(fs->store, kind, buf_str(&key), ret);
    buf_addc(ret, '\n');
    return r == 0 && !buf_ok(ret) ? -ENOMEM : r;
}

static int rename_setting(struct fs *fs, struct node dir, struct node from, const char *old, const char *new)
{
    _buf_ struct buf text = BUF_INIT;
    struct node to;
    int row = node_lookup(fs, dir, new, &to) == 0 ? to.row : node_creatable(fs, dir, new);

    if (row < 0)
        return row;
    bool to_draft = tree[row].class == &class_drafts;
    if (to_draft && tree[from.row].kind == ROW_SECRET) /* a draft can be read */
        return -EACCES;
    if (to_draft && is_draft(from))
        return draft_rename(fs, from.id, new);
    int r = setting_text(fs, from, old, &text);
    if (r == 0)
        r = to_draft ? put_draft(fs, dir.row, new, &text)
                     : node_write(fs, (struct node){row, 0}, new, buf_str(&text), text.len);
    return r < 0 ? r : node_remove(fs, dir, old, false);
}

static int rename_repo(struct fs *fs, struct node from, const char *new)
{
    struct err err = {0};
    int r = engine_move_repo(fs->engine, from.id, new, &err);

    put_reason(fs, "repos", new, r < 0 ? err.msg : NULL);
    return r;
}

/* Between directories mv(1) copies and removes, if it is told so and both can be done. */
static int rename_away(struct fs *fs, struct node from, struct node new_dir, const char *new_name)
{
    bool goes = is_setting(from) ? tree[from.row].kind != ROW_SECRET : tree[from.row].kind == ROW_DROP;

    return goes && node_creatable(fs, new_dir, new_name) >= 0 ? -EXDEV : -EPERM;
}

int node_rename(struct fs *fs, struct node dir, const char *name, struct node new_dir, const char *new_name,
                unsigned flags)
{
    struct node from, to;
    int r = name_check(new_name);

    if (flags & ~1u /* RENAME_NOREPLACE */)
        return -EINVAL;
    if (r == 0)
        r = node_lookup(fs, dir, name, &from);
    if (r < 0)
        return r;
    if (flags && node_lookup(fs, new_dir, new_name, &to) == 0)
        return -EEXIST;
    if (new_dir.row != dir.row || new_dir.id != dir.id)
        return rename_away(fs, from, new_dir, new_name);
    if (dir.row == tree_find("workflows") && tree[from.row].kind == ROW_DROP)
        return rename_workflow(fs, from, name, new_name);
    if (is_setting(from) || is_draft(from))
        return rename_setting(fs, dir, from, name, new_name);
    return tree[from.row].kind == ROW_LINK && tree[from.row].class == &class_repos
               ? rename_repo(fs, from, new_name)
               : -EPERM;
}
