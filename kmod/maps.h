/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a VM's process maps its RAM files. */
#ifndef DROVER_MAPS_H
#define DROVER_MAPS_H

#include <linux/types.h>

#include "ram.h"

#define DROVER_MAPS_MAX 64

struct drover_map {
	unsigned long start;	/* user address */
	unsigned long end;
	u64 page;		/* number of the page at @start */
};

struct drover_maps {
	unsigned int count;
	struct drover_map map[DROVER_MAPS_MAX];
};

int drover_maps_find(struct drover_maps *maps, const struct drover_ram *ram, struct mm_struct *mm,
		     struct drover_reason *why);
bool drover_maps_equal(const struct drover_maps *a, const struct drover_maps *b);
int drover_maps_locate(const struct drover_maps *maps, unsigned long start, u64 pages, u64 *page);

#endif /* DROVER_MAPS_H */
