/*
 * A whole directory tree comes as a tar stream: what unpacks it is the machine's own tar program, fed through
 * a pipe. An image without one says so.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

struct tar {
    pid_t pid;
    int pipe;   /* our end of its standard input */
    int errors; /* its standard error */
    char words[400];
    size_t len;
};

static void tree_answer(struct agent *a, int error, const char *words)
{
    size_t begin = frame_begin(&a->out, FRAME_TREE_END);

    wire_add_u32(&a->out, (uint32_t)error);
    wire_add_str(&a->out, words);
    frame_end(&a->out, begin);
}

static int tar_start(struct tar *t, const char *dir)
{
    const char *argv[] = {"tar", "-xpf", "-", "-C", dir, "--no-same-owner", NULL};
    /* first where the container of a job has tools of the runner's own */
    const char *env[] = {"PATH=/__e/runfs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "LC_ALL=C.UTF-8", NULL};
    int data[2], errors[2];
    const char *stage;

    if (pipe2(data, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(errors, O_CLOEXEC) < 0) {
        close(data[0]);
        close(data[1]);
        return -errno;
    }
    struct spawn_command c = {
        .argv = argv, .env = env, .cwd = "/", .in = data[0], .out = errors[1], .err = errors[1]};
    int r = spawn_command(&c, &t->pid, &stage);
    close(data[0]);
    close(errors[1]);
    t->pipe = data[1];
    t->errors = errors[0];
    (void)fcntl(t->errors, F_SETFL, O_NONBLOCK);
    (void)fcntl(t->pipe, F_SETFL, O_NONBLOCK);
    if (r < 0) {
        close(t->pipe);
        close(t->errors);
    }
    return r;
}

static void tar_hear(struct tar *t)
{
    char more[256];
    ssize_t n;

    while ((n = read(t->errors, more, sizeof(more))) > 0) {
        size_t room = sizeof(t->words) - 1 - t->len;
        size_t take = (size_t)n < room ? (size_t)n : room;
        memcpy(t->words + t->len, more, take);
        t->len += take;
    }
}

/* Waits for its end and answers with how it went. */
static void tar_finish(struct agent *a, struct tar *t)
{
    struct pollfd p = {.fd = t->errors, .events = POLLIN};
    int status = 0;

    close(t->pipe);
    while (waitpid(t->pid, &status, WNOHANG) == 0) {
        (void)poll(&p, 1, 10);
        tar_hear(t);
    }
    tar_hear(t);
    close(t->errors);
    t->words[strcspn(t->words, "\n")] = '\0';
    if (status == 0)
        tree_answer(a, 0, "");
    else
        tree_answer(a, -EIO, t->words[0] ? t->words : "tar failed");
}

static bool tar_write(struct tar *t, const uint8_t *data, size_t len)
{
    while (len) {
        struct pollfd p[2] = {{.fd = t->pipe, .events = POLLOUT}, {.fd = t->errors, .events = POLLIN}};
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[1].revents & POLLIN)
            tar_hear(t);
        if (!p[0].revents)
            continue;
        ssize_t n = write(t->pipe, data, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static const char *tree_dir(struct agent *a, const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    const char *dir = wire_str(&w);

    if (wire_ok(&w))
        return dir;
    a->ended = true;
    return "";
}

/* Takes frames to the end of the stream even when tar has failed: the daemon sends it all. */
void tree_put(struct agent *a, const void *payload, size_t len)
{
    char dir[4096];
    struct tar t = {0};

    if (snprintf(dir, sizeof(dir), "%s", tree_dir(a, payload, len)) >= (int)sizeof(dir))
        a->ended = true;
    if (!a->ended)
        (void)make_dirs(dir, 0755); /* a failure shows in tar's own words */
    int r = a->ended ? -EIO : tar_start(&t, dir);
    bool good = r == 0;
    for (bool more = true; more && !a->ended;) {
        struct frame f;
        size_t need;
        ssize_t n = frame_find(a->in.ptr + a->in_at, a->in.len - a->in_at, FRAME_TO_AGENT_MAX, &f, &need);
        if (n == 0) {
            agent_fill(a);
            continue;
        }
        a->in_at += n > 0 ? (size_t)n : 0;
        more = n > 0 && f.type == FRAME_TREE_DATA;
        if (n < 0 || (!more && f.type != FRAME_TREE_END))
            a->ended = true;
        else if (more && good)
            good = tar_write(&t, f.payload, f.len);
    }
    if (r == 0)
        tar_finish(a, &t);
    else
        tree_answer(a, r, r == -ENOENT ? "there is no tar program in this machine" : "cannot start tar");
}
