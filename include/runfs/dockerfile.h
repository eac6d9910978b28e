/*
 * A Dockerfile, read (docs.docker.com/reference/dockerfile): its instructions, and what their arguments come
 * to. Nothing of it is carried out here.
 */
#ifndef RUNFS_DOCKERFILE_H
#define RUNFS_DOCKERFILE_H

#include <jansson.h>
#include <stdbool.h>

#include "runfs/cleanup.h"
#include "runfs/err.h"

enum { DOCKERFILE_MAX = 1 << 20 };

/* All owned. */
struct dockerfile_instruction {
    unsigned line; /* where it begins, from 1 */
    char *name;    /* in capitals */
    char *text;    /* what follows its name, continued lines as one */
    json_t
        *options; /* what stands first in that: {"from": "build", ...} for --from=build; without a value "" */
    json_t *documents; /* its here-documents, in order: [NAME, text] each; a "-" has been obeyed */
};

struct dockerfile {
    struct dockerfile_instruction *list; /* owned */
    size_t n;
    char escape; /* '\\', or what its directive says */
};
/* -EINVAL with words that begin with `file` and the line. One that has no FROM, or something else but ARG
 * before it, is in error. */
int dockerfile_parse(const char *file, const char *text, struct dockerfile *ret, struct err *err);
void dockerfile_release(struct dockerfile *d);
#define _dockerfile_ _cleanup_(dockerfile_release)

/*
 * The words of a text, with variables in the place of $NAME, ${NAME}, ${NAME:-word}, ${NAME-word},
 * ${NAME:+word} and ${NAME+word}, but for those in single quotes, and without quotes and escapes. variables:
 * an object of strings. strv_free(). NULL with -EINVAL in *err: a quote or a brace is not closed.
 */
char **dockerfile_words(const struct dockerfile *d, const char *text, const json_t *variables,
                        struct err *err);
/* The same of a text that is one word, spaces and all. Owned. */
char *dockerfile_word(const struct dockerfile *d, const char *text, const json_t *variables, struct err *err);
/* ["a", "b"] as it stands in CMD and the like; NULL: it is of the other form, a line for a shell. */
json_t *dockerfile_list(const char *text);

/* dockerfile_ignore.c: whether a .dockerignore of that text leaves the path out, which is relative to where
 * it lies. The last of its patterns that is the path, or a directory of it, decides
 * (docs.docker.com/build/concepts/context). */
bool dockerfile_ignores(const char *text, const char *path);

#endif
