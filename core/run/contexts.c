/* The contexts of a run: github with its event, inputs, vars and secrets. */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/mirror.h"
#include "runfs/remotes.h"
#include "runfs/str.h"

int source_prepare(struct engine *e, const struct run_source *source, struct prepared_event *ret,
                   struct err *err)
{
    const char *dot = strrchr(source->file, '.');
    _buf_ struct buf fallback = BUF_INIT;

    buf_addf(&fallback, "local/%.*s", (int)(dot ? (size_t)(dot - source->file) : strlen(source->file)),
             source->file);
    struct event_request req = {.name = source->event,
                                .payload = source->payload,
                                .checkout = source->repo_path,
                                .fallback = buf_str(&fallback),
                                .repository = source->repository,
                                .actor = source->actor,
                                .ref = source->ref,
                                .workflow = source->file,
                                .forge = source->forge,
                                .title = source->file,
                                .inputs = source->inputs,
                                .user = e->actor};
    return buf_ok(&fallback) ? event_prepare(&req, ret, err) : err_errno(err, -ENOMEM, "cannot start a run");
}

static json_t *owner_of(const char *repository)
{
    return json_stringn(repository, strcspn(repository, "/"));
}

static const char *ref_name(const char *ref)
{
    const char *name = str_starts(ref, "refs/") ? strchr(ref + 5, '/') : NULL;

    return name ? name + 1 : ref;
}

/* What only the event tells; numbers are strings there (GitHub documentation, "Contexts"). */
static int add_of_event(json_t *github, const json_t *payload)
{
    static const struct {
        const char *name, *of, *key;
    } facts[] = {{"actor_id", "sender", "id"},
                 {"repository_id", "repository", "id"},
                 {"repository_visibility", "repository", "visibility"},
                 {"repository_owner_id", "owner", "id"}};
    const json_t *repository = json_object_get(payload, "repository");

    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        const json_t *of = json_object_get(str_eq(facts[i].of, "owner") ? repository : payload, facts[i].of);
        json_t *told = json_object_get(of, facts[i].key);
        int r = json_is_string(told) ? json_object_set(github, facts[i].name, told)
                : json_is_integer(told)
                    ? json_object_set_new(github, facts[i].name,
                                          json_sprintf("%lld", (long long)json_integer_value(told)))
                    : 0;
        if (r < 0)
            return -ENOMEM;
    }
    return 0;
}

json_t *github_context(const struct run *run, const struct run_source *source, json_t *payload)
{
    const struct run_row *row = &run->row;
    _arena_ struct arena arena = {0};
    struct event_origin origin = {.head_ref = "", .base_ref = ""};
    _buf_ struct buf workflow_ref = BUF_INIT, days = BUF_INIT, url = BUF_INIT;
    char id[32], attempt[16];

    (void)event_origin(row->event, payload, "main", &arena, &origin);
    snprintf(id, sizeof(id), "%lld", (long long)row->id);
    snprintf(attempt, sizeof(attempt), "%d", row->attempt);
    buf_addf(&workflow_ref, "%s/%s/%s@%s", row->repository, forge_folder((enum forge)row->forge),
             source->file, row->ref);
    buf_addf(&days, "%lld", (long long)config_number(run->e->store, "retention_days", 90));
    buf_addf(&url, "git://github.com/%s.git", row->repository);
    json_t *github = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, "
        "s:s, s:s, s:s, s:s, s:s}",
        "actor", row->actor, "triggering_actor", run_trigger(row), "event_name", row->event, "workflow",
        *row->name ? row->name : source->file, "ref", row->ref, "ref_name", ref_name(row->ref), "ref_type",
        str_starts(row->ref, "refs/tags/") ? "tag" : "branch", "ref_protected", 0, "repository",
        row->repository, "repository_owner", owner_of(row->repository), "sha", row->sha, "run_id", id,
        "run_number", id, "run_attempt", attempt, "server_url", "https://github.com", "api_url",
        "https://api.github.com", "graphql_url", "https://api.github.com/graphql", "head_ref",
        origin.head_ref, "base_ref", origin.base_ref, "workflow_ref", buf_str(&workflow_ref), "workflow_sha",
        row->sha, "retention_days", buf_str(&days), "repositoryUrl", buf_str(&url), "secret_source",
        run->of_fork ? "None" : "Actions");
    if (!github || json_object_set(github, "event", payload) < 0 || add_of_event(github, payload) < 0) {
        json_decref(github);
        return NULL;
    }
    return github;
}

/* A called workflow of another repository goes by "owner/name/PATH@REF", one of the run's own by its path. */
static json_t *identity_of_remote(const struct run_job *job, const char *file)
{
    const char *short_name = forge_behind_host(file);
    const char *at = strrchr(file, '@'), *slash = strchr(short_name, '/');
    const char *path = slash ? strchr(slash + 1, '/') : NULL;
    char sha[41] = "";

    if (!at || !path || path > at)
        return NULL;
    _free_ char *repository = strndup(file, (size_t)(path - file));
    if (repository && remote_resolve(job->run->e->remotes, repository, at + 1, sha, NULL) < 0)
        sha[0] = '\0';
    return json_pack("{s:s, s:s, s:s%, s:s%}", "workflow_ref", file, "workflow_sha", sha,
                     "workflow_repository", short_name, (size_t)(path - short_name), "workflow_file_path",
                     path + 1, (size_t)(at - path - 1));
}

json_t *job_context(const struct run_job *job)
{
    const struct run_row *row = &job->run->row;
    const char *file = job->scope->workflow->file;
    json_t *ret = job->scope->caller ? identity_of_remote(job, file) : NULL;
    _buf_ struct buf path = BUF_INIT, ref = BUF_INIT;

    if (!ret) {
        if (!job->scope->caller)
            buf_addf(&path, "%s/", forge_folder((enum forge)row->forge));
        buf_adds(&path, file);
        buf_addf(&ref, "%s/%s@%s", row->repository, buf_str(&path), row->ref);
        ret = json_pack("{s:s, s:s, s:s, s:s}", "workflow_ref", buf_str(&ref), "workflow_sha", row->sha,
                        "workflow_repository", row->repository, "workflow_file_path", buf_str(&path));
    }
    if (ret)
        json_object_set_new(ret, "check_run_id", json_integer(job->row.id));
    return ret;
}

static json_t *settings_below(struct store *st, enum setting_kind kind, const char *prefix)
{
    json_t *object = json_object();
    int64_t ids[64], after = 0;
    ssize_t n;

    while (object && (n = store_list_settings(st, kind, prefix, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct setting_row *row = store_get_setting(st, kind, ids[i]);
            if (row)
                json_object_set_new(object, row->name + strlen(prefix), json_string(row->value));
            setting_row_unref(row);
        }
        after = ids[n - 1];
    }
    return object;
}

void settings_of_environment(struct store *st, const char *environment, json_t *contexts)
{
    static const struct {
        const char *context;
        enum setting_kind kind;
    } both[] = {{"vars", SETTING_VAR}, {"secrets", SETTING_SECRET}};
    _buf_ struct buf prefix = BUF_INIT;

    environment_prefix(environment, &prefix);
    for (size_t i = 0; i < ARRAY_LEN(both) && buf_ok(&prefix); i++) {
        _json_ json_t *own = settings_below(st, both[i].kind, buf_str(&prefix));
        json_t *all = json_copy(json_object_get(contexts, both[i].context));
        if (own && all)
            json_object_update(all, own);
        if (all)
            json_object_set_new(contexts, both[i].context, all);
    }
}

json_t *settings_of_runner(struct store *st)
{
    return settings_below(st, SETTING_SECRET, MIRROR_TOKEN);
}

json_t *settings_object(struct store *st, enum setting_kind kind, json_t *extra)
{
    json_t *object = settings_below(st, kind, "");
    const char *name;
    json_t *value;
    void *next;

    if (kind == SETTING_SECRET)
        json_object_foreach_safe(object, next, name, value)
        {
            if (str_starts(name, MIRROR_TOKEN))
                json_object_del(object, name);
        }
    if (object && extra)
        json_object_update(object, extra);
    return object;
}
