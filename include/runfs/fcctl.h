/*
 * The HTTP API of fcctl-web, a server of Firecracker machines, offered over machines of our own: what speaks
 * to that server can use runfs in its place. See docs/fcctl.md.
 *
 * Everything but GET /health wants a token: a JWT, signed with HS256, that has not expired. What callers may
 * cost is bounded: machines, snapshots of each, bytes of a request and of what a command prints, its time.
 */
#ifndef RUNFS_FCCTL_H
#define RUNFS_FCCTL_H

#include <stdint.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct fcctl;
struct machines;
struct store;

struct fcctl_opts {
    const char *address; /* as in runfs/http.h */
    uint16_t port;
    struct store *store; /* borrowed, both */
    struct machines *machines;
    const char *label; /* of its machines: a label's name, or what a label may mean */
    const void *key;   /* copied: what tokens are signed with */
    size_t key_len;
    unsigned max_machines;
};

enum { FCCTL_KEY_MIN = 16, FCCTL_KEY_MAX = 4096 };

int fcctl_start(const struct fcctl_opts *opts, struct fcctl **ret, struct err *err);
uint16_t fcctl_port(const struct fcctl *f);
/* Kills what runs and releases every machine. NULL allowed. */
void fcctl_stop(struct fcctl *f);

/* Appends a token that is valid for so many seconds. */
int fcctl_token(const void *key, size_t key_len, int64_t seconds, struct buf *ret);

#endif
