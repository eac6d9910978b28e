/* Snapshots after steps, and jobs that go on from one. Private to core/run. */
#ifndef RUNFS_RUN_RESUME_H
#define RUNFS_RUN_RESUME_H

#include "engine_internal.h"

/* From where a job of a new attempt goes on. */
struct resume {
    char *key;         /* owned: of the job */
    size_t first;      /* index of the first step that runs */
    int64_t snapshot;  /* of its machine, from before that step */
    int64_t from_job;  /* whose steps before that are kept */
    json_t *state;     /* owned: what the job knew then */
    struct buf edited; /* the workflow, if it is another one since */
};
void resume_free(struct resume *r); /* NULL allowed */

/* -EINVAL: there is no snapshot from before that step. */
int resume_find(struct store *st, const struct step_row *step, const char *key, struct resume **ret,
                struct err *err);

/*
 * The run's workflow as it is registered now, when it was edited since and all that came before the step of
 * that index is as it was; else ret stays empty. -EINVAL with words on what is not as it was.
 */
int resume_edited(struct engine *e, const struct run_row *run, const struct job_row *job, size_t first,
                  struct buf *ret, struct err *err);

/* What `auto` took of a job that succeeded, nobody resumes; and what is older than config/snapshot_days. */
void snapshots_of_success(struct engine *e, int64_t job_id);
void snapshots_expire(struct engine *e);

/* Takes a snapshot behind a step, if config/snapshots wants one and the machine can, with what the job knows.
 * Its id; 0: none was taken. */
int64_t step_snapshot(struct machine *m, struct store *st, const struct step_row *step, int64_t step_ns,
                      json_t *state);

#endif
