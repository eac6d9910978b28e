/*
 * Workflow commands in a step's output: `::name key=value,key=value::message` and the older `##[name
 * key=value;]message` (GitHub documentation, "Workflow commands").
 */
#ifndef RUNFS_JOB_COMMAND_H
#define RUNFS_JOB_COMMAND_H

#include "runfs/buf.h"
#include "runfs/err.h"

enum { COMMAND_PROPERTIES = 16 };

struct command {
    char *name;    /* owned, lower case */
    char *message; /* owned, unescaped */
    struct {
        char *key, *value;            /* owned; the value unescaped */
    } properties[COMMAND_PROPERTIES]; /* each key once, the last value; what goes beyond is left out */
    size_t n;
};

void command_release(struct command *c);
#define _command_ _cleanup_(command_release)

/* The value of a property, "" without. */
const char *command_property(const struct command *c, const char *key);

/* Between `::stop-commands::TOKEN` and `::TOKEN::` nothing is a command. One of these a step. */
struct command_state {
    char *token; /* owned; NULL: commands are obeyed */
};
void command_state_release(struct command_state *s);
#define _command_state_ _cleanup_(command_state_release)

enum command_kind {
    COMMAND_NONE, /* plain output */
    COMMAND_DO,   /* ret is filled: obey it (it is not shown, unless echo is on) */
    COMMAND_SHOW, /* it stopped or resumed commands, which is done; the line is shown */
};

/*
 * One line of a step's output, without its newline. `::` has to start it, blanks aside; `##[` may stand
 * anywhere in it. Where both are in a line, the one with a name that GitHub's runner knows counts; with any
 * other name it is plain output. Returns a command_kind, or -EINVAL with GitHub's sentence: a stop-commands
 * whose token is empty, "pause-logging" or the name of a command (commands go on; the step has failed), or
 * -ENOMEM.
 */
int command_next(struct command_state *s, const char *line, size_t len, struct command *ret, struct err *err);

#endif
