/*
 * The rows of what runs taught. Counts are kept as they come, so that reading them costs the same however
 * many there are. As in store.h: rows are snapshots with references, writing is within groups.
 */
#ifndef RUNFS_KNOWLEDGE_ROWS_H
#define RUNFS_KNOWLEDGE_ROWS_H

#include "runfs/store.h"

struct known_command_row {
    int64_t id;
    const char *name; /* "cargo test" */
    const char *slug; /* its directory, "cargo-test"; unique, and it stays */
    int64_t runs, successes,
        failures;            /* times it ran; a run may be neither: nobody knows what became of it */
    int64_t timed, total_ms; /* of how many runs the duration is known, and their sum */
    int64_t last_run_at, changed_at;
};

/* As recorded. */
enum command_outcome { COMMAND_UNKNOWN, COMMAND_SUCCEEDED, COMMAND_FAILED };

struct command_use {
    const char *name, *text; /* of the node; the command as written */
    enum command_outcome outcome;
    int exit_code;       /* -1: not known */
    int64_t duration_ms; /* -1: not known */
    bool main;           /* the one that its step is about: the step's link leads to it */
};

/* Where they ran. */
struct command_place {
    int64_t run_id, job_id, step_id, workflow_id, at;
};

/*
 * Records commands in their order, each following the one before it; previous: the command before the first,
 * 0 without; set to the last.
 */
int store_record_commands(struct store *st, const struct command_place *place, const struct command_use *uses,
                          size_t n, int64_t *previous, struct err *err);

const struct known_command_row *store_get_known_command(struct store *st, int64_t id);
void known_command_row_unref(const struct known_command_row *r);
int64_t store_find_known_command(struct store *st, const char *slug); /* 0: none */
int64_t store_find_command_name(struct store *st, const char *name);  /* "cargo test"; 0: none */
ssize_t store_list_known_commands(struct store *st, int64_t after, int64_t *ids, size_t max);

/* Ids of the commands that follow it, or that it follows. */
enum command_side { COMMAND_NEXT, COMMAND_PREVIOUS };
ssize_t store_list_neighbours(struct store *st, int64_t id, enum command_side side, int64_t after,
                              int64_t *ids, size_t max);
bool store_is_neighbour(struct store *st, int64_t id, enum command_side side, int64_t other);

/* The newest runs that it was part of, 64 at most. */
ssize_t store_list_command_runs(struct store *st, int64_t id, int64_t after, int64_t *ids, size_t max);
bool store_command_ran_in(struct store *st, int64_t id, int64_t run_id);
/* The command that a step is about; 0: none. */
int64_t store_command_of_step(struct store *st, int64_t run_id, int64_t step_id);

/* Milliseconds, at most 2.5% beside the truth; -1: no duration is known. percent: 0-100. */
int64_t store_command_percentile(struct store *st, int64_t id, int percent);

/* What follows a command, the most frequent first. */
struct command_edge {
    const char *slug;
    int64_t successes, failures, unknown; /* of the one that follows */
};
typedef int command_edge_fn(void *data, const struct command_edge *edge);
int store_each_edge(struct store *st, int64_t id, command_edge_fn *fn, void *data);

/* How it was written, the most frequent first. */
struct command_variant {
    const char *text;
    int64_t runs, successes, failures;
};
typedef int command_variant_fn(void *data, const struct command_variant *variant);
int store_each_variant(struct store *st, int64_t id, command_variant_fn *fn, void *data);

/* A failure: every one with the same signature. */
struct failure_row {
    int64_t id;
    const char *signature, *slug; /* unique both */
    const char *line;             /* as it was printed last */
    int64_t count, first_seen, last_seen;
    int64_t fixed_run_id; /* the newest run in which what had failed so succeeded; 0: none yet */
    const char *fix;      /* what had changed since: lines; "" without */
    int64_t changed_at;
};

/* Where a step stands in its workflow, the same in all runs. */
struct failure_place {
    int64_t workflow_id;
    const char *job_key;
    int number;
};

/* Within a group, behind store_record_commands(). command: what failed, 0 unknown. */
int store_record_failure(struct store *st, const struct command_place *place,
                         const struct failure_place *step, const char *signature, const char *line,
                         int64_t command, struct err *err);
/* What failed last in that place and has not succeeded since: false, or the failure, its run and its step. */
struct open_failure {
    int64_t failure_id, run_id, step_id;
};
bool store_open_failure(struct store *st, const struct failure_place *step, struct open_failure *ret);
/* It has succeeded in that run. */
int store_record_fix(struct store *st, const struct failure_place *step, int64_t failure_id, int64_t run_id,
                     const char *what, struct err *err);

/* A command that failed in one run and succeeded in a later one, or in a later attempt, without a difference
 * that is known. It is forgotten with either run. */
struct flake {
    int64_t command_id, failed_run_id, run_id, failure_id;
};
int store_record_flake(struct store *st, const struct flake *f, struct err *err);
ssize_t store_list_flaky_commands(struct store *st, int64_t after, int64_t *ids, size_t max);
/* The newest first, 64 at most. */
typedef int flake_fn(void *data, const struct flake *f);
int store_each_flake(struct store *st, int64_t command, flake_fn *fn, void *data);

const struct failure_row *store_get_failure(struct store *st, int64_t id);
void failure_row_unref(const struct failure_row *r);
int64_t store_find_failure(struct store *st, const char *slug); /* 0: none */
ssize_t store_list_failures(struct store *st, int64_t after, int64_t *ids, size_t max);
int64_t store_failure_of_step(struct store *st, int64_t run_id, int64_t step_id); /* 0: none */
/* What is linked with what; find: whether `other` is. */
enum failure_link { FAILURE_RUNS, FAILURE_COMMANDS, COMMAND_FAILURES, COMMAND_WORKFLOWS };
ssize_t store_list_failure_links(struct store *st, enum failure_link link, int64_t id, int64_t after,
                                 int64_t *ids, size_t max);
bool store_is_failure_link(struct store *st, enum failure_link link, int64_t id, int64_t other);

/* Failures that were met at least so often, and since then, ascending. */
ssize_t store_list_lessons(struct store *st, int64_t threshold, int64_t seen_since, int64_t after,
                           int64_t *ids, size_t max);
/* Where it was met, the most frequent first; 8 at most. */
struct failure_site {
    const char *workflow, *job, *step;
    int number; /* of the step */
    int64_t count, last_run;
};
typedef int failure_site_fn(void *data, const struct failure_site *site);
int store_each_failure_site(struct store *st, int64_t failure_id, failure_site_fn *fn, void *data);
/* Of one that was mended: runs of that workflow that succeeded since, the mended one among them, and runs in
 * which it was met again. */
void store_since_fix(struct store *st, const struct failure_row *f, int64_t *ret_good, int64_t *ret_bad);

/* How a run or a job went: success or failure (others teach nothing), and how long it took. */
struct outcome {
    bool success;
    int64_t ms;
};
/* Of a workflow's runs with a smaller number, the newest first; and of its job of that key in them. */
size_t store_run_history(struct store *st, int64_t workflow_id, int64_t before, struct outcome *ret,
                         size_t max);
size_t store_job_history(struct store *st, int64_t workflow_id, int64_t before, const char *key,
                         struct outcome *ret, size_t max);

/* Runs that departed from their history, and how; NULL: it does not. */
int store_put_anomaly(struct store *st, int64_t run_id, const char *why, struct err *err);
ssize_t store_list_anomalies(struct store *st, int64_t after, int64_t *ids, size_t max);
int store_anomaly(struct store *st, int64_t run_id, struct buf *ret); /* -ENOENT */

/* Registered workflows with that command that use no action which caches. */
bool store_run_used(struct store *st, int64_t run_id, int64_t command); /* whether one of its steps ran it */
int64_t store_uncached_workflows(struct store *st, int64_t command);

/* How `to` went where it came right behind `from`. */
struct command_pair {
    int64_t from, to, successes, failures;
    int64_t unknown; /* in a condition, say; of store_graph_edges only, else 0 */
};
bool store_get_pair(struct store *st,
                    struct command_pair *p); /* from and to are given; false: there is none */
/* Those that failed at least three times and half of the times, the worst first; 64 at most. */
typedef int command_pair_fn(void *data, const struct command_pair *p);
int store_each_bad_pair(struct store *st, command_pair_fn *fn, void *data);

/* Registered workflows by what ran last, the newest first. */
size_t store_recent_workflows(struct store *st, int64_t *ret, size_t max);

/* How two jobs went in the newest completed runs of a workflow in which both ran; 50 runs at most. */
struct job_pair {
    bool success_a, success_b;
    bool apart; /* neither was on a host that outlives the job */
    int64_t ms_a, ms_b;
};
size_t store_job_pairs(struct store *st, int64_t workflow_id, const char *a, const char *b,
                       struct job_pair *ret, size_t max);
/* How often a job of the newest 50 runs, in any of their attempts, did not succeed. */
int64_t store_job_failures(struct store *st, int64_t workflow_id, const char *key);
/* The commands that a job ran in the newest run in which it succeeded. */
typedef int command_name_fn(void *data, const char *name);
int store_each_job_command(struct store *st, int64_t workflow_id, const char *key, command_name_fn *fn,
                           void *data);

/* What a step came to in the newest runs of a workflow in which it ran, the newest first. text is valid
 * during the call. fn: not 0 ends it, and is returned. */
struct step_use {
    int64_t run_id, step_id, ms, output_size; /* output_size: of what it printed, -1 not known */
    bool success;
    const char *sha, *script;
    const char *outputs; /* NAME=value lines, by name; "" for none */
};
typedef int step_use_fn(void *data, const struct step_use *u);
int store_each_step_use(struct store *st, int64_t workflow_id, const char *key, int number, int max,
                        step_use_fn *fn, void *data);

/* A part of the graph: those that ran most, or (around not 0) a command and its neighbours; and what follows
 * what among them. Returns how many. */
struct known_command {
    int64_t id, runs, successes, failures;
    char name[96], slug[96];
};
size_t store_graph_nodes(struct store *st, int64_t around, struct known_command *ret, size_t max);
size_t store_graph_edges(struct store *st, const struct known_command *nodes, size_t n_nodes,
                         struct command_pair *ret, size_t max);

struct knowledge_stats {
    int64_t commands, runs, successes, failures, edges, patterns;
};
int store_knowledge_stats(struct store *st, struct knowledge_stats *ret);

#endif
