/* Between the files that bring a container image: oci_pull.c from beginning to end, oci_skopeo.c the program
 * that fetches, oci_take.c what it brought; oci_add.c has that from a machine. */
#ifndef RUNFS_IMAGE_OCI_PULL_H
#define RUNFS_IMAGE_OCI_PULL_H

#include "core/image/oci.h"

enum { OCI_TEXT_MAX = 8 << 20 }; /* of a manifest, and of a configuration */
#define OCI_REGISTRY "docker://" /* what skopeo's names of images in registries begin with */

/* One image on its way here. */
struct pulling {
    const struct oci_pull *p;
    const char *state_dir;
    struct buf source, name; /* owned: both complete */
    struct buf dir;          /* owned: STATE/containers/.pulling-NUMBER, of this source */
    int place;               /* owned: of that, locked; -1: nothing is fetched */
    bool registry;
    struct oci_totals totals;
    json_t *sizes;   /* owned: of layers that came, HEX -> bytes */
    bool by_job;     /* its name is nobody's but of jobs: see oci_trim() */
    struct err *err; /* never NULL: what went wrong is said there */
};
int pulling_make_places(struct pulling *g); /* STATE/containers, and dir's name */
int pulling_open_place(struct pulling *g);  /* dir itself: whoever wants the same source meanwhile waits */
void pulling_release(struct pulling *g);
void pulling_say(const struct pulling *g, const char *before,
                 const char *what);             /* both are said as one line */
int pulling_no_memory(const struct pulling *g); /* -ENOMEM, with words */

/*
 * Runs skopeo with these words (NULL ends them), and what it needs to be let in by the registry and to trust
 * the image. verify: its option for registries of this host, which may do without TLS. What it prints is
 * appended to ret_out (NULL: is not wanted). 0, or -errno with what it said.
 */
int skopeo_run(const struct pulling *g, const char *const words[], const char *verify, int timeout_ms,
               struct buf *ret_out);

/* The digest of a configuration is the id of its image. */
void oci_digest(const struct buf *text, char ret[OCI_HEX + 1]);
/* Takes its name away again if all images, but for those in use, take more than `most` bytes: -ENOSPC. Under
 * the lock. */
int pulling_trim(struct pulling *g, int64_t most, struct oci_image *image);
int oci_open_id(const struct pulling *g, const char *id, struct oci_image *ret);
/* Whether an image is here; then it stays as long as ret is not released. id "": none. */
bool oci_have(const struct pulling *g, const char *id, struct oci_image *ret);
/* Checks what was fetched into dir's `image`, unpacks the layers that are not here and records the image,
 * under the lock. -EINVAL with words: it is refused. */
int oci_take_in(struct pulling *g, char ret_id[OCI_HEX + 1]);
int oci_put_name(struct pulling *g, const char *id); /* the name leads to that image; under the lock */

#endif
