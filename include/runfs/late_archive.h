/* libarchive, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_ARCHIVE_H
#define RUNFS_LATE_ARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#include "runfs/late.h"

/* clang-format off */
#define LATE_ARCHIVE(X) \
    X(archive_entry_clear) X(archive_entry_filetype) X(archive_entry_free) X(archive_entry_gid) \
    X(archive_entry_hardlink) X(archive_entry_mtime) X(archive_entry_mtime_is_set) \
    X(archive_entry_mtime_nsec) X(archive_entry_new) X(archive_entry_pathname) X(archive_entry_perm) \
    X(archive_entry_set_filetype) X(archive_entry_set_gid) X(archive_entry_set_hardlink) X(archive_entry_set_mode) \
    X(archive_entry_set_mtime) X(archive_entry_set_pathname) X(archive_entry_set_perm) \
    X(archive_entry_set_size) X(archive_entry_set_symlink) X(archive_entry_set_uid) X(archive_entry_size) \
    X(archive_entry_size_is_set) X(archive_entry_symlink) X(archive_entry_uid) \
    X(archive_entry_xattr_add_entry) X(archive_entry_xattr_next) X(archive_entry_xattr_reset) X(archive_errno) X(archive_error_string) \
    X(archive_filter_count) X(archive_read_data_block) X(archive_read_data_skip) X(archive_read_free) \
    X(archive_read_new) X(archive_read_next_header) \
    X(archive_read_open) X(archive_read_open1) X(archive_read_open_fd) \
    X(archive_read_set_callback_data) X(archive_read_set_read_callback) \
    X(archive_read_set_seek_callback) X(archive_read_support_filter_gzip) \
    X(archive_read_support_filter_zstd) X(archive_read_support_format_raw) \
    X(archive_read_support_format_tar) X(archive_read_support_format_zip_seekable) X(archive_set_error) \
    X(archive_write_close) X(archive_write_data) X(archive_write_fail) X(archive_write_free) \
    X(archive_write_header) X(archive_write_new) X(archive_write_open) X(archive_write_open_fd) \
    X(archive_write_set_bytes_in_last_block) X(archive_write_set_bytes_per_block) \
    X(archive_write_set_format_cpio_newc) X(archive_write_set_format_gnutar) \
    X(archive_write_set_format_pax) X(archive_write_set_format_raw) X(archive_write_set_format_zip) \
    X(archive_write_zip_set_compression_store)
/* clang-format on */

struct late_archive {
    LATE_ARCHIVE(LATE_FIELD)
};
const struct late_archive *late_archive(void);

#define archive_entry_clear (late_archive()->archive_entry_clear)
#define archive_entry_filetype (late_archive()->archive_entry_filetype)
#define archive_entry_free (late_archive()->archive_entry_free)
#define archive_entry_gid (late_archive()->archive_entry_gid)
#define archive_entry_hardlink (late_archive()->archive_entry_hardlink)
#define archive_entry_mtime (late_archive()->archive_entry_mtime)
#define archive_entry_mtime_is_set (late_archive()->archive_entry_mtime_is_set)
#define archive_entry_mtime_nsec (late_archive()->archive_entry_mtime_nsec)
#define archive_entry_new (late_archive()->archive_entry_new)
#define archive_entry_pathname (late_archive()->archive_entry_pathname)
#define archive_entry_perm (late_archive()->archive_entry_perm)
#define archive_entry_set_filetype (late_archive()->archive_entry_set_filetype)
#define archive_entry_set_gid (late_archive()->archive_entry_set_gid)
#define archive_entry_set_hardlink (late_archive()->archive_entry_set_hardlink)
#define archive_entry_set_mode (late_archive()->archive_entry_set_mode)
#define archive_entry_set_mtime (late_archive()->archive_entry_set_mtime)
#define archive_entry_set_pathname (late_archive()->archive_entry_set_pathname)
#define archive_entry_set_perm (late_archive()->archive_entry_set_perm)
#define archive_entry_set_size (late_archive()->archive_entry_set_size)
#define archive_entry_set_symlink (late_archive()->archive_entry_set_symlink)
#define archive_entry_set_uid (late_archive()->archive_entry_set_uid)
#define archive_entry_size (late_archive()->archive_entry_size)
#define archive_entry_size_is_set (late_archive()->archive_entry_size_is_set)
#define archive_entry_symlink (late_archive()->archive_entry_symlink)
#define archive_entry_uid (late_archive()->archive_entry_uid)
#define archive_entry_xattr_add_entry (late_archive()->archive_entry_xattr_add_entry)
#define archive_entry_xattr_next (late_archive()->archive_entry_xattr_next)
#define archive_entry_xattr_reset (late_archive()->archive_entry_xattr_reset)
#define archive_errno (late_archive()->archive_errno)
#define archive_error_string (late_archive()->archive_error_string)
#define archive_filter_count (late_archive()->archive_filter_count)
#define archive_read_data_block (late_archive()->archive_read_data_block)
#define archive_read_data_skip (late_archive()->archive_read_data_skip)
#define archive_read_free (late_archive()->archive_read_free)
#define archive_read_new (late_archive()->archive_read_new)
#define archive_read_next_header (late_archive()->archive_read_next_header)
#define archive_read_open (late_archive()->archive_read_open)
#define archive_read_open1 (late_archive()->archive_read_open1)
#define archive_read_open_fd (late_archive()->archive_read_open_fd)
#define archive_read_set_callback_data (late_archive()->archive_read_set_callback_data)
#define archive_read_set_read_callback (late_archive()->archive_read_set_read_callback)
#define archive_read_set_seek_callback (late_archive()->archive_read_set_seek_callback)
#define archive_read_support_filter_gzip (late_archive()->archive_read_support_filter_gzip)
#define archive_read_support_filter_zstd (late_archive()->archive_read_support_filter_zstd)
#define archive_read_support_format_raw (late_archive()->archive_read_support_format_raw)
#define archive_read_support_format_tar (late_archive()->archive_read_support_format_tar)
#define archive_read_support_format_zip_seekable (late_archive()->archive_read_support_format_zip_seekable)
#define archive_set_error (late_archive()->archive_set_error)
#define archive_write_close (late_archive()->archive_write_close)
#define archive_write_data (late_archive()->archive_write_data)
#define archive_write_fail (late_archive()->archive_write_fail)
#define archive_write_free (late_archive()->archive_write_free)
#define archive_write_header (late_archive()->archive_write_header)
#define archive_write_new (late_archive()->archive_write_new)
#define archive_write_open (late_archive()->archive_write_open)
#define archive_write_open_fd (late_archive()->archive_write_open_fd)
#define archive_write_set_bytes_in_last_block (late_archive()->archive_write_set_bytes_in_last_block)
#define archive_write_set_bytes_per_block (late_archive()->archive_write_set_bytes_per_block)
#define archive_write_set_format_cpio_newc (late_archive()->archive_write_set_format_cpio_newc)
#define archive_write_set_format_gnutar (late_archive()->archive_write_set_format_gnutar)
#define archive_write_set_format_pax (late_archive()->archive_write_set_format_pax)
#define archive_write_set_format_raw (late_archive()->archive_write_set_format_raw)
#define archive_write_set_format_zip (late_archive()->archive_write_set_format_zip)
#define archive_write_zip_set_compression_store (late_archive()->archive_write_zip_set_compression_store)

#endif
