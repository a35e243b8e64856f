// SPDX-License-Identifier: GPL-2.0-or-later
/* Run directories. */
#include "vm/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "vm/qmp.h"

#define FILE_MAX_BYTES 65536
#define DEPTH_MAX      8

int drover_rundir_create(const struct drover_vm *vm, const struct drover_user *user,
			 struct drover_err *err)
{
	char parent[DROVER_PATH_MAX];
	int r = drover_io_path(parent, err, "%s", vm->dir);

	if (r < 0)
		return r;
	*strrchr(parent, '/') = '\0';
	r = drover_io_mkdirs(parent, 0755, err);
	if (r < 0)
		return r;
	if (mkdir(vm->dir, 0750) < 0 && errno == EEXIST)
		return drover_err_set(err, EEXIST, "vm %s is running already: %s is there",
				      vm->def.name, vm->dir);
	if (chown(vm->dir, user->uid, user->gid) < 0) {
		r = drover_err_set(err, errno, "vm %s: cannot make %s: %s", vm->def.name, vm->dir,
				   strerror(errno));
		rmdir(vm->dir);
		return r;
	}
	return 0;
}

int drover_rundir_log(const struct drover_vm *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int fd, r = drover_io_path(path, err, "%s/qemu.log", vm->dir);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	return fd < 0 ? drover_err_set(err, errno, "cannot make %s: %s", path, strerror(errno)) : fd;
}

int drover_rundir_monitor(const char *dir, int timeout_ms, struct drover_qmp **ret_qmp,
			  struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/migrate.sock", dir);

	return r < 0 ? r : drover_qmp_connect(path, timeout_ms, ret_qmp, err);
}

static int read_ours(const char *path, char *text, struct drover_err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return drover_err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return drover_err_set(err, EPERM, "%s was not written by us", path);
	if (st.st_size > FILE_MAX_BYTES)
		return drover_err_set(err, EFBIG, "%s is larger than %d bytes", path, FILE_MAX_BYTES);
	r = drover_io_read(fd, text, st.st_size);
	if (r < 0)
		return drover_err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	text[st.st_size] = '\0';
	return 0;
}

int drover_rundir_read(const struct drover_vm *vm, const char *file, char **ret_text,
		       struct drover_err *err)
{
	auto_free char *text = malloc(FILE_MAX_BYTES + 1);
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/%s", vm->dir, file);

	if (r < 0)
		return r;
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = read_ours(path, text, err);
	if (r == 0)
		*ret_text = steal_ptr(text);
	return r;
}

/* --- the end --- */

static void remove_tree(int parent, const char *name, int depth);

static void remove_entries(DIR *dir, int depth)
{
	struct dirent *d;

	while ((d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..") &&
		    unlinkat(dirfd(dir), d->d_name, 0) < 0 && errno == EISDIR)
			remove_tree(dirfd(dir), d->d_name, depth + 1);
}

/* By descriptors, and never through a link: nobody can lead it out of the tree. */
static void remove_tree(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir && depth < DEPTH_MAX)
		remove_entries(dir, depth);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void drover_rundir_retire(const struct drover_vm *vm)
{
	char ended[DROVER_PATH_MAX];
	int base = strlen(vm->dir) - strlen("/vms/") - strlen(vm->def.name);
	auto_close int fd = -1;

	if (access(vm->dir, F_OK) < 0 ||
	    drover_io_path(ended, NULL, "%.*s/ended", base, vm->dir) < 0 ||
	    drover_io_mkdirs(ended, 0755, NULL) < 0)
		return;
	fd = open(ended, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	remove_tree(fd, vm->def.name, 0);
	/* It is ours now: other VMs run as the same user. */
	if (chown(vm->dir, geteuid(), getegid()) < 0 || chmod(vm->dir, 0700) < 0 ||
	    renameat(AT_FDCWD, vm->dir, fd, vm->def.name) < 0) {
		log_warning("vm %s: %s cannot be moved away: %s", vm->def.name, vm->dir,
			    strerror(errno));
		remove_tree(AT_FDCWD, vm->dir, 0);
	}
}
