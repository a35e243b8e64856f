// SPDX-License-Identifier: GPL-2.0-or-later
/* The lists of a plan. */
#include "policy/plan.h"

#include <stdlib.h>

void drover_drs_plan_free(struct drover_drs_plan *plan)
{
	free(plan->moves);
	free(plan->rejects);
	free(plan->notes);
	*plan = (struct drover_drs_plan){0};
}

void drover_drs_plan_apply(const struct drover_drs_plan *plan, struct drover_drs_vm *vms)
{
	for (size_t i = 0; i < plan->move_count; i++)
		if (plan->moves[i].to != DROVER_DRS_NONE)
			vms[plan->moves[i].vm].host = plan->moves[i].to;
}
