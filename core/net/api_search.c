/* Searching by HTTP, as knowledge/search/ does. */
#include <math.h>

#include "api_internal.h"
#include "runfs/search.h"

/* With the types that terraphim's clients read: an id is a text, a rank a whole number, here of millionths.
 */
static json_t *results_of(const struct search_hits *hits, uint64_t skip, uint64_t limit)
{
    json_t *results = search_results(hits, skip, limit), *hit;
    size_t i;

    json_array_foreach(results, i, hit)
    {
        char id[32];
        double rank = json_real_value(json_object_get(hit, "rank")) * 1e6;
        snprintf(id, sizeof(id), "%lld", (long long)json_integer_value(json_object_get(hit, "id")));
        json_object_set_new(hit, "id", json_string(id));
        json_object_set_new(hit, "rank", json_integer(rank > 0 && rank < 9e18 ? llround(rank) : 0));
    }
    return results;
}

static void reply_search(struct http_request *r, const char *query, const char *role, uint64_t skip,
                         uint64_t limit)
{
    struct server *s = http_data(r);
    _search_hits_ struct search_hits hits = {0};
    struct err err = {0};

    if (!query || !utf8_valid(query, strlen(query))) {
        api_fail(r, 422, "query is to be a text");
        return;
    }
    int code = search_documents(s->searcher, role && *role ? role : NULL, query, &hits, &err);
    if (code < 0)
        api_fail(r,
                 code == -ENOENT   ? 404
                 : code == -EINVAL ? 422
                                   : 500,
                 code == -ENOENT || code == -EINVAL ? err.msg : "the search failed");
    else
        http_reply_json(r, 200,
                        json_pack("{s:s, s:o, s:i}", "status", "success", "results",
                                  results_of(&hits, skip, limit), "total", (int)hits.n));
}

/* Whether it is a number or not there. */
static bool read_number(const char *text, uint64_t *ret)
{
    return !text || parse_u64(text, ret) == 0;
}

void search_by_query(struct http_request *r)
{
    uint64_t skip = 0, limit = SEARCH_HITS_MAX;

    if (!read_number(http_query(r, "skip"), &skip) || !read_number(http_query(r, "limit"), &limit))
        api_fail(r, 422, "skip and limit are to be whole numbers");
    else
        reply_search(r, http_query(r, http_query(r, "query") ? "query" : "search_term"),
                     http_query(r, "role"), skip, limit);
}

static bool take_number(const json_t *value, uint64_t *ret)
{
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

void search_by_body(struct http_request *r)
{
    _json_ json_t *body = api_body(r);
    uint64_t skip = 0, limit = SEARCH_HITS_MAX;

    if (!body)
        return;
    const json_t *role = json_object_get(body, "role"), *query = json_object_get(body, "query");
    if (role && !json_is_string(role) && !json_is_null(role))
        api_fail(r, 422, "role is to be a text");
    else if (!take_number(json_object_get(body, "skip"), &skip) ||
             !take_number(json_object_get(body, "limit"), &limit))
        api_fail(r, 422, "skip and limit are to be whole numbers");
    else
        reply_search(r, json_string_value(query ? query : json_object_get(body, "search_term")),
                     json_string_value(role), skip, limit);
}
