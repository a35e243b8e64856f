/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What single moves and swaps have in common. Private to policy. */
#ifndef DROVER_POLICY_SEARCH_H
#define DROVER_POLICY_SEARCH_H

#include "policy/ranking.h"

#define DRS_MOVES_PER_HOST 2 /* times what may run at a time: then look again */

/**
 * struct drs_pick - a move, or a swap, that was thought of
 * @unit, @back: numbers of units; @back -1: a single move
 * @to: DROVER_DRS_NONE: nothing was found
 * @benefit: MHz x s of unmet demand that it avoids; @cost: MHz x s that guests lose
 */
struct drs_pick {
	int32_t unit, back;
	int32_t to;
	double benefit, cost;
};

/** drs_pick_net() - what is left of a pick's benefit */
static inline double drs_pick_net(const struct drs_pick *p)
{
	return p->benefit - p->cost;
}

/** drs_may_balance() - may it leave its host for balance? */
static inline bool drs_may_balance(const struct drs_making *m, const struct drs_unit *u)
{
	return u->stay == DRS_MOVABLE && !m->w.vms[u->vms[0]].moved;
}

/** drs_is_tired() - a host that has as many moves in this plan as it may have */
static inline bool drs_is_tired(const struct drs_making *m, uint32_t host)
{
	return !m->to_the_end &&
	       m->w.hosts[host].moves >= DRS_MOVES_PER_HOST * m->w.s->options.host_moves;
}

/**
 * drs_judge() - a host's loss if units came and left
 * @gone, @come: or NULL
 * @short_now: out: drs_short() then
 */
double drs_judge(const struct drs_host *h, const struct drs_load *gone, const struct drs_load *come,
		 double *short_now);

/** drs_best_move() - that relieves a host */
struct drs_pick drs_best_move(const struct drs_making *m, const struct drs_ranking *r,
			      uint32_t host);

/** drs_best_swap() - where no single move will do */
struct drs_pick drs_best_swap(const struct drs_making *m, const struct drs_ranking *r,
			      uint32_t host);

#endif
