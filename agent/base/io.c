// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole reads and writes, durable files. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int drover_io_read(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return done ? -EPIPE : -ENODATA;
		done += n;
	}
	return 0;
}

int drover_io_write(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(fd, (const char *)buf + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK)
			n = write(fd, (const char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += n;
	}
	return 0;
}

int drover_io_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
			struct drover_err *err)
{
	auto_fclose FILE *f = fopen(path, "re");
	auto_free char *text = NULL;
	size_t len = 0, size = 0;

	if (!f)
		return drover_err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	/* Files below /proc and /sys have no size, so read until the end. */
	for (;;) {
		if (len + 1 >= size) {
			char *more = realloc(text, size = size ? size * 2 : 4096);

			if (!more)
				return drover_err_set(err, ENOMEM, "out of memory reading %s", path);
			text = more;
		}
		size_t n = fread(text + len, 1, size - len - 1, f);

		if (!n)
			break;
		len += n;
		if (len > max)
			return drover_err_set(err, EFBIG, "%s is larger than %zu bytes", path, max);
	}
	if (ferror(f))
		return drover_err_set(err, EIO, "cannot read %s", path);
	text[len] = '\0';
	*ret_text = steal_ptr(text);
	if (ret_len)
		*ret_len = len;
	return 0;
}

static int sync_dir_of(const char *path)
{
	char copy[DROVER_PATH_MAX];
	auto_close int fd = -1;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* Always a new file: the directory may belong to a VM, which must not choose where we write. */
static int write_and_sync(const char *path, const void *data, size_t len, mode_t mode)
{
	auto_close int fd = -1;
	int r;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = drover_io_write(fd, data, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int drover_io_write_durable(const char *path, const void *data, size_t len, mode_t mode,
			    struct drover_err *err)
{
	char tmp[DROVER_PATH_MAX];
	int r = drover_io_path(tmp, err, "%s.new", path);

	if (r < 0)
		return r;
	r = write_and_sync(tmp, data, len, mode);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return drover_err_set(err, r, "cannot write %s: %s", path, strerror(-r));
	}
	r = sync_dir_of(path);
	if (r < 0)
		return drover_err_set(err, r, "cannot sync the directory of %s: %s", path,
				      strerror(-r));
	return 0;
}

int drover_io_remove_durable(const char *path, struct drover_err *err)
{
	int r;

	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : drover_err_set(err, errno, "cannot remove %s: %s",
							    path, strerror(errno));
	r = sync_dir_of(path);
	if (r < 0)
		return drover_err_set(err, r, "cannot sync the directory of %s: %s", path,
				      strerror(-r));
	return 0;
}

int drover_io_check_secret(const char *path, const struct stat *st, const char *what,
			   const char *instead, struct drover_err *err)
{
	if (st->st_uid && st->st_uid != geteuid())
		return drover_err_set(err, EACCES, "%s is refused: it does not belong to root", path);
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return drover_err_set(err, EACCES,
				      "%s is refused: its mode %o lets others than root at %s; "
				      "chmod 600 helps, and %s",
				      path, (unsigned int)st->st_mode & 07777, what, instead);
	return 0;
}

static int make_dir(const char *path, mode_t mode, struct drover_err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
	}
	return drover_err_set(err, errno, "cannot make the directory %s: %s", path,
			      strerror(errno));
}

int drover_io_mkdirs(const char *path, mode_t mode, struct drover_err *err)
{
	char part[DROVER_PATH_MAX];
	int r = drover_io_path(part, err, "%s", path);

	if (r == 0 && !*part)
		r = drover_err_set(err, ENOENT, "a directory without a name cannot be made");
	if (r < 0)
		return r;
	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		r = make_dir(part, mode, err);
		if (r < 0 || !c)
			return r;
		*p = c;
	}
}

int drover_io_path(char *buf, struct drover_err *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, DROVER_PATH_MAX, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= DROVER_PATH_MAX)
		return drover_err_set(err, ENAMETOOLONG, "a path is longer than %d bytes",
				      DROVER_PATH_MAX - 1);
	return 0;
}
