// SPDX-License-Identifier: GPL-2.0-or-later
/* Moves under way: who shares which link, and when the switchover comes. */
#include "honest_moves.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "honest.h"

#define LIMIT_US   300000 /* droverd's default for downtime_limit_ms */
#define ROUNDS_MAX 30	  /* and for max_rounds */

int honest_moves_init(struct honest_moves *moves, size_t vms)
{
	moves->list = calloc(vms + 1, sizeof(*moves->list));
	moves->of = malloc((vms + 1) * sizeof(*moves->of));
	if (!moves->list || !moves->of)
		return -ENOMEM;
	moves->vms = (int)vms;
	for (size_t i = 0; i < vms; i++)
		moves->of[i] = -1;
	return 0;
}

void honest_moves_exit(struct honest_moves *moves)
{
	free(moves->list);
	free(moves->of);
}

static void count_host(struct honest_moves *moves, const struct honest_move *m, int by)
{
	moves->waits[m->from] += by;
	moves->waits[m->to] += by;
}

static void drop(struct honest_moves *moves, int i)
{
	count_host(moves, &moves->list[i], -1);
	moves->of[moves->list[i].vm] = -1;
	moves->list[i] = moves->list[--moves->count];
	if (i < moves->count)
		moves->of[moves->list[i].vm] = i;
}

int honest_moves_add(struct honest_moves *moves, int vm, int from, int to)
{
	int i = moves->of[vm];

	if (i >= 0 && moves->list[i].copying)
		return -EBUSY;
	if (i >= 0)
		drop(moves, i);
	if (from == to)
		return 0;
	i = moves->of[vm] = moves->count++;
	moves->list[i] = (struct honest_move){.vm = vm, .from = from, .to = to};
	count_host(moves, &moves->list[i], 1);
	return 0;
}

void honest_move_start(struct honest_move *m, int ram_mb, double use)
{
	m->copying = true;
	m->ram = m->left = ram_mb * 1e6;
	m->round = 1;
	m->pace = (struct drover_pace){
		.limit_us = LIMIT_US,
		.max_rounds = ROUNDS_MAX,
		.dirty_rate = (uint64_t)(HONEST_DIRTY_RATE * use),
	};
	drover_pace_harvested(&m->pace, 1, (uint64_t)m->ram);
}

/* Every move gets an even share of each of its two links. */
static void share_links(struct honest_moves *moves)
{
	memset(moves->links, 0, sizeof(moves->links));
	memset(moves->rates, 0, sizeof(moves->rates));
	for (int i = 0; i < moves->count; i++) {
		if (!moves->list[i].copying)
			continue;
		moves->links[moves->list[i].from]++;
		moves->links[moves->list[i].to]++;
	}
	for (int i = 0; i < moves->count; i++) {
		struct honest_move *m = &moves->list[i];

		if (!m->copying)
			continue;
		m->rate = HONEST_LINK_RATE / fmax(moves->links[m->from], moves->links[m->to]);
		moves->rates[m->from] += m->rate;
		moves->rates[m->to] += m->rate;
	}
}

/* A round was sent: what the VM wrote meanwhile is the next, or the last, in the dark. */
static void next_round(struct honest_move *m)
{
	double dirty = fmin(m->ram, (double)m->pace.dirty_rate * m->round_s);

	drover_pace_sent(&m->pace, (uint64_t)(m->rate * m->round_s), (uint64_t)(m->round_s * 1e6));
	m->round++;
	if (drover_pace_harvested(&m->pace, m->round, (uint64_t)dirty)) {
		m->done = true;
		m->blackout_s = (double)drover_pace_blackout(&m->pace, (uint64_t)dirty) / 1e6;
	}
	m->left = dirty;
	m->round_s = 0;
}

static void advance(struct honest_move *m, double dt)
{
	while (dt > 0 && !m->done) {
		double need = m->left / m->rate, step = fmin(need, dt);

		m->round_s += step;
		m->left -= step * m->rate;
		dt -= step;
		if (need <= step)
			next_round(m);
	}
}

void honest_moves_advance(struct honest_moves *moves, double dt)
{
	share_links(moves);
	for (int i = 0; i < moves->count; i++)
		if (moves->list[i].copying)
			advance(&moves->list[i], dt);
}

bool honest_moves_next_done(struct honest_moves *moves, struct honest_move *ret_move)
{
	for (int i = 0; i < moves->count; i++) {
		if (!moves->list[i].done)
			continue;
		*ret_move = moves->list[i];
		drop(moves, i);
		moves->done++;
		return true;
	}
	return false;
}

const struct honest_move *honest_moves_of(const struct honest_moves *moves, int vm)
{
	return moves->of[vm] >= 0 ? &moves->list[moves->of[vm]] : NULL;
}

bool honest_moves_touch(const struct honest_moves *moves, int host)
{
	return moves->waits[host] > 0;
}

double honest_moves_rate(const struct honest_moves *moves, int host)
{
	return moves->rates[host];
}
