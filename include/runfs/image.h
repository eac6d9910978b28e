/*
 * Images: what virtual machines boot from. An image is a directory: `rootfs.ext4` (its root, only ever read),
 * `kernel` (an ELF with a PVH note, for direct boot), `modules/` (what the kernel needs to find its devices,
 * in the order of their names), and `image.json`, which describes it. They lie in STATE/images: a directory
 * for each content, named by its digest, and a symbolic link NAME to it.
 */
#ifndef RUNFS_IMAGE_H
#define RUNFS_IMAGE_H

#include <jansson.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct image_build {
    const char *name;
    const char *packages; /* "a,b": beyond what every image has; NULL: none */
    const char *from;     /* a tar archive that becomes the root, as it is; NULL: made of Debian packages */
    const char *kernel;   /* a Debian package file with the kernel; NULL: linux-image-cloud's is fetched */
    const char *suite;    /* NULL: bookworm */
    const char *mirror;   /* NULL: as the host's apt is set up */
    void (*say)(const char *what); /* what goes on, a line each */
};
int image_name_check(const char *name, struct err *err); /* a-z, 0-9, '.', '-', '_', below 64 bytes */

/* Makes it, or has an error say which program said what; then nothing is left behind, and a former image of
 * that name is still there. Who is not root needs ids of his own (subuid(5), newuidmap) for the owners of
 * files. Minutes, over the network. */
int image_build(const char *state_dir, const struct image_build *b, struct err *err);

/* Its description, with its digest and size. -ENOENT, or why it is none. */
int image_describe(const char *state_dir, const char *name, json_t **ret, struct err *err);
/* The names that there are, sorted; each owned, and the array. */
int image_names(const char *state_dir, char ***ret, struct err *err);
/* Takes the name away, and what has no other name. Machines that run from it go on. */
int image_remove(const char *state_dir, const char *name, struct err *err);

/* An initramfs in memory with the program `agent` as /init, and the modules of the image in that directory.
 * Its descriptor, or why there is none. */
int initrd_make(const char *agent, const char *image, struct err *err);

#endif
