/*
 * What a job asks of the world outside its machine. Where the job runs for this process's engine,
 * core/run/local.c answers from the store, the linked repository and git; a job that runs for another host
 * may find some of it missing: a function that is NULL is not to be had there.
 *
 * Each function returns 0 or -errno with a sentence, blocks, and is called on the thread of the job. Trees
 * travel as tar streams in descriptors.
 */
#ifndef RUNFS_OUTSIDE_H
#define RUNFS_OUTSIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "runfs/room.h"

/* What to check out. All borrowed. */
struct checkout {
    const char *repository;      /* "owner/name"; "": the run's own */
    const char *ref;             /* branch, tag or commit; "": the run's own */
    int depth;                   /* 0: all history */
    bool tags;                   /* all of them, however shallow it is */
    bool submodules, nested;     /* nested: those of submodules too */
    const char *filter, *sparse; /* "" without; sparse: patterns, a line each */
    bool cone;                   /* sparse names directories */
    const char *token;           /* for the server; "" without */
};
struct checked_out {
    int tar_fd; /* given away */
    char *ref;  /* owned: the outputs `ref` and `commit`; "" where there is none */
    char *sha;
    char *words; /* owned: lines for the log */
};
void checked_out_release(struct checked_out *c);

/* What to upload. All borrowed. */
struct upload {
    const char *name;
    int retention_days;  /* 0: the default */
    bool overwrite, raw; /* raw: the tar has one file, which is kept as it is */
    struct room *room;   /* holds what the tar takes */
};
struct uploaded {
    int64_t id, size;
    char digest[72]; /* "sha256:..." */
};

/* A file on its way, and the room that is held for it as it grows. */
struct scratch {
    int fd; /* owned; -1: none */
    struct room room;
};
void scratch_release(struct scratch *s);
#define _scratch_ _cleanup_(scratch_release)

struct job_outside {
    void *data;

    /* The tree of an action's repository ("owner/name") at a ref, and the commit that this is. */
    int (*action)(void *data, const char *repository, const char *ref, char ret_sha[41], int *ret_tar_fd,
                  struct err *err);
    /* Whether config/actions_mirror is set and has that repository. */
    bool (*mirrored)(void *data, const char *repository);
    /* A work tree with its .git, as actions/checkout makes one. */
    int (*checkout)(void *data, const struct checkout *what, struct checked_out *ret, struct err *err);

    /* Artifacts of the run. list: an array of {id, name, size}, of another run where run_id is not 0. */
    int (*artifact_put)(void *data, const struct upload *what, int tar_fd, struct uploaded *ret,
                        struct err *err);
    int (*artifact_list)(void *data, int64_t run_id, json_t **ret, struct err *err);
    int (*artifact_get)(void *data, int64_t id, int *ret_tar_fd, struct err *err);
    int (*artifact_delete)(void *data, int64_t id, struct err *err); /* of this run only: -ENOENT */

    /* keys[0] is the key, the others are restore keys. *ret_key is NULL for a miss, else owned, with a file.
     */
    int (*cache_get)(void *data, const char *const *keys, size_t n, const char *version, char **ret_key,
                     int *ret_fd, struct err *err);
    /* The file is read from its start. -EEXIST: it is there already, or being saved. -EACCES: the job's
     * cache-mode keeps it from saving (one that keeps it from reading makes all misses). */
    int (*cache_put)(void *data, const char *key, const char *version, int fd, struct err *err);

    /*
     * Behind a step that went well: a snapshot of the machine, if one is wanted, with what the job knows;
     * whether one was taken. Behind one that failed: back to the last of them, if config/auto_rollback says
     * so; 1 when that was done.
     */
    bool (*step_passed)(void *data, size_t step, int64_t took_ns, json_t *state);
    int (*step_failed)(void *data, struct err *err);

    /* An empty file without a name, for what is to be kept as an artifact or a cache. */
    int (*scratch)(void *data, enum room_of of, struct scratch *ret, struct err *err);
    /* The environment that actions in JavaScript need to reach services (ACTIONS_...): borrowed, may be NULL.
     */
    int (*services)(void *data, json_t **ret_env, struct err *err);
};

#endif
