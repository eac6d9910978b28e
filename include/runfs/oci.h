/*
 * Container images, as registries have them (OCI image specification; Docker's manifests too): fetched by
 * skopeo, unpacked layer by layer, and kept below STATE/containers by their digests:
 *
 *   layers/HEX       what a layer adds, as an overlay's lower directory; HEX: sha256 of its uncompressed tar
 *   images/HEX.json  an image: its layers, from the lowest on, and its configuration; HEX: sha256 of that
 *   names/NAME       what an image is called ('/' in it is a '+' there), and where it came from
 *
 * Layers are shared by the images that have them. Nobody but runfs gets below STATE/containers: what lies in
 * it may be set-user-id, and belongs to whom the image says (for an ordinary user all is his).
 */
#ifndef RUNFS_OCI_H
#define RUNFS_OCI_H

#include <jansson.h>
#include <stdbool.h>

#include "runfs/buf.h"
#include "runfs/err.h"

enum { OCI_HEX = 64, OCI_LAYERS_MAX = 127 };

/*
 * Completes the name of an image as Docker does: `debian` is `docker.io/library/debian:latest`. Appended.
 * -EINVAL: it is none.
 */
int oci_reference(const char *name, struct buf *ret, struct err *err);

struct oci_image {
    char id[OCI_HEX + 1];
    json_t *record; /* owned: {"id", "layers": [HEX...], "config": {"Env": ...}, "created", "size", ...} */
    json_t *config; /* borrowed from record: an object, perhaps empty */
    int lock;       /* as long as it is open the image is not removed */
};

struct oci_pull {
    const char *source; /* the name of an image; with `docker://` before it or without; `oci:DIRECTORY[:TAG]`,
                           `docker-archive:FILE[:NAME]` */
    const char *name;   /* what it is called from then on; NULL: as it is called where it comes from, which
                           only a registry's is */
    const char *user, *password; /* for the registry; NULL: what the user of this process is logged in as */
    const char *agent;      /* of what a workflow names: by runfs-agent (its path), nobody is asked, for the
                               image or where its registry leads to, that peer_is_own() but `registries`. NULL:
                               whoever it is */
    const char *registries; /* HOST[:PORT], several, by spaces; NULL */
    int64_t most;           /* afterwards, as oci_trim() does; -ENOSPC: those in use take more. 0: no bound */
    void (*say)(void *data, const char *what); /* what goes on, a line each; NULL */
    void *data;
};
/* Whether a text is what `registries` takes. -EINVAL with words. */
int oci_registries_check(const char *text, struct err *err);
/*
 * Fetches what is not here of it. One whose configuration the registry has under another digest by now is
 * fetched anew. It is opened, so that nobody takes it away before whoever wanted it is there. Minutes;
 * proc_until() ends it. What was wrong with it (it is for another processor, or a layer is cut off, is
 * another than the image says, leads out of its directory, is too large) is said, and nothing is left behind
 * then.
 */
int oci_pull(const char *state_dir, const struct oci_pull *p, struct oci_image *ret, struct err *err);

/* By its name, or by `sha256:` and its id. -ENOENT with words. */
int oci_open(const char *state_dir, const char *name, struct oci_image *ret, struct err *err);
void oci_used(const struct oci_image *image); /* by a machine, now: see oci_trim() */
void oci_release(struct oci_image *image);    /* {.lock = -1} then */
static inline struct oci_image oci_take(struct oci_image *image)
{
    struct oci_image taken = *image;

    *image = (struct oci_image){.lock = -1};
    return taken;
}
#define _oci_image_ _cleanup_(oci_release)

/* Whether a name has been given to an image by hand (of an archive, a directory): no registry knows it. */
bool oci_is_local(const char *state_dir, const char *name);

struct oci_addition {
    const struct oci_image *base; /* NULL: nothing */
    int layer_fd; /* a tar, a regular file of STATE's file system, linked or not; -1: none, of a base */
    const json_t *config;      /* what the new one says of itself: {"Env": [...], "Cmd": [...], ...} */
    const char *name, *source; /* what it is called, and what it was made of, no registry's */
    int64_t most;              /* afterwards, as oci_trim() does: jobs made it; 0: no bound */
};
/* sha256 of a whole file. */
int oci_digest_file(int fd, char ret[OCI_HEX + 1]);
/* An image of another one and a layer over it. *ret is open. -EINVAL with words: the layer is refused, as
 * those of registries are. */
int oci_add(const char *state_dir, const struct oci_addition *a, struct oci_image *ret, struct err *err);

/*
 * While all images take more than that many bytes, those go that were fetched by jobs (`agent` was given when
 * they got their names) and that none has used for longest; with them tools for containers. None goes that is
 * open.
 */
int oci_trim(const char *state_dir, int64_t most, struct err *err);

/*
 * A layer that goes over an image, with what the runner itself needs in a machine: this host's find, tar,
 * node and a few more, with their libraries, in OCI_TOOLS. Made once for each set of them that the host has
 * had. *ret: its name, owned. ret_node: whether there is a node. *ret_lock: as long as it is open the layer
 * is not removed; oci_hold_tools() gives another one, or -ENOENT with words.
 */
int oci_tools(const char *state_dir, char **ret, bool *ret_node, int *ret_lock, struct err *err);
int oci_hold_tools(const char *state_dir, const char *name, struct err *err);
#define OCI_RUNNER "/__e/runfs"
#define OCI_TOOLS OCI_RUNNER "/bin"

/* The names that there are, sorted; each owned, and the array. */
int oci_names(const char *state_dir, char ***ret, struct err *err);
/* {"id", "source", "pulled", "created", "size", ...} */
int oci_describe(const char *state_dir, const char *name, json_t **ret, struct err *err);
/* Takes the name away, and what has no other name. -EBUSY: a machine runs from it. */
int oci_remove(const char *state_dir, const char *name, struct err *err);

#endif
