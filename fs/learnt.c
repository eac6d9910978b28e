/* What is made of what was counted, when it is read: lessons, expectations, anomalies. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/proc.h"
#include "runfs/str.h"

static int64_t find_lesson(struct fs *fs, int64_t up, const char *name)
{
    _free_ char *slug = str_ends(name, ".md") ? strndup(name, strlen(name) - strlen(".md")) : NULL;
    int64_t id = slug ? store_find_failure(fs->store, slug) : 0;

    (void)up;
    return lesson_is_there(fs->store, id) ? id : 0;
}

static ssize_t next_lesson(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return lesson_list(fs->store, after, ids, max);
}

static int name_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    int r = class_failures.name(fs, id, ret);

    buf_adds(ret, ".md");
    return r;
}

const struct name_class class_lessons = {find_lesson, next_lesson, name_lesson};

int show_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    return lesson_text(fs->store, id, ret);
}

int link_failure_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    if (!lesson_is_there(fs->store, id))
        return -ENOENT;
    buf_adds(ret, "../../lessons/");
    return name_lesson(fs, id, ret);
}

/* ------------------------------------------------------------------------------------ those of a command */

static int64_t find_command_lesson(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_lesson(fs, up, name);

    return id && store_is_failure_link(fs->store, COMMAND_FAILURES, up, id) ? id : 0;
}

static ssize_t next_command_lesson(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    int64_t batch[64];
    ssize_t n;
    size_t got = 0;

    while (got < max && (n = store_list_failure_links(fs->store, COMMAND_FAILURES, up, after, batch,
                                                      ARRAY_LEN(batch))) > 0)
        for (ssize_t i = 0; i < n && got < max; i++) {
            after = batch[i];
            if (lesson_is_there(fs->store, after))
                ids[got++] = after;
        }
    return (ssize_t)got;
}

const struct name_class class_command_lessons = {find_command_lesson, next_command_lesson, name_lesson};

int link_command_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../../lessons/");
    return name_lesson(fs, id, ret);
}

/* ------------------------------------------------------------------------------------------ expectations */

static int verb_predict(struct fs *fs, int64_t id, const char *what, struct err *err)
{
    _buf_ struct buf answer = BUF_INIT;
    int r = predict_text(fs->store, what, &answer, err);

    if (answer.len) /* a reply ends its line itself */
        answer.ptr[--answer.len] = '\0';
    if (r == 0)
        fs_reply(fs, (struct node){tree_find("knowledge/predict"), id}, "%s", buf_str(&answer));
    return r;
}

const struct verb predict_verbs[] = {{"", verb_predict, "a workflow's name, or a line of commands"}, {0}};

/* When what began at `from` should end. */
static int eta_line(const struct outcome *outcomes, size_t n, int64_t from, struct buf *ret)
{
    struct expected e;

    if (!from || !predict_duration(outcomes, n, &e))
        return -ENOENT;
    buf_add_time(ret, from + (int64_t)(e.middle * 1e6));
    buf_addc(ret, '\n');
    return 0;
}

int show_run_eta(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct run_row *run = store_get_run(fs->store, id);
    struct outcome outcomes[50];
    int r = -ENOENT;

    if (run && run->workflow_id && str_eq(run->status, "in_progress"))
        r = eta_line(outcomes,
                     store_run_history(fs->store, run->workflow_id, id, outcomes, ARRAY_LEN(outcomes)),
                     run->started_at, ret);
    run_row_unref(run);
    return r;
}

int show_job_eta(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct job_row *job = store_get_job(fs->store, id);
    const struct run_row *run = job ? store_get_run(fs->store, job->run_id) : NULL;
    struct outcome outcomes[50];
    int r = -ENOENT;

    if (run && run->workflow_id && str_eq(job->status, "in_progress"))
        r = eta_line(
            outcomes,
            store_job_history(fs->store, run->workflow_id, run->id, job->key, outcomes, ARRAY_LEN(outcomes)),
            job->started_at, ret);
    run_row_unref(run);
    job_row_unref(job);
    return r;
}

/* --------------------------------------------------------------------------------------------- anomalies */

static int64_t find_anomaly(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = class_runs.find(fs, up, name), one = 0;

    return id && store_list_anomalies(fs->store, id - 1, &one, 1) == 1 && one == id ? id : 0;
}

static ssize_t next_anomaly(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_anomalies(fs->store, after, ids, max);
}

static int name_anomaly(struct fs *fs, int64_t id, struct buf *ret)
{
    return class_runs.name(fs, id, ret);
}

const struct name_class class_anomalies = {find_anomaly, next_anomaly, name_anomaly};

int link_anomaly(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    buf_addf(ret, "../../runs/%lld", (long long)id);
    return 0;
}

int show_run_anomaly(struct fs *fs, int64_t id, struct buf *ret)
{
    return store_anomaly(fs->store, id, ret);
}

/* ------------------------------------------------------------------------------------------- suggestions */

static ssize_t next_suggestion(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return suggestion_list(fs->store, after, ids, max);
}

static int name_suggestion(struct fs *fs, int64_t id, struct buf *ret)
{
    return suggestion_name(fs->store, id, ret);
}

static int64_t find_suggestion(struct fs *fs, int64_t up, const char *name)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = next_suggestion(fs, up, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            _buf_ struct buf own = BUF_INIT;
            if (name_suggestion(fs, ids[i], &own) == 0 && str_eq(buf_str(&own), name))
                return ids[i];
        }
        after = ids[n - 1];
    }
    return 0;
}

const struct name_class class_suggestions = {find_suggestion, next_suggestion, name_suggestion};

int show_suggestion(struct fs *fs, int64_t id, struct buf *ret)
{
    return suggestion_text(fs->store, id, ret);
}

/* ------------------------------------------------------------------------------------------------- graph */

int show_knowledge_dot(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)id;
    return knowledge_graph_dot(fs->store, 0, ret);
}

int show_knowledge_json(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)id;
    return knowledge_graph_json(fs->store, 0, ret);
}

bool is_graph_there(struct fs *fs, int64_t id)
{
    (void)fs, (void)id;
    return proc_in_path("dot");
}

int show_knowledge_svg(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)id;
    return knowledge_graph_svg(fs->store, ret);
}

int show_command_dot(struct fs *fs, int64_t id, struct buf *ret)
{
    return knowledge_graph_dot(fs->store, id, ret);
}

int show_command_json(struct fs *fs, int64_t id, struct buf *ret)
{
    return knowledge_graph_json(fs->store, id, ret);
}

int show_command_svg(struct fs *fs, int64_t id, struct buf *ret)
{
    return command_picture(fs->store, id, ret);
}
