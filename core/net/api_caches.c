/* GitHub's REST API: what jobs keep for later runs (GitHub documentation, "REST API endpoints for GitHub
 * Actions cache"). */
#include <stdlib.h>

#include "api_internal.h"
#include "runfs/cache.h"

/* Which caches are meant. Borrowed; "" for any. */
struct wanted {
    const char *key, *ref;
    struct store *store;
    struct buf repository; /* owned; "": the dropped ones */
    bool whole;            /* key is a whole one, not the beginning */
};

static bool key_fits(const struct wanted *w, const char *key)
{
    size_t len = strlen(w->key);

    return w->whole ? str_eq_ascii_nocase(key, w->key) : strncasecmp(key, w->key, len) == 0;
}

static void wanted_release(struct wanted *w)
{
    buf_release(&w->repository);
}
#define _wanted_ _cleanup_(wanted_release)

/* False: a reply was made. */
static bool find_repository(struct http_request *r, struct wanted *w)
{
    struct server *s = http_data(r);
    struct repository repo;

    if (!api_repository(r, &repo))
        return false;
    w->store = s->store;
    if (repo.repo_id)
        (void)engine_repository_name(s->engine, repo.repo_id, &w->repository);
    return true;
}

/* All that was dropped runs as local/NAME, and so does a linked repository without an origin. */
static bool is_of(const struct wanted *w, const char *repository)
{
    if (w->repository.len)
        return str_eq_ascii_nocase(repository, buf_str(&w->repository));
    return str_starts(repository, "local/") && store_find_repo_called(w->store, repository) == 0;
}

static bool fits(const struct wanted *w, const struct cache_row *c)
{
    return is_of(w, c->repository) && key_fits(w, c->key) && (!*w->ref || str_eq(c->ref, w->ref));
}

/* ------------------------------------------------------------------------------------------------ finding */

struct found {
    const struct cache_row **rows; /* owned, with a reference each */
    size_t n, room;
};

static void found_release(struct found *f)
{
    for (size_t i = 0; i < f->n; i++)
        cache_row_unref(f->rows[i]);
    free(f->rows);
}
#define _found_ _cleanup_(found_release)

static int found_add(struct found *f, const struct cache_row *row)
{
    if (f->n == f->room) {
        size_t room = f->room ? f->room * 2 : 64;
        const struct cache_row **rows = realloc(f->rows, room * sizeof(*rows));
        if (!rows) {
            cache_row_unref(row);
            return -ENOMEM;
        }
        f->rows = rows;
        f->room = room;
    }
    f->rows[f->n++] = row;
    return 0;
}

/* All that fit, oldest first. 0 or -ENOMEM */
static int find(struct store *st, const struct wanted *w, struct found *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = cache_list(st, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct cache_row *row = store_get_cache(st, ids[i]);
            if (row && !fits(w, row))
                cache_row_unref(row);
            else if (row && found_add(ret, row) < 0)
                return -ENOMEM;
        }
        after = ids[n - 1];
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ listing */

static int by_use(const void *a, const void *b)
{
    const struct cache_row *x = *(const struct cache_row *const *)a, *y = *(const struct cache_row *const *)b;

    return (x->used_at > y->used_at) - (x->used_at < y->used_at);
}

static int by_birth(const void *a, const void *b)
{
    const struct cache_row *x = *(const struct cache_row *const *)a, *y = *(const struct cache_row *const *)b;

    return (x->created_at > y->created_at) - (x->created_at < y->created_at);
}

static int by_size(const void *a, const void *b)
{
    const struct cache_row *x = *(const struct cache_row *const *)a, *y = *(const struct cache_row *const *)b;

    return (x->size > y->size) - (x->size < y->size);
}

/* Sorts as the query says; by last use, newest first, where it does not. False: a reply was made. */
static bool sort(struct http_request *r, struct found *f)
{
    static const struct {
        const char *name;
        int (*order)(const void *a, const void *b);
    } orders[] = {{"last_accessed_at", by_use}, {"created_at", by_birth}, {"size_in_bytes", by_size}};
    const char *name = http_query(r, "sort"), *direction = http_query(r, "direction");
    size_t i = 0;

    while (name && *name && i < ARRAY_LEN(orders) && !str_eq(orders[i].name, name))
        i++;
    if (i == ARRAY_LEN(orders)) {
        api_fail(r, 422, "sort is created_at, last_accessed_at or size_in_bytes");
        return false;
    }
    if (direction && *direction && !str_eq(direction, "asc") && !str_eq(direction, "desc")) {
        api_fail(r, 422, "direction is asc or desc");
        return false;
    }
    if (f->n)
        qsort(f->rows, f->n, sizeof(f->rows[0]), orders[i].order);
    for (size_t k = 0; (!direction || !str_eq(direction, "asc")) && k < f->n / 2; k++) {
        const struct cache_row *row = f->rows[k];
        f->rows[k] = f->rows[f->n - 1 - k];
        f->rows[f->n - 1 - k] = row;
    }
    return true;
}

static json_t *cache_json(const struct cache_row *c)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:o, s:o}", "id", (json_int_t)c->id, "key", c->key, "ref",
                     c->ref, "version", c->version, "size_in_bytes", (json_int_t)c->size, "created_at",
                     api_time(c->created_at), "last_accessed_at", api_time(c->used_at));
}

void api_list_caches(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    _wanted_ struct wanted w = {.key = query_text(r, "key"), .ref = query_text(r, "ref")};
    size_t from = (size_t)((page.page - 1) * page.per_page);
    _json_ json_t *list = json_array();
    _found_ struct found f = {0};

    if (!find_repository(r, &w))
        return;
    if (find(s->store, &w, &f) < 0) {
        api_fail(r, 500, "no memory");
        return;
    }
    if (!sort(r, &f))
        return;
    for (size_t i = from; i < f.n && i < from + (size_t)page.per_page; i++)
        json_array_append_new(list, cache_json(f.rows[i]));
    api_link(r, page, (int64_t)f.n);
    http_reply_json(r, 200, json_pack("{s:I, s:O}", "total_count", (json_int_t)f.n, "actions_caches", list));
}

void api_cache_usage(struct http_request *r)
{
    struct server *s = http_data(r);
    _wanted_ struct wanted w = {.key = "", .ref = ""};
    _buf_ struct buf name = BUF_INIT;
    _found_ struct found f = {0};
    int64_t size = 0;

    if (!find_repository(r, &w))
        return;
    if (find(s->store, &w, &f) < 0) {
        api_fail(r, 500, "no memory");
        return;
    }
    for (size_t i = 0; i < f.n; i++)
        size += f.rows[i]->size;
    buf_addf(&name, "%s/%s", http_param(r, "owner"), http_param(r, "repo"));
    http_reply_json(r, 200,
                    json_pack("{s:s, s:I, s:I}", "full_name", buf_str(&name), "active_caches_size_in_bytes",
                              (json_int_t)size, "active_caches_count", (json_int_t)f.n));
}

/* ----------------------------------------------------------------------------------------------- deleting */

void api_delete_cache(struct http_request *r)
{
    struct server *s = http_data(r);
    _wanted_ struct wanted w = {.key = "", .ref = ""};
    const char *text = http_param(r, "id");
    struct err err = {0};
    uint64_t id;

    if (!find_repository(r, &w))
        return;
    const struct cache_row *row =
        text && parse_u64(text, &id) == 0 && id <= INT64_MAX ? store_get_cache(s->store, (int64_t)id) : NULL;
    if (!row || !fits(&w, row))
        api_not_found(r);
    else if (cache_delete(s->store, row->id, &err) < 0)
        api_fail_err(r, &err, 409);
    else
        api_no_content(r);
    cache_row_unref(row);
}

void api_delete_caches(struct http_request *r)
{
    struct server *s = http_data(r);
    _wanted_ struct wanted w = {.key = query_text(r, "key"), .ref = query_text(r, "ref"), .whole = true};
    _json_ json_t *deleted = json_array();
    _found_ struct found f = {0};

    if (!find_repository(r, &w))
        return;
    if (!*w.key) {
        api_fail(r, 422, "key is missing: which cache is to be deleted?");
        return;
    }
    if (find(s->store, &w, &f) < 0) {
        api_fail(r, 500, "no memory");
        return;
    }
    for (size_t i = 0; i < f.n; i++)
        if (cache_delete(s->store, f.rows[i]->id, NULL) == 0)
            json_array_append_new(deleted, cache_json(f.rows[i]));
    if (json_array_size(deleted))
        http_reply_json(r, 200,
                        json_pack("{s:I, s:O}", "total_count", (json_int_t)json_array_size(deleted),
                                  "actions_caches", deleted));
    else
        api_not_found(r);
}
