/* fcctl-web's API: a script in a machine, and what it printed. */
#include "fcctl_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { OUTPUT_MAX = 16 * 1024 * 1024, TIMEOUT_MAX = 86400, TIMEOUT_DEFAULT = 300 };

/* What a request asks for; strings borrowed. */
struct wanted {
    const char *vm_id, *code, *language, *dir, *interpreter;
    size_t code_len;
    int64_t seconds;
};

struct printed {
    struct buf streams[2];
    bool cut;
};

static bool read_request(struct http_request *r, json_t *body, struct wanted *w)
{
    static const char *const languages[][2] = {
        {"bash", "bash"}, {"sh", "sh"}, {"shell", "bash"}, {"python", "python3"}, {"python3", "python3"}};
    json_t *timeout = json_object_get(body, "timeout_seconds"), *code = json_object_get(body, "code");
    w->seconds = TIMEOUT_DEFAULT;

    if (!(w->vm_id = fcctl_text(r, body, "vm_id", 255, NULL)) ||
        !(w->language = fcctl_text(r, body, "language", 31, "bash")) ||
        !(w->dir = fcctl_text(r, body, "working_dir", 4095, "")) ||
        !fcctl_text(r, body, "agent_id", 1023, ""))
        return false;
    if (!json_is_string(code)) {
        fcctl_refuse(r, 400, "`code` is a string%s", code ? "" : ", and is missing");
        return false;
    }
    w->code = json_string_value(code);
    w->code_len = json_string_length(code);
    for (size_t i = 0; i < ARRAY_LEN(languages); i++)
        if (str_eq(languages[i][0], w->language))
            w->interpreter = languages[i][1];
    if (timeout && !json_is_null(timeout))
        w->seconds = json_is_integer(timeout) ? json_integer_value(timeout) : 0;
    if (!w->interpreter)
        fcctl_refuse(r, 400, "`language` is bash, sh or python, not '%s'", w->language);
    else if (w->seconds < 1 || w->seconds > TIMEOUT_MAX)
        fcctl_refuse(r, 400, "`timeout_seconds` is a whole number from 1 to %d", TIMEOUT_MAX);
    else if (*w->dir && *w->dir != '/')
        fcctl_refuse(r, 400, "`working_dir` is an absolute path, not '%.200s'", w->dir);
    else
        return true;
    return false;
}

static int on_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct printed *p = data;
    struct buf *b = &p->streams[stream == MACHINE_STDERR];
    size_t room = OUTPUT_MAX - b->len;

    p->cut |= len > room;
    buf_add(b, bytes, len < room ? len : room);
    return buf_ok(b) ? 0 : -ENOMEM;
}

/* JSON is UTF-8: what is none becomes U+FFFD, byte by byte. */
static json_t *text_of(const struct buf *b)
{
    const char *s = buf_str(b);
    _buf_ struct buf good = BUF_INIT;
    size_t left = b->len;

    for (;;) {
        size_t n = utf8_valid_prefix(s, left);
        if (n == b->len)
            return json_stringn_nocheck(s, n);
        buf_add(&good, s, n);
        if (n == left)
            break;
        buf_adds(&good, "\xef\xbf\xbd");
        s += n + 1;
        left -= n + 1;
    }
    return buf_ok(&good) ? json_stringn_nocheck(good.ptr, good.len) : NULL;
}

static void answer(struct http_request *r, const struct fvm *vm, uint64_t number, int64_t started,
                   const struct machine_result *result, const struct printed *p)
{
    _buf_ struct buf begin = BUF_INIT, end = BUF_INIT, id = BUF_INIT;
    const char *why = result->start_error ? result->start_error
                      : result->limit[0]  ? result->limit
                      : result->timed_out ? "it took longer than `timeout_seconds`"
                      : result->cancelled ? "it was killed"
                      : p->cut            ? "its output was cut: 16 MiB of each stream are kept"
                                          : NULL;

    buf_add_time(&begin, started);
    buf_add_time(&end, now_ns());
    buf_addf(&id, "exec-%llu", (unsigned long long)number);
    http_reply_json(r, 200,
                    json_pack("{s:s, s:s, s:i, s:o, s:o, s:I, s:s, s:s, s:o}", "execution_id", buf_str(&id),
                              "vm_id", vm->id, "exit_code", result->exit_code, "stdout",
                              text_of(&p->streams[0]), "stderr", text_of(&p->streams[1]), "duration_ms",
                              (json_int_t)(result->duration_ns / 1000000), "started_at", buf_str(&begin),
                              "completed_at", buf_str(&end), "error", why ? json_string(why) : json_null()));
}

static int run(struct fvm *vm, const struct wanted *w, struct printed *p, struct machine_result *ret,
               struct err *err)
{
    const struct machine_paths *paths = machine_paths(vm->machine);
    _buf_ struct buf script = BUF_INIT, home = BUF_INIT;

    buf_addf(&script, "%s/fcctl-script", paths->temp);
    buf_addf(&home, "HOME=%s", paths->home);
    if (!buf_ok(&script) || !buf_ok(&home))
        return err_errno(err, -ENOMEM, "script");
    const char *const argv[] = {w->interpreter, script.ptr, NULL};
    const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", home.ptr,
                               "LANG=C.UTF-8", "TERM=dumb", NULL};
    struct machine_file put = {.path = script.ptr, .mode = 0700, .data = w->code, .len = w->code_len};
    struct machine_exec x = {.argv = argv,
                             .env = env,
                             .cwd = *w->dir ? w->dir : paths->workspace,
                             .put = &put,
                             .n_put = 1,
                             .output = on_output,
                             .data = p,
                             .deadline_mono_ns = mono_ns() + w->seconds * 1000000000LL};
    return machine_exec(vm->machine, &x, ret, err);
}

static void set_asker(struct fcctl *f, struct fvm *vm, struct http_request *asker)
{
    pthread_mutex_lock(&f->lock);
    vm->asker = asker;
    pthread_mutex_unlock(&f->lock);
}

void fcctl_execute(struct http_request *r)
{
    struct fcctl *f = http_data(r);
    _json_ json_t *body = fcctl_body(r);
    struct machine_result result = {0};
    struct printed printed = {0};
    struct wanted wanted = {0};
    struct err err = {0};
    int64_t started = now_ns();

    if (!body || !read_request(r, body, &wanted))
        return;
    struct fvm *vm = fcctl_take(r, wanted.vm_id);
    if (!vm)
        return;
    pthread_mutex_lock(&f->lock);
    uint64_t number = ++f->executions;
    pthread_mutex_unlock(&f->lock);
    set_asker(f, vm, r);
    int code = run(vm, &wanted, &printed, &result, &err);
    set_asker(f, vm, NULL);
    if (code == 0)
        answer(r, vm, number, started, &result, &printed);
    else
        fcctl_refuse(r, 500, "%s", err.msg);
    machine_result_release(&result);
    buf_release(&printed.streams[0]);
    buf_release(&printed.streams[1]);
    fcctl_give_back(f, vm);
}

/* A command whose caller has gone, or that has to end because the server does, is killed: again and again, as
 * it may only be about to begin. */
void *fcctl_watch(void *data)
{
    struct fcctl *f = data;
    bool more = true;

    pthread_mutex_lock(&f->lock);
    while (more) {
        more = !f->ending;
        for (struct fvm *vm = f->first; vm; vm = vm->next) {
            if (vm->asker && (f->ending || http_gone(vm->asker)))
                machine_kill(vm->machine);
            more |= vm->busy;
        }
        if (more)
            fcctl_wait_a_little(f);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}
