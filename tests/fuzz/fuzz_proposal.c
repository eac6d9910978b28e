/*
 * The input is a model's answer, or one text of it that stands wherever one may. What is taken says the same
 * as a workflow, and nothing in that is unseen; what is refused is so for a reason.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../unit/proposal_same.h"
#include "runfs/proposal.h"
#include "runfs/unseen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SHORT = 200 };

static const struct proposal_origin origin = {.file = "x.txt", .by = "me"};

static json_t *everywhere(const char *text, size_t len)
{
    return json_pack("{s:s%, s:s%, s:{s:s%, s:s%}, s:[s%], s:[{s:s%, s:s%, s:s%, s:i, s:b}], s:[s%], s:[s%]}",
                     "name", text, len, "trigger", text, len, "environment", "no", text, len, "A", text, len,
                     "setup_commands", text, len, "steps", "name", text, len, "command", text, len,
                     "working_dir", text, len, "timeout_seconds", 7, "continue_on_error", 1,
                     "cleanup_commands", text, len, "cache_paths", text, len);
}

static void check_workflow(const struct buf *yaml, const json_t *proposal)
{
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;
    struct unseen u;
    int r = workflow_parse("x.yml", buf_str(yaml), yaml->len, NULL, &w, &lint);

    if (r == -EFBIG)
        return;
    if (r < 0 || unseen_find(buf_str(yaml), yaml->len, &u) || same_proposal(w, proposal))
        abort();
    workflow_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    bool whole = size && *text == '{';
    _json_ json_t *proposal =
        whole ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : everywhere(text, size);
    _buf_ struct buf yaml = BUF_INIT;
    struct err err = {0};
    struct unseen u;

    if (!proposal)
        return 0;
    int r = proposal_to_workflow(&origin, proposal, &yaml, &err);
    if (r == 0)
        check_workflow(&yaml, proposal);
    else if (!utf8_valid(err.msg, strlen(err.msg)) || unseen_find(err.msg, strlen(err.msg), &u))
        abort();
    else if (!whole && size && size <= SHORT && !memmem(text, size, "${{", 3) &&
             !memmem(text, size, "schedule", 8) && !unseen_find(text, size, &u))
        abort();
    return 0;
}
