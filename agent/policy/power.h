/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which hosts may sleep, and which should wake. Pure: a snapshot in, advice with its reasons
 * out; the same view always gives the same advice. Documentation/power.rst has the formulas.
 *
 * Hosts are to be busy by 63 % of their CPU, give or take 18. Above 81 % over the last five
 * minutes, where moves alone do not help, another host wakes; below 45 % over the last forty
 * minutes a host is emptied and sleeps, if its VMs fit elsewhere and it pays.
 *
 * Kept by all advice: what drover_drs_balance() keeps; the least number of hosts, the least
 * capacity and the failover headroom; a host sleeps only if its wake test has passed, if it has
 * been on for a while, and if every VM on it has a place elsewhere. Nothing sleeps while
 * figures are stale, or while anything has to wake.
 */
#ifndef DROVER_POLICY_POWER_H
#define DROVER_POLICY_POWER_H

#include "base/err.h"
#include "policy/snapshot.h"

#define DROVER_DPM_REASON_LEN 256

enum drover_dpm_mode {
	DROVER_DPM_AS_CLUSTER, /* of a host: what the cluster has; of the cluster: off */
	DROVER_DPM_OFF,	       /* stays as it is */
	DROVER_DPM_MANUAL,     /* advice alone */
	DROVER_DPM_AUTOMATIC,
};

/**
 * struct drover_dpm_host - what there is to know of a host beside the snapshot
 * @mode: of this host
 * @changing: it is on its way to sleep or to wake; the snapshot has it in maintenance or in
 *	standby
 * @since_s: when it came to be on, or asleep
 * @tested: its wake test has passed, and no wake has failed since
 * @wake_s: from asking to being of use; 0: 180 is assumed; more than an hour counts as one
 * @watts_idle, @watts_full: what it draws when on; 0: 100 and 200 are assumed
 */
struct drover_dpm_host {
	enum drover_dpm_mode mode;
	bool changing;
	uint64_t since_s;
	bool tested;
	uint32_t wake_s;
	double watts_idle, watts_full;
};

/**
 * struct drover_dpm_options - how eager; 0 stands for the default
 * @mode: of the cluster
 * @threshold: 1 (only what must be) to 5 (every gain), default 3
 * @target_percent, @tolerance_percent: load of a host's CPU to aim at, 63 and 18
 * @hosts_min: that stay on, default 1
 * @cpu_min_mhz, @memory_min_mib: capacity that stays on
 * @wake_window_s, @sleep_window_s: over which demand is looked at, 300 and 2400
 * @quiet_s: that long it is expected to stay quiet where no habit tells; default: @sleep_window_s
 * @stay_on_s: a host that woke stays on that long, default 2400
 * @stay_off_s: a host that fell asleep is not woken before, but for what must be or for
 *	demand that is not met; default 600
 * @leave_max: hosts that may be on their way to sleep at a time, default: a tenth, at least 1
 */
struct drover_dpm_options {
	enum drover_dpm_mode mode;
	uint32_t threshold;
	uint32_t target_percent, tolerance_percent;
	uint32_t hosts_min;
	double cpu_min_mhz;
	uint64_t memory_min_mib;
	uint32_t wake_window_s, sleep_window_s;
	uint32_t quiet_s;
	uint32_t stay_on_s, stay_off_s;
	uint32_t leave_max;
};

/**
 * struct drover_dpm_view - all that the policy knows
 * @snapshot: with the VMs' histories, the windows' source; a VM that has none counts with what
 *	it demands now
 * @hosts: one for each host of the snapshot
 */
struct drover_dpm_view {
	const struct drover_drs_snapshot *snapshot;
	const struct drover_dpm_host *hosts;
	struct drover_dpm_options options;
};

enum drover_dpm_kind { DROVER_DPM_WAKE, DROVER_DPM_SLEEP };

/* A VM that goes elsewhere before its host sleeps; indices of the snapshot. */
struct drover_dpm_move {
	size_t vm;
	int32_t to;
};

/**
 * struct drover_dpm_advice - one host
 * @host: index
 * @priority: 1 (must be) to 5
 * @automatic: may be carried out without asking; no more urgent than the threshold asks for
 *	means advice that is not given at all
 * @watts: saved by sleeping, or spent by waking
 * @quiet_s: how long a host is expected to sleep
 * @benefit_j, @cost_j: of sleeping, over that time, guests' losses included
 * @first_move, @move_count: of the plan's moves, to be carried out first, in order
 * @reason: one sentence with figures
 */
struct drover_dpm_advice {
	enum drover_dpm_kind kind;
	size_t host;
	uint32_t priority;
	bool automatic;
	double watts;
	double quiet_s;
	double benefit_j, cost_j;
	size_t first_move, move_count;
	char reason[DROVER_DPM_REASON_LEN];
};

/* A host that could have slept or woken, and why it does not. */
struct drover_dpm_reject {
	size_t host;
	char reason[DROVER_DPM_REASON_LEN];
};

/**
 * struct drover_dpm_plan - all that a pass came to
 * @load: of the hosts that are on, over the sleep window, by their capacity; 1 is full
 * @note: what else there is to say, or ""
 *
 * End it with drover_dpm_plan_free().
 */
struct drover_dpm_plan {
	struct drover_dpm_advice *advice;
	size_t advice_count;
	struct drover_dpm_move *moves;
	size_t move_count;
	struct drover_dpm_reject *rejects;
	size_t reject_count;
	double load;
	char note[DROVER_DPM_REASON_LEN];
};

/**
 * drover_dpm_plan() - one pass
 *
 * Either hosts that should wake, the most urgent first, or hosts that may sleep, the most
 * worth first. Errors: -ENOMEM, or -EINVAL for indices that point nowhere.
 */
int drover_dpm_plan(const struct drover_dpm_view *view, struct drover_dpm_plan *ret_plan,
		    struct drover_err *err);

void drover_dpm_plan_free(struct drover_dpm_plan *plan);

#endif
