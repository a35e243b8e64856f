/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets how much of what there is: reservations, limits, shares, demand, pools of them. */
#ifndef DROVER_POLICY_ENTITLE_H
#define DROVER_POLICY_ENTITLE_H

#include "base/err.h"
#include "policy/snapshot.h"

/**
 * struct drover_drs_claim - one who wants a part
 * @alloc: what it is promised
 * @demand: what it wants, 0 or more
 * @get: out: its part
 */
struct drover_drs_claim {
	struct drover_drs_alloc alloc;
	double demand;
	double get;
};

/**
 * drover_drs_share_out() - divide @capacity
 *
 * Each gets min(max(level x shares, floor), ceiling), where ceiling = min(demand, limit) and floor
 * = min(reservation, ceiling), with one level for all, such that all of the capacity is given away,
 * or all that is wanted. Floors that do not fit together are cut in proportion.
 */
void drover_drs_share_out(struct drover_drs_claim *claims, size_t count, double capacity);

/**
 * struct drover_drs_part - what a VM gets
 * @cpu, @memory: entitlement of the whole cluster's MHz and MiB
 * @cpu_got, @memory_got: of its own host's; 0 for one that does not run
 */
struct drover_drs_part {
	double cpu, memory;
	double cpu_got, memory_got;
};

/**
 * drover_drs_entitle() - part of each VM
 * @ret_parts: out: array to be freed, one for each VM of the snapshot
 *
 * Hosts that are up or in maintenance make up the cluster's capacity. It is shared out among
 * what lies directly below the cluster, then each pool's part among what lies in that pool. A
 * pool wants what those in it want, within their limits, and is promised at least what those
 * in it are promised. On each host the entitlements are then shared out again.
 */
int drover_drs_entitle(const struct drover_drs_snapshot *s, struct drover_drs_part **ret_parts,
		       struct drover_err *err);

#endif
