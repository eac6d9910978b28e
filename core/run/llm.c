/* Asks a language model for workflows: the queue, and what becomes of the answers. */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/proposal.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

struct llm {
    struct engine *e; /* borrowed */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    atomic_bool ending;
    bool serves;  /* hears of questions */
    bool started; /* the thread, with the first question */
    pthread_t thread;
};

static void say(struct engine *e, const char *page, const char *words)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "%s: %s\n", page, words);
    if (buf_ok(&line))
        (void)store_put_error(e->store, page, buf_str(&line), NULL);
}

static void say_asked(struct engine *e, const char *page, int64_t run_id)
{
    _buf_ struct buf words = BUF_INIT, url = BUF_INIT;

    llm_setting(e, "llm/url", "", &url);
    buf_addf(&words, "the model at %s was asked ", buf_str(&url));
    if (run_id)
        buf_addf(&words, "to repair what run %lld ran ", (long long)run_id);
    buf_adds(&words, "at ");
    buf_add_time(&words, now_ns());
    buf_adds(&words, ", and has not answered yet");
    say(e, page, buf_str(&words));
}

/* What is to be said to the model. */
static int question_text(struct engine *e, const struct question_row *q, struct buf *ret, struct err *err)
{
    if (q->run_id)
        return repair_text(e, q, ret, err);
    buf_adds(ret, q->text);
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "%s", q->page);
}

static bool is_ending(void *data)
{
    return atomic_load(&((struct llm *)data)->ending);
}

/* Its answer, as a workflow. */
static int propose(struct llm *l, const struct question_row *q, struct buf *ret, struct err *err)
{
    _buf_ struct buf text = BUF_INIT, model = BUF_INIT;
    const struct llm_call call = {&text, is_ending, l};
    _json_ json_t *proposal = NULL;
    int r = question_text(l->e, q, &text, err);

    if (r == 0)
        r = llm_call(l->e, &call, &model, &proposal, err);
    const struct proposal_origin origin = {q->page, buf_str(&model), q->run_id};
    return r == 0 ? proposal_to_workflow(&origin, proposal, ret, err) : r;
}

/* What is registered is so in the commit that ends the question. What is started is ended before: a crash
 * must not start it twice. */
static int take(struct engine *e, const struct question_row *q, const struct buf *yaml, struct err *err)
{
    _buf_ struct buf setting = BUF_INIT;

    llm_setting(e, "llm/auto_run", "off", &setting);
    bool run = str_eq(buf_str(&setting), "on");
    if (!run)
        store_begin(e->store);
    int r = store_end_question(e->store, q->id, err);
    if (r == 0 && q->run_id && !repair_fits(e, q->run_id))
        r = repair_stale(q->run_id, err);
    if (r == 0)
        r = engine_take_proposal(e, q->page, yaml, run, err);
    int c = run ? 0 : store_commit(e->store, err);
    return r < 0 ? r : c;
}

static void answer(struct llm *l, const struct question_row *q)
{
    _buf_ struct buf yaml = BUF_INIT;
    struct err err = {0};
    int r = propose(l, q, &yaml, &err);

    if (r == -ECANCELED) {
        say(l->e, q->page, "runfs ended before the model had answered: it is asked again when runfs is back");
        return;
    }
    if (!store_question_waits(l->e->store, q->id)) /* another text has come */
        return;
    if (r == 0)
        r = take(l->e, q, &yaml, &err);
    else
        (void)store_end_question(l->e->store, q->id, NULL);
    if (r < 0) {
        unseen_replace(err.msg); /* some words are the server's */
        say(l->e, q->page, err.msg);
        log_info("llm", "%s: %s", q->page, err.msg);
    }
}

/* Whether there is something to do; waits until there is, or runfs ends. */
static bool wait_for_question(struct llm *l)
{
    pthread_mutex_lock(&l->lock);
    while (!l->woken && !l->ending)
        pthread_cond_wait(&l->changed, &l->lock);
    l->woken = false;
    bool more = !l->ending;
    pthread_mutex_unlock(&l->lock);
    return more;
}

static void *work(void *data)
{
    const struct question_row *q;
    struct llm *l = data;
    int64_t last = 0;

    while (wait_for_question(l))
        while (!l->ending && (q = store_next_question(l->e->store, last))) {
            last = q->id;
            answer(l, q);
            question_row_unref(q);
        }
    return NULL;
}

static void wake(struct llm *l)
{
    pthread_mutex_lock(&l->lock);
    if (!l->started && !l->ending && pthread_create(&l->thread, NULL, work, l) == 0)
        l->started = true;
    l->woken = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void on_changed(void *data, const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == CHANGE_QUESTION && changes[i].created) {
            wake(data);
            return;
        }
}

int llm_new(struct engine *e, struct llm **ret, struct err *err)
{
    struct llm *l = calloc(1, sizeof(*l));

    if (!l)
        return err_errno(err, -ENOMEM, "cannot start the engine");
    l->e = e;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    *ret = l;
    return 0;
}

int llm_start(struct llm *l, struct err *err)
{
    const struct question_row *q;
    int r = store_subscribe(l->e->store, on_changed, l);

    if (r < 0)
        return err_errno(err, r, "cannot start the engine");
    l->serves = true;
    for (int64_t last = 0; (q = store_next_question(l->e->store, last));) {
        last = q->id;
        say_asked(l->e, q->page, q->run_id);
        question_row_unref(q);
        wake(l);
    }
    return 0;
}

void llm_free(struct llm *l)
{
    if (!l)
        return;
    if (l->serves)
        store_unsubscribe(l->e->store, on_changed, l);
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->ending, true);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}

int llm_put_question(struct engine *e, const char *page, const char *text, int64_t run_id, struct err *err)
{
    store_begin(e->store);
    int r = store_ask(e->store, page, text, run_id, LLM_QUEUE_MAX + 1 /* the one that is being asked */, err);
    if (r == 0)
        say_asked(e, page, run_id); /* before it can be answered */
    int c = store_commit(e->store, err);
    return r < 0 ? r : c;
}

int llm_ask(struct engine *e, const char *page, const char *text, size_t len, struct err *err)
{
    if (len > LLM_TEXT_MAX || memchr(text, '\0', len) || !utf8_valid(text, len))
        return err_set(err, len > LLM_TEXT_MAX ? -EFBIG : -EINVAL,
                       "what a model is asked is UTF-8 text of at most %d bytes", LLM_TEXT_MAX);
    _free_ char *copy = strndup(text, len); /* with an end */
    return copy ? llm_put_question(e, page, copy, 0, err) : err_errno(err, -ENOMEM, "%s", page);
}
