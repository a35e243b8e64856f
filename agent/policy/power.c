// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pass: what has to wake, else what may sleep. Each host that wakes or sleeps is put in
 * its new state on paper before the next one is looked at.
 */
#include "policy/power.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/power_pass.h"

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
	o.quiet_s = or_else(o.quiet_s, o.sleep_window_s);
	o.stay_on_s = or_else(o.stay_on_s, 2400);
	o.stay_off_s = or_else(o.stay_off_s, 600);
	o.leave_max = or_else(o.leave_max, hosts >= 10 ? (uint32_t)(hosts / 10) : 1);
	return o;
}

static bool any_stale(const struct drover_dpm_pass *p)
{
	for (size_t h = 0; h < p->s->host_count; h++)
		if (p->room.load[h].on && p->room.load[h].stale)
			return true;
	return false;
}

/* On paper VMs were moved off hosts that are too full: load balancing will do so, too. */
static void note_needed(struct drover_dpm_pass *p)
{
	for (size_t v = 0; v < p->s->vm_count; v++) {
		const struct drover_drs_vm *vm = &p->s->vms[v];
		int32_t at = vm->moving_to >= 0 ? vm->moving_to : vm->host, to = p->room.host_of[v];

		if (to >= 0 && to != at)
			p->needed[to] = true;
	}
}

static int decide(struct drover_dpm_pass *p, struct drover_err *err)
{
	double used = 0;

	for (size_t h = 0; h < p->s->host_count; h++) {
		bool changing = p->view->hosts[h].changing;

		p->leaving += changing && p->s->hosts[h].state != DROVER_DRS_HOST_STANDBY;
		p->waking += changing && p->s->hosts[h].state == DROVER_DRS_HOST_STANDBY;
		if (!p->room.load[h].on)
			continue;
		drover_dpm_count_on(p, h, 1);
		used += drover_dpm_room_mean(&p->room, h) * drover_dpm_capacity(&p->s->hosts[h]);
	}
	p->plan.load = p->cpu > 0 ? used / p->cpu : 0;
	drover_dpm_wake_all(p);
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
	if (drover_dpm_room_init(&p->room, p->view, &p->o, err) < 0)
		return -ENOMEM;
	return drover_dpm_sleep_all(p, err);
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

static int allocate(struct drover_dpm_pass *p)
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
	struct drover_dpm_pass p = {.view = view, .s = view->snapshot};
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
