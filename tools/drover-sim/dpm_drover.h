/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drover's own policies, power management and load balancing, as one of those that are compared. */
#ifndef DROVER_SIM_DPM_DROVER_H
#define DROVER_SIM_DPM_DROVER_H

#include "cloudsim.h"
#include "policy/snapshot.h"

/**
 * struct dpm_drover - what the agent would remember
 * @since_s: when each host came to be on, or asleep
 * @past: last moves of each VM
 *
 * A new one is needed for each run.
 */
struct dpm_past {
	uint32_t count;
	struct {
		uint64_t when_s;
		int from, to;
	} move[DROVER_DRS_PAST_MAX];
};

struct dpm_drover {
	uint64_t since_s[CS_HOSTS];
	struct dpm_past *past;
};

int dpm_drover_init(struct dpm_drover *drover, size_t vms);
void dpm_drover_exit(struct dpm_drover *drover);

/** dpm_drover_place(), dpm_drover_plan() - for struct cs_policy; @data is a struct dpm_drover */
int dpm_drover_place(struct cs_world *world, int vm, void *data);
int dpm_drover_plan(struct cs_world *world, struct cs_move *moves, int room, void *data);

#endif
