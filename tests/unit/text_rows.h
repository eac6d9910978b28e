/* A table of texts and of what a function makes of each. Include it behind cmocka.h. */
#ifndef RUNFS_TEXT_ROWS_H
#define RUNFS_TEXT_ROWS_H

#include "runfs/buf.h"
#include "runfs/str.h"

struct row {
    const char *text, *want;
};

static inline void check(const struct row *rows, size_t n, void (*make)(const char *text, struct buf *ret))
{
    for (size_t i = 0; i < n; i++) {
        _buf_ struct buf got = BUF_INIT;
        make(rows[i].text, &got);
        if (!str_eq(buf_str(&got), rows[i].want))
            fail_msg("'%s': expected '%s', got '%s'", rows[i].text, rows[i].want, buf_str(&got));
    }
}

#define CHECK(rows, make) check(rows, sizeof(rows) / sizeof(*(rows)), make)

#endif
