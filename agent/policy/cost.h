/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a migration costs. */
#ifndef DROVER_POLICY_COST_H
#define DROVER_POLICY_COST_H

#include "policy/snapshot.h"

/**
 * struct drover_drs_cost - a migration
 * @duration_s: from start to end
 * @bytes: over the link
 * @blackout_s: in which the guest does not run
 * @cpu_mhz: that it takes on the source, and as much on the target, while it lasts
 * @work: MHz x s that guests lose by it: the blackout, and the CPU it takes on both ends
 */
struct drover_drs_cost {
	double duration_s;
	double bytes;
	double blackout_s;
	double cpu_mhz;
	double work;
};

/**
 * drover_drs_move_cost() - of one VM
 * @from, @to: the slower link of the two counts
 * @at_once: migrations that share the link, this one included
 */
struct drover_drs_cost drover_drs_move_cost(const struct drover_drs_vm *vm,
					    const struct drover_drs_host *from,
					    const struct drover_drs_host *to, uint32_t at_once);

#endif
