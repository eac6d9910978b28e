/* A program of a step: started with the files through which it speaks to the runner, which are read when it
 * ends. */
#include <poll.h>
#include <signal.h>

#include "background.h"
#include "envfile.h"
#include "job_internal.h"
#include "runfs/io.h"
#include "runfs/oci.h"
#include "runfs/str.h"
#include "subjects.h"
#include "sudo.h"

enum {
    ENV_FILE_MAX = 4 * 1024 * 1024,
    OUTPUT_FILE_MAX = 1024 * 1024, /* GitHub: outputs of a job at most 1 MB */
    OUTPUTS_MAX = 20000,           /* each is a row, and a file */
    MATCHERS_MAX = 1024 * 1024,
    ARTIFACTS_MAX = 1024 * 1024,
    SUMMARY_MAX = 1024 * 1024, /* GitHub documentation, "Adding a job summary": 1 MiB a step */
};

/* The files of a process, in the order in which they are put and got. */
enum { FILE_ENV, FILE_OUTPUT, FILE_PATH, FILE_STATE, FILE_SUMMARY, FILE_ARTIFACTS, FILES, PUTS = FILES + 4 };

struct process_files {
    struct buf dir, paths[PUTS];
    char *event, *subjects; /* owned by malloc (jansson) */
    struct machine_file put[PUTS], get[FILES];
    size_t n_put;
};

static void files_release(struct process_files *f)
{
    buf_release(&f->dir);
    for (size_t i = 0; i < PUTS; i++)
        buf_release(&f->paths[i]);
    for (size_t i = 0; i < FILES; i++)
        buf_release(&f->get[i].got);
    free(f->event);
    free(f->subjects);
}

/* github.event, as the file that GITHUB_EVENT_PATH names; once a job. */
static void put_event(struct running_job *j, struct process_files *f)
{
    struct buf *path = &f->paths[f->n_put];
    json_t *event = json_object_get(json_object_get(j->scope.contexts, "github"), "event");

    f->event = json_dumps(event, JSON_INDENT(2) | JSON_ENCODE_ANY);
    job_event_path(j, path);
    f->put[f->n_put++] = (struct machine_file){.path = buf_str(path),
                                               .mode = 0644,
                                               .data = f->event ? f->event : "{}",
                                               .len = f->event ? strlen(f->event) : 2};
}

/* Beside the event, and as often: where steps are not root's they have the machine's own, or none. */
static void put_sudo(struct running_job *j, struct process_files *f)
{
    struct buf *path = &f->paths[f->n_put];

    if (!job_is_roots(j))
        return;
    buf_addf(path, "%s/bin/sudo", machine_paths(j->machine)->files);
    f->put[f->n_put++] = (struct machine_file){
        .path = buf_str(path), .mode = 0755, .data = sudo_script, .len = strlen(sudo_script)};
}

/* What GITHUB_ARTIFACTS_LIST names: for reading; what becomes of it is not looked at. */
static void put_subjects(struct running_job *j, struct process_files *f)
{
    struct buf *path = &f->paths[f->n_put];

    f->subjects = subjects_list(j);
    buf_addf(path, "%s/artifacts_list", buf_str(&f->dir));
    f->put[f->n_put++] = (struct machine_file){.path = buf_str(path),
                                               .mode = 0644,
                                               .data = f->subjects ? f->subjects : "",
                                               .len = f->subjects ? strlen(f->subjects) : 0};
}

static int files_prepare(struct running_job *j, const struct process *p, struct process_files *f)
{
    static const struct {
        const char *name;
        size_t max;
    } names[FILES] = {
        [FILE_ENV] = {"set_env", ENV_FILE_MAX},         [FILE_OUTPUT] = {"set_output", OUTPUT_FILE_MAX},
        [FILE_PATH] = {"add_path", ENV_FILE_MAX},       [FILE_STATE] = {"save_state", ENV_FILE_MAX},
        [FILE_SUMMARY] = {"step_summary", SUMMARY_MAX}, [FILE_ARTIFACTS] = {"artifacts", ARTIFACTS_MAX}};

    buf_addf(&f->dir, "%s/%u", machine_paths(j->machine)->files, ++j->whole->processes);
    for (size_t i = 0; i < FILES; i++) {
        buf_addf(&f->paths[i], "%s/%s", buf_str(&f->dir), names[i].name);
        f->put[i] = (struct machine_file){.path = buf_str(&f->paths[i]), .mode = 0666, .data = ""};
        f->get[i] = (struct machine_file){.path = buf_str(&f->paths[i]), .max = names[i].max};
    }
    f->n_put = FILES;
    put_subjects(j, f);
    if (p->file)
        f->put[f->n_put++] = *p->file;
    if (!j->whole->event_written) {
        put_event(j, f);
        put_sudo(j, f);
    }
    for (size_t i = 0; i < PUTS; i++)
        if (!buf_ok(&f->paths[i]))
            return -ENOMEM;
    return buf_ok(&f->dir) ? 0 : -ENOMEM;
}

/* --------------------------------------------------------------------------------------- after the process
 */

static const char *file_text(const struct machine_file *f)
{
    return buf_str(&f->got);
}

/* GITHUB_ENV may not change what would change every JavaScript action. */
static int take_env(struct running_step *s, const struct machine_file *f, struct err *err)
{
    _json_ json_t *pairs = json_object();
    _buf_ struct buf complaints = BUF_INIT;
    int r = envfile_parse(file_text(f), f->got.len, pairs, err);

    envfile_check_env(pairs, &complaints);
    for (const char *line = buf_str(&complaints); *line; line += strcspn(line, "\n") + 1) {
        _free_ char *msg = strndup(line, strcspn(line, "\n"));
        if (msg)
            output_error(&s->output, msg);
    }
    if (json_object_update(s->job->set_env, pairs) < 0 && r == 0)
        r = err_errno(err, -ENOMEM, "env");
    return r;
}

static void take_summary(struct running_step *s, const struct machine_file *f)
{
    if (f->error == -EFBIG) {
        output_error(&s->output,
                     "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k");
        return;
    }
    size_t good = utf8_valid_prefix(file_text(f), f->got.len);
    mask_apply(s->job->mask, file_text(f), good, &s->summary);
}

static int take_outputs(struct running_step *s, const struct machine_file *f, struct err *err)
{
    int r = envfile_parse(file_text(f), f->got.len, s->outputs, err);

    if (r < 0 || json_object_size(s->outputs) <= OUTPUTS_MAX)
        return r;
    json_object_clear(s->outputs);
    return err_set(err, -E2BIG, "a step has at most %d outputs", OUTPUTS_MAX);
}

static int take_file(struct running_step *s, size_t i, const struct machine_file *f, json_t *state,
                     struct err *err)
{
    switch (i) {
    case FILE_ENV:
        return take_env(s, f, err);
    case FILE_OUTPUT:
        return take_outputs(s, f, err);
    case FILE_PATH:
        return pathfile_parse(file_text(f), f->got.len, s->job->set_path, err);
    case FILE_STATE:
        return state ? envfile_parse(file_text(f), f->got.len, state, err) : 0;
    case FILE_ARTIFACTS:
        return subjects_take(s, file_text(f), f->got.len, err);
    default:
        take_summary(s, f);
        return 0;
    }
}

static void take_files(struct running_step *s, const struct process_files *f, json_t *state)
{
    static const char *const what[FILES] = {"env", "output", "path", "state", "step_summary", "artifacts"};
    static const char *const variables[FILES] = {"ENV",   "OUTPUT",       "PATH",
                                                 "STATE", "STEP_SUMMARY", "ARTIFACTS"};

    for (size_t i = 0; i < FILES; i++) {
        const struct machine_file *file = &f->get[i];
        struct err err = {0};
        int r = file->error == -EFBIG && i != FILE_SUMMARY
                    ? err_set(&err, -EFBIG, "$GITHUB_%s file exceeds the maximum size of %zu KiB.",
                              variables[i], file->max / 1024)
                    : take_file(s, i, file, state, &err);
        if (r < 0) {
            _buf_ struct buf msg = BUF_INIT;
            buf_addf(&msg, "Unable to process file command '%s' successfully.", what[i]);
            output_error(&s->output, buf_str(&msg));
            step_fail(s, err.msg);
        }
    }
}

static int read_matchers(struct running_step *s, const char *file, struct buf *ret, struct err *err)
{
    struct running_job *j = s->job;
    _buf_ struct buf path = BUF_INIT;
    size_t which;

    buf_addf(&path, "%s%s%s", *file == '/' ? "" : machine_paths(j->machine)->workspace,
             *file == '/' ? "" : "/", file);
    const char *const paths[] = {buf_str(&path)};
    int r = machine_read_first(j, paths, 1, MATCHERS_MAX, ret, &which, err);
    return r == -ENOENT ? err_set(err, r, "there is no file %s", buf_str(&path)) : r;
}

static int change_matchers(struct running_step *s, json_t *change, struct err *err)
{
    const char *add = json_string_value(json_object_get(change, "add")),
               *owner = json_string_value(json_object_get(change, "owner"));
    const char *file = add ? add : json_string_value(json_object_get(change, "remove"));
    struct matchers **ms = &s->job->whole->matchers;
    _buf_ struct buf text = BUF_INIT;

    if (!*ms)
        *ms = matchers_new();
    if (!*ms)
        return err_errno(err, -ENOMEM, "matchers");
    if (owner) {
        matchers_remove(*ms, owner);
        return 0;
    }
    int r = read_matchers(s, file ? file : "", &text, err);
    if (r == 0)
        r = add ? matchers_add(*ms, buf_str(&text), text.len, err)
                : matchers_remove_all(*ms, buf_str(&text), text.len, err);
    return r;
}

/* Problem matchers that the process asked for, each from its line on. */
static void load_matchers(struct running_step *s)
{
    _json_ json_t *changes = TAKE(s->output.matcher_changes);
    json_t *change;
    size_t i;

    json_array_foreach(changes, i, change)
    {
        struct err err = {0};
        output_rematch(&s->output, (size_t)json_integer_value(json_object_get(change, "at")));
        if (change_matchers(s, change, &err) < 0)
            output_command_error(&s->output, json_string_value(json_object_get(change, "line")), err.msg);
    }
    output_rematch(&s->output, SIZE_MAX);
    buf_reset(&s->output.unmatched);
    s->output.rematched = 0;
}

/* What a shell in the machine needs to be like this step. Takes env. */
static void keep_shell(struct running_step *s, char **env, const char *cwd)
{
    struct job_shells *shells = &s->job->whole->shells;
    size_t i = s->output.step, n = s->job->spec->job->n_steps;

    if (!shells->steps && n) {
        shells->steps = calloc(n, sizeof(*shells->steps));
        shells->n = shells->steps ? n : 0;
    }
    if (i >= shells->n || s->stage != STAGE_MAIN) {
        strv_free(env);
        return;
    }
    strv_free(shells->steps[i].env);
    free(shells->steps[i].cwd);
    shells->steps[i] = (struct step_shell){.env = env, .cwd = strdup(cwd)};
}

/* ------------------------------------------------------------------------------------------ in the machine
 */

struct in_turn {
    struct running_job *job;
    machine_output_fn *output;
    void *data;
};

static int output_in_turn(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct in_turn *t = data;

    job_enter(t->job);
    int r = t->output(t->data, stream, bytes, len);
    job_leave(t->job);
    return r;
}

/* machine_exec() of the job's machine, while its other steps may go on; output() is called in a turn of the
 * job's. */
static int job_exec(struct running_job *j, struct machine_exec *x, struct machine_result *ret,
                    struct err *err)
{
    struct in_turn t = {j, x->output, x->data};

    if (j->background && x->output) {
        x->output = output_in_turn;
        x->data = &t;
    }
    job_leave(j);
    int r = machine_exec(j->machine, x, ret, err);
    job_enter(j);
    x->output = t.output;
    x->data = t.data;
    return r;
}

int job_put_tree(struct running_job *j, const char *dir, int tar_fd, struct err *err)
{
    job_leave(j);
    int r = machine_put_tree(j->machine, dir, tar_fd, err);
    job_enter(j);
    return r;
}

/* -------------------------------------------------------------------------------------------- the process */

int process_run(struct running_step *s, const struct process *p, struct machine_result *ret, struct err *err)
{
    struct running_job *j = s->job;
    struct process_files files = {0};
    int r = files_prepare(j, p, &files);
    char **env = r == 0 ? job_environment(s, p->env, buf_str(&files.dir)) : NULL;

    if (!env) {
        files_release(&files);
        return err_errno(err, -ENOMEM, "cannot start");
    }
    struct machine_exec x = {.argv = (const char *const *)p->argv,
                             .env = (const char *const *)env,
                             .cwd = p->cwd ? p->cwd : machine_paths(j->machine)->workspace,
                             .put = files.put,
                             .n_put = files.n_put,
                             .get = files.get,
                             .n_get = FILES,
                             .output = output_chunk,
                             .data = &s->output,
                             .deadline_mono_ns = step_deadline(s),
                             /* what runs after a cancel that was noticed runs because it is wanted */
                             .cancelled = j->ending ? NULL : j->spec->cancelled};
    r = job_exec(j, &x, ret, err);
    keep_shell(s, env, x.cwd);
    output_finish(&s->output);
    if (r == 0) {
        j->whole->event_written = true;
        take_files(s, &files, p->state);
        load_matchers(s);
    }
    files_release(&files);
    return r;
}

/* "1h30m0s", as GitHub gives it. */
static void add_duration(double minutes, struct buf *ret)
{
    int64_t whole = (int64_t)minutes;

    if (whole >= 60)
        buf_addf(ret, "%lldh", (long long)(whole / 60));
    if (whole > 0)
        buf_addf(ret, "%lldm", (long long)(whole % 60));
    buf_addf(ret, "%gs", (minutes - (double)whole) * 60);
}

void step_timed_out(struct running_step *s)
{
    struct running_job *j = s->job;
    _buf_ struct buf msg = BUF_INIT, minutes = BUF_INIT;
    int64_t now = mono_ns();
    bool own = s->deadline && now >= s->deadline, around = s->scope->deadline && now >= s->scope->deadline;
    bool whole_job = !own && !around;

    if (around && !own) { /* the step around it says why */
        s->outcome = JOB_FAILURE;
        return;
    }

    if (whole_job) {
        struct expr_env env = {.contexts = j->scope.contexts};
        double limit = 360;
        (void)token_eval_number(j->spec->job->timeout_minutes, j->scope.file, &env, 360, &limit, NULL);
        buf_adds(&msg, "The job has exceeded the maximum execution time of ");
        add_duration(limit, &msg);
    } else {
        number_to_string(s->timeout_minutes, &minutes);
        buf_addf(&msg, "The action '%s' has timed out after %s minutes.", s->name, buf_str(&minutes));
    }
    step_fail(s, buf_str(&msg));
    if (!whole_job)
        return;
    j->timed_out = true;
    s->outcome = JOB_CANCELLED;
}

/* A batch system ends a job by a signal to each of its processes, in any order: the step's may be gone before
 * this one has heard of it. */
static bool ended_with_job(const struct running_job *j, const struct machine_result *result)
{
    int signal = result->exit_code - 128;
    int64_t until = mono_ns() + j->spec->settle_ms * 1000000LL;

    if (j->ending || !j->spec->settle_ms || (signal != SIGTERM && signal != SIGINT && signal != SIGHUP))
        return false;
    while (!atomic_load(j->spec->cancelled) && mono_ns() < until)
        (void)poll(NULL, 0, 5);
    return atomic_load(j->spec->cancelled);
}

void process_judge(struct running_step *s, const struct machine_result *result, bool say)
{
    _buf_ struct buf msg = BUF_INIT;

    s->exit_code = result->exit_code;
    if (result->limit[0]) {
        buf_addf(&msg, "The step %s.", result->limit);
        step_fail(s, buf_str(&msg));
    } else if (result->timed_out) {
        step_timed_out(s);
    } else if (result->cancelled || ended_with_job(s->job, result)) {
        s->outcome = JOB_CANCELLED;
        if (background_was_cancelled(s->job)) /* which is no mistake */
            output_runner_line(&s->output, "A later step cancelled this one.");
        else
            output_error(&s->output, "The operation was canceled.");
    } else if (result->start_error) {
        buf_addf(&msg, "%s%s", result->start_error,
                 result->exit_code == 127
                     ? ". Install it in a step before, or where the machine boots from, or "
                       "map the label to an image that has it (config/labels)"
                     : "");
        step_fail(s, buf_str(&msg));
    } else if (result->exit_code != 0) {
        buf_addf(&msg, "Process completed with exit code %d.", result->exit_code);
        if (say)
            step_fail(s, buf_str(&msg));
        s->outcome = JOB_FAILURE;
    }
}

/* ------------------------------------------------------------------------------- programs of the runner's
 * own */

struct kept {
    struct buf *streams[3];
    int out_fd;
    int64_t out_max, written; /* of out_fd */
    struct room *room;        /* borrowed; NULL: none */
    struct err *err;          /* borrowed: why there was no room */
    size_t max;
};

static int keep_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    struct kept *k = data;
    struct buf *b = k->streams[stream];

    if (stream == MACHINE_STDOUT && k->out_fd > 0) {
        k->written += (int64_t)len;
        if (k->out_max && k->written > k->out_max)
            return -EFBIG;
        return k->room && room_hold(k->room, k->written, k->err) < 0 ? -EDQUOT
                                                                     : write_all(k->out_fd, bytes, len);
    }
    if (b && b->len + len > k->max)
        return -EFBIG;
    if (b)
        buf_add(b, bytes, len);
    return b && !buf_ok(b) ? -ENOMEM : 0;
}

static int run_quietly(struct running_job *j, struct machine_exec *x, struct err *err)
{
    static const char *const env[] = {"PATH=" OCI_TOOLS
                                      ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", NULL};
    struct machine_result result = {0};

    if (!x->env)
        x->env = env;
    x->deadline_mono_ns = j->until;
    int r = job_exec(j, x, &result, err);
    if (r == 0 && result.start_error)
        r = err_set(err, result.exit_code == 127 ? -ENOENT : -EIO, "%s", result.start_error);
    else if (r == 0 && (result.cancelled || result.timed_out))
        r = err_set(err, -ECANCELED, "The operation was canceled.");
    else if (r == 0)
        r = result.exit_code;
    machine_result_release(&result);
    return r;
}

int tool_run(struct running_job *j, const struct tool *t, struct err *err)
{
    struct err full = {0};
    struct kept kept = {.streams = {NULL, t->out, t->errors},
                        .out_fd = t->out_fd,
                        .out_max = t->out_max,
                        .room = t->room,
                        .err = &full,
                        .max = t->max ? t->max : 64u << 20};
    struct machine_exec x = {.argv = (const char *const *)t->argv,
                             .env = (const char *const *)t->env,
                             .cwd = t->cwd ? t->cwd : machine_paths(j->machine)->workspace,
                             .put = t->file,
                             .n_put = t->file != NULL,
                             .output = keep_output,
                             .data = &kept};

    int r = run_quietly(j, &x, err);
    return r == -EDQUOT ? err_set(err, r, "%s", full.msg) : r;
}

void job_put_event(struct running_job *j)
{
    static const char *const nothing[] = {"true", NULL};
    struct process_files files = {0};

    if (j->event_written)
        return;
    put_event(j, &files);
    put_sudo(j, &files);
    struct machine_exec x = {.argv = nothing, .cwd = "/", .put = files.put, .n_put = files.n_put};
    j->event_written = run_quietly(j, &x, NULL) == 0;
    files_release(&files);
}

int machine_read_first(struct running_job *j, const char *const *paths, size_t n, size_t max, struct buf *ret,
                       size_t *ret_which, struct err *err)
{
    static const char *const nothing[] = {"true", NULL};
    struct kept kept = {.max = 0};
    struct machine_file get[4] = {0};
    int r = 0;

    if (n > ARRAY_LEN(get))
        return -E2BIG;
    for (size_t i = 0; i < n; i++)
        get[i] = (struct machine_file){.path = paths[i], .max = max};
    struct machine_exec x = {
        .argv = nothing, .cwd = "/", .get = get, .n_get = n, .output = keep_output, .data = &kept};
    r = run_quietly(j, &x, err);
    size_t i = 0;
    while (r == 0 && i < n && (get[i].error == -ENOENT || get[i].error == -ENOTDIR))
        i++;
    if (r == 0 && i == n) {
        r = -ENOENT;
    } else if (r == 0 && get[i].error) {
        r = err_errno(err, get[i].error, "%s", paths[i]);
    } else if (r == 0) {
        buf_add(ret, buf_str(&get[i].got), get[i].got.len);
        *ret_which = i;
    }
    for (i = 0; i < n; i++)
        buf_release(&get[i].got);
    return r;
}
