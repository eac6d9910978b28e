/* The files through which a program of a step and the runner speak: what is put there before it starts, and
 * what becomes of what it leaves in them. */
#include "envfile.h"
#include "process.h"
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

void process_files_release(struct process_files *f)
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

void process_files_add_shared(struct running_job *j, struct process_files *f)
{
    put_event(j, f);
    put_sudo(j, f);
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

void step_files(const struct running_step *s, struct buf *ret)
{
    buf_addf(ret, "%s/%u", machine_paths(s->job->machine)->files, s->number);
}

int process_files_prepare(struct running_step *s, const struct process *p, struct process_files *f)
{
    struct running_job *j = s->job;
    static const struct {
        const char *name;
        size_t max;
    } names[FILES] = {
        [FILE_ENV] = {"set_env", ENV_FILE_MAX},         [FILE_OUTPUT] = {"set_output", OUTPUT_FILE_MAX},
        [FILE_PATH] = {"add_path", ENV_FILE_MAX},       [FILE_STATE] = {"save_state", ENV_FILE_MAX},
        [FILE_SUMMARY] = {"step_summary", SUMMARY_MAX}, [FILE_ARTIFACTS] = {"artifacts", ARTIFACTS_MAX}};

    step_files(s, &f->dir);
    for (size_t i = 0; i < FILES; i++) {
        buf_addf(&f->paths[i], "%s/%s", buf_str(&f->dir), names[i].name);
        f->put[i] = (struct machine_file){.path = buf_str(&f->paths[i]), .mode = 0666, .data = ""};
        f->get[i] = (struct machine_file){.path = buf_str(&f->paths[i]), .max = names[i].max};
    }
    f->n_put = FILES;
    put_subjects(j, f);
    if (p->file)
        f->put[f->n_put++] = *p->file;
    if (!j->whole->event_written)
        process_files_add_shared(j, f);
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

void process_files_take(struct running_step *s, const struct process_files *f, json_t *state)
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
    load_matchers(s);
}
