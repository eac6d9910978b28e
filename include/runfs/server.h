/*
 * The HTTP server of the daemon: webhooks come in, and programs that speak GitHub's REST API (gh, Octokit)
 * find runs, logs, workflows and settings as if it were GitHub. It reads as the mount reads, from the store,
 * and asks the engine as ctl files ask it.
 *
 * It listens where config/listen says, and follows that while it lives. Who connects to a unix socket may do
 * everything, since its file's mode says who can; everybody else needs a token (tokens/NAME) of enough scope,
 * but for webhooks, which are signed. Any thread may call these functions.
 */
#ifndef RUNFS_SERVER_H
#define RUNFS_SERVER_H

#include "runfs/run.h"
#include "runfs/search.h"

struct server;

/* Borrows all. */
int server_new(struct store *st, struct engine *e, struct searcher *searcher, struct server **ret,
               struct err *err);
/* Hangs up on everybody; before the engine's end. NULL allowed. */
void server_free(struct server *s);
/* Appends a line for each address: "listen: 127.0.0.1:8080", or what is in the way. */
void server_status(struct server *s, struct buf *ret);

/* What a token is known by: "sha256:HASH", appended. (Of 256 random bits; a slow hash would protect nothing.)
 */
void token_hash(const char *token, struct buf *ret);
/* A new one, appended. 0 or -EIO. */
int token_generate(struct buf *ret);

#endif
