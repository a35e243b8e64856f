// SPDX-License-Identifier: GPL-2.0-or-later
/* From pools and disks to the policy's view of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/ask.h"
#include "ctl/pools.h"

static void add_pool(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		     const struct drover_pools_disks *disks, struct drover_pool_figures *figures)
{
	struct drover_pool_speed speed;
	uint64_t size, space;

	snprintf(figures->name, sizeof(figures->name), "%s", pool->name);
	/* One that nothing can be written to is no place for disks, nor are they deleted there. */
	if (drover_pools_usable(conf, pool, disks, NULL) == 0 &&
	    drover_ask_pool(pool, true, &size, &space, NULL) == 0) {
		figures->size = size;
		figures->used = size - space;
	}
	drover_pool_kept(conf, pool, &speed);
	figures->latency_us = speed.latency_us;
}

static void add_disk(const struct drover_pools_disk *d, struct drover_pool_disk *disk)
{
	strcpy(disk->vm, d->vm);
	strcpy(disk->disk, d->def.name);
	strcpy(disk->pool, d->pool->name);
	disk->bytes = d->used;
	disk->writes = d->writes;
	disk->fixed = d->fixed[0] || d->unused;
}

int drover_pools_view(const struct drover_conf *conf, const struct drover_pools_disks *disks,
		      struct drover_pools_figures *ret_figures, struct drover_err *err)
{
	struct drover_pools_figures *f = ret_figures;
	size_t n = 0;

	*f = (struct drover_pools_figures){
		.disks = calloc(disks->count + 1, sizeof(*f->disks)),
		.places = calloc(disks->count + 1, sizeof(*f->places)),
	};
	if (!f->disks || !f->places) {
		drover_pools_view_free(f);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	for (uint32_t i = 0; i < conf->pool_count; i++)
		add_pool(conf, &conf->pools[i], disks, &f->pools[i]);
	for (size_t i = 0; i < disks->count; i++) {
		if (!disks->list[i].pool)
			continue;
		f->places[n] = i;
		add_disk(&disks->list[i], &f->disks[n++]);
	}
	f->view = (struct drover_pool_view){
		.pools = f->pools,
		.pool_count = conf->pool_count,
		.disks = f->disks,
		.disk_count = n,
		.threshold = conf->pool_threshold,
	};
	return 0;
}

void drover_pools_view_free(struct drover_pools_figures *figures)
{
	free(figures->disks);
	free(figures->places);
	figures->disks = NULL;
	figures->places = NULL;
}
