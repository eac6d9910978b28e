/* Between the files that make images of virtual machines. */
#ifndef RUNFS_IMAGE_IMAGE_H
#define RUNFS_IMAGE_IMAGE_H

#include "runfs/image.h"

/* What is being made has these names below STATE/images; under the lock, what has them and is not the
 * caller's was left by one that was killed. */
#define IMAGE_BUILDING ".building"
#define IMAGE_LINKING ".linking"
/* One makes or removes images at a time: a descriptor that holds the lock as long as it is open. */
int images_lock(const char *images, struct err *err);
/* Removes what was left, and contents that no name leads to. Under the lock. */
void images_collect(const char *images);

/* image_kernel.c: the ELF that a compressed kernel (a bzImage, with LZ4) has in it, written to path. */
int kernel_extract(const char *bzimage, const char *path, struct err *err);

#endif
