// SPDX-License-Identifier: GPL-2.0-or-later
/* What may sleep. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/drs.h"
#include "policy/power_pass.h"
#include "policy/power_worth.h"

static bool may_sleep(struct drover_dpm_pass *p, size_t h)
{
	const struct drover_dpm_host *power = &p->view->hosts[h];
	const struct drover_dpm_load *load = &p->room.load[h];
	const struct drover_drs_host *host = &p->s->hosts[h];
	double mean;
	char why[160];

	if (!load->on || power->changing || drover_dpm_mode_of(p, h) == DROVER_DPM_OFF)
		return false;
	mean = drover_dpm_room_mean(&p->room, h);
	if (mean >= p->room.low)
		return false;
	if (!power->tested)
		drover_dpm_reject(p, h, "It could sleep, but its wake test has not passed");
	else if (power->since_s + p->o.stay_on_s > p->s->now_s)
		drover_dpm_reject(p, h, "It could sleep, but has been on for %lu s only",
				  (unsigned long)(p->s->now_s - power->since_s));
	else if (p->needed[h])
		drover_dpm_reject(p, h, "It could sleep, but is needed to take load off others");
	else if (load->stale)
		drover_dpm_reject(p, h, "It could sleep, but its figures are too old");
	else if (load->stuck)
		drover_dpm_reject(p, h,
				  "It could sleep, but a VM on it migrates, has just started, or must never move");
	else if (drover_dpm_too_little(p, 1, drover_dpm_capacity(host), host->memory_mib, why,
				       sizeof(why)))
		drover_dpm_reject(p, h, "It could sleep, but %s", why);
	else if (p->s->options.failover_hosts &&
		 !drover_drs_headroom(&p->paper, (int32_t)h, why, sizeof(why)))
		drover_dpm_reject(p, h, "It could sleep, but then: %s", why);
	else
		return true;
	return false;
}

static int by_size(const void *a, const void *b, void *data)
{
	const struct drover_dpm_pass *p = data;
	const struct drover_dpm_move *x = a, *y = b;
	double dx = p->room.vm_cpu[x->vm][0], dy = p->room.vm_cpu[y->vm][0];

	if (dx != dy)
		return dx < dy ? 1 : -1;
	return strcmp(p->s->vms[x->vm].name, p->s->vms[y->vm].name);
}

/* All VMs elsewhere on paper, or none; false names the VM that has no place. */
static bool empty_host(struct drover_dpm_pass *p, size_t h, size_t *stuck)
{
	struct drover_dpm_move *moves = p->plan.moves + p->plan.move_count;
	size_t count = 0;

	for (int32_t v = p->room.first[h]; v >= 0; v = p->room.next[v])
		moves[count++].vm = (size_t)v;
	qsort_r(moves, count, sizeof(*moves), by_size, p);
	for (size_t i = 0; i < count; i++) {
		moves[i].to = drover_dpm_room_find(&p->room, moves[i].vm);
		if (moves[i].to >= 0) {
			drover_dpm_room_put(&p->room, moves[i].vm, moves[i].to);
			continue;
		}
		*stuck = moves[i].vm;
		while (i-- > 0)
			drover_dpm_room_put(&p->room, moves[i].vm, (int32_t)h);
		return false;
	}
	p->plan.move_count += count;
	return true;
}

static void undo(struct drover_dpm_pass *p, size_t h, size_t first)
{
	while (p->plan.move_count > first)
		drover_dpm_room_put(&p->room, p->plan.moves[--p->plan.move_count].vm, (int32_t)h);
	drover_dpm_set_on(p, h, true);
}

static uint32_t priority_of(const struct drover_dpm_worth *w)
{
	double ratio = w->cost_j > 0 ? w->benefit_j / w->cost_j : 0;

	return ratio >= 8 ? 2 : ratio >= 2 ? 3 : ratio >= 1.5 ? 4 : ratio >= 1 ? 5 : 6;
}

static void try_sleep(struct drover_dpm_pass *p, size_t h)
{
	double mean = drover_dpm_room_mean(&p->room, h);
	size_t first = p->plan.move_count, vm;
	struct drover_dpm_advice *a;
	struct drover_dpm_worth w;
	uint32_t priority;

	drover_dpm_set_on(p, h, false);
	if (!empty_host(p, h, &vm)) {
		drover_dpm_set_on(p, h, true);
		drover_dpm_reject(p, h, "It could sleep, but there is no other place for %s",
				  p->s->vms[vm].name);
		return;
	}
	w = drover_dpm_weigh(&p->room, h, p->plan.moves + first, p->plan.move_count - first, p->cpu,
			     p->o.quiet_s);
	priority = priority_of(&w);
	if (priority > p->o.threshold) {
		undo(p, h, first);
		drover_dpm_reject(
			p, h, "It could sleep, but saves %.0f kJ in %.0f min at a cost of %.0f kJ",
			w.benefit_j / 1e3, w.quiet_s / 60, w.cost_j / 1e3);
		return;
	}
	a = drover_dpm_advise(p, DROVER_DPM_SLEEP, h, priority);
	a->first_move = first;
	a->move_count = p->plan.move_count - first;
	a->quiet_s = w.quiet_s;
	a->benefit_j = w.benefit_j;
	a->cost_j = w.cost_j;
	snprintf(a->reason, sizeof(a->reason),
		 "Put %s to sleep: busy by %.0f %% of its CPU over %.1f min, its %zu VM%s "
		 "elsewhere; saves %.0f kJ in %.0f min, costs %.0f kJ",
		 p->s->hosts[h].name, 100 * mean, p->o.sleep_window_s / 60.0, a->move_count,
		 a->move_count == 1 ? " fits" : "s fit", w.benefit_j / 1e3, w.quiet_s / 60, w.cost_j / 1e3);
	p->leaving++;
}

/* The dearest first, of these the one with the fewest VMs, then the least busy. */
static int sleep_order(const void *a, const void *b, void *data)
{
	const struct drover_dpm_pass *p = data;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	double dx = p->room.load[x].cpu[0], dy = p->room.load[y].cpu[0];

	if (!p->room.load[x].vms != !p->room.load[y].vms)
		return p->room.load[x].vms ? 1 : -1;
	if (p->room.price[x] != p->room.price[y])
		return p->room.price[x] < p->room.price[y] ? 1 : -1;
	if (p->room.load[x].vms != p->room.load[y].vms)
		return p->room.load[x].vms > p->room.load[y].vms ? 1 : -1;
	if (dx != dy)
		return dx > dy ? 1 : -1;
	return p->room.rank[x] > p->room.rank[y] ? -1 : 1;
}

static int empty_all(struct drover_dpm_pass *p)
{
	auto_free size_t *order = calloc(p->s->host_count + 1, sizeof(*order));
	auto_free bool *was_given = calloc(p->s->host_count + 1, sizeof(*was_given));
	size_t count = 0;

	if (!order || !was_given)
		return -ENOMEM;
	for (size_t h = 0; h < p->s->host_count; h++)
		if (p->room.load[h].on)
			order[count++] = h;
	qsort_r(order, count, sizeof(*order), sleep_order, p);
	for (size_t i = 0; i < count && p->leaving < p->o.leave_max; i++) {
		size_t before = p->plan.move_count;

		/* What others have just been given is not passed on. */
		if (was_given[order[i]] || !may_sleep(p, order[i]))
			continue;
		try_sleep(p, order[i]);
		for (size_t m = before; m < p->plan.move_count; m++)
			was_given[p->plan.moves[m].to] = true;
	}
	return 0;
}

/* What if: would load balancing, with those hosts gone, leave guests with less? */
static int ask_drs(struct drover_dpm_pass *p, struct drover_err *err)
{
	auto_free struct drover_drs_change *changes =
		calloc(p->plan.advice_count + 1, sizeof(*changes));
	struct drover_drs_plan what_if;
	int r;

	if (!changes)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < p->plan.advice_count; i++) {
		changes[i].host = p->plan.advice[i].host;
		changes[i].state = DROVER_DRS_HOST_STANDBY;
	}
	r = drover_drs_what_if(p->s, changes, p->plan.advice_count, &what_if, err);
	if (r < 0)
		return r;
	if (what_if.unplaced) {
		snprintf(p->plan.note, sizeof(p->plan.note),
			 "Nothing sleeps: without these hosts %zu VMs would have no place",
			 what_if.unplaced);
		for (size_t i = 0; i < p->plan.advice_count; i++)
			drover_dpm_reject(p, p->plan.advice[i].host, "%s", p->plan.note);
		p->plan.advice_count = p->plan.move_count = 0;
	}
	drover_drs_plan_free(&what_if);
	return 0;
}

int drover_dpm_sleep_all(struct drover_dpm_pass *p, struct drover_err *err)
{
	if (empty_all(p) < 0)
		return drover_err_set(err, ENOMEM, "out of memory");
	return p->plan.advice_count ? ask_drs(p, err) : 0;
}
