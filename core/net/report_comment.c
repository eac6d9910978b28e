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

static bool look_at(struct telling *t, const json_t *list, const char *mark)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *text = json_string_value(json_object_get(one, "body"));
        if (text && strncmp(text, mark, strlen(mark) - 1) == 0) {
            keep_number(t, one);
            return true;
        }
    }
    return false;
}

static enum verdict comment_look(struct telling *t, bool *ret_found)
{
    _buf_ struct buf mark = BUF_INIT, since = BUF_INIT;
    enum verdict v = TOLD;
    bool seen = false;
    size_t n = PAGE;

    (void)ret_found; /* it may be there and say what was before: it is edited */
    mark_of(t, &mark);
    buf_add_time(&since, t->run->created_at - 3600LL * 1000000000); /* clocks differ */
    for (int page = 1; v == TOLD && n >= PAGE_LEAST && page <= PAGES_MAX && !seen; page++) {
        _buf_ struct buf path = BUF_INIT;
        _json_ json_t *list = NULL;
        buf_addf(&path, "/repos/%s/issues/%lld/comments?since=%.19sZ&per_page=%d&limit=%d&page=%d",
                 t->word->target, (long long)t->word->number, buf_str(&since), PAGE, PAGE, page);
        v = github_call(t, "GET", buf_str(&path), NULL, &list);
        n = json_array_size(list);
        seen = look_at(t, list, buf_str(&mark));
    }
    return v;
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
    return v;
}

const struct word_kind word_comment = {"comment",    comment_news, github_ready,
                                       comment_look, comment_say,  NULL};
