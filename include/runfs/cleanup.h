/*
 * Cleanup attributes: what a scope owns is released when the scope ends, on every path.
 * TAKE(p) gives a value away: it yields p and leaves the owner empty.
 */
#ifndef RUNFS_CLEANUP_H
#define RUNFS_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

/* Closes *fd if it is open, and keeps errno: a cleanup never hides the error that led to it. */
static inline void cleanup_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

static inline void cleanup_fclose(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static inline void cleanup_json(json_t **j)
{
    json_decref(*j);
}

#define _free_ _cleanup_(cleanup_free)
#define _close_ _cleanup_(cleanup_close)
#define _fclose_ _cleanup_(cleanup_fclose)
#define _closedir_ _cleanup_(cleanup_closedir)
#define _json_ _cleanup_(cleanup_json)

/* Moves a pointer out of its owner. */
#define TAKE(p)                                                                                              \
    __extension__({                                                                                          \
        __typeof__(p) take_ = (p);                                                                           \
        (p) = NULL;                                                                                          \
        take_;                                                                                               \
    })

/* Moves a descriptor out of its owner. */
#define TAKE_FD(fd)                                                                                          \
    __extension__({                                                                                          \
        int take_ = (fd);                                                                                    \
        (fd) = -1;                                                                                           \
        take_;                                                                                               \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
