/*
 * Speaks for the agent that a machine of fcctl-web's does not have: takes the daemon's frames, makes scripts
 * of them, and answers with what these printed. Commands: fcctl_command.c.
 */
#include "core/machine/fcctl.h"

#include <poll.h>
#include <sys/socket.h>

#include "runfs/io.h"
#include "runfs/str.h"

enum {
    RECEIVE_STEP = 256 * 1024,
    SEND_STEP = 32 * 1024,
};
/* ----------------------------------------------------------------------------------------------- frames */

/* What is there. False: nothing more will come. */
static bool receive(struct fcctl_vm *t, int flags)
{
    if (t->in_at == t->in.len) {
        buf_reset(&t->in);
        t->in_at = 0;
    }
    char *to = buf_reserve(&t->in, RECEIVE_STEP);
    ssize_t n = to ? recv(t->fd, to, RECEIVE_STEP, flags) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    t->in.len += (size_t)n;
    return true;
}

/* The next frame that is here: 1, or 0. Valid until more is received. */
static int here(struct fcctl_vm *t, struct frame *ret)
{
    size_t need;
    ssize_t n = frame_find(t->in.ptr ? t->in.ptr + t->in_at : "", t->in.len - t->in_at, FRAME_TO_AGENT_MAX,
                           ret, &need);

    t->over |= n < 0;
    t->in_at += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Waits for it; false: there is none any more. */
static bool next(struct fcctl_vm *t, struct frame *ret)
{
    while (!t->over && !here(t, ret))
        t->over |= !receive(t, 0);
    return !t->over;
}

bool fcctl_unwanted(void *data)
{
    struct fcctl_vm *t = data;
    struct frame f;

    if (t->fd < 0)
        return false;
    t->over |= !receive(t, MSG_DONTWAIT);
    while (!t->over && here(t, &f))
        if (f.type == FRAME_KILL || f.type == FRAME_INTERRUPT)
            t->stop = f.type;
    return t->over || t->stop;
}

void fcctl_answer(struct fcctl_vm *t, const struct buf *b)
{
    t->over |= !buf_ok(b) || write_all(t->fd, buf_str(b), b->len) < 0;
}

void fcctl_answer_bytes(struct fcctl_vm *t, enum frame_type type, const char *bytes, size_t len)
{
    while (len && !t->over) {
        _buf_ struct buf b = BUF_INIT;
        size_t n = len < SEND_STEP ? len : SEND_STEP;
        frame_add(&b, type, bytes, n);
        fcctl_answer(t, &b);
        bytes += n;
        len -= n;
    }
}

/* FRAME_STATE or FRAME_TREE_END. */
static void answer_state(struct fcctl_vm *t, enum frame_type type, int error, const struct err *err)
{
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, type);

    wire_add_u32(&b, (uint32_t)error);
    wire_add_str(&b, error ? err->msg : "");
    frame_end(&b, begin);
    fcctl_answer(t, &b);
}

/* -------------------------------------------------------------------------------------------------- trees */

static char *dir_of(struct fcctl_vm *t, const struct frame *f)
{
    struct wire w = wire_of(f->payload, f->len);
    const char *dir = wire_str(&w);
    char *copy = wire_ok(&w) ? strdup(dir) : NULL;

    t->over |= !copy;
    return copy;
}

static void on_put_tree(struct fcctl_vm *t, const struct frame *first)
{
    _free_ char *dir = dir_of(t, first);
    _buf_ struct buf part = BUF_INIT;
    struct err err = {0};
    struct frame f;
    bool begun = false, ended = false;
    int r = 0;

    t->stop = 0;
    t->deaf = true; /* what the daemon says meanwhile is the next part */
    while (!ended && next(t, &f)) {
        ended = f.type == FRAME_TREE_END;
        if (f.type == FRAME_TREE_DATA && r == 0)
            buf_add(&part, f.payload, f.len);
        if (r == 0 && (part.len >= FCCTL_PART || (ended && (part.len || !begun)))) {
            r = buf_ok(&part) ? fcctl_put_part(t, &part, !begun, &err) : err_errno(&err, -ENOMEM, "tree");
            begun = true;
            buf_reset(&part);
        }
    }
    if (r == 0 && !t->over)
        r = fcctl_put_end(t, dir, &err);
    t->deaf = false;
    answer_state(t, FRAME_TREE_END, r, &err);
}

static void on_make_dirs(struct fcctl_vm *t, const struct frame *f)
{
    _free_ char *dir = dir_of(t, f);
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};
    struct err err = {0};

    buf_adds(&script, "mkdir -p -- ");
    fcctl_add_word(&script, dir ? dir : "/");
    int r =
        buf_ok(&script) ? fcctl_step(t, script.ptr, &result, &err) : err_errno(&err, -ENOMEM, "directory");
    fcctl_result_release(&result);
    answer_state(t, FRAME_STATE, r, &err);
}

/* ------------------------------------------------------------------------------------------------ the loop
 */

static void on_frame(struct fcctl_vm *t, const struct frame *f)
{
    switch (f->type) {
    case FRAME_PUT:
        fcctl_put(t, f);
        break;
    case FRAME_PUT_DATA:
        fcctl_put_data(t, f);
        break;
    case FRAME_EXEC:
        fcctl_exec(t, f);
        break;
    case FRAME_PUT_TREE:
        on_put_tree(t, f);
        break;
    case FRAME_MAKE_DIRS:
        on_make_dirs(t, f);
        break;
    case FRAME_ALONE: /* nobody knows; a machine's memory is part of its snapshots there */
        answer_state(t, FRAME_STATE, 0, NULL);
        break;
    case FRAME_KILL:
        fcctl_kill(t);
        break;
    case FRAME_INTERRUPT: /* the command has ended by itself */
    case FRAME_INPUT:
    case FRAME_WINDOW:
        break;
    default:
        t->over = true;
    }
}

void *fcctl_agent(void *data)
{
    struct fcctl_vm *t = data;
    _buf_ struct buf hello = BUF_INIT;
    size_t begin = frame_begin(&hello, FRAME_HELLO);
    struct frame f;

    wire_add_u32(&hello, AGENT_VERSION);
    frame_end(&hello, begin);
    fcctl_answer(t, &hello);
    while (next(t, &f))
        on_frame(t, &f);
    (void)shutdown(t->fd, SHUT_RDWR);
    return NULL;
}
