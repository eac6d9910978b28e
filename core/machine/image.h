/* Between the files that make images, and the backend that boots them. */
#ifndef RUNFS_MACHINE_IMAGE_H
#define RUNFS_MACHINE_IMAGE_H

#include "runfs/image.h"

/* image_kernel.c: the ELF that a compressed kernel (a bzImage, with LZ4) has in it, written to path. */
int kernel_extract(const char *bzimage, const char *path, struct err *err);

/* image_initrd.c: an initramfs in memory with the agent as /init, and an image's modules. Its descriptor. */
int initrd_make(const char *agent, const char *image, struct err *err);

#endif
