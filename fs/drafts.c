/* Drafts: what editors and rsync keep beside a workflow, in memory. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/str.h"

struct draft {
    int64_t id;
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

static struct draft *by_name(struct fs *fs, const char *name)
{
    struct draft *d = fs->drafts;

    while (d && !str_eq(d->name, name))
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

int64_t draft_find(struct fs *fs, const char *name)
{
    pthread_mutex_lock(&fs->lock);
    const struct draft *d = by_name(fs, name);
    int64_t id = d ? d->id : 0;
    pthread_mutex_unlock(&fs->lock);
    return id;
}

int64_t draft_make(struct fs *fs, const char *name, struct err *err)
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
        count++;
    if (count >= DRAFTS_MAX) {
        pthread_mutex_unlock(&fs->lock);
        draft_free(d);
        return err_set(err, -ENOSPC, "workflows/ holds %d files already that are no workflows", DRAFTS_MAX);
    }
    id = d->id = ++fs->next_draft;
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

void draft_drop(struct fs *fs, int64_t id)
{
    pthread_mutex_lock(&fs->lock);
    struct draft **at = &fs->drafts, *d;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    d = *at;
    if (d)
        *at = d->next;
    pthread_mutex_unlock(&fs->lock);
    if (d)
        draft_free(d);
}

int draft_rename(struct fs *fs, int64_t id, const char *name)
{
    int64_t old = draft_find(fs, name);
    char *copy = strdup(name);

    if (!copy)
        return -ENOMEM;
    if (old && old != id)
        draft_drop(fs, old);
    pthread_mutex_lock(&fs->lock);
    struct draft *d = by_id(fs, id);
    if (d) {
        free(d->name);
        d->name = copy;
    }
    pthread_mutex_unlock(&fs->lock);
    if (!d)
        free(copy);
    return d ? 0 : -ENOENT;
}

ssize_t draft_next(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    size_t n = 0;

    (void)up;
    pthread_mutex_lock(&fs->lock);
    for (const struct draft *d = fs->drafts; d && n < max; d = d->next)
        if (d->id > after)
            ids[n++] = d->id;
    pthread_mutex_unlock(&fs->lock);
    return (ssize_t)n;
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
