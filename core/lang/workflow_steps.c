/* Steps, and the conditions that they and jobs have. */
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

/* The text without white space around it. */
static void trim(const char **s, size_t *len)
{
    while (*len > 0 && strchr(" \t\r\n\f\v", **s))
        ++*s, --*len;
    while (*len > 0 && strchr(" \t\r\n\f\v", (*s)[*len - 1]))
        --*len;
}

static int success_condition(struct parse *p, const struct schema *schema, const struct expr **ret)
{
    static const char text[] = "success()";
    _expr_err_ struct expr_err err = {0};

    if (p->fallback.place != schema) {
        int r = parse_expression(p, text, strlen(text), schema->context, &p->fallback.success, &err);
        if (r < 0)
            return r;
        p->fallback.place = schema;
    }
    *ret = p->fallback.success;
    return 0;
}

/* `if` as a whole expression: success() when there is none, success() && (...) when it does not ask for the
 * status. On a complaint *ret stays NULL. */
int convert_condition(struct parse *p, const struct token *t, const struct schema *schema,
                      const struct expr **ret)
{
    _expr_err_ struct expr_err err = {0};
    _buf_ struct buf whole = BUF_INIT;
    const char *text = text_or_empty(t);
    size_t len = t ? t->len : 0;

    trim(&text, &len);
    if (len == 0)
        return success_condition(p, schema, ret);
    int r = parse_expression(p, text, len, schema->context, ret, &err);
    if (r == 0 && !expr_calls_status(*ret)) {
        buf_addf(&whole, "success() && (%.*s)", (int)len, text);
        if (!buf_ok(&whole))
            return -ENOMEM;
        r = parse_expression(p, buf_str(&whole), whole.len, schema->context, ret, &err);
    }
    if (r == -EINVAL) {
        parse_error(p, t, "%s", err.msg);
        return 0;
    }
    return r;
}

/* "owner/repo[/path]@ref": gives the length of "owner/repo" with single slashes in `ret`, or fails. */
static bool split_uses(const char *uses, struct buf *ret)
{
    const char *at = strchr(uses, '@');
    size_t parts = 0;

    if (!at || at[1] == '\0' || strchr(at + 1, '@'))
        return false;
    for (const char *s = uses; s < at && parts < 2;) {
        size_t n = strcspn(s, "/\\@");
        if (n > 0) {
            buf_addf(ret, "%s%.*s", parts ? "/" : "", (int)n, s);
            parts++;
        }
        s += n + 1;
    }
    return parts == 2;
}

/* "$/" is the repository that the file itself is from, "./" the workspace. */
static bool is_local(const char *uses)
{
    return str_starts(uses, "./") || str_starts(uses, ".\\") || str_starts(uses, "$/");
}

static bool uses_is_action(const char *uses)
{
    _buf_ struct buf name = BUF_INIT;

    if (str_starts(uses, "$/")) /* it has a path, and always the ref of its own file */
        return uses[2 + strspn(uses + 2, "/")] && !strchr(uses, '@');
    return str_starts(uses, "docker://") || is_local(uses) || split_uses(uses, &name);
}

const char *workflow_step_title(const struct workflow_step *step)
{
    static const char *const titles[] = {[STEP_WAIT] = "Wait",
                                         [STEP_WAIT_ALL] = "Wait for all",
                                         [STEP_CANCEL] = "Cancel",
                                         [STEP_PARALLEL] = "Parallel group"};

    return step->kind < STEP_WAIT ? NULL : titles[step->kind];
}

/* What an id for the step is made of. */
static int id_base(const struct workflow_step *step, struct buf *ret)
{
    static const char *const names[] = {[STEP_WAIT] = "wait",
                                        [STEP_WAIT_ALL] = "wait-all",
                                        [STEP_CANCEL] = "cancel",
                                        [STEP_PARALLEL] = "parallel"};

    buf_adds(ret, "__");
    if (step->kind == STEP_RUN)
        buf_adds(ret, "run");
    else if (step->kind != STEP_USES)
        buf_adds(ret, names[step->kind]);
    else if (str_starts(step->uses, "docker://"))
        buf_adds(ret, step->uses[strlen("docker://")] ? step->uses + strlen("docker://") : "run");
    else if (is_local(step->uses))
        buf_adds(ret, "self");
    else if (!split_uses(step->uses, ret)) {
        buf_reset(ret);
        buf_adds(ret, "__run");
    }
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static int make_ids(struct parse *p, const struct token *at, struct step_list *list, struct id_set *ids)
{
    for (size_t i = 0; i < list->n; i++) {
        struct workflow_step *step = &list->steps[i];
        _buf_ struct buf base = BUF_INIT;
        char id[WORKFLOW_MAX_ID + 1];
        if (step->has_id)
            continue;
        int r = id_base(step, &base);
        if (r == 0)
            r = id_set_make(ids, buf_str(&base), id);
        if (r == -EEXIST) {
            parse_error(p, at, "Unable to create a unique name");
            return 0;
        }
        if (r < 0)
            return r;
        step->id = arena_strdup(p->arena, id);
        if (!step->id)
            return -ENOMEM;
    }
    return 0;
}

static int take_id(struct parse *p, const struct token *t, struct workflow_step *step, struct id_set *ids)
{
    char *problem;
    int r = id_set_add(ids, t->str, &problem);

    if (r < 0)
        return r;
    if (problem)
        parse_error(p, t, "%s", problem);
    free(problem);
    step->id = t->str;
    step->has_id = true;
    return 0;
}

/* wait and cancel name steps that came before. */
static void check_target(struct parse *p, const struct id_set *ids, const struct workflow_step *step,
                         const struct token *target)
{
    if (str_starts(target->str, "__"))
        parse_error(p, target, "The identifier '%s' is invalid. IDs starting with '__' are reserved.",
                    target->str);
    else if (step->has_id && str_eq_ascii_nocase(step->id, target->str))
        parse_error(p, target, "Step '%s' cannot reference itself", step->id);
    else if (!id_set_has(ids, target->str))
        parse_error(p, target, "Step references unknown step ID '%s'", target->str);
}

static void check_targets(struct parse *p, const struct id_set *ids, const struct workflow_step *step)
{
    const struct token *t = step->target;

    if (step->kind == STEP_WAIT && t->kind == TOKEN_SEQUENCE)
        for (size_t i = 0; i < t->seq.n; i++)
            check_target(p, ids, step, t->seq.items[i]);
    else if (step->kind == STEP_WAIT || step->kind == STEP_CANCEL)
        check_target(p, ids, step, t);
    else if (step->kind == STEP_WAIT_ALL && t->kind == TOKEN_BOOLEAN && !t->boolean)
        parse_error(p, t, "The value of 'wait-all' must be true or omitted");
}

/* Tells the kind of a step by the key that only this kind has. */
static void find_kind(const struct token *map, struct workflow_step *step)
{
    static const struct {
        const char *key;
        enum step_kind kind;
    } kinds[] = {{"run", STEP_RUN},           {"uses", STEP_USES},     {"wait", STEP_WAIT},
                 {"wait-all", STEP_WAIT_ALL}, {"cancel", STEP_CANCEL}, {"parallel", STEP_PARALLEL}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct token *t = token_get(map, kinds[i].key);
        if (!t)
            continue;
        step->kind = kinds[i].kind;
        if (step->kind == STEP_RUN)
            step->run = t;
        else if (step->kind == STEP_USES)
            step->uses = t->str;
        else
            step->target = t;
        return;
    }
}

/* Only what can run by itself may stand in a group. */
static void check_parallel(struct parse *p, const struct token *map, const struct workflow_step *step)
{
    static const char *const names[] = {
        [STEP_WAIT] = "wait", [STEP_WAIT_ALL] = "wait-all", [STEP_CANCEL] = "cancel"};

    if (step->has_background)
        parse_error(p, map,
                    "'background' is not allowed inside a parallel block. Steps in a parallel block are "
                    "automatically run as background steps.");
    if (step->kind == STEP_PARALLEL)
        parse_error(p, map, "Nested 'parallel' blocks are not allowed.");
    else if (step->kind != STEP_RUN && step->kind != STEP_USES)
        parse_error(p, map, "'%s' is not allowed inside a parallel block.", names[step->kind]);
}

static int convert_parallel(struct parse *p, const struct token *map, const struct schema *condition,
                            struct workflow_step *step)
{
    struct step_list list = {.condition = condition};
    int r = convert_steps(p, step->target, &list);

    for (size_t i = 0; r == 0 && i < list.n; i++)
        check_parallel(p, map, &list.steps[i]);
    step->parallel = list.steps;
    step->n_parallel = list.n;
    return r;
}

static int convert_step(struct parse *p, const struct token *map, struct step_list *to, struct id_set *ids)
{
    struct workflow_step *step = &to->steps[to->n];
    const struct token *id = token_get(map, "id"), *background = token_get(map, "background");

    *step = (struct workflow_step){.line = map->line,
                                   .col = map->col,
                                   .name = token_get(map, "name"),
                                   .shell = token_get(map, "shell"),
                                   .working_directory = token_get(map, "working-directory"),
                                   .with = token_get(map, "with"),
                                   .env = token_get(map, "env"),
                                   .continue_on_error = token_get(map, "continue-on-error"),
                                   .timeout_minutes = token_get(map, "timeout-minutes")};
    find_kind(map, step);
    step->has_background = background != NULL;
    step->background = background && background->boolean;
    int r = id ? take_id(p, id, step, ids) : 0;
    if (r == 0)
        r = convert_condition(p, token_get(map, "if"), to->condition, &step->condition);
    if (r < 0)
        return r;
    check_targets(p, ids, step);
    if (step->kind == STEP_PARALLEL)
        r = convert_parallel(p, map, to->condition, step);
    if (r < 0)
        return r;
    if (step->kind == STEP_USES && !uses_is_action(step->uses))
        parse_error(p, token_get(map, "uses"), "Expected format {org}/{repo}[/path]@ref. Actual '%s'",
                    step->uses);
    to->n++;
    return 0;
}

int convert_steps(struct parse *p, const struct token *steps, struct step_list *to)
{
    struct id_set ids = {0};
    int r = 0;

    to->steps = arena_array(p->arena, struct workflow_step, steps->seq.n + 1);
    if (!to->steps)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < steps->seq.n; i++)
        r = convert_step(p, steps->seq.items[i], to, &ids);
    if (r == 0)
        r = make_ids(p, steps, to, &ids);
    id_set_release(&ids);
    return r;
}
