/* What an agent does besides commands: whole trees unpacked, directories, saying whether it is alone. */
#include <poll.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { ANSWER_MS = 20000 };
static const int64_t tree_silence = 300000000000LL; /* then its tar hangs */

/* 0 once there is more to look at. */
static int tree_wait(struct agent_client *c, struct err *err)
{
    int64_t until = mono_ns() + tree_silence;

    for (;;) {
        struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->wake, .events = POLLIN}};
        if (poll(p, 2, 1000) < 0 && errno != EINTR)
            return client_break(c, err, "poll failed");
        if (p[0].revents) {
            int r = client_receive(c, err);
            return r < 0 ? r : 0;
        }
        if (client_unwanted(c))
            return client_break(c, err, "it was cancelled while it unpacked files");
        if (mono_ns() >= until)
            return client_break(c, err, "its tar program hangs");
        if (p[1].revents)
            usleep(10000); /* an interrupt waits for its turn */
    }
}

/* From here on other threads can end it. */
static void tree_enter(struct agent_client *c, bool enter)
{
    pthread_mutex_lock(&c->lock);
    if (enter)
        atomic_store(&c->wants, 0);
    c->running = c->in_tree = enter;
    c->tree_until = 0;
    pthread_mutex_unlock(&c->lock);
}

/* Waits for the agent's answer to a tree. */
static int tree_answer(struct agent_client *c, struct err *err)
{
    struct frame f;

    for (;;) {
        int r = client_frame(c, &f, err);
        if (r < 0)
            return r;
        if (r == 0) {
            if ((r = tree_wait(c, err)) < 0)
                return r;
            continue;
        }
        struct wire w = wire_of(f.payload, f.len);
        int32_t error = (int32_t)wire_u32(&w);
        const char *words = wire_str(&w);
        if (f.type != FRAME_TREE_END || !wire_ok(&w) || error > 0 || error < -4095)
            return client_break(c, err, "its agent broke the protocol");
        return error ? err_set(err, error, "%.*s", (int)utf8_valid_prefix(words, strlen(words)), words) : 0;
    }
}

static int tree_begin(struct agent_client *c, enum frame_type type, const char *dir, struct err *err)
{
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, type);

    if (c->broken)
        return client_break(c, err, client_ended(c));
    wire_add_str(&b, dir);
    frame_end(&b, begin);
    return buf_ok(&b) ? client_send(c, b.ptr, b.len, err) : err_errno(err, -ENOMEM, "%s", dir);
}

/* Waits for FRAME_STATE. */
static int state_answer(struct agent_client *c, struct err *err)
{
    struct frame f;
    int r = client_await(c, ANSWER_MS, &f, err);

    if (r < 0)
        return r;
    struct wire w = wire_of(f.payload, f.len);
    int32_t error = (int32_t)wire_u32(&w);
    const char *words = wire_str(&w);
    if (f.type != FRAME_STATE || !wire_ok(&w) || error > 0 || error < -4095)
        return client_break(c, err, "its agent broke the protocol");
    return error ? err_set(err, error, "%.*s", (int)utf8_valid_prefix(words, strlen(words)), words) : 0;
}

int agent_client_alone(struct agent_client *c, struct err *err)
{
    uint8_t header[FRAME_HEADER];

    if (c->broken)
        return client_break(c, err, client_ended(c));
    frame_header(header, FRAME_ALONE, 0);
    int r = client_send(c, header, sizeof(header), err);
    return r < 0 ? r : state_answer(c, err);
}

int agent_client_make_dirs(struct agent_client *c, const char *path, struct err *err)
{
    int r = tree_begin(c, FRAME_MAKE_DIRS, path, err);

    if (r == 0)
        r = state_answer(c, err);
    return r < 0 ? err_prefix(err, "cannot make %s", path) : 0;
}

static int put_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err)
{
    _free_ char *chunk = malloc(FRAME_HEADER + FRAME_DATA_MAX);
    int r = chunk ? tree_begin(c, FRAME_PUT_TREE, dir, err) : err_errno(err, -ENOMEM, "%s", dir);
    int read_error = 0;

    while (r == 0) {
        ssize_t n = read(tar_fd, chunk + FRAME_HEADER, FRAME_DATA_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        read_error = n < 0 ? -errno : 0;
        size_t len = n > 0 ? (size_t)n : 0;
        frame_header((uint8_t *)chunk, len ? FRAME_TREE_DATA : FRAME_TREE_END, len);
        r = client_send(c, chunk, FRAME_HEADER + len, err);
        if (!len)
            break;
    }
    if (r == 0)
        r = tree_answer(c, err);
    return r == 0 && read_error ? err_errno(err, read_error, "cannot read the tar stream") : r;
}

int agent_client_put_tree(struct agent_client *c, const char *dir, int tar_fd, struct err *err)
{
    tree_enter(c, true);
    int r = put_tree(c, dir, tar_fd, err);
    tree_enter(c, false);
    return r;
}
