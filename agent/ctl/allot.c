// SPDX-License-Identifier: GPL-2.0-or-later
/* What VMs may use of their host. */
#include "ctl/allot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entitle.h"
#include "vm/cgroup.h"

#define WEIGHT_MAX     10000
#define WEIGHT_DEFAULT 100
#define PERIOD_US      100000
#define MIB	       1048576.0

/* What each would get if all wanted all they can use. */
static struct drover_drs_part *at_most(const struct drover_drs_snapshot *s)
{
	auto_free struct drover_drs_vm *vms = calloc(s->vm_count + 1, sizeof(*vms));
	struct drover_drs_snapshot busy = *s;
	struct drover_drs_part *parts = NULL;

	if (!vms)
		return NULL;
	for (size_t i = 0; i < s->vm_count; i++) {
		const struct drover_drs_vm *vm = &s->vms[i];

		vms[i] = *vm;
		if (vm->host >= 0 && s->hosts[vm->host].cores)
			vms[i].cpu_demand =
				vm->vcpus * s->hosts[vm->host].cpu_mhz / s->hosts[vm->host].cores;
	}
	busy.vms = vms;
	return drover_drs_entitle(&busy, &parts, NULL) < 0 ? NULL : parts;
}

static uint32_t weight_of(double entitled, double host_mhz)
{
	double w = host_mhz > 0 ? WEIGHT_MAX * entitled / host_mhz : WEIGHT_DEFAULT;

	return fmin(fmax(lround(w), 1), WEIGHT_MAX);
}

static void fill_in(Drover__Allotment *a, const struct drover_drs_vm *vm,
		    const struct drover_drs_host *on, const struct drover_drs_part *now,
		    const struct drover_drs_part *most)
{
	a->cpu_weight = weight_of(fmax(now->cpu, most->cpu), on->cpu_mhz);
	if (vm->cpu.limit > 0 && on->cores && on->cpu_mhz > 0)
		a->cpu_max_us = fmax(vm->cpu.limit * on->cores / on->cpu_mhz * PERIOD_US, 1000);
	if (vm->memory.reservation > 0)
		a->memory_low =
			fmax(vm->memory.reservation, fmin(now->memory, vm->memory_mib)) * MIB;
	if (vm->memory.limit > 0)
		a->memory_high = vm->memory.limit * MIB;
}

static Drover__Allotment *make_one(const char *vm)
{
	Drover__Allotment *a = malloc(sizeof(*a));

	if (!a)
		return NULL;
	drover__allotment__init(a);
	a->vm = strdup(vm);
	a->cpu_weight = WEIGHT_DEFAULT;
	return a;
}

Drover__Allot *drover_allot_make(const struct drover_drs_snapshot *s, size_t host, bool plain)
{
	auto_free struct drover_drs_part *now = NULL, *most = at_most(s);
	Drover__Allot *allot = malloc(sizeof(*allot));

	if (!allot)
		return NULL;
	drover__allot__init(allot);
	allot->vms = calloc(s->vm_count + 1, sizeof(*allot->vms));
	if (!allot->vms || !most || drover_drs_entitle(s, &now, NULL) < 0) {
		drover__allot__free_unpacked(allot, NULL);
		return NULL;
	}
	for (size_t i = 0; i < s->vm_count; i++) {
		Drover__Allotment *a =
			s->vms[i].host == (int32_t)host ? make_one(s->vms[i].name) : NULL;

		if (!a)
			continue;
		if (!plain)
			fill_in(a, &s->vms[i], &s->hosts[host], &now[i], &most[i]);
		allot->vms[allot->n_vms++] = a;
	}
	return allot;
}

/* Nothing is promised to it, and nothing forbidden. */
static bool is_plain(const Drover__Allotment *a)
{
	return a->cpu_weight == WEIGHT_DEFAULT && !a->cpu_max_us && !a->memory_low &&
	       !a->memory_high;
}

void drover_allot_apply(struct drover_agent *agent, const Drover__Allot *allot)
{
	static bool warned;

	for (size_t i = 0; i < allot->n_vms; i++) {
		const Drover__Allotment *a = allot->vms[i];
		const struct drover_cgroup_limits limits = {
			.cpu_weight = a->cpu_weight,
			.cpu_max_us = a->cpu_max_us,
			.memory_low = a->memory_low,
			.memory_high = a->memory_high,
		};
		struct drover_entry *e = drover_entry_find(agent, a->vm);
		struct drover_err err = {0};

		/* What was never given need not be taken back. */
		if (is_plain(a) && !drover_cgroup_is_limitable(a->vm))
			continue;
		if (!e || !e->vm || drover_cgroup_limit(a->vm, &limits, &err) == 0)
			continue;
		if (!warned)
			log_warning("shares, reservations and limits have no effect here: %s",
				    err.text);
		warned = true;
	}
}
