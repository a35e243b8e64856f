// SPDX-License-Identifier: GPL-2.0-or-later
/* What has to wake. */
#include <stdio.h>
#include <string.h>

#include "policy/drs.h"
#include "policy/power_pass.h"

static bool may_wake(struct drover_dpm_pass *p, size_t h, bool urgent)
{
	const struct drover_dpm_host *power = &p->view->hosts[h];

	if (p->s->hosts[h].state != DROVER_DRS_HOST_STANDBY || p->room.load[h].on ||
	    power->changing || drover_dpm_mode_of(p, h) == DROVER_DPM_OFF)
		return false;
	if (!power->tested) {
		drover_dpm_reject(
			p, h, "It could wake, but no wake of it has been tested since one failed");
		return false;
	}
	if (!urgent && power->since_s + p->o.stay_off_s > p->s->now_s) {
		drover_dpm_reject(p, h, "It could wake, but has slept for %lu s only",
				  (unsigned long)(p->s->now_s - power->since_s));
		return false;
	}
	return true;
}

/* The cheapest that may; of equal ones the first by name. */
static int32_t who_wakes(struct drover_dpm_pass *p, bool urgent)
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

static bool wake(struct drover_dpm_pass *p, uint32_t priority, bool urgent, const char *why)
{
	int32_t h = who_wakes(p, urgent);
	struct drover_dpm_advice *a;

	if (h < 0) {
		snprintf(p->plan.note, sizeof(p->plan.note), "No host is left that may wake: %s",
			 why);
		return false;
	}
	drover_dpm_set_on(p, (size_t)h, true);
	p->wanted++;
	if (priority > p->o.threshold) {
		drover_dpm_reject(p, (size_t)h, "It could wake, with priority %u: %s", priority,
				  why);
		return true;
	}
	a = drover_dpm_advise(p, DROVER_DPM_WAKE, (size_t)h, priority);
	snprintf(a->reason, sizeof(a->reason), "Wake %s: %s", p->s->hosts[h].name, why);
	return true;
}

static void wake_for_minimum(struct drover_dpm_pass *p)
{
	char why[160];

	while (drover_dpm_too_little(p, 0, 0, 0, why, sizeof(why)))
		if (!wake(p, 1, true, why))
			return;
	while (p->s->options.failover_hosts &&
	       !drover_drs_headroom(&p->paper, DROVER_DRS_NONE, why, sizeof(why)))
		if (!wake(p, 1, true, why))
			return;
}

/* VMs that should run and find no place. */
static void wake_for_waiting(struct drover_dpm_pass *p)
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

static double above(const struct drover_dpm_pass *p, size_t h, uint32_t column)
{
	return p->room.load[h].cpu[column] - p->room.high * drover_dpm_capacity(&p->s->hosts[h]);
}

/* Moves on paper, largest VMs first, until the host is within its band in the column. */
static void unload(struct drover_dpm_pass *p, size_t h, uint32_t column)
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

static double unload_all(struct drover_dpm_pass *p, uint32_t column)
{
	for (size_t h = 0; h < p->s->host_count; h++)
		if (p->room.load[h].on && !p->room.load[h].stale && above(p, h, column) > 0)
			unload(p, h, column);
	return drover_dpm_room_excess(&p->room, column);
}

/* More hosts wake as long as each of them takes load off those above their band. */
static void wake_for_demand(struct drover_dpm_pass *p, uint32_t column, bool ahead)
{
	double excess = unload_all(p, column);
	char why[160];

	while (excess > 1) {
		size_t count = p->plan.advice_count;
		double left;

		snprintf(why, sizeof(why),
			 ahead ? "%.0f MHz above %.0f %% of hosts are expected, and moves alone "
				 "do not help"
			       : "%.0f MHz above %.0f %% of hosts in the last %u s, and "
				 "moves alone do not help",
			 excess, 100 * p->room.high, p->o.wake_window_s);
		if (!wake(p, ahead ? 3 : 2, !ahead, why))
			return;
		left = unload_all(p, column);
		if (left >= excess) {
			/* It would not help: rules, or VMs that are larger than a host. */
			if (p->plan.advice_count > count) {
				size_t h = p->plan.advice[--p->plan.advice_count].host;

				p->wanted--;
				drover_dpm_set_on(p, h, false);
				drover_dpm_reject(p, h,
						  "It could wake, but takes none of the load off");
			}
			return;
		}
		excess = left;
	}
}

void drover_dpm_wake_all(struct drover_dpm_pass *p)
{
	p->room.fill = p->room.high;
	wake_for_minimum(p);
	wake_for_waiting(p);
	wake_for_demand(p, 0, false);
	wake_for_demand(p, p->room.steps, true);
}
