/* Files that travel with a command: written before it starts, read after it ended. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

static void put_failed(struct agent *a, const char *path, int error)
{
    if (!a->put_error[0])
        snprintf(a->put_error, sizeof(a->put_error), "cannot write %.400s: %s", path,
                 strerrordesc_np(-error));
}

static int open_to_write(const char *path, unsigned mode)
{
    struct stat st;

    /* O_NONBLOCK: a fifo left there by a step must not stop the agent. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode & 0777);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fchmod(fd, mode & 07777) < 0) {
        int r = S_ISREG(st.st_mode) ? -errno : -EINVAL;
        close(fd);
        return r;
    }
    if (agent_user.set && fchown(fd, agent_user.uid, agent_user.gid) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static void make_parents(const char *path)
{
    _free_ char *copy = strdup(path);
    char *slash = copy ? strrchr(copy, '/') : NULL;

    if (!slash || slash == copy)
        return;
    *slash = '\0';
    (void)make_dirs(copy, 0755); /* a failure shows in the open that follows */
}

void file_put_begin(struct agent *a, const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    const char *path = wire_str(&w);
    unsigned mode = wire_u32(&w);

    file_put_end(a);
    if (!wire_ok(&w)) {
        a->ended = true;
        return;
    }
    a->put_fd = open_to_write(path, mode);
    if (a->put_fd == -ENOENT) {
        make_parents(path);
        a->put_fd = open_to_write(path, mode);
    }
    if (a->put_fd < 0) {
        put_failed(a, path, a->put_fd);
        a->put_fd = -1;
    }
}

void file_put_data(struct agent *a, const void *payload, size_t len)
{
    int r = a->put_fd >= 0 ? write_all(a->put_fd, payload, len) : 0;

    if (r < 0)
        put_failed(a, "a file", r);
}

void file_put_end(struct agent *a)
{
    if (a->put_fd >= 0)
        close(a->put_fd);
    a->put_fd = -1;
}

static int open_to_read(const char *path, uint64_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
    if (r == 0 && (uint64_t)st.st_size > max)
        r = -EFBIG;
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static int send_file(struct agent *a, int fd, uint64_t max)
{
    uint64_t sent = 0;

    while (!a->ended) {
        char *to = buf_reserve(&a->out, FRAME_HEADER + FRAME_TO_DAEMON_MAX);
        if (!to)
            return -ENOMEM;
        ssize_t n = read(fd, to + FRAME_HEADER, FRAME_TO_DAEMON_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        sent += (uint64_t)n;
        if (sent > max)
            return -EFBIG;
        frame_header((uint8_t *)to, FRAME_GOT_DATA, (size_t)n);
        a->out.len += FRAME_HEADER + (size_t)n;
        if (n == FRAME_TO_DAEMON_MAX)
            agent_flush(a);
    }
    return 0;
}

void file_get(struct agent *a, uint32_t index, const char *path, uint64_t max)
{
    _close_ int fd = -1;
    int r = open_to_read(path, max);

    if (r >= 0) {
        fd = r;
        r = send_file(a, fd, max);
    }
    size_t begin = frame_begin(&a->out, FRAME_GOT_END);
    wire_add_u32(&a->out, index);
    wire_add_u32(&a->out, (uint32_t)r);
    frame_end(&a->out, begin);
}

void dirs_make(struct agent *a, const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    const char *path = wire_str(&w);

    if (!wire_ok(&w)) {
        a->ended = true;
        return;
    }
    int r = make_dirs(path, 0755);
    agent_state(a, r, r < 0 ? strerrordesc_np(-r) : "");
}
