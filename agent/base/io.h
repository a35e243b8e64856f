/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole reads and writes, files that are there after a power loss, small paths. */
#ifndef DROVER_BASE_IO_H
#define DROVER_BASE_IO_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

#define DROVER_PATH_MAX 1024

/**
 * drover_io_read() - read exactly @len bytes
 *
 * Returns 0; -ENODATA when the stream ended before the first byte, -EPIPE when it
 * ended inside, or the negative errno of read(2).
 */
int drover_io_read(int fd, void *buf, size_t len);

/**
 * drover_io_write() - write all of @len bytes, without SIGPIPE on sockets
 *
 * Returns 0 or the negative errno of write(2).
 */
int drover_io_write(int fd, const void *buf, size_t len);

/**
 * drover_io_read_file() - a whole file as a NUL-terminated string
 * @path: the file
 * @max: refuse files larger than this, in bytes
 * @ret_text: out: to be freed by the caller
 * @ret_len: out: bytes without the NUL, or NULL
 */
int drover_io_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
			struct drover_err *err);

/**
 * drover_io_write_durable() - replace a file so that a power loss leaves old or new
 * @path: the file; "<path>.new" beside it is used
 *
 * File and directory are synced before the call returns 0.
 */
int drover_io_write_durable(const char *path, const void *data, size_t len, mode_t mode,
			    struct drover_err *err);

/**
 * drover_io_remove_durable() - remove a file; it stays gone after a power loss
 *
 * A file that is not there is no error.
 */
int drover_io_remove_durable(const char *path, struct drover_err *err);

/**
 * drover_io_check_secret() - may this file hold something that root alone may know?
 * @st: of the file
 * @what, @instead: what is in it, and what is to be made anew where others could read it
 *
 * Errors: -EACCES when it is neither root's nor the caller's, or others have any right to it.
 */
int drover_io_check_secret(const char *path, const struct stat *st, const char *what,
			   const char *instead, struct drover_err *err);

/** drover_io_mkdirs() - make a directory and its parents */
int drover_io_mkdirs(const char *path, mode_t mode, struct drover_err *err);

/**
 * drover_io_path() - print a path into @buf of DROVER_PATH_MAX bytes
 *
 * Returns 0 or -ENAMETOOLONG.
 */
int drover_io_path(char *buf, struct drover_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
