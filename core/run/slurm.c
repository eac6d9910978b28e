/* Slurm, by its own commands: srun gives a job to a node and carries what its worker says, squeue tells why
 * it waits and how it ended, scancel ends what nobody waits for any more. */
#include "slurm.h"

#include <poll.h>
#include <sys/random.h>

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/slurm.h"
#include "runfs/str.h"

enum {
    ASK_MS = 5000,     /* a controller that is gone keeps its clients waiting for 18 s otherwise */
    SETTLE_MS = 20000, /* until the state of a job that has ended is known */
    LOOK_FIRST_MS = 20,
    LOOK_LAST_MS = 500
};
#define LOOK_NS 1000000000LL
#define LOOK_MAX_NS 10000000000LL /* many may wait, and for long */

void slurm_job_init(struct slurm_job *s, struct run_job *job, int try)
{
    unsigned random = 0;

    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    *s = (struct slurm_job){.job = job};
    snprintf(s->name, sizeof(s->name), "runfs-%lld-%.100s-%d.%d-%08x", (long long)job->run->row.id,
             job->row.key, job->run->row.attempt, try, random);
}

int slurm_command(const struct slurm_job *s, const char *label, struct buf *ret, struct err *err)
{
    struct slurm_label l = {0};
    int r = slurm_has_client(err);

    if (r == 0)
        r = slurm_label_parse(label, &l, err);
    if (r < 0)
        return r;
    /* a job of its own, even where this process is in one; what it has in its environment is none of a node's
     * business */
    buf_adds(ret, "unset SLURM_JOB_ID SLURM_JOBID; exec srun --job-name=");
    buf_add_shell_word(ret, s->name);
    buf_addf(ret, " --ntasks=1 --nodes=1 --export=HOME,PATH,USER,LANG%s%s", buf_str(&l.options),
             buf_str(&l.worker));
    slurm_label_release(&l);
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "slurm");
}

/* ------------------------------------------------------------------------------------------------- asking */

static void copy_word(char *to, size_t size, const char *from, size_t len)
{
    snprintf(to, size, "%.*s", (int)(len < size ? len : size - 1), from);
}

/* What squeue says of it: its number, its state, and *ret_reason. -ENOENT: nothing. */
static int ask(struct slurm_job *s, struct buf *ret_reason)
{
    _buf_ struct buf name = BUF_INIT, user = BUF_INIT;
    struct proc_result result = {0};

    buf_addf(&name, "--name=%s", s->name);
    buf_addf(&user, "--user=%u", geteuid()); /* whoever else takes that name */
    const char *const argv[] = {
        "squeue", "--noheader", "--states=all", "--format=%i|%T|%r", buf_str(&name), buf_str(&user), NULL};
    int r = proc_run(argv, "/", 65536, ASK_MS, &result, NULL);
    if (r == 0 && result.exit_code != 0)
        r = -EIO;
    const char *line = buf_str(&result.out);
    *s->state = '\0';
    const char *state = r == 0 ? strchr(line, '|') : NULL, *reason = state ? strchr(state + 1, '|') : NULL;
    if (reason) {
        copy_word(s->id, sizeof(s->id), line, (size_t)(state - line));
        copy_word(s->state, sizeof(s->state), state + 1, (size_t)(reason - state - 1));
        buf_add(ret_reason, reason + 1, strcspn(reason + 1, "\n"));
    } else if (r == 0) {
        r = -ENOENT;
    }
    proc_result_release(&result);
    return r;
}

/* `why` of the job: what decided that it runs, and a line more. */
static void show(const struct slurm_job *s, const char *line)
{
    struct run_job *job = s->job;
    struct engine *e = job->run->e;
    _buf_ struct buf why = BUF_INIT;

    buf_addf(&why, "%s%s%s", job->decided ? job->decided : "", line, *line ? "\n" : "");
    pthread_mutex_lock(&e->lock);
    job->row.why = run_keep(job->run, buf_str(&why));
    job_put(job);
    pthread_mutex_unlock(&e->lock);
}

/* ------------------------------------------------------------------------------------------------ its end */

static const struct {
    const char *state, *words;
    bool node; /* it was the node's fault */
} endings[] = {
    {"TIMEOUT", "took longer than its time limit there", false},
    {"DEADLINE", "could not end before its deadline there", false},
    {"OUT_OF_MEMORY", "used more memory than it was given there", false},
    {"NODE_FAIL", "lost the node that it ran on", true},
    {"BOOT_FAIL", "had a node that did not come up", true},
    {"PREEMPTED", "gave way to another one", true},
    {"CANCELLED", "was cancelled there", false},
};

/* What is told of a job that completes is why, not how it ended: the worker's exit code says that already. */
static bool is_over(const struct slurm_job *s, const struct buf *reason)
{
    static const char *const living[] = {"PENDING", "RUNNING",  "COMPLETING", "CONFIGURING", "SUSPENDED",
                                         "STOPPED", "REQUEUED", "SIGNALING",  "STAGE_OUT",   "RESIZING"};

    if (str_eq(s->state, "COMPLETING") && str_eq(buf_str(reason), "NonZeroExitCode"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(living); i++)
        if (str_eq(living[i], s->state))
            return false;
    return *s->state != '\0';
}

void slurm_withdraw(const struct slurm_job *s)
{
    _buf_ struct buf name = BUF_INIT, user = BUF_INIT;
    struct proc_result result = {0};

    buf_addf(&name, "--name=%s", s->name);
    buf_addf(&user, "--user=%u", geteuid());
    const char *const argv[] = {"scancel", "--quiet", buf_str(&name), buf_str(&user), NULL};
    (void)proc_run(argv, "/", 4096, ASK_MS, &result, NULL);
    proc_result_release(&result);
}

/* A controller that is busy, or comes back, is asked again; one that knows nothing of the job is not. */
static bool settle(struct slurm_job *s)
{
    int64_t until = mono_ns() + SETTLE_MS * 1000000LL;

    for (int ms = LOOK_FIRST_MS;; ms = ms * 2 < LOOK_LAST_MS ? ms * 2 : LOOK_LAST_MS) {
        _buf_ struct buf reason = BUF_INIT;
        int r = ask(s, &reason);
        if (r == -ENOENT || (r == 0 && is_over(s, &reason)))
            return true;
        if (atomic_load(&s->job->cancelled) || mono_ns() >= until)
            return false;
        (void)poll(NULL, 0, ms);
    }
}

bool slurm_ended(struct slurm_job *s, struct buf *ret)
{
    if (!settle(s)) {
        slurm_withdraw(s);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (str_eq(endings[i].state, s->state)) {
            buf_addf(ret, "Slurm's job %s %s (%s)", s->id, endings[i].words, s->state);
            return true;
        }
    return false;
}

bool slurm_lost_node(const struct slurm_job *s)
{
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (endings[i].node && str_eq(endings[i].state, s->state))
            return true;
    return false;
}

/* ----------------------------------------------------------------------------------------------- meanwhile
 */

static void show_waiting(struct slurm_job *s, const struct buf *reason)
{
    _buf_ struct buf line = BUF_INIT;

    buf_addf(&line, "waits in Slurm's queue as job %s: %.80s", s->id,
             reason->len ? reason->ptr : "no reason is told");
    if (str_eq(buf_str(&line), s->shown))
        return;
    snprintf(s->shown, sizeof(s->shown), "%s", buf_str(&line));
    show(s, s->shown);
}

enum attend_word slurm_look(struct slurm_job *s)
{
    _buf_ struct buf reason = BUF_INIT;

    if (mono_ns() < s->next_look)
        return ATTEND_UNKNOWN;
    int r = ask(s, &reason);
    s->pause_ns = s->pause_ns ? s->pause_ns + s->pause_ns / 4 : LOOK_NS;
    s->next_look = mono_ns() + (s->pause_ns < LOOK_MAX_NS ? s->pause_ns : LOOK_MAX_NS);
    if (r < 0)
        return ATTEND_UNKNOWN;
    if (is_over(s, &reason)) /* but srun may be about to say so; one whose node is lost waits on */
        return s->over++ ? ATTEND_GONE : ATTEND_UNKNOWN;
    s->over = 0;
    if (!s->running && str_eq(s->state, "PENDING"))
        show_waiting(s, &reason);
    return str_eq(s->state, "SUSPENDED") ? ATTEND_STOPPED : ATTEND_UNKNOWN;
}

void slurm_begins(struct slurm_job *s)
{
    s->running = true;
    s->next_look = s->pause_ns = 0;
    if (*s->shown)
        show(s, "");
}
