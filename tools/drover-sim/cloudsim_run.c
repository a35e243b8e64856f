// SPDX-License-Identifier: GPL-2.0-or-later
/* A day in the model: samples, moves and their ends, and the figures that come of them. */
#include "cloudsim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define STEP_S	   300.0
#define FIRST_S	   0.1	/* the model's smallest time between two events */
#define MB_PER_S   62.5 /* half of 1 Gbit/s, for each move */
#define DAY_S	   86400.0
#define JOULES_KWH 3.6e6

/**
 * struct layout - who is on which list, to be put back after planning
 * @slots: host after host; @counts: of each host
 */
struct layout {
	struct cs_slot *slots;
	int counts[CS_HOSTS];
};

/* --- what is written down --- */

static void vm_close_entry(struct cs_world *w, struct cs_vm *vm)
{
	double dt = w->now - vm->entry_time;

	vm->alloc_sum += vm->entry_alloc * dt;
	vm->req_sum += vm->entry_req * dt;
	if (vm->entry_alloc >= vm->entry_req)
		return;
	w->lack_sum += (vm->entry_req - vm->entry_alloc) / vm->entry_req;
	w->lack_count++;
	if (vm->entry_moving)
		vm->late_sum += (vm->entry_req - vm->entry_alloc) * dt;
}

/* A second entry of the same time takes the place of the first. */
static void vm_note(struct cs_world *w, struct cs_vm *vm, double alloc)
{
	if (vm->entry_time >= 0 && vm->entry_time < w->now)
		vm_close_entry(w, vm);
	vm->entry_time = w->now;
	vm->entry_alloc = alloc;
	vm->entry_req = vm->demand;
	vm->entry_moving = vm->moving;
}

/* Every host counts as switched on at time 0, so one that is never used is one shutdown. */
static void host_close_state(struct cs_world *w, struct cs_host *host)
{
	if (host->was_active && !host->entry_active) {
		w->shutdowns++;
		w->on_s += host->entry_time - host->on_since;
	} else if (!host->was_active && host->entry_active) {
		host->on_since = host->entry_time;
	}
	host->was_active = host->entry_active;
}

static void host_note(struct cs_world *w, struct cs_host *host, double alloc, double req)
{
	if (host->entry_time >= 0 && host->entry_time < w->now) {
		if (host->entry_active) {
			w->active_s += w->now - host->entry_time;
			if (host->entry_alloc < host->entry_req)
				w->short_s += w->now - host->entry_time;
		}
		host_close_state(w, host);
	}
	host->entry_time = w->now;
	host->entry_alloc = alloc;
	host->entry_req = req;
	host->entry_active = alloc > 0;
}

/* --- one moment --- */

static double demand_at(const struct cs_world *w, int vm)
{
	const float *percent = w->percent + (size_t)vm * CS_STEPS;
	int low = (int)floor(w->now / STEP_S), high = low + 1 < CS_STEPS ? low + 1 : low;
	double from = percent[low] / 100.0, slope = (percent[high] / 100.0 - from) / STEP_S;

	return (from + slope * (w->now - low * STEP_S)) * w->vms[vm].mips;
}

/* Shares a host's CPU among what its VMs ask for now. */
static void host_update(struct cs_world *w, int h)
{
	struct cs_host *host = &w->hosts[h];
	double given = 0, req = 0;

	for (int i = 0; i < host->count; i++)
		host->slots[i].req = w->vms[host->slots[i].vm].demand;
	cs_host_share(w, h);
	for (int i = 0; i < host->count; i++) {
		struct cs_slot *slot = &host->slots[i];
		struct cs_vm *vm = &w->vms[slot->vm];
		double alloc = slot->alloc;

		if (!slot->in) {
			vm_note(w, vm, alloc);
			if (vm->moving)
				alloc /= 0.9;
		}
		given += alloc;
		req += vm->demand;
	}
	host->use = given;
	host->on = given > 0;
	host_note(w, host, given, req);
}

static double host_joules(const struct cs_host *host, double before, double dt)
{
	double from, to;

	if (before == 0)
		return 0;
	from = cs_watts(host->type, fmin(before / host->total, 1));
	to = cs_watts(host->type, cs_host_use(host));
	return (from + (to - from) / 2) * dt;
}

static void remove_idle(struct cs_world *w)
{
	for (int i = 0; i < w->vm_count; i++) {
		struct cs_vm *vm = &w->vms[i];

		if (vm->gone || vm->moving || vm->demand != 0)
			continue;
		cs_host_remove(w, vm->host, i);
		vm->host = CS_NOWHERE;
		vm->gone = true;
		w->removed++;
	}
}

static void update(struct cs_world *w, bool always_on)
{
	double dt = w->now - w->last, joules = 0;

	for (int i = 0; i < w->vm_count; i++)
		if (!w->vms[i].gone)
			w->vms[i].demand = demand_at(w, i);
	for (int i = 0; i < CS_HOSTS; i++) {
		double before = w->hosts[i].use;

		host_update(w, i);
		joules += always_on ? cs_watts(w->hosts[i].type, 1) * dt
				    : host_joules(&w->hosts[i], before, dt);
	}
	w->joules += joules;
	remove_idle(w);
	w->last = w->now;
}

void cs_remember_demands(struct cs_world *w)
{
	for (int i = 0; i < w->vm_count; i++) {
		struct cs_vm *vm = &w->vms[i];

		if (vm->gone)
			continue;
		memmove(&vm->history[1], &vm->history[0], (CS_HISTORY - 1) * sizeof(*vm->history));
		vm->history[0] = vm->demand / vm->mips;
		if (vm->history_len < CS_HISTORY)
			vm->history_len++;
	}
}

/* --- moves --- */

static void layout_keep(const struct cs_world *w, struct layout *layout)
{
	struct cs_slot *at = layout->slots;

	for (int i = 0; i < CS_HOSTS; i++) {
		const struct cs_host *host = &w->hosts[i];

		layout->counts[i] = host->count;
		if (host->count)
			at = mempcpy(at, host->slots, host->count * sizeof(*at));
	}
}

static void layout_put_back(struct cs_world *w, const struct layout *layout)
{
	const struct cs_slot *at = layout->slots;

	for (int i = 0; i < CS_HOSTS; i++) {
		struct cs_host *host = &w->hosts[i];

		host->count = layout->counts[i];
		if (host->count)
			memcpy(host->slots, at, host->count * sizeof(*at));
		at += host->count;
		cs_host_share(w, i);
	}
}

static int start_move(struct cs_world *w, const struct cs_move *move)
{
	int r;

	w->vms[move->vm].moving = true;
	r = cs_host_add(w, move->to, move->vm, true);
	if (r < 0)
		return r;
	host_update(w, move->to);
	host_update(w, w->vms[move->vm].host);
	w->moves++;
	return 0;
}

static int end_move(struct cs_world *w, const struct cs_move *move)
{
	struct cs_vm *vm = &w->vms[move->vm];

	cs_host_remove(w, vm->host, move->vm);
	cs_host_remove(w, move->to, move->vm);
	vm->moving = false;
	vm->host = move->to;
	return cs_host_add(w, move->to, move->vm, false);
}

/* The end of all moves of VMs with @ram MB; moves that started together end together. */
static int end_moves(struct cs_world *w, const struct cs_move *moves, int count, int ram,
		     double start)
{
	bool any = false;
	int r = 0;

	for (int i = 0; i < count && r == 0; i++) {
		if (w->vms[moves[i].vm].ram != ram)
			continue;
		if (!any) {
			w->now = start + ram / MB_PER_S;
			update(w, false);
		}
		any = true;
		r = end_move(w, &moves[i]);
	}
	if (any)
		update(w, false);
	return r;
}

static int carry_out(struct cs_world *w, const struct cs_move *moves, int count)
{
	static const int by_duration[] = {613, 870, 1740};
	double start = w->now;
	int r = 0;

	for (int i = 0; i < count && r == 0; i++)
		r = start_move(w, &moves[i]);
	for (size_t i = 0; i < 3 && r == 0; i++)
		r = end_moves(w, moves, count, by_duration[i], start);
	return r;
}

/* --- the day --- */

int cs_world_init(struct cs_world *w, const float *percent, size_t vms)
{
	w->percent = percent;
	w->vm_count = (int)vms;
	w->vms = calloc(vms + 1, sizeof(*w->vms));
	if (!w->vms)
		return -ENOMEM;
	for (size_t i = 0; i < vms; i++) {
		w->vms[i].mips = cs_vm_mips(i, vms);
		w->vms[i].ram = cs_vm_ram(i, vms);
		w->vms[i].host = CS_NOWHERE;
		w->vms[i].entry_time = -1;
		w->vms[i].new = true;
	}
	for (int i = 0; i < CS_HOSTS; i++) {
		struct cs_host *host = &w->hosts[i];

		host->type = &cs_host_types[i % 2];
		host->total = host->free_mips = 2 * host->type->pe_mips;
		host->free_ram = host->type->ram;
		host->entry_time = -1;
		host->was_active = true;
	}
	return 0;
}

void cs_world_exit(struct cs_world *w)
{
	for (int i = 0; i < CS_HOSTS; i++)
		free(w->hosts[i].slots);
	free(w->vms);
}

static int place_all(struct cs_world *w, const struct cs_policy *policy)
{
	for (int i = 0; i < w->vm_count; i++) {
		int r, host = policy->place(w, i, policy->data);

		if (host == CS_NOWHERE)
			return -ENOSPC;
		r = cs_host_add(w, host, i, false);
		if (r < 0)
			return r;
		w->vms[i].host = host;
		w->vms[i].new = false;
	}
	return 0;
}

static int day(struct cs_world *w, const struct cs_policy *policy)
{
	int room = 2 * w->vm_count, r = place_all(w, policy);
	auto_free struct cs_move *moves = calloc(room + 1, sizeof(*moves));
	auto_free struct cs_slot *slots = calloc(w->vm_count + 1, sizeof(*slots));
	struct layout layout = {.slots = slots};
	double sample = FIRST_S;

	if (!moves || !slots)
		return -ENOMEM;
	for (w->step = 1; w->step < CS_STEPS && r == 0; w->step++) {
		int count;

		w->now = sample += STEP_S;
		update(w, policy->always_on);
		cs_remember_demands(w);
		if (!policy->plan)
			continue;
		layout_keep(w, &layout);
		count = policy->plan(w, moves, room, policy->data);
		layout_put_back(w, &layout);
		r = count < 0 ? count : carry_out(w, moves, count);
	}
	return r;
}

static void sum_up(struct cs_world *w, struct cs_result *result)
{
	double req = 0, alloc = 0, late = 0;

	for (int i = 0; i < w->vm_count; i++) {
		req += w->vms[i].req_sum;
		alloc += w->vms[i].alloc_sum;
		late += w->vms[i].late_sum;
	}
	for (int i = 0; i < CS_HOSTS; i++)
		host_close_state(w, &w->hosts[i]);
	*result = (struct cs_result){
		.kwh = w->joules / JOULES_KWH,
		.slatah = w->active_s > 0 ? w->short_s / w->active_s : 0,
		.pdm = req > 0 ? late / req : 0,
		.overall = req > 0 ? (req - alloc) / req : 0,
		.average = w->lack_count ? w->lack_sum / w->lack_count : 0,
		.uptime_s = w->shutdowns ? w->on_s / w->shutdowns : 0,
		.hosts_on = w->active_s / DAY_S,
		.moves = w->moves,
		.shutdowns = w->shutdowns,
		.removed = w->removed,
	};
}

int cs_run(const float *percent, size_t vms, const struct cs_policy *policy,
	   struct cs_result *ret_result)
{
	auto_free struct cs_world *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	r = cs_world_init(w, percent, vms);
	if (r == 0)
		r = day(w, policy);
	if (r == 0)
		sum_up(w, ret_result);
	cs_world_exit(w);
	return r;
}
