/*
 * Open files of the mount, and what becomes of them when they are closed.
 */
#ifndef RUNFS_FS_HANDLE_H
#define RUNFS_FS_HANDLE_H

#include <stdatomic.h>

#include "session.h"

/* An open file. One at a time: the kernel serialises what it must, and `lock` the rest. */
struct handle {
    struct mounted *mounted; /* that it is listed in */
    struct handle *previous, *next;
    struct node node;
    char *name;            /* owned: of what is written */
    struct buf text;       /* content, rendered or written */
    struct log_view *view; /* owned: a log */
    int log_fd;            /* the daemon's own log, or a file that is shown as it is; -1 */
    bool writes, dirty, fresh, committed, too_big;
    pid_t opener; /* thread that opened it for writing */
    int64_t read_to;
    off_t base; /* where its first byte is written */
    pthread_mutex_t lock;
    atomic_int refs; /* a reader that has its answer may close the file before the answering thread is done
                        with it */
};

struct handle *handle_new(struct mounted *m, struct node n); /* listed in m; NULL: no memory */
void handle_unref(struct handle *h);                         /* NULL allowed */
/* Whether a thread is of the process that opened the file, or there is nobody left who could close it better.
 */
bool handle_is_opener(const struct handle *h, pid_t tid);
/* With the lock held: who reads the daemon's log from its start reads the one that is written now. (Who
 * follows it sees it shorter when a new one has begun, and does that.) */
void handle_log_anew(struct handle *h);
/* -EFBIG, -ENOMEM. With the lock held, as all below. */
int handle_put(struct handle *h, const char *bytes, size_t size, off_t off);
/* ftruncate(2). What is too large is refused, and leaves it as it was. */
int handle_resize(struct handle *h, off_t size);
/* Makes what was written true. */
int handle_commit(struct fs *fs, struct handle *h);
/* Does that on a thread of its own, which answers req; false: it cannot now. */
bool handle_commit_later(fuse_req_t req, struct handle *h);

#endif
