/* Images of Docker actions that have a Dockerfile, built in sandboxes. */
#ifndef RUNFS_JOB_DOCKERFILE_BUILD_H
#define RUNFS_JOB_DOCKERFILE_BUILD_H

#include "runfs/container_site.h"
#include "runfs/dockerfile.h"
#include "runfs/oci.h"

/* An image that is to be built of a Dockerfile. All borrowed. */
struct image_build {
    const char *name; /* of the action, for messages */
    const char *file; /* of the Dockerfile, for messages */
    const char *text;
    int context_fd;           /* a tar of the directory that it is in, a regular file */
    struct machine *beside;   /* the job's, whose network and limits hold for the build, too */
    int64_t deadline_mono_ns; /* 0: none */
    /* each step as a line, and what its commands print, as it comes */
    int (*output)(void *data, const char *bytes, size_t len);
    void *data;
};

/*
 * Builds it, unless it has been built of just the same before. Its name: owned. Each stage is built in a
 * machine of what it begins with; what that writes is a layer of the stage's image. The image is called by
 * what it was built of, the Dockerfile, the files beside it and the images that it begins with, so what was
 * built once is found again.
 */
int dockerfile_build(const struct container_site *site, const struct image_build *of, char **ret_image,
                     struct err *err);

/* ------------------------------------------------------------------------ between the files of a build */

/* What is built between a FROM and the next. */
struct dockerfile_stage {
    char *name;             /* owned: `AS name`; NULL: none */
    char *image;            /* owned: as which it is kept when it is built; NULL: not yet */
    struct container *base; /* owned: what it begins with; NULL: nothing, or `earlier` */
    ptrdiff_t earlier;      /* the stage that it begins with; -1: none */
    size_t begin, end;      /* its instructions */
    bool needed;            /* by the last one */
};

struct build {
    const struct image_build *of;
    const struct container_site *site;
    struct container_place place;
    struct dockerfile d;             /* owned */
    json_t *globals;                 /* owned: ARG before the first FROM */
    struct dockerfile_stage *stages; /* owned */
    size_t n_stages;
    char key[OCI_HEX + 1]; /* by what it is built of */
    /* the stage at work. All owned */
    size_t stage;            /* which */
    struct oci_image image;  /* so far; its record is NULL: nothing */
    char *tools;             /* the runner's, over images */
    int tools_lock;          /* which keeps them here */
    struct machine *machine; /* NULL: none */
    char *machine_user;      /* whose its commands are; "" root's */
    bool context;            /* the files beside the Dockerfile are in it */
    json_t *env, *args;      /* objects of strings */
    json_t *shell, *entrypoint, *command;
    char *user, *directory;
    bool own_command; /* CMD was said here */
    struct err *err;  /* never NULL */
};

/* ---------------------------------------------------------- dockerfile_build.c */

/* One command in a machine of the build: its exit code, or -errno. */
struct build_command {
    const char *const *argv, *const *env;
    const char *cwd;
    struct machine_file *put; /* a file to be written first; NULL */
    int out_fd;               /* where what it prints goes; 0: to the log */
};
int build_run(struct build *b, struct machine *m, const struct build_command *c);
/* The machine of the stage, with that user ("" root) for its commands. */
int build_machine(struct build *b, const char *user);
/* One of an image, only to be read. The caller's, by build_release_machine(). */
int build_open_image(struct build *b, const char *image, struct machine **ret);
void build_release_machine(struct build *b, struct machine *m);
/* An empty file without a name, of the state directory's file system. -errno with words. */
int build_scratch(struct build *b);
int build_refuse(struct build *b, const struct dockerfile_instruction *in, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int build_no_memory(const struct build *b);
int build_say(struct build *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* a line of the log */

/* dockerfile_stages.c: the stages, and those that are needed; then the key, for which what these begin with
 * is brought here. */
int build_find_stages(struct build *b);
int build_find_key(struct build *b);

/* dockerfile_steps.c: does what it says to the stage at work. */
int build_instruction(struct build *b, const struct dockerfile_instruction *in);
/* A word of ARG, put into an object. One without a value has that of the ARG before the first FROM, or none.
 */
int build_argument(struct build *b, const struct dockerfile_instruction *in, json_t *into, const char *word);
/* "NAME=value" of each; those of `less` that env does not have, too. Owned. */
json_t *build_variables(const json_t *env, const json_t *less);
/* Absolute, of one that WORKDIR holds for. Owned; NULL: no memory. */
char *build_path(const struct build *b, const char *path);

/* dockerfile_copy.c: COPY and ADD. words: what they come to. */
int build_copy(struct build *b, const struct dockerfile_instruction *in, char *const *words);

#endif
