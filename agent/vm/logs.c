// SPDX-License-Identifier: GPL-2.0-or-later
/* See logs.h. The directory is QEMU's: a file there may be anything that a guest has put there. */
#include "vm/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

static const char *const logs[] = { "console.log", "qemu.log" };

/* Only one with this single name is no other file of the host. */
static bool is_too_large(int fd, off_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return false;
	*ret_size = st.st_size;
	return st.st_size > DROVER_LOGS_MAX;
}

static int cut(int fd, off_t size)
{
	auto_free char *tail = malloc(DROVER_LOGS_KEPT);
	ssize_t n;

	if (!tail)
		return -ENOMEM;
	n = pread(fd, tail, DROVER_LOGS_KEPT, size - DROVER_LOGS_KEPT);
	if (n < 0 || ftruncate(fd, 0) < 0)
		return -errno;
	return drover_io_write(fd, tail, n);
}

static void trim(const char *path, const char *vm)
{
	auto_close int fd = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	off_t size;
	int r;

	if (fd < 0 || !is_too_large(fd, &size))
		return;
	r = cut(fd, size);
	if (r < 0)
		log_warning("vm %s: %s of %lld bytes cannot be cut: %s", vm, path, (long long)size,
			    strerror(-r));
	else
		log_debug("vm %s: %s was cut, it had %lld bytes", vm, path, (long long)size);
}

void drover_logs_trim(const struct drover_conf *conf, const char *vm)
{
	for (size_t i = 0; i < sizeof(logs) / sizeof(*logs); i++) {
		char path[DROVER_PATH_MAX];

		if (drover_io_path(path, NULL, "%s/vms/%s/%s", conf->run_dir, vm, logs[i]) == 0)
			trim(path, vm);
	}
}
