/* One word, from the outbox to whom it is for. */
#include "report_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/mask.h"
#include "runfs/str.h"

enum { TRIES_MAX = 100, WAIT_MAX_S = 900 };
static const int64_t second = 1000000000;

static const struct word_kind *const kinds[] = {&word_status, &word_check, &word_comment, &word_watch,
                                                &word_alert};

/* 1, 2, 4, ... seconds, a quarter of an hour at most, and a little more, so that many do not come together.
 */
static int64_t wait_after(int tries)
{
    int64_t s = tries >= 10 ? WAIT_MAX_S : 1LL << tries;

    return (s < WAIT_MAX_S ? s : WAIT_MAX_S) * second * (100 + mono_ns() / 1000 % 25) / 100;
}

/* What came of it goes into the outbox, and into the log where somebody may want to know. */
static bool settle(struct telling *t, const struct word_kind *kind, enum verdict v)
{
    struct word_row row = *t->word;
    struct err err = {0};

    row.remote = buf_str(&t->remote);
    row.problem = v == TOLD ? "" : buf_str(&t->problem);
    row.doubt = t->doubt;
    row.tries = v == TOLD_MAYBE || v == LATER ? row.tries + 1 : v == LIMITED ? row.tries : 0;
    if (row.tries >= TRIES_MAX)
        v = REFUSED;
    row.next_at = v == PARKED                     ? WORD_PARKED
                  : v == LIMITED                  ? t->until
                  : v == TOLD_MAYBE || v == LATER ? now_ns() + wait_after(row.tries - 1)
                                                  : 0;
    if (v == TOLD || v == REFUSED)
        row.said = row.wanted;
    if (v == REFUSED || (v == PARKED && !str_eq(row.problem, t->word->problem)))
        log_warning("report", "run %lld: %s: %s", (long long)row.run_id, row.kind, row.problem);
    else if (v != TOLD && v != PARKED)
        log_info("report", "run %lld: %s: try %d: %s", (long long)row.run_id, row.kind, row.tries,
                 row.problem);
    if (store_put_word(t->lane->reporter->store, &row, &err) == 0) {
        if (kind->settled)
            kind->settled(t, row.problem);
        return true;
    }
    log_error("report", "run %lld: %s: %s", (long long)row.run_id, row.kind, err.msg);
    return false;
}

/* So that whoever comes after a sudden end looks for it first. */
static int put_doubt(struct telling *t)
{
    struct word_row row = *t->word;

    row.doubt = t->doubt = true;
    row.remote = buf_str(&t->remote);
    return store_put_word(t->lane->reporter->store, &row, NULL);
}

/* What cannot be looked for is said once more: twice is better than never. */
static enum verdict look(struct telling *t, const struct word_kind *kind, bool *ret_found)
{
    enum verdict v = kind->look(t, ret_found);

    if (v == REFUSED) {
        buf_reset(&t->problem);
        v = TOLD;
    }
    if (v == TOLD)
        t->doubt = false;
    return v;
}

static enum verdict tell(struct telling *t, const struct word_kind *kind)
{
    bool found = false;

    if (kind->news && !kind->news(t) && !t->doubt)
        return TOLD;
    enum verdict v = kind->ready ? kind->ready(t) : TOLD;
    if (v == TOLD && t->doubt && kind->look)
        v = look(t, kind, &found);
    if (v != TOLD || found)
        return v;
    if (put_doubt(t) < 0) {
        buf_adds(&t->problem, "the outbox cannot be written");
        t->doubt = false;
        return LATER;
    }
    v = kind->say(t);
    t->doubt = v == TOLD_MAYBE; /* what else there is not sure of, knows why */
    return v;
}

bool word_tell(struct lane *lane, int64_t id)
{
    struct store *st = lane->reporter->store;
    const struct word_row *word = store_get_word(st, id);
    const struct run_row *run = word ? store_get_run(st, word->run_id) : NULL;
    struct telling t = {.lane = lane, .word = word, .run = run};
    bool done = !word || word->settled;
    char *state;

    if (run && !done && *word->wanted) {
        t.attempt = (int)strtol(word->wanted, &state, 10);
        t.state = state + (*state == ' ');
        t.doubt = word->doubt;
        buf_adds(&t.remote, word->remote);
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            if (str_eq(kinds[i]->name, word->kind))
                done = settle(&t, kinds[i], tell(&t, kinds[i]));
    }
    mask_free(t.mask);
    if (t.token.ptr)
        explicit_bzero(t.token.ptr, t.token.len);
    struct buf *const bufs[] = {&t.url, &t.token, &t.link, &t.remote, &t.problem};
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_release(bufs[i]);
    run_row_unref(run);
    word_row_unref(word);
    return done;
}
