// SPDX-License-Identifier: GPL-2.0-or-later
/* The best single move from a host. */
#include "policy/search.h"

#include <math.h>

#define TARGETS 8   /* that are weighed up for each unit, those with the most CPU left */
#define LOOKS	256 /* at most, to find them */

double drs_judge(const struct drs_host *h, const struct drs_load *gone, const struct drs_load *come,
		 double *short_now)
{
	struct drs_load l = h->load;

	if (gone)
		drs_load_add(&l, gone, -1);
	if (come)
		drs_load_add(&l, come, 1);
	*short_now = drs_short(&l, h->cap, h->memory_cap);
	return drs_loss(&l, h->cap, h->memory_cap);
}

/* What unmet demand a migration leaves in the time that is left when it is over. */
static double discount(const struct drover_drs_cost *c)
{
	return fmax(0, 1 - c->duration_s / DRS_HORIZON_S);
}

/**
 * struct gain - of a unit that leaves its host
 * @loss: less of it there; @now: less unmet demand there now
 */
struct gain {
	double loss, now;
};

static void weigh(const struct drs_making *m, uint32_t unit, uint32_t host, const struct gain *gain,
		  struct drs_pick *best)
{
	const struct drs_unit *u = &m->units.unit[unit];
	const struct drs_host *to = &m->w.hosts[host];
	struct drs_pick p = {.unit = unit, .back = -1, .to = host};
	double now, loss = drs_judge(to, NULL, &u->load, &now);
	struct drover_drs_cost c;

	if (now - drs_short(&to->load, to->cap, to->memory_cap) > gain->now)
		return;
	c = drs_making_cost(m, u, host);
	p.benefit = (gain->loss - (loss - to->loss)) * discount(&c);
	p.cost = c.work;
	if (best->to == DROVER_DRS_NONE || drs_pick_net(&p) > drs_pick_net(best))
		*best = p;
}

static void try_targets(const struct drs_making *m, const struct drs_ranking *r, uint32_t unit,
			const struct gain *gain, struct drs_pick *best)
{
	const struct drs_unit *u = &m->units.unit[unit];
	uint32_t found = 0;

	for (uint32_t i = 0; i < r->count && i < LOOKS && found < TARGETS; i++) {
		uint32_t host = r->at[i];

		if ((int32_t)host == u->at || drs_is_tired(m, host) ||
		    drs_fit_gladly(&m->w, u, host).obstacle != DRS_FITS)
			continue;
		weigh(m, unit, host, gain, best);
		found++;
	}
}

struct drs_pick drs_best_move(const struct drs_making *m, const struct drs_ranking *r,
			      uint32_t host)
{
	const struct drs_host *h = &m->w.hosts[host];
	double now = drs_short(&h->load, h->cap, h->memory_cap);
	struct drs_pick best = {.unit = -1, .back = -1, .to = DROVER_DRS_NONE};

	for (int32_t i = r->first[host]; i >= 0; i = r->next[i]) {
		const struct drs_unit *u = &m->units.unit[i];
		struct gain gain;
		double left;

		if (!drs_may_balance(m, u))
			continue;
		gain.loss = h->loss - drs_judge(h, &u->load, NULL, &left);
		gain.now = now - left;
		if (gain.loss <= 0 ||
		    (best.to != DROVER_DRS_NONE && gain.loss <= drs_pick_net(&best)))
			continue;
		try_targets(m, r, i, &gain, &best);
	}
	return best;
}
