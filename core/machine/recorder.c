/*
 * What machines go through, on its way to the store. A change of state is noted at once and goes along with
 * the next commit, whoever's it is; where none comes soon, the recorder, a thread, makes one.
 */
#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

/* So long what happened may wait for somebody's commit; and what the database does not take, for the next
 * try. */
enum { ALONE_MS = 20, AGAIN_MS = 500 };

struct record {
    struct record *next;
    struct machine *m; /* a reference */
    bool transition;   /* else only the row */
    bool outdated;     /* a later one has the row, too */
    int64_t at;
    struct machine_row row; /* its numbers; the strings are m's, but for these */
    char why[256], title[256];
};

struct recorder {
    struct machines *ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an idle one has something to record, or what there is does not wait */
    pthread_cond_t written; /* something is recorded */
    struct record *first, **end;
    int64_t since;       /* when the list began, by mono_ns() */
    bool idle;           /* waits for a list to begin */
    unsigned writing;    /* commits that are under way with some */
    bool urgent, ending; /* what there is does not wait */
};

static void write_record(struct store *st, struct record *r)
{
    struct err err = {0};

    if (r->transition)
        (void)store_put_transition(st, r->row.id, r->row.state, r->why, r->at, &err);
    if (!r->outdated && store_put_machine(st, &r->row, &err) < 0)
        log_warning("machine", "%s: not recorded: %s", r->title, err.msg);
}

/* A machine that was no run's leaves nothing. */
static bool is_unused(const struct record *r)
{
    return !r->outdated && !r->row.lives && !r->row.kept && !r->row.job_id && !r->row.run_id;
}

static struct record *take_records(struct recorder *rec)
{
    pthread_mutex_lock(&rec->lock);
    struct record *list = TAKE(rec->first);
    rec->end = &rec->first;
    rec->writing += list != NULL;
    for (struct record *r = list; r; r = r->next)
        r->m->unwritten = NULL;
    pthread_mutex_unlock(&rec->lock);
    return list;
}

/* With the writer's lock held, just before somebody's commit: the whole list goes along. */
static void *write_records(void *data)
{
    struct recorder *rec = data;
    struct record *list = take_records(rec);

    for (struct record *r = list; r; r = r->next)
        write_record(rec->ms->store, r);
    for (struct record *r = list; r; r = r->next)
        if (is_unused(r))
            (void)store_delete_machine(rec->ms->store, r->row.id, NULL);
    return list;
}

static void records_written(void *data, void *records, int result)
{
    struct recorder *rec = data;
    struct record *list = records;
    bool forgotten = false;

    while (list) {
        struct record *next = list->next;
        forgotten |= is_unused(list);
        if (result < 0)
            log_warning("machine", "%s: not recorded: %s", list->title, strerrordesc_np(-result));
        machine_unref(list->m);
        free(list);
        list = next;
    }
    if (forgotten && rec->ms->keeper)
        keeper_collect(rec->ms->keeper);
    pthread_mutex_lock(&rec->lock);
    rec->writing--;
    pthread_cond_broadcast(&rec->written);
    pthread_mutex_unlock(&rec->lock);
}

/* With the lock held: what there is may still go along with others. Lists come and go meanwhile; each has its
 * time. */
static void wait_for_company(struct recorder *rec)
{
    while (rec->first && !rec->urgent && !rec->ending) {
        int64_t until = rec->since + ALONE_MS * 1000000LL;
        struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
        if (mono_ns() >= until)
            break;
        pthread_cond_timedwait(&rec->changed, &rec->lock, &at);
    }
}

/* A commit of nothing else, or what waits for one that the database takes. */
static void write_alone(struct recorder *rec)
{
    store_begin_lasting(rec->ms->store);
    (void)store_commit(rec->ms->store, NULL);
}

/* With the lock held: until there is something to write, or to try again. */
static void wait_for_records(struct recorder *rec)
{
    while (!rec->first && !rec->ending && !store_waits(rec->ms->store))
        pthread_cond_wait(&rec->changed, &rec->lock);
    if (rec->first || rec->ending)
        return;
    int64_t until = mono_ns() + AGAIN_MS * 1000000LL;
    struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    pthread_cond_timedwait(&rec->changed, &rec->lock, &at);
}

static void *recorder_run(void *data)
{
    struct recorder *rec = data;

    pthread_mutex_lock(&rec->lock);
    for (;;) {
        rec->idle = true;
        wait_for_records(rec);
        rec->idle = false;
        if (!rec->first && rec->ending)
            break;
        wait_for_company(rec);
        bool left = rec->first || store_waits(rec->ms->store);
        rec->urgent = false;
        pthread_mutex_unlock(&rec->lock);
        if (left)
            write_alone(rec);
        pthread_mutex_lock(&rec->lock);
    }
    pthread_mutex_unlock(&rec->lock);
    return NULL;
}

int recorder_new(struct machines *ms, struct recorder **ret)
{
    struct recorder *rec = calloc(1, sizeof(*rec));
    pthread_condattr_t monotonic;

    if (!rec)
        return -ENOMEM;
    rec->ms = ms;
    rec->end = &rec->first;
    pthread_mutex_init(&rec->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&rec->changed, &monotonic);
    pthread_cond_init(&rec->written, NULL);
    pthread_condattr_destroy(&monotonic);
    int r = -pthread_create(&rec->thread, NULL, recorder_run, rec);
    if (r < 0) {
        free(rec);
        return r;
    }
    store_accompany(ms->store, &(struct store_companion){write_records, records_written, rec});
    *ret = rec;
    return 0;
}

void recorder_free(struct recorder *rec)
{
    if (!rec)
        return;
    pthread_mutex_lock(&rec->lock);
    rec->ending = true;
    pthread_cond_signal(&rec->changed);
    pthread_mutex_unlock(&rec->lock);
    pthread_join(rec->thread, NULL);
    store_accompany(rec->ms->store, NULL);
    pthread_mutex_lock(&rec->lock);
    while (rec->writing) /* what went along with others */
        pthread_cond_wait(&rec->written, &rec->lock);
    pthread_mutex_unlock(&rec->lock);
    pthread_mutex_destroy(&rec->lock);
    pthread_cond_destroy(&rec->changed);
    pthread_cond_destroy(&rec->written);
    free(rec);
}

void machines_flush(struct machines *ms)
{
    struct recorder *rec = ms->recorder;

    if (!rec)
        return;
    pthread_mutex_lock(&rec->lock);
    rec->urgent = rec->first != NULL;
    pthread_cond_signal(&rec->changed);
    while (rec->first || rec->writing)
        pthread_cond_wait(&rec->written, &rec->lock);
    pthread_mutex_unlock(&rec->lock);
}

static const char *text(const char *s)
{
    return s ? s : "";
}

void recorder_note(struct machine *m, bool transition, const char *why)
{
    struct recorder *rec = m->ms->recorder;
    struct record *r = rec && m->row ? calloc(1, sizeof(*r)) : NULL;

    if (!r)
        return;
    r->m = machine_ref(m);
    r->transition = transition;
    r->at = now_ns();
    snprintf(r->why, sizeof(r->why), "%s", why);
    r->why[utf8_valid_prefix(r->why, strlen(r->why))] = '\0';
    snprintf(r->title, sizeof(r->title), "%s", text(m->spec.title));
    r->row = (struct machine_row){.id = m->row,
                                  .run_id = m->spec.run_id,
                                  .job_id = m->spec.job_id,
                                  .title = r->title,
                                  .label = text(m->spec.label),
                                  .backend = m->ops->name,
                                  .image = text(m->spec.image),
                                  .workspace = text(m->spec.workspace),
                                  .state = machine_state_name(m->paused ? MACHINE_PAUSED : m->state),
                                  .why = r->why,
                                  .lives = m->lives,
                                  .kept = m->kept,
                                  .layer = m->parent,
                                  .boot_ns = m->boot_ns,
                                  .created_at = m->created_at,
                                  .changed_at = r->at};
    pthread_mutex_lock(&rec->lock);
    if (m->unwritten)
        m->unwritten->outdated = true;
    m->unwritten = r;
    if (!rec->first) {
        rec->since = mono_ns();
        if (rec->idle) /* one that waits for company looks again by itself */
            pthread_cond_signal(&rec->changed);
    }
    *rec->end = r;
    rec->end = &r->next;
    pthread_mutex_unlock(&rec->lock);
}
