// SPDX-License-Identifier: GPL-2.0-or-later
/* May this disk move there? All that a look at files can tell. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/within.h"
#include "block/move.h"
#include "block/pool.h"
#include "block/space.h"
#include "core/config.h"
#include "core/nbd.h"

/* A store that is dead never answers, and who asks looks after all other VMs as well. */
#define ANSWER_MS 5000

static int check_format(const struct drover_disk_def *disk, const char *format, bool keep_backing,
			struct drover_err *err)
{
	if (strcmp(format, "raw") && strcmp(format, "qcow2"))
		return drover_err_set(err, EINVAL, "\"%s\" is no format: there are raw and qcow2",
				      format);
	if (keep_backing && (strcmp(format, "qcow2") || strcmp(disk->format, "qcow2")))
		return drover_err_set(err, EINVAL,
				      "disk %s cannot keep its backing file: a raw image has none",
				      disk->name);
	return 0;
}

/* QEMU would find out only when the image has been made. */
static int check_direct(const struct drover_pool_conf *pool, const struct drover_disk_def *disk,
			struct drover_err *err)
{
	auto_close int fd = -1, direct = -1;

	if (strcmp(disk->cache, "none"))
		return 0;
	direct = open(pool->path, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	if (direct >= 0)
		return 0;
	fd = open(pool->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* Some file systems know no O_TMPFILE; there QEMU will tell. */
	return fd < 0 ? 0
		      : drover_err_set(err, EINVAL,
				       "disk %s has cache = none, which does not work in pool %s",
				       disk->name, pool->name);
}

static int look(const struct drover_vm_def *def, const struct drover_disk_def *disk,
		uint64_t *ret_bytes, struct drover_err *err)
{
	auto_close int fd = -1;
	struct stat st;

	*ret_bytes = 0;
	if (drover_nbd_is(disk->path))
		return 0;
	if (stat(disk->path, &st) < 0)
		return drover_err_set(err, errno, "disk %s of vm %s: %s: %s", disk->name, def->name,
				      disk->path, strerror(errno));
	*ret_bytes = st.st_blocks * UINT64_C(512);
	if (S_ISREG(st.st_mode))
		return 0;
	fd = S_ISBLK(st.st_mode) ? open(disk->path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return drover_err_set(err, EINVAL, "disk %s of vm %s cannot be read: %s",
				      disk->name, def->name, disk->path);
	*ret_bytes = lseek(fd, 0, SEEK_END);
	return 0;
}

static int check(const struct drover_conf *conf, const struct drover_vm_def *def,
		 const char *disk_name, const struct drover_disk_move_options *options,
		 uint64_t *ret_bytes, struct drover_err *err)
{
	const struct drover_disk_def *disk = drover_vmdef_disk(def, disk_name);
	const struct drover_pool_conf *pool = drover_pool_find(conf, options->pool);
	const char *format;
	int r;

	if (!disk)
		return drover_err_set(err, ENOENT, "vm %s has no disk %s", def->name, disk_name);
	if (!pool)
		return drover_err_set(err, ENOENT,
				      "%s has no pool %s: drover.conf has no [pool %s]", conf->host,
				      options->pool, options->pool);
	if (disk->readonly)
		return drover_err_set(err, EROFS,
				      "disk %s of vm %s is read-only and stays where it is",
				      disk_name, def->name);
	format = options->format[0] ? options->format : pool->format;
	r = check_format(disk, format, options->keep_backing, err);
	if (r == 0 && drover_pool_of(conf, disk->path) == pool && !strcmp(disk->format, format))
		r = drover_err_set(err, EALREADY, "disk %s of vm %s is in pool %s already, as %s",
				   disk_name, def->name, pool->name, format);
	if (r == 0)
		r = look(def, disk, ret_bytes, err);
	if (r == 0)
		r = drover_pool_check(pool, drover_space_with_margin(*ret_bytes), err);
	if (r == 0)
		r = check_direct(pool, disk, err);
	return r < 0 ? r : drover_vmdef_check_dir(conf->vm_dir, err);
}

/* What a check needs that may outlive its caller. */
struct checking {
	const struct drover_conf *conf;
	struct drover_vm_def def;
	char disk[DROVER_NAME_LEN];
	struct drover_disk_move_options options;
	uint64_t bytes;
};

static int run_check(void *data, struct drover_err *err)
{
	struct checking *c = data;

	return check(c->conf, &c->def, c->disk, &c->options, &c->bytes, err);
}

int drover_disk_move_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			   const char *disk_name, const struct drover_disk_move_options *options,
			   uint64_t *ret_bytes, struct drover_err *err)
{
	struct checking *c = malloc(sizeof(*c));
	bool late;
	int r;

	if (!c)
		return drover_err_set(err, ENOMEM, "out of memory");
	*c = (struct checking){ .conf = conf, .def = *def, .options = *options };
	snprintf(c->disk, sizeof(c->disk), "%s", disk_name);
	r = drover_within(ANSWER_MS, run_check, c, free, &late, err);
	if (late)
		return drover_err_set(err, ETIMEDOUT,
				      "the store of disk %s of vm %s, or pool %s, does not answer in %d s",
				      disk_name, def->name, options->pool, ANSWER_MS / 1000);
	if (r == 0)
		*ret_bytes = c->bytes;
	free(c);
	return r;
}
