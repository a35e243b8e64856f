/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of a snapshot that does not depend on the order of the caller's arrays, that has no
 * figure without sense, and whose indices are all good. Private to policy.
 */
#ifndef DROVER_POLICY_CANON_H
#define DROVER_POLICY_CANON_H

#include "policy/drs.h"
#include "policy/order.h"

/**
 * struct drs_canon - the copy
 * @s: hosts, VMs, pools and rules by name; options with their defaults
 * @hosts, @vms, @pools, @rules: which index each had
 * @stale_host, @stale_vm: of each: its figures are too old, or make no sense
 * @absurd: VMs whose figures make no sense
 */
struct drs_canon {
	struct drover_drs_snapshot s;
	struct drs_order hosts, vms, pools, rules;
	struct drover_drs_host *host;
	struct drover_drs_vm *vm;
	struct drover_drs_respool *pool;
	struct drover_drs_rule *rule;
	uint32_t *listed; /* what rules point into */
	bool *stale_host, *stale_vm;
	size_t stale_hosts, stale_vms, absurd;
};

/** drs_canon_init() - @changes: hosts in another state than the snapshot's */
int drs_canon_init(struct drs_canon *c, const struct drover_drs_snapshot *s,
		   const struct drover_drs_change *changes, size_t count, struct drover_err *err);
void drs_canon_exit(struct drs_canon *c);

/** drs_options_default() - with 0 replaced by what it stands for */
struct drover_drs_options drs_options_default(const struct drover_drs_options *o);

#endif
