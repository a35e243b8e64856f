/* SPDX-License-Identifier: GPL-2.0-only */
/* What the VMM wrote, of which KVM knows nothing. */
#ifndef DROVER_HARVEST_VMM_H
#define DROVER_HARVEST_VMM_H

#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "bitmap.h"
#include "maps.h"
#include "ram.h"

struct drover_vmmlog {
	const struct drover_ram *ram;
	const struct drover_maps *maps;
	struct mm_struct *mm;
	struct mmu_notifier notifier;
	bool flush;		/* a page was write-protected in this walk */
	bool everything;	/* next collection looks at every page for references */
	unsigned long *found;	/* pages written since the last collection */
	unsigned long *kept;	/* pages that somebody may still be writing by DMA */
	spinlock_t zap_lock;	/* the rest */
	unsigned long *zapped;	/* pages whose mapping went away */
	unsigned int zapping;	/* mappings that are just going away */
	bool zaps;		/* any bit in @zapped */
};

struct drover_vmmlog_found {
	u64 pages;		/* not yet in the bitmap */
	u64 kept;		/* of earlier collections, and not yet in the bitmap */
};

int drover_vmmlog_start(struct drover_vmmlog *log, struct mm_struct *mm,
			const struct drover_ram *ram, const struct drover_maps *maps,
			struct drover_reason *why);
void drover_vmmlog_stop(struct drover_vmmlog *log);
int drover_vmmlog_collect(struct drover_vmmlog *log, struct drover_bitmap *bitmap,
			  struct drover_vmmlog_found *found);

#endif /* DROVER_HARVEST_VMM_H */
