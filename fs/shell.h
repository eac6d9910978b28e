/*
 * Shells for `runfs sh`: the daemon listens on a socket in its state directory, which only its user can
 * reach.
 *
 * The client sends one line of JSON, {"path", "rows", "columns", "term"}, path being relative to the mount;
 * it hears "ok" or "error WORDS", a line. Then frames of a terminal go up (terminal_frame_input,
 * terminal_frame_window) and what it shows comes down, in pieces of u32 length (native) and bytes; a length
 * of 0 is the end, and the shell's exit code follows as u32.
 */
#ifndef RUNFS_FS_SHELL_H
#define RUNFS_FS_SHELL_H

#include "fs.h"

enum { SHELL_LINE_MAX = 8192 };

struct shells;

int shells_new(struct fs *fs, struct shells **ret, struct err *err); /* borrows fs, whose engine is there */
/* Hangs up on everybody and waits for them. NULL allowed. */
void shells_free(struct shells *s);

/* A connection to the daemon that serves the mount at root. -ENOENT: nothing is mounted there. */
int shells_connect(const char *root, struct err *err);

#endif
