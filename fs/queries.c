/* search/QUERY: any name is a query. Those that were asked last are kept, with what was found. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/search.h"
#include "runfs/str.h"

/* Ids of hits are that of the query times HITS, and the rank. */
enum { HITS = 64, FRESH_NS = 500 * 1000 * 1000 };

struct query {
    int64_t id;
    int64_t role; /* its directory's; 0: whichever is selected */
    char *text;   /* owned */
    int64_t searched_at;
    struct search_hits hits; /* owned */
};

static void query_free(struct query *q)
{
    if (!q)
        return;
    search_hits_release(&q->hits);
    free(q->text);
    free(q);
}

void queries_release(struct fs *fs)
{
    for (size_t i = 0; i < QUERIES; i++)
        query_free(fs->queries[i]);
}

/* Under the lock. NULL: others were asked since. */
static struct query *query_get(struct fs *fs, int64_t id)
{
    struct query *q = id > 0 ? fs->queries[id % QUERIES] : NULL;

    return q && q->id == id ? q : NULL;
}

static int64_t find_query(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = 0;

    if (!utf8_valid(name, strlen(name)))
        return 0;
    struct query *q = calloc(1, sizeof(*q));
    if (!q || !(q->text = strdup(name))) {
        query_free(q);
        return 0;
    }
    q->role = up;
    pthread_mutex_lock(&fs->lock);
    for (size_t i = 0; i < QUERIES && !id; i++)
        if (fs->queries[i] && fs->queries[i]->role == up && str_eq(fs->queries[i]->text, name))
            id = fs->queries[i]->id;
    if (!id) {
        id = q->id = ++fs->next_query;
        query_free(fs->queries[id % QUERIES]);
        fs->queries[id % QUERIES] = TAKE(q);
    }
    pthread_mutex_unlock(&fs->lock);
    query_free(q);
    return id;
}

/* What was asked is not listed: a directory that grows by being looked at would never be read to its end. */
static ssize_t next_query(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)fs, (void)up, (void)after, (void)ids, (void)max;
    return 0;
}

static int name_query(struct fs *fs, int64_t id, struct buf *ret)
{
    pthread_mutex_lock(&fs->lock);
    const struct query *q = query_get(fs, id);
    if (q)
        buf_adds(ret, q->text);
    pthread_mutex_unlock(&fs->lock);
    return q ? 0 : -ENOENT;
}

const struct name_class class_queries = {find_query, next_query, name_query};

/* Searches, unless that was done since then (mono_ns; now: in any case). Hits that still stand stay. */
static int refresh(struct fs *fs, int64_t id, int64_t since)
{
    _buf_ struct buf text = BUF_INIT, role = BUF_INIT;
    _search_hits_ struct search_hits hits = {0};
    struct err err = {0};
    int64_t role_id;

    pthread_mutex_lock(&fs->lock);
    struct query *q = query_get(fs, id);
    bool fresh = q && q->searched_at && q->searched_at >= since;
    if (q)
        buf_adds(&text, q->text);
    hits.as_of = q ? q->hits.as_of : 0;
    role_id = q ? q->role : 0;
    pthread_mutex_unlock(&fs->lock);
    if (!q || fresh)
        return q ? 0 : -ENOENT;
    if (role_id && fs_role_name(fs, role_id, &role) < 0)
        return -ENOENT;
    int64_t now = mono_ns();
    int r = search_documents(fs->searcher, role_id ? buf_str(&role) : NULL, buf_str(&text), &hits, &err);
    if (r < 0) {
        log_warning("search", "%s", err.msg);
        return r;
    }
    pthread_mutex_lock(&fs->lock);
    q = query_get(fs, id);
    if (q && r == 0) {
        struct search_hits old = q->hits;
        q->hits = hits;
        hits = old;
    }
    if (q)
        q->searched_at = now;
    pthread_mutex_unlock(&fs->lock);
    return q ? 0 : -ENOENT;
}

/* Hits behind that rank. */
static ssize_t list_hits(struct fs *fs, int64_t up, int64_t rank, int64_t *ids, size_t max)
{
    size_t n = 0;

    pthread_mutex_lock(&fs->lock);
    const struct query *q = query_get(fs, up);
    while (q && n < max && rank < (int64_t)q->hits.n)
        ids[n++] = up * HITS + ++rank;
    pthread_mutex_unlock(&fs->lock);
    return (ssize_t)n;
}

static ssize_t next_hit(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    int r = after ? 0 : refresh(fs, up, INT64_MAX);

    if (r < 0)
        return r == -EBUSY ? r : 0; /* files are being indexed */
    return list_hits(fs, up, after % HITS, ids, max);
}

/* Under the lock. */
static const struct search_hit *hit_get(struct fs *fs, int64_t id)
{
    const struct query *q = query_get(fs, id / HITS);
    int64_t rank = id % HITS;

    return q && rank >= 1 && rank <= (int64_t)q->hits.n ? &q->hits.hits[rank - 1] : NULL;
}

static int name_hit(struct fs *fs, int64_t id, struct buf *ret)
{
    pthread_mutex_lock(&fs->lock);
    const struct search_hit *hit = hit_get(fs, id);
    if (hit) {
        buf_addf(ret, "%02d-", (int)(id % HITS));
        buf_add_slug(ret, hit->title, 80);
    }
    pthread_mutex_unlock(&fs->lock);
    return hit ? 0 : -ENOENT;
}

/* The links of a listing are of the search that it was made of. */
static int64_t find_hit(struct fs *fs, int64_t up, const char *name)
{
    int64_t ids[HITS];
    ssize_t n = 0;

    if (name[0] >= '0' && name[0] <= '9' && refresh(fs, up, mono_ns() - FRESH_NS) == 0)
        n = list_hits(fs, up, 0, ids, HITS);
    for (ssize_t i = 0; i < n; i++) {
        _buf_ struct buf full = BUF_INIT;
        if (name_hit(fs, ids[i], &full) == 0 && str_eq(buf_str(&full), name))
            return ids[i];
    }
    return 0;
}

const struct name_class class_hits = {find_hit, next_hit, name_hit};

int link_hit(struct fs *fs, int64_t id, struct buf *ret)
{
    pthread_mutex_lock(&fs->lock);
    const struct search_hit *hit = hit_get(fs, id);
    if (hit && hit->path[0] == '/')
        buf_adds(ret, hit->path);
    else if (hit && query_get(fs, id / HITS)->role)
        buf_addf(ret, "../../../../%s", hit->path);
    else if (hit && str_starts(hit->path, "knowledge/"))
        buf_addf(ret, "../../%s", hit->path + strlen("knowledge/"));
    else if (hit)
        buf_addf(ret, "../../../%s", hit->path);
    pthread_mutex_unlock(&fs->lock);
    return hit ? 0 : -ENOENT;
}

int show_results(struct fs *fs, int64_t id, struct buf *ret)
{
    int r = refresh(fs, id, INT64_MAX);

    if (r < 0)
        return r;
    pthread_mutex_lock(&fs->lock);
    const struct query *q = query_get(fs, id);
    r = q ? search_json(q->text, &q->hits, ret) : -ENOENT;
    pthread_mutex_unlock(&fs->lock);
    return r;
}
