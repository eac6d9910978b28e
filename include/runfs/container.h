/*
 * The container of a job, and those of Docker actions: what a workflow says of one, read; and its image,
 * brought here. A container is a sandbox whose root is the image (runfs/oci.h).
 */
#ifndef RUNFS_CONTAINER_H
#define RUNFS_CONTAINER_H

#include <jansson.h>
#include <stdatomic.h>

#include "runfs/cleanup.h"
#include "runfs/expr.h"
#include "runfs/machine.h"
#include "runfs/mask.h"
#include "runfs/oci.h"
#include "runfs/workflow.h"

/* When a service is ready: `docker create --health-...`, else what its image says. Times in ns. */
struct health {
    json_t *test; /* owned: as images have it, {"CMD", ...} or {"CMD-SHELL", text}; NULL: it has none */
    bool none;    /* whatever the image says */
    int64_t interval, timeout, start_period; /* 0: as usual, but for the last */
    unsigned retries;
};

/* All owned. */
struct container {
    char *where;      /* what it is of in the workflow, for messages: "container", "services.NAME" */
    bool service;     /* the latter: it runs the image's command */
    json_t *ports;    /* of a service: as they were said, texts */
    json_t *aliases;  /* of a service: more names of it */
    char *directory;  /* of a service: where its command starts */
    bool other_entry; /* entrypoint is not the image's, whose command then is not meant either */
    struct health health;
    char *login, *password; /* of a service, until its image is fetched: NULL or for its registry */
    char *name;             /* of the image, as it was asked for */
    char *image;            /* "sha256:..." */
    struct oci_image held;  /* that: nobody takes it away before its machine is there */
    char *tools;            /* a layer with what the runner needs in it */
    int tools_lock;         /* likewise; -1 */
    bool node;              /* what runs actions in JavaScript is among that; else the image's own may */
    json_t *env;            /* of strings: the image's, then those of the container */
    json_t *entrypoint, *command; /* of the image: arrays; NULL: none */
    char *user;                   /* NULL: root */
    char *hostname;               /* NULL: as usual */
    json_t *volumes;              /* array of paths inside that are there, if only empty */
    struct machine_limits limits; /* what it is bound to beyond its label's; 0: nothing */
    struct buf said, warnings;    /* for the log, a line each */
};
void container_free(struct container *c);
static inline void cleanup_container(struct container **c)
{
    container_free(*c);
}
#define _container_ _cleanup_(cleanup_container)
/* Of its label's limits and its own the lower ones. */
void container_limit(const struct container *c, struct machine_limits *limits);
/* Its volumes, empty directories in its machine. */
int container_make_volumes(const struct container *c, struct machine *m, struct err *err);

/* What is needed besides the workflow. Pointers are borrowed. */
struct container_place {
    const char *dir;              /* the state directory, with the images */
    const char *agent;            /* see struct oci_pull */
    char registries[1024];        /* likewise */
    int64_t most;                 /* likewise */
    bool settled;                 /* no registry is asked about an image that is here already */
    struct mask *mask;            /* learns passwords; NULL */
    const atomic_bool *cancelled; /* fetching an image ends then; NULL */
};

/*
 * Reads what a job says, and brings the image here. NULL in *ret: there is none, as when the name of the
 * image comes out empty. env: contexts, with `env`. file: the workflow's, for messages.
 */
int container_of_job(const struct container_place *p, const struct token *t, const char *file,
                     const struct expr_env *env, struct container **ret, struct err *err);
/* One of an image and nothing more. */
int container_of_image(const struct container_place *p, const char *image, struct container **ret,
                       struct err *err);

/* A service of that name, without its image: value is what stands there, evaluated. NULL in *ret: none, as
 * its image is "". */
int container_of_service(const struct container_place *p, const char *name, const json_t *value,
                         struct container **ret, struct err *err);
/* Brings the image of a service here, as oci_pull() does, and adds what that says of itself where the
 * workflow says nothing. */
int container_fetch(const struct container_place *p, struct container *c, struct err *err);

/* container_options.c: what `docker create` takes. What cannot be done is a warning that names it. */
int container_options(struct container *c, const char *options, struct err *err);
/* One of `volumes`. -EINVAL: it is a directory of the host. */
int container_volume(struct container *c, const char *volume, struct err *err);
/* Words as a shell has them, with quotes and backslashes; strv_free(). NULL: a quote is not closed, or there
 * is no memory. */
char **container_words(const char *text);

#endif
