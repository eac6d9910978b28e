/*
 * The mounted tree as a table: one row a name. Lookup, listing, attributes, the README file and the tests all
 * read it.
 *
 * An object in the mount is (row, id): the row says what it is, the id which one (a run, a job, a step, ...).
 * A row with a fixed name has the id of the directory that it stands in; a row with a class names many
 * objects of its own ids.
 */
#ifndef RUNFS_FS_TREE_H
#define RUNFS_FS_TREE_H

#include <stdint.h>
#include <sys/types.h>

#include "runfs/buf.h"
#include "runfs/run.h"

struct fs; /* fs.h */

enum row_kind {
    ROW_DIR,
    ROW_TEXT, /* rendered when opened */
    ROW_LOG,  /* a view of a log, which may grow */
    ROW_LINK,
    ROW_CTL,     /* write a verb; read the last reply */
    ROW_WAIT,    /* read blocks until the run or job is completed */
    ROW_DROP,    /* a workflow: write it whole */
    ROW_SETTING, /* write a value, remove to reset */
    ROW_SECRET,  /* as a setting, and never read */
    ROW_DISPATCH,
    ROW_TREE,   /* whatever is below an artifact, at any depth: files, directories and links as they are */
    ROW_BLOB,   /* a file of the state directory, as it is */
    ROW_EVENT,  /* a payload: write it whole */
    ROW_EXEC,   /* write a command; the close returns when it has ended */
    ROW_OUTPUT, /* what a command by hand printed */
    ROW_ROOTFS, /* a machine's root directory, and all that is below it */
};

/* What an object belongs to: says when it changes, when it is final, and what its times are. */
enum owner {
    OWN_NONE,
    OWN_WORKFLOW,
    OWN_REPO,
    OWN_ERROR,
    OWN_EVENT, /* id: its index, from 1 */
    OWN_HOOK,
    OWN_RUN,
    OWN_ATTEMPT, /* one that a later one followed: final */
    OWN_JOB,
    OWN_STEP,
    OWN_OUTPUT,
    OWN_CONFIG,
    OWN_SECRET,
    OWN_VAR,
    OWN_TOKEN,
    OWN_ARTIFACT,
    OWN_CACHE,
    OWN_MACHINE,
    OWN_SNAPSHOT,
    OWN_COMMAND,
    OWN_KNOWN_COMMAND,
    OWN_FAILURE
};

/* The names of a class, below an object `up`. Ids are positive. */
struct name_class {
    int64_t (*find)(struct fs *fs, int64_t up, const char *name);                        /* 0: no such name */
    ssize_t (*next)(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max); /* ascending */
    int (*name)(struct fs *fs, int64_t id, struct buf *ret); /* appended; -ENOENT */
    const char *family; /* settings: what stands before a name in the key of one; NULL: nothing */
};

/* Appends the whole content. -ENOENT: there is no such file (now). */
typedef int show_fn(struct fs *fs, int64_t id, struct buf *ret);

/* One verb of a ctl file. */
struct verb {
    const char *name; /* NULL ends a table */
    int (*run)(struct fs *fs, int64_t id, const char *rest, struct err *err);
    const char *help;
};

struct row {
    int depth;
    enum row_kind kind;
    const char *name;               /* fixed name; for a class, how it is written: "N" */
    const struct name_class *class; /* NULL: fixed name */
    enum owner owner;
    show_fn *show; /* text; a link's target */
    const struct verb *verbs;
    unsigned streams; /* ROW_LOG: of enum log_stream */
    const char *help;
    bool writable; /* a directory, in which names can be made or removed */
    /* A text that takes time: whether it is there, which listing its directory asks, and not for its size. */
    bool (*there)(struct fs *fs, int64_t id);
    /* Whether it is still being found out: until then its size is told as 0, and reading it waits. */
    bool (*later)(struct fs *fs, int64_t id);
    /*
     * A class whose directory this one is like: the rows below that stand below this one, too, but for those
     * that act. They are not printed. Their links are written for the place of the original, and this is
     * `deeper` directories further down; those that lead out of `top` need as many steps up more.
     */
    const struct name_class *like;
    bool copied;
    int deeper, top;
};

enum { TREE_MAX = 448 };
extern struct row tree[TREE_MAX]; /* constant once main() has begun */
extern size_t tree_rows;

enum { ROW_ROOT = 0 };

/* The first and next row directly below; -1: none. */
int tree_child(int row, int after); /* after -1: the first */
/* The row with that path of names ("runs/N/log"); -1: none. For the places that the code itself needs. */
int tree_find(const char *path);

#endif
