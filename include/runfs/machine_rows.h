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
    int64_t layer;      /* 0: nothing was ever written */
    int64_t cost_ns;    /* what taking it cost */
    const char *handle; /* what its backend finds it by, where that is not the layer; NULL or "": nothing */
    int64_t created_at;
};

/* A directory of STATE/machines/layers/ that never changes. */
struct layer_row {
    int64_t id;
    int64_t parent;   /* the layer below; 0: the image */
    bool durable;     /* on disk, also after a power cut */
    const char *boot; /* the boot of the host that it was made in */
    int64_t created_at;
};

/* A command of a machine made by hand: vms/NAME/history/N. */
struct command_row {
    int64_t id, machine_id;
    int number;
    const char *command;
    int exit_code; /* -1 until it has ended */
    int64_t duration_ns;
    int64_t started_at, changed_at;
};

const struct machine_row *store_get_machine(struct store *st, int64_t id);
const struct snapshot_row *store_get_snapshot(struct store *st, int64_t id);
const struct layer_row *store_get_layer(struct store *st, int64_t id);
const struct command_row *store_get_command(struct store *st, int64_t id);
void machine_row_unref(const struct machine_row *r);
void snapshot_row_unref(const struct snapshot_row *r);
void layer_row_unref(const struct layer_row *r);
void command_row_unref(const struct command_row *r);

int64_t store_find_machine(struct store *st, const char *title);  /* that lives or is kept */
int64_t store_find_job_machine(struct store *st, int64_t job_id); /* the newest of a job, alive or not */
int64_t store_find_snapshot(struct store *st, int64_t machine_id, const char *name);
int64_t store_find_step_snapshot(struct store *st, int64_t step_id); /* the newest */
int64_t store_find_command(struct store *st, int64_t machine_id, int number);
int64_t store_last_command(struct store *st, int64_t machine_id);
ssize_t store_list_machines(struct store *st, int64_t after, int64_t *ids, size_t max); /* the same */
ssize_t store_list_snapshots(struct store *st, int64_t machine_id, int64_t after, int64_t *ids,
                             size_t max); /* that have a name */
/* Taken behind the steps of that job (0: any) before then. */
ssize_t store_list_step_snapshots(struct store *st, int64_t job_id, int64_t before, int64_t after,
                                  int64_t *ids, size_t max);
ssize_t store_list_commands(struct store *st, int64_t machine_id, int64_t after, int64_t *ids, size_t max);

/* Machines and layers are numbered by who makes them, so these insert or update; the numbers that were ever
 * given are below store_next_id(). Snapshots and commands: id 0 inserts. */
enum numbered { NUMBERED_MACHINES, NUMBERED_LAYERS };
int64_t store_next_id(struct store *st, enum numbered what);
int store_put_machine(struct store *st, struct machine_row *row, struct err *err);
int store_put_layer(struct store *st, struct layer_row *row, struct err *err);
int store_put_snapshot(struct store *st, struct snapshot_row *row, struct err *err);
int store_put_command(struct store *st, struct command_row *row, struct err *err);
/* With its transitions, commands and those snapshots that are no step's. */
int store_delete_machine(struct store *st, int64_t id, struct err *err);
int store_delete_snapshot(struct store *st, int64_t id, struct err *err);

/* What a machine went through, in order. */
int store_put_transition(struct store *st, int64_t machine_id, const char *state, const char *why, int64_t at,
                         struct err *err);
typedef int transition_fn(void *data, const char *state, const char *why, int64_t at);
int store_each_transition(struct store *st, int64_t machine_id, transition_fn *fn, void *data);

/* Layers that no snapshot and no kept machine stands on, nor one of those, ascending. */
ssize_t store_list_unused_layers(struct store *st, int64_t after, int64_t *ids, size_t max);
ssize_t store_list_layers(struct store *st, int64_t after, int64_t *ids, size_t max);
int store_delete_layer(struct store *st, int64_t id, struct err *err);
/* Everything that stood on `old` stands on `new`, which has the same files. */
int store_replace_layer(struct store *st, int64_t old, int64_t new, struct err *err);
/* A layer that is lost, with all that stands on it: layers and snapshots; kept machines begin anew. */
int store_drop_layer(struct store *st, int64_t id, struct err *err);
/* Layers up to that one are on disk for good. */
int store_layers_durable(struct store *st, int64_t last, struct err *err);
int64_t store_count_volatile_layers(struct store *st);

#endif
