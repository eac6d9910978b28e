/* What a step that ended teaches: which commands ran, which of them failed, how long it took. */
#include "knowledge_internal.h"
#include "runfs/str.h"

/* ---------------------------------------------------------------------------------------------- reading it
 */

struct learnt {
    struct arena arena;
    struct command_use *uses; /* in the arena */
    enum command_nature *natures;
    bool *guarded;
    size_t n;
};

static int learnt_init(struct learnt *l, size_t max)
{
    l->uses = arena_array(&l->arena, struct command_use, max);
    l->natures = arena_array(&l->arena, enum command_nature, max);
    l->guarded = arena_array(&l->arena, bool, max);
    return l->uses && l->natures && l->guarded ? 0 : -ENOMEM;
}

static int add(struct learnt *l, const char *name, const char *text, enum command_nature nature, bool guarded)
{
    struct command_use u = {.name = arena_strdup(&l->arena, name),
                            .text = arena_strdup(&l->arena, text),
                            .exit_code = -1,
                            .duration_ms = -1};

    if (!u.name || !u.text)
        return -ENOMEM;
    l->natures[l->n] = nature;
    l->guarded[l->n] = guarded;
    l->uses[l->n++] = u;
    return 0;
}

/* "actions/checkout@v4": the action is the node, its version a variant. */
static int read_action(struct learnt *l, const char *uses)
{
    _buf_ struct buf name = BUF_INIT;
    int r = learnt_init(l, 1);

    buf_add(&name, uses, strcspn(uses, "@"));
    if (name.len > COMMAND_NAME_MAX)
        return 0;
    return r < 0 ? r : add(l, buf_str(&name), uses, COMMAND_WORK, false);
}

static bool is_shell(const char *shell)
{
    static const char *const shells[] = {"bash", "sh", "dash", "zsh", "ksh"};
    _buf_ struct buf program = BUF_INIT;

    buf_add(&program, shell, strcspn(shell, " \t"));
    const char *slash = strrchr(buf_str(&program), '/');
    const char *name = slash ? slash + 1 : buf_str(&program);
    for (size_t i = 0; i < ARRAY_LEN(shells); i++)
        if (!*name || str_eq(name, shells[i]))
            return true;
    return false;
}

/* A script in another language is one command: its interpreter's. */
static int read_other(struct learnt *l, const struct learn_step *step)
{
    _buf_ struct buf name = BUF_INIT, text = BUF_INIT;
    const char *line = step->script + strspn(step->script, " \t\r\n");
    struct shell_command c = {.words = &(const char *){line}, .n_words = 1};
    int r = learnt_init(l, 1);

    buf_add(&name, step->shell, strcspn(step->shell, " \t"));
    buf_adds(&name, " script");
    command_text(&c, &text);
    if (name.len > COMMAND_NAME_MAX || !utf8_valid(buf_str(&name), name.len))
        return 0;
    return r < 0 ? r : add(l, buf_str(&name), buf_str(&text), COMMAND_WORK, false);
}

static int read_script(struct learnt *l, const char *text)
{
    _shell_script_ struct shell_script script = {0};
    /* what cannot be read is as little run by the shell: what stands before it counts */
    int r = shell_read(text, strlen(text), &script, NULL) == -ENOMEM ? -ENOMEM : learnt_init(l, script.n + 1);

    for (size_t i = 0; r == 0 && i < script.n; i++) {
        _buf_ struct buf name = BUF_INIT, line = BUF_INIT;
        enum command_nature nature = command_normalise(&script.commands[i], &name);
        if (nature == COMMAND_SETTING)
            continue;
        command_text(&script.commands[i], &line);
        r = add(l, buf_str(&name), buf_str(&line), nature, script.commands[i].guarded);
    }
    return r;
}

/* ------------------------------------------------------------------------------------------- judging it */

/*
 * Which command a failing step failed in. A shell does not tell, so: the last of those whose failing ends the
 * script, one whose program prints such errors before all, one that does work before one that only prints.
 */
static size_t failed_one(const struct learnt *l, const char *failure)
{
    size_t best = l->n - 1;
    int best_rank = -1;

    for (size_t i = 0; i < l->n; i++) {
        int rank = (l->guarded[i] ? 0 : 2) + (l->natures[i] == COMMAND_WORK);
        if (str_eq(l->uses[i].name, "exit") && !l->guarded[i])
            rank = 2;
        if (!l->guarded[i] && blame_is_of(failure, l->uses[i].name))
            rank = 4;
        if (rank >= best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

/* The only one that does work; else there is none that the step's duration is of. */
static ssize_t timed_one(const struct learnt *l)
{
    ssize_t found = -1;

    if (l->n == 1)
        return 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->natures[i] != COMMAND_WORK)
            continue;
        if (found >= 0)
            return -1;
        found = (ssize_t)i;
    }
    return found;
}

static void judge(struct learnt *l, const struct learn_step *step)
{
    bool failed = str_eq(step->outcome, "failure");
    size_t bad = failed ? failed_one(l, step->failure ? step->failure : "") : l->n, main = bad;
    ssize_t timed = timed_one(l);

    if (failed)
        l->n = bad + 1; /* what comes behind it never ran */
    for (size_t i = 0; i < l->n; i++) {
        l->uses[i].outcome = i == bad ? COMMAND_FAILED : l->guarded[i] ? COMMAND_UNKNOWN : COMMAND_SUCCEEDED;
        l->uses[i].exit_code = i == bad ? step->exit_code : l->guarded[i] ? -1 : 0;
        if (!failed && (main == l->n || (l->natures[main] != COMMAND_WORK && l->natures[i] == COMMAND_WORK)))
            main = i;
    }
    l->uses[main].main = true;
    if (timed >= 0 && (size_t)timed < l->n)
        l->uses[timed].duration_ms = (step->completed_at - step->started_at) / 1000000;
}

int learn_step(struct store *st, struct learn_job *job, const struct learn_step *step, struct err *err)
{
    struct command_place place = {.run_id = step->run_id,
                                  .job_id = step->job_id,
                                  .step_id = step->step_id,
                                  .workflow_id = step->workflow_id,
                                  .at = step->completed_at};
    struct learnt l = {0};
    int r = 0;

    if (!step->started_at || (!str_eq(step->outcome, "success") && !str_eq(step->outcome, "failure")))
        return 0;
    if (*step->uses)
        r = read_action(&l, step->uses);
    else if (*step->script)
        r = is_shell(step->shell) ? read_script(&l, step->script) : read_other(&l, step);
    if (r < 0) {
        err_errno(err, r, "the commands of step %lld", (long long)step->step_id);
    } else if (l.n) {
        judge(&l, step);
        r = store_record_commands(st, &place, l.uses, l.n, &job->last_command, err);
    }
    if (r == 0)
        r = learn_outcome(st, step, &place, l.n ? job->last_command : 0, l.n ? l.uses[l.n - 1].name : "",
                          err);
    arena_release(&l.arena);
    return r;
}
