/*
 * What a workflow of Gitea's or Forgejo's finds beside what GitHub's find: where it is, and the token under
 * their names for it. Gitea documentation, "Variables" and "Secrets"; Forgejo documentation,
 * "Forgejo Actions | Reference".
 */
#include "engine_internal.h"
#include "runfs/str.h"
#include "runfs/worktree.h"

/* In the order in which Forgejo's runner looks for it; Gitea's has the last two. */
static const char *const tokens[] = {"FORGEJO_TOKEN", "GITEA_TOKEN", "GITHUB_TOKEN"};

int forge_add_token_names(enum forge f, json_t **secrets)
{
    size_t first = f == FORGE_FORGEJO ? 0 : 1;
    json_t *token = NULL, *own;

    if (f == FORGE_GITHUB)
        return 0;
    for (size_t i = 0; !token && i < ARRAY_LEN(tokens); i++)
        token = json_object_get(*secrets, tokens[(first + i) % ARRAY_LEN(tokens)]);
    if (!token)
        return 0;
    if (!(own = json_copy(*secrets)))
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        if (!json_object_get(own, tokens[i]))
            json_object_set(own, tokens[i], token);
    json_decref(*secrets);
    *secrets = own;
    return 0;
}

/* "https://git.example.com:3000/sub" of "https://git.example.com:3000/sub/owner/name.git", whoever logs in
 * there; of other addresses what their host would be. */
static const char *server_of(const struct worktree *git, struct arena *a)
{
    const char *scheme = strstr(git->remote, "://"), *host = scheme ? scheme + 3 : NULL;
    size_t len = strlen(git->remote);

    if (!host || !str_starts(git->remote, "http") || !*git->full_name)
        return *git->full_name ? git->server : "";
    const char *at = memchr(host, '@', strcspn(host, "/"));
    while (len && git->remote[len - 1] == '/')
        len--;
    if (len > 4 && memcmp(git->remote + len - 4, ".git", 4) == 0)
        len -= 4;
    len -= strlen(git->full_name) + 1;
    host = at ? at + 1 : host;
    return git->remote + len > host ? arena_printf(a, "%.*s://%.*s", (int)(scheme - git->remote), git->remote,
                                                   (int)(git->remote + len - host), host)
                                    : git->server;
}

int forge_add_server(enum forge f, struct store *st, const char *repo_path, json_t *github)
{
    static const char api[] = "/api/v1";
    _arena_ struct arena a = {0};
    _buf_ struct buf set = BUF_INIT;
    struct worktree git;

    if (f == FORGE_GITHUB)
        return 0;
    worktree_read_remote(repo_path, &a, &git);
    const char *server = server_of(&git, &a);
    if (server && !*server) {
        (void)store_setting(st, SETTING_CONFIG, "github/api_url", &set);
        size_t len = strlen(buf_str(&set));
        server = str_ends(buf_str(&set), api) ? arena_strndup(&a, buf_str(&set), len - strlen(api))
                                              : json_string_value(json_object_get(github, "server_url"));
    }
    const char *address = server ? arena_printf(&a, "%s%s", server, api) : NULL;
    if (!address || json_object_set_new(github, "server_url", json_string(server)) < 0 ||
        json_object_set_new(github, "api_url", json_string(address)) < 0 ||
        json_object_set_new(github, "graphql_url", json_string("")) < 0)
        return -ENOMEM;
    return 0;
}
