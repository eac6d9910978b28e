/*
 * Files of KEY=VALUE lines, as dotenv has made them usual and act reads them (act's documentation, "Usage
 * guide"): for `runfs run --secret-file`, `--var-file`, `--env-file` and `--input-file`.
 */
#ifndef RUNFS_FS_ENV_FILE_H
#define RUNFS_FS_ENV_FILE_H

#include <jansson.h>

#include "runfs/err.h"

/*
 * Adds what the file says to *object, which is made where it is NULL; a later line wins. Blank lines, and
 * those that begin with '#', are passed over; `export` before a key is, too. A value between double quotes
 * has \n, \r, \t, \", \$ and \\ for what they stand for, one between single quotes is as it stands; both may
 * go on over lines. Any other is the rest of the line, without the blanks around it; nothing is put in for
 * $NAME. 0, or -errno with a sentence that shows no value: -EINVAL with the line.
 */
int env_file_read(const char *path, json_t **object, struct err *err);

#endif
