/* The roles, as terraphim's server tells its configuration. */
#include "api_internal.h"
#include "runfs/role_list.h"

/* What nobody is told, by what fields of secrets are called. */
static bool is_secret(const char *key)
{
    static const char *const words[] = {"secret", "key", "token", "pass", "credential", "auth", "cookie"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(key, words[i]))
            return true;
    return false;
}

static json_t *without_secrets(const json_t *value)
{
    json_t *ret = json_is_object(value) ? json_object() : json_is_array(value) ? json_array() : NULL, *one;
    const char *key;
    size_t i;

    json_object_foreach((json_t *)value, key,
                        one) if (!is_secret(key) || json_is_number(one) || json_is_boolean(one))(void)
        json_object_set_new(ret, key, without_secrets(one));
    json_array_foreach(value, i, one)(void) json_array_append_new(ret, without_secrets(one));
    return ret ? ret : json_incref((json_t *)value);
}

static void set_default(json_t *object, const char *key, json_t *value)
{
    const json_t *old = json_object_get(object, key);

    if (old && !json_is_null(old))
        json_decref(value);
    else
        (void)json_object_set_new(object, key, value);
}

/* A role with all that its reader may rely on. */
static json_t *role_json(const struct role *role)
{
    json_t *ret = without_secrets(role->json), *haystack;
    size_t i;

    set_default(ret, "shortname", json_string(role->shortname));
    set_default(ret, "terraphim_it", json_false());
    set_default(ret, "theme", json_string("default"));
    set_default(ret, "kg", json_null());
    json_array_foreach(json_object_get(ret, "haystacks"), i, haystack)
    {
        set_default(haystack, "service", json_string("Ripgrep"));
        set_default(haystack, "read_only", json_false());
    }
    return ret;
}

/* What one of the files says of the whole configuration; "" where none does. */
static const char *said(const struct role_list *list, const char *key)
{
    for (size_t i = 0; i < list->n_files; i++) {
        const char *text = json_string_value(json_object_get(list->files[i].json, key));
        if (text && json_object_get(list->files[i].json, "roles"))
            return text;
    }
    return "";
}

static const char *name_of(const struct role *role)
{
    return role ? role->name : "";
}

void api_config(struct http_request *r)
{
    struct server *s = http_data(r);
    struct role_list list = {0};
    json_t *roles = json_object();

    (void)role_list_refresh(&list, s->store);
    for (size_t i = 0; i < list.n; i++)
        (void)json_object_set_new(roles, list.roles[i].role->name, role_json(list.roles[i].role));
    const struct role *first = role_list_get(&list, said(&list, "default_role")),
                      *selected = role_list_get(&list, NULL);
    http_reply_json(r, 200,
                    json_pack("{s:s, s:{s:s, s:s, s:o, s:s, s:s}}", "status", "success", "config", "id",
                              "Server", "global_shortcut", said(&list, "global_shortcut"), "roles", roles,
                              "default_role", name_of(first || !list.n ? first : list.roles[0].role),
                              "selected_role",
                              selected || !list.selected ? name_of(selected) : list.selected));
    role_list_release(&list);
}
