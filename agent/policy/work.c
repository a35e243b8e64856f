// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot made ready for the search. */
#include "policy/work.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/entitle.h"
#include "policy/tree.h"

void drs_work_exit(struct drs_work *w)
{
	drs_canon_exit(&w->canon);
	free(w->hosts);
	free(w->vms);
	free(w->count_on);
	free(w->running);
	free(w->vm_rules);
}

/* --- hosts --- */

static void start_host(struct drs_work *w, uint32_t i)
{
	const struct drover_drs_host *h = &w->s->hosts[i];
	double memory = (double)h->memory_mib - h->memory_other_mib;

	w->hosts[i] = (struct drs_host){
		.host = h,
		.believed = !w->canon.stale_host[i],
		.takes = h->state == DROVER_DRS_HOST_UP && !w->canon.stale_host[i],
		.cap = h->cpu_mhz - h->cpu_other,
		.memory_cap = memory,
		.ram_cap = memory * w->s->options.memory_percent / 100,
	};
}

static void take_room(struct drs_host *h, const struct drover_drs_vm *vm)
{
	h->ram += vm->memory_mib;
	h->cpu_reserved += vm->cpu.reservation;
	h->memory_reserved += vm->memory.reservation;
}

/* --- VMs --- */

static enum drs_stay stay_of(const struct drs_work *w, uint32_t i)
{
	const struct drover_drs_vm *vm = &w->s->vms[i];

	if (w->vms[i].at == DROVER_DRS_NONE)
		return DRS_NOT_RUNNING;
	if (vm->moving_to != DROVER_DRS_NONE)
		return DRS_MIGRATES;
	if (vm->override == DROVER_DRS_VM_FIXED)
		return DRS_FIXED;
	for (uint32_t k = 0; k < vm->past_count; k++)
		if (vm->past[k].when_s + w->s->options.settle_s > w->s->now_s)
			return DRS_SETTLES;
	return w->canon.stale_vm[i] ? DRS_STALE : DRS_MOVABLE;
}

static void start_vm(struct drs_work *w, uint32_t i, double allowed)
{
	const struct drover_drs_vm *vm = &w->s->vms[i];
	struct drs_vm *v = &w->vms[i];
	int32_t at = vm->moving_to != DROVER_DRS_NONE ? vm->moving_to : vm->host;

	v->vm = vm;
	v->at = v->home = DROVER_DRS_NONE;
	v->load = drs_load_of(vm, w->s->now_s, w->s->history_step_s,
			      vm->host == DROVER_DRS_NONE
				      ? (vm->cpu.limit > 0 ? vm->cpu.limit : INFINITY)
				      : allowed);
	if (vm->host == DROVER_DRS_NONE || !drs_host_runs(&w->hosts[vm->host]) ||
	    !drs_host_runs(&w->hosts[at])) {
		v->stay = DRS_NOT_RUNNING;
		return;
	}
	v->at = v->home = at;
	v->stay = stay_of(w, i);
	drs_load_add(&w->hosts[at].load, &v->load, 1);
	w->hosts[at].vms++;
	take_room(&w->hosts[at], vm);
	if (at != vm->host)
		take_room(&w->hosts[vm->host], vm);
}

/* Below its limit, and its pools', a VM wants what it wants; above, it may not have it. */
static double allowed_of(const struct drover_drs_vm *vm, double granted)
{
	return granted < vm->cpu_demand ? granted : vm->cpu.limit > 0 ? vm->cpu.limit : INFINITY;
}

static int start_vms(struct drs_work *w, struct drover_err *err)
{
	auto_free double *granted = calloc(w->s->vm_count + 1, sizeof(*granted));
	auto_free struct drover_drs_part *parts = NULL;
	int r;

	if (!granted)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drs_tree_share(w->s, DRS_CPU, INFINITY, granted, err)
		    ?: drover_drs_entitle(w->s, &parts, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < w->s->vm_count; i++) {
		start_vm(w, i, allowed_of(&w->s->vms[i], granted[i]));
		w->vms[i].entitled = parts[i].cpu;
		w->vms[i].entitled_memory = parts[i].memory;
	}
	for (size_t i = 0; i < w->s->host_count; i++)
		w->hosts[i].loss =
			drs_loss(&w->hosts[i].load, w->hosts[i].cap, w->hosts[i].memory_cap);
	return 0;
}

/* --- rules --- */

static void count_rule(struct drs_work *w, uint32_t rule)
{
	const struct drover_drs_rule *r = &w->s->rules[rule];

	if (!drs_rule_counts(r)) {
		for (uint32_t k = 0; k < r->host_count; k++)
			*drs_count_on(w, rule, r->hosts[k]) = 1;
		return;
	}
	for (uint32_t k = 0; k < r->vm_count; k++) {
		const struct drs_vm *v = &w->vms[r->vms[k]];

		if (v->at == DROVER_DRS_NONE)
			continue;
		++*drs_count_on(w, rule, v->at);
		w->running[rule]++;
	}
}

static int start_rules(struct drs_work *w, struct drover_err *err)
{
	size_t rules = w->s->rule_count, named = 0;
	uint32_t *next;

	for (size_t i = 0; i < rules; i++) {
		named += w->s->rules[i].vm_count;
		for (uint32_t k = 0; k < w->s->rules[i].vm_count; k++)
			w->vms[w->s->rules[i].vms[k]].rule_count++;
	}
	w->count_on = calloc(rules * w->s->host_count + 1, sizeof(*w->count_on));
	w->running = calloc(rules + 1, sizeof(*w->running));
	w->vm_rules = next = calloc(named + 1, sizeof(*w->vm_rules));
	if (!w->count_on || !w->running || !w->vm_rules)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < w->s->vm_count; i++) {
		w->vms[i].rules = next;
		next += w->vms[i].rule_count;
		w->vms[i].rule_count = 0;
	}
	for (size_t i = 0; i < rules; i++) {
		for (uint32_t k = 0; k < w->s->rules[i].vm_count; k++) {
			struct drs_vm *v = &w->vms[w->s->rules[i].vms[k]];

			w->vm_rules[v->rules - w->vm_rules + v->rule_count++] = i;
		}
		count_rule(w, i);
	}
	return 0;
}

int drs_work_init(struct drs_work *w, const struct drover_drs_snapshot *s,
		  const struct drover_drs_change *changes, size_t count, struct drover_err *err)
{
	int r;

	*w = (struct drs_work){0};
	r = drs_canon_init(&w->canon, s, changes, count, err);
	if (r < 0)
		return r;
	w->s = &w->canon.s;
	w->hosts = calloc(s->host_count + 1, sizeof(*w->hosts));
	w->vms = calloc(s->vm_count + 1, sizeof(*w->vms));
	if (!w->hosts || !w->vms) {
		drs_work_exit(w);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < s->host_count; i++)
		start_host(w, i);
	r = start_vms(w, err) ?: start_rules(w, err);
	if (r < 0)
		drs_work_exit(w);
	return r;
}

static void refresh(struct drs_host *h)
{
	h->loss = drs_loss(&h->load, h->cap, h->memory_cap);
}

void drs_work_put(struct drs_work *w, uint32_t vm, int32_t host)
{
	struct drs_vm *v = &w->vms[vm];

	for (uint32_t k = 0; k < v->rule_count; k++) {
		if (!drs_rule_counts(&w->s->rules[v->rules[k]]))
			continue;
		if (v->at != DROVER_DRS_NONE)
			--*drs_count_on(w, v->rules[k], v->at);
		else
			w->running[v->rules[k]]++;
		++*drs_count_on(w, v->rules[k], host);
	}
	if (v->at != DROVER_DRS_NONE) {
		drs_load_add(&w->hosts[v->at].load, &v->load, -1);
		w->hosts[v->at].vms--;
		refresh(&w->hosts[v->at]);
	}
	drs_load_add(&w->hosts[host].load, &v->load, 1);
	take_room(&w->hosts[host], v->vm);
	w->hosts[host].vms++;
	refresh(&w->hosts[host]);
	v->at = host;
	v->moved = true;
}
