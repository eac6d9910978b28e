/* Steps: kinds, ids given and made, targets of the steps that wait. */
#include "runfs/str.h"
#include "workflow_internal.h"

static bool alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool id_char(char c)
{
    return alpha(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

const char *id_complaint(struct arena *a, const char *id)
{
    bool good = alpha(*id) || *id == '_';

    for (const char *p = id; *p && good; p++)
        good = id_char(*p);
    if (!good || strlen(id) >= ID_LENGTH_MAX)
        return arena_printf(
            a,
            "The identifier '%s' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. "
            "IDs must start with a letter or '_' and and must be less than %d characters.",
            id, ID_LENGTH_MAX);
    if (str_starts(id, "__"))
        return arena_printf(a, "The identifier '%s' is invalid. IDs starting with '__' are reserved.", id);
    return NULL;
}

static bool id_taken(const struct workflow_job *job, const char *id)
{
    for (size_t i = 0; i < job->n_steps; i++)
        if (job->steps[i].id && str_eq(job->steps[i].id, id))
            return true;
    return false;
}

/* What a step without an id is called after: "run", "actions/checkout", "self", the image. */
static void id_stem(const struct workflow_step *step, struct buf *b)
{
    const char *uses = step->uses, *at, *slash;

    switch (step->kind) {
    case STEP_WAIT:
        buf_adds(b, "wait");
        return;
    case STEP_WAIT_ALL:
        buf_adds(b, "wait-all");
        return;
    case STEP_CANCEL:
        buf_adds(b, "cancel");
        return;
    case STEP_USES:
        break;
    default:
        buf_adds(b, "run");
        return;
    }
    if (str_starts(uses, "docker://")) {
        buf_adds(b, uses + strlen("docker://"));
    } else if (str_starts(uses, "./") || str_starts(uses, ".\\")) {
        buf_adds(b, "self");
    } else if ((at = strchr(uses, '@')) && !strchr(at + 1, '@') && at[1] && (slash = strchr(uses, '/')) &&
               slash < at && slash > uses && slash + 1 < at) {
        size_t name = strcspn(slash + 1, "/\\@");
        buf_add(b, uses, (size_t)(slash - uses) + 1 + name);
    } else {
        buf_adds(b, "run");
    }
}

/* "__" and the stem with every other character made '_'; a number behind it where it is taken. */
static const char *make_id(struct convert *c, const struct workflow_job *job,
                           const struct workflow_step *step)
{
    _buf_ struct buf stem = BUF_INIT;

    buf_adds(&stem, "__");
    id_stem(step, &stem);
    if (!buf_ok(&stem))
        return NULL;
    for (char *p = stem.ptr; *p; p++)
        if (!id_char(*p))
            *p = '_';
    for (int attempt = 1; attempt < 100000; attempt++) {
        char suffix[16] = "";
        if (attempt > 1)
            snprintf(suffix, sizeof(suffix), "_%d", attempt);
        size_t room = ID_LENGTH_MAX - strlen(suffix), len = stem.len < room ? stem.len : room;
        const char *id = arena_printf(c->w->arena, "%.*s%s", (int)len, stem.ptr, suffix);
        if (!id || !id_taken(job, id))
            return id;
    }
    return NULL;
}

/* A target must be a step that stands before. */
static void check_target(struct convert *c, const struct workflow_job *job, const struct token *target,
                         const char *own)
{
    if (str_starts(target->str, "__"))
        convert_complain(c, target, "The identifier '%s' is invalid. IDs starting with '__' are reserved.",
                         target->str);
    else if (own && str_eq_ascii_nocase(own, target->str))
        convert_complain(c, target, "Step '%s' cannot reference itself", own);
    else if (!id_taken(job, target->str))
        convert_complain(c, target, "Step references unknown step ID '%s'", target->str);
}

static void convert_targets(struct convert *c, const struct workflow_job *job,
                            const struct workflow_step *step)
{
    const struct token *t = step->target;

    if (t->kind == TOKEN_STRING)
        check_target(c, job, t, step->id);
    for (size_t i = 0; t->kind == TOKEN_SEQUENCE && i < t->seq.n; i++)
        check_target(c, job, t->seq.items[i], step->id);
}

static enum step_kind kind_of(const struct token *t, const struct token **ret_target)
{
    static const struct {
        const char *key;
        enum step_kind kind;
    } kinds[] = {{"run", STEP_RUN},           {"uses", STEP_USES},     {"wait", STEP_WAIT},
                 {"wait-all", STEP_WAIT_ALL}, {"cancel", STEP_CANCEL}, {"parallel", STEP_PARALLEL}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if ((*ret_target = token_get(t, kinds[i].key)))
            return kinds[i].kind;
    return STEP_RUN;
}

static int convert_step(struct convert *c, const struct token *t, const struct workflow_job *job,
                        struct workflow_step *step)
{
    const struct token *id = token_get(t, "id"), *background = token_get(t, "background"), *what;

    *step = (struct workflow_step){.line = t->line, .col = t->col};
    step->kind = kind_of(t, &what);
    if (id) {
        const char *complaint = id_complaint(c->w->arena, id->str);
        if (complaint)
            convert_complain(c, id, "%s", complaint);
        else if (id_taken(job, id->str))
            convert_complain(
                c, id, "The identifier '%s' may not be used more than once within the same scope.", id->str);
        step->id = id->str;
        step->has_id = true;
    }
    step->name = token_get(t, "name");
    step->run = step->kind == STEP_RUN ? what : NULL;
    step->uses = step->kind == STEP_USES && what ? what->str : NULL;
    step->target = step->kind > STEP_USES ? what : NULL;
    step->shell = token_get(t, "shell");
    step->working_directory = token_get(t, "working-directory");
    step->with = token_get(t, "with");
    step->env = token_get(t, "env");
    step->continue_on_error = token_get(t, "continue-on-error");
    step->timeout_minutes = token_get(t, "timeout-minutes");
    step->background = background && background->kind == TOKEN_BOOLEAN && background->boolean;
    if (step->kind == STEP_WAIT || step->kind == STEP_CANCEL)
        convert_targets(c, job, step);
    if (step->kind == STEP_WAIT_ALL && what->kind == TOKEN_BOOLEAN && !what->boolean)
        convert_complain(c, what, "The value of 'wait-all' must be true or omitted");
    return convert_condition(c, token_get(t, "if"), "step-if", &step->condition);
}

int convert_steps(struct convert *c, const struct token *steps, struct workflow_job *job)
{
    size_t n = steps && steps->kind == TOKEN_SEQUENCE ? steps->seq.n : 0;
    int r = 0;

    job->steps = arena_array(c->w->arena, struct workflow_step, n + 1);
    if (!job->steps)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = convert_step(c, steps->seq.items[i], job, &job->steps[i]);
        job->n_steps++;
    }
    for (size_t i = 0; r == 0 && i < n; i++)
        if (!job->steps[i].id && !(job->steps[i].id = make_id(c, job, &job->steps[i])))
            r = -ENOMEM;
    return r;
}
