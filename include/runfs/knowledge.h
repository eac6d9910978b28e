/*
 * What runs teach: the commands in scripts, what came of them, how they fail. Pure functions over texts, and
 * learn_step(), which writes to the store what a step that ended has taught.
 */
#ifndef RUNFS_KNOWLEDGE_H
#define RUNFS_KNOWLEDGE_H

#include <stdbool.h>

#include "runfs/arena.h"
#include "runfs/buf.h"
#include "runfs/err.h"
#include "runfs/knowledge_rows.h"

/* --------------------------------------------------------------------------------------- shell scripts */

enum { SHELL_WORDS_MAX = 64, SHELL_COMMANDS_MAX = 256 };

/* A simple command: its words without quotes, expansions as written ("$HOME/bin"). No assignments, no
 * redirections. */
struct shell_command {
    const char *const *words;
    size_t n_words; /* at least 1 */
    bool guarded; /* its failing does not end a `bash -e` script: in a condition, before || or |, with ! or &
                   */
};

struct shell_script {
    struct arena arena;
    struct shell_command
        *commands; /* in the arena; in the order of running, those of a function where it is called */
    size_t n;      /* at most SHELL_COMMANDS_MAX: what comes behind them is left out */
};

/*
 * Splits a script by the grammar of POSIX sh and what bash adds. Executes and expands nothing. -EINVAL "line
 * N: why" where it is no script; what stands before that is in ret all the same. ret begins zeroed and is
 * released in any case.
 */
int shell_read(const char *text, size_t len, struct shell_script *ret, struct err *err);
void shell_script_release(struct shell_script *s);
#define _shell_script_ _cleanup_(shell_script_release)

/* ------------------------------------------------------------------------------------ commands as nodes */

enum { COMMAND_NAME_MAX = 100, COMMAND_TEXT_MAX = 400 };

enum command_nature {
    COMMAND_WORK,    /* it may take time, and fail */
    COMMAND_INSTANT, /* a node, and its time is nothing: echo, mkdir */
    COMMAND_SETTING  /* of the shell itself: no node (set, export, test) */
};

/*
 * What a command is: program and subcommand ("cargo test", "npm run build", "docker compose up"), by a table
 * of tools; sudo, env, time, xargs, npx, `python -m` and such are seen through; options and other arguments
 * are left to the variant. Appends nothing to ret_name for a COMMAND_SETTING.
 */
enum command_nature command_normalise(const struct shell_command *c, struct buf *ret_name);
/* The command as one line, cut to COMMAND_TEXT_MAX. */
void command_text(const struct shell_command *c, struct buf *ret);

/* -------------------------------------------------------------------------------------------- failures */

enum { SIGNATURE_MAX = 300 };

/*
 * The line of a failed step's output that says what went wrong: the first that has a shape in which some tool
 * prints an error, else the first of a consequence ("make: *** ..."), else of a word that sounds like it,
 * else the last one. Appends it without colours; nothing for an empty output.
 */
void failure_line(const char *output, size_t len, struct buf *ret);
/* What of a line stays the same over times, hashes, directories, numbers and lines: its signature. Appended.
 */
/* What a failure's `fix` says when nothing that is kept of the two steps and runs differs. */
#define FIX_UNKNOWN "the same step with the same inputs succeeded: it may come and go by itself\n"
void failure_normalise(const char *line, struct buf *ret);

/* -------------------------------------------------------------------------------------------- learning */

/* Reads a failed step's output and appends its line; the exit code where it printed nothing. Outside of
 * groups. */
void learn_failure_line(struct store *st, int64_t run_id, int64_t step_id, int exit_code, struct buf *ret);

/* A step that ended. Strings borrowed, masked; "" where there is none. */
struct learn_step {
    int64_t run_id, job_id, step_id, workflow_id;
    const char *job_key; /* with number: the place in the workflow, in all its runs */
    int number;
    const char *failure; /* the line that it failed with: learn_failure_line() */
    const char *outcome; /* success and failure teach, others do not */
    int exit_code;       /* -1: no process */
    int64_t started_at, completed_at;
    const char *script, *shell; /* of `run`; shell as written, "" for the default */
    const char *env;            /* NAME=value lines */
    const char *uses;           /* of `uses` */
};

/* What was recorded in a job before: the node that the next one follows. Zeroed at the job's start. */
struct learn_job {
    int64_t last_command;
};

/*
 * Records the step's commands. Within a group of the store that puts the step's end, so that both are seen at
 * once. A step of which nothing can be learnt is no error; -errno spoils the group.
 */
int learn_step(struct store *st, struct learn_job *job, const struct learn_step *step, struct err *err);

/* --------------------------------------------------------------------------------------------- lessons */

/* Whether a failure came config/lesson_threshold times, and not too long ago; those that did, ascending. */
bool lesson_is_there(struct store *st, int64_t failure_id);
ssize_t lesson_list(struct store *st, int64_t after, int64_t *ids, size_t max);
/* What a failure that came often teaches, as a page of Markdown whose links are those of knowledge/lessons/.
 * -ENOENT */
int lesson_text(struct store *st, int64_t failure_id, struct buf *ret);

/* ----------------------------------------------------------------------------------------- expectations */

enum { OUTCOMES_MAX = 200 };

/* Probability that the next one succeeds: newer outcomes count more, and few of them less than what is usual
 * (0 to 1). */
double predict_success(const struct outcome *newest_first, size_t n, double usual);

/* How long the next success takes: 9 of 10 are to lie between low and high. False: no success is known. */
struct expected {
    double low, middle, high; /* milliseconds */
    size_t n;                 /* of how many */
};
bool predict_duration(const struct outcome *outcomes, size_t n, struct expected *ret);

/* Whether it departs from those before it, by outcome or by duration (robustly: medians); appends how, a line
 * each. */
bool outcome_is_odd(const struct outcome *it, const struct outcome *before, size_t n, struct buf *ret);

/* Notes a run that has just completed as an anomaly, if it is one. */
void learn_run(struct store *st, const struct run_row *run);

/* What is to be expected of a workflow (NAME.yml or REPO:NAME.yml) or else of the commands in a line of
 * shell; appends lines. -ENOENT with words: nothing is known of it. */
int predict_text(struct store *st, const char *what, struct buf *ret, struct err *err);

/* ------------------------------------------------------------------------------------------- suggestions */

/* Those that the evidence is there for, by ids that stay the same; ascending. */
ssize_t suggestion_list(struct store *st, int64_t after, int64_t *ids, size_t max);
/* Whether the run ran what it is about. */
bool suggestion_concerns(struct store *st, int64_t id, int64_t run_id);
int suggestion_name(struct store *st, int64_t id, struct buf *ret); /* "cache-npm-ci.md"; -ENOENT */
int suggestion_text(struct store *st, int64_t id,
                    struct buf *ret); /* a page of Markdown; -ENOENT: no evidence for it */

/* ------------------------------------------------------------------------------------------------- graph */

/* What follows what, for graphviz, as JSON, and drawn (-ENOENT without the program dot). around: a command,
 * with its neighbours; 0: all, or the 60 that ran most. Appended. */
int knowledge_graph_dot(struct store *st, int64_t around, struct buf *ret);
int knowledge_graph_json(struct store *st, int64_t around, struct buf *ret);
int knowledge_graph_svg(struct store *st, struct buf *ret);
/* A command with what it followed and what followed it, 16 at most of each, drawn without other programs.
 * -ENOENT */
int command_picture(struct store *st, int64_t id, struct buf *ret);

#endif
