/* One command's life in the agent: start, output, signals that end it, report, files to hand back. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

#define SECOND 1000000000LL

enum { PIPE_SIZE = 256 * 1024 };
static const int64_t interrupt_wait = 15 * SECOND / 2, terminate_wait = 5 * SECOND / 2;
/* For what holds the output open after the end of the command; a terminal only empties. */
static const int64_t terminal_wait = SECOND / 10;
static const int64_t output_wait = 10 * SECOND;
static const int64_t look_wait = SECOND / 5;     /* between two looks at what there are limits for */
static const int64_t rekill_wait = SECOND / 100; /* then what was forked while all was killed is killed */

static void command_release(struct command *c)
{
    exec_request_release(&c->request);
    free(c->payload);
    buf_release(&c->typed);
    *c = (struct command){.output = {-1, -1}};
}

static void command_report(struct agent *a, const struct exec_report *report)
{
    struct command *c = &a->command;

    exec_report_encode(&a->out, report);
    for (uint32_t i = 0; i < c->request.n_get; i++)
        file_get(a, i, c->request.get[i], c->request.get_max[i]);
    command_release(c);
}

/* The command never ran. 127: there is no such program, 126: it cannot be executed. */
static void command_refuse(struct agent *a, bool absent, const char *words)
{
    command_report(a, &(struct exec_report){.exit_code = absent ? 127 : 126, .start_error = words});
    a->put_error[0] = '\0';
}

static int open_pipes(int out[2], int err[2])
{
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(err, O_CLOEXEC) < 0) {
        int r = -errno;
        close(out[0]);
        close(out[1]);
        return r;
    }
    (void)fcntl(out[0], F_SETPIPE_SZ, PIPE_SIZE); /* beyond the user's quota it stays as it was */
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int command_spawn_in_terminal(struct command *c, const char **ret_stage)
{
    int slave = -1;
    int master = terminal_open(c->request.rows, c->request.columns, &slave);

    *ret_stage = "cannot open a terminal for";
    if (master < 0)
        return master;
    struct spawn_command s = {.argv = c->request.argv,
                              .env = c->request.env,
                              .cwd = c->request.cwd,
                              .in = slave,
                              .out = slave,
                              .err = slave,
                              .terminal = true};
    int r = spawn_command(&s, &c->pid, ret_stage);
    close(slave);
    if (r < 0) {
        close(master);
        return r;
    }
    c->terminal = true;
    c->output[0] = master;
    return 0;
}

static int command_spawn(struct command *c, const char **ret_stage)
{
    int out[2], err[2];

    int r = open_pipes(out, err);

    *ret_stage = "cannot make pipes for";
    if (r < 0)
        return r;
    struct spawn_command s = {.argv = c->request.argv,
                              .env = c->request.env,
                              .cwd = c->request.cwd,
                              .in = -1,
                              .out = out[1],
                              .err = err[1]};
    r = spawn_command(&s, &c->pid, ret_stage);
    close(out[1]);
    close(err[1]);
    if (r < 0) {
        close(out[0]);
        close(err[0]);
        return r;
    }
    c->output[0] = out[0];
    c->output[1] = err[0];
    return 0;
}

void command_start(struct agent *a, const void *payload, size_t len)
{
    struct command *c = &a->command;
    const char *stage;
    char words[1024];

    if (c->active || !(c->payload = malloc(len ? len : 1))) {
        a->ended = true; /* one at a time; the daemon knows */
        return;
    }
    memcpy(c->payload, payload, len);
    if (exec_request_decode(c->payload, len, &c->request) < 0) {
        a->ended = true;
        return;
    }
    if (a->put_error[0]) {
        snprintf(words, sizeof(words), "%s", a->put_error);
        command_refuse(a, false, words);
        return;
    }
    c->started = mono_ns();
    if (a->alone) /* nobody is left of those before it */
        c->next_look = c->started + look_wait;
    a->alone = false;
    if (guest_watched(&a->watch))
        guest_watch_begin(&a->watch);
    int r = c->request.rows ? command_spawn_in_terminal(c, &stage) : command_spawn(c, &stage);
    if (r < 0) {
        bool in_cwd = strcmp(stage, "cannot enter") == 0;
        snprintf(words, sizeof(words), "%s %.700s: %s", stage, in_cwd ? c->request.cwd : c->request.argv[0],
                 strerrordesc_np(-r));
        command_refuse(a, (r == -ENOENT || r == -ENOTDIR) && !in_cwd, words);
        return;
    }
    if (c->request.deadline_ms)
        c->deadline =
            c->started +
            (int64_t)(c->request.deadline_ms < INT32_MAX ? c->request.deadline_ms : INT32_MAX) * 1000000;
    c->active = true;
}

/* Whether it is watched here what a command uses. */
static bool is_watching(const struct agent *a)
{
    return guest_watched(&a->watch) || a->max_processes;
}

void command_reap(void *agent)
{
    struct agent *a = agent;
    struct command *c = &a->command;
    char info[1024];
    int status;
    pid_t pid;

    while (read(a->signals, info, sizeof(info)) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (!c->active || pid != c->pid)
            continue;
        c->exited = true;
        c->status = status;
        c->ended = mono_ns();
    }
    a->alone = pid < 0 && errno == ECHILD;
}

void command_pump(struct agent *a, int stream)
{
    struct command *c = &a->command;
    char *to = buf_reserve(&a->out, FRAME_HEADER + FRAME_TO_DAEMON_MAX);

    if (!to)
        return;
    ssize_t n = read(c->output[stream], to + FRAME_HEADER, FRAME_TO_DAEMON_MAX);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close(c->output[stream]);
        c->output[stream] = -1;
        return;
    }
    frame_header((uint8_t *)to, stream == 0 ? FRAME_STDOUT : FRAME_STDERR, (size_t)n);
    a->out.len += FRAME_HEADER + (size_t)n;
}

/* Who is not of this agent's commands. */
static tree_spared_fn *spared_of(const struct agent *a)
{
    return lanes_any(a) ? lane_spared : NULL;
}

static void command_escalate(struct agent *a)
{
    struct command *c = &a->command;
    int64_t now = mono_ns();

    switch (c->stage++) {
    case 0:
        tree_signal(c->pid, SIGINT);
        c->next_stage = now + interrupt_wait;
        break;
    case 1:
        tree_signal(c->pid, SIGTERM);
        c->next_stage = now + terminate_wait;
        break;
    default:
        tree_kill_all(command_reap, spared_of(a), a);
        c->stage = STAGE_KILLED;
        c->next_stage = now + rekill_wait;
    }
}

void command_interrupt(struct agent *a)
{
    if (!a->command.active)
        return;
    a->command.cancelled = true;
    if (a->command.stage == 0)
        command_escalate(a);
}

void command_kill_all(struct agent *a)
{
    if (!a->command.active) {
        tree_kill_all(command_reap, spared_of(a), a);
        return;
    }
    a->command.cancelled = true;
    a->command.stage = STAGE_KILLED;
    command_escalate(a);
}

/* What still writes to the output keeps a reader, so that a server in the background does not die of it. */
static void keep_draining(struct agent *a, int fd)
{
    for (size_t i = 0; i < ARRAY_LEN(a->drains); i++) {
        if (a->drains[i] >= 0)
            continue;
        a->drains[i] = fd;
        return;
    }
    close(fd);
}

static void command_finish(struct agent *a)
{
    struct command *c = &a->command;
    struct exec_report report = {.timed_out = c->timed_out,
                                 .cancelled = c->cancelled,
                                 .limit = c->limit        ? c->limit
                                          : a->watch.full ? LIMIT_DISK
                                                          : LIMIT_NONE,
                                 .duration_ns = (uint64_t)(c->ended - c->started),
                                 .start_error = ""};

    if (c->terminal) /* what it left in the background loses its terminal, as at any logout */
        cleanup_close(&c->output[0]);
    for (int i = 0; i < 2; i++)
        if (c->output[i] >= 0)
            keep_draining(a, c->output[i]);
    if (WIFSIGNALED(c->status))
        report.signal = (uint32_t)WTERMSIG(c->status);
    report.exit_code = report.signal ? 128 + report.signal : (uint32_t)WEXITSTATUS(c->status);
    command_report(a, &report);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return b && b < a ? b : a;
}

/* A command that was killed is over when nothing of it is left; what its machine runs next finds it gone. */
static bool command_over(struct agent *a, int64_t now)
{
    const struct command *c = &a->command;
    bool silent = c->output[0] < 0 && c->output[1] < 0;
    int64_t wait = c->terminal ? terminal_wait : output_wait;

    if (!c->exited || (!silent && now - c->ended < wait))
        return false;
    return c->stage < STAGE_KILLED || tree_over(spared_of(a), a);
}

/* Where only a resource limit keeps the number of processes down, its end is seen by counting. */
static enum limit_kind limit_hit(struct agent *a)
{
    bool guest = guest_watched(&a->watch);

    if (guest && a->command.exited && a->command.status == 0)
        return LIMIT_NONE; /* it got on without what was killed or refused a moment ago */
    if (guest)
        return guest_watch_look(&a->watch);
    return !a->alone && tree_count() >= a->max_processes ? LIMIT_PIDS : LIMIT_NONE;
}

static void look_at_limits(struct agent *a, int64_t now)
{
    struct command *c = &a->command;

    if (!is_watching(a) || c->stage >= STAGE_KILLED || (now < c->next_look && !c->exited))
        return;
    c->next_look = now + look_wait;
    c->limit = limit_hit(a);
    if (!c->limit)
        return;
    c->stage = STAGE_KILLED;
    command_escalate(a);
}

int command_tick(struct agent *a)
{
    struct command *c = &a->command;
    int64_t now = c->active ? mono_ns() : 0, next = INT64_MAX;

    if (!c->active)
        return -1;
    look_at_limits(a, now);
    if (command_over(a, now)) {
        command_finish(a);
        return -1;
    }
    if (c->deadline && now >= c->deadline && c->stage == 0 && !c->exited) {
        c->timed_out = true;
        command_escalate(a);
    }
    if (c->stage > 0 && now >= c->next_stage)
        command_escalate(a);
    int64_t wait = c->terminal ? terminal_wait : output_wait;
    if (c->exited && now - c->ended < wait)
        next = earlier(next, c->ended + wait);
    else if (c->stage == 0)
        next = earlier(next, c->deadline);
    if (c->stage > 0)
        next = earlier(next, c->next_stage);
    if (is_watching(a) && c->stage < STAGE_KILLED && !c->exited)
        next = earlier(next, c->next_look);
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : (int)((next - now) / 1000000) + 1;
}
