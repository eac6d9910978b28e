/* Machines that are kept after their job: who asked for it, for how long, and shells in them. */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum { HOLD_MINUTES = 60 };

static void held_free(struct held *h)
{
    machine_release(h->machine);
    job_shells_release(&h->shells);
    free(h);
}

/* Takes it out of the list. With the lock held. */
static void held_unlink(struct engine *e, struct held *h)
{
    struct held **at = &e->held;

    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
}

static struct held *held_find(struct engine *e, int64_t job_id)
{
    struct held *h = e->held;

    while (h && h->job_id != job_id)
        h = h->next;
    return h;
}

bool hold_wanted(struct run_job *job, enum job_status status)
{
    _buf_ struct buf on_failure = BUF_INIT;

    if (atomic_load(&job->hold))
        return true;
    return status == JOB_FAILURE &&
           store_setting(job->run->e->store, SETTING_CONFIG, "hold_on_failure", &on_failure) == 0 &&
           str_eq(buf_str(&on_failure), "on");
}

bool hold_machine(struct run_job *job, struct machine *machine, struct job_shells *shells)
{
    struct engine *e = job->run->e;
    struct held *h = calloc(1, sizeof(*h));

    if (!h)
        return false;
    *h = (struct held){.run_id = job->run->row.id,
                       .job_id = job->row.id,
                       .machine = machine,
                       .shells = *shells,
                       .until =
                           mono_ns() + config_number(e->store, "hold_minutes", HOLD_MINUTES) * 60000000000LL};
    *shells = (struct job_shells){0};
    pthread_mutex_lock(&e->lock);
    h->next = e->held;
    e->held = h;
    pthread_mutex_unlock(&e->lock);
    log_info("run", "%lld: the machine of job %s is held", (long long)h->run_id, job->row.key);
    return true;
}

void holds_expire(struct engine *e, bool all)
{
    struct held *gone = NULL;

    pthread_mutex_lock(&e->lock);
    for (struct held *h = e->held, *next; h; h = next) {
        next = h->next;
        if (h->busy || (!all && mono_ns() < h->until))
            continue;
        held_unlink(e, h);
        h->next = gone;
        gone = h;
    }
    pthread_mutex_unlock(&e->lock);
    while (gone) {
        struct held *h = gone;
        gone = h->next;
        held_free(h);
    }
}

static struct run_job *unfinished_job(struct engine *e, int64_t job_id)
{
    for (struct run *run = e->runs; run; run = run->next)
        for (size_t i = 0; i < run->n_jobs; i++)
            if (run->jobs[i]->row.id == job_id && run->jobs[i]->state != JOB_STATE_DONE)
                return run->jobs[i];
    return NULL;
}

int engine_hold(struct engine *e, int64_t job_id, struct err *err)
{
    int r = 0;

    pthread_mutex_lock(&e->lock);
    struct run_job *job = unfinished_job(e, job_id);
    if (job && job->elsewhere)
        r = err_set(err, -ENOTSUP, "the job runs on another host, by a %s: its machine cannot be held",
                    job->row.backend);
    else if (job)
        atomic_store(&job->hold, true);
    else if (!held_find(e, job_id))
        r = err_set(
            err, -EINVAL,
            "the job is completed and its machine is gone: `echo hold > ctl` before it ends, or `echo on > "
            "config/hold_on_failure`, and run it again");
    pthread_mutex_unlock(&e->lock);
    return r;
}

int engine_release_held(struct engine *e, int64_t job_id, struct err *err)
{
    int r = 0;

    pthread_mutex_lock(&e->lock);
    struct run_job *job = unfinished_job(e, job_id);
    struct held *h = held_find(e, job_id);
    if (job)
        atomic_store(&job->hold, false);
    else if (!h)
        r = err_set(err, -EINVAL, "no machine of this job is held");
    else if (h->busy)
        r = err_set(err, -EBUSY, "somebody has a shell in it");
    else
        held_unlink(e, h);
    pthread_mutex_unlock(&e->lock);
    if (r == 0 && h)
        held_free(h);
    return r;
}

/* ------------------------------------------------------------------------------------------------- shells */

/* The step that a shell is to be like: the one asked for, else the last that ran a process. */
static const struct step_shell *choose_step(const struct held *h, int number)
{
    if (number > 0 && (size_t)number <= h->shells.n && h->shells.steps[number - 1].env)
        return &h->shells.steps[number - 1];
    for (size_t i = h->shells.n; number == 0 && i-- > 0;)
        if (h->shells.steps[i].env)
            return &h->shells.steps[i];
    return NULL;
}

/* The step's environment, with the terminal that the person has. */
static const char **shell_env(char *const *env, const char *term)
{
    static char prompt[] = "PS1=\\w\\$ ";
    size_t n = 0;

    while (env[n])
        n++;
    const char **list = calloc(n + 3, sizeof(*list));
    if (!list)
        return NULL;
    for (size_t i = n = 0; env[i]; i++)
        if (!str_starts(env[i], "TERM=") && !str_starts(env[i], "PS1="))
            list[n++] = env[i];
    list[n++] = term;
    list[n] = prompt;
    return list;
}

static int run_shell(struct held *h, const struct step_shell *step, struct shell_request *rq, struct err *err)
{
    static const char *const shells[][4] = {{"bash", "--norc", "-i", NULL}, {"sh", "-i", NULL}};
    _buf_ struct buf term = BUF_INIT;
    int r = 0;

    buf_addf(&term, "TERM=%s", str_empty(rq->term) ? "dumb" : rq->term);
    _free_ const char **env = shell_env(step->env, buf_str(&term));
    if (!env)
        return err_errno(err, -ENOMEM, "shell");
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        struct machine_exec x = {.argv = shells[i],
                                 .env = env,
                                 .cwd = step->cwd,
                                 .output = rq->output,
                                 .data = rq->data,
                                 .terminal = &rq->terminal};
        machine_result_release(&rq->result);
        r = machine_exec(h->machine, &x, &rq->result, err);
        if (r < 0 || rq->result.exit_code != 127 || !rq->result.start_error)
            break;
    }
    if (r == 0 && rq->result.start_error)
        r = err_set(err, -EIO, "%s", rq->result.start_error);
    return r;
}

/* With the lock held. */
static int find_shell(struct engine *e, int64_t job_id, int step_number, struct held **ret,
                      const struct step_shell **ret_step, struct err *err)
{
    struct held *h = *ret = held_find(e, job_id);
    int r = 0;

    if (!h && unfinished_job(e, job_id))
        r = err_set(err, -EBUSY, "the job is not completed: `echo hold > ctl` keeps its machine when it is");
    else if (!h)
        r = err_set(err, -ENOENT,
                    "no machine of this job is held: `echo hold > ctl` before it ends, or `echo on > "
                    "config/hold_on_failure`");
    else if (h->busy)
        r = err_set(err, -EBUSY, "somebody has a shell in it already");
    else if (!(*ret_step = choose_step(h, step_number)))
        r = err_set(err, -EINVAL, "that step ran no process in it");
    return r;
}

int engine_can_shell(struct engine *e, int64_t job_id, int step_number, struct err *err)
{
    const struct step_shell *step;
    struct held *h;

    pthread_mutex_lock(&e->lock);
    int r = find_shell(e, job_id, step_number, &h, &step, err);
    pthread_mutex_unlock(&e->lock);
    return r;
}

int engine_shell(struct engine *e, int64_t job_id, int step_number, struct shell_request *rq, struct err *err)
{
    const struct step_shell *step = NULL;
    struct held *h;

    pthread_mutex_lock(&e->lock);
    int r = find_shell(e, job_id, step_number, &h, &step, err);
    if (r == 0)
        h->busy = true;
    pthread_mutex_unlock(&e->lock);
    if (r < 0)
        return r;
    r = run_shell(h, step, rq, err);
    pthread_mutex_lock(&e->lock);
    h->busy = false;
    if (r == -ECONNRESET) /* the machine died of it */
        h->until = 0;
    pthread_mutex_unlock(&e->lock);
    return r;
}
