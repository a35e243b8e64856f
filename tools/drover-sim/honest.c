// SPDX-License-Identifier: GPL-2.0-or-later
/* A day in the honest model: power states, shared CPU, and what policies get to see. */
#include "honest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "honest_moves.h"

#define STEP_S	   300
#define JOULES_KWH 3.6e6

/* A host that is on its way counts its seconds down in @left. */
enum state { OFF, WAKING, ON, LEAVING };

struct power {
	enum state state;
	int left;
};

/**
 * struct day - the day so far
 * @view: what policies see and plan on; rebuilt before each planning
 * @host: where each VM runs
 * @ram: MB that each host holds
 * @given: MIPS x s that each host gave since the last planning
 */
struct day {
	struct cs_world *view;
	const struct cs_policy *policy;
	struct honest_moves moves;
	int *host;
	double demand_sum, unmet_sum, core_sum, dark_sum;
	int ram[CS_HOSTS];
	double asked[CS_HOSTS], given[CS_HOSTS];
	struct power power[CS_HOSTS];
	double joules, on_s, over_s;
	uint64_t wakes, offs;
};

/* --- sharing CPU for @dt seconds --- */

static double core_limit(const struct day *d, int host)
{
	return d->view->hosts[host].type->pe_mips;
}

/* What every host is asked for: its VMs, and the work of moves at both ends. */
static void ask(struct day *d)
{
	const struct cs_world *w = d->view;

	for (int h = 0; h < CS_HOSTS; h++)
		d->asked[h] = honest_moves_rate(&d->moves, h) / 1e9 * HONEST_CPU_S_PER_GB *
			      core_limit(d, h);
	for (int i = 0; i < w->vm_count; i++)
		d->asked[d->host[i]] += fmin(w->vms[i].demand, core_limit(d, d->host[i]));
}

static void serve_vms(struct day *d, double dt)
{
	const struct cs_world *w = d->view;

	for (int i = 0; i < w->vm_count; i++) {
		int h = d->host[i];
		double demand = w->vms[i].demand, core = fmin(demand, core_limit(d, h));
		double scale = fmin(1, w->hosts[h].total / d->asked[h]);

		d->demand_sum += demand * dt;
		d->core_sum += (demand - core) * dt;
		d->unmet_sum += (core > 0 ? demand - core * scale : demand) * dt;
	}
}

static double watts(const struct day *d, int h)
{
	const struct cs_host *host = &d->view->hosts[h];
	enum state state = d->power[h].state;

	if (d->policy->always_on || state == WAKING || state == LEAVING)
		return cs_watts(host->type, 1);
	return state == ON ? cs_watts(host->type, fmin(1, d->asked[h] / host->total)) : 0;
}

static void serve_hosts(struct day *d, double dt)
{
	for (int h = 0; h < CS_HOSTS; h++) {
		double total = d->view->hosts[h].total;

		d->joules += watts(d, h) * dt;
		d->given[h] += fmin(d->asked[h], total) * dt;
		if (d->power[h].state == OFF)
			continue;
		d->on_s += dt;
		if (d->asked[h] > total)
			d->over_s += dt;
	}
}

/* --- power --- */

static bool is_used(const struct day *d, int h)
{
	return d->ram[h] > 0 || honest_moves_touch(&d->moves, h);
}

static void power_tick(struct day *d, int h)
{
	struct power *p = &d->power[h];

	if (p->left > 0 && --p->left == 0)
		p->state = p->state == WAKING ? ON : OFF;
	if (p->state == ON && !d->view->hosts[h].wanted && !is_used(d, h)) {
		*p = (struct power){LEAVING, HONEST_OFF_S};
		d->offs++;
	} else if (p->state == OFF && d->view->hosts[h].wanted) {
		*p = (struct power){WAKING, HONEST_WAKE_S};
		d->wakes++;
	}
}

static bool anything_changes(const struct day *d)
{
	for (int h = 0; h < CS_HOSTS; h++)
		if (d->power[h].left > 0)
			return true;
	return d->moves.count > 0;
}

/* --- moves --- */

static void set_wanted(struct day *d)
{
	if (d->policy->own_power)
		return;
	for (int h = 0; h < CS_HOSTS; h++)
		d->view->hosts[h].wanted = d->policy->always_on || is_used(d, h);
}

static void start_moves(struct day *d)
{
	for (int i = 0; i < d->moves.count; i++) {
		struct honest_move *m = &d->moves.list[i];
		int ram = d->view->vms[m->vm].ram;

		if (m->copying || d->power[m->to].state != ON ||
		    d->ram[m->to] + ram > d->view->hosts[m->to].type->ram)
			continue;
		d->ram[m->to] += ram;
		honest_move_start(m, ram, d->view->vms[m->vm].demand / d->view->vms[m->vm].mips);
	}
}

static void end_moves(struct day *d)
{
	struct honest_move m;

	while (honest_moves_next_done(&d->moves, &m)) {
		struct cs_vm *vm = &d->view->vms[m.vm];
		double dark = vm->demand * m.blackout_s;

		d->ram[m.from] -= vm->ram;
		d->host[m.vm] = m.to;
		d->dark_sum += dark;
		d->unmet_sum += dark;
	}
}

/* Plans are carried out second by second while something is under way, else at one go. */
static void live(struct day *d)
{
	int left = STEP_S;

	while (left > 0) {
		int dt;

		set_wanted(d);
		for (int h = 0; h < CS_HOSTS; h++)
			power_tick(d, h);
		start_moves(d);
		dt = anything_changes(d) ? 1 : left;
		honest_moves_advance(&d->moves, dt);
		ask(d);
		serve_vms(d, dt);
		serve_hosts(d, dt);
		end_moves(d);
		left -= dt;
	}
}

/* --- what policies see --- */

/* Each VM on its host, or where it is moving to. */
static int fill_view(struct day *d)
{
	struct cs_world *w = d->view;
	int r = 0;

	for (int h = 0; h < CS_HOSTS; h++) {
		struct cs_host *host = &w->hosts[h];

		host->count = 0;
		host->free_ram = host->type->ram;
		host->on = d->power[h].state == ON || d->power[h].state == WAKING;
		host->use = d->given[h] / STEP_S;
		d->given[h] = 0;
	}
	for (int i = 0; i < w->vm_count && r == 0; i++) {
		const struct honest_move *m = honest_moves_of(&d->moves, i);

		w->vms[i].moving = m;
		w->vms[i].host = m ? m->to : d->host[i];
		r = cs_host_add(w, w->vms[i].host, i, false);
	}
	return r;
}

static void next_demands(struct day *d, const float *percent, int step)
{
	for (int i = 0; i < d->view->vm_count; i++) {
		struct cs_vm *vm = &d->view->vms[i];

		vm->demand = percent[(size_t)i * CS_STEPS + step] / 100.0 * vm->mips;
	}
}

static int plan(struct day *d, struct cs_move *list, int room)
{
	struct cs_world *w = d->view;
	int count, r = fill_view(d);

	if (r < 0 || !d->policy->plan)
		return r;
	d->moves.late += d->moves.count;
	count = d->policy->plan(w, list, room, d->policy->data);
	for (int i = 0; i < count && r == 0; i++)
		r = honest_moves_add(&d->moves, list[i].vm, d->host[list[i].vm], list[i].to);
	return count < 0 ? count : r;
}

static int place_all(struct day *d)
{
	struct cs_world *w = d->view;

	for (int i = 0; i < w->vm_count; i++) {
		int r, host = d->policy->place(w, i, d->policy->data);

		if (host == CS_NOWHERE)
			return -ENOSPC;
		r = cs_host_add(w, host, i, false);
		if (r < 0)
			return r;
		w->vms[i].new = false;
		d->host[i] = host;
		d->ram[host] += w->vms[i].ram;
	}
	for (int h = 0; h < CS_HOSTS; h++) {
		w->hosts[h].wanted = d->policy->always_on || d->ram[h] > 0;
		d->power[h].state = w->hosts[h].wanted ? ON : OFF;
	}
	return 0;
}

/* The first plan is made after the first five minutes: before, nothing has been measured. */
static int live_day(struct day *d, const float *percent)
{
	int room = 2 * d->view->vm_count, r = place_all(d);
	auto_free struct cs_move *list = calloc(room + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (int step = 0; step < CS_STEPS && r == 0; step++) {
		d->view->step = step;
		if (step > 0) {
			cs_remember_demands(d->view);
			r = plan(d, list, room);
		}
		next_demands(d, percent, step);
		live(d);
	}
	return r;
}

static void sum_up(const struct day *d, struct honest_result *result)
{
	double demand = d->demand_sum > 0 ? d->demand_sum : 1;

	*result = (struct honest_result){
		.kwh = d->joules / JOULES_KWH,
		.unmet = d->unmet_sum / demand,
		.unmet_core = d->core_sum / demand,
		.unmet_dark = d->dark_sum / demand,
		.over = d->on_s > 0 ? d->over_s / d->on_s : 0,
		.hosts_on = d->on_s / (CS_STEPS * STEP_S),
		.moves = d->moves.done,
		.wakes = d->wakes,
		.offs = d->offs,
		.late = d->moves.late,
	};
}

int honest_run(const float *percent, size_t vms, const struct cs_policy *policy,
	       struct honest_result *ret_result)
{
	auto_free struct cs_world *w = calloc(1, sizeof(*w));
	auto_free int *host = calloc(vms + 1, sizeof(*host));
	auto_free struct day *d = calloc(1, sizeof(*d));
	int r;

	if (!w || !host || !d)
		return -ENOMEM;
	*d = (struct day){.view = w, .policy = policy, .host = host};
	r = cs_world_init(w, percent, vms);
	w->ram_binds = true;
	if (r == 0)
		r = honest_moves_init(&d->moves, vms);
	if (r == 0)
		r = live_day(d, percent);
	if (r == 0)
		sum_up(d, ret_result);
	honest_moves_exit(&d->moves);
	cs_world_exit(w);
	return r;
}
