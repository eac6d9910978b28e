/* One service: a machine of its image, its command, which runs on a thread until the machine is ended, and
 * what it says of its health. */
#include "runfs/io.h"
#include "runfs/str.h"
#include "service_internal.h"

#define SECOND 1000000000LL

/* ---------------------------------------------------------------------------------------------- its command
 */

static char **list_of(const json_t *first, const json_t *second)
{
    size_t n = json_array_size(first), all = n + json_array_size(second);
    char **list = calloc(all + 1, sizeof(*list));

    for (size_t i = 0; list && i < all; i++) {
        const char *word =
            json_string_value(i < n ? json_array_get(first, i) : json_array_get(second, i - n));
        list[i] = strdup(word ? word : "");
        if (!list[i]) {
            strv_free(list);
            return NULL;
        }
    }
    return list;
}

static void set_missing(json_t *env, const char *name, const char *value)
{
    if (!json_object_get(env, name))
        json_object_set_new(env, name, json_string(value));
}

/* As Docker and GitHub's runner put it together. */
static char **environment_of(const struct container *c)
{
    _json_ json_t *env = json_copy(c->env), *lines = json_array();
    bool root = !c->user || str_eq(c->user, "root") || str_eq(c->user, "0") || str_starts(c->user, "root:") ||
                str_starts(c->user, "0:");
    const char *key;
    json_t *value;

    if (!env || !lines)
        return NULL;
    set_missing(env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    set_missing(env, "HOME", root ? "/root" : "/");
    set_missing(env, "CI", "true");
    set_missing(env, "GITHUB_ACTIONS", "true");
    json_object_foreach(env, key, value)
    {
        _buf_ struct buf line = BUF_INIT;
        buf_addf(&line, "%s=%s", key, json_string_value(value));
        json_array_append_new(lines, json_string(buf_str(&line)));
    }
    return list_of(lines, NULL);
}

/* The last SERVICE_LOG_MAX of it, from the start of a line on. */
static int keep_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct service *s = data;

    (void)stream;
    pthread_mutex_lock(&s->lock);
    if (s->log.len + len > SERVICE_LOG_MAX) {
        size_t half = s->log.len > SERVICE_LOG_MAX / 2 ? s->log.len - SERVICE_LOG_MAX / 2 : 0;
        const char *line = half ? memchr(s->log.ptr + half, '\n', s->log.len - half) : NULL;
        buf_drop(&s->log, line ? (size_t)(line + 1 - s->log.ptr) : s->log.len);
        s->cut = true;
    }
    buf_add(&s->log, bytes, len);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static void *serve(void *data)
{
    struct service *s = data;
    const char *cwd = s->container->directory;
    struct machine_exec x = {.argv = (const char *const *)s->argv,
                             .env = (const char *const *)s->env,
                             .cwd = cwd ? cwd : "/",
                             .output = keep_output,
                             .data = s};
    struct machine_result result = {0};
    struct err err = {0};
    int r = machine_exec(s->machine, &x, &result, &err);

    pthread_mutex_lock(&s->lock);
    s->ended = true;
    s->exit_code = r < 0 ? -1 : result.exit_code;
    const char *why = r < 0 ? err.msg : result.start_error ? result.start_error : result.limit;
    s->why = *why ? strdup(why) : NULL;
    pthread_mutex_unlock(&s->lock);
    machine_result_release(&result);
    return NULL;
}

static bool has_ended(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    bool ended = s->ended;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

bool service_ended(struct service *s, int *ret_exit_code, char **ret_why)
{
    pthread_mutex_lock(&s->lock);
    bool ended = s->ended;
    *ret_exit_code = s->exit_code;
    *ret_why = ended && s->why ? strdup(s->why) : NULL;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

/* ---------------------------------------------------------------------------------------------- its machine
 */

/* A host's name has no capitals and no more than letters, digits and '-'. */
static void host_name(const struct service *s, char ret[64])
{
    snprintf(ret, 64, "%s", s->container->hostname ? s->container->hostname : s->name);
    for (char *c = ret; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z'                                ? *c + 32
                    : strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *c) ? *c
                                                                          : '-');
}

static int make_machine(struct services *all, struct service *s, struct err *err)
{
    const struct container *c = s->container;
    const struct services_opts *o = &all->opts;
    _buf_ struct buf title = BUF_INIT;
    char name[64];

    host_name(s, name);
    buf_addf(&title, "%s-%s", o->title, s->name);
    struct machine_spec spec = {.backend = "sandbox",
                                .image = c->image,
                                .user = c->user,
                                .name = name,
                                .workspace = "/github/workspace",
                                .title = buf_str(&title),
                                .network = all->kind,
                                .limits = all->limits,
                                .run_id = o->run_id,
                                .job_id = o->job_id,
                                .net = all->net,
                                .net_name = s->name,
                                .cancelled = o->place.cancelled};
    container_limit(c, &spec.limits);
    int r = machine_acquire(o->machines, &spec, &s->machine, err);
    if (r == 0 && !str_eq(machine_backend(s->machine), "sandbox"))
        r = err_set(err, -ENOTSUP, "a service is a sandbox, which does not work here");
    if (r == 0)
        r = container_make_volumes(c, s->machine, err);
    if (r == 0 && c->directory)
        r = machine_make_dirs(s->machine, c->directory, err);
    return r == 0 ? machine_lanes_begin(s->machine, err) : r;
}

int service_start(struct services *all, struct service *s, struct err *err)
{
    const struct container *c = s->container;

    s->argv = list_of(c->entrypoint, c->command);
    s->env = environment_of(c);
    if (!s->argv || !s->env)
        return err_errno(err, -ENOMEM, "services.%s", s->name);
    if (!s->argv[0])
        return err_set(err, -EINVAL, "services.%s: the image says no command, and neither does the workflow",
                       s->name);
    int r = make_machine(all, s, err);
    if (r < 0)
        return r;
    s->started_ns = mono_ns();
    r = -pthread_create(&s->thread, NULL, serve, s);
    s->started = r == 0;
    return r < 0 ? err_errno(err, r, "services.%s", s->name) : 0;
}

void service_stop(struct service *s)
{
    atomic_store(&s->ending, true);
    if (s->started) {
        for (; !has_ended(s); usleep(5000)) /* one that only begins does not hear it */
            machine_kill(s->machine);
        pthread_join(s->thread, NULL);
        s->started = false;
    }
    if (s->machine) {
        machine_conclude(s->machine, true, "");
        machine_release(TAKE(s->machine));
    }
}

/* ----------------------------------------------------------------------------------------------- its health
 */

/* What one look at it takes, and what came of it. */
struct look {
    struct service *s;
    struct machine_lane *lane;
    char **argv;     /* owned */
    int64_t timeout; /* ns */
    struct buf said; /* by the last one */
};

static void look_release(struct look *l)
{
    machine_lane_close(l->lane);
    strv_free(l->argv);
    buf_release(&l->said);
}

static int keep_said(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    enum { SAID_MAX = 4096 };
    struct buf *said = data;

    (void)stream;
    buf_add(said, bytes, said->len + len > SAID_MAX ? SAID_MAX - said->len : len);
    return 0;
}

/* Docker's CMD-SHELL is by the image's /bin/sh. */
static int look_begin(struct look *l, const json_t *test, struct err *err)
{
    const char *kind = json_string_value(json_array_get(test, 0));
    _json_ json_t *shell = json_pack("[s, s]", "/bin/sh", "-c"), *rest = json_array();

    for (size_t i = 1; rest && i < json_array_size(test); i++)
        json_array_append(rest, json_array_get(test, i));
    l->argv = list_of(str_eq(kind ? kind : "", "CMD-SHELL") ? shell : NULL, rest);
    if (!l->argv || !l->argv[0])
        return err_set(err, l->argv ? -EINVAL : -ENOMEM, "%s has no command to look at its health",
                       l->s->name);
    return machine_lane_open(l->s->machine, &l->s->ending, &l->lane, err);
}

/* 0: it is healthy. */
static int look(struct look *l, const struct running_job *j, struct err *err)
{
    struct machine_exec x = {.argv = (const char *const *)l->argv,
                             .env = (const char *const *)l->s->env,
                             .cwd = l->s->container->directory ? l->s->container->directory : "/",
                             .output = keep_said,
                             .data = &l->said,
                             .deadline_mono_ns = mono_ns() + l->timeout,
                             .cancelled = j->spec->cancelled};
    struct machine_result result = {0};

    buf_reset(&l->said);
    machine_lane_use(l->lane);
    int r = machine_exec(l->s->machine, &x, &result, err);
    machine_lane_use(NULL);
    if (r == 0 && result.start_error)
        buf_adds(&l->said, result.start_error);
    if (r == 0 && result.timed_out)
        buf_addf(&l->said, "it took longer than %.3g s", (double)l->timeout / 1e9);
    r = r < 0 ? r : result.exit_code || result.timed_out || result.start_error ? 1 : 0;
    machine_result_release(&result);
    return r;
}

/* Until then, or the service has ended, or nobody waits for it any more. */
static void wait_until(struct service *s, struct running_job *j, int64_t when)
{
    enum { STEP_US = 20000 };

    for (int64_t left; (left = when - mono_ns()) > 0 && !job_unwanted(j) && !has_ended(s);)
        usleep((useconds_t)(left / 1000 < STEP_US ? left / 1000 + 1 : STEP_US));
}

static int unhealthy(struct service *s, const struct look *l, struct err *err)
{
    _free_ char *why = NULL;
    int code;

    if (service_ended(s, &code, &why))
        return err_set(err, -EIO, "%s service has ended%s%s, with exit code %d", s->name, why ? ": " : "",
                       why ? why : "", code);
    return err_set(err, -EIO, "%s service is unhealthy: its health check failed%s%.300s", s->name,
                   l->said.len ? ": " : "", buf_str(&l->said));
}

/*
 * Docker looks at it once an interval, and it is unhealthy after so many failures; those of its start period
 * do not count. Here it is looked at more often, and a failure counts as one once in an interval: so it is
 * found healthy sooner, and unhealthy at the same time.
 */
int service_await(struct service *s, struct running_job *j, struct step_output *log, struct err *err)
{
    const struct health *h = &s->container->health;
    int64_t interval = h->interval ? h->interval : 30 * SECOND, pause = SECOND / 20;
    int64_t counts = s->started_ns + h->start_period + interval;
    _cleanup_(look_release) struct look l = {.s = s, .timeout = h->timeout ? h->timeout : 30 * SECOND};
    unsigned left = h->retries ? h->retries : 3;
    int r = look_begin(&l, h->test, err);

    for (bool told = false; r == 0; told = true) {
        if (job_unwanted(j))
            return err_set(err, -ECANCELED, "The operation was canceled.");
        bool ended = has_ended(s);
        int healthy = ended ? 1 : look(&l, j, err);
        if (healthy == 0 && !has_ended(s))
            return 0;
        if (mono_ns() >= counts) {
            left--;
            counts = mono_ns() + interval;
        }
        if (job_unwanted(j))
            continue;
        if (ended || healthy < 0 || !left || has_ended(s))
            return unhealthy(s, &l, err);
        if (!told)
            output_runner_line(log, "%s service is starting, checking again until it is healthy.", s->name);
        wait_until(s, j, mono_ns() + pause);
        pause = pause * 3 / 2 < SECOND ? pause * 3 / 2 : SECOND;
        pause = pause < interval ? pause : interval;
    }
    return r;
}
