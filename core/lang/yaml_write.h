/* A tree of tokens as YAML text: block style, anchors written out, strings quoted where they would be read as
 * other. */
#ifndef RUNFS_YAML_WRITE_H
#define RUNFS_YAML_WRITE_H

#include "runfs/buf.h"
#include "runfs/token.h"

/* The tokens must be literals, sequences and mappings. 0, -EFBIG when aliases blow it up beyond `max` bytes,
 * -ENOMEM. */
int yaml_write(const struct token *t, size_t max, struct buf *ret);

#endif
