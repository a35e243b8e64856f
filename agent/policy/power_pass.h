/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One pass of power management, shared by the files that make it up and by them alone. */
#ifndef DROVER_POLICY_POWER_PASS_H
#define DROVER_POLICY_POWER_PASS_H

#include "policy/power_room.h"

/**
 * struct drover_dpm_pass - one pass
 * @on: hosts that are on, or on their way to be; @leaving: on their way to sleep
 * @needed: hosts that load balancing will want, to take load off others
 * @wanted: wakes that were called for, advised or not
 * @cpu, @memory: capacity of those that are on
 */
struct drover_dpm_pass {
	struct drover_dpm_room room;
	struct drover_dpm_options o;
	const struct drover_dpm_view *view;
	const struct drover_drs_snapshot *s;
	struct drover_dpm_plan plan;
	struct drover_drs_host *hosts;
	bool *needed;
	struct drover_drs_snapshot paper;
	uint32_t on, leaving, waking, wanted;
	double cpu;
	uint64_t memory;
};

/** drover_dpm_mode_of() - of a host, the cluster's being asked as well */
enum drover_dpm_mode drover_dpm_mode_of(const struct drover_dpm_pass *p, size_t h);

/** drover_dpm_reject() - say why a host stays as it is; the first reason counts */
__attribute__((format(printf, 3, 4))) void drover_dpm_reject(struct drover_dpm_pass *p, size_t h,
							     const char *fmt, ...);

/** drover_dpm_advise() - add advice, with moves to come after those that are there */
struct drover_dpm_advice *drover_dpm_advise(struct drover_dpm_pass *p, enum drover_dpm_kind kind,
					    size_t h, uint32_t priority);

/** drover_dpm_count_on() - one host more (@sign 1) or less (-1) that is on */
void drover_dpm_count_on(struct drover_dpm_pass *p, size_t h, int sign);

/** drover_dpm_set_on() - put a host in another state on paper */
void drover_dpm_set_on(struct drover_dpm_pass *p, size_t h, bool on);

/** drover_dpm_too_little() - with so much less on, is it too little? @why: out: of what */
bool drover_dpm_too_little(const struct drover_dpm_pass *p, uint32_t less_hosts, double less_cpu,
			   uint64_t less_memory, char *why, size_t len);

/** drover_dpm_wake_all() - what must be, what is asked for, and what will be */
void drover_dpm_wake_all(struct drover_dpm_pass *p);

/** drover_dpm_sleep_all() - all that may; load balancing is asked at the end. Or -ENOMEM */
int drover_dpm_sleep_all(struct drover_dpm_pass *p, struct drover_err *err);

#endif
