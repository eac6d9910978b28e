/* A run as a commit status. GitHub documentation, "REST API endpoints for commit statuses"; Gitea's are
 * alike. */
#include "report_internal.h"
#include "runfs/str.h"

/* What a status can say of a run. */
static const char *state_of(const char *state)
{
    static const char *const states[][2] = {{"queued", "pending"},         {"in_progress", "pending"},
                                            {"success", "success"},        {"skipped", "success"},
                                            {"failure", "failure"},        {"timed_out", "failure"},
                                            {"startup_failure", "failure"}};

    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_eq(state, states[i][0]))
            return states[i][1];
    return "error"; /* cancelled, interrupted */
}

static void context_of(struct telling *t, struct buf *ret)
{
    buf_adds(ret, "runfs / ");
    text_title(t, ret);
}

/* That it was queued and now runs is no news: both are "pending". */
static bool status_news(struct telling *t)
{
    char *rest;
    long said = strtol(t->word->said, &rest, 10);

    return !*t->word->said || said != t->attempt || !str_eq(state_of(t->state), "pending") || *rest != ' ' ||
           !str_eq(state_of(rest + 1), "pending");
}

/* No two statuses have the same words: they name the run, its attempt, and what came of it. */
static bool is_ours(struct telling *t, const json_t *one, void *words)
{
    _buf_ struct buf context = BUF_INIT;
    const char *its = json_string_value(json_object_get(one, "context"));
    const char *said = json_string_value(json_object_get(one, "description"));

    context_of(t, &context);
    return its && said && str_eq(its, buf_str(&context)) && str_eq(said, buf_str(words));
}

static enum verdict status_look(struct telling *t, bool *ret_found)
{
    _buf_ struct buf path = BUF_INIT, words = BUF_INIT;

    text_outcome(t, &words);
    buf_addf(&path, "/repos/%s/commits/%s/statuses", t->word->target, t->word->sha);
    return github_find(t, buf_str(&path), is_ours, &words, ret_found);
}

static enum verdict status_say(struct telling *t)
{
    _buf_ struct buf path = BUF_INIT, context = BUF_INIT, words = BUF_INIT, link = BUF_INIT;

    buf_addf(&path, "/repos/%s/statuses/%s", t->word->target, t->word->sha);
    context_of(t, &context);
    text_outcome(t, &words);
    _json_ json_t *body = json_pack("{s:s, s:s, s:s}", "state", state_of(t->state), "context",
                                    buf_str(&context), "description", buf_str(&words));
    if (t->link.len) {
        buf_addf(&link, "%s%lld", buf_str(&t->link), (long long)t->run->id);
        (void)json_object_set_new(body, "target_url", json_string(buf_str(&link)));
    }
    return github_call(t, "POST", buf_str(&path), body, NULL);
}

const struct word_kind word_status = {"status", status_news, github_ready, status_look, status_say, NULL};
