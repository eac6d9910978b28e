/* Steps in the background: their threads, and what waits for them. */
#include "background.h"

#include <pthread.h>

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum {
    LOOKS_MAX = 3,
    RUNNING_MAX = 10 /* GitHub documentation: at most 10 at the same time in a job, the others queue */
};

struct background_step {
    struct background_step *next;
    struct running_job job; /* what it sees and changes: the job as it was when it began */
    struct job_spec spec;   /* the job's, but for `cancelled` */
    atomic_bool cancelled;  /* with the job, or alone */
    bool unwanted;          /* a later step cancelled it */
    bool meant;             /* by the step that waits or cancels just now */
    char *name;             /* owned */
    size_t index;
    json_t *env_before;        /* owned: of the job's set_env */
    size_t path_before;        /* how many entries its set_path had */
    struct machine_lane *lane; /* while it runs, or what it left does */
    unsigned looks;            /* whether something of it lives: how often */
    struct err refused;        /* why it cannot run here */
    pthread_t thread;
    bool started, placed, ended, taken;
};

struct background {
    pthread_mutex_t turn;
    pthread_cond_t changed;        /* one has begun, ended, or was cancelled */
    struct background_step *steps; /* the last one first */
    unsigned running;
};

void job_leave(struct running_job *j)
{
    if (j->background)
        pthread_mutex_unlock(&j->background->turn);
}

void job_enter(struct running_job *j)
{
    if (j->background)
        pthread_mutex_lock(&j->background->turn);
}

static bool runs_in_background(const struct workflow_step *def)
{
    return def->background && (def->kind == STEP_RUN || def->kind == STEP_USES);
}

int background_begin(struct running_job *j)
{
    bool any = false;

    for (size_t i = 0; i < j->spec->job->n_steps; i++)
        any |= runs_in_background(&j->spec->job->steps[i]);
    if (!any)
        return 0;
    j->background = calloc(1, sizeof(*j->background));
    if (!j->background)
        return -ENOMEM;
    pthread_mutex_init(&j->background->turn, NULL);
    pthread_cond_init(&j->background->changed, NULL);
    job_enter(j);
    return 0;
}

/* ------------------------------------------------------------------------------------------- one of them */

/* The job as this step sees it. What it changes stays its own until somebody waits for it. */
static int step_view(struct background_step *b, struct running_job *j)
{
    b->spec = *j->spec;
    b->spec.cancelled = &b->cancelled;
    b->job = (struct running_job){.whole = j,
                                  .in_background = b,
                                  .background = j->background,
                                  .spec = &b->spec,
                                  .machine = j->machine,
                                  .mask = j->mask,
                                  .sink = j->sink,
                                  .base_env = json_incref(j->base_env),
                                  .set_env = json_copy(j->set_env),
                                  .set_path = json_copy(j->set_path),
                                  .deadline = j->deadline,
                                  .until = j->deadline,
                                  .debug = j->debug,
                                  .ending = j->ending};
    b->job.scope = (struct scope){.job = &b->job,
                                  .file = j->scope.file,
                                  .contexts = json_copy(j->scope.contexts),
                                  .steps = json_copy(j->scope.steps),
                                  .overrides = json_incref(j->scope.overrides),
                                  .status = j->scope.status};
    b->env_before = json_copy(j->set_env);
    b->path_before = json_array_size(j->set_path);
    if (!b->job.set_env || !b->job.set_path || !b->job.scope.contexts || !b->env_before)
        return -ENOMEM;
    return json_object_set_new(b->job.scope.contexts, "steps", b->job.scope.steps) < 0 ? -ENOMEM : 0;
}

/* Those that were started first run first. */
static bool must_wait(const struct background_step *b)
{
    if (b->job.background->running >= RUNNING_MAX)
        return true;
    for (const struct background_step *before = b->next; before; before = before->next)
        if (!before->placed && !before->ended)
            return true;
    return false;
}

/* Whoever cancels the job reaches what has a lane; the others have to look. */
static bool is_cancelled(struct background_step *b)
{
    if (!b->job.ending && atomic_load(b->job.whole->spec->cancelled))
        atomic_store(&b->cancelled, true);
    return atomic_load(&b->cancelled);
}

static void wait_for_place(struct background_step *b)
{
    struct background *bg = b->job.background;

    while (!is_cancelled(b) && must_wait(b))
        pthread_cond_wait(&bg->changed, &bg->turn);
    b->placed = true;
    bg->running++;
    pthread_cond_broadcast(&bg->changed);
}

static void open_lane(struct background_step *b)
{
    struct machine_lane *lane = NULL;

    job_leave(&b->job);
    if (!b->refused.code)
        (void)machine_lane_open(b->job.machine, &b->cancelled, &lane, &b->refused);
    job_enter(&b->job);
    if (b->refused.code)
        b->job.refused = b->refused.msg;
    b->lane = lane;
    machine_lane_use(lane);
    (void)is_cancelled(b); /* perhaps while it was opened */
}

/* What the step left running goes on, as behind any other step: then its lane stays open. To look takes a
 * moment where something lives, so that it is not done behind each step that comes. */
static void close_lane(struct background_step *b)
{
    struct machine_lane *lane = b->lane;

    if (!lane || b->looks++ >= LOOKS_MAX)
        return;
    job_leave(&b->job);
    bool alone = machine_lane_alone(lane);
    job_enter(&b->job);
    if (!alone)
        return;
    b->lane = NULL; /* nobody else interrupts it */
    machine_lane_close(lane);
}

static void *run(void *data)
{
    struct background_step *b = data;
    struct background *bg = b->job.background;

    job_enter(&b->job);
    wait_for_place(b);
    open_lane(b);
    proc_until(job_unwanted, &b->job);
    step_run(&b->job.scope, b->index, &b->spec.job->steps[b->index]);
    proc_until(NULL, NULL);
    machine_lane_use(NULL);
    close_lane(b);
    b->ended = true;
    bg->running--;
    pthread_cond_broadcast(&bg->changed);
    job_leave(&b->job);
    return NULL;
}

void background_start(struct running_job *j, size_t index)
{
    struct background_step *b = calloc(1, sizeof(*b));
    struct err err = {0};

    job_put_event(j); /* else several write it, while others read */
    int r = b ? step_view(b, j) : -ENOMEM;

    if (b) {
        b->index = index;
        b->name = r < 0 ? NULL : step_title(&b->job, &j->spec->job->steps[index]);
        b->next = j->background->steps;
        j->background->steps = b;
        (void)machine_lanes_begin(j->machine, &b->refused);
        r = r < 0 ? r : -pthread_create(&b->thread, NULL, run, b);
        b->started = r == 0;
        b->ended = !b->started;
    }
    if (r == 0)
        return;
    struct step_output log = {.job = j, .step = index};
    err_errno(&err, r, "the step cannot be started in the background");
    output_error(&log, err.msg);
    output_release(&log);
    if (b)
        b->job.scope.concluded = JOB_FAILURE;
    else
        j->scope.status = j->scope.status == JOB_SUCCESS ? JOB_FAILURE : j->scope.status;
}

/* --------------------------------------------------------------------------------------- waiting for them */

static const char *step_name(const struct background_step *b)
{
    return b->name ? b->name : b->spec.job->steps[b->index].id;
}

/* What it left becomes the job's, once. */
static void take(struct running_job *j, struct background_step *b)
{
    const struct workflow_step *def = &b->spec.job->steps[b->index];
    json_t *value, *result = def->has_id ? json_object_get(b->job.scope.steps, def->id) : NULL;
    const char *key;

    if (b->taken)
        return;
    b->taken = true;
    if (result)
        json_object_set(j->scope.steps, def->id, result);
    json_object_foreach(b->job.set_env, key, value)
    {
        if (!json_equal(value, json_object_get(b->env_before, key)))
            json_object_set(j->set_env, key, value);
    }
    for (size_t i = b->path_before; i < json_array_size(b->job.set_path); i++)
        json_array_append(j->set_path, json_array_get(b->job.set_path, i));
}

static void await(struct running_job *j, struct background_step *b)
{
    while (!b->ended)
        pthread_cond_wait(&j->background->changed, &j->background->turn);
    take(j, b);
}

static void cancel(struct running_job *j, struct background_step *b)
{
    b->unwanted = true;
    if (b->ended)
        return;
    atomic_store(&b->cancelled, true);
    if (b->lane)
        machine_lane_interrupt(b->lane);
    pthread_cond_broadcast(&j->background->changed);
}

static bool names(const struct token *target, const char *id)
{
    if (target->kind != TOKEN_SEQUENCE)
        return str_eq_ascii_nocase(target->str, id);
    for (size_t i = 0; i < target->seq.n; i++)
        if (str_eq_ascii_nocase(target->seq.items[i]->str, id))
            return true;
    return false;
}

/* Whether that step is one that this one is about. */
static bool is_meant(const struct running_step *s, const struct background_step *b)
{
    const struct workflow_step *def = &b->spec.job->steps[b->index];
    size_t at = s->output.step;

    switch (s->def->kind) {
    case STEP_WAIT_ALL:
        return !b->taken;
    case STEP_PARALLEL:
        return b->index < at && at - b->index <= s->def->n_parallel;
    default:
        return def->has_id && names(s->def->target, def->id);
    }
}

/* Whether how it ended is for others, too: not when it was cancelled as it should be. */
static bool counts(const struct background_step *b)
{
    enum job_status how = b->job.scope.concluded;

    return how == JOB_FAILURE || (how == JOB_CANCELLED && !b->unwanted);
}

/* The steps stand in the list backwards: the first one is told first. */
static void tell(struct running_step *s, const struct background_step *b, struct buf *list)
{
    if (!b)
        return;
    tell(s, b->next, list);
    if (b->meant)
        buf_addf(list, "%s%s", list->len ? ", " : "", step_name(b));
}

static void conclude(struct running_step *s, const struct background_step *b)
{
    if (!b)
        return;
    conclude(s, b->next);
    if (!b->meant)
        return;
    output_runner_line(&s->output, "%s: %s", step_name(b), job_status_name(b->job.scope.concluded));
    if (s->def->kind == STEP_CANCEL || !counts(b) || s->outcome == JOB_FAILURE)
        return;
    s->outcome = b->job.scope.concluded;
    if (s->outcome == JOB_FAILURE)
        s->exit_code = b->job.scope.exit_code;
}

void background_control(struct running_step *s)
{
    struct running_job *j = s->job;
    struct background_step *first = j->background ? j->background->steps : NULL;
    _buf_ struct buf list = BUF_INIT;

    for (struct background_step *b = first; b; b = b->next) {
        b->meant = is_meant(s, b);
        if (b->meant && s->def->kind == STEP_CANCEL)
            cancel(j, b);
    }
    tell(s, first, &list);
    if (!list.len)
        output_runner_line(&s->output, "There is nothing in the background to wait for");
    else
        output_runner_line(&s->output, "%s: %s", s->def->kind == STEP_CANCEL ? "Cancelling" : "Waiting for",
                           buf_str(&list));
    for (struct background_step *b = first; b; b = b->next)
        if (b->meant)
            await(j, b);
    conclude(s, first);
}

bool background_pending(const struct running_job *j)
{
    bool any = false;

    for (struct background_step *b = j->background ? j->background->steps : NULL; b; b = b->next) {
        any |= !b->taken;
        if (b->ended)
            close_lane(b);
    }
    return any;
}

bool background_was_cancelled(const struct running_job *j)
{
    return j->in_background && j->in_background->unwanted;
}

void background_finish(struct running_job *j)
{
    struct scope *scope = &j->scope;

    for (struct background_step *b = j->background ? j->background->steps : NULL; b; b = b->next) {
        await(j, b);
        if (!counts(b) || scope->status != JOB_SUCCESS)
            continue;
        scope->status = b->job.scope.concluded;
        scope->exit_code = b->job.scope.exit_code > 0 ? b->job.scope.exit_code : 1;
    }
    scope_tell_status(scope);
}

void background_release(struct running_job *j)
{
    struct background *bg = TAKE(j->background);

    if (!bg)
        return;
    pthread_mutex_unlock(&bg->turn);
    while (bg->steps) {
        struct background_step *b = bg->steps;
        bg->steps = b->next;
        if (b->started)
            pthread_join(b->thread, NULL);
        machine_lane_close(b->lane);
        scope_release(&b->job.scope);
        json_decref(b->job.base_env);
        json_decref(b->job.set_env);
        json_decref(b->job.set_path);
        json_decref(b->env_before);
        free(b->name);
        free(b);
    }
    pthread_cond_destroy(&bg->changed);
    pthread_mutex_destroy(&bg->turn);
    free(bg);
}
