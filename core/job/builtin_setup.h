/* What the parts of the built-in setup actions share. Private to builtin_setup*.c. */
#ifndef RUNFS_JOB_BUILTIN_SETUP_H
#define RUNFS_JOB_BUILTIN_SETUP_H

#include "builtin.h"
#include "version_range.h"

struct candidate;

/* One of these actions: what it sets up, how that is found, and what it gives. Lists in `places` and
 * `programs` are words of the shell's, with its patterns. */
struct toolchain {
    const char *repository; /* "actions/setup-node" */
    const char *tool;       /* for people: "Node.js" */
    const char *version_input, *file_input;
    const char *default_files;     /* looked at when nothing is asked for, with blanks between; "" none */
    const char *places, *programs; /* directories behind the PATH; names in each */
    const char *ask;               /* arguments that make it tell its version on a line */
    const char *version_output, *path_output; /* NULL: none */
    const char *output_prefix;                /* of the version output */
    const char *ignored; /* inputs that mean nothing where nothing is downloaded, with blanks */
    int (*alias)(const char *asked,
                 const struct version *v); /* words that are no range: 1, 0, or -1: no such word */
    /* Sets what it needs in the environment; ret_dir: the directory for the PATH. */
    int (*activate)(struct running_step *s, const struct candidate *c, struct buf *ret_dir, struct err *err);
    bool always_in_path; /* also where the PATH has it already */
};

/* A program that may be it. */
struct candidate {
    char *program; /* owned */
    struct version version;
    char text[64]; /* the version, as its program wrote it */
    bool first_in_path;
};

struct candidates {
    struct candidate *list; /* owned */
    size_t n;
};
void candidates_release(struct candidates *c);

/* What the machine has, each version once, those of the PATH first. */
int setup_find(struct running_step *s, const struct toolchain *t, struct candidates *ret, struct err *err);
/* The first that is of the version; where none is, err says what there is and what to do. */
int setup_choose(const struct toolchain *t, const struct candidates *all, const char *asked,
                 const struct candidate **ret, struct err *err);

/* The version that a file asks for, appended to ret (""  where it asks for none). -ENOENT: there is no such
 * file. */
int setup_version_file(struct running_step *s, const struct toolchain *t, const char *file, struct buf *ret,
                       struct err *err);

/* The `cache` input: restores, and leaves in the use what its post saves. */
int setup_cache(struct running_step *s, struct use *u, const struct toolchain *t, const struct version *v,
                struct err *err);

/* Runs a script of the runner's own as the step would, with its PATH; what it prints is appended. Returns its
 * exit code or -errno. */
int setup_shell(struct running_step *s, const char *script, struct buf *out, struct err *err);

#endif
