/*
 * The inside of the store: connections, groups, row tables. Private to core/store.
 */
#ifndef RUNFS_STORE_INTERNAL_H
#define RUNFS_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "runfs/room.h"
#include "runfs/store.h"

enum { CONN_STATEMENTS = 240, MAX_SUBSCRIBERS = 6, CACHE_SLOTS = 4096, CACHE_SHARDS = 16 };

/* A value of a statement. */
struct param {
    const char *text; /* NULL: an integer */
    int64_t n;
    size_t len;
};

/* A connection with its prepared statements, kept by the address of their (static) text. */
struct conn {
    sqlite3 *db; /* owned */
    struct {
        const char *sql;
        sqlite3_stmt *stmt; /* owned */
    } statements[CONN_STATEMENTS];
    size_t n;
    struct conn *next; /* in the pool of idle readers */
};

struct cache {
    struct {
        pthread_mutex_t lock;
        uint64_t generation; /* counts invalidations, so that a slow reader never puts back an old row */
    } shards[CACHE_SHARDS];
    struct row_head *slots[CACHE_SLOTS]; /* owned references; slot i belongs to shard i % CACHE_SHARDS */
};

/* What brings the write-ahead log into the database (checkpoint.c). */
struct checkpoint {
    pthread_mutex_t lock; /* guards wanted and ending */
    pthread_mutex_t busy; /* held in a checkpoint: SQLite would not wait for the other, and do nothing */
    pthread_cond_t woken;
    bool wanted, ending;
    bool started, failed; /* these and pages: under the writer's lock */
    int pages;            /* of the log, when it was last asked for */
    pthread_t thread;
    struct conn conn; /* the thread's */
};

/* Copies of writes, in their order (later.c). */
struct writes {
    struct buf bytes;
    size_t n;
};

/* What waits until the database can be written; under the writer's lock but for what is atomic. */
struct later {
    struct writes writes;
    struct change *changes; /* owned: what they will have changed */
    size_t n_changes;
    int64_t again_at; /* before, it is not tried for one who can wait; by mono_ns() */
    atomic_size_t waiting;
    atomic_int code; /* why: an -errno */
    _Atomic int64_t since;
};

/* Deliveries of webhooks that wait to be added, by whoever adds now (hooks.c). */
struct hook_adds {
    pthread_mutex_t lock; /* guards what follows */
    struct hook_add *first, **end;
    bool adding; /* somebody does, or has been told to */
};

struct store {
    char *dir;   /* owned */
    int lock_fd; /* holds STATE/lock */
    struct conn writer;
    pthread_mutex_t write_lock; /* recursive: the writer's lock */
    pthread_mutex_t turn_lock;  /* held by the one who is next for it */
    char *_Atomic writing;      /* stands for the thread that has it; NULL: none */
    int depth;                  /* of groups; under write_lock */
    int failed;                 /* 0 or the -errno that spoiled the group; under write_lock */
    bool lasting, replayed;     /* the group; it has written what waited. Under write_lock */
    struct writes group;        /* the group's, if it lasts; under write_lock */
    struct later later;
    int64_t last_ids[8];              /* given to rows, by their table's slot; under write_lock */
    struct store_companion companion; /* under write_lock */
    struct change *changes;           /* owned; of the open group; under write_lock */
    size_t n_changes, cap_changes;
    pthread_mutex_t notify_lock; /* keeps subscribers in commit order; taken before write_lock is dropped */
    struct {
        store_changed_fn *fn;
        void *data;
    } subscribers[MAX_SUBSCRIBERS];
    size_t n_subscribers;
    pthread_mutex_t pool_lock;
    pthread_mutex_t log_lock; /* a log's head is read or written */
    struct conn *idle;        /* owned readers that nobody uses now */
    pthread_mutex_t saves_lock;
    struct cache_save *saves; /* of caches that are being saved, each owned by who saves it */
    struct {
        pthread_mutex_t lock; /* nothing of the writer is waited for under it */
        int64_t under_way[ROOM_KINDS];
    } rooms;
    struct cache cache;
    _Atomic uint64_t as_of[CHANGE_KINDS];
    struct checkpoint checkpoint;
    struct hook_adds hook_adds;
};

/* A file in the state directory that takes up room (reserve.c): made where it is missing and there is room;
 * given up for what makes more. Returns whether it was there. */
void reserve_keep(const struct store *st);
bool reserve_give(const struct store *st);

void checkpoint_init(struct store *st);
void checkpoint_begin(struct store *st); /* when the writer is open */
void checkpoint_release(struct store *st);

/* ---------------------------------------------------------------------------------------- connections */

void store_db_path(const struct store *st, struct buf *ret);
int conn_open(struct conn *c, const char *path, bool writer, struct err *err);
void conn_close(struct conn *c);
/* The prepared statement of that text, reset and unbound; sql must be a static string. NULL: no memory, bad
 * SQL. */
sqlite3_stmt *conn_prepare(struct conn *c, const char *sql);

struct conn *store_reader(struct store *st); /* NULL: cannot be had now */
/* The end of a reading: its statement lets go of what it holds and of what was bound, and the connection goes
 * back. What the statement returned is not to be used any more. Either may be NULL: it was not had. */
void store_reader_done(struct store *st, struct conn *c, sqlite3_stmt *stmt);

/* What is wrong with the database, by -errno. */
const char *store_words(int code);
/* -errno of an SQLite result code, with words. */
int store_sql_error(struct conn *c, int rc, const char *what, struct err *err);

int store_migrate(sqlite3 *db, struct err *err);

/* A write was refused with that SQLite code: whether for what it is, while others of the transaction are not.
 */
bool store_refuses_one(struct store *st, int rc);
/* It spoils the group; but one that lasts only has it not. Returns -errno, with words. */
int store_refused(struct store *st, int rc, struct err *err);

/* Notes a change of the open group. Only between store_begin and its end. */
void store_changed(struct store *st, struct change change);
/* later.c: a group that lasts writes that, or is to. */
void later_note(struct writes *w, const char *sql, const struct param *p, size_t n);
void later_take_back(struct writes *w, size_t before); /* the last; before: how long the bytes were then */
void later_forget(struct writes *w);
bool later_is_early(const struct store *st); /* whether the group is not to try it again yet */
int later_begin(struct store *st);          /* the transaction, with all that waited. Returns SQLite's code */
void later_written(struct store *st);       /* it was committed */
int later_keep(struct store *st, int code); /* the group, which was not. 0, or -errno: it is lost */
void later_release(struct store *st);

/* Marks the open group as spoiled; returns code. */
int store_spoil(struct store *st, int code);
/* The writer, without a group: nobody writes meanwhile. Not with a group open. */
void store_hold_writer(struct store *st);
void store_let_writer(struct store *st);
/* Tells the subscribers of a change that needed no transaction. */
void store_tell(struct store *st, struct change change);

/* --------------------------------------------------------------------------------------------- rows */

enum column_type {
    COLUMN_I64,
    COLUMN_INT,
    COLUMN_BOOL,
    COLUMN_TEXT,
    COLUMN_LENGTH /* of the text before it */
};

struct column {
    enum column_type type;
    size_t offset;
};

/* A kind of row: how it is read and written (row_table.h). */
struct row_table {
    const struct column *columns; /* the first is id */
    size_t n_columns, size;
    enum change_kind change;
    unsigned slot;                 /* in the cache, among the kinds of rows that share an id: 0-7 */
    size_t run_offset, job_offset; /* of run_id and job_id for changes; 0: none */
    const char *get_sql, *insert_sql, *update_sql;
    const char *same_sql; /* an update where certain columns are as they were; NULL: none */
    const char *sequence; /* ids are given here, after the last of this name; NULL: by the database */
};

extern const struct row_table error_table, delivery_table, run_table, setting_tables[4], known_command_table;

/* Stands before each row handed out. */
struct row_head {
    atomic_int refs;
    const struct row_table *table;
    int64_t id;
    _Alignas(max_align_t) char row[];
};

const void *row_get(struct store *st, const struct row_table *t, int64_t id);
void row_unref(const void *row);
/* As list_ids, of ids of rows of t that will be looked at next: they are read in the same reading and cached.
 */
ssize_t row_list(struct store *st, const struct row_table *t, const char *sql, const int64_t *ints, size_t n,
                 int64_t *ids, size_t max);
/* Inserts (id 0; sets it) or updates, and notes the change. */
int row_put(struct store *st, const struct row_table *t, void *row, struct err *err);
/* Which ids were given until now. */
int rows_begin(struct store *st, struct err *err);
/* Makes a row of what a SELECT of all columns returned. NULL: no memory. */
struct row_head *row_read(const struct row_table *t, sqlite3_stmt *stmt);

void cache_init(struct cache *c);
void cache_release(struct cache *c);
struct row_head *cache_get(struct cache *c, const struct row_table *t, int64_t id, uint64_t *ret_generation);
void cache_put(struct cache *c, struct row_head *row, uint64_t generation); /* takes a reference of its own */
/* Those of all shards, before a reading of many rows begins; and of them that of an id. */
void cache_generations(struct cache *c, uint64_t ret[CACHE_SHARDS]);
uint64_t cache_generation_of(const uint64_t all[CACHE_SHARDS], int64_t id);
void cache_drop(struct cache *c, int64_t id); /* of any table */

/* ---------------------------------------------------------------------------------------- statements */

#define P_INT(v) ((struct param){.n = (v)})
#define P_TEXT(s) ((struct param){.text = (s), .len = strlen(s)})
#define P_BYTES(s, l) ((struct param){.text = (s), .len = (l)})
/* Runs a writing statement of the open group. Returns 0 or -errno. */
int write_params(struct store *st, const char *sql, const struct param *p, size_t n, struct err *err);
#define WRITE(st, err, sql, ...)                                                                             \
    write_params((st), (sql), (const struct param[]){__VA_ARGS__},                                           \
                 sizeof((const struct param[]){__VA_ARGS__}) / sizeof(struct param), (err))
/* Runs a writing statement whose parameters are 64-bit integers. Only within a group. Returns 0 or -errno. */
int write_ints(struct store *st, const char *sql, const int64_t *params, size_t n, struct err *err);
/* The same with any: format has 'i' for an int64_t and 's' for a text. Returns the first column of the first
 * row, or `none`. */
int64_t write_values(struct store *st, const char *sql, int64_t none, const char *format, ...);
/* A name for a directory out of a text, with a number where one that is there has the same. taken_sql: SELECT
 * ... WHERE slug = ?1. */
void write_unique_slug(struct store *st, const char *taken_sql, const char *text, struct buf *ret);
/* The first column of the first row as an integer; `none` when there is no row or an error. */
int64_t read_int(struct store *st, const char *sql, const int64_t *ints, size_t n, const char *text,
                 int64_t none);

/* The first column of the first rows. Returns how many, or -errno. */
ssize_t list_end(int rc,
                 size_t got); /* what came before an error is listed; it is returned where that is nothing */
ssize_t list_ids(struct store *st, const char *sql, const int64_t *ints, size_t n, const char *text,
                 int64_t *ids, size_t max);

/* A run has ended: if there are alerts, they are to look at it. In its group. (words.c) */
int store_watch_run(struct store *st, int64_t run_id, struct err *err);

/* Make their directories; remove what a crash left in them. */
int artifact_sweep(struct store *st, struct err *err);
int blob_sweep(struct store *st, struct err *err);
void artifact_remove_run(struct store *st, int64_t run_id); /* the files of a run's artifacts */

/* Path of a run's log or index: STATE/logs/NNN/RUN.SUFFIX. */
void log_path(struct store *st, int64_t run_id, const char *suffix, struct buf *ret);
void log_delete(struct store *st, int64_t run_id);
/* What it was is gone; a file says that the rows are still to say so, until log_forgotten(). */
void log_forget(struct store *st, int64_t run_id);
void log_forgotten(struct store *st, int64_t run_id);
int log_writer_begin(struct store *st, int64_t run_id, struct log_writer **ret, struct err *err);
void log_sweep(struct store *st); /* of runs that are not in the database, or whose logs were to go */

#endif
