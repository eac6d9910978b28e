/*
 * Roles as they are written: a JSON object in the format of terraphim's configurations, or a whole
 * configuration of several. Pure functions over texts.
 */
#ifndef RUNFS_ROLES_H
#define RUNFS_ROLES_H

#include <jansson.h>
#include <stdbool.h>

#include "runfs/arena.h"
#include "runfs/err.h"

enum relevance { RELEVANCE_TITLE, RELEVANCE_BM25, RELEVANCE_GRAPH };
const char *relevance_name(enum relevance relevance); /* as it is written */

enum {
    ROLES_MAX = 60,
    HAYSTACKS_MAX = 64, /* of one role */
    PATTERNS_MAX = 32,  /* of one haystack */
    ROLE_TEXT_MAX = 4096
};

struct haystack {
    const char *location;        /* as written: absolute, or relative to each linked repository */
    const char *const *patterns; /* of file names: "*.yml" */
    size_t n_patterns;           /* 0: every file */
};

struct role {
    const char *name, *shortname, *theme;
    enum relevance relevance;
    const char *kg; /* where its concepts are, as written; NULL: none */
    const struct haystack *haystacks;
    size_t n_haystacks;
    const char *system_prompt; /* "" without */
    json_t *json;              /* borrowed: the role's object, whole */
};

struct role_file {
    struct arena arena;
    json_t *json; /* owned; the strings of the roles are in it */
    struct role *roles;
    size_t n;
    const char *selected; /* the role that it would have selected; NULL: it says none */
};

/*
 * Reads one role, or a whole configuration ({"roles": {NAME: role, ...}}). -EINVAL with
 * "FILE (Line: L, Col: C): what" where it is no JSON, else "FILE: where: what". ret begins zeroed and is
 * released in any case.
 */
int role_file_read(const char *file, const char *text, size_t len, struct role_file *ret, struct err *err);
void role_file_release(struct role_file *f);
#define _role_file_ _cleanup_(role_file_release)

/* Whether a text ends inside of a list or an object of JSON: there may be more to come. */
bool role_file_is_cut(const char *text, size_t len);

/* ---------------------------------------------------------------------------------------------- concepts */

enum { CONCEPT_SYNONYMS_MAX = 256, CONCEPT_SIZE_MAX = 256 * 1024 };

struct concept_page {
    struct arena arena;
    const char *name;            /* its first heading, or the file's name without its suffix */
    const char *const *synonyms; /* its name, its file's name, and those of `synonyms::` */
    size_t n_synonyms;
    const char *path; /* for who reads it to note where it is */
};

/*
 * A page of Markdown with a line `synonyms:: a, b` is a concept. What stands in a fenced block is not read.
 * -ENOENT: it is none. ret begins zeroed and is released in any case.
 */
int concept_read(const char *file, const char *text, size_t len, struct concept_page *ret);
void concept_page_release(struct concept_page *c);
#define _concept_page_ _cleanup_(concept_page_release)

#endif
