/* The input is a workflow file, checked, converted, printed and evaluated; calls find the file itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/cleanup.h"
#include "runfs/plan.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *text;
    size_t len;
};

static int find(void *data, const char *uses, struct buf *ret, struct err *err)
{
    const struct input *input = data;

    if (uses[0] != '.')
        return err_set(err, -ENOENT, "no %s", uses);
    buf_add(ret, input->text, input->len);
    return 0;
}

static void evaluate(const struct workflow *w)
{
    _json_ json_t *contexts = json_pack("{s:{s:s, s:[i,i]}}", "github", "ref", "main", "list", 1, 2);
    const struct expr_env env = {.contexts = contexts, .max_memory = 64 * 1024};

    for (size_t i = 0; i < w->n_jobs; i++) {
        _json_ json_t *strategy = NULL;
        _free_ char *name = NULL;
        struct err err = {0};
        double minutes;
        token_eval(w->jobs[i].strategy, w->file, &env, &strategy, &err);
        token_eval_string(w->jobs[i].name, w->file, &env, &name, &err);
        token_eval_number(w->jobs[i].timeout_minutes, w->file, &env, 360, &minutes, &err);
        token_uses_context(w->jobs[i].runs_on, "needs");
    }
}

/* What would run: filters, inputs, matrices and names. */
static void plan(const struct workflow *w)
{
    _json_ json_t *payload =
        json_pack("{s:s, s:{s:s}}", "ref", "refs/heads/main", "repository", "default_branch", "main");
    _json_ json_t *contexts = json_pack("{s:{s:s}, s:{}}", "github", "ref", "refs/heads/main", "inputs");

    for (size_t i = 0; i < w->n_events; i++) {
        const struct event event = {.name = w->events[i].name, .ref = "refs/heads/main", .payload = payload};
        _json_ json_t *json = plan_to_json(w, &event, contexts), *inputs = NULL, *given = json_object();
        struct err err = {0};
        inputs_check(&w->events[i], given, &inputs, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {(const char *)data, size};
    const struct workflow_opts opts = {.find = find, .data = &input, .max_result_size = 256 * 1024};
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    int r = workflow_parse("fuzz.yml", input.text, size, &opts, &w, &lint);
    if ((r == 0) != (w != NULL) || (r == -EINVAL && lint.n == 0))
        abort();
    for (size_t i = 0; i < lint.n; i++)
        if (!utf8_valid(lint.errors[i].msg, strlen(lint.errors[i].msg)))
            abort();
    if (!w)
        return 0;
    _json_ json_t *json = workflow_to_json(w);
    evaluate(w);
    plan(w);
    workflow_free(w);
    return 0;
}
