/*
 * The inside of artifacts: from an archive to a tree on disk, from the tree to its list of entries, from that
 * to an archive. Private to core/store.
 *
 * STATE/artifacts/RUN/ID/ holds tree/, the content, and index, the list. What is being made stands in
 * STATE/artifacts/incoming-XXXXXX/ and is renamed in the transaction that inserts its row.
 */
#ifndef RUNFS_ARTIFACT_INTERNAL_H
#define RUNFS_ARTIFACT_INTERNAL_H

#include "runfs/artifact.h"
#include "runfs/late_archive.h"
#include "runfs/utf8_locale.h"

enum { ARTIFACT_PATH_MAX = 3500 }; /* so that it fits PATH_MAX below any place where it may be put */

struct row_table;

/* What a tree came to: known once, while it is made. */
struct artifact_totals {
    int64_t entries; /* and the top */
    int64_t names;   /* bytes of their names, each with a NUL */
    int64_t size, files;
    int64_t disk;
};
/* What an entry takes of the disk. */
static inline int64_t disk_of(int64_t content)
{
    return (content + 4095) / 4096 * 4096 + 512;
}

/* Fills the empty directory `root` from an open archive. -errno with words; then it is half filled. head: 0
 * while what stands before an entry is read, for who feeds the archive; else -1. */
int artifact_extract(struct archive *a, int root, const struct artifact_spec *spec, int64_t *head,
                     struct artifact_totals *ret, struct err *err); /* spec->room is there */

/* artifact_rows.c: the table; and what a row that goes leaves on the disk. */
extern const struct row_table artifact_table;
void artifact_remove_files(struct store *st, int64_t run_id, int64_t id);

/* Lists the tree below root into the file fd; refuses links that lead out of it. */
int artifact_index_write(int root, const struct artifact_totals *totals, int fd, struct err *err);
/* Takes both descriptors, whatever comes of it. */
int artifact_tree_new(int root_fd_take, int index_fd_take, struct artifact_tree **ret);

enum artifact_format { ARTIFACT_TAR, ARTIFACT_ZIP, ARTIFACT_RAW /* the content of its one file */ };
/* Packs to fd, or only counts and digests (fd -1). ret_digest may be NULL: at least 72 bytes. */
int artifact_pack(const struct artifact_tree *t, enum artifact_format format, int fd, int64_t *ret_size,
                  char *ret_digest, struct err *err);

#endif
