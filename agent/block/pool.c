// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools as directories: which one a path lies in, what fits, names of new images. */
#include "block/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define FSTAB	    "/etc/fstab"
#define NUMBERS_MAX 1000
#define MIB	    (UINT64_C(1) << 20)

const struct drover_pool_conf *drover_pool_find(const struct drover_conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->pool_count; i++)
		if (!*name || !strcmp(conf->pools[i].name, name))
			return &conf->pools[i];
	return NULL;
}

const struct drover_pool_conf *drover_pool_of(const struct drover_conf *conf, const char *path)
{
	/* Such a path need not lie where it seems to. */
	if (strstr(path, "/../"))
		return NULL;
	for (uint32_t i = 0; i < conf->pool_count; i++) {
		size_t n = strlen(conf->pools[i].path);

		if (!strncmp(path, conf->pools[i].path, n) && path[n] == '/' && path[n + 1])
			return &conf->pools[i];
	}
	return NULL;
}

static bool in_fstab(const char *path)
{
	FILE *f = setmntent(FSTAB, "re");
	struct mntent entry;
	char buf[4096];
	bool found = false;

	if (!f)
		return false;
	while (!found && getmntent_r(f, &entry, buf, sizeof(buf)))
		found = !strcmp(entry.mnt_dir, path);
	endmntent(f);
	return found;
}

/* An empty mount point looks like a pool, but what is written there fills the host's own disk. */
static int check_mounted(const struct drover_pool_conf *pool, int fd, struct drover_err *err)
{
	struct statx st;

	if (!pool->mounted && !in_fstab(pool->path))
		return 0;
	if (statx(fd, "", AT_EMPTY_PATH, 0, &st) < 0)
		return drover_err_set(err, errno, "pool %s: cannot look at %s: %s", pool->name,
				      pool->path, strerror(errno));
	if (!(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
	    (st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return 0;
	return drover_err_set(err, ENOTDIR, "pool %s cannot be used: nothing is mounted at %s",
			      pool->name, pool->path);
}

static int enter(const struct drover_pool_conf *pool, int *ret_fd, struct drover_err *err)
{
	auto_close int fd = open(pool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return drover_err_set(err, ENOTDIR,
				      "pool %s cannot be used: there is no directory %s", pool->name,
				      pool->path);
	if (fd < 0)
		return drover_err_set(err, errno, "pool %s: cannot open %s: %s", pool->name,
				      pool->path, strerror(errno));
	r = check_mounted(pool, fd, err);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

static int look(const struct drover_pool_conf *pool, int fd, struct statvfs *ret_st,
		struct drover_err *err)
{
	if (fstatvfs(fd, ret_st) < 0)
		return drover_err_set(err, errno, "pool %s: cannot look at %s: %s", pool->name,
				      pool->path, strerror(errno));
	return 0;
}

/* What is kept for root is no part of a pool: QEMU does not run as root. */
static void count(const struct statvfs *st, uint64_t *ret_size, uint64_t *ret_free)
{
	*ret_free = (uint64_t)st->f_bavail * st->f_frsize;
	*ret_size = (uint64_t)(st->f_blocks - st->f_bfree) * st->f_frsize + *ret_free;
}

int drover_pool_space(const struct drover_pool_conf *pool, uint64_t *ret_size, uint64_t *ret_free,
		      struct drover_err *err)
{
	auto_close int fd = -1;
	struct statvfs st;
	int r = enter(pool, &fd, err);

	if (r == 0)
		r = look(pool, fd, &st, err);
	if (r == 0)
		count(&st, ret_size, ret_free);
	return r;
}

bool drover_pool_inside(const struct drover_pool_conf *pool, const char *path, char *buf)
{
	auto_free char *file = realpath(path, NULL);
	auto_free char *root = realpath(pool->path, NULL);
	size_t n = root ? strlen(root) : 0;

	if (!file || !root || strncmp(file, root, n) || file[n] != '/')
		return false;
	return snprintf(buf, DROVER_PATH_MAX, "%s", file + n) < DROVER_PATH_MAX;
}

static uint64_t in_mib(uint64_t bytes)
{
	return bytes / MIB + !!(bytes % MIB);
}

static int fit(const struct drover_pool_conf *pool, uint64_t space, uint64_t promised,
	       uint64_t bytes, struct drover_err *err)
{
	if (bytes <= (promised < space ? space - promised : 0))
		return 0;
	if (!promised)
		return drover_err_set(err, ENOSPC,
				      "pool %s has no space: %" PRIu64 " MiB are free, %" PRIu64
				      " MiB are needed",
				      pool->name, space / MIB, in_mib(bytes));
	return drover_err_set(err, ENOSPC,
			      "pool %s has no space: %" PRIu64 " MiB are free, %" PRIu64
			      " MiB are promised to moves under way, %" PRIu64 " MiB are needed",
			      pool->name, space / MIB, in_mib(promised), in_mib(bytes));
}

/* @mine: the promise that is being made, @instead of an earlier one; NULL if none */
static int check(const struct drover_pool_conf *pool, int fd, dev_t dev, uint64_t bytes,
		 const struct drover_promise *mine, const struct drover_promise *instead,
		 struct drover_err *err)
{
	uint64_t size, space, promised;
	struct statvfs st;
	/* Before a look at what is free: what is written in between counts twice, and not never. */
	int r = drover_promise_sum(pool->path, dev, mine, instead, &promised, err);

	if (r == 0)
		r = look(pool, fd, &st, err);
	if (r < 0)
		return r;
	if (st.f_flag & ST_RDONLY)
		return drover_err_set(err, EROFS, "pool %s is mounted read-only", pool->name);
	count(&st, &size, &space);
	return fit(pool, space, promised, bytes, err);
}

static int enter_with_dev(const struct drover_pool_conf *pool, int *ret_fd, dev_t *ret_dev,
			  struct drover_err *err)
{
	struct stat st;
	int r = enter(pool, ret_fd, err);

	if (r < 0)
		return r;
	if (fstat(*ret_fd, &st) < 0)
		return drover_err_set(err, errno, "pool %s: cannot look at %s: %s", pool->name,
				      pool->path, strerror(errno));
	*ret_dev = st.st_dev;
	return 0;
}

int drover_pool_check(const struct drover_pool_conf *pool, uint64_t bytes, struct drover_err *err)
{
	auto_close int fd = -1;
	dev_t dev;
	int r = enter_with_dev(pool, &fd, &dev, err);

	return r < 0 ? r : check(pool, fd, dev, bytes, NULL, NULL, err);
}

int drover_pool_promise(const struct drover_pool_conf *pool, const char *path, uint64_t bytes,
			struct drover_promise **promise, struct drover_err *err)
{
	struct drover_promise *mine = NULL;
	auto_close int fd = -1;
	dev_t dev;
	int r = enter_with_dev(pool, &fd, &dev, err);

	if (r == 0)
		r = drover_promise_make(pool->path, dev, path, bytes, &mine, err);
	if (r == 0)
		r = check(pool, fd, dev, bytes, mine, *promise, err);
	if (r < 0) {
		drover_promise_drop(mine);
		return r;
	}
	drover_promise_drop(*promise);
	*promise = mine;
	return 0;
}

int drover_pool_name_image(const struct drover_pool_conf *pool, const char *vm, const char *disk,
			   const char *format, char *buf, size_t size, struct drover_err *err)
{
	char number[16] = "";
	struct stat st;

	for (int i = 1; i <= NUMBERS_MAX; i++) {
		if (i > 1)
			snprintf(number, sizeof(number), "-%d", i);
		if (snprintf(buf, size, "%s/%s-%s%s.%s", pool->path, vm, disk, number, format) >=
		    (int)size)
			return drover_err_set(err, ENAMETOOLONG,
					      "the path of a new image in pool %s would be longer than "
					      "%zu bytes",
					      pool->name, size - 1);
		if (lstat(buf, &st) == 0)
			continue;
		if (errno == ENOENT)
			return 0;
		return drover_err_set(err, errno, "cannot look at %s: %s", buf, strerror(errno));
	}
	return drover_err_set(err, EEXIST, "pool %s has too many images of vm %s, disk %s",
			      pool->name, vm, disk);
}
