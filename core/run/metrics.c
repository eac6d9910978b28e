/* What the engine counts, and all of it as one text. */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

#define CONCLUSIONS                                                                                          \
    {                                                                                                        \
        "success", "failure", "cancelled", "skipped"                                                         \
    }
#define BOUNDS                                                                                               \
    {                                                                                                        \
        0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 21600                            \
    }

struct counter metric_runs = {"runfs_runs_completed_total",
                              "Runs that ended since the daemon started.",
                              "conclusion",
                              CONCLUSIONS,
                              {0}};
struct counter metric_jobs = {"runfs_jobs_completed_total",
                              "Jobs that ended since the daemon started.",
                              "conclusion",
                              CONCLUSIONS,
                              {0}};
struct histogram metric_run_time = {
    "runfs_run_duration_seconds", "From a run's first job to its end.", BOUNDS, {0}, 0};
struct histogram metric_job_time = {
    "runfs_job_duration_seconds", "From a job's start to its end.", BOUNDS, {0}, 0};
struct histogram metric_queue_time = {
    "runfs_job_queued_seconds", "From when a job was there until it started.", BOUNDS, {0}, 0};

#define MOUNT_TIME(kind, text, what)                                                                         \
    [(kind)] = {.name = "runfs_mount_request_seconds",                                                       \
                .help = (text),                                                                              \
                .bounds = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.025,  \
                           0.1, 0.5, 1, 5},                                                                  \
                .label = "request",                                                                          \
                .value = (what)}

struct histogram metric_mount[MOUNT_REQUESTS] = {
    MOUNT_TIME(MOUNT_LOOKUP,
               "How long the mount took to answer, or to put by who waits for something to happen.",
               "lookup"),
    MOUNT_TIME(MOUNT_ATTRIBUTES, NULL, "attributes"),
    MOUNT_TIME(MOUNT_LIST, NULL, "list"),
    MOUNT_TIME(MOUNT_OPEN, NULL, "open"),
    MOUNT_TIME(MOUNT_READ, NULL, "read"),
    MOUNT_TIME(MOUNT_WRITE, NULL, "write"),
    MOUNT_TIME(MOUNT_CLOSE, NULL, "close"),
    MOUNT_TIME(MOUNT_CHANGE, NULL, "change"),
};

static void write_engine(struct engine *e, struct buf *ret)
{
    struct engine_status s;

    engine_status(e, &s);
    const struct {
        const char *name, *help;
        double n;
    } gauges[] = {
        {"runfs_slots", "How many jobs may run at once.", s.slots},
        {"runfs_jobs_running", "Jobs that run.", s.busy},
        {"runfs_jobs_queued", "Jobs that wait for a slot.", s.queued_jobs},
        {"runfs_runs_active", "Runs that are not completed.", s.active_runs},
        {"runfs_groups_pending", "Runs and jobs that wait for their concurrency group.", s.pending},
    };

    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metric_gauge_head(ret, gauges[i].name, gauges[i].help);
        metric_gauge_write(ret, gauges[i].name, NULL, NULL, gauges[i].n);
    }
}

static void write_machines(struct store *st, struct buf *ret)
{
    unsigned counts[MACHINE_STATES] = {0};
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_machines(st, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct machine_row *row = store_get_machine(st, ids[i]);
            for (int state = 0; row && row->lives && state < MACHINE_STATES; state++)
                counts[state] += str_eq(row->state, machine_state_name((enum machine_state)state));
            machine_row_unref(row);
        }
        after = ids[n - 1];
    }
    metric_gauge_head(ret, "runfs_machines", "Machines that there are, by what they do.");
    for (int state = 0; state < MACHINE_STATES; state++)
        metric_gauge_write(ret, "runfs_machines", "state", machine_state_name((enum machine_state)state),
                           counts[state]);
}

static void write_process(struct buf *ret)
{
    _buf_ struct buf statm = BUF_INIT;
    unsigned long long pages = 0;

    metric_gauge_head(ret, "runfs_build_info", "Always 1; the label has the version.");
    metric_gauge_write(ret, "runfs_build_info", "version", RUNFS_VERSION, 1);
    if (read_file("/proc/self/statm", 4096, &statm, NULL) == 0 &&
        sscanf(buf_str(&statm), "%*u %llu", &pages) == 1) {
        metric_gauge_head(ret, "process_resident_memory_bytes", "Memory that the daemon occupies.");
        metric_gauge_write(ret, "process_resident_memory_bytes", NULL, NULL,
                           (double)pages * (double)sysconf(_SC_PAGESIZE));
    }
}

void engine_metrics(struct engine *e, struct buf *ret)
{
    write_process(ret);
    write_engine(e, ret);
    write_machines(e->store, ret);
    metric_gauge_head(ret, "runfs_runs_kept", "Runs in runs/.");
    metric_gauge_write(ret, "runfs_runs_kept", NULL, NULL, (double)store_count_runs(e->store, NULL, NULL));
    metric_counter_write(&metric_runs, ret);
    metric_counter_write(&metric_jobs, ret);
    metric_histogram_write(&metric_run_time, ret);
    metric_histogram_write(&metric_job_time, ret);
    metric_histogram_write(&metric_queue_time, ret);
    metric_histogram_write(&metric_commit_time, ret);
    for (int i = 0; i < MOUNT_REQUESTS; i++)
        metric_histogram_write(&metric_mount[i], ret);
}
