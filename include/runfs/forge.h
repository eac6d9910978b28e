/*
 * Whose workflow a file is: GitHub's, Gitea's or Forgejo's, which read the same language with some words of
 * their own. The folder that it lies in says so (Gitea documentation, "Compared to GitHub Actions"; Forgejo
 * documentation, "Forgejo Actions | Reference").
 */
#ifndef RUNFS_FORGE_H
#define RUNFS_FORGE_H

#include <stdbool.h>
#include <stddef.h>

/* Kept in the store by their numbers. */
enum forge {
    FORGE_GITHUB,
    FORGE_GITEA,
    FORGE_FORGEJO,
    FORGES,
    /* of a file that lies in nobody's folder: GitHub's, unless only the others take it */
    FORGE_UNKNOWN = FORGES
};

const char *forge_folder(enum forge f); /* ".gitea/workflows" */
const char *forge_top(enum forge f);    /* ".gitea" */
const char *forge_prefix(enum forge f); /* of its environment variables: "GITEA" */
/* Whose folder a path begins with, and what is behind it: ".gitea/workflows/ci.yml" gives "ci.yml".
 * FORGE_UNKNOWN, and the path itself: nobody's. ret_rest may be NULL. */
enum forge forge_of_path(const char *path, const char **ret_rest);
/* By what lies above an absolute path, the nearest: "/r/.gitea/actions/a/action.yml" is Gitea's. *ret_len:
 * how much of the path stands before that ("/r"). FORGE_UNKNOWN: nothing of the kind. */
enum forge forge_around(const char *path, size_t *ret_len);
/* Whether that is a name of the github context elsewhere: gitea, forgejo, forge, in whatever case. */
bool forge_is_context(const char *name, size_t len);
/* What stands behind "https://HOST/" (or http) in a reference to another repository; all of it where that is
 * not there. */
const char *forge_behind_host(const char *reference);
/* By the names that a text uses: who else may take what GitHub does not; FORGE_GITHUB: nobody. */
enum forge forge_of_text(const char *text, size_t len);

#endif
