/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same machines, VMs and days in a model that leaves less out than cloudsim.h:
 *
 * - VMs stay, also when they are idle; memory binds all day.
 * - A policy knows what was measured up to now, not what the next five minutes bring.
 * - Waking takes 120 s and powering off 30 s, both at full power.
 * - Moves share the links of their hosts, in rounds as drover_pace tells; each costs CPU on
 *   both ends, and its VM stands still for the blackout.
 */
#ifndef DROVER_SIM_HONEST_H
#define DROVER_SIM_HONEST_H

#include "cloudsim.h"

#define HONEST_WAKE_S 120
#define HONEST_OFF_S  30

/* Page bytes per second of a 1 Gbit/s link: the 943 Mbit/s that plain pages were seen to reach. */
#define HONEST_LINK_RATE (943e6 / 8)

/* Assumed: CPU for a GB sent or received, and what a VM that uses all of its CPU writes. */
#define HONEST_CPU_S_PER_GB 0.6
#define HONEST_DIRTY_RATE   30e6

/**
 * struct honest_result - what a day came to
 * @unmet: part of the demand that the VMs did not get, for whatever reason
 * @unmet_core: of this, because one core of the host is too slow for the VM
 * @unmet_dark: because of blackouts
 * @over: part of the hosts' time on in which less was given than asked
 * @hosts_on: mean number of hosts that draw power
 * @late: moves that did not end before the next planning
 */
struct honest_result {
	double kwh, unmet, unmet_core, unmet_dark, over, hosts_on;
	uint64_t moves, wakes, offs, late;
};

/** honest_run() - see cs_run(); a policy sees the world as in the other model */
int honest_run(const float *percent, size_t vms, const struct cs_policy *policy,
	       struct honest_result *ret_result);

#endif
