// SPDX-License-Identifier: GPL-2.0-or-later
/* Unix sockets. */
#include "base/unix.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define BACKLOG 16

static int address_of(const char *path, struct sockaddr_un *ret, struct drover_err *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(ret->sun_path))
		return drover_err_set(err, ENAMETOOLONG, "the socket path %s is too long", path);
	strcpy(ret->sun_path, path);
	return 0;
}

/* QEMU runs as the owner of the VM's directory. */
static int give_to_owner(const char *path)
{
	char copy[DROVER_PATH_MAX];
	struct stat st;

	snprintf(copy, sizeof(copy), "%s", path);
	if (stat(dirname(copy), &st) < 0 || lchown(path, st.st_uid, st.st_gid) < 0)
		return -errno;
	return 0;
}

int drover_unix_listen(const char *path, struct drover_err *err)
{
	auto_close int fd = -1;
	struct sockaddr_un sa;
	int r = address_of(path, &sa, err);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, BACKLOG) < 0)
		return drover_err_set(err, errno, "cannot listen on %s: %s", path, strerror(errno));
	r = give_to_owner(path);
	if (r < 0)
		return drover_err_set(err, r, "cannot give %s to its VM: %s", path, strerror(-r));
	return steal_fd(&fd);
}

int drover_unix_connect(const char *path, struct drover_err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	int r = address_of(path, &sa, err);

	if (r < 0)
		return r;
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return drover_err_set(err, errno, "cannot reach QEMU at %s: %s", path,
				      strerror(errno));
	return steal_fd(&fd);
}
