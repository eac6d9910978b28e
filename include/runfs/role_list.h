/*
 * The roles that lie in roles/, read again when one of their files changed. Not for several threads at once.
 */
#ifndef RUNFS_ROLE_LIST_H
#define RUNFS_ROLE_LIST_H

#include "runfs/roles.h"
#include "runfs/store.h"

/* One of them: each name once, as searching finds the first of a name only. */
struct listed_role {
    int64_t id;       /* stays as long as its file is not written anew */
    const char *slug; /* its directory; unique, and never the name of a file in roles/ */
    const struct role *role;
};

struct role_list {
    uint64_t stamp;          /* of the settings that it was read from; 0: not read */
    uint64_t as_of;          /* store_as_of() all settings, when the stamp was found to be this */
    struct role_file *files; /* owned */
    size_t n_files;
    char *selected; /* owned; NULL: roles/selected is not there */
    struct arena arena;
    struct listed_role *roles; /* in the arena, by ascending ids */
    size_t n;
};

/* 1: it was read again, and what was borrowed from it is gone. list begins zeroed. */
int role_list_refresh(struct role_list *list, struct store *st);
void role_list_release(struct role_list *list);

/* By name or short name; NULL: the one that roles/selected names, else the first. NULL: there is none. */
const struct role *role_list_get(const struct role_list *list, const char *name);
const struct listed_role *role_list_by_id(const struct role_list *list, int64_t id);         /* NULL: none */
const struct listed_role *role_list_by_slug(const struct role_list *list, const char *slug); /* NULL: none */

#endif
