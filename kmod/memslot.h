/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's memory slots that show RAM files to the guest, and the switch of their
 * dirty log. A list is a snapshot; a stamp tells whether it still holds.
 */
#ifndef DROVER_MEMSLOT_H
#define DROVER_MEMSLOT_H

#include <linux/types.h>

#include "maps.h"
#include "vmref.h"

struct drover_slot {
	u32 id;			/* as in KVM's ABI: address space << 16 | slot */
	u32 flags;		/* KVM_MEM_* */
	u64 gpa;
	u64 pages;
	unsigned long hva;
	u64 page;		/* number of its first page of the RAM */
	const void *log;	/* only to be compared: another log, another value */
	const void *birthmark;	/* only to be compared: re-created, another value */
	bool ours;		/* its log was off until we turned it on */
};

struct drover_slots {
	unsigned int count;
	u64 stamp;		/* sum of the generations of all address spaces */
	struct drover_slot *slot;
};

int drover_slots_list(struct drover_slots *slots, struct drover_vmref *vm,
		      const struct drover_maps *maps, struct drover_reason *why);
void drover_slots_free(struct drover_slots *slots);
struct drover_slot *drover_slots_find(const struct drover_slots *slots,
				      const struct drover_slot *like);
u64 drover_slots_stamp(struct drover_vmref *vm);
int drover_slot_set_log(struct drover_vmref *vm, const struct drover_slot *slot, bool on);

#endif /* DROVER_MEMSLOT_H */
