/* A command's terminal: a pseudo-terminal of the machine's own, what is typed into it, and its size. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "core/agent/agent.h"

enum { TYPED_MAX = 1024 * 1024 };

int terminal_open(uint32_t rows, uint32_t columns, int *ret_slave)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    char path[64];
    int unlock = 0, number;
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

    if (master < 0)
        return -errno;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
        goto fail;
    snprintf(path, sizeof(path), "/dev/pts/%d", number);
    *ret_slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*ret_slave < 0)
        goto fail;
    (void)ioctl(master, TIOCSWINSZ, &size);
    return master;
fail:;
    int r = -errno;
    close(master);
    return r;
}

/* Writes what was typed as far as the terminal takes it. */
void terminal_pump(struct agent *a)
{
    struct command *c = &a->command;

    while (c->terminal && c->output[0] >= 0 && c->typed.len) {
        ssize_t n = write(c->output[0], c->typed.ptr, c->typed.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            buf_reset(&c->typed);
        if (n <= 0)
            return;
        buf_drop(&c->typed, (size_t)n);
    }
}

void terminal_input(struct agent *a, const void *payload, size_t len)
{
    struct command *c = &a->command;

    if (!c->active || !c->terminal || c->output[0] < 0)
        return;     /* it has ended meanwhile */
    if (len == 0) { /* the kernel tells the session: SIGHUP */
        close(c->output[0]);
        c->output[0] = -1;
        return;
    }
    if (c->typed.len + len <= TYPED_MAX) /* more than a person types: nobody reads it */
        buf_add(&c->typed, payload, len);
    terminal_pump(a);
}

void terminal_resize(struct agent *a, const void *payload, size_t len)
{
    struct wire w = wire_of(payload, len);
    uint32_t rows = wire_u32(&w), columns = wire_u32(&w);
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

    if (!wire_ok(&w))
        a->ended = true;
    else if (a->command.active && a->command.terminal && a->command.output[0] >= 0)
        (void)ioctl(a->command.output[0], TIOCSWINSZ, &size);
}
