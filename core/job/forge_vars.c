/* The variables of jobs of Gitea's and Forgejo's workflows, beside GitHub's. Forgejo documentation, "Forgejo
 * Actions | Reference". */
#include "job_internal.h"
#include "runfs/str.h"

int forge_add_github_token(enum forge f, const json_t *secrets, json_t *github)
{
    json_t *token = f == FORGE_GITHUB ? NULL : json_object_get(secrets, "GITHUB_TOKEN");

    return token && json_object_set(github, "token", token) < 0 ? -ENOMEM : 0;
}

/* Each of GitHub's under their name, too. What is said of the token in `env` stands; by itself it is not
 * there, unlike on Forgejo, whose tokens are good for one job. */
int forge_add_variables(enum forge f, json_t *env)
{
    static const char of_github[] = "GITHUB_";
    _json_ json_t *all = f == FORGE_GITHUB ? NULL : json_copy(env);
    const char *key;
    json_t *value;
    int r = 0;

    json_object_foreach(all, key, value)
    {
        _buf_ struct buf own = BUF_INIT;
        if (!str_starts(key, of_github))
            continue;
        buf_addf(&own, "%s_%s", forge_prefix(f), key + strlen(of_github));
        bool said = str_eq(key, "GITHUB_TOKEN") && json_object_get(env, buf_str(&own));
        if (r == 0 && !said)
            r = buf_ok(&own) ? json_object_set(env, buf_str(&own), value) : -1;
    }
    if (all && r == 0) /* by which both tell that it is not GitHub */
        r = json_object_set_new(env, "GITEA_ACTIONS", json_string("true"));
    return r == 0 && (all || f == FORGE_GITHUB) ? 0 : -ENOMEM;
}
