/* What is to start a proposed workflow. */
#include "core/lang/proposal_trigger.h"

#include "core/lang/workflow_text.h"
#include "runfs/cron.h"
#include "runfs/str.h"

#define LINE_ENDS ";|\r\n"
#define BLANKS " \t,"

enum { SCHEDULES_MAX = 8 };

struct triggers {
    bool push, pull_request;
    const char *crons[SCHEDULES_MAX]; /* in what was read */
    size_t lens[SCHEDULES_MAX], n;
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* What follows `schedule`. */
static int read_schedule(const char *text, size_t len, struct triggers *t, struct err *err)
{
    struct cron cron;

    while (len && strchr(" \t:('\"", *text))
        text++, len--;
    while (len && strchr(" \t)'\"", text[len - 1]))
        len--;
    _free_ char *copy = strndup(text, len);
    if (!copy)
        return err_errno(err, -ENOMEM, "trigger");
    if (t->n == SCHEDULES_MAX)
        return err_set(err, -EINVAL, "the model's answer: trigger has more than %d schedules", SCHEDULES_MAX);
    if (cron_parse(copy, &cron) < 0)
        return err_set(err, -EINVAL,
                       "the model's answer: trigger has a schedule that is none: '%.100s' (minute hour day "
                       "month weekday)",
                       copy);
    struct cron_zone *utc = NULL;
    if (cron_zone_new("UTC", &utc) < 0)
        return err_errno(err, -ENOMEM, "trigger");
    bool comes = cron_next(&cron, utc, 0) > 0;
    cron_zone_free(utc);
    if (!comes)
        return err_set(err, -EINVAL, "the model's answer: trigger has a schedule that never comes: '%.100s'",
                       copy);
    t->crons[t->n] = text;
    t->lens[t->n++] = len;
    return 0;
}

/* 1: there is something else in it. */
static int read_line(const char *line, const char *end, struct triggers *t, struct err *err)
{
    for (line += strspn(line, BLANKS); line < end; line += strspn(line, BLANKS)) {
        size_t len = strcspn(line, BLANKS ":(" LINE_ENDS);
        if (is_word(line, len, "schedule"))
            return read_schedule(line + len, (size_t)(end - line) - len, t, err);
        t->push |= is_word(line, len, "push");
        t->pull_request |= is_word(line, len, "pull_request");
        if (!is_word(line, len, "push") && !is_word(line, len, "pull_request") &&
            !is_word(line, len, "workflow_dispatch"))
            return 1;
        line += len;
    }
    return 0;
}

int proposal_on(const char *text, struct buf *ret, bool *ret_known, struct err *err)
{
    struct triggers t = {0};
    int r = 0;

    for (const char *line = text ? text : "", *end; *line && r == 0; line = end + (*end != '\0')) {
        end = line + strcspn(line, LINE_ENDS);
        r = read_line(line, end, &t, err);
    }
    if (r < 0)
        return r;
    if (r > 0)
        t = (struct triggers){0};
    *ret_known = r == 0;
    buf_addf(ret, "on:\n  workflow_dispatch:\n%s%s%s", t.push ? "  push:\n" : "",
             t.pull_request ? "  pull_request:\n" : "", t.n ? "  schedule:\n" : "");
    r = 0;
    for (size_t i = 0; i < t.n && r == 0; i++) {
        buf_adds(ret, "    - cron: ");
        r = workflow_text_quoted(ret, t.crons[i], t.lens[i]);
        buf_addc(ret, '\n');
    }
    return r;
}
