/*
 * What stands in files of the state directory and is shown as it is: the trees of artifacts, the content of
 * caches. Entries of a tree are numbered, so an inode is (artifact, entry), and nothing needs to be
 * remembered for the kernel; paths of the host are never made from what a caller says.
 */
#include <sys/stat.h>

#include "fs.h"
#include "runfs/artifact.h"
#include "runfs/cache.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { ENTRY_BITS = 20 };
_Static_assert(ARTIFACT_ENTRIES_MAX < 1 << ENTRY_BITS, "an entry's number fits");

/* ------------------------------------------------------------------------------------ the trees that are
 * open */

/* The tree of an artifact that is still there: a reference, or NULL. */
static struct artifact_tree *open_tree(struct fs *fs, int64_t id)
{
    struct artifact_tree *found = NULL, *old = NULL;
    const struct artifact_row *row = store_get_artifact(fs->store, id);
    size_t slot = (size_t)id % TREES;

    artifact_row_unref(row);
    if (!row)
        return NULL;
    pthread_mutex_lock(&fs->lock);
    if (fs->trees[slot].tree && fs->trees[slot].id == id)
        found = artifact_tree_ref(fs->trees[slot].tree);
    pthread_mutex_unlock(&fs->lock);
    if (found || artifact_tree_open(fs->store, id, &found) < 0)
        return found;
    pthread_mutex_lock(&fs->lock);
    old = fs->trees[slot].tree;
    fs->trees[slot].id = id;
    fs->trees[slot].tree = artifact_tree_ref(found);
    pthread_mutex_unlock(&fs->lock);
    artifact_tree_unref(old);
    return found;
}

void contents_forget(struct fs *fs, int64_t artifact_id)
{
    struct artifact_tree *old = NULL;
    size_t slot = (size_t)artifact_id % TREES;

    pthread_mutex_lock(&fs->lock);
    if (fs->trees[slot].id == artifact_id)
        old = TAKE(fs->trees[slot].tree);
    pthread_mutex_unlock(&fs->lock);
    artifact_tree_unref(old);
}

void contents_release(struct fs *fs)
{
    for (size_t i = 0; i < TREES; i++)
        artifact_tree_unref(TAKE(fs->trees[i].tree));
}

/* ------------------------------------------------------------------------------------------------------
 * entries */

/* The row of what is in a directory of a tree; -1: the directory is no such one. */
int contents_row(int row)
{
    if (tree[row].kind == ROW_TREE)
        return row;
    int child = tree_child(row, -1);
    return child >= 0 && tree[child].kind == ROW_TREE ? child : -1;
}

static int64_t artifact_of(struct node n)
{
    return tree[n.row].kind == ROW_TREE ? n.id >> ENTRY_BITS : n.id;
}

static uint32_t entry_of(struct node n)
{
    return tree[n.row].kind == ROW_TREE ? (uint32_t)(n.id & ((1 << ENTRY_BITS) - 1)) : 0;
}

static struct node node_of_entry(int row, int64_t artifact, uint32_t index)
{
    return (struct node){row, artifact << ENTRY_BITS | index};
}

static int find_entry(struct fs *fs, struct node n, struct artifact_tree **ret_tree,
                      struct artifact_entry *ret)
{
    struct artifact_tree *t = open_tree(fs, artifact_of(n));
    int r = t ? artifact_tree_entry(t, entry_of(n), ret) : -ENOENT;

    if (r == 0)
        *ret_tree = t;
    else
        artifact_tree_unref(t);
    return r;
}

int contents_lookup(struct fs *fs, struct node dir, const char *name, struct node *ret)
{
    struct artifact_tree *t;
    struct artifact_entry e;
    int r = find_entry(fs, dir, &t, &e);

    if (r < 0)
        return r;
    r = artifact_tree_find(t, e.index, name, &e);
    artifact_tree_unref(t);
    if (r == 0)
        *ret = node_of_entry(contents_row(dir.row), artifact_of(dir), e.index);
    return r;
}

/* `after`: the last entry given; 0: from the beginning. */
int contents_list(struct fs *fs, struct node dir, uint32_t after, entry_fn *each, void *data)
{
    struct artifact_tree *t;
    struct artifact_entry e, child;
    int r = find_entry(fs, dir, &t, &e);

    if (r < 0)
        return r;
    for (uint32_t i = after ? after + 1 : e.first; i >= e.first && i < e.first + e.count; i++)
        if (artifact_tree_entry(t, i, &child) == 0 &&
            !each(data, child.name, node_of_entry(contents_row(dir.row), artifact_of(dir), i), i))
            break;
    artifact_tree_unref(t);
    return 0;
}

int contents_stat(struct fs *fs, struct node n, struct stat *st)
{
    struct artifact_tree *t;
    struct artifact_entry e;
    int r = find_entry(fs, n, &t, &e);

    if (r < 0)
        return r;
    st->st_mode = e.mode;
    st->st_nlink = 1; /* of a directory, too: see node_stat */
    st->st_size = e.size;
    st->st_blocks = (e.size + 511) / 512;
    st->st_mtim = timespec_of(e.mtime_ns);
    st->st_ctim = st->st_atim = st->st_mtim;
    artifact_tree_unref(t);
    return 0;
}

int contents_link(struct fs *fs, struct node n, struct buf *ret)
{
    struct artifact_tree *t;
    struct artifact_entry e;
    int r = find_entry(fs, n, &t, &e);

    if (r < 0)
        return r;
    r = artifact_tree_link(t, e.index, ret);
    artifact_tree_unref(t);
    return r;
}

int contents_open(struct fs *fs, struct node n)
{
    struct artifact_tree *t;
    struct artifact_entry e;

    if (tree[n.row].kind == ROW_BLOB)
        return cache_open(fs->store, n.id);
    int r = find_entry(fs, n, &t, &e);
    if (r < 0)
        return r;
    r = artifact_tree_file(t, e.index);
    artifact_tree_unref(t);
    return r;
}

/* -------------------------------------------------------------------------------------------------------
 * names */

static int64_t find_artifact(struct fs *fs, int64_t up, const char *name)
{
    return artifact_find(fs->store, up, name);
}

static ssize_t next_artifact(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return artifact_list(fs->store, up, after, ids, max);
}

static int name_artifact(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct artifact_row *row = store_get_artifact(fs->store, id);

    if (!row)
        return -ENOENT;
    buf_adds(ret, row->name);
    artifact_row_unref(row);
    return 0;
}

const struct name_class class_artifacts = {find_artifact, next_artifact, name_artifact};

enum { CACHE_NAME_MAX = 200 };

/* A key as a file's name: what no name may hold, and '%' and '~', as %XX. False: it was cut off. */
static bool add_key(struct buf *ret, const char *key)
{
    size_t start = ret->len;

    for (const char *p = key; *p; p++) {
        if (ret->len - start >= CACHE_NAME_MAX && ((unsigned char)*p & 0xc0) != 0x80)
            return false;
        if (strchr("/%~", *p) || (unsigned char)*p < ' ' || *p == 0x7f || (*p == '.' && p == key))
            buf_addf(ret, "%%%02X", (unsigned char)*p);
        else
            buf_addc(ret, *p);
    }
    return true;
}

/* The oldest entry of a key has the key's name; others, and those that are cut off, have their number behind
 * it. */
static int name_cache(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct cache_row *row = store_get_cache(fs->store, id);

    if (!row)
        return -ENOENT;
    bool whole = add_key(ret, row->key);
    if (!whole || cache_find_key(fs->store, row->key) != id)
        buf_addf(ret, "~%lld", (long long)id);
    cache_row_unref(row);
    return 0;
}

static int from_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int64_t find_cache(struct fs *fs, int64_t up, const char *name)
{
    _buf_ struct buf key = BUF_INIT, written = BUF_INIT;
    const char *tilde = strrchr(name, '~');
    uint64_t number;
    int64_t id;

    (void)up;
    for (const char *p = name; *p && p != tilde; p++)
        if (*p == '%' && from_hex(p[1]) >= 0 && from_hex(p[2]) >= 0) {
            buf_addc(&key, (char)(from_hex(p[1]) << 4 | from_hex(p[2])));
            p += 2;
        } else {
            buf_addc(&key, *p);
        }
    if (tilde)
        id = parse_u64(tilde + 1, &number) == 0 && number <= INT64_MAX ? (int64_t)number : 0;
    else
        id = buf_ok(&key) ? cache_find_key(fs->store, buf_str(&key)) : 0;
    /* each has one name: keys compare without case, names do not */
    return id > 0 && name_cache(fs, id, &written) == 0 && str_eq(buf_str(&written), name) ? id : 0;
}

static ssize_t next_cache(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return cache_list(fs->store, after, ids, max);
}

const struct name_class class_caches = {find_cache, next_cache, name_cache};

/* ------------------------------------------------------------------------------------------------- what they
 * are */

static int add_list(json_t *list, struct buf *ret)
{
    _free_ char *text = json_dumps(list, JSON_INDENT(2));

    buf_addf(ret, "%s\n", text ? text : "");
    return text ? 0 : -ENOMEM;
}

static json_t *time_json(int64_t ns)
{
    _buf_ struct buf text = BUF_INIT;

    buf_add_time(&text, ns);
    return json_string(buf_str(&text));
}

int show_run_artifacts(struct fs *fs, int64_t id, struct buf *ret)
{
    _json_ json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = artifact_list(fs->store, id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct artifact_row *row = store_get_artifact(fs->store, ids[i]);
            if (row)
                json_array_append_new(
                    list, json_pack("{s:I, s:s, s:i, s:I, s:I, s:s, s:o, s:o}", "id", (json_int_t)row->id,
                                    "name", row->name, "attempt", row->attempt, "size", (json_int_t)row->size,
                                    "files", (json_int_t)row->files, "digest", row->digest, "created_at",
                                    time_json(row->created_at), "expires_at", time_json(row->expires_at)));
            artifact_row_unref(row);
        }
        after = ids[n - 1];
    }
    return json_array_size(list) ? add_list(list, ret) : -ENOENT;
}

int show_caches(struct fs *fs, int64_t id, struct buf *ret)
{
    _json_ json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    (void)id;
    while ((n = cache_list(fs->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct cache_row *row = store_get_cache(fs->store, ids[i]);
            _buf_ struct buf name = BUF_INIT;
            if (row && name_cache(fs, row->id, &name) == 0)
                json_array_append_new(
                    list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "file", buf_str(&name), "key",
                                    row->key, "version", row->version, "repository", row->repository, "ref",
                                    row->ref, "size", (json_int_t)row->size, "created_at",
                                    time_json(row->created_at), "used_at", time_json(row->used_at)));
            cache_row_unref(row);
        }
        after = ids[n - 1];
    }
    return add_list(list, ret);
}
