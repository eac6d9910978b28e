/* Alerts on their way: to an address, to a command, into a file. */
#include <fcntl.h>
#include <sys/stat.h>

#include "report_internal.h"
#include "runfs/alert.h"
#include "runfs/http_client.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum {
    TIMEOUT_MS = 10000,
    COMMAND_MS = 60000,
    ANSWER_MAX = 1024 * 1024,
    TAIL = 256 * 1024,
    RETRY_AFTER_MAX = 21600
};

static bool unwanted(void *data)
{
    const struct reporter *p = data;

    return atomic_load(&p->ending);
}

/* -------------------------------------------------------------------------------------------- to an address
 */

static enum verdict judge(struct telling *t, const struct http_answer *a)
{
    _buf_ struct buf after = BUF_INIT;
    int status = a->status;
    uint64_t s;

    if (status >= 200 && status < 300)
        return TOLD;
    buf_addf(&t->problem, "it answered %d: ", status);
    text_clean(t, buf_str(&a->body), 200, &t->problem);
    if ((status == 429 || status == 503) && http_answer_header(a, "Retry-After", &after) == 0 &&
        parse_u64(buf_str(&after), &s) == 0) {
        t->until = now_ns() + (int64_t)(s < RETRY_AFTER_MAX ? s : RETRY_AFTER_MAX) * 1000000000;
        return LIMITED;
    }
    return status >= 500 || status == 408 || status == 409 || status == 425 || status == 429 ? LATER : PARKED;
}

static enum verdict to_url(struct telling *t, const char *url, const char *text)
{
    _http_answer_ struct http_answer answer = {0};
    _buf_ struct buf id = BUF_INIT;
    struct err err = {0};

    buf_addf(&id, "X-Runfs-Delivery: %s", t->word->mark);
    int r = http_call(
        &(struct http_call){.method = "POST",
                            .url = url,
                            .headers = (const char *const[]){"Content-Type: application/json",
                                                             "User-Agent: runfs", buf_str(&id), NULL},
                            .body = text,
                            .len = strlen(text),
                            .max = ANSWER_MAX,
                            .timeout_ms = TIMEOUT_MS,
                            .unwanted = unwanted,
                            .data = t->lane->reporter},
        &answer, &err);
    if (r == 0)
        return judge(t, &answer);
    text_clean(t, err.msg, 500, &t->problem);
    return r == -EINVAL ? PARKED : LATER;
}

static enum verdict to_secret(struct telling *t, const char *name, const char *text)
{
    _buf_ struct buf url = BUF_INIT;

    if (store_setting(t->lane->reporter->store, SETTING_SECRET, name, &url) < 0 ||
        (!str_starts(buf_str(&url), "https://") && !str_starts(buf_str(&url), "http://"))) {
        buf_addf(&t->problem, "secrets/%s holds no address", name);
        return PARKED;
    }
    return to_url(t, buf_str(&url), text);
}

/* -------------------------------------------------------------------------------------------- to a command
 */

static void add_variable(struct buf *b, const char *name, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_integer(value))
        buf_addf(b, "%s=%lld", name, (long long)json_integer_value(value));
    else
        buf_addf(b, "%s=%s", name, json_string_value(value) ? json_string_value(value) : "");
}

/* What stands in the variables was written by others: whoever quotes them is safe. */
static enum verdict to_command(struct telling *t, const char *command, const char *text)
{
    static const char *const names[][2] = {{"RUNFS_RUN", "run"},
                                           {"RUNFS_WORKFLOW", "workflow"},
                                           {"RUNFS_NAME", "name"},
                                           {"RUNFS_CONCLUSION", "conclusion"},
                                           {"RUNFS_REPOSITORY", "repository"},
                                           {"RUNFS_REF", "ref"},
                                           {"RUNFS_URL", "url"},
                                           {"RUNFS_TEXT", "content"},
                                           {"RUNFS_ALERT_NAME", "alert"}};
    _json_ json_t *object = json_loads(text, 0, NULL);
    struct buf variables[ARRAY_LEN(names) + 2] = {0};
    const char *set[ARRAY_LEN(variables) + 1] = {0};
    _proc_result_ struct proc_result result = {0};
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        add_variable(&variables[i], names[i][0], object, names[i][1]);
    buf_addf(&variables[ARRAY_LEN(names)], "RUNFS_ALERT=%s", text);
    buf_addf(&variables[ARRAY_LEN(names) + 1], "RUNFS_DELIVERY=%s", t->word->mark);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        set[i] = buf_str(&variables[i]);
    proc_until(unwanted, t->lane->reporter);
    int r = proc_run_set((const char *const[]){"/bin/sh", "-c", command, NULL}, set, "/", 8192, COMMAND_MS,
                         &result, &err);
    proc_until(NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        buf_release(&variables[i]);
    if (r == 0 && result.exit_code == 0)
        return TOLD;
    if (r == 0)
        buf_addf(&t->problem, "the command ended with %d: ", result.exit_code);
    text_clean(t, r < 0 ? err.msg : buf_str(&result.err), 500, &t->problem);
    return LATER;
}

/* ------------------------------------------------------------------------------------------- into a file */

/* Whether it stands there already: the daemon may have ended between the writing and the knowing. */
static bool has_mark(int fd, int64_t size, const char *mark)
{
    int64_t from = size > TAIL ? size - TAIL : 0;
    _free_ char *tail = malloc(TAIL + 1);
    ssize_t n = tail ? pread(fd, tail, TAIL, from) : -1;

    return n > 0 && memmem(tail, (size_t)n, mark, strlen(mark));
}

static enum verdict append(struct telling *t, int fd, const char *text)
{
    _buf_ struct buf line = BUF_INIT;
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        buf_adds(&t->problem, "it is no regular file");
        return PARKED;
    }
    if (t->word->doubt && has_mark(fd, st.st_size, t->word->mark))
        return TOLD;
    /* the object, with what it is known again by */
    buf_addf(&line, "{\"id\":\"%s\",%s\n", t->word->mark, text + 1);
    int r = buf_ok(&line) ? write_all(fd, buf_str(&line), line.len) : -ENOMEM;
    if (r == 0)
        return TOLD;
    if (ftruncate(fd, st.st_size) < 0) /* half a line helps nobody */
        buf_adds(&t->problem, "half a line may stand in it: ");
    buf_adds(&t->problem, strerrordesc_np(-r));
    return LATER;
}

static enum verdict to_file(struct telling *t, const char *path, const char *text)
{
    _close_ int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600);

    if (fd < 0) {
        buf_addf(&t->problem, "%s", strerrordesc_np(errno));
        return LATER;
    }
    return append(t, fd, text);
}

/* ----------------------------------------------------------------------------------------------- the whole
 */

static enum verdict alert_say(struct telling *t)
{
    static enum verdict (*const ways[])(struct telling *, const char *,
                                        const char *) = {[ALERT_URL] = to_url,
                                                         [ALERT_SECRET] = to_secret,
                                                         [ALERT_COMMAND] = to_command,
                                                         [ALERT_FILE] = to_file};
    _buf_ struct buf key = BUF_INIT, value = BUF_INIT;
    _alert_ struct alert a = {0};

    buf_addf(&key, "alerts/%s", t->word->target);
    if (store_setting(t->lane->reporter->store, SETTING_CONFIG, buf_str(&key), &value) < 0 ||
        alert_parse(buf_str(&value), &a, NULL) < 0)
        return TOLD; /* nobody asks for it any more */
    return ways[a.way](t, a.target, t->word->text);
}

/* errors/alerts-NAME says what is in the way, for as long as anything is. */
static void alert_settled(struct telling *t, const char *problem)
{
    struct store *st = t->lane->reporter->store;
    _buf_ struct buf key = BUF_INIT, text = BUF_INIT;

    buf_addf(&key, "alerts-%s", t->word->target);
    if (*problem)
        buf_addf(&text, "config/alerts/%s: run %lld: %s\n", t->word->target, (long long)t->run->id, problem);
    if (buf_ok(&key) && buf_ok(&text) && (*problem || store_find_error(st, buf_str(&key)) > 0))
        (void)store_put_error(st, buf_str(&key), *problem ? buf_str(&text) : NULL, NULL);
}

const struct word_kind word_alert = {.name = "alert", .say = alert_say, .settled = alert_settled};
