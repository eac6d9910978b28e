/*
 * What the store knows of machines: which there are, what they went through, their snapshots and the layers
 * that those consist of, and the commands that were run in them by hand. Rows as in runfs/store.h.
 */
#ifndef RUNFS_MACHINE_ROWS_H
#define RUNFS_MACHINE_ROWS_H

#include "runfs/store.h"

struct machine_row {
    int64_t id;
    int64_t run_id, job_id; /* 0: nobody's */
    const char *title;      /* its name in vms/; unique among those that live */
    const char *label, *backend, *image, *workspace;
    const char *state; /* as machine_state_name() */
    const char *why;   /* of that state; "" */
    bool lives;        /* it has not been released */
    bool kept;         /* outlives the process */
    int64_t layer;     /* what it stands on; 0: the image */
    int64_t boot_ns;   /* how long it took to be there */
    int64_t created_at, changed_at;
};

struct snapshot_row {
    int64_t id, machine_id, run_id, job_id, step_id;
    const char *name; /* unique in its machine, "" without */
    const char *backend, *image;
    int64_t layer;   /* 0: nothing was ever written */
    int64_t cost_ns; /* what taking it cost */
    int64_t created_at;
};

/* A directory of STATE/machines/layers/ that never changes. */
struct layer_row {
    int64_t id;
    int64_t parent;   /* the layer below; 0: the image */
    int depth;        /* 1: directly on the image */
    bool durable;     /* on disk, also after a power cut */
    const char *boot; /* the boot of the host that it was made in */
    int64_t created_at;
};

/* A command of a machine made by hand: vms/NAME/history/N. */
struct known_command_row {
    int64_t id, machine_id;
    int number;
    const char *command;
    int exit_code; /* -1 until it has ended */
    int64_t duration_ns;
    int64_t started_at, changed_at;
};

const struct machine_row *store_get_machine(struct store *st, int64_t id);
const struct snapshot_row *store_get_snapshot(struct store *st, int64_t id);
const struct known_command_row *store_get_known_command(struct store *st, int64_t id);
void machine_row_unref(const struct machine_row *r);
void snapshot_row_unref(const struct snapshot_row *r);
void known_command_row_unref(const struct known_command_row *r);

int64_t store_find_machine(struct store *st, const char *title);  /* that lives */
int64_t store_find_job_machine(struct store *st, int64_t job_id); /* the newest of a job, alive or not */
int64_t store_find_snapshot(struct store *st, int64_t machine_id, const char *name);
int64_t store_find_step_snapshot(struct store *st, int64_t step_id);
int64_t store_find_known_command(struct store *st, int64_t machine_id, int number);
int64_t store_last_command(struct store *st, int64_t machine_id);
ssize_t store_list_machines(struct store *st, int64_t after, int64_t *ids, size_t max); /* that live */
ssize_t store_list_snapshots(struct store *st, int64_t machine_id, int64_t after, int64_t *ids,
                             size_t max); /* that have a name */
ssize_t store_list_known_commands(struct store *st, int64_t machine_id, int64_t after, int64_t *ids, size_t max);

int store_put_machine(struct store *st, struct machine_row *row, struct err *err);
int store_put_snapshot(struct store *st, struct snapshot_row *row, struct err *err);
int store_put_known_command(struct store *st, struct known_command_row *row, struct err *err);
int store_delete_machine(struct store *st, int64_t id,
                         struct err *err); /* with its transitions, commands and named snapshots */
int store_delete_snapshot(struct store *st, int64_t id, struct err *err);

/* What a machine went through. */
int store_put_transition(struct store *st, int64_t machine_id, const char *state, const char *why, int64_t at,
                         struct err *err);
typedef int transition_fn(void *data, const char *state, const char *why, int64_t at);
int store_each_transition(struct store *st, int64_t machine_id, transition_fn *fn, void *data);

/* Layers: all of them, as they are read at start, and the ids that snapshots need. */
typedef int layer_fn(void *data, const struct layer_row *row);
int store_each_layer(struct store *st, layer_fn *fn, void *data);
int store_put_layer(struct store *st, struct layer_row *row, struct err *err);
int store_delete_layer(struct store *st, int64_t id, struct err *err);
/* Snapshots and layers that stood on `old` stand on `new`, which has the same files. */
int store_replace_layer(struct store *st, int64_t old, int64_t new, struct err *err);

#endif
