/*
 * The container of a job, and those of Docker actions: what a workflow says of one, read; and its image,
 * brought here. A container is a sandbox whose root is the image (runfs/oci.h).
 */
#ifndef RUNFS_CONTAINER_H
#define RUNFS_CONTAINER_H

#include <jansson.h>
#include <stdatomic.h>

#include "runfs/expr.h"
#include "runfs/machine.h"
#include "runfs/mask.h"
#include "runfs/workflow.h"

/* All owned. */
struct container {
    char *name;  /* of the image, as it was asked for */
    char *image; /* "sha256:..." */
    char *tools; /* a layer with what the runner needs in it */
    bool node;   /* what runs actions in JavaScript is among that; else the image's own may */
    json_t *env; /* of strings: the image's, then those of the container */
    json_t *entrypoint, *command; /* of the image: arrays; NULL: none */
    char *user;                   /* NULL: root */
    char *hostname;               /* NULL: as usual */
    json_t *volumes;              /* array of paths inside that are there, if only empty */
    struct machine_limits limits; /* what it is bound to beyond its label's; 0: nothing */
    struct buf said, warnings;    /* for the log, a line each */
};
void container_free(struct container *c);

/* What is needed besides the workflow. All borrowed. */
struct container_place {
    const char *dir;              /* the state directory, with the images */
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

/* container_options.c: what `docker create` takes. What cannot be done is a warning that names it. */
int container_options(struct container *c, const char *options, struct err *err);
/* One of `volumes`. -EINVAL: it is a directory of the host. */
int container_volume(struct container *c, const char *volume, struct err *err);
/* Words as a shell has them, with quotes and backslashes; strv_free(). NULL: a quote is not closed, or there
 * is no memory. */
char **container_words(const char *text);

#endif
