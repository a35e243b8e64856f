// SPDX-License-Identifier: GPL-2.0-or-later
/* Moves for balance: the worst host first, its best move each time, until none is worth it. */
#include "policy/search.h"

#include <math.h>

#define SAY_REJECTS 2 /* a host */

/*
 * What a move must avoid to be of a priority, in parts of the host's CPU, and how many times
 * its cost. Priority 1 is for what must be; a threshold lets its own priority pass, and those
 * before it.
 */
static const struct {
	double part, times;
} grades[6] = {
	[2] = {0.02, 4},
	[3] = {0.005, 3},
	[4] = {0.001, 2},
	[5] = {0.0001, 1},
};

/* MHz of unmet demand that a pick avoids on average, as a part of the host's. */
static double part_of(const struct drs_pick *p, const struct drs_host *h)
{
	double moves = p->back >= 0 ? 2 : 1;

	return h->cap > 0 ? p->benefit / moves / DRS_HORIZON_S / h->cap : 0;
}

static uint32_t priority_of(const struct drs_pick *p, const struct drs_host *h)
{
	for (uint32_t n = 2; n <= 5; n++)
		if (part_of(p, h) >= grades[n].part && p->benefit >= grades[n].times * p->cost)
			return n;
	return 6;
}

static uint32_t max_moves(const struct drs_making *m)
{
	const struct drover_drs_options *o = &m->w.s->options;

	if (m->to_the_end)
		return UINT32_MAX - 2;
	return o->max_moves ? o->max_moves : m->w.s->host_count * o->threshold / 2 + 1;
}

/* --- what was picked --- */

static void say_move(struct drover_drs_move *move, const struct drs_host *from,
		     const struct drs_host *to, const struct drs_load *was,
		     const struct drs_load *will, const struct drs_pick *p)
{
	drs_say(move->reason, sizeof(move->reason),
		"%s wants %.0f (soon %.0f) of its %.0f MHz; on %s it would be %.0f of %.0f MHz: "
		"avoids %.0f MHz x s of unmet demand for %.0f",
		from->host->name, was->now, fmax(was->near, was->far), from->cap, to->host->name,
		will->now, to->cap, p->benefit, p->cost);
}

static void order(struct drs_making *m, struct drs_ranking *r, const struct drs_pick *p,
		  uint32_t unit, int32_t to, uint32_t priority, const struct drs_load *was)
{
	struct drs_unit *u = &m->units.unit[unit];
	int32_t from = u->at;

	for (uint32_t i = 0; i < u->count; i++) {
		struct drover_drs_move *move =
			drs_making_move(m, u->vms[i], to, DROVER_DRS_BALANCE);

		if (!move)
			return;
		move->priority = priority;
		move->benefit = p->cost > 0 ? p->benefit * move->cost / p->cost : p->benefit;
		say_move(move, &m->w.hosts[from], &m->w.hosts[to], was, &m->w.hosts[to].load, p);
		m->balanced++;
		m->w.hosts[from].moves++;
		m->w.hosts[to].moves++;
	}
	drs_unit_look(u, &m->w);
	drs_ranking_rehome(r, unit, from, to);
}

/* Both halves of a swap or none. */
static void tie(struct drs_making *m)
{
	struct drover_drs_move *b = &m->plan.moves[m->plan.move_count - 1], *a = b - 1;

	a->swap = m->plan.move_count - 1;
	b->swap = m->plan.move_count - 2;
	a->automatic = b->automatic = a->automatic && b->automatic;
}

static void carry_out(struct drs_making *m, struct drs_ranking *r, const struct drs_pick *p,
		      uint32_t host, uint32_t priority)
{
	struct drs_load was = m->w.hosts[host].load;

	order(m, r, p, p->unit, p->to, priority, &was);
	if (p->back >= 0)
		order(m, r, p, p->back, host, priority, &was);
	if (p->back >= 0 && !m->failed)
		tie(m);
	drs_ranking_refresh(r, m, host);
	drs_ranking_refresh(r, m, p->to);
	drs_ranking_push(r, m, host);
}

/* --- what was not --- */

static void reject_pick(struct drs_making *m, const struct drs_pick *p, uint32_t host)
{
	const struct drs_unit *u = &m->units.unit[p->unit];
	struct drover_drs_reject *reject = drs_making_reject(m, u->vms[0], p->to);

	if (!reject)
		return;
	if (p->benefit <= p->cost)
		drs_say(reject->reason, sizeof(reject->reason),
			"it would avoid %.0f MHz x s of unmet demand and cost %.0f", p->benefit,
			p->cost);
	else
		drs_say(reject->reason, sizeof(reject->reason),
			"it would avoid %.0f MHz x s of unmet demand (%.2f %% of %s) and cost "
			"%.0f: "
			"too little for threshold %u",
			p->benefit, 100 * part_of(p, &m->w.hosts[host]), m->w.s->hosts[host].name,
			p->cost, m->w.s->options.threshold);
}

static void reject_unit(struct drs_making *m, const struct drs_ranking *r, const struct drs_unit *u)
{
	struct drover_drs_reject *reject;
	uint32_t i = r->count && (int32_t)r->at[0] == u->at;
	struct drs_verdict v = {DRS_FITS};

	if (u->stay == DRS_SETTLES || u->stay == DRS_STALE || u->stay == DRS_FIXED) {
		reject = drs_making_reject(m, u->vms[0], DROVER_DRS_NONE);
		if (reject)
			drs_say(reject->reason, sizeof(reject->reason), "%s",
				u->stay == DRS_SETTLES ? "it moved a short time ago"
				: u->stay == DRS_FIXED ? "it is fixed to its host"
						       : "its figures are not believed");
		return;
	}
	if (i < r->count)
		v = drs_fit_gladly(&m->w, u, r->at[i]);
	if (v.obstacle == DRS_FITS || !drs_may_balance(m, u))
		return;
	reject = drs_making_reject(m, u->vms[0], r->at[i]);
	if (reject)
		drs_say_obstacle(m, u, r->at[i], v, reject->reason, sizeof(reject->reason));
}

/* The ones that want the most say why they stay. */
static void explain(struct drs_making *m, const struct drs_ranking *r, uint32_t host,
		    const struct drs_pick *p)
{
	const struct drs_unit *said = NULL;

	if (p->to != DROVER_DRS_NONE)
		reject_pick(m, p, host);
	for (int n = 0; n < SAY_REJECTS; n++) {
		const struct drs_unit *top = NULL;

		for (int32_t i = r->first[host]; i >= 0; i = r->next[i]) {
			const struct drs_unit *u = &m->units.unit[i];

			if (i != p->unit && u != said && (!top || u->load.near > top->load.near) &&
			    (!said || u->load.near <= said->load.near))
				top = u;
		}
		if (!top)
			return;
		reject_unit(m, r, top);
		said = top;
	}
}

static void relieve(struct drs_making *m, struct drs_ranking *r, uint32_t host)
{
	const struct drs_host *h = &m->w.hosts[host];
	struct drs_pick p = drs_best_move(m, r, host), q;
	uint32_t threshold = m->w.s->options.threshold;

	if (p.to != DROVER_DRS_NONE && priority_of(&p, h) <= threshold) {
		carry_out(m, r, &p, host, priority_of(&p, h));
		return;
	}
	q = drs_best_swap(m, r, host);
	if (q.to != DROVER_DRS_NONE && priority_of(&q, h) <= threshold &&
	    m->balanced + 2 <= max_moves(m)) {
		carry_out(m, r, &q, host, priority_of(&q, h));
		return;
	}
	explain(m, r, host, &p);
}

int drs_search(struct drs_making *m, struct drover_err *err)
{
	uint32_t threshold = m->w.s->options.threshold, host;
	struct drs_ranking r;
	int ret;

	if (threshold < 2)
		return 0;
	ret = drs_ranking_init(&r, m, err);
	if (ret < 0)
		return ret;
	while (!m->failed && m->balanced < max_moves(m) && drs_ranking_pop(&r, m, &host)) {
		const struct drs_host *h = &m->w.hosts[host];

		/* No move can avoid more than there is. */
		if (h->loss >= grades[threshold].part * DRS_HORIZON_S * h->cap &&
		    !drs_is_tired(m, host))
			relieve(m, &r, host);
	}
	drs_ranking_exit(&r);
	return 0;
}
