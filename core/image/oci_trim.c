/*
 * How much room images have: what their layers take on the disk is counted once each, and beyond the bound
 * those images go that jobs fetched and that none has used for longest. What somebody pulled by hand stays,
 * as labels may mean it. With them, tools of former programs of this host.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/image/oci.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* What may go: an image, or a layer of tools. */
struct candidate {
    char name[OCI_HEX + 32]; /* ID or tools-NUMBER */
    json_t *layers;          /* owned: of an image; NULL: of tools */
    int64_t used, size;      /* when, last; of tools: on the disk */
    bool gone;
};

struct trim {
    const char *dir;        /* the state directory */
    json_t *names;          /* owned: ID -> [file of a name...]; null: one of them is to stay */
    json_t *layers;         /* owned: HEX -> [how many images have it, its size] */
    struct candidate *list; /* owned */
    size_t n;
    int64_t total;
    bool failed;
};

static void trim_release(struct trim *t)
{
    for (size_t i = 0; i < t->n; i++)
        json_decref(t->list[i].layers);
    free(t->list);
    json_decref(t->names);
    json_decref(t->layers);
}

/* -------------------------------------------------------------------------------------------------- sizes */

static int64_t size_within(int at, const char *name)
{
    _close_ int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int64_t size = 0;
    struct stat st;

    fd = d ? -1 : fd; /* it is d's */
    for (struct dirent *e; d && (e = readdir(d));) {
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        size += st.st_blocks * 512;
        if (S_ISDIR(st.st_mode))
            size += size_within(dirfd(d), e->d_name);
    }
    return size;
}

void oci_note_size(const char *state_dir, const char *layer, int64_t size)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;

    buf_addf(&path, "%s/containers/sizes", state_dir);
    buf_addf(&text, "%lld", (long long)size);
    if (!buf_ok(&path) || make_dirs(path.ptr, 0700) < 0)
        return;
    buf_addf(&path, "/%s", layer);
    if (buf_ok(&path) && buf_ok(&text))
        (void)write_file_atomic(path.ptr, text.ptr, text.len, 0600, NULL);
}

/* Of a layer, as was noted when it came; of others measured once, as they never change. */
static int64_t size_of(const char *state_dir, const char *layer)
{
    _buf_ struct buf dir = BUF_INIT, note = BUF_INIT, text = BUF_INIT;
    uint64_t known;

    buf_addf(&dir, "%s/containers/layers/%s", state_dir, layer);
    buf_addf(&note, "%s/containers/sizes/%s", state_dir, layer);
    if (!buf_ok(&dir) || !buf_ok(&note))
        return 0;
    if (read_file(note.ptr, 32, &text, NULL) == 0 && parse_u64(buf_str(&text), &known) == 0)
        return (int64_t)known;
    int64_t size = size_within(AT_FDCWD, dir.ptr);
    oci_note_size(state_dir, layer, size);
    return size;
}

/* ---------------------------------------------------------------------------------------- what there is */

static struct candidate *add(struct trim *t, const char *name, const struct stat *st)
{
    struct candidate *more = reallocarray(t->list, t->n + 1, sizeof(*more));

    t->failed |= !more;
    if (!more)
        return NULL;
    t->list = more;
    struct candidate *c = &more[t->n++];
    *c = (struct candidate){.used = timespec_ns(st->st_mtim)};
    snprintf(c->name, sizeof(c->name), "%s", name);
    return c;
}

static void find_names(struct trim *t)
{
    _strv_ char **names = NULL;

    t->failed |= oci_names(t->dir, &names, NULL) < 0;
    for (char **name = names; !t->failed && *name; name++) {
        _json_ json_t *entry = NULL;
        if (oci_read_name(t->dir, *name, &entry, NULL) < 0)
            continue;
        const char *id = json_string_value(json_object_get(entry, "id"));
        bool goes = json_is_true(json_object_get(entry, "by_job"));
        json_t *known = id ? json_object_get(t->names, id) : NULL;
        if (!id || json_is_null(known))
            continue;
        if (!goes)
            t->failed |= json_object_set_new(t->names, id, json_null()) < 0;
        else if (known)
            t->failed |= json_array_append_new(known, json_string(*name)) < 0;
        else
            t->failed |= json_object_set_new(t->names, id, json_pack("[s]", *name)) < 0;
    }
}

/* One more image, or one less, has these layers: what all take follows. */
static void count(struct trim *t, const json_t *layers, int by)
{
    json_t *layer;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)layers, i, layer)
    {
        const char *hex = json_string_value(layer);
        json_t *known = json_object_get(t->layers, hex);
        json_int_t n = json_integer_value(json_array_get(known, 0)) + by;
        int64_t size = known ? json_integer_value(json_array_get(known, 1)) : size_of(t->dir, hex);
        t->total += n == 0 ? -size : n == 1 && by > 0 ? size : 0;
        t->failed |= json_object_set_new(t->layers, hex, json_pack("[I, I]", n, (json_int_t)size)) < 0;
    }
}

static void find_images(struct trim *t)
{
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/containers/images", t->dir);
    _closedir_ DIR *d = opendir(buf_str(&dir));
    for (struct dirent *e; d && !t->failed && (e = readdir(d));) {
        _buf_ struct buf path = BUF_INIT;
        _json_ json_t *record = NULL;
        char id[OCI_HEX + 1];
        struct stat st;
        snprintf(id, sizeof(id), "%.*s", OCI_HEX, e->d_name);
        buf_addf(&path, "%s/%s", dir.ptr, e->d_name);
        if (!oci_is_hex(id) || !str_eq(e->d_name + OCI_HEX, ".json") || !buf_ok(&path) ||
            stat(path.ptr, &st) < 0 || oci_read_json(path.ptr, &record, NULL) < 0)
            continue;
        json_t *layers = json_object_get(record, "layers");
        count(t, layers, 1);
        if (json_is_null(json_object_get(t->names, id)))
            continue;
        struct candidate *c = add(t, id, &st);
        if (c)
            c->layers = json_incref(layers);
    }
}

static void find_tools(struct trim *t)
{
    _buf_ struct buf dir = BUF_INIT;
    struct stat st;

    buf_addf(&dir, "%s/containers/layers", t->dir);
    _closedir_ DIR *d = opendir(buf_str(&dir));
    for (struct dirent *e; d && !t->failed && (e = readdir(d));) {
        if (!oci_is_tools(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        struct candidate *c = add(t, e->d_name, &st);
        if (c)
            t->total += c->size = size_of(t->dir, e->d_name);
    }
}

/* -------------------------------------------------------------------------------------------------- going */

/* False: somebody uses it. */
static bool take_away_tools(const struct trim *t, const struct candidate *c)
{
    _buf_ struct buf path = BUF_INIT, away = BUF_INIT, note = BUF_INIT;

    buf_addf(&path, "%s/containers/layers/%s", t->dir, c->name);
    buf_addf(&away, "%s/containers/.tools", t->dir);
    buf_addf(&note, "%s/containers/sizes/%s", t->dir, c->name);
    _close_ int fd = buf_ok(&path) && buf_ok(&away) && buf_ok(&note)
                         ? open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                         : -1;
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || remove_tree(away.ptr) < 0 ||
        rename(path.ptr, away.ptr) < 0)
        return false;
    (void)unlink(note.ptr);
    (void)remove_tree(away.ptr);
    return true;
}

/* Its names; the rest is oci_collect()'s. */
static bool take_away_image(struct trim *t, const struct candidate *c)
{
    _buf_ struct buf path = BUF_INIT;
    json_t *name;
    size_t i;

    buf_addf(&path, "%s/containers/images/%s.json", t->dir, c->name);
    _close_ int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return false;
    json_array_foreach(json_object_get(t->names, c->name), i, name)
    {
        _buf_ struct buf file = BUF_INIT;
        buf_addf(&file, "%s/containers/names/", t->dir);
        oci_name_file(json_string_value(name), &file);
        if (!buf_ok(&file) || (unlink(file.ptr) < 0 && errno != ENOENT))
            return false;
    }
    count(t, c->layers, -1);
    return true;
}

static struct candidate *oldest(const struct trim *t)
{
    struct candidate *found = NULL;

    for (size_t i = 0; i < t->n; i++)
        if (!t->list[i].gone && (!found || t->list[i].used < found->used))
            found = &t->list[i];
    return found;
}

int64_t oci_trim_locked(const char *state_dir, int64_t most)
{
    _cleanup_(trim_release) struct trim t = {
        .dir = state_dir, .names = json_object(), .layers = json_object()};
    struct candidate *c;
    bool images = false;

    t.failed = !t.names || !t.layers;
    if (!t.failed)
        find_names(&t);
    if (!t.failed)
        find_images(&t);
    if (!t.failed)
        find_tools(&t);
    while (!t.failed && t.total > most && (c = oldest(&t))) {
        c->gone = true; /* or not to be had */
        if (c->layers)
            images |= take_away_image(&t, c);
        else if (take_away_tools(&t, c))
            t.total -= c->size;
    }
    if (images)
        oci_collect(state_dir);
    return t.failed ? 0 : t.total;
}

int oci_trim(const char *state_dir, int64_t most, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/containers", state_dir);
    if (buf_ok(&path) && access(path.ptr, F_OK) < 0)
        return 0;
    _close_ int lock = oci_lock(state_dir, err);
    if (lock < 0)
        return lock;
    (void)oci_trim_locked(state_dir, most);
    return 0;
}
