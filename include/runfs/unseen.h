/*
 * Characters that whoever reads a text does not see, or that make him see another: controls (but tabs, line
 * feeds and the carriage returns before them), marks of direction, of zero width, tags, separators of lines,
 * private ones, and what is no character. The selector that colours an emoji, right behind it, is none of
 * them.
 */
#ifndef RUNFS_UNSEEN_H
#define RUNFS_UNSEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unseen {
    uint32_t code;
    size_t at, len; /* where it stands, in bytes */
    int line, col;  /* from 1, in characters */
};

/* The first one of a text, which is valid UTF-8. */
bool unseen_find(const char *text, size_t len, struct unseen *ret);
/* Question marks for all of them: a text of others, for a terminal. Valid UTF-8. */
void unseen_replace(char *text);

#endif
