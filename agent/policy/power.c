// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pass: what has to wake, else what may sleep. Each host that wakes or sleeps is put in
 * its new state on paper before the next one is looked at.
 */
#include "policy/power.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/drs.h"
#include "policy/power_worth.h"

/**
 * struct pass - one pass
 * @on: hosts that are on, or on their way to be; @leaving: on their way to sleep
 * @needed: hosts that load balancing will want, to take load off others
 * @wanted: wakes that were called for, advised or not
 * @cpu, @memory: capacity of those that are on
 */
struct pass {
	struct drover_dpm_room room;
	struct drover_dpm_options o;
	const struct drover_dpm_view *view;
	const struct drover_drs_snapshot *s;
	struct drover_dpm_plan plan;
	struct drover_drs_host *hosts;
	bool *needed;
	struct drover_drs_snapshot paper;
	uint32_t on, leaving, waking, wanted;
	double cpu;
	uint64_t memory;
};

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static struct drover_dpm_options with_defaults(struct drover_dpm_options o, size_t hosts)
{
	o.threshold = or_else(o.threshold, 3);
	o.target_percent = or_else(o.target_percent, 63);
	o.tolerance_percent = or_else(o.tolerance_percent, 18);
	if (o.tolerance_percent > o.target_percent)
		o.tolerance_percent = o.target_percent;
	o.hosts_min = or_else(o.hosts_min, 1);
	o.wake_window_s = or_else(o.wake_window_s, 300);
	o.sleep_window_s = or_else(o.sleep_window_s, 2400);
	o.stay_on_s = or_else(o.stay_on_s, 2400);
	o.stay_off_s = or_else(o.stay_off_s, 600);
	o.leave_max = or_else(o.leave_max, hosts >= 10 ? (uint32_t)(hosts / 10) : 1);
	return o;
}

static enum drover_dpm_mode mode_of(const struct pass *p, size_t h)
{
	enum drover_dpm_mode mode = p->view->hosts[h].mode;

	if (mode == DROVER_DPM_AS_CLUSTER || p->o.mode == DROVER_DPM_OFF)
		mode = p->o.mode;
	return mode == DROVER_DPM_AS_CLUSTER ? DROVER_DPM_OFF : mode;
}

__attribute__((format(printf, 3, 4))) static void reject(struct pass *p, size_t h, const char *fmt,
							 ...)
{
	va_list args;

	for (size_t i = 0; i < p->plan.reject_count; i++)
		if (p->plan.rejects[i].host == h)
			return;
	va_start(args, fmt);
	p->plan.rejects[p->plan.reject_count].host = h;
	vsnprintf(p->plan.rejects[p->plan.reject_count++].reason, DROVER_DPM_REASON_LEN, fmt, args);
	va_end(args);
}

static struct drover_dpm_advice *advise(struct pass *p, enum drover_dpm_kind kind, size_t h,
					uint32_t priority)
{
	struct drover_dpm_advice *a = &p->plan.advice[p->plan.advice_count++];

	*a = (struct drover_dpm_advice){
		.kind = kind,
		.host = h,
		.priority = priority,
		.automatic = mode_of(p, h) == DROVER_DPM_AUTOMATIC,
		.watts = drover_dpm_idle_watts(&p->view->hosts[h]),
		.first_move = p->plan.move_count,
	};
	return a;
}

/* --- what stays on --- */

static void count_on(struct pass *p, size_t h, int sign)
{
	p->on += (uint32_t)sign;
	p->cpu += sign * drover_dpm_capacity(&p->s->hosts[h]);
	p->memory += (uint64_t)sign * p->s->hosts[h].memory_mib;
}

static void set_on(struct pass *p, size_t h, bool on)
{
	p->room.load[h].on = on;
	p->hosts[h].state = on ? DROVER_DRS_HOST_UP : DROVER_DRS_HOST_STANDBY;
	count_on(p, h, on ? 1 : -1);
}

/* Is there less on than there has to be? @why says of what. */
static bool too_little(const struct pass *p, uint32_t less_hosts, double less_cpu,
		       uint64_t less_memory, char *why, size_t len)
{
	if (p->on < p->o.hosts_min + less_hosts)
		snprintf(why, len, "%u hosts must stay on", p->o.hosts_min);
	else if (p->cpu - less_cpu < p->o.cpu_min_mhz)
		snprintf(why, len, "%.0f MHz must stay on", p->o.cpu_min_mhz);
	else if (p->memory < less_memory + p->o.memory_min_mib)
		snprintf(why, len, "%lu MiB must stay on", (unsigned long)p->o.memory_min_mib);
	else
		return false;
	return true;
}

/* --- waking --- */

static bool may_wake(struct pass *p, size_t h, bool urgent)
{
	const struct drover_dpm_host *power = &p->view->hosts[h];

	if (p->s->hosts[h].state != DROVER_DRS_HOST_STANDBY || p->room.load[h].on ||
	    power->changing || mode_of(p, h) == DROVER_DPM_OFF)
		return false;
	if (!power->tested) {
		reject(p, h, "It could wake, but no wake of it has been tested since one failed");
		return false;
	}
	if (!urgent && power->since_s + p->o.stay_off_s > p->s->now_s) {
		reject(p, h, "It could wake, but has slept for %lu s only",
		       (unsigned long)(p->s->now_s - power->since_s));
		return false;
	}
	return true;
}

/* The cheapest that may; of equal ones the first by name. */
static int32_t who_wakes(struct pass *p, bool urgent)
{
	int32_t best = DROVER_DRS_NONE;

	for (size_t h = 0; h < p->s->host_count; h++) {
		if (!may_wake(p, h, urgent))
			continue;
		if (best < 0 || p->room.price[h] < p->room.price[best] ||
		    (p->room.price[h] == p->room.price[best] &&
		     p->room.rank[h] < p->room.rank[best]))
			best = (int32_t)h;
	}
	return best;
}

static bool wake(struct pass *p, uint32_t priority, bool urgent, const char *why)
{
	int32_t h = who_wakes(p, urgent);
	struct drover_dpm_advice *a;

	if (h < 0) {
		snprintf(p->plan.note, sizeof(p->plan.note), "No host is left that may wake: %s",
			 why);
		return false;
	}
	set_on(p, (size_t)h, true);
	p->wanted++;
	if (priority > p->o.threshold) {
		reject(p, (size_t)h, "It could wake, with priority %u: %s", priority, why);
		return true;
	}
	a = advise(p, DROVER_DPM_WAKE, (size_t)h, priority);
	snprintf(a->reason, sizeof(a->reason), "Wake %s: %s", p->s->hosts[h].name, why);
	return true;
}

static void wake_for_minimum(struct pass *p)
{
	char why[160];

	while (too_little(p, 0, 0, 0, why, sizeof(why)))
		if (!wake(p, 1, true, why))
			return;
	while (p->s->options.failover_hosts &&
	       !drover_drs_headroom(&p->paper, DROVER_DRS_NONE, why, sizeof(why)))
		if (!wake(p, 1, true, why))
			return;
}

/* VMs that should run and find no place. */
static void wake_for_waiting(struct pass *p)
{
	char why[160];

	for (size_t v = 0; v < p->s->vm_count; v++) {
		int32_t to;

		if (p->room.host_of[v] >= 0)
			continue;
		snprintf(why, sizeof(why), "%s has no place to run", p->s->vms[v].name);
		while ((to = drover_dpm_room_find(&p->room, v)) < 0)
			if (!wake(p, 1, true, why))
				return;
		drover_dpm_room_put(&p->room, v, to);
	}
}

static double above(const struct pass *p, size_t h, uint32_t column)
{
	return p->room.load[h].cpu[column] - p->room.high * drover_dpm_capacity(&p->s->hosts[h]);
}

/* Moves on paper, largest VMs first, until the host is within its band in the column. */
static void unload(struct pass *p, size_t h, uint32_t column)
{
	while (above(p, h, column) > 0) {
		int32_t best = DROVER_DRS_NONE, to = DROVER_DRS_NONE;

		for (int32_t v = p->room.first[h]; v >= 0; v = p->room.next[v]) {
			int32_t target;

			if (p->s->vms[v].moving_to >= 0 ||
			    p->s->vms[v].override == DROVER_DRS_VM_FIXED ||
			    (best >= 0 &&
			     p->room.vm_cpu[v][column] <= p->room.vm_cpu[best][column]))
				continue;
			target = drover_dpm_room_find(&p->room, (size_t)v);
			if (target < 0)
				continue;
			best = v;
			to = target;
		}
		if (best < 0)
			return;
		drover_dpm_room_put(&p->room, (size_t)best, to);
	}
}

static double unload_all(struct pass *p, uint32_t column)
{
	for (size_t h = 0; h < p->s->host_count; h++)
		if (p->room.load[h].on && !p->room.load[h].stale && above(p, h, column) > 0)
			unload(p, h, column);
	return drover_dpm_room_excess(&p->room, column);
}

/* More hosts wake as long as each of them takes load off those above their band. */
static void wake_for_demand(struct pass *p, uint32_t column, bool ahead)
{
	double excess = unload_all(p, column);
	char why[160];

	while (excess > 1) {
		size_t count = p->plan.advice_count;
		double left;

		snprintf(why, sizeof(why),
			 ahead ? "%.0f MHz above %.0f %% of hosts are expected, and moves alone "
				 "do not help"
			       : "%.0f MHz above %.0f %% of hosts in the last five minutes, and "
				 "moves alone do not help",
			 excess, 100 * p->room.high);
		if (!wake(p, ahead ? 3 : 2, !ahead, why))
			return;
		left = unload_all(p, column);
		if (left >= excess) {
			/* It would not help: rules, or VMs that are larger than a host. */
			if (p->plan.advice_count > count) {
				size_t h = p->plan.advice[--p->plan.advice_count].host;

				p->wanted--;
				set_on(p, h, false);
				reject(p, h, "It could wake, but takes none of the load off");
			}
			return;
		}
		excess = left;
	}
}

/* --- sleeping --- */

static bool may_sleep(struct pass *p, size_t h)
{
	const struct drover_dpm_host *power = &p->view->hosts[h];
	const struct drover_dpm_load *load = &p->room.load[h];
	const struct drover_drs_host *host = &p->s->hosts[h];
	double mean;
	char why[160];

	if (!load->on || power->changing || mode_of(p, h) == DROVER_DPM_OFF)
		return false;
	mean = drover_dpm_room_mean(&p->room, h);
	if (mean >= p->room.low)
		return false;
	if (!power->tested)
		reject(p, h, "It could sleep, but its wake test has not passed");
	else if (power->since_s + p->o.stay_on_s > p->s->now_s)
		reject(p, h, "It could sleep, but has been on for %lu s only",
		       (unsigned long)(p->s->now_s - power->since_s));
	else if (p->needed[h])
		reject(p, h, "It could sleep, but is needed to take load off others");
	else if (load->stale)
		reject(p, h, "It could sleep, but its figures are too old");
	else if (load->stuck)
		reject(p, h, "It could sleep, but a VM on it migrates, or must never move");
	else if (too_little(p, 1, drover_dpm_capacity(host), host->memory_mib, why, sizeof(why)))
		reject(p, h, "It could sleep, but %s", why);
	else if (p->s->options.failover_hosts &&
		 !drover_drs_headroom(&p->paper, (int32_t)h, why, sizeof(why)))
		reject(p, h, "It could sleep, but then: %s", why);
	else
		return true;
	return false;
}

static int by_size(const void *a, const void *b, void *data)
{
	const struct pass *p = data;
	const struct drover_dpm_move *x = a, *y = b;
	double dx = p->room.vm_cpu[x->vm][0], dy = p->room.vm_cpu[y->vm][0];

	if (dx != dy)
		return dx < dy ? 1 : -1;
	return strcmp(p->s->vms[x->vm].name, p->s->vms[y->vm].name);
}

/* All VMs elsewhere on paper, or none; false names the VM that has no place. */
static bool empty_host(struct pass *p, size_t h, size_t *stuck)
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

static void undo(struct pass *p, size_t h, size_t first)
{
	while (p->plan.move_count > first)
		drover_dpm_room_put(&p->room, p->plan.moves[--p->plan.move_count].vm, (int32_t)h);
	set_on(p, h, true);
}

static uint32_t priority_of(const struct drover_dpm_worth *w)
{
	double ratio = w->cost_j > 0 ? w->benefit_j / w->cost_j : 0;

	return ratio >= 8 ? 2 : ratio >= 2 ? 3 : ratio >= 1.5 ? 4 : ratio >= 1 ? 5 : 6;
}

static void try_sleep(struct pass *p, size_t h)
{
	double mean = drover_dpm_room_mean(&p->room, h);
	size_t first = p->plan.move_count, vm;
	struct drover_dpm_advice *a;
	struct drover_dpm_worth w;
	uint32_t priority;

	set_on(p, h, false);
	if (!empty_host(p, h, &vm)) {
		set_on(p, h, true);
		reject(p, h, "It could sleep, but there is no other place for %s",
		       p->s->vms[vm].name);
		return;
	}
	w = drover_dpm_weigh(&p->room, h, p->plan.moves + first, p->plan.move_count - first, p->cpu,
			     p->o.sleep_window_s);
	priority = priority_of(&w);
	if (priority > p->o.threshold) {
		undo(p, h, first);
		reject(p, h, "It could sleep, but saves %.0f kJ in %.0f min at a cost of %.0f kJ",
		       w.benefit_j / 1e3, w.quiet_s / 60, w.cost_j / 1e3);
		return;
	}
	a = advise(p, DROVER_DPM_SLEEP, h, priority);
	a->first_move = first;
	a->move_count = p->plan.move_count - first;
	a->quiet_s = w.quiet_s;
	a->benefit_j = w.benefit_j;
	a->cost_j = w.cost_j;
	snprintf(a->reason, sizeof(a->reason),
		 "Put %s to sleep: busy by %.0f %% of its CPU over %u min, its %zu VMs fit "
		 "elsewhere; saves %.0f kJ in %.0f min, costs %.0f kJ",
		 p->s->hosts[h].name, 100 * mean, p->o.sleep_window_s / 60, a->move_count,
		 w.benefit_j / 1e3, w.quiet_s / 60, w.cost_j / 1e3);
	p->leaving++;
}

/* The dearest first, of these the one with the fewest VMs, then the least busy. */
static int sleep_order(const void *a, const void *b, void *data)
{
	const struct pass *p = data;
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

static int sleep_all(struct pass *p)
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

/* --- the pass --- */

/* What if: would load balancing, with those hosts gone, leave guests with less? */
static int ask_drs(struct pass *p, struct drover_err *err)
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
			reject(p, p->plan.advice[i].host, "%s", p->plan.note);
		p->plan.advice_count = p->plan.move_count = 0;
	}
	drover_drs_plan_free(&what_if);
	return 0;
}

static bool any_stale(const struct pass *p)
{
	for (size_t h = 0; h < p->s->host_count; h++)
		if (p->room.load[h].on && p->room.load[h].stale)
			return true;
	return false;
}

/* On paper VMs were moved off hosts that are too full: load balancing will do so, too. */
static void note_needed(struct pass *p)
{
	for (size_t v = 0; v < p->s->vm_count; v++) {
		const struct drover_drs_vm *vm = &p->s->vms[v];
		int32_t at = vm->moving_to >= 0 ? vm->moving_to : vm->host, to = p->room.host_of[v];

		if (to >= 0 && to != at)
			p->needed[to] = true;
	}
}

static int decide(struct pass *p, struct drover_err *err)
{
	double used = 0;

	for (size_t h = 0; h < p->s->host_count; h++) {
		bool changing = p->view->hosts[h].changing;

		p->leaving += changing && p->s->hosts[h].state != DROVER_DRS_HOST_STANDBY;
		p->waking += changing && p->s->hosts[h].state == DROVER_DRS_HOST_STANDBY;
		if (!p->room.load[h].on)
			continue;
		count_on(p, h, 1);
		used += drover_dpm_room_mean(&p->room, h) * drover_dpm_capacity(&p->s->hosts[h]);
	}
	p->plan.load = p->cpu > 0 ? used / p->cpu : 0;
	p->room.fill = p->room.high;
	wake_for_minimum(p);
	wake_for_waiting(p);
	wake_for_demand(p, 0, false);
	wake_for_demand(p, p->room.steps, true);
	if (p->wanted || p->waking || p->plan.note[0])
		return 0;
	if (any_stale(p)) {
		snprintf(p->plan.note, sizeof(p->plan.note),
			 "Nothing sleeps while figures are too old");
		return 0;
	}
	note_needed(p);
	/* What load balancing will do by itself is no part of what empties hosts. */
	drover_dpm_room_exit(&p->room);
	if (drover_dpm_room_init(&p->room, p->view, &p->o, err) < 0 || sleep_all(p) < 0)
		return drover_err_set(err, ENOMEM, "out of memory");
	return p->plan.advice_count ? ask_drs(p, err) : 0;
}

static bool is_index(int32_t i, size_t count)
{
	return i == DROVER_DRS_NONE || (i >= 0 && (size_t)i < count);
}

static int check(const struct drover_drs_snapshot *s, struct drover_err *err)
{
	for (size_t i = 0; i < s->vm_count; i++)
		if (!is_index(s->vms[i].host, s->host_count) ||
		    !is_index(s->vms[i].moving_to, s->host_count))
			return drover_err_set(err, EINVAL, "%s is on a host that is none",
					      s->vms[i].name);
	for (size_t i = 0; i < s->rule_count; i++) {
		const struct drover_drs_rule *rule = &s->rules[i];

		for (uint32_t j = 0; j < rule->vm_count; j++)
			if (rule->vms[j] >= s->vm_count)
				return drover_err_set(
					err, EINVAL, "rule %s names a VM that is none", rule->name);
	}
	return 0;
}

static int allocate(struct pass *p)
{
	size_t hosts = p->s->host_count + 1;

	p->plan.advice = calloc(hosts, sizeof(*p->plan.advice));
	p->plan.rejects = calloc(hosts, sizeof(*p->plan.rejects));
	p->plan.moves = calloc(p->s->vm_count + 1, sizeof(*p->plan.moves));
	p->hosts = calloc(hosts, sizeof(*p->hosts));
	p->needed = calloc(hosts, sizeof(*p->needed));
	if (!p->plan.advice || !p->plan.rejects || !p->plan.moves || !p->hosts || !p->needed)
		return -ENOMEM;
	memcpy(p->hosts, p->s->hosts, p->s->host_count * sizeof(*p->hosts));
	p->paper = *p->s;
	p->paper.hosts = p->hosts;
	return 0;
}

int drover_dpm_plan(const struct drover_dpm_view *view, struct drover_dpm_plan *ret_plan,
		    struct drover_err *err)
{
	struct pass p = {.view = view, .s = view->snapshot};
	int r = check(p.s, err);

	if (r < 0)
		return r;
	p.o = with_defaults(view->options, p.s->host_count);
	r = allocate(&p) < 0 ? drover_err_set(err, ENOMEM, "out of memory") : 0;
	if (r == 0)
		r = drover_dpm_room_init(&p.room, view, &p.o, err);
	if (r == 0) {
		if (p.o.mode == DROVER_DPM_OFF || p.o.mode == DROVER_DPM_AS_CLUSTER)
			snprintf(p.plan.note, sizeof(p.plan.note), "Power management is off");
		else
			r = decide(&p, err);
		drover_dpm_room_exit(&p.room);
	}
	free(p.hosts);
	free(p.needed);
	if (r < 0) {
		drover_dpm_plan_free(&p.plan);
		return r;
	}
	*ret_plan = p.plan;
	return 0;
}

void drover_dpm_plan_free(struct drover_dpm_plan *plan)
{
	free(plan->advice);
	free(plan->moves);
	free(plan->rejects);
	*plan = (struct drover_dpm_plan){0};
}
