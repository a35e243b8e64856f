/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guest wrote: KVM's dirty log of the slots that show RAM files. */
#ifndef DROVER_HARVEST_KVM_H
#define DROVER_HARVEST_KVM_H

#include <linux/types.h>

#include "bitmap.h"
#include "memslot.h"
#include "uapi/drover.h"

/* Which words of a log, 64 pages each, a sample looks at. */
struct drover_kvmlog_choice {
	u64 seed;
	u32 one_in;		/* 0: none */
};

struct drover_kvmlog {
	struct drover_slots slots;
	u64 *chunk;		/* bits of one call of KVM_CLEAR_DIRTY_LOG */
	struct drover_kvmlog_choice chosen;	/* by the last sample */
};

struct drover_kvmlog_found {
	u64 pages;		/* not yet in the bitmap */
	u32 relogged;
};

int drover_kvmlog_start(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			const struct drover_maps *maps, struct drover_reason *why);
void drover_kvmlog_stop(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			const struct drover_maps *maps);
void drover_kvmlog_free(struct drover_kvmlog *log);
int drover_kvmlog_collect(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			  const struct drover_maps *maps, struct drover_bitmap *bitmap,
			  struct drover_kvmlog_found *found);
int drover_kvmlog_sample(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			 const struct drover_kvmlog_choice *next, struct drover_sample *found);

#endif /* DROVER_HARVEST_KVM_H */
