/* Everything that can be asked of the daemon by HTTP: one row a route. */
#include "server_internal.h"

#define GET(pattern, scope, fn, help)                                                                        \
    {                                                                                                        \
        "GET", (pattern), 0, NULL, (fn), (help), (scope)                                                     \
    }

/* clang-format off */
const struct http_route server_routes[] = {
GET("/health",          SCOPE_READ, health,   "whether it works"),
GET("/",                SCOPE_READ, api_root, "who answers, and the token's scopes as GitHub names them"),
GET("/meta",            SCOPE_READ, api_meta, "the version of GitHub's API"),
GET("/user",            SCOPE_READ, api_user, "who asks"),
{"POST", "/webhook", 25 * 1024 * 1024 /* as GitHub's */, webhook_begin, webhook_take,
 "an event, as GitHub, Gitea and Forgejo send it", SCOPE_SIGNED},
{0},
};
/* clang-format on */
