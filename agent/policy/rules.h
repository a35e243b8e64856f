/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a VM may be at all. */
#ifndef DROVER_POLICY_RULES_H
#define DROVER_POLICY_RULES_H

#include "policy/snapshot.h"

/**
 * drover_drs_cpu_baseline() - processor flags that all hosts have which are up, in maintenance,
 * or in standby; a VM started with no more than these can run on each of them
 */
void drover_drs_cpu_baseline(const struct drover_drs_snapshot *s,
			     uint64_t ret_flags[DROVER_DRS_CPU_WORDS]);

/**
 * struct drover_drs_broken - a rule that is not kept as things are
 * @rule, @vm: indices; one of the VMs that would have to move
 */
struct drover_drs_broken {
	size_t rule;
	size_t vm;
};

/**
 * drover_drs_rules_broken() - which rules are not kept by running VMs?
 * @broken: out: room for @max
 *
 * Returns how many there are, maybe more than @max.
 */
size_t drover_drs_rules_broken(const struct drover_drs_snapshot *s,
			       struct drover_drs_broken *broken, size_t max);

#endif
