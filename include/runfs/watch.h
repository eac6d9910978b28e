/*
 * Hearing what changed below a directory (inotify), so that it need not be walked to see that nothing did.
 * What cannot be heard (the file system does not tell, the kernel's limits are reached, events were lost) is
 * always answered with: walk. One thread at a time.
 */
#ifndef RUNFS_WATCH_H
#define RUNFS_WATCH_H

#include <stdint.h>

enum {
    WATCHES_MAX = 16384,      /* directories, of all watches together */
    WATCH_INSTANCES_MAX = 64, /* watches that hear anything */
    WATCH_NAMES_MAX = 1024,   /* files that changed between two looks; more: walk */
    WATCH_SECONDS = 300       /* after which it is to be walked anyhow: writing through a mapping is silent */
};

struct watch;

struct watch *watch_new(const char *root); /* NULL: no memory. Until it was walked, it says: walk. */
void watch_free(struct watch *w);          /* NULL allowed */

/* Around a walk: begin; each directory before its entries are read; end. */
void watch_begin(struct watch *w);
void watch_directory(struct watch *w, const char *path);
void watch_end(struct watch *w);
/* As if it was never walked. */
void watch_forget(struct watch *w);

/* 1: walk. 0: nothing changed but the files that fn was called with, which may be there or not, each once;
 * fn: below 0 ends it, and is returned. */
typedef int watch_fn(void *data, const char *path);
int watch_look(struct watch *w, watch_fn *fn, void *data);

#endif
