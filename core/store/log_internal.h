/*
 * The format of a run's log. Private to core/store.
 *
 * RUN.log holds bytes and, before them, one record for each of their first chunks, in order; those of later
 * chunks are in RUN.idx. Most runs need the one file only: inodes are what a short run costs most. A record
 * is written after its bytes, so bytes without a record are a torn append: never shown, and overwritten by
 * the next one.
 */
#ifndef RUNFS_LOG_INTERNAL_H
#define RUNFS_LOG_INTERNAL_H

#include <stdint.h>

struct log_record {  /* little-endian, as every machine that runfs runs on is */
    uint64_t offset; /* in RUN.log */
    uint32_t len;
    uint16_t attempt;
    uint8_t stream; /* enum log_stream */
    uint8_t reserved;
    int64_t time_ns; /* wall clock */
    int64_t job_id, step_id;
};
_Static_assert(sizeof(struct log_record) == 40, "the index has no padding");

enum { LOG_HEAD_RECORDS = 102, LOG_BYTES_AT = 4096 }; /* a record of length 0 ends those in the head */
_Static_assert(LOG_HEAD_RECORDS * sizeof(struct log_record) <= LOG_BYTES_AT, "the head has room");

#endif
