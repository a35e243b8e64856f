// SPDX-License-Identifier: GPL-2.0-or-later
/* A pool as operators see it: space, speed, images. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "block/ask.h"
#include "block/chain.h"
#include "core/clock.h"
#include "ctl/pools.h"

#define BLOCK 512	/* st_blocks is in these, whatever the file system's are */
/* How long a measurement is good for a choice. */
#define FRESH_US (3600 * UINT64_C(1000000))
/* It takes about a second, and what was under way before. */
#define MEASURE_MS 8000

/* --- images --- */

/*
 * A copy is one image: what its backing files hold comes with it. Of those, one that is missing
 * ends the chain, but one that does not answer would hold up the copy.
 */
static int look(const struct drover_conf *conf, struct drover_pools_disk *d, struct drover_err *err)
{
	uint64_t backing;
	struct stat st;
	int r = drover_ask_file(conf, d->def.path, &st, err);

	d->used = 0;
	if (r < 0)
		return r;
	r = drover_chain_used(conf, d->def.path, d->def.format, &backing, err);
	d->used = (uint64_t)st.st_blocks * BLOCK + backing;
	return r == -ETIMEDOUT ? r : 0;
}

void drover_pools_look(const struct drover_conf *conf, struct drover_pools_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++) {
		struct drover_pools_disk *d = &disks->list[i];
		struct drover_err err = { 0 };
		int r;

		if (!d->pool)
			continue;
		r = look(conf, d, &err);
		d->silent = r == -ETIMEDOUT;
		if (d->silent && !d->fixed[0])
			snprintf(d->fixed, sizeof(d->fixed), "%.250s", err.text);
		else if (r < 0 && !d->fixed[0])
			snprintf(d->fixed, sizeof(d->fixed), "its image cannot be found: %s",
				 strerror(-r));
	}
}

int drover_pools_usable(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			const struct drover_pools_disks *disks, struct drover_err *err)
{
	uint64_t size, space;
	size_t missing = 0;
	struct stat st;
	int r = drover_ask_pool(pool, false, &size, &space, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < disks->count; i++) {
		if (disks->list[i].pool != pool)
			continue;
		r = drover_ask_file(conf, disks->list[i].def.path, &st, NULL);
		if (r == 0)
			return 0;
		if (r == -ETIMEDOUT)
			return drover_err_set(err, r, "pool %s does not answer", pool->name);
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

static Drover__ImageInfo *image_of(const struct drover_conf *conf,
				   const struct drover_pools_disk *d)
{
	Drover__ImageInfo *info = malloc(sizeof(*info));
	struct drover_image image = { 0 };
	struct drover_err err = { 0 };
	struct stat st;
	int r;

	if (!info)
		return NULL;
	drover__image_info__init(info);
	r = drover_ask_file(conf, d->def.path, &st, &err);
	if (r == 0)
		drover_ask_image(conf, d->def.path, d->def.format, &image, &err);
	else if (r != -ETIMEDOUT)
		drover_err_set(&err, r, "the image cannot be found: %s", strerror(-r));
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

static void add_stray(void *data, const struct drover_pools_stray *stray)
{
	Drover__ImageInfo *info = malloc(sizeof(*info));
	Drover__PoolInfo *pool = data;

	if (!info)
		return;
	drover__image_info__init(info);
	info->path = strdup(stray->path);
	info->pool = strdup(pool->name);
	info->size_bytes = stray->size;
	info->used_bytes = stray->used;
	info->note = strdup(stray->note);
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

	if (drover_pools_usable(conf, pool, disks, &err) < 0 ||
	    drover_ask_pool(pool, false, &size, &space, &err) < 0)
		info->error = strdup(err.text);
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
	struct drover_err err = { 0 };

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
			add_image(info, image_of(conf, &disks->list[i]));
	}
	if (images && !info->error[0] &&
	    drover_pools_strays(conf, pool, disks, add_stray, info, &err) < 0)
		info->error = strdup(err.text);
	return info;
}

/* --- speed --- */

struct measuring {
	struct drover_pool_conf pool;
	struct drover_pool_speed speed;
};

static int run_measure(void *data, struct drover_err *err)
{
	struct measuring *m = data;

	return drover_pool_measure(&m->pool, &m->speed, err);
}

static int measure(const struct drover_pool_conf *pool, struct drover_pool_speed *ret_speed,
		   struct drover_err *err)
{
	struct measuring *m = calloc(1, sizeof(*m));
	char what[DROVER_NAME_LEN + 32];
	bool late;
	int r;

	if (!m)
		return drover_err_set(err, ENOMEM, "out of memory");
	m->pool = *pool;
	snprintf(what, sizeof(what), "pool %s, being measured,", pool->name);
	r = drover_ask(what, MEASURE_MS, run_measure, m, free, &late, err);
	if (late)
		return r;
	*ret_speed = m->speed;
	free(m);
	return r;
}

int drover_pools_measure(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_err *err)
{
	struct drover_pool_speed speed;
	uint64_t size, space;
	int r = drover_ask_pool(pool, true, &size, &space, err);

	if (r == 0)
		r = measure(pool, &speed, err);
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
