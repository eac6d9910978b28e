/*
 * Lines of JSON between an engine and a worker (docs/worker.md), over two descriptors. One thread reads; any
 * thread writes. Both sides hear from each other all the time, if only that the other is alive: who hears
 * nothing for `silence_ns` takes the other for lost. Private to core/worker.
 */
#ifndef RUNFS_WORKER_WIRE_H
#define RUNFS_WORKER_WIRE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "runfs/buf.h"
#include "runfs/err.h"

enum {
    WIRE_VERSION = 1,
    WIRE_LINE_MAX = 64 * 1024 * 1024, /* an event's payload, the largest of what a job knows, has 32 MB */
    WIRE_PIECE = 48 * 1024,           /* of a stream, in one line */
    WIRE_VALUES_MAX = 200 * 1000,     /* in a line of a worker: outputs are most of them */
};

struct wire {
    int in, out; /* borrowed */
    int64_t silence_ns;
    pthread_mutex_t writing;
    atomic_bool lost;      /* the other end is gone, or was given up: nothing is written any more */
    atomic_bool gone;      /* of these: it has closed its end */
    _Atomic int64_t heard; /* when something came last; monotonic */
    _Atomic int64_t vain;  /* when it was last looked, and nothing was there */
    struct buf lines;      /* what came; */
    size_t at, looked;     /* how much of it was taken, and looked at for an end of line */
    size_t most;           /* values in a line that comes; 0: as many as it has room for */
    bool listens; /* somebody else reads meanwhile: a write waits as long as the other is heard of, else as
                     long as it takes some of it now and then */
};
void wire_init(struct wire *w, int in, int out);
void wire_release(struct wire *w);

/* Reads once what there is; blocks if there is nothing. The number of bytes, 0 at the end, or -errno. */
ssize_t wire_fill(struct wire *w);
/* The next line: 1 and a new object; 0: there is no whole one yet; -EPROTO: it is no JSON object (*ret_text,
 * if not NULL, gets how it begins); -EMSGSIZE: it is too long, or has too many values. */
int wire_next(struct wire *w, json_t **ret, struct buf *ret_text);
/* Who reads began to look at that time (mono_ns()), and found nothing. */
void wire_vain(struct wire *w, int64_t since);
/* Whether who reads has found nothing for too long; then it is lost. Time in which nobody looked, as this
 * process was stopped, is none in which the other was silent. */
bool wire_silent(struct wire *w);
/* Whether that may become so: nothing was heard for half as long. */
bool wire_quiet(const struct wire *w);
/* The other end is there, as is known from elsewhere. */
void wire_heard(struct wire *w);

/* Writes a line; takes it, and fails with -ENOMEM for NULL. -EPIPE: the other is lost, now or before. */
int wire_write(struct wire *w, json_t *line);
/* A file as `data` lines of that id; from where fd stands to its end. what: what it is for, if not NULL. */
int wire_write_file(struct wire *w, int64_t id, const char *what, int fd);
/* Writes what a `data` line holds. -EPROTO; -errno of the file. */
int wire_take_data(const json_t *line, int fd);

/* Any bytes: a string where they are UTF-8, else {"base64": ...}. NULL without memory. */
json_t *wire_bytes(const void *bytes, size_t len);
json_t *wire_text(const char *text); /* NULL counts as "" */
/* And back; appended. -EPROTO: it is neither. An absent one (NULL) is empty. */
int wire_add_bytes(struct buf *b, const json_t *value);

#endif
