/* runfs sh: an interactive shell in a machine that is held after its job. */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "runfs/io.h"
#include "runfs/str.h"
#include "shell.h"

enum { END_AGAIN_MS = 200 };

static const char help[] = "usage: runfs sh PATH\n"
                           "\n"
                           "A shell in the machine of a step, a job, or a run with one job, while that "
                           "machine is held: PATH is its directory\n"
                           "in the mount, as in `runfs sh runs/latest/jobs/build/steps/03-test`. It has the "
                           "step's environment and directory.\n"
                           "`echo hold > ctl` in the job's or step's directory holds a machine beyond the "
                           "end of its job, `echo on >\n"
                           "config/hold_on_failure` those of failed jobs; `echo release > ctl` lets it go.\n"
                           "\n"
                           "exit status: that of the shell; 1 it could not be had, 2 usage\n";

static struct termios saved;

/* Where the mount that the path is in begins; the path below it follows. */
static int split_path(char path[PATH_MAX], const char **ret_below)
{
    struct stat here, above;
    char *end = path + strlen(path);

    if (stat(path, &here) < 0)
        return -errno;
    for (;;) {
        char at = *end;
        *end = '\0';
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            return -ENOENT;
        *slash = '\0';
        int r = stat(path, &above);
        *slash = '/';
        if (r < 0)
            return -errno;
        if (above.st_dev != here.st_dev) {
            *ret_below = at ? end + 1 : end;
            return 0;
        }
        *end = at;
        end = slash;
    }
}

static void window(struct winsize *ret)
{
    if (ioctl(0, TIOCGWINSZ, ret) < 0 || !ret->ws_row)
        *ret = (struct winsize){.ws_row = 24, .ws_col = 80};
}

static int request(int fd, const char *path, struct err *err)
{
    const char *term = getenv("TERM");
    char line[SHELL_LINE_MAX];
    struct winsize size;
    size_t n = 0;

    window(&size);
    _json_ json_t *json = json_pack("{s:s, s:i, s:i, s:s}", "path", path, "rows", size.ws_row, "columns",
                                    size.ws_col, "term", term ? term : "");
    _free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text || write_all(fd, text, strlen(text)) < 0 || write_all(fd, "\n", 1) < 0)
        return err_set(err, -EIO, "the daemon does not answer");
    while (n + 1 < sizeof(line) && read(fd, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    if (str_eq(line, "ok"))
        return 0;
    return err_set(err, -EINVAL, "%s", str_starts(line, "error ") ? line + 6 : "the daemon does not answer");
}

/*
 * What a person would type at the end of all, so that a script's lines are all run first. Whoever reads then
 * takes it, or the terminal loses it when it changes from one who reads lines to one who reads keys: it is
 * typed until the shell has heard it.
 */
static void send_end(int fd)
{
    _buf_ struct buf frame = BUF_INIT;

    terminal_frame_input(&frame, "\004", 1);
    (void)write_all(fd, buf_str(&frame), frame.len);
}

/* What is typed goes up. False at its end. */
static bool send_typed(int fd)
{
    char typed[4096];
    ssize_t n = read(0, typed, sizeof(typed));
    _buf_ struct buf frame = BUF_INIT;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    terminal_frame_input(&frame, typed, (size_t)n);
    return write_all(fd, buf_str(&frame), frame.len) == 0;
}

static void send_window(int fd, int signals)
{
    struct signalfd_siginfo info;
    _buf_ struct buf frame = BUF_INIT;
    struct winsize size;

    (void)!read(signals, &info, sizeof(info));
    window(&size);
    terminal_frame_window(&frame, size.ws_row, size.ws_col);
    (void)write_all(fd, buf_str(&frame), frame.len);
}

/* A piece of output, or the end: then *ret_code is set. <0: the daemon is gone. */
static int show_piece(int fd, int *ret_code)
{
    char piece[65536];
    uint32_t len;
    int r = read_exact(fd, &len, sizeof(len));

    if (r == 0 && len == 0) {
        r = read_exact(fd, &len, sizeof(len));
        *ret_code = (int)(len & 0xff);
        return r < 0 ? r : 1;
    }
    while (r == 0 && len) {
        size_t part = len < sizeof(piece) ? len : sizeof(piece);
        r = read_exact(fd, piece, part);
        if (r == 0)
            (void)write_all(1, piece, part);
        len -= (uint32_t)part;
    }
    return r;
}

static int converse(int fd)
{
    sigset_t winch;
    int code = 1, r = 0;

    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    sigprocmask(SIG_BLOCK, &winch, NULL);
    _close_ int signals = signalfd(-1, &winch, SFD_CLOEXEC);
    struct pollfd p[3] = {
        {.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int64_t end_at = INT64_MAX;
    while (r == 0) {
        if (poll(p, 3, end_at == INT64_MAX ? -1 : END_AGAIN_MS) < 0)
            continue;
        if (p[0].revents)
            r = show_piece(fd, &code);
        if (p[1].revents && !send_typed(fd)) {
            p[1].fd = -1;
            end_at = mono_ns();
        }
        if (r == 0 && mono_ns() >= end_at) {
            send_end(fd);
            end_at = mono_ns() + END_AGAIN_MS * 1000000LL;
        }
        if (p[2].revents)
            send_window(fd, signals);
    }
    if (r < 0)
        fprintf(stderr, "\r\nrunfs sh: the machine or its daemon is gone\r\n");
    return code;
}

static void restore_terminal(void)
{
    (void)tcsetattr(0, TCSANOW, &saved);
}

static int enter(int fd)
{
    struct termios raw;

    if (tcgetattr(0, &saved) < 0)
        return converse(fd);
    raw = saved;
    cfmakeraw(&raw);
    (void)tcsetattr(0, TCSANOW, &raw);
    atexit(restore_terminal);
    return converse(fd);
}

int cmd_sh(int argc, char **argv)
{
    char path[PATH_MAX];
    const char *below = "";
    struct err err = {0};
    int r = only_operands(argc, argv, help);

    if (r >= 0 || optind != argc - 1)
        return r >= 0 ? r : usage_wrong(help, "say whose machine: the PATH of a step or a job in the mount");
    if (!realpath(argv[optind], path) || split_path(path, &below) < 0) {
        fprintf(stderr, "runfs sh: %s: it is not in a mount of runfs\n", argv[optind]);
        return 1;
    }
    _free_ char *root = strndup(path, strlen(path));
    _close_ int fd = root ? shells_connect(root, &err) : -1;
    if (fd < 0 || request(fd, below, &err) < 0) {
        fprintf(stderr, "runfs sh: %s\n", err.msg);
        return 1;
    }
    return enter(fd);
}
