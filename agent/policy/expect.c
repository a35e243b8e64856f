// SPDX-License-Identifier: GPL-2.0-or-later
/* Unmet demand that is to be expected of a host. */
#include "policy/expect.h"

#include <math.h>

#include "policy/predict.h"

#define FULL	 0.9 /* of the CPU: what is wanted above that counts */
#define FAR_FROM 6.0 /* standard deviations beyond which the tail is nothing */

double drs_expect(double mean, double var, double cap)
{
	double over = mean - cap, sd = var > 0 ? sqrt(var) : 0, z;

	if (over <= -FAR_FROM * sd)
		return 0;
	if (over >= FAR_FROM * sd)
		return over;
	z = over / sd;
	return sd * exp(-z * z / 2) * (M_2_SQRTPI * M_SQRT1_2 / 2) +
	       over * erfc(-z * M_SQRT1_2) / 2;
}

static double memory_short(const struct drs_load *l, double cap, double memory_cap)
{
	return l->memory > memory_cap && memory_cap > 0
		       ? (l->memory - memory_cap) / memory_cap * cap
		       : 0;
}

double drs_short(const struct drs_load *l, double cap, double memory_cap)
{
	return fmax(0, l->now - cap) + memory_short(l, cap, memory_cap);
}

double drs_loss(const struct drs_load *l, double cap, double memory_cap)
{
	double full = FULL * cap;

	return fmax(0, l->now - full) * DRS_NOW_S +
	       drs_expect(l->near, l->near_var, full) * (DRS_NEAR_S - DRS_NOW_S) +
	       drs_expect(l->far, l->far_var, full) * (DRS_HORIZON_S - DRS_NEAR_S) +
	       memory_short(l, cap, memory_cap) * DRS_HORIZON_S;
}

struct drs_load drs_load_of(const struct drover_drs_vm *vm, uint64_t now_s, uint32_t step_s,
			    double allowed)
{
	struct drover_drs_forecast near = drover_drs_forecast(vm, now_s, step_s, DRS_NEAR_S);
	struct drover_drs_forecast all = drover_drs_forecast(vm, now_s, step_s, DRS_HORIZON_S);
	double far =
		(all.mean * DRS_HORIZON_S - near.mean * DRS_NEAR_S) / (DRS_HORIZON_S - DRS_NEAR_S);

	return (struct drs_load){
		.now = fmin(vm->cpu_demand, allowed),
		.near = fmin(near.mean, allowed),
		.near_var = near.dev * near.dev,
		.far = fmin(fmax(far, 0), allowed),
		.far_var = all.dev * all.dev,
		.memory = vm->memory_demand_mib,
	};
}
