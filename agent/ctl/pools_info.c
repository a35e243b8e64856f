// SPDX-License-Identifier: GPL-2.0-or-later
/* A pool as operators see it: space, speed, images. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "block/image.h"
#include "core/clock.h"
#include "ctl/pools.h"

#define CHAIN_MAX 16	/* backing files, one behind the other */
#define BLOCK	  512	/* st_blocks is in these, whatever the file system's are */
/* How long a measurement is good for a choice. */
#define FRESH_US (3600 * UINT64_C(1000000))

/* --- images --- */

/* A copy is one image: what its backing files hold comes with it. */
static uint64_t used_by(const char *path, const char *format)
{
	struct drover_image image;
	char next[DROVER_FIELD_LEN];
	uint64_t used = 0;
	struct stat st;

	snprintf(next, sizeof(next), "%s", path);
	for (int i = 0; i < CHAIN_MAX && next[0]; i++) {
		if (stat(next, &st) < 0)
			break;
		used += (uint64_t)st.st_blocks * BLOCK;
		if (strcmp(format, "qcow2") || drover_image_look(next, format, &image, NULL) < 0)
			break;
		snprintf(next, sizeof(next), "%s", image.backing);
		format = image.backing_format;
	}
	return used;
}

void drover_pools_look(struct drover_pools_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++) {
		struct drover_pools_disk *d = &disks->list[i];

		if (!d->pool)
			continue;
		d->used = used_by(d->def.path, d->def.format);
		if (access(d->def.path, F_OK) < 0 && !d->fixed[0])
			snprintf(d->fixed, sizeof(d->fixed), "its image cannot be found: %s",
				 strerror(errno));
	}
}

int drover_pools_usable(const struct drover_pool_conf *pool, const struct drover_pools_disks *disks,
			struct drover_err *err)
{
	uint64_t size, space;
	size_t missing = 0;
	int r = drover_pool_space(pool, &size, &space, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < disks->count; i++) {
		if (disks->list[i].pool != pool)
			continue;
		if (access(disks->list[i].def.path, F_OK) == 0)
			return 0;
		missing++;
	}
	return missing ? drover_err_set(err, ENOTDIR,
					"pool %s seems not to be mounted: no image that a VM has "
					"there can be found in %s",
					pool->name, pool->path)
		       : 0;
}

static void add_image(Drover__PoolInfo *info, Drover__ImageInfo *image)
{
	Drover__ImageInfo **more =
		image ? realloc(info->images, (info->n_images + 1) * sizeof(*more)) : NULL;

	if (!more) {
		if (image)
			drover__image_info__free_unpacked(image, NULL);
		return;
	}
	info->images = more;
	info->images[info->n_images++] = image;
}

static Drover__ImageInfo *image_of(const struct drover_pools_disk *d)
{
	Drover__ImageInfo *info = malloc(sizeof(*info));
	struct drover_image image = { 0 };
	struct drover_err err = { 0 };
	struct stat st;

	if (!info)
		return NULL;
	drover__image_info__init(info);
	if (stat(d->def.path, &st) < 0)
		drover_err_set(&err, errno, "the image cannot be found: %s", strerror(errno));
	else
		drover_image_look(d->def.path, d->def.format, &image, &err);
	info->vm = strdup(d->vm);
	info->disk = strdup(d->def.name);
	info->path = strdup(d->def.path);
	info->format = strdup(d->def.format);
	info->pool = strdup(d->pool->name);
	info->size_bytes = image.size;
	info->used_bytes = image.used;
	info->is_true = !d->unused;
	info->note = strdup(err.code ? err.text : d->fixed);
	return info;
}

static void add_stray(void *data, const char *path, const char *note)
{
	Drover__ImageInfo *info = malloc(sizeof(*info));
	Drover__PoolInfo *pool = data;
	struct stat st = { 0 };

	if (!info)
		return;
	drover__image_info__init(info);
	stat(path, &st);
	info->path = strdup(path);
	info->pool = strdup(pool->name);
	info->size_bytes = st.st_size;
	info->used_bytes = (uint64_t)st.st_blocks * BLOCK;
	info->note = strdup(note);
	add_image(pool, info);
}

/* --- pools --- */

static void add_vm(Drover__PoolInfo *info, const char *vm)
{
	char **more;

	for (size_t i = 0; i < info->n_vms; i++)
		if (!strcmp(info->vms[i], vm))
			return;
	more = realloc(info->vms, (info->n_vms + 1) * sizeof(*more));
	if (!more)
		return;
	info->vms = more;
	info->vms[info->n_vms++] = strdup(vm);
}

static void add_figures(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			const struct drover_pools_disks *disks, Drover__PoolInfo *info)
{
	struct drover_pool_speed speed;
	struct drover_err err = { 0 };
	uint64_t size = 0, space = 0;

	if (drover_pools_usable(pool, disks, &err) < 0)
		info->error = strdup(err.text);
	else
		drover_pool_space(pool, &size, &space, NULL);
	info->size_bytes = size;
	info->used_bytes = size - space;
	drover_pool_kept(conf, pool, &speed);
	info->latency_us = speed.latency_us;
	info->read_rate_bytes = speed.read_rate;
	info->write_rate_bytes = speed.write_rate;
	info->measured_time_us = speed.time_us;
}

Drover__PoolInfo *drover_pools_info(const struct drover_conf *conf,
				    const struct drover_pool_conf *pool,
				    const struct drover_pools_disks *disks, bool images)
{
	Drover__PoolInfo *info = malloc(sizeof(*info));

	if (!info)
		return NULL;
	drover__pool_info__init(info);
	info->name = strdup(pool->name);
	info->path = strdup(pool->path);
	info->id = strdup(pool->id);
	info->format = strdup(pool->format);
	add_figures(conf, pool, disks, info);
	for (size_t i = 0; i < disks->count; i++) {
		if (disks->list[i].pool != pool)
			continue;
		add_vm(info, disks->list[i].vm);
		if (images)
			add_image(info, image_of(&disks->list[i]));
	}
	if (images && !info->error[0])
		drover_pools_strays(conf, pool, disks, add_stray, info);
	return info;
}

int drover_pools_measure(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_err *err)
{
	struct drover_pool_speed speed;
	int r = drover_pool_measure(pool, &speed, err);

	return r < 0 ? r : drover_pool_keep(conf, pool, &speed, err);
}

int drover_pools_refresh(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_err *err)
{
	struct drover_pool_speed speed;

	drover_pool_kept(conf, pool, &speed);
	/* A time to come is none: the clock was put back. */
	return drover_clock_realtime() - speed.time_us < FRESH_US
		       ? 0 : drover_pools_measure(conf, pool, err);
}
