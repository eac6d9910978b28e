/* format(): "{0}" and its relatives, mistakes worded as GitHub words them. */
#include "expr_internal.h"

/* One piece of a format string: text, or the number of an argument. */
struct piece {
    struct slice text;
    bool is_arg;
    unsigned arg;
    struct slice specifiers; /* behind "{0:" */
};

/* Behind "{": digits and "}" or ":...}". Returns the offset behind it, 0 when it is none. */
static size_t format_arg(struct slice f, size_t at, struct piece *ret)
{
    size_t start = at;

    ret->is_arg = true;
    for (ret->arg = 0; at < f.len && f.s[at] >= '0' && f.s[at] <= '9' && ret->arg <= EXPR_MAX_ARGS; at++)
        ret->arg = ret->arg * 10 + (unsigned)(f.s[at] - '0');
    if (at == start || ret->arg > EXPR_MAX_ARGS || at >= f.len)
        return 0;
    if (f.s[at] == '}')
        return at + 1;
    if (f.s[at++] != ':')
        return 0;
    start = at;
    for (; at < f.len; at++) {
        if (f.s[at] != '}')
            continue;
        if (at + 1 < f.len && f.s[at + 1] == '}') {
            at++;
            continue;
        }
        ret->specifiers = (struct slice){f.s + start, at - start};
        return at + 1;
    }
    return 0;
}

/* Reads the piece at *at and moves *at behind it. False: the format string is invalid. */
static bool format_next(struct slice f, size_t *at, struct piece *ret)
{
    size_t from = *at, i = from;

    while (i < f.len && f.s[i] != '{' && f.s[i] != '}')
        i++;
    *ret = (struct piece){.text = {f.s + from, i - from}};
    *at = i;
    if (i > from || i >= f.len)
        return true;
    if (i + 1 < f.len && f.s[i + 1] == f.s[i]) { /* "{{" and "}}" */
        ret->text.len = 1;
        *at = i + 2;
        return true;
    }
    *at = f.s[i] == '{' ? format_arg(f, i + 1, ret) : 0;
    return *at > 0;
}

static int fail_format(struct eval *ev, const struct node *call, const char *what, struct slice format)
{
    _buf_ struct buf words = BUF_INIT;

    buf_adds(&words, what);
    buf_add(&words, format.s, format.len);
    return buf_ok(&words) ? eval_fail(ev, call, buf_str(&words)) : -ENOMEM;
}

/* Mistakes in the format string come before those in arguments. */
static int format_check(struct eval *ev, const struct node *call, struct slice f)
{
    struct piece piece;

    for (size_t at = 0; at < f.len;) {
        if (!format_next(f, &at, &piece))
            return fail_format(ev, call, "The following format string is invalid: ", f);
        if (piece.is_arg && piece.arg + 2 > call->n_args)
            return fail_format(
                ev, call, "The following format string references more arguments than were supplied: ", f);
    }
    return 0;
}

struct format_arg {
    const struct node *node;
    bool known;
    struct val value;
};

static int format_value(struct eval *ev, const struct node *call, int level, const struct piece *piece,
                        struct format_arg *arg)
{
    _buf_ struct buf words = BUF_INIT;

    if (!arg->known) {
        int r = eval_node(ev, arg->node, level + 1, &arg->value);
        if (r < 0)
            return r;
        arg->known = true;
    }
    if (!piece->specifiers.len)
        return 0;
    buf_addf(&words, "The format specifiers '%.*s' are not valid for objects of type '%s'",
             (int)piece->specifiers.len, piece->specifiers.s, value_kind_name(arg->value.kind));
    return buf_ok(&words) ? eval_fail(ev, call, buf_str(&words)) : -ENOMEM;
}

static int format_write(struct eval *ev, const struct node *call, int level, struct slice f,
                        struct format_arg *args, struct buf *out)
{
    struct counter c = {.max = ev->max_memory};
    char room[NUMBER_TEXT_MAX];
    struct piece piece;
    int r = 0;

    for (size_t at = 0; at < f.len && r == 0;) {
        if (!format_next(f, &at, &piece))
            return -EINVAL;
        if (piece.is_arg) {
            r = format_value(ev, call, level, &piece, &args[piece.arg]);
            if (r < 0)
                return r;
            piece.text = val_text(&args[piece.arg].value, room);
        }
        if (piece.text.len)
            r = piece_add(&c, out, piece.text);
    }
    return r;
}

int fn_format(struct eval *ev, const struct node *call, int level, struct val *ret)
{
    _buf_ struct buf out = BUF_INIT;
    char room[NUMBER_TEXT_MAX];
    struct val v;
    size_t n = 0;
    int r = eval_node(ev, call->args, level + 1, &v);

    if (r < 0)
        return r;
    struct slice f = val_text(&v, room);
    r = format_check(ev, call, f);
    if (r < 0)
        return r;
    struct format_arg few[4] = {0}; /* mostly enough */
    _free_ struct format_arg *many = NULL;
    if (call->n_args > ARRAY_LEN(few) && !(many = calloc(call->n_args, sizeof(*many))))
        return -ENOMEM;
    struct format_arg *args = many ? many : few;
    for (const struct node *arg = call->args->next; arg; arg = arg->next)
        args[n++].node = arg;
    r = format_write(ev, call, level, f, args, &out);
    return r < 0 ? r : eval_keep_text(ev, &out, ret);
}
