/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a policy proposes, and why: moves, moves it thought of and rejected, and notes. */
#ifndef DROVER_POLICY_PLAN_H
#define DROVER_POLICY_PLAN_H

#include "policy/load.h"

#define DROVER_DRS_REASON_LEN 256

enum drover_drs_move_kind {
	DROVER_DRS_PLACE, /* a VM that does not run yet */
	DROVER_DRS_BALANCE,
	DROVER_DRS_RULE,     /* a rule is broken as it is */
	DROVER_DRS_EVACUATE, /* the host is to be emptied */
};

/**
 * struct drover_drs_move - one VM, where it should go, and why
 * @vm, @from, @to: indices of the snapshot; @to DROVER_DRS_NONE: there is no place for it;
 *	@from DROVER_DRS_NONE: it does not run yet
 * @swap: index of the move that is the other half of a swap, or DROVER_DRS_NONE; either both
 *	are carried out or none
 * @priority: 1 (must be) to 5
 * @automatic: may be carried out without asking
 * @benefit: MHz x s of unmet demand that it is expected to avoid; moves that belong together share
 *	theirs by their costs
 * @cost: MHz x s that guests lose by it
 * @duration_s, @blackout_s: of the migration, as expected
 * @reason: one sentence with figures
 */
struct drover_drs_move {
	size_t vm;
	int32_t from, to;
	enum drover_drs_move_kind kind;
	int32_t swap;
	uint32_t priority;
	bool automatic;
	double benefit, cost;
	double duration_s, blackout_s;
	char reason[DROVER_DRS_REASON_LEN];
};

/**
 * struct drover_drs_reject - a move that was thought of and is not proposed
 * @to: DROVER_DRS_NONE where no target at all was left
 */
struct drover_drs_reject {
	size_t vm;
	int32_t from, to;
	char reason[DROVER_DRS_REASON_LEN];
};

struct drover_drs_note {
	char text[DROVER_DRS_REASON_LEN];
};

/**
 * struct drover_drs_plan - all that a pass came to
 * @moves: in the order in which to carry them out
 * @rejects: the most promising ones, up to a few a host
 * @notes: what else there is to say: telemetry not believed, rules that cannot be kept
 * @unplaced: moves whose @to is DROVER_DRS_NONE
 * @before, @after: the cluster as it is, and as it will be after all moves
 *
 * End it with drover_drs_plan_free().
 */
struct drover_drs_plan {
	struct drover_drs_move *moves;
	size_t move_count;
	struct drover_drs_reject *rejects;
	size_t reject_count;
	struct drover_drs_note *notes;
	size_t note_count;
	size_t unplaced;
	struct drover_drs_state before, after;
};

void drover_drs_plan_free(struct drover_drs_plan *plan);

/** drover_drs_plan_apply() - put the VMs of a snapshot's array where the plan has them */
void drover_drs_plan_apply(const struct drover_drs_plan *plan, struct drover_drs_vm *vms);

#endif
