/*
 * Child programs of the daemon itself (git, dot, bubblewrap...): never a shell, never a job's commands
 * (machine.h).
 */
#ifndef RUNFS_PROC_H
#define RUNFS_PROC_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct proc_result {
    int exit_code; /* 0-255, or 128+signal */
    struct buf out, err;
};
void proc_result_release(struct proc_result *r);
#define _proc_result_ _cleanup_(proc_result_release)

/*
 * Runs argv (looked up in PATH) to its end with no standard input, in directory cwd (NULL: as is), keeping at
 * most max_output bytes of each stream. After timeout_ms (0: none) it is killed with its process group:
 * -ETIMEDOUT. Returns 0 whenever the program ran, whatever its exit code; -ENOENT when there is no such
 * program.
 */
int proc_run(const char *const argv[], const char *cwd, size_t max_output, int timeout_ms,
             struct proc_result *ret, struct err *err);
/* The same with `set`, NULL-terminated "NAME=value", added to the environment in place of what it has. */
int proc_run_set(const char *const argv[], const char *const set[], const char *cwd, size_t max_output,
                 int timeout_ms, struct proc_result *ret, struct err *err);

/*
 * Who asks for a thread's work may want no end of it any more: while `fn` says so (it is asked ten times a
 * second), what this thread runs is killed, with -ECANCELED. NULL: it waits as long as it takes.
 */
typedef bool proc_unwanted_fn(void *data);
void proc_until(proc_unwanted_fn *fn, void *data);
/* A second reason besides that, of who does a part of the work. NULL: none. */
void proc_until_also(proc_unwanted_fn *fn, void *data);
bool proc_unwanted(void);

/*
 * Starts program (looked up in PATH unless it has a slash) with the descriptors that fa gives it: no signal
 * is blocked or ignored in it, and it has a session of its own. The caller waits for *ret. 0 or -errno.
 */
int proc_spawn(pid_t *ret, const char *program, const posix_spawn_file_actions_t *fa,
               const char *const argv[], const char *const env[]);

/* By a pidfd: its process, 0: it has ended or is of no namespace that is seen here; and SIGKILL to that. */
pid_t pidfd_pid(int pidfd);
void pidfd_kill(int pidfd);

/* Whether PATH holds such a program; and where, appended: 0, -ENOENT or -ENOMEM. */
bool proc_in_path(const char *program);
int proc_find(const char *program, struct buf *ret);

#endif
