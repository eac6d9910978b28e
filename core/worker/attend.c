/* The engine's end of a job elsewhere: it starts the worker, gives it the job, and hears it to its end. What
 * it tells goes to the job's own sink (attend_events.c) and outside (attend_answer.c), as if the job ran
 * here. */
#include "worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

enum {
    SAID_MAX = 2000,
    PRELUDE_MAX = 64 * 1024,
    LOOK_MS = 200,
    END_MS = 10000, /* for the command to end once there is nothing more for it to do */
    TERM_MS = 3000  /* and once it was asked to */
};

/* ------------------------------------------------------------------------------------- the command's process
 */

static int start(struct attending *at, const char *command, int ret_fds[3], struct err *err)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    posix_spawn_file_actions_t fa;
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, r = 0;

    for (int i = 0; i < 3 && r == 0; i++)
        r = pipe2(pipes[i], O_CLOEXEC) < 0 ? -errno : 0;
    posix_spawn_file_actions_init(&fa);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&fa, pipes[i][i ? 1 : 0], i);
    posix_spawn_file_actions_addchdir_np(&fa, "/");
    if (r == 0)
        r = proc_spawn(&at->pid, argv[0], &fa, argv, (const char *const *)environ);
    posix_spawn_file_actions_destroy(&fa);
    for (int i = 0; i < 3; i++) {
        ret_fds[i] = pipes[i][i ? 0 : 1];
        cleanup_close(&pipes[i][i ? 1 : 0]);
    }
    if (r == 0 && (fcntl(ret_fds[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(ret_fds[1], F_SETFL, O_NONBLOCK) < 0 ||
                   fcntl(ret_fds[2], F_SETFL, O_NONBLOCK) < 0))
        r = -errno;
    return r < 0 ? err_errno(err, r, "the worker's command cannot be started") : 0;
}

/* Waits for its end that long; whether it came, and how. */
static bool reap(struct attending *at, int ms, int *ret_status)
{
    int64_t until = mono_ns() + ms * 1000000LL;
    pid_t got;

    while (at->pid > 0) {
        got = waitpid(at->pid, ret_status, WNOHANG);
        if (got == at->pid || (got < 0 && errno != EINTR)) {
            at->pid = 0;
            return true;
        }
        if (mono_ns() >= until)
            return false;
        (void)poll(NULL, 0, 5);
    }
    return true;
}

/* What was asked to end, and outlives its shell, removes what it has made meanwhile. */
static void leave_in_peace(pid_t group, int wait_ms)
{
    int64_t until = mono_ns() + wait_ms * 1000000LL;

    while (kill(-group, 0) == 0 && mono_ns() < until)
        (void)poll(NULL, 0, 5);
}

/* However it ended: its exit code, or 128 and the signal. */
static int end_command(struct attending *at, int wait_ms)
{
    pid_t group = at->pid;
    int status = 0;

    if (!reap(at, wait_ms, &status)) {
        kill(-group, SIGTERM);
        if (reap(at, TERM_MS, &status)) {
            leave_in_peace(group, TERM_MS);
        } else {
            kill(-group, SIGKILL);
            (void)reap(at, END_MS, &status);
        }
    }
    if (group > 0)
        kill(-group, SIGKILL); /* what it started and left behind */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What it says on standard error: the end of it is kept. */
static void hear_errors(struct attending *at)
{
    char chunk[4096];
    ssize_t n = read(at->errors, chunk, sizeof(chunk));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        at->errors = -1;
        return;
    }
    at->known->said = true;
    buf_add(&at->said, chunk, (size_t)n);
    if (at->said.len > SAID_MAX)
        buf_drop(&at->said, at->said.len - SAID_MAX);
}

/* The last of it, as the end of a sentence: its lines with blanks between, masked. */
static void add_said(struct attending *at, struct buf *ret)
{
    const char *text = buf_str(&at->said);
    _buf_ struct buf masked = BUF_INIT, line = BUF_INIT;
    size_t skip = at->said.len > 500 ? at->said.len - 500 : 0;

    mask_apply(at->what->mask, text + skip, at->said.len - skip, &masked);
    for (size_t i = 0; i < masked.len; i++)
        buf_addc(&line, (unsigned char)masked.ptr[i] < ' ' ? ' ' : masked.ptr[i]);
    while (line.len && line.ptr[line.len - 1] == ' ')
        line.len--;
    if (line.len)
        buf_addf(ret, ": %.*s", (int)utf8_valid_prefix(line.ptr, line.len), line.ptr);
}

/* ------------------------------------------------------------------------------------ what the worker is
 * told
 */

/* A thread of its own: the job's may be busy answering. */
static void *telling(void *data)
{
    struct attending *at = data;
    const struct job_spec *spec = at->what->spec;
    struct pollfd p[] = {{.fd = at->ended, .events = POLLIN}, {.fd = at->what->wake, .events = POLLIN}};
    int every_ms = (int)(at->wire.silence_ns / 4000000);
    bool cancelled = false, killed = false;

    for (;;) {
        uint64_t n;
        (void)poll(p, ARRAY_LEN(p), every_ms);
        if (p[0].revents)
            return NULL;
        if (p[1].revents)
            (void)!read(at->what->wake, &n, sizeof(n));
        const char *word = "alive";
        if (!killed && spec->killed && atomic_load(spec->killed)) {
            word = "kill";
            killed = cancelled = true;
        } else if (!cancelled && atomic_load(spec->cancelled)) {
            word = "cancel";
            cancelled = true;
        }
        if (wire_write(&at->wire, json_pack("{s:s}", "type", word)) < 0)
            return NULL;
    }
}

static int give_job(struct attending *at, struct err *err)
{
    const struct attend *a = at->what;
    int r = wire_write(&at->wire, worker_spec_make(a->spec, a->text, a->len, a->silence_s));

    if (r < 0)
        return err_errno(err, r, "the job cannot be given to the worker");
    at->ended = eventfd(0, EFD_CLOEXEC);
    at->has_telling = at->ended >= 0 && pthread_create(&at->telling, NULL, telling, at) == 0;
    return at->has_telling ? 0 : err_errno(err, -EAGAIN, "the job cannot be given to the worker");
}

/* ------------------------------------------------------------------------------------------ what it tells
 */

/* What a shell prints at login may come before it. */
static int take_hello(struct attending *at, const json_t *line, struct err *err)
{
    const char *type = json_string_value(json_object_get(line, "type"));
    const char *host = json_string_value(json_object_get(line, "host"));
    json_int_t version = json_integer_value(json_object_get(line, "version"));

    if (!type || !str_eq(type, "hello"))
        return 0;
    if (version != WIRE_VERSION)
        return err_set(err, -EPROTO,
                       "the worker is of another runfs: it speaks version %lld, and this one (%s) version %d",
                       (long long)version, RUNFS_VERSION, WIRE_VERSION);
    char *known = at->known->host; /* a word, not what steers a terminal */
    snprintf(known, sizeof(at->known->host), "%s", host && *host ? host : "?");
    known[utf8_valid_prefix(known, strlen(known))] = '\0';
    unseen_replace(known);
    for (char *c = known; *c; c++)
        *c = (unsigned char)*c <= ' ' || *c == 127 ? '?' : *c;
    if (at->what->containers && !json_is_true(json_object_get(line, "containers")))
        return err_set(
            err, -ENOTSUP,
            "The worker on %s has no containers, as its runfs is of before there were any: install "
            "this one (%s) there, or give the job a label whose machines are of this runner",
            known, RUNFS_VERSION);
    if (at->what->begins)
        at->what->begins(at->what->data);
    return give_job(at, err);
}

/* It has no machine for the job, or does not take it. */
static int take_refused(struct attending *at, const json_t *line, struct err *err)
{
    _buf_ struct buf why = BUF_INIT, masked = BUF_INIT;
    json_int_t code = json_integer_value(json_object_get(line, "error"));

    (void)wire_add_bytes(&why, json_object_get(line, "message"));
    mask_apply(at->what->mask, buf_str(&why), why.len, &masked);
    return err_set(err, code == -ECANCELED ? -ECANCELED : -EREMOTEIO, "The worker on %s: %s", at->known->host,
                   buf_str(&masked));
}

static const struct {
    const char *type;
    int (*take)(struct attending *at, const json_t *line, struct err *err);
    bool event; /* of the job: it has begun */
} lines[] = {
    {"output", attend_output, true},
    {"step_started", attend_started, true},
    {"step_completed", attend_completed, true},
    {"step_added", attend_added, true},
    {"annotation", attend_annotation, true},
    {"job_completed", attend_end, true},
    {"data", attend_data, false},
    {"ask", attend_ask, false},
    {"refused", take_refused, false},
};

static int take_line(struct attending *at, const json_t *line, struct err *err)
{
    const char *type = json_string_value(json_object_get(line, "type"));

    if (!*at->known->host)
        return take_hello(at, line, err);
    for (size_t i = 0; type && !at->done && i < ARRAY_LEN(lines); i++)
        if (str_eq(lines[i].type, type)) {
            at->known->begun |= lines[i].event;
            return lines[i].take(at, line, err);
        }
    return 0; /* "alive", or of a version to come */
}

/* --------------------------------------------------------------------------------------------- to its end
 */

/* Before a worker greets, what its command prints is kept like its errors. */
static int take_prelude(struct attending *at, const struct buf *line, struct err *err)
{
    at->prelude += line->len + 1;
    if (at->prelude > PRELUDE_MAX)
        return err_set(err, -EREMOTEIO, "It is no worker that answers: its command prints other things");
    buf_add(&at->said, buf_str(line), line->len);
    buf_addc(&at->said, '\n');
    return 0;
}

/* Takes what there is: 1, or 0 at the end of it. */
static int hear(struct attending *at, struct err *err)
{
    ssize_t n = wire_fill(&at->wire);
    int r = 1;

    if (n <= 0)
        return n == -EAGAIN ? 1 : n == 0 ? 0 : err_errno(err, (int)n, "the worker");
    while (r > 0) {
        _buf_ struct buf other = BUF_INIT;
        _json_ json_t *line = NULL;
        r = wire_next(&at->wire, &line, &other);
        if (r == 0)
            return 1;
        if (r == -EPROTO && !*at->known->host)
            r = take_prelude(at, &other, err);
        else if (r < 0)
            return attend_wrong(r == -EMSGSIZE ? "a line has too much in it" : "it is no line of JSON", err);
        else
            r = take_line(at, line, err);
        if (r < 0)
            return r;
        r = 1;
    }
    return r;
}

static bool is_killed(const struct attending *at)
{
    return at->what->spec->killed && atomic_load(at->what->spec->killed);
}

/* Whether to wait no longer for what it tells. Before it has greeted nothing of the job is there to end well;
 * one that was killed, or has told the job's end, has some seconds. */
static bool waits_no_longer(struct attending *at, int64_t *since)
{
    if (!*at->known->host)
        return atomic_load(at->what->spec->cancelled);
    if ((at->done || is_killed(at)) && !*since)
        *since = mono_ns();
    return *since && mono_ns() - *since > END_MS * 1000000LL;
}

/* Whether others know that it is. */
static bool is_gone(struct attending *at)
{
    enum attend_word word = ATTEND_UNKNOWN;

    if (at->what->look && !at->done && (!*at->known->host || wire_quiet(&at->wire)))
        word = at->what->look(at->what->data);
    if (word == ATTEND_STOPPED)
        wire_heard(&at->wire);
    return word == ATTEND_GONE;
}

static int follow(struct attending *at, struct err *err)
{
    int64_t since = 0;
    int r = 1;

    while (r > 0) {
        struct pollfd p[] = {{.fd = at->wire.in, .events = POLLIN}, {.fd = at->errors, .events = POLLIN}};
        int64_t looked = mono_ns();
        (void)poll(p, ARRAY_LEN(p), LOOK_MS);
        if (!p[0].revents)
            wire_vain(&at->wire, looked);
        if (p[1].revents)
            hear_errors(at);
        if (!p[0].revents && is_gone(at))
            return err_set(err, -ENOLINK, "it is not there any more");
        if (p[0].revents)
            r = hear(at, err);
        else if (waits_no_longer(at, &since))
            return err_set(err, -ECANCELED, "The operation was canceled.");
        else if (*at->known->host && !at->done && wire_silent(&at->wire))
            return err_set(err, -ETIMEDOUT, "nothing was heard of it for %d seconds", at->what->silence_s);
    }
    return r;
}

/* It ended, or was given up, before the job had. */
static int explain(struct attending *at, int r, int code, const struct err *why, struct err *err)
{
    _buf_ struct buf said = BUF_INIT;
    bool was_cancelled = atomic_load(at->what->spec->cancelled) && (r == 0 || r == -ECANCELED);

    add_said(at, &said);
    at->known->lost = at->known->begun;
    if ((r == -EREMOTEIO && *at->known->host) || (r == -ECANCELED && !at->known->begun))
        return err_set(err, r, "%s", why->msg);
    if (was_cancelled)
        return err_set(err, -ECANCELED, "The operation was canceled.");
    if (r < 0 && r != -ETIMEDOUT && !at->known->begun)
        return err_set(err, r, "%s%s", why->msg, buf_str(&said));
    if (!*at->known->host)
        return err_set(err, -EREMOTEIO, "The worker did not start: its command ended with exit code %d%s",
                       code, buf_str(&said));
    if (r < 0)
        return err_set(err, r, "The worker on %s was lost, and with it what became of the job: %s%s",
                       at->known->host, why->msg, buf_str(&said));
    return err_set(err, -ECONNRESET,
                   "The worker on %s was lost before the job had ended: its command ended with exit code "
                   "%d%s",
                   at->known->host, code, buf_str(&said));
}

static void end_telling(struct attending *at)
{
    uint64_t one = 1;

    if (at->ended >= 0)
        (void)!write(at->ended, &one, sizeof(one));
    if (at->has_telling)
        pthread_join(at->telling, NULL);
    cleanup_close(&at->ended);
}

int worker_attend(const struct attend *what, struct job_result *ret, struct attended *ret_known,
                  struct err *err)
{
    struct attending at = {.what = what, .known = ret_known, .result = ret, .errors = -1, .ended = -1};
    int fds[3] = {-1, -1, -1};
    struct err why = {0};

    *ret_known = (struct attended){0};
    at.n_own = what->spec->job->n_steps ? what->spec->job->n_steps : 1;
    at.listed = json_object();
    int r = 0;
    for (size_t i = 0; r == 0 && i < at.n_own; i++)
        r = attend_add_step(&at, i);
    r = r < 0 ? err_errno(err, r, "the job's steps") : start(&at, what->command, fds, err);
    if (r == 0) {
        wire_init(&at.wire, fds[1], fds[0]);
        at.wire.silence_ns = what->silence_s * 1000000000LL;
        at.wire.most = WIRE_VALUES_MAX;
        at.errors = fds[2];
        r = follow(&at, &why);
        end_telling(&at);
        cleanup_close(&fds[0]);
        int code = end_command(&at, r < 0 ? 0 : END_MS);
        while (at.errors >= 0 && poll(&(struct pollfd){.fd = at.errors, .events = POLLIN}, 1, 0) > 0)
            hear_errors(&at);
        r = at.done ? 0 : explain(&at, r, code, &why, err);
        wire_release(&at.wire);
    }
    for (int i = 0; i < 3; i++)
        cleanup_close(&fds[i]);
    attend_release_files(&at);
    json_decref(at.listed);
    buf_release(&at.said);
    free(at.steps);
    return r;
}
