/*
 * Artifacts: what runs leave behind, as real directory trees (STATE/artifacts/RUN/ID/...), with a row each.
 *
 * An artifact is put whole and never changes. A row exists only when all of its content is in place; what a
 * crash left half-made is removed when the store is opened. Names are unique in a run's attempt; the newest
 * attempt's hides those of the same name before it.
 *
 * Content comes from jobs, so it is hostile: entries with absolute paths or `..`, devices, pipes, sockets and
 * symbolic links that lead out of the tree are refused, and with them the whole artifact. Modes are kept but
 * for set-id and sticky bits (and the owner may always read), times are kept to the nanosecond where the
 * archive has them, owners are not kept.
 *
 * Every function may be called from any thread. Functions that take or write an archive block for as long as
 * it takes, use a constant amount of memory, and hold no lock meanwhile.
 */
#ifndef RUNFS_ARTIFACT_H
#define RUNFS_ARTIFACT_H

#include "runfs/buf.h"
#include "runfs/room.h"

struct artifact_row {
    int64_t id, run_id;
    int attempt;
    const char *name;
    int64_t size;       /* bytes in its files */
    int64_t files;      /* regular files and symbolic links */
    bool raw;           /* one file, put and given out as it is and not in a zip */
    const char *digest; /* "sha256:" and the hexadecimal digest of what artifact_write_zip() writes; of the
                           file itself when raw */
    int64_t zip_size;   /* bytes of the same */
    int64_t created_at; /* wall-clock nanoseconds */
    int64_t expires_at;
    int64_t disk; /* bytes that it takes: contents in blocks, directories, and something for each name */
};

/* What to put. Strings borrowed. */
struct artifact_spec {
    int64_t run_id;
    int attempt;
    const char *name;
    int retention_days;  /* 0: config/retention_days; more than that is cut down to it */
    bool overwrite;      /* replaces one of that name in the attempt; without it that is -EEXIST */
    bool raw;            /* the tar or zip has one file, and nothing else: that is kept as it is */
    int64_t max_size;    /* bytes; 0: ARTIFACT_SIZE_MAX */
    int64_t max_entries; /* files, links and directories; 0: ARTIFACT_ENTRIES_MAX */
    struct room *room;   /* borrowed: holds what has come already; NULL: nothing is held for it */
};
#define ARTIFACT_SIZE_MAX (10LL << 30)
#define ARTIFACT_ENTRIES_MAX 1000000LL

/*
 * GitHub's rules for the name of an artifact and for the paths in it, with the sentences of @actions/artifact
 * (packages/artifact/src/internal/upload/path-and-artifact-name-validation.ts). 0 or -EINVAL. The functions
 * below check them.
 */
int artifact_check_name(const char *name, struct err *err);
int artifact_check_path(const char *path, struct err *err);

/*
 * Takes an artifact from a tar stream (ustar, pax or GNU, not compressed; any descriptor), a zip file (a
 * descriptor that can seek), or as one file of the given name. -EINVAL: its name or content is refused, with
 * a sentence that names the entry; -EFBIG: beyond a limit;
 * -EDQUOT: no room for it (room.h); -EEXIST; -ENOENT: there is no such run; -ENOSPC,
 * -EIO, ... In every case of error nothing has changed, and the stream was read an unknown way.
 */
int artifact_put_tar(struct store *st, const struct artifact_spec *spec, int tar_fd, int64_t *ret_id,
                     struct err *err);
int artifact_put_zip(struct store *st, const struct artifact_spec *spec, int zip_fd, int64_t *ret_id,
                     struct err *err);
int artifact_put_file(struct store *st, const struct artifact_spec *spec, const char *file_name, int fd,
                      int64_t *ret_id, struct err *err);

/*
 * Writes it as a tar stream (pax; names relative, without a leading "./"; in byte order of names, a directory
 * before what is in it) or as a zip file (stored, without times, so that the same content gives the same
 * bytes). -ENOENT: there is no such artifact; -EPIPE: the reader went away.
 */
int artifact_write_tar(struct store *st, int64_t id, int fd, struct err *err);
int artifact_write_zip(struct store *st, int64_t id, int fd, struct err *err);

/*
 * Its tree, for those who show it: an immutable list of entries, in which a directory's children stand
 * together, in byte order of their names. Entry 0 is the top. Reading an entry touches no directory, so a
 * large tree costs no more than what is looked at. When the artifact is deleted, entries stay readable as
 * long as there is a reference, and files that are open stay so. Any thread.
 */
struct artifact_tree;
struct artifact_entry {
    const char *name; /* borrowed from the tree; "" of the top */
    uint32_t index, parent;
    uint32_t first, count; /* of a directory: its children */
    mode_t mode;           /* type and permissions */
    int64_t size;          /* of a file; length of a link's target */
    int64_t mtime_ns;
};

int artifact_tree_open(struct store *st, int64_t id, struct artifact_tree **ret); /* -ENOENT, -EIO, ... */
struct artifact_tree *artifact_tree_ref(struct artifact_tree *t);
void artifact_tree_unref(struct artifact_tree *t); /* NULL allowed */
uint32_t artifact_tree_count(const struct artifact_tree *t);
int artifact_tree_entry(const struct artifact_tree *t, uint32_t index,
                        struct artifact_entry *ret); /* -ENOENT */
/* The child of that name: 0 or -ENOENT, -ENOTDIR. */
int artifact_tree_find(const struct artifact_tree *t, uint32_t dir, const char *name,
                       struct artifact_entry *ret);
/* Appends "a/b/c". */
int artifact_tree_path(const struct artifact_tree *t, uint32_t index, struct buf *ret);
/* A file, for reading: its descriptor or -errno. It is never anything outside of the tree. */
int artifact_tree_file(const struct artifact_tree *t, uint32_t index);
/* Appends a link's target. */
int artifact_tree_link(const struct artifact_tree *t, uint32_t index, struct buf *ret);

/* As the rows of store.h: a reference or NULL; ids ascending; 0 when there is none. */
const struct artifact_row *store_get_artifact(struct store *st, int64_t id);
void artifact_row_unref(const struct artifact_row *r);
/* Of a run: the newest attempt's for each name. */
int64_t artifact_find(struct store *st, int64_t run_id, const char *name);
ssize_t artifact_list(struct store *st, int64_t run_id, int64_t after, int64_t *ids, size_t max);
/* The same of a run, oldest first, or of a repository's runs, newest first; by name, and by pages: those that
 * have expired among them, which are no rows any more. */
struct artifact_query {
    int64_t repo_id;  /* 0: the dropped workflows' and those of no workflow; counts where run_id is 0 */
    int64_t run_id;   /* 0: any */
    const char *name; /* "": any */
    int64_t skip;
};
ssize_t artifact_query(struct store *st, const struct artifact_query *q, int64_t *ids, size_t max);
int64_t artifact_count(struct store *st, const struct artifact_query *q);

/* What one was that has expired; its run is still there. The row is valid during the call. 0 or -ENOENT. */
typedef void expired_artifact_fn(void *data, const struct artifact_row *row);
int artifact_expired(struct store *st, int64_t id, expired_artifact_fn *fn, void *data);

int artifact_delete(struct store *st, int64_t id, struct err *err); /* -ENOENT */
/* Deletes those whose time has come by `now`; what they were stays known. Returns how many, or -errno. (A
 * run's deletion takes its artifacts along.) */
int artifact_expire(struct store *st, int64_t now, struct err *err);

#endif
