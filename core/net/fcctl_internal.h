/* The inside of the server of fcctl-web's API. Private to core/net/fcctl*.c. */
#ifndef RUNFS_FCCTL_INTERNAL_H
#define RUNFS_FCCTL_INTERNAL_H

#include <pthread.h>

#include "runfs/fcctl.h"
#include "runfs/http.h"
#include "runfs/machine.h"
#include "runfs/vms.h"

enum { ID_SIZE = 24, SNAPSHOTS_MAX = 100 };

enum vm_status { VM_CREATING, VM_RUNNING, VM_FAILED };

/* One machine of a caller. All but what `busy` guards is guarded by the server's lock. */
struct fvm {
    struct fvm *next;
    char id[ID_SIZE], name[64], type[64];
    int64_t created_at;
    enum vm_status status;
    struct err why;          /* of failed */
    struct machine *machine; /* owned; used by who is busy with it */
    bool busy, going;
    struct http_request *asker; /* whose command runs; NULL: none. When it goes, the command is killed */
    unsigned snapshots;
};

struct fcctl {
    struct http_server *http;
    struct store *store;
    struct machines *machines;
    char *label; /* owned */
    unsigned char key[FCCTL_KEY_MAX];
    size_t key_len;
    unsigned max_machines;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fvm *first;
    unsigned n, makers; /* machines; threads that make them */
    uint64_t executions;
    bool ending, has_watcher;
    pthread_t watcher;
};

/* fcctl.c */
void fcctl_refuse(struct http_request *r, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The object of the body; NULL when there is none: then the request is answered. */
json_t *fcctl_body(struct http_request *r);
/* A string of it that is at most max bytes; `fallback` when it is not there. NULL: answered. */
const char *fcctl_text(struct http_request *r, json_t *body, const char *name, size_t max,
                       const char *fallback);

/* fcctl_vms.c */
http_fn fcctl_create, fcctl_list, fcctl_show, fcctl_delete, fcctl_snapshot, fcctl_rollback;
/* Takes a machine for this request, waiting for who has it; NULL: answered. */
struct fvm *fcctl_take(struct http_request *r, const char *id);
void fcctl_give_back(struct fcctl *f, struct fvm *vm);
/* Ten times a second, at least: a look at whether it is worth waiting on. With the lock held. */
void fcctl_wait_a_little(struct fcctl *f);
void fcctl_release_all(struct fcctl *f); /* nobody asks any more */

/* fcctl_execute.c */
http_fn fcctl_execute;
void *fcctl_watch(void *data); /* kills commands whose callers have gone, until ending */

#endif
