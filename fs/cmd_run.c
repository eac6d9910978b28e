/* runfs run: one workflow without a mount, through the same engine and store, with a live log. */
#include <signal.h>
#include <stdatomic.h>

#include "cmd_run_choose.h"
#include "cmd_run_options.h"
#include "cmd_run_show.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/markdown.h"
#include "runfs/plan.h"
#include "runfs/results.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

enum { EXIT_WORKFLOW = 65, TEXT_MAX = 1024 * 1024 };

static atomic_int interrupts; /* signals come to several threads at once */

/* A person insists with Ctrl-C; what sends SIGTERM may send it several times and mean it once. */
static void on_interrupt(int signal)
{
    int none = 0;

    if (signal == SIGINT)
        interrupts++;
    else
        (void)atomic_compare_exchange_strong(&interrupts, &none, 1);
}

/* -------------------------------------------------------------------------------------------- the session */

struct session {
    struct store *store;
    struct machines *machines;
    struct results *results;
    struct engine *engine;
    char *temporary;        /* owned: a state directory to remove; NULL: the usual one */
    struct submitted *runs; /* owned */
    size_t n;
    int cancelled; /* how many interrupts the runs were told of */
    struct showing show;
};

/* A file, and the run that it was started as. */
struct submitted {
    struct buf text;
    int64_t run_id; /* 0: refused, */
    int code;       /* with this exit code; else that of the run */
};

static int session_open(struct session *s, const struct run_options *o, struct err *err)
{
    _free_ char *state = state_directory(o->state);
    int r = state ? store_open(state, &s->store, err) : -ENOMEM;

    if (r == -EBUSY &&
        !o->state) { /* a daemon works there: this run is kept in a place of its own, and not for long */
        *err = (struct err){0};
        if (!(s->temporary = temporary_directory("run", err)))
            return err->code;
        r = store_open(s->temporary, &s->store, err);
    }
    if (r == 0) {
        r = store_recover(s->store, err);
        r = r < 0 ? r : 0;
    }
    if (r == 0)
        r = machines_new(&(struct machines_opts){.state_dir = store_dir(s->store), .store = s->store},
                         &s->machines, err);
    if (r == 0)
        r = results_new(s->store, &s->results, err);
    if (r == 0)
        r = engine_new(&(struct engine_opts){.store = s->store,
                                             .machines = s->machines,
                                             .services = results_services(s->results),
                                             .actions_mirror = o->mirror,
                                             .registries = o->registry,
                                             .defaults = true},
                       &s->engine, err);
    return r;
}

static void session_close(struct session *s)
{
    showing_release(&s->show);
    engine_free(s->engine);
    results_free(s->results);
    if (s->machines)
        machines_free(s->machines);
    store_close(s->store);
    if (s->temporary)
        (void)remove_tree(s->temporary);
    free(s->temporary);
    for (size_t i = 0; i < s->n; i++)
        buf_release(&s->runs[i].text);
    free(s->runs);
}

/* ------------------------------------------------------------------------------------------------- the run
 */

static bool is_completed(const struct session *s, int64_t run_id)
{
    const struct run_row *run = store_get_run(s->store, run_id);
    bool completed = !run || str_eq(run->status, "completed");

    run_row_unref(run);
    return completed;
}

/* Every interrupt asks all runs to end, the second one less politely. False: nobody waits any longer. */
static bool tell_interrupts(struct session *s)
{
    bool told = false;

    if (interrupts == s->cancelled)
        return true;
    s->cancelled = interrupts;
    for (size_t i = 0; s->cancelled <= 2 && i < s->n; i++)
        if (s->runs[i].run_id && !is_completed(s, s->runs[i].run_id))
            told |= engine_cancel_run(s->engine, s->runs[i].run_id, NULL) == 0;
    if (told && s->cancelled == 1)
        fprintf(stderr, "runfs run: cancelling; Ctrl-C again kills it\n");
    return s->cancelled <= 2;
}

/* Follows a run to its end; the last one until the engine, too, is done with all. */
static void follow(struct session *s, int64_t run_id, bool last)
{
    for (bool running = true; running;) {
        struct engine_status status;
        engine_status(s->engine, &status);
        running = last ? status.active_runs > 0 : !is_completed(s, run_id);
        show_now(&s->show);
        if (!running || !tell_interrupts(s))
            break;
        draw_status(&s->show);
        struct timespec nap = {0, s->show.terminal ? 50000000 : 10000000};
        nanosleep(&nap, NULL);
    }
    clear_status(&s->show);
}

/* An input that is required, or wrong: how one is given. */
static bool is_about_inputs(const struct run_options *o, const struct workflow *w)
{
    const char *event = o->request.event ? o->request.event : "workflow_dispatch";
    const struct workflow_event *on = workflow_event(w, event);
    _json_ json_t *inputs = NULL;

    return on && (on->n_inputs || json_object_size(o->request.inputs)) &&
           inputs_check(on, o->request.inputs, &inputs, NULL) < 0;
}

/* What a job calls, as the repository has it now. */
static int find_called(void *data, const char *uses, struct buf *ret, struct err *err)
{
    const struct run_request *r = data;
    _buf_ struct buf path = BUF_INIT;

    if (!r->workspace || !str_starts(uses, "./") || strstr(uses, "/../"))
        return -EOPNOTSUPP;
    buf_addf(&path, "%s/%s", r->workspace, uses + 2);
    return buf_ok(&path) ? read_file(buf_str(&path), TEXT_MAX + 1, ret, err) : -ENOMEM;
}

/* Every complaint about the workflow and those that it calls, as lint prints them. */
static int say_refused(const struct run_options *o, const struct err *err)
{
    const struct run_request *r = &o->request;
    struct workflow_opts opts = {.find = find_called, .data = (void *)(uintptr_t)r, .forge = r->forge};
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_parse(r->file, r->text, r->len, &opts, &w, &lint) < 0 && lint.n) {
        for (size_t i = 0; i < lint.n; i++)
            fprintf(stderr, "%s\n", lint.errors[i].msg);
        return EXIT_WORKFLOW;
    }
    if (w && is_about_inputs(o, w))
        fprintf(stderr, "runfs run: %s: %s (--input NAME=VALUE gives one)\n", r->file, err->msg);
    else
        fprintf(stderr, "runfs run: %s\n", err->msg);
    workflow_free(w);
    return 1;
}

/* The repository that the workflows belong to. 0, or -errno, which was said. */
static int find_workspace(struct run_options *o)
{
    if (o->request.workspace) {
        if (!realpath(o->request.workspace, o->workspace)) {
            int r = -errno;
            fprintf(stderr, "runfs run: %s: %s\n", o->request.workspace, strerrordesc_np(-r));
            return r;
        }
    } else if (!workflow_repository(o->files.paths[0], o->workspace)) {
        return 0;
    }
    o->request.workspace = o->workspace;
    return 0;
}

static void submit(struct session *s, struct run_options *o, const char *path, struct submitted *ret)
{
    _buf_ struct buf hint = BUF_INIT;
    struct err err = {0};

    if (workflow_read_file(path, TEXT_MAX + 1, &ret->text, &err) < 0) {
        workflow_files_hint(path, &hint);
        fprintf(stderr, "runfs run: %s%s\n", err.msg, buf_str(&hint));
        ret->code = 2;
        return;
    }
    o->request.file = path;
    o->request.forge = workflow_forge(path);
    o->request.text = buf_str(&ret->text);
    o->request.len = ret->text.len;
    if (engine_submit(s->engine, &o->request, &ret->run_id, &err) < 0)
        ret->code = say_refused(o, &err);
}

static void show(struct session *s, const struct run_options *o, struct submitted *run, bool last)
{
    struct err err = {0};

    s->show = (struct showing){.json = o->json};
    if (showing_begin(&s->show, s->store, run->run_id, &err) < 0) {
        fprintf(stderr, "runfs run: %s\n", err.msg);
        run->code = 1;
        return;
    }
    follow(s, run->run_id, last);
    run->code = conclude(&s->show);
    showing_release(&s->show);
}

/* They start together, as those of one event do, and are shown in their order. */
static int run_files(struct session *s, struct run_options *o)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    struct err err = {0};
    int code = 0;

    if (session_open(s, o, &err) < 0) {
        fprintf(stderr, "runfs run: %s\n", err.msg);
        return 1;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    s->runs = calloc(o->files.n, sizeof(*s->runs));
    if (!s->runs)
        return 1;
    for (; s->n < o->files.n && interrupts == 0; s->n++)
        submit(s, o, o->files.paths[s->n], &s->runs[s->n]);
    for (size_t i = 0; i < s->n && interrupts <= 2; i++) {
        if (s->runs[i].run_id)
            show(s, o, &s->runs[i], i + 1 == s->n);
        code = code ? code : s->runs[i].code;
    }
    return code;
}

/* 0, or the exit code of what was said. */
static int choose(struct run_options *o)
{
    struct err err = {0};

    if (workflow_files_add(&o->files, o->name, &err) < 0)
        return usage_wrong(run_help, err.msg);
    if (find_workspace(o) < 0)
        return 1;
    return o->files.of_directory && choose_started(&o->request, o->workspace, &o->files) < 0 ? 1 : 0;
}

int cmd_run(int argc, char **argv)
{
    struct run_options o = {0};
    struct session s = {0};
    int code = run_options_parse(argc, argv, &o);

    if (code == 1)
        fputs(run_help, stdout);
    log_threshold(LOG_LEVEL_WARNING);
    if (code != 0)
        code = code == 1 ? 0 : code;
    else if ((code = choose(&o)) == 0)
        code = run_files(&s, &o);
    session_close(&s);
    run_options_release(&o);
    return code;
}
