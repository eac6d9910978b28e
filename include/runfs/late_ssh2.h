/* libssh2, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_SSH2_H
#define RUNFS_LATE_SSH2_H

#include <libssh2.h>

#include "runfs/late.h"

/* clang-format off */
#define LATE_SSH2(X) \
    X(libssh2_channel_close) X(libssh2_channel_direct_tcpip_ex) X(libssh2_channel_eof) \
    X(libssh2_channel_free) X(libssh2_channel_get_exit_status) \
    X(libssh2_channel_handle_extended_data2) X(libssh2_channel_open_ex) \
    X(libssh2_channel_process_startup) X(libssh2_channel_read_ex) X(libssh2_channel_send_eof) \
    X(libssh2_channel_wait_closed) X(libssh2_channel_write_ex) X(libssh2_free) X(libssh2_init) \
    X(libssh2_keepalive_config) X(libssh2_keepalive_send) X(libssh2_session_block_directions) \
    X(libssh2_session_callback_set) X(libssh2_session_disconnect_ex) X(libssh2_session_free) \
    X(libssh2_session_handshake) X(libssh2_session_hostkey) X(libssh2_session_init_ex) \
    X(libssh2_session_last_errno) X(libssh2_session_last_error) X(libssh2_session_method_pref) \
    X(libssh2_session_set_blocking) X(libssh2_session_supported_algs) \
    X(libssh2_userauth_authenticated) X(libssh2_userauth_list) \
    X(libssh2_userauth_publickey) X(libssh2_userauth_publickey_frommemory) X(libssh2_version)
/* clang-format on */

struct late_ssh2 {
    LATE_SSH2(LATE_FIELD)
};
const struct late_ssh2 *late_ssh2(void);

#define libssh2_channel_close (late_ssh2()->libssh2_channel_close)
#define libssh2_channel_direct_tcpip_ex (late_ssh2()->libssh2_channel_direct_tcpip_ex)
#define libssh2_channel_eof (late_ssh2()->libssh2_channel_eof)
#define libssh2_channel_free (late_ssh2()->libssh2_channel_free)
#define libssh2_channel_get_exit_status (late_ssh2()->libssh2_channel_get_exit_status)
#define libssh2_channel_handle_extended_data2 (late_ssh2()->libssh2_channel_handle_extended_data2)
#define libssh2_channel_open_ex (late_ssh2()->libssh2_channel_open_ex)
#define libssh2_channel_process_startup (late_ssh2()->libssh2_channel_process_startup)
#define libssh2_channel_read_ex (late_ssh2()->libssh2_channel_read_ex)
#define libssh2_channel_send_eof (late_ssh2()->libssh2_channel_send_eof)
#define libssh2_channel_wait_closed (late_ssh2()->libssh2_channel_wait_closed)
#define libssh2_channel_write_ex (late_ssh2()->libssh2_channel_write_ex)
#define libssh2_free (late_ssh2()->libssh2_free)
#define libssh2_init (late_ssh2()->libssh2_init)
#define libssh2_keepalive_config (late_ssh2()->libssh2_keepalive_config)
#define libssh2_keepalive_send (late_ssh2()->libssh2_keepalive_send)
#define libssh2_session_block_directions (late_ssh2()->libssh2_session_block_directions)
#define libssh2_session_callback_set (late_ssh2()->libssh2_session_callback_set)
#define libssh2_session_disconnect_ex (late_ssh2()->libssh2_session_disconnect_ex)
#define libssh2_session_free (late_ssh2()->libssh2_session_free)
#define libssh2_session_handshake (late_ssh2()->libssh2_session_handshake)
#define libssh2_session_hostkey (late_ssh2()->libssh2_session_hostkey)
#define libssh2_session_init_ex (late_ssh2()->libssh2_session_init_ex)
#define libssh2_session_last_errno (late_ssh2()->libssh2_session_last_errno)
#define libssh2_session_last_error (late_ssh2()->libssh2_session_last_error)
#define libssh2_session_method_pref (late_ssh2()->libssh2_session_method_pref)
#define libssh2_session_set_blocking (late_ssh2()->libssh2_session_set_blocking)
#define libssh2_session_supported_algs (late_ssh2()->libssh2_session_supported_algs)
#define libssh2_userauth_authenticated (late_ssh2()->libssh2_userauth_authenticated)
#define libssh2_userauth_list (late_ssh2()->libssh2_userauth_list)
#define libssh2_userauth_publickey (late_ssh2()->libssh2_userauth_publickey)
#define libssh2_userauth_publickey_frommemory (late_ssh2()->libssh2_userauth_publickey_frommemory)
#define libssh2_version (late_ssh2()->libssh2_version)

#endif
