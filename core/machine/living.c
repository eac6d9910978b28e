/* The machines that there are, by id, and what becomes of them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

static const int64_t STALE_NS = 600 * 1000000000LL;

static const char *const state_names[MACHINE_STATES] = {
    "initializing", "active", "executing", "paused", "completed", "failed", "rolled_back", "terminating"};

const char *machine_state_name(enum machine_state state)
{
    return state_names[state];
}

enum machine_state machine_state(const struct machine *m)
{
    struct machine *mutable =
        (struct machine *)m; /* const to its user; a lock changes nothing that he sees */

    pthread_mutex_lock(&mutable->state_lock);
    enum machine_state state = m->paused ? MACHINE_PAUSED : m->state;
    pthread_mutex_unlock(&mutable->state_lock);
    return state;
}

/* ------------------------------------------------------------------------------------ what becomes of one */

void machine_become(struct machine *m, enum machine_state state, const char *why)
{
    pthread_mutex_lock(&m->state_lock);
    m->state = state;
    recorder_note(m, true, why);
    pthread_mutex_unlock(&m->state_lock);
}

void machine_tell(struct machine *m, const char *why)
{
    recorder_note(m, true, why);
}

void machine_changed(struct machine *m)
{
    pthread_mutex_lock(&m->state_lock);
    recorder_note(m, false, "");
    pthread_mutex_unlock(&m->state_lock);
}

void machine_conclude(struct machine *m, bool success, const char *why)
{
    machine_become(m, success ? MACHINE_COMPLETED : MACHINE_FAILED, why);
}

void machine_keep(struct machine *m, bool keep)
{
    pthread_mutex_lock(&m->state_lock);
    if (m->kept != keep) {
        m->kept = keep;
        recorder_note(m, false, "");
    }
    pthread_mutex_unlock(&m->state_lock);
}

/* ----------------------------------------------------------------------------------------- who there is */

struct machine *machine_ref(struct machine *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void machine_unref(struct machine *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) > 1)
        return;
    agent_client_release(&m->client);
    machine_free_paths(m);
    chain_release(&m->chain);
    spec_release(&m->spec);
    spec_release(&m->warm_spec);
    pthread_mutex_destroy(&m->state_lock);
    free(m->dir);
    free(m);
}

static bool title_taken(const struct machine *except, const char *title)
{
    const struct machines *ms = except->ms;

    for (const struct machine *m = ms->living; m; m = m->next)
        if (m != except && m->spec.title && str_eq(m->spec.title, title))
            return true;
    int64_t row = ms->store ? store_find_machine(ms->store, title) : 0;
    return row && row != except->row;
}

static bool row_taken(const struct machines *ms, int64_t row)
{
    for (const struct machine *m = ms->living; m; m = m->next)
        if (m->row == row)
            return true;
    return false;
}

/* With living_lock held. A job that runs again while its former machine is kept has "-2" behind its title. */
static int choose_title(struct machine *m)
{
    const char *wanted = m->spec.title ? m->spec.title : m->spec.name;
    _buf_ struct buf title = BUF_INIT;

    buf_adds(&title, wanted);
    for (int n = 2; buf_ok(&title) && title_taken(m, buf_str(&title)); n++) {
        buf_reset(&title);
        buf_addf(&title, "%.200s-%d", wanted, n);
    }
    char *chosen = buf_steal(&title);
    if (!chosen)
        return -ENOMEM;
    free((char *)m->spec.title);
    m->spec.title = chosen;
    return 0;
}

int machine_enlist(struct machine *m, struct err *err)
{
    struct machines *ms = m->ms;

    pthread_mutex_lock(&ms->living_lock);
    int64_t revive = m->spec.revive;
    int r = revive ? 0 : choose_title(m);
    if (revive && row_taken(ms, revive))
        r = err_set(err, -EBUSY, "the machine runs already");
    if (r == 0) {
        m->row = revive ? revive : ms->next_id++;
        m->lives = true;
        m->next = ms->living;
        ms->living = m;
    }
    pthread_mutex_unlock(&ms->living_lock);
    return r == -ENOMEM ? err_errno(err, r, "machine") : r;
}

void machine_adopt_spec(struct machine *m, struct machine_spec *spec_take)
{
    pthread_mutex_lock(&m->ms->living_lock);
    pthread_mutex_lock(&m->state_lock);
    m->warm_spec = m->spec; /* what waits to be recorded may still point into it */
    m->spec = *spec_take;
    (void)choose_title(m); /* without memory it has the title that was asked for */
    m->kept = m->spec.keep;
    recorder_note(m, false, "");
    pthread_mutex_unlock(&m->state_lock);
    pthread_mutex_unlock(&m->ms->living_lock);
}

void machine_delist(struct machine *m)
{
    struct machines *ms = m->ms;

    pthread_mutex_lock(&ms->living_lock);
    for (struct machine **p = &ms->living; *p; p = &(*p)->next)
        if (*p == m) {
            *p = m->next;
            break;
        }
    pthread_mutex_unlock(&ms->living_lock);
}

struct machine *machines_find(struct machines *ms, int64_t row)
{
    struct machine *found = NULL;

    pthread_mutex_lock(&ms->living_lock);
    for (struct machine *m = ms->living; m && !found; m = m->next)
        if (m->row == row)
            found = machine_ref(m);
    pthread_mutex_unlock(&ms->living_lock);
    return found;
}

/* ------------------------------------------------------------------------------------------------ stale */

static bool is_mine(struct machines *ms, const char *name)
{
    bool mine = false;

    pthread_mutex_lock(&ms->living_lock);
    for (const struct machine *m = ms->living; m && !mine; m = m->next)
        mine = m->row && str_eq(m->id, name);
    pthread_mutex_unlock(&ms->living_lock);
    return mine;
}

/* Directories that nobody has been working in for a while and that no machine has. */
static void reap_directories(struct machines *ms)
{
    _closedir_ DIR *dir = opendir(ms->scratch);
    struct dirent *e;
    struct stat st;

    while (dir && (e = readdir(dir))) {
        _buf_ struct buf path = BUF_INIT;
        if (!strchr("mpd", e->d_name[0]) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            now_ns() - timespec_ns(st.st_ctim) < STALE_NS || is_mine(ms, e->d_name))
            continue;
        buf_addf(&path, "%s/%s", ms->scratch, e->d_name);
        struct remains left = {.pidfd = -1, .root = -1, .path = buf_steal(&path), .lent = true};
        snprintf(left.group, sizeof(left.group), "%.31s", e->d_name);
        if (left.path)
            cleaner_add(ms->cleaner, left);
    }
}

/* Its state first: while it is being made, who makes it writes its client without a lock. */
static bool has_died(struct machine *m)
{
    enum machine_state state = machine_state(m);

    return state != MACHINE_INITIALIZING && state != MACHINE_FAILED && state != MACHINE_TERMINATING &&
           !agent_client_lives(&m->client);
}

void machines_reap(struct machines *ms)
{
    struct machine *dead[64];
    size_t n = 0;

    pthread_mutex_lock(&ms->living_lock);
    for (struct machine *m = ms->living; m && n < ARRAY_LEN(dead); m = m->next)
        if (m->row && has_died(m))
            dead[n++] = machine_ref(m);
    pthread_mutex_unlock(&ms->living_lock);
    for (size_t i = 0; i < n; i++) {
        if (has_died(dead[i]))
            machine_become(dead[i], MACHINE_FAILED, "its agent ended");
        machine_unref(dead[i]);
    }
    reap_directories(ms);
}
