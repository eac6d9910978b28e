/* The reporter's life: threads that look into the outbox when something changed, or when it is time. */
#include "report_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* Where nobody is to be told of anything, nobody looks each time that a run changes. */
static bool has_work(struct lane *lane)
{
    struct store *st = lane->reporter->store;
    int64_t id;

    return lane->which == WORDS_OF_ALERTS ? store_list_settings(st, SETTING_CONFIG, "alerts/", 0, &id, 1) == 1
                                          : store_has_words(st);
}

/* Not before this word may be said again; 0: when something changes. */
static int64_t next_at(const struct lane *lane)
{
    int64_t at = lane->idle ? 0 : store_next_word_at(lane->reporter->store, lane->which);

    return at && at < lane->not_before ? lane->not_before : at;
}

/* Waits, with the lock held, until it is woken, or it is time. */
static void wait_for_work(struct lane *lane)
{
    struct reporter *p = lane->reporter;

    lane->idle = !has_work(lane);
    int64_t at = next_at(lane);
    struct timespec until = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};

    while (!lane->woken && !atomic_load(&p->ending))
        if (!at)
            pthread_cond_wait(&p->changed, &p->lock);
        else if (pthread_cond_timedwait(&p->changed, &p->lock, &until) == ETIMEDOUT)
            break;
    lane->woken = false;
}

static void say_what_is_due(struct lane *lane)
{
    struct reporter *p = lane->reporter;
    int64_t ids[16];
    ssize_t n = 1;

    while (n > 0 && !atomic_load(&p->ending)) {
        int64_t now = now_ns();
        n = store_list_due_words(p->store, lane->which, now, ids, ARRAY_LEN(ids));
        if (n > 0 && now < lane->not_before) { /* a daemon after this one is to know, too */
            (void)store_delay_words(p->store, lane->which, lane->not_before, NULL);
            break;
        }
        for (ssize_t i = 0; i < n && !atomic_load(&p->ending) && now_ns() >= lane->not_before; i++)
            if (!word_tell(lane, ids[i])) /* the outbox cannot be written: not again and again */
                lane->not_before = now_ns() + 5LL * 1000000000;
    }
}

static void *lane_run(void *data)
{
    struct lane *lane = data;
    struct reporter *p = lane->reporter;

    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->ending)) {
        bool unpark = lane->setting_changed;
        lane->setting_changed = false;
        pthread_mutex_unlock(&p->lock);
        if (unpark)
            (void)store_unpark_words(p->store, lane->which, NULL);
        if (unpark || has_work(lane))
            say_what_is_due(lane);
        pthread_mutex_lock(&p->lock);
        wait_for_work(lane);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Not what the reporter itself writes: a word that waits would wake it at once. Only the first word wakes who
 * had none. */
static void on_changed(void *data, const struct change *changes, size_t n)
{
    struct reporter *p = data;
    bool run = false, word = false, setting = false, woken = false;

    for (size_t i = 0; i < n; i++) {
        run |= changes[i].kind == CHANGE_RUN;
        word |= changes[i].kind == CHANGE_WORD && changes[i].created;
        setting |= changes[i].kind == CHANGE_CONFIG || changes[i].kind == CHANGE_SECRET;
    }
    if (!run && !word && !setting)
        return;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &p->lanes[i];
        lane->setting_changed |= setting;
        lane->woken |= setting || (lane->idle ? word : run);
        woken |= lane->woken;
    }
    if (woken)
        pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

int reporter_new(struct store *st, struct reporter **ret, struct err *err)
{
    struct reporter *p = calloc(1, sizeof(*p));

    if (!p)
        return err_errno(err, -ENOMEM, "cannot start the reporter");
    p->store = st;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    for (size_t i = 0; i < LANES; i++) /* settings may have changed while nobody looked */
        p->lanes[i] = (struct lane){.reporter = p, .which = (enum word_lane)i, .setting_changed = true};
    int r = store_subscribe(st, on_changed, p);
    for (size_t i = 0; r == 0 && i < LANES; i++) {
        r = -pthread_create(&p->lanes[i].thread, NULL, lane_run, &p->lanes[i]);
        p->lanes[i].started = r == 0;
    }
    if (r < 0) {
        reporter_free(p);
        return err_errno(err, r, "cannot start the reporter");
    }
    *ret = p;
    return 0;
}

void reporter_free(struct reporter *p)
{
    if (!p)
        return;
    store_unsubscribe(p->store, on_changed, p);
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->ending, true);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < LANES; i++)
        if (p->lanes[i].started)
            pthread_join(p->lanes[i].thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}

void reporter_status(struct reporter *p, struct buf *ret)
{
    static const char *const names[] = {[WORDS_OF_RUNS] = "word back", [WORDS_OF_ALERTS] = "alerts"};

    for (size_t i = 0; i < LANES; i++) {
        int64_t n = store_count_words(p->store, (enum word_lane)i);
        int64_t at = n > 0 ? store_next_word_at(p->store, (enum word_lane)i) : 0;
        if (n <= 0)
            continue;
        buf_addf(ret, "%s: %lld waiting", names[i], (long long)n);
        if (at > now_ns()) {
            buf_adds(ret, ", not before ");
            buf_add_time(ret, at);
        } else if (!at) {
            buf_adds(ret, " for a setting to change");
        }
        buf_addc(ret, '\n');
    }
}
