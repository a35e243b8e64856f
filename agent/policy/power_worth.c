// SPDX-License-Identifier: GPL-2.0-or-later
/* What sleeping saves and costs, and what demand is to be expected. */
#include "policy/power_worth.h"

#include <math.h>

#include "policy/predict.h"

#define WAKE_S	      180
#define WAKE_MAX_S    3600 /* longer ones are believed of no host */
#define WATTS_IDLE    100
#define WATTS_FULL    200
#define OFF_S	      30
#define QUIET_MAX_S   (8 * 3600)
#define SLOT_S	      1800
#define WAKE_RISK     0.02 /* of wakes that fail; somebody then looks after the machine: */
#define WAKE_RISK_J   360e3
#define CPU_S_PER_MIB 0.0012 /* both ends of a move; measured: 0.6 s per GB and end */
#define LOSS_WEIGHT   10     /* work that a guest misses, against the power that it would take */
#define BLACKOUT_S    0.1

uint32_t drover_dpm_wake_s(const struct drover_dpm_host *host)
{
	if (!host->wake_s)
		return WAKE_S;
	return host->wake_s < WAKE_MAX_S ? host->wake_s : WAKE_MAX_S;
}

double drover_dpm_idle_watts(const struct drover_dpm_host *host)
{
	return host->watts_idle > 0 ? host->watts_idle : WATTS_IDLE;
}

double drover_dpm_full_watts(const struct drover_dpm_host *host)
{
	return host->watts_full > 0 ? host->watts_full : WATTS_FULL;
}

double drover_dpm_expected(const struct drover_drs_vm *vm, double known, uint64_t now_s,
			   uint32_t step_s, uint32_t ahead_s)
{
	return vm->habit ? drover_drs_forecast(vm, now_s, step_s, ahead_s).mean : known;
}

uint32_t drover_dpm_ahead_s(const struct drover_dpm_view *view)
{
	uint32_t most = WAKE_S;

	for (size_t i = 0; i < view->snapshot->host_count; i++)
		if (view->snapshot->hosts[i].state == DROVER_DRS_HOST_STANDBY &&
		    drover_dpm_wake_s(&view->hosts[i]) > most)
			most = drover_dpm_wake_s(&view->hosts[i]);
	return most + 300;
}

void drover_dpm_prices(struct drover_dpm_room *room)
{
	double mhz = 0, mib = 0, n = room->s->vm_count ? (double)room->s->vm_count : 1;

	for (size_t i = 0; i < room->s->vm_count; i++) {
		mhz += room->vm_cpu[i][0] / n;
		mib += (double)room->s->vms[i].memory_mib / n;
	}
	for (size_t h = 0; h < room->s->host_count; h++) {
		double capacity = drover_dpm_capacity(&room->s->hosts[h]);
		double idle = drover_dpm_idle_watts(&room->view->hosts[h]);
		double full = drover_dpm_full_watts(&room->view->hosts[h]);
		double fit = mhz > 0 ? room->target * capacity / mhz : 1e9;

		if (mib > 0)
			fit = fmin(fit, (double)room->s->hosts[h].memory_mib / mib);
		fit = fmax(1, fit);
		room->price[h] = idle / fit + (capacity > 0 ? (full - idle) * mhz / capacity : 0);
	}
}

/*
 * The time until the VMs' habits ask for more than what stays on may be filled to. What they ask
 * for now is measured: there a habit has to be one.
 */
static double quiet_for(const struct drover_dpm_room *room, double left_mhz, uint32_t least_s)
{
	for (uint32_t ahead = 0; ahead < QUIET_MAX_S; ahead += SLOT_S) {
		uint32_t slot = (room->s->now_s + ahead) / SLOT_S % DROVER_DRS_SLOTS;
		double sum = 0, known = 0;

		for (size_t i = 0; i < room->s->vm_count; i++) {
			const struct drover_drs_habit *habit = room->s->vms[i].habit;
			float weight = habit ? habit->weight[slot] : 0;

			sum += weight > (ahead ? 0 : DROVER_DRS_SURE) ? (double)habit->mean[slot]
								      : room->vm_cpu[i][0];
			known += !ahead || weight > 0;
		}
		if (known < (double)room->s->vm_count / 2)
			return fmax(least_s, ahead);
		if (sum > room->target * left_mhz)
			return ahead;
	}
	return QUIET_MAX_S;
}

struct drover_dpm_worth drover_dpm_weigh(const struct drover_dpm_room *room, size_t h,
					 const struct drover_dpm_move *moves, size_t count,
					 double left_mhz, uint32_t quiet_s)
{
	const struct drover_drs_host *host = &room->s->hosts[h];
	const struct drover_dpm_host *power = &room->view->hosts[h];
	double idle = drover_dpm_idle_watts(power), full = drover_dpm_full_watts(power);
	double per_core = full / (host->cores ? host->cores : 1), wake_s = drover_dpm_wake_s(power);
	double per_mhz = full / fmax(1, drover_dpm_capacity(host));
	struct drover_dpm_worth w = {.watts = idle};

	w.quiet_s = quiet_for(room, left_mhz, quiet_s);
	w.benefit_j = idle * fmax(0, w.quiet_s - wake_s - OFF_S);
	w.cost_j = full * (wake_s + OFF_S) + WAKE_RISK * WAKE_RISK_J;
	for (size_t i = 0; i < count; i++) {
		const struct drover_drs_vm *vm = &room->s->vms[moves[i].vm];
		double dark_s = vm->blackout_ms > 0 ? vm->blackout_ms / 1000 : BLACKOUT_S;

		/* There, and back again. */
		w.cost_j += 2 * CPU_S_PER_MIB * (double)vm->memory_mib * per_core;
		w.cost_j += 2 * LOSS_WEIGHT * dark_s * room->vm_cpu[moves[i].vm][0] * per_mhz;
	}
	return w;
}
