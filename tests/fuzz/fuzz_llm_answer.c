/* The input is what a model's server answered. What comes of it is a workflow, or words that a person can
 * read. */
#include <stdint.h>
#include <stdlib.h>

#include "../../core/run/llm.h"
#include "runfs/proposal.h"
#include "runfs/str.h"
#include "runfs/unseen.h"
#include "runfs/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct proposal_origin origin = {.file = "x.txt", .by = "me"};

static int read_all(const struct buf *body, struct buf *ret, struct err *err)
{
    _json_ json_t *proposal = NULL;
    int r = llm_answer(body, &proposal, err);

    if ((r == 0) != (proposal != NULL))
        abort();
    return r < 0 ? r : proposal_to_workflow(&origin, proposal, ret, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _buf_ struct buf body = BUF_INIT, yaml = BUF_INIT;
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;
    struct err err = {0};
    struct unseen u;

    buf_add(&body, data, size);
    if (read_all(&body, &yaml, &err) < 0) {
        unseen_replace(err.msg);
        if (!*err.msg || !utf8_valid(err.msg, strlen(err.msg)) || unseen_find(err.msg, strlen(err.msg), &u))
            abort();
        return 0;
    }
    if (workflow_parse("x.yml", buf_str(&yaml), yaml.len, NULL, &w, &lint) == -EINVAL)
        abort();
    workflow_free(w);
    return 0;
}
