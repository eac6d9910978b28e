/* Plain scalars by the core schema of YAML 1.2, as GitHub reads it. */
#ifndef RUNFS_YAML_SCALAR_H
#define RUNFS_YAML_SCALAR_H

#include "runfs/token.h"

/* These set kind and value of t from its text and return 1, 0 when the text is no such value, or -ERANGE. */
int yaml_match_null(struct token *t);
int yaml_match_boolean(struct token *t);
int yaml_match_integer(struct token *t);
int yaml_match_float(struct token *t);

#endif
