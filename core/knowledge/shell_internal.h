/* The inside of the shell reader: a cursor, one token ahead, and where commands go. Private to
 * core/knowledge. */
#ifndef RUNFS_KNOWLEDGE_SHELL_INTERNAL_H
#define RUNFS_KNOWLEDGE_SHELL_INTERNAL_H

#include "runfs/arena.h"
#include "runfs/knowledge.h"

enum { SHELL_DEPTH_MAX = 64, SHELL_HEREDOCS_MAX = 16 };

enum shell_token_kind { SHELL_END, SHELL_NEWLINE, SHELL_OPERATOR, SHELL_WORD };

struct shell_token {
    enum shell_token_kind kind;
    char op[4];
    const char *word; /* quotes removed, expansions as written; in the arena */
    bool plain;       /* nothing of it was quoted: it may be a reserved word */
    const char *from; /* where it begins */
};

struct shell_node {
    struct shell_command command;
    struct shell_node *next;
};

struct shell_list {
    struct shell_node *first, *last;
};

struct shell_function {
    const char *name;
    struct shell_list body;
    struct shell_function *next;
    bool open; /* is being expanded: one that calls itself is not */
};

struct shell_reader {
    const char *at, *end;
    struct arena *arena;
    struct shell_token token; /* the one ahead */
    bool ahead;
    struct shell_list *out; /* borrowed: the script's, or a function's that is being read */
    struct shell_function *functions;
    struct {
        const char *delimiter;
        bool tabs; /* <<- */
    } heredocs[SHELL_HEREDOCS_MAX];
    size_t n_heredocs;
    int depth;
    size_t calls;      /* of functions that were expanded */
    int guarded;       /* > 0: what fails here does not end the script */
    const char *wrong; /* why reading stopped; NULL: it goes on */
    const char *wrong_at;
};

const struct shell_token *shell_peek(struct shell_reader *r);
struct shell_token shell_next(struct shell_reader *r);
/* Stops the reading, once. */
void shell_wrong(struct shell_reader *r, const char *why);
/* Reads commands up to one of the reserved words or operators of a list that NULL ends, or the end. */
void shell_read_list(struct shell_reader *r, const char *const *stops);
/* Skips what is between parentheses, the cursor being behind the opening one. */
void shell_skip_parentheses(struct shell_reader *r);

#endif
