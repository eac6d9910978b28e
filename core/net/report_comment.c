/* A run as a comment on its pull request, made when it begins and edited from then on. It is known again by a
 * number in it that nobody can guess, so nobody can have another's comment taken for it. */
#include "report_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static bool comment_news(struct telling *t)
{
    return !str_eq(t->state, "queued") || t->remote.len;
}

static void mark_of(struct telling *t, struct buf *ret)
{
    buf_addf(ret, "<!-- runfs %s -->\n", t->word->mark);
}

static void keep_number(struct telling *t, const json_t *one)
{
    json_int_t id = json_integer_value(json_object_get(one, "id"));

    if (id > 0) {
        buf_reset(&t->remote);
        buf_addf(&t->remote, "%lld", (long long)id);
    }
}

static bool is_ours(struct telling *t, const json_t *one, void *mark)
{
    const char *text = json_string_value(json_object_get(one, "body")), *begin = buf_str(mark);
    bool ours = text && strncmp(text, begin, strlen(begin) - 1) == 0;

    if (ours)
        keep_number(t, one);
    return ours;
}

static enum verdict comment_look(struct telling *t, bool *ret_found)
{
    _buf_ struct buf mark = BUF_INIT, since = BUF_INIT, path = BUF_INIT;
    bool seen;

    (void)ret_found; /* it may be there and say what was before: it is edited */
    mark_of(t, &mark);
    buf_add_time(&since, t->run->created_at - 3600LL * 1000000000); /* clocks differ */
    buf_addf(&path, "/repos/%s/issues/%lld/comments?since=%.19sZ", t->word->target,
             (long long)t->word->number, buf_str(&since));
    return github_find(t, buf_str(&path), is_ours, &mark, &seen);
}

static enum verdict comment_say(struct telling *t)
{
    _buf_ struct buf text = BUF_INIT, path = BUF_INIT;
    _json_ json_t *made = NULL;
    enum verdict v = REFUSED;

    mark_of(t, &text);
    text_page(t, &text);
    _json_ json_t *body = buf_ok(&text) ? json_pack("{s:s}", "body", buf_str(&text)) : NULL;
    if (!body) {
        buf_adds(&t->problem, "no memory");
        return LATER;
    }
    if (t->remote.len) {
        buf_addf(&path, "/repos/%s/issues/comments/%s", t->word->target, buf_str(&t->remote));
        v = github_call(t, "PATCH", buf_str(&path), body, NULL);
        if (v != REFUSED || !strstr(buf_str(&t->problem), " answered 404"))
            return v;
        buf_reset(&t->problem); /* somebody deleted it */
        buf_reset(&path);
        buf_reset(&t->remote);
    }
    buf_addf(&path, "/repos/%s/issues/%lld/comments", t->word->target, (long long)t->word->number);
    v = github_call(t, "POST", buf_str(&path), body, &made);
    if (v == TOLD)
        keep_number(t, made);
    return t->remote.len || v != TOLD ? v : github_no_number(t);
}

const struct word_kind word_comment = {"comment",    comment_news, github_ready,
                                       comment_look, comment_say,  NULL};
