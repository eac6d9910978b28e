/*
 * The forms in which a secret may turn up in output.
 */
#ifndef RUNFS_JOB_MASK_FORMS_H
#define RUNFS_JOB_MASK_FORMS_H

#include <stddef.h>

/* Calls add for the secret and everything that is derived from it, the same form more than once perhaps; ends
 * with what add returned when that is not 0. Returns 0, -ENOMEM or add's. */
int mask_forms(const char *secret, size_t len, int (*add)(void *data, const char *form, size_t len),
               void *data);

#endif
