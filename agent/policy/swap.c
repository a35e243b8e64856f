// SPDX-License-Identifier: GPL-2.0-or-later
/* Two VMs that change places, where no single move will do. */
#include "policy/search.h"

#include <math.h>

#define TARGETS 6 /* hosts that are tried, those with the most CPU left */
#define LARGEST 6 /* units of the host that are tried, those that want the most */

/* The units of a host that want the most; how many there are. */
static uint32_t largest(const struct drs_making *m, const struct drs_ranking *r, uint32_t host,
			int32_t *ret)
{
	uint32_t n = 0;

	for (int32_t i = r->first[host]; i >= 0; i = r->next[i]) {
		const struct drs_unit *u = &m->units.unit[i];
		uint32_t k;

		if (!drs_may_balance(m, u) || u->count > 1)
			continue;
		for (k = n; k > 0 && m->units.unit[ret[k - 1]].load.near < u->load.near; k--)
			if (k < LARGEST)
				ret[k] = ret[k - 1];
		if (k < LARGEST)
			ret[k] = i;
		if (n < LARGEST)
			n++;
	}
	return n;
}

/* Rules are judged with both where they were: a swap that only works at once is not found. */
static bool fits_both(const struct drs_making *m, const struct drs_unit *a,
		      const struct drs_unit *b)
{
	return drs_fit_gladly(&m->w, a, b->at).obstacle == DRS_FITS &&
	       drs_fit_gladly(&m->w, b, a->at).obstacle == DRS_FITS;
}

static void weigh(const struct drs_making *m, uint32_t unit, uint32_t back, struct drs_pick *best)
{
	const struct drs_unit *a = &m->units.unit[unit], *b = &m->units.unit[back];
	const struct drs_host *from = &m->w.hosts[a->at], *to = &m->w.hosts[b->at];
	double now_from, now_to, loss;
	struct drover_drs_cost x, y;
	struct drs_pick p = {.unit = unit, .back = back, .to = b->at};

	loss = drs_judge(from, &a->load, &b->load, &now_from) +
	       drs_judge(to, &b->load, &a->load, &now_to);
	p.benefit = from->loss + to->loss - loss;
	if (p.benefit <= 0 || (best->to != DROVER_DRS_NONE && p.benefit <= drs_pick_net(best)) ||
	    now_from + now_to > drs_short(&from->load, from->cap, from->memory_cap) +
					drs_short(&to->load, to->cap, to->memory_cap) ||
	    !fits_both(m, a, b))
		return;
	x = drs_making_cost(m, a, b->at);
	y = drs_making_cost(m, b, a->at);
	p.benefit *= fmax(0, 1 - fmax(x.duration_s, y.duration_s) / DRS_HORIZON_S);
	p.cost = x.work + y.work;
	if (best->to == DROVER_DRS_NONE || drs_pick_net(&p) > drs_pick_net(best))
		*best = p;
}

struct drs_pick drs_best_swap(const struct drs_making *m, const struct drs_ranking *r,
			      uint32_t host)
{
	struct drs_pick best = {.unit = -1, .back = -1, .to = DROVER_DRS_NONE};
	int32_t mine[LARGEST];
	uint32_t n = largest(m, r, host, mine);

	if (!m->w.hosts[host].takes)
		return best;
	for (uint32_t t = 0; t < r->count && t < TARGETS; t++) {
		if (r->at[t] == host || drs_is_tired(m, r->at[t]))
			continue;
		for (int32_t i = r->first[r->at[t]]; i >= 0; i = r->next[i]) {
			const struct drs_unit *b = &m->units.unit[i];

			if (!drs_may_balance(m, b) || b->count > 1)
				continue;
			for (uint32_t k = 0; k < n; k++)
				if (m->units.unit[mine[k]].load.near > b->load.near)
					weigh(m, mine[k], i, &best);
		}
	}
	return best;
}
