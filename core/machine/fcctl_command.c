/*
 * A command on fcctl-web's server, with the files that go with it, as one script: it puts files, starts the
 * command in a session of its own with its output into files, and prints a line each of its exit code, of how
 * its output begins, and of the files that are to be got. What a command prints comes when it has ended,
 * stdout before stderr; what is long in parts, since servers cut what they are to carry in one.
 */
#include "core/machine/fcctl.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    PUTS_MAX = 48 * 1024 * 1024, /* a request's script */
    NO_DEADLINE_MS = 86400 * 1000,
    OUTPUT_FIRST = 1024 * 1024, /* of each stream, with the script's own answer */
    AGAIN_MS = 10000,
    AGAIN_LATE_MS = 4000, /* its time is over, and the daemon does not wait for long any more */
};
#define PID_FILE "/tmp/.runfs-command"
#define OUT_FILE "/tmp/.runfs-stdout"
#define ERR_FILE "/tmp/.runfs-stderr"

/* -------------------------------------------------------------------------------------------------- files */

/* The shell's own means where they do: a process costs more there than all else. */
static void put_done(struct fcctl_vm *t)
{
    const char *data = buf_str(&t->file);
    bool text = utf8_valid(data, t->file.len) && !memchr(data, '\0', t->file.len);
    _buf_ struct buf path = BUF_INIT;

    if (!t->path)
        return;
    fcctl_add_word(&path, t->path);
    buf_addf(&t->puts, "umask %03o; dir %s && %s", 0777 & ~t->mode, buf_str(&path),
             text ? "printf %s " : "base64 -d ");
    if (text)
        fcctl_add_word(&t->puts, data);
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

void fcctl_put(struct fcctl_vm *t, const struct frame *f)
{
    struct wire w = wire_of(f->payload, f->len);
    const char *path = wire_str(&w);

    put_done(t);
    t->mode = wire_u32(&w);
    t->over |= !wire_ok(&w) || !(t->path = strdup(path));
}

void fcctl_put_data(struct fcctl_vm *t, const struct frame *f)
{
    t->crowded |= t->puts.len + 2 * (t->file.len + f->len) > PUTS_MAX;
    if (!t->crowded)
        buf_add(&t->file, f->payload, f->len);
}

/* ---------------------------------------------------------------------------------------------- commands */

/* A line: `.` where there is nothing, else its size, how it begins in base64, and a dot. */
static void add_outputs(struct buf *b)
{
    buf_addf(b,
             "out() { if [ -s \"$1\" ]; then echo \"$(stat -Lc %%s -- \"$1\") $(head -c %d -- \"$1\" | "
             "base64 -w0).\"; else echo .; fi; }\n"
             "out " OUT_FILE "\nout " ERR_FILE "\n",
             OUTPUT_FIRST);
}

/* A line: `none`, `large`, or what it holds in base64 and a dot. */
static void add_gets(struct buf *b, const struct exec_request *x)
{
    buf_adds(b, "get() { if [ ! -f \"$1\" ]; then echo none; elif [ ! -s \"$1\" ]; then echo .; elif "
                "[ \"$(stat -Lc %s -- \"$1\")\" -gt \"$2\" ]; "
                "then echo large; else echo \"$(base64 -w0 -- \"$1\").\"; fi; }\n");
    for (uint32_t i = 0; i < x->n_get; i++) {
        buf_adds(b, "get ");
        fcctl_add_word(b, x->get[i]);
        buf_addf(b, " %llu\n", (unsigned long long)x->get_max[i]);
    }
}

static void add_command(struct buf *b, const struct exec_request *x)
{
    buf_adds(b, "setsid env -i");
    for (size_t i = 0; x->env[i]; i++) {
        buf_addc(b, ' ');
        fcctl_add_word(b, x->env[i]);
    }
    for (size_t i = 0; x->argv[i]; i++) {
        buf_addc(b, ' ');
        fcctl_add_word(b, x->argv[i]);
    }
    buf_adds(b, " </dev/null >" OUT_FILE " 2>" ERR_FILE " &\necho $! >" PID_FILE
                "\n{ wait $!; } 2>/dev/null\nrc=$?\n");
}

/* The files of the command before go first: what that left running goes on writing to them, and not to these.
 */
static void add_script(struct fcctl_vm *t, struct buf *b, const struct exec_request *x)
{
    put_done(t);
    buf_adds(b, "rm -f " OUT_FILE " " ERR_FILE "\n"
                "dir() { [ -d \"${1%/*}\" ] || (umask 022; mkdir -p -- \"${1%/*}\"); }\n");
    buf_add(b, buf_str(&t->puts), t->puts.len);
    buf_adds(b, "umask 022\ncd -- ");
    fcctl_add_word(b, x->cwd);
    buf_adds(b, " || { echo exit -; exit 126; }\n");
    add_command(b, x);
    buf_adds(b, "echo exit $rc\n");
    add_outputs(b);
    add_gets(b, x);
    buf_adds(b, "exit $rc\n");
}

static void report(struct fcctl_vm *t, const struct exec_report *r)
{
    _buf_ struct buf b = BUF_INIT;

    exec_report_encode(&b, r);
    fcctl_answer(t, &b);
}

static void report_file(struct fcctl_vm *t, uint32_t index, int error)
{
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, FRAME_GOT_END);

    wire_add_u32(&b, index);
    wire_add_u32(&b, (uint32_t)error);
    frame_end(&b, begin);
    fcctl_answer(t, &b);
}

/* The next line of *at, which goes on behind it. NULL: there is none that is whole. */
static const char *take_line(const char **at)
{
    const char *line = *at, *end = line ? strchr(line, '\n') : NULL;

    *at = end ? end + 1 : NULL;
    return end ? line : NULL;
}

static void report_files(struct fcctl_vm *t, const char **at, uint32_t n)
{
    for (uint32_t i = 0; i < n && !t->over; i++) {
        _buf_ struct buf data = BUF_INIT;
        const char *line = take_line(at);
        size_t len = line ? strcspn(line, ".\n") : 0;
        int error = !line                         ? -EIO
                    : str_starts(line, "none\n")  ? -ENOENT
                    : str_starts(line, "large\n") ? -EFBIG
                    : line[len] != '.'            ? -EIO
                                                  : buf_add_unbase64(&data, line, len);
        if (error == 0)
            fcctl_answer_bytes(t, FRAME_GOT_DATA, data.ptr, data.len);
        report_file(t, i, error);
    }
}

/* What lies behind the beginning that came with the script's answer. */
static int answer_rest(struct fcctl_vm *t, enum frame_type type, const char *path, uint64_t at, uint64_t size,
                       struct err *err)
{
    int r = 0;

    while (r == 0 && at < size && !t->over) {
        _buf_ struct buf part = BUF_INIT;
        r = fcctl_get_part(t, path, at, &part, err);
        if (r == 0 && part.len == 0)
            r = err_set(err, -EIO, "it is shorter than it was");
        if (r == 0)
            fcctl_answer_bytes(t, type, part.ptr, part.len);
        at += part.len;
    }
    return r;
}

static void answer_output(struct fcctl_vm *t, enum frame_type type, const char *path, const char *line,
                          bool late)
{
    _buf_ struct buf first = BUF_INIT, words = BUF_INIT;
    struct err err = {0};
    char *text = NULL;

    if (!line || *line == '.')
        return;
    uint64_t size = strtoull(line, &text, 10);
    text += *text == ' ';
    size_t len = strcspn(text, ".\n");
    int r = text[len] == '.' ? buf_add_unbase64(&first, text, len) : -EPROTO;
    if (r < 0)
        err_errno(&err, r, "what came is broken");
    fcctl_answer_bytes(t, type, buf_str(&first), first.len);
    if (r == 0 && late && first.len < size)
        r = err_set(&err, -ETIMEDOUT, "its time is over");
    else if (r == 0)
        r = answer_rest(t, type, path, first.len, size, &err);
    if (r < 0) {
        buf_addf(&words, "the rest of its output cannot be got: %s\n", err.msg);
        fcctl_answer_bytes(t, FRAME_STDERR, buf_str(&words), words.len);
    }
}

/* What was started there ends too: servers do not end what nobody waits for any more. */
void fcctl_kill(struct fcctl_vm *t)
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
    fcctl_answer_bytes(t, FRAME_STDERR, buf_str(&words), words.len);
    t->over = true;
}

/* What the script would have printed, had it not been cut, or killed before it came to that. */
static int ask_again(struct fcctl_vm *t, const struct exec_request *x, int64_t ms, struct fcctl_result *ret)
{
    _buf_ struct buf script = BUF_INIT;

    add_outputs(&script);
    add_gets(&script, x);
    return buf_ok(&script) ? fcctl_script(t, script.ptr, ms, ret, NULL) : -ENOMEM;
}

static void on_ended(struct fcctl_vm *t, const struct exec_request *x, struct fcctl_result *r, int64_t begin)
{
    const char *at = r->out, *end = take_line(&at);
    bool ended = end && str_starts(end, "exit ");
    bool late = x->deadline_ms && mono_ns() - begin >= (int64_t)x->deadline_ms * 1000000;
    struct exec_report report_ = {.exit_code = (uint32_t)r->exit_code & 255,
                                  .timed_out = !ended && late,
                                  .duration_ns = (uint64_t)(mono_ns() - begin),
                                  .start_error = ""};
    struct fcctl_result again = {0};

    if (ended && end[5] == '-')
        report_.start_error = "its working directory cannot be entered";
    else if (ended)
        report_.exit_code = (uint32_t)strtoul(end + 5, NULL, 10) & 255;
    if (report_.exit_code > 128)
        report_.signal = report_.exit_code - 128;
    if (!ended)
        at = ask_again(t, x, AGAIN_MS, &again) == 0 ? again.out : NULL;
    answer_output(t, FRAME_STDOUT, OUT_FILE, take_line(&at), false);
    answer_output(t, FRAME_STDERR, ERR_FILE, take_line(&at), false);
    fcctl_answer_bytes(t, FRAME_STDERR, r->errors, r->errors_len);
    if (!ended && r->why) {
        fcctl_answer_bytes(t, FRAME_STDERR, r->why, strlen(r->why));
        fcctl_answer_bytes(t, FRAME_STDERR, "\n", 1);
    }
    report(t, &report_);
    report_files(t, &at, x->n_get);
    fcctl_result_release(&again);
}

/* It was given up, here: because of a signal, or because of its time. */
static void on_given_up(struct fcctl_vm *t, const struct exec_request *x, int64_t begin)
{
    const char *at = NULL;
    struct fcctl_result so_far = {0};
    struct exec_report r = {.exit_code = t->stop ? 130 : 137,
                            .signal = t->stop ? 2 : 9,
                            .cancelled = t->stop != 0,
                            .timed_out = !t->stop,
                            .duration_ns = (uint64_t)(mono_ns() - begin),
                            .start_error = ""};

    if (!t->stop && !t->over && ask_again(t, x, AGAIN_LATE_MS, &so_far) == 0)
        at = so_far.out;
    answer_output(t, FRAME_STDOUT, OUT_FILE, take_line(&at), true);
    answer_output(t, FRAME_STDERR, ERR_FILE, take_line(&at), true);
    report(t, &r); /* before all else: who gives up does not wait long */
    report_files(t, &at, x->n_get);
    fcctl_result_release(&so_far);
    fcctl_kill(t);
}

static void run(struct fcctl_vm *t, const struct exec_request *x)
{
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};
    struct err err = {0};
    int64_t begin = mono_ns(), ms = x->deadline_ms ? (int64_t)x->deadline_ms : NO_DEADLINE_MS;

    t->stop = 0;
    add_script(t, &script, x);
    int r = buf_ok(&script)
                ? fcctl_script(t, script.ptr, ms < NO_DEADLINE_MS ? ms : NO_DEADLINE_MS, &result, &err)
                : err_errno(&err, -ENOMEM, "command");
    if (r == 0)
        on_ended(t, x, &result, begin);
    else if (r == -ECANCELED || (r == -ETIMEDOUT && x->deadline_ms))
        on_given_up(t, x, begin);
    else
        die(t, &err);
    fcctl_result_release(&result);
}

void fcctl_exec(struct fcctl_vm *t, const struct frame *f)
{
    _free_ char *copy = malloc(f->len + 1); /* the frame is overwritten while the command runs */
    const char *nothing = NULL;
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
        report_files(t, &nothing, x.n_get);
    } else {
        run(t, &x);
    }
    buf_reset(&t->puts);
    t->crowded = false;
    exec_request_release(&x);
}
