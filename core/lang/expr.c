/* The life of a parsed expression, what may be asked of it, and how errors are worded. */
#include "expr_internal.h"

#include "runfs/str.h"

void expr_err_release(struct expr_err *e)
{
    free(e->msg);
    *e = (struct expr_err){0};
}

const char *expr_phase_name(enum expr_phase phase)
{
    static const char *const names[] = {[EXPR_OK] = "ok",
                                        [EXPR_LEXING] = "lexing",
                                        [EXPR_PARSING] = "parsing",
                                        [EXPR_EVALUATION] = "evaluation"};

    return names[phase];
}

static int give_message(struct expr_err *err, enum expr_phase phase, struct buf *msg)
{
    expr_err_release(err);
    err->msg = buf_steal(msg);
    if (!err->msg)
        return -ENOMEM;
    err->phase = phase;
    return -EINVAL;
}

int expr_fail(struct expr_err *err, enum expr_phase phase, struct slice text, const char *what,
              const struct slice *token, size_t at)
{
    _buf_ struct buf msg = BUF_INIT;

    if (!err)
        return -EINVAL;
    buf_adds(&msg, what);
    if (token) {
        buf_adds(&msg, ": '");
        buf_add(&msg, token->s, token->len);
        buf_addc(&msg, '\'');
    }
    char position[24];
    int n = snprintf(position, sizeof(position), "%zu", utf16_length((struct slice){text.s, at}) + 1);
    buf_adds(&msg, ". Located at position ");
    buf_add(&msg, position, (size_t)n);
    buf_adds(&msg, " within expression: ");
    buf_add(&msg, text.s, text.len);
    return give_message(err, phase, &msg);
}

static int fail_too_long(struct expr_err *err)
{
    _buf_ struct buf msg = BUF_INIT;

    buf_addf(&msg, "Exceeded max expression length %d", EXPR_MAX_LENGTH);
    return err ? give_message(err, EXPR_LEXING, &msg) : -EINVAL;
}

void *expr_alloc(struct expr *e, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (size > EXPR_ROOM - e->used)
        return arena_alloc(&e->arena, size);
    void *p = e->room + e->used;
    e->used += (uint32_t)size;
    return memset(p, 0, size);
}

static int copy_text(struct expr *e, const char *text, size_t len)
{
    char *copy = expr_alloc(e, len + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, len);
    e->text = (struct slice){copy, len};
    return 0;
}

static int copy_repaired(struct expr *e, const char *text, size_t len)
{
    _buf_ struct buf fixed = BUF_INIT;

    utf8_repair((struct slice){text, len}, &fixed);
    return buf_ok(&fixed) ? copy_text(e, buf_str(&fixed), fixed.len) : -ENOMEM;
}

static struct expr *expr_new(void)
{
    struct expr *e = malloc(sizeof(*e));

    if (e)
        memset(e, 0, offsetof(struct expr, room));
    return e;
}

static void cleanup_expr(struct expr **e)
{
    expr_free(*e);
}

/* A UTF-16 unit takes up to three bytes: what is longer than that need not be counted, nor what is shorter.
 */
static bool is_too_long(const char *text, size_t len)
{
    return len > EXPR_MAX_LENGTH &&
           (len > 3 * (size_t)EXPR_MAX_LENGTH || utf16_length((struct slice){text, len}) > EXPR_MAX_LENGTH);
}

int expr_parse_in(const char *text, size_t len, const struct parse_scope *scope, struct expr **ret,
                  struct expr_err *err)
{
    if (is_too_long(text, len))
        return fail_too_long(err);
    _cleanup_(cleanup_expr) struct expr *e = expr_new();
    if (!e)
        return -ENOMEM;
    size_t ascii = ascii_prefix((struct slice){text, len});
    int r = utf8_valid(text + ascii, len - ascii) ? copy_text(e, text, len) : copy_repaired(e, text, len);
    if (r == 0)
        r = expr_parse_tree(e, scope, err);
    if (r == 0)
        *ret = TAKE(e);
    return r;
}

int expr_parse(const char *text, size_t len, const struct expr_scope *scope, struct expr **ret,
               struct expr_err *err)
{
    return expr_parse_in(text, len, &(struct parse_scope){.scope = scope}, ret, err);
}

void expr_free(struct expr *e)
{
    if (!e)
        return;
    arena_release(&e->arena);
    free(e);
}

const char *expr_text(const struct expr *e)
{
    return e->text.s;
}

/* Whether a call of that function stands anywhere in it. */
static bool expr_calls(const struct expr *e, const char *function)
{
    return e->root && node_calls(e->root, (struct slice){function, strlen(function)});
}

bool expr_names(const struct expr *e, const char *context)
{
    for (const struct node *named = e->named; named; named = named->named.next)
        if (fold_equal(named->named.name, (struct slice){context, strlen(context)}))
            return true;
    return false;
}

bool expr_calls_status(const struct expr *e)
{
    return expr_calls(e, "success") || expr_calls(e, "failure") || expr_calls(e, "always") ||
           expr_calls(e, "cancelled");
}
