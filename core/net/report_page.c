/*
 * A run as a page of Markdown, for check runs and comments: its steps with result and time, the last lines of
 * what failed, what is known of that.
 *
 * Names and logs come out of workflows, and whoever opens a pull request may have written them. So the page
 * is blocks of HTML only, in which nothing is Markdown; names stand in <code> and logs in <pre>, where GitHub
 * and Gitea make no links and mention nobody; and no block has an empty line, which would end it, but for
 * <pre>.
 */
#include "report_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/knowledge_rows.h"
#include "runfs/mask.h"
#include "runfs/str.h"

enum {
    TABLE_MAX = 30000,  /* bytes of the steps */
    PAGE_BYTES = 58000, /* of all: GitHub takes 65,536 characters */
    NAME_MAX_BYTES = 100,
    FAILURES_MAX = 5,
    LINES_MAX = 30,
    TAIL_READ = 8192,
    TAIL_MAX = 6000,
    SUGGESTIONS_MAX = 3
};

static void escape(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("&<>\"'", text[i]) && text[i])
            buf_addf(b, "&#%d;", text[i]);
        else
            buf_addc(b, text[i]);
}

static void add_code(struct telling *t, struct buf *b, const char *name)
{
    _buf_ struct buf line = BUF_INIT;

    text_clean(t, name, NAME_MAX_BYTES, &line);
    buf_adds(b, "<code>");
    escape(b, buf_str(&line), line.len);
    buf_adds(b, "</code>");
}

/* ---------------------------------------------------------------------------------------------- the steps */

static const char *sign_of(const char *result)
{
    static const char *const signs[][2] = {{"success", "&#x2705; "},   {"failure", "&#x274c; "},
                                           {"timed_out", "&#x274c; "}, {"skipped", "&#x23ed; "},
                                           {"cancelled", "&#x26d4; "}, {"interrupted", "&#x26d4; "}};

    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        if (str_eq(result, signs[i][0]))
            return signs[i][1];
    return "";
}

static void add_row(struct telling *t, struct buf *b, const char *job, const char *step, const char *result,
                    int64_t ns)
{
    buf_adds(b, "<tr><td>");
    if (*job)
        add_code(t, b, job);
    buf_adds(b, "</td><td>");
    if (*step)
        add_code(t, b, step);
    buf_addf(b, "</td><td>%s%s</td><td>", sign_of(result), result);
    if (ns > 0)
        text_duration(ns, b);
    buf_adds(b, "</td></tr>\n");
}

static const char *result_of(const char *status, const char *conclusion)
{
    return str_eq(status, "completed") ? conclusion : status;
}

typedef void step_fn(struct telling *t, const struct job_row *job, const struct step_row *step, void *data);

static void each_step(struct telling *t, const struct job_row *job, step_fn *fn, void *data)
{
    struct store *st = t->lane->reporter->store;
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_steps(st, job->id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct step_row *step = store_get_step(st, ids[i]);
            if (step)
                fn(t, job, step, data);
            step_row_unref(step);
        }
        after = ids[n - 1];
    }
}

typedef void job_fn(struct telling *t, const struct job_row *job, void *data);

static void each_job(struct telling *t, job_fn *fn, void *data)
{
    struct store *st = t->lane->reporter->store;
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_jobs(st, t->run->id, t->attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct job_row *job = store_get_job(st, ids[i]);
            if (job)
                fn(t, job, data);
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
}

struct table {
    struct buf *page;
    size_t left_out;
};

static void step_line(struct telling *t, const struct job_row *job, const struct step_row *step, void *data)
{
    struct table *table = data;

    (void)job;
    if (table->page->len > TABLE_MAX)
        table->left_out++;
    else if (step->number > 0 || !str_eq(step->conclusion, "success")) /* set-up, where it went wrong */
        add_row(t, table->page, "", step->name, result_of(step->status, step->conclusion),
                step->completed_at && step->started_at ? step->completed_at - step->started_at : 0);
}

static void job_line(struct telling *t, const struct job_row *job, void *data)
{
    struct table *table = data;

    if (table->page->len > TABLE_MAX)
        table->left_out++;
    else
        add_row(t, table->page, job->name, "", result_of(job->status, job->conclusion),
                job->completed_at && job->started_at ? job->completed_at - job->started_at : 0);
    each_step(t, job, step_line, data);
}

static void add_table(struct telling *t, struct buf *page)
{
    struct table table = {.page = page};

    buf_adds(page, "<table>\n<tr><th>Job</th><th>Step</th><th>Result</th><th>Time</th></tr>\n");
    each_job(t, job_line, &table);
    if (table.left_out)
        buf_addf(page, "<tr><td></td><td>and %zu more</td><td></td><td></td></tr>\n", table.left_out);
    buf_adds(page, "</table>\n\n");
}

/* ------------------------------------------------------------------------------------------- what failed */

/* The end of a step's log, clean: a secret that was taken apart by colours is masked once they are gone. */
static void read_tail(struct telling *t, const struct step_row *step, struct buf *ret)
{
    struct log_select select = {.run_id = t->run->id, .step_id = step->id, .streams = LOG_OF_STEP};
    _buf_ struct buf raw = BUF_INIT;

    if (log_read_end(t->lane->reporter->store, &select, TAIL_READ, &raw) == 0)
        text_lines(t, buf_str(&raw), raw.len, ret);
}

/* As many of the last lines as there is room for. */
static void add_tail(struct buf *page, const struct buf *tail)
{
    const char *text = buf_str(tail), *end = text + tail->len, *from = end;
    size_t cost = 0;

    while (end > text && end[-1] == '\n')
        end--;
    from = end;
    for (int lines = 0; from > text && cost < TAIL_MAX && lines < LINES_MAX; from--) {
        cost += strchr("&<>\"'", from[-1]) ? 5 : 1;
        lines += from[-1] == '\n';
        if (from[-1] == '\n' && lines == LINES_MAX)
            break;
    }
    while (from < end && ((unsigned char)*from & 0xc0) == 0x80)
        from++;
    buf_adds(page, "<pre>\n");
    escape(page, from, (size_t)(end - from));
    buf_adds(page, "\n</pre>\n\n");
}

static int64_t lesson_threshold(struct store *st)
{
    _buf_ struct buf text = BUF_INIT;
    uint64_t n;

    return store_setting(st, SETTING_CONFIG, "lesson_threshold", &text) == 0 &&
                   parse_u64(buf_str(&text), &n) == 0 && n < INT32_MAX
               ? (int64_t)n
               : 3;
}

/* What is known of how it failed, as far as this repository taught it: others are none of its readers'
 * business. */
static void add_lesson(struct telling *t, const struct step_row *step, struct buf *page)
{
    struct store *st = t->lane->reporter->store;
    int64_t id = store_failure_of_step(st, t->run->id, step->id);
    const struct failure_row *f = id > 0 ? store_get_failure(st, id) : NULL;
    const struct run_row *fixed = f && f->fixed_run_id ? store_get_run(st, f->fixed_run_id) : NULL;

    if (f && f->count >= lesson_threshold(st)) {
        buf_addf(page, "<p>It failed so %lld times.", (long long)f->count);
        if (fixed && str_eq(fixed->repository, t->run->repository) && fixed->repo_id == t->run->repo_id) {
            _buf_ struct buf fix = BUF_INIT;
            text_lines(t, f->fix, strlen(f->fix), &fix);
            buf_addf(page, " Run %lld no longer did. What was different then:</p>\n\n",
                     (long long)f->fixed_run_id);
            add_tail(page, &fix);
        } else {
            buf_adds(page, "</p>\n\n");
        }
    }
    run_row_unref(fixed);
    failure_row_unref(f);
}

struct failures {
    struct buf *page;
    int shown, more;
};

static void failed_step(struct telling *t, const struct job_row *job, const struct step_row *step, void *data)
{
    struct failures *f = data;
    _buf_ struct buf tail = BUF_INIT;

    if (!str_eq(step->conclusion, "failure") && !str_eq(step->conclusion, "timed_out"))
        return;
    if (f->shown == FAILURES_MAX || f->page->len > PAGE_BYTES - 2 * TAIL_MAX - 2000) {
        f->more++;
        return;
    }
    f->shown++;
    buf_adds(f->page, "<p>");
    add_code(t, f->page, job->name);
    buf_adds(f->page, " / ");
    add_code(t, f->page, step->name);
    if (step->exit_code > 0)
        buf_addf(f->page, " ended with %d", step->exit_code);
    buf_adds(f->page, ":</p>\n\n");
    read_tail(t, step, &tail);
    add_tail(f->page, &tail);
    add_lesson(t, step, f->page);
}

static void failed_job(struct telling *t, const struct job_row *job, void *data)
{
    each_step(t, job, failed_step, data);
}

static void add_failures(struct telling *t, struct buf *page)
{
    struct failures f = {.page = page};

    each_job(t, failed_job, &f);
    if (f.more)
        buf_addf(page, "<p>%d more failed.</p>\n\n", f.more);
}

/* The first line of each says what, the third what it brings. */
static void add_suggestions(struct telling *t, struct buf *page)
{
    struct store *st = t->lane->reporter->store;
    int64_t ids[32];
    ssize_t n = suggestion_list(st, 0, ids, ARRAY_LEN(ids));
    int shown = 0;

    for (ssize_t i = 0; i < n && shown < SUGGESTIONS_MAX && page->len < PAGE_BYTES - 1000; i++) {
        _buf_ struct buf text = BUF_INIT, line = BUF_INIT;
        if (!suggestion_concerns(st, ids[i], t->run->id) || suggestion_text(st, ids[i], &text) < 0)
            continue;
        const char *gain = strstr(buf_str(&text), "expected gain: ");
        buf_add(&line, buf_str(&text) + strspn(buf_str(&text), "# "),
                strcspn(buf_str(&text) + strspn(buf_str(&text), "# "), "\n"));
        if (gain)
            buf_addf(&line, " (%.*s)", (int)strcspn(gain, "\n"), gain);
        buf_adds(page, shown++ ? "<li>" : "<p>What could go better:</p>\n\n<ul>\n<li>");
        add_code(t, page, buf_str(&line));
        buf_adds(page, "</li>\n");
    }
    if (shown)
        buf_adds(page, "</ul>\n\n");
}

void text_page(struct telling *t, struct buf *ret)
{
    _buf_ struct buf outcome = BUF_INIT, title = BUF_INIT;
    bool ended = !str_eq(t->state, "queued") && !str_eq(t->state, "in_progress");

    text_outcome(t, &outcome);
    text_title(t, &title);
    buf_addf(ret, "<h3>%s<code>", sign_of(t->state));
    escape(ret, buf_str(&title), title.len);
    buf_adds(ret, "</code></h3>\n\n<p>");
    if (t->link.len) {
        buf_adds(ret, "<a href=\"");
        escape(ret, buf_str(&t->link), t->link.len);
        buf_addf(ret, "%lld\">", (long long)t->run->id);
    }
    buf_addf(ret, "%s%s</p>\n\n", buf_str(&outcome), t->link.len ? "</a>" : "");
    add_table(t, ret);
    if (ended) {
        add_failures(t, ret);
        add_suggestions(t, ret);
    }
}
