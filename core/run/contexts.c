/* The contexts of a run: github with its event, inputs, vars and secrets. */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static const char no_commit[] = "0000000000000000000000000000000000000000";

static void first_line(const struct buf *text, struct buf *ret)
{
    buf_reset(ret);
    buf_add(ret, buf_str(text), strcspn(buf_str(text), "\r\n"));
}

static void git_read(const char *path, const char *const args[], struct buf *ret)
{
    const char *argv[8] = {"git", "-C", path};
    _proc_result_ struct proc_result out = {0};
    size_t n = 3;

    while (*args && n + 1 < ARRAY_LEN(argv))
        argv[n++] = *args++;
    if (proc_run(argv, NULL, 65536, 5000, &out, NULL) == 0 && out.exit_code == 0)
        first_line(&out.out, ret);
}

void repo_head(const char *path, struct buf *ref, struct buf *sha)
{
    git_read(path, (const char *const[]){"rev-parse", "HEAD", NULL}, sha);
    git_read(path, (const char *const[]){"symbolic-ref", "-q", "HEAD", NULL}, ref);
}

static json_t *owner_of(const char *repository)
{
    return json_stringn(repository, strcspn(repository, "/"));
}

static json_t *repository_object(const char *repository)
{
    const char *slash = strchr(repository, '/');

    return json_pack("{s:s, s:s, s:{s:o}, s:s, s:b}", "name", slash ? slash + 1 : repository, "full_name",
                     repository, "owner", "login", owner_of(repository), "default_branch", "main", "private",
                     1);
}

json_t *make_payload(const struct run_source *source, const struct run_row *row)
{
    json_t *payload = json_pack("{s:s, s:o, s:{s:s}}", "ref", row->ref, "repository",
                                repository_object(row->repository), "sender", "login", row->actor);

    if (payload && str_eq(source->event, "push")) {
        json_object_set_new(payload, "before", json_string(no_commit));
        json_object_set_new(payload, "after", json_string(row->sha));
        json_object_set_new(payload, "pusher", json_pack("{s:s}", "name", row->actor));
        json_object_set_new(payload, "head_commit",
                            json_pack("{s:s, s:s}", "id", row->sha, "message", row->title));
        json_object_set_new(payload, "commits", json_array());
    }
    if (payload && source->inputs) {
        json_t *inputs = json_object();
        const char *key;
        json_t *value;
        json_object_foreach(source->inputs, key, value)
        {
            _value_ struct value v = value_from_json(value);
            _buf_ struct buf text = BUF_INIT;
            value_to_string(&v, &text);
            json_object_set_new(inputs, key, json_string(buf_str(&text)));
        }
        json_object_set_new(payload, "inputs", inputs);
    }
    return payload;
}

static const char *ref_name(const char *ref)
{
    const char *name = str_starts(ref, "refs/") ? strchr(ref + 5, '/') : NULL;

    return name ? name + 1 : ref;
}

json_t *github_context(const struct run *run, const struct run_source *source, json_t *payload)
{
    const struct run_row *row = &run->row;
    json_t *pull = json_object_get(payload, "pull_request");
    const char *head = json_string_value(json_object_get(json_object_get(pull, "head"), "ref"));
    const char *base = json_string_value(json_object_get(json_object_get(pull, "base"), "ref"));
    _buf_ struct buf workflow_ref = BUF_INIT, days = BUF_INIT;
    char id[32], attempt[16];

    snprintf(id, sizeof(id), "%lld", (long long)row->id);
    snprintf(attempt, sizeof(attempt), "%d", row->attempt);
    buf_addf(&workflow_ref, "%s/.github/workflows/%s@%s", row->repository, source->file, row->ref);
    buf_addf(&days, "%lld", (long long)config_number(run->e->store, "retention_days", 90));
    json_t *github = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, "
        "s:s, s:s, s:s}",
        "actor", row->actor, "triggering_actor", row->actor, "event_name", row->event, "workflow",
        *row->name ? row->name : source->file, "ref", row->ref, "ref_name", ref_name(row->ref), "ref_type",
        str_starts(row->ref, "refs/tags/") ? "tag" : "branch", "ref_protected", 0, "repository",
        row->repository, "repository_owner", owner_of(row->repository), "sha", row->sha, "run_id", id,
        "run_number", id, "run_attempt", attempt, "server_url", "https://github.com", "api_url",
        "https://api.github.com", "graphql_url", "https://api.github.com/graphql", "head_ref",
        head ? head : "", "base_ref", base ? base : "", "workflow_ref", buf_str(&workflow_ref),
        "workflow_sha", row->sha, "retention_days", buf_str(&days));
    if (github)
        json_object_set(github, "event", payload);
    return github;
}

json_t *settings_object(struct store *st, enum setting_kind kind, json_t *extra)
{
    json_t *object = json_object();
    int64_t ids[64], after = 0;
    ssize_t n;

    while (object && (n = store_list_settings(st, kind, "", after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct setting_row *row = store_get_setting(st, kind, ids[i]);
            if (row)
                json_object_set_new(object, row->name, json_string(row->value));
            setting_row_unref(row);
        }
        after = ids[n - 1];
    }
    if (object && extra)
        json_object_update(object, extra);
    return object;
}
