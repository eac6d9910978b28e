/* Drafts: what editors and rsync keep beside a workflow or a setting, in memory. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/str.h"

struct draft {
    int64_t id;
    int dir;    /* its directory's row */
    char *name; /* owned */
    struct buf text;
    int64_t changed_at;
    struct draft *next;
};

static struct draft *by_id(struct fs *fs, int64_t id)
{
    struct draft *d = fs->drafts;

    while (d && d->id != id)
        d = d->next;
    return d;
}

static struct draft *by_name(struct fs *fs, int dir, const char *name)
{
    struct draft *d = fs->drafts;

    while (d && !(d->dir == dir && str_eq(d->name, name)))
        d = d->next;
    return d;
}

static void draft_free(struct draft *d)
{
    free(d->name);
    buf_release(&d->text);
    free(d);
}

bool is_workflow_name(const char *name)
{
    return name[0] != '.' && (str_ends(name, ".yml") || str_ends(name, ".yaml"));
}

bool is_page_name(const char *name)
{
    return name[0] != '.' && ((str_ends(name, ".md") && strlen(name) > strlen(".md")) ||
                              (str_ends(name, ".txt") && strlen(name) > strlen(".txt")));
}

int64_t draft_find(struct fs *fs, int dir, const char *name)
{
    pthread_mutex_lock(&fs->lock);
    const struct draft *d = by_name(fs, dir, name);
    int64_t id = d ? d->id : 0;
    pthread_mutex_unlock(&fs->lock);
    return id;
}

int64_t draft_make(struct fs *fs, int dir, const char *name, struct err *err)
{
    struct draft *d = calloc(1, sizeof(*d));
    size_t count = 0;
    int64_t id;

    if (!d || !(d->name = strdup(name))) {
        free(d);
        return err_errno(err, -ENOMEM, "%s", name);
    }
    pthread_mutex_lock(&fs->lock);
    for (const struct draft *other = fs->drafts; other; other = other->next)
        count += other->dir == dir;
    if (count >= DRAFTS_MAX) {
        pthread_mutex_unlock(&fs->lock);
        draft_free(d);
        return err_set(err, -ENOSPC, "%s/ holds %d files already that are kept in memory only",
                       tree[dir].name, DRAFTS_MAX);
    }
    id = d->id = ++fs->next_draft;
    d->dir = dir;
    d->changed_at = now_ns();
    struct draft **end = &fs->drafts;
    while (*end)
        end = &(*end)->next;
    *end = d;
    pthread_mutex_unlock(&fs->lock);
    return id;
}

int draft_put(struct fs *fs, int64_t id, const char *text, size_t len)
{
    int r = -ENOENT;

    pthread_mutex_lock(&fs->lock);
    struct draft *d = by_id(fs, id);
    if (d) {
        buf_reset(&d->text);
        buf_add(&d->text, text, len);
        d->changed_at = now_ns();
        r = buf_ok(&d->text) ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&fs->lock);
    return r;
}

int draft_get(struct fs *fs, int64_t id, struct buf *ret)
{
    pthread_mutex_lock(&fs->lock);
    const struct draft *d = by_id(fs, id);
    if (d)
        buf_add(ret, buf_str(&d->text), d->text.len);
    pthread_mutex_unlock(&fs->lock);
    return d ? 0 : -ENOENT;
}

int draft_name(struct fs *fs, int64_t id, struct buf *ret)
{
    pthread_mutex_lock(&fs->lock);
    const struct draft *d = by_id(fs, id);
    if (d)
        buf_adds(ret, d->name);
    pthread_mutex_unlock(&fs->lock);
    return d ? 0 : -ENOENT;
}

/* With the lock held. */
static void drop(struct fs *fs, int64_t id)
{
    struct draft **at = &fs->drafts, *d;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (!(d = *at))
        return;
    *at = d->next;
    draft_free(d);
}

void draft_drop(struct fs *fs, int64_t id)
{
    pthread_mutex_lock(&fs->lock);
    drop(fs, id);
    pthread_mutex_unlock(&fs->lock);
}

int draft_rename(struct fs *fs, int64_t id, const char *name)
{
    char *copy = strdup(name);

    if (!copy)
        return -ENOMEM;
    pthread_mutex_lock(&fs->lock);
    struct draft *d = by_id(fs, id);
    struct draft *old = d ? by_name(fs, d->dir, name) : NULL;
    if (old && old != d)
        drop(fs, old->id);
    if (d) {
        free(d->name);
        d->name = copy;
    }
    pthread_mutex_unlock(&fs->lock);
    if (!d)
        free(copy);
    return d ? 0 : -ENOENT;
}

size_t draft_next(struct fs *fs, int dir, int64_t after, int64_t *ids, size_t max)
{
    size_t n = 0;

    pthread_mutex_lock(&fs->lock);
    for (const struct draft *d = fs->drafts; d && n < max; d = d->next)
        if (d->id > after && d->dir == dir)
            ids[n++] = d->id;
    pthread_mutex_unlock(&fs->lock);
    return n;
}

void drafts_release(struct fs *fs)
{
    while (fs->drafts)
        drop(fs, fs->drafts->id);
}

int draft_stat(struct fs *fs, int64_t id, struct stat *st)
{
    pthread_mutex_lock(&fs->lock);
    const struct draft *d = by_id(fs, id);
    if (d) {
        st->st_size = (off_t)d->text.len;
        st->st_mtim = (struct timespec){d->changed_at / 1000000000, d->changed_at % 1000000000};
        st->st_ctim = st->st_atim = st->st_mtim;
    }
    pthread_mutex_unlock(&fs->lock);
    return d ? 0 : -ENOENT;
}
