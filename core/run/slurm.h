/* Jobs that are given to a worker by Slurm: how it is asked, and what it says of them. Private to core/run.
 */
#ifndef RUNFS_RUN_SLURM_H
#define RUNFS_RUN_SLURM_H

#include "engine_internal.h"
#include "runfs/attend.h"

struct slurm_job {
    struct run_job *job;         /* borrowed */
    char name[200];              /* as Slurm has it: no other job has that */
    char id[24];                 /* its number there; "" until it is known */
    char state[24];              /* "PENDING"; "" unknown */
    char shown[120];             /* why it waits, as it was told last */
    int64_t next_look, pause_ns; /* when to ask for that again; monotonic */
    int over;                    /* how many looks in a row it has ended for */
    bool running;                /* it has begun there */
};

/* A new one: each try has a name of its own. */
void slurm_job_init(struct slurm_job *s, struct run_job *job, int try);
/* The command that gives it to Slurm, and stays until it has ended. Appended. -EINVAL with words. */
int slurm_command(const struct slurm_job *s, const char *label, struct buf *ret, struct err *err);
/* To be called all the time, asks now and then: what becomes of it. Why it waits goes into the job's `why`.
 */
enum attend_word slurm_look(struct slurm_job *s);
/* It waits no longer. */
void slurm_begins(struct slurm_job *s);

/* Its command has ended. Whether Slurm ended it, and how: then a sentence is appended. Waits some seconds
 * until that is known; after that it is withdrawn. */
bool slurm_ended(struct slurm_job *s, struct buf *ret);
/* Nobody waits for it any more: out of the queue, or ended where it runs. */
void slurm_withdraw(const struct slurm_job *s);
/* Whether it may be given to Slurm once more: it was the node's fault. */
bool slurm_lost_node(const struct slurm_job *s);

#endif
