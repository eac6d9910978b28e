/*
 * Concurrency groups: one run or job of a repository holds a group, others wait for it in the order in which
 * they asked. What waits is in memory only; at a restart it asks again, by run number.
 */
#include "engine_internal.h"
#include "runfs/str.h"

enum { GROUP_MAX = 400, QUEUE_MAX = 100 };

void group_setting_free(struct group_setting *g)
{
    if (g)
        free(g->name);
    free(g);
}

/* ------------------------------------------------------------------------------------------- what is asked
 */

static int complain(const struct token *t, const char *file, struct err *err, const char *msg)
{
    return err_set(err, -EINVAL, "%s (Line: %d, Col: %d): %s", file, t->line, t->col, msg);
}

static size_t characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* From what was evaluated: a group's name, or a mapping. */
static int read_setting(const struct token *t, const char *file, const json_t *json, struct group_setting *g,
                        struct err *err)
{
    const json_t *cancel = json_object_get(json, "cancel-in-progress");
    const char *queue = json_string_value(json_object_get(json, "queue"));
    _value_ struct value name =
        value_from_json(json_is_object(json) ? json_object_get(json, "group") : (json_t *)json);
    _buf_ struct buf text = BUF_INIT;

    if (cancel && !json_is_boolean(cancel))
        return complain(t, file, err, "cancel-in-progress: a boolean was expected");
    value_to_string(&name, &text);
    if (text.len == 0 || name.kind == VALUE_ARRAY || name.kind == VALUE_OBJECT)
        return complain(t, file, err, "Concurrency group name cannot be empty");
    if (characters(buf_str(&text)) > GROUP_MAX)
        return complain(t, file, err, "Concurrency group name must be less than 400 characters");
    g->cancel_in_progress = json_is_true(cancel);
    g->queue_max = queue && str_eq(queue, "max");
    if (g->cancel_in_progress && g->queue_max)
        return complain(t, file, err,
                        "The combination of 'queue: max' and 'cancel-in-progress: true' is not allowed");
    g->name = buf_steal(&text);
    return g->name ? 0 : err_errno(err, -ENOMEM, "concurrency");
}

int group_setting_evaluate(const struct token *t, const char *file, const struct expr_env *env,
                           struct group_setting **ret, struct err *err)
{
    _json_ json_t *json = NULL;

    *ret = NULL;
    if (!t)
        return 0;
    struct group_setting *g = calloc(1, sizeof(*g));
    int r = g ? token_eval(t, file, env, &json, err) : err_errno(err, -ENOMEM, "concurrency");
    if (r == 0)
        r = read_setting(t, file, json, g, err);
    if (r == 0)
        *ret = g;
    else
        group_setting_free(g);
    return r;
}

/* --------------------------------------------------------------------------------------------- the groups */

/* What is dropped into workflows/ is of one repository: the mount. */
static bool same_group(const struct permit *p, const struct run *run, const char *group)
{
    if (p->run->row.repo_id != run->row.repo_id)
        return false;
    _value_ struct value a = value_string(p->group, strlen(p->group)), b = value_string(group, strlen(group));
    return value_equal(&a, &b);
}

static struct permit *holder_of(const struct run *run, const char *group)
{
    for (struct permit *p = run->e->permits; p; p = p->next)
        if (p->held && same_group(p, run, group))
            return p;
    return NULL;
}

/* Whether who holds p is waited for by it itself: the run of a job, or a job that calls it. */
static bool holds_above(const struct permit *p, const struct run *run, const struct run_job *job)
{
    if (p->run != run)
        return false;
    if (!p->job)
        return true;
    for (; job; job = job->scope->caller)
        if (p->job == job)
            return true;
    return false;
}

static int deadlock(const struct permit *holder, const struct run_job *job, const char *group,
                    struct err *err)
{
    if (!holder->job)
        return err_set(err, -EDEADLK,
                       "Canceling since a deadlock was detected for concurrency group: '%s' between a top "
                       "level workflow and '%s'",
                       group, job ? job->row.name : "");
    return err_set(
        err, -EDEADLK,
        "Canceling since a deadlock was detected for concurrency group: '%s' between '%s' and '%s'", group,
        holder->job->row.name, job ? job->row.name : "");
}

static void cancel_owner(struct permit *p)
{
    _buf_ struct buf why = BUF_INIT;

    buf_addf(&why, "Canceling since a higher priority waiting request for %s exists", p->group);
    if (p->job)
        job_cancel(p->job, buf_str(&why)); /* one that waits is released with it */
    else if (!p->run->cancelled)
        run_cancel(p->run, buf_str(&why));
}

static size_t count_waiting(const struct run *run, const char *group)
{
    size_t n = 0;

    for (const struct permit *p = run->e->permits; p; p = p->next)
        n += !p->held && same_group(p, run, group);
    return n;
}

/* Whoever waits for the group of `last` and asked before it. Each cancel may take several out of the list. */
static void cancel_waiting(const struct permit *last)
{
    struct permit *p = last->run->e->permits;

    while (p != last) {
        bool gone = !p->held && same_group(p, last->run, last->group);
        if (gone)
            cancel_owner(p);
        p = gone ? last->run->e->permits : p->next;
    }
}

int permit_request(struct run *run, struct run_job *job, const struct group_setting *g, struct permit **ret,
                   struct err *err)
{
    struct permit *holder = holder_of(run, g->name), **end = &run->e->permits;

    if (holder && holds_above(holder, run, job))
        return deadlock(holder, job, g->name, err);
    if (holder && g->queue_max && count_waiting(run, g->name) >= QUEUE_MAX)
        return err_set(err, -ECANCELED,
                       "Canceling since %d requests wait for the concurrency group %s already", QUEUE_MAX,
                       g->name);
    struct permit *p = calloc(1, sizeof(*p));
    if (!p || !(p->group = strdup(g->name))) {
        free(p);
        return err_errno(err, -ENOMEM, "concurrency");
    }
    p->run = run;
    p->job = job;
    p->held = !holder;
    while (*end)
        end = &(*end)->next;
    *end = p;
    *ret = p;
    if (holder && !g->queue_max)
        cancel_waiting(p);
    if (holder && g->cancel_in_progress && (holder = holder_of(run, g->name)) && holder != p)
        cancel_owner(holder);
    return 0;
}

/* The oldest that waits for the group has it now; the others wait for that one. */
static void promote(struct run *run, const char *group)
{
    bool given = false;

    for (struct permit *p = run->e->permits; p; p = p->next)
        if (!p->held && same_group(p, run, group)) {
            p->held = !given;
            given = true;
            run_changed(p->run);
        }
}

void permit_release(struct permit *p)
{
    struct permit **at = p ? &p->run->e->permits : NULL;

    if (!p)
        return;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    if (p->held)
        promote(p->run, p->group);
    free(p->group);
    free(p);
}

void permit_describe(const struct permit *p, struct buf *ret)
{
    const struct permit *holder = p->held ? NULL : holder_of(p->run, p->group);

    buf_addf(ret, "concurrency: %s", p->group);
    if (holder)
        buf_addf(ret, ": waits for run %lld", (long long)holder->run->row.id);
    if (holder && holder->job)
        buf_addf(ret, ", job %s", holder->job->row.key);
    buf_addc(ret, '\n');
}
