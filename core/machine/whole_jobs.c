/* Backends that have no machines here: whole jobs are given to a worker elsewhere, which has them (core/run,
 * docs/worker.md). What is common to machines knows of them what a label says, and that there is none. */
#include "core/machine/machine_internal.h"
#include "runfs/proc.h"
#include "runfs/slurm.h"

static int no_machine(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                      struct err *err)
{
    (void)ms;
    (void)m;
    return err_set(err, -ENOTSUP,
                   "the backend %s takes whole jobs: it has no machines to be had by themselves",
                   spec->backend);
}

static int works(struct machines *ms, struct err *err)
{
    (void)ms;
    (void)err;
    return 0;
}

static int worker_check_label(const struct machine_label *l, struct err *err)
{
    const char *command = *l->image == ':' ? l->image + 1 : "";

    if (!command[strspn(command, " \t")])
        return err_set(err, -EINVAL,
                       "a label of backend worker has the command that starts one, as in "
                       "`worker:ssh HOST runfs worker`");
    return 0;
}

static void worker_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    (void)why;
    snprintf(words, size, "gives whole jobs to `runfs worker` elsewhere, by the command that a label names");
}

const struct machine_ops machine_worker = {.name = "worker",
                                           .isolates = true,
                                           .elsewhere = true,
                                           .remote = true,
                                           .jobs = true,
                                           .acquire = no_machine,
                                           .check_label = worker_check_label,
                                           .probe = works,
                                           .explain = worker_explain};

enum { PING_MS = 900 };

static int slurm_check_label(const struct machine_label *l, struct err *err)
{
    struct slurm_label parsed = {0};
    int r = slurm_label_parse(l->image, &parsed, err);

    slurm_label_release(&parsed);
    return r;
}

/* Whether a cluster is known here, and its controller there: what a job asks for may still be refused. */
static int slurm_works(struct machines *ms, struct err *err)
{
    static const char *const argv[] = {"scontrol", "ping", NULL};
    struct proc_result result = {0};
    int r = slurm_has_client(err);

    (void)ms;
    if (r < 0)
        return r;
    r = proc_run(argv, "/", 4096, PING_MS, &result, NULL);
    if (r < 0 || result.exit_code != 0)
        r = err_set(err, -EHOSTDOWN, "no controller of a cluster answers: `scontrol ping` says more");
    proc_result_release(&result);
    return r;
}

static void slurm_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s", why ? why->msg : "gives whole jobs to `runfs worker` on a node, by srun");
}

const struct machine_ops machine_slurm = {.name = "slurm",
                                          .isolates = true,
                                          .elsewhere = true,
                                          .remote = true,
                                          .jobs = true,
                                          .acquire = no_machine,
                                          .check_label = slurm_check_label,
                                          .probe = slurm_works,
                                          .explain = slurm_explain};
