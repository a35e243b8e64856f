/* SPDX-License-Identifier: GPL-2.0-only */
/* One harvest: from both sources into the session's bitmap. */
#ifndef DROVER_HARVEST_H
#define DROVER_HARVEST_H

#include <linux/types.h>

#include "bitmap.h"
#include "harvest_kvm.h"
#include "harvest_vmm.h"
#include "maps.h"
#include "ram.h"
#include "vmref.h"

struct drover_harvester {
	struct drover_vmref *vm;
	const struct drover_ram *ram;
	struct drover_bitmap *bitmap;
	bool watch_vmm;
	bool first;		/* no harvest since the start */
	u64 stamp;		/* of the slots, at the last harvest */
	struct drover_maps maps;
	struct drover_kvmlog kvm;
	struct drover_vmmlog vmm;
};

int drover_harvester_check(struct drover_harvester *harvester, struct drover_reason *why);
int drover_harvester_start(struct drover_harvester *harvester, struct drover_reason *why);
void drover_harvester_stop(struct drover_harvester *harvester);
int drover_harvester_run(struct drover_harvester *harvester, struct drover_harvest *result);
int drover_harvester_sample(struct drover_harvester *harvester, struct drover_sample *sample);
u32 drover_harvester_slots(const struct drover_harvester *harvester);
bool drover_harvester_outdated(const struct drover_harvester *harvester);

#endif /* DROVER_HARVEST_H */
