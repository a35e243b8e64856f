/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VMs should run where. Pure: a snapshot in, a plan with its reasons out; the same
 * snapshot always gives the same plan. Documentation/scheduling.rst has the formulas.
 *
 * Kept by every plan: rules that must be, processor flags, reservations, RAM of hosts, hosts
 * that take no VMs, VMs that are fixed or migrate already. VMs that moved a short time ago, or
 * whose figures are not believed, move only where a rule must be mended or a host emptied.
 * Failover headroom is a matter of sums that no move changes: placement keeps it. No move for
 * balance raises unmet demand, neither as it is now nor as it is to be expected. Each fills
 * in a whole struct drover_drs_plan or returns an error: -ENOMEM, or -EINVAL for indices that
 * point nowhere.
 */
#ifndef DROVER_POLICY_DRS_H
#define DROVER_POLICY_DRS_H

#include "base/err.h"
#include "policy/plan.h"
#include "policy/snapshot.h"

/**
 * drover_drs_balance() - one pass over the cluster
 *
 * First moves that mend broken rules and empty hosts in maintenance, then single moves and
 * swaps that avoid more unmet demand than they cost, as far as the threshold asks for it.
 */
int drover_drs_balance(const struct drover_drs_snapshot *s, struct drover_drs_plan *ret_plan,
		       struct drover_err *err);

/**
 * drover_drs_place() - where should VMs start that do not run yet?
 * @vms: indices; a move for each comes out, with @to DROVER_DRS_NONE where there is no place
 */
int drover_drs_place(const struct drover_drs_snapshot *s, const size_t *vms, size_t count,
		     struct drover_drs_plan *ret_plan, struct drover_err *err);

/**
 * drover_drs_evacuate() - where could all VMs of a host go?
 * @host: index; the host takes none, whatever its state
 *
 * A move for each VM that is there, with @to DROVER_DRS_NONE where there is no place.
 */
int drover_drs_evacuate(const struct drover_drs_snapshot *s, size_t host,
			struct drover_drs_plan *ret_plan, struct drover_err *err);

/* A host that is thought to be in another state. */
struct drover_drs_change {
	size_t host;
	enum drover_drs_host_state state;
};

/**
 * drover_drs_what_if() - what would a pass come to if hosts were gone, or back?
 * @changes: hosts in another state than in the snapshot
 *
 * Hosts that leave are emptied first (kind EVACUATE; see the plan's @unplaced), then the
 * others balanced. The plan's @after is the cluster with the change and all moves,
 * @before the cluster as the snapshot has it. Processor flags of hosts in
 * DROVER_DRS_HOST_STANDBY are believed; so are their capacities. The plan goes to the end,
 * however many passes it would take.
 */
int drover_drs_what_if(const struct drover_drs_snapshot *s, const struct drover_drs_change *changes,
		       size_t count, struct drover_drs_plan *ret_plan, struct drover_err *err);

/**
 * drover_drs_headroom() - could the cluster lose the hosts that options tell?
 *
 * In sums: RAM of all VMs, and all reservations, against what is left without the largest hosts.
 *
 * @without: index of a host to leave out, or DROVER_DRS_NONE
 * @why: out: one sentence where it could not; or NULL
 */
bool drover_drs_headroom(const struct drover_drs_snapshot *s, int32_t without, char *why,
			 size_t why_len);

#endif
