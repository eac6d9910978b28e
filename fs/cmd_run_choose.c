/* Of a directory's workflows those that an event starts, for `runfs run`. */
#include "cmd_run_choose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "runfs/event.h"
#include "runfs/markdown.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

enum { TEXT_MAX = 1024 * 1024 };

/* What is not started, for the case that nothing is. */
struct choice {
    const struct run_request *request;
    const struct event *event;
    struct buf others;  /* owned: a line each */
    struct buf refused; /* owned: those of them whose filters say no */
};

static void list_events(const struct workflow *w, struct buf *ret)
{
    for (size_t i = 0; i < w->n_events; i++)
        buf_addf(ret, "%s%s", i ? ", " : "", w->events[i].name);
}

/* Whether it is one to run. */
static bool is_started(struct choice *c, const char *path, const struct workflow *w)
{
    _buf_ struct buf why = BUF_INIT;

    if (c->request->job && !workflow_job(w, c->request->job)) {
        buf_addf(&c->others, "  %s: it has no job %s\n", path, c->request->job);
        return false;
    }
    if (!workflow_event(w, c->event->name)) {
        buf_addf(&c->others, "  %s: on ", path);
        list_events(w, &c->others);
        buf_addc(&c->others, '\n');
        return false;
    }
    if (event_matches(w, c->event, &why))
        return true;
    buf_addf(&c->others, "  %s: %s\n", path, buf_str(&why));
    buf_addf(&c->refused, "runfs run: not %s: %s\n", path, buf_str(&why));
    return false;
}

static bool choose(struct choice *c, const char *path)
{
    _buf_ struct buf text = BUF_INIT;
    const struct workflow_opts opts = {.forge = workflow_forge(path)};
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (workflow_read_file(path, TEXT_MAX + 1, &text, NULL) < 0 ||
        workflow_parse(path, buf_str(&text), text.len, &opts, &w, &lint) < 0)
        return true;
    bool started = is_started(c, path, w);
    workflow_free(w);
    return started;
}

static int say_none(const struct choice *c)
{
    fprintf(stderr,
            "runfs run: %s starts no workflow here:\n%s"
            "Name one, which runs whatever its filters say, or another --event.\n",
            c->event->name, buf_str(&c->others));
    return -ENOENT;
}

int choose_started(struct run_request *r, const char *checkout, struct workflow_files *files)
{
    _prepared_event_ struct prepared_event prepared = {0};
    struct event_request req = {.payload = r->payload,
                                .checkout = checkout,
                                .repository = r->repository,
                                .actor = r->actor,
                                .ref = r->ref,
                                .title = ""};
    struct err err = {0};
    size_t n = 0;

    req.name = r->event = r->event ? r->event : "push";
    if (event_index(req.name) < 0)
        return fprintf(stderr, "runfs run: there is no event '%s'\n", req.name), -EINVAL;
    if (event_prepare(&req, &prepared, &err) < 0)
        return fprintf(stderr, "runfs run: %s\n", err.msg), err.code;
    struct choice c = {.request = r, .event = &prepared.event};
    for (size_t i = 0; i < files->n; i++) {
        char *path = files->paths[i];
        if (choose(&c, path))
            files->paths[n++] = path;
        else
            free(path);
    }
    files->n = n;
    if (n > 0)
        fputs(buf_str(&c.refused), stderr);
    int result = n == 0 ? say_none(&c) : 0;
    buf_release(&c.others);
    buf_release(&c.refused);
    return result;
}
