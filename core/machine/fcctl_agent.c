/*
 * Speaks for the agent that a machine of fcctl-web's does not have: takes the daemon's frames, makes scripts
 * of them, and answers with what these printed. A command is one script: it puts files, starts the command
 * in a session of its own, and prints, behind what that printed, a line of a mark with its exit code and then
 * the files that are to be got. What a command prints comes when it has ended, stdout before stderr.
 */
#include "core/machine/fcctl.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "runfs/io.h"
#include "runfs/str.h"

enum {
    RECEIVE_STEP = 256 * 1024,
    PUTS_MAX = 48 * 1024 * 1024, /* a request's script */
    NO_DEADLINE_MS = 86400 * 1000,
    MARK_SIZE = 48,
    SEND_STEP = 32 * 1024,
};
#define PID_FILE "/tmp/.runfs-command"

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

static void answer_frames(struct fcctl_vm *t, const struct buf *b)
{
    t->over |= !buf_ok(b) || write_all(t->fd, buf_str(b), b->len) < 0;
}

static void answer_bytes(struct fcctl_vm *t, enum frame_type type, const char *bytes, size_t len)
{
    while (len && !t->over) {
        _buf_ struct buf b = BUF_INIT;
        size_t n = len < SEND_STEP ? len : SEND_STEP;
        frame_add(&b, type, bytes, n);
        answer_frames(t, &b);
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
    answer_frames(t, &b);
}

/* -------------------------------------------------------------------------------------------------- files */

/* The shell's own means where they do: a process costs more there than all else. */
static void put_done(struct fcctl_vm *t)
{
    const char *data = buf_str(&t->file);
    bool text = utf8_valid(data, t->file.len) && !memchr(data, '\0', t->file.len);
    _buf_ struct buf path = BUF_INIT;

    if (!t->path)
        return;
    buf_add_quoted(&path, t->path);
    buf_addf(&t->puts, "umask %03o; dir %s && %s", 0777 & ~t->mode, buf_str(&path),
             text ? "printf %s " : "base64 -d ");
    if (text)
        buf_add_quoted(&t->puts, data);
    buf_addf(&t->puts, " >%s%s || exit 125\n", buf_str(&path), text ? "" : " <<'END'");
    if (!text) {
        buf_add_base64(&t->puts, data, t->file.len);
        buf_adds(&t->puts, "\nEND\n");
    }
    if (t->mode & 0111)
        buf_addf(&t->puts, "chmod %o %s || exit 125\n", t->mode & 0777, buf_str(&path));
    t->crowded |= !buf_ok(&path);
    buf_reset(&t->file);
    free(TAKE(t->path));
}

static void on_put(struct fcctl_vm *t, const struct frame *f)
{
    struct wire w = wire_of(f->payload, f->len);
    const char *path = wire_str(&w);

    put_done(t);
    t->mode = wire_u32(&w);
    t->over |= !wire_ok(&w) || !(t->path = strdup(path));
}

static void on_put_data(struct fcctl_vm *t, const struct frame *f)
{
    t->crowded |= t->puts.len + 2 * (t->file.len + f->len) > PUTS_MAX;
    if (!t->crowded)
        buf_add(&t->file, f->payload, f->len);
}

/* ---------------------------------------------------------------------------------------------- commands */

static void add_gets(struct buf *b, const struct exec_request *x, const char *mark)
{
    buf_addf(b,
             "get() { if [ ! -f \"$1\" ]; then echo '%s none'; elif [ ! -s \"$1\" ]; then echo '%s .'; elif "
             "[ \"$(stat -Lc %%s -- \"$1\")\" -gt \"$2\" ]; "
             "then echo '%s large'; else echo \"%s $(base64 -w0 -- \"$1\").\"; fi; }\n",
             mark, mark, mark, mark);
    for (uint32_t i = 0; i < x->n_get; i++) {
        buf_adds(b, "get ");
        buf_add_quoted(b, x->get[i]);
        buf_addf(b, " %llu\n", (unsigned long long)x->get_max[i]);
    }
}

/* Its standard output comes as base64, since the answer is JSON and it may be anything. What it leaves behind
 * with that open holds nobody up for more than ten seconds. */
static void add_command(struct buf *b, const struct exec_request *x)
{
    buf_adds(b, "exec 3> >(exec base64 -w0)\nb=$!\nsetsid env -i");
    for (size_t i = 0; x->env[i]; i++) {
        buf_addc(b, ' ');
        buf_add_quoted(b, x->env[i]);
    }
    for (size_t i = 0; x->argv[i]; i++) {
        buf_addc(b, ' ');
        buf_add_quoted(b, x->argv[i]);
    }
    buf_adds(b, " </dev/null >&3 3>&- &\necho $! >" PID_FILE "\nexec 3>&-\n"
                "{ wait $!; } 2>/dev/null\nrc=$?\n"
                "for i in {1..100}; do\n"
                "    kill -0 $b 2>/dev/null || break\n"
                "    if [ $i -gt 20 ]; then sleep 0.125; else sleep 0.01; fi\n"
                "done\nkill $b 2>/dev/null\n");
}

static void add_script(struct fcctl_vm *t, struct buf *b, const struct exec_request *x, const char *mark)
{
    put_done(t);
    buf_adds(b, "dir() { [ -d \"${1%/*}\" ] || (umask 022; mkdir -p -- \"${1%/*}\"); }\n");
    buf_add(b, buf_str(&t->puts), t->puts.len);
    buf_adds(b, "umask 022\n");
    buf_adds(b, "cd -- ");
    buf_add_quoted(b, x->cwd);
    buf_addf(b, " || { printf '\\n%s exit -\\n'; exit 126; }\n", mark);
    add_command(b, x);
    buf_addf(b, "printf '\\n%s exit %%d\\n' $rc\n", mark);
    add_gets(b, x, mark);
    buf_adds(b, "exit $rc\n");
}

static bool make_mark(char ret[MARK_SIZE])
{
    uint64_t random[2];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return false;
    snprintf(ret, MARK_SIZE, "runfs-%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    return true;
}

static void report(struct fcctl_vm *t, const struct exec_report *r)
{
    _buf_ struct buf b = BUF_INIT;

    exec_report_encode(&b, r);
    answer_frames(t, &b);
}

static void report_file(struct fcctl_vm *t, uint32_t index, int error)
{
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, FRAME_GOT_END);

    wire_add_u32(&b, index);
    wire_add_u32(&b, (uint32_t)error);
    frame_end(&b, begin);
    answer_frames(t, &b);
}

/* One line behind the mark for each. at: NULL when there are none. */
static void report_files(struct fcctl_vm *t, const char *at, size_t mark_len, uint32_t n)
{
    for (uint32_t i = 0; i < n && !t->over; i++) {
        _buf_ struct buf data = BUF_INIT;
        const char *line = at && strlen(at) > mark_len ? at + mark_len + 1 : NULL;
        size_t len = line ? strcspn(line, ".\n") : 0;
        int error = !line                         ? -EIO
                    : str_starts(line, "none\n")  ? -ENOENT
                    : str_starts(line, "large\n") ? -EFBIG
                    : line[len] != '.'            ? -EIO
                                                  : buf_add_unbase64(&data, line, len);
        if (error == 0)
            answer_bytes(t, FRAME_GOT_DATA, data.ptr, data.len);
        report_file(t, i, error);
        at = at ? strchr(at, '\n') : NULL;
        at = at ? at + 1 : NULL;
    }
}

/* The command's own output ends before the last line of a mark and an exit code, which this points to. */
static const char *find_mark(const struct fcctl_result *r, const char *mark)
{
    const char *end = r->out + r->out_len, *found = NULL;
    char line[MARK_SIZE + 8];
    size_t n = (size_t)snprintf(line, sizeof(line), "\n%s exit ", mark);

    for (const char *p = r->out; (p = memmem(p, (size_t)(end - p), line, n)); p += n)
        found = p;
    return found ? found + n : NULL;
}

/* What was started there ends too: servers do not end what nobody waits for any more. */
static void kill_there(struct fcctl_vm *t)
{
    static const char script[] = "p=$(cat " PID_FILE " 2>/dev/null) && kill -KILL -- -$p; rm -f " PID_FILE;
    struct fcctl_result result = {0};

    t->deaf = true; /* what the daemon says meanwhile is of the next command */
    if (!t->over && fcctl_script(t, script, 5000, &result, NULL) == 0)
        fcctl_result_release(&result);
    t->deaf = false;
}

/* The machine's last words, on the step's stderr; then its agent has ended. */
static void die(struct fcctl_vm *t, const struct err *err)
{
    _buf_ struct buf words = BUF_INIT;

    buf_addf(&words, "the machine's server: %s\n", err->msg);
    answer_bytes(t, FRAME_STDERR, buf_str(&words), words.len);
    t->over = true;
}

/* Of what was cut, as far as it goes. */
static void answer_output(struct fcctl_vm *t, const char *text, size_t len)
{
    _buf_ struct buf plain = BUF_INIT;

    if (buf_add_unbase64(&plain, text, len / 4 * 4) == 0)
        answer_bytes(t, FRAME_STDOUT, buf_str(&plain), plain.len);
    else
        answer_bytes(t, FRAME_STDOUT, text, len); /* what the server says in its place */
}

static void on_ended(struct fcctl_vm *t, const struct exec_request *x, struct fcctl_result *r,
                     const char *mark, int64_t begin)
{
    const char *found = find_mark(r, mark);
    size_t len = found ? (size_t)(found - r->out) - strlen(mark) - strlen("\n exit ") : r->out_len;
    bool late = x->deadline_ms && mono_ns() - begin >= (int64_t)x->deadline_ms * 1000000;
    struct exec_report report_ = {.exit_code = (uint32_t)r->exit_code & 255,
                                  .timed_out = !found && late,
                                  .duration_ns = (uint64_t)(mono_ns() - begin),
                                  .start_error = ""};

    answer_output(t, r->out, len);
    answer_bytes(t, FRAME_STDERR, r->errors, r->errors_len);
    if (!found && r->why) {
        answer_bytes(t, FRAME_STDERR, r->why, strlen(r->why));
        answer_bytes(t, FRAME_STDERR, "\n", 1);
    }
    if (found && *found == '-')
        report_.start_error = "its working directory cannot be entered";
    else if (found)
        report_.exit_code = (uint32_t)strtoul(found, NULL, 10) & 255;
    if (report_.exit_code > 128)
        report_.signal = report_.exit_code - 128;
    report(t, &report_);
    const char *files = found ? strchr(found, '\n') : NULL;
    struct fcctl_result again = {0};
    if (!found && x->n_get) { /* it was cut, or killed before it came to them */
        _buf_ struct buf script = BUF_INIT;
        add_gets(&script, x, mark);
        if (buf_ok(&script) && fcctl_script(t, script.ptr, 10000, &again, NULL) == 0)
            files = again.out - 1;
    }
    report_files(t, files ? files + 1 : NULL, strlen(mark), x->n_get);
    fcctl_result_release(&again);
}

/* It was given up, here: because of a signal, or because of its time. */
static void on_given_up(struct fcctl_vm *t, const struct exec_request *x, int64_t begin)
{
    struct exec_report r = {.exit_code = t->stop ? 130 : 137,
                            .signal = t->stop ? 2 : 9,
                            .cancelled = t->stop != 0,
                            .timed_out = !t->stop,
                            .duration_ns = (uint64_t)(mono_ns() - begin),
                            .start_error = ""};

    report(t, &r); /* at once: who gives up does not wait long */
    report_files(t, NULL, 0, x->n_get);
    kill_there(t);
}

static void run(struct fcctl_vm *t, const struct exec_request *x)
{
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};
    struct err err = {0};
    char mark[MARK_SIZE] = "";
    int64_t begin = mono_ns(), ms = x->deadline_ms ? (int64_t)x->deadline_ms : NO_DEADLINE_MS;

    t->stop = 0;
    add_script(t, &script, x, make_mark(mark) ? mark : "runfs-mark");
    int r = buf_ok(&script)
                ? fcctl_script(t, script.ptr, ms < NO_DEADLINE_MS ? ms : NO_DEADLINE_MS, &result, &err)
                : err_errno(&err, -ENOMEM, "command");
    if (r == 0)
        on_ended(t, x, &result, mark, begin);
    else if (r == -ECANCELED || (r == -ETIMEDOUT && x->deadline_ms))
        on_given_up(t, x, begin);
    else
        die(t, &err);
    fcctl_result_release(&result);
}

static void on_exec(struct fcctl_vm *t, const struct frame *f)
{
    _free_ char *copy = malloc(f->len + 1); /* the frame is overwritten while the command runs */
    struct exec_report refused = {.exit_code = 126, .start_error = ""};
    struct exec_request x = {0};

    if (!copy || exec_request_decode(memcpy(copy, f->payload, f->len), f->len, &x) < 0) {
        t->over = true;
        return;
    }
    if (x.rows)
        refused.start_error = "fcctl-web's API has no terminals";
    else if (t->crowded)
        refused.start_error = "the files that go with it are larger than 24 MiB, which fcctl-web's API takes";
    if (*refused.start_error) {
        report(t, &refused);
        report_files(t, NULL, 0, x.n_get);
    } else {
        run(t, &x);
    }
    buf_reset(&t->puts);
    t->crowded = false;
    exec_request_release(&x);
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

static void on_get_tree(struct fcctl_vm *t, const struct frame *f)
{
    _free_ char *dir = dir_of(t, f);
    struct err err = {0};
    uint64_t size = 0;

    t->stop = 0;
    int r = dir ? fcctl_get_begin(t, dir, &size, &err) : -EPROTO;
    for (uint64_t at = 0; r == 0 && at < size && !t->over; at += FCCTL_PART) {
        _buf_ struct buf part = BUF_INIT;
        r = fcctl_get_part(t, at, &part, &err);
        if (r == 0)
            answer_bytes(t, FRAME_TREE_DATA, part.ptr, part.len);
    }
    answer_state(t, FRAME_TREE_END, r, &err);
}

static void on_make_dirs(struct fcctl_vm *t, const struct frame *f)
{
    _free_ char *dir = dir_of(t, f);
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};
    struct err err = {0};

    buf_adds(&script, "mkdir -p -- ");
    buf_add_quoted(&script, dir ? dir : "/");
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
        on_put(t, f);
        break;
    case FRAME_PUT_DATA:
        on_put_data(t, f);
        break;
    case FRAME_EXEC:
        on_exec(t, f);
        break;
    case FRAME_PUT_TREE:
        on_put_tree(t, f);
        break;
    case FRAME_GET_TREE:
        on_get_tree(t, f);
        break;
    case FRAME_MAKE_DIRS:
        on_make_dirs(t, f);
        break;
    case FRAME_ALONE: /* nobody knows; a machine's memory is part of its snapshots there */
        answer_state(t, FRAME_STATE, 0, NULL);
        break;
    case FRAME_KILL:
        kill_there(t);
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
    answer_frames(t, &hello);
    while (next(t, &f))
        on_frame(t, &f);
    (void)shutdown(t->fd, SHUT_RDWR);
    return NULL;
}
