/*
 * GitHub's REST API: the way by which events of a repository come here, as the one hook that it has, with the
 * number 1, once config/webhook/secret is there; and what was delivered. It is made where events are sent
 * from. GitHub documentation, "REST API endpoints for repository webhooks".
 */
#include "api_internal.h"
#include "runfs/event.h"

enum { LOOKED_THROUGH_MAX = 1000 /* deliveries, for a page of those of one repository */ };

/* False: there is none. ret: since when. */
static bool is_there(struct http_request *r, int64_t *ret_since)
{
    struct server *s = http_data(r);
    int64_t id = store_find_setting(s->store, SETTING_CONFIG, "webhook/secret");
    const struct setting_row *row = id > 0 ? store_get_setting(s->store, SETTING_CONFIG, id) : NULL;
    bool is = row && *row->value;

    *ret_since = row ? row->changed_at : 0;
    setting_row_unref(row);
    return is;
}

/* Where events are to be sent. */
static json_t *config_json(struct http_request *r)
{
    _buf_ struct buf url = BUF_INIT;

    api_web_base(r, &url);
    buf_adds(&url, "/webhook");
    return json_pack("{s:s, s:s, s:s, s:s}", "url", buf_str(&url), "content_type", "json", "secret",
                     "********", "insecure_ssl", "0");
}

static json_t *hook_json(struct http_request *r, int64_t since)
{
    return json_pack("{s:s, s:i, s:s, s:b, s:[s], s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:n, s:s, s:n}}",
                     "type", "Repository", "id", 1, "name", "web", "active", 1, "events", "*", "config",
                     config_json(r), "created_at", api_time(since), "updated_at", api_time(since), "url",
                     api_url(r, "/hooks/1"), "test_url", api_url(r, "/hooks/1/tests"), "ping_url",
                     api_url(r, "/hooks/1/pings"), "deliveries_url", api_url(r, "/hooks/1/deliveries"),
                     "last_response", "code", "status", "unused", "message");
}

void api_list_hooks(struct http_request *r)
{
    struct repository repo;
    int64_t since;

    if (!api_repository(r, &repo))
        return;
    bool is = is_there(r, &since);
    http_reply_json(r, 200, is ? json_pack("[o]", hook_json(r, since)) : json_array());
}

/* The one that :hook names. False: a reply was made. */
static bool find_hook(struct http_request *r, struct repository *ret, int64_t *ret_since)
{
    if (!api_repository(r, ret))
        return false;
    if (str_eq(http_param(r, "hook"), "1") && is_there(r, ret_since))
        return true;
    api_not_found(r);
    return false;
}

void api_get_hook(struct http_request *r)
{
    struct repository repo;
    int64_t since;

    if (find_hook(r, &repo, &since))
        http_reply_json(r, 200, hook_json(r, since));
}

void api_get_hook_config(struct http_request *r)
{
    struct repository repo;
    int64_t since;

    if (find_hook(r, &repo, &since))
        http_reply_json(r, 200, config_json(r));
}

/* ---------------------------------------------------------------------------------------------- deliveries
 */

/* Its payload, where it is of that repository, and as its sender sent it; NULL: it is not. */
static json_t *payload_of(struct http_request *r, const struct hook_row *row)
{
    struct server *s = http_data(r);
    _buf_ struct buf text = BUF_INIT, own = BUF_INIT;

    if (store_hook_payload(s->store, row->id, &text) < 0)
        return NULL;
    json_t *payload = json_loadb(buf_str(&text), text.len, 0, NULL);
    buf_addf(&own, "%s/%s", http_param(r, "owner"), http_param(r, "repo"));
    if (payload &&
        str_eq_ascii_nocase(json_text_at(json_object_get(payload, "repository"), "full_name"), buf_str(&own)))
        return payload;
    json_decref(payload);
    return NULL;
}

static json_t *delivery_json(const struct hook_row *row, const struct repository *repo, const json_t *payload)
{
    const char *action = api_text(payload, "action");

    return json_pack("{s:I, s:s, s:o, s:b, s:i, s:s, s:i, s:s, s:o, s:n, s:I}", "id", (json_int_t)row->id,
                     "guid", row->delivery, "delivered_at", api_time(row->changed_at), "redelivery", 0,
                     "duration", 0, "status", str_eq(row->state, "done") ? "OK" : row->state, "status_code",
                     202, "event", row->event, "action", *action ? json_string(action) : json_null(),
                     "installation_id", "repository_id", (json_int_t)repo->repo_id);
}

/* To the next page, as GitHub has it here: by where it begins. */
static void link_next(struct http_request *r, int64_t per_page, int64_t cursor)
{
    _buf_ struct buf link = BUF_INIT;

    buf_addc(&link, '<');
    api_base(r, &link);
    buf_addf(&link, "/repos/%s/%s/hooks/1/deliveries?per_page=%lld&cursor=%lld>; rel=\"next\"",
             http_param(r, "owner"), http_param(r, "repo"), (long long)per_page, (long long)cursor);
    if (buf_ok(&link))
        http_add_header(r, "Link", buf_str(&link));
}

/* Those of the repository among the ids, in their order, as long as the list is not full. Returns the last
 * one that was looked at. */
static int64_t add_deliveries(struct http_request *r, const struct repository *repo, const int64_t *ids,
                              ssize_t n, size_t max, json_t *list)
{
    struct server *s = http_data(r);
    int64_t last = 0;

    for (ssize_t i = 0; i < n && json_array_size(list) < max; i++) {
        const struct hook_row *row = store_get_hook(s->store, ids[i]);
        _json_ json_t *payload = row ? payload_of(r, row) : NULL;
        if (payload)
            json_array_append_new(list, delivery_json(row, repo, payload));
        hook_row_unref(row);
        last = ids[i];
    }
    return last;
}

/* Newest first. */
void api_list_deliveries(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    const char *cursor = query_text(r, "cursor");
    struct repository repo;
    int64_t ids[100], since, before = INT64_MAX;
    uint64_t given;
    size_t looked = 0;
    ssize_t n = 0;

    if (!find_hook(r, &repo, &since))
        return;
    if (*cursor && (parse_u64(cursor, &given) < 0 || given > INT64_MAX)) {
        api_fail(r, 422, "cursor is none that was given here");
        return;
    }
    before = *cursor ? (int64_t)given : before;
    json_t *list = json_array();
    while (json_array_size(list) < (size_t)page.per_page && looked < LOOKED_THROUGH_MAX &&
           (n = store_list_hooks_before(s->store, before, ids, ARRAY_LEN(ids))) > 0) {
        before = add_deliveries(r, &repo, ids, n, (size_t)page.per_page, list);
        looked += (size_t)n;
    }
    if (store_list_hooks_before(s->store, before, ids, 1) > 0)
        link_next(r, page.per_page, before);
    http_reply_json(r, 200, list);
}

/* The one that :delivery names, with its payload, which is to be released. NULL: a reply was made. */
static const struct hook_row *find_delivery(struct http_request *r, struct repository *ret, json_t **payload)
{
    struct server *s = http_data(r);
    int64_t since;
    uint64_t id = 0;

    if (!find_hook(r, ret, &since))
        return NULL;
    bool is = parse_u64(http_param(r, "delivery"), &id) == 0 && id <= INT64_MAX;
    const struct hook_row *row = is ? store_get_hook(s->store, (int64_t)id) : NULL;
    *payload = row ? payload_of(r, row) : NULL;
    if (*payload)
        return row;
    hook_row_unref(row);
    api_not_found(r);
    return NULL;
}

static json_t *headers_json(const char *lines)
{
    json_t *headers = json_object();

    while (*lines) {
        size_t len = strcspn(lines, "\n"), name = strcspn(lines, ":\n");
        _free_ char *key = strndup(lines, name);
        if (key && name + 2 <= len)
            json_object_set_new(headers, key, json_stringn(lines + name + 2, len - name - 2));
        lines += len + (lines[len] == '\n');
    }
    return headers;
}

/* With what was sent, and what came of it. */
void api_get_delivery(struct http_request *r)
{
    struct repository repo;
    _json_ json_t *payload = NULL;
    const struct hook_row *row = find_delivery(r, &repo, &payload);

    if (!row)
        return;
    json_t *json = delivery_json(row, &repo, payload), *url = config_json(r);
    json_object_set(json, "url", json_object_get(url, "url"));
    json_decref(url);
    json_object_set_new(json, "request",
                        json_pack("{s:o, s:O}", "headers", headers_json(row->headers), "payload", payload));
    json_object_set_new(json, "response", json_pack("{s:{}, s:s}", "headers", "payload", row->verdict));
    http_reply_json(r, 200, json);
    hook_row_unref(row);
}

/* As if its sender sent it once more: one that was cut off goes on, any other has been done. */
void api_redeliver(struct http_request *r)
{
    struct repository repo;
    _json_ json_t *payload = NULL;
    const struct hook_row *row = find_delivery(r, &repo, &payload);

    if (!row)
        return;
    if (webhook_revive(http_data(r), row->id))
        http_reply_json(r, 202, json_object());
    else
        api_fail(r, 422, "it was delivered: nothing starts twice by it. Run its runs again instead");
    hook_row_unref(row);
}
