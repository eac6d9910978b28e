/*
 * A workflow that a language model proposes, as JSON in the form of terraphim's ParsedWorkflow:
 *
 *   name               text
 *   trigger            text: push, pull_request, workflow_dispatch, `schedule: CRON` with commas between;
 *                      what is none of them is for people only
 *   environment        object of texts
 *   setup_commands     array of texts, before the steps
 *   steps              array, at least one:
 *                      { name, command, working_dir?, continue_on_error?, timeout_seconds? }
 *   cleanup_commands   array of texts, after the steps, whatever came of them
 *   cache_paths        array of texts
 *
 * What is null or missing, but for the steps' commands, has no effect. All of it is taken for hostile: other
 * fields, other types, long texts, expressions (`${{`) and characters that nobody sees (runfs/unseen.h) are
 * refused. What is taken, the workflow says byte for byte.
 */
#ifndef RUNFS_PROPOSAL_H
#define RUNFS_PROPOSAL_H

#include <jansson.h>

#include "runfs/buf.h"
#include "runfs/err.h"

/* The JSON schema of that form, for those who are asked to fill it in. Owned by the caller. NULL: no memory.
 */
json_t *proposal_schema(void);

struct proposal_origin {
    const char *file;   /* what it was made from */
    const char *by;     /* the model */
    int64_t failed_run; /* it repairs what that run ran; 0: none */
};
/*
 * Appends the workflow, as text that the parser accepts; its first lines say where it comes from, and that it
 * is proposed. -EINVAL with words; -ENOMEM.
 */
int proposal_to_workflow(const struct proposal_origin *origin, const json_t *proposal, struct buf *ret,
                         struct err *err);
/* Whether a workflow's first lines say that it was proposed, and that nothing failed before; then what it was
 * made from is appended. */
bool proposal_is_first(const char *workflow, struct buf *ret_file);

#endif
