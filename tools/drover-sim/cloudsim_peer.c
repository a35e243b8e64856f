// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * THR, IQR and LR with "minimum migration time" and placement by the least increase of
 * power (Beloglazov and Buyya, Concurrency and Computation 24(13), 2012), as CloudSim's
 * example has them: too full hosts give up VMs until they are not, then every host, the
 * least used first, is emptied if all of its VMs fit on the others.
 */
#include "cloudsim_peer.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FALLBACK  0.7 /* threshold while there is too little history */
#define IQR_LEAST 12
#define LR_POINTS 10

/**
 * struct pass - one planning
 * @no_source: hosts that are not emptied; @no_target: that get nothing
 */
struct pass {
	struct cs_world *w;
	struct cs_peer *peer;
	struct cs_move *moves;
	int count, room;
	bool no_source[CS_HOSTS], no_target[CS_HOSTS];
};

static double vm_request(const struct cs_vm *vm)
{
	return vm->new ? vm->mips : vm->demand;
}

/* --- too full? --- */

static void add_past(double *past, const struct cs_vm *vm, double total)
{
	for (int i = 0; i < vm->history_len; i++)
		past[i] += vm->history[i] * vm->mips / total;
}

/* The host's use in the past, had it had its VMs of now and @extra; returns the length. */
static int host_past(struct cs_peer *peer, const struct cs_world *w, int h, int extra, double *past)
{
	const struct cs_host *host = &w->hosts[h];
	int len = CS_HISTORY;

	if (!peer->past_known[h]) {
		memset(peer->past[h], 0, sizeof(peer->past[h]));
		for (int i = 0; i < host->count; i++)
			add_past(peer->past[h], &w->vms[host->slots[i].vm], host->total);
		peer->past_known[h] = true;
	}
	memcpy(past, peer->past[h], sizeof(peer->past[h]));
	if (extra >= 0)
		add_past(past, &w->vms[extra], host->total);
	while (len > 1 && past[len - 1] == 0)
		len--;
	return len;
}

static double host_request(const struct cs_world *w, int h, int extra)
{
	const struct cs_host *host = &w->hosts[h];
	double mips = 0;

	for (int i = 0; i < host->count; i++)
		mips += vm_request(&w->vms[host->slots[i].vm]);
	if (extra >= 0)
		mips += vm_request(&w->vms[extra]);
	return mips / host->total;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quartile_range(double *values, int count)
{
	int low = (int)floor(0.25 * (count + 1) + 0.5) - 1;
	int high = (int)floor(0.75 * (count + 1) + 0.5) - 1;

	qsort(values, count, sizeof(*values), by_value);
	return values[high] - values[low];
}

/* The least-squares line through the last ten, the newest being past[0], one step ahead. */
static double next_by_trend(const double *past)
{
	double mean_x = (LR_POINTS + 1) / 2.0, mean_y = 0, xy = 0, xx = 0;

	for (int i = 0; i < LR_POINTS; i++)
		mean_y += past[i] / LR_POINTS;
	for (int i = 0; i < LR_POINTS; i++) {
		double x = LR_POINTS - i - mean_x;

		xy += x * (past[i] - mean_y);
		xx += x * x;
	}
	return mean_y + xy / xx * (LR_POINTS + 1 - mean_x);
}

static bool too_full(struct cs_peer *peer, const struct cs_world *w, int h, int extra)
{
	double past[CS_HISTORY], limit = FALLBACK;
	int len;

	switch (peer->limit) {
	case CS_LIMIT_THR:
		limit = peer->safety;
		break;
	case CS_LIMIT_IQR:
		len = host_past(peer, w, h, extra, past);
		if (len >= IQR_LEAST)
			limit = 1 - peer->safety * quartile_range(past, len);
		break;
	case CS_LIMIT_LR:
		len = host_past(peer, w, h, extra, past);
		if (len >= LR_POINTS)
			return peer->safety * next_by_trend(past) >= 1;
		break;
	}
	return host_request(w, h, extra) > limit;
}

/* --- a place for a VM --- */

static bool may_take(struct cs_peer *peer, const struct cs_world *w, int h, int vm, double given)
{
	return cs_host_takes(w, h, vm) && (given == 0 || !too_full(peer, w, h, vm));
}

/* Against the power that was last measured: what was planned since is not in it. */
static int least_power(struct cs_peer *peer, const struct cs_world *w, int vm, const bool *excluded)
{
	double least = DBL_MAX, mips = vm_request(&w->vms[vm]);
	int found = CS_NOWHERE;

	for (int h = 0; h < CS_HOSTS; h++) {
		const struct cs_host *host = &w->hosts[h];
		double more, given;

		if (excluded && excluded[h])
			continue;
		given = cs_host_given(host);
		if (!may_take(peer, w, h, vm, given))
			continue;
		more = cs_watts(host->type, fmin((given + mips) / host->total, 1)) -
		       cs_watts(host->type, cs_host_use(host));
		if (more < least) {
			least = more;
			found = h;
		}
	}
	return found;
}

int cs_first_fit(struct cs_world *w, int vm, void *data)
{
	for (int h = 0; h < CS_HOSTS; h++)
		if (cs_host_takes(w, h, vm))
			return h;
	return CS_NOWHERE;
}

int cs_peer_place(struct cs_world *w, int vm, void *data)
{
	struct cs_peer *peer = data;

	memset(peer->past_known, 0, sizeof(peer->past_known));
	return least_power(peer, w, vm, NULL);
}

/* --- planning --- */

static int put(struct pass *p, int host, int vm)
{
	if (p->count == p->room)
		return -ENOSPC;
	p->moves[p->count++] = (struct cs_move){.vm = vm, .to = host};
	p->peer->past_known[host] = false;
	return cs_host_add(p->w, host, vm, false);
}

static void take_off(struct pass *p, int host, int vm)
{
	p->peer->past_known[host] = false;
	cs_host_remove(p->w, host, vm);
}

static int by_demand(const void *a, const void *b, void *data)
{
	const struct cs_world *w = data;
	double x = w->vms[*(const int *)a].demand, y = w->vms[*(const int *)b].demand;

	return (x < y) - (x > y);
}

/* The largest first; equal ones stay in order. */
static void sort_by_demand(struct cs_world *w, int *vms, int count)
{
	for (int i = 1; i < count; i++) {
		int vm = vms[i], j = i;

		for (; j > 0 && by_demand(&vms[j - 1], &vm, w) > 0; j--)
			vms[j] = vms[j - 1];
		vms[j] = vm;
	}
}

static int least_ram(const struct cs_world *w, int h)
{
	const struct cs_host *host = &w->hosts[h];
	int found = CS_NOWHERE;

	for (int i = 0; i < host->count; i++) {
		int vm = host->slots[i].vm;

		if (!w->vms[vm].moving &&
		    (found == CS_NOWHERE || w->vms[vm].ram < w->vms[found].ram))
			found = vm;
	}
	return found;
}

static int relieve(struct pass *p, int *vms)
{
	struct cs_world *w = p->w;
	int count = 0, vm;

	for (int h = 0; h < CS_HOSTS; h++)
		p->no_target[h] = too_full(p->peer, w, h, -1);
	for (int h = 0; h < CS_HOSTS; h++) {
		if (!p->no_target[h])
			continue;
		while ((vm = least_ram(w, h)) != CS_NOWHERE) {
			take_off(p, h, vm);
			vms[count++] = vm;
			if (!too_full(p->peer, w, h, -1))
				break;
		}
	}
	sort_by_demand(w, vms, count);
	for (int i = 0; i < count; i++) {
		int r, to = least_power(p->peer, w, vms[i], p->no_target);

		r = to == CS_NOWHERE ? 0 : put(p, to, vms[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Never in CloudSim's model, where moves have ended by then. */
static bool any_moving(const struct cs_world *w, int h)
{
	for (int i = 0; i < w->hosts[h].count; i++)
		if (w->vms[w->hosts[h].slots[i].vm].moving)
			return true;
	return false;
}

static int least_used(const struct pass *p)
{
	double least = 1;
	int found = CS_NOWHERE;

	for (int h = 0; h < CS_HOSTS; h++) {
		double use = cs_host_use(&p->w->hosts[h]);

		if (p->no_source[h] || !p->w->hosts[h].on || use >= least || any_moving(p->w, h))
			continue;
		least = use;
		found = h;
	}
	return found;
}

/* All VMs or none. */
static int empty_host(struct pass *p, int h, int *vms)
{
	int first = p->count, count = p->w->hosts[h].count;

	for (int i = 0; i < count; i++)
		vms[i] = p->w->hosts[h].slots[i].vm;
	sort_by_demand(p->w, vms, count);
	for (int i = 0; i < count; i++) {
		int r, to = least_power(p->peer, p->w, vms[i], p->no_target);

		if (to == CS_NOWHERE) {
			while (p->count > first) {
				p->count--;
				take_off(p, p->moves[p->count].to, p->moves[p->count].vm);
			}
			return 0;
		}
		r = put(p, to, vms[i]);
		if (r < 0)
			return r;
	}
	for (int i = first; i < p->count; i++)
		p->no_source[p->moves[i].to] = true;
	return 0;
}

int cs_peer_plan(struct cs_world *w, struct cs_move *moves, int room, void *data)
{
	auto_free int *vms = calloc(w->vm_count + 1, sizeof(*vms));
	struct pass p = {.w = w, .peer = data, .moves = moves, .room = room};
	int h, r;

	if (!vms)
		return -ENOMEM;
	memset(p.peer->past_known, 0, sizeof(p.peer->past_known));
	r = relieve(&p, vms);
	for (h = 0; h < CS_HOSTS; h++) {
		p.no_target[h] |= !w->hosts[h].on;
		p.no_source[h] = p.no_target[h];
	}
	while (r == 0 && (h = least_used(&p)) != CS_NOWHERE) {
		p.no_source[h] = p.no_target[h] = true;
		r = empty_host(&p, h, vms);
	}
	return r < 0 ? r : p.count;
}
