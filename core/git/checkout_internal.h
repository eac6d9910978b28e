/* What the parts of checkout.c share. */
#ifndef RUNFS_GIT_CHECKOUT_INTERNAL_H
#define RUNFS_GIT_CHECKOUT_INTERNAL_H

#include "runfs/buf.h"
#include "runfs/checkout.h"

bool checkout_exists(const char *dir, const char *name);
/* Runs a program of the host; where it fails, err begins with `what`. */
int checkout_run(const char *const argv[], const char *cwd, const char *what, struct err *err);

/*
 * Puts what is not committed into the tree in dir, whose commit is sha ("" without), and says so in words.
 * Where git may not look at the work tree it is left out, which the words tell.
 */
int checkout_uncommitted(const struct checkout_source *from, const char *dir, const char *sha,
                         struct buf *words, struct err *err);

/* A work tree, or a bare repository. */
bool checkout_is_git(const char *path);

/*
 * Checks out the submodules of the tree in dir, whose HEAD is what is wanted. checkout: the linked checkout
 * that it is of, NULL without; mirror: the directory of mirrors that it is from, NULL without.
 */
int checkout_submodules(const struct checkout *what, const char *dir, const char *checkout,
                        const char *mirror, struct err *err);

#endif
