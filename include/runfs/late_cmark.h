/* libcmark, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_CMARK_H
#define RUNFS_LATE_CMARK_H

#include <cmark.h>

#include "runfs/late.h"

/* clang-format off */
#define LATE_CMARK(X) \
    X(cmark_iter_free) X(cmark_iter_get_node) X(cmark_iter_new) X(cmark_iter_next) X(cmark_node_free) \
    X(cmark_node_get_fence_info) X(cmark_node_get_heading_level) X(cmark_node_get_literal) \
    X(cmark_node_get_start_line) X(cmark_node_get_type) X(cmark_parse_document)
/* clang-format on */

struct late_cmark {
    LATE_CMARK(LATE_FIELD)
};
const struct late_cmark *late_cmark(void);

#define cmark_iter_free (late_cmark()->cmark_iter_free)
#define cmark_iter_get_node (late_cmark()->cmark_iter_get_node)
#define cmark_iter_new (late_cmark()->cmark_iter_new)
#define cmark_iter_next (late_cmark()->cmark_iter_next)
#define cmark_node_free (late_cmark()->cmark_node_free)
#define cmark_node_get_fence_info (late_cmark()->cmark_node_get_fence_info)
#define cmark_node_get_heading_level (late_cmark()->cmark_node_get_heading_level)
#define cmark_node_get_literal (late_cmark()->cmark_node_get_literal)
#define cmark_node_get_start_line (late_cmark()->cmark_node_get_start_line)
#define cmark_node_get_type (late_cmark()->cmark_node_get_type)
#define cmark_parse_document (late_cmark()->cmark_parse_document)

#endif
