/* Between the files that keep container images. */
#ifndef RUNFS_IMAGE_OCI_H
#define RUNFS_IMAGE_OCI_H

#include <stdint.h>

#include "runfs/oci.h"

/* What all layers of an image come to; what goes beyond the limits is refused. */
struct oci_totals {
    int64_t entries, bytes;
};
enum { OCI_ENTRIES_MAX = 1000000, OCI_GIB_MAX = 64 };

/*
 * Unpacks a layer (a tar, as it is or by gzip or zstd) from fd into the empty directory root, as an overlay's
 * lower directory: what it takes away becomes whiteouts and opaque directories, for overlays with and without
 * user attributes. As root owners are kept, for other users all is theirs. hex: what its uncompressed tar
 * must have for its sha256. -EINVAL with words; then it is half filled.
 */
int oci_layer_unpack(int fd, int root, const char *hex, struct oci_totals *totals, struct err *err);

void oci_hex(const unsigned char digest[32], char ret[OCI_HEX + 1]);
bool oci_is_hex(const char *s); /* 64 digits of it, and nothing more */

/* oci_peers.c: the words before a program's own that keep it from asking whom p does not allow: none, or the
 * agent's. strv_free(). */
int oci_peers(const struct oci_pull *p, char ***ret, struct err *err);

/* oci_store.c: what is written of them; for read_name() a name as people give it. */
int oci_read_json(const char *path, json_t **ret, struct err *err);
int oci_read_name(const char *state_dir, const char *name, json_t **ret, struct err *err);
/* oci_tools.c: whether a layer is one of those. */
bool oci_is_tools(const char *layer);
/* oci_trim.c: what oci_trim() does, under the lock, and what all take then; and how much room a layer takes.
 */
int64_t oci_trim_locked(const char *state_dir, int64_t most);
void oci_note_size(const char *state_dir, const char *layer, int64_t size);

/* What the directories begin with into which something is fetched; who does has a lock on it. */
#define OCI_PULLING ".pulling-"

/* The file name of an image's name; appended. */
void oci_name_file(const char *name, struct buf *ret);
/* One fetches or removes at a time; waits, until proc_unwanted(). A descriptor. */
int oci_lock(const char *state_dir, struct err *err);
/* Removes images without a name that no machine uses, layers without an image, and what was being fetched by
 * who was killed. Under the lock. */
void oci_collect(const char *state_dir);

#endif
