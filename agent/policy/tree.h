/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sharing out through the tree of resource pools. Private to policy. */
#ifndef DROVER_POLICY_TREE_H
#define DROVER_POLICY_TREE_H

#include "base/err.h"
#include "policy/snapshot.h"

enum drs_resource { DRS_CPU, DRS_MEMORY };

/* A part of an array. */
struct drs_tree_list {
	uint32_t first, count;
};

/** drs_tree_check() - -EINVAL where pools lie in a ring, or an index of hosts or pools is none */
int drs_tree_check(const struct drover_drs_snapshot *s, struct drover_err *err);

/** drs_tree_sort() - running VMs by host: @on of each host, indices in @vms */
void drs_tree_sort(const struct drover_drs_snapshot *s, struct drs_tree_list *on, uint32_t *vms);

/**
 * drs_tree_share() - of each VM, its part of @capacity
 * @capacity: INFINITY: all that limits leave of what each wants
 * @got: out: of each VM of the snapshot; 0 for those that do not run
 */
int drs_tree_share(const struct drover_drs_snapshot *s, enum drs_resource resource, double capacity,
		   double *got, struct drover_err *err);

#endif
