/* libmicrohttpd, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_MICROHTTPD_H
#define RUNFS_LATE_MICROHTTPD_H

#include <microhttpd.h>

#include "runfs/late.h"

/* clang-format off */
#define LATE_MICROHTTPD(X) \
    X(MHD_add_response_header) X(MHD_create_response_from_buffer) \
    X(MHD_create_response_from_callback) X(MHD_create_response_from_fd_at_offset64) \
    X(MHD_destroy_response) X(MHD_get_connection_info) X(MHD_get_connection_values) \
    X(MHD_get_connection_values_n) X(MHD_lookup_connection_value) X(MHD_queue_response) X(MHD_set_connection_option) \
    X(MHD_start_daemon) X(MHD_stop_daemon)
/* clang-format on */

struct late_microhttpd {
    LATE_MICROHTTPD(LATE_FIELD)
};
const struct late_microhttpd *late_microhttpd(void);

#define MHD_add_response_header (late_microhttpd()->MHD_add_response_header)
#define MHD_create_response_from_buffer (late_microhttpd()->MHD_create_response_from_buffer)
#define MHD_create_response_from_callback (late_microhttpd()->MHD_create_response_from_callback)
#define MHD_create_response_from_fd_at_offset64 (late_microhttpd()->MHD_create_response_from_fd_at_offset64)
#define MHD_destroy_response (late_microhttpd()->MHD_destroy_response)
#define MHD_get_connection_info (late_microhttpd()->MHD_get_connection_info)
#define MHD_get_connection_values (late_microhttpd()->MHD_get_connection_values)
#define MHD_get_connection_values_n (late_microhttpd()->MHD_get_connection_values_n)
#define MHD_lookup_connection_value (late_microhttpd()->MHD_lookup_connection_value)
#define MHD_queue_response (late_microhttpd()->MHD_queue_response)
#define MHD_set_connection_option (late_microhttpd()->MHD_set_connection_option)
#define MHD_start_daemon (late_microhttpd()->MHD_start_daemon)
#define MHD_stop_daemon (late_microhttpd()->MHD_stop_daemon)

#endif
