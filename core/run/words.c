/* What the sender of a webhook is to be told of a run that it started: put down together with the run. */
#include "runfs/words.h"
#include "engine_internal.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* "owner/name", and nothing that would lead elsewhere as a part of a path. */
static bool is_repository(const char *name)
{
    const char *slash = strchr(name, '/');
    size_t len = strlen(name);

    return slash && slash > name && slash[1] && !strchr(slash + 1, '/') && len <= 200 && *name != '.' &&
           slash[1] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == len;
}

static bool is_commit(const char *sha)
{
    size_t len = strlen(sha);

    return (len == 40 || len == 64) && strspn(sha, "0123456789abcdef") == len;
}

int run_put_words(struct run *run, int64_t hook_id, const json_t *payload, struct err *err)
{
    static const char *const kinds[] = {"status", "check", "comment"};
    const json_t *pull = json_object_get(payload, "pull_request"), *issue = json_object_get(payload, "issue");
    const char *repository = json_text_at(json_object_get(payload, "repository"), "full_name");
    const char *head = json_text_at(json_object_get(pull, "head"), "sha");
    _buf_ struct buf report = BUF_INIT;
    int r = 0;

    (void)store_setting(run->e->store, SETTING_CONFIG, "github/report", &report);
    if (!report.len || str_eq(buf_str(&report), "off"))
        return 0;
    struct word_row row = {
        .run_id = run->row.id,
        .hook_id = hook_id,
        .target = repository,
        /* a pull request's page shows what is said of its head, not of a merge of it */
        .sha = *head ? head : run->row.sha,
        .number = json_integer_value(json_object_get(pull                                     ? pull
                                                     : json_object_get(issue, "pull_request") ? issue
                                                                                              : NULL,
                                                     "number")),
        .text = ""};
    if (!is_repository(repository) || !is_commit(row.sha)) {
        log_warning("run", "%lld: nothing is said of it: its event names no repository and commit",
                    (long long)run->row.id);
        return 0;
    }
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++) {
        row.kind = kinds[i];
        if (config_word(buf_str(&report), kinds[i]) && (!str_eq(kinds[i], "comment") || row.number > 0))
            r = store_add_word(run->e->store, &row, err);
    }
    return r;
}
