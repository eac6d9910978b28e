/* What `runfs run` shows of its run: the log in colours above a line that says what runs, or JSON. */
#include <glib.h>
#include <sys/ioctl.h>

#include "cmd_run_show.h"
#include "runfs/io.h"
#include "runfs/str.h"

int showing_begin(struct showing *s, struct store *store, int64_t run_id, struct err *err)
{
    const struct log_select select = {.run_id = run_id, .streams = LOG_OF_RUN};
    const char *term = getenv("TERM");

    s->terminal = !s->json && isatty(1) && !str_empty(term) && !str_eq(term, "dumb");
    s->colours = s->terminal && str_empty(getenv("NO_COLOR"));
    s->store = store;
    s->run_id = run_id;
    s->started = mono_ns();
    s->told = json_object();
    return log_view_open(store, &select, &s->view, err);
}

void showing_release(struct showing *s)
{
    log_view_close(s->view);
    json_decref(s->told);
    *s = (struct showing){0};
}

/* --------------------------------------------------------------------------------------------------- a log
 */

void clear_status(struct showing *s)
{
    if (s->status_shown)
        fputs("\r\033[K", stdout);
    s->status_shown = false;
}

/* A line of the runner's own stands out on a terminal. */
static void print_line(const struct showing *s, const char *line, size_t len)
{
    static const struct {
        const char *prefix, *colour;
    } colours[] = {{"##[error]", "\033[31m"},
                   {"##[warning]", "\033[33m"},
                   {"##[notice]", "\033[36m"},
                   {"##[group]", "\033[1m"},
                   {"==> ", "\033[1;34m"}};
    const char *colour = NULL;

    for (size_t i = 0; s->colours && i < ARRAY_LEN(colours); i++)
        if (len >= strlen(colours[i].prefix) &&
            memcmp(line, colours[i].prefix, strlen(colours[i].prefix)) == 0)
            colour = colours[i].colour;
    if (colour)
        fputs(colour, stdout);
    fwrite(line, 1, len, stdout);
    if (colour)
        fputs("\033[0m", stdout);
}

static void show_log(struct showing *s)
{
    char chunk[65536];
    ssize_t n;

    while ((n = log_view_read(s->view, chunk, sizeof(chunk), s->shown)) > 0) {
        clear_status(s);
        s->shown += n;
        if (!s->colours) {
            fwrite(chunk, 1, (size_t)n, stdout);
            continue;
        }
        for (const char *line = chunk, *end = chunk + n; line < end;) {
            const char *newline = memchr(line, '\n', (size_t)(end - line));
            size_t len = newline ? (size_t)(newline - line) + 1 : (size_t)(end - line);
            print_line(s, line, len);
            line += len;
        }
    }
    fflush(stdout);
}

typedef void step_fn(struct showing *s, const struct job_row *job, const struct step_row *step, void *data);

static void each_step(struct showing *s, step_fn *fn, void *data)
{
    const struct run_row *run = store_get_run(s->store, s->run_id);
    int64_t jobs[256], steps[256];
    ssize_t n = run ? store_list_jobs(s->store, s->run_id, run->attempt, 0, jobs, ARRAY_LEN(jobs)) : 0;

    for (ssize_t i = 0; i < n; i++) {
        const struct job_row *job = store_get_job(s->store, jobs[i]);
        ssize_t m = job ? store_list_steps(s->store, jobs[i], 0, steps, ARRAY_LEN(steps)) : 0;
        if (job)
            fn(s, job, NULL, data);
        for (ssize_t k = 0; k < m; k++) {
            const struct step_row *step = store_get_step(s->store, steps[k]);
            if (step)
                fn(s, job, step, data);
            step_row_unref(step);
        }
        job_row_unref(job);
    }
    run_row_unref(run);
}

static void name_current(struct showing *s, const struct job_row *job, const struct step_row *step,
                         void *data)
{
    struct buf *text = data;

    (void)s;
    if (step && str_eq(step->status, "in_progress") && text->len < 200)
        buf_addf(text, "%s%s / %s", text->len ? ", " : "", job->name, step->name);
}

/* As much of a text as that many columns hold, with nothing in it that moves the cursor. */
static void fit(const char *text, int columns, struct buf *ret)
{
    for (const char *p = text; *p;) {
        gunichar c = g_utf8_get_char_validated(p, -1);
        bool good = c < 0x110000;
        int width = !good ? 1 : g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        if ((columns -= width) < 0)
            return;
        if (!good || g_unichar_iscntrl(c))
            buf_addc(ret, ' ');
        else
            buf_add(ret, p, (size_t)(g_utf8_next_char(p) - p));
        p = good ? g_utf8_next_char(p) : p + 1;
    }
}

void draw_status(struct showing *s)
{
    _buf_ struct buf text = BUF_INIT, line = BUF_INIT;
    struct winsize size = {0};

    if (!s->terminal)
        return;
    (void)ioctl(1, TIOCGWINSZ, &size);
    int columns = size.ws_col ? size.ws_col : 80;
    if (columns < 24) /* it would not stay on its line */
        return;
    each_step(s, name_current, &text);
    fit(text.len ? buf_str(&text) : "waiting", columns - 12, &line);
    clear_status(s);
    printf("%s%s  %.1f s%s", s->colours ? "\033[2m" : "", buf_str(&line),
           (double)(mono_ns() - s->started) / 1e9, s->colours ? "\033[0m" : "");
    fflush(stdout);
    s->status_shown = true;
}

/* ---------------------------------------------------------------------------------------------------- json
 */

static void print_json(json_t *json)
{
    _free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (text)
        puts(text);
    fflush(stdout);
    json_decref(json);
}

/* A job or step whose status is not what was told last. */
static void tell_change(struct showing *s, const struct job_row *job, const struct step_row *step, void *data)
{
    const char *status = step ? step->status : job->status;
    char key[64];

    (void)data;
    snprintf(key, sizeof(key), "%c%lld", step ? 's' : 'j', (long long)(step ? step->id : job->id));
    const char *told = json_string_value(json_object_get(s->told, key));
    if (str_eq(told ? told : "queued", status))
        return;
    json_object_set_new(s->told, key, json_string(status));
    json_t *line =
        json_pack("{s:s, s:s, s:s}", "event", step ? "step" : "job", "job", job->key, "status", status);
    if (step) {
        json_object_set_new(line, "step", json_integer(step->number));
        json_object_set_new(line, "name", json_string(step->name));
    }
    if (str_eq(status, "completed")) {
        json_object_set_new(line, "conclusion", json_string(step ? step->conclusion : job->conclusion));
        json_object_set_new(line, "exit_code", json_integer(step ? step->exit_code : job->exit_code));
    }
    print_json(line);
}

static void tell_log(struct showing *s)
{
    char chunk[65536];
    ssize_t n;

    while ((n = log_view_read(s->view, chunk, sizeof(chunk), s->shown)) > 0) {
        size_t good = utf8_valid_prefix(chunk, (size_t)n);
        if (good == 0)
            good = 1;
        print_json(json_pack("{s:s, s:s#}", "event", "log", "text", utf8_valid(chunk, good) ? chunk : "?",
                             utf8_valid(chunk, good) ? (int)good : 1));
        s->shown += (int64_t)good;
    }
}

static void tell_result(struct showing *s)
{
    _buf_ struct buf text = BUF_INIT;

    if (store_run_text(s->store, s->run_id, RUN_RESULT, &text) < 0)
        return;
    json_t *result = json_loadb(buf_str(&text), text.len, 0, NULL);
    json_object_set_new(result, "event_type", json_string("result"));
    print_json(json_pack("{s:s, s:o}", "event", "result", "result", result));
}

/* -------------------------------------------------------------------------------------------------- both */

void show_now(struct showing *s)
{
    if (s->json) {
        each_step(s, tell_change, NULL);
        tell_log(s);
    } else {
        show_log(s);
    }
}

/* What is said of the run or of a whole job: no log has it. */
static int show_note(void *data, const struct annotation_row *note)
{
    struct showing *s = data;
    const struct job_row *job =
        note->step_id == 0 && note->job_id ? store_get_job(s->store, note->job_id) : NULL;
    _buf_ struct buf line = BUF_INIT;

    if (note->step_id == 0 && s->json) {
        print_json(json_pack("{s:s, s:s, s:s, s:s}", "event", "annotation", "job", job ? job->key : "",
                             "level", note->level, "message", note->message));
    } else if (note->step_id == 0) {
        putchar('\n');
        buf_addf(&line, "==> %s <==\n", job ? job->name : "the run");
        print_line(s, buf_str(&line), line.len);
        buf_reset(&line);
        buf_addf(&line, "##[%s]", note->level);
        if (*note->file)
            buf_addf(&line, "%s:%d:%d: ", note->file, note->line, note->col);
        buf_addf(&line, "%s\n", note->message);
        print_line(s, buf_str(&line), line.len);
    }
    job_row_unref(job);
    return 0;
}

int conclude(struct showing *s)
{
    const struct run_row *run = store_get_run(s->store, s->run_id);
    int code = run && run->exit_code >= 0 ? run->exit_code : 130;

    if (run)
        (void)store_each_annotation(s->store, s->run_id, run->attempt, show_note, s);
    if (s->json)
        tell_result(s);
    else if (run)
        printf("\n%s%s: %s (%.1f s)%s\n",
               !s->colours                          ? ""
               : str_eq(run->conclusion, "success") ? "\033[1;32m"
                                                    : "\033[1;31m",
               run->workflow_name, *run->conclusion ? run->conclusion : "killed",
               (double)(run->completed_at ? run->completed_at - run->started_at : 0) / 1e9,
               s->colours ? "\033[0m" : "");
    fflush(stdout);
    run_row_unref(run);
    return code;
}
