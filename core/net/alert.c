/* What alerts say of a run that has ended: which of them are due, and in what words. */
#include "runfs/alert.h"

#include "report_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge_rows.h"
#include "runfs/log.h"
#include "runfs/str.h"

static bool is_failure(const char *conclusion)
{
    return str_eq(conclusion, "failure") || str_eq(conclusion, "timed_out") ||
           str_eq(conclusion, "startup_failure") || str_eq(conclusion, "interrupted");
}

/* The attempt that the alert is about, though another may have followed it by now. */
struct ending {
    const struct run_row *run;
    int attempt;
    const char *conclusion;
    int64_t started_at, completed_at;
    const struct attempt_row *row; /* owned; NULL: it is the newest */
};

static bool ending_of(struct telling *t, struct ending *ret)
{
    struct store *st = t->lane->reporter->store;
    const struct run_row *run = t->run;

    *ret = (struct ending){run, t->word->attempt, run->conclusion, run->started_at, run->completed_at, NULL};
    if (run->attempt == t->word->attempt)
        return *run->conclusion;
    ret->row = store_get_attempt(st, store_find_attempt(st, run->id, t->word->attempt));
    if (!ret->row)
        return false;
    ret->conclusion = ret->row->conclusion;
    ret->started_at = ret->row->started_at;
    ret->completed_at = ret->row->completed_at;
    return true;
}

/* Whether what went before it, of the same workflow and ref, failed. */
static bool was_broken(struct store *st, const struct ending *e)
{
    int64_t id = e->attempt > 1 ? store_find_attempt(st, e->run->id, e->attempt - 1) : 0;
    const struct attempt_row *before = id > 0 ? store_get_attempt(st, id) : NULL;
    bool broken = before ? is_failure(before->conclusion) : store_failed_before(st, e->run);

    attempt_row_unref(before);
    return broken;
}

static void add_reasons(struct telling *t, const struct alert *a, const struct ending *e, json_t *ret)
{
    struct store *st = t->lane->reporter->store;
    _buf_ struct buf why = BUF_INIT;

    if (a->failure && is_failure(e->conclusion))
        json_array_append_new(ret, json_string("failure"));
    if (a->recovery && str_eq(e->conclusion, "success") && was_broken(st, e))
        json_array_append_new(ret, json_string("recovery"));
    if (a->anomaly && store_anomaly(st, e->run->id, &why) == 0)
        json_array_append_new(ret, json_string("anomaly"));
    if (a->longer_than && e->completed_at - e->started_at > a->longer_than)
        json_array_append_new(ret, json_string("duration"));
}

static void set_text(struct telling *t, json_t *to, const char *key, const char *value)
{
    _buf_ struct buf clean = BUF_INIT;

    text_clean(t, value, 1000, &clean);
    (void)json_object_set_new(to, key, json_string(buf_str(&clean)));
}

static void set_time(json_t *to, const char *key, int64_t at)
{
    _buf_ struct buf time = BUF_INIT;

    buf_add_time(&time, at);
    (void)json_object_set_new(to, key, json_string(buf_str(&time)));
}

/* One line for people. What chats take for markup, Slack's <!channel> too, is spelled so that it is none. */
static void set_line(struct telling *t, const struct ending *e, const json_t *reasons, json_t *to)
{
    _buf_ struct buf line = BUF_INIT, plain = BUF_INIT, escaped = BUF_INIT;
    const json_t *one;
    size_t i;

    text_title(t, &line);
    buf_addf(&line, ": run %lld", (long long)e->run->id);
    if (e->attempt > 1)
        buf_addf(&line, ", attempt %d", e->attempt);
    buf_addf(&line, ": %s after ", e->conclusion);
    text_duration(e->completed_at - e->started_at, &line);
    json_array_foreach(reasons, i, one) buf_addf(&line, "%s%s", i ? ", " : " (", json_string_value(one));
    buf_adds(&line, ")");
    text_clean(t, buf_str(&line), 1000, &plain);
    for (const char *p = buf_str(&plain); *p; p++)
        if (*p == '&' || *p == '<' || *p == '>')
            buf_adds(&escaped, *p == '&' ? "&amp;" : *p == '<' ? "&lt;" : "&gt;");
        else
            buf_addc(&escaped, *p);
    (void)json_object_set_new(to, "text", json_string(buf_str(&escaped)));  /* Slack, Mattermost */
    (void)json_object_set_new(to, "content", json_string(buf_str(&plain))); /* Discord */
    (void)json_object_set_new(to, "allowed_mentions", json_pack("{s:[]}", "parse"));
}

static char *object_of(struct telling *t, const char *name, const struct ending *e, const json_t *reasons)
{
    struct store *st = t->lane->reporter->store;
    const struct run_row *run = e->run;
    _buf_ struct buf link = BUF_INIT, why = BUF_INIT;
    _json_ json_t *to = json_pack("{s:s, s:O, s:I, s:i, s:I, s:i}", "alert", name, "reasons", reasons, "run",
                                  (json_int_t)run->id, "attempt", e->attempt, "duration_ms",
                                  (json_int_t)((e->completed_at - e->started_at) / 1000000), "exit_code",
                                  e->row ? e->row->exit_code : run->exit_code);

    if (!to)
        return NULL;
    set_text(t, to, "workflow", run->workflow_name);
    set_text(t, to, "name", run->name);
    set_text(t, to, "title", run->title);
    set_text(t, to, "event", run->event);
    set_text(t, to, "ref", run->ref);
    set_text(t, to, "sha", run->sha);
    set_text(t, to, "actor", run->actor);
    set_text(t, to, "repository", run->repository);
    set_text(t, to, "conclusion", e->conclusion);
    set_time(to, "started_at", e->started_at);
    set_time(to, "completed_at", e->completed_at);
    if (store_anomaly(st, run->id, &why) == 0)
        set_text(t, to, "anomaly", buf_str(&why));
    if (store_setting(st, SETTING_CONFIG, "github/link", &link) == 0) {
        buf_addf(&link, "%lld", (long long)run->id);
        (void)json_object_set_new(to, "url", json_string(buf_str(&link)));
    }
    set_line(t, e, reasons, to);
    return json_dumps(to, JSON_COMPACT);
}

/* ---------------------------------------------------------------------------------------- which are due */

static int raise_one(struct telling *t, const struct setting_row *setting, const struct ending *e)
{
    const char *name = setting->name + strlen("alerts/");
    _alert_ struct alert a = {0};
    _json_ json_t *reasons = json_array();

    if (alert_parse(setting->value, &a, NULL) < 0 || !alert_concerns(&a, e->run->workflow_name))
        return 0;
    add_reasons(t, &a, e, reasons);
    if (!json_array_size(reasons))
        return 0;
    _free_ char *text = object_of(t, name, e, reasons);
    return text ? store_add_word(t->lane->reporter->store,
                                 &(struct word_row){.run_id = e->run->id,
                                                    .attempt = e->attempt,
                                                    .kind = "alert",
                                                    .target = name,
                                                    .sha = "",
                                                    .text = text},
                                 NULL)
                : -ENOMEM;
}

/* A run has ended: the alerts that it raises become words of their own. Raised twice, each is there once. */
static enum verdict watch_say(struct telling *t)
{
    struct store *st = t->lane->reporter->store;
    int64_t id = 0;
    struct ending e;
    int r = 0;

    if (!ending_of(t, &e))
        return TOLD; /* its attempt is gone */
    while (r == 0 && store_list_settings(st, SETTING_CONFIG, "alerts/", id, &id, 1) == 1) {
        const struct setting_row *setting = store_get_setting(st, SETTING_CONFIG, id);
        r = setting ? raise_one(t, setting, &e) : 0;
        setting_row_unref(setting);
    }
    attempt_row_unref(e.row);
    if (r == 0)
        return TOLD;
    buf_addf(&t->problem, "alerts cannot be raised: %s", strerrordesc_np(-r));
    return LATER;
}

const struct word_kind word_watch = {.name = "watch", .say = watch_say};
