/* GitHub's REST API: who people are. Logins are all that is known of them; what GitHub says of a user besides
 * is made from that, or is nothing. GitHub documentation, "REST API endpoints for users". */
#include <stdarg.h>

#include "api_internal.h"

json_t *api_node_id(const char *type, int64_t id)
{
    _buf_ struct buf plain = BUF_INIT, text = BUF_INIT;

    buf_addf(&plain, "%s%lld", type, (long long)id);
    buf_add_base64(&text, buf_str(&plain), plain.len);
    return json_string(buf_str(&text));
}

int64_t api_name_id(const char *name)
{
    return (int64_t)(str_hash(name) % 1000000000) + 1;
}

json_t *api_email(const char *login)
{
    return json_sprintf("%s@runfs.invalid", *login ? login : "nobody");
}

json_t *api_link_to(struct http_request *r, bool page, const char *fmt, ...)
{
    _buf_ struct buf url = BUF_INIT;
    va_list ap;

    if (page)
        api_web_base(r, &url);
    else
        api_base(r, &url);
    va_start(ap, fmt);
    buf_addv(&url, fmt, ap);
    va_end(ap);
    return json_string(buf_str(&url));
}

json_t *api_user_json(struct http_request *r, const char *login)
{
    static const struct {
        const char *key, *below;
    } urls[] = {
        {"url", ""},
        {"followers_url", "/followers"},
        {"following_url", "/following{/other_user}"},
        {"gists_url", "/gists{/gist_id}"},
        {"starred_url", "/starred{/owner}{/repo}"},
        {"subscriptions_url", "/subscriptions"},
        {"organizations_url", "/orgs"},
        {"repos_url", "/repos"},
        {"events_url", "/events{/privacy}"},
        {"received_events_url", "/received_events"},
    };
    json_t *json = json_pack(
        "{s:s, s:I, s:o, s:s, s:s, s:b}", "login", login, "id", (json_int_t)api_name_id(login), "node_id",
        api_node_id("User", api_name_id(login)), "gravatar_id", "", "type", "User", "site_admin", 0);

    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        json_object_set_new(json, urls[i].key, api_link_to(r, false, "/users/%s%s", login, urls[i].below));
    json_object_set_new(json, "html_url", api_link_to(r, true, "/%s", login));
    json_object_set_new(json, "avatar_url", api_link_to(r, true, "/%s.png", login));
    return json;
}

/* With what GitHub tells of one who is asked for alone. */
static json_t *whole_user(struct http_request *r, const char *login)
{
    static const char *const none[] = {"company", "location", "email",           "hireable",
                                       "bio",     "blog",     "twitter_username"},
                             *const zero[] = {"public_repos", "public_gists", "followers", "following"};
    json_t *json = api_user_json(r, login), *since = api_time(1000000000LL);

    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        json_object_set_new(json, none[i], json_null());
    for (size_t i = 0; i < ARRAY_LEN(zero); i++)
        json_object_set_new(json, zero[i], json_integer(0));
    json_object_set_new(json, "name", json_string(login));
    json_object_set(json, "created_at", since);
    json_object_set(json, "updated_at", since);
    json_decref(since);
    return json;
}

void api_user(struct http_request *r)
{
    static const char *const zero[] = {"private_gists", "total_private_repos", "owned_private_repos",
                                       "disk_usage", "collaborators"};
    _buf_ struct buf who = BUF_INIT;

    access_login(r, &who);
    json_t *json = whole_user(r, buf_str(&who));
    for (size_t i = 0; i < ARRAY_LEN(zero); i++)
        json_object_set_new(json, zero[i], json_integer(0));
    json_object_set_new(json, "two_factor_authentication", json_false());
    http_add_header(r, "X-OAuth-Scopes", "repo, read:org, workflow");
    http_reply_json(r, 200, json);
}

void api_get_user(struct http_request *r)
{
    http_reply_json(r, 200, whole_user(r, http_param(r, "login")));
}

/* Whatever a repository's name begins with may be one. */
void api_get_organization(struct http_request *r)
{
    static const char *const below[] = {"repos", "events", "hooks", "issues", "members", "public_members"},
                             *const strings[] = {"company", "location", "email", "blog", "twitter_username"};
    const char *login = http_param(r, "login");
    json_t *json = whole_user(r, login);
    char key[32];

    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        snprintf(key, sizeof(key), "%s_url", below[i]);
        json_object_set_new(json, key,
                            api_link_to(r, false, "/orgs/%s/%s%s", login, below[i],
                                        str_ends(below[i], "members") ? "{/member}" : ""));
    }
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        json_object_del(json, strings[i]);
    json_object_set_new(json, "url", api_link_to(r, false, "/orgs/%s", login));
    json_object_set_new(json, "type", json_string("Organization"));
    json_object_set_new(json, "description", json_null());
    json_object_set_new(json, "archived_at", json_null());
    json_object_set_new(json, "has_organization_projects", json_false());
    json_object_set_new(json, "has_repository_projects", json_false());
    http_reply_json(r, 200, json);
}

void api_list_repositories(struct http_request *r)
{
    api_list_repositories_of(r, http_param(r, "login"));
}

void api_no_organizations(struct http_request *r)
{
    http_reply_json(r, 200, json_array());
}
