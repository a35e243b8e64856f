/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sleeping saves and costs, and what demand is to be expected. For power management. */
#ifndef DROVER_POLICY_POWER_WORTH_H
#define DROVER_POLICY_POWER_WORTH_H

#include "policy/power_room.h"

/**
 * struct drover_dpm_worth - of a host that sleeps
 * @watts: that it draws when on and idle
 * @quiet_s: until it is expected to be needed
 * @benefit_j: saved in that time
 * @cost_j: for moves there and back, blackouts, waking, and wakes that fail
 */
struct drover_dpm_worth {
	double watts, quiet_s, benefit_j, cost_j;
};

/** drover_dpm_expected() - MHz of a VM by its habit, by the time a host would be awake */
double drover_dpm_expected(const struct drover_drs_vm *vm, double known, uint64_t now_s,
			   uint32_t step_s, uint32_t ahead_s);

/** drover_dpm_ahead_s() - how far ahead to look: the slowest wake, and a window */
uint32_t drover_dpm_ahead_s(const struct drover_dpm_view *view);

/** drover_dpm_prices() - fill in @price of the room */
void drover_dpm_prices(struct drover_dpm_room *room);

/** drover_dpm_wake_s(), drover_dpm_idle_watts(), drover_dpm_full_watts() - of a host */
uint32_t drover_dpm_wake_s(const struct drover_dpm_host *host);
double drover_dpm_idle_watts(const struct drover_dpm_host *host);
double drover_dpm_full_watts(const struct drover_dpm_host *host);

/**
 * drover_dpm_weigh() - is it worth it?
 * @moves: that empty the host; @left_mhz: CPU that stays on without it; @window_s: shortest
 *	time it is expected to stay quiet
 */
struct drover_dpm_worth drover_dpm_weigh(const struct drover_dpm_room *room, size_t host,
					 const struct drover_dpm_move *moves, size_t count,
					 double left_mhz, uint32_t window_s);

#endif
