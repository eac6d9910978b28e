/* A service: private to services.c, service_run.c and service_ports.c. */
#ifndef RUNFS_JOB_SERVICE_INTERNAL_H
#define RUNFS_JOB_SERVICE_INTERNAL_H

#include <pthread.h>

#include "job_internal.h"
#include "runfs/services.h"

enum { SERVICES_MAX = 16, SERVICE_PORTS_MAX = 64, SERVICE_LOG_MAX = 1024 * 1024 };

struct service {
    char *name;                  /* owned */
    struct container *container; /* owned */
    struct machine *machine;     /* owned; NULL: it is not there */
    struct machine_port ports[SERVICE_PORTS_MAX];
    size_t n_ports;
    char **argv, **env;  /* owned */
    pthread_t thread;    /* runs its command */
    bool started, ready; /* the thread was; it is healthy, or nobody says when it would be */
    int64_t started_ns;
    atomic_bool ending; /* for what runs in its lanes */

    pthread_mutex_t lock; /* guards these */
    struct buf log;       /* what it said last */
    bool cut;             /* it had said more */
    bool ended;
    int exit_code;
    char *why; /* owned: why it never started; NULL */
};

struct services {
    struct services_opts opts; /* without label; title and network owned */
    struct machine_net *net;   /* owned */
    enum machine_network kind;
    struct machine_limits limits;
    struct service list[SERVICES_MAX];
    size_t n;
};

/* service_ports.c: reads `ports` of a service. */
int service_ports(struct service *s, struct err *err);
/* Maps all to the localhost of the job's machine, if it is not in a container. */
int services_map(struct services *all, struct running_job *j, struct err *err);
/* {"6379": "49153"} */
json_t *service_ports_context(const struct service *s);

/* service_run.c: its machine, and its command in it. */
int service_start(struct services *all, struct service *s, struct err *err);
/* Until it is healthy, or has failed often enough: 0 or -EIO, with why; -ECANCELED: the job is unwanted. */
int service_await(struct service *s, struct running_job *j, struct step_output *log, struct err *err);
void service_stop(struct service *s);
bool service_ended(struct service *s, int *ret_exit_code, char **ret_why); /* why: to be freed */

#endif
