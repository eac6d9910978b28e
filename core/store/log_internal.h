/*
 * The format of a run's log index. Private to core/store.
 *
 * RUN.log holds bytes, RUN.idx holds one record for each chunk of them, in order. A record is written after
 * its bytes, so bytes without a record are a torn append: never shown, and overwritten by the next one.
 */
#ifndef RUNFS_LOG_INTERNAL_H
#define RUNFS_LOG_INTERNAL_H

#include <stdint.h>

struct log_record { /* little-endian, as every machine that runfs runs on is */
    uint64_t offset;
    uint32_t len;
    uint16_t attempt;
    uint8_t stream; /* enum log_stream */
    uint8_t reserved;
    int64_t time_ns; /* wall clock */
    int64_t job_id, step_id;
};
_Static_assert(sizeof(struct log_record) == 40, "the index has no padding");

#endif
