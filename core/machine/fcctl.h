/* Between the files of the fcctl backend. */
#ifndef RUNFS_FCCTL_BACKEND_H
#define RUNFS_FCCTL_BACKEND_H

#include "core/machine/machine_internal.h"
#include "runfs/http_client.h"

enum { FCCTL_ID_MAX = 128, FCCTL_ANSWER_MAX = 128 * 1024 * 1024 };

/* One virtual machine of that server. */
struct fcctl_vm {
    struct machines *ms;   /* borrowed: whose settings say where the server is */
    char id[FCCTL_ID_MAX]; /* "" until it is made */
    char session[64];      /* what its commands are known by there */
    int fd;                /* the agent's end of the control socket; -1: not there */
    bool running;          /* the thread that speaks for an agent */
    pthread_t thread;
    struct buf in; /* from the daemon, from in_at on not yet looked at */
    size_t in_at;
    bool over;             /* the daemon has closed its end, or what it said makes no sense */
    bool deaf;             /* a request ends by itself only */
    enum frame_type stop;  /* FRAME_INTERRUPT or FRAME_KILL, since the command began; 0: neither */
    struct buf puts, file; /* a script that puts files; what the last one holds so far */
    char *path;            /* owned: of the last one; NULL: none */
    uint32_t mode;
    bool crowded; /* they are more than a request may hold */
};

/*
 * One request to the server that is set now, with the token that is set now; the answer's JSON (NULL: none).
 * Whatever is no success is an error, in the server's own words. t: then it ends when the daemon wants it to;
 * may be NULL. *ret_status: of HTTP, 0 without an answer; may be NULL.
 */
int fcctl_call(struct machines *ms, struct fcctl_vm *t, const char *method, const char *path,
               json_t *body_take, int timeout_ms, json_t **ret, int *ret_status, struct err *err);

/* fcctl_agent.c: a thread that speaks the agent's protocol on t->fd, until its other end is closed. */
void *fcctl_agent(void *t);
/* Takes what the daemon has said meanwhile. True: the request that runs is not wanted any more. */
bool fcctl_unwanted(void *t);

/* What goes to the daemon, as from an agent. */
void fcctl_answer(struct fcctl_vm *t, const struct buf *frames);
void fcctl_answer_bytes(struct fcctl_vm *t, enum frame_type type, const char *bytes, size_t len);

/* fcctl_command.c: what the daemon says of a command, and the end of all that one left. */
void fcctl_put(struct fcctl_vm *t, const struct frame *f);
void fcctl_put_data(struct fcctl_vm *t, const struct frame *f);
void fcctl_exec(struct fcctl_vm *t, const struct frame *f);
void fcctl_kill(struct fcctl_vm *t);

/* fcctl_script.c */
struct fcctl_result {
    int exit_code;
    json_t *answer; /* owned; what follows points into it */
    const char *out, *errors;
    size_t out_len, errors_len;
    const char *why; /* NULL, or what the server says of it */
};
void fcctl_result_release(struct fcctl_result *r);
/* Runs a script there. The server is told to end it after ms, and believed to have for a moment longer: then
 * -ETIMEDOUT. */
int fcctl_script(struct fcctl_vm *t, const char *script, int64_t ms, struct fcctl_result *ret,
                 struct err *err);
/* The same of one that is not to fail: what it says on stderr is the error. */
int fcctl_step(struct fcctl_vm *t, const char *script, struct fcctl_result *ret, struct err *err);
/* A word of a script: quoted, and written in ASCII if it is no UTF-8, which JSON has to be. That is by bash's
 * $'...', and scripts there are run by bash. */
void fcctl_add_word(struct buf *b, const char *word);
/* A tree, as a tar stream in parts, and where it is put. */
int fcctl_put_part(struct fcctl_vm *t, const struct buf *part, bool first, struct err *err);
int fcctl_put_end(struct fcctl_vm *t, const char *dir, struct err *err);
/* At most FCCTL_PART bytes of a file there, from `at` on; appended. */
int fcctl_get_part(struct fcctl_vm *t, const char *path, uint64_t at, struct buf *ret, struct err *err);
#define FCCTL_TREE "/tmp/.runfs-tree"
enum { FCCTL_PART = 4 * 1024 * 1024 };

#endif
