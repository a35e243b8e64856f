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
#include "block/ask.h"
#include "block/chain.h"
#include "block/moving.h"
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

/*
 * What lies in backing files is copied, too, unless they are kept. The move's own thread measures
 * exactly, before it makes anything; this is not to take so long.
 */
static int look_at_all(const struct drover_conf *conf, const struct drover_vm_def *def,
		       const struct drover_disk_def *disk, bool keep_backing, uint64_t *ret_bytes,
		       struct drover_err *err)
{
	uint64_t bytes, backing = 0;
	int r = look(def, disk, &bytes, err);

	if (r < 0)
		return r;
	if (!keep_backing)
		drover_chain_used(conf, disk->path, disk->format, &backing, NULL);
	*ret_bytes = drover_space_with_margin(bytes + backing);
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
		r = look_at_all(conf, def, disk, options->keep_backing, ret_bytes, err);
	if (r == 0)
		r = drover_pool_check(pool, *ret_bytes, err);
	if (r == 0)
		r = check_direct(pool, disk, err);
	return r < 0 ? r : drover_vmdef_check_dir(conf->vm_dir, err);
}

/* What a check needs, and gives, that may outlive its caller. */
struct checking {
	const struct drover_conf *conf;
	struct drover_vm_def def;
	char disk[DROVER_NAME_LEN];
	struct drover_disk_move_options options;
	uint64_t bytes;
	char path[DROVER_FIELD_LEN];
	struct drover_promise *promise;
};

static int run_check(void *data, struct drover_err *err)
{
	struct checking *c = data;

	return check(c->conf, &c->def, c->disk, &c->options, &c->bytes, err);
}

static int run_claim(void *data, struct drover_err *err)
{
	struct checking *c = data;
	const struct drover_pool_conf *pool = drover_pool_find(c->conf, c->options.pool);
	int r = run_check(c, err);

	if (r == 0)
		r = drover_pool_name_image(pool, c->def.name, c->disk,
					   c->options.format[0] ? c->options.format : pool->format,
					   c->path, sizeof(c->path), err);
	return r < 0 ? r : drover_pool_promise(pool, c->path, c->bytes, &c->promise, err);
}

static void checking_free(void *data)
{
	struct checking *c = data;

	drover_promise_drop(c->promise);
	free(c);
}

static int run_within(int (*fn)(void *data, struct drover_err *err), const struct drover_conf *conf,
		      const struct drover_vm_def *def, const char *disk,
		      const struct drover_disk_move_options *options,
		      struct checking **ret_checking, struct drover_err *err)
{
	struct checking *c = malloc(sizeof(*c));
	bool late;
	int r;

	if (!c)
		return drover_err_set(err, ENOMEM, "out of memory");
	*c = (struct checking){ .conf = conf, .def = *def, .options = *options };
	snprintf(c->disk, sizeof(c->disk), "%s", disk);
	r = drover_within(ANSWER_MS, fn, c, checking_free, &late, err);
	if (late)
		return drover_err_set(err, ETIMEDOUT,
				      "the store of disk %s of vm %s, or pool %s, does not answer in %d s",
				      disk, def->name, options->pool, ANSWER_MS / 1000);
	if (r < 0)
		checking_free(c);
	else
		*ret_checking = c;
	return r;
}

int drover_disk_move_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			   const char *disk, const struct drover_disk_move_options *options,
			   uint64_t *ret_bytes, struct drover_err *err)
{
	struct checking *c;
	int r = run_within(run_check, conf, def, disk, options, &c, err);

	if (r < 0)
		return r;
	*ret_bytes = c->bytes;
	checking_free(c);
	return 0;
}

int drover_moving_claim(const struct drover_conf *conf, const struct drover_vm_def *def,
			const char *disk, const struct drover_disk_move_options *options,
			char *path, struct drover_promise **ret_promise, struct drover_err *err)
{
	struct checking *c;
	int r = run_within(run_claim, conf, def, disk, options, &c, err);

	if (r < 0)
		return r;
	memcpy(path, c->path, sizeof(c->path));
	*ret_promise = steal_ptr(c->promise);
	checking_free(c);
	return 0;
}

/* --- several disks --- */

struct sum {
	const struct drover_pool_conf *pool;
	uint64_t bytes;
};

static int run_sum(void *data, struct drover_err *err)
{
	const struct sum *s = data;

	return drover_pool_check(s->pool, s->bytes, err);
}

int drover_disk_move_check_sum(const struct drover_conf *conf, const char *pool, uint64_t bytes,
			       struct drover_err *err)
{
	struct sum *s = malloc(sizeof(*s));
	bool late;
	int r;

	if (!s)
		return drover_err_set(err, ENOMEM, "out of memory");
	*s = (struct sum){ .pool = drover_pool_find(conf, pool), .bytes = bytes };
	r = drover_within(ANSWER_MS, run_sum, s, free, &late, err);
	if (late)
		return drover_err_set(err, ETIMEDOUT, "pool %s does not answer in %d s", pool,
				      ANSWER_MS / 1000);
	free(s);
	return r;
}
