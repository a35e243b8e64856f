/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How well a cluster is doing: load of hosts, imbalance, scores. */
#ifndef DROVER_POLICY_LOAD_H
#define DROVER_POLICY_LOAD_H

#include "base/err.h"
#include "policy/snapshot.h"

/**
 * struct drover_drs_host_load - a host
 * @cpu, @memory: entitlements of its VMs and its own need, by capacity; 1 is full
 * @unmet: MHz that its VMs want, may have, and do not get now; RAM in use that the host does not
 *	have counts as the same part of its CPU
 * @expected: MHz that are to be expected to be wanted above nine tenths of @cpu in the time to
 *	come, on average: what moves for balance bring down
 */
struct drover_drs_host_load {
	double cpu, memory;
	double unmet, expected;
	uint32_t vms;
};

/**
 * struct drover_drs_state - a cluster
 * @imbalance: standard deviation of @cpu over the hosts that are up
 * @unmet, @expected: sums over hosts
 * @score: 0 to 100: what all VMs get of what they want
 */
struct drover_drs_state {
	double imbalance;
	double unmet, expected;
	double score;
};

/**
 * drover_drs_load() - look at all hosts
 *
 * A VM that migrates counts where it is going to.
 *
 * @hosts: out: one for each host of the snapshot, or NULL
 * @vm_scores: out: 0 to 100 for each VM: what it gets of what it wants; or NULL
 */
int drover_drs_load(const struct drover_drs_snapshot *s, struct drover_drs_state *ret_state,
		    struct drover_drs_host_load *hosts, double *vm_scores, struct drover_err *err);

#endif
