/*
 * Descriptors and whole files: short transfers and EINTR are dealt with here, once.
 */
#ifndef RUNFS_IO_H
#define RUNFS_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runfs/buf.h"
#include "runfs/err.h"

/* Writes all of it. Returns 0 or -errno (-EPIPE for a dead peer, never a signal: SIGPIPE is ignored in
 * runfs). */
int write_all(int fd, const void *data, size_t len);
int pwrite_all(int fd, const void *data, size_t len, off_t off);

/* Reads exactly len bytes. Returns 0, -ENODATA at a premature end of file, or -errno. */
int read_exact(int fd, void *data, size_t len);

/* Appends a whole file, refusing more than max bytes (-EFBIG). Only regular files, pipes and character
 * devices. */
int read_file(const char *path, size_t max, struct buf *ret, struct err *err);
/*
 * The same of a regular file of a tree that others have written: no link leads out of root, and nothing that
 * is no file is waited for. -EXDEV: it leads out.
 */
int read_file_beneath(const char *root, const char *path, size_t max, struct buf *ret, struct err *err);

/* openat2(2), which ends in the directory root: flags are those of open, resolve is RESOLVE_... besides
 * RESOLVE_BENEATH. A descriptor, or -1 with errno. */
int open_beneath(int root, const char *path, int flags, uint64_t resolve);
/* open(2) of what is reached without a symbolic link: ELOOP. For a path that was free of them when it was
 * looked at, and that others can change. */
int open_no_links(const char *path, int flags);
int read_fd(int fd, size_t max, struct buf *ret);

/* Writes PATH.tmp-*, syncs it, renames it over PATH: readers see the old file or the new one, never a part.
 */
int write_file_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* mkdir -p. */
int make_dirs(const char *path, mode_t mode);

/* Whether the file system that fd is on is as good as full to whoever writes: less than one part in 256 of it
 * is free, or 64 KiB, or no inode. False where that cannot be told. */
bool file_system_full(int fd);
/*
 * Has the directories that are made in dir spread over the disk, each with its own neighbourhood (ext4, the T
 * of chattr(1); elsewhere nothing). ext4 without a journal searches past every inode of the neighbourhood
 * that was freed a moment ago: what makes and removes many files all the time should not be beside others.
 */
void dir_set_apart(const char *dir);

/* rm -rf below and including path, by descriptors, never across a symbolic link or into another mount
 * (-EXDEV). Depth costs neither descriptors nor stack. Fine when there is nothing. */
int remove_tree(const char *path);
/* The same for a directory; each one that is empty is offered to keep(), which may move it away (true)
 * instead. */
typedef bool remove_keep_fn(void *data, int at, const char *name, int fd);
int remove_tree_keeping(const char *path, remove_keep_fn *keep, void *data);
/* What is in a directory that was just opened, but for the entries of these names (NULL-terminated). */
int remove_within(int dir, const char *const *but, remove_keep_fn *keep, void *data);

/* Wall-clock and monotonic nanoseconds. */
int64_t now_ns(void);
int64_t mono_ns(void);
/* A file's time, which may be anybody's, as nanoseconds, the nearest that there are (1677 to 2262); and back.
 */
int64_t timespec_ns(struct timespec t);
struct timespec timespec_of(int64_t ns);

/* "2026-01-31T12:00:00.123Z" (RFC 3339), appended. Zero time appends nothing. */
void buf_add_time(struct buf *b, int64_t wall_ns);

#endif
