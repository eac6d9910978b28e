/* What GitHub's, Gitea's and Forgejo's folders, variables and contexts are called. */
#include "runfs/forge.h"

#include <string.h>
#include <strings.h>

#include "runfs/str.h"

static const struct {
    const char *top, *folder, *prefix;
} forges[FORGES] = {
    [FORGE_GITHUB] = {".github", ".github/workflows", "GITHUB"},
    [FORGE_GITEA] = {".gitea", ".gitea/workflows", "GITEA"},
    [FORGE_FORGEJO] = {".forgejo", ".forgejo/workflows", "FORGEJO"},
};

const char *forge_folder(enum forge f)
{
    return forges[f < FORGES ? f : FORGE_GITHUB].folder;
}

const char *forge_top(enum forge f)
{
    return forges[f < FORGES ? f : FORGE_GITHUB].top;
}

const char *forge_prefix(enum forge f)
{
    return forges[f < FORGES ? f : FORGE_GITHUB].prefix;
}

enum forge forge_of_path(const char *path, const char **ret_rest)
{
    enum forge f = FORGE_GITHUB;

    for (; f < FORGES; f++) {
        size_t n = strlen(forges[f].folder);
        if (strncmp(path, forges[f].folder, n) == 0 && path[n] == '/') {
            path += n + 1;
            break;
        }
    }
    if (ret_rest)
        *ret_rest = path;
    return f;
}

enum forge forge_around(const char *path, size_t *ret_len)
{
    enum forge found = FORGE_UNKNOWN;

    *ret_len = 0;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
        for (enum forge f = FORGE_GITHUB; f < FORGES; f++) {
            size_t n = strlen(forges[f].top);
            if (strncmp(slash + 1, forges[f].top, n) == 0 && slash[1 + n] == '/') {
                found = f;
                *ret_len = (size_t)(slash - path);
            }
        }
    return found;
}

bool forge_is_context(const char *name, size_t len)
{
    static const char *const names[] = {"gitea", "forgejo", "forge"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0)
            return true;
    return false;
}

const char *forge_behind_host(const char *reference)
{
    const char *host = str_starts(reference, "https://")  ? reference + strlen("https://")
                       : str_starts(reference, "http://") ? reference + strlen("http://")
                                                          : NULL;
    const char *slash = host ? strchr(host, '/') : NULL;

    return slash ? slash + 1 : reference;
}

enum forge forge_of_text(const char *text, size_t len)
{
    static const struct {
        const char *word;
        enum forge forge;
    } words[] = {{"forgejo", FORGE_FORGEJO}, {"forge.", FORGE_FORGEJO}, {"gitea", FORGE_GITEA}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (memmem(text, len, words[i].word, strlen(words[i].word)))
            return words[i].forge;
    return FORGE_GITHUB;
}
